/* Hosts whose functions fail, lie or dawdle: each function of each table, at its first call, its second, and so on until a
 * migration goes through. It always ends with a return code, no data set is ever lost, and when the host is well again the
 * migration is finished, or given up without a trace. */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

static tmr_error error;
static unsigned ride_count, failure_count, resume_count, give_up_count, refused_count;
static char riding[200];

#define OK(call) \
    do { \
        int32_t ok_ = (call); \
        EXPECT(ok_ == 0 || ok_ == 4, "%s: %s: %d %s", riding, #call, (int)ok_, error.sentence); \
    } while (0)

static void nap(uint64_t us)
{
    struct timespec wait = {0, (long)(us > 2000 ? 2000 : us) * 1000};
    if (us > 0)
        nanosleep(&wait, NULL);
}

/* The other machine, which serves until it is told to stop. */
static pthread_t far_thread;
static volatile int is_far_running, must_far_stop;

static void *serve(void *agent)
{
    tmr_error far_error;
    TMR_CLEAR(far_error);
    while (!must_far_stop) {
        int32_t served = tmr_agent_serve(agent, &far_error);
        EXPECT(served <= 12, "%s: %s", riding, far_error.sentence);
        if (served != 4)
            nap(100);
    }
    return NULL;
}

static void start_far(struct world *world)
{
    if (!world->agent)
        return;
    must_far_stop = 0;
    is_far_running = 1;
    EXPECT(pthread_create(&far_thread, NULL, serve, world->agent) == 0, "thread");
}

static void stop_far(void)
{
    if (is_far_running) {
        must_far_stop = 1;
        pthread_join(far_thread, NULL);
        is_far_running = 0;
    }
}

/* Looks at the data without disturbing what is counted. */
static void look(struct world *world, void (*at)(struct world *, const char *))
{
    struct fault kept = fault;
    uint64_t counted[CALL_COUNT];
    uint32_t delay = delay_us;
    memcpy(counted, called, sizeof called);
    fault.call = -1;
    delay_us = 0;
    at(world, riding);
    fault = kept;
    delay_us = delay;
    memcpy(called, counted, sizeof called);
}

static void expect_at_source(struct world *world, const char *when)
{
    EXPECT(where_is(world, "TEST.PDS") == AT_SOURCE && where_is(world, "TEST.SEQ") == AT_SOURCE, "%s: %u %u", when,
           (unsigned)where_is(world, "TEST.PDS"), (unsigned)where_is(world, "TEST.SEQ"));
    tmr_assessment *assessment = NULL;
    tmr_assessment_info info;
    TMR_CLEAR(info);
    OK(tmr_assess(world->host, "TEST.**", "NEW001", TMR_UNCATALOGED, &assessment, &error));
    OK(tmr_assessment_describe(assessment, &info, &error));
    EXPECT(info.extent_count == 0, "%s: %u extents are left at the target", when, (unsigned)info.extent_count);
    OK(tmr_assessment_close(&assessment));
}

/* That a call failed as calls may fail. */
static void expect_failed(int32_t code)
{
    EXPECT((code == 8 || code == 12) && error.code == code && error.reason != 0 && error.sentence[0], "%s: %d %u %s", riding,
           (int)code, (unsigned)error.reason, error.sentence);
    failure_count++;
    if (getenv("LOUD"))
        fprintf(stderr, "    %s\n", error.sentence);
}

/* The same ports for a new process, which resumes; NULL if it cannot. */
static tmr_migration *resume(struct world *world)
{
    tmr_migration *migration = NULL;
    tmr_migration_options options;
    tmr_checkpoint_functions checkpoint = functions_of_store(&world->store);
    TMR_CLEAR(options);
    stop_far();
    world_close(world);
    OK(world_open(world, &error));
    start_far(world);
    world->store.owner.taken++;
    int32_t code = tmr_migration_resume(world->host, &options, &checkpoint, &migration, &error);
    resume_count++;
    if (code != 0 && code != TMR_MORE) {
        EXPECT(!migration, "a migration");
        expect_failed(code);
        world->store.owner.taken--;
    }
    return migration;
}

/* A whole migration. `turn` chooses what is done when something fails. */
static int ride(uint32_t options, unsigned turn)
{
    static struct world world;
    int is_lie = fault.how == LIES && fault.call >= 0, is_verified = 0, has_given_up = 0, is_complete = 0;
    int is_wired = (options & WITH_WIRE) != 0;
    tmr_plan *plan = NULL;
    tmr_migration *migration = NULL;
    ride_count++;
    memset(called, 0, sizeof called);
    TMR_CLEAR(error);
    int32_t code = world_new(&world, options, &error);
    if (code != 0) {
        expect_failed(code);
        refused_count++;
        fault.call = -1;
        world_end(&world);
        return 0;
    }
    tmr_selection selection;
    TMR_CLEAR(selection);
    selection.masks = "TEST.PDS,TEST.SEQ";
    selection.sources = "OLD001";
    selection.targets = "NEW001";
    code = tmr_plan_propose(world.host, &selection, &plan, &error);
    EXPECT((code == 0 || code == 4) == (plan != NULL), "%s: %d", riding, (int)code);
    tmr_plan_info info;
    TMR_CLEAR(info);
    if (plan)
        OK(tmr_plan_describe(plan, &info, &error));
    else
        expect_failed(code);
    if (info.data_set_count == 2) {
        tmr_migration_options how;
        tmr_checkpoint_functions checkpoint = functions_of_store(&world.store);
        TMR_CLEAR(how);
        how.threads = turn % 5 == 4 ? 3 : 1;
        world.store.owner.taken++;
        code = tmr_migration_new(world.host, plan, &how, &checkpoint, &migration, &error);
        if (code != 0) {
            expect_failed(code);
            EXPECT(!migration, "%s", riding);
            world.store.owner.taken--;
        }
    }
    OK(tmr_plan_close(&plan));
    if (!migration) {
        refused_count++;
        look(&world, expect_at_source);
        fault.call = -1;
        world_end(&world);
        return 0;
    }
    start_far(&world);
    for (unsigned steps = 0;; steps++) {
        tmr_status status;
        TMR_CLEAR(status);
        EXPECT(steps < 20000, "%s: it does not end: %s", riding, error.sentence);
        if (steps > 200 && is_wired)
            fault.call = -1;
        int32_t told = tmr_migration_status(migration, &status, &error);
        EXPECT(told == 0, "%s: %s", riding, error.sentence);
        if (status.next_verb == 0) {
            is_complete = status.state == TMR_STATE_COMPLETE;
            break;
        }
        if (is_wired)
            nap(status.pause_us < 300 ? 300 : status.pause_us);
        if (has_given_up && status.state < TMR_STATE_SWITCHING) {
            code = tmr_migration_terminate(migration, &error);
        } else if (is_lie && !is_verified && status.state == TMR_STATE_QUIESCED && status.next_verb == TMR_VERB_SWITCH) {
            /* Whoever does not trust his volumes compares before he switches. */
            code = tmr_migration_verify(migration, NULL, &error);
            is_verified = code == 0;
            if (code == 8 && error.reason == TMR_R_UNEQUAL) {
                has_given_up = 1;
                give_up_count++;
                continue;
            }
            if (code == 0)
                continue;
        } else {
            code = tmr_migration_advance(migration, 5, &error);
        }
        if (code == 0 || code == 4)
            continue;
        expect_failed(code);
        look(&world, expect_nothing_lost);
        if (fault.for_ever || steps > 60)
            fault.call = -1; /* it is well again */
        if (status.flags & TMR_STATUS_RESUME || turn % 3 == 1 || steps > 1000) {
            if (is_lie && fault.call >= STORE_READ && fault.call <= STORE_HEAD && turn % 3 == 1 && steps < 1000)
                continue;
            OK(tmr_migration_close(&migration));
            fault.call = -1;
            migration = resume(&world);
            if (!migration) {
                /* Only a host that has lied about its checkpoint, or its volumes, comes here. */
                EXPECT(is_lie, "%s: it cannot be resumed: %s", riding, error.sentence);
                break;
            }
        } else if (turn % 3 == 2) {
            has_given_up = 1;
            give_up_count++;
        }
    }
    stop_far();
    fault.call = -1;
    delay_us = 0;
    if (migration)
        OK(tmr_migration_close(&migration));
    if (is_lie)
        look(&world, expect_nothing_lost);
    else
        look(&world, is_complete ? expect_moved : expect_at_source);
    world_end(&world);
    return is_complete;
}

static const struct {
    const char *name;
    uint32_t options;
    int first, last;
} hosts[] = {
    {"files", 0, VOLUME_READ, STORE_HEAD},
    {"own space and catalog", OWN_SPACE | OWN_CATALOG, SPACE_READ, CATALOG_REMOVE},
    {"two steps", OWN_CATALOG | TWO_STEPS, CATALOG_RECATALOG, CATALOG_RECATALOG},
    {"live", OWN_DESK, ENQUEUE_ASK, ENQUEUE_OPEN},
    {"clock", OWN_CLOCK, TIME_NOW, TIME_STEADY},
    {"two machines", OWN_DESK | WITH_WIRE, CHANNEL_SEND, CHANNEL_RECEIVE},
};

/* At every n-th call, or, where there are many, at ever wider distances; at the first ones only, if that is asked for. */
static void fail_everywhere(unsigned thinned, unsigned at_most)
{
    static const struct {
        enum how how;
        int32_t code;
        int for_ever;
        const char *name;
    } ways[] = {
        {FAILS, 12, 0, "fails with 12"}, {FAILS, 8, 0, "fails with 8"}, {FAILS_AFTERWARDS, 12, 0, "is done, and fails"},
        {LIES, 0, 0, "lies"}, {FAILS, 12, 1, "fails from then on"}, {FAILS_AFTERWARDS, 4, 0, "gives back 4"},
        {FAILS, 16, 0, "fails with 16"}, {FAILS, -1, 0, "fails with -1"}, {FAILS, 4711, 0, "fails with 4711"},
    };
    for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++)
        for (int call = hosts[h].first; call <= hosts[h].last; call++)
            for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
                /* It lies about nothing that it says. */
                if (ways[w].how == LIES && (call == TIME_NOW || call == TIME_STEADY || call == SPACE_WRITABLE
                                            || call == CATALOG_SOUND || call == ENQUEUE_OPEN || call == VOLUME_LOCK))
                    continue;
                uint64_t step = 1;
                if (at_most == 1 && w > 3)
                    break;
                for (uint64_t n = 1; n <= at_most; n += step) {
                    if (n > 12 || w > 4)
                        step = 1 + n * thinned / 8;
                    memset(&fault, 0, sizeof fault);
                    fault.call = call;
                    fault.at = n;
                    fault.how = ways[w].how;
                    fault.code = ways[w].code;
                    fault.for_ever = ways[w].for_ever;
                    snprintf(riding, sizeof riding, "%s: %s %s at call %u", hosts[h].name, call_names[call], ways[w].name,
                             (unsigned)n);
                    if (getenv("LOUD"))
                        fprintf(stderr, "%s\n", riding);
                    ride(hosts[h].options, (unsigned)n + (unsigned)w);
                    if (called[call] < n)
                        break;
                }
            }
}

static void without_faults(void)
{
    for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++)
        for (unsigned slow = 0; slow < 2; slow++) {
            snprintf(riding, sizeof riding, "%s, %s", hosts[h].name, slow ? "slow" : "well");
            clear_faults();
            delay_us = slow ? 300 : 0;
            EXPECT(ride(hosts[h].options, 0), "%s: it is not finished: %s", riding, error.sentence);
            delay_us = 0;
        }
}

static void clocks(void)
{
    static const struct {
        uint64_t start;
        int64_t step;
    } kinds[] = {{1700000000000000u, 0},  {1700000000000000u, -1000000}, {0, 0},
                 {0, 0x0FFFFFFFFFFFFFFF}, {0xFFFFFFFFFFFFFFFFu, 0},      {0x7FFFFFFFFFFFFFFFu, 0x7FFFFFFFFFFFFFFF}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (uint32_t live = 0; live < 2; live++) {
            static struct world world;
            snprintf(riding, sizeof riding, "clock %u%s", (unsigned)k, live ? ", live" : "");
            clear_faults();
            OK(world_new(&world, OWN_CLOCK | (live ? OWN_DESK : 0), &error));
            world.clock.now_us = world.clock.monotonic_us = kinds[k].start;
            world.clock.step_us = kinds[k].step;
            world.desk.open_count = live ? 2 : 0;
            tmr_selection selection;
            tmr_plan *plan = NULL;
            tmr_migration *migration = NULL;
            tmr_migration_options options;
            tmr_checkpoint_functions checkpoint = functions_of_store(&world.store);
            TMR_CLEAR(selection);
            TMR_CLEAR(options);
            selection.masks = "TEST.PDS,TEST.SEQ";
            selection.sources = "OLD001";
            selection.targets = "NEW001";
            OK(tmr_plan_propose(world.host, &selection, &plan, &error));
            world.store.owner.taken++;
            OK(tmr_migration_new(world.host, plan, &options, &checkpoint, &migration, &error));
            OK(tmr_plan_close(&plan));
            int32_t code = 4;
            int failed = 0;
            for (int turn = 0; turn < 3000 && code != 0; turn++) {
                tmr_estimate estimate;
                TMR_CLEAR(estimate);
                OK(tmr_migration_estimate(migration, &estimate, &error));
                code = tmr_migration_advance(migration, 3, &error);
                EXPECT(code <= 12, "%s: %s", riding, error.sentence);
                failed += code > 4;
            }
            if (code == 0) {
                look(&world, expect_moved);
            } else {
                /* With time in such leaps no window is ever short enough: nothing is lost, and it is given up. */
                look(&world, expect_nothing_lost);
                EXPECT(failed > 0, "%s does not end, and says nothing: %s", riding, error.sentence);
                OK(tmr_migration_terminate(migration, &error));
                look(&world, expect_at_source);
            }
            OK(tmr_migration_close(&migration));
            world_end(&world);
        }
}

int main(int count, char **words)
{
    EXPECT(count >= 2, "hosts FOLDER [HOW MUCH IS LEFT OUT [UP TO WHICH CALL]]");
    load(words[1]);
    TMR_CLEAR(error);
    alarm(900);
    without_faults();
    clocks();
    fail_everywhere(count > 2 ? (unsigned)atoi(words[2]) : 1, count > 3 ? (unsigned)atoi(words[3]) : 100000);
    printf("%u migrations, %u calls failed, %u resumed, %u given up, %u never begun\n", ride_count, failure_count, resume_count,
           give_up_count, refused_count);
    return 0;
}
