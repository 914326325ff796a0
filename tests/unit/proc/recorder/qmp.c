/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/qmp.h"
#include "tests/unit/unit.h"
#include <stdio.h>

struct seen {
	char text[4096];
};

static void on_event(const struct qmp_event *e, void *arg)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	(void)snprintf(s->text + n, sizeof(s->text) - n, "%s %.*s;", e->name, (int)e->data.len,
		       (const char *)e->data.p);
}

static void lines(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "{\"QMP\": {\"version\": {}}}\r\n{\"return\": {}}\r\n", "" },
		{ "{\"timestamp\": {\"seconds\": 1}, \"event\": \"SHUTDOWN\", \"data\": "
		  "{\"guest\": true, \"reason\": \"guest-shutdown\"}}\r\n",
		  "vm_shutdown {\"guest\":true,\"reason\":\"guest-shutdown\"};" },
		{ "{\"event\": \"STOP\"}\n{\"event\": \"RESUME\"}\n", "vm_stop ;vm_resume ;" },
		{ "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}\n",
		  "vm_error {\"class\":\"GenericError\",\"desc\":\"x\"};" },
		{ "junk\n", "vm_bad_line ;" },
		{ "[1]\n", "vm_bad_line ;" },
		{ "{}\n", "vm_bad_line ;" },
		{ "{\"event\": \"a;b\"}\n", "vm_bad_line ;" },
		{ "{\"event\": \"\"}\n", "vm_bad_line ;" },
		{ "{\"event\": \"X\", \"event\": \"Y\"}\n", "vm_bad_line ;" },
		{ "{\"event\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}\n",
		  "vm_bad_line ;" },
		{ "\n\r\n", "" },
		{ "{\"event\": \"CUT\"}", "" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct seen whole = { 0 }, bytes = { 0 };
		struct qmp q;

		qmp_init(&q);
		qmp_feed(&q, BB_SPAN_STR(cases[i].in), on_event, &whole);
		qmp_release(&q);
		assert_string_equal(whole.text, cases[i].want);
		/* the same, octet by octet */
		qmp_init(&q);
		for (const char *c = cases[i].in; *c; c++)
			qmp_feed(&q, (struct bb_span){ (const uint8_t *)c, 1 }, on_event, &bytes);
		qmp_release(&q);
		assert_string_equal(bytes.text, cases[i].want);
	}
}

static void overlong_line_is_skipped(void **state)
{
	static uint8_t big[5 * QMP_LINE_MAX];
	struct seen seen = { 0 };
	struct qmp q;

	(void)state;
	memset(big, '[', sizeof(big));
	qmp_init(&q);
	qmp_feed(&q, (struct bb_span){ big, sizeof(big) }, on_event, &seen);
	qmp_feed(&q, BB_SPAN_STR("\n{\"event\": \"STOP\"}\n"), on_event, &seen);
	assert_string_equal(seen.text, "vm_bad_line ;vm_stop ;");
	/* deep nesting within the bound */
	seen.text[0] = '\0';
	qmp_feed(&q, (struct bb_span){ big, QMP_LINE_MAX - 1 }, on_event, &seen);
	qmp_feed(&q, BB_SPAN_STR("\n"), on_event, &seen);
	assert_string_equal(seen.text, "vm_bad_line ;");
	qmp_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(overlong_line_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
