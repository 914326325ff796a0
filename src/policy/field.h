/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_FIELD_H
#define BB_POLICY_FIELD_H
#include "base/base.h"

/**
 * DOC: field - names of fields and parameters as the most lenient server compares them
 *
 * CGI and its heirs read '-' and '_' as the same, old ones every sign; PHP does so with parameters.
 *
 * Layer:     policy (pure)
 * Used by:   policy, egress
 * Trust:     guest-controlled
 * Source:    RFC 3875 section 4.1.18
 */

/** field_is() - Is @name some server's @want? Cases are alike, and so are signs */
bool field_is(struct bb_span name, const char *want);

/** field_unescape() - Percent-decode once, as far as @cap goes; a broken escape stays as it is.
 * Return: length */
size_t field_unescape(struct bb_span text, uint8_t *out, size_t cap);
#endif
