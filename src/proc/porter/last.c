/* SPDX-License-Identifier: Apache-2.0 */
/* What a lasting session has said last: a ring of octets, each with the outlet that it was for */
#include "proc/porter/porter.h"

struct last {
	size_t end; /* of all octets ever: the next goes to end % PORTER_LAST_MAX */
	uint8_t octets[PORTER_LAST_MAX];
	bool is_error[PORTER_LAST_MAX];
};

struct last *last_new(void)
{
	return calloc(1, sizeof(struct last));
}

void last_add(struct last *l, enum ipc_type type, struct bb_span data)
{
	for (size_t i = 0; i < data.len; i++, l->end++) {
		l->octets[l->end % PORTER_LAST_MAX] = data.p[i];
		l->is_error[l->end % PORTER_LAST_MAX] = type == IPC_STDERR;
	}
}

/* The first line that is there in full: what is cut off before it may end inside an escape */
static size_t first_whole(const struct last *l)
{
	size_t from = l->end > PORTER_LAST_MAX ? l->end - PORTER_LAST_MAX : 0;

	if (from == 0)
		return 0;
	for (size_t at = from; at < l->end; at++) {
		if (l->octets[at % PORTER_LAST_MAX] == '\n')
			return at + 1;
	}
	return from;
}

void last_say(const struct last *l, struct porter *p)
{
	size_t at = first_whole(l);

	while (at < l->end) {
		size_t from = at % PORTER_LAST_MAX, n = 0;
		bool is_error = l->is_error[from];

		while (at + n < l->end && from + n < PORTER_LAST_MAX &&
		       l->is_error[from + n] == is_error)
			n++;
		porter_data(p, is_error ? IPC_STDERR : IPC_STDOUT,
			    (struct bb_span){ l->octets + from, n });
		at += n;
	}
}
