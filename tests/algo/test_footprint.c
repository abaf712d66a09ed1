/* What a run is said to take is what it takes; what does not fit is refused with what would. */
#include "../testing.h"
#include "algo/footprint.h"
#include "tengen/log.h"
#include "tengen/mem.h"

#define MIB ((size_t)1 << 20)

/* ---- a GPU of the test's own: the CPU's operations, and as much memory as is said -------------------------
 */

static size_t gpu_free;
static int gpu_asked; /* how often anything was measured */

static bool gpu_memory(struct device *d, size_t *free_bytes, size_t *total) {
    (void)d;
    gpu_asked++;
    *free_bytes = gpu_free;
    *total = (size_t)1 << 34;
    return true;
}

static size_t gpu_queue_bytes(const struct device *d) {
    (void)d;
    return 3 * MIB;
}

static struct backend gpu;

/* The algorithm's test config with settings (up to NULL), on a CPU or on what passes for a GPU. */
static void session_begin(struct session *s, const struct algo *a, bool on_gpu, const char *const *settings) {
    const char *all[16] = {"run.threads=2", "run.device=cpu", "run.precision=f32"};
    char *algorithm = mem_format("run.algorithm=%s", a->name);
    int count = 3;
    all[count++] = algorithm;
    while (settings && *settings)
        all[count++] = *settings++;
    *s = (struct session){0};
    assert_ok(session_configure(s, "test", a->test_config, all, count));
    assert_ok(run_open_device(&s->run));
    mem_free(algorithm);
    if (!on_gpu) return;
    gpu = *s->run.device->backend;
    gpu.memory = gpu_memory;
    gpu.queue_bytes = gpu_queue_bytes;
    gpu_free = (size_t)1 << 33;
    s->run.device->backend = &gpu;
    s->run.device->kind = DEVICE_CUDA;
}

static size_t held(const struct account_total *totals, int count, const char *name,
                   enum account_place place) {
    for (int i = 0; i < count; i++)
        if (strcmp(totals[i].name, name) == 0) return totals[i].bytes[place];
    return 0;
}

/* ---- tests ------------------------------------------------------------------------------------------------
 */

/* To the byte, by account and place; what comes as work runs is foreseen within a factor of 2. */
static void planned_equals_taken(const struct algo *a, bool on_gpu) {
    struct session s;
    struct footprint f;
    struct account_total before[ACCOUNTS_MAX], after[ACCOUNTS_MAX];
    session_begin(&s, a, on_gpu, NULL);
    const int before_count = accounts_read(before);
    assert_ok(footprint_settle(&s, &f));
    int count = accounts_read(after); /* the plan holds nothing; 0 is "other", in which threads have a part */
    for (int i = 1; i < count; i++)
        for (int p = 0; p < ACCOUNT_PLACES; p++)
            assert_true(after[i].bytes[p] <= (i < before_count ? before[i].bytes[p] : 0));
    assert_ok(s.algo->open(s.self, &s.run));
    count = accounts_read(after);
    for (int i = 1; i < count; i++) {
        const char *name = after[i].name;
        if (strcmp(name, "search trees") == 0 || strcmp(name, "workspaces") == 0) continue;
        for (int p = 0; p < ACCOUNT_PLACES; p++) {
            size_t planned = held(f.accounts, f.count, name, (enum account_place)p);
            size_t taken = after[i].bytes[p] - held(before, before_count, name, (enum account_place)p);
            if (planned != taken) fail_msg("%s, %s: %zu planned, %zu taken", a->name, name, planned, taken);
        }
    }
    assert_int_equal(f.all[ACCOUNT_DEVICE] > 0, on_gpu && a->net != NULL);
    size_t trees = held(f.accounts, f.count, "search trees", ACCOUNT_HOST);
    if (trees) {
        assert_ok(s.algo->iterate(s.self, &s.run));
        count = accounts_read(after);
        assert_true(held(after, count, "search trees", ACCOUNT_HOST) <= 2 * trees);
    }
    session_close(&s);
}

static void a_plan_is_what_is_taken(void **state) {
    (void)state;
    for (int i = 0; i < algo_count(); i++)
        planned_equals_taken(algo_at(i), false);
}

static void a_plan_for_a_gpu_is_what_is_taken_there(void **state) {
    (void)state;
    for (int i = 0; i < algo_count(); i++)
        planned_equals_taken(algo_at(i), true);
}

/* The first number behind `text` in the error. */
static int number_after(const char *text) {
    const char *at = strstr(status_text(), text);
    if (!at) fail_msg("%s is not in: %s", text, status_text());
    return atoi(at + strlen(text));
}

static enum status settle_with(struct session *s, const char *key, int size) {
    struct footprint f;
    char setting[64];
    snprintf(setting, sizeof setting, "%s=%d", key, size);
    assert_ok(config_override(s->config, setting));
    return footprint_settle(s, &f);
}

/* The size that is named fits, and the next larger one that can be does not. */
static void a_refusal_names_the_largest_size_that_fits(void **state) {
    (void)state;
    static const struct {
        const char *algorithm, *key;
        int value, least, step, tries; /* what is named at least, and next; measurements at most */
        size_t room;
        const char *settings[4];
    } cases[] = {
        {"alphazero", "alphazero.batch", 4096, 1, 1, 12, 40 * MIB, {NULL}},
        {"ppo", "env.count", 65536, 1, 1, 12, 40 * MIB, {NULL}},
        {"ppo", "env.count", 3 * 2003, 2003, 1, 12, 0, {"ppo.horizon=64", "ppo.minibatches=2003"}},
        {"alphazero", "selfplay.games", 840, 168, 1, 12, 0, {"selfplay.group=168", "alphazero.batch=1"}},
        {"reinforce", "reinforce.batch", 65536, 1, 1, 12, 12 * MIB, {NULL}},
        {"dqn",
         "dqn.capacity",
         16777216,
         600000,
         100000,
         12,
         0,
         {"env.count=100000", "dqn.replay_on=device"}},
        {"dqn",
         "dqn.batch",
         65536,
         1,
         1,
         16,
         0,
         {"dqn.capacity=600000", "env.count=100000", "dqn.train_period=1000"}},
        {"dqn", "dqn.steps", 1000000, 1, 1, 20, 0, {"dqn.batch=1", "dqn.train_period=1"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct session s;
        struct footprint f;
        char setting[64], named[64];
        const char *settings[6] = {setting};
        for (int k = 0; cases[i].settings[k]; k++)
            settings[k + 1] = cases[i].settings[k];
        snprintf(setting, sizeof setting, "%s=%d", cases[i].key, cases[i].value);
        session_begin(&s, algo_find(cases[i].algorithm), true, settings);
        assert_ok(footprint_settle(&s, &f));
        gpu_free = cases[i].room ? cases[i].room : f.all[ACCOUNT_DEVICE] / 4 * 3;
        gpu_asked = 0;
        snprintf(named, sizeof named, "%s = ", cases[i].key);
        assert_fails(footprint_settle(&s, &f), STATUS_MEMORY, named);
        assert_in_range(gpu_asked, 3, cases[i].tries);
        assert_true(f.all[ACCOUNT_DEVICE] > gpu_free);
        int largest = number_after(named);
        assert_in_range(largest, cases[i].least, cases[i].value - 1);
        assert_int_equal(settle_with(&s, cases[i].key, largest), STATUS_OK);
        enum status status = STATUS_USAGE;
        while (status == STATUS_USAGE)
            status = settle_with(&s, cases[i].key, largest += cases[i].step);
        assert_int_equal(status, STATUS_MEMORY);
        session_close(&s);
    }
}

static void what_no_batch_would_help_is_told_to_be_smaller(void **state) {
    (void)state;
    struct session s;
    struct footprint f;
    session_begin(&s, algo_find("ppo"), true, (const char *[]){"net.channels=4096", NULL});
    gpu_free = 12 * MIB;
    assert_fails(footprint_settle(&s, &f), STATUS_MEMORY, "take fewer blocks or channels");
    session_close(&s);
}

/* Of the replay, in a place, as planned; and as taken by an algorithm opened so. */
static size_t replay_held(struct session *s, const struct footprint *f, enum account_place place) {
    struct account_total before[ACCOUNTS_MAX], after[ACCOUNTS_MAX];
    const int before_count = accounts_read(before);
    assert_ok(s->algo->open(s->self, &s->run));
    const int count = accounts_read(after);
    const size_t planned = held(f->accounts, f->count, "replay", place);
    assert_int_equal(held(after, count, "replay", place) - held(before, before_count, "replay", place),
                     planned);
    return planned;
}

static void a_replay_lies_on_the_host_where_the_device_is_too_small_for_it(void **state) {
    (void)state;
    static const struct {
        const char *on;
        size_t room;
        enum account_place place;
    } cases[] = {{"dqn.replay_on=auto", 1024 * MIB, ACCOUNT_DEVICE},
                 {"dqn.replay_on=auto", 40 * MIB, ACCOUNT_HOST},
                 {"dqn.replay_on=host", 1024 * MIB, ACCOUNT_HOST},
                 {"dqn.replay_on=device", 40 * MIB, ACCOUNT_PLACES}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct session s;
        struct footprint f;
        session_begin(&s, algo_find("dqn"), true, (const char *[]){cases[i].on, "dqn.capacity=200000", NULL});
        gpu_free = cases[i].room;
        if (cases[i].place == ACCOUNT_PLACES) {
            assert_fails(footprint_settle(&s, &f), STATUS_MEMORY, "dqn.capacity = ");
            const int largest = number_after("dqn.capacity = ");
            assert_in_range(largest, 1000, 199999);
        } else {
            assert_ok(footprint_settle(&s, &f));
            assert_int_equal(s.run.spill, gpu_free == 40 * MIB);
            assert_true(replay_held(&s, &f, cases[i].place) > 200000 * 400);
        }
        session_close(&s);
    }
}

static void automatic_sizes_are_the_largest_useful_ones_that_fit(void **state) {
    (void)state;
    struct session s;
    struct footprint f;
    const char *const settings[] = {"alphazero.batch=auto", "selfplay.group=auto", "selfplay.games=12", NULL};
    session_begin(&s, algo_find("alphazero"), true, settings);
    assert_ok(footprint_settle(&s, &f));
    assert_int_equal(config_whole(s.config, "alphazero.batch"), 256);
    assert_int_equal(config_whole(s.config, "selfplay.group"), 6); /* of 12 games, two threads */
    assert_int_equal(f.auto_count, 2);
    char *text = config_text(s.config); /* a run that goes on elsewhere has the same */
    assert_non_null(strstr(text, "batch = 256\n"));
    mem_free(text);
    session_close(&s);

    session_begin(&s, algo_find("alphazero"), true, settings);
    gpu_free = f.all[ACCOUNT_DEVICE] - 1;
    assert_ok(footprint_settle(&s, &f));
    assert_int_equal(config_whole(s.config, "alphazero.batch"), 128);
    assert_ok(s.algo->open(s.self, &s.run));
    session_close(&s);

    session_begin(&s, algo_find("reinforce"), true, (const char *[]){"reinforce.batch=auto", NULL});
    assert_ok(footprint_settle(&s, &f));
    assert_int_equal(config_whole(s.config, "reinforce.batch"), 8 * 500);
    session_close(&s);
}

/* Many times the memory of any machine, in milliseconds: nothing of it is touched. */
static void a_plan_for_what_no_machine_holds_takes_no_memory(void **state) {
    (void)state;
    struct session s;
    struct footprint f;
    const char *const settings[] = {"selfplay.games=1024", "search.simulations=10000000",
                                    "search.memory=1048576", NULL};
    session_begin(&s, algo_find("alphazero"), false, settings);
    enum status status = footprint_settle(&s, &f);
    assert_int_equal(status, STATUS_MEMORY);
    assert_true(f.all[ACCOUNT_HOST] > (size_t)1 << 40);
    assert_string_equal(f.accounts[0].name, "search trees");
    session_close(&s);
}

int main(void) {
    log_level_set(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_what_is_taken),
        cmocka_unit_test(a_plan_for_a_gpu_is_what_is_taken_there),
        cmocka_unit_test(a_refusal_names_the_largest_size_that_fits),
        cmocka_unit_test(what_no_batch_would_help_is_told_to_be_smaller),
        cmocka_unit_test(a_replay_lies_on_the_host_where_the_device_is_too_small_for_it),
        cmocka_unit_test(automatic_sizes_are_the_largest_useful_ones_that_fit),
        cmocka_unit_test(a_plan_for_what_no_machine_holds_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
