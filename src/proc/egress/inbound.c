/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/credential.h"
#include "proc/egress/egress.h"
#include <strings.h>

#define PASSWORD_MIN 8

/*
 * What comes back. Our credential is masked wherever it is repeated, in fields and body. What the
 * response gives the guest to use later (cookies, tokens, signed links) is remembered, so that it
 * passes on the way out.
 */

static const struct content *content_of(const struct conn *c)
{
	return c->eg->policy.routes[c->rq->route].content;
}

/* "Basic" sends it encoded, and a server takes it apart: that form and the password are as good as
 * the whole. Padding says nothing; a password of a few characters would mask half of a text */
static void mask_basic(struct request *rq)
{
	const size_t scheme = strlen("Basic ");
	struct bb_span sent = bb_buf_span(&rq->injected);
	struct bb_span secret = credential_basic_secret(BB_SPAN_STR(rq->inject->value));

	if (sent.len > scheme)
		sent = (struct bb_span){ sent.p + scheme, sent.len - scheme };
	while (sent.len && sent.p[sent.len - 1] == '=')
		sent.len--;
	mask_add(&rq->mask, sent);
	if (secret.len >= PASSWORD_MIN)
		mask_add(&rq->mask, secret);
}

void inbound_begin(struct conn *c)
{
	struct request *rq = c->rq;

	rq->mask.n = 0;
	if (!rq->inject)
		return;
	mask_add(&rq->mask, BB_SPAN_STR(rq->inject->value));
	if (content_of(c)->auth.scheme == CONTENT_AUTH_BASIC)
		mask_basic(rq);
}

void inbound_mask_head(struct conn *c, uint8_t *head, size_t len)
{
	(void)mask_apply(&c->rq->mask, head, len, true);
}

static bool is_json(struct bb_span type)
{
	size_t n = 0;

	while (n < type.len && type.p[n] != ';')
		n++;
	return memmem(type.p, n, "json", 4) != NULL;
}

/* Text that an agent may read: not images, archives, fonts */
static bool is_text(struct bb_span type)
{
	return memmem(type.p, type.len, "text/", 5) || memmem(type.p, type.len, "json", 4) ||
	       memmem(type.p, type.len, "xml", 3) || memmem(type.p, type.len, "javascript", 10);
}

/* Is the response's content looked at, if it is of a kind that says something? */
static bool is_looked_at(const struct content *content)
{
	return content->credentials != CONTENT_PASS || content->dlp.injection;
}

static bool accepts(const struct http1_fields *f, const char *coding)
{
	for (size_t i = 0; i < f->n; i++) {
		if (http1_span_is(f->v[i].name, "accept-encoding") &&
		    http1_list_has(f->v[i].value, coding))
			return true;
	}
	return false;
}

/* By which a part is asked for: with Apache's old name, and Azure's own */
static const char *const part_names[] = { "range", "if-range", "request-range", "x-ms-range" };

static void drop_field(struct http1_fields *f, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (!http1_span_is(f->v[i].name, name))
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
}

/*
 * gzip and deflate, whose decoders are small; not those that the guest gives weights. Of a part
 * (Range) nothing could be decoded. And where a credential is masked no part is asked for: it would
 * begin and end inside the credential (a server may ignore a Range, so clients expect all of it).
 */
void inbound_ask(const struct conn *c, struct http1_fields *f)
{
	bool gzip = accepts(f, "gzip"), deflate = accepts(f, "deflate");
	const char *ask = gzip && deflate ? "gzip, deflate" : gzip ? "gzip" : "deflate";

	if (!is_looked_at(content_of(c)))
		return;
	if ((!gzip && !deflate) || http1_fields_find(f, "range", 0))
		ask = "identity";
	drop_field(f, "accept-encoding");
	for (size_t i = 0; i < BB_ARRAY_LEN(part_names) && c->rq->inject; i++)
		drop_field(f, part_names[i]);
	if (f->n < HTTP1_FIELDS_MAX)
		f->v[f->n++] =
			(struct http1_field){ BB_SPAN_STR("Accept-Encoding"), BB_SPAN_STR(ask) };
}

/** struct about - What the head says about the content */
struct about {
	bool json;
	bool text;
	struct coding_list codings;
	enum coding_result known; /* the codings */
};

int inbound_said(struct conn *c, struct bb_span data)
{
	struct bb_buf *said = &c->rq->said;
	size_t room = INBOUND_SAID_MAX - said->len;

	if (content_of(c)->credentials == CONTENT_PASS || room == 0)
		return 0;
	return bb_buf_add(said, data.p, data.len < room ? data.len : room);
}

/* Return: length of @text with its escapes undone at @out + @at */
static size_t put_plain(struct bb_span text, uint8_t *out, size_t at, struct bb_span *ret)
{
	*ret = (struct bb_span){ out + at, minted_plain(text, out + at) };
	return at + ret->len;
}

/* What follows is of a response to @c->rq, until forget_said(). Where the guest may have
 * credentials of its own, they are given by whoever repeats them */
static void remember_said(struct conn *c, struct minted_said *s, uint8_t **ret)
{
	struct request *rq = c->rq;
	struct bb_span head = bb_buf_span(&rq->head),
		       body = bb_buf_span(rq->body.len ? &rq->body : &rq->said);
	size_t at;

	if (content_of(c)->credentials == CONTENT_PASS)
		return;
	*s = (struct minted_said){ .texts = { head, body }, .work = INBOUND_SAID_WORK };
	*ret = malloc(head.len + body.len + 1);
	if (*ret) {
		at = put_plain(head, *ret, 0, &s->texts[2]);
		(void)put_plain(body, *ret, at, &s->texts[3]);
	} else {
		s->work = 0; /* then nothing is new */
	}
	c->eg->minted.said = s;
}

static void forget_said(struct conn *c, uint8_t *plain)
{
	c->eg->minted.said = NULL;
	free(plain);
}

/* Return: false for a field that must not reach the guest */
static bool take_field(struct conn *c, const struct http1_field *f, struct about *a)
{
	const struct content *content = content_of(c);
	const char *host = c->rq->to.name;

	if (http1_span_is(f->name, "set-cookie")) {
		if (content->credentials == CONTENT_PIN && !content->cookies)
			return false;
		minted_from_cookie(&c->eg->minted, host, f->value);
	} else if (http1_span_is(f->name, "location")) {
		minted_from_url(&c->eg->minted, host, f->value);
	} else if (http1_span_is(f->name, "content-type")) {
		a->json = is_json(f->value);
		a->text = is_text(f->value);
	} else if (http1_span_is(f->name, "content-encoding") && a->known == CODING_OK) {
		a->known = coding_parse(f->value, &a->codings);
	}
	return true;
}

/* Fields about the content as it was coded */
static void drop_coded(struct http1_fields *f)
{
	static const char *const names[] = { "content-encoding", "content-md5", "content-digest",
					     "repr-digest",      "digest",      "accept-ranges" };
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		bool drop = false;

		for (size_t k = 0; k < BB_ARRAY_LEN(names); k++)
			drop |= http1_span_is(f->v[i].name, names[k]);
		if (!drop)
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
}

static enum coding_result open_decoder(struct conn *c, const struct about *a, unsigned int status)
{
	if (a->known != CODING_OK)
		return a->known;
	if (a->codings.n > 1 || status == 206)
		return CODING_UNKNOWN;
	return coding_open(&a->codings, UINT64_MAX, &c->eg->response_decoders,
			   &c->rq->response_decoder);
}

/* Does one of them hand out something? */
static bool hands_out(const struct http1_fields *f)
{
	return http1_fields_find(f, "set-cookie", 0) || http1_fields_find(f, "location", 0);
}

static void take_fields(struct conn *c, struct http1_fields *f, struct about *a)
{
	struct minted_said said;
	uint8_t *plain = NULL;
	size_t kept = 0;

	if (hands_out(f))
		remember_said(c, &said, &plain);
	for (size_t i = 0; i < f->n; i++) {
		if (take_field(c, &f->v[i], a))
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
	forget_said(c, plain);
}

void inbound_on_informational(struct conn *c, struct http1_response *h)
{
	struct about a = { .known = CODING_OK };

	take_fields(c, &h->fields, &a); /* what it says about content is of no content */
}

enum coding_result inbound_on_head(struct conn *c, struct http1_response *h)
{
	const struct content *content = content_of(c);
	struct about a = { .known = CODING_OK };
	struct request *rq = c->rq;
	enum coding_result r;

	take_fields(c, &h->fields, &a);
	rq->tapping = a.json && content->credentials == CONTENT_MINTED &&
		      (h->body != HTTP1_BODY_LENGTH || h->length <= INBOUND_TAP_MAX);
	rq->reading = a.text && content->dlp.injection;
	if (h->body == HTTP1_BODY_NONE || (a.known == CODING_OK && a.codings.n == 0) ||
	    (!rq->mask.n && !rq->tapping && !rq->reading))
		return CODING_OK;
	r = open_decoder(c, &a, h->status);
	if (r == CODING_OK) {
		drop_coded(&h->fields);
		return r;
	}
	rq->tapping = rq->reading = false;
	return rq->mask.n ? r : CODING_OK;
}

void inbound_tap(struct conn *c, struct bb_span data)
{
	struct request *rq = c->rq;

	if (rq->reading && !rq->spoken)
		rq->spoken = injection_feed(&rq->injection, data);
	if (rq->tapping && bb_buf_add(&rq->tap, data.p, data.len) < 0) {
		rq->tapping = false; /* too long to be an answer that hands out tokens */
		bb_buf_release(&rq->tap);
	}
}

void inbound_end(struct conn *c)
{
	struct request *rq = c->rq;
	struct minted_said said;
	uint8_t *plain = NULL;

	if (rq->tapping && rq->tap.len) {
		remember_said(c, &said, &plain);
		minted_from_json(&c->eg->minted, rq->to.name, bb_buf_span(&rq->tap));
		forget_said(c, plain);
	}
	rq->tapping = false;
}
