package org.example.recpress;

import java.io.File;
import java.util.Map;

/** A verified bundle of a click model (recpress.bundle/2): it ranks candidates for the values of a request. */
public final class ClickBundle {
    public static final String SCHEMA = "recpress.bundle/2";

    private final File folder;
    private final String name;
    private final String digest;
    private final ClickContract contract;

    private ClickBundle(File folder, String name, String digest, ClickContract contract) {
        this.folder = folder;
        this.name = name;
        this.digest = digest;
        this.contract = contract;
    }

    /** Reads the manifest and verifies every file; any doubt is a BundleException that says what and where. */
    public static ClickBundle open(File folder) throws BundleException {
        return open(folder, null);
    }

    /** The same of bundles that one of the trusted keys signed; SIGNATURE fault for any other. */
    public static ClickBundle open(File folder, TrustedKeys trusted) throws BundleException {
        String where = new File(folder, RecBundle.MANIFEST).getPath();
        Map<String, Object> values = RecBundle.readManifest(folder, SCHEMA, trusted);
        Fields manifest = new Fields(values, where);
        String name = manifest.text("name");
        Fields stated = manifest.object("contract");
        Fields files = manifest.object("files");
        String digest = RecBundle.checkFacts(values, where);
        ClickContract.checkStated(stated, where + ": contract");
        RecBundle.verifyFiles(
                folder, files, where, ClickContract.MODEL_FILE, RecBundle.ITEMS_FILE, RecBundle.SELFTEST_FILE);
        ClickContract contract = new ClickContract(stated, folder, where + ": contract");
        ModelFile.check(new File(folder, ClickContract.MODEL_FILE));
        return new ClickBundle(folder, name, digest, contract);
    }

    public String name() {
        return name;
    }

    /** SHA-256 of the manifest; names the bundle, since the manifest names every file's digest. */
    public String digest() {
        return digest;
    }

    public ClickContract contract() {
        return contract;
    }

    public File modelFile() {
        return new File(folder, ClickContract.MODEL_FILE);
    }

    public IdMap items() throws BundleException {
        File file = new File(folder, RecBundle.ITEMS_FILE);
        return new IdMap(BundleFiles.read(file, BundleFiles.MAX_READ_BYTES), contract.nItems, file.getPath());
    }

    /** The self-test, held against fields and items. */
    ClickSelfTest selfTest() throws BundleException {
        File file = new File(folder, RecBundle.SELFTEST_FILE);
        return ClickSelfTest.read(BundleFiles.read(file, RecBundle.MAX_SELFTEST_BYTES), contract, file.getPath());
    }
}
