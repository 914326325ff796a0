/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_COPYFILES_H
#define BB_PROC_CLI_COPYFILES_H
#include "proc/cli/plan.h"

/** DOC: copyfiles - directories and files into a bottle and out of it, by a porter */

/** copy_directory_in() - The content of host directory @from into guest directory @to */
BB_MUST_USE int copy_directory_in(int control, const char *from, const char *to,
				  struct bb_err *err);
/** copy_directory_but() - The same without what @skip names: each below @from, ended by a NUL */
BB_MUST_USE int copy_directory_but(int control, const char *from, const char *to,
				   struct bb_span skip, struct bb_err *err);
/** copy_in() - File or directory; into "dir/" it keeps its name */
BB_MUST_USE int copy_in(int control, const char *from, const char *to, struct bb_err *err);
/**
 * copy_out() - Guest file or directory @from into host directory @to
 *
 * Whether it is a directory is the guest's word, and so are the names in it: where @to has anything
 * in it already, nothing comes but a file of @from's name, unless @from ends in '/'.
 */
BB_MUST_USE int copy_out(int control, const char *from, const char *to, struct bb_err *err);
/** copy_out_raw() - Into a directory that nobody else looks into: links whatever they point to */
BB_MUST_USE int copy_out_raw(int control, const char *from, int to, struct bb_err *err);
#endif
