package org.example.recpress;

/** Base64 of RFC 4648 section 4, padded: {@code java.util.Base64} is not there before Android's API level 26. */
final class Base64Text {
    private static final String DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    private static final int GROUP = 4;

    private Base64Text() {}

    /** The bytes; IllegalArgumentException for any text that is none. */
    static byte[] decode(String text) {
        int padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
        if (text.length() % GROUP != 0) {
            throw new IllegalArgumentException("base64 comes in groups of four characters");
        }
        byte[] bytes = new byte[text.length() / GROUP * 3 - padding];
        int bits = 0;
        int held = 0;
        int at = 0;
        for (int i = 0; i < text.length() - padding; i++) {
            int digit = DIGITS.indexOf(text.charAt(i));
            if (digit < 0) {
                throw new IllegalArgumentException("no character of base64 at " + i);
            }
            held = (held << 6 | digit) & 0xffff;
            bits += 6;
            if (bits >= 8) {
                bits -= 8;
                bytes[at++] = (byte) (held >> bits);
            }
        }
        return bytes;
    }
}
