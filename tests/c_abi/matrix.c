/* Every function, with everything right but one thing: each pointer NULL, misaligned, each handle of another kind or closed,
 * each structure too small or too large, with reserved bytes, unknown options, texts without an end. Each is refused with 8
 * and says why, outputs are cleared, and nothing is changed. */
#include "world.h"

enum kind {
    NUMBER32, NUMBER64, HANDLE, HANDLE_PLACE, HANDLE_TO_CLOSE, STRUCTURE, STRUCTURE_PLACE, BUFFER_PLACE, LIST, ITEM_PLACE,
    NUMBER_PLACE, TEXT, TEXT_PLACE, BYTES, BYTES_PLACE, ADDRESSES, ERROR_BLOCK
};

enum class { SIZE, RESERVED, VERSION, OPTIONS, CHARACTERS, FUNCTION, OTHER };

struct field {
    const char *name;
    enum class class;
    size_t offset, size;
};

struct structure {
    const char *name;
    size_t size;
    uint32_t field_count;
    struct field fields[24];
};

struct parameter {
    const char *name;
    enum kind kind;
    const char *type;
    size_t size, alignment;
};

struct function {
    uint32_t number;
    const char *name;
    uint32_t parameter_count;
    struct parameter parameters[6];
};

union argument {
    void *pointer;
    uint32_t number32;
    uint64_t number64;
};

#include "tables.h"

#define FUNCTION_COUNT (sizeof functions / sizeof *functions)
#define HANDLE_KINDS (sizeof kinds_of_handle / sizeof *kinds_of_handle)

/* One of everything. */
static struct {
    struct world world;
    struct owner refused; /* of tables that must not be taken */
    tmr_host *empty_host;
    tmr_volume *spare, *file;
    tmr_assessment *assessment, *other_assessment;
    tmr_plan *plan;
    tmr_changes *changes;
    tmr_table *table;
    tmr_changed *changed;
    tmr_copier *copier;
    tmr_verification *verification;
    tmr_migration *migration;
    struct store store, copy_of_store;
    uint64_t *area_memory, *fresh_memory, *twin_memory;
    tmr_area *area, *twin_area;
    tmr_image *image, *teller;
    tmr_subscription *subscription, *received;
    tmr_reporter *reporter;
    tmr_receiver *receiver;
    tmr_agent *agent;
    struct wire wire;
    struct desk desk;
    /* Where arguments lie: each parameter has a place of its own, which is as large as the largest structure, and aligned. */
    union {
        uint64_t align;
        unsigned char bytes[4096];
    } places[6];
    unsigned char track[SLOT], buffers[6][4096];
    char path[4096], folder[4096];
    tmr_error error;
} all;

static void check(int32_t code, const char *what)
{
    EXPECT(code == 0 || code == 4, "%s: %d %s", what, (int)code, all.error.sentence);
}

#define CHECK(call) check(call, #call)

static void make_all(void)
{
    tmr_error *error = &all.error;
    memset(&all, 0, sizeof all);
    TMR_CLEAR(all.error);
    snprintf(all.path, sizeof all.path, "%s/old.ckd", folder);
    snprintf(all.folder, sizeof all.folder, "%s/areas", folder);
    clear_faults();
    check(world_new(&all.world, 0, error), "world");
    struct world *world = &all.world;
    tmr_volume_info info = info_of(&world->disks[OLD]), spare = info;
    copy_text(spare.volser, sizeof spare.volser, "SPR001");
    CHECK(tmr_volume_in_memory(&spare, &all.spare, error));
    CHECK(tmr_volume_open(all.path, TMR_READ, &all.file, error));
    CHECK(tmr_host_new(&all.empty_host, error));
    CHECK(tmr_host_keep_events(world->host, 100, error));
    CHECK(tmr_assess(world->host, "TEST.**", NULL, 0, &all.assessment, error));
    CHECK(tmr_assess(world->host, "NO.SUCH.**", NULL, 0, &all.other_assessment, error));
    CHECK(tmr_assessment_compare(all.assessment, all.other_assessment, 0, &all.changes, error));
    tmr_selection selection;
    TMR_CLEAR(selection);
    selection.masks = "TEST.**";
    selection.sources = "OLD001";
    selection.targets = "NEW001";
    CHECK(tmr_plan_propose(world->host, &selection, &all.plan, error));
    tmr_extent source, target;
    memset(&source, 0, sizeof source);
    copy_text(source.volser, sizeof source.volser, "OLD001");
    source.first = 20;
    source.track_count = 5;
    target = source;
    copy_text(target.volser, sizeof target.volser, "NEW001");
    target.first = 33;
    CHECK(tmr_table_map(&source, 1, &target, 1, &all.table, error));
    CHECK(tmr_changed_new(60, &all.changed, error));
    CHECK(tmr_changed_set(all.changed, 10, 5, error));
    CHECK(tmr_copier_new(all.table, world->host, NULL, &all.copier, error));
    CHECK(tmr_verify(all.table, world->host, 1, &all.verification, error));
    tmr_migration_options options;
    TMR_CLEAR(options);
    tmr_checkpoint_functions checkpoint = functions_of_store(&all.store);
    all.store.owner.taken++;
    CHECK(tmr_migration_new(world->host, all.plan, &options, &checkpoint, &all.migration, error));
    for (int i = 0; i < 2; i++)
        if (all.store.slots[i]) {
            all.copy_of_store.slots[i] = malloc(all.store.lengths[i]);
            memcpy(all.copy_of_store.slots[i], all.store.slots[i], all.store.lengths[i]);
            all.copy_of_store.lengths[i] = all.store.lengths[i];
        }
    uint64_t length = 0;
    CHECK(tmr_area_size(60, &length, error));
    all.area_memory = calloc(1, length);
    all.fresh_memory = calloc(1, length);
    all.twin_memory = calloc(1, length);
    CHECK(tmr_area_in_memory(all.area_memory, length, &info, &all.area, error));
    CHECK(tmr_area_in_memory(all.twin_memory, length, &info, &all.twin_area, error));
    CHECK(tmr_image_register(all.area, "SYSA", TMR_IMAGE_BRACKETS, &all.image, error));
    CHECK(tmr_image_register(all.area, "SYST", TMR_IMAGE_COMPLETIONS, &all.teller, error));
    static const uint64_t ids[3][2] = {{1, 2}, {3, 4}, {5, 6}};
    CHECK(tmr_subscription_open(all.area, ids[0], &all.subscription, error));
    CHECK(tmr_subscription_fill(all.subscription, &source, 1, error));
    CHECK(tmr_subscription_open(all.area, ids[1], &all.received, error));
    CHECK(tmr_reporter_open(all.twin_area, ids[1], "FAR1", &all.reporter, error));
    tmr_receiver_options receiving;
    TMR_CLEAR(receiving);
    receiving.life = 1;
    copy_text(receiving.image, sizeof receiving.image, "FAR1");
    CHECK(tmr_receiver_open(all.received, &receiving, &all.receiver, error));
    all.wire.other = &all.wire;
    tmr_channel_functions channel = functions_of_wire(&all.wire);
    tmr_enqueue_functions enqueue = functions_of_desk(&all.desk);
    all.wire.owner.taken++;
    all.desk.owner.taken++;
    CHECK(tmr_agent_new("HERE", &channel, &enqueue, &all.agent, error));
    memcpy(all.track, world->disks[OLD].bytes + 30 * SLOT, SLOT);
}

/* One of each kind: where its handle is. */
static void **handle_of(const char *type)
{
    static const struct {
        const char *type;
        void *place;
    } handles[] = {
        {"tmr_volume", &all.world.volumes[OLD]}, {"tmr_host", &all.world.host}, {"tmr_assessment", &all.assessment},
        {"tmr_plan", &all.plan}, {"tmr_changes", &all.changes}, {"tmr_table", &all.table}, {"tmr_changed", &all.changed},
        {"tmr_copier", &all.copier}, {"tmr_verification", &all.verification}, {"tmr_migration", &all.migration},
        {"tmr_area", &all.area}, {"tmr_image", &all.image}, {"tmr_subscription", &all.subscription},
        {"tmr_reporter", &all.reporter}, {"tmr_receiver", &all.receiver}, {"tmr_agent", &all.agent},
    };
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (strcmp(handles[i].type, type) == 0)
            return handles[i].place;
    return NULL;
}

static void end_all(void)
{
    EXPECT(tmr_agent_close(&all.agent) == 0 && !all.agent, "agent");
    EXPECT(tmr_receiver_close(&all.receiver) == 0 && !all.receiver, "receiver");
    EXPECT(tmr_reporter_close(&all.reporter) == 0, "reporter");
    EXPECT(tmr_subscription_close(&all.received) == 0 && tmr_subscription_close(&all.subscription) == 0, "subscriptions");
    EXPECT(tmr_image_close(&all.image) == 0 && tmr_image_close(&all.teller) == 0, "images");
    EXPECT(tmr_area_close(&all.area) == 0 && tmr_area_close(&all.twin_area) == 0, "areas");
    EXPECT(tmr_migration_close(&all.migration) == 0, "migration");
    EXPECT(tmr_verification_close(&all.verification) == 0, "verification");
    EXPECT(tmr_copier_close(&all.copier) == 0, "copier");
    EXPECT(tmr_changed_close(&all.changed) == 0, "changed");
    EXPECT(tmr_table_close(&all.table) == 0, "table");
    EXPECT(tmr_plan_close(&all.plan) == 0, "plan");
    EXPECT(tmr_changes_close(&all.changes) == 0, "changes");
    EXPECT(tmr_assessment_close(&all.assessment) == 0 && tmr_assessment_close(&all.other_assessment) == 0, "assessments");
    EXPECT(tmr_host_close(&all.empty_host) == 0, "host");
    EXPECT(tmr_volume_close(&all.file) == 0 && tmr_volume_close(&all.spare) == 0, "volumes");
    world_end(&all.world);
    EXPECT(all.wire.owner.taken == all.wire.owner.released, "wire");
    EXPECT(all.desk.owner.taken == all.desk.owner.released, "desk");
    EXPECT(all.store.owner.taken == all.store.owner.released, "store");
    EXPECT(all.copy_of_store.owner.taken == all.copy_of_store.owner.released, "copy of the store");
    EXPECT(all.refused.released == 0, "a table was released that was refused");
    while (all.wire.count > 0) {
        free(all.wire.messages[all.wire.first]);
        all.wire.first = (all.wire.first + 1) % 256;
        all.wire.count--;
    }
    for (int i = 0; i < 2; i++) {
        free(all.store.slots[i]);
        free(all.copy_of_store.slots[i]);
    }
    free(all.area_memory);
    free(all.fresh_memory);
    free(all.twin_memory);
}

/* A structure that is right, for this function. */
static void make_structure(const struct function *function, const struct parameter *parameter, void *place)
{
    const char *type = parameter->type;
    struct world *world = &all.world;
#define IS(name) (strcmp(type, name) == 0)
#define PUT(of, value) \
    do { \
        of made_ = (value); \
        memcpy(place, &made_, sizeof made_); \
    } while (0)
    if (IS("tmr_volume_info")) {
        PUT(tmr_volume_info, info_of(&world->disks[OLD]));
    } else if (IS("tmr_volume_functions")) {
        PUT(tmr_volume_functions, functions_of_disk(&world->disks[OLD]));
    } else if (IS("tmr_space_functions")) {
        PUT(tmr_space_functions, functions_of_space(&world->spaces[0]));
    } else if (IS("tmr_catalog_functions")) {
        PUT(tmr_catalog_functions, functions_of_catalog(&world->catalog, 0));
    } else if (IS("tmr_clock_functions")) {
        PUT(tmr_clock_functions, functions_of_clock(&world->clock));
    } else if (IS("tmr_event_functions")) {
        PUT(tmr_event_functions, functions_of_listener(&world->listener));
    } else if (IS("tmr_enqueue_functions")) {
        PUT(tmr_enqueue_functions, functions_of_desk(&all.desk));
    } else if (IS("tmr_channel_functions")) {
        PUT(tmr_channel_functions, functions_of_wire(&all.wire));
    } else if (IS("tmr_checkpoint_functions")) {
        PUT(tmr_checkpoint_functions, functions_of_store(function->number == 120 ? &all.copy_of_store : &all.copy_of_store));
        if (function->number == 120)
            for (int i = 0; i < 2; i++) {
                free(all.copy_of_store.slots[i]);
                all.copy_of_store.slots[i] = NULL;
            }
    } else if (IS("tmr_selection")) {
        tmr_selection selection;
        TMR_CLEAR(selection);
        selection.masks = "TEST.**";
        selection.sources = "OLD001";
        selection.targets = "NEW001";
        PUT(tmr_selection, selection);
    } else if (IS("tmr_receiver_options")) {
        tmr_receiver_options options;
        TMR_CLEAR(options);
        options.life = 2;
        copy_text(options.image, sizeof options.image, "FAR2");
        PUT(tmr_receiver_options, options);
    } else if (IS("tmr_extent")) {
        tmr_extent extent;
        memset(&extent, 0, sizeof extent);
        copy_text(extent.volser, sizeof extent.volser, strcmp(parameter->name, "targets") == 0 ? "NEW001" : "OLD001");
        extent.first = 20;
        extent.track_count = 5;
        PUT(tmr_extent, extent);
    } else if (IS("tmr_entry")) {
        tmr_entry entry;
        memset(&entry, 0, sizeof entry);
        copy_text(entry.source_volser, sizeof entry.source_volser, "OLD001");
        copy_text(entry.target_volser, sizeof entry.target_volser, "NEW001");
        entry.source_first = 20;
        entry.target_first = 33;
        entry.track_count = 5;
        PUT(tmr_entry, entry);
    } else if (IS("tmr_buffer")) {
        tmr_buffer buffer;
        TMR_CLEAR(buffer);
        buffer.data = all.buffers[parameter - function->parameters];
        buffer.capacity = sizeof all.buffers[0];
        buffer.length = parameter->kind == STRUCTURE ? 40 : 0;
        PUT(tmr_buffer, buffer);
    } else if (IS("uint64_t")) {
        static const uint64_t id[2] = {77, 78};
        memcpy(place, id, sizeof id);
    } else {
        /* All zero is right, but for the size. */
        uint32_t size = (uint32_t)parameter->size;
        memset(place, 0, parameter->size);
        memcpy(place, &size, sizeof size);
    }
#undef IS
#undef PUT
}

static const char *text_for(const struct function *function, const char *name)
{
    static const struct {
        uint32_t number;
        const char *name, *text;
    } texts[] = {
        {10, "path", all.path}, {17, "volser", "SPR001"}, {17, "owner", "SOMEBODY"}, {40, "owner", "/a/state"},
        {42, "image", "SYSX"}, {43, "image", "SYSY"}, {60, "masks", "TEST.**"}, {60, "volsers", "OLD001, NEW001"},
        {86, "volser", "NEW001"}, {139, "image", "SYSX"}, {140, "image", "SYSX"}, {161, "folder", all.folder},
        {164, "image", "SYSA"}, {170, "name", "SYSC"}, {200, "image", "FAR3"}, {203, "uncovered", "nobody knows"},
        {220, "image", "HERE2"}, {221, "images", "SYSA SYST"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].number == function->number && strcmp(texts[i].name, name) == 0)
            return texts[i].text;
    EXPECT(strcmp(name, "volser") == 0, "%s: nobody knows what %s should be", function->name, name);
    return "OLD001";
}

/* What else is a number that is right. */
static uint64_t number_for(const struct function *function, const char *name)
{
    static const struct {
        uint32_t number;
        const char *name;
        uint64_t value;
    } numbers[] = {
        {2, "function", 1}, {3, "reason", TMR_R_NULL_POINTER}, {3, "length", 64}, {10, "access", TMR_READ},
        {14, "length", SLOT}, {15, "length", SLOT}, {15, "first", 30}, {37, "count_max", 5}, {64, "index", 2},
        {80, "count", 1}, {81, "source_count", 1}, {81, "target_count", 1}, {85, "track", 21}, {86, "track", 34},
        {90, "track_count", 60}, {94, "from", 0}, {102, "first", 20}, {103, "first", 20}, {160, "track_count", 60},
        {162, "length", 0}, {170, "kind", TMR_IMAGE_BRACKETS}, {181, "extent_count", 1}, {182, "extent_count", 1},
        {183, "extent_count", 1}, {184, "extent_count", 1}, {212, "extent_count", 1}, {212, "seal", 1},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].number == function->number && strcmp(numbers[i].name, name) == 0)
            return numbers[i].value;
    static const char *const zero[] = {"index", "extent", "which", "entry", "run", "options", "metadata", "patience_ms",
                                       "silence_ms", "first"};
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++)
        if (strcmp(zero[i], name) == 0)
            return 0;
    static const char *const one[] = {"track_count", "track_count_max", "threads"};
    for (size_t i = 0; i < sizeof one / sizeof *one; i++)
        if (strcmp(one[i], name) == 0)
            return 1;
    EXPECT(0, "%s: nobody knows what %s should be", function->name, name);
    return 0;
}

/* NULL has a meaning. */
static int may_be_null(const struct function *function, const char *name)
{
    static const struct {
        uint32_t number;
        const char *name;
    } ones[] = {
        {1, "major"}, {1, "minor"}, {1, "patch"}, {17, "owner"}, {60, "volsers"}, {100, "options"},
        {125, "progress"}, {126, "track_count"}, {161, "folder"}, {201, "to_flush"}, {203, "to_flush"}, {203, "uncovered"},
        {220, "enqueue"}, {221, "images"},
    };
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        if (ones[i].number == function->number && strcmp(ones[i].name, name) == 0)
            return 1;
    return 0;
}

/* A place for an output, with something in it that is not the library's. */
static void spoil(const struct parameter *parameter, void *place)
{
    memset(place, 0xA5, sizeof all.places[0]);
    if (parameter->kind == STRUCTURE_PLACE) {
        uint32_t size = (uint32_t)parameter->size;
        memcpy(place, &size, sizeof size);
    }
}

/* Arguments that are right. */
static void make_arguments(const struct function *function, union argument *a)
{
    for (uint32_t i = 0; i < function->parameter_count; i++) {
        const struct parameter *parameter = &function->parameters[i];
        void *place = all.places[i].bytes;
        memset(&a[i], 0, sizeof a[i]);
        switch (parameter->kind) {
        case NUMBER32: a[i].number32 = (uint32_t)number_for(function, parameter->name); break;
        case NUMBER64: a[i].number64 = number_for(function, parameter->name); break;
        case HANDLE:
            EXPECT(handle_of(parameter->type) != NULL, "%s: there is no %s", function->name, parameter->type);
            a[i].pointer = *handle_of(parameter->type);
            break;
        case HANDLE_TO_CLOSE:
            a[i].pointer = handle_of(parameter->type);
            break;
        case HANDLE_PLACE: case STRUCTURE_PLACE: case ITEM_PLACE: case NUMBER_PLACE:
            spoil(parameter, place);
            a[i].pointer = place;
            break;
        case STRUCTURE: case LIST: case BUFFER_PLACE:
            make_structure(function, parameter, place);
            a[i].pointer = place;
            break;
        case TEXT:
            /* Where nothing else lies behind it. */
            copy_text(place, sizeof all.places[i], text_for(function, parameter->name));
            a[i].pointer = place;
            break;
        case TEXT_PLACE: case BYTES_PLACE: a[i].pointer = all.buffers[i]; break;
        case BYTES: a[i].pointer = all.track; break;
        case ADDRESSES: {
            static void *nothing;
            static void *addresses[3] = {&nothing, &nothing, &nothing};
            a[i].pointer = addresses;
            break;
        }
        case ERROR_BLOCK: a[i].pointer = &all.error; break;
        }
    }
    TMR_CLEAR(all.error);
    /* What is about other things than the rest. */
    switch (function->number) {
    case 17: a[0].pointer = all.spare; break;
    case 31: a[0].pointer = all.empty_host; a[1].pointer = all.world.volumes[SYS]; break;
    case 41: break;
    case 65: a[1].pointer = all.other_assessment; break;
    case 64: a[3].pointer = all.places[3].bytes; break;
    case 161: a[1].pointer = all.file; break;
    case 162: {
        uint64_t length = 0;
        CHECK(tmr_area_size(60, &length, &all.error));
        a[0].pointer = all.fresh_memory;
        a[1].number64 = length;
        break;
    }
    case 172: {
        tmr_write *write = a[1].pointer;
        CHECK(tmr_image_begin(all.image, 3, 1, write, &all.error));
        break;
    }
    case 173: a[0].pointer = all.teller; break;
    case 201: case 203: a[function->number == 201 ? 1 : 2].pointer = all.world.volumes[OLD]; break;
    default: break;
    }
}

/* What a call may have changed if it did not keep to its word. */
struct state {
    uint64_t write_count, event_count;
    uint32_t released, taken, migration;
    size_t stored;
};

static struct state state_now(void)
{
    struct state state;
    tmr_status status;
    memset(&state, 0, sizeof state);
    TMR_CLEAR(status);
    for (int i = 0; i < DISK_COUNT; i++) {
        state.write_count += all.world.disks[i].write_count;
        state.released += all.world.disks[i].owner.released;
    }
    state.released += all.world.spaces[0].owner.released + all.world.catalog.owner.released + all.world.clock.owner.released
        + all.world.listener.owner.released + all.desk.owner.released + all.wire.owner.released
        + all.copy_of_store.owner.released + all.store.owner.released;
    CHECK(tmr_migration_status(all.migration, &status, NULL));
    state.migration = status.state;
    state.stored = all.store.lengths[0] + all.store.lengths[1];
    return state;
}

/* Calls by the name, and by a list of addresses in turn. */
static int32_t call_somehow(const struct function *function, union argument *a)
{
    static int turn;
    const void *addresses[6];
    if (turn++ % 2 || function->number == 2)
        return call(function->number, a);
    for (uint32_t i = 0; i < function->parameter_count; i++)
        addresses[i] = &a[i];
    return tmr_call(function->number, addresses);
}

static unsigned refused_count;

/* That a call is refused for one of these reasons, clears its outputs, and changes nothing. */
static void expect_refused(const struct function *function, union argument *a, uint32_t bad, const char *what,
                           uint32_t reason, uint32_t other_reason)
{
    const char *about = function->parameters[bad].name;
    struct state before = state_now();
    uint32_t last = function->parameter_count - 1;
    int has_error = function->parameters[last].kind == ERROR_BLOCK;
    refused_count++;
    int32_t code = call_somehow(function, a);
    EXPECT(code == 8, "%s: %s is %s, and it gives back %d (%s)", function->name, about, what, (int)code, all.error.sentence);
    if (has_error && function->parameters[bad].kind != ERROR_BLOCK) {
        EXPECT(all.error.code == 8 && (all.error.reason == reason || all.error.reason == other_reason),
               "%s: %s is %s: reason %u: %s", function->name, about, what, (unsigned)all.error.reason, all.error.sentence);
        EXPECT(strlen(all.error.sentence) > 10 && !strchr(all.error.sentence, '\n'), "%s: %s", function->name,
               all.error.sentence);
    }
    struct state after = state_now();
    EXPECT(memcmp(&before, &after, sizeof before) == 0, "%s: %s is %s, and something was changed", function->name, about, what);
    for (uint32_t i = 0; i < function->parameter_count; i++) {
        const struct parameter *parameter = &function->parameters[i];
        static const unsigned char zero[4096];
        int is_output = parameter->kind == HANDLE_PLACE || parameter->kind == STRUCTURE_PLACE || parameter->kind == ITEM_PLACE
            || parameter->kind == NUMBER_PLACE;
        /* A block that is an output says that it says nothing. */
        int is_block = strcmp(parameter->type, "tmr_error") == 0;
        /* Outputs in front of one that is not right are cleared; those behind it may be as they were. */
        int is_first = function->parameters[bad].kind == HANDLE_PLACE || function->parameters[bad].kind == STRUCTURE_PLACE
            || function->parameters[bad].kind == ITEM_PLACE || function->parameters[bad].kind == NUMBER_PLACE
            || function->parameters[bad].kind == BUFFER_PLACE || function->parameters[bad].kind == ERROR_BLOCK;
        size_t skipped = parameter->kind == STRUCTURE_PLACE ? 4 : 0;
        /* A write that was not ended must be ended yet. */
        is_output &= function->number != 172;
        if (is_output && !is_block && i != bad && !is_first)
            EXPECT(memcmp((char *)a[i].pointer + skipped, zero, parameter->size - skipped) == 0,
                   "%s: %s is %s, and %s is not cleared", function->name, about, what, parameter->name);
    }
    /* Without an error block it is the same. */
    if (has_error && bad != last) {
        a[last].pointer = NULL;
        code = call_somehow(function, a);
        EXPECT(code == 8, "%s without an error block: %d", function->name, (int)code);
    }
}

static const struct structure *structure_of(const char *name)
{
    for (size_t i = 0; i < sizeof structures / sizeof *structures; i++)
        if (strcmp(structures[i].name, name) == 0)
            return &structures[i];
    return NULL;
}

static void attack_pointer(const struct function *function, uint32_t i)
{
    const struct parameter *parameter = &function->parameters[i];
    union argument a[6];
    int is_required = !may_be_null(function, parameter->name);
    if (parameter->kind == HANDLE_TO_CLOSE || parameter->kind == ERROR_BLOCK)
        is_required = 0;
    /* A checkpoint store may be missing, but not together with the folder; a table of the host's otherwise not. */
    if (is_required) {
        make_arguments(function, a);
        a[i].pointer = NULL;
        expect_refused(function, a, i, "NULL", TMR_R_NULL_POINTER, TMR_R_NULL_POINTER);
    }
    if (parameter->kind != TEXT && parameter->kind != TEXT_PLACE && parameter->kind != BYTES && parameter->kind != BYTES_PLACE
        && parameter->alignment > 1) {
        make_arguments(function, a);
        a[i].pointer = (char *)a[i].pointer + 1;
        expect_refused(function, a, i, "not aligned", TMR_R_NULL_POINTER, TMR_R_NULL_POINTER);
    }
    if (parameter->kind == BYTES_PLACE && function->number == 162) {
        make_arguments(function, a);
        a[i].pointer = (char *)a[i].pointer + 4;
        expect_refused(function, a, i, "not aligned", TMR_R_NULL_POINTER, TMR_R_NULL_POINTER);
    }
    if (parameter->kind == TEXT) {
        static const char *const bad[] = {"\xC3\x28", "\xFF\xFE\xFD", ""};
        for (size_t k = 0; k < 3; k++) {
            make_arguments(function, a);
            /* Paths are bytes; nothing, and nobody's name, may be right. */
            if (k < 2 && function->number == 10)
                continue;
            if (k == 2 && (may_be_null(function, parameter->name) || function->number == 60))
                continue;
            copy_text(a[i].pointer, 16, bad[k]);
            struct state before = state_now();
            int32_t code = call_somehow(function, a);
            EXPECT(code == 8, "%s: %s is no text, and it gives back %d", function->name, parameter->name, (int)code);
            struct state after = state_now();
            EXPECT(memcmp(&before, &after, sizeof before) == 0, "%s: no text, and something was changed", function->name);
        }
        char *huge = malloc((4u << 20) + 1);
        memset(huge, 'A', 4u << 20);
        huge[4u << 20] = 0;
        make_arguments(function, a);
        a[i].pointer = huge;
        int32_t code = call_somehow(function, a);
        EXPECT(code == 8, "%s: %s is huge, and it gives back %d", function->name, parameter->name, (int)code);
        free(huge);
    }
}

static void attack_handle(const struct function *function, uint32_t i)
{
    const struct parameter *parameter = &function->parameters[i];
    union argument a[6];
    for (size_t k = 0; k < HANDLE_KINDS; k++) {
        void **other = handle_of(kinds_of_handle[k]);
        if (!other || strcmp(kinds_of_handle[k], parameter->type) == 0)
            continue;
        make_arguments(function, a);
        void *copy = *other;
        if (parameter->kind == HANDLE_TO_CLOSE) {
            a[i].pointer = &copy;
        } else {
            a[i].pointer = *other;
        }
        expect_refused(function, a, i, kinds_of_handle[k], TMR_R_BAD_HANDLE, TMR_R_BAD_HANDLE);
        EXPECT(copy == *other, "%s cleared a pointer that it refused", function->name);
    }
    uint64_t nothing[8] = {0};
    void *pointer = nothing;
    make_arguments(function, a);
    a[i].pointer = parameter->kind == HANDLE_TO_CLOSE ? (void *)&pointer : (void *)nothing;
    expect_refused(function, a, i, "no handle", TMR_R_BAD_HANDLE, TMR_R_BAD_HANDLE);
}

static void attack_structure(const struct function *function, uint32_t i)
{
    const struct parameter *parameter = &function->parameters[i];
    const struct structure *structure = structure_of(parameter->type);
    union argument a[6];
    EXPECT(structure != NULL && structure->size == parameter->size, "%s", parameter->type);
    int is_sized = structure->fields[0].class == SIZE;
    int is_input = parameter->kind != STRUCTURE_PLACE;
    const uint32_t right = (uint32_t)parameter->size;
    const uint32_t sizes[] = {0, 4, right - 1, right + 1, 0xFFFFFFFFu};
    for (size_t k = 0; is_sized && k < 5; k++) {
        if (!is_input && k > 2)
            continue; /* of a newer release: what this one knows is filled in */
        make_arguments(function, a);
        memcpy(a[i].pointer, &sizes[k], 4);
        expect_refused(function, a, i, "of another size", TMR_R_BAD_STRUCTURE, TMR_R_BAD_STRUCTURE);
    }
    for (uint32_t f = 0; is_input && f < structure->field_count; f++) {
        const struct field *field = &structure->fields[f];
        switch (field->class) {
        case RESERVED:
            for (size_t byte = 0; byte < field->size; byte++) {
                make_arguments(function, a);
                ((unsigned char *)a[i].pointer)[field->offset + byte] = 0x80;
                expect_refused(function, a, i, "with reserved bytes", TMR_R_BAD_STRUCTURE, TMR_R_BAD_STRUCTURE);
            }
            break;
        case VERSION:
            for (uint32_t version = 0; version < 4; version += version == 0 ? 2 : 1) {
                make_arguments(function, a);
                memcpy((char *)a[i].pointer + field->offset, &version, 4);
                expect_refused(function, a, i, "of another version", TMR_R_BAD_STRUCTURE, TMR_R_BAD_STRUCTURE);
            }
            break;
        case OPTIONS:
            make_arguments(function, a);
            ((unsigned char *)a[i].pointer)[field->offset] |= 0x80;
            ((unsigned char *)a[i].pointer)[field->offset + 3] |= 0x80;
            expect_refused(function, a, i, "with unknown options", TMR_R_BAD_VALUE, TMR_R_BAD_VALUE);
            break;
        case CHARACTERS:
            make_arguments(function, a);
            /* Where only memory is described, nobody asks for its place. */
            if (strcmp(field->name, "location") == 0 && function->number != 12 && strcmp(parameter->type, "tmr_volume_info") == 0)
                break;
            memset((char *)a[i].pointer + field->offset, 'A', field->size);
            expect_refused(function, a, i, "with a text without an end", TMR_R_BAD_TEXT, TMR_R_BAD_TEXT);
            make_arguments(function, a);
            memcpy((char *)a[i].pointer + field->offset, "\xC3\x28", 3);
            expect_refused(function, a, i, "with a text that is none", TMR_R_BAD_TEXT, TMR_R_BAD_TEXT);
            break;
        case FUNCTION: {
            make_arguments(function, a);
            struct state before = state_now();
            memset((char *)a[i].pointer + field->offset, 0, field->size);
            int is_needed = strcmp(field->name, "release") != 0
                && (strcmp(parameter->type, "tmr_volume_functions") == 0 || strcmp(parameter->type, "tmr_event_functions") == 0
                    || strcmp(parameter->type, "tmr_channel_functions") == 0 || strcmp(field->name, "now") == 0
                    || strcmp(field->name, "locate") == 0 || strcmp(field->name, "list") == 0
                    || strcmp(field->name, "ask_to_close") == 0 || strcmp(field->name, "hold") == 0
                    || strcmp(field->name, "let_open") == 0
                    || (strcmp(parameter->type, "tmr_checkpoint_functions") == 0 && strcmp(field->name, "write_head") != 0));
            if (!is_needed)
                break;
            expect_refused(function, a, i, "without a function", TMR_R_NO_SUCH_FUNCTION, TMR_R_NO_SUCH_FUNCTION);
            struct state after = state_now();
            EXPECT(memcmp(&before, &after, sizeof before) == 0, "%s: taken without %s", function->name, field->name);
            break;
        }
        default: break;
        }
    }
}

static void attack_error(const struct function *function, uint32_t i)
{
    union argument a[6];
    const uint32_t sizes[] = {0, 4, sizeof(tmr_error) - 1};
    for (size_t k = 0; k < 3; k++) {
        make_arguments(function, a);
        memset(&all.error, 0xA5, sizeof all.error);
        all.error.size = sizes[k];
        expect_refused(function, a, i, "too small", 0, 0);
        EXPECT(all.error.size == sizes[k] && (unsigned char)all.error.sentence[0] == 0xA5, "%s: the block was touched", function->name);
    }
    make_arguments(function, a);
    a[i].pointer = (char *)a[i].pointer + 2;
    expect_refused(function, a, i, "not aligned", 0, 0);
}

/* With everything right, and after that whatever is an output is closed. */
static void call_right(const struct function *function, uint32_t null_one)
{
    union argument a[6];
    make_all();
    make_arguments(function, a);
    int has_error = function->parameters[function->parameter_count - 1].kind == ERROR_BLOCK;
    if (null_one < 6)
        a[null_one].pointer = NULL;
    /* Every table is taken if it succeeds. */
    struct owner *taken[6] = {0};
    for (uint32_t i = 0; i < function->parameter_count; i++) {
        const char *type = function->parameters[i].type;
        size_t length = strlen(type);
        if (length > 10 && strcmp(type + length - 10, "_functions") == 0 && a[i].pointer) {
            tmr_event_functions head; /* they begin the same */
            memcpy(&head, a[i].pointer, 24);
            taken[i] = head.user;
            taken[i]->taken++;
        }
    }
    int32_t code = call_somehow(function, a);
    int is_right = code == 0 || code == 4, is_told = has_error && a[function->parameter_count - 1].pointer;
    if (!is_right)
        for (uint32_t i = 0; i < function->parameter_count; i++)
            if (taken[i])
                taken[i]->taken--;
    /* Garbage for a message; verbs in the wrong state; lists that have no such place. */
    static const uint32_t unlucky[] = {TMR_R_BAD_MESSAGE, TMR_R_WRONG_STATE, TMR_R_NO_MORE, TMR_R_NOT_MONITORED, TMR_R_NO_SUCH_IMAGE};
    for (size_t k = 0; has_error && k < sizeof unlucky / sizeof *unlucky; k++)
        is_right |= code == 8 && (!is_told || all.error.reason == unlucky[k]);
    EXPECT(is_right, "%s: %d %u %s", function->name, (int)code, has_error ? (unsigned)all.error.reason : 0,
           has_error ? all.error.sentence : "");
    for (uint32_t i = 0; i < function->parameter_count; i++) {
        const struct parameter *parameter = &function->parameters[i];
        if (parameter->kind != HANDLE_PLACE || !a[i].pointer)
            continue;
        void *handle = *(void **)a[i].pointer;
        EXPECT((code == 0 || code == 4) == (handle != NULL), "%s: %d, and %s a handle", function->name, (int)code,
               handle ? "there is" : "there is not");
        for (size_t k = 0; k < FUNCTION_COUNT; k++)
            if (functions[k].parameter_count == 1 && functions[k].parameters[0].kind == HANDLE_TO_CLOSE
                && strcmp(functions[k].parameters[0].type, parameter->type) == 0
                && strstr(functions[k].name, "_close")) {
                void *copy = handle;
                union argument closing[6];
                closing[0].pointer = &handle;
                EXPECT(call(functions[k].number, closing) == 0 && !handle, "%s", functions[k].name);
                EXPECT(call(functions[k].number, closing) == 0, "%s of NULL", functions[k].name);
                closing[0].pointer = &copy;
                int32_t again = copy ? call(functions[k].number, closing) : 8;
                EXPECT(again == 8, "%s twice: %d", functions[k].name, (int)again);
            }
    }
    end_all();
}

static void attack(const struct function *function)
{
    make_all();
    for (uint32_t i = 0; i < function->parameter_count; i++) {
        const struct parameter *parameter = &function->parameters[i];
        switch (parameter->kind) {
        case NUMBER32: case NUMBER64: break;
        case ERROR_BLOCK: attack_error(function, i); break;
        case HANDLE: case HANDLE_TO_CLOSE:
            attack_pointer(function, i);
            attack_handle(function, i);
            break;
        case STRUCTURE: case STRUCTURE_PLACE: case BUFFER_PLACE:
            attack_pointer(function, i);
            attack_structure(function, i);
            break;
        case LIST:
            attack_pointer(function, i);
            if (structure_of(parameter->type))
                attack_structure(function, i);
            break;
        default: attack_pointer(function, i); break;
        }
    }
    end_all();
    call_right(function, 6);
    for (uint32_t i = 0; i < function->parameter_count; i++)
        if (may_be_null(function, function->parameters[i].name) || function->parameters[i].kind == HANDLE_TO_CLOSE
            || function->parameters[i].kind == ERROR_BLOCK)
            call_right(function, i);
}

/* Copies of handles that were closed are known as such, by every function. */
static void attack_closed(void)
{
    void *closed[HANDLE_KINDS] = {0};
    make_all();
    for (size_t k = 0; k < HANDLE_KINDS; k++)
        closed[k] = handle_of(kinds_of_handle[k]) ? *handle_of(kinds_of_handle[k]) : NULL;
    end_all();
    make_all();
    for (size_t f = 0; f < FUNCTION_COUNT; f++)
        for (uint32_t i = 0; i < functions[f].parameter_count; i++)
            for (size_t k = 0; k < HANDLE_KINDS; k++) {
                union argument a[6];
                const struct parameter *parameter = &functions[f].parameters[i];
                if (functions[f].number == 4 || !closed[k] || strcmp(parameter->type, kinds_of_handle[k]) != 0)
                    continue;
                if (parameter->kind != HANDLE && parameter->kind != HANDLE_TO_CLOSE)
                    continue;
                make_arguments(&functions[f], a);
                void *copy = closed[k];
                a[i].pointer = parameter->kind == HANDLE ? copy : (void *)&copy;
                expect_refused(&functions[f], a, i, "closed", TMR_R_BAD_HANDLE, TMR_R_BAD_HANDLE);
            }
    end_all();
}

int main(int count, char **words)
{
    EXPECT(count >= 2, "matrix FOLDER [FUNCTION]");
    load(words[1]);
    for (size_t f = 0; f < FUNCTION_COUNT; f++) {
        /* Sinks are there only inside a function of the host: see wrong.c. */
        if (functions[f].number == 4 || (count > 2 && strcmp(words[2], functions[f].name) != 0))
            continue;
        attack(&functions[f]);
    }
    if (count == 2)
        attack_closed();
    printf("%u refused calls of %u functions\n", refused_count, (unsigned)FUNCTION_COUNT);
    return 0;
}
