/* Players of a game: what a match lets play against each other. */
#ifndef TENGEN_PLAYER_H
#define TENGEN_PLAYER_H

#include "tengen/device.h"
#include "tengen/game.h"
#include "tengen/net.h"
#include "tengen/search.h"

enum { PLAYER_RESIGN = -2 };

struct player {
    char name[128];
    void *state;
    uint64_t game; /* which game of a match, set before start: random draws depend on it, not on who played
                      before */
    /* A new game begins, from the game's start. */
    enum status (*start)(struct player *p, const struct game *g);
    /* The next action of the player to move, or PLAYER_RESIGN. `position` is the game so far. */
    enum status (*choose)(struct player *p, const void *position, int *action);
    /* Any player's action (also one's own) was played. */
    enum status (*played)(struct player *p, int action);
    /* Go, optional: dead stones at the end, dead[size^2] of 1 or 0; NULL or STATUS_USAGE if it cannot tell.
     */
    enum status (*dead)(struct player *p, uint8_t *dead);
    void (*close)(struct player *p);
};

struct player_options {
    struct search_config search; /* its simulations are not looked at; its leaves are */
    int simulations;             /* 0: the raw policy without search */
    float temperature;           /* of the raw policy or of visits; 0: the best */
    uint64_t seed;
    int threads;              /* of a network's queue; 1: it runs in its caller, 0: all of the device's */
    enum precision precision; /* of a network */
    double seconds;           /* limit for a move of an outside engine; 0: 60 s */
    double start_seconds;     /* limit for its answers until a game stands ready; 0: 60 s */
};

/* Uniform over legal moves that do not fill own eyes only where `gentle`, else over all legal moves. */
enum status player_random(uint64_t seed, bool gentle, struct player *out) MUST_USE;
/* A network with an evaluator of its own, so that several players of one net can think at the same time;
 * `net` NULL gives the uniform evaluator. The net and the game stay the caller's and must outlive the player.
 */
enum status player_network(const struct game *g, struct net *net, struct device *device,
                           const struct player_options *options, const char *name,
                           struct player *out) MUST_USE;
/* An outside GTP engine as a child process: "gnugo --mode gtp --level 1". Crash, silence or nonsense is
 * STATUS_PEER and names it. */
enum status player_gtp(const char *command, const struct player_options *options,
                       struct player *out) MUST_USE;
void player_close(struct player *p);

/* ---- matches ---- */
struct match_options {
    int games;         /* each opening is played twice, colours swapped */
    int opening_moves; /* random legal (not eye-filling, no pass) moves before the players take over */
    uint64_t seed;
    const char *sgf_folder; /* NULL: none are written */
    bool cleanup;  /* Go: before scoring take off stones that a gtp player declares dead, if the other side or
                      Tengen's own estimate says so too (Tromp-Taylor counts them as alive; with
                      kgs-genmove_cleanup the engine takes them itself) */
    bool progress; /* shown on stderr */
    bool to_the_end; /* a wish to stop waits until the match is over */
};

struct match_result {
    int games, wins, draws, losses; /* of player A */
    int wins_first, games_first;    /* with A moving first */
    int forfeits_a, forfeits_b;     /* crashes, hangs, illegal moves: counted as losses and named in `text` */
    double score, low, high;        /* (wins + draws / 2) / games and its 95% Wilson interval */
    double elo, elo_low, elo_high;
    double mean_length;
    char text[256]; /* last forfeit's reason */
};

/* A player that fails with STATUS_PEER or plays an illegal move loses that game; any other failure ends the
 * match. With run_catch_signals() a wish to stop ends it after the moves in progress: `out` then holds the
 * games played to their end, and the status is STATUS_INTERRUPTED. */
enum status match_play(const struct game *g, struct player *a, struct player *b,
                       const struct match_options *options, struct match_result *out) MUST_USE;
/* The same with a[workers], b[workers]: so many games go on at a time, each between the a and the b of one
 * worker. The result does not depend on the number of workers, as long as moves depend on p->game only. */
enum status match_play_many(const struct game *g, struct player *a, struct player *b, int workers,
                            const struct match_options *options, struct match_result *out) MUST_USE;

/* 95% Wilson interval of a share of n games; Elo difference that a share speaks of (at most 1200 either way).
 */
void match_wilson(double share, int n, double *low, double *high);
double match_elo(double share);

#endif
