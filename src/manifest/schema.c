/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/bottle.h"
#include "policy/authority.h"
#include <ctype.h>
#include <idn2.h>
#include <libpsl.h>
#include <stdio.h>

static const char *kind_name(const struct tree *n)
{
	if (tree_is_null(n))
		return "nothing";
	return n->kind == TREE_MAP ? "a map" : n->kind == TREE_SEQ ? "a list" : "a value";
}

/* What a map or a list looks like, and what else may stand in its place */
static const struct {
	const char *what, *example;
} examples[] = {
	{ "env", " such as {NAME: text}" },
	{ "agent_provider", " such as {template: claude}" },
	{ "resources", " such as {memory: 4GiB}" },
	{ "a route", " such as {host: api.example.com}" },
	{ "a tcp rule", " such as {cidr: 192.0.2.10/32, port: 5432}" },
	{ "auth", " such as {scheme: Bearer, token_ref: VARIABLE}" },
	{ "a match", " such as {methods: [GET]}" },
	{ "a path", " such as {value: /v1/}" },
	{ "a header", " such as {name: Accept, value: text/html}" },
	{ "git", " such as {fetch: true}" },
	{ "dlp", " such as {outbound_on_match: block}, or false" },
	{ "inbound_detectors", " such as [naive_injection_detection], or false" },
	{ "outbound_detectors", " such as [known_secrets], or false" },
	{ "routes", " such as [{host: api.example.com}]" },
	{ "tcp", " such as [{cidr: 192.0.2.10/32, port: 5432}]" },
	{ "addresses", " such as [10.0.0.0/8]" },
	{ "minted_by", " such as [cdn.example.com]" },
	{ "to", " such as [api.example.com]" },
	{ "matches", " such as [{methods: [GET]}]" },
	{ "methods", " such as [GET, HEAD]" },
	{ "paths", " such as [{value: /v1/}]" },
	{ "headers", " such as [{name: Accept, value: text/html}]" },
};

static const char *example_of(const char *what)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(examples); i++) {
		if (strcmp(what, examples[i].what) == 0)
			return examples[i].example;
	}
	return "";
}

/* "host:a.example" is a text for YAML. Return: octets before its colon, or 0 */
static int glued_key(const struct tree *n)
{
	size_t word = n->kind == TREE_SCALAR && n->plain
			      ? strspn(n->text, "abcdefghijklmnopqrstuvwxyz"
						"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
			      : 0;

	return word && n->text[word] == ':' && n->text[word + 1] && n->text[word + 1] != '/'
		       ? (int)word
		       : 0;
}

bool schema_is_map(const struct tree *n, const char *what, struct diag *diag)
{
	int glued = glued_key(n);

	if (n->kind == TREE_MAP)
		return true;
	if (glued)
		diag_add(diag, n->at,
			 "%s is a value; a key ends with a colon and a space: `%.*s: …`", what,
			 glued, n->text);
	else
		diag_add(diag, n->at, "%s is %s; it has to be a map%s", what, kind_name(n),
			 example_of(what));
	return false;
}

bool schema_is_seq(const struct tree *n, const char *what, struct diag *diag)
{
	if (n->kind == TREE_SEQ)
		return true;
	diag_add(diag, n->at, "%s is %s; it has to be a list%s", what, kind_name(n),
		 example_of(what));
	return false;
}

const char *schema_text(const struct tree *n, const char *what, struct diag *diag)
{
	if (n->kind == TREE_SCALAR && !tree_is_null(n) && *n->text)
		return n->text;
	diag_add(diag, n->at, "%s is %s; it has to be a text", what,
		 n->kind == TREE_SCALAR ? "empty" : kind_name(n));
	return NULL;
}

int schema_bool(const struct tree *n, const char *what, struct diag *diag)
{
	if (n->kind == TREE_SCALAR && n->plain && strcmp(n->text, "true") == 0)
		return 1;
	if (n->kind == TREE_SCALAR && n->plain && strcmp(n->text, "false") == 0)
		return 0;
	diag_add(diag, n->at, "%s has to be true or false", what);
	return -1;
}

static bool parse_decimal(const char *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	*ret = v;
	return true;
}

bool schema_number(const struct tree *n, const char *what, uint64_t min, uint64_t max,
		   uint64_t *ret, struct diag *diag)
{
	uint64_t v;

	if (n->kind == TREE_SCALAR && n->plain && parse_decimal(n->text, strlen(n->text), &v) &&
	    v >= min && v <= max) {
		*ret = v;
		return true;
	}
	diag_add(diag, n->at, "%s has to be a number from %llu to %llu", what,
		 (unsigned long long)min, (unsigned long long)max);
	return false;
}

bool schema_bytes(const struct tree *n, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
		  struct diag *diag)
{
	static const struct {
		const char *unit;
		unsigned int shift;
	} units[] = { { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 }, { "", 0 } };
	size_t digits = n->kind == TREE_SCALAR ? strspn(n->text, "0123456789") : 0;
	uint64_t v;

	for (size_t i = 0; digits && i < BB_ARRAY_LEN(units); i++) {
		if (strcmp(n->text + digits, units[i].unit) != 0 ||
		    !parse_decimal(n->text, digits, &v) || v > max >> units[i].shift)
			continue;
		v <<= units[i].shift;
		if (v < min)
			break;
		*ret = v;
		return true;
	}
	diag_add(diag, n->at, "%s has to be a size such as 512MiB or 4GiB, from %llu%s to %lluGiB",
		 what, (unsigned long long)(min >> 20 ? min >> 20 : min), min >> 20 ? "MiB" : "",
		 (unsigned long long)(max >> 30));
	return false;
}

static void join_words(const char *const *words, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; words[i] && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", words[i]);
}

int schema_one_of(const struct tree *n, const char *what, const char *const *words,
		  struct diag *diag)
{
	char list[256];

	for (int i = 0; n->kind == TREE_SCALAR && words[i]; i++) {
		if (strcmp(n->text, words[i]) == 0)
			return i;
	}
	join_words(words, list, sizeof(list));
	diag_add(diag, n->at, "%s is '%.60s'; allowed are: %s", what,
		 n->kind == TREE_SCALAR ? n->text : kind_name(n), list);
	return -1;
}

/* Keys of older formats, and what replaces them */
static const struct {
	const char *key;
	const char *instead;
} replaced[] = {
	{ "role", "agents are files in ~/.bot-bottle/agents" },
	{ "path_allowlist", "use egress.routes with matches" },
	{ "pipelock", "use egress.routes with dlp" },
	{ "git", "use git-gate (repositories) or a route's git" },
	{ "runtime", "use --backend or backend in config.yaml" },
	{ "cred_proxy", "use a route's auth" },
	{ "tokens", "use a route's auth" },
	{ "ssh", "use git-gate.repos" },
};

/* Keys that often lose their indentation, and the map that they belong to */
static const struct {
	const char *key, *map;
} inner[] = {
	{ "routes", "egress" },
	{ "tcp", "egress" },
	{ "dns", "egress" },
	{ "transparent", "egress" },
	{ "host", "egress.routes" },
	{ "memory", "resources" },
	{ "cpus", "resources" },
	{ "disk", "resources" },
	{ "pids", "resources" },
	{ "template", "agent_provider" },
	{ "dockerfile", "agent_provider" },
	{ "auth_token", "agent_provider" },
	{ "forward_host_credentials", "agent_provider" },
	{ "repos", "git-gate" },
	{ "token_ref", "auth" },
	{ "scheme", "auth" },
	{ "paths", "matches" },
	{ "methods", "matches" },
	{ "headers", "matches" },
	{ "request_bytes", "limits" },
	{ "requests_per_minute", "limits" },
	{ "upload_per_session", "limits" },
	{ "outbound_detectors", "dlp" },
	{ "outbound_on_match", "dlp" },
};

static void complain_unknown(const struct tree *c, const char *what, const char *const *words,
			     struct diag *diag)
{
	const char *near = diag_near(c->key, words);
	char list[400];

	for (size_t i = 0; i < BB_ARRAY_LEN(replaced); i++) {
		if (strcmp(c->key, replaced[i].key) == 0) {
			diag_add(diag, c->key_at, "%s: '%.60s' is no longer a key; %s", what,
				 c->key, replaced[i].instead);
			return;
		}
	}
	for (size_t i = 0; i < BB_ARRAY_LEN(inner); i++) {
		if (strcmp(c->key, inner[i].key) == 0) {
			diag_add(diag, c->key_at,
				 "%s: unknown key '%.60s'; it goes into `%s`, indented below it",
				 what, c->key, inner[i].map);
			return;
		}
	}
	join_words(words, list, sizeof(list));
	if (near)
		diag_add(diag, c->key_at, "%s: unknown key '%.60s' (did you mean '%s'?)", what,
			 c->key, near);
	else
		diag_add(diag, c->key_at, "%s: unknown key '%.60s'; allowed are: %s", what, c->key,
			 list);
}

void schema_keys(const struct tree *map, const char *what, const char *const *words,
		 struct diag *diag)
{
	for (const struct tree *c = map->first; c; c = c->next) {
		bool known = false;

		for (size_t i = 0; words[i] && !known; i++)
			known = strcmp(c->key, words[i]) == 0;
		if (!known)
			complain_unknown(c, what, words, diag);
	}
}

char *schema_path(const struct tree *n, const char *what, bool is_file, struct diag *diag)
{
	const char *text = n->text, *slash = strrchr(n->at.file, '/');
	bool relative = strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0;
	char *path = NULL;

	if (text[0] == '~' || text[0] == '$') {
		diag_add(diag, n->at,
			 "%s: '%.60s': ~ and variables stay as they are; write /…, or ./… beside "
			 "this file",
			 what, text);
		return NULL;
	}
	if (!slash || text[0] == '/' || (!relative && !is_file))
		return strdup(text);
	if (asprintf(&path, "%.*s/%s", (int)(slash - n->at.file), n->at.file, text) < 0)
		return NULL;
	return path;
}

bool schema_is_variable(const char *s)
{
	const char *c = s;

	while (isalnum((unsigned char)*c) || *c == '_')
		c++;
	return *s && !isdigit((unsigned char)*s) && !*c;
}

const char *schema_variable(const struct tree *n, const char *what, struct diag *diag)
{
	const char *s = schema_text(n, what, diag);

	if (!s || schema_is_variable(s))
		return s;
	/* not what stands there: it may be the secret itself */
	diag_add(diag, n->at, "%s has to be the name of a variable: letters, digits and _%s", what,
		 *s == '$' ? "; without $ and {}" : "");
	return NULL;
}

static bool has_high_octet(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s >= 0x80)
			return true;
	}
	return false;
}

static void complain_u_label(const struct tree *n, const char *host, struct diag *diag)
{
	char *ascii = NULL;

	if (idn2_to_ascii_8z(host, &ascii, IDN2_NONTRANSITIONAL) == IDN2_OK)
		diag_add(diag, n->at, "host: write the ASCII form of this name: %.200s", ascii);
	else
		diag_add(diag, n->at, "host: not a host name; ASCII only");
	idn2_free(ascii);
}

/* A URL, or a name with a port or a path. Return: false when there is no name in it, either */
static bool complain_more_than_name(const struct tree *n, const char *s, struct diag *diag)
{
	const char *colon = strstr(s, "://"), *name = colon ? colon + 3 : s;
	char host[POLICY_NAME_MAX];
	size_t len = strcspn(name, ":/?#"), wild = strncmp(name, "*.", 2) == 0 ? 2 : 0;

	if (len < wild || !strpbrk(s, ":/?#") ||
	    authority_name((struct bb_span){ (const uint8_t *)name + wild, len - wild }, host) !=
		    REASON_OK)
		return false;
	diag_add(diag, n->at,
		 "host: '%.100s' is more than a name: write %s%.100s; a port goes into `port:`, a "
		 "path into `matches:`",
		 s, wild ? "*." : "", host);
	return true;
}

bool schema_host(const struct tree *n, bool wildcard_ok, char ret[static POLICY_NAME_MAX],
		 bool *ret_wildcard, struct diag *diag)
{
	const char *s = schema_text(n, "host", diag), *name = s;
	enum policy_reason r;

	if (!s)
		return false;
	*ret_wildcard = wildcard_ok && strncmp(s, "*.", 2) == 0;
	if (*ret_wildcard)
		name += 2;
	if (has_high_octet(name)) {
		complain_u_label(n, name, diag);
		return false;
	}
	r = authority_name(BB_SPAN_STR(name), ret);
	if (r != REASON_OK && complain_more_than_name(n, s, diag))
		return false;
	if (r == REASON_IP_LITERAL) {
		diag_add(diag, n->at, "host: '%.60s' is an address; use egress.tcp with cidr", s);
	} else if (r != REASON_OK) {
		diag_add(diag, n->at,
			 "host: '%.100s' is not a host name; allowed are api.example.com%s", s,
			 wildcard_ok ? " and *.example.com" : "");
	} else if (*ret_wildcard && psl_is_public_suffix(psl_builtin(), ret)) {
		diag_add(diag, n->at,
			 "host: %.100s would match everybody's names below the public "
			 "suffix %.100s",
			 s, ret);
		r = REASON_BAD_NAME;
	}
	return r == REASON_OK;
}

/* A name or a literal, [v6] or v4, and a port. Return: false when it is neither */
static bool parse_server(struct bb_span text, struct policy_upstream *up)
{
	struct authority a = { 0 };
	const char *s = (const char *)text.p, *after;
	struct ip_addr addr;
	bool six = text.len && s[0] == '[';
	size_t host_len;
	uint64_t port;

	if (authority_parse(text, &a) == REASON_OK) {
		memcpy(up->host, a.name, sizeof(up->host));
		up->port = a.port ? a.port : up->port;
		return true;
	}
	host_len = six ? strcspn(s, "]/") - 1 : strcspn(s, ":/");
	after = s + host_len + (six ? 2 : 0);
	if (host_len >= sizeof(up->host) || after > s + text.len)
		return false;
	(void)snprintf(up->host, sizeof(up->host), "%.*s", (int)host_len, s + six);
	if (!ip_addr_parse(up->host, &addr) || (addr.family == 6) != six)
		return false;
	if (after == s + text.len)
		return true;
	if (*after != ':' || !parse_decimal(after + 1, text.len - (size_t)(after + 1 - s), &port) ||
	    port < 1 || port > 65535)
		return false;
	up->port = (uint16_t)port;
	return true;
}

bool schema_server(const struct tree *n, const char *what, bool tls_ok, struct policy_upstream *ret,
		   struct diag *diag)
{
	const char *s = schema_text(n, what, diag), *rest;
	struct policy_upstream up = { 0 };
	size_t len;

	if (!s)
		return false;
	up.tls = tls_ok && strncmp(s, "https://", 8) == 0;
	if (!up.tls && strncmp(s, "http://", 7) != 0) {
		diag_add(diag, n->at, "%s: http://HOST:PORT%s", what,
			 tls_ok ? " or https://HOST:PORT" : "; TLS to it is not built");
		return false;
	}
	rest = s + (up.tls ? 8 : 7);
	len = strcspn(rest, "/");
	if (rest[len] && rest[len + 1]) {
		diag_add(diag, n->at, "%s: no path; paths come from the request", what);
		return false;
	}
	up.port = up.tls ? 443 : 80;
	if (memchr(rest, '@', len)) {
		diag_add(diag, n->at, "%s: no user and password in it", what);
		return false;
	}
	if (!parse_server((struct bb_span){ (const uint8_t *)rest, len }, &up)) {
		diag_add(diag, n->at, "%s: '%.100s' has no usable host and port", what, s);
		return false;
	}
	*ret = up;
	return true;
}

void schema_not_built(struct bottle *b, const struct tree *n, const char *key)
{
	(void)json_array_append_new(b->not_built,
				    json_sprintf("%s:%u:%u: %s is not built yet", n->key_at.file,
						 n->key_at.line, n->key_at.column, key));
}
