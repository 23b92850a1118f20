package org.example.recpress;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Recall and NDCG over every evaluation user, and a digest of the very ids that were ranked.
 *
 * <p>The definitions are those of recpress_edge/core/metrics.py; a test compares the two.
 */
public final class RankingQuality {
    private static final int[] CUTOFFS = {10, 20, 50};
    /** What may judge, and the share of the median candidates that it may be: 1/4. */
    private static final int[] JUDGES = {50, 20, 10, 5, 3, 2, 1};
    private static final int JUDGED_SHARE = 4;
    private static final int LENGTH = 50;

    private final int[] cutoffs;
    private final double[] recall;
    private final double[] ndcg;
    private final MessageDigest ids = BundleFiles.newSha256();
    private int users;

    private RankingQuality(int cutoff) {
        Set<Integer> reported = new TreeSet<Integer>();
        for (int known : CUTOFFS) {
            reported.add(known);
        }
        reported.add(cutoff);
        cutoffs = new int[reported.size()];
        int count = 0;
        for (int k : reported) {
            cutoffs[count++] = k;
        }
        recall = new double[cutoffs.length];
        ndcg = new double[cutoffs.length];
    }

    /**
     * The facts of a bench record's quality section, and nothing else. {@code rows} are {@link RecBundle#asked}:
     * where nothing is relevant in any there are no metrics, and {@code users} is 0.
     */
    public static Map<String, Object> measure(Recommender recommender, Evaluation rows) throws BundleException {
        int[] candidates = rows.candidates(recommender.contract());
        int cutoff = telling(recommender.bundle().statedCutoff(), candidates);
        RankingQuality quality = new RankingQuality(cutoff);
        for (int row = 0; row < rows.size(); row++) {
            Answer answer = recommender.answer(rows.user(row), rows.seen(row), LENGTH);
            quality.add(answer, rows.relevant(row));
        }
        return quality.facts(cutoff, candidates);
    }

    /** The stated K where it is one that judges, else 50. */
    static int judge(Object stated) {
        if (stated instanceof JsonNumber && ((JsonNumber) stated).isInteger()) {
            for (int known : JUDGES) {
                if (((JsonNumber) stated).longValue() == known) {
                    return known;
                }
            }
        }
        return JUDGES[0];
    }

    /** The stated K, unless nobody has more candidates than that; then one that tells. Candidates ascending. */
    private static int telling(int stated, int[] candidates) {
        if (candidates.length == 0 || !isCertain(stated, candidates)) {
            return stated;
        }
        int half = candidates.length / 2;
        double middle = candidates.length % 2 == 1
                ? candidates[half]
                : (candidates[half - 1] + (double) candidates[half]) / 2;
        for (int k : JUDGES) {
            if (k * JUDGED_SHARE <= middle) {
                return k;
            }
        }
        return JUDGES[JUDGES.length - 1];
    }

    /** Whether recall is 1 whatever the order. */
    private static boolean isCertain(int k, int[] candidates) {
        return candidates[candidates.length - 1] <= k;
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
        for (int i = 0; i < cutoffs.length; i++) {
            addCutoff(i, answer, wanted, relevant.length);
        }
    }

    private void addCutoff(int index, Answer answer, Set<Long> wanted, int relevant) {
        int hits = 0;
        double gained = 0;
        double ideal = 0;
        for (int rank = 0; rank < cutoffs[index]; rank++) {
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

    private Map<String, Object> facts(int cutoff, int[] candidates) {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        for (int i = 0; users > 0 && i < cutoffs.length; i++) {
            facts.put("recall@" + cutoffs[i], isCertain(cutoffs[i], candidates) ? null : recall[i] / users);
            facts.put("ndcg@" + cutoffs[i], ndcg[i] / users);
        }
        facts.put("cutoff", cutoff);
        facts.put("users", users);
        facts.put("ids_sha256", BundleFiles.hex(ids.digest()));
        return facts;
    }
}
