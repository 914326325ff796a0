/* SPDX-License-Identifier: Apache-2.0 */
/* doctor, help: this host and this program */
#include "backend/docker/docker.h"
#include "image/image.h"
#include "jail/jail.h"
#include "manifest/manifest.h"
#include "proc/cli/commands.h"
#include "state/paths.h"
#include "vmm/accel.h"
#include "vmm/vmm.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

static json_t *rows; /* with --json; else each is printed as it is known */

/* @text may have several lines; a command among them stands at a line's beginning, to be copied */
static void doctor_row(const char *status, const char *what, const char *text)
{
	const char *line = text, *end;

	if (rows) {
		(void)json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "name", what,
							    "status", status, "text", text));
		return;
	}
	(void)printf("%-8s %-18s ", status, what);
	for (; (end = strchr(line, '\n')); line = end + 1) {
		(void)printf("%.*s\n%*s", (int)(end - line), line,
			     strncmp(end + 1, "sudo ", 5) == 0 ? 0 : 28, "");
	}
	(void)puts(line);
	(void)fflush(stdout);
}

static void doctor_line(bool ok, const char *what, const char *text)
{
	doctor_row(ok ? "ok" : "missing", what, text);
}

/* A file that no other user can have changed; whoever can write it has what its profile gives */
static bool is_roots(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

#define REFUSED "refused by this host's AppArmor: guards rest on seccomp alone\n"

/* How this host gives user namespaces to bottled alone, rather than to every program */
static void say_apparmor(void)
{
	char profile[PATHS_MAX], bottled[PATHS_MAX], text[PATHS_MAX + 400];
	struct bb_err err = { 0 };

	if (paths_data("apparmor/bot-bottle", profile, &err) < 0 ||
	    paths_libexec("bottled", bottled, &err) < 0 || !is_roots(bottled))
		(void)snprintf(text, sizeof(text),
			       REFUSED "A profile gives them to an installation that is root's:\n"
				       "sudo make install PREFIX=/usr/local\nthen its doctor");
	else
		(void)snprintf(text, sizeof(text),
			       REFUSED "Its profile, once:\n"
				       "sudo install -m 644 %s /etc/apparmor.d/ && "
				       "sudo apparmor_parser -r /etc/apparmor.d/bot-bottle",
			       profile);
	doctor_row("info", "namespaces", text);
}

static void say_namespaces(void)
{
	if (jail_namespaces())
		doctor_row("ok", "namespaces",
			   "every process has its own; only the one that dials has a network");
	else if (jail_apparmor())
		say_apparmor();
	else
		doctor_row("info", "namespaces",
			   "refused by this host: guards rest on seccomp alone. See\n"
			   "user.max_user_namespaces, kernel.unprivileged_userns_clone (sysctl)");
}

/* The first layer is always there; the second where the host has it */
static void say_jail(void)
{
	long landlock = jail_landlock();
	char text[160];

	doctor_row("ok", "seccomp",
		   "every process of a bottle runs behind a filter; no socket\n"
		   "call works but in the one that dials");
	say_namespaces();
	(void)snprintf(text, sizeof(text),
		       "ABI %ld: guards open no file, the machine monitor none of yours", landlock);
	if (landlock)
		doctor_row("ok", "Landlock", text);
	else
		doctor_row("info", "Landlock",
			   "not in this kernel: the machine monitor, once taken\n"
			   "over, could read and write your files");
}

/* Return: is there something that accepts connections? With why not */
static bool accepts(const struct policy_proxy *at, const char **why)
{
	const struct timeval wait = { .tv_sec = 3 };
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char port[8];
	int r;

	(void)snprintf(port, sizeof(port), "%u", at->port);
	r = getaddrinfo(at->host, port, &want, &found);
	*why = r ? gai_strerror(r) : "no address";
	for (struct addrinfo *a = r ? NULL : found; a && *why; a = a->ai_next) {
		bb_auto_close int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0)
			(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			*why = NULL;
		else
			*why = strerror(errno == EINPROGRESS ? ETIMEDOUT : errno);
	}
	if (!r)
		freeaddrinfo(found);
	return !*why;
}

/* The engine is asked only where it was chosen: @backend of config.yaml, or in the environment */
static bool doctor_docker(const char *backend, bool *ret_chosen)
{
	char path[PATHS_MAX], missing[2048] = "";
	const struct backend *chosen;
	struct bb_err err = { 0 };
	bool found, ok;

	*ret_chosen = false;
	if (backend_choose(NULL, getenv("BOT_BOTTLE_BACKEND"), backend, &chosen, &err) < 0) {
		doctor_line(false, "backend", err.msg);
		return false;
	}
	found = docker_find(path, sizeof(path), &err) == 0;
	*ret_chosen = chosen == &backend_docker;
	if (!*ret_chosen) {
		doctor_row("info", "docker (legacy)", found ? path : "no engine");
		return true;
	}
	ok = chosen->missing(missing, sizeof(missing), &err) == 0;
	doctor_line(ok, "docker (legacy)", ok ? path : *missing ? missing : err.msg);
	return ok;
}

/* What config.yaml says. Return: can bottles start with it? @ret_docker: in containers */
static bool doctor_config(bool *ret_docker)
{
	struct bb_err err = { 0 };
	struct diag diag;
	struct paths paths;
	struct config c;
	const char *why, *value;
	char text[POLICY_NAME_MAX + 300];
	bool ok;

	*ret_docker = false;
	if (paths_get(&paths, &err) < 0)
		return true;
	diag_init(&diag);
	if (manifest_config(&(struct manifest_dirs){ paths.config, "/" }, &c, &diag, &err) < 0) {
		doctor_line(false, "config.yaml", diag.text.len ? bb_buf_str(&diag.text) : err.msg);
		diag_release(&diag);
		return false;
	}
	value = c.proxy_auth ? getenv(c.proxy_auth) : NULL;
	ok = !c.proxy.host[0] || accepts(&c.proxy, &why);
	(void)snprintf(text, sizeof(text), "%s port %u: %s%s%.60s%s", c.proxy.host, c.proxy.port,
		       ok ? "accepts connections" : why, c.proxy_auth ? "; password from " : "",
		       c.proxy_auth ? c.proxy_auth : "",
		       !c.proxy_auth || (value && *value) ? "" : ", which is not set");
	ok &= !c.proxy_auth || (value && *value);
	if (c.proxy.host[0])
		doctor_line(ok, "upstream proxy", text);
	ok &= doctor_docker(c.backend, ret_docker);
	config_release(&c);
	return ok;
}

static void doctor_accel(void)
{
	struct vmm_accel_choice accel;
	struct bb_err err = { 0 };
	char text[256];

	if (vmm_accel_choose("auto", &accel, &err) < 0)
		return;
	(void)snprintf(text, sizeof(text), "%s: %s", vmm_accel_str[accel.accel], accel.why);
	doctor_row("ok", "accelerator", text);
}

/* What to do about it. @say: each command in turn */
static void doctor_hints(bool programs, bool have_image, void (*say)(const char *command))
{
	if (!programs)
		say("sudo apt-get install qemu-system-x86 mmdebstrap erofs-utils e2fsprogs "
		    "uidmap kmod curl gpgv xz-utils");
	if (!have_image)
		say("bot-bottle image build base");
}

static json_t *hints;

static void print_hint(const char *command)
{
	(void)puts(command);
}

static void keep_hint(const char *command)
{
	(void)json_array_append_new(hints, json_string(command));
}

/* Return: exit code */
static int doctor_end(bool good, bool programs, bool have_image)
{
	json_auto_t *all = NULL;

	if (!rows) {
		if (!good && (!programs || !have_image))
			(void)puts("");
		if (!good)
			doctor_hints(programs, have_image, print_hint);
		return good ? CLI_OK : CLI_FAILED;
	}
	hints = json_array();
	if (!good)
		doctor_hints(programs, have_image, keep_hint);
	all = json_pack("{s:b, s:o, s:o}", "ok", good, "checks", rows, "commands", hints);
	(void)json_dumpf(all, stdout, JSON_INDENT(1));
	(void)putchar('\n');
	rows = NULL;
	return good ? CLI_OK : CLI_FAILED;
}

int cmd_doctor(const struct cli_args *args)
{
	struct bb_err err = { 0 }, err3 = { 0 };
	char path[PATHS_MAX], missing[2048];
	struct image image;
	bool engine, tools, have_image, config, docker;

	rows = cli_has(args, OPT_JSON) ? json_array() : NULL;
	engine = vmm_find(path, sizeof(path), &err) == 0;
	doctor_line(engine, "machine monitor", engine ? path : err.msg);
	doctor_accel();
	tools = image_missing_tools(true, missing, sizeof(missing)) == 0;
	doctor_line(tools, "image tools", tools ? "all there" : missing);
	have_image = image_open("base", &image, &err3) == 0;
	doctor_line(have_image, "image base", have_image ? image.kernel_release : err3.msg);
	say_jail();
	config = doctor_config(&docker);
	return doctor_end((engine || docker) && tools && have_image && config, engine && tools,
			  have_image);
}

int cmd_help(const struct cli_args *args)
{
	const struct cli_cmd *cmd;
	const char *near;

	if (cli_has(args, OPT_MAN)) {
		cli_print_man(stdout);
		return CLI_OK;
	}
	if (args->n_operands == 0) {
		cli_print_help(stdout);
		return CLI_OK;
	}
	cmd = cli_find(args->operands[0], &near);
	if (!cmd)
		return cli_no_command(args->operands[0], near);
	cli_print_command_help(cmd, stdout);
	return CLI_OK;
}
