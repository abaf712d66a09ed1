/* After a minute of training tic-tac-toe never loses from any position that is not lost: in each of them,
 * reached by any moves of both sides, the move played leaves the opponent no win.
 *
 * Without an argument, the test: trains as configured, then judges. With one: judges that run or weights
 * file.
 */
#include "../game/minimax.h"
#include "../game/planes.h"
#include "judged.h"

enum { CELLS = 9, CODES = 19683 /* 3^9 */, SIMULATIONS = 100 };

static int code_of(const struct game *g, const void *position) {
    float planes[CELLS * 8];
    int code = 0;
    assert_true(g->height * g->width == CELLS && g->planes >= 2 && g->planes <= 8);
    planes_of(g, position, 0, planes);
    for (int i = 0; i < CELLS; i++)
        code = 3 * code + (planes[i * g->planes] > 0 ? 1 : planes[i * g->planes + 1] > 0 ? 2 : 0);
    return code; /* of the player to move; who that is the number of stones says */
}

struct verdict {
    int positions, kept, lost; /* not lost before the move; of equal value after it; lost after it */
};

static void judge(struct judged *j, const void *position, bool *seen, struct verdict *v) {
    const struct game *g = j->contestant.game;
    uint8_t legal[CELLS];
    if (!g->legal(g, position, legal)) return;
    int code = code_of(g, position);
    if (seen[code]) return;
    seen[code] = true;
    int value = minimax_solve(g, position, NULL), move = value >= 0 ? judged_move(j, position) : -1;
    assert_true(move < 0 || legal[move]);
    v->positions += value >= 0;
    void *child = position_create(g);
    for (int a = 0; a < CELLS; a++) {
        if (!legal[a]) continue;
        g->copy(g, child, position);
        g->play(g, child, a);
        if (a == move) {
            int after = -minimax_solve(g, child, NULL);
            v->kept += after == value;
            v->lost += after < 0;
        }
        judge(j, child, seen, v);
    }
    position_free(child);
}

static struct verdict judge_all(const char *spec) {
    struct judged j;
    struct verdict v = {0};
    judged_open(&j, spec, SIMULATIONS);
    bool *seen = MEM_NEW(bool, CODES);
    void *start = position_create(j.contestant.game);
    j.contestant.game->start(j.contestant.game, start);
    judge(&j, start, seen, &v);
    print_message("%s: %d positions that are not lost, value kept in %d, lost by the move in %d\n", spec,
                  v.positions, v.kept, v.lost);
    position_free(start);
    mem_free(seen);
    judged_close(&j);
    return v;
}

static void no_position_is_lost_by_the_trained_search(void **state) {
    (void)state;
    judged_train("alphazero_tictactoe", NULL, 0);
    struct verdict search = judge_all("alphazero_tictactoe"),
                   policy = judge_all("policy:alphazero_tictactoe"),
                   before = judge_all("policy:untrained:alphazero_tictactoe");
    assert_int_equal(search.lost, 0);
    assert_int_equal(search.positions, policy.positions);
    assert_true(policy.kept > 0.9 * policy.positions);
    assert_true(before.lost > 500); /* the judge does find losing moves */
}

static void the_player_loses_no_position(void **state) {
    assert_int_equal(judge_all(*state).lost, 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest test[] = {cmocka_unit_test(no_position_is_lost_by_the_trained_search)},
                            asked[] = {cmocka_unit_test_prestate(the_player_loses_no_position, argv[1])};
    return argc > 1 ? cmocka_run_group_tests(asked, NULL, NULL) : cmocka_run_group_tests(test, NULL, NULL);
}
