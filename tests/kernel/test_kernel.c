/* SPDX-License-Identifier: MIT */
/* kernel.h on the real kernel, in a private network and mount namespace of its
 * own with an empty /run. Needs root. What whole labs look like to iproute2 is for the
 * end-to-end tests; here is what those cannot reach: refusals, batches, races. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static size_t failed, passed;

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (condition) {                                                        \
			passed++;                                                       \
			break;                                                          \
		}                                                                       \
		failed++;                                                               \
		fprintf(stderr, "%s:%d: not so: %s\n", __func__, __LINE__, #condition); \
	} while (0)

struct fixture {
	struct kernel *k;
	struct model *m;
	struct diags d;
	refusals refused;
};

static int remove_netns(struct fixture *f, const struct netns *n)
{
	int r = kernel_netns_unname(f->k, n, &f->d);

	if (r == 0)
		kernel_netns_release(f->k, n);
	return r;
}

static void start(struct fixture *f)
{
	*f = (struct fixture){.m = model_new()};
	CHECK(kernel_open(&f->k, &f->d) == 0);
	model_add_netns(f->m, HOST, NETNS_HOST)->handle = 0;
}

static void finish(struct fixture *f)
{
	array_each(&f->m->namespaces, n)
		if ((*n)->class == NETNS_OWNED)
			remove_netns(f, *n);
	if (f->d.errors)
		diags_print(&f->d, stderr, false);
	CHECK(f->d.errors == 0);
	diags_free(&f->d);
	array_free(&f->refused);
	model_free(f->m);
	kernel_close(f->k);
}

static struct netns *make(struct fixture *f, const char *name)
{
	struct netns *n = model_add_netns(f->m, name, NETNS_OWNED);

	CHECK(kernel_netns_make(f->k, n, &f->d) == 0);
	CHECK(kernel_netns_name(f->k, n, &f->d) == 0);
	return n;
}

static struct link *add_link(struct fixture *f, struct netns *n, const char *name,
			     const struct kind *kind)
{
	struct link *l = netns_add_link(f->m, n, name);

	if (kind)
		link_set_kind(f->m, l, kind);
	return l;
}

static void flush(struct fixture *f)
{
	f->refused.n = 0;
	CHECK(kernel_flush(f->k, &f->refused, &f->d) == 0);
}

static struct model *read_back(struct fixture *f)
{
	struct model *live = NULL;

	model_sort(f->m);
	CHECK(kernel_read(f->k, f->m, true, NULL, &live, &f->d) == 0);
	return live;
}

static struct link *live_link(const struct model *live, const char *netns, const char *name)
{
	struct netns *n = model_find_netns(live, netns);

	return n ? netns_find_link(n, name) : NULL;
}

static struct route *add_route(struct fixture *f, struct netns *n, const char *to, const char *via)
{
	struct route *r = netns_add_route(f->m, n);

	CHECK(ip_parse(to, true, &r->to) == 0);
	if (via)
		CHECK(ip_parse(via, false, &r->via) == 0);
	r->table = RT_TABLE_MAIN;
	r->type = RTN_UNICAST;
	r->proto = RTPROT_STATIC;
	r->scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	return r;
}

/* A cable between the namespaces with 10.0.0.1/24 at its first end; both ends up. */
static void cable(struct fixture *f, struct netns *a, struct netns *b)
{
	struct link *l = add_link(f, a, "eth0", &kind_veth),
		    *peer = add_link(f, b, "eth0", &kind_veth);
	struct ip ip;

	l->index = 2;
	peer->index = 2;
	kernel_link_add(f->k, l, peer, true, "cable");
	kernel_link_state(f->k, peer, true, "up");
	CHECK(ip_parse("10.0.0.1/24", true, &ip) == 0);
	kernel_address_add(f->k, link_add_address(f->m, l, &ip), false, "address");
	flush(f);
	CHECK(f->refused.n == 0);
	model_sort(f->m);
}

/* --- tests ---------------------------------------------------------------------- */

/* In a ring of three every namespace has the same indexes. */
static void test_ambiguous_peers(void)
{
	struct fixture f;
	struct netns *n[3];
	struct model *live;

	start(&f);
	n[0] = make(&f, "ring0");
	n[1] = make(&f, "ring1");
	n[2] = make(&f, "ring2");
	for (int i = 0; i < 3; i++) {
		struct link *out = add_link(&f, n[i], "out", &kind_veth);
		struct link *in = add_link(&f, n[(i + 1) % 3], "in", &kind_veth);

		out->index = 5;
		in->index = 6;
		kernel_link_add(f.k, out, in, false, "ring");
	}
	flush(&f);
	CHECK(f.refused.n == 0);
	live = read_back(&f);
	for (int i = 0; i < 3; i++) {
		struct link *out = live_link(live, n[i]->name, "out");
		struct link *in = live_link(live, n[(i + 1) % 3]->name, "in");

		CHECK(out && in && link_peer(live, out) == in && link_peer(live, in) == out);
		CHECK(out && out->index == 5 && in && in->index == 6);
	}
	model_free(live);
	finish(&f);
}

static void test_one_of_many_refused(void)
{
	enum { ROUTES = 1000, BAD = 500 };
	struct fixture f;
	struct netns *n;
	struct model *live;
	size_t routes = 0;

	start(&f);
	n = make(&f, "many");
	cable(&f, n, make(&f, "far"));
	for (unsigned i = 0; i < ROUTES; i++) {
		char to[32];

		snprintf(to, sizeof(to), "20.%u.%u.0/24", i / 256, i % 256);
		kernel_route_add(f.k, n, add_route(&f, n, to, i == BAD ? "10.99.0.1" : "10.0.0.2"),
				 false, i == BAD ? "bad" : "good");
	}
	flush(&f);
	CHECK(f.refused.n == 1);
	CHECK(f.refused.n && strcmp(f.refused.items[0].tag, "bad") == 0);
	CHECK(f.refused.n && f.refused.items[0].code == -ENETUNREACH);
	CHECK(f.refused.n && strcmp(f.refused.items[0].text, "Nexthop has invalid gateway") == 0);
	live = read_back(&f);
	array_each(&model_find_netns(live, "many")->routes, r)
		routes += (*r)->proto == RTPROT_STATIC;
	CHECK(routes == ROUTES - 1);
	model_free(live);
	finish(&f);
}

static void test_all_refused(void)
{
	enum { ROUTES = 5000 };
	struct fixture f;
	struct netns *n;

	start(&f);
	n = make(&f, "none");
	cable(&f, n, make(&f, "far"));
	for (unsigned i = 0; i < ROUTES; i++)
		kernel_route_add(f.k, n, add_route(&f, n, "20.0.0.0/24", "10.99.0.1"), false,
				 "bad");
	flush(&f);
	CHECK(f.refused.n == ROUTES);
	finish(&f);
}

static void test_refusal_points_at_attribute(void)
{
	struct fixture f;
	struct netns *n;
	struct link *l;

	start(&f);
	n = make(&f, "point");
	l = add_link(&f, n, "br0", &kind_bridge);
	kernel_link_add(f.k, l, NULL, false, "bridge");
	flush(&f);
	CHECK(f.refused.n == 0);
	CHECK(kernel_learn_index(f.k, l, &f.d) == 0);
	l->mtu = 1000000;
	kernel_link_set(f.k, l, LINK_BIT("mtu"), 0, l);
	flush(&f);
	CHECK(f.refused.n == 1 && f.refused.items[0].tag == l);
	CHECK(f.refused.n == 1 && f.refused.items[0].code == -EINVAL &&
	      strstr(f.refused.items[0].text, "mtu"));
	kernel_link_add(f.k, l, NULL, false, "again");
	l->master = "missing";
	kernel_link_set(f.k, l, LINK_BIT("master"), 0, "master");
	flush(&f);
	CHECK(f.refused.n == 2 && f.refused.items[0].code == -ENODEV);
	CHECK(f.refused.n == 2 && f.refused.items[1].code == -EEXIST);
	finish(&f);
}

/* A bridge whose MTU is given keeps it, whatever its ports have. */
static void test_bridge_mtu(void)
{
	static const uint32_t mtus[] = {1500, 1400, 1280, 65535};
	struct fixture f;
	struct netns *n, *far;

	start(&f);
	n = make(&f, "bridge");
	far = make(&f, "far");
	for (size_t i = 0; i < ARRAY_SIZE(mtus); i++) {
		const char *name = arena_printf(&f.m->arena, "br%zu", i);
		struct link *br = add_link(&f, n, name, &kind_bridge);
		const char *port_name = arena_printf(&f.m->arena, "p%zu", i);
		struct link *port = add_link(&f, n, port_name, &kind_veth);
		struct link *peer = add_link(&f, far, port_name, &kind_veth);
		struct model *live;

		br->mtu = mtus[i];
		br->given |= LINK_BIT("mtu");
		kernel_link_add(f.k, br, NULL, true, "bridge");
		flush(&f);
		CHECK(f.refused.n == 0);
		CHECK(kernel_learn_index(f.k, br, &f.d) == 0);
		port->mtu = 9000;
		port->master = name;
		port->given |= LINK_BIT("mtu") | LINK_BIT("master");
		model_sort(f.m);
		kernel_link_add(f.k, port, peer, true, "port");
		flush(&f);
		CHECK(f.refused.n == 0);
		live = read_back(&f);
		CHECK(live_link(live, "bridge", name)->mtu == mtus[i]);
		CHECK(live_link(live, "bridge", port_name)->mtu == 9000);
		CHECK(str_equal(live_link(live, "bridge", port_name)->master, name));
		model_free(live);
	}
	finish(&f);
}

static void test_move(void)
{
	struct fixture f;
	struct netns *a, *b;
	struct link *x, *y, *goal;
	struct model *live;

	start(&f);
	a = make(&f, "a");
	b = make(&f, "b");
	x = add_link(&f, a, "x", &kind_veth);
	y = add_link(&f, a, "y", &kind_veth);
	x->index = 7;
	y->index = 8;
	kernel_link_add(f.k, x, y, true, "pair");
	kernel_link_add(f.k, add_link(&f, b, "taken", &kind_bridge), NULL, false, "bridge");
	kernel_link_add(f.k, add_link(&f, b, "x", &kind_bridge), NULL, false, "bridge");
	flush(&f);
	CHECK(f.refused.n == 0);
	/* The name is taken: refused, and nothing has moved. */
	goal = add_link(&f, b, "taken", NULL);
	goal->index = 9;
	kernel_link_move(f.k, x, goal, "move");
	flush(&f);
	CHECK(f.refused.n == 1 && f.refused.items[0].code == -EEXIST);
	live = read_back(&f);
	CHECK(live_link(live, "a", "x") && live_link(live, "a", "x")->index == 7);
	model_free(live);
	/* The old name is taken there, the new one is free. */
	goal = add_link(&f, b, "fresh", NULL);
	goal->index = AWAY_INDEX + 5;
	kernel_link_move(f.k, x, goal, "move");
	flush(&f);
	CHECK(f.refused.n == 0);
	live = read_back(&f);
	CHECK(!live_link(live, "a", "x"));
	CHECK(live_link(live, "b", "fresh") && live_link(live, "b", "fresh")->state == LINK_DOWN);
	CHECK(live_link(live, "b", "fresh")->index == AWAY_INDEX + 5);
	CHECK(link_peer(live, live_link(live, "b", "fresh")) == live_link(live, "a", "y"));
	model_free(live);
	/* The index is taken: nothing has moved either. */
	x->index = 8;
	kernel_link_move(f.k, goal, x, "index");
	flush(&f);
	CHECK(f.refused.n == 1 && f.refused.items[0].code == -EBUSY);
	live = read_back(&f);
	CHECK(live_link(live, "b", "fresh"));
	model_free(live);
	x->index = 7;
	kernel_link_move(f.k, goal, x, "back");
	flush(&f);
	CHECK(f.refused.n == 0);
	live = read_back(&f);
	CHECK(live_link(live, "a", "x") && live_link(live, "a", "x")->index == 7);
	model_free(live);
	finish(&f);
}

static void test_names(void)
{
	struct fixture f;
	struct netns *n, other = {.name = "taken", .class = NETNS_OWNED, .handle = -1};
	struct stat st;
	int fd;

	start(&f);
	n = make(&f, "taken");
	CHECK(kernel_netns_make(f.k, &other, &f.d) == 0);
	CHECK(kernel_netns_name(f.k, &other, &f.d) == -EEXIST);
	/* Not the one it was: left alone. */
	CHECK(remove_netns(&f, &other) == -ESTALE);
	CHECK(stat("/run/netns/taken", &st) == 0);
	CHECK(f.d.errors == 2);
	diags_free(&f.d);
	f.d = (struct diags){0};
	CHECK(remove_netns(&f, n) == 0);
	CHECK(stat("/run/netns/taken", &st) < 0 && errno == ENOENT);
	/* A file that a mount has left behind: not there, but in the way. */
	fd = open("/run/netns/taken", O_CREAT | O_RDONLY | O_CLOEXEC, 0);
	CHECK(fd >= 0);
	close(fd);
	CHECK(kernel_netns_name(f.k, &other, &f.d) == -EEXIST);
	CHECK(f.d.errors == 1 && strstr(f.d.list.items[0].message, "not a namespace"));
	diags_free(&f.d);
	f.d = (struct diags){0};
	{
		struct model *live = read_back(&f);

		CHECK(model_find_netns(live, "taken")->stray);
		model_free(live);
	}
	/* Unless it is known to be the lab's own leftover: it gets the namespace, or goes. */
	other.stray = true;
	CHECK(kernel_netns_name(f.k, &other, &f.d) == 0);
	CHECK(kernel_netns_unname(f.k, &other, &f.d) == 0);
	CHECK(stat("/run/netns/taken", &st) < 0 && errno == ENOENT);
	/* A name that was taken away can be given again. */
	other.stray = false;
	CHECK(kernel_netns_name(f.k, &other, &f.d) == 0);
	CHECK(kernel_netns_unname(f.k, &other, &f.d) == 0);
	fd = open("/run/netns/taken", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
	other.stray = true; /* but not with something in it */
	CHECK(kernel_netns_unname(f.k, &other, &f.d) == -ESTALE);
	CHECK(kernel_netns_name(f.k, &other, &f.d) == -EEXIST);
	other.stray = false;
	diags_free(&f.d);
	f.d = (struct diags){0};
	unlink("/run/netns/taken");
	/* A symbolic link is never followed. */
	CHECK(symlink("/etc/passwd", "/run/netns/taken") == 0);
	CHECK(kernel_netns_name(f.k, &other, &f.d) == -EEXIST);
	diags_free(&f.d);
	f.d = (struct diags){0};
	unlink("/run/netns/taken");
	CHECK(kernel_netns_name(f.k, &other, &f.d) == 0);
	CHECK(remove_netns(&f, &other) == 0);
	finish(&f);
}

static const char *value_of(struct fixture *f, const struct netns *n, const char *path,
			    struct arena *a)
{
	const char *value;

	CHECK(kernel_sysctl_read(f->k, n, path, a, &value, &f->d) == 0);
	return value;
}

static void test_sysctls(void)
{
	struct fixture f;
	struct netns *n;
	struct arena a = {0};

	start(&f);
	for (int i = 0; i < 20; i++) { /* past the renewal of the private procfs */
		n = make(&f, arena_printf(&f.m->arena, "s%d", i));
		for (size_t j = 0; j < netns_defaults_n; j++) {
			const char *value = value_of(&f, n, netns_defaults[j].path, &a);

			CHECK(!value || strcmp(value, netns_defaults[j].value) == 0);
		}
	}
	CHECK(kernel_sysctl_write(f.k, n, "ipv4/ip_forward", "1") == 0);
	CHECK(str_equal(value_of(&f, n, "ipv4/ip_forward", &a), "1"));
	/* The others, and our own, are what they were. */
	CHECK(str_equal(value_of(&f, f.m->namespaces.items[0], "ipv4/ip_forward", &a), "0"));
	CHECK(str_equal(value_of(&f, f.m->namespaces.items[1], "ipv4/ip_forward", &a), "0"));
	CHECK(kernel_sysctl_write(f.k, n, "ipv4/ip_forward", "x") == -EINVAL);
	CHECK(kernel_sysctl_write(f.k, n, "ipv4/nonesuch", "1") == -ENOENT);
	CHECK(kernel_sysctl_write(f.k, n, "../kernel/hostname", "x") == -EINVAL);
	CHECK(kernel_sysctl_write(f.k, n, "/ipv4/ip_forward", "1") == -EINVAL);
	CHECK(kernel_sysctl_write(f.k, n, "ipv4//ip_forward", "1") == -EINVAL);
	CHECK(!value_of(&f, n, "ipv4/nonesuch", &a));
	arena_free(&a);
	finish(&f);
}

static void test_interface_sysctls(void)
{
	struct fixture f;
	struct netns *n;

	start(&f);
	n = make(&f, "conf");
	cable(&f, n, make(&f, "far"));
	CHECK(kernel_sysctl_write(f.k, n, "ipv4/conf/eth0/rp_filter", "2") == 0);
	CHECK(kernel_sysctl_write(f.k, n, "ipv6/neigh/eth0/ucast_solicit", "7") == 0);
	netns_find_link(n, "eth0")->recalled = true;
	CHECK(kernel_sysctl_read_interfaces(f.k, f.m, n, &f.d) == 0);
	CHECK(netns_find_sysctl(n, "ipv4/conf/eth0/rp_filter") &&
	      str_equal(netns_find_sysctl(n, "ipv4/conf/eth0/rp_filter")->value, "2"));
	CHECK(netns_find_sysctl(n, "ipv6/neigh/eth0/ucast_solicit"));
	CHECK(!netns_find_sysctl(n, "ipv4/conf/eth0/arp_filter"));
	finish(&f);
}

static void test_gone_and_pids(void)
{
	struct fixture f;
	struct netns *n, *host;
	struct link *here, *there;
	struct awaited gone;
	residents inside = {0};
	pid_t child;
	int ready[2];
	char byte;

	start(&f);
	host = f.m->namespaces.items[0];
	n = make(&f, "gone");
	here = add_link(&f, host, "gone0", &kind_veth);
	there = add_link(&f, n, "eth0", &kind_veth);
	kernel_link_add(f.k, here, there, true, "pair");
	flush(&f);
	CHECK(f.refused.n == 0);
	CHECK(kernel_learn_index(f.k, here, &f.d) == 0);
	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0) {
		int fd = open("/run/netns/gone", O_RDONLY | O_CLOEXEC);

		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	kernel_find_residents(f.k, (const struct netns *[]){n}, 1, &inside);
	CHECK(inside.n == 1 && inside.items[0].pid == child && inside.items[0].netns == n);
	CHECK(strcmp(inside.items[0].name, "test_kernel") == 0);
	CHECK(remove_netns(&f, n) == 0);
	n->class = NETNS_NAMED; /* finish() has nothing to delete */
	/* The process keeps the namespace, and so the cable. */
	gone = (struct awaited){.what = AWAIT_GONE, .link = here};
	CHECK(kernel_wait(f.k, &gone, 1, &(struct patience){.ms = 100, .stop = -1}) == 1);
	CHECK(kernel_is_resident(&inside.items[0]));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(kernel_wait(f.k, &gone, 1, &(struct patience){.ms = 5000, .stop = -1}) == 0);
	CHECK(if_nametoindex("gone0") == 0);
	CHECK(!kernel_is_resident(&inside.items[0]));
	array_free(&inside);
	close(ready[0]);
	close(ready[1]);
	finish(&f);
}

/* Reading makes nothing: no file, no namespace, no mount. */
static void test_reading_of_nothing(void)
{
	struct fixture f;
	struct model *live;
	struct stat st;

	start(&f);
	model_add_netns(f.m, "nowhere", NETNS_OWNED);
	model_add_netns(f.m, "neither", NETNS_NAMED);
	live = read_back(&f);
	CHECK(live && live->namespaces.n == 1);
	CHECK(stat("/run/netns", &st) < 0);
	model_free(live);
	f.m->namespaces.n = 1;
	finish(&f);
}

/* Enough for several threads, where there is more than one processor: each reads some. */
static void test_reading_of_many(void)
{
	enum { MANY = 210 };
	struct fixture f;
	struct model *live;
	char name[32];

	start(&f);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		struct netns *n = make(&f, name);
		snprintf(name, sizeof(name), "br%d", i);
		struct link *l = add_link(&f, n, name, &kind_bridge);
		l->mtu = 1400 + (unsigned)i;
		l->given = LINK_BIT("mtu");
		kernel_link_add(f.k, l, NULL, false, l);
		netns_add_sysctl(f.m, n, "ipv4/ip_forward", "0");
	}
	flush(&f);
	CHECK(f.refused.n == 0);
	live = read_back(&f);
	for (int i = 0; live && i < MANY; i++) {
		char netns[32];

		snprintf(netns, sizeof(netns), "many%d", i);
		snprintf(name, sizeof(name), "br%d", i);
		struct link *l = live_link(live, netns, name);
		CHECK(l && l->mtu == 1400 + (unsigned)i);
		CHECK(l && netns_find_sysctl(l->netns, "ipv4/ip_forward"));
	}
	CHECK(live && live->namespaces.n == MANY + 1);
	model_free(live);
	finish(&f);
}

int main(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0) {
		fprintf(stderr, "cannot make a private namespace: %s\n", strerror(errno));
		return 77; /* skipped, for meson */
	}
	test_reading_of_nothing();
	test_ambiguous_peers();
	test_one_of_many_refused();
	test_all_refused();
	test_refusal_points_at_attribute();
	test_bridge_mtu();
	test_move();
	test_names();
	test_sysctls();
	test_interface_sysctls();
	test_gone_and_pids();
	test_reading_of_many();
	printf("%zu passed, %zu failed\n", passed, failed);
	return failed ? 1 : 0;
}
