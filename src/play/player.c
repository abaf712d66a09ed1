#include "tengen/player.h"

#include <string.h>

void player_close(struct player *p) {
    if (p->close && p->state) p->close(p);
    memset(p, 0, sizeof *p);
}
