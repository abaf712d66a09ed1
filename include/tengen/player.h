/* Players of a game: what a match lets play against each other. */
#ifndef TENGEN_PLAYER_H
#define TENGEN_PLAYER_H

#include "tengen/device.h"
#include "tengen/game.h"
#include "tengen/search.h"

struct net;

enum { PLAYER_RESIGN = -2 };

struct player {
    char name[128];
    void *state;
    /* A new game begins. */
    enum status (*start)(struct player *p, const struct game *g);
    /* The next action of the player to move, or PLAYER_RESIGN. `position` is the game so far. */
    enum status (*choose)(struct player *p, const void *position, int *action);
    /* Any player's action (also one's own) was played. */
    enum status (*played)(struct player *p, int action);
    /* Go, optional: dead stones at the end, dead[size^2]; NULL or STATUS_USAGE if it cannot tell. */
    enum status (*dead)(struct player *p, uint8_t *dead);
    void (*close)(struct player *p);
};

struct player_options {
    struct search_config search; /* simulations 0... see below */
    int simulations;             /* 0: the raw policy without search */
    float temperature;           /* of the raw policy or of visits; 0: the best */
    uint64_t seed;
    double seconds;              /* time limit a move for outside engines; 0: 60 s */
};

/* Uniform over legal moves that do not fill own eyes only where `gentle`, else over all legal moves. */
enum status player_random(uint64_t seed, bool gentle, struct player *out) MUST_USE;
/* A network; `net` NULL gives the uniform evaluator. The net stays the caller's. */
enum status player_network(const struct game *g, struct net *net, struct device *device,
                           const struct player_options *options, const char *name, struct player *out) MUST_USE;
/* An outside GTP engine as a child process: "gnugo --mode gtp --level 1". Crash, silence or nonsense is STATUS_PEER
 * and names it. */
enum status player_gtp(const char *command, const struct player_options *options, struct player *out) MUST_USE;
void player_close(struct player *p);

/* ---- matches ---- */
struct match_options {
    int games;           /* each opening is played twice, colours swapped */
    int opening_moves;   /* random legal (not eye-filling, no pass) moves before the players take over */
    uint64_t seed;
    const char *sgf_folder; /* NULL: none are written */
    bool cleanup;        /* Go: take off stones that a gtp player declares dead before scoring (Tromp-Taylor counts
                            them as alive; with kgs-genmove_cleanup the engine takes them itself) */
    bool progress;
};

struct match_result {
    int games, wins, draws, losses; /* of player A */
    int wins_first, games_first;    /* with A moving first */
    int forfeits_a, forfeits_b;     /* crashes, hangs, illegal moves: counted as losses and named in `text` */
    double score, low, high;        /* (wins + draws / 2) / games and its 95% Wilson interval */
    double elo, elo_low, elo_high;
    double mean_length;
    char text[256];                 /* last forfeit's reason */
};

enum status match_play(const struct game *g, struct player *a, struct player *b, const struct match_options *options,
                       struct match_result *out) MUST_USE;

#endif
