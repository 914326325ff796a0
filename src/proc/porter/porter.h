/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_PORTER_PORTER_H
#define BB_PROC_PORTER_PORTER_H
#include "ipc/peer.h"
#include "wire/exec.h"
#include <event2/bufferevent.h>

/**
 * DOC: porter - carries one command or copy between the CLI and the guest's exec agent
 *
 * Layer:     proc/porter
 * Trust:     every octet of the stream is the guest's: frames are decoded by wire/exec.h, archives
 *            by wire/tar.h, what is said again by wire/term.h; the CLI gets messages, never
 *            the guest's framing
 * Limits:    256 KiB waiting in each direction; past that the other side is not read. With no CLI
 *            there, what comes is read, the last 64 KiB are kept, the rest is dropped
 *
 * Without a CLI it is the standing clock: one PING every ten seconds, with the host's time. A
 * lasting session (IPC_LASTING) goes on without its CLI, and with the next one.
 */
#define PORTER_QUEUE_MAX (256u << 10)

/* Of a lasting session: so much of what was said is said again to the next CLI */
#define PORTER_LAST_MAX (64u << 10)
/* Answers beyond that for a guest that does not read them are not made */
#define PORTER_ANSWERS_MAX 4096

struct copy;
struct last;
struct skips;

struct porter {
	struct event_base *base;
	struct ipc_peer *bottled;
	struct ipc_peer *cli; /* NULL: the clock */
	struct bufferevent *stream;
	struct event *ping;
	struct copy *copy;   /* NULL: a command */
	struct skips *skips; /* NULL: nothing stays behind */
	struct last *last;   /* NULL: the session ends with its CLI */
	bool started;        /* EXEC or COPY was sent */
	bool done;           /* EXIT or COPY_DONE was sent */
	bool exited;         /* of a lasting session: with @exit */
	struct ipc_exit exit;
};

/** porter_frame() - Queue one frame for the guest. Return: 0 or -ENOMEM */
BB_MUST_USE int porter_frame(struct porter *p, enum exec_type type, const void *payload,
			     size_t len);

/** porter_to_cli() - Message to the CLI; holds back the guest while the CLI does not read */
void porter_to_cli(struct porter *p, const struct ipc_msg *msg);

/** porter_fail() - Tell the CLI why this use ends, and end it */
void porter_fail(struct porter *p, const char *text);

/* last.c: a session that outlives its CLI */
/** last_new() - Nothing said yet, or NULL without memory. @tty: to a terminal */
struct last *last_new(bool tty);
/** last_add() - Keep it (what a terminal would answer is left out: wire/term.h), and of what was
 * before as much as there is room for. With no CLI there, answer what no program does without
 */
void last_add(struct last *l, struct porter *p, enum ipc_type type, struct bb_span data);
/** last_say() - All of it again, to the CLI that has just come, which then gets what comes next */
void last_say(const struct last *l, struct porter *p);

/** porter_data() - Octets for the CLI, in pieces that fit a message */
void porter_data(struct porter *p, enum ipc_type type, struct bb_span data);

/* copy.c: archives in both directions */
/** copy_start() - COPY_IN or COPY_OUT; takes @msg->fd. Return: 0 or -errno with @err */
BB_MUST_USE int copy_start(struct porter *p, struct ipc_msg *msg, struct bb_err *err);
/** copy_skip() - Names that a COPY_IN to come leaves out. Return: 0 or -errno with @err */
BB_MUST_USE int copy_skip(struct porter *p, struct bb_span names, struct bb_err *err);
/** copy_pump() - The stream has room again: send more of the archive */
void copy_pump(struct porter *p);
/** copy_frame() - A TAR_OUT frame of the guest */
void copy_frame(struct porter *p, struct bb_span payload);
/** copy_exit() - The guest's EXIT for a copy, with what it said on stderr */
void copy_exit(struct porter *p, const struct exec_exit *e);
/** copy_stderr() - What the guest says about a copy */
void copy_stderr(struct porter *p, struct bb_span text);
void copy_free(struct copy *c);
#endif
