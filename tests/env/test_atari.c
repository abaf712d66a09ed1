/* Atari: what becomes of screens, held to Gymnasium's AtariPreprocessing and OpenCV
 * (tools/make_atari_goldens.py); the rules around games, with tests/env/fake in the Arcade Learning
 * Environment's place; and, where a Python has it (the variable TENGEN_PYTHON names one), whole games, held
 * to Gymnasium's and Stable-Baselines3's. */
#include <zlib.h>

#include "env/atari_screen.h"
#include "env/workers.h"
#include "tengen/mem.h"
#include "testing.h"

enum { N = 4, STACK = 4, FEATURES = STACK * SCREEN_PIXELS };

/* ---- screens ---------------------------------------------------------------------------------------------
 */

static void take(gzFile file, void *to, size_t bytes) {
    assert_int_equal(gzread(file, to, (unsigned)bytes), bytes);
}

static uint32_t take_number(gzFile file) {
    uint32_t number;
    take(file, &number, sizeof number);
    return number;
}

static gzFile open_goldens(void) {
    gzFile file = gzopen(TENGEN_SOURCE_DIR "/tests/data/atari.golden.gz", "rb");
    assert_non_null(file);
    return file;
}

static void check_picture(gzFile file) {
    enum { MOST = 250 * SCREEN_WIDTH };
    static uint8_t before[MOST], last[MOST], expected[SCREEN_PIXELS], picture[SCREEN_PIXELS];
    static struct screen screen;
    uint32_t height = take_number(file), grey = take_number(file);
    assert_true(height * SCREEN_WIDTH <= MOST);
    take(file, before, height * SCREEN_WIDTH);
    take(file, last, height * SCREEN_WIDTH);
    for (int i = 0; i < 2; i++) {
        screen_init(&screen, (int)height, grey ? SCREEN_GREY : i ? SCREEN_COLOUR : SCREEN_LUMINANCE);
        take(file, expected, sizeof expected);
        screen_shrink(picture, before, last, &screen);
        assert_memory_equal(picture, expected, sizeof expected);
    }
}

static void screens_become_what_gymnasium_shows(void **state) {
    (void)state;
    gzFile file = open_goldens();
    uint32_t pictures = take_number(file);
    assert_true(pictures >= 10);
    for (uint32_t i = 0; i < pictures; i++)
        check_picture(file);
    gzclose(file);
}

static void a_stack_holds_the_last_four_pictures(void **state) {
    (void)state;
    static uint8_t stack[FEATURES], picture[SCREEN_PIXELS];
    for (int t = 0; t < 6; t++) {
        for (int i = 0; i < SCREEN_PIXELS; i++)
            picture[i] = (uint8_t)(i + 10 * t);
        if (t == 0)
            screen_fill(stack, picture);
        else
            screen_push(stack, picture);
        for (int i = 0; i < FEATURES; i++) {
            int age = t - 3 + i % STACK;
            assert_int_equal(stack[i], (uint8_t)(i / STACK + 10 * (age > 0 ? age : 0)));
        }
    }
}

/* ---- games -----------------------------------------------------------------------------------------------
 */

static struct env_config configured(const char *name, const char *preset) {
    struct env_config c;
    config_defaults(env_config_keys, &c);
    snprintf(c.name, sizeof c.name, "%s", name);
    snprintf(c.preset, sizeof c.preset, "%s", preset);
    snprintf(c.maximum, sizeof c.maximum, "luminance"); /* so that grey_at() tells what is seen */
    c.workers = 2;
    c.noops = 0;
    c.sticky = 0;
    return c;
}

static void open_batch(struct env_batch *b, const struct env_config *c, enum rng_purpose purpose) {
    assert_ok(env_batch_open(b, c, N, 7, purpose, 0));
    assert_ok(env_batch_reset(b));
}

static void step(struct env_batch *b, int32_t action) {
    int32_t actions[N] = {action, action, action, action};
    assert_ok(env_batch_reset_done(b));
    assert_ok(env_batch_step(b, actions));
}

/* What the fake shows at frame t of a game. */
static uint8_t grey_at(int t) {
    static struct screen screen;
    if (!screen.height) screen_init(&screen, 210, SCREEN_LUMINANCE);
    return screen.luminance[t % 100];
}

/* What a step of several frames shows that ends with frame t. */
static uint8_t larger_at(int t) {
    return grey_at(t - 1) > grey_at(t) ? grey_at(t - 1) : grey_at(t);
}

static void assert_shows(struct env_batch *b, int i, int frame, uint8_t value) {
    static uint8_t observations[N * FEATURES];
    env_batch_observe(b, observations);
    for (int k = frame; k < FEATURES; k += STACK)
        assert_int_equal(observations[i * FEATURES + k], value);
}

static void a_step_is_four_frames_and_shows_the_maximum_of_two(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:pong", "gymnasium");
    open_batch(&b, &c, RNG_ENV);
    assert_int_equal(b.spec.choices[0], 4);
    assert_int_equal(b.spec.frames, STACK);
    assert_float_equal(b.spec.human_return, 14.6, 1e-5);
    for (int k = 0; k < STACK; k++)
        assert_shows(&b, 1, k, grey_at(0));
    for (int t = 4; t <= 20; t += 4) {
        step(&b, 2);
        assert_shows(&b, 1, STACK - 1, larger_at(t));
        assert_float_equal(b.rewards[1], 4 * 3, 0); /* action 2 is code 3 */
        assert_int_equal(b.done_count, 0);
    }
    assert_shows(&b, 1, 0, larger_at(8));
    env_batch_close(&b);
}

static void a_lost_life_ends_an_episode_while_the_game_goes_on(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:ALE/Pong-v5", "nature");
    open_batch(&b, &c, RNG_ENV);
    for (int t = 4; t <= 120; t += 4) {
        step(&b, 3);
        assert_int_equal(b.terminated[2], t % 40 == 0);
        assert_int_equal(b.ended[2], t == 120);
        assert_float_equal(b.rewards[2], 1, 0); /* clipped */
        assert_float_equal(b.returns[2], 4 * (float)t, 0);
        assert_int_equal(b.lengths[2], t / 4);
        if (t % 40 == 4 && t > 4) assert_shows(&b, 2, 0, larger_at(t - 4)); /* the stack was filled anew */
    }
    env_batch_close(&b);
}

static void evaluation_shows_whole_games_unclipped(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:pong", "nature");
    open_batch(&b, &c, RNG_EVAL);
    for (int t = 4; t <= 120; t += 4) {
        step(&b, 3);
        assert_int_equal(b.terminated[0], t == 120);
        assert_float_equal(b.rewards[0], 16, 0);
    }
    env_batch_close(&b);
}

static void fire_is_pressed_when_a_game_begins_and_after_a_lost_life(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:PongNoFrameskip-v4", "sb3");
    open_batch(&b, &c, RNG_ENV);
    assert_shows(&b, 3, 0, larger_at(8));
    float owed = 4 * 1 + 4 * 3; /* FIRE and the action after it, of the real episode once a life is lost */
    for (int t = 12; t < 40; t += 4)
        step(&b, 0);
    assert_float_equal(b.returns[3], owed, 0);
    step(&b, 0);
    assert_true(b.terminated[3] && !b.ended[3]);
    assert_ok(env_batch_reset_done(&b));
    assert_shows(&b, 3, 0, larger_at(52)); /* after four frames of no action, FIRE and that after it */
    step(&b, 0);
    assert_float_equal(b.returns[3], 2 * owed, 0);
    assert_float_equal(b.rewards[3], 0, 0); /* not what was learnt from */
    env_batch_close(&b);
    c = configured("atari:never_fires", "sb3");
    open_batch(&b, &c, RNG_ENV);
    assert_shows(&b, 3, 0, grey_at(0));
    env_batch_close(&b);
}

static void games_begin_with_no_ops_and_actions_stick(void **state) {
    (void)state;
    struct env_batch b, again;
    struct env_config c = configured("atari:pong", "nature");
    static uint8_t first[N * FEATURES], second[N * FEATURES];
    float scored = 0;
    c.noops = 30;
    c.sticky = 0.5f;
    open_batch(&b, &c, RNG_ENV);
    open_batch(&again, &c, RNG_ENV);
    env_batch_observe(&b, first);
    assert_true(first[0] != first[FEATURES] || first[0] != first[2 * FEATURES]);
    for (int t = 0; t < 40; t++) {
        step(&b, t % 2 ? 3 : 0);
        step(&again, t % 2 ? 3 : 0);
        env_batch_observe(&b, first);
        env_batch_observe(&again, second);
        assert_memory_equal(first, second, sizeof first);
        assert_memory_equal(b.scores, again.scores, N * sizeof(float));
        for (int i = 0; t < 20 && i < N; i++)
            scored += b.scores[i];
    }
    assert_true(scored > 320 && scored < 960 && scored != 640); /* 640: as chosen */
    env_batch_close(&b);
    env_batch_close(&again);
    c.sticky = 1; /* nothing but the no-ops of the beginning */
    open_batch(&b, &c, RNG_ENV);
    step(&b, 3);
    assert_float_equal(b.scores[0], 0, 0);
    env_batch_close(&b);
}

static void a_long_game_is_truncated(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:pong", "gymnasium");
    c.max_frames = 100;
    open_batch(&b, &c, RNG_ENV);
    for (int t = 4; t <= 100; t += 4) {
        step(&b, 1);
        assert_int_equal(b.truncated[1], t == 100);
        assert_int_equal(b.ended[1], t == 100);
        assert_int_equal(b.terminated[1], 0);
    }
    env_batch_close(&b);
}

static void every_key_can_be_set_alone(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:pong", "gymnasium");
    snprintf(c.life_loss, sizeof c.life_loss, "yes");
    snprintf(c.clip, sizeof c.clip, "yes");
    snprintf(c.fire, sizeof c.fire, "yes");
    c.frame_skip = 1;
    c.all_actions = true;
    open_batch(&b, &c, RNG_ENV);
    assert_int_equal(b.spec.choices[0], 18);
    assert_shows(&b, 0, 3, grey_at(2));
    for (int t = 3; t <= 40; t++) {
        step(&b, 17);
        assert_float_equal(b.rewards[0], 1, 0);
        assert_int_equal(b.terminated[0], t == 40);
        assert_shows(&b, 0, 3, grey_at(t));
    }
    env_batch_close(&b);
}

static void luminances_of_a_console_with_other_colours_are_taken_as_they_are(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:pal_game", "nature");
    open_batch(&b, &c, RNG_ENV);
    step(&b, 1);
    assert_shows(&b, 0, 3, 4);
    assert_float_equal(b.spec.human_return, b.spec.random_return, 0);
    env_batch_close(&b);
}

static void games_of_a_dead_worker_are_truncated(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:crashes", "nature");
    int ended = 0;
    open_batch(&b, &c, RNG_ENV);
    for (int t = 0; t < 12; t++) {
        step(&b, 1);
        for (int i = 0; i < N; i++) {
            assert_int_equal(b.truncated[i], b.ended[i]);
            assert_int_equal(b.lost[i], b.ended[i]);
            ended += b.ended[i];
        }
    }
    assert_true(ended >= N);
    assert_true(env_batch_restarts(&b) > 0);
    env_batch_close(&b);
}

static void what_cannot_be_played_is_named(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("atari:Pomg", "nature");
    assert_fails(env_batch_open(&b, &c, 1, 1, RNG_ENV, 0), STATUS_USAGE, "did you mean pong?");
    c = configured("atari:pong", "nature");
    setenv("PYTHONPATH", "/nowhere", 1);
    setenv("PYTHONNOUSERSITE", "1", 1);
    if (system("python3 -c 'import ale_py' 2>/dev/null") != 0) /* not a Python that has the real one */
        assert_fails(env_batch_open(&b, &c, 1, 1, RNG_ENV, 0), STATUS_USAGE, "pip install ale-py");
    setenv("PYTHONPATH", TENGEN_SOURCE_DIR "/tests/env/fake", 1);
}

/* ---- real games ------------------------------------------------------------------------------------------
 */

enum { RESET = 255 };
struct golden_step {
    uint8_t action;
    int8_t reward;
    uint8_t lives, terminated;
    uint8_t crc[4];
};

static uint32_t crc_of_newest(struct env_batch *b) {
    static uint8_t observation[FEATURES], newest[SCREEN_PIXELS];
    env_batch_observe(b, observation);
    for (int i = 0; i < SCREEN_PIXELS; i++)
        newest[i] = observation[STACK * i + STACK - 1];
    return (uint32_t)crc32(0, newest, SCREEN_PIXELS);
}

static void check_game(gzFile file, const char *preset, const char *maximum, const char *python) {
    char name[16], env_name[32];
    take(file, name, sizeof name);
    snprintf(env_name, sizeof env_name, "atari:%.15s", name);
    struct env_config c = configured(env_name, preset);
    snprintf(c.maximum, sizeof c.maximum, "%s", maximum);
    snprintf(c.python, sizeof c.python, "%s", python);
    struct env_batch b;
    assert_ok(env_batch_open(&b, &c, 1, 7, RNG_ENV, 0));
    assert_ok(env_batch_reset(&b));
    for (uint32_t t = 0, steps = take_number(file); t < steps; t++) {
        struct golden_step golden;
        uint32_t crc;
        take(file, &golden, sizeof golden);
        memcpy(&crc, golden.crc, sizeof crc);
        int32_t action = golden.action;
        if (t > 0 && action == RESET) assert_ok(env_batch_reset_done(&b));
        if (t > 0 && action != RESET) {
            assert_ok(env_batch_step(&b, &action));
            assert_float_equal(b.rewards[0], golden.reward, 0);
            assert_int_equal(b.terminated[0], golden.terminated);
        }
        assert_int_equal(workers_slot(b.self, 0)->lives, golden.lives); /* workers are first in it */
        /* The picture of an ended game is the others' of some frames ago, and worth nothing. */
        if (!golden.terminated) assert_int_equal(crc_of_newest(&b), crc);
    }
    env_batch_close(&b);
}

static void check_games(gzFile file, const char *preset, const char *maximum, const char *python) {
    uint32_t games = take_number(file);
    assert_true(games >= 2);
    for (uint32_t i = 0; i < games; i++)
        check_game(file, preset, maximum, python);
}

static void games_are_those_of_gymnasium_and_stable_baselines(void **state) {
    (void)state;
    const char *python = getenv("TENGEN_PYTHON");
    char command[512];
    if (!python) python = "python3";
    snprintf(command, sizeof command, "%s -c 'import ale_py, numpy' 2>/dev/null", python);
    unsetenv("PYTHONPATH");
    if (system(command) != 0) skip();
    gzFile file = open_goldens();
    for (uint32_t i = 0, pictures = take_number(file); i < pictures; i++) {
        uint32_t height = take_number(file);
        gzseek(file, (z_off_t)(4 + 2 * height * SCREEN_WIDTH + 2 * SCREEN_PIXELS), SEEK_CUR);
    }
    check_games(file, "gymnasium", "luminance", python);
    check_games(file, "sb3", "preset", python);
    gzclose(file);
}

int main(void) {
    const struct CMUnitTest screens[] = {
        cmocka_unit_test(screens_become_what_gymnasium_shows),
        cmocka_unit_test(a_stack_holds_the_last_four_pictures),
    };
    const struct CMUnitTest games[] = {
        cmocka_unit_test(a_step_is_four_frames_and_shows_the_maximum_of_two),
        cmocka_unit_test(a_lost_life_ends_an_episode_while_the_game_goes_on),
        cmocka_unit_test(evaluation_shows_whole_games_unclipped),
        cmocka_unit_test(fire_is_pressed_when_a_game_begins_and_after_a_lost_life),
        cmocka_unit_test(games_begin_with_no_ops_and_actions_stick),
        cmocka_unit_test(a_long_game_is_truncated),
        cmocka_unit_test(every_key_can_be_set_alone),
        cmocka_unit_test(luminances_of_a_console_with_other_colours_are_taken_as_they_are),
        cmocka_unit_test(games_of_a_dead_worker_are_truncated),
        cmocka_unit_test(what_cannot_be_played_is_named),
        cmocka_unit_test(games_are_those_of_gymnasium_and_stable_baselines),
    };
    setenv("PYTHONPATH", TENGEN_SOURCE_DIR "/tests/env/fake", 1);
    int failed = cmocka_run_group_tests(screens, NULL, NULL);
    if (failed || system("python3 -c ''") != 0) return failed;
    return cmocka_run_group_tests(games, NULL, NULL);
}
