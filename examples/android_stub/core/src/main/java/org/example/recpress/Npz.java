package org.example.recpress;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * One-dimensional integer arrays from an npz as the exporter writes it: stored, not compressed.
 *
 * <p>So no array can unpack to more than the file's own size, which the manifest states.
 */
final class Npz {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final Pattern HEADER = Pattern.compile(
            "\\{'descr': '<i([48])', 'fortran_order': False, 'shape': \\((\\d{1,10}),\\), \\}\\s*");

    private Npz() {}

    /** The named arrays in order; CONTENT fault where the file does not hold them. */
    static long[][] read(File file, String... names) throws BundleException {
        if (file.length() > BundleFiles.MAX_READ_BYTES) {
            throw new BundleException(Fault.SIZE, file + " has " + file.length() + " bytes, too many to read");
        }
        try {
            ZipFile zip = new ZipFile(file);
            try {
                long[][] arrays = new long[names.length][];
                for (int i = 0; i < names.length; i++) {
                    arrays[i] = parse(member(zip, names[i] + ".npy", file.length()), names[i]);
                }
                return arrays;
            } finally {
                zip.close();
            }
        } catch (IOException error) { // a ZipException too
            throw fault(file, error);
        } catch (IllegalArgumentException error) { // names in the archive that are not text
            throw fault(file, error);
        }
    }

    private static BundleException fault(File file, Exception error) {
        return new BundleException(
                Fault.CONTENT, file + " is not a readable evaluation file: " + error.getMessage(), error);
    }

    private static byte[] member(ZipFile zip, String name, long limit) throws IOException {
        ZipEntry entry = zip.getEntry(name);
        if (entry == null || entry.getMethod() != ZipEntry.STORED
                || entry.getSize() > limit || entry.getCompressedSize() != entry.getSize()) {
            throw new IOException("it holds no stored array " + name);
        }
        InputStream in = zip.getInputStream(entry);
        try {
            byte[] data = BundleFiles.readBounded(in, limit);
            CRC32 crc = new CRC32(); // ZipFile does not check it
            crc.update(data);
            if (data.length != entry.getSize() || crc.getValue() != entry.getCrc()) {
                throw new IOException(name + " is damaged");
            }
            return data;
        } finally {
            in.close();
        }
    }

    private static long[] parse(byte[] data, String name) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        if (data.length < MAGIC.length + 6) {
            throw new IOException(name + " is cut off");
        }
        for (byte expected : MAGIC) {
            if (in.get() != expected) {
                throw new IOException(name + " is no numpy array");
            }
        }
        int major = in.get();
        in.get();
        int length = major == 1 ? in.getShort() & 0xFFFF : in.getInt();
        if (major < 1 || major > 2 || length < 0 || length > in.remaining()) {
            throw new IOException(name + " has a damaged header");
        }
        byte[] header = new byte[length];
        in.get(header);
        Matcher matcher = HEADER.matcher(new String(header, "ISO-8859-1"));
        if (!matcher.matches()) {
            throw new IOException(name + " is not a list of integers");
        }
        int width = Integer.parseInt(matcher.group(1));
        long count = Long.parseLong(matcher.group(2));
        if (count * width != in.remaining()) {
            throw new IOException(
                    name + " claims " + count + " numbers of " + width + " bytes in " + in.remaining());
        }
        return decode(in, (int) count, width);
    }

    private static long[] decode(ByteBuffer in, int count, int width) {
        long[] values = new long[count];
        for (int i = 0; i < count; i++) {
            values[i] = width == 4 ? in.getInt() : in.getLong();
        }
        return values;
    }
}
