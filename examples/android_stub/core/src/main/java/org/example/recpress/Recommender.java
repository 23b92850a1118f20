package org.example.recpress;

import java.io.Closeable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;

/** Answers "the best k unseen items of a user" from a bundle, external ids in and out. */
public final class Recommender implements Closeable {
    private final RecBundle bundle;
    private final IdMap users;
    private final IdMap items;
    private final int[] popular;
    private final Scorer scorer;

    private Recommender(RecBundle bundle, ScorerFactory scorers) throws BundleException {
        this.bundle = bundle;
        users = bundle.users();
        items = bundle.items();
        popular = bundle.popular();
        scorer = scorers.open(bundle);
    }

    /** Opens the scorer of a verified bundle. */
    public interface ScorerFactory {
        /** The file format that it answers from. */
        String format();

        /** Loads what all its scorers share, the first time. */
        void load();

        Scorer open(RecBundle bundle) throws BundleException;
    }

    /** The same with {@link Scorers#of}. */
    public static Recommender open(RecBundle bundle) throws BundleException {
        return open(bundle, Scorers.of(bundle));
    }

    /** Reads everything in a bundle, loads its model and runs its self-test; BundleException at the first doubt. */
    public static Recommender open(RecBundle bundle, ScorerFactory scorers) throws BundleException {
        String format = scorers.format();
        if (!bundle.contract().format.equals(format)) {
            throw new BundleException(
                    Fault.UNSUPPORTED,
                    bundle.name() + " holds a " + bundle.contract().format + " model; this app runs " + format
                            + ". Export it with --format " + format);
        }
        SelfTest test = bundle.selfTest();
        Evaluation rows = bundle.evaluation();
        if (rows != null && !rows.hasRelevantItems()) {
            throw new BundleException(
                    Fault.CONTENT, bundle.name() + " has no evaluation user with a relevant item");
        }
        Recommender recommender = new Recommender(bundle, scorers);
        boolean passed = false;
        try {
            test.run(recommender);
            passed = true;
            return recommender;
        } finally {
            if (!passed) {
                recommender.close();
            }
        }
    }

    public Contract contract() {
        return bundle.contract();
    }

    public RecBundle bundle() {
        return bundle;
    }

    public IdMap users() {
        return users;
    }

    public IdMap items() {
        return items;
    }

    public Scorer scorer() {
        return scorer;
    }

    /**
     * The best k unseen items. {@code user} null: the one user of a single-user bundle; of a history bundle, whoever
     * consumed {@code seen}, oldest first. Seen items that the bundle does not know cannot be recommended anyway: they
     * are left out and named in the answer. An unknown user is an UnknownIdException.
     */
    public Recommendations recommend(String user, Collection<String> seen, int k) throws BundleException {
        return recommend(user, seen, k, false);
    }

    /** The same; with {@code strict} an unknown seen item is an UnknownIdException too. */
    public Recommendations recommend(String user, Collection<String> seen, int k, boolean strict)
            throws BundleException {
        int row = user == null ? SelfTest.NOBODY : row(user);
        List<String> unknown = new ArrayList<String>(0);
        Answer answer = answer(row, known(seen, unknown, strict), k);
        Recommendation[] found = new Recommendation[answer.size()];
        for (int rank = 0; rank < found.length; rank++) {
            found[rank] = new Recommendation(items.id(answer.item(rank)), answer.score(rank));
        }
        return new Recommendations(found, unknown);
    }

    /**
     * The same, where somebody answers for users whom the bundle does not know; {@link Recommendations#source()} says
     * who did. UnknownIdException where popular items are asked for and the bundle has no list of them,
     * IllegalArgumentException where the history bundle is none.
     */
    public Recommendations recommend(String user, Collection<String> seen, int k, boolean strict, Newcomer newcomer)
            throws BundleException {
        if (knows(user) || newcomer == Newcomer.REFUSED) {
            return recommend(user, seen, k, strict);
        }
        if (newcomer.history == null || newcomer.popular && seen.isEmpty()) {
            return popular(user, seen, k, strict);
        }
        if (newcomer.history.users.size() > 0) {
            throw new IllegalArgumentException(
                    "the bundle for newcomers holds users: give a history bundle, which answers for anybody");
        }
        return newcomer.history.recommend(null, seen, k, strict).from(Source.HISTORY);
    }

    /** Whether the bundle holds that user; null, the one user or the history that needs no name, it does. */
    public boolean knows(String user) {
        return user == null || users.contains(user);
    }

    private Recommendations popular(String user, Collection<String> seen, int k, boolean strict) {
        if (popular == null) {
            throw new UnknownIdException(
                    user,
                    "unknown user '" + user + "', and this bundle holds no " + Popular.FILE + ", the items for users "
                            + "whom it does not know: all-users bundles have one. Export the student again, or name a "
                            + "history bundle.");
        }
        List<String> unknown = new ArrayList<String>(0);
        long[] hidden = known(seen, unknown, strict);
        Arrays.sort(hidden);
        if (k < 1) {
            throw new IllegalArgumentException("k must be at least 1, got " + k);
        }
        List<Recommendation> found = new ArrayList<Recommendation>();
        for (int i = 0; i < popular.length && found.size() < k; i++) {
            if (Arrays.binarySearch(hidden, popular[i]) < 0) {
                found.add(new Recommendation(items.id(popular[i]), Float.NaN));
            }
        }
        return new Recommendations(found.toArray(new Recommendation[0]), unknown, Source.POPULAR);
    }

    /** Indices of the ids that are there; the others are added to {@code unknown}, or refused. */
    private long[] known(Collection<String> seen, List<String> unknown, boolean strict) {
        long[] indices = new long[seen.size()];
        int count = 0;
        for (String id : seen) {
            int item = items.index(id);
            if (item >= 0) {
                indices[count++] = item;
            } else {
                unknown.add(id);
            }
        }
        if (strict && !unknown.isEmpty()) {
            String id = unknown.get(0);
            throw new UnknownIdException(
                    id,
                    "unknown seen item '" + id + "': not one of the bundle's " + items.size()
                            + " items. Leave it out, or ask without strict.");
        }
        return Arrays.copyOf(indices, count);
    }

    private int row(String user) {
        if (users.size() == 0) {
            throw new UnknownIdException(
                    user,
                    "user '" + user + "': this bundle holds no users. It answers from the history alone: "
                            + "give no user, and the consumed items as seen.");
        }
        int row = users.index(user);
        if (row < 0) {
            throw new UnknownIdException(
                    user, "unknown user '" + user + "': not one of the bundle's " + users.size() + " users");
        }
        return row;
    }

    /** The same with indices; SelfTest.NOBODY in place of a user. */
    public Answer answer(int user, long[] seen, int k) throws BundleException {
        Query query = prepare(user, seen, k);
        return query.k == 0 ? Answer.none() : scorer.run(query);
    }

    /** A checked request, so that the model's own time can be told from the request's. */
    public Query prepare(int user, long[] seen, int k) {
        return Query.check(user, seen, k, bundle.contract());
    }

    @Override
    public void close() {
        scorer.close();
    }
}
