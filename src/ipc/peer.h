/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_IPC_PEER_H
#define BB_IPC_PEER_H
#include "ipc/msg.h"
#include <event2/event.h>

/**
 * DOC: peer - one end of a pair of processes, on a libevent loop
 *
 * Layer:     ipc
 * Used by:   every role's loop
 * Trust:     the peer may be hostile: what does not decode, or is not permitted between the two
 *            roles, ends the pair with on_dead()
 * Ownership: ipc_peer_new() takes the fd; ipc_peer_free() closes it
 * Limits:    256 datagrams read per wake-up; outgoing queue of IPC_PEER_QUEUE_MAX octets, past
 *            which the pair is dead
 */
#define IPC_PEER_QUEUE_MAX (8u << 20)

struct ipc_peer;

/**
 * ipc_msg_fn - One message came in
 * @msg:	spans valid until the callback returns. The callback takes msg->fd by setting it
 *		to -1; otherwise it is closed after the call
 */
typedef void (*ipc_msg_fn)(struct ipc_peer *peer, struct ipc_msg *msg, void *arg);

/**
 * ipc_dead_fn - The pair has ended: end of file, undecodable, or its queue overflowed
 * @why:	-ENODATA at an orderly end of file, else the error
 *
 * Called once, never from inside ipc_peer_send(). It may free the peer.
 */
typedef void (*ipc_dead_fn)(struct ipc_peer *peer, int why, const char *text, void *arg);

/**
 * ipc_peer_new() - Start reading @fd on @base
 * @self, @remote: which permit rows apply
 *
 * Return: owned peer; NULL without memory
 */
BB_MUST_USE struct ipc_peer *ipc_peer_new(struct event_base *base, enum ipc_role self,
					  enum ipc_role remote, int fd, ipc_msg_fn on_msg,
					  ipc_dead_fn on_dead, void *arg);
/** ipc_peer_free() - NULL is fine; allowed inside callbacks */
void ipc_peer_free(struct ipc_peer *peer);

/**
 * ipc_peer_send() - Send now or queue; borrows @msg and its fd
 *
 * Return: 0 sent or queued; -errno when this message could not be taken (EMFILE, ETOOMANYREFS,
 * ENOMEM: costs the caller's one flow); a dead pair takes everything and drops it.
 */
int ipc_peer_send(struct ipc_peer *peer, const struct ipc_msg *msg);

/** ipc_peer_queued() - Octets waiting to go out: stop producing bulk data above 256 KiB */
size_t ipc_peer_queued(const struct ipc_peer *peer);

/** ipc_peer_on_drain() - Call @fn each time the queue becomes empty (NULL: none) */
void ipc_peer_on_drain(struct ipc_peer *peer, void (*fn)(struct ipc_peer *peer, void *arg));

/** ipc_peer_pause() - Stop or resume reading (back-pressure) */
void ipc_peer_pause(struct ipc_peer *peer, bool pause);

/** ipc_peer_remote() - The role at the other end */
enum ipc_role ipc_peer_remote(const struct ipc_peer *peer);
#endif
