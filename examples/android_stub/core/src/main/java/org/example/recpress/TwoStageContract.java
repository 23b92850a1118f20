package org.example.recpress;

import java.io.File;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the file of a two-stage bundle takes, returns and promises; artifacts/two_stages/contract.py in Java. */
public final class TwoStageContract {
    static final String MODEL_FILE = ClickContract.MODEL_FILE;
    static final String ROWS_INPUT = "rows";
    static final String RETRIEVE_INPUT = "retrieve";
    static final String K_INPUT = "k";
    static final String ITEMS_OUTPUT = "items";
    static final String SCORES_OUTPUT = "scores";
    static final String FIRST_ITEMS = "first_items";
    static final String FIRST_SCORES = "first_scores";
    private static final Object[][] STATED = {
        {"profile", "two-stages"}, {"recipe", "int8"}, {"exact", true}, {"rows_input", ROWS_INPUT},
        {"retrieve_input", RETRIEVE_INPUT}, {"k_input", K_INPUT}, {"items_output", ITEMS_OUTPUT},
        {"scores_output", SCORES_OUTPUT}, {"tie_rule", "as the first stage has them"},
    };
    private static final Pattern SEEN = Pattern.compile("seen\\[-([1-9][0-9]?)\\]");

    /** Of the first stage, which is the same file up to its candidates: ids, users, and what is seen. */
    public final Contract first;
    /** Items that the first stage finds, where so many are left. */
    public final int candidates;
    /** What a request names, of user and context, in the order of the first columns of a row. */
    public final List<FeatureField> fields;
    /** How many of the last seen items are read: the last columns of a row, the newest first. */
    public final int lastItems;
    /** Columns of a row. */
    public final int width;

    /** Reads a manifest's contract with the vocabularies beside it in {@code folder}. */
    TwoStageContract(Fields stated, File folder, String where) throws BundleException {
        checkStated(stated, where);
        first = readFirst(stated, where);
        candidates = readCandidates(stated, where);
        List<String> names = new ArrayList<String>();
        List<FeatureField> read = new ArrayList<FeatureField>();
        List<?> features = stated.list("features");
        boolean ordered = true;
        long columns = 0;
        int last = 0;
        for (int place = 0; place < features.size(); place++) {
            if (isItem(features.get(place))) {
                int before = readSeen(features.get(place), where + ": feature " + place);
                ordered &= before == ++last;
                names.add("seen[-" + before + "]");
                columns++;
            } else {
                FeatureField field = ClickContract.read(features.get(place), folder, place, where);
                ordered &= last == 0 && !SEEN.matcher(field.name).matches();
                names.add(field.name);
                read.add(field);
                columns += field.width();
            }
        }
        long held = 0;
        for (Object entry : stated.list("of_users")) {
            held += readHeld(entry, names, where);
        }
        addFolded(stated.list("folded"), names, where);
        Set<String> distinct = new HashSet<String>(names);
        if (!ordered || distinct.size() < names.size() || held > 0 && first.nUsers == 0) {
            throw new BundleException(
                    Fault.FIELD,
                    where + ": features of one name, out of order, or of users whom nobody knows: " + names);
        }
        if (columns + held > ClickContract.MAX_WIDTH) {
            throw new BundleException(
                    Fault.RANGE, where + ": rows of more than " + ClickContract.MAX_WIDTH + " columns");
        }
        fields = Collections.unmodifiableList(read);
        lastItems = last;
        width = (int) columns;
    }

    /** UNSUPPORTED fault for a contract of another version. */
    private static void checkStated(Fields stated, String where) throws BundleException {
        for (Object[] pair : STATED) {
            Object found = stated.value((String) pair[0]);
            if (!pair[1].equals(found)) {
                throw new BundleException(
                        Fault.UNSUPPORTED,
                        where + ": '" + pair[0] + "' is " + Json.canonical(found)
                                + "; this library knows '" + pair[1] + "'");
            }
        }
    }

    /** UNSUPPORTED fault for a first stage of another kind, or for a file of a format that is not run here. */
    private static Contract readFirst(Fields stated, String where) throws BundleException {
        Contract first = new Contract(stated.object("first"), where + ": first");
        boolean asks = first.profile.equals(Contract.ALL_USERS)
                || first.profile.equals(Contract.HISTORY) && first.historyLength > 0;
        boolean named = first.kInput.equals(RETRIEVE_INPUT) && first.itemsOutput.equals(FIRST_ITEMS)
                && first.scoresOutput.equals(FIRST_SCORES) && first.modelFile.equals(MODEL_FILE);
        boolean stored = first.recipe.equals("int8-dim") && first.exact && first.retired().length == 0;
        if (!asks || !named || !stored || !first.format.equals("onnx")) {
            throw new BundleException(
                    Fault.UNSUPPORTED,
                    where + ": the first stage is " + first.profile + ", " + first.format + ", " + first.recipe
                            + "; this library knows all-users or a history in order, onnx, int8-dim with its own"
                            + " names");
        }
        for (String name : new String[] {"format", "model_file"}) {
            if (!stated.object("first").text(name).equals(stated.value(name))) {
                throw new BundleException(Fault.FIELD, where + ": '" + name + "' is another than the first stage's");
            }
        }
        return first;
    }

    private int readCandidates(Fields stated, String where) throws BundleException {
        long found = stated.integer("candidates");
        if (found < 1 || found > first.nItems) {
            throw new BundleException(Fault.FIELD, where + ": 'candidates' is " + found + " of " + first.nItems);
        }
        return (int) found;
    }

    private static boolean isItem(Object entry) {
        return entry instanceof Map && "item".equals(((Map<?, ?>) entry).get("kind"));
    }

    /** How many items before the request a field of items is. */
    private int readSeen(Object entry, String where) throws BundleException {
        Fields facts = fields(entry, where);
        Matcher match = SEEN.matcher(facts.text("from"));
        long rows = facts.integer("size");
        if (!match.matches() || !facts.text("name").equals(match.group()) || rows <= FeatureField.FIRST) {
            throw new BundleException(Fault.FIELD, where + " is no field of items");
        }
        if (rows != FeatureField.FIRST + (long) first.nItems) {
            throw new BundleException(
                    Fault.RANGE, where + " has " + rows + " rows, and there are " + first.nItems + " items");
        }
        return Integer.parseInt(match.group(1));
    }

    /** Columns of a field whose values the file holds for each user. */
    private static long readHeld(Object entry, List<String> names, String where) throws BundleException {
        Fields facts = fields(entry, where + ": a field of users");
        long rows = facts.integer("rows");
        long columns = facts.integer("width");
        if (rows < FeatureField.FIRST || columns < 1 || Math.max(rows, columns) > Contract.MAX_ENTITIES) {
            throw new BundleException(Fault.FIELD, where + ": a field of users has " + rows + " rows");
        }
        names.add(facts.text("name"));
        return columns;
    }

    private static void addFolded(List<?> listed, List<String> names, String where) throws BundleException {
        for (Object name : listed) {
            if (!(name instanceof String)) {
                throw new BundleException(Fault.FIELD, where + ": 'folded' is not a list of names");
            }
            names.add((String) name);
        }
    }

    @SuppressWarnings("unchecked")
    private static Fields fields(Object entry, String where) throws BundleException {
        if (!(entry instanceof Map)) {
            throw new BundleException(Fault.FIELD, where + " is no object");
        }
        return new Fields((Map<String, Object>) entry, where);
    }

    /**
     * The row of a request's values, by field, and of its seen items by index, oldest first; what is not named is
     * missing. IllegalArgumentException for a name that no field has, and for a value that its field does not take.
     */
    long[] encode(Map<String, ?> values, long[] seen) {
        long[] row = ClickContract.encode(fields, width, values);
        for (int place = 1; place <= lastItems; place++) {
            row[width - lastItems + place - 1] =
                    place <= seen.length ? FeatureField.FIRST + seen[seen.length - place] : FeatureField.MISSING;
        }
        return row;
    }

    /** How many items the first stage finds after these: all that are left, where they are few. */
    int retrieve(long[] seen) {
        Set<Long> distinct = new HashSet<Long>();
        for (long item : seen) {
            distinct.add(item);
        }
        return Math.min(candidates, first.nItems - distinct.size());
    }
}
