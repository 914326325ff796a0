/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/config.h"
#include "guest/files.h"
#include "guest/user.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define BASE "\"version\":1,\"identity\":\"i\",\"hostname\":\"h\",\"alias\":\"127.83.7.1\""

static void accepts_everything_documented(void **state)
{
	static const char json[] =
		"{" BASE ",\"services\":[9099,9418],\"redirect_port\":9041,"
		"\"ranges\":[\"198.18.0.0/15\",\"2001:db8::/32\"],\"env\":{\"A\":\"b c\"},"
		"\"tz\":\"Europe/Berlin\",\"term\":\"vt100\",\"user\":\"me\","
		"\"pids\":200,\"trust\":{\"hash\":\"0123abcd\"},\"apt_proxy\":\"http://"
		"x\",\"probe\":"
		"{\"services\":[9099],\"name\":\"x.invalid\",\"denied\":{\"addr\":\"192.0.2.1\","
		"\"port\":9}}}";
	struct bb_err err = { 0 };
	struct guest_config c;

	(void)state;
	assert_int_equal(guest_config_parse(BB_SPAN_STR(json), &c, &err), 0);
	assert_int_equal(c.services.n, 2);
	assert_int_equal(c.services.port[1], 9418);
	assert_int_equal(c.redirect_port, 9041);
	assert_int_equal(c.n_ranges, 2);
	assert_int_equal(c.ranges[1].family, 6);
	assert_int_equal(c.ranges[1].prefix, 32);
	assert_string_equal(c.env[0], "A=b c");
	assert_string_equal(c.trust_hash, "0123abcd");
	assert_string_equal(c.user, "me");
	assert_int_equal(c.pids, 200);
	assert_true(c.probe.on && c.probe.denied.family == 4 && c.probe.denied.port == 9);
	guest_config_release(&c);
}

static void refuses(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"{}",
		"{" BASE ",\"unknown\":1}",
		"{" BASE ",\"version\":1}",
		"{\"version\":2,\"identity\":\"i\",\"hostname\":\"h\",\"alias\":\"127.0.0.1\"}",
		"{\"version\":1,\"identity\":\"i\",\"hostname\":\"h\",\"alias\":\"::1\"}",
		"{" BASE ",\"services\":[0]}",
		"{" BASE ",\"pids\":-1}",
		"{" BASE ",\"pids\":4194305}",
		"{" BASE ",\"services\":[65536]}",
		"{" BASE ",\"services\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}",
		"{" BASE ",\"ranges\":[\"1.2.3.4\"]}",
		"{" BASE ",\"ranges\":[\"1.2.3.4/33\"]}",
		"{" BASE ",\"ranges\":[\"1.2.3.4/8x\"]}",
		"{" BASE ",\"ranges\":[\"::/129\"]}",
		"{" BASE ",\"ranges\":[\"x/8\"]}",
		"{" BASE ",\"env\":{\"A B\":\"\"}}",
		"{" BASE ",\"env\":{\"\":\"\"}}",
		"{" BASE ",\"env\":{\"1A\":\"\"}}",
		"{" BASE ",\"env\":{\"A\":\"x\\ny\"}}",
		"{" BASE ",\"env\":{\"A\":1}}",
		"{" BASE ",\"trust\":{\"hash\":\"0123ABCD\"}}",
		"{" BASE ",\"trust\":{\"hash\":\"../../..\"}}",
		"{" BASE ",\"trust\":{}}",
		"{" BASE ",\"probe\":{\"denied\":{\"addr\":\"x\",\"port\":9}}}",
		"{" BASE ",\"redirect_port\":0}",
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		struct bb_err err = { 0 };
		struct guest_config c;

		assert_int_equal(guest_config_parse(BB_SPAN_STR(rows[i]), &c, &err), -EINVAL);
		assert_true(strncmp(err.msg, "config.json", 11) == 0);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void users(void **state)
{
	char dir[] = "/tmp/bb-user-XXXXXX", cmd[128];
	struct bb_err err = { 0 };
	struct user u;

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "passwd",
	    "root:x:0:0::/root:/bin/bash\nbroken line\nbad:x:-1:0::/:/x\n"
	    "node:x:1000:1001:,,,:/home/node:\nlast:x:7:8::/l:/bin/sh");
	put(dir, "group", "a:x:5:node,other\nb:x:6:other\nnode:x:1001:node\nc:x:7:xnode,node\n");
	assert_int_equal(user_find(dir, "node", &u, &err), 0);
	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.gid, 1001);
	assert_string_equal(u.home, "/home/node");
	assert_string_equal(u.shell, "/bin/sh");
	assert_int_equal(u.n_groups, 2);
	assert_int_equal(u.groups[0], 5);
	assert_int_equal(u.groups[1], 7);
	assert_int_equal(user_find(dir, "1000", &u, &err), 0);
	assert_string_equal(u.name, "node");
	assert_int_equal(user_find(dir, "last", &u, &err), 0);
	assert_int_equal(user_find(dir, "4242", &u, &err), 0);
	assert_int_equal(u.gid, 4242);
	assert_int_equal(user_find(dir, "bad", &u, &err), -ENOENT);
	err = (struct bb_err){ 0 };
	assert_int_equal(user_find(dir, "nobody-here", &u, &err), -ENOENT);
	/* one that is too long is not read in part */
	(void)snprintf(cmd, sizeof(cmd), "yes a:x:5:6::/:/x | head -c 1100000 >%s/passwd", dir);
	assert_int_equal(system(cmd), 0);
	err = (struct bb_err){ 0 };
	assert_int_equal(user_find(dir, "a", &u, &err), -ENOBUFS);
	assert_int_equal(user_find(dir, "5", &u, &err), 0);
	assert_string_equal(u.name, "5");
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	assert_int_equal(system(cmd), 0);
}

/* The files are the same after a second start, and what the image wrote stays */
static void files_twice(void **state)
{
	static const char json[] = "{" BASE ",\"env\":{\"Q\":\"it's\"},\"trust\":{\"hash\":"
				   "\"0123abcd\"},\"apt_proxy\":\"http://127.83.7.1:9099\"}";
	char dir[] = "/tmp/bb-files-XXXXXX", cmd[1600];
	struct bb_err err = { 0 };
	struct guest_config c;
	int root, trust;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(
		cmd, sizeof(cmd),
		"cd %s && mkdir -p etc/sudoers.d etc/apt/apt.conf.d trust && "
		"echo KEEP=1 >etc/environment && ln -s /run/elsewhere etc/resolv.conf && "
		"echo bundle >trust/bundle.pem && printf '%%s\\n' '-----BEGIN CERTIFICATE-----' "
		"AAAA BBBB= '-----END CERTIFICATE-----' >trust/root.pem",
		dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(guest_config_parse(BB_SPAN_STR(json), &c, &err), 0);
	root = open(dir, O_RDONLY | O_DIRECTORY);
	trust = openat(root, "trust", O_RDONLY | O_DIRECTORY);
	assert_true(root >= 0 && trust >= 0);
	for (int i = 0; i < 2; i++) {
		files_write(root, &c);
		files_trust(root, trust, &c);
	}
	(void)snprintf(
		cmd, sizeof(cmd),
		"cd %s && test \"$(cat etc/environment)\" = \"$(printf 'KEEP=1\\n"
		"# bot-bottle: written at each start from here on\\nQ=\"it'\"'\"'s\"')\" && "
		". ./etc/profile.d/bot-bottle.sh && test \"$Q\" = \"it's\" && "
		"grep -qx 'nameserver 127.0.0.1' etc/resolv.conf && test ! -L etc/resolv.conf && "
		"grep -q 'env_keep += \"Q\"' etc/sudoers.d/bot-bottle && "
		"test \"$(stat -c%%a etc/sudoers.d/bot-bottle)\" = 440 && "
		"grep -q 9099 etc/apt/apt.conf.d/90bot-bottle && "
		"cmp etc/ssl/certs/0123abcd.0 trust/root.pem && "
		"for d in chromium opt/chrome; do test \"$(cat "
		"etc/$d/policies/managed/bot-bottle.json)\" = "
		"'{\"CACertificates\":[\"AAAABBBB=\"]}' || exit 1; done && "
		"grep -q '\"/etc/ssl/certs/bot-bottle.pem\"' etc/firefox/policies/policies.json && "
		"test \"$(cat etc/ssl/certs/ca-certificates.crt)\" = bundle && rm -rf %s",
		dir, dir);
	assert_int_equal(system(cmd), 0);
	(void)close(root);
	(void)close(trust);
	guest_config_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_everything_documented),
		cmocka_unit_test(refuses),
		cmocka_unit_test(users),
		cmocka_unit_test(files_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
