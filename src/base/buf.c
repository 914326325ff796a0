/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>

void bb_buf_init(struct bb_buf *b, size_t cap)
{
	*b = (struct bb_buf){ .cap = cap };
}

void bb_buf_init_secret(struct bb_buf *b, size_t cap)
{
	*b = (struct bb_buf){ .cap = cap, .secret = true };
}

void bb_free_wiped(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void bb_buf_release(struct bb_buf *b)
{
	if (b->secret)
		bb_free_wiped(b->p);
	else
		free(b->p);
	*b = (struct bb_buf){ .cap = b->cap, .secret = b->secret };
}

/* realloc() leaves the old octets where they were */
static void *move_secret(struct bb_buf *b, size_t alloc)
{
	void *p = malloc(alloc);

	if (p && b->len)
		memcpy(p, b->p, b->len);
	if (p)
		bb_free_wiped(b->p);
	return p;
}

/* One octet more than asked, so that bb_buf_str() always has room for its NUL */
static int buf_reserve(struct bb_buf *b, size_t more)
{
	size_t want, alloc = b->alloc ? b->alloc : 256;
	uint8_t *p;

	if (more > b->cap - b->len)
		return -ENOBUFS;
	want = b->len + more + 1;
	if (want <= b->alloc)
		return 0;
	while (alloc < want)
		alloc *= 2;
	p = b->secret ? move_secret(b, alloc) : realloc(b->p, alloc);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->alloc = alloc;
	return 0;
}

int bb_buf_add(struct bb_buf *b, const void *p, size_t len)
{
	int r = buf_reserve(b, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	return 0;
}

int bb_buf_addf(struct bb_buf *b, const char *fmt, ...)
{
	/* most often enough, so that once will do */
	size_t room = b->alloc > b->len ? b->alloc - b->len : 0;
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(room ? (char *)b->p + b->len : NULL, room, fmt, ap);
	va_end(ap);
	BB_BUG_ON(n < 0);
	r = buf_reserve(b, (size_t)n);
	if (r < 0)
		return r;
	if ((size_t)n < room) {
		b->len += (size_t)n;
		return 0;
	}
	va_start(ap, fmt);
	(void)vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void bb_buf_drop(struct bb_buf *b, size_t len)
{
	BB_BUG_ON(len > b->len);
	b->len -= len;
	if (b->len)
		memmove(b->p, b->p + len, b->len);
}

const char *bb_buf_str(struct bb_buf *b)
{
	if (buf_reserve(b, 0) < 0)
		return NULL;
	b->p[b->len] = '\0';
	return (const char *)b->p;
}
