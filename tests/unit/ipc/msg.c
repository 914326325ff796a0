/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/msg.h"
#include "tests/unit/unit.h"

static uint8_t wire[IPC_MSG_MAX];

static size_t encode_record(void)
{
	struct ipc_msg m = { .type = IPC_RECORD, .fd = -1, .flow = 0x1122334455667788u };
	size_t len = 0;

	m.u.record = (struct ipc_record){ .seq = 7,
					  .ack = 1,
					  .kind = IPC_RECORD_VERDICT,
					  .port = 443,
					  .bytes_out = 1ull << 40,
					  .addr = { 4, { 192, 0, 2, 1 } },
					  .host = BB_SPAN_STR("allowed.test"),
					  .path = BB_SPAN_STR("/") };
	assert_int_equal(ipc_encode(&m, wire, &len), IPC_OK);
	return len;
}

static void round_trip(void **state)
{
	size_t len = encode_record();
	struct ipc_msg back;

	(void)state;
	assert_int_equal(ipc_decode((struct bb_span){ wire, len }, -1, &back), IPC_OK);
	assert_int_equal(back.type, IPC_RECORD);
	assert_true(back.flow == 0x1122334455667788u);
	assert_true(back.u.record.bytes_out == 1ull << 40);
	assert_int_equal(back.u.record.addr.a[0], 192);
	assert_true(bb_span_eq(back.u.record.host, BB_SPAN_STR("allowed.test")));
	assert_int_equal(back.u.record.rule.len, 0);
}

/* Every prefix, and one octet more, is refused; nothing is read past the end (ASan) */
static void exact_length_only(void **state)
{
	size_t len = encode_record();

	(void)state;
	for (size_t n = 0; n <= len + 1; n++) {
		bb_auto_free uint8_t *copy = malloc(n + 1);
		struct ipc_msg back = { .type = IPC_NONE };
		enum ipc_result r;

		memcpy(copy, wire, n);
		r = ipc_decode((struct bb_span){ copy, n }, -1, &back);
		if (n == len)
			assert_int_equal(r, IPC_OK);
		else
			assert_true(r != IPC_OK && back.type == IPC_NONE);
	}
}

static void fd_rules(void **state)
{
	struct ipc_msg m = { .type = IPC_PEER, .fd = -1, .u.peer.role = IPC_ROLE_GATE }, back;
	size_t len;

	(void)state;
	assert_int_equal(ipc_encode(&m, wire, &len), IPC_FD_MISSING);
	m.fd = 0;
	assert_int_equal(ipc_encode(&m, wire, &len), IPC_OK);
	assert_int_equal(ipc_decode((struct bb_span){ wire, len }, -1, &back), IPC_FD_MISSING);
	assert_int_equal(ipc_decode((struct bb_span){ wire, len }, 0, &back), IPC_OK);
	assert_int_equal(back.fd, 0);
}

static void refused_values(void **state)
{
	struct ipc_msg m = { .type = IPC_PEER, .fd = 0, .u.peer.role = IPC_NUM_ROLES }, back;
	size_t len;

	(void)state;
	assert_int_equal(ipc_encode(&m, wire, &len), IPC_OK);
	assert_int_equal(ipc_decode((struct bb_span){ wire, len }, 0, &back), IPC_VALUE);
	len = encode_record();
	wire[2] = 2;
	assert_int_equal(ipc_decode((struct bb_span){ wire, len }, -1, &back), IPC_VERSION);
	wire[2] = 1;
	wire[0] = 0xff;
	assert_int_equal(ipc_decode((struct bb_span){ wire, len }, -1, &back), IPC_TYPE);
}

static void spans_have_caps(void **state)
{
	static const uint8_t big[IPC_TEXT_MAX + 1];
	struct ipc_msg m = { .type = IPC_LOG_LINE, .fd = -1, .u.text.text = { big, sizeof(big) } };
	size_t len;

	(void)state;
	assert_int_equal(ipc_encode(&m, wire, &len), IPC_LONG);
	m.u.text.text.len--;
	assert_int_equal(ipc_encode(&m, wire, &len), IPC_OK);
}

static void permit_table(void **state)
{
	(void)state;
	assert_true(ipc_permitted(IPC_ROLE_GATE, IPC_ROLE_DIALER, IPC_DIAL_ADDR));
	assert_false(ipc_permitted(IPC_ROLE_EGRESS, IPC_ROLE_DIALER, IPC_DIAL_ADDR));
	assert_false(ipc_permitted(IPC_ROLE_GATE, IPC_ROLE_KEYD, IPC_SIGN_LEAF));
	assert_false(ipc_permitted(IPC_ROLE_EGRESS, IPC_ROLE_GATE, IPC_DIAL_OK));
	for (int t = 0; t < IPC_NUM_TYPES; t++) {
		assert_false(ipc_permitted(IPC_ROLE_PORTER, IPC_ROLE_DIALER, (enum ipc_type)t));
		assert_string_not_equal(t ? ipc_type_name((enum ipc_type)t) : "x", "?");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),      cmocka_unit_test(exact_length_only),
		cmocka_unit_test(fd_rules),        cmocka_unit_test(refused_values),
		cmocka_unit_test(spans_have_caps), cmocka_unit_test(permit_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
