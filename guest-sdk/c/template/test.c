// Runs the policy without Wasm and without a host:
//
//     cc -Isdk/include policy.c sdk/src/*.c sdk/native/*.c test.c -lm -o build/test && build/test
#include "reeve/fake.h"

int main(void) {
    reeve_fake_domain small = {.name = REEVE_TEXT("tiny"), .memory = 64 << 20};
    reeve_fake_domain large = {.name = REEVE_TEXT("web-1"), .memory = 512 << 20};

    reeve_context ctx = reeve_fake_context("{}");
    reeve_answer answer = domain_define(&ctx, reeve_fake(&small));
    REEVE_CHECK(answer.kind == REEVE_DENY);
    REEVE_CHECK(reeve_equal(answer.text, REEVE_TEXT("64 MiB of memory; at least 128 MiB are needed")));
    REEVE_CHECK(domain_define(&ctx, reeve_fake(&large)).kind == REEVE_ALLOW);

    ctx = reeve_fake_context("{\"min-memory-mib\": 32}");
    REEVE_CHECK(domain_define(&ctx, reeve_fake(&small)).kind == REEVE_ALLOW);

    ctx = reeve_fake_context("{\"min-memory\": 32}");
    REEVE_CHECK(domain_define(&ctx, reeve_fake(&small)).kind == REEVE_FAIL);
    return 0;
}
