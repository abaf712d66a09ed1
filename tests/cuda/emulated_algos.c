/* Whole algorithms on the emulated GPU, by the kernels of cuda/ and in graphs, train as on the CPU. */
#include "algo_twins.h"
#include "recorder.h"

int main(void) {
#ifdef __SANITIZE_THREAD__
    return TEST_SKIPPED; /* the thread sanitizer does not follow fibers */
#endif
    int failed = algo_twins_run_all(recorder_open, 1e-4);
    return recorder_launches() > 0 ? failed : failed + 1;
}
