/* SPDX-License-Identifier: MIT */
/* The rows of every object that is no kind of interface. Order is the order of
 * the manual, of exports and of the bits in `given` masks. */
#include "model.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define TABLE(what, text, r)                                                    \
	{                                                                       \
		.name = (what), .help = (text), .rows = (r), .n = ARRAY_SIZE(r) \
	}

/* --- addresses --------------------------------------------------------------- */

static const struct attr address_rows[] = {
	{
		.key = "address",
		.help = "the address with its prefix length; with peer, the address alone",
		.type = ATTR_PREFIX,
		.flags = ATTR_IDENTITY | ATTR_REQUIRED | ATTR_SHORTHAND | ATTR_LEN_OPTIONAL,
		FIELD_IP(struct address, address),
	},
	{
		.key = "peer",
		.help = "the address (and prefix length) at the other end of a point-to-point link",
		.type = ATTR_PREFIX,
		.flags = ATTR_CREATE_ONLY | ATTR_LEN_OPTIONAL,
		FIELD_IP(struct address, peer),
	},
	{
		.key = "scope",
		.help = "how far the address is valid (IPv4; the kernel derives it for IPv6)",
		.type = ATTR_NUMBER_NAME,
		.flags = ATTR_CREATE_ONLY,
		.names = NAMES_SCOPE,
		.max = 255,
		FIELD_U32(struct address, scope),
	},
	{
		.key = "label",
		.help = "a name for old tools, the interface's name or beginning with it and a "
			"colon (IPv4)",
		.type = ATTR_TEXT,
		.flags = ATTR_CREATE_ONLY,
		.max = IFNAME_MAX,
		FIELD_TEXT(struct address, label),
	},
	{
		.key = "dad",
		.help = "wait until nobody else has the address (IPv6 duplicate address "
			"detection); "
			"in owned namespaces off unless set, elsewhere on",
		.type = ATTR_BOOL,
		FIELD_U32(struct address, dad),
	},
};
const struct attr_table address_table =
	TABLE("address", "Written as ADDRESS/LEN, or as a mapping.", address_rows);

/* In records only, under the words of ip-address(8). */
static const struct attr found_address_rows[] = {
	{.key = "broadcast", .type = ATTR_ADDRESS, FIELD_IP(struct found_address, broadcast)},
	{.key = "metric",
	 .type = ATTR_UINT,
	 .max = UINT32_MAX,
	 FIELD_U32(struct found_address, metric)},
	{.key = "valid_lft",
	 .type = ATTR_UINT,
	 .max = UINT32_MAX,
	 FIELD_U32(struct found_address, valid_lft)},
	{.key = "preferred_lft",
	 .type = ATTR_UINT,
	 .max = UINT32_MAX,
	 FIELD_U32(struct found_address, preferred_lft)},
	{.key = "home", .type = ATTR_BOOL, FIELD_U32(struct found_address, home)},
	{.key = "mngtmpaddr", .type = ATTR_BOOL, FIELD_U32(struct found_address, mngtmpaddr)},
	{.key = "noprefixroute", .type = ATTR_BOOL, FIELD_U32(struct found_address, noprefixroute)},
	{.key = "autojoin", .type = ATTR_BOOL, FIELD_U32(struct found_address, autojoin)},
};
const struct attr_table found_address_table =
	TABLE("found address", "What an address that was found had.", found_address_rows);

/* --- routes ------------------------------------------------------------------ */

static const struct choice route_types[] = {
	{"unicast", RTN_UNICAST},
	{"local", RTN_LOCAL},
	{"blackhole", RTN_BLACKHOLE},
	{"unreachable", RTN_UNREACHABLE},
	{"prohibit", RTN_PROHIBIT},
	{"throw", RTN_THROW},
	{NULL, 0},
};
static const struct choice families[] = {{"inet", AF_INET}, {"inet6", AF_INET6}, {NULL, 0}};

static const struct attr nexthop_rows[] = {
	{
		.key = "via",
		.help = "the gateway",
		.type = ATTR_ADDRESS,
		FIELD_IP(struct nexthop, via),
	},
	{
		.key = "dev",
		.help = "the interface; absent: the one whose network holds the gateway",
		.type = ATTR_IFNAME,
		.flags = ATTR_REFERENCE | ATTR_AUTOMATIC,
		FIELD_TEXT(struct nexthop, dev),
	},
	{
		.key = "weight",
		.help = "the share of the traffic",
		.type = ATTR_UINT,
		.min = 1,
		.max = 256,
		.initial = 1,
		FIELD_U32(struct nexthop, weight),
	},
	{
		.key = "onlink",
		.help = "take the gateway as directly reachable, whatever the addresses say",
		.type = ATTR_BOOL,
		FIELD_U32(struct nexthop, onlink),
	},
};
const struct attr_table nexthop_table =
	TABLE("nexthop", "One of several ways of a multipath route.", nexthop_rows);

static const struct attr route_rows[] = {
	{
		.key = "to",
		.help = "the destination: default, a network, or one address",
		.type = ATTR_PREFIX,
		.flags = ATTR_IDENTITY | ATTR_REQUIRED | ATTR_DEFAULT_OK | ATTR_LEN_OPTIONAL,
		FIELD_IP(struct route, to),
	},
	{
		.key = "via",
		.help = "the gateway; an IPv4 route may have an IPv6 one",
		.type = ATTR_ADDRESS,
		FIELD_IP(struct route, via),
	},
	{
		.key = "dev",
		.help = "the interface; absent: the one whose network holds the gateway",
		.type = ATTR_IFNAME,
		.flags = ATTR_REFERENCE | ATTR_AUTOMATIC,
		FIELD_TEXT(struct route, dev),
	},
	{
		.key = "src",
		.help = "the source address that the kernel prefers for this route",
		.type = ATTR_ADDRESS,
		FIELD_IP(struct route, src),
	},
	{
		.key = "metric",
		.help = "the lower, the better; absent: 0 for IPv4, 1024 for IPv6",
		.type = ATTR_UINT,
		.flags = ATTR_IDENTITY,
		.max = UINT32_MAX,
		FIELD_U32(struct route, metric),
	},
	{
		.key = "table",
		.help = "the routing table, a number or a name of rt_tables; absent: main (local "
			"for type local)",
		.type = ATTR_NUMBER_NAME,
		.flags = ATTR_IDENTITY,
		.names = NAMES_TABLE,
		.min = 1,
		.max = UINT32_MAX,
		.initial = RT_TABLE_MAIN,
		FIELD_U32(struct route, table),
	},
	{
		.key = "type",
		.help = "what happens to packets that match",
		.type = ATTR_CHOICE,
		.choices = route_types,
		.initial = RTN_UNICAST,
		FIELD_U32(struct route, type),
	},
	{
		.key = "scope",
		.help = "how far the destination is (IPv4); absent: by type, and link for a "
			"unicast "
			"route without a gateway",
		.type = ATTR_NUMBER_NAME,
		.names = NAMES_SCOPE,
		.max = 255,
		FIELD_U32(struct route, scope),
	},
	{
		.key = "onlink",
		.help = "take the gateway as directly reachable, whatever the addresses say",
		.type = ATTR_BOOL,
		FIELD_U32(struct route, onlink),
	},
	{
		.key = "mtu",
		.help = "the largest packet sent along this route",
		.unit = "bytes",
		.type = ATTR_UINT,
		.max = 65535,
		FIELD_U32(struct route, mtu),
	},
	{
		.key = "advmss",
		.help = "the segment size that TCP advertises along this route",
		.unit = "bytes",
		.type = ATTR_UINT,
		.max = 65535,
		FIELD_U32(struct route, advmss),
	},
	{
		.key = "proto",
		.help = "who installed it, a number or a name of rt_protos",
		.type = ATTR_NUMBER_NAME,
		.names = NAMES_PROTO,
		.max = 255,
		.initial = RTPROT_STATIC,
		FIELD_U32(struct route, proto),
	},
	{
		.key = "family",
		.help = "of a default route that neither via nor src tells",
		.type = ATTR_CHOICE,
		.flags = ATTR_IDENTITY,
		.choices = families,
		FIELD_U32(struct route, family),
	},
	{
		.key = "nexthops",
		.help = "several ways, over which the traffic is spread",
		.type = ATTR_LIST,
		.of = &nexthop_table,
	},
};
const struct attr_table route_table = TABLE("route", "A mapping for each route.", route_rows);

/* In records only. */
static const struct attr found_route_rows[] = {
	{.key = "attributes",
	 .type = ATTR_TEXT,
	 .max = 2 * FOUND_ROUTE_MAX,
	 FIELD_TEXT(struct route, found)},
};
const struct attr_table found_route_table =
	TABLE("found route", "What a route that was found had.", found_route_rows);

/* --- interfaces -------------------------------------------------------------- */

static const struct choice link_states[] = {{"up", LINK_UP}, {"down", LINK_DOWN}, {NULL, 0}};

static const struct attr link_rows[] = {
	{
		.key = "kind",
		.help = "the kind of interface; absent: a cable's end, or an existing interface",
		.type = ATTR_TEXT,
		.flags = ATTR_IDENTITY | ATTR_CREATE_ONLY,
		.offset = UINT16_MAX, /* struct link's kind: loader, planner and emitter know */
	},
	{
		.key = "peer",
		.help = "the other end of the cable, as NAMESPACE:IFNAME, or IFNAME for one of the "
			"same "
			"namespace; the same as an entry under links",
		.type = ATTR_REF,
		.flags = ATTR_CREATE_ONLY,
		FIELD_REF(struct link, peer),
	},
	{
		.key = "from",
		.help = "an existing interface, as NAMESPACE:IFNAME, that is moved here and given "
			"back by destroy as it was found",
		.type = ATTR_REF,
		.flags = ATTR_CREATE_ONLY,
		FIELD_REF(struct link, from),
	},
	{
		.key = "state",
		.help = "up or down; absent: up, but one that exists and is only named keeps its "
			"state",
		.type = ATTR_CHOICE,
		.choices = link_states,
		.initial = LINK_UP,
		FIELD_U32(struct link, state),
	},
	{
		.key = "mtu",
		.help = "the largest packet; absent: the kind's own, for a bridge that of its "
			"ports",
		.unit = "bytes",
		.type = ATTR_UINT,
		.flags = ATTR_AUTOMATIC,
		.min = 68,
		.max = 65535,
		FIELD_U32(struct link, mtu),
		.nla = IFLA_MTU,
		.wire = WIRE_U32,
	},
	{
		.key = "mac",
		.help = "the hardware address; absent: the kernel chooses",
		.ip = "address",
		.type = ATTR_MAC,
		.flags = ATTR_AUTOMATIC,
		FIELD_MAC(struct link, mac),
		.nla = IFLA_ADDRESS,
		.wire = WIRE_BYTES,
	},
	{
		.key = "master",
		.help = "the bridge of this namespace whose port it is",
		.type = ATTR_IFNAME,
		.flags = ATTR_REFERENCE,
		FIELD_TEXT(struct link, master),
		.nla = IFLA_MASTER,
	},
	{
		.key = "ports",
		.help = "the interfaces of this namespace that are its ports; the same as master "
			"there",
		.type = ATTR_LIST,
		.flags = ATTR_LIST_OF_NAMES,
	},
	{
		.key = "addresses",
		.help = "its addresses",
		.type = ATTR_LIST,
		.of = &address_table,
	},
	{
		.key = "sysctl",
		.help = "values relative to net.ipv4.conf.IF and net.ipv6.conf.IF, such as "
			"ipv4.rp_filter",
		.type = ATTR_MAP,
	},
};
const struct attr_table link_table =
	TABLE("interface",
	      "A mapping of names to interfaces. Keys that every interface takes:", link_rows);

static const struct attr cable_rows[] = {
	{
		.key = "endpoints",
		.help = "the two ends, each as NAMESPACE:IFNAME",
		.type = ATTR_LIST,
		.flags = ATTR_REQUIRED | ATTR_SHORTHAND | ATTR_LIST_OF_NAMES,
	},
	{
		.key = "state",
		.help = "of both ends, up or down",
		.type = ATTR_CHOICE,
		.choices = link_states,
		.initial = LINK_UP,
		FIELD_U32(struct link, state),
	},
	{
		.key = "mtu",
		.help = "of both ends",
		.unit = "bytes",
		.type = ATTR_UINT,
		.min = 68,
		.max = 65535,
		FIELD_U32(struct link, mtu),
	},
};
const struct attr_table cable_table =
	TABLE("cable",
	      "A list of cables (veth pairs), each [NAMESPACE:IFNAME, NAMESPACE:IFNAME] or a "
	      "mapping. An end's own key wins over its cable's.",
	      cable_rows);

/* --- namespaces -------------------------------------------------------------- */

static const struct attr external_rows[] = {
	{
		.key = "pid",
		.help = "the namespace of this process",
		.type = ATTR_UINT,
		.min = 1,
		.max = INT32_MAX,
		FIELD_U32(struct netns, pid),
	},
	{
		.key = "path",
		.help = "the namespace behind this file, an absolute path",
		.type = ATTR_TEXT,
		.max = 4095,
		FIELD_TEXT(struct netns, path),
	},
};
const struct attr_table external_table = TABLE(
	"external", "true for an existing `ip netns` name, or one of these keys.", external_rows);

static const struct attr ignore_route_rows[] = {
	{
		.key = "proto",
		.help = "routes of this protocol",
		.type = ATTR_NUMBER_NAME,
		.names = NAMES_PROTO,
		.max = 255,
		FIELD_U32(struct ignore_route, proto),
	},
	{
		.key = "table",
		.help = "routes of this table",
		.type = ATTR_NUMBER_NAME,
		.names = NAMES_TABLE,
		.min = 1,
		.max = UINT32_MAX,
		FIELD_U32(struct ignore_route, table),
	},
	{
		.key = "dev",
		.help = "routes out of this interface",
		.type = ATTR_IFNAME,
		FIELD_TEXT(struct ignore_route, dev),
	},
};
const struct attr_table ignore_route_table = TABLE(
	"ignored route", "Routes that match every key given are never pruned.", ignore_route_rows);

static const struct attr ignore_rows[] = {
	{
		.key = "interfaces",
		.help = "patterns (* and ?) of names of interfaces that are never pruned",
		.type = ATTR_LIST,
		.flags = ATTR_LIST_OF_NAMES,
	},
	{
		.key = "routes",
		.help = "routes that are never pruned",
		.type = ATTR_LIST,
		.of = &ignore_route_table,
	},
};
const struct attr_table ignore_table =
	TABLE("ignore", "What is left alone in an owned namespace, a routing daemon's routes say.",
	      ignore_rows);

static const struct choice forwarding_choices[] = {
	{"true", FORWARD_IPV4 | FORWARD_IPV6},
	{"false", 0},
	{"ipv4", FORWARD_IPV4},
	{"ipv6", FORWARD_IPV6},
	{NULL, 0},
};

static const struct attr netns_rows[] = {
	{
		.key = "external",
		.help = "the namespace exists without the lab: true for its `ip netns` name, {pid: "
			"N} or "
			"{path: FILE}; only what the file names is touched in it",
		.type = ATTR_OBJECT,
		.of = &external_table,
	},
	{
		.key = "forwarding",
		.help = "forward packets between interfaces: true, false, ipv4 or ipv6; absent: "
			"not in an owned namespace, as it is in an external one; refused where "
			"the kernel would drop a default route that a router advertised",
		.type = ATTR_CHOICE,
		.choices = forwarding_choices,
		FIELD_U32(struct netns, forwarding),
	},
	{
		.key = "sysctl",
		.help = "names under net (with dots or slashes) to values",
		.type = ATTR_MAP,
	},
	{
		.key = "interfaces",
		.help = "names to interfaces",
		.type = ATTR_MAP,
		.of = &link_table,
	},
	{
		.key = "routes",
		.help = "static routes",
		.type = ATTR_LIST,
		.of = &route_table,
	},
	{
		.key = "processes",
		.help = "names to processes, which run inside it",
		.type = ATTR_MAP,
		.of = &process_table,
	},
	{
		.key = "ignore",
		.help = "what is never pruned",
		.type = ATTR_OBJECT,
		.of = &ignore_table,
	},
};
const struct attr_table netns_table = TABLE("namespace",
					    "A mapping of names to namespaces. The lab makes, "
					    "keeps and removes those it owns; host is the "
					    "one that nsapply was started in.",
					    netns_rows);

/* --- the file ---------------------------------------------------------------- */

static const struct attr defaults_rows[] = {
	{
		.key = "interfaces",
		.help = "keys for every interface that the lab makes; its own keys and its cable's "
			"win",
		.type = ATTR_OBJECT,
		.of = &link_table,
	},
	{
		.key = "sysctl",
		.help = "values for every owned namespace",
		.type = ATTR_MAP,
	},
};
const struct attr_table defaults_table =
	TABLE("defaults", "What holds where nothing else is said.", defaults_rows);

static const struct attr file_rows[] = {
	{
		.key = "name",
		.help = "the lab's name; absent: the file's name without its extension, and for "
			"topo.yaml that of its folder",
		.type = ATTR_TEXT,
		.max = LAB_NAME_MAX,
		FIELD_TEXT(struct model, name),
	},
	{
		.key = "description",
		.help = "free text",
		.type = ATTR_TEXT,
		.max = 65535,
		FIELD_TEXT(struct model, description),
	},
	{
		.key = "defaults",
		.help = "what holds where nothing else is said",
		.type = ATTR_OBJECT,
		.of = &defaults_table,
	},
	{
		.key = "namespaces",
		.help = "names to namespaces",
		.type = ATTR_MAP,
		.of = &netns_table,
	},
	{
		.key = "links",
		.help = "the cable plan: one veth pair each",
		.type = ATTR_LIST,
		.of = &cable_table,
	},
	{
		.key = "checks",
		.help = "what must be reached from where, and what must not; nsapply --check tries "
			"it with real packets",
		.type = ATTR_LIST,
		.of = &probe_table,
	},
};
const struct attr_table file_table = TABLE("file", "One mapping with these keys:", file_rows);
