package org.example.recpress;

import java.io.Closeable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Ranks candidates by the chance that they are taken, from a click bundle: values and ids in, ids out. */
public final class ClickRanker implements Closeable {
    private final ClickBundle bundle;
    private final IdMap items;
    private final OrtClicks model;

    private ClickRanker(ClickBundle bundle, IdMap items, OrtClicks model) {
        this.bundle = bundle;
        this.items = items;
        this.model = model;
    }

    /** Loads the model and runs the self-test; BundleException at the first doubt. */
    public static ClickRanker open(ClickBundle bundle) throws BundleException {
        ClickSelfTest test = bundle.selfTest();
        ClickRanker ranker = new ClickRanker(bundle, bundle.items(), new OrtClicks(bundle));
        boolean passed = false;
        try {
            test.run(ranker.model, bundle.contract().scoreTolerance);
            passed = true;
            return ranker;
        } finally {
            if (!passed) {
                ranker.close();
            }
        }
    }

    public ClickBundle bundle() {
        return bundle;
    }

    /**
     * The best k of the candidates, or of the whole catalogue where they are null, for a request; fewer are all ranked.
     *
     * <p>{@code values}: by field a String, a Number or null, of a field of many values a List; one that is not named is
     * missing. Hours and weekdays (0 is Monday) are those that the application gives. Candidates that the bundle does
     * not know are left out and named in the answer. IllegalArgumentException for an unknown field, a value that its
     * field does not take, a k below 1, or no known candidate.
     */
    public Recommendations rank(Map<String, ?> values, Collection<String> candidates, int k) throws BundleException {
        if (k < 1) {
            throw new IllegalArgumentException("k must be at least 1, got " + k);
        }
        Set<String> unknown = new LinkedHashSet<String>();
        long[] among = candidates == null ? all(items.size()) : known(candidates, unknown);
        if (among.length == 0) {
            throw new IllegalArgumentException("none of the candidates is an item of the bundle");
        }
        Answer answer = model.rank(bundle.contract().encode(values), among, Math.min(k, among.length));
        Recommendation[] found = new Recommendation[answer.size()];
        for (int rank = 0; rank < found.length; rank++) {
            found[rank] = new Recommendation(items.id(answer.item(rank)), answer.score(rank));
        }
        return new Recommendations(found, new ArrayList<String>(unknown));
    }

    /** The chance that belongs to a score: 1 / (1 + e^-score). */
    public static double chance(float score) {
        return 1 / (1 + Math.exp(-(double) score));
    }

    private long[] known(Collection<String> candidates, Set<String> unknown) {
        TreeSet<Integer> found = new TreeSet<Integer>();
        for (String id : candidates) {
            int item = items.index(id);
            if (item >= 0) {
                found.add(item);
            } else {
                unknown.add(id);
            }
        }
        long[] among = new long[found.size()];
        int at = 0;
        for (int item : found) {
            among[at++] = item;
        }
        return among;
    }

    private static long[] all(int count) {
        long[] among = new long[count];
        for (int item = 0; item < count; item++) {
            among[item] = item;
        }
        return among;
    }

    @Override
    public void close() {
        model.close();
    }
}
