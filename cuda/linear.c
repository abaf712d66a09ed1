/* Linear layers by cuBLASLt, bias and ReLU in its epilogue.
 *     y = act(x w^T + b)     dx (+)= dy w     dw += dy^T x
 * Bound by operations for large batches (2 N I O), by the bytes of w for small ones.
 *
 * cuBLASLt thinks in columns: a row-major [N,O] is its O x N with leading dimension O. So y^T = w x^T is
 * D[O,N] = A^T B with A = w[I,O] and B = x[I,N]; dx^T = w^T dy^T is D[I,N] = A B with A = w[I,O], B =
 * dy[O,N]; dw^T = x^T dy is D[I,O] = A B^T with A = x[I,N], B = dy[O,N]. BF16 factors are multiplied exactly
 * and added in F32; dw leaves in F32. */
#include "cuda/state.h"

#include <string.h>

#include "ops/check.h"
#include "tengen/mem.h"

/* D = A B with m, n, k as BLAS means them, and what the choice of an algorithm depends on. */
struct matrix_key {
    int m, n, k;
    int transpose_a, transpose_b;
    int in, out; /* cudaDataType_t */
    int epilogue, tf32;
    int alignment[4]; /* of A, B, C and D, bytes */
};

struct matrix_plan {
    struct matrix_plan *next;
    struct matrix_key key;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
    bool usable;
};

static void matrix_plan_free(struct matrix_plan *p) {
    if (p->operation) cublasLtMatmulDescDestroy(p->operation);
    if (p->a) cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) cublasLtMatrixLayoutDestroy(p->b);
    if (p->d) cublasLtMatrixLayoutDestroy(p->d);
    mem_free(p);
}

void matrix_plans_free(struct cuda_queue *state) {
    for (int i = 0; i < PLAN_BUCKETS; i++)
        while (state->matrix_plans[i]) {
            struct matrix_plan *next = state->matrix_plans[i]->next;
            matrix_plan_free(state->matrix_plans[i]);
            state->matrix_plans[i] = next;
        }
}

static bool layout_make(struct queue *q, cublasLtMatrixLayout_t *layout, int type, int rows, int columns) {
    return cublas_ok(
        q, cublasLtMatrixLayoutCreate(layout, (cudaDataType_t)type, (uint64_t)rows, (uint64_t)columns, rows),
        "matrix layout");
}

static bool matrix_describe(struct queue *q, struct matrix_plan *p) {
    const struct matrix_key *k = &p->key;
    const cublasComputeType_t compute = k->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const int32_t a = k->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                  b = k->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint32_t epilogue = (uint32_t)k->epilogue;
    const char *what = "matrix product's description";
    return cublas_ok(q, cublasLtMatmulDescCreate(&p->operation, compute, CUDA_R_32F), what) &&
           cublas_ok(q,
                     cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &a, sizeof a),
                     what) &&
           cublas_ok(q,
                     cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSB, &b, sizeof b),
                     what) &&
           cublas_ok(q,
                     cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                                    sizeof epilogue),
                     what) &&
           layout_make(q, &p->a, k->in, k->transpose_a ? k->k : k->m, k->transpose_a ? k->m : k->k) &&
           layout_make(q, &p->b, k->in, k->transpose_b ? k->n : k->k, k->transpose_b ? k->k : k->n) &&
           layout_make(q, &p->d, k->out, k->m, k->n);
}

/* The first algorithm that the library's heuristics name, among those whose sums have a fixed order: pieces
 * of a sum may only meet in the workspace, and as F32. */
static bool matrix_choose(struct queue *q, struct matrix_plan *p) {
    static const cublasLtMatmulPreferenceAttributes_t alignments[4] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint64_t workspace = MATRIX_WORKSPACE;
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const char *what = "matrix product's preference";
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    bool ok =
        cublas_ok(q, cublasLtMatmulPreferenceCreate(&preference), what) &&
        cublas_ok(q,
                  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                       &workspace, sizeof workspace),
                  what) &&
        cublas_ok(q,
                  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                       &reductions, sizeof reductions),
                  what);
    for (int i = 0; ok && i < 4; i++) {
        const uint32_t bytes = (uint32_t)p->key.alignment[i];
        ok = cublas_ok(
            q, cublasLtMatmulPreferenceSetAttribute(preference, alignments[i], &bytes, sizeof bytes), what);
    }
    ok = ok && cublas_ok(q,
                         cublasLtMatmulAlgoGetHeuristic(cuda_state(q)->cublas, p->operation, p->a, p->b, p->d,
                                                        p->d, preference, 1, &result, &found),
                         "choosing a matrix product");
    if (preference) cublasLtMatmulPreferenceDestroy(preference);
    if (ok && found == 0)
        cuda_fail(q, "cuBLASLt has no algorithm for a product of %d x %d x %d", p->key.m, p->key.n, p->key.k);
    if (ok && found) p->algorithm = result.algo;
    return ok && found;
}

static struct matrix_plan *matrix_plan(struct queue *q, const struct matrix_key *key) {
    struct matrix_plan **bucket = &cuda_state(q)->matrix_plans[plan_bucket(key, sizeof *key)];
    for (struct matrix_plan *p = *bucket; p; p = p->next)
        if (memcmp(&p->key, key, sizeof *key) == 0) return p->usable ? p : NULL;
    struct matrix_plan *p = MEM_NEW(struct matrix_plan, 1);
    p->key = *key;
    p->next = *bucket;
    *bucket = p;
    p->usable = matrix_describe(q, p) && matrix_choose(q, p);
    return p->usable ? p : NULL;
}

/* The largest power of two up to 256 that divides an address. */
static int alignment_of(const void *data) {
    uintptr_t bits = (uintptr_t)data | 256;
    return (int)(bits & -bits);
}

/* D = A B (+ D where beta is 1), with the bias that the epilogue adds. */
static void matrix_run(struct queue *q, struct matrix_key *key, struct tensor a, struct tensor b,
                       struct tensor d, const void *bias, float beta, const char *what) {
    struct cuda_queue *state = cuda_state(q);
    cudaStream_t stream = cuda_stream(q);
    key->in = a.dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    key->out = d.dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    key->tf32 = q->tf32 && a.dtype == DTYPE_F32;
    key->alignment[0] = alignment_of(a.data);
    key->alignment[1] = alignment_of(b.data);
    key->alignment[2] = key->alignment[3] = alignment_of(d.data);
    struct matrix_plan *p = matrix_plan(q, key);
    if (!p) return;
    if (bias && !cublas_ok(q,
                           cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                          &bias, sizeof bias),
                           what))
        return;
    const float alpha = 1.0f;
    cublas_ok(q,
              cublasLtMatmul(state->cublas, p->operation, &alpha, a.data, p->a, b.data, p->b, &beta, d.data,
                             p->d, d.data, p->d, &p->algorithm,
                             cuda_scratch(q, PLACE_LIBRARY, MATRIX_WORKSPACE), MATRIX_WORKSPACE, stream),
              what);
}

/* ---- operations -------------------------------------------------------------------------------------------
 */

/* Where the device knows no BF16: y in F32, then rounded. */
static struct tensor as_f32(struct queue *q, struct tensor t, enum cuda_place place) {
    return cuda_convert(q, t, DTYPE_F32, place);
}

void cuda_linear_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                         enum activation act) {
    check_linear_forward(y, x, w, b);
    if (x.dims[0] == 0) return;
    if (y.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        struct tensor y32 = cuda_like(q, y, DTYPE_F32, PLACE_GRADIENT);
        cuda_linear_forward(q, y32, as_f32(q, x, PLACE_X), w, b, act);
        cuda_scale(q, y, y32, 1.0f, false);
        return;
    }
    const bool relu = act == ACTIVATION_RELU, bias = tensor_is(b);
    w = cuda_parameter(q, w, x.dtype, PLACE_WEIGHTS);
    b = cuda_parameter(q, b, x.dtype, PLACE_BIAS);
    struct matrix_key key = {.m = y.dims[1], .n = x.dims[0], .k = x.dims[1], .transpose_a = 1};
    key.epilogue = bias && relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                   : bias       ? CUBLASLT_EPILOGUE_BIAS
                   : relu       ? CUBLASLT_EPILOGUE_RELU
                                : CUBLASLT_EPILOGUE_DEFAULT;
    matrix_run(q, &key, w, x, y, b.data, 0.0f, "linear_forward");
    if (act == ACTIVATION_TANH || act == ACTIVATION_SIGMOID) cuda_activation_forward(q, y, y, act);
}

void cuda_linear_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                               bool add) {
    check_linear("linear_backward_data", dy, dx, w);
    if (dx.dims[0] == 0) return;
    if (dx.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        struct tensor dx32 = cuda_like(q, dx, DTYPE_F32, PLACE_GRADIENT);
        cuda_linear_backward_data(q, dx32, as_f32(q, dy, PLACE_X), w, false);
        cuda_scale(q, dx, dx32, 1.0f, add);
        return;
    }
    w = cuda_parameter(q, w, dx.dtype, PLACE_WEIGHTS);
    struct matrix_key key = {.m = dx.dims[1], .n = dx.dims[0], .k = dy.dims[1]};
    key.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    matrix_run(q, &key, w, dy, dx, NULL, add ? 1.0f : 0.0f, "linear_backward_data");
}

void cuda_linear_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy) {
    check_linear("linear_backward_weights", dy, x, dw);
    if (x.dims[0] == 0) return;
    if (x.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        x = as_f32(q, x, PLACE_X);
        dy = as_f32(q, dy, PLACE_GRADIENT);
    }
    struct matrix_key key = {.m = x.dims[1], .n = dy.dims[1], .k = x.dims[0], .transpose_b = 1};
    key.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    matrix_run(q, &key, x, dy, dw, NULL, 1.0f, "linear_backward_weights");
}
