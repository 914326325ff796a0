/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_SCAN_PARTS_H
#define BB_SCAN_PARTS_H
#include "base/base.h"

/**
 * DOC: parts - what of a secret's text is secret
 *
 * Not the scheme, user name and host of a URL (but a user name that is a token: with an empty
 * password, with "x-oauth-basic", or long and of letters and digits by turns), not the armour of
 * PEM and what all keys of a kind begin with, not the header of a JWT, not a vendor's prefix, and
 * not twelve letters and digits in a row that are one again and again, or stand in the alphabet's
 * order: others write these too, and a search for them would stop text that has nothing to do with
 * the secret.
 *
 * What is escaped in a part stays so: known_db_new() looks for it undone as well. A password ends
 * at the last '@' before the path, where clients end it, though RFC 3986 wants those in it escaped;
 * one that has a '/', '?' or '#' in it, at the last '@' of all.
 *
 * Layer:     scan (pure)
 * Used by:   egress
 * Trust:     the operator's own secrets
 * Source:    RFC 3986 section 3, RFC 7468, RFC 7519 section 3.1
 */
#define PARTS_MAX 8

/** parts_of() - @ret: PARTS_MAX pieces of @value, in order, none empty. Return: how many */
size_t parts_of(struct bb_span value, struct bb_span *ret);

/** parts_of_text() - The same of what is no URL, key or token: only the alphabet's order is left
 * out */
size_t parts_of_text(struct bb_span value, struct bb_span *ret);
#endif
