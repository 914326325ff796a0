/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for a proxy that terminates TLS: threads with one connection each, one request at a time.
 *
 * bench-egress_load PORT AUTHORITY NAME THREADS REQUESTS MODE [PATH [OCTETS BODY]]
 *
 * AUTHORITY: for CONNECT, and Host, or "-" to speak TLS at once; NAME: for SNI. MODE: get, put
 * (with so many octets each: the file BODY, again and again), new (a connection for each request),
 * idle (THREADS connections from one thread, a request each, then wait for the end of the standard
 * input). Prints one line of JSON.
 */
#include "base/buf.h"
#include "base/io.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#define BODY_MAX (64u << 20)

static struct {
	uint16_t port;
	const char *authority;
	const char *name;
	size_t threads;
	size_t requests;
	const char *mode;
	const char *path;
	size_t octets;
	struct bb_buf body;
	SSL_CTX *ctx;
} o;

struct worker {
	pthread_t thread;
	uint32_t *us; /* of each request */
	size_t done;
	size_t errors;
	uint64_t bytes;
};

struct link {
	int fd;
	SSL *ssl;
	char buf[65536];
	size_t len;
};

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static ssize_t get(struct link *l)
{
	size_t room = sizeof(l->buf) - l->len;

	return l->ssl ? SSL_read(l->ssl, l->buf + l->len, (int)room)
		      : recv(l->fd, l->buf + l->len, room, 0);
}

static bool put_all(struct link *l, const char *p, size_t len)
{
	while (len) {
		ssize_t n = l->ssl ? SSL_write(l->ssl, p, (int)(len < 16384 ? len : 16384))
				   : send(l->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* A response, its body counted and forgotten. Return: its status, or 0 */
static unsigned int answer(struct link *l, uint64_t *bytes)
{
	char *end, *field;
	size_t body = 0, head;
	unsigned int status;

	for (;;) {
		ssize_t n;

		l->buf[l->len < sizeof(l->buf) ? l->len : sizeof(l->buf) - 1] = 0;
		end = strstr(l->buf, "\r\n\r\n");
		if (end)
			break;
		n = get(l);
		if (n <= 0)
			return 0;
		l->len += (size_t)n;
	}
	if (sscanf(l->buf, "HTTP/1.1 %u", &status) != 1)
		return 0;
	*end = 0;
	field = strcasestr(l->buf, "content-length:");
	if (field)
		body = strtoull(field + 15, NULL, 10);
	head = (size_t)(end - l->buf) + 4;
	*bytes += body;
	while (l->len < head + body) {
		ssize_t n;

		body -= l->len - head;
		l->len = head = 0;
		n = get(l);
		if (n <= 0)
			return 0;
		l->len = (size_t)n;
	}
	memmove(l->buf, l->buf + head + body, l->len - head - body);
	l->len -= head + body;
	return status;
}

static void drop(struct link *l)
{
	SSL_free(l->ssl);
	if (l->fd >= 0)
		(void)close(l->fd);
	*l = (struct link){ .fd = -1 };
}

static bool dial(struct link *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(o.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint64_t ignored = 0;
	char head[300];
	int one = 1;

	*l = (struct link){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return false;
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (strcmp(o.authority, "-") != 0) {
		(void)snprintf(head, sizeof(head), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n",
			       o.authority, o.authority);
		if (!put_all(l, head, strlen(head)) || answer(l, &ignored) != 200)
			return false;
	}
	l->ssl = SSL_new(o.ctx);
	return l->ssl && SSL_set_fd(l->ssl, l->fd) == 1 &&
	       SSL_set_tlsext_host_name(l->ssl, o.name) == 1 && SSL_connect(l->ssl) == 1;
}

static bool ask(struct link *l, uint64_t *bytes)
{
	bool put = strcmp(o.mode, "put") == 0;
	char head[1000];
	int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s\r\n", put ? "PUT" : "GET",
			 o.path, strcmp(o.authority, "-") ? o.authority : o.name);
	unsigned int status;

	if (put)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Length: %zu\r\n",
			      o.octets);
	n += snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
	if (!put_all(l, head, (size_t)n))
		return false;
	for (size_t left = put ? o.octets : 0; left;) {
		size_t part = left < o.body.len ? left : o.body.len;

		if (!put_all(l, (const char *)o.body.p, part))
			return false;
		left -= part;
		*bytes += part;
	}
	status = answer(l, bytes);
	return status >= 200 && status < 300;
}

static void *work(void *arg)
{
	bool fresh = strcmp(o.mode, "new") == 0;
	struct link *l = calloc(1, sizeof(*l));
	struct worker *w = arg;

	l->fd = -1;
	for (size_t i = 0; i < o.requests; i++) {
		uint64_t t = now_us();

		if ((l->fd < 0 && !dial(l)) || !ask(l, &w->bytes)) {
			w->errors++;
			drop(l);
			continue;
		}
		w->us[w->done++] = (uint32_t)(now_us() - t);
		if (fresh)
			drop(l);
	}
	drop(l);
	free(l);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int idle(void)
{
	struct link **all = calloc(o.threads, sizeof(struct link *));
	size_t errors = 0;
	uint64_t bytes = 0;
	char c;

	for (size_t i = 0; i < o.threads; i++) {
		all[i] = calloc(1, sizeof(**all));
		if (!dial(all[i]) || !ask(all[i], &bytes))
			errors++;
	}
	printf("{\"errors\": %zu}\n", errors);
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (size_t i = 0; i < o.threads; i++) {
		drop(all[i]);
		free(all[i]);
	}
	free(all);
	return 0;
}

int main(int argc, char **argv)
{
	struct worker *w, sum = { 0 };
	struct bb_err err = { 0 };
	uint64_t t;

	if (argc < 7) {
		fprintf(stderr,
			"usage: %s PORT AUTHORITY|- NAME THREADS REQUESTS MODE [PATH [OCTETS "
			"BODY]]\n",
			argv[0]);
		return 2;
	}
	o.port = (uint16_t)atoi(argv[1]);
	o.authority = argv[2];
	o.name = argv[3];
	o.threads = strtoul(argv[4], NULL, 10);
	o.requests = strtoul(argv[5], NULL, 10);
	o.mode = argv[6];
	o.path = argc > 7 ? argv[7] : "/";
	o.octets = argc > 9 ? strtoul(argv[8], NULL, 10) : 0;
	bb_buf_init(&o.body, BODY_MAX);
	if (argc > 9 && bb_read_file(argv[9], &o.body, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	o.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(o.ctx, SSL_SESS_CACHE_OFF);
	if (strcmp(o.mode, "idle") == 0)
		return idle();
	w = calloc(o.threads, sizeof(*w));
	sum.us = calloc(o.threads * o.requests, sizeof(*sum.us));
	t = now_us();
	for (size_t i = 0; i < o.threads; i++) {
		w[i].us = calloc(o.requests, sizeof(*w[i].us));
		(void)pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (size_t i = 0; i < o.threads; i++) {
		(void)pthread_join(w[i].thread, NULL);
		memcpy(sum.us + sum.done, w[i].us, w[i].done * sizeof(*sum.us));
		sum.done += w[i].done;
		sum.errors += w[i].errors;
		sum.bytes += w[i].bytes;
		free(w[i].us);
	}
	t = now_us() - t;
	qsort(sum.us, sum.done, sizeof(*sum.us), by_value);
	printf("{\"requests\": %zu, \"errors\": %zu, \"bytes\": %llu, \"seconds\": %.6f, "
	       "\"p50_us\": %u, \"p99_us\": %u}\n",
	       sum.done, sum.errors, (unsigned long long)sum.bytes, (double)t / 1e6,
	       sum.done ? sum.us[sum.done / 2] : 0, sum.done ? sum.us[sum.done * 99 / 100] : 0);
	free(sum.us);
	free(w);
	SSL_CTX_free(o.ctx);
	bb_buf_release(&o.body);
	return 0;
}
