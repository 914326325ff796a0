/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/dns_filter.h"
#include "policy/name.h"
#include <assert.h>

/*
 * Theory of operation
 *
 * One open-addressing table holds every name we know: those of the policy, the bases of wildcard
 * routes, and names below such a base that the guest asked for. A name is hashed from its end, so
 * that one pass over it yields the hash of each of its parents: listed below a wildcard means that
 * one of them is an entry with DNS_FILTER_WILDCARD. That a name was once seen grants nothing; each
 * question looks for the wildcard again.
 */
static_assert(POLICY_NAME_MAX == DNS_NAME_TEXT_MAX, "names of policy and wire have the same size");
static_assert(DNS_FILTER_NAMES <= UINT16_MAX - 1, "an index fits a slot");
static_assert(2 * POLICY_ROUTES_MAX + POLICY_TCP_MAX <= DNS_FILTER_NAMES,
	      "every name of a policy has an entry");

#define SYNTHETIC_BASE 0xc6120000u /* 198.18.0.0; entry 0 is 198.18.0.1 */
#define WINDOW_MS      60000u

static uint64_t hash_octet(uint64_t h, char c)
{
	h = (h ^ (uint8_t)c) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t hash_begin(const struct dns_filter *f)
{
	return f->key ^ 0xcbf29ce484222325u;
}

static uint64_t hash_name(const struct dns_filter *f, const char *name)
{
	uint64_t h = hash_begin(f);

	for (size_t i = strlen(name); i-- > 0;)
		h = hash_octet(h, name[i]);
	return h;
}

/* The slot of @name, or the empty slot where it belongs */
static uint32_t find_slot(const struct dns_filter *f, const char *name, uint64_t hash)
{
	uint32_t at = (uint32_t)(hash >> 32) % DNS_FILTER_SLOTS;

	while (f->slots[at]) {
		const struct dns_filter_name *e = &f->names[f->slots[at] - 1];

		if (e->hash == (uint32_t)hash && strcmp(e->name, name) == 0)
			break;
		at = (at + 1) % DNS_FILTER_SLOTS;
	}
	return at;
}

static struct dns_filter_name *find(struct dns_filter *f, const char *name, uint64_t hash)
{
	uint32_t at = find_slot(f, name, hash);

	return f->slots[at] ? &f->names[f->slots[at] - 1] : NULL;
}

/* The entry of @name, made when there is none. Return: NULL when the table is full */
static struct dns_filter_name *enter(struct dns_filter *f, const char *name, uint64_t hash,
				     uint8_t flags)
{
	uint32_t at = find_slot(f, name, hash);
	struct dns_filter_name *e;

	if (!f->slots[at]) {
		if (f->n == DNS_FILTER_NAMES)
			return NULL;
		e = &f->names[f->n++];
		e->hash = (uint32_t)hash;
		memcpy(e->name, name, strlen(name) + 1);
		f->slots[at] = (uint16_t)f->n;
	}
	e = &f->names[f->slots[at] - 1];
	e->flags |= flags;
	return e;
}

static void enter_listed(struct dns_filter *f, const char *name, uint8_t flags)
{
	BB_BUG_ON(!enter(f, name, hash_name(f, name), flags));
}

/* The listed names of @policy. @fn: what to do with each. Return: false as soon as it does */
static bool each_listed(struct dns_filter *f, const struct policy *policy,
			bool (*fn)(struct dns_filter *f, const char *name, uint8_t flags))
{
	for (size_t i = 0; i < policy->n_routes; i++) {
		const struct policy_route *r = &policy->routes[i];

		if (r->host[0] &&
		    !fn(f, r->host, r->wildcard ? DNS_FILTER_WILDCARD : DNS_FILTER_EXACT))
			return false;
	}
	for (size_t i = 0; i < policy->n_tcp; i++) {
		if (policy->tcp[i].host[0] &&
		    !fn(f, policy->tcp[i].host, DNS_FILTER_EXACT | DNS_FILTER_TCP))
			return false;
	}
	return true;
}

static bool reserve(struct dns_filter *f, const char *name, uint8_t flags)
{
	(void)flags;
	return enter(f, name, hash_name(f, name), 0) != NULL;
}

static bool list(struct dns_filter *f, const char *name, uint8_t flags)
{
	enter_listed(f, name, flags);
	return true;
}

bool dns_filter_reserve(struct dns_filter *f, const struct policy *policy)
{
	return each_listed(f, policy, reserve);
}

void dns_filter_init(struct dns_filter *f, const struct policy *policy, uint64_t key)
{
	BB_BUG_ON(policy->n_routes > POLICY_ROUTES_MAX || policy->n_tcp > POLICY_TCP_MAX);
	f->key = key;
	f->forward = policy->dns_forward;
	(void)each_listed(f, policy, list);
}

/* Is one of the name's parents a wildcard's base? @ret_hash is that of the whole name */
static bool below_wildcard(struct dns_filter *f, const char *name, uint64_t *ret_hash)
{
	uint64_t h = hash_begin(f);
	bool below = false;

	for (size_t i = strlen(name); i-- > 0;) {
		if (name[i] == '.' && !below) {
			const struct dns_filter_name *e = find(f, name + i + 1, h);

			below = e && (e->flags & DNS_FILTER_WILDCARD);
		}
		h = hash_octet(h, name[i]);
	}
	*ret_hash = h;
	return below;
}

void dns_filter_relist(struct dns_filter *f, const struct policy *policy)
{
	uint64_t hash;

	f->forward = policy->dns_forward;
	for (uint32_t i = 0; i < f->n; i++)
		f->names[i].flags &= DNS_FILTER_SEEN;
	(void)each_listed(f, policy, list);
	for (uint32_t i = 0; i < f->n; i++) {
		if (!below_wildcard(f, f->names[i].name, &hash))
			f->names[i].flags &= (uint8_t)~DNS_FILTER_SEEN;
	}
}

static bool may_enter(struct dns_filter *f, uint64_t now_ms)
{
	if (now_ms - f->window_ms >= WINDOW_MS) {
		f->window_ms = now_ms;
		f->window_new = 0;
	}
	if (f->window_new >= DNS_FILTER_NEW_PER_MINUTE)
		return false;
	f->window_new++;
	return true;
}

static struct ip_addr synthetic(const struct dns_filter *f, const struct dns_filter_name *e)
{
	struct ip_addr a = { .family = 4 };

	bb_put_be32(a.a, SYNTHETIC_BASE + 1 + (uint32_t)(e - f->names));
	return a;
}

static void decide(struct dns_decision *d, enum policy_reason reason, enum dns_action action)
{
	d->verdict = reason == REASON_SYNTHETIC || reason == REASON_FORWARDED ? POLICY_ALLOW
									      : POLICY_DENY;
	d->reason = reason;
	d->action = action;
}

/* The name is not listed; it may be the reverse name of an address that we gave out */
static void judge_unlisted(struct dns_filter *f, const char *name, uint16_t qtype,
			   struct dns_decision *d)
{
	struct ip_addr addr;

	decide(d, REASON_NOT_LISTED, DNS_ACTION_NXDOMAIN);
	if (!name_reverse_parse(name, &addr))
		return;
	d->name = dns_filter_name_of(f, &addr);
	if (d->name)
		decide(d, REASON_SYNTHETIC,
		       qtype == DNS_TYPE_PTR ? DNS_ACTION_POINTER : DNS_ACTION_NODATA);
}

/* A question for the address of a listed name, @e when it has an entry already */
static void judge_address(struct dns_filter *f, struct dns_filter_name *e, const char *name,
			  uint64_t hash, uint64_t now_ms, struct dns_decision *d)
{
	if (!e || !(e->flags & (DNS_FILTER_EXACT | DNS_FILTER_SEEN)))
		e = may_enter(f, now_ms) ? enter(f, name, hash, DNS_FILTER_SEEN) : NULL;
	if (!e) {
		decide(d, REASON_LIMIT, DNS_ACTION_SERVFAIL);
		return;
	}
	if (f->forward && !(e->flags & DNS_FILTER_TCP)) {
		decide(d, REASON_FORWARDED, DNS_ACTION_FORWARD);
		return;
	}
	decide(d, REASON_SYNTHETIC, DNS_ACTION_ADDRESS);
	d->addr = synthetic(f, e);
}

/* Types that lead to an address; the others have no answer here in any mode */
static bool is_address_type(const struct dns_filter *f, const struct dns_filter_name *e,
			    uint16_t qtype)
{
	if (qtype == DNS_TYPE_A)
		return true;
	return f->forward && !(e && (e->flags & DNS_FILTER_TCP)) && dns_type_is_forwarded(qtype);
}

void dns_filter_judge(struct dns_filter *f, const char *name, uint16_t qtype, uint64_t now_ms,
		      struct dns_decision *ret)
{
	uint64_t hash;
	bool below = below_wildcard(f, name, &hash);
	struct dns_filter_name *e = find(f, name, hash);

	*ret = (struct dns_decision){ 0 };
	if (!below && !(e && (e->flags & DNS_FILTER_EXACT))) {
		judge_unlisted(f, name, qtype, ret);
		return;
	}
	/* Zone transfers, the mail meta types and ANY ask for more than one thing */
	if (qtype == DNS_TYPE_NULL || (qtype >= DNS_TYPE_IXFR && qtype <= DNS_TYPE_ANY))
		decide(ret, REASON_QTYPE, DNS_ACTION_REFUSED);
	else if (is_address_type(f, e, qtype))
		judge_address(f, e, name, hash, now_ms, ret);
	else
		decide(ret, REASON_SYNTHETIC, DNS_ACTION_NODATA);
}

/* The reply that says @o->decision */
static size_t reply(struct dns_outcome *o, uint8_t *out)
{
	static const enum dns_rcode rcodes[] = {
		[DNS_ACTION_NXDOMAIN] = DNS_RCODE_NXDOMAIN,
		[DNS_ACTION_NODATA] = DNS_RCODE_NOERROR,
		[DNS_ACTION_ADDRESS] = DNS_RCODE_NOERROR,
		[DNS_ACTION_POINTER] = DNS_RCODE_NOERROR,
		[DNS_ACTION_REFUSED] = DNS_RCODE_REFUSED,
		[DNS_ACTION_SERVFAIL] = DNS_RCODE_SERVFAIL,
		[DNS_ACTION_FORWARD] = DNS_RCODE_NOERROR,
	};
	static_assert(BB_ARRAY_LEN(rcodes) == DNS_NUM_ACTIONS, "rcodes[]");

	o->rcode = rcodes[o->decision.action];
	switch (o->decision.action) {
	case DNS_ACTION_NXDOMAIN:
	case DNS_ACTION_NODATA:
		return dns_reply_negative(&o->query, o->rcode, out);
	case DNS_ACTION_ADDRESS:
		return dns_reply_a(&o->query, o->decision.addr.a, out);
	case DNS_ACTION_POINTER:
		return dns_reply_ptr(&o->query, o->decision.name, out);
	case DNS_ACTION_REFUSED:
	case DNS_ACTION_SERVFAIL:
		return dns_reply_error(&o->query, o->rcode, out);
	case DNS_ACTION_FORWARD:
		return 0;
	case DNS_NUM_ACTIONS:
		break;
	}
	BB_BUG_ON(true);
	return 0;
}

size_t dns_filter_answer(struct dns_filter *f, struct bb_span msg, uint64_t now_ms,
			 uint8_t out[static DNS_REPLY_MAX], struct dns_outcome *ret)
{
	ret->result = dns_query_read(msg, &ret->query);
	if (ret->result == DNS_QUERY_OK) {
		dns_filter_judge(f, ret->query.name, ret->query.qtype, now_ms, &ret->decision);
		return reply(ret, out);
	}
	ret->decision = (struct dns_decision){ 0 };
	decide(&ret->decision, REASON_MALFORMED, DNS_ACTION_REFUSED);
	if (ret->result == DNS_QUERY_DROP) {
		ret->rcode = DNS_RCODE_FORMERR;
		return 0;
	}
	ret->rcode = dns_query_rcode(ret->result);
	return dns_reply_error(&ret->query, ret->rcode, out);
}

bool dns_filter_is_synthetic(const struct ip_addr *canonical)
{
	return canonical->family == 4 &&
	       (bb_get_be32(canonical->a) & 0xfffe0000u) == SYNTHETIC_BASE;
}

const char *dns_filter_name_of(const struct dns_filter *f, const struct ip_addr *canonical)
{
	uint32_t index;

	if (!dns_filter_is_synthetic(canonical))
		return NULL;
	/* .0 wraps to a number past every entry */
	index = bb_get_be32(canonical->a) - SYNTHETIC_BASE - 1;
	if (index >= f->n || !(f->names[index].flags & (DNS_FILTER_EXACT | DNS_FILTER_SEEN)))
		return NULL;
	return f->names[index].name;
}
