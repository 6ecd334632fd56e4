/* SPDX-License-Identifier: MIT */
/* Rows: what text each type takes, what it says of other text, and comparing. */
#include "kind.h"
#include "model.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static const struct attr *row_of(const struct attr_table *t, const char *key)
{
	int i = attr_find(t, key);

	assert_true(i >= 0);
	return &t->rows[i];
}

/* --- text -> value -> text ------------------------------------------------------ */

union object {
	struct link link;
	struct route route;
	struct address address;
	struct netns netns;
	struct probe probe;
	char bytes[4096];
};

static const struct good {
	const struct attr_table *table;
	const char *key, *text, *again; /* again NULL: the same */
} good[] = {
	{&link_table, "mtu", "68", NULL},
	{&link_table, "mtu", "65535", NULL},
	{&link_table, "state", "down", NULL},
	{&link_table, "mac", "02:00:00:00:00:01", NULL},
	{&link_table, "mac", "02:AB:cd:00:00:01", "02:ab:cd:00:00:01"},
	{&link_table, "peer", "foo:eth0", NULL},
	{&link_table, "peer", "eth0.10", NULL},
	{&address_table, "address", "10.0.0.1/24", NULL},
	{&address_table, "address", "10.0.0.1", "10.0.0.1/32"},
	{&address_table, "address", "FE80:0::1/64", "fe80::1/64"},
	{&address_table, "address", "::ffff:10.0.0.1/128", NULL},
	{&address_table, "peer", "0.0.0.0/0", NULL},
	{&address_table, "scope", "link", NULL},
	{&address_table, "scope", "7", NULL},
	{&address_table, "scope", "253", "link"},
	{&address_table, "dad", "true", NULL},
	{&probe_table, "within", "5s", NULL},
	{&probe_table, "within", "1500ms", NULL},
	{&probe_table, "within", "1000us", "1ms"},
	{&probe_table, "within", "60000ms", "1min"},
	{&probe_table, "within", "60min", NULL},
	{&probe_table, "from", "foo", NULL},
	{&probe_table, "to", "10.0.0.1", NULL},
	{&probe_table, "to", "FD00:0::1", "fd00::1"},
	{&probe_table, "to", "foo:eth0", NULL},
	{&route_table, "to", "default", NULL},
	{&route_table, "to", "10.9.9.8/30", NULL},
	{&route_table, "to", "10.9.9.8", NULL},
	{&route_table, "to", "::/0", "default"},
	{&route_table, "via", "fe80::1", NULL},
	{&route_table, "metric", "4294967295", NULL},
	{&route_table, "table", "main", NULL},
	{&route_table, "table", "254", "main"},
	{&route_table, "table", "1000", NULL},
	{&route_table, "proto", "bird", NULL},
	{&route_table, "type", "blackhole", NULL},
	{&netns_table, "forwarding", "true", NULL},
	{&netns_table, "forwarding", "ipv6", NULL},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct attr *row = row_of(good[i].table, good[i].key);
		const char *why = NULL, *hint = NULL;
		const char *again = good[i].again ? good[i].again : good[i].text;
		struct arena arena = {0};
		struct buf out = {0};
		union object o = {0};

		if (attr_parse(row, good[i].text, &o, &arena, &why, &hint) < 0)
			fail_msg("%s: %s: %s", good[i].key, good[i].text, why);
		attr_format(row, &o, &out);
		assert_string_equal(buf_text(&out), again);
		buf_free(&out);
		arena_free(&arena);
	}
}

static const struct bad {
	const struct attr_table *table;
	const char *key, *text, *why, *hint;
	int code;
} bad[] = {
	{&link_table, "mtu", "67", "mtu must be 68 to 65535 (bytes)", NULL, -ERANGE},
	{&link_table, "mtu", "-5", "mtu must be 68 to 65535 (bytes)", NULL, -ERANGE},
	{&link_table, "mtu", "99999999999999999999999", "mtu must be 68 to 65535 (bytes)", NULL,
	 -ERANGE},
	{&link_table, "mtu", "", "mtu must be a number, not empty", NULL, -EINVAL},
	{&link_table, "mtu", "0x10", "mtu must be a decimal number, not hexadecimal \"0x10\"",
	 "write 16", -EINVAL},
	{&link_table, "mtu", "0o17", "mtu must be a decimal number, not octal \"0o17\"", "write 15",
	 -EINVAL},
	{&link_table, "mtu", "01500",
	 "mtu must be a decimal number without leading zeros: \"01500\" is ambiguous (octal to "
	 "some)",
	 "write 1500", -EINVAL},
	{&link_table, "mtu", "1_500", "mtu must be a number in plain digits, not \"1_500\"",
	 "write 1500", -EINVAL},
	{&link_table, "mtu", "1e3", "mtu must be a whole number in plain digits, not \"1e3\"", NULL,
	 -EINVAL},
	{&link_table, "mtu", "1:30", "mtu must be a whole number in plain digits, not \"1:30\"",
	 NULL, -EINVAL},
	{&link_table, "mtu", "1500.0", "mtu must be a whole number in plain digits, not \"1500.0\"",
	 NULL, -EINVAL},
	{&link_table, "mtu", "+1500", "mtu must be a number without a sign", "write 1500", -EINVAL},
	{&link_table, "mtu", " 1500", "mtu must be a number, not \" 1500\"", NULL, -EINVAL},
	{&link_table, "mtu", "1500b", "mtu must be a number, not \"1500b\"",
	 "write the number of bytes, without a unit", -EINVAL},
	{&link_table, "mtu", "big", "mtu must be a number, not \"big\"", NULL, -EINVAL},
	{&link_table, "state", "upp", "state must be up or down, not \"upp\"", "did you mean up?",
	 -EINVAL},
	{&address_table, "dad", "yes", "dad must be true or false, not \"yes\"",
	 "booleans are true or false", -EINVAL},
	{&address_table, "dad", "True", "dad must be true or false, not \"True\"",
	 "booleans are true or false", -EINVAL},
	{&address_table, "dad", "1", "dad must be true or false, not \"1\"", NULL, -EINVAL},
	{&netns_table, "forwarding", "on",
	 "forwarding must be true, false, ipv4 or ipv6, not \"on\"", "booleans are true or false",
	 -EINVAL},
	{&netns_table, "forwarding", "ipv5",
	 "forwarding must be true, false, ipv4 or ipv6, not \"ipv5\"", "did you mean ipv4?",
	 -EINVAL},
	{&link_table, "mac", "02-00-00-00-00-01",
	 "mac must be six octets such as 02:00:00:00:00:01, not \"02-00-00-00-00-01\"",
	 "write 02:00:00:00:00:01", -EINVAL},
	{&link_table, "mac", "0200.0000.0001",
	 "mac must be six octets such as 02:00:00:00:00:01, not \"0200.0000.0001\"",
	 "write 02:00:00:00:00:01", -EINVAL},
	{&link_table, "mac", "02:00:00:00:00",
	 "mac must be six octets such as 02:00:00:00:00:01, not \"02:00:00:00:00\"", NULL, -EINVAL},
	{&link_table, "mac", "00:00:00:00:00:00", "mac must not be all zero", NULL, -EINVAL},
	{&link_table, "mac", "01:00:5e:00:00:01",
	 "mac must be a unicast address; 01:00:5e:00:00:01 is a multicast one",
	 "the first octet must be even: 02 is a good one for a lab", -EINVAL},
	{&link_table, "master", "br 0",
	 "master must be an interface name: \"br 0\" has white space in it", NULL, -EINVAL},
	{&link_table, "peer", "a:b:c",
	 "peer must be IFNAME or NAMESPACE:IFNAME; in \"a:b:c\" the interface's name has a : or % "
	 "in it",
	 NULL, -EINVAL},
	{&link_table, "peer", ":eth0",
	 "peer must be IFNAME or NAMESPACE:IFNAME; in \":eth0\" the namespace's name is empty",
	 NULL, -EINVAL},
	{&address_table, "address", "10.0.0.1/33",
	 "address must have a prefix length of 0 to 32, not \"10.0.0.1/33\"", NULL, -EINVAL},
	{&address_table, "address", "10.0.0.1/024",
	 "address must have a prefix length of 0 to 32, not \"10.0.0.1/024\"",
	 "leave out leading zeros", -EINVAL},
	{&address_table, "address", "10.0.0.1/255.255.255.0",
	 "address must have a prefix length of 0 to 32, not \"10.0.0.1/255.255.255.0\"",
	 "write the netmask as a length: 10.0.0.1/24", -EINVAL},
	{&address_table, "address", "fe80::1%eth0/64",
	 "address must be an address, not \"fe80::1%eth0/64\"",
	 "leave out the zone (%eth0): an address belongs to the interface it stands under, and a "
	 "route says dev",
	 -EINVAL},
	{&address_table, "address", "10.0.0.256/24",
	 "address must be an address, not \"10.0.0.256/24\"",
	 "an IPv4 address has four numbers from 0 to 255", -EINVAL},
	{&address_table, "address", "10.1/24", "address must be an address, not \"10.1/24\"",
	 "an IPv4 address has four numbers from 0 to 255", -EINVAL},
	{&address_table, "address", "10.0.0.010/24",
	 "address must be an address, not \"10.0.0.010/24\"",
	 "leave out leading zeros: some read them as octal", -EINVAL},
	{&route_table, "to", "defualt",
	 "to must be default, a network or an address, not \"defualt\"", NULL, -EINVAL},
	{&route_table, "via", "10.0.0.1/24", "via must be an address without a prefix length",
	 "write 10.0.0.1", -EINVAL},
	{&route_table, "via", "", "via must be an address, not empty", NULL, -EINVAL},
	{&route_table, "table", "mian",
	 "table must be a number from 1 to 4294967295 or a name of rt_tables, not \"mian\"",
	 "did you mean main?", -EINVAL},
	{&route_table, "table", "unspec", "table must be 1 to 4294967295, not 0 (unspec)", NULL,
	 -ERANGE},
	{&probe_table, "within", "5",
	 "within must be a whole number with its unit (min, s, ms or us), not \"5\"",
	 "as in 5s or 500ms", -EINVAL},
	{&probe_table, "within", "1.5s",
	 "within must be a whole number with its unit (min, s, ms or us), not \"1.5s\"", NULL,
	 -EINVAL},
	{&probe_table, "within", "s",
	 "within must be a whole number with its unit (min, s, ms or us), not \"s\"", NULL,
	 -EINVAL},
	{&probe_table, "within", "0s", "within must be 1ms to 60min", NULL, -ERANGE},
	{&probe_table, "within", "61min", "within must be 1ms to 60min", NULL, -ERANGE},
	{&probe_table, "within", "99999999999999999999min", "within must be 1ms to 60min", NULL,
	 -ERANGE},
	{&probe_table, "from", "a/b", "from must be a namespace's name: \"a/b\" has a / or : in it",
	 NULL, -EINVAL},
	{&probe_table, "to", "10.0.0.1/24",
	 "to must be an address or NAMESPACE:IFNAME, not \"10.0.0.1/24\"",
	 "leave out the prefix length", -EINVAL},
	{&probe_table, "to", "eth0", "to must be an address or NAMESPACE:IFNAME, not \"eth0\"",
	 NULL, -EINVAL},
	{&probe_table, "to", "fd00::g",
	 "to must be an address or NAMESPACE:IFNAME, not \"fd00::g\"", NULL, -EINVAL},
	{&probe_table, "to", ":eth0",
	 "to must be IFNAME or NAMESPACE:IFNAME; in \":eth0\" the namespace's name is empty", NULL,
	 -EINVAL},
	{&route_table, "proto", "256", "proto must be 0 to 255", NULL, -ERANGE},
	{&address_table, "label", "eth0:0123456789012",
	 "label must be at most 15 bytes long, not 18", NULL, -ERANGE},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct attr *row = row_of(bad[i].table, bad[i].key);
		const char *why = NULL, *hint = NULL;
		struct arena arena = {0};
		union object o = {0}, before = o;

		assert_int_equal(attr_parse(row, bad[i].text, &o, &arena, &why, &hint),
				 bad[i].code);
		assert_non_null(why);
		assert_string_equal(why, bad[i].why);
		if (!bad[i].hint)
			assert_null(hint);
		else if (!hint)
			fail_msg("%s: %s: no hint", bad[i].key, bad[i].text);
		else
			assert_string_equal(hint, bad[i].hint);
		assert_memory_equal(&o, &before, sizeof(o));
		arena_free(&arena);
	}
}

/* A row that asks for a length says how to write one. */
static void test_length_required(void **state)
{
	static const struct attr row = {.key = "net", .type = ATTR_PREFIX};
	const char *why = NULL, *hint = NULL;
	struct arena arena = {0};
	struct ip ip = {0};

	(void)state;
	assert_int_equal(attr_parse(&row, "10.0.0.1", &ip, &arena, &why, &hint), -EINVAL);
	assert_string_equal(why, "net must have a prefix length");
	assert_string_equal(hint, "write 10.0.0.1/32");
	assert_int_equal(attr_parse(&row, "default", &ip, &arena, &why, &hint), -EINVAL);
	arena_free(&arena);
}

/* However long and strange the text, the message is short and whole. */
static void test_long_text(void **state)
{
	const char *why = NULL, *hint = NULL;
	struct arena arena = {0};
	struct link link = {0};
	char text[4096];

	(void)state;
	for (size_t i = 0; i + 3 <= sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 3);
	for (size_t i = 0; i < link_table.n; i++) {
		const struct attr *row = &link_table.rows[i];

		if (!attr_is_scalar(row) || row->offset == UINT16_MAX)
			continue;
		assert_int_equal(attr_parse(row, text, &link, &arena, &why, &hint), -EINVAL);
		assert_true(strlen(why) < 200);
		assert_true(str_is_utf8(why, strlen(why)));
	}
	arena_free(&arena);
}

/* --- addresses -------------------------------------------------------------------- */

static struct ip ip(const char *text)
{
	struct ip value = {0};

	assert_int_equal(ip_parse(text, strchr(text, '/'), &value), 0);
	return value;
}

static void test_ip(void **state)
{
	static const char *const wrong[] = {
		"",	     "10.0.0", "10.0.0.1.2",	"010.0.0.1",   "10.0.0.1 ",
		" 10.0.0.1", "::1%lo", "1::2::3",	"0x0a.0.0.1",  "g::1",
		"10.0.0.1/", "/24",    "10.0.0.1/24/1", "10.0.0.1/-1", "10.0.0.1/1000",
		"::1/129"};
	struct ip a = ip("10.1.2.3/20"), b = ip("2001:db8::1/61"), net;
	char text[IP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(ip_parse(wrong[i], strchr(wrong[i], '/'), &a), -EINVAL);
	assert_int_equal(ip_parse("10.0.0.1", true, &a), -EINVAL);
	assert_int_equal(ip_parse("10.0.0.1/24", false, &a), -EINVAL);
	net = ip_network(&a);
	assert_string_equal(ip_format(&net, true, text), "10.1.0.0/20");
	b = ip("2001:db8:0:f::1/61");
	net = ip_network(&b);
	assert_string_equal(ip_format(&net, true, text), "2001:db8:0:8::/61");
	b = ip("::1/128");
	net = ip_network(&b);
	assert_int_equal(ip_compare(&net, &b), 0);
	a = ip("10.1.0.0/20");
	b = ip("10.1.15.255");
	assert_true(ip_contains(&a, &b));
	b = ip("10.1.16.0");
	assert_false(ip_contains(&a, &b));
	b = ip("::1");
	assert_false(ip_contains(&a, &b));
	a = ip("0.0.0.0/0");
	assert_false(ip_contains(&a, &b));
	a = ip("::/0");
	assert_true(ip_contains(&a, &b));
	a = ip("febf::1");
	assert_true(ip_is_link_local(&a));
	a = ip("fec0::1");
	assert_false(ip_is_link_local(&a));
	a = ip_of_mac(&(struct mac){.bytes = {0x02, 0xaa, 0, 0xbb, 0xcc, 0x20}, .set = 1});
	b = ip("fe80::aa:ff:febb:cc20/64");
	assert_int_equal(ip_compare(&a, &b), 0);
}

/* --- comparing ---------------------------------------------------------------------- */

static void test_differences(void **state)
{
	struct link want = {0}, have = {0};
	const uint64_t state_bit = LINK_BIT("state"), mtu = LINK_BIT("mtu");
	const uint64_t master = LINK_BIT("master"), mac = LINK_BIT("mac");

	(void)state;
	attr_fill(&link_table, &want, 0);
	attr_fill(&link_table, &have, 0);
	assert_int_equal(want.state, LINK_UP);
	have.mtu = 9000;
	have.state = LINK_DOWN;
	have.master = "br0";
	/* automatic: not compared when absent; others only when all are */
	assert_int_equal(attr_differences(&link_table, &want, 0, &have, UINT64_MAX, false), 0);
	assert_int_equal(attr_differences(&link_table, &want, 0, &have, UINT64_MAX, true),
			 state_bit | master);
	want.mtu = 1500;
	assert_int_equal(attr_differences(&link_table, &want, mtu, &have, UINT64_MAX, false), mtu);
	/* what the kernel did not report counts as initial, whatever stands there */
	assert_int_equal(attr_differences(&link_table, &want, 0, &have, 0, true), 0);
	assert_int_equal(attr_differences(&link_table, &want, mac, &have, mac, true) & mac, 0);
	want.mac = (struct mac){{2, 0, 0, 0, 0, 1}, 1};
	assert_int_equal(attr_differences(&link_table, &want, mac, &have, mac, false), mac);
	have.mac = want.mac;
	assert_int_equal(attr_differences(&link_table, &want, mac, &have, mac, false), 0);
}

static void test_fill_keeps_given(void **state)
{
	struct route r = {.metric = 7, .table = 9};

	(void)state;
	attr_fill(&route_table, &r, attr_bit(&route_table, "table"));
	assert_int_equal(r.table, 9);
	assert_int_equal(r.metric, 0);
	assert_int_equal(r.proto, RTPROT_STATIC);
}

/* Every table: no row forgets its key or help, none is there twice, bounds hold. */
static void check_table(const struct attr_table *t)
{
	assert_true(t->n <= 64);
	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];

		assert_non_null(row->key);
		assert_non_null(row->help);
		assert_int_equal(attr_find(t, row->key), i);
		assert_true(row->help[strlen(row->help) - 1] != '.');
		if (row->type == ATTR_UINT || row->type == ATTR_NUMBER_NAME)
			assert_true(row->min < row->max);
		if (row->type == ATTR_UINT && row->initial)
			assert_in_range(row->initial, row->min, row->max);
		if (row->type == ATTR_CHOICE)
			assert_non_null(row->choices);
	}
}

static void test_tables(void **state)
{
	static const struct attr_table *const tables[] = {
		&address_table, &nexthop_table,	 &route_table,	&link_table,
		&netns_table,	&external_table, &ignore_table, &ignore_route_table,
		&file_table,	&defaults_table, &cable_table,	&probe_table,
	};
	const struct kind *const *kinds;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		check_table(tables[i]);
	kinds = kind_list(&n);
	for (size_t i = 0; i < n; i++) {
		check_table(&kinds[i]->table);
		assert_ptr_equal(kind_find(kinds[i]->name), kinds[i]);
		/* one mapping holds both: a key may be in one of them only */
		for (size_t j = 0; j < kinds[i]->table.n; j++)
			assert_int_equal(attr_find(&link_table, kinds[i]->table.rows[j].key), -1);
	}
	assert_null(kind_find("briDge"));
}

static void test_names(void **state)
{
	uint32_t number = 77;

	(void)state;
	assert_true(names_lookup(NAMES_SCOPE, "universe", &number));
	assert_int_equal(number, 0);
	assert_true(names_lookup(NAMES_TABLE, "local", &number));
	assert_int_equal(number, 255);
	assert_string_equal(names_name(NAMES_SCOPE, 0), "global");
	assert_string_equal(names_name(NAMES_PROTO, 186), "bgp");
	assert_null(names_name(NAMES_TABLE, 7));
	number = 77;
	assert_false(names_lookup(NAMES_TABLE, "../../etc/passwd", &number));
	assert_false(names_lookup(NAMES_TABLE, "", &number));
	assert_false(names_lookup(NAMES_NONE, "main", &number));
	assert_int_equal(number, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_length_required),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_ip),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_fill_keeps_given),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
