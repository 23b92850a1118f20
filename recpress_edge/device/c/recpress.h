/* RecPress Edge: exact top-K recommendations from one read-only file, model.bin.
 *
 * C99, no allocation, no global state, no library: rp_open reads a header, rp_recommend works in memory that
 * the caller gives. Several threads may share a model, each with a scratch of its own.
 *
 *     rp_model model;
 *     if (rp_open(&model, data, size)) ...;                     // data: the file, mapped or in flash
 *     size_t size = rp_scratch_bytes(&model, 10);               // then 16-byte aligned memory of that size
 *     rp_query query = {.user = 17, .seen = seen, .n_seen = 3, .k = 10};
 *     int32_t n = rp_recommend(&model, &query, items, scores, scratch, size);
 */
#ifndef RECPRESS_H
#define RECPRESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The file. Every number is little-endian; every section starts at a multiple of 64 bytes.
 *
 * This header is the format's specification; docs/reference/model-bin.md says what the sections hold. */

#define RP_MAGIC "RECPRESS" /* the first eight bytes */
#define RP_VERSION 1u
#define RP_HEADER_BYTES 128u
#define RP_BLOCK 32u          /* items that lie together */
#define RP_MAX_DIM 1024u
#define RP_MAX_ITEMS 0xffffffu
#define RP_MAX_HISTORY 0xffffu /* items that a history with ages reads */

/* How numbers are stored. */
enum {
    RP_FP32 = 0,      /* float32 users and items */
    RP_INT8_DIM = 1,  /* int8 users and items, a scale a user */
    RP_INT8_ITEM = 2, /* int8 users and items, a float16 scale an item, a scale a user */
    RP_INT4_ITEM = 3  /* int8 users, items of four bits, a float16 scale an item, a scale a user */
};

/* Whose rows the file holds. */
enum {
    RP_ALL_USERS = 0,
    RP_SINGLE_USER = 1,
    RP_HISTORY = 2 /* nobody's: the row is made of the seen items */
};

/* The order in which items are stored. */
enum {
    RP_CATALOGUE = 0, /* item after item */
    RP_LENGTH = 1,    /* by length, the longest first; a bound for each block */
    RP_NEIGHBOURS = 2 /* near ones together; a box for each half block */
};

/* How the int8 values of a block lie. */
enum {
    RP_QUADS = 0, /* four dimensions of an item together: one file for all cores */
    RP_DIMS = 1   /* of each eight items, two dimensions together: cores without dot products, RP_FITS_16 only */
};

/* Flags. */
enum {
    RP_FITS_16 = 1,   /* every score of the file's users fits 16 bits, so sums may be taken modulo 2^16 */
    RP_ORDER_ONLY = 2 /* no user_scale: scores order the items of one user, and say nothing else */
};

typedef struct {
    uint8_t magic[8];
    uint32_t version;
    uint32_t file_bytes;
    uint32_t recipe, profile, order, layout, flags;
    uint32_t n_users; /* 1 in a single-user file, 0 in a history file */
    uint32_t n_items, dim, n_retired;
    float step; /* history files of integers: what a unit of the row is worth per unit of its peak */
    /* Where sections start; 0: the file has no such section. */
    uint32_t user_at;       /* [n_users][dim] float32 or int8 */
    uint32_t user_scale_at; /* [n_users] float32, integer recipes without RP_ORDER_ONLY */
    uint32_t items_at;      /* [blocks] of 32 items, see the page */
    uint32_t bounds_at;     /* RP_LENGTH: [blocks] uint16. RP_NEIGHBOURS: boxes, stored as items of 2 dim */
    uint32_t item_of_at;    /* [n_items] uint32: which item is stored at a place; RP_LENGTH, RP_NEIGHBOURS */
    uint32_t retired_at;    /* [n_retired] uint32, ascending: never recommended */
    uint32_t history_at;    /* [n_items][dim] float32 or int8, by item */
    uint32_t prior_at;      /* [dim], of the same type */
    uint32_t ages_at;       /* [history_length][dim], of the same type: what an item's row is multiplied with, the newest first */
    uint32_t history_length; /* RP_HISTORY: how many of the last items are read, each by its age; 0: all, each once */
    uint32_t reserved[8];   /* 0 */
} rp_header;

/* ---- The interface. */

/* What went wrong; every function that can fail returns one of these, and none of them is positive. */
enum {
    RP_OK = 0,
    RP_NOT_A_MODEL = -1,        /* the bytes do not start as a model.bin does */
    RP_OTHER_VERSION = -2,      /* a version that this engine does not read */
    RP_DAMAGED = -3,            /* sizes, places or codes that do not fit the file */
    RP_UNALIGNED = -4,          /* data or scratch does not start at a multiple of 16 bytes */
    RP_OTHER_MODEL = -5,        /* this engine was compiled for another recipe, dim, order or layout */
    RP_BAD_USER = -6,           /* user is not below n_users (0 for a single user and for histories) */
    RP_BAD_ITEM = -7,           /* a seen item is not below n_items */
    RP_BAD_K = -8,              /* k is 0 or above n_items */
    RP_SCRATCH_TOO_SMALL = -9,  /* fewer bytes than rp_scratch_bytes says */
    RP_OVERFLOWS = -10,         /* rp_audit: a score does not fit 16 bits */
    RP_UNBOUNDED = -11          /* rp_audit: an item is beyond what bounds its block or half block */
};

/* An opened file. It points into the data, which must stay where it is, unchanged. */
typedef struct {
    const rp_header *header;
    const void *users;
    const float *user_scale;
    const uint8_t *items;
    const void *bounds;
    const uint32_t *item_of, *retired;
    const void *history, *prior, *ages;
    uint32_t n_blocks;
} rp_model;

typedef struct {
    uint32_t user;        /* below n_users; 0 for a single user and for histories */
    const uint32_t *seen; /* items never to recommend, in any order, repeated or not; of a history what it is
                             made of, where each item counts once; with a history_length the last so many count,
                             oldest first. May be NULL where n_seen is 0 */
    uint32_t n_seen;
    uint32_t k;           /* 1 to n_items */
} rp_query;

/* Read a file of `size` bytes at `data`, aligned to 16 bytes. RP_OK or an error. */
int32_t rp_open(rp_model *model, const void *data, size_t size);

/* Bytes of scratch for lists of k or shorter ones; more than 32 bits hold is never needed of a file that opens. */
size_t rp_scratch_bytes(const rp_model *model, uint32_t k);

/* The k best items that are neither seen nor retired, best first; equal scores: lower item first.
 *
 * items and scores take k entries each; scores may be NULL. scratch: `size` bytes, aligned to 16, with any
 * content. Returns how many were found, fewer than k only where fewer are left; or an error. */
int32_t rp_recommend(const rp_model *model, const rp_query *query, uint32_t *items, float *scores,
                     void *scratch, size_t size);

#ifdef RP_AUDIT
/* Whether the numbers of a file are as its header promises: scores of RP_FITS_16, bounds of RP_LENGTH and
 * RP_NEIGHBOURS. rp_recommend believes it, and answers wrongly from a file that lies, in bounds. RP_OK, RP_OVERFLOWS
 * or RP_UNBOUNDED. Takes a query a user where scores are to fit; beyond 2^28 products, some users spread over all. */
int32_t rp_audit(const rp_model *model);
#endif

#ifdef __cplusplus
}
#endif
#endif
