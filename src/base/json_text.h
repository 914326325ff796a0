/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_JSON_TEXT_H
#define BB_BASE_JSON_TEXT_H
#include "base/buf.h"

/**
 * DOC: json_text - write hostile octets as a JSON string
 *
 * Layer:     base
 * Used by:   recorder (audit lines), egress (403 bodies)
 * Trust:     any octets in; out only printable ASCII: control octets, DEL, quotes, backslash and
 *            everything from 0x80 are escaped as \u00NN, so no terminal sequence survives
 * Source:    RFC 8259 section 7
 */

/** bb_json_string() - Append @s with quotes. Returns as bb_buf_add() */
BB_MUST_USE int bb_json_string(struct bb_buf *b, struct bb_span s);
#endif
