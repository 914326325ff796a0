/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_IMAGES_H
#define BB_PROC_CLI_IMAGES_H
#include "base/base.h"

/**
 * DOC: images - images that are named by a file are made when a bottle starts
 *
 * Layer:     proc/cli
 * Used by:   launch.c, cmd_bottles.c
 */

/**
 * images_prepare() - A path becomes the name of the image that was made of that file
 * @image:	owned by the caller, replaced; a name stays as it is
 *
 * Return: 0 or -errno with @err
 */
BB_MUST_USE int images_prepare(char **image, struct bb_err *err);

/** images_drop_old() - Remove what builds left for others and none will use; says how much */
void images_drop_old(void);
#endif
