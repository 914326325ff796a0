/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/redteam.h"
#include "base/io.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>

#define OUTPUT_MAX     65536
#define ORDER_MAX      1024
#define AUDIT_WAIT_MS  3000
#define PAUSE_MS       50
#define DENIALS_MAX    50   /* of one window: what is beyond JOURNAL_DENIALS has no record */
#define WINDOW_MS      1100 /* of the journal, and a little */
#define GUEST_DIR      "/tmp/redteam"
#define UNSENT         "unsent\t" /* its kernel has no way there: nothing came as far as gate */
#define CONTROL_SCRIPT "curl -sS -m 30 http://allowed.redteam.test/control-"

const char *const redteam_verdict_str[] = {
	[REDTEAM_BLOCKED] = "blocked",       [REDTEAM_THROUGH] = "THROUGH",
	[REDTEAM_UNRECORDED] = "UNRECORDED", [REDTEAM_UNCLEAR] = "UNCLEAR",
	[REDTEAM_SKIPPED] = "skipped",
};
static_assert(BB_ARRAY_LEN(redteam_verdict_str) == REDTEAM_NUM_VERDICTS, "redteam_verdict_str[]");

/* The next field of a line, without the white space around it */
static bool take_field(char **line, char ret[static REDTEAM_TEXT_MAX])
{
	char *field = strsep(line, "|"), *end;

	if (!field)
		return false;
	field += strspn(field, " \t");
	end = field + strlen(field);
	while (end > field && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (!*field || strlen(field) >= REDTEAM_TEXT_MAX)
		return false;
	memcpy(ret, field, strlen(field) + 1);
	return true;
}

static bool take_row(char *line, struct redteam_attack *ret)
{
	char wire[REDTEAM_TEXT_MAX];

	if (!take_field(&line, ret->class) || !take_field(&line, ret->name) ||
	    !take_field(&line, wire) || !take_field(&line, ret->reasons) ||
	    !take_field(&line, ret->what) || line)
		return false;
	ret->nothing = strcmp(wire, "nothing") == 0;
	return ret->nothing || strcmp(wire, "no-mark") == 0;
}

/* Rows stand together by class */
static void list_class(char *list, size_t size, const char *class)
{
	size_t len = strlen(list), n = strlen(class);

	if (len >= n && strcmp(list + len - n, class) == 0)
		return;
	if (len + n + 3 <= size)
		(void)snprintf(list + len, size - len, "%s%s", len ? ", " : "", class);
}

int redteam_read(struct bb_span text, const char *only, struct redteam_table *ret,
		 struct bb_err *err)
{
	bb_auto_free char *copy = strndup((const char *)text.p, text.len);
	char classes[256] = "", *rest = copy, *line;
	unsigned int number = 0;

	*ret = (struct redteam_table){ 0 };
	while (rest && (line = strsep(&rest, "\n"))) {
		struct redteam_attack a = { 0 };

		number++;
		if (!*line || *line == '#')
			continue;
		if (!take_row(line, &a) || ret->n == REDTEAM_MAX)
			return bb_err_set(err, -EINVAL, "attacks.txt:%u: not a row of the table",
					  number);
		list_class(classes, sizeof(classes), a.class);
		if (!only || strcmp(only, a.class) == 0)
			ret->attacks[ret->n++] = a;
	}
	if (ret->n == 0)
		return bb_err_set(err, -ENOENT, "there is no class '%.40s'; there are: %s",
				  only ? only : "", classes);
	return 0;
}

/* Lower-case letters and digits that stand for nothing */
static void make_mark(char *ret, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t octets[64] = { 0 };

	(void)!getrandom(octets, sizeof(octets), 0);
	for (size_t i = 0; i + 1 < n; i++)
		ret[i] = letters[octets[i % sizeof(octets)] % 32];
	ret[n - 1] = '\0';
}

_Noreturn static void exec_self(const struct redteam *r, const struct redteam_guest *ends,
				const char *const *argv)
{
	const char *args[24] = { "bot-bottle", "exec", "--no-tty" };
	int null = open("/dev/null", O_RDWR);
	size_t n = 3;

	if (r->user) {
		args[n++] = "--user";
		args[n++] = r->user;
	}
	args[n++] = r->identity;
	args[n++] = "--";
	while (*argv && n + 1 < BB_ARRAY_LEN(args))
		args[n++] = *argv++;
	args[n] = NULL;
	(void)setpgid(0, 0); /* the terminal's Ctrl-C is for bot-bottle itself */
	(void)dup2(ends->to, 0);
	(void)dup2(ends->from, 1);
	(void)dup2(null, 2);
	(void)execv("/proc/self/exe", (char *const *)(uintptr_t)args);
	_exit(127);
}

static void guest_end(struct redteam_guest *g)
{
	if (g->pid <= 0)
		return;
	(void)kill(g->pid, SIGKILL);
	(void)waitpid(g->pid, NULL, 0);
	(void)close(g->to);
	(void)close(g->from);
	*g = (struct redteam_guest){ 0 };
}

/* A command in the bottle, with pipes. Return: false when it could not be started */
static bool guest_start(const struct redteam *r, const char *const *argv, struct redteam_guest *ret)
{
	struct redteam_guest ours = { 0 }, its = { 0 };
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return false;
	if (pipe2(out, O_CLOEXEC) < 0) {
		(void)close(in[0]);
		(void)close(in[1]);
		return false;
	}
	its = (struct redteam_guest){ .to = in[0], .from = out[1] };
	ours = (struct redteam_guest){ .to = in[1], .from = out[0], .pid = fork() };
	if (ours.pid == 0)
		exec_self(r, &its, argv);
	(void)close(its.to);
	(void)close(its.from);
	if (ours.pid < 0) {
		(void)close(ours.to);
		(void)close(ours.from);
		return false;
	}
	*ret = ours;
	return true;
}

/* A line from @fd, or what comes until it ends; at most its capacity. Return: false when there was
 * nothing, or it took too long */
static bool collect(int fd, char ret[static OUTPUT_MAX])
{
	uint64_t until = bb_now_ms() + REDTEAM_TIMEOUT_S * 1000u;
	size_t n = 0;

	ret[0] = '\0';
	for (;;) {
		uint64_t now = bb_now_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
			return false;
		got = read(fd, ret + n, OUTPUT_MAX - 1 - n);
		if (got <= 0)
			return n > 0;
		n += (size_t)got;
		ret[n] = '\0';
		if (ret[n - 1] == '\n')
			return true;
		if (n == OUTPUT_MAX - 1)
			return false;
	}
}

/* One attack, by the program in the bottle that carries them out: started at the first one, and
 * again after one that did not answer. @ret: its answer. Return: false without an answer in time */
static bool in_bottle(struct redteam *r, const char *order, char ret[static OUTPUT_MAX])
{
	static const char *const argv[] = { "python3", GUEST_DIR "/attack.py", NULL };
	struct redteam_guest *g = &r->guest;

	ret[0] = '\0';
	if (g->pid <= 0 && !guest_start(r, argv, g))
		return false;
	if (bb_write_full(g->to, order, strlen(order)) == 0 && collect(g->from, ret))
		return true;
	guest_end(g);
	return false;
}

static bool is_listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(list, word); n && at; at = strstr(at + 1, word)) {
		if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n]))
			return true;
	}
	return false;
}

static void pause_ms(unsigned int ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&t, NULL);
}

/* Read on in the audit until one of @reasons is there. Records of before are passed over by the
 * caller's reading to the end */
static bool recorded(struct redteam *r, const char *reasons)
{
	bool found = strcmp(reasons, "-") == 0;
	struct bb_err ignored = { 0 };

	for (int waited = 0; waited < AUDIT_WAIT_MS;) {
		json_auto_t *record = NULL;
		const char *verdict, *reason;
		int got = audit_next(r->audit, &record, &ignored);

		if (got < 0 || (got == 0 && found))
			break;
		if (got == 0) {
			pause_ms(PAUSE_MS);
			waited += PAUSE_MS;
			continue;
		}
		verdict = json_string_value(json_object_get(record, "verdict"));
		reason = json_string_value(json_object_get(record, "reason"));
		if (!verdict || !reason || strcmp(verdict, "deny") != 0)
			continue;
		r->denials++;
		found = found || is_listed(reasons, reason);
	}
	return found;
}

/* The guest's word, its first line, as printable ASCII */
static void take_seen(struct redteam_attack *a, const char *text)
{
	size_t n = 0;

	for (; *text && *text != '\n' && n + 1 < sizeof(a->seen); text++)
		a->seen[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	a->seen[n] = '\0';
}

static enum redteam_verdict take_word(struct redteam_attack *a, const char *output)
{
	static const struct {
		const char *word;
		enum redteam_verdict verdict;
	} words[] = { { "blocked\t", REDTEAM_BLOCKED },
		      { "through\t", REDTEAM_THROUGH },
		      { UNSENT, REDTEAM_BLOCKED },
		      { "skip\t", REDTEAM_SKIPPED } };

	for (size_t i = 0; i < BB_ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i].word);

		if (strncmp(output, words[i].word, n) == 0) {
			take_seen(a, output + n);
			return words[i].verdict;
		}
	}
	take_seen(a, *output ? output : "no answer from the attack");
	return REDTEAM_UNCLEAR;
}

/* What arrived that may not */
static bool arrived(const struct redteam *r, struct redteam_attack *a, uint64_t from,
		    const char *mark)
{
	uint64_t n = capture_size(r->capture) - from;

	if (a->nothing && n) {
		(void)snprintf(a->seen, sizeof(a->seen), "the capture server received %llu octets",
			       (unsigned long long)n);
		return true;
	}
	if (!capture_has(r->capture, from, mark) && !capture_has(r->capture, from, r->secret))
		return false;
	(void)snprintf(a->seen, sizeof(a->seen), "it arrived at the capture server");
	return true;
}

void redteam_run(struct redteam *r, struct redteam_attack *a)
{
	char mark[21], order[ORDER_MAX], output[OUTPUT_MAX];
	uint64_t from = capture_size(r->capture), began = bb_now_ms();
	bool found, unsent;

	make_mark(mark, sizeof(mark));
	(void)snprintf(order, sizeof(order), "%s|%s|%s|%u|%u|%s\n", a->class, a->name, mark,
		       r->capture->port, r->capture->decoy_port, r->addresses);
	(void)recorded(r, "-"); /* to its end */
	if (r->denials > DENIALS_MAX) {
		pause_ms(WINDOW_MS);
		r->denials = 0;
	}
	if (in_bottle(r, order, output)) {
		a->verdict = take_word(a, output);
	} else {
		a->verdict = REDTEAM_UNCLEAR;
		(void)snprintf(a->seen, sizeof(a->seen), "no answer in %llu s",
			       (unsigned long long)(bb_now_ms() - began) / 1000);
	}
	unsent = r->container && strncmp(output, UNSENT, strlen(UNSENT)) == 0;
	found = a->verdict != REDTEAM_BLOCKED || unsent || recorded(r, a->reasons);
	if (strstr(output, r->token)) {
		(void)snprintf(a->seen, sizeof(a->seen), "the bottle has the credential");
		a->verdict = REDTEAM_THROUGH;
	} else if (arrived(r, a, from, mark)) {
		a->verdict = REDTEAM_THROUGH;
	} else if (!found) {
		a->verdict = REDTEAM_UNRECORDED;
	}
	a->ms = bb_now_ms() - began;
}

bool redteam_control(const struct redteam *r)
{
	char mark[21], script[256], output[OUTPUT_MAX];
	const char *argv[] = { "sh", "-c", script, NULL };
	uint64_t from = capture_size(r->capture);
	struct redteam_guest g;
	bool ok;

	make_mark(mark, sizeof(mark));
	(void)snprintf(script, sizeof(script), CONTROL_SCRIPT "%s", mark);
	if (!guest_start(r, argv, &g))
		return false;
	ok = collect(g.from, output) && strcmp(output, "captured\n") == 0;
	guest_end(&g);
	return ok && capture_has(r->capture, from, mark);
}

void redteam_end(struct redteam *r)
{
	guest_end(&r->guest);
}
