/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/format.h"
#include "policy/reason.h"
#include "tests/unit/unit.h"
#include <jansson.h>
#include <stdio.h>
#include <time.h>

static void times(void **state)
{
	static const struct {
		uint64_t ms;
		const char *want;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 951868799999, "2000-02-29T23:59:59.999Z" },
		{ 1709164800000, "2024-02-29T00:00:00.000Z" },
		{ 4107542400000, "2100-03-01T00:00:00.000Z" },
		{ 1798761599001, "2026-12-31T23:59:59.001Z" },
	};
	char out[FORMAT_TIME_MAX], want[32];

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		format_time(cases[i].ms, out);
		assert_string_equal(out, cases[i].want);
	}
	/* the C library agrees, day by day */
	for (time_t t = 0; t < 4200000000; t += 86400 * 13 + 3599) {
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		assert_true(strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z", &tm) > 0);
		format_time((uint64_t)t * 1000, out);
		assert_string_equal(out, want);
	}
}

static const struct format_origin origin = {
	.wall_ms = 1798761599001, .bottle = "demo-a1b2c", .from = IPC_ROLE_EGRESS, .flow = 7
};

static void whole_record(void **state)
{
	const struct ipc_record rec = {
		.kind = IPC_RECORD_END,
		.reason = REASON_ROUTE,
		.port = 443,
		.status = 200,
		.bytes_in = 5,
		.duration_ms = 12,
		.addr = { .family = 4, .a = { 203, 0, 113, 9 } },
		.host = BB_SPAN_STR("api.allowed.test"),
		.method = BB_SPAN_STR("GET"),
		.path = BB_SPAN_STR("/v1?a=b"),
		.rule = BB_SPAN_STR("*.allowed.test"),
	};
	struct bb_buf out;

	(void)state;
	bb_buf_init(&out, FORMAT_LINE_MAX);
	assert_int_equal(format_record(&origin, &rec, &out), 0);
	assert_string_equal(bb_buf_str(&out),
			    "{\"time\":\"2026-12-31T23:59:59.001Z\",\"bottle\":\"demo-a1b2c\","
			    "\"kind\":\"end\",\"from\":\"egress\",\"verdict\":\"allow\","
			    "\"reason\":\"route\",\"host\":\"api.allowed.test\",\"method\":\"GET\","
			    "\"path\":\"/v1?a=b\",\"rule\":\"*.allowed.test\",\"port\":443,"
			    "\"status\":200,\"bytes_out\":0,\"bytes_in\":5,\"duration_ms\":12,"
			    "\"addr\":\"203.0.113.9\",\"flow\":7}\n");
	bb_buf_release(&out);
}

/* Every octet in every field: still one line of printable ASCII, and valid JSON */
static void hostile_strings(void **state)
{
	uint8_t all[256];
	struct bb_span s = { all, sizeof(all) };
	const struct ipc_record rec = {
		.kind = IPC_RECORD_VERDICT,
		.host = s,
		.method = s,
		.path = s,
		.rule = s,
		.text = s,
	};
	struct bb_buf out;
	json_t *j;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	bb_buf_init(&out, FORMAT_LINE_MAX);
	assert_int_equal(format_record(&origin, &rec, &out), 0);
	for (size_t i = 0; i + 1 < out.len; i++)
		assert_true(out.p[i] >= 0x20 && out.p[i] < 0x7f);
	assert_int_equal(out.p[out.len - 1], '\n');
	j = json_loadb((const char *)out.p, out.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert_non_null(j);
	assert_int_equal(json_string_length(json_object_get(j, "path")) > 256, 1);
	json_decref(j);
	bb_buf_release(&out);
}

static void longest_record_fits(void **state)
{
	uint8_t *nul = calloc(1, 8192);
	const struct ipc_record rec = {
		.kind = IPC_RECORD_VERDICT,
		.host = { nul, IPC_HOST_MAX },
		.method = { nul, 64 },
		.path = { nul, 8192 },
		.rule = { nul, IPC_HOST_MAX },
		.text = { nul, IPC_TEXT_MAX },
	};
	struct bb_buf out;

	(void)state;
	bb_buf_init(&out, FORMAT_LINE_MAX);
	assert_int_equal(format_record(&origin, &rec, &out), 0);
	bb_buf_release(&out);
	free(nul);
}

static void out_of_range(void **state)
{
	struct ipc_record rec = { 0 };

	(void)state;
	assert_true(format_record_is_valid(&rec));
	rec.kind = IPC_NUM_RECORD_KINDS;
	assert_false(format_record_is_valid(&rec));
	rec = (struct ipc_record){ .verdict = POLICY_NUM_VERDICTS };
	assert_false(format_record_is_valid(&rec));
	rec = (struct ipc_record){ .reason = POLICY_NUM_REASONS };
	assert_false(format_record_is_valid(&rec));
}

static void escaping(void **state)
{
	static const struct {
		const char *in;
		bool lines;
		const char *want;
	} cases[] = {
		{ "plain text", false, "plain text" },
		{ "\x1b[31mred\x07", false, "\\x1b[31mred\\x07" },
		{ "a\r\n\tb", true, "a\n\tb" },
		{ "a\r\n\tb", false, "a\\x0d\\x0a\\x09b" },
		{ "\xc2\x9b 8-bit CSI \x7f", true, "\\xc2\\x9b 8-bit CSI \\x7f" },
	};
	struct bb_buf out;

	(void)state;
	bb_buf_init(&out, 4096);
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		out.len = 0;
		assert_int_equal(format_escape(BB_SPAN_STR(cases[i].in), cases[i].lines, &out), 0);
		assert_string_equal(bb_buf_str(&out), cases[i].want);
	}
	bb_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),           cmocka_unit_test(whole_record),
		cmocka_unit_test(hostile_strings), cmocka_unit_test(longest_record_fits),
		cmocka_unit_test(out_of_range),    cmocka_unit_test(escaping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
