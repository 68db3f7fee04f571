/* A cursor over JSON text. */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers longer than this are refused; no double needs more. */
#define NUMBER_MAX 512

reeve_json reeve_json_begin(reeve_text text) {
    return (reeve_json){.at = text.bytes, .end = text.bytes + text.length, .begin = text.bytes, .problem = NULL};
}

static bool fail(reeve_json *json, const char *problem) {
    json->problem = problem;
    return false;
}

static void skip_blanks(reeve_json *json) {
    while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r')) {
        json->at++;
    }
}

static bool is_next(reeve_json *json, char character) {
    skip_blanks(json);
    return json->at < json->end && *json->at == character;
}

bool reeve_json_accept(reeve_json *json, char character) {
    if (!is_next(json, character)) {
        return false;
    }
    json->at++;
    return true;
}

bool reeve_json_expect(reeve_json *json, char character, const char *problem) {
    return reeve_json_accept(json, character) || fail(json, problem);
}

bool reeve_json_at_end(reeve_json *json) {
    skip_blanks(json);
    return json->at == json->end;
}

/* Takes `word` if it is next. */
static bool accept_word(reeve_json *json, const char *word) {
    size_t length = strlen(word);
    skip_blanks(json);
    if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0) {
        return false;
    }
    json->at += length;
    return true;
}

bool reeve_json_accept_null(reeve_json *json) { return accept_word(json, "null"); }

bool reeve_json_bool(reeve_json *json, bool *out) {
    if (accept_word(json, "true")) {
        *out = true;
        return true;
    }
    if (accept_word(json, "false")) {
        *out = false;
        return true;
    }
    return fail(json, "must be true or false");
}

static bool is_digit(const char *at, const char *end) { return at < end && *at >= '0' && *at <= '9'; }

static const char *skip_digits(const char *at, const char *end) {
    while (is_digit(at, end)) {
        at++;
    }
    return at;
}

/* The end of the number at `at` by JSON's grammar, which knows neither leading zeros nor a bare dot; NULL when there is none. */
static const char *number_end(const char *at, const char *end) {
    if (at < end && *at == '-') {
        at++;
    }
    if (!is_digit(at, end)) {
        return NULL;
    }
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    if (at < end && *at == '.') {
        if (!is_digit(at + 1, end)) {
            return NULL;
        }
        at = skip_digits(at + 1, end);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        if (!is_digit(at, end)) {
            return NULL;
        }
        at = skip_digits(at, end);
    }
    return is_digit(at, end) ? NULL : at;
}

bool reeve_json_number(reeve_json *json, uint64_t *out) {
    static const char problem[] = "must be a whole number, 0 or more";
    skip_blanks(json);
    const char *end = number_end(json->at, json->end);
    if (end == NULL) {
        return fail(json, problem);
    }
    uint64_t value = 0;
    for (const char *at = json->at; at < end; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (!is_digit(at, end) || value > (UINT64_MAX - digit) / 10) {
            return fail(json, problem);
        }
        value = value * 10 + digit;
    }
    json->at = end;
    *out = value;
    return true;
}

bool reeve_json_real(reeve_json *json, double *out) {
    skip_blanks(json);
    const char *end = number_end(json->at, json->end);
    if (end == NULL || end - json->at >= NUMBER_MAX) {
        return fail(json, "must be a number");
    }
    char digits[NUMBER_MAX];
    size_t length = (size_t)(end - json->at);
    memcpy(digits, json->at, length);
    digits[length] = '\0';
    double value = strtod(digits, NULL);
    if (!isfinite(value)) {
        return fail(json, "must be a number that is not too large");
    }
    json->at = end;
    *out = value;
    return true;
}

/* Four hexadecimal digits; -1 when they are none. */
static int32_t hex4(const char *at, const char *end) {
    if (end - at < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int32_t digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Writes a code point as UTF-8, at most 4 bytes; the end of what was written. */
static char *put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* The character after `\u`; a pair of surrogates makes one. Moves `at` behind it; false when it is none. */
static bool unicode_escape(const char **at, const char *end, uint32_t *out) {
    int32_t first = hex4(*at, end);
    if (first < 0 || (first >= 0xdc00 && first < 0xe000)) {
        return false;
    }
    *at += 4;
    *out = (uint32_t)first;
    if (first < 0xd800 || first >= 0xdc00) {
        return true;
    }
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return false;
    }
    int32_t second = hex4(*at + 2, end);
    if (second < 0xdc00 || second >= 0xe000) {
        return false;
    }
    *at += 6;
    *out = 0x10000 + (((uint32_t)first - 0xd800) << 10) + ((uint32_t)second - 0xdc00);
    return true;
}

bool reeve_json_string(reeve_json *json, reeve_text *out) {
    if (!reeve_json_expect(json, '"', "must be a string")) {
        return false;
    }
    const char *close = json->at;
    while (close < json->end && *close != '"') {
        close += *close == '\\' ? 2 : 1;
    }
    if (close >= json->end) {
        return fail(json, "has no end");
    }
    /* No escape is longer than what it stands for. */
    char *bytes = reeve_allocate((size_t)(close - json->at), 1);
    char *end = bytes;
    while (json->at < close) {
        unsigned char c = (unsigned char)*json->at;
        if (c < 0x20) {
            return fail(json, "has a control character that is not escaped");
        }
        if (c != '\\') {
            *end++ = *json->at++;
            continue;
        }
        static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        char name = json->at[1];
        const char *known = name == '\0' ? NULL : strchr(names, name);
        if (known != NULL) {
            *end++ = values[known - names];
            json->at += 2;
            continue;
        }
        const char *digits = json->at + 2;
        uint32_t code = 0;
        if (name != 'u' || !unicode_escape(&digits, close, &code)) {
            return fail(json, "has an escape that JSON does not know");
        }
        end = put_utf8(end, code);
        json->at = digits;
    }
    json->at = close + 1;
    *out = (reeve_text){bytes, (size_t)(end - bytes)};
    return true;
}

void reeve_json_position(const reeve_json *json, size_t *line, size_t *column) {
    *line = 1;
    *column = 1;
    for (const char *at = json->begin; at < json->at; at++) {
        *column += 1;
        if (*at == '\n') {
            *line += 1;
            *column = 1;
        }
    }
}
