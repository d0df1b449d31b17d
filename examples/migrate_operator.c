/* The operator of the example `migrate`: what only a running system can do is asked of a program.
 *
 *   ask-to-close DATA-SET...      is-closed DATA-SET...       hold DATA-SET...      release DATA-SET...
 *   catalog CATALOG DATA-SET VOLSER...                        uncatalog CATALOG DATA-SET
 *   recatalog CATALOG DATA-SET VOLSER...                      rename VOLSER DATA-SET NEW-NAME
 *   scratch VOLSER DATA-SET
 *
 * It ends with 0: done; 4: somebody has a data set open (is-closed), a line for each: IMAGE PROGRAM DATA-SET; 8: refused,
 * 12: it could not be done now, and the first line says why. It must not end with 0 before it is certain: the
 * library looks at the volume afterwards, and what it does not see there was not done. */

#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migrate.h"

extern char **environ;

enum { WORDS_MAX = 1024 };

struct call {
    const char *words[WORDS_MAX]; /* program, verb, what the verb needs, NULL */
    size_t count;
    char (*lines)[512];
    size_t line_count;
};

static void add_word(struct call *call, const char *word)
{
    if (call->count < WORDS_MAX - 1) {
        call->words[call->count++] = word;
        call->words[call->count] = NULL;
    }
}

/* Runs it, and keeps the lines that it prints, for free(). */
static int32_t carry_out(struct call *call, tmr_error *error)
{
    posix_spawn_file_actions_t actions;
    char line[512], (*more)[512];
    int ends[2], status, failed;
    FILE *printed;
    pid_t child;
    if (call->count == WORDS_MAX - 1)
        return tell(error, TMR_REFUSED, "%s would get too many words", call->words[1]);
    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0)
        return tell(error, TMR_ENVIRONMENT, "no pipe: %s", strerror(errno));
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    failed = posix_spawnp(&child, call->words[0], &actions, NULL, (char *const *)call->words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed || !(printed = fdopen(ends[0], "r"))) {
        close(ends[0]);
        return tell(error, TMR_ENVIRONMENT, "cannot run %s: %s", call->words[0], strerror(failed ? failed : errno));
    }
    while (fgets(line, sizeof line, printed)) {
        line[strcspn(line, "\n")] = 0;
        more = realloc(call->lines, (call->line_count + 1) * sizeof *more);
        if (more)
            memcpy((call->lines = more)[call->line_count++], line, sizeof line);
    }
    fclose(printed);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return tell(error, TMR_ENVIRONMENT, "cannot wait for %s: %s", call->words[0], strerror(errno));
    if (WIFEXITED(status) && (WEXITSTATUS(status) == TMR_DONE || WEXITSTATUS(status) == TMR_MORE))
        return WEXITSTATUS(status);
    return tell(error, WIFEXITED(status) && WEXITSTATUS(status) == TMR_REFUSED ? TMR_REFUSED : TMR_ENVIRONMENT,
                "the operator's %s: %s", call->words[1], call->line_count ? call->lines[0] : "refused, and no word why");
}

static struct call call_of(const struct order *order, const char *verb)
{
    struct call call = { 0 };
    add_word(&call, order->operator_program);
    add_word(&call, verb);
    return call;
}

/* What has no answer but its code. */
static int32_t order_done(struct call *call, tmr_error *error)
{
    int32_t code = carry_out(call, error);
    free(call->lines);
    return code == TMR_MORE ? tell(error, TMR_ENVIRONMENT, "the operator's %s is not done yet", call->words[1]) : code;
}

static int32_t for_names(const struct order *order, const char *verb, const tmr_names *names, tmr_error *error)
{
    struct call call = call_of(order, verb);
    uint32_t i;
    for (i = 0; i < names->data_set_count; i++)
        add_word(&call, names->data_sets[i]);
    return order_done(&call, error);
}

static int32_t ask_to_close(void *user, const tmr_names *names, tmr_error *error)
{
    return for_names(user, "ask-to-close", names, error);
}

static int32_t hold(void *user, const tmr_names *names, tmr_error *error)
{
    return for_names(user, "hold", names, error);
}

static int32_t let_open(void *user, const tmr_names *names, tmr_error *error)
{
    return for_names(user, "release", names, error);
}

/* Whoever cannot be understood counts as somebody: nothing is taken away from its users because of a line. */
static int32_t is_closed(void *user, const tmr_names *names, tmr_sink *sink, tmr_error *error)
{
    struct call call = call_of(user, "is-closed");
    int32_t code, put = TMR_DONE;
    uint32_t i;
    for (i = 0; i < names->data_set_count; i++)
        add_word(&call, names->data_sets[i]);
    code = carry_out(&call, error);
    for (i = 0; code == TMR_MORE && put == TMR_DONE && i < call.line_count; i++) {
        tmr_opener opener = { .size = sizeof opener };
        if (sscanf(call.lines[i], "%63s %63s %95s", opener.image, opener.program, opener.data_set) >= 2)
            put = tmr_sink_put(sink, &opener, sizeof opener, error);
    }
    free(call.lines);
    return put == TMR_DONE ? code : put;
}


int32_t ask_about_openers(tmr_host *host, const struct order *order, tmr_error *error)
{
    tmr_enqueue_functions functions = { .size = sizeof functions, .version = TMR_TABLE_VERSION };
    functions.user = (void *)order;
    functions.ask_to_close = ask_to_close;
    functions.is_closed = is_closed;
    functions.hold = hold;
    functions.let_open = let_open;
    return tmr_host_add_enqueue(host, &functions, error);
}

/* A volume that a running system has attached: the library reads it, and its system changes it. */
struct guest_volume {
    const struct order *order;
    char volser[16];
};

static struct call call_about(const struct guest_volume *guest, const char *verb, const char *data_set)
{
    struct call call = call_of(guest->order, verb);
    add_word(&call, guest->volser);
    add_word(&call, data_set);
    return call;
}

static int32_t catalog(const struct guest_volume *guest, const char *verb, const tmr_catalog_entry *to, tmr_error *error)
{
    struct call call = call_about(guest, verb, to->name);
    uint32_t i;
    for (i = 0; i < to->volume_count; i++)
        add_word(&call, to->volumes[i].volser);
    return order_done(&call, error);
}

static int32_t add_entry(void *user, const tmr_catalog_entry *entry, tmr_error *error)
{
    return catalog(user, "catalog", entry, error);
}

/* A system of that kind has no single step for it. After an interruption between the two there is no entry any more. */
static int32_t recatalog(void *user, const tmr_catalog_entry *from, const tmr_catalog_entry *to, tmr_error *error)
{
    return catalog(user, from ? "recatalog" : "catalog", to, error);
}

static int32_t remove_entry(void *user, const char *name, tmr_error *error)
{
    struct call call = call_about(user, "uncatalog", name);
    return order_done(&call, error);
}

/* What has not expired the system refuses by itself. */
static int32_t scratch(void *user, const tmr_identity *identity, uint32_t today, tmr_error *error)
{
    struct call call = call_about(user, "scratch", identity->name);
    (void)today;
    return order_done(&call, error);
}

static int32_t rename_data_set(void *user, const tmr_identity *identity, const char *name, tmr_error *error)
{
    struct call call = call_about(user, "rename", identity->name);
    add_word(&call, name);
    return order_done(&call, error);
}

/* locate and list are not given: the library reads the catalog on the volume, as it reads the VTOC.
 * Of other functions that are not given it knows that this cannot be done: allocating on such a volume, above all. */
int32_t delegate(tmr_host *host, const tmr_volume_info *info, int has_catalog, const struct order *order, tmr_error *error)
{
    tmr_space_functions space = { .size = sizeof space, .version = TMR_TABLE_VERSION, .flags = TMR_SPACE_DELEGATED };
    tmr_catalog_functions entries = { .size = sizeof entries, .version = TMR_TABLE_VERSION };
    struct guest_volume *of_space = malloc(sizeof *of_space), *of_catalog = malloc(sizeof *of_catalog);
    int32_t code;
    if (!of_space || !of_catalog) {
        free(of_space), free(of_catalog);
        return tell(error, TMR_ENVIRONMENT, "no memory");
    }
    of_space->order = order;
    memcpy(of_space->volser, info->volser, sizeof of_space->volser);
    *of_catalog = *of_space;
    space.user = of_space;
    space.release = free;
    space.scratch = scratch;
    space.rename = rename_data_set;
    code = tmr_host_set_space_manager(host, info->volser, &space, error);
    if (code != TMR_DONE)
        free(of_space); /* the table was not taken */
    entries.flags = TMR_CATALOG_TWO_STEPS | TMR_CATALOG_DELEGATED;
    snprintf(entries.name, sizeof entries.name, "SYSCTLG on %s", info->volser);
    memcpy(entries.volser, info->volser, sizeof entries.volser);
    entries.user = of_catalog;
    entries.release = free;
    entries.add = add_entry;
    entries.recatalog = recatalog;
    entries.remove = remove_entry;
    if (code == TMR_DONE && has_catalog && (code = tmr_host_add_catalog(host, &entries, error)) == TMR_DONE)
        return code;
    free(of_catalog);
    return code;
}
