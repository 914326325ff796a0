/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/egress/minted.h"
#include "policy/credential.h"
#include "scan/view.h"
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <strings.h>

#define JSON_DEPTH_MAX 16

size_t minted_plain(struct bb_span text, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len;) {
		uint8_t c = text.p[i];
		int used = view_escape(text.p + i, text.len - i, &c);

		out[n++] = c;
		i += used > 0 ? (size_t)used : 1;
	}
	return n;
}

struct bb_span minted_cookie(struct bb_span name, struct bb_span value)
{
	return (struct bb_span){ name.p, name.len + 1 + value.len };
}

int minted_init(struct minted *m)
{
	return RAND_bytes(m->key, sizeof(m->key)) == 1 ? 0 : -ENOMEM;
}

enum kind { KIND_VALUE = 'v', KIND_COOKIE = 'c' };

static bool fingerprint(const struct minted *m, const char *host, enum kind kind,
			struct bb_span value, uint8_t out[static EVP_MAX_MD_SIZE])
{
	uint8_t text[256 + 4096];
	size_t host_len = strlen(host) + 1;
	unsigned int len = 0;

	if (host_len + 1 > 256 || value.len > 4096 || value.len < MINTED_MIN)
		return false;
	memcpy(text, host, host_len);
	text[host_len++] = (uint8_t)kind;
	memcpy(text + host_len, value.p, value.len);
	return HMAC(EVP_sha256(), m->key, sizeof(m->key), text, host_len + value.len, out, &len) !=
	       NULL;
}

static bool has(const struct minted *m, const char *host, enum kind kind, struct bb_span value)
{
	uint8_t print[EVP_MAX_MD_SIZE];

	if (!fingerprint(m, host, kind, value, print))
		return false;
	for (size_t i = 0; i < MINTED_MAX; i++) {
		if (memcmp(m->prints[i], print, MINTED_PRINT) == 0)
			return true;
	}
	return false;
}

bool minted_has(const struct minted *m, const char *host, struct bb_span value)
{
	return has(m, host, KIND_VALUE, value);
}

bool minted_has_cookie(const struct minted *m, const char *host, struct bb_span pair)
{
	return has(m, host, KIND_COOKIE, pair);
}

static void add(struct minted *m, const char *host, enum kind kind, struct bb_span value)
{
	uint8_t print[EVP_MAX_MD_SIZE];

	if (!has(m, host, kind, value) && fingerprint(m, host, kind, value, print))
		memcpy(m->prints[m->next++ % MINTED_MAX], print, MINTED_PRINT);
}

static bool was_said(struct minted_said *said, struct bb_span value)
{
	for (size_t i = 0; i < MINTED_TEXTS; i++) {
		const struct bb_span *t = &said->texts[i];

		if (t->len > said->work)
			return true;
		said->work -= t->len;
		if (t->len && memmem(t->p, t->len, value.p, value.len))
			return true;
	}
	return false;
}

bool minted_add(struct minted *m, const char *host, struct bb_span value)
{
	uint8_t text[4096];
	struct bb_span plain = { text, 0 };

	if (value.len < MINTED_MIN || minted_has(m, host, value))
		return true;
	if (m->said && value.len <= sizeof(text))
		plain.len = minted_plain(value, text);
	if (m->said && (was_said(m->said, value) ||
			(!bb_span_eq(plain, value) && plain.len && was_said(m->said, plain))))
		return false;
	add(m, host, KIND_VALUE, value);
	return true;
}

void minted_from_url(struct minted *m, const char *host, struct bb_span url)
{
	const uint8_t *mark = url.len ? memchr(url.p, '?', url.len) : NULL;
	struct bb_span rest, name, value;

	if (!mark)
		return;
	rest = (struct bb_span){ mark + 1, url.len - (size_t)(mark + 1 - url.p) };
	while (credential_next_query(&rest, &name, &value))
		(void)minted_add(m, host, value);
}

void minted_from_cookie(struct minted *m, const char *host, struct bb_span field)
{
	struct bb_span name, value;

	if (credential_next_pair(&field, ';', &name, &value) && !minted_add(m, host, value))
		add(m, host, KIND_COOKIE, minted_cookie(name, value));
}

static void from_text(struct minted *m, const char *host, const char *key, const char *text)
{
	bool basic;

	if (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0)
		minted_from_url(m, host, BB_SPAN_STR(text));
	if (!key)
		return;
	if (strcasecmp(key, "authorization") == 0)
		(void)minted_add(m, host, credential_value(BB_SPAN_STR(text), &basic));
	else if (strcasestr(key, "token") || strcasestr(key, "secret") || strcasestr(key, "jwt"))
		(void)minted_add(m, host, BB_SPAN_STR(text));
}

static void walk(struct minted *m, const char *host, const char *key, const json_t *j,
		 unsigned int depth)
{
	const char *name;
	json_t *value;
	size_t i;

	if (depth > JSON_DEPTH_MAX)
		return;
	if (json_is_string(j)) {
		from_text(m, host, key, json_string_value(j));
		return;
	}
	json_object_foreach((json_t *)j, name, value)
	{
		walk(m, host, name, value, depth + 1);
	}
	json_array_foreach(j, i, value)
	{
		walk(m, host, key, value, depth + 1);
	}
}

void minted_from_json(struct minted *m, const char *host, struct bb_span json)
{
	json_error_t je;
	json_auto_t *j = json_loadb((const char *)json.p, json.len, 0, &je);

	if (j)
		walk(m, host, NULL, j, 0);
}
