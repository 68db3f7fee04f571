// The example `admission`, natively: what the policy it re-implements is tested with.
#include "reeve/fake.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static bool answers(const char *config, uint64_t memory, uint32_t vcpus, const char *reason) {
    reeve_fake_domain domain = {.name = REEVE_TEXT("web-1"), .memory = memory, .vcpus = vcpus};
    reeve_context ctx = reeve_fake_context(config);
    reeve_answer answer = domain_prepare(&ctx, reeve_fake(&domain));
    return reason == NULL ? answer.kind == REEVE_ALLOW
                          : answer.kind == REEVE_DENY && reeve_equal(answer.text, reeve_text_of(reason));
}

int main(void) {
    reeve_the_host.info.cpus = 4;
    reeve_the_host.memory.total = 16 * GIB;
    REEVE_CHECK(answers("{}", GIB, 5, "it has 5 vCPUs and the host only 4 CPUs"));
    REEVE_CHECK(answers("{\"guest-within-cpus\":false}", GIB, 5, NULL));

    reeve_the_host.committed.vcpus = 38;
    REEVE_CHECK(answers("{}", GIB, 2, NULL));
    REEVE_CHECK(answers("{}", GIB, 3, "the active domains would have 41 vCPUs and this host allows 40"));

    // 16 GiB less a reserve of 2 GiB, times 1.5, is 21 GiB.
    reeve_the_host.committed = (reeve_commitment){.memory = 20 * GIB};
    REEVE_CHECK(answers("{}", GIB, 1, NULL));
    REEVE_CHECK(answers(
        "{}", GIB + MIB, 1, "the active domains would have 21505 MiB of memory and this host allows 21504 MiB"
    ));
    reeve_the_host.memory.swap_total = 8 * GIB;
    REEVE_CHECK(answers("{}", 8 * GIB, 1, NULL));
    REEVE_CHECK(answers("{\"count-swap\":false}", 8 * GIB, 1,
                        "the active domains would have 28672 MiB of memory and this host allows 21504 MiB"));

    reeve_the_host.failure = (reeve_error){REEVE_DENIED, REEVE_TEXT("no")};
    reeve_fake_domain domain = {.vcpus = 1};
    reeve_context ctx = reeve_fake_context("{}");
    reeve_answer answer = domain_prepare(&ctx, reeve_fake(&domain));
    REEVE_CHECK(answer.kind == REEVE_FAIL && reeve_equal(answer.text, REEVE_TEXT("the host answered: no")));
    return 0;
}
