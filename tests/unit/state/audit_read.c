/* SPDX-License-Identifier: Apache-2.0 */
#include "state/audit_read.h"
#include "base/io.h"
#include "state/audit_files.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>

static char tmp[] = "/tmp/bb-audit-XXXXXX";
static int dir = -1;

static int make_tmp(void **state)
{
	(void)state;
	if (!mkdtemp(tmp))
		return -1;
	dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int drop_tmp(void **state)
{
	char cmd[64];

	(void)state;
	(void)close(dir);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", tmp);
	return system(cmd);
}

static void put(const char *name, const char *text, int flags)
{
	bb_auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);

	assert_int_equal(bb_write_full(fd, text, strlen(text)), 0);
}

static void reads_follows_and_skips(void **state)
{
	audit_auto struct audit_reader r = { .fd = -1 };
	struct bb_err err = { 0 };
	bb_auto_free char *big = malloc(2 * AUDIT_LINE_MAX);
	json_t *j = NULL;

	(void)state;
	assert_int_equal(audit_open(dir, &r, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	put("audit.jsonl", "{\"n\":1}\n{\"cut\n[]\n{\"n\":2}\n{\"n\"", O_TRUNC);
	assert_int_equal(audit_open(dir, &r, &err), 0);
	for (int want = 1; want <= 2; want++) {
		assert_int_equal(audit_next(&r, &j, &err), 1);
		assert_int_equal(json_integer_value(json_object_get(j, "n")), want);
		json_decref(j);
	}
	assert_int_equal(r.n_bad, 2);
	assert_int_equal(audit_next(&r, &j, &err), 0);
	/* the writer goes on: so do we */
	put("audit.jsonl", ":3}\n", O_APPEND);
	assert_int_equal(audit_next(&r, &j, &err), 1);
	assert_int_equal(json_integer_value(json_object_get(j, "n")), 3);
	json_decref(j);
	assert_int_equal(audit_next(&r, &j, &err), 0);
	/* an over-long line is one bad line */
	memset(big, 'x', 2 * AUDIT_LINE_MAX);
	big[2 * AUDIT_LINE_MAX - 2] = '\n';
	big[2 * AUDIT_LINE_MAX - 1] = '\0';
	put("audit.jsonl", big, O_APPEND);
	put("audit.jsonl", "{\"n\":4}\n", O_APPEND);
	assert_int_equal(audit_next(&r, &j, &err), 1);
	assert_int_equal(json_integer_value(json_object_get(j, "n")), 4);
	json_decref(j);
	assert_int_equal(r.n_bad, 3);
}

static int next_n(struct audit_reader *r)
{
	struct bb_err err = { 0 };
	json_t *j = NULL;
	int more = audit_next(r, &j, &err), n = 0;

	assert_true(more >= 0);
	if (more > 0)
		n = (int)json_integer_value(json_object_get(j, "n"));
	json_decref(j);
	return n;
}

/* Oldest first; a reader that follows goes over into the next file when recorder does */
static void follows_from_file_to_file(void **state)
{
	audit_auto struct audit_reader r = { .fd = -1 };
	struct bb_err err = { 0 };
	int fd;

	(void)state;
	put("audit.1.jsonl", "{\"n\":1}\n{\"cut", O_TRUNC);
	put("audit.2.jsonl", "{\"n\":2}\n", O_TRUNC);
	put("audit.jsonl", "{\"n\":3}\n", O_TRUNC);
	assert_int_equal(audit_open(dir, &r, &err), 0);
	for (int want = 1; want <= 3; want++)
		assert_int_equal(next_n(&r), want);
	assert_int_equal(r.n_bad, 1);
	assert_int_equal(next_n(&r), 0);
	fd = audit_file_rotate(dir, &err);
	assert_true(fd >= 0);
	assert_int_equal(next_n(&r), 0);
	put("audit.3.jsonl", "{\"n\":4}\n", O_APPEND); /* recorder has not gone over yet */
	assert_int_equal(next_n(&r), 4);
	put("audit.3.jsonl", "{\"n\":5}\n", O_APPEND);
	assert_int_equal(bb_write_full(fd, "{\"n\":6}\n", 8), 0);
	assert_int_equal(next_n(&r), 5);
	assert_int_equal(next_n(&r), 6);
	assert_int_equal(next_n(&r), 0);
	bb_closep(&fd);
}

/* Numbers have an end, and what stands there is never written over */
static void rotation_is_bounded(void **state)
{
	struct bb_err err = { 0 };
	unsigned int n = 0;
	int fd;

	(void)state;
	while ((fd = audit_file_rotate(dir, &err)) >= 0) {
		bb_closep(&fd);
		assert_true(++n <= AUDIT_FILES_MAX);
	}
	assert_int_equal(fd, -EMFILE);
	assert_true(audit_file_is_numbered(dir, AUDIT_FILES_MAX));
	err = (struct bb_err){ 0 };
	assert_int_equal(unlinkat(dir, "audit.jsonl", 0), 0);
	assert_int_equal(unlinkat(dir, "audit.7.jsonl", 0), 0);
	assert_int_equal(audit_file_rotate(dir, &err), -ENOENT);
}

static void denials_are_counted(void **state)
{
	static const char deny[] = "{\"kind\":\"dns\",\"verdict\":\"deny\",\"host\":\"%0*d\"%s}\n";
	static char text[3 * AUDIT_LINE_MAX];
	size_t n = 0, want = 0;

	(void)state;
	/* lines of all lengths, so that each octet of one is where a read ends */
	for (int i = 1; n < sizeof(text) - 3000; i++) {
		bool probe = i % 3 == 0;

		n += (size_t)snprintf(
			text + n, sizeof(text) - n, deny, i % 2000 + 1, 0,
			probe        ? ",\"text\":\"the start-up probe\",\"chain\":\"00\""
			: i % 3 == 1 ? ",\"text\":\"\\u0022text\\u0022:the start-up probe\""
				     : "");
		n += (size_t)snprintf(text + n, sizeof(text) - n, "{\"verdict\":\"allow\"}\n");
		want += !probe;
	}
	put("audit.jsonl", text, O_TRUNC);
	put("audit.jsonl", "{\"verdict\":\"deny\",\"cut", O_APPEND);
	assert_int_equal(audit_count_denied(dir), want + 1);
}

/* A record that stands for others is as many as it says */
static void denials_that_are_only_numbers(void **state)
{
	(void)state;
	put("audit.jsonl",
	    "{\"kind\":\"dropped\",\"denied\":1234,\"chain\":\"00\"}\n"
	    "{\"kind\":\"summary\",\"allowed\":7,\"chain\":\"00\"}\n"
	    "{\"kind\":\"summary\",\"allowed\":7,\"denied\":50}\n"
	    "{\"kind\":\"dns\",\"verdict\":\"deny\",\"reason\":\"limit\",\"denied\":900}\n"
	    "{\"kind\":\"flow\",\"verdict\":\"deny\",\"host\":\"\\u0022,\\u0022denied\\u0022:5\"}\n"
	    "{\"kind\":\"flow\",\"verdict\":\"allow\"}\n",
	    O_TRUNC);
	assert_int_equal(audit_count_denied(dir), 1234 + 50 + 900 + 1);
	put("audit.jsonl", ",\"denied\":99999999999999999999999999", O_APPEND);
	assert_true(audit_count_denied(dir) < UINT64_MAX / 2); /* not a line of recorder's */
}

/* What the printers write, as a string */
static char *printed(const json_t *j, int (*print)(const json_t *, FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(print(j, f), 0);
	(void)fclose(f);
	return text;
}

static void prints_safely(void **state)
{
	static const char line[] =
		"{\"time\":\"2026-01-02T03:04:05.006Z\",\"bottle\":\"b-00000\",\"kind\":"
		"\"verdict\","
		"\"verdict\":\"deny\",\"reason\":\"not_listed\",\"host\":\"ev\\u001b["
		"31mil\\u009b\","
		"\"method\":\"GET\",\"path\":\"/\\u000a\\u0000x\x7f\",\"port\":443,\"status\":403}";
	json_t *j = json_loads(line, JSON_ALLOW_NUL, NULL);
	char *text;

	(void)state;
	assert_non_null(j);
	text = printed(j, audit_print_line);
	assert_string_equal(text, "2026-01-02T03:04:05.006Z  deny   verdict  not_listed        "
				  "GET ev\\x1b[31mil\\x9b:443/\\x0a\\x00x\\x7f  status 403\n");
	free(text);
	text = printed(j, audit_print_json);
	for (const char *c = text; c[1]; c++)
		assert_true(*c >= 0x20 && *c < 0x7f);
	assert_non_null(strstr(text, "\\u001B"));
	assert_non_null(strstr(text, "x\\u007f\""));
	free(text);
	json_decref(j);
}

static void odd_records_print(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "{}", "                                                            \n" },
		{ "{\"kind\":\"dropped\",\"allowed\":0,\"denied\":900}",
		  "                                 dropped                      allowed 0  "
		  "denied 900\n" },
		{ "{\"time\":7,\"host\":[],\"text\":\"t\"}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		json_t *j = json_loads(cases[i].in, 0, NULL);
		char *text = printed(j, audit_print_line);

		if (cases[i].want)
			assert_string_equal(text, cases[i].want);
		free(text);
		json_decref(j);
	}
}

static void logs(void **state)
{
	struct bb_err err = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	put("console.log", "boot\n\x1b]0;title\x07\tok \xc2\x9b\n", O_TRUNC);
	assert_int_equal(audit_print_log(dir, "console.log", f, &err), 0);
	(void)fclose(f);
	assert_string_equal(text, "boot\n\\x1b]0;title\\x07\tok \\xc2\\x9b\n");
	free(text);
	assert_int_equal(audit_print_log(dir, "none.log", stdout, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	assert_int_equal(symlinkat("/etc/passwd", dir, "host.log"), 0);
	assert_int_equal(audit_print_log(dir, "host.log", stdout, &err), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_follows_and_skips),
		cmocka_unit_test(denials_are_counted),
		cmocka_unit_test(denials_that_are_only_numbers),
		cmocka_unit_test(follows_from_file_to_file),
		cmocka_unit_test(rotation_is_bounded),
		cmocka_unit_test(prints_safely),
		cmocka_unit_test(odd_records_print),
		cmocka_unit_test(logs),
	};

	return cmocka_run_group_tests(tests, make_tmp, drop_tmp);
}
