/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IMAGE_STORE_H
#define BB_IMAGE_STORE_H
#include "image/image.h"

/** DOC: store - what reading and building images share (private to src/image and its tests) */
#define IMAGE_NUM_FILES 4
extern const char *const image_files[IMAGE_NUM_FILES];

/* In the store: what builds have fetched */
#define IMAGE_DOWNLOADS ".downloads"

/** image_store_dir() - <cache>/images. Return: 0 or -errno with @err */
BB_MUST_USE int image_store_dir(char ret[static PATHS_MAX], struct bb_err *err);
/** image_name_is_ok() - May it be a file name in by-name? */
bool image_name_is_ok(const char *name);
/**
 * image_pack_modules() - Of a staging directory, modules.list and what it names become modules.cpio
 *
 * Each line is the absolute path that a module has in the archive; below @stage it is read from the
 * same path. Comments (#) and empty lines stay in the list and have no file.
 *
 * Return: 0; -EINVAL for a line that is not an absolute path without ".."; -errno with @err
 */
BB_MUST_USE int image_pack_modules(const char *stage, struct bb_err *err);
#endif
