/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_WIRE_DNS_NAME_H
#define BB_WIRE_DNS_NAME_H
#include "base/base.h"

/**
 * DOC: dns_name - domain names in messages
 *
 * Layer:     wire (no malloc, no I/O, no globals, no logging)
 * Used by:   wire/dns.c, wire/dns_answer.c; fuzz/dns_name.c; tests/unit/wire/dns_name.c
 * Trust:     input is a guest's or a server's; output is safe to log and to compare
 * Ownership: borrows the span for the call; writes the caller's buffer
 * Limits:    253 octets of text, 255 on the wire; DNS_NAME_JUMPS_MAX pointers in a name
 * Source:    RFC 1035 sections 2.3.4 and 3.1; docs/protocol/dns.md
 *
 * The name of a question stands first in its message, so a compression pointer in it could only
 * point at itself or the header: it is refused.
 */
#define DNS_NAME_TEXT_MAX  254 /* 253 visible octets + NUL */
#define DNS_NAME_WIRE_MAX  255
#define DNS_NAME_JUMPS_MAX 32

enum dns_name_result {
	DNS_NAME_OK = 0,
	DNS_NAME_TRUNCATED, /* the message ends inside the name */
	DNS_NAME_TOO_LONG,
	DNS_NAME_BAD_LABEL, /* compression pointer or reserved label type */
	DNS_NAME_BAD_OCTET, /* a well-formed name with octets that no host name has */

	DNS_NAME_NUM_RESULTS,
};
extern const char *const dns_name_result_str[DNS_NAME_NUM_RESULTS];

/**
 * dns_name_read() - Decode one name
 * @msg:	Whole message (octets)
 * @off:	In: octet offset of the name. Out, on success: first octet after it
 * @out:	Lower-cased dotted text of [a-z0-9_-], NUL-terminated, no trailing dot ("" is the
 *		root)
 * @ret_len:	strlen(@out)
 *
 * Return: DNS_NAME_OK or the reason; on failure nothing is written, except that
 * DNS_NAME_BAD_OCTET moves @off behind the name
 */
BB_MUST_USE enum dns_name_result dns_name_read(struct bb_span msg, size_t *off,
					       char out[static DNS_NAME_TEXT_MAX], size_t *ret_len);

/**
 * dns_name_read_packed() - The same for the names of an answer, where pointers are in use
 *
 * A pointer leads backwards, to before everything of the name that was read so far (RFC 1035
 * section 4.1.4: a prior occurrence); @off moves behind the first one.
 */
BB_MUST_USE enum dns_name_result dns_name_read_packed(struct bb_span msg, size_t *off,
						      char out[static DNS_NAME_TEXT_MAX],
						      size_t *ret_len);

/**
 * dns_name_write() - Encode dotted text
 * @name:	As dns_name_read() leaves it; anything else is a bug (BB_BUG_ON)
 *
 * Return: octets written, 1 to DNS_NAME_WIRE_MAX
 */
size_t dns_name_write(const char *name, uint8_t out[static DNS_NAME_WIRE_MAX]);
#endif
