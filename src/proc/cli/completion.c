/* SPDX-License-Identifier: Apache-2.0 */
/* completion: what a shell offers for the next word, from the tables that the parser reads */
#include "proc/cli/commands.h"

/* Names that stand in files: bottles of the operator's, those that ran (the only ones there with a
 * dash), and commits of them */
#define BOTTLES "\"${BOT_BOTTLE_HOME:-$HOME/.bot-bottle}/bottles\""
#define STATE   "\"${XDG_STATE_HOME:-$HOME/.local/state}/bot-bottle\""
#define IMAGES  "\"${XDG_CACHE_HOME:-$HOME/.cache}/bot-bottle/images/by-name\""

static bool takes_identity(const struct cli_cmd *cmd)
{
	return strncmp(cmd->operands, "ID", 2) == 0 || strncmp(cmd->operands, "[ID", 3) == 0;
}

static bool takes_bottle(const struct cli_cmd *cmd)
{
	return strcmp(cmd->name, "info") == 0 || strcmp(cmd->name, "check") == 0 ||
	       strcmp(cmd->name, "edit") == 0;
}

/* Those of its operands that are meant as they are: "ls | rm NAME…" has two */
static void print_verbs(const struct cli_cmd *cmd, FILE *to)
{
	const char *at = cmd->operands;

	while (*at) {
		size_t word = strcspn(at, " "), low = strspn(at, "abcdefghijklmnopqrstuvwxyz");

		if (low && low == word)
			(void)fprintf(to, "%.*s ", (int)word, at);
		at += word + strspn(at + word, " ");
	}
}

static void print_options(const struct cli_cmd *cmd, FILE *to)
{
	for (const enum cli_opt_id *o = cmd->opts; *o != OPT_HELP; o++)
		(void)fprintf(to, "--%s ", cli_opts[*o].name);
	(void)fputs("--help", to);
}

#define IDENTITIES                                                                                 \
	"\t\tcase $word in -*) ;; *) words=\"$words $(ls -- " STATE                                \
	" 2>/dev/null | grep -e -)\" ;; esac\n"
#define NAMES                                                                                      \
	"\t\tcase $word in -*) ;; *) words=$(cd " BOTTLES                                          \
	" 2>/dev/null && ls -- *.md 2>/dev/null | sed 's/\\.md$//') ;; esac\n"

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
		    "\telif [ \"$before\" = --bottle ]; then\n"
		    "\t\twords=$(cd " BOTTLES
		    " 2>/dev/null && ls -- *.md 2>/dev/null | sed 's/\\.md$//')\n"
		    "\telif [ \"$before\" = --from ] || [ \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" = "
		    "'commit rm' "
		    "]; then\n"
		    "\t\twords=$(ls -- " STATE "/commits 2>/dev/null)\n"
		    "\telif [ \"$before\" = --image ] || [ \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" "
		    "= 'image rm' ]; then\n"
		    "\t\twords=$(ls -- " IMAGES " 2>/dev/null)\n"
		    "\telif [ \"$before\" = --backend ]; then\n\t\twords='smolmachines docker'\n"
		    "\telse case ${COMP_WORDS[1]} in\n",
		    to);
	for (const struct cli_cmd *c = cli_cmds; c->name; c++) {
		(void)fprintf(to, "\t%s)\n\t\tcase $word in -*) words='", c->name);
		print_options(c, to);
		(void)fputs("' ;; *) words='", to);
		print_verbs(c, to);
		(void)fputs("' ;; esac\n", to);
		if (takes_identity(c))
			(void)fputs(IDENTITIES, to);
		if (takes_bottle(c))
			(void)fputs(NAMES, to);
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

#define FISH_BOTTLES                                                                               \
	"(ls (set -q BOT_BOTTLE_HOME; and echo $BOT_BOTTLE_HOME; or echo ~/.bot-bottle)/bottles "  \
	"2>/dev/null | string replace -r -f \"\\.md\\$\" \"\")"
#define FISH_STATE                                                                                 \
	"(set -q XDG_STATE_HOME; and echo $XDG_STATE_HOME; or echo ~/.local/state)/bot-bottle"
#define FISH_IMAGES                                                                                \
	"(ls (set -q XDG_CACHE_HOME; and echo $XDG_CACHE_HOME; or echo "                           \
	"~/.cache)/bot-bottle/images/by-name 2>/dev/null)"
#define FISH_COMMITS "(ls " FISH_STATE "/commits 2>/dev/null)"
#define FISH_IDS     "(ls " FISH_STATE " 2>/dev/null | string match \"*-*\")"

/* What stands behind this option, where that is known; -x: and nothing else, such as a file */
static const char *fish_values(enum cli_opt_id id)
{
	switch ((int)id) {
	case OPT_BOTTLE:
		return " -x -a '" FISH_BOTTLES "'";
	case OPT_BACKEND:
		return " -x -a 'smolmachines docker'";
	case OPT_FROM:
		return " -x -a '" FISH_COMMITS "'";
	case OPT_IMAGE:
		return " -r -a '" FISH_IMAGES "'";
	default:
		return cli_opts[id].arg ? " -r" : "";
	}
}

static void print_fish_command(const struct cli_cmd *c, FILE *to)
{
	(void)fprintf(to, "complete -c bot-bottle -n __fish_use_subcommand -a %s -d ", c->name);
	print_quoted(c->summary, to);
	(void)fputc('\n', to);
	for (const enum cli_opt_id *o = c->opts;; o++) {
		(void)fprintf(to,
			      "complete -c bot-bottle -n '__fish_seen_subcommand_from %s' -l %s%s "
			      "-d ",
			      c->name, cli_opts[*o].name, fish_values(*o));
		print_quoted(cli_opts[*o].help, to);
		(void)fputc('\n', to);
		if (*o == OPT_HELP)
			break;
	}
	(void)fprintf(to,
		      "complete -c bot-bottle -n '__fish_seen_subcommand_from %s; and not "
		      "__fish_seen_subcommand_from -- ",
		      c->name);
	print_verbs(c, to);
	(void)fputs("' -a '", to);
	print_verbs(c, to);
	(void)fputs("'\n", to);
	if (takes_identity(c) || takes_bottle(c))
		(void)fprintf(to,
			      "complete -c bot-bottle -n '__fish_seen_subcommand_from %s; and not "
			      "__fish_seen_subcommand_from ls rm' -a '%s'\n",
			      c->name, takes_identity(c) ? FISH_IDS : FISH_BOTTLES);
}

static void print_fish(FILE *to)
{
	(void)fputs("complete -c bot-bottle -f\n", to); /* files where they are asked for */
	for (const struct cli_cmd *c = cli_cmds; c->name; c++)
		print_fish_command(c, to);
	(void)fputs(
		"complete -c bot-bottle -n __fish_use_subcommand -l help -l version\n"
		"complete -c bot-bottle -n '__fish_seen_subcommand_from commit; and "
		"__fish_seen_subcommand_from rm' -a '" FISH_COMMITS "'\n"
		"complete -c bot-bottle -n '__fish_seen_subcommand_from image; and "
		"__fish_seen_subcommand_from rm' -a '" FISH_IMAGES "'\n"
		"complete -c bot-bottle -F -n '__fish_seen_subcommand_from scan cp run exec start "
		"resume import'\n",
		to);
}

int cmd_completion(const struct cli_args *args)
{
	const char *shell = args->operands[0];

	if (strcmp(shell, "zsh") == 0)
		(void)puts("autoload -U +X compinit bashcompinit\n"
			   "(( $+functions[compdef] )) || compinit\n"
			   "bashcompinit");
	if (strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0)
		print_bash(stdout);
	else if (strcmp(shell, "fish") == 0)
		print_fish(stdout);
	else
		return cli_error(CLI_USAGE, "completion: bash, zsh or fish, not '%.40s'", shell);
	return CLI_OK;
}
