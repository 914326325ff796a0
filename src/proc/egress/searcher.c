/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/searcher.h"
#include "base/io.h"
#include "scan/parts.h"
#include <errno.h>

#define RULES_MAX    VENDOR_SERIALIZED_MAX
#define DECODERS_MAX (64u << 20)

/* What is secret of it, or all where that is too little to be looked for */
static void take(struct wanted *w, struct known_secret *list, size_t *n, size_t name,
		 const char *value)
{
	struct bb_span parts[PARTS_MAX], whole = BB_SPAN_STR(value);
	size_t n_parts = parts_of(whole, parts), before = *n;

	for (size_t i = 0; i < n_parts; i++) {
		struct known_secret k = { parts[i] };

		if (!known_is_searchable(&k))
			continue;
		w->names[*n] = name;
		list[(*n)++] = k;
	}
	if (*n > before || !known_is_searchable(&(struct known_secret){ whole }))
		return; /* too few letters and digits: the preflight has said so */
	w->names[*n] = name;
	list[(*n)++] = (struct known_secret){ whole };
}

static int load_rules(struct searcher *s, int fd, struct bb_err *err)
{
	bb_auto_buf struct bb_buf bytes;
	int r;

	if (fd < 0)
		return vendor_db_open(NULL, &s->vendors, err);
	bb_buf_init(&bytes, RULES_MAX);
	r = bb_memfd_read(fd, &bytes);
	if (r < 0)
		return bb_err_set(err, r, "rules: %s", strerror(-r));
	return vendor_db_from_bytes(bb_buf_span(&bytes), &s->vendors, err);
}

static int wanted_init(struct wanted *w, const struct secrets *secrets, bool canary,
		       struct bb_err *err)
{
	size_t all = secrets->n_tokens + secrets->n_known, n = 0;
	bb_auto_free struct known_secret *list = calloc(all * PARTS_MAX + 1, sizeof(*list));

	w->names = calloc(all * PARTS_MAX + 1, sizeof(*w->names));
	if (!list || !w->names)
		return bb_err_set(err, -ENOMEM, "secrets: no memory");
	for (size_t i = 0; i < secrets->n_tokens && !canary; i++)
		take(w, list, &n, i, secrets->tokens[i].value);
	for (size_t i = 0; i < secrets->n_known; i++) {
		if (!canary || secrets->known[i].canary)
			take(w, list, &n, secrets->n_tokens + i, secrets->known[i].value);
	}
	return known_db_new(list, n, &w->db, err);
}

/* All but the rules */
static int take_secrets(struct searcher *s, const struct secrets *secrets, struct bb_err *err)
{
	int r = wanted_init(&s->all, secrets, false, err);

	if (r == 0)
		r = wanted_init(&s->canary, secrets, true, err);
	s->across = across_new();
	return r == 0 && !s->across ? bb_err_set(err, -ENOMEM, "scanner: no memory") : r;
}

static int open_whole(struct searcher *s, struct bb_err *err)
{
	if (scan_open(s->vendors, s->all.db, &s->whole) < 0 ||
	    scan_open(s->vendors, s->canary.db, &s->whole_canary) < 0)
		return bb_err_set(err, -ENOMEM, "scanner: no memory");
	return 0;
}

int searcher_init(struct searcher *s, const struct secrets *secrets, int rules_fd,
		  struct bb_err *err)
{
	int r = take_secrets(s, secrets, err);

	if (r == 0)
		r = load_rules(s, rules_fd, err);
	s->decoders.max = DECODERS_MAX;
	return r == 0 ? open_whole(s, err) : r;
}

int searcher_renew(const struct searcher *s, const struct secrets *secrets, struct searcher *ret,
		   struct bb_err *err)
{
	struct searcher next = { .vendors = s->vendors };
	int r = take_secrets(&next, secrets, err);

	if (r == 0)
		r = open_whole(&next, err);
	if (r < 0) {
		searcher_drop(&next);
		return r;
	}
	*ret = next;
	return 0;
}

void searcher_drop(struct searcher *next)
{
	scan_close(next->whole);
	scan_close(next->whole_canary);
	known_db_free(next->all.db);
	known_db_free(next->canary.db);
	free(next->all.names);
	free(next->canary.names);
	across_free(next->across);
	*next = (struct searcher){ 0 };
}

void searcher_replace(struct searcher *s, struct searcher *next)
{
	struct searcher old = *s;

	s->all = next->all;
	s->canary = next->canary;
	s->whole = next->whole;
	s->whole_canary = next->whole_canary;
	s->across = next->across;
	searcher_drop(&old);
	*next = (struct searcher){ 0 };
}
