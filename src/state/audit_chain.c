/* SPDX-License-Identifier: Apache-2.0 */
#include "state/audit_chain.h"
#include "base/io.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>

#define MEMBER   ",\"chain\":\""
#define KEY_LEN  32
#define SIG_LEN  64
#define HEAD_MAX 4096

static_assert(sizeof(MEMBER) - 1 + 2 * AUDIT_CHAIN_BYTES + 2 == AUDIT_CHAIN_SUFFIX, "suffix");

/* ---- the chain ---- */

static int sha256(struct bb_span a, struct bb_span b, struct bb_span c, uint8_t *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		  EVP_DigestUpdate(ctx, a.p, a.len) && EVP_DigestUpdate(ctx, b.p, b.len) &&
		  EVP_DigestUpdate(ctx, c.p, c.len) && EVP_DigestFinal_ex(ctx, ret, NULL);

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

int audit_chain_begin(struct audit_chain *c, const char *identity)
{
	*c = (struct audit_chain){ 0 };
	return sha256(BB_SPAN_STR("bot-bottle audit 1\n"), BB_SPAN_STR(identity), BB_SPAN_STR("\n"),
		      c->at);
}

static void to_hex(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = 0;
}

static bool from_hex(const uint8_t *p, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++) {
		int high = bb_hex_value(p[2 * i]), low = bb_hex_value(p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The text without its last brace, and what comes after @at because of it */
static int next_of(const struct audit_chain *c, struct bb_span open, uint8_t *ret)
{
	return sha256((struct bb_span){ c->at, sizeof(c->at) }, open, BB_SPAN_STR("}"), ret);
}

int audit_chain_add(struct audit_chain *c, struct bb_buf *line)
{
	bool feed = line->len && line->p[line->len - 1] == '\n';
	size_t len = line->len - feed;
	static const char room[AUDIT_CHAIN_SUFFIX];
	char hex[2 * AUDIT_CHAIN_BYTES + 1];
	uint8_t next[AUDIT_CHAIN_BYTES];
	int r;

	if (len < 3 || line->p[0] != '{' || line->p[len - 1] != '}')
		return -EINVAL;
	r = next_of(c, (struct bb_span){ line->p, len - 1 }, next);
	if (r < 0)
		return r;
	to_hex(next, sizeof(next), hex);
	r = bb_buf_add(line, room, sizeof(room)); /* or nothing is changed */
	if (r < 0)
		return r;
	(void)snprintf((char *)line->p + len - 1, AUDIT_CHAIN_SUFFIX + 1, MEMBER "%s\"}", hex);
	line->len = len - 1 + AUDIT_CHAIN_SUFFIX;
	if (feed)
		line->p[line->len++] = '\n';
	memcpy(c->at, next, sizeof(next));
	c->records++;
	return 0;
}

/* Parts of a line that has the member. Return: false when it has not */
static bool split(struct bb_span line, struct bb_span *ret_open, uint8_t *ret_chain)
{
	const uint8_t *suffix;

	if (line.len < AUDIT_CHAIN_SUFFIX + 2 || line.p[0] != '{')
		return false;
	suffix = line.p + line.len - AUDIT_CHAIN_SUFFIX;
	*ret_open = (struct bb_span){ line.p, line.len - AUDIT_CHAIN_SUFFIX };
	return memcmp(suffix, MEMBER, strlen(MEMBER)) == 0 &&
	       memcmp(line.p + line.len - 2, "\"}", 2) == 0 &&
	       from_hex(suffix + strlen(MEMBER), AUDIT_CHAIN_BYTES, ret_chain);
}

enum audit_link audit_chain_check(struct audit_chain *c, struct bb_span line)
{
	uint8_t says[AUDIT_CHAIN_BYTES], is[AUDIT_CHAIN_BYTES];
	struct bb_span open;
	bool ok;

	if (!split(line, &open, says))
		return AUDIT_LINK_NONE;
	ok = next_of(c, open, is) == 0 && memcmp(is, says, sizeof(is)) == 0;
	memcpy(c->at, says, sizeof(says));
	c->records++;
	return ok ? AUDIT_LINK_OK : AUDIT_LINK_BROKEN;
}

bool audit_chain_take(struct audit_chain *c, struct bb_span line)
{
	struct bb_span open;
	uint8_t says[AUDIT_CHAIN_BYTES];

	if (!split(line, &open, says))
		return false;
	memcpy(c->at, says, sizeof(says));
	c->records++;
	return true;
}

/* ---- the head ---- */

int audit_head_text(const struct audit_chain *c, struct bb_buf *ret)
{
	char hex[2 * AUDIT_CHAIN_BYTES + 1];

	to_hex(c->at, sizeof(c->at), hex);
	return bb_buf_addf(ret, "{\"records\":%llu,\"chain\":\"%s\"}\n",
			   (unsigned long long)c->records, hex);
}

/* Under its name it is there as a whole, or not: one that was cut short would be none for ever */
static int write_key(int dir, const uint8_t key[static KEY_LEN])
{
	bb_auto_close int fd = -1;
	char tmp[64];
	int r;

	(void)snprintf(tmp, sizeof(tmp), "." AUDIT_KEY_NAME ".%d", (int)getpid());
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = bb_write_full(fd, key, KEY_LEN);
	if (r == 0 && (fsync(fd) < 0 || linkat(dir, tmp, dir, AUDIT_KEY_NAME, 0) < 0))
		r = -errno;
	(void)unlinkat(dir, tmp, 0);
	return r;
}

static int make_key(int dir, uint8_t key[static KEY_LEN], struct bb_err *err)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t len = KEY_LEN;
	int r;
	bool ok = pkey && EVP_PKEY_get_raw_private_key(pkey, key, &len) == 1 && len == KEY_LEN;

	EVP_PKEY_free(pkey);
	if (!ok)
		return bb_err_set(err, -EIO, AUDIT_KEY_NAME ": no key can be made");
	r = write_key(dir, key);
	return r < 0 ? bb_err_set(err, r, AUDIT_KEY_NAME ": %s", strerror(-r)) : 0;
}

static int read_key(int dir, uint8_t key[static KEY_LEN], struct bb_err *err)
{
	bb_auto_close int fd =
		openat(dir, AUDIT_KEY_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return bb_err_set(err, -errno, AUDIT_KEY_NAME ": %s", strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077) || bb_read_full(fd, key, KEY_LEN) < 0)
		return bb_err_set(err, -EPERM,
				  AUDIT_KEY_NAME ": not 32 octets that only its owner can read");
	return 0;
}

/* What is signed */
static int message(const char *identity, const struct audit_head *h, struct bb_buf *ret)
{
	char hex[2 * AUDIT_CHAIN_BYTES + 1];

	to_hex(h->chain.at, sizeof(h->chain.at), hex);
	return bb_buf_addf(ret, "bot-bottle audit head 1\n%s\n%llu\n%s\n%llu\n", identity,
			   (unsigned long long)h->chain.records, hex,
			   (unsigned long long)h->time_ms);
}

/* With @sign: make @sig, else check it */
static bool signature(const uint8_t *key, struct bb_span text, bool sign,
		      uint8_t sig[static SIG_LEN])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, KEY_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = SIG_LEN;
	bool ok = false;

	if (pkey && ctx && sign)
		ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		     EVP_DigestSign(ctx, sig, &len, text.p, text.len) == 1 && len == SIG_LEN;
	else if (pkey && ctx)
		ok = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		     EVP_DigestVerify(ctx, sig, SIG_LEN, text.p, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

/* Records, chain, and what the signature adds. Return: 0, -ENOENT, -ENODATA (empty), -EBADMSG */
static int load_head(int dir, struct audit_head *ret, uint8_t sig[static SIG_LEN])
{
	bb_auto_close int fd =
		openat(dir, AUDIT_HEAD_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const char *chain = NULL, *text = NULL;
	bb_auto_buf struct bb_buf b;
	json_auto_t *json = NULL;
	json_int_t records = -1, time_ms = 0;

	bb_buf_init(&b, HEAD_MAX);
	if (fd < 0)
		return -errno;
	if (bb_read_all(fd, &b) < 0)
		return -EBADMSG;
	if (b.len == 0)
		return -ENODATA;
	json = json_loadb((const char *)b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json || json_unpack(json, "{s:I, s:s, s?I, s?s}", "records", &records, "chain", &chain,
				 "time_ms", &time_ms, "signature", &text) < 0)
		return -EBADMSG;
	*ret = (struct audit_head){ .time_ms = (uint64_t)time_ms,
				    .chain.records = (uint64_t)records };
	if (records < 0 || time_ms < 0 || strlen(chain) != sizeof(ret->chain.at) * 2 ||
	    !from_hex((const uint8_t *)chain, sizeof(ret->chain.at), ret->chain.at))
		return -EBADMSG;
	if (!text)
		return 0;
	ret->is_signed = strlen(text) == (size_t)SIG_LEN * 2 &&
			 from_hex((const uint8_t *)text, SIG_LEN, sig);
	return ret->is_signed ? 0 : -EBADMSG;
}

static int write_head(int dir, const struct audit_head *h, const uint8_t *sig, struct bb_err *err)
{
	char chain[2 * AUDIT_CHAIN_BYTES + 1], hex[2 * SIG_LEN + 1];
	bb_auto_close int fd = -1;
	bb_auto_buf struct bb_buf b;

	to_hex(h->chain.at, sizeof(h->chain.at), chain);
	to_hex(sig, SIG_LEN, hex);
	bb_buf_init(&b, HEAD_MAX);
	if (bb_buf_addf(
		    &b,
		    "{\"records\":%llu,\"chain\":\"%s\",\"time_ms\":%llu,\"signature\":\"%s\"}\n",
		    (unsigned long long)h->chain.records, chain, (unsigned long long)h->time_ms,
		    hex) < 0)
		return bb_err_set(err, -ENOMEM, "no memory");
	fd = openat(dir, AUDIT_HEAD_NAME ".new",
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || bb_write_full(fd, b.p, b.len) < 0 || fsync(fd) < 0 ||
	    renameat(dir, AUDIT_HEAD_NAME ".new", dir, AUDIT_HEAD_NAME) < 0)
		return bb_err_set(err, -errno, AUDIT_HEAD_NAME ": %s", strerror(errno));
	return 0;
}

/* The user's key, in the directory above a bottle's */
static int user_key(int state_dir, bool make, uint8_t key[static KEY_LEN], struct bb_err *err)
{
	bb_auto_close int up = openat(state_dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bb_err other = { 0 };
	int r;

	if (up < 0)
		return bb_err_set(err, -errno, AUDIT_KEY_NAME ": %s", strerror(errno));
	r = read_key(up, key, &other);
	if (r == -ENOENT && make) {
		r = make_key(up, key, err);
		if (r != -EEXIST)
			return r;
		*err = (struct bb_err){ 0 }; /* another bottle was first */
		r = read_key(up, key, &other);
	}
	return r < 0 ? bb_err_set(err, r, "%s", other.msg) : 0;
}

int audit_head_sign(int state_dir, const char *identity, uint64_t wall_ms, struct bb_err *err)
{
	uint8_t key[KEY_LEN], sig[SIG_LEN];
	bb_auto_buf struct bb_buf text;
	struct audit_head h = { 0 };
	int r = load_head(state_dir, &h, sig);

	bb_buf_init(&text, HEAD_MAX);
	if (r == -ENOENT || r == -ENODATA)
		return bb_err_set(err, -ENODATA,
				  "the recorder was killed: the audit is not signed");
	if (r < 0)
		return bb_err_set(err, r, AUDIT_HEAD_NAME ": %s", strerror(-r));
	h.time_ms = wall_ms;
	r = user_key(state_dir, true, key, err);
	if (r == 0 &&
	    (message(identity, &h, &text) < 0 || !signature(key, bb_buf_span(&text), true, sig)))
		r = bb_err_set(err, -EIO, AUDIT_HEAD_NAME ": cannot be signed");
	explicit_bzero(key, sizeof(key));
	return r == 0 ? write_head(state_dir, &h, sig, err) : r;
}

int audit_head_read(int state_dir, const char *identity, struct audit_head *ret, struct bb_err *err)
{
	uint8_t key[KEY_LEN], sig[SIG_LEN];
	bb_auto_buf struct bb_buf text;
	int r = load_head(state_dir, ret, sig);

	bb_buf_init(&text, HEAD_MAX);
	if (r == -ENODATA || (r == 0 && !ret->is_signed))
		r = -ENOENT;
	if (r == -ENOENT)
		return bb_err_set(err, r, "the audit is not signed");
	if (r < 0)
		return bb_err_set(err, -EBADMSG, AUDIT_HEAD_NAME " is damaged");
	r = user_key(state_dir, false, key, err);
	if (r == 0 &&
	    (message(identity, ret, &text) < 0 || !signature(key, bb_buf_span(&text), false, sig)))
		r = bb_err_set(err, -EBADMSG, "the signature in " AUDIT_HEAD_NAME " is not yours");
	explicit_bzero(key, sizeof(key));
	return r;
}
