package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

/** Patches make what they make in Python, byte for byte, or are refused for its reasons; see tests/patch_cases.py. */
public class PatchTest {
    @Rule
    public final TemporaryFolder home = new TemporaryFolder();

    @Test
    public void everyPatchEndsAsInPython() throws Exception {
        int made = 0;
        int refused = 0;
        List<String> wrong = new ArrayList<String>();
        for (Map<?, ?> stated : PatchFixtures.cases()) {
            File folder = PatchFixtures.copy(PatchFixtures.base(stated), home.newFolder());
            BundleCheck check = stated.containsKey("self_test") ? BundleCheck.SELF_TEST : BundleCheck.DIGESTS;
            try {
                Patch.Applied applied =
                        Patch.apply(folder, PatchFixtures.patch(stated), PatchFixtures.keys(stated), check);
                PatchFixtures.assertSame(PatchFixtures.made(stated), folder);
                assertEquals(AnyBundle.open(folder, null).digest, applied.digest());
                if (applied.filesWritten() > 0) {
                    PatchFixtures.assertSame(PatchFixtures.base(stated), Versions.previous(folder));
                }
                made++;
            } catch (BundleException error) {
                refused++;
                if (!error.fault().word().equals(stated.get("fault"))) {
                    wrong.add(stated + " but Java says " + error.fault().word() + ": " + error.getMessage());
                }
                PatchFixtures.assertSame(PatchFixtures.base(stated), folder);
                assertEquals("beside it", "[bundle]", Arrays.toString(folder.getParentFile().list()));
            }
            if (Fixtures.isEnough(wrong)) {
                break;
            }
        }
        assertTrue(wrong.size() + " verdicts differ: " + wrong, wrong.isEmpty());
        System.out.println(made + " patches applied as in Python, " + refused + " refused as in Python");
        assertTrue(made >= 10 && refused >= 60);
    }

    @Test
    public void whatIsSomebodyElsesIsNotReplaced() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("retired to retired");
        File folder = PatchFixtures.copy(PatchFixtures.base(stated), home.newFolder());
        File photo = new File(Versions.previous(folder), "photo.jpg");
        assertTrue(photo.getParentFile().mkdir() && photo.createNewFile());
        try {
            Patch.apply(folder, PatchFixtures.patch(stated), null, BundleCheck.DIGESTS);
            fail("replaced " + photo);
        } catch (BundleException error) {
            assertEquals(Fault.PATH, error.fault());
        }
        assertTrue(photo.isFile());
        PatchFixtures.assertSame(PatchFixtures.base(stated), folder);
        assertTrue(photo.delete());
        Patch.apply(folder, PatchFixtures.patch(stated), null, BundleCheck.DIGESTS);
        PatchFixtures.assertSame(PatchFixtures.made(stated), folder);
    }

    @Test
    public void linksToNothingAreRemovedWithADraft() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("retired to retired");
        File folder = PatchFixtures.copy(PatchFixtures.base(stated), home.newFolder());
        File draft = new File(folder.getPath() + ".draft");
        File outside = home.newFile();
        assertTrue(draft.mkdir());
        for (String target : new String[] {"nothing", outside.getPath()}) {
            Files.createSymbolicLink(new File(draft, "link-" + target.length()).toPath(), Paths.get(target));
        }
        Files.createSymbolicLink(new File(folder.getPath() + ".next").toPath(), Paths.get("nothing"));
        Patch.apply(folder, PatchFixtures.patch(stated), null, BundleCheck.DIGESTS);
        PatchFixtures.assertSame(PatchFixtures.made(stated), folder);
        assertTrue(outside.isFile());
    }

    @Test
    public void rollingBackReturnsTheVersionBefore() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("retired to retired");
        File folder = PatchFixtures.copy(PatchFixtures.base(stated), home.newFolder());
        Patch.Applied applied = Patch.apply(folder, PatchFixtures.patch(stated), null);
        assertEquals(applied.base(), Versions.rollBack(folder, null, BundleCheck.SELF_TEST));
        PatchFixtures.assertSame(PatchFixtures.base(stated), folder);
        PatchFixtures.assertSame(PatchFixtures.made(stated), Versions.previous(folder));
        assertEquals(applied.digest(), Versions.rollBack(folder, null, BundleCheck.SELF_TEST));
        PatchFixtures.assertSame(PatchFixtures.made(stated), folder);
        assertEquals(0, Patch.apply(folder, PatchFixtures.patch(stated), null).filesWritten());
        refuseRollBack(folder, PatchFixtures.keys(PatchFixtures.named("signed")), Fault.SIGNATURE);
    }

    @Test
    public void onlyAVersionOfTheBundleComesBack() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("old to new");
        File folder = PatchFixtures.copy(PatchFixtures.base(stated), home.newFolder());
        refuseRollBack(folder, null, Fault.MISSING);
        PatchFixtures.copy(PatchFixtures.made(stated), Versions.previous(folder));
        refuseRollBack(folder, null, Fault.DIGEST); // nothing says that one was made from the other
        Versions.settle(folder);
        PatchFixtures.assertSame(PatchFixtures.base(stated), folder);
    }

    @Test
    public void aDamagedBundleIsRolledBack() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("old to new");
        File folder = PatchFixtures.copy(PatchFixtures.base(stated), home.newFolder());
        Patch.apply(folder, PatchFixtures.patch(stated), null, BundleCheck.DIGESTS);
        assertTrue(new File(folder, RecBundle.ITEMS_FILE).delete());
        Versions.rollBack(folder, null, BundleCheck.DIGESTS);
        PatchFixtures.assertSame(PatchFixtures.base(stated), folder);
    }

    private static void refuseRollBack(File folder, TrustedKeys trusted, Fault fault) throws Exception {
        try {
            Versions.rollBack(folder, trusted, BundleCheck.DIGESTS);
            fail("rolled back");
        } catch (BundleException error) {
            assertEquals(error.getMessage(), fault, error.fault());
        }
    }

    /** Stopped before each step that changes the disk, and again before each step of putting it right. */
    @Test
    public void stoppedAnywhereABundleIsWhole() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("old to new");
        File first = PatchFixtures.base(stated);
        File made = PatchFixtures.made(stated);
        int steps = 0;
        for (int before = 0; before < 2; before++) { // without and with a version before
            boolean more = true;
            for (int turn = 0; more; turn++) {
                File folder = PatchFixtures.copy(first, home.newFolder());
                if (before == 1) {
                    assertFalse(stoppedAt(1000, folder, stated));
                    Versions.rollBack(folder, null, BundleCheck.DIGESTS); // the new version is the one before now
                }
                more = stoppedAt(turn, folder, stated);
                settled(folder, turn, first, made);
                assertFalse(stoppedAt(1000, folder, stated));
                PatchFixtures.assertSame(made, folder);
                PatchFixtures.assertSame(first, Versions.previous(folder));
                assertEquals(3, folder.getParentFile().list().length); // the bundle, the one before, its steps
                steps++;
            }
        }
        System.out.println("stopped at " + steps + " places");
        assertTrue(steps > 30);
    }

    @Test
    public void aRollbackThatIsStoppedLosesNothing() throws Exception {
        Map<?, ?> stated = PatchFixtures.named("old to new");
        boolean more = true;
        int turn = 0;
        for (; more; turn++) {
            File folder = PatchFixtures.copy(PatchFixtures.base(stated), home.newFolder());
            assertFalse(stoppedAt(1000, folder, stated));
            more = false;
            try {
                Versions.rollBack(folder, null, BundleCheck.DIGESTS, new StoppingDisk(turn));
            } catch (StoppingDisk.Stopped stop) {
                more = true;
            }
            settled(folder, turn, PatchFixtures.base(stated), PatchFixtures.made(stated));
            assertTrue(Versions.previous(folder).isDirectory());
            assertFalse(digest(folder).equals(digest(Versions.previous(folder))));
        }
        assertEquals(4, turn); // three renames, and none that stops
    }

    private static boolean stoppedAt(int turn, File folder, Map<?, ?> stated) throws Exception {
        try {
            Patch.apply(folder, PatchFixtures.patch(stated), null, BundleCheck.DIGESTS, new StoppingDisk(turn));
            return false;
        } catch (StoppingDisk.Stopped stop) {
            return true;
        }
    }

    /** Whatever stops it too, in the end one version is there. */
    private static void settled(File folder, int turn, File... versions) throws Exception {
        for (int again = 0; again < 100; again++) {
            try {
                new Versions(folder, new StoppingDisk((again + turn) % 4)).settle();
                break;
            } catch (StoppingDisk.Stopped stop) {
                assertTrue(again < 99);
            }
        }
        List<String> whole = new ArrayList<String>();
        for (File version : versions) {
            whole.add(digest(version));
        }
        assertTrue(whole.contains(digest(folder)));
    }

    private static String digest(File folder) throws BundleException {
        return AnyBundle.open(folder, null).digest;
    }
}
