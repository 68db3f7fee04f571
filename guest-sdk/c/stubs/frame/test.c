// Runs the policy without Wasm and without a host:
//
//     cc -Isdk/include policy.c sdk/src/*.c sdk/native/*.c test.c -lm -o build/test && build/test
#include "reeve/fake.h"

int main(void) {
    /* Call the hooks and check what they answer: REEVE_CHECK(…). */
    return 0;
}
