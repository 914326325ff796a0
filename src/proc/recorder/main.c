/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder - writes what the other processes report, the guest's log lines and console, and the
 * events of the machine monitor
 *
 * A record that asks for it is acknowledged after its write(2), and its sender lets nothing happen
 * before. So a write that fails ends this process, and with it the bottle. End of file from bottled
 * is the orderly end: what the killed roles had already sent is still written, then synced.
 */
#include "base/io.h"
#include "base/log.h"
#include "ipc/boot.h"
#include "ipc/peer.h"
#include "ipc/policy_json.h"
#include "policy/reason.h"
#include "proc/recorder/journal.h"
#include "proc/recorder/qmp.h"
#include "proc/recorder/ring.h"
#include "proc/recorder/rules.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/socket.h>

#define SYNC_MS        100
#define DRAIN_MS       200
#define STREAM_READ    65536
#define STREAM_BUDGET  (2u << 20) /* console and monitor octets taken per second */
#define MACHINE_EVENTS 20         /* monitor events recorded per second */
#define MAX_PORTERS    64

struct recorder;

/* A stream of hostile octets: the console, or QEMU's monitor */
struct stream {
	struct recorder *rec;
	int fd;
	struct event *rd;
	size_t budget;
};

struct recorder {
	struct policy policy; /* its identity names the bottle */
	struct journal journal;
	struct ring guest_log;
	struct ring console_log;
	struct qmp qmp;
	unsigned int machine_events; /* in this second */
	struct event_base *base;
	struct event *sync_timer;
	struct event *second_timer;
	struct stream console;
	struct stream monitor;
	struct ipc_peer *peers[IPC_NUM_ROLES];
	struct ipc_peer *porters[MAX_PORTERS];
	bool ending; /* bottled has closed its end */
	bool failed;
};

static const enum ipc_role roles[] = { IPC_ROLE_BOTTLED, IPC_ROLE_GATE, IPC_ROLE_EGRESS,
				       IPC_ROLE_DIALER, IPC_ROLE_KEYD };

/* bottled ends the bottle, and says why to whoever waits for it */
static void stop(struct recorder *rec, const char *why)
{
	const struct ipc_msg msg = {
		.type = IPC_FAILED,
		.fd = -1,
		.u.text.text = BB_SPAN_STR(why),
	};

	bb_log("%s", why);
	if (!rec->failed && rec->peers[IPC_ROLE_BOTTLED])
		(void)ipc_peer_send(rec->peers[IPC_ROLE_BOTTLED], &msg);
	rec->failed = true;
	(void)event_base_loopbreak(rec->base);
}

static struct journal_clock clock_now(void)
{
	return (struct journal_clock){ .wall_ms = bb_wall_ms(), .mono_ms = bb_now_ms() };
}

static void arm(struct event *timer, unsigned int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	if (!event_pending(timer, EV_TIMEOUT, NULL))
		(void)event_add(timer, &tv);
}

static void ask_next_file(struct recorder *rec)
{
	const struct ipc_msg msg = { .type = IPC_AUDIT_FULL, .fd = -1 };

	if (rec->peers[IPC_ROLE_BOTTLED])
		(void)ipc_peer_send(rec->peers[IPC_ROLE_BOTTLED], &msg);
}

/* Return: false when the recorder has to end */
static bool add_record(struct recorder *rec, enum ipc_role from, uint64_t flow,
		       const struct ipc_record *r)
{
	const struct journal_clock now = clock_now();
	struct bb_err err = { 0 };

	if (journal_add(&rec->journal, &now, from, flow, r, &err) < 0) {
		stop(rec, err.msg);
		return false;
	}
	if (rec->journal.dirty)
		arm(rec->sync_timer, SYNC_MS);
	if (journal_has_counts(&rec->journal))
		arm(rec->second_timer, 1000);
	if (!rec->ending && journal_wants_next(&rec->journal))
		ask_next_file(rec);
	return true;
}

/* A record of our own */
static bool add_life(struct recorder *rec, const char *event, enum policy_reason reason,
		     struct bb_span text)
{
	const struct ipc_record r = {
		.kind = IPC_RECORD_LIFE,
		.verdict = reason == REASON_OK ? POLICY_ALLOW : POLICY_DENY,
		.reason = (uint8_t)reason,
		.method = BB_SPAN_STR(event),
		.text = text,
	};

	return add_record(rec, IPC_ROLE_RECORDER, 0, &r);
}

static void on_log_line(struct recorder *rec, struct bb_span text)
{
	char time[FORMAT_TIME_MAX];
	bb_auto_buf struct bb_buf line;
	struct bb_err err = { 0 };
	int r;

	bb_buf_init(&line, 4 * IPC_TEXT_MAX + 64);
	format_time(bb_wall_ms(), time);
	r = bb_buf_addf(&line, "%s ", time);
	if (r == 0)
		r = format_escape(text, false, &line);
	if (r == 0)
		r = bb_buf_add(&line, "\n", 1);
	if (r < 0)
		stop(rec, "no memory for a log line");
	else if (ring_add(&rec->guest_log, bb_buf_span(&line), &err) < 0)
		stop(rec, err.msg);
}

/* What `logs` shows of the guard's decisions: the manifest's egress.log. The audit has all of them
 */
static void log_decision(struct recorder *rec, const struct ipc_record *r)
{
	bool plain = r->verdict == POLICY_ALLOW && r->reason == REASON_ROUTE;
	bb_auto_buf struct bb_buf text;
	char port[8] = "";
	int e;

	if (r->kind != IPC_RECORD_VERDICT || rec->policy.log_level == 0 ||
	    (plain && rec->policy.log_level < 2))
		return;
	if (r->port)
		(void)snprintf(port, sizeof(port), ":%u", r->port);
	bb_buf_init(&text, 4 * IPC_TEXT_MAX);
	e = bb_buf_addf(&text, "egress: %s %s %.*s %.*s%s%.*s%s%.*s",
			policy_verdict_str[r->verdict], policy_reason_str[r->reason],
			(int)r->method.len, (const char *)r->method.p, (int)r->host.len,
			(const char *)r->host.p, port, (int)r->path.len, (const char *)r->path.p,
			r->text.len ? "  " : "", (int)r->text.len, (const char *)r->text.p);
	if (e == 0)
		on_log_line(rec, bb_buf_span(&text));
}

static void on_record(struct recorder *rec, struct ipc_peer *peer, const struct ipc_msg *msg)
{
	struct ipc_msg ack = { .type = IPC_RECORD_ACK, .fd = -1, .flow = msg->flow };
	const struct ipc_record *r = &msg->u.record;
	enum ipc_role from = ipc_peer_remote(peer);

	if (!format_record_is_valid(r) ||
	    (r->ack && !ipc_permitted(IPC_ROLE_RECORDER, from, IPC_RECORD_ACK))) {
		(void)add_life(rec, "bad_record", REASON_MALFORMED,
			       BB_SPAN_STR(ipc_role_str[from]));
		stop(rec, "a record that nobody may send");
		return;
	}
	if (!add_record(rec, from, msg->flow, r))
		return;
	log_decision(rec, r);
	if (!r->ack)
		return;
	ack.u.record_ack.seq = r->seq;
	if (ipc_peer_send(peer, &ack) < 0)
		stop(rec, "an acknowledgement cannot be sent");
}

static void on_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg);

/* A porter ends with its use; any other role's end is bottled's to judge, and we still record it */
static void on_dead(struct ipc_peer *peer, int why, const char *text, void *arg)
{
	struct recorder *rec = arg;
	enum ipc_role role = ipc_peer_remote(peer);

	for (size_t i = 0; i < MAX_PORTERS; i++) {
		if (rec->porters[i] == peer)
			rec->porters[i] = NULL;
	}
	if (role == IPC_ROLE_BOTTLED)
		rec->ending = true;
	if (rec->peers[role] == peer)
		rec->peers[role] = NULL;
	ipc_peer_free(peer);
	if (why != -ENODATA && why != -ECONNRESET && role != IPC_ROLE_PORTER) {
		(void)add_life(rec, "bad_message", REASON_MALFORMED, BB_SPAN_STR(text));
		stop(rec, text);
	} else if (rec->ending) {
		(void)event_base_loopbreak(rec->base);
	}
}

static void on_new_porter(struct recorder *rec, struct ipc_msg *msg)
{
	for (size_t i = 0; i < MAX_PORTERS && msg->u.peer.role == IPC_ROLE_PORTER; i++) {
		if (rec->porters[i])
			continue;
		rec->porters[i] = ipc_peer_new(rec->base, IPC_ROLE_RECORDER, IPC_ROLE_PORTER,
					       BB_TAKE_FD(msg->fd), on_msg, on_dead, rec);
		return;
	}
	/* Past the bound its pair is closed: that one use ends */
}

static void on_next_file(struct recorder *rec, struct ipc_msg *msg)
{
	struct bb_err err = { 0 };

	if (!rec->journal.next_asked)
		stop(rec, "a file that was not asked for");
	else if (journal_next(&rec->journal, BB_TAKE_FD(msg->fd), &err) < 0)
		stop(rec, err.msg);
}

static void on_msg(struct ipc_peer *peer, struct ipc_msg *msg, void *arg)
{
	struct recorder *rec = arg;

	if (msg->type == IPC_RECORD)
		on_record(rec, peer, msg);
	else if (msg->type == IPC_LOG_LINE)
		on_log_line(rec, msg->u.text.text);
	else if (msg->type == IPC_PEER)
		on_new_porter(rec, msg);
	else if (msg->type == IPC_FD && msg->u.kind.kind == IPC_FD_AUDIT)
		on_next_file(rec, msg);
	else
		stop(rec, "a message that belongs to start-up");
}

static void on_machine_event(const struct qmp_event *event, void *arg)
{
	struct recorder *rec = arg;

	/* The guest can cause some of them at will (its clock, its ports) */
	if (rec->machine_events++ < MACHINE_EVENTS)
		(void)add_life(rec, event->name, REASON_OK, event->data);
	/* Its file system would only break: it ends here, its disk as it is */
	if (event->no_space && !rec->failed)
		stop(rec, "the host's file system that holds the bottle's disk is full: make room, "
			  "then go on with `bot-bottle resume`");
	arm(rec->second_timer, 1000);
}

static void on_console(struct recorder *rec, struct bb_span in)
{
	bb_auto_buf struct bb_buf text;
	struct bb_err err = { 0 };

	bb_buf_init(&text, 4 * STREAM_READ);
	if (format_escape(in, true, &text) < 0)
		stop(rec, "no memory for the console");
	else if (ring_add(&rec->console_log, bb_buf_span(&text), &err) < 0)
		stop(rec, err.msg);
}

static void on_stream(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	struct recorder *rec = s->rec;
	uint8_t buf[STREAM_READ];
	/* bottled writes through the same open file: O_NONBLOCK would be its, too */
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		(void)event_del(s->rd); /* QEMU is gone: bottled sees that itself */
		return;
	}
	if (s == &rec->monitor)
		qmp_feed(&rec->qmp, (struct bb_span){ buf, (size_t)n }, on_machine_event, rec);
	else
		on_console(rec, (struct bb_span){ buf, (size_t)n });
	s->budget -= (size_t)n < s->budget ? (size_t)n : s->budget;
	if (s->budget == 0)
		(void)event_del(s->rd); /* until the second is over */
	arm(rec->second_timer, 1000);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct recorder *rec = arg;
	const struct journal_clock now = clock_now();
	struct stream *streams[] = { &rec->console, &rec->monitor };
	struct bb_err err = { 0 };

	(void)fd;
	(void)what;
	for (size_t i = 0; i < BB_ARRAY_LEN(streams); i++) {
		if (streams[i]->rd && streams[i]->budget == 0)
			(void)event_add(streams[i]->rd, NULL);
		streams[i]->budget = STREAM_BUDGET;
	}
	rec->machine_events = 0;
	if (journal_flush(&rec->journal, &now, &err) < 0)
		stop(rec, err.msg);
	else if (rec->journal.dirty)
		arm(rec->sync_timer, SYNC_MS);
}

static void on_sync(evutil_socket_t fd, short what, void *arg)
{
	struct recorder *rec = arg;
	struct bb_err err = { 0 };

	(void)fd;
	(void)what;
	if (journal_sync(&rec->journal, &err) < 0)
		stop(rec, err.msg);
}

static int open_files(struct recorder *rec, int dirfd, struct bb_err *err)
{
	int r = journal_open(dirfd, rec->policy.identity, &rec->journal, err);

	if (r == 0)
		r = ring_open(dirfd, "guest.log", &rec->guest_log, err);
	if (r == 0)
		r = ring_open(dirfd, "console.log", &rec->console_log, err);
	return r;
}

static int open_stream(struct recorder *rec, struct stream *s, int fd, struct bb_err *err)
{
	*s = (struct stream){ .rec = rec, .fd = fd, .budget = STREAM_BUDGET };
	if (fd < 0)
		return 0;
	s->rd = event_new(rec->base, fd, EV_READ | EV_PERSIST, on_stream, s);
	return s->rd && event_add(s->rd, NULL) == 0 ? 0 : bb_err_set(err, -ENOMEM, "out of memory");
}

static int open_loop(struct recorder *rec, const struct ipc_boot *boot, struct bb_err *err)
{
	int r;

	rec->base = event_base_new();
	if (!rec->base)
		return bb_err_set(err, -ENOMEM, "no event loop");
	rec->sync_timer = event_new(rec->base, -1, 0, on_sync, rec);
	rec->second_timer = event_new(rec->base, -1, 0, on_second, rec);
	if (!rec->sync_timer || !rec->second_timer)
		return bb_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++) {
		int fd = boot->peers[roles[i]];

		if (fd < 0)
			continue;
		rec->peers[roles[i]] = ipc_peer_new(rec->base, IPC_ROLE_RECORDER, roles[i], fd,
						    on_msg, on_dead, rec);
		if (!rec->peers[roles[i]])
			return bb_err_set(err, -ENOMEM, "out of memory");
	}
	r = open_stream(rec, &rec->console, boot->fds[IPC_FD_CONSOLE], err);
	return r < 0 ? r : open_stream(rec, &rec->monitor, boot->fds[IPC_FD_QMP], err);
}

static int start(struct recorder *rec, struct ipc_boot *boot, struct bb_err *err)
{
	int r = ipc_boot_receive(IPC_ROLE_RECORDER, boot, err);

	if (r < 0)
		return r;
	if (boot->blobs[IPC_BLOB_POLICY] < 0 || boot->fds[IPC_FD_AUDIT_DIR] < 0)
		return bb_err_set(err, -EINVAL, "policy or audit directory was not given");
	r = policy_from_memfd(boot->blobs[IPC_BLOB_POLICY], &rec->policy, err);
	if (r == 0)
		r = open_files(rec, boot->fds[IPC_FD_AUDIT_DIR], err);
	if (r < 0)
		return r;
	bb_closep(&boot->blobs[IPC_BLOB_POLICY]);
	bb_closep(&boot->fds[IPC_FD_AUDIT_DIR]);
	qmp_init(&rec->qmp);
	return open_loop(rec, boot, err);
}

/* The other roles are dead or dying: take what they had sent before, then sync */
static void finish(struct recorder *rec)
{
	const uint64_t until = bb_now_ms() + DRAIN_MS;
	struct bb_err err = { 0 };
	bool open = true;

	while (open && !rec->failed && bb_now_ms() < until) {
		(void)event_base_loop(rec->base, EVLOOP_NONBLOCK);
		open = false;
		for (size_t i = 0; i < BB_ARRAY_LEN(roles); i++)
			open = open || rec->peers[roles[i]];
		if (open)
			(void)usleep(2000);
	}
	if (!rec->failed) {
		const struct journal_clock now = clock_now();

		if (journal_flush(&rec->journal, &now, &err) < 0)
			stop(rec, err.msg);
	}
	err = (struct bb_err){ 0 };
	if (journal_sync(&rec->journal, &err) < 0)
		stop(rec, err.msg);
	err = (struct bb_err){ 0 };
	if (!rec->failed && journal_end(&rec->journal, &err) < 0)
		stop(rec, err.msg);
}

static int lock_in(struct bb_err *err)
{
	const struct jail_table tables[] = { jail_common, recorder_rules };

	return jail_lock_all(tables, BB_ARRAY_LEN(tables), err);
}

int main(void)
{
	static const int keep[] = { IPC_BOOT_FD };
	static struct recorder rec;
	struct bb_err err = { 0 };
	struct ipc_boot boot;

	bb_log_init("recorder");
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	ipc_boot_init(&boot);
	(void)signal(SIGPIPE, SIG_IGN);
	if (jail_begin(keep, BB_ARRAY_LEN(keep), &err) < 0 || start(&rec, &boot, &err) < 0 ||
	    lock_in(&err) < 0) {
		ipc_boot_failed(&err);
		bb_log("%s", err.msg);
		return 1;
	}
	if (ipc_boot_ready(&err) < 0) {
		bb_log("%s", err.msg);
		return 1;
	}
	(void)event_base_dispatch(rec.base);
	finish(&rec);
	return rec.failed ? 1 : 0;
}
