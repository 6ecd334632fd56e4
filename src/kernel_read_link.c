/* SPDX-License-Identifier: MIT */
/* Links and their addresses: dumps -> model.
 *
 * A dump that was interrupted is asked again from the start; what the first
 * try had put into the model is taken out (its memory stays in the arena). Links
 * are looked up by index here, so they are kept sorted by it. */
#include "attr_wire.h"
#include "kernel_internal.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

#define NETNS_IMMUTABLE 67 /* IFLA_NETNS_IMMUTABLE, Linux 6.15 */

/* Put into every new namespace by the modules of tunnels (net.core.fb_tunnels_only_for_init_net). */
static const struct fallback {
	const char *name, *kind;
} fallbacks[] = {
	{"tunl0", "ipip"},	     {"gre0", "gre"},
	{"gretap0", "gretap"},	     {"erspan0", "erspan"},
	{"ip_vti0", "vti"},	     {"sit0", "sit"},
	{"ip6tnl0", "ip6tnl"},	     {"ip6_vti0", "vti6"},
	{"ip6gre0", "ip6gre"},	     {"ip6gretap0", "ip6gretap"},
	{"ip6erspan0", "ip6erspan"},
};

static bool is_fallback(const char *name, const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(fallbacks); i++)
		if (strcmp(name, fallbacks[i].name) == 0)
			return strcmp(kind, fallbacks[i].kind) == 0;
	return false;
}

static int compare_index(const void *a, const void *b)
{
	uint32_t x = ((const struct found_link *)a)->link->index;
	uint32_t y = ((const struct found_link *)b)->link->index;

	return (x > y) - (x < y);
}

struct found_link *found_by_index(const struct found_netns *f, uint32_t index)
{
	struct link l = {.index = index};
	struct found_link key = {.link = &l};

	if (f->links.n == 0)
		return NULL;
	return bsearch(&key, f->links.items, f->links.n, sizeof(key), compare_index);
}

/* --- links ------------------------------------------------------------------------------- */

static bool info_parse(struct nlattr *attr, struct nlattr **info)
{
	static const struct nla_policy policy[IFLA_INFO_MAX + 1] = {
		[IFLA_INFO_KIND] = {.type = NLA_STRING},
		[IFLA_INFO_SLAVE_KIND] = {.type = NLA_STRING},
	};

	return attr && nla_parse_nested(info, IFLA_INFO_MAX, attr, policy) >= 0;
}

/* The kernel deletes a vxlan with the interface that it sends by, also where that only moves
 * (vxlan_handle_lowerdev_unregister() in drivers/net/vxlan/vxlan_core.c), and so it does with a macsec
 * (macsec_notify() in drivers/net/macsec.c); not so macvlan, ipvlan or vlan. */
static uint32_t find_lower(const char *kind, struct nlattr *const *tb)
{
	struct nlattr *info[IFLA_INFO_MAX + 1], *lower = NULL;

	if (str_equal(kind, "macsec"))
		lower = tb[IFLA_LINK];
	else if (str_equal(kind, "vxlan") && info_parse(tb[IFLA_LINKINFO], info) &&
		 info[IFLA_INFO_DATA])
		lower = nla_find(nla_data(info[IFLA_INFO_DATA]), nla_len(info[IFLA_INFO_DATA]),
				 IFLA_VXLAN_LINK);
	return lower && (size_t)nla_len(lower) >= sizeof(uint32_t) ? nla_get_u32(lower) : 0;
}

static void read_kind(struct reader *r, struct link *l, struct nlattr *info_attr)
{
	struct nlattr *info[IFLA_INFO_MAX + 1];
	struct nlattr *data[64]; /* no table has rows beyond */
	const int max = ARRAY_SIZE(data) - 1;
	const char *kind = "";

	l->kind_name = "";
	if (!info_parse(info_attr, info))
		return;
	if (info[IFLA_INFO_KIND])
		kind = nla_get_string(info[IFLA_INFO_KIND]);
	l->kind_name = arena_strdup(&r->live->arena, kind);
	if (!kind_find(kind))
		return;
	link_set_kind(r->live, l, kind_find(kind));
	l->given |= LINK_BIT("kind");
	if (info[IFLA_INFO_DATA] && l->kind->size &&
	    nla_parse_nested(data, max, info[IFLA_INFO_DATA], NULL) >= 0)
		l->kind_given =
			attr_get_rows(&l->kind->table, data, max, &r->live->arena, l->data) &
			~kind_passing(l->kind, l->data);
}

static const struct kind *kind_of(struct nlattr *name)
{
	return name ? kind_find(nla_get_string(name)) : NULL;
}

static bool port_is_unsettled(struct nlattr *const *info)
{
	const struct kind *master = kind_of(info[IFLA_INFO_SLAVE_KIND]);
	struct nlattr *state;

	if (!master || !master->port_state || !info[IFLA_INFO_SLAVE_DATA])
		return false;
	state = nla_find(nla_data(info[IFLA_INFO_SLAVE_DATA]), nla_len(info[IFLA_INFO_SLAVE_DATA]),
			 master->port_state);
	return state && nla_len(state) >= 1 && nla_get_u8(state) < 32 &&
	       master->port_unsettled >> nla_get_u8(state) & 1;
}

/* That an interface has a carrier (IFF_LOWER_UP) is said at once, but what is sent is dropped until
 * the kernel has dealt with it, which is when it changes the operational state
 * (net/core/link_watch.c, linkwatch_do_dev()). Kinds without a carrier of their own never say. */
void link_set_condition(struct link *l, const struct ifinfomsg *header, struct nlattr *const *tb)
{
	uint8_t state = tb[IFLA_OPERSTATE] ? nla_get_u8(tb[IFLA_OPERSTATE]) : IF_OPER_UNKNOWN;
	struct nlattr *info[IFLA_INFO_MAX + 1] = {0};
	const struct kind *kind;
	bool tells;

	info_parse(tb[IFLA_LINKINFO], info);
	kind = kind_of(info[IFLA_INFO_KIND]);
	tells = kind && (kind->is_pair || kind->is_master);
	l->operational = header->ifi_flags & IFF_LOWER_UP &&
			 (state == IF_OPER_UP || (state == IF_OPER_UNKNOWN && !tells));
	l->unsettled = port_is_unsettled(info);
}

bool link_parse(const struct nlmsghdr *h, struct nlattr **tb)
{
	static const struct nla_policy policy[IFLA_MAX + 1] = {
		[IFLA_IFNAME] = {.type = NLA_STRING}, [IFLA_MASTER] = {.type = NLA_U32},
		[IFLA_LINK] = {.type = NLA_U32},      [IFLA_LINK_NETNSID] = {.type = NLA_U32},
		[IFLA_OPERSTATE] = {.type = NLA_U8},
	};
	const struct ifinfomsg *header = nlmsg_data(h);

	return h->nlmsg_type == RTM_NEWLINK &&
	       nlmsg_parse((struct nlmsghdr *)h, sizeof(*header), tb, IFLA_MAX, policy) >= 0 &&
	       header->ifi_family == AF_UNSPEC;
}

/* Kernels that do not say so yet keep these kinds all the same. */
static bool is_fixed(const struct link *l, const struct nlmsghdr *h)
{
	struct nlattr *fixed =
		nlmsg_find_attr((struct nlmsghdr *)h, sizeof(struct ifinfomsg), NETNS_IMMUTABLE);

	return (l->kind && l->kind->is_fixed) ||
	       (fixed && nla_len(fixed) >= 1 && nla_get_u8(fixed));
}

static void see_link(const struct nlmsghdr *h, void *arg)
{
	static const struct mac no_mac;
	const struct ifinfomsg *header = nlmsg_data(h);
	struct reader *r = arg;
	struct nlattr *tb[IFLA_MAX + 1];
	struct found_link *f;
	struct link *l;

	if (!link_parse(h, tb) || !tb[IFLA_IFNAME])
		return;
	l = netns_add_link(r->live, r->now->live, nla_get_string(tb[IFLA_IFNAME]));
	l->index = (uint32_t)header->ifi_index;
	l->state = header->ifi_flags & IFF_UP ? LINK_UP : LINK_DOWN;
	l->given = LINK_BIT("state") | attr_get_rows(&link_table, tb, IFLA_MAX, &r->live->arena, l);
	read_kind(r, l, tb[IFLA_LINKINFO]);
	/* A bridge without its last port has a MAC of zeros (net/bridge/br_stp_if.c,
	 * br_stp_recalculate_bridge_id()), which nobody can give it. */
	if (l->kind && memcmp(l->mac.bytes, no_mac.bytes, sizeof(no_mac.bytes)) == 0) {
		l->mac = no_mac;
		l->given &= ~LINK_BIT("mac");
	}
	l->fixed = is_fixed(l, h);
	l->fallback = is_fallback(l->name, l->kind_name);
	link_set_condition(l, header, tb);

	f = array_push(&r->now->links);
	f->link = l;
	f->master = tb[IFLA_MASTER] ? nla_get_u32(tb[IFLA_MASTER]) : 0;
	f->peer_nsid =
		tb[IFLA_LINK_NETNSID] ? (int32_t)nla_get_u32(tb[IFLA_LINK_NETNSID]) : NSID_SAME;
	if (l->kind && l->kind->is_pair && tb[IFLA_LINK])
		f->peer = nla_get_u32(tb[IFLA_LINK]);
	/* The index is one of the namespace that it was made in. */
	if (f->peer_nsid == NSID_SAME)
		l->lower = find_lower(l->kind_name, tb);
}

static void forget_links(struct reader *r)
{
	r->now->links.n = 0;
	r->now->live->links.n = 0;
}

int read_links(struct reader *r)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	int error = read_dump(r, &(struct dump){.type = RTM_GETLINK,
						.header = &header,
						.size = sizeof(header),
						.ext_mask = RTEXT_FILTER_SKIP_STATS,
						.fn = see_link,
						.reset = forget_links});

	if (error)
		return error;
	array_sort(&r->now->links, compare_index);
	array_each(&r->now->links, f) {
		struct found_link *master = f->master ? found_by_index(r->now, f->master) : NULL;

		if (!master)
			continue;
		f->link->master = master->link->name;
		f->link->given |= LINK_BIT("master");
	}
	return 0;
}

/* --- addresses ---------------------------------------------------------------------------- */

static bool is_eui64(const struct ip *ip, const struct mac *mac)
{
	const struct ip expected = ip_of_mac(mac);

	return mac->set && ip_compare(ip, &expected) == 0;
}

/* Did the kernel make it? */
static bool is_automatic(const struct reader *r, const struct address *a, uint32_t flags,
			 struct nlattr *const *tb)
{
	uint8_t proto = tb[IFA_PROTO] ? nla_get_u8(tb[IFA_PROTO]) : IFAPROT_UNSPEC;

	if (address_is_loopback(a))
		return true;
	if (a->address.family == AF_INET)
		return false;
	if (proto == IFAPROT_KERNEL_LO || proto == IFAPROT_KERNEL_RA || proto == IFAPROT_KERNEL_LL)
		return true;
	if (flags & IFA_F_TEMPORARY) /* for privacy, beside another one */
		return true;
	if (r->k->has_address_proto)
		return false;
	/* Most likely what a router has advertised; older kernels do not tell. */
	if (!(flags & IFA_F_PERMANENT))
		return true;
	if (!ip_is_link_local(&a->address))
		return false;
	/* Only the kernel sets IFA_F_STABLE_PRIVACY. */
	return flags & IFA_F_STABLE_PRIVACY || is_eui64(&a->address, &a->link->mac);
}

static bool get_ip(const struct nlattr *nla, uint8_t family, uint8_t len, struct ip *ret)
{
	size_t size = family == AF_INET ? 4 : 16;

	if (!nla || (size_t)nla_len(nla) != size || len > size * 8)
		return false;
	*ret = (struct ip){.family = family, .len = len};
	memcpy(ret->bytes, nla_data(nla), size);
	return true;
}

static void set_found_flags(struct found_address *found, uint32_t flags)
{
	const struct {
		const char *key;
		uint32_t *value, flag;
	} rows[] = {
		{"home", &found->home, IFA_F_HOMEADDRESS},
		{"mngtmpaddr", &found->mngtmpaddr, IFA_F_MANAGETEMPADDR},
		{"noprefixroute", &found->noprefixroute, IFA_F_NOPREFIXROUTE},
		{"autojoin", &found->autojoin, IFA_F_MCAUTOJOIN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!(flags & rows[i].flag))
			continue;
		*rows[i].value = true;
		found->given |= attr_find_bit(&found_address_table, rows[i].key);
	}
}

static void set_found(struct found_address *found, uint8_t family, uint32_t flags,
		      struct nlattr *const *tb)
{
	struct ifa_cacheinfo lifetimes;

	if (get_ip(tb[IFA_BROADCAST], family, 0, &found->broadcast)) {
		found->broadcast.len = (uint8_t)ip_bits(&found->broadcast);
		found->given |= attr_bit(&found_address_table, "broadcast");
	}
	/* Without a metric IPv6 reports 0, as IPv4 does not. */
	if (tb[IFA_RT_PRIORITY] && nla_get_u32(tb[IFA_RT_PRIORITY])) {
		found->metric = nla_get_u32(tb[IFA_RT_PRIORITY]);
		found->given |= attr_bit(&found_address_table, "metric");
	}
	set_found_flags(found, flags);
	if (!tb[IFA_CACHEINFO] || (size_t)nla_len(tb[IFA_CACHEINFO]) < sizeof(lifetimes))
		return;
	memcpy(&lifetimes, nla_data(tb[IFA_CACHEINFO]), sizeof(lifetimes));
	if (flags & IFA_F_DEPRECATED) /* which IPv4 says of permanent ones, but not for how long */
		lifetimes.ifa_prefered = 0;
	if (lifetimes.ifa_valid == UINT32_MAX && lifetimes.ifa_prefered == UINT32_MAX)
		return; /* for ever */
	/* The kernel rounds down, and takes no 0. */
	found->valid_lft = lifetimes.ifa_valid ? lifetimes.ifa_valid : 1;
	found->preferred_lft = lifetimes.ifa_prefered;
	found->given |= attr_bit(&found_address_table, "valid_lft") |
			attr_bit(&found_address_table, "preferred_lft");
}

static void set_details(struct address *a, const struct ifaddrmsg *header, uint32_t flags,
			const char *label, struct arena *arena)
{
	a->given |= attr_bit(&address_table, "address");
	if (a->address.family == AF_INET6) {
		/* Its scope follows from the address and is no setting. */
		a->dad = !(flags & IFA_F_NODAD);
		a->given |= attr_bit(&address_table, "dad");
		/* The kernel's list begins with the one added last (ipv6_link_dev_addr()). */
		a->rank = UINT32_MAX - a->rank;
		a->tentative = flags & IFA_F_TENTATIVE;
		a->dad_failed = flags & IFA_F_DADFAILED;
		return;
	}
	a->scope = header->ifa_scope;
	a->given |= attr_bit(&address_table, "scope");
	a->secondary = flags & IFA_F_SECONDARY; /* in IPv6 the bit means "temporary" */
	if (label && strcmp(label, a->link->name) != 0) {
		a->label = arena_strdup(arena, label);
		a->given |= attr_bit(&address_table, "label");
	}
}

bool address_parse(const struct nlmsghdr *h, struct nlattr **tb)
{
	static const struct nla_policy policy[IFA_MAX + 1] = {
		[IFA_LABEL] = {.type = NLA_STRING},
		[IFA_FLAGS] = {.type = NLA_U32},
		[IFA_PROTO] = {.type = NLA_U8},
		[IFA_RT_PRIORITY] = {.type = NLA_U32},
	};
	const struct ifaddrmsg *header = nlmsg_data(h);

	return h->nlmsg_type == RTM_NEWADDR &&
	       nlmsg_parse((struct nlmsghdr *)h, sizeof(*header), tb, IFA_MAX, policy) >= 0 &&
	       (header->ifa_family == AF_INET || header->ifa_family == AF_INET6);
}

uint32_t address_parsed_flags(const struct nlmsghdr *h, struct nlattr *const *tb)
{
	const struct ifaddrmsg *header = nlmsg_data(h);

	return tb[IFA_FLAGS] ? nla_get_u32(tb[IFA_FLAGS]) : header->ifa_flags;
}

static void see_address(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *header = nlmsg_data(h);
	struct reader *r = arg;
	struct nlattr *tb[IFA_MAX + 1];
	struct found_link *f;
	struct found_address found = {0};
	struct ip address, other;
	struct address *a;
	uint32_t flags;

	if (!address_parse(h, tb))
		return;
	f = found_by_index(r->now, header->ifa_index);
	if (!f || !get_ip(tb[IFA_ADDRESS], header->ifa_family, header->ifa_prefixlen, &other))
		return;
	/* IFA_ADDRESS is the peer where there is one, IFA_LOCAL then is ours. */
	if (!get_ip(tb[IFA_LOCAL], header->ifa_family, header->ifa_prefixlen, &address))
		address = other;
	a = link_add_address(r->live, f->link, &address);
	if (memcmp(address.bytes, other.bytes, sizeof(other.bytes)) != 0) {
		a->peer = other;
		a->given |= attr_bit(&address_table, "peer");
	}
	flags = address_parsed_flags(h, tb);
	set_details(a, header, flags, tb[IFA_LABEL] ? nla_get_string(tb[IFA_LABEL]) : NULL,
		    &r->live->arena);
	set_found(&found, header->ifa_family, flags, tb);
	address_set_found(&r->live->arena, a, &found);
	a->automatic = is_automatic(r, a, flags, tb);
	a->dynamic = !(flags & IFA_F_PERMANENT);
}

static void forget_addresses(struct reader *r)
{
	array_each(&r->now->links, f)
		f->link->addresses.n = 0;
}

int read_addresses(struct reader *r)
{
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};

	return read_dump(r, &(struct dump){.type = RTM_GETADDR,
					   .header = &header,
					   .size = sizeof(header),
					   .fn = see_address,
					   .reset = forget_addresses});
}
