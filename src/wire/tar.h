/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_TAR_H
#define BB_WIRE_TAR_H
#include "base/base.h"

/**
 * DOC: tar - streaming archives for copies in and out, and the layers of images
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   porter, guest (tarbox), cli, oci; fuzz/tar.c; tests/unit/wire/tar.c
 * Trust:     the input may come from the guest. What the reader returns has a relative path without
 *            "..", and one of three types, in layers of five; a symbolic link's target is any text
 *            and must not be followed
 * Ownership: the reader holds one entry; data is borrowed from the input
 * Limits:    paths and targets of TAR_PATH_MAX - 1 octets, TAR_PAX_MAX octets of pax records
 * Source:    POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; for layers GNU
 *            tar manual, "Basic Tar Format"; star(5), SCHILY.xattr
 */
#define TAR_BLOCK      512u
#define TAR_PATH_MAX   4096u
#define TAR_PAX_MAX    16384u
#define TAR_HEADER_MAX (TAR_BLOCK * 20) /* pax header, its records, ustar header */
#define TAR_END_BYTES  (TAR_BLOCK * 2)

/** enum tar_type - What an entry is */
enum tar_type {
	TAR_TYPE_FILE,
	TAR_TYPE_DIR,
	TAR_TYPE_SYMLINK,
	TAR_TYPE_HARDLINK, /* layers only */
	TAR_TYPE_SPECIAL,  /* layers only: a device or fifo */

	TAR_NUM_TYPES,
};

/** enum tar_result - Why an archive was refused */
enum tar_result {
	TAR_RESULT_OK = 0,
	TAR_RESULT_BAD_CHECKSUM,
	TAR_RESULT_BAD_NUMBER,
	TAR_RESULT_BAD_MAGIC,
	TAR_RESULT_BAD_TYPE,   /* sparse and unknown ones; for copies also all that layers have more
				*/
	TAR_RESULT_BAD_NAME,   /* absolute, empty, too long, ".." */
	TAR_RESULT_BAD_TARGET, /* empty or too long */
	TAR_RESULT_BAD_PAX,
	TAR_RESULT_BAD_SIZE, /* data behind something that has none */

	TAR_NUM_RESULTS,
};
extern const char *const tar_result_str[TAR_NUM_RESULTS];

/**
 * struct tar_entry - One member
 * @mode:	Permission bits, 07777
 * @uid, @gid:	Of layers; else 0
 * @size:	Octets of data that follow; 0 unless a file
 * @mtime:	Seconds since 1970
 * @path:	Relative, no "..", no empty or "." component; "." alone is the archive's root
 * @target:	Of a symbolic link; of a hard link, with the form of @path; else ""
 */
struct tar_entry {
	enum tar_type type;
	uint32_t mode, uid, gid;
	uint64_t size;
	int64_t mtime;
	char path[TAR_PATH_MAX];
	char target[TAR_PATH_MAX];
};

/** enum tar_event - What tar_reader_next() found */
enum tar_event {
	TAR_EVENT_MORE,  /* the input is used up */
	TAR_EVENT_ENTRY, /* reader->entry is a new member */
	TAR_EVENT_DATA,  /* octets of the current file */
	TAR_EVENT_END,   /* end of the archive; nothing behind it is read */
	TAR_EVENT_BAD,   /* refused, for good: reader->result says why */
};

/** struct tar_reader - State between calls; fields but @entry and @result are private */
struct tar_reader {
	struct tar_entry entry;
	enum tar_result result;
	int state;
	uint8_t block[TAR_BLOCK];
	size_t have;
	uint64_t data_left, skip_left;
	unsigned int zero_blocks;
	char pax[TAR_PAX_MAX];
	size_t pax_len, pax_want, long_len;
	bool is_layer;
	bool pax_is_global, has_pax, pax_is_entrys;
	bool long_is_target; /* the GNU entry being collected */
	bool has_path, has_target, has_size, has_mtime, has_uid, has_gid;
	struct tar_entry over; /* what a pax header said about the next member */
};

void tar_reader_init(struct tar_reader *r);

/**
 * tar_reader_init_layer() - For layers of images, which hold a whole root file system
 *
 * Besides what copies have: hard links, devices and fifos (TAR_TYPE_SPECIAL), owners, extended
 * attributes, GNU's long names and its numbers in base 256.
 */
void tar_reader_init_layer(struct tar_reader *r);

/**
 * tar_reader_next() - Go on until there is something to tell
 * @in:		Advanced past what was used
 * @ret_data:	Written with TAR_EVENT_DATA; borrowed from @in
 */
BB_MUST_USE enum tar_event tar_reader_next(struct tar_reader *r, struct bb_span *in,
					   struct bb_span *ret_data);

/**
 * tar_reader_skip() - Pass over what is left of the current file, for who can seek
 *
 * Return: octets that the caller leaves out of the input
 */
uint64_t tar_reader_skip(struct tar_reader *r);

/**
 * tar_reader_xattr() - Next extended attribute of the current entry
 * @at:		0 at first
 * @ret_name:	Borrowed until the next event, as @ret_value: "user.mime_type"
 */
BB_MUST_USE bool tar_reader_xattr(const struct tar_reader *r, size_t *at, struct bb_span *ret_name,
				  struct bb_span *ret_value);

/** tar_reader_is_done() - Did the archive end where an archive may end? */
bool tar_reader_is_done(const struct tar_reader *r);

/**
 * tar_header_write() - Encode the header blocks of one member
 *
 * Return: octets written, a multiple of TAR_BLOCK; 0 when path or target cannot be in an archive
 */
size_t tar_header_write(uint8_t out[static TAR_HEADER_MAX], const struct tar_entry *e);

/** tar_padding() - Zero octets that follow @size octets of data */
static inline size_t tar_padding(uint64_t size)
{
	return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

/**
 * tar_path_normalize() - Make a member's name safe, or refuse it
 * @in:		Any text, e.g. "./a//b/"
 * @out:	"a/b"; "." for the root itself; untouched on failure
 */
BB_MUST_USE bool tar_path_normalize(struct bb_span in, char out[static TAR_PATH_MAX]);

/**
 * tar_target_is_inside() - Does a link stay in the tree it is part of?
 * @path:	of the link, relative to the root of the tree
 *
 * It does when its target is relative, with ".." only in front (behind a name that could itself be
 * a link nobody knows what ".." is), and not more of them than the link is deep. Where this holds
 * for every link of a tree, none leads out of it.
 */
BB_MUST_USE bool tar_target_is_inside(const char *path, const char *target);
#endif
