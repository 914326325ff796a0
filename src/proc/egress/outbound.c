/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/outbound.h"
#include "policy/credential.h"
#include "policy/path.h"
#include "proc/egress/egress.h"
#include "proc/egress/fields.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <strings.h>

#define PASSES 3
/* Of a decoded body, where the route sets no limit */
#define CODED_MAX  (64ull << 20)
#define LENGTH_MAX 24 /* of a number as text */

static const struct judgement clean = { 0, REASON_OK, "" };

/* ---- what is found ---- */

struct gathered {
	size_t n;
	uint8_t octets[4096];
};

/**
 * struct search - One piece of a request being searched
 * @canary:	Its stream looks for nothing but that
 * @clean:	Mark what can be cleaned instead of stopping at it
 * @left_out:	Of the head something has not been put
 * @head:	Of the head, what has been put and not yet been searched
 * @result:	Of the last piece of a head
 * @marks:	Octets of the body to mask, by their end and number of letters and digits
 */
struct search {
	const struct conn *c;
	struct request *rq;
	const char *place;
	bool canary;
	bool clean;
	bool left_out;
	bool found;
	struct gathered *head;
	enum scan_result result;
	size_t n_marks;
	struct scan_finding marks[64];
};

static const struct content *content_of(const struct conn *c, const struct request *rq)
{
	return c->eg->policy.routes[rq->route].content;
}

static const struct secret_known *known_at(const struct search *search, size_t index,
					   const char **name)
{
	const struct secrets *s = &search->c->eg->secrets;
	const struct searcher *all = &search->c->eg->searcher;
	size_t i = (search->canary ? &all->canary : &all->all)->names[index];

	*name = i < s->n_tokens ? s->tokens[i].name : s->known[i - s->n_tokens].name;
	return i < s->n_tokens ? NULL : &s->known[i - s->n_tokens];
}

static void describe(struct search *s, const struct scan_finding *f, enum policy_reason reason,
		     const char *name)
{
	struct request *rq = s->rq;

	rq->why = reason;
	(void)snprintf(rq->detail, sizeof(rq->detail), "%s %.60s, %s, %s view, at %llu",
		       f->kind == SCAN_KNOWN ? "secret" : "rule", name, s->place,
		       scan_view_str[f->view], (unsigned long long)f->end);
}

/* The canary counts always; the rest as the route's dlp says */
static bool counts(struct search *s, const struct scan_finding *f)
{
	const struct content_dlp *dlp = &content_of(s->c, s->rq)->dlp;
	enum policy_reason reason = REASON_TOKEN_PATTERN;
	const struct secret_known *k = NULL;
	const char *name;

	if (f->kind == SCAN_ENTROPY) {
		if (!dlp->entropy)
			return false;
		reason = REASON_ENTROPY;
		name = "entropy";
	} else if (f->kind == SCAN_VENDOR) {
		if (!dlp->token_patterns)
			return false;
		name = vendor_rule_name(f->index);
	} else {
		k = known_at(s, f->index, &name);
		reason = k && k->canary ? REASON_CANARY : REASON_KNOWN_SECRET;
		if ((!dlp->known_secrets && reason != REASON_CANARY) ||
		    (k && secret_may_go_to(k, s->rq->to.name)))
			return false;
	}
	describe(s, f, reason, name);
	return true;
}

static bool on_finding(void *arg, const struct scan_finding *f)
{
	struct search *s = arg;

	s->rq->sensitive = true;
	if (!counts(s, f))
		return false;
	if (s->clean && f->view != SCAN_RAW)
		return false; /* the next pass sees whether it is still there */
	if (s->clean && s->n_marks < BB_ARRAY_LEN(s->marks)) {
		s->marks[s->n_marks++] = *f;
		return false;
	}
	s->found = true;
	return true;
}

static struct judgement verdict_of(struct search *s, enum scan_result r)
{
	if (r == SCAN_ERROR)
		return (struct judgement){ 503, REASON_LIMIT, "the scanner is out of memory" };
	if (r == SCAN_TOO_MUCH)
		return (struct judgement){ 403, REASON_CODING, "unpacks to more than is searched" };
	if (!s->found)
		return clean;
	if (content_of(s->c, s->rq)->dlp.on_match == CONTENT_SUPERVISE) {
		size_t len = strlen(s->rq->detail);

		(void)snprintf(s->rq->detail + len, sizeof(s->rq->detail) - len, "; proposal p%llx",
			       (unsigned long long)s->c->id);
	}
	return (struct judgement){ 403, s->rq->why, s->rq->detail };
}

/* ---- the head ---- */

/* @patterns: not only for known secrets */
static void begin_search(const struct search *s, struct scan_stream *stream, bool patterns)
{
	const struct content_dlp *dlp = &content_of(s->c, s->rq)->dlp;

	scan_reset(stream, patterns && dlp->token_patterns);
	if (patterns && dlp->entropy)
		scan_want_entropy(stream);
}

/* What is gathered of the head: a search costs by the piece, and most heads are one */
static bool search_gathered(struct search *s, bool end)
{
	struct gathered *g = s->head;

	s->result = scan_feed(s->c->eg->searcher.whole, (struct bb_span){ g->octets, g->n }, end,
			      on_finding, s);
	g->n = 0;
	return s->result < SCAN_FOUND;
}

static bool gather(struct search *s, struct bb_span text)
{
	struct gathered *g = s->head;

	while (text.len) {
		size_t room = sizeof(g->octets) - g->n, n = text.len < room ? text.len : room;

		memcpy(g->octets + g->n, text.p, n);
		g->n += n;
		text = (struct bb_span){ text.p + n, text.len - n };
		if (n == room && !search_gathered(s, false))
			return false;
	}
	return true;
}

static bool put(struct search *s, struct bb_span text, const char *after)
{
	return gather(s, text) && gather(s, BB_SPAN_STR(after));
}

/* A path is one run of characters of base64 if it will: what a segment hides is seen in the segment
 * by itself */
static bool put_segments(struct search *s, struct bb_span path)
{
	while (path.len) {
		const uint8_t *mark = memchr(path.p, '/', path.len);
		size_t n = mark ? (size_t)(mark - path.p) : path.len;

		if (n >= VIEW_RUN_MIN && !put(s, (struct bb_span){ path.p, n }, " "))
			return false;
		n += mark != NULL;
		path = (struct bb_span){ path.p + n, path.len - n };
	}
	return true;
}

/* The path without credentials: what stands in a credential's place has been judged as one, and
 * looks like a vendor's token because it is */
static bool put_path(struct search *s, struct bb_span path)
{
	const uint8_t *mark = path.len ? memchr(path.p, '?', path.len) : NULL;
	struct bb_span rest, name, value;

	if (!mark)
		return put_segments(s, path) && put(s, path, "\n");
	rest = (struct bb_span){ mark + 1, path.len - (size_t)(mark + 1 - path.p) };
	path.len -= rest.len;
	if (!put_segments(s, path) || !put(s, path, ""))
		return false;
	while (credential_next_pair(&rest, '&', &name, &value)) {
		if (!put(s, name, "="))
			return false;
		if (credential_parameter(name))
			s->left_out = true;
		else if (!put(s, value, "&"))
			return false;
	}
	return put(s, rest, "\n");
}

static bool put_fields(struct search *s, const struct http1_fields *f, bool credentials)
{
	for (size_t i = 0; i < f->n; i++) {
		if (!credentials && credential_field(f->v[i].name) != CREDENTIAL_NONE) {
			s->left_out = true;
			continue;
		}
		if (!put(s, f->v[i].name, ": ") || !put(s, f->v[i].value, "\n"))
			return false;
	}
	return true;
}

/* Content-Length: the number is the guest's; how the rest is framed is ours. Empty without one */
static struct bb_span length_of(const struct request *rq, char text[static LENGTH_MAX])
{
	int n = 0;

	if (rq->http.body == HTTP1_BODY_LENGTH)
		n = snprintf(text, LENGTH_MAX, "%llu", (unsigned long long)rq->http.length);
	return (struct bb_span){ (const uint8_t *)text, (size_t)n };
}

static bool put_length(struct search *s)
{
	char text[LENGTH_MAX];
	struct bb_span length = length_of(s->rq, text);

	return !length.len || (put(s, BB_SPAN_STR("Content-Length: "), "") && put(s, length, "\n"));
}

/* In the order in which it is sent. Without @credentials: vendors' patterns and known secrets in
 * everything else; with them: known secrets in all of it */
static struct judgement head_pass(struct search *s, bool credentials)
{
	const struct request *rq = s->rq;
	BB_UNINIT struct gathered head;
	bool ok;

	head.n = 0;
	s->head = &head;
	begin_search(s, s->c->eg->searcher.whole, !credentials);
	ok = put(s, rq->http.method, " ");
	if (ok)
		ok = credentials ? put(s, rq->path, "\n") : put_path(s, rq->path);
	if (ok)
		ok = put(s, BB_SPAN_STR("HTTP/1.1\nHost: "), rq->to.name) &&
		     put(s, BB_SPAN_STR("\n"), "") &&
		     put_fields(s, &rq->http.fields, credentials) && put_length(s);
	if (ok)
		(void)search_gathered(s, true);
	s->head = NULL;
	return verdict_of(s, s->result);
}

/* ---- across requests ---- */

/* These texts are compared with every secret, whatever the stream at hand looks for */
static bool on_across(void *arg, const struct known_hit *hit)
{
	struct search *s = arg;
	struct scan_finding f = { .kind = SCAN_KNOWN, .index = (unsigned int)hit->secret };
	bool canary = s->canary, stop;

	s->canary = false;
	stop = on_finding(s, &f);
	s->canary = canary;
	return stop;
}

static bool add_piece(struct search *s, char kind, struct bb_span name, struct bb_span value)
{
	const struct searcher *all = &s->c->eg->searcher;
	struct across_at at = { s->rq->route, kind, name };

	return across_feed(all->across, all->all.db, &at, value, on_across, s);
}

static bool head_across(struct search *s)
{
	const struct http1_fields *f = &s->rq->http.fields;
	struct bb_span rest, name, value, path = path_split(s->rq->path, &rest);
	char length[LENGTH_MAX];

	if (add_piece(s, 'p', (struct bb_span){ 0 }, path))
		return true;
	while (credential_next_pair(&rest, '&', &name, &value)) {
		if (add_piece(s, 'q', name, value))
			return true;
	}
	for (size_t i = 0; i < f->n; i++) {
		if (add_piece(s, 'f', f->v[i].name, f->v[i].value))
			return true;
	}
	return add_piece(s, 'l', (struct bb_span){ 0 }, length_of(s->rq, length));
}

struct judgement outbound_judge_head(const struct conn *c, struct request *rq)
{
	struct search s = { .c = c, .rq = rq, .place = "head" };
	struct judgement j = head_pass(&s, false);

	if (j.status == 0 && s.left_out)
		j = head_pass(&s, true);
	if (j.status)
		return j;
	s.place = "together with earlier requests";
	(void)head_across(&s);
	return verdict_of(&s, SCAN_CLEAN);
}

/* ---- whole bodies ---- */

/* Is the canary the only known secret that counts in the body? Heads are short: there records have
 * to know what to mask */
static bool wants_canary(const struct conn *c, const struct request *rq)
{
	return !content_of(c, rq)->dlp.known_secrets;
}

static struct scan_stream *whole_of(const struct conn *c, const struct request *rq)
{
	const struct searcher *s = &c->eg->searcher;

	return wants_canary(c, rq) ? s->whole_canary : s->whole;
}

static bool is_searched(const struct content *content)
{
	return content->dlp.token_patterns || content->dlp.known_secrets || content->dlp.entropy;
}

/* The codings of the body, in order. Return: CODING_OK (@ret may be empty) or CODING_UNKNOWN */
static enum coding_result codings_of(const struct request *rq, struct coding_list *ret)
{
	const struct http1_fields *f = &rq->http.fields;
	enum coding_result r = CODING_OK;

	for (size_t i = 0; i < f->n && r == CODING_OK; i++) {
		if (http1_span_is(f->v[i].name, "content-encoding"))
			r = coding_parse(f->v[i].value, ret);
	}
	return r;
}

static bool is_coded(const struct request *rq)
{
	struct coding_list list = { 0 };

	return codings_of(rq, &list) != CODING_OK || list.n > 0;
}

/* @types: ends with NULL. Behind one of them may stand a suffix or a parameter */
static bool is_of_type(const struct request *rq, const char *const *types)
{
	const struct http1_field *f = http1_fields_find(&rq->http.fields, "content-type", 0);

	for (; f && *types; types++) {
		size_t n = strlen(*types);

		if (f->value.len >= n && strncasecmp((const char *)f->value.p, *types, n) == 0 &&
		    (f->value.len == n || strchr("+; \t", f->value.p[n])))
			return true;
	}
	return false;
}

/* A body of gRPC messages: each says itself whether it is coded */
bool request_is_grpc(const struct request *rq)
{
	static const char *const types[] = { "application/grpc", "application/grpc-web", NULL };

	return is_of_type(rq, types);
}

static bool is_protobuf(const struct request *rq)
{
	static const char *const types[] = { "application/protobuf",
					     "application/x-protobuf",
					     "application/proto",
					     "application/x-google-protobuf",
					     "application/vnd.google.protobuf",
					     NULL };

	return request_is_grpc(rq) || is_of_type(rq, types);
}

static enum coding_result open_grpc(const struct conn *c, const struct request *rq, uint64_t max,
				    struct coding **ret)
{
	const struct http1_fields *f = &rq->http.fields;
	struct coding_list list = { 0 };
	enum coding_result r = CODING_OK;

	for (size_t i = 0; i < f->n && r == CODING_OK; i++) {
		if (http1_span_is(f->v[i].name, "grpc-encoding"))
			r = coding_parse(f->v[i].value, &list);
	}
	return r == CODING_OK ? coding_open_grpc(&list, max, &c->eg->searcher.decoders, ret) : r;
}

/* What cannot be decoded cannot be searched. Return: NULL in @ret where there is nothing to decode
 */
static struct judgement open_decoder(const struct conn *c, const struct request *rq,
				     struct coding **ret)
{
	uint64_t max = content_of(c, rq)->limits.request_bytes;
	struct coding_list list = { 0 };
	enum coding_result r = codings_of(rq, &list);

	*ret = NULL;
	if (!is_searched(content_of(c, rq)) ||
	    (r == CODING_OK && list.n == 0 && !request_is_grpc(rq)))
		return clean;
	max = max ? max : CODED_MAX;
	if (request_is_grpc(rq) && list.n)
		r = CODING_UNKNOWN; /* who would undo that? */
	else if (request_is_grpc(rq))
		r = open_grpc(c, rq, max, ret);
	else if (r == CODING_OK)
		r = coding_open(&list, max, &c->eg->searcher.decoders, ret);
	if (r == CODING_MEMORY)
		return (struct judgement){ 503, REASON_LIMIT, coding_result_str[r] };
	return r == CODING_OK ? clean
			      : (struct judgement){ 403, REASON_CODING, coding_result_str[r] };
}

/* ---- what cannot be searched ---- */

static void count_opaque(const struct search *s, struct bb_span in, bool end)
{
	s->c->eg->used[s->rq->route].opaque += opaque_feed(&s->rq->opaque, in, end);
}

static struct judgement judge_opaque(const struct conn *c, const struct request *rq)
{
	uint64_t max = content_of(c, rq)->limits.opaque_per_session;

	if (max && c->eg->used[rq->route].opaque > max)
		return (struct judgement){ 403, REASON_BUDGET, "opaque_per_session" };
	return clean;
}

/* Of a body that is not there as a whole: so far as it can meet those of other requests */
static bool add_body(struct search *s, struct bb_span data, bool end)
{
	const struct searcher *all = &s->c->eg->searcher;
	size_t max = s->rq->body.len ? ACROSS_PIECE_MAX : ACROSS_PIECE_MAX / 2;
	struct across_at at = { .route = s->rq->route, .kind = 'b' };

	return across_go_on(all->across, all->all.db, &at, &s->rq->added, data, max, end, on_across,
			    s);
}

static int open_stream(const struct conn *c, struct request *rq, struct scan_stream **ret)
{
	const struct searcher *s = &c->eg->searcher;
	int r = scan_open(s->vendors, wants_canary(c, rq) ? s->canary.db : s->all.db, ret);

	if (r == 0)
		begin_search(&(struct search){ .c = c, .rq = rq }, *ret, true);
	return r;
}

/* What a length or a tag stands beside: see fields.h */
static enum scan_result search_fields(struct search *s, struct bb_span data)
{
	const char *place = s->place;
	struct request *rq = s->rq;
	struct scan_stream *stream;
	enum scan_result r = SCAN_ERROR;

	if (!is_searched(content_of(s->c, rq)) || !is_protobuf(rq))
		return SCAN_CLEAN;
	if (!rq->fields && open_stream(s->c, rq, &stream) == 0)
		rq->fields = fields_new(stream);
	s->place = "field";
	if (rq->fields)
		r = fields_feed(rq->fields, data, on_finding, s);
	s->place = place;
	return r;
}

/* Decoded octets on their way into a search */
struct decoding {
	struct scan_stream *stream;
	struct search *search;
	enum scan_result result;
};

static bool on_decoded(void *arg, struct bb_span out)
{
	enum scan_result fields = SCAN_CLEAN;
	struct decoding *d = arg;

	count_opaque(d->search, out, false);
	d->result = scan_feed(d->stream, out, false, on_finding, d->search);
	if (d->result < SCAN_FOUND)
		fields = search_fields(d->search, out);
	if (fields >= SCAN_FOUND)
		d->result = fields;
	if (d->result < SCAN_FOUND && add_body(d->search, out, false))
		d->result = SCAN_FOUND;
	return d->result < SCAN_FOUND;
}

static struct judgement feed_decoder(struct coding *c, struct bb_span data, bool end,
				     struct decoding *d)
{
	enum coding_result r = coding_feed(c, data, end, on_decoded, d);

	if (r == CODING_STOPPED)
		return verdict_of(d->search, d->result);
	if (r == CODING_MEMORY)
		return (struct judgement){ 503, REASON_LIMIT, coding_result_str[r] };
	if (r != CODING_OK)
		return (struct judgement){ 403, REASON_CODING, coding_result_str[r] };
	if (end) {
		count_opaque(d->search, (struct bb_span){ 0 }, true);
		d->result =
			scan_feed(d->stream, (struct bb_span){ 0 }, true, on_finding, d->search);
		(void)add_body(d->search, (struct bb_span){ 0 }, true);
	}
	return verdict_of(d->search, d->result);
}

static struct judgement search_decoded(const struct conn *c, struct request *rq)
{
	struct search s = {
		.c = c, .rq = rq, .place = "decoded body", .canary = wants_canary(c, rq)
	};
	struct decoding d = { whole_of(c, rq), &s, SCAN_CLEAN };
	struct coding *decoder = NULL;
	struct judgement j = open_decoder(c, rq, &decoder);

	if (j.status)
		return j;
	if (!decoder) {
		count_opaque(&s, bb_buf_span(&rq->body), true);
		return verdict_of(&s, search_fields(&s, bb_buf_span(&rq->body)));
	}
	begin_search(&s, d.stream, true);
	j = feed_decoder(decoder, bb_buf_span(&rq->body), true, &d);
	coding_close(decoder);
	return j;
}

/* Of what some decoder takes for "operation" (Go's goes by no case), each has to ask for a download
 */
static bool asks_download(json_t *j)
{
	bool any = false;
	const char *name;
	json_t *value;

	json_object_foreach(j, name, value)
	{
		const char *text = json_string_value(value);

		if (strcasecmp(name, "operation") != 0)
			continue;
		if (!text || strcmp(text, "download") != 0)
			return false;
		any = true;
	}
	return any;
}

static struct judgement judge_lfs(const struct request *rq)
{
	json_error_t je;
	json_auto_t *j =
		json_loadb((const char *)rq->body.p, rq->body.len, JSON_REJECT_DUPLICATES, &je);

	if (asks_download(j))
		return clean;
	return (struct judgement){ 403, REASON_GIT_PUSH, "git-lfs upload" };
}

bool outbound_wants_whole(const struct conn *c, const struct request *rq)
{
	return rq->http.body == HTTP1_BODY_LENGTH && rq->http.length > 0 &&
	       rq->http.length <= OUTBOUND_WHOLE_MAX &&
	       c->eg->searcher.kept + rq->http.length <= OUTBOUND_WHOLE_TOTAL;
}

/* Mask @count letters and digits of @from, up to @end. What separates them stays, so that JSON is
 * still JSON */
static void mask_known(const uint8_t *from, uint8_t *to, size_t end, size_t count)
{
	uint8_t one[1];

	for (; end > 0 && count > 0; end--) {
		if (known_project(&from[end - 1], 1, one) == 0)
			continue;
		to[end - 1] = '*';
		count--;
	}
}

/* Finds may overlap, so what is counted is the text as it was. Return: 0 or -ENOMEM */
static int apply_marks(const struct search *s, struct bb_buf *text)
{
	bb_auto_free uint8_t *was = malloc(text->len + 1);

	if (!was)
		return -ENOMEM;
	memcpy(was, text->p, text->len);
	for (size_t i = 0; i < s->n_marks; i++) {
		const struct scan_finding *f = &s->marks[i];
		size_t end = f->end < text->len ? (size_t)f->end : text->len;

		if (f->kind == SCAN_KNOWN)
			mask_known(was, text->p, end, f->len);
		else if (f->len <= end)
			memset(text->p + end - f->len, '*', f->len);
	}
	explicit_bzero(was, text->len);
	return 0;
}

/* ---- records ---- */

/* Whatever is found, counted or not, has no place in a record */
static bool on_shown(void *arg, const struct scan_finding *f)
{
	struct search *s = arg;

	if (f->view == SCAN_RAW && s->n_marks < BB_ARRAY_LEN(s->marks))
		s->marks[s->n_marks++] = *f;
	else
		s->found = true;
	return false;
}

static void mask_query(struct bb_buf *text)
{
	uint8_t *mark = memchr(text->p, '?', text->len);
	struct bb_span rest, name, value;

	if (!mark)
		return;
	rest = (struct bb_span){ mark + 1, text->len - (size_t)(mark + 1 - text->p) };
	while (credential_next_query(&rest, &name, &value))
		memset(text->p + (value.p - text->p), '*', value.len);
}

static bool mask_found(const struct conn *c, struct request *rq, struct bb_buf *text)
{
	for (unsigned int pass = 0; pass < PASSES; pass++) {
		struct search s = { .c = c, .rq = rq };

		scan_reset(c->eg->searcher.whole, true);
		if (scan_feed(c->eg->searcher.whole, bb_buf_span(text), true, on_shown, &s) >=
		    SCAN_TOO_MUCH)
			return false;
		if (s.n_marks == 0 || apply_marks(&s, text) < 0)
			return s.n_marks == 0 && !s.found;
	}
	return false;
}

struct bb_span outbound_show(const struct conn *c, struct request *rq, struct bb_span text,
			     uint8_t *out)
{
	struct bb_buf copy = { .p = out, .len = text.len, .cap = OUTBOUND_SHOW_MAX };
	bool query = text.len && memchr(text.p, '?', text.len);

	if (text.len > OUTBOUND_SHOW_MAX)
		copy.len = text.len = OUTBOUND_SHOW_MAX;
	if (!query && !rq->sensitive)
		return text;
	memcpy(out, text.p, text.len);
	mask_query(&copy);
	if (rq->sensitive && !mask_found(c, rq, &copy))
		return BB_SPAN_STR("[masked]");
	return bb_buf_span(&copy);
}

static bool may_clean(const struct conn *c, const struct request *rq)
{
	return content_of(c, rq)->dlp.on_match == CONTENT_REDACT && !is_coded(rq);
}

static struct judgement search_body(const struct conn *c, struct request *rq)
{
	struct scan_stream *whole = whole_of(c, rq);
	struct judgement j = clean;
	bool any = false;

	for (unsigned int pass = 0; pass < PASSES; pass++) {
		struct search s = { .c = c,
				    .rq = rq,
				    .place = "body",
				    .canary = wants_canary(c, rq),
				    .clean = may_clean(c, rq) && pass + 1 < PASSES };
		enum scan_result r;

		begin_search(&s, whole, true);
		r = scan_feed(whole, bb_buf_span(&rq->body), true, on_finding, &s);
		j = verdict_of(&s, r);
		if (j.status || (s.n_marks == 0 && !s.clean))
			break;
		any |= s.n_marks > 0;
		if (apply_marks(&s, &rq->body) < 0)
			return (struct judgement){ 503, REASON_LIMIT, "out of memory" };
		if (s.n_marks == 0)
			pass = PASSES - 2; /* once more, and what is found now stays found */
	}
	rq->cleaned = any;
	return j;
}

struct judgement outbound_judge_body(const struct conn *c, struct request *rq)
{
	struct search s = { .c = c, .rq = rq, .place = "body, together with earlier ones" };
	struct judgement j = clean;

	if (content_is_lfs_batch(rq->http.method, rq->path))
		j = judge_lfs(rq);
	if (j.status)
		return j;
	j = search_body(c, rq);
	if (j.status == 0)
		j = search_decoded(c, rq);
	if (j.status == 0)
		j = judge_opaque(c, rq);
	if (j.status)
		return j;
	if (rq->added.fed == 0) /* else it was decoded */
		(void)add_piece(&s, 'b', (struct bb_span){ 0 }, bb_buf_span(&rq->body));
	return verdict_of(&s, SCAN_CLEAN);
}

/* ---- streaming bodies ---- */

struct judgement outbound_judge_stream(const struct conn *c, struct request *rq)
{
	struct judgement j;

	if (content_is_lfs_batch(rq->http.method, rq->path))
		return (struct judgement){ 403, REASON_GIT_PUSH,
					   "git-lfs batch of unknown length" };
	j = open_decoder(c, rq, &rq->decoder);
	if (j.status)
		return j;
	if (open_stream(c, rq, &rq->search) < 0 ||
	    (rq->decoder && open_stream(c, rq, &rq->search_decoded) < 0))
		return (struct judgement){ 503, REASON_LIMIT, "out of memory" };
	return clean;
}

struct judgement outbound_feed(struct conn *c, struct bb_span data, bool end, bool *ret_hold)
{
	struct request *rq = c->rq;
	struct search s = { .c = c, .rq = rq, .place = "body", .canary = wants_canary(c, rq) };
	struct judgement j;
	enum scan_result r;

	*ret_hold = false;
	r = scan_feed(rq->search, data, end, on_finding, &s);
	j = verdict_of(&s, r);
	if (j.status == 0 && !rq->decoder) {
		count_opaque(&s, data, end);
		(void)add_body(&s, data, end);
		j = verdict_of(&s, s.found ? SCAN_FOUND : search_fields(&s, data));
	}
	if (j.status == 0 && rq->decoder) {
		struct decoding d = { rq->search_decoded, &s, SCAN_CLEAN };

		s.place = "decoded body";
		j = feed_decoder(rq->decoder, data, end, &d);
		if (d.result == SCAN_HOLD)
			r = SCAN_HOLD;
	}
	*ret_hold = r == SCAN_HOLD && content_of(c, rq)->dlp.token_patterns;
	return j.status ? j : judge_opaque(c, rq);
}

/* Of a WebSocket, what stands by itself: whoever reads it knows where it begins and ends */
static enum scan_result search_alone(struct search *s, struct bb_span data)
{
	struct scan_stream *whole = whole_of(s->c, s->rq);

	begin_search(s, whole, true);
	return scan_feed(whole, data, true, on_finding, s);
}

struct judgement outbound_feed_control(struct conn *c, struct bb_span data, bool *ret_hold)
{
	struct request *rq = c->rq;
	struct search s = {
		.c = c, .rq = rq, .place = "control frame", .canary = wants_canary(c, rq)
	};
	enum scan_result r;

	*ret_hold = false;
	if (!rq->search_control && open_stream(c, rq, &rq->search_control) < 0)
		return (struct judgement){ 503, REASON_LIMIT, "out of memory" };
	count_opaque(&s, data, false);
	r = scan_feed(rq->search_control, data, false, on_finding, &s);
	*ret_hold = r == SCAN_HOLD && content_of(c, rq)->dlp.token_patterns;
	if (r <= SCAN_HOLD)
		r = search_alone(&s, data);
	return r > SCAN_HOLD ? verdict_of(&s, r) : judge_opaque(c, rq);
}

struct judgement outbound_feed_message(struct conn *c, struct bb_span data, bool begin, bool end,
				       bool *ret_hold)
{
	struct judgement j = outbound_feed(c, data, false, ret_hold);
	struct request *rq = c->rq;
	struct search s = { .c = c, .rq = rq, .place = "message", .canary = wants_canary(c, rq) };
	enum scan_result r;

	if (j.status)
		return j;
	if (begin && end)
		return verdict_of(&s, search_alone(&s, data));
	if (!rq->search_message && open_stream(c, rq, &rq->search_message) < 0)
		return (struct judgement){ 503, REASON_LIMIT, "out of memory" };
	if (begin)
		begin_search(&s, rq->search_message, true);
	r = scan_feed(rq->search_message, data, end, on_finding, &s);
	*ret_hold |= r == SCAN_HOLD && content_of(c, rq)->dlp.token_patterns;
	return verdict_of(&s, r);
}

static bool is_too_late(void *arg, const struct known_hit *hit)
{
	(void)arg;
	(void)hit;
	return false;
}

void outbound_drop(const struct conn *c, struct request *rq)
{
	const struct searcher *all = &c->eg->searcher;
	struct across_at at = { .route = rq->route, .kind = 'b' };

	(void)across_go_on(all->across, all->all.db, &at, &rq->added, (struct bb_span){ 0 },
			   ACROSS_PIECE_MAX, true, is_too_late, NULL);
}

struct judgement outbound_account(struct conn *c, size_t n)
{
	struct request *rq = c->rq;
	const struct content_limits *l = &content_of(c, rq)->limits;
	struct route_use *u = &c->eg->used[rq->route];

	rq->uploaded += n;
	u->uploaded += n;
	if (l->request_bytes && rq->uploaded > l->request_bytes)
		return (struct judgement){ 403, REASON_BUDGET, "request_bytes" };
	if (l->upload_per_session && u->uploaded > l->upload_per_session)
		return (struct judgement){ 403, REASON_BUDGET, "upload_per_session" };
	return clean;
}
