/* SPDX-License-Identifier: MIT */
/* The model: order, finds, identity; names and sysctl texts. */
#include "model.h"

#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct ip ip(const char *text)
{
	struct ip value = {0};

	assert_int_equal(ip_parse(text, strchr(text, '/'), &value), 0);
	return value;
}

static void test_sort_and_find(void **state)
{
	struct model *m = model_new();
	struct netns *b = model_add_netns(m, "b", NETNS_OWNED);
	struct netns *a = model_add_netns(m, "a", NETNS_HOST);
	struct link *l2, *l10;
	struct ip x = ip("10.0.0.2/24"), y = ip("10.0.0.1/24");

	(void)state;
	l2 = netns_add_link(m, b, "eth2");
	l10 = netns_add_link(m, b, "eth10");
	l10->index = 5;
	l2->peer = (struct ref){.netns = "b", .name = "eth10"};
	link_add_address(m, l2, &x);
	link_add_address(m, l2, &y);
	netns_add_sysctl(m, b, "ipv6/b", "1");
	netns_add_sysctl(m, b, "ipv4/a", "0");
	model_sort(m);
	assert_ptr_equal(m->namespaces.items[0], a);
	assert_ptr_equal(model_find_netns(m, "b"), b);
	assert_null(model_find_netns(m, "c"));
	assert_ptr_equal(netns_find_link(b, "eth2"), l2);
	assert_ptr_equal(netns_find_link(b, "eth10"), l10);
	assert_null(netns_find_link(a, "eth2"));
	assert_ptr_equal(netns_find_index(b, 5), l10);
	assert_ptr_equal(link_peer(m, l2), l10);
	assert_null(link_peer(m, l10));
	assert_string_equal(netns_find_sysctl(b, "ipv4/a")->value, "0");
	assert_null(netns_find_sysctl(b, "ipv4/b"));
	assert_int_equal(ip_compare(&l2->addresses.items[0]->address, &y), 0);
	assert_true(netns_is_external(a));
	assert_false(netns_is_external(b));
	assert_int_equal(b->handle, -1);
	model_free(m);
	model_free(NULL);
}

static void test_stable(void **state)
{
	struct model *m = model_new();
	struct netns *n = model_add_netns(m, "n", NETNS_OWNED);
	struct route *r[40];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(r); i++) {
		r[i] = netns_add_route(m, n);
		r[i]->to = ip("10.0.0.0/8");
		r[i]->metric = i % 2;
	}
	model_sort(m);
	for (uint32_t i = 0; i < ARRAY_SIZE(r); i++)
		assert_ptr_equal(n->routes.items[i], r[i < 20 ? 2 * i : 2 * (i - 20) + 1]);
	model_free(m);
}

static void test_identity(void **state)
{
	struct link l = {.name = "eth0"}, k = {.name = "eth1"};
	struct netns n = {.name = "n"};
	struct address a = {.link = &l}, b = {.link = &l};
	struct route r = {.table = 254}, s = r;

	(void)state;
	l.netns = k.netns = &n;
	a.address = ip("fd00::1/64");
	b.address = ip("fd00::1/128");
	assert_int_equal(address_compare(&a, &b), 0); /* IPv6: whatever the length */
	a.address = ip("10.0.0.1/24");
	assert_true(address_compare(&a, &b) < 0);
	b.address = ip("10.0.0.1/25");
	assert_true(address_compare(&a, &b) != 0);
	b.address = a.address;
	assert_int_equal(address_compare(&a, &b), 0);
	b.peer = ip("10.0.0.2/24");
	assert_true(address_compare(&a, &b) != 0);
	b.peer = a.peer;
	b.link = &k;
	assert_true(address_compare(&a, &b) != 0);

	r.to = ip("10.0.0.0/8");
	s.to = ip("10.0.0.0/9");
	assert_true(route_compare(&r, &s) < 0);
	s.to = r.to;
	assert_int_equal(route_compare(&r, &s), 0);
	s.metric = 1;
	assert_true(route_compare(&r, &s) < 0);
	s.metric = 0;
	s.table = 7;
	assert_true(route_compare(&r, &s) > 0);
	s = r;
	s.via = ip("10.0.0.1");
	assert_int_equal(route_compare(&r, &s), 0);
}

static void test_links(void **state)
{
	struct model *m = model_new();
	struct netns *n = model_add_netns(m, "n", NETNS_OWNED);
	struct link *lo = netns_add_link(m, n, "lo"), *v = netns_add_link(m, n, "v");
	struct buf out = {0};

	(void)state;
	link_set_kind(m, v, kind_find("veth"));
	assert_true(link_is_made(v));
	assert_false(link_is_made(lo));
	assert_int_equal(link_default_mtu(v), 1500);
	assert_int_equal(link_default_mtu(lo), 65536);
	link_set_kind(m, v, kind_find("bridge"));
	assert_int_equal(link_default_mtu(v), 0);
	assert_non_null(v->data);
	for (size_t i = 0; i < v->kind->table.n; i++)
		assert_true(attr_is_initial(&v->kind->table.rows[i], v->data));
	link_id(v, &out);
	assert_string_equal(buf_text(&out), "n:v");
	buf_free(&out);
	model_free(m);
}

static void expect_route(const char *to, const char *via, const char *dev, uint32_t table,
			 uint32_t metric, const char *expected)
{
	struct route r = {.dev = dev, .table = table, .metric = metric};
	struct buf out = {0};

	r.to = ip(to);
	if (via)
		r.via = ip(via);
	route_id(&r, &out);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void test_route_id(void **state)
{
	(void)state;
	expect_route("0.0.0.0/0", "10.0.0.1", "eth0", 7, 0, "default via 10.0.0.1 table 7");
	expect_route("0.0.0.0/0", NULL, NULL, 7, 5, "default table 7 metric 5");
	expect_route("0.0.0.0/0", "fe80::1", "eth0", 254, 0, "0.0.0.0/0 via fe80::1");
	expect_route("::/0", "fe80::1", "eth0", 254, 1024, "default via fe80::1 metric 1024");
	expect_route("::/0", NULL, "eth0", 255, 0, "::/0 dev eth0 table local");
	expect_route("10.0.0.1", NULL, NULL, 254, 0, "10.0.0.1");
}

/* --- names ---------------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const char *const bad_if[] = {"",
					     ".",
					     "..",
					     "a/b",
					     "a:b",
					     "a%b",
					     "a b",
					     "a\tb",
					     "a\n",
					     "-a",
					     "all",
					     "default",
					     "0123456789abcdef",
					     "\xc3\xa0"};
	static const char *const good_if[] = {
		"eth0.10", "0123456789abcde", "...", "$(x)", "\xc3\xa4", "lo", "a-",
		"10",	   "\033[1m"};
	static const char *const bad_ns[] = {"",   ".",	    "..",    "a/b", "a:b",     "a b",
					     "-a", "a\033", "a\x7f", "a\n", "\xc2\x9b"};
	static const char *const good_ns[] = {"host", "a.b", "$(reboot)", "'", "\xc3\xa0", "all"};
	static const char *const bad_lab[] = {"",    ".a",	 "-a", "a b",
					      "a/b", "\xc3\xa4", "..", "a\n"};
	char name[NETNS_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_if); i++)
		assert_non_null(ifname_error(bad_if[i]));
	for (size_t i = 0; i < ARRAY_SIZE(good_if); i++)
		assert_null(ifname_error(good_if[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad_ns); i++)
		assert_non_null(netns_name_error(bad_ns[i]));
	for (size_t i = 0; i < ARRAY_SIZE(good_ns); i++)
		assert_null(netns_name_error(good_ns[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad_lab); i++)
		assert_non_null(lab_name_error(bad_lab[i]));
	memset(name, 'a', sizeof(name));
	name[NETNS_NAME_MAX + 1] = '\0';
	assert_non_null(netns_name_error(name));
	name[NETNS_NAME_MAX] = '\0';
	assert_null(netns_name_error(name));
	name[LAB_NAME_MAX + 1] = '\0';
	assert_non_null(lab_name_error(name));
	name[LAB_NAME_MAX] = '\0';
	assert_null(lab_name_error(name));
}

static void test_sysctl_path(void **state)
{
	static const struct {
		const char *name, *path, *again;
	} cases[] = {
		{"net.ipv4.ip_forward", "ipv4/ip_forward", NULL},
		{"net/ipv4/ip_forward", "ipv4/ip_forward", "net.ipv4.ip_forward"},
		{"net/ipv4/conf/eth0.10/rp_filter", "ipv4/conf/eth0.10/rp_filter",
		 "net.ipv4.conf.eth0/10.rp_filter"},
		{"net.ipv4.conf.eth0/10.rp_filter", "ipv4/conf/eth0.10/rp_filter", NULL},
		{"net", NULL, NULL},
		{"net.", NULL, NULL},
		{"kernel.hostname", NULL, NULL},
		{"network.a", NULL, NULL},
		{"/net/ipv4", NULL, NULL},
		{"net/../kernel/core_pattern", NULL, NULL},
		{"net.//.kernel", NULL, NULL}, /* slash form of ".." */
		{"net/ipv4/./a", NULL, NULL},
		{"net..a", NULL, NULL},
		{"net/a\nb", NULL, NULL},
		{"", NULL, NULL},
	};
	struct arena arena = {0};
	char text[400];
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *path = sysctl_path(&arena, cases[i].name, &why);
		struct buf again = {0};

		if (!cases[i].path) {
			assert_null(path);
			assert_non_null(why);
			continue;
		}
		assert_non_null(path);
		assert_string_equal(path, cases[i].path);
		sysctl_name(path, &again);
		assert_string_equal(buf_text(&again),
				    cases[i].again ? cases[i].again : cases[i].name);
		buf_free(&again);
	}
	memset(text, 'a', sizeof(text));
	memcpy(text, "net/", 4);
	text[sizeof(text) - 1] = '\0';
	assert_null(sysctl_path(&arena, text, &why));
	arena_free(&arena);
}

static void test_sysctl_value(void **state)
{
	static const char *const cases[][2] = {
		{"1", "1"},
		{" 0x1 ", "1"},
		{"010", "8"},
		{"-1", "-1"},
		{"-0x10", "-16"},
		{"-0", "0"},
		{"+1", "+1"},
		{"08", "08"},
		{"0", "0"},
		{"00000010", "00000010"},
		{"32768\t60999\n", "32768 60999"},
		{"cubic", "cubic"},
		{"8080,9148", "8080,9148"},
		{"99999999999999999999999", "99999999999999999999999"},
		{"18446744073709551615", "18446744073709551615"},
		{"", ""},
	};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(sysctl_normalise(&arena, cases[i][0]), cases[i][1]);
	arena_free(&arena);
}

static void test_sysctl_interface(void **state)
{
	size_t n = 0;

	(void)state;
	assert_string_equal(sysctl_interface("ipv4/conf/eth0.10/rp_filter", &n),
			    "eth0.10/rp_filter");
	assert_int_equal(n, 7);
	assert_non_null(sysctl_interface("ipv6/neigh/lo/x", &n));
	assert_null(sysctl_interface("ipv4/conf/all/rp_filter", &n));
	assert_null(sysctl_interface("ipv4/conf/default/rp_filter", &n));
	assert_non_null(sysctl_interface("ipv4/conf/allx/rp_filter", &n));
	assert_null(sysctl_interface("ipv4/conf/eth0", &n));
	assert_null(sysctl_interface("ipv4/ip_forward", &n));
}

static void test_defaults(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_string_equal(netns_defaults[0].path, "ipv4/ip_forward");
	for (size_t i = 0; i < netns_defaults_n; i++) {
		const char *why, *path = arena_printf(&arena, "net/%s", netns_defaults[i].path);

		assert_non_null(sysctl_path(&arena, path, &why));
		assert_string_equal(sysctl_normalise(&arena, netns_defaults[i].value),
				    netns_defaults[i].value);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(netns_defaults[i].path, netns_defaults[j].path);
	}
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort_and_find),	 cmocka_unit_test(test_stable),
		cmocka_unit_test(test_identity),	 cmocka_unit_test(test_links),
		cmocka_unit_test(test_route_id),	 cmocka_unit_test(test_names),
		cmocka_unit_test(test_sysctl_path),	 cmocka_unit_test(test_sysctl_value),
		cmocka_unit_test(test_sysctl_interface), cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
