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
import org.junit.After;
import org.junit.Test;

/** Bundles of two stages: Python's answers to the bit, and what is refused; see tests/stage_answers.py. */
public class TwoStageTest {
    private static final List<String> NOTHING = Collections.<String>emptyList();
    private static final Map<String, Object> UNSTATED = Collections.<String, Object>emptyMap();

    private final Map<String, TwoStageRecommender> opened = new HashMap<String, TwoStageRecommender>();

    @After
    public void close() {
        for (TwoStageRecommender recommender : opened.values()) {
            recommender.close();
        }
    }

    @Test
    @SuppressWarnings("unchecked")
    public void idsAndScoresAreEqualToTheBit() throws Exception {
        int answers = 0;
        int scores = 0;
        for (Object entry : (List<?>) Fixtures.json(new File(folder(), "answers.json")).get("answers")) {
            Map<?, ?> wanted = (Map<?, ?>) entry;
            String where = wanted.get("bundle") + " request " + answers++;
            StagedRecommendations got = bundle((String) wanted.get("bundle")).recommend(
                    (String) wanted.get("user"),
                    Fixtures.texts(wanted.get("seen")),
                    (Map<String, Object>) FieldRows.plain(wanted.get("values")),
                    Fixtures.integer(wanted.get("k")));
            List<String> items = new ArrayList<String>();
            List<Integer> bits = new ArrayList<Integer>();
            for (Recommendation one : got) {
                items.add(one.itemId());
                bits.add(Float.floatToRawIntBits(one.score()));
            }
            List<Integer> expected = new ArrayList<Integer>();
            for (Object one : (List<?>) wanted.get("bits")) {
                expected.add(Fixtures.integer(one));
            }
            assertEquals(where, Fixtures.texts(wanted.get("items")), items);
            assertEquals(where, expected, bits);
            assertEquals(where, Fixtures.texts(wanted.get("first")), got.first());
            assertEquals(where, Fixtures.texts(wanted.get("unknown")), got.unknown());
            scores += bits.size();
        }
        assertTrue(answers + " answers, " + scores + " scores", answers >= 100 && scores >= 500);
        System.out.println(answers + " answers of two stages, " + scores + " scores, equal Python's to the bit");
    }

    @Test
    public void whatIsDamagedIsRefusedAsInPython() throws Exception {
        List<String> wrong = new ArrayList<String>();
        List<?> cases = (List<?>) Fixtures.json(new File(folder(), "refused.json")).get("cases");
        for (Object entry : cases) {
            Map<?, ?> stated = (Map<?, ?>) entry;
            String found = "accepted";
            try {
                File one = new File(folder(), "refused/" + stated.get("folder"));
                TwoStageRecommender.open(TwoStageBundle.open(one)).close();
            } catch (BundleException error) {
                found = error.fault().word();
            }
            if (!found.equals(stated.get("fault"))) {
                wrong.add(stated + " but Java says " + found);
            }
        }
        assertTrue(wrong.size() + " verdicts differ: " + wrong, wrong.isEmpty());
        assertTrue("at least 50 cases, found " + cases.size(), cases.size() >= 50);
        System.out.println(cases.size() + " wrong bundles of two stages refused as Python refuses them");
    }

    @Test
    public void kindsOfBundlesAreTold() throws Exception {
        File both = new File(folder(), "bundles/two-stages");
        refusedAs(Fault.SCHEMA, "RecBundle", both);
        refusedAs(Fault.SCHEMA, "ClickBundle", both);
        refusedAs(Fault.SCHEMA, "TwoStageBundle", new File(Fixtures.folder(), "bundles/int8-dim"));
        refusedAs(Fault.SCHEMA, "TwoStageBundle", new File(Fixtures.folder(), "clicks/bundles/int8"));
    }

    private static void refusedAs(Fault fault, String kind, File folder) {
        try {
            if (kind.equals("RecBundle")) {
                RecBundle.open(folder);
            } else if (kind.equals("ClickBundle")) {
                ClickBundle.open(folder);
            } else {
                TwoStageBundle.open(folder);
            }
            fail(folder + " was opened by " + kind);
        } catch (BundleException error) {
            assertEquals(error.getMessage(), fault, error.fault());
        }
    }

    @Test
    public void theLastItemsAreReadInTheirOrder() throws Exception {
        TwoStageRecommender history = bundle("two-stages-history");
        List<String> seen = Arrays.asList("i1", "i2", "i3");
        StagedRecommendations one = history.recommend(null, seen, UNSTATED, 5);
        StagedRecommendations other = history.recommend(null, Arrays.asList("i3", "i2", "i1"), UNSTATED, 5);
        assertTrue(one + " and " + other, one.get(0).score() != other.get(0).score());
        assertEquals(20, one.first().size());
        assertEquals(NOTHING, one.unknown());
        List<String> strangers = history.recommend(null, Arrays.asList("x", "y", "x"), UNSTATED, 1).unknown();
        assertEquals(Arrays.asList("x", "y"), strangers);
    }

    @Test
    public void wrongQuestionsAreRefusedByName() throws Exception {
        refused("two-stages", "ann", UNSTATED, 5, "user 'ann' is none of the bundle's 40 users");
        refused("two-stages", null, UNSTATED, 5, "user 'null' is none of the bundle's 40 users");
        refused("two-stages-history", "u1", UNSTATED, 5, "the bundle knows no users, so 'u1' is none of them");
        refused("two-stages", "u1", UNSTATED, 0, "k must be from 1 to 20");
        refused("two-stages", "u1", UNSTATED, 21, "k must be from 1 to 20");
        refused("two-stages", "u1", values("day", 1), 5, "unknown field 'day'; the bundle has hour, gap, place");
        refused("two-stages", "u1", values("likes", NOTHING), 5, "unknown field 'likes'");
        refused("two-stages", "u1", values("seen[-1]", "i1"), 5, "unknown field 'seen[-1]'");
        refused("two-stages", "u1", values("hour", "nine"), 5, "field 'hour': a number such as 13");
        refused("two-stages", "u1", values("moods", "glad"), 5, "field 'moods': a list of texts");
    }

    private void refused(String name, String user, Map<String, ?> values, int k, String said) throws Exception {
        try {
            bundle(name).recommend(user, NOTHING, values, k);
            fail(said);
        } catch (IllegalArgumentException error) {
            assertTrue(error.getMessage(), error.getMessage().contains(said));
        }
    }

    private static Map<String, ?> values(String field, Object value) {
        return Collections.singletonMap(field, value);
    }

    private TwoStageRecommender bundle(String name) throws BundleException {
        if (!opened.containsKey(name)) {
            opened.put(name, TwoStageRecommender.open(TwoStageBundle.open(new File(folder(), "bundles/" + name))));
        }
        return opened.get(name);
    }

    private static File folder() {
        return new File(Fixtures.folder(), "stages");
    }
}
