/* SPDX-License-Identifier: Apache-2.0 */
#include "workspace/names.h"
#include "tests/unit/unit.h"

static void secrets(void **state)
{
	static const char *const yes[] = { ".env",
					   "app/.env",
					   ".env.local",
					   ".ENV",
					   "id_rsa",
					   ".ssh",
					   "home/.ssh/config",
					   "certs/server.pem",
					   ".npmrc",
					   ".netrc",
					   ".aws/credentials",
					   "x/.aws/credentials",
					   ".docker/config.json",
					   "infra/prod.tfstate",
					   ".env/inner" };
	static const char *const no[] = { "env",
					  "environment.c",
					  ".environment",
					  ".env.example",
					  "src/credentials",
					  "aws/credentials",
					  "id_rsa.c",
					  "pem",
					  "config.json",
					  "src/ssh/key.c",
					  ".git/refs/heads/fix.key",
					  "" };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(yes); i++) {
		if (!names_is_secret(yes[i]))
			fail_msg("%s stays behind", yes[i]);
	}
	for (size_t i = 0; i < BB_ARRAY_LEN(no); i++) {
		if (names_is_secret(no[i]))
			fail_msg("%s goes along", no[i]);
	}
}

static void runs(void **state)
{
	static const struct {
		const char *path;
		enum names_run run;
	} rows[] = {
		{ ".git", NAMES_RUN_SELF }, /* a file: it says where the directory is */
		{ ".git/config", NAMES_RUN_SELF },
		{ ".git/config.worktree", NAMES_RUN_SELF },
		{ ".git/hooks/pre-commit", NAMES_RUN_SELF },
		{ ".git/hooks", NAMES_RUN_SELF },
		{ ".git/info/attributes", NAMES_RUN_SELF },
		{ ".git/objects/info/alternates", NAMES_RUN_SELF },
		{ ".git/commondir", NAMES_RUN_SELF },
		{ ".git/modules/x/config", NAMES_RUN_SELF },
		{ ".git/modules/refs/hooks/pre-push", NAMES_RUN_SELF },
		{ ".GIT/config", NAMES_RUN_SELF },
		{ "git~1/hooks/pre-commit", NAMES_RUN_SELF }, /* as Windows and FAT know it */
		{ "x/GIT~2/config", NAMES_RUN_SELF },
		{ ".git./config", NAMES_RUN_SELF },
		{ ".git ", NAMES_RUN_SELF },
		{ ".git. ./hooks/pre-push", NAMES_RUN_SELF },
		{ ".git::$INDEX_ALLOCATION/config", NAMES_RUN_SELF },
		{ ".git\\config", NAMES_RUN_SELF },
		{ ".git.d/config", NAMES_RUN_NEVER },
		{ "git~x", NAMES_RUN_NEVER },
		{ "git~0/x", NAMES_RUN_NEVER },
		{ "vendor/x/.git/hooks/post-merge", NAMES_RUN_SELF },
		{ ".git/HEAD", NAMES_RUN_NEVER },
		{ ".git/index", NAMES_RUN_NEVER },
		{ ".git/refs/heads/main", NAMES_RUN_NEVER },
		{ ".git/logs/HEAD", NAMES_RUN_NEVER },
		{ ".git/objects/ab/cdef", NAMES_RUN_NEVER },
		{ ".git/objects/pack/pack-1.idx", NAMES_RUN_NEVER },
		{ ".git/indexes", NAMES_RUN_SELF }, /* not known */
		{ "x/HEAD", NAMES_RUN_SELF }, /* makes x a repository, whose config git obeys */
		{ "HEAD", NAMES_RUN_SELF },
		{ "x/head", NAMES_RUN_SELF },
		{ "x.git/HEAD", NAMES_RUN_NEVER }, /* config is left out */
		{ "a/x.git/config", NAMES_RUN_SELF },
		{ "a/x.GIT/hooks/post-update", NAMES_RUN_SELF },
		{ "x.git/objects/ab/cdef", NAMES_RUN_NEVER },
		{ "x.git", NAMES_RUN_NEVER },
		{ "HEAD/x", NAMES_RUN_NEVER },
		{ "x/ahead", NAMES_RUN_NEVER },
		{ ".envrc", NAMES_RUN_SELF },
		{ "sub/.envrc", NAMES_RUN_SELF },
		{ ".vscode/tasks.json", NAMES_RUN_SELF },
		{ "x/.VSCode/Tasks.json", NAMES_RUN_SELF },
		{ ".vscode/extensions.json", NAMES_RUN_NEVER },
		{ ".claude/settings.json", NAMES_RUN_SELF },
		{ ".claude/hooks/x.sh", NAMES_RUN_SELF },
		{ ".mcp.json", NAMES_RUN_SELF },
		{ ".vscode/mcp.json", NAMES_RUN_SELF },
		{ ".Rprofile",
		  NAMES_RUN_SELF }, /* R, irb and pry run theirs where they are started */
		{ "x/.irbrc", NAMES_RUN_SELF },
		{ ".pryrc", NAMES_RUN_SELF },
		{ ".yarnrc", NAMES_RUN_SELF }, /* yarn-path */
		{ ".helix/languages.toml", NAMES_RUN_SELF },
		{ ".vim/coc-settings.json", NAMES_RUN_SELF },
		{ ".dir-locals-2.el", NAMES_RUN_SELF },
		{ "mise.local.toml", NAMES_RUN_SELF },
		{ ".config/mise/config.toml", NAMES_RUN_SELF },
		{ "opencode.json", NAMES_RUN_SELF },
		{ ".husky/pre-commit", NAMES_RUN_SELF },
		{ "Makefile", NAMES_RUN_BUILD },
		{ "lib/makefile", NAMES_RUN_BUILD },
		{ "package.json", NAMES_RUN_BUILD },
		{ ".github/workflows/ci.yml", NAMES_RUN_BUILD },
		{ ".gitlab-ci.yml", NAMES_RUN_BUILD },
		{ "src/main.c", NAMES_RUN_NEVER },
		{ ".gitignore", NAMES_RUN_NEVER },
		{ "gitconfig", NAMES_RUN_NEVER },
		{ "hooks/useX.ts", NAMES_RUN_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		if (names_run(rows[i].path) != rows[i].run)
			fail_msg("%s: %d", rows[i].path, names_run(rows[i].path));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(secrets), cmocka_unit_test(runs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
