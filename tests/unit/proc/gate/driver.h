/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TESTS_UNIT_PROC_GATE_DRIVER_H
#define BB_TESTS_UNIT_PROC_GATE_DRIVER_H
#include "wire/vhost_user.h"
#include "wire/vsock.h"
#include <sys/types.h>

/*
 * Plays a VMM (vhost-user front end) and a guest kernel (virtio-vsock driver) for gate's device,
 * without a machine. For tests, which also make it lie, and for bench/gate.c. Waits end after five
 * seconds, so that nothing hangs.
 */
#define DRIVER_NUM      256u            /* ring entries */
#define DRIVER_MEM      (32u << 20)     /* guest memory */
#define DRIVER_USER     0x7f0000000000u /* where "the VMM" has it */
#define DRIVER_RX_BYTES 8192u           /* one receive buffer, header included */
#define DRIVER_TX_BYTES 69632u
enum { DRIVER_RX = 0, DRIVER_TX = 1 };

struct driver_queue {
	uint8_t *desc, *avail, *used; /* in guest memory; virtio 1.2, 2.7 */
	uint16_t avail_idx, used_idx;
	int kick, call;
};

struct driver {
	int vhost; /* -1: given up */
	int memfd;
	uint8_t *mem;
	struct driver_queue q[2];
};

/** struct driver_conn - One stream of the guest, with its credit */
struct driver_conn {
	uint32_t guest_port, host_port;
	uint32_t peer_alloc, peer_fwd; /* gate's buffer, as it last said */
	uint32_t tx, rx;               /* octets so far, modulo 2^32 */
	bool eof, reset;               /* SHUTDOWN(SEND), RST seen */
	size_t have;                   /* octets in @in: came while we wrote */
	uint8_t in[64u << 10];
};

/** driver_init() - Memory with @seals (F_SEAL_*), rings; @vhost is ours. Return: 0 or -errno */
BB_MUST_USE int driver_init(struct driver *d, int vhost, unsigned int seals);
/** driver_negotiate() - All messages up to SET_VRING_ENABLE; posts every receive buffer.
 * Return: gate's feature bits, 0 when it hung up */
BB_MUST_USE uint64_t driver_negotiate(struct driver *d);
void driver_release(struct driver *d);
/** driver_reboot() - As a machine that starts again: rings stopped, memory empty, set up afresh.
 * Return: whether gate took part */
BB_MUST_USE bool driver_reboot(struct driver *d);

/** driver_message() - One vhost-user request, and its answer if it has one.
 * Return: octets of answer in @ret (room for VHOST_USER_PAYLOAD_MAX), or -1 at end of file */
ssize_t driver_message(struct driver *d, enum vhost_user_request request, const void *payload,
		       uint32_t len, int fd, bool has_answer, void *ret);

/** driver_desc() - Write descriptor @i of queue @q */
void driver_desc(struct driver *d, int q, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next);
/** driver_kick() - Wake the device, whether it wants to be or not */
void driver_kick(struct driver *d, int q);
/** driver_offer() - Make the chain that starts at @head available, and kick */
void driver_offer(struct driver *d, int q, uint16_t head);

/** driver_send() - One packet. Return: false when gate does not take it in five seconds */
BB_MUST_USE bool driver_send(struct driver *d, const struct vsock_header *h, const void *payload);
/** driver_recv() - One packet; @payload has room for DRIVER_RX_BYTES. Return: false after @ms */
BB_MUST_USE bool driver_recv(struct driver *d, struct vsock_header *h, uint8_t *payload, int ms);

/** driver_header() - Header of @c with our credit filled in */
struct vsock_header driver_header(const struct driver_conn *c, enum vsock_op op, uint32_t len);
/** driver_connect() - REQUEST. Return: whether RESPONSE came (a reset sets @c->reset) */
BB_MUST_USE bool driver_connect(struct driver *d, struct driver_conn *c, uint32_t guest_port,
				uint32_t host_port);
/** driver_write() - Octets within gate's credit. Return: false on reset or silence */
BB_MUST_USE bool driver_write(struct driver *d, struct driver_conn *c, const void *data,
			      size_t len);
/** driver_read() - At least one octet. Return: octets (up to DRIVER_RX_BYTES), 0 at eof, reset or
 * after five seconds */
size_t driver_read(struct driver *d, struct driver_conn *c, uint8_t *out);
#endif
