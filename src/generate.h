/* SPDX-License-Identifier: MIT */
/* Between the parts of nsapply-generate. */
#pragma once

#include "model.h"

#include <jansson.h>

/* The JSON schema of topology files; a new reference. */
json_t *generate_schema(void);
/* generate_value.c: the schema of one row's value, without its description. */
json_t *generate_value(const struct attr_table *t, const struct attr *row);
/* "#/$defs/NAME" of a table. */
json_t *generate_reference(const struct attr_table *t);
/* What an interface's and a namespace's name look like. */
json_t *generate_ifname(void);
json_t *generate_netns_name(void);
/* Does the help leave it to the schema to tell what holds when the key is absent? */
bool generate_has_default(const struct attr *row);

/* The parts of the manual, in mdoc. */
void generate_reference_section(struct buf *out);
void generate_defaults_section(struct buf *out);
