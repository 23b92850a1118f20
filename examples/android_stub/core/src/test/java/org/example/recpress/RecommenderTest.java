package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.File;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;

/** The public calls, on the bundle "ties", whose answers a reader can check by hand. */
public class RecommenderTest {
    private static final List<String> NONE = Collections.emptyList();

    private Recommender recommender;

    @Before
    public void open() throws BundleException {
        File folder = new File(Fixtures.folder(), "bundles/ties");
        recommender = Recommender.open(RecBundle.open(folder), OrtScorer.FACTORY);
    }

    @After
    public void close() {
        if (recommender != null) {
            recommender.close();
        }
    }

    /** Items 0, 2, 4 … look one way, items 1, 3, 5 … the other, and all of a kind are equal. */
    @Test
    public void equalScoresGoToTheLowerIndex() throws BundleException {
        List<Recommendation> found = recommender.recommend("even", NONE, 4);
        assertEquals("[i0, i2, i4, i6]", ids(found));
        assertEquals(found.get(0).score(), found.get(3).score(), 0);
    }

    @Test
    public void seenItemsAreSkipped() throws BundleException {
        assertEquals("[i1, i5, i7]", ids(recommender.recommend("odd", Arrays.asList("i3", "i3", "i0"), 3)));
    }

    @Test
    public void moreThanThereIsGivesWhatThereIs() throws BundleException {
        assertEquals(recommender.items().size() - 1, recommender.recommend("odd", Arrays.asList("i3"), 10000).size());
    }

    @Test
    public void nothingIsLeftForWhoHasSeenEverything() throws BundleException {
        String[] all = new String[recommender.items().size()];
        for (int i = 0; i < all.length; i++) {
            all[i] = recommender.items().id(i);
        }
        assertEquals(0, recommender.recommend("odd", Arrays.asList(all), 5).size());
    }

    @Test
    public void unknownIdsAreNamed() throws BundleException {
        try {
            recommender.recommend("nobody", NONE, 5);
            fail("an unknown user was answered");
        } catch (UnknownIdException error) {
            assertEquals("nobody", error.id());
            assertTrue(error.getMessage(), error.getMessage().contains("unknown user 'nobody'"));
        }
        try {
            recommender.recommend("odd", Arrays.asList("i1", "i-1"), 5, true);
            fail("an unknown item was taken");
        } catch (UnknownIdException error) {
            assertEquals("i-1", error.id());
            assertTrue(error.getMessage(), error.getMessage().contains("unknown seen item 'i-1'"));
        }
    }

    @Test
    public void unknownSeenItemsAreLeftOutAndNamed() throws BundleException {
        Recommendations found = recommender.recommend("odd", Arrays.asList("gone", "i3", "", "i0"), 3);
        assertEquals("[i1, i5, i7]", ids(found));
        assertEquals(Arrays.asList("gone", ""), found.unknown());
        assertEquals(NONE, recommender.recommend("odd", Arrays.asList("i3"), 3).unknown());
    }

    @Test
    public void textOfABundleIsShownPrintable() {
        String hostile = "\u001b]0;owned\u0007 \u202egnp\u2066\u200b \u4f60 \ud83c\udfac";
        assertEquals("\ufffd]0;owned\ufffd \ufffdgnp\ufffd\ufffd \u4f60 \ud83c\udfac", Printable.text(hostile));
        BundleException error = new BundleException(Fault.FIELD, "one\n\tline\u001b[2J");
        assertEquals("one line\ufffd[2J", error.getMessage());
    }

    @Test
    public void anAnswerOutsideTheCatalogueIsAnError() throws BundleException {
        Contract contract = recommender.contract();
        float[] scores = {2, 1};
        assertEquals(119, Answer.checked(new long[] {0, 119}, scores, 2, contract).item(1));
        long[][] wrong = {{0, 120}, {0, -1}, {0, 1L << 32}, {0}, {0, 1, 2}};
        for (long[] items : wrong) {
            try {
                Answer.checked(items, scores, 2, contract);
                fail(Arrays.toString(items) + " was taken");
            } catch (BundleException error) {
                assertEquals(Fault.MODEL, error.fault());
            }
        }
    }

    @Test
    public void aMissingBundleSaysHowToGetOne() {
        try {
            RecBundle.open(new File(Fixtures.folder(), "no such folder"));
            fail("a missing folder was opened");
        } catch (BundleException error) {
            assertEquals(Fault.MISSING, error.fault());
            assertTrue(error.getMessage(), error.getMessage().contains("install_bundle.py"));
        }
    }

    private static String ids(List<Recommendation> found) {
        String[] ids = new String[found.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = found.get(i).itemId();
        }
        return Arrays.toString(ids);
    }
}
