/* Winograd convolutions: which, how they are cut, and their weights. See ops/winograd.h. */
#include "ops/winograd.h"

#include "ops/cpu.h"
#include "ops/packs.h"
#include "ops/winograd_tile.h"

enum {
    BLOCK_PRODUCTS = 28 * WINOGRAD_POINTS, /* a piece at most: two strips of whole tiles */
    MIN_CHANNELS = 32,                     /* with fewer, transforms take longer than products */
};

bool winograd_suits(struct tensor x, struct tensor w, struct conv conv) {
    return winograd_supported() && x.dtype == DTYPE_BF16 && w.dims[1] == 3 && w.dims[2] == 3 &&
           conv.stride_h == 1 && conv.stride_w == 1 && conv.pad_h <= 2 && conv.pad_w <= 2 &&
           w.dims[0] >= MIN_CHANNELS && w.dims[3] >= MIN_CHANNELS && w.dims[0] <= WINOGRAD_ROW_MAX &&
           w.dims[3] <= WINOGRAD_ROW_MAX;
}

/* A kernel of twice the stride, without padding: those of networks for Atari. */
static bool strided_suits(struct tensor x, struct tensor w, struct conv conv) {
    const int stride = conv.stride_h, run = stride * x.dims[3];
    return winograd_supported() && x.dtype == DTYPE_BF16 && stride > 1 && conv.stride_w == stride &&
           w.dims[1] == 2 * stride && w.dims[2] == 2 * stride && conv.pad_h == 0 && conv.pad_w == 0 &&
           (run == WINOGRAD_GROUP / 2 || run % WINOGRAD_GROUP == 0) && stride * run >= MIN_CHANNELS &&
           w.dims[0] >= MIN_CHANNELS && stride * x.dims[2] * x.dims[3] <= WINOGRAD_ROW_MAX;
}

/* ---- weights ----------------------------------------------------------------------------------------------
 */

/* A pack holds U = G w G^T for y = conv(x, w) or, backward, for dx = conv(dy, w flipped, c and o changed
 * round). */
struct weights_layout {
    struct pack_layout pack; /* first: the one is the other */
    bool backward;
};

struct weights_job {
    struct tensor w;
    bool backward;
    int taps, stride; /* 3 and 1, or 2 and that of the kernel; as tiles see it (ops/winograd_tile.h) */
    int inputs, outputs;
    uint32_t *to;
};

static struct weights_job weights_job(const struct pack_layout *pack, struct tensor w) {
    const bool backward = ((const struct weights_layout *)pack)->backward;
    const int stride = w.dims[1] == 3 ? 1 : w.dims[1] / 2;
    return (struct weights_job){.w = w,
                                .backward = backward,
                                .taps = w.dims[1] / stride,
                                .stride = stride,
                                .inputs = w.dims[backward ? 0 : 3] * stride * stride,
                                .outputs = w.dims[backward ? 3 : 0]};
}

static size_t weights_bytes(const struct pack_layout *pack, struct tensor w) {
    const struct weights_job job = weights_job(pack, w);
    return (size_t)winograd_groups(job.outputs) * (size_t)winograd_groups(job.inputs) * WINOGRAD_POINTS *
           WINOGRAD_GROUP * WINOGRAD_GROUP * sizeof(uint16_t);
}

/* The place in w of a tap of one output and input. */
static size_t tap_place(const struct weights_job *job, int out, int in, int tap) {
    if (job->backward) return (size_t)(in * 9 + 8 - tap) * (size_t)job->outputs + (size_t)out;
    const int channels = job->w.dims[3], run = channels * job->stride, kernel = job->taps * job->stride;
    const int row = tap / job->taps * job->stride + in / run;
    const int column = tap % job->taps * job->stride + in % run / channels;
    return (size_t)((out * kernel + row) * kernel + column) * (size_t)channels + (size_t)(in % channels);
}

/* The taps of one output and the group of inputs from `in` on, zeros beyond the last. */
static void gather_taps(const struct weights_job *job, int out, int in, float taps[9][WINOGRAD_GROUP]) {
    const float *w = job->w.data;
    const int count = job->inputs - in < WINOGRAD_GROUP ? job->inputs - in : WINOGRAD_GROUP;
    memset(taps, 0, 9 * sizeof taps[0]);
    for (int tap = 0; tap < job->taps * job->taps; tap++)
        if (job->stride == 1) {
            const float *from = w + tap_place(job, out, in, tap);
            const size_t step = job->backward ? 9 * (size_t)job->outputs : 1;
            for (int i = 0; i < count; i++)
                taps[tap][i] = from[(size_t)i * step];
        } else {
            for (int i = 0; i < count; i++)
                taps[tap][i] = w[tap_place(job, out, in + i, tap)];
        }
}

/* u = G g of 3 or 2 taps */
static inline void transform_tap(int taps, const float g[3], float u[4]) {
    const float even = taps == 3 ? g[0] + g[2] : g[0];
    u[0] = g[0];
    u[1] = 0.5f * (even + g[1]);
    u[2] = 0.5f * (even - g[1]);
    u[3] = g[taps - 1];
}

/* u = G taps G^T */
static inline void transform_taps(const int n, float taps[9][WINOGRAD_GROUP],
                                  float u[WINOGRAD_POINTS][WINOGRAD_GROUP]) {
    for (int i = 0; i < WINOGRAD_GROUP; i++) {
        float t[4][3];
        for (int j = 0; j < n; j++) {
            float g[3], column[4];
            for (int k = 0; k < n; k++)
                g[k] = taps[n * k + j][i];
            transform_tap(n, g, column);
            for (int k = 0; k < 4; k++)
                t[k][j] = column[k];
        }
        for (int k = 0; k < 4; k++) {
            float row[4];
            transform_tap(n, t[k], row);
            for (int j = 0; j < 4; j++)
                u[4 * k + j][i] = row[j];
        }
    }
}

static void weights_piece(void *context, int block) {
    const struct weights_job *job = context;
    const int groups = winograd_groups(job->inputs);
    const size_t pairs = (size_t)groups * WINOGRAD_GROUP / 2;
    uint32_t *to = job->to + (size_t)block * WINOGRAD_POINTS * pairs * WINOGRAD_GROUP;
    for (int lane = 0; lane < WINOGRAD_GROUP; lane++)
        for (int group = 0; group < groups; group++) {
            float taps[9][WINOGRAD_GROUP] = {0}, u[WINOGRAD_POINTS][WINOGRAD_GROUP];
            const int out = block * WINOGRAD_GROUP + lane;
            if (out < job->outputs) gather_taps(job, out, group * WINOGRAD_GROUP, taps);
            if (job->taps == 3)
                transform_taps(3, taps, u);
            else
                transform_taps(2, taps, u);
            for (int point = 0; point < WINOGRAD_POINTS; point++) {
                uint32_t *pair =
                    to + ((size_t)point * pairs + (size_t)group * WINOGRAD_GROUP / 2) * WINOGRAD_GROUP;
                for (int k = 0; k < WINOGRAD_GROUP; k += 2, pair += WINOGRAD_GROUP)
                    pair[lane] = bf16_from_float(u[point][winograd_channel(k)]) |
                                 (uint32_t)bf16_from_float(u[point][winograd_channel(k + 1)]) << 16;
            }
        }
}

static void weights_fill(const struct pack_layout *pack, struct queue *q, struct pack *to, struct tensor w) {
    struct weights_job job = weights_job(pack, w);
    job.to = to->data;
    pool_run(q->pool, winograd_groups(job.outputs), weights_piece, &job);
}

static const struct weights_layout forward_weights = {{weights_bytes, weights_fill, NULL}, false};
static const struct weights_layout backward_weights = {{weights_bytes, weights_fill, NULL}, true};

/* ---- running ----------------------------------------------------------------------------------------------
 */

struct winograd winograd_image(struct tensor y, struct tensor x, int pad_h, int pad_w) {
    return (struct winograd){.x = x.data,
                             .y = y.data,
                             .height = x.dims[1],
                             .width = x.dims[2],
                             .channels = x.dims[3],
                             .out_height = y.dims[1],
                             .out_width = y.dims[2],
                             .outputs = y.dims[3],
                             .pad_h = pad_h,
                             .pad_w = pad_w,
                             .stride = 1,
                             .size = 2};
}

/* Tiles of one kind in all samples: whole ones, those cut off at the right, below, and at both. */
struct kind {
    int rows, columns, from_row, from_column; /* in a sample, in tiles */
    int products;                             /* of a tile: points that its outputs need */
};

enum { KINDS = 4 };

struct forward_job {
    struct queue *q;
    struct winograd_forward w;
    struct kind kinds[KINDS];
    int samples, blocks;
    int64_t products; /* of all */
};

static int64_t kind_tiles(const struct forward_job *job, const struct kind *kind) {
    return (int64_t)job->samples * kind->rows * kind->columns;
}

/* The tile, numbered kind by kind through all samples, that begins where so many products have been made. */
static int64_t tile_after(const struct forward_job *job, int64_t products) {
    int64_t tiles = 0;
    for (int k = 0; k < KINDS; k++) {
        const struct kind *kind = &job->kinds[k];
        int64_t all = kind_tiles(job, kind), some = products / kind->products;
        if (some < all) return tiles + some;
        tiles += all;
        products -= all * kind->products;
    }
    return tiles;
}

static struct winograd_tile tile_at(const struct forward_job *job, int64_t number) {
    const struct kind *kind = job->kinds;
    for (; number >= kind_tiles(job, kind); kind++)
        number -= kind_tiles(job, kind);
    const int each = kind->rows * kind->columns, at = (int)(number % each);
    return (struct winograd_tile){.sample = (int)(number / each),
                                  .row = job->w.image.size * (kind->from_row + at / kind->columns),
                                  .column = job->w.image.size * (kind->from_column + at % kind->columns)};
}

static void forward_piece(void *context, int i) {
    const struct forward_job *job = context;
    const int64_t from = tile_after(job, job->products * i / job->blocks);
    const int count = (int)(tile_after(job, job->products * (i + 1) / job->blocks) - from);
    struct winograd_tile tiles[WINOGRAD_BLOCK];
    ENSURE(count <= WINOGRAD_BLOCK, "%d tiles in a block of %d", count, WINOGRAD_BLOCK);
    for (int t = 0; t < count; t++)
        tiles[t] = tile_at(job, from + t);
    winograd_forward_run(&job->w, tiles, count,
                         cpu_scratch(job->q, pool_worker(), winograd_forward_scratch(&job->w, count)));
}

/* Blocks of equal work, an even number of them, so that two threads share one sample, too. */
static void forward_run(struct queue *q, const struct winograd_forward *w, int samples) {
    const int size = w->image.size, rows = w->image.out_height / size, columns = w->image.out_width / size;
    const int below = w->image.out_height % size > 0, right = w->image.out_width % size > 0;
    struct forward_job job = {.q = q,
                              .w = *w,
                              .samples = samples,
                              .kinds = {{rows, columns, 0, 0, 16},
                                        {rows, right, 0, columns, 12},
                                        {below, columns, rows, 0, 12},
                                        {below, right, rows, columns, 9}}};
    for (int k = 0; k < KINDS; k++)
        job.products += kind_tiles(&job, &job.kinds[k]) * job.kinds[k].products;
    job.blocks = (int)((job.products + 2 * BLOCK_PRODUCTS - 1) / (2 * BLOCK_PRODUCTS)) * 2;
    pool_run(q->pool, job.blocks, forward_piece, &job);
}

bool winograd_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                           struct tensor b, struct tensor r, struct conv conv, enum activation act) {
    const bool strided = strided_suits(x, w, conv);
    if ((!strided && !winograd_suits(x, w, conv)) || act > ACTIVATION_RELU) return false;
    struct winograd_forward job = {.image = winograd_image(y, x, conv.pad_h, conv.pad_w),
                                   .weights = packs_get(q, &forward_weights.pack, w)->data,
                                   .b = b.data,
                                   .r = r.data,
                                   .relu = act == ACTIVATION_RELU};
    if (strided) {
        job.image.stride = conv.stride_h;
        job.image.size = 3;
    }
    forward_run(q, &job, x.dims[0]);
    return true;
}

bool winograd_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                 struct conv conv, bool add) {
    if (!winograd_suits(dy, w, conv)) return false;
    struct winograd_forward job = {.image = winograd_image(dx, dy, 2 - conv.pad_h, 2 - conv.pad_w),
                                   .weights = packs_get(q, &backward_weights.pack, w)->data,
                                   .r = add ? dx.data : NULL};
    forward_run(q, &job, dx.dims[0]);
    return true;
}
