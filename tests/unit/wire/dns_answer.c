/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_answer.h"
#include "tests/unit/unit.h"

/* Id 0x1234, case as asked: every second letter from the first */
static const uint8_t random_octets[DNS_ASK_RANDOM] = { 0xaa, 0xaa, 0xaa, [32] = 0x12, 0x34 };

#define HEAD(flags, an) "\x12\x34" flags "\0\1\0" an "\0\0\0\0"
#define OK_FLAGS        "\x81\x80"
#define Q               "\1A\4TeSt\0"
#define Q_A             Q "\0\1\0\1"
#define Q_AAAA          Q "\0\x1c\0\1"
#define Q_CNAME         Q "\0\5\0\1"
#define OWNER           "\xc0\x0c"
#define A(owner, ttl)   owner "\0\1\0\1" ttl "\0\4\xcb\0\x71\x0a"
#define TTL             "\0\0\0\x3c"
#define CNAME_B(owner)  owner "\0\5\0\1" TTL "\0\4\1b\xc0\x0e" /* b.test */
#define B               "\1b\4test\0"

struct row {
	const char *p;
	size_t len;
	uint16_t qtype;
	enum dns_answer_result want;
	enum dns_rcode rcode;
	size_t n_names;
	size_t n_addrs;
	uint32_t ttl;
};
#define M(s) (s), sizeof(s) - 1

static enum dns_answer_result read_copy(const struct row *r, struct dns_answer *a)
{
	enum dns_answer_result result;
	uint8_t *copy = malloc(r->len + !r->len);
	struct dns_ask ask;

	assert_non_null(copy);
	memcpy(copy, r->p, r->len);
	dns_ask_write(&ask, "a.test", r->qtype, random_octets);
	result = dns_answer_read((struct bb_span){ copy, r->len }, &ask, a);
	free(copy);
	return result;
}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct dns_answer a = { .n_names = 99 };

		if (read_copy(&rows[i], &a) != rows[i].want)
			fail_msg("row %zu: %s", i, dns_answer_result_str[read_copy(&rows[i], &a)]);
		if (rows[i].want != DNS_ANSWER_OK) {
			assert_int_equal(a.n_names, 99);
			continue;
		}
		assert_int_equal(a.rcode, rows[i].rcode);
		assert_int_equal(a.n_names, rows[i].n_names);
		assert_int_equal(a.n_addrs, rows[i].n_addrs);
		assert_int_equal(a.ttl, rows[i].ttl);
	}
}

static void taken(void **state)
{
	static const struct row rows[] = {
		{ M(HEAD(OK_FLAGS, "\1") Q_A A(OWNER, TTL)), 1, DNS_ANSWER_OK, 0, 0, 1, 60 },
		/* the case of an owner is not ours to insist on; the question's is */
		{ M(HEAD(OK_FLAGS, "\1") Q_A A("\1a\4TEST\0", TTL)), 1, DNS_ANSWER_OK, 0, 0, 1,
		  60 },
		{ M(HEAD(OK_FLAGS, "\2") Q_A CNAME_B(OWNER) A(B, TTL)), 1, DNS_ANSWER_OK, 0, 1, 1,
		  60 },
		/* in another order */
		{ M(HEAD(OK_FLAGS, "\2") Q_A A(B, TTL) CNAME_B(OWNER)), 1, DNS_ANSWER_OK, 0, 1, 1,
		  60 },
		/* asked for the alias itself: not followed */
		{ M(HEAD(OK_FLAGS, "\2") Q_CNAME CNAME_B(OWNER) A(B, TTL)), 5, DNS_ANSWER_OK, 0, 1,
		  0, 60 },
		/* nothing leads from the question to it */
		{ M(HEAD(OK_FLAGS, "\1") Q_A A(B, TTL)), 1, DNS_ANSWER_OK, 0, 0, 0, 300 },
		/* HTTPS with an address hint and keys; TXT; class CH; A of three octets; AAAA for A
		 */
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\x41\0\1" TTL "\0\7\0\1\0\0\4\0\4"), 1,
		  DNS_ANSWER_OK, 0, 0, 0, 300 },
		{ M(HEAD(OK_FLAGS, "\2") Q_A OWNER "\0\x10\0\1" TTL "\0\2\1x" A(OWNER, TTL)), 1,
		  DNS_ANSWER_OK, 0, 0, 1, 60 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\1\0\3" TTL "\0\4\1\2\3\4"), 1, DNS_ANSWER_OK,
		  0, 0, 0, 300 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\1\0\1" TTL "\0\3\1\2\3"), 1, DNS_ANSWER_OK,
		  0, 0, 0, 300 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\x1c\0\1" TTL "\0\x10"
						   "0123456789abcdef"),
		  1, DNS_ANSWER_OK, 0, 0, 0, 300 },
		{ M(HEAD(OK_FLAGS, "\1") Q_AAAA OWNER "\0\x1c\0\1" TTL "\0\x10"
						      "0123456789abcdef"),
		  28, DNS_ANSWER_OK, 0, 0, 1, 60 },
		/* TTLs: the cap, the smallest, RFC 2181's sign bit */
		{ M(HEAD(OK_FLAGS, "\1") Q_A A(OWNER, "\0\1\0\0")), 1, DNS_ANSWER_OK, 0, 0, 1,
		  300 },
		{ M(HEAD(OK_FLAGS, "\2") Q_A CNAME_B(OWNER) A(B, "\0\0\0\5")), 1, DNS_ANSWER_OK, 0,
		  1, 1, 5 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A A(OWNER, "\x80\0\0\5")), 1, DNS_ANSWER_OK, 0, 0, 1,
		  0 },
		{ M(HEAD("\x81\x83", "\0") Q_A), 1, DNS_ANSWER_OK, DNS_RCODE_NXDOMAIN, 0, 0, 300 },
		{ M(HEAD("\x81\x83", "\1") Q_A CNAME_B(OWNER)), 1, DNS_ANSWER_OK,
		  DNS_RCODE_NXDOMAIN, 1, 0, 60 },
		/* an owner that is no host name is somebody else's; what follows the section is not
		   read */
		{ M(HEAD(OK_FLAGS, "\2") Q_A A("\2\0x\0", TTL) A(OWNER, TTL)), 1, DNS_ANSWER_OK, 0,
		  0, 1, 60 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A A(OWNER, TTL) "\xff\xff"), 1, DNS_ANSWER_OK, 0, 0, 1,
		  60 },
	};

	(void)state;
	check(rows, BB_ARRAY_LEN(rows));
}

static void refused(void **state)
{
	static const struct row rows[] = {
		{ M(""), 1, DNS_ANSWER_FOREIGN, 0, 0, 0, 0 },
		{ M("\x12\x34\x81\x80\0\1\0\0\0\0\0"), 1, DNS_ANSWER_FOREIGN, 0, 0, 0, 0 },
		{ M("\x12\x35\x81\x80\0\1\0\1\0\0\0\0" Q_A A(OWNER, TTL)), 1, DNS_ANSWER_FOREIGN, 0,
		  0, 0, 0 }, /* id */
		{ M(HEAD("\x01\x80", "\1") Q_A A(OWNER, TTL)), 1, DNS_ANSWER_FOREIGN, 0, 0, 0,
		  0 }, /* a query */
		{ M(HEAD("\xa9\x80", "\1") Q_A A(OWNER, TTL)), 1, DNS_ANSWER_FOREIGN, 0, 0, 0,
		  0 }, /* opcode */
		{ M("\x12\x34\x81\x80\0\0\0\1\0\0\0\0" Q_A A(OWNER, TTL)), 1, DNS_ANSWER_FOREIGN, 0,
		  0, 0, 0 },
		{ M(HEAD(OK_FLAGS, "\1") "\1a\4tEsT\0\0\1\0\1" A(OWNER, TTL)), 1,
		  DNS_ANSWER_FOREIGN, 0, 0, 0, 0 }, /* case */
		{ M(HEAD(OK_FLAGS, "\1") Q_AAAA A(OWNER, TTL)), 1, DNS_ANSWER_FOREIGN, 0, 0, 0,
		  0 }, /* type */
		{ M(HEAD("\x83\x80", "\0") Q_A), 1, DNS_ANSWER_TRUNCATED, 0, 0, 0, 0 },
		{ M(HEAD("\x81\x82", "\0") Q_A), 1, DNS_ANSWER_ERROR, 0, 0, 0, 0 }, /* SERVFAIL */
		{ M(HEAD("\x81\x85", "\0") Q_A), 1, DNS_ANSWER_ERROR, 0, 0, 0, 0 }, /* REFUSED */
		{ M(HEAD("\x81\x83", "\1") Q_A A(OWNER, TTL)), 1, DNS_ANSWER_MALFORMED, 0, 0, 0,
		  0 },
		{ M(HEAD(OK_FLAGS, "\2") Q_A A(OWNER, TTL)), 1, DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\1\0\1" TTL "\0\5\1\2\3\4"), 1,
		  DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\1\0\1\0"), 1, DNS_ANSWER_MALFORMED, 0, 0, 0,
		  0 },
		{ M("\x12\x34\x81\x80\0\1\1\1\0\0\0\0" Q_A), 1, DNS_ANSWER_MALFORMED, 0, 0, 0,
		  0 }, /* 257 records */
		/* pointers: to itself, forwards, cut off; a reserved label type */
		{ M(HEAD(OK_FLAGS, "\1") Q_A A("\xc0\x18", TTL)), 1, DNS_ANSWER_MALFORMED, 0, 0, 0,
		  0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A A("\xc0\x20", TTL)), 1, DNS_ANSWER_MALFORMED, 0, 0, 0,
		  0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A "\xc0"), 1, DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A A("\x40", TTL)), 1, DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
		/* a CNAME to itself, to the root, to no host name, with octets left over */
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\5\0\1" TTL "\0\2\xc0\x0c"), 1,
		  DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\5\0\1" TTL "\0\1\0"), 1,
		  DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\5\0\1" TTL "\0\3\1/\0"), 1,
		  DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
		{ M(HEAD(OK_FLAGS, "\1") Q_A OWNER "\0\5\0\1" TTL "\0\4\1b\0x"), 1,
		  DNS_ANSWER_MALFORMED, 0, 0, 0, 0 },
	};

	(void)state;
	check(rows, BB_ARRAY_LEN(rows));
}

/* Each cut of a whole answer is refused, from an exact-size copy */
static void cut_anywhere(void **state)
{
	static const char whole[] = HEAD(OK_FLAGS, "\2") Q_A CNAME_B(OWNER) A(B, TTL);
	struct dns_answer a;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		const struct row r = { .p = whole, .len = len, .qtype = 1 };

		assert_int_not_equal(read_copy(&r, &a), DNS_ANSWER_OK);
	}
}

static void limits(void **state)
{
	uint8_t msg[DNS_MSG_MAX + 1] = HEAD(OK_FLAGS, "\x28") Q_A;
	size_t at = sizeof(HEAD(OK_FLAGS, "\x28") Q_A) - 1;
	struct dns_answer a = { 0 };
	struct row r = { .p = (const char *)msg, .qtype = 1 };

	(void)state;
	for (int i = 0; i < 40; i++, at += 16)
		memcpy(msg + at, A(OWNER, TTL), 16);
	r.len = at;
	assert_int_equal(read_copy(&r, &a), DNS_ANSWER_OK);
	assert_int_equal(a.n_addrs, DNS_ANSWER_ADDRS);
	r.len = DNS_MSG_MAX;
	assert_int_equal(read_copy(&r, &a), DNS_ANSWER_OK);
	r.len = DNS_MSG_MAX + 1;
	assert_int_equal(read_copy(&r, &a), DNS_ANSWER_MALFORMED);
}

/* The largest reply there is: 8 names of 253 octets, 32 addresses, a question of 255 */
static void largest_reply(void **state)
{
	char name[DNS_NAME_TEXT_MAX];
	uint8_t random_case[DNS_ASK_RANDOM] = { 0 }, *out = malloc(DNS_ANSWER_REPLY_MAX);
	struct dns_answer a = { .ttl = 5, .n_names = 8, .n_addrs = 32 }, again;
	struct dns_query q = { .edns = true, .qtype = DNS_TYPE_AAAA };
	struct dns_ask ask;
	size_t n;

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 64 == 63 ? '.' : 'x';
	name[253] = '\0';
	dns_ask_write(&ask, name, DNS_TYPE_AAAA, random_case);
	for (size_t i = 0; i < 8; i++) {
		memcpy(a.names[i], name, sizeof(name));
		a.names[i][0] = (char)('a' + i);
	}
	memset(a.addrs, 0x20, sizeof(a.addrs));
	q.question = (struct bb_span){ ask.msg + DNS_HDR_BYTES, ask.question_len };
	n = dns_reply_answer(&q, &a, out);
	assert_in_range(n, 3000, DNS_ANSWER_REPLY_MAX);
	assert_int_equal(out[2] & 4, 0); /* AA */
	memcpy(out, ask.msg, 2);
	assert_int_equal(dns_answer_read((struct bb_span){ out, n }, &ask, &again), DNS_ANSWER_OK);
	assert_int_equal(again.n_names, 8);
	assert_int_equal(again.n_addrs, 32);
	assert_memory_equal(again.names[7], a.names[7], sizeof(name));
	free(out);
}

static void ask_is_random(void **state)
{
	uint8_t random_case[DNS_ASK_RANDOM];
	struct dns_query q;
	struct dns_ask ask;

	(void)state;
	memset(random_case, 0xff, sizeof(random_case));
	dns_ask_write(&ask, "a-1.test", DNS_TYPE_AAAA, random_case);
	assert_int_equal(dns_query_read((struct bb_span){ ask.msg, ask.len }, &q), DNS_QUERY_OK);
	assert_string_equal(q.name, "a-1.test");
	assert_int_equal(q.id, 0xffff);
	assert_int_equal(q.qtype, DNS_TYPE_AAAA);
	assert_true(q.edns);
	assert_memory_equal(ask.msg + DNS_HDR_BYTES, "\3A-1\4TEST\0", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken),         cmocka_unit_test(refused),
		cmocka_unit_test(cut_anywhere),  cmocka_unit_test(limits),
		cmocka_unit_test(largest_reply), cmocka_unit_test(ask_is_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
