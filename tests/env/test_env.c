/* Environments in batches. */
#include "tengen/env.h"

#include "env/cartpole.h"
#include "envs.h"
#include "tengen/mem.h"

enum { LANES = 37, FEATURES = CARTPOLE_FEATURES };

static void refused(const char *name, const char *part) {
    struct env_batch b;
    struct env_config config = env_config_named(name);
    assert_fails(env_batch_open(&b, &config, 1, 1, RNG_ENV, 0), STATUS_USAGE, part);
    env_batch_close(&b);
}

static void an_unknown_environment_is_refused_and_the_nearest_named(void **state) {
    (void)state;
    refused("cartpoles", "did you mean `cartpole`");
    refused("zzzzzz", "there are acrobot, asterix, ");
    for (int i = 0; i < env_native_count(); i++)
        assert_int_equal(env_native_find(env_native_spec(i).name), i);
}

/* What an environment says that it uses is there, and what is there some environment uses. */
static void every_setting_is_some_environments(void **state) {
    (void)state;
    struct env_config outside[2] = {env_config_named("gym:Any"), env_config_named("atari:any")};
    for (const struct config_key *key = env_config_keys; key->name; key++) {
        int users = 0;
        for (int i = 0; i < env_native_count(); i++) {
            struct env_config config = env_config_named(env_native_spec(i).name);
            users += env_config_uses(&config, key->name);
        }
        for (int i = 0; i < 2; i++)
            users += env_config_uses(&outside[i], key->name);
        if (!users) fail_msg("no environment uses env.%s", key->name);
        if (config_lists("name count", key->name)) assert_int_equal(users, env_native_count() + 2);
        if (config_lists("map preset masks", key->name)) assert_int_equal(users, 1);
        if (config_lists("python timeout", key->name)) assert_int_equal(users, 2);
    }
}

static void actions_of_another_kind_are_refused(void **state) {
    (void)state;
    struct env_spec spec = env_native_spec(env_native_find("cartpole"));
    assert_ok(env_spec_require(&spec, ENV_DISCRETE, "dqn"));
    assert_fails(env_spec_require(&spec, ENV_CONTINUOUS, "sac"), STATUS_USAGE,
                 "sac needs actions that are continuous");
}

static size_t observation_bytes(const struct env_batch *b) {
    return (size_t)env_spec_features(&b->spec) * (b->spec.pixels ? 1 : sizeof(float));
}

/* Some steps of random actions; what is seen then, [count] of observation_bytes; mem_free. */
static char *play_random(struct env_batch *b, uint64_t first, int steps) {
    struct rng rngs[LANES];
    int32_t choices[LANES];
    float forces[LANES];
    bool continuous = b->spec.kind == ENV_CONTINUOUS;
    assert_int_equal(b->spec.components, 1);
    for (int i = 0; i < b->count; i++)
        rngs[i] = rng_make(3, RNG_TEST, first + (uint64_t)i);
    for (int t = 0; t < steps; t++) {
        for (int i = 0; i < b->count; i++) {
            forces[i] = 2 * rng_uniform(&rngs[i]) - 1;
            choices[i] = (int32_t)rng_below(&rngs[i], continuous ? 1 : (uint32_t)b->spec.choices[0]);
        }
        assert_ok(env_batch_step(b, continuous ? (void *)forces : choices));
        assert_ok(env_batch_reset_done(b));
    }
    char *seen = mem_alloc((size_t)b->count, observation_bytes(b));
    env_batch_observe(b, seen);
    return seen;
}

static void a_lane_lives_the_same_alone_as_in_a_batch(void **state) {
    (void)state;
    for (int kind = 0; kind < env_native_count(); kind++) {
        struct env_spec spec = env_native_spec(kind);
        struct env_batch b = open_batch(spec.name, LANES, 100);
        char *all = play_random(&b, 100, 250);
        for (int i = 0; i < LANES; i++) {
            struct env_batch alone = open_batch(spec.name, 1, 100 + (uint64_t)i);
            char *one = play_random(&alone, 100 + (uint64_t)i, 250);
            if (memcmp(one, all + (size_t)i * observation_bytes(&b), observation_bytes(&b)) != 0)
                fail_msg("%s: lane %d sees something else", spec.name, i);
            assert_int_equal(alone.lengths[0], b.lengths[i]);
            assert_float_equal(alone.returns[0], b.returns[i], 0);
            mem_free(one);
            env_batch_close(&alone);
        }
        mem_free(all);
        env_batch_close(&b);
    }
}

static void only_finished_episodes_are_reset_and_accounted_anew(void **state) {
    (void)state;
    struct env_batch b = open_batch("cartpole", 4, 0);
    struct cartpole falling = {.theta = 0.2f, .theta_dot = 2.0f, .steps = 9};
    struct cartpole late = {.steps = CARTPOLE_MAX_STEPS - 1};
    set_lane(&b, 1, &falling);
    set_lane(&b, 3, &late);
    b.returns[1] = 9;
    b.lengths[1] = 9;
    assert_ok(env_batch_step(&b, (int32_t[]){0, 0, 1, 1}));
    assert_int_equal(b.done_count, 2);
    assert_memory_equal(b.terminated, ((uint8_t[]){0, 1, 0, 0}), 4);
    assert_memory_equal(b.truncated, ((uint8_t[]){0, 0, 0, 1}), 4);
    assert_float_equal(b.returns[1], 10, 0); /* stands until the reset */
    assert_int_equal(b.lengths[1], 10);

    float before[4 * FEATURES], after[4 * FEATURES];
    env_batch_observe(&b, before);
    assert_ok(env_batch_reset_done(&b));
    env_batch_observe(&b, after);
    for (int i = 0; i < 4; i++) {
        bool same = !memcmp(before + i * FEATURES, after + i * FEATURES, FEATURES * sizeof(float));
        assert_int_equal(same, i == 0 || i == 2);
        assert_int_equal(b.lengths[i], same);
        assert_float_equal(b.returns[i], same, 0);
    }
    get_lane(&b, 3, &late);
    assert_int_equal(late.steps, 0);
    assert_ok(env_batch_reset_done(&b)); /* nothing is left to do */
    env_batch_observe(&b, before);
    assert_memory_equal(before, after, sizeof before);
    env_batch_close(&b);
}

static void a_state_that_was_saved_goes_on_to_the_bit(void **state) {
    (void)state;
    for (int kind = 0; kind < env_native_count(); kind++) {
        struct env_spec spec = env_native_spec(kind);
        struct env_batch b = open_batch(spec.name, LANES, 0), other = open_batch(spec.name, LANES, 500);
        mem_free(play_random(&b, 0, 60));
        size_t size;
        void *saved = env_batch_save(&b, &size);
        char *before = play_random(&b, 9, 60);
        assert_ok(env_batch_load(&other, saved, size));
        char *after = play_random(&other, 9, 60);
        assert_memory_equal(before, after, LANES * observation_bytes(&b));
        assert_memory_equal(b.returns, other.returns, sizeof(float) * LANES);
        assert_memory_equal(b.lengths, other.lengths, sizeof(int32_t) * LANES);
        assert_fails(env_batch_load(&other, saved, size - 4), STATUS_FORMAT, "was [env] changed?");
        mem_free(saved);
        mem_free(before);
        mem_free(after);
        env_batch_close(&b);
        env_batch_close(&other);
    }
}

/* ---- a provider whose learner sees other rewards and ends than the real episode has
 * ------------------------
 */

enum { PAIR = 2 };

static float next_reward; /* of both environments, as the learner sees it; ten times that is their score */
static uint8_t next_terminated[PAIR], next_ended[PAIR], was_reset[PAIR];

static enum status lives_reset(struct env_batch *b, const uint8_t *mask) {
    (void)b;
    memcpy(was_reset, mask, PAIR);
    return STATUS_OK;
}

static enum status lives_send(struct env_batch *b, const void *actions) {
    (void)b;
    (void)actions;
    return STATUS_OK;
}

static enum status lives_receive(struct env_batch *b) {
    for (int i = 0; i < PAIR; i++) {
        b->rewards[i] = next_reward;
        b->scores[i] = 10 * next_reward;
        b->terminated[i] = next_terminated[i];
        b->ended[i] = next_ended[i];
    }
    return STATUS_OK;
}

static void returns_are_those_of_the_real_episode(void **state) {
    (void)state;
    static const struct env_provider lives = {
        .reset = lives_reset, .send = lives_send, .receive = lives_receive};
    float rewards[PAIR], scores[PAIR], returns[PAIR] = {0};
    uint8_t terminated[PAIR], truncated[PAIR] = {0}, done[PAIR] = {0}, ended[PAIR] = {0}, lost[PAIR] = {0, 1};
    int32_t lengths[PAIR] = {0};
    struct env_batch b = {.count = PAIR,
                          .provider = &lives,
                          .rewards = rewards,
                          .scores = scores,
                          .returns = returns,
                          .lengths = lengths,
                          .terminated = terminated,
                          .truncated = truncated,
                          .done = done,
                          .ended = ended,
                          .lost = lost};
    next_reward = 1;
    assert_ok(env_batch_step(&b, NULL));
    next_terminated[0] = next_terminated[1] = next_ended[1] =
        1; /* the first has lost a life, the second the game */
    assert_ok(env_batch_step(&b, NULL));
    assert_int_equal(b.done_count, PAIR);
    assert_float_equal(returns[0], 20, 0);
    assert_float_equal(returns[1], 20, 0);
    assert_ok(env_batch_reset_done(&b));
    assert_true(was_reset[0] && was_reset[1]);
    assert_float_equal(returns[0], 20, 0); /* goes on */
    assert_int_equal(lengths[0], 2);
    assert_float_equal(returns[1], 0, 0);
    assert_int_equal(lengths[1], 0);
    assert_int_equal(lost[1], 0);
    next_reward = NAN;
    assert_fails(env_batch_step(&b, NULL), STATUS_NUMERIC, "environment 0");
    next_reward = 1e38f; /* finite, but its score is not */
    assert_fails(env_batch_step(&b, NULL), STATUS_NUMERIC, "inf");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_environment_is_refused_and_the_nearest_named),
        cmocka_unit_test(every_setting_is_some_environments),
        cmocka_unit_test(actions_of_another_kind_are_refused),
        cmocka_unit_test(returns_are_those_of_the_real_episode),
        cmocka_unit_test(a_state_that_was_saved_goes_on_to_the_bit),
        cmocka_unit_test(a_lane_lives_the_same_alone_as_in_a_batch),
        cmocka_unit_test(only_finished_episodes_are_reset_and_accounted_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
