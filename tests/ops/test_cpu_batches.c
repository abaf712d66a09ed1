/* What self-play relies on, on a CPU: a sample's result has the same bits whatever stands beside it in the
 * batch and whichever thread computes it; reordered weights are never stale. */
#include "testing.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops/cpu.h"
#include "ops/onednn.h"
#include "random_tensor.h"
#include "tengen/mem.h"

static struct device *device;

static struct tensor tensor_random(int rank, const int *dims, enum dtype dtype, double scale,
                                   uint64_t stream) {
    return random_tensor(device, rank, dims, dtype, scale, rng_make(3, RNG_TEST, stream));
}

/* ---- the same bits in every batch -------------------------------------------------------------------------
 */

struct layer {
    int h, w, c, o, kernel, stride, pad; /* kernel 0: linear, c to o */
};

static const struct layer layers[] = {
    {7, 7, 17, 64, 3, 1, 1},     {7, 7, 64, 64, 3, 1, 1},   {7, 7, 64, 2, 1, 1, 0},
    {7, 7, 64, 1, 1, 1, 0},      {9, 9, 128, 128, 3, 1, 1}, {19, 19, 18, 96, 3, 1, 1},
    {19, 19, 128, 128, 3, 1, 1}, {84, 84, 4, 32, 8, 4, 0},  {20, 20, 32, 64, 4, 2, 0},
    {9, 9, 64, 64, 3, 1, 0},     {0, 0, 98, 50, 0, 0, 0},   {0, 0, 49, 64, 0, 0, 0},
    {0, 0, 64, 1, 0, 0, 0},      {0, 0, 722, 362, 0, 0, 0}, {0, 0, 3136, 512, 0, 0, 0},
    {0, 0, 512, 18, 0, 0, 0},    {0, 0, 4, 64, 0, 0, 0},
};

static struct tensor rows_from(struct tensor t, int at, int n) {
    size_t row = tensor_bytes(t) / (size_t)t.dims[0];
    t.data = (char *)t.data + (size_t)at * row;
    t.dims[0] = n;
    return t;
}

static void layer_run(struct queue *q, const struct layer *l, struct tensor y, struct tensor x,
                      struct tensor w, struct tensor b) {
    if (l->kernel)
        q->op->conv_forward(q, y, x, w, b, tensor_none(), (struct conv){l->stride, l->stride, l->pad, l->pad},
                            ACTIVATION_RELU);
    else
        q->op->linear_forward(q, y, x, w, b, ACTIVATION_NONE);
}

static void layer_in_all_batches(struct queue *q, const struct layer *l, enum dtype dtype) {
    enum { N = 70 };
    static const int sizes[] = {1, 2, 3, 5, 8, 13, 31, 32, 33, 69};
    const int out = l->kernel ? (l->h + 2 * l->pad - l->kernel) / l->stride + 1 : 0, rank = l->kernel ? 4 : 2;
    const int n = l->h > 20 ? 9 : N;
    struct tensor x, w, y, one, b = tensor_random(1, &l->o, DTYPE_F32, 1.0, 9);
    if (l->kernel) {
        x = tensor_random(4, (int[]){n, l->h, l->w, l->c}, dtype, 1.0, 1);
        w = tensor_random(4, (int[]){l->o, l->kernel, l->kernel, l->c}, DTYPE_F32, 0.1, 2);
        y = tensor_random(4, (int[]){n, out, out, l->o}, dtype, 0.0, 3);
    } else {
        x = tensor_random(2, (int[]){n, l->c}, dtype, 1.0, 1);
        w = tensor_random(2, (int[]){l->o, l->c}, DTYPE_F32, 0.1, 2);
        y = tensor_random(2, (int[]){n, l->o}, dtype, 0.0, 3);
    }
    uint64_t version = 1;
    w.version = &version;
    one = tensor_random(rank, y.dims, dtype, 0.0, 3);
    layer_run(q, l, y, x, w, b);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int at = 0; at + sizes[s] <= n; at += 1 + n / 4) {
            struct tensor result = rows_from(one, 0, sizes[s]);
            layer_run(q, l, result, rows_from(x, at, sizes[s]), w, b);
            if (memcmp(result.data, rows_from(y, at, sizes[s]).data, tensor_bytes(result)) != 0)
                fail_msg("%s layer %dx%dx%d -> %d kernel %d: %d samples from %d have other bits than in a "
                         "batch of %d",
                         dtype_name(dtype), l->h, l->w, l->c, l->o, l->kernel, sizes[s], at, n);
        }
    device_release(device, x.data);
    device_release(device, w.data);
    device_release(device, y.data);
    device_release(device, b.data);
    device_release(device, one.data);
}

static void a_sample_has_the_same_bits_in_every_batch(void **state) {
    (void)state;
    struct queue *q;
    assert_ok(queue_open(device, 2, &q));
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        layer_in_all_batches(q, &layers[i], DTYPE_F32);
        layer_in_all_batches(q, &layers[i], DTYPE_BF16);
    }
    queue_close(q);
}

/* ---- reordered weights ------------------------------------------------------------------------------------
 */

struct small {
    struct tensor x, w, y;
    uint64_t version;
};

static void small_make(struct small *s, double scale) {
    s->x = tensor_random(2, (int[]){16, 64}, DTYPE_F32, 1.0, 1);
    s->w = tensor_random(2, (int[]){32, 64}, DTYPE_F32, scale, 2);
    s->y = tensor_random(2, (int[]){16, 32}, DTYPE_F32, 0.0, 3);
    s->version = 1;
    s->w.version = &s->version;
}

static void small_free(struct small *s) {
    device_release(device, s->y.data);
    device_release(device, s->w.data);
    device_release(device, s->x.data);
}

/* y[0] as it should be, and as it is after a call */
static double small_expected(const struct small *s) {
    double sum = 0.0;
    for (int i = 0; i < 64; i++)
        sum += (double)((float *)s->x.data)[i] * (double)((float *)s->w.data)[i];
    return sum;
}

static double small_run(struct queue *q, const struct small *s) {
    q->op->linear_forward(q, s->y, s->x, s->w, tensor_none(), ACTIVATION_NONE);
    return (double)((float *)s->y.data)[0];
}

static void weights_are_read_again_when_their_version_changes(void **state) {
    (void)state;
    struct queue *q;
    struct small s;
    assert_ok(queue_open(device, 1, &q));
    small_make(&s, 1.0);
    assert_near(small_run(q, &s), small_expected(&s), 1e-5, 1e-5);
    for (int i = 0; i < 64; i++)
        ((float *)s.w.data)[i] = (float)i;
    s.version++;
    assert_near(small_run(q, &s), small_expected(&s), 1e-5, 1e-4);
    small_free(&s);
    queue_close(q);
}

static void weights_without_a_version_are_read_at_every_call(void **state) {
    (void)state;
    struct queue *q;
    struct small s;
    assert_ok(queue_open(device, 1, &q));
    small_make(&s, 1.0);
    s.w.version = NULL;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 64; i++)
            ((float *)s.w.data)[i] = (float)(i * k);
        assert_near(small_run(q, &s), small_expected(&s), 1e-5, 1e-4);
    }
    small_free(&s);
    queue_close(q);
}

static void new_weights_at_an_old_address_are_not_mistaken(void **state) {
    (void)state;
    struct queue *q;
    struct small s;
    int same = 0;
    const void *last = NULL;
    assert_ok(queue_open(device, 1, &q));
    for (int k = 0; k < 20;
         k++) { /* the allocator is likely to hand out the same memory; versions are all 1 */
        small_make(&s, 1.0 + k);
        same += s.w.data == last;
        last = s.w.data;
        assert_near(small_run(q, &s), small_expected(&s), 1e-5, 1e-3);
        small_free(&s);
    }
    if (same == 0) print_message("no address was used again: nothing was shown\n");
    queue_close(q);
}

/* ---- many threads on one device ---------------------------------------------------------------------------
 */

struct player {
    pthread_t thread;
    struct tensor x, w, y;
    int differences;
};

static void *player_run(void *context) {
    struct player *p = context;
    struct queue *q;
    if (queue_open(device, 1, &q) != STATUS_OK) return NULL;
    size_t bytes = tensor_bytes(p->y);
    void *first = mem_alloc(1, bytes);
    for (int round = 0; round < 30; round++) {
        for (int n = 1 + round % 3; n <= p->x.dims[0]; n += 3)
            q->op->conv_forward(q, tensor_head(p->y, n), tensor_head(p->x, n), p->w, tensor_none(),
                                tensor_none(), (struct conv){1, 1, 1, 1}, ACTIVATION_RELU);
        q->op->conv_forward(q, p->y, p->x, p->w, tensor_none(), tensor_none(), (struct conv){1, 1, 1, 1},
                            ACTIVATION_RELU);
        if (round == 0)
            memcpy(first, p->y.data, bytes);
        else
            p->differences += memcmp(first, p->y.data, bytes) != 0;
    }
    mem_free(first);
    queue_close(q);
    return NULL;
}

static void threads_with_queues_of_their_own_agree(void **state) {
    (void)state;
    enum { PLAYERS = 4 };
    struct player players[PLAYERS] = {0};
    uint64_t version = 5;
    for (int d = 0; d < 2; d++) {
        enum dtype dtype = d ? DTYPE_BF16 : DTYPE_F32;
        struct tensor w = tensor_random(4, (int[]){64, 3, 3, 64}, DTYPE_F32, 0.1, 2);
        w.version = &version;
        for (int i = 0; i < PLAYERS; i++) {
            players[i] = (struct player){.w = w};
            players[i].x = tensor_random(4, (int[]){11, 7, 7, 64}, dtype, 1.0, 1);
            players[i].y = tensor_random(4, (int[]){11, 7, 7, 64}, dtype, 0.0, 1);
        }
        for (int i = 0; i < PLAYERS; i++)
            pthread_create(&players[i].thread, NULL, player_run, &players[i]);
        for (int i = 0; i < PLAYERS; i++)
            pthread_join(players[i].thread, NULL);
        for (int i = 0; i < PLAYERS; i++) {
            assert_int_equal(players[i].differences, 0);
            assert_memory_equal(players[i].y.data, players[0].y.data, tensor_bytes(players[0].y));
        }
        for (int i = 0; i < PLAYERS; i++) {
            device_release(device, players[i].x.data);
            device_release(device, players[i].y.data);
        }
        device_release(device, w.data);
    }
}

/* ---- what the library chooses -----------------------------------------------------------------------------
 */

static void no_reference_implementation(void *context, const char *what, const char *implementation,
                                        bool used) {
    ++*(int *)context;
    if (!used || strstr(implementation, "ref")) fail_msg("%s runs by '%s'", what, implementation);
}

/* The tests above have run the trunk, heads and Atari layers. */
static void no_layer_falls_to_a_reference_implementation(void **state) {
    (void)state;
    int kernels = 0;
    onednn_kernels(((struct cpu_device *)device->state)->library, no_reference_implementation, &kernels);
    if (kernels == 0) print_message("built without oneDNN: nothing was shown\n");
}

/* ---- a caller's mistakes ----------------------------------------------------------------------------------
 */

/* What a process that makes the call says before it aborts. */
static void abort_text(void (*call)(struct queue *q), char *text, size_t size) {
    int ends[2], result;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct queue *q;
        dup2(ends[1], STDERR_FILENO);
        if (queue_open(device, 1, &q) != STATUS_OK) _exit(3);
        call(q);
        _exit(0);
    }
    size_t used = 0;
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], text + used, size - 1 - used)) > 0;)
        used += (size_t)n;
    text[used] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGABRT);
}

static void wrong_shapes(struct queue *q) {
    float data[64] = {0};
    struct tensor x = tensor_2(data, DTYPE_F32, 2, 3), w = tensor_2(data, DTYPE_F32, 4, 5);
    q->op->linear_forward(q, x, x, w, tensor_none(), ACTIVATION_NONE);
}

static void wrong_shapes_abort_and_both_are_named(void **state) {
    (void)state;
    char text[4096];
    abort_text(wrong_shapes, text, sizeof text);
    assert_non_null(strstr(text, "f32[2,3]"));
    assert_non_null(strstr(text, "f32[4,5]"));
}

static void row_beyond(struct queue *q) {
    float x[6] = {0}, y[6];
    int32_t index[3] = {1, -1, 2};
    q->op->rows_gather(q, tensor_2(y, DTYPE_F32, 3, 2), tensor_2(x, DTYPE_F32, 2, 2),
                       tensor_1(index, DTYPE_I32, 3));
}

static void a_row_that_is_not_there_aborts_and_is_named(void **state) {
    (void)state;
    char text[4096];
    abort_text(row_beyond, text, sizeof text);
    assert_non_null(strstr(text, "row 2 of 2"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_has_the_same_bits_in_every_batch),
        cmocka_unit_test(weights_are_read_again_when_their_version_changes),
        cmocka_unit_test(weights_without_a_version_are_read_at_every_call),
        cmocka_unit_test(new_weights_at_an_old_address_are_not_mistaken),
        cmocka_unit_test(threads_with_queues_of_their_own_agree),
        cmocka_unit_test(no_layer_falls_to_a_reference_implementation),
        cmocka_unit_test(wrong_shapes_abort_and_both_are_named),
        cmocka_unit_test(a_row_that_is_not_there_aborts_and_is_named),
    };
    assert_ok(device_open("cpu", 3, &device));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(device);
    return failed;
}
