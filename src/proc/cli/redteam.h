/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_REDTEAM_H
#define BB_PROC_CLI_REDTEAM_H
#include "proc/cli/capture.h"
#include "state/audit_read.h"

/**
 * DOC: redteam - attacks from inside a bottle, one after the other, and what came of each
 *
 * Layer:     proc/cli
 * Used by:   cmd_redteam.c
 * Trust:     what an attack prints is the guest's word: a refusal counts only when the capture
 * server received nothing it should not have, and the audit has the denial. It is shown escaped
 * Limits:    REDTEAM_MAX attacks; REDTEAM_TIMEOUT_S for each
 *
 * The attacks are data/redteam/attacks.txt (a table) and data/redteam/guest (programs).
 */
#define REDTEAM_MAX       128
#define REDTEAM_TIMEOUT_S 90
#define REDTEAM_SEEN_MAX  120
#define REDTEAM_TEXT_MAX  128

enum redteam_verdict {
	REDTEAM_BLOCKED = 0,
	REDTEAM_THROUGH,    /* something got out, or in */
	REDTEAM_UNRECORDED, /* refused, and the audit does not have it */
	REDTEAM_UNCLEAR,    /* no answer from the attack */
	REDTEAM_SKIPPED,    /* cannot be tried here */

	REDTEAM_NUM_VERDICTS,
};
extern const char *const redteam_verdict_str[REDTEAM_NUM_VERDICTS];

/**
 * struct redteam_attack - A row of the table, and what came of it
 * @nothing:	the capture server may not receive anything while it runs
 * @ms:		how long it took
 * @reasons:	comma-separated, one of them in the audit; "-": none is asked for
 */
struct redteam_attack {
	char class[REDTEAM_TEXT_MAX], name[REDTEAM_TEXT_MAX];
	bool nothing;
	char reasons[REDTEAM_TEXT_MAX], what[REDTEAM_TEXT_MAX];
	enum redteam_verdict verdict;
	char seen[REDTEAM_SEEN_MAX];
	uint64_t ms;
};

struct redteam_table {
	struct redteam_attack attacks[REDTEAM_MAX];
	size_t n;
};

/**
 * redteam_read() - The table
 * @only:	one class, or NULL for all
 *
 * Return: 0; -ENOENT with an @err that lists the classes when there is none called @only; -EINVAL
 * with the line that is wrong
 */
BB_MUST_USE int redteam_read(struct bb_span text, const char *only, struct redteam_table *ret,
			     struct bb_err *err);

/**
 * struct redteam_guest - A command in the bottle: its process here (0 = there is none), its
 * standard input and output
 */
struct redteam_guest {
	pid_t pid;
	int to, from;
};

/**
 * struct redteam - What attacks are carried out with
 * @identity:	the bottle
 * @user:	who attacks, NULL = the guest's default
 * @secret, @token: may never arrive, whatever the attack
 * @container:	it has no way out but gate's sockets: what it could not even send has no record
 * @addresses:	the host's own, comma-separated
 * @audit:	open, at its end
 * @denials:	read there since there was last a pause
 * @guest:	carries out the attacks, one process each; begins as zero, owned until redteam_end()
 */
struct redteam {
	const char *identity, *user, *secret, *token, *addresses;
	bool container;
	struct capture *capture;
	struct audit_reader *audit;
	unsigned int denials;
	struct redteam_guest guest;
};

/** redteam_run() - One attack: sets its verdict and what was seen */
void redteam_run(struct redteam *r, struct redteam_attack *a);
/** redteam_control() - The allowed request: it has to arrive. Return: whether it did */
bool redteam_control(const struct redteam *r);
/** redteam_end() - No more attacks */
void redteam_end(struct redteam *r);
#endif
