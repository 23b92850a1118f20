package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.Test;

/** Files that tests/model_bins.py drew, with numpy's answers; and what changed bytes of them do. */
public class ModelBinTest {
    private static final int MUTATIONS = 40000;

    @Test
    public void everyAnswerEqualsNumpys() throws Exception {
        int answers = 0;
        for (Map<?, ?> one : cases()) {
            Contract contract = contract(one);
            Scorer scorer = new ModelBinScorer(ModelBin.open(file(one)), contract);
            for (Object query : (List<?>) one.get("queries")) {
                check(scorer, contract, (Map<?, ?>) query, one.get("file") + " " + contract.recipe);
                answers++;
            }
        }
        System.out.println(answers + " answers from model.bin equal numpy's");
        assertTrue(answers + " answers", answers > 1000);
    }

    /** Ids and scores, every one to the bit. */
    static void check(Scorer scorer, Contract contract, Map<?, ?> query, String name) throws Exception {
        List<?> items = (List<?>) query.get("items");
        List<?> scores = (List<?>) query.get("scores");
        Query asked = Query.check(
                Fixtures.integer(query.get("user")),
                indices((List<?>) query.get("seen")),
                Fixtures.integer(query.get("k")),
                contract);
        assertEquals(name, items.size(), asked.k);
        Answer got = asked.k == 0 ? Answer.none() : scorer.run(asked);
        for (int rank = 0; rank < items.size(); rank++) {
            String at = name + " rank " + (rank + 1);
            assertEquals(at, Fixtures.integer(items.get(rank)), got.item(rank));
            assertEquals(at, (float) Fixtures.number(scores.get(rank)), got.score(rank), 0);
        }
    }

    @Test
    public void changedBytesAreRefusedOrAnswer() throws Exception {
        Random random = new Random(17);
        List<Map<?, ?>> cases = cases();
        Map<String, Integer> outcomes = new TreeMap<String, Integer>();
        for (int n = 0; n < MUTATIONS; n++) {
            Map<?, ?> one = cases.get(n % cases.size());
            byte[] data = BundleFiles.read(file(one), 1 << 24);
            String outcome = outcome(changed(data, random), contract(one));
            Integer known = outcomes.get(outcome);
            outcomes.put(outcome, known == null ? 1 : known + 1);
        }
        System.out.println(MUTATIONS + " changed model.bin: " + outcomes);
        assertTrue(outcomes.toString(), outcomes.get("refused") > MUTATIONS / 4);
        assertTrue(outcomes.toString(), outcomes.containsKey("answers"));
    }

    /** Anything but a MODEL fault is an error of this test. */
    private static String outcome(byte[] data, Contract contract) throws Exception {
        try {
            Scorer scorer = new ModelBinScorer(ModelBin.read(ByteBuffer.wrap(data), "changed"), contract);
            int user = contract.nUsers > 0 ? contract.nUsers - 1 : SelfTest.NOBODY;
            Query query = Query.check(user, new long[] {contract.nItems - 1}, 10, contract);
            if (query.k > 0) {
                scorer.run(query);
            }
            return "answers";
        } catch (BundleException error) {
            assertEquals(Fault.MODEL, error.fault());
            return "refused";
        }
    }

    /** A byte or a word of the header or anywhere, or another length. */
    private static byte[] changed(byte[] data, Random random) {
        int kind = random.nextInt(8);
        if (kind == 0) {
            return Arrays.copyOf(data, random.nextInt(data.length + 64));
        }
        int at = random.nextInt(kind < 7 ? ModelBin.HEADER_BYTES : data.length);
        if (kind < 3) {
            data[at] ^= 1 << random.nextInt(8);
            return data;
        }
        int[] words = {0, 1, -1, 64, 128, Integer.MAX_VALUE, Integer.MIN_VALUE, data.length, random.nextInt()};
        int word = words[random.nextInt(words.length)];
        for (int i = 0; i < 4; i++) {
            int place = at / 4 * 4 + i;
            if (place < data.length) {
                data[place] = (byte) (word >> 8 * i);
            }
        }
        return data;
    }

    @Test
    public void halvesAreWidenedAsTheStandardSays() {
        assertEquals(0f, Half.toFloat((short) 0), 0);
        assertEquals(1f, Half.toFloat((short) 0x3c00), 0);
        assertEquals(-2f, Half.toFloat((short) 0xc000), 0);
        assertEquals(65504f, Half.toFloat((short) 0x7bff), 0);
        assertEquals(6.103515625e-5f, Half.toFloat((short) 0x0400), 0);
        assertEquals(Math.pow(2, -24), Half.toFloat((short) 1), 0);
        assertEquals(1023 * Math.pow(2, -24), Half.toFloat((short) 0x3ff), 0);
        assertEquals(Float.NEGATIVE_INFINITY, Half.toFloat((short) 0xfc00), 0);
        assertTrue(Float.isNaN(Half.toFloat((short) 0x7e00)));
    }

    @Test
    public void keysKeepTheOrderOfScoresThenItems() {
        float[] rising = {Float.NEGATIVE_INFINITY, -3, -1e-40f, 0, Float.MIN_VALUE, 2, Float.POSITIVE_INFINITY};
        for (int i = 0; i < rising.length; i++) {
            assertEquals(rising[i], BestItems.number(BestItems.key(rising[i], 5)), 0);
            assertEquals(ModelBin.MAX_ITEMS, BestItems.item(BestItems.key(rising[i], ModelBin.MAX_ITEMS)));
            assertTrue(i == 0 || BestItems.key(rising[i], 9) > BestItems.key(rising[i - 1], 0));
            assertTrue(BestItems.key(rising[i], 4) > BestItems.key(rising[i], 5));
        }
        assertEquals(BestItems.key(0f, 3), BestItems.key(-0f, 3));
        assertEquals(-7, BestItems.integer(BestItems.key(-7, 3)));
        assertTrue(BestItems.key(-7, 0) < BestItems.key(-6, 9));
    }

    static List<Map<?, ?>> cases() throws BundleException {
        List<Map<?, ?>> found = new ArrayList<Map<?, ?>>();
        for (Object one : (List<?>) Fixtures.json(new File(folder(), "cases.json")).get("cases")) {
            found.add((Map<?, ?>) one);
        }
        return found;
    }

    static File file(Map<?, ?> one) {
        return new File(folder(), (String) one.get("file"));
    }

    @SuppressWarnings("unchecked")
    static Contract contract(Map<?, ?> one) throws BundleException {
        return new Contract(new Fields((Map<String, Object>) one.get("contract"), "contract"), "contract");
    }

    private static File folder() {
        return new File(Fixtures.folder(), "models");
    }

    private static long[] indices(List<?> values) {
        long[] found = new long[values.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = Fixtures.integer(values.get(i));
        }
        return found;
    }
}
