/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_name.h"
#include "tests/unit/unit.h"

/* Decode from an exact-size heap copy, so that a sanitizer sees any read past the end */
static enum dns_name_result read_copy(const void *p, size_t len, size_t *off, char *out,
				      size_t *ret_len)
{
	uint8_t *copy = malloc(len + !len);
	enum dns_name_result r;

	assert_non_null(copy);
	memcpy(copy, p, len);
	r = dns_name_read((struct bb_span){ copy, len }, off, out, ret_len);
	free(copy);
	return r;
}

#define L "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk" /* 63 */
#define W(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s)                                                                       \
	}

static void reads(void **state)
{
	static const struct {
		struct {
			const char *p;
			size_t len; /* with the literal's own NUL as the root label */
		} in;
		enum dns_name_result want;
		const char *name;
	} rows[] = {
		{ W(""), DNS_NAME_OK, "" },
		{ W("\3www\7example\4test"), DNS_NAME_OK, "www.example.test" },
		{ W("\3WwW\7EXAMPLE\4tEsT"), DNS_NAME_OK, "www.example.test" },
		{ W("\4_dmq\3a-b\1"
		    "9"),
		  DNS_NAME_OK, "_dmq.a-b.9" },
		{ W("\77" L "\77" L "\77" L "\75abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxy"
		    "zabcdefghi"),
		  DNS_NAME_OK,
		  L "." L "." L ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi" },
		{ W("\77" L "\77" L "\77" L "\76abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxy"
		    "zabcdefghij"),
		  DNS_NAME_TOO_LONG, NULL },
		{ W("\1a\300\0"), DNS_NAME_BAD_LABEL, NULL },
		{ W("\300\14"), DNS_NAME_BAD_LABEL, NULL },
		{ W("\100a"), DNS_NAME_BAD_LABEL, NULL },
		{ W("\200a"), DNS_NAME_BAD_LABEL, NULL },
		{ W("\3a.b"), DNS_NAME_BAD_OCTET, NULL },
		{ W("\3a\0b"), DNS_NAME_BAD_OCTET, NULL },
		{ W("\3a b\4test"), DNS_NAME_BAD_OCTET, NULL },
		{ W("\3a\377b"), DNS_NAME_BAD_OCTET, NULL },
		{ W("\5ab"), DNS_NAME_TRUNCATED, NULL },
		{ { "\3www", 4 }, DNS_NAME_TRUNCATED, NULL },
		{ { "", 0 }, DNS_NAME_TRUNCATED, NULL },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		char out[DNS_NAME_TEXT_MAX] = "unchanged";
		size_t off = 0, len = 999;

		assert_int_equal(read_copy(rows[i].in.p, rows[i].in.len, &off, out, &len),
				 rows[i].want);
		assert_string_equal(out, rows[i].name ? rows[i].name : "unchanged");
		assert_int_equal(len, rows[i].name ? strlen(rows[i].name) : 999);
		if (rows[i].want == DNS_NAME_OK || rows[i].want == DNS_NAME_BAD_OCTET)
			assert_int_equal(off, rows[i].in.len);
		else
			assert_int_equal(off, 0);
	}
}

static void writes(void **state)
{
	uint8_t out[DNS_NAME_WIRE_MAX];

	(void)state;
	assert_int_equal(dns_name_write("", out), 1);
	assert_int_equal(out[0], 0);
	assert_int_equal(dns_name_write("www.example.test", out), 18);
	assert_memory_equal(out, "\3www\7example\4test", 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
