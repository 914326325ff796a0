/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/session.h"
#include "base/io.h"
#include "base/printable.h"
#include "ipc/peer.h"
#include "ipc/sock.h"
#include "proc/cli/terminal.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#define QUEUE_MAX       (1u << 20)
#define INTERRUPT_AGAIN 2000 /* ms */

/* Standard output or error: written as far as it takes, never blocking the loop */
struct outlet {
	struct session *session;
	int fd;
	struct evbuffer *queue;
	struct event *writable;
	bool broken; /* the reader has gone: the rest is dropped */
};

struct session {
	struct event_base *base;
	struct ipc_peer *porter;
	struct event *stdin_event;
	struct event *control_event;
	struct event *signals[5];
	struct outlet out, errout;
	bool tty;
	bool lasting;
	bool line_start; /* for the escape */
	bool tilde;
	bool finished;
	uint64_t interrupted_ms;
	int code;
	struct bb_err err;
	char porter_said[256]; /* why the stream ended, unless bottled knows better */
};

static void finish(struct session *s, int code)
{
	if (!s->finished)
		s->code = code;
	s->finished = true;
	if (evbuffer_get_length(s->out.queue) == 0 && evbuffer_get_length(s->errout.queue) == 0)
		(void)event_base_loopbreak(s->base);
}

/* A pipe without a reader, a terminal whose window was closed; the rest, a full disk, is a failure
 */
static bool reader_went(int fd, int error)
{
	struct stat st;

	return error == EPIPE || (error == EIO && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
}

static void on_outlet_writable(evutil_socket_t fd, short what, void *arg)
{
	struct outlet *o = arg;
	/* A ready pipe takes PIPE_BUF octets without blocking, and no more is promised */
	size_t n = evbuffer_get_length(o->queue);
	unsigned char *data;
	ssize_t done;

	(void)what;
	n = n < 4096 ? n : 4096;
	data = evbuffer_pullup(o->queue, (ev_ssize_t)n);
	done = n ? write(fd, data, n) : 0;
	if (done < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (done < 0) {
		o->broken = true; /* as a pipeline expects: the reader went, so do we */
		if (!reader_went(fd, errno) && !o->session->err.code)
			(void)bb_err_set(&o->session->err, -EIO, "%s: %s",
					 fd == STDOUT_FILENO ? "standard output" : "standard error",
					 strerror(errno));
		(void)evbuffer_drain(o->queue, evbuffer_get_length(o->queue));
		finish(o->session, o->session->lasting ? SESSION_GOES_ON : 128 + SIGPIPE);
		return;
	}
	(void)evbuffer_drain(o->queue, (size_t)done);
	if (evbuffer_get_length(o->queue) < QUEUE_MAX / 2 && o->session->porter)
		ipc_peer_pause(o->session->porter, false);
	if (evbuffer_get_length(o->queue))
		return;
	(void)event_del(o->writable);
	if (o->session->finished)
		finish(o->session, 0);
}

static void outlet_add(struct outlet *o, struct bb_span data)
{
	if (o->broken || evbuffer_add(o->queue, data.p, data.len) < 0)
		return;
	(void)event_add(o->writable, NULL);
	if (evbuffer_get_length(o->queue) > QUEUE_MAX)
		ipc_peer_pause(o->session->porter, true);
}

/* bottled did not say why the bottle ended */
static void on_reason_late(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	if (!s->err.code)
		(void)bb_err_set(&s->err, -EPIPE, "%s",
				 *s->porter_said ? s->porter_said : "the bottle went away");
	finish(s, 125);
}

/* The stream to the command is gone: bottled says why on its own socket, perhaps a moment later */
static void wait_for_reason(struct session *s)
{
	struct timeval tv = { .tv_sec = 1 };

	if (s->finished || event_base_once(s->base, -1, EV_TIMEOUT, on_reason_late, s, &tv) < 0)
		finish(s, 125);
}

/* What a full-screen program may have switched on, and will not switch off now */
static void leave_screen(void)
{
	static const char off[] = "\033[?1049l\033[?25h\033[?1000l\033[?1002l\033[?1003l\033[?1004l"
				  "\033[?1006l\033[?2004l\033[>4m\033[<u\033[0m\r\n";

	(void)!write(STDOUT_FILENO, off, sizeof(off) - 1);
}

/* The session goes on without us */
static void leave(struct session *s, const char *why)
{
	if (s->finished)
		return;
	if (s->tty)
		leave_screen();
	terminal_restore();
	if (*why)
		(void)fprintf(stderr, "bot-bottle: %s\n", why);
	finish(s, SESSION_GOES_ON);
	(void)event_base_loopbreak(s->base);
}

static void on_porter_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct session *s = arg;

	(void)peer;
	switch ((int)msg->type) {
	case IPC_STDOUT:
		outlet_add(&s->out, msg->u.data.data);
		break;
	case IPC_STDERR:
		outlet_add(&s->errout, msg->u.data.data);
		break;
	case IPC_EXIT:
		if (msg->u.exit.oom)
			(void)!write(STDERR_FILENO, "bot-bottle: killed: out of memory\n", 34);
		finish(s, msg->u.exit.signo ? 128 + msg->u.exit.signo : msg->u.exit.code);
		break;
	case IPC_FAILED:
		(void)bb_printable_span(msg->u.text.text, s->porter_said, sizeof(s->porter_said));
		wait_for_reason(s);
		break;
	case IPC_DETACHED:
		leave(s, "attached from elsewhere");
		break;
	default:
		break;
	}
}

static void on_porter_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct session *s = arg;

	(void)why;
	(void)text;
	ipc_peer_free(peer);
	s->porter = NULL;
	wait_for_reason(s);
}

static void send_simple(struct session *s, enum ipc_type type)
{
	if (s->porter)
		(void)ipc_peer_send(s->porter, &(struct ipc_msg){ .type = type, .fd = -1 });
}

/*
 * "~." at the start of a line ends the session, "~d" leaves a lasting one, "~~" is one tilde.
 * Return: octets of @data to send, with an escape taken out; sets finished at the first two
 */
static size_t take_escapes(struct session *s, uint8_t *data, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = data[i];

		if (s->tilde) {
			s->tilde = false;
			if (c == '.') {
				finish(s, 130);
				return n;
			}
			if (c == 'd' && s->lasting) {
				leave(s, "");
				return n;
			}
			if (c != '~')
				data[n++] = '~'; /* the slot of the held one, or a later one */
		} else if (s->line_start && c == '~') {
			s->tilde = true;
			s->line_start = false;
			continue;
		}
		data[n++] = c;
		s->line_start = c == '\r' || c == '\n';
	}
	return n;
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t buf[32768 + 1];
	struct session *s = arg;
	struct ipc_msg msg = { .type = IPC_STDIN, .fd = -1 };
	/* one octet of room in front: a held tilde may come back */
	ssize_t n = read(fd, buf + 1, sizeof(buf) - 1);
	uint8_t *data = buf + 1;

	(void)what;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 && s->tty && s->lasting) {
		leave(s, ""); /* the terminal is gone */
		return;
	}
	if (n <= 0) {
		(void)event_del(s->stdin_event);
		send_simple(s, IPC_STDIN_EOF);
		return;
	}
	if (s->tty) {
		if (s->tilde) { /* held from the last read: put it where it was */
			s->tilde = false;
			s->line_start = true;
			*--data = '~';
			n++;
		}
		n = (ssize_t)take_escapes(s, data, (size_t)n);
	}
	if (n == 0 || !s->porter)
		return;
	msg.u.data.data = (struct bb_span){ data, (size_t)n };
	(void)ipc_peer_send(s->porter, &msg);
	if (ipc_peer_queued(s->porter) > QUEUE_MAX)
		(void)event_del(s->stdin_event);
}

static void on_porter_drain(struct ipc_peer *peer, void *arg)
{
	struct session *s = arg;

	(void)peer;
	if (s->stdin_event && !s->finished)
		(void)event_add(s->stdin_event, NULL);
}

static void on_winch(evutil_socket_t signo, short what, void *arg)
{
	struct session *s = arg;
	struct ipc_msg msg = { .type = IPC_RESIZE, .fd = -1 };

	(void)signo;
	(void)what;
	terminal_size(&msg.u.resize.rows, &msg.u.resize.cols);
	if (s->porter)
		(void)ipc_peer_send(s->porter, &msg);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct session *s = arg;
	struct ipc_msg msg = { .type = IPC_SIGNAL, .fd = -1 };
	uint64_t now = bb_now_ms();

	(void)what;
	if (signo == SIGHUP && s->lasting) {
		leave(s, "");
		return;
	}
	if (signo == SIGHUP || (s->interrupted_ms && now - s->interrupted_ms < INTERRUPT_AGAIN)) {
		finish(s, signo == SIGINT ? 130 : 128 + (int)signo);
		(void)event_base_loopbreak(s->base);
		return;
	}
	s->interrupted_ms = now;
	msg.u.signal.signo = (uint8_t)signo;
	if (s->porter)
		(void)ipc_peer_send(s->porter, &msg);
}

/* Nothing is expected from bottled now but its end, or why it ends */
static void on_control(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	struct ipc_msg msg = { .fd = -1 };
	uint8_t buf[IPC_MSG_MAX];
	struct bb_err err = { 0 };

	(void)what;
	if (ipc_recv(fd, buf, &msg, &err) == 0 && msg.type == IPC_BOTTLE_FAILED) {
		if (!s->finished)
			(void)bb_err_set(&s->err, -ECHILD, "%.*s",
					 (int)msg.u.bottle_failed.text.len,
					 (const char *)msg.u.bottle_failed.text.p);
	} else if (err.code) {
		(void)event_del(s->control_event);
		if (!s->finished && !s->err.code)
			(void)bb_err_set(&s->err, -EPIPE, "the bottle went away");
	}
	bb_closep(&msg.fd);
	if (s->err.code)
		finish(s, 125);
}

static int outlet_init(struct session *s, struct outlet *o, int fd)
{
	o->session = s;
	o->fd = fd;
	o->queue = evbuffer_new();
	o->writable = event_new(s->base, fd, EV_WRITE | EV_PERSIST, on_outlet_writable, o);
	return o->queue && o->writable ? 0 : -ENOMEM;
}

static int watch(struct session *s, int signo, size_t slot, event_callback_fn fn)
{
	s->signals[slot] = evsignal_new(s->base, signo, fn, s);
	return s->signals[slot] && event_add(s->signals[slot], NULL) == 0 ? 0 : -ENOMEM;
}

/* poll, not epoll: standard input and output may be files */
static struct event_base *poll_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (cfg && event_config_avoid_method(cfg, "epoll") == 0)
		base = event_base_new_with_config(cfg);
	if (cfg)
		event_config_free(cfg);
	return base;
}

/* One that is detached at once has a terminal for whoever attaches to it */
static bool has_tty(const struct session_request *req)
{
	switch (req->kind) {
	case SESSION_DETACHED:
		return !req->no_tty;
	case SESSION_ATTACH:
		return req->tty;
	case SESSION_ENDS:
	case SESSION_LASTS:
		break;
	}
	return !req->no_tty && terminal_is_interactive();
}

static int session_init(struct session *s, int control, int porter,
			const struct session_request *req)
{
	int r;

	s->base = poll_base();
	if (!s->base) {
		(void)close(porter);
		return -ENOMEM;
	}
	s->line_start = true;
	s->tty = has_tty(req);
	s->lasting = req->kind != SESSION_ENDS;
	s->porter = ipc_peer_new(s->base, IPC_ROLE_CLI, IPC_ROLE_PORTER, porter, on_porter_msg,
				 on_porter_dead, s);
	if (!s->porter)
		return -ENOMEM;
	ipc_peer_on_drain(s->porter, on_porter_drain);
	r = outlet_init(s, &s->out, STDOUT_FILENO);
	if (r == 0)
		r = outlet_init(s, &s->errout, STDERR_FILENO);
	s->control_event = event_new(s->base, control, EV_READ | EV_PERSIST, on_control, s);
	if (r < 0 || !s->control_event || event_add(s->control_event, NULL) < 0)
		return -ENOMEM;
	r = watch(s, SIGWINCH, 0, on_winch);
	if (r == 0)
		r = watch(s, SIGINT, 1, on_signal);
	if (r == 0)
		r = watch(s, SIGTERM, 2, on_signal);
	if (r == 0)
		r = watch(s, SIGHUP, 3, on_signal);
	if (r == 0)
		r = watch(s, SIGQUIT, 4, on_signal);
	return r;
}

static void session_release(struct session *s)
{
	terminal_restore();
	ipc_peer_free(s->porter);
	if (s->stdin_event)
		event_free(s->stdin_event);
	if (s->control_event)
		event_free(s->control_event);
	for (size_t i = 0; i < BB_ARRAY_LEN(s->signals); i++) {
		if (s->signals[i])
			event_free(s->signals[i]);
	}
	if (s->out.writable)
		event_free(s->out.writable);
	if (s->errout.writable)
		event_free(s->errout.writable);
	if (s->out.queue)
		evbuffer_free(s->out.queue);
	if (s->errout.queue)
		evbuffer_free(s->errout.queue);
	if (s->base)
		event_base_free(s->base);
}

static char *request_json(const struct session *s, const struct session_request *req)
{
	json_t *argv = json_array(), *env = json_object();
	json_auto_t *json = json_pack("{s:o, s:o}", "argv", argv, "env", env);

	if (!json)
		return NULL;
	for (size_t i = 0; i < req->n_argv; i++) {
		if (json_array_append_new(argv, json_string(req->argv[i])) < 0)
			return NULL; /* not UTF-8 */
	}
	if (req->env)
		(void)json_object_update(env, (json_t *)(uintptr_t)req->env);
	if (req->cwd)
		(void)json_object_set_new(json, "cwd", json_string(req->cwd));
	if (req->user)
		(void)json_object_set_new(json, "user", json_string(req->user));
	if (s->tty) {
		uint16_t rows, cols;
		const char *term = getenv("TERM");

		terminal_size(&rows, &cols);
		(void)json_object_set_new(json, "tty",
					  json_pack("{s:i, s:i}", "rows", rows, "cols", cols));
		if (req->kind == SESSION_DETACHED &&
		    (!term || !*term || !terminal_is_interactive()))
			term = "xterm-256color";
		if (term && *term)
			(void)json_object_set_new(env, "TERM", json_string(term));
	}
	return json_dumps(json, JSON_COMPACT);
}

static int start_command(struct session *s, const struct session_request *req, struct bb_err *err)
{
	bb_auto_free char *text = request_json(s, req);
	struct ipc_msg msg = { .type = IPC_EXEC, .fd = -1 };

	if (!text)
		return bb_err_set(err, -EINVAL, "the command is not UTF-8");
	if (strlen(text) > IPC_DATA_MAX)
		return bb_err_set(err, -E2BIG, "the command and its environment are over %d octets",
				  IPC_DATA_MAX);
	msg.u.data.data = BB_SPAN_STR(text);
	(void)ipc_peer_send(s->porter, &msg);
	return 0;
}

/* A program draws its screen anew when the size changes: twice, so that it does */
static void draw_again(struct session *s)
{
	struct ipc_msg msg = { .type = IPC_RESIZE, .fd = -1 };

	terminal_size(&msg.u.resize.rows, &msg.u.resize.cols);
	msg.u.resize.rows++;
	(void)ipc_peer_send(s->porter, &msg);
	msg.u.resize.rows--;
	(void)ipc_peer_send(s->porter, &msg);
}

static int read_stdin(struct session *s, const struct session_request *req, struct bb_err *err)
{
	if (req->no_stdin) {
		send_simple(s, IPC_STDIN_EOF);
		return 0;
	}
	if (req->kind == SESSION_DETACHED || (req->kind == SESSION_ATTACH && !req->tty))
		return 0;
	s->stdin_event = event_new(s->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, s);
	if (!s->stdin_event || event_add(s->stdin_event, NULL) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	if (s->tty)
		terminal_raw();
	return 0;
}

static int begin(struct session *s, const struct session_request *req, struct bb_err *err)
{
	int r = req->kind == SESSION_ATTACH ? 0 : start_command(s, req, err);

	if (r == 0 && req->kind == SESSION_ATTACH && req->tty)
		draw_again(s);
	if (r == 0)
		r = read_stdin(s, req, err);
	if (r == 0 && req->kind == SESSION_DETACHED)
		finish(s, SESSION_GOES_ON);
	return r;
}

int session_run(int control, int porter, const struct session_request *req, int *ret_code,
		struct bb_err *err)
{
	struct session s = { 0 };
	int r = session_init(&s, control, porter, req);

	if (r < 0)
		(void)bb_err_set(err, r, "session: %s", strerror(-r));
	else
		r = begin(&s, req, err);
	if (r == 0) {
		if (!s.finished)
			(void)event_base_dispatch(s.base);
		if (s.err.code)
			r = bb_err_set(err, s.err.code, "%s", s.err.msg);
		else
			*ret_code = s.code;
	}
	session_release(&s);
	return r;
}

enum session_kind session_kind_here(const struct session_request *req)
{
	return has_tty(req) ? SESSION_LASTS : SESSION_ENDS;
}

int session_open(int control, const struct session_request *req, struct bb_err *err)
{
	static const enum ipc_type types[] = { [SESSION_ENDS] = IPC_EXEC_OPEN,
					       [SESSION_LASTS] = IPC_MAIN_OPEN,
					       [SESSION_DETACHED] = IPC_MAIN_OPEN,
					       [SESSION_ATTACH] = IPC_ATTACH };
	struct ipc_msg ask = { .type = types[req ? req->kind : SESSION_ENDS], .fd = -1, .flow = 1 };
	uint8_t buf[IPC_MSG_MAX];
	int r;

	if (ask.type == IPC_MAIN_OPEN)
		ask.u.main_open.tty = has_tty(req);
	r = ipc_send(control, &ask, err);
	while (r == 0) {
		struct ipc_msg msg = { .fd = -1 };

		r = ipc_recv(control, buf, &msg, err);
		if (r < 0)
			break;
		if (msg.type == IPC_STREAM)
			return msg.fd;
		bb_closep(&msg.fd);
		if (msg.type == IPC_BOTTLE_FAILED)
			r = bb_err_set(err, -ECHILD, "%.*s", (int)msg.u.bottle_failed.text.len,
				       (const char *)msg.u.bottle_failed.text.p);
	}
	return r;
}
