package org.example.recpress;

import java.util.Arrays;

/** Samples of one call, in nanoseconds, in memory that was there before timing began. */
public final class Timings {
    private long[] samples;
    private int count;
    private long total;

    Timings(int capacity) {
        samples = new long[capacity];
    }

    /** Room for so many more, made outside the timed region. */
    void reserve(int more) {
        if (count + more > samples.length) {
            samples = Arrays.copyOf(samples, Math.max(count + more, 2 * samples.length));
        }
    }

    void add(long nanoseconds) {
        samples[count++] = nanoseconds;
        total += nanoseconds;
    }

    /** Drops what was sampled so far: it was the warm-up. */
    void forget() {
        count = 0;
        total = 0;
    }

    public int size() {
        return count;
    }

    long total() {
        return total;
    }

    long[] samples() {
        return samples;
    }

    /** Nearest-rank percentile: the smallest sample with at least q % of all at or below it. */
    public long percentile(int q) {
        if (count == 0) {
            throw new IllegalStateException("no samples");
        }
        long[] sorted = Arrays.copyOf(samples, count);
        Arrays.sort(sorted);
        return sorted[Math.max((int) Math.ceil(q * (long) count / 100.0), 1) - 1];
    }
}
