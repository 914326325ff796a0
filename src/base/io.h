/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_IO_H
#define BB_BASE_IO_H
#include "base/base.h"
#include "base/buf.h"

/**
 * DOC: io - small blocking I/O helpers and sealed memfds
 *
 * Layer:     base
 * Used by:   start-up code and tools; event loops do their own non-blocking I/O
 */

/** bb_write_full() - Write all of @len, through EINTR. Return: 0 or -errno */
BB_MUST_USE int bb_write_full(int fd, const void *p, size_t len);

/** bb_read_full() - Read exactly @len. Return: 0, -errno, -ENODATA at an early end */
BB_MUST_USE int bb_read_full(int fd, void *p, size_t len);

/** bb_read_all() - Append everything up to EOF to @b. Return: 0 or -errno (-ENOBUFS past the cap)
 */
BB_MUST_USE int bb_read_all(int fd, struct bb_buf *b);

/** bb_read_file() - Append a whole file; @err names the path */
BB_MUST_USE int bb_read_file(const char *path, struct bb_buf *b, struct bb_err *err);

/** bb_set_nonblock() - O_NONBLOCK on or off. Return: 0 or -errno */
int bb_set_nonblock(int fd, bool on);

/**
 * bb_memfd_sealed() - Put octets into a memfd that nobody can change any more
 * @name:	For /proc only
 *
 * Return: owned fd (CLOEXEC), or -errno with @err
 */
BB_MUST_USE int bb_memfd_sealed(const char *name, struct bb_span data, struct bb_err *err);

/**
 * bb_memfd_read() - Append the whole content of a memfd to @b
 *
 * One memfd is given to several processes, which share its file offset: this neither uses nor moves
 * it. Return: 0 or -errno (-ENOBUFS past the cap)
 */
BB_MUST_USE int bb_memfd_read(int fd, struct bb_buf *b);

/** bb_find_program() - As a shell would, in PATH. Return: whether @ret has it */
BB_MUST_USE bool bb_find_program(const char *name, char *ret, size_t size);

/** bb_now_ms() - CLOCK_BOOTTIME in milliseconds: goes on during sleep */
uint64_t bb_now_ms(void);

/** bb_wall_ms() - CLOCK_REALTIME in milliseconds since 1970 */
uint64_t bb_wall_ms(void);
#endif
