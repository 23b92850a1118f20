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
import org.example.recpress.RecBundle;

/**
 * Where the bundle lies on the device: pushed by install_bundle.py --device, or copied out of the app's assets.
 *
 * <p>A model is opened by path, and assets have none. The copy is verified when it is opened, as any bundle is.
 */
final class BundleStore {
    static final String ASSETS = "bundle";
    static final String PUSHED = "pushed-bundle";
    private static final String COPIED = "asset-bundle";
    private static final int MAX_MANIFEST_BYTES = 4 << 20;

    private BundleStore() {}

    static File locate(File files, AssetManager assets) throws IOException, BundleException {
        File pushed = new File(files, PUSHED);
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
        File last = new File(copied, RecBundle.MANIFEST);
        if (!last.isFile() || !Arrays.equals(read(new FileInputStream(last)), manifest)) {
            copy(assets, copied, manifest);
        }
        return copied;
    }

    /** The manifest comes last: a copy that was broken off has none and is made again. */
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
        OutputStream out = new FileOutputStream(new File(target, RecBundle.MANIFEST));
        out.write(manifest);
        out.close();
    }

    private static byte[] read(InputStream in) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        pour(in, out);
        if (out.size() > MAX_MANIFEST_BYTES) {
            throw new IOException(RecBundle.MANIFEST + " has " + out.size() + " bytes, too many");
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
