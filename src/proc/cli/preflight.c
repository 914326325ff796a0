/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/preflight.h"
#include "vmm/accel.h"
#include <stdio.h>

bool preflight_backend(const struct backend *backend)
{
	char missing[2048] = "";
	struct bb_err err = { 0 };
	int n = backend->missing(missing, sizeof(missing), &err);

	if (n == 0)
		return true;
	if (backend->legacy) {
		(void)cli_error(0, "the %s backend cannot run here: %s", backend->name,
				n < 0 ? err.msg : missing);
		return false;
	}
	(void)fprintf(stderr,
		      "bot-bottle: the smolmachines backend cannot run here. Missing:\n%s\n"
		      "Debian and Ubuntu: sudo apt-get install qemu-system-x86 e2fsprogs\n"
		      "Another engine, smolvm: curl -sSL https://smolmachines.com/install.sh | sh "
		      "(this build does not drive it yet)\n"
		      "Without virtual machines: BOT_BOTTLE_BACKEND=docker or --backend=docker "
		      "(legacy)\n",
		      missing);
	return false;
}

void preflight_content(const struct content *c, FILE *to)
{
	if (c->credentials == CONTENT_PIN)
		(void)fprintf(to, ", with the credential of %s", c->auth.token_ref);
	if (c->n_matches)
		(void)fputs(", only what its matches admit", to);
	else if (c->git == CONTENT_GIT_FETCH)
		(void)fputs(", git fetches only", to);
	if (!c->dlp.known_secrets && !c->dlp.token_patterns)
		(void)fputs(", not searched for secrets", to);
}

static void print_route(const struct policy_route *r)
{
	(void)fprintf(stderr, "    %s%s ports", r->wildcard ? "*." : "", r->host);
	for (size_t i = 0; i < r->n_ports; i++)
		(void)fprintf(stderr, " %u", r->ports[i]);
	if (r->upstream.host[0])
		(void)fprintf(stderr, " → %s://%s:%u", r->upstream.tls ? "https" : "http",
			      r->upstream.host, r->upstream.port);
	preflight_content(r->content, stderr);
	(void)fputc('\n', stderr);
}

/* Whoever is surprised by a refusal later sees here why */
static void print_secrets(const struct plan *p)
{
	bool any = false;
	json_t *k;
	size_t i;

	json_array_foreach(json_object_get(p->secrets, "known"), i, k)
	{
		if (json_is_true(json_object_get(k, "canary")))
			continue;
		(void)fprintf(stderr, "%s%s", any ? ", " : "  looked for in what leaves: ",
			      json_string_value(json_object_get(k, "name")));
		any = true;
	}
	if (any)
		(void)fputc('\n', stderr);
}

static void print_remarks(const struct backend *backend)
{
	char text[1024], *save = NULL;

	backend->remarks(text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		(void)fprintf(stderr, "  %s\n", l);
}

void plan_print(const struct plan *p)
{
	size_t len = strlen(p->image); /* of a digest: as image ls shows it */
	struct vmm_accel_choice accel;
	struct bb_err err = { 0 };
	json_t *w;
	size_t i;

	(void)fprintf(stderr, "bot-bottle: %s, backend %s%s, image %.*s, %llu MiB, %u cpus\n",
		      p->resume ? p->resume : p->name, p->backend->name,
		      p->backend->legacy ? " (legacy)" : "", len == 64 ? 12 : (int)len, p->image,
		      (unsigned long long)(p->memory_bytes >> 20), p->cpus);
	if (!p->backend->legacy && vmm_accel_choose(p->accel, &accel, &err) == 0)
		(void)fprintf(stderr, "  accelerator: %s (%s)\n", vmm_accel_str[accel.accel],
			      accel.why);
	if (p->backend->legacy)
		(void)fputs("  warning: a container shares this host's kernel: what gets through "
			    "that is "
			    "out\n",
			    stderr);
	if (p->backend->remarks)
		print_remarks(p->backend);
	if (p->backend->legacy && p->policy.n_tcp)
		(void)fputs(
			"  warning: egress.tcp and transparent need rules that a container cannot "
			"have: use the proxy\n",
			stderr);
	if (p->policy.proxy.host[0])
		(void)fprintf(stderr,
			      "  upstream proxy %s port %u%s: it looks names up, and alone checks "
			      "which addresses they have\n",
			      p->policy.proxy.host, p->policy.proxy.port,
			      p->proxy_auth ? ", with a password" : "");
	if (p->policy.n_routes)
		(void)fputs("  HTTP and HTTPS through the egress guard to:\n", stderr);
	for (size_t j = 0; j < p->policy.n_routes; j++)
		print_route(&p->policy.routes[j]);
	print_secrets(p);
	if (p->policy.dns_forward)
		(void)fputs(
			"  warning: dns: forward: addresses of these names are asked of this "
			"host's resolvers; what stands below a wildcard is the agent's choice\n",
			stderr);
	if (!p->policy.n_routes && !p->policy.n_tcp)
		(void)fputs("  nothing may leave this bottle\n", stderr);
	json_array_foreach(p->warnings, i, w)
	{
		(void)fprintf(stderr, "  warning: %s\n", json_string_value(w));
	}
}

bool plan_confirm(const struct plan *p, bool yes, bool unattended)
{
	plan_print(p);
	if (yes)
		return true;
	if (cli_can_ask())
		return cli_ask("Start?");
	if (!unattended)
		(void)cli_error(0, "no terminal to ask on: give --yes or --headless");
	return unattended;
}
