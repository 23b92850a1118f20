package org.example.recpress;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** External ids, which may be any text, and the indices that the model knows. */
public final class IdMap {
    private final String kind;
    private final List<String> ids;
    private final Map<String, Integer> indices = new HashMap<String, Integer>();

    /** One id a line, each line ended; CONTENT fault unless {@code count} distinct, non-empty ones are there. */
    IdMap(String kind, byte[] lines, int count, String where) throws BundleException {
        this.kind = kind;
        ids = new ArrayList<String>(count);
        String text = Json.decode(lines, where, Fault.CONTENT);
        int start = 0;
        for (int end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
            String id = text.substring(start, end);
            if (id.isEmpty() || indices.put(id, ids.size()) != null) {
                throw new BundleException(
                        Fault.CONTENT, where + " must hold distinct ids, line " + (ids.size() + 1) + " is '" + id + "'");
            }
            ids.add(id);
            start = end + 1;
        }
        if (start != text.length() || ids.size() != count) {
            throw new BundleException(
                    Fault.CONTENT, where + " must hold " + count + " ended lines, found " + ids.size());
        }
    }

    public int size() {
        return ids.size();
    }

    public String id(int index) {
        return ids.get(index);
    }

    public boolean contains(String id) {
        return indices.containsKey(id);
    }

    /** The index of an id; UnknownIdException when there is none. */
    public int index(String id) {
        Integer index = indices.get(id);
        if (index == null) {
            throw new UnknownIdException(kind, id);
        }
        return index;
    }
}
