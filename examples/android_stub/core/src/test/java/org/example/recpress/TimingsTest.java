package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.Test;

/** Samples, percentiles and the lines that carry them. */
public class TimingsTest {
    private static Timings upTo(int count) {
        Timings timings = new Timings(1);
        for (int i = count; i > 0; i--) {
            timings.reserve(1);
            timings.add(i);
        }
        return timings;
    }

    @Test
    public void percentilesAreNearestRank() {
        assertEquals(50, upTo(100).percentile(50));
        assertEquals(95, upTo(100).percentile(95));
        assertEquals(1, upTo(1).percentile(95));
        assertEquals(2, upTo(3).percentile(50));
    }

    @Test
    public void theWarmUpIsForgotten() {
        Timings timings = upTo(10);
        timings.forget();
        timings.add(7);
        assertEquals(1, timings.size());
        assertEquals(7, timings.total());
    }

    @Test
    public void noLineIsLongerThanLogcatTakes() {
        final List<String> lines = new ArrayList<String>();
        BenchLog log = new BenchLog(
                new BenchLog.Sink() {
                    @Override
                    public void line(String text) {
                        lines.add(text);
                    }
                },
                "r1",
                "full");
        long[] slow = new long[600];
        java.util.Arrays.fill(slow, 999999999999L); // a quarter of an hour each
        log.samples("query", slow, slow.length);
        log.put("start", Collections.singletonMap("runtime", "x"));
        log.end();
        assertEquals(5, lines.size());
        for (String line : lines) {
            assertTrue(line.length() + " characters", line.length() < 4000);
        }
        assertEquals("recpress.android/1 r1 full 4 {\"kind\":\"end\",\"lines\":5}", lines.get(4));
    }
}
