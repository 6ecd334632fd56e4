/* SPDX-License-Identifier: MIT */
/* Interfaces, with their addresses and sysctls. The kind comes first, because it
 * says which further keys there are; cables are known by now and imply veth.
 * Peers and ports are only noted: what they name may come later in the file. */
#include "load_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

struct link *load_find_link(struct loader *l, const struct netns *n, const char *name)
{
	return index_get(&l->names, &n->links, name);
}

struct link *load_add_link(struct loader *l, struct netns *n, const char *name)
{
	struct link *k = netns_add_link(l->m, n, name);

	index_put(&l->names, &n->links, k->name, k);
	return k;
}

/* --- kind ---------------------------------------------------------------------------- */

static int unknown_kind(struct loader *l, const struct node *v)
{
	const char *names[32], *near;
	size_t n;
	const struct kind *const *kinds = kind_list(&n);

	if (load_is_future_kind(v->text))
		return diag_error(l->d, -EINVAL, v->mark, "the kind '%s' is not supported yet",
				  v->text);
	for (size_t i = 0; i < n && i < ARRAY_SIZE(names); i++)
		names[i] = kinds[i]->name;
	near = str_nearest(v->text, names, n < ARRAY_SIZE(names) ? n : ARRAY_SIZE(names));
	diag_error(l->d, -EINVAL, v->mark, "unknown kind of interface '%s'", v->text);
	if (near)
		diag_hint(l->d, "did you mean '%s'?", near);
	else
		diag_hint(l->d, "an existing interface is named without a kind");
	return -EINVAL;
}

static const struct pair *find_kind(const struct node *v, const struct load_target *t)
{
	const struct pair *p = load_find_meant(v, "kind", t, 1);

	for (uint32_t i = 0; !p && v->kind == NODE_MAPPING && i < v->n; i++) {
		const struct pair *other = &v->pairs[i];

		if (attr_find(t->table, other->key->text) < 0 &&
		    other->value->kind == NODE_SCALAR && kind_find(other->value->text))
			p = other;
	}
	return p;
}

/* The kind stands under a wrong key, which is told: if it can be known all the same, then
 * so can its keys. */
static int guess_kind(struct loader *l, const struct node *v, struct link *k)
{
	const struct load_target t = {.table = &link_table};
	const struct pair *p = find_kind(v, &t);
	const struct kind *kind =
		p && p->value->kind == NODE_SCALAR ? kind_find(p->value->text) : NULL;

	if (!p)
		return 0;
	if (!kind || (k->kind && k->kind != kind))
		return load_unknown_key(l, v, p, "an interface", &t, 1);
	if (!k->kind)
		link_set_kind(l->m, k, kind);
	return 0; /* its key will be found to be unknown */
}

static int read_kind(struct loader *l, const struct node *text, struct link *k)
{
	const struct kind *kind;

	if (text->kind != NODE_SCALAR || text->null)
		return diag_error(l->d, -EINVAL, text->mark,
				  "kind must be the name of a kind, not %s", node_describe(text));
	kind = kind_find(text->text);
	if (l->state)
		k->kind_name = arena_strdup(&l->m->arena, text->text);
	if (!kind)
		return l->state ? 0 : unknown_kind(l, text);
	if (k->kind && k->kind != kind)
		return diag_error(l->d, -EINVAL, text->mark,
				  "a %s cannot be an end of the cable in line %u", kind->name,
				  k->cable ? k->cable->mark.line : 0);
	if (!k->kind)
		link_set_kind(l->m, k, kind);
	return 0;
}

/* What the entry, or else its cable, says the kind is. */
static int load_kind(struct loader *l, const struct node *v, struct link *k)
{
	const struct node *text = node_get(v, "kind");
	int r = text ? read_kind(l, text, k) : guess_kind(l, v, k);

	if (r < 0)
		unclear_key_put(&l->unclear, text ? text : v, text ? ANYTHING : "kind");
	return r;
}

/* --- keys of their own --------------------------------------------------------------- */

static int load_peer(struct loader *l, const struct node *v, void *link)
{
	struct link *k = link;
	struct link scratch = {0};
	struct claim *c;

	if (load_scalar(l, &link_table.rows[attr_find(&link_table, "peer")], v, &scratch) < 0)
		return -EINVAL;
	if (!scratch.peer.netns)
		scratch.peer.netns = k->netns->name;
	if (l->state) {
		k->peer = scratch.peer;
		return 0;
	}
	c = array_push(&l->peers);
	*c = (struct claim){.link = k, .to = scratch.peer, .node = v};
	return 0;
}

static int load_ports(struct loader *l, const struct node *list, void *link)
{
	static const struct attr item = {.key = "a port", .type = ATTR_IFNAME};
	int ret = load_expect_items(l, list, "ports", &item);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < list->n; i++) {
		const struct node *v = list->items[i];
		bool text = v->kind == NODE_SCALAR && !v->null;
		const char *why = text ? ifname_error(v->text) : "is not a name";

		if (why) {
			ret = diag_error(l->d, -EINVAL, v->mark, "the port '%s' %s",
					 text ? v->text : node_describe(v), why);
			continue;
		}
		*array_push(&l->ports) =
			(struct claim){.link = link, .to = {.name = v->text}, .node = v};
	}
	return ret;
}

/* "ipv4.rp_filter" -> "ipv4/conf/IF/rp_filter"; NULL when it is no such name. */
static const char *link_sysctl_path(struct loader *l, const char *key, const struct link *k)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *name = key + strlen("ipv4.");

	if ((!str_starts(key, "ipv4") && !str_starts(key, "ipv6")) ||
	    (key[4] != '.' && key[4] != '/'))
		return NULL;
	if (!*name || name[strspn(name, legal)])
		return NULL;
	return arena_printf(&l->m->arena, "%.4s/conf/%s/%s", key, k->name, name);
}

int load_link_sysctl(struct loader *l, const struct node *map, struct link *k, bool weak)
{
	bool empty, named = !ifname_error(k->name); /* else there is no path to its values */
	int ret = load_expect(l, map, NODE_MAPPING, "sysctl", &empty);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; !empty && i < map->n; i++) {
		const struct node *key = map->pairs[i].key;
		const char *path = link_sysctl_path(l, key->text, k);

		if (!path) {
			ret = diag_error(l->d, -EINVAL, key->mark,
					 "'%s' is no sysctl of an interface", key->text);
			diag_hint(l->d,
				  "names are relative to net.ipv4.conf.%s and net.ipv6.conf.%s, as "
				  "in "
				  "ipv4.rp_filter; others go to the namespace's sysctl",
				  k->name, k->name);
		} else if (load_sysctl(l, named ? k->netns : NULL, path, map->pairs[i].value,
				       weak) < 0) {
			ret = -EINVAL;
		}
	}
	if (ret < 0)
		unclear_key_put(&l->unclear, map, ANYTHING);
	return ret;
}

static int load_own_sysctl(struct loader *l, const struct node *map, void *link)
{
	return load_link_sysctl(l, map, link, false);
}

/* --- addresses ----------------------------------------------------------------------- */

/* The prefix length: the peer's, where there is one. */
static int settle_length(struct loader *l, const struct node *n, struct address *a)
{
	const struct node *own = n->kind == NODE_MAPPING ? node_get(n, "address") : n;
	const struct node *peer = n->kind == NODE_MAPPING ? node_get(n, "peer") : NULL;
	bool own_length = strchr(own->text, '/');
	char text[IP_TEXT_MAX];

	if (!peer) {
		if (own_length)
			return 0;
		diag_error(l->d, -EINVAL, own->mark, "the address '%s' has no prefix length",
			   own->text);
		diag_hint(l->d, "write %s/%u, or the length of its network",
			  ip_format(&a->address, false, text), ip_bits(&a->address));
		return -EINVAL;
	}
	if (a->address.family != a->peer.family)
		return diag_error(l->d, -EINVAL, peer->mark,
				  "an address and its peer must be of one family");
	if (own_length && strchr(peer->text, '/') && a->peer.len != a->address.len) {
		diag_error(l->d, -EINVAL, own->mark,
			   "the address has prefix length %u, its peer %u", a->address.len,
			   a->peer.len);
		diag_hint(l->d, "there is one length; give it to the peer");
		return -EINVAL;
	}
	if (own_length)
		a->peer.len = a->address.len;
	a->address.len = a->peer.len;
	return 0;
}

/* What the kernel makes of an IPv6 address (ipv6_addr_scope()); for IPv4 iproute2's default. */
static uint32_t default_scope(const struct ip *ip)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	if (ip->family == AF_INET)
		return ip->bytes[0] == 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	if (!memcmp(ip->bytes, loopback6, 16))
		return RT_SCOPE_HOST;
	if (ip_is_link_local(ip))
		return RT_SCOPE_LINK;
	if (ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0xc0)
		return RT_SCOPE_SITE;
	return RT_SCOPE_UNIVERSE;
}

/* *ret_known: it has been added, even if there were errors. */
static int load_address(struct loader *l, const struct node *n, struct link *k, bool *ret_known)
{
	const struct attr *row = &address_table.rows[attr_find(&address_table, "address")];
	struct address a = {.node = n, .link = k}, *added;
	struct found_address found = {0};
	struct load_target t[] = {
		{&address_table, &a, &a.given, NULL},
		{&found_address_table, &found, &found.given, NULL}, /* load_state() only */
	};
	int r;

	if (n->kind == NODE_SCALAR) {
		r = load_scalar(l, row, n, &a);
		a.given = attr_bit(&address_table, "address");
	} else {
		r = load_mapping(l, n, n->mark, "an address", t, l->state ? 2 : 1);
	}
	/* What else is wrong with it does not make it another address. */
	if (r < 0 && (n->kind != NODE_MAPPING || unclear_key(&l->unclear, n, "address") ||
		      unclear_key(&l->unclear, n, "peer") || !node_get(n, "address")))
		return -EINVAL;
	if (settle_length(l, n, &a) < 0)
		return -EINVAL;
	attr_fill(&address_table, &a, a.given);
	if (!(a.given & attr_bit(&address_table, "scope")))
		a.scope = default_scope(&a.address);
	added = link_add_address(l->m, k, &a.address);
	a.rank = added->rank;
	*added = a;
	address_set_found(&l->m->arena, added, &found);
	*ret_known = true;
	return r;
}

int load_addresses(struct loader *l, const struct node *list, void *link)
{
	const struct attr *item = &address_table.rows[attr_find(&address_table, "address")];
	int ret = load_expect_items(l, list, "addresses", item);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < list->n; i++) {
		bool known = false;

		if (load_address(l, list->items[i], link, &known) < 0)
			ret = -EINVAL;
		if (!known)
			unclear_key_put(&l->unclear, list, ANYTHING);
	}
	return ret;
}

/* --- interfaces ---------------------------------------------------------------------- */

static int load_index(struct loader *l, const struct node *v, uint32_t *ret_index)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = v->kind == NODE_SCALAR ? strtoul(v->text, &end, 10) : 0;
	if (!value || value > INT32_MAX || errno || *end)
		return diag_error(l->d, -EINVAL, v->mark, "an index must be a number");
	*ret_index = (uint32_t)value;
	return 0;
}

static int load_own_index(struct loader *l, const struct node *v, void *link)
{
	return load_index(l, v, &((struct link *)link)->index);
}

static int load_home(struct loader *l, const struct node *v, void *link)
{
	return load_index(l, v, &((struct link *)link)->home);
}

static int load_away(struct loader *l, const struct node *v, void *link)
{
	return load_index(l, v, &((struct link *)link)->away);
}

static int load_lower(struct loader *l, const struct node *v, void *link)
{
	return load_index(l, v, &((struct link *)link)->lower);
}

static int load_interface(struct loader *l, const struct node *v, struct link *k)
{
	static const struct load_part parts[] = {
		{"kind", load_later},	       {"peer", load_peer},	    {"ports", load_ports},
		{"addresses", load_addresses}, {"sysctl", load_own_sysctl}, {NULL, NULL},
	};
	/* The last four are for load_state() only. */
	static const struct load_part state_parts[] = {
		{"kind", load_later},	     {"peer", load_peer},
		{"ports", load_ports},	     {"addresses", load_addresses},
		{"sysctl", load_own_sysctl}, {"index", load_own_index},
		{"home", load_home},	     {"away", load_away},
		{"lower", load_lower},	     {NULL, NULL},
	};
	struct load_target targets[] = {
		{&link_table, k, &k->given, l->state ? state_parts : parts},
		{NULL, NULL, &k->kind_given, NULL},
	};
	int r, kind;

	kind = load_kind(l, v, k);
	if (kind >= 0 && !k->kind && !l->state && v->kind == NODE_MAPPING && node_get(v, "peer"))
		link_set_kind(l->m, k, load_cable_kind());
	if (k->kind) {
		targets[1].table = &k->kind->table;
		targets[1].object = k->data;
	}
	l->tolerant = kind < 0; /* its keys cannot be told from wrong ones */
	r = load_mapping(l, v, k->mark, "an interface", targets, k->kind ? 2 : 1);
	l->tolerant = false;
	load_hint_level(l, v, k->name, &netns_table, "interfaces");
	return kind < 0 ? kind : r;
}

/* Could any interface be its other end, for all that can be told? */
static bool has_unclear_peer(const struct loader *l, const struct link *k)
{
	bool other = k->cable || k->from.name || (k->kind && !k->kind->is_pair);

	return !other && unclear_key(&l->unclear, k->node, "peer");
}

int load_interfaces(struct loader *l, const struct node *map, void *netns)
{
	struct netns *n = netns;
	bool empty;
	int ret = load_expect(l, map, NODE_MAPPING, "interfaces", &empty);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; !empty && i < map->n; i++) {
		const struct pair *p = &map->pairs[i];
		const char *why = ifname_error(p->key->text);
		struct link *k = load_find_link(l, n, p->key->text);

		if (why) /* what stands below it is looked at all the same */
			ret = diag_error(l->d, -EINVAL, p->key->mark, "the interface name '%s' %s",
					 p->key->text, why);
		if (!k)
			k = load_add_link(l, n, p->key->text);
		k->mark = p->key->mark;
		k->node = p->value;
		if (load_interface(l, p->value, k) < 0)
			ret = -EINVAL;
		if (has_unclear_peer(l, k))
			unclear_link_put(&l->unclear, NULL, ANYTHING);
		if (l->state) {
			attr_fill(&link_table, k, k->given);
			if (k->kind)
				attr_fill(&k->kind->table, k->data, k->kind_given);
		}
	}
	return ret;
}
