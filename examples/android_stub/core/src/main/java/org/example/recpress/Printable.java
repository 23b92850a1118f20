package org.example.recpress;

/** Texts of files on their way to a screen or a log: printable characters only, on one line. */
public final class Printable {
    private static final char REPLACEMENT = '\uFFFD';
    private static final int MAX_LENGTH = 2000;

    private Printable() {}

    /** The text without escapes, line breaks, bidi and zero-width controls, as Python's str.isprintable() has it. */
    public static String text(String text) {
        StringBuilder out = new StringBuilder(text.length());
        int code;
        for (int i = 0; i < text.length(); i += Character.charCount(code)) {
            code = text.codePointAt(i);
            out.appendCodePoint(isPrintable(code) ? code : REPLACEMENT);
        }
        return out.toString();
    }

    /** The same for a message, whose line breaks become spaces and whose end is cut off. */
    static String oneLine(String message) {
        String line = text(message.replaceAll("\\s*[\\t\\n\\u000B\\f\\r]\\s*", " "));
        return line.length() > MAX_LENGTH ? line.substring(0, MAX_LENGTH) + "…" : line;
    }

    private static boolean isPrintable(int code) {
        switch (Character.getType(code)) {
            case Character.CONTROL:
            case Character.FORMAT:
            case Character.SURROGATE:
            case Character.PRIVATE_USE:
            case Character.UNASSIGNED:
            case Character.LINE_SEPARATOR:
            case Character.PARAGRAPH_SEPARATOR:
                return false;
            case Character.SPACE_SEPARATOR:
                return code == ' ';
            default:
                return true;
        }
    }
}
