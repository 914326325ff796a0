/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/credential.h"
#include "policy/field.h"
#include "proc/egress/egress.h"
#include <openssl/evp.h>
#include <stdio.h>

/*
 * Credentials, by position. On a route with `auth` the guest has none to give: what stands in a
 * position is this route's placeholder, which is taken out here, or it is refused. On other routes
 * a credential passes when the outside gave it before. What is refused is never silently removed,
 * or the request would fail elsewhere and nobody would know why.
 */

#define PROTOCOL_KEY_MIN 20

static const struct judgement pass_on = { 0, REASON_OK, "" };

static struct judgement refuse(enum policy_reason reason, const char *text)
{
	return (struct judgement){ 403, reason, text };
}

/* The secret part of a value; Basic is decoded into @out */
static struct bb_span secret_part(struct bb_span value, bool basic, uint8_t *out, size_t cap)
{
	int n;

	if (!basic || value.len == 0 || value.len % 4 || value.len / 4 * 3 > cap)
		return value;
	n = EVP_DecodeBlock(out, value.p, (int)value.len);
	if (n < 0)
		return value;
	while (n > 0 && out[n - 1] == 0)
		n--; /* the padding */
	return credential_basic_secret((struct bb_span){ out, (size_t)n });
}

/* A value in a position of a route with auth: only this route's placeholder, whole */
static struct judgement judge_pinned(const struct conn *c, const struct content *content,
				     struct bb_span value, bool basic)
{
	const struct secret_token *own = secrets_token(&c->eg->secrets, content->auth.token_ref);
	uint8_t plain[1024];
	struct bb_span secret = secret_part(value, basic, plain, sizeof(plain));

	if (own && bb_span_eq(secret, BB_SPAN_STR(own->placeholder)))
		return pass_on;
	if (secrets_placeholder_in(&c->eg->secrets, secret))
		return refuse(REASON_PLACEHOLDER_LEAK, "another route's placeholder");
	return refuse(REASON_FOREIGN_CREDENTIAL, "this route has a credential of its own");
}

/* `to:` at a variable of the manifest: its value is the guest's to send there */
static bool was_given(const struct conn *c, const struct request *rq, struct bb_span value)
{
	const struct secrets *s = &c->eg->secrets;

	for (size_t i = 0; i < s->n_known; i++) {
		if (secret_may_go_to(&s->known[i], rq->to.name) &&
		    bb_span_eq(value, BB_SPAN_STR(s->known[i].value)))
			return true;
	}
	return false;
}

static bool was_minted(const struct conn *c, const struct request *rq,
		       const struct content *content, struct bb_span value)
{
	if (was_given(c, rq, value))
		return true;
	if (minted_has(&c->eg->minted, rq->to.name, value))
		return true;
	for (size_t i = 0; i < content->n_minted_by; i++) {
		if (minted_has(&c->eg->minted, content->minted_by[i], value))
			return true;
	}
	return false;
}

static struct judgement judge_minted(const struct conn *c, const struct request *rq,
				     const struct content *content, struct bb_span value,
				     bool basic)
{
	uint8_t plain[1024];
	struct bb_span secret = secret_part(value, basic, plain, sizeof(plain));

	if (secrets_placeholder_in(&c->eg->secrets, secret))
		return refuse(REASON_PLACEHOLDER_LEAK, "this route puts no credential in");
	if (content->credentials == CONTENT_PASS || was_minted(c, rq, content, value) ||
	    was_minted(c, rq, content, secret))
		return pass_on;
	return refuse(REASON_FOREIGN_CREDENTIAL, "no response of this route gave it");
}

static struct judgement judge_cookies(const struct conn *c, const struct request *rq,
				      const struct content *content, struct bb_span value)
{
	struct judgement j = pass_on;
	struct bb_span name, v;

	while (j.status == 0 && credential_next_pair(&value, ';', &name, &v)) {
		if (v.len >= MINTED_MIN &&
		    !minted_has_cookie(&c->eg->minted, rq->to.name, minted_cookie(name, v)))
			j = judge_minted(c, rq, content, v, false);
	}
	return j;
}

/* Browsers cannot set fields of a WebSocket handshake, so some servers take the key as one of the
 * subprotocols: "name-of-the-server.KEY". A long last part is one */
static struct judgement judge_protocols(const struct conn *c, const struct request *rq,
					const struct content *content, struct bb_span list)
{
	struct judgement j = pass_on;
	struct bb_span item, none;

	while (j.status == 0 && credential_next_pair(&list, ',', &item, &none)) {
		const uint8_t *dot = item.len ? memrchr(item.p, '.', item.len) : NULL;
		struct bb_span key = item;

		if (dot)
			key = (struct bb_span){ dot + 1, (size_t)(item.p + item.len - dot - 1) };
		if (key.len < PROTOCOL_KEY_MIN)
			continue;
		if (secrets_placeholder_in(&c->eg->secrets, key))
			j = refuse(REASON_PLACEHOLDER_LEAK, "nothing is put into a subprotocol");
		else if (content->credentials == CONTENT_PIN)
			j = refuse(REASON_FOREIGN_CREDENTIAL, "in a subprotocol");
		else
			j = judge_minted(c, rq, content, key, false);
	}
	return j;
}

/* @ret_drop: the field does not go upstream */
static struct judgement judge_field(const struct conn *c, const struct request *rq,
				    const struct content *content, const struct http1_field *f,
				    bool *ret_drop)
{
	enum credential_kind kind = credential_field(f->name);
	bool pin = content->credentials == CONTENT_PIN, basic = false;
	struct bb_span value = f->value;

	if (field_is(f->name, "sec-websocket-protocol"))
		return judge_protocols(c, rq, content, value);
	/* The field that we put in is a position whatever its name */
	if (pin && content->auth.header && field_is(f->name, content->auth.header))
		kind = CREDENTIAL_FIELD;
	if (kind == CREDENTIAL_NONE || value.len == 0) {
		*ret_drop = pin && kind != CREDENTIAL_NONE;
		return pass_on;
	}
	if (kind == CREDENTIAL_COOKIE) {
		*ret_drop = pin && !content->cookies;
		return *ret_drop ? pass_on : judge_cookies(c, rq, content, value);
	}
	if (kind == CREDENTIAL_AUTHORIZATION && content->credentials != CONTENT_PASS &&
	    credential_is_signature(value))
		return refuse(REASON_UNSUPPORTED_AUTH, "signed requests cannot be brokered");
	if (kind == CREDENTIAL_AUTHORIZATION)
		value = credential_value(value, &basic);
	*ret_drop = pin;
	return pin ? judge_pinned(c, content, value, basic)
		   : judge_minted(c, rq, content, value, basic);
}

static struct judgement judge_query(const struct conn *c, const struct request *rq,
				    const struct content *content)
{
	const uint8_t *mark = rq->path.len ? memchr(rq->path.p, '?', rq->path.len) : NULL;
	struct judgement j = pass_on;
	struct bb_span rest, name, value;

	if (!mark)
		return j;
	rest = (struct bb_span){ mark + 1, rq->path.len - (size_t)(mark + 1 - rq->path.p) };
	while (j.status == 0 && credential_next_query(&rest, &name, &value)) {
		if (secrets_placeholder_in(&c->eg->secrets, value))
			j = refuse(REASON_PLACEHOLDER_LEAK, "nothing is put into a query");
		else if (content->credentials == CONTENT_PIN)
			j = refuse(REASON_FOREIGN_CREDENTIAL, "in the query");
		else
			j = judge_minted(c, rq, content, value, false);
	}
	return j;
}

/* What is put in: the variable has a value, and nobody on the way can read it */
static struct judgement judge_own(const struct conn *c, struct request *rq,
				  const struct content *content)
{
	const struct secret_token *t = secrets_token(&c->eg->secrets, content->auth.token_ref);

	if (!route_is_tls(c, rq->route) && !c->eg->policy.routes[rq->route].upstream.host[0])
		return refuse(REASON_CLEAR_TEXT, "use https");
	if (!t || !t->value[0])
		return (struct judgement){ 503, REASON_TOKEN_UNSET, content->auth.token_ref };
	rq->inject = t;
	return pass_on;
}

struct judgement credential_judge(const struct conn *c, struct request *rq)
{
	const struct content *content = c->eg->policy.routes[rq->route].content;
	struct http1_fields *f = &rq->http.fields;
	struct judgement j = judge_query(c, rq, content);
	size_t kept = 0;

	for (size_t i = 0; i < f->n && j.status == 0; i++) {
		bool drop = false;

		j = judge_field(c, rq, content, &f->v[i], &drop);
		if (!drop)
			f->v[kept++] = f->v[i];
	}
	if (j.status)
		return j;
	f->n = kept;
	return content->credentials == CONTENT_PIN ? judge_own(c, rq, content) : pass_on;
}

static int put_basic(const char *value, struct bb_buf *b)
{
	size_t len = strlen(value);
	bb_auto_free uint8_t *text = malloc(len / 3 * 4 + 8);
	int n = text ? EVP_EncodeBlock(text, (const uint8_t *)value, (int)len) : -1;
	int r = n < 0 ? -1 : bb_buf_add(b, text, (size_t)n);

	if (text)
		explicit_bzero(text, len / 3 * 4 + 8);
	return r;
}

int credential_add_field(const struct conn *c, struct request *rq, struct bb_buf *text)
{
	const struct content_auth *a = &c->eg->policy.routes[rq->route].content->auth;
	struct http1_fields *f = &rq->http.fields;
	const char *value = rq->inject->value;
	int r = 0;

	if (f->n == HTTP1_FIELDS_MAX)
		return -1;
	if (a->scheme == CONTENT_AUTH_BASIC || a->scheme == CONTENT_AUTH_TOKEN ||
	    a->scheme == CONTENT_AUTH_BEARER)
		r = bb_buf_addf(text, "%s ", content_scheme_str[a->scheme]);
	if (r == 0 && a->scheme == CONTENT_AUTH_BASIC)
		r = put_basic(value, text);
	else if (r == 0)
		r = bb_buf_add(text, value, strlen(value));
	if (r < 0)
		return r;
	f->v[f->n++] = (struct http1_field){ a->header ? BB_SPAN_STR(a->header)
						       : BB_SPAN_STR("Authorization"),
					     bb_buf_span(text) };
	return 0;
}
