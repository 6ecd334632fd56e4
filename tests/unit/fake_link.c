/* SPDX-License-Identifier: MIT */
/* The made-up machine: interfaces. */
#include "fake_internal.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#define LOOPBACK_MTU 65536

/* --- finding ------------------------------------------------------------------------------ */

struct fake_link *fake_find_link(const struct fake_netns *n, const char *name)
{
	array_each(&n->netns.links, l)
		if (str_equal((*l)->name, name))
			return fake_link(*l);
	return NULL;
}

struct fake_link *fake_find_index(const struct fake_netns *n, uint32_t index)
{
	array_each(&n->netns.links, l)
		if ((*l)->index == index)
			return fake_link(*l);
	return NULL;
}

struct fake_link *fake_link_of(const struct kernel *k, const struct link *l)
{
	const struct fake_netns *n = fake_space(k, l->netns);

	if (!n)
		return NULL;
	return l->index ? fake_find_index(n, l->index) : fake_find_link(n, l->name);
}

bool fake_has_mac(const struct link *l)
{
	static const uint8_t zeros[sizeof(l->mac.bytes)];

	return memcmp(l->mac.bytes, zeros, sizeof(zeros)) != 0;
}

static struct fake_netns *netns_of(const struct fake_link *l)
{
	return (struct fake_netns *)l->link.netns;
}

bool fake_has_ipv6(const struct fake_link *l)
{
	return l->link.mtu >= IPV6_MIN_MTU;
}

/* br_validate(), eth_prepare_mac_addr_change() */
static int check_rows(const struct link *want, uint64_t mask)
{
	bool zeros = mask & LINK_BIT("mac") && !fake_has_mac(want);

	return zeros && !str_equal(want->name, LOOPBACK) ? -EADDRNOTAVAIL : 0;
}

static int find_master(const struct kernel *k, const struct link *l, struct fake_link **ret)
{
	uint32_t index = l->master ? netns_link_index(l->netns, l->master) : 0;

	*ret = index ? fake_find_index(fake_space(k, l->netns), index) : NULL;
	return l->master && !*ret ? -ENODEV : 0;
}

/* --- bridges ------------------------------------------------------------------------------- */

/* The smallest MTU and MAC of the ports, as long as none was set (net/bridge/br_if.c,
 * br_mtu_auto_adjust(); net/bridge/br_stp_if.c, br_stp_recalculate_bridge_id()). */
static void follow_ports(struct fake_link *bridge)
{
	static const struct mac zeros = {.set = 1};
	const struct mac *lowest = NULL;
	uint32_t mtu = 0;

	if (!bridge)
		return;
	array_each(&bridge->link.netns->links, l) {
		if (fake_link(*l)->master != bridge)
			continue;
		if (!mtu || (*l)->mtu < mtu)
			mtu = (*l)->mtu;
		if (!lowest || memcmp((*l)->mac.bytes, lowest->bytes, ETH_ALEN) < 0)
			lowest = &(*l)->mac;
	}
	if (!bridge->mtu_set)
		bridge->link.mtu = mtu ? mtu : ETH_DATA_LEN;
	if (!bridge->mac_set)
		bridge->link.mac = lowest ? *lowest : zeros;
}

static void set_master(struct fake_link *l, struct fake_link *master)
{
	struct fake_link *old = l->master;

	if (old == master)
		return;
	l->master = master;
	follow_ports(old);
	follow_ports(master);
}

/* --- coming and going ------------------------------------------------------------------------ */

/* Where the kernel would take a random one: the same for the same names, so that machines can be
 * compared. */
static struct mac choose_mac(const struct netns *n, const char *name)
{
	const char *const texts[] = {n->name, "\n", name};
	struct mac mac = {.bytes = {2}, .set = 1};
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (const char *s = texts[i]; *s; s++)
			hash = (hash ^ (uint8_t)*s) * 16777619u;
	memcpy(mac.bytes + 2, &hash, sizeof(hash));
	return mac;
}

struct fake_link *fake_new_link(struct fake_machine *m, struct fake_netns *n, const char *name,
				uint32_t index, const struct kind *kind)
{
	bool is_lo = str_equal(name, LOOPBACK);
	struct fake_link *l = arena_alloc(&m->arena, sizeof(*l));

	l->link.name = arena_strdup(&m->arena, name);
	l->link.netns = &n->netns;
	l->link.index = index;
	l->link.state = LINK_DOWN;
	l->link.mtu = is_lo ? LOOPBACK_MTU : kind && kind->mtu ? kind->mtu : ETH_DATA_LEN;
	l->link.mac = is_lo ? (struct mac){.set = 1} : choose_mac(&n->netns, name);
	l->link.kind = kind;
	if (kind && kind->size) {
		l->link.data = arena_alloc(&m->arena, kind->size);
		attr_fill_new(&kind->table, l->link.data);
	}
	if (index > n->last_index && index < AWAY_INDEX)
		n->last_index = index;
	array_add(&n->netns.links, &l->link);
	fake_add_values(m, l, "ipv4");
	fake_add_values(m, l, "ipv6");
	return l;
}

/* It leaves its namespace. */
static void take_out(struct fake_link *l)
{
	struct netns *n = l->link.netns;
	size_t kept = 0;

	fake_drop_inet(l, FAKE_GONE);
	fake_drop_values(l, "ipv4");
	fake_drop_values(l, "ipv6");
	set_master(l, NULL);
	array_each(&n->links, i)
		if (fake_link(*i)->master == l)
			fake_link(*i)->master = NULL;
	array_each(&n->links, i)
		if (*i != &l->link)
			n->links.items[kept++] = *i;
	n->links.n = kept;
	l->link.state = LINK_DOWN;
}

static void put_in(struct fake_machine *m, struct fake_link *l, struct fake_netns *n,
		   const char *name, uint32_t index)
{
	l->link.netns = &n->netns;
	l->link.name = arena_strdup(&m->arena, name);
	l->link.index = index;
	array_add(&n->netns.links, &l->link);
	fake_add_values(m, l, "ipv4");
	fake_add_values(m, l, "ipv6");
}

static void end_link(struct fake_link *l)
{
	struct fake_link *peer = l->peer;

	take_out(l);
	l->peer = NULL;
	if (!peer)
		return;
	peer->peer = NULL;
	take_out(peer);
}

void fake_end_links(struct fake_machine *m, struct fake_netns *n)
{
	while (n->netns.links.n) {
		struct fake_link *l = fake_link(n->netns.links.items[n->netns.links.n - 1]);
		struct fake_netns *host = m->namespaces.items[0];
		bool goes = l->link.kind || str_equal(l->link.name, LOOPBACK) || n == host;
		const char *name = l->link.name;

		if (goes) {
			end_link(l);
			continue;
		}
		take_out(l);
		if (fake_find_link(host, name)) /* net/core/dev.c, default_device_exit_net() */
			name = arena_printf(&m->arena, "dev%u", ++host->last_index);
		put_in(m, l, host, name, ++host->last_index);
	}
}

/* --- changing ---------------------------------------------------------------------------------- */

static void set_mtu(struct fake_machine *m, struct fake_link *l, uint32_t mtu)
{
	bool had = fake_has_ipv6(l);

	if (l->link.kind && l->link.kind->is_master)
		l->mtu_set = true;
	l->link.mtu = mtu;
	follow_ports(l->master);
	if (had && !fake_has_ipv6(l)) {
		fake_drop_inet(l, FAKE_IPV6_OFF);
		fake_drop_values(l, "ipv6");
	} else if (!had && fake_has_ipv6(l)) {
		fake_add_values(m, l, "ipv6");
	}
}

static void set_rows(struct fake_machine *m, struct fake_link *l, const struct link *want,
		     uint64_t mask)
{
	if (mask & LINK_BIT("mtu"))
		set_mtu(m, l, want->mtu);
	if (mask & LINK_BIT("mac")) {
		l->link.mac = want->mac;
		l->mac_set = true;
		follow_ports(l->master);
	}
}

static void set_kind_rows(struct fake_link *l, const struct link *want, uint64_t mask)
{
	for (size_t i = 0; want->data && i < want->kind->table.n; i++)
		if (mask >> i & 1)
			attr_copy(&want->kind->table.rows[i], want->data, l->link.data);
}

static void set_state(struct fake_machine *m, struct fake_link *l, bool up)
{
	if (!up && l->link.state == LINK_UP)
		fake_drop_inet(l, FAKE_DOWN);
	if (up && l->link.state == LINK_DOWN && str_equal(l->link.name, LOOPBACK))
		fake_loopback_up(m, l);
	if (up && l->link.state == LINK_DOWN)
		l->unconnected = m->faults.unconnected && l->link.addresses.n;
	l->link.state = up ? LINK_UP : LINK_DOWN;
}

/* --- requests ------------------------------------------------------------------------------------ */

static int check_new(const struct kernel *k, const struct link *l)
{
	const struct fake_netns *n = fake_space(k, l->netns);

	if (!n)
		return -ENOENT;
	return fake_find_link(n, l->name) || (l->index && fake_find_index(n, l->index)) ? -EEXIST
											: 0;
}

static struct fake_link *make_link(struct kernel *k, const struct link *l)
{
	struct fake_netns *n = fake_space(k, l->netns);
	uint32_t index = l->index ? l->index : n->last_index + 1;
	struct fake_link *made = fake_new_link(k->machine, n, l->name, index, l->kind);

	set_rows(k->machine, made, l, l->given & ~l->follows);
	set_kind_rows(made, l, l->kind_given);
	return made;
}

static int add_link(struct kernel *k, const struct link *l, const struct link *peer, bool up)
{
	struct fake_link *master = NULL, *made, *other;
	int r = check_new(k, l);

	if (r >= 0 && peer)
		r = check_new(k, peer);
	if (r >= 0)
		r = find_master(k, l, &master);
	if (r >= 0)
		r = check_rows(l, l->given & ~l->follows);
	if (r < 0)
		return r;
	if (l->kind->is_pair != !!peer)
		return -EINVAL;
	made = make_link(k, l);
	if (peer) {
		other = make_link(k, peer);
		made->peer = other;
		other->peer = made;
	}
	set_master(made, master);
	set_state(k->machine, made, up);
	return 0;
}

void kernel_link_add(struct kernel *k, struct link *l, const struct link *peer, bool up,
		     const void *tag)
{
	int r = fake_change(k);

	fake_answer(k, tag, r < 0 ? r : add_link(k, l, peer, up));
}

void kernel_link_set(struct kernel *k, const struct link *l, uint64_t mask, uint64_t kind_mask,
		     const void *tag)
{
	struct fake_link *to = fake_link_of(k, l), *master = NULL;
	int r = fake_change(k);

	if (r >= 0 && !to)
		r = -ENODEV;
	if (r >= 0 && mask & LINK_BIT("master"))
		r = find_master(k, l, &master);
	if (r >= 0)
		r = check_rows(l, mask);
	fake_answer(k, tag, r);
	if (r < 0)
		return;
	set_rows(k->machine, to, l, mask);
	set_kind_rows(to, l, kind_mask);
	if (mask & LINK_BIT("master"))
		set_master(to, master);
	if (mask & LINK_BIT("state"))
		set_state(k->machine, to, l->state == LINK_UP);
}

void kernel_link_state(struct kernel *k, const struct link *l, bool up, const void *tag)
{
	struct fake_link *to = fake_link_of(k, l);
	int r = fake_change(k);

	fake_answer(k, tag, r < 0 ? r : to ? 0 : -ENODEV);
	if (r >= 0 && to)
		set_state(k->machine, to, up);
}

static int move_link(struct kernel *k, const struct link *source, const struct link *l)
{
	struct fake_link *moved = fake_link_of(k, source);
	struct fake_netns *to = fake_space(k, l->netns);

	if (!moved)
		return -ENODEV;
	if (!to)
		return -ENOENT;
	if (moved->link.kind && moved->link.kind->is_master) /* net/bridge: netns_immutable */
		return -EINVAL;
	if (fake_find_link(to, l->name) || fake_find_index(to, l->index) || netns_of(moved) == to)
		return -EEXIST;
	take_out(moved);
	put_in(k->machine, moved, to, l->name, l->index);
	return 0;
}

void kernel_link_move(struct kernel *k, const struct link *source, const struct link *l,
		      const void *tag)
{
	int r = fake_change(k);

	fake_answer(k, tag, r < 0 ? r : move_link(k, source, l));
}

void kernel_link_delete(struct kernel *k, const struct link *l, const void *tag)
{
	struct fake_link *found = fake_link_of(k, l);
	int r = fake_change(k);

	if (r >= 0 && !found)
		r = -ENODEV;
	if (r >= 0 && !found->link.kind)
		r = -EOPNOTSUPP;
	if (r >= 0)
		end_link(found);
	fake_answer(k, tag, r);
}

int kernel_learn_index(struct kernel *k, struct link *l, struct diags *d)
{
	const struct fake_link *found = fake_find_link(fake_space(k, l->netns), l->name);

	if (!found)
		return diag_error(d, -ENODEV, NO_MARK, "cannot find interface %s", l->name);
	l->index = found->link.index;
	return 0;
}
