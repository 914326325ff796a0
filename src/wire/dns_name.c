/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_name.h"
#include <assert.h>

const char *const dns_name_result_str[] = {
	[DNS_NAME_OK] = "ok",
	[DNS_NAME_TRUNCATED] = "truncated",
	[DNS_NAME_TOO_LONG] = "too long",
	[DNS_NAME_BAD_LABEL] = "bad label",
	[DNS_NAME_BAD_OCTET] = "bad octet",
};
static_assert(BB_ARRAY_LEN(dns_name_result_str) == DNS_NAME_NUM_RESULTS,
	      "dns_name_result_str[] doesn't match enum dns_name_result");

#define LABEL_MAX 63

/* Letters, digits, hyphen and underscore: what a name policy can compare safely */
static bool octet_is_ok(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Lower-case one label into @out. Return: are all its octets those of a host name? */
static bool copy_label(const uint8_t *label, size_t len, char *out)
{
	bool ok = true;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = label[i];

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c | 0x20);
		ok &= octet_is_ok(c);
		out[i] = (char)c;
	}
	return ok;
}

/* A pointer at @pos leads to before @limit, the start of the labels read so far: no loop is
 * possible */
static bool follow(struct bb_span msg, size_t *pos, size_t *limit)
{
	size_t to = bb_get_be16(msg.p + *pos) & 0x3fffu;

	if (to >= *limit)
		return false;
	*pos = *limit = to;
	return true;
}

/* @jumps: pointers that may be followed */
static enum dns_name_result read_name(struct bb_span msg, size_t *off, unsigned int jumps,
				      char out[static DNS_NAME_TEXT_MAX], size_t *ret_len)
{
	char text[DNS_NAME_TEXT_MAX];
	size_t pos = *off, limit = *off, end = 0, n = 0;
	bool ok = true;

	for (;;) {
		uint8_t len;

		if (pos >= msg.len)
			return DNS_NAME_TRUNCATED;
		if ((msg.p[pos] & 0xc0) == 0xc0 && jumps) {
			jumps--;
			if (msg.len - pos < 2)
				return DNS_NAME_TRUNCATED;
			if (!end)
				end = pos + 2;
			if (!follow(msg, &pos, &limit))
				return DNS_NAME_BAD_LABEL;
			continue;
		}
		len = msg.p[pos++];
		if (len == 0)
			break;
		if (len > LABEL_MAX)
			return DNS_NAME_BAD_LABEL;
		if (len > msg.len - pos)
			return DNS_NAME_TRUNCATED;
		if (n + (n > 0) + len > DNS_NAME_TEXT_MAX - 1)
			return DNS_NAME_TOO_LONG;
		if (n > 0)
			text[n++] = '.';
		ok &= copy_label(msg.p + pos, len, text + n);
		n += len;
		pos += len;
	}

	*off = end ? end : pos;
	if (!ok)
		return DNS_NAME_BAD_OCTET;
	text[n] = '\0';
	memcpy(out, text, n + 1);
	*ret_len = n;
	return DNS_NAME_OK;
}

enum dns_name_result dns_name_read(struct bb_span msg, size_t *off,
				   char out[static DNS_NAME_TEXT_MAX], size_t *ret_len)
{
	return read_name(msg, off, 0, out, ret_len);
}

enum dns_name_result dns_name_read_packed(struct bb_span msg, size_t *off,
					  char out[static DNS_NAME_TEXT_MAX], size_t *ret_len)
{
	return read_name(msg, off, DNS_NAME_JUMPS_MAX, out, ret_len);
}

size_t dns_name_write(const char *name, uint8_t out[static DNS_NAME_WIRE_MAX])
{
	size_t at = 0;

	BB_BUG_ON(strlen(name) > DNS_NAME_TEXT_MAX - 1);
	while (*name) {
		size_t len = strcspn(name, ".");

		BB_BUG_ON(len == 0 || len > LABEL_MAX);
		out[at++] = (uint8_t)len;
		memcpy(out + at, name, len);
		at += len;
		name += len;
		if (*name == '.')
			name++;
	}
	out[at++] = 0;
	return at;
}
