/* SPDX-License-Identifier: MIT */
/* The floor: what the kernel itself charges for the benchmark's labs (labs.py). The cheapest
 * sequence of requests that makes, reads and removes them, with everything known beforehand and
 * nothing checked, recorded or undone. One thread, one process.
 *
 *     floor chain|star create|read|read-all|destroy N
 *     floor routes add|read N       in the namespace r0 of a lab that is there
 *     floor settle PROC             when was the kernel done with taking namespaces down?
 *     floor now                     what time is it, by the monotonic clock?
 *
 * What makes it cheap: a namespace is configured through a socket that was opened when it was
 * made, so nothing is entered twice; a cable is one request, from a namespace that holds nothing,
 * with both ends where they belong, under indexes that are chosen here and need not be asked
 * for; all requests of a namespace are one datagram; sysctls are written through a procfs that is
 * not yet full of other namespaces' entries; a bridge comes up last. */
#include "netlink.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NETNS_DIR "/run/netns"
#define PROC_RENEWED 16 /* namespaces; about 8 to 32 cost the same */
enum { LO = 1, LEFT = 2, RIGHT = 3, BRIDGE = 2, FIRST_PORT = 3 };

struct place {
	int fd, socket;
};

static unsigned count; /* N */
static bool star;
static struct place *places;

/* --- namespaces ------------------------------------------------------------------- */

static unsigned namespaces(void)
{
	return star ? count + 1 : count;
}

static const char *netns_path(unsigned i)
{
	static char path[64];

	if (star && i == count)
		return NETNS_DIR "/switch";
	snprintf(path, sizeof(path), NETNS_DIR "/n%u", i);
	return path;
}

static int fresh_proc(void)
{
	int fs = fsopen("proc", FSOPEN_CLOEXEC), root;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		die("fsopen");
	root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (root < 0)
		die("fsmount");
	close(fs);
	return root;
}

static void write_sysctl(int proc, const char *path, const char *value)
{
	int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, 1) != 1)
		die(path);
	close(fd);
}

static void make_netns(struct place *p, const char *path, int proc)
{
	int file;

	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (file < 0)
		die(path);
	close(file);
	if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0)
		die("mount");
	p->fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	p->socket = netlink_socket();
	write_sysctl(proc, "sys/net/ipv6/conf/default/accept_dad", "0");
	if (!star) {
		write_sysctl(proc, "sys/net/ipv4/ip_forward", "1");
		write_sysctl(proc, "sys/net/ipv6/conf/all/forwarding", "1");
	}
}

/* As `ip netns add` does it, or its namespaces and ours would be in each other's way. */
static void make_netns_dir(void)
{
	mkdir(NETNS_DIR, 0755);
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return;
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0 ||
	    mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		die(NETNS_DIR);
}

/* --- requests --------------------------------------------------------------------- */

static void set_up(struct batch *b, int index)
{
	struct ifinfomsg h = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	batch_begin(b, RTM_NEWLINK, 0, &h, sizeof(h));
}

struct end {
	const char *name;
	int index, netns;
};

/* The first end comes up at once. The kernel refuses that for the second (ENOTCONN). */
static void add_cable(struct batch *b, const struct end *a, const struct end *z, uint32_t master)
{
	struct ifinfomsg h = {.ifi_index = a->index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct ifinfomsg peer_header = {.ifi_index = z->index};
	size_t info, data, peer;

	batch_begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	batch_put(b, IFLA_IFNAME, a->name, strlen(a->name) + 1);
	batch_put_u32(b, IFLA_NET_NS_FD, (uint32_t)a->netns);
	if (master)
		batch_put_u32(b, IFLA_MASTER, master);
	info = batch_nest(b, IFLA_LINKINFO);
	batch_put(b, IFLA_INFO_KIND, "veth", 5);
	data = batch_nest(b, IFLA_INFO_DATA);
	peer = batch_nest(b, VETH_INFO_PEER);
	batch_append(b, &peer_header, sizeof(peer_header));
	batch_put(b, IFLA_IFNAME, z->name, strlen(z->name) + 1);
	batch_put_u32(b, IFLA_NET_NS_FD, (uint32_t)z->netns);
	batch_nest_end(b, peer);
	batch_nest_end(b, data);
	batch_nest_end(b, info);
}

static void add_bridge(struct batch *b, const char *name, int index)
{
	struct ifinfomsg h = {.ifi_index = index};
	size_t info;

	batch_begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	batch_put(b, IFLA_IFNAME, name, strlen(name) + 1);
	info = batch_nest(b, IFLA_LINKINFO);
	batch_put(b, IFLA_INFO_KIND, "bridge", 7);
	batch_nest_end(b, info);
}

/* labs.py numbers the networks: 10.x.y.z/30 from 10.0.0.0 on, and fd00:0:0:I::/64. */
struct address {
	uint8_t bytes[16], len, family;
};

static struct address ipv4(uint32_t host_order, uint8_t len)
{
	struct address a = {.family = AF_INET, .len = len};
	uint32_t n = htonl(host_order);

	memcpy(a.bytes, &n, 4);
	return a;
}

static struct address network4(unsigned i, unsigned host)
{
	return ipv4(0x0a000000u + i * 4 + host, 30);
}

static struct address network6(unsigned i, unsigned host)
{
	struct address a = {.family = AF_INET6, .len = 64};

	a.bytes[0] = 0xfd;
	a.bytes[6] = (uint8_t)(i >> 8);
	a.bytes[7] = (uint8_t)i;
	a.bytes[15] = (uint8_t)host;
	return a;
}

static size_t address_size(const struct address *a)
{
	return a->family == AF_INET ? 4 : 16;
}

static void add_address(struct batch *b, int index, struct address a)
{
	struct ifaddrmsg h = {.ifa_family = a.family,
			      .ifa_prefixlen = a.len,
			      .ifa_flags = a.family == AF_INET6 ? IFA_F_NODAD : 0,
			      .ifa_index = (uint32_t)index};

	batch_begin(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	batch_put(b, IFA_LOCAL, a.bytes, address_size(&a));
}

/* `to` of length 0: a default route. */
static void add_route(struct batch *b, struct address to, struct address via, int index)
{
	struct rtmsg h = {.rtm_family = to.family,
			  .rtm_dst_len = to.len,
			  .rtm_table = RT_TABLE_MAIN,
			  .rtm_protocol = RTPROT_STATIC,
			  .rtm_scope = RT_SCOPE_UNIVERSE,
			  .rtm_type = RTN_UNICAST};

	batch_begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	if (to.len)
		batch_put(b, RTA_DST, to.bytes, address_size(&to));
	batch_put(b, RTA_GATEWAY, via.bytes, address_size(&via));
	batch_put_u32(b, RTA_OIF, (uint32_t)index);
}

/* --- labs ------------------------------------------------------------------------- */

/* A route in both families to network `to` by way of `host` of network `by`. */
static void add_routes(struct batch *b, unsigned to, unsigned by, unsigned host, int index)
{
	add_route(b, network4(to, 0), network4(by, host), index);
	add_route(b, network6(to, 0), network6(by, host), index);
}

static void add_defaults(struct batch *b, unsigned by, unsigned host, int index)
{
	struct address to = {.family = AF_INET};

	add_route(b, to, network4(by, host), index);
	to.family = AF_INET6;
	add_route(b, to, network6(by, host), index);
}

static void configure_chain(struct batch *b, unsigned i)
{
	unsigned last = count - 1;

	set_up(b, LO);
	if (i > 0) {
		/* First up: an IPv6 address that waits for that has its network's route late. */
		set_up(b, LEFT);
		add_address(b, LEFT, network4(i - 1, 2));
		add_address(b, LEFT, network6(i - 1, 2));
	}
	if (i < last) {
		add_address(b, RIGHT, network4(i, 1));
		add_address(b, RIGHT, network6(i, 1));
	}
	if (i == 0) {
		add_defaults(b, 0, 2, RIGHT);
	} else if (i == last) {
		add_defaults(b, i - 1, 1, LEFT);
	} else {
		if (i > 1)
			add_routes(b, 0, i - 1, 1, LEFT);
		if (i < last - 1)
			add_routes(b, last - 1, i, 2, RIGHT);
	}
}

static void configure_star(struct batch *b, unsigned i)
{
	struct address all = {.family = AF_INET};

	set_up(b, LO);
	if (i == count) {
		set_up(b, BRIDGE);
		return;
	}
	add_address(b, LEFT, ipv4(0x0a000001u + i, 12));
	set_up(b, LEFT);
	add_route(b, all, ipv4(0x0a0ffffeu, 12), LEFT);
}

static void add_cables(struct batch *b)
{
	char port[16];

	for (unsigned i = 0; star && i < count; i++) {
		snprintf(port, sizeof(port), "p%u", i);
		add_cable(b, &(struct end){port, FIRST_PORT + (int)i, places[count].fd},
			  &(struct end){"eth0", LEFT, places[i].fd}, BRIDGE);
	}
	for (unsigned i = 0; !star && i + 1 < count; i++)
		add_cable(b, &(struct end){"right", RIGHT, places[i].fd},
			  &(struct end){"left", LEFT, places[i + 1].fd}, 0);
}

static void create(void)
{
	struct batch b = {0};
	int proc = -1, socket;

	places = calloc(namespaces(), sizeof(*places));
	if (!places)
		die("calloc");
	make_netns_dir();
	for (unsigned i = 0; i < namespaces(); i++) {
		if (i % PROC_RENEWED == 0) {
			close(proc);
			proc = fresh_proc();
		}
		make_netns(&places[i], netns_path(i), proc);
	}
	if (star) { /* we are in the switch: it was made last */
		add_bridge(&b, "br0", BRIDGE);
		batch_send(&b, places[count].socket);
		socket = places[count].socket;
	} else { /* older kernels look the names up where the request comes from */
		if (unshare(CLONE_NEWNET) < 0)
			die("unshare");
		socket = netlink_socket();
	}
	add_cables(&b);
	batch_send(&b, socket);
	for (unsigned i = 0; i < namespaces(); i++) {
		if (star)
			configure_star(&b, i);
		else
			configure_chain(&b, i);
		batch_send(&b, places[i].socket);
	}
}

static void ask_forwarding(int socket)
{
	static struct batch b;
	static const uint8_t families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		struct netconfmsg h = {.ncm_family = families[i]};

		batch_begin(&b, RTM_GETNETCONF, 0, &h, sizeof(h));
		batch_put_u32(&b, NETCONFA_IFINDEX, (uint32_t)NETCONFA_IFINDEX_ALL);
	}
	ask(&b, socket, 2);
}

static size_t dump_routes(int socket, uint8_t family, uint8_t table)
{
	struct rtmsg h = {.rtm_family = family, .rtm_table = table};

	return dump(socket, RTM_GETROUTE, &h, sizeof(h), 0);
}

static int strict_socket(void)
{
	int fd = netlink_socket(), one = 1;

	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return fd;
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

/* table: RT_TABLE_UNSPEC are all of them. */
static void read_lab(uint8_t table)
{
	size_t objects = 0;

	for (unsigned i = 0; i < namespaces(); i++) {
		struct ifinfomsg links = {0};
		struct ifaddrmsg addresses = {0};
		int socket;

		enter(netns_path(i));
		socket = strict_socket();
		objects +=
			dump(socket, RTM_GETLINK, &links, sizeof(links), RTEXT_FILTER_SKIP_STATS);
		objects += dump(socket, RTM_GETADDR, &addresses, sizeof(addresses), 0);
		objects += dump_routes(socket, AF_INET, table);
		objects += dump_routes(socket, AF_INET6, table);
		ask_forwarding(socket);
		close(socket);
	}
	printf("%zu\n", objects);
}

/* All names first, back to back: the kernel then takes the namespaces down in few batches. */
static void destroy(void)
{
	for (unsigned i = 0; i < namespaces(); i++) {
		const char *path = netns_path(i);

		if (umount2(path, MNT_DETACH) < 0 || unlink(path) < 0)
			die(path);
	}
}

/* --- many routes ------------------------------------------------------------------ */

static void many_routes(void)
{
	struct batch b = {0};
	int index = (int)if_nametoindex("right");

	for (unsigned i = 0; i < count; i++)
		add_route(&b, ipv4(0x14000000u + i * 256, 24), ipv4(0x0a000002u, 30), index);
	batch_send(&b, netlink_socket());
}

static void routes(const char *verb)
{
	enter(NETNS_DIR "/n0");
	if (strcmp(verb, "add") == 0)
		many_routes();
	else
		printf("%zu\n", dump_routes(strict_socket(), AF_INET, RT_TABLE_MAIN));
}

/* --- when is the kernel done? ----------------------------------------------------- */

/* Namespaces are taken down by the work queue "netns". A worker tells in its name what it does:
 * "kworker/u8:2+netns" (kernel/workqueue.c, wq_worker_comm()). */
static bool netns_worker_busy(int proc)
{
	DIR *dir = fdopendir(openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	bool busy = false;

	while (dir && !busy && (e = readdir(dir))) {
		char path[300], comm[64];
		ssize_t n;
		int fd;

		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/comm", e->d_name);
		fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : read(fd, comm, sizeof(comm) - 1);
		if (fd >= 0)
			close(fd);
		comm[n > 0 ? n : 0] = '\0';
		busy = strncmp(comm, "kworker/", 8) == 0 && strstr(comm, "+netns");
	}
	closedir(dir);
	return busy;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Prints when a worker was last seen busy, by the monotonic clock. */
static void settle(const char *path)
{
	int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct timespec pause = {.tv_nsec = 1000000};
	double last = now();

	if (proc < 0)
		die(path);
	for (int quiet = 0; quiet < 30; quiet++) {
		if (netns_worker_busy(proc)) {
			last = now();
			quiet = -1;
		}
		nanosleep(&pause, NULL);
	}
	printf("%.6f\n", last);
}

/* --------------------------------------------------------------------------------- */

static void allow_files(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "now") == 0) {
		printf("%.6f\n", now());
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "settle") == 0) {
		settle(argv[2]);
		return 0;
	}
	if (argc != 4) {
		fprintf(stderr, "usage: floor chain|star|routes VERB N\n");
		return 64;
	}
	allow_files();
	count = (unsigned)strtoul(argv[3], NULL, 10);
	star = strcmp(argv[1], "star") == 0;
	if (strcmp(argv[1], "routes") == 0)
		routes(argv[2]);
	else if (strcmp(argv[2], "create") == 0)
		create();
	else if (strcmp(argv[2], "read") == 0)
		read_lab(RT_TABLE_MAIN);
	else if (strcmp(argv[2], "read-all") == 0)
		read_lab(RT_TABLE_UNSPEC);
	else
		destroy();
	fflush(stdout);
	_exit(0); /* what is left is the kernel's to take away */
}
