/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IMAGE_UNPACK_H
#define BB_IMAGE_UNPACK_H

/**
 * DOC: unpack - what is agreed between import.c and the process that unpacks an archive
 *
 * It has these descriptors and nothing else, writes lines of progress on standard output, and one
 * JSON object as its result: {"error": text}, or
 * {"digest", "name", "layers", "names", "dropped", "env"}.
 */
enum unpack_fd {
	UNPACK_FD_SOURCE = 3, /* the archive, or the directory of a layout */
	UNPACK_FD_SCRATCH,    /* empty, for the data of files */
	UNPACK_FD_SPOOL,      /* empty, for an archive that is compressed as a whole */
	UNPACK_FD_ROOT,       /* empty: the file system */
	UNPACK_FD_ROOTS,      /* empty: the image's certificate roots, PEM */
	UNPACK_FD_RESULT,

	UNPACK_FD_END,
};
#define UNPACK_RESULT_MAX (1u << 20)
#endif
