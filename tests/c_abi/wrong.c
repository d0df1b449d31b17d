/* Everything at the wrong time: verbs in every state, handles in use by another thread or by the call that is just calling
 * back, sinks whose call has ended, lists beyond their end, numbers that nothing has. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"
#include "verbs.h"

static tmr_error error;

#define OK(call) \
    do { \
        int32_t ok_ = (call); \
        EXPECT(ok_ == 0 || ok_ == 4, "%s: %d %s", #call, (int)ok_, error.sentence); \
    } while (0)
#define REFUSED(call, why) \
    do { \
        int32_t refused_ = (call); \
        EXPECT(refused_ == 8 && error.reason == (why), "%s: %d %u %s", #call, (int)refused_, (unsigned)error.reason, \
               error.sentence); \
    } while (0)

static tmr_plan *propose(struct world *world)
{
    tmr_selection selection;
    tmr_plan *plan = NULL;
    TMR_CLEAR(selection);
    selection.masks = "TEST.PDS,TEST.SEQ";
    selection.sources = "OLD001";
    selection.targets = "NEW001";
    OK(tmr_plan_propose(world->host, &selection, &plan, &error));
    return plan;
}

static tmr_migration *begin_migration(struct world *world)
{
    tmr_plan *plan = propose(world);
    tmr_migration *migration = NULL;
    tmr_migration_options options;
    tmr_checkpoint_functions checkpoint = functions_of_store(&world->store);
    TMR_CLEAR(options);
    world->store.owner.taken++;
    OK(tmr_migration_new(world->host, plan, &options, &checkpoint, &migration, &error));
    OK(tmr_plan_close(&plan));
    return migration;
}

static uint32_t state_of(const tmr_migration *migration)
{
    tmr_status status;
    TMR_CLEAR(status);
    OK(tmr_migration_status(migration, &status, NULL));
    return status.state;
}

static int32_t perform(tmr_migration *migration, uint32_t verb)
{
    switch (verb) {
    case TMR_VERB_RESERVE: return tmr_migration_reserve(migration, &error);
    case TMR_VERB_STEP: return tmr_migration_step(migration, 3, NULL, &error);
    case TMR_VERB_VERIFY: return tmr_migration_verify(migration, NULL, &error);
    case TMR_VERB_QUIESCE: return tmr_migration_quiesce(migration, &error);
    case TMR_VERB_POSTPONE: return tmr_migration_postpone(migration, &error);
    case TMR_VERB_SWITCH: return tmr_migration_switch(migration, &error);
    case TMR_VERB_BACK_OUT: return tmr_migration_back_out(migration, &error);
    case TMR_VERB_COMPLETE: return tmr_migration_complete(migration, &error);
    case TMR_VERB_TERMINATE: return tmr_migration_terminate(migration, &error);
    case TMR_VERB_ACCOMMODATE: return tmr_migration_accommodate(migration, &error);
    default: EXPECT(0, "verb %u", (unsigned)verb); return 16;
    }
}

/* A migration in this state, in a new world. */
static tmr_migration *reach(struct world *world, uint32_t state)
{
    clear_faults();
    OK(world_new(world, OWN_DESK | OWN_CATALOG, &error));
    tmr_migration *migration = begin_migration(world);
    if (state == TMR_STATE_PLANNED)
        return migration;
    if (state == TMR_STATE_TERMINATED) {
        OK(perform(migration, TMR_VERB_TERMINATE));
        return migration;
    }
    OK(perform(migration, TMR_VERB_RESERVE));
    if (state == TMR_STATE_CLOSING)
        world->desk.open_count = 1;
    for (int turn = 0; turn < 100; turn++) {
        uint32_t now = state_of(migration);
        if (now == state)
            return migration;
        if (state == TMR_STATE_SWITCHING && now == TMR_STATE_QUIESCED) {
            fault.call = CATALOG_RECATALOG;
            fault.at = 1;
            fault.for_ever = 1;
            fault.how = FAILS;
            fault.code = 12;
            int32_t code = tmr_migration_advance(migration, 100, &error);
            EXPECT(code == 12 || code == 4, "%d %s", (int)code, error.sentence);
            if (code == 12)
                EXPECT(state_of(migration) == TMR_STATE_SWITCHING && error.state == TMR_STATE_SWITCHING, "%s", error.sentence);
            continue;
        }
        OK(tmr_migration_advance(migration, 100, &error));
    }
    EXPECT(0, "state %u is not reached, it is %u", (unsigned)state, (unsigned)state_of(migration));
    return NULL;
}

static void wrong_states(void)
{
    unsigned refused = 0, done = 0;
    for (uint32_t state = 1; state <= 9; state++) {
        struct world world;
        tmr_migration *migration = reach(&world, state);
        clear_faults();
        for (uint32_t verb = 1; verb <= 10; verb++) {
            if (allowed[state][verb])
                continue;
            REFUSED(perform(migration, verb), TMR_R_WRONG_STATE);
            EXPECT(error.state == state && state_of(migration) == state, "verb %u: %s", (unsigned)verb, error.sentence);
            refused++;
        }
        if (state != TMR_STATE_TERMINATED && state != TMR_STATE_COMPLETE)
            OK(tmr_migration_take_up(migration, &error));
        OK(tmr_migration_close(&migration));
        expect_nothing_lost(&world, "after verbs in the wrong state");
        world_end(&world);
        for (uint32_t verb = 1; verb <= 10; verb++) {
            if (!allowed[state][verb])
                continue;
            migration = reach(&world, state);
            clear_faults();
            int32_t code = perform(migration, verb);
            /* While others write, sources and targets are compared in the window only. */
            int is_too_early = verb == TMR_VERB_VERIFY && state == TMR_STATE_MIRRORED;
            EXPECT(code != 16 && (error.reason != TMR_R_WRONG_STATE || is_too_early), "verb %u in state %u: %d %s", (unsigned)verb,
                   (unsigned)state, (int)code, error.sentence);
            OK(tmr_migration_close(&migration));
            expect_nothing_lost(&world, "after a verb");
            world_end(&world);
            done++;
        }
    }
    EXPECT(refused + done == 90, "%u and %u", refused, done);
}

/* ---- inside the host's functions */

static struct {
    struct world world;
    tmr_migration *migration;
    tmr_volume *volume;
    unsigned event_count, read_count, sink_count;
    int is_inside;
    tmr_sink *kept;
} inner;

static void inside_an_event(void *user, const tmr_event *event)
{
    (void)user;
    (void)event;
    if (!inner.migration)
        return;
    tmr_error own;
    tmr_status status;
    tmr_estimate estimate;
    tmr_event next;
    tmr_tuning tuning;
    tmr_opener opener;
    tmr_migration *copy = inner.migration;
    TMR_CLEAR(own);
    TMR_CLEAR(status);
    TMR_CLEAR(estimate);
    TMR_CLEAR(next);
    TMR_CLEAR(tuning);
    TMR_CLEAR(opener);
    inner.event_count++;
    EXPECT(tmr_migration_status(copy, &status, &own) == 0 && status.state > 0, "%s", own.sentence);
    EXPECT(tmr_migration_estimate(copy, &estimate, &own) == 0, "%s", own.sentence);
    EXPECT(tmr_host_next_event(inner.world.host, &next, &own) % 4 == 0 && own.code == 0, "%s", own.sentence);
    int32_t codes[] = {
        tmr_migration_reserve(copy, &own), tmr_migration_step(copy, 1, NULL, &own), tmr_migration_verify(copy, NULL, &own),
        tmr_migration_quiesce(copy, &own), tmr_migration_postpone(copy, &own), tmr_migration_accommodate(copy, &own),
        tmr_migration_switch(copy, &own), tmr_migration_back_out(copy, &own), tmr_migration_complete(copy, &own),
        tmr_migration_terminate(copy, &own), tmr_migration_advance(copy, 1, &own), tmr_migration_take_up(copy, &own),
        tmr_migration_tune(copy, &tuning, &own), tmr_migration_opener(copy, 0, &opener, &own),
        tmr_migration_add_image(copy, "OLD001", "SYSA", &own), tmr_migration_retire_image(copy, "SYSA", &own),
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        EXPECT(codes[i] == 8 && own.reason == TMR_R_HANDLE_IN_USE, "%u: %d %s", (unsigned)i, (int)codes[i], own.sentence);
    EXPECT(tmr_migration_close(&copy) == 8 && copy == inner.migration, "closed inside itself");
}

static void inside_a_read(enum call call)
{
    if (call != VOLUME_READ || inner.is_inside || !inner.world.host)
        return;
    inner.is_inside = 1;
    inner.read_count++;
    tmr_error own;
    tmr_assessment *assessment = NULL;
    TMR_CLEAR(own);
    tmr_host *host = inner.world.host;
    if (inner.volume) {
        /* tmr_volume_read is calling: that volume is in use. */
        tmr_volume *volume = inner.volume;
        EXPECT(tmr_volume_close(&volume) == 8 && volume == inner.volume, "a volume is closed inside its own read");
    } else {
        EXPECT(tmr_assess(host, "TEST.**", NULL, 0, &assessment, &own) == 8 && own.reason == TMR_R_HANDLE_IN_USE, "%s",
               own.sentence);
        EXPECT(tmr_host_close(&host) == 8 && host == inner.world.host, "a host is closed inside itself");
        EXPECT(tmr_host_add_volume(host, inner.world.volumes[OLD], &own) == 8, "%s", own.sentence);
        EXPECT(tmr_host_keep_events(host, 10, &own) == 0, "%s", own.sentence);
    }
    inner.is_inside = 0;
}

static void inside_a_store(enum call call)
{
    if (call != STORE_READ)
        return;
    tmr_error own;
    TMR_CLEAR(own);
    inner.sink_count++;
    tmr_sink *sink = last_sink;
    EXPECT(tmr_sink_put(NULL, "x", 1, &own) == 8 && own.reason == TMR_R_NULL_POINTER, "%s", own.sentence);
    EXPECT(tmr_sink_put(sink, NULL, 1, &own) == 8 && own.reason == TMR_R_NULL_POINTER, "%s", own.sentence);
    EXPECT(tmr_sink_put(sink, "x", 0x8000000000000000u, &own) == 8 && own.reason == TMR_R_BAD_VALUE, "%s", own.sentence);
    EXPECT(tmr_sink_put(sink, "x", 0xFFFFFFFFFFFFFFFFu, &own) == 8, "%s", own.sentence);
    EXPECT(tmr_sink_put((tmr_sink *)(void *)inner.world.host, "x", 1, &own) == 8 && own.reason == TMR_R_BAD_HANDLE, "%s",
           own.sentence);
    EXPECT(tmr_sink_put((tmr_sink *)(void *)((char *)sink + 1), "x", 1, &own) == 8, "%s", own.sentence);
    if (inner.kept)
        EXPECT(tmr_sink_put(inner.kept, "x", 1, &own) == 8 && own.reason == TMR_R_BAD_HANDLE, "%s", own.sentence);
    inner.kept = sink;
}

static void inside_out(void)
{
    memset(&inner, 0, sizeof inner);
    clear_faults();
    OK(world_new(&inner.world, 0, &error));
    /* Reads. */
    hook = inside_a_read;
    tmr_assessment *assessment = NULL;
    OK(tmr_assess(inner.world.host, "TEST.**", NULL, 0, &assessment, &error));
    OK(tmr_assessment_close(&assessment));
    static unsigned char buffer[SLOT];
    inner.volume = inner.world.volumes[OLD];
    OK(tmr_volume_read(inner.volume, 3, 1, buffer, SLOT, &error));
    EXPECT(inner.read_count >= 2, "%u", inner.read_count);
    /* Sinks. */
    hook = inside_a_store;
    inner.migration = NULL;
    tmr_migration *migration = begin_migration(&inner.world);
    EXPECT(inner.sink_count > 0, "the store was not read");
    EXPECT(tmr_sink_put(inner.kept, "x", 1, &error) == 8 && error.reason == TMR_R_BAD_HANDLE, "%s", error.sentence);
    hook = NULL;
    /* Events. */
    OK(tmr_host_keep_events(inner.world.host, 1000, &error));
    inner.migration = migration;
    inner.world.listener.on_event = inside_an_event;
    int32_t code;
    while ((code = tmr_migration_advance(migration, 3, &error)) == 4)
        continue;
    EXPECT(code == 0 && inner.event_count > 5, "%d %u %s", (int)code, inner.event_count, error.sentence);
    inner.migration = NULL;
    OK(tmr_migration_close(&migration));
    expect_moved(&inner.world, "with calls inside of calls");
    tmr_event event;
    TMR_CLEAR(event);
    while (tmr_host_next_event(inner.world.host, &event, &error) == 4)
        EXPECT(event.kind > 0 && event.size == sizeof event, "event");
    world_end(&inner.world);
}

/* ---- two threads */

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static int is_inside, may_leave;

static void wait_inside(enum call call)
{
    if (call != VOLUME_WRITE)
        return;
    pthread_mutex_lock(&door);
    if (!may_leave) {
        is_inside = 1;
        pthread_cond_broadcast(&moved);
        while (!may_leave)
            pthread_cond_wait(&moved, &door);
    }
    pthread_mutex_unlock(&door);
}

static void *step_in_thread(void *migration)
{
    tmr_error own;
    TMR_CLEAR(own);
    int32_t code = tmr_migration_step(migration, 100, NULL, &own);
    EXPECT(code == 0 || code == 4, "%d %s", (int)code, own.sentence);
    return NULL;
}

static void two_threads(void)
{
    struct world world;
    clear_faults();
    OK(world_new(&world, 0, &error));
    tmr_migration *migration = begin_migration(&world), *copy;
    OK(tmr_migration_reserve(migration, &error));
    pthread_t thread;
    hook = wait_inside;
    is_inside = may_leave = 0;
    EXPECT(pthread_create(&thread, NULL, step_in_thread, migration) == 0, "thread");
    pthread_mutex_lock(&door);
    while (!is_inside)
        pthread_cond_wait(&moved, &door);
    pthread_mutex_unlock(&door);
    REFUSED(tmr_migration_step(migration, 1, NULL, &error), TMR_R_HANDLE_IN_USE);
    REFUSED(tmr_migration_terminate(migration, &error), TMR_R_HANDLE_IN_USE);
    copy = migration;
    EXPECT(tmr_migration_close(&copy) == 8 && copy == migration, "closed while in use");
    EXPECT(state_of(migration) == TMR_STATE_COPYING, "state");
    pthread_mutex_lock(&door);
    may_leave = 1;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&door);
    pthread_join(thread, NULL);
    hook = NULL;
    OK(tmr_migration_terminate(migration, &error));
    OK(tmr_migration_close(&migration));
    expect_nothing_lost(&world, "two threads");
    world_end(&world);
}

/* Handles are made, used and closed by many threads at once, each closing copies of its own twice. */
static void *open_and_close(void *number)
{
    tmr_error own;
    (void)number;
    for (int turn = 0; turn < 200; turn++) {
        tmr_changed *changed = NULL, *copy, *again;
        uint32_t count = 0;
        TMR_CLEAR(own);
        EXPECT(tmr_changed_new(100, &changed, &own) == 0, "%s", own.sentence);
        copy = again = changed;
        EXPECT(tmr_changed_set(changed, 5, 20, &own) == 0, "%s", own.sentence);
        EXPECT(tmr_changed_count(changed, 0, 100, &count, &own) == 0 && count == 20, "%s", own.sentence);
        EXPECT(tmr_changed_close(&changed) == 0 && changed == NULL, "close");
        EXPECT(tmr_changed_close(&copy) == 8 && copy == again, "closed twice");
        EXPECT(tmr_changed_set(again, 0, 1, &own) == 8 && own.reason == TMR_R_BAD_HANDLE, "%s", own.sentence);
    }
    return NULL;
}

static void many_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        EXPECT(pthread_create(&threads[i], NULL, open_and_close, NULL) == 0, "thread");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* ---- numbers that nothing has */

static void numbers(void)
{
    struct world world;
    const uint32_t much = 0xFFFFFFFFu;
    clear_faults();
    OK(world_new(&world, 0, &error));
    static unsigned char buffer[4 * SLOT];
    tmr_volume *volume = world.volumes[OLD];
    REFUSED(tmr_volume_read(volume, much, much, buffer, sizeof buffer, &error), TMR_R_SHORT_BUFFER);
    REFUSED(tmr_volume_read(volume, 0, much, buffer, (uint64_t)much * SLOT, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_volume_read(volume, much, 1, buffer, SLOT, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_volume_read(volume, 59, 2, buffer, 2 * SLOT, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_volume_read(volume, 0, 0, buffer, 0, &error), TMR_R_SHORT_BUFFER);
    REFUSED(tmr_volume_read(volume, 0, 1, buffer, SLOT - 1, &error), TMR_R_SHORT_BUFFER);
    REFUSED(tmr_volume_read(volume, 0, 1, buffer, SLOT + 1, &error), TMR_R_SHORT_BUFFER);
    REFUSED(tmr_volume_write(volume, much, much, buffer, SLOT, &error), TMR_R_SHORT_BUFFER);
    EXPECT(tmr_volume_write(volume, 30, 1, buffer, SLOT, &error) == 12, "a track that is none is written: %s", error.sentence);
    memset(buffer, 0xFF, sizeof buffer);
    EXPECT(tmr_volume_write(volume, 30, 1, buffer, SLOT, &error) == 12, "a track that is none is written: %s", error.sentence);

    tmr_volume_info info = info_of(&world.disks[OLD]);
    tmr_volume *made = NULL;
    const uint32_t cylinders[] = {0, much, 0x10000000u, 0x06666667u};
    for (int i = 0; i < 4; i++) {
        info.cylinders = cylinders[i];
        REFUSED(tmr_volume_in_memory(&info, &made, &error), TMR_R_BAD_VALUE);
    }
    info.cylinders = 6;
    info.slot_size = much;
    REFUSED(tmr_volume_in_memory(&info, &made, &error), TMR_R_BAD_VALUE);
    info.slot_size = 1;
    REFUSED(tmr_volume_in_memory(&info, &made, &error), TMR_R_BAD_VALUE);
    info.slot_size = 0;
    copy_text(info.device, sizeof info.device, "3391");
    REFUSED(tmr_volume_in_memory(&info, &made, &error), TMR_R_UNKNOWN_DEVICE);
    REFUSED(tmr_volume_open("/no/such/file", TMR_READ, &made, &error), TMR_R_NO_SUCH_FILE);
    REFUSED(tmr_volume_open("/dev/null", TMR_READ | 0x80000000u, &made, &error), TMR_R_BAD_VALUE);
    int32_t code = tmr_volume_open("/dev/null", TMR_READ, &made, &error);
    EXPECT(code >= 8 && code <= 12 && !made, "%d", (int)code);
    code = tmr_volume_open(folder, TMR_READ, &made, &error);
    EXPECT(code >= 8 && code <= 12 && !made, "%d", (int)code);

    tmr_changed *changed = NULL;
    uint32_t first, count;
    REFUSED(tmr_changed_new(0, &changed, &error), TMR_R_BAD_VALUE);
    REFUSED(tmr_changed_new(much, &changed, &error), TMR_R_BAD_VALUE);
    OK(tmr_changed_new(65, &changed, &error));
    REFUSED(tmr_changed_set(changed, much, much, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_changed_set(changed, 64, 2, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_changed_clear(changed, 1, much, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_changed_count(changed, 65, 1, &count, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_changed_next(changed, 66, 1, &first, &count, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_changed_next(changed, 0, 0, &first, &count, &error), TMR_R_BAD_VALUE);
    OK(tmr_changed_next(changed, 65, much, &first, &count, &error));
    OK(tmr_changed_close(&changed));

    REFUSED(tmr_host_keep_events(world.host, much, &error), TMR_R_BAD_VALUE);
    tmr_assessment *assessment = NULL;
    tmr_plan *plan = NULL;
    REFUSED(tmr_assess(world.host, "TEST.**", "NOSUCH", 0, &assessment, &error), TMR_R_NO_SUCH_VOLUME);
    REFUSED(tmr_assess(world.host, "TEST.**", "WAYTOOLONG", 0, &assessment, &error), TMR_R_BAD_VOLSER);
    REFUSED(tmr_assess(world.host, "TEST.**", NULL, much, &assessment, &error), TMR_R_BAD_VALUE);
    code = tmr_assess(world.host, "..;;**x", NULL, 0, &assessment, &error);
    EXPECT(code == 8 && !assessment, "%d", (int)code);
    OK(tmr_assess(world.host, "TEST.**", NULL, 0, &assessment, &error));
    tmr_data_set data_set;
    tmr_extent extent;
    TMR_CLEAR(data_set);
    REFUSED(tmr_assessment_data_set(assessment, 3, &data_set, &error), TMR_R_NO_MORE);
    REFUSED(tmr_assessment_data_set(assessment, much, &data_set, &error), TMR_R_NO_MORE);
    REFUSED(tmr_assessment_extent(assessment, 0, much, &extent, &error), TMR_R_NO_MORE);
    REFUSED(tmr_assessment_extent(assessment, much, much, &extent, &error), TMR_R_NO_MORE);
    /* The block for the refusal and the one for the error are the same. */
    OK(tmr_assessment_refusal(assessment, 2, 0, &error, &error));
    EXPECT(error.reason != 0 && strcmp(error.data_set, "TEST.ZZZ") == 0, "%s", error.sentence);
    REFUSED(tmr_assessment_refusal(assessment, 2, much, &error, &error), TMR_R_NO_MORE);
    tmr_changes *changes = NULL;
    REFUSED(tmr_assessment_compare(assessment, assessment, much, &changes, &error), TMR_R_BAD_VALUE);
    OK(tmr_assessment_compare(assessment, assessment, 0, &changes, &error));
    tmr_allocation_change change;
    tmr_changed_run changed_run;
    TMR_CLEAR(change);
    TMR_CLEAR(changed_run);
    REFUSED(tmr_changes_get(changes, much, &change, &error), TMR_R_NO_MORE);
    REFUSED(tmr_changes_run(changes, 0, much, &changed_run, &error), TMR_R_NO_MORE);
    OK(tmr_changes_close(&changes));
    OK(tmr_assessment_close(&assessment));
    tmr_selection selection;
    TMR_CLEAR(selection);
    selection.masks = "TEST.PDS";
    selection.sources = "OLD001";
    selection.targets = "NEW001";
    selection.mode = much;
    REFUSED(tmr_plan_propose(world.host, &selection, &plan, &error), TMR_R_BAD_VALUE);
    selection.mode = 0;
    selection.slack = much;
    code = tmr_plan_propose(world.host, &selection, &plan, &error);
    EXPECT(code == 4 || code == 8, "%d", (int)code);
    OK(tmr_plan_close(&plan));
    selection.slack = 0;
    OK(tmr_plan_propose(world.host, &selection, &plan, &error));
    tmr_planned_data_set planned;
    TMR_CLEAR(planned);
    REFUSED(tmr_plan_data_set(plan, much, &planned, &error), TMR_R_NO_MORE);
    REFUSED(tmr_plan_extent(plan, 0, much, &extent, &error), TMR_R_NO_MORE);
    REFUSED(tmr_plan_refusal(plan, much, much, &error, &error), TMR_R_NO_MORE);
    tmr_table *table = NULL;
    REFUSED(tmr_table_of_plan(plan, much, &table, &error), TMR_R_BAD_VALUE);
    OK(tmr_table_of_plan(plan, 0, &table, &error));
    tmr_entry entries[2], entry;
    memset(entries, 0, sizeof entries);
    REFUSED(tmr_table_run(table, much, &entry, &error), TMR_R_NO_MORE);
    REFUSED(tmr_table_entry(table, much, &extent, &error), TMR_R_NO_MORE);
    tmr_location location;
    TMR_CLEAR(location);
    REFUSED(tmr_table_to_target(table, "OLD001", much, &location, &error), TMR_R_NOT_IN_TABLE);
    tmr_table *other = NULL;
    /* The first of four billion is none. */
    code = tmr_table_new(entries, much, &other, &error);
    EXPECT(code == 8 && !other, "%d", (int)code);
    OK(tmr_table_new(NULL, 0, &other, &error));
    OK(tmr_table_close(&other));
    copy_text(entries[0].source_volser, 16, "OLD001");
    copy_text(entries[0].target_volser, 16, "NEW001");
    entries[0].source_first = much;
    entries[0].target_first = 1;
    entries[0].track_count = much;
    code = tmr_table_new(entries, 1, &other, &error);
    EXPECT(code == 8 && !other, "%d", (int)code);
    entries[0].source_first = 0;
    entries[0].target_first = much - 1;
    code = tmr_table_new(entries, 1, &other, &error);
    EXPECT(code == 8 && !other, "%d", (int)code);
    tmr_copier_options options;
    tmr_copier *copier = NULL;
    TMR_CLEAR(options);
    options.threads = much;
    REFUSED(tmr_copier_new(table, world.host, &options, &copier, &error), TMR_R_BAD_VALUE);
    options.threads = 2;
    options.batch_tracks = much;
    REFUSED(tmr_copier_new(table, world.host, &options, &copier, &error), TMR_R_BAD_VALUE);
    options.batch_tracks = 0;
    OK(tmr_copier_new(table, world.host, &options, &copier, &error));
    uint32_t digest;
    tmr_progress progress;
    TMR_CLEAR(progress);
    REFUSED(tmr_copier_digest(copier, much, &digest, &error), TMR_R_NO_MORE);
    REFUSED(tmr_copier_retake(copier, "OLD001", much, much, &error), TMR_R_BAD_VALUE);
    REFUSED(tmr_copier_retake(copier, "OLD001", 0, 1, &error), TMR_R_NOT_IN_TABLE);
    REFUSED(tmr_copier_leave_out(copier, "NEW001", 40, 1, &error), TMR_R_NOT_IN_TABLE);
    REFUSED(tmr_copier_step(copier, 0, &progress, &error), TMR_R_BAD_VALUE);
    OK(tmr_copier_step(copier, much, &progress, &error));
    OK(tmr_copier_close(&copier));
    tmr_verification *verification = NULL;
    REFUSED(tmr_verify(table, world.host, much, &verification, &error), TMR_R_BAD_VALUE);
    OK(tmr_table_close(&table));
    /* Threads and batches of a migration. */
    tmr_migration_options migrating;
    tmr_migration *migration = NULL;
    tmr_checkpoint_functions checkpoint = functions_of_store(&world.store);
    TMR_CLEAR(migrating);
    migrating.threads = much;
    REFUSED(tmr_migration_new(world.host, plan, &migrating, &checkpoint, &migration, &error), TMR_R_BAD_VALUE);
    migrating.threads = 2;
    migrating.batch_tracks = much;
    REFUSED(tmr_migration_new(world.host, plan, &migrating, &checkpoint, &migration, &error), TMR_R_BAD_VALUE);
    migrating.batch_tracks = 1024;
    REFUSED(tmr_migration_new(world.host, plan, &migrating, NULL, &migration, &error), TMR_R_NULL_POINTER);
    world.store.owner.taken++;
    OK(tmr_migration_new(world.host, plan, &migrating, &checkpoint, &migration, &error));
    OK(tmr_migration_reserve(migration, &error));
    OK(tmr_migration_step(migration, much, NULL, &error));
    tmr_opener opener;
    TMR_CLEAR(opener);
    REFUSED(tmr_migration_opener(migration, much, &opener, &error), TMR_R_NO_MORE);
    tmr_tuning tuning;
    TMR_CLEAR(tuning);
    tuning.set = TMR_TUNE_GOAL_TRACKS | TMR_TUNE_GOAL_MS;
    REFUSED(tmr_migration_tune(migration, &tuning, &error), TMR_R_BAD_VALUE);
    tuning.set = TMR_TUNE_GOAL_MS | TMR_TUNE_LIMITS | TMR_TUNE_PACE_BYTES | TMR_TUNE_ATTEMPTS;
    tuning.goal_ms = tuning.wait_ms = tuning.window_ms = tuning.pace_bytes = 0xFFFFFFFFFFFFFFFFu;
    tuning.attempts = much;
    OK(tmr_migration_tune(migration, &tuning, &error));
    while ((code = tmr_migration_advance(migration, much, &error)) == 4)
        continue;
    EXPECT(code == 0, "%d %s", (int)code, error.sentence);
    OK(tmr_migration_close(&migration));
    OK(tmr_plan_close(&plan));

    uint64_t length;
    REFUSED(tmr_area_size(much, &length, &error), TMR_R_BAD_VALUE);
    char text[8];
    REFUSED(tmr_reason_text(TMR_R_NO_MORE, text, 0, &error), TMR_R_SHORT_BUFFER);
    OK(tmr_reason_text(TMR_R_NO_MORE, text, 1, &error));
    EXPECT(text[0] == 0, "%s", text);
    OK(tmr_reason_text(TMR_R_NO_MORE, text, sizeof text, &error));
    EXPECT(strlen(text) == 7, "%s", text);
    REFUSED(tmr_reason_text(much, text, sizeof text, &error), TMR_R_BAD_VALUE);
    REFUSED(tmr_reason_text(0, text, sizeof text, &error), TMR_R_BAD_VALUE);
    EXPECT(text[0] == 0, "%s", text);

    /* Calls by a list. */
    const void *addresses[6] = {0};
    const uint32_t none[] = {0, 9, 4711, much, 2};
    for (int i = 0; i < 5; i++)
        EXPECT(tmr_call(none[i], addresses) == 8, "function %u", (unsigned)none[i]);
    EXPECT(tmr_call(TMR_F_VERSION, addresses) == 8 && tmr_call(TMR_F_VERSION, NULL) == 8, "NULL addresses");
    uint32_t itself = TMR_F_CALL;
    const void *endless[2];
    const void *const *list = endless;
    endless[0] = &itself;
    endless[1] = &list;
    EXPECT(tmr_call(TMR_F_CALL, endless) == 8, "a list that names itself");
    world_end(&world);
}

static void images(void)
{
    struct world world;
    const uint32_t much = 0xFFFFFFFFu;
    clear_faults();
    OK(world_new(&world, 0, &error));
    tmr_volume_info info = info_of(&world.disks[OLD]);
    uint64_t length;
    OK(tmr_area_size(60, &length, &error));
    uint64_t *memory = calloc(1, length);
    tmr_area *area = NULL, *second = NULL;
    tmr_image *image = NULL, *same = NULL;
    tmr_subscription *subscription = NULL;
    REFUSED(tmr_area_in_memory(memory, length - 8, &info, &area, &error), TMR_R_SHORT_BUFFER);
    REFUSED(tmr_area_in_memory(memory, 0xFFFFFFFFFFFFFFFFu, &info, &area, &error), TMR_R_SHORT_BUFFER);
    OK(tmr_area_in_memory(memory, length, &info, &area, &error));
    int32_t code = tmr_area_in_memory(memory, length, &info, &second, &error);
    EXPECT(code == 12 && error.reason == TMR_R_AREA_BUSY && !second, "%d %s", (int)code, error.sentence);
    OK(tmr_image_register(area, "SYSA", TMR_IMAGE_BRACKETS, &image, &error));
    code = tmr_image_register(area, "SYSA", TMR_IMAGE_BRACKETS, &same, &error);
    EXPECT(code >= 8 && code <= 12 && !same, "%d", (int)code);
    REFUSED(tmr_image_register(area, "SYSB", much, &same, &error), TMR_R_BAD_VALUE);
    tmr_write write, copy, garbage = {0x0102030405060708u, 0xFFFFFFFFFFFFFFFFu};
    REFUSED(tmr_image_begin(image, much, much, &write, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_image_begin(image, 59, 2, &write, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_image_note(image, 1, 1, &error), error.reason);
    OK(tmr_image_begin(image, 20, 2, &write, &error));
    copy = write;
    REFUSED(tmr_image_end(image, &garbage, &error), TMR_R_BAD_VALUE);
    OK(tmr_image_end(image, &write, &error));
    REFUSED(tmr_image_end(image, &write, &error), TMR_R_BAD_VALUE);
    REFUSED(tmr_image_end(image, &copy, &error), TMR_R_BAD_VALUE);
    const uint64_t zero[2] = {0, 0}, id[2] = {7, 7};
    REFUSED(tmr_subscription_open(area, zero, &subscription, &error), TMR_R_BAD_VALUE);
    OK(tmr_subscription_open(area, id, &subscription, &error));
    tmr_extent extent;
    uint64_t left;
    memset(&extent, 0, sizeof extent);
    REFUSED(tmr_subscription_look(subscription, &extent, 1, &error), error.reason);
    extent.first = much;
    extent.track_count = much;
    REFUSED(tmr_subscription_fill(subscription, &extent, 1, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_subscription_left(subscription, &extent, 1, &left, &error), TMR_R_OUTSIDE_VOLUME);
    REFUSED(tmr_subscription_seal(subscription, &extent, 1, &error), TMR_R_OUTSIDE_VOLUME);
    extent.first = 20;
    extent.track_count = 5;
    OK(tmr_subscription_fill(subscription, &extent, 1, &error));
    OK(tmr_subscription_seal(subscription, &extent, 1, &error));
    REFUSED(tmr_image_begin(image, 20, 1, &write, &error), TMR_R_VOLUME_SEALED);
    OK(tmr_subscription_unseal(subscription, &error));
    /* The area goes first, and the rest lives on. */
    OK(tmr_area_close(&area));
    OK(tmr_image_begin(image, 20, 1, &write, &error));
    REFUSED(tmr_area_image(area, 0, &(tmr_image_info){.size = sizeof(tmr_image_info)}, &error), TMR_R_NULL_POINTER);
    OK(tmr_subscription_close(&subscription));
    tmr_image *gone = image;
    OK(tmr_image_close(&image));
    REFUSED(tmr_image_begin(gone, 20, 1, &write, &error), TMR_R_BAD_HANDLE);
    REFUSED(tmr_image_end(gone, &write, &error), TMR_R_BAD_HANDLE);
    EXPECT(tmr_image_close(&gone) == 8, "closed twice");
    world_end(&world);
    free(memory);
}

/* The library in a process that was forked: what was there can be used and closed there too. */
static void forked(void)
{
    struct world world;
    clear_faults();
    OK(world_new(&world, 0, &error));
    tmr_migration *migration = begin_migration(&world);
    fflush(NULL);
    pid_t child = fork();
    EXPECT(child >= 0, "fork");
    if (child == 0) {
        EXPECT(state_of(migration) == TMR_STATE_PLANNED, "state");
        OK(tmr_migration_reserve(migration, &error));
        OK(tmr_migration_close(&migration));
        world_end(&world);
        exit(0);
    }
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "child: %d", status);
    OK(tmr_migration_terminate(migration, &error));
    OK(tmr_migration_close(&migration));
    world_end(&world);
}

/* Closed in any order, while others still need it. */
static void any_order(void)
{
    for (int order = 0; order < 6; order++) {
        struct world world;
        clear_faults();
        OK(world_new(&world, OWN_SPACE | OWN_CATALOG | OWN_CLOCK, &error));
        tmr_migration *migration = begin_migration(&world);
        tmr_host *host = world.host;
        if (order % 2)
            OK(tmr_host_close(&world.host));
        for (int i = 0; i < DISK_COUNT; i++)
            OK(tmr_volume_close(&world.volumes[(i + order) % DISK_COUNT]));
        int32_t code;
        while ((code = tmr_migration_advance(migration, 2, &error)) == 4)
            continue;
        EXPECT(code == 0, "%d %s", (int)code, error.sentence);
        tmr_migration *copy = migration;
        OK(tmr_migration_close(&migration));
        EXPECT(tmr_migration_close(&copy) == 8, "closed twice");
        REFUSED(tmr_migration_step(copy, 1, NULL, &error), TMR_R_BAD_HANDLE);
        OK(tmr_migration_close(&migration));
        OK(tmr_migration_close(NULL));
        if (order % 2)
            REFUSED(tmr_host_find_catalogs(host, &error), TMR_R_BAD_HANDLE);
        world_end(&world);
    }
}

int main(int count, char **words)
{
    EXPECT(count >= 2, "wrong FOLDER [PART]");
    load(words[1]);
    TMR_CLEAR(error);
    alarm(600); /* nobody is locked up */
    static const struct {
        const char *name;
        void (*part)(void);
    } parts[] = {{"numbers", numbers}, {"images", images}, {"any_order", any_order}, {"inside_out", inside_out},
                 {"two_threads", two_threads}, {"many_threads", many_threads}, {"wrong_states", wrong_states},
                 {"forked", forked}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count == 2 || strcmp(words[2], parts[i].name) == 0)
            parts[i].part();
    printf("done\n");
    return 0;
}
