/* SPDX-License-Identifier: MIT */
/* Runs the steps of a plan.
 *
 * Steps of one kind and level form a group. Netlink requests are queued and go
 * out together; the queue is flushed where something outside it depends on what it
 * did: the next group works by names or files, or needs indexes that the kernel chose.
 * Within a namespace the kernel works requests off in order, so links, addresses
 * and routes of a namespace usually travel in one datagram. */
#include "execute_internal.h"
#include "interrupt.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel numbers the devices that it puts into every namespace itself from 2
 * on; ours start where those cannot be. */
#define FIRST_INDEX 64
/* That wait to be sent: many take memory, and a signal is heeded in between. */
#define REQUESTS_MAX 4096

static int flush(struct execution *e, const struct plan *p, struct diags *d)
{
	refusals no = {0};
	int r = kernel_flush(e->kernel, &no, d);

	array_each(&no, f) {
		bool early = execute_may_be_early(f);
		int refused = 0;

		if (!early)
			refused = execute_refused(e, p, f, d);
		else if (r >= 0)
			refused = execute_early_route(e, p, f, d);
		r = refused < 0 ? refused : r;
	}
	array_free(&no);
	return r;
}

int execution_stopped(const struct execution *e, struct diags *d)
{
	int came = interrupt_came();

	if (e->no_return)
		return 0;
	if (came)
		return -EINTR;
	return memory_is_low() ? diag_error(d, -ENOMEM, NO_MARK, "out of memory") : 0;
}

/* --- groups -------------------------------------------------------------------- */

static int add_namespaces(struct execution *e, struct step *s, size_t n, struct diags *d)
{
	int r;

	for (size_t i = 0; i < n; i++) {
		r = kernel_netns_make(e->kernel, s[i].netns, d);
		if (r < 0)
			return r;
		record_add_netns(e->record, s[i].netns);
	}
	/* They have no name yet and die with us; from here on the record knows them. */
	r = record_save(e->rundir, e->record, d);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = kernel_netns_name(e->kernel, s[i].netns, d);
	return r;
}

/* What a namespace of the lab had before the file named it comes back when the key goes. */
static int keep_old_value(struct execution *e, const struct change *c, const struct step *s,
			  struct arena *a, struct diags *d)
{
	const struct sysctl *want = s->sysctl;
	const char *old;
	int r;

	if (c->want.sysctl != want || c->have.sysctl || !(want->node || want->implied) ||
	    sysctl_is_switch(want->path) || netns_is_external(s->netns))
		return 0;
	r = kernel_sysctl_read(e->kernel, s->netns, want->path, a, &old, d);
	if (r >= 0 && old)
		record_add_sysctl(e->record, s->netns, want->path, old);
	return r;
}

static void tell_unset(const struct step *s, int error, struct diags *d)
{
	const struct sysctl *want = s->sysctl;
	cleanup_buf struct buf name = {0};

	sysctl_name(want->path, &name);
	diag_error(d, error, want->node ? want->node->mark : NO_MARK,
		   "cannot set sysctl %s of namespace \"%s\" to %s: %s", buf_text(&name),
		   s->netns->name, *want->value ? want->value : "\"\"", strerror(-error));
	if (error == -ENOENT)
		diag_hint(d, "this kernel, or this interface, has no such value; "
			     "in a user namespace some are missing");
	else if (error == -EINVAL && !*want->value)
		diag_hint(d, "give it a value, or remove the key: only a list can be empty");
}

static int write_sysctls(struct execution *e, const struct plan *p, struct step *s, size_t n,
			 struct diags *d)
{
	struct arena arena = {0};
	int result = 0;

	for (size_t i = 0; i < n && result >= 0; i++) {
		const struct sysctl *want = s[i].sysctl;

		result = keep_old_value(e, &p->changes.items[s[i].change], &s[i], &arena, d);
		if (result < 0)
			break;
		result = kernel_sysctl_write(e->kernel, s[i].netns, want->path, want->value);
		if (result == -ENOENT && !want->node)
			result = 0;
		if (result < 0)
			tell_unset(&s[i], result, d);
	}
	kernel_leave(e->kernel);
	arena_free(&arena);
	return result;
}

/* The two ends of a cable get different ones: where they are equal, the kernel thinks that it is
 * not urgent to notice a carrier, and takes up to a second, in which it drops what is sent
 * (net/core/link_watch.c: linkwatch_urgent_event()). */
static void choose_index(struct link *l, const struct link *peer, const struct model *live)
{
	struct netns *n = l->netns;

	/* On the way back it is the one that it had, by which other labs may know it. Else: where others make
	 * links the kernel chooses. */
	if (l->index || netns_is_external(n))
		return;
	if (!n->next_index) {
		const struct netns *have = model_find_netns(live, n->name);
		n->next_index = FIRST_INDEX;
		if (have)
			array_each(&have->links, i)
				if ((*i)->index >= n->next_index && (*i)->index < AWAY_INDEX)
					n->next_index = (*i)->index + 1;
	}
	if (peer && peer->index == n->next_index)
		n->next_index++;
	l->index = n->next_index++;
}

static int add_links(struct execution *e, const struct plan *p, struct step *s, size_t n,
		     struct diags *d)
{
	int r;

	for (size_t i = 0; i < n; i++) {
		choose_index(s[i].link, NULL, p->live);
		/* veth_newlink() heeds the peer's index only when the first has one. */
		if (s[i].peer && s[i].link->index)
			choose_index((struct link *)s[i].peer, s[i].link, p->live);
		kernel_link_add(e->kernel, s[i].link, s[i].peer, s[i].up, &s[i]);
	}
	r = flush(e, p, d);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (!s[i].link->index)
			r = kernel_learn_index(e->kernel, s[i].link, d);
		if (r >= 0 && s[i].peer && !s[i].peer->index)
			r = kernel_learn_index(e->kernel, (struct link *)s[i].peer, d);
	}
	return r;
}

/* They do not depend on each other: what frees a name has a level of its own before. */
static int move_links(struct execution *e, const struct plan *p, struct step *s, size_t n,
		      struct diags *d)
{
	for (size_t i = 0; i < n; i++)
		kernel_link_move(e->kernel, s[i].source, s[i].link, &s[i]);
	return flush(e, p, d);
}

static void queue(struct kernel *k, struct step *s)
{
	switch (s->op) {
	case OP_LINK_DOWN:
		kernel_link_state(k, s->link, false, s);
		break;
	case OP_LINK_UP:
		kernel_link_state(k, s->link, true, s);
		break;
	case OP_LINK_DEL:
		kernel_link_delete(k, s->link, s);
		break;
	case OP_MASTER_SET:
	case OP_LINK_SET:
		kernel_link_set(k, s->link, s->mask, s->kind_mask, s);
		break;
	case OP_ADDRESS_ADD_EARLY:
	case OP_ADDRESS_ADD:
		kernel_address_add(k, s->address, false, s);
		break;
	case OP_ADDRESS_SET:
	case OP_ADDRESS_SET_UP:
		kernel_address_add(k, s->address, true, s);
		break;
	case OP_ADDRESS_DEL:
		kernel_address_delete(k, s->address, s);
		break;
	case OP_ROUTE_ADD_DIRECT:
	case OP_ROUTE_ADD:
		kernel_route_add(k, s->netns, s->route, false, s);
		break;
	case OP_ROUTE_SET_DIRECT:
	case OP_ROUTE_SET:
		kernel_route_add(k, s->netns, s->route, true, s);
		break;
	case OP_ROUTE_DEL:
		kernel_route_delete(k, s->netns, s->route, s);
		break;
	case OP_NETNS_ADD:
	case OP_NETNS_SYSCTL:
	case OP_LINK_MOVE:
	case OP_NETNS_DEL:
	case OP_LINK_ADD:
	case OP_LINK_SYSCTL:
	case OP_PROCESS_STOP:
	case OP_PROCESS_START:
	case OP_COUNT:
		break; /* never queued: run_group() */
	}
}

static int send_steps(struct execution *e, struct plan *p, struct step *s, size_t n,
		      struct diags *d)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		queue(e->kernel, &s[i]);
		if ((i + 1) % REQUESTS_MAX)
			continue;
		r = flush(e, p, d);
		if (r >= 0)
			r = execution_stopped(e, d);
	}
	return r;
}

static int run_group(struct execution *e, struct plan *p, struct step *s, size_t n, struct diags *d)
{
	enum op op = s->op;
	bool at_once = op <= OP_LINK_ADD || op == OP_LINK_SYSCTL || op >= OP_PROCESS_STOP;
	int r = at_once ? flush(e, p, d) : 0;

	if (r < 0)
		return r;
	if (op == OP_NETNS_ADD)
		return add_namespaces(e, s, n, d);
	if (op == OP_NETNS_DEL)
		return execute_delete_namespaces(e, p, s, n, d);
	if (op == OP_PROCESS_STOP)
		return execute_stop_processes(e, s, n, d);
	if (op == OP_PROCESS_START)
		return execute_start_processes(e, s, n, d);
	if (op == OP_NETNS_SYSCTL || op == OP_LINK_SYSCTL)
		return write_sysctls(e, p, s, n, d);
	if (op == OP_LINK_ADD)
		return add_links(e, p, s, n, d);
	if (op == OP_LINK_MOVE)
		return move_links(e, p, s, n, d);
	r = send_steps(e, p, s, n, d);
	return at_once && r >= 0 ? flush(e, p, d) : r;
}

int execute(struct execution *e, struct plan *p, struct diags *d)
{
	size_t n = p->steps.n, start = 0;
	int r = 0;

	while (n && p->steps.items[n - 1].op >= e->until)
		n--;
	while (start < n && p->steps.items[start].op < e->from)
		start++;
	while (start < n && r >= 0) {
		struct step *s = &p->steps.items[start];
		size_t end = start + 1;

		while (end < n && p->steps.items[end].op == s->op &&
		       p->steps.items[end].level == s->level)
			end++;
		r = execution_stopped(e, d);
		if (r < 0)
			return r;
		if (e->progress)
			e->progress(e->data, start, n);
		r = run_group(e, p, s, end - start, d);
		start = end;
	}
	if (r >= 0)
		r = flush(e, p, d);
	return r;
}
