/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_POLICY_CREDENTIAL_H
#define BB_POLICY_CREDENTIAL_H
#include "base/base.h"

/**
 * DOC: credential - where credentials stand in a request
 *
 * A credential is known by its position, never by its looks: the Authorization field and its many
 * relatives, cookies, and query parameters with names that servers read credentials from.
 *
 * Layer:     policy (pure)
 * Used by:   egress
 * Trust:     guest-controlled
 * Source:    RFC 9110 section 11, RFC 6750 section 2.3, vendors' documentation; the names are the
 *            tables at the top of credential.c
 */
enum credential_kind {
	CREDENTIAL_NONE = 0,
	CREDENTIAL_AUTHORIZATION, /* scheme SP value */
	CREDENTIAL_FIELD,         /* the value is the credential */
	CREDENTIAL_COOKIE,        /* name=value pairs */
};

/** credential_field() - What a header field of this name holds */
enum credential_kind credential_field(struct bb_span name);

/** credential_parameter() - Is this the name of a query parameter for credentials? */
bool credential_parameter(struct bb_span name);

/**
 * credential_value() - The secret part of an Authorization value
 * @ret_basic:	The scheme is Basic: the value is base64 of "user:password"
 */
struct bb_span credential_value(struct bb_span authorization, bool *ret_basic);

/**
 * credential_basic_secret() - Of "user:password" the secret part: the password, but the user's name
 * in "TOKEN:" and "TOKEN:x-oauth-basic"; without a colon all of it
 */
struct bb_span credential_basic_secret(struct bb_span pair);

/** credential_is_signature() - A scheme that signs the request: nobody else can put it in */
bool credential_is_signature(struct bb_span authorization);

/**
 * credential_next_pair() - Take the next "name=value" off a list
 * @separator:	'&' for a query, ';' for cookies (white space around a cookie is dropped)
 *
 * Return: false when nothing is left; a piece without '=' is a name with an empty value
 */
bool credential_next_pair(struct bb_span *rest, char separator, struct bb_span *ret_name,
			  struct bb_span *ret_value);

/**
 * credential_next_parameter() - Of a query the next "name=value", as it is written; behind it
 * stands '&', or ';' as HTML 4 had it and some servers still do
 */
bool credential_next_parameter(struct bb_span *rest, struct bb_span *ret_name,
			       struct bb_span *ret_value);

/** credential_next_query() - The next parameter that holds a non-empty credential, or false */
bool credential_next_query(struct bb_span *rest, struct bb_span *ret_name,
			   struct bb_span *ret_value);
#endif
