/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/fast.h"
#include "scan/scan.h"
#include "tests/unit/scan/text.h"
#include <stdio.h>

/*
 * What tools make of a text: a secret and a vendor's token in it, at any place of a line, cut
 * anywhere. The spellings here are made by code of their own.
 */
#define TOKEN                                                                                      \
	"glpat"                                                                                    \
	"-Zx81kQmW0pTr7vLs2NbY"

struct spelling {
	char text[4096];
	size_t n;
};

static void base64(struct spelling *s, const uint8_t *p, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t v = 0;
	unsigned int bits = 0;

	s->n = 0;
	for (size_t i = 0; i < len; i++) {
		v = v << 8 | p[i];
		for (bits += 8; bits >= 6; bits -= 6)
			s->text[s->n++] = letters[v >> (bits - 6) & 63];
	}
	if (bits)
		s->text[s->n++] = letters[v << (6 - bits) & 63];
	while (s->n % 4)
		s->text[s->n++] = '=';
}

static void hexadecimal(struct spelling *s, const uint8_t *p, size_t len)
{
	s->n = 0;
	for (size_t i = 0; i < len; i++)
		s->n += (size_t)snprintf(s->text + s->n, 3, "%02x", p[i]);
}

/* @skew octets, and a text with both */
static size_t text_with(size_t skew, uint8_t *out)
{
	return (size_t)sprintf((char *)out,
			       "# the settings%.*s\nname = value\nkey = " SECRET "\ntoken = " TOKEN
			       "\nand a few words more, so that some lines follow\nthe end of it\n",
			       (int)skew,
			       "...........................................................");
}

static struct scan_stream *stream;
static struct vendor_db *vendors;
static struct known_db *known;

static bool note(void *arg, const struct scan_finding *f)
{
	unsigned int *found = arg;

	*found |= f->kind == SCAN_KNOWN ? 1 : 2;
	return false;
}

/* Both in what is in buf[], in pieces of @step: 1 a known secret, 2 a token */
static unsigned int scan_by(size_t step)
{
	unsigned int found = 0;

	scan_reset(stream, true);
	for (size_t at = 0; at < n; at += step) {
		size_t len = n - at < step ? n - at : step;

		assert_true(scan_feed(stream, (struct bb_span){ buf + at, len }, at + len == n,
				      note, &found) < SCAN_FOUND);
	}
	return found;
}

static void want_both(const char *what, size_t skew)
{
	static const size_t steps[] = { sizeof(buf), 1, 7, 61 };

	for (size_t i = 0; i < BB_ARRAY_LEN(steps); i++) {
		if (scan_by(steps[i]) != 3)
			fail_msg("%s at %zu in pieces of %zu", what, skew, steps[i]);
	}
}

/* Lines of @width of a coding, as what has lines puts them into text of its own */
static void lines_in_text(void **state)
{
	static const struct {
		const char *what, *before, *behind;
	} frames[] = {
		{ "indented", "    ", "\n" },
		{ "by tabs", "\t\t", "\n" },
		{ "a diff's new lines", "+", "\n" },
		{ "a diff's old lines", "-", "\n" },
		{ "a diff's other lines", " ", "\n" },
		{ "a diff, indented", "+    ", "\n" },
		{ "a diff of a diff", "++", "\r\n" },
		{ "a quoted mail", "> ", "\n" },
		{ "quoted twice", "> > ", "\r\n" },
		{ "a comment", "# ", "\n" },
		{ "a long comment", " * ", "\n" },
		{ "a comment of C++", "\t// ", "\n" },
		{ "strings", "  \"", "\"\n" },
		{ "a list of strings", "  \"", "\",\n" },
		{ "strings put together", "  \"", "\" +\n" },
		{ "strings put together, the sign first", "  + '", "'\n" },
		{ "strings with a line break in each", "  \"", "\\n\"\n" },
		{ "lines of a shell", "  ", " \\\n" },
		{ "in JSON", "    ", "\\n" },
		{ "a diff in JSON", "+", "\\n" },
		{ "words of a shell", "", " " },
	};
	static const size_t widths[] = { 64, 76, 60, 128 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(frames) * BB_ARRAY_LEN(widths); i++) {
		const size_t width = widths[i / BB_ARRAY_LEN(frames)];
		const char *before = frames[i % BB_ARRAY_LEN(frames)].before;
		const char *behind = frames[i % BB_ARRAY_LEN(frames)].behind;

		if (behind[0] == ' ' && width != 76) /* what the shell joins is of base64 */
			continue;
		for (size_t skew = 0; skew < 58; skew += 5) {
			struct spelling s;
			uint8_t text[512];

			(skew & 1 ? base64 : hexadecimal)(&s, text, text_with(skew, text));
			n = 0;
			put_str("@@ -1,2 +1,9 @@\n");
			put_str(before);
			put_str("data: |\n");
			for (size_t at = 0; at < s.n; at += width) {
				put_str(before);
				put(s.text + at, s.n - at < width ? s.n - at : width);
				put_str(behind);
			}
			put_str("and the rest\n");
			want_both(frames[i % BB_ARRAY_LEN(frames)].what, skew);
		}
	}
}

/* Old lines of a diff, and the new ones: no one is the other's */
static void lines_of_both_kinds(void **state)
{
	(void)state;
	for (size_t skew = 0; skew < 4; skew++) {
		struct spelling s;
		uint8_t text[512];

		base64(&s, text, text_with(skew, text));
		n = 0;
		put_str("-T2xkT2xkT2xkT2xkT2xkT2xkT2xkT2xkT2xkT2\n+");
		put(s.text, s.n);
		put_str("\n");
		want_both("the new line", skew);
	}
}

/* What Windows encodes is UTF-16, and what is not stays in pieces */
static void wide_in_a_coding(void **state)
{
	(void)state;
	for (size_t skew = 0; skew < 24; skew++) {
		struct spelling s;
		uint8_t text[512], two[1024];
		size_t len = text_with(skew / 4, text);

		for (size_t i = 0; i < len; i++) {
			two[2 * i + (skew & 1)] = text[i];
			two[2 * i + !(skew & 1)] = 0;
		}
		(skew & 2 ? base64 : hexadecimal)(&s, two, 2 * len);
		n = 0;
		put_str(skew & 4 ? "Content-Disposition: " : "powershell -EncodedCommand ");
		put(s.text, s.n);
		put_str("\n");
		want_both("UTF-16", skew);
		/* ... of nothing but the token, and of one behind another string */
		len = (size_t)sprintf((char *)text, "x%c%s", '\0', TOKEN);
		base64(&s, text, len);
		n = 0;
		put(s.text, s.n);
		assert_int_equal(scan_by(n), 2);
		for (size_t i = 0; i < strlen(TOKEN); i++) {
			two[2 * i + (skew & 1)] = (uint8_t)TOKEN[i];
			two[2 * i + !(skew & 1)] = 0;
		}
		base64(&s, two, 2 * strlen(TOKEN));
		n = 0;
		put(s.text, s.n);
		assert_int_equal(scan_by(n), 2);
	}
}

/* Words are not joined to what they do not belong to */
static void not_joined(void **state)
{
	static const char *const texts[] = {
		"SomeNameOf16Char\n  Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf17Chars\n  Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf16Char Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf16CharSomeNameOf16CharSomeNameOf16CharSomeNameOf16Char\n"
		"  wor Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf16CharSomeNameOf16CharSomeNameOf16CharSomeNameOf16Char\n"
		"  Word: \"Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=\"",
		"- Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlkK\n- next\n",
		"a: Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYllh\nb: next\n",
		"  a: Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYllh\n  b: next\n",
		"  a: Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYllh next\n",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709da39a3ee5e6b4b0d3255bfef\n"
		"  Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709da39a3ee5e6b4b0d3255bfef "
		"Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf16CharSomeNameOf16CharSomeNameOf16CharSomeNameOf16Char "
		"Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf16Char word Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf16Char wor Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"SomeNameOf16Char, \"wor\",\n \"Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"/Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"https://Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"//5nAGwAcABhAHQALQBaAHgAOAAxAGsAUQBtAFcAMABwAFQAcgA3AHYATABzADIATgBiAFkA",
		"--Z2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
		"-----BEGIN X-----\nZ2xwYXQtWng4MWtRbVcwcFRyN3ZMczJOYlk=",
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(texts); i++) {
		n = 0;
		put_str(texts[i]);
		for (size_t step = 1; step <= n; step++) {
			if (scan_by(step) != 2)
				fail_msg("%s in pieces of %zu", texts[i], step);
		}
	}
}

static int begin(void **state)
{
	struct known_secret secret = { BB_SPAN_STR(SECRET) };
	struct bb_err err = { 0 };

	(void)state;
	return known_db_new(&secret, 1, &known, &err) < 0 ||
	       vendor_db_open(NULL, &vendors, &err) < 0 || scan_open(vendors, known, &stream) < 0;
}

static int end(void **state)
{
	(void)state;
	scan_close(stream);
	vendor_db_free(vendors);
	known_db_free(known);
	return 0;
}

/* With an argument as a processor does it that can no more than that level */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_in_text),
		cmocka_unit_test(lines_of_both_kinds),
		cmocka_unit_test(wide_in_a_coding),
		cmocka_unit_test(not_joined),
	};

	if (argc > 1)
		fast_limit((enum fast_level)atoi(argv[1]));
	return cmocka_run_group_tests(tests, begin, end);
}
