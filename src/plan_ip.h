/* SPDX-License-Identifier: MIT */
/* What the files plan_ip*.c share: pieces of a shell script. */
#pragma once

#include "plan.h"

/* The shell function before a command whose object may be gone already. */
#define UNLESS_GONE "unless_gone "

#define WHEN_UP "when_up "

/* A space and the word, quoted for the shell. */
void script_word(struct buf *out, const char *word);
/* The beginning of a command: "ip", "ip -n foo", "nsenter --net=/proc/7/ns/net ip". */
void script_ip(const struct netns *n, struct buf *out);
/* What runs a program there: "" for the host, "ip netns exec foo ". */
void script_inside(const struct netns *n, struct buf *out);

/* plan_ip_sysctl.c */
void script_sysctl(const struct step *s, struct buf *out);
/* The shell functions that make a namespace as nsapply would. */
void script_fresh(struct buf *out);
/* The one called UNLESS_GONE. */
void script_unless_gone(struct buf *out);
/* The one that waits until an interface has come up, or long enough. */
void script_when_up(struct buf *out);

/* plan_ip_inet.c: the line of a step. */
void script_address(const struct step *s, struct buf *out);
void script_route(const struct step *s, struct buf *out);
