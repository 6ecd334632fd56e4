/* SPDX-License-Identifier: MIT */
/* Processes of the made-up machine. One called by FAKE_MISSING is not to be found when it is told to
 * go, and one by FAKE_SHORT has ended right afterwards. */
#include "fake_internal.h"

#include <errno.h>
#include <string.h>

static struct fake_process *find(const struct kernel *k, const struct process *p)
{
	array_each(&k->machine->processes, f)
		if ((*f)->pid == p->pid && (*f)->started == p->started)
			return *f;
	return NULL;
}

static bool is_called(const struct process *p, const char *name)
{
	return str_equal(p->command.items[0], name);
}

static void end(struct kernel *k, struct fake_process *ended)
{
	struct fake_machine *m = k->machine;
	size_t kept = 0;

	array_each(&m->processes, f)
		if (*f != ended)
			m->processes.items[kept++] = *f;
	m->processes.n = kept;
	fake_leave(m, ended->netns);
}

void fake_end_waiting(struct kernel *k)
{
	for (size_t i = k->machine->processes.n; i-- > 0;)
		if (k->machine->processes.items[i]->waits)
			end(k, k->machine->processes.items[i]);
}

void fake_end_process(struct kernel *k, const char *name)
{
	for (size_t i = k->machine->processes.n; i-- > 0;)
		if (str_equal(k->machine->processes.items[i]->name, name))
			end(k, k->machine->processes.items[i]);
}

int kernel_process_make(struct kernel *k, struct process *p, const struct netns *n, int log,
			struct diags *d)
{
	struct fake_machine *m = k->machine;
	struct fake_netns *netns = fake_space(k, n);
	struct fake_process *made;
	int r = netns ? fake_change(k) : -ENOENT;

	(void)log;
	if (r < 0)
		return diag_error(d, r, p->mark, "cannot make process %s", p->name);
	made = arena_alloc(&m->arena, sizeof(*made));
	*made = (struct fake_process){
		.pid = ++m->last_pid, .started = m->last_pid * UINT64_C(100), .waits = true};
	made->netns = netns;
	made->name = arena_strdup(&m->arena, p->name);
	made->command = arena_strdup(&m->arena, p->command.items[0]);
	netns->open++;
	array_add(&m->processes, made);
	p->pid = made->pid;
	p->started = made->started;
	return 0;
}

void kernel_process_go(struct kernel *k, const struct process *p)
{
	(void)k;
	(void)p;
}

int kernel_process_went(struct kernel *k, const struct process *p, struct diags *d)
{
	struct fake_process *f = find(k, p);
	int r = fake_change(k);

	if (r >= 0 && is_called(p, FAKE_MISSING))
		r = -ENOENT;
	if (f && (r < 0 || is_called(p, FAKE_SHORT)))
		end(k, f);
	if (r < 0)
		return diag_error(d, r, p->mark, "cannot start process %s", p->name);
	if (f)
		f->waits = false;
	return 1;
}

int kernel_process_stop(struct kernel *k, const struct process *const *list, size_t n,
			struct diags *d)
{
	for (size_t i = 0; i < n; i++) {
		struct fake_process *f = find(k, list[i]);
		int r = fake_change(k);

		if (r < 0)
			return diag_error(d, r, NO_MARK, "cannot stop process %s", list[i]->name);
		if (f)
			end(k, f);
	}
	return 0;
}

int kernel_process_runs(struct kernel *k, const struct process *p, struct diags *d)
{
	(void)d;
	return find(k, p) != NULL;
}

int kernel_process_status(const struct process *p)
{
	(void)p;
	return -1;
}

enum listener kernel_tcp_listener(struct kernel *k, const struct process *p, const struct netns *n,
				  uint32_t port)
{
	(void)k;
	(void)p;
	(void)n;
	(void)port;
	return LISTENER_IT;
}

void fake_read_processes(struct kernel *k, const struct model *started, struct model *live)
{
	if (!started)
		return;
	array_each(&started->processes, p) {
		struct fake_process *f = find(k, *p);
		const struct netns *n = NULL;

		if (f && f->waits) { /* for what comes no more, once it is asked for */
			end(k, f);
			f = NULL;
		}
		if (!f)
			continue;
		array_each(&live->namespaces, i)
			if (str_equal((*i)->name, (*p)->netns))
				n = *i;
		model_copy_process(live, *p)->elsewhere = !n || fake_space(k, n) != f->netns;
	}
}
