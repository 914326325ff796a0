/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_KNOWN_H
#define BB_SCAN_KNOWN_H
#include "base/base.h"

/**
 * DOC: known - secrets whose value we know, found in every shape that keeps their letters and
 * digits
 *
 * Each secret is spelled in each shape (as it is, backwards, ROT13, hexadecimal, base64 in all
 * alignments, base32, base64 of base64), and of each spelling only letters and digits count. What
 * is searched is reduced in the same way, so that separators, line breaks, quotes and escapes of
 * punctuation make no difference. Twelve characters of a spelling in a row are a find. A secret
 * with escapes in it, or with letters that look like others, is spelled undone as well (shape.h).
 *
 * How: the table has every run of eight characters of every spelling. Of any twelve characters in
 * the text, one of each five positions begins eight of them; so looking at every fifth position
 * finds each candidate, which is then compared to both sides. Where there are few spellings (those
 * of one secret), runs of four at every ninth position say first where that is worth while. Of a
 * run of eight that a secret has at many places, some stand in the table, and for the others each
 * different twelve characters around them, so that a look-up is short and nothing is forgotten.
 *
 * Layer:     scan
 * Trust:     what is searched is hostile; the table holds secrets: locked, not dumped, never stored
 * Ownership: known_db_new(), known_db_free(); a stream borrows its table
 * Limits:    KNOWN_SECRETS_MAX secrets; per stream 56 octets of state
 */
#define KNOWN_WINDOW      12
#define KNOWN_GRAM        8
#define KNOWN_STRIDE      (KNOWN_WINDOW - KNOWN_GRAM + 1)
#define KNOWN_SECRETS_MAX 8192
#define KNOWN_HISTORY     32

struct known_db;

/** struct known_secret - All of it is secret: see parts.h */
struct known_secret {
	struct bb_span value;
};

/** known_db_new() - Return: 0 with an owned table; -ENOMEM, -E2BIG with @err */
BB_MUST_USE int known_db_new(const struct known_secret *secrets, size_t n, struct known_db **ret,
			     struct bb_err *err);
void known_db_free(struct known_db *db);

/** known_is_searchable() - Has the secret enough letters and digits? */
bool known_is_searchable(const struct known_secret *secret);

/** struct known_stream - Start with zeroes */
struct known_stream {
	uint64_t total;
	uint8_t history[KNOWN_HISTORY];
	size_t n_history;
};

/**
 * struct known_hit - A find
 * @secret:	Index
 * @start:	First matching character in the block that was fed; negative: before it
 * @end:	One past the last matching character in the block
 */
struct known_hit {
	size_t secret;
	ptrdiff_t start;
	ptrdiff_t end;
};

/** known_hit_fn - Return: false to go on as if nothing had been found */
typedef bool known_hit_fn(void *arg, const struct known_hit *hit);

/**
 * known_feed() - Search the next letters and digits
 * @block:	Projected text with KNOWN_HISTORY octets of room before it, which are overwritten
 * @len:	Any length
 *
 * Return: true when @hit accepted a find (the search stops there, but the stream is whole)
 */
bool known_feed(const struct known_db *db, struct known_stream *s, uint8_t *block, size_t len,
		known_hit_fn *hit, void *arg);

/* Octets behind a block that projecting may overwrite */
#define KNOWN_ROOM 16

/** known_project() - Copy letters and digits only. Return: how many. @out: @len + KNOWN_ROOM octets
 * (@len will do for fewer than 64) */
size_t known_project(const uint8_t *in, size_t len, uint8_t *out);
#endif
