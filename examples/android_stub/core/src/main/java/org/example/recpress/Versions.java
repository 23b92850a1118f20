package org.example.recpress;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The version of a bundle that a folder holds and the one before, {@code FOLDER.previous}, by renames alone.
 *
 * <p>No Java API of Android's exchanges two folders in one step. So a new version is renamed from {@code .draft} to
 * {@code .next} when all of it was checked and is on the disk; then {@code .previous} becomes {@code .gone}, the folder
 * becomes {@code .previous}, {@code .next} becomes the folder. Between the last two the folder has no name of its own:
 * {@link #settle} gives it one. A whole version is on the disk at every moment, and the names say which it is.
 */
public final class Versions {
    private static final String PREVIOUS = ".previous";
    private static final String STEPS = ".steps";
    private static final String STEPS_SCHEMA = "recpress.steps/1";
    private static final int MOST_STEPS = 8;
    private static final int MAX_STEPS_BYTES = 1 << 16;

    final File folder;
    private final File previous;
    private final File draft;
    private final File next;
    private final File gone;
    private final File was;
    private final File steps;
    private final Disk disk;

    Versions(File folder, Disk disk) throws IOException {
        this.folder = folder.getCanonicalFile();
        this.disk = disk;
        previous = beside(PREVIOUS);
        draft = beside(".draft");
        next = beside(".next");
        gone = beside(".gone");
        was = beside(".was");
        steps = beside(STEPS);
    }

    private File beside(String suffix) {
        return new File(folder.getParentFile(), folder.getName() + suffix);
    }

    /** Where the version before is kept. */
    public static File previous(File folder) throws IOException {
        return new Versions(folder, new Disk()).previous;
    }

    /**
     * Ends or takes back what a killed process began; call it before a bundle is opened that {@link Patch#apply} or
     * {@link #rollBack} changes. Where nothing was begun nothing happens.
     */
    public static void settle(File folder) throws IOException {
        new Versions(folder, new Disk()).settle();
    }

    /**
     * Exchanges a bundle with the version before, after that passed {@code check}; once more undoes it. Returns the
     * digest of the version that is in place.
     *
     * <p>{@code trusted}: whose bundles may come back; null: everybody's. MISSING fault where there is no version before,
     * DIGEST where the two are one version, or none was made from the other.
     */
    public static String rollBack(File folder, TrustedKeys trusted, BundleCheck check)
            throws BundleException, IOException {
        return rollBack(folder, trusted, check, new Disk());
    }

    static String rollBack(File folder, TrustedKeys trusted, BundleCheck check, Disk disk)
            throws BundleException, IOException {
        Versions versions = new Versions(folder, disk);
        versions.settle();
        if (!versions.previous.isDirectory()) {
            throw new BundleException(
                    Fault.MISSING, "there is no version before " + folder + ": a patch that is applied keeps one");
        }
        AnyBundle before = AnyBundle.open(versions.previous, trusted);
        check.check(versions.previous, trusted);
        versions.checkStep(before, versions.current());
        try {
            versions.exchange();
        } catch (IOException error) {
            versions.tidy();
            throw error;
        }
        return before.digest;
    }

    void settle() throws IOException {
        removeAll(draft);
        if (was.exists()) { // a rollback
            if (!folder.exists()) {
                disk.rename(was, folder);
            } else if (!previous.exists()) {
                disk.rename(was, previous);
            } else {
                removeAll(was);
            }
        }
        if (next.exists() && !folder.exists()) {
            disk.rename(next, folder);
        }
        if (gone.exists() && !previous.exists()) {
            disk.rename(gone, previous);
        }
        if (isThere(next)) { // whole, and not begun with: the call that made it starts over
            disk.rename(next, draft);
            removeAll(draft);
        }
        removeAll(gone);
    }

    /** The same after a failure, which is told before any other; the next call settles what this leaves. */
    void tidy() {
        try {
            settle();
        } catch (IOException error) {
            return;
        }
    }

    /** A new empty folder for the next version; PATH fault where somebody else's has the name of the one before. */
    File draft() throws BundleException, IOException {
        String[] kept = previous.list();
        boolean ours = kept == null
                ? !isThere(previous)
                : kept.length == 0 || new File(previous, RecBundle.MANIFEST).isFile();
        if (!ours) {
            throw new BundleException(
                    Fault.PATH, previous + " is no version of a bundle, and is not replaced. Move it away.");
        }
        disk.makeFolder(draft);
        return draft;
    }

    /** The checked draft takes the place of the bundle, which becomes the version before. */
    void replace(AnyBundle old, String target) throws BundleException, IOException {
        if (!AnyBundle.open(folder, null).digest.equals(old.digest)) {
            throw new BundleException(
                    Fault.DIGEST, folder + " was changed by somebody else meanwhile. Nothing was written.");
        }
        noteStep(old.digest, target);
        disk.rename(draft, next);
        if (previous.exists()) {
            disk.rename(previous, gone);
        }
        disk.rename(folder, previous);
        disk.rename(next, folder);
        try {
            removeAll(gone);
        } catch (IOException error) {
            return; // the new version is in place; settle() tries again
        }
    }

    private void exchange() throws IOException {
        boolean there = folder.exists();
        if (there) {
            disk.rename(folder, was);
        }
        disk.rename(previous, folder);
        if (there) {
            disk.rename(was, previous);
        }
    }

    /** The bundle in place; null where it is damaged or missing. */
    private AnyBundle current() {
        try {
            return AnyBundle.open(folder, null);
        } catch (BundleException error) {
            return null;
        }
    }

    private void checkStep(AnyBundle before, AnyBundle current) throws BundleException {
        if (current == null) {
            return;
        }
        if (current.digest.equals(before.digest)) {
            throw new BundleException(
                    Fault.DIGEST, folder + " is the version in " + previous + " already: nothing to roll back");
        }
        boolean step = current.earlier().contains(before.digest) || before.earlier().contains(current.digest);
        for (List<?> pair : noted()) {
            step |= pair.equals(Arrays.asList(before.digest, current.digest));
            step |= pair.equals(Arrays.asList(current.digest, before.digest));
        }
        if (!step) {
            throw new BundleException(
                    Fault.DIGEST,
                    previous + " is not a version of " + folder + ": neither names the other in its history. "
                            + "Move one of them away.");
        }
    }

    /** Remembers which version was made from which, since a new training does not say so itself. */
    private void noteStep(String base, String target) throws IOException {
        List<List<?>> pairs = noted();
        pairs.add(Arrays.asList(base, target));
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        facts.put("schema", STEPS_SCHEMA);
        facts.put("steps", pairs.subList(Math.max(0, pairs.size() - MOST_STEPS), pairs.size()));
        File written = beside(STEPS + ".draft");
        if (written.exists()) {
            disk.delete(written);
        }
        FileOutputStream out = disk.create(written);
        try {
            out.write((Json.canonical(facts) + "\n").getBytes(Json.UTF_8));
            disk.sync(out);
        } finally {
            out.close();
        }
        disk.rename(written, steps);
    }

    private List<List<?>> noted() {
        List<List<?>> pairs = new ArrayList<List<?>>();
        Object listed = Collections.emptyList();
        try {
            if (steps.isFile()) {
                listed = Json.parseObject(BundleFiles.read(steps, MAX_STEPS_BYTES), steps.getPath()).get("steps");
            }
        } catch (BundleException error) {
            return pairs; // as if there were none: what it allows must be stated elsewhere then
        }
        if (listed instanceof List) {
            for (Object pair : (List<?>) listed) {
                if (pair instanceof List) {
                    pairs.add((List<?>) pair);
                }
            }
        }
        return pairs;
    }

    private void removeAll(File root) throws IOException {
        if (isThere(root)) {
            remove(root);
        }
    }

    private void remove(File root) throws IOException {
        File[] inside = root.listFiles();
        if (inside != null && root.getCanonicalFile().equals(root.getAbsoluteFile())) { // no link to elsewhere
            for (File file : inside) {
                remove(file);
            }
        }
        disk.delete(root);
    }

    /** Also of a link to nothing, which does not exist. */
    private static boolean isThere(File file) {
        if (file.exists()) {
            return true;
        }
        String[] names = file.getParentFile().list();
        return names != null && Arrays.asList(names).contains(file.getName());
    }
}
