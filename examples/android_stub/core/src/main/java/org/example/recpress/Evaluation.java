package org.example.recpress;

import java.io.File;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

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

    /** The queries of a self-test as rows, nothing relevant in any. */
    static Evaluation ofQueries(SelfTest test) {
        int count = test.size();
        long[] users = new long[count];
        long[] starts = new long[count + 1];
        for (int row = 0; row < count; row++) {
            users[row] = test.user(row);
            starts[row + 1] = starts[row] + test.seen(row).length;
        }
        long[] seen = new long[(int) starts[count]];
        for (int row = 0; row < count; row++) {
            long[] items = test.seen(row);
            System.arraycopy(items, 0, seen, (int) starts[row], items.length);
        }
        return new Evaluation(new long[][] {users, starts, seen, new long[count + 1], new long[0]});
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

    /** Items that can be recommended to each user with a relevant item, ascending. */
    int[] candidates(Contract contract) {
        int[] counts = new int[size()];
        int users = 0;
        for (int row = 0; row < size(); row++) {
            if (relevantStarts[row] < relevantStarts[row + 1]) {
                Set<Long> masked = new HashSet<Long>();
                for (long item : seen(row)) {
                    masked.add(item);
                }
                for (long item : contract.retired()) {
                    masked.add(item);
                }
                counts[users++] = contract.nItems - masked.size();
            }
        }
        int[] found = Arrays.copyOf(counts, users);
        Arrays.sort(found);
        return found;
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
