/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/tar.h"

/*
 * Invariants: every name is relative and without ".."; a file's data is exactly its size; the input
 * cut into pieces gives the same members as in one; what was read can be written again, but for
 * what only layers have. The same for layers, whose hard links lead to names and whose attributes
 * lie in the records.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tally {
	uint64_t hash, entries;
	enum tar_result result;
	bool done;
};

static void mix(struct tally *t, const void *p, size_t len)
{
	const uint8_t *at = p;

	for (size_t i = 0; i < len; i++)
		t->hash = (t->hash ^ at[i]) * 0x100000001b3u;
}

static void check_xattrs(const struct tar_reader *r, struct tally *t)
{
	struct bb_span name, value;
	size_t at = 0, last = 0;

	while (tar_reader_xattr(r, &at, &name, &value)) {
		BB_BUG_ON(!r->is_layer || at <= last || at > r->pax_len || name.len == 0);
		last = at;
		mix(t, name.p, name.len);
		mix(t, value.p, value.len);
	}
}

static void check_entry(const struct tar_reader *r, struct tally *t)
{
	const struct tar_entry *e = &r->entry;
	static uint8_t out[TAR_HEADER_MAX];
	static char again[TAR_PATH_MAX];
	size_t n;

	check_xattrs(r, t);
	BB_BUG_ON(e->type > TAR_TYPE_SYMLINK && !r->is_layer);
	BB_BUG_ON(!r->is_layer && (e->uid || e->gid));
	if (e->type == TAR_TYPE_HARDLINK)
		BB_BUG_ON(!tar_path_normalize(BB_SPAN_STR(e->target), again) ||
			  strcmp(again, e->target) != 0);

	BB_BUG_ON(e->type >= TAR_NUM_TYPES || e->path[0] == '/' || !e->path[0]);
	BB_BUG_ON(!tar_path_normalize(BB_SPAN_STR(e->path), again) || strcmp(again, e->path) != 0);
	BB_BUG_ON(e->type != TAR_TYPE_FILE && e->size);
	BB_BUG_ON((e->type == TAR_TYPE_SYMLINK || e->type == TAR_TYPE_HARDLINK) !=
		  (e->target[0] != '\0'));
	n = tar_header_write(out, e);
	BB_BUG_ON((n == 0) != (e->type > TAR_TYPE_SYMLINK) || n > sizeof(out) || n % TAR_BLOCK);
	t->entries++;
	mix(t, e->path, strlen(e->path));
	mix(t, e->target, strlen(e->target));
	mix(t, &e->size, sizeof(e->size));
}

static struct tally walk(struct bb_span all, size_t step, bool layer)
{
	static struct tar_reader r;
	struct tally t = { .hash = 0xcbf29ce484222325u };
	uint64_t left = 0;

	if (layer)
		tar_reader_init_layer(&r);
	else
		tar_reader_init(&r);
	while (all.len) {
		struct bb_span in = { all.p, all.len < step ? all.len : step }, out;
		size_t given = in.len;
		enum tar_event e;

		while ((e = tar_reader_next(&r, &in, &out)) == TAR_EVENT_ENTRY ||
		       e == TAR_EVENT_DATA) {
			if (e == TAR_EVENT_ENTRY) {
				BB_BUG_ON(left != 0);
				check_entry(&r, &t);
				left = r.entry.size;
			} else {
				BB_BUG_ON(out.len == 0 || out.len > left);
				left -= out.len;
				mix(&t, out.p, out.len);
			}
		}
		if (e != TAR_EVENT_MORE)
			break;
		BB_BUG_ON(in.len != 0);
		all.p += given;
		all.len -= given;
	}
	BB_BUG_ON(tar_reader_is_done(&r) && left);
	t.result = r.result;
	t.done = tar_reader_is_done(&r);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int layer = 0; layer < 2; layer++) {
		struct tally whole = walk((struct bb_span){ data, size }, size, layer);
		struct tally pieces = walk((struct bb_span){ data, size }, 13, layer);

		BB_BUG_ON(whole.hash != pieces.hash || whole.entries != pieces.entries);
		BB_BUG_ON(whole.result != pieces.result || whole.done != pieces.done);
	}
	return 0;
}
