/* SPDX-License-Identifier: MIT */
/* From a file to what it means: what is filled in, what follows from what. What
 * is wrong with wrong files is told by tests/errors. */
#include "load_internal.h"

#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct loaded {
	struct document doc;
	struct diags d;
	struct model *m;
	int result;
};

static void load_as(struct loaded *l, const char *name, const char *text, bool state)
{
	*l = (struct loaded){0};
	l->result = document_parse(&l->doc, name, text, strlen(text), &l->d);
	assert_int_equal(l->result, 0);
	if (state)
		l->result = load_state(l->doc.root, &l->m, &l->d);
	else
		l->result = load_topology(&l->doc, &l->m, &l->d);
}

static void load_good(struct loaded *l, const char *text)
{
	load_as(l, "lab.yaml", text, false);
	if (l->result < 0)
		diags_print(&l->d, stderr, false);
	assert_int_equal(l->result, 0);
}

static void unload(struct loaded *l)
{
	model_free(l->m);
	diags_free(&l->d);
	document_free(&l->doc);
}

static struct link *link_of(const struct loaded *l, const char *netns, const char *name)
{
	struct netns *n = model_find_netns(l->m, netns);
	struct link *k;

	assert_non_null(n);
	k = netns_find_link(n, name);
	assert_non_null(k);
	return k;
}

static void assert_sysctl(const struct loaded *l, const char *netns, const char *path,
			  const char *value, bool implied)
{
	const struct sysctl *s = netns_find_sysctl(model_find_netns(l->m, netns), path);

	if (!value) {
		assert_null(s);
		return;
	}
	assert_non_null(s);
	assert_string_equal(s->value, value);
	assert_int_equal(s->implied, implied);
}

/* --- names ----------------------------------------------------------------------- */

static void test_lab_name(void **state)
{
	struct loaded l;

	(void)state;
	load_as(&l, "some/where/two.hosts.yaml", "namespaces: {}\n", false);
	assert_int_equal(l.result, 0);
	assert_string_equal(l.m->name, "two.hosts");
	unload(&l);
	load_as(&l, "<stdin>", "namespaces: {}\n", false);
	assert_int_not_equal(l.result, 0);
	assert_null(l.m);
	unload(&l);
	load_as(&l, "<stdin>", "name: x\n", false);
	assert_int_equal(l.result, 0);
	assert_string_equal(l.m->name, "x");
	unload(&l);
}

static void test_topo_takes_its_folders_name(void **state)
{
	char folder[] = "/tmp/nsapply-load-XXXXXX", path[64];
	struct loaded l;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/topo.yaml", folder);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
	load_as(&l, path, "namespaces: {}\n", false);
	assert_int_equal(l.result, 0);
	assert_string_equal(l.m->name, strrchr(folder, '/') + 1);
	unload(&l);
	unlink(path);
	rmdir(folder);
}

static void test_host_and_lo_are_there(void **state)
{
	struct loaded l;

	(void)state;
	load_good(&l, "namespaces:\n  foo:\n");
	assert_int_equal(model_find_netns(l.m, HOST)->class, NETNS_HOST);
	assert_int_equal(model_find_netns(l.m, HOST)->links.n, 0);
	assert_int_equal(link_of(&l, "foo", LOOPBACK)->state, LINK_UP);
	assert_true(link_of(&l, "foo", LOOPBACK)->given & LINK_BIT("state"));
	unload(&l);
}

/* --- cables ------------------------------------------------------------------------ */

static void assert_connected(const struct loaded *l, const char *n1, const char *i1, const char *n2,
			     const char *i2)
{
	struct link *a = link_of(l, n1, i1), *b = link_of(l, n2, i2);

	assert_ptr_equal(link_peer(l->m, a), b);
	assert_ptr_equal(link_peer(l->m, b), a);
	assert_true(a->kind && a->kind->is_pair && b->kind == a->kind);
}

static void test_cables(void **state)
{
	struct loaded l;

	(void)state;
	load_good(&l, "defaults: {interfaces: {mtu: 1400, sysctl: {ipv4.rp_filter: 2}}}\n"
		      "namespaces:\n"
		      "  a:\n"
		      "    interfaces: {x: {mtu: 2000}, z: {peer: 'b:z'}, q: {peer: r}}\n"
		      "  b:\n"
		      "    interfaces: {z: {peer: 'a:z'}, y: {peer: 'a:y'}}\n"
		      "links:\n"
		      "  - {endpoints: [a:x, b:x], mtu: 3000, state: down}\n"
		      "  - [b:y, a:y]\n");
	assert_connected(&l, "a", "x", "b", "x");
	assert_connected(&l, "a", "y", "b", "y");
	assert_connected(&l, "a", "z", "b", "z");
	assert_connected(&l, "a", "q", "a", "r");
	/* Its own key, its cable's, the default. */
	assert_int_equal(link_of(&l, "a", "x")->mtu, 2000);
	assert_int_equal(link_of(&l, "b", "x")->mtu, 3000);
	assert_int_equal(link_of(&l, "b", "x")->state, LINK_DOWN);
	assert_int_equal(link_of(&l, "b", "y")->mtu, 1400);
	assert_sysctl(&l, "b", "ipv4/conf/y/rp_filter", "2", false);
	assert_sysctl(&l, "b", "ipv4/conf/lo/rp_filter", NULL, false);
	unload(&l);
}

static void test_ports_and_existing(void **state)
{
	struct loaded l;

	(void)state;
	load_good(&l, "defaults: {interfaces: {mtu: 1400}}\n"
		      "namespaces:\n"
		      "  host:\n"
		      "    interfaces:\n"
		      "      br: {kind: bridge, ports: [eth7]}\n"
		      "      old: {addresses: [10.0.0.1/8]}\n"
		      "  foo:\n"
		      "    interfaces: {nic: {from: 'host:eth8'}}\n");
	assert_string_equal(link_of(&l, "host", "eth7")->master, "br");
	assert_null(link_of(&l, "host", "eth7")->kind);
	/* An existing interface keeps what the file does not name. */
	assert_false(link_of(&l, "host", "old")->given & (LINK_BIT("state") | LINK_BIT("mtu")));
	assert_int_equal(link_of(&l, "host", "old")->mtu, 0);
	assert_true(link_of(&l, "host", "br")->given & LINK_BIT("mtu"));
	assert_true(link_of(&l, "foo", "nic")->given & LINK_BIT("state"));
	assert_false(link_of(&l, "foo", "nic")->given & LINK_BIT("mtu"));
	unload(&l);
}

/* What a record says was found there, and is to be put back, need not be what a file may ask for. */
static void test_state_has_no_bounds(void **state)
{
	struct loaded l;

	(void)state;
	load_as(&l, "record",
		"host:\n"
		"  interfaces:\n"
		"    lo: {mtu: 65536}\n"
		"    bond0: {mac: '00:00:00:00:00:00', master: '-br'}\n"
		"  routes:\n"
		"    - {to: 10.0.0.0/8, dev: all}\n",
		true);
	if (l.result < 0)
		diags_print(&l.d, stderr, false);
	assert_int_equal(l.result, 0);
	assert_int_equal(link_of(&l, "host", "lo")->mtu, 65536);
	assert_true(link_of(&l, "host", "bond0")->mac.set);
	assert_string_equal(link_of(&l, "host", "bond0")->master, "-br");
	unload(&l);
	load_as(&l, "record", "host:\n  interfaces: {lo: {mtu: 4294967296}}\n", true);
	assert_int_not_equal(l.result, 0);
	unload(&l);
}

/* --- sysctls -------------------------------------------------------------------------- */

static void test_forwarding(void **state)
{
	struct loaded l;

	(void)state;
	load_good(&l, "defaults: {sysctl: {net.ipv4.tcp_ecn: 2}}\n"
		      "namespaces:\n"
		      "  host: {forwarding: ipv6}\n"
		      "  silent:\n"
		      "  both: {forwarding: true, sysctl: {net.ipv4.tcp_ecn: 0x1}}\n"
		      "  four: {forwarding: ipv4}\n"
		      "  off: {external: true, forwarding: false}\n");
	assert_sysctl(&l, "host", "ipv4/ip_forward", NULL, false);
	assert_sysctl(&l, "host", "ipv6/conf/all/forwarding", "1", false);
	assert_sysctl(&l, "host", "ipv4/tcp_ecn", NULL, false);
	assert_sysctl(&l, "silent", "ipv4/ip_forward", "0", true);
	assert_sysctl(&l, "silent", "ipv6/conf/all/forwarding", "0", true);
	assert_sysctl(&l, "silent", "ipv4/tcp_ecn", "2", false);
	assert_sysctl(&l, "both", "ipv4/ip_forward", "1", false);
	assert_sysctl(&l, "both", "ipv4/tcp_ecn", "1", false);
	assert_sysctl(&l, "four", "ipv4/ip_forward", "1", false);
	assert_sysctl(&l, "four", "ipv6/conf/all/forwarding", "0", false);
	assert_sysctl(&l, "off", "ipv4/ip_forward", "0", false);
	assert_sysctl(&l, "off", "ipv6/conf/all/forwarding", "0", false);
	unload(&l);
}

/* --- addresses and routes ---------------------------------------------------------------- */

static void test_addresses(void **state)
{
	struct loaded l;
	struct link *k;

	(void)state;
	load_good(&l, "namespaces:\n"
		      "  foo:\n"
		      "    interfaces:\n"
		      "      br:\n"
		      "        kind: bridge\n"
		      "        addresses:\n"
		      "          - {address: 10.0.0.1, peer: 10.0.1.2/30}\n"
		      "          - {address: 10.2.0.1/24, label: br}\n"
		      "          - fe80::1/64\n"
		      "          - {address: 'fd00::1/64', dad: true}\n"
		      "  host: {interfaces: {e: {addresses: ['fd00::2/64']}}}\n");
	k = link_of(&l, "foo", "br");
	assert_int_equal(k->addresses.n, 4);
	assert_int_equal(k->addresses.items[0]->address.len, 30);
	assert_null(k->addresses.items[1]->label);
	assert_int_equal(k->addresses.items[2]->dad, true);
	assert_int_equal(k->addresses.items[3]->scope, RT_SCOPE_LINK);
	assert_int_equal(k->addresses.items[3]->dad, false);
	assert_sysctl(&l, "foo", "ipv6/conf/br/accept_dad", "1", true);
	assert_int_equal(link_of(&l, "host", "e")->addresses.items[0]->dad, true);
	unload(&l);
}

static const struct route_case {
	const char *text;
	uint8_t family;
	uint32_t type, table, scope, metric;
	const char *dev;
	bool resolved;
} routes[] = {
	{"{to: default, via: 10.0.0.2}", AF_INET, RTN_UNICAST, 254, RT_SCOPE_UNIVERSE, 0, "br",
	 true},
	{"{to: default, via: 'fd00::2'}", AF_INET6, RTN_UNICAST, 254, RT_SCOPE_UNIVERSE, 1024, "br",
	 true},
	{"{to: default, via: 'fd00::2', family: inet}", AF_INET, RTN_UNICAST, 254,
	 RT_SCOPE_UNIVERSE, 0, "br", true},
	{"{to: 10.1.0.0/16, dev: br}", AF_INET, RTN_UNICAST, 254, RT_SCOPE_LINK, 0, "br", false},
	{"{to: 10.1.0.0/16, nexthops: [{via: 10.0.0.7}]}", AF_INET, RTN_UNICAST, 254,
	 RT_SCOPE_UNIVERSE, 0, "br", true},
	{"{to: 10.1.0.0/16, type: local, dev: lo}", AF_INET, RTN_LOCAL, 255, RT_SCOPE_HOST, 0, "lo",
	 false},
	{"{to: 10.1.0.0/16, type: throw, table: 7}", AF_INET, RTN_THROW, 7, RT_SCOPE_UNIVERSE, 0,
	 NULL, false},
	{"{to: 'fd01::/64', dev: br, metric: 5}", AF_INET6, RTN_UNICAST, 254, RT_SCOPE_UNIVERSE, 5,
	 "br", false},
	{"{to: 10.1.0.0/16, via: 10.9.0.2}", AF_INET, RTN_UNICAST, 254, RT_SCOPE_UNIVERSE, 0, "p2p",
	 true},
};

static void assert_refused(const char *text, const char *message)
{
	struct loaded l;

	load_as(&l, "lab.yaml", text, false);
	assert_true(l.result < 0);
	assert_int_equal(l.d.errors, 1);
	assert_string_equal(l.d.list.items[0].message, message);
	unload(&l);
}

static void test_too_many_patterns(void **state)
{
	enum { IGNORE_MAX = 1000 };
	cleanup_buf struct buf links = {0}, ignored = {0};

	(void)state;
	buf_puts(&links, "namespaces: {a: {ignore: {interfaces: [x");
	buf_puts(&ignored, "namespaces: {a: {ignore: {routes: [{table: 1}");
	for (int i = 0; i < IGNORE_MAX; i++) {
		buf_puts(&links, ", x");
		buf_puts(&ignored, ", {table: 1}");
	}
	buf_puts(&links, "]}}}\n");
	buf_puts(&ignored, "]}}}\n");
	assert_refused(buf_text(&links), "more than 1000 patterns");
	assert_refused(buf_text(&ignored), "more than 1000 patterns");
}

static void test_too_many_checks(void **state)
{
	enum { PROBES_MAX = 10000 };
	cleanup_buf struct buf text = {0};

	(void)state;
	buf_puts(&text, "namespaces: {a: }\nchecks: [{}");
	for (int i = 0; i < PROBES_MAX; i++)
		buf_puts(&text, ", {}");
	buf_puts(&text, "]\n");
	assert_refused(buf_text(&text), "more than 10000 checks");
}

/* They are there once their module is loaded, so the file need not name them. */
static void test_sysctl_of_a_fallback_device(void **state)
{
	struct loaded l;

	(void)state;
	load_good(&l, "namespaces: {a: {sysctl: {net.ipv4.conf.tunl0.rp_filter: 1}}}\n");
	assert_sysctl(&l, "a", "ipv4/conf/tunl0/rp_filter", "1", false);
	unload(&l);
}

static void test_routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		const struct route_case *c = &routes[i];
		const struct route *r;
		struct loaded l;
		char text[1000];

		snprintf(text, sizeof(text),
			 "namespaces:\n  foo:\n    interfaces:\n"
			 "      br: {kind: bridge, addresses: [10.0.0.1/8, 'fd00::1/64']}\n"
			 "      p2p: {kind: bridge, addresses: [{address: 10.9.0.1, peer: "
			 "10.9.0.2}]}\n"
			 "    routes: [%s]\n",
			 c->text);
		load_good(&l, text);
		r = model_find_netns(l.m, "foo")->routes.items[0];
		assert_int_equal(r->to.family, c->family);
		assert_int_equal(r->type, c->type);
		assert_int_equal(r->table, c->table);
		assert_int_equal(r->scope, c->scope);
		assert_int_equal(r->metric, c->metric);
		assert_int_equal(r->proto, RTPROT_STATIC);
		assert_int_equal(r->nexthops.n, 0);
		if (c->dev)
			assert_string_equal(r->dev, c->dev);
		else
			assert_null(r->dev);
		assert_int_equal(r->dev_resolved, c->resolved);
		unload(&l);
	}
}

static void assert_probe(const struct probe *p, const char *id, uint64_t given)
{
	cleanup_buf struct buf text = {0};

	probe_id(p, &text);
	assert_string_equal(buf_text(&text), id);
	assert_int_equal(p->given, given | PROBE_BIT("from") | PROBE_BIT("to"));
}

/* Which of an interface's addresses is meant, and what is filled in. */
static void test_checks(void **state)
{
	struct probe *const *p;
	struct loaded l;

	(void)state;
	load_good(&l,
		  "namespaces:\n"
		  "  old: {interfaces: {x: {addresses: [10.0.0.9/24, 10.0.0.1/24]}}}\n"
		  "  new: {interfaces: {y: {addresses: ['fe80::1/64', 'fd00::2/64']}}}\n"
		  "  both: {interfaces: {z: {addresses: ['fd00::3/64', 10.0.0.3/24]}}}\n"
		  "links: [[old:x, both:p], [new:y, both:q], [both:z, both:r]]\n"
		  "checks:\n"
		  "  - {from: old, to: 'both:z', via: []}\n"
		  "  - {from: new, to: 'both:z', via: ['both:z'], within: 3s}\n"
		  "  - {from: both, to: 'old:x', protocol: tcp, port: 80}\n"
		  "  - {from: host, to: 'both:z', family: inet, size: 1472, expect: unreachable}\n"
		  "  - {from: host, to: 'both:z', via: [10.0.0.1]}\n");
	assert_int_equal(l.m->probes.n, 5);
	p = l.m->probes.items;
	assert_probe(p[0], "from old to both:z (10.0.0.3)", PROBE_BIT("via"));
	assert_int_equal(p[0]->via.n, 0);
	assert_int_equal(p[0]->within, 2000000);
	assert_int_equal(p[0]->node->mark.line, 7);
	assert_ptr_equal(p[0]->netns, model_find_netns(l.m, "old"));
	assert_ptr_equal(p[0]->link, link_of(&l, "both", "z"));
	assert_probe(p[1], "from new to both:z (fd00::3)", PROBE_BIT("via") | PROBE_BIT("within"));
	assert_int_equal(p[1]->via.n, 1);
	assert_int_equal(p[1]->via.items[0].address.family, AF_INET6);
	assert_int_equal(p[1]->within, 3000000);
	/* the first as the file has them, not as they are sorted */
	assert_probe(p[2], "from both to old:x (10.0.0.9), tcp port 80",
		     PROBE_BIT("protocol") | PROBE_BIT("port"));
	assert_probe(p[3], "from host to both:z (10.0.0.3), 1472 bytes",
		     PROBE_BIT("family") | PROBE_BIT("size") | PROBE_BIT("expect"));
	assert_int_equal(p[3]->expect, EXPECT_UNREACHABLE);
	assert_probe(p[4], "from host to both:z (10.0.0.3)", PROBE_BIT("via"));
	unload(&l);
}

static void test_unknown_gateway_of_host(void **state)
{
	struct loaded l;

	(void)state;
	load_good(&l, "namespaces: {host: {routes: [{to: 10.0.0.0/8, via: 192.0.2.1}]}}\n");
	assert_null(model_find_netns(l.m, HOST)->routes.items[0]->dev);
	unload(&l);
}

/* --- errors ---------------------------------------------------------------------------------- */

/* What is broken is told once; what hangs on it is not told as well. */
static void test_no_cascades(void **state)
{
	static const char *const texts[] = {
		"namespaces: {foo: {interfaces: {b: {kind: brigde, stp: 1}}, routes: [{to: "
		"1.0.0.0/8, dev: b}]}}\n",
		"namespaces: {foo: {interfaces: [b], routes: [{to: 1.0.0.0/8, dev: b}]}}\n",
		"namespaces: {foo: {interfaces: {b: {kind: bridge, mtu: x}, e: {peer: 'host:e', "
		"master: b}}}}\n",
		"namespaces: {foo: {interfaces: {e: {peer: 'oof:e', addresses: [1.0.0.1/8]}},\n"
		" routes: [{to: default, via: 1.0.0.2}]}}\n",
		"namespaces: {foo: {interfaces: {b: {kind: bridge, addresses: [1.0.0.300/8]}},\n"
		" routes: [{to: default, via: 1.0.0.2, src: 1.0.0.1}]}}\n",
		"namespaces: {foo: {external: 1, interfaces: {e: {mtu: 1400}}}}\n",
		"namespaces: {foo: {interfaces: {e: {}}}}\nlinks: [['foe:e', 'host:y']]\n",
		"defaults: {interfaces: {mtu: x}}\nnamespaces: {a: , b: {interfaces: {e: {peer: "
		"'a:e'}}}}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct loaded l;

		load_as(&l, "lab.yaml", texts[i], false);
		if (l.d.errors != 1)
			diags_print(&l.d, stderr, false);
		assert_int_not_equal(l.result, 0);
		assert_int_equal(l.d.errors, 1);
		assert_true(l.d.list.items[0].mark.line > 0);
		unload(&l);
	}
}

/* --- state -------------------------------------------------------------------------------------- */

static void test_state(void **state)
{
	struct loaded l;
	struct netns *n;

	(void)state;
	load_as(&l, "record",
		"foo:\n"
		"  cookie: 18446744073709551615\n"
		"  sysctl: {net.ipv4.ip_forward: 1, net.ipv4.no_such: }\n"
		"  interfaces:\n"
		"    e: {kind: veth, peer: 'bar:e', state: down}\n"
		"    w: {kind: wireguard}\n"
		"  routes: [{to: 10.0.0.0/8, dev: gone}]\n",
		true);
	assert_int_equal(l.result, 0);
	assert_int_equal(l.m->namespaces.n, 1);
	n = l.m->namespaces.items[0];
	assert_true(n->cookie == UINT64_MAX);
	assert_int_equal(n->links.n, 2);
	assert_string_equal(n->links.items[0]->peer.netns, "bar");
	assert_string_equal(n->links.items[1]->kind_name, "wireguard");
	assert_int_equal(n->sysctls.n, 2);
	assert_true(netns_find_sysctl(n, "ipv4/no_such")->missing);
	assert_string_equal(n->routes.items[0]->dev, "gone");
	unload(&l);
}

/* Of two scopes; names of all lengths, so that none of the hashed words is left out. */
static void test_index(void **state)
{
	enum { N = 300 };
	struct name_index x = {0};
	static char names[N][N + 1];
	const void *scopes[] = {NULL, &x};

	(void)state;
	assert_null(index_get(&x, NULL, "a"));
	for (size_t i = 0; i < N; i++) {
		memset(names[i], 'a', i);
		index_put(&x, NULL, names[i], names[0]);
		index_put(&x, &x, names[i], names[i]);
		index_put(&x, NULL, names[i], &names[i][i]); /* put over it */
	}
	assert_int_equal(x.n, 2 * N);
	for (size_t i = 0; i < N; i++) {
		assert_ptr_equal(index_get(&x, scopes[0], names[i]), &names[i][i]);
		assert_ptr_equal(index_get(&x, scopes[1], names[i]), names[i]);
		assert_null(index_get(&x, names, names[i]));
	}
	assert_null(index_get(&x, NULL, "b"));
	index_free(&x);
	assert_null(index_get(&x, NULL, names[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_lab_name),
		cmocka_unit_test(test_topo_takes_its_folders_name),
		cmocka_unit_test(test_host_and_lo_are_there),
		cmocka_unit_test(test_cables),
		cmocka_unit_test(test_state_has_no_bounds),
		cmocka_unit_test(test_ports_and_existing),
		cmocka_unit_test(test_forwarding),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_too_many_patterns),
		cmocka_unit_test(test_too_many_checks),
		cmocka_unit_test(test_sysctl_of_a_fallback_device),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_checks),
		cmocka_unit_test(test_unknown_gateway_of_host),
		cmocka_unit_test(test_no_cascades),
		cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
