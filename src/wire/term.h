/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_TERM_H
#define BB_WIRE_TERM_H
#include "base/base.h"

/**
 * DOC: term - what a terminal can be shown a second time, without an answer from it
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   porter (last.c); fuzz/term.c; tests/unit/wire/term.c
 * Trust:     guest-controlled: what a program has written to its terminal
 * Ownership: the caller's state; borrows for the call
 * Limits:    a sequence of TERM_TOKEN_MAX octets; a longer one is left out
 * Source:    ECMA-48; XTerm Control Sequences
 *
 * A program asks its terminal (where is the cursor, which colours, who are you), and the terminal
 * types the answer. Of the same octets shown again to the terminal that attaches later, the answer
 * would go to a program that does not wait for it, as if the user had typed it. So only what is
 * known to draw or to set a mode is kept, as whole tokens: characters in well-formed UTF-8, layout
 * controls, and the sequences of a short list. All else is left out: queries and reports, strings
 * (OSC, DCS, APC, PM, SOS: titles, colours, clipboard, images), eight-bit controls, the bell.
 *
 * While no terminal is there, some programs do not begin without an answer, or wait seconds for
 * one: to the three questions that every terminal answers there is one here. The others are asked
 * by programs that do without.
 */
#define TERM_TOKEN_MAX 128

/** enum term_state - Where in a token the last octet was */
enum term_state {
	TERM_GROUND = 0,
	TERM_UTF8,          /* a character, not all of it */
	TERM_ESCAPE,        /* ESC, and intermediates */
	TERM_CSI,           /* ESC [ … */
	TERM_CSI_LONG,      /* the same, longer than there is room for */
	TERM_STRING,        /* to its end, ESC \ */
	TERM_STRING_ESCAPE, /* ESC in one */

	TERM_NUM_STATES,
};

/** enum term_ask - What the last octet has completed, when it is a question */
enum term_ask {
	TERM_ASK_NONE = 0,
	TERM_ASK_DEVICE, /* DA1 */
	TERM_ASK_STATUS, /* DSR 5 */
	TERM_ASK_CURSOR, /* DSR 6, CPR */

	TERM_NUM_ASKS,
};

/* What is typed then: of VT220's kind with colours; well; at home. "" for TERM_ASK_NONE */
extern const char *const term_answer_str[TERM_NUM_ASKS];

/**
 * struct term - Of one stream; all zero at its beginning
 * @need:	octets of a character
 * @bel:	the string is an OSC, which BEL ends as well
 * @ask:	set by each term_add()
 */
struct term {
	enum term_state state;
	uint8_t need;
	bool bel;
	enum term_ask ask;
	size_t n;
	uint8_t held[TERM_TOKEN_MAX];
};

/**
 * term_add() - One octet more
 * @ret:	the token that it has completed
 *
 * Return: length of that; 0 when there is none, or it is left out
 */
BB_MUST_USE size_t term_add(struct term *t, uint8_t c, uint8_t ret[static TERM_TOKEN_MAX]);

/**
 * term_rest() - What has to go before the octets to come, where they are not added but shown as
 *		 they are: the beginning of a token under way, or one that has its rest ignored
 *
 * Return: length of @ret
 */
BB_MUST_USE size_t term_rest(const struct term *t, uint8_t ret[static TERM_TOKEN_MAX]);
#endif
