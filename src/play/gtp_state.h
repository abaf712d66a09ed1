/* The inside of the GTP engine: gtp.c reads lines and answers, gtp_board.c keeps the game, gtp_clock.c the
 * time, gtp_commands.c and gtp_analyze.c are the commands. */
#ifndef PLAY_GTP_STATE_H
#define PLAY_GTP_STATE_H

#include "tengen/gtp.h"
#include "thinker.h"

enum { GTP_WORDS = 64 };

/* Time for a player: main time, then periods of `period` seconds for `stones` stones each. */
struct gtp_clock {
    bool limited;
    double period; /* 0: absolute time */
    int stones;
    double left;     /* of the main time, or of the current period */
    int stones_left; /* in the current period; 0: in the main time */
};

struct gtp_move {
    int16_t action;
    uint8_t player;
};

struct gtp {
    struct gtp_options options;
    struct net *net;
    struct device *device;
    struct game *game;
    struct thinker thinker;
    bool thinks; /* the thinker exists: not with random moves */
    struct rng rng;
    uint64_t seed;

    /* The game: what was set up, and the moves since. */
    uint8_t base[GAME_ACTIONS_MAX];
    int base_player; /* -1: nothing was set up */
    struct gtp_move *moves;
    int move_count, move_room;
    void *position;

    bool turned; /* by gtp_turn(), and no move has followed */

    struct gtp_clock clocks[2];
    double winrate; /* of the player whose move was thought about last; NAN: too little was searched to say */
    int hopeless[2]; /* own moves in a row whose winrate was below what --resign says */

    int input; /* descriptor; -1: none, lines come one by one */
    char *buffer;
    size_t used, room;
    bool input_ended;

    FILE *out;   /* where answers go */
    FILE *reply; /* text of the answer being made */
    bool quit;
};

/* One command's call. Words are split in place; words[0] is its name. */
struct gtp_call {
    const char *id; /* "" or the number that the answer repeats */
    char *words[GTP_WORDS];
    int count;
};

struct gtp_command {
    const char *name;
    /* Writes the answer to e->reply; false: it is an error text. */
    bool (*run)(struct gtp *e, struct gtp_call *call);
    bool streams; /* it answers by itself, to e->out */
};

extern const struct gtp_command gtp_commands[]; /* ended by a NULL name */

/* ---- gtp.c ---- */
/* An error answer; returns false. */
bool gtp_fail(struct gtp *e, const char *format, ...) PRINTF_LIKE(2, 3);
/* Whether a line of input waits (or input has ended): analysis is over then. */
bool gtp_input_waits(struct gtp *e);
/* Takes "# interrupt" lines off the input; whether there was one. */
bool gtp_interrupted(struct gtp *e);
/* Sleeps until input waits, at most so many seconds. */
void gtp_input_wait(struct gtp *e, double seconds);

/* ---- gtp_commands.c ---- */
/* A finite number; an error answer and false if the word is none. */
bool gtp_number(struct gtp *e, const char *word, double *value);

/* ---- gtp_board.c ---- */
/* An empty board under a new size or komi; STATUS_USAGE if the network does not know the size. */
enum status gtp_new_game(struct gtp *e, int size, float komi) MUST_USE;
/* Another komi, everything else as it is. */
enum status gtp_set_komi(struct gtp *e, float komi) MUST_USE;
void gtp_clear(struct gtp *e);
/* Starts from stones instead of an empty board; false if a chain has no liberties. */
bool gtp_set_up(struct gtp *e, const uint8_t *board, int player);
/* Makes it `player`'s turn, also after the game has ended. GTP lets either side move at any time; our rules
 * do not, so the position is set up anew then, which forgets what came before (ko, repetition). */
void gtp_turn(struct gtp *e, int player);
/* Undoes a gtp_turn() that no move followed: the next command finds the game as it was played. */
void gtp_settle(struct gtp *e);
/* False: illegal; nothing has changed. */
bool gtp_play(struct gtp *e, int player, int action);
bool gtp_undo(struct gtp *e);
/* "b", "white", ... -1: neither. */
int gtp_colour(const char *word);

/* ---- gtp_clock.c ---- */
void gtp_clock_set(struct gtp_clock *c, double main, double period, int stones);
void gtp_clock_left(struct gtp_clock *c, double left, int stones);
/* Seconds to think about the next move, 0 for no limit. `moves` is the length of the game so far. */
double gtp_clock_budget(const struct gtp_clock *c, int points, int moves);
void gtp_clock_spend(struct gtp_clock *c, double seconds);

/* ---- gtp_analyze.c ---- */
/* Thinks about `player`'s move and chooses it: by the clock, --time or simulations. */
int gtp_think(struct gtp *e, int player);
/* After the thinking about a move that is to be played: whether `player` resigns instead. */
bool gtp_resigns(struct gtp *e, int player);
bool gtp_lz_analyze(struct gtp *e, struct gtp_call *call);
bool gtp_kata_analyze(struct gtp *e, struct gtp_call *call);
bool gtp_lz_genmove_analyze(struct gtp *e, struct gtp_call *call);
bool gtp_kata_genmove_analyze(struct gtp *e, struct gtp_call *call);

#endif
