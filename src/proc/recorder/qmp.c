/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/qmp.h"
#include <jansson.h>
#include <stdio.h>

void qmp_init(struct qmp *q)
{
	*q = (struct qmp){ 0 };
	bb_buf_init(&q->line, QMP_LINE_MAX);
}

void qmp_release(struct qmp *q)
{
	bb_buf_release(&q->line);
}

/* "VSERPORT_CHANGE" → "vm_vserport_change" */
static bool event_name(const char *from, char out[static QMP_NAME_MAX])
{
	size_t n = 0;

	memcpy(out, "vm_", 3);
	for (n = 0; from[n] && n + 4 < QMP_NAME_MAX; n++) {
		char c = from[n];

		if (c >= 'A' && c <= 'Z')
			out[3 + n] = (char)(c + ('a' - 'A'));
		else if ((c >= '0' && c <= '9') || c == '_')
			out[3 + n] = c;
		else
			return false;
	}
	out[3 + n] = '\0';
	return n > 0 && !from[n];
}

static void emit(const char *name, const json_t *data, qmp_event_fn fn, void *arg)
{
	struct qmp_event e = { 0 };
	char text[QMP_DATA_MAX];
	size_t n = 0;

	(void)snprintf(e.name, sizeof(e.name), "%s", name);
	e.no_space = strcmp(name, "vm_block_io_error") == 0 &&
		     json_is_true(json_object_get(data, "nospace"));
	if (data)
		n = json_dumpb(data, text, sizeof(text), JSON_COMPACT | JSON_ENSURE_ASCII);
	e.data = (struct bb_span){ (const uint8_t *)text, n < sizeof(text) ? n : sizeof(text) };
	fn(&e, arg);
}

static void on_line(struct bb_span line, qmp_event_fn fn, void *arg)
{
	json_t *j = json_loadb((const char *)line.p, line.len, JSON_REJECT_DUPLICATES, NULL);
	const char *event = json_string_value(json_object_get(j, "event"));
	char name[QMP_NAME_MAX];

	if (event && event_name(event, name))
		emit(name, json_object_get(j, "data"), fn, arg);
	else if (json_object_get(j, "error"))
		emit("vm_error", json_object_get(j, "error"), fn, arg);
	else if (!json_object_get(j, "return") && !json_object_get(j, "QMP"))
		emit("vm_bad_line", NULL, fn, arg);
	json_decref(j);
}

/* The part of a line that @in begins with; the line ends there or not */
static void take(struct qmp *q, struct bb_span part, bool end, qmp_event_fn fn, void *arg)
{
	if (!q->skipping && bb_buf_add(&q->line, part.p, part.len) < 0) {
		emit("vm_bad_line", NULL, fn, arg);
		q->skipping = true;
	}
	if (!end)
		return;
	if (!q->skipping && q->line.len > 0 && q->line.p[q->line.len - 1] == '\r')
		q->line.len--;
	if (!q->skipping && q->line.len > 0)
		on_line(bb_buf_span(&q->line), fn, arg);
	q->line.len = 0;
	q->skipping = false;
}

void qmp_feed(struct qmp *q, struct bb_span in, qmp_event_fn fn, void *arg)
{
	while (in.len) {
		const uint8_t *newline = memchr(in.p, '\n', in.len);
		size_t n = newline ? (size_t)(newline - in.p) : in.len;

		take(q, (struct bb_span){ in.p, n }, newline != NULL, fn, arg);
		n += newline != NULL;
		in.p += n;
		in.len -= n;
	}
}
