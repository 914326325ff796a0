/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_TESTS_UNIT_PROC_GATE_GATE_H
#define BB_TESTS_UNIT_PROC_GATE_GATE_H
#include "tests/unit/proc/gate/driver.h"
#include "tests/unit/proc/role.h"
#include "wire/flow.h"
#include <sys/un.h>

/*
 * gate's real executable with a driver in front of it and the test in the place of its peers. Its
 * policy: route listed.test, tcp 203.0.113.20:7000, the guard at 127.64.0.1:9099.
 */
#define PORT_DNS  6002
#define PORT_FLOW 6003
#define RX        DRIVER_RX_BYTES

extern const char *gate_exe;

/** gate_start() - Up to READY; the driver's memory has @seals, nothing is negotiated */
void gate_start(struct role *r, struct driver *d, unsigned int seals);
/** gate_start_listening() - The same for a container: sockets of ports 5000, 5001, 6002, 6003 in
 * @ret, names of the kernel's choice, 5 octets long */
void gate_start_listening(struct role *r, struct sockaddr_un ret[static 4]);
/** gate_start_device() - And the device works */
void gate_start_device(struct role *r, struct driver *d);
void gate_end(struct role *r, struct driver *d);

/** gate_header() - A flow header for TCP to a.b.c.e:port */
void gate_header(uint8_t out[static FLOW_HEADER_BYTES], uint8_t a, uint8_t b, uint8_t c, uint8_t e,
		 uint16_t port);
/** gate_ask_flow() - Stream @c from guest port @port, with that header */
void gate_ask_flow(struct driver *d, struct driver_conn *c, uint32_t port,
		   const uint8_t header[static FLOW_HEADER_BYTES]);
/** gate_status() - The reply is this one, or the test fails */
void gate_status(struct driver *d, struct driver_conn *c, enum flow_status status);

/** gate_query() - A query of type A, framed. Return: octets in @out */
size_t gate_query(uint8_t *out, uint16_t id, const char *name);
/** gate_rcode() - Read one framed reply; @carry (4 * RX) holds what came behind it */
unsigned int gate_rcode(struct driver *d, struct driver_conn *c, uint8_t *carry, size_t *have,
			uint16_t *ret_id);
#endif
