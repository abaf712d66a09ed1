/* One game of Go as SGF, FF[4]. */
#include <stdio.h>
#include <string.h>

#include "tengen/mem.h"
#include "tengen/sgf.h"

/* Text that grows. */
struct writer {
    char *text;
    size_t used, room;
};

static void put(struct writer *w, const char *bytes, size_t size) {
    if (w->used + size + 1 > w->room) {
        size_t room = 2 * (w->used + size + 1);
        w->text = mem_resize(w->text, w->room, room, 1);
        w->room = room;
    }
    memcpy(w->text + w->used, bytes, size);
    w->used += size;
    w->text[w->used] = 0;
}

static void put_text(struct writer *w, const char *text) {
    put(w, text, strlen(text));
}

/* NAME[value], the value escaped; nothing where there is none. */
static void put_property(struct writer *w, const char *name, const char *value) {
    if (!value || !*value) return;
    put_text(w, name);
    put_text(w, "[");
    for (; *value; value++) {
        if (*value == ']' || *value == '\\') put_text(w, "\\");
        put(w, value, 1);
    }
    put_text(w, "]");
}

/* "dd" with column and row from the top left; "" for a pass. */
static void put_move(struct writer *w, const struct game *g, int action, int player) {
    char move[8] = {player ? 'W' : 'B', '[', ']', 0};
    if (action < g->actions - 1)
        snprintf(move, sizeof move, "%c[%c%c]", player ? 'W' : 'B', 'a' + action % g->width,
                 'a' + action / g->width);
    put_text(w, ";");
    put_text(w, move);
}

char *sgf_text(const struct game *g, const int *actions, int count, const struct sgf_info *info,
               const char *const *comments) {
    static const struct sgf_info nothing = {0};
    if (!info) info = &nothing;
    struct writer w = {0};
    char number[64];
    put_text(&w, "(;GM[1]FF[4]CA[UTF-8]AP[Tengen]");
    snprintf(number, sizeof number, "SZ[%d]KM[%g]", g->width, (double)g->config.komi);
    put_text(&w, number);
    put_text(&w, "RU[Chinese]");
    put_property(&w, "PB", info->black);
    put_property(&w, "PW", info->white);
    put_property(&w, "DT", info->date);
    put_property(&w, "RE", info->result);
    put_property(&w, "C", info->comment);
    for (int i = 0; i < count; i++) {
        put_text(&w, i % 10 == 0 ? "\n" : "");
        put_move(&w, g, actions[i], i & 1);
        if (comments) put_property(&w, "C", comments[i]);
    }
    put_text(&w, ")\n");
    return w.text;
}
