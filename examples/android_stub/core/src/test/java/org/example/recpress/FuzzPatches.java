package org.example.recpress;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.tukaani.xz.LZMA2Options;
import org.tukaani.xz.SingleXZInputStream;
import org.tukaani.xz.XZ;
import org.tukaani.xz.XZOutputStream;

/**
 * Patches with one seeded mutation each: every one must be refused with a BundleException and change nothing, or make
 * the bundle that it states.
 *
 * <p>Half of the cases are accidents, in the bytes of the file. The others are done on purpose: index, operations or
 * bodies are changed, and sizes and digests of the head made right again, as anybody can who has no key.
 */
final class FuzzPatches {
    private static final int DIGEST_BYTES = 32;
    private static final int OFFSET = Patch.MAGIC.length();
    private static final int DICTIONARY = 1 << 16;
    /** So many cases lie between two of a patch as it is, which shows that good ones are applied. */
    private static final int EVERY_WHOLE = 50;

    private final File work;
    private final File base;
    private final String before;
    private final String stated;
    private final byte[] patch;
    private final byte[] head;
    private final byte[] payload;
    private final FuzzNotes notes = new FuzzNotes();

    /** {@code work}: an empty folder; {@code patch}: one without a signature, which makes {@code made} of {@code base}. */
    FuzzPatches(File work, File patch, File base, File made) throws Exception {
        this.work = work;
        this.base = PatchFixtures.copy(base, work);
        before = AnyBundle.open(base, null).digest;
        stated = AnyBundle.open(made, null).digest;
        this.patch = BundleFiles.read(patch, 1 << 24);
        head = Arrays.copyOfRange(this.patch, OFFSET, OFFSET + Patch.HEAD_BYTES);
        int at = OFFSET + Patch.HEAD_BYTES + 4;
        payload = BundleFiles.readBounded(
                new SingleXZInputStream(new ByteArrayInputStream(this.patch, at, this.patch.length - at)), 1 << 24);
    }

    /** Cases from number {@code first} on, until there are {@code count} or the time is over. */
    void run(int first, int count, double seconds) throws Exception {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        for (int n = first; n < first + count && System.nanoTime() < end; n++) {
            Random random = new Random(n);
            File file = new File(work, "patch");
            byte[] data = n % 2 == 0 ? Fuzz.mutated(patch, random) : onPurpose(random);
            Fuzz.write(file, n % EVERY_WHOLE == 0 ? patch : data);
            long start = FuzzNotes.spent();
            notes.add(n + " of patches", outcome(file), FuzzNotes.spent() - start);
        }
    }

    Map<String, Object> facts() {
        return notes.facts();
    }

    private String outcome(File file) throws Exception {
        try {
            Patch.apply(base, file, null, BundleCheck.DIGESTS, new StoppingDisk(Integer.MAX_VALUE));
        } catch (BundleException error) {
            return unchanged() ? "refused: " + error.fault().word() : FuzzNotes.FINDING + "changed, and " + error;
        } catch (Throwable error) { // what is sought
            return FuzzNotes.FINDING + error;
        }
        String found = AnyBundle.open(base, null).digest;
        Versions.rollBack(base, null, BundleCheck.DIGESTS, new StoppingDisk(Integer.MAX_VALUE));
        return found.equals(stated) && unchanged() ? "applied" : FuzzNotes.FINDING + "makes " + found;
    }

    /** Whether the bundle is as it was, and nothing lies beside it that must not. */
    private boolean unchanged() throws BundleException {
        for (String name : work.list()) {
            if (!Arrays.asList("bundle", "bundle.previous", "bundle.steps", "patch").contains(name)) {
                return false;
            }
        }
        return AnyBundle.open(base, null).digest.equals(before);
    }

    private byte[] onPurpose(Random random) throws Exception {
        int size = ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN).getInt();
        byte[] index = Arrays.copyOfRange(payload, 4, 4 + size);
        byte[] rest = Arrays.copyOfRange(payload, 4 + size, payload.length);
        int way = random.nextInt(4);
        if (way == 0) {
            index = Fuzz.mutated(index, random);
        } else if (way == 1) {
            index = otherValue(index, random);
        } else {
            rest = Fuzz.mutated(rest, random);
        }
        int counted = random.nextInt(10) > 0 ? index.length : random.nextInt();
        ByteBuffer whole = ByteBuffer.allocate(4 + index.length + rest.length).order(ByteOrder.LITTLE_ENDIAN);
        whole.putInt(counted).put(index).put(rest);
        byte[] packed = packed(whole.array());
        ByteBuffer found = ByteBuffer.allocate(OFFSET + Patch.HEAD_BYTES + 4 + packed.length);
        found.order(ByteOrder.LITTLE_ENDIAN).put(Patch.MAGIC.getBytes(Json.UTF_8)).put(head, 0, 2 * DIGEST_BYTES);
        found.put(BundleFiles.newSha256().digest(packed)).putLong(packed.length);
        found.putLong(random.nextInt(5) > 0 ? whole.capacity() : random.nextLong() >>> random.nextInt(64));
        found.putInt(0).put(packed);
        return found.array();
    }

    private static byte[] otherValue(byte[] index, Random random) throws Exception {
        Map<String, Object> values = Json.parseObject(index, "index");
        List<?> files = (List<?>) values.get("files");
        @SuppressWarnings("unchecked")
        Map<String, Object> entry = (Map<String, Object>) files.get(random.nextInt(files.size()));
        Fuzz.replaceValue(random.nextInt(8) == 0 ? values : entry, random);
        return Json.canonical(values).getBytes(Json.UTF_8);
    }

    private static byte[] packed(byte[] data) throws IOException {
        LZMA2Options options = new LZMA2Options(0);
        options.setDictSize(DICTIONARY);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        XZOutputStream packing = new XZOutputStream(out, options, XZ.CHECK_CRC32);
        packing.write(data);
        packing.close();
        return out.toByteArray();
    }

    /** A long run: WORK FIRST COUNT SECONDS PATCH BASE MADE prints its facts. */
    public static void main(String[] args) throws Exception {
        File work = new File(args[0]);
        if (!work.mkdirs()) {
            throw new IOException("cannot make " + work);
        }
        FuzzPatches fuzz = new FuzzPatches(work, new File(args[4]), new File(args[5]), new File(args[6]));
        fuzz.run(Integer.parseInt(args[1]), Integer.parseInt(args[2]), Double.parseDouble(args[3]));
        System.out.println(Json.canonical(fuzz.facts()));
    }
}
