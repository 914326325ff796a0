/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/capture.h"
#include "base/io.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define HEAD_MAX   65536
#define IDLE_S     30
#define CHUNKS_END "\r\n0\r\n\r\n"

struct server {
	struct event_base *base;
	int log_fd;
	uint64_t kept;
	unsigned int conns;
};

struct conn {
	struct server *server;
	char head[HEAD_MAX + 1];
	size_t n_head;
	uint64_t received;
	char last[sizeof(CHUNKS_END) - 1]; /* the last octets */
	size_t n_last;
	bool answered;
};

static void keep(struct server *s, const void *p, size_t len)
{
	if (len > CAPTURE_MAX - s->kept)
		len = CAPTURE_MAX - s->kept;
	if (bb_write_full(s->log_fd, p, len) == 0)
		s->kept += len;
}

static void drop(struct bufferevent *bev, struct conn *c)
{
	c->server->conns--;
	free(c);
	bufferevent_free(bev);
}

static void answer(struct bufferevent *bev, struct conn *c)
{
	bool reflect = strstr(c->head, " /reflect") != NULL;
	const char *body = reflect ? c->head : "captured\n";

	c->answered = true;
	(void)evbuffer_add_printf(
		bufferevent_get_output(bev),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);
}

/* Is the request there as a whole? An answer before that would be the end of its exchange */
static bool is_whole(const struct conn *c)
{
	const char *body = strstr(c->head, "\r\n\r\n"), *length;

	if (!body)
		return false;
	body += 4;
	if (strcasestr(c->head, "\r\ntransfer-encoding:"))
		return c->n_last == sizeof(c->last) &&
		       memcmp(c->last, CHUNKS_END, sizeof(c->last)) == 0;
	length = strcasestr(c->head, "\r\ncontent-length:");
	return !length || length > body ||
	       c->received >= (uint64_t)(body - c->head) +
				      strtoull(length + strlen("\r\ncontent-length:"), NULL, 10);
}

/* The last octets are those of before and the new ones */
static void keep_last(struct conn *c, const char *p, size_t len)
{
	const size_t size = sizeof(c->last);

	if (len > size) {
		p += len - size;
		len = size;
	}
	if (c->n_last + len > size) {
		memmove(c->last, c->last + c->n_last + len - size, size - len);
		c->n_last = size - len;
	}
	memcpy(c->last + c->n_last, p, len);
	c->n_last += len;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct conn *c = arg;
	char buf[16384];

	for (;;) {
		int n = evbuffer_remove(in, buf, sizeof(buf));
		size_t room = HEAD_MAX - c->n_head;

		if (n <= 0)
			break;
		keep(c->server, buf, (size_t)n);
		keep_last(c, buf, (size_t)n);
		c->received += (uint64_t)n;
		room = room < (size_t)n ? room : (size_t)n;
		memcpy(c->head + c->n_head, buf, room);
		c->n_head += room;
		c->head[c->n_head] = '\0';
	}
	if (!c->answered && is_whole(c))
		answer(bev, c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)what; /* its end, an error, or nothing for a while */
	drop(bev, arg);
}

static void serve(struct server *s, evutil_socket_t fd)
{
	const struct timeval idle = { .tv_sec = IDLE_S };
	struct bufferevent *bev = NULL;
	struct conn *c = s->conns < CAPTURE_CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c)
		bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!bev) {
		free(c);
		(void)close(fd);
		return;
	}
	c->server = s;
	s->conns++;
	bufferevent_setcb(bev, on_read, NULL, on_event, c);
	bufferevent_set_timeouts(bev, &idle, NULL);
	(void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *arg)
{
	(void)l;
	(void)sa;
	(void)len;
	serve(arg, fd);
}

static void on_decoy(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		     void *arg)
{
	static const char text[] = "a connection to the decoy\n";

	(void)l;
	(void)sa;
	(void)len;
	keep(arg, text, sizeof(text) - 1);
	serve(arg, fd);
}

static int listen_on_loopback(uint16_t *ret_port, struct bb_err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bb_auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(sin);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return bb_err_set(err, -errno, "a server on 127.0.0.1: %s", strerror(errno));
	*ret_port = ntohs(sin.sin_port);
	return BB_TAKE_FD(fd);
}

_Noreturn static void run_server(pid_t parent, int log_fd, int http, int decoy)
{
	struct server s = { .log_fd = log_fd };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN); /* it ends with its parent */
	if (getppid() != parent)
		_exit(0);
	s.base = event_base_new();
	if (s.base && evconnlistener_new(s.base, on_accept, &s, 0, 0, http) &&
	    evconnlistener_new(s.base, on_decoy, &s, 0, 0, decoy))
		(void)event_base_dispatch(s.base);
	_exit(1);
}

int capture_start(struct capture *ret, struct bb_err *err)
{
	bb_auto_close int http = -1, decoy = -1, log_fd = -1;
	struct capture c = { 0 };
	pid_t parent = getpid();

	http = listen_on_loopback(&c.port, err);
	decoy = http < 0 ? -1 : listen_on_loopback(&c.decoy_port, err);
	if (decoy < 0)
		return err->code;
	log_fd = memfd_create("capture", MFD_CLOEXEC);
	c.pid = log_fd < 0 ? -1 : fork();
	if (c.pid < 0)
		return bb_err_set(err, -errno, "the capture server: %s", strerror(errno));
	if (c.pid == 0)
		run_server(parent, log_fd, http, decoy);
	c.log_fd = BB_TAKE_FD(log_fd);
	*ret = c;
	return 0;
}

void capture_stop(struct capture *c)
{
	if (c->pid > 0) {
		(void)kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		(void)close(c->log_fd);
	}
	*c = (struct capture){ 0 };
}

uint64_t capture_size(const struct capture *c)
{
	struct stat st;

	return fstat(c->log_fd, &st) < 0 ? UINT64_MAX : (uint64_t)st.st_size;
}

bool capture_has(const struct capture *c, uint64_t from, const char *text)
{
	uint64_t size = capture_size(c);
	bool found;
	char *p;

	if (size <= from)
		return false;
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, c->log_fd, 0);
	if (p == MAP_FAILED)
		return true; /* not shown to be absent */
	found = memmem(p + from, size - from, text, strlen(text)) != NULL;
	(void)munmap(p, size);
	return found;
}
