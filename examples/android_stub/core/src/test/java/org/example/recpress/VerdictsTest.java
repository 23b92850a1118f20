package org.example.recpress;

import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.Test;

/** Damaged and forged bundles are refused for the same reason as in Python; see tests/corruptions.py. */
public class VerdictsTest {
    @Test
    public void everyCorruptionGetsPythonsVerdict() throws Exception {
        File folder = new File(Fixtures.folder(), "corrupt");
        List<?> cases = (List<?>) Fixtures.json(new File(folder, "cases.json")).get("cases");
        List<String> wrong = new ArrayList<String>();
        for (Object entry : cases) {
            Map<?, ?> stated = (Map<?, ?>) entry;
            String found = verdict(new File(folder, (String) stated.get("folder")));
            if (!found.equals(stated.get("fault"))) {
                wrong.add(stated + " but Java says " + found);
            }
            if (Fixtures.isEnough(wrong)) {
                break;
            }
        }
        assertTrue(wrong.size() + " verdicts differ: " + wrong, wrong.isEmpty());
        assertTrue("at least 100 cases, found " + cases.size(), cases.size() >= 100);
        System.out.println(cases.size() + " corrupted bundles refused as Python refuses them");
    }

    private static String verdict(File folder) {
        try {
            Recommender.open(RecBundle.open(folder)).close();
            return "accepted";
        } catch (BundleException error) {
            return error.fault().word();
        }
    }
}
