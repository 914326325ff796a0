/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_HTTP2_H
#define BB_WIRE_HTTP2_H
#include "wire/http1.h"

/**
 * DOC: http2 - Field sections of HTTP/2 to heads of HTTP/1.1 and back
 *
 * Everything that the guard decides, it decides about HTTP/1.1 messages. A request that came over
 * HTTP/2 is written as one first, and then read by the same strict parser as any other; what that
 * parser could read in another way than it was meant is refused here. On the way to an HTTP/2
 * server, or back to an HTTP/2 client, the head that the guard has written becomes a field section
 * again. Frames and HPACK are nghttp2's business.
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   egress; fuzz/http2_request.c, http2_response.c
 * Trust:     all input is hostile
 * Ownership: fields that are made borrow the parsed head and the scratch buffer
 * Limits:    64 KiB per field section, counted as RFC 9113 section 6.5.2 does (octets and 32 per
 *            field), 200 fields
 * Source:    RFC 9113 section 8
 */
#define HTTP2_SECTION_MAX 65536
#define HTTP2_FIELD_COST  32
/* Fields of HTTP/1.1, and the pseudo-fields */
#define HTTP2_FIELDS_MAX (HTTP1_FIELDS_MAX + 4)

enum http2_result {
	HTTP2_OK = 0,
	HTTP2_NO_PSEUDO,  /* a pseudo-field is missing */
	HTTP2_BAD_PSEUDO, /* one that is unknown, repeated, or after a field */
	HTTP2_BAD_SCHEME, /* not the connection's */
	HTTP2_BAD_METHOD,
	HTTP2_BAD_PATH,
	HTTP2_BAD_AUTHORITY, /* not a text for a Host field, or Host says something else */
	HTTP2_BAD_STATUS,
	HTTP2_BAD_NAME, /* upper case, or no token */
	HTTP2_BAD_VALUE,
	HTTP2_HOP_BY_HOP, /* a field about a connection of HTTP/1.1 */
	HTTP2_BAD_LENGTH,
	HTTP2_TOO_LONG,
	HTTP2_INVALID, /* said by whoever reads the frames */
	HTTP2_NUM_RESULTS,
};
extern const char *const http2_result_str[HTTP2_NUM_RESULTS];

/** struct http2_section - A field section in the order it came */
struct http2_section {
	struct http1_field v[HTTP2_FIELDS_MAX];
	size_t n;
};

/**
 * http2_request_head() - A request's section as a head of HTTP/1.1
 * @tls:	The connection's scheme is https
 * @ended:	No content follows
 * @out:	HTTP1_HEAD_MAX octets or fewer; http1_request_parse() reads them as one request
 *
 * @ret_chunked: Content follows that is announced as chunked, because its length is not known
 *
 * Crumbs of Cookie are joined (section 8.2.3).
 */
BB_MUST_USE enum http2_result http2_request_head(const struct http2_section *s, bool tls,
						 bool ended, uint8_t *out, size_t cap,
						 size_t *ret_len, bool *ret_chunked);

/**
 * http2_response_head() - A response's section as a head of HTTP/1.1
 * @method:	Of the request that it answers
 * @ret_chunked: As above
 * @ret_status:	Its status; below 200 another section follows
 */
BB_MUST_USE enum http2_result http2_response_head(const struct http2_section *s, bool ended,
						  struct bb_span method, uint8_t *out, size_t cap,
						  size_t *ret_len, unsigned int *ret_status,
						  bool *ret_chunked);

/** http2_trailers() - A trailer section as the last chunk of HTTP/1.1 and its trailers */
BB_MUST_USE enum http2_result http2_trailers(const struct http2_section *s, uint8_t *out,
					     size_t cap, size_t *ret_len);

/**
 * http2_request_section() - A head that the guard has written, for an HTTP/2 server
 * @names:	Room for the names in lower case and numbers: HTTP1_WRITE_MAX octets are enough
 *
 * Return: HTTP2_OK or HTTP2_TOO_LONG
 */
BB_MUST_USE enum http2_result http2_request_section(const struct http1_request *r, bool tls,
						    uint8_t *names, size_t cap,
						    struct http2_section *ret);

/** http2_response_section() - A head that the guard has written, for an HTTP/2 client */
BB_MUST_USE enum http2_result http2_response_section(const struct http1_response *r, uint8_t *names,
						     size_t cap, struct http2_section *ret);

/** http2_trailer_section() - Trailers of HTTP/1.1 for an HTTP/2 client */
BB_MUST_USE enum http2_result http2_trailer_section(const struct http1_fields *f, uint8_t *names,
						    size_t cap, struct http2_section *ret);
#endif
