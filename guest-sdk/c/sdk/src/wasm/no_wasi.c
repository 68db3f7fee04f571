/* There are no files: what printf into memory drags in from the C library ends here instead of becoming an import of WASI, which a
 * policy is not given. Output that a policy sends to stdout or stderr is refused; use reeve_log_info and its sisters. */
#include <stdint.h>

/* `badf` of WASI. */
#define NO_SUCH_FILE 8

int32_t __wasi_fd_close(int32_t fd);
int32_t __wasi_fd_fdstat_get(int32_t fd, void *out);
int32_t __wasi_fd_seek(int32_t fd, int64_t offset, int32_t whence, void *out);
int32_t __wasi_fd_write(int32_t fd, const void *parts, int32_t count, void *out);

int32_t __wasi_fd_close(int32_t fd) {
    (void)fd;
    return NO_SUCH_FILE;
}

int32_t __wasi_fd_fdstat_get(int32_t fd, void *out) {
    (void)fd, (void)out;
    return NO_SUCH_FILE;
}

int32_t __wasi_fd_seek(int32_t fd, int64_t offset, int32_t whence, void *out) {
    (void)fd, (void)offset, (void)whence, (void)out;
    return NO_SUCH_FILE;
}

int32_t __wasi_fd_write(int32_t fd, const void *parts, int32_t count, void *out) {
    (void)fd, (void)parts, (void)count, (void)out;
    return NO_SUCH_FILE;
}
