/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns.h"
#include "tests/unit/unit.h"

#define HDR     "\x12\x34\1\0\0\1\0\0\0\0\0\0"
#define HDR_OPT "\x12\x34\1\0\0\1\0\0\0\0\0\1"
#define NAME    "\3wWw\7example\4test\0"
#define Q_A     NAME "\0\1\0\1"
#define OPT     "\0\0\x29\x10\0\0\0\0\0\0\0"
#define OPT_DO  "\0\0\x29\x04\xd0\0\0\x80\0\0\0"
#define M(s)                                                                                       \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}

struct message {
	const char *p;
	size_t len;
};

/* Decode from an exact-size heap copy that lives until free() */
static enum dns_query_result read_copy(struct message m, struct dns_query *q, uint8_t **ret_copy)
{
	*ret_copy = malloc(m.len + !m.len);
	assert_non_null(*ret_copy);
	memcpy(*ret_copy, m.p, m.len);
	return dns_query_read((struct bb_span){ *ret_copy, m.len }, q);
}

static void query_results(void **state)
{
	static const struct {
		struct message in;
		enum dns_query_result want;
		size_t question; /* octets that a reply repeats */
	} rows[] = {
		{ M(HDR Q_A), DNS_QUERY_OK, 22 },
		{ M(HDR_OPT Q_A OPT), DNS_QUERY_OK, 22 },
		{ M(HDR_OPT Q_A OPT_DO), DNS_QUERY_OK, 22 },
		{ M(HDR "\0\0\2\0\1"), DNS_QUERY_OK, 5 },
		/* a cookie, as dig sends one */
		{ M(HDR_OPT Q_A "\0\0\x29\x10\0\0\0\0\0\0\xc\0\xa\0\x8"
				"12345678"),
		  DNS_QUERY_OK, 22 },
		{ M(""), DNS_QUERY_DROP, 0 },
		{ M("\x12\x34\1\0\0\1\0\0\0\0\0"), DNS_QUERY_DROP, 0 },
		{ M("\x12\x34\x81\0\0\1\0\0\0\0\0\0" Q_A), DNS_QUERY_DROP, 0 },
		{ M("\x12\x34\x29\0\0\1\0\0\0\0\0\0" Q_A), DNS_QUERY_NOTIMP, 0 }, /* UPDATE */
		{ M("\x12\x34\x08\0\0\1\0\0\0\0\0\0" Q_A), DNS_QUERY_NOTIMP, 0 }, /* IQUERY */
		{ M("\x12\x34\3\0\0\1\0\0\0\0\0\0" Q_A), DNS_QUERY_FORMERR, 0 },  /* TC */
		{ M("\x12\x34\1\0\0\0\0\0\0\0\0\0"), DNS_QUERY_FORMERR, 0 },
		{ M("\x12\x34\1\0\0\2\0\0\0\0\0\0" Q_A Q_A), DNS_QUERY_FORMERR, 0 },
		{ M("\x12\x34\1\0\0\1\0\1\0\0\0\0" Q_A), DNS_QUERY_FORMERR, 0 },
		{ M("\x12\x34\1\0\0\1\0\0\0\1\0\0" Q_A), DNS_QUERY_FORMERR, 0 },
		{ M("\x12\x34\1\0\0\1\0\0\0\0\0\2" Q_A OPT OPT), DNS_QUERY_FORMERR, 0 },
		{ M(HDR Q_A "x"), DNS_QUERY_FORMERR, 22 },
		{ M(HDR NAME "\0\1\0"), DNS_QUERY_FORMERR, 0 },
		{ M(HDR NAME), DNS_QUERY_FORMERR, 0 },
		{ M(HDR), DNS_QUERY_FORMERR, 0 },
		{ M(HDR "\300\14\0\1\0\1"), DNS_QUERY_FORMERR, 0 },
		{ M(HDR NAME "\0\x29\0\1"), DNS_QUERY_FORMERR, 22 }, /* OPT as a question */
		{ M(HDR NAME "\0\1\0\3"), DNS_QUERY_REFUSED, 22 },   /* CHAOS */
		{ M(HDR NAME "\0\1\0\xff"), DNS_QUERY_REFUSED, 22 }, /* class ANY */
		{ M(HDR "\3a b\0\0\1\0\1"), DNS_QUERY_REFUSED, 9 },
		{ M(HDR "\3a\0b\0\0\1\0\1"), DNS_QUERY_REFUSED, 9 },
		{ M(HDR_OPT Q_A "\0\0\x29\x10\0\0\1\0\0\0\0"), DNS_QUERY_BADVERS, 22 },
		{ M(HDR_OPT Q_A), DNS_QUERY_FORMERR, 22 },
		{ M(HDR_OPT Q_A OPT "x"), DNS_QUERY_FORMERR, 22 },
		{ M(HDR_OPT Q_A "\0\0\x29\x10\0\0\0\0\0\0\1"), DNS_QUERY_FORMERR, 22 },
		{ M(HDR_OPT Q_A "\0\0\x29\x10\0\0\0\0\0\0\4\0\xa\0\1"), DNS_QUERY_FORMERR, 22 },
		{ M(HDR_OPT Q_A "\1a\0\0\x29\x10\0\0\0\0\0\0\0"), DNS_QUERY_FORMERR, 22 },
		{ M(HDR_OPT Q_A "\0\0\1\0\1\0\0\0\0\0\4abcd"), DNS_QUERY_FORMERR, 22 },
		{ M(HDR_OPT NAME "\0\1\0\3\0\0\x29\x10\0\0\0\0\0\0\1"), DNS_QUERY_FORMERR, 22 },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct dns_query q = { .id = 0x5555 };
		uint8_t out[DNS_REPLY_MAX], *copy;
		enum dns_query_result r = read_copy(rows[i].in, &q, &copy);

		assert_int_equal(r, rows[i].want);
		if (r == DNS_QUERY_DROP) {
			assert_int_equal(q.id, 0x5555);
		} else {
			assert_int_equal(q.id, 0x1234);
			assert_int_equal(q.question.len, rows[i].question);
			assert_true(dns_reply_error(&q, dns_query_rcode(r), out) >= DNS_HDR_BYTES);
		}
		if (r != DNS_QUERY_OK && r != DNS_QUERY_DROP)
			assert_string_equal(q.name, "");
		free(copy);
	}
}

static void query_fields(void **state)
{
	struct dns_query q = { 0 };
	uint8_t *copy;
	struct message m = M("\xab\xcd\1\x10\0\1\0\0\0\0\0\1" NAME "\0\x41\0\1" OPT_DO);

	(void)state;
	assert_int_equal(read_copy(m, &q, &copy), DNS_QUERY_OK);
	assert_int_equal(q.id, 0xabcd);
	assert_int_equal(q.flags, 0x0110);
	assert_int_equal(q.qtype, 65);
	assert_string_equal(q.name, "www.example.test");
	assert_int_equal(q.name_len, 16);
	assert_true(q.edns && q.edns_do);
	assert_int_equal(q.question.len, 22);
	assert_memory_equal(q.question.p, NAME "\0\x41\0\1", 22);
	free(copy);
}

static void query_too_long(void **state)
{
	/* an OPT whose one option makes the message DNS_MSG_MAX, then one more octet */
	static const char head[] = HDR_OPT Q_A OPT;
	size_t at = sizeof(head) - 1;
	struct dns_query q = { 0 };
	uint8_t *m = calloc(1, DNS_MSG_MAX + 1);

	(void)state;
	assert_non_null(m);
	memcpy(m, head, at);
	for (size_t len = DNS_MSG_MAX; len <= DNS_MSG_MAX + 1; len++) {
		bb_put_be16(m + at - 2, (uint16_t)(len - at));
		bb_put_be16(m + at, 12);
		bb_put_be16(m + at + 2, (uint16_t)(len - at - 4));
		assert_int_equal(dns_query_read((struct bb_span){ m, len }, &q),
				 len > DNS_MSG_MAX ? DNS_QUERY_FORMERR : DNS_QUERY_OK);
	}
	free(m);
}

#define SOA                                                                                        \
	"\0\0\6\0\1\0\0\0\x3c\0\x25\0\6nobody\7invalid\0\0\0\0\1\0\0\x0e\x10\0\0\4\xb0\0\x09\x3a"  \
	"\x80"                                                                                     \
	"\0\0\0\x3c"

static void replies(void **state)
{
	static const uint8_t addr[4] = { 198, 18, 0, 1 };
	static const struct message want[] = {
		M("\x12\x34\x85\x80\0\1\0\1\0\0\0\0" Q_A
		  "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x12\0\1"),
		M("\x12\x34\x85\x83\0\1\0\0\0\1\0\0" Q_A SOA),
		M("\x12\x34\x85\x80\0\1\0\0\0\1\0\0" Q_A SOA),
		M("\x12\x34\x85\x80\0\1\0\1\0\0\0\0" Q_A
		  "\xc0\x0c\0\xc\0\1\0\0\0\x3c\0\x06\1a\2bc\0"),
		M("\x12\x34\x85\x85\0\1\0\0\0\0\0\0" Q_A),
		M("\x12\x34\x85\x81\0\1\0\0\0\0\0\0" Q_A), /* BADVERS, but the asker has no EDNS */
	};
	struct message m = M(HDR Q_A);
	uint8_t out[DNS_REPLY_MAX], *copy;
	struct dns_query q;

	(void)state;
	assert_int_equal(read_copy(m, &q, &copy), DNS_QUERY_OK);
	for (size_t i = 0; i < BB_ARRAY_LEN(want); i++) {
		size_t len = i == 0   ? dns_reply_a(&q, addr, out)
			     : i == 1 ? dns_reply_negative(&q, DNS_RCODE_NXDOMAIN, out)
			     : i == 2 ? dns_reply_negative(&q, DNS_RCODE_NOERROR, out)
			     : i == 3 ? dns_reply_ptr(&q, "a.bc", out)
			     : i == 4 ? dns_reply_error(&q, DNS_RCODE_REFUSED, out)
				      : dns_reply_error(&q, DNS_RCODE_BADVERS, out);

		assert_int_equal(len, want[i].len);
		assert_memory_equal(out, want[i].p, len);
	}
	free(copy);
}

static void replies_with_opt(void **state)
{
	static const struct message asked[] = {
		M(HDR_OPT Q_A "\0\0\x29\x04\xd0\0\1\x80\0\0\0"),
		M("\x12\x34\x11\0\0\1\0\0\0\0\0\1" Q_A OPT),
	};
	static const struct message want[] = {
		M("\x12\x34\x85\x80\0\1\0\0\0\0\0\1" Q_A "\0\0\x29\x10\0\1\0\x80\0\0\0"),
		M("\x12\x34\x95\x84\0\0\0\0\0\0\0\0"),
	};
	uint8_t out[DNS_REPLY_MAX], *copy;
	struct dns_query q;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(want); i++) {
		enum dns_query_result r = read_copy(asked[i], &q, &copy);

		assert_int_equal(dns_reply_error(&q, dns_query_rcode(r), out), want[i].len);
		assert_memory_equal(out, want[i].p, want[i].len);
		free(copy);
	}
}

/* The longest question with the longest answer stays inside DNS_REPLY_MAX */
static void reply_max(void **state)
{
	char name[DNS_NAME_TEXT_MAX];
	uint8_t question[DNS_QUESTION_MAX] = { 0 }, *out = malloc(DNS_REPLY_MAX);
	struct dns_query q = { .edns = true, .question = { question, sizeof(question) } };

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[sizeof(name) - 1] = '\0';
	assert_true(dns_reply_ptr(&q, name, out) <= DNS_REPLY_MAX);
	assert_true(dns_reply_negative(&q, DNS_RCODE_NXDOMAIN, out) <= DNS_REPLY_MAX);
	free(out);
}

static void type_names(void **state)
{
	char out[DNS_TYPE_TEXT];

	(void)state;
	dns_type_text(28, out);
	assert_string_equal(out, "AAAA");
	dns_type_text(65535, out);
	assert_string_equal(out, "TYPE65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_results),    cmocka_unit_test(query_fields),
		cmocka_unit_test(query_too_long),   cmocka_unit_test(replies),
		cmocka_unit_test(replies_with_opt), cmocka_unit_test(reply_max),
		cmocka_unit_test(type_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
