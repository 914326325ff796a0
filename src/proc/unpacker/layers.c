/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer is read once: its compressed octets are digested, decompressed, digested again, and
 * unpacked as they come. What does not have its digests is known at its end; nothing of it is used
 * unless all is well.
 */
#include "base/io.h"
#include "coding/coding.h"
#include "proc/unpacker/unpacker.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#define CHUNK      (64u * 1024)
#define DECODE_MAX (64u << 20) /* memory of a decoder */
/* More than any file system packs to: a bomb */
#define RATIO_MAX  200u
#define RATIO_FREE (256u << 20) /* octets that may come of anything */

struct flow {
	struct layer *layer; /* or NULL: to */
	int to;
	uint64_t in, out;
	EVP_MD_CTX *diff;
	struct bb_err *err;
	int r;
};

static bool on_plain(void *arg, struct bb_span out)
{
	struct flow *f = arg;

	f->out += out.len;
	if (f->out > RATIO_FREE && (f->out - RATIO_FREE) / RATIO_MAX > f->in) {
		f->r = bb_err_set(f->err, -EBADMSG, "it unpacks to more than %u times its size",
				  RATIO_MAX);
	} else if (!f->layer) {
		f->r = bb_write_full(f->to, out.p, out.len);
		if (f->r < 0)
			(void)bb_err_set(f->err, f->r, "decompressing it: %s", strerror(-f->r));
	} else if (!EVP_DigestUpdate(f->diff, out.p, out.len))
		f->r = bb_err_set(f->err, -EIO, "sha256 failed");
	else
		f->r = layer_feed(f->layer, out, f->err);
	return f->r == 0;
}

/* By the first octets, whatever the media type says: what comes out has to have its digest */
static bool is_coded(const uint8_t *p, ssize_t n, struct coding_list *ret)
{
	*ret = (struct coding_list){ .n = 1 };
	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		ret->v[0] = CODING_GZIP;
	else if (n >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
		ret->v[0] = CODING_ZSTD;
	else
		return false;
	return true;
}

/* What of a decoder's limits an archive may meet */
static uint64_t decoded_max(void)
{
	return rootfs_limits.bytes + (uint64_t)rootfs_limits.entries * 4096;
}

static int feed(struct coding *c, struct bb_span in, bool end, struct flow *f)
{
	enum coding_result res = CODING_OK;

	if (c)
		res = coding_feed(c, in, end, on_plain, f);
	else if (in.len)
		(void)on_plain(f, in);
	if (f->r == 0 && res != CODING_OK)
		f->r = bb_err_set(f->err, -EBADMSG, "decompressing it: %s",
				  res == CODING_TOO_MUCH ? "it gets too large"
							 : "damaged, or cut short");
	return f->r;
}

/* All of @file through its decoder into @f; @blob digests it as it is */
static int pump(struct archive_file *file, EVP_MD_CTX *blob, struct flow *f)
{
	static uint8_t chunk[CHUNK];
	struct coding_budget budget = { .max = DECODE_MAX };
	struct coding_list list;
	struct coding *c = NULL;
	bool first = true;
	ssize_t n = 0;

	while (f->r == 0 && (n = archive_read(file, chunk, sizeof(chunk))) > 0) {
		if (first && is_coded(chunk, n, &list) &&
		    coding_open(&list, decoded_max(), &budget, &c) != CODING_OK)
			f->r = bb_err_set(f->err, -ENOMEM, "no memory to decompress it");
		first = false;
		f->in += (uint64_t)n;
		if (f->r == 0 && blob && !EVP_DigestUpdate(blob, chunk, (size_t)n))
			f->r = bb_err_set(f->err, -EIO, "sha256 failed");
		if (f->r == 0)
			(void)feed(c, (struct bb_span){ chunk, (size_t)n }, false, f);
	}
	if (f->r == 0 && n < 0)
		f->r = bb_err_set(f->err, (int)n, "reading it: %s", strerror((int)-n));
	if (f->r == 0)
		(void)feed(c, (struct bb_span){ chunk, 0 }, true, f);
	coding_close(c);
	return f->r;
}

static bool has_sum(EVP_MD_CTX *ctx, const char *want)
{
	char hex[DESCRIBE_DIGEST_SIZE];
	uint8_t sum[32];

	if (!EVP_DigestFinal_ex(ctx, sum, NULL))
		return false;
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return strcmp(hex, want) == 0;
}

static int unpack(struct archive_file *file, const struct image *image, struct layer *layer,
		  struct bb_err *err)
{
	struct flow f = { .layer = layer, .diff = EVP_MD_CTX_new(), .err = err };
	EVP_MD_CTX *blob = EVP_MD_CTX_new();
	const char *want = image->blob[layer->number - 1];
	int r;

	if (!f.diff || !blob || !EVP_DigestInit_ex(f.diff, EVP_sha256(), NULL) ||
	    !EVP_DigestInit_ex(blob, EVP_sha256(), NULL))
		f.r = bb_err_set(err, -ENOMEM, "no memory");
	r = f.r == 0 ? pump(file, blob, &f) : f.r;
	if (r < 0 && strncmp(err->msg, "layer", 5) != 0)
		r = bb_err_wrap(err, "layer %u", layer->number);
	if (r == 0)
		r = layer_end(layer, err);
	if (r == 0 &&
	    ((*want && !has_sum(blob, want)) || !has_sum(f.diff, image->diff[layer->number - 1])))
		r = bb_err_set(err, -EBADMSG, "layer %u: not what its digest says", layer->number);
	EVP_MD_CTX_free(f.diff);
	EVP_MD_CTX_free(blob);
	return r;
}

int layers_unpack(const struct archive *a, const struct image *image, struct rootfs *fs,
		  struct bb_err *err)
{
	static struct layer layer;

	for (size_t i = 0; i < image->n_layers; i++) {
		struct archive_file file;
		int r = archive_find(a, image->path[i], &file, err);

		if (r < 0)
			return bb_err_wrap(err, "layer %zu", i + 1);
		(void)dprintf(STDOUT_FILENO, "import: layer %zu of %zu, %llu KiB\n", i + 1,
			      image->n_layers, (unsigned long long)(file.size >> 10));
		layer_begin(&layer, fs, (uint32_t)i + 1);
		r = unpack(&file, image, &layer, err);
		archive_close(&file);
		if (r < 0)
			return r;
	}
	return 0;
}

int spool_plain(int from, int to, struct bb_err *err)
{
	struct flow f = { .to = to, .err = err };
	struct archive_file file = { .fd = from };
	struct coding_list list;
	uint8_t magic[4];
	ssize_t n = pread(from, magic, sizeof(magic), 0);
	off_t size = lseek(from, 0, SEEK_END);

	if (n < 4 || size < 0 || !is_coded(magic, n, &list))
		return 0;
	(void)dprintf(STDOUT_FILENO, "import: decompressing the archive\n");
	file.size = (uint64_t)size;
	return pump(&file, NULL, &f) < 0 ? f.r : 1;
}
