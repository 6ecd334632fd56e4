/* SPDX-License-Identifier: MIT */
/* The verbs over a made-up machine: what is applied is there and nothing else, what fails leaves no
 * trace, wherever it fails. Labs come from seeds; a failure names them, and NSAPPLY_SEED=N begins
 * with that one, NSAPPLY_CASES=N tries so many. */
#include "document.h"
#include "emit.h"
#include "fake_kernel.h"
#include "lab.h"
#include "load.h"
#include "random_lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

struct fixture {
	char base[64], run[96], file[96], record[128];
	int out, err; /* what the verbs print goes there */
	struct fake_machine *machine;
	struct buf before; /* the machine without a lab */
	const char *state; /* write_again() */
};

/* --- a machine and a file ---------------------------------------------------------------------- */

static void parse_state(const char *text, void (*use)(struct fixture *f, struct model *m),
			struct fixture *f)
{
	struct document doc = {0};
	struct diags d = {0};
	struct model *m = NULL;

	if (document_parse(&doc, "state", text, strlen(text), &d) < 0 ||
	    load_state(doc.root, &m, &d) < 0) {
		diags_print(&d, stderr, false);
		fail_msg("not to be loaded:\n%s", text);
	}
	use(f, m);
	model_free(m);
	document_free(&doc);
	diags_free(&d);
}

static void fill(struct fixture *f, struct model *m)
{
	fake_machine_fill(f->machine, m);
}

static void remove_logs(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (rundir_is_log(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static void remove_record(struct fixture *f)
{
	char lab[128];

	snprintf(lab, sizeof(lab), "%s/lab", f->run);
	remove_logs(lab);
	unlink(f->record);
	rmdir(lab);
	snprintf(lab, sizeof(lab), "%s/.lock", f->run);
	unlink(lab);
	rmdir(f->run);
}

/* Another machine, without a lab. */
static void renew(struct fixture *f)
{
	fake_machine_free(f->machine);
	f->machine = fake_machine = fake_machine_new();
	parse_state(machine_state, fill, f);
	fake_fail(f->machine, (struct fake_faults){0});
	buf_free(&f->before);
	fake_dump(f->machine, &f->before);
	remove_record(f);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	/* in memory, where there is such a folder: records are synced */
	snprintf(f->base, sizeof(f->base), "%s/nsapply-transaction-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->base));
	snprintf(f->run, sizeof(f->run), "%s/run", f->base);
	snprintf(f->file, sizeof(f->file), "%s/lab.yaml", f->base);
	snprintf(f->record, sizeof(f->record), "%s/lab/record", f->run);
	setenv("NSAPPLY_RUNDIR", f->run, 1);
	f->out = memfd_create("out", MFD_CLOEXEC);
	f->err = memfd_create("err", MFD_CLOEXEC);
	assert_true(f->out >= 0 && f->err >= 0);
	renew(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fake_machine_free(f->machine);
	buf_free(&f->before);
	close(f->out);
	close(f->err);
	remove_record(f);
	unlink(f->file);
	assert_int_equal(rmdir(f->base), 0);
	free(f);
	return 0;
}

static void read_fd(int fd, struct buf *out)
{
	char bytes[4096];
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, bytes, sizeof(bytes), at)) > 0; at += n)
		buf_add(out, bytes, (size_t)n);
}

static void write_lab(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->file, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void write_random(const struct fixture *f, uint64_t seed)
{
	cleanup_buf struct buf text = {0};

	random_lab(seed, 0, &text);
	write_lab(f, buf_text(&text));
}

/* --- verbs --------------------------------------------------------------------------------------- */

typedef int verb(const struct options *o);

/* From now on `fd` is `file`, which is emptied; returns what it was. */
static int redirect(int fd, int file)
{
	int old = dup(fd);

	assert_true(old >= 0);
	assert_int_equal(ftruncate(file, 0), 0);
	lseek(file, 0, SEEK_SET);
	dup2(file, fd);
	return old;
}

static void give_back(int fd, int old)
{
	dup2(old, fd);
	close(old);
}

static int run_options(const struct fixture *f, verb *command, const char *arg, bool no_verify)
{
	char *args[] = {(char *)arg};
	const struct options options = {
		.quiet = true, .no_verify = no_verify, .wait = 1000, .args = args, .n_args = 1};
	int out, err, status;

	fflush(stdout);
	out = redirect(STDOUT_FILENO, f->out);
	err = redirect(STDERR_FILENO, f->err);
	status = command(&options);
	fflush(stdout);
	give_back(STDOUT_FILENO, out);
	give_back(STDERR_FILENO, err);
	return status;
}

static int run(const struct fixture *f, verb *command, const char *arg)
{
	return run_options(f, command, arg, false);
}

static int apply(const struct fixture *f)
{
	return run(f, command_apply, f->file);
}

static int destroy(const struct fixture *f)
{
	return run(f, command_destroy, "lab");
}

/* Another one in what was made anew. */
static bool is_of_its_own(const char *line)
{
	line += strspn(line, " ");
	return str_starts(line, "cookie: ") || str_starts(line, "index: ");
}

/* One that was started anew has another pid, and another start. */
static void cut_process(char *line)
{
	char *pid = strstr(line, ", pid: "), *rest = strstr(line, ", command: ");

	if (str_starts(line, "  - {namespace: ") && pid && rest)
		memmove(pid, rest, strlen(rest) + 1);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything that is, but for that. */
static void all_state(const struct fixture *f, struct buf *out)
{
	int fd = open(f->record, O_RDONLY | O_CLOEXEC);
	cleanup_buf struct buf record = {0};
	ARRAY(char *) lines = {0};

	fake_dump(f->machine, out);
	if (fd < 0)
		return;
	read_fd(fd, &record);
	close(fd);
	for (char *line = strtok(record.s, "\n"); line; line = strtok(NULL, "\n")) {
		cut_process(line);
		if (!is_of_its_own(line))
			array_add(&lines, line);
	}
	array_sort(&lines, by_text); /* a record that was loaded is in order */
	array_each(&lines, line)
		buf_printf(out, "%s\n", *line);
	array_free(&lines);
}

/* --- telling --------------------------------------------------------------------------------------- */

/* One case: this lab over that one, and what is refused. */
struct trial {
	struct fixture *f;
	uint64_t first, second;
	struct fake_faults faults;
};

static void PRINTF(2, 3) wrong(const struct trial *t, const char *fmt, ...)
{
	cleanup_buf struct buf text = {0}, output = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	read_fd(t->f->out, &output);
	read_fd(t->f->err, &output);
	/* not by fail_msg(), which cuts */
	fprintf(stderr, "%s\n%s", buf_text(&text), buf_text(&output));
	fail_msg("lab %" PRIu64 ", then %" PRIu64
		 "; refused: changes %zu and %zu, reading %zu, flush %zu",
		 t->first, t->second, t->faults.changes[0], t->faults.changes[1], t->faults.read,
		 t->faults.flush);
}

static void expect_status(const struct trial *t, const char *what, int status, int expected)
{
	if (status != expected)
		wrong(t, "%s: status %d, not %d", what, status, expected);
}

/* Only the lines that are in one of them. */
static void add_lines(const char *of, const char *without, char sign, struct buf *out)
{
	while (*of) {
		size_t n = strcspn(of, "\n") + 1;
		cleanup_buf struct buf line = {0};

		buf_add(&line, of, n);
		if (!strstr(without, line.s))
			buf_printf(out, "%c%s", sign, line.s);
		of += of[n - 1] ? n : n - 1;
	}
}

static void expect_same(const struct trial *t, const char *what, const struct buf *now,
			const struct buf *expected)
{
	cleanup_buf struct buf lines = {0};

	if (str_equal(buf_text(now), buf_text(expected)))
		return;
	add_lines(buf_text(expected), buf_text(now), '-', &lines);
	add_lines(buf_text(now), buf_text(expected), '+', &lines);
	if (!lines.n)
		buf_printf(&lines, "in another order:\n%s--- was\n%s", buf_text(now),
			   buf_text(expected));
	wrong(t, "%s: the machine is another:\n%s", what, buf_text(&lines));
}

static void expect_state(const struct trial *t, const char *what, const struct buf *expected)
{
	cleanup_buf struct buf now = {0};

	all_state(t->f, &now);
	expect_same(t, what, &now, expected);
}

static void expect_destroyed(const struct trial *t)
{
	expect_status(t, "destroy", destroy(t->f), EXIT_DONE);
	expect_state(t, "destroy", &t->f->before);
	if (access(t->f->run, F_OK) == 0)
		wrong(t, "the run folder is still there");
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

#define each_seed(seed, cases)                                         \
	for (uint64_t seed = setting("NSAPPLY_SEED", 1),               \
		      end_ = seed + setting("NSAPPLY_CASES", (cases)); \
	     seed < end_; seed++)

/* --- without faults ---------------------------------------------------------------------------------- */

static void must_apply(const struct trial *t, uint64_t seed)
{
	write_random(t->f, seed);
	fake_fail(t->f->machine, (struct fake_faults){0});
	expect_status(t, "apply", apply(t->f), EXIT_DONE);
	expect_status(t, "plan afterwards", run(t->f, command_plan, t->f->file), EXIT_DONE);
}

static void test_converges(void **state)
{
	struct fixture *f = *state;

	each_seed(seed, 150)
	{
		const struct trial t = {.f = f, .first = seed, .second = seed + 1};
		cleanup_buf struct buf over = {0}, fresh = {0};

		renew(f);
		must_apply(&t, t.first);
		must_apply(&t, t.second);
		fake_dump(f->machine, &over);
		expect_destroyed(&t);
		/* on another machine: that a value was ever written is not to be undone */
		renew(f);
		must_apply(&t, t.second);
		fake_dump(f->machine, &fresh);
		expect_same(&t, "the second alone", &fresh, &over);
		expect_destroyed(&t);
	}
}

static void plan_in_order(const struct trial *t, uint64_t order, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	random_lab(t->second, order, &text);
	write_lab(t->f, buf_text(&text));
	run(t->f, command_plan, t->f->file);
	read_fd(t->f->out, out);
}

static void test_order_does_not_count(void **state)
{
	struct fixture *f = *state;

	each_seed(seed, 100)
	{
		const struct trial t = {.f = f, .first = seed, .second = seed + 1};
		cleanup_buf struct buf plan = {0}, shuffled = {0};

		renew(f);
		must_apply(&t, t.first);
		plan_in_order(&t, 0, &plan);
		plan_in_order(&t, seed, &shuffled);
		expect_same(&t, "in another order", &shuffled, &plan);
	}
}

/* What a record keeps of a lab is the lab. */
static void write_again(struct fixture *f, struct model *m)
{
	cleanup_buf struct buf again = {0};

	emit_state(m, &again);
	assert_string_equal(buf_text(&again), f->state);
}

static void test_written_and_read_again(void **state)
{
	struct fixture *f = *state;

	each_seed(seed, 100)
	{
		cleanup_buf struct buf text = {0}, written = {0};
		struct document doc = {0};
		struct diags d = {0};
		struct model *m = NULL;

		random_lab(seed, 0, &text);
		assert_int_equal(document_parse(&doc, "lab", text.s, text.n, &d), 0);
		assert_int_equal(load_topology(&doc, &m, &d), 0);
		emit_state(m, &written);
		f->state = buf_text(&written);
		parse_state(f->state, write_again, f);
		model_free(m);
		document_free(&doc);
		diags_free(&d);
	}
}

/* --- what fails ---------------------------------------------------------------------------------------- */

static bool is_hit(const struct fake_machine *m, const struct fake_faults *f)
{
	return (f->changes[0] && m->changes >= f->changes[0]) || (f->read && m->reads >= f->read) ||
	       (f->flush && m->flushes >= f->flush);
}

/* Returns whether there was anything to refuse. */
static bool try_apply(struct trial *t, const struct buf *was, struct fake_faults faults)
{
	bool hit;
	int status;

	t->faults = faults;
	fake_fail(t->f->machine, faults);
	write_random(t->f, t->second);
	status = apply(t->f);
	hit = is_hit(t->f->machine, &faults);
	fake_fail(t->f->machine, (struct fake_faults){0});
	expect_status(t, "refused apply", status, hit ? EXIT_FAILED : EXIT_DONE);
	if (!hit)
		return false;
	expect_state(t, "refused apply", was);
	return true;
}

static void try_all(struct trial *t, struct fake_faults (*fault)(size_t n))
{
	cleanup_buf struct buf was = {0};
	size_t n = 1;

	renew(t->f);
	if (t->first)
		must_apply(t, t->first);
	all_state(t->f, &was);
	while (try_apply(t, &was, fault(n)))
		n++;
	expect_destroyed(t);
}

static struct fake_faults refuse_change(size_t n)
{
	return (struct fake_faults){.changes = {n}};
}

static struct fake_faults refuse_reading(size_t n)
{
	return (struct fake_faults){.read = n};
}

static struct fake_faults break_flush(size_t n)
{
	return (struct fake_faults){.flush = n};
}

static struct fake_faults (*const all_faults[])(size_t n) = {refuse_change, refuse_reading,
							     break_flush};

/* Whatever step fails, of a lab on a bare machine or over another one. */
static void test_apply_fails(void **state)
{
	each_seed(seed, 25)
	{
		for (size_t i = 0; i < ARRAY_SIZE(all_faults); i++) {
			struct trial t = {
				.f = *state, .first = seed % 4 ? seed : 0, .second = seed + 1};
			try_all(&t, all_faults[i]);
		}
	}
}

/* What is told to be left must be what is left: the lines of a new plan. */
static void expect_true_list(const struct trial *t, const char *told)
{
	struct options options = {.quiet = true};
	struct lab lab = {.options = &options, .name = xstrdup("lab")};

	if (lab_open(&lab, RUNDIR_READ) < 0 || lab_plan(&lab, false) < 0)
		wrong(t, "cannot be planned");
	array_each(&lab.plan->changes, c) {
		cleanup_buf struct buf line = {0};

		buf_puts(&line, "not put back: ");
		change_describe(c, &line);
		if (!strstr(told, line.s))
			wrong(t, "not told: %s\n%s", line.s, told);
	}
	lab_close(&lab, EXIT_DONE);
}

static void expect_not_undone(const struct trial *t)
{
	cleanup_buf struct buf told = {0};

	read_fd(t->f->err, &told);
	if (!strstr(buf_text(&told), "the record is kept") &&
	    !strstr(buf_text(&told), "more errors"))
		wrong(t, "the record is not told to be kept");
	if (strstr(buf_text(&told), "goes on from here"))
		expect_true_list(t, buf_text(&told));
	expect_destroyed(t);
}

/* Returns whether there was anything to refuse. The lab is gone afterwards, or as it was. */
static bool try_destroy(struct trial *t, struct fake_faults faults)
{
	cleanup_buf struct buf was = {0};
	bool hit;
	int status;

	renew(t->f);
	must_apply(t, t->first);
	all_state(t->f, &was);
	t->faults = faults;
	fake_fail(t->f->machine, faults);
	status = destroy(t->f);
	hit = is_hit(t->f->machine, &faults);
	fake_fail(t->f->machine, (struct fake_faults){0});
	if (status == EXIT_FAILED)
		expect_state(t, "refused destroy", &was);
	else if (status == EXIT_NOT_UNDONE)
		expect_not_undone(t);
	else
		expect_state(t, "destroy", &t->f->before);
	if (!hit)
		expect_status(t, "destroy", status, EXIT_DONE);
	return hit;
}

/* Whatever step fails: the lab stands as before, or what is left of it is told. */
static void test_destroy_fails(void **state)
{
	each_seed(seed, 25)
	{
		struct trial t = {.f = *state, .first = seed};

		for (size_t i = 0; i < ARRAY_SIZE(all_faults); i++)
			for (size_t n = 1; try_destroy(&t, all_faults[i](n));)
				n++;
	}
}

/* Refuses two: a step, and another one or one of the way back, which is tried again. */
static void try_twice(struct trial *t, size_t first, size_t second)
{
	cleanup_buf struct buf was = {0};
	int status;

	renew(t->f);
	if (t->first)
		must_apply(t, t->first);
	all_state(t->f, &was);
	t->faults = (struct fake_faults){.changes = {first, second}};
	fake_fail(t->f->machine, t->faults);
	write_random(t->f, t->second);
	status = apply(t->f);
	fake_fail(t->f->machine, (struct fake_faults){0});
	expect_status(t, "apply, refused twice", status, EXIT_FAILED);
	expect_state(t, "apply, refused twice", &was);
}

/* How many changes there are, with those of the way back, when this one is refused; 0: it is none. */
static size_t count_changes(struct trial *t, size_t refused)
{
	size_t n;

	renew(t->f);
	if (t->first)
		must_apply(t, t->first);
	fake_fail(t->f->machine, refuse_change(refused));
	write_random(t->f, t->second);
	apply(t->f);
	n = t->f->machine->changes;
	return n >= refused ? n : 0;
}

/* A step of the way back, too, may fail. */
static void test_way_back_fails(void **state)
{
	each_seed(seed, 25)
	{
		struct trial t = {.f = *state, .first = seed % 4 ? seed : 0, .second = seed + 1};
		uint64_t random = seed + 1;
		size_t n;

		for (size_t first = 1; (n = count_changes(&t, first)); first++) {
			uint32_t left = (uint32_t)(n - first);

			if (left)
				try_twice(&t, first, first + 1 + random_number(&random, left));
		}
	}
}

/* Labs in which what was moved is renamed, by way of a namespace made for that. */
static void test_way_back_of_moves_fails(void **state)
{
	struct trial t = {.f = *state, .first = 5057, .second = 5058};
	size_t n;

	for (size_t first = 1; (n = count_changes(&t, first)); first++)
		for (size_t second = first + 1; second <= n; second++)
			try_twice(&t, first, second);
}

/* A gateway that the kernel does not find at once is no reason to fail: the route is asked for again. */
static void test_early_route(void **state)
{
	static const char text[] = "name: lab\n"
				   "namespaces:\n"
				   "  a:\n"
				   "    interfaces: {eth0: {addresses: ['fd00::1/64']}}\n"
				   "    routes: [{to: default, via: 'fd00::2'}]\n"
				   "  b: {interfaces: {eth0: {}}}\n"
				   "links: [['a:eth0', 'b:eth0']]\n";
	struct trial t = {.f = *state};
	size_t passed = 0, n = 0;
	bool hit = true;

	while (hit) {
		int status;

		renew(t.f);
		write_lab(t.f, text);
		fake_fail(t.f->machine,
			  (struct fake_faults){.changes = {++n}, .code = -EHOSTUNREACH});
		status = apply(t.f);
		hit = t.f->machine->changes >= n;
		passed += hit && status == EXIT_DONE;
	}
	assert_int_equal(passed, 1);
}

/* Nor is one whose network has no route because the kernel had no memory for it. */
static void test_unconnected(void **state)
{
	static const char text[] =
		"name: lab\n"
		"namespaces:\n"
		"  a: {interfaces: {eth0: {}}}\n"
		"  b:\n"
		"    interfaces: {eth0: {addresses: ['fd01::1/64', 'fd00::1/64']}}\n"
		"    routes: [{to: default, via: 'fd00::2'}]\n"
		"links: [['a:eth0', 'b:eth0']]\n";
	struct trial t = {.f = *state};

	renew(t.f);
	write_lab(t.f, text);
	fake_fail(t.f->machine, (struct fake_faults){.unconnected = true});
	assert_int_equal(apply(t.f), EXIT_DONE);
}

static void expect_plan(const struct trial *t, const char *line)
{
	cleanup_buf struct buf out = {0};

	expect_status(t, "plan", run(t->f, command_plan, t->f->file), EXIT_DIFFERENCES);
	read_fd(t->f->out, &out);
	if (!strstr(buf_text(&out), line))
		wrong(t, "no line: %s", line);
}

/* The same, and no gateway depends on it: the second look notices. */
static void test_unconnected_unnoticed(void **state)
{
	struct trial t = {.f = *state};

	renew(t.f);
	write_lab(t.f, "name: lab\n"
		       "namespaces:\n"
		       "  a: {interfaces: {eth0: {}}}\n"
		       "  b: {interfaces: {eth0: {addresses: ['fd00::1/64']}}}\n"
		       "links: [['a:eth0', 'b:eth0']]\n");
	fake_fail(t.f->machine, (struct fake_faults){.unconnected = true});
	assert_int_equal(run_options(t.f, command_apply, t.f->file, true), EXIT_DONE);
	expect_plan(&t, "fd00::1/64 on b:eth0 (the route to its network is missing)");
	assert_int_equal(apply(t.f), EXIT_DONE);
	expect_status(&t, "plan", run(t.f, command_plan, t.f->file), EXIT_DONE);
}

/* Routes of daemons are left alone, but not those that the lab made. */
static void test_dynamic_routes(void **state)
{
	static const char text[] = "name: lab\n"
				   "namespaces:\n"
				   "  a:\n"
				   "    ignore: {routes: [{proto: 99}]}\n"
				   "    processes: {one: {command: [%s]}}\n"
				   "    routes: [%s]\n";
	static const char routes[] = "{to: 10.1.0.0/16, type: blackhole, proto: bird}, "
				     "{to: 'fd00::/16', type: unreachable, proto: 99}";
	const struct trial t = {.f = *state};
	cleanup_buf struct buf without = {0}, with = {0}, failing = {0}, was = {0};

	buf_printf(&without, text, "stays", "");
	buf_printf(&with, text, "stays", routes);
	buf_printf(&failing, text, FAKE_MISSING, routes);
	renew(t.f);
	write_lab(t.f, buf_text(&without));
	expect_status(&t, "apply", apply(t.f), EXIT_DONE);
	all_state(t.f, &was);
	write_lab(t.f, buf_text(&failing));
	expect_status(&t, "failing apply", apply(t.f), EXIT_FAILED);
	expect_state(&t, "failing apply", &was);
	write_lab(t.f, buf_text(&with));
	expect_status(&t, "apply", apply(t.f), EXIT_DONE);
	expect_status(&t, "plan", run(t.f, command_plan, t.f->file), EXIT_DONE);
	write_lab(t.f, buf_text(&without));
	expect_plan(&t, "- route blackhole 10.1.0.0/16");
	expect_plan(&t, "- route unreachable fd00::/16");
	expect_status(&t, "apply", apply(t.f), EXIT_DONE);
	expect_state(&t, "without", &was);
	expect_destroyed(&t);
}

/* What the plan that failed made in place of another is another device, though it looks alike: it started
 * with other values, and has another MAC. */
static void test_replacement_goes(void **state)
{
	static const char text[] = "name: lab\n"
				   "namespaces:\n"
				   "  host:\n"
				   "    interfaces: {b1: {kind: bridge, ports: [e1]%s}, e1: {}}\n"
				   "  n:\n"
				   "    interfaces: {b2: {kind: bridge, ports: [e2]%s}, e2: {}}\n"
				   "    sysctl: {%s}\n"
				   "  o:\n"
				   "    interfaces: {e3: {%s}}\n"
				   "    sysctl: {%s}\n"
				   "  p: {interfaces: {e4: {}}%s}\n"
				   "links: [['host:e1', 'n:e2'], ['o:e3', 'p:e4']]\n";
	static const char bridge[] = ", mac: '02:00:00:00:00:01', addresses: [10.0.0.1/24]";
	static const char values[] = "net.ipv6.conf.default.hop_limit: 50";
	static const char end[] = "mac: '02:00:00:00:00:02'";
	struct trial t = {.f = *state};
	cleanup_buf struct buf was = {0}, first = {0}, second = {0};

	buf_printf(&first, text, bridge, bridge, "", end, "", "");
	buf_printf(&second, text, "", "", values, "", values,
		   ", processes: {bad: {command: [" FAKE_SHORT "]}}");
	renew(t.f);
	write_lab(t.f, buf_text(&first));
	expect_status(&t, "apply", apply(t.f), EXIT_DONE);
	all_state(t.f, &was);
	write_lab(t.f, buf_text(&second));
	expect_plan(&t, "-/+ link n:b2");
	expect_plan(&t, "-/+ link o:e3");
	expect_status(&t, "failing apply", apply(t.f), EXIT_FAILED);
	expect_state(&t, "failing apply", &was);
	expect_destroyed(&t);
}

/* What a file says of an interface that comes home goes back to what it was before it was away. */
static void test_set_when_home_again(void **state)
{
	static const char *const keys[] = {"master: old", "mtu: 1300", "state: down",
					   "mac: '02:00:00:00:00:01'"};
	const struct trial t = {.f = *state};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		cleanup_buf struct buf text = {0};

		renew(t.f);
		write_lab(t.f, "name: lab\n"
			       "namespaces: {a: {interfaces: {moved: {from: 'host:nic0'}}}}\n");
		expect_status(&t, "apply", apply(t.f), EXIT_DONE);
		buf_printf(&text, "name: lab\nnamespaces: {host: {interfaces: {nic0: {%s}}}}\n",
			   keys[i]);
		write_lab(t.f, buf_text(&text));
		expect_status(&t, keys[i], apply(t.f), EXIT_DONE);
		expect_destroyed(&t);
	}
}

/* --- processes ------------------------------------------------------------------------------------------- */

static const char processes[] = "name: lab\n"
				"namespaces:\n"
				"  a:\n"
				"    processes:\n"
				"      one: {command: [stays], ready: {tcp: 8080}}\n"
				"      two: {command: [%s]}\n";

static void write_processes(const struct fixture *f, const char *command)
{
	cleanup_buf struct buf text = {0};

	buf_printf(&text, processes, command);
	write_lab(f, buf_text(&text));
}

static void end_process(const struct fixture *f, const char *name)
{
	struct kernel *k = NULL;

	(void)f;
	kernel_open(&k, NULL);
	fake_end_process(k, name);
	kernel_close(k);
}

/* What has ended is started again, what changed is started anew, and the other one goes on. */
static void test_process_changes(void **state)
{
	const struct trial t = {.f = *state};

	renew(t.f);
	write_processes(t.f, "other");
	expect_status(&t, "apply", apply(t.f), EXIT_DONE);
	assert_int_equal(t.f->machine->last_pid, 2);
	end_process(t.f, "one");
	expect_plan(&t, "+ process a:one (stays) (it has ended)\n");
	expect_status(&t, "apply", apply(t.f), EXIT_DONE);
	assert_int_equal(t.f->machine->last_pid, 3);
	write_processes(t.f, "changed");
	expect_plan(&t, "-/+ process a:two: command other -> changed (nothing of it can change");
	expect_status(&t, "apply", apply(t.f), EXIT_DONE);
	assert_int_equal(t.f->machine->last_pid, 4);
	end_process(t.f, "two");
	expect_destroyed(&t);
}

/* One that is not to be found, or does not stay: all is as before, with those that were stopped. */
static void test_process_fails(void **state)
{
	static const char *const commands[] = {FAKE_MISSING, FAKE_SHORT};
	const struct trial t = {.f = *state};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		cleanup_buf struct buf was = {0};

		renew(t.f);
		write_processes(t.f, commands[i]);
		expect_status(&t, "failing apply", apply(t.f), EXIT_FAILED);
		expect_state(&t, "failing apply", &t.f->before);
		write_processes(t.f, "other");
		expect_status(&t, "apply", apply(t.f), EXIT_DONE);
		all_state(t.f, &was);
		write_processes(t.f, commands[i]);
		expect_status(&t, "failing apply", apply(t.f), EXIT_FAILED);
		expect_state(&t, "failing apply over another", &was);
		expect_destroyed(&t);
	}
}

/* Thousands of labs are read and forgotten here. Memory that goes back to the kernel each time comes
 * page by page again, which takes most of the time. */
int malloc_trim(size_t pad)
{
	(void)pad;
	return 0;
}

static void keep_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_converges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_and_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_apply_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_way_back_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_way_back_of_moves_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_route, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unconnected, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unconnected_unnoticed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dynamic_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replacement_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_when_home_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_process_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_process_fails, setup, teardown),
	};

	keep_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
