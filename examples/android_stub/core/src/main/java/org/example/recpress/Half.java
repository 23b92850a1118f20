package org.example.recpress;

/** float16 as float32. */
final class Half {
    private Half() {}

    static float toFloat(short half) {
        int sign = (half & 0x8000) << 16;
        int exponent = half >> 10 & 31;
        int fraction = half & 0x3ff;
        if (exponent == 0) { // zero, or less than the smallest normal one
            float size = fraction * 5.9604645e-8f;
            return sign == 0 ? size : -size;
        }
        int wide = exponent == 31 ? 255 : exponent + 112;
        return Float.intBitsToFloat(sign | wide << 23 | fraction << 13);
    }
}
