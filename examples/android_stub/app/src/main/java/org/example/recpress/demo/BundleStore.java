package org.example.recpress.demo;

import android.content.res.AssetManager;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import org.example.recpress.BundleException;
import org.example.recpress.Patch;
import org.example.recpress.RecBundle;
import org.example.recpress.TrustedKeys;
import org.example.recpress.Versions;

/**
 * Where the bundle lies on the device: pushed by install_bundle.py --device, or copied out of the app's assets.
 *
 * <p>A model is opened by path, and assets have none. The copy is verified when it is opened, as any bundle is. A patch
 * named {@link #PATCH} beside it makes its next version; the copy is made anew only where the app brings another bundle.
 */
final class BundleStore {
    static final String ASSETS = "bundle";
    static final String PUSHED = "pushed-bundle";
    static final String PATCH = "bundle.patch";
    private static final String KEYS = "trusted.keys";
    private static final String COPIED = "asset-bundle";
    private static final String COPIED_FROM = "asset-bundle.from";
    private static final int MAX_MANIFEST_BYTES = 4 << 20;

    private BundleStore() {}

    static File locate(File files, AssetManager assets) throws IOException, BundleException {
        File pushed = new File(files, PUSHED);
        Versions.settle(pushed);
        if (new File(pushed, RecBundle.MANIFEST).isFile()) {
            return pushed;
        }
        File copied = new File(files, COPIED);
        byte[] manifest;
        try {
            manifest = read(assets.open(ASSETS + "/" + RecBundle.MANIFEST));
        } catch (IOException error) {
            throw new IOException("this app holds no bundle. Run tools/install_bundle.py BUNDLE and build it again");
        }
        Versions.settle(copied);
        File from = new File(files, COPIED_FROM);
        if (!from.isFile() || !Arrays.equals(read(new FileInputStream(from)), manifest)) {
            if (from.isFile() && !from.delete()) {
                throw new IOException("cannot remove " + from);
            }
            copy(assets, copied, manifest);
            write(from, manifest); // comes last: a copy that was broken off is made again
        }
        return copied;
    }

    /**
     * Applies {@link #PATCH} where one lies there, and removes it; whether it made another version. Signed by one of the
     * keys in the app's asset trusted.keys, where it has one.
     */
    static boolean update(File files, File folder, AssetManager assets) throws IOException, BundleException {
        File patch = new File(files, PATCH);
        if (!patch.isFile()) {
            return false;
        }
        boolean kept = false; // for another try
        try {
            return Patch.apply(folder, patch, trusted(assets)).filesWritten() > 0;
        } catch (IOException error) {
            kept = true;
            throw error;
        } finally {
            if (!kept && !patch.delete()) {
                throw new IOException("cannot remove " + patch);
            }
        }
    }

    /** Null where the app has no keys: then it takes anybody's patches. */
    private static TrustedKeys trusted(AssetManager assets) throws IOException, BundleException {
        if (!Arrays.asList(assets.list("")).contains(KEYS)) {
            return null;
        }
        return TrustedKeys.parse(new String(read(assets.open(KEYS)), "UTF-8"));
    }

    private static void copy(AssetManager assets, File target, byte[] manifest) throws IOException, BundleException {
        if (!target.isDirectory() && !target.mkdirs()) {
            throw new IOException("cannot make " + target);
        }
        for (File old : target.listFiles()) {
            if (!old.delete()) {
                throw new IOException("cannot remove " + old);
            }
        }
        for (String name : RecBundle.fileNames(manifest)) {
            if (!name.equals(RecBundle.MANIFEST)) {
                pour(assets.open(ASSETS + "/" + name), new FileOutputStream(new File(target, name)));
            }
        }
        write(new File(target, RecBundle.MANIFEST), manifest);
    }

    private static void write(File file, byte[] data) throws IOException {
        OutputStream out = new FileOutputStream(file);
        try {
            out.write(data);
        } finally {
            out.close();
        }
    }

    private static byte[] read(InputStream in) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        pour(in, out);
        if (out.size() > MAX_MANIFEST_BYTES) {
            throw new IOException("a manifest, or a file of keys, has " + out.size() + " bytes, too many");
        }
        return out.toByteArray();
    }

    private static void pour(InputStream in, OutputStream out) throws IOException {
        try {
            byte[] block = new byte[1 << 16];
            int count;
            while ((count = in.read(block)) > 0) {
                out.write(block, 0, count);
            }
        } finally {
            in.close();
            out.close();
        }
    }
}
