/* RecPress Edge: whether somebody whom you trust signed a bundle, and whether a file is of that bundle.
 *
 * C99, no allocation, no global state, no library. Signatures are Ed25519 (RFC 8032), checked by a function that the
 * caller gives: crypto_sign_verify_detached of libsodium, or a few lines around another well-kept library's.
 *
 *     rp_signed bundle = {keys, keys_bytes, sig, sig_bytes, message, message_bytes, crypto_sign_verify_detached};
 *     const char *manifest = (const char *)message + RP_DOMAIN_BYTES;                   // bundle.json was read there
 *     int32_t wrong = rp_check_signature(&bundle);
 *     if (!wrong) wrong = rp_check_file(manifest, message_bytes - RP_DOMAIN_BYTES, "model.bin", data, size);
 *     if (!wrong) ... rp_open(&model, data, size) ...                                   // the same memory, unchanged
 */
#ifndef RECPRESS_TRUST_H
#define RECPRESS_TRUST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RP_DOMAIN "recpress.signature/1 bundle.json\n" /* what is signed: this, then the bytes of bundle.json */
#define RP_DOMAIN_BYTES 33u
#define RP_MAX_KEYS_BYTES (1u << 20)
#define RP_MAX_SIGNATURE_BYTES 4096u
#define RP_MAX_MANIFEST_BYTES (4u << 20)

/* Why a bundle is refused; 0 (RP_OK) where it is not. Other numbers than those of recpress.h. */
enum {
    RP_NO_KEYS = -20,       /* the file of trusted keys has no key */
    RP_BAD_KEYS = -21,      /* it has a line that is none, one of small order, or is too large */
    RP_NOT_SIGNED = -22,    /* there is no bundle.sig */
    RP_BAD_SIGNATURE = -23, /* bundle.sig is no signature: damaged, too large, or of another schema */
    RP_UNTRUSTED = -24,     /* signed by none of the trusted keys */
    RP_CHANGED = -25,       /* bundle.json was changed after it was signed */
    RP_FORGED = -26,        /* the signature is not that key's over this bundle.json */
    RP_BAD_MANIFEST = -27,  /* bundle.json cannot be read: damaged, too large, or of another schema */
    RP_UNLISTED = -28,      /* bundle.json lists no such file */
    RP_OTHER_FILE = -29     /* the file was changed: its length or SHA-256 is not the listed one */
};

/* 0 where `signature`, 64 bytes, is the one of `key`, 32 bytes, over a message of so many bytes. */
typedef int rp_verify(const unsigned char *signature, const unsigned char *message, unsigned long long bytes,
                      const unsigned char *key);

typedef struct {
    const char *keys; /* the file of trusted keys: lines `ed25519 BASE64 COMMENT`, others behind # */
    size_t keys_bytes;
    const char *signature; /* bundle.sig; NULL where the bundle has none */
    size_t signature_bytes;
    uint8_t *message; /* RP_DOMAIN_BYTES, which are written, then the bytes of bundle.json */
    size_t message_bytes; /* of both together */
    rp_verify *verify;
} rp_signed;

/* Whether a trusted key signed these bytes of bundle.json, of which nothing else is read. 0, or why not. */
int32_t rp_check_signature(const rp_signed *bundle);

/* Whether `size` bytes at `data` are the file of that name that bundle.json lists. 0, or why not.
 *
 * Of a bundle.json whose signature was checked it says that the file is the signer's. Of another it finds accidents
 * and nothing else: whoever changes a file can write its digest anew. */
int32_t rp_check_file(const char *manifest, size_t bytes, const char *name, const void *data, size_t size);

/* A code in words, for people. */
const char *rp_trust_words(int32_t code);

/* SHA-256 of some bytes (FIPS 180-4). */
void rp_sha256(uint8_t digest[32], const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
