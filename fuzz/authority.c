/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/authority.h"
#include <stdio.h>

/*
 * Invariants: a name that comes out is printable, non-empty and comes out of itself again; failure
 * changes nothing.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct authority a = { .name = "unchanged", .port = 7 }, b = { 0 };
	struct bb_span in = { data, size }, path;
	char text[POLICY_NAME_MAX + 8];
	uint16_t port;
	bool tls;

	if (authority_parse(in, &a) != REASON_OK) {
		check(strcmp(a.name, "unchanged") == 0 && a.port == 7);
	} else {
		check(a.name[0] &&
		      strspn(a.name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(a.name));
		(void)snprintf(text, sizeof(text), a.port ? "%s:%u" : "%s", a.name, a.port);
		check(authority_parse(BB_SPAN_STR(text), &b) == REASON_OK && b.port == a.port &&
		      strcmp(a.name, b.name) == 0);
	}
	port = authority_shown(in, &path);
	check(path.len <= size &&
	      (!path.len || (path.p >= data && path.p + path.len <= data + size)));
	check(a.port == 7 || port == a.port);
	if (authority_absolute(in, &a, &tls, &path) == REASON_OK)
		check(path.p >= data && path.p + path.len == data + size);
	return 0;
}
