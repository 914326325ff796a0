/* SPDX-License-Identifier: Apache-2.0 */
/* bench-scan FILE…: the search over the files as one text, in pieces of 16 KiB; one line of JSON */
#include "scan/scan.h"
#include "base/io.h"
#include <stdio.h>
#include <time.h>

#define PIECE   16384
#define SECRETS 20
#define TEXT    (64u << 20)
#define LEAST_S 1.0

static double cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool count(void *arg, const struct scan_finding *f)
{
	(void)f;
	++*(unsigned long *)arg;
	return false;
}

static void early(void *arg, unsigned int rule, uint64_t end)
{
	(void)rule;
	(void)end;
	++*(unsigned long *)arg;
}

typedef void pass_fn(void *stream, struct bb_span in, unsigned long *found);

static void all_views(void *stream, struct bb_span in, unsigned long *found)
{
	(void)!scan_feed(stream, in, false, count, found);
}

static void first_pass(void *stream, struct bb_span in, unsigned long *found)
{
	(void)!vendor_stream_feed(stream, in, early, found);
}

/* Octets per CPU second of the quickest pass over the text: others use this machine */
static double measure(pass_fn *pass, void *stream, struct bb_span text)
{
	double begun = cpu_s(), best = 0, now = begun;

	do {
		unsigned long found = 0;
		double from = now;

		for (size_t at = 0; at < text.len; at += PIECE) {
			size_t len = text.len - at < PIECE ? text.len - at : PIECE;

			pass(stream, (struct bb_span){ text.p + at, len }, &found);
		}
		now = cpu_s();
		best = best == 0 || now - from < best ? now - from : best;
	} while (now - begun < LEAST_S);
	return (double)text.len / best;
}

static struct known_db *some_secrets(size_t n, struct bb_err *err)
{
	static char text[SECRETS][41];
	struct known_secret secrets[SECRETS];
	struct known_db *db = NULL;
	uint64_t seed = 88172645463325252ull;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < 40; j++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			text[i][j] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678"
				     "9"[seed % 62];
		}
		secrets[i] = (struct known_secret){ BB_SPAN_STR(text[i]) };
	}
	return known_db_new(secrets, n, &db, err) == 0 ? db : NULL;
}

int main(int argc, char **argv)
{
	bb_auto_buf struct bb_buf text;
	struct vendor_db *vendors = NULL;
	struct known_db *known, *canary;
	struct bb_err err = { 0 };
	struct vendor_stream *first = NULL;
	struct scan_stream *all = NULL, *off = NULL;
	double first_rate, all_rate, off_rate;

	bb_buf_init(&text, TEXT);
	for (int i = 1; i < argc; i++)
		(void)!bb_read_file(argv[i], &text, &err); /* what does not fit is left out */
	known = some_secrets(SECRETS, &err);
	canary = some_secrets(1, &err);
	if (text.len == 0 || !known || !canary || vendor_db_open(NULL, &vendors, &err) < 0) {
		(void)fprintf(stderr, "bench-scan: %s\n", err.msg);
		return 1;
	}
	if (vendor_stream_open(vendors, &first) < 0 || scan_open(vendors, known, &all) < 0 ||
	    scan_open(NULL, canary, &off) < 0)
		return 1;
	first_rate = measure(first_pass, first, bb_buf_span(&text));
	all_rate = measure(all_views, all, bb_buf_span(&text));
	off_rate = measure(all_views, off, bb_buf_span(&text));
	(void)printf("{\"octets\": %zu, \"first_per_cpu_s\": %.0f, \"all_per_cpu_s\": %.0f, "
		     "\"canary_per_cpu_s\": %.0f}\n",
		     text.len, first_rate, all_rate, off_rate);
	scan_close(off);
	scan_close(all);
	vendor_stream_close(first);
	return 0;
}
