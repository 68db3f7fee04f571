// The example `naming`, natively: what the policy it re-implements is tested with.
#include "reeve/fake.h"

static reeve_answer ask(const char *config, const reeve_fake_domain *domain) {
    reeve_context ctx = reeve_fake_context(config);
    return domain_define(&ctx, reeve_fake(domain));
}

static reeve_disk disk(const char *target, bool has_cache, bool writable) {
    return (reeve_disk){
        .target = reeve_text_of(target),
        .device = writable ? REEVE_TEXT("disk") : REEVE_TEXT("cdrom"),
        .source = REEVE_TEXT("/images/a"),
        .cache = has_cache ? REEVE_TEXT("writeback") : REEVE_NONE,
    };
}

int main(void) {
    reeve_disk disks[] = {disk("vda", false, true), disk("vdb", true, true), disk("sda", false, false)};
    reeve_fake_domain open = {.name = REEVE_TEXT("test"), .disks = {disks, 3}, .rng_count = 1};
    reeve_answer answer = ask("{}", &open);
    REEVE_CHECK(answer.kind == REEVE_REWRITE && answer.edits.count == 2);
    REEVE_CHECK(answer.edits.items[0].kind == REEVE_SET_DISK_CACHE);
    REEVE_CHECK(reeve_equal(answer.edits.items[0].text, REEVE_TEXT("vda")));
    REEVE_CHECK(reeve_equal(answer.edits.items[0].value, REEVE_TEXT("none")));
    REEVE_CHECK(reeve_equal(answer.edits.items[1].text, REEVE_TEXT("<memballoon model='virtio'/>")));

    reeve_balloon balloon = {.model = REEVE_TEXT("none")};
    reeve_fake_domain complete = {.name = REEVE_TEXT("test"), .disks = {disks + 1, 2}, .balloon = &balloon, .rng_count = 1};
    REEVE_CHECK(ask("{}", &complete).kind == REEVE_ALLOW);
    REEVE_CHECK(ask("{\"cache\":\"\",\"balloon\":false}", &open).kind == REEVE_ALLOW);

    answer = ask("{\"prefixes\":[\"web-\",\"db-\"]}", &open);
    REEVE_CHECK(answer.kind == REEVE_DENY);
    REEVE_CHECK(reeve_equal(answer.text, REEVE_TEXT("the name 'test' must begin with one of: web-, db-")));
    return 0;
}
