/* SPDX-License-Identifier: MIT */
/* Namespaces of this process's own: for a lab that nobody else sees (--run), and for a process inside a
 * lab's namespace. */
#pragma once

#include "error.h"

#include <sys/types.h>

struct kernel;
struct caller {
	uid_t uid;
	gid_t gid;
	bool mapped;	    /* is uid 0 in a user namespace made for it */
	bool ipv6_is_plain; /* kernel_ipv6_is_plain(), of the network namespace where it was */
};

/* Moves this process into network and mount namespaces of its own, and its next child into a pid
 * namespace, as the first process there. Where that takes it, into a user namespace as well, as uid 0.
 * Each of these functions returns 0, or a negative errno with the reason, and the mend, in d. */
int private_enter(struct caller *ret_caller, struct diags *d);
/* To be called by that child: /proc, /sys and /run as these namespaces have them. What the surroundings
 * do not allow is left as it was, with a warning. */
int private_mount(struct diags *d);
/* The network namespace, which is new, starts as a lab's own do: defaults in force, `lo` up. ping: also
 * without privilege. caller: of private_enter(). The kernel is that of it, with what is known of the defaults by now; the caller
 * closes it, also after a failure. */
int private_network(const struct caller *caller, bool ping, struct kernel **ret_kernel,
		    struct diags *d);
/* Where setgroups(2) is refused, as in a user namespace of an ordinary user, it seems to work from now on. */
void private_pretend_groups(void);
/* Under the caller's own uid and gid again, without any privilege. */
int private_leave_root(const struct caller *caller, struct diags *d);

/* kernel_surroundings.c: a mount namespace of this process's own; and in it /sys of the network namespace
 * where it is, and (unless NULL) the files that /etc/netns has for that name. Those that cannot be shown
 * are warnings. */
int private_surroundings(struct diags *d);
int private_show_netns(const char *name, struct diags *d);

/* kernel_refused.c: says that `what` was refused, and why: the sysctl, security module or filter. limit: the
 * sysctl below user that counts such things; NULL: none. */
int private_refused(const char *what, const char *limit, int code, struct diags *d);
