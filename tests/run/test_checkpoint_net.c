/* Networks in checkpoints: what comes back, what is refused, and where an export may not go. */
#include <sys/stat.h>
#include <unistd.h>

#include "../testing.h"
#include "folder.h"
#include "tengen/checkpoint.h"
#include "tengen/device.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "tengen/model.h"

static const char spoilt[] = "value.out.weight";

/* A small network with its optimiser, on a device of its own. */
struct learner {
    struct device *device;
    struct queue *queue;
    struct net *net;
    struct optimiser *optimiser;
};

static struct learner learner_make(uint64_t seed) {
    struct learner l;
    struct model_config config;
    struct optimiser_config how;
    config_defaults(model_config_keys, &config);
    config_defaults(optimiser_config_keys, &how);
    snprintf(config.model, sizeof config.model, "mlp");
    config.blocks = 2;
    config.channels = 8;
    assert_ok(device_open("cpu", 1, &l.device));
    assert_ok(queue_open(l.device, 1, &l.queue));
    assert_ok(model_create(&config, (struct model_shape){1, 1, 5, 3, false}, l.device, &l.net));
    assert_ok(net_initialise(l.net, seed));
    assert_ok(optimiser_create(l.net, l.queue, &how, &l.optimiser));
    return l;
}

static void learner_free(struct learner *l) {
    optimiser_free(l->optimiser);
    net_free(l->net);
    queue_close(l->queue);
    device_close(l->device);
}

static enum status save(const struct learner *l, const char *path, const char *kind) {
    struct checkpoint_writer *w;
    TRY(checkpoint_create(path, kind, "[run]\n", &w));
    checkpoint_put_net(w, "net", l->net, l->optimiser);
    return checkpoint_commit(w);
}

static enum status load(struct learner *l, const char *path) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    enum status s = checkpoint_get_net(r, "net", l->net, l->optimiser);
    checkpoint_close(r);
    return s;
}

/* The weights, then the optimiser's only slab. */
static float *values_of(const struct learner *l, size_t *count) {
    size_t n = tensor_count(net_weights(l->net));
    float *values = MEM_NEW(float, 2 * n);
    assert_int_equal(optimiser_slabs(l->optimiser), 1);
    queue_download(l->queue, values, net_weights(l->net));
    queue_download(l->queue, values + n, optimiser_slab(l->optimiser, 0));
    *count = 2 * n;
    return values;
}

static bool same_values(const struct learner *a, const struct learner *b) {
    size_t count, other;
    float *x = values_of(a, &count), *y = values_of(b, &other);
    bool same = count == other && memcmp(x, y, count * sizeof *x) == 0;
    mem_free(x);
    mem_free(y);
    return same;
}

static void spoil_weight(const struct learner *l, float value) {
    int segment = net_find_segment(l->net, spoilt);
    float *values = MEM_NEW(float, net_segment(l->net, segment)->count);
    net_read(l->net, segment, values);
    values[2] = value;
    assert_ok(net_write(l->net, segment, values));
    mem_free(values);
}

static void spoil_momentum(const struct learner *l, float value) {
    size_t count;
    float *values = values_of(l, &count), *slab = values + count / 2;
    slab[net_segment(l->net, net_find_segment(l->net, spoilt))->offset + 2] = value;
    queue_upload(l->queue, optimiser_slab(l->optimiser, 0), slab);
    mem_free(values);
}

static void a_network_and_its_optimiser_come_back(void **unused) {
    (void)unused;
    struct learner a = learner_make(1), b = learner_make(2);
    spoil_momentum(&a, 0.5f);
    optimiser_set_steps(a.optimiser, 17);
    assert_false(same_values(&a, &b));
    assert_ok(save(&a, "net.h5", "checkpoint"));
    assert_ok(load(&b, "net.h5"));
    assert_true(same_values(&a, &b));
    assert_int_equal(optimiser_steps(b.optimiser), 17);
    learner_free(&a);
    learner_free(&b);
}

static void values_that_are_not_finite_are_refused_and_change_nothing(void **unused) {
    (void)unused;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int momentum = 0; momentum < 2; momentum++)
        for (int i = 0; i < 3; i++) {
            struct learner a = learner_make(1), b = learner_make(2), before = learner_make(2);
            if (momentum)
                spoil_momentum(&a, bad[i]);
            else
                spoil_weight(&a, bad[i]);
            assert_ok(save(&a, "nan.h5", "checkpoint"));
            assert_fails(load(&b, "nan.h5"), STATUS_NUMERIC,
                         momentum ? "nan.h5: data set net/optimiser/momentum/value.out.weight is not finite"
                                  : "nan.h5: data set net/value.out.weight is not finite (value 3 of");
            assert_non_null(strstr(status_text(), "use an earlier checkpoint"));
            assert_true(same_values(&b, &before));
            learner_free(&a);
            learner_free(&b);
            learner_free(&before);
        }
}

static void an_export_holds_the_weights_and_not_the_optimiser(void **unused) {
    (void)unused;
    struct learner a = learner_make(1), b = learner_make(2);
    struct checkpoint_reader *r;
    assert_ok(save(&a, "net.h5", "checkpoint"));
    unlink("weights.h5");
    assert_ok(checkpoint_export("net.h5", "weights.h5"));
    assert_ok(checkpoint_open("weights.h5", &r));
    assert_string_equal(checkpoint_kind(r), "weights");
    assert_false(checkpoint_has(r, "net/optimiser"));
    assert_ok(checkpoint_get_net(r, "net", b.net, NULL));
    checkpoint_close(r);
    assert_true(same_values(&a, &b));
    /* Once more, from the export: all is carried on, byte for byte. */
    char *first, *second;
    size_t size, other;
    unlink("again.h5");
    assert_ok(checkpoint_export("weights.h5", "again.h5"));
    assert_ok(file_read("weights.h5", &first, &size));
    assert_ok(file_read("again.h5", &second, &other));
    assert_int_equal(size, other);
    assert_memory_equal(first, second, size);
    mem_free(first);
    mem_free(second);
    learner_free(&a);
    learner_free(&b);
}

static void an_export_replaces_no_checkpoint_and_nothing_but_files(void **unused) {
    (void)unused;
    struct learner a = learner_make(1);
    struct stat about;
    struct checkpoint_reader *r;
    assert_ok(save(&a, "net.h5", "checkpoint"));
    assert_ok(save(&a, "other.h5", "checkpoint"));
    assert_fails(checkpoint_export("net.h5", "net.h5"), STATUS_USAGE, "net.h5: is a checkpoint");
    assert_fails(checkpoint_export("net.h5", "other.h5"), STATUS_USAGE, "choose another name");
    assert_ok(checkpoint_open("net.h5", &r));
    assert_string_equal(checkpoint_kind(r), "checkpoint");
    assert_true(checkpoint_has(r, "net/optimiser"));
    checkpoint_close(r);
    unlink("pipe");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_fails(checkpoint_export("net.h5", "pipe"), STATUS_IO, "pipe: is a pipe or a device");
    assert_int_equal(lstat("pipe", &about), 0);
    assert_true(S_ISFIFO(about.st_mode));
    assert_ok(file_make_folder("folder"));
    assert_fails(checkpoint_export("net.h5", "folder"), STATUS_IO, "folder: is a folder");
    learner_free(&a);
}

static void an_export_may_replace_weights_and_foreign_files(void **unused) {
    (void)unused;
    struct learner a = learner_make(1), b = learner_make(2);
    assert_ok(save(&a, "net.h5", "checkpoint"));
    assert_ok(save(&b, "old.h5", "weights"));
    assert_ok(file_write("text.h5", "no HDF5", 7));
    static const char *const to[] = {"old.h5", "text.h5"};
    for (int i = 0; i < 2; i++) {
        struct checkpoint_reader *r;
        assert_ok(checkpoint_export("net.h5", to[i]));
        assert_ok(checkpoint_open(to[i], &r));
        assert_ok(checkpoint_get_net(r, "net", b.net, NULL));
        checkpoint_close(r);
        assert_true(same_values(&a, &b));
        assert_ok(net_initialise(b.net, 2));
    }
    learner_free(&a);
    learner_free(&b);
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_and_its_optimiser_come_back),
        cmocka_unit_test(values_that_are_not_finite_are_refused_and_change_nothing),
        cmocka_unit_test(an_export_holds_the_weights_and_not_the_optimiser),
        cmocka_unit_test(an_export_replaces_no_checkpoint_and_nothing_but_files),
        cmocka_unit_test(an_export_may_replace_weights_and_foreign_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
