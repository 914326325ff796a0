/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/egress.h"
#include <openssl/evp.h>
#include <openssl/rand.h>

/* The guest's handshake, and ours with the upstream */

static bool accept_for(struct bb_span key, char out[static WS_ACCEPT_BYTES])
{
	uint8_t text[WS_HASHED_BYTES], digest[EVP_MAX_MD_SIZE];

	ws_accept_input(key, text);
	if (EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha1(), NULL) != 1)
		return false;
	ws_accept_text(digest, out);
	return true;
}

static bool make_key(struct websocket *ws)
{
	uint8_t random[16];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	(void)EVP_EncodeBlock((uint8_t *)ws->key, random, sizeof(random));
	return accept_for(BB_SPAN_STR(ws->key), ws->accept_upstream);
}

static struct judgement bad(const char *text)
{
	return (struct judgement){ 400, REASON_BAD_REQUEST, text };
}

struct judgement websocket_judge(struct request *rq)
{
	const struct http1_fields *f = &rq->http.fields;
	const struct http1_field *key = http1_fields_find(f, "sec-websocket-key", 0);
	const struct http1_field *version = http1_fields_find(f, "sec-websocket-version", 0);
	const struct http1_field *offered = http1_fields_find(f, "sec-websocket-protocol", 0);

	if (!bb_span_eq(rq->http.method, BB_SPAN_STR("GET")) || rq->http.body != HTTP1_BODY_NONE)
		return bad("websocket: GET without a body");
	if (!version || !http1_span_is(version->value, "13"))
		return bad("websocket: Sec-WebSocket-Version is not 13");
	if (!key || !ws_key_is_ok(key->value))
		return bad("websocket: Sec-WebSocket-Key");
	rq->ws = calloc(1, sizeof(*rq->ws));
	if (!rq->ws || !make_key(rq->ws) || !accept_for(key->value, rq->ws->accept_guest))
		return (struct judgement){ 503, REASON_LIMIT, "out of memory" };
	if (offered)
		rq->ws->offered = offered->value;
	ws_reader_init(&rq->ws->guest, WS_FROM_CLIENT);
	ws_reader_init(&rq->ws->upstream, WS_FROM_SERVER);
	return (struct judgement){ 0 };
}

void websocket_edit(struct request *rq)
{
	struct http1_fields *f = &rq->http.fields;
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (http1_span_is(f->v[i].name, "sec-websocket-extensions"))
			continue;
		if (http1_span_is(f->v[i].name, "sec-websocket-key"))
			f->v[i].value = BB_SPAN_STR(rq->ws->key);
		f->v[kept++] = f->v[i];
	}
	f->n = kept;
}
