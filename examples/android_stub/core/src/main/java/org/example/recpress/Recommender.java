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
    private final Scorer scorer;

    private Recommender(RecBundle bundle, IdMap users, IdMap items, Scorer scorer) {
        this.bundle = bundle;
        this.users = users;
        this.items = items;
        this.scorer = scorer;
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
        IdMap users = bundle.users();
        IdMap items = bundle.items();
        Recommender recommender = new Recommender(bundle, users, items, scorers.open(bundle));
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
        long[] hidden = new long[seen.size()];
        List<String> unknown = new ArrayList<String>(0);
        int count = 0;
        for (String id : seen) {
            int item = items.index(id);
            if (item >= 0) {
                hidden[count++] = item;
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
        Answer answer = answer(row, Arrays.copyOf(hidden, count), k);
        Recommendation[] found = new Recommendation[answer.size()];
        for (int rank = 0; rank < found.length; rank++) {
            found[rank] = new Recommendation(items.id(answer.item(rank)), answer.score(rank));
        }
        return new Recommendations(found, unknown);
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
