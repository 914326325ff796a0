/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest agent's log (vsock 5001). The first line of the first stream is its hello, the second
 * may be the result of its probe; both go to bottled, once in a bottle's life. Everything else goes
 * to recorder, at a bounded rate.
 */
#include "base/io.h"
#include "proc/gate/gate.h"

#define LINE_MAX_BYTES 4096

struct guest_log {
	struct gate *gate;
	size_t len;
	uint8_t line[LINE_MAX_BYTES];
};

static bool starts_with(struct bb_span s, const char *text)
{
	size_t n = strlen(text);

	return s.len >= n && memcmp(s.p, text, n) == 0;
}

static void say_hello(struct gate *g, struct bb_span line)
{
	struct ipc_msg msg = { .type = IPC_GUEST_HELLO, .fd = -1 };
	uint32_t version = 0;

	for (size_t i = 6; i < line.len && i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return;
		version = version * 10 + (uint32_t)(line.p[i] - '0');
	}
	g->said_hello = true;
	msg.u.guest_hello.version = version;
	(void)ipc_peer_send(g->bottled, &msg);
}

static void say_probe(struct gate *g, struct bb_span line)
{
	struct ipc_msg msg = { .type = IPC_GUEST_PROBE, .fd = -1 };

	g->said_probe = true;
	msg.u.guest_probe.ok = line.len == 8 && starts_with(line, "probe ok");
	msg.u.guest_probe.text = line;
	(void)ipc_peer_send(g->bottled, &msg);
}

static void on_line(struct guest_log *l, struct bb_span line)
{
	struct gate *g = l->gate;

	if (!g->said_hello && starts_with(line, "hello ")) {
		say_hello(g, line);
		return;
	}
	if (g->said_hello && !g->said_probe && starts_with(line, "probe ")) {
		say_probe(g, line);
		return;
	}
	if (bucket_take(&g->line_rate, bb_now_ms()))
		gate_log_line(g, line);
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
