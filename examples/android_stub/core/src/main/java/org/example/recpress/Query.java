package org.example.recpress;

import java.util.Arrays;

/** One checked request: what the host must look at before any runtime sees it. */
public final class Query {
    public final long user;
    public final long[] seen;
    /** 0 when every item is seen or retired. */
    public final int k;

    private Query(long user, long[] seen, int k) {
        this.user = user;
        this.seen = seen;
        this.k = k;
    }

    /**
     * Checks a request and caps k to the items left.
     *
     * <p>The host must do this: onnxruntime wraps negative indices, so user -1 would return another user's list.
     * {@code user} is SelfTest.NOBODY for the one user of a single-user bundle and for a bundle without users.
     */
    static Query check(int user, long[] seen, int k, Contract contract) {
        long row = checkUser(user, contract.nUsers);
        if (k < 1) {
            throw new IllegalArgumentException("k must be at least 1, got " + k);
        }
        for (long item : seen) {
            if (item < 0 || item >= contract.nItems) {
                throw new IllegalArgumentException(
                        "seen item index " + item + " is outside 0.." + (contract.nItems - 1));
            }
        }
        long[] retired = contract.retired();
        // a history without order: an item counts once, however often it was consumed
        boolean once = contract.nUsers == 0 && contract.historyLength == 0;
        long[] items = once ? distinct(seen) : seen.clone();
        if (k > contract.nItems - (long) items.length - retired.length) { // only then can duplicates matter
            k = Math.min(k, contract.nItems - distinct(concat(items, retired)).length);
        }
        return new Query(row, items, k);
    }

    /** The same request with other items, unchecked: for tests of what is behind the check. */
    Query withSeen(long[] items) {
        return new Query(user, items, k);
    }

    private static long checkUser(int user, int nUsers) {
        if (user == SelfTest.NOBODY) {
            if (nUsers > 1) {
                throw new IllegalArgumentException("this model serves " + nUsers + " users: say which one");
            }
            return 0;
        }
        if (nUsers == 0) {
            throw new IllegalArgumentException("user " + user + ": this model holds no users, give a history alone");
        }
        if (user < 0 || user >= nUsers) {
            throw new IllegalArgumentException("user index " + user + " is outside 0.." + (nUsers - 1));
        }
        return user;
    }

    /** The distinct values, ascending, as numpy.unique gives them: a float sum depends on the order. */
    private static long[] distinct(long[] values) {
        long[] sorted = values.clone();
        Arrays.sort(sorted);
        int count = 0;
        for (int i = 0; i < sorted.length; i++) {
            if (i == 0 || sorted[i] != sorted[i - 1]) {
                sorted[count++] = sorted[i];
            }
        }
        return Arrays.copyOf(sorted, count);
    }

    private static long[] concat(long[] left, long[] right) {
        long[] both = Arrays.copyOf(left, left.length + right.length);
        System.arraycopy(right, 0, both, left.length, right.length);
        return both;
    }
}
