/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest agent's log (vsock 5001). The first line of the first stream is its hello, the second
 * may be the result of its probe; both go to bottled, once in a bottle's life. Everything else goes
 * to recorder, at a bounded rate.
 */
#include "base/io.h"
#include "proc/gate/gate.h"
#include "wire/guest_line.h"

#define LINE_MAX_BYTES 4096

struct guest_log {
	struct gate *gate;
	size_t len;
	uint8_t line[LINE_MAX_BYTES];
};

static void say_hello(struct gate *g, uint32_t version)
{
	struct ipc_msg msg = { .type = IPC_GUEST_HELLO, .fd = -1 };

	g->said_hello = true;
	msg.u.guest_hello.version = version;
	(void)ipc_peer_send(g->bottled, &msg);
}

static void say_probe(struct gate *g, bool ok, struct bb_span line)
{
	struct ipc_msg msg = { .type = IPC_GUEST_PROBE, .fd = -1 };

	g->said_probe = true;
	msg.u.guest_probe.ok = ok;
	msg.u.guest_probe.text = line;
	(void)ipc_peer_send(g->bottled, &msg);
}

static void on_line(struct guest_log *l, struct bb_span line)
{
	struct guest_line says = guest_line_decode(line);
	struct gate *g = l->gate;

	if (says.kind == GUEST_LINE_HELLO && !g->said_hello)
		say_hello(g, says.version);
	else if (says.kind == GUEST_LINE_PROBE && g->said_hello && !g->said_probe)
		say_probe(g, says.ok, line);
	else if (bucket_take(&g->line_rate, bb_now_ms()))
		gate_log_line(g, line);
	else
		pace_work(g, 1);
}

static void on_data(struct stream *s, const struct iovec *seg, size_t n, size_t len, void *arg)
{
	struct guest_log *l = arg;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = seg[i].iov_base;

		for (size_t j = 0; j < seg[i].iov_len; j++) {
			uint8_t c = p[j];

			if (c != '\n' && l->len < sizeof(l->line)) {
				l->line[l->len++] = c;
			} else if (c == '\n') {
				on_line(l, (struct bb_span){ l->line, l->len });
				l->len = 0;
			}
		}
	}
	pace_work(l->gate, (uint32_t)(len / GATE_WORK_OCTETS));
	stream_consumed(s, len);
}

static void on_eof(struct stream *s, void *arg)
{
	stream_close(s);
	free(arg);
}

static void on_gone(struct stream *s, bool orderly, void *arg)
{
	(void)s;
	(void)orderly;
	free(arg);
}

static const struct stream_handler log_handler = {
	.on_data = on_data,
	.on_eof = on_eof,
	.on_gone = on_gone,
};

bool guest_log_accept(struct gate *g, struct stream *s)
{
	struct guest_log *l = calloc(1, sizeof(*l));

	if (!l)
		return false;
	l->gate = g;
	stream_serve(s, &log_handler, l);
	return true;
}
