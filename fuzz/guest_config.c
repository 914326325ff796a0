/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/config.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_ports(const struct guest_ports *p)
{
	check(p->n <= GUEST_SERVICES_MAX);
	for (size_t i = 0; i < p->n; i++)
		check(p->port[i] != 0);
}

static void check_env(const struct guest_config *c)
{
	check(c->n_env <= GUEST_ENV_MAX && c->env && !c->env[c->n_env]);
	for (size_t i = 0; i < c->n_env; i++) {
		char *equals = strchr(c->env[i], '=');

		check(equals && !strchr(c->env[i], '\n'));
		*equals = '\0';
		check(guest_env_name_ok(c->env[i]));
		*equals = '=';
	}
}

/*
 * Invariants: what is taken is within every bound that the header names, and is the same when taken
 * again; what is not gives a reason and writes nothing.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_config c, again, before;
	struct bb_err err = { 0 }, none = { 0 };
	struct bb_span json = { data, size };

	memset(&c, 0xa5, sizeof(c));
	memcpy(&before, &c, sizeof(c));
	if (guest_config_parse(json, &c, &err) < 0) {
		check(err.code < 0 && *err.msg && memcmp(&c, &before, sizeof(c)) == 0);
		return 0;
	}
	check_ports(&c.services);
	check_ports(&c.probe.services);
	check_env(&c);
	check(c.redirect_port != 0 && c.pids <= GUEST_PIDS_MAX && c.n_ranges <= GUEST_RANGES_MAX);
	for (size_t i = 0; i < c.n_ranges; i++)
		check((c.ranges[i].family == 4 && c.ranges[i].prefix <= 32) ||
		      (c.ranges[i].family == 6 && c.ranges[i].prefix <= 128));
	check(strlen(c.trust_hash) == 0 || strlen(c.trust_hash) == 8);
	check(c.probe.denied.family == 0 || c.probe.denied.port != 0);
	check(guest_config_parse(json, &again, &none) == 0);
	check(again.n_env == c.n_env && again.n_ranges == c.n_ranges &&
	      strcmp(again.identity, c.identity) == 0 && again.alias.s_addr == c.alias.s_addr);
	guest_config_release(&again);
	guest_config_release(&c);
	return 0;
}
