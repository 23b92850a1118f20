package org.example.recpress;

import java.io.File;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The keys whose bundles are taken: the file that Python's {@code --trusted} reads, one key a line.
 *
 * <p>Signatures are Ed25519 by the platform's own provider: Java 15 and later have it. Of Android its classes are
 * there from API level 33 on, and its provider decides; where none knows it every signed bundle is refused with
 * {@link Fault#UNSUPPORTED}, never taken unchecked.
 */
public final class TrustedKeys {
    static final String SCHEMA = "recpress.signature/1";
    static final String DOMAIN = "recpress.signature/1 bundle.json\n";
    private static final String KIND = "ed25519";
    private static final int RAW_BYTES = 32;
    private static final int SIGNATURE_BYTES = 64;
    private static final int MAX_KEYS_CHARS = 1 << 20;
    private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}");
    /** What stands before a raw key in X.509 (RFC 8410). */
    private static final byte[] X509 = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

    private final Map<String, byte[]> keys;

    private TrustedKeys(Map<String, byte[]> keys) {
        this.keys = keys;
    }

    /** Keys from the text of a file; FIELD fault for a line that is none, or a file without one. */
    public static TrustedKeys parse(String text) throws BundleException {
        if (text.length() > MAX_KEYS_CHARS) {
            throw new BundleException(Fault.SIZE, "a file of trusted keys has " + text.length() + " characters");
        }
        Map<String, byte[]> keys = new HashMap<String, byte[]>();
        for (String line : text.split("\n")) {
            if (!line.trim().isEmpty() && !line.trim().startsWith("#")) {
                byte[] raw = raw(line.trim().split("\\s+"));
                keys.put(BundleFiles.sha256(raw), raw);
            }
        }
        if (keys.isEmpty()) {
            throw new BundleException(Fault.FIELD, "a file of trusted keys has no key");
        }
        return new TrustedKeys(keys);
    }

    /** SIGNATURE fault unless one of the keys signed these bytes of the folder's bundle.json. */
    void check(File folder, byte[] manifest) throws BundleException {
        File file = new File(folder, RecBundle.SIGNATURE);
        if (!file.exists()) {
            throw refused(folder + " is not signed: it has no " + RecBundle.SIGNATURE);
        }
        RecBundle.checkSignatureFile(folder);
        byte[] data = BundleFiles.read(file, RecBundle.MAX_SIGNATURE_BYTES);
        Fields stated = new Fields(Json.parseObject(data, file.getPath()), file.getPath());
        byte[] signature = signatureOf(stated, file);
        byte[] key = keys.get(stated.text("key"));
        if (key == null) {
            throw refused(folder + " is signed by a key that is none of the " + keys.size() + " trusted ones");
        }
        if (!BundleFiles.sha256(manifest).equals(stated.text("signed_sha256"))) {
            throw refused(folder + " was changed after it was signed");
        }
        if (!verify(key, signature, manifest)) {
            throw refused(file + " is no signature of its key over this bundle");
        }
    }

    private static byte[] signatureOf(Fields stated, File file) throws BundleException {
        boolean known;
        byte[] signature;
        try {
            known = SCHEMA.equals(stated.text("schema"))
                    && HEX.matcher(stated.text("key")).matches()
                    && HEX.matcher(stated.text("signed_sha256")).matches();
            signature = Base64Text.decode(stated.text("signature"));
        } catch (IllegalArgumentException error) {
            throw new BundleException(Fault.SIGNATURE, file + " is no signature: it is not base64", error);
        } catch (BundleException error) {
            throw new BundleException(Fault.SIGNATURE, file + " is no signature: " + error.getMessage(), error);
        }
        if (!known || signature.length != SIGNATURE_BYTES) {
            throw refused(file + " is no signature of schema " + SCHEMA);
        }
        return signature;
    }

    private static byte[] raw(String[] words) throws BundleException {
        byte[] raw = {};
        if (words.length > 1 && words[0].equals(KIND)) {
            try {
                raw = Base64Text.decode(words[1]);
            } catch (IllegalArgumentException error) {
                raw = new byte[0]; // told below
            }
        }
        if (raw.length != RAW_BYTES) {
            throw new BundleException(
                    Fault.FIELD, "a line of a file of trusted keys is no key: expected is " + KIND + " BASE64 COMMENT");
        }
        return raw;
    }

    private static boolean verify(byte[] raw, byte[] signature, byte[] manifest) throws BundleException {
        byte[] encoded = new byte[X509.length + raw.length];
        System.arraycopy(X509, 0, encoded, 0, X509.length);
        System.arraycopy(raw, 0, encoded, X509.length, raw.length);
        try {
            PublicKey key = KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
            Signature verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(key);
            verifier.update(DOMAIN.getBytes(Json.UTF_8));
            verifier.update(manifest);
            return verifier.verify(signature);
        } catch (NoSuchAlgorithmException error) {
            throw new BundleException(
                    Fault.UNSUPPORTED, "this device checks no Ed25519 signatures: Java 15 or later does", error);
        } catch (GeneralSecurityException error) {
            return false; // no key, or no signature
        }
    }

    private static BundleException refused(String message) {
        return new BundleException(Fault.SIGNATURE, message + ". Nothing of it was run.");
    }
}
