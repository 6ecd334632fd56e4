/* SPDX-License-Identifier: MIT */
/* bridge: a switch in software.
 *
 * Times are whole seconds in the file and hundredths (USER_HZ) on the wire. The
 * kernel checks the ranges of the three spanning tree timers only while STP is
 * on (net/bridge/br_stp.c), so they are looked at together. */
#include "kind.h"

#include <linux/if_bridge.h>

struct bridge {
	uint32_t stp, priority, forward_delay, hello_time, max_age, ageing_time;
	uint32_t mcast_snooping, group_fwd_mask;
};

#define USER_HZ 100

static const struct attr rows[] = {
	{
		.key = "stp",
		.help = "run the spanning tree protocol",
		.ip = "stp_state",
		.type = ATTR_BOOL,
		FIELD_U32(struct bridge, stp),
		.nla = IFLA_BR_STP_STATE,
		.wire = WIRE_U32,
	},
	{
		.key = "priority",
		.help = "the bridge's priority in the spanning tree; the lowest becomes the root",
		.type = ATTR_UINT,
		.max = UINT16_MAX,
		.initial = 32768,
		FIELD_U32(struct bridge, priority),
		.nla = IFLA_BR_PRIORITY,
		.wire = WIRE_U16,
	},
	{
		.key = "forward_delay",
		.help = "time a port spends listening and learning; 2 to 30 with stp",
		.unit = "seconds",
		.type = ATTR_UINT,
		.max = 30,
		.initial = 15,
		FIELD_U32(struct bridge, forward_delay),
		.nla = IFLA_BR_FORWARD_DELAY,
		.wire = WIRE_U32,
		.scale = USER_HZ,
	},
	{
		.key = "hello_time",
		.help = "time between two hello packets of the root bridge",
		.unit = "seconds",
		.type = ATTR_UINT,
		.min = 1,
		.max = 10,
		.initial = 2,
		FIELD_U32(struct bridge, hello_time),
		.nla = IFLA_BR_HELLO_TIME,
		.wire = WIRE_U32,
		.scale = USER_HZ,
	},
	{
		.key = "max_age",
		.help = "how long a hello packet stays good",
		.unit = "seconds",
		.type = ATTR_UINT,
		.min = 6,
		.max = 40,
		.initial = 20,
		FIELD_U32(struct bridge, max_age),
		.nla = IFLA_BR_MAX_AGE,
		.wire = WIRE_U32,
		.scale = USER_HZ,
	},
	{
		.key = "ageing_time",
		.help = "how long a learned address is kept without traffic; 0 floods every frame",
		.unit = "seconds",
		.type = ATTR_UINT,
		.max = 1000000,
		.initial = 300,
		FIELD_U32(struct bridge, ageing_time),
		.nla = IFLA_BR_AGEING_TIME,
		.wire = WIRE_U32,
		.scale = USER_HZ,
	},
	{
		.key = "mcast_snooping",
		.help = "forward multicast only to ports that asked for it",
		.type = ATTR_BOOL,
		.initial = true,
		FIELD_U32(struct bridge, mcast_snooping),
		.nla = IFLA_BR_MCAST_SNOOPING,
		.wire = WIRE_U8,
	},
	{
		.key = "group_fwd_mask",
		.help = "which link-local frames (01:80:c2:00:00:0X) are forwarded: bit X",
		.type = ATTR_UINT,
		.max = UINT16_MAX,
		FIELD_U32(struct bridge, group_fwd_mask),
		.nla = IFLA_BR_GROUP_FWD_MASK,
		.wire = WIRE_U16,
	},
};

/* net/bridge/br_private.h, BR_GROUPFWD_RESTRICTED: STP, pause frames and LACP stay on their link. */
#define RESTRICTED_GROUPS 0x7

static const char *check(const void *data, struct arena *arena)
{
	const struct bridge *b = data;

	if (b->group_fwd_mask & RESTRICTED_GROUPS)
		return arena_printf(arena,
				    "group_fwd_mask must not have the bits 0, 1 and 2 set "
				    "(value %u): the kernel never forwards these frames",
				    b->group_fwd_mask & RESTRICTED_GROUPS);
	if (b->stp && b->forward_delay < 2)
		return arena_printf(arena, "forward_delay must be 2 to 30 seconds with stp, not %u",
				    b->forward_delay);
	return NULL;
}

/* While the tree changes, which it says of itself for half a minute after a port began to forward,
 * addresses age faster (net/bridge/br_stp.c, __br_set_topology_change()). */
static uint64_t passing(const void *data)
{
	const struct bridge *b = data;

	return b->stp && b->ageing_time == 2 * b->forward_delay
		       ? attr_bit(&kind_bridge.table, "ageing_time")
		       : 0;
}

const struct kind kind_bridge = {
	.name = "bridge",
	.help = "a switch; its ports are the interfaces that name it as their master",
	.table = {.name = "bridge",
		  .help = "A switch in software.",
		  .rows = rows,
		  .n = ARRAY_SIZE(rows)},
	.size = sizeof(struct bridge),
	.is_master = true,
	.is_fixed = true,
	.port_state = IFLA_BRPORT_STATE,
	/* Disabled is how a port is until the bridge has noticed its carrier. Blocking is how the
	 * spanning tree leaves a second way: that is settled. */
	.port_unsettled =
		1u << BR_STATE_DISABLED | 1u << BR_STATE_LISTENING | 1u << BR_STATE_LEARNING,
	.check = check,
	.passing = passing,
};
