/* What the hostile programs have in common: volumes and all the other ports as tables of functions of this program, each of
 * which can be told to fail, to lie, or to be slow; and what must be true of the data whatever they do. */
#ifndef WORLD_H
#define WORLD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trackmirror.h"

#define HEADS 10u
#define SLOT 4096u
#define TRACKS_MAX 80u

/* Ends the program, with the place and what was seen. */
#define EXPECT(is_so, ...) \
    do { \
        if (!(is_so)) { \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #is_so); \
            fprintf(stderr, __VA_ARGS__); \
            fprintf(stderr, "\n"); \
            exit(1); \
        } \
    } while (0)

/* Every function of this host. */
enum call {
    VOLUME_READ, VOLUME_WRITE, VOLUME_FLUSH, VOLUME_LOCK,
    STORE_READ, STORE_WRITE, STORE_HEAD,
    SPACE_READ, SPACE_WRITABLE, SPACE_ALLOCATE, SPACE_SCRATCH, SPACE_RENAME, SPACE_UPDATE,
    CATALOG_SOUND, CATALOG_LOCATE, CATALOG_LIST, CATALOG_ADD, CATALOG_RECATALOG, CATALOG_RENAME, CATALOG_REMOVE,
    ENQUEUE_ASK, ENQUEUE_CLOSED, ENQUEUE_HOLD, ENQUEUE_OPEN,
    TIME_NOW, TIME_STEADY,
    CHANNEL_SEND, CHANNEL_RECEIVE,
    CALL_COUNT
};

extern const char *const call_names[CALL_COUNT];

enum how {
    FAILS,            /* gives the code back, and does nothing */
    FAILS_AFTERWARDS, /* does it, and gives the code back */
    LIES              /* gives 0 back, and does nothing; a question gets an answer that cannot be */
};

/* Which call goes wrong. */
struct fault {
    int call; /* -1: none */
    uint64_t at;
    int for_ever;
    enum how how;
    int32_t code;
};

extern struct fault fault;
extern uint64_t called[CALL_COUNT];
extern uint32_t delay_us;
/* What is done inside each call, before its work; and the sink that the library gave last. */
extern void (*hook)(enum call call);
extern tmr_sink *last_sink;

/* How often a table was released; how often it was taken. */
struct owner {
    uint32_t taken, released;
};

/* A volume in this program's memory. */
enum { OLD, NEW, SYS, DISK_COUNT };

struct disk {
    struct owner owner;
    const char *volser;
    uint32_t track_count;
    unsigned char *bytes;
    int is_locked[2];
    uint64_t write_count;
};

/* A checkpoint. */
struct store {
    struct owner owner;
    unsigned char *slots[2];
    size_t lengths[2];
};

/* A VTOC, as the program's own space manager keeps it. */
struct space {
    struct owner owner;
    tmr_dscb dscbs[400];
    uint32_t count;
};

/* A catalog of the program's. */
struct catalog {
    struct owner owner;
    tmr_catalog_entry entries[8];
    uint32_t count;
};

/* Who has data sets open. */
struct desk {
    struct owner owner;
    int is_asked, is_held;
    uint32_t open_count; /* so often somebody is said to have one open */
};

/* What time it is. */
struct clock {
    struct owner owner;
    uint64_t now_us, monotonic_us;
    int64_t step_us;
};

/* Who is told. */
struct listener {
    struct owner owner;
    uint64_t event_count;
    void (*on_event)(void *user, const tmr_event *event);
    void *user;
};

/* Messages that are on their way. */
struct wire {
    struct owner owner;
    struct wire *other;
    unsigned char *messages[256];
    size_t lengths[256];
    uint32_t first, count;
};

/* What a world is made of, beside volumes. */
#define OWN_SPACE 1u
#define OWN_CATALOG 2u
#define OWN_CLOCK 4u
#define OWN_DESK 8u
#define WITH_WIRE 16u
#define TWO_STEPS 32u

struct world {
    uint32_t options;
    struct disk disks[DISK_COUNT];
    struct store store;
    struct space spaces[2];
    struct catalog catalog;
    struct desk desk;
    struct clock clock;
    struct listener listener;
    struct wire here, there;
    uint64_t *area_memory, *far_memory;
    tmr_area *area, *far_area;
    tmr_agent *agent;
    tmr_volume *volumes[DISK_COUNT];
    tmr_host *host;
};

/* The folder in which the volumes lie that worlds are copies of. */
extern const char *folder;
void load(const char *path);

void copy_text(char *to, size_t size, const char *text);
int32_t tell(tmr_error *error, int32_t code, uint32_t reason, const char *text);
void clear_faults(void);

/* The tables. */
tmr_volume_info info_of(const struct disk *disk);
tmr_volume_functions functions_of_disk(struct disk *disk);
tmr_checkpoint_functions functions_of_store(struct store *store);
tmr_space_functions functions_of_space(struct space *space);
tmr_catalog_functions functions_of_catalog(struct catalog *catalog, uint32_t flags);
tmr_enqueue_functions functions_of_desk(struct desk *desk);
tmr_clock_functions functions_of_clock(struct clock *clock);
tmr_event_functions functions_of_listener(struct listener *listener);
tmr_channel_functions functions_of_wire(struct wire *wire);

/* A new world, whose ports are given to its host; with the host's own if a fault hits them, 0 otherwise. */
int32_t world_new(struct world *world, uint32_t options, tmr_error *error);
/* The same ports once more, as a program would after it was started again: same disks, store, catalog. */
int32_t world_open(struct world *world, tmr_error *error);
/* Closes everything, and sees that each table that was taken is released once. */
void world_close(struct world *world);
/* Closes it, and frees what it is made of. */
void world_end(struct world *world);

/* Where a data set is whole: 1 on its source, 2 on the target, added. */
#define AT_SOURCE 1u
#define AT_TARGET 2u
uint32_t where_is(struct world *world, const char *data_set);
/* That no data set has lost anything, whatever state the migration is in. */
void expect_nothing_lost(struct world *world, const char *when);
/* That both data sets are at the target and nowhere else, that the catalog leads there, and nothing else was touched. */
void expect_moved(struct world *world, const char *when);

#endif
