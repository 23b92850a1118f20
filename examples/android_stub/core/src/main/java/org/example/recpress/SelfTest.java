package org.example.recpress;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Queries with the answers that the model must give before anything is shown or timed. */
public final class SelfTest {
    /** In place of a user index where a bundle holds no users. */
    public static final int NOBODY = -1;

    private final int k;
    private final long[] users;
    private final long[][] seen;
    private final long[][] items;
    private final double[][] scores;

    private SelfTest(int k, long[] users, long[][] seen, long[][] items, double[][] scores) {
        this.k = k;
        this.users = users;
        this.seen = seen;
        this.items = items;
        this.scores = scores;
    }

    /** Reads selftest.json; every index is checked against the contract. */
    static SelfTest read(byte[] data, Contract contract, String where) throws BundleException {
        Fields fields = new Fields(Json.parseObject(data, where), where);
        SelfTest test;
        try {
            long[] users = integers(fields.list("users"));
            test = new SelfTest(
                    (int) Math.min(fields.integer("k"), Integer.MAX_VALUE),
                    users,
                    rows(fields.list("seen")),
                    rows(fields.list("items")),
                    numbers(fields.list("scores")));
        } catch (ClassCastException error) {
            throw new BundleException(Fault.CONTENT, where + " is not a self-test", error);
        } catch (BundleException error) {
            throw new BundleException(Fault.CONTENT, where + " is not a self-test: " + error.getMessage(), error);
        }
        test.check(contract, where);
        return test;
    }

    private void check(Contract contract, String where) throws BundleException {
        int count = users.length;
        if (count == 0 || seen.length != count || items.length != count || scores.length != count) {
            throw new BundleException(
                    Fault.CONTENT, where + ": users, seen, items and scores differ in length or are empty");
        }
        for (int i = 0; i < count; i++) {
            if (items[i].length != scores[i].length || items[i].length < 1
                    || items[i].length > k || k > contract.nItems) {
                throw new BundleException(
                        Fault.CONTENT,
                        where + ": an answer of " + items[i].length + " items with " + scores[i].length
                                + " scores, k " + k);
            }
        }
        contract.checkUsers(users, where);
        for (int i = 0; i < count; i++) {
            contract.checkItems(seen[i], where);
            contract.checkItems(items[i], where);
        }
        contract.checkTolerance(largestScore(where), where);
    }

    private double largestScore(String where) throws BundleException {
        double largest = 0;
        for (double[] row : scores) {
            for (double score : row) {
                if (Double.isNaN(score) || Double.isInfinite(score)) {
                    throw new BundleException(
                            Fault.ANSWERS, where + ": a score is " + score + ", which no model may answer");
                }
                largest = Math.max(largest, Math.abs(score));
            }
        }
        return largest;
    }

    public int size() {
        return users.length;
    }

    public int k() {
        return k;
    }

    /** Index of the user of a query, or NOBODY. */
    public int user(int query) {
        return (int) users[query];
    }

    public long[] seen(int query) {
        return seen[query].clone();
    }

    /**
     * Asks every query; ANSWERS fault at the first wrong answer.
     *
     * <p>An exact contract asks for equal ids and equal scores. Otherwise scores may differ by the contract's
     * tolerance, and ids where the stated scores tie within it.
     */
    void run(Recommender recommender) throws BundleException {
        Contract contract = recommender.contract();
        for (int i = 0; i < users.length; i++) {
            Answer got = recommender.answer((int) users[i], seen[i], k);
            String wrong = contract.exact
                    ? difference(got, items[i], scores[i])
                    : differenceBeyondTies(got, items[i], scores[i], contract.scoreTolerance);
            if (wrong == null) {
                wrong = seenItem(got, seen[i]);
            }
            if (wrong != null) {
                String who = users[i] == NOBODY ? "a history" : "user " + users[i];
                throw new BundleException(
                        Fault.ANSWERS, "self-test failed at " + who + ": " + wrong + ". Export the bundle again");
            }
        }
    }

    private static String difference(Answer got, long[] want, double[] wantScores) {
        for (int rank = 0; rank < Math.min(got.size(), want.length); rank++) {
            if (got.item(rank) != want[rank]) {
                return "rank " + (rank + 1) + " is item " + got.item(rank) + ", expected " + want[rank];
            }
        }
        if (got.size() != want.length) {
            return got.size() + " items, expected " + want.length;
        }
        for (int rank = 0; rank < want.length; rank++) {
            if (got.score(rank) != (float) wantScores[rank]) { // also catches NaN
                return "scores differ at rank " + (rank + 1);
            }
        }
        return null;
    }

    /** Items whose scores tie within the tolerance may change places; see device_bench/selftest.py. */
    private static String differenceBeyondTies(Answer got, long[] want, double[] wantScores, double tolerance) {
        if (got.size() != want.length) {
            return got.size() + " items, expected " + want.length;
        }
        Map<Long, Double> expected = new HashMap<Long, Double>();
        for (int rank = 0; rank < want.length; rank++) {
            expected.put(want[rank], wantScores[rank]);
        }
        Set<Integer> listed = new HashSet<Integer>();
        for (int rank = 0; rank < want.length; rank++) {
            int item = got.item(rank);
            if (!listed.add(item)) {
                return "item " + item + " is listed twice";
            }
            if (!(Math.abs(got.score(rank) - wantScores[rank]) <= tolerance)) { // also catches NaN
                return "rank " + (rank + 1) + " scores " + got.score(rank) + ", expected " + wantScores[rank];
            }
            Double known = expected.get((long) item);
            double own = known == null ? wantScores[want.length - 1] : known;
            if (item != want[rank] && !(Math.abs(own - wantScores[rank]) <= 2 * tolerance)) {
                return "rank " + (rank + 1) + " is item " + item + ", expected " + want[rank]
                        + ", and their scores do not tie";
            }
        }
        return null;
    }

    private static String seenItem(Answer got, long[] seen) {
        Set<Long> hidden = new HashSet<Long>();
        for (long item : seen) {
            hidden.add(item);
        }
        for (int rank = 0; rank < got.size(); rank++) {
            if (hidden.contains((long) got.item(rank))) {
                return "a seen item is recommended: " + got.item(rank);
            }
        }
        return null;
    }

    private static long[] integers(List<?> values) throws BundleException {
        long[] found = new long[values.size()];
        for (int i = 0; i < found.length; i++) {
            JsonNumber number = (JsonNumber) values.get(i);
            if (number == null || !number.isInteger()) {
                throw new BundleException(Fault.CONTENT, "an index is not an integer");
            }
            found[i] = number.longValue();
        }
        return found;
    }

    private static long[][] rows(List<?> values) throws BundleException {
        long[][] found = new long[values.size()][];
        for (int i = 0; i < found.length; i++) {
            found[i] = integers(row(values, i));
        }
        return found;
    }

    private static double[][] numbers(List<?> values) throws BundleException {
        double[][] found = new double[values.size()][];
        for (int i = 0; i < found.length; i++) {
            List<?> row = row(values, i);
            found[i] = new double[row.size()];
            for (int j = 0; j < found[i].length; j++) {
                JsonNumber number = (JsonNumber) row.get(j);
                if (number == null || number.isInteger() && !number.isFinite()) { // as in Python, 1e999 is infinite
                    throw new BundleException(Fault.CONTENT, "a score is not a number");
                }
                found[i][j] = number.doubleValue();
            }
        }
        return found;
    }

    private static List<?> row(List<?> values, int index) throws BundleException {
        List<?> row = (List<?>) values.get(index);
        if (row == null) {
            throw new BundleException(Fault.CONTENT, "row " + index + " is not a list");
        }
        return row;
    }
}
