package org.example.recpress;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Types of what a manifest states beside the contract; recpress_edge/core/facts.py in Java.
 *
 * <p>A field may be absent and others may stand beside it; one of another type is a FIELD fault that names it.
 */
final class Facts {
    private static final int MAX_TEXT = 10000;
    private static final int MAX_NESTING = 24;
    private static final int MAX_VALUES = 1000000;

    private static final Plain TEXT = new Plain("a text");
    private static final Plain COUNT = new Plain("a whole number of at least 0");
    private static final Plain NUMBER = new Plain("a number");
    private static final Plain TRUTH = new Plain("true or false");
    private static final Plain NAME = new Plain("a text, or an object with a name");
    private static final Form METRICS = new Each(new Maybe(NUMBER), true);
    private static final Form PROVENANCE = provenance();
    private static final Form QUALITY = quality();

    private Facts() {}

    /** Checks {@code provenance} and {@code quality}, and bounds all that is neither contract nor files. */
    static void check(Map<String, Object> manifest, String where) throws BundleException {
        Map<String, Object> stated = new LinkedHashMap<String, Object>(manifest);
        stated.remove("contract");
        stated.remove("files");
        checkPlain(stated, where);
        PROVENANCE.check(manifest.get("provenance"), where + ": provenance");
        QUALITY.check(manifest.get("quality"), where + ": quality");
    }

    /** Bounded texts, depth and count, finite numbers: whatever else a reader does with it ends. */
    static void checkPlain(Object facts, String where) throws BundleException {
        Deque<Object[]> waiting = new ArrayDeque<Object[]>(); // value, depth
        waiting.push(new Object[] {facts, 0});
        int count = 0;
        while (!waiting.isEmpty()) {
            Object[] next = waiting.pop();
            int depth = (Integer) next[1];
            if (depth > MAX_NESTING || ++count > MAX_VALUES) {
                throw new BundleException(Fault.FIELD, where + " is nested too deep or holds too many values");
            }
            checkSize(next[0], where);
            if (next[0] instanceof Map) {
                for (Map.Entry<?, ?> entry : ((Map<?, ?>) next[0]).entrySet()) {
                    waiting.push(new Object[] {entry.getKey(), depth + 1});
                    waiting.push(new Object[] {entry.getValue(), depth + 1});
                }
            } else if (next[0] instanceof List) {
                for (Object entry : (List<?>) next[0]) {
                    waiting.push(new Object[] {entry, depth + 1});
                }
            }
        }
    }

    private static void checkSize(Object value, String where) throws BundleException {
        if (value instanceof String) {
            String text = (String) value;
            int length = text.codePointCount(0, text.length());
            if (length > MAX_TEXT) {
                throw new BundleException(Fault.FIELD, where + " holds a text of " + length + " characters");
            }
        }
        if (value instanceof JsonNumber && ((JsonNumber) value).isBeyondLong()) {
            throw new BundleException(Fault.FIELD, where + " holds a number of more than 64 bits");
        }
        if (value instanceof JsonNumber && !((JsonNumber) value).isInteger() && !((JsonNumber) value).isFinite()) {
            throw new BundleException(
                    Fault.FIELD, where + " holds " + ((JsonNumber) value).canonical() + ", which is no figure");
        }
    }

    private static Form provenance() {
        Shape teacher = new Shape().with(TEXT, "name").with(new Maybe(TEXT), "sha256");
        Shape update = new Shape()
                .with(TEXT, "previous", "items_sha256", "created_by")
                .with(COUNT, "appended", "replaced", "retired", "n_items", "clipped_rows")
                .with(NUMBER, "worst_clip")
                .with(TRUTH, "overruled");
        Shape options =
                new Shape().with(TEXT, "order").with(TRUTH, "model_h").with(new Each(TEXT, false), "build");
        return new Shape()
                .with(TEXT, "created_by", "command", "student", "core", "model_sha256")
                .with(new Maybe(NAME), "method")
                .with(COUNT, "dim", "seed")
                .with(new Maybe(teacher), "teacher")
                .with(new Shape().with(TEXT, "name", "digest"), "dataset")
                .with(new Each(TEXT, true), "versions")
                .with(options, "options")
                .with(new Shape().with(TEXT, "why"), "order")
                .with(new Each(update, false), "updates");
    }

    private static Form quality() {
        Shape stage = new Shape()
                .with(TEXT, "stage", "name")
                .with(new Maybe(COUNT), "bytes")
                .with(new Maybe(METRICS), "valid", "test");
        Shape gate = new Shape()
                .with(TRUTH, "met", "overruled")
                .with(new Maybe(TEXT), "failure")
                .with(NUMBER, "min_overlap_at_50", "max_recall_at_50_loss")
                .with(COUNT, "lost_users");
        Shape parity = new Shape()
                .with(COUNT, "users")
                .with(TEXT, "reference")
                .with(new Each(new Shape().with(new Maybe(NUMBER), "mean", "lowest"), true), "overlap")
                .with(new Each(new Shape().with(new Maybe(NUMBER), "before", "after"), true), "change")
                .with(new Maybe(COUNT), "exact_users")
                .with(new Maybe(gate), "gate");
        return new Shape()
                .with(COUNT, "cutoff")
                .with(new Each(stage, false), "chain")
                .with(new Maybe(parity), "parity");
    }

    /** What a value must be. */
    private abstract static class Form {
        abstract void check(Object value, String path) throws BundleException;

        static BundleException misfit(Object value, String path, String wanted) {
            String found = Json.canonical(value);
            String shown = found.length() > 80 ? found.substring(0, 80) + "…" : found;
            return new BundleException(Fault.FIELD, "field " + path + " is " + shown + ", expected " + wanted);
        }
    }

    /** A plain value. */
    private static final class Plain extends Form {
        private final String name;

        Plain(String name) {
            this.name = name;
        }

        @Override
        void check(Object value, String path) throws BundleException {
            if (!fits(value)) {
                throw misfit(value, path, name);
            }
        }

        private boolean fits(Object value) {
            if (this == NAME && value instanceof Map) {
                Map<?, ?> object = (Map<?, ?>) value;
                return !object.containsKey("name") || object.get("name") instanceof String;
            }
            if (this == TEXT || this == NAME) {
                return value instanceof String;
            }
            if (this == TRUTH) {
                return value instanceof Boolean;
            }
            if (!(value instanceof JsonNumber)) {
                return false;
            }
            JsonNumber number = (JsonNumber) value;
            return this == COUNT ? number.isInteger() && number.longValue() >= 0 : number.isFinite();
        }
    }

    /** A value, or null. */
    private static final class Maybe extends Form {
        private final Form form;

        Maybe(Form form) {
            this.form = form;
        }

        @Override
        void check(Object value, String path) throws BundleException {
            if (value != null) {
                form.check(value, path);
            }
        }
    }

    /** Any number of values of one form: under names of their own, or in a list. */
    private static final class Each extends Form {
        private final Form form;
        private final boolean named;

        Each(Form form, boolean named) {
            this.form = form;
            this.named = named;
        }

        @Override
        void check(Object value, String path) throws BundleException {
            if (!(named ? value instanceof Map : value instanceof List)) {
                throw misfit(value, path, named ? "an object" : "a list");
            }
            Iterable<?> entries = named ? ((Map<?, ?>) value).values() : (List<?>) value;
            for (Object entry : entries) {
                form.check(entry, path + "[]");
            }
        }
    }

    /** An object, some of whose fields have a form. */
    private static final class Shape extends Form {
        private final Map<String, Form> fields = new LinkedHashMap<String, Form>();

        Shape with(Form form, String... names) {
            for (String name : names) {
                fields.put(name, form);
            }
            return this;
        }

        @Override
        void check(Object value, String path) throws BundleException {
            if (!(value instanceof Map)) {
                throw misfit(value, path, "an object");
            }
            Map<?, ?> object = (Map<?, ?>) value;
            for (Map.Entry<String, Form> field : fields.entrySet()) {
                if (object.containsKey(field.getKey())) {
                    field.getValue().check(object.get(field.getKey()), path + "." + field.getKey());
                }
            }
        }
    }
}
