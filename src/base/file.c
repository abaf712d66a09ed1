#include "tengen/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "tengen/mem.h"

/* gzread gives the bytes of a plain file as they are, so that both kinds take one path. */
enum status file_read(const char *path, char **text, size_t *size) {
    *text = NULL;
    *size = 0;
    if (file_is_folder(path)) return status_fail(STATUS_IO, "%s: is a folder, not a file", path);
    errno = 0;
    gzFile file = gzopen(path, "rbe");
    if (!file) return status_fail(STATUS_IO, "%s: %s", path, errno ? strerror(errno) : "cannot open");
    gzbuffer(file, 1 << 17);

    size_t room = 1 << 16, used = 0;
    char *bytes = mem_alloc(room + 1, 1);
    for (;;) {
        size_t space = room - used < (1 << 30) ? room - used : (1 << 30);
        int got = gzread(file, bytes + used, (unsigned)space);
        if (got <= 0) break;
        used += (size_t)got;
        if (used == room) {
            bytes = mem_resize(bytes, room + 1, 2 * room + 1, 1);
            room *= 2;
        }
    }
    int code;
    const char *why = gzerror(file, &code); /* Z_BUF_ERROR: the end came in the middle of a gzip member */
    enum status s = STATUS_OK;
    if (code == Z_ERRNO)
        s = status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
    else if (code != Z_OK && code != Z_STREAM_END)
        s = status_fail(STATUS_FORMAT, "%s: damaged gzip data: %s", path, why);
    gzclose(file);
    if (s != STATUS_OK) {
        mem_free(bytes);
        return s;
    }
    bytes[used] = 0;
    *text = bytes;
    *size = used;
    return STATUS_OK;
}

/* The folder part of a path, "." if it has none. */
static void parent_of(const char *path, char *parent, size_t size) {
    snprintf(parent, size, "%s", path);
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/')
        parent[--length] = 0;
    char *slash = strrchr(parent, '/');
    if (!slash)
        snprintf(parent, size, ".");
    else if (slash == parent)
        parent[1] = 0;
    else
        *slash = 0;
}

static enum status sync_path(const char *path, int flags) {
    int descriptor = open(path, flags | O_CLOEXEC);
    if (descriptor < 0) return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
    /* Some file systems have no fsync for folders; there is nothing more to do then. */
    int failed = fsync(descriptor) != 0 && errno != EINVAL ? errno : 0;
    close(descriptor);
    return failed ? status_fail(STATUS_IO, "%s: %s", path, strerror(failed)) : STATUS_OK;
}

enum status file_commit(const char *temporary, const char *path) {
    char parent[PATH_MAX];
    parent_of(path, parent, sizeof parent);
    TRY(sync_path(temporary, O_RDONLY));
    if (rename(temporary, path) != 0)
        return status_fail(STATUS_IO, "%s: cannot rename %s to it: %s", path, temporary, strerror(errno));
    return sync_path(parent, O_RDONLY | O_DIRECTORY);
}

static enum status write_all(int descriptor, const char *path, const char *data, size_t size) {
    while (size) {
        ssize_t written = write(descriptor, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
        data += written;
        size -= (size_t)written;
    }
    return STATUS_OK;
}

enum status file_write(const char *path, const void *data, size_t size) {
    char *temporary = mem_format("%s.%ld.tmp", path, (long)getpid());
    enum status s = STATUS_OK;
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        s = status_fail(STATUS_IO, "%s: cannot write: %s", path, strerror(errno));
    } else {
        s = write_all(descriptor, path, data, size);
        if (close(descriptor) != 0 && s == STATUS_OK)
            s = status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
        if (s == STATUS_OK) s = file_commit(temporary, path);
        if (s != STATUS_OK) unlink(temporary);
    }
    mem_free(temporary);
    return s;
}

enum status file_make_folder(const char *path) {
    char *part = mem_string(path);
    enum status s = STATUS_OK;
    for (char *end = part + 1; s == STATUS_OK && part[0]; end++) {
        if (*end != '/' && *end) continue;
        char kept = *end;
        *end = 0;
        if (mkdir(part, 0777) != 0 && !(errno == EEXIST && file_is_folder(part)))
            s = status_fail(STATUS_IO, "%s: cannot make the folder: %s", part,
                            errno == EEXIST ? "a file of that name is in the way" : strerror(errno));
        *end = kept;
        if (!kept) break;
    }
    mem_free(part);
    return s;
}

bool file_exists(const char *path) {
    struct stat about;
    return stat(path, &about) == 0;
}

bool file_is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

size_t file_space(const char *path) {
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    struct statvfs about;
    while (statvfs(at, &about) != 0) {
        char parent[PATH_MAX];
        parent_of(at, parent, sizeof parent);
        if (strcmp(parent, at) == 0) return 0;
        memcpy(at, parent, sizeof at);
    }
    return (size_t)about.f_bavail * about.f_frsize;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum status file_list(const char *folder, const char *suffix, char ***names, int *count) {
    *names = NULL;
    *count = 0;
    DIR *open_folder = opendir(folder);
    if (!open_folder) return status_fail(STATUS_IO, "%s: %s", folder, strerror(errno));
    char **list = NULL;
    int used = 0, room = 0;
    size_t suffix_length = strlen(suffix);
    for (struct dirent *entry; (entry = readdir(open_folder));) {
        const char *name = entry->d_name;
        size_t length = strlen(name);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (length < suffix_length || strcmp(name + length - suffix_length, suffix) != 0) continue;
        if (used == room) {
            list = mem_resize(list, (size_t)room, (size_t)room * 2 + 16, sizeof *list);
            room = room * 2 + 16;
        }
        list[used++] = mem_string(name);
    }
    closedir(open_folder);
    if (used) qsort(list, (size_t)used, sizeof *list, compare_names);
    *names = list;
    *count = used;
    return STATUS_OK;
}

void file_list_free(char **names, int count) {
    for (int i = 0; i < count; i++)
        mem_free(names[i]);
    mem_free(names);
}
