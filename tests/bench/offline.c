/* SPDX-License-Identifier: MIT */
/* offline FILE: parses, checks and plans a topology for a machine that has nothing of it. All
 * that nsapply does without the kernel; prints how many changes came out.
 * offline --yaml FILE: has libyaml parse it, and does nothing else; prints how many events came. */
#include "load.h"
#include "plan.h"
#include "record.h"

#include <string.h>
#include <yaml.h>

static int parse_only(const char *path)
{
	FILE *file = fopen(path, "re");
	yaml_parser_t parser;
	yaml_event_t event;
	size_t n = 0;
	bool done = false;

	if (!file || !yaml_parser_initialize(&parser))
		return 1;
	yaml_parser_set_input_file(&parser, file);
	while (!done && yaml_parser_parse(&parser, &event)) {
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		n++;
	}
	printf("%zu\n", n);
	yaml_parser_delete(&parser);
	fclose(file);
	return !done;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--yaml") == 0)
		return parse_only(argv[2]);

	const struct others others = {0};
	const struct plan_options how = {.lab = "bench", .others = &others};
	struct document document = {0};
	struct model *file = NULL, *goal = NULL, *live = model_new();
	struct plan *plan = NULL;
	struct diags d = {0};
	int r = argc == 2 ? document_load(&document, argv[1], &d) : -1;

	if (r >= 0)
		r = load_topology(&document, &file, &d);
	if (r >= 0) {
		goal = goal_make(file, NULL, &others);
		r = plan_make(live, goal, NULL, &how, &plan, &d);
	}
	if (r >= 0)
		printf("%zu\n", plan->changes.n);
	diags_print(&d, stderr, false);
	diags_free(&d);
	plan_free(plan);
	model_free(goal);
	model_free(live);
	model_free(file);
	document_free(&document);
	return r < 0;
}
