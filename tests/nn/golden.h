/* Reads tests/data/NAME.golden as tools/make_goldens.py writes it. */
#ifndef TESTS_NN_GOLDEN_H
#define TESTS_NN_GOLDEN_H

#include "tengen/mem.h"
#include "tengen/net.h"
#include "testing.h"

struct golden {
    struct golden_tensor {
        char name[64];
        size_t count, offset;
    } tensors[128];
    int count;
    float *data;
};

static inline struct golden golden_read(const char *name) {
    struct golden g = {0};
    char path[512], line[256];
    snprintf(path, sizeof path, "%s/tests/data/%s.golden", TENGEN_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t total = 0;
    while (fgets(line, sizeof line, f) && strcmp(line, "end\n") != 0) {
        struct golden_tensor *t = &g.tensors[g.count++];
        char *word = strtok(line, " \n");
        snprintf(t->name, sizeof t->name, "%s", word);
        t->offset = total;
        t->count = 1;
        while ((word = strtok(NULL, " \n")))
            t->count *= (size_t)atoi(word);
        total += t->count;
    }
    g.data = MEM_NEW(float, total);
    assert_int_equal(fread(g.data, sizeof(float), total, f), total);
    fclose(f);
    return g;
}

static inline void golden_free(struct golden *g) {
    mem_free(g->data);
}

static inline const struct golden_tensor *golden_find(const struct golden *g, const char *name) {
    for (int i = 0; i < g->count; i++)
        if (strcmp(g->tensors[i].name, name) == 0) return &g->tensors[i];
    fail_msg("the golden file has no tensor %s", name);
    return NULL;
}

/* NULL-safe: prefix may be "". */
static inline const float *golden_data(const struct golden *g, const char *prefix, const char *name,
                                       size_t count) {
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const struct golden_tensor *t = golden_find(g, full);
    if (t->count != count) fail_msg("%s has %zu elements, not %zu", full, t->count, count);
    return g->data + t->offset;
}

/* Writes all parameters and running statistics of the net. */
static inline void golden_load(const struct golden *g, struct net *net) {
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        assert_ok(net_write(net, i, golden_data(g, "", s->name, s->count)));
    }
}

#endif
