package org.example.recpress;

import java.io.File;
import java.util.Map;

/**
 * A verified bundle of two stages (recpress.bundle/3): it finds candidates for a user, and ranks them again with what
 * is known of the moment.
 */
public final class TwoStageBundle {
    public static final String SCHEMA = "recpress.bundle/3";

    private final File folder;
    private final String name;
    private final String digest;
    private final TwoStageContract contract;

    private TwoStageBundle(File folder, String name, String digest, TwoStageContract contract) {
        this.folder = folder;
        this.name = name;
        this.digest = digest;
        this.contract = contract;
    }

    /** Reads the manifest and verifies every file; any doubt is a BundleException that says what and where. */
    public static TwoStageBundle open(File folder) throws BundleException {
        return open(folder, null);
    }

    /** The same of bundles that one of the trusted keys signed; SIGNATURE fault for any other. */
    public static TwoStageBundle open(File folder, TrustedKeys trusted) throws BundleException {
        String where = new File(folder, RecBundle.MANIFEST).getPath();
        Map<String, Object> values = RecBundle.readManifest(folder, SCHEMA, trusted);
        Fields manifest = new Fields(values, where);
        Fields stated = manifest.object("contract");
        Fields files = manifest.object("files");
        String digest = RecBundle.checkFacts(values, where);
        RecBundle.verifyFiles(folder, files, where, RecBundle.ITEMS_FILE, RecBundle.SELFTEST_FILE);
        TwoStageContract contract = new TwoStageContract(stated, folder, where + ": contract");
        checkListed(files, TwoStageContract.MODEL_FILE, where);
        if (contract.first.nUsers > 0) {
            checkListed(files, RecBundle.USERS_FILE, where);
        }
        ModelFile.check(new File(folder, TwoStageContract.MODEL_FILE));
        return new TwoStageBundle(folder, manifest.text("name"), digest, contract);
    }

    /** What the contract asks for is known once it is read; all that is listed is verified by then. */
    private static void checkListed(Fields files, String name, String where) throws BundleException {
        if (!files.has(name)) {
            throw new BundleException(Fault.FIELD, where + " lists no '" + name + "'");
        }
    }

    public String name() {
        return name;
    }

    /** SHA-256 of the manifest; names the bundle, since the manifest names every file's digest. */
    public String digest() {
        return digest;
    }

    public TwoStageContract contract() {
        return contract;
    }

    public File modelFile() {
        return new File(folder, TwoStageContract.MODEL_FILE);
    }

    public IdMap items() throws BundleException {
        return ids(RecBundle.ITEMS_FILE, contract.first.nItems);
    }

    /** Nobody, where the first stage reads a history. */
    public IdMap users() throws BundleException {
        int count = contract.first.nUsers;
        return count > 0 ? ids(RecBundle.USERS_FILE, count) : new IdMap(new byte[0], 0, folder.getPath());
    }

    /** The self-test, held against fields and ids. */
    TwoStageSelfTest selfTest() throws BundleException {
        File file = new File(folder, RecBundle.SELFTEST_FILE);
        return TwoStageSelfTest.read(BundleFiles.read(file, RecBundle.MAX_SELFTEST_BYTES), contract, file.getPath());
    }

    private IdMap ids(String name, int count) throws BundleException {
        File file = new File(folder, name);
        return new IdMap(BundleFiles.read(file, BundleFiles.MAX_READ_BYTES), count, file.getPath());
    }
}
