/* SPDX-License-Identifier: MIT */
/* kernel.h over a machine that is made up, for tests without root: it does what the kernel does as
 * far as the planner knows of it, and refuses what it is told to refuse.
 *
 * What it leaves out: link-local addresses and duplicate address detection, carriers, stray files
 * under /run/netns, namespaces by process or path, processes that are nobody's lab, routes that the
 * kernel makes itself (only whether there is one counts), the sysctls but for a few. A request is
 * carried out when it is queued, and what came of it is told by kernel_flush(): like the kernel,
 * it goes on with the next one after one that was refused. */
#pragma once

#include "kernel.h"

struct fake_netns;
struct fake_process;

/* What a command may be, to fail when it is told to go, or to end right afterwards. */
#define FAKE_MISSING "missing"
#define FAKE_SHORT "short"

/* Counts from 1; 0: none. */
struct fake_faults {
	size_t changes[2]; /* the requests, names and values that are refused, in this order */
	int code;	   /* with this negative errno; 0: one that nobody takes for "it is gone
			    * already" or "not yet" */
	size_t read;	   /* the reading of the whole that fails */
	bool unconnected; /* IPv6 has no memory for the routes to the networks of its addresses when an
			    * interface goes up, and does without */
	size_t flush;	  /* the conversation that breaks, after all that was queued was done */
};

struct fake_machine {
	struct arena arena; /* all that is or was: a test has a machine for not too long */
	ARRAY(struct fake_netns *) namespaces; /* the first one is `host` */
	ARRAY(struct fake_process *) processes;
	uint64_t last_cookie;
	uint32_t last_pid;
	struct fake_faults faults;
	size_t changes, reads, flushes; /* so far, since fake_fail() */
};

/* The machine that kernel_open() finds. */
extern struct fake_machine *fake_machine;

struct fake_machine *fake_machine_new(void);
void fake_machine_free(struct fake_machine *m);
/* Puts what load_state() has read onto the machine; an interface without a kind is hardware. */
void fake_machine_fill(struct fake_machine *m, struct model *state);
/* What it refuses from now on; counting begins anew. */
void fake_fail(struct fake_machine *m, struct fake_faults faults);
/* The process of this name ends by itself. */
void fake_end_process(struct kernel *k, const char *name);
/* All that there is, as text; without what is another each time: cookies, and the indexes of
 * interfaces that can be made anew. */
void fake_dump(const struct fake_machine *m, struct buf *out);
