/* SPDX-License-Identifier: MIT */
/* The command line. One table of modes is dispatcher and usage text at once, one
 * table of options both parser and usage text. */
#include "command.h"
#include "command_exec.h"
#include "command_keep.h"
#include "command_run.h"
#include "config.h"
#include "lab.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

/* Arguments: any number, and one with a command, whose options are its own. */
enum { ANY = 1000000, COMMAND };

struct mode {
	const char *name; /* without the dashes; NULL: no mode given */
	const char *arguments;
	const char *help;
	int (*run)(const struct options *o); /* NULL: announced, not there yet */
	int max_args;
};

/* What is to be run, after the first argument and an optional `--`; NULL: nothing is. */
static char *const *command_of(const struct options *o, const char *usage)
{
	char *const *command = o->args + 1;

	if (o->n_args > 1 && strcmp(command[0], "--") == 0)
		command++;
	if (o->n_args > 1 && *command)
		return command;
	fprintf(stderr, "nsapply: %s\n", usage);
	return NULL;
}

static int run_exec(const struct options *o)
{
	char *const *command = command_of(o, "--exec wants NAMESPACE -- COMMAND...");

	if (!command)
		return EXIT_USAGE;
	umask(o->umask);
	return command_exec(o->args[0], command);
}

static int run_run(const struct options *o)
{
	char *const *command = command_of(o, "--run wants FILE -- COMMAND...");

	return command ? command_run(o, command) : EXIT_USAGE;
}

static const struct mode modes[] = {
	{NULL, "[FILE]", "make the machine match FILE (default ./topo.yaml)", command_apply, 1},
	{"plan", "[FILE]", "show what apply would do; change nothing", command_plan, 1},
	{"destroy", "[FILE|LAB]", "take the lab away", command_destroy, 1},
	{"validate", "FILE...", "check files, offline and without privilege", command_validate,
	 ANY},
	{"check", "[FILE|LAB]", "try the file's checks with real packets", command_check, 1},
	{"exec", "NAMESPACE -- COMMAND...", "run a command inside, as `ip netns exec` would",
	 run_exec, COMMAND},
	{"run", "FILE -- COMMAND...", "run a command in a private lab, gone when it ends", run_run,
	 COMMAND},
	{"list", "", "show the labs on this machine", command_list, 0},
	{"export", "", NULL, NULL, ANY},
	{"graph", "", NULL, NULL, ANY},
	{"watch", "", NULL, NULL, ANY},
};

enum {
	OPT_FORMAT = 256,
	OPT_ADOPT,
	OPT_NO_ROLLBACK,
	OPT_NO_VERIFY,
	OPT_WAIT,
	OPT_LOCK_TIMEOUT,
	OPT_KEEP_USER,
	OPT_CHECKED,
	OPT_COLOR,
	OPT_HELP,
	OPT_VERSION,
	OPT_MODE
};

static const struct {
	const char *name, *argument, *help;
	int value;
} switches[] = {
	{"format", "text|json|ip|tap|junit",
	 "of a plan (ip: iproute2 commands), checks (tap, junit), results and errors (json)",
	 OPT_FORMAT},
	{"adopt", NULL, "take over same-named things that the lab did not make", OPT_ADOPT},
	{"no-rollback", NULL, "leave a failed apply as it is, for inspection", OPT_NO_ROLLBACK},
	{"no-verify", NULL, "do not read the kernel again after the last step", OPT_NO_VERIFY},
	{"wait", "SECONDS", "how long the lab may take to be ready (default 60; 0: do not wait)",
	 OPT_WAIT},
	{"lock-timeout", "SECONDS", "how long to wait for another nsapply (default 60)",
	 OPT_LOCK_TIMEOUT},
	{"keep-user", NULL, "run the command of --run as the user that you are", OPT_KEEP_USER},
	{"checked", NULL, "run the command of --run if all checks of the file hold", OPT_CHECKED},
	{"color", "auto|always|never", "colors; NO_COLOR is obeyed", OPT_COLOR},
	{"quiet", NULL, "-q  say nothing but errors", 'q'},
	{"verbose", NULL, "-v  show the changes while applying", 'v'},
	{"help", NULL, "this text", OPT_HELP},
	{"version", NULL, "the version", OPT_VERSION},
};

static void print_usage(FILE *out)
{
	fputs("usage:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		cleanup_buf struct buf left = {0};
		if (!modes[i].run)
			continue;
		buf_printf(&left, "nsapply %s%s%s%s", modes[i].name ? "--" : "",
			   modes[i].name ? modes[i].name : "", modes[i].name ? " " : "",
			   modes[i].arguments);
		fprintf(out, "  %-42s %s\n", buf_text(&left), modes[i].help);
	}
	fputs("\noptions:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		cleanup_buf struct buf left = {0};
		buf_printf(&left, "--%s%s%s", switches[i].name, switches[i].argument ? " " : "",
			   switches[i].argument ? switches[i].argument : "");
		fprintf(out, "  %-42s %s\n", buf_text(&left), switches[i].help);
	}
	fputs("\nA FILE has a `/` in it, ends in .yaml, .yml or .json, or is `-` (standard "
	      "input).\n"
	      "See nsapply(1), and nsapply.yaml(5) for the file.\n",
	      out);
}

/* Wherever --format json stands: what is wrong may stand before it. Not with a command, whose standard
 * output it is. */
static bool wants_json;

static int usage_error_json(const char *what, const char *problem)
{
	const struct options o = {.format = FORMAT_JSON};
	struct lab lab = {.options = &o};

	diag_error(&lab.d, -EINVAL, NO_MARK, "%s: %s", what, problem);
	diag_hint(&lab.d, "try `nsapply --help`");
	return lab_close(&lab, EXIT_USAGE);
}

static int usage_error(const char *what, const char *problem)
{
	cleanup_buf struct buf text = {0};

	buf_printable(&text, what);
	if (wants_json)
		return usage_error_json(buf_text(&text), problem);
	fprintf(stderr, "nsapply: %s: %s\nTry `nsapply --help`.\n", buf_text(&text), problem);
	return EXIT_USAGE;
}

/* `what` is the name of an option without its dashes, or of a mode. */
static int option_usage_error(const char *what, const char *problem)
{
	cleanup_buf struct buf text = {0};

	buf_printf(&text, "--%s", what);
	return usage_error(buf_text(&text), problem);
}

static int unknown_option(const char *argument, const struct option *longs)
{
	const char *names[ARRAY_SIZE(modes) + ARRAY_SIZE(switches)], *near;
	cleanup_buf struct buf word = {0}, problem = {0};
	size_t n = 0;

	for (const struct option *o = longs; o->name; o++)
		if (o->val < OPT_MODE || modes[o->val - OPT_MODE].run)
			names[n++] = o->name;
	buf_add(&word, argument + 2, strcspn(argument + 2, "="));
	near = strcmp(buf_text(&word), "dry-run") == 0 ? "plan"
						       : str_nearest(buf_text(&word), names, n);
	buf_puts(&problem, "no such option");
	if (near)
		buf_printf(&problem, "; did you mean --%s?", near);
	return usage_error(argument, buf_text(&problem));
}

/* Also for those whose other tools have commands: `nsapply plan FILE`. */
static int too_many_arguments(const struct mode *mode, const struct options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes) && !mode->name; i++)
		if (modes[i].run && modes[i].name && strcmp(o->args[0], modes[i].name) == 0) {
			cleanup_buf struct buf problem = {0};

			buf_printf(&problem, "did you mean --%s?", modes[i].name);
			return usage_error(o->args[0], buf_text(&problem));
		}
	return usage_error(o->args[mode->max_args], "one argument too many");
}

static bool parse_format(const char *text, enum format *ret_format)
{
	static const char *const names[] = {"text", "json", "ip", "tap", "junit"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret_format = (enum format)i;
			return true;
		}
	return false;
}

static bool parse_seconds(const char *text, unsigned *ret_seconds)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > 86400)
		return false;
	*ret_seconds = (unsigned)n;
	return true;
}

static bool parse_fraction(const char *text, unsigned *ret_ms)
{
	size_t digits = strspn(text, "0123456789.");
	double n;
	char *end;

	if (text[digits] || !digits || digits > 20)
		return false;
	n = strtod(text, &end);
	if (end == text || *end || n > 86400)
		return false;
	*ret_ms = (unsigned)(n * 1000);
	if (*ret_ms == 0 && n > 0) /* which is not the same as not to wait */
		*ret_ms = 1;
	return true;
}

static bool parse_color(const char *text, struct options *o)
{
	bool never = strcmp(text, "never") == 0, always = strcmp(text, "always") == 0;

	if (!never && !always && strcmp(text, "auto") != 0)
		return false;
	if (never || always)
		o->color_out = o->color_err = always;
	return true;
}

/* 0, or an exit status with the reason told. */
static int parse_switch(int value, const char *argument, struct options *o)
{
	switch (value) {
	case OPT_FORMAT:
		return parse_format(argument, &o->format)
			       ? 0
			       : usage_error(argument,
					     "--format wants text, json, ip, tap or junit");
	case OPT_ADOPT:
		o->adopt = true;
		return 0;
	case OPT_NO_ROLLBACK:
		o->no_rollback = true;
		return 0;
	case OPT_NO_VERIFY:
		o->no_verify = true;
		return 0;
	case OPT_KEEP_USER:
		o->keep_user = true;
		return 0;
	case OPT_WAIT:
		return parse_fraction(argument, &o->wait)
			       ? 0
			       : usage_error(argument,
					     "--wait wants seconds, 0 to 86400, also 0.5");
	case OPT_CHECKED:
		o->checked = true;
		return 0;
	case OPT_LOCK_TIMEOUT:
		return parse_seconds(argument, &o->lock_timeout)
			       ? 0
			       : usage_error(argument, "--lock-timeout wants seconds, 0 to 86400");
	case OPT_COLOR:
		return parse_color(argument, o)
			       ? 0
			       : usage_error(argument, "--color wants auto, always or never");
	case 'q':
		o->quiet = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	}
	return EXIT_USAGE;
}

static size_t build_options(struct option *out)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (modes[i].name)
			out[n++] = (struct option){modes[i].name, optional_argument, NULL,
						   OPT_MODE + (int)i};
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		out[n++] = (struct option){switches[i].name,
					   switches[i].argument ? required_argument : no_argument,
					   NULL, switches[i].value};
	out[n] = (struct option){0};
	return n;
}

/* getopt_long() takes abbreviations: today's would be another option tomorrow. NULL: none. */
static const char *find_abbreviation(int argc, char **argv, const struct option *longs,
				     bool command)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *name = argv[i] + 2;
		bool known = false;

		if (!str_starts(argv[i], "--")) {
			if (command && argv[i][0] != '-') /* the command begins */
				return NULL;
			continue;
		}
		for (const struct option *o = longs; o->name; o++)
			known = known || (strlen(o->name) == strcspn(name, "=") &&
					  str_starts(name, o->name));
		if (!known)
			return argv[i];
	}
	return NULL;
}

/* --exec and --run: what follows the first argument is the command's own. */
static bool has_command(int argc, char **argv)
{
	for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++)
		for (size_t m = 0; m < ARRAY_SIZE(modes) && argv[i][1] == '-'; m++)
			if (modes[m].max_args == COMMAND && strcmp(argv[i] + 2, modes[m].name) == 0)
				return true;
	return false;
}

static bool find_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--format=json") == 0 ||
		    (strcmp(argv[i], "--format") == 0 && i + 1 < argc &&
		     strcmp(argv[i + 1], "json") == 0))
			return true;
	return false;
}

/* What getopt_long() found wrong; find_abbreviation() has told names that are none. */
static int option_error(int c, char **argv)
{
	const char letter[] = {'-', (char)optopt, '\0'};

	if (c == ':')
		return usage_error(argv[optind - 1], "wants a value");
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (switches[i].value == optopt)
			return usage_error(argv[optind - 1], "takes no =VALUE");
	return usage_error(letter, "no such option");
}

/* 0, or an exit status with the reason told. */
static int check_combination(const struct mode *mode, const struct options *o)
{
	bool of_checks = o->format == FORMAT_TAP || o->format == FORMAT_JUNIT;

	if (o->keep_user && mode->run != run_run)
		return usage_error("--keep-user", "only with --run");
	if (o->checked && mode->run != run_run)
		return usage_error("--checked", "only with --run");
	if (o->format != FORMAT_TEXT && mode->run == run_run)
		return usage_error("--format", "not with --run, whose output is the command's");
	if (of_checks && mode->run != command_check)
		return usage_error("--format", "tap and junit are for --check");
	if (o->format == FORMAT_IP && mode->run != command_plan)
		return usage_error("--format", "ip is for --plan");
	return 0;
}

/* 0 to go on, else 1 + exit status (help and version end with 0). */
static int parse(int argc, char **argv, struct options *o, const struct mode **ret_mode)
{
	struct option longs[ARRAY_SIZE(modes) + ARRAY_SIZE(switches) + 1];
	const struct mode *mode = &modes[0];
	bool command = has_command(argc, argv);
	const char *unknown;
	int c, status;

	wants_json = !command && find_json(argc, argv);
	opterr = 0;
	build_options(longs);
	unknown = find_abbreviation(argc, argv, longs, command);
	if (unknown)
		return 1 + unknown_option(unknown, longs);
	while ((c = getopt_long(argc, argv, command ? "+:qvh" : ":qvh", longs, NULL)) != -1) {
		if (c == '?' || c == ':')
			return 1 + option_error(c, argv);
		if (c == OPT_HELP || c == 'h') {
			print_usage(stdout);
			return 1 + EXIT_DONE;
		}
		if (c == OPT_VERSION) {
			puts("nsapply " NSAPPLY_VERSION);
			return 1 + EXIT_DONE;
		}
		if (c >= OPT_MODE) {
			if (mode->name)
				return 1 +
				       option_usage_error(mode->name, "only one mode at a time");
			mode = &modes[c - OPT_MODE];
			if (mode->run && optarg)
				return 1 + option_usage_error(mode->name, "takes no =VALUE");
			continue;
		}
		status = parse_switch(c, optarg, o);
		if (status)
			return 1 + status;
	}
	o->args = argv + optind;
	o->n_args = argc - optind;
	if (!mode->run)
		return 1 + option_usage_error(mode->name, "not supported yet");
	if (command && o->n_args > 1 && o->args[1][0] == '-' && strcmp(o->args[1], "--") != 0)
		return 1 + usage_error(o->args[1], "options stand before the first argument");
	if (o->n_args > mode->max_args)
		return 1 + too_many_arguments(mode, o);
	status = check_combination(mode, o);
	if (status)
		return 1 + status;
	*ret_mode = mode;
	return 0;
}

/* What is at least as large goes back to the system when it is freed, and grows without being copied.
 * Left alone, glibc raises this (its initial value) when the first such is freed, and from then on
 * large arrays leave holes as large as themselves. */
#define LARGE_ALLOCATION (128 << 10)

/* Of what was done to the machine there is no report, but it was done. */
static int report_is_lost(const struct mode *mode, int status)
{
	bool changes = mode && (mode->run == command_apply || mode->run == command_destroy);

	if (status != EXIT_DONE || !changes) {
		fputs("nsapply: cannot write to standard output\n", stderr);
		return status == EXIT_DONE || status == EXIT_DIFFERENCES ? EXIT_FAILED : status;
	}
	fputs("nsapply: all is done, but cannot be reported: cannot write to standard output\n",
	      stderr);
	return EXIT_NOT_UNDONE;
}

int main(int argc, char **argv)
{
	const char *no_color = getenv("NO_COLOR");
	bool color = !no_color || !*no_color;
	struct options o = {.lock_timeout = 60,
			    .wait = 60000,
			    .color_out = color && isatty(STDOUT_FILENO),
			    .color_err = color && isatty(STDERR_FILENO)};
	const struct mode *mode = NULL;
	int status;

	if (is_process_init(argc, argv))
		return command_keep(argv);
	o.umask = umask(022);
	mallopt(M_MMAP_THRESHOLD, LARGE_ALLOCATION);
	status = parse(argc, argv, &o, &mode);
	status = status ? status - 1 : mode->run(&o);
	return fflush(stdout) == EOF || ferror(stdout) ? report_is_lost(mode, status) : status;
}
