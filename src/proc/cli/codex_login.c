/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/codex_login.h"
#include "base/io.h"
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <time.h>

#define FILE_MAX    (1u << 20)
#define ACCOUNT_MAX 64u
#define LATEST_MS   253402300799000ull /* the year 9999 */

void codex_login_release(struct codex_login *l)
{
	if (l->token)
		explicit_bzero(l->token, strlen(l->token));
	free(l->token);
	free(l->account);
	*l = (struct codex_login){ 0 };
}

/*
 * "exp" of a JWT (RFC 7519 section 4.1.4) in milliseconds; 0 when @token has none. Nothing is
 * verified: it only tells the token's own user that it is of no use any more.
 */
static uint64_t jwt_expiry_ms(const char *token)
{
	char text[CODEX_TOKEN_MAX + 4];
	unsigned char json[CODEX_TOKEN_MAX];
	const char *from = strchr(token, '.');
	size_t n = from ? strcspn(from + 1, ".") : 0, padded = n;
	json_auto_t *claims = NULL;
	const json_t *exp;
	json_int_t s;
	int len;

	if (n == 0 || n > CODEX_TOKEN_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		char c = from[1 + i];

		text[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
	}
	while (padded % 4)
		text[padded++] = '=';
	len = EVP_DecodeBlock(json, (unsigned char *)text, (int)padded);
	if (len > (int)(padded - n))
		claims = json_loadb((char *)json, (size_t)len - (padded - n), 0, NULL);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(json, sizeof(json));
	exp = json_object_get(claims, "exp");
	s = json_is_real(exp) ? (json_int_t)json_real_value(exp) : json_integer_value(exp);
	return s > 0 && (uint64_t)s <= LATEST_MS / 1000 ? (uint64_t)s * 1000 : 0;
}

static int check_expiry(const struct codex_login *l, uint64_t now_ms, struct bb_err *err)
{
	time_t s = (time_t)(l->expires_ms / 1000);
	char when[32] = "?";
	struct tm tm;

	if (!l->expires_ms || l->expires_ms > now_ms)
		return 0;
	if (gmtime_r(&s, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return bb_err_set(
		err, -EKEYEXPIRED,
		"the login ended at %s; renew it on this host: start codex there once, or "
		"codex login",
		when);
}

/* It goes into a header and into a file of the guest's as it is */
static bool is_account(const char *text)
{
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	return strlen(text) <= ACCOUNT_MAX && strspn(text, good) == strlen(text);
}

/* As Codex decides: what the file says of itself, else the key where there is one */
static int choose(const json_t *root, struct codex_login *ret, struct bb_err *err)
{
	const char *mode = json_string_value(json_object_get(root, "auth_mode"));
	const char *key = json_string_value(json_object_get(root, "OPENAI_API_KEY"));
	const json_t *tokens = json_object_get(root, "tokens");
	const json_t *account = json_object_get(tokens, "account_id");
	const char *token = json_string_value(json_object_get(tokens, "access_token"));
	const char *text = json_string_value(account);

	ret->is_key = mode ? strcmp(mode, "apikey") == 0 : key && *key;
	if (ret->is_key)
		token = key;
	if (!token || !*token)
		return bb_err_set(err, -ENOENT, "no login is in it: codex login");
	if (strlen(token) > CODEX_TOKEN_MAX)
		return bb_err_set(err, -EBADMSG, "its token is longer than %u octets: codex login",
				  CODEX_TOKEN_MAX);
	if (!ret->is_key && account && !json_is_null(account) && (!text || !is_account(text)))
		return bb_err_set(err, -EBADMSG,
				  "tokens.account_id is not of letters, digits, '-' and '_': codex "
				  "login");
	ret->token = strdup(token);
	ret->account = strdup(!ret->is_key && text ? text : "");
	return ret->token && ret->account ? 0 : bb_err_set(err, -ENOMEM, "no memory");
}

int codex_login_parse(struct bb_span text, uint64_t now_ms, struct codex_login *ret,
		      struct bb_err *err)
{
	BB_CLEANUP(codex_login_release) struct codex_login l = { 0 };
	json_auto_t *root =
		json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	int r;

	if (!json_is_object(root))
		return bb_err_set(err, -EBADMSG,
				  "this is not the JSON object that Codex writes: codex login");
	r = choose(root, &l, err);
	if (r < 0)
		return r;
	l.expires_ms = l.is_key ? 0 : jwt_expiry_ms(l.token);
	r = check_expiry(&l, now_ms, err);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct codex_login){ 0 };
	return 0;
}

int codex_login_read(struct codex_login *ret, struct bb_err *err)
{
	const char *home = getenv("HOME"), *dir = getenv("CODEX_HOME");
	bool own = dir && *dir;
	bb_auto_free char *path = NULL;
	bb_auto_buf struct bb_buf text;
	int r;

	bb_buf_init_secret(&text, FILE_MAX);
	if (asprintf(&path, "%s%s/auth.json",
		     own    ? dir
		     : home ? home
			    : "",
		     own ? "" : "/.codex") < 0) {
		path = NULL;
		return bb_err_set(err, -ENOMEM, "no memory");
	}
	r = bb_read_file(path, &text, err);
	if (r == -ENOENT) {
		*err = (struct bb_err){ 0 };
		return bb_err_set(
			err, r, "there is no %.120s: log in on this host first, codex login", path);
	}
	if (r == 0) {
		r = codex_login_parse(bb_buf_span(&text), bb_wall_ms(), ret, err);
		if (r < 0)
			r = bb_err_wrap(err, "%.120s", path);
	}
	return r;
}
