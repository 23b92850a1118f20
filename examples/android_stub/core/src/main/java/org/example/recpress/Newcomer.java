package org.example.recpress;

/** Who answers in the model's place for a user whom the bundle does not know. */
public final class Newcomer {
    /** Nobody: an unknown user is an UnknownIdException, so that a mistyped id does not look like an answer. */
    public static final Newcomer REFUSED = new Newcomer(false, null);
    /** The items of most train interactions, {@code popular.txt} of an all-users bundle, without scores. */
    public static final Newcomer POPULAR = new Newcomer(true, null);

    final boolean popular;
    final Recommender history;

    private Newcomer(boolean popular, Recommender history) {
        this.popular = popular;
        this.history = history;
    }

    /** An opened history bundle, of what was seen; the caller closes it. */
    public static Newcomer history(Recommender history) {
        return new Newcomer(false, checked(history));
    }

    /** The same, and popular items for those who have seen nothing. */
    public static Newcomer historyOrPopular(Recommender history) {
        return new Newcomer(true, checked(history));
    }

    private static Recommender checked(Recommender history) {
        if (history == null) {
            throw new IllegalArgumentException("open the history bundle first: there is none");
        }
        return history;
    }
}
