package org.example.recpress;

import java.io.File;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
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
    static final String DOMAIN = "recpress.signature/1 bundle.json\n";
    private static final String KIND = "ed25519";
    private static final int RAW_BYTES = 32;
    private static final int MAX_KEYS_CHARS = 1 << 20;
    private static final BigInteger PRIME = BigInteger.ONE.shiftLeft(255).subtract(BigInteger.valueOf(19));
    private static final BigInteger EIGHTH =
            new BigInteger("2707385501144840649318225287225658788936804267575313519463743609750303402022");
    /** y of the points of order 1, 2, 4 and 8: everybody can make signatures of such a key. */
    private static final List<BigInteger> WEAK = Arrays.asList(
            BigInteger.ZERO, BigInteger.ONE, PRIME.subtract(BigInteger.ONE), EIGHTH, PRIME.subtract(EIGHTH));
    private static final Pattern CONTROL = Pattern.compile("[\\x00-\\x08\\x0b-\\x1f]");
    /** At the ends of a line. */
    private static final Pattern BLANKS = Pattern.compile("^[ \t]+|[ \t]+$");
    /** A space, and blanks behind it. */
    private static final Pattern WORD_END = Pattern.compile(" [ \t]*");
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
        for (String line : text.split("\r\n|\r|\n")) {
            if (CONTROL.matcher(line).find()) {
                throw new BundleException(Fault.FIELD, "a line of a file of trusted keys holds a control character");
            }
            String bare = BLANKS.matcher(line).replaceAll("");
            if (!bare.isEmpty() && !bare.startsWith("#")) {
                byte[] raw = raw(WORD_END.split(bare));
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
        Signed signed = null;
        if (file.exists()) {
            RecBundle.checkSignatureFile(folder);
            signed = Signed.parse(BundleFiles.read(file, RecBundle.MAX_SIGNATURE_BYTES), file.getPath());
        }
        check(folder.getPath(), signed, DOMAIN, manifest);
    }

    /** The same of a signature over {@code domain} and {@code content}; null where there is none. */
    void check(String what, Signed signed, String domain, byte[] content) throws BundleException {
        if (signed == null) {
            throw refused(what + " is not signed, and only what is signed is taken here");
        }
        byte[] key = keys.get(signed.key);
        if (key == null) {
            throw refused(what + " is signed by a key that is none of the " + keys.size() + " trusted ones");
        }
        if (!BundleFiles.sha256(content).equals(signed.signedSha256)) {
            throw refused(what + " was changed after it was signed: its signature is of other bytes");
        }
        if (!verify(key, signed.signature, domain, content)) {
            throw refused("the signature of " + what + " is no signature of its key over it");
        }
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
        if (isWeak(raw)) {
            throw new BundleException(
                    Fault.FIELD, "a trusted key is of small order: everybody can make its signatures");
        }
        return raw;
    }

    private static boolean isWeak(byte[] raw) {
        byte[] y = new byte[raw.length];
        for (int i = 0; i < raw.length; i++) {
            y[i] = raw[raw.length - 1 - i];
        }
        y[0] &= 0x7f;
        return WEAK.contains(new BigInteger(y).mod(PRIME));
    }

    private static boolean verify(byte[] raw, byte[] signature, String domain, byte[] content)
            throws BundleException {
        byte[] encoded = new byte[X509.length + raw.length];
        System.arraycopy(X509, 0, encoded, 0, X509.length);
        System.arraycopy(raw, 0, encoded, X509.length, raw.length);
        try {
            PublicKey key = KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
            Signature verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(key);
            verifier.update(domain.getBytes(Json.UTF_8));
            verifier.update(content);
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
