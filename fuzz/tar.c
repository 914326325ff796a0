/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/tar.h"

/*
 * Invariants: every name is relative and without ".."; a file's data is exactly its size; the input
 * cut into pieces gives the same members as in one; what was read can be written again.
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

static void check_entry(const struct tar_entry *e, struct tally *t)
{
	static uint8_t out[TAR_HEADER_MAX];
	static char again[TAR_PATH_MAX];
	size_t n;

	BB_BUG_ON(e->type >= TAR_NUM_TYPES || e->path[0] == '/' || !e->path[0]);
	BB_BUG_ON(!tar_path_normalize(BB_SPAN_STR(e->path), again) || strcmp(again, e->path) != 0);
	BB_BUG_ON(e->type != TAR_TYPE_FILE && e->size);
	BB_BUG_ON((e->type == TAR_TYPE_SYMLINK) != (e->target[0] != '\0'));
	n = tar_header_write(out, e);
	BB_BUG_ON(n == 0 || n > sizeof(out) || n % TAR_BLOCK);
	t->entries++;
	mix(t, e->path, strlen(e->path));
	mix(t, e->target, strlen(e->target));
	mix(t, &e->size, sizeof(e->size));
}

static struct tally walk(struct bb_span all, size_t step)
{
	static struct tar_reader r;
	struct tally t = { .hash = 0xcbf29ce484222325u };
	uint64_t left = 0;

	tar_reader_init(&r);
	while (all.len) {
		struct bb_span in = { all.p, all.len < step ? all.len : step }, out;
		size_t given = in.len;
		enum tar_event e;

		while ((e = tar_reader_next(&r, &in, &out)) == TAR_EVENT_ENTRY ||
		       e == TAR_EVENT_DATA) {
			if (e == TAR_EVENT_ENTRY) {
				BB_BUG_ON(left != 0);
				check_entry(&r.entry, &t);
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
	struct tally whole = walk((struct bb_span){ data, size }, size);
	struct tally pieces = walk((struct bb_span){ data, size }, 13);

	BB_BUG_ON(whole.hash != pieces.hash || whole.entries != pieces.entries);
	BB_BUG_ON(whole.result != pieces.result || whole.done != pieces.done);
	return 0;
}
