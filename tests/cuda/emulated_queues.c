/* Two queues of the emulated GPU, driven by two threads at once. What libraries do on a GPU the CPU's
 * operations do here, in memory that is the host's either way, by a queue of the CPU that each thread has. */
#include "two_queues.h"

#include "emulated.h"
#include "tengen/ops.h"

static struct device *cpu;
static struct backend backend;
static struct ops ops;
static pthread_key_t library; /* the calling thread's queue of the CPU */

static void library_close(void *queue) {
    queue_close(queue);
}

static struct queue *library_queue(void) {
    struct queue *q = pthread_getspecific(library);
    if (q) return q;
    ENSURE(queue_open(cpu, 1, &q) == STATUS_OK, "%s", status_text());
    pthread_setspecific(library, q);
    return q;
}

/* The CPU keeps copies of weights by their addresses, and wants to hear when these are given back. */
static void *alloc(struct device *d, size_t bytes) {
    (void)d;
    return cpu->backend->alloc(cpu, bytes);
}
static void release(struct device *d, void *memory, size_t bytes) {
    (void)d;
    cpu->backend->release(cpu, memory, bytes);
}

#define OP(name, parameters, names)                                                                          \
    static void library_##name parameters {                                                                  \
        q = library_queue();                                                                                 \
        q->op->name names;                                                                                   \
    }
#include "tengen/ops.def"
#undef OP

static void fill_tables(void) {
    ops = *emulated_backend.op;
#define OP(name, parameters, names)                                                                          \
    if (!ops.name) ops.name = library_##name;
#include "tengen/ops.def"
#undef OP
    backend = emulated_backend;
    backend.op = &ops;
    backend.alloc = alloc;
    backend.release = release;
}

/* Small enough for the emulation. */
static struct model models[] = {
    {.name = "resnet", .bench_shape = {5, 5, 3, 26, false}},
    {.name = "mlp", .bench_shape = {1, 1, 4, 2, false}},
    {.name = "minatar_cnn", .bench_shape = {5, 5, 4, 6, false}},
};
enum { MODELS = sizeof models / sizeof *models };

static struct device device = {.backend = &backend, .kind = DEVICE_CUDA, .threads = 1};

static void agree(bool one_net) {
    for (int i = 0; i < MODELS; i++)
        for (int bf16 = 0; bf16 < 2; bf16++)
            two_queues_agree(&device, &models[i], bf16 ? PRECISION_BF16 : PRECISION_F32, one_net, 3);
}

static void two_threads_infer_by_one_net_as_one_after_the_other(void **state) {
    (void)state;
    agree(true);
}

static void learning_beside_inference_changes_no_bit(void **state) {
    (void)state;
    agree(false);
}

int main(void) {
#ifdef __SANITIZE_THREAD__
    return TEST_SKIPPED; /* the thread sanitizer does not follow fibers */
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_infer_by_one_net_as_one_after_the_other),
        cmocka_unit_test(learning_beside_inference_changes_no_bit),
    };
    for (int i = 0; i < MODELS; i++) {
        struct model_config *config = &models[i].bench_config;
        config_defaults(model_config_keys, config);
        snprintf(config->model, sizeof config->model, "%s", models[i].name);
        config->blocks = 1;
        config->channels = 8;
        config->value_hidden = 16;
    }
    fill_tables();
    pthread_key_create(&library, library_close);
    if (device_open("cpu", 1, &cpu) != STATUS_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    queue_close(pthread_getspecific(library)); /* of this thread, which does not end */
    device_close(cpu);
    return failed;
}
