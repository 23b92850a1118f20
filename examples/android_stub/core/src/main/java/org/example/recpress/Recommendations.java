package org.example.recpress;

import java.util.AbstractList;
import java.util.Collections;
import java.util.List;

/** An answer: the best items first. */
public final class Recommendations extends AbstractList<Recommendation> {
    private final Recommendation[] found;
    private final List<String> unknown;

    Recommendations(Recommendation[] found, List<String> unknown) {
        this.found = found;
        this.unknown = Collections.unmodifiableList(unknown);
    }

    @Override
    public Recommendation get(int rank) {
        return found[rank];
    }

    @Override
    public int size() {
        return found.length;
    }

    /** Seen items that the bundle does not know; they were left out of the request. */
    public List<String> unknown() {
        return unknown;
    }
}
