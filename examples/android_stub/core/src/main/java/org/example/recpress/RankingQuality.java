package org.example.recpress;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Recall and NDCG over every evaluation user, and a digest of the very ids that were ranked.
 *
 * <p>The definitions are those of recpress_edge/core/metrics.py; a test compares the two.
 */
public final class RankingQuality {
    private static final int[] CUTOFFS = {10, 20, 50};
    private static final int LENGTH = 50;

    private final double[] recall = new double[CUTOFFS.length];
    private final double[] ndcg = new double[CUTOFFS.length];
    private final MessageDigest ids = BundleFiles.newSha256();
    private int users;

    private RankingQuality() {}

    /** The facts of a bench record's quality section, and nothing else. */
    public static Map<String, Object> measure(Recommender recommender, Evaluation evaluation) throws BundleException {
        RankingQuality quality = new RankingQuality();
        for (int row = 0; row < evaluation.size(); row++) {
            Answer answer = recommender.answer(evaluation.user(row), evaluation.seen(row), LENGTH);
            quality.add(answer, evaluation.relevant(row));
        }
        return quality.facts();
    }

    private void add(Answer answer, long[] relevant) {
        ByteBuffer bytes = ByteBuffer.allocate(8 * answer.size()).order(ByteOrder.LITTLE_ENDIAN);
        for (int rank = 0; rank < answer.size(); rank++) {
            bytes.putLong(answer.item(rank));
        }
        ids.update(bytes.array());
        if (relevant.length == 0) {
            return;
        }
        users++;
        Set<Long> wanted = new HashSet<Long>();
        for (long item : relevant) {
            wanted.add(item);
        }
        for (int i = 0; i < CUTOFFS.length; i++) {
            addCutoff(i, answer, wanted, relevant.length);
        }
    }

    private void addCutoff(int index, Answer answer, Set<Long> wanted, int relevant) {
        int hits = 0;
        double gained = 0;
        double ideal = 0;
        for (int rank = 0; rank < CUTOFFS[index]; rank++) {
            double discount = Math.log(2) / Math.log(rank + 2);
            if (rank < relevant) {
                ideal += discount;
            }
            if (rank < answer.size() && wanted.contains((long) answer.item(rank))) {
                hits++;
                gained += discount;
            }
        }
        recall[index] += (double) hits / relevant;
        ndcg[index] += gained / ideal;
    }

    private Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        for (int i = 0; i < CUTOFFS.length; i++) {
            facts.put("recall@" + CUTOFFS[i], recall[i] / users);
            facts.put("ndcg@" + CUTOFFS[i], ndcg[i] / users);
        }
        facts.put("users", users);
        facts.put("ids_sha256", BundleFiles.hex(ids.digest()));
        return facts;
    }
}
