/* What the files of self-play share: the inside of a struct selfplay. */
#ifndef SEARCH_SELFPLAY_STATE_H
#define SEARCH_SELFPLAY_STATE_H

#include "resign.h"
#include "tengen/selfplay.h"

/* A place where one game after another is played: slot i plays games i, i + games, i + 2 games, ...
 * What a move draws is keyed by the game and the move, so that nothing of it needs to be saved. */
struct slot {
    struct search *search; /* holds the position */
    struct game_record
        record; /* of the running game; arrays [max_moves], policies [policy_capacity, actions] */
    int policy_capacity;
    int random_moves;    /* length of the opening without search */
    float lowest[2];     /* what each player's values fell to: max(root, best move) */
    int would_resign;    /* who first fell below the threshold in a played-out game; -1: nobody */
    bool thinking, full; /* a search is on; it is one to learn from */
    bool waiting;        /* the next move's search would not end in this round */
    int reused;          /* visits its tree began with */
    struct rng game_rng, search_rng;
};

/* A game that ended in this round, in network call `call`. */
struct finished {
    struct game_record record;
    int call, slot;
    struct resign_game seen; /* valid for a game that was played out */
};

/* `group` slots that share a lane: what a thread works on. */
struct group {
    int first;   /* slot */
    int *leaves; /* [group] of each slot in the present call */
    struct finished *finished;
    int finished_count, finished_capacity;
    struct selfplay_stats stats; /* of this round */
    bool tree_full;              /* a search ran out of memory, ever */
};

struct selfplay {
    const struct game *game;
    struct selfplay_config config;
    struct search_config search;
    struct evaluator *evaluator;
    struct pool *pool;
    uint64_t seed;
    int leaves, calls;    /* leaves of a slot in a network call; calls of a group in a round */
    float threshold;      /* of resignation, constant during a round; -1: nobody resigns */
    struct slot *slots;   /* [config.games] */
    struct group *groups; /* [games / group] */
    struct resign_history history;
    struct selfplay_stats stats;
};

/* selfplay_slot.c */
void slot_init(struct slot *slot, const struct selfplay *s);
void slot_free(struct slot *slot);
/* Begins game `number`. */
void slot_start(struct slot *slot, const struct selfplay *s, uint64_t number);
/* Forgets the tree and a thinking that is not complete. */
void slot_interrupt(struct slot *slot);
/* Plays on until leaves wait for the network: they are written to out, at most s->leaves; returns how many.
 * A game that ends goes to the group, and the slot's next one begins. 0: the slot waits for the next round.
 */
int slot_select(struct slot *slot, const struct selfplay *s, struct group *group, int call,
                struct game_batch out);
/* Room for another policy in the record. */
void slot_reserve_policy(struct slot *slot, const struct selfplay *s);

#endif
