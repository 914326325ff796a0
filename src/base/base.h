/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BASE_H
#define BB_BASE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/**
 * DOC: base - errors, cleanup attributes, spans
 *
 * Layer:     base (no policy, no protocol)
 * Used by:   everything
 * Ownership: BB_CLEANUP variables own what they hold; BB_TAKE moves it out
 */
/* For large buffers that are written before they are read: they are not zeroed at each call */
#define BB_UNINIT       __attribute__((uninitialized))
#define BB_MUST_USE     __attribute__((warn_unused_result))
#define BB_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define BB_CLEANUP(fn)  __attribute__((cleanup(fn)))
#define BB_UNUSED       __attribute__((unused))
#define BB_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A broken invariant is a bug: say where and stop. Unlike assert(), stays in release builds. */
#define BB_BUG_ON(cond) ((cond) ? bb_bug(#cond, __FILE__, __LINE__) : (void)0)
_Noreturn void bb_bug(const char *cond, const char *file, int line);

/* Cleanup attributes: the variable's last value is released when it leaves scope */
static inline void bb_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* never retry: Linux frees the slot even on EINTR */
}
static inline void bb_freep(void *p)
{
	free(*(void **)p);
}
#define bb_auto_close BB_CLEANUP(bb_closep)
#define bb_auto_free  BB_CLEANUP(bb_freep)
/* Move ownership out of an bb_auto_* variable */
#define BB_TAKE(var)                                                                               \
	__extension__({                                                                            \
		__typeof__(var) bb_t_ = (var);                                                     \
		(var) = NULL;                                                                      \
		bb_t_;                                                                             \
	})

/**
 * struct bb_err - One failure, made where the fact is known, wrapped on the way up
 * @code:	-errno; 0 = no error
 * @msg:	"outer: inner: cause", NUL-terminated, never a secret
 */
struct bb_err {
	int code;
	char msg[240];
};
BB_PRINTF(3, 4) int bb_err_set(struct bb_err *err, int code, const char *fmt, ...);
BB_PRINTF(2, 3) int bb_err_wrap(struct bb_err *err, const char *fmt, ...);

/** struct bb_span - Borrowed range of octets; never NUL-terminated */
struct bb_span {
	const uint8_t *p;
	size_t len;
};

/** BB_SPAN_STR() - Span over a NUL-terminated string, without the NUL */
#define BB_SPAN_STR(s) ((struct bb_span){ (const uint8_t *)(s), strlen(s) })

/** bb_span_eq() - Same octets? */
static inline bool bb_span_eq(struct bb_span a, struct bb_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Move an fd out of a bb_auto_close variable */
#define BB_TAKE_FD(var)                                                                            \
	__extension__({                                                                            \
		int bb_fd_ = (var);                                                                \
		(var) = -1;                                                                        \
		bb_fd_;                                                                            \
	})

/** bb_hex_value() - 0 to 15, or -1 for what is no hexadecimal digit */
static inline int bb_hex_value(uint8_t c)
{
	uint8_t lower = c | 0x20;

	if (c >= '0' && c <= '9')
		return c - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Big-endian octets, as every wire format here has them */
static inline uint16_t bb_get_be16(const uint8_t *p)
{
	return (uint16_t)((unsigned int)p[0] << 8 | p[1]);
}
static inline uint32_t bb_get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void bb_put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void bb_put_be32(uint8_t *p, uint32_t v)
{
	bb_put_be16(p, (uint16_t)(v >> 16));
	bb_put_be16(p + 2, (uint16_t)v);
}
#endif
