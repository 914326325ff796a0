/* SPDX-License-Identifier: Apache-2.0 */
/* What the egress guard is told, and what the guest gets in its place */
#include "proc/cli/plan.h"
#include <errno.h>
#include <math.h>
#include <openssl/rand.h>
#include <stdio.h>

#define SECRET_LENGTH 16
#define SECRET_BITS   3.0
/* A name that whoever collects credentials takes, and that no program reads */
#define CANARY_NAME   "DEPLOY_SIGNING_SECRET"
#define CANARY_LENGTH 40

bool plan_looks_secret(const char *value)
{
	size_t count[256] = { 0 }, len = strlen(value);
	double bits = 0;

	if (len < SECRET_LENGTH)
		return false;
	for (size_t i = 0; i < len; i++)
		count[(unsigned char)value[i]]++;
	for (size_t i = 0; i < BB_ARRAY_LEN(count); i++) {
		double share = (double)count[i] / (double)len;

		if (count[i])
			bits -= share * log2(share);
	}
	return bits >= SECRET_BITS;
}

/* Letters and digits, which is what is searched for */
static bool is_searchable(const char *value)
{
	size_t n = 0;

	for (const char *c = value; *c; c++)
		n += (*c >= '0' && *c <= '9') || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z');
	return n >= 12;
}

int plan_know(struct plan *p, const char *name, const char *value, const json_t *to, bool canary,
	      struct bb_err *err)
{
	json_t *one = json_pack("{s:s, s:s, s:o, s:b}", "name", name, "value", value, "to",
				to ? json_deep_copy(to) : json_array(), "canary", canary);

	if (!one || json_array_append_new(json_object_get(p->secrets, "known"), one) < 0)
		return bb_err_set(err, -EINVAL, "env.%.60s: the value is not UTF-8", name);
	if (!is_searchable(value))
		plan_warn(p,
			  "env.%s has fewer than 12 letters and digits: too short to be looked for "
			  "in what leaves",
			  name);
	return 0;
}

static int random_text(char *out, size_t len, struct bb_err *err)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t seed[64];

	if (len >= sizeof(seed) || RAND_bytes(seed, (int)len) != 1)
		return bb_err_set(err, -EIO, "no random octets");
	for (size_t i = 0; i < len; i++)
		out[i] = letters[seed[i] % 62];
	out[len] = '\0';
	return 0;
}

static bool has_token(const struct plan *p, const char *name)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(p->secrets, "tokens"), i, e)
	{
		if (strcmp(json_string_value(json_object_get(e, "name")), name) == 0)
			return true;
	}
	return false;
}

/* A line break would end the header that the value is put into */
static int check_value(const char *name, const char *value, struct bb_err *err)
{
	for (const char *c = value; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return bb_err_set(
				err, -EINVAL,
				"%s: the value has a control character or line break in it", name);
	}
	if (*value && strlen(value) < 8)
		return bb_err_set(err, -EPERM, "%s: the value is shorter than 8 characters", name);
	return 0;
}

static int add_token(struct plan *p, const char *name, struct bb_err *err)
{
	const char *found = json_string_value(json_object_get(p->found, name));
	const char *value = found ? found : getenv(name);
	char random[24], placeholder[256];
	json_t *one;
	int r = check_value(name, value ? value : "", err);

	if (r == 0)
		r = random_text(random, 22, err);
	if (r < 0)
		return r;
	if (json_object_get(p->env, name))
		return bb_err_set(err, -EPERM,
				  "%s is a route's token_ref and in env: tokens do not enter the "
				  "guest; remove it from env",
				  name);
	if (!value || !*value)
		plan_warn(p, "%s is not set: requests that need it are answered with 503", name);
	(void)snprintf(placeholder, sizeof(placeholder), "placeholder-%.60s-%s", name, random);
	one = json_pack("{s:s, s:s, s:s}", "name", name, "value", value ? value : "", "placeholder",
			placeholder);
	if (!one || json_array_append_new(json_object_get(p->secrets, "tokens"), one) < 0 ||
	    json_object_set_new(p->env, name, json_string(placeholder)) < 0)
		return bb_err_set(err, -EINVAL, "%s: the value is not UTF-8", name);
	return 0;
}

static int add_canary(struct plan *p, struct bb_err *err)
{
	char value[CANARY_LENGTH + 1];
	int r;

	if (json_object_get(p->env, CANARY_NAME))
		return 0; /* the manifest has use for the name */
	r = random_text(value, CANARY_LENGTH, err);
	if (r == 0)
		r = plan_know(p, CANARY_NAME, value, NULL, true, err);
	if (r == 0 && json_object_set_new(p->env, CANARY_NAME, json_string(value)) < 0)
		r = bb_err_set(err, -ENOMEM, "no memory");
	return r;
}

int plan_secrets(struct plan *p, struct bb_err *err)
{
	for (size_t i = 0; i < p->policy.n_routes; i++) {
		const struct content_auth *a = &p->policy.routes[i].content->auth;
		int r;

		if (p->policy.routes[i].content->credentials == CONTENT_PASS)
			plan_warn(p, "credentials: pass: the guest may send any credential to %s",
				  p->policy.routes[i].host);
		if (a->scheme == CONTENT_AUTH_NONE || has_token(p, a->token_ref))
			continue;
		r = add_token(p, a->token_ref, err);
		if (r < 0)
			return r;
	}
	return add_canary(p, err);
}
