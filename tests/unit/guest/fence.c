/* SPDX-License-Identifier: Apache-2.0 */
/* Our netlink batch, given to the kernel in a network namespace of its own, as nft lists it. */
#include "guest/fence.h"
#include "guest/net.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

static const char config[] =
	"{\"version\":1,\"identity\":\"i\",\"hostname\":\"h\",\"alias\":\"127.83.7.1\","
	"\"ranges\":[\"198.18.0.0/15\",\"203.0.113.7/32\",\"2001:db8::/32\",\"0.0.0.0/0\"]}";

/* clang-format off */
static const char expected[] =
	"table inet bot-bottle {\n"
	"\tchain redirect {\n"
	"\t\ttype nat hook output priority -100; policy accept;\n"
	"\t\toifname != \"lo\" udp dport 53 redirect to :53\n"
	"\t\toifname != \"lo\" tcp dport 53 redirect to :53\n"
	"\t\toifname != \"lo\" meta l4proto 6 ip daddr 198.18.0.0/15 redirect to :9040\n"
	"\t\toifname != \"lo\" meta l4proto 6 ip daddr 203.0.113.7 redirect to :9040\n"
	"\t\toifname != \"lo\" meta l4proto 6 ip6 daddr 2001:db8::/32 redirect to :9040\n"
	"\t\toifname != \"lo\" meta l4proto 6 meta nfproto 2 redirect to :9040\n"
	"\t}\n"
	"\n"
	"\tchain redirect_nested {\n"
	"\t\ttype nat hook prerouting priority -100; policy accept;\n"
	"\t\tiifname != \"lo\" udp dport 53 redirect to :9041\n"
	"\t\tiifname != \"lo\" tcp dport 53 redirect to :9041\n"
	"\t\tiifname != \"lo\" meta l4proto 6 ip daddr 198.18.0.0/15 redirect to :9040\n"
	"\t\tiifname != \"lo\" meta l4proto 6 ip daddr 203.0.113.7 redirect to :9040\n"
	"\t\tiifname != \"lo\" meta l4proto 6 ip6 daddr 2001:db8::/32 redirect to :9040\n"
	"\t\tiifname != \"lo\" meta l4proto 6 meta nfproto 2 redirect to :9040\n"
	"\t}\n"
	"\n"
	"\tchain refuse {\n"
	"\t\ttype filter hook output priority 0; policy accept;\n"
	"\t\toifname != \"dummy0\" accept\n"
	"\t\tip daddr 127.0.0.0/8 accept\n"
	"\t\tip6 daddr ::1 accept\n"
	"\t\tmeta l4proto 6 reject with tcp reset\n"
	"\t\treject with icmpx 3\n"
	"\t}\n"
	"\n"
	"\tchain refuse_nested {\n"
	"\t\ttype filter hook forward priority 0; policy accept;\n"
	"\t\toifname != \"dummy0\" accept\n"
	"\t\tmeta l4proto 6 reject with tcp reset\n"
	"\t\treject with icmpx 3\n"
	"\t}\n"
	"}\n";
/* clang-format on */

static void parse(struct guest_config *c)
{
	struct bb_err err = { 0 };

	assert_int_equal(guest_config_parse(BB_SPAN_STR(config), c, &err), 0);
}

/* A batch that does not fit is never half a batch */
static void small_buffers(void **state)
{
	static uint8_t full[16384];
	struct guest_config c;
	size_t len;

	(void)state;
	parse(&c);
	len = fence_encode(full, sizeof(full), &c);
	assert_true(len > 0 && len % 4 == 0);
	for (size_t cap = 0; cap < len; cap++) {
		uint8_t *buf = malloc(cap + !cap);

		assert_non_null(buf);
		assert_int_equal(fence_encode(buf, cap, &c), 0);
		free(buf);
	}
	guest_config_release(&c);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

/* A network of our own; as a plain user in a user namespace, whose root we are: nft asks who calls
 */
static bool own_network(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[32];

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	write_text("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	write_text("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	write_text("/proc/self/gid_map", map);
	return true;
}

static void kernel_reads_what_we_mean(void **state)
{
	struct bb_err err = { 0 };
	struct guest_config c;
	char listed[4096];
	size_t n;
	FILE *f;

	(void)state;
	if (!own_network()) {
		print_message("no network namespace here: %s\n", strerror(errno));
		skip();
	}
	if (net_up(&err) < 0)
		print_message("%s\n", err.msg); /* a host without the dummy driver */
	parse(&c);
	err = (struct bb_err){ 0 };
	if (fence_up(&c, &err) < 0)
		fail_msg("%s", err.msg);
	guest_config_release(&c);
	f = popen("PATH=$PATH:/usr/sbin:/sbin nft -n list ruleset", "r");
	assert_non_null(f);
	n = fread(listed, 1, sizeof(listed) - 1, f);
	listed[n] = '\0';
	assert_int_equal(pclose(f), 0);
	assert_string_equal(listed, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_buffers),
		cmocka_unit_test(kernel_reads_what_we_mean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
