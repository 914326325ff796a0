/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/network.h"
#include "base/io.h"
#include "base/log.h"
#include "proc/dialer/dial.h"

#define HOSTS_FILE_MAX  (1u << 20)
#define RESOLV_CONF_MAX (64u << 10)

static int take_hosts(struct dialer *dl, struct bb_span text)
{
	struct hosts fresh = { 0 };
	int r = hosts_parse(&fresh, text);

	if (r < 0)
		return r;
	hosts_release(&dl->hosts);
	dl->hosts = fresh;
	return 0;
}

static int take_servers(struct dialer *dl, struct bb_span text, struct bb_err *err)
{
	struct ip_addr servers[POLICY_RESOLVERS_MAX];
	size_t n = dl->policy.n_resolvers;

	memcpy(servers, dl->policy.resolvers, n * sizeof(servers[0]));
	if (n == 0)
		n = resolver_servers(text, servers, BB_ARRAY_LEN(servers));
	if (dl->resolver && n == dl->n_servers &&
	    memcmp(servers, dl->servers, n * sizeof(servers[0])) == 0)
		return 0;
	memcpy(dl->servers, servers, n * sizeof(servers[0]));
	dl->n_servers = n;
	if (!dl->resolver) {
		dl->resolver = resolver_new(dl->base, servers, n, err);
		return dl->resolver ? 0 : err->code;
	}
	bb_log("the host's resolvers have changed: %zu in use", n);
	if (resolver_set_servers(dl->resolver, servers, n, err) < 0)
		return err->code;
	dial_network_changed(dl);
	return 0;
}

int network_take(struct dialer *dl, enum ipc_blob_kind kind, int fd, struct bb_err *err)
{
	bb_auto_buf struct bb_buf text;
	int r = 0;

	bb_buf_init(&text, kind == IPC_BLOB_HOSTS ? HOSTS_FILE_MAX : RESOLV_CONF_MAX);
	if (fd >= 0)
		r = bb_memfd_read(fd, &text);
	if (r == 0 && kind == IPC_BLOB_RESOLV)
		return take_servers(dl, bb_buf_span(&text), err);
	if (r == 0 && kind == IPC_BLOB_HOSTS)
		r = take_hosts(dl, bb_buf_span(&text));
	return r < 0 ? bb_err_set(err, r, "%s: %s",
				  kind == IPC_BLOB_HOSTS ? "hosts file" : "resolv.conf",
				  strerror(-r))
		     : 0;
}
