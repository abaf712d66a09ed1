/* Whether two runs have come to the same state. */
#ifndef TESTS_ALGO_SAME_STATE_H
#define TESTS_ALGO_SAME_STATE_H

#include <hdf5.h>

#include "../testing.h"
#include "tengen/mem.h"
#include "tengen/run.h"

/* The config names folder and threads, in which the runs differ. */
static inline herr_t same_state_compare(hid_t root, const char *name, const H5L_info_t *info, void *context) {
    (void)info;
    hid_t other = *(hid_t *)context;
    H5O_info_t about;
    assert_true(H5Oget_info_by_name(root, name, &about, H5P_DEFAULT) >= 0);
    if (about.type != H5O_TYPE_DATASET || strcmp(name, "config") == 0) return 0;
    hid_t a = H5Dopen2(root, name, H5P_DEFAULT), b = H5Dopen2(other, name, H5P_DEFAULT);
    if (b < 0) fail_msg("%s is missing", name);
    hid_t type_a = H5Dget_type(a), type_b = H5Dget_type(b), space_a = H5Dget_space(a),
          space_b = H5Dget_space(b);
    if (H5Tequal(type_a, type_b) <= 0 || H5Sextent_equal(space_a, space_b) <= 0)
        fail_msg("%s: shapes differ (%lld and %lld values)", name,
                 (long long)H5Sget_simple_extent_npoints(space_a),
                 (long long)H5Sget_simple_extent_npoints(space_b));
    size_t bytes = H5Tget_size(type_a) * (size_t)H5Sget_simple_extent_npoints(space_a);
    char *data_a = mem_alloc(bytes, 1), *data_b = mem_alloc(bytes, 1);
    assert_true(bytes == 0 || H5Dread(a, type_a, H5S_ALL, H5S_ALL, H5P_DEFAULT, data_a) >= 0);
    assert_true(bytes == 0 || H5Dread(b, type_b, H5S_ALL, H5S_ALL, H5P_DEFAULT, data_b) >= 0);
    for (size_t i = 0; i < bytes; i++)
        if (data_a[i] != data_b[i]) fail_msg("%s differs at byte %zu of %zu", name, i, bytes);
    mem_free(data_a);
    mem_free(data_b);
    H5Tclose(type_a), H5Tclose(type_b), H5Sclose(space_a), H5Sclose(space_b), H5Dclose(a), H5Dclose(b);
    ++*((hid_t *)context + 1); /* data sets seen */
    return 0;
}

/* The newest checkpoints of two runs are equal to the bit. */
static inline void assert_same_state(const char *dir_a, const char *dir_b) {
    char path[1024];
    assert_ok(run_find_checkpoint(dir_a, path, sizeof path));
    hid_t a = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_ok(run_find_checkpoint(dir_b, path, sizeof path));
    hid_t context[2] = {H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), 0};
    assert_true(a >= 0 && context[0] >= 0);
    H5Lvisit(a, H5_INDEX_NAME, H5_ITER_INC, same_state_compare, context);
    if (context[1] < 3) fail_msg("only %lld data sets were compared", (long long)context[1]);
    H5Fclose(a);
    H5Fclose(context[0]);
}

#endif
