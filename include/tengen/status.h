/* Errors that the world can cause: files, configs, HDF5, memory, devices, peers.
 *
 * A function that can fail for such a reason returns `enum status`; the caller must look at it. The text of
 * the last error (what failed, where, and the remedy) is kept per thread and read with status_text().
 * Where only a programmer can have failed there is ENSURE, which stays on in release builds.
 */
#ifndef TENGEN_STATUS_H
#define TENGEN_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum status {
    STATUS_OK = 0,
    STATUS_USAGE,       /* the command line or a config is wrong */
    STATUS_IO,          /* a file or a pipe */
    STATUS_FORMAT,      /* a file is there, but its content is not what it should be */
    STATUS_MEMORY,      /* not enough of it */
    STATUS_DEVICE,      /* a device is missing or failed */
    STATUS_PEER,        /* a child process or another rank failed */
    STATUS_NUMERIC,     /* NaN or Inf where numbers should be */
    STATUS_INTERRUPTED, /* the user asked to stop; state has been saved */
};

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Sets this thread's error text (at most 1023 bytes) and returns `s`, so that
 * `return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));` is the whole of an error path. */
enum status status_fail(enum status s, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts `prefix: ` before this thread's error text, as an error climbs; returns `s`. */
enum status status_context(enum status s, const char *format, ...) PRINTF_LIKE(2, 3);

/* This thread's last error text; never NULL. */
const char *status_text(void);

/* Returns the status of an expression from the enclosing function if it is not OK. */
#define TRY(expression)                                                                                      \
    do {                                                                                                     \
        enum status try_status_ = (expression);                                                              \
        if (try_status_ != STATUS_OK) return try_status_;                                                    \
    } while (0)

/* Aborts with file, line, the condition and a formatted text if `condition` is false: a bug in the caller. */
#define ENSURE(condition, ...)                                                                               \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0)) ensure_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);     \
    } while (0)

__attribute__((noreturn)) void ensure_fail(const char *file, int line, const char *condition,
                                           const char *format, ...) PRINTF_LIKE(4, 5);

/* Ends the program with `tengen: text` and status 1 where nothing can be done about it by any caller: memory
 * of the host or of a device has run out. No other code outside src/cli ends the program. */
__attribute__((noreturn)) void status_exit(const char *format, ...) PRINTF_LIKE(1, 2);

#ifdef __cplusplus
}
#endif
#endif
