/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"
#include <strings.h>

/*
 * What comes back. Our credential is masked wherever it is repeated, in fields and body. What the
 * response gives the guest to use later (cookies, tokens, signed links) is remembered, so that it
 * passes on the way out.
 */

static const struct content *content_of(const struct conn *c)
{
	return c->eg->policy.routes[c->rq->route].content;
}

void inbound_begin(struct conn *c)
{
	struct request *rq = c->rq;

	rq->mask.n = 0;
	if (!rq->inject)
		return;
	rq->mask.text[rq->mask.n++] = BB_SPAN_STR(rq->inject->value);
	/* "Basic" sends it encoded; that form is as good as the value */
	if (rq->injected.len)
		rq->mask.text[rq->mask.n++] = bb_buf_span(&rq->injected);
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

void inbound_on_head(struct conn *c, struct http1_response *h)
{
	const struct content *content = content_of(c);
	struct request *rq = c->rq;
	size_t kept = 0;
	bool json = false, text = false, coded = false;

	for (size_t i = 0; i < h->fields.n; i++) {
		struct http1_field *f = &h->fields.v[i];
		bool cookie = http1_span_is(f->name, "set-cookie");

		if (cookie && content->credentials == CONTENT_PIN && !content->cookies)
			continue;
		if (cookie)
			minted_from_cookie(&c->eg->minted, rq->to.name, f->value);
		else if (http1_span_is(f->name, "location"))
			minted_from_url(&c->eg->minted, rq->to.name, f->value);
		else if (http1_span_is(f->name, "content-type")) {
			json = is_json(f->value);
			text = is_text(f->value);
		} else if (http1_span_is(f->name, "content-encoding"))
			coded |= !http1_span_is(f->value, "identity");
		h->fields.v[kept++] = *f;
	}
	h->fields.n = kept;
	rq->tapping = json && !coded && content->credentials == CONTENT_MINTED &&
		      (h->body != HTTP1_BODY_LENGTH || h->length <= INBOUND_TAP_MAX);
	rq->coded = coded;
	rq->reading = text && !coded && content->dlp.injection;
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

	if (rq->tapping && rq->tap.len)
		minted_from_json(&c->eg->minted, rq->to.name, bb_buf_span(&rq->tap));
	rq->tapping = false;
}
