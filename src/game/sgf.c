/* Collections of SGF games, file by file and game by game; replaying them under the rules. */
#include "tengen/sgf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "sgf_parse.h"
#include "tengen/file.h"
#include "tengen/go.h"
#include "tengen/log.h"
#include "tengen/mem.h"

struct sgf_reader {
    char **paths;
    int path_count, next_path;
    char *text; /* of the file being read; NULL: none */
    const char *at, *end;
    const char *counted; /* lines are counted up to here */
    long line, games;    /* of this file */
    struct sgf_builder builder;
    const char *start; /* of the game last read */
    char reason[1400];
    size_t why; /* where in it the reason begins, behind file, number and line */
};

/* ---- files ------------------------------------------------------------------------------------------------
 */

static bool is_sgf(const char *name) {
    size_t length = strlen(name);
    return (length > 4 && strcasecmp(name + length - 4, ".sgf") == 0) ||
           (length > 7 && strcasecmp(name + length - 7, ".sgf.gz") == 0);
}

/* The game records of a folder and of those in it, by name. Links to folders are not followed: they may lead
 * round. */
static enum status add_folder(struct sgf_reader *r, const char *folder) {
    char **names;
    int count;
    TRY(file_list(folder, "", &names, &count));
    for (int i = 0; i < count; i++) {
        char *path = mem_format("%s/%s", folder, names[i]);
        struct stat about;
        if (lstat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
            if (add_folder(r, path) != STATUS_OK) log_warn("left out: %s", status_text());
        } else if (is_sgf(names[i])) {
            r->paths =
                mem_resize(r->paths, (size_t)r->path_count, (size_t)r->path_count + 1, sizeof *r->paths);
            r->paths[r->path_count++] = mem_string(path);
        }
        mem_free(path);
    }
    file_list_free(names, count);
    return STATUS_OK;
}

static enum status list_folder(struct sgf_reader *r, const char *folder) {
    TRY(add_folder(r, folder));
    if (r->path_count > 0) return STATUS_OK;
    return status_fail(STATUS_IO, "%s: holds no file *.sgf or *.sgf.gz", folder);
}

static enum status open_next_file(struct sgf_reader *r) {
    size_t size;
    mem_free(r->text);
    r->text = NULL;
    const char *path = r->paths[r->next_path++];
    TRY(file_read(path, &r->text, &size));
    r->at = r->counted = r->text;
    r->end = r->text + size;
    r->line = 1;
    r->games = 0;
    unsigned char *first = (unsigned char *)r->text;
    if (size >= 2 && ((first[0] == 0xFF && first[1] == 0xFE) || (first[0] == 0xFE && first[1] == 0xFF))) {
        mem_free(r->text);
        r->text = NULL;
        return status_fail(STATUS_FORMAT, "%s: is UTF-16; convert it to UTF-8 first", path);
    }
    return STATUS_OK;
}

enum status sgf_open(const char *path, struct sgf_reader **out) {
    struct sgf_reader *r = MEM_NEW(struct sgf_reader, 1);
    enum status s;
    if (file_is_folder(path)) {
        s = list_folder(r, path);
    } else {
        r->paths = MEM_NEW(char *, 1);
        r->paths[r->path_count++] = mem_string(path);
        s = open_next_file(r); /* so that a missing file is known at once */
    }
    if (s == STATUS_OK)
        *out = r;
    else
        sgf_close(r);
    return s;
}

void sgf_close(struct sgf_reader *r) {
    if (!r) return;
    for (int i = 0; i < r->path_count; i++)
        mem_free(r->paths[i]);
    mem_free(r->paths);
    mem_free(r->text);
    sgf_builder_free(&r->builder);
    mem_free(r);
}

/* ---- games ------------------------------------------------------------------------------------------------
 */

static long line_at(struct sgf_reader *r, const char *at) {
    for (; r->counted < at; r->counted++)
        r->line += *r->counted == '\n';
    return r->line;
}

/* The next game at or behind `at`, or the end. After a broken one (`strict`) brackets cannot be trusted: then
 * only a line's beginning that looks like the root of a game will do. */
static const char *find_game(const char *text, const char *at, const char *end, bool strict) {
    for (;; at++) {
        at = at < end ? memchr(at, '(', (size_t)(end - at)) : NULL;
        if (!at) return end;
        if (!sgf_game_begins(at, end, strict)) continue;
        const char *before = at;
        while (strict && before > text && (before[-1] == ' ' || before[-1] == '\t'))
            before--;
        if (!strict || before == text || before[-1] == '\n' || before[-1] == '\r') return at;
    }
}

/* "FILE: PLACE WHY"; a long path is cut, never the rest. */
static void set_reason(struct sgf_reader *r, const char *place, const char *why) {
    snprintf(r->reason, sizeof r->reason, "%.900s: %s", r->paths[r->next_path - 1], place);
    r->why = strlen(r->reason);
    snprintf(r->reason + r->why, sizeof r->reason - r->why, "%s", why);
}

/* Moves to the next file when the current one has no more games; -1: a file without any, 0: no more files, 1:
 * go on. */
static int finish_file(struct sgf_reader *r) {
    if (r->text && r->games == 0) {
        set_reason(r, "", "no game found (\"(;\")");
        r->games = -1;
        return -1;
    }
    if (r->next_path == r->path_count) return 0;
    if (open_next_file(r) == STATUS_OK) return 1;
    const char *text = status_text(), *path = r->paths[r->next_path - 1];
    size_t length = strlen(path);
    bool named = strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0;
    set_reason(r, "", named ? text + length + 2 : text);
    return -1;
}

int sgf_next(struct sgf_reader *r, const struct sgf_game **game) {
    while (!r->text || (r->at = find_game(r->text, r->at, r->end, false)) == r->end) {
        int next = finish_file(r);
        if (next < 1) return next;
    }
    const char *start = r->start = r->at;
    r->games++;
    enum sgf_verdict verdict = sgf_parse_game(&r->at, r->end, &r->builder);
    if (verdict == SGF_GOOD) {
        *game = &r->builder.game;
        return 1;
    }
    if (verdict == SGF_BROKEN) r->at = find_game(r->text, start + 1, r->end, true);
    char place[64];
    snprintf(place, sizeof place, "game %ld (line %ld): ", r->games, line_at(r, start));
    set_reason(r, place, r->builder.reason);
    return -1;
}

const char *sgf_where(struct sgf_reader *r) {
    snprintf(r->reason, sizeof r->reason, "%s: game %ld (line %ld)", r->paths[r->next_path - 1], r->games,
             line_at(r, r->start));
    return r->reason;
}

const char *sgf_skip_reason(const struct sgf_reader *r) {
    return r->reason;
}

const char *sgf_skip_why(const struct sgf_reader *r) {
    return r->reason + r->why;
}

/* ---- replay -----------------------------------------------------------------------------------------------
 */

/* Why a move that the rules refuse is refused. */
static const char *why_illegal(const struct game *g, const void *position, int action) {
    if (g->ended(g, position)) return "the game has ended";
    if (action == g->actions - 1) return "a pass is not possible";
    if (go_at(g, position, action) != GO_EMPTY) return "the point is taken";
    return "it repeats a position (ko) or is suicide";
}

static enum status replay_setup(const struct game *g, const struct sgf_game *game, void *position) {
    uint8_t board[GAME_ACTIONS_MAX] = {0};
    for (int i = 0; i < game->setup_count; i++)
        board[game->setup[i].point] = game->setup[i].stone;
    if (go_setup(g, position, board, game->first_player)) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "the setup has stones without liberties");
}

enum status sgf_replay(const struct game *g, const struct sgf_game *game, void *position) {
    if (strcmp(g->name, "go") != 0 || g->width != game->size)
        return status_fail(STATUS_FORMAT, "the game is Go on %dx%d, not %s on %dx%d", game->size, game->size,
                           g->name, g->width, g->height);
    g->start(g, position);
    if (game->setup_count > 0 || game->first_player != 0) TRY(replay_setup(g, game, position));
    for (int i = 0; i < game->move_count; i++) {
        int action = game->moves[i].action, player = game->moves[i].player;
        const char *why = NULL;
        if (player != g->to_play(g, position) && !g->ended(g, position))
            why = "it is the other player's turn";
        else if (!g->is_legal(g, position, action))
            why = why_illegal(g, position, action);
        if (!why) {
            g->play(g, position, action);
            continue;
        }
        char text[16];
        g->action_text(g, action, text, sizeof text);
        return status_fail(STATUS_FORMAT, "move %d, %s %s: %s", i + 1, player ? "white" : "black", text, why);
    }
    return STATUS_OK;
}
