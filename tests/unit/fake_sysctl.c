/* SPDX-License-Identifier: MIT */
/* The made-up machine: sysctls. Those of netns_defaults, a few more of a namespace, and a few of
 * each interface, which begin as those of `default`. */
#include "fake_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const keys[][2] = {
	{"ipv4", "accept_redirects"}, {"ipv4", "forwarding"}, {"ipv4", "proxy_arp"},
	{"ipv4", "rp_filter"},	      {"ipv6", "accept_ra"},  {"ipv6", "forwarding"},
	{"ipv6", "hop_limit"},
};

static const struct {
	const char *path, *value;
} of_netns[] = {{"ipv4/ip_default_ttl", "64"}, {"ipv4/tcp_sack", "1"}};

/* --- reading --------------------------------------------------------------------------------- */

/* Two names, one value. */
static const char *canonical(const char *path)
{
	return strcmp(path, "ipv4/conf/all/forwarding") == 0 ? IPV4_SWITCH : path;
}

static struct sysctl *find(const struct fake_netns *n, const char *path)
{
	array_each(&n->netns.sysctls, s)
		if (strcmp((*s)->path, path) == 0)
			return *s;
	return NULL;
}

const char *fake_initial(const char *path)
{
	char initial[SYSCTL_PATH_MAX + 1];
	size_t size = 0;
	const char *name = sysctl_interface(path, &size);

	if (name) {
		snprintf(initial, sizeof(initial), "%.*sdefault%s", (int)(name - path), path,
			 name + size);
		path = initial;
	}
	for (size_t i = 0; i < netns_defaults_n; i++)
		if (strcmp(netns_defaults[i].path, path) == 0)
			return netns_defaults[i].value;
	for (size_t i = 0; i < ARRAY_SIZE(of_netns); i++)
		if (strcmp(of_netns[i].path, path) == 0)
			return of_netns[i].value;
	return NULL;
}

const char *fake_value(const struct fake_netns *n, const char *path)
{
	const struct sysctl *s = find(n, canonical(path));
	size_t size;

	if (s)
		return s->value;
	return sysctl_interface(path, &size) ? NULL : fake_initial(canonical(path));
}

int kernel_sysctl_read(struct kernel *k, const struct netns *n, const char *path, struct arena *a,
		       const char **ret_value, struct diags *d)
{
	const struct fake_netns *from = fake_space(k, n);
	const char *value = from ? fake_value(from, path) : NULL;

	(void)d;
	*ret_value = value ? arena_strdup(a, value) : NULL;
	return 0;
}

static void read_interface(const struct fake_netns *from, struct model *m, struct netns *n,
			   const char *name)
{
	char initial[SYSCTL_PATH_MAX + 1], path[SYSCTL_PATH_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value;

		snprintf(initial, sizeof(initial), "%s/conf/default/%s", keys[i][0], keys[i][1]);
		snprintf(path, sizeof(path), "%s/conf/%s/%s", keys[i][0], name, keys[i][1]);
		value = fake_value(from, path);
		if (value && strcmp(value, fake_value(from, initial)) != 0 &&
		    !netns_find_sysctl(n, path)) {
			netns_add_sysctl(m, n, path, value);
			netns_sort(n);
		}
	}
}

int kernel_sysctl_read_interfaces(struct kernel *k, struct model *m, struct netns *n,
				  struct diags *d)
{
	const struct fake_netns *from = fake_space(k, n);

	if (!from)
		return diag_error(d, -ENOENT, NO_MARK, "cannot read the sysctls of interfaces");
	array_each(&n->links, l)
		if ((*l)->recalled)
			read_interface(from, m, n, (*l)->name);
	return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static struct sysctl *put(struct fake_machine *m, struct fake_netns *n, const char *path,
			  const char *value)
{
	struct sysctl *s = find(n, path);

	if (!s) {
		s = arena_alloc(&m->arena, sizeof(*s));
		s->path = arena_strdup(&m->arena, path);
		array_add(&n->netns.sysctls, s);
	}
	if (!str_equal(s->value, value))
		s->value = arena_strdup(&m->arena, value);
	return s;
}

void fake_add_values(struct fake_machine *m, struct fake_link *l, const char *folder)
{
	struct fake_netns *n = (struct fake_netns *)l->link.netns;
	char initial[SYSCTL_PATH_MAX + 1], path[SYSCTL_PATH_MAX + 1];

	if (strcmp(folder, "ipv6") == 0 && !fake_has_ipv6(l))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i][0], folder) != 0)
			continue;
		snprintf(initial, sizeof(initial), "%s/conf/default/%s", folder, keys[i][1]);
		snprintf(path, sizeof(path), "%s/conf/%s/%s", folder, l->link.name, keys[i][1]);
		put(m, n, path, fake_value(n, initial))->kept = false;
	}
}

void fake_own_values(struct fake_link *l)
{
	/* Only of hardware in its place: what a lab makes or lends keeps what it started with when the
	 * file changes conf/default, and nsapply leaves that so. */
	if (l->link.kind || !str_equal(l->link.netns->name, HOST) ||
	    strcmp(l->link.name, LOOPBACK) == 0)
		return;
	array_each(&l->link.netns->sysctls, s)
		if (sysctl_is_of((*s)->path, l->link.name) && str_starts((*s)->path, "ipv4"))
			(*s)->kept = true;
}

void fake_drop_values(struct fake_link *l, const char *folder)
{
	struct netns *n = l->link.netns;
	size_t kept = 0;

	array_each(&n->sysctls, s)
		if (!sysctl_is_of((*s)->path, l->link.name) || !str_starts((*s)->path, folder))
			n->sysctls.items[kept++] = *s;
	n->sysctls.n = kept;
}

/* Of every interface; only_unset: that nobody has set there. */
static void put_all(struct fake_machine *m, struct fake_netns *n, const char *folder,
		    const char *key, const char *value, bool only_unset)
{
	char path[SYSCTL_PATH_MAX + 1];

	array_each(&n->netns.links, l) {
		const struct sysctl *s;

		snprintf(path, sizeof(path), "%s/conf/%s/%s", folder, (*l)->name, key);
		s = find(n, path);
		if (s && !(only_unset && s->kept))
			put(m, n, path, value);
	}
}

/* inet_forward_change() and devinet_copy_dflt_conf() in net/ipv4/devinet.c,
 * addrconf_fixup_forwarding() in net/ipv6/addrconf.c. */
static void drag(struct fake_machine *m, struct fake_netns *n, const char *path, const char *value,
		 bool changed)
{
	const char *key = strrchr(path, '/') + 1;

	if (strcmp(path, IPV4_SWITCH) == 0 && changed) {
		put(m, n, "ipv4/conf/all/accept_redirects", strcmp(value, "0") == 0 ? "1" : "0");
		put(m, n, "ipv4/conf/default/forwarding", value);
		put_all(m, n, "ipv4", "forwarding", value, false);
	} else if (strcmp(path, IPV6_SWITCH) == 0) {
		put(m, n, "ipv6/conf/default/forwarding", value);
		put_all(m, n, "ipv6", "forwarding", value, false);
	} else if (str_starts(path, "ipv4/conf/default/") && strcmp(key, "forwarding") != 0) {
		put_all(m, n, "ipv4", key, value, true);
	}
}

void kernel_leave(struct kernel *k)
{
	(void)k;
}

int kernel_sysctl_write(struct kernel *k, const struct netns *n, const char *path,
			const char *value)
{
	struct fake_netns *to = fake_space(k, n);
	const char *old = to ? fake_value(to, path) : NULL;
	int r = fake_change(k);
	bool changed;

	if (r < 0)
		return r;
	if (!old)
		return -ENOENT;
	if (!*value || strspn(value, "-0123456789") != strlen(value))
		return -EINVAL;
	path = canonical(path);
	changed = strcmp(old, value) != 0;
	put(k->machine, to, path, value)->kept = true;
	drag(k->machine, to, path, value, changed);
	return 0;
}
