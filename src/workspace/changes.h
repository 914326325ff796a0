/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WORKSPACE_CHANGES_H
#define BB_WORKSPACE_CHANGES_H
#include "workspace/names.h"
#include "workspace/tree.h"

/**
 * DOC: changes - what a bottle changed in its copy, and what of it may be brought back
 *
 * Layer:     workspace
 * Used by:   cli (diff, pull), workspace/apply.h
 * Trust:     the bottle's tree is hostile; changes_judge() decides by names and by what is on the
 *            host, never by what the bottle says of itself
 * Ownership: changes borrow the two trees
 */

/** enum change_kind - What the bottle did */
enum change_kind {
	CHANGE_ADD,
	CHANGE_MODIFY,
	CHANGE_DELETE,

	CHANGE_NUM_KINDS,
};

/** enum change_state - What becomes of it */
enum change_state {
	CHANGE_WANTED = 0, /* may be brought */
	CHANGE_DONE,       /* has been brought, or the host has the same */
	CHANGE_CONFLICT,   /* the host has something else than at the start */
	CHANGE_LINK,       /* a link to something outside the directory */
	CHANGE_LEFT,       /* the user did not want it */
	CHANGE_FAILED,     /* the host refused */

	CHANGE_NUM_STATES,
};
extern const char *const change_state_str[CHANGE_NUM_STATES];

/**
 * struct change - One path
 * @was, @is:	at the start and in the bottle; NULL: not there
 * @failed:	errno of CHANGE_FAILED
 */
struct change {
	const char *path;
	const struct tree_entry *was, *is;
	enum change_kind kind;
	enum change_state state;
	enum names_run run;
	int failed;
};

struct changes {
	struct change *list;
	size_t n;
};

void changes_release(struct changes *c);
#define changes_auto BB_CLEANUP(changes_release)

/** changes_make() - In order of path. Return: 0 with @ret owned; -ENOMEM */
BB_MUST_USE int changes_make(const struct tree *was, const struct tree *is, struct changes *ret);

/**
 * changes_judge() - Set the state of each
 * @host:	the directory as it is now
 */
void changes_judge(struct changes *c, int host);

/** changes_count() - How many have @state (and @run, unless NAMES_NUM_RUNS) */
size_t changes_count(const struct changes *c, enum change_state state, enum names_run run);

/**
 * changes_settle() - What counts as the start from now on
 * @ret:	@was with every CHANGE_DONE in it
 *
 * Return: 0 with @ret owned; -ENOMEM
 */
BB_MUST_USE int changes_settle(const struct changes *c, const struct tree *was, struct tree *ret);
#endif
