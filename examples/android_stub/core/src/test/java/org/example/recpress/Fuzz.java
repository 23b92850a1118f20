package org.example.recpress;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Bundles with one seeded mutation each: every one must be refused with a BundleException, or answer.
 *
 * <p>An ONNX file that was changed and passes the check of {@link ModelFile} is not loaded: the runtime is native
 * code and could end the process. The exporter's own model is, in one of {@link #EVERY_RUN} cases, since loading takes
 * longer than all else; and a changed model.bin always is, because it is read in Java.
 */
final class Fuzz {
    private static final int EVERY_RUN = 10;
    private static final String[] TEXTS = {
        "NaN", "Infinity", "-1", "0", "1", "2147483647", "2147483648", "1e308", "0.5", "9999999999999999999999", "true",
        "null", "\"\"", "\"x\"", "\"../x\"", "\"\\u001b[2J\\u202e\"", "[]", "{}", "[[[[]]]]", "{\"name\":{}}", "[null]"
    };

    private final List<File> bases = new ArrayList<File>();
    private final FuzzNotes notes = new FuzzNotes();

    /** {@code work}: an empty folder for copies; {@code bundles}: what is mutated. */
    Fuzz(File work, File... bundles) throws Exception {
        for (File bundle : bundles) {
            File copy = new File(work, bundle.getName());
            if (!copy.mkdirs()) {
                throw new IOException("cannot make " + copy);
            }
            for (String name : bundle.list()) {
                write(new File(copy, name), BundleFiles.read(new File(bundle, name), 1 << 24));
            }
            bases.add(copy);
        }
    }

    /** Cases from number {@code first} on, until there are {@code count} or the time is over. */
    void run(int first, int count, double seconds) throws Exception {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        for (int n = first; n < first + count && System.nanoTime() < end; n++) {
            one(n);
        }
    }

    Map<String, Object> facts() {
        return notes.facts();
    }

    private void one(int number) throws Exception {
        Random random = new Random(number);
        File folder = bases.get(number % bases.size());
        File manifestFile = new File(folder, RecBundle.MANIFEST);
        byte[] manifest = BundleFiles.read(manifestFile, 1 << 22);
        Map<String, Object> values = Json.parseObject(manifest, "base");
        List<String> names = new ArrayList<String>(new Fields(values, "base").object("files").names());
        File changed = new File(folder, names.get(random.nextInt(names.size())));
        byte[] before = BundleFiles.read(changed, 1 << 24);
        int kind = random.nextInt(10);
        boolean sameModel = true;
        boolean changedBin = false;
        if (kind < 5) { // a file, signed again
            byte[] after = mutated(before, random);
            write(changed, after);
            Map<String, Object> stated = new LinkedHashMap<String, Object>();
            stated.put("bytes", new JsonNumber(Integer.toString(after.length)));
            stated.put("sha256", BundleFiles.sha256(after));
            child(values, "files").put(changed.getName(), stated);
            sign(values, manifestFile);
            sameModel = !changed.getName().endsWith(".onnx");
            changedBin = changed.getName().equals(ModelBin.FILE);
        } else if (kind < 9) { // a value of the manifest, signed again
            replaceValue(values, random);
            sign(values, manifestFile);
        } else if (random.nextBoolean()) { // bytes of the manifest
            write(manifestFile, mutated(manifest, random));
        } else { // bytes of a file
            write(changed, mutated(before, random));
        }
        note(number, folder, changedBin || sameModel && random.nextInt(EVERY_RUN) == 0);
        write(changed, before);
        write(manifestFile, manifest);
    }

    private void note(int number, File folder, boolean run) {
        long start = FuzzNotes.spent();
        String outcome;
        try {
            read(folder, run);
            outcome = run ? "answers" : "readable, model not run";
        } catch (BundleException error) {
            outcome = "refused: " + error.fault().word();
        } catch (Throwable error) { // what is sought
            outcome = FuzzNotes.FINDING + error;
        }
        notes.add(number + " in " + folder.getName(), outcome, FuzzNotes.spent() - start);
    }

    private static void read(File folder, boolean run) throws BundleException {
        if (folder.getName().startsWith("two-stages")) {
            readStages(folder, run);
            return;
        }
        RecBundle bundle = RecBundle.open(folder);
        if (run) {
            Recommender recommender = Recommender.open(bundle);
            try {
                Evaluation asked = bundle.asked();
                if (asked.size() > 0) {
                    recommender.answer(asked.user(0), asked.seen(0), 5);
                }
            } finally {
                recommender.close();
            }
        }
        bundle.selfTest();
        bundle.asked();
        bundle.users();
        bundle.items();
    }

    private static void readStages(File folder, boolean run) throws BundleException {
        TwoStageBundle bundle = TwoStageBundle.open(folder);
        bundle.selfTest();
        bundle.items();
        IdMap users = bundle.users();
        if (run) {
            TwoStageRecommender recommender = TwoStageRecommender.open(bundle);
            try {
                String user = users.size() > 0 ? users.id(0) : null;
                recommender.recommend(user, new ArrayList<String>(), new LinkedHashMap<String, Object>(), 1);
            } finally {
                recommender.close();
            }
        }
    }

    /** Bits flipped, bytes set, cut, doubled or put in. */
    static byte[] mutated(byte[] data, Random random) {
        byte[] copy = data.clone();
        if (copy.length == 0) {
            return new byte[] {(byte) random.nextInt(256)};
        }
        int at = random.nextInt(copy.length);
        switch (random.nextInt(5)) {
            case 0:
                copy[at] ^= 1 << random.nextInt(8);
                return copy;
            case 1:
                for (int i = 0; i <= random.nextInt(8); i++) {
                    copy[random.nextInt(copy.length)] = (byte) random.nextInt(256);
                }
                return copy;
            case 2:
                return Arrays.copyOf(copy, at);
            case 3:
                return spliced(copy, at, Arrays.copyOfRange(data, random.nextInt(at + 1), at));
            default:
                return spliced(copy, at, TEXTS[random.nextInt(TEXTS.length)].getBytes(Json.UTF_8));
        }
    }

    private static byte[] spliced(byte[] data, int at, byte[] more) {
        byte[] out = Arrays.copyOf(data, data.length + more.length);
        System.arraycopy(more, 0, out, at, more.length);
        System.arraycopy(data, at, out, at + more.length, data.length - at);
        return out;
    }

    /** One value, at any depth, becomes another or goes. */
    static void replaceValue(Map<String, Object> values, Random random) throws BundleException {
        Map<String, Object> at = values;
        while (true) {
            List<String> names = new ArrayList<String>(at.keySet());
            if (names.isEmpty()) {
                at.put("x", null);
                return;
            }
            String name = names.get(random.nextInt(names.size()));
            if (at.get(name) instanceof Map && random.nextInt(6) > 0) {
                at = child(at, name);
            } else if (random.nextInt(6) == 0) {
                at.remove(name);
                return;
            } else {
                String text = TEXTS[random.nextInt(TEXTS.length)];
                Object value = Json.parseObject(("{\"v\":" + text + "}").getBytes(Json.UTF_8), "value").get("v");
                at.put(name, value);
                return;
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> child(Map<String, Object> values, String name) {
        return (Map<String, Object>) values.get(name);
    }

    private static void sign(Map<String, Object> values, File file) throws IOException {
        values.remove("digest");
        values.put("digest", BundleFiles.sha256(Json.canonical(values).getBytes(Json.UTF_8)));
        write(file, Json.canonical(values).getBytes(Json.UTF_8));
    }

    static void write(File file, byte[] data) throws IOException {
        FileOutputStream out = new FileOutputStream(file);
        try {
            out.write(data);
        } finally {
            out.close();
        }
    }

    /** A long run: WORK FIRST COUNT SECONDS BUNDLE… prints its facts. */
    public static void main(String[] args) throws Exception {
        File[] bundles = new File[args.length - 4];
        for (int i = 0; i < bundles.length; i++) {
            bundles[i] = new File(args[i + 4]);
        }
        Fuzz fuzz = new Fuzz(new File(args[0]), bundles);
        fuzz.run(Integer.parseInt(args[1]), Integer.parseInt(args[2]), Double.parseDouble(args[3]));
        System.out.println(Json.canonical(fuzz.facts()));
    }
}
