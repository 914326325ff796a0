/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/recorder/format.h"
#include "base/json_text.h"
#include "policy/reason.h"
#include <stdio.h>

#define MS_PER_DAY 86400000u

/* Days since 1970-01-01 to a Gregorian date; works in years that begin in March */
static void civil_date(uint64_t days, unsigned int *year, unsigned int *month, unsigned int *day)
{
	uint64_t z = days + 719468; /* since 0000-03-01 */
	unsigned int doe = (unsigned int)(z % 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int m = (5 * doy + 2) / 153;

	*day = doy - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = (unsigned int)(z / 146097 * 400) + yoe + (*month <= 2);
}

void format_time(uint64_t wall_ms, char out[static FORMAT_TIME_MAX])
{
	unsigned int year, month, day, ms = (unsigned int)(wall_ms % MS_PER_DAY);

	civil_date(wall_ms / MS_PER_DAY, &year, &month, &day);
	(void)snprintf(out, FORMAT_TIME_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000,
		       month % 100, day % 100, ms / 3600000 % 100, ms / 60000 % 60, ms / 1000 % 60,
		       ms % 1000);
}

bool format_record_is_valid(const struct ipc_record *rec)
{
	return rec->kind < IPC_NUM_RECORD_KINDS && rec->verdict < POLICY_NUM_VERDICTS &&
	       rec->reason < POLICY_NUM_REASONS;
}

static int add_head(const struct format_origin *o, const char *kind, struct bb_buf *out)
{
	char time[FORMAT_TIME_MAX];
	int r;

	format_time(o->wall_ms, time);
	r = bb_buf_addf(out, "{\"time\":\"%s\",\"bottle\":", time);
	if (r == 0)
		r = bb_json_string(out, BB_SPAN_STR(o->bottle));
	if (r == 0)
		r = bb_buf_addf(out, ",\"kind\":\"%s\"", kind);
	return r;
}

static int add_text(struct bb_buf *out, const char *key, struct bb_span s)
{
	int r;

	if (s.len == 0)
		return 0;
	r = bb_buf_addf(out, ",\"%s\":", key);
	return r < 0 ? r : bb_json_string(out, s);
}

static int add_number(struct bb_buf *out, const char *key, uint64_t v, bool always)
{
	if (v == 0 && !always)
		return 0;
	return bb_buf_addf(out, ",\"%s\":%llu", key, (unsigned long long)v);
}

static int add_numbers(const struct format_origin *o, const struct ipc_record *rec,
		       struct bb_buf *out)
{
	bool end = rec->kind == IPC_RECORD_END;
	char addr[IP_ADDR_TEXT_MAX];
	int r = add_number(out, "port", rec->port, false);

	if (r == 0)
		r = add_number(out, "status", rec->status, false);
	if (r == 0)
		r = add_number(out, "bytes_out", rec->bytes_out, end);
	if (r == 0)
		r = add_number(out, "bytes_in", rec->bytes_in, end);
	if (r == 0)
		r = add_number(out, "duration_ms", rec->duration_ms, end);
	if (r == 0)
		r = add_number(out, "denied", rec->count, false);
	if (r == 0 && rec->addr.family) {
		ip_addr_format(&rec->addr, addr);
		r = add_text(out, "addr", BB_SPAN_STR(addr));
	}
	if (r == 0 && rec->proxied)
		r = add_text(out, "checked_by", BB_SPAN_STR("upstream_proxy"));
	return r == 0 ? add_number(out, "flow", o->flow, false) : r;
}

int format_record(const struct format_origin *o, const struct ipc_record *rec, struct bb_buf *out)
{
	size_t mark = out->len;
	int r = add_head(o, ipc_record_kind_str[rec->kind], out);

	if (r == 0)
		r = bb_buf_addf(out, ",\"from\":\"%s\",\"verdict\":\"%s\",\"reason\":\"%s\"",
				ipc_role_str[o->from], policy_verdict_str[rec->verdict],
				policy_reason_str[rec->reason]);
	if (r == 0)
		r = add_text(out, "host", rec->host);
	if (r == 0)
		r = add_text(out, "method", rec->method);
	if (r == 0)
		r = add_text(out, "path", rec->path);
	if (r == 0)
		r = add_text(out, "rule", rec->rule);
	if (r == 0)
		r = add_numbers(o, rec, out);
	if (r == 0)
		r = add_text(out, "text", rec->text);
	if (r == 0)
		r = bb_buf_add(out, "}\n", 2);
	if (r < 0)
		out->len = mark;
	return r;
}

int format_count(const struct format_origin *o, const char *kind, uint64_t allowed, uint64_t denied,
		 struct bb_buf *out)
{
	size_t mark = out->len;
	int r = add_head(o, kind, out);

	if (r == 0)
		r = bb_buf_addf(out, ",\"allowed\":%llu,\"denied\":%llu}\n",
				(unsigned long long)allowed, (unsigned long long)denied);
	if (r < 0)
		out->len = mark;
	return r;
}

int format_escape(struct bb_span s, bool lines, struct bb_buf *out)
{
	size_t mark = out->len;
	int r = 0;

	for (size_t i = 0; i < s.len && r == 0; i++) {
		uint8_t c = s.p[i];

		if (lines && c == '\r')
			continue;
		if ((c >= 0x20 && c < 0x7f) || (lines && (c == '\n' || c == '\t')))
			r = bb_buf_add(out, &c, 1);
		else
			r = bb_buf_addf(out, "\\x%02x", c);
	}
	if (r < 0)
		out->len = mark;
	return r;
}
