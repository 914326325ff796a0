/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/options.h"
#include "base/near.h"
#include "base/printable.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define PRINT_MAX (1u << 20)

void cli_print(FILE *out, const char *text)
{
	bb_auto_buf struct bb_buf b;

	bb_buf_init(&b, PRINT_MAX);
	(void)!bb_printable_lines(&b, text); /* as far as there is room */
	if (b.len)
		(void)fwrite(b.p, 1, b.len, out);
}

BB_PRINTF(2, 0) static void print_args(FILE *out, const char *fmt, va_list ap)
{
	bb_auto_free char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	cli_print(out, text ? text : "out of memory");
}

void cli_printf(FILE *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_args(out, fmt, ap);
	va_end(ap);
}

int cli_error(int code, const char *fmt, ...)
{
	va_list ap;

	(void)fputs("bot-bottle: ", stderr);
	va_start(ap, fmt);
	print_args(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return code;
}

/* What other tools call it */
static const struct {
	const char *name, *here;
} elsewhere[] = {
	{ "ps", "list" },           { "status", "list" },    { "rm", "cleanup" },
	{ "prune", "cleanup" },     { "kill", "stop" },      { "down", "stop" },
	{ "shell", "exec" },        { "ssh", "exec" },       { "build", "image build" },
	{ "images", "image ls" },   { "validate", "check" }, { "new", "init" },
	{ "version", "--version" }, { "-V", "--version" },   { "-v", "--version" },
};

int cli_no_command(const char *name, const char *near)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(elsewhere); i++) {
		if (strcmp(name, elsewhere[i].name) == 0)
			near = elsewhere[i].here;
	}
	return cli_error(CLI_USAGE, "there is no command '%.40s'%s%s%s; see: bot-bottle --help",
			 name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

bool cli_can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool cli_ask(const char *question)
{
	char answer[16] = "";

	(void)fflush(stdout);
	(void)fprintf(stderr, "%s [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

bool cli_confirm(const char *question)
{
	if (cli_can_ask())
		return cli_ask(question);
	(void)cli_error(0, "no terminal to ask on: give --yes");
	return false;
}

static bool cmd_has_opt(const struct cli_cmd *cmd, enum cli_opt_id id)
{
	for (const enum cli_opt_id *o = cmd->opts; *o != OPT_HELP; o++) {
		if (*o == id)
			return true;
	}
	return id == OPT_HELP;
}

static const char *near_opt(const struct cli_cmd *cmd, const char *name)
{
	struct bb_near near = BB_NEAR(name);

	for (const enum cli_opt_id *o = cmd->opts; *o != OPT_HELP; o++)
		bb_near_try(&near, cli_opts[*o].name);
	return near.best;
}

const struct cli_cmd *cli_find(const char *name, const char **ret_near)
{
	struct bb_near near = BB_NEAR(name);

	*ret_near = NULL;
	for (const struct cli_cmd *c = cli_cmds; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
		bb_near_try(&near, c->name);
	}
	*ret_near = near.best;
	return NULL;
}

/* "--name", "--name=value" or "--name value" at argv[*at] */
static int parse_opt(const struct cli_cmd *cmd, int argc, char **argv, int *at,
		     struct cli_args *ret, struct bb_err *err)
{
	const char *word = argv[*at] + 2, *equals = strchr(word, '='), *near;
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	enum cli_opt_id id = OPT_NUM_IDS;
	const char *value = "";
	char name[40];

	(void)snprintf(name, sizeof(name), "%.*s", (int)n, word);
	for (int i = 0; i < OPT_NUM_IDS; i++) {
		if (strcmp(cli_opts[i].name, name) == 0 && cmd_has_opt(cmd, (enum cli_opt_id)i))
			id = (enum cli_opt_id)i;
	}
	near = near_opt(cmd, name);
	if (id == OPT_NUM_IDS)
		return bb_err_set(err, -EINVAL,
				  "%s has no option --%s%s%s%s; see: bot-bottle %s --help",
				  cmd->name, name, near ? " (did you mean --" : "",
				  near ? near : "", near ? "?)" : "", cmd->name);
	if (cli_opts[id].arg) {
		if (equals)
			value = equals + 1;
		else if (*at + 1 < argc)
			value = argv[++*at];
		else
			return bb_err_set(err, -EINVAL, "--%s needs a value: --%s %s", name, name,
					  cli_opts[id].arg);
	} else if (equals) {
		return bb_err_set(err, -EINVAL, "--%s takes no value", name);
	}
	if (ret->n_opts == CLI_VALUES_MAX)
		return bb_err_set(err, -E2BIG, "more than %d options", CLI_VALUES_MAX);
	if (cli_opt(ret, id) && !cli_opts[id].many && cli_opts[id].arg)
		return bb_err_set(err, -EINVAL, "--%s was given twice", name);
	ret->opts[ret->n_opts].id = id;
	ret->opts[ret->n_opts++].value = value;
	return 0;
}

int cli_parse(const struct cli_cmd *cmd, int argc, char **argv, struct cli_args *ret,
	      struct bb_err *err)
{
	int n = 0, at = 0;

	*ret = (struct cli_args){ .cmd = cmd, .operands = argv };
	for (; at < argc; at++) {
		const char *word = argv[at];
		int r = 0;

		if (strcmp(word, "--") == 0) {
			at++;
			break;
		}
		if (cmd->takes_command >= 0 && n > cmd->takes_command)
			break; /* the command's own words */
		if (strcmp(word, "-h") == 0) {
			ret->opts[0].id = OPT_HELP;
			ret->opts[0].value = "";
			ret->n_opts = 1;
			return 0;
		}
		if (strncmp(word, "--", 2) == 0)
			r = parse_opt(cmd, argc, argv, &at, ret, err);
		else if (word[0] == '-' && word[1])
			r = bb_err_set(err, -EINVAL,
				       "%s has no option %s; see: bot-bottle %s --help", cmd->name,
				       word, cmd->name);
		else
			argv[n++] = argv[at];
		if (r < 0)
			return r;
	}
	ret->n_plain = (size_t)n;
	while (at < argc)
		argv[n++] = argv[at++];
	ret->n_operands = (size_t)n;
	if (cli_has(ret, OPT_HELP))
		return 0;
	if (cli_has(ret, OPT_WORKDIR) && cli_opt(ret, OPT_WORKDIR)[0] != '/')
		return bb_err_set(
			err, -EINVAL,
			"--workdir %.100s: a path of the bottle from / on, such as /workspace",
			cli_opt(ret, OPT_WORKDIR));
	if (n < cmd->min)
		return bb_err_set(err, -EINVAL, "usage: bot-bottle %s [options] %s", cmd->name,
				  cmd->operands);
	if (cmd->max >= 0 && n > cmd->max)
		return bb_err_set(err, -EINVAL, "%s: too many words, from '%.60s' on", cmd->name,
				  argv[cmd->max]);
	return 0;
}

const char *cli_opt(const struct cli_args *args, enum cli_opt_id id)
{
	for (size_t i = args->n_opts; i > 0; i--) {
		if (args->opts[i - 1].id == id)
			return args->opts[i - 1].value;
	}
	return NULL;
}

static void print_opts(const struct cli_cmd *cmd, FILE *to)
{
	for (const enum cli_opt_id *o = cmd->opts; *o != OPT_HELP; o++) {
		const struct cli_opt *opt = &cli_opts[*o];
		char left[64];

		(void)snprintf(left, sizeof(left), "--%s%s%s", opt->name, opt->arg ? " " : "",
			       opt->arg ? opt->arg : "");
		(void)fprintf(to, "  %-26s %s%s\n", left, opt->help,
			      opt->many ? " (may be repeated)" : "");
	}
	(void)fprintf(to, "  %-26s this text\n", "-h, --help");
}

void cli_print_command_help(const struct cli_cmd *cmd, FILE *to)
{
	(void)fprintf(to, "usage: bot-bottle %s [options]%s%s\n\n%s\n\noptions:\n", cmd->name,
		      *cmd->operands ? " " : "", cmd->operands, cmd->about);
	print_opts(cmd, to);
}

void cli_print_help(FILE *to)
{
	(void)fputs("usage: bot-bottle COMMAND [options] …\n\n"
		    "Runs coding agents in micro-VMs whose only way out is a guarded one.\n\n",
		    to);
	for (const struct cli_cmd *c = cli_cmds; c->name; c++)
		(void)fprintf(to, "  %-10s %s\n", c->name, c->summary);
	(void)fputs(
		"\nbot-bottle COMMAND --help says more.  First steps:\n"
		"  bot-bottle doctor\n"
		"  bot-bottle image build base\n"
		"  bot-bottle run --allow-host deb.debian.org -- curl -sI https://deb.debian.org\n",
		to);
}

/* Leading dots and backslashes mean something to troff */
static void man_text(const char *text, FILE *to)
{
	bool start = true;

	for (const char *c = text; *c; c++) {
		if (start && (*c == '.' || *c == '\''))
			(void)fputs("\\&", to);
		if (*c == '\\')
			(void)fputs("\\e", to);
		else if (*c == '-')
			(void)fputs("\\-", to);
		else
			(void)fputc(*c, to);
		start = *c == '\n';
	}
}

void cli_print_man(FILE *to)
{
	(void)fputs(".TH BOT\\-BOTTLE 1 \"\" \"bot-bottle " BB_VERSION "\"\n.SH NAME\nbot\\-bottle "
		    "\\- run coding agents in guarded micro\\-VMs\n.SH SYNOPSIS\n.B bot\\-bottle\n"
		    ".I COMMAND\n[options]\n.SH COMMANDS\n",
		    to);
	for (const struct cli_cmd *c = cli_cmds; c->name; c++) {
		(void)fprintf(to, ".SS \"%s %s\"\n", c->name, c->operands);
		man_text(c->about, to);
		(void)fputc('\n', to);
		for (const enum cli_opt_id *o = c->opts; *o != OPT_HELP; o++) {
			(void)fprintf(to, ".TP\n.B \\-\\-%s %s\n", cli_opts[*o].name,
				      cli_opts[*o].arg ? cli_opts[*o].arg : "");
			man_text(cli_opts[*o].help, to);
			(void)fputc('\n', to);
		}
	}
	(void)fputs(
		".SH EXIT STATUS\nThe command's own status for start, run and exec (126 no "
		"program, 127 not "
		"found, 128+n killed by signal n); 1 failed before the machine started, bad "
		"manifest, "
		"or no at the preflight; 2 usage; 3 check \\-\\-url refused; 125 the machine or "
		"a guard failed, or the bottle was stopped; 130 interrupted.\n.SH "
		"ENVIRONMENT\nBOT_BOTTLE_BACKEND: "
		"smolmachines or "
		"docker, where no \\-\\-backend is given. BOT_BOTTLE_ENGINE: the program that the "
		"docker backend drives, by name or path, in place of docker, else podman. "
		"DOCKER_HOST, DOCKER_CONTEXT, CONTAINER_HOST: as that program takes them.\n.SH "
		"FILES\n~/.bot\\-bottle/bottles, "
		"~/.bot\\-bottle/agents, ~/.bot\\-bottle/config.yaml; BOT_BOTTLE_HOME replaces "
		"~/.bot\\-bottle.\n",
		to);
}
