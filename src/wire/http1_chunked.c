/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1_int.h"
#include <stdio.h>

/*
 * RFC 9112 section 7.1. One octet at a time outside content; content is handed out as a span of the
 * input, and so is the trailer section. Extensions are checked and dropped.
 */
enum chunked_state {
	ST_SIZE,     /* hex digits */
	ST_SIZE_PAD, /* lenient: white space after the digits */
	ST_EXT,      /* after ';' */
	ST_SIZE_LF,  /* after the CR of the size line */
	ST_DATA,     /* @left octets of content */
	ST_DATA_CR,  /* the CR after content */
	ST_DATA_LF,
	ST_LINE,     /* start of a trailer line */
	ST_NAME,     /* inside a trailer's name */
	ST_VALUE,    /* after its colon */
	ST_VALUE_LF, /* after its CR */
	ST_END_LF,   /* after the CR of the empty line */
	ST_DONE,
};

void http1_chunked_init(struct http1_chunked *c, bool lenient)
{
	*c = (struct http1_chunked){ .state = ST_SIZE, .lenient = lenient };
}

/* The size line is complete */
static enum http1_result size_done(struct http1_chunked *c)
{
	c->state = c->left ? ST_DATA : ST_LINE;
	c->digits = 0;
	c->ext = 0;
	return HTTP1_MORE;
}

static enum http1_result on_size(struct http1_chunked *c, uint8_t ch)
{
	int v = bb_hex_value(ch);

	if (v >= 0 && c->state == ST_SIZE) {
		/* 15 digits: never near an overflow of a count of octets */
		if (c->digits == 15)
			return HTTP1_BAD_CHUNK_SIZE;
		c->digits++;
		c->left = c->left << 4 | (uint64_t)v;
		return HTTP1_MORE;
	}
	if (c->digits == 0)
		return HTTP1_BAD_CHUNK_SIZE;
	if (ch == '\r') {
		c->state = ST_SIZE_LF;
		return HTTP1_MORE;
	}
	if (ch == ';') {
		c->state = ST_EXT;
		return HTTP1_MORE;
	}
	if (!c->lenient)
		return ch == '\n' ? HTTP1_BARE_LF : HTTP1_BAD_CHUNK_SIZE;
	c->odd = true;
	if (ch == '\n')
		return size_done(c);
	if (!http1_is_space(ch) || ++c->ext > HTTP1_EXT_MAX)
		return HTTP1_BAD_CHUNK_SIZE;
	c->state = ST_SIZE_PAD;
	return HTTP1_MORE;
}

static enum http1_result on_ext(struct http1_chunked *c, uint8_t ch)
{
	if (ch == '\r') {
		if (c->ext == 0 && !c->lenient)
			return HTTP1_BAD_CHUNK_EXT; /* ';' and no name */
		c->state = ST_SIZE_LF;
		return HTTP1_MORE;
	}
	if (ch == '\n' && c->lenient) {
		c->odd = true;
		return size_done(c);
	}
	if (!http1_is_value_octet(ch))
		return ch == '\n' ? HTTP1_BARE_LF : HTTP1_BAD_CHUNK_EXT;
	c->ext_total++;
	if (++c->ext > HTTP1_EXT_MAX || c->ext_total > HTTP1_EXT_TOTAL_MAX)
		return HTTP1_BAD_CHUNK_EXT;
	return HTTP1_MORE;
}

/* CR LF after content; lenient: LF alone */
static enum http1_result on_data_end(struct http1_chunked *c, uint8_t ch)
{
	if (c->state == ST_DATA_CR && ch == '\r') {
		c->state = ST_DATA_LF;
		return HTTP1_MORE;
	}
	if (ch != '\n' || (c->state == ST_DATA_CR && !c->lenient))
		return HTTP1_BAD_CHUNK_END;
	c->odd |= c->state == ST_DATA_CR;
	c->state = ST_SIZE;
	return HTTP1_MORE;
}

static enum http1_result on_trailer_line(struct http1_chunked *c, uint8_t ch)
{
	if (ch == '\r') {
		c->state = ST_END_LF;
		return HTTP1_MORE;
	}
	if (ch == '\n' && c->lenient) {
		c->odd = true;
		c->state = ST_DONE;
		return HTTP1_END;
	}
	if (!http1_is_tchar(ch))
		return ch == '\n' ? HTTP1_BARE_LF : HTTP1_BAD_TRAILER;
	c->state = ST_NAME;
	return HTTP1_MORE;
}

static enum http1_result on_trailer_value(struct http1_chunked *c, uint8_t ch)
{
	if (ch == '\r') {
		c->state = ST_VALUE_LF;
		return HTTP1_MORE;
	}
	if (ch == '\n' && c->lenient) {
		c->odd = true;
		c->state = ST_LINE;
		return HTTP1_MORE;
	}
	if (!http1_is_value_octet(ch))
		return ch == '\n' ? HTTP1_BARE_LF : HTTP1_BAD_TRAILER;
	return HTTP1_MORE;
}

static enum http1_result on_trailer(struct http1_chunked *c, uint8_t ch)
{
	if (++c->trailer > HTTP1_TRAILER_MAX)
		return HTTP1_BAD_TRAILER;
	if (c->state == ST_LINE)
		return on_trailer_line(c, ch);
	if (c->state == ST_VALUE)
		return on_trailer_value(c, ch);
	if (ch == ':')
		c->state = ST_VALUE;
	else if (!http1_is_tchar(ch))
		return HTTP1_BAD_TRAILER;
	return HTTP1_MORE;
}

static enum http1_result on_lf(struct http1_chunked *c, uint8_t ch)
{
	if (ch != '\n')
		return HTTP1_BARE_CR;
	if (c->state == ST_SIZE_LF)
		return size_done(c);
	if (c->state == ST_VALUE_LF) {
		c->state = ST_LINE;
		return HTTP1_MORE;
	}
	c->state = ST_DONE;
	return HTTP1_END;
}

static enum http1_result on_octet(struct http1_chunked *c, uint8_t ch)
{
	switch ((enum chunked_state)c->state) {
	case ST_SIZE:
	case ST_SIZE_PAD:
		return on_size(c, ch);
	case ST_EXT:
		return on_ext(c, ch);
	case ST_DATA_CR:
	case ST_DATA_LF:
		return on_data_end(c, ch);
	case ST_LINE:
	case ST_NAME:
	case ST_VALUE:
		return on_trailer(c, ch);
	case ST_SIZE_LF:
	case ST_VALUE_LF:
	case ST_END_LF:
		return on_lf(c, ch);
	case ST_DATA:
	case ST_DONE:
		break;
	}
	return HTTP1_END;
}

enum http1_result http1_chunked_next(struct http1_chunked *c, struct bb_span in, size_t *ret_used,
				     struct bb_span *ret_data)
{
	size_t at = 0;
	enum http1_result r = c->state == ST_DONE ? HTTP1_END : HTTP1_MORE;

	*ret_data = c->trailers = (struct bb_span){ 0 };
	while (r == HTTP1_MORE && at < in.len) {
		if (c->state >= ST_LINE && c->trailers.p == NULL)
			c->trailers.p = in.p + at;
		if (c->state == ST_DATA) {
			size_t n = in.len - at;

			if (n > c->left)
				n = (size_t)c->left;
			*ret_data = (struct bb_span){ in.p + at, n };
			at += n;
			c->left -= n;
			if (c->left == 0)
				c->state = ST_DATA_CR;
			r = HTTP1_OK;
		} else {
			r = on_octet(c, in.p[at++]);
		}
	}
	if (c->trailers.p)
		c->trailers.len = (size_t)(in.p + at - c->trailers.p);
	*ret_used = at;
	return r;
}

size_t http1_chunk_head(char out[static HTTP1_CHUNK_HEAD_MAX], size_t len)
{
	BB_BUG_ON(len == 0);
	return (size_t)snprintf(out, HTTP1_CHUNK_HEAD_MAX, "%zx\r\n", len);
}
