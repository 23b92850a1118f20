package org.example.recpress;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.text.Normalizer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * One field of a click bundle's request: how a value becomes a row of a table.
 *
 * <p>recpress_edge/artifacts/clicks/fields.py in Java. Row 0 is a missing value, row 1 one that the field does not
 * know, values are rows from 2. Nothing here divides, takes a logarithm or reads a clock.
 */
public final class FeatureField {
    static final int MISSING = 0;
    static final int UNKNOWN = 1;
    static final int FIRST = 2;
    /** A place of a field of several values that a row does not use. */
    static final int NO_VALUE = -1;

    private static final int BASIS = 0x811C9DC5;
    private static final int PRIME = 0x01000193;
    private static final long MAX_WHOLE = 1L << 53;
    /** No spaces, no other digits, no words, so that every language reads the same. */
    private static final Pattern NUMBER =
            Pattern.compile("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?");

    private enum Kind { CATEGORICAL, INTEGER, NUMERIC, MANY, HASHED }

    public final String name;
    /** user or context. */
    public final String side;
    private final Kind kind;
    private final int size;
    private final Map<String, Integer> index = new HashMap<String, Integer>();
    private long least;
    private long most;
    private float[] edges = new float[0];
    private int capacity = 1;
    private int buckets;
    private int seed;

    /** Reads an entry of a contract; {@code values}: its vocabulary, empty where it has none. */
    FeatureField(Fields entry, List<String> values, String where) throws BundleException {
        name = entry.text("name");
        side = entry.text("side");
        kind = kind(entry.text("kind"), where);
        for (String value : values) {
            if (index.put(value, FIRST + index.size()) != null) {
                throw new BundleException(Fault.CONTENT, where + " has one value twice");
            }
        }
        long rows = readOwn(entry, where);
        boolean fits = (side.equals("user") || side.equals("context")) && entry.integer("missing") == MISSING
                && entry.integer("unknown") == UNKNOWN && rows <= Contract.MAX_ENTITIES;
        if (!fits || rows != entry.integer("size")) {
            throw new BundleException(Fault.FIELD, where + " contradicts itself: it has " + rows + " rows");
        }
        size = (int) rows;
    }

    private static Kind kind(String name, String where) throws BundleException {
        for (Kind kind : Kind.values()) {
            if (kind.name().toLowerCase(java.util.Locale.ROOT).equals(name)) {
                return kind;
            }
        }
        throw new BundleException(Fault.UNSUPPORTED, where + " is of kind '" + name + "'");
    }

    /** What belongs to the kind; returns the rows of the table. */
    private long readOwn(Fields entry, String where) throws BundleException {
        switch (kind) {
            case INTEGER:
                least = within(entry, "least", -MAX_WHOLE, MAX_WHOLE, where);
                most = within(entry, "most", -MAX_WHOLE, MAX_WHOLE, where);
                if (most < least) {
                    throw new BundleException(Fault.FIELD, where + " ends at " + most + " and begins at " + least);
                }
                return FIRST + most - least + 1;
            case NUMERIC:
                edges = readEdges(entry.list("edges"), where);
                return FIRST + edges.length + 1;
            case MANY:
                capacity = (int) positive(entry, "capacity", ClickContract.MAX_WIDTH, where);
                return FIRST + index.size();
            case HASHED:
                if (!entry.text("hash").equals("fnv1a32")) {
                    throw new BundleException(Fault.UNSUPPORTED, where + " has hash '" + entry.text("hash") + "'");
                }
                seed = (int) within(entry, "seed", 0, (1L << 32) - 1, where);
                buckets = (int) positive(entry, "buckets", Contract.MAX_ENTITIES - FIRST, where);
                return FIRST + (long) buckets;
            default:
                return FIRST + index.size();
        }
    }

    private static long within(Fields entry, String name, long low, long high, String where) throws BundleException {
        long value = entry.integer(name);
        if (value < low || value > high) {
            throw new BundleException(Fault.RANGE, where + ": '" + name + "' is " + value);
        }
        return value;
    }

    private static long positive(Fields entry, String name, long high, String where) throws BundleException {
        if (entry.integer(name) < 1) {
            throw new BundleException(Fault.FIELD, where + ": '" + name + "' is " + entry.integer(name));
        }
        return within(entry, name, 1, high, where);
    }

    private static float[] readEdges(List<?> values, String where) throws BundleException {
        float[] found = new float[values.size()];
        for (int i = 0; i < found.length; i++) {
            Object value = values.get(i);
            if (!(value instanceof JsonNumber) || !((JsonNumber) value).isFinite()) {
                throw new BundleException(Fault.FIELD, where + ": an edge is no number");
            }
            found[i] = (float) ((JsonNumber) value).doubleValue();
            if (i > 0 && !(found[i - 1] < found[i])) {
                throw new BundleException(Fault.FIELD, where + ": its edges do not ascend");
            }
        }
        return found;
    }

    /** Rows of its table. */
    public int size() {
        return size;
    }

    /** Columns that its rows take: its capacity, 1 of a field of one value. */
    public int width() {
        return kind == Kind.MANY ? capacity : 1;
    }

    /** Whether each value that is not missing has a row: none is unknown. */
    boolean knowsAll() {
        return kind == Kind.NUMERIC || kind == Kind.HASHED;
    }

    /** Where a number becomes another row; empty for fields of anything else. */
    float[] edges() {
        return edges.clone();
    }

    /** Whether a row, at the first of its columns or a later one, is one of its table. */
    boolean holds(long row, boolean first) {
        return row >= (first ? 0 : NO_VALUE) && row < size;
    }

    /**
     * Writes the rows of a value from column {@code at} on. Null, an empty text, NaN and an empty list are missing.
     *
     * <p>A field of numbers takes a Number or a text of one; a field of many values a List of texts; others a text, or a
     * whole number as its digits. IllegalArgumentException for anything else.
     */
    void encode(Object value, long[] row, int at) {
        if (kind != Kind.MANY) {
            row[at] = kind == Kind.INTEGER || kind == Kind.NUMERIC ? ofNumber(number(value)) : ofText(text(value));
            return;
        }
        if (value != null && !(value instanceof List)) {
            throw unfit("a list of texts", value);
        }
        int count = 0;
        if (value != null) {
            for (Object one : (List<?>) value) {
                String text = text(one);
                if (!text.isEmpty() && count < capacity) {
                    row[at + count++] = known(text);
                }
            }
        }
        if (count == 0) {
            row[at] = MISSING;
            count = 1;
        }
        for (; count < capacity; count++) {
            row[at + count] = NO_VALUE;
        }
    }

    private int ofText(String text) {
        if (text.isEmpty()) {
            return MISSING;
        }
        return kind == Kind.HASHED ? FIRST + (int) ((fnv1a(utf8(text), seed) & 0xffffffffL) % buckets) : known(text);
    }

    private int known(String text) {
        Integer row = index.get(text);
        return row == null ? UNKNOWN : row;
    }

    private int ofNumber(double number) {
        if (Double.isNaN(number)) {
            return MISSING;
        }
        if (kind == Kind.INTEGER) {
            boolean known = number >= least && number <= most && number == Math.floor(number);
            return known ? FIRST + (int) ((long) number - least) : UNKNOWN;
        }
        float narrow = (float) number;
        int row = FIRST;
        for (float edge : edges) {
            row += edge <= narrow ? 1 : 0;
        }
        return row;
    }

    /** FNV-1a of 32 bits; the basis xor the seed. */
    static int fnv1a(byte[] data, int seed) {
        int found = BASIS ^ seed;
        for (byte b : data) {
            found = (found ^ (b & 255)) * PRIME;
        }
        return found;
    }

    private static byte[] utf8(String text) {
        try {
            ByteBuffer encoded = Json.UTF_8.newEncoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .encode(CharBuffer.wrap(text));
            byte[] bytes = new byte[encoded.remaining()];
            encoded.get(bytes);
            return bytes;
        } catch (CharacterCodingException error) {
            throw new IllegalArgumentException("half a surrogate pair is no text", error);
        }
    }

    /** The text of a value in form NFC; nothing for a missing one. A fraction has more than one spelling. */
    private static String text(Object value) {
        if (value == null || value instanceof Double && ((Double) value).isNaN()
                || value instanceof Float && ((Float) value).isNaN()) {
            return "";
        }
        if (value instanceof String) {
            return Normalizer.normalize((String) value, Normalizer.Form.NFC);
        }
        if (isWhole(value)) {
            return value.toString();
        }
        throw unfit("a text or a whole number", value);
    }

    /** A number in double, NaN for a missing one; beyond its range it is infinite. */
    private static double number(Object value) {
        if (value == null || value.equals("")) {
            return Double.NaN;
        }
        if (value instanceof String) {
            String text = (String) value;
            if (!NUMBER.matcher(text).matches()) {
                throw unfit("a number such as 13 or -2.5", value);
            }
            return Double.parseDouble(text);
        }
        if (isWhole(value) || value instanceof Double || value instanceof Float) {
            return ((Number) value).doubleValue();
        }
        throw unfit("a number", value);
    }

    private static boolean isWhole(Object value) {
        return value instanceof Integer || value instanceof Long || value instanceof BigInteger
                || value instanceof Short || value instanceof Byte;
    }

    private static IllegalArgumentException unfit(String wanted, Object value) {
        return new IllegalArgumentException(Printable.oneLine(wanted + " is expected, got " + value));
    }
}
