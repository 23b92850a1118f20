package org.example.recpress;

/** How a patch makes one file, in three columns: what its operations write one after the other is the file. */
final class PatchOperations {
    /** Bytes of the file before. */
    static final byte COPY = 0;
    /** Stored bytes added to them, modulo 256. */
    static final byte ADD = 1;
    /** Stored bytes as they are. */
    static final byte STORE = 2;

    private static final long BYTES = 17;

    final byte[] kinds;
    final long[] lengths;
    /** Into the file before; 0 of STORE. */
    final long[] offsets;

    private PatchOperations(byte[] kinds, long[] lengths, long[] offsets) {
        this.kinds = kinds;
        this.lengths = lengths;
        this.offsets = offsets;
    }

    /** The next ones of a payload; CONTENT fault where they do not make the file from one of {@code base} bytes. */
    static PatchOperations read(PatchPayload payload, PatchIndex.Entry entry, long base) throws BundleException {
        payload.check(BYTES * entry.operations);
        byte[] kinds = payload.take(entry.operations);
        long[] lengths = payload.integers(entry.operations);
        PatchOperations found = new PatchOperations(kinds, lengths, payload.integers(entry.operations));
        found.check(entry, base);
        return found;
    }

    private void check(PatchIndex.Entry entry, long base) throws BundleException {
        long total = 0;
        for (int i = 0; i < kinds.length; i++) {
            if (kinds[i] < COPY || kinds[i] > STORE) {
                throw PatchIndex.damaged(entry.name + " has an operation of an unknown kind");
            }
            if (lengths[i] < 1 || lengths[i] > entry.size || offsets[i] < 0) {
                throw PatchIndex.damaged(entry.name + " has an operation of no length, or one beyond its end");
            }
            if (kinds[i] == STORE ? offsets[i] != 0 : offsets[i] > base - lengths[i]) {
                throw PatchIndex.damaged(entry.name + " copies from beyond the end of the file before");
            }
            total += lengths[i]; // a million of 4 GiB at most
        }
        if (total != entry.size) {
            throw PatchIndex.damaged("the operations of " + entry.name + " do not make its " + entry.size + " bytes");
        }
    }
}
