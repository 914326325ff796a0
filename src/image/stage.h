/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IMAGE_STAGE_H
#define BB_IMAGE_STAGE_H
#include "image/image.h"
#include <jansson.h>

/**
 * DOC: stage - an image in the making (private to src/image)
 *
 * All of it happens in one directory under one lock; a rename at the end makes it an image. Who
 * comes later waits, and removes what one that was killed has left.
 */

/**
 * struct stage
 * @dir:	<store>/.stage, empty at first
 * @downloads:	<store>/.downloads: stays, so that the next try need not fetch all again
 */
struct stage {
	const char *name;
	const char *mirror;
	image_progress_fn fn;
	void *arg;
	char store[PATHS_MAX];
	char dir[PATHS_MAX];
	char downloads[PATHS_MAX];
};

/** stage_with() - Under the lock: an empty directory, @fill, and the directory away again */
BB_MUST_USE int stage_with(struct stage *b,
			   int (*fill)(struct stage *b, void *arg, struct bb_err *err), void *arg,
			   struct bb_err *err);
/** stage_run() - A program to its end, its output as progress. Ctrl-C ends it: -EINTR */
BB_MUST_USE int stage_run(struct stage *b, char *const argv[], struct bb_err *err);
/** stage_script() - "sh @script DIR [@extra]", both of them data files */
BB_MUST_USE int stage_script(struct stage *b, const char *script, const char *extra,
			     struct bb_err *err);
/**
 * stage_fork() - @child in a process of its own, its output as progress
 * @child:	execs; when it returns the process ends with 127
 *
 * Return: its exit code, 128 and more for a signal; -EINTR after Ctrl-C, which ends it; -errno
 */
BB_MUST_USE int stage_fork(struct stage *b, void (*child)(struct stage *b, void *arg), void *arg,
			   struct bb_err *err);
/** stage_publish() - The files of the directory become an image; @about: more for manifest.json */
BB_MUST_USE int stage_publish(struct stage *b, const json_t *about, struct bb_err *err);
#endif
