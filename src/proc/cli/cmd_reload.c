/* SPDX-License-Identifier: Apache-2.0 */
/* reload: what the manifests say now, for a bottle that runs */
#include "base/io.h"
#include "ipc/policy_json.h"
#include "ipc/reload.h"
#include "ipc/sock.h"
#include "proc/cli/commands.h"
#include "proc/cli/launch.h"
#include "proc/cli/plan.h"
#include "proc/cli/session.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#define FENCE_TIMEOUT_MS 10000

/** struct change - What a reload would do; @widens: something may leave that may not now */
struct change {
	size_t n;
	bool widens;
};

static void print_route(char sign, const struct policy_route *r)
{
	(void)printf("%c route %s%s", sign, r->wildcard ? "*." : "", r->host);
	for (size_t i = 0; i < r->n_ports; i++)
		(void)printf(" %u", r->ports[i]);
}

/* Names of what differs in two objects, one level into `content` */
static void print_keys(const json_t *was, const json_t *is, const char *prefix, bool *any)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)is, key, value)
	{
		const json_t *old = json_object_get(was, key);

		if (json_equal(old, value))
			continue;
		if (!*prefix && json_is_object(value) && json_is_object(old)) {
			char inner[64];

			(void)snprintf(inner, sizeof(inner), "%.60s.", key);
			print_keys(old, value, inner, any);
			continue;
		}
		(void)printf("%s%s%s", *any ? ", " : ": ", prefix, key);
		*any = true;
	}
}

static void print_changed(const struct policy_route *was, const struct policy_route *is)
{
	json_auto_t *before = policy_route_to_json(was), *after = policy_route_to_json(is);
	bool any = false;

	print_route('~', is);
	print_keys(before, after, "", &any);
	(void)putchar('\n');
}

static void compare_routes(const struct policy *old, const struct policy *new, struct change *ret)
{
	for (size_t i = 0; i < old->n_routes; i++) {
		const struct policy_route *is = policy_route_twin(new, &old->routes[i]);

		if (is && policy_route_same(&old->routes[i], is))
			continue;
		ret->n++;
		ret->widens |= is != NULL;
		if (is)
			print_changed(&old->routes[i], is);
		else {
			print_route('-', &old->routes[i]);
			(void)putchar('\n');
		}
	}
	for (size_t i = 0; i < new->n_routes; i++) {
		if (policy_route_twin(old, &new->routes[i]))
			continue;
		ret->n++;
		ret->widens = true;
		print_route('+', &new->routes[i]);
		(void)putchar('\n');
	}
}

static size_t compare_tcp(char sign, const struct policy *these, const struct policy *those)
{
	size_t n = 0;

	for (size_t i = 0; i < these->n_tcp; i++) {
		const struct policy_tcp *t = &these->tcp[i];
		char addr[IP_ADDR_TEXT_MAX];

		if (policy_tcp_has(those, t))
			continue;
		n++;
		ip_addr_format(&t->cidr.addr, addr);
		if (t->host[0])
			(void)printf("%c tcp %s port %u\n", sign, t->host, t->port);
		else
			(void)printf("%c tcp %s/%u port %u\n", sign, addr, t->cidr.bits, t->port);
	}
	return n;
}

static struct change compare(const struct policy *old, const struct policy *new)
{
	struct change c = { 0 };
	size_t added;

	compare_routes(old, new, &c);
	c.n += compare_tcp('-', old, new);
	added = compare_tcp('+', new, old);
	if (old->transparent != new->transparent) {
		(void)printf("~ transparent: %s\n", new->transparent ? "true" : "false");
		c.widens |= new->transparent;
		c.n++;
	}
	if (old->dns_forward != new->dns_forward) {
		(void)printf("~ dns: %s\n", new->dns_forward ? "forward" : "synthetic");
		c.widens |= new->dns_forward;
		c.n++;
	}
	c.n += added;
	c.widens |= added > 0;
	return c;
}

static bool refers_to(const struct policy *p, const char *token)
{
	for (size_t i = 0; i < p->n_routes; i++) {
		const char *ref = p->routes[i].content->auth.token_ref;

		if (ref && strcmp(ref, token) == 0)
			return true;
	}
	return false;
}

/* What a machine was started with cannot be had by another policy */
static void print_fixed(const struct plan *p, const struct policy *old, const json_t *meta)
{
	const json_t *was = json_object_get(meta, "settings");
	json_auto_t *is = plan_settings(p);
	const char *key;
	json_t *value;

	json_object_foreach(is, key, value)
	{
		if (was && !json_equal(json_object_get(was, key), value))
			(void)fprintf(
				stderr,
				"note: %s changed; the bottle keeps what it was started with\n",
				key);
	}
	for (size_t i = 0; i < p->policy.n_routes; i++) {
		const char *token = p->policy.routes[i].content->auth.token_ref;

		if (token && !refers_to(old, token))
			(void)fprintf(stderr,
				      "note: %s is new: the guest has no placeholder for it, and "
				      "requests that carry no credential get it\n",
				      token);
	}
}

static bool confirm(const struct cli_args *args, const struct change *c)
{
	if (!c->widens || cli_has(args, OPT_YES))
		return true;
	if (cli_can_ask())
		return cli_ask("This lets more out. Reload?");
	(void)cli_error(
		0, "reload: this lets more out, and there is no terminal to ask on: give --yes");
	return false;
}

static int current_policy(int control, struct policy *ret, struct bb_err *err)
{
	const struct ipc_msg ask = { .type = IPC_POLICY_ASK, .fd = -1 };
	struct ipc_msg msg = { .fd = -1 };
	uint8_t buf[IPC_MSG_MAX];
	int r = ipc_send(control, &ask, err);

	if (r == 0)
		r = ipc_recv(control, buf, &msg, err);
	if (r == 0 && msg.type != IPC_BLOB)
		r = bb_err_set(err, -EPROTO, "the bottle does not say what its policy is");
	if (r == 0)
		r = policy_from_memfd(msg.fd, ret, err);
	bb_closep(&msg.fd);
	return r;
}

static int send_blob(int control, enum ipc_blob_kind kind, int fd, struct bb_err *err)
{
	struct ipc_msg msg = { .type = IPC_BLOB, .fd = fd };

	msg.u.kind.kind = (uint8_t)kind;
	return ipc_send(control, &msg, err);
}

/* As a start gives them: bottled passes the secrets on to the egress guard unread */
static int secrets_memfd(const struct plan *p, struct bb_err *err)
{
	char *text = json_dumps(p->secrets, JSON_COMPACT);
	int fd;

	if (!text)
		return bb_err_set(err, -ENOMEM, "no memory");
	fd = bb_memfd_sealed("secrets", BB_SPAN_STR(text), err);
	explicit_bzero(text, strlen(text));
	free(text);
	return fd;
}

static int send_policy(int control, const struct plan *p, struct bb_err *err)
{
	bb_auto_close int policy = policy_to_memfd(&p->policy, err);
	bb_auto_close int secrets = policy < 0 ? -1 : secrets_memfd(p, err);
	int r = policy < 0 || secrets < 0 ? err->code : 0;

	if (r == 0)
		r = send_blob(control, IPC_BLOB_POLICY, policy, err);
	if (r == 0)
		r = send_blob(control, IPC_BLOB_SECRETS, secrets, err);
	return r == 0 ? ipc_send(control, &(struct ipc_msg){ .type = IPC_RELOAD, .fd = -1 }, err)
		      : r;
}

/* Return: 0; -EPERM: refused, nothing has changed; -ECHILD: the bottle has ended; with @err */
static int wait_reloaded(int control, struct bb_err *err)
{
	uint8_t buf[IPC_MSG_MAX];

	for (;;) {
		struct ipc_msg msg = { .fd = -1 };

		if (ipc_recv(control, buf, &msg, err) < 0) {
			*err = (struct bb_err){ 0 };
			return bb_err_set(err, -ECHILD, "the bottle ended during the reload");
		}
		bb_closep(&msg.fd);
		if (msg.type == IPC_BOTTLE_FAILED)
			return bb_err_set(err, -ECHILD, "%.*s", (int)msg.u.bottle_failed.text.len,
					  (const char *)msg.u.bottle_failed.text.p);
		if (msg.type != IPC_RELOADED)
			continue;
		return msg.u.reloaded.ok ? 0
					 : bb_err_set(err, -EPERM, "%.*s; nothing has changed",
						      (int)msg.u.reloaded.text.len,
						      (const char *)msg.u.reloaded.text.p);
	}
}

/* One rule for each new range, as the guest's init makes them (src/guest/fence.c) */
static bool fence_script(const struct policy *old, const struct policy *new, struct bb_buf *script)
{
	/* nft takes `redirect` for a statement, so it cannot name init's chain of that name */
	static const char begin[] = "p=$(nft list table inet bot-bottle | "
				    "sed -n 's/.*198\\.18\\..*redirect to :\\([0-9]*\\).*/\\1/p' | "
				    "head -n 1);"
				    "nft add chain inet bot-bottle reloaded "
				    "'{ type nat hook output priority -99; }'||exit 1;";
	bool any = false;

	if (bb_buf_addf(script, "%s", begin) < 0)
		return false;
	for (size_t i = 0; i < new->n_tcp; i++) {
		const struct policy_tcp *t = &new->tcp[i];
		char addr[IP_ADDR_TEXT_MAX];

		if (t->host[0] || policy_tcp_has(old, t))
			continue;
		any = true;
		ip_addr_format(&t->cidr.addr, addr);
		if (bb_buf_addf(script,
				"nft add rule inet bot-bottle reloaded oifname != lo %s daddr "
				"%s/%u meta l4proto tcp redirect to :$p||exit 1;",
				t->cidr.addr.family == 4 ? "ip" : "ip6", addr, t->cidr.bits) < 0)
			return false;
	}
	return any && bb_buf_str(script);
}

/* What it prints is the guest's, and nobody asked for that */
static _Noreturn void run_quietly(int control, char *script)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, script };
	const struct session_request req = {
		.argv = argv, .n_argv = 3, .user = "root", .no_tty = true, .no_stdin = true
	};
	struct bb_err ignored = { 0 };
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC), code = 1, porter;

	if (nowhere < 0 || dup2(nowhere, 1) < 0 || dup2(nowhere, 2) < 0)
		_exit(1);
	porter = session_open(control, NULL, &ignored);
	_exit(porter < 0 || session_run(control, porter, &req, &code, &ignored) < 0 || code != 0);
}

/* The guest's own rules protect nothing: they lead plain connects to the relay */
static bool extend_fence(int control, const struct policy *old, const struct policy *new)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	bb_auto_buf struct bb_buf script;
	int status = 0;
	pid_t pid;

	bb_buf_init(&script, 1u << 20);
	if (!fence_script(old, new, &script))
		return true;
	pid = fork();
	if (pid == 0)
		run_quietly(control, (char *)script.p);
	for (int i = 0; pid > 0 && i < FENCE_TIMEOUT_MS / 10; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		(void)nanosleep(&pause, NULL);
	}
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return false;
}

/* Of one start to its end: taken over from the policy in force */
static void keep_fixed(struct policy *new, const struct policy *old)
{
	memcpy(new->identity, old->identity, sizeof(new->identity));
	new->alias = old->alias;
	new->generation = old->generation + 1;
	new->log_level = old->log_level;
	memcpy(new->resolvers, old->resolvers, sizeof(new->resolvers));
	new->n_resolvers = old->n_resolvers;
	new->proxy = old->proxy;
}

static int reload(const struct cli_args *args, int control, const char *identity,
		  const json_t *meta, struct plan *p)
{
	policy_auto struct policy old = { 0 };
	struct bb_err err = { 0 };
	struct change c;
	int r = current_policy(control, &old, &err);

	if (r < 0)
		return cli_error(CLI_BROKEN, "%s: %s", identity, err.msg);
	keep_fixed(&p->policy, &old);
	print_fixed(p, &old, meta);
	c = compare(&old, &p->policy);
	if (!confirm(args, &c))
		return CLI_FAILED;
	r = send_policy(control, p, &err);
	if (r == 0)
		r = wait_reloaded(control, &err);
	if (r < 0)
		return cli_error(r == -EPERM ? CLI_FAILED : CLI_BROKEN, "%s: %s", identity,
				 err.msg);
	(void)printf("%s: generation %u, %zu difference%s\n", identity,
		     (unsigned int)p->policy.generation, c.n, c.n == 1 ? "" : "s");
	(void)fflush(stdout);
	if (!p->backend->legacy && !extend_fence(control, &old, &p->policy))
		(void)fputs("note: the guest's own rules do not lead to the new addresses; they "
			    "will after the next start\n",
			    stderr);
	return CLI_OK;
}

int cmd_reload(const struct cli_args *args)
{
	char identity[STATE_IDENTITY_MAX];
	json_auto_t *meta = NULL;
	struct bb_err err = { 0 };
	bb_auto_close int control =
		launch_connect(args->n_operands ? args->operands[0] : NULL, identity, &err);
	struct plan p;
	int code;

	if (control < 0 || launch_meta(identity, &meta, &err) < 0)
		return cli_error(CLI_FAILED, "%s", err.msg);
	if (plan_again(args->cmd, meta, PLAN_RUNNING, &p, &err) < 0)
		return cli_error(CLI_FAILED, "%s: %s; nothing has changed", identity, err.msg);
	code = reload(args, control, identity, meta, &p);
	plan_release(&p);
	return code;
}
