package org.example.recpress;

import java.util.AbstractList;
import java.util.Collections;
import java.util.List;

/** An answer of two stages: the best items first. */
public final class StagedRecommendations extends AbstractList<Recommendation> {
    private final Recommendation[] found;
    private final List<String> first;
    private final List<String> unknown;

    StagedRecommendations(Recommendation[] found, List<String> first, List<String> unknown) {
        this.found = found;
        this.first = Collections.unmodifiableList(first);
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

    /** What the first stage found, in its own order. */
    public List<String> first() {
        return first;
    }

    /** Seen items that the bundle does not know, each once; they were left out of the request. */
    public List<String> unknown() {
        return unknown;
    }
}
