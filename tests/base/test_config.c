#include "folder.h"
#include "tengen/config.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "testing.h"

#define LEARN_CONFIG(F, S)                                                                                   \
    F(S, float, learning_rate, 2.5e-4f, 0, 1, "Adam step size")                                              \
    F(S, int, horizon, 128, 1, 65536, "steps per environment and update")                                    \
    F(S, long, total_steps, 10000000L, 1, 1e15, "environment steps in all")                                  \
    F(S, bool, normalise, true, 0, 1, "normalise advantages")                                                \
    F(S, choice, optimiser, "adam", 0, 0, "adam | sgd | lamb; the optimiser")                                \
    F(S, string, name, "", 0, 0, "what to call it")                                                          \
    F(S, schedule, rate, "0.02@0 0.002@1000", 0, 1, "learning rate by step")                                 \
    F(S, schedule, constant, 0.5f, 0, 0, "a number is a schedule too")                                       \
    F(S, int, offset, -3, 0, 0, "any number")
CONFIG_STRUCT(learn_config, LEARN_CONFIG)
CONFIG_TABLE(learn_config, LEARN_CONFIG)

#define NET_CONFIG(F, S)                                                                                     \
    F(S, int, channels, 64, 1, 4096, "channels of the trunk")                                                \
    F(S, int, blocks, 6, 0, 1000, "residual blocks")
CONFIG_STRUCT(net_config, NET_CONFIG)
CONFIG_TABLE(net_config, NET_CONFIG)

struct fixture {
    struct config *config;
    struct learn_config learn;
    struct net_config policy, value;
};

static int setup(void **state) {
    struct fixture *f = MEM_NEW(struct fixture, 1);
    f->config = config_create();
    config_bind(f->config, "learn", learn_config_keys, &f->learn, "How it learns");
    config_bind(f->config, "net.policy", net_config_keys, &f->policy, "The policy's network");
    config_bind(f->config, "net.value", net_config_keys, &f->value, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    config_free(f->config);
    mem_free(f);
    return 0;
}

static void defaults_are_set_at_binding(void **state) {
    struct fixture *f = *state;
    assert_true(f->learn.learning_rate == 2.5e-4f);
    assert_int_equal(f->learn.horizon, 128);
    assert_int_equal(f->learn.total_steps, 10000000);
    assert_true(f->learn.normalise);
    assert_string_equal(f->learn.optimiser, "adam");
    assert_string_equal(f->learn.name, "");
    assert_int_equal(f->learn.rate.count, 2);
    assert_true(schedule_value(&f->learn.constant, 1e9) == 0.5f);
    assert_int_equal(f->learn.offset, -3);
    assert_int_equal(f->value.channels, 64);
    assert_int_equal(config_line(f->config, "learn", "horizon"), 0);
}

static void a_text_sets_values_and_later_ones_win(void **state) {
    struct fixture *f = *state;
    assert_ok(config_read_text(f->config, "a.ini",
                               "\xEF\xBB\xBF# a comment\r\n"
                               "[learn]\n"
                               "  learning_rate = 1e-3 ; inline\n"
                               "  horizon=64\n"
                               "total_steps : 2e9\n"
                               "normalise = No\n"
                               "optimiser = sgd\n"
                               "name = \"a # name\"\n"
                               "rate = 0.1@0 ~0.01@500\n"
                               "\n"
                               "[net.policy]\n"
                               "channels = 128"));
    assert_true(f->learn.learning_rate == 1e-3f);
    assert_int_equal(f->learn.horizon, 64);
    assert_int_equal(f->learn.total_steps, 2000000000);
    assert_false(f->learn.normalise);
    assert_string_equal(f->learn.optimiser, "sgd");
    assert_string_equal(f->learn.name, "a # name");
    assert_near(schedule_value(&f->learn.rate, 250), 0.055, 1e-6, 0);
    assert_int_equal(f->policy.channels, 128);
    assert_int_equal(f->value.channels, 64);
    assert_true(config_line(f->config, "net.policy", "channels") > 0);
    assert_int_equal(config_line(f->config, "net.value", "channels"), 0);

    assert_ok(config_read_text(f->config, "b.ini", "[learn]\nhorizon = 32\n"));
    assert_ok(config_override(f->config, "net.value.blocks=0"));
    assert_int_equal(f->learn.horizon, 32);
    assert_int_equal(f->value.blocks, 0);
}

static void errors_name_file_line_key_and_remedy(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {"[learn]\nhorizon = 1x\n", "x.ini:2: [learn] horizon = 1x: not a whole number"},
        {"[learn]\nhorizon = 1.5\n", "x.ini:2: [learn] horizon = 1.5: not a whole number"},
        {"[learn]\nhorizon =\n", "x.ini:2: [learn] horizon = : not a whole number"},
        {"[learn]\nhorizon = 0\n", "x.ini:2: [learn] horizon = 0: out of range; it must be in 1 .. 65536"},
        {"[learn]\noffset = 3000000000\n",
         "x.ini:2: [learn] offset = 3000000000: out of range; it must be in -2147483648 .. 2147483647"},
        {"[learn]\ntotal_steps = 99999999999999999999\n",
         "x.ini:2: [learn] total_steps = 99999999999999999999: not a whole number"},
        {"[learn]\n\n\nlearning_rate = 2\n",
         "x.ini:4: [learn] learning_rate = 2: out of range; it must be in 0 .. 1"},
        {"[learn]\nlearning_rate = nan\n", "x.ini:2: [learn] learning_rate = nan: not a finite number"},
        {"[learn]\nlearning_rate = 1e99\n", "x.ini:2: [learn] learning_rate = 1e99: not a finite number"},
        {"[learn]\nlearning_rate = 0,5\n", "x.ini:2: [learn] learning_rate = 0,5: not a number"},
        {"[learn]\nnormalise = maybe\n",
         "x.ini:2: [learn] normalise = maybe: not a truth value; it must be true or false"},
        {"[learn]\noptimiser = adm\n",
         "x.ini:2: [learn] optimiser = adm: not one of adam | sgd | lamb; did you mean `adam`?"},
        {"[learn]\noptimiser = rmsprop\n",
         "x.ini:2: [learn] optimiser = rmsprop: not one of adam | sgd | lamb"},
        {"[learn]\nrate = 0.1@5\n",
         "x.ini:2: [learn] rate = 0.1@5: not a schedule; it is a number, or up to 16 points "
         "like `0.1@0 0.01@500 ~0.001@1000`, the first at 0, ascending, `~` for a line "
         "from the point before"},
        {"[learn]\nrate = 0.1@0 7@9\n",
         "x.ini:2: [learn] rate = 0.1@0 7@9: out of range; it must be in 0 .. 1"},
        {"[learn]\nlearning_rat = 1\n", "x.ini:2: [learn] learning_rat = 1: unknown key `learning_rat` in "
                                        "[learn]; did you mean `learning_rate`?"},
        {"[learn]\nchannels = 1\n", "x.ini:2: [learn] channels = 1: unknown key `channels` in [learn]; did "
                                    "you mean the one of [net.policy]?"},
        {"[net.value]\nxyzzy = 1\n",
         "x.ini:2: [net.value] xyzzy = 1: unknown key `xyzzy` in [net.value]; there are channels, blocks"},
        {"# nothing\n[laern]\n", "x.ini:2: unknown section `laern`; did you mean `learn`?"},
        {"[optimizer]\nx = 1\n",
         "x.ini:1: unknown section `optimizer`; there are learn, net.policy, net.value"},
        {"horizon = 1\n", "x.ini:1: horizon = 1: stands before any [section]"},
        {"[learn]\nhorizon = 1\nname = x\n  horizon = 2\n",
         "x.ini:4: [learn] horizon = 2: the key stands in line 2 already; keep one of them"},
        {"[learn]\nhorizon = 2\n[net.value]\nblocks = 1\n[learn]\nhorizon = 2\n",
         "x.ini:6: [learn] horizon = 2: the key stands in line 2 already; keep one of them"},
        {"[learn]\nhorizon 5\nhorizon = x\n",
         "x.ini:2: neither `[section]` nor `key = value`; comments begin with # or ;"},
        {"[learn\nhorizon = 5\n",
         "x.ini:1: neither `[section]` nor `key = value`; comments begin with # or ;"},
        {"[learn]\nhorizon = x\nhorizon 5\n", "x.ini:2: [learn] horizon = x: not a whole number"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(config_read_text(f->config, "x.ini", wrong[i].text), STATUS_USAGE);
        assert_string_equal(status_text(), wrong[i].error);
    }
}

static void wrong_values_change_nothing(void **state) {
    struct fixture *f = *state;
    assert_int_equal(config_override(f->config, "learn.horizon=0"), STATUS_USAGE);
    assert_int_equal(f->learn.horizon, 128);
    assert_int_equal(config_line(f->config, "learn", "horizon"), 0);
}

static void overrides_name_the_command_line(void **state) {
    struct fixture *f = *state;
    static const char *const wrong[][2] = {
        {"learn.horizon=x", "command line: learn.horizon=x: not a whole number"},
        {"learn.horizn=1",
         "command line: learn.horizn=1: unknown key `horizn` in [learn]; did you mean `horizon`?"},
        {"net.polcy.blocks=1",
         "command line: net.polcy.blocks=1: unknown section `net.polcy`; did you mean `net.policy`?"},
        {"horizon=1", "command line: horizon=1: a setting is section.key=value"},
        {"learn.horizon", "command line: learn.horizon: a setting is section.key=value"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(config_override(f->config, wrong[i][0]), STATUS_USAGE);
        assert_string_equal(status_text(), wrong[i][1]);
    }
    assert_ok(config_override(f->config, "learn.name=a=b.c"));
    assert_string_equal(f->learn.name, "a=b.c");
    assert_fails(config_override(f->config, "learn.name=a ;b"), STATUS_USAGE, "a text cannot hold");
}

static void long_lines_are_taken_or_refused_but_never_cut(void **state) {
    struct fixture *f = *state;
    char text[3000], name[256];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    snprintf(text, sizeof text, "[learn]\nname = %s\n", name);
    assert_ok(config_read_text(f->config, "x.ini", text));
    assert_string_equal(f->learn.name, name);
    snprintf(text, sizeof text, "[learn]\nname = %sn\n", name);
    assert_fails(config_read_text(f->config, "x.ini", text), STATUS_USAGE,
                 "too long; 255 bytes are the most");
    snprintf(text, sizeof text, "[learn]\n\nname = %2000s\n", "x");
    assert_fails(config_read_text(f->config, "x.ini", text), STATUS_USAGE,
                 "x.ini:3: the line is too long; 1200 bytes");
    snprintf(text, sizeof text, "# %2000s\n[learn]\nhorizon = 9", "a long comment is nobody's business");
    assert_ok(config_read_text(f->config, "x.ini", text));
    assert_int_equal(f->learn.horizon, 9);
}

static void the_text_of_a_config_is_read_back_as_the_same(void **state) {
    struct fixture *f = *state;
    assert_ok(config_override(f->config, "learn.learning_rate=0.1"));
    assert_ok(config_override(f->config, "learn.name=  spaces inside  "));
    assert_ok(config_override(f->config, "learn.rate=0.3@0 ~0.1@1e6 0.033333335@123456789012"));
    char *text = config_text(f->config);
    assert_string_equal(text, "[learn]\n"
                              "learning_rate = 0.1\n"
                              "horizon = 128\n"
                              "total_steps = 10000000\n"
                              "normalise = true\n"
                              "optimiser = adam\n"
                              "name = spaces inside\n"
                              "rate = 0.3@0 ~0.1@1000000 0.033333335@123456789012\n"
                              "constant = 0.5\n"
                              "offset = -3\n"
                              "\n"
                              "[net.policy]\n"
                              "channels = 64\n"
                              "blocks = 6\n"
                              "\n"
                              "[net.value]\n"
                              "channels = 64\n"
                              "blocks = 6\n");
    config_defaults(learn_config_keys, &f->learn);
    assert_ok(config_read_text(f->config, "checkpoint", text));
    char *again = config_text(f->config);
    assert_string_equal(again, text);
    assert_true(f->learn.learning_rate == 0.1f && f->learn.rate.points[1].linear);
    mem_free(again);
    mem_free(text);
}

static void keys_know_the_line_they_stood_in(void **state) {
    struct fixture *f = *state;
    assert_ok(config_read_text(f->config, "x.ini", "# first\n[learn]\n\nhorizon = 3\n"));
    assert_int_equal(config_line(f->config, "learn", "horizon"), 4);
    assert_int_equal(config_line(f->config, "learn", "learning_rate"), 0);
    assert_int_equal(config_line(f->config, "none", "horizon"), 0);
}

static void a_part_is_read_without_the_other_sections_but_not_past_a_misspelt_one(void **state) {
    struct fixture *f = *state;
    config_ignore_unbound(f->config);
    assert_ok(config_read_text(f->config, "x.ini", "[optimizer]\nhorizn = 1\n[learn]\nhorizon = 3\n"));
    assert_int_equal(f->learn.horizon, 3);
    assert_fails(config_read_text(f->config, "x.ini", "[optimizer]\n[Learn]\nhorizon = 4\n"), STATUS_USAGE,
                 "x.ini:2: unknown section `Learn`; did you mean `learn`?");
}

static void files_are_read_and_missing_ones_named(void **state) {
    struct fixture *f = *state;
    const char text[] = "[learn]\nhorizon = 77\n";
    assert_ok(file_write("some.ini", text, sizeof text - 1));
    char *read;
    assert_ok(config_file_text("some.ini", &read));
    assert_ok(config_read_text(f->config, "some.ini", read));
    mem_free(read);
    assert_int_equal(f->learn.horizon, 77);
    assert_fails(config_file_text("none.ini", &read), STATUS_IO, "none.ini: No such file");
    assert_ok(file_write("binary.ini", "a\0b", 3));
    assert_fails(config_file_text("binary.ini", &read), STATUS_USAGE, "binary.ini: is not a text file");
}

static void help_shows_type_default_range_and_sentence(void **state) {
    struct fixture *f = *state;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_ok(config_override(f->config, "learn.horizon=5")); /* help shows the default all the same */
    config_help(f->config, out);
    fclose(out);
    assert_non_null(strstr(text, "[learn]  How it learns\n"));
    assert_non_null(strstr(text, "default 128  [1 .. 65536]\n      steps per environment and update\n"));
    assert_non_null(strstr(text, "default adam  [adam | sgd | lamb]\n      the optimiser\n"));
    assert_non_null(strstr(text, "default (empty)\n"));
    free(text);
}

static void nearest_is_near_or_none(void **state) {
    (void)state;
    static const char *const words[] = {"learning_rate", "horizon", "gamma", "lambda"};
    assert_string_equal(config_nearest("learningrate", words, 4), "learning_rate");
    assert_string_equal(config_nearest("hroizon", words, 4), "horizon");
    assert_string_equal(config_nearest("Gamma", words, 4), "gamma");
    assert_string_equal(config_nearest("lamda", words, 4), "lambda");
    assert_null(config_nearest("temperature", words, 4));
    assert_null(config_nearest("x", words, 0));
}

static void schedules_step_or_run_in_lines(void **state) {
    (void)state;
    struct schedule s;
    assert_true(schedule_parse(&s, "0.1@0 0.01@500 ~0.001@1000"));
    assert_near(schedule_value(&s, 0), 0.1, 1e-6, 0);
    assert_near(schedule_value(&s, 499.9), 0.1, 1e-6, 0);
    assert_near(schedule_value(&s, 500), 0.01, 1e-6, 0);
    assert_near(schedule_value(&s, 750), 0.0055, 1e-6, 0);
    assert_near(schedule_value(&s, 1000), 0.001, 1e-6, 0);
    assert_near(schedule_value(&s, 1e9), 0.001, 1e-6, 0);
    assert_near(schedule_value(&s, -5), 0.1, 1e-6, 0);
    char text[100];
    schedule_print(&s, text, sizeof text);
    assert_string_equal(text, "0.1@0 0.01@500 ~0.001@1000");
    assert_true(schedule_parse(&s, " -2 "));
    schedule_print(&s, text, sizeof text);
    assert_string_equal(text, "-2");
}

static void malformed_schedules_are_refused_and_change_nothing(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "x",
        "0.1@",
        "0.1@1",
        "~0.1@0",
        "0.1@0 0.2",
        "1@0,2@3",
        "0.1@0 0.2@0",
        "1@0 2@5 3@4",
        "nan",
        "1@0 2@inf",
        "1@0x",
        "1@0 1@1 1@2 1@3 1@4 1@5 1@6 1@7 1@8 1@9 1@10 1@11 1@12 1@13 1@14 1@15 1@16"};
    struct schedule s;
    assert_true(schedule_parse(&s, "7"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(schedule_parse(&s, wrong[i]));
        assert_true(s.count == 1 && s.points[0].value == 7.0f);
    }
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_set_at_binding, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_sets_values_and_later_ones_win, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_name_file_line_key_and_remedy, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_values_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(overrides_name_the_command_line, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_are_taken_or_refused_but_never_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(the_text_of_a_config_is_read_back_as_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_know_the_line_they_stood_in, setup, teardown),
        cmocka_unit_test_setup_teardown(a_part_is_read_without_the_other_sections_but_not_past_a_misspelt_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(files_are_read_and_missing_ones_named, setup, teardown),
        cmocka_unit_test_setup_teardown(help_shows_type_default_range_and_sentence, setup, teardown),
        cmocka_unit_test(nearest_is_near_or_none),
        cmocka_unit_test(schedules_step_or_run_in_lines),
        cmocka_unit_test(malformed_schedules_are_refused_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
