/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_HTTP1_H
#define BB_WIRE_HTTP1_H
#include "base/base.h"

/**
 * DOC: http1 - HTTP/1.x heads and chunked bodies
 *
 * A head is scanned as it arrives (http1_scan()), so that a forbidden octet is seen at once and no
 * octet is looked at twice; the complete head is then parsed into spans and facts. Nothing that
 * arrived is ever sent on as it is: http1_request_write() and http1_response_write() make a new
 * head from the parsed one, with our own Host, framing and connection fields, and chunked bodies
 * are decoded and encoded again. What two parsers could read in two ways is refused in a request;
 * in a response the oddities that real servers are known for are normalised and marked (@odd),
 * after which the connection must not be used again.
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   egress; fuzz/http1_request.c, http1_response.c, http1_chunked.c
 * Trust:     all input is hostile
 * Ownership: spans borrow the buffer that was parsed; a response's buffer is changed in place
 * Limits:    64 KiB per head, 200 fields, 256 octets of extension per chunk and 16 KiB of them per
 *            body, 8 KiB of trailers
 * Source:    RFC 9110, RFC 9112
 */
#define HTTP1_HEAD_MAX   65536
#define HTTP1_FIELDS_MAX 200
/* A written head: what was read plus our own Host, framing and connection fields */
#define HTTP1_WRITE_MAX     (HTTP1_HEAD_MAX + 1024)
#define HTTP1_EXT_MAX       256
#define HTTP1_EXT_TOTAL_MAX 16384
#define HTTP1_TRAILER_MAX   8192

enum http1_result {
	HTTP1_OK = 0,
	HTTP1_MORE, /* the input ends inside the head or body: come again with more */
	HTTP1_END,  /* chunked body: its last octet has been read */
	/* Everything from here is a refusal */
	HTTP1_BAD_LINE,
	HTTP1_BAD_METHOD,
	HTTP1_BAD_TARGET,
	HTTP1_BAD_VERSION,
	HTTP1_BAD_STATUS,
	HTTP1_BARE_LF,
	HTTP1_BARE_CR,
	HTTP1_BAD_OCTET,
	HTTP1_OBS_FOLD,
	HTTP1_BAD_NAME,
	HTTP1_SPACE_BEFORE_COLON,
	HTTP1_HEAD_TOO_LONG,
	HTTP1_TOO_MANY_FIELDS,
	HTTP1_HOST_MISSING,
	HTTP1_HOST_DUPLICATE,
	HTTP1_BAD_LENGTH,
	HTTP1_LENGTH_DUPLICATE,
	HTTP1_LENGTH_DIFFERS,
	HTTP1_BAD_CODING,
	HTTP1_CODING_AND_LENGTH,
	HTTP1_CODING_IN_HTTP10,
	HTTP1_CONNECT_BODY,
	HTTP1_BAD_EXPECT,
	HTTP1_BAD_CHUNK_SIZE,
	HTTP1_BAD_CHUNK_EXT,
	HTTP1_BAD_CHUNK_END,
	HTTP1_BAD_TRAILER,
	HTTP1_NO_ROOM,

	HTTP1_NUM_RESULTS,
};
extern const char *const http1_result_str[HTTP1_NUM_RESULTS];

/** http1_result_is_bad() - A refusal, as opposed to OK, MORE and END? */
static inline bool http1_result_is_bad(enum http1_result r)
{
	return r >= HTTP1_BAD_LINE;
}

struct http1_field {
	struct bb_span name;
	struct bb_span value; /* without the white space around it */
};
struct http1_fields {
	struct http1_field v[HTTP1_FIELDS_MAX];
	size_t n;
};

enum http1_body {
	HTTP1_BODY_NONE = 0,
	HTTP1_BODY_LENGTH,
	HTTP1_BODY_CHUNKED,
	HTTP1_BODY_CLOSE, /* responses only: up to the end of the connection */

	HTTP1_NUM_BODIES,
};
enum http1_form {
	HTTP1_FORM_ORIGIN = 0, /* "/path?query" */
	HTTP1_FORM_ABSOLUTE,   /* "http://host/path" */
	HTTP1_FORM_AUTHORITY,  /* "host:port", CONNECT only */
	HTTP1_FORM_ASTERISK,   /* "*", OPTIONS only */

	HTTP1_NUM_FORMS,
};

/**
 * struct http1_request - One parsed request head
 * @method:	Token, as sent (methods are case-sensitive)
 * @target:	Octets 0x21 to 0x7e, no fragment
 * @minor:	0 or 1
 * @host:	Value of the one Host field; p is NULL without one
 * @body:	NONE, LENGTH (@length octets) or CHUNKED
 * @keep_alive:	The client wants the connection to stay
 * @expect:	"Expect: 100-continue" in HTTP/1.1
 * @te_trailers: "TE: trailers"
 * @websocket:	Upgrade names websocket and Connection names upgrade
 */
struct http1_request {
	struct bb_span method;
	struct bb_span target;
	enum http1_form form;
	unsigned int minor;
	struct bb_span host;
	enum http1_body body;
	uint64_t length;
	bool keep_alive;
	bool expect;
	bool te_trailers;
	bool websocket;
	struct http1_fields fields;
};

/**
 * struct http1_response - One parsed response head
 * @has_length:	A Content-Length was given; meaningful without a body too (HEAD, 304)
 * @odd:	Something was normalised: close the connection after this message
 */
struct http1_response {
	unsigned int status;
	unsigned int minor;
	struct bb_span reason;
	enum http1_body body;
	bool has_length;
	uint64_t length;
	bool keep_alive;
	bool odd;
	struct http1_fields fields;
};

/**
 * struct http1_scan - Where a growing buffer has been looked at; start with zeroes
 * @skip:	Octets before the start line (one CRLF before a request)
 */
struct http1_scan {
	size_t pos;
	size_t line;
	size_t skip;
	bool started;
};

/**
 * http1_scan_request() - Look for the end of a request head
 * @s:		Progress; the caller keeps it while the buffer grows at its end
 * @buf:	Everything received so far, from the first octet
 * @ret_len:	Octets of the head with its empty line and @s->skip
 *
 * Return: HTTP1_OK with @ret_len, HTTP1_MORE, or why no continuation can make this a request
 */
BB_MUST_USE enum http1_result http1_scan_request(struct http1_scan *s, struct bb_span buf,
						 size_t *ret_len);

/** http1_scan_response() - The same for a response, where a bare LF ends a line */
BB_MUST_USE enum http1_result http1_scan_response(struct http1_scan *s, struct bb_span buf,
						  size_t *ret_len);

/**
 * http1_request_parse() - Parse a complete request head
 * @head:	From the method up to and including the empty line
 * @ret:	Written on success; undefined otherwise
 *
 * Return: HTTP1_OK or the reason for a 400 (417 for HTTP1_BAD_EXPECT)
 */
BB_MUST_USE enum http1_result http1_request_parse(struct bb_span head, struct http1_request *ret);

/**
 * http1_response_parse() - Parse a complete response head
 * @head:	From the version up to and including the empty line; folds are joined in place
 * @method:	Of the request that this answers
 * @ret:	Written on success; undefined otherwise
 *
 * Return: HTTP1_OK or the reason for a 502
 */
BB_MUST_USE enum http1_result http1_response_parse(uint8_t *head, size_t len, struct bb_span method,
						   struct http1_response *ret);

/** http1_fields_drop_named() - Drop what a Connection field names; nobody behind this hop gets it
 */
void http1_fields_drop_named(struct http1_fields *f);

/**
 * http1_request_settle() - Take out the fields that http1_request_write() leaves out
 *
 * Who looks at what stands next to what has to see it as it is sent. What the fields said has been
 * taken from them: @r->host, @r->expect and so on stay.
 */
void http1_request_settle(struct http1_request *r);

/**
 * http1_request_write() - Make the head that goes upstream
 * @r:		Parsed request
 * @target:	What to ask for: origin-form or "*"
 * @host:	Text of the Host field
 * @out:	HTTP1_WRITE_MAX octets are always enough
 * @ret_len:	Octets written
 *
 * Always HTTP/1.1. Left out: Host, framing, everything hop-by-hop, Expect, Proxy-Authorization, and
 * the fields that Connection names. @r->websocket, @r->te_trailers, @r->body and @r->length are
 * written afresh.
 *
 * Return: HTTP1_OK or HTTP1_NO_ROOM
 */
BB_MUST_USE enum http1_result http1_request_write(const struct http1_request *r,
						  struct bb_span target, struct bb_span host,
						  uint8_t *out, size_t cap, size_t *ret_len);

/**
 * http1_response_write() - Make the head that goes to the guest
 * @r:		Parsed response
 * @body:	Framing towards the guest; LENGTH writes @r->length, NONE keeps a given length
 * @connection:	Value of the Connection field, or NULL for none
 *
 * Left out besides framing and hop-by-hop fields: Alt-Svc, NEL, Report-To (they would lead the
 * client around the guard).
 *
 * Return: HTTP1_OK or HTTP1_NO_ROOM
 */
BB_MUST_USE enum http1_result http1_response_write(const struct http1_response *r,
						   enum http1_body body, const char *connection,
						   uint8_t *out, size_t cap, size_t *ret_len);

/** http1_is_same() - ASCII case-insensitive comparison of as many octets */
bool http1_is_same(const uint8_t *a, const char *b, size_t len);
/** http1_span_is() - ... with a literal: most differ in length, which the compiler knows */
static inline bool http1_span_is(struct bb_span s, const char *literal)
{
	return s.len == strlen(literal) && http1_is_same(s.p, literal, s.len);
}

/** http1_list_has() - Is @token an element of a comma-separated list? Case-insensitive */
bool http1_list_has(struct bb_span list, const char *token);

/** http1_fields_find() - First field of this name from index @from on, or NULL */
const struct http1_field *http1_fields_find(const struct http1_fields *f, const char *name,
					    size_t from);

/**
 * struct http1_chunked - Chunked decoder; start with http1_chunked_init()
 * @lenient:	Response: bare LF, white space after the size; both set @odd
 * @trailers:	What the last call read of the trailer section, its empty line included
 */
struct http1_chunked {
	unsigned int state;
	bool lenient;
	bool odd;
	unsigned int digits;
	uint64_t left;
	size_t ext;
	size_t ext_total;
	size_t trailer;
	struct bb_span trailers;
};
void http1_chunked_init(struct http1_chunked *c, bool lenient);

/**
 * http1_chunked_next() - Decode up to the next run of content
 * @in:		New octets
 * @ret_used:	How many of them are done with, content included
 * @ret_data:	Content inside @in; empty unless HTTP1_OK
 *
 * Trailers are checked and not part of the content: @c->trailers.
 *
 * Return: HTTP1_OK with content, HTTP1_MORE with all of @in used, HTTP1_END, or the refusal
 */
BB_MUST_USE enum http1_result http1_chunked_next(struct http1_chunked *c, struct bb_span in,
						 size_t *ret_used, struct bb_span *ret_data);

/**
 * http1_trailers_parse() - The fields of a response's trailer section
 * @section:	Everything that http1_chunked showed as @trailers
 *
 * Return: HTTP1_OK, or the reason for a 502
 */
BB_MUST_USE enum http1_result http1_trailers_parse(struct bb_span section,
						   struct http1_fields *ret);

/**
 * http1_trailers_write() - The last chunk and these trailers
 *
 * Left out: everything hop-by-hop, and what RFC 9110 section 6.5.1 forbids here.
 *
 * Return: HTTP1_OK or HTTP1_NO_ROOM (HTTP1_WRITE_MAX octets are always enough)
 */
BB_MUST_USE enum http1_result http1_trailers_write(const struct http1_fields *f, uint8_t *out,
						   size_t cap, size_t *ret_len);

#define HTTP1_CHUNK_HEAD_MAX 19 /* 16 digits, CR, LF, NUL */
/** http1_chunk_head() - Line before @len octets of content (never 0). Return: its length */
size_t http1_chunk_head(char out[static HTTP1_CHUNK_HEAD_MAX], size_t len);
/* After each chunk, and after the last one */
#define HTTP1_CHUNK_TAIL "\r\n"
#define HTTP1_CHUNK_LAST "0\r\n\r\n"
#endif
