/* What `tengen bench ops` calls: an entry for every operation of ops.def (bench_ops_entries.c does not
 * compile without it), and the operands that the entries of one family share. */
#ifndef CLI_BENCH_OPS_H
#define CLI_BENCH_OPS_H

#include "tengen/ops.h"

enum family {
    FAMILY_CONV,
    FAMILY_LINEAR,
    FAMILY_PLANES,
    FAMILY_MAP,
    FAMILY_FRAMES,
    FAMILY_ROWS,
    FAMILY_ROLLOUT,
    FAMILY_RECURRENT,
    FAMILY_WEIGHTS,
    FAMILY_STEP
};

/* A shape. n 0: as many samples (rows, outputs, values) as make the main operand four times the device's
 * cache. CONV     x [n,h,w,c]  w [o,kernel,kernel,c]      LINEAR   x [n,c]  w [o,c] MAP      [n,h,w,c],
 * channels [c]                 ROWS     [n,c], columns [n] WEIGHTS  [n,c], outputs [n] STEP     [n]
 * PLANES   [n,h,w,c] out of bits       RECURRENT [n,c], gates [n,3c]
 * ROLLOUT  [h,n], rows of c pixels     FRAMES    [n,h,w,c] of c frames of bytes */
struct op_shape {
    enum family family;
    const char *name;
    int n, h, w, c, o, kernel, stride, pad;
};

enum { OPERANDS = 16 };

/* The operands of a shape in one type. */
struct op_operands {
    struct queue *queue;
    const struct op_shape *shape;
    struct tensor t[OPERANDS]; /* by the family's places, bench_ops_entries.c */
    int count;
    uint64_t version; /* of weights */
    double flops;     /* CONV and LINEAR: of one pass */
    double main;      /* bytes of the main operand; CONV and LINEAR: of all four */
    double column;    /* bytes of a value for each row, in F32; CONV: of a residual; FRAMES: of a frame */
};

/* Bytes that a call moves at least: main * main operands + column * columns. */
struct op_entry {
    const char *name;
    enum family family;
    double main, column;
    void (*call)(void *operands);
};

extern const struct op_entry *const op_entries[];
extern const int op_entry_count;

/* Allocates the operands: activations in `dtype`, the rest in F32, all 0.01. */
void op_operands_make(struct op_operands *b, struct queue *q, const struct op_shape *shape, enum dtype dtype);
void op_operands_free(struct op_operands *b);

#endif
