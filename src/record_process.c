/* SPDX-License-Identifier: MIT */
/* The processes that a lab has started, as its record knows them: from before they run their command
 * until they have ended. */
#include "record.h"

struct process *record_add_process(struct record *r, const struct process *p)
{
	struct process *known;

	record_drop_process(r, p);
	known = model_copy_process(r->made, p);
	known->node = NULL;
	known->mark = NO_MARK;
	model_place_process(r->made);
	return known;
}

void record_drop_process(struct record *r, const struct process *p)
{
	size_t kept = 0;

	array_each(&r->made->processes, known) {
		if (process_compare(*known, p))
			r->made->processes.items[kept++] = *known;
		else
			process_free(*known);
	}
	r->made->processes.n = kept;
}

void record_take_processes(struct record *r, const struct record *now)
{
	array_each(&r->made->processes, p) {
		const struct process *known = model_find_process(now->made, *p);

		if (known) {
			(*p)->pid = known->pid;
			(*p)->started = known->started;
			(*p)->space = known->space;
			(*p)->ends = known->ends;
		}
	}
}
