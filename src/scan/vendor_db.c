/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/io.h"
#include "scan/vendor_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/*
 * Serialized: one line that says which rules, which library and which layout, the FNV-1a of the
 * rest (eight octets, most significant first), the database as vectorscan writes it.
 */
#define ID_MAX 192

struct vendor_db {
	hs_database_t *hs;
	hs_scratch_t *scratch;
};

struct vendor_stream {
	struct vendor_db *db;
	hs_stream_t *hs;
	vendor_hit_fn *hit;
	void *arg;
};

static int hs_to_errno(hs_error_t e)
{
	if (e == HS_NOMEM)
		return -ENOMEM;
	return e == HS_ARCH_ERROR || e == HS_DB_PLATFORM_ERROR ? -ENOTSUP : -EINVAL;
}

/* Borrows nothing; @ret->scratch is made for @hs, which it takes, also on failure */
static int db_new(hs_database_t *hs, struct vendor_db **ret, struct bb_err *err)
{
	struct vendor_db *db = calloc(1, sizeof(*db));
	hs_error_t e;

	if (!db) {
		(void)hs_free_database(hs);
		return bb_err_set(err, -ENOMEM, "vendor rules: no memory");
	}
	db->hs = hs;
	e = hs_alloc_scratch(hs, &db->scratch);
	if (e != HS_SUCCESS) {
		vendor_db_free(db);
		return bb_err_set(err, hs_to_errno(e), "vendor rules: scratch space: %d", e);
	}
	*ret = db;
	return 0;
}

void vendor_db_free(struct vendor_db *db)
{
	if (!db)
		return;
	(void)hs_free_scratch(db->scratch);
	(void)hs_free_database(db->hs);
	free(db);
}

/* For the generic platform: a cache may be read on another machine of the same home directory */
static int compile(hs_database_t **ret, struct bb_err *err)
{
	const hs_platform_info_t generic = { .tune = HS_TUNE_FAMILY_GENERIC };
	bb_auto_free const char **text = calloc(vendor_num_rules, sizeof(*text));
	bb_auto_free unsigned int *flags = calloc(vendor_num_rules, sizeof(*flags));
	bb_auto_free unsigned int *ids = calloc(vendor_num_rules, sizeof(*ids));
	hs_compile_error_t *why = NULL;
	hs_error_t e;

	if (!text || !flags || !ids)
		return bb_err_set(err, -ENOMEM, "vendor rules: no memory");
	for (unsigned int i = 0; i < vendor_num_rules; i++) {
		text[i] = vendor_rules[i].stream;
		flags[i] = VENDOR_HS_FLAGS | (vendor_rules[i].caseless ? HS_FLAG_CASELESS : 0);
		ids[i] = i;
	}
	e = hs_compile_multi(text, flags, ids, vendor_num_rules, HS_MODE_STREAM, &generic, ret,
			     &why);
	if (e == HS_SUCCESS)
		return 0;
	(void)bb_err_set(err, hs_to_errno(e), "vendor rules: %s: %s",
			 why && why->expression >= 0 ? vendor_rules[why->expression].name : "all",
			 why ? why->message : "not compiled");
	(void)hs_free_compile_error(why);
	return err->code;
}

static size_t make_id(char *id)
{
	int n = snprintf(id, ID_MAX, "bot-bottle vendor rules 1 %s vectorscan %s\n",
			 vendor_rules_digest, hs_version());

	BB_BUG_ON(n <= 0 || n >= ID_MAX);
	return (size_t)n;
}

int vendor_db_serialize(const struct vendor_db *db, struct bb_buf *b, struct bb_err *err)
{
	struct bb_span payload;
	char *bytes = NULL;
	uint8_t sum[8];
	char id[ID_MAX];
	size_t len, id_len = make_id(id);
	uint64_t hash;
	hs_error_t e;
	int r;

	e = hs_serialize_database(db->hs, &bytes, &len);
	if (e != HS_SUCCESS)
		return bb_err_set(err, hs_to_errno(e), "vendor rules: not serialized: %d", e);
	payload = (struct bb_span){ (const uint8_t *)bytes, len };
	hash = bb_fnv1a64(payload);
	bb_put_be32(sum, (uint32_t)(hash >> 32));
	bb_put_be32(sum + 4, (uint32_t)hash);
	r = bb_buf_add(b, id, id_len);
	if (r == 0)
		r = bb_buf_add(b, sum, sizeof(sum));
	if (r == 0)
		r = bb_buf_add(b, payload.p, payload.len);
	free(bytes);
	return r ? bb_err_set(err, r, "vendor rules: %zu octets are too many", len) : 0;
}

int vendor_db_from_bytes(struct bb_span bytes, struct vendor_db **ret, struct bb_err *err)
{
	hs_database_t *hs = NULL;
	struct bb_span payload;
	char id[ID_MAX];
	size_t id_len = make_id(id);
	hs_error_t e;

	if (bytes.len < id_len || memcmp(bytes.p, id, id_len) != 0)
		return bb_err_set(err, -ESTALE, "vendor rules: compiled for others");
	if (bytes.len < id_len + 8)
		return bb_err_set(err, -EBADMSG, "vendor rules: damaged");
	payload = (struct bb_span){ bytes.p + id_len + 8, bytes.len - id_len - 8 };
	if (bb_fnv1a64(payload) !=
	    ((uint64_t)bb_get_be32(bytes.p + id_len) << 32 | bb_get_be32(bytes.p + id_len + 4)))
		return bb_err_set(err, -EBADMSG, "vendor rules: damaged");
	e = hs_deserialize_database((const char *)payload.p, payload.len, &hs);
	if (e != HS_SUCCESS)
		return bb_err_set(err, e == HS_NOMEM ? -ENOMEM : -EBADMSG, "vendor rules: damaged");
	return db_new(hs, ret, err);
}

/* Only a file that nobody but its owner, us, can have written is fed to vectorscan */
static int read_cache(const char *path, struct vendor_db **ret)
{
	bb_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct bb_err ignored = { 0 };
	bb_auto_buf struct bb_buf b;
	struct stat st;

	bb_buf_init(&b, VENDOR_SERIALIZED_MAX);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	if (bb_read_all(fd, &b) < 0)
		return -EIO;
	return vendor_db_from_bytes(bb_buf_span(&b), ret, &ignored);
}

/* A cache that cannot be written costs the next start half a second, nothing else */
static void write_cache(const char *path, const struct vendor_db *db)
{
	bb_auto_free char *tmp = NULL;
	struct bb_err ignored = { 0 };
	bb_auto_close int fd = -1;
	bb_auto_buf struct bb_buf b;

	bb_buf_init(&b, VENDOR_SERIALIZED_MAX);
	if (vendor_db_serialize(db, &b, &ignored) < 0 ||
	    asprintf(&tmp, "%s.%ld", path, (long)getpid()) < 0) {
		tmp = NULL;
		return;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (bb_write_full(fd, b.p, b.len) < 0 || rename(tmp, path) < 0)
		(void)unlink(tmp);
}

int vendor_db_open(const char *cache_path, struct vendor_db **ret, struct bb_err *err)
{
	hs_database_t *hs;
	int r;

	if (hs_valid_platform() != HS_SUCCESS)
		return bb_err_set(err, -ENOTSUP, "vectorscan does not run on this processor");
	if (cache_path && read_cache(cache_path, ret) == 0)
		return 0;
	r = compile(&hs, err);
	if (r == 0)
		r = db_new(hs, ret, err);
	if (r == 0 && cache_path)
		write_cache(cache_path, *ret);
	return r;
}

int vendor_stream_open(struct vendor_db *db, struct vendor_stream **ret)
{
	struct vendor_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->db = db;
	if (hs_open_stream(db->hs, 0, &s->hs) != HS_SUCCESS) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
		    unsigned int flags, void *arg)
{
	struct vendor_stream *s = arg;

	(void)from;
	(void)flags;
	s->hit(s->arg, id, to);
	return 0;
}

int vendor_stream_feed(struct vendor_stream *s, struct bb_span in, vendor_hit_fn *hit, void *arg)
{
	s->hit = hit;
	s->arg = arg;
	while (in.len) {
		unsigned int n = in.len < (1u << 30) ? (unsigned int)in.len : 1u << 30;

		if (hs_scan_stream(s->hs, (const char *)in.p, n, 0, s->db->scratch, on_match, s) !=
		    HS_SUCCESS)
			return -EIO;
		in.p += n;
		in.len -= n;
	}
	return 0;
}

void vendor_stream_reset(struct vendor_stream *s)
{
	/* No rule waits for the end of a stream, so that there is nothing to report */
	BB_BUG_ON(hs_reset_stream(s->hs, 0, s->db->scratch, NULL, NULL) != HS_SUCCESS);
}

void vendor_stream_copy(struct vendor_stream *to, const struct vendor_stream *from)
{
	BB_BUG_ON(hs_reset_and_copy_stream(to->hs, from->hs, to->db->scratch, NULL, NULL) !=
		  HS_SUCCESS);
}

void vendor_stream_close(struct vendor_stream *s)
{
	if (!s)
		return;
	(void)hs_close_stream(s->hs, s->db->scratch, NULL, NULL);
	free(s);
}
