/* Random games agree with the plain implementation of go_reference.h after every move. */
#include "games.h"
#include "go_reference.h"
#include "planes.h"

struct pair {
    struct game *g;
    void *position;
    struct reference *r;
    struct rng rng;
};

static void compare_legality(struct pair *p, bool everywhere) {
    uint8_t legal[GAME_ACTIONS_MAX];
    int count = p->g->legal(p->g, p->position, legal), sum = 0;
    for (int a = 0; a < p->g->actions; a++) {
        sum += legal[a];
        if (!everywhere && rng_below(&p->rng, 32)) continue;
        bool expected = reference_is_legal(p->r, a);
        if (legal[a] != expected || p->g->is_legal(p->g, p->position, a) != expected) {
            char text[16], board[4096];
            p->g->action_text(p->g, a, text, sizeof text);
            p->g->print(p->g, p->position, board, sizeof board);
            fail_msg("%s should be %s\n%s", text, expected ? "legal" : "illegal", board);
        }
    }
    assert_int_equal(sum, count);
    assert_int_equal(count == 0, reference_ended(p->r));
}

static void compare_chains(struct pair *p) {
    bool marked[REFERENCE_POINTS];
    int size = p->r->size;
    for (int i = 0; i < 4; i++) {
        int point = (int)rng_below(&p->rng, (uint32_t)(size * size)), touched, liberties, stones;
        stones = reference_fill(p->r->board, size, point, marked, &touched, &liberties);
        if (p->r->board[point] == 0) stones = liberties = 0;
        assert_int_equal(go_at(p->g, p->position, point), p->r->board[point]);
        assert_int_equal(go_chain_stones(p->g, p->position, point), stones);
        assert_int_equal(go_liberties(p->g, p->position, point), liberties);
    }
}

static void compare_planes(struct pair *p) {
    static float planes[REFERENCE_POINTS * 17];
    const struct reference *r = p->r;
    int points = r->size * r->size, own = r->to_play + 1;
    planes_of(p->g, p->position, 0, planes);
    for (int i = 0; i < points; i++) {
        const float *at = planes + i * 17;
        for (int k = 0; k < 8; k++) {
            int colour = k > r->moves ? 0 : k == 0 ? r->board[i] : r->boards[r->moves - k][i];
            assert_true(at[2 * k] == (colour == own) && at[2 * k + 1] == (colour == 3 - own));
        }
        assert_true(at[16] == (r->to_play == 0));
    }
}

static void compare(struct pair *p, bool everywhere) {
    uint8_t board[REFERENCE_POINTS];
    go_board(p->g, p->position, board);
    assert_memory_equal(board, p->r->board, (size_t)(p->r->size * p->r->size));
    assert_int_equal(p->g->to_play(p->g, p->position), p->r->to_play);
    assert_int_equal(p->g->moves(p->g, p->position), p->r->moves);
    assert_int_equal(p->g->ended(p->g, p->position), reference_ended(p->r));
    for (int player = 0; player < 2; player++)
        assert_int_equal(go_captures(p->g, p->position, player), p->r->captures[player]);
    compare_legality(p, everywhere);
    compare_chains(p);
    compare_planes(p);
    if (everywhere || reference_ended(p->r))
        assert_true(p->g->score(p->g, p->position) == (float)reference_area(p->r->board, p->r->size) - 3.5f);
}

/* Passes are kept rare, so that games grow long and full of captures; every legal move has its chance. */
static int random_action(struct pair *p) {
    uint8_t legal[GAME_ACTIONS_MAX];
    int count = p->g->legal(p->g, p->position, legal), pass = p->g->actions - 1;
    if (count > 1 && rng_below(&p->rng, 16)) {
        legal[pass] = 0;
        count--;
    }
    return pick_legal(&p->rng, legal, count);
}

static void play_and_compare(int size, int games, enum reference_ko ko, bool suicide) {
    static const char *names[] = {"simple", "positional", "situational"};
    struct pair p = {go_game(size, 3.5f, names[ko], suicide), NULL, MEM_NEW(struct reference, 1), {0}};
    p.position = position_create(p.g);
    for (int i = 0; i < games; i++) {
        p.rng = rng_make(7, RNG_TEST, (uint64_t)(size * 1000 + i));
        p.g->start(p.g, p.position);
        memset(p.r, 0, sizeof *p.r);
        p.r->size = size;
        p.r->max_moves = p.g->max_moves;
        p.r->ko = ko;
        p.r->suicide = suicide;
        compare(&p, true);
        while (!p.g->ended(p.g, p.position)) {
            int action = random_action(&p);
            p.g->play(p.g, p.position, action);
            reference_play(p.r, action);
            compare(&p, size <= 7 || p.r->moves % (size * size / 4) == 0);
        }
    }
    position_free(p.position);
    game_free(p.g);
    mem_free(p.r);
}

static void random_games(enum reference_ko ko) {
    for (int suicide = 0; suicide < 2; suicide++)
        for (int size = 2; size <= 25; size++)
            play_and_compare(size, size <= 4 ? 100 : size <= 7 ? 20 : size <= 13 ? 3 : 1, ko, suicide);
}

static void games_under_simple_ko_agree(void **state) {
    (void)state;
    random_games(REFERENCE_SIMPLE);
}

static void games_under_positional_superko_agree(void **state) {
    (void)state;
    random_games(REFERENCE_POSITIONAL);
}

static void games_under_situational_superko_agree(void **state) {
    (void)state;
    random_games(REFERENCE_SITUATIONAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(games_under_simple_ko_agree),
        cmocka_unit_test(games_under_positional_superko_agree),
        cmocka_unit_test(games_under_situational_superko_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
