/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/term.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static size_t clean(struct term *t, const char *in, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t token[TERM_TOKEN_MAX];
		size_t got = term_add(t, (uint8_t)in[i], token);

		assert_true(got <= TERM_TOKEN_MAX);
		memcpy(out + n, token, got);
		n += got;
	}
	return n;
}

static void is_kept_as(const char *in, const char *want)
{
	uint8_t *out = malloc(strlen(in) + 1), token[TERM_TOKEN_MAX];
	struct term t = { 0 };
	size_t n;

	assert_non_null(out);
	n = clean(&t, in, strlen(in), out);
	out[n] = '\0';
	assert_string_equal((char *)out, want);
	assert_int_equal(t.state, TERM_GROUND);
	assert_int_equal(term_rest(&t, token), 0);
	free(out);
}

static void what_draws_is_kept(void **state)
{
	static const char *const rows[] = {
		"text\r\n\ttab\b\v\f",
		"\303\244 \342\202\254 \360\237\230\200 \302\240 \355\237\277 \357\277\277",
		"\033[m\033[1;31m\033[38;2;255;128;0m\033[4:3m\033[48;5;17m",
		"\033[H\033[2J\033[12;40H\033[A\033[3B\033[C\033[10D\033[K\033[1K\033[G\033[d",
		"\033[L\033[M\033[P\033[@\033[X\033[S\033[T\033[3b\033[r\033[2;23r\033[s\033[u\033["
		"g",
		"\033[?1049h\033[?25l\033[?2004h\033[?1000h\033[?1006h\033[?2026h\033[4h\033[?"
		"1049l",
		"\033[2 q\033[!p\033[>4;1m\033[>1u\033[<u\033[=1;1u\033[?2K",
		"\0337\0338\033=\033>\033D\033E\033H\033M\033c\033(0lqk\033(B\033)0\016x\017\033#8",
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++)
		is_kept_as(rows[i], rows[i]);
}

/* Each but the last ones has an answer from some terminal */
static void what_is_answered_is_left_out(void **state)
{
	static const char *const rows[] = {
		"\033[c",
		"\033[0c",
		"\033[>c",
		"\033[=c",
		"\033Z",
		"\005", /* who are you */
		"\033[5n",
		"\033[6n",
		"\033[?6n",
		"\033[?15n",
		"\033[?996n", /* status, cursor */
		"\033[?2026$p",
		"\033[4$p",
		"\033[>q",
		"\033[>0q",
		"\033[x",
		"\033[1x",
		"\033[14t",
		"\033[18t",
		"\033[21t",
		"\033[20t",
		"\033[22;0t",
		"\033[8;24;80t",
		"\033[?u",
		"\033[?4m",
		"\033[1$w",
		"\033[2$w",
		"\033[1;1;1;1;1;1*y",
		"\033[?1;1;0S",
		"\033[1$u",
		"\033[&u",
		"\033[>1T",
		"\033[1;2'|",
		"\033[i",
		"\033[5i",
		"\033]10;?\007",
		"\033]11;?\033\\",
		"\033]4;1;?\007",
		"\033]52;c;?\007",
		"\033]0;a title\007",
		"\033]8;;https://x.test\033\\",
		"\033]1337;ReportCellSize\007",
		"\033P$qm\033\\",
		"\033P$q q\033\\",
		"\033P+q544e\033\\",
		"\033Pq#0~~\033\\",
		"\033_Gi=1,a=q;AAAA\033\\",
		"\033^private\033\\",
		"\033Xstring\033\\",
		"\033]11;?\030",
		"\033P$qm\032",
		"\007",
		"\177",
		"\033\\",
		"\033 G",
		"\033%G",
		"\033n",
		"\033|",
		"\033[",
		"\033[200~",
		"\033[$5m",
		"\033[5 m",
		"\033[??25h",
		"\033[1;?6n",
		"\033[>5;1h",
		"\033[ 5q",
	};
	char line[128];

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		(void)snprintf(line, sizeof(line), "a%s\rb", rows[i]);
		is_kept_as(line, "a\rb");
	}
}

/* With its last octet; a question that every program can do without is not */
static void some_are_answered(void **state)
{
	static const struct {
		const char *in, *answer;
	} rows[] = {
		{ "\033[c", "\033[?62;22c" },
		{ "\033[0c", "\033[?62;22c" },
		{ "\033[5n", "\033[0n" },
		{ "\033[6n", "\033[1;1R" },
		{ "\033[?u\033[c", "\033[?62;22c" },
		{ "\033[3\033[6n", "\033[1;1R" },
		{ "\033[1c", "" },
		{ "\033[>c", "" },
		{ "\033[=c", "" },
		{ "\033[00c", "" },
		{ "\033[?6n", "" },
		{ "\033[7n", "" },
		{ "\033[6;n", "" },
		{ "\033[6$n", "" },
		{ "\033[>q", "" },
		{ "\033[?u", "" },
		{ "\033]11;?\007", "" },
		{ "\033]0;\033[6", "" },
		{ "\033]0;[6n", "" },
		{ "[6n", "" },
		{ "\033c", "" },
		{ "\033[6\nn", "" },
		{ "\033[6nx", "" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		uint8_t token[TERM_TOKEN_MAX];
		struct term t = { 0 };

		for (const char *c = rows[i].in; *c; c++)
			(void)!term_add(&t, (uint8_t)*c, token);
		assert_string_equal(term_answer_str[t.ask], rows[i].answer);
	}
}

/* As terminals read it: eight-bit controls are no characters, nor is what is not UTF-8 */
static void octets_that_are_no_characters(void **state)
{
	static const char *const rows[][2] = {
		{ "\2336n", "6n" },
		{ "\302\2336n", "6n" },
		{ "\220$qm\234x", "$qmx" },
		{ "\302\220q\302\234x", "qx" },
		{ "\300\200", "" },
		{ "\301\277", "" },
		{ "\340\200\200a", "a" },
		{ "\355\240\200b", "b" },
		{ "\360\217\277\277c", "c" },
		{ "\364\220\200\200d", "d" },
		{ "\365\200e", "e" },
		{ "\377\376f", "f" },
		{ "\303(", "(" },
		{ "\342\202(", "(" },
		{ "\303\303\244", "\303\244" },
		{ "\342\033[6n\033[1m", "\033[1m" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++)
		is_kept_as(rows[i][0], rows[i][1]);
}

/* One that is cut short is left out, and what comes then stands by itself */
static void broken_sequences(void **state)
{
	(void)state;
	is_kept_as("\033[3\033[1mx", "\033[1mx");
	is_kept_as("\033[3\r\nx", "\r\nx");
	is_kept_as("\033\033[1mx", "\033[1mx");
	is_kept_as("\033]0;title\033[1mx", "\033[1mx"); /* an OSC that nobody ended */
	is_kept_as("\033]0;title\033[6nx", "x");
	is_kept_as("\033]0;\303\251\302\234\007x", "x");
	is_kept_as("\033Pq\007not the end\033\\x", "x");
	is_kept_as("\033[1\0303mx", "3mx");
	is_kept_as("\033(%&Bx", "&Bx");
}

static void too_long(void **state)
{
	char line[3 * TERM_TOKEN_MAX];
	uint8_t out[sizeof(line)];
	struct term t = { 0 };

	(void)state;
	memset(line, '1', sizeof(line));
	memcpy(line, "\033[", 2);
	line[TERM_TOKEN_MAX - 1] = 'm';
	assert_int_equal(clean(&t, line, TERM_TOKEN_MAX, out), TERM_TOKEN_MAX);
	line[TERM_TOKEN_MAX - 1] = '1';
	line[sizeof(line) - 2] = 'm';
	line[sizeof(line) - 1] = 'x';
	assert_int_equal(clean(&t, line, sizeof(line), out), 1);
	assert_int_equal(out[0], 'x');
}

/* The octets to come are shown as they are, so what they are the rest of goes before them */
static void in_the_middle(void **state)
{
	static const char *const rows[][2] = {
		{ "\033", "\033" },
		{ "\033[3", "\033[3" },
		{ "\033(", "\033(" },
		{ "\342\202", "\342\202" },
		{ "\033]52;c;Zm", "\033]9999;" },
		{ "\033Pq#0", "\033^" },
		{ "\033]0;t\033", "\033]9999;\033" },
		{ "\033_G\033", "\033^\033" },
		{ "x", "" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		uint8_t out[64], rest[TERM_TOKEN_MAX];
		struct term t = { 0 };
		size_t n;

		(void)clean(&t, rows[i][0], strlen(rows[i][0]), out);
		n = term_rest(&t, rest);
		assert_int_equal(n, strlen(rows[i][1]));
		assert_memory_equal(rest, rows[i][1], n);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_draws_is_kept),
		cmocka_unit_test(what_is_answered_is_left_out),
		cmocka_unit_test(some_are_answered),
		cmocka_unit_test(octets_that_are_no_characters),
		cmocka_unit_test(broken_sequences),
		cmocka_unit_test(too_long),
		cmocka_unit_test(in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
