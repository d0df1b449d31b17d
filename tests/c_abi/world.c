#include "world.h"

#include <pthread.h>
#include <time.h>

const char *const call_names[CALL_COUNT] = {
    "volume.read", "volume.write", "volume.flush", "volume.lock",
    "checkpoint.read", "checkpoint.write", "checkpoint.write_head",
    "space.read", "space.check_writable", "space.allocate", "space.scratch", "space.rename", "space.update",
    "catalog.check_sound", "catalog.locate", "catalog.list", "catalog.add", "catalog.recatalog", "catalog.rename",
    "catalog.remove",
    "enqueue.ask_to_close", "enqueue.is_closed", "enqueue.hold", "enqueue.let_open",
    "clock.now", "clock.monotonic",
    "channel.send", "channel.receive",
};

struct fault fault = {-1, 0, 0, FAILS, 0};
uint64_t called[CALL_COUNT];
uint32_t delay_us;
const char *folder;
void (*hook)(enum call call);
tmr_sink *last_sink;

void clear_faults(void)
{
    fault.call = -1;
    memset(called, 0, sizeof called);
}

void copy_text(char *to, size_t size, const char *text)
{
    size_t length = strlen(text);
    EXPECT(length < size, "'%s' is too long", text);
    memset(to, 0, size);
    memcpy(to, text, length);
}

int32_t tell(tmr_error *error, int32_t code, uint32_t reason, const char *text)
{
    error->code = code;
    error->reason = reason;
    copy_text(error->sentence, sizeof error->sentence, text);
    return code;
}

/* Another machine is another thread. */
static pthread_mutex_t desk_of_all = PTHREAD_MUTEX_INITIALIZER;

/* What becomes of a call: the code that it gives back, and whether it does its work. */
static int32_t begin(enum call call, tmr_error *error, int *does)
{
    if (delay_us) {
        struct timespec wait = {0, (long)delay_us * 1000};
        nanosleep(&wait, NULL);
    }
    pthread_mutex_lock(&desk_of_all);
    uint64_t number = ++called[call];
    pthread_mutex_unlock(&desk_of_all);
    if (hook)
        hook(call);
    *does = 1;
    if (fault.call != (int)call || number < fault.at || (number > fault.at && !fault.for_ever))
        return 0;
    *does = fault.how == FAILS_AFTERWARDS;
    if (fault.how == LIES)
        return 0;
    return tell(error, fault.code, 0, "this host was told to fail");
}

static int lies(enum call call)
{
    return fault.call == (int)call && fault.how == LIES
        && (called[call] == fault.at || (fault.for_ever && called[call] > fault.at));
}

static void release(void *user)
{
    struct owner *owner = user;
    owner->released++;
    EXPECT(owner->released <= owner->taken, "a table is released %u times", owner->released);
}

/* ---- volumes */

static int32_t volume_read(void *user, uint32_t first, uint32_t track_count, void *buffer, uint64_t length,
                           tmr_error *error)
{
    struct disk *disk = user;
    int does;
    int32_t code = begin(VOLUME_READ, error, &does);
    EXPECT(length == (uint64_t)track_count * SLOT && (uint64_t)first + track_count <= disk->track_count, "read %u+%u",
           (unsigned)first, (unsigned)track_count);
    if (does)
        memcpy(buffer, disk->bytes + (size_t)first * SLOT, (size_t)length);
    return code;
}

static int32_t volume_write(void *user, uint32_t first, uint32_t track_count, const void *buffer, uint64_t length,
                            tmr_error *error)
{
    struct disk *disk = user;
    int does;
    int32_t code = begin(VOLUME_WRITE, error, &does);
    EXPECT(length == (uint64_t)track_count * SLOT && (uint64_t)first + track_count <= disk->track_count, "write %u+%u",
           (unsigned)first, (unsigned)track_count);
    disk->write_count++;
    if (does)
        memcpy(disk->bytes + (size_t)first * SLOT, buffer, (size_t)length);
    return code;
}

static int32_t volume_flush(void *user, tmr_error *error)
{
    int does;
    (void)user;
    return begin(VOLUME_FLUSH, error, &does);
}

static int32_t volume_lock(void *user, uint32_t lock, tmr_error *error)
{
    struct disk *disk = user;
    int does;
    int32_t code = begin(VOLUME_LOCK, error, &does);
    EXPECT(lock == TMR_LOCK_VTOC || lock == TMR_LOCK_CATALOG, "lock %u", (unsigned)lock);
    if (code == 0) {
        EXPECT(!disk->is_locked[lock - 1], "%s is locked twice", disk->volser);
        disk->is_locked[lock - 1] = 1;
    }
    return code;
}

static void volume_unlock(void *user, uint32_t lock)
{
    struct disk *disk = user;
    EXPECT(lock >= 1 && lock <= 2 && disk->is_locked[lock - 1], "%s is unlocked twice", disk->volser);
    disk->is_locked[lock - 1] = 0;
}

tmr_volume_info info_of(const struct disk *disk)
{
    tmr_volume_info info;
    TMR_CLEAR(info);
    info.cylinders = disk->track_count / HEADS;
    info.flags = TMR_VOLUME_WRITABLE | TMR_VOLUME_PAST_CACHES;
    info.slot_size = SLOT;
    copy_text(info.volser, sizeof info.volser, disk->volser);
    copy_text(info.device, sizeof info.device, "2311");
    copy_text(info.location, sizeof info.location, disk->volser);
    return info;
}

tmr_volume_functions functions_of_disk(struct disk *disk)
{
    tmr_volume_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = disk;
    functions.release = release;
    functions.read = volume_read;
    functions.write = volume_write;
    functions.flush = volume_flush;
    functions.lock = volume_lock;
    functions.unlock = volume_unlock;
    return functions;
}

/* ---- checkpoints */

static int32_t store_read(void *user, uint32_t slot, tmr_sink *sink, tmr_error *error)
{
    struct store *store = user;
    int does;
    last_sink = sink;
    int32_t code = begin(STORE_READ, error, &does);
    EXPECT(slot < 2, "slot %u", (unsigned)slot);
    if (lies(STORE_READ))
        return tmr_sink_put(sink, "no checkpoint at all, but bytes", 31, error);
    if (does && store->slots[slot]) {
        size_t half = store->lengths[slot] / 2;
        int32_t put = tmr_sink_put(sink, store->slots[slot], half, error);
        if (put == 0)
            put = tmr_sink_put(sink, store->slots[slot] + half, store->lengths[slot] - half, error);
        if (put != 0)
            return put;
    }
    return code;
}

static int32_t store_write(void *user, uint32_t slot, const void *data, uint64_t length, tmr_error *error)
{
    struct store *store = user;
    int does;
    int32_t code = begin(STORE_WRITE, error, &does);
    EXPECT(slot < 2, "slot %u", (unsigned)slot);
    if (does) {
        store->slots[slot] = realloc(store->slots[slot], (size_t)length + 1);
        EXPECT(store->slots[slot] != NULL, "memory");
        memcpy(store->slots[slot], data, (size_t)length);
        store->lengths[slot] = (size_t)length;
    }
    return code;
}

static int32_t store_write_head(void *user, uint32_t slot, const void *data, uint64_t length, tmr_error *error)
{
    struct store *store = user;
    int does;
    int32_t code = begin(STORE_HEAD, error, &does);
    EXPECT(slot < 2 && (length <= store->lengths[slot] || fault.how == LIES), "slot %u has no %llu bytes", (unsigned)slot,
           (unsigned long long)length);
    if (length > store->lengths[slot])
        return tell(error, 12, 0, "so much was never written");
    if (does)
        memcpy(store->slots[slot], data, (size_t)length);
    return code;
}

tmr_checkpoint_functions functions_of_store(struct store *store)
{
    tmr_checkpoint_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = store;
    functions.release = release;
    functions.read = store_read;
    functions.write = store_write;
    functions.write_head = store_write_head;
    copy_text(functions.location, sizeof functions.location, "the hostile host's store");
    return functions;
}

/* ---- space */

static tmr_dscb *find_format1(struct space *space, const char *name)
{
    for (uint32_t i = 0; i < space->count; i++) {
        const unsigned char *bytes = space->dscbs[i].bytes;
        unsigned char key[44];
        memset(key, 0x40, sizeof key);
        for (size_t k = 0; name[k] && k < sizeof key; k++) {
            char c = name[k];
            key[k] = (unsigned char)(c == '.' ? 0x4B
                                              : c == '$'             ? 0x5B
                                              : c >= 'A' && c <= 'I' ? 0xC1 + c - 'A'
                                              : c >= 'J' && c <= 'R' ? 0xD1 + c - 'J'
                                              : c >= 'S' && c <= 'Z' ? 0xE2 + c - 'S'
                                                                     : 0xF0 + c - '0');
        }
        if (bytes[44] == 0xF1 && memcmp(bytes, key, sizeof key) == 0)
            return &space->dscbs[i];
    }
    return NULL;
}

static int32_t space_read(void *user, tmr_sink *sink, tmr_error *error)
{
    struct space *space = user;
    int does;
    last_sink = sink;
    int32_t code = begin(SPACE_READ, error, &does);
    for (uint32_t i = 0; does && i < space->count; i++) {
        int32_t put = tmr_sink_put(sink, &space->dscbs[i], sizeof space->dscbs[i], error);
        if (put != 0)
            return put;
    }
    if (lies(SPACE_READ)) {
        tmr_dscb none = space->dscbs[0];
        none.track = 0xFFFFFFF0u;
        return tmr_sink_put(sink, &none, sizeof none, error);
    }
    return code;
}

static int32_t space_check_writable(void *user, tmr_error *error)
{
    int does;
    (void)user;
    return begin(SPACE_WRITABLE, error, &does);
}

static int32_t space_allocate(void *user, const tmr_dscb *format1, const tmr_extent *extents, uint32_t extent_count,
                              tmr_error *error)
{
    struct space *space = user;
    int does;
    int32_t code = begin(SPACE_ALLOCATE, error, &does);
    if (!does)
        return code;
    tmr_dscb *free_one = NULL;
    for (uint32_t i = 0; i < space->count && !free_one; i++) {
        static const unsigned char nothing[140];
        if (memcmp(space->dscbs[i].bytes, nothing, sizeof nothing) == 0)
            free_one = &space->dscbs[i];
    }
    if (!free_one || extent_count > 3)
        return tell(error, 8, 0, "there is no room for it");
    memcpy(free_one->bytes, format1->bytes, sizeof free_one->bytes);
    memset(free_one->bytes + 105, 0, 35);
    free_one->bytes[59] = (unsigned char)extent_count;
    for (uint32_t i = 0; i < extent_count; i++) {
        uint32_t ends[2];
        unsigned char *at = free_one->bytes + 105 + 10 * i;
        ends[0] = extents[i].first;
        ends[1] = extents[i].first + extents[i].track_count - 1;
        at[0] = 1;
        at[1] = (unsigned char)i;
        for (uint32_t k = 0; k < 2; k++) {
            at[2 + 4 * k] = (unsigned char)(ends[k] / HEADS >> 8);
            at[3 + 4 * k] = (unsigned char)(ends[k] / HEADS);
            at[5 + 4 * k] = (unsigned char)(ends[k] % HEADS);
        }
    }
    return code;
}

static int32_t space_scratch(void *user, const tmr_identity *identity, uint32_t today, tmr_error *error)
{
    struct space *space = user;
    int does;
    int32_t code = begin(SPACE_SCRATCH, error, &does);
    tmr_dscb *found = find_format1(space, identity->name);
    (void)today;
    if (!does)
        return code;
    if (!found)
        return tell(error, 8, TMR_R_NAME_NOT_FOUND, "it is not there");
    memset(found->bytes, 0, sizeof found->bytes);
    return code;
}

static int32_t space_rename(void *user, const tmr_identity *identity, const char *name, tmr_error *error)
{
    int does;
    (void)user;
    (void)identity;
    (void)name;
    int32_t code = begin(SPACE_RENAME, error, &does);
    return does && code == 0 ? tell(error, 8, 0, "this host renames nothing") : code;
}

static int32_t space_update(void *user, const tmr_identity *identity, const tmr_dscb *format1, tmr_error *error)
{
    struct space *space = user;
    int does;
    int32_t code = begin(SPACE_UPDATE, error, &does);
    tmr_dscb *found = find_format1(space, identity->name);
    if (!does)
        return code;
    if (!found)
        return tell(error, 8, TMR_R_NAME_NOT_FOUND, "it is not there");
    memcpy(found->bytes + 45, format1->bytes + 45, 14);
    memcpy(found->bytes + 60, format1->bytes + 60, 45);
    return code;
}

tmr_space_functions functions_of_space(struct space *space)
{
    tmr_space_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = space;
    functions.release = release;
    functions.read = space_read;
    functions.check_writable = space_check_writable;
    functions.allocate = space_allocate;
    functions.scratch = space_scratch;
    functions.rename = space_rename;
    functions.update = space_update;
    return functions;
}

/* ---- catalogs */

static tmr_catalog_entry *find_entry(struct catalog *catalog, const char *name)
{
    for (uint32_t i = 0; i < catalog->count; i++)
        if (strcmp(catalog->entries[i].name, name) == 0)
            return &catalog->entries[i];
    return NULL;
}

static int32_t catalog_sound(void *user, tmr_error *error)
{
    int does;
    (void)user;
    return begin(CATALOG_SOUND, error, &does);
}

static int32_t catalog_locate(void *user, const char *name, tmr_catalog_entry *entry, tmr_error *error)
{
    struct catalog *catalog = user;
    int does;
    int32_t code = begin(CATALOG_LOCATE, error, &does);
    tmr_catalog_entry *found = find_entry(catalog, name);
    if (lies(CATALOG_LOCATE)) {
        *entry = catalog->entries[0];
        copy_text(entry->name, sizeof entry->name, "ANOTHER.NAME");
        return 0;
    }
    if (does && found)
        *entry = *found;
    return code == 0 && !found ? 4 : code;
}

static int32_t catalog_list(void *user, const char *mask, tmr_sink *sink, tmr_error *error)
{
    struct catalog *catalog = user;
    int does;
    last_sink = sink;
    int32_t code = begin(CATALOG_LIST, error, &does);
    size_t length = strcspn(mask, "*");
    for (uint32_t i = 0; i < catalog->count; i++) {
        tmr_catalog_entry entry = catalog->entries[i];
        int is_selected = mask[length] ? strncmp(entry.name, mask, length) == 0 : strcmp(entry.name, mask) == 0;
        if (lies(CATALOG_LIST))
            copy_text(entry.name, sizeof entry.name, "ANOTHER.NAME");
        if (lies(CATALOG_LIST) || (is_selected && does)) {
            int32_t put = tmr_sink_put(sink, &entry, sizeof entry, error);
            if (put != 0)
                return put;
        }
    }
    return code;
}

static int32_t catalog_add(void *user, const tmr_catalog_entry *entry, tmr_error *error)
{
    struct catalog *catalog = user;
    int does;
    int32_t code = begin(CATALOG_ADD, error, &does);
    if (does)
        catalog->entries[catalog->count++] = *entry;
    return code;
}

static int32_t catalog_recatalog(void *user, const tmr_catalog_entry *from, const tmr_catalog_entry *to,
                                 tmr_error *error)
{
    struct catalog *catalog = user;
    int does;
    int32_t code = begin(CATALOG_RECATALOG, error, &does);
    tmr_catalog_entry *found = find_entry(catalog, to->name);
    if (!does)
        return code;
    if (from && (!found || strcmp(found->volumes[0].volser, from->volumes[0].volser) != 0))
        return tell(error, 8, 0, "it says something else");
    if (!found)
        found = &catalog->entries[catalog->count++];
    *found = *to;
    return code;
}

static int32_t catalog_rename(void *user, const char *from, const char *to, tmr_error *error)
{
    struct catalog *catalog = user;
    int does;
    int32_t code = begin(CATALOG_RENAME, error, &does);
    tmr_catalog_entry *found = find_entry(catalog, from);
    if (does && found)
        copy_text(found->name, sizeof found->name, to);
    return code;
}

static int32_t catalog_remove(void *user, const char *name, tmr_error *error)
{
    struct catalog *catalog = user;
    int does;
    int32_t code = begin(CATALOG_REMOVE, error, &does);
    tmr_catalog_entry *found = find_entry(catalog, name);
    if (does && found)
        *found = catalog->entries[--catalog->count];
    return code;
}

tmr_catalog_functions functions_of_catalog(struct catalog *catalog, uint32_t flags)
{
    tmr_catalog_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = catalog;
    functions.release = release;
    functions.flags = flags;
    copy_text(functions.name, sizeof functions.name, "THE.HOSTS.CATALOG");
    functions.check_sound = catalog_sound;
    functions.locate = catalog_locate;
    functions.list = catalog_list;
    functions.add = catalog_add;
    functions.recatalog = catalog_recatalog;
    functions.rename = catalog_rename;
    functions.remove = catalog_remove;
    return functions;
}

/* ---- who has data sets open */

static int32_t desk_ask(void *user, const tmr_names *names, tmr_error *error)
{
    struct desk *desk = user;
    int does;
    int32_t code = begin(ENQUEUE_ASK, error, &does);
    EXPECT(names->size == sizeof *names && names->data_set_count > 0, "names");
    if (does)
        desk->is_asked = 1;
    return code;
}

static int32_t desk_is_closed(void *user, const tmr_names *names, tmr_sink *sink, tmr_error *error)
{
    struct desk *desk = user;
    int does;
    last_sink = sink;
    int32_t code = begin(ENQUEUE_CLOSED, error, &does);
    tmr_opener opener;
    TMR_CLEAR(opener);
    copy_text(opener.program, sizeof opener.program, "PAYROLL");
    copy_text(opener.data_set, sizeof opener.data_set, names->data_sets[0]);
    if (lies(ENQUEUE_CLOSED)) {
        copy_text(opener.data_set, sizeof opener.data_set, "ANOTHER.NAME");
        return tmr_sink_put(sink, &opener, sizeof opener, error);
    }
    if (desk->open_count > 0) {
        desk->open_count--;
        int32_t put = tmr_sink_put(sink, &opener, sizeof opener, error);
        if (put != 0)
            return put;
    }
    return code;
}

static int32_t desk_hold(void *user, const tmr_names *names, tmr_error *error)
{
    struct desk *desk = user;
    int does;
    int32_t code = begin(ENQUEUE_HOLD, error, &does);
    (void)names;
    if (does)
        desk->is_held = 1;
    return code;
}

static int32_t desk_let_open(void *user, const tmr_names *names, tmr_error *error)
{
    struct desk *desk = user;
    int does;
    int32_t code = begin(ENQUEUE_OPEN, error, &does);
    (void)names;
    if (does)
        desk->is_asked = desk->is_held = 0;
    return code;
}

tmr_enqueue_functions functions_of_desk(struct desk *desk)
{
    tmr_enqueue_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = desk;
    functions.release = release;
    functions.ask_to_close = desk_ask;
    functions.is_closed = desk_is_closed;
    functions.hold = desk_hold;
    functions.let_open = desk_let_open;
    return functions;
}

/* ---- clocks */

static int32_t clock_now(void *user, uint64_t *time_us, tmr_error *error)
{
    struct clock *clock = user;
    int does;
    int32_t code = begin(TIME_NOW, error, &does);
    clock->now_us += (uint64_t)clock->step_us;
    if (does)
        *time_us = clock->now_us;
    return code;
}

static int32_t clock_monotonic(void *user, uint64_t *time_us, tmr_error *error)
{
    struct clock *clock = user;
    int does;
    int32_t code = begin(TIME_STEADY, error, &does);
    clock->monotonic_us += (uint64_t)clock->step_us;
    if (does)
        *time_us = clock->monotonic_us;
    return code;
}

tmr_clock_functions functions_of_clock(struct clock *clock)
{
    tmr_clock_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = clock;
    functions.release = release;
    functions.now = clock_now;
    functions.monotonic = clock_monotonic;
    return functions;
}

/* ---- events */

static void hear(void *user, const tmr_event *event)
{
    struct listener *listener = user;
    EXPECT(event->size == sizeof *event && event->kind > 0 && event->sentence[0], "an event %u", (unsigned)event->kind);
    listener->event_count++;
    if (listener->on_event)
        listener->on_event(listener->user, event);
}

tmr_event_functions functions_of_listener(struct listener *listener)
{
    tmr_event_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = listener;
    functions.release = release;
    functions.event = hear;
    return functions;
}

/* ---- channels */

static void wire_clear(struct wire *wire)
{
    while (wire->count > 0) {
        free(wire->messages[wire->first]);
        wire->first = (wire->first + 1) % 256;
        wire->count--;
    }
}

static int32_t wire_send(void *user, const void *message, uint64_t length, tmr_error *error)
{
    struct wire *to = ((struct wire *)user)->other;
    int does;
    int32_t code = begin(CHANNEL_SEND, error, &does);
    pthread_mutex_lock(&desk_of_all);
    if (does && to->count < 256) {
        uint32_t place = (to->first + to->count++) % 256;
        to->messages[place] = malloc((size_t)length);
        EXPECT(to->messages[place] != NULL, "memory");
        memcpy(to->messages[place], message, (size_t)length);
        to->lengths[place] = (size_t)length;
    }
    pthread_mutex_unlock(&desk_of_all);
    return code;
}

static int32_t wire_receive(void *user, tmr_sink *sink, tmr_error *error)
{
    struct wire *wire = user;
    int does;
    last_sink = sink;
    int32_t code = begin(CHANNEL_RECEIVE, error, &does);
    if (lies(CHANNEL_RECEIVE))
        return tmr_sink_put(sink, "this is no message", 18, error);
    pthread_mutex_lock(&desk_of_all);
    while (does && wire->count > 0 && code >= 0) {
        int32_t put = tmr_sink_put(sink, wire->messages[wire->first], wire->lengths[wire->first], error);
        if (put != 0) {
            code = put;
            break;
        }
        free(wire->messages[wire->first]);
        wire->first = (wire->first + 1) % 256;
        wire->count--;
    }
    pthread_mutex_unlock(&desk_of_all);
    return code;
}

tmr_channel_functions functions_of_wire(struct wire *wire)
{
    tmr_channel_functions functions;
    TMR_CLEAR(functions);
    functions.version = TMR_TABLE_VERSION;
    functions.user = wire;
    functions.release = release;
    functions.send = wire_send;
    functions.receive = wire_receive;
    return functions;
}

/* ---- worlds */

static const char *const volsers[DISK_COUNT] = {"OLD001", "NEW001", "SYS001"};
static unsigned char *made[DISK_COUNT];
static uint32_t made_count[DISK_COUNT];

void load(const char *path)
{
    folder = path;
    for (int i = 0; i < DISK_COUNT; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s.tracks", path, volsers[i]);
        FILE *file = fopen(name, "rb");
        EXPECT(file != NULL, "%s", name);
        made[i] = calloc(TRACKS_MAX, SLOT);
        EXPECT(made[i] != NULL, "memory");
        made_count[i] = (uint32_t)(fread(made[i], SLOT, TRACKS_MAX, file));
        EXPECT(made_count[i] > 0 && made_count[i] % HEADS == 0, "%s has %u tracks", name, (unsigned)made_count[i]);
        fclose(file);
    }
}

/* The next record of a track; NULL behind the last one. */
static const unsigned char *next_record(const unsigned char *record, size_t *length)
{
    static const unsigned char end[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    if (memcmp(record, end, sizeof end) == 0)
        return NULL;
    *length = 8u + record[5] + ((size_t)record[6] << 8 | record[7]);
    return record + *length;
}

/* The VTOC of a volume as a list: it is on tracks 1 to 6. */
static void read_vtoc(struct space *space, const struct disk *disk)
{
    space->count = 0;
    for (uint32_t track = 1; track <= 6; track++) {
        const unsigned char *record = disk->bytes + (size_t)track * SLOT + 5, *next;
        size_t length;
        for (; (next = next_record(record, &length)) != NULL; record = next) {
            tmr_dscb *dscb = &space->dscbs[space->count];
            if (record[5] != 44 || length != 148)
                continue;
            TMR_CLEAR(*dscb);
            dscb->track = track;
            dscb->record = record[4];
            memcpy(dscb->bytes, record + 8, 140);
            EXPECT(++space->count < 400, "DSCBs");
        }
    }
    EXPECT(space->count > 5, "%u DSCBs", (unsigned)space->count);
}

static void add_entry(struct catalog *catalog, const char *name)
{
    tmr_catalog_entry *entry = &catalog->entries[catalog->count++];
    static const unsigned char unit_type[4] = {0x30, 0x00, 0x20, 0x01};
    TMR_CLEAR(*entry);
    entry->volume_count = 1;
    copy_text(entry->name, sizeof entry->name, name);
    memcpy(entry->volumes[0].unit_type, unit_type, 4);
    copy_text(entry->volumes[0].volser, 16, "OLD001");
}

#define TRY(call) \
    do { \
        int32_t code_ = (call); \
        if (code_ != 0) \
            return code_; \
    } while (0)
#define TAKE(who, call) \
    do { \
        (who).owner.taken++; \
        int32_t code_ = (call); \
        if (code_ != 0) { \
            (who).owner.taken--; \
            return code_; \
        } \
    } while (0)

int32_t world_open(struct world *world, tmr_error *error)
{
    for (int i = 0; i < DISK_COUNT; i++) {
        tmr_volume_info info = info_of(&world->disks[i]);
        tmr_volume_functions functions = functions_of_disk(&world->disks[i]);
        TAKE(world->disks[i], tmr_volume_of_host(&info, &functions, &world->volumes[i], error));
    }
    TRY(tmr_host_new(&world->host, error));
    for (int i = 0; i < DISK_COUNT; i++)
        TRY(tmr_host_add_volume(world->host, world->volumes[i], error));
    tmr_event_functions events = functions_of_listener(&world->listener);
    TAKE(world->listener, tmr_host_set_events(world->host, &events, error));
    if (world->options & OWN_SPACE)
        for (int i = 0; i < 2; i++) {
            tmr_space_functions functions = functions_of_space(&world->spaces[i]);
            TAKE(world->spaces[i], tmr_host_set_space_manager(world->host, volsers[i], &functions, error));
        }
    if (world->options & OWN_CATALOG) {
        uint32_t flags = world->options & TWO_STEPS ? TMR_CATALOG_TWO_STEPS : 0;
        tmr_catalog_functions functions = functions_of_catalog(&world->catalog, flags);
        TAKE(world->catalog, tmr_host_add_catalog(world->host, &functions, error));
    }
    if (world->options & OWN_CLOCK) {
        tmr_clock_functions functions = functions_of_clock(&world->clock);
        TAKE(world->clock, tmr_host_set_clock(world->host, &functions, error));
    }
    if (world->options & OWN_DESK) {
        tmr_enqueue_functions functions = functions_of_desk(&world->desk);
        tmr_volume_info info = info_of(&world->disks[OLD]);
        uint64_t length = 0;
        TAKE(world->desk, tmr_host_add_enqueue(world->host, &functions, error));
        TRY(tmr_area_size(world->disks[OLD].track_count, &length, error));
        if (!world->area_memory)
            world->area_memory = calloc(1, (size_t)length);
        TRY(tmr_area_in_memory(world->area_memory, length, &info, &world->area, error));
        TRY(tmr_host_add_area(world->host, world->area, error));
    }
    if (world->options & WITH_WIRE) {
        tmr_channel_functions here = functions_of_wire(&world->here), there = functions_of_wire(&world->there);
        tmr_enqueue_functions far_desk = functions_of_desk(&world->desk);
        tmr_volume_info info = info_of(&world->disks[OLD]);
        uint64_t length = 0;
        TRY(tmr_area_size(world->disks[OLD].track_count, &length, error));
        if (!world->far_memory)
            world->far_memory = calloc(1, (size_t)length);
        TRY(tmr_area_in_memory(world->far_memory, length, &info, &world->far_area, error));
        TAKE(world->here, tmr_host_add_machine(world->host, "FAR1", &here, 50, 60000, error));
        world->desk.owner.taken++;
        world->there.owner.taken++;
        int32_t code = tmr_agent_new("FAR1", &there, &far_desk, &world->agent, error);
        if (code != 0) {
            world->desk.owner.taken--;
            world->there.owner.taken--;
            return code;
        }
        TRY(tmr_agent_add_volume(world->agent, world->volumes[OLD], world->far_area, NULL, error));
    }
    return 0;
}

int32_t world_new(struct world *world, uint32_t options, tmr_error *error)
{
    memset(world, 0, sizeof *world);
    world->options = options;
    world->here.other = &world->there;
    world->there.other = &world->here;
    world->clock.now_us = 1700000000000000u;
    world->clock.step_us = 1000;
    for (int i = 0; i < DISK_COUNT; i++) {
        struct disk *disk = &world->disks[i];
        disk->volser = volsers[i];
        disk->track_count = made_count[i];
        disk->bytes = malloc((size_t)made_count[i] * SLOT);
        EXPECT(disk->bytes != NULL, "memory");
        memcpy(disk->bytes, made[i], (size_t)made_count[i] * SLOT);
    }
    for (int i = 0; i < 2; i++)
        read_vtoc(&world->spaces[i], &world->disks[i]);
    add_entry(&world->catalog, "TEST.PDS");
    add_entry(&world->catalog, "TEST.SEQ");
    return world_open(world, error);
}

static void expect_released(const struct owner *owner, const char *what)
{
    EXPECT(owner->taken == owner->released, "%s was taken %u times, and released %u times", what, (unsigned)owner->taken,
           (unsigned)owner->released);
}

void world_close(struct world *world)
{
    EXPECT(tmr_agent_close(&world->agent) == 0, "agent");
    EXPECT(tmr_host_close(&world->host) == 0, "host");
    EXPECT(tmr_area_close(&world->area) == 0 && tmr_area_close(&world->far_area) == 0, "areas");
    for (int i = 0; i < DISK_COUNT; i++) {
        EXPECT(tmr_volume_close(&world->volumes[i]) == 0, "volume");
        expect_released(&world->disks[i].owner, "a volume");
        EXPECT(!world->disks[i].is_locked[0] && !world->disks[i].is_locked[1], "a lock is left");
    }
    expect_released(&world->store.owner, "the store");
    expect_released(&world->spaces[0].owner, "a space manager");
    expect_released(&world->spaces[1].owner, "a space manager");
    expect_released(&world->catalog.owner, "the catalog");
    expect_released(&world->desk.owner, "the desk");
    expect_released(&world->clock.owner, "the clock");
    expect_released(&world->listener.owner, "the listener");
    expect_released(&world->here.owner, "a channel");
    expect_released(&world->there.owner, "a channel");
}

void world_end(struct world *world)
{
    world_close(world);
    for (int i = 0; i < DISK_COUNT; i++)
        free(world->disks[i].bytes);
    for (int i = 0; i < 2; i++)
        free(world->store.slots[i]);
    wire_clear(&world->here);
    wire_clear(&world->there);
    free(world->area_memory);
    free(world->far_memory);
}

/* Whether two tracks hold the same, addresses aside. */
static int are_equal(const unsigned char *one, const unsigned char *other)
{
    one += 5;
    other += 5;
    for (;;) {
        size_t length, other_length;
        const unsigned char *next = next_record(one, &length), *other_next = next_record(other, &other_length);
        if (!next || !other_next)
            return !next && !other_next;
        if (length != other_length || memcmp(one + 4, other + 4, length - 4) != 0)
            return 0;
        one = next;
        other = other_next;
    }
}

/* What the sources are in the volumes that worlds are copies of. */
static const struct {
    const char *name;
    struct {
        uint32_t first, count;
    } extents[2];
} data_sets[2] = {{"TEST.PDS", {{40, 4}, {0, 0}}}, {"TEST.SEQ", {{20, 5}, {30, 3}}}};

static int is_whole(struct world *world, int disk, const char *name)
{
    tmr_assessment *assessment = NULL;
    tmr_error error;
    uint32_t number = strcmp(name, "TEST.PDS") == 0 ? 0 : 1, place = 0, extent_number = 0;
    const unsigned char *images[32];
    int is_equal = 1;
    TMR_CLEAR(error);
    int32_t code = tmr_assess(world->host, name, volsers[disk], TMR_UNCATALOGED, &assessment, &error);
    EXPECT(code == 0 || code == 4, "%d %s", (int)code, error.sentence);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t k = 0; k < data_sets[number].extents[i].count; k++)
            images[place++] = made[OLD] + (size_t)(data_sets[number].extents[i].first + k) * SLOT;
    tmr_extent extent;
    uint32_t compared = 0;
    while (tmr_assessment_extent(assessment, 0, extent_number, &extent, &error) == 0) {
        extent_number++;
        for (uint32_t k = 0; k < extent.track_count && compared < place; k++, compared++)
            if (strcmp(extent.volser, volsers[disk]) != 0
                || !are_equal(images[compared], world->disks[disk].bytes + (size_t)(extent.first + k) * SLOT))
                is_equal = 0;
    }
    EXPECT(tmr_assessment_close(&assessment) == 0, "assessment");
    return is_equal && compared == place;
}

uint32_t where_is(struct world *world, const char *name)
{
    return (is_whole(world, OLD, name) ? AT_SOURCE : 0u) | (is_whole(world, NEW, name) ? AT_TARGET : 0u);
}

void expect_nothing_lost(struct world *world, const char *when)
{
    for (int i = 0; i < 2; i++)
        EXPECT(where_is(world, data_sets[i].name) != 0, "%s: %s is lost", when, data_sets[i].name);
}

void expect_moved(struct world *world, const char *when)
{
    for (int i = 0; i < 2; i++) {
        const char *name = data_sets[i].name;
        tmr_assessment *assessment = NULL;
        tmr_error error;
        tmr_extent extent;
        TMR_CLEAR(error);
        EXPECT(where_is(world, name) == AT_TARGET, "%s: %s is not at the target", when, name);
        /* All catalogs and volumes agree. */
        EXPECT(tmr_assess(world->host, name, NULL, 0, &assessment, &error) == 0, "%s: %s: %s", when, name, error.sentence);
        EXPECT(tmr_assessment_extent(assessment, 0, 0, &extent, &error) == 0, "%s", error.sentence);
        EXPECT(strcmp(extent.volser, "NEW001") == 0, "%s: %s is on %s", when, name, extent.volser);
        EXPECT(tmr_assessment_close(&assessment) == 0, "assessment");
    }
    /* Nobody's tracks were touched. */
    size_t stay = 50 * SLOT;
    EXPECT(memcmp(world->disks[OLD].bytes + stay, made[OLD] + stay, 2 * SLOT) == 0, "%s: STAY.HERE was touched", when);
    EXPECT(!world->desk.is_held && !world->desk.is_asked, "%s: somebody is held", when);
}
