/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_DIALER_NETWORK_H
#define BB_PROC_DIALER_NETWORK_H
#include "proc/dialer/dialer.h"

/**
 * DOC: network - the host's hosts file and resolvers, at start and when they change
 *
 * Layer:     proc/dialer
 * Used by:   main.c
 * Trust:     the operator's files, handed over by bottled as sealed memfds
 * Limits:    files of up to 1 MiB (hosts) and 64 KiB (resolv.conf)
 *
 * Resolvers that config.yaml names are the operator's word: resolv.conf is not looked at then.
 * Its search list never is: names are looked up as they stand.
 */

/**
 * network_take() - Replace the hosts file or the resolvers
 * @kind:	IPC_BLOB_HOSTS or IPC_BLOB_RESOLV; others are ignored
 * @fd:		Borrowed; -1 = there is no such file
 *
 * Return: 0 or -errno with @err; what was in use stays in use then
 */
BB_MUST_USE int network_take(struct dialer *dl, enum ipc_blob_kind kind, int fd,
			     struct bb_err *err);
#endif
