package org.example.recpress;

import java.io.File;
import java.util.Arrays;

/** Held-out test users as sparse rows: what not to recommend, and what would be a hit. */
public final class Evaluation {
    private final long[] users;
    private final long[] seenStarts;
    private final long[] seen;
    private final long[] relevantStarts;
    private final long[] relevant;

    private Evaluation(long[][] arrays) {
        users = arrays[0];
        seenStarts = arrays[1];
        seen = arrays[2];
        relevantStarts = arrays[3];
        relevant = arrays[4];
    }

    static Evaluation read(File file, Contract contract) throws BundleException {
        String where = file.getPath();
        Evaluation found = new Evaluation(
                Npz.read(file, "users", "seen_indptr", "seen_indices", "relevant_indptr", "relevant_indices"));
        contract.checkUsers(found.users, where);
        contract.checkItems(found.seen, where);
        contract.checkItems(found.relevant, where);
        found.checkStarts(found.seenStarts, found.seen, where);
        found.checkStarts(found.relevantStarts, found.relevant, where);
        return found;
    }

    private void checkStarts(long[] starts, long[] indices, String where) throws BundleException {
        boolean fits = starts.length == users.length + 1
                && starts[0] == 0
                && starts[starts.length - 1] == indices.length;
        for (int i = 1; fits && i < starts.length; i++) {
            fits = starts[i - 1] <= starts[i];
        }
        if (!fits) {
            throw new BundleException(
                    Fault.CONTENT, where + ": row pointers do not fit " + users.length + " users");
        }
    }

    public int size() {
        return users.length;
    }

    boolean hasRelevantItems() {
        return relevant.length > 0;
    }

    /** Index of a row's user, or SelfTest.NOBODY where the bundle holds none. */
    public int user(int row) {
        return (int) users[row];
    }

    public long[] seen(int row) {
        return Arrays.copyOfRange(seen, (int) seenStarts[row], (int) seenStarts[row + 1]);
    }

    public long[] relevant(int row) {
        return Arrays.copyOfRange(relevant, (int) relevantStarts[row], (int) relevantStarts[row + 1]);
    }
}
