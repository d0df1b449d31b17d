/* migrate: moves data sets to other volumes. A complete embedding of the library, to be copied.
 *
 *     cc -std=c99 -o migrate migrate*.c $(pkg-config --cflags --libs trackmirror) -lpthread
 *     migrate 'TEST.**' old1.ckd,old2.ckd new.ckd cat.ckd state            nobody else uses the volumes
 *     migrate 'TEST.**' old1.ckd new.ckd cat.ckd state --image VS1         image VS1 goes on writing to old1.ckd
 *
 * What a storage-management program has of its own, and puts in the place of this one's:
 *
 *     migrate_volumes.c   volumes: here image files that this program reads, writes, flushes and locks by itself
 *     migrate_operator.c  the operator: where a running system has the volumes attached, only that system changes its
 *                         catalog and VTOC, and only it knows who has data sets open; here a program is asked
 *     migrate.c           what is to be moved and when: here options, and signals: SIGINT stops, and the same command goes
 *                         on later; SIGUSR1 says that it is time to close
 *
 * Everything else is the library's: which tracks, where to, what changed meanwhile, the checkpoint, the catalog, and
 * what to do after an interruption wherever that was. This program ends with the library's return code:
 * 0 done, 8 refused and nothing changed, 12 the environment failed and the same command goes on, 16 the library failed. */
#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "migrate.h"

/* Tracks copied between two looks at whether to go on. While others write less: a close must not wait for long. */
enum { STEP_TRACKS = 1500, LIVE_STEP_TRACKS = 360 };
/* How often in sequence something may fail that can pass, while others write. */
enum { TROUBLES_MAX = 10 };
/* How often a close, or a window, is given up before this program gives up, too. */
enum { ATTEMPTS_MAX = 3 };
enum { VOLUMES_MAX = 64, VOLSERS_LENGTH = VOLUMES_MAX * 32, STATUS_SECONDS = 5 };

int32_t tell(tmr_error *error, int32_t code, const char *format, ...)
{
    va_list values;
    if (error) {
        va_start(values, format);
        vsnprintf(error->sentence, sizeof error->sentence, format, values);
        va_end(values);
        error->code = code;
    }
    return code;
}

void nap(uint64_t microseconds)
{
    struct timespec time;
    time.tv_sec = (time_t)(microseconds / 1000000);
    time.tv_nsec = (long)(microseconds % 1000000 * 1000);
    nanosleep(&time, NULL);
}

/* ---- The host: which volumes there are, and who else uses them. --------------------------------------------------- */

struct volumes {
    tmr_volume *handles[VOLUMES_MAX];
    struct file_volume *own[VOLUMES_MAX];
    tmr_volume_info info[VOLUMES_MAX];
    size_t count;
};

/* Takes the next word from a list with commas between; 0 if there is none. */
static int next_of_list(const char **list, char *word, size_t length)
{
    size_t end;
    *list += strspn(*list, ",");
    end = strcspn(*list, ",");
    snprintf(word, length, "%.*s", (int)end, *list);
    *list += end;
    return end > 0;
}

/* Opens a volume and adds it to the host, unless it is there already: the catalog's volume may be a source, too. */
static int32_t add_volume(tmr_host *host, struct volumes *volumes, const char *path, enum use use, size_t *at,
                          tmr_error *error)
{
    tmr_volume_info *info;
    int32_t code;
    for (*at = 0; *at < volumes->count; ++*at)
        if (is_same_image(volumes->own[*at], path))
            return TMR_DONE;
    if (*at == VOLUMES_MAX)
        return tell(error, TMR_REFUSED, "more than %d volumes", VOLUMES_MAX);
    code = open_volume(path, use, &volumes->own[*at], &volumes->handles[*at], error);
    if (code != TMR_DONE)
        return code;
    volumes->count++;
    info = &volumes->info[*at];
    info->size = sizeof *info;
    code = tmr_volume_describe(volumes->handles[*at], info, error);
    return code == TMR_DONE ? tmr_host_add_volume(host, volumes->handles[*at], error) : code;
}

/* The same for a list, with a list of their serials for the library. */
static int32_t add_volumes(tmr_host *host, struct volumes *volumes, const char *paths, enum use use, char *volsers,
                           tmr_error *error)
{
    char path[4096];
    int32_t code = TMR_DONE;
    size_t at, length = 0;
    while (code == TMR_DONE && next_of_list(&paths, path, sizeof path)) {
        code = add_volume(host, volumes, path, use, &at, error);
        if (code == TMR_DONE && length + sizeof volumes->info[at].volser < VOLSERS_LENGTH)
            length += (size_t)sprintf(volsers + length, "%s ", volumes->info[at].volser);
    }
    return code;
}

/* A volume that others write: every write is told to its monitor area, ours too, which the registry knows by the file. For a
 * source the library must know it, and everybody who can write there. */
static int32_t monitor(tmr_host *host, struct volumes *volumes, size_t i, int is_source, enum use use,
                       const struct order *order, tmr_error *error)
{
    tmr_area *area = NULL;
    const char *names = order->images;
    char image[65];
    int32_t code = tmr_area_open(NULL, volumes->handles[i], &area, error);
    if (code == TMR_DONE && is_source)
        code = tmr_host_add_area(host, area, error);
    while (code == TMR_DONE && is_source && next_of_list(&names, image, sizeof image))
        code = tmr_host_add_image(host, volumes->info[i].volser, image, error);
    if (code == TMR_DONE && use == SHARE)
        code = tell_monitor(volumes->own[i], area, error);
    tmr_area_close(&area); /* the host keeps what it needs */
    return code;
}

/* The library tells everything that happens; this is what a log would get. */
static void tell_event(void *user, const tmr_event *event)
{
    (void)user;
    printf("%s\n", event->sentence);
    fflush(stdout);
}

static int32_t make_host(const struct order *order, tmr_host *host, struct volumes *volumes, char *sources,
                         char *targets, tmr_error *error)
{
    enum use use = !order->images ? ALONE : order->operator_program ? LOOK : SHARE;
    tmr_event_functions events = { .size = sizeof events, .version = TMR_TABLE_VERSION, .event = tell_event };
    size_t i, sources_end, targets_end, at;
    int32_t code = tmr_host_set_events(host, &events, error);
    if (code == TMR_DONE)
        code = add_volumes(host, volumes, order->sources, use, sources, error);
    sources_end = volumes->count;
    if (code == TMR_DONE)
        code = add_volumes(host, volumes, order->targets, ALONE, targets, error);
    targets_end = volumes->count;
    if (code == TMR_DONE && strcmp(order->catalog, "-") != 0)
        code = add_volume(host, volumes, order->catalog, use, &at, error);
    if (!order->images)
        return code;
    for (i = 0; code == TMR_DONE && i < volumes->count; i++) {
        int is_source = i < sources_end, is_target = !is_source && i < targets_end;
        if (is_source || (!is_target && use == SHARE))
            code = monitor(host, volumes, i, is_source, use, order, error);
        if (code == TMR_DONE && use == LOOK && !is_target)
            code = delegate(host, &volumes->info[i], is_same_image(volumes->own[i], order->catalog), order, error);
    }
    /* Programs on this machine say what they have open in the registry; the operator knows of the running system. */
    if (code == TMR_DONE)
        code = tmr_host_use_registry(host, order->state, error);
    if (code == TMR_DONE && use == LOOK)
        code = ask_about_openers(host, order, error);
    return code;
}

/* ---- Driving ------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t stop_asked, close_asked;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        close_asked = 1;
    else
        stop_asked = 1;
}

static void listen(void)
{
    struct sigaction action = { 0 };
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

/* Now and then how far it is. */
static void show(const tmr_migration *migration, const tmr_status *status)
{
    static time_t shown;
    tmr_estimate estimate = { .size = sizeof estimate };
    time_t now = time(NULL);
    if (status->left_tracks + status->copied_tracks == 0 || now - shown < STATUS_SECONDS
        || tmr_migration_estimate(migration, &estimate, NULL) != TMR_DONE)
        return;
    shown = now;
    printf("%" PRIu64 " of %" PRIu64 " tracks left, %" PRIu64 " copied", status->left_tracks, status->track_count,
           status->copied_tracks);
    if (estimate.window_likely_us != TMR_UNKNOWN)
        printf("; a window would take about %" PRIu64 " ms", estimate.window_likely_us / 1000);
    printf("%s\n", estimate.verdict == TMR_VERDICT_AT_DISTANCE ? "; changes come as fast as copies" : "");
    fflush(stdout);
}

/* Who is in the way of a close. */
static void show_openers(const tmr_migration *migration, uint32_t count)
{
    static time_t shown;
    tmr_opener opener = { .size = sizeof opener };
    uint32_t i;
    if (count == 0 || time(NULL) - shown < STATUS_SECONDS)
        return;
    shown = time(NULL);
    for (i = 0; i < count && tmr_migration_opener(migration, i, &opener, NULL) == TMR_DONE; i++)
        printf("waiting for %s on image %s%s%s\n", opener.program, opener.image, *opener.data_set ? " with " : "",
               opener.data_set);
    fflush(stdout);
}

/* The plan, unless something that was selected cannot be moved; then each reason is told, and nothing is changed. */
static int32_t make_plan(const struct order *order, const tmr_host *host, const char *sources, const char *targets,
                         tmr_plan **plan, tmr_error *error)
{
    tmr_selection selection = { .size = sizeof selection };
    tmr_plan_info info = { .size = sizeof info };
    uint32_t i, which;
    int32_t code;
    selection.masks = order->masks;
    selection.sources = sources;
    selection.targets = targets;
    selection.mode = order->mode;
    selection.options = strcmp(order->catalog, "-") == 0 ? TMR_UNCATALOGED : 0;
    code = tmr_plan_propose(host, &selection, plan, error);
    if (code != TMR_MORE)
        return code;
    if (error->reason == TMR_R_NOTHING_SELECTED)
        fprintf(stderr, "%s\n", error->sentence);
    code = tmr_plan_describe(*plan, &info, error);
    for (i = 0; code == TMR_DONE && i < info.refused_count; i++) {
        tmr_error refusal = { .size = sizeof refusal };
        for (which = 0; tmr_plan_refusal(*plan, i, which, &refusal, NULL) == TMR_DONE; which++)
            fprintf(stderr, "%s\n", refusal.sentence);
    }
    return code == TMR_DONE ? tell(error, TMR_REFUSED, "not everything can be moved; nothing was changed") : code;
}

/* Goes on where an interrupted run stopped, or begins: if there is no state, or one in which nothing was begun yet. */
static int32_t begin(const struct order *order, const tmr_host *host, const char *sources, const char *targets,
                     tmr_migration **migration, tmr_error *error)
{
    tmr_migration_options options = { .size = sizeof options, .state_folder = order->state };
    tmr_tuning tuning = { .size = sizeof tuning };
    tmr_plan *plan = NULL;
    int32_t code = tmr_migration_resume(host, &options, NULL, migration, error);
    if (code == TMR_DONE)
        printf("going on with the migration in %s\n", order->state);
    if (code == TMR_MORE) {
        printf("the migration in %s has ended\n", order->state);
        code = TMR_DONE;
    }
    if (code == TMR_REFUSED && error->reason == TMR_R_NO_CHECKPOINT) {
        options.options = order->options;
        code = make_plan(order, host, sources, targets, &plan, error);
        if (code == TMR_DONE)
            code = tmr_migration_new(host, plan, &options, NULL, migration, error);
        tmr_plan_close(&plan);
    }
    if (code != TMR_DONE)
        return code;
    /* What holds for this run: it is said anew each time. */
    tuning.set = TMR_TUNE_GOAL_TRACKS | TMR_TUNE_PACE_TRACKS | TMR_TUNE_LIMITS;
    tuning.goal_tracks = order->goal;
    tuning.pace_tracks = order->pace;
    tuning.wait_ms = tuning.window_ms = order->limit_ms;
    return tmr_migration_tune(*migration, &tuning, error);
}

/* Between two steps everything is durable: it can end here. But nobody may stay locked out by a process that is gone. */
static int32_t stop(tmr_migration *migration, const tmr_status *status, const struct order *order, tmr_error *error)
{
    int32_t code = TMR_DONE;
    if (order->images && (status->state == TMR_STATE_CLOSING || status->state == TMR_STATE_QUIESCED))
        code = tmr_migration_postpone(migration, error);
    if (code != TMR_DONE)
        return code;
    return tell(error, TMR_ENVIRONMENT, "stopped; the same command goes on with it (its state is in %s)", order->state);
}

/* The next thing to do. While others write, this program decides when they are to close; all else the library knows. */
static int32_t advance(tmr_migration *migration, const tmr_status *status, const struct order *order, int *is_verified,
                       tmr_error *error)
{
    uint32_t tracks = order->images && status->state != TMR_STATE_QUIESCED ? LIVE_STEP_TRACKS : STEP_TRACKS;
    /* The copies can be compared when nobody writes: before the close if nobody does anyway, else in the window. */
    int can_compare = order->images ? status->state == TMR_STATE_QUIESCED && status->next_verb == TMR_VERB_SWITCH
                                   : status->state == TMR_STATE_MIRRORED && status->next_verb == TMR_VERB_QUIESCE;
    if (order->verifies && can_compare && !*is_verified) {
        int32_t code = tmr_migration_verify(migration, NULL, error);
        *is_verified = code == TMR_DONE;
        return code;
    }
    if (order->images && status->state == TMR_STATE_MIRRORED && order->waits && !close_asked)
        return tmr_migration_step(migration, tracks, NULL, error);
    return tmr_migration_advance(migration, tracks, error);
}

static int32_t drive(tmr_migration *migration, const struct order *order, tmr_error *error)
{
    int troubles = 0, given_up = 0, is_verified = 0;
    for (;;) {
        tmr_status status = { .size = sizeof status };
        int32_t code = tmr_migration_status(migration, &status, error);
        if (code != TMR_DONE)
            return code;
        if (status.next_verb == 0)
            return TMR_DONE;
        if (stop_asked)
            return stop(migration, &status, order, error);
        show(migration, &status);
        code = advance(migration, &status, order, &is_verified, error);
        if (code > TMR_MORE && status.state != TMR_STATE_MIRRORED && error->state == TMR_STATE_MIRRORED) {
            is_verified = 0; /* everybody was let in again, and mirroring goes on */
            if (++given_up == ATTEMPTS_MAX)
                return code;
        }
        if (code > TMR_MORE && order->images && error->flags & TMR_ERROR_CAN_PASS && ++troubles < TROUBLES_MAX) {
            /* A device, monitors that are missing, openers that took too long, a write in the last moment. */
            fprintf(stderr, "%s; it is tried again\n", error->sentence);
            nap(500000 * (uint64_t)troubles);
            continue;
        }
        if (code > TMR_MORE) {
            tmr_error also = { .size = sizeof also };
            if (error->state == TMR_STATE_CLOSING || error->state == TMR_STATE_QUIESCED)
                tmr_migration_postpone(migration, &also);
            return code;
        }
        troubles = 0;
        status.size = sizeof status;
        if (tmr_migration_status(migration, &status, error) == TMR_DONE) {
            show_openers(migration, status.opener_count);
            nap(status.opener_count ? 100000 : status.pause_us);
        }
    }
}

static int usage(void)
{
    fputs("usage: migrate MASKS SOURCE-IMAGES TARGET-IMAGES CATALOG-IMAGE STATE-FOLDER [options]\n"
          "Lists have commas between; '-' for the catalog: data sets that no catalog names.\n"
          "  --image NAMES       these images go on writing to the sources, each write told to a monitor,\n"
          "                      and say in the registry of openers what they have open\n"
          "  --operator PROGRAM  a running system has sources and catalog attached, and says nothing there:\n"
          "                      this program asks it (see migrate_operator.c)\n"
          "  --wait              mirror until SIGUSR1 says that it is time to close\n"
          "  --goal TRACKS       close when at most so many tracks are left (default 0)\n"
          "  --pace TRACKS       copy at most so many tracks in a second\n"
          "  --limit SECONDS     give a close, or a window, up after so long (default 300)\n"
          "  --mode MODE         one-primary (the default), extent-for-extent or best-fit\n"
          "  --verify            compare the copies before the switch\n"
          "  --keep              keep the sources under other names (default: scratch them)\n"
          "  --erase             overwrite the sources before they are scratched\n"
          "The same command again goes on with a migration that was interrupted; another one needs another folder.\n",
          stderr);
    return TMR_REFUSED;
}

static uint32_t mode_of(const char *word)
{
    return strcmp(word, "one-primary") == 0 ? TMR_MODE_ONE_PRIMARY
           : strcmp(word, "extent-for-extent") == 0 ? TMR_MODE_EXTENT_FOR_EXTENT
           : strcmp(word, "best-fit") == 0 ? TMR_MODE_BEST_FIT : 0;
}

static int parse(int argc, char **argv, struct order *order)
{
    int i;
    if (argc < 6)
        return -1;
    order->masks = argv[1], order->sources = argv[2], order->targets = argv[3];
    order->catalog = argv[4], order->state = argv[5];
    for (i = 6; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *rest = NULL;
        uint64_t number = value ? strtoull(value, &rest, 10) : 0;
        int is_number = value && isdigit((unsigned char)*value) && *rest == 0 && number < 1000000000;
        if (strcmp(option, "--wait") == 0)
            order->waits = 1;
        else if (strcmp(option, "--verify") == 0)
            order->verifies = 1;
        else if (strcmp(option, "--keep") == 0)
            order->options |= TMR_KEEP;
        else if (strcmp(option, "--erase") == 0)
            order->options |= TMR_ERASE;
        else if (strcmp(option, "--mode") == 0 && value && mode_of(value))
            order->mode = mode_of(value), i++;
        else if (strcmp(option, "--image") == 0 && value)
            order->images = value, i++;
        else if (strcmp(option, "--operator") == 0 && value)
            order->operator_program = value, i++;
        else if (strcmp(option, "--goal") == 0 && is_number)
            order->goal = number, i++;
        else if (strcmp(option, "--pace") == 0 && is_number)
            order->pace = number, i++;
        else if (strcmp(option, "--limit") == 0 && is_number)
            order->limit_ms = number * 1000, i++;
        else
            return -1;
    }
    return order->operator_program && !order->images ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct order order = { .limit_ms = 300000, .mode = TMR_MODE_ONE_PRIMARY };
    static struct volumes volumes;
    char sources[VOLSERS_LENGTH] = "", targets[VOLSERS_LENGTH] = "";
    tmr_error error = { .size = sizeof error };
    tmr_host *host = NULL;
    tmr_migration *migration = NULL;
    int32_t code;
    size_t i;

    if (parse(argc, argv, &order) != 0)
        return usage();
    listen();
    code = tmr_host_new(&host, &error);
    if (code == TMR_DONE)
        code = make_host(&order, host, &volumes, sources, targets, &error);
    if (code == TMR_DONE)
        code = begin(&order, host, sources, targets, &migration, &error);
    if (code == TMR_DONE)
        code = drive(migration, &order, &error);
    /* What was made last goes first, but any order would do: each handle keeps what it needs. */
    tmr_migration_close(&migration);
    tmr_host_close(&host);
    for (i = 0; i < volumes.count; i++)
        tmr_volume_close(&volumes.handles[i]);
    if (code == TMR_DONE)
        printf("done; the folder %s is needed no more\n", order.state);
    else
        fprintf(stderr, "migrate %s: %s\n", order.masks, error.sentence);
    return code;
}
