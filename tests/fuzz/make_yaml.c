/* SPDX-License-Identifier: MIT */
/* Keys and values come from the rows of the tables, so that a new key or kind is tried without a
 * change here. What refers to something is drawn from few names and networks, so that it
 * mostly finds it; cables and addresses are laid out as a lab has them, so that gateways are reached. */
#include "make_yaml.h"

#include "model.h"

#include <string.h>

#define NETNS_MAX 4
#define LINKS_MAX 6
#define DEPTH_MAX 3

static const char *const netns_names[NETNS_MAX] = {"a", "host", "b", "x"};
#define HOST_INDEX 1

uint32_t make_number(struct maker *m, uint32_t below)
{
	/* xorshift64*, Vigna 2014 */
	m->random ^= m->random >> 12;
	m->random ^= m->random << 25;
	m->random ^= m->random >> 27;
	return (uint32_t)((m->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % (below ? below : 1);
}

static bool one_in(struct maker *m, uint32_t n)
{
	return make_number(m, n) == 0;
}

static const char *pick(struct maker *m, const char *const *words, size_t n)
{
	return words[make_number(m, (uint32_t)n)];
}
#define PICK(m, ...)                                \
	pick(m, (const char *const[]){__VA_ARGS__}, \
	     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* --- values ------------------------------------------------------------------- */

static void make_wrong(struct maker *m)
{
	buf_puts(m->out, PICK(m, "~", "''", "[]", "{}", "-1", "4294967296", "\"\\x01\"", "none",
			      "*a", "\xc3\xa4", "[x]", "{x: y}", "0x10", "1e3"));
}

static void make_ip(struct maker *m, bool with_len, bool len_optional)
{
	bool ipv6 = one_in(m, 3);
	uint32_t network = make_number(m, 4), host = make_number(m, 4);

	if (one_in(m, 30))
		buf_puts(m->out,
			 PICK(m, "127.0.0.1", "0.0.0.0", "224.0.0.1", "\"::1\"", "\"fe80::1\"",
			      "\"::\"", "\"ff02::1\"", "\"::ffff:10.0.0.1\""));
	else if (ipv6)
		buf_printf(m->out, "\"fd00:%u::%u", network, host);
	else
		buf_printf(m->out, "\"10.%u.0.%u", network, host);
	if (m->out->s[m->out->n - 1] == '"') { /* the special ones: without a length */
		if (!with_len || len_optional)
			return;
		m->out->n--;
		ipv6 = true;
	}
	if (with_len && !(len_optional && one_in(m, 2)))
		buf_puts(m->out, ipv6 ? PICK(m, "/64", "/128", "/0", "/48")
				      : PICK(m, "/24", "/32", "/0", "/16"));
	buf_putc(m->out, '"');
}

static void make_ifname(struct maker *m)
{
	if (one_in(m, 40))
		buf_puts(m->out, PICK(m, "'a b'", "\"\\xe4\"", "a=b", "eth0.10", "abcdefghijklmno",
				      "'*'", "'a\"b'"));
	else
		buf_puts(m->out, PICK(m, "e0", "e1", "e2", "e3", "br0", "br1", LOOPBACK));
}

static void make_target(struct maker *m)
{
	if (one_in(m, 2)) {
		make_ip(m, false, true);
		return;
	}
	buf_printf(m->out, "'%s:", netns_names[make_number(m, NETNS_MAX)]);
	buf_printf(m->out, "e%u'", make_number(m, 4));
}

static void make_uint(struct maker *m, const struct attr *row)
{
	const uint32_t some[] = {row->min, row->max, 1504, 2, row->initial, row->initial};
	uint32_t value = one_in(m, 3) ? some[make_number(m, ARRAY_SIZE(some))] : 1504;

	if (value < row->min || value > row->max)
		value = row->initial ? row->initial : row->min;
	buf_printf(m->out, "%u", value);
}

static void make_name_of_number(struct maker *m, const struct attr *row)
{
	const char *name = names_name(row->names, make_number(m, 256));

	if (name && one_in(m, 2))
		buf_puts(m->out, name);
	else
		make_uint(m, row);
}

static void make_choice(struct maker *m, const struct attr *row)
{
	uint32_t n = 0;

	while (row->choices[n].name)
		n++;
	buf_puts(m->out, row->choices[make_number(m, n)].name);
}

static void make_mapping(struct maker *m, const struct attr_table *t, unsigned depth);

static void make_sysctls(struct maker *m, bool of_link)
{
	buf_putc(m->out, '{');
	if (of_link)
		buf_puts(m->out, PICK(m, "ipv4.rp_filter", "ipv6.accept_dad", "ipv4.forwarding",
				      "ipv6.disable_ipv6", "ipv4.nosuch"));
	else
		buf_puts(m->out,
			 PICK(m, "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter",
			      "net.ipv4.conf.e0.rp_filter", "net/ipv6/conf/e1/accept_dad",
			      "net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.all.forwarding",
			      "net.ipv4.conf.default.forwarding", "net.core.somaxconn",
			      "net/ipv4/neigh/e0/app_solicit", "net.ipv4.tcp_rmem"));
	buf_printf(m->out, ": %s}", PICK(m, "0", "1", "1", "2", "0x1", "010", "'4096 1  2'"));
}

/* As a mapping, of one family mostly. */
static void make_address(struct maker *m)
{
	uint32_t network = make_number(m, 4);

	switch (make_number(m, 10)) {
	case 0:
		buf_printf(m->out, "{address: 10.%u.1.1, peer: 10.%u.1.2/32, scope: %s}", network,
			   network, PICK(m, "link", "global", "7"));
		return;
	case 1:
		buf_printf(m->out, "{address: \"fd00:%u::9/64\", dad: %s}", network,
			   PICK(m, "true", "false"));
		return;
	case 2:
		buf_printf(m->out, "{address: 10.%u.1.7/24, label: %s}", network,
			   PICK(m, "e0", "\"e0:x\"", "\"e1:\""));
		return;
	case 3:
		make_mapping(m, &address_table, DEPTH_MAX);
		return;
	default:
		buf_printf(m->out, "\"fd00:%u::7/64\"", network);
	}
}

static void make_list(struct maker *m, const struct attr *row, unsigned depth)
{
	buf_putc(m->out, '[');
	for (uint32_t i = 0, n = make_number(m, 4); i < n; i++) {
		if (i)
			buf_puts(m->out, ", ");
		if (row->of && (depth >= DEPTH_MAX || one_in(m, 2)) && row->of->n &&
		    row->of->rows[0].flags & ATTR_SHORTHAND)
			make_ip(m, true, false);
		else if (row->of && row->of->n && row->of->rows[0].flags & ATTR_SHORTHAND)
			make_address(m);
		else if (row->of)
			make_mapping(m, row->of, depth + 1);
		else if (row->flags & ATTR_LIST_OF_TARGETS)
			make_target(m);
		else if (strcmp(row->key, "endpoints") == 0)
			buf_printf(m->out, "%s:e%u", netns_names[make_number(m, NETNS_MAX)],
				   make_number(m, 4));
		else
			make_ifname(m);
	}
	buf_putc(m->out, ']');
}

/* long: one case a type */
static void make_row(struct maker *m, const struct attr *row, unsigned depth)
{
	if (one_in(m, 150)) {
		make_wrong(m);
		return;
	}
	switch (row->type) {
	case ATTR_BOOL:
		buf_puts(m->out, PICK(m, "true", "false"));
		break;
	case ATTR_UINT:
		make_uint(m, row);
		break;
	case ATTR_CHOICE:
		make_choice(m, row);
		break;
	case ATTR_DURATION:
		buf_puts(m->out, PICK(m, "1s", "500ms", "2min", "1", "0s", "99999999min"));
		break;
	case ATTR_NUMBER_NAME:
		make_name_of_number(m, row);
		break;
	case ATTR_TEXT:
		buf_puts(m->out,
			 PICK(m, "bridge", "veth", "/proc/1/ns/net", "e0:x", "e1", "\"\\n\""));
		break;
	case ATTR_IFNAME:
		make_ifname(m);
		break;
	case ATTR_NETNS:
		buf_puts(m->out, netns_names[make_number(m, NETNS_MAX)]);
		break;
	case ATTR_REF:
		buf_printf(m->out, "'%s:", netns_names[make_number(m, NETNS_MAX)]);
		buf_printf(m->out, "e%u'", make_number(m, 4));
		break;
	case ATTR_MAC:
		buf_printf(m->out, "'02:00:00:00:00:%02x'", make_number(m, 8));
		break;
	case ATTR_ADDRESS:
		make_ip(m, false, true);
		break;
	case ATTR_PREFIX:
		if (row->flags & ATTR_DEFAULT_OK && one_in(m, 3))
			buf_puts(m->out, "default");
		else
			make_ip(m, true, row->flags & ATTR_LEN_OPTIONAL);
		break;
	case ATTR_TARGET:
		make_target(m);
		break;
	case ATTR_LIST:
		make_list(m, row, depth);
		break;
	case ATTR_OBJECT:
		if (row->of)
			make_mapping(m, row->of, depth + 1);
		else
			buf_puts(m->out, "{}");
		break;
	case ATTR_MAP:
		if (row->of && depth < DEPTH_MAX) {
			buf_puts(m->out, "{e0: ");
			make_mapping(m, row->of, depth + 1);
			buf_putc(m->out, '}');
		} else {
			make_sysctls(m, depth > 0);
		}
		break;
	}
}

/* Some of the table's keys. */
static void make_rows(struct maker *m, const struct attr_table *t, uint32_t chance, unsigned depth,
		      bool *first)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];

		/* What is required is there already, but for the start of a mapping. */
		if (row->flags & ATTR_REQUIRED ? !*first : !one_in(m, chance))
			continue;
		buf_printf(m->out, *first ? "%s: " : ", %s: ", row->key);
		make_row(m, row, depth);
		*first = false;
	}
}

static void make_mapping(struct maker *m, const struct attr_table *t, unsigned depth)
{
	bool first = true;

	buf_putc(m->out, '{');
	make_rows(m, t, (uint32_t)t->n, depth, &first);
	buf_putc(m->out, '}');
}

/* --- a lab ------------------------------------------------------------------------ */

struct end {
	uint32_t netns, number; /* of the interface */
	uint32_t other;		/* namespace at the other end */
	uint32_t cable;
};

struct layout {
	struct end ends[2 * LINKS_MAX];
	uint32_t cables, netns;
	uint32_t links[NETNS_MAX]; /* cables' ends in each */
	bool state;		   /* as a record has it */
	bool external;		   /* the last namespace */
};

static void make_layout(struct maker *m, struct layout *l)
{
	l->netns = 1 + make_number(m, NETNS_MAX);
	l->cables = make_number(m, LINKS_MAX + 1);
	l->external = one_in(m, 3);
	for (uint32_t i = 0; i < l->cables; i++) {
		struct end *a = &l->ends[2 * i], *b = a + 1;

		a->netns = b->other = make_number(m, l->netns);
		b->netns = a->other = make_number(m, l->netns);
		a->cable = b->cable = i;
		a->number = l->links[a->netns]++;
		b->number = l->links[b->netns]++;
	}
}

static void make_addresses(struct maker *m, uint32_t network, uint32_t host, bool *first)
{
	if (one_in(m, 3))
		return;
	buf_printf(m->out, "%saddresses: [10.%u.0.%u/24", *first ? "" : ", ", network, host);
	if (one_in(m, 2))
		buf_printf(m->out, ", \"fd00:%u::%u/64\"", network, host);
	if (one_in(m, 4)) {
		buf_puts(m->out, ", ");
		make_address(m);
	}
	buf_putc(m->out, ']');
	*first = false;
}

static void make_link_keys(struct maker *m, bool *first)
{
	static const char *const some[] = {"state", "mtu", "mac"};

	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		const struct attr *row = &link_table.rows[attr_find(&link_table, some[i])];

		if (!one_in(m, 4))
			continue;
		buf_printf(m->out, *first ? "%s: " : ", %s: ", row->key);
		make_row(m, row, 0);
		*first = false;
	}
	if (one_in(m, 60))
		make_rows(m, &link_table, 6, 1, first);
}

static void make_end(struct maker *m, const struct layout *l, const struct end *e)
{
	const struct end *peer = &l->ends[2 * e->cable + (e == &l->ends[2 * e->cable])];
	bool first = true;

	buf_printf(m->out, "      e%u: {", e->number);
	if (l->state) {
		buf_printf(m->out, "kind: veth, peer: '%s:e%u'", netns_names[peer->netns],
			   peer->number);
		first = false;
	}
	make_addresses(m, e->cable, 1 + (peer < e), &first);
	if (one_in(m, 10)) {
		buf_printf(m->out, "%smaster: br0", first ? "" : ", ");
		first = false;
	}
	make_link_keys(m, &first);
	if (one_in(m, 8)) {
		buf_printf(m->out, "%ssysctl: ", first ? "" : ", ");
		make_sysctls(m, true);
	}
	buf_puts(m->out, "}\n");
}

static void make_other_kinds(struct maker *m)
{
	size_t n;
	const struct kind *const *kinds = kind_list(&n);

	for (size_t i = 0; i < n; i++) {
		bool first = false;

		if (kinds[i]->is_pair || one_in(m, 6))
			continue;
		buf_printf(m->out, "      br%zu: {kind: %s", i ? i - 1 : i, kinds[i]->name);
		make_rows(m, &kinds[i]->table, 4, 1, &first);
		make_link_keys(m, &first);
		make_addresses(m, 9, 1 + make_number(m, 250), &first);
		buf_puts(m->out, "}\n");
	}
}

static void make_interfaces(struct maker *m, const struct layout *l, uint32_t netns)
{
	buf_puts(m->out, "    interfaces:\n");
	for (uint32_t i = 0; i < 2 * l->cables; i++)
		if (l->ends[i].netns == netns && !one_in(m, 8))
			make_end(m, l, &l->ends[i]);
	make_other_kinds(m);
	if (one_in(m, 4))
		buf_puts(m->out, PICK(m, "      lo: {}\n", "      lo: {addresses: [10.8.0.1/32]}\n",
				      "      lo: {mtu: 1500}\n"));
	if (netns != HOST_INDEX && one_in(m, 4))
		buf_printf(m->out, "      n%u: {from: 'host:n%u'}\n", netns, make_number(m, 4));
	if (netns == HOST_INDEX && one_in(m, 2))
		buf_printf(m->out, "      old: {mtu: 1400, state: %s}\n", PICK(m, "up", "down"));
}

static void make_route(struct maker *m, const struct layout *l, uint32_t netns)
{
	uint32_t i = make_number(m, 2 * l->cables);
	const struct end *e = &l->ends[i];
	bool first = false;

	buf_puts(m->out, "      - ");
	if (!l->cables || e->netns != netns || one_in(m, 20)) {
		if (one_in(m, 8))
			make_mapping(m, &route_table, 1);
		else
			buf_printf(m->out, "{to: \"fd0%u::/16\", dev: lo}", make_number(m, 9));
		buf_putc(m->out, '\n');
		return;
	}
	buf_printf(m->out, "{to: %s, ",
		   PICK(m, "0.0.0.0/0", "10.3.0.0/24", "10.9.9.1", "10.0.0.0/8"));
	switch (make_number(m, 4)) {
	case 0:
		buf_printf(m->out, "dev: e%u", e->number);
		break;
	case 1:
		buf_printf(m->out, "type: %s", PICK(m, "blackhole", "unreachable", "throw"));
		break;
	case 2:
		buf_printf(m->out, "nexthops: [{via: 10.%u.0.%u}, {dev: e%u, weight: 2}]", e->cable,
			   2 - i % 2, e->number);
		break;
	default:
		buf_printf(m->out, "via: 10.%u.0.%u", e->cable, 2 - i % 2);
	}
	buf_puts(m->out,
		 PICK(m, "", "", "", "", ", metric: 5", ", table: 7", ", mtu: 1300, proto: bird",
		      ", advmss: 1200", ", onlink: true", ", family: inet"));
	if (one_in(m, 20))
		make_rows(m, &route_table, 8, 1, &first);
	buf_puts(m->out, "}\n");
}

static void make_netns(struct maker *m, const struct layout *l, uint32_t netns)
{
	buf_printf(m->out, "  %s:\n", netns_names[netns]);
	if (l->state && one_in(m, 2))
		buf_printf(m->out, "    cookie: %u\n", 1 + make_number(m, 5));
	if (l->external && netns + 1 == l->netns && netns != HOST_INDEX)
		buf_printf(m->out, "    external: %s\n",
			   PICK(m, "true", "{pid: 7}", "{path: /run/x}"));
	if (one_in(m, 3))
		buf_printf(m->out, "    forwarding: %s\n",
			   PICK(m, "true", "false", "ipv4", "ipv6"));
	if (one_in(m, 3)) {
		buf_puts(m->out, "    sysctl: ");
		make_sysctls(m, false);
		buf_putc(m->out, '\n');
	}
	make_interfaces(m, l, netns);
	if (one_in(m, 2)) {
		buf_puts(m->out, "    routes:\n");
		for (uint32_t i = 0, n = 1 + make_number(m, 4); i < n; i++)
			make_route(m, l, netns);
	}
	if (one_in(m, 4)) {
		buf_printf(m->out, "    processes: {%s: ", PICK(m, "p", "q"));
		make_mapping(m, &process_table, 1);
		buf_puts(m->out, "}\n");
	}
	if (one_in(m, 8)) {
		buf_puts(m->out, "    ignore: ");
		make_mapping(m, &ignore_table, 1);
		buf_putc(m->out, '\n');
	}
}

static void make_checks(struct maker *m, const struct layout *l)
{
	if (!one_in(m, 3))
		return;
	buf_puts(m->out, "checks:\n");
	for (uint32_t i = 0, n = make_number(m, 4); i < n; i++) {
		bool first = false;

		buf_printf(m->out, "  - {from: %s, to: ", netns_names[make_number(m, l->netns)]);
		make_target(m);
		make_rows(m, &probe_table, 6, 1, &first);
		buf_puts(m->out, "}\n");
	}
}

void make_topology(struct maker *m)
{
	struct layout l = {0};

	make_layout(m, &l);
	if (one_in(m, 4))
		buf_puts(m->out, "name: lab\n");
	if (one_in(m, 4)) {
		buf_printf(m->out,
			   "defaults: {interfaces: {mtu: %s, sysctl: ", PICK(m, "1400", "9000"));
		make_sysctls(m, true);
		buf_puts(m->out, "}, sysctl: {net.ipv4.tcp_ecn: 2}}\n");
	}
	buf_puts(m->out, "namespaces:\n");
	for (uint32_t i = 0; i < l.netns; i++)
		make_netns(m, &l, i);
	if (l.cables)
		buf_puts(m->out, "links:\n");
	for (uint32_t i = 0; i < l.cables; i++) {
		const struct end *a = &l.ends[2 * i], *b = a + 1;

		buf_printf(m->out,
			   one_in(m, 4) ? "  - {endpoints: [%s:e%u, %s:e%u], mtu: 1400}\n"
					: "  - [%s:e%u, %s:e%u]\n",
			   netns_names[a->netns], a->number, netns_names[b->netns], b->number);
	}
	make_checks(m, &l);
}

static void make_state(struct maker *m, const char *key)
{
	struct layout l = {.state = true};

	make_layout(m, &l);
	if (one_in(m, 8)) {
		buf_printf(m->out, "%s: {}\n", key);
		return;
	}
	buf_printf(m->out, "%s:\n", key);
	for (uint32_t i = 0; i < l.netns; i++)
		make_netns(m, &l, i);
}

void make_record(struct maker *m)
{
	buf_puts(m->out, "version: 1\nlab: lab\nfile: /lab.yaml\nboot: boot\nhost: \"7\"\n");
	make_state(m, "made");
	make_state(m, "before");
	if (one_in(m, 2))
		buf_printf(m->out,
			   "processes:\n  - {namespace: %s, name: p, pid: %u, started: '%u', "
			   "space: '7', "
			   "command: [x, %s], env: {A: b}}\n",
			   netns_names[make_number(m, NETNS_MAX)], make_number(m, 4),
			   make_number(m, 9), PICK(m, "y", "'\\n'", "\"\\n\"", "8080"));
}

/* --- pieces ----------------------------------------------------------------------- */

void make_value(struct maker *m)
{
	static const struct attr_table *const tables[] = {
		&address_table, &nexthop_table,	 &route_table,	&link_table,	     &cable_table,
		&netns_table,	&external_table, &ignore_table, &ignore_route_table, &file_table,
		&probe_table,	&process_table,	 &ready_table,
	};
	const struct attr_table *t = tables[make_number(m, ARRAY_SIZE(tables))];

	make_row(m, &t->rows[make_number(m, (uint32_t)t->n)], 1);
}

void make_line(struct maker *m)
{
	struct layout l = {.netns = 2};

	make_layout(m, &l);
	switch (make_number(m, 6)) {
	case 0:
		make_route(m, &l, make_number(m, l.netns));
		return;
	case 1:
		make_other_kinds(m);
		return;
	case 2:
		if (l.cables)
			make_end(m, &l, &l.ends[make_number(m, 2 * l.cables)]);
		return;
	case 3:
		make_netns(m, &l, make_number(m, NETNS_MAX));
		return;
	case 4:
		buf_printf(m->out, "  - [%s:e%u, ", netns_names[make_number(m, NETNS_MAX)],
			   make_number(m, 4));
		buf_printf(m->out, "%s:e%u]\n", netns_names[make_number(m, NETNS_MAX)],
			   make_number(m, 4));
		return;
	default:
		buf_printf(m->out, "    %s: ",
			   PICK(m, "forwarding", "external", "sysctl", "ignore", "cookie"));
		make_value(m);
		buf_putc(m->out, '\n');
	}
}
