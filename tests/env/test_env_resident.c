/* Environments in a device's memory, on the CPU and on a device that counts. */
#include "env_twins.h"

#include "tengen/account.h"
#include "tengen/profile.h"

static struct device *cpu;

static void every_environment_lives_on_the_cpu_as_in_a_batch(void **state) {
    (void)state;
    for (int kind = 0; kind < env_native_count(); kind++)
        twins_live_alike(cpu, kind, 37, 1, true);
}

static void many_environments_live_alike_in_many_threads(void **state) {
    (void)state;
    twins_live_alike(cpu, env_native_find("cartpole"), 2500, 3, true); /* three pieces, the last not full */
    twins_live_alike(cpu, env_native_find("breakout"), 2500, 3, true);
}

static void an_environment_keeps_a_last_observation_for_each_truncation(void **state) {
    (void)state;
    int pendulum = env_native_find("pendulum"); /* no other end than after 200 of 260 steps */
    assert_int_equal(twins_live_alike(cpu, pendulum, 37, 1, true), 2);
}

static void last_observations_that_nobody_wants_are_not_kept(void **state) {
    (void)state;
    twins_live_alike(cpu, env_native_find("cartpole"), 37, 1, false);
}

static void an_environment_in_another_process_cannot_live_there(void **state) {
    (void)state;
    static const struct env_provider outside = {0};
    struct env_batch b = {.spec = {.name = "gym:CartPole-v1"}, .count = 1, .provider = &outside};
    struct env_resident e;
    struct queue *q;
    assert_ok(queue_open(cpu, 1, &q));
    assert_false(env_resident_possible(&b, cpu));
    assert_fails(env_resident_open(&e, &b, q, 8, true), STATUS_USAGE, "gym:CartPole-v1: cannot live");
    env_resident_close(&e);
    queue_close(q);
}

/* What is held of the host while cartpoles live on a device; steps are taken where they can be. */
static size_t memory_held(struct device *d) {
    struct env_batch b = open_batch("cartpole", 100, 0);
    struct env_resident e;
    struct queue *q;
    assert_ok(queue_open(d, 1, &q));
    assert_true(env_resident_possible(&b, d));
    size_t before = accounts_held(ACCOUNT_HOST);
    assert_ok(env_resident_open(&e, &b, q, 2000, true));
    size_t held = accounts_held(ACCOUNT_HOST) - before;
    env_resident_push(&e);
    env_resident_begin(&e);
    env_resident_pull(&e);
    struct cartpole lane;
    get_lane(&b, 99, &lane);
    assert_true(lane.x != 0); /* not overwritten by what a device that counts has not */
    env_resident_close(&e);
    assert_int_equal(accounts_held(ACCOUNT_HOST), before);
    queue_close(q);
    env_batch_close(&b);
    return held;
}

static void a_device_that_counts_counts_the_same_memory(void **state) {
    (void)state;
    struct device *counting;
    assert_ok(device_open_counting(cpu, &counting));
    size_t held = memory_held(cpu);
    assert_true(held > 5 * 100 * sizeof(struct cartpole)); /* last observations: 2000 / 500 + 1 a lane */
    assert_int_equal(memory_held(counting), held);
    device_close(counting);
}

static void a_profile_names_what_environments_take(void **state) {
    (void)state;
    profile_enable();
    profile_start();
    twins_live_alike(cpu, env_native_find("cartpole"), 37, 1, true);
    char *text = profile_text(), *line = strstr(text, "\n  environments "), *device_line;
    assert_non_null(line); /* the host's phase */
    assert_non_null(device_line = strstr(line + 1, "\n  environments "));
    long calls = TWINS_ROLLOUTS * (TWINS_STEPS + 1), host, device;
    assert_int_equal(sscanf(line, " environments %ld", &host), 1);
    assert_int_equal(sscanf(device_line, " environments %ld", &device), 1);
    assert_int_equal(host, calls);
    assert_int_equal(device, calls);
    mem_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_environment_lives_on_the_cpu_as_in_a_batch),
        cmocka_unit_test(many_environments_live_alike_in_many_threads),
        cmocka_unit_test(an_environment_keeps_a_last_observation_for_each_truncation),
        cmocka_unit_test(last_observations_that_nobody_wants_are_not_kept),
        cmocka_unit_test(an_environment_in_another_process_cannot_live_there),
        cmocka_unit_test(a_device_that_counts_counts_the_same_memory),
        cmocka_unit_test(a_profile_names_what_environments_take), /* the last: it is on from there */
    };
    assert_ok(device_open("cpu", 3, &cpu));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(cpu);
    return failed;
}
