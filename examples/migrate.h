/* What the parts of the example `migrate` have in common. See migrate.c. */
#ifndef MIGRATE_H
#define MIGRATE_H

#include <stddef.h>
#include <stdint.h>

#include "trackmirror.h"

/* What is to be done. */
struct order {
    const char *masks;
    const char *sources, *targets; /* paths, with commas between */
    const char *catalog;           /* the path of the volume with the catalog, or - */
    const char *state;            /* the folder of the migration's state */
    const char *images;           /* who writes to the sources meanwhile, with commas between; NULL: nobody */
    const char *operator_program; /* who is asked for what only a running system can do, or NULL */
    uint64_t pace, goal, limit_ms;
    uint32_t options, mode;
    int waits, verifies;
};

/* Puts a sentence into an error block, and gives the code back. The library adds volser, track and data set. */
int32_t tell(tmr_error *error, int32_t code, const char *format, ...);

/* Sleeps; a signal ends it. */
void nap(uint64_t microseconds);

/* ---- migrate_volumes.c: volumes that this program reads and writes by itself */

enum use {
    ALONE, /* nobody else has it: targets, and everything when nobody writes meanwhile */
    SHARE, /* others write it, and so do we: each write is told to the volume's monitor area */
    LOOK   /* others write it, and make for us whatever must be changed */
};

struct file_volume;

/* Opens an image and makes it a volume of the library, which owns what is behind it from then on. */
int32_t open_volume(const char *path, enum use use, struct file_volume **own, tmr_volume **volume, tmr_error *error);

/* Whether this path leads to the image of an open volume. */
int is_same_image(const struct file_volume *volume, const char *path);

/* From now on each write is told to this area. */
int32_t tell_monitor(struct file_volume *volume, const tmr_area *area, tmr_error *error);

/* ---- migrate_operator.c: what is asked of the operator of a running system */

/* Lets the system that has a volume attached change its VTOC, and the catalog on it. */
int32_t delegate(tmr_host *host, const tmr_volume_info *info, int has_catalog, const struct order *order,
                 tmr_error *error);

/* Lets him tell who has data sets open, and have them closed. */
int32_t ask_about_openers(tmr_host *host, const struct order *order, tmr_error *error);

#endif
