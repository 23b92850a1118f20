package org.example.recpress;

import java.io.File;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A verified bundle of tables, of a click model or of two stages, where only its files matter. */
final class AnyBundle {
    final String digest;
    private final File folder;

    private AnyBundle(File folder, String digest) {
        this.folder = folder;
        this.digest = digest;
    }

    /** Verifies every file; {@code trusted} null: whoever made it. */
    static AnyBundle open(File folder, TrustedKeys trusted) throws BundleException {
        String digest = isOf(ClickBundle.SCHEMA, folder)
                ? ClickBundle.open(folder, trusted).digest()
                : isOf(TwoStageBundle.SCHEMA, folder)
                ? TwoStageBundle.open(folder, trusted).digest()
                : RecBundle.open(folder, trusted).digest();
        return new AnyBundle(folder, digest);
    }

    /** Whether a folder says that it has a schema; nothing of it is checked. */
    static boolean isOf(String schema, File folder) throws BundleException {
        return BundleFiles.isPlainFile(folder, RecBundle.MANIFEST)
                && schema.equals(manifest(folder).get("schema"));
    }

    /** Names and sizes of its files, its manifest among them, its signature not. */
    Map<String, Long> sizes() throws BundleException {
        Map<String, Long> sizes = new LinkedHashMap<String, Long>();
        for (String name : new Fields(manifest(folder), folder.getPath()).object("files").names()) {
            sizes.put(name, new File(folder, name).length());
        }
        sizes.put(RecBundle.MANIFEST, new File(folder, RecBundle.MANIFEST).length());
        return sizes;
    }

    /** Digests of the versions that its provenance names as earlier ones. */
    Set<String> earlier() throws BundleException {
        Set<String> found = new HashSet<String>();
        Fields provenance = new Fields(manifest(folder), folder.getPath()).object("provenance");
        Object updates = provenance.value("updates");
        if (updates instanceof List) {
            for (Object update : (List<?>) updates) {
                Object previous = update instanceof Map ? ((Map<?, ?>) update).get("previous") : null;
                if (previous instanceof String) {
                    found.add((String) previous);
                }
            }
        }
        return found;
    }

    private static Map<String, Object> manifest(File folder) throws BundleException {
        File file = new File(folder, RecBundle.MANIFEST);
        return Json.parseObject(BundleFiles.read(file, RecBundle.MAX_MANIFEST_BYTES), file.getPath());
    }
}
