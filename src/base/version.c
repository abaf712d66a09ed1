#include "tengen/version.h"

#include "version_generated.h"

const char *version_number(void) {
    return VERSION_NUMBER;
}

const char *version_commit(void) {
    return VERSION_COMMIT;
}

const char *version_compiler(void) {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

const char *version_build(void) {
    return VERSION_BUILD;
}

const char *version_inih(void) {
    return VERSION_INIH;
}
