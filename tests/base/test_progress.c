/* Progress: what its texts look like, and that it does not flood a file. */
#include <unistd.h>

#include "folder.h"
#include "tengen/mem.h"
#include "tengen/progress.h"
#include "testing.h"

static void quantities_have_three_digits_and_a_unit(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},          {7, "7"},          {840, "840"},     {0.25, "0.25"},    {6.494, "6.49"},
                 {999.4, "999"},    {999.6, "1.00k"},  {1250, "1.25k"},  {93600, "93.6k"},  {171900, "172k"},
                 {-2500, "-2.50k"}, {1.25e6, "1.25M"}, {4.02e8, "402M"}, {3.75e12, "3.75T"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        progress_quantity(cases[i].value, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

static void durations_have_two_units(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0.4, "0s"}, {41, "41s"}, {192, "3m12s"}, {7500, "2h05m"}, {500000, "5d18h"}, {NAN, "?"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        progress_duration(cases[i].seconds, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

/* What 1,000 updates write to a stderr that is no terminal; mem_free. */
static char *text_of_updates(double total) {
    struct progress p;
    char path[] = "progress.txt";
    fflush(stderr);
    int keep = dup(STDERR_FILENO);
    FILE *file = fopen(path, "w+");
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    progress_start(&p, "job");
    for (int i = 1; i <= 1000; i++)
        progress_update(&p, i, total, "%d done", i);
    progress_end(&p);
    dup2(keep, STDERR_FILENO);
    close(keep);
    rewind(file);
    char *text = mem_alloc(4096, 1);
    text[fread(text, 1, 4095, file)] = 0;
    fclose(file);
    return text;
}

static void a_quick_job_writes_its_end_alone(void **state) {
    (void)state;
    char *text = text_of_updates(1000);
    assert_string_equal(text, "job 100.0%  0s spent, 0s left  1000 done\n");
    mem_free(text);
}

static void an_unknown_total_is_no_reason_to_write_at_once(void **state) {
    (void)state;
    char *text = text_of_updates(0);
    assert_string_equal(text, ""); /* ten seconds have not passed */
    mem_free(text);
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities_have_three_digits_and_a_unit),
        cmocka_unit_test(durations_have_two_units),
        cmocka_unit_test(a_quick_job_writes_its_end_alone),
        cmocka_unit_test(an_unknown_total_is_no_reason_to_write_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
