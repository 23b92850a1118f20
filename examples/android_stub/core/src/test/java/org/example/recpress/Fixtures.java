package org.example.recpress;

import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeNotNull;

import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What the Python side of a test run wrote: bundles, its own answers, its verdicts. */
final class Fixtures {
    private Fixtures() {}

    /** The folder; without one a test is skipped, since only the test run that exports bundles can make it. */
    static File folder() {
        String path = System.getProperty("fixtures");
        assumeNotNull(path);
        File folder = new File(path);
        assertTrue(folder + " is a folder", folder.isDirectory());
        return folder;
    }

    /** Whether a test that collects what is wrong may stop: the first thing is enough where mutants are tried. */
    static boolean isEnough(List<String> wrong) {
        return Boolean.getBoolean("first") && !wrong.isEmpty();
    }

    static Map<String, Object> json(File file) throws BundleException {
        return Json.parseObject(BundleFiles.read(file, 64 << 20), file.getPath());
    }

    static List<String> texts(Object values) {
        List<String> found = new ArrayList<String>();
        for (Object value : (List<?>) values) {
            found.add((String) value);
        }
        return found;
    }

    static int integer(Object value) {
        return (int) ((JsonNumber) value).longValue();
    }

    static double number(Object value) {
        return ((JsonNumber) value).doubleValue();
    }
}
