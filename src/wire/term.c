/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/term.h"
#include <assert.h>

#define ESC 0x1b
#define BEL 0x07
#define CAN 0x18
#define SUB 0x1a

const char *const term_answer_str[] = {
	[TERM_ASK_NONE] = "",
	[TERM_ASK_DEVICE] = "\033[?62;22c",
	[TERM_ASK_STATUS] = "\033[0n",
	[TERM_ASK_CURSOR] = "\033[1;1R",
};
static_assert(BB_ARRAY_LEN(term_answer_str) == TERM_NUM_ASKS, "term_answer_str[]");

static bool is_in(const char *set, uint8_t c)
{
	return c && strchr(set, c);
}

/* BS to CR move; SO and SI choose a character set */
static bool draws_alone(uint8_t c)
{
	return (c >= 0x08 && c <= 0x0f) || (c >= 0x20 && c < 0x7f);
}

/* Of how many octets its character is, or 0 (RFC 3629 section 4) */
static uint8_t utf8_length(uint8_t c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if ((c & 0xf0) == 0xe0)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* The second octet has the bounds that keep it from being overlong, a surrogate, above U+10FFFF or
 * an eight-bit control (U+0080 to U+009F) */
static bool utf8_goes_on(const struct term *t, uint8_t c)
{
	uint8_t from = 0x80, to = 0xbf;

	if (t->n == 1) {
		switch (t->held[0]) {
		case 0xc2:
		case 0xe0:
			from = 0xa0;
			break;
		case 0xed:
			to = 0x9f;
			break;
		case 0xf0:
			from = 0x90;
			break;
		case 0xf4:
			to = 0x8f;
			break;
		default:
			break;
		}
	}
	return c >= from && c <= to;
}

/* ESC, intermediates, final: cursor and tabs, keypad, reset; character sets; line sizes */
static bool escape_is_kept(const struct term *t)
{
	uint8_t c = t->held[t->n - 1];

	if (t->n == 2)
		return is_in("78=>DEHMc", c);
	return is_in("()*+-./", t->held[1]) ||
	       (t->held[1] == '#' && t->n == 3 && is_in("34568", c));
}

/* ESC [ (prefix) parameters intermediates final. No request and no report is in here */
static bool csi_is_kept(const struct term *t)
{
	uint8_t c = t->held[t->n - 1], prefix = is_in("<=>?", t->held[2]) ? t->held[2] : 0;
	size_t at = prefix ? 3 : 2;

	while (at < t->n - 1 && is_in("0123456789:;", t->held[at]))
		at++;
	if (at + 2 == t->n) /* an intermediate: the cursor's shape; a soft reset */
		return !prefix &&
		       ((t->held[at] == ' ' && c == 'q') || (t->held[at] == '!' && c == 'p'));
	if (at + 1 != t->n)
		return false;
	switch (prefix) {
	case 0:
		return is_in("@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu", c);
	case '?': /* private modes; selective erase */
		return is_in("hlJK", c);
	case '>': /* how keys are reported */
		return is_in("mu", c);
	default:
		return c == 'u';
	}
}

static enum term_ask csi_asks(const struct term *t)
{
	static const struct {
		const char *token;
		enum term_ask ask;
	} asks[] = {
		{ "\033[c", TERM_ASK_DEVICE },
		{ "\033[0c", TERM_ASK_DEVICE },
		{ "\033[5n", TERM_ASK_STATUS },
		{ "\033[6n", TERM_ASK_CURSOR },
	};

	for (size_t i = 0; i < BB_ARRAY_LEN(asks); i++) {
		if (bb_span_eq((struct bb_span){ t->held, t->n }, BB_SPAN_STR(asks[i].token)))
			return asks[i].ask;
	}
	return TERM_ASK_NONE;
}

static size_t leave(struct term *t, bool keep, uint8_t ret[static TERM_TOKEN_MAX])
{
	size_t n = keep ? t->n : 0;

	memcpy(ret, t->held, n);
	t->state = TERM_GROUND;
	t->n = 0;
	return n;
}

static void hold(struct term *t, enum term_state state, uint8_t c)
{
	t->state = state;
	t->held[t->n++] = c;
}

static size_t in_ground(struct term *t, uint8_t c, uint8_t ret[static TERM_TOKEN_MAX])
{
	t->n = 0;
	t->state = TERM_GROUND;
	t->need = utf8_length(c);
	if (c == ESC || t->need) {
		hold(t, c == ESC ? TERM_ESCAPE : TERM_UTF8, c);
		return 0;
	}
	ret[0] = c;
	return draws_alone(c);
}

static size_t in_utf8(struct term *t, uint8_t c, uint8_t ret[static TERM_TOKEN_MAX])
{
	if (!utf8_goes_on(t, c))
		return in_ground(t, c, ret); /* what came before is no character */
	hold(t, TERM_UTF8, c);
	return t->n == t->need ? leave(t, true, ret) : 0;
}

static size_t in_escape(struct term *t, uint8_t c, uint8_t ret[static TERM_TOKEN_MAX])
{
	if (c < 0x20 || c >= 0x7f || (c <= 0x2f && t->n == 3))
		return in_ground(t, c, ret);
	if (t->n == 1 && is_in("]PX^_", c)) {
		t->state = TERM_STRING;
		t->bel = c == ']';
		t->n = 0;
		return 0;
	}
	hold(t, t->n == 1 && c == '[' ? TERM_CSI : TERM_ESCAPE, c);
	if (t->state == TERM_CSI || c <= 0x2f)
		return 0;
	return leave(t, escape_is_kept(t), ret);
}

static size_t in_csi(struct term *t, uint8_t c, uint8_t ret[static TERM_TOKEN_MAX])
{
	if (c < 0x20 || c >= 0x7f)
		return in_ground(t, c, ret); /* terminals differ in what they make of it */
	if (t->state == TERM_CSI_LONG || t->n == TERM_TOKEN_MAX)
		t->state = TERM_CSI_LONG;
	else
		hold(t, TERM_CSI, c);
	if (c < 0x40)
		return 0;
	if (t->state == TERM_CSI)
		t->ask = csi_asks(t);
	return leave(t, t->state == TERM_CSI && csi_is_kept(t), ret);
}

static size_t in_string(struct term *t, uint8_t c, uint8_t ret[static TERM_TOKEN_MAX])
{
	if (t->state == TERM_STRING_ESCAPE && c != '\\') {
		t->n = 0; /* it was cut short by what begins here */
		hold(t, TERM_ESCAPE, ESC);
		return in_escape(t, c, ret);
	}
	if (t->state == TERM_STRING_ESCAPE || c == CAN || c == SUB || (t->bel && c == BEL))
		t->state = TERM_GROUND;
	else if (c == ESC)
		t->state = TERM_STRING_ESCAPE;
	return 0;
}

size_t term_add(struct term *t, uint8_t c, uint8_t ret[static TERM_TOKEN_MAX])
{
	t->ask = TERM_ASK_NONE;
	switch (t->state) {
	case TERM_UTF8:
		return in_utf8(t, c, ret);
	case TERM_ESCAPE:
		return in_escape(t, c, ret);
	case TERM_CSI:
	case TERM_CSI_LONG:
		return in_csi(t, c, ret);
	case TERM_STRING:
	case TERM_STRING_ESCAPE:
		return in_string(t, c, ret);
	case TERM_GROUND:
	case TERM_NUM_STATES:
		break;
	}
	return in_ground(t, c, ret);
}

size_t term_rest(const struct term *t, uint8_t ret[static TERM_TOKEN_MAX])
{
	static const char ignored[] = "\033]9999;", nothing[] = "\033^";
	const char *from = t->bel ? ignored : nothing;
	size_t n = strlen(from);

	switch (t->state) {
	case TERM_STRING:
	case TERM_STRING_ESCAPE:
		memcpy(ret, from, n);
		if (t->state == TERM_STRING_ESCAPE)
			ret[n++] = ESC;
		return n;
	case TERM_GROUND:
	case TERM_UTF8:
	case TERM_ESCAPE:
	case TERM_CSI:
	case TERM_CSI_LONG:
	case TERM_NUM_STATES:
		break;
	}
	memcpy(ret, t->held, t->n);
	return t->n;
}
