package org.example.recpress;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.regex.Pattern;

/** Files of a bundle: names that cannot leave the folder, bounded reads, digests. */
final class BundleFiles {
    static final long MAX_FILE_BYTES = 4L << 30;
    /** Of what is read whole into memory: id maps, self-test, evaluation users. */
    static final long MAX_READ_BYTES = 256L << 20;

    private static final Pattern SAFE_NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");
    private static final int BLOCK_BYTES = 1 << 16;

    private BundleFiles() {}

    static boolean isSafeName(String name) {
        return SAFE_NAME.matcher(name).matches();
    }

    /** Whether a path is a plain file: no folder, no link (java.nio.file is missing before Android 8). */
    static boolean isPlainFile(File folder, String name) {
        try {
            File file = new File(folder.getCanonicalFile(), name);
            return file.isFile() && file.getCanonicalFile().equals(file.getAbsoluteFile());
        } catch (IOException error) {
            return false; // what cannot be resolved is no plain file
        }
    }

    /** A whole file of at most {@code limit} bytes; SIZE fault beyond. */
    static byte[] read(File file, long limit) throws BundleException {
        if (file.length() > limit) {
            throw new BundleException(Fault.SIZE, file + " has " + file.length() + " bytes, more than " + limit);
        }
        try {
            InputStream in = new FileInputStream(file);
            try {
                return readBounded(in, limit);
            } finally {
                in.close();
            }
        } catch (IOException error) {
            throw new BundleException(Fault.MISSING, "cannot read " + file, error);
        }
    }

    /** The rest of a stream; an IOException when it is longer than {@code limit}. */
    static byte[] readBounded(InputStream in, long limit) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] block = new byte[BLOCK_BYTES];
        int count;
        while ((count = in.read(block)) > 0) {
            if (out.size() + (long) count > limit) {
                throw new IOException("more than " + limit + " bytes");
            }
            out.write(block, 0, count);
        }
        return out.toByteArray();
    }

    static String sha256(byte[] data) {
        return hex(newSha256().digest(data));
    }

    static String sha256(File file) throws BundleException {
        MessageDigest digest = newSha256();
        try {
            InputStream in = new FileInputStream(file);
            try {
                byte[] block = new byte[BLOCK_BYTES];
                int count;
                while ((count = in.read(block)) > 0) {
                    digest.update(block, 0, count);
                }
            } finally {
                in.close();
            }
        } catch (IOException error) {
            throw new BundleException(Fault.MISSING, "cannot read " + file, error);
        }
        return hex(digest.digest());
    }

    static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException("every Java platform has SHA-256", error);
        }
    }

    static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (byte b : bytes) {
            out.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        }
        return out.toString();
    }
}
