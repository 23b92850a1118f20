package org.example.recpress;

import java.util.AbstractList;
import java.util.Collections;
import java.util.List;

/** An answer: the best items first. */
public class Recommendations extends AbstractList<Recommendation> {
    private final Recommendation[] found;
    private final List<String> unknown;
    private final Source source;

    Recommendations(Recommendation[] found, List<String> unknown) {
        this(found, unknown, Source.MODEL);
    }

    Recommendations(Recommendation[] found, List<String> unknown, Source source) {
        this.found = found;
        this.unknown = Collections.unmodifiableList(unknown);
        this.source = source;
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

    /** What answered. */
    public Source source() {
        return source;
    }

    Recommendations from(Source source) {
        return new Recommendations(found, unknown, source);
    }
}
