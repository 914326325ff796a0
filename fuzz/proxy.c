/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/proxy.h"
#include <sys/socket.h>
#include <unistd.h>

/*
 * An upstream proxy's answer over a real socket, at once and in pieces that the first octet
 * chooses. Invariants: pieces change neither result nor status; what is taken is the head that
 * http1_scan_response() finds, not one octet more; an answer that ends early is PROXY_CLOSED.
 */
#define ANSWER_MAX (PROXY_HEAD_MAX + 4096) /* fits into a socket */

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* Until there is a result. Return: it; @ret_taken: octets that are not in the socket any more */
static enum proxy_result feed(struct proxy_answer *a, struct bb_span data, unsigned int pieces,
			      size_t *ret_taken)
{
	static uint8_t rest[ANSWER_MAX];
	enum proxy_result r = PROXY_MORE;
	size_t sent = 0;
	int fds[2];
	ssize_t n;

	*a = (struct proxy_answer){ 0 };
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	while (sent < data.len && r == PROXY_MORE) {
		size_t len = data.len - sent;

		if (pieces) {
			pieces = pieces * 1103515245u + 12345u;
			len = 1 + (pieces >> 16) % 97;
			len = len < data.len - sent ? len : data.len - sent;
		}
		check(write(fds[1], data.p + sent, len) == (ssize_t)len);
		sent += len;
		r = proxy_read(a, fds[0]);
	}
	(void)close(fds[1]);
	if (r == PROXY_MORE) {
		r = proxy_read(a, fds[0]);
		check(r == PROXY_CLOSED);
	}
	n = recv(fds[0], rest, sizeof(rest), MSG_DONTWAIT);
	n = n > 0 ? n : 0;
	*ret_taken = sent - (size_t)n;
	check(n == 0 || memcmp(rest, data.p + *ret_taken, (size_t)n) == 0);
	(void)close(fds[0]);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proxy_answer whole, cut;
	struct http1_scan scan = { 0 };
	size_t head = 0, taken = 0, taken_cut = 0;
	struct bb_span answer;
	enum proxy_result r;

	if (size < 2 || size > ANSWER_MAX)
		return 0;
	answer = (struct bb_span){ data + 1, size - 1 };
	r = feed(&whole, answer, 0, &taken);
	check(feed(&cut, answer, 1u + data[0], &taken_cut) == r);
	check(whole.status == cut.status);
	if (r != PROXY_OK && r != PROXY_REFUSED)
		return 0;
	check((whole.status / 100 == 2) == (r == PROXY_OK));
	check(http1_scan_response(&scan, answer, &head) == HTTP1_OK);
	check(whole.len == head && cut.len == head && taken == head && taken_cut == head);
	check(memcmp(whole.head, cut.head, head) == 0); /* in which folds are joined */
	return 0;
}
