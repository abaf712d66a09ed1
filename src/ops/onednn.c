/* oneDNN: kernels, packs and slots. See ops/onednn_cache.h. */
#ifdef TENGEN_ONEDNN
#include "ops/onednn_cache.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "tengen/log.h"

/* ---- a map from keys to kernels or slots, both of which begin with their key ------------------------------
 */

struct key_map {
    void **entries; /* [capacity], NULL: free; capacity is a power of two, at most half full */
    size_t capacity, count;
};

static size_t key_hash(const struct onednn_key *key) {
    const uint32_t *words = (const uint32_t *)key;
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < sizeof *key / sizeof *words; i++)
        hash = (hash ^ words[i]) * 0xD6E8FEB86659FD93u;
    return (size_t)(hash ^ hash >> 32);
}

static void *key_map_find(const struct key_map *map, const struct onednn_key *key) {
    if (!map->capacity) return NULL;
    for (size_t i = key_hash(key);; i++) {
        void *entry = map->entries[i & (map->capacity - 1)];
        if (!entry || memcmp(entry, key, sizeof *key) == 0) return entry;
    }
}

static void key_map_put(struct key_map *map, void *entry) {
    size_t i = key_hash(entry);
    while (map->entries[i & (map->capacity - 1)])
        i++;
    map->entries[i & (map->capacity - 1)] = entry;
    map->count++;
}

static void key_map_add(struct key_map *map, void *entry) {
    if (2 * (map->count + 1) > map->capacity) {
        struct key_map larger = {.capacity = map->capacity ? 2 * map->capacity : 64};
        larger.entries = MEM_NEW(void *, larger.capacity);
        for (size_t i = 0; i < map->capacity; i++)
            if (map->entries[i]) key_map_put(&larger, map->entries[i]);
        mem_free(map->entries);
        *map = larger;
    }
    key_map_put(map, entry);
}

/* ---- the device's half ------------------------------------------------------------------------------------
 */

/* A layout that weights are wanted in, and how to get there from the master's. */
struct layout {
    struct pack_layout pack; /* first: the one is the other */
    struct layout *next;
    dnnl_engine_t engine;
    dnnl_memory_desc_t desc, master;
    dnnl_primitive_t reorder;
};

struct onednn {
    pthread_mutex_t lock; /* over everything below */
    dnnl_engine_t engine;
    struct key_map kernels;
    struct layout *layouts;
};

struct onednn_queue {
    struct onednn *library;
    int workers;
    struct key_map slots;
    struct worker {
        dnnl_stream_t stream;
        void *scratchpad, *scratch;
        size_t scratchpad_size, scratch_size;
        char padding[128 - 5 * sizeof(void *)]; /* workers do not share cache lines */
    } * worker;                                 /* [workers] */
};

static struct onednn_queue *queue_half(const struct queue *q) {
    return ((struct cpu_queue *)q->state)->library;
}

/* The library starts threads of its own unless the calling thread tells its OpenMP not to. */
static void single_threaded(void) {
    static _Thread_local bool done;
    if (done) return;
    void (*set)(int);
    *(void **)&set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set) set(1);
    done = true;
}

struct onednn *onednn_open(void) {
    single_threaded();
    struct onednn *library = MEM_NEW(struct onednn, 1);
    pthread_mutex_init(&library->lock, NULL);
    if (dnnl_engine_create(&library->engine, dnnl_cpu, 0) != dnnl_success) {
        log_warn(
            "oneDNN gives no engine on this processor: plain loops are used, which is many times slower");
        mem_free(library);
        return NULL;
    }
    return library;
}

void onednn_close(struct onednn *library) {
    if (!library) return;
    for (size_t i = 0; i < library->kernels.capacity; i++) {
        struct onednn_kernel *kernel = library->kernels.entries[i];
        if (kernel && kernel->primitive) dnnl_primitive_destroy(kernel->primitive);
        mem_free(kernel);
    }
    mem_free(library->kernels.entries);
    for (struct layout *layout = library->layouts, *next; layout; layout = next) {
        next = layout->next;
        dnnl_primitive_destroy(layout->reorder);
        mem_free(layout);
    }
    dnnl_engine_destroy(library->engine);
    pthread_mutex_destroy(&library->lock);
    mem_free(library);
}

void onednn_describe(char *text, size_t size) {
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } names[] = {{dnnl_cpu_isa_avx512_core_amx, "AVX-512 with AMX"},
                 {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 with BF16"},
                 {dnnl_cpu_isa_avx512_core_vnni, "AVX-512 with VNNI"},
                 {dnnl_cpu_isa_avx512_core, "AVX-512"},
                 {dnnl_cpu_isa_avx2, "AVX2"},
                 {dnnl_cpu_isa_avx, "AVX"},
                 {dnnl_cpu_isa_sse41, "SSE4.1"}};
    const dnnl_version_t *version = dnnl_version();
    const dnnl_cpu_isa_t have = dnnl_get_effective_cpu_isa();
    const char *name = "no vector instructions it knows";
    for (size_t i = sizeof names / sizeof names[0]; i-- > 0;)
        if ((have & names[i].isa) == names[i].isa) name = names[i].name;
    snprintf(text, size, "%d.%d.%d, %s", version->major, version->minor, version->patch, name);
}

/* ---- kernels ----------------------------------------------------------------------------------------------
 */

dnnl_data_type_t onednn_dtype(enum dtype dtype) {
    return dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
}

void onednn_post_ops(dnnl_primitive_attr_t attributes, const struct onednn_key *key) {
    dnnl_post_ops_t post_ops;
    ONEDNN(dnnl_post_ops_create(&post_ops));
    if (key->flags & ONEDNN_SUM) ONEDNN(dnnl_post_ops_append_sum(post_ops, 1.0f));
    dnnl_alg_kind_t kind = dnnl_alg_kind_undef;
    switch (key->flags / ONEDNN_ACTIVATION) {
    case ACTIVATION_RELU:
        kind = dnnl_eltwise_relu;
        break;
    case ACTIVATION_TANH:
        kind = dnnl_eltwise_tanh;
        break;
    case ACTIVATION_SIGMOID:
        kind = dnnl_eltwise_logistic;
        break;
    default:
        break;
    }
    if (kind != dnnl_alg_kind_undef) ONEDNN(dnnl_post_ops_append_eltwise(post_ops, 1.0f, kind, 0.0f, 0.0f));
    ONEDNN(dnnl_primitive_attr_set_post_ops(attributes, post_ops));
    ONEDNN(dnnl_post_ops_destroy(post_ops));
}

static size_t layout_bytes(const struct pack_layout *pack, struct tensor weights) {
    (void)weights;
    return dnnl_memory_desc_get_size(&((const struct layout *)pack)->desc);
}

static void layout_fill(const struct pack_layout *pack, struct queue *q, struct pack *to,
                        struct tensor weights) {
    const struct layout *layout = (const struct layout *)pack;
    dnnl_memory_t from;
    single_threaded();
    if (!to->object)
        ONEDNN(dnnl_memory_create((dnnl_memory_t *)&to->object, &layout->desc, layout->engine, to->data));
    ONEDNN(dnnl_memory_create(&from, &layout->master, layout->engine, weights.data));
    dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to->object}};
    ONEDNN(dnnl_primitive_execute(layout->reorder, queue_half(q)->worker[0].stream, 2, arguments));
    ONEDNN(dnnl_memory_destroy(from));
}

static void layout_close(struct pack *pack) {
    dnnl_memory_destroy(pack->object);
}

/* The pair (layout, master's layout), made known on first sight. Needs the lock. */
static const struct pack_layout *layout_find(struct onednn *library, const dnnl_memory_desc_t *desc,
                                             const dnnl_memory_desc_t *master) {
    for (struct layout *layout = library->layouts; layout; layout = layout->next)
        if (dnnl_memory_desc_equal(&layout->desc, desc) && dnnl_memory_desc_equal(&layout->master, master))
            return &layout->pack;
    dnnl_primitive_desc_t primitive;
    struct layout *layout = MEM_NEW(struct layout, 1);
    *layout = (struct layout){.pack = {layout_bytes, layout_fill, layout_close},
                              .next = library->layouts,
                              .engine = library->engine,
                              .desc = *desc,
                              .master = *master};
    ONEDNN(
        dnnl_reorder_primitive_desc_create(&primitive, master, library->engine, desc, library->engine, NULL));
    ONEDNN(dnnl_primitive_create(&layout->reorder, primitive));
    ONEDNN(dnnl_primitive_desc_destroy(primitive));
    library->layouts = layout;
    return &layout->pack;
}

/* Compiles the kernel of a key. Needs the lock. */
static struct onednn_kernel *kernel_create(struct onednn *library, const struct onednn_key *key) {
    struct onednn_kernel *kernel = MEM_NEW(struct onednn_kernel, 1);
    kernel->key = *key;
    dnnl_primitive_desc_t primitive = NULL;
    bool conv = key->op <= ONEDNN_CONV_BACKWARD_WEIGHTS;
    if (!(conv ? onednn_conv_build : onednn_linear_build)(library->engine, kernel, &primitive)) return kernel;
    const char *name = "";
    dnnl_primitive_desc_query(primitive, dnnl_query_impl_info_str, 0, &name);
    snprintf(kernel->name, sizeof kernel->name, "%s", name);
    if (!strstr(name, "ref") && dnnl_primitive_create(&kernel->primitive, primitive) == dnnl_success) {
        const dnnl_memory_desc_t *scratchpad =
            dnnl_primitive_desc_query_md(primitive, dnnl_query_scratchpad_md, 0);
        kernel->desc[SLOT_SCRATCHPAD] = *scratchpad;
        kernel->scratchpad = dnnl_memory_desc_get_size(scratchpad);
        if (kernel->scratchpad) kernel->argument[SLOT_SCRATCHPAD] = DNNL_ARG_SCRATCHPAD;
        if (kernel->master.ndims)
            kernel->layout = layout_find(library, &kernel->desc[SLOT_WEIGHTS], &kernel->master);
    } else {
        kernel->primitive = NULL;
    }
    dnnl_primitive_desc_destroy(primitive);
    return kernel;
}

static const struct onednn_kernel *kernel_get(struct onednn *library, const struct onednn_key *key) {
    pthread_mutex_lock(&library->lock);
    struct onednn_kernel *kernel = key_map_find(&library->kernels, key);
    if (!kernel) {
        kernel = kernel_create(library, key);
        key_map_add(&library->kernels, kernel);
    }
    pthread_mutex_unlock(&library->lock);
    return kernel;
}

void onednn_kernels(struct onednn *library,
                    void (*visit)(void *context, const char *what, const char *implementation, bool used),
                    void *context) {
    static const char *const ops[] = {"conv_forward",   "conv_backward_data",   "conv_backward_weights",
                                      "linear_forward", "linear_backward_data", "linear_backward_weights"};
    if (!library) return;
    pthread_mutex_lock(&library->lock);
    for (size_t i = 0; i < library->kernels.capacity; i++) {
        const struct onednn_kernel *kernel = library->kernels.entries[i];
        if (!kernel) continue;
        const struct onednn_key *key = &kernel->key;
        char what[160];
        if (key->kh)
            snprintf(what, sizeof what, "%s %s n%d %dx%dx%d -> %d %dx%d", ops[key->op],
                     dtype_name((enum dtype)key->dtype), key->n, key->h, key->w, key->c, key->o, key->kh,
                     key->kw);
        else
            snprintf(what, sizeof what, "%s %s n%d %d -> %d", ops[key->op],
                     dtype_name((enum dtype)key->dtype), key->n, key->c, key->o);
        visit(context, what, kernel->name, kernel->primitive != NULL);
    }
    pthread_mutex_unlock(&library->lock);
}

/* ---- the queue's half -------------------------------------------------------------------------------------
 */

struct onednn_queue *onednn_queue_open(struct onednn *library, int workers) {
    if (!library) return NULL;
    struct onednn_queue *q = MEM_NEW(struct onednn_queue, 1);
    q->library = library;
    q->workers = workers;
    q->worker = MEM_NEW(struct worker, workers);
    for (int i = 0; i < workers; i++)
        ONEDNN(dnnl_stream_create(&q->worker[i].stream, library->engine, dnnl_stream_default_flags));
    return q;
}

static void slot_free(struct onednn_slot *slot, int workers) {
    if (!slot) return;
    for (int i = 0; slot->arguments && i < workers * SLOT_COUNT; i++)
        if (slot->arguments[i].memory) dnnl_memory_destroy(slot->arguments[i].memory);
    mem_free(slot->arguments);
    mem_free(slot);
}

void onednn_queue_close(struct onednn_queue *q) {
    if (!q) return;
    for (size_t i = 0; i < q->slots.capacity; i++)
        slot_free(q->slots.entries[i], q->workers);
    mem_free(q->slots.entries);
    for (int i = 0; i < q->workers; i++) {
        dnnl_stream_destroy(q->worker[i].stream);
        mem_free(q->worker[i].scratchpad);
        mem_free(q->worker[i].scratch);
    }
    mem_free(q->worker);
    mem_free(q);
}

/* Memory objects for every worker; packed weights come with each call. */
static struct onednn_slot *slot_create(struct onednn_queue *half, const struct onednn_key *key) {
    struct onednn_slot *slot = MEM_NEW(struct onednn_slot, 1);
    slot->key = *key;
    slot->kernel = kernel_get(half->library, key);
    if (!slot->kernel->primitive) return slot;
    slot->arguments = MEM_NEW(dnnl_exec_arg_t, half->workers * SLOT_COUNT);
    for (int i = 0; i < half->workers * SLOT_COUNT; i++) {
        int place = i % SLOT_COUNT;
        slot->arguments[i].arg = slot->kernel->argument[place];
        bool packed = place == SLOT_WEIGHTS && slot->kernel->master.ndims;
        if (slot->arguments[i].arg && !packed)
            ONEDNN(dnnl_memory_create(&slot->arguments[i].memory, &slot->kernel->desc[place],
                                      half->library->engine, DNNL_MEMORY_NONE));
    }
    return slot;
}

struct onednn_slot *onednn_slot(struct queue *q, const struct onednn_key *key) {
    struct onednn_queue *half = queue_half(q);
    if (!half) return NULL;
    struct onednn_slot *slot = key_map_find(&half->slots, key);
    if (!slot) {
        single_threaded();
        slot = slot_create(half, key);
        key_map_add(&half->slots, slot);
    }
    return slot->kernel->primitive ? slot : NULL;
}

static void *worker_memory(void **memory, size_t *size, size_t bytes) {
    if (*size < bytes) {
        mem_free(*memory);
        *size = bytes + bytes / 4;
        *memory = mem_alloc(1, *size);
    }
    return *memory;
}

void *onednn_worker_scratch(struct queue *q, size_t bytes) {
    struct worker *worker = &queue_half(q)->worker[pool_worker()];
    return worker_memory(&worker->scratch, &worker->scratch_size, bytes);
}

void onednn_run(struct queue *q, struct onednn_slot *slot, void *const data[SLOT_COUNT], dnnl_memory_t pack) {
    struct worker *worker = &queue_half(q)->worker[pool_worker()];
    const dnnl_exec_arg_t *have = slot->arguments + pool_worker() * SLOT_COUNT;
    dnnl_exec_arg_t arguments[SLOT_COUNT];
    int count = 0;
    single_threaded();
    for (int place = 0; place < SLOT_COUNT; place++) {
        if (!have[place].arg) continue;
        dnnl_exec_arg_t argument = have[place];
        if (!argument.memory) {
            argument.memory = pack;
        } else {
            void *pointer = data[place];
            if (place == SLOT_SCRATCHPAD)
                pointer =
                    worker_memory(&worker->scratchpad, &worker->scratchpad_size, slot->kernel->scratchpad);
            ONEDNN(dnnl_memory_set_data_handle(argument.memory, pointer));
        }
        arguments[count++] = argument;
    }
    ONEDNN(dnnl_primitive_execute(slot->kernel->primitive, worker->stream, count, arguments));
}

void onednn_add_reordered(struct queue *q, const struct onednn_slot *slot, void *to, void *from) {
    struct onednn_queue *half = queue_half(q);
    const dnnl_memory_desc_t *source = &slot->kernel->desc[SLOT_OUT],
                             *target = &slot->kernel->desc[SLOT_WEIGHTS];
    dnnl_engine_t engine = half->library->engine;
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t post_ops;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arguments[2] = {{.arg = DNNL_ARG_FROM}, {.arg = DNNL_ARG_TO}};
    ONEDNN(dnnl_post_ops_create(&post_ops));
    ONEDNN(dnnl_post_ops_append_sum(post_ops, 1.0f));
    ONEDNN(dnnl_primitive_attr_create(&attributes));
    ONEDNN(dnnl_primitive_attr_set_post_ops(attributes, post_ops));
    ONEDNN(dnnl_reorder_primitive_desc_create(&desc, source, engine, target, engine, attributes));
    ONEDNN(dnnl_primitive_create(&primitive, desc)); /* the library keeps compiled ones */
    ONEDNN(dnnl_memory_create(&arguments[0].memory, source, engine, from));
    ONEDNN(dnnl_memory_create(&arguments[1].memory, target, engine, to));
    ONEDNN(dnnl_primitive_execute(primitive, half->worker[0].stream, 2, arguments));
    dnnl_memory_destroy(arguments[0].memory);
    dnnl_memory_destroy(arguments[1].memory);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(desc);
    dnnl_primitive_attr_destroy(attributes);
    dnnl_post_ops_destroy(post_ops);
}

dnnl_memory_t onednn_pack(struct queue *q, const struct onednn_slot *slot, struct tensor weights) {
    return packs_get(q, slot->kernel->layout, weights)->object;
}

int onednn_slice(double flops, double bytes, enum dtype dtype, int most) {
    double seconds = flops / (dtype == DTYPE_BF16 ? 1.2e12 : 0.18e12) + bytes / 10e9;
    int slice = 1;
    while (2 * slice <= most && 2 * slice * seconds <= 40e-6)
        slice *= 2;
    return slice;
}
#endif
typedef int onednn_is_not_empty; /* ISO C wants something in every file */
