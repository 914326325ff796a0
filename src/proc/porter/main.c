/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "ipc/boot.h"
#include "proc/porter/porter.h"
#include "proc/porter/rules.h"
#include <errno.h>
#include <event2/buffer.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define PING_S 10

int porter_frame(struct porter *p, enum exec_type type, const void *payload, size_t len)
{
	struct evbuffer *out = bufferevent_get_output(p->stream);
	uint8_t header[EXEC_HEADER_BYTES];

	exec_header_write(header, type, (uint32_t)len);
	if (evbuffer_add(out, header, sizeof(header)) < 0 || evbuffer_add(out, payload, len) < 0)
		return -ENOMEM;
	if (p->cli && evbuffer_get_length(out) > PORTER_QUEUE_MAX)
		ipc_peer_pause(p->cli, true);
	return 0;
}

void porter_to_cli(struct porter *p, const struct ipc_msg *msg)
{
	if (!p->cli)
		return;
	(void)ipc_peer_send(p->cli, msg);
	if (ipc_peer_queued(p->cli) > PORTER_QUEUE_MAX)
		(void)bufferevent_disable(p->stream, EV_READ);
}

void porter_fail(struct porter *p, const char *text)
{
	struct ipc_msg msg = { .type = IPC_FAILED, .fd = -1, .u.text.text = BB_SPAN_STR(text) };

	if (!p->done) {
		p->done = true;
		porter_to_cli(p, &msg);
	}
	if (!p->cli)
		(void)event_base_loopbreak(p->base);
}

static void send_ping(struct porter *p)
{
	uint8_t payload[EXEC_PING_BYTES];
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return;
	exec_ping_write(payload, (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u);
	if (porter_frame(p, EXEC_TYPE_PING, payload, sizeof(payload)) < 0)
		(void)event_base_loopbreak(p->base);
}

static void on_ping(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_ping(arg);
}

void porter_data(struct porter *p, enum ipc_type type, struct bb_span data)
{
	while (data.len) {
		size_t n = data.len > IPC_DATA_MAX ? IPC_DATA_MAX : data.len;
		struct ipc_msg msg = { .type = type, .fd = -1, .u.data.data = { data.p, n } };

		porter_to_cli(p, &msg);
		data.p += n;
		data.len -= n;
	}
}

static void forward_data(struct porter *p, enum ipc_type type, struct bb_span data)
{
	if (p->last)
		last_add(p->last, p, type, data);
	porter_data(p, type, data);
}

static void on_guest_exit(struct porter *p, struct bb_span payload)
{
	struct ipc_msg msg = { .type = IPC_EXIT, .fd = -1 };
	struct exec_exit e;

	if (exec_exit_read(payload, &e) != EXEC_RESULT_OK) {
		porter_fail(p, "the guest sent an undecodable exit");
		return;
	}
	if (p->copy) {
		copy_exit(p, &e);
		return;
	}
	msg.u.exit.code = e.code;
	msg.u.exit.signo = e.signal;
	msg.u.exit.oom = e.oom;
	p->done = true;
	if (p->last) { /* a CLI may not be there to end the bottle */
		p->exited = true;
		p->exit = msg.u.exit;
		(void)ipc_peer_send(p->bottled, &msg);
	}
	porter_to_cli(p, &msg);
}

static void on_guest_frame(struct porter *p, enum exec_type type, struct bb_span payload)
{
	if (p->done)
		return;
	switch (type) {
	case EXEC_TYPE_STDOUT:
		forward_data(p, IPC_STDOUT, payload);
		break;
	case EXEC_TYPE_STDERR:
		if (p->copy)
			copy_stderr(p, payload);
		else
			forward_data(p, IPC_STDERR, payload);
		break;
	case EXEC_TYPE_EXIT:
		on_guest_exit(p, payload);
		break;
	case EXEC_TYPE_TAR_OUT:
		if (p->copy)
			copy_frame(p, payload);
		else
			porter_fail(p, "the guest sent an archive that nobody asked for");
		break;
	case EXEC_TYPE_PING:
		break; /* its clock as it says; the guest steps by itself */
	case EXEC_TYPE_EXEC:
	case EXEC_TYPE_STDIN:
	case EXEC_TYPE_STDIN_EOF:
	case EXEC_TYPE_RESIZE:
	case EXEC_TYPE_SIGNAL:
	case EXEC_TYPE_TAR_IN:
	case EXEC_TYPE_POWEROFF:
	case EXEC_NUM_TYPES:
		porter_fail(p, "the guest sent a frame that only the host sends");
		break;
	}
}

static void on_stream_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct porter *p = arg;

	for (;;) {
		uint8_t header[EXEC_HEADER_BYTES];
		ev_ssize_t n = evbuffer_copyout(in, header, sizeof(header));
		enum exec_result r;
		enum exec_type type;
		uint32_t len;
		uint8_t *frame;

		if (n < (ev_ssize_t)sizeof(header))
			return;
		r = exec_header_read((struct bb_span){ header, sizeof(header) }, EXEC_SIDE_GUEST,
				     &type, &len);
		if (r != EXEC_RESULT_OK) {
			porter_fail(p, "the guest sent an undecodable frame");
			(void)bufferevent_disable(bev, EV_READ);
			return;
		}
		if (evbuffer_get_length(in) < EXEC_HEADER_BYTES + len)
			return;
		frame = evbuffer_pullup(in, (ev_ssize_t)(EXEC_HEADER_BYTES + len));
		if (!frame)
			return;
		on_guest_frame(p, type, (struct bb_span){ frame + EXEC_HEADER_BYTES, len });
		(void)evbuffer_drain(in, EXEC_HEADER_BYTES + len);
	}
}

static void on_stream_write(struct bufferevent *bev, void *arg)
{
	struct porter *p = arg;

	(void)bev;
	if (p->cli)
		ipc_peer_pause(p->cli, false);
	if (p->copy)
		copy_pump(p);
}

static void on_stream_event(struct bufferevent *bev, short what, void *arg)
{
	struct porter *p = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		porter_fail(p, "the connection to the guest ended");
}

static void on_cli_drain(struct ipc_peer *peer, void *arg)
{
	struct porter *p = arg;

	(void)peer;
	if (!p->started)
		return;
	(void)bufferevent_enable(p->stream, EV_READ);
	on_stream_read(p->stream, p);
}

/*
 * Before the first octet of the guest: a command needs no files, a copy those beneath the directory
 * @dir (-1: none) it was given
 */
static int lock_in(int dir, enum jail_access access, struct bb_err *err)
{
	const struct jail_table tables[] = { jail_common, porter_copy_rules };
	int r = jail_files(dir, access, err);

	return r < 0 ? r : jail_lock(tables, dir >= 0 ? 2 : 1, err);
}

static void listen_to_guest(struct porter *p)
{
	p->started = true;
	(void)bufferevent_enable(p->stream, EV_READ);
}

static int on_exec(struct porter *p, struct ipc_msg *msg, struct bb_err *err)
{
	struct bb_span json = msg->u.data.data;

	if (lock_in(-1, JAIL_READ, err) < 0)
		return err->code;
	if (porter_frame(p, EXEC_TYPE_EXEC, json.p, json.len) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	send_ping(p);
	return 0;
}

/* The one use of this stream */
static void on_use(struct porter *p, struct ipc_msg *msg)
{
	struct bb_err err = { 0 };

	if (p->started)
		(void)bb_err_set(&err, -EBUSY, "only one use per stream");
	else if (msg->type == IPC_EXEC)
		(void)on_exec(p, msg, &err);
	else if (lock_in(msg->fd, msg->type == IPC_COPY_OUT ? JAIL_CHANGE : JAIL_READ, &err) == 0 &&
		 copy_start(p, msg, &err) < 0)
		err.code = err.code ? err.code : -EIO;
	if (err.code)
		porter_fail(p, err.msg);
	else
		listen_to_guest(p);
}

static void on_skip(struct porter *p, struct bb_span names)
{
	struct bb_err err = { 0 };

	if (p->started)
		porter_fail(p, "names that stay behind come first");
	else if (copy_skip(p, names, &err) < 0)
		porter_fail(p, err.msg);
}

static void on_cli_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct porter *p = arg;
	uint8_t payload[EXEC_RESIZE_BYTES];
	int r = 0;

	(void)peer;
	if (p->done)
		return;
	switch ((int)msg->type) {
	case IPC_COPY_SKIP:
		on_skip(p, msg->u.data.data);
		break;
	case IPC_EXEC:
	case IPC_COPY_IN:
	case IPC_COPY_OUT:
		on_use(p, msg);
		break;
	case IPC_STDIN:
		if (msg->u.data.data.len)
			r = porter_frame(p, EXEC_TYPE_STDIN, msg->u.data.data.p,
					 msg->u.data.data.len);
		break;
	case IPC_STDIN_EOF:
		r = porter_frame(p, EXEC_TYPE_STDIN_EOF, NULL, 0);
		break;
	case IPC_RESIZE:
		exec_resize_write(payload,
				  (struct exec_winsize){ msg->u.resize.rows, msg->u.resize.cols });
		r = porter_frame(p, EXEC_TYPE_RESIZE, payload, EXEC_RESIZE_BYTES);
		break;
	case IPC_SIGNAL:
		r = porter_frame(p, EXEC_TYPE_SIGNAL, &msg->u.signal.signo, 1);
		break;
	default:
		break;
	}
	if (r < 0)
		porter_fail(p, "no memory");
}

/* Whatever it held back comes on: read, kept, dropped */
static void cli_gone(struct porter *p)
{
	ipc_peer_free(p->cli);
	p->cli = NULL;
	(void)bufferevent_enable(p->stream, EV_READ);
	on_stream_read(p->stream, p);
}

static void on_peer_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct porter *p = arg;

	(void)why;
	(void)text;
	if (peer == p->cli && p->last && p->started && !p->done) {
		cli_gone(p);
		return;
	}
	(void)event_base_loopbreak(p->base); /* the guest sees end of file and ends the session */
}

/* Another CLI for a lasting session. bottled may have sent it before it has read of the end */
static void on_next_cli(struct porter *p, int fd)
{
	if (p->cli) {
		(void)ipc_peer_send(p->cli, &(struct ipc_msg){ .type = IPC_DETACHED, .fd = -1 });
		cli_gone(p);
	}
	if (p->done && !p->exited) { /* nothing more comes: it sees end of file */
		(void)close(fd);
		(void)event_base_loopbreak(p->base);
		return;
	}
	p->cli = ipc_peer_new(p->base, IPC_ROLE_PORTER, IPC_ROLE_CLI, fd, on_cli_msg, on_peer_dead,
			      p);
	if (!p->cli)
		return; /* the descriptor is closed: that CLI sees end of file */
	ipc_peer_on_drain(p->cli, on_cli_drain);
	last_say(p->last, p);
	if (p->exited)
		porter_to_cli(p,
			      &(struct ipc_msg){ .type = IPC_EXIT, .fd = -1, .u.exit = p->exit });
}

static void on_bottled_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct porter *p = arg;

	(void)peer;
	switch ((int)msg->type) {
	case IPC_PEER:
		if (p->last && msg->u.peer.role == IPC_ROLE_CLI)
			on_next_cli(p, BB_TAKE_FD(msg->fd));
		break;
	case IPC_POWEROFF:
		if (!p->last && !p->copy && porter_frame(p, EXEC_TYPE_POWEROFF, NULL, 0) < 0)
			(void)event_base_loopbreak(p->base);
		break;
	default:
		break;
	}
}

static int porter_init(struct porter *p, const struct ipc_boot *boot, struct bb_err *err)
{
	struct timeval every = { .tv_sec = PING_S };

	if (boot->fds[IPC_FD_STREAM] < 0)
		return bb_err_set(err, -EINVAL, "no stream was given");
	p->base = event_base_new();
	p->last = boot->lasting ? last_new(boot->lasting_tty) : NULL;
	if (boot->lasting && !p->last)
		return bb_err_set(err, -ENOMEM, "no memory");
	if (!p->base || evutil_make_socket_nonblocking(boot->fds[IPC_FD_STREAM]) < 0)
		return bb_err_set(err, -ENOMEM, "no event loop");
	p->stream = bufferevent_socket_new(p->base, boot->fds[IPC_FD_STREAM], 0);
	p->bottled = ipc_peer_new(p->base, IPC_ROLE_PORTER, IPC_ROLE_BOTTLED, IPC_BOOT_FD,
				  on_bottled_msg, on_peer_dead, p);
	if (!p->stream || !p->bottled)
		return bb_err_set(err, -ENOMEM, "no memory");
	if (boot->peers[IPC_ROLE_CLI] >= 0) {
		p->cli = ipc_peer_new(p->base, IPC_ROLE_PORTER, IPC_ROLE_CLI,
				      boot->peers[IPC_ROLE_CLI], on_cli_msg, on_peer_dead, p);
		if (!p->cli)
			return bb_err_set(err, -ENOMEM, "no memory");
		ipc_peer_on_drain(p->cli, on_cli_drain);
	} else {
		p->ping = event_new(p->base, -1, EV_PERSIST, on_ping, p);
		if (!p->ping || event_add(p->ping, &every) < 0)
			return bb_err_set(err, -ENOMEM, "no memory");
	}
	bufferevent_setcb(p->stream, on_stream_read, on_stream_write, on_stream_event, p);
	bufferevent_setwatermark(p->stream, EV_READ, 0, PORTER_QUEUE_MAX);
	(void)bufferevent_disable(p->stream, EV_READ); /* until the filter is in place */
	(void)bufferevent_enable(p->stream, EV_WRITE);
	return 0;
}

int main(void)
{
	static const int keep[] = { IPC_BOOT_FD };
	static struct porter p;
	struct bb_err err = { 0 };
	struct ipc_boot boot;

	bb_log_init("porter");
	(void)signal(SIGPIPE, SIG_IGN);
	json_object_seed(0); /* reads /dev/urandom: now, not behind the filter */
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0 ||
	    ipc_boot_receive(IPC_ROLE_PORTER, &boot, &err) < 0 ||
	    porter_init(&p, &boot, &err) < 0 || (!p.cli && lock_in(-1, JAIL_READ, &err) < 0) ||
	    ipc_boot_ready(&err) < 0) {
		ipc_boot_failed(&err);
		return 1;
	}
	if (!p.cli) {
		send_ping(&p);
		listen_to_guest(&p);
	}
	(void)event_base_dispatch(p.base);
	return 0;
}
