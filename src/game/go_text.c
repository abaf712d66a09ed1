/* Go in text: vertices ("D4", columns without I, rows counted from the bottom), diagrams, handicap points. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "game/games.h"
#include "game/go_board.h"

static const char column_letters[] = "ABCDEFGHJKLMNOPQRSTUVWXYZ";

void go_action_text(const struct game *g, int action, char *text, size_t size) {
    int n = g->width;
    if (action == n * n)
        snprintf(text, size, "pass");
    else
        snprintf(text, size, "%c%d", column_letters[action % n], n - action / n);
}

int go_action_parse(const struct game *g, const char *text) {
    int n = g->width, column = 0;
    if (!strcasecmp(text, "pass")) return n * n;
    while (column < n && column_letters[column] != toupper((unsigned char)text[0]))
        column++;
    if (column == n || !isdigit((unsigned char)text[1])) return -1;
    char *end;
    long row = strtol(text + 1, &end, 10);
    if (*end || row < 1 || row > n) return -1;
    return (n - (int)row) * n + column;
}

static void print_columns(const struct game *g, char *text, size_t size, size_t *used) {
    game_append(text, size, used, "   ");
    for (int column = 0; column < g->width; column++)
        game_append(text, size, used, " %c", column_letters[column]);
    game_append(text, size, used, "\n");
}

/* The last move stands in brackets. */
void go_print(const struct game *g, const void *position, char *text, size_t size) {
    const struct go_position *p = position;
    int n = g->width;
    size_t used = 0;
    print_columns(g, text, size, &used);
    for (int row = 0; row < n; row++) {
        game_append(text, size, &used, "%3d", n - row);
        for (int column = 0; column < n; column++) {
            int point = row * n + column;
            char before = p->last == point ? '(' : column && p->last == point - 1 ? ')' : ' ';
            game_append(text, size, &used, "%c%c", before, ".XO"[go_at(g, position, point)]);
        }
        game_append(text, size, &used, "%c%d\n", p->last == row * n + n - 1 ? ')' : ' ', n - row);
    }
    print_columns(g, text, size, &used);
    game_append(text, size, &used, "%s to play, move %d, captures: black %d, white %d\n",
                p->to_play ? "white" : "black", (int)p->moves + 1, (int)p->captures[0], (int)p->captures[1]);
}

int go_fixed_handicap(int size, int count, int *points) {
    if (size < 7 || size > GO_SIZE_MAX || count < 2 || count > 9) return 0;
    if (count > 4 && (size % 2 == 0 || size == 7)) return 0;
    int low = size >= 13 ? 3 : 2, high = size - 1 - low, middle = size / 2;
    /* Corners from the lower left, then sides, in GTP's order: {row from the bottom, column}. */
    const int corner[4][2] = {{low, low}, {high, high}, {high, low}, {low, high}};
    const int side[4][2] = {{middle, low}, {middle, high}, {low, middle}, {high, middle}};
    int made = 0, corners = count < 4 ? count : 4, sides = count >= 8 ? 4 : count >= 6 ? 2 : 0;
    for (int i = 0; i < corners; i++)
        points[made++] = (size - 1 - corner[i][0]) * size + corner[i][1];
    for (int i = 0; i < sides; i++)
        points[made++] = (size - 1 - side[i][0]) * size + side[i][1];
    if (made < count) points[made++] = middle * size + middle;
    return made;
}
