/* assess: says where data sets lie, and what forbids moving them. Nothing is changed. Programs that tell a monitor what
 * they write may use the volumes meanwhile.
 *
 *     cc -std=c99 -o assess assess.c $(pkg-config --cflags --libs trackmirror)
 *     assess 'TEST.** PROD.A' vol001.3390 vol002.3390
 *     assess --uncataloged 'TEST.**' vol001.3390          data sets that no catalog names are no reason to refuse
 *
 * The images must be all volumes of the data sets, and the one that their catalog is on. This program ends with 0 if
 * everything can be moved, 4 if something cannot, and with the library's return code if it could not be found out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "trackmirror.h"

/* Opens an image for reading and adds it to the host, which keeps what it needs of it. */
static int32_t add_volume(tmr_host *host, const char *path, tmr_error *error)
{
    tmr_volume *volume = NULL;
    int32_t code = tmr_volume_open(path, TMR_READ, &volume, error);
    if (code == TMR_DONE)
        code = tmr_host_add_volume(host, volume, error);
    if (tmr_volume_close(&volume) != TMR_DONE && code == TMR_DONE)
        code = TMR_INTERNAL;
    return code;
}

static int32_t show_extents(const tmr_assessment *assessment, uint32_t index, uint32_t count, tmr_error *error)
{
    uint32_t number;
    for (number = 0; number < count; number++) {
        tmr_extent extent;
        int32_t code = tmr_assessment_extent(assessment, index, number, &extent, error);
        if (code != TMR_DONE)
            return code;
        printf("    %-6s tracks %" PRIu32 " to %" PRIu32 "\n", extent.volser, extent.first,
               extent.first + extent.track_count - 1);
    }
    return TMR_DONE;
}

static int32_t show_refusals(const tmr_assessment *assessment, uint32_t index, uint32_t count, tmr_error *error)
{
    uint32_t number;
    for (number = 0; number < count; number++) {
        tmr_error refusal;
        int32_t code;
        TMR_CLEAR(refusal);
        code = tmr_assessment_refusal(assessment, index, number, &refusal, error);
        if (code != TMR_DONE)
            return code;
        printf("    refused: %s\n", refusal.sentence);
    }
    return TMR_DONE;
}

static int32_t show_data_set(const tmr_assessment *assessment, uint32_t index, tmr_error *error)
{
    tmr_data_set found;
    int32_t code;
    TMR_CLEAR(found);
    code = tmr_assessment_data_set(assessment, index, &found, error);
    if (code != TMR_DONE)
        return code;
    printf("%s: tracks %" PRIu32 ", extents %" PRIu32, found.data_set, found.track_count, found.extent_count);
    if (found.last_used != TMR_NO_TRACK)
        printf(", last used track %" PRIu32 " from its start", found.last_used);
    printf("%s\n", found.flags & TMR_DATA_SET_MOVABLE ? "" : "; it cannot be moved");
    code = show_extents(assessment, index, found.extent_count, error);
    if (code == TMR_DONE)
        code = show_refusals(assessment, index, found.refusal_count, error);
    return code;
}

/* 4 if something cannot be moved. */
static int32_t show(const tmr_assessment *assessment, tmr_error *error)
{
    tmr_assessment_info info;
    uint32_t index;
    int32_t code;
    TMR_CLEAR(info);
    code = tmr_assessment_describe(assessment, &info, error);
    for (index = 0; code == TMR_DONE && index < info.data_set_count; index++)
        code = show_data_set(assessment, index, error);
    if (code != TMR_DONE)
        return code;
    printf("in all: data sets %" PRIu32 ", tracks %" PRIu64 ", volumes %" PRIu32 ", can be moved %" PRIu32 "\n",
           info.data_set_count, info.track_count, info.volume_count, info.movable_count);
    return info.movable_count == info.data_set_count ? TMR_DONE : TMR_MORE;
}

static int32_t assess(const char *masks, uint32_t options, char **paths, int path_count, tmr_error *error)
{
    tmr_host *host = NULL;
    tmr_assessment *assessment = NULL;
    int32_t closed, code = tmr_host_new(&host, error);
    int i;
    for (i = 0; code == TMR_DONE && i < path_count; i++)
        code = add_volume(host, paths[i], error);
    if (code == TMR_DONE)
        code = tmr_assess(host, masks, NULL, options, &assessment, error);
    if (code == TMR_DONE || code == TMR_MORE)
        code = show(assessment, error);
    /* Handles that were not made are NULL, and closing them is nothing to do. */
    closed = tmr_assessment_close(&assessment);
    if (closed == TMR_DONE)
        closed = tmr_host_close(&host);
    return closed == TMR_DONE ? code : closed;
}

int main(int argc, char **argv)
{
    tmr_error error;
    uint32_t options = 0;
    int32_t code;
    int at = 1;
    if (at < argc && strcmp(argv[at], "--uncataloged") == 0) {
        options = TMR_UNCATALOGED;
        at++;
    }
    if (argc - at < 2) {
        fputs("usage: assess [--uncataloged] MASKS IMAGE...\n"
              "MASKS are names and masks with blanks between: 'TEST.** PROD.A'.\n",
              stderr);
        return TMR_REFUSED;
    }
    TMR_CLEAR(error);
    code = assess(argv[at], options, argv + at + 1, argc - at - 1, &error);
    if (code > TMR_MORE)
        fprintf(stderr, "assess: %s\n", error.sentence);
    return code;
}
