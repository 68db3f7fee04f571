/* The operator's configuration, by a table of keys. */
#include "reeve/config.h"

#include <string.h>

#include "json.h"

/* Items of a list of strings at most. */
#define ITEMS_MAX 4096

static bool refuse(reeve_error *error, reeve_text problem) {
    error->code = REEVE_INVALID;
    error->message = reeve_format("the policy's configuration is not valid: " REEVE_S, REEVE_ARG(problem));
    return false;
}

/* Says what is wrong where the reader is, with the key when there is one. */
static bool refuse_at(reeve_error *error, const reeve_json *json, const char *key) {
    size_t line = 0, column = 0;
    reeve_json_position(json, &line, &column);
    const char *problem = json->problem == NULL ? "is no JSON" : json->problem;
    reeve_text subject = key == NULL ? REEVE_TEXT("it") : reeve_format("'%s'", key);
    return refuse(error, reeve_format(REEVE_S " %s, at line %zu column %zu", REEVE_ARG(subject), problem, line, column));
}

static bool refuse_key(reeve_error *error, reeve_text name, const reeve_key *keys, size_t count) {
    reeve_text *names = reeve_allocate(count, sizeof(reeve_text));
    for (size_t i = 0; i < count; i++) {
        names[i] = reeve_text_of(keys[i].name);
    }
    reeve_text known = reeve_join((reeve_texts){names, count}, REEVE_TEXT(", "));
    return refuse(error, reeve_format("'" REEVE_S "' is no key of it; there are " REEVE_S, REEVE_ARG(name), REEVE_ARG(known)));
}

/* A list of strings; it grows by doubling. */
static bool read_texts(reeve_json *json, reeve_texts *out) {
    reeve_texts list = {NULL, 0};
    size_t capacity = 0;
    if (!reeve_json_expect(json, '[', "must be a list of strings")) {
        return false;
    }
    if (!reeve_json_accept(json, ']')) {
        do {
            if (list.count == capacity) {
                capacity = capacity == 0 ? 8 : capacity * 2;
                if (capacity > ITEMS_MAX) {
                    json->problem = "has too many items";
                    return false;
                }
                reeve_text *items = reeve_allocate(capacity, sizeof(reeve_text));
                if (list.count > 0) {
                    memcpy(items, list.items, list.count * sizeof(reeve_text));
                }
                list.items = items;
            }
            if (!reeve_json_string(json, &list.items[list.count])) {
                return false;
            }
            list.count++;
        } while (reeve_json_accept(json, ','));
        if (!reeve_json_expect(json, ']', "has a list without an end")) {
            return false;
        }
    }
    *out = list;
    return true;
}

static bool read_value(reeve_json *json, reeve_key_kind kind, void *member) {
    switch (kind) {
    case REEVE_KEY_BOOL:
        return reeve_json_bool(json, member);
    case REEVE_KEY_NUMBER:
        return reeve_json_number(json, member);
    case REEVE_KEY_OPTIONAL_NUMBER: {
        reeve_optional_number *number = member;
        number->some = !reeve_json_accept_null(json);
        return !number->some || reeve_json_number(json, &number->value);
    }
    case REEVE_KEY_REAL:
        return reeve_json_real(json, member);
    case REEVE_KEY_TEXT:
        return reeve_json_string(json, member);
    case REEVE_KEY_TEXTS:
        return read_texts(json, member);
    }
    return false;
}

bool reeve_config_read(reeve_text text, const reeve_key *keys, size_t count, void *out, reeve_error *error) {
    reeve_json json = reeve_json_begin(text);
    uint64_t seen = 0;
    if (count > REEVE_KEYS_MAX) {
        return refuse(error, reeve_format("the policy knows %zu keys, %d are the most", count, REEVE_KEYS_MAX));
    }
    if (!reeve_json_expect(&json, '{', "must be an object")) {
        return refuse_at(error, &json, NULL);
    }
    if (!reeve_json_accept(&json, '}')) {
        do {
            reeve_text name;
            if (!reeve_json_string(&json, &name)) {
                json.problem = "must have a key here";
                return refuse_at(error, &json, NULL);
            }
            size_t i = 0;
            while (i < count && !reeve_equal(name, reeve_text_of(keys[i].name))) {
                i++;
            }
            if (i == count) {
                return refuse_key(error, name, keys, count);
            }
            if ((seen & (uint64_t)1 << i) != 0) {
                return refuse(error, reeve_format("'%s' is there twice", keys[i].name));
            }
            seen |= (uint64_t)1 << i;
            if (!reeve_json_expect(&json, ':', "must be followed by a colon")
                || !read_value(&json, keys[i].kind, (char *)out + keys[i].offset)) {
                return refuse_at(error, &json, keys[i].name);
            }
        } while (reeve_json_accept(&json, ','));
        if (!reeve_json_expect(&json, '}', "must end with '}'")) {
            return refuse_at(error, &json, NULL);
        }
    }
    if (!reeve_json_at_end(&json)) {
        json.problem = "must end after its object";
        return refuse_at(error, &json, NULL);
    }
    return true;
}
