package org.example.recpress;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What the model file takes, returns and promises, as bundle.json states it. */
public final class Contract {
    public static final String ALL_USERS = "all-users";
    public static final String SINGLE_USER = "single-user";
    public static final String HISTORY = "history";
    public static final String TIE_RULE = "lower item index first";
    static final String ORDER_ONLY = "order-only";
    static final long MAX_ENTITIES = Integer.MAX_VALUE;

    public final String modelFile;
    /** File format; this library runs onnx and c. */
    public final String format;
    public final String recipe;
    /** Whose vectors are inside: all-users, single-user, or history, which makes them from the seen items. */
    public final String profile;
    /** 1 in a single-user file, 0 in a history file. */
    public final int nUsers;
    public final int nItems;
    public final int dim;
    /** Whether every runtime must return the very same ids and scores (integer arithmetic). */
    public final boolean exact;
    /** Largest allowed difference from the self-test's scores; 0 when exact. */
    public final double scoreTolerance;
    /** int64 [1]; empty where the file takes no such input: single-user, history. */
    public final String userInput;
    /** int64 [n]: items never to recommend; in a history file also what the user has consumed. */
    public final String seenInput;
    /** int64 [1]: at most the number of items that are neither seen nor retired. */
    public final String kInput;
    /** int64 [k], best first; equal scores: the lower index first. */
    public final String itemsOutput;
    /** float32 [k]. */
    public final String scoresOutput;

    /**
     * A history file that reads its seen items as a sequence, oldest first, reads this many of the last; 0: their
     * order says nothing.
     */
    public final int historyLength;
    /** Whether scores order the items of one user and say nothing else: nobody should be shown them. */
    public final boolean orderOnly;

    private static final double MAX_TOLERANCE = 0.02;
    private static final int MAX_NAME = 256;

    private final long[] retired;

    /** Reads and checks the contract of a manifest; later fields of other versions are tolerated. */
    Contract(Fields fields, String where) throws BundleException {
        modelFile = fields.text("model_file");
        format = fields.text("format");
        recipe = fields.text("recipe");
        profile = fields.text("profile");
        long users = fields.integer("n_users");
        long items = fields.integer("n_items");
        long size = fields.integer("dim");
        exact = fields.flag("exact");
        scoreTolerance = fields.number("score_tolerance");
        userInput = fields.text("user_input");
        seenInput = fields.text("seen_input");
        kInput = fields.text("k_input");
        itemsOutput = fields.text("items_output");
        scoresOutput = fields.text("scores_output");
        String tieRule = fields.text("tie_rule");
        retired = readRetired(fields, where);
        checkCapacity(fields, where);
        historyLength = readHistoryLength(fields, where);
        orderOnly = readScores(fields, where);
        checkNames(where);
        checkProfile(users, where);
        checkTolerance(where);
        checkCount("n_items", items, where);
        checkCount("dim", size, where);
        nUsers = (int) users;
        nItems = (int) items;
        dim = (int) size;
        if (!tieRule.equals(TIE_RULE)) {
            throw new BundleException(
                    Fault.UNSUPPORTED, where + ": tie rule '" + tieRule + "'; this version knows '" + TIE_RULE + "'");
        }
        checkItems(retired, where);
        if (retired.length >= nItems) {
            throw new BundleException(Fault.RANGE, where + ": all " + nItems + " items are retired");
        }
    }

    /** Items that keep their index but are never recommended, ascending. */
    public long[] retired() {
        return retired.clone();
    }

    /** RANGE fault where an index is no item's. */
    void checkItems(long[] indices, String where) throws BundleException {
        checkRange(indices, "item", nItems, where);
    }

    /** RANGE fault where an index is no user's; a bundle without users names nobody, which is -1. */
    void checkUsers(long[] indices, String where) throws BundleException {
        if (nUsers > 0) {
            checkRange(indices, "user", nUsers, where);
            return;
        }
        for (long user : indices) {
            if (user != SelfTest.NOBODY) {
                throw new BundleException(Fault.RANGE, where + " names users, but the bundle holds none");
            }
        }
    }

    private static void checkRange(long[] indices, String kind, int count, String where) throws BundleException {
        for (long index : indices) {
            if (index < 0 || index >= count) {
                throw new BundleException(
                        Fault.RANGE, where + ": " + kind + " index " + index + " outside 0.." + (count - 1));
            }
        }
    }

    private static void checkCount(String name, long value, String where) throws BundleException {
        if (value <= 0 || value > MAX_ENTITIES) {
            throw new BundleException(Fault.RANGE, where + ": contract field '" + name + "' out of range: " + value);
        }
    }

    /** Two tensors of one name would make a runtime return one of them in place of the other. */
    private void checkNames(String where) throws BundleException {
        Set<String> used = new HashSet<String>();
        for (String name : new String[] {userInput, seenInput, kInput, itemsOutput, scoresOutput, recipe, format}) {
            if (name.codePointCount(0, name.length()) > MAX_NAME) {
                throw new BundleException(
                        Fault.FIELD, where + " holds a name of more than " + MAX_NAME + " characters");
            }
        }
        for (String name : new String[] {userInput, seenInput, kInput, itemsOutput, scoresOutput}) {
            if (!name.isEmpty() && !used.add(name)) {
                throw new BundleException(Fault.FIELD, where + " gives two tensors one name: '" + name + "'");
            }
        }
    }

    private void checkTolerance(String where) throws BundleException {
        boolean finite = scoreTolerance >= 0 && scoreTolerance < Double.POSITIVE_INFINITY; // NaN is not
        if (!finite || exact && scoreTolerance != 0) {
            throw new BundleException(
                    Fault.RANGE,
                    where + ": contract field 'score_tolerance' is " + scoreTolerance + ", expected "
                            + (exact ? "0, since it is exact" : "a number of at least 0"));
        }
    }

    /** RANGE fault for a tolerance that is a good part of the scores: any answer would pass. */
    void checkTolerance(double largestScore, String where) throws BundleException {
        if (scoreTolerance > MAX_TOLERANCE * largestScore) {
            throw new BundleException(
                    Fault.RANGE,
                    where + ": the contract allows scores to be off by " + scoreTolerance + ", and the largest is "
                            + largestScore + ": more than 2 % of it would test nothing");
        }
    }

    private void checkProfile(long users, String where) throws BundleException {
        long low;
        long high;
        if (profile.equals(ALL_USERS)) {
            low = 1;
            high = MAX_ENTITIES;
        } else if (profile.equals(SINGLE_USER)) {
            low = 1;
            high = 1;
        } else if (profile.equals(HISTORY)) {
            low = 0;
            high = 0;
        } else {
            throw new BundleException(
                    Fault.UNSUPPORTED,
                    where + ": profile '" + profile + "'; this version knows all-users, single-user, history");
        }
        if (users < low || users > high) {
            throw new BundleException(Fault.RANGE, where + ": contract field 'n_users' out of range: " + users);
        }
        if (userInput.isEmpty() == profile.equals(ALL_USERS)) {
            throw new BundleException(
                    Fault.FIELD, where + ": a " + profile + " file with user input '" + userInput + "'");
        }
    }

    private void checkCapacity(Fields fields, String where) throws BundleException {
        long capacity = fields.has("seen_capacity") ? fields.integer("seen_capacity") : 0;
        boolean fits = format.equals("tflite") ? capacity > 0 && capacity <= MAX_ENTITIES : capacity == 0;
        if (!fits) {
            throw new BundleException(
                    Fault.FIELD, where + ": 'seen_capacity' is " + capacity + " in a file of format " + format);
        }
    }

    /** UNSUPPORTED fault where scores say something that this version does not know. */
    private static boolean readScores(Fields fields, String where) throws BundleException {
        String scores = fields.has("scores") ? fields.text("scores") : "";
        if (!scores.isEmpty() && !scores.equals(ORDER_ONLY)) {
            throw new BundleException(
                    Fault.UNSUPPORTED, where + ": scores '" + scores + "'; this version knows '" + ORDER_ONLY + "'");
        }
        return !scores.isEmpty();
    }

    private int readHistoryLength(Fields fields, String where) throws BundleException {
        long length = fields.has("history_length") ? fields.integer("history_length") : 0;
        if (length < 0 || length > (profile.equals(HISTORY) ? MAX_ENTITIES : 0)) {
            throw new BundleException(
                    Fault.FIELD, where + ": 'history_length' is " + length + " in a file of profile " + profile);
        }
        return (int) length;
    }

    private static long[] readRetired(Fields fields, String where) throws BundleException {
        if (!fields.has("retired")) {
            return new long[0];
        }
        List<?> listed = fields.list("retired");
        long[] indices = new long[listed.size()];
        for (int i = 0; i < indices.length; i++) {
            Object entry = listed.get(i);
            if (!(entry instanceof JsonNumber) || !((JsonNumber) entry).isInteger()) {
                throw new BundleException(Fault.FIELD, where + ": 'retired' is not a list of item indices");
            }
            indices[i] = ((JsonNumber) entry).longValue();
        }
        for (int i = 1; i < indices.length; i++) {
            if (indices[i - 1] >= indices[i]) {
                throw new BundleException(Fault.RANGE, where + ": 'retired' must be ascending without repetition");
            }
        }
        return indices;
    }
}
