/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_PLAN_H
#define BB_PROC_CLI_PLAN_H
#include "backend/backend.h"
#include "proc/cli/options.h"
#include "state/bottle.h"

struct credential;
struct provider;

/**
 * DOC: plan - what a run or start will do, before anything is done
 *
 * Layer:     proc/cli
 * Used by:   cmd_run.c, cmd_check.c
 * Ownership: plan_release() frees everything
 *
 * Gathered from the bottles named, config.yaml and the command line; shown at the preflight; then
 * carried out by launch_*().
 */
struct plan {
	struct paths paths;
	const struct backend *backend;
	char name[STATE_NAME_MAX]; /* first part of the identity */
	struct policy policy;
	json_t *env;      /* object; may hold secrets */
	json_t *secrets;  /* for the egress guard, docs/protocol/secrets.md */
	json_t *bottles;  /* names, for the metadata */
	json_t *warnings; /* lines for the preflight */
	char *image;
	char *accel;
	char *upstream_ca_pem;
	char *proxy_auth; /* base64 of user:password for policy.proxy, for dialer alone, or NULL */
	uint64_t memory_bytes;
	uint64_t disk_bytes;
	uint32_t cpus;
	uint32_t pids;
	uint32_t boot_seconds;
	bool ephemeral;
	bool lasting; /* its session, where it has a terminal, goes on without us */
	bool keep_disk;
	bool jail_strict;
	bool running;       /* for a bottle that runs: its environment is what it is */
	bool workspace;     /* the command begins in /workspace */
	json_t *options;    /* what `resume` has to give again: [["bottle", "demo"], …] */
	char *agent;        /* as above, or NULL */
	char *from;         /* commit to begin with, or NULL */
	char *origin;       /* directory that its /workspace came from, or NULL */
	char *label;        /* shown in list, or NULL */
	char *color;        /* of it, or NULL */
	bool quiet;         /* the metadata stay as they are: `resume` goes on as before */
	const char *resume; /* identity of the ended bottle to go on with; NULL: a new one */
	/* of `start` */
	const struct provider *provider; /* NULL: a command of the user's */
	const struct credential *credential;
	const char *home; /* where bottles are looked for; NULL: the user's */
	char *template;   /* agent_provider.template, or NULL */
	char *auth_token; /* host variable, or NULL */
	bool host_login;  /* the credential is the login that the program has on this host */
	json_t *found;    /* tokens that are in no variable of the host: name → value */
	char *account;    /* that the login belongs to, or NULL */
	char *prompt;     /* the agent's instructions, or NULL */
	json_t *skills;   /* array of names */
};

/**
 * plan_make() - From the command line
 *
 * Return: 0; -EINVAL (usage) or other -errno with @err
 */
BB_MUST_USE int plan_make(const struct cli_args *args, const char *name, struct plan *ret,
			  struct bb_err *err);
/**
 * plan_for_agent() - As plan_make(), with the bottle that @agent names unless --bottle is given
 * @provide:	the bottle's provider is to be started (claude where it names none), not a command
 */
BB_MUST_USE int plan_for_agent(const struct cli_args *args, const char *agent, bool provide,
			       struct plan *ret, struct bb_err *err);
/** plan_for_bottle() - As plan_for_agent(). @running: the bottle runs, so nothing of env is asked
 * for or looked up
 */
BB_MUST_USE int plan_for_bottle(const struct cli_args *args, const char *agent, bool provide,
				bool running, struct plan *ret, struct bb_err *err);

enum plan_for {
	PLAN_COMMAND = 0, /* the next start of an ended bottle, with a command */
	PLAN_PROVIDE,     /* ... with its provider's program */
	PLAN_RUNNING,     /* the policy of a running one */
};
/**
 * plan_again() - From the manifests of today, with the options that a bottle was made with
 * @meta:	its metadata; the plan borrows nothing of it
 */
BB_MUST_USE int plan_again(const struct cli_cmd *cmd, const json_t *meta, enum plan_for what,
			   struct plan *ret, struct bb_err *err);
/** plan_settings() - What a start fixes, for the metadata: resources, accelerator, names in env.
 * Return: new reference
 */
BB_MUST_USE json_t *plan_settings(const struct plan *p);

/**
 * plan_of_home() - As plan_make(), of the one bottle @name in @home/bottles instead of the user's
 */
BB_MUST_USE int plan_of_home(const struct cli_args *args, const char *home, const char *name,
			     struct plan *ret, struct bb_err *err);
void plan_release(struct plan *p);
/** plan_forget() - The guards have the credentials: nothing of them is kept, nor in our environment
 */
void plan_forget(struct plan *p);

/** plan_know() - A value of the environment that must not leave; @to: hosts it may go to, or NULL
 */
BB_MUST_USE int plan_know(struct plan *p, const char *name, const char *value, const json_t *to,
			  bool canary, struct bb_err *err);
/** plan_looks_secret() - 16 characters or more, 3 bits of entropy or more in each */
bool plan_looks_secret(const char *value);
/** plan_secrets() - Tokens of the routes, their placeholders in the guest, and the canary */
BB_MUST_USE int plan_secrets(struct plan *p, struct bb_err *err);

/** plan_warn() - One more line for the preflight */
BB_PRINTF(2, 3) void plan_warn(struct plan *p, const char *fmt, ...);

/** plan_add_route() - Takes its content on success. Return: 0 or -E2BIG with @err */
BB_MUST_USE int plan_add_route(struct policy *policy, const struct policy_route *route,
			       struct bb_err *err);
/** plan_allow_host() - "HOST[:PORT]" as a route. Return: 0 or -EINVAL with @err */
BB_MUST_USE int plan_allow_host(struct policy *policy, const char *text, struct bb_err *err);
/** plan_allow_cidr() - "CIDR:PORT" or "[V6CIDR]:PORT" as a tcp rule */
BB_MUST_USE int plan_allow_cidr(struct policy *policy, const char *text, struct bb_err *err);

/** plan_color() - Number of a colour's escape sequence; 0: there is no such colour */
unsigned int plan_color(const char *name);

/** plan_print() - The preflight text, to stderr */
void plan_print(const struct plan *p);
/**
 * plan_confirm() - Print the preflight and ask, where there is somebody to ask
 * @yes:	--yes was given
 * @unattended:	without a terminal the answer is yes
 *
 * Return: true to go on
 */
bool plan_confirm(const struct plan *p, bool yes, bool unattended);
#endif
