/* BF16 copies of weights and the graphs that read them, with a CUDA runtime of the test's own: when copies
 * are made again, and when graphs are void. Skipped where CUDA is not built in. */
#include "testing.h"

#ifdef TENGEN_CUDNN
#include <pthread.h>

#include "cuda/graph.c"
#include "cuda/weights.c"

/* ---- a runtime whose device is the host -------------------------------------------------------------------
 */

static _Thread_local bool capturing;
static _Thread_local int made, launched; /* copies converted; graphs launched */

cudaError_t cudaMalloc(void **memory, size_t bytes) {
    assert_false(capturing);
    *memory = mem_alloc(bytes, 1);
    return cudaSuccess;
}
cudaError_t cudaFree(void *memory) {
    assert_false(capturing);
    mem_free(memory);
    return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    (void)stream;
    assert_int_equal(mode, cudaStreamCaptureModeThreadLocal);
    capturing = true;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    (void)stream;
    capturing = false;
    *graph = (cudaGraph_t)MEM_NEW(int, 1);
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph,
                                          unsigned long long flags) {
    (void)graph, (void)flags;
    *exec = (cudaGraphExec_t)MEM_NEW(int, 1);
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    mem_free(graph);
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    mem_free(exec);
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    (void)exec, (void)stream;
    launched++;
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void) {
    return cudaSuccess;
}
const char *cudaGetErrorString(cudaError_t error) {
    return error ? "an error" : "none";
}
const char *cudaGetErrorName(cudaError_t error) {
    return cudaGetErrorString(error);
}

/* What backend.c and elementwise.cu are to these files. */
bool cuda_ok(struct queue *q, cudaError_t error, const char *what) {
    (void)q;
    if (error) fail_msg("%s", what);
    return true;
}
void *cuda_stream(struct queue *q) {
    (void)q;
    return NULL;
}
void *cuda_scratch(struct queue *q, enum cuda_place place, size_t bytes) {
    static _Thread_local char scratch[PLACE_COUNT][1 << 10];
    (void)q;
    assert_true(bytes <= sizeof scratch[place]);
    return scratch[place];
}
void cuda_scale(struct queue *q, struct tensor y, struct tensor x, float alpha, bool add) {
    (void)q;
    assert_true(alpha == 1 && !add && y.dtype == DTYPE_BF16 && x.dtype == DTYPE_F32);
    made += !capturing;
    for (size_t i = 0; i < tensor_count(x) && !capturing; i++)
        ((uint16_t *)y.data)[i] = bf16_from_float(((const float *)x.data)[i]);
}

/* ---- a queue with one parameter ---------------------------------------------------------------------------
 */

enum { COUNT = 8 };

struct bed {
    struct cuda_device device_state;
    struct cuda_queue queue_state;
    struct device device;
    struct queue queue;
    float weights[COUNT];
    uint64_t version;
};

static void bed_fill(struct bed *b, float value) {
    for (int i = 0; i < COUNT; i++)
        b->weights[i] = value;
}

static struct bed *bed_open(void) {
    struct bed *b = MEM_NEW(struct bed, 1);
    b->device.state = &b->device_state;
    b->queue.state = &b->queue_state;
    b->queue.device = &b->device;
    b->version = 1;
    bed_fill(b, 1);
    made = launched = 0;
    return b;
}

static void bed_close(struct bed *b) {
    cuda_copies_free(&b->queue_state);
    mem_free(b);
}

/* The parameter as an operation of a queue gets it. */
static const uint16_t *read_by(struct queue *q, struct bed *b) {
    struct tensor w = tensor_1(b->weights, DTYPE_F32, COUNT);
    w.version = &b->version;
    return cuda_parameter(q, w, DTYPE_BF16, PLACE_WEIGHTS).data;
}

static const uint16_t *read(struct bed *b) {
    return read_by(&b->queue, b);
}

/* A graph of one read, which has run before; NULL: it was spoilt. */
static struct graph *record_by(struct queue *q, struct bed *b) {
    char why[64] = "?";
    if (!cuda_graph_begin(q)) return NULL;
    read_by(q, b);
    struct graph *g = cuda_graph_end(q, why, sizeof why);
    if (!g) assert_string_equal(why, "");
    return g;
}

static struct graph *record(struct bed *b) {
    return record_by(&b->queue, b);
}

/* ---- copies -----------------------------------------------------------------------------------------------
 */

static void a_copy_is_made_once_a_version(void **state) {
    (void)state;
    struct bed *b = bed_open();
    const uint16_t *copy = read(b);
    assert_true(bf16_to_float(copy[COUNT - 1]) == 1);
    bed_fill(b, 2);
    assert_true(bf16_to_float(read(b)[0]) == 1); /* whoever changes weights changes their version */
    assert_int_equal(made, 1);
    b->version++;
    assert_ptr_equal(read(b), copy);
    assert_true(bf16_to_float(copy[0]) == 2);
    assert_int_equal(made, 2);
    bed_close(b);
}

/* Other weights, in the same place, that by chance have the same version. */
static void memory_handed_out_again_is_copied_again(void **state) {
    (void)state;
    struct bed *b = bed_open();
    const uint16_t *copy = read(b);
    bed_fill(b, 3);
    atomic_fetch_add(&b->device_state.releases, 1);
    assert_ptr_equal(read(b), copy);
    assert_true(bf16_to_float(copy[0]) == 3);
    read(b);
    assert_int_equal(made, 2);
    bed_close(b);
}

/* ---- graphs -----------------------------------------------------------------------------------------------
 */

static void a_launch_refreshes_what_its_graph_reads(void **state) {
    (void)state;
    struct bed *b = bed_open();
    const uint16_t *copy = read(b);
    struct graph *g = record(b);
    assert_non_null(g);
    assert_true(cuda_graph_launch(&b->queue, g));
    assert_int_equal(made, 1);
    bed_fill(b, 4);
    b->version++;
    assert_true(cuda_graph_launch(&b->queue, g));
    assert_true(bf16_to_float(copy[0]) == 4);
    assert_int_equal(launched, 2);
    cuda_graph_free(&b->device, g);
    bed_close(b);
}

static void memory_that_is_released_voids_no_graph(void **state) {
    (void)state;
    struct bed *b = bed_open();
    const uint16_t *copy = read(b);
    struct graph *g = record(b);
    for (int i = 0; i < 3; i++) {
        bed_fill(b, (float)(5 + i));
        atomic_fetch_add(&b->device_state.releases, 1);
        assert_true(cuda_graph_launch(&b->queue, g));
        assert_true(bf16_to_float(copy[0]) == (float)(5 + i));
    }
    assert_true(cuda_graph_launch(&b->queue, g));
    assert_int_equal(made, 4);
    assert_int_equal(launched, 4);
    atomic_fetch_add(&b->device_state.releases, 1); /* while recording, too */
    struct graph *second = record(b);
    assert_non_null(second);
    assert_true(cuda_graph_launch(&b->queue, second));
    assert_int_equal(made, 5);
    cuda_graph_free(&b->device, second);
    cuda_graph_free(&b->device, g);
    bed_close(b);
}

static void a_workspace_that_moves_voids_graphs(void **state) {
    (void)state;
    struct bed *b = bed_open();
    read(b);
    struct graph *g = record(b);
    b->queue_state.generation++;
    assert_false(cuda_graph_launch(&b->queue, g));
    assert_int_equal(launched, 0);
    cuda_graph_free(&b->device, g);
    bed_close(b);
}

static void a_copy_first_wanted_while_recording_spoils_it(void **state) {
    (void)state;
    struct bed *b = bed_open();
    assert_null(record(b));
    read(b);
    struct graph *g = record(b);
    assert_non_null(g);
    cuda_graph_free(&b->device, g);
    bed_close(b);
}

/* ---- two threads ------------------------------------------------------------------------------------------
 */

enum { ROUNDS = 300 };

/* A thread with a queue of its own on a bed's device, which reads the bed's weights. */
struct reader {
    struct bed *bed;
    struct cuda_queue state;
    struct queue queue;
    int launches, conversions; /* how often it did what it should */
};

static void *reader_run(void *context) {
    struct reader *r = context;
    made = launched = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const uint16_t *copy = read_by(&r->queue, r->bed);
        struct graph *g = record_by(&r->queue, r->bed);
        if (!g || !cuda_graph_launch(&r->queue, g) || bf16_to_float(copy[COUNT - 1]) != 1) break;
        cuda_graph_free(r->queue.device, g);
        atomic_fetch_add(&r->bed->device_state.releases, 1);
    }
    r->launches = launched;
    r->conversions = made;
    return NULL;
}

/* One captures while the other allocates, copies and hears of released memory. */
static void two_threads_read_the_same_weights_by_queues_of_their_own(void **state) {
    (void)state;
    struct bed *b = bed_open();
    struct reader readers[2] = {{.bed = b}, {.bed = b}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        readers[i].queue = (struct queue){.device = &b->device, .state = &readers[i].state};
        assert_int_equal(pthread_create(&threads[i], NULL, reader_run, &readers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].launches, ROUNDS);
        assert_in_range(readers[i].conversions, ROUNDS, 2 * ROUNDS); /* after each release of its own */
        assert_non_null(readers[i].state.copies);
        assert_null(readers[i].state.copies->next);
        cuda_copies_free(&readers[i].state);
    }
    bed_close(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_made_once_a_version),
        cmocka_unit_test(memory_handed_out_again_is_copied_again),
        cmocka_unit_test(a_launch_refreshes_what_its_graph_reads),
        cmocka_unit_test(memory_that_is_released_voids_no_graph),
        cmocka_unit_test(a_workspace_that_moves_voids_graphs),
        cmocka_unit_test(a_copy_first_wanted_while_recording_spoils_it),
        cmocka_unit_test(two_threads_read_the_same_weights_by_queues_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else
int main(void) {
    return TEST_SKIPPED; /* cuDNN's or the toolkit's headers are not there */
}
#endif
