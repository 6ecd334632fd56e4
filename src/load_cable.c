/* SPDX-License-Identifier: MIT */
/* Cables: the entries under `links`, and the `peer` that an interface names
 * inline. Both make two interfaces of kind veth that name each other. A cable
 * is known before the interfaces are loaded, a peer is settled afterwards,
 * when every interface there is can be found. */
#include "load_internal.h"

#include <errno.h>

static const struct attr endpoint_row = {.key = "an end of a cable", .type = ATTR_REF};

const char *load_unknown_netns(struct loader *l, const struct node *n, const char *name)
{
	const char **names, *near = NULL;

	if (unclear_key(&l->unclear, l->doc->root, "namespaces"))
		return NULL;
	diag_error(l->d, -EINVAL, n->mark, "there is no namespace '%s'", name);
	if (!l->d->last_dropped) { /* or the hint would be, too */
		names = xcalloc(l->m->namespaces.n + 1, sizeof(*names));
		for (size_t i = 0; i < l->m->namespaces.n; i++)
			names[i] = l->m->namespaces.items[i]->name;
		near = str_nearest(name, names, l->m->namespaces.n);
		free(names);
	}
	if (near) {
		diag_hint(l->d, "did you mean '%s'?", near);
	} else {
		diag_hint(l->d, "declare it under 'namespaces:', if only as '%s:'", name);
	}
	return near;
}

static void unknown_netns(struct loader *l, const struct node *n, const struct ref *ref)
{
	const char *near;

	if (unclear_key(&l->unclear, l->doc->root, "namespaces"))
		return;
	near = load_unknown_netns(l, n, ref->netns);
	unclear_link_put(&l->unclear, near ? load_find_netns(l, near) : NULL, ref->name);
}

struct netns *load_endpoint(struct loader *l, const struct node *n, struct ref *ret_ref)
{
	struct ref ref = {0};
	struct netns *netns;

	if (load_scalar(l, &endpoint_row, n, &ref) < 0) {
		unclear_link_put(&l->unclear, NULL, ANYTHING);
		return NULL;
	}
	if (!ref.netns) {
		unclear_link_put(&l->unclear, NULL, ANYTHING);
		diag_error(l->d, -EINVAL, n->mark, "'%s' does not say in which namespace", n->text);
		diag_hint(l->d, "write NAMESPACE:%s", n->text);
		return NULL;
	}
	netns = load_find_netns(l, ref.netns);
	if (!netns) {
		unknown_netns(l, n, &ref);
		return NULL;
	}
	*ret_ref = ref;
	return netns;
}

const struct kind *load_cable_kind(void)
{
	size_t n;
	const struct kind *const *kinds = kind_list(&n);

	for (size_t i = 0; i < n; i++)
		if (kinds[i]->is_pair)
			return kinds[i];
	return NULL;
}

/* Makes two links the ends of one cable. */
static void connect(struct loader *l, struct link *a, struct link *b)
{
	const struct kind *kind = load_cable_kind();
	struct link *ends[] = {a, b};

	for (int i = 0; i < 2; i++) {
		struct link *other = ends[!i];

		if (!ends[i]->kind)
			link_set_kind(l->m, ends[i], kind);
		ends[i]->peer = (struct ref){.netns = other->netns->name, .name = other->name};
		ends[i]->given |= LINK_BIT("kind") | LINK_BIT("peer");
	}
}

/* --- entries under links ------------------------------------------------------------- */

static int load_end(struct loader *l, const struct node *n, struct cable *c, int which)
{
	char id[LINK_TEXT_MAX];
	struct ref ref;
	struct netns *netns = load_endpoint(l, n, &ref);
	struct link *k;

	if (!netns)
		return -EINVAL;
	if (str_equal(ref.name, LOOPBACK))
		return diag_error(l->d, -EINVAL, n->mark, "lo cannot be an end of a cable");
	k = load_find_link(l, netns, ref.name);
	if (k && k->cable) {
		diag_error(l->d, -EINVAL, n->mark, "%s is an end of two cables", link_text(k, id));
		diag_hint(l->d, "the other cable is in line %u", k->cable->mark.line);
		return -EINVAL;
	}
	if (k && which == 1 && k == c->ends[0])
		return diag_error(l->d, -EINVAL, n->mark, "the cable goes from %s to itself",
				  link_text(k, id));
	c->ends[which] = k ? k : load_add_link(l, netns, ref.name);
	c->ends[which]->mark = n->mark;
	return 0;
}

static int load_endpoints(struct loader *l, const struct node *list, void *cable)
{
	int ret = 0;

	if (load_expect(l, list, NODE_SEQUENCE, "endpoints", NULL) < 0)
		return -EINVAL;
	if (list->n != 2) {
		unclear_key_put(&l->unclear, list, ANYTHING);
		diag_error(l->d, -EINVAL, list->mark, "a cable has two ends, not %u", list->n);
		diag_hint(l->d, "write [NAMESPACE:IFNAME, NAMESPACE:IFNAME]");
		return -EINVAL;
	}
	for (int i = 0; i < 2; i++)
		if (load_end(l, list->items[i], cable, i) < 0)
			ret = -EINVAL;
	return ret;
}

/* The scalar rows of cable_table are into a struct link, the endpoints into the cable
 * around it. */
static int load_mapped_endpoints(struct loader *l, const struct node *list, void *keys)
{
	return load_endpoints(l, list, (char *)keys - offsetof(struct cable, keys));
}

static int load_cable(struct loader *l, const struct node *n, struct cable *c)
{
	static const struct load_part parts[] = {{"endpoints", load_mapped_endpoints},
						 {NULL, NULL}};
	struct load_target t = {&cable_table, &c->keys, &c->given, parts};

	if (n->kind == NODE_SEQUENCE)
		return load_endpoints(l, n, c);
	if (n->kind == NODE_SCALAR) {
		diag_error(l->d, -EINVAL, n->mark,
			   "a cable must be a list of its two ends, or a mapping");
		diag_hint(l->d, "write [NAMESPACE:IFNAME, NAMESPACE:IFNAME]");
		return -EINVAL;
	}
	return load_mapping(l, n, n->mark, "a cable", &t, 1);
}

/* Could its ends be any interfaces, for all that can be told? */
static bool ends_are_unclear(const struct loader *l, const struct node *cable)
{
	if (cable->kind == NODE_MAPPING)
		return !node_get(cable, "endpoints") ||
		       unclear_key(&l->unclear, cable, "endpoints");
	return cable->kind == NODE_SCALAR || cable->n != 2;
}

int load_cables(struct loader *l, const struct node *list, void *unused)
{
	int ret = load_expect(l, list, NODE_SEQUENCE, "links", NULL);

	(void)unused;
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < list->n; i++) {
		struct cable *c = array_push(&l->cables);

		c->node = list->items[i];
		if (load_cable(l, list->items[i], c) < 0)
			ret = -EINVAL;
		if (ends_are_unclear(l, c->node))
			unclear_link_put(&l->unclear, NULL, ANYTHING);
		for (int j = 0; j < 2; j++) {
			if (!c->ends[j])
				continue;
			c->ends[j]->cable = c->node;
			if (!c->ends[!j])
				unclear_link_put(&l->unclear, c->ends[j]->netns, c->ends[j]->name);
		}
		if (c->ends[0] && c->ends[1])
			connect(l, c->ends[0], c->ends[1]);
	}
	return ret;
}

/* --- peer ---------------------------------------------------------------------------- */

static bool is_at(const struct ref *ref, const struct link *k)
{
	return str_equal(ref->netns, k->netns->name) && str_equal(ref->name, k->name);
}

/* `other` is NULL when nothing else is said of it. */
static bool can_connect(struct loader *l, const struct claim *c, const struct link *k,
			const struct link *other)
{
	char a[LINK_TEXT_MAX], b[LINK_TEXT_MAX];
	const struct link *taken = NULL;

	if (other && ((other->kind && !other->kind->is_pair) || other->from.name)) {
		diag_error(l->d, -EINVAL, c->node->mark, "%s (%s) cannot be an end of a cable",
			   link_text(other, a), other->kind ? other->kind->name : "moved");
		return false;
	}
	if (k->peer.name && (!other || !is_at(&k->peer, other)))
		taken = k;
	else if (other && other->peer.name && !is_at(&other->peer, k))
		taken = other;
	if (!taken)
		return true;
	diag_error(l->d, -EINVAL, c->node->mark,
		   "%s cannot be connected to %s:%s: %s is connected to %s:%s", link_text(k, a),
		   c->to.netns, c->to.name, link_text(taken, b), taken->peer.netns,
		   taken->peer.name);
	diag_hint(l->d, "an interface is an end of one cable, and both sides must name each other");
	return false;
}

static void settle_peer(struct loader *l, const struct claim *c)
{
	char a[LINK_TEXT_MAX];
	struct netns *netns = load_find_netns(l, c->to.netns);
	struct link *k = c->link, *other;

	if (!netns) {
		unknown_netns(l, c->node, &c->to);
		return;
	}
	if (is_at(&c->to, k)) {
		diag_error(l->d, -EINVAL, c->node->mark, "the cable goes from %s to itself",
			   link_text(k, a));
		return;
	}
	if (str_equal(c->to.name, LOOPBACK)) {
		diag_error(l->d, -EINVAL, c->node->mark, "lo cannot be an end of a cable");
		return;
	}
	other = load_find_link(l, netns, c->to.name);
	if (other && unclear_link_key(&l->unclear, other, "kind"))
		return;
	if (!can_connect(l, c, k, other))
		return;
	if (!other) {
		other = load_add_link(l, netns, c->to.name);
		other->mark = c->node->mark;
	}
	if (!k->cable)
		k->cable = c->node;
	if (!other->cable)
		other->cable = c->node;
	connect(l, k, other);
}

void load_settle_peers(struct loader *l)
{
	size_t errors;

	array_each(&l->peers, c) {
		errors = l->d->errors;
		settle_peer(l, c);
		if (l->d->errors > errors || !c->link->peer.name)
			unclear_link_put(&l->unclear, c->link->netns, c->link->name);
	}
}
