/* Games of the Atari 2600, which the Arcade Learning Environment plays in worker processes (it is GPL, and
 * stays there). A worker plays a step's frames, one action each, and hands over the last two screens; all
 * else is here: which action a frame gets (sticky actions), no-op starts, FIRE, lives, limits, clipping, and
 * what is seen.
 *
 * The sequence of a reset, a command to the worker each:
 *
 *     a new game, no-ops  ->  [FIRE  ->  the action after it]  ->  play
 *
 * After a lost life that ended the learner's episode only, the game goes on with a step of no action, if the
 * preset has one, then from FIRE, if it is pressed, or at once. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "env/atari_screen.h"
#include "env/workers.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

enum { FIRE = 1, STACK = 4 };

struct rules {
    const char *name;
    bool life_loss, fire, clip;
    bool episodic; /* life_loss as EpisodicLifeEnv has it: the last life ends nothing before the game is over,
                      and a step of no action follows the others */
    enum screen_maximum maximum;
    float sticky;
    int frame_skip, noops, max_frames;
};

static const struct rules presets[] = {
    /* Mnih et al. 2015. */
    {.name = "nature", .life_loss = true, .clip = true, .maximum = SCREEN_COLOUR},
    /* ALE/...-v5 and AtariPreprocessing. */
    {.name = "gymnasium", .sticky = 0.25f, .maximum = SCREEN_LUMINANCE},
    /* ...NoFrameskip-v4 and AtariWrapper. */
    {.name = "sb3",
     .life_loss = true,
     .fire = true,
     .clip = true,
     .episodic = true,
     .maximum = SCREEN_COLOUR},
};

enum stage { STAGE_RESET, STAGE_IDLE, STAGE_FIRE, STAGE_MOVE, STAGE_PLAY };

struct game {
    enum stage stage; /* whose command is out or was the last; STAGE_PLAY: in play */
    int32_t lives, frames;
    int32_t action; /* of the last frame */
    float owed;     /* scored while FIRE was pressed; the next step's */
    bool fire;      /* press it next, whatever is chosen */
};

struct atari {
    struct workers workers; /* first: workers_batch_save */
    struct rules rules;
    struct screen screen;
    struct game *games; /* [N] */
    uint8_t *stacks;    /* [N, 84, 84, 4] */
};

/* ---- opening ---------------------------------------------------------------------------------------------
 */

static bool choose(const char *setting, bool preset) {
    return strcmp(setting, "preset") == 0 ? preset : strcmp(setting, "yes") == 0;
}

static struct rules read_rules(const struct env_config *c, enum rng_purpose purpose) {
    const struct rules *p = presets;
    while (strcmp(p->name, c->preset) != 0)
        p++;
    struct rules r = *p;
    r.life_loss = choose(c->life_loss, p->life_loss) && purpose != RNG_EVAL;
    r.clip = choose(c->clip, p->clip) && purpose != RNG_EVAL;
    r.fire = choose(c->fire, p->fire);
    if (strcmp(c->maximum, "preset") != 0)
        r.maximum = strcmp(c->maximum, "colour") == 0 ? SCREEN_COLOUR : SCREEN_LUMINANCE;
    if (c->sticky >= 0) r.sticky = c->sticky;
    r.frame_skip = c->frame_skip;
    r.noops = c->noops;
    r.max_frames = c->max_frames;
    return r;
}

/* Small letters and digits of what people call a game: "pong" of pong, Pong, ALE/Pong-v5, PongNoFrameskip-v4.
 */
static void game_key(const char *name, char *key, size_t size) {
    static const char *const endings[] = {"noframeskip", "deterministic"};
    const char *slash = strrchr(name, '/'), *from = slash ? slash + 1 : name;
    const char *version = strrchr(from, '-'), *end = version ? version : from + strlen(from);
    size_t n = 0;
    for (; from < end && n + 1 < size; from++)
        if (isalnum((unsigned char)*from)) key[n++] = (char)tolower((unsigned char)*from);
    key[n] = 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (n > length && strcmp(key + n - length, endings[i]) == 0) key[n -= length] = 0;
    }
}

static void set_scores(struct env_spec *spec, const char *key) {
    static const struct {
        const char *name;
        float random, human;
    } games[] = {
#define GAME(name, random, human) {#name, random, human},
#include "env/atari_games.def"
#undef GAME
    };
    for (size_t i = 0; i < sizeof games / sizeof *games; i++) {
        char known[ENV_NAME];
        game_key(games[i].name, known, sizeof known);
        if (strcmp(known, key) != 0) continue;
        spec->random_return = games[i].random;
        spec->human_return = games[i].human;
    }
}

static void set_spec(struct env_spec *spec, const struct atari *self) {
    spec->summary = "a game of the Atari 2600 (Arcade Learning Environment)";
    spec->h = spec->w = SCREEN_SIZE;
    spec->c = spec->frames = STACK;
    spec->pixels = true;
    spec->kind = ENV_DISCRETE;
    spec->components = 1;
    spec->choices[0] = self->workers.spec.choices[0];
    spec->max_steps = self->rules.max_frames / self->rules.frame_skip;
    spec->solved = NAN;
}

static enum status check_screens(const struct worker_spec *s, const char *name) {
    if (s->h > SCREEN_SIZE && s->h < 3 * SCREEN_SIZE && s->w == SCREEN_WIDTH) return STATUS_OK;
    return status_fail(STATUS_PEER, "%s: screens of %d x %d, not of an Atari 2600", name, s->h, s->w);
}

static enum status atari_open(struct env_batch *b, const struct env_config *config, uint64_t seed,
                              enum rng_purpose purpose, uint64_t first_index) {
    struct atari *self = b->self = MEM_NEW(struct atari, 1);
    struct env_config worker = *config;
    char key[ENV_NAME];
    game_key(strchr(config->name, ':') + 1, key, sizeof key);
    snprintf(worker.name, sizeof worker.name, "atari:%s", key);
    self->rules = read_rules(config, purpose);
    self->games = MEM_NEW(struct game, b->count);
    self->stacks = MEM_NEW(uint8_t, (size_t)b->count * STACK * SCREEN_PIXELS);
    b->scores = MEM_NEW(float, b->count);
    b->ended = MEM_NEW(uint8_t, b->count);
    TRY(workers_open(&self->workers, &worker, b->count, seed, purpose, first_index));
    const struct worker_spec *s = &self->workers.spec;
    TRY(check_screens(s, b->spec.name));
    screen_init(&self->screen, s->h, s->grey ? SCREEN_GREY : self->rules.maximum);
    self->rules.fire &= s->fire;
    set_spec(&b->spec, self);
    set_scores(&b->spec, key);
    return STATUS_OK;
}

static void atari_close(struct env_batch *b) {
    struct atari *self = b->self;
    if (!self) return;
    workers_close(&self->workers);
    mem_free(self->games);
    mem_free(self->stacks);
    mem_free(b->scores);
    mem_free(b->ended);
    mem_free(self);
}

/* ---- frames ----------------------------------------------------------------------------------------------
 */

/* Sends `action` for the frames of a step; each may repeat the frame before instead (Machado et al. 2018). */
static void play(struct atari *self, int i, int32_t action) {
    const struct rules *r = &self->rules;
    struct worker_slot *slot = workers_slot(&self->workers, i);
    struct game *game = &self->games[i];
    for (int k = 0; k < r->frame_skip; k++) {
        bool stuck = r->sticky > 0 && rng_uniform(&self->workers.rngs[i]) < r->sticky;
        if (!stuck) game->action = action;
        slot->actions.discrete[k] = game->action;
    }
    slot->frames = r->frame_skip;
    workers_command(&self->workers, i, WORKER_STEP);
}

static uint8_t *stack_of(const struct atari *self, int i) {
    return self->stacks + (size_t)i * STACK * SCREEN_PIXELS;
}

/* The last two screens join the stack, or, at an episode's beginning, are all of it. */
static void see(struct atari *self, int i, bool begins) {
    PHASE("preprocess");
    const uint8_t *screens = workers_slot(&self->workers, i)->observation;
    uint8_t picture[SCREEN_PIXELS];
    screen_shrink(picture, screens, screens + self->screen.height * SCREEN_WIDTH, &self->screen);
    if (begins)
        screen_fill(stack_of(self, i), picture);
    else
        screen_push(stack_of(self, i), picture);
}

/* ---- resets ----------------------------------------------------------------------------------------------
 */

static void begin_stage(struct atari *self, int i, enum stage stage) {
    const struct rules *r = &self->rules;
    struct game *game = &self->games[i];
    game->stage = stage;
    if (stage == STAGE_IDLE) play(self, i, 0);
    if (stage == STAGE_FIRE) play(self, i, FIRE);
    if (stage == STAGE_MOVE) play(self, i, FIRE + 1);
    if (stage != STAGE_RESET) return;
    *game = (struct game){.stage = stage};
    workers_slot(&self->workers, i)->frames =
        r->noops ? 1 + (int32_t)rng_below(&self->workers.rngs[i], (uint32_t)r->noops) : 0;
    workers_command(&self->workers, i, WORKER_RESET);
}

/* What follows a stage that has been. */
static enum stage next_stage(const struct atari *self, enum stage stage) {
    if (!self->rules.fire) return STAGE_PLAY;
    return stage < STAGE_FIRE ? STAGE_FIRE : stage + 1;
}

/* What follows a lost life. */
static enum stage first_stage(const struct atari *self) {
    return self->rules.episodic ? STAGE_IDLE : next_stage(self, STAGE_RESET);
}

/* The stage's command has been done; `whole`: of a new game, which may not end before it is played. */
static void end_stage(struct atari *self, int i, bool lost, bool whole) {
    const struct worker_slot *slot = workers_slot(&self->workers, i);
    struct game *game = &self->games[i];
    if (whole && (lost || slot->terminated)) {
        begin_stage(self, i, STAGE_RESET);
        return;
    }
    if (!lost) {
        game->frames += slot->frames;
        game->lives = slot->lives;
        game->owed += game->stage == STAGE_RESET ? 0 : slot->reward;
    }
    begin_stage(self, i, next_stage(self, game->stage));
    if (game->stage == STAGE_PLAY) see(self, i, true);
}

static enum status atari_reset(struct env_batch *b, const uint8_t *mask) {
    struct atari *self = b->self;
    for (int i = 0; i < b->count; i++) {
        if (mask && !mask[i]) continue;
        bool whole = !mask || b->ended[i];
        begin_stage(self, i, whole ? STAGE_RESET : first_stage(self));
        if (self->games[i].stage == STAGE_PLAY) see(self, i, true);
    }
    for (;;) {
        int i;
        bool lost;
        workers_start(&self->workers);
        TRY(workers_next(&self->workers, &i, &lost));
        if (i < 0) return STATUS_OK;
        end_stage(self, i, lost, !mask || b->ended[i]);
    }
}

/* ---- steps -----------------------------------------------------------------------------------------------
 */

static void atari_observe(struct env_batch *b, void *observations) {
    struct atari *self = b->self;
    memcpy(observations, self->stacks, (size_t)b->count * STACK * SCREEN_PIXELS);
}

static enum status atari_send(struct env_batch *b, const void *actions) {
    struct atari *self = b->self;
    for (int i = 0; i < b->count; i++) {
        play(self, i, self->games[i].fire ? FIRE : ((const int32_t *)actions)[i]);
        self->games[i].fire = false;
    }
    workers_start(&self->workers);
    return STATUS_OK;
}

static float sign(float x) {
    return (float)((x > 0) - (x < 0));
}

static void end_step(struct env_batch *b, int i, bool lost) {
    struct atari *self = b->self;
    const struct rules *r = &self->rules;
    const struct worker_slot *slot = workers_slot(&self->workers, i);
    struct game *game = &self->games[i];
    b->lost[i] = lost;
    if (lost) {
        b->rewards[i] = b->scores[i] = 0;
        b->terminated[i] = 0;
        b->truncated[i] = b->ended[i] = 1;
        return;
    }
    bool over = slot->terminated, life_lost = slot->lives < game->lives && (slot->lives > 0 || !r->episodic);
    game->lives = slot->lives;
    game->frames += slot->frames;
    game->fire = r->fire && !r->life_loss && life_lost;
    b->rewards[i] = r->clip ? sign(slot->reward) : slot->reward;
    b->scores[i] = slot->reward + game->owed;
    game->owed = 0;
    b->terminated[i] = over || (r->life_loss && life_lost);
    b->truncated[i] = !over && game->frames >= r->max_frames;
    b->ended[i] = over || b->truncated[i];
    see(self, i, false);
}

static enum status atari_receive(struct env_batch *b) {
    struct atari *self = b->self;
    ENSURE(self->workers.outstanding, "a step of %s is received that was not sent", b->spec.name);
    for (;;) {
        int i;
        bool lost;
        TRY(workers_next(&self->workers, &i, &lost));
        if (i < 0) return STATUS_OK;
        end_step(b, i, lost);
    }
}

const struct env_provider env_provider_atari = {
    .settings = "sticky preset life_loss fire clip maximum frame_skip noops max_frames "
                "all_actions " WORKERS_SETTINGS,
    .open = atari_open,
    .close = atari_close,
    .reset = atari_reset,
    .observe = atari_observe,
    .send = atari_send,
    .receive = atari_receive,
    .restarts = workers_batch_restarts,
    .save = workers_batch_save,
    .load = workers_batch_load,
};
