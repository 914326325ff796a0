/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dialer/hosts.h"
#include "policy/authority.h"
#include "policy/name.h"
#include <errno.h>

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line, or an empty span at its end */
static struct bb_span next_word(struct bb_span *line)
{
	struct bb_span word;

	while (line->len && is_space(line->p[0])) {
		line->p++;
		line->len--;
	}
	word = (struct bb_span){ line->p, 0 };
	while (word.len < line->len && !is_space(line->p[word.len]))
		word.len++;
	line->p += word.len;
	line->len -= word.len;
	return word;
}

static int add(struct hosts *h, const struct ip_addr *addr, const char *name)
{
	char *copy;

	if (h->n == HOSTS_MAX)
		return 0;
	if (h->n == h->alloc) {
		size_t alloc = h->alloc ? 2 * h->alloc : 16;
		struct hosts_entry *e = reallocarray(h->entries, alloc, sizeof(*e));

		if (!e)
			return -ENOMEM;
		h->entries = e;
		h->alloc = alloc;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	h->entries[h->n++] = (struct hosts_entry){ *addr, copy };
	return 0;
}

static int parse_line(struct hosts *h, struct bb_span line)
{
	const uint8_t *comment = line.len ? memchr(line.p, '#', line.len) : NULL;
	char text[IP_ADDR_TEXT_MAX], name[POLICY_NAME_MAX];
	struct bb_span word;
	struct ip_addr addr;

	if (comment)
		line.len = (size_t)(comment - line.p);
	word = next_word(&line);
	if (word.len == 0 || word.len >= sizeof(text))
		return 0;
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	if (strlen(text) != word.len || !ip_addr_parse(text, &addr))
		return 0;
	while ((word = next_word(&line)).len) {
		int r = authority_name(word, name) == REASON_OK ? add(h, &addr, name) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int hosts_parse(struct hosts *h, struct bb_span text)
{
	while (text.len) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end ? (size_t)(end - text.p) : text.len;
		int r = parse_line(h, (struct bb_span){ text.p, len });

		if (r < 0) {
			hosts_release(h);
			return r;
		}
		len += end != NULL;
		text.p += len;
		text.len -= len;
	}
	return 0;
}

size_t hosts_find(const struct hosts *h, const char *name, struct ip_addr *out, size_t max)
{
	static const struct ip_addr loopback[] = { { 4, { 127, 0, 0, 1 } }, { 6, { [15] = 1 } } };
	size_t n = 0;

	for (size_t i = 0; i < h->n && n < max; i++) {
		if (strcmp(h->entries[i].name, name) == 0)
			out[n++] = h->entries[i].addr;
	}
	if (n == 0 && (strcmp(name, "localhost") == 0 || name_is_below(name, "localhost"))) {
		for (; n < BB_ARRAY_LEN(loopback) && n < max; n++)
			out[n] = loopback[n];
	}
	return n;
}

void hosts_release(struct hosts *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->entries[i].name);
	free(h->entries);
	*h = (struct hosts){ 0 };
}
