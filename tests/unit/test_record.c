/* SPDX-License-Identifier: MIT */
/* Records and the run folder: what is written is read back, what is not ours or
 * not whole is refused, one process at a time, and nothing is left behind. */
#include "load.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define BOOT "3c1a6cbb-6a5e-4d4e-9d0c-5b0f0a1a2b3c"

struct fixture {
	char base[64], dir[96];
	struct diags d;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->base, "/tmp/nsapply-record-XXXXXX");
	assert_non_null(mkdtemp(f->base));
	snprintf(f->dir, sizeof(f->dir), "%s/run", f->base);
	setenv("NSAPPLY_RUNDIR", f->dir, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	/* whatever a test opened for writing and closed, an empty run folder is gone */
	assert_int_equal(rmdir(f->base), 0);
	diags_free(&f->d);
	free(f);
	return 0;
}

static int open_rundir(enum rundir_use use, unsigned timeout, struct rundir **ret_dir,
		       struct diags *d)
{
	return rundir_open(use, &(struct waiting){.timeout = timeout}, ret_dir, d);
}

static struct rundir *must_open(struct fixture *f)
{
	struct rundir *dir = NULL;

	assert_int_equal(open_rundir(RUNDIR_MAKE, 0, &dir, &f->d), 0);
	assert_non_null(dir);
	return dir;
}

static void path_of(const struct fixture *f, const char *name, char path[static 160])
{
	snprintf(path, 160, "%s/%s", f->dir, name);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
	char path[160];
	FILE *file;

	path_of(f, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[160];
	struct stat st;

	path_of(f, name, path);
	return lstat(path, &st) == 0;
}

static const char *said(const struct fixture *f)
{
	return f->d.list.n ? f->d.list.items[f->d.list.n - 1].message : "";
}

static void assert_said(const struct fixture *f, const char *part)
{
	if (!strstr(said(f), part))
		fail_msg("\"%s\" does not say \"%s\"", said(f), part);
}

/* The attributes of a route, as many as there may be. */
static const char *found_route(void)
{
	static char digits[2 * FOUND_ROUTE_MAX + 1];

	memset(digits, 'a', sizeof(digits) - 1);
	return digits;
}

static struct record *sample(const char *lab)
{
	struct record *r = record_new(lab, "/tmp/to po\"$(x).yaml", BOOT, UINT64_MAX);
	struct netns *n = model_add_netns(r->made, "it's\"#$(x)`*\\", NETNS_OWNED);
	struct netns *host = model_add_netns(r->before, HOST, NETNS_HOST);
	struct link *l;
	struct route *route;
	struct ip ip;

	n->cookie = 4711;
	model_add_netns(r->made, "no", NETNS_OWNED)->cookie = 4712;
	l = netns_add_link(r->before, host, "eth0");
	l->mtu = 1400;
	l->given = LINK_BIT("mtu");
	assert_int_equal(ip_parse("10.0.0.1/24", true, &ip), 0);
	link_add_address(r->before, l, &ip)->given = attr_bit(&address_table, "address");
	netns_add_sysctl(r->before, host, "ipv4/ip_forward", "0");
	route = netns_add_route(r->before, host);
	assert_int_equal(ip_parse("2001:db8::/32", true, &route->to), 0);
	route->given = attr_bit(&route_table, "to");
	route->found = arena_strdup(&r->before->arena, found_route());
	model_sort(r->made);
	model_sort(r->before);
	return r;
}

static void save(struct fixture *f, struct rundir *dir, const char *lab)
{
	struct record *r = sample(lab);

	assert_int_equal(rundir_lock_lab(dir, lab, true, &f->d), 0);
	assert_int_equal(record_save(dir, r, &f->d), 0);
	record_free(r);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct record *r = NULL;
	struct stat st;
	char path[160];

	save(f, dir, "lab");
	path_of(f, "lab/record", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	path_of(f, "lab", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	assert_int_equal(record_load(dir, "lab", BOOT, &r, &f->d), 0);
	assert_int_equal(f->d.errors, 0);
	assert_non_null(r);
	assert_string_equal(r->lab, "lab");
	assert_string_equal(r->file, "/tmp/to po\"$(x).yaml");
	assert_string_equal(r->boot_id, BOOT);
	assert_true(r->host_cookie == UINT64_MAX);
	assert_int_equal(r->made->namespaces.n, 2);
	struct netns *n = model_find_netns(r->made, "it's\"#$(x)`*\\");
	assert_non_null(n);
	assert_int_equal(n->cookie, 4711);
	assert_non_null(model_find_netns(r->made, "no"));
	n = model_find_netns(r->before, HOST);
	assert_non_null(n);
	assert_int_equal(n->class, NETNS_HOST);
	struct link *l = netns_find_link(n, "eth0");
	assert_non_null(l);
	assert_int_equal(l->mtu, 1400);
	assert_int_equal(l->given & (LINK_BIT("mtu") | LINK_BIT("mac")), LINK_BIT("mtu"));
	assert_int_equal(l->addresses.n, 1);
	assert_string_equal(netns_find_sysctl(n, "ipv4/ip_forward")->value, "0");
	assert_int_equal(n->routes.n, 1);
	assert_string_equal(n->routes.items[0]->found, found_route());

	/* what was loaded can be saved again, to the same bytes */
	assert_int_equal(record_save(dir, r, &f->d), 0);
	record_free(r);
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	assert_false(exists(f, "lab"));
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
	assert_false(exists(f, "."));
}

/* A process that is all there can be, read back as it was. */
static void test_processes(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct record *r = sample("lab"), *again = NULL;
	struct process *p = model_add_process(r->made, "it's\"#$(x)`*\\", "one");
	const struct process *q;

	assert_int_equal(rundir_lock_lab(dir, "lab", true, &f->d), 0);
	array_add(&p->command, "sh");
	array_add(&p->command, "");
	array_add(&p->command, "null");
	array_add(&p->command, "a: [b]\n\t\x7f\xc3\xbc\xe2\x80\xae");
	array_add(&p->env, ((struct variable){"A", "x y\n"}));
	array_add(&p->env, ((struct variable){"B", ""}));
	p->input = "OK\n";
	p->user = "33:33";
	p->given = attr_bit(&process_table, "stdin") | attr_bit(&process_table, "user");
	p->pid = 4711;
	p->started = UINT64_MAX;
	p->space = 4026531836;
	p->ends = true;
	assert_int_equal(record_save(dir, r, &f->d), 0);
	assert_int_equal(record_load(dir, "lab", BOOT, &again, &f->d), 0);
	assert_int_equal(again->made->processes.n, 1);
	q = again->made->processes.items[0];
	assert_int_equal(process_compare(p, q), 0);
	assert_int_equal(process_differences(p, q), 0);
	assert_true(q->pid == 4711 && q->started == UINT64_MAX && q->space == 4026531836 &&
		    q->ends);
	/* What runs now in its place was not told to end. */
	p->pid = 4712;
	p->ends = false;
	record_take_processes(again, r);
	assert_true(q->pid == 4712 && !q->ends);
	record_drop_process(again, p);
	assert_int_equal(again->made->processes.n, 0);
	record_free(r);
	record_free(again);
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
}

static void test_nothing_there(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = NULL;
	struct record *r = (struct record *)f;

	assert_int_equal(open_rundir(RUNDIR_READ, 0, &dir, &f->d), -ENOENT);
	assert_int_equal(f->d.errors, 0);
	assert_null(dir);
	assert_false(exists(f, "."));
	dir = must_open(f);
	assert_int_equal(record_load(dir, "lab", BOOT, &r, &f->d), 0);
	assert_null(r);
	rundir_close(dir, &f->d);
	rundir_close(NULL, &f->d);
	record_free(NULL);
}

static void test_read_only_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = NULL;

	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(open_rundir(RUNDIR_READ, 0, &dir, &f->d), -ENOENT);
	assert_false(exists(f, ".lock"));
	dir = must_open(f);
	save(f, dir, "lab");
	rundir_close(dir, &f->d);
	assert_int_equal(open_rundir(RUNDIR_READ, 0, &dir, &f->d), 0);
	rundir_close(dir, &f->d);
	assert_true(exists(f, "lab/record"));

	/* a lab that is destroyed takes all of it away */
	assert_int_equal(open_rundir(RUNDIR_REMOVE, 0, &dir, &f->d), 0);
	assert_int_equal(rundir_lock_lab(dir, "lab", false, &f->d), 0);
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
	assert_false(exists(f, "."));
}

/* Where there is too little of something to tidy up, that is told, and done by the next run. */
static void test_what_cannot_be_tidied_up(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct rlimit all, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = all;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rundir_close(dir, &f->d);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(f->d.errors, 0);
	assert_int_equal(f->d.warnings, 1);
	assert_true(exists(f, ".lock"));

	rundir_close(must_open(f), &f->d);
	assert_int_equal(f->d.warnings, 1);
	assert_false(exists(f, "."));
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct arena a = {0};
	const char **names;
	char path[160];
	size_t n;

	save(f, dir, "zeta");
	save(f, dir, "alpha");
	path_of(f, "empty", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(f, "not a lab", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(f, "link", path);
	assert_int_equal(symlink("alpha", path), 0);
	write_file(f, "file", "");
	assert_int_equal(rundir_list(dir, &a, &names, &n, &f->d), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "alpha");
	assert_string_equal(names[1], "zeta");
	arena_free(&a);

	unlink(path);
	path_of(f, "file", path);
	unlink(path);
	path_of(f, "not a lab", path);
	rmdir(path);
	/* left by a save that was killed */
	write_file(f, "empty/.record.new", "half");
	assert_int_equal(record_remove(dir, "zeta", &f->d), 0);
	assert_int_equal(record_remove(dir, "alpha", &f->d), 0);
	rundir_close(dir, &f->d);
}

static void assert_damaged(struct fixture *f, const char *text, int code, const char *part)
{
	struct rundir *dir = must_open(f);
	struct record *untouched = (struct record *)f, *r = untouched;

	save(f, dir, "lab");
	write_file(f, "lab/record", text);
	int result = record_load(dir, "lab", BOOT, &r, &f->d);
	if (result != code)
		fail_msg("%d, not %d, for: %s", result, code, text);
	assert_said(f, "lab/record");
	assert_said(f, part);
	assert_non_null(f->d.list.items[f->d.list.n - 1].hint);
	/* still there: it was not guessed over */
	assert_true(exists(f, "lab/record"));
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
}

#define END "...\n"
#define HEAD "version: 3\nlab: lab\nfile: \"-\"\nboot: " BOOT "\n"
#define STARTED(netns, name, when)                                                    \
	HEAD "host: 1\nmade: {}\nbefore: {}\nprocesses:\n"                            \
	     "  - {namespace: " netns ", name: " name ", pid: 4711, started: \"" when \
	     "\", space: \"1\", command: [x]}\n" END

static void test_damaged(void **state)
{
	struct fixture *f = *state;

	assert_damaged(f, "", -EINVAL, "empty");
	assert_damaged(f, "{", -EINVAL, "line ");
	assert_damaged(f, "- a\n", -EINVAL, "it is a list");
	assert_damaged(f, "lab: lab\n", -EINVAL, "\"version\" is missing");
	assert_damaged(f, "version: 2\n", -EPROTO, "version 2 is not one");
	assert_damaged(f, "version: 4\n", -EPROTO, "version 4 is not one");
	assert_damaged(f, "version: 3\nboot: [a]\n" END, -EINVAL, "line 2: \"boot\" is a list");
	assert_damaged(f, HEAD "host: \"1\"\nmade: {}\n" END, -EINVAL, "\"before\" is missing");
	assert_damaged(f, HEAD "host: -1\nmade: {}\nbefore: {}\n" END, -EINVAL, "no number");
	assert_damaged(f, HEAD "host: 99999999999999999999\nmade: {}\nbefore: {}\n" END, -EINVAL,
		       "no number");
	assert_damaged(f, HEAD "host: 1\nmade: {}\nbefore: {}\nmore: 1\n" END, -EINVAL,
		       "unknown key");
	assert_damaged(f, HEAD "host: 1\nmade: {a/b: {}}\nbefore: {}\n" END, -EINVAL, "line 6");
	assert_damaged(f,
		       HEAD "host: 1\nmade: {a: {interfaces: {e: {index: x}}}}\nbefore: {}\n" END,
		       -EINVAL, "an index must be a number");
	assert_damaged(
		f, HEAD "host: 1\nmade: {}\nbefore: {host: {interfaces: {e: {lower: 0}}}}\n" END,
		-EINVAL, "an index must be a number");
	assert_damaged(f, STARTED("a", "p", "-1"), -EINVAL, "started must be a number");
	assert_damaged(f, STARTED("a/b", "p", "1"), -EINVAL, "it has no legal name");
	assert_damaged(f,
		       HEAD "host: 1\nmade: {}\n"
			    "before: {a: {processes: {p: {command: [x], log: there}}}}\n" END,
		       -EINVAL, "log is no path: 'there'");
	assert_damaged(f, HEAD "host: 1\nmade: {}\nbefore: {}\n", -EINVAL, "its end is missing");
	assert_damaged(f,
		       "version: 3\nlab: other\nfile: x\nboot: " BOOT
		       "\nhost: 1\nmade: {}\nbefore: {}\n" END,
		       -EINVAL, "another lab");
}

/* Wherever its end is missing: what is left is not taken for all that the lab holds. */
static void test_cut_off(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	char text[16384], path[160];
	size_t size, whole;
	FILE *file;

	save(f, dir, "lab");
	path_of(f, "lab/record", path);
	file = fopen(path, "r");
	assert_non_null(file);
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	assert_in_range(size, 1, sizeof(text) - 1);
	whole = size;
	while (size-- > 0) {
		struct record *r = (struct record *)f;
		bool is_end_of_line = text[size] == '\n' || (size && text[size - 1] == '\n');

		text[size] = '\0';
		if (!is_end_of_line && size < whole - 200)
			continue;
		unlink(path); /* some file systems wait for the disk when a file is cut */
		write_file(f, "lab/record", text);
		if (record_load(dir, "lab", BOOT, &r, &f->d) >= 0)
			fail_msg("read after %zu bytes", size);
		diags_free(&f->d);
	}
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
}

static void test_other_boot(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct record *r = (struct record *)f;

	save(f, dir, "lab");
	assert_int_equal(record_load(dir, "lab", "another boot", &r, &f->d), 0);
	assert_null(r);
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
}

static void test_names(void **state)
{
	static const char *const names[] = {"..", "a/b", "", ".lock", "../lab"};
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct record *r;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(record_load(dir, names[i], BOOT, &r, &f->d), -EINVAL);
		assert_int_equal(record_remove(dir, names[i], &f->d), -EINVAL);
	}
	rundir_close(dir, &f->d);
}

static void test_not_ours(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = NULL;
	char path[160];

	assert_int_equal(mkdir(f->dir, 0755), 0);
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(open_rundir(RUNDIR_MAKE, 0, &dir, &f->d), -EPERM);
	assert_said(f, "mode 0755");
	if (geteuid() == 0) {
		assert_int_equal(chmod(f->dir, 0700), 0);
		assert_int_equal(chown(f->dir, 1, 1), 0);
		assert_int_equal(open_rundir(RUNDIR_MAKE, 0, &dir, &f->d), -EPERM);
		assert_said(f, "belongs to user 1");
	}
	assert_int_equal(rmdir(f->dir), 0);
	snprintf(path, sizeof(path), "%s/real", f->base);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlink(path, f->dir), 0);
	assert_true(open_rundir(RUNDIR_MAKE, 0, &dir, &f->d) < 0);
	setenv("NSAPPLY_RUNDIR", "relative", 1);
	assert_int_equal(open_rundir(RUNDIR_MAKE, 0, &dir, &f->d), -EINVAL);
	assert_null(dir);
	unlink(f->dir);
	rmdir(path);
}

static void test_lab_not_ours(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct record *r, *mine = sample("lab");
	char path[160], target[160];

	path_of(f, "lab", path);
	path_of(f, "target", target);
	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(symlink("target", path), 0);
	assert_true(rundir_lock_lab(dir, "lab", true, &f->d) < 0);
	assert_true(record_save(dir, mine, &f->d) < 0);
	assert_true(record_load(dir, "lab", BOOT, &r, &f->d) < 0);
	assert_false(exists(f, "target/record"));
	assert_int_equal(unlink(path), 0);
	assert_true(record_save(dir, mine, &f->d) < 0);
	assert_int_equal(rundir_lock_lab(dir, "lab", true, &f->d), 0);

	/* a link where the record should be is not followed, and not written through */
	assert_int_equal(record_save(dir, mine, &f->d), 0);
	path_of(f, "lab/record", path);
	assert_int_equal(unlink(path), 0);
	write_file(f, "target/victim", "kept");
	path_of(f, "target/victim", target);
	assert_int_equal(symlink(target, path), 0);
	assert_true(record_load(dir, "lab", BOOT, &r, &f->d) < 0);
	assert_int_equal(record_save(dir, mine, &f->d), 0);
	struct stat st;
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 4);
	record_free(mine);
	assert_int_equal(unlink(target), 0);
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
}

/* A slash at the end would have links followed. */
static void test_path_with_a_slash(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = NULL;
	char path[160];

	snprintf(path, sizeof(path), "%s//", f->dir);
	setenv("NSAPPLY_RUNDIR", path, 1);
	rundir_close(must_open(f), &f->d);
	assert_int_equal(symlink(f->base, f->dir), 0);
	assert_true(open_rundir(RUNDIR_MAKE, 0, &dir, &f->d) < 0);
	assert_said(f, "Not a directory");
	assert_int_equal(unlink(f->dir), 0);
}

/* What is in the record's place and is none: nothing is read, nor waited for. */
static void test_record_is_no_record(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);
	struct record *r = NULL;
	char path[160];

	path_of(f, "lab", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(f, "lab/record", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(record_load(dir, "lab", BOOT, &r, &f->d), -EPERM);
	assert_int_equal(unlink(path), 0);

	write_file(f, "lab/record", "");
	assert_int_equal(truncate(path, (off_t)DOCUMENT_MAX_BYTES + 1), 0);
	assert_int_equal(record_load(dir, "lab", BOOT, &r, &f->d), -EFBIG);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(record_load(dir, "lab", BOOT, &r, &f->d), -EPERM);
	assert_true(record_remove(dir, "lab", &f->d) < 0);
	assert_said(f, "cannot remove");
	assert_null(r);
	assert_int_equal(rmdir(path), 0);
	rundir_close(dir, &f->d);
}

/* Takes the lock in a child, which keeps it until it is killed or `end` is closed. */
static pid_t hold_lock(int *ret_end)
{
	int ready[2], end[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct rundir *dir = NULL;
		struct diags d = {0};

		close(end[1]);
		if (open_rundir(RUNDIR_MAKE, 0, &dir, &d) < 0)
			_exit(1);
		close(ready[1]);
		(void)!read(end[0], &c, 1);
		rundir_close(dir, &d);
		_exit(0);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	*ret_end = end[1];
	return pid;
}

static void test_lock(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = NULL;
	char pid_text[32];
	int end;
	pid_t pid = hold_lock(&end);

	assert_int_equal(open_rundir(RUNDIR_MAKE, 0, &dir, &f->d), -EAGAIN);
	snprintf(pid_text, sizeof(pid_text), "(pid %d)", pid);
	assert_said(f, pid_text);
	assert_int_equal(open_rundir(RUNDIR_READ, 0, &dir, &f->d), -EAGAIN);
	assert_int_equal(open_rundir(RUNDIR_MAKE, 1, &dir, &f->d), -EAGAIN);

	/* The holder removes folder and lock as it goes: whoever waits must end up with those
	 * that are there afterwards. */
	pid_t waiter = fork();
	if (waiter == 0) {
		usleep(100000);
		close(end);
		_exit(0);
	}
	close(end);
	assert_int_equal(open_rundir(RUNDIR_MAKE, 20, &dir, &f->d), 0);
	assert_true(exists(f, ".lock"));
	waitpid(pid, NULL, 0);
	waitpid(waiter, NULL, 0);
	save(f, dir, "lab");
	assert_true(exists(f, "lab/record"));
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
}

static void test_lock_of_the_dead(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir;
	int end;
	pid_t pid = hold_lock(&end);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(end);
	dir = must_open(f);
	rundir_close(dir, &f->d);
}

/* Many at once: never two inside, and the last one leaves nothing. */
static void test_crowd(void **state)
{
	struct fixture *f = *state;
	char path[160];
	pid_t pids[8];

	snprintf(path, sizeof(path), "%s/inside", f->base);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		for (int round = 0; round < 25; round++) {
			struct rundir *dir = NULL;
			struct diags d = {0};

			if (open_rundir(RUNDIR_MAKE, 60, &dir, &d) < 0)
				_exit(1);
			int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
			if (fd < 0)
				_exit(2);
			close(fd);
			usleep(200);
			unlink(path);
			rundir_close(dir, &d);
		}
		_exit(0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		waitpid(pids[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_false(exists(f, "."));
}

/* Killed at any moment, a writer leaves the old record or the new one. */
static void test_atomic(void **state)
{
	struct fixture *f = *state;
	struct rundir *dir = must_open(f);

	save(f, dir, "lab");
	for (int round = 0; round < 40; round++) {
		struct record *r = NULL;
		pid_t pid = fork();

		if (pid == 0) {
			struct record *mine = sample("lab");
			struct diags d = {0};

			for (;;)
				if (record_save(dir, mine, &d) < 0)
					_exit(1);
		}
		usleep(1000 + 137 * (unsigned)round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_int_equal(record_load(dir, "lab", BOOT, &r, &f->d), 0);
		assert_non_null(r);
		record_free(r);
	}
	assert_int_equal(record_remove(dir, "lab", &f->d), 0);
	rundir_close(dir, &f->d);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_processes),
		TEST(test_nothing_there),
		TEST(test_read_only_writes_nothing),
		TEST(test_what_cannot_be_tidied_up),
		TEST(test_list),
		TEST(test_damaged),
		TEST(test_cut_off),
		TEST(test_other_boot),
		TEST(test_names),
		TEST(test_not_ours),
		TEST(test_lab_not_ours),
		TEST(test_path_with_a_slash),
		TEST(test_record_is_no_record),
		TEST(test_lock),
		TEST(test_lock_of_the_dead),
		TEST(test_crowd),
		TEST(test_atomic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
