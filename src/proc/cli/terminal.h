/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_TERMINAL_H
#define BB_PROC_CLI_TERMINAL_H
#include "base/base.h"

/** DOC: terminal - raw mode that is always undone, and the window's size */

/** terminal_is_interactive() - stdin and stdout are both terminals */
bool terminal_is_interactive(void);
/** terminal_raw() - Raw mode on stdin; undone by terminal_restore(), at exit and on fatal signals
 */
void terminal_raw(void);
void terminal_restore(void);
/** terminal_size() - Rows and columns, 24 by 80 when unknown */
void terminal_size(uint16_t *ret_rows, uint16_t *ret_cols);
#endif
