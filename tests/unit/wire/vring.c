/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vring.h"
#include "tests/unit/unit.h"
#include "wire/le.h"

/* 8 KiB at guest 0 and 4 KiB right behind it in guest terms, elsewhere in ours */
#define USER  0x7f0000000000u
#define NUM   8u
#define AVAIL 4096u
#define USED  5120u
#define TABLE 6144u /* room for an indirect table */
#define DATA  7168u

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

struct d {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static _Alignas(16) uint8_t low[8192];
static _Alignas(16) uint8_t high[4096];
static const struct vring_memory mem = {
	.n = 2,
	.regions = { { 0, USER, sizeof(low), low }, { 8192, USER + 0x10000, sizeof(high), high } },
};
static struct vring vr;

static void put(size_t at, const struct d *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		le_put64(low + at + 16 * i, d[i].addr);
		le_put32(low + at + 16 * i + 8, d[i].len);
		le_put16(low + at + 16 * i + 12, d[i].flags);
		le_put16(low + at + 16 * i + 14, d[i].next);
	}
}

static void offer(uint16_t head)
{
	uint16_t idx = le_get16(low + AVAIL + 2);

	le_put16(low + AVAIL + 4 + 2 * (size_t)(idx % NUM), head);
	le_put16(low + AVAIL + 2, (uint16_t)(idx + 1));
}

static void reset(bool event_idx)
{
	const struct vring_place place = { USER, USER + AVAIL, USER + USED };

	memset(low, 0, sizeof(low));
	assert_true(vring_memory_check(&mem));
	assert_int_equal(vring_attach(&vr, &mem, NUM, &place, 0, event_idx), VRING_OK);
}

static void pops_and_pushes(void **state)
{
	const struct d d[] = { { DATA, 3, NEXT, 2 },
			       { 0, 0, 0, 0 },
			       { 8190, 10, NEXT | WRITE, 3 },
			       { DATA + 64, 5, WRITE, 0 } };
	struct vring_chain c;
	char text[4] = "";

	(void)state;
	reset(false);
	put(0, d, 4);
	memcpy(low + DATA, "abc", 3);
	assert_int_equal(vring_pop(&vr, &mem, &c), VRING_EMPTY);
	offer(0);
	assert_int_equal(vring_pop(&vr, &mem, &c), VRING_OK);
	assert_int_equal(c.n_out, 1);
	assert_int_equal(c.n_in, 3); /* one segment crosses into the other region */
	assert_int_equal(c.bytes_out, 3);
	assert_int_equal(c.bytes_in, 15);
	assert_true(vring_chain_read(&c, 1, text, 2));
	assert_string_equal(text, "bc");
	assert_false(vring_chain_read(&c, 2, text, 2));
	assert_true(vring_chain_write(&c, "0123456789ABCDE", 15));
	assert_false(vring_chain_write(&c, "0123456789ABCDEF", 16));
	assert_memory_equal(low + 8190, "01", 2);
	assert_memory_equal(high, "23456789", 8);
	assert_memory_equal(low + DATA + 64, "ABCDE", 5);
	vring_rewind(&vr, 1);
	assert_int_equal(vring_pop(&vr, &mem, &c), VRING_OK);
	vring_push(&vr, c.head, 15);
	assert_int_equal(le_get16(low + USED + 2), 1);
	assert_int_equal(le_get32(low + USED + 8), 15);
	assert_int_equal(vring_pop(&vr, &mem, &c), VRING_EMPTY);
}

static void indirect(void **state)
{
	const struct d ring[] = { { TABLE, 48, INDIRECT, 0 } };
	const struct d table[] = { { DATA, 4, NEXT, 2 },
				   { DATA + 8, 4, WRITE, 0 },
				   { DATA + 4, 4, NEXT, 1 } };
	struct vring_chain c;

	(void)state;
	reset(true);
	put(0, ring, 1);
	put(TABLE, table, 3);
	offer(0);
	assert_int_equal(vring_pop(&vr, &mem, &c), VRING_OK);
	assert_int_equal(c.n_out, 2);
	assert_int_equal(c.n_in, 1);
	assert_int_equal(c.bytes_out, 8);
}

static void refuses(void **state)
{
	static const struct {
		struct d ring[2];
		struct d table[2];
		uint16_t head;
		uint16_t extra; /* how far the index runs away */
		enum vring_result want;
	} rows[] = {
		{ .head = NUM, .want = VRING_BAD_DESCRIPTOR },
		{ .ring = { { DATA, 1, NEXT, NUM } }, .want = VRING_BAD_DESCRIPTOR },
		{ .ring = { { 12288, 1, 0, 0 } }, .want = VRING_BAD_ADDRESS },
		{ .ring = { { 12280, 9, 0, 0 } }, .want = VRING_BAD_ADDRESS },
		{ .ring = { { UINT64_MAX, 2, 0, 0 } }, .want = VRING_BAD_ADDRESS },
		{ .ring = { { DATA, 1, NEXT | WRITE, 1 }, { DATA, 1, 0, 0 } },
		  .want = VRING_BAD_ORDER },
		{ .ring = { { DATA, 1, NEXT, 1 }, { DATA, 1, NEXT, 0 } }, .want = VRING_TOO_LONG },
		{ .ring = { { 0, VRING_CHAIN_BYTES_MAX + 1, 0, 0 } }, .want = VRING_TOO_LONG },
		{ .ring = { { 0, UINT32_MAX, 0, 0 } }, .want = VRING_TOO_LONG },
		{ .ring = { { TABLE, 16, INDIRECT | NEXT, 1 } }, .want = VRING_BAD_INDIRECT },
		{ .ring = { { TABLE, 16, INDIRECT | WRITE, 1 } }, .want = VRING_BAD_INDIRECT },
		{ .ring = { { TABLE, 0, INDIRECT, 0 } }, .want = VRING_BAD_INDIRECT },
		{ .ring = { { TABLE, 24, INDIRECT, 0 } }, .want = VRING_BAD_INDIRECT },
		{ .ring = { { TABLE, 16 * (VRING_NUM_MAX + 1), INDIRECT, 0 } },
		  .want = VRING_BAD_INDIRECT },
		{ .ring = { { 8192 - 16, 32, INDIRECT, 0 } }, .want = VRING_BAD_ADDRESS },
		{ .ring = { { TABLE, 16, INDIRECT, 0 } },
		  .table = { { TABLE, 16, INDIRECT, 0 } },
		  .want = VRING_BAD_INDIRECT },
		{ .ring = { { DATA, 1, NEXT, 1 }, { TABLE, 16, INDIRECT, 0 } },
		  .want = VRING_BAD_INDIRECT },
		{ .ring = { { TABLE, 32, INDIRECT, 0 } },
		  .table = { { DATA, 1, NEXT, 2 } },
		  .want = VRING_BAD_DESCRIPTOR },
		{ .ring = { { TABLE, 32, INDIRECT, 0 } },
		  .table = { { DATA, 1, NEXT, 1 }, { DATA, 1, NEXT, 0 } },
		  .want = VRING_TOO_LONG },
		{ .extra = NUM, .want = VRING_BAD_INDEX },
	};
	struct vring_chain c;

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		reset(true);
		put(0, rows[i].ring, 2);
		put(TABLE, rows[i].table, 2);
		offer(rows[i].head);
		le_put16(low + AVAIL + 2, (uint16_t)(1 + rows[i].extra));
		assert_int_equal(vring_pop(&vr, &mem, &c), rows[i].want);
		assert_int_equal(vr.last_avail, 0);
	}
}

static void attach_refuses(void **state)
{
	static const struct {
		uint32_t num;
		struct vring_place place;
		enum vring_result want;
	} rows[] = {
		{ 0, { USER, USER, USER }, VRING_BAD_SIZE },
		{ 6, { USER, USER, USER }, VRING_BAD_SIZE },
		{ 2048, { USER, USER, USER }, VRING_BAD_SIZE },
		{ 8, { USER - 1, USER, USER }, VRING_BAD_PLACE },
		{ 8, { USER + 8, USER, USER }, VRING_BAD_PLACE },
		{ 8, { USER, USER + 1, USER }, VRING_BAD_PLACE },
		{ 8, { USER, USER, USER + 2 }, VRING_BAD_PLACE },
		{ 8, { USER + 8192 - 64, USER, USER }, VRING_BAD_PLACE },
		{ 8, { USER, USER, USER + 8192 - 4 }, VRING_BAD_PLACE },
		{ 8, { 0, UINT64_MAX, 0 }, VRING_BAD_PLACE },
		{ 8, { USER, USER + 4096, USER + 124 }, VRING_OVERLAP }, /* used on descriptors */
		{ 8,
		  { USER, USER + 4096, USER + 4096 },
		  VRING_OVERLAP }, /* on the available ring */
		{ 8, { USER, USER + 4096, USER + 4096 - 68 }, VRING_OVERLAP },
	};
	struct vring x = { .num = 99 };

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		assert_int_equal(vring_attach(&x, &mem, rows[i].num, &rows[i].place, 0, false),
				 rows[i].want);
		assert_int_equal(x.num, 99);
	}
}

static void memory_check(void **state)
{
	static const struct {
		struct vring_memory m;
		bool want;
	} rows[] = {
		{ { 0, { { 0 } } }, false },
		{ { 1, { { 0, 0, 4096, low } } }, true },
		{ { 1, { { 0, 0, 0, low } } }, false },
		{ { 1, { { UINT64_MAX, 0, 2, low } } }, false },
		{ { 1, { { 0, UINT64_MAX, 2, low } } }, false },
		{ { 2, { { 0, 0, 4096, low }, { 4095, 8192, 1, low } } }, false },
		{ { 2, { { 0, 0, 4096, low }, { 4096, 8192, 1, low } } }, true },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++)
		assert_int_equal(vring_memory_check(&rows[i].m), rows[i].want);
}

static void signals(void **state)
{
	static const struct {
		bool event_idx;
		uint16_t wanted; /* used_event, or the available ring's flags */
		uint16_t pushed;
		bool want;
	} rows[] = {
		{ false, 0, 1, true }, { false, 1, 1, false }, { true, 0, 1, true },
		{ true, 1, 1, false }, { true, 1, 2, true },   { true, 7, 8, true },
	};

	(void)state;
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		reset(rows[i].event_idx);
		(void)vring_must_signal(&vr); /* the first is always sent */
		le_put16(low + AVAIL, rows[i].event_idx ? 0 : rows[i].wanted);
		le_put16(low + AVAIL + 4 + 2 * NUM, rows[i].event_idx ? rows[i].wanted : 0);
		for (uint16_t k = 0; k < rows[i].pushed; k++)
			vring_push(&vr, 0, 0);
		assert_int_equal(vring_must_signal(&vr), rows[i].want);
		assert_false(vring_must_signal(&vr));
	}
}

static void kicks(void **state)
{
	(void)state;
	reset(true);
	assert_false(vring_ask_kick(&vr));
	offer(0);
	assert_true(vring_ask_kick(&vr));
	assert_int_equal(le_get16(low + USED + 4 + 8 * NUM), 0);
	reset(false);
	vring_no_kick(&vr);
	assert_int_equal(le_get16(low + USED), 1);
	assert_false(vring_ask_kick(&vr));
	assert_int_equal(le_get16(low + USED), 0);
}

static void two_rings_apart(void **state)
{
	static const struct {
		struct vring_place place;
		bool apart;
	} rows[] = {
		{ { USER + 2048, USER + 5120, USER + 7168 }, true },
		{ { USER, USER + 5120, USER + 7168 }, true }, /* only read: its own affair */
		{ { USER + 2048, USER + 5120, USER + 6144 }, false }, /* one used ring for both */
		{ { USER + 2048, USER + 5120, USER + 4096 }, false }, /* used on available */
		{ { USER + 2048, USER + 5120, USER + 64 }, false },   /* used on descriptors */
		{ { USER + 2048, USER + 6144, USER + 7168 }, false }, /* available on used */
	};
	const struct vring_place first = { USER, USER + 4096, USER + 6144 };
	struct vring a, b;

	(void)state;
	assert_int_equal(vring_attach(&a, &mem, 8, &first, 0, false), VRING_OK);
	for (size_t i = 0; i < BB_ARRAY_LEN(rows); i++) {
		assert_int_equal(vring_attach(&b, &mem, 8, &rows[i].place, 0, false), VRING_OK);
		assert_int_equal(vring_apart(&a, &b), rows[i].apart);
		assert_int_equal(vring_apart(&b, &a), rows[i].apart);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_rings_apart), cmocka_unit_test(pops_and_pushes),
		cmocka_unit_test(indirect),        cmocka_unit_test(refuses),
		cmocka_unit_test(attach_refuses),  cmocka_unit_test(memory_check),
		cmocka_unit_test(signals),         cmocka_unit_test(kicks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
