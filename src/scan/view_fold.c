/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/view.h"

/* Runs of look-alikes: @first to @last are @ascii and its followers */
struct fold_run {
	uint32_t first;
	uint32_t last;
	char ascii;
};

static const struct fold_run runs[] = {
	{ 0xff01, 0xff5e, '!' },   /* full-width forms */
	{ 0x2080, 0x2089, '0' },   /* subscripts */
	{ 0x2074, 0x2079, '4' },   /* superscripts */
	{ 0x2460, 0x2468, '1' },   /* circled digits */
	{ 0x2474, 0x247c, '1' },   /* in parentheses */
	{ 0x2488, 0x2490, '1' },   /* with full stop */
	{ 0x249c, 0x24b5, 'a' },   /* letters in parentheses */
	{ 0x24b6, 0x24cf, 'A' },   /* circled capitals */
	{ 0x24d0, 0x24e9, 'a' },   /* circled small letters */
	{ 0x1f110, 0x1f129, 'A' }, /* squared and the like */
	{ 0x1f130, 0x1f149, 'A' }, { 0x1f150, 0x1f169, 'A' },
	{ 0x1f170, 0x1f189, 'A' }, { 0x1f1e6, 0x1f1ff, 'A' }, /* regional indicators */
	{ 0x1fbf0, 0x1fbf9, '0' },                            /* segmented digits */
	{ 0x660, 0x669, '0' },                                /* Arabic-Indic digits */
	{ 0x6f0, 0x6f9, '0' },
};

/* Single look-alikes, by code point */
struct fold_one {
	uint32_t code;
	char ascii;
};

static const struct fold_one ones[] = {
	{ 0xaa, 'a' },   { 0xb2, '2' },   { 0xb3, '3' },   { 0xb9, '1' },   { 0xba, 'o' },
	{ 0x131, 'i' },  { 0x17f, 's' },  { 0x1c3, '!' },  { 0x251, 'a' },  { 0x261, 'g' },
	{ 0x26a, 'I' },  { 0x391, 'A' },  { 0x392, 'B' },  { 0x395, 'E' },  { 0x396, 'Z' },
	{ 0x397, 'H' },  { 0x399, 'I' },  { 0x39a, 'K' },  { 0x39c, 'M' },  { 0x39d, 'N' },
	{ 0x39f, 'O' },  { 0x3a1, 'P' },  { 0x3a4, 'T' },  { 0x3a5, 'Y' },  { 0x3a7, 'X' },
	{ 0x3b1, 'a' },  { 0x3b3, 'y' },  { 0x3b9, 'i' },  { 0x3bd, 'v' },  { 0x3bf, 'o' },
	{ 0x3c1, 'p' },  { 0x3c5, 'u' },  { 0x3f2, 'c' },  { 0x3f3, 'j' },  { 0x3f9, 'C' },
	{ 0x405, 'S' },  { 0x406, 'I' },  { 0x408, 'J' },  { 0x410, 'A' },  { 0x412, 'B' },
	{ 0x415, 'E' },  { 0x417, '3' },  { 0x41a, 'K' },  { 0x41c, 'M' },  { 0x41d, 'H' },
	{ 0x41e, 'O' },  { 0x420, 'P' },  { 0x421, 'C' },  { 0x422, 'T' },  { 0x423, 'Y' },
	{ 0x425, 'X' },  { 0x430, 'a' },  { 0x435, 'e' },  { 0x43e, 'o' },  { 0x440, 'p' },
	{ 0x441, 'c' },  { 0x443, 'y' },  { 0x445, 'x' },  { 0x455, 's' },  { 0x456, 'i' },
	{ 0x458, 'j' },  { 0x4ae, 'Y' },  { 0x4af, 'y' },  { 0x4bb, 'h' },  { 0x4c0, 'I' },
	{ 0x4cf, 'l' },  { 0x501, 'd' },  { 0x50c, 'G' },  { 0x51b, 'q' },  { 0x51c, 'W' },
	{ 0x51d, 'w' },  { 0x555, 'O' },  { 0x570, 'h' },  { 0x578, 'n' },  { 0x57d, 'u' },
	{ 0x585, 'o' },  { 0x5c0, 'l' },  { 0x2070, '0' }, { 0x2071, 'i' }, { 0x207f, 'n' },
	{ 0x2102, 'C' }, { 0x210a, 'g' }, { 0x210b, 'H' }, { 0x210c, 'H' }, { 0x210d, 'H' },
	{ 0x210e, 'h' }, { 0x2110, 'I' }, { 0x2111, 'I' }, { 0x2112, 'L' }, { 0x2113, 'l' },
	{ 0x2115, 'N' }, { 0x2119, 'P' }, { 0x211a, 'Q' }, { 0x211b, 'R' }, { 0x211c, 'R' },
	{ 0x211d, 'R' }, { 0x2124, 'Z' }, { 0x2128, 'Z' }, { 0x212a, 'K' }, { 0x212c, 'B' },
	{ 0x212d, 'C' }, { 0x212f, 'e' }, { 0x2130, 'E' }, { 0x2131, 'F' }, { 0x2133, 'M' },
	{ 0x2134, 'o' }, { 0x2139, 'i' }, { 0x2145, 'D' }, { 0x2146, 'd' }, { 0x2147, 'e' },
	{ 0x2148, 'i' }, { 0x2149, 'j' }, { 0x2160, 'I' }, { 0x2164, 'V' }, { 0x2169, 'X' },
	{ 0x216c, 'L' }, { 0x216d, 'C' }, { 0x216e, 'D' }, { 0x216f, 'M' }, { 0x2170, 'i' },
	{ 0x2174, 'v' }, { 0x2179, 'x' }, { 0x217c, 'l' }, { 0x217d, 'c' }, { 0x217e, 'd' },
	{ 0x217f, 'm' }, { 0x24ea, '0' }, { 0x24ff, '0' }, { 0x2c7c, 'j' }, { 0xa731, 'S' },
};

/* Mathematical alphanumerics: alphabets of 52 letters, then digits, one after another */
static int fold_math(uint32_t code)
{
	uint32_t i = code - 0x1d400;

	if (code >= 0x1d7ce && code <= 0x1d7ff)
		return (int)('0' + (code - 0x1d7ce) % 10);
	if (i >= 13 * 52)
		return 0;
	i %= 52;
	return (int)(i < 26 ? 'A' + i : 'a' + i - 26);
}

/* Code points from @first to @last */
struct range {
	uint32_t first;
	uint32_t last;
};

/* No width of their own: joiners, marks, variation selectors, direction marks, tags */
static const struct range invisible[] = {
	{ 0xad, 0xad },       { 0x300, 0x34f },     { 0x350, 0x36f },     { 0x483, 0x489 },
	{ 0x61c, 0x61c },     { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
	{ 0x1ab0, 0x1aff },   { 0x1dc0, 0x1dff },   { 0x200b, 0x200f },   { 0x202a, 0x202e },
	{ 0x2060, 0x206f },   { 0x20d0, 0x20ff },   { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
	{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_invisible(uint32_t code)
{
	for (size_t i = 0; i < BB_ARRAY_LEN(invisible); i++) {
		if (code >= invisible[i].first && code <= invisible[i].last)
			return true;
	}
	return false;
}

/* ---- which characters are worth a look ---- */

/* Filled once, constant from then on */
uint64_t view_seconds[0xf5 - 0xc2];

/* Spelled with more octets than it needs, too: view.c reads that, as some readers do */
static void mark(uint32_t code)
{
	for (unsigned int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3; more <= 3; more++) {
		uint32_t lead = code >> 6 * more | (more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0);

		view_seconds[lead - 0xc2] |= 1ull << (code >> 6 * (more - 1) & 63);
	}
}

/* Filled once, constant from then on */
__attribute__((constructor)) static void fill_seconds(void)
{
	static const struct range math = { 0x1d400, 0x1d7ff };

	for (size_t i = 0; i < BB_ARRAY_LEN(invisible); i++) {
		for (uint32_t code = invisible[i].first; code <= invisible[i].last; code++)
			mark(code);
	}
	for (size_t i = 0; i < BB_ARRAY_LEN(runs); i++) {
		for (uint32_t code = runs[i].first; code <= runs[i].last; code++)
			mark(code);
	}
	for (size_t i = 0; i < BB_ARRAY_LEN(ones); i++)
		mark(ones[i].code);
	for (uint32_t code = math.first; code <= math.last; code++)
		mark(code);
}

static int fold(uint32_t code)
{
	size_t low = 0, high = BB_ARRAY_LEN(ones);

	if (code >= 0xe0020 && code <= 0xe007e)
		return (int)(code - 0xe0000); /* tags spell ASCII invisibly */
	if (is_invisible(code))
		return -1;
	for (size_t i = 0; i < BB_ARRAY_LEN(runs); i++) {
		if (code >= runs[i].first && code <= runs[i].last)
			return (int)((uint32_t)runs[i].ascii + code - runs[i].first);
	}
	if (code >= 0x1d400 && code <= 0x1d7ff)
		return fold_math(code);
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (ones[mid].code == code)
			return ones[mid].ascii;
		if (ones[mid].code < code)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

/* Of those that take two octets, which noise is full of; filled once, constant from then on */
static int8_t folded[0x800];

__attribute__((constructor)) static void fill_folded(void)
{
	for (uint32_t code = 0x80; code < BB_ARRAY_LEN(folded); code++)
		folded[code] = (int8_t)fold(code);
}

int view_fold(uint32_t code)
{
	return code < BB_ARRAY_LEN(folded) ? folded[code] : fold(code);
}
