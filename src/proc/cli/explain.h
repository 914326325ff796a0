/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_EXPLAIN_H
#define BB_PROC_CLI_EXPLAIN_H
#include "manifest/bottle.h"
#include "proc/cli/options.h"

/**
 * DOC: explain - why a request would pass or not, by the guard's own code
 *
 * Layer:     proc/cli
 */

/** explain_url() - check --url: would the bottle let this request out, rule by rule. Return: exit
 * code */
int explain_url(const struct bottle *b, const struct cli_args *args);
#endif
