/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/user.h"
#include <stdio.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static char *text_of(const uint8_t *p, size_t len)
{
	char *text = malloc(len + 1);

	check(text != NULL);
	memcpy(text, p, len);
	text[len] = '\0';
	return text;
}

static void check_user(const struct user *u, const char *who)
{
	char uid[16];

	(void)snprintf(uid, sizeof(uid), "%u", u->uid);
	check(is_number(who) && strtoul(who, NULL, 10) < 0xffffffffu
		      ? strtoul(who, NULL, 10) == u->uid
		      : strcmp(u->name, who) == 0);
	check(*u->home && *u->shell && !strpbrk(u->name, ":\n") && !strpbrk(u->home, ":\n"));
	check(!strchr(u->shell, '\n') && u->uid != 0xffffffffu && u->gid != 0xffffffffu);
	check(u->n_groups <= USER_GROUPS_MAX);
	for (size_t i = 0; i < u->n_groups; i++)
		check(u->groups[i] != u->gid && u->groups[i] != 0xffffffffu);
}

/*
 * The image's passwd and group: the first octet is where the second file begins, in per cent.
 * Invariants: who is found is who was asked for, with a home, a shell and groups within bounds; a
 * number is always found.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const whos[] = { "node", "1000", "root", "4294967295" };
	size_t cut;

	if (size < 1)
		return 0;
	cut = 1 + (size - 1) * (data[0] % 101) / 100;
	for (size_t i = 0; i < BB_ARRAY_LEN(whos); i++) {
		char *passwd = text_of(data + 1, cut - 1), *group = text_of(data + cut, size - cut);
		struct user u;

		memset(&u, 0xa5, sizeof(u));
		if (user_pick(passwd, group, whos[i], &u))
			check_user(&u, whos[i]);
		else
			check(i != 1);
		free(passwd);
		free(group);
	}
	return 0;
}
