/* A profile of a run: host phases (phase.h) and, for every queue, copies and operations by name, with the
 * time that the device takes for them. Queues opened after profile_enable() run their operations through a
 * table of wrappers that puts marks before and after each; the marks are read back at the end of an
 * iteration, so that nothing waits.
 */
#ifndef TENGEN_PROFILE_H
#define TENGEN_PROFILE_H

#include "tengen/device.h"

void profile_enable(void); /* for the process, before queues are opened */
bool profile_enabled(void);
/* Whether the queue's operations are timed one by one; such a queue's work must not be captured into graphs.
 */
bool queue_profiled(const struct queue *q);

/* The calling thread's time is accounted for from here. */
void profile_start(void);
/* Ends an iteration: reads back what devices measured. */
void profile_iteration(void);
/* Ends the profile and returns it as lines of text, for mem_free: what the calling thread did, which adds up
 * to its time; then the work of each group of queues (queue.label, or the phase that used the queue). */
char *profile_text(void);

/* For device.c: a queue begins and ends. */
void profile_queue_open(struct queue *q);
void profile_queue_close(struct queue *q);
/* What is timed as operations are: copies, which have bytes, and steps of environments in the device's
 * memory. Nothing happens where the queue is not profiled. */
enum profile_work { PROFILE_UP, PROFILE_DOWN, PROFILE_ENVIRONMENTS, PROFILE_WORKS };
void profile_work_begin(struct queue *q, enum profile_work work, size_t bytes);
void profile_work_end(struct queue *q);

#endif
