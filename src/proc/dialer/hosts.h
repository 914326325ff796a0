/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_HOSTS_H
#define BB_PROC_DIALER_HOSTS_H
#include "policy/policy.h"

/**
 * DOC: hosts - the host's hosts file, read once
 *
 * Layer:     proc/dialer
 * Used by:   dialer, before it asks a resolver (as nsswitch "files dns" does)
 * Trust:     the operator's file; lines that do not parse are skipped, as resolvers do. What it
 *            yields is judged like any resolved address
 * Ownership: hosts_release() frees the entries
 * Limits:    HOSTS_MAX (address, name) pairs; the rest is ignored
 * Source:    hosts(5), RFC 6761 section 6.3 (localhost)
 */
#define HOSTS_MAX 65536

struct hosts_entry {
	struct ip_addr addr;
	char *name; /* lower case, owned */
};

struct hosts {
	size_t n;
	size_t alloc;
	struct hosts_entry *entries;
};

/** hosts_parse() - Fill an empty @h from the text of a file. Return: 0 or -ENOMEM (@h is empty) */
BB_MUST_USE int hosts_parse(struct hosts *h, struct bb_span text);

/**
 * hosts_find() - Addresses of a name, in the order of the file
 * @name:	Normalised
 * @out:	Room for @max
 *
 * "localhost" and names below it are 127.0.0.1 and ::1 when the file has nothing else.
 *
 * Return: how many
 */
size_t hosts_find(const struct hosts *h, const char *name, struct ip_addr *out, size_t max);

void hosts_release(struct hosts *h);
#endif
