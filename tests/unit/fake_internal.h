/* SPDX-License-Identifier: MIT */
/* The made-up machine as fake_*.c share it. */
#pragma once

#include "fake_kernel.h"

/* The model's objects are used as they are; what they lack stands beside. */
struct fake_link {
	struct link link; /* its addresses in the order in which they came */
	struct fake_link *peer, *master;
	bool unconnected;      /* its IPv6 addresses have no routes to their networks */
	bool mac_set, mtu_set; /* once, by somebody: a bridge follows its ports no more */
};

struct fake_netns {
	struct netns netns; /* its name stays when it is taken away */
	bool named;
	unsigned open; /* handles, and processes inside */
	uint32_t last_index;
};

struct fake_process {
	uint32_t pid;
	uint64_t started;
	struct fake_netns *netns;
	const char *name, *command;
	bool waits; /* until it is told to go */
};

struct kernel {
	struct fake_machine *machine;
	ARRAY(struct fake_netns *) spaces; /* by handle; NULL: released */
	refusals refused;
};

static inline struct fake_link *fake_link(struct link *l)
{
	return (struct fake_link *)l;
}

/* fake_kernel.c */
/* Counts one change; 0, or the errno with which it is refused. */
int fake_change(struct kernel *k);
/* The same for one that is queued: the outcome is told later. */
void fake_answer(struct kernel *k, const void *tag, int code);
struct fake_netns *fake_space(const struct kernel *k, const struct netns *n);

/* A handle or a process less: one without a name ends with the last of them. */
void fake_leave(struct fake_machine *m, struct fake_netns *n);

/* fake_process.c */
void fake_end_waiting(struct kernel *k);
void fake_read_processes(struct kernel *k, const struct model *started, struct model *live);

/* fake_link.c */
struct fake_link *fake_find_link(const struct fake_netns *n, const char *name);
struct fake_link *fake_find_index(const struct fake_netns *n, uint32_t index);
/* The machine's own link that a model's link means. */
struct fake_link *fake_link_of(const struct kernel *k, const struct link *l);
struct fake_link *fake_new_link(struct fake_machine *m, struct fake_netns *n, const char *name,
				uint32_t index, const struct kind *kind);
/* The namespace has ended: what is virtual goes, hardware goes to the initial namespace. */
void fake_end_links(struct fake_machine *m, struct fake_netns *n);
/* Other than one of zeros: that of a bridge that has lost its last port. */
bool fake_has_mac(const struct link *l);
/* Is there IPv6 on it? net/ipv6/addrconf.c, addrconf_notify(). */
bool fake_has_ipv6(const struct fake_link *l);

/* fake_inet.c */
enum fake_end { FAKE_DOWN, FAKE_IPV6_OFF, FAKE_GONE };
/* What an interface takes along that goes down, loses IPv6, or leaves its namespace. */
void fake_drop_inet(struct fake_link *l, enum fake_end end);
/* The addresses that lo has when it is up. */
void fake_loopback_up(struct fake_machine *m, struct fake_link *lo);

/* fake_sysctl.c */
const char *fake_value(const struct fake_netns *n, const char *path); /* NULL: no such file */
/* A value's initial one: to tell what was changed. */
const char *fake_initial(const char *path);
/* The interface's own values, when it comes and when it goes. */
void fake_add_values(struct fake_machine *m, struct fake_link *l, const char *folder);
void fake_drop_values(struct fake_link *l, const char *folder);
/* With its first IPv4 address all count as set: ipv4_devconf_setall() in net/ipv4/devinet.c. */
void fake_own_values(struct fake_link *l);
