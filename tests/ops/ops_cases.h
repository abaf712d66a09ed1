/* Every operation of ops.def with its case: an operation without check_NAME does not compile. */
#ifndef TESTS_OPS_OPS_CASES_H
#define TESTS_OPS_OPS_CASES_H

#include "check_batchnorm.h"
#include "check_conv.h"
#include "check_draw.h"
#include "check_elementwise.h"
#include "check_frames.h"
#include "check_gru.h"
#include "check_loss.h"
#include "check_optimiser.h"
#include "check_planes.h"
#include "check_policy.h"
#include "check_rollout.h"
#include "check_value.h"
#include "harness.h"

struct op_case {
    const char *name;
    void (*check)(struct harness *h);
};

static const struct op_case op_cases[] = {
#define OP(name, parameters, names) {#name, check_##name},
#include "tengen/ops.def"
#undef OP
};
enum { OP_CASES = sizeof op_cases / sizeof op_cases[0] };

/* An operation's numbers follow from its name: they are the same whatever else there is, or is run. */
static inline void op_case_check(const struct op_case *c, struct harness *h) {
    uint64_t stream = 0;
    for (const char *at = c->name; *at; at++)
        stream = stream * 31 + (uint8_t)*at;
    h->rng = rng_make(7, RNG_TEST, stream);
    h->count = 0; /* a case that failed left its buffers */
    c->check(h);
}

#endif
