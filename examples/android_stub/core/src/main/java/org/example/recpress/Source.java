package org.example.recpress;

import java.util.Locale;

/** What answered; the words are those of {@code source} on Python's Recommendations. */
public enum Source {
    /** The bundle's model, which knows the user. */
    MODEL,
    /** The bundle's list of popular items; they have no scores. */
    POPULAR,
    /** A history bundle, which read what was seen. */
    HISTORY;

    /** The word that Python uses. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
