/* The gradient of the weights of Winograd convolutions. See ops/winograd.h and ops/winograd_tile.h.
 *
 * A piece is one of the four rows of points and one slice of the tiles of all samples; it takes some tiles at
 * a time: transforms them, then adds a matrix product over them to the sums of each of its points, so that
 * all of it stays in the second-level cache. The slices' sums are added in order. */
#include "ops/cpu.h"
#include "ops/winograd.h"
#include "ops/winograd_tile.h"

enum {
    TILES = 192,      /* at a time */
    SLICES = 2,       /* at most */
    SLICE_TILES = 512 /* at least */
};

struct gradient_job {
    struct queue *q;
    struct winograd w;
    int tile_rows, tile_columns;
    int tiles, slices; /* of all samples */
    struct tensor dw;
    float *sums; /* [slices][16][outputs/32][channels/32][32][32] */
};

static size_t sums_count(const struct winograd *w, int points) {
    return (size_t)(points * winograd_groups(w->outputs) * winograd_groups(w->channels)) * WINOGRAD_GROUP *
           WINOGRAD_GROUP;
}

/* Tiles beyond the last lie outside of the image, and are zero. */
static struct winograd_tile tile_at(const struct gradient_job *job, int number) {
    const int each = job->tile_rows * job->tile_columns, at = number % each;
    if (number >= job->tiles) return (struct winograd_tile){.row = INT32_MAX / 2};
    return (struct winograd_tile){number / each, 2 * (at / job->tile_columns), 2 * (at % job->tile_columns)};
}

static void sum_piece(void *context, int i) {
    const struct gradient_job *job = context;
    const int slice = i / 4, row = i % 4;
    const int each = (job->tiles + 2 * job->slices - 1) / (2 * job->slices) * 2;
    const int end = (slice + 1) * each < job->tiles ? (slice + 1) * each : job->tiles;
    const size_t count = sums_count(&job->w, 4);
    float *sums = job->sums + (size_t)i * count;
    void *scratch = cpu_scratch(job->q, pool_worker(), winograd_gradient_scratch(&job->w, TILES));
    memset(sums, 0, count * sizeof *sums);
    for (int from = slice * each; from < end; from += TILES) {
        struct winograd_tile tiles[TILES];
        const int some = end - from < TILES ? (end - from + 1) / 2 * 2 : TILES;
        for (int t = 0; t < some; t++)
            tiles[t] = tile_at(job, from + t);
        winograd_gradient_run(&job->w, row, tiles, some, scratch, sums);
    }
}

/* Sums of 32 channels of one output over all slices. */
static void gather_sums(const struct gradient_job *job, size_t at, float s[WINOGRAD_POINTS][WINOGRAD_GROUP]) {
    const size_t point = sums_count(&job->w, 1);
    memset(s, 0, WINOGRAD_POINTS * sizeof s[0]);
    for (int slice = 0; slice < job->slices; slice++)
        for (int i = 0; i < WINOGRAD_POINTS; i++, at += point)
            for (int c = 0; c < WINOGRAD_GROUP; c++)
                s[i][c] += job->sums[at + (size_t)c];
}

/* taps = G^T s G; points (i, j) with one of i and j 3 come as their negative. */
static void transform_sums(float s[WINOGRAD_POINTS][WINOGRAD_GROUP], float taps[9][WINOGRAD_GROUP]) {
    for (int c = 0; c < WINOGRAD_GROUP; c++) {
        float t[3][4];
        for (size_t j = 0; j < 4; j++) {
            float s0 = s[j][c], s1 = s[4 + j][c], s2 = s[8 + j][c], s3 = s[12 + j][c];
            t[0][j] = s0 + 0.5f * (s1 + s2);
            t[1][j] = 0.5f * (s1 - s2);
            t[2][j] = 0.5f * (s1 + s2) - s3;
        }
        for (int k = 0; k < 3; k++) {
            taps[3 * k][c] = t[k][0] + 0.5f * (t[k][1] + t[k][2]);
            taps[3 * k + 1][c] = 0.5f * (t[k][1] - t[k][2]);
            taps[3 * k + 2][c] = 0.5f * (t[k][1] + t[k][2]) - t[k][3];
        }
    }
}

/* Adds what the sums of 32 outputs come to to dw. */
static void finish_piece(void *context, int group) {
    const struct gradient_job *job = context;
    const struct winograd *w = &job->w;
    const int groups = winograd_groups(w->channels);
    for (int i = 0; i < WINOGRAD_GROUP * groups; i++) {
        const int row = i / groups, g = i % groups;
        const int o = group * WINOGRAD_GROUP + winograd_channel(row);
        float s[WINOGRAD_POINTS][WINOGRAD_GROUP], taps[9][WINOGRAD_GROUP];
        if (o >= w->outputs) continue;
        gather_sums(job, ((size_t)(group * groups + g) * WINOGRAD_GROUP + (size_t)row) * WINOGRAD_GROUP, s);
        transform_sums(s, taps);
        for (int tap = 0; tap < 9; tap++) {
            float *dw = (float *)job->dw.data + (size_t)(o * 9 + tap) * (size_t)w->channels;
            for (int place = 0; place < WINOGRAD_GROUP; place++) {
                const int c = g * WINOGRAD_GROUP + winograd_channel(place);
                if (c < w->channels) dw[c] += taps[tap][place];
            }
        }
    }
}

bool winograd_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                    struct conv conv) {
    if (!winograd_suits(x, dw, conv)) return false;
    struct gradient_job job = {
        .q = q, .dw = dw, .tile_rows = (dy.dims[1] + 1) / 2, .tile_columns = (dy.dims[2] + 1) / 2};
    job.w = winograd_image(dy, x, conv.pad_h, conv.pad_w);
    job.tiles = x.dims[0] * job.tile_rows * job.tile_columns;
    job.slices = job.tiles / SLICE_TILES < 1        ? 1
                 : job.tiles / SLICE_TILES < SLICES ? job.tiles / SLICE_TILES
                                                    : SLICES;
    job.sums = cpu_shared_scratch(
        q, SCRATCH_PARTIALS, (size_t)job.slices * sums_count(&job.w, WINOGRAD_POINTS) * sizeof *job.sums);
    pool_run(q->pool, 4 * job.slices, sum_piece, &job);
    pool_run(q->pool, winograd_groups(dy.dims[3]), finish_piece, &job);
    return true;
}
