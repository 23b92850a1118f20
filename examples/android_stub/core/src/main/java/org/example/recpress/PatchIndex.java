package org.example.recpress;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The files that a patch makes: the first part of its payload, checked before anything is written. */
final class PatchIndex {
    static final int MAX_BYTES = 1 << 20;
    private static final int MAX_FILES = 1000;
    private static final int MAX_OPERATIONS = 1000000;
    private static final int SHOWN = 80;

    private PatchIndex() {}

    /** One file of the new bundle. */
    static final class Entry {
        /** Of a file that is the one before, unchanged. */
        static final int KEPT = -1;

        final String name;
        final long size;
        final int operations;

        private Entry(String name, long size, int operations) {
            this.name = name;
            this.size = size;
            this.operations = operations;
        }

        boolean isKept() {
            return operations == KEPT;
        }
    }

    /** Its entries; {@code base}: sizes of the files before. CONTENT fault if it cannot be right. */
    static List<Entry> read(byte[] data, Map<String, Long> base) throws BundleException {
        List<?> listed;
        try {
            listed = new Fields(Json.parseObject(data, "the index"), "the index").list("files");
        } catch (BundleException error) {
            throw damaged("its index cannot be read: " + error.getMessage());
        }
        if (listed.isEmpty() || listed.size() > MAX_FILES) {
            throw damaged("its index lists " + listed.size() + " files, at most " + MAX_FILES);
        }
        List<Entry> entries = new ArrayList<Entry>();
        Set<String> names = new HashSet<String>();
        for (Object facts : listed) {
            Entry entry = entry(facts, base);
            if (!names.add(entry.name)) {
                throw damaged("its index lists " + entry.name + " twice");
            }
            entries.add(entry);
        }
        return entries;
    }

    private static Entry entry(Object facts, Map<String, Long> base) throws BundleException {
        if (!(facts instanceof Map)) {
            throw damaged("its index cannot be read: a file is no object");
        }
        Object name = ((Map<?, ?>) facts).get("name");
        long size = integer(((Map<?, ?>) facts).get("bytes"));
        Object stated = ((Map<?, ?>) facts).get("operations");
        if (!(name instanceof String)) {
            throw damaged("its index cannot be read: a name is no text");
        }
        String text = (String) name;
        if (!BundleFiles.isSafeName(text)) {
            String shown = text.length() > SHOWN ? text.substring(0, SHOWN) + "…" : text;
            throw damaged("it writes '" + shown + "', which is not a plain file name");
        }
        if (size < 0 || size > BundleFiles.MAX_FILE_BYTES) {
            throw damaged(text + " would have " + size + " bytes");
        }
        if (stated == null) {
            Long before = base.get(text);
            if (before == null || before != size) {
                throw damaged("it keeps " + text + ", which the bundle before has not, or in another size");
            }
            return new Entry(text, size, Entry.KEPT);
        }
        long operations = integer(stated);
        if (operations < 0 || operations > Math.min(MAX_OPERATIONS, size)) {
            throw damaged(text + " would take " + operations + " operations");
        }
        return new Entry(text, size, (int) operations);
    }

    private static long integer(Object value) throws BundleException {
        if (!(value instanceof JsonNumber) || !((JsonNumber) value).isInteger()) {
            throw damaged("its index cannot be read: a size is no integer");
        }
        return ((JsonNumber) value).longValue();
    }

    /** Of a payload that is as it was written, and wrong. */
    static BundleException damaged(String what) {
        return new BundleException(Fault.CONTENT, "the patch is refused: " + what);
    }
}
