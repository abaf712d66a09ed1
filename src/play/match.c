/* Matches: many games, each opening with both colours, and what they say about who is stronger.
 *
 * The share of points is that of A, a draw counting half. Its interval is Wilson's (1927), which stays within
 * [0, 1] and is honest near its ends: centre (p + z^2/2n) / (1 + z^2/n), half width z sqrt(p(1-p)/n +
 * z^2/4n^2) / (1 + z^2/n) with z = 1.96. Games of one opening are not independent, which makes the interval
 * rather too wide than too narrow. */
#include "match.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/progress.h"
#include "tengen/run.h"
#include "tengen/sgf.h"
#include "tengen/thread.h"

struct match {
    const struct game *game;
    struct player *a, *b; /* [workers] */
    const struct match_options *options;
    struct match_game *games; /* [options->games] */
    atomic_bool failed;
    pthread_mutex_t lock; /* of what follows */
    enum status status;
    int failed_game;
    char failure[512];
    struct progress progress;
    int done;
    double points;
};

void match_wilson(double share, int n, double *low, double *high) {
    *low = 0;
    *high = 1;
    if (n <= 0) return;
    double z = 1.959964, z2n = z * z / n;
    double centre = (share + z2n / 2) / (1 + z2n);
    double half = z * sqrt(share * (1 - share) / n + z2n / (4 * n)) / (1 + z2n);
    *low = fmax(0, centre - half);
    *high = fmin(1, centre + half);
}

double match_elo(double share) {
    double edge = 1 / (1 + pow(10, 3)); /* 1200 points */
    if (share <= edge) return -1200;
    if (share >= 1 - edge) return 1200;
    return 400 * log10(share / (1 - share));
}

/* ---- records ----------------------------------------------------------------------------------------------
 */

static enum status write_record(const struct match *m, int number, const char *name_a, const char *name_b) {
    const struct match_game *mg = &m->games[number];
    const struct game *g = m->game;
    char path[1024], comment[512];
    bool go = strcmp(g->name, "go") == 0;
    snprintf(path, sizeof path, "%s/game-%05d.%s", m->options->sgf_folder, number + 1, go ? "sgf" : "txt");
    snprintf(comment, sizeof comment, "opening %d, %d random moves%s%s", number / 2 + 1, mg->player_moves,
             mg->text ? "; " : "", mg->text ? mg->text : "");
    const char *first = mg->a_first ? name_a : name_b, *second = mg->a_first ? name_b : name_a;
    char *text;
    if (go) {
        struct sgf_info info = {.black = first, .white = second, .result = mg->result, .comment = comment};
        text = sgf_text(g, mg->actions, mg->count, &info, NULL);
    } else {
        text = mem_format("%s: %s - %s %s (%s)\n", g->name, first, second, mg->result, comment);
        for (int i = 0; i < mg->count; i++) {
            char move[16];
            g->action_text(g, mg->actions[i], move, sizeof move);
            char *longer = mem_format("%s%s%s", text, move, i + 1 < mg->count ? " " : "\n");
            mem_free(text);
            text = longer;
        }
    }
    enum status s = file_write(path, text, strlen(text));
    mem_free(text);
    return s;
}

/* ---- playing ----------------------------------------------------------------------------------------------
 */

static bool stop_wanted(void *context) {
    struct match *m = context;
    return atomic_load(&m->failed) || (!m->options->to_the_end && run_stop_requested());
}

static void note_failure(struct match *m, int number, enum status s) {
    pthread_mutex_lock(&m->lock);
    if (m->status == STATUS_OK || number < m->failed_game) {
        m->status = s;
        m->failed_game = number;
        snprintf(m->failure, sizeof m->failure, "game %d: %s", number + 1, status_text());
    }
    pthread_mutex_unlock(&m->lock);
    atomic_store(&m->failed, true);
}

static void note_game(struct match *m, int number) {
    const struct match_game *mg = &m->games[number];
    pthread_mutex_lock(&m->lock);
    m->done++;
    m->points += (double)mg->share;
    if (mg->forfeit) log_warn("%s: the game is lost", mg->text);
    if (m->options->progress)
        progress_update(&m->progress, m->done, m->options->games, "%.1f : %.1f", m->points,
                        m->done - m->points);
    pthread_mutex_unlock(&m->lock);
}

static void play_piece(void *context, int number) {
    struct match *m = context;
    if (stop_wanted(m)) return;
    struct player *a = &m->a[pool_worker()], *b = &m->b[pool_worker()];
    struct match_game *mg = &m->games[number];
    enum status s = match_game_play(m->game, a, b, m->options, number, stop_wanted, m, mg);
    if (s == STATUS_OK && mg->played && m->options->sgf_folder) s = write_record(m, number, a->name, b->name);
    if (s != STATUS_OK)
        note_failure(m, number, s);
    else if (mg->played)
        note_game(m, number);
    mem_free(mg->actions); /* written or not wanted; a match can be long */
    mg->actions = NULL;
}

/* ---- the result -------------------------------------------------------------------------------------------
 */

static void count_game(struct match_result *r, const struct match_game *mg) {
    r->games++;
    r->wins += mg->share > 0.75f;
    r->losses += mg->share < 0.25f;
    r->draws += mg->share >= 0.25f && mg->share <= 0.75f;
    r->games_first += mg->a_first;
    r->wins_first += mg->a_first && mg->share > 0.75f;
    r->forfeits_a += mg->forfeit == 1;
    r->forfeits_b += mg->forfeit == 2;
    r->mean_length += mg->count;
    if (mg->forfeit) snprintf(r->text, sizeof r->text, "%s", mg->text);
}

static void sum_up(const struct match *m, struct match_result *r) {
    *r = (struct match_result){0};
    for (int i = 0; i < m->options->games; i++)
        if (m->games[i].played) count_game(r, &m->games[i]);
    if (r->games > 0) {
        r->score = (r->wins + 0.5 * r->draws) / r->games;
        r->mean_length /= r->games;
    }
    match_wilson(r->score, r->games, &r->low, &r->high);
    r->elo = match_elo(r->score);
    r->elo_low = match_elo(r->low);
    r->elo_high = match_elo(r->high);
}

enum status match_play_many(const struct game *g, struct player *a, struct player *b, int workers,
                            const struct match_options *options, struct match_result *out) {
    *out = (struct match_result){0};
    if (options->sgf_folder) TRY(file_make_folder(options->sgf_folder));
    struct match m = {.game = g, .a = a, .b = b, .options = options, .lock = PTHREAD_MUTEX_INITIALIZER};
    m.games = MEM_NEW(struct match_game, options->games);
    if (options->progress) progress_start(&m.progress, "match");
    struct pool *pool = workers > 1 ? pool_create(workers) : NULL;
    pool_run(pool, options->games, play_piece, &m);
    pool_free(pool);
    if (options->progress) progress_end(&m.progress);

    sum_up(&m, out);
    for (int i = 0; i < options->games; i++)
        match_game_free(&m.games[i]);
    mem_free(m.games);
    if (m.status != STATUS_OK) return status_fail(m.status, "%s", m.failure);
    if (out->games < options->games)
        return status_fail(STATUS_INTERRUPTED, "stopped after %d of %d games", out->games, options->games);
    return STATUS_OK;
}

enum status match_play(const struct game *g, struct player *a, struct player *b,
                       const struct match_options *options, struct match_result *out) {
    return match_play_many(g, a, b, 1, options, out);
}
