package org.example.recpress;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What came of the cases of a run: how often what, the slowest, and whatever must not be. */
final class FuzzNotes {
    /** How the outcome of a case begins that is a finding. */
    static final String FINDING = "FINDING: ";

    private static final long SLOW_NANOS = 5000000000L;
    private static final int MOST_FINDINGS = 20;

    private final Map<String, Integer> outcomes = new TreeMap<String, Integer>();
    private final List<String> findings = new ArrayList<String>();
    private int cases;
    private long slowest;

    /** Nanoseconds that this thread computed so far: what else a machine does makes no case slow. */
    static long spent() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    /** One case; {@code name} says which in findings. */
    void add(String name, String outcome, long nanos) {
        cases++;
        String kind = outcome;
        if (outcome.startsWith(FINDING)) {
            kind = "FINDING";
            find(name + ": " + outcome.substring(FINDING.length()));
        }
        slowest = Math.max(slowest, nanos);
        if (nanos > SLOW_NANOS) {
            find(name + " took " + nanos / 1000000 + " ms");
        }
        Integer known = outcomes.get(kind);
        outcomes.put(kind, known == null ? 1 : known + 1);
    }

    private void find(String what) {
        if (findings.size() < MOST_FINDINGS) {
            findings.add(Printable.text(what));
        }
    }

    Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<String, Object>();
        facts.put("cases", cases);
        facts.put("outcomes", outcomes);
        facts.put("findings", findings);
        facts.put("slowest_ms", slowest / 1000000);
        return facts;
    }
}
