package org.example.recpress;

import java.io.Closeable;

/** The only seam to a runtime. Not for several threads at once. */
public interface Scorer extends Closeable {
    /** The k best unseen items of a checked query, whose k is at least 1. */
    Answer run(Query query) throws BundleException;

    /** Name and version of what computes. */
    String runtime();

    @Override
    void close();
}
