/* A network as search's evaluator. */
#include "tengen/net_evaluator.h"

#include "faulty.h"
#include "tengen/model.h"
#include "testing.h"

static void a_device_that_failed_in_any_lane_is_told(void **state) {
    (void)state;
    enum { LANES = 2, BATCH = 3 };
    struct device *device;
    struct evaluator *e;
    struct game_config config;
    struct game *g;
    struct net *net;
    assert_ok(device_open("cpu", 1, &device));
    faulty_begin(device);
    config_defaults(game_config_keys, &config);
    assert_ok(game_create(&config, &g));
    const struct model *m = model_find("resnet");
    struct model_config small = m->bench_config;
    small.blocks = 1;
    small.channels = 8;
    assert_ok(model_create(&small, (struct model_shape){g->height, g->width, g->planes, g->actions, false},
                           device, &net));
    assert_ok(net_initialise(net, 1));
    assert_ok(net_evaluator_create(g, net, device, LANES, 1, BATCH, PRECISION_F32, &e));
    for (int lane = 0; lane < LANES; lane++) {
        const float *logits, *values;
        memset(e->input(e->context, lane).bits, 0, BATCH * g->encoded_bytes);
        e->evaluate(e->context, lane, BATCH, &logits, &values);
        assert_true(isfinite(values[BATCH - 1]));
    }
    assert_ok(net_evaluator_wait(e));
    faulty.waits_fail = true;
    assert_fails(net_evaluator_wait(e), STATUS_DEVICE, "the device is gone");
    faulty.waits_fail = false;
    net_evaluator_free(e);
    net_free(net);
    game_free(g);
    device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_failed_in_any_lane_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
