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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zero_and_aligned),
        cmocka_unit_test(resize_keeps_the_old_and_zeroes_the_new),
        cmocka_unit_test(strings_are_copied_and_printed),
        cmocka_unit_test(available_memory_is_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
