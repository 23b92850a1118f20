package org.example.recpress;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.Arrays;
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
    private static final int[] JUDGES = {50, 20, 10, 5, 3, 2, 1};
    private static final int JUDGED_SHARE = 4;
    private static final int LENGTH = 50;

    private final int judge;
    private final int mostCandidates;
    private final int[] cutoffs;
    private final double[] recall;
    private final double[] ndcg;
    private final MessageDigest ids = BundleFiles.newSha256();
    private int users;

    private RankingQuality(int stated, int[] candidates) {
        mostCandidates = candidates.length == 0 ? 0 : candidates[candidates.length - 1];
        judge = mostCandidates <= stated ? judging(candidates) : stated;
        cutoffs = withJudge(judge);
        recall = new double[cutoffs.length];
        ndcg = new double[cutoffs.length];
    }

    /** The facts of a bench record's quality section, and nothing else. */
    public static Map<String, Object> measure(Recommender recommender, RecBundle bundle) throws BundleException {
        Evaluation evaluation = bundle.evaluation();
        RankingQuality quality = new RankingQuality(bundle.cutoff(), candidates(evaluation, bundle.contract()));
        for (int row = 0; row < evaluation.size(); row++) {
            Answer answer = recommender.answer(evaluation.user(row), evaluation.seen(row), LENGTH);
            quality.add(answer, evaluation.relevant(row));
        }
        return quality.facts();
    }

    /** Whether a K is one that may judge. */
    static boolean judges(long k) {
        for (int known : JUDGES) {
            if (known == k) {
                return true;
            }
        }
        return false;
    }

    /** Items that can be recommended to each user with a relevant item, ascending. */
    private static int[] candidates(Evaluation evaluation, Contract contract) {
        int[] left = new int[evaluation.size()];
        int count = 0;
        for (int row = 0; row < evaluation.size(); row++) {
            if (evaluation.relevant(row).length > 0) {
                Set<Long> gone = new HashSet<Long>();
                for (long item : evaluation.seen(row)) {
                    gone.add(item);
                }
                for (long item : contract.retired()) {
                    gone.add(item);
                }
                left[count++] = contract.nItems - gone.size();
            }
        }
        int[] found = Arrays.copyOf(left, count);
        Arrays.sort(found);
        return found;
    }

    /** The largest K that is at most a quarter of the median number of candidates, which are ascending. */
    private static int judging(int[] candidates) {
        int count = candidates.length;
        double middle = count == 0 ? 0 : (candidates[(count - 1) / 2] + candidates[count / 2]) / 2.0;
        for (int k : JUDGES) {
            if (k * JUDGED_SHARE <= middle) {
                return k;
            }
        }
        return 1;
    }

    private static int[] withJudge(int judge) {
        Set<Integer> all = new TreeSet<Integer>();
        for (int k : CUTOFFS) {
            all.add(k);
        }
        all.add(judge);
        int[] found = new int[all.size()];
        int at = 0;
        for (int k : all) {
            found[at++] = k;
        }
        return found;
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

    private Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        for (int i = 0; i < cutoffs.length; i++) {
            boolean certain = mostCandidates <= cutoffs[i]; // then it is 1 in whatever order
            facts.put("recall@" + cutoffs[i], certain ? null : (Object) (recall[i] / users));
            facts.put("ndcg@" + cutoffs[i], ndcg[i] / users);
        }
        facts.put("cutoff", judge);
        facts.put("users", users);
        facts.put("ids_sha256", BundleFiles.hex(ids.digest()));
        return facts;
    }
}
