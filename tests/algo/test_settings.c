/* Settings that what was chosen does not use are told, with the place where they were set. */
#include "../folder.h"
#include "../testing.h"
#include "algo/session.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

/* Configures, and returns how many settings are unused; `told`: what the log says of them, for mem_free. */
static int unused(const char *where, const char *text, const char *const *overrides, int count, char **told) {
    struct session s = {0};
    size_t size;
    folder_remove("log");
    assert_ok(session_configure(&s, where ? where : "stored", text, overrides, count));
    assert_ok(log_open("log"));
    int found = session_warn_unused(&s, where);
    assert_ok(log_open(NULL));
    assert_ok(file_read("log", told, &size));
    session_close(&s);
    return found;
}

static void no_config_that_is_shipped_sets_what_is_not_used(void **state) {
    (void)state;
    char **names, path[512], *text, *told;
    int count;
    assert_ok(file_list(TENGEN_SOURCE_DIR "/configs", ".ini", &names, &count));
    assert_true(count > 20);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, TENGEN_SOURCE_DIR "/configs/%s", names[i]);
        assert_ok(config_file_text(path, &text));
        if (unused(path, text, NULL, 0, &told) != 0) fail_msg("%s", told);
        mem_free(text);
        mem_free(told);
    }
    file_list_free(names, count);
}

static const char text[] = "[run]\nalgorithm = ppo\n"
                           "[env]\nname = cartpole\nsticky = 0.25\npython = python3\n"
                           "[net]\nmodel = mlp\nblocks = 2\nvalue_hidden = 32\n";
static const char *const overrides[] = {"env.all_actions=true", "optimiser.beta1=0.5", "net.atoms=51",
                                        "net.shared=true", "env.workers=0"};
enum { OVERRIDES = 5 };

/* All but the defaults. */
static void what_is_not_used_is_told_with_its_place(void **state) {
    (void)state;
    static const char *const lines[] = {
        "x.ini:5: [env] sticky = 0.25: cartpole does not use it\n",
        "x.ini:10: [net] value_hidden = 32: model mlp with head = actor_critic does not use it\n",
        "command line: env.all_actions=true: cartpole does not use it\n",
        "command line: optimiser.beta1=0.5: sgd does not use it\n",
        "command line: net.atoms=51: model mlp with head = actor_critic does not use it\n"};
    char *told;
    assert_int_equal(unused("x.ini", text, overrides, OVERRIDES, &told), 5);
    for (int i = 0; i < 5; i++)
        if (!strstr(told, lines[i])) fail_msg("%s is not in\n%s", lines[i], told);
    mem_free(told);
}

/* Its text has every key, whether it was ever set or not. */
static void of_a_stored_config_only_the_command_line_is_told(void **state) {
    (void)state;
    char *told;
    assert_int_equal(unused(NULL, text, overrides, OVERRIDES, &told), 3);
    assert_null(strstr(told, "sticky"));
    mem_free(told);
}

static void what_another_setting_puts_out_of_use_is_told(void **state) {
    (void)state;
    static const char dqn[] = "[run]\nalgorithm = dqn\n[dqn]\nlow = -1\nalpha = 0.5\n";
    const char *const on[] = {"net.head=q", "net.model=mlp", "net.atoms=51", "dqn.prioritised=true"};
    char *told;
    assert_int_equal(unused("x.ini", dqn, on, 2, &told), 2);
    assert_non_null(strstr(told, "x.ini:4: [dqn] low = -1: it has no effect with net.atoms = 1\n"));
    assert_non_null(
        strstr(told, "x.ini:5: [dqn] alpha = 0.5: it has no effect with dqn.prioritised = false\n"));
    mem_free(told);
    assert_int_equal(unused("x.ini", dqn, on, 4, &told), 0);
    mem_free(told);
}

/* The keys and values that algorithms name are there. */
static void what_is_named_as_out_of_use_can_be(void **state) {
    (void)state;
    for (int i = 0; i < algo_count(); i++) {
        const struct algo *a = algo_at(i);
        for (const struct algo_idle *idle = a->idle; idle && idle->section; idle++) {
            struct session s = {0};
            char *algorithm = mem_format("run.algorithm=%s", a->name), setting[128];
            char *keys = mem_string(idle->keys), *rest = keys, *key;
            snprintf(setting, sizeof setting, "%s=%s", idle->other, idle->value);
            const char *const all[] = {algorithm, setting};
            assert_ok(session_configure(&s, a->name, a->test_config, all, 2));
            assert_true(config_is(s.config, idle->other, idle->value));
            while ((key = strsep(&rest, " "))) {
                char name[128];
                snprintf(name, sizeof name, "%s.%s", idle->section, key);
                assert_false(
                    config_is(s.config, name, "no such value")); /* aborts where there is no such key */
            }
            session_close(&s);
            mem_free(keys);
            mem_free(algorithm);
        }
    }
}

static void what_is_chosen_instead_may_use_it(void **state) {
    (void)state;
    const char *const others[] = {"env.name=atari:pong", "env.all_actions=true", "net.model=resnet",
                                  "net.blocks=3",        "optimiser.kind=adam",  "optimiser.beta1=0.5"};
    char *told;
    assert_int_equal(unused("x.ini", text, others, 6, &told), 0);
    mem_free(told);
}

static void the_copy_of_a_config_that_a_run_keeps_is_as_good_as_the_config(void **state) {
    (void)state;
    char *told;
    struct session s = {0};
    assert_ok(session_configure(
        &s, "x.ini", "[run]\nalgorithm = ppo\n[env]\nname = cartpole\n[net]\nmodel = mlp\n", NULL, 0));
    char *copy = config_text(s.config);
    session_close(&s);
    assert_int_equal(unused("copy.ini", copy, NULL, 0, &told), 0);
    mem_free(copy);
    mem_free(told);
}

int main(void) {
    log_level_set(LOG_ERROR); /* on the screen */
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_config_that_is_shipped_sets_what_is_not_used),
        cmocka_unit_test(what_is_not_used_is_told_with_its_place),
        cmocka_unit_test(of_a_stored_config_only_the_command_line_is_told),
        cmocka_unit_test(what_another_setting_puts_out_of_use_is_told),
        cmocka_unit_test(what_is_named_as_out_of_use_can_be),
        cmocka_unit_test(what_is_chosen_instead_may_use_it),
        cmocka_unit_test(the_copy_of_a_config_that_a_run_keeps_is_as_good_as_the_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
