package org.example.recpress;

import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.util.List;
import java.util.Map;

/** A patch's payload unpacked into a folder, in bounded memory: every length and offset is checked before it counts. */
final class PatchFiles {
    private static final int BLOCK_BYTES = 1 << 18;
    private static final long SPARE_BYTES = 16L << 20;
    private static final long BYTES_PER_BASE = 8;
    private static final long BYTES_PER_PACKED = 500;

    private final File base;
    private final Map<String, Long> sizes;
    private final File draft;
    private final Disk disk;
    private final byte[] block = new byte[BLOCK_BYTES];
    private final byte[] before = new byte[BLOCK_BYTES];

    /** {@code base}: folder of the verified bundle before; {@code sizes}: of its files; {@code draft}: an empty folder. */
    PatchFiles(File base, Map<String, Long> sizes, File draft, Disk disk) {
        this.base = base;
        this.sizes = sizes;
        this.draft = draft;
        this.disk = disk;
    }

    /**
     * Writes every file of the new bundle; how many are others than before is returned.
     *
     * <p>CONTENT fault for a patch that cannot be right; IOException where the device cannot write. Whether the result
     * is the stated bundle is the caller's to check.
     */
    int unpack(Patch patch) throws BundleException, IOException {
        long most = mostBytes(patch.payloadBytes);
        if (patch.unpackedBytes < 0 || patch.unpackedBytes > most) {
            throw PatchIndex.damaged("it unpacks to " + patch.unpackedBytes + " bytes, at most " + most);
        }
        PatchPayload payload = new PatchPayload(patch.file, patch.payloadAt, patch.unpackedBytes);
        try {
            long size = payload.littleEndian() & 0xffffffffL;
            if (size > PatchIndex.MAX_BYTES) {
                throw PatchIndex.damaged("its index has " + size + " bytes");
            }
            List<PatchIndex.Entry> entries = PatchIndex.read(payload.take(size), sizes);
            checkSpace(entries, most);
            int changed = 0;
            for (PatchIndex.Entry entry : entries) {
                write(payload, entry);
                changed += entry.isKept() ? 0 : 1;
            }
            payload.end();
            return changed;
        } finally {
            payload.close();
        }
    }

    private long mostBytes(long packed) {
        long total = 0;
        for (long size : sizes.values()) {
            total += size;
        }
        return SPARE_BYTES + BYTES_PER_BASE * total + BYTES_PER_PACKED * packed;
    }

    private void checkSpace(List<PatchIndex.Entry> entries, long most) throws BundleException, IOException {
        long made = 0;
        long kept = 0; // copied: Android gives an app no second name for a file
        for (PatchIndex.Entry entry : entries) {
            made += entry.isKept() ? 0 : entry.size;
            kept += entry.isKept() ? entry.size : 0;
        }
        if (made > most) {
            throw PatchIndex.damaged("it writes " + made + " bytes, at most " + most);
        }
        long free = draft.getUsableSpace();
        if (draft.getTotalSpace() > 0 && free < made + kept) { // some file systems do not state a size
            throw new IOException(
                    draft.getParent() + " has " + free + " bytes free, and the new version needs " + (made + kept)
                            + ". Nothing was changed; free space.");
        }
    }

    private void write(PatchPayload payload, PatchIndex.Entry entry) throws BundleException, IOException {
        Long size = sizes.get(entry.name);
        PatchOperations found =
                entry.isKept() ? null : PatchOperations.read(payload, entry, size == null ? 0 : size);
        RandomAccessFile source = size == null ? null : new RandomAccessFile(new File(base, entry.name), "r");
        try {
            FileOutputStream file = disk.create(new File(draft, entry.name));
            try {
                OutputStream out = new BufferedOutputStream(file, BLOCK_BYTES);
                if (found == null) {
                    copy(source, 0, entry.size, entry.name, out);
                } else {
                    apply(found, payload, source, entry.name, out);
                }
                out.flush();
                disk.sync(file); // it is there before a name says so
            } finally {
                file.close();
            }
        } finally {
            if (source != null) {
                source.close();
            }
        }
    }

    private void apply(
            PatchOperations found, PatchPayload payload, RandomAccessFile source, String name, OutputStream out)
            throws BundleException, IOException {
        for (int i = 0; i < found.kinds.length; i++) {
            if (found.kinds[i] == PatchOperations.COPY) {
                copy(source, found.offsets[i], found.lengths[i], name, out);
                continue;
            }
            boolean added = found.kinds[i] == PatchOperations.ADD;
            if (added) {
                source.seek(found.offsets[i]);
            }
            for (long left = found.lengths[i]; left > 0; ) {
                int count = (int) Math.min(left, BLOCK_BYTES);
                payload.read(block, count);
                if (added) {
                    readBefore(source, count, name);
                    for (int b = 0; b < count; b++) {
                        block[b] += before[b];
                    }
                }
                out.write(block, 0, count);
                left -= count;
            }
        }
    }

    private void copy(RandomAccessFile source, long offset, long length, String name, OutputStream out)
            throws BundleException, IOException {
        source.seek(offset);
        for (long left = length; left > 0; ) {
            int count = (int) Math.min(left, BLOCK_BYTES);
            readBefore(source, count, name);
            out.write(before, 0, count);
            left -= count;
        }
    }

    private void readBefore(RandomAccessFile source, int count, String name) throws BundleException, IOException {
        for (int done = 0; done < count; ) {
            int some = source.read(before, done, count - done);
            if (some < 0) {
                throw PatchIndex.damaged(name + " of the bundle before ended early");
            }
            done += some;
        }
    }
}
