/* Tensors: shapes, texts, brain floats. */
#include "testing.h"

#include "tengen/tensor.h"

static void a_tensor_knows_its_shape_and_size(void **state) {
    (void)state;
    float data[24];
    struct tensor t = tensor_4(data, DTYPE_F32, 2, 3, 2, 2);
    char text[64];
    assert_int_equal(tensor_count(t), 24);
    assert_int_equal(tensor_bytes(t), 96);
    assert_string_equal(tensor_text(t, text, sizeof text), "f32[2,3,2,2]");
    assert_string_equal(tensor_text(tensor_1(data, DTYPE_BF16, 7), text, sizeof text), "bf16[7]");
    assert_int_equal(tensor_bytes(tensor_2(data, DTYPE_U8, 5, 3)), 15);
    assert_true(tensor_same_shape(t, tensor_make(NULL, DTYPE_BF16, 4, (int[]){2, 3, 2, 2})));
    assert_false(tensor_same_shape(t, tensor_4(data, DTYPE_F32, 2, 3, 4, 1)));
    assert_false(tensor_same_shape(tensor_1(data, DTYPE_F32, 6), tensor_2(data, DTYPE_F32, 6, 1)));
}

static void none_is_no_tensor(void **state) {
    (void)state;
    char text[16];
    assert_false(tensor_is(tensor_none()));
    assert_int_equal(tensor_count(tensor_none()), 0);
    assert_string_equal(tensor_text(tensor_none(), text, sizeof text), "none");
    assert_false(tensor_is(tensor_head(tensor_none(), 3)));
}

static void a_head_is_the_first_rows(void **state) {
    (void)state;
    float data[24];
    uint64_t version = 3;
    struct tensor t = tensor_4(data, DTYPE_F32, 4, 3, 2, 1), head;
    t.version = &version;
    head = tensor_head(t, 2);
    assert_ptr_equal(head.data, data);
    assert_ptr_equal(head.version, &version);
    assert_int_equal(tensor_count(head), 12);
}

static void a_text_is_cut_to_its_buffer(void **state) {
    (void)state;
    char text[8];
    assert_string_equal(tensor_text(tensor_4(NULL, DTYPE_F32, 1000, 1000, 1000, 1000), text, sizeof text),
                        "f32[100");
}

static void brain_floats_round_to_nearest_even(void **state) {
    (void)state;
    assert_int_equal(bf16_from_float(1.0f), 0x3f80);
    assert_int_equal(bf16_from_float(1.0f + 1.0f / 256), 0x3f80);  /* a tie, down to even */
    assert_int_equal(bf16_from_float(1.0f + 3.0f / 256), 0x3f82);  /* a tie, up to even */
    assert_int_equal(bf16_from_float(-1.0f - 1.1f / 256), 0xbf81); /* up */
    assert_int_equal(bf16_from_float(3.4e38f), 0x7f80);            /* overflows */
    assert_int_equal(bf16_from_float(-INFINITY), 0xff80);
    assert_true(isnan(bf16_to_float(bf16_from_float(NAN))));
    for (int i = 0; i < 0x7f80; i++)
        assert_int_equal(bf16_from_float(bf16_to_float((uint16_t)i)), i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tensor_knows_its_shape_and_size),  cmocka_unit_test(none_is_no_tensor),
        cmocka_unit_test(a_head_is_the_first_rows),           cmocka_unit_test(a_text_is_cut_to_its_buffer),
        cmocka_unit_test(brain_floats_round_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
