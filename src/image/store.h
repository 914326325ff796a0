/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IMAGE_STORE_H
#define BB_IMAGE_STORE_H
#include "image/image.h"

/** DOC: store - what reading and building images share (private to src/image) */
#define IMAGE_NUM_FILES 4
extern const char *const image_files[IMAGE_NUM_FILES];

/** image_store_dir() - <cache>/images. Return: 0 or -errno with @err */
BB_MUST_USE int image_store_dir(char ret[static PATHS_MAX], struct bb_err *err);
/** image_name_is_ok() - May it be a file name in by-name? */
bool image_name_is_ok(const char *name);
#endif
