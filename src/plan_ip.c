/* SPDX-License-Identifier: MIT */
/* A plan as a POSIX shell script of iproute2 commands that does the same.
 *
 * Names come from files that people download, so every word goes through
 * buf_shell_word(); interfaces are always named behind a keyword (dev, name),
 * since one may well be called "up" or "type". The script works on the kernels
 * that iproute2 6.1 meets: a link is made from inside the namespace of its
 * first end, because before Linux 6.15 RTM_NEWLINK looks a new name up in the
 * caller's namespace, and refuses one that is taken there. */
#include "plan_ip.h"

#include <string.h>
#include <sys/socket.h>

/* iproute2 takes a path where it takes a namespace's name, as long as there is a slash in it. */
#define SHELL_NETNS "/proc/$$/ns/net"

void script_word(struct buf *out, const char *word)
{
	buf_putc(out, ' ');
	buf_shell_word(out, word);
}

/* The file behind an external namespace that has no name. */
static void put_netns_file(const struct netns *n, struct buf *out)
{
	if (n->class == NETNS_PID)
		buf_printf(out, "/proc/%u/ns/net", n->pid);
	else
		buf_printf(out, "%s%s", strchr(n->path, '/') ? "" : "./", n->path);
}

/* What runs `command` in the namespace: nothing, nsenter, or `named` (which takes its name). */
static void put_runner(const struct netns *n, const char *named, const char *command,
		       struct buf *out)
{
	cleanup_buf struct buf file = {0};

	switch (n->class) {
	case NETNS_HOST:
		buf_puts(out, command);
		return;
	case NETNS_OWNED:
	case NETNS_NAMED:
		buf_puts(out, named);
		script_word(out, n->name);
		return;
	case NETNS_PID:
	case NETNS_PATH:
		buf_puts(&file, "--net=");
		put_netns_file(n, &file);
		buf_puts(out, "nsenter");
		script_word(out, buf_text(&file));
		if (*command)
			buf_printf(out, " %s", command);
		return;
	}
}

void script_ip(const struct netns *n, struct buf *out)
{
	put_runner(n, "ip -n", "ip", out);
}

void script_inside(const struct netns *n, struct buf *out)
{
	put_runner(n, "ip netns exec", "", out);
	if (n->class != NETNS_HOST)
		buf_putc(out, ' ');
}

/* A namespace as the argument of `netns`. The host's has no name, but the shell is in it. */
static void put_netns(const struct netns *n, struct buf *out)
{
	cleanup_buf struct buf file = {0};

	switch (n->class) {
	case NETNS_HOST:
		buf_puts(out, " " SHELL_NETNS);
		return;
	case NETNS_OWNED:
	case NETNS_NAMED:
		script_word(out, n->name);
		return;
	case NETNS_PID:
	case NETNS_PATH:
		put_netns_file(n, &file);
		script_word(out, buf_text(&file));
		return;
	}
}

static void put_dev(const char *keyword, const struct link *l, struct buf *out)
{
	buf_printf(out, " %s", keyword);
	script_word(out, l->name);
}

/* --- links ------------------------------------------------------------------------ */

/* One row in iproute2's word and unit. */
static void put_row(const struct attr *row, const void *object, struct buf *out)
{
	cleanup_buf struct buf value = {0};
	uint32_t number;

	if (row->type == ATTR_BOOL || row->type == ATTR_UINT) {
		memcpy(&number, (const char *)object + row->offset, sizeof(number));
		buf_printf(&value, "%llu",
			   (unsigned long long)number * (row->scale ? row->scale : 1));
	} else {
		attr_format(row, object, &value);
	}
	if (!value.n)
		return;
	buf_printf(out, " %s", row->ip ? row->ip : row->key);
	script_word(out, buf_text(&value));
}

/* The rows that iproute2 has on the link itself; master and state are words of their own. */
static void put_link_rows(const struct link *l, uint64_t mask, struct buf *out)
{
	mask &= LINK_BIT("mtu") | LINK_BIT("mac");
	for (size_t i = 0; i < link_table.n; i++)
		if (mask & UINT64_C(1) << i)
			put_row(&link_table.rows[i], l, out);
}

static void put_kind_rows(const struct link *l, uint64_t mask, struct buf *out)
{
	if (!l->data)
		return;
	for (size_t i = 0; i < l->kind->table.n; i++)
		if (mask & UINT64_C(1) << i && attr_is_scalar(&l->kind->table.rows[i]))
			put_row(&l->kind->table.rows[i], l->data, out);
}

static void put_master(const struct link *l, uint64_t mask, struct buf *out)
{
	if (!(mask & LINK_BIT("master")))
		return;
	if (!l->master) {
		buf_puts(out, " nomaster");
		return;
	}
	buf_puts(out, " master");
	script_word(out, l->master);
}

static void set_mtu(const struct link *l, uint32_t mtu, struct buf *out)
{
	script_ip(l->netns, out);
	buf_puts(out, " link set");
	put_dev("dev", l, out);
	buf_printf(out, " mtu %u\n", mtu);
}

static void link_add(const struct step *s, struct buf *out)
{
	const struct link *first = s->link, *second = s->peer;
	uint64_t masks[2] = {s->mask, second ? second->given : 0};
	uint32_t other_mtu = link_mtu_by_way_of(first);

	/* Seen from the host the other end needs no path. Who is first makes no difference
	 * to the kernel, but only that one can have a master and come up at once. */
	if (second && second->netns->class == NETNS_HOST && !s->up &&
	    !(s->mask & LINK_BIT("master"))) {
		first = s->peer;
		second = s->link;
		masks[0] = s->peer->given & ~LINK_BIT("master");
		masks[1] = s->mask;
	}
	if (other_mtu)
		masks[0] &= ~LINK_BIT("mtu");
	script_ip(first->netns, out);
	buf_puts(out, " link add");
	put_dev("name", first, out);
	put_link_rows(first, masks[0], out);
	put_master(first, masks[0], out);
	if (s->up)
		buf_puts(out, " up");
	buf_printf(out, " type %s", first->kind->name);
	if (second) {
		buf_puts(out, " peer");
		put_dev("name", second, out);
		if (second->netns != first->netns) {
			buf_puts(out, " netns");
			put_netns(second->netns, out);
		}
		put_link_rows(second, masks[1], out);
	}
	put_kind_rows(first, first == s->link ? s->kind_mask : 0, out);
	buf_putc(out, '\n');
	if (other_mtu) {
		set_mtu(first, other_mtu, out);
		set_mtu(first, first->mtu, out);
	}
}

static void link_set(const struct step *s, struct buf *out)
{
	const struct link *l = s->link;
	uint64_t rows = LINK_BIT("mtu") | LINK_BIT("mac") | LINK_BIT("master");

	if (s->mask & rows) {
		script_ip(l->netns, out);
		buf_puts(out, " link set");
		put_dev("dev", l, out);
		put_link_rows(l, s->mask, out);
		put_master(l, s->mask, out);
		buf_putc(out, '\n');
	}
	if (s->kind_mask && l->kind) {
		script_ip(l->netns, out);
		buf_puts(out, " link set");
		put_dev("dev", l, out);
		buf_printf(out, " type %s", l->kind->name);
		put_kind_rows(l, s->kind_mask, out);
		buf_putc(out, '\n');
	}
}

static void link_state(const struct link *l, const char *state, struct buf *out)
{
	script_ip(l->netns, out);
	buf_puts(out, " link set");
	put_dev("dev", l, out);
	buf_printf(out, " %s\n", state);
}

static void link_move(const struct step *s, struct buf *out)
{
	script_ip(s->source->netns, out);
	buf_puts(out, " link set");
	put_dev("dev", s->source, out);
	if (s->source->netns != s->link->netns &&
	    !str_equal(s->source->netns->name, s->link->netns->name)) {
		buf_puts(out, " netns");
		put_netns(s->link->netns, out);
	}
	if (!str_equal(s->source->name, s->link->name))
		put_dev("name", s->link, out);
	buf_putc(out, '\n');
}

static void link_delete(const struct link *l, struct buf *out)
{
	buf_puts(out, UNLESS_GONE);
	script_ip(l->netns, out);
	buf_puts(out, " link delete");
	put_dev("dev", l, out);
	buf_putc(out, '\n');
}

/* --- namespaces --------------------------------------------------------------------- */

static bool is_deleted(const struct plan *p, const struct link *l)
{
	array_each(&p->steps, s)
		if ((s->op == OP_LINK_DEL && s->link == l) ||
		    (s->op == OP_NETNS_DEL && s->netns == l->netns))
			return true;
	return false;
}

/* The kernel takes a namespace apart in its own time, so that the other ends of its cables
 * would keep their names for a while. nsapply waits for that; the script deletes them first. */
static void netns_delete(const struct plan *p, const struct netns *n, struct buf *out)
{
	array_each(&n->links, l) {
		const struct link *peer =
			(*l)->kind && (*l)->kind->is_pair ? link_peer(p->live, *l) : NULL;
		bool listed = false;

		if (!peer || peer->netns == n || is_deleted(p, peer))
			continue;
		array_each(&p->steps, s)
			listed |= (s->op == OP_LINK_DEL && s->link == *l) ||
				  (s->op == OP_LINK_MOVE && (s->source == *l || s->source == peer));
		if (!listed)
			link_delete(peer, out);
	}
	buf_puts(out, "ip netns delete");
	script_word(out, n->name);
	buf_putc(out, '\n');
}

/* --- the script ---------------------------------------------------------------------- */

static void not_covered(const struct step *s, struct buf *out)
{
	cleanup_buf struct buf id = {0};

	process_id(s->process, &id);
	buf_printf(out, "# to %s: ", s->op == OP_PROCESS_STOP ? "stop" : "start");
	buf_printable(out, buf_text(&id));
	buf_putc(out, '\n');
}

static void put_step(const struct plan *p, const struct step *s, struct buf *out)
{
	switch (s->op) {
	case OP_NETNS_ADD:
		buf_puts(out, "fresh");
		script_word(out, s->netns->name);
		buf_putc(out, '\n');
		return;
	case OP_NETNS_DEL:
		netns_delete(p, s->netns, out);
		return;
	case OP_NETNS_SYSCTL:
	case OP_LINK_SYSCTL:
		script_sysctl(s, out);
		return;
	case OP_LINK_DOWN:
		link_state(s->link, "down", out);
		return;
	case OP_LINK_UP:
		link_state(s->link, "up", out);
		return;
	case OP_LINK_DEL:
		link_delete(s->link, out);
		return;
	case OP_LINK_MOVE:
		link_move(s, out);
		return;
	case OP_LINK_ADD:
		link_add(s, out);
		return;
	case OP_MASTER_SET:
	case OP_LINK_SET:
		link_set(s, out);
		return;
	case OP_ADDRESS_ADD_EARLY:
	case OP_ADDRESS_ADD:
	case OP_ADDRESS_SET:
	case OP_ADDRESS_SET_UP:
	case OP_ADDRESS_DEL:
		script_address(s, out);
		return;
	case OP_ROUTE_ADD_DIRECT:
	case OP_ROUTE_SET_DIRECT:
	case OP_ROUTE_ADD:
	case OP_ROUTE_SET:
	case OP_ROUTE_DEL:
		script_route(s, out);
		return;
	case OP_PROCESS_STOP:
	case OP_PROCESS_START:
		not_covered(s, out);
		return;
	case OP_COUNT:
		return;
	}
}

/* Does the step's line begin with UNLESS_GONE? */
static bool may_be_gone(const struct step *s)
{
	switch (s->op) {
	case OP_LINK_DEL:
	case OP_ADDRESS_DEL:
	case OP_ROUTE_DEL:
	case OP_NETNS_DEL: /* and the other ends of its cables */
		return true;
	case OP_NETNS_SYSCTL:
	case OP_LINK_SYSCTL:
		return !s->sysctl->node;
	case OP_NETNS_ADD:
	case OP_LINK_DOWN:
	case OP_LINK_UP:
	case OP_MASTER_SET:
	case OP_LINK_MOVE:
	case OP_LINK_ADD:
	case OP_LINK_SET:
	case OP_ADDRESS_ADD_EARLY:
	case OP_ADDRESS_ADD:
	case OP_ADDRESS_SET:
	case OP_ADDRESS_SET_UP:
	case OP_ROUTE_ADD_DIRECT:
	case OP_ROUTE_SET_DIRECT:
	case OP_ROUTE_ADD:
	case OP_ROUTE_SET:
	case OP_PROCESS_STOP:
	case OP_PROCESS_START:
	case OP_COUNT:
		break;
	}
	return false;
}

/* IPv6's MTU, which an interface that comes up would take back. */
static const struct link *late_sysctl(const struct step *s)
{
	return s->op == OP_LINK_SYSCTL ? sysctl_ipv6_mtu_of(s->netns, s->sysctl->path) : NULL;
}

static void put_late_sysctls(const struct plan *p, struct buf *out)
{
	bool any = false;

	array_each(&p->steps, s) {
		const struct link *l = late_sysctl(s);

		if (!l)
			continue;
		if (!any)
			buf_puts(out, "\n# IPv6's MTUs\n");
		any = true;
		if (l->state == LINK_UP && l->given & LINK_BIT("state")) {
			buf_puts(out, WHEN_UP);
			script_ip(l->netns, out);
			buf_puts(out, " link show");
			put_dev("dev", l, out);
			buf_putc(out, '\n');
		}
		script_sysctl(s, out);
	}
}

#define NOT_COVERED "processes: only nsapply starts and stops them, this script does not"

static const char *heading(enum op op)
{
	static const char *const headings[OP_COUNT] = {
		[OP_NETNS_ADD] = "namespaces",
		[OP_NETNS_SYSCTL] = "sysctls",
		[OP_LINK_DOWN] = "links",
		[OP_LINK_DEL] = "links",
		[OP_MASTER_SET] = "links",
		[OP_LINK_MOVE] = "links",
		[OP_LINK_ADD] = "links",
		[OP_LINK_SET] = "links",
		[OP_LINK_SYSCTL] = "sysctls of interfaces",
		[OP_ADDRESS_ADD_EARLY] = "addresses",
		[OP_ADDRESS_DEL] = "addresses",
		[OP_ADDRESS_ADD] = "addresses",
		[OP_ADDRESS_SET] = "addresses",
		[OP_LINK_UP] = "links up",
		[OP_ADDRESS_SET_UP] = "addresses",
		[OP_ROUTE_ADD_DIRECT] = "routes",
		[OP_ROUTE_SET_DIRECT] = "routes",
		[OP_ROUTE_ADD] = "routes",
		[OP_ROUTE_SET] = "routes",
		[OP_ROUTE_DEL] = "routes",
		[OP_PROCESS_STOP] = NOT_COVERED,
		[OP_PROCESS_START] = NOT_COVERED,
		[OP_NETNS_DEL] = "namespaces that go",
	};

	return headings[op];
}

void plan_print_ip(const struct plan *p, struct buf *out)
{
	const char *last = NULL;
	bool fresh = false, gone = false, late = false;

	buf_puts(out, "#!/bin/sh\n"
		      "# What nsapply would do, as commands of iproute2. Run it as root, on the "
		      "machine and in\n"
		      "# the network namespace that it was made for; it stops at the first error.\n"
		      "set -eu\n");
	array_each(&p->steps, s) {
		fresh |= s->op == OP_NETNS_ADD;
		gone |= may_be_gone(s);
		late |= late_sysctl(s) != NULL;
	}
	if (fresh)
		script_fresh(out);
	if (gone)
		script_unless_gone(out);
	if (late)
		script_when_up(out);
	array_each(&p->steps, s) {
		if (late_sysctl(s))
			continue;
		if (!str_equal(last, heading(s->op))) {
			last = heading(s->op);
			buf_printf(out, "\n# %s\n", last);
		}
		put_step(p, s, out);
	}
	put_late_sysctls(p, out);
}
