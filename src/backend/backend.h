/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_BACKEND_BACKEND_H
#define BB_BACKEND_BACKEND_H
#include "policy/policy.h"
#include <jansson.h>

/**
 * DOC: backend - where a bottle runs
 *
 * Layer:     backend
 * Used by:   cli
 * Ownership: the tables are constant; struct backend_start borrows everything
 *
 * smolmachines (a micro-VM) is the default. docker is legacy and must be asked for by name. A
 * backend that cannot run here says what is missing; nothing ever falls back to another one.
 */

/**
 * struct backend_start - One bottle to start
 * @policy:	compiled policy with identity and alias set
 * @image:	image name or digest, as image_open() takes it
 * @state_dir:	the bottle's state directory, existing, 0700: metadata, disk, audit
 * @runtime_dir: the bottle's runtime directory, existing, 0700: control socket, pid file
 * @env:	JSON object of the manifest's environment, already resolved (secret)
 * @secrets:	JSON object for the egress guard alone (docs/protocol/secrets.md)
 * @upstream_ca_pem: additional roots for upstream TLS, PEM, or ""
 * @proxy_auth:	base64 of user:password for the policy's proxy, for dialer alone, or NULL
 * @memory_bytes, @cpus, @disk_bytes, @pids: resources
 * @boot_seconds: how long a machine may compute until its guest says hello
 * @accel:	"auto", "kvm" or "tcg"
 * @ephemeral:	the bottle ends when the caller's connection ends (`run`)
 * @keep_disk:	keep the writable disk at the end
 * @jail_strict: no start where namespaces or Landlock cannot be had
 */
struct backend_start {
	const struct policy *policy;
	const char *image;
	const char *state_dir;
	const char *runtime_dir;
	const json_t *env;
	const json_t *secrets;
	const char *upstream_ca_pem;
	const char *proxy_auth;
	uint64_t memory_bytes;
	uint64_t disk_bytes;
	uint32_t cpus;
	uint32_t pids;
	uint32_t boot_seconds;
	const char *accel;
	bool ephemeral;
	bool keep_disk;
	bool jail_strict;
};

/**
 * struct backend - One way to run bottles
 * @name:	as --backend takes it
 * @legacy:	said in every list and preflight
 * @missing:	What keeps it from running here: appends lines of text ("qemu-system-x86: …, apt-get
 *		install qemu-system-x86") to @ret. Return: number of things missing, or -errno
 * @start:	Fork and exec the bottle's supervisor. Return: owned SOCK_SEQPACKET fd on which
 *		PROGRESS, BOTTLE_UP and BOTTLE_FAILED arrive (docs/protocol/ipc.md), or -errno
 * @remarks:	What the operator should know before a start, a line each, or NULL
 * @note:	What is needed to reach the same engine later, for the bottle's metadata, or NULL.
 *		Return: 0 with @ret owned, or -errno with @err
 * @forget:	Remove what an ended bottle may have left with the engine of @note (NULL: not
 *		recorded), or NULL. Return: 0, or -errno with @err when that cannot be known:
 *		the bottle's directories stay; -EHOSTDOWN: that engine is not reached
 * @main_pid:	Process 1 of a running bottle as this host sees it; NULL: the supervisor names all.
 *		Return: pid, or -errno where the engine of @note does not say it in two seconds
 * @connect:	Reach a running bottle by its runtime directory. Return: owned fd, or -errno
 */
struct backend {
	const char *name;
	bool legacy;
	int (*missing)(char *ret, size_t size, struct bb_err *err);
	int (*start)(const struct backend_start *start, struct bb_err *err);
	void (*remarks)(char *ret, size_t size);
	int (*note)(json_t **ret, struct bb_err *err);
	int (*forget)(const json_t *note, const char *identity, struct bb_err *err);
	pid_t (*main_pid)(const json_t *note, const char *identity);
	int (*connect)(const char *runtime_dir, struct bb_err *err);
};

/** backend_all() - The table, NULL-terminated, default first */
const struct backend *const *backend_all(void);

/** backend_find() - By exact name; NULL when there is none */
const struct backend *backend_find(const char *name);

/**
 * backend_choose() - flag, else environment (empty = unset), else config, else smolmachines
 * @flag, @env, @config: NULL when not given
 *
 * Return: 0; -EINVAL with an @err that names where the unknown name came from and the valid ones
 */
BB_MUST_USE int backend_choose(const char *flag, const char *env, const char *config,
			       const struct backend **ret, struct bb_err *err);
#endif
