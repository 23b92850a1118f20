package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Patches with what Python made of them, and folders to compare. */
final class PatchFixtures {
    private PatchFixtures() {}

    static List<Map<?, ?>> cases() throws BundleException {
        List<Map<?, ?>> cases = new ArrayList<Map<?, ?>>();
        for (Object entry : (List<?>) Fixtures.json(new File(folder(), "cases.json")).get("cases")) {
            cases.add((Map<?, ?>) entry);
        }
        return cases;
    }

    static Map<?, ?> named(String what) throws BundleException {
        for (Map<?, ?> stated : cases()) {
            if (what.equals(stated.get("what"))) {
                return stated;
            }
        }
        throw new AssertionError("no case '" + what + "'");
    }

    static File base(Map<?, ?> stated) {
        return new File((String) stated.get("base"));
    }

    static File patch(Map<?, ?> stated) {
        return new File(folder(), (String) stated.get("patch"));
    }

    static File made(Map<?, ?> stated) {
        assertTrue(stated + " is applied by Java", stated.containsKey("made"));
        return new File(folder(), (String) stated.get("made"));
    }

    /** Null where anybody's patches are taken. */
    static TrustedKeys keys(Map<?, ?> stated) throws BundleException {
        String path = (String) stated.get("keys");
        return path == null
                ? null
                : TrustedKeys.parse(Json.decode(BundleFiles.read(new File(path), 1 << 20), path, Fault.FIELD));
    }

    private static File folder() {
        return new File(Fixtures.folder(), "patches");
    }

    /** A copy named bundle in {@code home}, or of that very name where there is none yet. */
    static File copy(File folder, File home) throws Exception {
        File target = home.isDirectory() ? new File(home, "bundle") : home;
        if (!target.mkdir()) {
            throw new IOException("cannot make " + target);
        }
        for (String name : folder.list()) {
            write(new File(target, name), BundleFiles.read(new File(folder, name), 1 << 24));
        }
        return target;
    }

    static void write(File file, byte[] data) throws IOException {
        FileOutputStream out = new FileOutputStream(file);
        try {
            out.write(data);
        } finally {
            out.close();
        }
    }

    static void assertSame(File wanted, File found) throws BundleException {
        String[] names = wanted.list();
        String[] there = found.list();
        Arrays.sort(names);
        Arrays.sort(there);
        assertEquals(Arrays.toString(names), Arrays.toString(there));
        for (String name : names) {
            String message = name + " of " + found;
            assertEquals(message, BundleFiles.sha256(new File(wanted, name)), BundleFiles.sha256(new File(found, name)));
        }
    }
}
