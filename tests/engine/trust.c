/* Damaged keys, signatures and manifests: what recpress_trust.c makes of them.
 *
 *     trust SEED COUNT < FILES
 *
 * FILES: trusted keys, bundle.sig, bundle.json and model.bin, each behind its uint32 bytes; the bundle is signed by one
 * of the keys. The first three are cut off after each byte, one at a time; then in each of COUNT turns one to four
 * accidents happen to them. Each time the bundle is checked, and the model by the damaged bundle.json alone. Memory has
 * the exact size, so that a sanitizer reports what goes beyond.
 * The one signature that is good is that of FILES, over its bundle.json. stdout: how often
 * rp_check_signature and rp_check_file returned each code. Exit code 4: one took what it should not, or returned what
 * recpress_trust.h does not have. */
#define _DEFAULT_SOURCE
#include "fenced.h"
#include "recpress_trust.h"
#include <stdio.h>
#include <string.h>

#define LEAST (-30)
#define MOST_ADDED 300u

typedef struct {
    uint8_t *at;
    uint32_t n;
} file;

static uint64_t state;
static file whole[4]; /* as they came */
static uint8_t good[64], owner[32];

/* xorshift64*: the same numbers on every machine. */
static uint32_t below(uint32_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(((state * 0x2545F4914F6CDD1Dull) >> 32) * n >> 32);
}

/* Takes the first signature that it is asked for, which is that of FILES, and no other over no other. */
static int known(const unsigned char *signature, const unsigned char *message, unsigned long long bytes,
                 const unsigned char *key)
{
    static int met;
    if (!met++) {
        memcpy(good, signature, 64);
        memcpy(owner, key, 32);
    }
    return memcmp(message, RP_DOMAIN, RP_DOMAIN_BYTES) || bytes != RP_DOMAIN_BYTES + whole[2].n ||
           memcmp(message + RP_DOMAIN_BYTES, whole[2].at, whole[2].n) || memcmp(signature, good, 64) ||
           memcmp(key, owner, 32);
}

static void replace(file *f, uint32_t at, uint32_t gone, const void *with, uint32_t n)
{
    memmove(f->at + at + n, f->at + at + gone, f->n - at - gone);
    if (n) memcpy(f->at + at, with, n);
    f->n += n - gone;
}

/* f has room for MOST_ADDED bytes more. */
static void damage(file *f)
{
    static const char *const pieces[] = {"{", "}", "[", "]", "\"", "\\", ",", ":", "\\u0041", "\n", "\r\n", "#", " ", "=",
                                         "ed25519 ", "\"files\":{},", "\"bytes\":1,", "null", "-0.5e+1", "[[[[[[[[",
                                         "{\"a\":{\"a\":", "\x80", "\xff\xfe", "\t", "A", "0"};
    uint8_t piece[64];
    const uint32_t at = below(f->n + 1u), n = f->n - at < 64u ? below(f->n - at + 1u) : below(64u);
    const char *const word = pieces[below(sizeof pieces / sizeof *pieces)];
    switch (below(8)) {
    case 0:
    case 1:
        if (f->n) f->at[below(f->n)] ^= (uint8_t)(1u << below(8));
        return;
    case 2:
        if (f->n) f->at[below(f->n)] = (uint8_t)below(256);
        return;
    case 3: replace(f, at, 0, word, (uint32_t)strlen(word)); return;
    case 4: replace(f, at, n, NULL, 0); return;
    case 5: replace(f, at, f->n - at, NULL, 0); return;
    case 6:
        memcpy(piece, f->at + at, n);
        replace(f, below(f->n + 1u), 0, piece, n);
        return;
    default:
        if (f->n - at >= strlen(word)) replace(f, at, (uint32_t)strlen(word), word, (uint32_t)strlen(word));
    }
}

static uint64_t counts[2][1 - LEAST];

static int32_t counted(int which, int32_t code)
{
    if (code > 0 || code <= LEAST || !*rp_trust_words(code)) exit(4);
    counts[which][-code]++;
    return code;
}

/* Bytes in memory of exactly their size, behind some room. */
static uint8_t *exact(const file *f, uint32_t room)
{
    uint8_t *p = fenced((size_t)f->n + room);
    memcpy(p + room, f->at, f->n);
    return p;
}

static void as_they_came(file *now)
{
    for (int i = 0; i < 3; i++) {
        now[i].n = whole[i].n;
        memcpy(now[i].at, whole[i].at, whole[i].n);
    }
}

static void check(const file *now)
{
    uint8_t *keys = exact(now, 0), *sig = exact(now + 1, 0), *message = exact(now + 2, RP_DOMAIN_BYTES);
    const rp_signed bundle = {(char *)keys, now[0].n, (char *)sig, now[1].n, message, RP_DOMAIN_BYTES + now[2].n, known};
    const int same = now[2].n == whole[2].n && !memcmp(now[2].at, whole[2].at, whole[2].n);
    if (!counted(0, rp_check_signature(&bundle)) && !same) exit(4);
    if (memcmp(message + RP_DOMAIN_BYTES, now[2].at, now[2].n)) exit(4);
    const char *manifest = (char *)message + RP_DOMAIN_BYTES;
    const int32_t wrong = counted(1, rp_check_file(manifest, now[2].n, "model.bin", whole[3].at, whole[3].n));
    if (wrong && same) exit(4);
    unfenced(keys, now[0].n);
    unfenced(sig, now[1].n);
    unfenced(message, (size_t)RP_DOMAIN_BYTES + now[2].n);
}

static void one_turn(file *now)
{
    as_they_came(now);
    for (uint32_t accidents = 1u + below(4); accidents; accidents--) damage(now + below(3));
    check(now);
}

/* Each file cut off after each byte. */
static void every_cut(file *now)
{
    as_they_came(now);
    for (int i = 0; i < 3; i++) {
        for (now[i].n = 0; now[i].n < whole[i].n; now[i].n++) check(now);
    }
}

int main(int argc, char **argv)
{
    file now[3];
    if (argc != 3) return 2;
    for (int i = 0; i < 4; i++) {
        if (fread(&whole[i].n, 4, 1, stdin) != 1 || !(whole[i].at = malloc((size_t)whole[i].n + 1u))) return 2;
        if (fread(whole[i].at, 1, whole[i].n, stdin) != whole[i].n) return 2;
    }
    for (int i = 0; i < 3; i++)
        if (!(now[i].at = malloc((size_t)whole[i].n + 4u * MOST_ADDED))) return 2;
    uint8_t *message = exact(whole + 2, RP_DOMAIN_BYTES);
    const rp_signed first = {(char *)whole[0].at, whole[0].n, (char *)whole[1].at, whole[1].n,
                             message, RP_DOMAIN_BYTES + whole[2].n, known};
    if (rp_check_signature(&first)) return 3; /* known() learns the good signature */
    unfenced(message, (size_t)RP_DOMAIN_BYTES + whole[2].n);
    every_cut(now);
    state = 0x9E3779B97F4A7C15ull * (strtoull(argv[1], NULL, 10) + 1u);
    for (unsigned long long turns = strtoull(argv[2], NULL, 10); turns; turns--) one_turn(now);
    for (int code = 0; code > LEAST; code--)
        if (counts[0][-code] + counts[1][-code])
            printf("%d %llu %llu\n", code, (unsigned long long)counts[0][-code], (unsigned long long)counts[1][-code]);
    for (int i = 0; i < 4; i++) free(whole[i].at);
    for (int i = 0; i < 3; i++) free(now[i].at);
    return 0;
}
