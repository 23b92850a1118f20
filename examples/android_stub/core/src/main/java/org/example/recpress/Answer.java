package org.example.recpress;

/** What the model answers: item indices, best first, and their scores. */
public final class Answer {
    private final long[] items;
    private final float[] scores;

    private Answer(long[] items, float[] scores) {
        this.items = items;
        this.scores = scores;
    }

    /** The answer for a user who has seen everything. */
    static Answer none() {
        return new Answer(new long[0], new float[0]);
    }

    /** The answer, when it is k items of the catalogue; else a MODEL fault: an index beyond it has no name. */
    static Answer checked(long[] items, float[] scores, int k, Contract contract) throws BundleException {
        return checked(items, scores, k, contract.nItems);
    }

    /** The same of a catalogue of so many items. */
    static Answer checked(long[] items, float[] scores, int k, int nItems) throws BundleException {
        if (items.length != k || scores.length != k) {
            throw new BundleException(
                    Fault.MODEL,
                    "the model was asked for " + k + " items and gave " + items.length + " items with "
                            + scores.length + " scores");
        }
        for (long item : items) {
            if (item < 0 || item >= nItems) {
                throw new BundleException(
                        Fault.MODEL, "the model names item " + item + ", outside 0.." + (nItems - 1));
            }
        }
        return new Answer(items, scores);
    }

    public int size() {
        return items.length;
    }

    public int item(int rank) {
        return (int) items[rank];
    }

    public float score(int rank) {
        return scores[rank];
    }
}
