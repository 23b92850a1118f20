package org.example.recpress;

import java.io.Closeable;
import java.util.ArrayList;
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
        Scorer open(RecBundle bundle) throws BundleException;
    }

    /** Reads everything in a bundle, loads its model and runs its self-test; BundleException at the first doubt. */
    public static Recommender open(RecBundle bundle, ScorerFactory scorers) throws BundleException {
        if (!bundle.contract().format.equals("onnx")) {
            throw new BundleException(
                    Fault.UNSUPPORTED,
                    bundle.name() + " holds a " + bundle.contract().format + " model; this app runs onnx. "
                            + "Export it with --format onnx");
        }
        SelfTest test = bundle.selfTest();
        if (!bundle.evaluation().hasRelevantItems()) {
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
     * consumed {@code seen}. UnknownIdException for an id that is not in the bundle.
     */
    public List<Recommendation> recommend(String user, Collection<String> seen, int k) throws BundleException {
        if (user != null && users.size() == 0) {
            throw new UnknownIdException("user (this bundle holds none: give the consumed items as seen)", user);
        }
        int row = user == null ? SelfTest.NOBODY : users.index(user);
        long[] hidden = new long[seen.size()];
        int count = 0;
        for (String item : seen) {
            hidden[count++] = items.index(item);
        }
        Answer answer = answer(row, hidden, k);
        List<Recommendation> found = new ArrayList<Recommendation>(answer.size());
        for (int rank = 0; rank < answer.size(); rank++) {
            found.add(new Recommendation(items.id(answer.item(rank)), answer.score(rank)));
        }
        return found;
    }

    /** The same with indices; SelfTest.NOBODY in place of a user. */
    public Answer answer(int user, long[] seen, int k) throws BundleException {
        Query query = prepare(user, seen, k);
        return query.k == 0 ? new Answer(new long[0], new float[0]) : scorer.run(query);
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
