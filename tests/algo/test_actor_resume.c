/* Environments in worker processes cannot be saved: a resumed run begins their episodes anew, with nothing
 * remembered of those before. tests/env/fake takes Gymnasium's place. */
#include "algo/policy.h"
#include "algo/session.h"
#include "folder.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "testing.h"

enum { ENVS = 4, UNITS = 5 };

static void session_begin(struct session *s) {
    const char *const settings[] = {
        "run.device=cpu",    "run.threads=1",     "env.name=gym:Counter-plain",
        "env.count=4",       "env.workers=2",     "env.python=" TENGEN_SOURCE_DIR "/tests/env/fake/python.sh",
        "ppo.horizon=7",     "ppo.minibatches=2", "net.gru_units=5",
        "run.algorithm=ppo", "run.precision=f32", "actor.normalise_rewards=true"};
    *s = (struct session){0};
    assert_ok(session_configure(s, "test", algo_find("ppo")->test_config, settings,
                                sizeof settings / sizeof *settings));
    assert_ok(run_open_device(&s->run));
    assert_ok(s->algo->open(s->self, &s->run));
}

static void read_memory(struct session *s, float *states, float *starts) {
    const struct actor *a = &((struct policy *)s->self)->actor;
    queue_download(s->run.queue, states, a->states);
    queue_download(s->run.queue, starts, a->starts);
}

static void recurrent_units_forget_episodes_that_cannot_go_on(void **state) {
    (void)state;
    struct session s;
    struct checkpoint_writer *w;
    float states[ENVS * UNITS], starts[ENVS];
    double remembered = 0, gained = 0;
    session_begin(&s);
    assert_ok(session_iterate(&s)); /* 7 steps of episodes of 5: the second is under way */
    read_memory(&s, states, starts);
    for (int i = 0; i < ENVS * UNITS; i++)
        remembered += fabs((double)states[i]);
    assert_true(remembered > 0);
    for (int i = 0; i < ENVS; i++) {
        assert_float_equal(starts[i], 0, 0);
        gained += (double)((struct policy *)s.self)->actor.discounted[i];
    }
    assert_true(gained > 0);
    char *text = config_text(s.config);
    assert_ok(checkpoint_create("saved.h5", "checkpoint", text, &w));
    mem_free(text);
    checkpoint_put_long(w, "run/iteration", 1);
    s.algo->save(s.self, w);
    assert_ok(checkpoint_commit(w));
    session_close(&s);
    session_begin(&s);
    assert_ok(session_restore(&s, "saved.h5"));
    read_memory(&s, states, starts);
    for (int i = 0; i < ENVS; i++) {
        assert_float_equal(starts[i], 1, 0);
        assert_float_equal(((struct policy *)s.self)->actor.discounted[i], 0, 0);
    }
    assert_ok(session_iterate(&s));
    session_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recurrent_units_forget_episodes_that_cannot_go_on),
    };
    setenv("PYTHONPATH", TENGEN_SOURCE_DIR "/tests/env/fake", 1);
    log_level_set(LOG_ERROR);
    folder_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
