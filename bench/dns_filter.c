/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_filter: queries per second of decode, decision and reply on one core, without any transport
 * (bench/run measures gate's stream on top). One line per kind of query.
 */
#include "policy/dns_filter.h"
#include <stdio.h>
#include <time.h>

#define N 2000000u

static double now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static size_t make_query(uint8_t *out, const char *name)
{
	static const uint8_t head[DNS_HDR_BYTES] = { 0, 1, 1, 0, 0, 1 };
	size_t at = DNS_HDR_BYTES;

	memcpy(out, head, sizeof(head));
	at += dns_name_write(name, out + at);
	bb_put_be16(out + at, DNS_TYPE_A);
	bb_put_be16(out + at + 2, 1);
	return at + 4;
}

static void measure(struct dns_filter *f, const char *what, const char *name)
{
	uint8_t msg[DNS_MSG_MAX], out[DNS_REPLY_MAX];
	struct bb_span query = { msg, make_query(msg, name) };
	double start = now_s(), took;
	struct dns_outcome o;
	size_t sum = 0;

	for (unsigned int i = 0; i < N; i++) {
		msg[1] = (uint8_t)i;
		sum += dns_filter_answer(f, query, 1, out, &o);
	}
	took = now_s() - start;
	(void)printf("dns_filter %-22s %8.0f q/s (%zu octets a reply)\n", what, N / took, sum / N);
}

int main(void)
{
	static struct policy_route routes[POLICY_ROUTES_MAX];
	const struct policy policy = { .n_routes = BB_ARRAY_LEN(routes), .routes = routes };
	struct dns_filter *f = calloc(1, sizeof(*f));
	char deep[DNS_NAME_TEXT_MAX];

	if (!f)
		return 1;
	for (size_t i = 0; i < BB_ARRAY_LEN(routes); i++) {
		(void)snprintf(routes[i].host, sizeof(routes[i].host), "host%zu.example.test", i);
		routes[i].wildcard = i % 8 == 0;
	}
	for (size_t i = 0; i < sizeof(deep) - 1; i++)
		deep[i] = i % 2 ? '.' : 'a';
	deep[sizeof(deep) - 1] = '\0';
	dns_filter_init(f, &policy, 0x1234567890abcdefu);
	measure(f, "listed", "host777.example.test");
	measure(f, "below a wildcard", "www.host8.example.test");
	measure(f, "not listed", "telemetry.somewhere.example");
	measure(f, "not listed, 127 labels", deep);
	free(f);
	return 0;
}
