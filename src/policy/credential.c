/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/credential.h"
#include "policy/field.h"

static const char *const authorization_fields[] = {
	"authorization",
	"x-authorization",
	"x-forwarded-authorization",
	"x-amz-authorization",
};

static const char *const value_fields[] = {
	"api-key",
	"apikey",
	"x-api-key",
	"x-apikey",
	"x-api-token",
	"x-access-key",
	"x-access-token",
	"x-amz-security-token",
	"x-auth",
	"x-auth-key",
	"x-auth-token",
	"x-client-secret",
	"x-consul-token",
	"x-figma-token",
	"x-functions-key",
	"x-gitea-token",
	"x-github-token",
	"x-gitlab-token",
	"x-goog-api-key",
	"x-goog-iam-authorization-token",
	"x-jfrog-art-api",
	"x-ms-token-aad-access-token",
	"x-nuget-apikey",
	"x-octopus-apikey",
	"x-plex-token",
	"x-rapidapi-key",
	"x-redmine-api-key",
	"x-secret-key",
	"x-sentry-auth",
	"x-shopify-access-token",
	"x-token",
	"x-tracker-token",
	"x-vault-token",
	"x-algolia-api-key",
	"x-dd-api-key",
	"circle-token",
	"dd-api-key",
	"dd-application-key",
	"deploy-token",
	"job-token",
	"ocp-apim-subscription-key",
	"private-token",
	"token",
};

static const char *const parameters[] = {
	"access_key",
	"access_token",
	"accesstoken",
	"api_key",
	"api_token",
	"apikey",
	"api-key",
	"auth",
	"auth_token",
	"authorization",
	"client_secret",
	"id_token",
	"jwt",
	"job_token",
	"key",
	"password",
	"private_token",
	"refresh_token",
	"secret",
	"sessionid",
	"session_token",
	"sig",
	"signature",
	"subscription-key",
	"token",
	"x-amz-credential",
	"x-amz-security-token",
	"x-amz-signature",
	"x-goog-credential",
	"x-goog-signature",
};

static const char *const signature_schemes[] = {
	"aws",
	"aws4-hmac-sha256",
	"aws4-ecdsa-p256-sha256",
	"digest",
	"goog1",
	"goog4-rsa",
	"hawk",
	"hmac",
	"negotiate",
	"ntlm",
	"oauth",
	"sharedkey",
	"sharedkeylite",
	"signature",
	"dpop",
};

static bool is_one_of(struct bb_span s, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (field_is(s, names[i]))
			return true;
	}
	return false;
}

static struct bb_span trim(struct bb_span s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct bb_span){ s.p + 1, s.len - 1 };
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

enum credential_kind credential_field(struct bb_span name)
{
	if (is_one_of(name, authorization_fields, BB_ARRAY_LEN(authorization_fields)))
		return CREDENTIAL_AUTHORIZATION;
	if (is_one_of(name, (const char *const[]){ "cookie", "cookie2" }, 2))
		return CREDENTIAL_COOKIE;
	if (is_one_of(name, value_fields, BB_ARRAY_LEN(value_fields)))
		return CREDENTIAL_FIELD;
	return CREDENTIAL_NONE;
}

bool credential_parameter(struct bb_span name)
{
	return is_one_of(name, parameters, BB_ARRAY_LEN(parameters));
}

static struct bb_span scheme_of(struct bb_span value)
{
	size_t n = 0;

	while (n < value.len && value.p[n] != ' ' && value.p[n] != '\t')
		n++;
	return (struct bb_span){ value.p, n };
}

/* Without a space all of it is the value: some clients send the bare token */
struct bb_span credential_value(struct bb_span authorization, bool *ret_basic)
{
	struct bb_span value = trim(authorization), scheme = scheme_of(value);

	*ret_basic = is_one_of(scheme, (const char *const[]){ "basic" }, 1);
	if (scheme.len == value.len)
		return *ret_basic ? (struct bb_span){ 0 } : value;
	return trim((struct bb_span){ value.p + scheme.len, value.len - scheme.len });
}

struct bb_span credential_basic_secret(struct bb_span pair)
{
	const uint8_t *colon = pair.len ? memchr(pair.p, ':', pair.len) : NULL;
	struct bb_span password;

	if (!colon)
		return pair;
	password = (struct bb_span){ colon + 1, (size_t)(pair.p + pair.len - colon - 1) };
	if (password.len == 0 || bb_span_eq(password, BB_SPAN_STR("x-oauth-basic")))
		return (struct bb_span){ pair.p, (size_t)(colon - pair.p) };
	return password;
}

bool credential_is_signature(struct bb_span authorization)
{
	return is_one_of(scheme_of(trim(authorization)), signature_schemes,
			 BB_ARRAY_LEN(signature_schemes));
}

bool credential_next_pair(struct bb_span *rest, char separator, struct bb_span *ret_name,
			  struct bb_span *ret_value)
{
	const uint8_t *end, *equals;
	struct bb_span piece = *rest;

	if (rest->len == 0)
		return false;
	end = memchr(rest->p, separator, rest->len);
	if (end)
		piece.len = (size_t)(end - rest->p);
	*rest = end ? (struct bb_span){ end + 1, rest->len - piece.len - 1 }
		    : (struct bb_span){ rest->p + rest->len, 0 };
	piece = trim(piece);
	equals = piece.len ? memchr(piece.p, '=', piece.len) : NULL;
	*ret_name = piece;
	*ret_value = (struct bb_span){ 0 };
	if (equals) {
		ret_name->len = (size_t)(equals - piece.p);
		*ret_value = (struct bb_span){ equals + 1, piece.len - ret_name->len - 1 };
	}
	return true;
}

bool credential_next_parameter(struct bb_span *rest, struct bb_span *ret_name,
			       struct bb_span *ret_value)
{
	const uint8_t *amp = rest->len ? memchr(rest->p, '&', rest->len) : NULL;
	const uint8_t *semi = rest->len ? memchr(rest->p, ';', rest->len) : NULL;

	return credential_next_pair(rest, semi && (!amp || semi < amp) ? ';' : '&', ret_name,
				    ret_value);
}

bool credential_next_query(struct bb_span *rest, struct bb_span *ret_name,
			   struct bb_span *ret_value)
{
	uint8_t name[32];

	/* Names may be written in escapes: "to%6ben" is "token" to every server */
	while (credential_next_parameter(rest, ret_name, ret_value)) {
		size_t n = field_unescape(*ret_name, name, sizeof(name));

		if (ret_value->len && credential_parameter((struct bb_span){ name, n }))
			return true;
	}
	return false;
}
