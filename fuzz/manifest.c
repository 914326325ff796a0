/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/manifest.h"

/*
 * A bottle's file, as it is read. Whatever is accepted stays within the policy's limits and never
 * comes from an empty value; whatever is refused has a place.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bb_span front, body;
	json_t *extends = json_array();
	struct policy policy = { 0 };
	struct bb_err err = { 0 };
	struct bottle b;
	struct diag diag;

	diag_init(&diag);
	bottle_init(&b);
	if (manifest_split((struct bb_span){ data, size }, "f.md", &front, &body, &diag)) {
		struct tree *root = tree_parse(front, "f.md", 1, &diag);

		bottle_parse(root, &b, extends, &diag);
		tree_free(root);
	}
	if (diag.n && !strstr(bb_buf_str(&diag.text), "f.md:"))
		abort();
	if (!diag.n && bottle_to_policy(&b, &policy, &err) == 0) {
		for (size_t i = 0; i < policy.n_routes; i++) {
			if (!policy.routes[i].host[0] || !policy.routes[i].n_ports)
				abort();
		}
		for (size_t i = 0; i < policy.n_tcp; i++) {
			if (!policy.tcp[i].port ||
			    (!policy.tcp[i].host[0] && !policy.tcp[i].cidr.addr.family))
				abort();
		}
	}
	policy_release(&policy);
	bottle_release(&b);
	json_decref(extends);
	diag_release(&diag);
	return 0;
}
