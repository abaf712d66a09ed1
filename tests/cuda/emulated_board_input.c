/* Positions reach a network's input under their symmetries, where the device's memory is the host's and where
 * it is not. */
#include "emulated.h"
#include "testing.h"

#include "../game/games.h"
#include "../game/planes.h"
#include "tengen/board_input.h"
#include "tengen/ops.h"

enum { BATCH = 11, PLAYED = 9 };

/* Later positions of random games; the last rows of the batch are not asked for, and stay as they were. */
static void check_game(struct queue *q, const struct game *g) {
    struct board_input input;
    struct rng r = rng_make(5, RNG_TEST, 0);
    uint8_t legal[GAME_ACTIONS_MAX];
    const size_t row = board_floats(g);
    struct tensor planes = tensor_4(NULL, DTYPE_F32, BATCH, g->height, g->width, g->planes);
    planes.data = device_alloc(q->device, tensor_bytes(planes));
    float *expected = MEM_NEW(float, BATCH *row), *got = MEM_NEW(float, BATCH *row);
    void *position = position_create(g);
    board_input_init(&input, g, q, BATCH);
    assert_true(input.staged == (q->device->kind != DEVICE_CPU));
    for (int n = BATCH - 2; n > 0; n -= 4) {
        memset(expected, 0, BATCH * row * sizeof *expected);
        q->op->fill(q, planes, 0.0f);
        for (int i = 0; i < n; i++) {
            g->start(g, position);
            for (int m = 0; m < PLAYED && !g->ended(g, position); m++)
                g->play(g, position, pick_legal(&r, legal, g->legal(g, position, legal)));
            struct game_batch at = game_batch_from(g, input.batch, i);
            g->encode(g, position, at.bits);
            *at.symmetry = (int32_t)rng_below(&r, (uint32_t)g->symmetries);
            planes_of(g, position, *at.symmetry, expected + (size_t)i * row);
        }
        board_input_run(&input, q, planes, n);
        queue_download(q, got, planes);
        assert_memory_equal(got, expected, BATCH * row * sizeof *got);
    }
    board_input_free(&input);
    device_release(q->device, planes.data);
    position_free(position);
    mem_free(expected);
    mem_free(got);
}

static void check_device(struct device *d) {
    struct queue *q;
    assert_ok(queue_open(d, 1, &q));
    for (int i = 0; i < game_count(); i++) {
        struct game *g = named_game(game_name_at(i));
        check_game(q, g);
        game_free(g);
    }
    queue_close(q);
}

static void positions_in_the_hosts_memory_are_seen_under_their_symmetries(void **state) {
    (void)state;
    struct device *d;
    assert_ok(device_open("cpu", 1, &d));
    check_device(d);
    device_close(d);
}

static void positions_that_cross_to_a_device_are_seen_under_their_symmetries(void **state) {
    (void)state;
    struct device emulated = {.backend = &emulated_backend, .kind = DEVICE_CUDA, .threads = 1};
    check_device(&emulated);
}

int main(void) {
#ifdef __SANITIZE_THREAD__
    return TEST_SKIPPED; /* the thread sanitizer does not follow fibers */
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_in_the_hosts_memory_are_seen_under_their_symmetries),
        cmocka_unit_test(positions_that_cross_to_a_device_are_seen_under_their_symmetries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
