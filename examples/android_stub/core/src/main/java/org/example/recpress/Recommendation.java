package org.example.recpress;

/** One recommended item. */
public final class Recommendation {
    private final String itemId;
    private final float score;

    Recommendation(String itemId, float score) {
        this.itemId = itemId;
        this.score = score;
    }

    public String itemId() {
        return itemId;
    }

    /** Comparable within one answer only; NaN of {@link Source#POPULAR}. */
    public float score() {
        return score;
    }

    @Override
    public String toString() {
        return itemId + " " + score;
    }
}
