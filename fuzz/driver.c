/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a corpus directory through a libFuzzer target, so that plain gcc builds and CI run every
 * input that once mattered. Fails when the directory is missing or empty: a corpus that silently
 * vanished would be a test that cannot fail.
 */
#include "base/base.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_one(int dir, const char *name)
{
	bb_auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bb_auto_free uint8_t *data = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	data = malloc((size_t)st.st_size + !st.st_size);
	if (!data)
		return -1;
	n = read(fd, data, (size_t)st.st_size);
	if (n != st.st_size)
		return -1;
	(void)LLVMFuzzerTestOneInput(data, (size_t)n);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int n = 0;
	struct dirent *e;
	DIR *d;

	if (argc != 2 || !(d = opendir(argv[1]))) {
		(void)fprintf(stderr, "corpus: cannot open the directory\n");
		return 1;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (replay_one(dirfd(d), e->d_name) < 0) {
			(void)fprintf(stderr, "corpus: cannot read %s\n", e->d_name);
			return 1;
		}
		n++;
	}
	(void)closedir(d);
	(void)printf("replayed %u inputs\n", n);
	return n ? 0 : 1;
}
