/* SPDX-License-Identifier: Apache-2.0 */
/* completion: what a shell offers for the next word, from the tables that the parser reads */
#include "proc/cli/commands.h"

/* Names that stand in files: bottles of the operator's, those that ran, and commits of them */
#define BOTTLES "\"${BOT_BOTTLE_HOME:-$HOME/.bot-bottle}/bottles\""
#define STATE   "\"${XDG_STATE_HOME:-$HOME/.local/state}/bot-bottle\""

static bool takes_identity(const struct cli_cmd *cmd)
{
	return strncmp(cmd->operands, "ID", 2) == 0 || strncmp(cmd->operands, "[ID", 3) == 0;
}

static void print_options(const struct cli_cmd *cmd, FILE *to)
{
	for (const enum cli_opt_id *o = cmd->opts; *o != OPT_HELP; o++)
		(void)fprintf(to, "--%s ", cli_opts[*o].name);
	(void)fputs("--help", to);
}

static void print_bash(FILE *to)
{
	(void)fputs(
		"_bot_bottle()\n{\n"
		"\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
		"\tCOMPREPLY=()\n"
		"\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\twords='",
		to);
	for (const struct cli_cmd *c = cli_cmds; c->name; c++)
		(void)fprintf(to, "%s ", c->name);
	(void)fputs("--help --version'\n"
		    "\telif [ \"$before\" = --bottle ] || [ \"$before\" = info ] || [ \"$before\" "
		    "= check ]; then\n"
		    "\t\twords=$(cd " BOTTLES
		    " 2>/dev/null && ls -- *.md 2>/dev/null | sed 's/\\.md$//')\n"
		    "\telif [ \"$before\" = --from ] || [ \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" = "
		    "'commit rm' "
		    "]; then\n"
		    "\t\twords=$(ls -- " STATE "/commits 2>/dev/null)\n"
		    "\telif [ \"$before\" = --backend ]; then\n\t\twords='smolmachines docker'\n"
		    "\telse case ${COMP_WORDS[1]} in\n",
		    to);
	for (const struct cli_cmd *c = cli_cmds; c->name; c++) {
		(void)fprintf(to, "\t%s)\n\t\twords='", c->name);
		print_options(c, to);
		(void)fputs("'\n", to);
		if (takes_identity(c))
			(void)fputs("\t\tcase $word in -*) ;; *) words=$(ls -- " STATE
				    " 2>/dev/null | grep -vx commits) ;; esac\n",
				    to);
		(void)fputs("\t\t;;\n", to);
	}
	(void)fputs("\tesac; fi\n"
		    "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
		    "}\ncomplete -o default -F _bot_bottle bot-bottle\n",
		    to);
}

/* 'text' for fish: a quote ends nothing behind a backslash */
static void print_quoted(const char *text, FILE *to)
{
	(void)fputc('\'', to);
	for (; *text; text++)
		(void)fprintf(to, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
	(void)fputc('\'', to);
}

static void print_fish(FILE *to)
{
	for (const struct cli_cmd *c = cli_cmds; c->name; c++) {
		(void)fprintf(to, "complete -c bot-bottle -f -n __fish_use_subcommand -a %s -d ",
			      c->name);
		print_quoted(c->summary, to);
		(void)fputc('\n', to);
		for (const enum cli_opt_id *o = c->opts; *o != OPT_HELP; o++) {
			(void)fprintf(to,
				      "complete -c bot-bottle -n '__fish_seen_subcommand_from %s' "
				      "-l %s%s -d ",
				      c->name, cli_opts[*o].name, cli_opts[*o].arg ? " -r" : "");
			print_quoted(cli_opts[*o].help, to);
			(void)fputc('\n', to);
		}
		if (takes_identity(c))
			(void)fprintf(
				to,
				"complete -c bot-bottle -f -n '__fish_seen_subcommand_from %s' "
				"-a '(ls (set -q XDG_STATE_HOME; and echo $XDG_STATE_HOME; or echo "
				"~/.local/state)/bot-bottle 2>/dev/null | string match -v "
				"commits)'\n",
				c->name);
	}
	(void)fputs("complete -c bot-bottle -f -n '__fish_seen_subcommand_from run start; and "
		    "__fish_prev_arg_in --from; or __fish_seen_subcommand_from commit; and "
		    "__fish_seen_subcommand_from rm' -a '(ls (set -q XDG_STATE_HOME; and echo "
		    "$XDG_STATE_HOME; or echo ~/.local/state)/bot-bottle/commits 2>/dev/null)'\n",
		    to);
}

int cmd_completion(const struct cli_args *args)
{
	const char *shell = args->operands[0];

	if (strcmp(shell, "zsh") == 0)
		(void)puts("autoload -U +X bashcompinit && bashcompinit");
	if (strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0)
		print_bash(stdout);
	else if (strcmp(shell, "fish") == 0)
		print_fish(stdout);
	else
		return cli_error(CLI_USAGE, "completion: bash, zsh or fish, not '%.40s'", shell);
	return CLI_OK;
}
