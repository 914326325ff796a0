/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "manifest/manifest.h"
#include <errno.h>
#include <stdio.h>

void config_release(struct config *c)
{
	free(c->backend);
	free(c->accel);
	free(c->image);
	free(c->mirror);
	free(c->jail);
	free(c->proxy_auth);
	json_decref(c->upstream_ca_files);
	*c = (struct config){ 0 };
}

static void take_one_of(const struct tree *root, const char *key, const char *const *words,
			char **ret, struct diag *diag)
{
	const struct tree *k = tree_get(root, key);
	int i = k ? schema_one_of(k, key, words, diag) : -1;

	if (i >= 0)
		*ret = strdup(words[i]);
}

static void take_resolvers(const struct tree *n, struct config *c, struct diag *diag)
{
	if (!schema_is_seq(n, "resolvers", diag))
		return;
	for (const struct tree *k = n->first; k; k = k->next) {
		const char *s = schema_text(k, "resolvers", diag);

		if (!s)
			continue;
		if (c->n_resolvers == POLICY_RESOLVERS_MAX)
			diag_add(diag, k->at, "resolvers: more than %d", POLICY_RESOLVERS_MAX);
		else if (!ip_addr_parse(s, &c->resolvers[c->n_resolvers]))
			diag_add(diag, k->at, "resolvers: '%.60s' is not an address", s);
		else
			c->n_resolvers++;
	}
}

static void take_ca_files(const struct tree *n, struct config *c, struct diag *diag)
{
	if (!schema_is_seq(n, "upstream_ca_files", diag))
		return;
	for (const struct tree *k = n->first; k; k = k->next) {
		const char *s = schema_text(k, "upstream_ca_files", diag);

		bb_auto_free char *path =
			s ? schema_path(k, "upstream_ca_files", true, diag) : NULL;

		if (path)
			(void)json_array_append_new(c->upstream_ca_files, json_string(path));
	}
}

static void take_proxy(const struct tree *root, struct config *c, struct diag *diag)
{
	const struct tree *k = tree_get(root, "upstream_proxy"),
			  *auth = tree_get(root, "upstream_proxy_auth");
	struct policy_upstream at;
	const char *name;

	if (k && strchr(k->text ? k->text : "", '@')) {
		diag_add(diag, k->at,
			 "upstream_proxy: no password in a file; put USER:PASSWORD into a variable "
			 "of this host and name it: upstream_proxy_auth: VARIABLE");
	} else if (k && schema_server(k, "upstream_proxy", false, &at, diag)) {
		memcpy(c->proxy.host, at.host, sizeof(c->proxy.host));
		c->proxy.port = at.port;
	}
	if (!auth)
		return;
	name = schema_variable(auth, "upstream_proxy_auth", diag);
	c->proxy_auth = name ? strdup(name) : NULL;
	if (!k)
		diag_add(diag, auth->key_at, "upstream_proxy_auth without upstream_proxy");
}

static void take_resources(const struct tree *n, struct config *c, struct diag *diag)
{
	static const char *const keys[] = { "memory", "cpus", "disk", "pids", NULL };
	const struct tree *k;
	uint64_t v;

	if (!schema_is_map(n, "resources", diag))
		return;
	schema_keys(n, "resources", keys, diag);
	if ((k = tree_get(n, "memory")))
		(void)schema_bytes(k, "memory", 128u << 20, 1ull << 40, &c->memory_bytes, diag);
	if ((k = tree_get(n, "disk")))
		(void)schema_bytes(k, "disk", 64u << 20, 1ull << 44, &c->disk_bytes, diag);
	if ((k = tree_get(n, "cpus")) && schema_number(k, "cpus", 1, 64, &v, diag))
		c->cpus = (uint32_t)v;
	if ((k = tree_get(n, "pids")) && schema_number(k, "pids", 16, 4194304, &v, diag))
		c->pids = (uint32_t)v;
}

static void parse_config(const struct tree *root, struct config *c, struct diag *diag)
{
	static const char *const keys[] = { "backend",   "engine",         "debian_mirror",
					    "resources", "image",          "upstream_ca_files",
					    "resolvers", "upstream_proxy", "upstream_proxy_auth",
					    "accel",     "jail",           "boot_seconds",
					    NULL };
	static const char *const backends[] = { "smolmachines", "docker", NULL };
	static const char *const engines[] = { "qemu", "smolvm", NULL };
	static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
	static const char *const jails[] = { "auto", "strict", NULL };
	const struct tree *k;
	uint64_t v;

	if (!schema_is_map(root, "config.yaml", diag))
		return;
	schema_keys(root, "config", keys, diag);
	take_one_of(root, "backend", backends, &c->backend, diag);
	take_one_of(root, "accel", accels, &c->accel, diag);
	take_one_of(root, "jail", jails, &c->jail, diag);
	if ((k = tree_get(root, "engine")) && schema_one_of(k, "engine", engines, diag) == 1)
		diag_add(diag, k->at,
			 "engine: smolvm is not built yet (it would be installed by: curl "
			 "-sSL https://smolmachines.com/install.sh | sh); use qemu");
	take_proxy(root, c, diag);
	if ((k = tree_get(root, "image")) && schema_text(k, "image", diag))
		c->image = schema_path(k, "image", false, diag);
	if ((k = tree_get(root, "debian_mirror")) && schema_text(k, "debian_mirror", diag))
		c->mirror = strdup(k->text);
	if ((k = tree_get(root, "resources")))
		take_resources(k, c, diag);
	if ((k = tree_get(root, "boot_seconds")) &&
	    schema_number(k, "boot_seconds", 10, 600, &v, diag))
		c->boot_seconds = (uint32_t)v;
	if ((k = tree_get(root, "resolvers")))
		take_resolvers(k, c, diag);
	if ((k = tree_get(root, "upstream_ca_files")))
		take_ca_files(k, c, diag);
}

int manifest_config(const struct manifest_dirs *dirs, struct config *ret, struct diag *diag,
		    struct bb_err *err)
{
	struct config c = { .upstream_ca_files = json_array() };
	unsigned int before = diag->n;
	bb_auto_buf struct bb_buf text;
	char path[4096];
	int r;

	(void)snprintf(path, sizeof(path), "%s/config.yaml", dirs->home);
	bb_buf_init(&text, TREE_SIZE_MAX + 1);
	r = bb_read_file(path, &text, err);
	if (r == -ENOENT) {
		*err = (struct bb_err){ 0 };
		r = 0;
	}
	if (r == 0 && text.len) {
		struct tree *root = tree_parse(bb_buf_span(&text), path, 0, diag);

		if (root)
			parse_config(root, &c, diag);
		tree_free(root);
	}
	if (r == 0 && diag->n != before)
		r = -EINVAL;
	if (r < 0)
		config_release(&c);
	else
		*ret = c;
	return r;
}
