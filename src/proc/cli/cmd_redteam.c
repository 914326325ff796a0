/* SPDX-License-Identifier: Apache-2.0 */
/* redteam: attack a bottle from inside, on this machine, and count */
#include "base/io.h"
#include "proc/cli/commands.h"
#include "proc/cli/copyfiles.h"
#include "proc/cli/launch.h"
#include "proc/cli/preflight.h"
#include "proc/cli/redteam.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#define TABLE_MAX     (64u << 10)
#define TEMPLATE      "/tmp/bot-bottle-redteam-XXXXXX"
#define SECRET_LEN    33
#define ADDRESSES_MAX 512

/**
 * struct session - One run of the suite
 * @control:	the bottle's control socket, -1 before it is up
 * @controls_failed: allowed requests that did not arrive
 */
struct session {
	struct capture capture;
	struct plan plan;
	struct redteam_table table;
	struct audit_reader audit;
	char secret[SECRET_LEN], token[14 + SECRET_LEN];
	char addresses[ADDRESSES_MAX];
	char identity[STATE_IDENTITY_MAX];
	int control;
	unsigned int controls_failed;
	bool json;
};

static void random_text(char *ret, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t octets[SECRET_LEN] = { 0 };

	(void)!getrandom(octets, sizeof(octets), 0);
	for (size_t i = 0; i + 1 < n; i++)
		ret[i] = letters[octets[i] % 32];
	ret[n - 1] = '\0';
}

/* "1.2.3.4,2001:db8::1": what the host is reached by from outside */
static void host_addresses(char ret[static ADDRESSES_MAX])
{
	struct ifaddrs *all = NULL;
	size_t n = 0;

	ret[0] = '\0';
	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const void *addr = NULL;
		char text[INET6_ADDRSTRLEN];
		int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;

		if (family == AF_INET)
			addr = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		else if (family == AF_INET6)
			addr = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
		if (addr && inet_ntop(family, addr, text, sizeof(text)) &&
		    n + strlen(text) + 2 < ADDRESSES_MAX)
			n += (size_t)snprintf(ret + n, ADDRESSES_MAX - n, "%s%s", n ? "," : "",
					      text);
	}
	freeifaddrs(all);
}

static int read_data(const char *name, struct bb_buf *ret, struct bb_err *err)
{
	char path[PATHS_MAX];
	int r = paths_data(name, path, err);

	return r < 0 ? r : bb_read_file(path, ret, err);
}

/* The bottle's manifest with the server's port in it, where manifests are looked for */
static int write_manifest(const char *home, uint16_t port, struct bb_err *err)
{
	bb_auto_buf struct bb_buf text, filled;
	bb_auto_close int fd = -1;
	char dir[64], path[80];
	const char *at, *mark;
	int r;

	bb_buf_init(&text, TABLE_MAX);
	bb_buf_init(&filled, 2 * TABLE_MAX);
	r = read_data("data/redteam/bottle.md", &text, err);
	if (r < 0)
		return r;
	for (at = bb_buf_str(&text); r == 0 && at && (mark = strstr(at, "{PORT}"));
	     at = mark + strlen("{PORT}"))
		r = bb_buf_addf(&filled, "%.*s%u", (int)(mark - at), at, port);
	if (r == 0 && at)
		r = bb_buf_addf(&filled, "%s", at);
	(void)snprintf(dir, sizeof(dir), "%s/bottles", home);
	(void)snprintf(path, sizeof(path), "%s/redteam.md", dir);
	if (r == 0 && mkdir(dir, 0700) < 0)
		r = -errno;
	fd = r == 0 ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (r == 0 && (fd < 0 || bb_write_full(fd, filled.p, filled.len) < 0))
		r = -errno;
	return r < 0 ? bb_err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

static void remove_manifest(const char *home)
{
	char path[80];

	(void)snprintf(path, sizeof(path), "%s/bottles/redteam.md", home);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/bottles", home);
	(void)rmdir(path);
	(void)rmdir(home);
}

static int make_plan(struct session *s, const struct cli_args *args, struct bb_err *err)
{
	char home[] = TEMPLATE;
	int r;

	random_text(s->secret, sizeof(s->secret));
	memcpy(s->token, "redteam-token-", 14);
	random_text(s->token + 14, SECRET_LEN);
	if (setenv("BOT_BOTTLE_REDTEAM_SECRET", s->secret, 1) < 0 ||
	    setenv("BOT_BOTTLE_REDTEAM_TOKEN", s->token, 1) < 0 || !mkdtemp(home))
		return bb_err_set(err, -errno, "%s: %s", home, strerror(errno));
	r = write_manifest(home, s->capture.port, err);
	if (r == 0)
		r = plan_of_home(args, home, "redteam", &s->plan, err);
	remove_manifest(home);
	return r;
}

static int open_audit(struct session *s, struct bb_err *err)
{
	state_bottle_auto struct state_bottle b = { .state_fd = -1, .runtime_fd = -1 };
	int r = state_bottle_open(&s->plan.paths, s->identity, false, &b, err);

	return r < 0 ? r : audit_open(b.state_fd, &s->audit, err);
}

static int start(struct session *s, struct bb_err *err)
{
	char dir[PATHS_MAX];
	int r;

	s->plan.ephemeral = true;
	s->control = launch_start(&s->plan, s->identity, err);
	if (s->control < 0)
		return s->control;
	r = paths_data("data/redteam/guest", dir, err);
	if (r == 0)
		r = copy_directory_in(s->control, dir, "/tmp/redteam", err);
	return r < 0 ? r : open_audit(s, err);
}

static void print_attack(const struct redteam_attack *a)
{
	char expected[REDTEAM_TEXT_MAX + 16], name[2 * REDTEAM_TEXT_MAX];

	(void)snprintf(name, sizeof(name), "%s/%s", a->class, a->name);
	(void)snprintf(expected, sizeof(expected), "%s",
		       strcmp(a->reasons, "-") == 0 ? "refused in the guest" : a->reasons);
	(void)printf("%-10s %-26s %-34.34s %s\n", redteam_verdict_str[a->verdict], name, expected,
		     a->seen);
	(void)fflush(stdout);
}

static void say_control(struct session *s, const struct redteam *r)
{
	if (redteam_control(r))
		return;
	s->controls_failed++;
	(void)fprintf(stderr, "bot-bottle: the allowed request does not work: what is refused here "
			      "says nothing\n");
}

static void attack(struct session *s)
{
	bool container = strcmp(s->plan.backend->name, "docker") == 0;
	struct redteam r = {
		.identity = s->identity,
		.user = container ? NULL : "root", /* a container has one user */
		.container = container,
		.secret = s->secret,
		.token = s->token,
		.addresses = s->addresses,
		.capture = &s->capture,
		.audit = &s->audit,
	};

	if (!s->json)
		(void)printf("%-10s %-26s %-34s %s\n", "VERDICT", "ATTACK", "EXPECTED", "SEEN");
	say_control(s, &r);
	for (size_t i = 0; i < s->table.n; i++) {
		struct redteam_attack *a = &s->table.attacks[i];

		redteam_run(&r, a);
		if (!s->json)
			print_attack(a);
		if (i + 1 == s->table.n || strcmp(a->class, a[1].class) != 0)
			say_control(s, &r);
	}
	redteam_end(&r);
}

static unsigned int count(const struct session *s, enum redteam_verdict verdict)
{
	unsigned int n = 0;

	for (size_t i = 0; i < s->table.n; i++)
		n += s->table.attacks[i].verdict == verdict;
	return n;
}

static void print_json(const struct session *s)
{
	json_auto_t *rows = json_array(), *out = NULL;

	for (size_t i = 0; i < s->table.n; i++) {
		const struct redteam_attack *a = &s->table.attacks[i];

		(void)json_array_append_new(
			rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "class", a->class,
					"name", a->name, "what", a->what, "expected", a->reasons,
					"seen", a->seen, "verdict", redteam_verdict_str[a->verdict],
					"ms", (json_int_t)a->ms));
	}
	out = json_pack("{s:s, s:s, s:s, s:O, s:{s:i, s:i, s:i, s:i}}", "version", BB_VERSION,
			"backend", s->plan.backend->name, "bottle", s->identity, "attacks", rows,
			"score", "blocked", (int)count(s, REDTEAM_BLOCKED), "attacks",
			(int)(s->table.n - count(s, REDTEAM_SKIPPED)), "skipped",
			(int)count(s, REDTEAM_SKIPPED), "controls_failed", (int)s->controls_failed);
	if (out)
		(void)json_dumpf(out, stdout, JSON_INDENT(1));
	(void)putchar('\n');
}

/* Return: exit code */
static int score(const struct session *s)
{
	unsigned int blocked = count(s, REDTEAM_BLOCKED), skipped = count(s, REDTEAM_SKIPPED);
	unsigned int tried = (unsigned int)s->table.n - skipped;

	if (s->json)
		print_json(s);
	else
		(void)printf("\n%u of %u attacks blocked, %u skipped (%s)\n", blocked, tried,
			     skipped, s->plan.backend->name);
	return blocked == tried && tried && !s->controls_failed ? CLI_OK : CLI_FAILED;
}

static int run(struct session *s, const struct cli_args *args, struct bb_err *err)
{
	struct bb_err ignored = { 0 };
	int r = capture_start(&s->capture, err);

	if (r == 0)
		r = make_plan(s, args, err);
	if (r < 0)
		return cli_error(CLI_FAILED, "%s", err->msg);
	host_addresses(s->addresses);
	if (!preflight_backend(s->plan.backend))
		return CLI_FAILED;
	r = start(s, err);
	if (r == 0) {
		attack(s);
		r = score(s);
	} else {
		r = cli_error(s->control < 0 ? CLI_FAILED : CLI_BROKEN, "%s", err->msg);
	}
	if (s->control >= 0 && launch_stop(s->control, &ignored) < 0)
		(void)cli_error(0, "%s: %s", s->identity, ignored.msg);
	return r;
}

int cmd_redteam(const struct cli_args *args)
{
	bb_auto_free struct session *s = calloc(1, sizeof(*s));
	bb_auto_buf struct bb_buf text;
	struct bb_err err = { 0 };
	int code;

	bb_buf_init(&text, TABLE_MAX);
	if (!s)
		return cli_error(CLI_FAILED, "no memory");
	s->control = -1;
	s->audit.fd = -1;
	s->json = cli_has(args, OPT_JSON);
	if (read_data("data/redteam/attacks.txt", &text, &err) < 0 ||
	    redteam_read(bb_buf_span(&text), cli_opt(args, OPT_ONLY), &s->table, &err) < 0)
		return cli_error(err.code == -ENOENT ? CLI_USAGE : CLI_FAILED, "redteam: %s",
				 err.msg);
	code = run(s, args, &err);
	bb_closep(&s->control);
	if (s->audit.fd >= 0)
		audit_close(&s->audit);
	capture_stop(&s->capture);
	plan_release(&s->plan);
	return code;
}
