/* SPDX-License-Identifier: MIT */
/* The made-up machine as text, in an order that does not hang on how it came to be so. */
#include "fake_internal.h"

#include <string.h>
#include <sys/socket.h>

static void dump_rows(struct buf *out, const struct attr_table *t, const void *object)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!attr_is_scalar(&t->rows[i]) || t->rows[i].offset == UINT16_MAX)
			continue;
		buf_printf(out, " %s ", t->rows[i].key);
		attr_format(&t->rows[i], object, out);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef ARRAY(char *) lines;

static void add_line(lines *list, struct buf *line)
{
	array_add(list, xstrdup(buf_text(line)));
	buf_free(line);
}

static void add_address(lines *list, const struct address *a)
{
	struct buf line = {0};

	buf_printf(&line, "%s address", a->link->name);
	dump_rows(&line, &address_table, a);
	dump_rows(&line, &found_address_table, address_found(a));
	add_line(list, &line);
}

static bool has_ports(const struct fake_link *master)
{
	array_each(&master->link.netns->links, l)
		if (fake_link(*l)->master == master)
			return true;
	return false;
}

static void add_link(lines *list, struct link *l)
{
	const struct fake_link *f = fake_link(l);
	struct buf line = {0};

	buf_printf(&line, "%s %s %s mtu %u", l->name, l->kind ? l->kind->name : "hardware",
		   l->state == LINK_UP ? "up" : "down", l->mtu);
	/* without ports a bridge has a MAC of its own, or one of zeros where it had ports once */
	if (!l->kind || !l->kind->is_master || has_ports(f))
		for (size_t i = 0; i < sizeof(l->mac.bytes); i++)
			buf_printf(&line, "%s%02x", i ? ":" : " mac ", l->mac.bytes[i]);
	if (!l->kind)
		buf_printf(&line, " index %u", l->index);
	if (f->master)
		buf_printf(&line, " master %s", f->master->link.name);
	if (f->peer)
		buf_printf(&line, " peer %s:%s", f->peer->link.netns->name, f->peer->link.name);
	if (l->kind)
		dump_rows(&line, &l->kind->table, l->data);
	add_line(list, &line);
	array_each(&l->addresses, a)
		add_address(list, *a);
}

static void add_route(lines *list, const struct route *r)
{
	struct buf line = {0};

	buf_puts(&line, "route");
	dump_rows(&line, &route_table, r);
	array_each(&r->nexthops, h) {
		buf_puts(&line, " nexthop");
		dump_rows(&line, &nexthop_table, h);
	}
	buf_printf(&line, " found %s", r->found ? r->found : "");
	add_line(list, &line);
}

static void add_processes(lines *list, const struct fake_machine *m, const struct fake_netns *n)
{
	array_each(&m->processes, p) {
		struct buf line = {0};

		if ((*p)->netns != n)
			continue;
		buf_printf(&line, "process %s %s%s", (*p)->name, (*p)->command,
			   (*p)->waits ? " (waits)" : "");
		add_line(list, &line);
	}
}

static void dump_netns(const struct fake_machine *m, struct fake_netns *n, struct buf *out)
{
	lines list = {0};

	array_each(&n->netns.links, l)
		add_link(&list, *l);
	array_each(&n->netns.routes, r)
		add_route(&list, *r);
	array_each(&n->netns.sysctls, s) {
		struct buf line = {0};

		if (str_equal((*s)->value, fake_initial((*s)->path)))
			continue;
		buf_printf(&line, "sysctl %s %s", (*s)->path, (*s)->value);
		add_line(&list, &line);
	}
	add_processes(&list, m, n);
	array_sort(&list, by_text);
	buf_printf(out, "%s%s\n", n->netns.name, n->named ? "" : " (without a name)");
	array_each(&list, line) {
		buf_printf(out, "\t%s\n", *line);
		free(*line);
	}
	array_free(&list);
}

static int by_name(const void *a, const void *b)
{
	const struct fake_netns *x = *(struct fake_netns *const *)a;
	const struct fake_netns *y = *(struct fake_netns *const *)b;

	return strcmp(x->netns.name, y->netns.name);
}

void fake_dump(const struct fake_machine *m, struct buf *out)
{
	ARRAY(struct fake_netns *) list = {0};

	array_each(&m->namespaces, n)
		array_add(&list, *n);
	array_sort(&list, by_name);
	array_each(&list, n)
		dump_netns(m, *n, out);
	array_free(&list);
}
