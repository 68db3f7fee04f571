// The reader of configurations, against good, bad and hostile text.
#include <string.h>

#include "reeve/fake.h"

typedef struct settings {
    bool flag;
    uint64_t number;
    reeve_optional_number maybe;
    double real;
    reeve_text text;
    reeve_texts texts;
} settings;

static const reeve_key keys[] = {
    REEVE_BOOL(settings, flag, "flag"),     REEVE_NUMBER(settings, number, "number"),
    REEVE_OPTIONAL_NUMBER(settings, maybe, "maybe"), REEVE_REAL(settings, real, "real"),
    REEVE_STRING(settings, text, "text"),   REEVE_STRINGS(settings, texts, "texts"),
};

// Reads `json` from a block that ends where it ends, so that a reader that goes too far is caught by a sanitizer.
static bool reads(const char *json, settings *out, reeve_error *error) {
    size_t length = strlen(json);
    char *bytes = reeve_allocate(length, 1);
    memcpy(bytes, json, length);
    *out = (settings){.number = 7, .text = REEVE_TEXT("default")};
    return reeve_config_read((reeve_text){bytes, length}, keys, sizeof(keys) / sizeof(keys[0]), out, error);
}

static void good(void) {
    settings read;
    reeve_error error;
    REEVE_CHECK(reads("{}", &read, &error) && read.number == 7 && reeve_equal(read.text, REEVE_TEXT("default")));
    REEVE_CHECK(reads(" {\n\"flag\" : true , \"number\":18446744073709551615} ", &read, &error));
    REEVE_CHECK(read.flag && read.number == UINT64_MAX);
    REEVE_CHECK(reads("{\"maybe\":null,\"real\":-1.5e2}", &read, &error) && !read.maybe.some && read.real == -150);
    REEVE_CHECK(reads("{\"maybe\":0,\"real\":3}", &read, &error) && read.maybe.some && read.maybe.value == 0 && read.real == 3);
    REEVE_CHECK(reads("{\"texts\":[]}", &read, &error) && read.texts.count == 0);
    REEVE_CHECK(reads("{\"texts\":[\"a\",\"\",\"c\"]}", &read, &error) && read.texts.count == 3);
    REEVE_CHECK(reeve_equal(reeve_join(read.texts, REEVE_TEXT("-")), REEVE_TEXT("a--c")));
    REEVE_CHECK(reads("{\"text\":\"\\\"\\\\\\/\\n\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"}", &read, &error));
    REEVE_CHECK(reeve_equal(read.text, REEVE_TEXT("\"\\/\nA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
}

static const char *const bad[][2] = {
    {"", "it must be an object, at line 1 column 1"},
    {"[]", "it must be an object, at line 1 column 1"},
    {"{", "it must have a key here, at line 1 column 2"},
    {"{\"flag\":true", "it must end with '}', at line 1 column 13"},
    {"{\"flag\":true}}", "it must end after its object, at line 1 column 14"},
    {"{\"flag\":true,}", "it must have a key here, at line 1 column 14"},
    {"{\"flag\" true}", "'flag' must be followed by a colon, at line 1 column 9"},
    {"{\n  \"flag\": 1}", "'flag' must be true or false, at line 2 column 11"},
    {"{\"flag\":true,\"flag\":true}", "'flag' is there twice"},
    {"{\"falg\":true}", "'falg' is no key of it; there are flag, number, maybe, real, text, texts"},
    {"{\"number\":-1}", "'number' must be a whole number, 0 or more, at line 1 column 11"},
    {"{\"number\":1.0}", "'number' must be a whole number, 0 or more, at line 1 column 11"},
    {"{\"number\":01}", "'number' must be a whole number, 0 or more, at line 1 column 11"},
    {"{\"number\":18446744073709551616}", "'number' must be a whole number, 0 or more, at line 1 column 11"},
    {"{\"real\":1e999}", "'real' must be a number that is not too large, at line 1 column 9"},
    {"{\"real\":.5}", "'real' must be a number, at line 1 column 9"},
    {"{\"real\":1.}", "'real' must be a number, at line 1 column 9"},
    {"{\"real\":NaN}", "'real' must be a number, at line 1 column 9"},
    {"{\"text\":\"a", "'text' has no end, at line 1 column 10"},
    {"{\"text\":\"a\\", "'text' has no end, at line 1 column 10"},
    {"{\"text\":\"\\x\"}", "'text' has an escape that JSON does not know, at line 1 column 10"},
    {"{\"text\":\"\\u12\"}", "'text' has an escape that JSON does not know, at line 1 column 10"},
    {"{\"text\":\"\\ud800\"}", "'text' has an escape that JSON does not know, at line 1 column 10"},
    {"{\"text\":\"\\udc00\"}", "'text' has an escape that JSON does not know, at line 1 column 10"},
    {"{\"text\":\"a\tb\"}", "'text' has a control character that is not escaped, at line 1 column 11"},
    {"{\"texts\":[\"a\"", "'texts' has a list without an end, at line 1 column 14"},
    {"{\"texts\":[\"a\",]}", "'texts' must be a string, at line 1 column 15"},
    {"{\"texts\":[[\"a\"]]}", "'texts' must be a string, at line 1 column 11"},
};

static void refused(void) {
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        settings read;
        reeve_error error = {REEVE_INTERNAL, REEVE_TEXT("none")};
        bool taken = reads(bad[i][0], &read, &error);
        reeve_text expected = reeve_format("the policy's configuration is not valid: %s", bad[i][1]);
        if (taken || !reeve_equal(error.message, expected)) {
            reeve_log_error("%s: " REEVE_S, bad[i][0], REEVE_ARG(error.message));
            REEVE_CHECK(taken);
            REEVE_CHECK(reeve_equal(error.message, expected));
        }
    }
}

// No prefix of a good text is good, and none makes the reader go beyond its end.
static void cut_off(void) {
    static const char whole[] = "{\"flag\":false,\"number\":12,\"maybe\":null,\"real\":1.5e3,\"text\":\"\\ud83d\\ude00\",\"texts\":[\"a\"]}";
    for (size_t length = 0; length < sizeof(whole) - 1; length++) {
        char cut[sizeof(whole)] = {0};
        memcpy(cut, whole, length);
        settings read;
        reeve_error error;
        REEVE_CHECK(!reads(cut, &read, &error));
    }
}

int main(void) {
    good();
    refused();
    cut_off();
    return 0;
}
