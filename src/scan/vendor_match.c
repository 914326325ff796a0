/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/vendor_int.h"

/*
 * The second pass. A token is a row of pieces, "4 to 20 octets of this set". The offsets that a row
 * can have reached after each piece are a set; one sweep over the text makes the next set from it.
 * So a row needs no backtracking, and "the text ended while a piece could go on" is exact: that is
 * VENDOR_MORE.
 */

/** struct reach - Offsets of the text reached; @at is valid in [lo, hi] only; lo > hi = none */
struct reach {
	size_t lo;
	size_t hi;
	uint8_t at[VENDOR_HISTORY_MAX + 1];
};

/* One set for each part of a row, and one for walk(): made once, since clearing them would be most
 * of the work */
struct work {
	struct reach context;
	struct reach body;
	struct reach tail;
	struct reach other;
};

/** struct found - What all starts and spellings of one rule have given so far */
struct found {
	enum vendor_verdict verdict;
	struct vendor_match match;
};

static bool in_set(int set, uint8_t c)
{
	return vendor_sets[set].bits[c >> 6] >> (c & 63) & 1;
}

static void reach_one(struct reach *r, size_t at)
{
	r->lo = r->hi = at;
	r->at[at] = 1;
}

/* Could this piece go on behind the end of the text? The furthest offset has the best chance */
static bool is_pending(const struct vendor_piece *pc, struct bb_span text, const struct reach *r)
{
	if (r->lo > r->hi || text.len - r->hi >= pc->max)
		return false;
	for (size_t i = r->hi; i < text.len; i++) {
		if (!in_set(pc->set, text.p[i]))
			return false;
	}
	return true;
}

/*
 * @q is reached when all octets from some offset @p of @from up to it are of the set, and they are
 * min to max many. Of all offsets not after q - min the last one is the best choice.
 */
static void step(const struct vendor_piece *pc, struct bb_span text, const struct reach *from,
		 struct reach *to)
{
	size_t best = SIZE_MAX, run = from->lo;

	to->lo = 1;
	to->hi = 0;
	for (size_t i = from->lo, q = from->lo + pc->min; q <= text.len; q++) {
		size_t p = q - pc->min;

		if (p <= from->hi && from->at[p])
			best = p;
		for (; i < q; i++) {
			if (!in_set(pc->set, text.p[i]))
				run = i + 1;
		}
		to->at[q] = best >= run && q - best <= pc->max;
		if (to->at[q]) {
			to->lo = to->lo > to->hi ? q : to->lo;
			to->hi = q;
		} else if (p >= from->hi) {
			break;
		}
	}
}

/* Through a row of pieces; @r becomes what is reached behind the last. Return: is_pending() of any
 */
static bool walk(const struct vendor_piece *pc, size_t num, struct bb_span text, struct reach *r,
		 struct reach *other)
{
	struct reach *from = r, *to = other, *last;
	bool pending = false;

	for (size_t i = 0; i < num && from->lo <= from->hi; i++) {
		pending |= is_pending(&pc[i], text, from);
		step(&pc[i], text, from, to);
		last = from;
		from = to;
		to = last;
	}
	if (from != r) {
		r->lo = from->lo;
		r->hi = from->hi;
		if (r->lo <= r->hi)
			memcpy(r->at + r->lo, from->at + r->lo, r->hi - r->lo + 1);
	}
	return pending;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool begins_with_word(struct bb_span s, const char *word, size_t len)
{
	if (s.len < len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (lower(s.p[i]) != (uint8_t)word[i])
			return false;
	}
	return true;
}

static bool contains_word(struct bb_span s, const char *words)
{
	for (size_t len; (len = strlen(words)) > 0; words += len + 1) {
		for (size_t i = 0; i + len <= s.len; i++) {
			if (begins_with_word((struct bb_span){ s.p + i, s.len - i }, words, len))
				return true;
		}
	}
	return false;
}

static bool is_word(struct bb_span s, const char *words)
{
	for (size_t len; (len = strlen(words)) > 0; words += len + 1) {
		if (s.len == len && begins_with_word(s, words, len))
			return true;
	}
	return false;
}

/* Shannon's entropy of the sample in 1/1000 bit per octet */
static unsigned int entropy(struct bb_span s)
{
	uint8_t count[256] = { 0 };
	uint32_t sum = 0;

	if (s.len > VENDOR_SAMPLE_MAX)
		s.len = VENDOR_SAMPLE_MAX;
	if (s.len == 0)
		return 0;
	for (size_t i = 0; i < s.len; i++)
		count[s.p[i]]++;
	for (size_t i = 0; i < BB_ARRAY_LEN(count); i++)
		sum += vendor_nlogn[count[i]];
	return (unsigned int)((vendor_nlogn[s.len] - sum) / s.len);
}

/* Is what is always there of a secret at @body worth keeping? */
static bool is_sample_good(const struct vendor_rule *rule, const struct vendor_seq *seq,
			   struct bb_span text, size_t body)
{
	struct bb_span s = { text.p + body, seq->sample };
	size_t skip;

	if (text.len - body < seq->sample)
		return true; /* not all there yet */
	skip = vendor_prefix_len(rule, s);
	s.p += skip;
	s.len -= skip;
	return entropy(s) >= rule->entropy && !contains_word(s, rule->not_in);
}

/* GitHub's and npm's check digits: CRC-32 in base 62, six characters, zeros in front */
static bool is_crc_good(const struct vendor_rule *rule, struct bb_span secret)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t skip = vendor_prefix_len(rule, secret);
	uint32_t crc = 0xffffffff;

	if (secret.len < skip + 6)
		return false;
	for (size_t i = skip; i < secret.len - 6; i++) {
		crc ^= secret.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	crc = ~crc;
	for (size_t i = 1; i <= 6; i++, crc /= 62) {
		if (secret.p[secret.len - i] != (uint8_t)digits[crc % 62])
			return false;
	}
	return true;
}

static void found_set(struct found *f, enum vendor_verdict verdict, size_t start, size_t end,
		      bool open)
{
	if (verdict < f->verdict || (verdict == f->verdict && f->match.len))
		return;
	f->verdict = verdict;
	f->match = (struct vendor_match){ start, end - start, open };
}

/* A secret [body, end), whose pieces are all there but those behind it. Return: was it one? */
static bool judge_end(const struct vendor_rule *rule, const struct vendor_seq *seq,
		      struct bb_span text, size_t early, size_t body, size_t end, struct work *w,
		      struct found *f)
{
	struct bb_span secret = { text.p + body, end - body };
	struct reach *r = &w->tail;

	if (is_word(secret, rule->not_exact) || (rule->crc && !is_crc_good(rule, secret)))
		return false;
	reach_one(r, end);
	if (walk(&vendor_pieces[seq->first + seq->tail], (size_t)(seq->num - seq->tail), text, r,
		 &w->other))
		found_set(f, VENDOR_MORE, 0, 0, false);
	if (r->lo > r->hi || r->hi < early)
		return false;
	if (rule->after >= 0 && r->hi == text.len) {
		found_set(f, VENDOR_MORE, body, end, false);
		return false;
	}
	return rule->after < 0 || !in_set(rule->after, text.p[r->hi]);
}

/* One spelling from @start on */
static void judge_seq(const struct vendor_rule *rule, const struct vendor_seq *seq,
		      struct bb_span text, size_t early, size_t start, struct work *w,
		      struct found *f)
{
	const struct vendor_piece *pc = &vendor_pieces[seq->first];
	struct reach *context = &w->context, *r = &w->body;

	reach_one(context, start);
	if (walk(pc, seq->body, text, context, &w->other))
		found_set(f, VENDOR_MORE, 0, 0, false);
	for (size_t body = context->hi + 1; body-- > context->lo;) {
		bool pending, yes = false;
		size_t end;

		if (!context->at[body] || !is_sample_good(rule, seq, text, body))
			continue;
		reach_one(r, body);
		pending = walk(pc + seq->body, (size_t)(seq->tail - seq->body), text, r, &w->other);
		for (end = r->hi + 1; !yes && end-- > r->lo;)
			yes = r->at[end] && judge_end(rule, seq, text, early, body, end, w, f);
		if (yes)
			found_set(f, VENDOR_YES, body, end, pending);
		else if (pending)
			found_set(f, VENDOR_MORE, 0, 0, false);
	}
}

/* Does \n, %3D or \u0022 end before @at? Its last letter is no part of a longer word */
static bool is_escape(struct bb_span text, size_t at)
{
	return (at >= 2 && text.p[at - 2] == '\\') || (at >= 3 && text.p[at - 3] == '%') ||
	       (at >= 6 && text.p[at - 6] == '\\' && text.p[at - 5] == 'u');
}

enum vendor_verdict vendor_confirm(unsigned int rule_index, struct bb_span history, size_t end,
				   struct vendor_match *ret)
{
	const struct vendor_rule *rule = &vendor_rules[rule_index];
	struct found f = { .verdict = VENDOR_NO };
	struct work w;
	size_t from, to;

	BB_BUG_ON(rule_index >= vendor_num_rules || history.len > VENDOR_HISTORY_MAX ||
		  end > history.len);
	if (end < rule->stream_min)
		return VENDOR_NO; /* what led to the match is not in the history */
	to = end - rule->stream_min;
	from = end - (end < rule->stream_max ? end : rule->stream_max);
	from -= from < rule->lead ? from : rule->lead;
	for (size_t s = from; s <= to && f.verdict != VENDOR_YES; s++) {
		if (rule->before >= 0 && s > 0 && in_set(rule->before, history.p[s - 1]) &&
		    !is_escape(history, s))
			continue;
		for (unsigned int i = 0; i < rule->seq_num && f.verdict != VENDOR_YES; i++) {
			const struct vendor_seq *seq = &vendor_seqs[rule->seq_first + i];

			if (in_set(vendor_pieces[seq->first].set, history.p[s]))
				judge_seq(rule, seq, history, end, s, &w, &f);
		}
	}
	if (f.verdict != VENDOR_NO)
		*ret = f.match;
	return f.verdict;
}
