/* SPDX-License-Identifier: MIT */
/* Any bytes as a topology. What loads must say the same after it was written and loaded again; a
 * machine that is as the file says must need nothing; what is made on a bare machine must be
 * recorded so that it can all be taken away again; and what becomes of its checks can be asked. */
#include "emit.h"
#include "fuzz.h"
#include "load.h"
#include "predict.h"
#include "record.h"

#include <string.h>
#include <sys/socket.h>

#define CHECK(ok) ((ok) ? (void)0 : check_failed(#ok, __LINE__))

static void check_failed(const char *what, int line)
{
	fprintf(stderr, "line %d: not so: %s\n", line, what);
	abort();
}

struct loaded {
	struct document doc;
	struct buf text;
	struct diags d;
	struct model *m;
};

static void unload(struct loaded *l)
{
	model_free(l->m);
	document_free(&l->doc);
	diags_free(&l->d);
	buf_free(&l->text);
}

/* What is wrong, for whoever reads the reproducer's output. */
static void expect(int r, const struct diags *d, const char *text)
{
	if (r >= 0)
		return;
	diags_print(d, stderr, false);
	fputs(text, stderr);
	abort();
}

/* --- written and loaded again ---------------------------------------------------- */

static void reload(const struct model *m)
{
	struct loaded again = {0};
	cleanup_buf struct buf text = {0};
	int r;

	emit_state(m, &again.text);
	r = document_parse(&again.doc, "state", buf_text(&again.text), again.text.n, &again.d);
	expect(r, &again.d, buf_text(&again.text));
	r = load_state(again.doc.root, &again.m, &again.d);
	expect(r, &again.d, buf_text(&again.text));
	emit_state(again.m, &text);
	if (strcmp(buf_text(&text), buf_text(&again.text)) != 0) {
		fprintf(stderr, "--- before\n%s--- after\n%s", buf_text(&again.text),
			buf_text(&text));
		abort();
	}
	unload(&again);
}

/* --- plans -------------------------------------------------------------------------- */

static void print_plan(const struct plan *p, struct buf *out)
{
	json_t *json = plan_json(p, "lab");

	CHECK(json);
	json_decref(json);
	plan_print_ip(p, out);
	out->n = 0;
	plan_print_text(p, out, true);
}

static struct plan *plan(struct model *live, struct model *goal, const struct model *made)
{
	const struct plan_options how = {.adopt = !made};
	struct diags d = {0};
	struct plan *p = NULL;
	int r = plan_make(live, goal, made, &how, &p, &d);

	expect(r, &d, "");
	diags_free(&d);
	return p;
}

/* Of a network, the kernel takes the first address that comes as the primary one. */
static void set_secondary(const struct link *l)
{
	address_list ranked = link_ranked_addresses(l);

	for (size_t i = 0; i < ranked.n; i++)
		for (size_t first = 0; first < i; first++)
			if (address_same_network(ranked.items[first], ranked.items[i]))
				ranked.items[i]->secondary = true;
	ranked_addresses_free(l, &ranked);
}

static bool is_found(const struct link *l)
{
	return netns_is_external(l->netns) && !l->from.name && !link_is_made(l);
}

static void add_found(struct model *live, struct netns *n, const char *name, uint32_t index)
{
	const uint64_t known = LINK_BIT("state") | LINK_BIT("mtu") | LINK_BIT("mac");
	struct link *l = netns_add_link(live, n, name);

	l->index = index;
	l->given |= known;
	l->mtu = strcmp(name, LOOPBACK) == 0 ? 65536 : 1500;
	l->mac = (struct mac){.bytes = {2, [5] = (uint8_t)index}, .set = 1};
}

#define MASTERS_INDEX 1000000 /* beyond those that the file names */

/* What stands there as well: the bridges that the file puts an interface into, and says no more of. */
static void add_masters(struct model *live, const struct model *m, uint32_t index)
{
	array_each(&m->namespaces, n) {
		struct netns *to = model_find_netns(live, (*n)->name);

		if (!to || !netns_is_external(*n))
			continue;
		array_each(&(*n)->links, l)
			if ((*l)->master && !netns_find_link(*n, (*l)->master) &&
			    !netns_find_link(to, (*l)->master)) {
				add_found(live, to, (*l)->master, ++index);
				model_sort(live);
			}
	}
}

/* The machine as it is once the lab stands. */
static struct model *done(const struct model *m)
{
	struct model *live = model_copy(m);
	int handle = 0;

	array_each(&live->namespaces, n) {
		uint32_t index = 0;

		(*n)->handle = handle++;
		(*n)->cookie = (uint64_t)handle;
		array_each(&(*n)->links, l) {
			(*l)->index = ++index;
			(*l)->given |= LINK_BIT("state") | ((*l)->mtu ? LINK_BIT("mtu") : 0);
			set_secondary(*l);
		}
	}
	add_masters(live, m, MASTERS_INDEX);
	return live;
}

/* The machine before: the namespaces and interfaces that the file finds there. */
static struct model *bare(const struct model *m)
{
	struct model *live = model_new();
	uint32_t index = 0;

	array_each(&m->namespaces, n) {
		struct netns *to;

		if (!netns_is_external(*n))
			continue;
		to = model_add_netns(live, (*n)->name, (*n)->class);
		to->cookie = ++index;
		to->handle = (int)index;
		array_each(&(*n)->links, l)
			if (is_found(*l))
				add_found(live, to, (*l)->name, ++index);
		array_each(&(*n)->sysctls, s)
			netns_add_sysctl(live, to, (*s)->path, "before");
	}
	model_sort(live);
	array_each(&m->namespaces, n)
		array_each(&(*n)->links, l) {
			struct netns *from =
				(*l)->from.name ? model_find_netns(live, (*l)->from.netns) : NULL;

			if (from)
				add_found(live, from, (*l)->from.name, ++index);
		}
	model_sort(live);
	add_masters(live, m, index);
	return live;
}

static void plan_nothing(const struct model *m)
{
	struct model *live = done(m), *goal = model_copy(m);
	struct plan *p = plan(live, goal, NULL);
	cleanup_buf struct buf out = {0};

	print_plan(p, &out);
	if (p->changes.n || p->steps.n) {
		fputs(buf_text(&out), stderr);
		abort();
	}
	plan_free(p);
	model_free(goal);
	model_free(live);
}

static const struct others nobody;

static void plan_destroy(const struct model *m, struct record *r)
{
	struct model *live = done(m), *goal, *nothing = model_new();
	cleanup_buf struct buf out = {0};
	size_t owned = 0;
	struct plan *p;

	array_each(&live->namespaces, n) {
		if ((*n)->class == NETNS_OWNED)
			record_set_cookie(r, (*n)->name, (*n)->cookie);
		owned += (*n)->class == NETNS_OWNED;
	}
	goal = goal_make(NULL, r, &nobody);
	p = plan(live, goal, r->made);
	print_plan(p, &out);
	for (size_t i = 0; i < p->changes.n; i++)
		owned -= p->changes.items[i].object == OBJECT_NAMESPACE &&
			 p->changes.items[i].action == ACTION_DELETE;
	CHECK(owned == 0);
	record_plan_done(r, p);
	plan_free(p);
	model_free(goal);
	record_settle(r, nothing);
	CHECK(r->made->namespaces.n == 0 && r->before->namespaces.n == 0);
	model_free(nothing);
	model_free(live);
}

static void plan_all(const struct model *m)
{
	struct model *live = bare(m), *goal;
	struct record *r = record_new("lab", "/lab.yaml", "boot", 1);
	cleanup_buf struct buf out = {0};
	struct plan *p;

	goal = goal_make(m, r, &nobody);
	p = plan(live, goal, r->made);
	print_plan(p, &out);
	record_add_plan(r, p);
	reload(r->made);
	reload(r->before);
	record_plan_done(r, p);
	plan_free(p);
	model_free(goal);
	plan_destroy(m, r);
	record_free(r);
	model_free(live);
}

/* Each check has an answer, and what will fail a reason. */
static void predict_all(const struct model *m)
{
	struct predictions p;
	struct diags d = {0};

	predict(m, &p, &d);
	CHECK(p.list.n == m->probes.n && d.errors == 0);
	array_each(&p.list, i)
		CHECK(i->why || i->verdict == VERDICT_HOLDS);
	predictions_tell(&p, &d);
	json_decref(predictions_json(&p));
	predictions_free(&p);
	diags_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loaded l = {0};
	int r;

	buf_add(&l.text, (const char *)data, size);
	r = document_parse(&l.doc, "lab.yaml", buf_text(&l.text), l.text.n, &l.d);
	if (r == 0)
		r = load_topology(&l.doc, &l.m, &l.d);
	CHECK((r < 0) == (l.d.errors > 0));
	if (r == 0) {
		reload(l.m);
		plan_nothing(l.m);
		plan_all(l.m);
		predict_all(l.m);
	}
	diags_sort(&l.d);
	json_decref(diags_json(&l.d));
	unload(&l);
	return 0;
}
