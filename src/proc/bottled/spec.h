/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_BOTTLED_SPEC_H
#define BB_PROC_BOTTLED_SPEC_H
#include "policy/policy.h"
#include <jansson.h>

#define SPEC_OPTIONS_MAX 8

/**
 * DOC: spec - how to run this bottle: IPC_BLOB_BOTTLE, written by the backend, read by bottled
 *
 * Layer:     proc/bottled
 * Used by:   bottled
 * Trust:     from the operator's own CLI; still checked, a wrong version must not half-start
 * Ownership: spec_release() frees everything; @json keeps the strings alive
 *
 * One JSON object with every key: engine ("" for a virtual machine, else the path of docker or
 * podman), engine_options (at most SPEC_OPTIONS_MAX strings), state_dir, runtime_dir, image, env
 * (object of strings), upstream_ca_pem, memory_bytes, disk_bytes, cpus, pids, boot_seconds, accel,
 * ephemeral, keep_disk, jail_strict, tz.
 */
struct spec {
	json_t *json;
	const char *engine;
	const json_t *engine_options;
	const char *state_dir;
	const char *runtime_dir;
	const char *image;
	const json_t *env;
	const char *upstream_ca_pem;
	uint64_t memory_bytes;
	uint64_t disk_bytes;
	uint32_t cpus;
	uint32_t pids;
	uint32_t boot_seconds;
	const char *accel;
	const char *tz;
	bool ephemeral;
	bool keep_disk;
	bool jail_strict; /* no start without both layers of the jail */
	struct policy policy;
	int policy_fd;     /* the sealed memfd, handed on to the roles */
	int rules_fd;      /* compiled vendor rules for egress, or -1 */
	int proxy_auth_fd; /* the same for dialer, or -1 */
	int secrets_fd;    /* the sealed memfd for egress; never read here */
};

/** spec_load() - From the two blobs; takes @policy_fd. Return: 0 or -errno with @err */
BB_MUST_USE int spec_load(int bottle_fd, int policy_fd, struct spec *ret, struct bb_err *err);
void spec_release(struct spec *s);
#endif
