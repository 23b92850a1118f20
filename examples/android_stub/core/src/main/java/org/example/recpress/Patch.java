package org.example.recpress;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.Arrays;

/**
 * One small file that makes a new version of a bundle from the one that a device has; {@code recpress-edge bundle diff}
 * writes it.
 *
 * <p>What it is for and who made it is known before anything of it is unpacked: a head of three SHA-256 (of base,
 * target and payload) and two sizes, a signature over the head, then the payload, one xz stream.
 */
public final class Patch {
    static final String DOMAIN = "recpress.signature/1 patch\n";
    static final int HEAD_BYTES = 112;
    static final String MAGIC = "recpress.patch/1\n";
    static final int MAX_SIGNATURE_BYTES = 4096;
    static final long MAX_PATCH_BYTES = 4L << 30;
    private static final int DIGEST_BYTES = 32;
    private static final int SHOWN = 16;

    final File file;
    /** Where in the file the payload starts. */
    final long payloadAt;

    final long payloadBytes;
    /** Of the payload, unpacked; without sign, so that a negative one is beyond every bound. */
    final long unpackedBytes;

    private final String base;
    private final String target;
    private final byte[] head;
    private final Signed signed;

    private Patch(File file, byte[] head, Signed signed, long payloadAt) {
        this.file = file;
        this.head = head;
        this.signed = signed;
        this.payloadAt = payloadAt;
        base = BundleFiles.hex(Arrays.copyOfRange(head, 0, DIGEST_BYTES));
        target = BundleFiles.hex(Arrays.copyOfRange(head, DIGEST_BYTES, 2 * DIGEST_BYTES));
        ByteBuffer sizes = ByteBuffer.wrap(head, 3 * DIGEST_BYTES, 16).order(ByteOrder.LITTLE_ENDIAN);
        payloadBytes = sizes.getLong();
        unpackedBytes = sizes.getLong();
    }

    /** What came of {@link #apply}. */
    public static final class Applied {
        private final String digest;
        private final String base;
        private final int filesWritten;

        private Applied(String digest, String base, int filesWritten) {
            this.digest = digest;
            this.base = base;
            this.filesWritten = filesWritten;
        }

        /** Of the bundle that is in place. */
        public String digest() {
            return digest;
        }

        /** Of the version that the patch starts from. */
        public String base() {
            return base;
        }

        /** Files that are others than before; 0 where the patch had been applied before and nothing was done. */
        public int filesWritten() {
            return filesWritten;
        }
    }

    /** {@link #apply(File, File, TrustedKeys, BundleCheck)} with {@link BundleCheck#SELF_TEST}. */
    public static Applied apply(File folder, File patch, TrustedKeys trusted) throws BundleException, IOException {
        return apply(folder, patch, trusted, BundleCheck.SELF_TEST);
    }

    /**
     * Makes the new version beside the bundle in {@code folder}, checks all of it, and lets it take the place; the
     * version before is kept, see {@link Versions}.
     *
     * <p>{@code trusted}: whose patches and bundles are taken; null: everybody's. BundleException for a patch that is
     * damaged, signed by nobody trusted, for another bundle, or whose result is not what it states: the bundle stays as
     * it was. IOException where the device cannot write: then, and where the process is killed, the old version is left
     * or the new one, which {@link Versions#settle} puts in place; the same call starts over, and says so where it was
     * done. Close what has the bundle open and open it again. One process, and one call at a time.
     */
    public static Applied apply(File folder, File patch, TrustedKeys trusted, BundleCheck check)
            throws BundleException, IOException {
        return apply(folder, patch, trusted, check, new Disk());
    }

    static Applied apply(File folder, File file, TrustedKeys trusted, BundleCheck check, Disk disk)
            throws BundleException, IOException {
        Versions versions = new Versions(folder, disk);
        versions.settle();
        Patch patch = read(file);
        if (trusted != null) {
            trusted.check(file.getPath(), patch.signed, DOMAIN, patch.head);
        }
        AnyBundle old = AnyBundle.open(versions.folder, null);
        if (old.digest.equals(patch.target)) {
            return new Applied(AnyBundle.open(versions.folder, trusted).digest, patch.base, 0);
        }
        if (!old.digest.equals(patch.base)) {
            throw new BundleException(
                    Fault.DIGEST,
                    file + " is for another bundle: it starts from " + patch.base.substring(0, SHOWN) + "…, and "
                            + folder + " is " + old.digest.substring(0, SHOWN) + "…. Nothing was changed; make one "
                            + "from this version with recpress-edge bundle diff.");
        }
        try {
            File draft = versions.draft();
            int changed = new PatchFiles(versions.folder, old.sizes(), draft, disk).unpack(patch);
            patch.checkMade(draft, trusted, check);
            versions.replace(old, patch.target);
            return new Applied(patch.target, patch.base, changed);
        } catch (RuntimeException error) {
            versions.tidy();
            throw error;
        } catch (IOException error) {
            versions.tidy();
            throw error;
        } catch (BundleException error) {
            versions.tidy();
            throw error;
        }
    }

    private void checkMade(File draft, TrustedKeys trusted, BundleCheck check) throws BundleException {
        String made = AnyBundle.open(draft, null).digest;
        if (!made.equals(target)) {
            throw PatchIndex.damaged(
                    "it makes bundle " + made.substring(0, SHOWN) + "…, and states " + target.substring(0, SHOWN) + "…");
        }
        if (trusted != null) {
            AnyBundle.open(draft, trusted);
        }
        check.check(draft, trusted);
    }

    /** A patch, its payload held against size and digest; BundleException where it is damaged or cut short. */
    static Patch read(File file) throws BundleException {
        if (!file.exists()) {
            throw new BundleException(Fault.MISSING, "there is no file " + file);
        }
        File folder = file.getAbsoluteFile().getParentFile();
        if (folder == null || !BundleFiles.isPlainFile(folder, file.getName())) {
            throw new BundleException(Fault.PATH, file + " is no plain file");
        }
        long size = file.length();
        if (size > MAX_PATCH_BYTES) {
            throw new BundleException(Fault.SIZE, file + " has " + size + " bytes, more than a patch may have");
        }
        try {
            InputStream in = new FileInputStream(file);
            try {
                return read(file, size, in);
            } finally {
                in.close();
            }
        } catch (IOException error) {
            throw new BundleException(Fault.MISSING, "cannot read " + file, error);
        }
    }

    private static Patch read(File file, long size, InputStream in) throws BundleException, IOException {
        byte[] magic = new byte[MAGIC.length()];
        if (filled(in, magic) != magic.length || !Arrays.equals(magic, MAGIC.getBytes(Json.UTF_8))) {
            throw new BundleException(Fault.SCHEMA, file + " is no patch of recpress-edge bundle diff");
        }
        byte[] head = exactly(file, in, HEAD_BYTES);
        int stated = ByteBuffer.wrap(exactly(file, in, 4)).order(ByteOrder.LITTLE_ENDIAN).getInt();
        if (stated < 0 || stated > MAX_SIGNATURE_BYTES) {
            throw new BundleException(
                    Fault.SIZE, file + " is damaged: a signature of " + (stated & 0xffffffffL) + " bytes");
        }
        byte[] signature = exactly(file, in, stated);
        Signed signed = stated == 0 ? null : Signed.parse(signature, file.getPath());
        Patch patch = new Patch(file, head, signed, magic.length + HEAD_BYTES + 4 + (long) stated);
        long payload = size - patch.payloadAt;
        if (payload != patch.payloadBytes) {
            boolean cut = patch.payloadBytes < 0 || payload < patch.payloadBytes;
            throw new BundleException(
                    Fault.SIZE,
                    file + (cut ? " was cut short: " : " is longer than it says: ") + payload
                            + " bytes of payload, it states " + patch.payloadBytes + ". Fetch it again.");
        }
        if (!Arrays.equals(digest(in), Arrays.copyOfRange(head, 2 * DIGEST_BYTES, 3 * DIGEST_BYTES))) {
            throw new BundleException(Fault.DIGEST, file + " is damaged: its SHA-256 is another. Fetch it again.");
        }
        return patch;
    }

    private static byte[] exactly(File file, InputStream in, int size) throws BundleException, IOException {
        byte[] data = new byte[size];
        if (filled(in, data) != size) {
            throw new BundleException(Fault.SIZE, file + " was cut short, inside its head. Fetch it again.");
        }
        return data;
    }

    private static int filled(InputStream in, byte[] data) throws IOException {
        int done = 0;
        int count;
        while (done < data.length && (count = in.read(data, done, data.length - done)) > 0) {
            done += count;
        }
        return done;
    }

    private static byte[] digest(InputStream in) throws IOException {
        MessageDigest digest = BundleFiles.newSha256();
        byte[] block = new byte[1 << 16];
        int count;
        while ((count = in.read(block)) > 0) {
            digest.update(block, 0, count);
        }
        return digest.digest();
    }
}
