/* SPDX-License-Identifier: MIT */
/* What a lab holds and how it found that, from file and live state to record and
 * goal, without a kernel: the live states are told. */
#include "load.h"
#include "record.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define TEXTS_MAX 16

/* Models point into their documents, so all live as long as the test. */
struct fixture {
	struct document documents[TEXTS_MAX];
	struct model *models[TEXTS_MAX];
	size_t n;
	struct record *records[2];
	struct others others;
	struct diags d;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->records[0] = record_new("one", "-", "boot", 1);
	f->records[1] = record_new("two", "-", "boot", 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->n; i++) {
		model_free(f->models[i]);
		document_free(&f->documents[i]);
	}
	record_free(f->records[0]);
	record_free(f->records[1]);
	array_free(&f->others);
	diags_free(&f->d);
	free(f);
	return 0;
}

static struct model *load(struct fixture *f, bool is_file, const char *text)
{
	struct document *doc = &f->documents[f->n];
	struct model **m = &f->models[f->n++];
	int r;

	assert_true(f->n <= TEXTS_MAX);
	assert_int_equal(document_parse(doc, "test", text, strlen(text), &f->d), 0);
	r = is_file ? load_topology(doc, m, &f->d) : load_state(doc->root, m, &f->d);
	if (r < 0)
		fail_msg("%s", f->d.list.items[0].message);
	return *m;
}

/* Only the other record counts as another lab. */
static void meet(struct fixture *f, size_t who)
{
	const struct record *other = f->records[1 - who];

	f->others.n = 0;
	array_add(&f->others,
		  ((struct other_lab){
			  .name = other->lab, .made = other->made, .before = other->before}));
}

static int plan(struct fixture *f, size_t who, const char *live, const char *file, bool adopt,
		struct plan **ret_plan)
{
	struct plan_options how = {.adopt = adopt, .others = &f->others};
	struct model *goal;

	meet(f, who);
	goal = goal_make(file ? load(f, true, file) : NULL, f->records[who], &f->others);
	int r = plan_make(load(f, false, live), goal, f->records[who]->made, &how, ret_plan, &f->d);
	if (r < 0)
		model_free(goal);
	return r;
}

/* Plans and records as apply does (or destroy: file NULL), and returns how many changes there are. */
static size_t apply(struct fixture *f, size_t who, const char *live, const char *file)
{
	static const char nothing[] = "{name: none, namespaces: {}}";
	struct plan *p = NULL;
	size_t changes;

	if (plan(f, who, live, file, true, &p) < 0)
		fail_msg("%s", f->d.list.items[0].message);
	changes = p->changes.n;
	record_add_plan(f->records[who], p);
	record_plan_done(f->records[who], p);
	record_settle(f->records[who], load(f, true, file ? file : nothing));
	model_free(p->goal);
	plan_free(p);
	return changes;
}

static const struct netns *host_of(const struct model *m)
{
	return model_find_netns(m, HOST);
}

static uint32_t mtu_of(const struct model *m, const char *name)
{
	const struct link *l = host_of(m) ? netns_find_link(host_of(m), name) : NULL;

	return l && l->given & LINK_BIT("mtu") ? l->mtu : 0;
}

static const char *value_of(const struct model *m, const char *path)
{
	const struct sysctl *s = host_of(m) ? netns_find_sysctl(host_of(m), path) : NULL;

	return s ? s->value : NULL;
}

#define FILE_OF(name, host) "{name: " name ", namespaces: {host: " host "}}"
#define MTU "{interfaces: {nic: {mtu: 1400}}}"

static const char live_1500[] = "host: {interfaces: {nic: {mtu: 1500, state: up}}}";
static const char live_1400[] = "host: {interfaces: {nic: {mtu: 1400, state: up}}}";

static void test_held_without_a_change(void **state)
{
	struct fixture *f = *state;
	const struct record *r = f->records[0];

	assert_int_equal(apply(f, 0, live_1400, FILE_OF("one", MTU)), 0);
	assert_int_equal(mtu_of(r->made, "nic"), 1400);
	assert_int_equal(mtu_of(r->before, "nic"), 1400);
	/* the key goes: nothing to put back, and nothing held any more */
	assert_int_equal(apply(f, 0, live_1400, FILE_OF("one", "{}")), 0);
	assert_int_equal(r->made->namespaces.n, 0);
	assert_int_equal(r->before->namespaces.n, 0);
}

static void test_all_go_back_to_the_first(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, 0, live_1500, FILE_OF("one", MTU)), 1);
	assert_int_equal(apply(f, 1, live_1400, FILE_OF("two", MTU)), 0);
	assert_int_equal(mtu_of(f->records[1]->before, "nic"), 1500);
	/* the first leaves it to the second, which puts it back */
	assert_int_equal(apply(f, 0, live_1400, NULL), 0);
	assert_int_equal(f->records[0]->before->namespaces.n, 0);
	assert_int_equal(apply(f, 1, live_1400, NULL), 1);
	assert_int_equal(f->records[1]->before->namespaces.n, 0);
}

static void test_another_value_is_refused(void **state)
{
	struct fixture *f = *state;
	struct plan *p = NULL;

	apply(f, 0, live_1500, FILE_OF("one", MTU));
	int r = plan(f, 1, live_1400, FILE_OF("two", "{interfaces: {nic: {mtu: 1300}}}"), true, &p);
	assert_int_equal(r, -EEXIST);
	assert_int_equal(f->d.errors, 1);
	assert_string_equal(f->d.list.items[0].message,
			    "mtu of host:nic is to be 1300, but lab \"one\" holds it at 1400");
	assert_non_null(f->d.list.items[0].hint);
	assert_null(p);
}

static const char live_off[] = "host: {sysctl: {net.ipv4.ip_forward: 0, "
			       "net.ipv4.conf.nic.forwarding: 1, net.ipv4.tcp_ecn: 2}}";
static const char live_on[] = "host: {sysctl: {net.ipv4.ip_forward: 1, "
			      "net.ipv4.conf.nic.forwarding: 1, net.ipv4.tcp_ecn: 2}}";

static void test_a_switch_takes_along_what_it_drags(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f, 0, live_off, FILE_OF("one", "{forwarding: ipv4}")), 1);
	assert_int_equal(apply(f, 1, live_on, FILE_OF("two", "{forwarding: ipv4}")), 0);
	for (size_t i = 0; i < 2; i++) {
		const struct record *r = f->records[i];

		assert_string_equal(value_of(r->made, IPV4_SWITCH), "1");
		assert_null(value_of(r->made, "ipv4/conf/nic/forwarding"));
		assert_string_equal(value_of(r->before, IPV4_SWITCH), "0");
		assert_string_equal(value_of(r->before, "ipv4/conf/nic/forwarding"), "1");
		assert_null(value_of(r->before, "ipv4/tcp_ecn"));
	}
	assert_int_equal(apply(f, 1, live_on, NULL), 0);
	/* the switch, and behind it what it drags along */
	struct plan *p = NULL;
	assert_int_equal(plan(f, 0, live_on, NULL, false, &p), 0);
	assert_int_equal(p->changes.n, 1);
	assert_int_equal(p->steps.n, 2);
	assert_string_equal(p->steps.items[0].sysctl->path, IPV4_SWITCH);
	assert_string_equal(p->steps.items[1].sysctl->value, "1");
	model_free(p->goal);
	plan_free(p);
}

static void test_dragged_under_another_lab(void **state)
{
	struct fixture *f = *state;
	struct plan *p = NULL;

	assert_int_equal(apply(f, 0, live_off,
			       FILE_OF("one", "{sysctl: {net.ipv4.conf.nic.forwarding: 0}}")),
			 1);
	/* the other's value is written again, which is no change of this lab's */
	assert_int_equal(plan(f, 1,
			      "host: {sysctl: {net.ipv4.ip_forward: 0, "
			      "net.ipv4.conf.nic.forwarding: 0}}",
			      FILE_OF("two", "{forwarding: ipv4}"), false, &p),
			 0);
	assert_int_equal(p->changes.n, 1);
	assert_int_equal(p->steps.n, 2);
	assert_string_equal(p->steps.items[1].sysctl->path, "ipv4/conf/nic/forwarding");
	assert_string_equal(p->steps.items[1].sysctl->value, "0");
	/* and its old value is the one from before the first lab */
	record_add_plan(f->records[1], p);
	assert_string_equal(value_of(f->records[1]->before, "ipv4/conf/nic/forwarding"), "1");
	model_free(p->goal);
	plan_free(p);
}

static const char live_full[] =
	"host:\n"
	"  interfaces:\n"
	"    nic: {mtu: 1500, state: up, addresses: [10.0.0.1/24, 'fd00::1/64']}\n"
	"    sw: {kind: bridge, state: up, mtu: 1500, stp: false}\n"
	"  routes: [{to: 10.9.0.0/16, dev: nic}]\n";
#define FULL                                                                   \
	"{interfaces: {nic: {addresses: [10.0.0.1/24]}, sw: {kind: bridge}}, " \
	"routes: [{to: 10.9.0.0/16, dev: nic}]}"

static void test_adopted(void **state)
{
	struct fixture *f = *state;
	const struct record *r = f->records[0];
	struct plan *p = NULL;

	assert_int_equal(plan(f, 0, live_full, FILE_OF("one", FULL), false, &p), -EEXIST);
	assert_int_equal(apply(f, 0, live_full, FILE_OF("one", FULL)), 0);
	for (size_t i = 0; i < 2; i++) {
		const struct netns *n = host_of(i ? r->before : r->made);

		assert_int_equal(n->routes.n, 1);
		assert_int_equal(netns_find_link(n, "nic")->addresses.n, 1);
		assert_non_null(netns_find_link(n, "sw")->kind);
	}
	/* remembered, quiet, and not taken away */
	assert_int_equal(plan(f, 0, live_full, FILE_OF("one", FULL), false, &p), 0);
	assert_int_equal(p->changes.n, 0);
	model_free(p->goal);
	plan_free(p);
	assert_int_equal(apply(f, 0, live_full, NULL), 0);
	assert_int_equal(r->made->namespaces.n + r->before->namespaces.n, 0);
}

#define DOWN "{interfaces: {nic: {state: down}}}"

static void test_what_an_interface_loses(void **state)
{
	static const char live_down[] =
		"host: {interfaces: {nic: {mtu: 1500, state: down, addresses: [10.0.0.1/24]}}}";
	struct fixture *f = *state;

	assert_int_equal(apply(f, 0, live_full, FILE_OF("one", DOWN)), 1);
	assert_int_equal(apply(f, 1, live_down, FILE_OF("two", DOWN)), 0);
	for (size_t i = 0; i < 2; i++) {
		const struct netns *n = host_of(f->records[i]->before);

		assert_int_equal(netns_find_link(n, "nic")->state, LINK_UP);
		assert_int_equal(netns_find_link(n, "nic")->addresses.n, 1);
		assert_int_equal(n->routes.n, 1);
	}
	assert_int_equal(apply(f, 0, live_down, NULL), 0);
	/* up, its address, its route */
	assert_int_equal(apply(f, 1, live_down, NULL), 3);
}

static void test_names_of_one_value(void **state)
{
	struct arena a = {0};
	const char *why;
	char path[SYSCTL_PATH_MAX + 1];

	(void)state;
	assert_string_equal(sysctl_path(&a, "net.ipv4.conf.all.forwarding", &why), IPV4_SWITCH);
	assert_string_equal(sysctl_path(&a, "net/nf_conntrack_max", &why),
			    "netfilter/nf_conntrack_max");
	assert_string_equal(sysctl_path(&a, "net.ipv6.conf.all.forwarding", &why), IPV6_SWITCH);
	assert_string_equal(sysctl_twin("ipv6/neigh/e.0/retrans_time_ms", path),
			    "ipv6/neigh/e.0/retrans_time");
	assert_null(sysctl_twin("ipv4/conf/eth0/retrans_time", path));
	assert_true(sysctl_drags(IPV4_SWITCH, "ipv4/conf/eth0.1/forwarding"));
	assert_true(sysctl_drags(IPV4_SWITCH, "ipv4/conf/default/forwarding"));
	assert_true(sysctl_drags(IPV4_SWITCH, "ipv4/conf/all/accept_redirects"));
	assert_false(sysctl_drags(IPV4_SWITCH, "ipv4/conf/eth0/accept_redirects"));
	assert_false(sysctl_drags(IPV4_SWITCH, "ipv6/conf/eth0/forwarding"));
	assert_true(sysctl_drags(IPV6_SWITCH, "ipv6/conf/default/forwarding"));
	assert_false(sysctl_drags(IPV6_SWITCH, IPV6_SWITCH));
	assert_true(sysctl_drags("ipv4/conf/default/rp_filter", "ipv4/conf/eth0/rp_filter"));
	assert_false(sysctl_drags("ipv4/conf/default/rp_filter", "ipv4/conf/all/rp_filter"));
	assert_false(sysctl_drags("ipv4/conf/default/forwarding", "ipv4/conf/eth0/forwarding"));
	assert_false(sysctl_drags("ipv4/conf/eth0/rp_filter", "ipv4/conf/eth1/rp_filter"));
	assert_string_equal(sysctl_dragging("ipv4/conf/e.1/forwarding", path), IPV4_SWITCH);
	assert_string_equal(sysctl_dragging("ipv4/conf/all/accept_redirects", path), IPV4_SWITCH);
	assert_string_equal(sysctl_dragging("ipv4/conf/e.1/rp_filter", path),
			    "ipv4/conf/default/rp_filter");
	assert_string_equal(sysctl_dragging("ipv6/conf/default/forwarding", path), IPV6_SWITCH);
	assert_string_equal(sysctl_dragging("ipv6/conf/eth0/disable_ipv6", path), IPV6_OFF);
	assert_null(sysctl_dragging("ipv4/conf/all/rp_filter", path));
	assert_null(sysctl_dragging("ipv4/conf/eth0/promote_secondaries", path));
	assert_null(sysctl_dragging("ipv6/conf/eth0/hop_limit", path));
	assert_null(sysctl_dragging(IPV6_SWITCH, path));
	assert_null(sysctl_dragging(IPV4_SWITCH, path));
	assert_null(sysctl_dragging("core", path));
	arena_free(&a);
}

#define LAB(keys) "{name: one, namespaces: {n: {" keys "}}}"
#define SWITCH "forwarding: ipv4, "
#define DEVICE(keys) "interfaces: {d: {kind: bridge, " keys "}}"
#define KEY "sysctl: {ipv4.forwarding: 1}"

static const char switched[] =
	"n: {sysctl: {net.ipv4.ip_forward: 1, net.ipv4.conf.d.forwarding: 1}, " DEVICE("") "}";

static void assert_wanted(struct fixture *f, const char *file, const char *value)
{
	struct model *goal;
	const struct sysctl *s;

	meet(f, 0);
	goal = goal_make(load(f, true, file), f->records[0], &f->others);
	s = netns_find_sysctl(model_find_netns(goal, "n"), "ipv4/conf/d/forwarding");
	assert_non_null(s);
	assert_string_equal(s->value, value);
	model_free(goal);
}

static void test_what_follows_in_an_owned_namespace(void **state)
{
	struct fixture *f = *state;

	/* it was so already, by the switch */
	apply(f, 0, switched, LAB(SWITCH DEVICE(KEY)));
	assert_wanted(f, LAB(SWITCH DEVICE(KEY)), "1");
	assert_wanted(f, LAB(DEVICE(KEY)), "1");
	assert_wanted(f, LAB(SWITCH DEVICE("")), "1");
	assert_wanted(f, LAB(DEVICE("")), "0");
	/* and by what the file has interfaces start with */
	assert_wanted(f, LAB("sysctl: {net.ipv4.conf.default.forwarding: 1}, " DEVICE("")), "1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_held_without_a_change),
		TEST(test_all_go_back_to_the_first),
		TEST(test_another_value_is_refused),
		TEST(test_a_switch_takes_along_what_it_drags),
		TEST(test_dragged_under_another_lab),
		TEST(test_adopted),
		TEST(test_what_an_interface_loses),
		TEST(test_names_of_one_value),
		TEST(test_what_follows_in_an_owned_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
