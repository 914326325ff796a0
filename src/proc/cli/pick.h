/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_PICK_H
#define BB_PROC_CLI_PICK_H
#include "base/base.h"

/** DOC: pick - which agent is to be started, asked on the terminal */

/**
 * pick_agent() - Show the agents there are and ask
 * @ret:	owned; NULL when none was wanted, or there is none
 *
 * Return: 0; -ECANCELED without an answer, -EINVAL for a wrong one, with @err
 */
BB_MUST_USE int pick_agent(char **ret, struct bb_err *err);
#endif
