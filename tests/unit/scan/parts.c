/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/parts.h"
#include "tests/unit/unit.h"
#include <stdio.h>

#define LONG10  "q7Rt0Xm2Kp"
#define LONG100 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10
#define LONG700 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100
#define BEGIN   "-----BEGIN " /* so that no line here looks like a key */

static void each_kind(void **state)
{
	static const struct {
		const char *value;
		const char *parts[4];
	} cases[] = {
		{ "just-a-password-of-length", { "just-a-password-of-length" } },
		{ "ghp"
		  "_0123456789",
		  { "0123456789" } },
		{ "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", { ".eyJzdWIiOiIxIn0.sig" } },
		{ "https://hooks.example.com/services/T0/B0/xyz", { "/services/T0/B0/xyz" } },
		{ "postgres://app:s3cr3t-word@db.example.com:5432/prod?x=y",
		  { "s3cr3t-word", "/prod?x=y" } },
		{ "https://token@git.example.com", { "token" } },
		{ "https://host.example.com", { NULL } },
		{ "amqp://u:p@a@host", { "p@a" } },
		{ "https://app:ab1@Kf92mQ@db.example.com/x@y", { "ab1@Kf92mQ", "/x@y" } },
		{ "amqp://u:Kf92/mQ?xV#q@host/vhost", { "Kf92/mQ?xV#q", "/vhost" } },
		{ "http://host:8080/x@y", { "/x@y" } },
		{ "http://[::1]/x@y", { "/x@y" } },
		{ "https://host/x:y@z", { "/x:y@z" } },
		{ "https://user:@host/x", { "user", "/x" } },
		{ "https://Kf92mQ7xV4bN8z:x-oauth-basic@host",
		  { "Kf92mQ7xV4bN8z", "x-oauth-basic" } },
		{ "https://3f2a9c1e0b7d4f6a:pw@host", { "3f2a9c1e0b7d4f6a", "pw" } },
		{ "https://Kf92mQ7xV4b:pw@host", { "pw" } },
		{ "postgres://administrator:pw@host", { "pw" } },
		{ "postgres://appUserOfProject2024:pw@host", { "pw" } },
		{ "postgres://svc-Backup-Prod-01:pw@host", { "pw" } },
		{ "https://x-access-token:pw@host", { "pw" } },
		{ BEGIN "EC PRIVATE KEY-----\nABCDEFGHIJKLMNOPQR\n-----END EC PRIVATE KEY-----\n",
		  { "LMNOPQR\n", "\n" } },
		{ BEGIN "A-----" LONG700 "tail-----END A-----", { NULL } },
		{ "before " BEGIN "A-----\n0123456789abcdef", { "before ", "bcdef" } },
		{ BEGIN "never closed", { NULL } },
		{ "", { NULL } },
		{ "://x", { "://x" } },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_span v = BB_SPAN_STR(cases[i].value), got[PARTS_MAX];
		size_t n = parts_of(v, got), want = 0;

		if (strstr(cases[i].value, "tail")) { /* the first line says only what it is */
			assert_int_equal(n, 1);
			assert_int_equal(got[0].len, 704 - 64);
			continue;
		}
		while (want < 4 && cases[i].parts[want])
			want++;
		if (n != want)
			fail_msg("%s: %zu parts", cases[i].value, n);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(got[k].len, strlen(cases[i].parts[k]));
			assert_memory_equal(got[k].p, cases[i].parts[k], got[k].len);
		}
	}
}

/* Twelve in the alphabet's order say nothing; eleven of them, and what stands there, are left */
static void rows(void **state)
{
	static const struct {
		const char *value;
		const char *parts[4];
	} cases[] = {
		{ "the-real-token-0123456789abcdef",
		  { "the-real-token-0123456789a", "56789abcdef" } },
		{ "key=000000000000;x", { "key=00000000000", "00000000000;x" } },
		{ "key=0-0-0-0-0-0-0-0-0-0-0-0;x",
		  { "key=0-0-0-0-0-0-0-0-0-0-0", "0-0-0-0-0-0-0-0-0-0-0;x" } },
		{ "key=00000000000;x", { "key=00000000000;x" } },
		{ "qABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789q",
		  { "qABCDEFGHIJK", "z0123456789q" } },
		{ "98765432109876q", { "98765432109", "65432109876q" } },
		{ "aabbccddeeffgghhiijj", { "aabbccddeeffgghhiijj" } },
		{ "zzzzzzzzzzzzyxwvutsrqponm",
		  { "zzzzzzzzzzz", "zzzzzzzzzzzyxwvutsrqp", "wvutsrqponm" } },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_span got[PARTS_MAX];
		size_t n = parts_of(BB_SPAN_STR(cases[i].value), got), want = 0;

		while (want < 4 && cases[i].parts[want])
			want++;
		assert_int_equal(n, want);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(got[k].len, strlen(cases[i].parts[k]));
			assert_memory_equal(got[k].p, cases[i].parts[k], got[k].len);
		}
	}
}

/* More parts than there is room for: nothing of the end is lost */
static void too_many(void **state)
{
	char value[600] = "";
	struct bb_span got[PARTS_MAX];
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < 20; i++)
		(void)snprintf(value + strlen(value), sizeof(value) - strlen(value),
			       "x%02u-000000000000-", i);
	n = parts_of(BB_SPAN_STR(value), got);
	assert_int_equal(n, PARTS_MAX);
	assert_ptr_equal(got[n - 1].p + got[n - 1].len, value + strlen(value));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_kind), cmocka_unit_test(rows),
					    cmocka_unit_test(too_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
