/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/path.h"
#include "policy/credential.h"
#include <strings.h>

/*
 * Invariants: a normalised path is no longer than what it came from, has neither controls nor
 * backslashes nor dot segments, and normalising it again does not change whether it is accepted in
 * a way that lets more through; walking a query ends and stays inside it.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_query(struct bb_span query)
{
	const uint8_t *end = query.len ? query.p + query.len : query.p;
	struct bb_span name, value;

	while (credential_next_query(&query, &name, &value)) {
		check(value.len > 0 && value.p + value.len <= end && query.p <= end);
		check(credential_parameter(name) || memchr(name.p, '%', name.len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[PATH_TEXT_MAX];
	struct bb_span query, path = path_split((struct bb_span){ data, size }, &query);
	struct path_end end = { "/x", false };
	size_t len = 0;
	bool basic;

	check(path.len + query.len <= size);
	if (path_normalise(path, out, &len)) {
		check(len <= path.len);
		for (size_t i = 0; i < len; i++)
			check((uint8_t)out[i] >= 0x20 && out[i] != 0x7f && out[i] != '\\');
		check(!memmem(out, len, "/../", 4) && !memmem(out, len, "/./", 3));
	}
	len = path_bare(path, out, &end, 1);
	check(end.hit || len < 2 || strncasecmp(out + len - 2, "/x", 2) != 0);
	check(len <= path.len + 1 && (len == 0 || (out[0] == '/' && out[len - 1] != '/')));
	for (size_t i = 0; i < len; i++)
		check((uint8_t)out[i] > 0x20 && out[i] != 0x7f && out[i] != '\\' &&
		      !strchr(";?#", out[i]));
	check(!memmem(out, len, "//", 2) && !memmem(out, len, "/../", 4) &&
	      !memmem(out, len, "/./", 3));
	check_query(query);
	path = credential_value((struct bb_span){ data, size }, &basic);
	check(path.len <= size);
	check(path.len == 0 || (path.p >= data && path.p + path.len <= data + size));
	(void)credential_is_signature((struct bb_span){ data, size });
	return 0;
}
