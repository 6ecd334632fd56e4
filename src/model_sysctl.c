/* SPDX-License-Identifier: MIT */
/* Sysctls below net: their names, how the kernel writes their values, and which of
 * them are one value, or change along with another.
 *
 * Everything that reads a name goes through sysctl_path(), so that a value has one
 * path from there on, however many names the kernel has for it. */
#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* --- one value, several names ---------------------------------------------------- */

/* The same variable in the same form. The first is the path that is used. */
static const char *const aliases[][2] = {
	/* net/ipv4/devinet.c: ctl_forward_entry is IPV4_DEVCONF_ALL(FORWARDING) */
	{IPV4_SWITCH, "ipv4/conf/all/forwarding"},
	/* net/netfilter/nf_conntrack_standalone.c: nf_ct_netfilter_table */
	{"netfilter/nf_conntrack_max", "nf_conntrack_max"},
};

static const char *canonical(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(path, aliases[i][1]) == 0)
			return aliases[i][0];
	return path;
}

const char *sysctl_alias(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(path, aliases[i][0]) == 0)
			return aliases[i][1];
	return NULL;
}

/* The same variable in another unit: net/core/neighbour.c (the REUSED entries of
 * neigh_sysctl_template), rt_cache.gc_min_interval of net/ipv4/route.c and
 * net/ipv6/route.c, net/mptcp/ctrl.c. */
static const struct {
	const char *folder, *names[2];
} twins[] = {
	{"ipv4/neigh/", {"base_reachable_time", "base_reachable_time_ms"}},
	{"ipv4/neigh/", {"retrans_time", "retrans_time_ms"}},
	{"ipv4/neigh/", {"unres_qlen", "unres_qlen_bytes"}},
	{"ipv6/neigh/", {"base_reachable_time", "base_reachable_time_ms"}},
	{"ipv6/neigh/", {"retrans_time", "retrans_time_ms"}},
	{"ipv6/neigh/", {"unres_qlen", "unres_qlen_bytes"}},
	{"ipv4/route/", {"gc_min_interval", "gc_min_interval_ms"}},
	{"ipv6/route/", {"gc_min_interval", "gc_min_interval_ms"}},
	{"mptcp/", {"pm_type", "path_manager"}},
};

const char *sysctl_twin(const char *path, char ret_twin[static SYSCTL_PATH_MAX + 1])
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < 2 * ARRAY_SIZE(twins) && slash; i++) {
		const char *const *names = twins[i / 2].names;

		if (!str_equal(slash + 1, names[i % 2]) || !str_starts(path, twins[i / 2].folder))
			continue;
		snprintf(ret_twin, SYSCTL_PATH_MAX + 1, "%.*s/%s", (int)(slash - path), path,
			 names[!(i % 2)]);
		return ret_twin;
	}
	return NULL;
}

/* --- values that change along with others ------------------------------------------ */

/* Writing these of ipv6/conf/all writes those of default and of every interface
 * (net/ipv6/addrconf.c: addrconf_fixup_forwarding() and its like). */
static const char *const ipv6_for_all[] = {"addr_gen_mode", "disable_ipv6", "force_forwarding",
					   "forwarding", "ignore_routes_with_linkdown"};
/* Writing a value of ipv4/conf/default writes it of every interface whose own has never been
 * set (devinet_copy_dflt_conf() in net/ipv4/devinet.c), but for these, which have handlers
 * of their own. */
static const char *const ipv4_not_copied[] = {
	"disable_policy", "disable_xfrm",	 "drop_unicast_in_l2_multicast",
	"forwarding",	  "promote_secondaries", "route_localnet"};

static const char *after(const char *path, const char *prefix)
{
	return str_starts(path, prefix) ? path + strlen(prefix) : NULL;
}

const char *const sysctl_folders[SYSCTL_FOLDERS] = {"ipv4/conf", "ipv6/conf", "ipv4/neigh",
						    "ipv6/neigh"};

/* No interface starts with it: IPv6's MTU is the interface's own (ipv6_add_dev() in
 * net/ipv6/addrconf.c). */
#define IPV6_INITIAL_MTU "ipv6/conf/default/mtu"

/* What follows such a folder; NULL: it is not in one. */
static const char *below_folder(const char *path)
{
	const char *rest = NULL;

	for (size_t i = 0; i < SYSCTL_FOLDERS && !rest; i++)
		rest = after(path, sysctl_folders[i]);
	return rest && *rest == '/' ? rest + 1 : NULL;
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

const char *sysctl_dragged(const char *by, const char *name,
			   char ret_path[static SYSCTL_PATH_MAX + 1])
{
	bool is_all = strcmp(name, "all") == 0, is_default = strcmp(name, "default") == 0;
	const char *folder = "ipv4", *key = NULL, *rest;

	/* inet_forward_change() in net/ipv4/devinet.c */
	if (strcmp(by, IPV4_SWITCH) == 0) {
		key = is_all ? "accept_redirects" : "forwarding";
	} else if ((rest = after(by, "ipv6/conf/all/"))) {
		folder = "ipv6";
		if (!is_all && is_one_of(rest, ipv6_for_all, ARRAY_SIZE(ipv6_for_all)))
			key = rest;
	} else if ((rest = after(by, "ipv4/conf/default/")) && !is_all && !is_default) {
		if (!is_one_of(rest, ipv4_not_copied, ARRAY_SIZE(ipv4_not_copied)))
			key = rest;
	}
	if (!key)
		return NULL;
	snprintf(ret_path, SYSCTL_PATH_MAX + 1, "%s/conf/%s/%s", folder, name, key);
	return ret_path;
}

const char *sysctl_initial(const char *initial, const char *name,
			   char ret_path[static SYSCTL_PATH_MAX + 1])
{
	const char *rest = below_folder(initial);
	const char *key = rest ? after(rest, "default/") : NULL;

	if (!key || strcmp(initial, IPV6_INITIAL_MTU) == 0)
		return NULL;
	snprintf(ret_path, SYSCTL_PATH_MAX + 1, "%.*s%s/%s", (int)(rest - initial), initial, name,
		 key);
	return ret_path;
}

bool sysctl_drags(const char *by, const char *path)
{
	char name[SYSCTL_PATH_MAX + 1], dragged[SYSCTL_PATH_MAX + 1];
	const char *rest = after(path, "ipv4/conf/");
	size_t n;

	if (!rest)
		rest = after(path, "ipv6/conf/");
	n = rest ? strcspn(rest, "/") : 0;
	if (!n || n >= sizeof(name))
		return false;
	memcpy(name, rest, n);
	name[n] = '\0';
	return str_equal(sysctl_dragged(by, name, dragged), path);
}

const char *sysctl_dragging(const char *path, char ret_by[static SYSCTL_PATH_MAX + 1])
{
	bool ipv6 = str_starts(path, "ipv6/conf/");
	const char *key = strrchr(path, '/');

	if (!ipv6 && !str_starts(path, "ipv4/conf/"))
		return NULL;
	if (sysctl_drags(IPV4_SWITCH, path))
		snprintf(ret_by, SYSCTL_PATH_MAX + 1, "%s", IPV4_SWITCH);
	else
		snprintf(ret_by, SYSCTL_PATH_MAX + 1, "%s%s",
			 ipv6 ? "ipv6/conf/all" : "ipv4/conf/default", key);
	return sysctl_drags(ret_by, path) ? ret_by : NULL;
}

/* Not once it has had an IPv4 address: then all of its values count as set (rtm_to_ifaddr() in
 * net/ipv4/devinet.c calls ipv4_devconf_setall()). */
bool link_follows_default(const struct link *l)
{
	array_each(&l->addresses, a)
		if ((*a)->address.family == AF_INET)
			return false;
	return true;
}

const char *sysctl_dragged_value(const char *by, const char *value, const char *path)
{
	if (str_starts(by, "ipv4/conf/default/"))
		return NULL;
	if (strcmp(path, "ipv4/conf/all/accept_redirects") == 0)
		return strcmp(value, "0") == 0 ? "1" : "0";
	return value;
}

bool sysctl_is_switch(const char *path)
{
	return strcmp(path, IPV4_SWITCH) == 0 || strcmp(path, IPV6_SWITCH) == 0;
}

bool sysctl_forwards_ipv6(const char *path)
{
	const char *rest = after(path, "ipv6/conf/");

	return rest && !str_starts(rest, "default/") && str_equal(strchr(rest, '/'), "/forwarding");
}

const char *sysctl_accept_ra(const char *ifname, char ret_path[static SYSCTL_PATH_MAX + 1])
{
	snprintf(ret_path, SYSCTL_PATH_MAX + 1, "ipv6/conf/%s/accept_ra", ifname);
	return ret_path;
}

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* --- names --------------------------------------------------------------------- */

static const char *path_error(const char *path)
{
	const char *part = path;

	if (!str_starts(path, "net/"))
		return "is not below net";
	if (strchr(path, '\n')) /* any other byte may stand in an interface's name */
		return "has a line break in it";
	while (part) {
		size_t n = strcspn(part, "/");

		if (!n)
			return "has an empty part";
		if ((n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return "has a . or .. for a part";
		part = part[n] ? part + n + 1 : NULL;
	}
	return NULL;
}

/* As sysctl(8): the first separator says which one separates; with dots, a slash
 * stands for a dot inside a part; with slashes, dots are only dots. */
const char *sysctl_path(struct arena *a, const char *name, const char **ret_why)
{
	const char *why;
	char *path;

	if (strlen(name) > SYSCTL_PATH_MAX) {
		*ret_why = "is longer than 255 bytes";
		return NULL;
	}
	path = arena_strdup(a, name);
	if (path[strcspn(path, "./")] == '.') {
		for (char *s = path; *s; s++) {
			if (*s == '.')
				*s = '/';
			else if (*s == '/')
				*s = '.';
		}
	}
	why = path_error(path);
	if (why) {
		*ret_why = why;
		return NULL;
	}
	return canonical(path + strlen("net/"));
}

void sysctl_name(const char *path, struct buf *out)
{
	buf_puts(out, "net.");
	for (; *path; path++)
		buf_putc(out, *path == '/' ? '.' : *path == '.' ? '/' : *path);
}

int sysctl_tell_unreadable(const char *path, const char *netns, int error, struct mark at,
			   struct diags *d)
{
	cleanup_buf struct buf name = {0};

	sysctl_name(path, &name);
	diag_error(d, error, at, "cannot read sysctl %s in namespace %s: %s", buf_text(&name),
		   netns, strerror(-error));
	if (error == -EIO) /* addrconf_sysctl_stable_secret(), net/ipv6/addrconf.c */
		diag_hint(d,
			  "it was never set, and nothing sets it back to that: it can be set on an "
			  "interface or in a namespace that the lab makes with it");
	return error;
}

/* One integer in C's notation, as the kernel's proc_get_long() (kernel/sysctl.c) reads it:
 * 0x1 is 1, 010 is 8, -0x1 is -1; no plus sign. Several leading zeros are left alone:
 * that is how bit masks (rps_default_mask) are printed, and those are no octal numbers. */
static bool normalise_token(const char *s, size_t n, struct buf *out)
{
	char token[32], *end;
	const char *digits = token;
	unsigned long long value;

	if (n >= sizeof(token))
		return false;
	memcpy(token, s, n);
	token[n] = '\0';
	if (*digits == '-')
		digits++;
	if (!isdigit((unsigned char)*digits) || !strncmp(digits, "00", 2))
		return false;
	errno = 0;
	value = strtoull(digits, &end, 0);
	if (errno || *end)
		return false;
	buf_printf(out, "%s%llu", digits != token && value ? "-" : "", value);
	return true;
}

const char *sysctl_normalise(struct arena *a, const char *value)
{
	cleanup_buf struct buf out = {0};

	while (true) {
		size_t n = 0;

		while (is_space((unsigned char)*value))
			value++;
		if (!*value)
			break;
		while (value[n] && !is_space((unsigned char)value[n]))
			n++;
		if (out.n)
			buf_putc(&out, ' ');
		if (!normalise_token(value, n, &out))
			buf_add(&out, value, n);
		value += n;
	}
	return arena_strdup(a, buf_text(&out));
}

const char *sysctl_interface(const char *path, size_t *ret_size)
{
	const char *name = below_folder(path);
	size_t n = name ? strcspn(name, "/") : 0;

	if (!n || !name[n] || str_starts(name, "all/") || str_starts(name, "default/"))
		return NULL;
	*ret_size = n;
	return name;
}

struct link *sysctl_ipv6_mtu_of(const struct netns *n, const char *path)
{
	size_t size = 0;
	const char *name = str_starts(path, "ipv6/") ? sysctl_interface(path, &size) : NULL;
	char text[IFNAME_MAX + 1];

	if (!name || size > IFNAME_MAX || !str_equal(name + size, "/mtu"))
		return NULL;
	memcpy(text, name, size);
	text[size] = '\0';
	return netns_find_link(n, text);
}

bool sysctl_is_of_netns(const char *path)
{
	return below_folder(path) || sysctl_is_switch(path);
}

bool sysctl_is_of(const char *path, const char *ifname)
{
	size_t size = 0;
	const char *name = sysctl_interface(path, &size);

	return name && size == strlen(ifname) && strncmp(name, ifname, size) == 0;
}

const char *sysctl_initial_of(const char *path, char ret_initial[static SYSCTL_PATH_MAX + 1])
{
	size_t size = 0;
	const char *name = sysctl_interface(path, &size);

	if (!name)
		return NULL;
	snprintf(ret_initial, SYSCTL_PATH_MAX + 1, "%.*sdefault%s", (int)(name - path), path,
		 name + size);
	return strcmp(ret_initial, IPV6_INITIAL_MTU) == 0 ? NULL : ret_initial;
}
