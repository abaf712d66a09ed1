/* Convolutions as cuDNN's graph API is told of them. Descriptors are checked by the library when they are
 * finalised, and plans can be made for a device that is only described: no GPU is needed, and nothing is run.
 * Engines that are compiled at run time do want a driver, so gradients of weights from BF16 have descriptions
 * here and no plans. Skipped where cuDNN is not built in. */
#include "testing.h"

#ifdef TENGEN_CUDNN
#include "cuda/conv_describe.c"
#include "cuda/conv_graph.c"

/* cuDNN's engines open cuBLASLt, which loses memory where there is no GPU. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:cublasLtCreate";
}

void *cuda_scratch(struct queue *q, enum cuda_place place, size_t bytes) {
    (void)q, (void)place, (void)bytes;
    fail_msg("nothing is run here");
    return NULL;
}
void *cuda_stream(struct queue *q) {
    (void)q;
    fail_msg("nothing is run here");
    return NULL;
}

/* ---- shapes -----------------------------------------------------------------------------------------------
 */

static const struct geometry_case {
    int n, h, w, c, o, kernel, stride, pad;
} geometries[] = {
    {64, 19, 19, 48, 192, 5, 1, 2}, {33, 19, 19, 256, 256, 3, 1, 1}, {1, 19, 19, 256, 256, 3, 1, 1},
    {64, 19, 19, 17, 128, 3, 1, 1}, {32, 84, 84, 4, 32, 8, 4, 0},    {32, 20, 20, 32, 64, 4, 2, 0},
    {7, 9, 9, 64, 64, 3, 1, 0},     {32, 19, 19, 128, 2, 1, 1, 0},   {3, 5, 7, 1, 3, 3, 2, 1},
};
enum { GEOMETRIES = sizeof geometries / sizeof geometries[0] };

static const struct kind_case {
    int pass, bias, residual, act, add;
} kinds[] = {
    {PASS_FORWARD, 0, 0, ACTIVATION_NONE, 0}, {PASS_FORWARD, 0, 0, ACTIVATION_NONE, 1},
    {PASS_FORWARD, 1, 0, ACTIVATION_NONE, 0}, {PASS_FORWARD, 1, 0, ACTIVATION_RELU, 0},
    {PASS_FORWARD, 1, 1, ACTIVATION_RELU, 0}, {PASS_FORWARD, 1, 1, ACTIVATION_NONE, 0},
    {PASS_FORWARD, 0, 1, ACTIVATION_RELU, 0}, {PASS_FORWARD, 0, 0, ACTIVATION_RELU, 0},
    {PASS_FORWARD, 1, 0, ACTIVATION_TANH, 0}, {PASS_FORWARD, 1, 1, ACTIVATION_SIGMOID, 0},
    {PASS_DATA, 0, 0, ACTIVATION_NONE, 0},    {PASS_DATA, 0, 0, ACTIVATION_NONE, 1},
    {PASS_WEIGHTS, 0, 0, ACTIVATION_NONE, 0}, {PASS_WEIGHTS, 0, 0, ACTIVATION_NONE, 1},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct conv_shape shape_make(const struct geometry_case *g, const struct kind_case *k,
                                    enum dtype dtype, bool tf32, int alignment) {
    struct conv_shape s = {.pass = k->pass,
                           .dtype = dtype,
                           .tf32 = tf32,
                           .x = {g->n, g->h, g->w, g->c},
                           .y = {g->n, (g->h + 2 * g->pad - g->kernel) / g->stride + 1,
                                 (g->w + 2 * g->pad - g->kernel) / g->stride + 1, g->o},
                           .kernel = {g->kernel, g->kernel},
                           .conv = {g->stride, g->stride, g->pad, g->pad},
                           .bias = k->bias,
                           .residual = k->residual,
                           .act = k->act,
                           .add = k->add,
                           .alignment = alignment};
    if (s.pass == PASS_WEIGHTS && dtype == DTYPE_BF16) s.add = 0;
    return s;
}

static const struct {
    enum dtype dtype;
    bool tf32;
} precisions[] = {{DTYPE_F32, false}, {DTYPE_F32, true}, {DTYPE_BF16, false}};

static void every_shape(void (*check)(const struct conv_shape *s)) {
    for (int g = 0; g < GEOMETRIES; g++)
        for (int k = 0; k < KINDS; k++)
            for (int p = 0; p < 3; p++)
                for (int alignment = 16; alignment >= (int)dtype_size(precisions[p].dtype); alignment /= 2) {
                    struct conv_shape s = shape_make(&geometries[g], &kinds[k], precisions[p].dtype,
                                                     precisions[p].tf32, alignment);
                    check(&s);
                }
}

/* ---- descriptions -----------------------------------------------------------------------------------------
 */

static void describe_all(const struct conv_shape *s) {
    const int operations = s->pass == PASS_FORWARD ? 1 + s->bias + s->residual + (s->act != ACTIVATION_NONE)
                           : s->pass == PASS_WEIGHTS && s->dtype == DTYPE_BF16 ? 2
                                                                               : 1;
    for (int bias = DTYPE_F32; bias <= DTYPE_BF16; bias++) {
        struct conv_description d;
        char text[128];
        if (!conv_describe(&d, s, (enum dtype)bias))
            fail_msg("%s: %s: %s", conv_shape_text(s, text, sizeof text), d.failed,
                     cudnnGetErrorString(d.status));
        assert_int_equal(d.operation_count, operations);
        conv_description_free(&d);
        assert_int_equal(d.count, 0);
    }
}

static void every_descriptor_of_every_shape_is_finalised(void **state) {
    (void)state;
    every_shape(describe_all);
}

static void a_shape_that_does_not_fit_is_refused_by_name(void **state) {
    (void)state;
    struct conv_description d;
    struct conv_shape s = shape_make(&geometries[1], &kinds[4], DTYPE_BF16, false, 16);
    s.y[1]++;
    assert_false(conv_describe(&d, &s, DTYPE_BF16));
    assert_string_equal(d.failed, "the forward operation");
    assert_int_not_equal(d.status, CUDNN_STATUS_SUCCESS);
    conv_description_free(&d);
    s.y[1]--;
    s.x[3] = -256;
    assert_false(conv_describe(&d, &s, DTYPE_BF16));
    assert_string_equal(d.failed, "a tensor");
    conv_description_free(&d);
}

static void a_text_names_what_is_fused(void **state) {
    (void)state;
    char text[128];
    struct conv_shape s = shape_make(&geometries[0], &kinds[4], DTYPE_BF16, false, 16);
    assert_string_equal(conv_shape_text(&s, text, sizeof text),
                        "forward bf16 64x19x19x48 to 192, 5x5 / 1, bias, residual, relu");
    s = shape_make(&geometries[5], &kinds[11], DTYPE_F32, true, 16);
    assert_string_equal(conv_shape_text(&s, text, sizeof text),
                        "backward data tf32 32x20x20x32 to 64, 4x4 / 2, added");
}

/* ---- engines ----------------------------------------------------------------------------------------------
 */

static bool fits(const struct conv_shape *s, int64_t count, cudnnBackendNumericalNote_t a,
                 cudnnBackendNumericalNote_t b) {
    return conv_engine_fits(s, (const cudnnBackendNumericalNote_t[]){a, b}, count, false);
}

static void engines_that_round_or_shuffle_are_refused(void **state) {
    (void)state;
    const cudnnBackendNumericalNote_t cores = CUDNN_NUMERICAL_NOTE_TENSOR_CORE, none = cores,
                                      shuffled = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC,
                                      narrow = CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
                                      rounds = CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    const struct conv_shape f32 = shape_make(&geometries[1], &kinds[0], DTYPE_F32, false, 16),
                            tf32 = shape_make(&geometries[1], &kinds[0], DTYPE_F32, true, 16),
                            bf16 = shape_make(&geometries[1], &kinds[0], DTYPE_BF16, false, 16),
                            dw = shape_make(&geometries[1], &kinds[12], DTYPE_BF16, false, 16);
    assert_true(fits(&f32, 0, none, none));
    assert_false(fits(&f32, 1, cores, none));
    assert_false(fits(&f32, 1, rounds, none));
    assert_false(fits(&f32, 1, shuffled, none));
    assert_true(fits(&tf32, 2, cores, rounds));
    assert_true(fits(&bf16, 1, cores, none));
    assert_false(fits(&bf16, 0, none, none)); /* no tensor cores: slow */
    assert_false(fits(&bf16, 2, cores, shuffled));
    assert_false(fits(&bf16, 2, cores, narrow));
    assert_false(conv_engine_fits(&bf16, &cores, 1, true)); /* seconds of compilation */
    assert_true(conv_engine_fits(&dw, &cores, 1, true));
}

/* ---- plans for described devices --------------------------------------------------------------------------
 */

/* What cuDNN wants to know of a device, from the vendor's data sheets. */
static const char *const devices[] = {
    "\"deviceVer\":800,\"multiProcessorCount\":108,\"maxSharedMemoryPerBlockOptin\":166912,"
    "\"l2CacheSize\":41943040,\"smClockRateKHz\":1410000,\"memClockRateKHz\":1215000,"
    "\"totalGlobalMem\":42000000000,\"deviceName\":\"NVIDIA A100-SXM4-40GB\"",
    "\"deviceVer\":900,\"multiProcessorCount\":132,\"maxSharedMemoryPerBlockOptin\":232448,"
    "\"l2CacheSize\":52428800,\"smClockRateKHz\":1980000,\"memClockRateKHz\":2619000,"
    "\"totalGlobalMem\":85000000000,\"deviceName\":\"NVIDIA H100 80GB HBM3\"",
};
static const char *const common =
    "\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,"
    "\"warpSize\":32,\"maxSharedMemoryPerBlock\":49152,\"reservedSharedMemoryPerBlock\":1024,"
    "\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
    "\"pciDeviceId\":0,\"isTccDriver\":0,\"supportCoopLaunch\":1,\"driverVer\":13000,\"cudaDeviceId\":0";

static struct conv_target target;

static bool target_open(const char *device) {
    char json[1024];
    int size = snprintf(json, sizeof json, "{%s,%s}", common, device);
    assert_in_range(size, 1, sizeof json - 1);
    return backend_create(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &target.properties) &&
           attribute_set(target.properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                         size + 1, json) &&
           backend_finalise(target.properties);
}

static void plan_one(const struct conv_shape *s) {
    char text[128], why[192];
    const bool compiled = s->pass == PASS_WEIGHTS && s->dtype == DTYPE_BF16,
               smooth = s->act > ACTIVATION_RELU;
    if (s->alignment < 16 || compiled || smooth || s->x[3] < 4) return;
    if (s->act == ACTIVATION_NONE ? s->residual : !s->bias) return; /* no kernel of ours, nor of cuDNN's */
    struct conv_graph *g = conv_graph_make(&target, s, why, sizeof why);
    if (!g) fail_msg("%s: %s", conv_shape_text(s, text, sizeof text), why);
    assert_in_range(g->workspace, 0, WORKSPACE_MOST);
    assert_true(engine_fits(g, s));
    struct conv_graph *again = conv_graph_make(&target, s, why, sizeof why);
    assert_int_equal(again->engine, g->engine); /* the same choice each time */
    assert_int_equal(again->workspace, g->workspace);
    conv_graph_free(again);
    conv_graph_free(g);
}

static void ampere_and_hopper_have_a_fused_plan_for_every_layer(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (!target_open(devices[i])) {
            print_message("cuDNN %zu describes devices in another way\n", cudnnGetVersion());
            skip();
        }
        every_shape(plan_one);
        backend_destroy(target.properties);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_descriptor_of_every_shape_is_finalised),
        cmocka_unit_test(a_shape_that_does_not_fit_is_refused_by_name),
        cmocka_unit_test(a_text_names_what_is_fused),
        cmocka_unit_test(engines_that_round_or_shuffle_are_refused),
        cmocka_unit_test(ampere_and_hopper_have_a_fused_plan_for_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else
int main(void) {
    return TEST_SKIPPED; /* the build has no CUDA half */
}
#endif
