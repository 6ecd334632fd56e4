/* SPDX-License-Identifier: MIT */
/* The file's checks, answered from the file alone. A check that may take several
 * ways is only answered where all of them end alike. */
#include "predict_internal.h"

#include <errno.h>

#define PATIENCE 4000 /* hops, over all ways of one check */

static struct cause several(struct cause why)
{
	why.one_of_several = true;
	return why;
}

/* Why *ret_why kind is CAUSE_PORT or another one where there is something to say. */
static enum verdict judge(const struct probe *p, const struct tally *t, struct cause *ret_why,
			  bool *ret_said)
{
	bool reachable = p->expect == EXPECT_REACHABLE;

	*ret_said = true;
	if (t->unsure) {
		*ret_why = t->why_unsure;
		return VERDICT_UNKNOWN;
	}
	if (t->lost && t->reached) {
		*ret_why = several(t->why_lost);
		return VERDICT_UNKNOWN;
	}
	if (t->lost) {
		*ret_why = t->why_lost;
		*ret_said = reachable;
		return reachable ? VERDICT_FAILS : VERDICT_HOLDS;
	}
	*ret_why = (struct cause){.kind = CAUSE_REACHED};
	if (p->protocol != PROBE_ICMP) {
		ret_why->kind = CAUSE_PORT;
		return VERDICT_UNKNOWN;
	}
	*ret_said = !reachable;
	return reachable ? VERDICT_HOLDS : VERDICT_FAILS;
}

static void predict_probe(struct world *w, const struct probe *p, struct predictions *all)
{
	struct question q = {.world = w,
			     .from = world_place(w, p->netns->name),
			     .to = p->address,
			     .size = p->size,
			     .whole = p->given & PROBE_BIT("size"),
			     .probe = p,
			     .patience = PATIENCE};
	struct prediction *result = array_push(&all->list);
	cleanup_buf struct buf text = {0};
	struct tally tally;
	struct cause why;
	bool said;

	ask(&q, &tally);
	result->probe = p;
	result->verdict = judge(p, &tally, &why, &said);
	all->count[result->verdict]++;
	if (!said)
		return;
	cause_text(&why, &text);
	result->why = arena_strdup(&all->arena, buf_text(&text));
	result->cause = why.mark;
}

void predict(const struct model *m, struct predictions *ret, struct diags *d)
{
	struct world w;

	*ret = (struct predictions){0};
	world_build(m, &w);
	array_each(&m->probes, pp)
		predict_probe(&w, *pp, ret);
	find_mistakes(&w, d);
	world_free(&w);
}

void predictions_free(struct predictions *p)
{
	array_free(&p->list);
	arena_free(&p->arena);
}

/* --- telling ----------------------------------------------------------------------------------- */

void predictions_tell(const struct predictions *p, struct diags *d)
{
	array_each(&p->list, i) {
		cleanup_buf struct buf title = {0};

		if (i->verdict != VERDICT_FAILS)
			continue;
		probe_id(i->probe, &title);
		diag_error(d, -EHOSTUNREACH, i->probe->node->mark, "the check %s will fail: %s",
			   buf_text(&title), i->why);
		if (i->cause.line)
			diag_hint(d, "see line %u", i->cause.line);
	}
}

json_t *predictions_json(const struct predictions *p)
{
	json_t *list = json_array();

	array_each(&p->list, i) {
		cleanup_buf struct buf title = {0}, printable = {0}, why = {0}, file = {0};
		const struct mark *at = &i->probe->node->mark;

		probe_title(i->probe, &title);
		buf_printable(&printable, buf_text(&title));
		buf_printable(&why, i->why ? i->why : "");
		buf_printable(&file, at->source->name);
		json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:o, s:o, s:s, s:i, s:i}", "title",
				  buf_text(&printable), "holds",
				  i->verdict == VERDICT_UNKNOWN
					  ? json_null()
					  : json_boolean(i->verdict == VERDICT_HOLDS),
				  "reason", i->why ? json_string(buf_text(&why)) : json_null(),
				  "cause_line",
				  i->cause.line ? json_integer(i->cause.line) : json_null(), "file",
				  buf_text(&file), "line", at->line, "column", at->column));
	}
	return list;
}
