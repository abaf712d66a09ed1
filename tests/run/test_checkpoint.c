/* Checkpoints: what is written is read back, and everything else is an error that says what is wrong. */
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../testing.h"
#include "tengen/checkpoint.h"
#include "tengen/file.h"
#include "tengen/mem.h"

/* Where a file is damaged, HDF5 gives up without freeing everything. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libhdf5";
}

static const char path[] = "checkpoint.h5";
static const char config[] = "[run]\nseed = 3\n";
enum { ROWS = 700, COLUMNS = 5 };

static float weight_at(int i, int version) {
    return (float)i * 0.25f + (float)version;
}

/* A file whose content depends on `version`; the status of its commit. */
static enum status save(const char *to, int version) {
    struct checkpoint_writer *w;
    TRY(checkpoint_create(to, "checkpoint", config, &w));
    static float values[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = weight_at(i, version);
    const int64_t dims[] = {ROWS, COLUMNS};
    struct rng rng = rng_make(7, RNG_TEST, 9);
    rng.counter = 11;
    checkpoint_put(w, "net/fc.weight", DTYPE_F32, 2, dims, values, "OI");
    checkpoint_put_bytes(w, "state/bytes", "abc", 3);
    checkpoint_put_bytes(w, "state/nothing", "", 0);
    checkpoint_put_text(w, "state/text", "two\nlines");
    checkpoint_put_long(w, "state/version", version);
    checkpoint_put_double(w, "state/double", -0.1);
    checkpoint_put_rng(w, "state/rng", &rng);
    return checkpoint_commit(w);
}

static void what_is_written_is_read_back(void **unused) {
    (void)unused;
    struct checkpoint_reader *r;
    assert_ok(save(path, 4));
    assert_ok(checkpoint_open(path, &r));
    assert_string_equal(checkpoint_kind(r), "checkpoint");
    assert_string_equal(checkpoint_config(r), config);
    float values[ROWS * COLUMNS];
    assert_ok(checkpoint_get(r, "net/fc.weight", DTYPE_F32, 2, (int64_t[]){ROWS, COLUMNS}, values));
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_true(values[i] == weight_at(i, 4));
    void *bytes;
    char *text;
    size_t size;
    int64_t version;
    double number;
    struct rng rng;
    assert_ok(checkpoint_get_bytes(r, "state/bytes", &bytes, &size));
    assert_int_equal(size, 3);
    assert_memory_equal(bytes, "abc", 3);
    mem_free(bytes);
    assert_ok(checkpoint_get_bytes(r, "state/nothing", &bytes, &size));
    assert_int_equal(size, 0);
    mem_free(bytes);
    assert_ok(checkpoint_get_text(r, "state/text", &text));
    assert_string_equal(text, "two\nlines");
    mem_free(text);
    assert_ok(checkpoint_get_long(r, "state/version", &version));
    assert_int_equal(version, 4);
    assert_ok(checkpoint_get_double(r, "state/double", &number));
    assert_true(number == -0.1);
    assert_ok(checkpoint_get_rng(r, "state/rng", &rng));
    struct rng expected = rng_make(7, RNG_TEST, 9);
    expected.counter = 11;
    assert_memory_equal(&rng, &expected, sizeof rng);
    assert_true(checkpoint_has(r, "state"));
    assert_false(checkpoint_has(r, "state/absent"));
    assert_false(checkpoint_has(r, "absent/absent"));
    checkpoint_close(r);
}

static void equal_content_makes_equal_files(void **unused) {
    (void)unused;
    char *a, *b;
    size_t size_a, size_b;
    assert_ok(save("a.h5", 1));
    sleep(1); /* no times within */
    assert_ok(save("b.h5", 1));
    assert_ok(file_read("a.h5", &a, &size_a));
    assert_ok(file_read("b.h5", &b, &size_b));
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    mem_free(a);
    mem_free(b);
}

static void another_shape_or_type_is_refused_and_both_are_named(void **unused) {
    (void)unused;
    struct checkpoint_reader *r;
    float values[ROWS * COLUMNS];
    int64_t number;
    void *bytes;
    char *text;
    size_t size;
    assert_ok(save(path, 0));
    assert_ok(checkpoint_open(path, &r));
    assert_fails(checkpoint_get(r, "net/fc.weight", DTYPE_F32, 2, (int64_t[]){COLUMNS, ROWS}, values),
                 STATUS_FORMAT,
                 "checkpoint.h5: data set net/fc.weight is f32[700,5], but the config asks for f32[5,700]");
    assert_fails(checkpoint_get(r, "net/fc.weight", DTYPE_I32, 2, (int64_t[]){ROWS, COLUMNS}, values),
                 STATUS_FORMAT, "i32[700,5]");
    assert_fails(checkpoint_get(r, "net/fc.bias", DTYPE_F32, 1, (int64_t[]){5}, values), STATUS_FORMAT,
                 "data set net/fc.bias is missing");
    assert_fails(checkpoint_get_long(r, "state/double", &number), STATUS_FORMAT, "f64[]");
    assert_fails(checkpoint_get_long(r, "state", &number), STATUS_FORMAT, "state");
    assert_fails(checkpoint_get_bytes(r, "state/text", &bytes, &size), STATUS_FORMAT, "state/text");
    assert_fails(checkpoint_get_text(r, "state/bytes", &text), STATUS_FORMAT, "not a text");
    checkpoint_close(r);
}

static void a_truncated_file_is_an_error_at_any_length(void **unused) {
    (void)unused;
    char *whole;
    size_t size;
    assert_ok(save(path, 0));
    assert_ok(file_read(path, &whole, &size));
    for (size_t length = 0; length < size; length += length < 3000 ? 61 : 977) {
        struct checkpoint_reader *r;
        assert_ok(file_write("cut.h5", whole, length));
        assert_fails(checkpoint_open("cut.h5", &r), STATUS_FORMAT, "cut.h5: ");
        assert_null(r);
    }
    mem_free(whole);
}

static void damaged_bytes_never_crash_the_reader(void **unused) {
    (void)unused;
    char *whole;
    size_t size;
    assert_ok(save(path, 0));
    assert_ok(file_read(path, &whole, &size));
    struct rng rng = rng_make(1, RNG_TEST, 0);
    float *values = MEM_NEW(float, ROWS *COLUMNS);
    for (int round = 0; round < 200; round++) {
        char *copy = mem_alloc(size, 1);
        memcpy(copy, whole, size);
        size_t header = size < 3000 ? size : 3000;
        copy[rng_below(&rng, (uint32_t)header)] = (char)rng_u32(&rng);
        assert_ok(file_write("damaged.h5", copy, size));
        mem_free(copy);
        struct checkpoint_reader *r;
        if (checkpoint_open("damaged.h5", &r) != STATUS_OK) continue;
        enum status s = checkpoint_get(r, "net/fc.weight", DTYPE_F32, 2, (int64_t[]){ROWS, COLUMNS}, values);
        (void)s; /* either is right: the byte may not matter */
        checkpoint_close(r);
    }
    mem_free(values);
    mem_free(whole);
}

static void a_foreign_file_is_refused(void **unused) {
    (void)unused;
    struct checkpoint_reader *r;
    static const char text[] = "this is no checkpoint, but it is long enough to hold a signature";
    assert_ok(file_write("text.h5", text, sizeof text));
    assert_fails(checkpoint_open("text.h5", &r), STATUS_FORMAT, "text.h5: is not an HDF5 file");
    assert_fails(checkpoint_open("absent.h5", &r), STATUS_IO, "absent.h5: No such file");
    assert_fails(checkpoint_open(".", &r), STATUS_IO, "folder");
    hid_t file = H5Fcreate("foreign.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    assert_fails(checkpoint_open("foreign.h5", &r), STATUS_FORMAT, "not one that tengen wrote");
}

static void a_newer_format_is_named_and_is_no_damage(void **unused) {
    (void)unused;
    struct checkpoint_reader *r;
    assert_ok(save("newer.h5", 0));
    hid_t file = H5Fopen("newer.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t attribute = H5Aopen(file, "format_version", H5P_DEFAULT);
    long long version = 99;
    H5Awrite(attribute, H5T_NATIVE_LLONG, &version);
    H5Aclose(attribute);
    H5Fclose(file);
    assert_fails(checkpoint_open("newer.h5", &r), STATUS_USAGE, "newer format 99");
}

/* Runs in a child: the limit on the size of files stands for a full disk. */
static int save_on_a_full_disk(rlim_t room) {
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {room, room};
    setrlimit(RLIMIT_FSIZE, &limit);
    enum status s = save(path, 2);
    if (s != STATUS_IO || !strstr(status_text(), "checkpoint.h5: ")) return 1;
    char *temporary = mem_format("%s.%ld.tmp", path, (long)getpid());
    return file_exists(temporary) ? 2 : 0;
}

static void a_full_disk_is_an_error_and_leaves_the_old_file(void **unused) {
    (void)unused;
    for (rlim_t room = 0; room < 14000; room += 1500) {
        assert_ok(save(path, 1));
        pid_t child = fork();
        if (child == 0) _exit(save_on_a_full_disk(room));
        int state;
        waitpid(child, &state, 0);
        assert_true(WIFEXITED(state));
        assert_int_equal(WEXITSTATUS(state), 0);
        struct checkpoint_reader *r;
        int64_t version;
        assert_ok(checkpoint_open(path, &r));
        assert_ok(checkpoint_get_long(r, "state/version", &version));
        assert_int_equal(version, 1);
        checkpoint_close(r);
    }
}

static void a_process_killed_while_it_saves_leaves_a_whole_file(void **unused) {
    (void)unused;
    assert_ok(save(path, 0));
    struct rng rng = rng_make(2, RNG_TEST, 0);
    for (int round = 0; round < 40; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (int version = 0;; version++)
                if (save(path, version) != STATUS_OK) _exit(1);
        }
        usleep(500 + rng_below(&rng, 20000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        struct checkpoint_reader *r;
        int64_t version;
        float values[ROWS * COLUMNS];
        assert_ok(checkpoint_open(path, &r));
        assert_ok(checkpoint_get_long(r, "state/version", &version));
        assert_ok(checkpoint_get(r, "net/fc.weight", DTYPE_F32, 2, (int64_t[]){ROWS, COLUMNS}, values));
        for (int i = 0; i < ROWS * COLUMNS; i++)
            assert_true(values[i] == weight_at(i, (int)version));
        checkpoint_close(r);
        char *temporary = mem_format("%s.%ld.tmp", path, (long)child);
        unlink(temporary);
        mem_free(temporary);
    }
}

static void a_folder_that_is_not_there_is_an_error(void **unused) {
    (void)unused;
    assert_fails(save("absent/x.h5", 0), STATUS_IO, "absent/x.h5: cannot be made: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(equal_content_makes_equal_files),
        cmocka_unit_test(another_shape_or_type_is_refused_and_both_are_named),
        cmocka_unit_test(a_truncated_file_is_an_error_at_any_length),
        cmocka_unit_test(damaged_bytes_never_crash_the_reader),
        cmocka_unit_test(a_foreign_file_is_refused),
        cmocka_unit_test(a_newer_format_is_named_and_is_no_damage),
        cmocka_unit_test(a_full_disk_is_an_error_and_leaves_the_old_file),
        cmocka_unit_test(a_process_killed_while_it_saves_leaves_a_whole_file),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
