/* SPDX-License-Identifier: MIT */
/* Labs from seeds. Cable number N has the networks 10.N.0.0/24 and fd00:N::/64 to itself. */
#include "random_lab.h"

#include <string.h>

const char *const machine_state =
	"host:\n"
	"  interfaces:\n"
	"    lo: {state: up, addresses: [10.255.1.1/32]}\n"
	"    nic0:\n"
	"      state: up\n"
	"      mtu: 1500\n"
	"      mac: 02:aa:00:00:00:01\n"
	"      addresses:\n"
	"        - {address: 192.0.2.10/24, broadcast: 192.0.2.255}\n"
	"        - {address: 192.0.2.11/24, label: 'nic0:1'}\n"
	"        - {address: '2001:db8::10/64', dad: true}\n"
	"    nic1: {state: up, mtu: 1400, addresses: [198.51.100.1/24, '2001:db8:1::1/64']}\n"
	"    nic2: {state: down, mtu: 9000, mac: 02:aa:00:00:00:03, addresses: [203.0.113.1/30]}\n"
	"    old: {kind: bridge, priority: 4096, state: up, addresses: [172.16.0.1/16]}\n"
	"    va: {kind: veth, peer: 'ext:vb', state: up, master: old}\n"
	"  routes:\n"
	"    - {to: default, via: 192.0.2.1, dev: nic0, proto: dhcp}\n"
	"    - {to: 10.200.0.0/16, via: 192.0.2.2, dev: nic0, src: 192.0.2.11}\n"
	"    - {to: 10.201.0.0/16, nexthops: [{via: 198.51.100.2, dev: nic1}, "
	"{via: 172.16.0.3, dev: old, weight: 2}]}\n"
	"    - {to: default, via: '2001:db8::1', dev: nic0}\n"
	"    - {to: 198.18.0.0/15, dev: nic1, metric: 7, scope: link}\n"
	"  sysctl:\n"
	"    net.ipv4.conf.default.rp_filter: 2\n"
	"    net.ipv4.conf.nic0.rp_filter: 1\n"
	"    net.ipv4.conf.nic1.proxy_arp: 1\n"
	"    net.ipv6.conf.nic0.hop_limit: 60\n"
	"ext:\n"
	"  external: true\n"
	"  interfaces:\n"
	"    vb: {kind: veth, peer: 'host:va', state: up, addresses: [172.16.0.2/16]}\n"
	"    nic0: {state: up, addresses: [172.17.0.1/24]}\n"
	"  routes:\n"
	"    - {to: default, via: 172.16.0.1, dev: vb}\n";

typedef ARRAY(char *) lines;

enum { HOST_NS, EXT_NS, A_NS, B_NS, C_NS, NAMESPACES };
static const char *const names[] = {"host", "ext", "a", "b", "c"};
#define CABLES 6

struct place {
	bool used;
	bool bridge;
	int cables[2 * CABLES], n_cables; /* whose addresses are here, and up */
	lines interfaces, routes, values, processes;
};

struct lab {
	uint64_t random;
	struct place places[NAMESPACES];
	lines cables;
};

/* xorshift64* */
uint32_t random_number(uint64_t *random, uint32_t below)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (uint32_t)(*random * UINT64_C(2685821657736338717) >> 32) % below;
}

static bool chance(struct lab *l, uint32_t percent)
{
	return random_number(&l->random, 100) < percent;
}

static void PRINTF(2, 3) add(lines *list, const char *fmt, ...)
{
	struct buf line = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	array_add(list, line.s);
}

/* --- interfaces ------------------------------------------------------------------------------ */

static void add_common(struct lab *l, struct buf *out)
{
	static const char *const values[] = {"ipv4.rp_filter: 1", "ipv4.proxy_arp: 1",
					     "ipv6.accept_ra: 0", "ipv6.hop_limit: 70"};

	if (chance(l, 25))
		buf_printf(out, "mtu: %u, ", 1300 + 100 * random_number(&l->random, 4));
	if (chance(l, 25))
		buf_printf(out, "mac: '02:00:00:00:00:%02x', ", 1 + random_number(&l->random, 9));
	if (chance(l, 25))
		buf_printf(out, "sysctl: {%s}, ",
			   values[random_number(&l->random, ARRAY_SIZE(values))]);
}

/* In an order that may differ: which one is the primary one does. */
static void add_addresses(struct lab *l, struct buf *out, uint32_t net, uint32_t end)
{
	bool second = chance(l, 30), first = chance(l, 80);

	buf_puts(out, "addresses: [");
	if (second && first && chance(l, 50)) {
		buf_printf(out, "10.%u.0.%u/24, ", net, 10 + end);
		second = false;
	}
	buf_printf(out, "10.%u.0.%u/24", net, first ? end : 20 + end);
	if (second)
		buf_printf(out, ", 10.%u.0.%u/24", net, 10 + end);
	if (chance(l, 60))
		buf_printf(out, ", 'fd00:%u::%u/64'", net, end);
	buf_puts(out, "], ");
}

static void add_end(struct lab *l, int place, int cable, uint32_t end)
{
	struct place *p = &l->places[place];
	bool port = p->bridge && chance(l, 40), down = chance(l, 10);
	struct buf out = {0};

	buf_printf(&out, "%c%d: {", end == 1 ? 'l' : 'r', cable);
	add_common(l, &out);
	if (port) {
		buf_puts(&out, "master: br0, ");
	} else if (chance(l, 85)) {
		add_addresses(l, &out, (uint32_t)cable + 1, end);
		if (!down)
			p->cables[p->n_cables++] = end == 1 ? cable : -1 - cable;
	}
	buf_printf(&out, "state: %s}", down ? "down" : "up");
	array_add(&p->interfaces, out.s);
	p->used = true;
}

static void add_cable(struct lab *l, int cable)
{
	int from = (int)random_number(&l->random, NAMESPACES), to;

	do
		to = (int)random_number(&l->random, NAMESPACES);
	while (to == from);
	if (from == EXT_NS || to == EXT_NS)
		return;
	add(&l->cables, "[%s:l%d, %s:r%d]", names[from], cable, names[to], cable);
	add_end(l, from, cable, 1);
	add_end(l, to, cable, 2);
}

static void add_bridge(struct lab *l, struct place *p, uint32_t place)
{
	static const char *const keys[] = {"stp: true", "priority: 8192", "ageing_time: 100",
					   "max_age: 10", "mcast_snooping: false"};
	struct buf out = {0};

	buf_puts(&out, "br0: {kind: bridge, ");
	add_common(l, &out);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (chance(l, 20))
			buf_printf(&out, "%s, ", keys[i]);
	if (chance(l, 60))
		add_addresses(l, &out, 100 + place, 1);
	buf_printf(&out, "state: %s}", chance(l, 10) ? "down" : "up");
	array_add(&p->interfaces, out.s);
	p->bridge = p->used = true;
}

/* Interfaces that are there before: named where they are, or moved. */
static void add_existing(struct lab *l)
{
	static const char *const homes[] = {"host:nic0", "host:nic1", "host:nic2", "ext:nic0"};

	for (uint32_t i = 0; i < ARRAY_SIZE(homes); i++) {
		int home = i < 3 ? HOST_NS : EXT_NS;
		int place = A_NS + (int)random_number(&l->random, NAMESPACES - A_NS);
		struct buf out = {0};
		bool taken = false;

		if (chance(l, 60))
			continue;
		/* not nic1: what has a way out of it could not be put back while it is down */
		if (chance(l, 50) && i != 1) {
			/* the name of another one, now and then */
			buf_printf(&out, "nic%u: {from: '%s', ", chance(l, 50) ? i : (i + 1) % 4,
				   homes[i]);
			array_each(&l->places[place].interfaces, other)
				taken = taken || strncmp(*other, out.s, 5) == 0;
		} else {
			buf_printf(&out, "%s: {", strchr(homes[i], ':') + 1);
			place = home;
		}
		if (taken) {
			buf_free(&out);
			continue;
		}
		add_common(l, &out);
		if (chance(l, 50))
			add_addresses(l, &out, 110 + i, 1);
		if (chance(l, 30))
			buf_printf(&out, "state: %s, ", chance(l, 50) ? "down" : "up");
		buf_putc(&out, '}');
		array_add(&l->places[place].interfaces, out.s);
		l->places[place].used = true;
	}
}

/* --- routes and sysctls ------------------------------------------------------------------------ */

static void add_routes(struct lab *l, struct place *p)
{
	uint32_t cable[2], gateway[2];
	char side[2];

	for (int i = 0; i < 2 && i < p->n_cables; i++) {
		int c = p->cables[i];

		cable[i] = (uint32_t)(c < 0 ? -1 - c : c);
		side[i] = c < 0 ? 'r' : 'l';
		gateway[i] = 100 + random_number(&l->random, 2);
	}
	if (chance(l, 20))
		add(&p->routes, "{to: 10.99.0.0/16, type: %s}",
		    chance(l, 50) ? "blackhole" : "unreachable");
	if (p->n_cables && chance(l, 50))
		add(&p->routes, "{to: 10.50.0.0/16, via: 10.%u.0.%u%s%s}", cable[0] + 1, gateway[0],
		    chance(l, 30) ? ", metric: 7" : "", chance(l, 30) ? ", mtu: 1280" : "");
	if (p->n_cables && chance(l, 30))
		add(&p->routes, "{to: 10.51.0.0/16, dev: %c%u}", side[0], cable[0]);
	if (p->n_cables && chance(l, 30))
		add(&p->routes, "{to: 10.52.0.0/16, via: 10.51.0.1, dev: %c%u, onlink: true}",
		    side[0], cable[0]);
	if (p->n_cables > 1 && chance(l, 40))
		add(&p->routes,
		    "{to: 10.60.0.0/16, nexthops: [{via: 10.%u.0.%u}, {via: 10.%u.0.%u, "
		    "weight: 3}]}",
		    cable[0] + 1, gateway[0], cable[1] + 1, gateway[1]);
	if (p->n_cables > 1 && chance(l, 30))
		add(&p->routes, "{to: 'fd99::/64', dev: %c%u, table: 7}", side[1], cable[1]);
}

static void add_values(struct lab *l, struct place *p)
{
	static const char *const switches[] = {"true", "false", "ipv4", "ipv6"};

	if (chance(l, 30))
		add(&p->values, "forwarding: %s", switches[random_number(&l->random, 4)]);
	if (chance(l, 30))
		add(&p->values, "sysctl: {net.ipv4.ip_default_ttl: %u}",
		    60 + random_number(&l->random, 3));
	else if (chance(l, 20))
		add(&p->values, "sysctl: {net.ipv4.conf.default.accept_redirects: %u}",
		    random_number(&l->random, 2));
}

/* --- processes ------------------------------------------------------------------------------------ */

static void add_processes(struct lab *l, struct place *p)
{
	static const char *const extras[] = {"", ", stdin: hello", ", env: {A: x, B: 'y z'}",
					     ", cwd: /tmp", ", user: '7:8'"};

	for (int i = 0; i < 3; i++)
		if (chance(l, 15))
			add(&p->processes, "p%d: {command: [run%u, '-x', '8 0']%s}", i,
			    random_number(&l->random, 2),
			    extras[random_number(&l->random, ARRAY_SIZE(extras))]);
}

/* --- all together -------------------------------------------------------------------------------- */

static void shuffle(lines *list, uint64_t *order)
{
	for (size_t i = list->n; *order && i > 1; i--) {
		size_t j = random_number(order, (uint32_t)i);
		char *other = list->items[j];

		list->items[j] = list->items[i - 1];
		list->items[i - 1] = other;
	}
}

static void put(lines *list, uint64_t *order, struct buf *out, const char *head, const char *before)
{
	shuffle(list, order);
	if (list->n)
		buf_puts(out, head);
	array_each(list, line) {
		buf_printf(out, "%s%s\n", before, *line);
		free(*line);
	}
	array_free(list);
}

static char *place_text(struct place *p, int number, uint64_t *order)
{
	struct buf out = {0};

	buf_printf(&out, "%s:\n", names[number]);
	if (number == EXT_NS)
		buf_puts(&out, "    external: true\n");
	else if (number != HOST_NS)
		buf_puts(&out, "    ignore: {interfaces: [none]}\n");
	put(&p->values, order, &out, "", "    ");
	put(&p->interfaces, order, &out, "    interfaces:\n", "      ");
	put(&p->routes, order, &out, "    routes:\n", "      - ");
	put(&p->processes, order, &out, "    processes:\n", "      ");
	return out.s;
}

void random_lab(uint64_t seed, uint64_t order, struct buf *out)
{
	struct lab l = {.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
	uint64_t next = order * UINT64_C(0x9e3779b97f4a7c15);
	lines places = {0};

	for (uint32_t i = 0; i < NAMESPACES; i++)
		if (i != EXT_NS && chance(&l, 30))
			add_bridge(&l, &l.places[i], i);
	for (int i = 0; i < CABLES; i++)
		if (chance(&l, 50))
			add_cable(&l, i);
	add_existing(&l);
	for (int i = 0; i < NAMESPACES; i++) {
		struct place *p = &l.places[i];

		add_routes(&l, p);
		if (i != EXT_NS)
			add_values(&l, p);
		add_processes(&l, p);
		if (p->processes.n || p->used || p->values.n || p->routes.n || i == EXT_NS)
			array_add(&places, place_text(p, i, &next));
	}
	buf_puts(out, "name: lab\n");
	put(&places, &next, out, "namespaces:\n", "  ");
	put(&l.cables, &next, out, "links:\n", "  - ");
}
