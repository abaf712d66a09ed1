/* Every algorithm of algos.def: training 2N iterations equals training N, saving and resuming for N, bit for bit; and
 * the number of threads changes nothing. */
#include "testing.h"

#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tengen/algo.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

struct comparison {
    hid_t other;
    int compared, differing;
    char first[128]; /* data set that differs */
};

static size_t read_all(hid_t file, const char *name, void **data) {
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0) return 0;
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    size_t size = H5Tget_size(type) * (size_t)H5Sget_simple_extent_npoints(space);
    *data = mem_alloc(size ? size : 1, 1);
    if (H5Tis_variable_str(type) <= 0 && size) assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *data) >= 0);
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(set);
    return size;
}

static herr_t compare(hid_t object, const char *name, const H5O_info_t *info, void *context) {
    struct comparison *c = context;
    /* The config names the directory and the number of threads. */
    if (info->type != H5O_TYPE_DATASET || strcmp(name, "config") == 0) return 0;
    void *a = NULL, *b = NULL;
    size_t size = read_all(object, name, &a), other = read_all(c->other, name, &b);
    c->compared++;
    if (size != other || memcmp(a, b, size) != 0) {
        if (c->differing++ == 0) snprintf(c->first, sizeof c->first, "%s", name);
    }
    mem_free(a);
    mem_free(b);
    return 0;
}

static void assert_same_checkpoint(const char *path_a, const char *path_b) {
    hid_t a = H5Fopen(path_a, H5F_ACC_RDONLY, H5P_DEFAULT), b = H5Fopen(path_b, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (a < 0 || b < 0) fail_msg("cannot open %s or %s", path_a, path_b);
    struct comparison c = {.other = b};
    H5Ovisit(a, H5_INDEX_NAME, H5_ITER_NATIVE, compare, &c);
    H5Fclose(a);
    H5Fclose(b);
    assert_true(c.compared > 5);
    if (c.differing) fail_msg("%s and %s: %d of %d data sets differ, the first is %s", path_a, path_b, c.differing, c.compared, c.first);
}

struct place {
    char folder[64], config[96], dir[96];
};

static void place_make(struct place *p, const struct algo *algo) {
    snprintf(p->folder, sizeof p->folder, "resume_XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->config, sizeof p->config, "%s/%s.ini", p->folder, algo->name);
    char *text = mem_format("%s", algo->test_config);
    assert_ok(file_write(p->config, text, strlen(text)));
    mem_free(text);
}

static void train(const struct place *p, const struct algo *algo, const char *name, bool resume, int iterations, int threads) {
    char dir[160], set_dir[176], set_name[64], set_iterations[64], set_threads[64];
    snprintf(dir, sizeof dir, "%s/%s", p->folder, name);
    snprintf(set_dir, sizeof set_dir, "run.dir=%s", dir);
    snprintf(set_name, sizeof set_name, "run.algorithm=%s", algo->name);
    snprintf(set_iterations, sizeof set_iterations, "run.iterations=%d", iterations);
    snprintf(set_threads, sizeof set_threads, "run.threads=%d", threads);
    const char *overrides[] = {set_name, set_iterations, set_threads, "run.device=cpu", set_dir};
    struct train_request q = {.config_path = resume ? NULL : p->config,
                              .resume = resume ? dir : NULL,
                              .overrides = overrides,
                              .override_count = resume ? 4 : 5,
                              .quiet = true};
    assert_ok(algo_train(&q));
}

static void checkpoint_of(const struct place *p, const char *name, int iterations, char *path, size_t size) {
    snprintf(path, size, "%s/%s/checkpoints/%09d.h5", p->folder, name, iterations);
}

static void resumed_training_equals_unbroken_training(void **state) {
    (void)state;
    log_level_set(LOG_WARN);
    for (int i = 0; i < algo_count(); i++) {
        const struct algo *algo = algo_at(i);
        struct place p;
        char a[256], b[256];
        place_make(&p, algo);
        train(&p, algo, "unbroken", false, 6, 1);
        train(&p, algo, "broken", false, 3, 1);
        train(&p, algo, "broken", true, 6, 1);
        checkpoint_of(&p, "unbroken", 6, a, sizeof a);
        checkpoint_of(&p, "broken", 6, b, sizeof b);
        assert_same_checkpoint(a, b);
    }
}

static void threads_change_nothing(void **state) {
    (void)state;
    for (int i = 0; i < algo_count(); i++) {
        const struct algo *algo = algo_at(i);
        struct place p;
        char a[256], b[256];
        place_make(&p, algo);
        train(&p, algo, "one", false, 6, 1);
        train(&p, algo, "three", false, 6, 3);
        checkpoint_of(&p, "one", 6, a, sizeof a);
        checkpoint_of(&p, "three", 6, b, sizeof b);
        assert_same_checkpoint(a, b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_training_equals_unbroken_training),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
