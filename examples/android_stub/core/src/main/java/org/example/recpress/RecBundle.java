package org.example.recpress;

import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A verified bundle: a folder with a model, its contract, id maps, digests and self-test.
 *
 * <p>Reading trusts nothing: names cannot leave the folder, sizes are bounded before anything is loaded, every
 * listed file must have the stated length and SHA-256. Unknown fields are tolerated, so that this version opens a
 * newer bundle of the same major version.
 */
public final class RecBundle {
    public static final String SCHEMA = "recpress.bundle/1";
    public static final String MANIFEST = "bundle.json";
    static final String SIGNATURE = "bundle.sig";
    static final String USERS_FILE = "users.txt";
    static final String ITEMS_FILE = "items.txt";
    static final String SELFTEST_FILE = "selftest.json";
    static final String EVALUATION_FILE = "evaluation.npz";
    static final long MAX_MANIFEST_BYTES = 4L << 20;
    static final long MAX_SIGNATURE_BYTES = 4096;
    static final long MAX_SELFTEST_BYTES = 64L << 20;

    private final File folder;
    private final String name;
    private final Contract contract;
    private final Set<String> files;
    private final int statedCutoff;
    private final String digest;

    private RecBundle(File folder, Contract contract, Map<String, Object> manifest, String digest)
            throws BundleException {
        this.folder = folder;
        this.contract = contract;
        Fields stated = new Fields(manifest, MANIFEST);
        name = stated.text("name");
        files = stated.object("files").names();
        statedCutoff = RankingQuality.judge(stated.object("quality").value("cutoff"));
        this.digest = digest;
    }

    /** Reads the manifest and verifies every file; any doubt is a BundleException that says what and where. */
    public static RecBundle open(File folder) throws BundleException {
        return open(folder, null);
    }

    /** The same of bundles that one of the trusted keys signed; SIGNATURE fault for any other. */
    public static RecBundle open(File folder, TrustedKeys trusted) throws BundleException {
        String where = new File(folder, MANIFEST).getPath();
        Map<String, Object> values = readManifest(folder, SCHEMA, trusted);
        Fields manifest = new Fields(values, where);
        manifest.text("name");
        Fields stated = manifest.object("contract");
        manifest.object("provenance");
        manifest.object("quality");
        Fields files = manifest.object("files");
        String digest = checkFacts(values, where);
        Contract contract = new Contract(stated, where + ": contract");
        verifyFiles(folder, files, where, contract.modelFile, USERS_FILE, ITEMS_FILE, SELFTEST_FILE);
        if (contract.format.equals("onnx")) {
            ModelFile.check(new File(folder, contract.modelFile));
        } else if (contract.format.equals("c")) {
            ModelBin.open(new File(folder, contract.modelFile));
        }
        return new RecBundle(folder, contract, values, digest);
    }

    /** The manifest of a folder; SCHEMA fault where it has another schema. Nothing else of it is checked. */
    static Map<String, Object> readManifest(File folder, String wanted, TrustedKeys trusted) throws BundleException {
        File file = new File(folder, MANIFEST);
        String where = file.getPath();
        if (!BundleFiles.isPlainFile(folder, MANIFEST)) {
            throw new BundleException(
                    Fault.MISSING,
                    folder + " is not a bundle: it has no " + MANIFEST + ". Copy one with tools/install_bundle.py");
        }
        byte[] data = BundleFiles.read(file, MAX_MANIFEST_BYTES);
        if (trusted != null) {
            trusted.check(folder, data);
        }
        Map<String, Object> values = Json.parseObject(data, where);
        Object schema = values.get("schema");
        if (!wanted.equals(schema)) {
            throw new BundleException(
                    Fault.SCHEMA,
                    where + " has schema " + Json.canonical(schema) + "; this version reads \"" + wanted + "\"");
        }
        return values;
    }

    /** Checks digest, name and all that stands beside the contract; returns the digest. */
    static String checkFacts(Map<String, Object> values, String where) throws BundleException {
        Fields manifest = new Fields(values, where);
        String name = manifest.text("name");
        manifest.object("provenance");
        manifest.object("quality");
        String digest = checkDigest(values, where);
        if (!BundleFiles.isSafeName(name)) {
            throw new BundleException(Fault.PATH, where + ": name '" + name + "' is not a plain file name");
        }
        Facts.check(values, where);
        return digest;
    }

    public String name() {
        return name;
    }

    public Contract contract() {
        return contract;
    }

    /** SHA-256 of the manifest; names the bundle, since the manifest names every file's digest. */
    public String digest() {
        return digest;
    }

    public File modelFile() {
        return new File(folder, contract.modelFile);
    }

    public IdMap users() throws BundleException {
        return ids(USERS_FILE, contract.nUsers);
    }

    public IdMap items() throws BundleException {
        return ids(ITEMS_FILE, contract.nItems);
    }

    public SelfTest selfTest() throws BundleException {
        return SelfTest.read(BundleFiles.read(new File(folder, SELFTEST_FILE), MAX_SELFTEST_BYTES), contract, path(SELFTEST_FILE));
    }

    /** The evaluation users; null where the bundle carries none, so that no quality can be measured. */
    public Evaluation evaluation() throws BundleException {
        return !files.contains(EVALUATION_FILE) ? null : Evaluation.read(new File(folder, EVALUATION_FILE), contract);
    }

    /** What is timed and ranked: the evaluation users, or the self-test's queries where there are none. */
    public Evaluation asked() throws BundleException {
        Evaluation rows = evaluation();
        return rows == null ? Evaluation.ofQueries(selfTest()) : rows;
    }

    /** Items by train interactions, the most first, without retired ones; null where the bundle has no such list. */
    int[] popular() throws BundleException {
        if (!files.contains(Popular.FILE)) {
            return null;
        }
        return Popular.without(Popular.read(new File(folder, Popular.FILE), contract.nItems), contract.retired());
    }

    /** The K that judges this bundle's rankings, as its quality states it. */
    int statedCutoff() {
        return statedCutoff;
    }

    private IdMap ids(String file, int count) throws BundleException {
        return new IdMap(read(file), count, path(file));
    }

    private byte[] read(String file) throws BundleException {
        return BundleFiles.read(new File(folder, file), BundleFiles.MAX_READ_BYTES);
    }

    private String path(String file) {
        return new File(folder, file).getPath();
    }

    private static String checkDigest(Map<String, Object> manifest, String where) throws BundleException {
        Map<String, Object> body = new LinkedHashMap<String, Object>(manifest);
        Object stated = body.remove("digest");
        String found = BundleFiles.sha256(Json.canonical(body).getBytes(Json.UTF_8));
        if (!found.equals(stated)) {
            throw new BundleException(
                    Fault.DIGEST,
                    where + " was changed after it was written: its digest is not " + Json.canonical(stated));
        }
        return found;
    }

    /** That all listed files are as listed, the needed ones among them, and that nothing else is there. */
    static void verifyFiles(File folder, Fields files, String where, String... needed) throws BundleException {
        for (String name : needed) {
            if (!files.has(name)) {
                throw new BundleException(Fault.FIELD, where + " lists no '" + name + "'");
            }
        }
        for (String name : files.names()) {
            if (!BundleFiles.isSafeName(name)) {
                throw new BundleException(Fault.PATH, where + " lists '" + name + "', which is not a plain file name");
            }
            verifyFile(folder, name, files.object(name));
        }
        checkListed(folder, files);
    }

    /** What has no digest could be changed, and a model could read it: it does not belong there. */
    private static void checkListed(File folder, Fields files) throws BundleException {
        String[] found = folder.list();
        if (found == null) {
            throw new BundleException(Fault.MISSING, folder + " cannot be listed");
        }
        for (String name : found) {
            if (name.equals(SIGNATURE)) {
                checkSignatureFile(folder);
            } else if (!name.equals(MANIFEST) && !files.has(name)) {
                throw new BundleException(
                        Fault.PATH,
                        new File(folder, name) + " is not listed in " + MANIFEST + ": a bundle holds nothing else");
            }
        }
    }

    /** A signature is a small plain file; whose it is has to be asked for. */
    static void checkSignatureFile(File folder) throws BundleException {
        File file = new File(folder, SIGNATURE);
        if (!BundleFiles.isPlainFile(folder, SIGNATURE) || file.length() > MAX_SIGNATURE_BYTES) {
            throw new BundleException(
                    Fault.PATH,
                    file + " is no signature: a plain file of at most " + MAX_SIGNATURE_BYTES + " bytes");
        }
    }

    private static void verifyFile(File folder, String name, Fields stated) throws BundleException {
        long bytes = stated.integer("bytes");
        String sha256 = stated.text("sha256");
        File file = new File(folder, name);
        if (!BundleFiles.isPlainFile(folder, name)) {
            throw new BundleException(Fault.MISSING, file + " is missing or not a plain file");
        }
        if (file.length() != bytes || bytes > BundleFiles.MAX_FILE_BYTES) {
            throw new BundleException(
                    Fault.SIZE, file + " has " + file.length() + " bytes, the bundle states " + bytes);
        }
        String found = BundleFiles.sha256(file);
        if (!found.equals(sha256)) {
            throw new BundleException(
                    Fault.DIGEST, file + " was changed: SHA-256 " + found + ", the bundle states " + sha256);
        }
    }

    /** Names of all files of a bundle that is not verified yet, for copying it; PATH fault for one that leaves it. */
    public static List<String> fileNames(byte[] manifest) throws BundleException {
        Fields files = new Fields(Json.parseObject(manifest, MANIFEST), MANIFEST).object("files");
        List<String> names = new ArrayList<String>();
        names.add(MANIFEST);
        for (String name : files.names()) {
            if (!BundleFiles.isSafeName(name)) {
                throw new BundleException(Fault.PATH, MANIFEST + " lists '" + name + "', which is no plain file name");
            }
            names.add(name);
        }
        return names;
    }
}
