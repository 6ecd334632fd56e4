/* SPDX-License-Identifier: MIT */
/* The made-up machine: namespaces, handles, reading, and what is refused. */
#include "emit.h"
#include "fake_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define FAKE_BOOT "00000000-0000-4000-8000-000000000000"

struct fake_machine *fake_machine;

/* --- refusing -------------------------------------------------------------------------- */

void fake_fail(struct fake_machine *m, struct fake_faults faults)
{
	m->faults = faults;
	m->changes = m->reads = m->flushes = 0;
}

int fake_change(struct kernel *k)
{
	const struct fake_machine *m = k->machine;
	size_t n = ++k->machine->changes;

	if (n != m->faults.changes[0] && n != m->faults.changes[1])
		return 0;
	return m->faults.code ? m->faults.code : -ENOBUFS;
}

void fake_answer(struct kernel *k, const void *tag, int code)
{
	if (code < 0)
		array_add(&k->refused, ((struct refusal){.tag = tag, .code = code}));
}

int kernel_flush(struct kernel *k, refusals *ret, struct diags *d)
{
	array_each(&k->refused, r)
		array_add(ret, *r);
	k->refused.n = 0;
	if (++k->machine->flushes == k->machine->faults.flush)
		return diag_error(d, -EIO, NO_MARK, "the kernel does not answer");
	return 0;
}

/* --- opening --------------------------------------------------------------------------- */

static void end_netns(struct fake_machine *m, struct fake_netns *n)
{
	size_t kept = 0;

	fake_end_links(m, n);
	array_each(&m->namespaces, i)
		if (*i != n)
			m->namespaces.items[kept++] = *i;
	m->namespaces.n = kept;
	netns_free(&n->netns);
}

void fake_leave(struct fake_machine *m, struct fake_netns *n)
{
	if (--n->open == 0 && !n->named)
		end_netns(m, n);
}

static void close_handle(struct kernel *k, int handle)
{
	struct fake_netns *n = k->spaces.items[handle];

	k->spaces.items[handle] = NULL;
	if (n)
		fake_leave(k->machine, n);
}

static int open_handle(struct kernel *k, struct fake_netns *n)
{
	for (size_t i = 0; i < k->spaces.n; i++)
		if (k->spaces.items[i] == n)
			return (int)i;
	n->open++;
	array_add(&k->spaces, n);
	return (int)k->spaces.n - 1;
}

struct fake_netns *fake_space(const struct kernel *k, const struct netns *n)
{
	bool valid = n->handle >= 0 && (size_t)n->handle < k->spaces.n;

	return valid ? k->spaces.items[n->handle] : NULL;
}

int kernel_open(struct kernel **ret_kernel, struct diags *d)
{
	struct kernel *k = xcalloc(1, sizeof(*k));

	(void)d;
	k->machine = fake_machine;
	open_handle(k, k->machine->namespaces.items[0]);
	*ret_kernel = k;
	return 0;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	fake_end_waiting(k);
	for (size_t i = 0; i < k->spaces.n; i++)
		close_handle(k, (int)i);
	array_free(&k->spaces);
	array_free(&k->refused);
	free(k);
}

int kernel_hold_back_files(struct kernel *k, struct diags *d)
{
	(void)k;
	(void)d;
	return 0;
}

void kernel_let_go_files(struct kernel *k)
{
	(void)k;
}

const char *kernel_boot_id(const struct kernel *k)
{
	(void)k;
	return FAKE_BOOT;
}

uint64_t kernel_host_cookie(const struct kernel *k)
{
	return k->machine->namespaces.items[0]->netns.cookie;
}

/* --- namespaces ------------------------------------------------------------------------- */

static struct fake_netns *new_netns(struct fake_machine *m, const char *name)
{
	struct fake_netns *n = arena_alloc(&m->arena, sizeof(*n));

	n->netns.name = arena_strdup(&m->arena, name);
	n->netns.cookie = ++m->last_cookie;
	array_add(&m->namespaces, n);
	fake_new_link(m, n, LOOPBACK, 1, NULL);
	return n;
}

static struct fake_netns *find_name(const struct fake_machine *m, const char *name)
{
	array_each(&m->namespaces, n)
		if ((*n)->named && str_equal((*n)->netns.name, name))
			return *n;
	return NULL;
}

static struct fake_netns *find_netns(const struct fake_machine *m, const struct netns *like)
{
	switch (like->class) {
	case NETNS_HOST:
		return m->namespaces.items[0];
	case NETNS_OWNED:
	case NETNS_NAMED:
		return str_equal(like->name, HOST) ? NULL : find_name(m, like->name);
	case NETNS_PID:
	case NETNS_PATH:
		break;
	}
	return NULL;
}

uint64_t kernel_netns_cookie(struct kernel *k, const struct netns *n)
{
	const struct fake_netns *found = find_netns(k->machine, n);

	return found ? found->netns.cookie : 0;
}

struct model *kernel_named_netns(struct kernel *k)
{
	(void)k;
	return model_new();
}

bool kernel_leads_to(struct kernel *k, const found_ends *ends, const struct netns *n)
{
	(void)k, (void)ends, (void)n;
	return false;
}

int kernel_netns_make(struct kernel *k, struct netns *n, struct diags *d)
{
	int r = fake_change(k);
	struct fake_netns *made;

	if (r < 0)
		return diag_error(d, r, n->mark, "cannot make namespace %s", n->name);
	made = new_netns(k->machine, n->name);
	n->handle = open_handle(k, made);
	n->cookie = made->netns.cookie;
	return 0;
}

int kernel_netns_name(struct kernel *k, const struct netns *n, struct diags *d)
{
	struct fake_netns *made = fake_space(k, n);
	int r = fake_change(k);

	if (r >= 0 && !made)
		r = -ENOENT;
	if (r >= 0 && find_name(k->machine, n->name))
		r = -EEXIST;
	if (r < 0)
		return diag_error(d, r, n->mark, "cannot name namespace %s", n->name);
	made->netns.name = arena_strdup(&k->machine->arena, n->name);
	made->named = true;
	return 0;
}

int kernel_netns_unname(struct kernel *k, const struct netns *n, struct diags *d)
{
	struct fake_netns *found = find_name(k->machine, n->name);
	int r = fake_change(k);

	if (r >= 0 && found && found->netns.cookie != n->cookie)
		r = -ESTALE;
	if (r < 0)
		return diag_error(d, r, n->mark, "cannot take the name %s away", n->name);
	if (found)
		found->named = false;
	return 0;
}

void kernel_netns_release(struct kernel *k, const struct netns *n)
{
	if (n->class == NETNS_OWNED && fake_space(k, n))
		close_handle(k, n->handle);
}

void kernel_find_residents(struct kernel *k, const struct netns *const *list, size_t n,
			   residents *ret)
{
	(void)k;
	(void)list;
	(void)n;
	(void)ret;
}

bool kernel_is_resident(const struct resident *r)
{
	(void)r;
	return false;
}

/* Here nothing takes its time. */
size_t kernel_wait(struct kernel *k, struct awaited *items, size_t n, const struct patience *p)
{
	size_t left = 0;

	(void)p;
	for (size_t i = 0; i < n; i++) {
		items[i].over = items[i].what != AWAIT_GONE || !fake_link_of(k, items[i].link);
		items[i].failed = false;
		left += !items[i].over;
	}
	return left;
}

/* --- reading ------------------------------------------------------------------------------ */

static void read_addresses(struct model *live, struct link *to, const struct fake_link *from)
{
	array_each(&from->link.addresses, a) {
		struct address *copy = link_add_address(live, to, &(*a)->address);
		uint32_t rank = copy->rank;

		*copy = **a;
		copy->link = to;
		copy->rank = rank;
		copy->given |= (*a)->address.family == AF_INET6 ? attr_bit(&address_table, "dad")
								: attr_bit(&address_table, "scope");
		copy->unconnected =
			from->unconnected && (*a)->address.family == AF_INET6 && !(*a)->automatic;
	}
}

static void read_link(struct model *live, struct netns *to, const struct fake_link *from)
{
	struct link *l = netns_add_link(live, to, from->link.name);

	l->index = from->link.index;
	l->state = from->link.state;
	l->operational = l->state == LINK_UP;
	l->mtu = from->link.mtu;
	l->given = LINK_BIT("state") | LINK_BIT("mtu");
	if (fake_has_mac(&from->link) || !from->link.kind) {
		l->mac = from->link.mac;
		l->given |= LINK_BIT("mac");
	}
	if (from->link.kind) {
		link_set_kind(live, l, from->link.kind);
		l->given |= LINK_BIT("kind");
		if (l->data)
			memcpy(l->data, from->link.data, l->kind->size);
		l->kind_given = (UINT64_C(1) << l->kind->table.n) - 1;
	}
	if (from->master) {
		l->master = from->master->link.name;
		l->given |= LINK_BIT("master");
	}
	read_addresses(live, l, from);
}

static void read_route(struct model *live, struct netns *to, const struct route *from)
{
	struct route *r = netns_add_route(live, to);

	*r = *from;
	r->netns = to;
	memset(&r->nexthops, 0, sizeof(r->nexthops));
	array_each(&from->nexthops, h)
		array_add(&r->nexthops, *h);
}

static void read_netns(struct model *live, struct netns *to, const struct fake_netns *from,
		       const struct netns *want)
{
	array_each(&from->netns.links, l)
		read_link(live, to, fake_link(*l));
	array_each(&from->netns.routes, r)
		read_route(live, to, *r);
	array_each(&want->sysctls, s) {
		const char *value = fake_value(from, (*s)->path);
		struct sysctl *found = netns_add_sysctl(live, to, (*s)->path, value);

		found->missing = !value;
		found->implied = (*s)->implied;
	}
}

/* Of ends in namespaces that were looked at, and partly of those that were only looked up. */
static void resolve_peers(const struct kernel *k, struct model *live)
{
	array_each(&live->namespaces, n) {
		array_each(&(*n)->links, l) {
			const struct fake_link *end = fake_link_of(k, *l), *peer = end->peer;

			array_each(&live->namespaces, other) {
				if (!peer || &fake_space(k, *other)->netns != peer->link.netns)
					continue;
				(*l)->peer.netns = (*other)->name;
				(*l)->peer.name = (*other)->links.n ? peer->link.name : NULL;
				if ((*l)->peer.name)
					(*l)->given |= LINK_BIT("peer");
			}
		}
	}
}

static void print_netns(struct netns *n, struct buf *out)
{
	struct model m = {.namespaces = {.items = &n, .n = 1}};
	struct netns links = *n;

	n = &links;
	links.sysctls.n = 0; /* more may be known than is asked for now */
	emit_state(&m, out);
}

static bool is_as_known(struct netns *now, struct netns *known)
{
	cleanup_buf struct buf a = {0}, b = {0};

	print_netns(now, &a);
	print_netns(known, &b);
	array_each(&now->sysctls, s) {
		const struct sysctl *old = netns_find_sysctl(known, (*s)->path);
		if (!old || !str_equal(old->value, (*s)->value))
			return false;
	}
	return strcmp(buf_text(&a), buf_text(&b)) == 0;
}

/* In place of what was read goes what is known of it: it must be the same. */
static int take_known(struct model *live, const struct model *known, struct diags *d)
{
	array_each(&live->namespaces, n) {
		struct netns *same = model_find_netns(known, (*n)->name);

		if (!same || same->touched)
			continue;
		if (!is_as_known(*n, same))
			return diag_error(d, -EIO, NO_MARK, "%s is not touched, but has changed",
					  same->name);
		netns_free(*n);
		*n = same;
	}
	return 0;
}

int kernel_read(struct kernel *k, const struct model *scope, bool deep, const struct model *known,
		struct model **ret_live, struct diags *d)
{
	struct model *live;
	int r;

	if (++k->machine->reads == k->machine->faults.read)
		return diag_error(d, -EIO, NO_MARK, "cannot read the machine");
	live = model_new();
	array_each(&scope->namespaces, want) {
		struct fake_netns *from = find_netns(k->machine, *want);
		struct netns *to;

		if (!from)
			continue;
		to = model_add_netns(live, (*want)->name, (*want)->class);
		to->handle = open_handle(k, from);
		to->cookie = from->netns.cookie;
		if (!(*want)->absent || deep || (*want)->may_hold_moved)
			read_netns(live, to, from, *want);
	}
	resolve_peers(k, live);
	fake_read_processes(k, scope->started, live);
	model_sort(live);
	r = known ? take_known(live, known, d) : 0;
	if (r < 0)
		model_free(live);
	else
		*ret_live = live;
	return r;
}

/* --- making the machine --------------------------------------------------------------------- */

struct fake_machine *fake_machine_new(void)
{
	struct fake_machine *m = xcalloc(1, sizeof(*m));
	struct fake_netns *host = new_netns(m, HOST);

	host->named = true;
	fake_find_link(host, LOOPBACK)->link.state = LINK_UP;
	fake_loopback_up(m, fake_find_link(host, LOOPBACK));
	return m;
}

void fake_machine_free(struct fake_machine *m)
{
	if (!m)
		return;
	while (m->namespaces.n)
		end_netns(m, m->namespaces.items[m->namespaces.n - 1]);
	array_free(&m->namespaces);
	array_free(&m->processes);
	arena_free(&m->arena);
	free(m);
}

static void fill_links(struct kernel *k, struct netns *n)
{
	struct fake_machine *m = k->machine;

	struct fake_netns *to = fake_space(k, n);

	array_each(&n->links, l) {
		if ((*l)->kind && (*l)->kind->is_pair)
			continue;
		if ((*l)->kind)
			kernel_link_add(k, *l, NULL, false, NULL);
		else if (!str_equal((*l)->name, LOOPBACK))
			fake_new_link(m, to, (*l)->name, to->last_index + 1, NULL);
		kernel_learn_index(k, *l, NULL);
	}
}

static void fill_pairs(struct kernel *k, const struct model *state, struct netns *n)
{
	array_each(&n->links, l) {
		struct link *peer = link_peer(state, *l);

		if (!peer || (*l)->index)
			continue;
		kernel_link_add(k, *l, peer, false, NULL);
		kernel_learn_index(k, *l, NULL);
		kernel_learn_index(k, peer, NULL);
	}
}

static void fill_values(struct kernel *k, struct netns *n)
{
	array_each(&n->links, l) {
		kernel_link_set(k, *l, (*l)->given & ~LINK_BIT("state"), 0, NULL);
		array_each(&(*l)->addresses, a)
			kernel_address_add(k, *a, false, NULL);
		kernel_link_state(k, *l, (*l)->state == LINK_UP, NULL);
	}
	array_each(&n->routes, r)
		kernel_route_add(k, n, *r, false, NULL);
	array_each(&n->sysctls, s)
		kernel_sysctl_write(k, n, (*s)->path, (*s)->value);
}

void fake_machine_fill(struct fake_machine *m, struct model *state)
{
	struct kernel *k = NULL;

	fake_machine = m;
	kernel_open(&k, NULL);
	array_each(&state->namespaces, n) {
		if ((*n)->class != NETNS_HOST)
			new_netns(m, (*n)->name)->named = true;
		(*n)->handle = open_handle(k, find_netns(m, *n));
		fill_links(k, *n);
	}
	array_each(&state->namespaces, n)
		fill_pairs(k, state, *n);
	array_each(&state->namespaces, n)
		fill_values(k, *n);
	array_each(&k->refused, r)
		fprintf(stderr, "the made-up machine refuses its own state: %s\n",
			strerror(-r->code));
	if (k->refused.n)
		abort();
	kernel_close(k);
}
