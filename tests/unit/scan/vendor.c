/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/vendor_int.h"
#include "tests/unit/scan/vendor_expand.h"
#include "tests/unit/unit.h"
#include "vendor_examples.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

static struct vendor_db *db;
static struct vendor_stream *stream;

static int setup(void **state)
{
	struct bb_err err = { 0 };

	(void)state;
	if (vendor_db_open(NULL, &db, &err) < 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	return vendor_stream_open(db, &stream);
}

static int teardown(void **state)
{
	(void)state;
	vendor_stream_close(stream);
	vendor_db_free(db);
	return 0;
}

/* What a scanner does: feeds pieces, keeps the end of each early match, asks until all is said */
struct scan {
	struct bb_span text;
	unsigned int rule;
	size_t early[64];
	unsigned int num_early;
};

static void on_hit(void *arg, unsigned int rule, uint64_t end)
{
	struct scan *s = arg;

	if (rule == s->rule && s->num_early < BB_ARRAY_LEN(s->early))
		s->early[s->num_early++] = end;
}

/* Return: a match of the rule in the whole text, as if it ended there */
static bool find(struct scan *s, struct vendor_match *ret)
{
	for (unsigned int i = 0; i < s->num_early; i++) {
		enum vendor_verdict v = vendor_confirm(s->rule, s->text, s->early[i], ret);

		if (v == VENDOR_YES || (v == VENDOR_MORE && ret->len))
			return true;
	}
	return false;
}

static void feed_cut(struct scan *s, size_t cut)
{
	s->num_early = 0;
	vendor_stream_reset(stream);
	assert_int_equal(vendor_stream_feed(stream, (struct bb_span){ s->text.p, cut }, on_hit, s),
			 0);
	assert_int_equal(vendor_stream_feed(stream,
					    (struct bb_span){ s->text.p + cut, s->text.len - cut },
					    on_hit, s),
			 0);
}

static void feed_octets(struct scan *s)
{
	s->num_early = 0;
	vendor_stream_reset(stream);
	for (size_t i = 0; i < s->text.len; i++)
		assert_int_equal(
			vendor_stream_feed(stream, (struct bb_span){ s->text.p + i, 1 }, on_hit, s),
			0);
}

static bool found_in(unsigned int rule, const uint8_t *p, size_t len, struct vendor_match *ret)
{
	struct scan s = { .text = { p, len }, .rule = rule };

	feed_cut(&s, 0);
	return find(&s, ret);
}

static void rules_are_complete(void **state)
{
	(void)state;
	assert_true(vendor_rule_count() >= 120);
	for (unsigned int i = 0; i < vendor_rule_count(); i++) {
		bool has_example = false;

		for (size_t e = 0; e < BB_ARRAY_LEN(vendor_examples); e++)
			has_example |= vendor_examples[e].rule == i;
		if (!has_example || !vendor_rule_title(i)[0] ||
		    strncmp(vendor_rule_source(i), "https://", 8) != 0)
			fail_msg("%s: example, title or source is missing", vendor_rule_name(i));
	}
}

/* Bounded, ends by itself, and as wide as the generator thinks */
static void patterns_are_bounded(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < vendor_num_rules; i++) {
		const struct vendor_rule *r = &vendor_rules[i];
		unsigned int flags = VENDOR_HS_FLAGS | (r->caseless ? HS_FLAG_CASELESS : 0);
		hs_compile_error_t *why = NULL;
		hs_expr_info_t *info = NULL;

		if (hs_expression_info(r->stream, flags, &info, &why) != HS_SUCCESS)
			fail_msg("%s: %s", r->name, why->message);
		if (info->min_width != r->stream_min || info->max_width != r->stream_max ||
		    info->max_width > VENDOR_HISTORY_MAX || info->matches_at_eod ||
		    info->unordered_matches)
			fail_msg("%s: width %u to %u, tables say %u to %u", r->name,
				 info->min_width, info->max_width, r->stream_min, r->stream_max);
		free(info);
	}
}

static void examples_are_found(void **state)
{
	uint64_t seed = 0x5eed;

	(void)state;
	for (size_t e = 0; e < BB_ARRAY_LEN(vendor_examples); e++) {
		const struct vendor_example *x = &vendor_examples[e];
		uint8_t text[VENDOR_EXPANDED_MAX + 16] = "key = ";
		size_t len = 6 + vendor_expand(x->text, &seed, text + 6);
		struct vendor_match whole = { 0 }, m;
		struct scan s = { .text = { text, len }, .rule = x->rule };

		feed_octets(&s);
		if (!find(&s, &whole))
			fail_msg("%s: not found: %s", vendor_rule_name(x->rule), x->text);
		for (size_t cut = 0; cut <= len; cut++) {
			feed_cut(&s, cut);
			assert_true(find(&s, &m));
			assert_memory_equal(&m, &whole, sizeof(m));
		}
		/* Something behind it ends it: no more to wait for */
		text[len] = 0x01;
		s.text.len = len + 1;
		feed_cut(&s, len);
		assert_int_equal(vendor_confirm(x->rule, s.text, s.early[0], &m), VENDOR_YES);
		assert_int_equal(m.start, whole.start);
		assert_false(m.open);
	}
}

/* While a token arrives, the second pass may wait; it never says no and then yes */
static void confirm_is_steady(void **state)
{
	uint64_t seed = 0xa11;

	(void)state;
	for (size_t e = 0; e < BB_ARRAY_LEN(vendor_examples); e++) {
		const struct vendor_example *x = &vendor_examples[e];
		uint8_t text[VENDOR_EXPANDED_MAX];
		size_t len = vendor_expand(x->text, &seed, text);
		struct scan s = { .text = { text, len }, .rule = x->rule };
		struct vendor_match m;

		feed_cut(&s, len);
		assert_true(s.num_early > 0);
		for (size_t n = s.early[0]; n <= len; n++) {
			if (vendor_confirm(x->rule, (struct bb_span){ text, n }, s.early[0], &m) ==
			    VENDOR_NO)
				fail_msg("%s: no at %zu of %zu", vendor_rule_name(x->rule), n, len);
		}
	}
}

/* Cut off behind the early pattern, with a foreign octet, of one letter, of wrong check digits */
static void near_misses_are_not(void **state)
{
	uint64_t seed = 0xbad;

	(void)state;
	for (size_t e = 0; e < BB_ARRAY_LEN(vendor_examples); e++) {
		const struct vendor_example *x = &vendor_examples[e];
		const struct vendor_rule *rule = &vendor_rules[x->rule];
		const struct vendor_seq *seq = &vendor_seqs[rule->seq_first];
		uint8_t text[VENDOR_EXPANDED_MAX], bad[VENDOR_EXPANDED_MAX];
		size_t len = vendor_expand(x->text, &seed, text), least;
		struct scan s = { .text = { text, len }, .rule = x->rule };
		struct vendor_match m, no;

		feed_cut(&s, len);
		assert_true(find(&s, &m));
		least = m.start + seq->sample;
		for (unsigned int i = 1; i < rule->seq_num; i++)
			least = m.start + seq[i].sample < least ? m.start + seq[i].sample : least;
		memcpy(bad, text, len);
		bad[s.early[0] < least ? (s.early[0] + least) / 2 : least - 1] = 0x01;
		if (found_in(x->rule, bad, len, &no))
			fail_msg("%s: found when shorter than any", rule->name);
		memcpy(bad, text, len);
		memset(bad + s.early[0], 0x7f, len - s.early[0]);
		if (s.early[0] < least && found_in(x->rule, bad, len, &no))
			fail_msg("%s: the early pattern alone is found", rule->name);
		memcpy(bad, text, len);
		bad[least - 1] = bad[least - 1] == 'A' ? 'B' : 'A';
		if (rule->crc && found_in(x->rule, bad, len, &no))
			fail_msg("%s: check digits are not looked at", rule->name);
	}
}

/*
 * Of a secret at most 16 characters have passed when the early pattern fires; of a private key 64.
 * A rule with a lead is one whose mark stands behind part of the secret: nothing can notice it
 * before.
 */
static void early_patterns_are_early(void **state)
{
	uint64_t seed = 0xea41;

	(void)state;
	for (size_t e = 0; e < BB_ARRAY_LEN(vendor_examples); e++) {
		const struct vendor_example *x = &vendor_examples[e];
		const struct vendor_rule *rule = &vendor_rules[x->rule];
		uint8_t text[VENDOR_EXPANDED_MAX];
		struct scan s = { .rule = x->rule };
		struct vendor_match m;
		size_t passed;

		s.text = (struct bb_span){ text, vendor_expand(x->text, &seed, text) };
		feed_cut(&s, 0);
		assert_true(find(&s, &m));
		passed = s.early[0] - m.start;
		passed -= vendor_prefix_len(rule, (struct bb_span){ text + m.start, m.len });
		if (!rule->lead && passed > 16)
			fail_msg("%s: fires when %zu characters have passed", rule->name, passed);
	}
}

static void keep_octets(void **state, struct vendor_db **ret, struct bb_buf *b)
{
	struct bb_err err = { 0 };

	(void)state;
	bb_buf_init(b, VENDOR_SERIALIZED_MAX);
	assert_int_equal(vendor_db_serialize(db, b, &err), 0);
	assert_int_equal(vendor_db_from_bytes(bb_buf_span(b), ret, &err), 0);
}

static void octets_make_the_same_database(void **state)
{
	bb_auto_buf struct bb_buf b, again;
	struct bb_err err = { 0 };
	struct vendor_db *other = NULL, *none = NULL;

	keep_octets(state, &other, &b);
	bb_buf_init(&again, VENDOR_SERIALIZED_MAX);
	assert_int_equal(vendor_db_serialize(other, &again, &err), 0);
	assert_true(bb_span_eq(bb_buf_span(&b), bb_buf_span(&again)));
	vendor_db_free(other);
	b.p[b.len - 1] ^= 1;
	assert_int_equal(vendor_db_from_bytes(bb_buf_span(&b), &none, &err), -EBADMSG);
	err = (struct bb_err){ 0 };
	b.p[20] ^= 1;
	assert_int_equal(vendor_db_from_bytes(bb_buf_span(&b), &none, &err), -ESTALE);
	err = (struct bb_err){ 0 };
	assert_int_equal(vendor_db_from_bytes((struct bb_span){ b.p, 10 }, &none, &err), -ESTALE);
	assert_null(none);
}

static long cache_inode(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (long)st.st_ino;
}

static void open_and_close(const char *path)
{
	struct bb_err err = { 0 };
	struct vendor_db *d = NULL;

	assert_int_equal(vendor_db_open(path, &d, &err), 0);
	vendor_db_free(d);
}

static void cache_is_used_and_replaced(void **state)
{
	char dir[] = "/tmp/vendor-test-XXXXXX", path[64];
	long first;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/rules", dir);
	open_and_close(path);
	first = cache_inode(path);
	open_and_close(path);
	assert_int_equal(cache_inode(path), first);
	/* Others could have written it: made anew */
	assert_int_equal(chmod(path, 0666), 0);
	open_and_close(path);
	assert_int_not_equal(cache_inode(path), first);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("something else", f) >= 0);
	assert_int_equal(fclose(f), 0);
	open_and_close(path);
	first = cache_inode(path);
	open_and_close(path);
	assert_int_equal(cache_inode(path), first);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0); /* nothing is left beside it */
	open_and_close("/proc/no/such/place");
}

static unsigned int rule_named(const char *name)
{
	for (unsigned int i = 0; i < vendor_rule_count(); i++) {
		if (strcmp(vendor_rule_name(i), name) == 0)
			return i;
	}
	fail_msg("no rule %s", name);
	return 0;
}

/* Templates again; "~" stands before what the match is to begin with, nothing is found without one
 */
static void what_stands_around(void **state)
{
	static const struct {
		const char *rule;
		const char *text;
	} cases[] = {
		{ "aws_access_key_id", "~AKIA{base32:16}" },
		{ "aws_access_key_id", "id=~AKIA{base32:16}&b" },
		{ "aws_access_key_id", "xAKIA{base32:16}" },
		{ "aws_access_key_id", "AKIA{base32:16}x" },
		{ "aws_access_key_id", "AKIA{base32:15}" },
		/* the octets of an escape are no word */
		{ "aws_access_key_id", "\\n~AKIA{base32:16}\\n" },
		{ "aws_access_key_id", "%3D~AKIA{base32:16}%0A" },
		{ "aws_access_key_id", "\\u0022~AKIA{base32:16}\\u0022" },
		/* placeholders */
		{ "aws_access_key_id", "AKIA{base32:9}EXAMPLE" },
		{ "gitlab_pat", "glpat-xxxxxxxxxxxxxxxxxxxx" },
		{ "gitlab_pat", "glpat-00000000000000000000" },
		{ "private_key",
		  "-----BEGIN PRIVATE KEY-----{nl}...{nl}-----END PRIVATE KEY-----{nl}"
		  "and a text that goes on, for long enough to be taken for one" },
		/* nothing that is appended excuses a token, nor what stands before a mark like no
		   other */
		{ "gitlab_pat", "~glpat-{b64u:20}EXAMPLE" },
		{ "groq_key", "x~gsk_{alnum:52}y" },
		{ "github_pat_classic", "~ghp_{alnum:30}{crc}more" },
		{ "slack_token", "~xoxb-{digit:12}-{digit:12}-{alnum:24}-example" },
		/* of a connection string the password */
		{ "url_password_postgres", "postgres://u:~{alnum:9}@h" },
		{ "url_password_postgres", "postgres://u:{alnum:9}/h" },
		{ "url_password_postgres", "postgres://user:Password@h" },
		{ "url_password_postgres", "postgres://user:${{alnum:9}@h" },
		{ "url_password_http", "https://h:8443/a@b" },
		/* beside a name */
		{ "datadog_api_key", "datadog.apiKey := \"~{hex:32}\"" },
		{ "datadog_api_key", "'DD_API_KEY', '~{hex:32}'" },
		{ "datadog_api_key", "{\\\"dd_api_key\\\": \\\"~{hex:32}\\\"}" },
		{ "datadog_api_key", "datadog/commit/{hex:32}" },
		{ "datadog_api_key", "DD_API_KEY={hex:64}" },
	};
	uint64_t seed = 0xde11;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		unsigned int rule = rule_named(cases[i].rule);
		uint8_t text[VENDOR_EXPANDED_MAX], *mark;
		size_t len = vendor_expand(cases[i].text, &seed, text);
		struct vendor_match m;
		bool found;

		mark = memchr(text, '~', len);
		if (mark)
			memmove(mark, mark + 1, --len - (size_t)(mark - text));
		found = found_in(rule, text, len, &m);
		if (found != (mark != NULL) || (mark && m.start != (size_t)(mark - text)))
			fail_msg("%s: %s: %s", cases[i].rule, cases[i].text,
				 found ? "found" : "not found");
	}
}

static void public_prefixes(void **state)
{
	(void)state;
	assert_int_equal(vendor_public_len(BB_SPAN_STR("ghp_abc")), 4);
	assert_int_equal(vendor_public_len(BB_SPAN_STR("sk-proj-abc")), 8);
	assert_int_equal(vendor_public_len(BB_SPAN_STR("sk-abc")), 3);
	assert_int_equal(vendor_public_len(BB_SPAN_STR("ghp")), 0);
	assert_int_equal(vendor_public_len(BB_SPAN_STR("")), 0);
}

static char source_dir[512];

/* The C files of one directory of this project, again and again */
static size_t source_text(uint8_t *text, size_t cap)
{
	size_t n = 0, files = 0;

	while (n < cap) {
		DIR *d = opendir(source_dir);
		struct dirent *e;

		assert_non_null(d);
		while ((e = readdir(d))) {
			size_t len = strlen(e->d_name);
			FILE *f;

			if (len < 2 || strcmp(e->d_name + len - 2, ".c") != 0)
				continue;
			f = fdopen(openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC), "r");
			assert_non_null(f);
			n += fread(text + n, 1, cap - n, f);
			files++;
			(void)fclose(f);
		}
		(void)closedir(d);
		assert_true(files > 0);
	}
	return n;
}

/* CPU time of this thread for one pass of one rule alone, in nanoseconds */
static uint64_t time_of(const hs_database_t *hs, hs_scratch_t *scratch, struct bb_span text)
{
	struct timespec t0, t1;
	hs_stream_t *s;

	assert_int_equal(hs_open_stream(hs, 0, &s), HS_SUCCESS);
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t0), 0);
	assert_int_equal(hs_scan_stream(s, (const char *)text.p, (unsigned int)text.len, 0, scratch,
					NULL, NULL),
			 HS_SUCCESS);
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t1), 0);
	(void)hs_close_stream(s, scratch, NULL, NULL);
	return (uint64_t)(t1.tv_sec - t0.tv_sec) * 1000000000u + (uint64_t)t1.tv_nsec -
	       (uint64_t)t0.tv_nsec;
}

static uint64_t best_time_of(unsigned int rule, struct bb_span text, unsigned int passes)
{
	const hs_platform_info_t generic = { .tune = HS_TUNE_FAMILY_GENERIC };
	const struct vendor_rule *r = &vendor_rules[rule];
	hs_compile_error_t *why = NULL;
	hs_scratch_t *scratch = NULL;
	uint64_t best = UINT64_MAX;
	hs_database_t *hs;

	assert_int_equal(hs_compile(r->stream,
				    VENDOR_HS_FLAGS | (r->caseless ? HS_FLAG_CASELESS : 0),
				    HS_MODE_STREAM, &generic, &hs, &why),
			 HS_SUCCESS);
	assert_int_equal(hs_alloc_scratch(hs, &scratch), HS_SUCCESS);
	for (unsigned int i = 0; i < passes; i++) {
		uint64_t t = time_of(hs, scratch, text);

		best = t < best ? t : best;
	}
	(void)hs_free_scratch(scratch);
	(void)hs_free_database(hs);
	return best;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* One slow rule halves the whole database: alone, each is at least an eighth as fast as the median
 */
static void no_rule_is_slow(void **state)
{
	enum { TEXT_LEN = 2 << 20, PASSES = 3, PASSES_AGAIN = 20 };
	uint8_t *p = malloc(TEXT_LEN);
	struct bb_span text = { p, TEXT_LEN };
	uint64_t *took = calloc(vendor_num_rules, sizeof(*took)), median;
	uint64_t *sorted = calloc(vendor_num_rules, sizeof(*sorted));

	(void)state;
	assert_true(p && took && sorted);
	assert_int_equal(source_text(p, TEXT_LEN), TEXT_LEN);
	for (unsigned int i = 0; i < vendor_num_rules; i++)
		sorted[i] = took[i] = best_time_of(i, text, PASSES);
	qsort(sorted, vendor_num_rules, sizeof(*sorted), by_time);
	median = sorted[vendor_num_rules / 2];
	for (unsigned int i = 0; i < vendor_num_rules; i++) {
		/* Other work on the machine is no fault of the rule: look closer */
		if (took[i] > 8 * median)
			took[i] = best_time_of(i, text, PASSES_AGAIN);
		if (took[i] > 8 * median)
			fail_msg("%s: %u MB/s, the median rule %u MB/s", vendor_rules[i].name,
				 (unsigned int)(TEXT_LEN * 1000ull / took[i]),
				 (unsigned int)(TEXT_LEN * 1000ull / median));
	}
	free(p);
	free(took);
	free(sorted);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_complete),
		cmocka_unit_test(patterns_are_bounded),
		cmocka_unit_test(examples_are_found),
		cmocka_unit_test(confirm_is_steady),
		cmocka_unit_test(near_misses_are_not),
		cmocka_unit_test(early_patterns_are_early),
		cmocka_unit_test(what_stands_around),
		cmocka_unit_test(octets_make_the_same_database),
		cmocka_unit_test(cache_is_used_and_replaced),
		cmocka_unit_test(public_prefixes),
		cmocka_unit_test(no_rule_is_slow),
	};

	if (argc != 2 || strlen(argv[1]) >= sizeof(source_dir))
		return 2;
	memcpy(source_dir, argv[1], strlen(argv[1]) + 1);

	return cmocka_run_group_tests(tests, setup, teardown);
}
