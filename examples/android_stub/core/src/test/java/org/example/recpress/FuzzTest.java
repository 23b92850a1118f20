package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

/** A small seeded part of what tests/fuzz_java.py runs by hand. */
public class FuzzTest {
    private static final int CASES = 1500;
    private static final int PATCHES = 400;

    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    @Test
    public void mutatedBundlesAreRefusedOrAnswer() throws Exception {
        File bundles = new File(Fixtures.folder(), "bundles");
        String[] names = {
            "int8-dim", "fp32", "int8-dim-single-user", "fp32-history", "history-without-rows", "int8-dim-c",
            "int4-item-history-c"
        };
        List<File> found = new ArrayList<File>();
        for (String name : names) {
            found.add(new File(bundles, name));
        }
        for (String name : new String[] {"two-stages", "two-stages-history"}) {
            found.add(new File(Fixtures.folder(), "stages/bundles/" + name));
        }
        Fuzz fuzz = new Fuzz(folder.getRoot(), found.toArray(new File[0]));
        fuzz.run(0, CASES, 600);
        Map<String, Object> facts = fuzz.facts();
        assertEquals(facts.toString(), new ArrayList<String>(), facts.get("findings"));
        assertEquals(CASES, facts.get("cases"));
        Map<?, ?> outcomes = (Map<?, ?>) facts.get("outcomes");
        for (String wanted : new String[] {"digest", "field", "content", "model", "range"}) {
            assertTrue(facts.toString(), outcomes.containsKey("refused: " + wanted));
        }
        assertTrue(facts.toString(), outcomes.containsKey("answers"));
    }

    @Test
    public void mutatedPatchesAreRefusedOrMakeWhatTheyState() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("old to new");
        File base = PatchFixtures.base(stated);
        FuzzPatches fuzz =
                new FuzzPatches(folder.getRoot(), PatchFixtures.patch(stated), base, PatchFixtures.made(stated));
        fuzz.run(0, PATCHES, 600);
        Map<String, Object> facts = fuzz.facts();
        assertEquals(facts.toString(), new ArrayList<String>(), facts.get("findings"));
        assertEquals(PATCHES, facts.get("cases"));
        Map<?, ?> outcomes = (Map<?, ?>) facts.get("outcomes");
        for (String wanted : new String[] {"applied", "refused: digest", "refused: content", "refused: size"}) {
            assertTrue(facts.toString(), outcomes.containsKey(wanted));
        }
        PatchFixtures.assertSame(base, new File(folder.getRoot(), "bundle"));
    }
}
