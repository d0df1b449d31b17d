/* Ends the process at one of the calls by which it changes files.
 *
 * Loaded with LD_PRELOAD. Every call that changes a file or folder below KILL_UNDER is counted; at call number KILL_AT
 * the process kills itself: before it (KILL_HOW=before), behind it (after), or inside it (torn): then a write has
 * written a part, and garbage behind that. Nothing else is changed. The programs that it starts are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long count;

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

__attribute__((constructor)) static void leave_children_alone(void)
{
    unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void tell(void)
{
    if (getenv("KILL_TELL"))
        fprintf(stderr, "calls: %ld\n", atomic_load(&count));
}

static int is_under(const char *path)
{
    const char *folder = setting("KILL_UNDER");
    size_t length = strlen(folder);
    return length > 0 && strncmp(path, folder, length) == 0;
}

static int is_ours(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_under(path);
}

/* Whether this call is the one; the process ends here if it is to end before it. */
static int is_last(int is_counted)
{
    if (!is_counted || atomic_fetch_add(&count, 1) + 1 != atol(setting("KILL_AT")))
        return 0;
    if (strcmp(setting("KILL_HOW"), "before") == 0)
        die();
    return 1;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* A write that may be torn, by means of another one that writes a part. */
#define WRITE(call, buffer, length)                                                             \
    do {                                                                                        \
        int last = is_last(is_ours(fd));                                                        \
        if (last && length > 1 && strcmp(setting("KILL_HOW"), "torn") == 0) {                   \
            size_t cut = (size_t)(count * 7919) % length;                                       \
            unsigned char *torn = malloc(length);                                               \
            memcpy(torn, buffer, cut);                                                          \
            for (size_t at = cut; at < length; at++)                                            \
                torn[at] = (unsigned char)(at * 31 + 17);                                       \
            if (atol(setting("KILL_GARBAGE")) == 0)                                             \
                length = cut;                                                                   \
            buffer = torn;                                                                      \
        }                                                                                       \
        __typeof__(call) result = call;                                                         \
        if (last)                                                                               \
            die();                                                                              \
        return result;                                                                          \
    } while (0)

ssize_t write(int fd, const void *buffer, size_t length)
{
    REAL(write);
    WRITE(real(fd, buffer, length), buffer, length);
}

ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset)
{
    REAL(pwrite);
    WRITE(real(fd, buffer, length, offset), buffer, length);
}

ssize_t pwrite64(int fd, const void *buffer, size_t length, off64_t offset)
{
    REAL(pwrite64);
    WRITE(real(fd, buffer, length, offset), buffer, length);
}

#define OTHER(is_counted, call)                                                                 \
    do {                                                                                        \
        int last = is_last(is_counted);                                                         \
        int result = call;                                                                      \
        if (last)                                                                               \
            die();                                                                              \
        return result;                                                                          \
    } while (0)

int fsync(int fd)
{
    REAL(fsync);
    OTHER(is_ours(fd), real(fd));
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    OTHER(is_ours(fd), real(fd));
}

int ftruncate(int fd, off_t length)
{
    REAL(ftruncate);
    OTHER(is_ours(fd), real(fd, length));
}

int ftruncate64(int fd, off64_t length)
{
    REAL(ftruncate64);
    OTHER(is_ours(fd), real(fd, length));
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    OTHER(is_under(to), real(from, to));
}

int unlink(const char *path)
{
    REAL(unlink);
    OTHER(is_under(path), real(path));
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    OTHER(is_under(path), real(path, mode));
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    OTHER((flags & O_CREAT) != 0 && is_under(path), real(path, flags, mode));
}
