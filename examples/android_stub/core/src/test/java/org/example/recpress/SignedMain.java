package org.example.recpress;

import java.io.File;

/** Folders and files of keys as arguments, by turns; a verdict a line. */
public final class SignedMain {
    private SignedMain() {}

    public static void main(String[] args) {
        for (int i = 0; i < args.length; i += 2) {
            System.out.println(verdict(new File(args[i]), new File(args[i + 1])));
        }
    }

    private static String verdict(File folder, File keys) {
        try {
            byte[] text = BundleFiles.read(keys, 1 << 20);
            TrustedKeys trusted = TrustedKeys.parse(Json.decode(text, keys.getPath(), Fault.FIELD));
            return AnyBundle.open(folder, trusted).digest;
        } catch (BundleException error) {
            return error.fault().word() + " " + error.getMessage();
        }
    }
}
