/* Volumes of the example `migrate`: plain CKD images (CKD_P370) that this program reads, writes, flushes and locks by itself.
 *
 * A storage-management product has its own way to a track; it gives it to the library as a table of functions, and
 * keeps everything else that it knows of its volumes. An image is a header of 512 bytes, then each track in a slot of the
 * same size. The library wants nothing of all that but the slots. */
#define _GNU_SOURCE /* F_OFD_SETLK: locks that belong to an open file, not to a process */
#define _FILE_OFFSET_BITS 64

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migrate.h"

enum { HEADER_SIZE = 512, LOCK_SECONDS = 30 };

struct file_volume {
    int file;
    tmr_image *image; /* how our writes are told; NULL if nobody else writes */
    pthread_mutex_t mutexes[2];
    tmr_volume_info info;
};

/* The lock of a whole volume, of its VTOC and of its catalog: three bytes far behind the end of every file. These are
 * the library's own, so that its command, and every program that opens the image by tmr_volume_open, is kept out too. */
static int lock_byte(int file, uint32_t lock, short type)
{
    struct flock byte = { 0 };
    byte.l_type = type;
    byte.l_whence = SEEK_SET;
    byte.l_start = ((off_t)1 << 62) + (off_t)lock;
    byte.l_len = 1;
    return fcntl(file, F_OFD_SETLK, &byte);
}

static int32_t volume_read(void *user, uint32_t first, uint32_t track_count, void *buffer, uint64_t length,
                           tmr_error *error)
{
    struct file_volume *volume = user;
    off_t offset = HEADER_SIZE + (off_t)first * volume->info.slot_size;
    char *to = buffer;
    (void)track_count; /* the length says the same */
    while (length > 0) {
        ssize_t count = pread(volume->file, to, length, offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return tell(error, TMR_ENVIRONMENT, "cannot read %s: %s", volume->info.location,
                        count ? strerror(errno) : "the file ends here");
        to += count, offset += count, length -= (uint64_t)count;
    }
    return TMR_DONE;
}

static int32_t write_all(struct file_volume *volume, const char *from, uint64_t length, off_t offset, tmr_error *error)
{
    while (length > 0) {
        ssize_t count = pwrite(volume->file, from, length, offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return tell(error, TMR_ENVIRONMENT, "cannot write %s: %s", volume->info.location, strerror(errno));
        from += count, offset += count, length -= (uint64_t)count;
    }
    return TMR_DONE;
}

static int32_t volume_write(void *user, uint32_t first, uint32_t track_count, const void *buffer, uint64_t length,
                            tmr_error *error)
{
    struct file_volume *volume = user;
    off_t offset = HEADER_SIZE + (off_t)first * volume->info.slot_size;
    tmr_write write = { 0, 0 };
    int32_t code;
    if (!volume->image)
        return write_all(volume, buffer, length, offset, error);
    /* Before and after, whatever comes of it: half a write has changed the track, too. */
    code = tmr_image_begin(volume->image, first, track_count, &write, error);
    if (code == TMR_DONE) {
        code = write_all(volume, buffer, length, offset, error);
        tmr_image_end(volume->image, &write, NULL);
    }
    return code;
}

static int32_t volume_flush(void *user, tmr_error *error)
{
    struct file_volume *volume = user;
    if (fsync(volume->file) != 0)
        return tell(error, TMR_ENVIRONMENT, "cannot flush %s: %s", volume->info.location, strerror(errno));
    return TMR_DONE;
}

/* Locks of an open file do not keep threads of this process apart; the mutex does. It is waited for, but not for ever. */
static int32_t volume_lock(void *user, uint32_t lock, tmr_error *error)
{
    struct file_volume *volume = user;
    int tries;
    pthread_mutex_lock(&volume->mutexes[lock - 1]);
    for (tries = 0; tries < LOCK_SECONDS * 100; tries++) {
        if (lock_byte(volume->file, lock, volume->info.flags & TMR_VOLUME_WRITABLE ? F_WRLCK : F_RDLCK) == 0)
            return TMR_DONE;
        if (errno != EAGAIN && errno != EACCES)
            break;
        nap(10000);
    }
    tell(error, TMR_ENVIRONMENT, "cannot lock %s: %s", volume->info.location, strerror(errno));
    pthread_mutex_unlock(&volume->mutexes[lock - 1]);
    return TMR_ENVIRONMENT;
}

static void volume_unlock(void *user, uint32_t lock)
{
    struct file_volume *volume = user;
    lock_byte(volume->file, lock, F_UNLCK);
    pthread_mutex_unlock(&volume->mutexes[lock - 1]);
}

/* The library calls it once, when nothing made with the volume needs it any more. */
static void volume_release(void *user)
{
    struct file_volume *volume = user;
    tmr_image_close(&volume->image);
    close(volume->file); /* and with it the locks */
    free(volume);
}

/* Another process that has a file open for writing, or 0. Emulators take no locks, so the system is asked. */
static long other_writer(const struct stat *file)
{
    char path[128], text[512];
    DIR *processes = opendir("/proc"), *descriptors;
    struct dirent *process, *descriptor;
    struct stat open_file;
    long found = 0;
    while (processes && !found && (process = readdir(processes))) {
        long id = strtol(process->d_name, NULL, 10);
        snprintf(path, sizeof path, "/proc/%ld/fd", id);
        if (id == 0 || id == (long)getpid() || !(descriptors = opendir(path)))
            continue;
        while (!found && (descriptor = readdir(descriptors))) {
            unsigned flags;
            const char *at;
            FILE *about;
            snprintf(path, sizeof path, "/proc/%ld/fd/%.20s", id, descriptor->d_name);
            if (stat(path, &open_file) != 0 || open_file.st_dev != file->st_dev || open_file.st_ino != file->st_ino)
                continue;
            snprintf(path, sizeof path, "/proc/%ld/fdinfo/%.20s", id, descriptor->d_name);
            if (!(about = fopen(path, "r")))
                continue;
            text[fread(text, 1, sizeof text - 1, about)] = 0;
            fclose(about);
            at = strstr(text, "flags:");
            if (at && sscanf(at, "flags: %o", &flags) == 1 && (flags & O_ACCMODE) != O_RDONLY)
                found = id;
        }
        closedir(descriptors);
    }
    if (processes)
        closedir(processes);
    return found;
}

/* Device codes of image headers, and what they are. */
static const struct { unsigned char code; const char *device; } devices[] = {
    { 0x05, "2305" }, { 0x11, "2311" }, { 0x14, "2314" }, { 0x30, "3330" }, { 0x40, "3340" }, { 0x50, "3350" },
    { 0x75, "3375" }, { 0x80, "3380" }, { 0x90, "3390" }, { 0x45, "9345" },
};

static uint32_t little_endian(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* A serial of EBCDIC characters as the library takes it: as text, or, if it has other characters, as X'E5D6D3F0F05B'. */
static void show_serial(const unsigned char *from, char *to)
{
    int i, is_text = 1;
    for (i = 0; i < 6; i++) {
        static const char letters[] = "ABCDEFGHI.......JKLMNOPQR........STUVWXYZ";
        unsigned char code = from[i];
        to[i] = code >= 0xF0 && code <= 0xF9 ? (char)('0' + code - 0xF0)
                : code >= 0xC1 && code <= 0xE9 ? letters[code - 0xC1] : '.';
        is_text &= to[i] != '.';
    }
    to[6] = 0;
    if (!is_text)
        sprintf(to, "X'%02X%02X%02X%02X%02X%02X'", from[0], from[1], from[2], from[3], from[4], from[5]);
}

/* The volume's serial, from its label: record 3 of track 0. */
static int read_volser(const unsigned char *track, uint32_t length, char *volser)
{
    static const unsigned char vol1[] = { 0xE5, 0xD6, 0xD3, 0xF1 };
    uint32_t at = 5; /* behind the home address */
    while (at + 8 <= length && track[at + 4] != 0xFF) {
        uint32_t data = at + 8 + track[at + 5];
        uint32_t end = data + ((uint32_t)track[at + 6] << 8 | track[at + 7]);
        if (end > length)
            break;
        if (track[at + 4] == 3 && end - data >= 80 && memcmp(track + data, vol1, 4) == 0) {
            show_serial(track + data + 4, volser);
            return 0;
        }
        at = end;
    }
    return -1;
}

/* Reads header and label of an image, and fills in what the library must know. */
static int32_t describe(struct file_volume *volume, const char *path, enum use use, tmr_error *error)
{
    unsigned char header[HEADER_SIZE], *track;
    tmr_volume_info *info = &volume->info;
    struct stat file;
    uint64_t cylinder_size;
    size_t i;
    info->size = sizeof *info;
    if (snprintf(info->location, sizeof info->location, "%s", path) >= (int)sizeof info->location)
        return tell(error, TMR_REFUSED, "%s is too long a path", path);
    if (fstat(volume->file, &file) != 0 || pread(volume->file, header, HEADER_SIZE, 0) != HEADER_SIZE)
        return tell(error, TMR_REFUSED, "%s has no header of a volume image", path);
    if (memcmp(header, "CKD_P370", 8) != 0 || header[17] > 1)
        return tell(error, TMR_REFUSED, "%s is not a plain image in one file (CKD_P370)", path);
    for (i = 0; i < sizeof devices / sizeof *devices; i++)
        if (devices[i].code == header[16])
            strcpy(info->device, devices[i].device);
    info->slot_size = little_endian(header + 12);
    cylinder_size = (uint64_t)info->slot_size * little_endian(header + 8);
    if (cylinder_size == 0 || cylinder_size > 1 << 24 || ((uint64_t)file.st_size - HEADER_SIZE) % cylinder_size != 0)
        return tell(error, TMR_REFUSED, "%s does not have whole cylinders", path);
    info->cylinders = (uint32_t)(((uint64_t)file.st_size - HEADER_SIZE) / cylinder_size);
    /* A file: by it the library finds the area of its monitors, and leaves a note beside it until the migration ends. */
    info->flags = TMR_VOLUME_FILE | (use == LOOK ? 0 : TMR_VOLUME_WRITABLE);
    if (!(track = malloc(volume->info.slot_size)))
        return tell(error, TMR_ENVIRONMENT, "no memory");
    i = pread(volume->file, track, volume->info.slot_size, HEADER_SIZE) == (ssize_t)volume->info.slot_size
        && read_volser(track, volume->info.slot_size, info->volser) == 0;
    free(track);
    return i ? TMR_DONE : tell(error, TMR_REFUSED, "%s has no label VOL1 on its first track", path);
}

int32_t open_volume(const char *path, enum use use, struct file_volume **opened, tmr_volume **volume, tmr_error *error)
{
    struct file_volume *own = calloc(1, sizeof *own);
    tmr_volume_functions functions = { .size = sizeof functions, .version = TMR_TABLE_VERSION };
    struct stat file;
    long writer;
    int32_t code = TMR_DONE;
    if (!own)
        return tell(error, TMR_ENVIRONMENT, "no memory");
    pthread_mutex_init(&own->mutexes[0], NULL);
    pthread_mutex_init(&own->mutexes[1], NULL);
    own->file = open(path, (use == LOOK ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (own->file < 0 || fstat(own->file, &file) != 0)
        code = tell(error, TMR_REFUSED, "cannot open %s: %s", path, strerror(errno));
    else
        code = describe(own, path, use, error);
    if (code == TMR_DONE && lock_byte(own->file, 0, use == ALONE ? F_WRLCK : F_RDLCK) != 0)
        code = tell(error, TMR_REFUSED, "%s (%s) is in use by another program; let that end first", own->info.volser,
                    path);
    if (code == TMR_DONE && use == ALONE && (writer = other_writer(&file)) != 0)
        code = tell(error, TMR_REFUSED, "%s (%s) is open for writing by process %ld; detach the volume there, or start "
                    "that program by `trackmirror monitored`, and give its image with --image", own->info.volser, path,
                    writer);
    functions.user = own;
    functions.release = volume_release;
    functions.read = volume_read;
    functions.write = use == LOOK ? NULL : volume_write;
    functions.flush = volume_flush;
    functions.lock = volume_lock;
    functions.unlock = volume_unlock;
    if (code == TMR_DONE)
        code = tmr_volume_of_host(&own->info, &functions, volume, error);
    if (code == TMR_DONE)
        *opened = own;
    else if (own->file >= 0)
        volume_release(own); /* the library has not taken it */
    else
        free(own);
    return code;
}

int is_same_image(const struct file_volume *volume, const char *path)
{
    struct stat file, other;
    return stat(path, &file) == 0 && fstat(volume->file, &other) == 0 && file.st_dev == other.st_dev
           && file.st_ino == other.st_ino;
}

/* This program is an image on the volume, too: the name must not be that of one that lives. */
int32_t tell_monitor(struct file_volume *volume, const tmr_area *area, tmr_error *error)
{
    char name[64];
    snprintf(name, sizeof name, "MIGRATE-%ld", (long)getpid());
    return tmr_image_register(area, name, TMR_IMAGE_BRACKETS, &volume->image, error);
}
