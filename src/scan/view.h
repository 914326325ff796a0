/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_VIEW_H
#define BB_SCAN_VIEW_H
#include "base/base.h"

/**
 * DOC: view - the same stream as some reader further on may see it
 *
 * Plain view: escapes undone (percent, backslashes of JSON, JavaScript and C, HTML entities,
 * quoted-printable), again and again where one hides another; Unicode folded to the ASCII letters
 * it looks like; what has no width left out; NULs left out where they are those of UTF-16 or
 * UTF-32 of either order, which makes it readable, and white space elsewhere.
 *
 * Decoded views: runs of base64, hexadecimal or base32, of sixteen characters or more, undone once;
 * line breaks inside a run are passed over. A line feed stands between two runs.
 *
 * All are transducers with a few octets of state: any cutting of the input gives the same output,
 * and what goes in comes out at once, but for the octets that may be the beginning of an escape.
 *
 * Layer:     scan (pure)
 * Trust:     hostile input
 * Source:    RFC 3986 section 2.1, RFC 8259 section 7, HTML 13.5, RFC 2045 section 6.7, RFC 4648,
 *            Unicode compatibility forms and confusables (the subset in view_fold.c)
 */
#define VIEW_ESCAPE_MAX  16 /* octets of an escape */
#define VIEW_LAYERS      2
#define VIEW_PENDING_MAX (VIEW_LAYERS * VIEW_ESCAPE_MAX)
/* Small letters in a row that are taken for words */
#define VIEW_WORDS_MAX 64
/* Octets that one octet of input can add to the output at most, and that may have been pending */
#define VIEW_OUT_MAX(len) ((len) + VIEW_WORDS_MAX + VIEW_PENDING_MAX)

/**
 * struct view_layer - One pass
 * @last:	No other pass follows
 * @nuls:	Of the last octets, a bit for each that was NUL; the last is bit 0
 * @changed:	Something was undone since it was last cleared
 * @open:	What is pending has come of something undone
 * @same_to, @same_from: As those of struct view_plain
 */
struct view_layer {
	uint8_t pending[VIEW_ESCAPE_MAX];
	size_t n;
	bool last;
	bool quoted; /* the last thing was "=XX" */
	bool coded;  /* the first of @pending has been spelled by number */
	bool left;   /* something for the next layer, since it was last cleared */
	uint8_t nuls;
	bool changed;
	bool open;
	size_t same_to;
	size_t same_from;
};

/**
 * struct view_plain - Start with zeroes
 * @n:		Octets that are pending
 * @changed:	Something was undone since it was last cleared
 * @same_to:	Of what the last call has written: before this as it stood in the input, at the same
 *		place if nothing had been pending; SIZE_MAX: all
 * @same_from:	... and from here on, with what was undone before it
 *
 * Each layer undoes escapes again and again where one begins another; what it writes is read by the
 * next, which finds those whose other characters had been escaped.
 */
struct view_plain {
	struct view_layer layers[VIEW_LAYERS];
	size_t n;
	bool changed;
	size_t same_to;
	size_t same_from;
};

/** view_plain_feed() - @out: VIEW_OUT_MAX(len) octets. Return: octets written */
size_t view_plain_feed(struct view_plain *v, const uint8_t *in, size_t len, uint8_t *out);
/** view_plain_skip() - As if fed with octets that are nothing special (fast.h), while nothing is
 * pending */
static inline void view_plain_skip(struct view_plain *v)
{
	for (size_t i = 0; i < VIEW_LAYERS; i++) {
		v->layers[i].quoted = false;
		v->layers[i].nuls = 0;
	}
}

/** view_plain_end() - What is still pending. Return: octets written, VIEW_PENDING_MAX at most */
size_t view_plain_end(struct view_plain *v, uint8_t *out);

/**
 * view_escape() - An escape of one ASCII character
 * @ret:	What it stands for
 *
 * Return: octets that the escape at @p takes; 0 when there is none, -1 when it may go on behind
 * @len
 */
int view_escape(const uint8_t *p, size_t len, uint8_t *ret);

/** view_fold() - The ASCII character that a code point looks like; 0 = itself, -1 = nothing */
int view_fold(uint32_t code);

/* By the first octet of their UTF-8, from 0xc2 on: a bit for each second octet of what may fold */
extern uint64_t view_seconds[0xf5 - 0xc2];

/** view_may_fold() - Is there a character of UTF-8 that begins so and folds to another? */
static inline bool view_may_fold(uint8_t lead, uint8_t second)
{
	return lead >= 0xc2 && lead < 0xf5 && view_seconds[lead - 0xc2] >> (second & 63) & 1;
}

#define VIEW_RUN_MIN 16
/* Of lines between which something is passed over: characters, and such octets */
#define VIEW_LINE_MIN 60
/* Of one that the shell joins to the next: as base64 makes them */
#define VIEW_LINE_WORDS 76
#define VIEW_GAP_MAX    40
/* Signs before a line: a diff of a merge has two */
#define VIEW_SIGNS_MAX 2
/* Stands between two such lines */
#define VIEW_JOINED '.'
/**
 * struct view_runs - Start with zeroes
 * @on:		Inside a run that is passed on
 * @sign:	'+' or '-' that stood before the run, as before each line of a diff; @signs: how
 * many
 * @phase:	Characters of the run so far, modulo four; @line: of its last line, capped,
 *		@mixed: not all of them hexadecimal
 * @gap:	Octets that have followed them, @broken: and a line break; @blank: they are blanks
 * @held:	At the start of a line: @n_held of '+', '-' or '/', which may belong to it or to the
 * run
 * @piece:	Characters in @start of a line that may go on with the run
 */
struct view_runs {
	size_t n;
	bool telling;
	bool on;
	uint8_t sign;
	uint8_t signs;
	uint8_t phase;
	uint8_t line;
	bool mixed;
	uint8_t gap;
	bool broken;
	bool blank;
	uint8_t held;
	uint8_t n_held;
	uint8_t piece;
	uint8_t start[VIEW_WORDS_MAX];
};

/**
 * view_runs_feed() - Leave only runs of VIEW_RUN_MIN or more characters that a coding may use, a
 * space behind each; line breaks inside a run are left out, and so are runs of small letters alone
 * of fewer than VIEW_WORDS_MAX, and '+', '-' and '/' at the start of one
 * @out:	VIEW_OUT_MAX(len) octets. Return: octets written
 *
 * Lines of a coding in a diff, a quoted mail, a comment, a block that is indented or a list of
 * strings are one run as well: behind VIEW_LINE_MIN characters or more, in whole groups of four,
 * which are the same decoded alone and behind others, what stands at the end of one line and the
 * start of the next is passed over, and behind VIEW_LINE_WORDS blanks alone, as the shell joins
 * lines. The next has VIEW_RUN_MIN characters as well, or it is the last: then nothing else stands
 * in it; and behind one in hexadecimal it is so, too.
 */
size_t view_runs_feed(struct view_runs *v, const uint8_t *in, size_t len, uint8_t *out);

#define VIEW_TEXT_MIN 8
/**
 * struct view_text - Start with zeroes
 * @n:		Octets of text that a run has so far, capped
 * @wide:	It is of UTF-16, @nul: and its last octet was a NUL; @last: the last that was none
 */
struct view_text {
	uint8_t start[VIEW_TEXT_MIN];
	size_t n;
	bool wide;
	bool nul;
	uint8_t last;
};

/**
 * view_text_feed() - Leave only runs of VIEW_TEXT_MIN or more octets of printable ASCII and white
 * space, a line feed behind each: no pattern of a token is shorter, or has anything else in it; the
 * NULs of UTF-16 are left out
 * @out:	VIEW_OUT_MAX(len) octets. Return: octets written
 */
size_t view_text_feed(struct view_text *v, const uint8_t *in, size_t len, uint8_t *out);

enum view_coding { VIEW_BASE64 = 0, VIEW_HEX, VIEW_BASE32, VIEW_NUM_CODINGS };

/** struct view_coded - Start with zeroes; @coding is set once */
struct view_coded {
	enum view_coding coding;
	uint8_t run[VIEW_RUN_MIN]; /* values of the first characters of a run */
	size_t n;                  /* characters in this run, capped */
	uint32_t bits;
	unsigned int n_bits;
};

/** view_coded_feed() - Of what view_runs_feed() left. @out: VIEW_OUT_MAX(len) octets. Return:
 * octets written */
size_t view_coded_feed(struct view_coded *v, const uint8_t *in, size_t len, uint8_t *out);
#endif
