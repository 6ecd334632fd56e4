/* SPDX-License-Identifier: MIT */
/* Kernel -> model: which namespaces, in what order, and their sysctls.
 *
 * Asks only what does not change anything. The model that results owns
 * everything in it; struct reader and what hangs on it lives for one reading.
 * Each namespace costs a handful of dumps over a socket that stays open. */
#include "kernel_internal.h"

#include <errno.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define DUMP_TRIES 50

/* --- dumps ---------------------------------------------------------------------------------- */

/* The messages of one datagram of a dump. 1: it was the last. */
static int dump_part(struct kernel *k, int left, uint32_t sequence, bool *interrupted,
		     netlink_fn *fn, void *arg)
{
	for (struct nlmsghdr *h = (void *)k->reply; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		if (h->nlmsg_seq != sequence)
			continue;
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (netlink_is_error(h))
			return netlink_error(h) ? netlink_error(h) : 1;
		if (h->nlmsg_type == NLMSG_DONE) {
			const int *error = nlmsg_data(h);

			/* What is not negative counts what was told. */
			return nlmsg_datalen(h) >= (int)sizeof(*error) && *error < 0
				       ? netlink_errno(*error)
				       : 1;
		}
		fn(h, arg);
	}
	return 0;
}

/* The message under construction becomes a dump. -EAGAIN: a change interrupted it; what fn
 * saw is worthless, and the whole is to be asked again. */
static int run_dump(struct kernel *k, int handle, netlink_fn *fn, void *arg)
{
	struct space *s = kernel_space(k, handle);
	struct nlmsghdr *h = nlmsg_hdr(k->message);
	bool interrupted = false, cut = false;
	uint32_t sequence;
	int done = 0, error;

	if (!s)
		return -ENOENT;
	h->nlmsg_flags |= NLM_F_DUMP;
	h->nlmsg_seq = sequence = s->sequence++;
	error = netlink_send(s->socket, h, h->nlmsg_len);
	if (error)
		return error;
	while (!done) {
		ssize_t size = netlink_receive(k, s->socket);

		if (size == -EMSGSIZE)
			cut = true; /* the buffer has grown: read to the end, then again */
		else if (size < 0)
			return (int)size;
		else
			done = dump_part(k, (int)size, sequence, &interrupted, fn, arg);
	}
	if (done < 0)
		return done == -EINTR ? -EAGAIN : done;
	return interrupted || cut ? -EAGAIN : 0;
}

int read_dump(struct reader *r, const struct dump *dump)
{
	int error = -EAGAIN;

	for (int try = 0; error == -EAGAIN && try < DUMP_TRIES; try++) {
		request_begin(r->k, dump->type, 0, dump->header, dump->size);
		if (dump->ext_mask)
			request_put_u32(r->k, IFLA_EXT_MASK, dump->ext_mask);
		dump->reset(r);
		error = run_dump(r->k, r->now->live->handle, dump->fn, r);
	}
	if (error == -EAGAIN)
		return diag_error(r->d, error, NO_MARK,
				  "namespace %s changes faster than it can be read",
				  r->now->live->name);
	if (error == -ETIMEDOUT)
		return diag_error(r->d, error, NO_MARK,
				  "the kernel did not answer about namespace %s",
				  r->now->live->name);
	if (error)
		return diag_error(r->d, error, NO_MARK, "cannot read namespace %s: %s",
				  r->now->live->name, strerror(-error));
	return 0;
}

/* --- sysctls ---------------------------------------------------------------------------- */

/* What RTM_GETNETCONF tells, several values an answer and without opening files. */
struct netconf {
	const char *path;
	uint8_t family;
	int index; /* NETCONFA_IFINDEX_ALL or _DEFAULT */
	int attr;
};
static const struct netconf netconfs[] = {
	{"ipv4/ip_forward", AF_INET, NETCONFA_IFINDEX_ALL, NETCONFA_FORWARDING},
	{"ipv4/conf/all/rp_filter", AF_INET, NETCONFA_IFINDEX_ALL, NETCONFA_RP_FILTER},
	{"ipv4/conf/all/proxy_arp", AF_INET, NETCONFA_IFINDEX_ALL, NETCONFA_PROXY_NEIGH},
	{"ipv4/conf/default/forwarding", AF_INET, NETCONFA_IFINDEX_DEFAULT, NETCONFA_FORWARDING},
	{"ipv4/conf/default/rp_filter", AF_INET, NETCONFA_IFINDEX_DEFAULT, NETCONFA_RP_FILTER},
	{"ipv4/conf/default/proxy_arp", AF_INET, NETCONFA_IFINDEX_DEFAULT, NETCONFA_PROXY_NEIGH},
	{"ipv6/conf/all/forwarding", AF_INET6, NETCONFA_IFINDEX_ALL, NETCONFA_FORWARDING},
	{"ipv6/conf/default/forwarding", AF_INET6, NETCONFA_IFINDEX_DEFAULT, NETCONFA_FORWARDING},
};

/* One answer, kept for the other values in it. */
struct netconf_answer {
	bool asked;
	uint8_t family;
	int index;
	bool known[NETCONFA_MAX + 1];
	int32_t values[NETCONFA_MAX + 1];
};
#define NETCONF_ANSWERS 4

static void see_netconf(const struct nlmsghdr *h, void *arg)
{
	struct netconf_answer *answer = arg;
	struct nlattr *tb[NETCONFA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWNETCONF ||
	    nlmsg_parse((struct nlmsghdr *)h, NLMSG_ALIGN(sizeof(struct netconfmsg)), tb,
			NETCONFA_MAX, NULL) < 0)
		return;
	for (int i = 1; i <= NETCONFA_MAX; i++)
		if (tb[i] && nla_len(tb[i]) == 4) {
			answer->known[i] = true;
			answer->values[i] = (int32_t)nla_get_u32(tb[i]);
		}
}

static void ask_netconf(struct reader *r, struct netconf_answer *answer, const struct netconf *n)
{
	struct netconfmsg header = {.ncm_family = n->family};

	*answer = (struct netconf_answer){.asked = true, .family = n->family, .index = n->index};
	request_begin(r->k, RTM_GETNETCONF, 0, &header, sizeof(header));
	request_put_u32(r->k, NETCONFA_IFINDEX, (uint32_t)n->index);
	/* A kernel that refuses leaves everything unknown: then /proc is read. */
	netlink_ask(r->k, r->now->live->handle, see_netconf, answer);
}

/* NULL: not to be had this way. */
static const char *netconf_value(struct reader *r, struct netconf_answer *answers, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(netconfs); i++) {
		const struct netconf *n = &netconfs[i];
		struct netconf_answer *answer = answers;

		if (strcmp(n->path, path) != 0)
			continue;
		while (answer->asked && (answer->family != n->family || answer->index != n->index))
			answer++;
		if (!answer->asked)
			ask_netconf(r, answer, n);
		if (!answer->known[n->attr])
			return NULL;
		return arena_printf(&r->live->arena, "%d", answer->values[n->attr]);
	}
	return NULL;
}

static int read_sysctl(struct reader *r, const struct sysctl *want, const char **ret_value)
{
	cleanup_buf struct buf name = {0};
	int error = kernel_enter(r->k, r->now->live->handle);

	if (!error)
		error = sysctl_get(r->k, want->path, &r->live->arena, ret_value);
	if (error == 0 || error == -ENOENT || error == -ENOTDIR)
		return error;
	sysctl_name(want->path, &name);
	return diag_error(r->d, error, want->node ? want->node->mark : NO_MARK,
			  "cannot read sysctl %s in namespace %s: %s", buf_text(&name),
			  r->now->live->name, strerror(-error));
}

/* value: NULL where /proc is to be asked. */
static int add_sysctl(struct reader *r, const struct sysctl *want, const char *value)
{
	int error = value ? 0 : read_sysctl(r, want, &value);
	struct sysctl *s;

	if (error && error != -ENOENT && error != -ENOTDIR)
		return error;
	s = netns_add_sysctl(r->live, r->now->live, want->path, value);
	s->missing = !value;
	s->implied = want->implied;
	return 0;
}

/* What becomes of an advertised default route depends on accept_ra of its interface. */
static int add_accept_ra(struct reader *r)
{
	int error = 0;

	array_each(&r->now->links, f) {
		char path[SYSCTL_PATH_MAX + 1];
		struct sysctl want = {.path = sysctl_accept_ra(f->link->name, path)};

		if (!f->link->advertised || error)
			continue;
		if (!netns_find_sysctl(r->now->want, want.path))
			error = add_sysctl(r, &want, NULL);
	}
	return error;
}

int read_sysctls(struct reader *r)
{
	struct netconf_answer answers[NETCONF_ANSWERS + 1] = {0};
	int error = 0;

	array_each(&r->now->want->sysctls, want) {
		error = add_sysctl(r, *want, netconf_value(r, answers, (*want)->path));
		if (error)
			break;
	}
	if (!error && netns_is_external(r->now->want))
		error = add_accept_ra(r);
	kernel_leave(r->k);
	return error;
}

/* --- namespaces ---------------------------------------------------------------------------- */

static int read_netns(struct reader *r, bool deep)
{
	int error;

	r->now->outline = r->now->want->absent && !deep && !r->now->want->may_hold_moved;
	if (r->now->outline)
		return 0;
	error = read_links(r);
	if (!error)
		error = read_addresses(r);
	if (!error)
		error = read_routes(r);
	return error ? error : read_sysctls(r);
}

/* Two names for one namespace: whatever the file says of one holds for the other too. */
static int check_unique(struct reader *r, const struct netns *want, int handle)
{
	array_each(&r->found, f) {
		if (f->live->handle != handle || want->absent || f->want->absent)
			continue;
		return diag_error(r->d, -EINVAL, want->mark, "%s and %s are the same namespace",
				  f->live->name, want->name);
	}
	return 0;
}

static struct netns *add_live(struct reader *r, const struct netns *want)
{
	struct arena *a = &r->live->arena;
	struct netns *live = model_add_netns(r->live, arena_strdup(a, want->name), want->class);

	live->pid = want->pid;
	live->path = want->path ? arena_strdup(a, want->path) : NULL;
	live->handle = HANDLE_NONE;
	return live;
}

static int find_netns(struct reader *r, int dir, const struct netns *want)
{
	struct found_netns *f;
	struct netns *live;
	int handle = HANDLE_NONE, error;

	error = kernel_open_netns(r->k, dir, want, &handle, r->d);
	if (error == -ESTALE && want->class == NETNS_OWNED)
		add_live(r, want)->stray = true;
	if (error == -ENOENT || error == -ESTALE)
		return 0;
	if (!error && netns_is_external(want))
		error = check_unique(r, want, handle);
	if (error)
		return error;
	live = add_live(r, want);
	live->handle = handle;
	live->cookie = kernel_space(r->k, handle)->cookie;
	f = array_push(&r->found);
	f->live = live;
	f->want = want;
	return 0;
}

static int read_all(struct reader *r, bool deep)
{
	cleanup_close int dir = kernel_open_netns_dir();
	int result = 0, error = 0;

	if (dir < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return diag_error(r->d, -errno, NO_MARK, "cannot open %s: %s", NETNS_DIR,
				  strerror(errno));
	/* Owned ones first: then only what is external can turn out to be one of them. */
	for (int external = 0; external < 2; external++)
		array_each(&r->scope->namespaces, want) {
			if (netns_is_external(*want) != (external == 1))
				continue;
			error = find_netns(r, dir, *want);
			result = result ? result : error;
		}
	/* What can be told about all namespaces has been told: reading stops at the first error. */
	for (size_t i = 0; i < r->found.n && !result; i++) {
		r->now = &r->found.items[i];
		result = read_netns(r, deep);
	}
	return result ? result : resolve_peers(r);
}

int kernel_read(struct kernel *k, const struct model *scope, bool deep, struct model **ret_live,
		struct diags *d)
{
	struct reader r = {.k = k, .scope = scope, .live = model_new(), .d = d};
	int error = k->lost ? diag_error(d, -EIO, NO_MARK, "cannot go back to our own namespace")
			    : read_all(&r, deep);

	kernel_leave(k);
	array_each(&r.found, f)
		array_free(&f->links);
	array_free(&r.found);
	if (error) {
		model_free(r.live);
		return error;
	}
	model_sort(r.live);
	*ret_live = r.live;
	return 0;
}
