/* SGF: reading collections (FF[1] to FF[4], plain or gzip) and writing games. Main line only. A game that
 * cannot be used is skipped with file, number and reason, and reading goes on with the next. */
#ifndef TENGEN_SGF_H
#define TENGEN_SGF_H

#include "tengen/game.h"

struct sgf_game {
    int size;
    float komi;
    bool has_komi;
    int handicap;
    char black[64], white[64], result[32], rules[32],
        date[32]; /* UTF-8 as found, cut to size; "" if absent */
    int winner;   /* 0 black, 1 white, 2 draw, -1 unknown or void */
    int setup_count;
    struct {
        int16_t point;
        uint8_t stone; /* enum go_stone */
    } * setup;
    int first_player; /* 0 or 1: PL, else the colour of the first move, else 1 after handicap */
    int move_count;
    struct {
        int16_t action; /* size^2: pass */
        uint8_t player;
    } * moves;
};

struct sgf_reader;

/* Opens a file (plain or .gz), or all *.sgf and *.sgf.gz of a folder. */
enum status sgf_open(const char *path, struct sgf_reader **out) MUST_USE;
void sgf_close(struct sgf_reader *r);

/* The next game into `game` (owned by the reader, valid until the next call). Returns 1; 0 at the end; -1 for
 * a game that was skipped: sgf_skip_reason() then says "FILE: game N (line L): reason". */
int sgf_next(struct sgf_reader *r, const struct sgf_game **game);
const char *sgf_skip_reason(const struct sgf_reader *r);
/* The same without file, number and line. */
const char *sgf_skip_why(const struct sgf_reader *r);
/* "FILE: game N (line L)" of the game last read, for a caller's own errors; valid until the next call. */
const char *sgf_where(struct sgf_reader *r);

/* Replays a game under `g`'s rules and says why not, if a move is illegal: STATUS_FORMAT with move number and
 * reason. `position` receives the final position (or the one before the illegal move). */
enum status sgf_replay(const struct game *g, const struct sgf_game *game, void *position) MUST_USE;

/* What is written into a game record besides moves; NULL or "" for none. */
struct sgf_info {
    const char *black, *white, *result, *comment, *date;
};
/* One game of Go as SGF text (FF[4]); freed by mem_free. comments: move_count texts or NULL entries, or NULL.
 */
char *sgf_text(const struct game *g, const int *actions, int count, const struct sgf_info *info,
               const char *const *comments);

#endif
