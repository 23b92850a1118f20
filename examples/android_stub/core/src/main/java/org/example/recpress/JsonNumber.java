package org.example.recpress;

import java.math.BigInteger;

/** A JSON number as it was written: its digits are part of what a manifest's digest is taken over. */
final class JsonNumber {
    private final String text;

    JsonNumber(String text) {
        this.text = text;
    }

    /** Whether it was written without fraction and exponent; 1.0 is not an integer, as in Python. */
    boolean isInteger() {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != '-' && (c < '0' || c > '9')) {
                return false;
            }
        }
        return true;
    }

    /** The integer; what does not fit in 64 bits becomes the nearest that does, which no range admits. */
    long longValue() {
        BigInteger value = new BigInteger(text);
        if (value.bitLength() > 63) {
            return value.signum() < 0 ? Long.MIN_VALUE : Long.MAX_VALUE;
        }
        return value.longValue();
    }

    /** Whether it is an integer below -(2^63 - 1) or above 2^63 - 1. */
    boolean isBeyondLong() {
        return isInteger() && new BigInteger(text).abs().bitLength() > 63;
    }

    boolean isFinite() {
        double value = doubleValue();
        return !Double.isNaN(value) && !Double.isInfinite(value);
    }

    double doubleValue() {
        if (text.equals("NaN")) {
            return Double.NaN;
        }
        return Double.parseDouble(text); // reads Infinity too
    }

    /** As Python writes it again. Floats in a bundle stand there as Python wrote them. */
    String canonical() {
        return isInteger() ? new BigInteger(text).toString() : text;
    }
}
