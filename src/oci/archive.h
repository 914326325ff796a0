/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_OCI_ARCHIVE_H
#define BB_OCI_ARCHIVE_H
#include "base/buf.h"
#include "wire/tar.h"

/**
 * DOC: archive - the files of an image's archive, by name: a tar file, or an OCI layout's directory
 *
 * Layer:     oci
 * Used by:   unpacker
 * Trust:     hostile input. In a tar file names are keys of an index, its links lead within it; in
 *            a directory names are opened beneath it, without links (openat2)
 * Ownership: borrows the descriptor, archive_release() frees the index
 * Limits:    ARCHIVE_ENTRIES_MAX
 */
#define ARCHIVE_ENTRIES_MAX 4096
#define ARCHIVE_NAME_MAX    256

struct archive_entry {
	char name[ARCHIVE_NAME_MAX];
	char link[ARCHIVE_NAME_MAX]; /* "": a file */
	uint64_t at, size;
};

struct archive {
	int fd;
	bool is_dir;
	size_t n;
	struct archive_entry *entries;
};

/** struct archive_file - Part of a descriptor; @owned: to be closed */
struct archive_file {
	int fd;
	bool owned;
	uint64_t at, size;
};

/** archive_open() - Index it. Return: 0, -errno with @err */
BB_MUST_USE int archive_open(struct archive *a, int fd, struct bb_err *err);
void archive_release(struct archive *a);

/** archive_find() - Return: 0 with @ret; -ENOENT or -errno with @err */
BB_MUST_USE int archive_find(const struct archive *a, const char *name, struct archive_file *ret,
			     struct bb_err *err);
void archive_close(struct archive_file *f);

/** archive_read() - Next octets of a file. Return: how many, 0 at its end, -errno */
BB_MUST_USE ssize_t archive_read(struct archive_file *f, void *p, size_t len);
/** archive_load() - All of it, up to the buffer's cap. Return: 0 or -errno with @err */
BB_MUST_USE int archive_load(struct archive_file *f, struct bb_buf *ret, struct bb_err *err);
#endif
