/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cli/commands.h"
#include <assert.h>

const struct cli_opt cli_opts[] = {
	[OPT_HELP] = { "help", NULL, "this text", false },
	[OPT_ALLOW_CIDR] = { "allow-cidr", "CIDR:PORT",
			     "let raw TCP out to these addresses; [V6CIDR]:PORT for IPv6", true },
	[OPT_ALLOW_HOST] = { "allow-host", "HOST[:PORT]",
			     "let HTTP and HTTPS out to this host (ports 443 and 80)", true },
	[OPT_BACKEND] = { "backend", "NAME", "smolmachines (default) or docker (legacy)", false },
	[OPT_BOTTLE] = { "bottle", "NAME", "bottle from ~/.bot-bottle/bottles", true },
	[OPT_COLOR] = { "color", "NAME",
			"of the label in list (not with NO_COLOR): red, green, yellow, blue, "
			"magenta, cyan",
			false },
	[OPT_CONSOLE] = { "console", NULL, "what the guest's kernel and init printed", false },
	[OPT_CWD] = { "cwd", NULL, "copy the working directory to /workspace and start there",
		      false },
	[OPT_DETACH] = { "detach", NULL, "leave it running; `attach` comes back to it", false },
	[OPT_ENV] = { "env", "NAME", "give it this variable of this host, as ${NAME} in a manifest",
		      true },
	[OPT_FOLLOW] = { "follow", NULL, "go on as records are written", false },
	[OPT_FORCE] = { "force", NULL, "also an image that a kept bottle or a commit needs",
			false },
	[OPT_FROM] = { "from", "COMMIT", "begin with the disk that commit put aside", false },
	[OPT_GITIGNORE] = { "gitignore", NULL, "with --cwd: what git ignores stays behind", false },
	[OPT_HEADER] = { "header", "'K: V'", "request header", true },
	[OPT_HEADLESS] = { "headless", NULL, "no terminal, no questions", false },
	[OPT_HOST_EXECUTED] = { "host-executed", NULL,
				"with --yes: also what programs on this host run by themselves",
				false },
	[OPT_HOST_LOG] = { "host", NULL, "what the host processes said", false },
	[OPT_IMAGE] = { "image", "NAME",
			"image to boot: a name, or the path of an archive or "
			"Dockerfile (default: base, or the provider's)",
			false },
	[OPT_INCLUDE_SECRETS] = { "include-secrets", NULL,
				  "with --cwd: copy files that look like secrets, too", false },
	[OPT_JSON] = { "json", NULL, "for scripts", false },
	[OPT_KEEP] = { "keep", NULL, "keep the bottle's disk at the end", false },
	[OPT_LABEL] = { "label", "TEXT", "name shown in list", false },
	[OPT_MAN] = { "man", NULL, "the manual page, troff", false },
	[OPT_METHOD] = { "method", "METHOD", "request method (default: GET)", false },
	[OPT_MIRROR] = { "mirror", "URL", "Debian mirror to build from", false },
	[OPT_NAME] = { "name", "NAME", "name of the new image", false },
	[OPT_NO_TTY] = { "no-tty", NULL, "pipes, even on a terminal", false },
	[OPT_OLDER_THAN] = { "older-than", "DAYS", "ended bottles made before (default: 30)",
			     false },
	[OPT_ONLY] = { "only", "CLASS", "attacks of this class: network, dns, http, secrets, host",
		       false },
	[OPT_PROMPT] = { "prompt", "TEXT", "what the agent is to do", false },
	[OPT_REBUILD] = { "rebuild", NULL, "make it anew although it is there", false },
	[OPT_URL] = { "url", "URL", "explain the decision about this URL", false },
	[OPT_USER] = { "user", "NAME", "user in the bottle (default: node)", false },
	[OPT_WORKDIR] = { "workdir", "PATH", "directory in the bottle to start in", false },
	[OPT_YES] = { "yes", NULL, "do not ask", false },
};
static_assert(BB_ARRAY_LEN(cli_opts) == OPT_NUM_IDS, "cli_opts[] doesn't match enum cli_opt_id");

#define OPTS(...) ((const enum cli_opt_id[]){ __VA_ARGS__, OPT_HELP })
#define NO_OPTS   ((const enum cli_opt_id[]){ OPT_HELP })

const struct cli_cmd cli_cmds[] = {
	{ "run", "[--] CMD [ARG…]", "run a command in a new bottle",
	  "Starts a bottle, runs CMD in it and ends it. The allow options add rules to the bottle\n"
	  "named, for this run; without a bottle they are the whole policy, and without either\n"
	  "nothing may leave. The exit code is the command's.",
	  OPTS(OPT_BOTTLE, OPT_ALLOW_HOST, OPT_ALLOW_CIDR, OPT_ENV, OPT_BACKEND, OPT_IMAGE, OPT_CWD,
	       OPT_GITIGNORE, OPT_INCLUDE_SECRETS, OPT_FROM, OPT_KEEP, OPT_LABEL, OPT_COLOR,
	       OPT_USER, OPT_WORKDIR, OPT_NO_TTY, OPT_YES),
	  1, -1, 0, cmd_run },
	{ "exec", "ID [--] CMD [ARG…]", "run a command in a running bottle",
	  "Runs CMD in the bottle ID (an unambiguous beginning will do), with --cwd's copy in\n"
	  "/workspace, else in the home directory. The exit code is the command's.",
	  OPTS(OPT_USER, OPT_WORKDIR, OPT_NO_TTY), 2, -1, 1, cmd_exec },
	{ "list", "", "bottles, running and ended",
	  "Lists all bottles, newest first: status, backend, accelerator, time since the start, "
	  "memory\n"
	  "that its processes have (>: without a container's, of which its engine says nothing), "
	  "refusals\n"
	  "in its audit (those of the guest's own start-up probe apart), label. Status: up, "
	  "detached (up, and nobody is attached to what start runs in "
	  "it),\n"
	  "kept (ended, and resume can go on with it), ended.",
	  OPTS(OPT_JSON), 0, 0, -1, cmd_list },
	{ "stop", "[ID…]", "end running bottles",
	  "Ends the bottles named, or the newest one. Its machine is killed, not shut down.",
	  NO_OPTS, 0, -1, -1, cmd_stop },
	{ "cp", "FROM TO", "copy files into a bottle and out of it",
	  "One of FROM and TO is ID:PATH. Into \"ID:/dir/\" a file keeps its name, into\n"
	  "\"ID:/dir/name\" it becomes that; out of a bottle TO is a directory. The content of a\n"
	  "directory goes into TO when TO is empty, or when PATH ends in a '/': its names are the\n"
	  "bottle's choice.",
	  NO_OPTS, 2, 2, -1, cmd_cp },
	{ "diff", "[ID]", "what a bottle changed in its copy of the working directory",
	  "Compares /workspace of the bottle ID (the newest without ID) with what --cwd copied in, "
	  "and\n"
	  "with the directory as it is now. First come files that programs on this host run or "
	  "obey: by\n"
	  "themselves (git's configuration and hooks, .envrc, editors' tasks, agents' settings), "
	  "then\n"
	  "those that builds and CI run. The bottle runs, or was kept: then its machine is started "
	  "for\n"
	  "this, with nothing in it and no way out.",
	  OPTS(OPT_JSON), 0, 1, -1, cmd_diff },
	{ "pull", "[ID]", "bring a bottle's changes back to where they came from",
	  "Shows what diff shows, asks, and makes the changes in the directory that --cwd copied. "
	  "A file\n"
	  "that changed here as well is named and left alone, as is a link that leads outside. "
	  "What\n"
	  "programs on this host run by themselves is asked about on its own; --yes leaves it out\n"
	  "unless --host-executed is there, too. Exit code 3 when something was not brought.",
	  OPTS(OPT_YES, OPT_HOST_EXECUTED), 0, 1, -1, cmd_pull },
	{ "commit", "[ID [NAME]] | ls | rm NAME…",
	  "put a bottle's disk aside, to start others from",
	  "Copies the disk of the bottle ID (the newest without ID) under NAME, else under its "
	  "identity;\n"
	  "holes stay holes. A running machine is held still for the time. run and start --from "
	  "NAME\n"
	  "begin with a copy of it, on the image that it was made on, under whatever policy they "
	  "name.\n"
	  "ls lists commits, rm removes them.",
	  OPTS(OPT_JSON), 0, -1, -1, cmd_commit },
	{ "image", "ls | build [NAME | ./Dockerfile] | import ARCHIVE | rm NAME…",
	  "what bottles boot",
	  "ls lists images, those that were rebuilt since without a name. build makes one from its "
	  "recipe: Debian's cloud kernel and a Debian\n"
	  "root with the tools that coding agents use (\"base\"), with compilers and node "
	  "(\"dev\"), with\n"
	  "Claude Code (\"claude\") or Codex (\"codex\") from the npm registry. An image that "
	  "is there\n"
	  "in full is left as it is. With the path of a Dockerfile (./Dockerfile) buildah, "
	  "podman\n"
	  "or docker builds it. import takes an OCI layout, as a tar file or a directory, or what "
	  "`docker\n"
	  "save` writes. Both take --name. rm removes images, by name or, where there is none, by "
	  "the\n"
	  "digits that ls shows; not one that a bottle with a disk, or a commit, goes on with, "
	  "unless\n"
	  "--force is there.",
	  OPTS(OPT_FORCE, OPT_JSON, OPT_NAME, OPT_MIRROR, OPT_REBUILD), 1, -1, -1, cmd_image },
	{ "doctor", "", "what this host has and lacks",
	  "Says what is missing to run bottles and which accelerator would be used, and why; "
	  "where\n"
	  "docker is the backend (BOT_BOTTLE_BACKEND, config.yaml), also whether its engine "
	  "answers.",
	  OPTS(OPT_JSON), 0, 0, -1, cmd_doctor },
	{ "cleanup", "", "remove what ended bottles left",
	  "Lists and, when you agree, removes state and audit of bottles that ended and are 30 "
	  "days old\n"
	  "(--older-than), and what image builds had kept for others and is too old. Never a live "
	  "one, "
	  "and\n"
	  "none that may have a container left with an engine that does not answer: the one it "
	  "was\n"
	  "started with, whatever DOCKER_HOST says now.",
	  OPTS(OPT_OLDER_THAN, OPT_YES), 0, 0, -1, cmd_cleanup },
	{ "start", "[AGENT] [-- CMD…]", "start an agent in a new bottle",
	  "Starts the agent's bottle (or --bottle) and in it the program that the bottle names as\n"
	  "its provider (claude, codex; claude where it names none), or CMD. The program's\n"
	  "credential stays on the host; in the bottle it does what it likes. --prompt says what\n"
	  "it is to do; with --headless it does that without a terminal and ends. On a terminal,\n"
	  "without AGENT and --bottle, it asks which of the agents is meant. ~. at the start of a "
	  "line\n"
	  "ends the bottle; ~d leaves it running, as does a terminal that goes away, and attach "
	  "comes "
	  "back.\n"
	  "--detach leaves at once and prints the bottle's ID; the bottle ends when its command "
	  "does.\n"
	  "While nobody is there, what a program must know of its terminal (what it is, where the "
	  "cursor\n"
	  "is) is answered as by a plain one.",
	  OPTS(OPT_BOTTLE, OPT_ALLOW_HOST, OPT_ALLOW_CIDR, OPT_ENV, OPT_BACKEND, OPT_IMAGE, OPT_CWD,
	       OPT_GITIGNORE, OPT_INCLUDE_SECRETS, OPT_FROM, OPT_KEEP, OPT_LABEL, OPT_COLOR,
	       OPT_HEADLESS, OPT_PROMPT, OPT_DETACH, OPT_NO_TTY, OPT_YES),
	  0, -1, -1, cmd_start },
	{ "attach", "[ID]", "come back to what start runs in a bottle",
	  "Connects this terminal to the session that start (or resume) has opened in the bottle "
	  "ID, or\n"
	  "in the newest that runs, shows the last that it said, up to 64 KiB, without what asks "
	  "a\n"
	  "terminal something, and has it draw its screen anew. Whoever had the session until now "
	  "is\n"
	  "told so and leaves. ~d at the start of a line leaves again, ~. ends the bottle. The "
	  "exit code\n"
	  "is that of what ran; also later, of a bottle that has ended meanwhile.",
	  NO_OPTS, 0, 1, -1, cmd_attach },
	{ "resume", "[ID] [-- CMD…]", "go on with a bottle that ended and kept its disk",
	  "Starts the machine again on the disk of the bottle ID (the newest without ID), with "
	  "the\n"
	  "image, bottles and allow options it was made with; what the manifests say now is what "
	  "counts.\n"
	  "Runs CMD, else the agent it was started with, else a shell. The disk is kept again. A "
	  "disk is\n"
	  "there after --keep, and when the machine, a guard or the host failed. --detach leaves "
	  "it\n"
	  "running, as that of start does.",
	  OPTS(OPT_USER, OPT_WORKDIR, OPT_DETACH, OPT_NO_TTY, OPT_YES), 0, -1, -1, cmd_resume },
	{ "reload", "[ID]", "give a running bottle the policy that its manifests say now",
	  "Reads the manifests again for the bottle ID (the newest without ID), with the bottles "
	  "and\n"
	  "allow options it was made with, shows what differs, and asks when that lets more out.\n"
	  "Connections that the new policy denies are ended. Routes, tcp rules and tokens change;\n"
	  "image, resources, env, resolvers and egress.log stay until the next start. When it is\n"
	  "refused nothing has changed; when it fails half-way the bottle ends.",
	  OPTS(OPT_YES), 0, 1, -1, cmd_reload },
	{ "check", "[NAME…]", "validate manifests, explain decisions",
	  "Validates bottles and agents (all of them without NAME), prints each effective policy "
	  "and\n"
	  "every error as file:line:column. With --url: would NAME let this request out "
	  "(--method,\n"
	  "--header), and by which rule? Exit code 3 when not. --json prints the same as "
	  "JSON.",
	  OPTS(OPT_URL, OPT_METHOD, OPT_HEADER, OPT_JSON), 0, -1, -1, cmd_check },
	{ "init", "[NAME]", "write a first bottle, from an example",
	  "Copies the example NAME (claude, codex, dev, api; claude without NAME) to\n"
	  "~/.bot-bottle/bottles, to be edited there, and says what to do next. A file that is "
	  "there\n"
	  "is left as it is.",
	  NO_OPTS, 0, 1, -1, cmd_init },
	{ "edit", "[NAME]", "a bottle or an agent in your editor",
	  "Opens ~/.bot-bottle/bottles/NAME.md, else agents/NAME.md, in $VISUAL, $EDITOR or vi "
	  "(the only\n"
	  "bottle without NAME). Afterwards it is validated; with errors it offers to edit again.",
	  NO_OPTS, 0, 1, -1, cmd_edit },
	{ "info", "NAME", "the effective bottle, and where each value comes from",
	  "Prints the bottle NAME with its parents folded in.", OPTS(OPT_JSON), 1, 1, -1,
	  cmd_info },
	{ "scan", "FILE… | -", "look for vendors' access tokens in files",
	  "Searches files, or standard input, as the egress guard searches requests: raw, with\n"
	  "escapes undone, decoded from base64, hexadecimal and base32, and unpacked where gzip,\n"
	  "zlib or zip is in it. Prints where and what, never the value. Exit code 3 when "
	  "something is found.",
	  OPTS(OPT_JSON), 1, -1, -1, cmd_scan },
	{ "audit", "[ID] | verify [ID]", "what was decided, and why",
	  "Prints the audit of a bottle (the newest without ID): one line per decision. verify "
	  "says\n"
	  "whether it is as it was written: each record vouches for those before it, and the last "
	  "one\n"
	  "is signed when the bottle ends. Exit code 3 when it is not, or nobody signed.",
	  OPTS(OPT_JSON, OPT_FOLLOW), 0, 2, -1, cmd_audit },
	{ "redteam", "", "attack a bottle from inside, and count what got out",
	  "Starts a bottle and carries out some seventy attacks in it, as root: raw flows, DNS "
	  "tunnels,\n"
	  "request smuggling, secrets in every disguise. Servers of its own on this machine's "
	  "loopback\n"
	  "receive what gets out; nothing is sent anywhere else. An attack is blocked when it says "
	  "so\n"
	  "itself, nothing arrived, the audit has the denial, and an allowed request still works.\n"
	  "Exit code 1 when one is not.",
	  OPTS(OPT_BACKEND, OPT_IMAGE, OPT_ONLY, OPT_JSON), 0, 0, -1, cmd_redteam },
	{ "logs", "[ID]", "what the guest's agent said",
	  "Prints the guest's log, its console, or what the host processes said; of the newest "
	  "bottle without ID.",
	  OPTS(OPT_CONSOLE, OPT_HOST_LOG), 0, 1, -1, cmd_logs },
	{ "completion", "bash | zsh | fish", "what a shell offers for the next word",
	  "Prints a script for the shell, as in: source <(bot-bottle completion bash)", NO_OPTS, 1,
	  1, -1, cmd_completion },
	{ "help", "[COMMAND]", "this text, or that of a command",
	  "Shows help; --man as a manual page.", OPTS(OPT_MAN), 0, 1, -1, cmd_help },
	{ 0 },
};
