/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/policy_json.h"
#include "base/io.h"
#include "ipc/content_json.h"
#include <errno.h>

#define POLICY_JSON_MAX (8u << 20)

static json_t *addr_to_json(const struct ip_addr *a)
{
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(a, text);
	return json_string(text);
}

static json_t *cidr_to_json(const struct cidr *c)
{
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(&c->addr, text);
	return json_sprintf("%s/%d", text, c->bits);
}

json_t *policy_route_to_json(const struct policy_route *r)
{
	json_t *ports = json_array(), *addresses = json_array(), *upstream = json_null();

	for (size_t i = 0; i < r->n_ports; i++)
		(void)json_array_append_new(ports, json_integer(r->ports[i]));
	for (size_t i = 0; i < r->n_addresses; i++)
		(void)json_array_append_new(addresses, cidr_to_json(&r->addresses[i]));
	if (r->upstream.host[0])
		upstream = json_pack("{s:s, s:i, s:b}", "host", r->upstream.host, "port",
				     r->upstream.port, "tls", r->upstream.tls);
	return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}", "host", r->host, "wildcard", r->wildcard,
			 "ports", ports, "upstream", upstream, "addresses", addresses, "content",
			 content_to_json(r->content));
}

json_t *policy_tcp_to_json(const struct policy_tcp *t)
{
	if (t->host[0])
		return json_pack("{s:s, s:i}", "host", t->host, "port", t->port);
	return json_pack("{s:o, s:i}", "cidr", cidr_to_json(&t->cidr), "port", t->port);
}

json_t *policy_to_json(const struct policy *p)
{
	json_t *routes = json_array(), *tcp = json_array(), *resolvers = json_array();
	json_t *proxy = json_null();

	for (size_t i = 0; i < p->n_routes; i++)
		(void)json_array_append_new(routes, policy_route_to_json(&p->routes[i]));
	for (size_t i = 0; i < p->n_tcp; i++)
		(void)json_array_append_new(tcp, policy_tcp_to_json(&p->tcp[i]));
	for (size_t i = 0; i < p->n_resolvers; i++)
		(void)json_array_append_new(resolvers, addr_to_json(&p->resolvers[i]));
	if (p->proxy.host[0])
		proxy = json_pack("{s:s, s:i}", "host", p->proxy.host, "port", p->proxy.port);
	return json_pack("{s:s, s:o, s:I, s:b, s:b, s:i, s:o, s:o, s:o, s:o}", "identity",
			 p->identity, "alias", addr_to_json(&p->alias), "generation",
			 (json_int_t)p->generation, "transparent", p->transparent, "dns_forward",
			 p->dns_forward, "log_level", p->log_level, "routes", routes, "tcp", tcp,
			 "resolvers", resolvers, "proxy", proxy);
}

/* Text of JSON into a fixed buffer */
static int get_text(const json_t *j, char *out, size_t size, const char *what, struct bb_err *err)
{
	const char *s = json_string_value(j);

	if (!s || strlen(s) >= size)
		return bb_err_set(err, -EINVAL, "policy: %s is missing or too long", what);
	memcpy(out, s, strlen(s) + 1);
	return 0;
}

static int get_port(const json_t *j, uint16_t *ret, struct bb_err *err)
{
	json_int_t v = json_integer_value(j);

	if (!json_is_integer(j) || v < 1 || v > 65535)
		return bb_err_set(err, -EINVAL, "policy: bad port");
	*ret = (uint16_t)v;
	return 0;
}

static int get_cidr(const json_t *j, struct cidr *ret, struct bb_err *err)
{
	const char *s = json_string_value(j);

	if (!s || !cidr_parse(s, ret))
		return bb_err_set(err, -EINVAL, "policy: bad range");
	return 0;
}

static int get_addr(const json_t *j, struct ip_addr *ret, struct bb_err *err)
{
	const char *s = json_string_value(j);

	if (!s || !ip_addr_parse(s, ret))
		return bb_err_set(err, -EINVAL, "policy: bad address");
	return 0;
}

static int get_upstream(const json_t *j, struct policy_upstream *ret, struct bb_err *err)
{
	int r;

	if (json_is_null(j))
		return 0;
	if (!json_is_object(j) || json_object_size(j) != 3 || !json_object_get(j, "tls"))
		return bb_err_set(err, -EINVAL, "policy: bad upstream");
	r = get_text(json_object_get(j, "host"), ret->host, sizeof(ret->host), "upstream", err);
	if (r == 0)
		r = get_port(json_object_get(j, "port"), &ret->port, err);
	ret->tls = json_is_true(json_object_get(j, "tls"));
	return r;
}

static int get_route(const json_t *j, struct policy_route *ret, struct bb_err *err)
{
	const json_t *ports = json_object_get(j, "ports");
	const json_t *addresses = json_object_get(j, "addresses");
	int r;

	if (json_object_size(j) != 6 || !json_is_boolean(json_object_get(j, "wildcard")) ||
	    json_array_size(ports) < 1 || json_array_size(ports) > POLICY_PORTS_MAX ||
	    !json_is_array(addresses) || json_array_size(addresses) > POLICY_CIDRS_MAX)
		return bb_err_set(err, -EINVAL, "policy: bad route");
	ret->wildcard = json_is_true(json_object_get(j, "wildcard"));
	r = get_text(json_object_get(j, "host"), ret->host, sizeof(ret->host), "route host", err);
	if (r == 0 && !ret->host[0])
		r = bb_err_set(err, -EINVAL, "policy: empty route host");
	for (size_t i = 0; i < json_array_size(ports) && r == 0; i++)
		r = get_port(json_array_get(ports, i), &ret->ports[ret->n_ports++], err);
	for (size_t i = 0; i < json_array_size(addresses) && r == 0; i++)
		r = get_cidr(json_array_get(addresses, i), &ret->addresses[ret->n_addresses++],
			     err);
	if (r == 0)
		r = get_upstream(json_object_get(j, "upstream"), &ret->upstream, err);
	if (r == 0)
		r = content_from_json(json_object_get(j, "content"), &ret->content, err);
	return r;
}

static int get_tcp(const json_t *j, struct policy_tcp *ret, struct bb_err *err)
{
	const json_t *host = json_object_get(j, "host");
	int r;

	if (json_object_size(j) != 2)
		return bb_err_set(err, -EINVAL, "policy: bad tcp rule");
	if (host)
		r = get_text(host, ret->host, sizeof(ret->host), "tcp host", err);
	else
		r = get_cidr(json_object_get(j, "cidr"), &ret->cidr, err);
	if (r == 0 && host && !ret->host[0])
		r = bb_err_set(err, -EINVAL, "policy: empty tcp host");
	return r == 0 ? get_port(json_object_get(j, "port"), &ret->port, err) : r;
}

/* Arrays of the policy: counted, bounded, allocated once */
static int get_lists(const json_t *json, struct policy *p, struct bb_err *err)
{
	const json_t *routes = json_object_get(json, "routes"), *tcp = json_object_get(json, "tcp");
	size_t n_routes = json_array_size(routes), n_tcp = json_array_size(tcp);
	int r = 0;

	if (!json_is_array(routes) || !json_is_array(tcp) || n_routes > POLICY_ROUTES_MAX ||
	    n_tcp > POLICY_TCP_MAX)
		return bb_err_set(err, -EINVAL, "policy: bad routes or tcp rules");
	p->routes = calloc(n_routes + 1, sizeof(*p->routes));
	p->tcp = calloc(n_tcp + 1, sizeof(*p->tcp));
	if (!p->routes || !p->tcp)
		return bb_err_set(err, -ENOMEM, "policy: no memory");
	while (p->n_routes < n_routes && r == 0) {
		r = get_route(json_array_get(routes, p->n_routes), &p->routes[p->n_routes], err);
		p->n_routes++;
	}
	while (p->n_tcp < n_tcp && r == 0) {
		r = get_tcp(json_array_get(tcp, p->n_tcp), &p->tcp[p->n_tcp], err);
		p->n_tcp++;
	}
	return r;
}

static int get_proxy(const json_t *j, struct policy_proxy *ret, struct bb_err *err)
{
	int r;

	if (json_is_null(j))
		return 0;
	if (json_object_size(j) != 2)
		return bb_err_set(err, -EINVAL, "policy: bad proxy");
	r = get_text(json_object_get(j, "host"), ret->host, sizeof(ret->host), "proxy", err);
	if (r == 0 && !ret->host[0])
		r = bb_err_set(err, -EINVAL, "policy: empty proxy");
	return r == 0 ? get_port(json_object_get(j, "port"), &ret->port, err) : r;
}

static int get_resolvers(const json_t *j, struct policy *p, struct bb_err *err)
{
	int r = 0;

	if (!json_is_array(j) || json_array_size(j) > POLICY_RESOLVERS_MAX)
		return bb_err_set(err, -EINVAL, "policy: bad resolvers");
	while (p->n_resolvers < json_array_size(j) && r == 0) {
		r = get_addr(json_array_get(j, p->n_resolvers), &p->resolvers[p->n_resolvers], err);
		p->n_resolvers++;
	}
	return r;
}

int policy_from_json(const json_t *json, struct policy *ret, struct bb_err *err)
{
	policy_auto struct policy p = { 0 };
	const json_t *generation = json_object_get(json, "generation");
	const json_t *level = json_object_get(json, "log_level");
	const json_t *transparent = json_object_get(json, "transparent");
	const json_t *forward = json_object_get(json, "dns_forward");
	int r;

	if (json_object_size(json) != 10 || !json_is_integer(generation) ||
	    json_integer_value(generation) < 1 || json_integer_value(generation) > UINT32_MAX ||
	    !json_is_integer(level) || json_integer_value(level) < 0 ||
	    json_integer_value(level) > 2 || !json_is_boolean(transparent) ||
	    !json_is_boolean(forward))
		return bb_err_set(err, -EINVAL, "policy: keys missing, unknown or out of range");
	p.generation = (uint32_t)json_integer_value(generation);
	p.log_level = (uint8_t)json_integer_value(level);
	p.transparent = json_is_true(transparent);
	p.dns_forward = json_is_true(forward);
	r = get_text(json_object_get(json, "identity"), p.identity, sizeof(p.identity), "identity",
		     err);
	if (r == 0)
		r = get_addr(json_object_get(json, "alias"), &p.alias, err);
	if (r == 0)
		r = get_lists(json, &p, err);
	if (r == 0)
		r = get_resolvers(json_object_get(json, "resolvers"), &p, err);
	if (r == 0)
		r = get_proxy(json_object_get(json, "proxy"), &p.proxy, err);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct policy){ 0 };
	return 0;
}

int policy_to_memfd(const struct policy *p, struct bb_err *err)
{
	json_auto_t *json = policy_to_json(p);
	bb_auto_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (!text)
		return bb_err_set(err, -ENOMEM, "policy: no memory");
	return bb_memfd_sealed("policy", BB_SPAN_STR(text), err);
}

int policy_from_memfd(int fd, struct policy *ret, struct bb_err *err)
{
	json_auto_t *json = NULL;
	bb_auto_buf struct bb_buf buf;
	json_error_t je;
	int r;

	bb_buf_init(&buf, POLICY_JSON_MAX);
	r = bb_memfd_read(fd, &buf);
	if (r < 0)
		return bb_err_set(err, r, "policy: %s", strerror(-r));
	json = json_loadb((const char *)buf.p, buf.len, JSON_REJECT_DUPLICATES, &je);
	if (!json)
		return bb_err_set(err, -EINVAL, "policy: %s", je.text);
	return policy_from_json(json, ret, err);
}
