/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/authority.h"
#include "policy/name.h"

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Would a resolver read the last label as (part of) an IPv4 address? Digits, or 0x and hex digits:
 * 127.1, 0x7f000001, 2130706433, 1.2.3.0x4.
 */
static bool ends_in_number(const char *name)
{
	const char *last = strrchr(name, '.');
	size_t i = 0;

	last = last ? last + 1 : name;
	if (last[0] == '0' && last[1] == 'x') {
		for (i = 2; is_digit(last[i]) || (last[i] >= 'a' && last[i] <= 'f'); i++)
			;
	} else {
		while (is_digit(last[i]))
			i++;
	}
	return i > 0 && last[i] == '\0';
}

enum policy_reason authority_name(struct bb_span text, char ret[static POLICY_NAME_MAX])
{
	char name[POLICY_NAME_MAX];
	size_t label = 0;

	if (text.len && text.p[0] == '[')
		return REASON_IP_LITERAL;
	if (text.len > 1 && text.p[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > POLICY_NAME_MAX - 1)
		return REASON_BAD_NAME;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = lower(text.p[i]);

		if (c == '.') {
			if (label == 0)
				return REASON_BAD_NAME;
			label = 0;
		} else if ((c >= 'a' && c <= 'z') || is_digit((char)c) || c == '-' || c == '_') {
			if (++label > 63)
				return REASON_BAD_NAME;
		} else {
			/* ':' outside brackets: an IPv6 address without them */
			return c == ':' ? REASON_IP_LITERAL : REASON_BAD_NAME;
		}
		name[i] = (char)c;
	}
	if (label == 0)
		return REASON_BAD_NAME;
	name[text.len] = '\0';
	if (ends_in_number(name))
		return REASON_IP_LITERAL;
	memcpy(ret, name, text.len + 1);
	return REASON_OK;
}

/* 1 to 65535, no sign, no leading zero */
static bool parse_port(struct bb_span text, uint16_t *ret)
{
	uint32_t v = 0;

	if (text.len == 0 || text.len > 5 || text.p[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_digit((char)text.p[i]))
			return false;
		v = v * 10 + (uint32_t)(text.p[i] - '0');
	}
	if (v > 65535)
		return false;
	*ret = (uint16_t)v;
	return true;
}

enum policy_reason authority_parse(struct bb_span text, struct authority *ret)
{
	const uint8_t *colon = text.len ? memrchr(text.p, ':', text.len) : NULL;
	struct bb_span host = text;
	enum policy_reason r;
	uint16_t port = 0;

	if (text.len && text.p[0] == '[')
		return REASON_IP_LITERAL;
	if (colon) {
		host.len = (size_t)(colon - text.p);
		if (!parse_port((struct bb_span){ colon + 1, text.len - host.len - 1 }, &port))
			return REASON_BAD_NAME;
	}
	r = authority_name(host, ret->name);
	if (r == REASON_OK)
		ret->port = port;
	return r;
}

static bool starts_with(struct bb_span s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s.len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (lower(s.p[i]) != (uint8_t)prefix[i])
			return false;
	}
	return true;
}

enum policy_reason authority_absolute(struct bb_span target, struct authority *ret, bool *ret_tls,
				      struct bb_span *ret_path)
{
	bool tls = starts_with(target, "https://");
	size_t n = tls ? 8 : 7, end;
	enum policy_reason r;

	if (!tls && !starts_with(target, "http://"))
		return REASON_BAD_REQUEST;
	for (end = n; end < target.len && target.p[end] != '/' && target.p[end] != '?'; end++)
		;
	r = authority_parse((struct bb_span){ target.p + n, end - n }, ret);
	if (r != REASON_OK)
		return r;
	*ret_tls = tls;
	*ret_path = (struct bb_span){ target.p + end, target.len - end };
	return REASON_OK;
}

uint16_t authority_shown(struct bb_span target, struct bb_span *ret_host)
{
	const uint8_t *p = memmem(target.p, target.len, "://", 3), *colon;
	struct bb_span host = target;
	uint16_t port = 0;

	if (p)
		host = (struct bb_span){ p + 3, target.len - (size_t)(p + 3 - target.p) };
	for (size_t i = 0; i < host.len; i++) {
		if (host.p[i] == '/' || host.p[i] == '?')
			host.len = i;
	}
	*ret_host = host;
	colon = host.len ? memrchr(host.p, ':', host.len) : NULL;
	/* one colon, or that behind an address in brackets */
	if (colon &&
	    (host.p[0] == '[' ? colon[-1] == ']' : memchr(host.p, ':', host.len) == colon)) {
		ret_host->len = (size_t)(colon - host.p);
		host = (struct bb_span){ colon + 1, host.len - ret_host->len - 1 };
		return parse_port(host, &port) ? port : 0;
	}
	return starts_with(target, "https://") ? 443 : starts_with(target, "http://") ? 80 : 0;
}

bool authority_agrees(const struct authority *given, const struct authority *want)
{
	return strcmp(given->name, want->name) == 0 &&
	       (given->port == 0 || given->port == want->port);
}

/* How well @route lists @name: 0 = not at all, else the more the better */
static size_t match_quality(const struct policy_route *route, const char *name)
{
	if (!name_route_matches(route, name))
		return 0;
	return route->wildcard ? strlen(route->host) : SIZE_MAX;
}

enum policy_reason authority_route(const struct policy *policy, const char *name, uint16_t port,
				   size_t *ret_index)
{
	size_t best = 0, index = 0;
	bool best_port = false;

	for (size_t i = 0; i < policy->n_routes; i++) {
		size_t q = match_quality(&policy->routes[i], name);
		bool has = policy_route_has_port(&policy->routes[i], port);

		if (q > best || (q && q == best && has && !best_port)) {
			best = q;
			best_port = has;
			index = i;
		}
	}
	if (!best)
		return REASON_NOT_LISTED;
	if (!best_port)
		return REASON_PORT;
	*ret_index = index;
	return REASON_ROUTE;
}
