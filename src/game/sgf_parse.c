/* SGF as it is found. The grammar is FF[4]'s; beyond it are read: long property names of FF[1] to FF[3], of
 * which only the capitals count ("AddBlack" is AB), names in small letters, "tt" as a pass on boards up to
 * 19x19, two moves in one node, a missing end. Of variations the first is followed: the main line is
 * everything before the first ')'. */
#include "sgf_parse.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tengen/go.h"
#include "tengen/mem.h"

/* Until the board's size is known, a point is kept as column + 32 * row; a pass is: */
enum { RAW_PASS = -1, RAW_TT = 19 + 32 * 19, PROPERTY_NAME = 8 };

/* A property value between its brackets, escapes still in it. */
struct slice {
    const char *at, *end;
};

struct property {
    char name[PROPERTY_NAME];
    struct slice *values;
    int count;
};

/* ---- building ---------------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 2, 3))) static enum sgf_verdict unusable(struct sgf_builder *b,
                                                                       const char *format, ...) {
    if (b->reason[0]) return SGF_UNUSABLE; /* the first reason stands */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(b->reason, sizeof b->reason, format, arguments);
    va_end(arguments);
    return SGF_UNUSABLE;
}

/* The text of a value: escapes resolved, white space as blanks, cut to size between UTF-8 characters. */
static void copy_text(struct slice v, char *text, size_t size) {
    size_t used = 0;
    for (const char *c = v.at; c < v.end && used + 1 < size; c++) {
        if (*c == '\\' && c + 1 < v.end) {
            c++;
            if (*c == '\r' && c + 1 < v.end && c[1] == '\n') c++;
            if (*c == '\n' || *c == '\r') continue; /* an escaped line end is none */
        }
        text[used++] = isspace((unsigned char)*c) || !*c ? ' ' : *c;
    }
    if (used + 1 == size) { /* perhaps cut: drop the beginning of a character that is not whole */
        size_t start = used;
        while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
            start--;
        unsigned char lead = start > 0 ? (unsigned char)text[start - 1] : 0;
        size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
        if (start > 0 && start - 1 + length > used) used = start - 1;
    }
    while (used > 0 && text[used - 1] == ' ')
        used--;
    text[used] = 0;
}

static bool raw_point(struct slice v, int *raw) {
    if (v.end - v.at != 2) return false;
    int column = tolower((unsigned char)v.at[0]) - 'a', row = tolower((unsigned char)v.at[1]) - 'a';
    *raw = column + 32 * row;
    return column >= 0 && column < 26 && row >= 0 && row < 26;
}

static struct slice trimmed(struct slice v) {
    while (v.at < v.end && isspace((unsigned char)*v.at))
        v.at++;
    while (v.at < v.end && isspace((unsigned char)v.end[-1]))
        v.end--;
    return v;
}

static enum sgf_verdict add_move(struct sgf_builder *b, const struct property *p, int player) {
    struct sgf_game *g = &b->game;
    if (p->count == 0) return unusable(b, "move %d has no value", g->move_count + 1);
    struct slice v = trimmed(p->values[0]);
    int raw = RAW_PASS;
    if (v.at < v.end && !raw_point(v, &raw)) {
        unusable(b, "move %d: [%.*s] is no point", g->move_count + 1,
                 (int)(v.end - v.at < 20 ? v.end - v.at : 20), v.at);
        /* Brackets in a point: a ']' is missing, and what followed was read as part of the value. */
        return memchr(v.at, '[', (size_t)(v.end - v.at)) ? SGF_BROKEN : SGF_UNUSABLE;
    }
    if (g->move_count == b->move_room) {
        int room = b->move_room ? 2 * b->move_room : 512;
        g->moves = mem_resize(g->moves, (size_t)b->move_room, (size_t)room, sizeof *g->moves);
        b->move_room = room;
    }
    g->moves[g->move_count].action = (int16_t)raw;
    g->moves[g->move_count++].player = (uint8_t)player;
    return SGF_GOOD;
}

static void add_stone(struct sgf_builder *b, int raw, enum go_stone stone) {
    struct sgf_game *g = &b->game;
    if (g->setup_count == b->setup_room) {
        int room = b->setup_room ? 2 * b->setup_room : 64;
        g->setup = mem_resize(g->setup, (size_t)b->setup_room, (size_t)room, sizeof *g->setup);
        b->setup_room = room;
    }
    g->setup[g->setup_count].point = (int16_t)raw;
    g->setup[g->setup_count++].stone = (uint8_t)stone;
}

/* AB, AW, AE: points and rectangles "aa:cc". */
static enum sgf_verdict add_setup(struct sgf_builder *b, const struct property *p, enum go_stone stone) {
    if (b->game.move_count > 0) return unusable(b, "stones are set up after move %d", b->game.move_count);
    for (int i = 0; i < p->count; i++) {
        struct slice v = trimmed(p->values[i]);
        if (v.at == v.end) continue; /* "AB[]": none */
        const char *colon = memchr(v.at, ':', (size_t)(v.end - v.at));
        struct slice from = {v.at, colon ? colon : v.end}, to = {colon ? colon + 1 : v.at, v.end};
        int a, z;
        if (!raw_point(from, &a) || !raw_point(to, &z))
            return unusable(b, "%s[%.*s] is no point", p->name, (int)(v.end - v.at < 20 ? v.end - v.at : 20),
                            v.at);
        for (int row = a / 32; row <= z / 32; row++)
            for (int column = a % 32; column <= z % 32; column++)
                add_stone(b, column + 32 * row, stone);
    }
    return SGF_GOOD;
}

/* ---- properties -------------------------------------------------------------------------------------------
 */

static int winner_of(const char *result) {
    char first = (char)toupper((unsigned char)result[0]);
    bool named = strncasecmp(result, "black", 5) == 0 || strncasecmp(result, "white", 5) == 0;
    if ((result[0] && result[1] == '+') || named) return first == 'B' ? 0 : first == 'W' ? 1 : -1;
    if (strcmp(result, "0") == 0 || strcasecmp(result, "draw") == 0 || strcasecmp(result, "jigo") == 0)
        return 2;
    return -1;
}

static enum sgf_verdict set_size(struct sgf_builder *b, const char *text) {
    int columns = 0, rows = 0;
    int got = sscanf(text, "%d:%d", &columns, &rows);
    if (got < 1) return unusable(b, "SZ[%.20s] is no size", text);
    b->columns = columns;
    b->rows = got == 2 ? rows : columns;
    return SGF_GOOD;
}

static void set_komi(struct sgf_game *g, char *text) {
    char *comma = strchr(text, ','), *end;
    if (comma) *comma = '.'; /* as some countries write it */
    float komi = strtof(text, &end);
    if (end == text || !(komi >= -1000 && komi <= 1000)) return;
    g->komi = komi;
    g->has_komi = true;
}

/* Properties of one value, as text. */
static enum sgf_verdict apply_text(struct sgf_builder *b, const char *name, struct slice v) {
    struct sgf_game *g = &b->game;
    char text[64];
    copy_text(v, text, sizeof text);
    if (strcmp(name, "PB") == 0) {
        copy_text(v, g->black, sizeof g->black);
    } else if (strcmp(name, "PW") == 0) {
        copy_text(v, g->white, sizeof g->white);
    } else if (strcmp(name, "RU") == 0) {
        copy_text(v, g->rules, sizeof g->rules);
    } else if (strcmp(name, "DT") == 0) {
        copy_text(v, g->date, sizeof g->date);
    } else if (strcmp(name, "RE") == 0) {
        copy_text(v, g->result, sizeof g->result);
        g->winner = winner_of(g->result);
    } else if (strcmp(name, "KM") == 0) {
        set_komi(g, text);
    } else if (strcmp(name, "HA") == 0) {
        g->handicap = atoi(text);
    } else if (strcmp(name, "SZ") == 0) {
        return set_size(b, text);
    } else if (strcmp(name, "GM") == 0) {
        if (text[0] && atoi(text) != 1) return unusable(b, "GM[%.10s] is not the game of Go", text);
    } else if (strcmp(name, "PL") == 0 && g->move_count == 0) {
        int letter = toupper((unsigned char)text[0]);
        if (letter == 'B' || letter == '1') b->first_player = 0;
        if (letter == 'W' || letter == '2') b->first_player = 1;
    } else if (strcmp(name, "CA") == 0) {
        b->wide = strncasecmp(text, "gbk", 3) == 0 || strncasecmp(text, "gb18030", 7) == 0 ||
                  strncasecmp(text, "big5", 4) == 0 || strncasecmp(text, "cp936", 5) == 0 ||
                  strncasecmp(text, "cp949", 5) == 0 || strncasecmp(text, "sjis", 4) == 0 ||
                  strncasecmp(text, "shift", 5) == 0;
    }
    return SGF_GOOD;
}

static enum sgf_verdict apply(struct sgf_builder *b, const struct property *p) {
    if (strcmp(p->name, "B") == 0) return add_move(b, p, 0);
    if (strcmp(p->name, "W") == 0) return add_move(b, p, 1);
    if (strcmp(p->name, "AB") == 0) return add_setup(b, p, GO_BLACK);
    if (strcmp(p->name, "AW") == 0) return add_setup(b, p, GO_WHITE);
    if (strcmp(p->name, "AE") == 0) return add_setup(b, p, GO_EMPTY);
    return p->count > 0 && p->name[1] ? apply_text(b, p->name, p->values[0]) : SGF_GOOD;
}

/* ---- text -------------------------------------------------------------------------------------------------
 */

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (isspace((unsigned char)*at) || !*at))
        at++;
    return at;
}

/* `*at` stands on '['; it is moved behind the ']'. False: the text ends before that. */
static bool read_value(const char **at, const char *end, bool wide, struct slice *value) {
    const char *c = *at + 1;
    value->at = c;
    for (; c < end && *c != ']'; c++) {
        if (*c == '\\' || (wide && (unsigned char)*c > 0x80)) c++;
        if (c >= end) break;
    }
    if (c >= end) return false;
    value->end = c;
    *at = c + 1;
    return true;
}

/* The capitals of a name, or all its letters where it has none. */
static const char *read_name(const char *at, const char *end, char name[PROPERTY_NAME]) {
    const char *start = at;
    int capitals = 0, used = 0;
    for (; at < end && isalnum((unsigned char)*at); at++)
        capitals += isupper((unsigned char)*at) != 0;
    for (const char *c = start; c < at && used + 1 < PROPERTY_NAME; c++)
        if (!capitals || !islower((unsigned char)*c)) name[used++] = (char)toupper((unsigned char)*c);
    name[used] = 0;
    return at;
}

bool sgf_game_begins(const char *at, const char *end, bool root) {
    static const char *const roots[] = {"GM", "FF", "SZ", "KM", "PB", "PW", "EV",
                                        "GN", "DT", "RU", "AP", "CA", "RE"};
    if (at >= end || *at != '(') return false;
    at = skip_space(at + 1, end);
    if (at >= end || *at != ';') return false;
    if (!root) return true;
    char name[PROPERTY_NAME];
    read_name(skip_space(at + 1, end), end, name);
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (strcmp(name, roots[i]) == 0) return true;
    return false;
}

/* Where a parse stands. */
struct cursor {
    const char *at, *end;
    struct slice *values; /* of the property being read */
    int room;
};

/* Reads a property at the cursor and applies it. */
static enum sgf_verdict read_property(struct cursor *c, struct sgf_builder *b) {
    struct property p = {.count = 0};
    c->at = read_name(c->at, c->end, p.name);
    for (;;) {
        const char *next = skip_space(c->at, c->end);
        if (next >= c->end || *next != '[') break;
        c->at = next;
        if (p.count == c->room) {
            c->values = mem_resize(c->values, (size_t)c->room, (size_t)(c->room + 32), sizeof *c->values);
            c->room += 32;
        }
        if (!read_value(&c->at, c->end, b->wide, &c->values[p.count++])) {
            snprintf(b->reason, sizeof b->reason, "the text ends inside of %s[", p.name);
            return SGF_BROKEN;
        }
    }
    p.values = c->values;
    return apply(b, &p);
}

/* Nodes up to the first ')': the main line. *depth counts open brackets. */
static enum sgf_verdict read_main_line(struct cursor *c, struct sgf_builder *b, int *depth) {
    enum sgf_verdict verdict = SGF_GOOD;
    for (;;) {
        c->at = skip_space(c->at, c->end);
        if (c->at >= c->end) {
            *depth = 0; /* unterminated, but whole nodes: what is there counts */
            return verdict;
        }
        char letter = *c->at;
        if (letter == ')') return verdict;
        if (letter == '(') {
            if (*depth > 0 && sgf_game_begins(c->at, c->end, true)) {
                *depth = 0; /* the next game begins: this one's end is missing */
                return verdict;
            }
            ++*depth;
            c->at++;
        } else if (letter == ';') {
            c->at++;
        } else if (isalpha((unsigned char)letter)) {
            enum sgf_verdict v = read_property(c, b);
            if (v == SGF_BROKEN) return v;
            if (v != SGF_GOOD) verdict = v;
        } else {
            snprintf(b->reason, sizeof b->reason, "'%c' (byte %d) where a node or property should be",
                     isprint((unsigned char)letter) ? letter : '?', (unsigned char)letter);
            return SGF_BROKEN;
        }
    }
}

/* Variations that are not followed: moves behind the bracket that closes the game, or to a game whose
 * predecessor's end is missing. */
static void skip_variations(struct cursor *c, const struct sgf_builder *b, int depth) {
    struct slice ignored;
    while (depth > 0 && c->at < c->end) {
        if (*c->at == '[') {
            if (!read_value(&c->at, c->end, b->wide, &ignored)) c->at = c->end;
            continue;
        }
        if (*c->at == '(' && sgf_game_begins(c->at, c->end, true)) return;
        depth += *c->at == '(' ? 1 : *c->at == ')' ? -1 : 0;
        c->at++;
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------
 */

static int resolve(int raw, int size) {
    if (raw == RAW_PASS || (raw == RAW_TT && size <= 19)) return size * size;
    int row = raw / 32, column = raw % 32;
    return row < size && column < size ? row * size + column : -1;
}

/* Turns kept points into actions now that the size is known. */
static enum sgf_verdict finish(struct sgf_builder *b) {
    struct sgf_game *g = &b->game;
    if (b->rows != b->columns) return unusable(b, "a board of %d columns and %d rows", b->columns, b->rows);
    if (b->rows < 2 || b->rows > 25) return unusable(b, "a board of size %d", b->rows);
    g->size = b->rows;
    for (int i = 0; i < g->setup_count; i++) {
        int point = resolve(g->setup[i].point, g->size);
        if (point < 0 || point == g->size * g->size)
            return unusable(b, "a stone is set up outside of the %dx%d board", g->size, g->size);
        g->setup[i].point = (int16_t)point;
    }
    for (int i = 0; i < g->move_count; i++) {
        int action = resolve(g->moves[i].action, g->size);
        if (action < 0) return unusable(b, "move %d is outside of the %dx%d board", i + 1, g->size, g->size);
        g->moves[i].action = (int16_t)action;
    }
    g->first_player = b->first_player >= 0 ? b->first_player
                      : g->move_count > 0  ? g->moves[0].player
                                           : g->handicap > 0 && g->setup_count > 0;
    return SGF_GOOD;
}

static void builder_reset(struct sgf_builder *b) {
    struct sgf_game empty = {.winner = -1, .setup = b->game.setup, .moves = b->game.moves};
    b->game = empty;
    b->rows = b->columns = 19; /* the default of the format for Go */
    b->first_player = -1;
    b->wide = false;
    b->reason[0] = 0;
}

enum sgf_verdict sgf_parse_game(const char **at, const char *end, struct sgf_builder *b) {
    struct cursor c = {.at = *at, .end = end};
    int depth = 0;
    builder_reset(b);
    enum sgf_verdict verdict = read_main_line(&c, b, &depth);
    if (verdict != SGF_BROKEN) skip_variations(&c, b, depth);
    mem_free(c.values);
    *at = c.at;
    return verdict == SGF_GOOD ? finish(b) : verdict;
}

void sgf_builder_free(struct sgf_builder *b) {
    mem_free(b->game.setup);
    mem_free(b->game.moves);
    *b = (struct sgf_builder){0};
}
