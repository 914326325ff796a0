/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_PATH_H
#define BB_POLICY_PATH_H
#include "base/base.h"

/**
 * DOC: path - a request's path as rules compare it
 *
 * A rule is compared with the path as it was sent and with its normalised form, and both have to
 * match; the path that was sent is what goes upstream. So no server that decodes once more or once
 * less than we do sees a path that no rule admits.
 *
 * Layer:     policy (pure)
 * Used by:   policy/content.c
 * Trust:     guest-controlled
 * Limits:    PATH_TEXT_MAX octets of path
 * Source:    RFC 3986 sections 2.1, 3.3 and 6.2.2
 */
#define PATH_TEXT_MAX 8192

/** path_split() - The part of an origin-form target before '?', and what follows it */
struct bb_span path_split(struct bb_span target, struct bb_span *ret_query);

/**
 * path_normalise() - Percent-decode once, leaving "%2F" (in capitals) as it is: it is no separator
 * @path:	Without query
 * @ret:	Normalised path; after false what can be decoded of it, nothing when it is too long
 *
 * Return: true; false when decoding once or twice gives a dot segment, a backslash, NUL or another
 * control octet, when an escape is broken, or when the path is too long
 */
BB_MUST_USE bool path_normalise(struct bb_span path, char ret[static PATH_TEXT_MAX],
				size_t *ret_len);

/** struct path_end - @tail: in lower case, from its '/' on; @hit: set where the path ends with it
 */
struct path_end {
	const char *tail;
	bool hit;
};

/**
 * path_bare() - A path as the most lenient server reads it: escapes undone twice, both slashes
 * alike, dot segments resolved, empty segments left out. Of a segment, what follows a ';', '?',
 *'#', a space or a control octet is cut off
 * @path:	Without query
 * @ends:	@n_ends of them. Some servers cut all of the rest off there: where the path could
 *end for anybody, its end is looked at
 *
 * For what must never pass. Return: length, each segment behind a '/'; 0 also when it is too long
 */
size_t path_bare(struct bb_span path, char ret[static PATH_TEXT_MAX], struct path_end *ends,
		 size_t n_ends);
#endif
