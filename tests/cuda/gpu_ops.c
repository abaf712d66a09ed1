/* Every operation on the GPU, by the harness that holds the CPU's; skipped where there is no GPU.
 * `gpu_ops NAME ...` runs the operations whose names hold one of the names. */
#include "gpu.h"
#include "ops/ops_cases.h"

static struct harness harness;

static void op_agrees_with_double_precision(void **state) {
    op_case_check(*state, &harness);
}

static bool is_asked_for(const char *name, int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i])) return true;
    return argc == 1;
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[OP_CASES] = {0};
    struct device *device;
    size_t count = 0;
    if (!gpu_open(&device)) return TEST_SKIPPED;
    for (int i = 0; i < OP_CASES; i++)
        if (is_asked_for(op_cases[i].name, argc, argv))
            tests[count++] = (struct CMUnitTest){op_cases[i].name, op_agrees_with_double_precision, NULL,
                                                 NULL, (void *)(uintptr_t)&op_cases[i]};
    harness_open_device(&harness, device, 2); /* two streams give the same bits */
    int failed = _cmocka_run_group_tests("operations on the GPU", tests, count, NULL, NULL);
    harness_close(&harness);
    return failed;
}
