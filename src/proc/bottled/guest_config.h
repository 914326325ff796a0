/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_BOTTLED_GUEST_CONFIG_H
#define BB_PROC_BOTTLED_GUEST_CONFIG_H
#include "base/buf.h"
#include "proc/bottled/spec.h"

/**
 * DOC: guest_config - /bottle/config.json and the trust bundle for one start
 *
 * Layer:     proc/bottled
 * Source:    docs/protocol/guest-config.md
 */

/* Where the guest has the trust files */
#define GUEST_CONFIG_BUNDLE     "/etc/ssl/certs/ca-certificates.crt"
#define GUEST_CONFIG_JAVA_STORE "/etc/ssl/certs/bot-bottle-java.p12"

/**
 * guest_config_json() - Configuration of the guest, as text
 * @root_pem:	the bottle's own CA
 * @ret:	appended
 *
 * Return: 0 or -errno with @err
 */
BB_MUST_USE int guest_config_json(const struct spec *spec, const char *root_pem, struct bb_buf *ret,
				  struct bb_err *err);

/**
 * guest_config_denied() - An address and port that no rule allows, for the guest's probe
 */
void guest_config_denied(const struct policy *p, struct ip_addr *ret_addr, uint16_t *ret_port);
#endif
