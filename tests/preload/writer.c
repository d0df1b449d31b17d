/* Writes to a volume image in every way that there is, one way for each run: writer IMAGE WAY.
 *
 * Each way changes the tracks that it names by `touch`, to which the test holds the monitor. Ends with 0 if everything
 * happened as it should; else it says what did not. Tracks have 13312 bytes, behind a header of 512. */
#define _GNU_SOURCE
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRACK 13312L
#define AT(track) (512L + (track) * TRACK)
#define CHECK(what) do { if (!(what)) { \
    fprintf(stderr, "line %d: %s: %s\n", __LINE__, #what, strerror(errno)); _exit(1); } } while (0)
#define FAILS(what, error) do { errno = 0; CHECK((what) == -1); CHECK(errno == (error)); } while (0)

static const char *path, *self;
static char data[40 * 13312];
static long image_size;

static int image(int flags) {
    int fd = open(path, flags);
    CHECK(fd >= 0);
    return fd;
}

static void fill(int seed) {
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(seed + i % 251 + 1);
}

/* A file beside the image, so that the system can copy between them. */
static int source(void) {
    char name[4096];
    snprintf(name, sizeof name, "%s.source", path);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && unlink(name) == 0 && write(fd, data, sizeof data) == sizeof data);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void way_write(void) {
    int fd = image(O_RDWR);
    CHECK(lseek(fd, AT(10) + 7, SEEK_SET) == AT(10) + 7);
    CHECK(write(fd, data, 100) == 100);                   /* 10 */
    CHECK(write(fd, data, TRACK) == TRACK);               /* 10, 11 */
    CHECK(lseek(fd, AT(3) - 200, SEEK_CUR) > 0);          /* somewhere behind 14 */
    CHECK(lseek(fd, AT(20), SEEK_SET) == AT(20));
    CHECK(read(fd, data + TRACK, TRACK) == TRACK);        /* a read moves the offset */
    CHECK(write(fd, data, 1) == 1);                       /* 21 */
    CHECK(write(fd, data, 0) == 0);
    int other = dup(fd);
    CHECK(lseek(other, AT(30), SEEK_SET) == AT(30));      /* one description, two numbers */
    CHECK(write(fd, data, 2) == 2);                       /* 30 */
    CHECK(lseek(fd, AT(32), SEEK_SET) == AT(32));
    CHECK(write(other, data, 2) == 2);                    /* 32 */
    CHECK(close(fd) == 0);
    CHECK(image(O_RDWR) == fd);                           /* the same number, at the beginning again */
    CHECK(lseek(fd, -TRACK, SEEK_END) > 0);
    CHECK(write(fd, data, TRACK) == TRACK);               /* 379 */
    FAILS(write(fd, data, 1), EFBIG);
    CHECK(lseek(fd, AT(0), SEEK_SET) == AT(0) && write(other, data, 1) == 1); /* 32 again */
    FAILS(write(-1, data, 1), EBADF);
}

static void way_writev(void) {
    int fd = image(O_WRONLY);
    struct iovec parts[3] = {{data, 100}, {data + 5, TRACK}, {data, 12}};
    CHECK(lseek(fd, AT(50), SEEK_SET) > 0);
    CHECK(writev(fd, parts, 3) == TRACK + 112);           /* 50, 51 */
}

static void way_pwrite(void) {
    int fd = image(O_RDWR | O_CLOEXEC);
    CHECK(pwrite(fd, data, 3 * TRACK, AT(60)) == 3 * TRACK);  /* 60 to 62 */
    CHECK(pwrite(fd, data, 2, AT(71) - 1) == 2);              /* 70, 71 */
    CHECK(lseek(fd, 0, SEEK_CUR) == 0);
    FAILS(pwrite(fd, data, 2, image_size - 1), EFBIG);
    FAILS(pwrite(fd, data, 2, -5), EINVAL);
}

static void way_pwritev(void) {
    int fd = openat(AT_FDCWD, path, O_RDWR);
    struct iovec parts[2] = {{data, 100}, {data + 5, TRACK}};
    CHECK(pwritev(fd, parts, 2, AT(80)) == TRACK + 100);      /* 80, 81 */
    CHECK(pwritev2(fd, parts, 1, AT(85), 0) == 100);          /* 85 */
    CHECK(lseek(fd, AT(90), SEEK_SET) > 0);
    CHECK(pwritev2(fd, parts, 2, -1, 0) == TRACK + 100);      /* 90, 91 */
    CHECK(pwritev2(fd, parts, 1, -1, 0) == 100);              /* 91 */
    FAILS(pwritev2(fd, parts, 1, 0, RWF_APPEND), EFBIG);
}

static void way_stdio(void) {
    FILE *file = fopen(path, "r+");
    CHECK(file && fileno(file) > 2);
    CHECK(fseek(file, AT(100), SEEK_SET) == 0);
    CHECK(fwrite(data, 1, 2 * TRACK, file) == 2 * TRACK);     /* 100, 101 */
    CHECK(fputs("fputs", file) >= 0 && fputc('x', file) == 'x');
    CHECK(fprintf(file, "%d", 4711) == 4);                    /* 102 */
    CHECK(fseek(file, AT(105), SEEK_SET) == 0 && fgetc(file) != EOF);
    CHECK(fseek(file, AT(106), SEEK_SET) == 0 && fputs("y", file) >= 0); /* 106 */
    CHECK(ftell(file) == AT(106) + 1);
    CHECK(fclose(file) == 0);
    int fd = image(O_RDWR);
    CHECK((file = fdopen(fd, "r+")) && fileno(file) == fd);
    CHECK(fseek(file, AT(110), SEEK_SET) == 0 && fputs("z", file) >= 0 && fflush(file) == 0); /* 110 */
    CHECK(pwrite(fileno(file), data, 1, AT(112)) == 1);       /* 112 */
    setvbuf(file, NULL, _IONBF, 0);
    CHECK(fseek(file, AT(114), SEEK_SET) == 0 && fputs("u", file) >= 0); /* 114 */
    /* What stands in the buffer at the end is written by exit. */
    FILE *last = fopen(path, "r+");
    CHECK(fseek(last, AT(116), SEEK_SET) == 0 && fputs("exit", last) >= 0); /* 116 */
    errno = 0;
    CHECK(freopen(path, "r+", file) == NULL && errno == EACCES);
    CHECK((file = fopen(path, "r")) && fgetc(file) == 'C' && fclose(file) == 0);
}

static void way_stdout(void) {
    printf("this is for the terminal\n");
    int fd = image(O_RDWR);
    CHECK(lseek(fd, AT(120), SEEK_SET) > 0);
    int before = dup(1);
    CHECK(dup2(fd, 1) == 1);
    printf("this is for the image\n");                        /* 120 */
    CHECK(fflush(stdout) == 0);
    CHECK(dup2(before, 1) == 1);
    printf("and this is not\n");
    CHECK(fflush(stdout) == 0);
}

static void way_copies(void) {
    int fd = image(O_RDWR), from = source();
    loff_t in = 0, out = AT(130);
    CHECK(copy_file_range(from, &in, fd, &out, TRACK, 0) == TRACK && out == AT(131)); /* 130 */
    CHECK(lseek(fd, AT(132), SEEK_SET) > 0);
    CHECK(copy_file_range(from, NULL, fd, NULL, 2 * TRACK, 0) == 2 * TRACK);          /* 132, 133 */
    CHECK(lseek(fd, 0, SEEK_CUR) == AT(134) && lseek(from, 0, SEEK_CUR) == 2 * TRACK);
    CHECK(lseek(fd, AT(136), SEEK_SET) > 0);
    off_t start = 5;
    CHECK(sendfile(fd, from, &start, TRACK) == TRACK);                                /* 136 */
    int ends[2];
    CHECK(pipe(ends) == 0 && write(ends[1], data, 1000) == 1000);
    out = AT(138);
    CHECK(splice(ends[0], NULL, fd, &out, 1000, 0) == 1000);                          /* 138 */
    CHECK(lseek(fd, AT(140), SEEK_SET) > 0 && write(ends[1], data, 10) == 10);
    CHECK(splice(ends[0], NULL, fd, NULL, 10, 0) == 10);                              /* 140 */
    CHECK(lseek(fd, 0, SEEK_CUR) == AT(140) + 10);
    /* Out of an image nothing changes. */
    CHECK(lseek(fd, AT(5), SEEK_SET) > 0);
    CHECK(sendfile(from, fd, NULL, 100) == 100 && lseek(fd, 0, SEEK_CUR) == AT(5) + 100);
    /* Up to the end of the source, however much is asked for. */
    CHECK(lseek(from, sizeof data - 10, SEEK_SET) > 0 && lseek(fd, AT(142), SEEK_SET) > 0);
    CHECK(copy_file_range(from, NULL, fd, NULL, 1L << 40, 0) == 10);                  /* 142 */
    CHECK(copy_file_range(from, NULL, fd, NULL, 1L << 40, 0) == 0);
}

static void way_length(void) {
    int fd = image(O_RDWR);
    CHECK(pwrite(fd, data, sizeof data, AT(150)) == sizeof data);                     /* 150 to 189 */
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, AT(150), TRACK) == 0);
    CHECK(fallocate(fd, 0, AT(150), TRACK) == 0);
    CHECK(posix_fallocate(fd, AT(151), TRACK) == 0);
    CHECK(posix_fallocate(fd, image_size, TRACK) == EFBIG);
    FAILS(fallocate(fd, 0, image_size, 1), EFBIG);
    FAILS(ftruncate(fd, image_size + 1), EFBIG);
    CHECK(pwrite(fd, data, 1, AT(377)) == 1);
    CHECK(ftruncate(fd, AT(377)) == 0);                                               /* 377 to 379 */
    CHECK(ftruncate(fd, image_size) == 0);
    CHECK(truncate(path, AT(376)) == 0);                                              /* 376 to 379 */
    CHECK(pwrite(fd, data, image_size - AT(376), AT(376)) == image_size - AT(376));
    CHECK(truncate(path, image_size) == 0);
}

static void way_o_trunc(void) {
    int fd = open(path, O_RDWR | O_TRUNC);                                            /* all */
    CHECK(fd >= 0);
    CHECK(pwrite(fd, data, TRACK, AT(1)) == TRACK);
    CHECK(ftruncate(fd, image_size) == 0);
}

static void way_append(void) {
    int fd = image(O_WRONLY | O_APPEND);
    FAILS(write(fd, data, 1), EFBIG);
    FAILS(pwrite(fd, data, 1, AT(3)), EFBIG);
    CHECK(ftruncate(fd, AT(379)) == 0);                                               /* 379 */
    CHECK(write(fd, data, TRACK) == TRACK);
}

static void way_dup(void) {
    int fd = image(O_RDWR);
    int copies[5] = {dup(fd), dup2(fd, 40), dup3(fd, 41, O_CLOEXEC), fcntl(fd, F_DUPFD, 50),
                     fcntl(fd, F_DUPFD_CLOEXEC, 60)};
    CHECK(close(fd) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(copies[i] >= 0);
        CHECK(pwrite(copies[i], data, 1, AT(200 + 2 * i)) == 1);  /* 200 202 204 206 208 */
    }
    /* The number of an image becomes that of another file, and back. */
    int other = memfd_create("other", 0);
    CHECK(dup2(other, 40) == 40 && write(40, data, 100) == 100);
    CHECK(dup2(41, 40) == 40 && pwrite(40, data, 1, AT(212)) == 1);                   /* 212 */
    CHECK(close_range(40, 45, 0) == 0);
    FAILS(write(40, data, 1), EBADF);
    CHECK(pwrite(60, data, 1, AT(214)) == 1);                                         /* 214 */
    closefrom(55);
    FAILS(write(60, data, 1), EBADF);
    CHECK(pwrite(50, data, 1, AT(216)) == 1);                                         /* 216 */
}

static void reap(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void way_fork(void) {
    int fd = image(O_RDWR);
    CHECK(pwrite(fd, data, 1, AT(220)) == 1);                                         /* 220 */
    CHECK(lseek(fd, AT(224), SEEK_SET) > 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(pwrite(fd, data, 1, AT(222)) == 1);                                     /* 222 */
        CHECK(write(fd, data, TRACK) == TRACK);                                       /* 224 */
        pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK(write(fd, data, 1) == 1);                                           /* 225 */
            _exit(0);
        }
        reap(grandchild);
        _exit(0);
    }
    reap(child);
    CHECK(write(fd, data + 1, 1) == 1);               /* 225: the offset is shared */
    CHECK(pwrite(fd, data, 1, AT(228)) == 1);                                         /* 228 */
}

/* Parent and children write numbered pieces by one offset at the same time: none may be lost. */
static void way_fork_together(void) {
    enum { PROCESSES = 3, PIECES = 300, PIECE = 1000 };
    int fd = image(O_RDWR);
    CHECK(lseek(fd, AT(230), SEEK_SET) > 0);                                          /* 230 to 297 */
    pid_t children[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        if ((children[p] = fork()) == 0) {
            for (int i = 0; i < PIECES; i++) {
                char piece[PIECE];
                memset(piece, 1 + p, PIECE);
                CHECK(write(fd, piece, PIECE) == PIECE);
            }
            _exit(0);
        }
    }
    for (int p = 0; p < PROCESSES; p++) reap(children[p]);
    CHECK(lseek(fd, 0, SEEK_CUR) == AT(230) + PROCESSES * PIECES * PIECE);
    int counts[PROCESSES + 1] = {0};
    for (int i = 0; i < PROCESSES * PIECES; i++) {
        char piece[PIECE];
        CHECK(pread(fd, piece, PIECE, AT(230) + i * PIECE) == PIECE);
        CHECK(piece[0] >= 1 && piece[0] <= PROCESSES);
        for (int k = 0; k < PIECE; k++) CHECK(piece[k] == piece[0]);
        counts[(int)piece[0]]++;
    }
    for (int p = 1; p <= PROCESSES; p++) CHECK(counts[p] == PIECES);
}

static void way_inherit(void) {
    int fd = image(O_RDWR);
    CHECK(lseek(fd, AT(300), SEEK_SET) > 0);
    char number[12];
    snprintf(number, sizeof number, "%d", fd);
    char *const arguments[] = {(char *)self, (char *)path, "inherited", number, NULL};
    pid_t child;
    extern char **environ;
    CHECK(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0);
    reap(child);                                                                      /* 300, 301 */
    CHECK(write(fd, data, 1) == 1);                                                   /* 302 */
    if ((child = vfork()) == 0) {
        close(fd + 1);
        execv(self, arguments);
        _exit(1);
    }
    reap(child);                                                                      /* 302, 303, 304 */
    CHECK(lseek(fd, AT(306), SEEK_SET) > 0);
    if ((child = vfork()) == 0) {
        close(fd);                       /* the child's, not ours */
        _exit(0);
    }
    reap(child);
    CHECK(write(fd, data, 1) == 1);                                                   /* 306 */
}

static void way_inherited(int fd) {
    CHECK(write(fd, data, 2 * TRACK) == 2 * TRACK);
}

static void *one_thread(void *number) {
    long n = (long)number;
    int fd = image(O_RDWR);
    for (int i = 0; i < 200; i++) {
        long track = 310 + n * 4 + i % 4;
        if (i % 2) {
            CHECK(pwrite(fd, data + n, TRACK, AT(track)) == TRACK);
        } else {
            CHECK(lseek(fd, AT(track), SEEK_SET) > 0 && write(fd, data + n, TRACK) == TRACK);
        }
    }
    CHECK(close(fd) == 0);
    return NULL;
}

static int shared_fd;

static void *shared_thread(void *number) {
    for (int i = 0; i < 100; i++) {
        char piece[TRACK / 26];
        memset(piece, 1 + (int)(long)number, sizeof piece);
        CHECK(write(shared_fd, piece, sizeof piece) == sizeof piece);
    }
    return NULL;
}

static void way_threads(void) {                                    /* 310 to 341, 345 to 360 */
    pthread_t threads[12];
    shared_fd = image(O_RDWR);
    CHECK(lseek(shared_fd, AT(345), SEEK_SET) > 0);
    for (long i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], NULL, one_thread, (void *)i) == 0);
    for (long i = 8; i < 12; i++)
        CHECK(pthread_create(&threads[i], NULL, shared_thread, (void *)i) == 0);
    for (int i = 0; i < 12; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(lseek(shared_fd, 0, SEEK_CUR) == AT(345) + 400 * (TRACK / 26));
}

static void *cancelled_thread(void *nothing) {
    (void)nothing;
    int fd = image(O_RDWR);
    for (;;) CHECK(write(fd, data, TRACK) == TRACK && lseek(fd, AT(362), SEEK_SET) > 0);
}

static void way_cancel(void) {                                     /* 0 (with the header), 362, 364 */
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, cancelled_thread, NULL) == 0);
        usleep(2000);
        CHECK(pthread_cancel(thread) == 0);
        void *result;
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
    int fd = image(O_RDWR);
    CHECK(lseek(fd, AT(364), SEEK_SET) > 0 && write(fd, data, 1) == 1);
}

static void way_short(void) {
    int fd = image(O_RDWR);
    /* Only the first page of the buffer is there. */
    char *pages = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages, 4096, PROT_READ | PROT_WRITE) == 0);
    memset(pages, 7, 4096);
    CHECK(pwrite(fd, pages, 3 * TRACK, AT(370)) == 4096);          /* 370 of 370 to 372 */
    FAILS(pwrite(fd, pages + 8192, TRACK, AT(374)), EFAULT);       /* none of 374 */
}

static void way_syscall(void) {
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
    CHECK(fd >= 0);
    CHECK(syscall(SYS_pwrite64, fd, data, 10, AT(15)) == 10);                         /* 15 */
    CHECK(syscall(SYS_lseek, fd, AT(17), SEEK_SET) > 0);
    CHECK(syscall(SYS_write, fd, data, 10) == 10);                                    /* 17 */
    loff_t out = AT(19);
    CHECK(syscall(SYS_copy_file_range, source(), NULL, fd, &out, 10, 0) == 10);       /* 19 */
}

static void way_refused(void) {
    int fd = image(O_RDWR);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK(errno == EACCES);
    char *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED && memcmp(mapped, "CKD_P370", 8) == 0);
    FAILS(mprotect(mapped, 4096, PROT_READ | PROT_WRITE), EACCES);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    struct aiocb operation = {.aio_fildes = fd, .aio_buf = data, .aio_nbytes = 1, .aio_offset = AT(1)};
    FAILS(aio_write(&operation), ENOSYS);
    struct aiocb *list[1] = {&operation};
    operation.aio_lio_opcode = LIO_WRITE;
    FAILS(lio_listio(LIO_WAIT, list, 1, NULL), ENOSYS);
    FAILS(ioctl(fd, 0x40049409, source()), EOPNOTSUPP);            /* FICLONE */
    FAILS(syscall(425, 8, data), ENOSYS);                          /* io_uring_setup */
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr head; } control = {{0}};
    struct iovec part = {data, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                             .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    FAILS(sendmsg(sockets[0], &message, 0), EPERM);
    int other = source();
    memcpy(CMSG_DATA(head), &other, sizeof other);
    CHECK(sendmsg(sockets[0], &message, 0) == 1);
    CHECK(pwrite(fd, data, 1, AT(25)) == 1);                                          /* 25 */
}

/* What is done to files that are no images is what the C library does. */
static void way_others(void) {
    char name[] = "/tmp/trackmirror-other-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    CHECK(write(fd, "abc", 3) == 3 && pwrite(fd, "d", 1, 3) == 1 && lseek(fd, 0, SEEK_END) == 4);
    struct iovec parts[2] = {{"ef", 2}, {"g", 1}};
    CHECK(writev(fd, parts, 2) == 3 && pwritev(fd, parts, 2, 7) == 3 && ftruncate(fd, 9) == 0);
    FILE *file = fopen(name, "a");
    CHECK(file && fputs("hi", file) >= 0 && fclose(file) == 0);
    CHECK((file = fopen(name, "r+")) && fputs("A", file) >= 0 && freopen(name, "r", file));
    char text[20] = "";
    CHECK(fgets(text, sizeof text, file) && strcmp(text, "Abcdefgefhi") == 0 && fclose(file) == 0);
    char *mapped = mmap(NULL, 9, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(mapped != MAP_FAILED);
    mapped[1] = 'B';
    CHECK(pread(fd, text, 4, 0) == 4 && memcmp(text, "ABcd", 4) == 0);
    CHECK(truncate(name, 2) == 0 && open(name, O_RDWR | O_TRUNC) >= 0);
    struct stat stat;
    CHECK(fstat(fd, &stat) == 0 && stat.st_size == 0);
    FAILS(open("/nowhere/at/all", O_RDWR), ENOENT);
    FAILS(open("/nowhere/at/all", O_RDWR | O_TRUNC | O_CREAT, 0600), ENOENT);
    errno = ERANGE;
    CHECK(write(fd, "x", 1) == 1 && errno == ERANGE);
    CHECK(unlink(name) == 0);
    struct aiocb operation = {.aio_fildes = fd, .aio_buf = "y", .aio_nbytes = 1};
    CHECK(aio_write(&operation) == 0);
    /* It ends in `operation`, which must be there until then. */
    const struct aiocb *list[1] = {&operation};
    while (aio_error(&operation) == EINPROGRESS)
        aio_suspend(list, 1, NULL);
    CHECK(aio_return(&operation) == 1);
    int ends[2];
    CHECK(pipe(ends) == 0 && write(ends[1], "p", 1) == 1 && read(ends[0], text, 1) == 1);
    image(O_RDONLY);
}

/* The image is a block device. */
static void way_device(void) {
    int fd = image(O_RDWR | O_APPEND);                    /* appending is of no account there */
    CHECK(lseek(fd, AT(150), SEEK_SET) > 0);
    CHECK(write(fd, data, 100) == 100);                                               /* 150 */
    struct iovec part = {data, 100};
    CHECK(pwritev2(fd, &part, 1, AT(152), RWF_APPEND) == 100);                        /* 152 */
    CHECK(lseek(fd, 0, SEEK_END) == image_size);
    FAILS(write(fd, data, 1), EFBIG);
    FAILS(ftruncate(fd, AT(100)), EINVAL);
    FAILS(truncate(path, AT(100)), EINVAL);
    CHECK(close(fd) == 0);
    void *aligned;
    CHECK(posix_memalign(&aligned, 4096, 2 * TRACK) == 0);
    memcpy(aligned, data, 2 * TRACK);
    fd = image(O_WRONLY | O_DIRECT);
    CHECK(pwrite(fd, aligned, TRACK, AT(154)) == TRACK);                              /* 154 */
    CHECK(lseek(fd, AT(156), SEEK_SET) > 0);
    CHECK(write(fd, aligned, 2 * TRACK) == 2 * TRACK);                                /* 156, 157 */
    part = (struct iovec){aligned, 512};
    CHECK(writev(fd, &part, 1) == 512);                                               /* 158 */
    FAILS(pwrite(fd, (char *)aligned + 1, 511, AT(160)), EINVAL);                     /* 160 */
    CHECK(close(fd) == 0);
    CHECK((fd = open(path, O_RDWR | O_TRUNC)) >= 0);      /* nothing is cut off */
    CHECK(pwrite(fd, data, 1, AT(162)) == 1);                                         /* 162 */
    FILE *file = fopen(path, "w");
    CHECK(file && fseek(file, AT(164), SEEK_SET) == 0 && fputs("w", file) >= 0);      /* 164 */
    CHECK(fclose(file) == 0);
    CHECK(pwrite(fd, data, TRACK, AT(166)) == TRACK);
    CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, AT(166), 512) == 0); /* 166 */
    unsigned long range[2] = {AT(170), TRACK};
    FAILS(ioctl(fd, BLKDISCARD, range), EOPNOTSUPP);
    FAILS(ioctl(fd, BLKZEROOUT, range), EOPNOTSUPP);
    FAILS(ioctl(fd, 0x2285, range), EOPNOTSUPP);                                      /* SG_IO */
    unsigned long size;
    CHECK(ioctl(fd, BLKGETSIZE64, &size) == 0 && size == (unsigned long)image_size);
}

/* The test has sealed track 90. */
static void way_sealed(void) {
    int fd = image(O_RDWR);
    for (int i = 0; i < 3; i++) FAILS(pwrite(fd, data, TRACK, AT(90)), EIO);
    FAILS(pwrite(fd, data, 3 * TRACK, AT(88)), EIO);
    CHECK(lseek(fd, AT(90), SEEK_SET) > 0);
    FAILS(write(fd, data, 1), EIO);
    CHECK(lseek(fd, 0, SEEK_CUR) == AT(90));
    FAILS(ftruncate(fd, AT(80)), EIO);
    FAILS(open(path, O_RDWR | O_TRUNC), EIO);
    FILE *file = fopen(path, "r+");
    CHECK(file && fseek(file, AT(90), SEEK_SET) == 0 && fputs("no", file) >= 0);
    errno = 0;
    CHECK(fflush(file) == EOF && errno == EIO);
    CHECK(pwrite(fd, data, TRACK, AT(91)) == TRACK);                                  /* 91 */
    _exit(0);
}

/* Writes until it is killed; a pipe tells that it has begun. */
static void way_endless(void) {                                                       /* 0 to 39 */
    int fd = image(O_RDWR);
    for (int i = 0;; i++) {
        memset(data, i, sizeof data);
        CHECK(pwrite(fd, data, sizeof data, AT(0)) == sizeof data);
        if (i == 0) CHECK(write(1, "begun\n", 6) == 6);
    }
}

/* Writes of a track each, over the whole image: prints the nanoseconds of one write. */
static void way_time(int rounds) {
    int fd = image(O_RDWR);
    long tracks = (image_size - 512) / TRACK;
    for (int round = 0; round < rounds; round++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (long i = 0; i < tracks; i++)
            CHECK(lseek(fd, AT(i), SEEK_SET) > 0 && write(fd, data, TRACK) == TRACK);
        clock_gettime(CLOCK_MONOTONIC, &end);
        printf("%ld\n", ((end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec) / tracks);
    }
}

int main(int count, char **arguments) {
    static const struct { const char *name; void (*way)(void); } ways[] = {
        {"write", way_write}, {"writev", way_writev}, {"pwrite", way_pwrite}, {"pwritev", way_pwritev},
        {"stdio", way_stdio}, {"stdout", way_stdout}, {"copies", way_copies}, {"length", way_length},
        {"o_trunc", way_o_trunc}, {"append", way_append}, {"dup", way_dup}, {"fork", way_fork},
        {"fork_together", way_fork_together}, {"inherit", way_inherit}, {"threads", way_threads},
        {"cancel", way_cancel}, {"short", way_short}, {"syscall", way_syscall}, {"refused", way_refused},
        {"others", way_others}, {"device", way_device}, {"sealed", way_sealed}, {"endless", way_endless}};
    CHECK(count >= 3);
    self = arguments[0];
    path = arguments[1];
    /* Its first bytes are never zero, as those of a track are. */
    fill(getpid() % 200);
    /* Also a device has an end. */
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && (image_size = lseek(fd, 0, SEEK_END)) >= 0 && close(fd) == 0);
    if (strcmp(arguments[2], "inherited") == 0 && count == 4) {
        way_inherited(atoi(arguments[3]));
        return 0;
    }
    if (strcmp(arguments[2], "time") == 0 && count == 4) {
        way_time(atoi(arguments[3]));
        return 0;
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(arguments[2], ways[i].name) == 0) {
            ways[i].way();
            return 0;
        }
    }
    fprintf(stderr, "no way %s\n", arguments[2]);
    return 2;
}
