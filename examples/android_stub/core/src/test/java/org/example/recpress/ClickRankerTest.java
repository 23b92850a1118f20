package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.Test;

/** Click bundles: Python's answers from the very same files, and what is refused; see tests/click_answers.py. */
public class ClickRankerTest {
    private static final double SCORE_DIFFERENCE = 1e-4;

    @Test
    @SuppressWarnings("unchecked")
    public void itemsAreEqualAndScoresAgree() throws Exception {
        Map<String, ClickRanker> rankers = new HashMap<String, ClickRanker>();
        int answers = 0;
        try {
            for (Object entry : (List<?>) Fixtures.json(new File(folder(), "answers.json")).get("answers")) {
                Map<?, ?> wanted = (Map<?, ?>) entry;
                String name = (String) wanted.get("bundle");
                if (!rankers.containsKey(name)) {
                    rankers.put(name, ClickRanker.open(ClickBundle.open(new File(folder(), "bundles/" + name))));
                }
                Map<String, Object> values = (Map<String, Object>) FieldRows.plain(wanted.get("values"));
                Object among = wanted.get("candidates");
                Recommendations got = rankers.get(name).rank(values, among == null ? null : Fixtures.texts(among), 5);
                check(wanted, got, name + " question " + answers++);
            }
        } finally {
            for (ClickRanker ranker : rankers.values()) {
                ranker.close();
            }
        }
        assertTrue(answers + " answers", answers >= 100);
        System.out.println(answers + " answers of " + rankers.size() + " click bundles equal Python's");
    }

    private static void check(Map<?, ?> wanted, Recommendations got, String where) {
        List<String> items = new ArrayList<String>();
        List<?> scores = (List<?>) wanted.get("scores");
        for (int rank = 0; rank < got.size(); rank++) {
            items.add(got.get(rank).itemId());
            assertEquals(where, Fixtures.number(scores.get(rank)), got.get(rank).score(), SCORE_DIFFERENCE);
        }
        assertEquals(where, Fixtures.texts(wanted.get("items")), items);
        assertEquals(where, Fixtures.texts(wanted.get("unknown")), got.unknown());
    }

    @Test
    public void whatIsDamagedIsRefusedWithItsFault() throws Exception {
        File[] folders = new File(folder(), "refused").listFiles();
        assertTrue(folders.length >= 8);
        for (File one : folders) {
            try {
                ClickRanker.open(ClickBundle.open(one)).close();
                fail(one + " was opened");
            } catch (BundleException error) {
                assertEquals(error.getMessage(), one.getName(), error.fault().word());
            }
        }
    }

    @Test
    public void bothKindsOfBundlesAreTold() throws Exception {
        try {
            RecBundle.open(new File(folder(), "bundles/int8"));
            fail();
        } catch (BundleException error) {
            assertEquals(Fault.SCHEMA, error.fault());
        }
        try {
            ClickBundle.open(new File(Fixtures.folder(), "bundles/int8-dim"));
            fail();
        } catch (BundleException error) {
            assertEquals(Fault.SCHEMA, error.fault());
        }
    }

    @Test
    public void wrongQuestionsAreRefusedByName() throws Exception {
        ClickRanker ranker = ClickRanker.open(ClickBundle.open(new File(folder(), "bundles/int8")));
        try {
            refused(ranker, "hours", 3, "unknown field 'hours'; the bundle has user, hour");
            refused(ranker, "hour", "noon", "field 'hour': a number such as 13");
            refused(ranker, "hour", true, "field 'hour': a number is expected");
            refused(ranker, "user", 1.5, "field 'user': a text or a whole number");
            refused(ranker, "liked", "x", "field 'liked': a list of texts");
            refused(ranker, "city", "\ud83d", "half a surrogate pair");
            Map<String, Object> none = Collections.<String, Object>emptyMap();
            for (List<String> candidates : Arrays.asList(Arrays.asList("nope"), new ArrayList<String>())) {
                try {
                    ranker.rank(none, candidates, 3);
                    fail();
                } catch (IllegalArgumentException error) {
                    assertEquals("none of the candidates is an item of the bundle", error.getMessage());
                }
            }
            try {
                ranker.rank(none, null, 0);
                fail();
            } catch (IllegalArgumentException error) {
                assertEquals("k must be at least 1, got 0", error.getMessage());
            }
            assertEquals(0.5, ClickRanker.chance(0), 0);
        } finally {
            ranker.close();
        }
    }

    private static void refused(ClickRanker ranker, String field, Object value, String said) throws Exception {
        try {
            ranker.rank(Collections.singletonMap(field, value), null, 3);
            fail(field + " " + value);
        } catch (IllegalArgumentException error) {
            assertTrue(error.getMessage(), error.getMessage().contains(said));
        }
    }

    @Test
    public void hashesArePublished() {
        assertEquals(0x811C9DC5, FeatureField.fnv1a(new byte[0], 0));
        assertEquals(0xE40C292C, FeatureField.fnv1a(new byte[] {'a'}, 0));
        assertEquals(0xBF9CF968, FeatureField.fnv1a("foobar".getBytes(Json.UTF_8), 0));
    }

    private static File folder() {
        return new File(Fixtures.folder(), "clicks");
    }
}
