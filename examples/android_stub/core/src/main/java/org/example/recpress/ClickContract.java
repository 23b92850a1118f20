package org.example.recpress;

import java.io.File;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What the model file of a click bundle takes, returns and promises; artifacts/clicks/contract.py in Java. */
public final class ClickContract {
    static final int MAX_WIDTH = 4096;
    static final String MODEL_FILE = "model.onnx";
    static final String ROWS_INPUT = "rows";
    static final String CANDIDATES_INPUT = "candidates";
    static final String K_INPUT = "k";
    static final String ITEMS_OUTPUT = "items";
    static final String SCORES_OUTPUT = "scores";
    private static final double MAX_TOLERANCE = 0.02;
    private static final String[][] STATED = {
        {"profile", "clicks"}, {"format", "onnx"}, {"model_file", MODEL_FILE}, {"rows_input", ROWS_INPUT},
        {"candidates_input", CANDIDATES_INPUT}, {"k_input", K_INPUT}, {"items_output", ITEMS_OUTPUT},
        {"scores_output", SCORES_OUTPUT}, {"tie_rule", Contract.TIE_RULE},
    };

    public final String recipe;
    public final int nItems;
    /** Largest allowed difference from the self-test's logits. */
    public final double scoreTolerance;
    /** Of user and context, in the order of the columns of a row. */
    public final List<FeatureField> fields;
    /** Columns of a row. */
    public final int width;

    /** Reads a manifest's contract with the vocabularies beside it in {@code folder}. */
    ClickContract(Fields stated, File folder, String where) throws BundleException {
        recipe = stated.text("recipe");
        long items = stated.integer("n_items");
        scoreTolerance = stated.number("score_tolerance");
        if (items <= 0 || items > Contract.MAX_ENTITIES || !(scoreTolerance >= 0 && scoreTolerance < 1e300)) {
            throw new BundleException(Fault.RANGE, where + ": n_items or score_tolerance out of range");
        }
        nItems = (int) items;
        List<FeatureField> read = new ArrayList<FeatureField>();
        Set<String> names = new HashSet<String>();
        int columns = 0;
        for (Object entry : stated.list("features")) {
            FeatureField field = read(entry, folder, read.size(), where);
            columns += field.width();
            if (columns > MAX_WIDTH || !names.add(field.name)) {
                throw new BundleException(Fault.FIELD, where + ": feature '" + field.name + "' is one too many");
            }
            read.add(field);
        }
        if (read.isEmpty()) {
            throw new BundleException(Fault.FIELD, where + " has no features");
        }
        fields = Collections.unmodifiableList(read);
        width = columns;
    }

    /** UNSUPPORTED fault for a contract of another version, or for a file of a format that is not run here. */
    static void checkStated(Fields stated, String where) throws BundleException {
        for (String[] pair : STATED) {
            String found = stated.text(pair[0]);
            if (!found.equals(pair[1])) {
                throw new BundleException(
                        Fault.UNSUPPORTED,
                        where + ": '" + pair[0] + "' is '" + found + "'; this library knows '" + pair[1] + "'");
            }
        }
    }

    /** The feature at a place of a contract, with its vocabulary beside it in {@code folder}. */
    @SuppressWarnings("unchecked")
    static FeatureField read(Object entry, File folder, int place, String where) throws BundleException {
        String at = where + ": feature " + place;
        if (!(entry instanceof Map)) {
            throw new BundleException(Fault.FIELD, at + " is no object");
        }
        Fields fields = new Fields((Map<String, Object>) entry, at);
        String name = vocabularyFile(place);
        if (!fields.has("vocabulary")) {
            return new FeatureField(fields, Collections.<String>emptyList(), at);
        }
        long count = fields.integer("size") - FeatureField.FIRST;
        if (!fields.text("vocabulary").equals(name) || count < 1 || count > Contract.MAX_ENTITIES) {
            throw new BundleException(Fault.FIELD, at + " has another vocabulary than " + name);
        }
        File file = new File(folder, name);
        IdMap values = new IdMap(BundleFiles.read(file, BundleFiles.MAX_READ_BYTES), (int) count, file.getPath());
        List<String> listed = new ArrayList<String>(values.size());
        for (int line = 0; line < values.size(); line++) {
            listed.add(values.id(line));
        }
        return new FeatureField(fields, listed, at);
    }

    static String vocabularyFile(int place) {
        return "field-" + place + ".txt";
    }

    /**
     * The row of a request's values, by field; one that is not named is missing. IllegalArgumentException for a name
     * that no field has, and for a value that its field does not take.
     */
    public long[] encode(Map<String, ?> values) {
        return encode(fields, width, values);
    }

    /** The same of other fields, in the first columns of a row of {@code width}. */
    static long[] encode(List<FeatureField> fields, int width, Map<String, ?> values) {
        Set<String> left = new HashSet<String>(values.keySet());
        long[] row = new long[width];
        int at = 0;
        for (FeatureField field : fields) {
            left.remove(field.name);
            try {
                field.encode(values.get(field.name), row, at);
            } catch (IllegalArgumentException error) {
                throw new IllegalArgumentException("field '" + field.name + "': " + error.getMessage(), error);
            }
            at += field.width();
        }
        if (!left.isEmpty()) {
            throw new IllegalArgumentException(
                    Printable.oneLine("unknown field '" + left.iterator().next() + "'; the bundle has " + names(fields)));
        }
        return row;
    }

    /** RANGE fault where a tolerance lets through what the self-test should find. */
    void checkTolerance(double largestScore, String where) throws BundleException {
        if (scoreTolerance > MAX_TOLERANCE * largestScore) {
            throw new BundleException(
                    Fault.RANGE, where + ": the contract allows " + scoreTolerance + ", the largest logit is " + largestScore);
        }
    }

    private static String names(List<FeatureField> fields) {
        StringBuilder out = new StringBuilder();
        for (FeatureField field : fields) {
            out.append(out.length() == 0 ? "" : ", ").append(field.name);
        }
        return out.toString();
    }
}
