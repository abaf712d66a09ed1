/* GTP: lines in, answers out (Farnebäck, "Specification of the Go Text Protocol, version 2, draft 2"). */
#include "tengen/gtp.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gtp_state.h"
#include "tengen/mem.h"
#include "tengen/thread.h"

/* ---- life -------------------------------------------------------------------------------------------------
 */

enum status gtp_create(const struct game_config *config, struct net *net, struct device *device,
                       const struct gtp_options *options, struct gtp **out) {
    struct gtp *e = MEM_NEW(struct gtp, 1);
    e->options = *options;
    e->net = net;
    e->device = device;
    e->input = -1;
    e->seed = options->player.seed;
    e->rng = rng_make(e->seed, RNG_EVAL, 0);
    enum status s = STATUS_OK;
    if (strcmp(config->name, "go") != 0)
        s = status_fail(STATUS_USAGE, "GTP is for Go, not for %s", config->name);
    if (s == STATUS_OK) s = game_create(config, &e->game);
    if (s == STATUS_OK && !options->random) {
        s = thinker_init(&e->thinker, e->game, net, device, &options->player, true);
        e->thinks = true;
    }
    if (s != STATUS_OK) {
        gtp_free(e);
        return s;
    }
    e->position = position_create(e->game);
    gtp_clear(e);
    *out = e;
    return STATUS_OK;
}

void gtp_free(struct gtp *e) {
    if (!e) return;
    if (e->thinks) thinker_free(&e->thinker);
    position_free(e->position);
    game_free(e->game);
    mem_free(e->moves);
    mem_free(e->buffer);
    mem_free(e);
}

/* ---- input ------------------------------------------------------------------------------------------------
 */

/* Reads what is there, waiting at most so long for it (INFINITY: until something comes); false if nothing
 * came. */
static bool fill(struct gtp *e, double seconds) {
    if (e->input < 0 || e->input_ended) return false;
    struct pollfd set = {e->input, POLLIN, 0};
    int milliseconds = isinf(seconds) ? -1 : (int)(1e3 * fmin(fmax(seconds, 0), 86400)); /* an int's worth */
    if (poll(&set, 1, milliseconds) <= 0) return false;
    if (e->used + 4096 > e->room) {
        e->buffer = mem_resize(e->buffer, e->room, e->room + 8192, 1);
        e->room += 8192;
    }
    ssize_t got = read(e->input, e->buffer + e->used, e->room - e->used);
    if (got > 0) e->used += (size_t)got;
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) e->input_ended = true;
    return got > 0;
}

bool gtp_input_waits(struct gtp *e) {
    if (e->input < 0) return false;
    fill(e, 0);
    return e->input_ended || (e->used > 0 && memchr(e->buffer, '\n', e->used));
}

void gtp_input_wait(struct gtp *e, double seconds) {
    double end = clock_now() + seconds;
    while (!gtp_input_waits(e) && clock_now() < end) {
        if (e->input < 0) return;
        fill(e, end - clock_now());
    }
}

bool gtp_interrupted(struct gtp *e) {
    static const char word[] = "# interrupt";
    if (e->input < 0) return false;
    fill(e, 0);
    char *end = e->used > 0 ? memchr(e->buffer, '\n', e->used) : NULL;
    if (!end || strncmp(e->buffer, word, sizeof word - 1) != 0) return false;
    size_t length = (size_t)(end - e->buffer) + 1;
    memmove(e->buffer, e->buffer + length, e->used - length);
    e->used -= length;
    return true;
}

/* The next line into *line (mem_free); false at the end of input. */
static bool read_line(struct gtp *e, char **line) {
    char *end;
    while (!(end = e->used > 0 ? memchr(e->buffer, '\n', e->used) : NULL)) {
        if (e->input_ended && e->used == 0) return false;
        if (e->input_ended) { /* a last line without its end */
            end = e->buffer + e->used;
            break;
        }
        fill(e, INFINITY);
    }
    size_t length = (size_t)(end - e->buffer), drop = length < e->used ? length + 1 : length;
    *line = mem_alloc(length + 1, 1);
    memcpy(*line, e->buffer, length);
    memmove(e->buffer, e->buffer + drop, e->used - drop);
    e->used -= drop;
    return true;
}

/* ---- commands ---------------------------------------------------------------------------------------------
 */

bool gtp_fail(struct gtp *e, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    rewind(e->reply); /* an error answer replaces what stood there */
    vfprintf(e->reply, format, arguments);
    fputc(0, e->reply);
    va_end(arguments);
    return false;
}

/* Takes comment and control characters out and splits into id and words. False: nothing is left. */
static bool split(char *line, struct gtp_call *call) {
    size_t used = 0;
    for (const char *c = line; *c && *c != '#'; c++) {
        if (*c == '\t' || !iscntrl((unsigned char)*c)) line[used++] = *c == '\t' ? ' ' : *c;
    }
    line[used] = 0;
    call->id = "";
    call->count = 0;
    char *rest, *word = strtok_r(line, " ", &rest);
    if (word && strspn(word, "0123456789") == strlen(word)) {
        call->id = word;
        word = strtok_r(NULL, " ", &rest);
        if (!word) return *call->id != 0;
    }
    for (; word && call->count < GTP_WORDS; word = strtok_r(NULL, " ", &rest))
        call->words[call->count++] = word;
    return call->count > 0;
}

static const struct gtp_command *find_command(const char *name) {
    for (const struct gtp_command *c = gtp_commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

/* "=id answer" and the empty line that ends it. Empty lines within would end it early. */
static void answer(struct gtp *e, const struct gtp_call *call, bool good, const char *text) {
    fprintf(e->out, "%c%s ", good ? '=' : '?', call->id);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    char before = 0;
    for (size_t i = 0; i < length; before = text[i++])
        if (text[i] != '\n' || before != '\n') fputc(text[i], e->out);
    fputs("\n\n", e->out);
    fflush(e->out);
}

static void execute(struct gtp *e, struct gtp_call *call) {
    char *text = NULL;
    size_t size = 0;
    e->reply = open_memstream(&text, &size);
    ENSURE(e->reply, "no memory for an answer");
    const struct gtp_command *command = call->count > 0 ? find_command(call->words[0]) : NULL;
    gtp_settle(e);
    bool good = command ? command->run(e, call) : gtp_fail(e, "unknown command");
    fclose(e->reply);
    e->reply = NULL;
    if (!good || !command->streams) answer(e, call, good, text);
    free(text); /* open_memstream's, not ours */
}

bool gtp_line(struct gtp *e, const char *line, FILE *out) {
    struct gtp_call call;
    char *copy = mem_string(line);
    e->out = out;
    if (split(copy, &call)) execute(e, &call);
    mem_free(copy);
    return !e->quit;
}

enum status gtp_run(struct gtp *e, int input, FILE *out) {
    char *line;
    e->input = input;
    e->input_ended = false;
    bool more = true;
    while (more && read_line(e, &line)) {
        more = gtp_line(e, line, out);
        mem_free(line);
        if (ferror(out)) return status_fail(STATUS_IO, "cannot write answers: %s", strerror(errno));
    }
    return STATUS_OK;
}
