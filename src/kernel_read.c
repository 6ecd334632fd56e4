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
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILES_PER_NETNS 2
#define FILES_BESIDE 64
/* Another one was refused before it was its turn. No errno. */
#define NOT_OPENED 1

/* --- which ones -------------------------------------------------------------------------- */

/* Two names for one namespace: whatever the file says of one holds for the other too. */
static int check_unique(struct reader *r, const struct netns *want, int handle)
{
	array_each(&r->found, f) {
		if (f->live->handle != handle || want->absent || f->want->absent)
			continue;
		diag_error(r->d, -EINVAL, want->mark.line ? want->mark : f->want->mark,
			   "%s and %s are the same namespace", f->live->name, want->name);
		if (!want->mark.line != !f->want->mark.line)
			diag_hint(r->d, "the lab was applied with the other name: keep that, or "
					"destroy the lab first");
		return -EINVAL;
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

static void add_stray(struct reader *r, const struct netns *want)
{
	struct netns *live = add_live(r, want);
	cleanup_close int file = kernel_open_stray(r->dir, want->name);

	live->stray = true;
	live->empty = file >= 0;
}

static bool no_more_files(int error)
{
	return error == -EMFILE || error == -ENFILE;
}

static int open_netns(void *reader, size_t i)
{
	struct reader *r = reader;
	struct opening *o = &r->openings.items[i];

	o->error = kernel_hold_netns(r->k, r->dir, o->want, !o->outline, &o->space, &o->handle);
	return no_more_files(o->error) ? o->error : 0; /* each one that follows would be refused */
}

/* One that was only looked up so far, or is so under another name, has no socket yet. What refuses one refuses
 * to open the namespace. */
static void hold(struct reader *r, struct opening *o)
{
	int socket;

	if (o->error)
		return;
	if (o->handle == HANDLE_NONE)
		o->handle = kernel_add_space(r->k, &o->space);
	socket = o->outline ? 0 : netlink_socket(r->k, o->handle);
	o->error = socket < 0 ? socket : 0;
}

/* What came of opening it. */
static int add_found(struct reader *r, struct opening *o)
{
	const struct netns *want = o->want;
	struct found_netns *f;
	struct netns *live;

	if (o->error == -ESTALE && want->class == NETNS_OWNED)
		add_stray(r, want);
	if (o->error == -ENOENT || o->error == -ESTALE || o->error == NOT_OPENED)
		return 0;
	if (o->error)
		return kernel_open_failed(want, o->error, r->d);
	if (netns_is_external(want) && check_unique(r, want, o->handle) < 0)
		return -EINVAL;
	live = add_live(r, want);
	live->handle = o->handle;
	live->cookie = kernel_space(r->k, o->handle)->cookie;
	f = array_push(&r->found);
	f->live = live;
	f->want = want;
	f->outline = o->outline;
	return 0;
}

/* --- reading them -------------------------------------------------------------------------- */

static int read_now(struct reader *r)
{
	int error;

	if (r->now->outline)
		return 0;
	error = read_links(r);
	if (error)
		return error;
	ask_expected_peers(r);
	error = read_addresses(r);
	if (!error)
		error = read_routes(r);
	if (!error)
		read_sysctls(r);
	return error;
}

static int read_netns(void *reader, size_t i)
{
	struct reader *r = reader;

	r->now = &r->found.items[i];
	return r->now->again ? 0 : read_now(r);
}

/* Works in another thread, with buffers and a place of its own. What it shares with the others, nobody
 * changes meanwhile. */
struct helper {
	struct kernel kernel;
	struct reader reader;
	struct diags diags;
};

static void prepare_helper(struct helper *h, const struct reader *r)
{
	h->kernel = *r->k;
	h->kernel.message = NULL;
	h->kernel.reply = NULL;
	h->kernel.reply_size = 0;
	h->kernel.proc = -1;
	h->kernel.proc_uses = 0;
	h->reader = *r;
	h->reader.k = &h->kernel;
	h->reader.d = &h->diags;
	h->reader.live = model_new();
	memset(&h->reader.connected, 0, sizeof(h->reader.connected));
}

static void absorb_helper(struct reader *r, struct helper *h)
{
	array_free(&h->reader.connected);
	arena_absorb(&r->live->arena, &h->reader.live->arena);
	model_free(h->reader.live);
	diags_absorb(r->d, &h->diags);
	if (h->kernel.message)
		nlmsg_free(h->kernel.message);
	if (h->kernel.proc >= 0)
		close(h->kernel.proc);
	free(h->kernel.reply);
}

static int do_all(struct reader *r, thread_step *step, size_t n)
{
	size_t threads = threads_worth(n);
	struct helper *helpers = threads > 1 ? xcalloc(threads - 1, sizeof(*helpers)) : NULL;
	void *readers[THREADS_MAX] = {r};
	int error;

	for (size_t i = 1; i < threads; i++) {
		prepare_helper(&helpers[i - 1], r);
		readers[i] = &helpers[i - 1].reader;
	}
	error = threads_run(step, n, readers, threads);
	for (size_t i = 1; i < threads; i++)
		absorb_helper(r, &helpers[i - 1]);
	free(helpers);
	return error;
}

/* Under two names, one of which goes, a namespace has one socket still, and two threads cannot use it. */
static void find_again(struct reader *r)
{
	bool *seen = xcalloc(r->k->spaces.n, sizeof(*seen));

	array_each(&r->found, f) {
		f->again = seen[f->live->handle];
		seen[f->live->handle] = true;
	}
	free(seen);
}

static int read_found(struct reader *r)
{
	int error;

	find_again(r);
	error = do_all(r, read_netns, r->found.n);
	array_each(&r->found, f) {
		r->now = f;
		if (!error && f->again)
			error = read_now(r);
	}
	return error;
}

/* What is refused to one namespace is refused to all that follow: told once. */
static int no_files(const struct reader *r, int error)
{
	if (error == -EMFILE)
		diag_hint(r->d, FILES_HINT "; of namespaces there are %zu", r->scope->namespaces.n);
	return error;
}

static void add_opening(struct reader *r, const struct netns *want)
{
	struct opening *o = array_push(&r->openings);

	o->want = want;
	o->outline = want->absent && !r->deep && !want->may_hold_moved;
	o->error = NOT_OPENED;
}

/* Owned ones first: then only what is external can turn out to be one of them. */
static void list_openings(struct reader *r)
{
	for (int external = 0; external < 2; external++)
		array_each(&r->scope->namespaces, want) {
			struct netns *unchanged = find_unchanged(r, *want);

			if (netns_is_external(*want) != (external == 1))
				continue;
			if (unchanged)
				array_add(&r->live->namespaces, unchanged);
			else
				add_opening(r, *want);
		}
}

/* The kernel's table of descriptors grows when it is full, and for several threads that takes RCU grace
 * periods, milliseconds each (expand_fdtable() in its fs/file.c). So it grows before there are any. */
static void make_room_for_files(struct kernel *k, size_t namespaces)
{
	int least = (int)(FILES_PER_NETNS * namespaces) + FILES_BESIDE;
	int highest = fcntl(kernel_space(k, HANDLE_HOST)->fd, F_DUPFD_CLOEXEC, least);

	if (highest >= 0)
		close(highest);
}

static int read_all(struct reader *r)
{
	int result = 0, error = 0;

	r->dir = kernel_open_netns_dir();
	if (r->dir < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return diag_error(r->d, -errno, NO_MARK, "cannot open %s: %s", NETNS_DIR,
				  strerror(errno));
	list_openings(r);
	make_room_for_files(r->k, r->k->spaces.n + r->openings.n);
	do_all(r, open_netns, r->openings.n);
	array_each(&r->openings, o)
		hold(r, o);
	array_each(&r->openings, o) {
		error = add_found(r, o);
		result = result ? result : error;
		if (no_more_files(error))
			return no_files(r, error);
	}
	sort_found(r);
	/* What can be told about all namespaces has been told. */
	if (!result)
		result = read_found(r);
	if (!result)
		result = read_processes(r);
	return result ? result : resolve_peers(r);
}

int kernel_read(struct kernel *k, const struct model *scope, bool deep, const struct model *known,
		struct model **ret_live, struct diags *d)
{
	struct reader r = {.k = k,
			   .scope = scope,
			   .known = known,
			   .dir = -1,
			   .deep = deep,
			   .live = model_new(),
			   .d = d};
	int error = k->lost ? diag_error(d, -EIO, NO_MARK, "cannot go back to our own namespace")
			    : read_all(&r);

	kernel_leave(k);
	array_each(&r.found, f) {
		array_free(&f->links);
		netns_sort(f->live);
	}
	if (r.dir >= 0)
		close(r.dir);
	array_free(&r.openings);
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
