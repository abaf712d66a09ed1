/* Self-play: the same games whatever the threads, groups and interruptions; records that hold what happened.
 */
#include "doubles.h"
#include "tengen/selfplay.h"

struct setting {
    struct selfplay_config config;
    struct search_config search;
    const struct game *game;
    answer *answer;
    int threads;
};

static struct setting small_setting(const struct game *g) {
    struct setting t = {.game = g, .answer = hash_answer, .threads = 1};
    config_defaults(selfplay_config_keys, &t.config);
    config_defaults(search_config_keys, &t.search);
    t.config.games = 12;
    t.config.group = 4;
    t.config.moves = 10;
    t.config.fast_simulations = 8;
    t.config.random_moves = 4;
    t.config.full_probability = 0.3f;
    t.search.simulations = 24;
    return t;
}

struct player_set {
    struct evaluator *evaluator;
    struct pool *pool;
    struct selfplay *selfplay;
};

static struct player_set open_set(const struct setting *t) {
    struct player_set p;
    p.evaluator = double_create(t->game, t->config.games / t->config.group, 4 * t->config.group, t->answer);
    p.pool = pool_create(t->threads);
    assert_ok(selfplay_create(t->game, &t->config, &t->search, p.evaluator, p.pool, 7, &p.selfplay));
    return p;
}

static void close_set(struct player_set *p) {
    selfplay_free(p->selfplay);
    pool_free(p->pool);
    double_free(p->evaluator);
}

/* A run's finished games, all rounds one after another. */
struct games {
    struct game_record *records;
    int count;
};

static void run_rounds(struct player_set *p, int rounds, struct games *all) {
    for (int i = 0; i < rounds; i++) {
        struct game_record *finished;
        int count;
        selfplay_run(p->selfplay, &finished, &count);
        all->records =
            mem_resize(all->records, (size_t)all->count, (size_t)(all->count + count), sizeof *all->records);
        for (int j = 0; j < count; j++)
            all->records[all->count++] = finished[j];
        mem_free(finished);
    }
}

static void free_games(struct games *all) {
    for (int i = 0; i < all->count; i++)
        game_record_free(&all->records[i]);
    mem_free(all->records);
    *all = (struct games){0};
}

static void assert_same_games(const struct games *a, const struct games *b, int actions) {
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        const struct game_record *x = &a->records[i], *y = &b->records[i];
        assert_int_equal(x->number, y->number);
        assert_int_equal(x->move_count, y->move_count);
        assert_int_equal(x->policy_count, y->policy_count);
        assert_memory_equal(x->actions, y->actions, (size_t)x->move_count * sizeof *x->actions);
        assert_memory_equal(x->learn, y->learn, (size_t)x->move_count);
        assert_memory_equal(x->values, y->values, (size_t)x->move_count * sizeof *x->values);
        if (x->policy_count)
            assert_memory_equal(x->policies, y->policies,
                                (size_t)(x->policy_count * actions) * sizeof *x->policies);
        assert_true(x->result == y->result && x->score == y->score);
        assert_true(x->resigned == y->resigned && x->played_out == y->played_out);
    }
}

static void assert_same_state(const struct selfplay *a, const struct selfplay *b) {
    void *x, *y;
    size_t m, n;
    selfplay_save(a, &x, &m);
    selfplay_save(b, &y, &n);
    assert_int_equal(m, n);
    assert_memory_equal(x, y, m);
    mem_free(x);
    mem_free(y);
}

/* ---- the same games -------------------------------------------------------------------------------------
 */

static void threads_and_groups_do_not_change_the_games(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct setting one = small_setting(g);
    struct player_set p = open_set(&one);
    struct games expected = {0};
    run_rounds(&p, 8, &expected);
    assert_true(expected.count > 12);
    for (int threads = 2; threads <= 4; threads++) {
        struct setting many = one;
        struct games found = {0};
        many.threads = threads;
        many.config.group = threads == 4 ? 2 : 4;
        struct player_set q = open_set(&many);
        run_rounds(&q, 8, &found);
        assert_same_games(&found, &expected, g->actions);
        assert_same_state(q.selfplay, p.selfplay);
        free_games(&found);
        close_set(&q);
    }
    free_games(&expected);
    close_set(&p);
    game_free(g);
}

/* Also with several leaves a tree, and where games are short, resigned and proved. */
static void check_resumption(const char *name, int leaves, float full_probability) {
    struct game *g = small_game(name, 5);
    struct setting t = small_setting(g);
    t.search.leaves = leaves;
    t.config.full_probability = full_probability;
    t.config.resign_threshold = -0.5f;
    struct player_set straight = open_set(&t), first = open_set(&t), second = open_set(&t);
    struct games expected = {0}, found = {0};
    void *data;
    size_t size;
    run_rounds(&straight, 8, &expected);
    run_rounds(&first, 5, &found);
    selfplay_save(first.selfplay, &data, &size);
    assert_ok(selfplay_load(second.selfplay, data, size));
    assert_same_state(first.selfplay, second.selfplay);
    mem_free(data);
    run_rounds(&second, 3, &found);
    assert_true(expected.count > 10);
    assert_same_games(&found, &expected, g->actions);
    assert_same_state(straight.selfplay, second.selfplay);
    assert_true(selfplay_resign_threshold(straight.selfplay) == selfplay_resign_threshold(second.selfplay));
    free_games(&expected);
    free_games(&found);
    close_set(&straight);
    close_set(&first);
    close_set(&second);
    game_free(g);
}

static void a_saved_run_goes_on_as_if_never_interrupted(void **state) {
    (void)state;
    check_resumption("go", 1, 0.3f);
    check_resumption("go", 4, 1);
    check_resumption("connect4", 1, 0.3f);
    check_resumption("tictactoe", 3, 0.5f);
}

/* ---- records --------------------------------------------------------------------------------------------
 */

static void check_policy(const struct game *g, const void *position, const uint16_t *policy) {
    int sum = 0;
    for (int a = 0; a < g->actions; a++) {
        sum += policy[a];
        if (policy[a]) assert_true(g->is_legal(g, position, a));
    }
    assert_in_range(sum, 65535 - g->actions, 65535 + g->actions);
}

static void check_record(const struct game *g, const struct game_record *r) {
    void *p = position_create(g);
    int policies = 0;
    g->start(g, p);
    for (int m = 0; m < r->move_count; m++) {
        assert_true(fabsf(r->values[m]) <= 1);
        if (r->learn[m]) check_policy(g, p, r->policies + policies++ * g->actions);
        assert_true(g->is_legal(g, p, r->actions[m]));
        g->play(g, p, r->actions[m]);
    }
    assert_int_equal(policies, r->policy_count);
    assert_int_equal(g->ended(g, p), !r->resigned);
    assert_true(r->score == g->score(g, p));
    if (r->resigned) {
        assert_false(r->played_out);
        assert_true(r->result == (g->to_play(g, p) == 0 ? -1 : 1)); /* who is to move gave up */
    } else {
        assert_true(r->result == g->result(g, p));
    }
    position_free(p);
}

static void records_hold_what_happened(void **state) {
    (void)state;
    const char *names[] = {"go", "connect4", "tictactoe"};
    for (int i = 0; i < 3; i++) {
        struct game *g = small_game(names[i], 5);
        struct setting t = small_setting(g);
        struct player_set p = open_set(&t);
        struct games all = {0};
        uint64_t moves = 0, last[12];
        for (int slot = 0; slot < 12; slot++)
            last[slot] = UINT64_MAX;
        run_rounds(&p, 10, &all);
        assert_true(all.count > 12);
        for (int k = 0; k < all.count; k++) {
            const struct game_record *r = &all.records[k];
            check_record(g, r);
            moves += (uint64_t)r->move_count;
            /* slot i plays games i, i + 12, i + 24, ... */
            uint64_t slot = r->number % 12, expected = last[slot] == UINT64_MAX ? slot : last[slot] + 12;
            assert_int_equal(r->number, expected);
            last[slot] = r->number;
        }
        const struct selfplay_stats *stats = selfplay_totals(p.selfplay);
        assert_int_equal(stats->games, all.count);
        assert_true(stats->moves >= moves && stats->length_sum == (double)moves);
        free_games(&all);
        close_set(&p);
        game_free(g);
    }
}

static void full_searches_come_as_often_as_asked(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct setting t = small_setting(g);
    t.config.random_moves = 0;
    struct player_set p = open_set(&t);
    struct games all = {0};
    int moves = 0, learnt = 0;
    run_rounds(&p, 25, &all);
    for (int k = 0; k < all.count; k++) {
        moves += all.records[k].move_count;
        learnt += all.records[k].policy_count;
    }
    assert_true(moves > 2000);
    /* Searches that the end of a round leaves to the next are not drawn anew, so that long ones come as
     * often. */
    assert_near((double)learnt / moves, 0.3, 0, 0.03);
    free_games(&all);
    close_set(&p);
    game_free(g);
}

/* Ten to one for the middle column, whatever stands on the board. */
static float middle_answer(const struct game *g, const float *planes, float *logits) {
    (void)planes;
    for (int a = 0; a < g->actions; a++)
        logits[a] = a == 3 ? logf(10) : 0;
    return 0;
}

/* Share of middle columns among opening moves that had all columns to choose from. */
static double share_of_middle(float temperature, int *draws) {
    struct game *g = small_game("connect4", 0);
    struct setting t = small_setting(g);
    t.answer = middle_answer;
    t.search.symmetry = false;
    t.config.random_moves = 1000; /* nearly every game is an opening from its first to its last move */
    t.config.opening_temperature = temperature;
    struct player_set p = open_set(&t);
    struct games all = {0};
    int middle = 0;
    *draws = 0;
    run_rounds(&p, 10, &all);
    for (int k = 0; k < all.count; k++)
        for (int m = 0; m < 6 && m < all.records[k].move_count; m++) {
            middle += all.records[k].actions[m] == 3;
            ++*draws;
        }
    free_games(&all);
    close_set(&p);
    game_free(g);
    return (double)middle / *draws;
}

static void opening_moves_are_drawn_from_the_policy_at_their_temperature(void **state) {
    (void)state;
    static const float temperatures[] = {0.5f, 1, 1000};
    for (int i = 0; i < 3; i++) {
        int draws;
        double weight = pow(10, 1 / (double)temperatures[i]),
               share = share_of_middle(temperatures[i], &draws);
        assert_true(draws > 500);
        assert_near(share, weight / (weight + 6), 0, 0.05);
    }
}

/* ---- resignation ----------------------------------------------------------------------------------------
 */

/* Sure of itself: the player with more stones has as good as won. */
static float sure_answer(const struct game *g, const float *planes, float *logits) {
    float mine = 0, theirs = 0;
    for (int p = 0; p < g->height * g->width; p++) {
        mine += planes[p * g->planes];
        theirs += planes[p * g->planes + 1];
    }
    hash_answer(g, planes, logits);
    return mine > theirs ? 0.99f : mine < theirs ? -0.99f : 0;
}

static void games_are_resigned_once_enough_were_played_out(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct setting t = small_setting(g);
    t.answer = sure_answer;
    t.config.resign_threshold = -0.8f;
    t.config.resign_false_positives = 1;
    t.config.resign_disabled = 0.2f;
    struct player_set p = open_set(&t);
    struct games all = {0};
    assert_true(selfplay_resign_threshold(p.selfplay) == -1);
    run_rounds(&p, 2, &all);
    for (int k = 0; k < all.count; k++)
        assert_true(all.records[k].played_out && !all.records[k].resigned);
    run_rounds(&p, 30, &all);
    assert_true(selfplay_resign_threshold(p.selfplay) == -0.8f);
    const struct selfplay_stats *stats = selfplay_totals(p.selfplay);
    assert_true(stats->resigned > 20);
    assert_true(stats->would_resign > 0 && stats->false_positives <= stats->would_resign);
    assert_true(stats->resigned + stats->played_out <= stats->games);
    for (int k = 0; k < all.count; k++)
        check_record(g, &all.records[k]);
    free_games(&all);
    close_set(&p);
    game_free(g);
}

/* ---- errors ---------------------------------------------------------------------------------------------
 */

static void settings_that_do_not_fit_are_refused(void **state) {
    (void)state;
    struct game *g = small_game("tictactoe", 3);
    struct setting t = small_setting(g);
    struct evaluator *e = evaluator_uniform(g, 2, 4);
    struct selfplay *s;
    t.config.group = 5;
    assert_fails(selfplay_create(g, &t.config, &t.search, e, NULL, 1, &s), STATUS_USAGE,
                 "must divide games = 12");
    t.config.group = 4;
    assert_fails(selfplay_create(g, &t.config, &t.search, e, NULL, 1, &s), STATUS_USAGE, "3 groups");
    t.config.group = 6;
    assert_fails(selfplay_create(g, &t.config, &t.search, e, NULL, 1, &s), STATUS_USAGE, "groups of 6 games");
    evaluator_free_uniform(e);
    game_free(g);
}

static void foreign_bytes_are_refused_and_leave_it_as_new(void **state) {
    (void)state;
    struct game *g = small_game("go", 5), *other_game = small_game("tictactoe", 3);
    struct setting t = small_setting(g), foreign = small_setting(other_game), fewer = t;
    fewer.config.games = 8;
    struct player_set p = open_set(&t), fresh = open_set(&t), q = open_set(&foreign), r = open_set(&fewer);
    struct games all = {0};
    uint8_t *data;
    size_t size;
    run_rounds(&p, 3, &all);
    selfplay_save(p.selfplay, (void **)&data, &size);
    assert_fails(selfplay_load(q.selfplay, data, size), STATUS_FORMAT, "of go 5x5");
    assert_fails(selfplay_load(r.selfplay, data, size), STATUS_FORMAT, "of 12 games at once");
    assert_fails(selfplay_load(fresh.selfplay, "what is this?", 13), STATUS_FORMAT, "something else");
    /* Cut off anywhere, with a piece too many, or with any byte of a sample changed: refused or harmless. */
    for (size_t cut = 0; cut < size; cut += 97)
        assert_int_equal(selfplay_load(fresh.selfplay, data, cut), STATUS_FORMAT);
    assert_int_equal(selfplay_load(fresh.selfplay, data, size - 1), STATUS_FORMAT);
    struct player_set unused = open_set(&t);
    assert_same_state(fresh.selfplay, unused.selfplay);
    uint8_t *longer = mem_alloc(size + 1, 1);
    memcpy(longer, data, size);
    assert_fails(selfplay_load(fresh.selfplay, longer, size + 1), STATUS_FORMAT, "too many");
    for (size_t i = 0; i < size; i += 31) {
        longer[i] ^= 0x55;
        enum status s = selfplay_load(fresh.selfplay, longer, size);
        assert_true(s == STATUS_OK || s == STATUS_FORMAT);
        longer[i] ^= 0x55;
    }
    mem_free(longer);
    mem_free(data);
    free_games(&all);
    close_set(&p), close_set(&fresh), close_set(&q), close_set(&r), close_set(&unused);
    game_free(g);
    game_free(other_game);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_groups_do_not_change_the_games),
        cmocka_unit_test(a_saved_run_goes_on_as_if_never_interrupted),
        cmocka_unit_test(records_hold_what_happened),
        cmocka_unit_test(full_searches_come_as_often_as_asked),
        cmocka_unit_test(opening_moves_are_drawn_from_the_policy_at_their_temperature),
        cmocka_unit_test(games_are_resigned_once_enough_were_played_out),
        cmocka_unit_test(settings_that_do_not_fit_are_refused),
        cmocka_unit_test(foreign_bytes_are_refused_and_leave_it_as_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
