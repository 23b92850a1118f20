package org.example.recpress;

import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.tukaani.xz.SingleXZInputStream;

/** The unpacked payload of a patch, read from front to back; nothing is allocated that its bounds do not admit. */
final class PatchPayload implements Closeable {
    /** Of the decompressor, at most. */
    private static final int MEMORY_KIB = 64 << 10;

    private static final int BLOCK_BYTES = 1 << 16;

    private final InputStream file;
    private InputStream unpacked;
    private long left;

    /** {@code at}: where it starts in the file; {@code most}: bytes that it may unpack to. */
    PatchPayload(File patch, long at, long most) throws IOException {
        FileInputStream opened = new FileInputStream(patch);
        boolean there = false;
        try {
            opened.getChannel().position(at);
            there = true;
        } finally {
            if (!there) {
                opened.close();
            }
        }
        file = new BufferedInputStream(opened, BLOCK_BYTES);
        left = most;
    }

    /** CONTENT fault unless {@code size} bytes more may follow; called before anything is made for them. */
    void check(long size) throws BundleException {
        if (size > left) {
            throw PatchIndex.damaged("a part of " + size + " bytes, and " + left + " are left");
        }
    }

    /** The next {@code size} bytes, into the start of a block. */
    void read(byte[] block, int size) throws BundleException {
        check(size);
        left -= size;
        for (int done = 0; done < size; ) {
            int count = more(block, done, size - done);
            if (count < 0) {
                throw PatchIndex.damaged("its payload ends before its files do");
            }
            done += count;
        }
    }

    /** The same in an array of their own. */
    byte[] take(long size) throws BundleException {
        check(size);
        byte[] data = new byte[(int) size];
        read(data, data.length);
        return data;
    }

    /** The next four bytes as a little-endian integer. */
    int littleEndian() throws BundleException {
        return ByteBuffer.wrap(take(4)).order(ByteOrder.LITTLE_ENDIAN).getInt();
    }

    /** {@code count} little-endian integers of 64 bits. */
    long[] integers(int count) throws BundleException {
        check(8L * count);
        long[] found = new long[count];
        byte[] block = new byte[BLOCK_BYTES];
        for (int done = 0; done < count; ) {
            int some = Math.min(count - done, BLOCK_BYTES / 8);
            read(block, 8 * some);
            ByteBuffer.wrap(block).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().get(found, done, some);
            done += some;
        }
        return found;
    }

    /** CONTENT fault where anything follows. */
    void end() throws BundleException {
        if (left > 0 || more(new byte[1], 0, 1) >= 0) {
            throw PatchIndex.damaged("its payload is longer than its files");
        }
    }

    private int more(byte[] block, int from, int size) throws BundleException {
        try {
            if (unpacked == null) {
                unpacked = new SingleXZInputStream(file, MEMORY_KIB);
            }
            return unpacked.read(block, from, size);
        } catch (EOFException error) {
            throw PatchIndex.damaged("its payload ends before its files do");
        } catch (IOException error) {
            throw PatchIndex.damaged("its payload cannot be unpacked: " + error);
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
