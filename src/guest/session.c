/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/session.h"
#include "base/io.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define CLOCK_STEP_US  500000
#define DRAIN_MS       200
#define HANGUP_MS      2000
#define CLOSE_MS       5000
#define STDIN_KEEP_MAX EXEC_DATA_MAX
#define IN_MAX         (EXEC_HEADER_BYTES + EXEC_JSON_MAX + EXEC_DATA_MAX)
#define OUT_MAX        (2 * (EXEC_HEADER_BYTES + EXEC_DATA_MAX) + 1024)

/** enum phase - Where a session is */
enum phase {
	PHASE_IDLE,    /* no EXEC yet; PINGs are answered */
	PHASE_RUNNING, /* the child runs */
	PHASE_DRAIN,   /* it has ended; what it wrote is still being sent */
	PHASE_CLOSING, /* EXIT is queued; nothing is read from the child any more */
};

struct session {
	int stream;
	const struct launch_env *env;
	enum phase phase;
	struct child child;
	struct bb_buf in, out, to_child;
	bool stdin_ends; /* STDIN_EOF came; close when to_child is empty */
	bool host_gone;
	enum exec_type out_type;
	struct exec_exit exit;
	uint64_t drain_until_ms;
};

static void put_frame(struct session *s, enum exec_type type, const void *p, size_t len)
{
	uint8_t header[EXEC_HEADER_BYTES];

	exec_header_write(header, type, (uint32_t)len);
	if (s->out.len + sizeof(header) + len > s->out.cap)
		return; /* only PING answers can meet a full buffer */
	BB_BUG_ON(bb_buf_add(&s->out, header, sizeof(header)) < 0);
	BB_BUG_ON(len && bb_buf_add(&s->out, p, len) < 0);
}

static void put_exit(struct session *s)
{
	uint8_t p[EXEC_EXIT_BYTES];

	if (s->out_type == EXEC_TYPE_TAR_OUT)
		put_frame(s, EXEC_TYPE_TAR_OUT, NULL, 0);
	exec_exit_write(p, &s->exit);
	put_frame(s, EXEC_TYPE_EXIT, p, sizeof(p));
	s->phase = PHASE_CLOSING;
}

/* A session that never got a child ends with the reason on STDERR */
static void put_failure(struct session *s, int code, const struct bb_err *err)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "bot-bottle: %s\n", err->msg);

	put_frame(s, EXEC_TYPE_STDERR, text, (size_t)n);
	s->exit.code = (uint8_t)code;
	put_exit(s);
}

static void on_exec(struct session *s, struct bb_span json)
{
	struct bb_err err = { 0 };
	struct request req;
	int code;

	if (request_parse(json, &req, &err) < 0) {
		put_failure(s, LAUNCH_FAILED, &err);
		return;
	}
	code = launch(s->env, &req, &s->child, &err);
	if (code == 0) {
		s->phase = PHASE_RUNNING;
		s->out_type = req.tar_out ? EXEC_TYPE_TAR_OUT : EXEC_TYPE_STDOUT;
	} else {
		put_failure(s, code, &err);
	}
	request_release(&req);
}

static void on_ping(struct session *s, struct bb_span payload)
{
	uint8_t p[EXEC_PING_BYTES];
	uint64_t host_us, our_us;
	struct timespec ts;

	if (exec_ping_read(payload, &host_us) != EXEC_RESULT_OK ||
	    clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return;
	our_us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	exec_ping_write(p, our_us);
	put_frame(s, EXEC_TYPE_PING, p, sizeof(p));
	if ((host_us > our_us ? host_us - our_us : our_us - host_us) > CLOCK_STEP_US) {
		ts.tv_sec = (time_t)(host_us / 1000000);
		ts.tv_nsec = (long)(host_us % 1000000) * 1000;
		(void)clock_settime(CLOCK_REALTIME, &ts);
	}
}

static void on_resize(struct session *s, struct bb_span payload)
{
	struct exec_winsize w;
	struct winsize ws;

	if (!s->child.tty || exec_resize_read(payload, &w) != EXEC_RESULT_OK)
		return;
	ws = (struct winsize){ .ws_row = w.rows, .ws_col = w.cols };
	(void)ioctl(s->child.in, TIOCSWINSZ, &ws);
}

static void on_poweroff(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	(void)reboot(RB_AUTOBOOT); /* no power switch: a reset ends the VM as well */
}

static void on_signal(struct session *s, struct bb_span payload)
{
	uint8_t signal;

	if (s->phase == PHASE_RUNNING && exec_signal_read(payload, &signal) == EXEC_RESULT_OK)
		child_signal(&s->child, signal);
}

/* Return: false when the frame has no place here and the stream must end */
static bool on_frame(struct session *s, const struct exec_frame *f)
{
	switch (f->type) {
	case EXEC_TYPE_EXEC:
		if (s->phase != PHASE_IDLE)
			return false;
		on_exec(s, f->payload);
		return true;
	case EXEC_TYPE_STDIN:
	case EXEC_TYPE_TAR_IN:
		if (s->phase == PHASE_IDLE)
			return false;
		if (f->payload.len == 0)
			s->stdin_ends = true;
		else if (s->child.in >= 0 && !s->stdin_ends)
			(void)!bb_buf_add(&s->to_child, f->payload.p, f->payload.len);
		return true;
	case EXEC_TYPE_STDIN_EOF:
		s->stdin_ends = true;
		return s->phase != PHASE_IDLE;
	case EXEC_TYPE_RESIZE:
		on_resize(s, f->payload);
		return true;
	case EXEC_TYPE_SIGNAL:
		on_signal(s, f->payload);
		return true;
	case EXEC_TYPE_PING:
		on_ping(s, f->payload);
		return true;
	case EXEC_TYPE_POWEROFF:
		on_poweroff();
		return true;
	case EXEC_TYPE_STDOUT:
	case EXEC_TYPE_STDERR:
	case EXEC_TYPE_EXIT:
	case EXEC_TYPE_TAR_OUT:
	case EXEC_NUM_TYPES:
		break;
	}
	return false;
}

/* Stdin that the child has not taken stops us from reading on */
static bool stdin_is_full(const struct session *s)
{
	return s->to_child.len + EXEC_DATA_MAX > s->to_child.cap;
}

static void take_frames(struct session *s)
{
	struct bb_span in = bb_buf_span(&s->in);

	while (!stdin_is_full(s)) {
		struct exec_frame f;
		enum exec_result r = exec_frame_read(&in, EXEC_SIDE_HOST, &f);

		if (r == EXEC_RESULT_SHORT)
			break;
		if (r != EXEC_RESULT_OK || !on_frame(s, &f)) {
			s->host_gone = true;
			return;
		}
	}
	bb_buf_drop(&s->in, s->in.len - in.len);
}

static void read_stream(struct session *s)
{
	static uint8_t chunk[EXEC_DATA_MAX];
	ssize_t n = read(s->stream, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || bb_buf_add(&s->in, chunk, (size_t)n) < 0)
		s->host_gone = true;
	else
		take_frames(s);
}

static void write_stream(struct session *s)
{
	ssize_t n = send(s->stream, s->out.p, s->out.len, MSG_NOSIGNAL);

	if (n > 0)
		bb_buf_drop(&s->out, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		s->host_gone = true;
}

static void close_child_in(struct session *s)
{
	bb_buf_drop(&s->to_child, s->to_child.len);
	if (s->child.tty)
		return; /* one terminal: it stays open */
	bb_closep(&s->child.in);
	s->child.in = -1;
}

static void write_child(struct session *s)
{
	static const char eof = 4; /* VEOF of a fresh terminal */

	if (s->to_child.len) {
		ssize_t n = write(s->child.in, s->to_child.p, s->to_child.len);

		if (n > 0)
			bb_buf_drop(&s->to_child, (size_t)n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			close_child_in(s);
	}
	if (s->stdin_ends && !s->to_child.len && s->child.in >= 0) {
		if (s->child.tty) {
			(void)!write(s->child.in, &eof, 1);
			s->stdin_ends = false;
		} else {
			close_child_in(s);
		}
	}
	take_frames(s);
}

/* One read of the child's output; closes @fd at its end */
static void read_child(struct session *s, int *fd, enum exec_type type, size_t max)
{
	static uint8_t chunk[EXEC_DATA_MAX];
	ssize_t n = read(*fd, chunk, max < sizeof(chunk) ? max : sizeof(chunk));

	if (n > 0) {
		put_frame(s, type, chunk, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		bb_closep(fd);
		*fd = -1;
	}
}

/* After the grace: only what lies in the pipe now, descendants may write on for ever */
static void cut_output(struct session *s, int *fd, enum exec_type type)
{
	int left = 0;

	while (*fd >= 0 && ioctl(*fd, FIONREAD, &left) == 0 && left > 0 &&
	       s->out.len + EXEC_DATA_MAX + EXEC_HEADER_BYTES <= s->out.cap)
		read_child(s, fd, type, (size_t)left);
	bb_closep(fd);
	*fd = -1;
}

static void reap(struct session *s)
{
	int status;

	if (waitpid(s->child.pid, &status, WNOHANG) != s->child.pid)
		return;
	if (WIFSIGNALED(status)) {
		s->exit.signal = (uint8_t)WTERMSIG(status);
		s->exit.oom = s->exit.signal == SIGKILL && child_was_oom_killed(&s->child);
	} else {
		s->exit.code = (uint8_t)WEXITSTATUS(status);
	}
	s->phase = PHASE_DRAIN;
	s->drain_until_ms = bb_now_ms() + DRAIN_MS;
	close_child_in(s);
}

static void finish_drain(struct session *s)
{
	if (s->phase != PHASE_DRAIN || s->out.len)
		return;
	if (bb_now_ms() >= s->drain_until_ms) {
		cut_output(s, &s->child.err, EXEC_TYPE_STDERR);
		if (s->out.len)
			return;
		cut_output(s, &s->child.out, s->out_type);
	}
	if (s->child.out < 0 && s->child.err < 0)
		put_exit(s);
}

static void pump(struct session *s)
{
	bool can_take = s->out.len == 0 && s->phase != PHASE_CLOSING;
	struct pollfd p[5] = {
		{ .fd = s->stream, .events = POLLIN },
		{ .fd = s->to_child.len || s->stdin_ends ? s->child.in : -1, .events = POLLOUT },
		{ .fd = can_take ? s->child.out : -1, .events = POLLIN },
		{ .fd = can_take ? s->child.err : -1, .events = POLLIN },
		{ .fd = s->phase == PHASE_RUNNING ? s->child.pidfd : -1, .events = POLLIN },
	};

	if (stdin_is_full(s))
		p[0].events = 0; /* POLLHUP still tells that the host is gone */
	if (s->out.len)
		p[0].events |= POLLOUT;
	if (poll(p, BB_ARRAY_LEN(p), s->phase == PHASE_DRAIN ? 20 : -1) < 0)
		return;
	if (p[0].revents & POLLOUT)
		write_stream(s);
	if (p[0].revents & POLLIN)
		read_stream(s);
	else if (p[0].revents & (POLLHUP | POLLERR))
		s->host_gone = true;
	if (p[1].revents)
		write_child(s);
	if (p[2].revents)
		read_child(s, &s->child.out, s->out_type, EXEC_DATA_MAX);
	if (p[3].revents && s->child.err >= 0)
		read_child(s, &s->child.err, EXEC_TYPE_STDERR, EXEC_DATA_MAX);
	if (p[4].revents)
		reap(s);
	finish_drain(s);
}

/* The host went away: hang up, then make an end */
static void hang_up(struct session *s)
{
	struct pollfd p = { .fd = s->child.pidfd, .events = POLLIN };

	if (s->phase != PHASE_RUNNING)
		return;
	child_signal(&s->child, SIGHUP);
	child_signal(&s->child, SIGCONT);
	(void)poll(&p, 1, HANGUP_MS);
	child_kill_all(&s->child);
	(void)waitpid(s->child.pid, NULL, 0);
}

/* Let the host read everything before the stream is gone */
static void close_stream(struct session *s)
{
	uint64_t until = bb_now_ms() + CLOSE_MS;
	struct pollfd p = { .fd = s->stream, .events = POLLIN };
	uint8_t waste[4096];

	(void)shutdown(s->stream, SHUT_WR);
	while (!s->host_gone && bb_now_ms() < until && poll(&p, 1, CLOSE_MS) == 1)
		if (read(s->stream, waste, sizeof(waste)) <= 0)
			break;
}

void session_run(int stream, const struct launch_env *env)
{
	struct session s = {
		.stream = stream,
		.env = env,
		.child = { .pidfd = -1, .in = -1, .out = -1, .err = -1 },
		.out_type = EXEC_TYPE_STDOUT,
	};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)bb_set_nonblock(stream, true);
	bb_buf_init(&s.in, IN_MAX);
	bb_buf_init(&s.out, OUT_MAX);
	bb_buf_init(&s.to_child, STDIN_KEEP_MAX + EXEC_DATA_MAX);
	while (!s.host_gone && !(s.phase == PHASE_CLOSING && !s.out.len))
		pump(&s);
	hang_up(&s);
	close_stream(&s);
	child_release(&s.child);
	bb_buf_release(&s.in);
	bb_buf_release(&s.out);
	bb_buf_release(&s.to_child);
	(void)close(stream);
}
