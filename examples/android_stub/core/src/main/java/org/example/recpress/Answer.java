package org.example.recpress;

/** What the model answers: item indices, best first, and their scores. */
public final class Answer {
    private final long[] items;
    private final float[] scores;

    public Answer(long[] items, float[] scores) {
        this.items = items;
        this.scores = scores;
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
