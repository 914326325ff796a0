/* SPDX-License-Identifier: Apache-2.0 */
/* check --url: the guard's decision about a request's head, with the guard's own code, without a VM
 */
#include "proc/cli/explain.h"
#include "policy/authority.h"
#include "policy/credential.h"
#include "policy/flow.h"
#include "policy/judge_content.h"
#include <jansson.h>

/* "NAME: value" of a --header */
struct header {
	struct bb_span name;
	struct bb_span value;
};

struct explained {
	json_t *steps;
	struct header headers[64];
	size_t n_headers;
};

static void on_step(void *arg, const char *line)
{
	struct explained *e = arg;

	(void)json_array_append_new(e->steps, json_string(line));
}

static void step(struct explained *e, json_t *text)
{
	(void)json_array_append_new(e->steps, text);
}

static bool field_at(const void *arg, size_t i, struct bb_span *ret_name, struct bb_span *ret_value)
{
	const struct explained *e = arg;

	if (i >= e->n_headers)
		return false;
	*ret_name = e->headers[i].name;
	*ret_value = e->headers[i].value;
	return true;
}

static int take_headers(const struct cli_args *args, struct explained *e)
{
	for (size_t i = 0; i < args->n_opts; i++) {
		const char *text = args->opts[i].value, *colon = strchr(text, ':'), *value;

		if (args->opts[i].id != OPT_HEADER)
			continue;
		if (!colon || colon == text || e->n_headers == BB_ARRAY_LEN(e->headers))
			return cli_error(CLI_USAGE, "--header '%s': NAME: VALUE", text);
		value = colon + 1 + strspn(colon + 1, " \t");
		e->headers[e->n_headers++] =
			(struct header){ { (const uint8_t *)text, (size_t)(colon - text) },
					 BB_SPAN_STR(value) };
	}
	return CLI_OK;
}

static void say_credentials(const struct content *c, struct explained *e)
{
	bool given = false;

	for (size_t i = 0; i < e->n_headers; i++)
		given |= credential_field(e->headers[i].name) != CREDENTIAL_NONE;
	if (c->credentials == CONTENT_PIN)
		step(e, json_sprintf("credentials: the guard puts %s in%s", c->auth.token_ref,
				     given ? "; a credential of the guest other than its "
					     "placeholder is refused"
					   : ""));
	else if (c->credentials == CONTENT_MINTED && given)
		step(e, json_string("credentials: passes only if a response of this route, or of a "
				    "host in minted_by, gave it before"));
	else if (c->credentials == CONTENT_PASS)
		step(e, json_string("credentials: whatever the guest sends passes"));
}

static void say_dlp(const struct content_dlp *d, struct explained *e)
{
	if (!d->token_patterns && !d->known_secrets)
		step(e, json_string("dlp: nothing is searched for but the canary"));
	else
		step(e, json_sprintf("dlp: searched for%s%s%s; on a match: %s",
				     d->known_secrets ? " known secrets" : "",
				     d->known_secrets && d->token_patterns ? " and" : "",
				     d->token_patterns ? " vendors' tokens" : "",
				     content_on_match_str[d->on_match]));
}

static void say_name(const struct policy *policy, const struct authority *a, enum policy_reason r,
		     struct explained *e)
{
	uint32_t rule;

	if (r == REASON_IP_LITERAL)
		step(e, json_string("name: an address is never asked of the guard; egress.tcp lets "
				    "raw TCP "
				    "out to addresses"));
	else if (!a->name[0])
		step(e, json_string("name: the URL has no host name"));
	else
		step(e, json_sprintf("name: no route lists %s port %u", a->name, a->port));
	if (a->name[0] && policy_tcp_by_name(policy, a->name, a->port, &rule) == REASON_TCP_RULE)
		step(e,
		     json_string("tcp: a rule of egress.tcp lists it, for raw TCP past the guard"));
}

static enum policy_reason judge(const struct bottle *b, const struct policy *policy,
				const char *url, const char *method, struct explained *e)
{
	bool tls = strncmp(url, "https://", 8) == 0;
	const char *host = url + (tls ? 8 : 7), *path = host + strcspn(host, "/?#");
	struct bb_span target = { (const uint8_t *)path, strcspn(path, "#") };
	struct content_request rq = { .method = BB_SPAN_STR(method),
				      .path = *path == '/' ? target : BB_SPAN_STR("/"),
				      .field = field_at,
				      .arg = e };
	struct authority a = { 0 };
	const struct content *c;
	size_t index = 0;
	enum policy_reason r = authority_parse(
		(struct bb_span){ (const uint8_t *)host, (size_t)(path - host) }, &a);

	if (r == REASON_OK && !a.port)
		a.port = tls ? 443 : 80;
	if (r == REASON_OK)
		r = authority_route(policy, a.name, a.port, &index);
	if (r != REASON_ROUTE) {
		say_name(policy, &a, r, e);
		return r;
	}
	step(e, json_sprintf("name: %s port %u is listed at %s", a.name, a.port,
			     b->routes[index].source));
	c = policy->routes[index].content;
	r = content_judge(c, &rq, on_step, e);
	if (r != REASON_OK)
		return r;
	if (c->credentials == CONTENT_PIN && !tls && !policy->routes[index].upstream.host[0]) {
		step(e, json_string("credentials: never over an unencrypted connection"));
		return REASON_CLEAR_TEXT;
	}
	say_credentials(c, e);
	say_dlp(&c->dlp, e);
	return REASON_ROUTE;
}

static void print_steps(const json_t *steps)
{
	json_t *line;
	size_t i;

	json_array_foreach(steps, i, line)
	{
		(void)printf("  %s\n", json_string_value(line));
	}
}

int explain_url(const struct bottle *b, const struct cli_args *args)
{
	const char *url = cli_opt(args, OPT_URL), *method = cli_opt(args, OPT_METHOD);
	policy_auto struct policy policy = { 0 };
	struct explained e = { 0 };
	struct bb_err err = { 0 };
	enum policy_reason r;

	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return cli_error(CLI_USAGE, "--url: http:// or https://");
	if (take_headers(args, &e) != CLI_OK)
		return CLI_USAGE;
	if (bottle_to_policy(b, &policy, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	e.steps = json_array();
	r = judge(b, &policy, url, method ? method : "GET", &e);
	if (cli_has(args, OPT_JSON)) {
		json_auto_t *out = json_pack("{s:s, s:s, s:O}", "verdict",
					     r == REASON_ROUTE ? "allow" : "deny", "reason",
					     policy_reason_str[r], "steps", e.steps);

		(void)json_dumpf(out, stdout, JSON_COMPACT);
		(void)fputc('\n', stdout);
	} else {
		(void)printf("%s: %s\n", r == REASON_ROUTE ? "allow" : "deny",
			     policy_reason_str[r]);
		print_steps(e.steps);
	}
	json_decref(e.steps);
	return r == REASON_ROUTE ? CLI_OK : CLI_DENIED;
}
