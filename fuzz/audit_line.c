/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reason.h"
#include "proc/recorder/format.h"
#include "state/audit_read.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* One line, safe on a terminal */
static void check_line(const char *p, size_t len)
{
	check(len > 0 && p[len - 1] == '\n');
	for (size_t i = 0; i + 1 < len; i++)
		check(p[i] >= 0x20 && p[i] < 0x7f);
}

static void print(const json_t *record)
{
	static int (*const how[])(const json_t *, FILE *) = { audit_print_line, audit_print_json };

	for (size_t i = 0; i < BB_ARRAY_LEN(how); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);

		check(f && how[i](record, f) == 0 && fclose(f) == 0);
		check_line(text, len);
		free(text);
	}
}

/* What a member of a record shows is what its octets show */
static void check_member(const json_t *record, const char *key, struct bb_span was)
{
	const json_t *v = json_object_get(record, key);
	bb_auto_buf struct bb_buf direct;
	struct bb_span is;
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	bb_buf_init(&direct, FORMAT_LINE_MAX);
	check((was.len > 0) == json_is_string(v));
	if (!was.len)
		return;
	is = (struct bb_span){ (const uint8_t *)json_string_value(v), json_string_length(v) };
	f = open_memstream(&text, &len);
	check(f && audit_print_text(is, false, f) == 0 && fclose(f) == 0);
	check(format_escape(was, false, &direct) == 0);
	check(direct.len == len && memcmp(direct.p, text, len) == 0);
	free(text);
}

/*
 * What the guest has put into a record, written by recorder, read again by the CLI and shown; and a
 * line that somebody else wrote into the file. Invariants: one line of printable ASCII each time;
 * the line is JSON whose texts are the octets that came.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct format_origin o = { .bottle = "demo-a1b2c", .from = IPC_ROLE_GATE };
	struct ipc_record rec = { 0 };
	bb_auto_buf struct bb_buf line;
	json_t *record =
		json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	size_t third;

	bb_buf_init(&line, FORMAT_LINE_MAX);
	if (json_is_object(record))
		print(record);
	json_decref(record);
	if (size < 8 || size > 4096)
		return 0;
	rec.kind = data[0] % IPC_NUM_RECORD_KINDS;
	rec.verdict = data[1] % POLICY_NUM_VERDICTS;
	rec.reason = data[2] % POLICY_NUM_REASONS;
	rec.port = bb_get_be16(data + 3);
	o.flow = data[5];
	o.wall_ms = (uint64_t)bb_get_be16(data + 6) << 32;
	third = (size - 8) / 3;
	rec.host = (struct bb_span){ data + 8, third };
	rec.path = (struct bb_span){ data + 8 + third, third };
	rec.text = (struct bb_span){ data + 8 + 2 * third, size - 8 - 2 * third };
	check(format_record_is_valid(&rec) && format_record(&o, &rec, &line) == 0);
	check_line((const char *)line.p, line.len);
	record = json_loadb((const char *)line.p, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
			    NULL);
	check(json_is_object(record));
	check_member(record, "host", rec.host);
	check_member(record, "path", rec.path);
	check_member(record, "text", rec.text);
	print(record);
	json_decref(record);
	return 0;
}
