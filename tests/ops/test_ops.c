/* Every operation on the CPU, by the library and by plain loops. `test_ops NAME` runs one. */
#include "ops_cases.h"

#include "ops/reference.h"

static struct harness harness;

static void op_agrees_with_double_precision(void **state) {
    cpu_use_reference(false);
    op_case_check(*state, &harness);
}

static void op_in_plain_loops_agrees_with_double_precision(void **state) {
    cpu_use_reference(true);
    op_case_check(*state, &harness);
    cpu_use_reference(false);
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[2 * OP_CASES] = {0};
    size_t count = 0;
    for (int i = 0; i < OP_CASES; i++) {
        const char *name = op_cases[i].name;
        if (argc > 1 && !strstr(name, argv[1])) continue;
        tests[count++] = (struct CMUnitTest){name, op_agrees_with_double_precision, NULL, NULL,
                                             (void *)(uintptr_t)&op_cases[i]};
        if (strncmp(name, "conv", 4) == 0 || strncmp(name, "linear", 6) == 0)
            tests[count++] = (struct CMUnitTest){mem_format("%s, plain loops", name),
                                                 op_in_plain_loops_agrees_with_double_precision, NULL, NULL,
                                                 (void *)(uintptr_t)&op_cases[i]};
    }
    harness_open(&harness, "cpu");
    int failed = _cmocka_run_group_tests("operations on the CPU", tests, count, NULL, NULL);
    harness_close(&harness);
    for (size_t i = 0; i < count; i++)
        if (strchr(tests[i].name, ',')) mem_free((void *)(uintptr_t)tests[i].name);
    return failed;
}
