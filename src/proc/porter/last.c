/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lasting session has said last: a ring of octets, each with the outlet that it was for. Of
 * what went to a terminal only that which the next one will not answer, in whole tokens; a few
 * questions are answered while there is none.
 */
#include "proc/porter/porter.h"
#include "wire/term.h"
#include <event2/buffer.h>

#define IS_ERROR 1u
#define IS_BEGIN 2u /* of a token */

struct last {
	size_t end; /* of all octets ever: the next goes to end % PORTER_LAST_MAX */
	uint8_t octets[PORTER_LAST_MAX];
	uint8_t flags[PORTER_LAST_MAX];
	bool tty;
	struct term term;
};

struct last *last_new(bool tty)
{
	struct last *l = calloc(1, sizeof(struct last));

	if (l)
		l->tty = tty;
	return l;
}

static void put(struct last *l, uint8_t c, unsigned int flags)
{
	l->octets[l->end % PORTER_LAST_MAX] = c;
	l->flags[l->end % PORTER_LAST_MAX] = (uint8_t)flags;
	l->end++;
}

/* In place of the terminal that is not there; one that is answers itself */
static void answer(struct porter *p, enum term_ask ask)
{
	const char *text = term_answer_str[ask];

	if (ask == TERM_ASK_NONE || p->cli ||
	    evbuffer_get_length(bufferevent_get_output(p->stream)) > PORTER_ANSWERS_MAX)
		return;
	if (porter_frame(p, EXEC_TYPE_STDIN, text, strlen(text)) < 0)
		porter_fail(p, "no memory");
}

void last_add(struct last *l, struct porter *p, enum ipc_type type, struct bb_span data)
{
	unsigned int outlet = type == IPC_STDERR ? IS_ERROR : 0;
	uint8_t token[TERM_TOKEN_MAX];

	for (size_t i = 0; i < data.len; i++) {
		size_t n = l->tty ? term_add(&l->term, data.p[i], token) : 0;

		if (!l->tty)
			put(l, data.p[i], outlet | IS_BEGIN);
		answer(p, l->term.ask);
		for (size_t j = 0; j < n; j++)
			put(l, token[j], outlet | (j == 0 ? IS_BEGIN : 0));
	}
}

/* The first line that is there in full, else the first token */
static size_t first_whole(const struct last *l)
{
	size_t from = l->end > PORTER_LAST_MAX ? l->end - PORTER_LAST_MAX : 0;

	if (from == 0)
		return 0;
	for (size_t at = from; at < l->end; at++) {
		if (l->octets[at % PORTER_LAST_MAX] == '\n')
			return at + 1;
	}
	while (from < l->end && !(l->flags[from % PORTER_LAST_MAX] & IS_BEGIN))
		from++;
	return from;
}

void last_say(const struct last *l, struct porter *p)
{
	size_t at = first_whole(l);
	uint8_t rest[TERM_TOKEN_MAX];

	while (at < l->end) {
		size_t from = at % PORTER_LAST_MAX, n = 0;
		unsigned int outlet = l->flags[from] & IS_ERROR;

		while (at + n < l->end && from + n < PORTER_LAST_MAX &&
		       (l->flags[from + n] & IS_ERROR) == outlet)
			n++;
		porter_data(p, outlet ? IPC_STDERR : IPC_STDOUT,
			    (struct bb_span){ l->octets + from, n });
		at += n;
	}
	at = l->tty ? term_rest(&l->term, rest) : 0;
	porter_data(p, IPC_STDOUT, (struct bb_span){ rest, at });
}
