/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/tar.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* Feed @len octets in steps of @step; concatenate data, count entries. Return: the last event */
static enum tar_event feed(struct tar_reader *r, const uint8_t *p, size_t len, size_t step,
			   unsigned int *entries, char *data, size_t size)
{
	enum tar_event e = TAR_EVENT_MORE;
	size_t at = 0, n = 0;

	*entries = 0;
	while (at < len && e != TAR_EVENT_END && e != TAR_EVENT_BAD) {
		size_t part = len - at < step ? len - at : step;
		uint8_t *copy = malloc(part);
		struct bb_span in = { copy, part }, out;

		assert_non_null(copy);
		memcpy(copy, p + at, part);
		while ((e = tar_reader_next(r, &in, &out)) == TAR_EVENT_ENTRY ||
		       e == TAR_EVENT_DATA) {
			*entries += e == TAR_EVENT_ENTRY;
			for (size_t i = 0; e == TAR_EVENT_DATA && i < out.len && n < size - 1; i++)
				data[n++] = (char)out.p[i];
		}
		free(copy);
		at += part;
	}
	data[n] = '\0';
	return e;
}

static void round_trip(void **state)
{
	static uint8_t out[4 * TAR_HEADER_MAX];
	static struct tar_reader r;
	static struct tar_entry e;
	static const size_t steps[] = { 1, 7, 512, 100000 };

	(void)state;
	for (size_t s = 0; s < BB_ARRAY_LEN(steps); s++) {
		unsigned int entries;
		char data[32];
		size_t n;

		e = (struct tar_entry){ .type = TAR_TYPE_DIR, .mode = 0750, .path = "dir" };
		n = tar_header_write(out, &e);
		assert_int_equal(n, TAR_BLOCK);
		e = (struct tar_entry){
			.type = TAR_TYPE_FILE, .mode = 04755, .size = 5, .mtime = -3
		};
		memset(e.path, 'a', 3000);
		n += tar_header_write(out + n, &e);
		memcpy(out + n, "hello", 5);
		memset(out + n + 5, 0, tar_padding(5));
		n += TAR_BLOCK;
		e = (struct tar_entry){ .type = TAR_TYPE_SYMLINK, .mode = 0777, .path = "l" };
		memset(e.target, '/', 4000);
		n += tar_header_write(out + n, &e);
		memset(out + n, 0, TAR_END_BYTES);
		n += TAR_END_BYTES;
		tar_reader_init(&r);
		assert_int_equal(feed(&r, out, n, steps[s], &entries, data, sizeof(data)),
				 TAR_EVENT_END);
		assert_true(tar_reader_is_done(&r));
		assert_int_equal(entries, 3);
		assert_string_equal(data, "hello");
		assert_int_equal(strlen(r.entry.target), 4000);
		assert_string_equal(r.entry.path, "l");
	}
}

static void large_and_old(void **state)
{
	static uint8_t out[TAR_HEADER_MAX];
	static struct tar_reader r;
	static struct tar_entry e = { .type = TAR_TYPE_FILE,
				      .mode = 0644,
				      .size = 1ull << 40,
				      .mtime = -86400,
				      .path = "big" };
	struct bb_span in, data;

	(void)state;
	in = (struct bb_span){ out, tar_header_write(out, &e) };
	assert_true(in.len > TAR_BLOCK);
	tar_reader_init(&r);
	assert_int_equal(tar_reader_next(&r, &in, &data), TAR_EVENT_ENTRY);
	assert_true(r.entry.size == 1ull << 40 && r.entry.mtime == -86400);
	assert_int_equal(in.len, 0);
}

static void paths(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL = refused */
	} rows[] = {
		{ "a/b", "a/b" },         { "./a//b/", "a/b" }, { ".", "." },     { "./", "." },
		{ "..a/b..", "..a/b.." }, { "", NULL },         { "/etc", NULL }, { "..", NULL },
		{ "a/../b", NULL },       { "a/..", NULL },     { "../a", NULL }, { "./..", NULL },
		{ "...", "..." },
	};
	static char longest[TAR_PATH_MAX + 1];
	char out[TAR_PATH_MAX] = "untouched";

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		(void)strcpy(out, "untouched");
		assert_int_equal(tar_path_normalize(BB_SPAN_STR(rows[i].in), out),
				 rows[i].out != NULL);
		assert_string_equal(out, rows[i].out ? rows[i].out : "untouched");
	}
	memset(longest, 'x', TAR_PATH_MAX);
	assert_false(tar_path_normalize((struct bb_span){ (const uint8_t *)longest, TAR_PATH_MAX },
					out));
	assert_true(tar_path_normalize(
		(struct bb_span){ (const uint8_t *)longest, TAR_PATH_MAX - 1 }, out));
	assert_false(tar_path_normalize((struct bb_span){ (const uint8_t *)"a\0b", 3 }, out));
}

static void fix_sum(uint8_t *block)
{
	unsigned int sum = 0;
	char text[8];

	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += block[i];
	(void)snprintf(text, sizeof(text), "%06o", sum & 0777777);
	memcpy(block + 148, text, 7);
}

/* One header block with one field changed */
static void headers(void **state)
{
	static const struct {
		size_t at;
		const char *bytes;
		bool keep_sum;
		enum tar_result want;
	} rows[] = {
		{ 0, "x", true, TAR_RESULT_BAD_CHECKSUM },
		{ 0, "/", false, TAR_RESULT_BAD_NAME },
		{ 0, "..", false, TAR_RESULT_BAD_NAME },
		{ 257, "nope!", false, TAR_RESULT_BAD_MAGIC },
		{ 124, "9", false, TAR_RESULT_BAD_NUMBER },
		{ 100, "z", false, TAR_RESULT_BAD_NUMBER },
		{ 156, "1", false, TAR_RESULT_BAD_TYPE },
		{ 156, "3", false, TAR_RESULT_BAD_TYPE },
		{ 156, "6", false, TAR_RESULT_BAD_TYPE },
		{ 156, "L", false, TAR_RESULT_BAD_TYPE },
		{ 156, "S", false, TAR_RESULT_BAD_TYPE },
		{ 156, "2", false, TAR_RESULT_BAD_TARGET },
		{ 156, "5", false, TAR_RESULT_BAD_SIZE },
		{ 345, "/etc", false, TAR_RESULT_BAD_NAME },
		{ 345, "..", false, TAR_RESULT_BAD_NAME },
	};
	static struct tar_entry e = {
		.type = TAR_TYPE_FILE, .mode = 0644, .size = 1, .path = "ab"
	};
	static uint8_t out[TAR_HEADER_MAX];
	static struct tar_reader r;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct bb_span in = { out, TAR_BLOCK }, data;

		assert_int_equal(tar_header_write(out, &e), TAR_BLOCK);
		memcpy(out + rows[i].at, rows[i].bytes, strlen(rows[i].bytes));
		if (!rows[i].keep_sum)
			fix_sum(out);
		tar_reader_init(&r);
		assert_int_equal(tar_reader_next(&r, &in, &data), TAR_EVENT_BAD);
		assert_int_equal(r.result, rows[i].want);
		assert_int_equal(tar_reader_next(&r, &in, &data), TAR_EVENT_BAD);
		assert_false(tar_reader_is_done(&r));
	}
}

static void pax_records(void **state)
{
	static const struct {
		const char *text;
		enum tar_result want;
	} rows[] = {
		{ "12 path=a/b\n", TAR_RESULT_OK },
		{ "13 path=../b\n", TAR_RESULT_BAD_NAME },
		{ "13 path=/etc\n", TAR_RESULT_BAD_NAME },
		{ "13 path=a/b\n", TAR_RESULT_BAD_PAX },
		{ "11 path=a/b\n", TAR_RESULT_BAD_PAX },
		{ "99999 path=a\n", TAR_RESULT_BAD_PAX },
		{ "0 path=a\n", TAR_RESULT_BAD_PAX },
		{ "x path=a\n", TAR_RESULT_BAD_PAX },
		{ "6 abc\n", TAR_RESULT_BAD_PAX },
		{ "10 size=-1\n", TAR_RESULT_BAD_PAX },
		{ "11 mtime=x\n", TAR_RESULT_BAD_PAX },
		{ "15 mtime=-12.5\n", TAR_RESULT_OK },
		{ "12 linkpath=\n", TAR_RESULT_BAD_PAX },
		{ "12 comment=\n", TAR_RESULT_OK },
		{ "21 GNU.sparse.size=1\n", TAR_RESULT_BAD_TYPE },
	};
	static struct tar_entry e = { .type = TAR_TYPE_FILE, .mode = 0644, .path = "ab" };
	static uint8_t out[3 * TAR_BLOCK + TAR_HEADER_MAX];
	static struct tar_reader r;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct bb_span in = { out, 3 * TAR_BLOCK }, data;
		size_t len = strlen(rows[i].text);
		enum tar_event event;

		memset(out, 0, sizeof(out));
		e.size = len;
		assert_int_equal(tar_header_write(out, &e), TAR_BLOCK);
		out[156] = 'x';
		fix_sum(out);
		memcpy(out + TAR_BLOCK, rows[i].text, len);
		e.size = 0;
		assert_int_equal(tar_header_write(out + 2 * TAR_BLOCK, &e), TAR_BLOCK);
		tar_reader_init(&r);
		event = tar_reader_next(&r, &in, &data);
		assert_int_equal(r.result, rows[i].want);
		assert_int_equal(event,
				 rows[i].want == TAR_RESULT_OK ? TAR_EVENT_ENTRY : TAR_EVENT_BAD);
	}
}

static void writer_refuses(void **state)
{
	static uint8_t out[TAR_HEADER_MAX];
	static struct tar_entry e = { .type = TAR_TYPE_FILE, .path = "../x" };

	(void)state;
	assert_int_equal(tar_header_write(out, &e), 0);
	(void)strcpy(e.path, "x");
	e.type = TAR_TYPE_SYMLINK;
	assert_int_equal(tar_header_write(out, &e), 0);
	e.type = TAR_TYPE_DIR;
	e.size = 1;
	assert_int_equal(tar_header_write(out, &e), 0);
}

static void targets(void **state)
{
	static const struct {
		const char *path, *target;
		bool inside;
	} rows[] = {
		{ "a", "b", true },
		{ "a", "b/c", true },
		{ "a", ".", true },
		{ "d/a", "../b", true },
		{ "d/e/a", "../../b", true },
		{ "d/e/a", ".././../b", true },
		{ "node_modules/.bin/x", "../x/cli.js", true },
		{ "a", "..b", true },
		{ "a", "../b", false },
		{ "a", "..", false },
		{ "d/a", "../../b", false },
		{ "d/a", "./../../b", false },
		{ "a", "/b", false },
		{ "a", "", false },
		{ "d/e/a", "x/../b", false }, /* x may be a link */
		{ "d/e/a", "../x/../../b", false },
		{ "d/a", "..//..", false },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		if (tar_target_is_inside(rows[i].path, rows[i].target) != rows[i].inside)
			fail_msg("%s -> %s", rows[i].path, rows[i].target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),  cmocka_unit_test(large_and_old),
		cmocka_unit_test(paths),       cmocka_unit_test(headers),
		cmocka_unit_test(pax_records), cmocka_unit_test(writer_refuses),
		cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
