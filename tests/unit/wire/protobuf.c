/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/protobuf.h"
#include "tests/unit/unit.h"

#define TEXT "textintext" /* ten octets */

struct seen {
	size_t n;
	char fields[8][64];
};

static bool on_field(void *arg, struct bb_span field)
{
	struct seen *s = arg;

	if (s->n < BB_ARRAY_LEN(s->fields) && field.len < sizeof(s->fields[0]))
		memcpy(s->fields[s->n], field.p, field.len);
	s->n++;
	return true;
}

struct row {
	struct bb_span in;
	const char *fields[4]; /* in the order in which they end */
};
#define IN(text)                                                                                   \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}
static const struct row rows[] = {
	{ IN("\x0a\x0a" TEXT), { TEXT } },
	{ IN("2\x0a" TEXT "B\x0a" TEXT), { TEXT, TEXT } },
	{ IN("\x82\x01\x0a" TEXT), { TEXT } },         /* a number of two octets */
	{ IN("\x0a\x8a\x80\x00" TEXT), { TEXT } },     /* a length longer than need be */
	{ IN("\x08\x96\x01\x0a\x0a" TEXT), { TEXT } }, /* behind a number */
	{ IN("\x09"
	     "12345678\x0a\x0a" TEXT),
	  { TEXT } },
	{ IN("\x0d"
	     "1234\x0a\x0a" TEXT),
	  { TEXT } },
	{ IN("\x0b\x0a\x0a" TEXT "\x0c\x0a\x0a" TEXT), { TEXT, TEXT } }, /* a group */
	{ IN("\x0a\x0c\x0a\x0a" TEXT), { TEXT, "\x0a\x0a" TEXT } },
	{ IN("\x0a\x0e\x0a\x0c\x0a\x0a" TEXT), { TEXT, "\x0a\x0a" TEXT, "\x0a\x0c\x0a\x0a" TEXT } },
	{ IN("\x0a\x07short..\x12\x0a" TEXT), { TEXT } },
	{ IN("\x0a\x00\x12\x0a" TEXT), { TEXT } },
	{ IN("\x07\x0a\x0a" TEXT), { TEXT } }, /* no field: from the next octet on */
	{ IN("\x0a\x7f" TEXT), { NULL } },     /* not over */
	{ IN("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0a\x0a" TEXT), { TEXT } },
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		for (size_t step = 1; step <= rows[i].in.len; step++) {
			static struct protobuf p;
			struct seen s = { 0 };
			size_t want = 0;

			memset(&p, 0, sizeof(p));
			for (size_t at = 0; at < rows[i].in.len; at += step) {
				size_t left = rows[i].in.len - at;
				struct bb_span piece = { rows[i].in.p + at,
							 left < step ? left : step };

				assert_true(protobuf_feed(&p, piece, on_field, &s));
			}
			while (want < BB_ARRAY_LEN(rows[i].fields) && rows[i].fields[want])
				want++;
			if (s.n != want)
				fail_msg("row %zu, step %zu: %zu fields", i, step, s.n);
			for (size_t k = 0; k < want; k++)
				assert_string_equal(s.fields[k], rows[i].fields[k]);
		}
	}
}

/* Whatever lies inside: a field is given when it ends, with all of it */
static void long_fields_are_whole(void **state)
{
	static uint8_t in[3 * (PROTOBUF_FIELD_MAX + 8)];
	static const size_t sizes[] = { 8,
					127,
					128,
					6144,
					PROTOBUF_FIELD_MAX - 1,
					PROTOBUF_FIELD_MAX,
					PROTOBUF_FIELD_MAX + 1 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(sizes); i++) {
		static struct protobuf p;
		struct seen s = { 0 };
		size_t n = 0;

		memset(&p, 0, sizeof(p));
		for (size_t k = 0; k < 3; k++) {
			in[n++] = 'j';
			in[n++] = (uint8_t)(sizes[i] | 0x80);
			in[n++] = (uint8_t)(sizes[i] >> 7 | 0x80);
			in[n++] = (uint8_t)(sizes[i] >> 14);
			memset(in + n, 0xff, sizes[i]);
			n += sizes[i];
		}
		for (size_t at = 0; at < n; at += 1000)
			assert_true(protobuf_feed(
				&p, (struct bb_span){ in + at, n - at < 1000 ? n - at : 1000 },
				on_field, &s));
		assert_int_equal(s.n, sizes[i] <= PROTOBUF_FIELD_MAX ? 3 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table),
					    cmocka_unit_test(long_fields_are_whole) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
