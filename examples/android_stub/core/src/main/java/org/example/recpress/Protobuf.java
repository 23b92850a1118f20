package org.example.recpress;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * One protobuf message field by field, without a schema; recpress_edge/artifacts/wire/protobuf.py in Java.
 *
 * <p>What another parser could read in another way is refused: field numbers beyond 32 bits, numbers of more than ten
 * bytes, groups. An IOException says what is damaged.
 */
final class Protobuf {
    private static final int MOST_BYTES = 10;
    private static final long MOST_KEY = 1L << 32;

    private final ByteBuffer data;
    private long number;
    private long value;
    private ByteBuffer bytes;

    Protobuf(ByteBuffer data) {
        this.data = data;
    }

    /** Steps to the next field; false at the end. */
    boolean next() throws IOException {
        if (!data.hasRemaining()) {
            return false;
        }
        long key = varint();
        if (key < 8 || key >= MOST_KEY) {
            throw new IOException("a field has number " + (key >> 3));
        }
        number = key >> 3;
        bytes = null;
        switch ((int) (key & 7)) {
            case 0:
                value = varint();
                break;
            case 1:
                bytes = take(8);
                break;
            case 2:
                bytes = take(varint());
                break;
            case 5:
                bytes = take(4);
                break;
            default:
                throw new IOException("a field has wire type " + (key & 7));
        }
        return true;
    }

    int number() {
        return (int) number;
    }

    /** Whether the field is the number 0. */
    boolean isZero() {
        return bytes == null && value == 0;
    }

    /** The field's value, which must not be a number. */
    ByteBuffer bytes() throws IOException {
        if (bytes == null) {
            throw new IOException("a number stands where a message should");
        }
        return bytes;
    }

    private ByteBuffer take(long size) throws IOException {
        if (size < 0 || size > data.remaining()) {
            throw new IOException("a field is longer than its message");
        }
        ByteBuffer taken = data.slice();
        taken.limit((int) size);
        data.position(data.position() + (int) size);
        return taken;
    }

    /** Seven bits a byte, the lowest first; -1, which no size and no key is, for what does not fit in 64 bits. */
    private long varint() throws IOException {
        long found = 0;
        for (int i = 0; i < MOST_BYTES; i++) {
            if (!data.hasRemaining()) {
                throw new IOException("it ends within a number");
            }
            int next = data.get();
            found |= (next & 127L) << 7 * i;
            if (next >= 0) {
                return i == MOST_BYTES - 1 && next > 1 ? -1 : found;
            }
        }
        throw new IOException("a number has more than ten bytes");
    }
}
