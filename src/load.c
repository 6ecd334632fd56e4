/* SPDX-License-Identifier: MIT */
/* Document -> model. This file has the engine that takes a mapping apart by the
 * rows of its table, and the top of the file; load_*.c have the rest.
 *
 * Order: namespaces by name and class, then cables (they make interfaces), then
 * what stands in the namespaces, then what refers to other things (peers, ports),
 * then normalise.c, then check*.c. A step goes on after errors, so that all of
 * them are told in one run; what could not be understood is remembered,
 * so that nothing is told twice. Strings belong to the model's arena. */
#include "load_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Of a list that was written as one text. */
#define SEPARATORS " ,\t\n"
#define ITEMS_SHOWN 200 /* bytes */
/* Of the names of interfaces and of addresses, as people mostly write them. */
#define ITEM_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-@"

static const char *const kind_words[] = {"text", "a list", "a mapping"};

int load_expect(struct loader *l, const struct node *n, enum node_kind kind, const char *what,
		bool *ret_empty)
{
	bool empty = kind == NODE_MAPPING && n->kind == NODE_SCALAR && n->null;

	if (n->kind != kind && !empty) {
		unclear_key_put(&l->unclear, n, ANYTHING);
		diag_error(l->d, -EINVAL, n->mark, "%s must be %s, not %s", what, kind_words[kind],
			   node_describe(n));
		if (n->kind == NODE_SCALAR && n->null) /* the last entry was taken out, mostly */
			diag_hint(l->d, "give it entries, or remove the key");
		return -EINVAL;
	}
	if (ret_empty)
		*ret_empty = empty;
	return 0;
}

/* As an item between brackets; false: it is none, or YAML would make something else of it. */
static bool put_item(const struct attr *row, const char *s, size_t size, struct buf *list)
{
	/* A colon at either end YAML would take for a key's. */
	const char *quote = *s == ':' || s[size - 1] == ':' ? "'" : "";
	char item[ITEMS_SHOWN + 1];

	memcpy(item, s, size);
	item[size] = '\0';
	if (strspn(item, ITEM_CHARACTERS) < size || strchr("-@", *item) || !attr_accepts(row, item))
		return false;
	buf_printf(list, "%s%s%s%s", list->n ? ", " : "", quote, item, quote);
	return true;
}

int load_expect_items(struct loader *l, const struct node *n, const char *what,
		      const struct attr *item)
{
	int r = load_expect(l, n, NODE_SEQUENCE, what, NULL);
	cleanup_buf struct buf list = {0};

	if (r >= 0 || n->kind != NODE_SCALAR || n->null || n->size > ITEMS_SHOWN)
		return r;
	for (const char *s = n->text + strspn(n->text, SEPARATORS); *s;) {
		size_t size = strcspn(s, SEPARATORS);

		if (!put_item(item, s, size, &list))
			return r;
		s += size;
		s += strspn(s, SEPARATORS);
	}
	if (list.n)
		diag_hint(l->d, "write [%s]", buf_text(&list));
	return r;
}

static int parse_scalar(struct loader *l, const struct attr *row, const struct node *n,
			void *object)
{
	const char *why = NULL, *hint = NULL;
	struct attr found;
	int r;

	if (n->kind != NODE_SCALAR)
		return diag_error(l->d, -EINVAL, n->mark, "%s must be a single value, not %s",
				  row->key, node_describe(n));
	/* Known to have none: no master, say. A number always has a value. */
	if (n->null && l->state && row->type > ATTR_NUMBER_NAME)
		return 0;
	if (n->null) {
		diag_error(l->d, -EINVAL, n->mark, "%s has no value", row->key);
		diag_hint(l->d, "give it one, or remove the key");
		return -EINVAL;
	}
	if (l->state) { /* lo's MTU, say, or the name of a bridge, is beyond what a file may ask for */
		found = *row;
		found.flags |= ATTR_AS_FOUND;
		row = &found;
	}
	r = attr_parse(row, n->text, object, &l->m->arena, &why, &hint);
	if (r < 0) {
		diag_error(l->d, -EINVAL, n->mark, "%s", why);
		if (hint)
			diag_hint(l->d, "%s", hint);
		return -EINVAL;
	}
	return 0;
}

int load_scalar(struct loader *l, const struct attr *row, const struct node *n, void *object)
{
	int r = parse_scalar(l, row, n, object);

	if (r < 0)
		unclear_key_put(&l->unclear, n, ANYTHING);
	return r;
}

static const struct load_part *find_part(const struct load_part *parts, const char *key)
{
	for (; parts && parts->key; parts++)
		if (str_equal(parts->key, key))
			return parts;
	return NULL;
}

static int load_pair(struct loader *l, const struct node *mapping, const struct pair *p,
		     const char *what, const struct load_target *targets, size_t n_targets)
{
	for (size_t i = 0; i < n_targets; i++) {
		const struct load_target *t = &targets[i];
		const struct load_part *part = find_part(t->parts, p->key->text);
		int row = attr_find(t->table, p->key->text);
		int r;

		if (!part && row < 0)
			continue;
		if (part)
			r = part->load(l, p->value, t->object);
		else
			r = load_scalar(l, &t->table->rows[row], p->value, t->object);
		if (r >= 0 && row >= 0)
			*t->given |= UINT64_C(1) << row;
		return r;
	}
	return load_unknown_key(l, mapping, p, what, targets, n_targets);
}

int load_mapping(struct loader *l, const struct node *n, struct mark at, const char *what,
		 const struct load_target *targets, size_t n_targets)
{
	bool empty;
	int ret = load_expect(l, n, NODE_MAPPING, what, &empty);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; !empty && i < n->n; i++)
		if (load_pair(l, n, &n->pairs[i], what, targets, n_targets) < 0)
			ret = -EINVAL;
	for (size_t i = 0; i < n_targets; i++)
		for (size_t j = 0; j < targets[i].table->n; j++) {
			const struct attr *row = &targets[i].table->rows[j];

			if (!(row->flags & ATTR_REQUIRED) || *targets[i].given >> j & 1)
				continue;
			if ((empty || !node_get(n, row->key)) &&
			    !load_find_meant(n, row->key, targets, n_targets))
				ret = diag_error(l->d, -EINVAL, at, "%s needs the key '%s'", what,
						 row->key);
		}
	return ret;
}

/* --- the top of the file ------------------------------------------------------------- */

/* The end of a path, without the directories before it. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the lab is called when the file does not say: NULL when nothing legal comes of it. */
static const char *default_name(struct loader *l, const char **ret_from)
{
	const char *path = l->doc->source.name, *base = base_name(path), *dot;
	char *name, *dir, *slash;

	if (str_equal(path, "<stdin>") || str_equal(path, "-")) {
		*ret_from = "standard input has no name";
		return NULL;
	}
	if (str_equal(base, "topo.yaml")) {
		dir = realpath(path, NULL);
		slash = dir ? strrchr(dir, '/') : NULL;
		if (slash)
			*slash = '\0';
		name = arena_strdup(&l->m->arena, dir ? base_name(dir) : "");
		free(dir);
	} else {
		dot = strrchr(base, '.');
		name = arena_strndup(&l->m->arena, base,
				     dot && dot > base ? (size_t)(dot - base) : strlen(base));
	}
	if (!lab_name_error(name))
		return name;
	*ret_from = arena_printf(&l->m->arena, "'%s' is not a legal one", name);
	return NULL;
}

static int load_default_name(struct loader *l)
{
	const struct mark at = l->doc->root->mark;
	const char *why = NULL;

	l->m->name = default_name(l, &why);
	if (l->m->name)
		return 0;
	diag_error(l->d, -EINVAL, at, "the lab needs a name: %s", why);
	diag_hint(l->d, "add the key 'name: NAME' at the top");
	return -EINVAL;
}

static int load_name(struct loader *l, const struct node *n, void *model)
{
	const char *why;
	int r = load_scalar(l, &file_table.rows[attr_find(&file_table, "name")], n, model);

	if (r < 0)
		return r;
	why = lab_name_error(l->m->name);
	if (!why)
		return 0;
	diag_error(l->d, -EINVAL, n->mark, "the lab's name '%s' %s", l->m->name, why);
	diag_hint(l->d,
		  "letters, digits, '.', '_' and '-', at most %d, beginning with a letter or a "
		  "digit",
		  LAB_NAME_MAX);
	return -EINVAL;
}

static int load_default_interfaces(struct loader *l, const struct node *n, void *unused)
{
	static const char *const refused[] = {"kind",	"peer",	 "from",     "mac",
					      "master", "ports", "addresses"};
	struct load_target t = {.table = &link_table};
	bool empty;
	int ret = load_expect(l, n, NODE_MAPPING, "defaults.interfaces", &empty);

	(void)unused;
	if (ret < 0 || empty)
		return ret;
	for (uint32_t i = 0; i < n->n; i++) {
		const struct pair *p = &n->pairs[i];
		int row = attr_find(&link_table, p->key->text);
		struct link scratch = {0};

		for (size_t j = 0; j < ARRAY_SIZE(refused); j++)
			if (str_equal(refused[j], p->key->text)) {
				ret = diag_error(
					l->d, -EINVAL, p->key->mark,
					"'%s' cannot be a default: it is an interface's own",
					p->key->text);
				row = -2;
			}
		if (row == -1)
			ret = load_unknown_key(l, n, p, "defaults.interfaces", &t, 1);
		else if (row >= 0 && attr_is_scalar(&link_table.rows[row]) &&
			 load_scalar(l, &link_table.rows[row], p->value, &scratch) < 0)
			ret = -EINVAL;
	}
	l->default_keys = n;
	if (ret < 0)
		unclear_key_put(&l->unclear, n, ANYTHING);
	return ret;
}

static int load_default_sysctl(struct loader *l, const struct node *n, void *unused)
{
	bool empty;
	int ret = load_expect(l, n, NODE_MAPPING, "defaults.sysctl", &empty);

	(void)unused;
	if (ret < 0 || empty)
		return ret;
	for (uint32_t i = 0; i < n->n; i++) {
		const struct node *key = n->pairs[i].key;
		const char *why, *path = sysctl_path(&l->m->arena, key->text, &why);
		size_t size;

		if (path && sysctl_interface(path, &size)) {
			ret = diag_error(l->d, -EINVAL, key->mark, "'%s' is about one interface",
					 key->text);
			diag_hint(l->d, "for all interfaces use defaults.interfaces.sysctl, as in "
					"{ipv4.rp_filter: 2}");
		}
	}
	if (ret >= 0)
		l->default_sysctl = n;
	return ret;
}

static int load_defaults(struct loader *l, const struct node *n, void *unused)
{
	static const struct load_part parts[] = {
		{"interfaces", load_default_interfaces},
		{"sysctl", load_default_sysctl},
		{NULL, NULL},
	};
	uint64_t given = 0;
	struct load_target t = {&defaults_table, NULL, &given, parts};

	(void)unused;
	return load_mapping(l, n, n->mark, "defaults", &t, 1);
}

#define TOPOLOGY "a topology"

/* Loaded by load_file() in an order of its own. */
int load_later(struct loader *l, const struct node *n, void *unused)
{
	(void)l, (void)n, (void)unused;
	return 0;
}

static int expect_topology(struct loader *l)
{
	const struct node *root = l->doc->root;
	bool empty;

	if (root->kind != NODE_SCALAR || !root->null)
		return load_expect(l, root, NODE_MAPPING, TOPOLOGY, &empty);
	diag_error(l->d, -EINVAL, root->mark, "the file is empty");
	diag_hint(l->d, "a topology begins with the key 'namespaces:'");
	return -EINVAL;
}

static void load_file(struct loader *l)
{
	static const struct load_part parts[] = {
		{"name", load_name},   {"defaults", load_defaults}, {"namespaces", load_later},
		{"links", load_later}, {"checks", load_later},	    {NULL, NULL},
	};
	const struct node *root = l->doc->root, *n;
	uint64_t given = 0;
	struct load_target t = {&file_table, l->m, &given, parts};

	if (expect_topology(l) < 0)
		return;
	load_mapping(l, root, root->mark, TOPOLOGY, &t, 1);
	if (!node_get(root, "name") && !unclear_key(&l->unclear, root, "name"))
		load_default_name(l);
	n = node_get(root, "namespaces");
	load_namespaces(l, n);
	if (node_get(root, "links"))
		load_cables(l, node_get(root, "links"), NULL);
	if (unclear_key(&l->unclear, root, "links"))
		unclear_link_put(&l->unclear, NULL, ANYTHING);
	load_namespace_contents(l, n);
	load_settle_peers(l);
	normalise(l);
	if (node_get(root, "checks"))
		load_probes(l, node_get(root, "checks"));
}

/* --- what remains of the nodes -------------------------------------------------------- */

/* The mark alone. */
static const struct node *keep_mark(struct model *m, const struct node *n)
{
	struct node *kept;

	if (!n)
		return NULL;
	kept = arena_alloc(&m->arena, sizeof(*kept));
	*kept = (struct node){.mark = n->mark, .kind = NODE_MAPPING};
	return kept;
}

/* The marks of the keys, or of those that have one value: NULL when there are none. */
static const struct node *keep_keys(struct model *m, const struct node *n, bool all)
{
	struct node *kept = NULL;

	for (uint32_t i = 0; n && n->kind == NODE_MAPPING && i < n->n; i++) {
		if (!all && n->pairs[i].value->kind != NODE_SCALAR)
			continue;
		if (!kept) {
			kept = arena_alloc(&m->arena, sizeof(*kept));
			*kept = (struct node){.mark = n->mark, .kind = NODE_MAPPING};
			kept->pairs = arena_alloc(&m->arena, n->n * sizeof(kept->pairs[0]));
		}
		struct node *key = arena_alloc(&m->arena, sizeof(*key));
		*key = *n->pairs[i].key;
		key->text = arena_strdup(&m->arena, key->text);
		kept->pairs[kept->n++] = (struct pair){key, keep_mark(m, n->pairs[i].value)};
	}
	return kept;
}

static void keep_marks_of_link(struct model *m, struct link *k)
{
	/* Addresses, which most have, are no key that anything is said of. */
	k->node = keep_keys(m, k->node, false);
	k->cable = keep_keys(m, k->cable, false);
	array_each(&k->addresses, a)
		(*a)->node = keep_mark(m, (*a)->node);
}

void load_keep_marks(struct model *m)
{
	array_each(&m->processes, p)
		(*p)->node = keep_keys(m, (*p)->node, true);
	array_each(&m->probes, p) {
		(*p)->node = keep_mark(m, (*p)->node);
		array_each(&(*p)->via, hop)
			hop->node = keep_mark(m, hop->node);
	}
	array_each(&m->namespaces, n) {
		(*n)->node = NULL; /* it has its mark */
		array_each(&(*n)->links, k)
			keep_marks_of_link(m, *k);
		array_each(&(*n)->routes, r) {
			(*r)->node = keep_mark(m, (*r)->node);
			array_each(&(*r)->nexthops, hop)
				hop->node = keep_mark(m, hop->node);
		}
		array_each(&(*n)->sysctls, s)
			(*s)->node = keep_mark(m, (*s)->node);
	}
}

static void loader_free(struct loader *l)
{
	index_free(&l->names);
	index_free(&l->unclear);
	array_free(&l->cables);
	array_free(&l->peers);
	array_free(&l->ports);
}

int load_topology(const struct document *doc, struct model **ret_model, struct diags *d)
{
	struct loader l = {.doc = doc, .m = model_new(), .d = d};
	size_t errors = d->errors;

	load_file(&l);
	check_model(&l);
	loader_free(&l);
	if (d->errors > errors) {
		model_free(l.m);
		return -EINVAL;
	}
	*ret_model = l.m;
	return 0;
}

int load_lab_name(const struct document *doc, struct model **ret_model, struct diags *d)
{
	struct loader l = {.doc = doc, .m = model_new(), .d = d};
	struct diags ignored = {0};
	const struct node *name;
	int r = expect_topology(&l);

	if (r >= 0) {
		name = node_get(doc->root, "name");
		r = name ? load_name(&l, name, l.m) : load_default_name(&l);
		l.d = &ignored;
		load_namespaces(&l, node_get(doc->root, "namespaces"));
	}
	diags_free(&ignored);
	loader_free(&l);
	if (r < 0) {
		model_free(l.m);
		return r;
	}
	*ret_model = l.m;
	return 0;
}

int load_state(const struct node *namespaces, struct model **ret_model, struct diags *d)
{
	struct loader l = {.m = model_new(), .d = d, .state = true};
	size_t errors = d->errors;

	load_namespaces(&l, namespaces);
	load_namespace_contents(&l, namespaces);
	normalise_ports(&l);
	loader_free(&l);
	if (d->errors > errors) {
		model_free(l.m);
		return -EINVAL;
	}
	model_sort(l.m);
	*ret_model = l.m;
	return 0;
}
