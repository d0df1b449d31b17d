/* monitor: tells the library what a program writes, while the same tracks are copied. To be copied.
 *
 *     cc -std=c99 -o monitor monitor.c $(pkg-config --cflags --libs trackmirror) -lpthread
 *     monitor
 *
 * A program that writes a volume by a way of its own says before each write which tracks it is about to write, and after
 * it that it has: two calls, tmr_image_begin and tmr_image_end, in `write_track` below. That is all. What it writes then
 * is copied again, whenever it writes, and it is kept out for the moment in which the copy takes the source's place.
 *
 * Here everything is in one process: two writers in threads of their own, and the copy beside them. The monitor area,
 * in which it is kept what was written, is memory that the program gives. Where other processes write the volume too,
 * tmr_area_open takes the place of tmr_area_in_memory, and nothing else changes.
 *
 * At the end the program compares the copy with what the writers say they wrote. It ends with 0 if nothing was lost. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trackmirror.h"

enum { CYLINDERS = 8, HEADS = 15, TRACKS = CYLINDERS * HEADS };
/* What is moved: all but the first cylinder. */
enum { FIRST = HEADS, COUNT = TRACKS - HEADS };
enum { WRITERS = 2, RECORD_LENGTH = 4000, STEP_TRACKS = 20, WRITES_MIN = 5000, LOOKS_MAX = 100000 };

static const uint64_t migration[2] = { 0x4D4F4E49544F5231u, 0x0000000000000001u };

/* What all have in common. */
struct world {
    tmr_volume *source, *target;
    tmr_area *area;
    tmr_image *image;
    tmr_subscription *subscription;
    tmr_host *host;
    tmr_table *table;
    tmr_copier *copier;
    void *memory;
    uint32_t slot_size;
};

/* A writer: it has the tracks whose number, divided by WRITERS, leaves its own. */
struct writer {
    struct world *world;
    uint32_t number;
    pthread_t thread;
    pthread_mutex_t mutex;
    uint64_t write_count;
    uint64_t last[TRACKS]; /* what each of its tracks has now */
    int32_t code;
    tmr_error error;
};

/* Prints what a call refused, and gives the code back. */
static int32_t complain(const char *what, int32_t code, const tmr_error *error)
{
    fprintf(stderr, "monitor: %s gave back %" PRId32 ": %s\n", what, code, error->sentence);
    return code;
}

static void nap(void)
{
    struct timespec time = { 0, 200000 };
    nanosleep(&time, NULL);
}

/* ---- The writers' own way to a track ------------------------------------------------------------------------------ */

static unsigned char *put_count(unsigned char *to, uint32_t track, unsigned record, unsigned length)
{
    uint32_t cylinder = track / HEADS, head = track % HEADS;
    to[0] = (unsigned char)(cylinder >> 8), to[1] = (unsigned char)cylinder;
    to[2] = (unsigned char)(head >> 8), to[3] = (unsigned char)head;
    to[4] = (unsigned char)record, to[5] = 0;
    to[6] = (unsigned char)(length >> 8), to[7] = (unsigned char)length;
    return to + 8;
}

/* A track as it lies in a slot: home address, R0, a record full of one number, the end. */
static void build_track(unsigned char *slot, uint32_t slot_size, uint32_t track, uint64_t value)
{
    unsigned char *to = slot + 5;
    size_t i;
    memset(slot, 0, slot_size);
    put_count(slot + 1, track, 0, 0);
    to = put_count(to, track, 0, 8) + 8;
    to = put_count(to, track, 1, RECORD_LENGTH);
    for (i = 0; i < RECORD_LENGTH / sizeof value; i++)
        memcpy(to + i * sizeof value, &value, sizeof value);
    memset(to + RECORD_LENGTH, 0xFF, 8);
}

/* The number in a track, and whether the track has it throughout. */
static int read_value(const unsigned char *slot, uint64_t *value)
{
    const unsigned char *from = slot + 5 + 16 + 8;
    size_t i;
    memcpy(value, from, sizeof *value);
    for (i = 0; i < RECORD_LENGTH / sizeof *value; i++)
        if (memcmp(from + i * sizeof *value, value, sizeof *value) != 0)
            return 0;
    return 1;
}

/* One write, between its begin and its end. A program with a way of its own to the volume does in the middle what it
 * always did; here that is tmr_volume_write. */
static int32_t write_track(struct world *world, uint32_t track, const unsigned char *slot, tmr_error *error)
{
    tmr_write write;
    tmr_error ignored;
    int32_t code = tmr_image_begin(world->image, track, 1, &write, error), ended;
    if (code != TMR_DONE)
        return code; /* it must not happen now */
    code = tmr_volume_write(world->source, track, 1, slot, world->slot_size, error);
    /* Whatever came of it: half a write has changed the track, too. */
    TMR_CLEAR(ignored);
    ended = tmr_image_end(world->image, &write, code == TMR_DONE ? error : &ignored);
    return code != TMR_DONE ? code : ended;
}

/* Writes its tracks again and again, until it is kept out. */
static void *write_tracks(void *argument)
{
    struct writer *writer = argument;
    struct world *world = writer->world;
    unsigned char *slot = malloc(world->slot_size);
    uint64_t value = writer->number, step;
    if (!slot) {
        writer->code = TMR_ENVIRONMENT;
        return NULL;
    }
    for (step = 0; writer->code == TMR_DONE; step++) {
        uint32_t track = (uint32_t)(step * 7 % (TRACKS / WRITERS)) * WRITERS + writer->number;
        value += WRITERS;
        build_track(slot, world->slot_size, track, value);
        writer->code = write_track(world, track, slot, &writer->error);
        if (writer->code == TMR_DONE) {
            pthread_mutex_lock(&writer->mutex);
            writer->last[track] = value;
            writer->write_count++;
            pthread_mutex_unlock(&writer->mutex);
        }
    }
    free(slot);
    return NULL;
}

static uint64_t write_count(struct writer *writers)
{
    uint64_t sum = 0;
    int i;
    for (i = 0; i < WRITERS; i++) {
        pthread_mutex_lock(&writers[i].mutex);
        sum += writers[i].write_count;
        pthread_mutex_unlock(&writers[i].mutex);
    }
    return sum;
}

/* Whether each of them has written each of its tracks. */
static int have_begun(struct writer *writers)
{
    int i, all = 1;
    for (i = 0; i < WRITERS; i++) {
        pthread_mutex_lock(&writers[i].mutex);
        all = all && writers[i].write_count >= TRACKS / WRITERS;
        pthread_mutex_unlock(&writers[i].mutex);
    }
    return all;
}

/* ---- Volumes, area, image, copier ---------------------------------------------------------------------------------- */

#define TRY(call) \
    do { \
        int32_t try_code = (call); \
        if (try_code != TMR_DONE) \
            return complain(#call, try_code, error); \
    } while (0)

static int32_t open_volumes(struct world *world, tmr_error *error)
{
    tmr_volume_info info;
    TMR_CLEAR(info);
    info.cylinders = CYLINDERS;
    strcpy(info.device, "3390");
    strcpy(info.volser, "NEW001");
    TRY(tmr_volume_in_memory(&info, &world->target, error));
    strcpy(info.volser, "OLD001");
    TRY(tmr_volume_in_memory(&info, &world->source, error));
    TRY(tmr_volume_describe(world->source, &info, error));
    world->slot_size = info.slot_size;
    return TMR_DONE;
}

/* The area: as much memory as it needs, cleared, which stays where it is until everything is closed. */
static int32_t open_area(struct world *world, tmr_error *error)
{
    tmr_volume_info info;
    uint64_t length;
    TRY(tmr_area_size(TRACKS, &length, error));
    world->memory = calloc(1, length);
    if (!world->memory) {
        strcpy(error->sentence, "no memory");
        return complain("calloc", TMR_ENVIRONMENT, error);
    }
    TMR_CLEAR(info);
    TRY(tmr_volume_describe(world->source, &info, error));
    TRY(tmr_area_in_memory(world->memory, length, &info, &world->area, error));
    TRY(tmr_image_register(world->area, "WRITERS", TMR_IMAGE_BRACKETS, &world->image, error));
    return TMR_DONE;
}

static tmr_extent extent_on(const char *volser)
{
    tmr_extent extent;
    memset(&extent, 0, sizeof extent);
    strcpy(extent.volser, volser);
    extent.first = FIRST;
    extent.track_count = COUNT;
    return extent;
}

/* A copier that copies what is marked in the subscription: at first everything, then what is written. */
static int32_t open_copier(struct world *world, tmr_error *error)
{
    tmr_extent source = extent_on("OLD001"), target = extent_on("NEW001");
    const tmr_subscription *subscriptions[1];
    tmr_copier_options options;
    int32_t code;
    TRY(tmr_host_new(&world->host, error));
    TRY(tmr_host_add_volume(world->host, world->source, error));
    TRY(tmr_host_add_volume(world->host, world->target, error));
    TRY(tmr_table_map(&source, 1, &target, 1, &world->table, error));
    TRY(tmr_subscription_open(world->area, migration, &world->subscription, error));
    /* The writers are at work already: every write that began before must have ended once. */
    while ((code = tmr_subscription_fill(world->subscription, &source, 1, error)) == TMR_REFUSED
           && error->reason == TMR_R_NOT_FILLED)
        nap();
    if (code != TMR_DONE)
        return complain("tmr_subscription_fill", code, error);
    TMR_CLEAR(options);
    subscriptions[0] = world->subscription;
    options.subscriptions = subscriptions;
    options.subscription_count = 1;
    TRY(tmr_copier_new(world->table, world->host, &options, &world->copier, error));
    return TMR_DONE;
}

/* ---- The copy -------------------------------------------------------------------------------------------------------- */

/* One step: copies some of what is to be copied now. */
static int32_t copy_some(struct world *world, uint64_t *copied, tmr_error *error)
{
    tmr_progress progress;
    int32_t code;
    TMR_CLEAR(progress);
    code = tmr_copier_step(world->copier, STEP_TRACKS, &progress, error);
    *copied += progress.copied;
    if (code == TMR_DONE || code == TMR_MORE)
        return TMR_DONE;
    return complain("tmr_copier_step", code, error);
}

/* Copies beside the writers, and closes the window: from then on the target has everything. */
static int32_t copy(struct world *world, struct writer *writers, uint64_t *copied, tmr_error *error)
{
    tmr_extent source = extent_on("OLD001");
    uint64_t written = write_count(writers);
    int32_t code;
    int looks;
    while (write_count(writers) < written + WRITES_MIN) {
        if ((code = copy_some(world, copied, error)) != TMR_DONE)
            return code;
        nap();
    }
    /* A program that moves something would now ask everybody to close. Whoever writes in spite of that is refused; what
     * has begun is waited for, and copied. */
    TRY(tmr_subscription_seal(world->subscription, &source, 1, error));
    for (looks = 0; looks < LOOKS_MAX; looks++) {
        if ((code = copy_some(world, copied, error)) != TMR_DONE)
            return code;
        code = tmr_subscription_look(world->subscription, &source, 1, error);
        if (code == TMR_DONE)
            return TMR_DONE;
        if (code != TMR_MORE)
            return complain("tmr_subscription_look", code, error);
        nap();
    }
    return complain("tmr_subscription_look", TMR_ENVIRONMENT, error);
}

/* Waits for the writers: each was kept out by the seal, and by nothing else. */
static int32_t join(struct writer *writers)
{
    int32_t code = TMR_DONE;
    int i;
    for (i = 0; i < WRITERS; i++) {
        struct writer *writer = &writers[i];
        if (pthread_join(writer->thread, NULL) != 0)
            return TMR_INTERNAL;
        if (writer->code != TMR_REFUSED || writer->error.reason != TMR_R_VOLUME_SEALED)
            code = complain("a writer", writer->code ? writer->code : TMR_INTERNAL, &writer->error);
    }
    return code;
}

/* That the target has what each writer wrote last, and the library finds source and target equal. */
static int32_t compare(struct world *world, struct writer *writers, tmr_error *error)
{
    tmr_verification *verification = NULL;
    unsigned char *slot = malloc(world->slot_size);
    int32_t code = TMR_DONE;
    uint32_t track, lost = 0;
    if (!slot)
        return TMR_ENVIRONMENT;
    for (track = FIRST; track < FIRST + COUNT && code == TMR_DONE; track++) {
        uint64_t value = 0, last = writers[track % WRITERS].last[track];
        code = tmr_volume_read(world->target, track, 1, slot, world->slot_size, error);
        if (code == TMR_DONE && (!read_value(slot, &value) || value != last)) {
            fprintf(stderr, "monitor: track %" PRIu32 " has %" PRIu64 ", and %" PRIu64 " was written\n", track, value, last);
            lost++;
        }
    }
    free(slot);
    if (code != TMR_DONE)
        return complain("tmr_volume_read", code, error);
    code = tmr_verify(world->table, world->host, 0, &verification, error);
    tmr_verification_close(&verification);
    if (code != TMR_DONE)
        return complain("tmr_verify", code, error);
    return lost ? TMR_INTERNAL : TMR_DONE;
}

static int32_t run(struct world *world, struct writer *writers, tmr_error *error)
{
    uint64_t copied = 0;
    int32_t code, joined;
    int i, started;
    if ((code = open_volumes(world, error)) != TMR_DONE || (code = open_area(world, error)) != TMR_DONE)
        return code;
    for (started = 0; started < WRITERS; started++) {
        struct writer *writer = &writers[started];
        writer->world = world;
        writer->number = (uint32_t)started;
        TMR_CLEAR(writer->error);
        if (pthread_mutex_init(&writer->mutex, NULL) != 0
            || pthread_create(&writer->thread, NULL, write_tracks, writer) != 0) {
            fprintf(stderr, "monitor: cannot start a thread\n");
            exit(TMR_ENVIRONMENT); /* with the others at work */
        }
    }
    while (!have_begun(writers))
        nap();
    if ((code = open_copier(world, error)) != TMR_DONE || (code = copy(world, writers, &copied, error)) != TMR_DONE)
        exit(code); /* the writers are still at work */
    if ((joined = join(writers)) != TMR_DONE)
        return joined;
    printf("monitor: %" PRIu64 " writes, %" PRIu64 " tracks copied to have %d\n", write_count(writers), copied, COUNT);
    for (i = 0; i < WRITERS; i++)
        pthread_mutex_destroy(&writers[i].mutex);
    return compare(world, writers, error);
}

/* Closes everything, the memory last. Every one of these calls takes what was never opened, too. */
static int32_t close_all(struct world *world)
{
    int32_t codes[8], worst = TMR_DONE;
    size_t i;
    codes[0] = tmr_copier_close(&world->copier);
    codes[1] = tmr_subscription_close(&world->subscription);
    codes[2] = tmr_table_close(&world->table);
    codes[3] = tmr_host_close(&world->host);
    codes[4] = tmr_image_close(&world->image);
    codes[5] = tmr_area_close(&world->area);
    codes[6] = tmr_volume_close(&world->source);
    codes[7] = tmr_volume_close(&world->target);
    for (i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] > worst)
            worst = codes[i];
    if (worst == TMR_DONE)
        free(world->memory);
    return worst;
}

int main(void)
{
    static struct world world;
    static struct writer writers[WRITERS];
    tmr_error error;
    int32_t code, closed;
    TMR_CLEAR(error);
    code = run(&world, writers, &error);
    closed = close_all(&world);
    if (code == TMR_DONE && closed == TMR_DONE)
        printf("monitor: nothing was lost\n");
    return code != TMR_DONE ? code : closed;
}
