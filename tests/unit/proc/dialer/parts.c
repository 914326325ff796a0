/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/hosts.h"
#include "proc/dialer/own.h"
#include "proc/dialer/proxy.h"
#include "proc/dialer/resolver.h"
#include "tests/unit/unit.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ip_addr addr_of(const char *text)
{
	struct ip_addr a;

	assert_true(ip_addr_parse(text, &a));
	return a;
}

static void hosts_file(void **state)
{
	static const char text[] = "# comment\n"
				   "192.0.2.1 One.Test one  # two.test\r\n"
				   "\t2001:db8::1\tone.test\n"
				   "192.0.2.2\n"
				   "not-an-address three.test\n"
				   "192.0.2.300 four.test\n"
				   "fe80::1%eth0 five.test\n"
				   "192.0.2.6 bad/name six.test\n"
				   "192.0.2.7 1.2.3.4\n"
				   "127.0.1.1 myhost";
	static const struct {
		const char *name;
		size_t n;
		const char *first;
	} rows[] = {
		{ "one.test", 2, "192.0.2.1" },  { "one", 1, "192.0.2.1" },
		{ "two.test", 0, NULL },         { "three.test", 0, NULL },
		{ "four.test", 0, NULL },        { "five.test", 0, NULL },
		{ "six.test", 1, "192.0.2.6" },  { "myhost", 1, "127.0.1.1" },
		{ "localhost", 2, "127.0.0.1" }, { "a.localhost", 2, "127.0.0.1" },
		{ "notlocalhost", 0, NULL },
	};
	struct ip_addr out[4];
	struct hosts h = { 0 };

	(void)state;
	assert_int_equal(hosts_parse(&h, BB_SPAN_STR(text)), 0);
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct ip_addr want;

		assert_int_equal(hosts_find(&h, rows[i].name, out, 4), rows[i].n);
		if (!rows[i].n)
			continue;
		want = addr_of(rows[i].first);
		assert_true(ip_addr_eq(&out[0], &want));
	}
	assert_int_equal(hosts_find(&h, "one.test", out, 1), 1);
	hosts_release(&h);
}

static void resolv_conf(void **state)
{
	static const char text[] = "# nameserver 192.0.2.9\n"
				   "search example.test\n"
				   "nameserver 192.0.2.1\n"
				   "nameserver\t2001:db8::53 \n"
				   "nameservers 192.0.2.8\n"
				   "nameserver fe80::1%eth0\n"
				   "nameserver\n"
				   "options edns0\n"
				   "nameserver 192.0.2.2#x\n"
				   "nameserver 192.0.2.3";
	static const char *const want[] = { "192.0.2.1", "2001:db8::53", "192.0.2.2", "192.0.2.3" };
	struct ip_addr out[8];
	size_t n = resolver_servers(BB_SPAN_STR(text), out, BB_ARRAY_LEN(out));

	(void)state;
	assert_int_equal(n, BB_ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++) {
		struct ip_addr a = addr_of(want[i]);

		assert_true(ip_addr_eq(&a, &out[i]));
	}
	assert_int_equal(resolver_servers(BB_SPAN_STR(text), out, 2), 2);
}

/* One message of the kernel about an address */
struct addr_msg {
	struct nlmsghdr h;
	struct ifaddrmsg ifa;
	struct rtattr a1;
	uint8_t addr1[4];
	struct rtattr a2;
	uint8_t addr2[4];
};

static struct addr_msg addr_msg(uint16_t type, uint8_t last1, uint8_t last2)
{
	struct addr_msg m = { 0 };

	m.h.nlmsg_len = sizeof(m);
	m.h.nlmsg_type = type;
	m.ifa.ifa_family = AF_INET;
	m.ifa.ifa_index = 3;
	m.a1.rta_len = m.a2.rta_len = RTA_LENGTH(4);
	m.a1.rta_type = IFA_ADDRESS;
	m.a2.rta_type = IFA_LOCAL;
	memcpy(m.addr1, (uint8_t[]){ 192, 0, 2, last1 }, 4);
	memcpy(m.addr2, (uint8_t[]){ 192, 0, 2, last2 }, 4);
	return m;
}

static void take(struct own *own, const void *p, size_t len)
{
	struct bb_err err = { 0 };

	assert_int_equal(own_take(own, (struct bb_span){ p, len }, &err), 0);
}

static bool has(const struct own *own, const char *text)
{
	struct ip_addr a = addr_of(text);

	return own_has(own, &a);
}

static size_t n_gone;
static char gone[IP_ADDR_TEXT_MAX];

static void on_gone(void *arg, const struct ip_addr *addr)
{
	(void)arg;
	n_gone++;
	ip_addr_format(addr, gone);
}

static struct addr_msg on_interface(uint16_t type, uint8_t last, uint32_t index)
{
	struct addr_msg m = addr_msg(type, last, last);

	m.ifa.ifa_index = index;
	return m;
}

static void list_ends(struct own *own)
{
	struct nlmsghdr done = { .nlmsg_len = sizeof(done),
				 .nlmsg_type = NLMSG_DONE,
				 .nlmsg_seq = own->dump };

	take(own, &done, sizeof(done));
}

/* Told once, and only when no interface has it; also of one that was never announced */
static void addresses_that_are_gone(void **state)
{
	struct own own = { .fd = -1, .on_gone = on_gone };
	const struct addr_msg messages[] = {
		on_interface(RTM_NEWADDR, 1, 3),
		on_interface(RTM_NEWADDR, 1, 4),
		on_interface(RTM_DELADDR, 1, 3),
		on_interface(RTM_DELADDR, 1, 3),
	};
	struct addr_msg m = on_interface(RTM_DELADDR, 1, 4);

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(messages); i++)
		take(&own, &messages[i], sizeof(messages[i]));
	assert_int_equal(n_gone, 0);
	take(&own, &m, sizeof(m));
	assert_int_equal(n_gone, 1);
	assert_string_equal(gone, "192.0.2.1");

	/* a list that does not repeat .1 on one of two interfaces, and .2 on none */
	take(&own, &messages[0], sizeof(m));
	take(&own, &messages[1], sizeof(m));
	m = on_interface(RTM_NEWADDR, 2, 3);
	take(&own, &m, sizeof(m));
	own.dump++;
	take(&own, &messages[1], sizeof(m));
	list_ends(&own);
	assert_int_equal(n_gone, 2);
	assert_string_equal(gone, "192.0.2.2");
	assert_int_equal(own.n, 1);
	own.dump++;
	list_ends(&own);
	assert_int_equal(n_gone, 3);
	assert_string_equal(gone, "192.0.2.1");
	m = on_interface(RTM_DELADDR, 7, 3);
	take(&own, &m, sizeof(m));
	assert_int_equal(n_gone, 4);
	assert_string_equal(gone, "192.0.2.7");
	own_release(&own);
}

static void own_addresses(void **state)
{
	struct own own = { .fd = -1, .dump = 1, .dumping = true };
	struct nlmsghdr done = { .nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE };
	struct addr_msg m = addr_msg(RTM_NEWADDR, 2, 1);

	(void)state;
	take(&own, &m, sizeof(m));
	assert_true(has(&own, "192.0.2.1")); /* ours, not the peer's */
	assert_false(has(&own, "192.0.2.2"));
	m = addr_msg(RTM_NEWADDR, 9, 9);
	take(&own, &m, sizeof(m));
	done.nlmsg_seq = 1;
	take(&own, &done, sizeof(done));
	assert_false(own.dumping);
	assert_int_equal(own.n, 2);

	/* a second list without .9 */
	own.dump = 2;
	own.dumping = true;
	m = addr_msg(RTM_NEWADDR, 2, 1);
	take(&own, &m, sizeof(m));
	assert_true(has(&own, "192.0.2.9"));
	done.nlmsg_seq = 1; /* the end of another list says nothing */
	take(&own, &done, sizeof(done));
	assert_true(own.dumping);
	done.nlmsg_seq = 2;
	take(&own, &done, sizeof(done));
	assert_false(has(&own, "192.0.2.9"));
	assert_true(has(&own, "192.0.2.1"));

	m = addr_msg(RTM_DELADDR, 2, 1);
	take(&own, &m, sizeof(m));
	assert_int_equal(own.n, 0);
	/* cut short */
	m = addr_msg(RTM_NEWADDR, 2, 1);
	for (size_t n = 0; n < sizeof(m.h) + sizeof(m.ifa); n++)
		take(&own, &m, n);
	assert_int_equal(own.n, 0);
	own_release(&own);
}

static void proxy_requests(void **state)
{
	const struct ip_addr none = { 0 }, six = addr_of("2001:db8::1"),
			     four = addr_of("192.0.2.1");
	char target[PROXY_TARGET_MAX], out[PROXY_REQUEST_MAX], name[254], auth[PROXY_AUTH_MAX];
	size_t len;

	(void)state;
	proxy_target("a.test", &none, 443, target);
	len = proxy_request(target, "dTpw", out);
	assert_string_equal(out, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"
				 "Proxy-Authorization: Basic dTpw\r\n\r\n");
	assert_int_equal(len, strlen(out));
	proxy_target("", &six, 22, target);
	(void)proxy_request(target, "", out);
	assert_string_equal(out,
			    "CONNECT [2001:db8::1]:22 HTTP/1.1\r\nHost: [2001:db8::1]:22\r\n\r\n");
	proxy_target("", &four, 22, target);
	assert_string_equal(target, "192.0.2.1:22");
	/* the longest that there can be */
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(auth, 'A', sizeof(auth) - 1);
	auth[sizeof(auth) - 1] = '\0';
	assert_true(proxy_auth_is_valid(BB_SPAN_STR(auth)));
	proxy_target(name, &none, 65535, target);
	len = proxy_request(target, auth, out);
	assert_string_equal(out + len - 4, "\r\n\r\n");
	assert_false(proxy_auth_is_valid(BB_SPAN_STR("ab\r\nX: y")));
	assert_false(proxy_auth_is_valid((struct bb_span){ (const uint8_t *)out, PROXY_AUTH_MAX }));
}

/* Sent in two pieces, cut at @cut. Returns the last result; what stays unread comes back in @rest
 */
static enum proxy_result answer(const char *text, size_t cut, bool end, unsigned int *status,
				char rest[static 64])
{
	struct proxy_answer *a = calloc(1, sizeof(*a));
	enum proxy_result r;
	size_t len = strlen(text);
	ssize_t n;
	int fds[2];

	assert_non_null(a);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[1], text, cut), (ssize_t)cut);
	r = proxy_read(a, fds[0]);
	if (r == PROXY_MORE) {
		assert_int_equal(write(fds[1], text + cut, len - cut), (ssize_t)(len - cut));
		if (end)
			(void)shutdown(fds[1], SHUT_WR);
		r = proxy_read(a, fds[0]);
	}
	*status = a->status;
	n = recv(fds[0], rest, 63, MSG_DONTWAIT);
	rest[n > 0 ? n : 0] = '\0';
	(void)close(fds[0]);
	(void)close(fds[1]);
	free(a);
	return r;
}

static void proxy_answers(void **state)
{
	static const struct {
		const char *text;
		enum proxy_result want;
		unsigned int status;
		const char *rest;
	} rows[] = {
		{ "HTTP/1.1 200 Connection established\r\n\r\n", PROXY_OK, 200, "" },
		{ "HTTP/1.0 200 OK\r\nVia: x\r\n\r\nSSH-2.0-x", PROXY_OK, 200, "SSH-2.0-x" },
		{ "HTTP/1.1 200\n\n\n", PROXY_OK, 200, "\n" },
		{ "HTTP/1.1 299 Hm\r\n\r\n", PROXY_OK, 299, "" },
		{ "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n<p>", PROXY_REFUSED, 407,
		  "<p>" },
		{ "HTTP/1.1 100 Continue\r\n\r\n", PROXY_REFUSED, 100, "" },
		{ "HTTP/1.1 302 There\r\nLocation: http://a/\r\n\r\n", PROXY_REFUSED, 302, "" },
		{ "HTTP/1.1 200 OK\r\n", PROXY_CLOSED, 0, "" },
		{ "", PROXY_CLOSED, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		for (size_t cut = 0; cut <= strlen(rows[i].text); cut++) {
			char rest[64];
			unsigned int status;
			enum proxy_result r = answer(rows[i].text, cut, true, &status, rest);
			size_t behind = strlen(rows[i].text) - strlen(rows[i].rest);

			/* what had not been sent yet cannot be there */
			if (r != rows[i].want || status != rows[i].status ||
			    (cut < behind && strcmp(rest, rows[i].rest) != 0))
				fail_msg("case %zu cut at %zu: %d, %u, \"%s\"", i, cut, r, status,
					 rest);
		}
	}
}

static void proxy_garbage(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",    "HTTP/1.1 200 OK\r\n no: fold\r\n\r\n",
		"HTTP/1.1 200 O\001K\r\n\r\n",
	};
	char rest[64], *huge = calloc(1, PROXY_HEAD_MAX + 2);
	unsigned int status;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(bad); i++) {
		if (answer(bad[i], strlen(bad[i]), false, &status, rest) != PROXY_GARBAGE)
			fail_msg("case %zu", i);
	}
	assert_non_null(huge);
	memset(huge, 'a', PROXY_HEAD_MAX + 1);
	memcpy(huge, "HTTP/1.1 200 OK\r\nX: ", 20);
	assert_int_equal(answer(huge, 100, false, &status, rest), PROXY_GARBAGE);
	free(huge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_file),     cmocka_unit_test(resolv_conf),
		cmocka_unit_test(own_addresses),  cmocka_unit_test(addresses_that_are_gone),
		cmocka_unit_test(proxy_requests), cmocka_unit_test(proxy_answers),
		cmocka_unit_test(proxy_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
