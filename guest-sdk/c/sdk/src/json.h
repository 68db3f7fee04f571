/* A cursor over JSON text (RFC 8259): reads one value at a time and never beyond the end. It follows no nesting of its own, so no
 * input can make it recurse. Every function returns false and sets `problem` when the text is not what was asked for. */
#ifndef REEVE_JSON_H
#define REEVE_JSON_H

#include "reeve/text.h"

/* Where a reader is. */
typedef struct reeve_json {
    const char *at;
    const char *end;
    const char *begin;
    /* What was expected where `at` is; NULL while all is well. */
    const char *problem;
} reeve_json;

/* A reader at the beginning of a text. */
reeve_json reeve_json_begin(reeve_text text);
/* Skips blanks, then `character`. */
bool reeve_json_expect(reeve_json *json, char character, const char *problem);
/* Skips blanks, then `character` if it is next. */
bool reeve_json_accept(reeve_json *json, char character);
/* True when only blanks are left. */
bool reeve_json_at_end(reeve_json *json);
/* `true` or `false`. */
bool reeve_json_bool(reeve_json *json, bool *out);
/* `null` if it is next. */
bool reeve_json_accept_null(reeve_json *json);
/* A whole number, 0 to 2^64-1. */
bool reeve_json_number(reeve_json *json, uint64_t *out);
/* Any number. */
bool reeve_json_real(reeve_json *json, double *out);
/* A string, with its escapes resolved. */
bool reeve_json_string(reeve_json *json, reeve_text *out);
/* Line and column (in bytes) of where the reader is, both from 1. */
void reeve_json_position(const reeve_json *json, size_t *line, size_t *column);

#endif
