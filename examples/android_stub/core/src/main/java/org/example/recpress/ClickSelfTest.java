package org.example.recpress;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Requests of a click bundle with the rows that their values become and the answers that the model must give. */
final class ClickSelfTest {
    private final List<Question> questions = new ArrayList<Question>();

    private ClickSelfTest() {}

    /** Reads selftest.json; CONTENT fault where values become other rows here than where it was written. */
    static ClickSelfTest read(byte[] data, ClickContract contract, String where) throws BundleException {
        Fields fields = new Fields(Json.parseObject(data, where), where);
        ClickSelfTest test = new ClickSelfTest();
        double largest = 0;
        try {
            for (Object entry : fields.list("questions")) {
                Question question = new Question((Map<?, ?>) entry);
                question.check(contract, where);
                for (double score : question.scores) {
                    largest = Math.max(largest, Math.abs(score));
                }
                test.questions.add(question);
            }
        } catch (ClassCastException error) {
            throw new BundleException(Fault.CONTENT, where + " is not a self-test", error);
        } catch (NullPointerException error) {
            throw new BundleException(Fault.CONTENT, where + " is not a self-test", error);
        } catch (IllegalArgumentException error) {
            throw new BundleException(Fault.CONTENT, where + ": " + error.getMessage(), error);
        }
        if (test.questions.isEmpty()) {
            throw new BundleException(Fault.CONTENT, where + " asks nothing");
        }
        contract.checkTolerance(largest, where);
        return test;
    }

    int size() {
        return questions.size();
    }

    /** Asks every question; ANSWERS fault at the first wrong answer. */
    void run(OrtClicks model, double tolerance) throws BundleException {
        for (int i = 0; i < questions.size(); i++) {
            Question question = questions.get(i);
            Answer got = model.rank(question.row, question.candidates, question.items.length);
            if (!question.agrees(got, tolerance)) {
                throw new BundleException(
                        Fault.ANSWERS, "question " + i + " of the self-test is answered otherwise. Export the bundle again");
            }
        }
    }

    /** A value of JSON as an application states it. */
    private static Object plain(Object value) {
        if (value instanceof JsonNumber) {
            JsonNumber number = (JsonNumber) value;
            return number.isInteger() ? (Object) new BigInteger(number.canonical()) : (Object) number.doubleValue();
        }
        if (value instanceof List) {
            List<Object> found = new ArrayList<Object>();
            for (Object one : (List<?>) value) {
                found.add(plain(one));
            }
            return found;
        }
        return value;
    }

    /** What a question states, by field, as an application would. */
    static Map<String, Object> values(Map<?, ?> facts) {
        Map<String, Object> values = new LinkedHashMap<String, Object>();
        for (Map.Entry<?, ?> one : ((Map<?, ?>) facts.get("values")).entrySet()) {
            values.put((String) one.getKey(), plain(one.getValue()));
        }
        return values;
    }

    static long[] integers(List<?> values) {
        long[] found = new long[values.size()];
        for (int i = 0; i < found.length; i++) {
            JsonNumber number = (JsonNumber) values.get(i);
            if (!number.isInteger()) {
                throw new IllegalArgumentException("an index is not an integer");
            }
            found[i] = number.longValue();
        }
        return found;
    }

    static double[] numbers(List<?> values) {
        double[] found = new double[values.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = ((JsonNumber) values.get(i)).doubleValue();
        }
        return found;
    }

    /** A request with its answer. */
    private static final class Question {
        final Map<String, Object> values;
        final long[] row;
        final long[] candidates;
        final long[] items;
        final double[] scores;

        Question(Map<?, ?> facts) {
            values = ClickSelfTest.values(facts);
            row = integers((List<?>) facts.get("row"));
            candidates = integers((List<?>) facts.get("candidates"));
            items = integers((List<?>) facts.get("items"));
            scores = numbers((List<?>) facts.get("scores"));
        }

        void check(ClickContract contract, String where) throws BundleException {
            boolean answered = items.length > 0 && items.length == scores.length && items.length <= candidates.length;
            for (int i = 0; i < candidates.length; i++) {
                answered &= candidates[i] >= (i == 0 ? 0 : candidates[i - 1] + 1) && candidates[i] < contract.nItems;
            }
            for (long item : items) {
                answered &= Arrays.binarySearch(candidates, item) >= 0;
            }
            if (!answered) {
                throw new BundleException(Fault.CONTENT, where + ": a question contradicts its answer");
            }
            long[] found = contract.encode(values);
            if (!Arrays.equals(found, row)) {
                throw new BundleException(
                        Fault.CONTENT,
                        where + ": " + values + " are rows " + Arrays.toString(found) + " here, and "
                                + Arrays.toString(row) + " where the bundle was made");
            }
        }

        /** Logits within the tolerance, and the items, unless those of two places are that near to each other. */
        boolean agrees(Answer got, double tolerance) {
            Map<Integer, Double> known = new HashMap<Integer, Double>();
            for (int rank = 0; rank < items.length; rank++) {
                known.put((int) items[rank], scores[rank]);
            }
            boolean same = got.size() == items.length;
            for (int rank = 0; same && rank < items.length; rank++) {
                double score = got.score(rank);
                Double own = known.get(got.item(rank));
                same = Math.abs(score - scores[rank]) <= tolerance // also catches NaN
                        && (own == null || Math.abs(own - score) <= tolerance);
            }
            return same;
        }
    }
}
