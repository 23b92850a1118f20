package org.example.recpress;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Requests of a two-stage bundle with their rows and the answers that the model must give, to the bit. */
final class TwoStageSelfTest {
    private final List<Question> questions = new ArrayList<Question>();

    private TwoStageSelfTest() {}

    /** Reads selftest.json; CONTENT fault where values become other rows here, or where it leaves something out. */
    static TwoStageSelfTest read(byte[] data, TwoStageContract contract, String where) throws BundleException {
        Map<String, Object> facts = Json.parseObject(data, where);
        Facts.checkPlain(facts, where);
        TwoStageSelfTest test = new TwoStageSelfTest();
        try {
            for (Object entry : (List<?>) facts.get("questions")) {
                test.questions.add(new Question((Map<?, ?>) entry));
            }
            for (Question question : test.questions) {
                question.check(contract, where);
            }
        } catch (ClassCastException error) {
            throw new BundleException(Fault.CONTENT, where + " is not a self-test", error);
        } catch (NullPointerException error) {
            throw new BundleException(Fault.CONTENT, where + " is not a self-test", error);
        } catch (IllegalArgumentException error) {
            throw new BundleException(Fault.CONTENT, where + ": " + error.getMessage(), error);
        }
        String missing = test.leftOut(contract);
        if (missing != null) {
            throw new BundleException(Fault.CONTENT, where + " does not ask with " + missing);
        }
        return test;
    }

    int size() {
        return questions.size();
    }

    /** Asks every question; ANSWERS fault at the first wrong answer. */
    void run(OrtTwoStages model) throws BundleException {
        for (int i = 0; i < questions.size(); i++) {
            Question question = questions.get(i);
            int k = question.items.length;
            Answer got = model.lists(question.user, question.seen, question.row, k).best;
            boolean same = got.size() == k;
            for (int rank = 0; same && rank < k; rank++) {
                same = got.item(rank) == question.items[rank] && got.score(rank) == question.scores[rank];
            }
            if (!same) {
                throw new BundleException(
                        Fault.ANSWERS,
                        "question " + i + " of the self-test is answered otherwise. Export the bundle again");
            }
        }
    }

    /**
     * What it does not ask with: of each field a missing, an unknown and a known value and every edge, a history of
     * nothing and one of as many items as are read. Null where nothing is left out.
     */
    private String leftOut(TwoStageContract contract) {
        int column = 0;
        for (FeatureField field : contract.fields) {
            Set<Long> rows = new HashSet<Long>();
            Set<Float> numbers = new HashSet<Float>();
            boolean known = false;
            for (Question question : questions) {
                rows.add(question.row[column]);
                known |= question.row[column] >= FeatureField.FIRST;
                Object value = question.values.get(field.name);
                if (value instanceof Number) {
                    numbers.add(((Number) value).floatValue());
                }
            }
            boolean whole = known && rows.contains((long) FeatureField.MISSING)
                    && (field.knowsAll() || rows.contains((long) FeatureField.UNKNOWN));
            for (float edge : field.edges()) {
                whole &= numbers.contains(edge);
            }
            if (!whole) {
                return "every kind of value of field '" + field.name + "'";
            }
            column += field.width();
        }
        boolean none = false;
        boolean enough = false;
        int read = Math.max(contract.lastItems, 1);
        for (Question question : questions) {
            none |= question.seen.length == 0;
            enough |= question.seen.length >= read;
        }
        return none && enough ? null : "a history of no item and one of " + read;
    }

    /** A request with its answer. */
    private static final class Question {
        /** SelfTest.NOBODY of a bundle without users. */
        final long user;
        final boolean named;
        final long[] seen;
        final Map<String, Object> values;
        final long[] row;
        final long[] items;
        final double[] scores;

        Question(Map<?, ?> facts) {
            Object who = facts.get("user");
            if (!facts.containsKey("user") || who != null && !((JsonNumber) who).isInteger()) {
                throw new IllegalArgumentException("a question says no user");
            }
            named = who != null;
            user = named ? ((JsonNumber) who).longValue() : SelfTest.NOBODY;
            seen = ClickSelfTest.integers((List<?>) facts.get("seen"));
            values = ClickSelfTest.values(facts);
            row = ClickSelfTest.integers((List<?>) facts.get("row"));
            items = ClickSelfTest.integers((List<?>) facts.get("items"));
            scores = ClickSelfTest.numbers((List<?>) facts.get("scores"));
        }

        void check(TwoStageContract contract, String where) throws BundleException {
            if (named != contract.first.nUsers > 0) {
                throw new IllegalArgumentException("a question asks for " + (named ? "user " + user : "nobody"));
            }
            contract.first.checkUsers(new long[] {user}, where);
            contract.first.checkItems(seen, where);
            contract.first.checkItems(items, where);
            Set<Long> other = new HashSet<Long>();
            for (long item : seen) {
                other.add(item);
            }
            boolean fits = items.length > 0 && items.length == scores.length && items.length <= contract.candidates;
            for (long item : items) {
                fits &= other.add(item); // neither seen nor listed twice
            }
            if (!fits || !Arrays.equals(contract.encode(values, seen), row)) {
                throw new BundleException(
                        Fault.CONTENT, where + ": a question contradicts its fields or its answer: " + values);
            }
        }
    }
}
