#include "tengen/player.h"

#include <string.h>

void player_close(struct player *p) {
    if (p->close && p->state) p->close(p);
    memset(p, 0, sizeof *p);
}

enum status player_precision(const char *text, enum precision *out) {
    static const char *const names[] = {"f32", "bf16", "auto"};
    static const enum precision values[] = {PRECISION_F32, PRECISION_BF16, PRECISION_AUTO};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = values[i];
        return STATUS_OK;
    }
    return status_fail(STATUS_USAGE, "precision %s: not one of auto, f32, bf16", text);
}
