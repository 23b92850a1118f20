/* RecPress Edge: what is behind recpress_trust.h. docs/adr/0035-signed-bundles.md says what is signed and why. */
#include "recpress_trust.h"

#define OK 0
#define DIGEST 32u
#define KEY 32u
#define SIGNATURE 64u
#define MOST_DEPTH 64u /* lists and objects within each other */

typedef struct {
    const char *at;
    size_t n;
} text;

static int equal(const void *left, const void *right, size_t n)
{
    const uint8_t *a = left, *b = right;
    while (n && *a == *b) a++, b++, n--;
    return !n;
}

static int says(text t, const char *word)
{
    size_t n = 0;
    while (word[n]) n++;
    return t.n == n && equal(t.at, word, n);
}

/* ---- SHA-256: names as in FIPS 180-4, section 6.2. */

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, unsigned n) { return x >> n | x << (32u - n); }

static void compress(uint32_t H[8], const uint8_t *block)
{
    uint32_t W[64], v[8]; /* v: a to h */
    for (unsigned t = 0; t < 16; t++, block += 4)
        W[t] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    for (unsigned t = 16; t < 64; t++) {
        const uint32_t s0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
        const uint32_t s1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;
        W[t] = s1 + W[t - 7] + s0 + W[t - 16];
    }
    for (unsigned i = 0; i < 8; i++) v[i] = H[i];
    for (unsigned t = 0; t < 64; t++) {
        const uint32_t S1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
        const uint32_t S0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
        const uint32_t T1 = v[7] + S1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[t] + W[t];
        const uint32_t T2 = S0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        for (unsigned i = 7; i; i--) v[i] = v[i - 1];
        v[4] += T1;
        v[0] = T1 + T2;
    }
    for (unsigned i = 0; i < 8; i++) H[i] += v[i];
}

void rp_sha256(uint8_t digest[32], const void *data, size_t bytes)
{
    uint32_t H[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t last[128] = {0}; /* what is left, a bit, and the length in bits at the end of a block */
    const uint8_t *from = data;
    const size_t left = bytes % 64u, padded = left < 56u ? 64u : 128u;
    for (size_t blocks = bytes / 64u; blocks; blocks--, from += 64) compress(H, from);
    for (size_t i = 0; i < left; i++) last[i] = from[i];
    last[left] = 0x80;
    for (unsigned i = 0; i < 8; i++) last[padded - 1u - i] = (uint8_t)((uint64_t)bytes << 3 >> (8u * i));
    for (size_t at = 0; at < padded; at += 64) compress(H, last + at);
    for (unsigned i = 0; i < DIGEST; i++) digest[i] = (uint8_t)(H[i / 4u] >> (24u - 8u * (i % 4u)));
}

/* ---- Texts of bytes. */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; /* small ones alone */
}

static int read_digest(text t, uint8_t digest[DIGEST])
{
    if (t.n != 2u * DIGEST) return 0;
    for (size_t i = 0; i < DIGEST; i++) {
        const int high = hex_value(t.at[2 * i]), low = hex_value(t.at[2 * i + 1]);
        if (high < 0 || low < 0) return 0;
        digest[i] = (uint8_t)(16 * high + low);
    }
    return 1;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Exactly n bytes in base64, padded; n is no multiple of three. */
static int read_base64(text t, uint8_t *bytes, size_t n)
{
    const size_t whole = (n + 2u) / 3u * 4u, letters = (4u * n + 2u) / 3u;
    uint32_t bits = 0;
    size_t made = 0;
    if (t.n != whole) return 0;
    for (size_t i = 0; i < whole; i++) {
        const int value = base64_value(t.at[i]);
        if (i >= letters ? t.at[i] != '=' : value < 0) return 0;
        if (i >= letters) continue;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4u) bytes[made++] = (uint8_t)(bits >> (6u - 2u * (i % 4u)));
    }
    return 1;
}

/* Whether these are texts of UTF-8 (RFC 3629): no longer forms, no surrogates, nothing beyond U+10FFFF. */
static int is_utf8(text t)
{
    for (size_t i = 0; i < t.n;) {
        const uint8_t first = (uint8_t)t.at[i++];
        if (first < 0x80u) continue;
        const unsigned more = first < 0xe0u ? 1u : first < 0xf0u ? 2u : 3u;
        if (first < 0xc2u || first > 0xf4u || t.n - i < more) return 0;
        const uint8_t second = (uint8_t)t.at[i];
        if ((first == 0xe0u && second < 0xa0u) || (first == 0xedu && second > 0x9fu)) return 0;
        if ((first == 0xf0u && second < 0x90u) || (first == 0xf4u && second > 0x8fu)) return 0;
        for (unsigned k = 0; k < more; k++)
            if (((uint8_t)t.at[i++] & 0xc0u) != 0x80u) return 0;
    }
    return 1;
}

/* ---- JSON (RFC 8259), read where it lies. Nothing calls itself: a stranger's file decides how deep it is. */

typedef struct {
    const char *at, *end;
} cursor;

static int is_next(const cursor *c, char wanted) { return c->at < c->end && *c->at == wanted; }

static int take(cursor *c, char wanted)
{
    if (!is_next(c, wanted)) return 0;
    c->at++;
    return 1;
}

static void skip_space(cursor *c)
{
    while (is_next(c, ' ') || is_next(c, '\n') || is_next(c, '\t') || is_next(c, '\r')) c->at++;
}

static int take_escape(cursor *c)
{
    static const char known[] = "\"\\/bfnrt";
    for (unsigned i = 0; i < sizeof known - 1u; i++)
        if (take(c, known[i])) return 1;
    if (!take(c, 'u')) return 0;
    for (unsigned i = 0; i < 4; i++, c->at++) {
        if (c->at == c->end) return 0;
        const char letter = *c->at >= 'A' && *c->at <= 'F' ? (char)(*c->at + ('a' - 'A')) : *c->at;
        if (hex_value(letter) < 0) return 0;
    }
    return 1;
}

/* A string; `plain`: whether what stands between its quotes is what it says. */
static int take_string(cursor *c, text *found, int *plain)
{
    *plain = 1;
    if (!take(c, '"')) return 0;
    found->at = c->at;
    while (c->at < c->end && *c->at != '"') {
        if ((unsigned char)*c->at < 0x20u) return 0;
        if (*c->at++ != '\\') continue;
        *plain = 0;
        if (!take_escape(c)) return 0;
    }
    found->n = (size_t)(c->at - found->at);
    return take(c, '"');
}

static int take_digits(cursor *c)
{
    const char *const start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++;
    return c->at > start;
}

static int take_number(cursor *c)
{
    (void)take(c, '-');
    if (!take(c, '0') && !take_digits(c)) return 0;
    if (take(c, '.') && !take_digits(c)) return 0;
    if (!take(c, 'e') && !take(c, 'E')) return 1;
    (void)(take(c, '+') || take(c, '-'));
    return take_digits(c);
}

static int take_word(cursor *c, const char *word)
{
    while (*word)
        if (!take(c, *word++)) return 0;
    return 1;
}

static int take_scalar(cursor *c)
{
    text ignored;
    int plain;
    if (is_next(c, '"')) return take_string(c, &ignored, &plain);
    if (is_next(c, 't')) return take_word(c, "true");
    if (is_next(c, 'f')) return take_word(c, "false");
    if (is_next(c, 'n')) return take_word(c, "null");
    return take_number(c);
}

static int take_name(cursor *c, text *name, int *plain)
{
    skip_space(c);
    if (!take_string(c, name, plain)) return 0;
    skip_space(c);
    return take(c, ':');
}

/* A whole value. */
static int take_value(cursor *c)
{
    uint64_t objects = 0; /* a bit for each list or object that is open, the innermost lowest */
    unsigned depth = 0;
    text name;
    int plain;
    for (;;) {
        skip_space(c);
        if (is_next(c, '{') || is_next(c, '[')) {
            const int object = *c->at++ == '{';
            if (depth == MOST_DEPTH) return 0;
            objects = objects << 1 | (uint64_t)object;
            depth++;
            skip_space(c);
            if (!is_next(c, object ? '}' : ']')) {
                if (object && !take_name(c, &name, &plain)) return 0;
                continue;
            }
        } else if (!take_scalar(c)) {
            return 0;
        }
        for (skip_space(c); depth && take(c, objects & 1u ? '}' : ']'); skip_space(c)) {
            objects >>= 1;
            depth--;
        }
        if (!depth) return 1;
        if (!take(c, ',')) return 0;
        if (objects & 1u && !take_name(c, &name, &plain)) return 0;
    }
}

/* The values of two names of an object, which may stand in it once; NULL where one is not there.
 *
 * 0 where it is none, or where another reader may find other names in it: such as are written with escapes. */
static int two_values(text object, const char *const names[2], text values[2])
{
    cursor c = {object.at, object.at + object.n};
    values[0].at = values[1].at = NULL;
    skip_space(&c);
    if (!take(&c, '{')) return 0;
    skip_space(&c);
    for (int more = !take(&c, '}'); more;) {
        text name;
        int plain;
        if (!take_name(&c, &name, &plain) || !plain) return 0;
        skip_space(&c);
        const char *const start = c.at;
        if (!take_value(&c)) return 0;
        for (unsigned i = 0; i < 2; i++) {
            if (!says(name, names[i])) continue;
            if (values[i].at) return 0;
            values[i].at = start;
            values[i].n = (size_t)(c.at - start);
        }
        skip_space(&c);
        more = take(&c, ',');
        if (!more && !take(&c, '}')) return 0;
    }
    skip_space(&c);
    return c.at == c.end;
}

/* What a string says; 0 where the value is none, or has escapes, which nothing of ours has there. */
static int string_of(text value, text *found)
{
    cursor c = {value.at, value.at + value.n};
    int plain;
    return value.at && take_string(&c, found, &plain) && plain;
}

/* ---- Trusted keys. */

static int is_blank(char c) { return c == ' ' || c == '\t'; }

static text trimmed(text t)
{
    for (; t.n && is_blank(*t.at); t.n--) t.at++;
    while (t.n && is_blank(t.at[t.n - 1u])) t.n--;
    return t;
}

/* What stands before the first space of t; t becomes what is behind it. */
static text take_word_of(text *t)
{
    text word = {t->at, 0};
    while (word.n < t->n && t->at[word.n] != ' ') word.n++;
    t->at += word.n;
    t->n -= word.n;
    *t = trimmed(*t);
    return word;
}

/* The next line of t, without its end; other controls than tabs are in none of ours. */
static int take_line(text *t, text *line)
{
    line->at = t->at;
    for (line->n = 0; line->n < t->n; line->n++) {
        const char c = t->at[line->n];
        if (c == '\n' || c == '\r') break;
        if ((unsigned char)c < 0x20u && c != '\t') return 0;
    }
    const size_t taken = line->n + (line->n < t->n);
    t->at += taken;
    t->n -= taken;
    *line = trimmed(*line);
    return 1;
}

/* Whether a key is a point of order 1, 2, 4 or 8, in any of its encodings: everybody can make its signatures. */
static int is_weak(const uint8_t key[KEY])
{
    static const uint8_t eighth[2][KEY] = {
        /* y of the points of order 8 */
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
         0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
         0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}};
    const uint8_t last = key[KEY - 1u] & 0x7fu;
    unsigned i = 1;
    for (unsigned e = 0; e < 2; e++)
        if (last == eighth[e][KEY - 1u] && equal(key, eighth[e], KEY - 1u)) return 1;
    while (i < KEY - 2u && key[i] == key[1]) i++;
    if (key[i] != key[1]) return 0;
    if (!key[1] && !last) return key[0] < 2u;                        /* 0 and 1 */
    return key[1] == 0xffu && last == 0x7fu && key[0] - 0xecu <= 2u; /* -1, and 0 and 1 with p added */
}

/* Read a whole file of keys and keep the one with this id in `key`, where it has it: 1. 0 where not; or an error. */
static int32_t find_key(text keys, const uint8_t *id, uint8_t key[KEY])
{
    int32_t found = 0;
    int any = 0;
    if (keys.n > RP_MAX_KEYS_BYTES || !is_utf8(keys)) return RP_BAD_KEYS;
    while (keys.n) {
        text line;
        uint8_t raw[KEY], own[DIGEST];
        if (!take_line(&keys, &line)) return RP_BAD_KEYS;
        if (!line.n || *line.at == '#') continue;
        if (!says(take_word_of(&line), "ed25519") || !read_base64(take_word_of(&line), raw, KEY)) return RP_BAD_KEYS;
        if (is_weak(raw)) return RP_BAD_KEYS;
        any = 1;
        rp_sha256(own, raw, KEY);
        if (!equal(own, id, DIGEST)) continue;
        for (unsigned i = 0; i < KEY; i++) key[i] = raw[i];
        found = 1;
    }
    return any ? found : RP_NO_KEYS;
}

/* ---- The interface. */

typedef struct {
    uint8_t key[DIGEST], manifest[DIGEST], bytes[SIGNATURE];
} stated;

/* What bundle.sig states; nothing of it is checked. */
static int read_signature(text file, stated *s)
{
    static const char *const who[2] = {"schema", "key"}, *const what[2] = {"signed_sha256", "signature"};
    text schema, key, manifest, bytes, of[4];
    if (file.n > RP_MAX_SIGNATURE_BYTES || !is_utf8(file)) return 0;
    if (!two_values(file, who, of) || !two_values(file, what, of + 2)) return 0;
    return string_of(of[0], &schema) && says(schema, "recpress.signature/1") && string_of(of[1], &key) &&
           read_digest(key, s->key) && string_of(of[2], &manifest) && read_digest(manifest, s->manifest) &&
           string_of(of[3], &bytes) && read_base64(bytes, s->bytes, SIGNATURE);
}

int32_t rp_check_signature(const rp_signed *bundle)
{
    static const char domain[] = RP_DOMAIN;
    const text keys = {bundle->keys, bundle->keys_bytes}, file = {bundle->signature, bundle->signature_bytes};
    const size_t bytes = bundle->message_bytes - RP_DOMAIN_BYTES;
    uint8_t key[KEY], digest[DIGEST];
    stated s = {{0}, {0}, {0}};
    if (bundle->message_bytes < RP_DOMAIN_BYTES || bytes > RP_MAX_MANIFEST_BYTES) return RP_BAD_MANIFEST;
    const int whole = file.at && read_signature(file, &s);
    const int32_t known = find_key(keys, s.key, key);
    if (known < 0) return known;
    if (!file.at) return RP_NOT_SIGNED;
    if (!whole) return RP_BAD_SIGNATURE;
    if (!known) return RP_UNTRUSTED;
    rp_sha256(digest, bundle->message + RP_DOMAIN_BYTES, bytes);
    if (!equal(digest, s.manifest, DIGEST)) return RP_CHANGED;
    for (unsigned i = 0; i < RP_DOMAIN_BYTES; i++) bundle->message[i] = (uint8_t)domain[i];
    if (!bundle->verify || bundle->verify(s.bytes, bundle->message, bundle->message_bytes, key)) return RP_FORGED;
    return OK;
}

/* A whole number without a sign, as JSON writes it. */
static int read_count(text value, uint64_t *count)
{
    *count = 0;
    if (!value.at || !value.n || value.n > 18u) return 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.at[i] < '0' || value.at[i] > '9') return 0;
        *count = 10u * *count + (uint64_t)(value.at[i] - '0');
    }
    return 1;
}

int32_t rp_check_file(const char *manifest, size_t bytes, const char *name, const void *data, size_t size)
{
    static const char *const outer[2] = {"schema", "files"}, *const facts[2] = {"bytes", "sha256"};
    const char *const wanted[2] = {name, ""};
    const text whole = {manifest, bytes};
    text found[2], schema, sha256;
    uint8_t listed[DIGEST], own[DIGEST];
    uint64_t length;
    if (bytes > RP_MAX_MANIFEST_BYTES || !is_utf8(whole)) return RP_BAD_MANIFEST;
    if (!two_values(whole, outer, found)) return RP_BAD_MANIFEST;
    if (!string_of(found[0], &schema) || !says(schema, "recpress.bundle/1") || !found[1].at) return RP_BAD_MANIFEST;
    if (!two_values(found[1], wanted, found)) return RP_BAD_MANIFEST;
    if (!found[0].at) return RP_UNLISTED;
    if (!two_values(found[0], facts, found) || !read_count(found[0], &length) || !string_of(found[1], &sha256) ||
        !read_digest(sha256, listed))
        return RP_BAD_MANIFEST;
    if (length != size) return RP_OTHER_FILE;
    rp_sha256(own, data, size);
    return equal(own, listed, DIGEST) ? OK : RP_OTHER_FILE;
}

const char *rp_trust_words(int32_t code)
{
    static const char *const words[] = {
        "the file of trusted keys has no key",
        "the file of trusted keys has a line that is no public key",
        "the bundle is not signed: it has no bundle.sig",
        "bundle.sig is no signature",
        "the bundle is signed by a key that is none of the trusted ones",
        "the bundle was changed after it was signed: its signature is of other bytes",
        "the signature is no signature of its key over this bundle",
        "bundle.json cannot be read, or is of another schema",
        "bundle.json lists no such file",
        "the file was changed: it is not the one that bundle.json lists",
    };
    if (code == OK) return "it is as it was signed or listed";
    if (code > RP_NO_KEYS || code < RP_OTHER_FILE) return "no code of recpress_trust.h";
    return words[RP_NO_KEYS - code];
}
