/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/manifest.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static char home[] = "/tmp/bb-manifest-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* First error of a bottle with this frontmatter, without its path; "" = none */
static const char *first_error(const char *front)
{
	static char line[1200];
	struct manifest_dirs dirs = { home, "/nonexistent" };
	struct bb_err err = { 0 };
	struct bottle b;
	struct diag diag;
	char text[4096];
	const char *at;

	(void)snprintf(text, sizeof(text), "---\n%s\n---\nnotes\n", front);
	put("bottles/x.md", text);
	diag_init(&diag);
	if (manifest_bottle(&dirs, "x", &b, &diag, &err) == 0)
		bottle_release(&b);
	at = diag.text.len ? strstr(bb_buf_str(&diag.text), "x.md:") : NULL;
	(void)snprintf(line, sizeof(line), "%.*s", at ? (int)strcspn(at + 5, "\n") : 0,
		       at ? at + 5 : "");
	diag_release(&diag);
	return line;
}

/* Every refusal has its place and says what is allowed */
static void refusals(void **state)
{
	static const struct {
		const char *front;
		const char *error; /* beginning */
	} cases[] = {
		{ "", "" },
		{ "egress: {}", "" },
		{ "egress:\n  routes: []", "" },
		{ "egres: {}", "2:1: bottle: unknown key 'egres' (did you mean 'egress'?)" },
		{ "egress:\n  routes: null", "3:11: routes is nothing; it has to be a list" },
		{ "egress:\n  routes:", "3:10: routes is nothing; it has to be a list" },
		{ "egress:\n  routes: {}", "3:11: routes is a map; it has to be a list" },
		{ "egress: null", "2:9: egress is nothing; it has to be a map" },
		{ "egress:\n  tcp: all", "3:8: tcp is a value; it has to be a list" },
		{ "egress:\n  routes: [{host: \"\"}]", "3:19: host is empty" },
		{ "egress:\n  routes: [{}]", "3:12: routes: host is missing" },
		{ "egress:\n  routes: [{host: a.test, port: 0}]", "3:33: port has to be a number" },
		{ "egress:\n  routes: [{host: a.test, port: \"443\"}]", "3:33: port has to be" },
		{ "egress:\n  routes: [{host: \"a.test:80\"}]", "3:19: host: 'a.test:80'" },
		{ "egress:\n  routes: [{host: 192.0.2.1}]",
		  "3:19: host: '192.0.2.1' is an address" },
		{ "egress:\n  routes: [{host: 0x7f.1}]", "3:19: host: '0x7f.1' is an address" },
		{ "egress:\n  routes: [{host: \"*.co.uk\"}]", "3:19: host: *.co.uk would match" },
		{ "egress:\n  routes: [{host: \"*\"}]", "3:19: host: '*' is not a host name" },
		{ "egress:\n  routes: [{host: \"a.*.test\"}]", "3:19: host: 'a.*.test' is not" },
		{ "egress:\n  routes: [{host: a..test}]", "3:19: host: 'a..test' is not" },
		{ "egress:\n  routes: [{host: b\xc3\xbc"
		  "cher.test}]",
		  "3:19: host: write the ASCII form of this name: xn--bcher-kva.test" },
		{ "egress:\n  routes: [{host: A.test}, {host: a.test.}]",
		  "3:28: routes: a.test is listed twice" },
		{ "egress:\n  routes: [{host: a.test, auth: {}}]", "3:33: auth needs both" },
		{ "egress:\n  routes: [{host: a.test, auth: {scheme: bearer, token_ref: T}}]",
		  "3:42: scheme is 'bearer'; allowed are: Bearer, token, Basic, header" },
		{ "egress:\n  routes: [{host: a.test, dlp: true}]", "3:32: dlp is a value" },
		{ "egress:\n  routes: [{host: a.test, dlp: {outbound_detectors: [magic]}}]",
		  "3:54: outbound_detectors is 'magic'" },
		{ "egress:\n  routes: [{host: a.test, matches: []}]", "3:36: matches is empty" },
		{ "egress:\n  routes: [{host: a.test, matches: [{paths: [{type: glob, value: "
		  "/a}]}]}]",
		  "3:53: type is 'glob'; allowed are: exact, prefix, regex" },
		{ "egress:\n  routes: [{host: a.test, matches: [{headers: [{name: a, value: b}, "
		  "{type: glob, name: a, value: b}]}]}]",
		  "3:76: type is 'glob'; allowed are: exact, regex" },
		{ "egress:\n  routes: [{host: a.test, upstream: ftp://x}]", "3:37: upstream:" },
		{ "egress:\n  routes: [{host: \"https://a.test:80/x\"}]",
		  "3:19: host: 'https://a.test:80/x' is more than a name: write a.test;" },
		{ "egress:\n  routes: [{host: \"*.a.test:80\"}]",
		  "3:19: host: '*.a.test:80' is more than a name: write *.a.test;" },
		{ "egress:\n  routes: [{host: \"192.0.2.1:80\"}]",
		  "3:19: host: '192.0.2.1:80' is an address" },
		{ "egress:\n  routes: [{host: *.a.test}]",
		  "3:20: did not find expected alphabetic or numeric character; a text that begins "
		  "with * or & has to be in quotes" },
		{ "egress:\n  routes:\n    - host:a.test",
		  "4:7: a route is a value; a key ends with a colon and a space: `host: …`" },
		{ "egress:\n  routes:\n    - a.test",
		  "4:7: a route is a value; it has to be a map such as {host: api.example.com}" },
		{ "egress:\n  routes:\n    - host: a.test\n     port: 1",
		  "5:6: did not find expected '-' indicator (while parsing a block collection from "
		  "line 4 on); the keys of one list entry begin in one column" },
		{ "egress:\n  routes: [{host: a.test, matches: [{methods: [get]}]}]",
		  "3:48: methods: 'get' would match nothing; methods are in capitals" },
		{ "egress:\n  routes: [{host: a.test, matches: [{methods: [GET POST]}]}]",
		  "3:48: methods: 'GET POST' is no method" },
		{ "egress:\n  routes: [{host: a.test, matches: [{paths: [{value: /v1/*}]}]}]",
		  "3:54: paths: '/v1/*': `*` is no wildcard here" },
		{ "egress:\n  routes: [{host: a.test, matches: [{paths: [{value: /v1?a=b}]}]}]",
		  "3:54: paths: '/v1?a=b' would match nothing: the query is no part of a path" },
		{ "egress:\n  routes: [{host: a.test, matches: [{paths: "
		  "[{type: regex, value: '/v[12]/.*'}]}]}]",
		  "" },
		{ "egress:\n  routes: [{host: a.test, matches: [{headers: [{name: 'a b', value: "
		  "c}]}]}]",
		  "3:55: headers: 'a b' is not a header name" },
		{ "egress:\n  routes: [{host: a.test, addresses: [10.0.0.0/8, fd12::/16]}]", "" },
		{ "egress:\n  routes: [{host: a.test, addresses: [8.8.8.8]}]",
		  "3:39: addresses: '8.8.8.8' is not private" },
		{ "egress:\n  routes: [{host: a.test, addresses: [127.0.0.1]}]",
		  "3:39: addresses: '127.0.0.1' is loopback, which no rule opens; a route's "
		  "`upstream:`" },
		{ "egress:\n  tcp: [{cidr: 127.0.0.0/8, port: 22}]",
		  "3:16: cidr: '127.0.0.0/8' is loop" },
		{ "egress:\n  tcp: [{cidr: 169.254.169.254, port: 80}]",
		  "3:16: cidr: '169.254.169.254' is link-local, which no rule opens" },
		{ "egress:\n  tcp: [{cidr: 0.0.0.0/0, port: 22}, {cidr: \"::/0\", port: 22}]", "" },
		{ "routes: []",
		  "2:1: bottle: unknown key 'routes'; it goes into `egress`, indented" },
		{ "image: ~/Dockerfile",
		  "2:8: image: '~/Dockerfile': ~ and variables stay as they are" },
		{ "agent_provider: {dockerfile: $HOME/D}",
		  "2:30: agent_provider.dockerfile: '$HOME/D'" },
		{ "env: {X: \"${}\"}", "2:10: env.X: ${HOST_VAR} takes the name of a variable" },
		{ "env: {X: \"${Y:-z}\"}",
		  "2:10: env.X: ${HOST_VAR} takes the name of a variable" },
		{ "env: {X: \"a\n", "2:10: this quote is not closed" },
		{ "env:\n  X: \"b\xe4r\"",
		  "3:9: invalid trailing UTF-8 octet; the file has to be UTF-8" },
		{ "extends: [nobody, nothing]", "2:11: extends: there is no bottle 'nobody'" },
		{ "egress:\n  routes: [{host: a.test, path_allowlist: [/]}]",
		  "3:27: routes: 'path_allowlist' is no longer a key; use egress.routes" },
		{ "egress: {log: 3}", "2:15: log has to be a number from 0 to 2" },
		{ "egress: {dns: open}", "2:15: dns is 'open'; allowed are: synthetic, forward" },
		{ "egress: {transparent: yes}", "2:23: transparent has to be true or false" },
		{ "egress:\n  tcp: [{cidr: 10.0.0.1/8, port: 22}]", "3:16: cidr: '10.0.0.1/8'" },
		{ "egress:\n  tcp: [{port: 22}]", "3:9: tcp: one of host and cidr" },
		{ "egress:\n  tcp: [{host: a.test, cidr: 10.0.0.0/8, port: 22}]",
		  "3:9: tcp: one of host and cidr" },
		{ "resources: {memory: 4G}", "2:21: memory has to be a size such as" },
		{ "resources: {memory: 1MiB}", "2:21: memory has to be a size such as" },
		{ "resources: {cpus: 0}", "2:19: cpus has to be a number from 1 to 64" },
		{ "env: {1X: a}", "2:7: env has to be the name of a variable" },
		{ "env: {X: }", "2:10: env.X: a text" },
		{ "env:\n  X: ?",
		  "3:6: mapping keys are not allowed in this context; a question is" },
		{ "env: {X: ?Q}",
		  "2:10: did not find expected node content; a value is missing, or" },
		{ "git-gate: {repos: {a: {}}}", "2:23: repos: url is missing" },
		{ "git-gate: {repos: {a: {url: \"file:///x\"}}}", "2:29: url: ssh:// or https://" },
		{ "supervise: 1", "2:12: supervise has to be true or false" },
		{ "role: x", "2:1: bottle: 'role' is no longer a key" },
		{ "extends: x", "2:10: extends goes in a circle: x → x" },
		{ "a: &x 1\nb: *x", "2:4: anchors, aliases and tags are not allowed" },
		{ "a: !!str 1", "2:4: anchors, aliases and tags are not allowed" },
		{ "env: {A: x}\nenv: {}", "3:1: this key stands twice in its map" },
		{ "<<: {}", "2:1: merge keys (<<) are not allowed" },
		{ "a:\n\tb: 1", "3:1: tab in indentation" },
		{ "a: [", "3:1: " },
		{ "- a", "2:1: the frontmatter is a list; it has to be a map" },
		{ "a: \xff", "2:4: invalid leading UTF-8 octet" },
		{ "a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: "
		  "{}}}}}}}}}}}}}}}}",
		  "2:64: nested deeper than 16" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		const char *got = first_error(cases[i].front);

		if (strncmp(got, cases[i].error, strlen(cases[i].error)) != 0 ||
		    (!*cases[i].error && *got))
			fail_msg("%s\n  gives \"%s\"\n  wants \"%s\"", cases[i].front, got,
				 cases[i].error);
	}
}

/* All errors of a file, in its order, whatever order they were found in; those of parents, too */
static void errors_in_order(void **state)
{
	struct manifest_dirs dirs = { home, "/nonexistent" };
	static const char *const begins[] = {
		"2:11: extends: ", "2:19: extends: ",  "4:3: egress: ", "5:19: host: ",
		"6:10: env.A",     "8:3: resources: ", "9:9: cpus "
	};
	struct bb_err err = { 0 };
	struct bottle b;
	struct diag diag;
	char *save = NULL, *line;
	size_t n = 0;

	(void)state;
	put("bottles/x.md", "---\nextends: [nobody, nothing]\negress:\n  rout: 1\n"
			    "  routes: [{host: \"*\"}]\nenv: {A: }\n"
			    "resources:\n  memroy: 1\n  cpus: x\n---\n");
	diag_init(&diag);
	assert_true(manifest_bottle(&dirs, "x", &b, &diag, &err) < 0);
	line = strtok_r((char *)(uintptr_t)bb_buf_str(&diag.text), "\n", &save);
	for (; line; line = strtok_r(NULL, "\n", &save), n++) {
		const char *at = strstr(line, "x.md:");

		assert_true(n < BB_ARRAY_LEN(begins));
		assert_non_null(at);
		if (strncmp(at + 5, begins[n], strlen(begins[n])) != 0)
			fail_msg("%s\n  wants \"%s\"", line, begins[n]);
	}
	assert_int_equal(n, BB_ARRAY_LEN(begins));
	diag_release(&diag);
}

static int load(const char *name, struct bottle *b)
{
	struct manifest_dirs dirs = { home, "/nonexistent" };
	struct bb_err err = { 0 };
	struct diag diag;
	int r;

	diag_init(&diag);
	r = manifest_bottle(&dirs, name, b, &diag, &err);
	diag_release(&diag);
	return r;
}

static void extends_folds(void **state)
{
	struct bottle b;

	(void)state;
	put("bottles/one.md",
	    "---\nenv: {A: one, B: one}\nresources: {cpus: 4}\negress:\n  log: 2\n"
	    "  routes: [{host: a.test}, {host: b.test}]\n---\n");
	put("bottles/two.md", "---\nenv: {B: two}\negress:\n  routes: [{host: c.test}]\n---\n");
	put("bottles/child.md",
	    "---\nextends: [one, two]\nenv: {C: child}\negress:\n"
	    "  routes: [{host: b.test, port: 443, upstream: \"http://127.0.0.1:8080\"}]\n---\n");
	assert_int_equal(load("child", &b), 0);
	assert_int_equal(b.n_env, 3);
	assert_string_equal(b.env[1].value, "two");
	assert_int_equal(b.cpus, 4);
	assert_int_equal(b.log_level, 2);
	assert_int_equal(b.n_routes, 3); /* a, c, and the child's b */
	assert_string_equal(b.routes[2].route.host, "b.test");
	assert_string_equal(b.routes[2].route.upstream.host, "127.0.0.1");
	assert_int_equal(b.routes[2].route.upstream.port, 8080);
	assert_string_equal(b.name, "child");
	bottle_release(&b);

	put("bottles/clear.md", "---\nextends: one\negress: {routes: []}\n---\n");
	assert_int_equal(load("clear", &b), 0);
	assert_int_equal(b.n_routes, 0);
	bottle_release(&b);
}

static void cycles_and_missing_parents_die(void **state)
{
	struct bottle b;

	(void)state;
	put("bottles/ping.md", "---\nextends: pong\n---\n");
	put("bottles/pong.md", "---\nextends: ping\n---\n");
	put("bottles/self.md", "---\nextends: self\n---\n");
	put("bottles/orphan.md", "---\nextends: nobody\n---\n");
	assert_int_equal(load("ping", &b), -EINVAL);
	assert_int_equal(load("self", &b), -EINVAL);
	assert_int_equal(load("orphan", &b), -EINVAL);
	assert_int_equal(load("nobody", &b), -ENOENT);
	assert_int_equal(load("../../etc/passwd", &b), -ENOENT);
}

/* A file that nobody reads, and a name that nobody finds, are said to be that */
static void names_that_are_none(void **state)
{
	static const char *const none[] = { "Docs", "my_docs", "docs.md", "./docs", "9docs", "" };
	static const char *const files[] = { "bottles/Docs.md", "bottles/my_docs.md",
					     "bottles/docs.yaml", "bottles/docs.yml" };
	struct manifest_dirs dirs = { home, "/nonexistent" };
	json_auto_t *strays = NULL, *names = NULL;
	struct bottle b;
	struct diag diag;

	(void)state;
	diag_init(&diag);
	for (size_t i = 0; i < BB_ARRAY_LEN(none); i++) {
		struct bb_err err = { 0 };

		assert_int_equal(manifest_bottle(&dirs, none[i], &b, &diag, &err), -ENOENT);
		assert_non_null(strstr(err.msg, "is no name: small letters, digits and -"));
	}
	diag_release(&diag);
	for (size_t i = 0; i < BB_ARRAY_LEN(files); i++)
		put(files[i], "---\n---\n");
	put("bottles/.hidden", "");
	put("bottles/docs.md~", "");
	strays = manifest_strays(&dirs, "bottles");
	assert_int_equal(json_array_size(strays), BB_ARRAY_LEN(files));
	names = manifest_names(&dirs, "bottles");
	for (size_t i = 0; i < json_array_size(names); i++)
		assert_null(strpbrk(json_string_value(json_array_get(names, i)), "D_."));
}

static void not_built_is_noted(void **state)
{
	struct bottle b;

	(void)state;
	put("bottles/later.md",
	    "---\nsupervise: true\negress:\n  routes:\n    - host: a.test\n    "
	    "  dlp: false\n"
	    "    - host: b.test\n      dlp: {outbound_detectors: [entropy]}\n---\n");
	assert_int_equal(load("later", &b), 0);
	assert_int_equal(json_array_size(b.not_built), 1);
	assert_non_null(strstr(json_string_value(json_array_get(b.not_built, 0)),
			       "supervise is not built yet"));
	bottle_release(&b);
}

static void questions(void **state)
{
	struct bottle b;

	(void)state;
	put("bottles/ask.md", "---\nenv:\n  A: ?Which one\n  B: \"?\"\n  C: \"?text\"\n---\n");
	assert_int_equal(load("ask", &b), 0);
	assert_int_equal(b.env[0].kind, BOTTLE_ENV_ASK);
	assert_string_equal(b.env[0].value, "Which one");
	assert_int_equal(b.env[1].kind, BOTTLE_ENV_ASK);
	assert_string_equal(b.env[1].value, "Value of B");
	assert_int_equal(b.env[2].kind, BOTTLE_ENV_LITERAL);
	bottle_release(&b);
}

/* What a shell would put a value into is a text here: said, not refused. A byte order mark is none
 */
static void texts_with_dollars_are_noted(void **state)
{
	struct bottle b;

	(void)state;
	put("bottles/dollar.md", "\xef\xbb\xbf---\r\nenv:\r\n  A: $HOME\r\n  B: a${HOME}\r\n"
				 "  C: $5\r\n  D: ${HOME}\r\n  E: a$HOME\r\n---\r\n");
	put("bottles/heir.md", "---\nextends: dollar\n---\n");
	assert_int_equal(load("heir", &b), 0);
	assert_int_equal(json_array_size(b.notes), 2);
	assert_non_null(strstr(json_string_value(json_array_get(b.notes, 0)),
			       "dollar.md:3:6: env.A stays this text"));
	assert_non_null(strstr(json_string_value(json_array_get(b.notes, 1)),
			       "dollar.md:4:6: env.B stays this text"));
	bottle_release(&b);
}

/* A scalar is remembered with its place; of the two spellings of `transparent` that of egress
 * counts */
static void scalars_and_their_places(void **state)
{
	struct bottle b;

	(void)state;
	put("bottles/lower.md",
	    "---\nagent_provider: {transparent: true}\nresources: {cpus: 3}\n---\n");
	put("bottles/upper.md", "---\nextends: lower\nresources: {cpus: 4}\n---\n");
	put("bottles/off.md",
	    "---\negress: {transparent: false}\nagent_provider: {transparent: true}\n---\n");
	assert_int_equal(load("upper", &b), 0);
	assert_int_equal(b.transparent, 1);
	assert_string_equal(json_string_value(json_object_get(b.texts, "resources.cpus")), "4");
	assert_non_null(strstr(json_string_value(json_object_get(b.sources, "resources.cpus")),
			       "upper.md:3"));
	assert_non_null(
		strstr(json_string_value(json_object_get(b.sources, "agent_provider.transparent")),
		       "lower.md:2"));
	bottle_release(&b);
	assert_int_equal(load("off", &b), 0);
	assert_int_equal(b.transparent, 0);
	bottle_release(&b);
}

static void forward_is_compiled(void **state)
{
	struct policy p = { 0 };
	struct bb_err err = { 0 };
	struct bottle b;

	(void)state;
	put("bottles/fwd.md", "---\negress:\n  dns: forward\n  routes: [{host: a.test}]\n---\n");
	assert_int_equal(load("fwd", &b), 0);
	assert_int_equal(bottle_to_policy(&b, &p, &err), 0);
	assert_true(p.dns_forward);
	policy_release(&p);
	bottle_release(&b);
	put("bottles/both.md", "---\nextends: fwd\negress: {transparent: true}\n---\n");
	assert_int_equal(load("both", &b), 0);
	assert_int_equal(bottle_to_policy(&b, &p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "drop one of `transparent: true` and `dns: forward`"));
	bottle_release(&b);
}

static void images_are_names_or_files(void **state)
{
	static const struct {
		const char *text, *image; /* image below bottles/ with '@' */
	} cases[] = {
		{ "image: mine", "mine" },
		{ "image: registry.test/x:1", "registry.test/x:1" },
		{ "image: /a/b.tar", "/a/b.tar" },
		{ "image: ./Dockerfile", "@/./Dockerfile" },
		{ "image: ../saved.tar", "@/../saved.tar" },
		{ "agent_provider: {dockerfile: Dockerfile}", "@/Dockerfile" },
		{ "agent_provider: {dockerfile: /d/Dockerfile}", "/d/Dockerfile" },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		bool beside = cases[i].image[0] == '@';
		char text[200], want[400];
		struct bottle b;

		(void)snprintf(text, sizeof(text), "---\n%s\n---\n", cases[i].text);
		(void)snprintf(want, sizeof(want), "%s%s%s", beside ? home : "",
			       beside ? "/bottles" : "", cases[i].image + beside);
		put("bottles/image.md", text);
		assert_int_equal(load("image", &b), 0);
		assert_string_equal(b.image, want);
		bottle_release(&b);
	}
}

/* What config.yaml names stands beside it, wherever the command is called */
static void files_of_the_config(void **state)
{
	struct manifest_dirs dirs = { home, "/nonexistent" };
	struct bb_err err = { 0 };
	struct config c = { 0 };
	struct diag diag;
	char want[300];

	(void)state;
	diag_init(&diag);
	put("config.yaml",
	    "image: ./Dockerfile\nupstream_ca_files: [ca/own.pem, /etc/other.pem]\n");
	assert_int_equal(manifest_config(&dirs, &c, &diag, &err), 0);
	(void)snprintf(want, sizeof(want), "%s/./Dockerfile", home);
	assert_string_equal(c.image, want);
	(void)snprintf(want, sizeof(want), "%s/ca/own.pem", home);
	assert_string_equal(json_string_value(json_array_get(c.upstream_ca_files, 0)), want);
	assert_string_equal(json_string_value(json_array_get(c.upstream_ca_files, 1)),
			    "/etc/other.pem");
	config_release(&c);
	put("config.yaml", "image: ~/Dockerfile\nupstream_ca_files: [$HOME/own.pem]\n");
	assert_int_equal(manifest_config(&dirs, &c, &diag, &err), -EINVAL);
	assert_int_equal(diag.n, 2);
	diag_release(&diag);
	put("config.yaml", "");
}

static void upstream_proxies(void **state)
{
	static const struct {
		const char *text, *error, *host;
		unsigned int port;
	} cases[] = {
		{ "upstream_proxy: http://proxy.test:3128", "", "proxy.test", 3128 },
		{ "upstream_proxy: http://Proxy.Test:3128/", "", "proxy.test", 3128 },
		{ "upstream_proxy: http://proxy.test", "", "proxy.test", 80 },
		{ "upstream_proxy: http://127.0.0.1:3128", "", "127.0.0.1", 3128 },
		{ "upstream_proxy: \"http://[2001:db8::1]:8080\"", "", "2001:db8::1", 8080 },
		{ "upstream_proxy: http://p.test:1\nupstream_proxy_auth: P", "", "p.test", 1 },
		{ "upstream_proxy: https://p.test:1", "1:17: upstream_proxy: http://HOST:PORT;", "",
		  0 },
		{ "upstream_proxy: p.test:3128", "1:17: upstream_proxy: http://HOST:PORT;", "", 0 },
		{ "upstream_proxy: http://u:p@p.test:1", "1:17: upstream_proxy: no password in a",
		  "", 0 },
		{ "upstream_proxy: http://p.test:1/x", "1:17: upstream_proxy: no path;", "", 0 },
		{ "upstream_proxy: http://p.test:0", "1:17: upstream_proxy: 'http://p.test:0'", "",
		  0 },
		{ "upstream_proxy: http://p.test:99999", "1:17: upstream_proxy: 'http", "", 0 },
		{ "upstream_proxy: \"http://127.0.0.1:\"", "1:17: upstream_proxy: 'http", "", 0 },
		{ "upstream_proxy: http://127.0.0.1:9x", "1:17: upstream_proxy: 'http", "", 0 },
		{ "upstream_proxy: \"http://[127.0.0.1]:9\"", "1:17: upstream_proxy: 'http", "",
		  0 },
		{ "upstream_proxy: \"http://[::1\"", "1:17: upstream_proxy: 'http", "", 0 },
		{ "upstream_proxy: http://", "1:17: upstream_proxy: 'http", "", 0 },
		{ "upstream_proxy: [a]", "1:17: upstream_proxy is a list", "", 0 },
		{ "upstream_proxy: http://p.test:1\nupstream_proxy_auth: u:p",
		  "2:22: upstream_proxy_auth has to be the name of a variable", "", 0 },
		{ "upstream_proxy_auth: P", "1:1: upstream_proxy_auth without upstream_proxy", "",
		  0 },
	};
	struct manifest_dirs dirs = { home, "/nonexistent" };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(cases); i++) {
		struct bb_err err = { 0 };
		struct config c = { 0 };
		struct diag diag;
		const char *at;

		put("config.yaml", cases[i].text);
		diag_init(&diag);
		if (manifest_config(&dirs, &c, &diag, &err) == 0) {
			assert_string_equal(c.proxy.host, cases[i].host);
			assert_int_equal(c.proxy.port, cases[i].port);
			assert_int_equal(strcmp(cases[i].error, ""), 0);
			config_release(&c);
		} else {
			at = strstr(bb_buf_str(&diag.text), "config.yaml:");
			assert_non_null(at);
			if (!*cases[i].error ||
			    strncmp(at + 12, cases[i].error, strlen(cases[i].error)) != 0)
				fail_msg("%s\n  gives \"%s\"", cases[i].text, at + 12);
		}
		diag_release(&diag);
	}
}

static void agents_widen_nothing(void **state)
{
	struct manifest_dirs dirs = { home, "/nonexistent" };
	struct bb_err err = { 0 };
	struct agent a;
	struct diag diag;

	(void)state;
	diag_init(&diag);
	put("agents/good.md",
	    "---\nname: x\nmodel: y\ntools: Read\npermissionMode: plan\nmcpServers: [x]\nbottle: "
	    "one\nskills: [a-b]\n---\n\n Do it. \n");
	assert_int_equal(manifest_agent(&dirs, "good", &a, &diag, &err), 0);
	assert_string_equal(a.bottle, "one");
	assert_string_equal(a.prompt, "Do it.");
	agent_release(&a);
	put("agents/mute.md", "---\nbottle: one\n---\n\n");
	assert_int_equal(manifest_agent(&dirs, "mute", &a, &diag, &err), 0);
	assert_string_equal(a.prompt, "");
	agent_release(&a);
	assert_int_equal(manifest_agent(&dirs, "nothing", &a, &diag, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	put("agents/bad.md", "---\ngit-gate: {repos: {}}\negress: {}\n---\n");
	assert_int_equal(manifest_agent(&dirs, "bad", &a, &diag, &err), -EINVAL);
	assert_int_equal(diag.n, 2);
	diag_release(&diag);
}

static int set_up(void **state)
{
	char path[256];

	(void)state;
	if (!mkdtemp(home))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/bottles", home);
	if (mkdir(path, 0700) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/agents", home);
	return mkdir(path, 0700);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),
		cmocka_unit_test(errors_in_order),
		cmocka_unit_test(extends_folds),
		cmocka_unit_test(cycles_and_missing_parents_die),
		cmocka_unit_test(names_that_are_none),
		cmocka_unit_test(not_built_is_noted),
		cmocka_unit_test(questions),
		cmocka_unit_test(texts_with_dollars_are_noted),
		cmocka_unit_test(scalars_and_their_places),
		cmocka_unit_test(forward_is_compiled),
		cmocka_unit_test(images_are_names_or_files),
		cmocka_unit_test(files_of_the_config),
		cmocka_unit_test(upstream_proxies),
		cmocka_unit_test(agents_widen_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
