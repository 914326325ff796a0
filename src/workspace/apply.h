/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WORKSPACE_APPLY_H
#define BB_WORKSPACE_APPLY_H
#include "workspace/changes.h"

/**
 * DOC: apply - bring changes into the user's directory
 *
 * Layer:     workspace
 * Used by:   cli (pull)
 * Trust:     names and contents are a guest's. Each name is resolved beneath the directory without
 *            following links; what is there is compared with the start once more just before it is
 *            replaced, by a rename; set-id bits do not exist here
 */

/**
 * apply_changes() - Bring every CHANGE_WANTED
 * @host:	the user's directory, borrowed
 * @stage:	where the bottle's files are, borrowed
 *
 * Each becomes CHANGE_DONE, CHANGE_CONFLICT or CHANGE_FAILED. One that fails keeps no other back.
 */
void apply_changes(struct changes *c, int host, int stage);
#endif
