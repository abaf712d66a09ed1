/* Checkpoints: what is written is read back, and everything else is an error that says what is wrong. */
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../testing.h"
#include "folder.h"
#include "run/checksum.h"
#include "run/writer.h"
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
/* HDF5 keeps the names of many members of a group in other structures than those of up to eight. */
enum { ROWS = 700, COLUMNS = 5, BIASES = 60 };

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
    for (int i = 0; i < BIASES; i++) {
        char name[32];
        snprintf(name, sizeof name, "net/fc%d.bias", i);
        checkpoint_put(w, name, DTYPE_F32, 1, dims + 1, values, "C");
    }
    writer_mark_net(w, "net", "mlp");
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

/* Reads what save() wrote, to the end or the first error, and copies it for an export, which is not
 * committed: syncing takes a disk its time. */
static enum status read_all(const char *from) {
    struct checkpoint_reader *r;
    static float values[ROWS * COLUMNS];
    TRY(checkpoint_open(from, &r));
    enum status s = checkpoint_get(r, "net/fc.weight", DTYPE_F32, 2, (int64_t[]){ROWS, COLUMNS}, values);
    checkpoint_close(r);
    struct checkpoint_writer *w = NULL;
    if (s == STATUS_OK) s = checkpoint_export_begin(from, "export.h5", &w);
    checkpoint_abandon(w);
    return s;
}

static void flip(const char *name, size_t at, int bits) {
    FILE *file = fopen(name, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ bits, file), byte ^ bits);
    assert_int_equal(fclose(file), 0);
}

static void damaged_bytes_never_crash_the_reader(void **unused) {
    (void)unused;
    char *whole;
    size_t size;
    assert_ok(save("damaged.h5", 0));
    assert_ok(file_read("damaged.h5", &whole, &size));
    mem_free(whole);
    unlink("export.h5");
    assert_ok(read_all("damaged.h5"));
    /* Every byte of the line and of the structures behind it; then one in eleven. */
    for (size_t at = 0; at < size; at += at < 1000 ? 1 : 11) {
        int bit = 1 << (at % 8);
        struct checkpoint_reader *r;
        flip("damaged.h5", at, bit);
        assert_fails(checkpoint_open("damaged.h5", &r), STATUS_FORMAT, "damaged.h5: truncated or damaged");
        assert_fails(checkpoint_export("damaged.h5", "export.h5"), STATUS_FORMAT, "damaged.h5: truncated");
        assert_false(file_exists("export.h5"));
        flip("damaged.h5", at, bit);
    }
    assert_ok(read_all("damaged.h5"));
}

/* A file as an earlier program wrote it; its size. */
static size_t save_without_checksum(const char *name) {
    char *whole;
    size_t size;
    assert_ok(save(name, 0));
    assert_ok(file_read(name, &whole, &size));
    size -= CHECKSUM_BLOCK;
    assert_ok(file_write(name, whole + CHECKSUM_BLOCK, size));
    mem_free(whole);
    return size;
}

static void a_file_without_a_checksum_is_read_and_its_export_has_one(void **unused) {
    (void)unused;
    char *whole;
    size_t size;
    save_without_checksum("earlier.h5");
    assert_ok(file_read("earlier.h5", &whole, &size));
    assert_memory_equal(whole, "\211HDF", 4);
    mem_free(whole);
    assert_ok(checkpoint_export("earlier.h5", "export.h5"));
    assert_ok(file_read("export.h5", &whole, &size));
    assert_memory_equal(whole, "tengen crc32 ", 13);
    mem_free(whole);
    struct checkpoint_reader *r;
    float values[ROWS * COLUMNS];
    assert_ok(checkpoint_open("export.h5", &r));
    assert_string_equal(checkpoint_kind(r), "weights");
    assert_string_equal(checkpoint_config(r), config);
    assert_false(checkpoint_has(r, "state"));
    assert_ok(checkpoint_get(r, "net/fc.weight", DTYPE_F32, 2, (int64_t[]){ROWS, COLUMNS}, values));
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_true(values[i] == weight_at(i, 0));
    checkpoint_close(r);
}

static void damage_in_a_file_without_a_checksum_crashes_neither_reading_nor_export(void **unused) {
    (void)unused;
    size_t size = save_without_checksum("earlier.h5");
    struct rng rng = rng_make(1, RNG_TEST, 0);
    int refused = 0;
    for (int round = 0; round < 400; round++) {
        /* Its structures stand at both ends, around the large data set. */
        size_t at = rng_below(&rng, 3000);
        if (round % 2) at = size - 1 - at;
        int bit = 1 << rng_below(&rng, 8);
        flip("earlier.h5", at, bit);
        refused += read_all("earlier.h5") != STATUS_OK; /* either is right: the byte may not matter */
        flip("earlier.h5", at, bit);
    }
    assert_true(refused > 0);
}

static void a_foreign_file_is_refused(void **unused) {
    (void)unused;
    struct checkpoint_reader *r;
    static const char text[] = "this is no checkpoint, but it is long enough to hold a signature";
    assert_ok(file_write("text.h5", text, sizeof text));
    assert_fails(checkpoint_open("text.h5", &r), STATUS_FORMAT, "text.h5: is not an HDF5 file");
    assert_fails(checkpoint_open("absent.h5", &r), STATUS_IO, "absent.h5: No such file");
    assert_fails(checkpoint_open(".", &r), STATUS_IO, "folder");
    unlink("pipe.h5");
    assert_int_equal(mkfifo("pipe.h5", 0600), 0);
    assert_fails(checkpoint_open("pipe.h5", &r), STATUS_IO, "pipe.h5: is a pipe");
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
    assert_ok(checksum_write("newer.h5"));
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
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(equal_content_makes_equal_files),
        cmocka_unit_test(another_shape_or_type_is_refused_and_both_are_named),
        cmocka_unit_test(a_truncated_file_is_an_error_at_any_length),
        cmocka_unit_test(damaged_bytes_never_crash_the_reader),
        cmocka_unit_test(a_file_without_a_checksum_is_read_and_its_export_has_one),
        cmocka_unit_test(damage_in_a_file_without_a_checksum_crashes_neither_reading_nor_export),
        cmocka_unit_test(a_foreign_file_is_refused),
        cmocka_unit_test(a_newer_format_is_named_and_is_no_damage),
        cmocka_unit_test(a_full_disk_is_an_error_and_leaves_the_old_file),
        cmocka_unit_test(a_process_killed_while_it_saves_leaves_a_whole_file),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
