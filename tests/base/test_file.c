#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "folder.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "testing.h"

static void what_is_written_is_read_back(void **state) {
    (void)state;
    size_t size = 300000; /* beyond the first buffer */
    char *data = mem_alloc(size, 1), *back;
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 % 251);
    assert_ok(file_write("bytes", data, size));
    size_t got;
    assert_ok(file_read("bytes", &back, &got));
    assert_int_equal(got, size);
    assert_memory_equal(back, data, size);
    assert_int_equal(back[size], 0);
    mem_free(back);
    mem_free(data);
}

static void an_empty_file_is_an_empty_text(void **state) {
    (void)state;
    char *back;
    size_t got;
    assert_ok(file_write("empty", "", 0));
    assert_ok(file_read("empty", &back, &got));
    assert_int_equal(got, 0);
    assert_string_equal(back, "");
    mem_free(back);
}

static void gzip_is_read_as_its_content(void **state) {
    (void)state;
    gzFile out = gzopen("packed.gz", "wb");
    for (int i = 0; i < 50000; i++)
        gzprintf(out, "line %d\n", i);
    gzclose(out);
    char *text;
    size_t size;
    assert_ok(file_read("packed.gz", &text, &size));
    assert_true(strncmp(text, "line 0\nline 1\n", 14) == 0);
    assert_string_equal(text + size - 11, "line 49999\n");
    mem_free(text);
}

static void a_cut_gzip_is_an_error(void **state) {
    (void)state;
    assert_ok(file_write("cut.gz", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x4c", 12));
    char *text;
    size_t size;
    assert_fails(file_read("cut.gz", &text, &size), STATUS_FORMAT, "cut.gz: damaged gzip data");
    assert_null(text);
}

static void errors_name_the_file(void **state) {
    (void)state;
    char *text;
    size_t size;
    assert_fails(file_read("no/such", &text, &size), STATUS_IO, "no/such: No such file or directory");
    assert_fails(file_read(".", &text, &size), STATUS_IO, ".: is a folder");
    assert_fails(file_write("no/such", "x", 1), STATUS_IO, "no/such: cannot write: No such file");
    char **names;
    int count;
    assert_fails(file_list("no", "", &names, &count), STATUS_IO, "no: No such file");
}

/* The folder holds only what was asked for: a failed write leaves neither half a file nor a temporary one. */
static void a_write_is_all_or_nothing(void **state) {
    (void)state;
    assert_ok(file_make_folder("atomic"));
    assert_ok(file_write("atomic/x", "old", 3));
    assert_ok(file_write("atomic/x", "new!", 4));
    assert_ok(file_make_folder("atomic/taken"));
    assert_fails(file_write("atomic/taken", "x", 1), STATUS_IO, "atomic/taken: cannot rename");
    char **names, *text;
    int count;
    size_t size;
    assert_ok(file_list("atomic", "", &names, &count));
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "taken");
    assert_string_equal(names[1], "x");
    file_list_free(names, count);
    assert_ok(file_read("atomic/x", &text, &size));
    assert_string_equal(text, "new!");
    mem_free(text);
}

static void commit_moves_a_library_s_file_into_place(void **state) {
    (void)state;
    FILE *out = fopen("made.tmp", "w");
    fputs("content", out);
    fclose(out);
    assert_ok(file_commit("made.tmp", "made"));
    assert_false(file_exists("made.tmp"));
    char *text;
    size_t size;
    assert_ok(file_read("made", &text, &size));
    assert_string_equal(text, "content");
    mem_free(text);
    assert_fails(file_commit("none.tmp", "made"), STATUS_IO, "none.tmp");
}

static void folders_are_made_with_their_parents(void **state) {
    (void)state;
    assert_ok(file_make_folder("a/b//c/"));
    assert_ok(file_make_folder("a/b/c"));
    assert_true(file_is_folder("a/b/c"));
    assert_ok(file_make_folder("."));
    assert_ok(file_write("a/file", "", 0));
    assert_true(file_exists("a/file"));
    assert_false(file_is_folder("a/file"));
    assert_fails(file_make_folder("a/file/x"), STATUS_IO,
                 "a/file: cannot make the folder: a file of that name");
    char path[512];
    assert_non_null(getcwd(path, sizeof path - 32));
    strcat(path, "/absolute/deep");
    assert_ok(file_make_folder(path));
    assert_true(file_is_folder("absolute/deep"));
}

static void names_are_listed_by_suffix_and_sorted(void **state) {
    (void)state;
    assert_ok(file_make_folder("list"));
    assert_ok(file_write("list/b.sgf", "", 0));
    assert_ok(file_write("list/a.sgf", "", 0));
    assert_ok(file_write("list/c.txt", "", 0));
    char **names;
    int count;
    assert_ok(file_list("list", ".sgf", &names, &count));
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "a.sgf");
    assert_string_equal(names[1], "b.sgf");
    file_list_free(names, count);
}

static void space_is_known_for_paths_that_are_not_there_yet(void **state) {
    (void)state;
    assert_true(file_space(".") > 0);
    assert_true(file_space("not/yet/there") > 0);
    assert_true(file_space("/not/there") > 0);
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(an_empty_file_is_an_empty_text),
        cmocka_unit_test(gzip_is_read_as_its_content),
        cmocka_unit_test(a_cut_gzip_is_an_error),
        cmocka_unit_test(errors_name_the_file),
        cmocka_unit_test(a_write_is_all_or_nothing),
        cmocka_unit_test(commit_moves_a_library_s_file_into_place),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(names_are_listed_by_suffix_and_sorted),
        cmocka_unit_test(space_is_known_for_paths_that_are_not_there_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
