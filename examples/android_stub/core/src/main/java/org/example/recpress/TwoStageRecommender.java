package org.example.recpress;

import java.io.Closeable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Answers from a bundle of two stages: a user, what was seen and the moment in, ids out. */
public final class TwoStageRecommender implements Closeable {
    private final TwoStageBundle bundle;
    private final IdMap users;
    private final IdMap items;
    private final OrtTwoStages model;

    private TwoStageRecommender(TwoStageBundle bundle, IdMap users, IdMap items, OrtTwoStages model) {
        this.bundle = bundle;
        this.users = users;
        this.items = items;
        this.model = model;
    }

    /** Loads the model and runs the self-test; BundleException at the first doubt. */
    public static TwoStageRecommender open(TwoStageBundle bundle) throws BundleException {
        TwoStageSelfTest test = bundle.selfTest();
        IdMap users = bundle.users();
        IdMap items = bundle.items();
        OrtTwoStages model = new OrtTwoStages(bundle);
        boolean passed = false;
        try {
            test.run(model);
            passed = true;
            return new TwoStageRecommender(bundle, users, items, model);
        } finally {
            if (!passed) {
                model.close();
            }
        }
    }

    public TwoStageBundle bundle() {
        return bundle;
    }

    /**
     * The best k unseen items for a user at a moment; fewer than k are all ranked.
     *
     * <p>{@code user}: null where the bundle knows none, and serves whoever consumed what is seen. {@code seen}: item
     * ids, oldest first, of which the last are read too; those that the bundle does not know are left out and named in
     * the answer. {@code values}: by field a String, a Number or null, of a field of many values a List; one that is
     * not named is missing. Hours and weekdays (0 is Monday) are those that the application gives.
     * UnknownIdException for an unknown user; IllegalArgumentException for a user of a bundle that knows none, an
     * unknown field, a value that its field does not take, and a k below 1 or above the candidates of the first stage.
     */
    public StagedRecommendations recommend(String user, List<String> seen, Map<String, ?> values, int k)
            throws BundleException {
        TwoStageContract contract = bundle.contract();
        int who = row(user);
        Set<String> unknown = new LinkedHashSet<String>();
        long[] known = known(seen, unknown);
        long[] row = contract.encode(values, known);
        if (k < 1 || k > contract.candidates) {
            throw new IllegalArgumentException(
                    "k must be from 1 to " + contract.candidates + ", what the first stage finds; got " + k);
        }
        int left = contract.retrieve(known);
        List<String> first = new ArrayList<String>(left);
        Recommendation[] found = new Recommendation[Math.min(k, left)];
        if (left > 0) {
            OrtTwoStages.Lists lists = model.lists(who, known, row, found.length);
            for (int rank = 0; rank < found.length; rank++) {
                found[rank] = new Recommendation(items.id(lists.best.item(rank)), lists.best.score(rank));
            }
            for (int rank = 0; rank < left; rank++) {
                first.add(items.id(lists.first.item(rank)));
            }
        }
        return new StagedRecommendations(found, first, new ArrayList<String>(unknown));
    }

    private int row(String user) {
        if (users.size() == 0) {
            if (user != null) {
                throw new IllegalArgumentException(
                        Printable.oneLine(
                                "the bundle knows no users, so '" + user + "' is none of them: seen says who asks"));
            }
            return SelfTest.NOBODY;
        }
        int row = user == null ? -1 : users.index(user);
        if (row < 0) {
            throw new UnknownIdException(
                    user, "user '" + user + "' is none of the bundle's " + users.size() + " users");
        }
        return row;
    }

    private long[] known(List<String> seen, Set<String> unknown) {
        long[] found = new long[seen.size()];
        int count = 0;
        for (String id : seen) {
            int item = items.index(id);
            if (item >= 0) {
                found[count++] = item;
            } else {
                unknown.add(id);
            }
        }
        return Arrays.copyOf(found, count);
    }

    @Override
    public void close() {
        model.close();
    }
}
