/* SPDX-License-Identifier: MIT */
/* Rows on the wire: every form there and back, whatever kinds use it today, and attributes of a size
 * that the row does not ask for. */
#include "attr_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct object {
	uint32_t u8, u16, u32, be16, be32, flag, scaled, local;
	const char *text;
	struct mac mac;
	struct ip ip4, ip6, unset;
};

enum { U8 = 1, U16, U32, BE16, BE32, FLAG, SCALED, TEXT, MAC, IP4, IP6, UNSET, COUNT };

static const struct attr rows[] = {
	{.type = ATTR_UINT, FIELD_U32(struct object, u8), .nla = U8, .wire = WIRE_U8},
	{.type = ATTR_UINT, FIELD_U32(struct object, u16), .nla = U16, .wire = WIRE_U16},
	{.type = ATTR_CHOICE, FIELD_U32(struct object, u32), .nla = U32, .wire = WIRE_U32},
	{.type = ATTR_UINT, FIELD_U32(struct object, be16), .nla = BE16, .wire = WIRE_BE16},
	{.type = ATTR_NUMBER_NAME, FIELD_U32(struct object, be32), .nla = BE32, .wire = WIRE_BE32},
	{.type = ATTR_BOOL, FIELD_U32(struct object, flag), .nla = FLAG, .wire = WIRE_FLAG},
	{.type = ATTR_UINT,
	 FIELD_U32(struct object, scaled),
	 .nla = SCALED,
	 .wire = WIRE_U32,
	 .scale = 100},
	{.type = ATTR_UINT, FIELD_U32(struct object, local), .wire = WIRE_NONE},
	{.type = ATTR_TEXT, FIELD_TEXT(struct object, text), .nla = TEXT, .wire = WIRE_STRING},
	{.type = ATTR_MAC, FIELD_MAC(struct object, mac), .nla = MAC, .wire = WIRE_BYTES},
	{.type = ATTR_ADDRESS, FIELD_IP(struct object, ip4), .nla = IP4, .wire = WIRE_BYTES},
	{.type = ATTR_ADDRESS, FIELD_IP(struct object, ip6), .nla = IP6, .wire = WIRE_BYTES},
	{.type = ATTR_ADDRESS, FIELD_IP(struct object, unset), .nla = UNSET, .wire = WIRE_BYTES},
};
static const struct attr_table table = {.rows = rows, .n = ARRAY_SIZE(rows)};

static const struct object sample = {
	.u8 = 200,
	.u16 = 0x1234,
	.u32 = 0xfedcba98,
	.be16 = 0x1234,
	.be32 = 0x12345678,
	.flag = 1,
	.scaled = 15,
	.local = 7,
	.text = "word",
	.mac = {.bytes = {2, 0, 0, 0, 0, 1}, .set = 1},
	.ip4 = {.family = AF_INET, .len = 32, .bytes = {10, 0, 0, 1}},
	.ip6 = {.family = AF_INET6, .len = 128, .bytes = {0xfe, 0x80, [15] = 1}},
};

static const struct attr *row_of(int nla)
{
	for (size_t i = 0; i < table.n; i++)
		if (rows[i].nla == nla)
			return &rows[i];
	fail();
	return NULL;
}

static struct nl_msg *put(const struct object *object, struct nlattr *tb[COUNT])
{
	struct nl_msg *msg = nlmsg_alloc();

	assert_non_null(nlmsg_put(msg, 0, 0, 16, 0, 0));
	assert_int_equal(attr_put_rows(msg, &table, UINT64_MAX, object), 0);
	assert_int_equal(nlmsg_parse(nlmsg_hdr(msg), 0, tb, COUNT - 1, NULL), 0);
	return msg;
}

static void test_there_and_back(void **state)
{
	struct nlattr *tb[COUNT];
	struct nl_msg *msg = put(&sample, tb);
	struct object got = {.local = 9};
	struct arena arena = {0};
	uint64_t mask = attr_get_rows(&table, tb, COUNT - 1, &arena, &got);

	(void)state;
	for (size_t i = 0; i < table.n; i++) {
		bool travels = rows[i].wire != WIRE_NONE && rows[i].nla != UNSET;

		assert_int_equal(mask >> i & 1, travels);
		assert_true(!travels || attr_equal(&rows[i], &sample, &got));
	}
	assert_int_equal(got.local, 9);
	assert_int_equal(got.unset.family, 0);
	/* What the kernel sees. */
	assert_int_equal(nla_get_u16(tb[BE16]), htons(0x1234));
	assert_int_equal(nla_get_u32(tb[BE32]), htonl(0x12345678));
	assert_int_equal(nla_get_u32(tb[SCALED]), 1500);
	assert_int_equal(nla_len(tb[FLAG]), 0);
	arena_free(&arena);
	nlmsg_free(msg);
}

static void test_what_is_not_set_is_not_sent(void **state)
{
	static const struct object nothing;
	struct nlattr *tb[COUNT];
	struct nl_msg *msg = put(&nothing, tb);
	struct object got = {.flag = 1};
	struct arena arena = {0};

	(void)state;
	for (int nla = FLAG; nla < COUNT; nla++)
		assert_true(nla == SCALED ? !!tb[nla] : !tb[nla]);
	/* That a flag is not there is a value; that a number is not there is none. */
	tb[U8] = NULL;
	assert_int_equal(attr_get_rows(&table, tb, COUNT - 1, &arena, &got) & 0x21, 0x20);
	assert_int_equal(got.flag, 0);
	arena_free(&arena);
	nlmsg_free(msg);
}

static void test_scale_rounds(void **state)
{
	struct object got = {0};
	struct nl_msg *msg = nlmsg_alloc();

	(void)state;
	nla_put_u32(msg, SCALED, 1549);
	nla_put_u32(msg, SCALED, UINT32_MAX);
	struct nlattr *nla = nlmsg_data(nlmsg_hdr(msg));
	assert_true(attr_get(row_of(SCALED), nla, NULL, &got));
	assert_int_equal(got.scaled, 15);
	assert_true(attr_get(row_of(SCALED), (struct nlattr *)((char *)nla + 8), NULL, &got));
	assert_int_equal(got.scaled, 42949673);
	nlmsg_free(msg);
}

/* A text without its end, and attributes of a size that is not the row's. */
static void test_sizes(void **state)
{
	static const char bytes[64] = "a text that goes on and on, beyond any field of this object";
	struct arena arena = {0};
	struct object got = sample;

	(void)state;
	for (int size = 0; size <= 20; size++) {
		for (size_t i = 0; i < table.n; i++) {
			const struct attr *row = &rows[i];
			struct nl_msg *msg = nlmsg_alloc();
			bool is_address = row->type == ATTR_ADDRESS;
			bool fits =
				row->wire == WIRE_STRING || row->wire == WIRE_FLAG ||
				(row->wire == WIRE_U8 && size == 1) ||
				((row->wire == WIRE_U16 || row->wire == WIRE_BE16) && size == 2) ||
				((row->wire == WIRE_U32 || row->wire == WIRE_BE32) && size == 4) ||
				(row->type == ATTR_MAC && size == 6) ||
				(is_address && (size == 4 || size == 16));

			nla_put(msg, row->nla, size, bytes);
			struct nlattr *nla = nlmsg_data(nlmsg_hdr(msg));
			assert_int_equal(attr_get(row, nla, &arena, &got), fits);
			assert_true(fits || attr_equal(row, &got, &sample));
			if (row->wire == WIRE_STRING)
				assert_int_equal(strlen(got.text), size);
			got = sample;
			nlmsg_free(msg);
		}
	}
	arena_free(&arena);
}

/* A form that the type does not have: nothing is sent, nothing is read. */
static void test_forms_that_do_not_fit(void **state)
{
	static const struct attr odd[] = {
		{.type = ATTR_UINT, FIELD_U32(struct object, u8), .nla = 1, .wire = WIRE_STRING},
		{.type = ATTR_UINT, FIELD_U32(struct object, u8), .nla = 1, .wire = WIRE_BYTES},
		{.type = ATTR_REF, .offset = 0, .nla = 1, .wire = WIRE_STRING},
	};
	struct object got = sample;
	struct nl_msg *msg = nlmsg_alloc();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(attr_put(msg, &odd[i], &sample), 0);
	assert_int_equal(nlmsg_datalen(nlmsg_hdr(msg)), 0);
	nla_put_u32(msg, 1, 4711);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_false(attr_get(&odd[i], nlmsg_data(nlmsg_hdr(msg)), NULL, &got));
	assert_int_equal(got.u8, sample.u8);
	nlmsg_free(msg);
}

static void test_full_message(void **state)
{
	struct nl_msg *msg = nlmsg_alloc_size(NLMSG_HDRLEN + 16);

	(void)state;
	assert_int_equal(attr_put_rows(msg, &table, 0x3, &sample), 0);
	assert_int_equal(attr_put_rows(msg, &table, 0x4, &sample), -EMSGSIZE);
	nlmsg_free(msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_not_set_is_not_sent),
		cmocka_unit_test(test_scale_rounds),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_forms_that_do_not_fit),
		cmocka_unit_test(test_full_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
