/* SPDX-License-Identifier: MIT */
/* What a plan looks like, as text, JSON and shell script. The plans are put
 * together by hand from two states, so that only the printing is tested. */
#include "load.h"
#include "plan.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static const char live_text[] =
	"host:\n"
	"  sysctl: {net.ipv4.ip_forward: 0}\n"
	"  interfaces:\n"
	"    br0: {kind: bridge, stp: false, mac: '02:00:00:00:00:09'}\n"
	"foo:\n"
	"  interfaces:\n"
	"    eth0: {kind: veth, peer: 'bar:eth1', mtu: 1500, addresses: [10.0.0.2/24]}\n"
	"  routes:\n"
	"    - {to: default, via: 10.0.0.1}\n"
	"bar:\n"
	"  interfaces:\n"
	"    eth1: {kind: veth, peer: 'foo:eth0', mtu: 1500}\n";

static const char goal_text[] =
	"host:\n"
	"  sysctl: {net.ipv4.ip_forward: 1, 'net/ipv4/conf/a=b/rp_filter': 2}\n"
	"  interfaces:\n"
	"    br0: {kind: bridge, stp: true, forward_delay: 4}\n"
	"foo:\n"
	"  interfaces:\n"
	"    eth0: {kind: veth, peer: 'bar:eth1', mtu: 9000, master: br}\n"
	"    '$(x);`y`': {state: down, addresses: [{address: 10.0.0.3, peer: 10.0.0.4/32, "
	"label: 'a''b', scope: link}, {address: 'fd00::1/64', dad: false}]}\n"
	"  routes:\n"
	"    - {to: default, via: 10.0.0.9, metric: 0}\n"
	"    - {to: 10.1.0.0/16, via: 'fe80::1', dev: eth0, metric: 5, table: 7, src: 10.0.0.3}\n"
	"    - {to: 10.2.0.0/16, type: blackhole}\n"
	"    - {to: 10.4.0.1, type: local, dev: eth0, scope: host}\n"
	"    - {to: 10.3.0.0/16, nexthops: [{via: 10.0.0.8, weight: 2}, {dev: eth0}]}\n"
	"bar:\n"
	"  interfaces:\n"
	"    eth1: {kind: veth, peer: 'foo:eth0', mtu: 9000, mac: '02:00:00:00:00:01',\n"
	"      addresses: [{address: 10.0.0.5/24, metric: 7, noprefixroute: true}]}\n";

struct fixture {
	struct document documents[2];
	struct diags d;
	struct plan plan;
	struct buf out;
};

static struct model *load(struct fixture *f, size_t i, const char *text)
{
	struct model *m = NULL;

	assert_int_equal(document_parse(&f->documents[i], "test", text, strlen(text), &f->d), 0);
	int r = load_state(f->documents[i].root, &m, &f->d);
	for (size_t e = 0; e < f->d.list.n; e++)
		print_message("%s\n", f->d.list.items[e].message);
	assert_int_equal(r, 0);
	return m;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->plan.live = load(f, 0, live_text);
	f->plan.goal = load(f, 1, goal_text);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	array_free(&f->plan.changes);
	array_free(&f->plan.steps);
	model_free(f->plan.live);
	model_free(f->plan.goal);
	document_free(&f->documents[0]);
	document_free(&f->documents[1]);
	diags_free(&f->d);
	buf_free(&f->out);
	free(f);
	return 0;
}

static struct netns *netns_of(const struct model *m, const char *name)
{
	struct netns *n = model_find_netns(m, name);

	assert_non_null(n);
	return n;
}

static struct link *link_of(const struct model *m, const char *netns, const char *name)
{
	struct link *l = netns_find_link(netns_of(m, netns), name);

	assert_non_null(l);
	return l;
}

static struct change *add(struct fixture *f, enum action action, enum object object,
			  const struct netns *n, const void *have, const void *want)
{
	struct change *c = array_push(&f->plan.changes);

	c->action = action;
	c->object = object;
	c->netns = n;
	c->have.any = have;
	c->want.any = want;
	f->plan.count[action]++;
	return c;
}

static const struct route *route_to(const struct model *m, const char *to)
{
	struct ip ip;

	assert_int_equal(ip_parse(to, true, &ip), 0);
	array_each(&netns_of(m, "foo")->routes, r) {
		if (ip_compare(&(*r)->to, &ip) == 0)
			return *r;
	}
	fail_msg("no route to %s", to);
	return NULL;
}

static void assert_text(struct fixture *f, const char *expected)
{
	buf_free(&f->out);
	plan_print_text(&f->plan, &f->out, false);
	assert_string_equal(buf_text(&f->out), expected);
}

static void test_nothing(void **state)
{
	assert_text(*state, "Nothing to do: the machine matches the file.\n");
}

static void test_links(void **state)
{
	struct fixture *f = *state;
	const struct model *live = f->plan.live, *goal = f->plan.goal;
	const struct netns *foo = netns_of(goal, "foo"), *host = netns_of(goal, HOST);
	struct change *c;

	/* no file can say so, but a machine may */
	struct netns odd = {.name = "e\x1b[31m"};

	add(f, ACTION_CREATE, OBJECT_NAMESPACE, &odd, NULL, &odd);
	add(f, ACTION_CREATE, OBJECT_LINK, host, NULL, link_of(goal, HOST, "br0"));
	c = add(f, ACTION_CREATE, OBJECT_LINK, foo, NULL, link_of(goal, "foo", "eth0"));
	c->cable = true;
	add(f, ACTION_CREATE, OBJECT_LINK, foo, NULL, link_of(goal, "foo", "$(x);`y`"));
	c = add(f, ACTION_CHANGE, OBJECT_LINK, foo, link_of(live, "foo", "eth0"),
		link_of(goal, "foo", "eth0"));
	c->mask = LINK_BIT("mtu") | LINK_BIT("master");
	c = add(f, ACTION_REPLACE, OBJECT_LINK, host, link_of(live, HOST, "br0"),
		link_of(goal, HOST, "br0"));
	c->mask = LINK_BIT("mac");
	c->kind_mask = attr_bit(&kind_bridge.table, "stp");
	c->reason = "because";
	c = add(f, ACTION_DELETE, OBJECT_LINK, netns_of(live, "foo"), link_of(live, "foo", "eth0"),
		NULL);
	c->cable = true;
	assert_text(f,
		    "+ namespace e\\x1B[31m\n"
		    "+ link host:br0 (bridge, stp true, forward_delay 4)\n"
		    "+ link foo:eth0 -- bar:eth1 (veth, mtu 9000, foo:eth0: master br, bar:eth1: "
		    "mac 02:00:00:00:00:01)\n"
		    "+ link foo:$(x);`y` (state down)\n"
		    "~ link foo:eth0: mtu 1500 -> 9000, master none -> br\n"
		    "-/+ link host:br0: mac 02:00:00:00:00:09 -> automatic, stp false -> true "
		    "(because)\n"
		    "- link foo:eth0 -- bar:eth1 (veth, mtu 1500)\n"
		    "Plan: 4 to create, 1 to change, 1 to replace, 1 to delete.\n");
}

static void test_others(void **state)
{
	struct fixture *f = *state;
	const struct model *live = f->plan.live, *goal = f->plan.goal;
	const struct netns *foo = netns_of(goal, "foo"), *host = netns_of(goal, HOST);
	const struct link *l = link_of(goal, "foo", "$(x);`y`");
	struct change *c;

	array_each(&l->addresses, a)
		add(f, ACTION_CREATE, OBJECT_ADDRESS, foo, NULL, *a);
	add(f, ACTION_DELETE, OBJECT_ADDRESS, foo, link_of(live, "foo", "eth0")->addresses.items[0],
	    NULL);
	add(f, ACTION_CREATE, OBJECT_ROUTE, foo, NULL, route_to(goal, "10.1.0.0/16"));
	add(f, ACTION_CREATE, OBJECT_ROUTE, foo, NULL, route_to(goal, "10.2.0.0/16"));
	add(f, ACTION_CREATE, OBJECT_ROUTE, foo, NULL, route_to(goal, "10.3.0.0/16"));
	c = add(f, ACTION_CHANGE, OBJECT_ROUTE, foo, route_to(live, "0.0.0.0/0"),
		route_to(goal, "0.0.0.0/0"));
	c->mask = attr_bit(&route_table, "via");
	c = add(f, ACTION_CHANGE, OBJECT_ROUTE, foo, route_to(live, "0.0.0.0/0"),
		route_to(goal, "10.3.0.0/16"));
	c->mask = attr_bit(&route_table, "nexthops");
	add(f, ACTION_CHANGE, OBJECT_SYSCTL, host,
	    netns_find_sysctl(netns_of(live, HOST), "ipv4/ip_forward"),
	    netns_find_sysctl(host, "ipv4/ip_forward"));
	add(f, ACTION_CREATE, OBJECT_SYSCTL, host, NULL,
	    netns_find_sysctl(host, "ipv4/conf/a=b/rp_filter"));
	assert_text(
		f,
		"+ address 10.0.0.3 peer 10.0.0.4/32 on foo:$(x);`y` (scope link, label a'b)\n"
		"+ address fd00::1/64 on foo:$(x);`y`\n"
		"- address 10.0.0.2/24 on foo:eth0\n"
		"+ route 10.1.0.0/16 via fe80::1 dev eth0 table 7 metric 5 in foo (src 10.0.0.3)\n"
		"+ route blackhole 10.2.0.0/16 in foo\n"
		"+ route 10.3.0.0/16 nexthop dev eth0 nexthop via 10.0.0.8 weight 2 in foo\n"
		"~ route default in foo: via 10.0.0.1 -> 10.0.0.9\n"
		"~ route 10.3.0.0/16 in foo: nexthops none -> nexthop dev eth0 nexthop via "
		"10.0.0.8 weight 2\n"
		"~ sysctl net.ipv4.ip_forward in host: 0 -> 1\n"
		"+ sysctl net.ipv4.conf.a=b.rp_filter in host (2)\n"
		"Plan: 6 to create, 3 to change, 0 to replace, 1 to delete.\n");
}

static void test_color(void **state)
{
	struct fixture *f = *state;
	const struct netns *foo = netns_of(f->plan.goal, "foo");

	add(f, ACTION_CREATE, OBJECT_NAMESPACE, foo, NULL, foo);
	add(f, ACTION_DELETE, OBJECT_NAMESPACE, foo, foo, NULL);
	plan_print_text(&f->plan, &f->out, true);
	assert_string_equal(buf_text(&f->out),
			    "\033[32m+\033[0m namespace foo\n\033[31m-\033[0m namespace foo\n"
			    "Plan: 1 to create, 0 to change, 0 to replace, 1 to delete.\n");
}

static void test_describe(void **state)
{
	struct fixture *f = *state;
	struct change *c = add(f, ACTION_CREATE, OBJECT_LINK, netns_of(f->plan.goal, "foo"), NULL,
			       link_of(f->plan.goal, "foo", "eth0"));

	change_describe(c, &f->out);
	assert_string_equal(buf_text(&f->out), "link foo:eth0");
	buf_free(&f->out);
	c->object = OBJECT_ADDRESS;
	c->want.address = link_of(f->plan.goal, "foo", "$(x);`y`")->addresses.items[1];
	change_id(c, &f->out);
	assert_string_equal(buf_text(&f->out), "foo:$(x);`y` fd00::1/64");
	buf_free(&f->out);
	c->object = OBJECT_ROUTE;
	c->want.route = route_to(f->plan.goal, "10.1.0.0/16");
	change_id(c, &f->out);
	assert_string_equal(buf_text(&f->out), "foo 10.1.0.0/16 table 7 metric 5");
}

/* --- JSON ------------------------------------------------------------------------ */

static void assert_json(json_t *got, const char *expected)
{
	json_t *want = json_loads(expected, 0, NULL);

	assert_non_null(want);
	if (!json_equal(got, want)) {
		char *text = json_dumps(got, JSON_INDENT(1));
		print_message("%s\n", text);
		free(text);
		fail_msg("is not %s", expected);
	}
	json_decref(want);
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	const struct model *live = f->plan.live, *goal = f->plan.goal;
	const struct netns *foo = netns_of(goal, "foo"), *host = netns_of(goal, HOST);
	struct change *c;
	json_t *root;

	c = add(f, ACTION_CREATE, OBJECT_LINK, foo, NULL, link_of(goal, "foo", "eth0"));
	c->cable = true;
	c = add(f, ACTION_CHANGE, OBJECT_LINK, host, link_of(live, HOST, "br0"),
		link_of(goal, HOST, "br0"));
	c->mask = LINK_BIT("mac");
	c->kind_mask = attr_bit(&kind_bridge.table, "stp");
	add(f, ACTION_DELETE, OBJECT_SYSCTL, host,
	    netns_find_sysctl(netns_of(live, HOST), "ipv4/ip_forward"), NULL);
	add(f, ACTION_CREATE, OBJECT_NAMESPACE, foo, NULL, foo);
	root = plan_json(&f->plan, "lab\xff");
	assert_json(json_object_get(root, "summary"),
		    "{\"create\": 2, \"change\": 1, \"replace\": 0, \"delete\": 1}");
	assert_string_equal(json_string_value(json_object_get(root, "lab")), "lab\\xFF");
	json_t *changes = json_object_get(root, "changes");
	assert_json(
		json_array_get(changes, 0),
		"{\"action\": \"create\", \"object\": \"link\", \"id\": \"foo:eth0\", "
		"\"namespace\": "
		"\"foo\", \"before\": null, \"after\": {\"kind\": \"veth\", \"peer\": "
		"\"bar:eth1\", "
		"\"mtu\": 9000, \"master\": \"br\", \"peer_interface\": {\"mtu\": 9000, \"mac\": "
		"\"02:00:00:00:00:01\"}}, \"reason\": null}");
	assert_json(json_array_get(changes, 1),
		    "{\"action\": \"change\", \"object\": \"link\", \"id\": \"host:br0\", "
		    "\"namespace\": "
		    "\"host\", \"before\": {\"mac\": \"02:00:00:00:00:09\", \"stp\": false}, "
		    "\"after\": "
		    "{\"mac\": null, \"stp\": true}, \"reason\": null}");
	assert_json(
		json_array_get(changes, 2),
		"{\"action\": \"delete\", \"object\": \"sysctl\", \"id\": \"host "
		"net.ipv4.ip_forward\", \"namespace\": \"host\", \"before\": {\"value\": \"0\"}, "
		"\"after\": null, \"reason\": null}");
	assert_json(json_array_get(changes, 3),
		    "{\"action\": \"create\", \"object\": \"namespace\", \"id\": \"foo\", "
		    "\"namespace\": "
		    "\"foo\", \"before\": null, \"after\": {}, \"reason\": null}");
	json_decref(root);
}

/* --- iproute2 --------------------------------------------------------------------- */

static struct step *step(struct fixture *f, enum op op, struct netns *n)
{
	struct step *s = array_push(&f->plan.steps);

	s->op = op;
	s->netns = n;
	return s;
}

/* The script's commands, without what stands before them. */
static void assert_script(struct fixture *f, const char *expected)
{
	cleanup_buf struct buf commands = {0};

	plan_print_ip(&f->plan, &f->out);
	assert_true(str_starts(buf_text(&f->out), "#!/bin/sh\n"));
	for (const char *line = buf_text(&f->out); *line;) {
		size_t n = strcspn(line, "\n") + 1;

		if (str_starts(line, "ip ") || str_starts(line, "nsenter ") ||
		    str_starts(line, "sysctl ") || str_starts(line, "sh ") ||
		    str_starts(line, "unless_gone "))
			buf_add(&commands, line, n);
		line += n;
	}
	assert_string_equal(buf_text(&commands), expected);
}

static void test_ip_links(void **state)
{
	struct fixture *f = *state;
	const struct model *goal = f->plan.goal;
	struct netns *foo = netns_of(goal, "foo"), *host = netns_of(goal, HOST);
	struct link *eth0 = link_of(goal, "foo", "eth0"), *br0 = link_of(goal, HOST, "br0");
	struct link *odd = link_of(goal, "foo", "$(x);`y`");
	struct step *s;

	s = step(f, OP_LINK_DEL, host);
	s->link = br0;
	s = step(f, OP_LINK_MOVE, foo);
	s->source = br0;
	s->link = odd;
	s = step(f, OP_LINK_MOVE, host);
	s->source = odd;
	s->link = br0;
	s = step(f, OP_LINK_ADD, host);
	s->link = br0;
	s->kind_mask = br0->kind_given;
	s = step(f, OP_LINK_ADD, foo);
	s->link = eth0;
	s->peer = link_of(goal, "bar", "eth1");
	s->mask = eth0->given;
	s->up = true;
	s = step(f, OP_LINK_SET, foo);
	s->link = odd;
	s->mask = LINK_BIT("master");
	s = step(f, OP_LINK_UP, foo);
	s->link = odd;
	assert_script(f,
		      "unless_gone ip link delete dev br0\n"
		      "ip link set dev br0 netns foo name '$(x);`y`'\n"
		      "ip -n foo link set dev '$(x);`y`' netns /proc/$$/ns/net name br0\n"
		      "ip link add name br0 type bridge stp_state 1 forward_delay 400\n"
		      "ip -n foo link add name eth0 mtu 9000 master br up type veth peer name eth1 "
		      "netns bar mtu 9000 address 02:00:00:00:00:01\n"
		      "ip -n foo link set dev '$(x);`y`' nomaster\n"
		      "ip -n foo link set dev '$(x);`y`' up\n");
}

static void test_ip_others(void **state)
{
	struct fixture *f = *state;
	const struct model *goal = f->plan.goal;
	struct netns *foo = netns_of(goal, "foo"), *host = netns_of(goal, HOST);
	static const char *const routes[] = {"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16",
					     "10.4.0.1/32"};

	array_each(&host->sysctls, v)
		step(f, OP_NETNS_SYSCTL, host)->sysctl = *v;
	array_each(&link_of(goal, "foo", "$(x);`y`")->addresses, a)
		step(f, OP_ADDRESS_ADD, foo)->address = *a;
	step(f, OP_ADDRESS_ADD, netns_of(goal, "bar"))->address =
		link_of(goal, "bar", "eth1")->addresses.items[0];
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		step(f, OP_ROUTE_ADD, foo)->route = route_to(goal, routes[i]);
	step(f, OP_ROUTE_DEL, foo)->route = route_to(goal, "0.0.0.0/0");
	assert_script(
		f,
		"sh -c 'printf \"%s\\n\" \"$1\" >\"$2\"' sh 2 "
		"/proc/sys/net/ipv4/conf/a=b/rp_filter\n"
		"sysctl -qw net.ipv4.ip_forward=1\n"
		"ip -n foo address add 10.0.0.3 peer 10.0.0.4/32 dev '$(x);`y`' label 'a'\\''b' "
		"scope link\n"
		"ip -n foo address add fd00::1/64 dev '$(x);`y`' nodad\n"
		"ip -n bar address add 10.0.0.5/24 dev eth1 metric 7 noprefixroute\n"
		"ip -n foo route add 10.1.0.0/16 via inet6 fe80::1 dev eth0 proto static table 7 "
		"metric 5 src 10.0.0.3\n"
		"ip -n foo route add blackhole 10.2.0.0/16 proto static\n"
		"ip -n foo route add 10.3.0.0/16 proto static nexthop dev eth0 weight 1 nexthop "
		"via "
		"10.0.0.8 weight 2\n"
		"ip -n foo route add local 10.4.0.1/32 dev eth0 proto static table local\n"
		"unless_gone ip -n foo route delete default via 10.0.0.9 proto static\n");
}

/* Every class of namespace, as what runs the command and as where an interface goes. */
static void test_ip_namespaces(void **state)
{
	struct fixture *f = *state;
	const struct model *goal = f->plan.goal;
	struct netns *foo = netns_of(goal, "foo"), *bar = netns_of(goal, "bar");
	struct step *s;

	foo->class = NETNS_PID;
	foo->pid = 7;
	bar->class = NETNS_PATH;
	bar->path = "/srv/a b";
	s = step(f, OP_LINK_ADD, foo);
	s->link = link_of(goal, "foo", "eth0");
	s->peer = link_of(goal, "bar", "eth1");
	s = step(f, OP_LINK_UP, bar);
	s->link = link_of(goal, "bar", "eth1");
	s = step(f, OP_LINK_MOVE, foo);
	s->source = s[-1].link;
	s->link = link_of(goal, "foo", "eth0");
	step(f, OP_NETNS_SYSCTL, foo)->sysctl = netns_of(goal, HOST)->sysctls.items[1];
	assert_script(
		f, "nsenter --net=/proc/7/ns/net ip link add name eth0 type veth peer name eth1 "
		   "netns '/srv/a b' mtu 9000 address 02:00:00:00:00:01\n"
		   "nsenter '--net=/srv/a b' ip link set dev eth1 up\n"
		   "nsenter '--net=/srv/a b' ip link set dev eth1 netns /proc/7/ns/net name eth0\n"
		   "nsenter --net=/proc/7/ns/net sysctl -qw net.ipv4.ip_forward=1\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),  TEST(test_links),	   TEST(test_others),
		TEST(test_color),    TEST(test_describe),  TEST(test_json),
		TEST(test_ip_links), TEST(test_ip_others), TEST(test_ip_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
