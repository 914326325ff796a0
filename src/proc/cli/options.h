/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BB_PROC_CLI_OPTIONS_H
#define BB_PROC_CLI_OPTIONS_H
#include "base/base.h"
#include <stdio.h>

/**
 * DOC: options - one table describes commands and options for parser, help, man page, completion
 *
 * Layer:     proc/cli
 * Used by:   main.c (the table is commands.c), every cmd_*.c
 *
 * Long options only ("--name VALUE", "--name=VALUE"), and -h. "--" ends options. For commands that
 * run something else (@takes_command) the first operand after the fixed ones ends them too.
 */
enum cli_opt_id {
	OPT_HELP = 0,
	OPT_ALLOW_CIDR,
	OPT_ALLOW_HOST,
	OPT_BACKEND,
	OPT_BOTTLE,
	OPT_COLOR,
	OPT_CONSOLE,
	OPT_CWD,
	OPT_DETACH,
	OPT_ENV,
	OPT_FOLLOW,
	OPT_FORCE,
	OPT_FROM,
	OPT_GITIGNORE,
	OPT_HEADER,
	OPT_HEADLESS,
	OPT_HOST_EXECUTED,
	OPT_HOST_LOG,
	OPT_IMAGE,
	OPT_INCLUDE_SECRETS,
	OPT_JSON,
	OPT_KEEP,
	OPT_LABEL,
	OPT_MAN,
	OPT_METHOD,
	OPT_MIRROR,
	OPT_NAME,
	OPT_NO_TTY,
	OPT_OLDER_THAN,
	OPT_ONLY,
	OPT_PROMPT,
	OPT_REBUILD,
	OPT_URL,
	OPT_USER,
	OPT_WORKDIR,
	OPT_YES,

	OPT_NUM_IDS,
};

/** struct cli_opt - One option; @arg NULL = a flag; @many: may be repeated */
struct cli_opt {
	const char *name;
	const char *arg;
	const char *help;
	bool many;
};
extern const struct cli_opt cli_opts[OPT_NUM_IDS];

struct cli_args;

/**
 * struct cli_cmd - One command
 * @operands:	for the usage line, e.g. "ID [--] CMD…"
 * @summary:	one line for the list
 * @about:	paragraphs for --help and the man page
 * @opts:	ids, ended by OPT_HELP
 * @min, @max:	operands (max -1: any number)
 * @takes_command: index of the operand with which options end, -1 = none
 * @run:	Return: exit code
 */
struct cli_cmd {
	const char *name;
	const char *operands;
	const char *summary;
	const char *about;
	const enum cli_opt_id *opts;
	int min, max;
	int takes_command;
	int (*run)(const struct cli_args *args);
};
extern const struct cli_cmd cli_cmds[]; /* ended by a NULL name */

#define CLI_VALUES_MAX 256

/** struct cli_args - A parsed command line; borrows argv. @n_plain: operands that stood before "--"
 */
struct cli_args {
	const struct cli_cmd *cmd;
	struct {
		enum cli_opt_id id;
		const char *value; /* "" for a flag */
	} opts[CLI_VALUES_MAX];
	size_t n_opts;
	char **operands;
	size_t n_operands;
	size_t n_plain;
};

/**
 * cli_parse() - Parse what follows the command's name
 * @argv:	reordered in place: operands are collected at its end
 *
 * Return: 0; -EINVAL with a message that names the word and what is allowed
 */
BB_MUST_USE int cli_parse(const struct cli_cmd *cmd, int argc, char **argv, struct cli_args *ret,
			  struct bb_err *err);

/** cli_opt() - Last value of an option, NULL when not given ("" for a flag) */
const char *cli_opt(const struct cli_args *args, enum cli_opt_id id);
static inline bool cli_has(const struct cli_args *args, enum cli_opt_id id)
{
	return cli_opt(args, id) != NULL;
}

/** cli_find() - Command by name; @ret_near: the nearest name for "did you mean", or NULL */
const struct cli_cmd *cli_find(const char *name, const char **ret_near);

void cli_print_help(FILE *to);
void cli_print_command_help(const struct cli_cmd *cmd, FILE *to);
/** cli_print_man() - The manual page, troff */
void cli_print_man(FILE *to);

/** cli_no_command() - Say that @name is none, and which was meant. Return: CLI_USAGE */
int cli_no_command(const char *name, const char *near);

/**
 * cli_print() - A message, to a terminal or a file: what would write there as more than text is
 * escaped
 *
 * The names in it may be of a repository, an archive or a bottle.
 */
void cli_print(FILE *out, const char *text);
/** cli_printf() - The same, formatted */
BB_PRINTF(2, 3) void cli_printf(FILE *out, const char *fmt, ...);

/** cli_error() - "bot-bottle: …" on stderr, by cli_print(). Return: @code */
BB_PRINTF(2, 3) int cli_error(int code, const char *fmt, ...);

/** cli_can_ask() - Is there a terminal to ask on, and to be answered from? */
bool cli_can_ask(void);
/** cli_ask() - Ask there. Return: whether it was "y" */
bool cli_ask(const char *question);
/** cli_confirm() - Ask on the terminal. Return: whether it was "y"; false without a terminal */
bool cli_confirm(const char *question);

/* Exit codes */
enum {
	CLI_OK = 0,
	CLI_FAILED = 1,   /* before the machine started; bad manifest; N at preflight */
	CLI_USAGE = 2,    /* wrong words on the command line */
	CLI_DENIED = 3,   /* check --url: refused */
	CLI_BROKEN = 125, /* the machine or a guard failed */
	CLI_INTERRUPTED = 130,
};
#endif
