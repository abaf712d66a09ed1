#include <unistd.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "testing.h"

static void memory_is_zero_and_aligned(void **state) {
    (void)state;
    for (size_t size = 0; size < 300; size += 13) {
        unsigned char *bytes = mem_alloc(size, 1);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % 64, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0);
        if (size) memset(bytes, 0xAB, size); /* what is freed comes back dirty */
        mem_free(bytes);
    }
    mem_free(NULL);
}

static void resize_keeps_the_old_and_zeroes_the_new(void **state) {
    (void)state;
    int *numbers = mem_resize(NULL, 0, 3, sizeof *numbers);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(numbers[i], 0);
        numbers[i] = i + 1;
    }
    numbers = mem_resize(numbers, 3, 100, sizeof *numbers);
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], i < 3 ? i + 1 : 0);
    numbers = mem_resize(numbers, 100, 2, sizeof *numbers);
    assert_int_equal(numbers[1], 2);
    mem_free(numbers);
}

static void strings_are_copied_and_printed(void **state) {
    (void)state;
    char *copy = mem_string("tengen"), *printed = mem_format("%s %05d", "x", 42);
    assert_string_equal(copy, "tengen");
    assert_string_equal(printed, "x 00042");
    mem_free(copy);
    mem_free(printed);
}

static void available_memory_is_plausible(void **state) {
    (void)state;
    size_t bytes = mem_available();
    assert_true(bytes > 1 << 20);
    assert_true(bytes < (size_t)1 << 50);
}

static size_t held(const char *name) {
    struct account_total totals[ACCOUNTS_MAX];
    int count = accounts_read(totals);
    for (int i = 0; i < count; i++)
        if (strcmp(totals[i].name, name) == 0) return totals[i].bytes[ACCOUNT_HOST];
    return 0;
}

static void what_a_block_takes_is_charged_to_its_account_until_it_is_freed(void **state) {
    (void)state;
    const size_t all = accounts_held(ACCOUNT_HOST);
    void *outer, *inner, *again;
    {
        ACCOUNT("outer");
        outer = mem_alloc(1000, 1);
        {
            ACCOUNT("inner");
            inner = mem_alloc(10, 7);
        }
        again = mem_resize(NULL, 0, 5, 1);
        inner = mem_resize(inner, 10, 20, 7); /* now the outer one's */
    }
    assert_int_equal(held("outer"), 1000 + 5 + 140);
    assert_int_equal(held("inner"), 0);
    assert_int_equal(accounts_held(ACCOUNT_HOST), all + 1145);
    mem_free(outer);
    mem_free(inner);
    mem_free(again);
    assert_int_equal(held("outer"), 0);
    assert_int_equal(accounts_held(ACCOUNT_HOST), all);
}

/* More than the addresses of a machine's memory, and expected things, which elsewhere are nothing. */
static void what_is_only_counted_takes_no_memory(void **state) {
    (void)state;
    /* 1 TiB in all: more than there is, and less than the thread sanitizer leaves addresses for. */
    const size_t quarter = (size_t)1 << 38, all = accounts_held(ACCOUNT_HOST);
    assert_null(mem_expect(100));
    mem_count_only(true);
    char *large = mem_alloc(4, quarter), *expected = mem_expect(100);
    assert_int_equal(accounts_held(ACCOUNT_HOST), all + 4 * quarter + 100);
    assert_int_equal((uintptr_t)large % 64, 0);
    assert_int_equal(large[3 * quarter], 0);
    large[3 * quarter] = 1;
    mem_count_only(false);
    mem_free(large);
    mem_free(expected);
    assert_int_equal(accounts_held(ACCOUNT_HOST), all);
}

/* In a process of its own, since the limit is read once: this program again, with the limit. */
static void memory_beyond_the_limit_ends_the_program_with_a_text(void **state) {
    (void)state;
    char said[600];
    FILE *child = popen("TENGEN_MEMORY=8 /proc/$PPID/exe beyond 2>&1", "r");
    assert_non_null(child);
    size_t got = fread(said, 1, sizeof said - 1, child);
    said[got] = 0;
    assert_int_equal(WEXITSTATUS(pclose(child)), 1);
    assert_non_null(strstr(said, "within"));
    assert_non_null(strstr(said, "tengen: out of memory: 3 x 4194304 bytes asked for"));
    assert_null(strstr(said, "beyond"));
}

static int take_beyond_the_limit(void) {
    void *within = mem_alloc(4 << 20, 1);
    printf("within, %zu left\n", mem_available() >> 20);
    if (mem_available() >= 8 << 20) return 2;
    mem_free(mem_alloc(3, 4 << 20));
    printf("beyond\n");
    mem_free(within);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "beyond") == 0) return take_beyond_the_limit();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zero_and_aligned),
        cmocka_unit_test(resize_keeps_the_old_and_zeroes_the_new),
        cmocka_unit_test(strings_are_copied_and_printed),
        cmocka_unit_test(available_memory_is_plausible),
        cmocka_unit_test(what_a_block_takes_is_charged_to_its_account_until_it_is_freed),
        cmocka_unit_test(what_is_only_counted_takes_no_memory),
        cmocka_unit_test(memory_beyond_the_limit_ends_the_program_with_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
