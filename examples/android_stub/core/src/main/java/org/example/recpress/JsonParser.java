package org.example.recpress;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads exactly what Python's json module reads, up to a nesting that no bundle reaches. */
final class JsonParser {
    private static final int MAX_DEPTH = 500;
    /** Python refuses longer integers as well: reading them takes quadratic time. */
    private static final int MAX_DIGITS = 4300;

    private final String text;
    private final String where;
    private int at;
    private int depth;

    JsonParser(String text, String where) {
        this.text = text;
        this.where = where;
    }

    Map<String, Object> parseObject() throws BundleException {
        Object value = parse();
        if (!(value instanceof Map)) {
            throw new BundleException(Fault.JSON, where + " holds no JSON object");
        }
        @SuppressWarnings("unchecked")
        Map<String, Object> object = (Map<String, Object>) value;
        return object;
    }

    private Object parse() throws BundleException {
        skipSpace();
        Object value = value();
        skipSpace();
        if (at != text.length()) {
            throw fault("extra data");
        }
        return value;
    }

    private Object value() throws BundleException {
        char c = peek();
        if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH) {
                throw fault("nested deeper than " + MAX_DEPTH);
            }
            Object nested = c == '{' ? object() : array();
            depth--;
            return nested;
        }
        if (c == '"') {
            return string();
        }
        if (take("null")) {
            return null;
        }
        if (take("true")) {
            return Boolean.TRUE;
        }
        if (take("false")) {
            return Boolean.FALSE;
        }
        return number();
    }

    private Map<String, Object> object() throws BundleException {
        Map<String, Object> members = new LinkedHashMap<String, Object>();
        at++;
        skipSpace();
        if (take("}")) {
            return members;
        }
        while (true) {
            if (peek() != '"') {
                throw fault("a name in quotes is expected");
            }
            String name = string();
            skipSpace();
            expect(':');
            skipSpace();
            members.put(name, value()); // of two equal names the last one counts, as in Python
            skipSpace();
            if (take("}")) {
                return members;
            }
            expect(',');
            skipSpace();
        }
    }

    private List<Object> array() throws BundleException {
        List<Object> entries = new ArrayList<Object>();
        at++;
        skipSpace();
        if (take("]")) {
            return entries;
        }
        while (true) {
            entries.add(value());
            skipSpace();
            if (take("]")) {
                return entries;
            }
            expect(',');
            skipSpace();
        }
    }

    private String string() throws BundleException {
        StringBuilder out = new StringBuilder();
        at++;
        while (true) {
            char c = next();
            if (c == '"') {
                return checkPairs(out.toString());
            }
            if (c < 0x20) {
                throw fault("a control character in a string");
            }
            out.append(c == '\\' ? escaped() : c);
        }
    }

    private char escaped() throws BundleException {
        char c = next();
        if (c == 'u') {
            int code = 0;
            for (int i = 0; i < 4; i++) {
                char digit = next();
                int value = digit < 0x80 ? Character.digit(digit, 16) : -1;
                if (value < 0) {
                    throw fault("four hexadecimal digits are expected");
                }
                code = code * 16 + value;
            }
            return (char) code;
        }
        int known = "\"\\/bfnrt".indexOf(c);
        if (known < 0) {
            throw fault("an unknown escape");
        }
        return "\"\\/\b\f\n\r\t".charAt(known);
    }

    /** Half a surrogate pair has no UTF-8 form, so no digest could be taken over it. */
    private String checkPairs(String value) throws BundleException {
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (Character.isHighSurrogate(c)
                    && i + 1 < value.length()
                    && Character.isLowSurrogate(value.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                throw fault("half a surrogate pair");
            }
        }
        return value;
    }

    private JsonNumber number() throws BundleException {
        int start = at;
        if (take("NaN") || take("Infinity") || take("-Infinity")) { // Python writes and reads these
            return new JsonNumber(text.substring(start, at));
        }
        take("-");
        if (!take("0") && digits() == 0) {
            throw fault("a value is expected");
        }
        if (at - start > MAX_DIGITS) {
            throw fault("a number of more than " + MAX_DIGITS + " digits");
        }
        int end = at;
        if (take(".")) {
            at = digits() > 0 ? at : end;
        }
        end = at;
        if (take("e") || take("E")) {
            if (!take("+")) {
                take("-");
            }
            at = digits() > 0 ? at : end;
        }
        return new JsonNumber(text.substring(start, at));
    }

    private int digits() {
        int start = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        return at - start;
    }

    private void skipSpace() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private boolean take(String word) {
        if (!text.startsWith(word, at)) {
            return false;
        }
        at += word.length();
        return true;
    }

    private void expect(char wanted) throws BundleException {
        if (peek() != wanted) {
            throw fault("'" + wanted + "' is expected");
        }
        at++;
    }

    private char peek() throws BundleException {
        if (at >= text.length()) {
            throw fault("it ends too early");
        }
        return text.charAt(at);
    }

    private char next() throws BundleException {
        char c = peek();
        at++;
        return c;
    }

    private BundleException fault(String what) {
        return new BundleException(Fault.JSON, where + " is not readable JSON: " + what + " at character " + at);
    }
}
