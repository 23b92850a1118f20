package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.Test;

/** Every answer that Python's runtime gave from the very same files; see tests/python_answers.py. */
public class PythonAnswersTest {
    private static final double SCORE_DIFFERENCE = 1e-5;

    @Test
    public void idsAreEqualScoresAgreeAndNothingSeenIsRecommended() throws Exception {
        int answers = 0;
        for (File folder : bundles()) {
            Recommender recommender = Recommender.open(RecBundle.open(folder));
            try {
                for (Object query : (List<?>) expected(folder).get("queries")) {
                    check(recommender, (Map<?, ?>) query, folder.getName() + " query " + answers);
                    answers++;
                }
            } finally {
                recommender.close();
            }
        }
        System.out.println(answers + " answers of " + bundles().length + " bundles equal Python's");
    }

    @Test
    public void qualityAndDigestOfAllRankedIdsAreEqual() throws Exception {
        for (File folder : bundles()) {
            Map<?, ?> wanted = (Map<?, ?>) expected(folder).get("quality");
            RecBundle bundle = RecBundle.open(folder);
            Recommender recommender = Recommender.open(bundle);
            try {
                Map<String, Object> got = RankingQuality.measure(recommender, bundle.asked());
                String name = folder.getName();
                assertEquals(name, wanted.get("ids_sha256"), got.get("ids_sha256"));
                assertEquals(name, (long) Fixtures.integer(wanted.get("users")), ((Number) got.get("users")).longValue());
                assertEquals(name, Fixtures.integer(wanted.get("cutoff")), ((Number) got.get("cutoff")).intValue());
                assertEquals(name, metrics(wanted), metrics(got));
                for (String metric : metrics(got)) {
                    if (wanted.get(metric) == null) { // 1 by necessity
                        assertNull(name + " " + metric, got.get(metric));
                    } else {
                        double value = Fixtures.number(wanted.get(metric));
                        assertEquals(name + " " + metric, value, (Double) got.get(metric), 1e-12);
                    }
                }
            } finally {
                recommender.close();
            }
        }
    }

    private static Set<String> metrics(Map<?, ?> quality) {
        Set<String> names = new TreeSet<String>();
        for (Object name : quality.keySet()) {
            if (((String) name).contains("@")) {
                names.add((String) name);
            }
        }
        return names;
    }

    private static void check(Recommender recommender, Map<?, ?> query, String name) throws BundleException {
        List<String> seen = Fixtures.texts(query.get("seen"));
        List<Recommendation> got =
                recommender.recommend((String) query.get("user"), seen, Fixtures.integer(query.get("k")));
        List<String> items = Fixtures.texts(query.get("items"));
        List<?> scores = (List<?>) query.get("scores");
        assertEquals(name + " length", items.size(), got.size());
        HashSet<String> hidden = new HashSet<String>(seen);
        for (int rank = 0; rank < items.size(); rank++) {
            String at = name + " rank " + (rank + 1);
            assertEquals(at, items.get(rank), got.get(rank).itemId());
            double score = Fixtures.number(scores.get(rank));
            assertEquals(at, score, got.get(rank).score(), SCORE_DIFFERENCE * Math.max(1, Math.abs(score)));
            assertFalse(at + " was seen", hidden.contains(got.get(rank).itemId()));
        }
    }

    private static File[] bundles() {
        File[] found = new File(Fixtures.folder(), "bundles").listFiles();
        assertTrue("bundles in the fixtures", found != null && found.length > 0);
        return found;
    }

    private static Map<String, Object> expected(File bundle) throws BundleException {
        return Fixtures.json(new File(Fixtures.folder(), "answers/" + bundle.getName() + ".json"));
    }
}
