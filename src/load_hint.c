/* SPDX-License-Identifier: MIT */
/* What to say about a key that there is not: it is to come, it is another
 * tool's word for one of ours, it belongs elsewhere, or it is misspelt. */
#include "load_internal.h"

#include <errno.h>
#include <string.h>

#define NO_BREAK_SPACE "\xc2\xa0" /* U+00A0: what is copied from a web page may have it */

/* Keys of the language that this version does not carry out. */
static const struct {
	const char *table, *key;
} future_keys[] = {
	{"namespace", "rules"},
	{"namespace", "neighbors"},
	{"namespace", "neighbours"},
	{"namespace", "neigh"},
	{"namespace", "nftables"},
	{"interface", "port"},
	{"interface", "fdb"},
	{"interface", "netem"},
	{"interface", "tbf"},
	{"cable", "netem"},
	{"cable", "tbf"},
	{"bridge", "vlan_filtering"},
	{"bridge", "vlan_default_pvid"},
};

static const char *const future_kinds[] = {
	"dummy", "vlan", "vxlan",  "macvlan", "macvtap",   "ipvlan", "bond",
	"vrf",	 "ifb",	 "tun",	   "tap",     "gre",	   "gretap", "ip6gre",
	"ipip",	 "sit",	 "ip6tnl", "geneve",  "wireguard", "macsec",
};

/* Words of iproute2, netplan, ifupdown, docker compose and systemd-networkd. One that
 * means several keys means the first of them that can have its value. */
static const struct {
	const char *word, *key;
} foreign_words[] = {
	{"gateway", "via"},
	{"gateway", "routes"},
	{"gateway4", "routes"},
	{"gateway6", "routes"},
	{"gw", "via"},
	{"nexthop", "nexthops"},
	{"next-hop", "via"},
	{"destination", "to"},
	{"dst", "to"},
	{"prefix", "to"},
	{"macaddress", "mac"},
	{"lladdr", "mac"},
	{"address", "addresses"},
	{"address", "mac"},
	{"mac_address", "mac"},
	{"hwaddr", "mac"},
	{"type", "kind"},
	{"driver", "kind"},
	{"on-link", "onlink"},
	{"on_link", "onlink"},
	{"netns", "namespaces"},
	{"namespace", "namespaces"},
	{"nodes", "namespaces"},
	{"hosts", "namespaces"},
	{"cables", "links"},
	{"ifaces", "interfaces"},
	{"ethernets", "interfaces"},
	{"devices", "interfaces"},
	{"ip", "addresses"},
	{"ips", "addresses"},
	{"addrs", "addresses"},
	{"ipaddr", "addresses"},
	{"inet", "addresses"},
	{"local", "address"},
	{"ip", "address"},
	{"protocol", "proto"},
	{"device", "dev"},
	{"interface", "dev"},
	{"oif", "dev"},
	{"iface", "dev"},
	{"from", "src"},
	{"source", "src"},
	{"prefsrc", "src"},
	{"preference", "metric"},
	{"priority", "metric"},
	{"ip_forward", "forwarding"},
	{"forward", "forwarding"},
	{"sysctls", "sysctl"},
	{"slaves", "ports"},
	{"interfaces", "ports"},
	{"members", "ports"},
	{"bridge", "master"},
	{"stp_state", "stp"},
	{"ends", "endpoints"},
	{"forward-delay", "forward_delay"},
	{"hello-time", "hello_time"},
	{"max-age", "max_age"},
	{"ageing-time", "ageing_time"},
	{"ageing", "ageing_time"},
	{"multipath", "nexthops"},
	{"pair", "endpoints"},
	{"peers", "peer"},
	{"source", "from"},
	{"src", "from"},
	{"target", "to"},
	{"hops", "via"},
	{"path", "via"},
	{"proto", "protocol"},
	{"prot", "protocol"},
	{"timeout", "within"},
	{"cmd", "command"},
	{"exec", "command"},
	{"entrypoint", "command"},
	{"args", "command"},
	{"environment", "env"},
	{"working_dir", "cwd"},
	{"workdir", "cwd"},
	{"directory", "cwd"},
	{"input", "stdin"},
	{"uid", "user"},
	{"stdout", "log"},
	{"logfile", "log"},
	{"port", "tcp"},
	{"services", "processes"},
	{"daemons", "processes"},
};

static const struct attr *find_row(const struct load_target *targets, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		int row = attr_find(targets[i].table, key);

		if (row >= 0)
			return &targets[i].table->rows[row];
	}
	return NULL;
}

static bool is_future_key(const struct load_target *targets, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < ARRAY_SIZE(future_keys); j++)
			if (str_equal(future_keys[j].table, targets[i].table->name) &&
			    str_equal(future_keys[j].key, key))
				return true;
	return false;
}

/* The kind of interface that has such a key, or NULL. */
static const struct kind *kind_with_key(const char *key)
{
	size_t n;
	const struct kind *const *kinds = kind_list(&n);

	for (size_t i = 0; i < n; i++)
		if (attr_find(&kinds[i]->table, key) >= 0)
			return kinds[i];
	return NULL;
}

/* Could this have been meant as the row's value? As a list also one item of it. */
static bool is_value_of(const struct attr *row, const struct node *value)
{
	if (row->type == ATTR_LIST && value->kind == NODE_SCALAR) {
		for (size_t i = 0; row->of && i < row->of->n; i++)
			if (row->of->rows[i].flags & ATTR_SHORTHAND)
				return attr_accepts(&row->of->rows[i], value->text);
		return false;
	}
	if (attr_is_scalar(row))
		return value->kind == NODE_SCALAR && attr_accepts(row, value->text);
	return value->kind == (row->type == ATTR_LIST ? NODE_SEQUENCE : NODE_MAPPING);
}

/* The key that another tool's word stands for, or NULL. */
static const char *translate(const struct pair *p, const struct load_target *targets, size_t n)
{
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(foreign_words); i++) {
		const struct attr *row = find_row(targets, n, foreign_words[i].key);

		if (!row || !str_equal(foreign_words[i].word, p->key->text))
			continue;
		if (is_value_of(row, p->value))
			return row->key;
		if (!first)
			first = row->key;
	}
	return first;
}

static const char *nearest_key(const struct load_target *targets, size_t n, const char *key)
{
	const char *candidates[2 * 64];
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < targets[i].table->n; j++)
			if (count < ARRAY_SIZE(candidates))
				candidates[count++] = targets[i].table->rows[j].key;
	return str_nearest(key, candidates, count);
}

static void hint_keys(struct loader *l, const struct load_target *targets, size_t n)
{
	cleanup_buf struct buf keys = {0};

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < targets[i].table->n; j++)
			buf_printf(&keys, "%s%s", keys.n ? ", " : "",
				   targets[i].table->rows[j].key);
	diag_hint(l->d, "the keys are: %s", buf_text(&keys));
}

const struct pair *load_find_meant(const struct node *mapping, const char *key,
				   const struct load_target *targets, size_t n)
{
	for (uint32_t i = 0; mapping->kind == NODE_MAPPING && i < mapping->n; i++) {
		const struct pair *p = &mapping->pairs[i];
		const char *meant;

		if (find_row(targets, n, p->key->text))
			continue;
		meant = translate(p, targets, n);
		if (!meant)
			meant = nearest_key(targets, n, p->key->text);
		if (str_equal(meant, key))
			return p;
	}
	return NULL;
}

int load_unknown_key(struct loader *l, const struct node *mapping, const struct pair *p,
		     const char *what, const struct load_target *targets, size_t n_targets)
{
	const struct node *key = p->key;
	bool is_link = targets[0].table == &link_table;
	const struct kind *kind = is_link ? kind_with_key(key->text) : NULL;
	const char *word, *near;

	if (is_future_key(targets, n_targets, key->text) && !(l->tolerant && is_link))
		return diag_error(l->d, -EINVAL, key->mark, "'%s' is not supported yet", key->text);
	if (kind && !l->tolerant) {
		diag_error(l->d, -EINVAL, key->mark, "'%s' is a key of kind %s, which this is not",
			   key->text, kind->name);
		diag_hint(l->d, "an interface that the lab makes says 'kind: %s'", kind->name);
		return -EINVAL;
	}
	word = translate(p, targets, n_targets);
	near = word ? NULL : nearest_key(targets, n_targets, key->text);
	if (word || near)
		unclear_key_put(&l->unclear, mapping, word ? word : near);
	else if (!(l->tolerant && is_link))
		unclear_key_put(&l->unclear, mapping, ANYTHING);
	if (l->tolerant && is_link) /* a key of the kind that we do not know */
		return -EINVAL;
	diag_error(l->d, -EINVAL, key->mark, "unknown key '%s' in %s", key->text, what);
	if (strstr(key->text, NO_BREAK_SPACE)) {
		diag_hint(l->d,
			  "there is a no-break space (U+00A0) in it, which looks like a space");
	} else if (word) {
		diag_hint(l->d, "the word here is '%s'", word);
	} else if (near) {
		diag_hint(l->d, "did you mean '%s'?", near);
	} else {
		hint_keys(l, targets, n_targets);
	}
	return -EINVAL;
}

void load_hint_level(struct loader *l, const struct node *n, const char *name,
		     const struct attr_table *above, const char *key)
{
	if (n->kind != NODE_MAPPING && !(n->kind == NODE_SCALAR && n->null) &&
	    attr_find(above, name) >= 0)
		diag_hint(l->d, "if the key '%s' is meant, it belongs beside '%s', not below it",
			  name, key);
}

bool load_is_future_kind(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(future_kinds); i++)
		if (str_equal(future_kinds[i], kind))
			return true;
	return false;
}
