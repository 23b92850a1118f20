package org.example.recpress;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import org.junit.Test;

/** Exactly the texts that Python's json reads, and the very bytes that it writes. */
public class JsonTest {
    private static String again(String text) throws BundleException {
        return Json.canonical(Json.parseObject(text.getBytes(Json.UTF_8), "test"));
    }

    private static void refused(String text) {
        try {
            again(text);
        } catch (BundleException error) {
            assertEquals(text, Fault.JSON, error.fault());
            return;
        }
        fail("accepted: " + text);
    }

    @Test
    public void keysAreSortedByCodePoint() throws BundleException {
        // UTF-16 order would put the emoji (D83C …) before U+FF5E
        assertEquals("{\"a\":1,\"b\":2,\"～\":3,\"🎬\":4}", again("{\"🎬\":4,\"～\":3,\"b\":2, \"a\" : 1}"));
    }

    @Test
    public void numbersKeepTheirText() throws BundleException {
        assertEquals(
                "{\"x\":[1e-05,0.1,-0.0,12345678901234567890,0,NaN,-Infinity]}",
                again("{\"x\":[1e-05,0.1,-0.0,12345678901234567890,-0,NaN,-Infinity]}"));
    }

    @Test
    public void stringsAreEscapedAsPythonDoes() throws BundleException {
        assertEquals(
                "{\"x\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001é🎬\u007f\"}",
                again("{\"x\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e9\\ud83c\\udfac\u007f\"}"));
    }

    @Test
    public void ofTwoEqualNamesTheLastCounts() throws BundleException {
        assertEquals("{\"a\":2}", again("{\"a\":1,\"a\":2}"));
    }

    @Test
    public void whatIsNotJsonIsRefused() {
        String[] texts = {
            "", "[]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\":1}x", "{\"a\":01}",
            "{\"a\":+1}", "{\"a\":.5}", "{\"a\":1.}", "{\"a\":1e}", "{\"a\":-}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\ud800\"}", "{\"a\":tru}", "{\"a\":1 // no\n}", "\ufeff{}", "{\"a\":\u00a01}"
        };
        for (String text : texts) {
            refused(text);
        }
        StringBuilder deep = new StringBuilder("{\"a\":");
        for (int i = 0; i < 100000; i++) {
            deep.append('[');
        }
        refused(deep.toString());
    }
}
