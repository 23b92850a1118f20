package org.example.recpress;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.CodingErrorAction;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Strict JSON, and the one encoding that digests are taken over.
 *
 * <p>Android's org.json is no help here: it accepts text that is not JSON and forgets how a number was
 * written, so that no digest of the manifest could be checked. Values are maps, lists, strings, {@link
 * JsonNumber}s, booleans and null; what is written may also hold Java's own numbers.
 */
final class Json {
    static final Charset UTF_8 = Charset.forName("UTF-8");

    private static final Comparator<String> BY_CODE_POINT = new CodePointOrder();

    private Json() {}

    /** Reads an object. {@code where} names the file in errors. */
    static Map<String, Object> parseObject(byte[] data, String where) throws BundleException {
        return new JsonParser(decode(data, where, Fault.JSON), where).parseObject();
    }

    /** Text of UTF-8 bytes; any byte that is not UTF-8 is a fault of the given kind. */
    static String decode(byte[] data, String where, Fault fault) throws BundleException {
        try {
            CharBuffer text = UTF_8.newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(data));
            return text.toString();
        } catch (CharacterCodingException error) {
            throw new BundleException(fault, where + " is not UTF-8", error);
        }
    }

    /** Python's json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False). */
    static String canonical(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof Map) {
            writeObject((Map<?, ?>) value, out);
        } else if (value instanceof List) {
            String comma = "[";
            for (Object entry : (List<?>) value) {
                out.append(comma);
                write(entry, out);
                comma = ",";
            }
            out.append(comma.equals("[") ? "[]" : "]");
        } else if (value instanceof String) {
            writeString((String) value, out);
        } else if (value instanceof JsonNumber) {
            out.append(((JsonNumber) value).canonical());
        } else {
            out.append(value); // null, true, false, Java's numbers
        }
    }

    private static void writeObject(Map<?, ?> value, StringBuilder out) {
        List<String> keys = new ArrayList<String>();
        for (Object key : value.keySet()) {
            keys.add((String) key);
        }
        Collections.sort(keys, BY_CODE_POINT);
        String comma = "{";
        for (String key : keys) {
            out.append(comma);
            writeString(key, out);
            out.append(':');
            write(value.get(key), out);
            comma = ",";
        }
        out.append(comma.equals("{") ? "{}" : "}");
    }

    private static void writeString(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int escaped = "\"\\\n\r\t\f\b".indexOf(c);
            if (escaped >= 0) {
                out.append('\\').append("\"\\nrtfb".charAt(escaped));
            } else if (c < 0x20) {
                out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }

    /** Python compares text by code point; Java's own order puts U+FF5E after an emoji. */
    private static final class CodePointOrder implements Comparator<String> {
        @Override
        public int compare(String left, String right) {
            int i = 0;
            while (i < left.length() && i < right.length()) {
                int a = left.codePointAt(i);
                int b = right.codePointAt(i);
                if (a != b) {
                    return a < b ? -1 : 1;
                }
                i += Character.charCount(a);
            }
            return left.length() - right.length();
        }
    }
}
