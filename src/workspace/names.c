/* SPDX-License-Identifier: Apache-2.0 */
#include "workspace/names.h"
#include <fnmatch.h>
#include <strings.h>

static const char *const secrets[] = {
	".env",
	".env.*",
	".envrc.private",
	".netrc",
	"_netrc",
	".npmrc",
	".pypirc",
	".pgpass",
	".my.cnf",
	".htpasswd",
	".git-credentials",
	".vault-token",
	".ssh",
	".gnupg",
	"id_rsa",
	"id_dsa",
	"id_ecdsa",
	"id_ecdsa_sk",
	"id_ed25519",
	"id_ed25519_sk",
	"*.pem",
	"*.key",
	"*.p12",
	"*.pfx",
	"*.ppk",
	"*.kdbx",
	"*.jks",
	"*.keystore",
	"*.tfstate",
	"*.tfstate.*",
	"kubeconfig",
	"service-account*.json",
	".aws/credentials",
	".aws/config",
	".azure",
	".kube/config",
	".docker/config.json",
	".config/gcloud",
	".config/gh/hosts.yml",
	".cargo/credentials",
	".cargo/credentials.toml",
	".gem/credentials",
	".codex/auth.json",
	".claude/.credentials.json",
};

/* Named like a secret, and made to be shown */
static const char *const no_secrets[] = {
	".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub.pem",
};

static const char *const run_self[] = {
	".envrc",
	".mise.toml",
	"mise.toml",
	".mise.*.toml",
	"mise.*.toml",
	".mise",
	".config/mise",
	".config/mise.toml",
	".vscode/tasks.json",
	".vscode/settings.json",
	".vscode/launch.json",
	".vscode/mcp.json",
	"*.code-workspace",
	".idea",
	".zed",
	".fleet",
	".exrc",
	".vimrc",
	".nvimrc",
	".nvim.lua",
	".lvimrc",
	".dir-locals.el",
	".dir-locals-2.el",
	".helix",
	".vim",
	".Rprofile",
	".irbrc",
	".pryrc",
	".devcontainer",
	".devcontainer.json",
	".claude",
	".mcp.json",
	".cursor",
	".codex",
	".gemini",
	".opencode",
	"opencode.json",
	"opencode.jsonc",
	".windsurf",
	".kiro",
	".roo",
	".continue",
	".aider.conf.yml",
	".husky",
	".githooks",
	".pre-commit-config.yaml",
	"lefthook.yml",
	".lefthook.yml",
	".gitmodules",
	".yarnrc",
	".yarnrc.yml",
	".npmrc",
};

static const char *const run_build[] = {
	"Makefile",
	"GNUmakefile",
	"*.mk",
	"CMakeLists.txt",
	"*.cmake",
	"meson.build",
	"configure",
	"configure.ac",
	"package.json",
	".pnpmfile.cjs",
	"binding.gyp",
	"setup.py",
	"setup.cfg",
	"pyproject.toml",
	"conftest.py",
	"noxfile.py",
	"tox.ini",
	"sitecustomize.py",
	"build.rs",
	"Cargo.toml",
	".cargo",
	"build.gradle",
	"build.gradle.kts",
	"settings.gradle",
	"settings.gradle.kts",
	"gradlew",
	"gradle-wrapper.properties",
	"pom.xml",
	".mvn",
	"mvnw",
	"Rakefile",
	"Gemfile",
	"justfile",
	"Taskfile.yml",
	"Dockerfile",
	"Dockerfile.*",
	"Containerfile",
	"docker-compose*.yml",
	"docker-compose*.yaml",
	"compose.yml",
	"compose.yaml",
	"Vagrantfile",
	"flake.nix",
	"shell.nix",
	"default.nix",
	".bazelrc",
	"WORKSPACE",
	"MODULE.bazel",
	".github",
	".gitlab-ci.yml",
	".gitlab",
	".circleci",
	".travis.yml",
	".drone.yml",
	".woodpecker.yml",
	"Jenkinsfile",
	"azure-pipelines.yml",
	"bitbucket-pipelines.yml",
	".gitattributes",
	"AGENTS.md",
	"CLAUDE.md",
};

/* What git itself writes at every turn and never runs */
static const char *const git_data[] = {
	"HEAD",       "ORIG_HEAD",  "FETCH_HEAD",     "MERGE_HEAD",       "MERGE_MSG",
	"MERGE_MODE", "AUTO_MERGE", "COMMIT_EDITMSG", "CHERRY_PICK_HEAD", "REVERT_HEAD",
	"SQUASH_MSG", "index",      "packed-refs",    "description",      "shallow",
	"refs",       "logs",       "branches",
};

#define LIST(a) a, BB_ARRAY_LEN(a)

/* @pattern against @path from its start on, component by component; a prefix will do */
static bool begins(const char *pattern, const char *path)
{
	char part[128], name[256];

	for (;;) {
		size_t np = strcspn(pattern, "/"), nn = strcspn(path, "/");

		if (np >= sizeof(part) || nn >= sizeof(name))
			return false;
		memcpy(part, pattern, np);
		part[np] = '\0';
		memcpy(name, path, nn);
		name[nn] = '\0';
		if (fnmatch(part, name, FNM_CASEFOLD) != 0)
			return false;
		if (!pattern[np])
			return true;
		if (!path[nn])
			return false;
		pattern += np + 1;
		path += nn + 1;
	}
}

/* Does one of @list stand anywhere in @path, as whole components? */
static bool stands_in(const char *const *list, size_t n, const char *path)
{
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		for (size_t i = 0; i < n; i++) {
			if (begins(list[i], at))
				return true;
		}
	}
	return false;
}

/*
 * Octets of a component that names a repository, or 0. Where the directory is a volume of Windows
 * (a share, WSL's /mnt/c) or FAT, ".git" has other names: its short one, and itself with dots,
 * spaces or the name of a stream behind it. git minds the same ones (core.protectNTFS).
 */
static size_t git_dir(const char *component)
{
	size_t n = strcspn(component, "/"), at = 0;

	if (strncasecmp(component, ".git", 4) == 0)
		at = 4;
	else if (strncasecmp(component, "git~", 4) == 0 && component[4] >= '1' &&
		 component[4] <= '9')
		at = 5;
	if (at == 0)
		return 0;
	at += strspn(component + at, ". ");
	return at == n || component[at] == ':' || component[at] == '\\' ? n : 0;
}

/* What stands behind the .git in @path: "" for the .git itself, NULL where there is none */
static const char *inside_git(const char *path)
{
	for (const char *at = path; at; at = strchr(at, '/')) {
		size_t n;

		at += *at == '/';
		n = git_dir(at);
		if (n)
			return at + n + (at[n] == '/');
	}
	return NULL;
}

/* The same for a repository that has no .git of its own, "NAME.git/": git takes its word, too */
static const char *inside_bare(const char *path)
{
	for (const char *at = path, *slash; (slash = strchr(at, '/')); at = slash + 1) {
		if (slash - at > 4 && strncasecmp(slash - 4, ".git", 4) == 0)
			return slash + 1;
	}
	return NULL;
}

/* What makes any directory one; its `config` may lie elsewhere (commondir), or have come before */
static bool is_head(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcasecmp(slash ? slash + 1 : path, "HEAD") == 0;
}

bool names_is_secret(const char *path)
{
	return !inside_git(path) && stands_in(LIST(secrets), path) &&
	       !stands_in(LIST(no_secrets), path);
}

/* Below a .git: @inside is the path behind it */
static bool is_git_data(const char *inside)
{
	size_t n = strcspn(inside, "/");

	if (strncmp(inside, "objects/", 8) == 0 || strcmp(inside, "objects") == 0)
		return strncmp(inside, "objects/info", 12) != 0;
	for (size_t i = 0; i < BB_ARRAY_LEN(git_data); i++) {
		if (strlen(git_data[i]) == n && strncmp(git_data[i], inside, n) == 0)
			return true;
	}
	return false;
}

enum names_run names_run(const char *path)
{
	const char *inside = inside_git(path);

	if (!inside)
		inside = inside_bare(path);
	/* .git itself, as a file or link, says where git's configuration is */
	if (inside)
		return is_git_data(inside) ? NAMES_RUN_NEVER : NAMES_RUN_SELF;
	if (is_head(path) || stands_in(LIST(run_self), path))
		return NAMES_RUN_SELF;
	return stands_in(LIST(run_build), path) ? NAMES_RUN_BUILD : NAMES_RUN_NEVER;
}
