/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/qmp.h"

/*
 * Invariants: names are "vm_" and [a-z0-9_], data is bounded and printable; what comes out does not
 * depend on how the octets are cut into reads.
 */
struct seen {
	uint64_t hash;
	size_t n;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void on_event(const struct qmp_event *e, void *arg)
{
	struct seen *s = arg;

	check(memcmp(e->name, "vm_", 3) == 0 && strlen(e->name) < QMP_NAME_MAX);
	check(strspn(e->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(e->name));
	check(e->data.len <= QMP_DATA_MAX);
	for (const char *c = e->name; *c; c++)
		s->hash = s->hash * 31 + (uint8_t)*c;
	for (size_t i = 0; i < e->data.len; i++) {
		check(e->data.p[i] >= 0x20 && e->data.p[i] <= 0x7f);
		s->hash = s->hash * 31 + e->data.p[i];
	}
	s->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { 0 }, parts = { 0 };
	struct qmp q;

	qmp_init(&q);
	qmp_feed(&q, (struct bb_span){ data, size }, on_event, &whole);
	qmp_release(&q);
	qmp_init(&q);
	for (size_t i = 0; i < size; i += 3)
		qmp_feed(&q, (struct bb_span){ data + i, size - i < 3 ? size - i : 3 }, on_event,
			 &parts);
	qmp_release(&q);
	check(whole.hash == parts.hash && whole.n == parts.n);
	return 0;
}
