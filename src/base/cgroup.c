#include "cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char mount[] = "/sys/fs/cgroup";

/* Whether "cpu,cpuacct" lists "cpu". */
static bool lists(const char *names, const char *controller) {
    size_t length = strlen(controller);
    if (length == 0) return names[0] == 0;
    for (const char *at = names; (at = strstr(at, controller)); at += length) {
        bool starts = at == names || at[-1] == ',', ends = at[length] == ',' || at[length] == 0;
        if (starts && ends) return true;
    }
    return false;
}

bool cgroup_first(const char *controller, char path[CGROUP_PATH]) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file) return false;
    char line[CGROUP_PATH];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) { /* "4:memory:/folder" */
        char *names = strchr(line, ':'), *folder = names ? strchr(names + 1, ':') : NULL;
        if (!folder) continue;
        *folder++ = 0;
        folder[strcspn(folder, "\n")] = 0;
        if (!lists(names + 1, controller)) continue;
        if (strcmp(folder, "/") == 0) folder[0] = 0;
        const char *slash = controller[0] ? "/" : "";
        found = snprintf(path, CGROUP_PATH, "%s%s%s%s", mount, slash, controller, folder) < CGROUP_PATH;
    }
    fclose(file);
    return found;
}

/* Stops at /sys/fs/cgroup itself: above the mount there are no groups. */
bool cgroup_parent(char path[CGROUP_PATH]) {
    char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) < sizeof mount - 1) return false;
    *slash = 0;
    return true;
}

int cgroup_numbers(const char *path, const char *name, int most, long long numbers[]) {
    char *full = NULL, text[128];
    if (asprintf(&full, "%s/%s", path, name) < 0) return 0;
    FILE *file = fopen(full, "re");
    free(full);
    if (!file) return 0;
    char *at = fgets(text, sizeof text, file);
    fclose(file);
    int count = 0;
    while (at && count < most) {
        char *end;
        numbers[count] = strtoll(at, &end, 10);
        if (end == at) break;
        count++;
        at = end;
    }
    return count;
}
