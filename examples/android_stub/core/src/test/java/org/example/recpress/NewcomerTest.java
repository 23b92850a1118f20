package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.File;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.After;
import org.junit.Test;

/** Users whom a bundle does not know get what Python gives them, from the same source; see tests/newcomers.py. */
public class NewcomerTest {
    private static final double SCORE_DIFFERENCE = 1e-5;

    private final Map<String, Recommender> opened = new HashMap<String, Recommender>();

    @After
    public void close() {
        for (Recommender recommender : opened.values()) {
            recommender.close();
        }
    }

    @Test
    public void newcomersAreAnsweredAsPythonAnswersThem() throws Exception {
        Map<String, Integer> sources = new TreeMap<String, Integer>();
        int number = 0;
        for (Object entry : (List<?>) Fixtures.json(new File(Fixtures.folder(), "newcomers.json")).get("cases")) {
            Map<?, ?> asked = (Map<?, ?>) entry;
            String wanted = (String) asked.get("source");
            String name = "case " + number++ + " of " + asked.get("bundle");
            Integer known = sources.get(wanted);
            sources.put(wanted, known == null ? 1 : known + 1);
            try {
                check(name, asked, ask(asked));
            } catch (IllegalArgumentException error) {
                assertEquals(name + ": " + error.getMessage(), "refused", wanted);
            }
        }
        System.out.println("newcomers as in Python: " + sources);
        assertEquals("[history, model, popular, refused]", sources.keySet().toString());
    }

    @Test
    public void aMistypedIdIsNoAnswerUnlessSomebodyAsksForOne() throws Exception {
        try {
            bundle("int8-dim").recommend("nobody", Fixtures.texts(java.util.Collections.emptyList()), 5);
            fail("an unknown user was answered");
        } catch (UnknownIdException error) {
            assertEquals("nobody", error.id());
        }
        try {
            Newcomer.history(null);
            fail("no history bundle was taken for one");
        } catch (IllegalArgumentException error) {
            assertTrue(error.getMessage(), error.getMessage().contains("open the history bundle first"));
        }
    }

    private Recommendations ask(Map<?, ?> asked) throws Exception {
        boolean popular = (Boolean) asked.get("popular");
        Newcomer newcomer = popular ? Newcomer.POPULAR : Newcomer.REFUSED;
        if (asked.get("history") != null) {
            Recommender history = bundle((String) asked.get("history"));
            newcomer = popular ? Newcomer.historyOrPopular(history) : Newcomer.history(history);
        }
        return bundle((String) asked.get("bundle")).recommend(
                (String) asked.get("user"),
                Fixtures.texts(asked.get("seen")),
                Fixtures.integer(asked.get("k")),
                (Boolean) asked.get("strict"),
                newcomer);
    }

    private static void check(String name, Map<?, ?> asked, Recommendations got) {
        assertEquals(name, asked.get("source"), got.source().word());
        List<String> items = Fixtures.texts(asked.get("items"));
        List<?> scores = (List<?>) asked.get("scores");
        assertEquals(name, items.size(), got.size());
        assertEquals(name, Fixtures.texts(asked.get("unknown")), got.unknown());
        for (int rank = 0; rank < items.size(); rank++) {
            assertEquals(name + " rank " + rank, items.get(rank), got.get(rank).itemId());
            double score = scores.get(rank) == null ? Double.NaN : Fixtures.number(scores.get(rank));
            assertEquals(name, score, got.get(rank).score(), SCORE_DIFFERENCE * Math.max(1, Math.abs(score)));
        }
    }

    private Recommender bundle(String name) throws BundleException {
        if (!opened.containsKey(name)) {
            opened.put(name, Recommender.open(RecBundle.open(new File(Fixtures.folder(), "bundles/" + name))));
        }
        return opened.get(name);
    }
}
