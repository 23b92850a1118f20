package org.example.recpress;

import java.util.Collections;
import java.util.List;

/** An answer of two stages: the best items first. */
public final class StagedRecommendations extends Recommendations {
    private final List<String> first;

    StagedRecommendations(Recommendation[] found, List<String> first, List<String> unknown) {
        super(found, unknown);
        this.first = Collections.unmodifiableList(first);
    }

    /** What the first stage found, in its own order. */
    public List<String> first() {
        return first;
    }
}
