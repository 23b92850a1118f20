package org.example.recpress;

import java.util.regex.Pattern;

/** What a signature of schema recpress.signature/1 states; whether it is true is for {@link TrustedKeys} to check. */
final class Signed {
    static final String SCHEMA = "recpress.signature/1";
    private static final int SIGNATURE_BYTES = 64;
    private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}");

    /** Id of the key. */
    final String key;
    /** Of the bytes that were signed: it tells a changed bundle from a wrong signature, and proves nothing. */
    final String signedSha256;

    final byte[] signature;

    private Signed(String key, String signedSha256, byte[] signature) {
        this.key = key;
        this.signedSha256 = signedSha256;
        this.signature = signature;
    }

    /** From JSON; SIGNATURE fault for fields that are none of a signature. {@code where} names the file in errors. */
    static Signed parse(byte[] data, String where) throws BundleException {
        Fields stated = new Fields(Json.parseObject(data, where), where);
        try {
            byte[] signature = Base64Text.decode(stated.text("signature"));
            Signed found = new Signed(stated.text("key"), stated.text("signed_sha256"), signature);
            if (SCHEMA.equals(stated.text("schema"))
                    && HEX.matcher(found.key).matches()
                    && HEX.matcher(found.signedSha256).matches()
                    && signature.length == SIGNATURE_BYTES) {
                return found;
            }
        } catch (IllegalArgumentException error) {
            throw new BundleException(Fault.SIGNATURE, where + " is no signature: it is not base64", error);
        } catch (BundleException error) {
            throw new BundleException(Fault.SIGNATURE, where + " is no signature: " + error.getMessage(), error);
        }
        throw new BundleException(Fault.SIGNATURE, where + " is no signature of schema " + SCHEMA);
    }
}
