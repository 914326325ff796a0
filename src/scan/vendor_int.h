/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_VENDOR_INT_H
#define BB_SCAN_VENDOR_INT_H
#include "scan/vendor.h"
#include <hs/hs.h>

/* The tables that gen_vendor.py makes of vendor.rules; private to src/scan/vendor*.c and its test
 */

/** struct vendor_set - A set of octets */
struct vendor_set {
	uint64_t bits[4];
};

/** struct vendor_piece - @min to @max octets of one set */
struct vendor_piece {
	uint16_t set;
	uint16_t min;
	uint16_t max;
};

/**
 * struct vendor_seq - One spelling of a token: pieces in a row
 * @first, @num:	Its pieces
 * @body, @tail:	The secret begins with piece @body and ends before piece @tail
 * @sample:		Octets of the secret that are always there: those that checks look at, so
 *			that nothing appended to a secret excuses it
 */
struct vendor_seq {
	uint16_t first;
	uint16_t num;
	uint16_t body;
	uint16_t tail;
	uint16_t sample;
};

/**
 * struct vendor_rule - One family
 * @prefixes:		Public prefixes, longest first, each with its NUL, "" ends
 * @stream:		Early pattern, as vectorscan reads it
 * @stream_min, @stream_max: Width of the early pattern
 * @lead:		Octets before the early pattern in which the token may begin
 * @entropy:		Least entropy of the sample in 1/1000 bit per octet
 * @crc:		The last six characters are the CRC-32 of those between them and the prefix
 * @before, @after:	Set that must not stand there, -1 = anything may
 * @not_in:		Lower-case words that no sample contains, as @prefixes
 * @not_exact:		Lower-case words that are no secrets
 */
struct vendor_rule {
	const char *name;
	const char *title;
	const char *source;
	const char *prefixes;
	const char *stream;
	uint16_t stream_min;
	uint16_t stream_max;
	uint16_t lead;
	uint16_t seq_first;
	uint16_t seq_num;
	uint16_t entropy;
	int16_t before;
	int16_t after;
	bool crc;
	bool caseless;
	const char *not_in;
	const char *not_exact;
};

extern const struct vendor_set vendor_sets[];
extern const struct vendor_piece vendor_pieces[];
extern const struct vendor_seq vendor_seqs[];
extern const struct vendor_rule vendor_rules[];
extern const unsigned int vendor_num_rules;
/* SHA-256 of vendor.rules and its generator */
extern const char vendor_rules_digest[];
/* n * log2(n) in 1/1000 bit */
#define VENDOR_SAMPLE_MAX 64
extern const uint32_t vendor_nlogn[VENDOR_SAMPLE_MAX + 1];

#define VENDOR_HS_FLAGS HS_FLAG_DOTALL

/* Length of the longest public prefix of @rule that @s begins with, 0 = none */
size_t vendor_prefix_len(const struct vendor_rule *rule, struct bb_span s);
#endif
