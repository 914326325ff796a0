/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/files.h"
#include "base/buf.h"
#include "base/io.h"
#include "guest/say.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define TEXT_MAX   (1u << 20)
#define BUNDLE_MAX (4u << 20)
#define MARKER     "# bot-bottle: written at each start from here on\n"

static void make_dirs(int root, const char *path)
{
	char at[256];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(at, sizeof(at), "%.*s", (int)(slash - path), path);
		(void)mkdirat(root, at, 0755);
	}
}

/* Replace a file, also one that is a link to somewhere else */
static void put(int root, const char *path, mode_t mode, struct bb_span text)
{
	bb_auto_close int fd = -1;
	int r;

	make_dirs(root, path);
	(void)unlinkat(root, path, 0);
	fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	r = fd < 0 ? -errno : bb_write_full(fd, text.p, text.len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r < 0)
		say("/%s: %s", path, strerror(-r));
}

static void put_buf(int root, const char *path, mode_t mode, struct bb_buf *b, int r)
{
	if (r < 0)
		say("/%s: %s", path, strerror(-r));
	else
		put(root, path, mode, bb_buf_span(b));
}

static int read_at(int dir, const char *path, struct bb_buf *b)
{
	bb_auto_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : bb_read_all(fd, b);
}

/* 'text' with every quote as '\'' */
static int add_quoted(struct bb_buf *b, const char *text)
{
	int r = bb_buf_add(b, "'", 1);

	for (; r == 0 && *text; text++)
		r = *text == '\'' ? bb_buf_add(b, "'\\''", 4) : bb_buf_add(b, text, 1);
	return r < 0 ? r : bb_buf_add(b, "'", 1);
}

static void put_hosts(int root, const struct guest_config *c)
{
	bb_auto_buf struct bb_buf b;

	bb_buf_init(&b, TEXT_MAX);
	put_buf(root, "etc/hosts", 0644, &b,
		bb_buf_addf(&b,
			    "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n"
			    "::1\tlocalhost ip6-localhost ip6-loopback\n",
			    c->hostname));
}

/* pam_env reads NAME="value"; what the image wrote above our marker stays */
static void put_environment(int root, const struct guest_config *c)
{
	bb_auto_buf struct bb_buf b;
	const char *text, *marker;
	int r;

	bb_buf_init(&b, TEXT_MAX);
	(void)!read_at(root, "etc/environment", &b);
	text = bb_buf_str(&b);
	marker = text ? strstr(text, MARKER) : NULL;
	if (marker)
		b.len = (size_t)(marker - text);
	r = bb_buf_addf(&b, MARKER);
	for (size_t i = 0; r == 0 && i < c->n_env; i++) {
		const char *value = strchr(c->env[i], '=') + 1;

		r = bb_buf_addf(&b, "%.*s\"%s\"\n", (int)(value - c->env[i]), c->env[i], value);
	}
	put_buf(root, "etc/environment", 0644, &b, r);
}

static void put_profile(int root, const struct guest_config *c)
{
	bb_auto_buf struct bb_buf b;
	int r = 0;

	bb_buf_init(&b, TEXT_MAX);
	for (size_t i = 0; r == 0 && i < c->n_env; i++) {
		const char *value = strchr(c->env[i], '=') + 1;

		r = bb_buf_addf(&b, "export %.*s", (int)(value - c->env[i]), c->env[i]);
		if (r == 0)
			r = add_quoted(&b, value);
		if (r == 0)
			r = bb_buf_add(&b, "\n", 1);
	}
	put_buf(root, "etc/profile.d/bot-bottle.sh", 0644, &b, r);
}

/* sudo drops the environment unless told otherwise; without it the proxy settings are lost */
static void put_sudoers(int root, const struct guest_config *c)
{
	bb_auto_buf struct bb_buf b;
	int r;

	if (faccessat(root, "etc/sudoers.d", F_OK, 0) < 0)
		return;
	bb_buf_init(&b, TEXT_MAX);
	r = bb_buf_addf(&b, "%s ALL=(ALL:ALL) NOPASSWD: ALL\n", c->user);
	for (size_t i = 0; r == 0 && i < c->n_env; i++)
		r = bb_buf_addf(&b, "Defaults env_keep += \"%.*s\"\n",
				(int)(strchr(c->env[i], '=') - c->env[i]), c->env[i]);
	put_buf(root, "etc/sudoers.d/bot-bottle", 0440, &b, r);
}

static void put_apt(int root, const struct guest_config *c)
{
	bb_auto_buf struct bb_buf b;

	if (!*c->apt_proxy || strpbrk(c->apt_proxy, "\"\\\n") ||
	    faccessat(root, "etc/apt/apt.conf.d", F_OK, 0) < 0)
		return;
	bb_buf_init(&b, TEXT_MAX);
	put_buf(root, "etc/apt/apt.conf.d/90bot-bottle", 0644, &b,
		bb_buf_addf(&b, "Acquire::http::Proxy \"%s\";\nAcquire::https::Proxy \"%s\";\n",
			    c->apt_proxy, c->apt_proxy));
}

static void put_timezone(int root, const struct guest_config *c)
{
	char zone[128];

	if (!*c->tz || strstr(c->tz, ".."))
		return;
	(void)snprintf(zone, sizeof(zone), "usr/share/zoneinfo/%s", c->tz);
	if (faccessat(root, zone, F_OK, 0) < 0)
		return;
	(void)unlinkat(root, "etc/localtime", 0);
	(void)snprintf(zone, sizeof(zone), "/usr/share/zoneinfo/%s", c->tz);
	if (symlinkat(zone, root, "etc/localtime") < 0)
		say("/etc/localtime: %s", strerror(errno));
}

void files_write(int root, const struct guest_config *c)
{
	char line[80];

	(void)snprintf(line, sizeof(line), "%s\n", c->hostname);
	put(root, "etc/hostname", 0644, BB_SPAN_STR(line));
	put(root, "etc/resolv.conf", 0644, BB_SPAN_STR("nameserver 127.0.0.1\noptions edns0\n"));
	put_hosts(root, c);
	put_environment(root, c);
	put_profile(root, c);
	put_sudoers(root, c);
	put_apt(root, c);
	put_timezone(root, c);
}

/* Return: true when @from has @name, which then is at each of @paths whose directory exists */
static void put_copies(int root, int from, const char *name, const char *const *paths, size_t n)
{
	bb_auto_buf struct bb_buf b;

	bb_buf_init(&b, BUNDLE_MAX);
	if (read_at(from, name, &b) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		put(root, paths[i], 0644, bb_buf_span(&b));
}

/* The octets between a certificate's armour are its DER in base64, which is what browsers' policies
 * take */
static int add_armoured(struct bb_buf *b, struct bb_buf *pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----",
			  end[] = "-----END CERTIFICATE-----";
	const char *text = bb_buf_str(pem), *at = text ? strstr(text, begin) : NULL;
	const char *to = at ? strstr(at, end) : NULL;
	int r = to ? 0 : -EBADMSG;

	for (at = to ? at + strlen(begin) : NULL; r == 0 && at < to; at++)
		r = *at == '\n' || *at == '\r' ? 0 : bb_buf_add(b, at, 1);
	return r;
}

/* Browsers have trust stores of their own (NSS, Chromium's); a policy file adds our root to them */
static void put_browsers(int root, int from)
{
	static const char *const chromium[] = { "etc/chromium/policies/managed/bot-bottle.json",
						"etc/opt/chrome/policies/managed/bot-bottle.json" };
	static const char firefox[] = "etc/firefox/policies/policies.json";
	bb_auto_buf struct bb_buf pem, b;
	int r;

	bb_buf_init(&pem, BUNDLE_MAX);
	bb_buf_init(&b, TEXT_MAX);
	if (read_at(from, "root.pem", &pem) < 0)
		return;
	r = bb_buf_addf(&b, "{\"CACertificates\":[\"");
	if (r == 0)
		r = add_armoured(&b, &pem);
	if (r == 0)
		r = bb_buf_addf(&b, "\"]}\n");
	for (size_t i = 0; i < BB_ARRAY_LEN(chromium); i++)
		put_buf(root, chromium[i], 0644, &b, r);
	if (faccessat(root, firefox, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return; /* the image's own; it may hold one file only */
	put(root, firefox, 0644,
	    BB_SPAN_STR("{\"policies\":{\"Certificates\":{\"Install\":"
			"[\"/etc/ssl/certs/bot-bottle.pem\"]}}}\n"));
}

void files_trust(int root, int from, const struct guest_config *c)
{
	static const char *const bundle[] = { "etc/ssl/certs/ca-certificates.crt",
					      "etc/pki/tls/certs/ca-bundle.crt",
					      "etc/ssl/cert.pem" };
	static const char *const ours[] = { "usr/local/share/ca-certificates/bot-bottle.crt",
					    "etc/ssl/certs/bot-bottle.pem" };
	static const char *const java[] = { "etc/ssl/certs/bot-bottle-java.p12" };
	char link[64];

	put_copies(root, from, "bundle.pem", bundle, 1);
	for (size_t i = 1; i < BB_ARRAY_LEN(bundle); i++)
		if (faccessat(root, bundle[i], F_OK, 0) == 0)
			put_copies(root, from, "bundle.pem", bundle + i, 1);
	put_copies(root, from, "root.pem", ours, BB_ARRAY_LEN(ours));
	put_copies(root, from, "java.p12", java, 1);
	put_browsers(root, from);
	(void)snprintf(link, sizeof(link), "etc/ssl/certs/%s.0", c->trust_hash);
	(void)unlinkat(root, link, 0);
	if (symlinkat("bot-bottle.pem", root, link) < 0)
		say("/%s: %s", link, strerror(errno));
}

void files_sysctl(void)
{
	static const char *const settings[][2] = {
		{ "fs/inotify/max_user_watches", "524288" },
		{ "fs/inotify/max_user_instances", "1024" },
		{ "vm/max_map_count", "1048576" },
		{ "kernel/core_pattern", "\n" },
		{ "kernel/panic", "-1" },
		{ "net/ipv4/ping_group_range", "0 2147483647" },
		{ "net/ipv6/conf/all/accept_ra", "0" },
	};
	const struct rlimit files = { 65536, 65536 }, none = { 0, 0 };

	for (size_t i = 0; i < BB_ARRAY_LEN(settings); i++) {
		bb_auto_close int fd = -1;
		char path[96];

		(void)snprintf(path, sizeof(path), "/proc/sys/%s", settings[i][0]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, settings[i][1], strlen(settings[i][1])) < 0)
			say("%s: %s", path, strerror(errno));
	}
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		say("limits: %s", strerror(errno));
}
