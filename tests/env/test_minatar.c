/* MinAtar's games, held to the reference over whole trajectories: the rules draw from its tape. */
#include "tengen/rng.h"
#include "testing.h"

/* What the reference drew in the step at hand: "0.1234567", or "I/N" for I of N. */
static char *tape;

static char *next_draw(void) {
    char *draw = strtok(tape, " \n");
    tape = NULL;
    if (!draw) fail_msg("the rules draw more than the reference");
    return draw;
}

static float tape_uniform(struct rng *rng) {
    (void)rng;
    char *draw = next_draw(), *end;
    double value = strtod(draw, &end);
    if (*end) fail_msg("a number in [0, 1) is drawn, where the reference drew %s", draw);
    return (float)value;
}

static uint32_t tape_below(struct rng *rng, uint32_t n) {
    (void)rng;
    char *draw = next_draw(), *slash = strchr(draw, '/');
    if (!slash || strtoul(slash + 1, NULL, 10) != n)
        fail_msg("one of %u is drawn, where the reference drew %s", n, draw);
    return (uint32_t)strtoul(draw, NULL, 10);
}

#define rng_uniform tape_uniform
#define rng_below   tape_below
#include "env/asterix.h"
#include "env/breakout.h"
#include "env/freeway.h"
#include "env/seaquest.h"
#include "env/space_invaders.h"

enum { CHANNELS_MAX = 10 };

static uint32_t fnv(const uint8_t *observation, int n) {
    uint32_t value = 2166136261u;
    for (int i = 0; i < n; i++) {
        assert_true(observation[i] == 0 || observation[i] == 255);
        value = (value ^ (observation[i] != 0)) * 16777619u;
    }
    return value;
}

/* Where the draws of a line begin: behind the given number of words. */
static char *behind(char *line, int words) {
    for (int i = 0; i < words; i++) {
        line += strcspn(line, " \n");
        line += strspn(line, " ");
    }
    return line;
}

static FILE *open_goldens(const char *name) {
    char path[512];
    snprintf(path, sizeof path, TENGEN_SOURCE_DIR "/tests/data/minatar_%s.txt", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    return f;
}

/* Plays the file; makes sure that rewards and ends occur in it. */
#define TRAJECTORY(game, channels)                                                                           \
    static void game##_is_played_as_by_the_reference(void **test_state) {                                    \
        (void)test_state;                                                                                    \
        const struct env_rules rules = {.sticky = 0.1f, .ramping = 1};                                       \
        struct rng rng = {0};                                                                                \
        struct game s = {0};                                                                                 \
        uint8_t observation[MINATAR_CELLS * CHANNELS_MAX];                                                   \
        char line[1024];                                                                                     \
        FILE *f = open_goldens(#game);                                                                       \
        float rewards = 0;                                                                                   \
        int ends = 0;                                                                                        \
        for (int number = 1; fgets(line, sizeof line, f); number++) {                                        \
            int action, terminated = 0;                                                                      \
            float reward = 0, got = 0;                                                                       \
            uint32_t hash;                                                                                   \
            uint8_t ended = 0, truncated = 0;                                                                \
            if (line[0] == '#') continue;                                                                    \
            if (sscanf(line, "reset %x", &hash) == 1) {                                                      \
                tape = behind(line, 2);                                                                      \
                s = game##_reset(&rules, &rng);                                                              \
            } else {                                                                                         \
                assert_int_equal(sscanf(line, "%d %f %d %x", &action, &reward, &terminated, &hash), 4);      \
                tape = behind(line, 4);                                                                      \
                s = game##_step(&rules, s, &rng, action, &got, &ended, &truncated);                          \
            }                                                                                                \
            game##_observe(&rules, s, observation);                                                          \
            if (strtok(tape, " \n")) fail_msg("line %d: the rules draw less than the reference", number);    \
            if (got != reward || ended != terminated || truncated)                                           \
                fail_msg("line %d: reward %g, ended %d", number, (double)got, ended);                        \
            if (fnv(observation, MINATAR_CELLS * (channels)) != hash)                                        \
                fail_msg("line %d: another observation", number);                                            \
            rewards += reward;                                                                               \
            ends += terminated;                                                                              \
        }                                                                                                    \
        fclose(f);                                                                                           \
        assert_true(rewards > 10 && ends > 0);                                                               \
    }

TRAJECTORY(asterix, ASTERIX_CHANNELS)
TRAJECTORY(breakout, BREAKOUT_CHANNELS)
TRAJECTORY(freeway, FREEWAY_CHANNELS)
TRAJECTORY(seaquest, SEAQUEST_CHANNELS)
TRAJECTORY(space_invaders, SPACE_INVADERS_CHANNELS)

static void who_stays_at_the_surface_is_truncated(void **state) {
    (void)state;
    const struct env_rules rules = {.ramping = 1};
    struct rng rng = {0};
    char draw[] = "0.5";
    struct seaquest s = {
        .at_surface = 1, .oxygen = 1, .steps = MINATAR_MAX_STEPS - 2, .spawn_timer = 9, .diver_timer = 9};
    for (int left = 1; left >= 0; left--) {
        float reward;
        uint8_t terminated, truncated;
        strcpy(draw, "0.5");
        tape = draw;
        s = seaquest_step(&rules, s, &rng, MINATAR_NONE, &reward, &terminated, &truncated);
        assert_int_equal(terminated, 0);
        assert_int_equal(truncated, left == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asterix_is_played_as_by_the_reference),
        cmocka_unit_test(breakout_is_played_as_by_the_reference),
        cmocka_unit_test(freeway_is_played_as_by_the_reference),
        cmocka_unit_test(seaquest_is_played_as_by_the_reference),
        cmocka_unit_test(space_invaders_is_played_as_by_the_reference),
        cmocka_unit_test(who_stays_at_the_surface_is_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
