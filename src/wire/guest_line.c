/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/guest_line.h"

static const char hello[] = "hello ", probe[] = "probe ", ok[] = "probe ok";

static bool starts_with(struct bb_span s, const char *text)
{
	size_t n = strlen(text);

	return s.len >= n && memcmp(s.p, text, n) == 0;
}

/* Digits and nothing else, so that one version has few spellings. Return: false with @ret untouched
 */
static bool take_version(struct bb_span digits, uint32_t *ret)
{
	uint32_t version = 0;

	if (digits.len == 0 || digits.len > GUEST_LINE_DIGITS)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		version = version * 10 + (uint32_t)(digits.p[i] - '0');
	}
	*ret = version;
	return true;
}

struct guest_line guest_line_decode(struct bb_span line)
{
	const size_t after = sizeof(hello) - 1;
	struct guest_line out = { .kind = GUEST_LINE_TEXT };

	if (starts_with(line, probe)) {
		out.kind = GUEST_LINE_PROBE;
		out.ok = line.len == sizeof(ok) - 1 && starts_with(line, ok);
	} else if (starts_with(line, hello) &&
		   take_version((struct bb_span){ line.p + after, line.len - after },
				&out.version)) {
		out.kind = GUEST_LINE_HELLO;
	}
	return out;
}
