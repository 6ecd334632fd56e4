/* SPDX-License-Identifier: MIT */
/* What the kernel has refused: is that a reason to stop, and what is said of it? */
#include "execute_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

static struct mark node_mark(const struct node *n)
{
	return n ? n->mark : NO_MARK;
}

/* Where the file asked for it; row: which of a link's keys, NULL when that is not known. */
static struct mark change_mark(const struct change *c, const struct attr *row)
{
	if (!c->want.any)
		return NO_MARK;
	switch (c->object) {
	case OBJECT_NAMESPACE:
		return c->want.netns->mark;
	case OBJECT_LINK:
		return row ? link_key_mark(c->want.link, row->key) : c->want.link->mark;
	case OBJECT_ADDRESS:
		return node_mark(c->want.address->node);
	case OBJECT_ROUTE:
		return node_mark(c->want.route->node);
	case OBJECT_SYSCTL:
		return node_mark(c->want.sysctl->node);
	case OBJECT_PROCESS:
		return c->want.process->mark;
	}
	return NO_MARK;
}

/* The row of a link that the kernel's error points at; NULL: it does not say. */
static const struct attr *refused_row(const struct step *s, const struct refusal *f)
{
	if (!s->link || s->address || s->route)
		return NULL;
	for (size_t i = 0; i < link_table.n && f->attr; i++)
		if (link_table.rows[i].nla == f->attr)
			return &link_table.rows[i];
	if (f->attr != IFLA_LINKINFO || !f->subattr || !s->link->kind)
		return NULL;
	for (size_t i = 0; i < s->link->kind->table.n; i++)
		if (s->link->kind->table.rows[i].nla == f->subattr)
			return &s->link->kind->table.rows[i];
	return NULL;
}

static const char *op_verb(enum op op)
{
	switch (op) {
	case OP_NETNS_ADD:
	case OP_LINK_ADD:
	case OP_ADDRESS_ADD_EARLY:
	case OP_ADDRESS_ADD:
	case OP_ADDRESS_SET_UP:
	case OP_ROUTE_ADD_DIRECT:
	case OP_ROUTE_ADD:
		return "create";
	case OP_LINK_DEL:
	case OP_NETNS_DEL:
	case OP_ADDRESS_DEL:
	case OP_ROUTE_DEL:
		return "delete";
	case OP_LINK_MOVE:
		return "move";
	case OP_LINK_UP:
		return "bring up";
	case OP_LINK_DOWN:
		return "bring down";
	case OP_NETNS_SYSCTL:
	case OP_MASTER_SET:
	case OP_LINK_SET:
	case OP_LINK_SYSCTL:
	case OP_ADDRESS_SET:
	case OP_ROUTE_SET_DIRECT:
	case OP_ROUTE_SET:
		return "set";
	case OP_PROCESS_START:
		return "start";
	case OP_PROCESS_STOP:
		return "stop";
	case OP_COUNT:
		break;
	}
	return "do";
}

static void describe_step(const struct plan *p, const struct step *s, struct buf *out)
{
	/* A link's step may belong to another object's change: that of its namespace, or of its cable. */
	if (s->link && !s->address && !s->sysctl) {
		buf_puts(out, "link ");
		link_id(s->link, out);
	} else {
		change_describe(&p->changes.items[s->change], out);
	}
}

static void hint_for(struct diags *d, const struct step *s, int code)
{
	if (code == -EOPNOTSUPP && s->op == OP_LINK_ADD)
		diag_hint(d, "this kernel may lack this kind of interface");
	else if (code == -EACCES && (s->address || s->route))
		diag_hint(d, "IPv6 is off there: under the interface, `sysctl: "
			     "{ipv6.disable_ipv6: 0}` turns it on");
	else if (code == -EPERM || code == -EACCES)
		diag_hint(d, "this needs root, or CAP_NET_ADMIN over the namespace");
	else if (code == -ENETUNREACH && s->route)
		diag_hint(d, "no interface that is up has a network that holds the gateway");
}

static void describe_refusal(const struct plan *p, const struct refusal *f, const struct attr *row,
			     struct buf *out)
{
	describe_step(p, f->tag, out);
	if (row)
		buf_printf(out, ", %s", row->key);
	if (f->text[0])
		buf_printf(out, ": %s (%s)", f->text, strerror(-f->code));
	else
		buf_printf(out, ": %s", strerror(-f->code));
}

static void tell_refusal(const struct plan *p, const struct refusal *f, struct diags *d)
{
	const struct step *s = f->tag;
	const struct attr *row = refused_row(s, f);
	cleanup_buf struct buf what = {0};

	describe_refusal(p, f, row, &what);
	diag_error(d, f->code, change_mark(&p->changes.items[s->change], row), "cannot %s %s",
		   op_verb(s->op), buf_text(&what));
	hint_for(d, s, f->code);
}

/* What is to go is gone: somebody, or the kernel, was quicker. */
static bool is_harmless(const struct refusal *f)
{
	const struct step *s = f->tag;

	switch (s->op) {
	case OP_LINK_DEL:
	case OP_ADDRESS_DEL:
	case OP_ROUTE_DEL:
		return f->code == -ENODEV || f->code == -ESRCH || f->code == -EADDRNOTAVAIL ||
		       f->code == -ENOENT || f->code == -ENXIO; /* IPv6 is off: MTU below 1280 */
	case OP_NETNS_ADD:
	case OP_NETNS_SYSCTL:
	case OP_LINK_DOWN:
	case OP_MASTER_SET:
	case OP_LINK_MOVE:
	case OP_NETNS_DEL:
	case OP_LINK_ADD:
	case OP_LINK_SET:
	case OP_LINK_SYSCTL:
	case OP_ADDRESS_ADD_EARLY:
	case OP_ADDRESS_ADD:
	case OP_ADDRESS_SET:
	case OP_ADDRESS_SET_UP:
	case OP_LINK_UP:
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

/* Is it a route that was there before the lab, and to which the network is no longer, by somebody's
 * doing: without the address, the interface or the gateway that it needs? */
static bool is_lost_route(const struct execution *e, const struct plan *p, const struct refusal *f)
{
	const struct step *s = f->tag;
	const struct change *c = &p->changes.items[s->change];

	return c->object == OBJECT_ROUTE && c->want.route && c->want.route != c->have.route &&
	       !s->route->node && !e->no_return && netns_is_external(s->netns) &&
	       (f->code == -ENETUNREACH || f->code == -EHOSTUNREACH || f->code == -EINVAL ||
		f->code == -ENODEV || f->code == -ENETDOWN);
}

/* Somebody set the route to an address's network, as the kernel's (connected_is_kernels()), and by now
 * the kernel makes it itself: then no reading shows it. */
static bool is_made_already(const struct plan *p, const struct refusal *f)
{
	const struct step *s = f->tag;
	const struct change *c = &p->changes.items[s->change];

	return f->code == -EEXIST && c->object == OBJECT_ROUTE && c->action == ACTION_CREATE &&
	       s->route->proto == RTPROT_KERNEL && netns_is_external(s->netns);
}

/* To insist on it would keep the lab for ever. */
static void let_go_of_route(struct execution *e, const struct plan *p, const struct refusal *f,
			    struct diags *d)
{
	const struct step *s = f->tag;
	cleanup_buf struct buf what = {0};

	describe_refusal(p, f, NULL, &what);
	diag_warning(d, NO_MARK, "not put back: %s", buf_text(&what));
	diag_hint(d, "it was there before the lab, and the kernel no longer takes it: what it goes "
		     "by has been changed meanwhile");
	record_forget_route(e->record, s->netns, s->route);
}

int execute_refused(struct execution *e, const struct plan *p, const struct refusal *f,
		    struct diags *d)
{
	if (is_harmless(f))
		return 0;
	if (is_made_already(p, f)) {
		const struct step *s = f->tag;

		record_forget_route(e->record, s->netns, s->route);
		return 0;
	}
	if (is_lost_route(e, p, f)) {
		let_go_of_route(e, p, f, d);
		return 0;
	}
	tell_refusal(p, f, d);
	return f->code;
}
