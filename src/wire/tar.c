/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/tar.h"
#include <assert.h>

const char *const tar_result_str[] = {
	[TAR_RESULT_OK] = "ok",
	[TAR_RESULT_BAD_CHECKSUM] = "bad checksum",
	[TAR_RESULT_BAD_NUMBER] = "bad number",
	[TAR_RESULT_BAD_MAGIC] = "not a ustar archive",
	[TAR_RESULT_BAD_TYPE] = "entry type not allowed",
	[TAR_RESULT_BAD_NAME] = "unsafe name",
	[TAR_RESULT_BAD_TARGET] = "bad link target",
	[TAR_RESULT_BAD_PAX] = "bad pax header",
	[TAR_RESULT_BAD_SIZE] = "bad size",
};
static_assert(BB_ARRAY_LEN(tar_result_str) == TAR_NUM_RESULTS,
	      "tar_result_str[] doesn't match enum tar_result");

/* Fields of a ustar header: offset and width */
struct field {
	size_t at, len;
};
static const struct field F_NAME = { 0, 100 }, F_MODE = { 100, 8 }, F_UID = { 108, 8 },
			  F_GID = { 116, 8 }, F_SIZE = { 124, 12 }, F_MTIME = { 136, 12 },
			  F_SUM = { 148, 8 }, F_LINK = { 157, 100 }, F_PREFIX = { 345, 155 };
enum { AT_TYPE = 156, AT_MAGIC = 257 };
#define OCTAL_MAX_12 077777777777u /* eleven digits */

enum state {
	STATE_HEADER, /* collecting a header block */
	STATE_PAX,    /* collecting pax records */
	STATE_LONG,   /* collecting a long name of GNU */
	STATE_DATA,   /* inside a file, then its padding */
	STATE_END,
	STATE_BAD,
};

bool tar_path_normalize(struct bb_span in, char out[static TAR_PATH_MAX])
{
	char path[TAR_PATH_MAX];
	size_t n = 0, at = 0;

	if (in.len == 0 || in.p[0] == '/' || memchr(in.p, '\0', in.len))
		return false;
	while (at < in.len) {
		const uint8_t *slash = memchr(in.p + at, '/', in.len - at);
		size_t len = slash ? (size_t)(slash - in.p) - at : in.len - at;

		if (len == 2 && memcmp(in.p + at, "..", 2) == 0)
			return false;
		if (len > 0 && !(len == 1 && in.p[at] == '.')) {
			if (n + (n > 0) + len >= sizeof(path))
				return false;
			if (n > 0)
				path[n++] = '/';
			memcpy(path + n, in.p + at, len);
			n += len;
		}
		at += len + 1;
	}
	if (n == 0)
		path[n++] = '.';
	memcpy(out, path, n);
	out[n] = '\0';
	return true;
}

void tar_reader_init(struct tar_reader *r)
{
	memset(r, 0, sizeof(*r));
}

void tar_reader_init_layer(struct tar_reader *r)
{
	tar_reader_init(r);
	r->is_layer = true;
}

bool tar_reader_is_done(const struct tar_reader *r)
{
	return r->state == STATE_END;
}

static enum tar_event refuse(struct tar_reader *r, enum tar_result why)
{
	r->result = why;
	r->state = STATE_BAD;
	return TAR_EVENT_BAD;
}

static struct bb_span text_field(const uint8_t *block, struct field f)
{
	const uint8_t *nul = memchr(block + f.at, '\0', f.len);

	return (struct bb_span){ block + f.at, nul ? (size_t)(nul - (block + f.at)) : f.len };
}

/* GNU: the first bit is set, the others are a number; none that is negative or needs 64 bits */
static bool binary_field(const uint8_t *p, size_t len, uint64_t *ret)
{
	uint64_t v = p[0] & 0x7f;

	for (size_t i = 1; i < len; i++) {
		if (v >> 55)
			return false;
		v = v << 8 | p[i];
	}
	*ret = v;
	return true;
}

/* Octal digits with spaces or NULs around them; base-256 of GNU only in layers */
static bool number_field(const struct tar_reader *r, struct field f, uint64_t *ret)
{
	const uint8_t *block = r->block;
	size_t i = f.at, end = f.at + f.len;
	uint64_t v = 0;

	if (r->is_layer && block[i] & 0x80)
		return binary_field(block + i, f.len, ret);
	while (i < end && block[i] == ' ')
		i++;
	while (i < end && block[i] >= '0' && block[i] <= '7')
		v = v << 3 | (uint64_t)(block[i++] - '0');
	while (i < end && (block[i] == ' ' || block[i] == '\0'))
		i++;
	if (i != end)
		return false;
	*ret = v; /* twelve digits of three bits cannot overflow */
	return true;
}

static uint64_t checksum(const uint8_t *block)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= F_SUM.at && i < F_SUM.at + F_SUM.len ? ' ' : block[i];
	return sum;
}

static bool decimal(struct bb_span s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > 18)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return true;
}

/* "12.345" and "-12.345": the fraction is dropped */
static bool pax_time(struct bb_span s, int64_t *ret)
{
	bool negative = s.len > 0 && s.p[0] == '-';
	const uint8_t *dot;
	uint64_t v;

	s.p += negative;
	s.len -= negative;
	dot = s.len ? memchr(s.p, '.', s.len) : NULL;
	if (dot)
		s.len = (size_t)(dot - s.p);
	if (!decimal(s, &v))
		return false;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool copy_text(struct bb_span in, char out[static TAR_PATH_MAX])
{
	if (in.len == 0 || in.len >= TAR_PATH_MAX || memchr(in.p, '\0', in.len))
		return false;
	memcpy(out, in.p, in.len);
	out[in.len] = '\0';
	return true;
}

static enum tar_result take_record(struct tar_reader *r, struct bb_span key, struct bb_span value)
{
	uint64_t id = 0;

	if (bb_span_eq(key, BB_SPAN_STR("path"))) {
		r->has_path = tar_path_normalize(value, r->over.path);
		return r->has_path ? TAR_RESULT_OK : TAR_RESULT_BAD_NAME;
	}
	if (bb_span_eq(key, BB_SPAN_STR("linkpath"))) {
		r->has_target = copy_text(value, r->over.target);
		return r->has_target ? TAR_RESULT_OK : TAR_RESULT_BAD_TARGET;
	}
	if (bb_span_eq(key, BB_SPAN_STR("size"))) {
		r->has_size = decimal(value, &r->over.size);
		return r->has_size ? TAR_RESULT_OK : TAR_RESULT_BAD_PAX;
	}
	if (bb_span_eq(key, BB_SPAN_STR("uid"))) {
		r->has_uid = decimal(value, &id) && id <= UINT32_MAX;
		r->over.uid = (uint32_t)id;
		return r->has_uid || !r->is_layer ? TAR_RESULT_OK : TAR_RESULT_BAD_PAX;
	}
	if (bb_span_eq(key, BB_SPAN_STR("gid"))) {
		r->has_gid = decimal(value, &id) && id <= UINT32_MAX;
		r->over.gid = (uint32_t)id;
		return r->has_gid || !r->is_layer ? TAR_RESULT_OK : TAR_RESULT_BAD_PAX;
	}
	if (bb_span_eq(key, BB_SPAN_STR("mtime"))) {
		r->has_mtime = pax_time(value, &r->over.mtime);
		return r->has_mtime ? TAR_RESULT_OK : TAR_RESULT_BAD_PAX;
	}
	/* GNU.sparse.* changes what the data means; other keys describe what we do not carry */
	if (key.len >= 10 && memcmp(key.p, "GNU.sparse", 10) == 0)
		return TAR_RESULT_BAD_TYPE;
	return TAR_RESULT_OK;
}

/* A record of the form "LENGTH key=value\n", LENGTH counting the whole of it; @in moves past it */
static bool next_record(struct bb_span *in, struct bb_span *key, struct bb_span *value)
{
	const uint8_t *space = memchr(in->p, ' ', in->len < 20 ? in->len : 20), *eq;
	struct bb_span record;
	uint64_t len;

	if (!space || !decimal((struct bb_span){ in->p, (size_t)(space - in->p) }, &len) ||
	    len > in->len || len < (size_t)(space - in->p) + 2 || in->p[len - 1] != '\n')
		return false;
	record.p = space + 1;
	record.len = (size_t)(in->p + len - 1 - record.p);
	eq = record.len ? memchr(record.p, '=', record.len) : NULL;
	if (!eq)
		return false;
	*key = (struct bb_span){ record.p, (size_t)(eq - record.p) };
	*value = (struct bb_span){ eq + 1, record.len - key->len - 1 };
	in->p += len;
	in->len -= len;
	return true;
}

static enum tar_result take_pax(struct tar_reader *r)
{
	struct bb_span in = { (const uint8_t *)r->pax, r->pax_len }, key, value;

	while (in.len) {
		enum tar_result res = TAR_RESULT_BAD_PAX;

		if (next_record(&in, &key, &value))
			res = take_record(r, key, value);
		if (res != TAR_RESULT_OK)
			return res;
	}
	r->has_pax = true;
	return TAR_RESULT_OK;
}

bool tar_reader_xattr(const struct tar_reader *r, size_t *at, struct bb_span *ret_name,
		      struct bb_span *ret_value)
{
	static const char prefix[] = "SCHILY.xattr.";
	const size_t n = sizeof(prefix) - 1;
	struct bb_span in, key, value;

	if (!r->pax_is_entrys)
		return false;
	in = (struct bb_span){ (const uint8_t *)r->pax + *at, r->pax_len - *at };
	while (in.len && next_record(&in, &key, &value)) {
		if (key.len <= n || memcmp(key.p, prefix, n) != 0)
			continue;
		*at = r->pax_len - in.len;
		*ret_name = (struct bb_span){ key.p + n, key.len - n };
		*ret_value = value;
		return true;
	}
	*at = r->pax_len;
	return false;
}

static bool take_type(const struct tar_reader *r, enum tar_type *ret)
{
	switch (r->block[AT_TYPE]) {
	case '0':
	case '\0':
		*ret = TAR_TYPE_FILE;
		return true;
	case '5':
		*ret = TAR_TYPE_DIR;
		return true;
	case '2':
		*ret = TAR_TYPE_SYMLINK;
		return true;
	case '1':
		*ret = TAR_TYPE_HARDLINK;
		return r->is_layer;
	case '3':
	case '4':
	case '6':
		*ret = TAR_TYPE_SPECIAL;
		return r->is_layer;
	default:
		return false;
	}
}

static bool take_name(struct tar_reader *r)
{
	struct bb_span prefix = text_field(r->block, F_PREFIX), name = text_field(r->block, F_NAME);
	uint8_t joined[256];
	size_t n = 0;

	if (r->has_path) {
		memcpy(r->entry.path, r->over.path, sizeof(r->entry.path));
		return true;
	}
	if (prefix.len) {
		memcpy(joined, prefix.p, prefix.len);
		joined[prefix.len] = '/';
		n = prefix.len + 1;
	}
	memcpy(joined + n, name.p, name.len);
	return name.len &&
	       tar_path_normalize((struct bb_span){ joined, n + name.len }, r->entry.path);
}

static bool take_target(struct tar_reader *r)
{
	r->entry.target[0] = '\0';
	if (r->entry.type != TAR_TYPE_SYMLINK && r->entry.type != TAR_TYPE_HARDLINK)
		return true;
	if (!r->has_target && !copy_text(text_field(r->block, F_LINK), r->over.target))
		return false;
	if (r->entry.type == TAR_TYPE_HARDLINK)
		return tar_path_normalize(BB_SPAN_STR(r->over.target), r->entry.target) &&
		       strcmp(r->entry.target, ".") != 0;
	memcpy(r->entry.target, r->over.target, sizeof(r->entry.target));
	return true;
}

static bool take_owner(struct tar_reader *r)
{
	uint64_t uid = r->over.uid, gid = r->over.gid;

	r->entry.uid = r->entry.gid = 0;
	if (!r->is_layer)
		return true;
	if ((!r->has_uid && !number_field(r, F_UID, &uid)) ||
	    (!r->has_gid && !number_field(r, F_GID, &gid)) || uid > UINT32_MAX || gid > UINT32_MAX)
		return false;
	r->entry.uid = (uint32_t)uid;
	r->entry.gid = (uint32_t)gid;
	return true;
}

static enum tar_event take_member(struct tar_reader *r, uint64_t size)
{
	struct tar_entry *e = &r->entry;
	uint64_t mode, mtime;

	if (!take_type(r, &e->type))
		return refuse(r, TAR_RESULT_BAD_TYPE);
	if (!number_field(r, F_MODE, &mode) || !number_field(r, F_MTIME, &mtime) || !take_owner(r))
		return refuse(r, TAR_RESULT_BAD_NUMBER);
	if (!take_name(r) || (e->type != TAR_TYPE_DIR && strcmp(e->path, ".") == 0))
		return refuse(r, TAR_RESULT_BAD_NAME);
	if (!take_target(r))
		return refuse(r, TAR_RESULT_BAD_TARGET);
	e->mode = (uint32_t)mode & 07777;
	e->mtime = r->has_mtime ? r->over.mtime : (int64_t)mtime;
	e->size = r->has_size ? r->over.size : size;
	if (e->type != TAR_TYPE_FILE && e->size)
		return refuse(r, TAR_RESULT_BAD_SIZE);
	r->pax_is_entrys = r->has_pax;
	r->has_path = r->has_target = r->has_size = r->has_mtime = false;
	r->has_uid = r->has_gid = r->has_pax = false;
	r->data_left = e->size;
	r->skip_left = tar_padding(e->size);
	r->state = e->size ? STATE_DATA : STATE_HEADER;
	return TAR_EVENT_ENTRY;
}

/* GNU: the data is the name ('L') or target ('K') of the next member, with a NUL behind it */
static enum tar_event take_long(struct tar_reader *r, uint64_t size)
{
	r->long_is_target = r->block[AT_TYPE] == 'K';
	if (size < 2 || size > TAR_PATH_MAX)
		return refuse(r, r->long_is_target ? TAR_RESULT_BAD_TARGET : TAR_RESULT_BAD_NAME);
	r->data_left = size;
	r->long_len = 0;
	r->skip_left = tar_padding(size);
	r->state = STATE_LONG;
	return TAR_EVENT_MORE;
}

static enum tar_event take_header(struct tar_reader *r)
{
	static const uint8_t zero[TAR_BLOCK];
	uint64_t sum, size;

	if (memcmp(r->block, zero, TAR_BLOCK) == 0) {
		if (++r->zero_blocks < 2)
			return TAR_EVENT_MORE;
		r->state = STATE_END;
		return TAR_EVENT_END;
	}
	if (r->zero_blocks || !number_field(r, F_SUM, &sum) || sum != checksum(r->block))
		return refuse(r, TAR_RESULT_BAD_CHECKSUM);
	/* "ustar\0" of POSIX or "ustar " of GNU */
	if (memcmp(r->block + AT_MAGIC, "ustar", 5) != 0)
		return refuse(r, TAR_RESULT_BAD_MAGIC);
	if (!number_field(r, F_SIZE, &size))
		return refuse(r, TAR_RESULT_BAD_NUMBER);
	if (r->is_layer && (r->block[AT_TYPE] == 'L' || r->block[AT_TYPE] == 'K'))
		return take_long(r, size);
	if (r->block[AT_TYPE] != 'x' && r->block[AT_TYPE] != 'g')
		return take_member(r, size);
	/* the records of a member stay where they are for its attributes */
	if (size > TAR_PAX_MAX || (r->is_layer && r->has_pax))
		return refuse(r, TAR_RESULT_BAD_PAX);
	r->pax_is_global = r->block[AT_TYPE] == 'g';
	r->pax_len = 0;
	r->pax_want = (size_t)size;
	r->skip_left = tar_padding(size);
	r->state = STATE_PAX;
	return TAR_EVENT_MORE;
}

static void advance(struct bb_span *in, size_t n)
{
	in->p += n;
	in->len -= n;
}

static size_t at_most(uint64_t want, size_t have)
{
	return want < have ? (size_t)want : have;
}

static enum tar_event step_header(struct tar_reader *r, struct bb_span *in)
{
	size_t n = at_most(TAR_BLOCK - r->have, in->len);

	memcpy(r->block + r->have, in->p, n);
	r->have += n;
	advance(in, n);
	if (r->have < TAR_BLOCK)
		return TAR_EVENT_MORE;
	r->have = 0;
	return take_header(r);
}

static enum tar_event step_pax(struct tar_reader *r, struct bb_span *in)
{
	size_t n = at_most(r->pax_want - r->pax_len, in->len);
	enum tar_result res;

	if (n)
		memcpy(r->pax + r->pax_len, in->p, n);
	r->pax_len += n;
	advance(in, n);
	n = at_most(r->skip_left, in->len);
	if (r->pax_len == r->pax_want) {
		r->skip_left -= n;
		advance(in, n);
	}
	if (r->pax_len < r->pax_want || r->skip_left)
		return TAR_EVENT_MORE;
	r->state = STATE_HEADER;
	/* a global header (git archive writes one) names nothing that we carry */
	res = r->pax_is_global ? TAR_RESULT_OK : take_pax(r);
	return res == TAR_RESULT_OK ? TAR_EVENT_MORE : refuse(r, res);
}

static enum tar_event step_long(struct tar_reader *r, struct bb_span *in)
{
	char *to = r->long_is_target ? r->over.target : r->over.path, raw[TAR_PATH_MAX];
	size_t n = at_most(r->data_left, in->len);

	memcpy(to + r->long_len, in->p, n);
	r->long_len += n;
	r->data_left -= n;
	advance(in, n);
	n = r->data_left ? 0 : at_most(r->skip_left, in->len);
	r->skip_left -= n;
	advance(in, n);
	if (r->data_left || r->skip_left)
		return TAR_EVENT_MORE;
	r->state = STATE_HEADER;
	if (to[--r->long_len] != '\0' ||
	    !copy_text((struct bb_span){ (uint8_t *)to, r->long_len }, raw))
		return refuse(r, r->long_is_target ? TAR_RESULT_BAD_TARGET : TAR_RESULT_BAD_NAME);
	if (r->long_is_target)
		r->has_target = true;
	else
		r->has_path = tar_path_normalize(BB_SPAN_STR(raw), r->over.path);
	return r->long_is_target || r->has_path ? TAR_EVENT_MORE : refuse(r, TAR_RESULT_BAD_NAME);
}

uint64_t tar_reader_skip(struct tar_reader *r)
{
	uint64_t n = 0;

	if (r->state == STATE_DATA) {
		n = r->data_left + r->skip_left;
		r->data_left = r->skip_left = 0;
		r->state = STATE_HEADER;
	}
	return n;
}

static enum tar_event step_data(struct tar_reader *r, struct bb_span *in, struct bb_span *ret_data)
{
	size_t n = at_most(r->data_left ? r->data_left : r->skip_left, in->len);

	if (r->data_left) {
		*ret_data = (struct bb_span){ in->p, n };
		r->data_left -= n;
		advance(in, n);
		if (!r->data_left && !r->skip_left)
			r->state = STATE_HEADER;
		return TAR_EVENT_DATA;
	}
	r->skip_left -= n;
	advance(in, n);
	if (!r->skip_left)
		r->state = STATE_HEADER;
	return TAR_EVENT_MORE;
}

enum tar_event tar_reader_next(struct tar_reader *r, struct bb_span *in, struct bb_span *ret_data)
{
	for (;;) {
		enum tar_event e;

		if (r->state == STATE_BAD)
			return TAR_EVENT_BAD;
		if (r->state == STATE_END)
			return TAR_EVENT_END;
		if (r->state == STATE_PAX && r->pax_len == r->pax_want && !r->skip_left)
			e = step_pax(r, in); /* an empty header needs no input */
		else if (in->len == 0)
			return TAR_EVENT_MORE;
		else if (r->state == STATE_HEADER)
			e = step_header(r, in);
		else if (r->state == STATE_PAX)
			e = step_pax(r, in);
		else if (r->state == STATE_LONG)
			e = step_long(r, in);
		else
			e = step_data(r, in, ret_data);
		if (e != TAR_EVENT_MORE)
			return e;
	}
}

static void put_octal(uint8_t *block, struct field f, uint64_t v)
{
	size_t i = f.at + f.len - 1;

	block[i] = '\0';
	while (i-- > f.at) {
		block[i] = (uint8_t)('0' + (v & 7));
		v >>= 3;
	}
}

static void put_block(uint8_t *block, uint8_t type, const char *name, const struct tar_entry *e,
		      uint64_t size)
{
	size_t name_len = strlen(name), target_len = strlen(e->target);

	memset(block, 0, TAR_BLOCK);
	memcpy(block + F_NAME.at, name, name_len < F_NAME.len ? name_len : F_NAME.len);
	put_octal(block, F_MODE, e->mode & 07777);
	put_octal(block, F_UID, 0);
	put_octal(block, F_GID, 0);
	put_octal(block, F_SIZE, size <= OCTAL_MAX_12 ? size : 0);
	put_octal(block, F_MTIME,
		  e->mtime > 0 && (uint64_t)e->mtime <= OCTAL_MAX_12 ? (uint64_t)e->mtime : 0);
	block[AT_TYPE] = type;
	if (type == '2')
		memcpy(block + F_LINK.at, e->target,
		       target_len < F_LINK.len ? target_len : F_LINK.len);
	memcpy(block + AT_MAGIC, "ustar\00000", 8);
	put_octal(block, (struct field){ F_SUM.at, 7 }, checksum(block));
	block[F_SUM.at + 7] = ' ';
}

/* Decimal digits of @v into @out. Return: how many */
static size_t put_decimal(char out[static 20], uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10));
	for (size_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

/* One pax record; its length counts its own digits */
static size_t put_record(uint8_t *out, const char *key, const char *value, size_t value_len)
{
	size_t rest = 1 + strlen(key) + 1 + value_len + 1, len = rest + 1, n;
	char digits[20];

	while ((n = put_decimal(digits, len)) + rest != len)
		len = rest + n;
	memcpy(out, digits, n);
	out[n++] = ' ';
	memcpy(out + n, key, strlen(key));
	n += strlen(key);
	out[n++] = '=';
	memcpy(out + n, value, value_len);
	n += value_len;
	out[n++] = '\n';
	return n;
}

static size_t put_pax(uint8_t *out, const struct tar_entry *e)
{
	char digits[21];
	size_t n = 0;

	if (strlen(e->path) > F_NAME.len)
		n += put_record(out + n, "path", e->path, strlen(e->path));
	if (e->type == TAR_TYPE_SYMLINK && strlen(e->target) > F_LINK.len)
		n += put_record(out + n, "linkpath", e->target, strlen(e->target));
	if (e->size > OCTAL_MAX_12)
		n += put_record(out + n, "size", digits, put_decimal(digits, e->size));
	if (e->mtime < 0) {
		digits[0] = '-';
		n += put_record(out + n, "mtime", digits,
				1 + put_decimal(digits + 1, (uint64_t)-e->mtime));
	} else if ((uint64_t)e->mtime > OCTAL_MAX_12) {
		n += put_record(out + n, "mtime", digits, put_decimal(digits, (uint64_t)e->mtime));
	}
	return n;
}

size_t tar_header_write(uint8_t out[static TAR_HEADER_MAX], const struct tar_entry *e)
{
	static const uint8_t types[] = { '0', '5', '2' };
	char path[TAR_PATH_MAX];
	size_t n, total = 0;

	/* what only layers have is never written */
	if (e->type >= BB_ARRAY_LEN(types) || !tar_path_normalize(BB_SPAN_STR(e->path), path) ||
	    (e->type == TAR_TYPE_SYMLINK && !e->target[0]) ||
	    (e->type != TAR_TYPE_FILE && e->size) || e->mtime == INT64_MIN)
		return 0;
	n = put_pax(out + TAR_BLOCK, e);
	if (n) {
		put_block(out, 'x', "pax", e, n);
		memset(out + TAR_BLOCK + n, 0, tar_padding(n));
		total = TAR_BLOCK + n + tar_padding(n);
	}
	put_block(out + total, types[e->type], e->path, e, e->size);
	return total + TAR_BLOCK;
}

bool tar_target_is_inside(const char *path, const char *target)
{
	size_t depth = 0;
	bool named = false;

	if (target[0] == '/' || !target[0])
		return false;
	for (const char *c = path; *c; c++)
		depth += *c == '/';
	for (const char *at = target; at; at = strchr(at, '/')) {
		bool up;

		at += *at == '/';
		up = at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\0');
		if (up && (named || depth-- == 0))
			return false;
		if (!up && at[0] && at[0] != '/' && !(at[0] == '.' && (at[1] == '/' || !at[1])))
			named = true;
	}
	return true;
}
