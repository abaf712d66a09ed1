/* Which build this is: for `tengen --version`, run directories and checkpoints. */
#ifndef TENGEN_VERSION_H
#define TENGEN_VERSION_H

const char *version_number(void); /* "0.1.0" */
const char *
version_commit(void); /* abbreviated git commit, with "-dirty" where the tree had changes; or "unknown" */
const char *version_compiler(void); /* "gcc 12.2.0" */
const char *version_build(void);    /* "Release, -march=native, with oneDNN, CUDA, tests; without MPI" */
const char *version_inih(void);     /* its headers do not tell: as pkg-config said at configure time */

#endif
