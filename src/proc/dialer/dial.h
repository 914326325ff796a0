/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_DIAL_H
#define BB_PROC_DIALER_DIAL_H
#include "proc/dialer/dialer.h"

/**
 * DOC: dial - one request to connect, from its message to its answer
 *
 * Layer:     proc/dialer
 * Used by:   dialer's main loop
 * Trust:     messages of gate and egress are judged like the guest's own
 * Ownership: a dial owns its sockets, lookups and timers and frees itself when it has answered
 */

/** dial_request() - DIAL_NAME or DIAL_ADDR from gate or egress: answers now or later */
void dial_request(struct dialer *dl, struct ipc_peer *peer, const struct ipc_msg *msg);

/** dial_cancel() - DIAL_CANCEL: nobody waits for it any more; unknown flows are ignored */
void dial_cancel(struct dialer *dl, const struct ipc_peer *peer, uint64_t flow);

/** dial_network_changed() - Other resolvers: lookups under way begin again with them */
void dial_network_changed(struct dialer *dl);

/** dial_addr_gone() - This host has lost @source: what connects from there begins again from
 * elsewhere */
void dial_addr_gone(struct dialer *dl, const struct ip_addr *source);

/** dial_cancel_all() - At the end */
void dial_cancel_all(struct dialer *dl);
#endif
