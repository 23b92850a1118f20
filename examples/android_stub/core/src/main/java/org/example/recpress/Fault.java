package org.example.recpress;

import java.util.Locale;

/** What is wrong with a bundle; the words are those of {@code fault} on Python's ArtifactError. */
public enum Fault {
    /** A file that must be there is not, or is not a plain file. */
    MISSING,
    /** Not JSON at all. */
    JSON,
    /** Another format, or another major version of it. */
    SCHEMA,
    /** A field is absent or of the wrong type. */
    FIELD,
    /** The bytes are not those that were written. */
    DIGEST,
    /** Another size than stated, or more than any reader takes. */
    SIZE,
    /** A name that is no plain file name. */
    PATH,
    /** A number or an index outside its range. */
    RANGE,
    /** Well-formed, but of a kind that this reader does not know. */
    UNSUPPORTED,
    /** A file inside does not hold what it must. */
    CONTENT,
    /** The model file does not load, run, or fit its contract. */
    MODEL,
    /** The model answers, but not as the self-test says. */
    ANSWERS,
    /** Not signed, or by none of the keys that the caller trusts. */
    SIGNATURE;

    /** The word that logs and Python use. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
