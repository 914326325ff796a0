/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_GUEST_COPYTREE_H
#define BB_GUEST_COPYTREE_H

/** DOC: copytree - copy a directory of the image to the bottle's disk; layer: guest */

/**
 * copytree() - Copy what is in directory @from into directory @to, owners and modes kept
 *
 * Regular files, directories and symbolic links; what fails is said and passed over. Used once, for
 * a home directory that the image brings along.
 */
void copytree(const char *from, const char *to);
#endif
