package org.example.recpress;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** External ids, which may be any text, and the indices that the model knows. */
public final class IdMap {
    private final List<String> ids;
    private final Map<String, Integer> indices = new HashMap<String, Integer>();

    /** One id a line, each line ended; CONTENT fault unless {@code count} distinct, non-empty ones are there. */
    IdMap(byte[] lines, int count, String where) throws BundleException {
        int ended = 0; // counted before a list is made of them
        for (byte b : lines) {
            ended += b == '\n' ? 1 : 0;
        }
        if (ended != count || ended > 0 && lines[lines.length - 1] != '\n' || ended == 0 && lines.length > 0) {
            throw new BundleException(Fault.CONTENT, where + " must hold " + count + " ended lines, found " + ended);
        }
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

    /** The index of an id; -1 when there is none. */
    public int index(String id) {
        Integer index = indices.get(id);
        return index == null ? -1 : index;
    }
}
