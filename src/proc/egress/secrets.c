/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/secrets.h"
#include "base/io.h"
#include <errno.h>
#include <jansson.h>
#include <sys/mman.h>

#define BLOB_MAX (8u << 20)

/* Texts are copied into one locked mapping; the JSON they came from is wiped */
struct arena {
	char *p;
	size_t len;
	size_t size;
};

static const char *keep(struct arena *a, const json_t *j)
{
	const char *s = json_string_value(j);
	size_t len = s ? strlen(s) + 1 : 0;
	char *at = a->p + a->len;

	if (!s || len > SECRETS_VALUE_MAX || len > a->size - a->len)
		return NULL;
	memcpy(at, s, len);
	a->len += len;
	return at;
}

static int bad(struct bb_err *err, const char *what)
{
	return bb_err_set(err, -EINVAL, "secrets: bad %s", what);
}

static int load_tokens(const json_t *list, struct arena *a, struct secrets *s, struct bb_err *err)
{
	size_t i;
	json_t *e;

	if (!json_is_array(list) || json_array_size(list) > SECRETS_MAX)
		return bad(err, "tokens");
	s->tokens = calloc(json_array_size(list) + 1, sizeof(*s->tokens));
	if (!s->tokens)
		return bb_err_set(err, -ENOMEM, "secrets: no memory");
	json_array_foreach(list, i, e)
	{
		struct secret_token *t = &s->tokens[s->n_tokens++];

		t->name = keep(a, json_object_get(e, "name"));
		t->value = keep(a, json_object_get(e, "value"));
		t->placeholder = keep(a, json_object_get(e, "placeholder"));
		if (!t->name || !t->value || !t->placeholder || !t->placeholder[0] ||
		    json_object_size(e) != 3)
			return bad(err, "token");
	}
	return 0;
}

static int load_to(const json_t *list, struct arena *a, struct secret_known *k, struct bb_err *err)
{
	size_t i;
	json_t *e;

	if (!json_is_array(list) || json_array_size(list) > SECRETS_MAX)
		return bad(err, "to");
	k->to = calloc(json_array_size(list) + 1, sizeof(*k->to));
	if (!k->to)
		return bb_err_set(err, -ENOMEM, "secrets: no memory");
	json_array_foreach(list, i, e)
	{
		k->to[k->n_to] = keep(a, e);
		if (!k->to[k->n_to++])
			return bad(err, "to");
	}
	return 0;
}

static int load_known(const json_t *list, struct arena *a, struct secrets *s, struct bb_err *err)
{
	size_t i;
	json_t *e;
	int r;

	if (!json_is_array(list) || json_array_size(list) > SECRETS_MAX)
		return bad(err, "known");
	s->known = calloc(json_array_size(list) + 1, sizeof(*s->known));
	if (!s->known)
		return bb_err_set(err, -ENOMEM, "secrets: no memory");
	json_array_foreach(list, i, e)
	{
		struct secret_known *k = &s->known[s->n_known++];

		k->name = keep(a, json_object_get(e, "name"));
		k->value = keep(a, json_object_get(e, "value"));
		k->canary = json_is_true(json_object_get(e, "canary"));
		if (!k->name || !k->value || json_object_size(e) != 4 ||
		    !json_is_boolean(json_object_get(e, "canary")))
			return bad(err, "known secret");
		r = load_to(json_object_get(e, "to"), a, k, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Locked where the limit allows; an octet more of text than the blob has cannot be kept */
static int make_arena(size_t size, struct arena *a, struct bb_err *err)
{
	a->p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->p == MAP_FAILED)
		return bb_err_set(err, -errno, "secrets: no memory");
	a->size = size;
	(void)mlock(a->p, size);
	(void)madvise(a->p, size, MADV_DONTDUMP);
	(void)madvise(a->p, size, MADV_DONTFORK);
	return 0;
}

static int parse(struct bb_span text, struct secrets *s, struct bb_err *err)
{
	json_auto_t *json = NULL;
	struct arena a = { 0 };
	json_error_t je;
	int r = make_arena(text.len + 4096, &a, err);

	if (r < 0)
		return r;
	json = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &je);
	if (!json || json_object_size(json) != 2)
		return bad(err, "JSON");
	s->arena = a.p;
	s->arena_size = a.size;
	r = load_tokens(json_object_get(json, "tokens"), &a, s, err);
	return r < 0 ? r : load_known(json_object_get(json, "known"), &a, s, err);
}

int secrets_load(int fd, struct secrets *ret, struct bb_err *err)
{
	bb_auto_buf struct bb_buf buf;
	int r;

	*ret = (struct secrets){ 0 };
	bb_buf_init_secret(&buf, BLOB_MAX);
	if (fd < 0)
		return bb_err_set(err, -EINVAL, "no secrets were given, not even an empty list");
	r = bb_memfd_read(fd, &buf);
	if (r < 0)
		return bb_err_set(err, r, "secrets: %s", strerror(-r));
	json_set_alloc_funcs(malloc, bb_free_wiped); /* the parser copies every text */
	r = parse(bb_buf_span(&buf), ret, err);
	json_set_alloc_funcs(malloc, free);
	return r;
}

void secrets_release(struct secrets *s)
{
	for (size_t i = 0; s->arena && i < s->n_known; i++)
		free(s->known[i].to);
	free(s->tokens);
	free(s->known);
	if (s->arena) {
		explicit_bzero(s->arena, s->arena_size);
		(void)munmap(s->arena, s->arena_size);
	}
	*s = (struct secrets){ 0 };
}

/* The host variable may be unset where `reload` is called: the value of the start stays */
static bool is_other(const struct secret_token *was, const struct secret_token *is)
{
	return is->value[0] && strcmp(was->value, is->value) != 0;
}

/* Return: was it something new? */
static bool merge_token(struct secrets *s, const struct secret_token *t)
{
	struct secret_token *was = NULL;

	for (size_t i = 0; i < s->n_tokens && !was; i++)
		was = strcmp(s->tokens[i].name, t->name) == 0 ? &s->tokens[i] : NULL;
	if (!was) {
		s->tokens[s->n_tokens++] = *t;
		return true;
	}
	if (!is_other(was, t))
		return false;
	if (was->value[0])
		s->known[s->n_known++] =
			(struct secret_known){ .name = was->name, .value = was->value };
	was->value = t->value;
	return true;
}

int secrets_merge(const struct secrets *old, const struct secrets *more, struct secrets *ret,
		  struct bb_err *err)
{
	struct secrets s = { 0 };
	bool any = false;

	s.tokens = calloc(old->n_tokens + more->n_tokens + 1, sizeof(*s.tokens));
	s.known = calloc(old->n_known + more->n_tokens + 1, sizeof(*s.known));
	if (!s.tokens || !s.known) {
		secrets_release(&s);
		return bb_err_set(err, -ENOMEM, "secrets: no memory");
	}
	for (size_t i = 0; i < old->n_tokens; i++)
		s.tokens[s.n_tokens++] = old->tokens[i];
	for (size_t i = 0; i < old->n_known; i++)
		s.known[s.n_known++] = old->known[i];
	for (size_t i = 0; i < more->n_tokens; i++)
		any |= merge_token(&s, &more->tokens[i]);
	if (!any || s.n_tokens > SECRETS_MAX || s.n_known > SECRETS_MAX) {
		secrets_release(&s);
		return any ? bb_err_set(err, -E2BIG, "more secrets than a bottle can have") : 0;
	}
	*ret = s;
	return 1;
}

const struct secret_token *secrets_token(const struct secrets *s, const char *name)
{
	for (size_t i = 0; i < s->n_tokens; i++) {
		if (strcmp(s->tokens[i].name, name) == 0)
			return &s->tokens[i];
	}
	return NULL;
}

const struct secret_token *secrets_placeholder_in(const struct secrets *s, struct bb_span text)
{
	for (size_t i = 0; i < s->n_tokens; i++) {
		const char *p = s->tokens[i].placeholder;

		if (text.len && memmem(text.p, text.len, p, strlen(p)))
			return &s->tokens[i];
	}
	return NULL;
}

bool secret_may_go_to(const struct secret_known *k, const char *host)
{
	for (size_t i = 0; i < k->n_to; i++) {
		if (strcmp(k->to[i], host) == 0)
			return true;
	}
	return false;
}
