/* SPDX-License-Identifier: Apache-2.0 */
#include "state/audit_chain.h"

/*
 * Invariants: a line with the member added verifies, and goes on where the adding did; with any one
 * octet changed it does not, or is no record any more; what is no record changes nothing.
 */
static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct audit_chain begin;
	struct audit_chain written, seen, before;
	bb_auto_buf struct bb_buf line;
	struct bb_span text = { data, size };
	enum audit_link link;

	bb_buf_init(&line, 1u << 17);
	if (!begin.at[0])
		check(audit_chain_begin(&begin, "demo-a1b2c") == 0);
	if (size < 2)
		return 0;
	seen = before = begin;
	link = audit_chain_check(&seen, text);
	check(link == AUDIT_LINK_NONE ? memcmp(&seen, &before, sizeof(seen)) == 0
				      : seen.records == before.records + 1);
	written = seen = begin;
	if (bb_buf_add(&line, data + 1, size - 1) < 0 || audit_chain_add(&written, &line) < 0)
		return 0;
	if (line.p[line.len - 1] == '\n')
		line.len--;
	check(audit_chain_check(&seen, bb_buf_span(&line)) == AUDIT_LINK_OK);
	check(memcmp(&seen, &written, sizeof(seen)) == 0);
	line.p[data[0] % line.len] ^= 1;
	seen = begin;
	check(audit_chain_check(&seen, bb_buf_span(&line)) != AUDIT_LINK_OK);
	return 0;
}
