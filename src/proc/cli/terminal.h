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
/**
 * terminal_ask_hidden() - Ask on stderr, and read one line from stdin, a terminal, without echo
 * @buf:	receives it without its line break, with a NUL; the caller wipes it
 *
 * A signal that ends the process finds the terminal as it was; SIGTSTP is ignored meanwhile:
 * whoever came back would see what is typed.
 *
 * Return: its length; -ENODATA at the end of input, -E2BIG, -EINTR, -errno
 */
BB_MUST_USE ssize_t terminal_ask_hidden(const char *question, char *buf, size_t size);
/** terminal_size() - Rows and columns, 24 by 80 when unknown */
void terminal_size(uint16_t *ret_rows, uint16_t *ret_cols);
#endif
