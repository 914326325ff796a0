/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_STATE_AUDIT_CHAIN_H
#define BB_STATE_AUDIT_CHAIN_H
#include "base/buf.h"

/**
 * DOC: audit_chain - each record of an audit vouches for all before it, and a signature for the
 * last
 *
 * A line ends in ',"chain":"HEX"}'. HEX is SHA-256 over the 32 octets of the line before and this
 * line's text without that member ("{…}"). The first follows a value made of the bottle's identity.
 * When the bottle has ended in order, audit.head says how many records there are and what the last
 * one's chain is, signed by the user's own Ed25519 key (audit.key beside the bottles).
 *
 * So whoever changes, removes, adds or moves a record without that key shows. Who has the key,
 * which is who runs bot-bottle, can write what he likes.
 *
 * Layer:     state (OpenSSL does the work; no I/O but for the head and the key)
 * Used by:   recorder, bottled, `bot-bottle audit verify`
 * Trust:     a file that is verified is hostile
 * Source:    docs/protocol/audit.md; FIPS 180-4, RFC 8032
 */
#define AUDIT_CHAIN_BYTES  32
#define AUDIT_CHAIN_SUFFIX 76 /* octets that the member and the closing brace take */
#define AUDIT_HEAD_NAME    "audit.head"
#define AUDIT_KEY_NAME     "audit.key"

/** struct audit_chain - Where a chain stands */
struct audit_chain {
	uint8_t at[AUDIT_CHAIN_BYTES];
	uint64_t records;
};

/** audit_chain_begin() - Before the first record. Return: 0 or -EIO (no SHA-256) */
BB_MUST_USE int audit_chain_begin(struct audit_chain *c, const char *identity);

/**
 * audit_chain_add() - Put the member into one record
 * @line:	"{…}" or "{…}\n", which stays at its end
 *
 * Return: 0 with both changed; -EINVAL, -ENOBUFS, -EIO with nothing changed
 */
BB_MUST_USE int audit_chain_add(struct audit_chain *c, struct bb_buf *line);

/** enum audit_link - What a line is to the one before */
enum audit_link {
	AUDIT_LINK_OK = 0,
	AUDIT_LINK_BROKEN, /* it does not follow: changed, or something before it is gone or moved
			    */
	AUDIT_LINK_NONE,   /* no record: cut by a crash, or foreign */

	AUDIT_NUM_LINKS,
};
/** audit_chain_check() - Take a line (without its line feed) and go on from it, whatever it is */
enum audit_link audit_chain_check(struct audit_chain *c, struct bb_span line);
/** audit_chain_take() - Go on from a line that is believed: our own file, opened again */
bool audit_chain_take(struct audit_chain *c, struct bb_span line);

/** audit_head_text() - What recorder leaves at the end: records and chain, not signed */
BB_MUST_USE int audit_head_text(const struct audit_chain *c, struct bb_buf *ret);
/**
 * audit_head_sign() - Sign audit.head below @state_dir with the key in the directory above it,
 * which is made when there is none
 *
 * Return: 0; -ENODATA when recorder left nothing; other -errno; with @err
 */
BB_MUST_USE int audit_head_sign(int state_dir, const char *identity, uint64_t wall_ms,
				struct bb_err *err);

/** struct audit_head - audit.head as read; @is_signed: by the user's key, over all of it */
struct audit_head {
	struct audit_chain chain;
	uint64_t time_ms;
	bool is_signed;
};
/**
 * audit_head_read() - Return: 0; -ENOENT when there is none (the bottle runs, or was killed);
 * -EBADMSG when it is not signed by this user's key, with @err
 */
BB_MUST_USE int audit_head_read(int state_dir, const char *identity, struct audit_head *ret,
				struct bb_err *err);
#endif
