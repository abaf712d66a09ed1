/* Asks whether this library holds code for the current device. No kernel of its own: one that other files
 * launch is looked up. */
#include "cuda/common.cuh"

struct probe_map {
    static constexpr int N = 1;
    __device__ bool begin() { return false; }
    template <int n> __device__ void at(size_t) {}
};

extern "C" cudaError_t cuda_code_fits(void);

cudaError_t cuda_code_fits(void) {
    cudaFuncAttributes attributes;
    return cudaFuncGetAttributes(&attributes, map_kernel<1, probe_map>);
}
