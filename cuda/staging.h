/* Pinned memory that copies go through. What the device calls its memory may be mapped memory of the host:
 * addresses tell.
 *
 * Uploads: the caller's memory is free on return, and the copy runs when the
 * stream comes to it. A ring of stages: uploads share a stage until it is full, so that a small one costs its
 * bytes, and a stage is used again when all copies out of it are done. A stage grows to the largest upload it
 * has to take; an upload then waits for nobody unless STAGES - 1 such before it are under way.
 *
 * Downloads: they wait for the stream, and go through two halves of a landing, so that one half is filled
 * while the caller's memory takes the other.
 */
#ifndef CUDA_STAGING_H
#define CUDA_STAGING_H

#include <stddef.h>

#include <cuda_runtime_api.h>

enum {
    STAGES = 4,
    STAGE_LEAST = 256 << 10,
    STAGE_MOST = 64 << 20, /* larger uploads go in pieces */
    LANDING_HALF = 1 << 20 /* larger downloads do */
};

/* Of one stream; zeroed before staging_open. */
struct staging {
    struct stage {
        void *data;
        size_t size;
        cudaEvent_t free; /* passed when the copies out of it are done */
    } stages[STAGES];
    int current;
    size_t used; /* bytes of the current stage */
    struct landing {
        void *data;
        cudaEvent_t full; /* passed when the copy into it is done */
    } landings[2];
};

cudaError_t staging_open(struct staging *s);
void staging_close(struct staging *s); /* after staging_open, however it ended */
cudaError_t staging_upload(struct staging *s, cudaStream_t stream, void *to, const void *from, size_t bytes);
cudaError_t staging_download(struct staging *s, cudaStream_t stream, void *to, const void *from,
                             size_t bytes);

#endif
