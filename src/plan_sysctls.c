/* SPDX-License-Identifier: MIT */
/* Sysctls. Writing some changes others (sysctl_drags()): those are written first, and
 * what they drag along is written again where the goal names it. */
#include "plan_internal.h"

#include <errno.h>
#include <string.h>

/* What an owned namespace starts from; NULL: this table does not say. */
static const char *default_value(const char *path)
{
	for (size_t i = 0; i < netns_defaults_n; i++)
		if (strcmp(netns_defaults[i].path, path) == 0)
			return netns_defaults[i].value;
	return NULL;
}

/* The link of the goal that a path below conf/IF speaks of; NULL: none. */
static struct link *link_of(const struct netns *n, const char *path)
{
	size_t size = 0;
	const char *name = sysctl_interface(path, &size);
	char text[IFNAME_MAX + 1];

	if (!name || size > IFNAME_MAX)
		return NULL;
	memcpy(text, name, size);
	text[size] = '\0';
	return netns_find_link(n, text);
}

static void write_value(struct planner *p, struct netns *n, const struct sysctl *want)
{
	char dragged[SYSCTL_PATH_MAX + 1];
	size_t size;
	bool below_interface = sysctl_interface(want->path, &size);
	struct step *s = plan_step(p, below_interface ? OP_LINK_SYSCTL : OP_NETNS_SYSCTL, n);

	s->sysctl = want;
	s->level = sysctl_dragged(want->path, "default", dragged) ? 0 : 1;
}

static int missing_value(struct planner *p, const struct sysctl *want)
{
	cleanup_buf struct buf name = {0};

	if (!want->node)
		return 0;
	sysctl_name(want->path, &name);
	diag_error(p->d, -ENOENT, want->node->mark, "this kernel has no sysctl %s",
		   buf_text(&name));
	return -ENOENT;
}

static void write_dragged(struct planner *p, struct netns *n, const char *by)
{
	char dragged[SYSCTL_PATH_MAX + 1];

	if (!sysctl_dragged(by, LOOPBACK, dragged)) /* nor of any other interface */
		return;
	array_each(&n->sysctls, s)
		if (sysctl_drags(by, (*s)->path))
			write_value(p, n, *s);
}

static int plan_value(struct planner *p, const struct netns_pair *pair, const struct sysctl *want)
{
	const struct sysctl *have = pair->have ? netns_find_sysctl(pair->have, want->path) : NULL;
	const struct link *link = link_of(pair->want, want->path);
	const struct link *old = pair->have ? link_of(pair->have, want->path) : NULL;
	bool on_new_link = link && (link->fate == LINK_COMES || link->fate == LINK_MOVES);
	const char *initial = pair->have ? NULL : default_value(want->path);
	struct change *c;

	if (want->missing || want->kept || (link && link->fate == LINK_GOES) ||
	    (!link && old && old->fate == LINK_GOES))
		return 0;
	if (have && have->missing && !on_new_link)
		return want->implied ? 0 : missing_value(p, want);
	if (have && !on_new_link && strcmp(have->value, want->value) == 0)
		return 0;
	if (initial && want->implied && strcmp(initial, want->value) == 0)
		return 0;
	if (on_new_link || (have && have->missing))
		have = NULL;
	c = plan_change(p, have ? ACTION_CHANGE : ACTION_CREATE, OBJECT_SYSCTL, pair->want);
	c->want.sysctl = want;
	c->have.sysctl = have;
	write_value(p, pair->want, want);
	write_dragged(p, pair->want, want->path);
	return 0;
}

int plan_sysctls(struct planner *p, struct netns_pair *pair)
{
	int result = 0, r;

	if (!pair->want || pair->want->absent)
		return 0;
	array_each(&pair->want->sysctls, s) {
		if ((r = plan_value(p, pair, *s)) < 0)
			result = r;
	}
	return result;
}
