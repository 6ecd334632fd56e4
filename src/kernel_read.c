/* SPDX-License-Identifier: MIT */
/* Kernel -> model: which namespaces, in what order.
 *
 * Asks only what does not change anything. The model that results owns
 * everything in it; struct reader and what hangs on it lives for one reading.
 * Each namespace costs a handful of dumps over a socket that stays open. The dumps of one
 * do not wait for those of another in the kernel, so when there are many namespaces,
 * several threads read them, each into an arena of its own. */
#include "kernel_internal.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

/* Fewer are read before a thread has started. */
#define NETNS_PER_THREAD 100
#define THREADS_MAX 8
#define THREAD_STACK (256u << 10)

/* --- which ones -------------------------------------------------------------------------- */

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
	struct netns *live = model_add_netns(r->live, want->name, want->class);

	live->pid = want->pid;
	live->path = want->path ? arena_strdup(&r->live->arena, want->path) : NULL;
	live->handle = HANDLE_NONE;
	return live;
}

/* The namespace as it was read earlier, where it has not changed; or NULL. */
static struct netns *find_unchanged(const struct reader *r, const struct netns *want)
{
	struct netns *known = r->known ? model_find_netns(r->known, want->name) : NULL;

	return known && !known->touched ? known : NULL;
}

static void add_stray(struct reader *r, int dir, const struct netns *want)
{
	struct netns *live = add_live(r, want);
	cleanup_close int file = kernel_open_stray(dir, want->name);

	live->stray = true;
	live->empty = file >= 0;
}

static int find_netns(struct reader *r, int dir, const struct netns *want)
{
	struct netns *unchanged = find_unchanged(r, want);
	struct found_netns *f;
	struct netns *live;
	int handle = HANDLE_NONE, error;

	if (unchanged) {
		array_add(&r->live->namespaces, unchanged);
		return 0;
	}
	error = kernel_open_netns(r->k, dir, want, &handle, r->d);
	if (error == -ESTALE && want->class == NETNS_OWNED)
		add_stray(r, dir, want);
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

/* --- reading them -------------------------------------------------------------------------- */

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

/* What the threads of one reading share. */
struct work {
	struct found_netns *items;
	size_t n;
	atomic_size_t next;
	atomic_bool failed; /* reading stops at the first error */
	bool deep;
};

/* Reads for another thread. What it shares with the others, nobody changes meanwhile. */
struct helper {
	pthread_t thread;
	struct kernel kernel; /* the same spaces, but buffers and a place of its own */
	struct reader reader;
	struct diags diags;
	struct work *work;
	int result;
};

static int do_work(struct reader *r, struct work *w)
{
	int result = 0;

	while (!result && !atomic_load(&w->failed)) {
		size_t i = atomic_fetch_add(&w->next, 1);

		if (i >= w->n)
			break;
		r->now = &w->items[i];
		result = read_netns(r, w->deep);
	}
	if (result)
		atomic_store(&w->failed, true);
	return result;
}

static void *help(void *arg)
{
	struct helper *h = arg;

	h->result = do_work(&h->reader, h->work);
	return NULL;
}

static bool start_helper(struct helper *h, const struct reader *r, struct work *w)
{
	pthread_attr_t attr;
	int error;

	h->work = w;
	h->kernel = *r->k;
	h->kernel.message = NULL;
	h->kernel.reply = NULL;
	h->kernel.reply_size = 0;
	h->kernel.proc = -1;
	h->kernel.proc_uses = 0;
	h->reader = (struct reader){.k = &h->kernel, .scope = r->scope, .d = &h->diags};
	h->reader.live = model_new();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	error = pthread_create(&h->thread, &attr, help, h);
	pthread_attr_destroy(&attr);
	if (error)
		model_free(h->reader.live);
	return !error;
}

static int end_helper(struct helper *h, struct reader *r)
{
	pthread_join(h->thread, NULL);
	array_free(&h->reader.connected);
	arena_absorb(&r->live->arena, &h->reader.live->arena);
	model_free(h->reader.live);
	diags_absorb(r->d, &h->diags);
	if (h->kernel.message)
		nlmsg_free(h->kernel.message);
	if (h->kernel.proc >= 0)
		close(h->kernel.proc);
	free(h->kernel.reply);
	return h->result;
}

/* How many threads beside this one help. */
static size_t count_helpers(size_t namespaces)
{
	size_t n = namespaces / NETNS_PER_THREAD;
	cpu_set_t cpus;

	if (n < 2 || sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return 0;
	n = n < (size_t)CPU_COUNT(&cpus) ? n : (size_t)CPU_COUNT(&cpus);
	return (n < THREADS_MAX ? n : THREADS_MAX) - 1;
}

/* A thread that cannot be had is no error: the others do its work. */
static int read_found(struct reader *r, bool deep)
{
	struct work work = {.items = r->found.items, .n = r->found.n, .deep = deep};
	size_t helpers = count_helpers(r->found.n), started = 0;
	struct helper *list = helpers ? xcalloc(helpers, sizeof(*list)) : NULL;
	int result, error;

	if (helpers) /* a heap for each would cost 64 MiB of addresses, and they allocate little */
		mallopt(M_ARENA_MAX, 1);
	while (started < helpers && start_helper(&list[started], r, &work))
		started++;
	result = do_work(r, &work);
	for (size_t i = 0; i < started; i++) {
		error = end_helper(&list[i], r);
		result = result ? result : error;
	}
	free(list);
	return result;
}

/* What is refused to one namespace is refused to all that follow: told once. */
static int no_files(const struct reader *r, int error)
{
	if (error == -EMFILE)
		diag_hint(r->d, FILES_HINT "; of namespaces there are %zu", r->scope->namespaces.n);
	return error;
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
			if (error == -EMFILE || error == -ENFILE)
				return no_files(r, error);
		}
	/* What can be told about all namespaces has been told. */
	if (!result)
		result = read_found(r, deep);
	if (!result)
		result = read_processes(r);
	return result ? result : resolve_peers(r);
}

int kernel_read(struct kernel *k, const struct model *scope, bool deep, const struct model *known,
		struct model **ret_live, struct diags *d)
{
	struct reader r = {.k = k, .scope = scope, .known = known, .live = model_new(), .d = d};
	int error = k->lost ? diag_error(d, -EIO, NO_MARK, "cannot go back to our own namespace")
			    : read_all(&r, deep);

	kernel_leave(k);
	array_each(&r.found, f) {
		array_free(&f->links);
		netns_sort(f->live);
	}
	array_free(&r.found);
	array_free(&r.connected);
	if (error) {
		model_free(r.live);
		return error;
	}
	model_sort_namespaces(r.live);
	*ret_live = r.live;
	return 0;
}
