package org.example.recpress;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Results as numbered lines that fit into logcat, which cuts long ones and may drop any.
 *
 * <p>A line reads {@code recpress.android/1 <run> <phase> <number> <JSON>}. The last one of a phase is of kind "end"
 * and states how many there are, so that tools/bench_record.py finds every loss.
 */
public final class BenchLog {
    public static final String SCHEMA = "recpress.android/1";
    /** 250 samples of at most 13 characters stay below logcat's 4,068 bytes. */
    private static final int SAMPLES_PER_LINE = 250;

    private final Sink sink;
    private final String prefix;
    private int lines;

    /** Where lines go: logcat on a phone, standard output in tests. */
    public interface Sink {
        void line(String text);
    }

    public BenchLog(Sink sink, String run, String phase) {
        if (!run.matches("[A-Za-z0-9-]{1,40}") || !phase.matches("[a-z0-9-]{1,20}")) {
            throw new IllegalArgumentException("run and phase must be plain words: " + run + " " + phase);
        }
        this.sink = sink;
        this.prefix = SCHEMA + " " + run + " " + phase + " ";
    }

    public void put(String kind, Map<String, ?> facts) {
        Map<String, Object> line = new LinkedHashMap<String, Object>(facts);
        line.put("kind", kind);
        sink.line(prefix + lines + " " + Json.canonical(line));
        lines++;
    }

    void samples(String name, long[] nanoseconds, int count) {
        for (int start = 0; start < count; start += SAMPLES_PER_LINE) {
            List<Object> part = new ArrayList<Object>();
            for (int i = start; i < Math.min(start + SAMPLES_PER_LINE, count); i++) {
                part.add(nanoseconds[i]);
            }
            Map<String, Object> facts = new LinkedHashMap<String, Object>();
            facts.put("name", name);
            facts.put("ns", part);
            put("samples", facts);
        }
    }

    /** Something went wrong; the phase ends here. */
    public void error(Exception error) {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        facts.put("fault", error instanceof BundleException ? ((BundleException) error).fault().word() : null);
        String message = String.valueOf(error.getMessage());
        facts.put("message", error.getClass().getSimpleName() + ": "
                + (message.length() > 500 ? message.substring(0, 500) : message));
        put("error", facts);
        end();
    }

    void end() {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        facts.put("lines", lines + 1);
        put("end", facts);
    }
}
