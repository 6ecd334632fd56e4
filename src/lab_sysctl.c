/* SPDX-License-Identifier: MIT */
/* The sysctls of namespaces that are to be made: can they be read? That is known up front from our own
 * namespace, which has the same files. */
#include "lab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One that the file names in a namespace that is not there yet. */
struct coming {
	const struct netns *netns;
	const struct sysctl *sysctl;
};
typedef ARRAY(struct coming) coming_list;

/* Of several namespaces the first in the file. */
static int by_path(const void *a, const void *b)
{
	const struct sysctl *x = ((const struct coming *)a)->sysctl;
	const struct sysctl *y = ((const struct coming *)b)->sysctl;
	int order = strcmp(x->path, y->path);

	if (order)
		return order;
	return x->node->mark.line < y->node->mark.line ? -1
						       : x->node->mark.line > y->node->mark.line;
}

/* Those of interfaces are left out: ours are others. */
static void list_coming(const struct lab *lab, coming_list *ret)
{
	size_t size;

	array_each(&lab->goal->namespaces, n) {
		if ((*n)->absent || netns_is_external(*n) ||
		    model_find_netns(lab->live, (*n)->name))
			continue;
		array_each(&(*n)->sysctls, s)
			if ((*s)->node && !sysctl_interface((*s)->path, &size))
				array_add(ret, ((struct coming){*n, *s}));
	}
	array_sort(ret, by_path);
}

/* 0 also where there is none, and where only root may, who makes namespaces. */
static int try_to_read(struct lab *lab, const char *path)
{
	const struct netns *host = model_find_netns(lab->live, HOST);
	struct diags unsaid = {0};
	struct arena arena = {0};
	const char *value;
	int r = host ? kernel_sysctl_read(lab->kernel, host, path, &arena, &value, &unsaid) : 0;

	diags_free(&unsaid);
	arena_free(&arena);
	return r == -EACCES && geteuid() != 0 ? 0 : r;
}

int lab_check_sysctls(struct lab *lab)
{
	coming_list list = {0};
	const char *tried = "";
	int result = 0;

	list_coming(lab, &list);
	array_each(&list, c) {
		int r;

		if (str_equal(c->sysctl->path, tried))
			continue;
		tried = c->sysctl->path;
		r = try_to_read(lab, tried);
		if (r < 0)
			result = sysctl_tell_unreadable(tried, c->netns->name, r,
							c->sysctl->node->mark, &lab->d);
	}
	array_free(&list);
	return result;
}
