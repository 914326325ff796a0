/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/dns_filter.h"

static struct policy_route routes[] = {
	{ .host = "a.test" },
	{ .host = "w.test", .wildcard = true },
};
static const struct policy policy = { .n_routes = 2, .routes = routes };

/* Has @name the suffix ".w.test" with something before it, or is it "a.test"? */
static bool is_listed(const char *name)
{
	size_t len = strlen(name);

	return strcmp(name, "a.test") == 0 || (len > 7 && strcmp(name + len - 7, ".w.test") == 0);
}

/*
 * Invariants: a reply is a reply to the query, within its bounds, with the question repeated; a
 * name that is not listed gets NXDOMAIN; only a listed name or its reverse gets an answer.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_filter f;
	static uint64_t now_ms;
	uint8_t out[DNS_REPLY_MAX];
	struct dns_outcome o;
	size_t n;

	if (!f.n || f.n > DNS_FILTER_NAMES / 2) {
		memset(&f, 0, sizeof(f));
		dns_filter_init(&f, &policy, 42);
	}
	n = dns_filter_answer(&f, (struct bb_span){ data, size }, now_ms += 100, out, &o);
	if (n == 0) {
		BB_BUG_ON(o.result != DNS_QUERY_DROP || (size >= 12 && !(data[2] & 0x80)));
		return 0;
	}
	BB_BUG_ON(n < DNS_HDR_BYTES || n > DNS_REPLY_MAX || memcmp(out, data, 2) != 0);
	BB_BUG_ON(!(out[2] & 0x80) || (out[3] & 0xf) != ((unsigned int)o.rcode & 0xf));
	BB_BUG_ON(o.query.question.len && memcmp(out + 12, data + 12, o.query.question.len) != 0);
	if (o.result != DNS_QUERY_OK) {
		BB_BUG_ON(o.rcode == DNS_RCODE_NOERROR || o.decision.verdict != POLICY_DENY);
		return 0;
	}
	if (o.rcode == DNS_RCODE_NOERROR && !is_listed(o.query.name))
		BB_BUG_ON(!strstr(o.query.name, ".18.198.in-addr.arpa"));
	if (o.rcode == DNS_RCODE_NXDOMAIN)
		BB_BUG_ON(is_listed(o.query.name));
	if (o.decision.action == DNS_ACTION_ADDRESS)
		BB_BUG_ON(strcmp(dns_filter_name_of(&f, &o.decision.addr), o.query.name) != 0);
	return 0;
}
