/* SPDX-License-Identifier: MIT */
/* Processes: what is wanted beside what runs. They belong to the lab and not to a namespace, which they
 * may outlive; so they are compared across all of them. Nobody else's are looked at. */
#include "plan_internal.h"

static struct process *at(const struct model *m, size_t i)
{
	return i < m->processes.n ? m->processes.items[i] : NULL;
}

static void add_step(struct planner *p, enum op op, struct process *process)
{
	plan_step(p, op, model_find_netns(p->goal, process->netns))->process = process;
}

static struct change *add_change(struct planner *p, enum action action, struct process *want,
				 struct process *have)
{
	const struct process *subject = want ? want : have;
	const struct netns *n = model_find_netns(want ? p->goal : p->live, subject->netns);
	struct change *c = plan_change(p, action, OBJECT_PROCESS, n);

	c->want.process = want;
	c->have.process = have;
	if (have)
		add_step(p, OP_PROCESS_STOP, have);
	if (want)
		add_step(p, OP_PROCESS_START, want);
	return c;
}

static void start(struct planner *p, struct process *want)
{
	/* On the way back: the namespace that it was in is no more. */
	if (want->elsewhere || !model_find_netns(p->goal, want->netns))
		return;
	add_change(p, ACTION_CREATE, want, NULL)->reason =
		model_find_process(p->made, want) ? "it has ended" : NULL;
}

static void compare(struct planner *p, struct process *want, struct process *have)
{
	uint64_t mask = process_differences(want, have);
	bool moved = have->elsewhere && !want->elsewhere;
	struct change *c;

	if (!mask && !moved && !have->ends)
		return;
	c = add_change(p, ACTION_REPLACE, want, have);
	c->mask = mask;
	c->reason = moved  ? "its namespace is another one now"
		    : mask ? "nothing of it can change while it runs"
			   : "it was told to end";
}

void plan_processes(struct planner *p)
{
	size_t w = 0, h = 0;
	struct process *want, *have;

	while ((want = at(p->goal, w)) || at(p->live, h)) {
		have = at(p->live, h);
		int order = !want ? 1 : !have ? -1 : process_compare(want, have);

		w += order <= 0;
		h += order >= 0;
		if (order < 0)
			start(p, want);
		else if (order > 0)
			add_change(p, ACTION_DELETE, NULL, have);
		else
			compare(p, want, have);
	}
}
