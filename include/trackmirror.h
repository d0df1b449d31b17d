/* Made by `BLESS=1 cargo test --test header` from the library's source: edit that, not this. */
#ifndef TRACKMIRROR_H
#define TRACKMIRROR_H

/*
 * trackmirror moves mainframe data sets between DASD volumes, track by track, while programs go on using them,
 * and takes them away from their users only for a last moment (the window). This is its interface for programs
 * in C, and in assembler.
 *
 * WHAT A PROGRAM DOES
 *
 * It opens volumes, or gives its own, and adds them to a *host*. It lets the library *plan*: which data sets
 * go where, and which cannot be moved, and why. It makes a *migration* of the plan and calls it again and
 * again, each time for as much work as it likes, until it says that it is done. Whenever the program or the
 * machine stops, the migration is *resumed*.
 *
 * Everything that the library wants of the outside is a *port*, and a program may replace each of them by a
 * table of functions: volumes, space on volumes, catalogs, who has data sets open, where the state of a
 * migration lies, the clock, who is told of events, channels to other machines. What is not replaced is the
 * library's own.
 *
 * A COMPLETE PROGRAM
 *
 *     #include "trackmirror.h"
 *     #include <stdio.h>
 *
 *     int main(int argc, char **argv)
 *     {
 *         tmr_error error;
 *         tmr_selection selection;
 *         tmr_migration_options options;
 *         tmr_host *host = NULL;
 *         tmr_plan *plan = NULL;
 *         tmr_migration *migration = NULL;
 *         int32_t code;
 *         int i;
 *
 *         if (argc < 7) {
 *             printf("%s NAMES SOURCE-SERIALS TARGET-SERIALS STATE-FOLDER IMAGE IMAGE...\n", argv[0]);
 *             return TMR_REFUSED;
 *         }
 *         TMR_CLEAR(error);
 *         TMR_CLEAR(selection);
 *         TMR_CLEAR(options);
 *         selection.masks = argv[1];
 *         selection.sources = argv[2];
 *         selection.targets = argv[3];
 *         options.state_folder = argv[4];
 *
 *         code = tmr_host_new(&host, &error);
 *         for (i = 5; code == TMR_DONE && i < argc; i++) {
 *             tmr_volume *volume = NULL;
 *             code = tmr_volume_open(argv[i], TMR_EXCLUSIVE, &volume, &error);
 *             if (code == TMR_DONE)
 *                 code = tmr_host_add_volume(host, volume, &error);
 *             tmr_volume_close(&volume);
 *         }
 *         if (code == TMR_DONE)
 *             code = tmr_migration_resume(host, &options, NULL, &migration, &error);
 *         if (code == TMR_REFUSED && error.reason == TMR_R_NO_CHECKPOINT) {
 *             code = tmr_plan_propose(host, &selection, &plan, &error);
 *             if (code == TMR_MORE) {
 *                 if (error.reason != TMR_R_NOTHING_SELECTED)
 *                     tmr_plan_refusal(plan, 0, 0, &error, NULL);
 *                 code = TMR_REFUSED;
 *             }
 *             if (code == TMR_DONE)
 *                 code = tmr_migration_new(host, plan, &options, NULL, &migration, &error);
 *         }
 *         if (code == TMR_DONE) {
 *             do {
 *                 code = tmr_migration_advance(migration, 1500, &error);
 *             } while (code == TMR_MORE);
 *         }
 *         if (code == TMR_MORE)
 *             printf("%s has the state of a migration that has ended; name another folder\n", argv[4]);
 *         else if (code != TMR_DONE)
 *             printf("%s\n", error.sentence);
 *         tmr_migration_close(&migration);
 *         tmr_plan_close(&plan);
 *         tmr_host_close(&host);
 *         return code;
 *     }
 *
 * Where the library is installed it is built by cc program.c $(pkg-config --cflags --libs trackmirror).
 *
 * Called a second time it goes on where it was stopped, and says so if nothing is left to do: a state is that
 * of one migration, and stays when that has ended. Who keeps it removes it, by deleting the folder, or what
 * the store holds.
 *
 * With TMR_EXCLUSIVE nobody else uses the volumes meanwhile; for volumes that others write see tmr_area_open,
 * tmr_host_add_area, tmr_host_add_image and tmr_host_add_enqueue. Data sets must be there: the library
 * allocates nothing but targets.
 *
 * RETURN CODES
 *
 * Every function gives back an int32_t, as programs on the mainframe do:
 *
 *      0  TMR_DONE         done
 *      4  TMR_MORE         done with remarks, or there is more to do; the function's comment says which
 *      8  TMR_REFUSED      refused, and nothing was changed: what was asked for cannot be, or must not be
 *     12  TMR_ENVIRONMENT  the environment failed (input or output, space, a function of the host); the same call may be
 *                          made again, and a migration can be resumed
 *     16  TMR_INTERNAL     the library failed; the handle can only be closed
 *
 * Later releases add no others. A number that is higher is worse, so that code > TMR_MORE is what went
 * wrong.
 *
 * ERRORS
 *
 * The last parameter of almost every function is an error block, tmr_error, or NULL. It belongs to the caller,
 * who sets its size once (TMR_CLEAR); without it every call gives 8, and the block stays as it is. Each call
 * clears it, and fills it in if the code is 8, 12 or 16, and if it is 4 where the function's comment says so:
 * the reason (one of TMR_R_..., whose numbers are never used for anything else), where it was (volume, track,
 * data set, state), and a sentence of what was seen and what to do. A program decides by code and reason; the
 * words of sentences change. Later releases have more reasons, so that one that is not known must be taken for
 * what its return code says.
 *
 * HANDLES, AND WHO OWNS WHAT
 *
 * What tmr_..._new, tmr_..._open and the like give back is a handle. It is the caller's until he gives it to
 * tmr_..._close, which takes the address of his pointer and sets that to NULL; NULL there, and a pointer to
 * NULL, are nothing to do. A handle that was made with others keeps what it needs of them: they may be closed
 * in any order. After fork() only one of the two processes may use a handle.
 *
 * Memory is never handed over. What the caller passes (texts, structures, lists, buffers) is read or filled
 * before the call returns, and may be gone then, but for what a comment names otherwise. What the library
 * gives is copied into memory of the caller. Nothing that a program did not allocate must be freed by it.
 *
 * Outputs come after inputs. They are cleared before anything else is done and written at the very end, so
 * that after 8, 12 or 16 they are zero or NULL, unless a comment says otherwise.
 *
 * A pointer that must not be NULL, and is, is refused, and so is a handle of another kind. Other wrong
 * pointers, copies of handles that were closed among them, cannot be told from right ones.
 *
 * STRUCTURES
 *
 * Each begins with its size, which the caller sets, also for those that the library fills in: TMR_CLEAR(s)
 * clears s and sets s.size. Fields and bytes that are called reserved are zero. (A few small ones
 * have no size.) Later releases add fields at the end, and never change those that are there. So a
 * program that was compiled with an older header passes less, and what is missing is taken for zero; of what
 * the library fills in it gets as much as it knows. A structure that the library reads and that is longer than
 * it knows is refused: it could ask for what is not done.
 *
 * TABLES OF FUNCTIONS
 *
 * A table (tmr_..._functions) is copied when it is given, and may be gone then. Its user is handed to each
 * function. release is called with it exactly once, when the library needs the table no more, by whichever
 * thread ends that need; it may be NULL. If the call that takes a table does not succeed, the table was not
 * taken, and release is not called.
 *
 * A function of a table
 *   - may be called by any thread, and by several at a time, unless its comment says otherwise;
 *   - gives back a return code, and fills the error block that it gets in if that is 8 or 12: its sentence
 *     goes into the library's own; 8 promises that nothing was changed;
 *   - may call the library, but not with a handle that the call it is inside of uses: that is refused with
 *     TMR_R_HANDLE_IN_USE. What a comment allows beside such a call, such as tmr_migration_status, it may
 *     call;
 *   - must return. It must not throw, must not be left by longjmp, and must not end its thread.
 * Lists are handed over item by item with tmr_sink_put. What a function says is checked as far as it can be,
 * and an answer that cannot be right is TMR_R_HOST_LIED.
 *
 * THREADS
 *
 * The library starts no thread that outlives a call, and a handle may be used by any thread. Some handles may
 * be used by several threads at a time, others by one call at a time, in whichever thread: the line "Threads:"
 * of each function says which. A second call with one of the latter is refused at once (TMR_R_HANDLE_IN_USE);
 * nobody waits. A pointer to const says that a call does not change what the handle stands for. A handle must
 * not be closed while another call uses it; of those for one call at a time this is refused.
 *
 * TEXTS AND NAMES
 *
 * Texts are ASCII or UTF-8 and end with a zero byte, also where the machine has EBCDIC. Data set names and
 * volume serials are as they are shown: TEST.DATA, VOL001. One that has bytes which do not print is shown, and
 * may be given, in hexadecimal EBCDIC: X'E5D6D3F0F001'. Lists of names are one text with blanks or commas
 * between them. In a mask * stands for one qualifier, or for some characters of one, ** for any number of
 * qualifiers, and % for one character. Tracks are numbered from 0 on through the whole volume.
 *
 * LOCKS
 *
 * A volume that is opened from an image file is locked for as long as anything uses it: shared for TMR_READ
 * and TMR_MONITORED_WRITE, alone for TMR_EXCLUSIVE. Whoever comes second is refused (TMR_R_VOLUME_IN_USE). The
 * locks are those of open files (fcntl), which end with the process. Emulators take no locks; an opening for
 * writing is also refused if another process is seen that has the file open for writing. VTOCs and catalogs
 * have locks of their own, which are waited for, and held during single changes only.
 *
 * WHAT STAYS AS IT IS
 *
 * The numbers of reasons, states, verbs, events, functions and options, their names, the names and aliases of
 * functions, what they take, and the fields of structures. What can come: functions, numbers, fields at the
 * end of structures. While the first part of the version is 0, another second part may break this promise;
 * then the shared library has another name (libtrackmirror.so.0.1), so that nothing is run with what it was
 * not made for. tmr_version tells which release is there.
 *
 * WHEN THE LIBRARY FAILS
 *
 * A mistake inside the library ends the call with 16, and not the program; some lines about it are printed to
 * the standard error output. The handle in use can only be closed. What is durable is whole: a migration is
 * resumed with a new handle. The library sets no signal handlers, prints nothing else, and keeps nothing in
 * memory outside of its handles.
 *
 * z/OS AND ASSEMBLER
 *
 * Each function has an alias of at most eight characters, under which the library exports it too; for the z/OS
 * compiler the pragmas at the end of this file say so. The interface is for 64 bits: LP64 in C, AMODE 64 in
 * assembler. Each parameter is a pointer or a whole number of 32 or 64 bits, and there are at most six.
 * Everything is tested on big-endian machines (Linux on s390x); on z/OS itself nothing was run.
 *
 * Assembler programs can call everything by tmr_call (TMRCALL): a function number (TMR_F_...) and a list of
 * the addresses of the parameters. trackmirror.mac has the structures, the numbers and a macro that builds the
 * list. Between a program with OS linkage, which has the number in register 0 and the list's address in
 * register 1, and C, a few lines are needed; trackmirror.mac tells of them.
 */

#include <stdint.h>
#include <string.h>

/* The release -------------------------------------------------------------------------------------------------- */

/* The release that this header is of; tmr_version tells that of the library. */
#define TMR_VERSION_MAJOR 0u
#define TMR_VERSION_MINOR 1u
#define TMR_VERSION_PATCH 0u
/* All three: TMR_VERSION_MAJOR * 1000000 + TMR_VERSION_MINOR * 1000 + TMR_VERSION_PATCH. */
#define TMR_VERSION 1000u

/* Clears a structure of this header, and sets its size: do so before each is used. */
#ifdef __cplusplus
#define TMR_CLEAR(s) \
    (static_cast<void>(memset(static_cast<void *>(&(s)), 0, sizeof(s))), (s).size = static_cast<uint32_t>(sizeof(s)))
#else
#define TMR_CLEAR(s) ((void)memset((void *)&(s), 0, sizeof(s)), (s).size = (uint32_t)sizeof(s))
#endif

/* Return codes, and the values of parameters and fields -------------------------------------------------------- */

/** Done. */
#define TMR_DONE 0
/** Done with remarks, or there is more to do: call again. */
#define TMR_MORE 4
/** Refused; nothing was changed. */
#define TMR_REFUSED 8
/** The environment failed; it can be called again, or resumed. */
#define TMR_ENVIRONMENT 12
/** The library failed. The handle can only be closed. */
#define TMR_INTERNAL 16

/** A data set that no catalog names may be moved. */
#define TMR_UNCATALOGED 0x10u
/** It can be moved, as far as it alone is concerned. */
#define TMR_DATA_SET_MOVABLE 1u
/** A catalog has an entry that leads to it. */
#define TMR_DATA_SET_CATALOGED 2u

/** A change of an entry takes two steps, and between them the name leads nowhere. */
#define TMR_CATALOG_TWO_STEPS 1u
/** Another system makes the changes: nothing is written through the catalog's volume, which need not be open for writing. */
#define TMR_CATALOG_DELEGATED 2u
/** The entry holds the place of the format 1 DSCB. */
#define TMR_ENTRY_HAS_DSCB 0x01000000u

/** Catalog entries and DSCBs tell that something changed. */
#define TMR_METADATA_BOTH 0u
/** Catalog entries alone tell it: a data set whose entries are as they were counts as persistent. */
#define TMR_METADATA_CATALOG 1u
/** DSCBs alone tell it: catalog entries are not looked at. */
#define TMR_METADATA_VTOC 2u
/** The data set is there, under its name. */
#define TMR_FATE_PERSISTENT 1u
/** It is there, under another name. */
#define TMR_FATE_RENAMED 2u
/** Its name is there, but it is another data set. */
#define TMR_FATE_RECREATED 3u
/** It is gone. */
#define TMR_FATE_DELETED 4u
/** It was not there, and is selected. */
#define TMR_FATE_NEW 5u
/** It, or a part of it, is not found, but not all DSCBs of its volumes could be read. */
#define TMR_FATE_UNCLEAR 6u
/** A part of the data set came, left, was made again, or has another place among the parts. */
#define TMR_FIELD_PART 0x1u
/** DS1LSTAR, DS1TTTHI. */
#define TMR_FIELD_LAST_USED 0x2u
/** DS1TRBAL. */
#define TMR_FIELD_BALANCE 0x4u
/** DS1REFD. */
#define TMR_FIELD_REFERENCE_DATE 0x8u
/** DS1EXPDT. */
#define TMR_FIELD_EXPIRATION_DATE 0x10u
/** DS1DSIND. */
#define TMR_FIELD_INDICATORS 0x20u
/** DS1DSORG, DS1RECFM, DS1OPTCD, DS1BLKL, DS1LRECL, DS1KEYL, DS1RKP. */
#define TMR_FIELD_ATTRIBUTES 0x40u
/** DS1SCALO, DS1SCXTF, DS1SCXTV. */
#define TMR_FIELD_SPACE_REQUEST 0x80u
/** DS1DSSN, DS1VOLSQ. */
#define TMR_FIELD_VOLUMES 0x100u
/** The format, DS1FLAG1, DS1SMSFG. */
#define TMR_FIELD_FLAGS 0x200u
/** DS1NOBDB, DS1SYSCD, and what is reserved. */
#define TMR_FIELD_OTHER 0x400u
/** The descriptors of the extents, or the DSCBs behind the F1, whether or not the tracks are the same. */
#define TMR_FIELD_EXTENTS 0x800u
/** The track of user labels. */
#define TMR_FIELD_USER_LABEL 0x1000u
/** An extent that was there became longer. */
#define TMR_GAIN_MERGED 1u
/** An extent was added to a part that was there. */
#define TMR_GAIN_EXTENT 2u
/** A part was added. */
#define TMR_GAIN_PART 3u
/** Tracks were released from the end of a part. */
#define TMR_LOSS_RELEASED 4u
/** Tracks are gone from inside a part, or come in another order now. */
#define TMR_LOSS_INSIDE 5u
/** A part is gone. */
#define TMR_LOSS_PART 6u

/** No track: the error is not about one. */
#define TMR_NO_TRACK 0xFFFFFFFFu
/**
 * It makes sense to try the same again later: the environment may be mended, and of what is refused somebody may make room, end
 * what he is doing, or start his monitor.
 */
#define TMR_ERROR_CAN_PASS 1u

/** The program tells of each write when it begins, and when it has ended. */
#define TMR_IMAGE_BRACKETS 1u
/** The program tells only what was written (tmr_image_note). When it dies, every track counts as changed. */
#define TMR_IMAGE_COMPLETIONS 2u
/**
 * The program tells what another machine writes. When it dies, that has fallen silent: nothing is switched before it is back,
 * or was retired.
 */
#define TMR_IMAGE_REMOTE 3u
/**
 * Added to one of those: a write may be ended by another thread than the one that began it. If a thread is lost inside a
 * write, its tracks stay in flight until the program ends; else the library finds out.
 */
#define TMR_IMAGE_ANY_THREAD 0x100u

/** Copy each data set only up to its last used track; the rest of the target becomes empty tracks. */
#define TMR_USED_ONLY 1u
/** Overwrite every track of a source before it is scratched. */
#define TMR_ERASE 2u
/**
 * Keep the sources under other names (tmr_migrated_data_set.kept_as): OLDCOPY behind their own, or OLDCOPY2 and so on where
 * that is taken; a long name is cut, and told from others by a number. Not together with TMR_ERASE.
 */
#define TMR_KEEP 4u
/** Keep a digest of each data set's tracks. */
#define TMR_DIGESTS 8u

/** The image is just being registered. */
#define TMR_STANDING_REGISTERING 1u
/** The image is registered, and may write. */
#define TMR_STANDING_ATTACHED 2u
/** The image has ended, with nothing in flight. */
#define TMR_STANDING_FAREWELL 3u
/** The image died. What it had in flight counts as changed. */
#define TMR_STANDING_DEAD 4u
/** The image fell silent: nobody knows what it writes. */
#define TMR_STANDING_SILENT 5u
/** The operator has said that the image cannot write any more. */
#define TMR_STANDING_RETIRED 6u
/** The record of the image is damaged. */
#define TMR_STANDING_DAMAGED 7u
/** The process is one of the system that this program runs in, and not of a container. */
#define TMR_IMAGE_PROCESS_KNOWN 1u

/** One request of the total space on one volume: the fewest extents. */
#define TMR_MODE_ONE_PRIMARY 1u
/** Each part on a volume of its own, each extent as it was. */
#define TMR_MODE_EXTENT_FOR_EXTENT 2u
/** As few extents as possible, over as many volumes as are needed. */
#define TMR_MODE_BEST_FIT 3u
/** The extents are combined on the data set's own volume. */
#define TMR_PLANNED_COMBINES 1u

/** The question asked last was answered. */
#define TMR_RECEIVER_ANSWERED 1u
/** What the question asked last wants sealed is sealed there, and nothing else. */
#define TMR_RECEIVER_OBEYED 2u
/** The image took leave. */
#define TMR_RECEIVER_LEFT 4u
/** The image was retired. */
#define TMR_RECEIVER_RETIRED 8u
/** The message was passed over; the error block says why. */
#define TMR_ABSORBED_NOTHING 0u
/** A report was applied: the acknowledgement is to be sent back. */
#define TMR_ABSORBED_REPORT 1u
/** The question asked last was answered. */
#define TMR_ABSORBED_ANSWER 2u
/** The same, by an incarnation that was not known: every track counts as changed. */
#define TMR_ABSORBED_NEW_INCARNATION 3u
/** The image took leave: the acknowledgement is to be sent back when it is durable that nothing more is expected of it. */
#define TMR_ABSORBED_FAREWELL 4u

/** An acknowledgement has at most so many bytes, and so has a question beside its extents. */
#define TMR_ACKNOWLEDGEMENT_LENGTH 128u
/** A question has at most so many bytes more for each extent. */
#define TMR_QUESTION_EXTENT_LENGTH 10u
/** No message is longer. */
#define TMR_MESSAGE_LENGTH 1048576u

/** Another system makes the changes: nothing is written through the volume, which need not be open for writing. */
#define TMR_SPACE_DELEGATED 1u

/** The version that every table of functions carries. */
#define TMR_TABLE_VERSION 1u

/** What is not known. */
#define TMR_UNKNOWN 0xFFFFFFFFFFFFFFFFull
/** The target is as near to the source as was asked for. */
#define TMR_STATUS_AT_GOAL 1u
/** It can go on only when it is closed and resumed: its switch was undone after the targets were given to their users. */
#define TMR_STATUS_RESUME 2u
/** Too little was measured yet. */
#define TMR_VERDICT_UNKNOWN 0u
/** What is left gets less. */
#define TMR_VERDICT_CONVERGING 1u
/** What is left is as little as it gets. */
#define TMR_VERDICT_FOLLOWING 2u
/** Changes come about as fast as copies, or faster: it does not converge. */
#define TMR_VERDICT_AT_DISTANCE 3u
/** tmr_migrated_data_set.digest is known. */
#define TMR_MIGRATED_DIGEST 1u

/** tmr_tuning.goal_tracks is set. */
#define TMR_TUNE_GOAL_TRACKS 1u
/** tmr_tuning.goal_ms is set. */
#define TMR_TUNE_GOAL_MS 2u
/** tmr_tuning.wait_ms and window_ms are set. */
#define TMR_TUNE_LIMITS 4u
/** tmr_tuning.pace_tracks is set. */
#define TMR_TUNE_PACE_TRACKS 8u
/** tmr_tuning.pace_bytes is set. */
#define TMR_TUNE_PACE_BYTES 16u
/** tmr_tuning.attempts is set. */
#define TMR_TUNE_ATTEMPTS 32u

/** Open a volume for reading, beside readers and monitored writers. */
#define TMR_READ 1u
/** Open a volume for writing beside others, each of which tells a monitor what it writes. */
#define TMR_MONITORED_WRITE 2u
/** Open a volume for writing, with nobody else reading or writing. */
#define TMR_EXCLUSIVE 3u
/** Added to one of those: past every cache of this machine, because other machines write the volume too. */
#define TMR_PAST_CACHES 0x100u
/** The volume can be written. */
#define TMR_VOLUME_WRITABLE 1u
/** Every read comes from the medium, past all caches of this machine. */
#define TMR_VOLUME_PAST_CACHES 2u
/**
 * `location` is the path of the file or device that the volume lies on. By it the registry finds the monitor area, notes of
 * unfinished migrations are written beside it, and it is seen who has it open for writing without a monitor.
 */
#define TMR_VOLUME_FILE 4u
/** The VTOC's lock. */
#define TMR_LOCK_VTOC 1u
/** The lock of a catalog on the volume. */
#define TMR_LOCK_CATALOG 2u

/* Why something was refused, or failed ------------------------------------------------------------------------- */

/* Reason codes. The numbers are never used for anything else; later releases have more of them. */

/** Return code 12: stored data ends too early or is not of its form. */
#define TMR_R_END_OF_DATA 1u
/** Return code 8: not a data set name. */
#define TMR_R_BAD_NAME 101u
/** Return code 8: not a volume serial. */
#define TMR_R_BAD_VOLSER 102u
/** Return code 8: not a data set name mask. */
#define TMR_R_BAD_MASK 103u
/** Return code 8: not a device of the table. */
#define TMR_R_UNKNOWN_DEVICE 104u
/** Return code 8: an address outside the volume. */
#define TMR_R_OUTSIDE_VOLUME 105u
/** Return code 8: the verb is not allowed in this state. */
#define TMR_R_WRONG_STATE 106u
/** Return code 12: a track image does not check. */
#define TMR_R_DAMAGED_TRACK 201u
/** Return code 12: a track's home address is that of another track. */
#define TMR_R_FOREIGN_TRACK 202u
/** Return code 12: a DSCB does not check. */
#define TMR_R_DAMAGED_DSCB 203u
/** Return code 8: a track that the translate table does not hold. */
#define TMR_R_NOT_IN_TABLE 204u
/** Return code 8: two entries of a translate table overlap. */
#define TMR_R_TABLE_OVERLAP 205u
/** Return code 8: a count field that could not be moved there and back. */
#define TMR_R_FOREIGN_COUNT 206u
/** Return code 8: source and target of a translate table differ in size. */
#define TMR_R_TABLE_MISMATCH 207u
/** Return code 12: an input or output operation failed. */
#define TMR_R_IO 301u
/** Return code 8: not a volume image. */
#define TMR_R_NOT_AN_IMAGE 302u
/** Return code 8: the header of a volume image does not fit. */
#define TMR_R_BAD_HEADER 303u
/** Return code 8: the size of a volume image does not fit its header. */
#define TMR_R_BAD_SIZE 304u
/** Return code 8: a kind of image that is not supported. */
#define TMR_R_UNSUPPORTED_IMAGE 305u
/** Return code 8: the volume can only be read. */
#define TMR_R_READ_ONLY_VOLUME 306u
/** Return code 8: the volume has no standard label. */
#define TMR_R_NO_LABEL 307u
/** Return code 8: the volume is in use by somebody else. */
#define TMR_R_VOLUME_IN_USE 308u
/** Return code 8: two volumes have the same serial. */
#define TMR_R_DUPLICATE_VOLSER 309u
/** Return code 8: one image is given twice. */
#define TMR_R_SAME_FILE_TWICE 310u
/** Return code 8: a compressed image does not check. */
#define TMR_R_DAMAGED_IMAGE 311u
/** Return code 12: a block of an interrupted change was changed by somebody else. */
#define TMR_R_INTENT_CONFLICT 313u
/** Return code 12: the host's own file system has too little space. */
#define TMR_R_HOST_SPACE 314u
/** Return code 8: there is no such file. */
#define TMR_R_NO_SUCH_FILE 315u
/** Return code 8: the file exists. */
#define TMR_R_FILE_EXISTS 316u
/** Return code 8: the compressed image was not closed properly. */
#define TMR_R_IMAGE_OPEN 317u
/** Return code 8: no such volume was given. */
#define TMR_R_NO_SUCH_VOLUME 318u
/** Return code 8: the volume cannot be read past this machine's caches. */
#define TMR_R_NOT_DIRECT 319u
/** Return code 12: there is too little memory. */
#define TMR_R_NO_MEMORY 320u
/** Return code 8: the volume has data sets, which would be lost. */
#define TMR_R_VOLUME_NOT_EMPTY 321u
/** Return code 8: the volume has no VTOC. */
#define TMR_R_NO_VTOC 401u
/** Return code 8: the VTOC does not check. */
#define TMR_R_DAMAGED_VTOC 402u
/** Return code 8: the VTOC has no free DSCB. */
#define TMR_R_VTOC_FULL 403u
/** Return code 8: the volume has too little free space. */
#define TMR_R_NO_SPACE 404u
/** Return code 8: the name exists on the volume. */
#define TMR_R_NAME_EXISTS 405u
/** Return code 8: the name is not on the volume. */
#define TMR_R_NAME_NOT_FOUND 406u
/** Return code 8: more extents than the volume may hold for one data set. */
#define TMR_R_TOO_MANY_EXTENTS 407u
/** Return code 8: the extent is not free. */
#define TMR_R_EXTENT_NOT_FREE 408u
/** Return code 8: the expiration date has not passed. */
#define TMR_R_NOT_EXPIRED 409u
/** Return code 8: the data set under this name is another one. */
#define TMR_R_IDENTITY_CHANGED 410u
/** Return code 8: the VTOC has an index that would become stale. */
#define TMR_R_INDEXED_VTOC 411u
/** Return code 8: the volume is managed by SMS. */
#define TMR_R_SMS_VOLUME 412u
/** Return code 8: an extended address volume. */
#define TMR_R_EAV_VOLUME 413u
/** Return code 8: not a volume of an OS system. */
#define TMR_R_STACKED_VOLUME 414u
/** Return code 8: the volume has split cylinders. */
#define TMR_R_SPLIT_CYLINDER_VOLUME 415u
/** Return code 8: a space request that cannot be meant. */
#define TMR_R_BAD_REQUEST 416u
/** Return code 8: the volume has an unfinished migration. */
#define TMR_R_UNFINISHED_MIGRATION 417u
/** Return code 8: no catalog was found. */
#define TMR_R_NO_CATALOG 501u
/** Return code 8: the catalog does not check. */
#define TMR_R_DAMAGED_CATALOG 502u
/** Return code 8: the catalog has no free block. */
#define TMR_R_CATALOG_FULL 503u
/** Return code 8: the name is cataloged already. */
#define TMR_R_ENTRY_EXISTS 504u
/** Return code 8: the name is not cataloged. */
#define TMR_R_ENTRY_NOT_FOUND 505u
/** Return code 8: the catalog entry is of another kind. */
#define TMR_R_ENTRY_KIND 506u
/** Return code 8: the catalog entry is not what was expected. */
#define TMR_R_ENTRY_CHANGED 507u
/** Return code 8: a track is sealed while its data set is switched. */
#define TMR_R_VOLUME_SEALED 520u
/** Return code 8: an image of this name is alive. */
#define TMR_R_IMAGE_EXISTS 521u
/** Return code 8: not a name for an image. */
#define TMR_R_BAD_IMAGE_NAME 522u
/** Return code 8: no image of this name is registered. */
#define TMR_R_NO_SUCH_IMAGE 523u
/** Return code 8: the monitor area has no room for another image. */
#define TMR_R_TOO_MANY_IMAGES 524u
/** Return code 8: the image may not write any more. */
#define TMR_R_IMAGE_DETACHED 525u
/** Return code 8: not a monitor area. */
#define TMR_R_AREA_DAMAGED 526u
/** Return code 8: the monitor area is of another volume. */
#define TMR_R_AREA_FOREIGN 527u
/** Return code 12: the monitor area is just being changed. */
#define TMR_R_AREA_BUSY 528u
/** Return code 8: the volume has as many migrations as it can. */
#define TMR_R_TOO_MANY_SUBSCRIPTIONS 529u
/** Return code 8: the subscription is owned by another process. */
#define TMR_R_SUBSCRIPTION_IN_USE 530u
/** Return code 8: not every image that may write the volume is monitored. */
#define TMR_R_NOT_COVERED 531u
/** Return code 8: writes that began before the subscription have not ended. */
#define TMR_R_NOT_FILLED 532u
/** Return code 8: a track is being copied already. */
#define TMR_R_TRACK_IN_BATCH 533u
/** Return code 8: not a message of a monitor on another machine. */
#define TMR_R_BAD_MESSAGE 534u
/** Return code 8: the monitor area is of a machine of the other byte order. */
#define TMR_R_AREA_BYTE_ORDER 535u
/** Return code 8: the data set is held while it is moved. */
#define TMR_R_DATA_SET_HELD 540u
/** Return code 8: the operator's command refused. */
#define TMR_R_COMMAND_REFUSED 541u
/** Return code 12: the operator's command did not end in time. */
#define TMR_R_COMMAND_LATE 542u
/** Return code 12: a change that was handed to the operator's command or to the host is not seen. */
#define TMR_R_CHANGE_NOT_SEEN 543u
/** Return code 8: a change that cannot be handed to the system that has the volume. */
#define TMR_R_NOT_DELEGATED 544u
/** Return code 8: no data set is selected. */
#define TMR_R_NOTHING_SELECTED 601u
/** Return code 8: the data set is in no catalog. */
#define TMR_R_NOT_CATALOGED 602u
/** Return code 8: catalog and VTOC do not agree. */
#define TMR_R_CATALOG_MISMATCH 603u
/** Return code 8: a volume of the data set is not given. */
#define TMR_R_PART_MISSING 604u
/** Return code 8: the data set has no space. */
#define TMR_R_NO_EXTENTS 605u
/** Return code 8: the data set is marked unmovable. */
#define TMR_R_UNMOVABLE 606u
/** Return code 8: the data set was allocated at absolute tracks. */
#define TMR_R_ABSOLUTE_ALLOCATION 607u
/** Return code 8: the data set holds actual addresses. */
#define TMR_R_ACTUAL_ADDRESSING 608u
/** Return code 8: an ISAM data set holds absolute addresses. */
#define TMR_R_ISAM 609u
/** Return code 8: the data set shares cylinders with others. */
#define TMR_R_SPLIT_CYLINDER 610u
/** Return code 8: the extents of a VSAM data set are also held in its catalog. */
#define TMR_R_VSAM 611u
/** Return code 8: a catalog that is always open. */
#define TMR_R_ICF_CATALOG 612u
/** Return code 8: part of the volume's own administration. */
#define TMR_R_SYSTEM_INDEX 613u
/** Return code 8: SYS1.LOGREC holds absolute addresses. */
#define TMR_R_LOGREC 614u
/** Return code 8: a spool data set is addressed by absolute tracks. */
#define TMR_R_SPOOL 615u
/** Return code 8: a page or swap data set. */
#define TMR_R_PAGE_DATA_SET 616u
/** Return code 8: a checkpoint data set holds track addresses. */
#define TMR_R_CHECKPOINT_DATA 617u
/** Return code 8: the organization is not known. */
#define TMR_R_UNKNOWN_ORGANIZATION 618u
/** Return code 8: a coupling data set. */
#define TMR_R_COUPLING 619u
/** Return code 8: the data set is managed by SMS. */
#define TMR_R_SMS_MANAGED 620u
/** Return code 8: the data set has user labels. */
#define TMR_R_USER_LABEL 621u
/** Return code 8: the parts of the data set do not fit together. */
#define TMR_R_PARTS_INCONSISTENT 622u
/** Return code 8: a PDSE or HFS data set. */
#define TMR_R_PDSE 623u
/** Return code 8: an extended-format data set. */
#define TMR_R_EXTENDED_FORMAT 624u
/** Return code 8: a Linux partition. */
#define TMR_R_LINUX_PARTITION 625u
/** Return code 8: not the address of a server that carries messages. */
#define TMR_R_BAD_CHANNEL 640u
/** Return code 12: a channel to another machine failed. */
#define TMR_R_CHANNEL_FAILED 641u
/** Return code 8: source and target are unlike devices. */
#define TMR_R_UNLIKE_DEVICES 701u
/** Return code 8: the target is a source volume of the data set. */
#define TMR_R_TARGET_IS_SOURCE 702u
/** Return code 8: the data set must lie on one volume. */
#define TMR_R_CANNOT_SPLIT 703u
/** Return code 8: an end-of-file record would hide the parts behind it. */
#define TMR_R_HIDDEN_END 704u
/** Return code 8: a record goes on where the data set would be cut. */
#define TMR_R_TRACK_OVERFLOW 705u
/** Return code 8: the two copies differ. */
#define TMR_R_UNEQUAL 801u
/** Return code 8: the checkpoint does not check. */
#define TMR_R_CHECKPOINT_DAMAGED 802u
/** Return code 8: the migration is owned by another process. */
#define TMR_R_CHECKPOINT_IN_USE 803u
/** Return code 8: there is no checkpoint. */
#define TMR_R_NO_CHECKPOINT 804u
/** Return code 12: the target could not be flushed. */
#define TMR_R_NOT_FLUSHED 805u
/** Return code 8: the checkpoint is of a newer release. */
#define TMR_R_CHECKPOINT_NEWER 806u
/** Return code 8: the checkpoint is older than what was done since. */
#define TMR_R_CHECKPOINT_OLD 807u
/** Return code 8: the target's DSCBs are not as they were planned. */
#define TMR_R_TARGET_CHANGED 901u
/** Return code 8: the source changed where it must not. */
#define TMR_R_SOURCE_CHANGED 902u
/** Return code 8: the target was written to since its users were let in. */
#define TMR_R_TARGET_WRITTEN 903u
/** Return code 8: an unfinished migration has another plan. */
#define TMR_R_PLAN_DIFFERS 1001u
/** Return code 12: stopped on request. */
#define TMR_R_INTERRUPTED 1002u
/** Return code 12: the data sets were not closed in time. */
#define TMR_R_NOT_CLOSED 1003u
/** Return code 12: the window would have been longer than allowed. */
#define TMR_R_WINDOW_TOO_LONG 1004u
/** Return code 8: somebody wrote after the data sets were closed. */
#define TMR_R_LATE_WRITER 1005u
/** Return code 8: a migration whose sources are written to needs its monitors. */
#define TMR_R_NOT_MONITORED 1006u
/** Return code 8: a pointer that must not be NULL. */
#define TMR_R_NULL_POINTER 1201u
/** Return code 8: a structure whose size, version or reserved bytes are not of this release. */
#define TMR_R_BAD_STRUCTURE 1202u
/** Return code 8: not a handle of this kind. */
#define TMR_R_BAD_HANDLE 1203u
/** Return code 8: the handle is in use by another call. */
#define TMR_R_HANDLE_IN_USE 1204u
/** Return code 8: not a text of this form. */
#define TMR_R_BAD_TEXT 1205u
/** Return code 8: a value that the parameter does not have. */
#define TMR_R_BAD_VALUE 1206u
/** Return code 8: the buffer is too short. */
#define TMR_R_SHORT_BUFFER 1207u
/** Return code 8: a function of the host that is needed and not given. */
#define TMR_R_NO_SUCH_FUNCTION 1208u
/** Return code 8: there is none with this number. */
#define TMR_R_NO_MORE 1209u
/** Return code 8: a function of the host refused. */
#define TMR_R_HOST_REFUSED 1210u
/** Return code 12: a function of the host failed. */
#define TMR_R_HOST_FAILED 1211u
/** Return code 12: a function of the host answered what cannot be. */
#define TMR_R_HOST_LIED 1212u
/** Return code 16: a rule of the library was broken. */
#define TMR_R_BROKEN 1601u
/** Return code 16: the library failed inside a call. */
#define TMR_R_PANICKED 1602u

/* The states of a migration ------------------------------------------------------------------------------------ */

/** What goes where is decided; nothing is allocated. */
#define TMR_STATE_PLANNED 1u
/** The target is allocated, and tracks are copied to it. */
#define TMR_STATE_COPYING 2u
/** The target holds every track, apart from what changes go on to come. */
#define TMR_STATE_MIRRORED 3u
/** Everybody is asked to close the data sets; new openers are held. */
#define TMR_STATE_CLOSING 4u
/** The window: nobody has the data sets open. */
#define TMR_STATE_QUIESCED 5u
/** The intent to switch the catalog is durable. */
#define TMR_STATE_SWITCHING 6u
/** The target is cataloged, and was looked at once more: no interruption leads back. */
#define TMR_STATE_SWITCHED 7u
/** The source is scratched or kept under another name; nothing is left to do. */
#define TMR_STATE_COMPLETE 8u
/** Given up: the target is released, the source is as it was. */
#define TMR_STATE_TERMINATED 9u

/* What a migration can be told to do --------------------------------------------------------------------------- */

/** Allocate the target. */
#define TMR_VERB_RESERVE 1u
/** Copy some tracks. */
#define TMR_VERB_STEP 2u
/** Compare source and target. */
#define TMR_VERB_VERIFY 3u
/** Ask everybody to close, and open the window when it is confirmed. */
#define TMR_VERB_QUIESCE 4u
/** Give the window up, and go on mirroring. */
#define TMR_VERB_POSTPONE 5u
/** Make the catalog point to the target. */
#define TMR_VERB_SWITCH 6u
/** Give the window up, or undo the switch as long as there is a way back. */
#define TMR_VERB_BACK_OUT 7u
/** Scratch or keep the source. */
#define TMR_VERB_COMPLETE 8u
/** Give the migration up, and release the target. */
#define TMR_VERB_TERMINATE 9u
/** Do at the target what became of the source's allocation. */
#define TMR_VERB_ACCOMMODATE 10u

/* What is told while a migration runs -------------------------------------------------------------------------- */

/** A data set was found movable. */
#define TMR_EVENT_ASSESSED 1u
/** A data set must not be moved. */
#define TMR_EVENT_REFUSED 2u
/** Space was allocated at the target. */
#define TMR_EVENT_ALLOCATED 3u
/** A target gave back space, because its source has it no more. */
#define TMR_EVENT_TARGET_RELEASED 4u
/** A target got another name, because its source has it. */
#define TMR_EVENT_TARGET_RENAMED 5u
/** Copying began. */
#define TMR_EVENT_COPY_BEGUN 6u
/** Every image that can write to a source volume is monitored from now on. */
#define TMR_EVENT_MONITORS_STARTED 7u
/** Tracks were copied and are durable. */
#define TMR_EVENT_COPIED 8u
/** All work was gone through once. */
#define TMR_EVENT_PASS 9u
/** Tracks change about as fast as they are copied, or faster. */
#define TMR_EVENT_NOT_CONVERGING 10u
/** So little is left that the window would be short enough. */
#define TMR_EVENT_RESYNCHRONIZED 11u
/** A data set cannot be moved, and is left where it is; the others go on. */
#define TMR_EVENT_TAKEN_OUT 12u
/** Source and target were compared and are equal, addresses aside. */
#define TMR_EVENT_COMPARED 13u
/** Everybody is asked to close, and nobody may open. */
#define TMR_EVENT_CLOSE_REQUESTED 14u
/** Somebody has a data set open still. */
#define TMR_EVENT_STILL_OPEN 15u
/** Nobody has the data sets open, on any image. */
#define TMR_EVENT_CLOSED 16u
/** It is confirmed that nobody has the data sets open: the window began. */
#define TMR_EVENT_WINDOW_OPENED 17u
/** All that was written before the window began is durable at the target. */
#define TMR_EVENT_FINALLY_RESYNCHRONIZED 18u
/** What changed at the source meanwhile was done at the target too. */
#define TMR_EVENT_ACCOMMODATED 19u
/** After the final resynchronization catalogs and VTOCs were compared with what is stored of sources and targets, and nothing differs. */
#define TMR_EVENT_NOTHING_DIFFERS 20u
/** The window was given up. */
#define TMR_EVENT_POSTPONED 21u
/** The catalog points to the target. */
#define TMR_EVENT_CATALOGED 22u
/** After the catalog was switched nothing was found that forbids to go on: there is no way back. */
#define TMR_EVENT_LOOKED 23u
/** The data sets may be opened again: the window ended. */
#define TMR_EVENT_RELEASED 24u
/** A source was scratched. */
#define TMR_EVENT_SCRATCHED 25u
/** A source was kept. */
#define TMR_EVENT_KEPT 26u
/** The state changed. */
#define TMR_EVENT_MOVED 27u
/** Everything is done. */
#define TMR_EVENT_COMPLETED 28u
/** The migration was given up, and the target is released. */
#define TMR_EVENT_TERMINATED 29u
/** An interrupted migration goes on. */
#define TMR_EVENT_RESUMED 30u
/** The switch was undone. */
#define TMR_EVENT_BACKED_OUT 31u
/** Something worth knowing that changes nothing. */
#define TMR_EVENT_REMARK 32u

/* The numbers of the functions, for tmr_call ------------------------------------------------------------------- */

/** tmr_version */
#define TMR_F_VERSION 1u
/** tmr_call */
#define TMR_F_CALL 2u
/** tmr_reason_text */
#define TMR_F_REASON_TEXT 3u
/** tmr_sink_put */
#define TMR_F_SINK_PUT 4u
/** tmr_volume_open */
#define TMR_F_VOLUME_OPEN 10u
/** tmr_volume_in_memory */
#define TMR_F_VOLUME_IN_MEMORY 11u
/** tmr_volume_of_host */
#define TMR_F_VOLUME_OF_HOST 12u
/** tmr_volume_describe */
#define TMR_F_VOLUME_DESCRIBE 13u
/** tmr_volume_read */
#define TMR_F_VOLUME_READ 14u
/** tmr_volume_write */
#define TMR_F_VOLUME_WRITE 15u
/** tmr_volume_flush */
#define TMR_F_VOLUME_FLUSH 16u
/** tmr_volume_initialize */
#define TMR_F_VOLUME_INITIALIZE 17u
/** tmr_volume_close */
#define TMR_F_VOLUME_CLOSE 18u
/** tmr_host_new */
#define TMR_F_HOST_NEW 30u
/** tmr_host_add_volume */
#define TMR_F_HOST_ADD_VOLUME 31u
/** tmr_host_set_space_manager */
#define TMR_F_HOST_SET_SPACE_MANAGER 32u
/** tmr_host_add_catalog */
#define TMR_F_HOST_ADD_CATALOG 33u
/** tmr_host_find_catalogs */
#define TMR_F_HOST_FIND_CATALOGS 34u
/** tmr_host_set_clock */
#define TMR_F_HOST_SET_CLOCK 35u
/** tmr_host_set_events */
#define TMR_F_HOST_SET_EVENTS 36u
/** tmr_host_keep_events */
#define TMR_F_HOST_KEEP_EVENTS 37u
/** tmr_host_next_event */
#define TMR_F_HOST_NEXT_EVENT 38u
/** tmr_host_add_enqueue */
#define TMR_F_HOST_ADD_ENQUEUE 39u
/** tmr_host_use_registry */
#define TMR_F_HOST_USE_REGISTRY 40u
/** tmr_host_add_area */
#define TMR_F_HOST_ADD_AREA 41u
/** tmr_host_add_image */
#define TMR_F_HOST_ADD_IMAGE 42u
/** tmr_host_add_machine */
#define TMR_F_HOST_ADD_MACHINE 43u
/** tmr_host_close */
#define TMR_F_HOST_CLOSE 45u
/** tmr_assess */
#define TMR_F_ASSESS 60u
/** tmr_assessment_describe */
#define TMR_F_ASSESSMENT_DESCRIBE 61u
/** tmr_assessment_data_set */
#define TMR_F_ASSESSMENT_DATA_SET 62u
/** tmr_assessment_extent */
#define TMR_F_ASSESSMENT_EXTENT 63u
/** tmr_assessment_refusal */
#define TMR_F_ASSESSMENT_REFUSAL 64u
/** tmr_assessment_compare */
#define TMR_F_ASSESSMENT_COMPARE 65u
/** tmr_changes_get */
#define TMR_F_CHANGES_GET 66u
/** tmr_changes_close */
#define TMR_F_CHANGES_CLOSE 67u
/** tmr_assessment_close */
#define TMR_F_ASSESSMENT_CLOSE 68u
/** tmr_changes_run */
#define TMR_F_CHANGES_RUN 69u
/** tmr_plan_propose */
#define TMR_F_PLAN_PROPOSE 70u
/** tmr_plan_describe */
#define TMR_F_PLAN_DESCRIBE 71u
/** tmr_plan_data_set */
#define TMR_F_PLAN_DATA_SET 72u
/** tmr_plan_extent */
#define TMR_F_PLAN_EXTENT 73u
/** tmr_plan_refusal */
#define TMR_F_PLAN_REFUSAL 74u
/** tmr_plan_close */
#define TMR_F_PLAN_CLOSE 75u
/** tmr_changes_describe */
#define TMR_F_CHANGES_DESCRIBE 76u
/** tmr_table_new */
#define TMR_F_TABLE_NEW 80u
/** tmr_table_map */
#define TMR_F_TABLE_MAP 81u
/** tmr_table_of_plan */
#define TMR_F_TABLE_OF_PLAN 82u
/** tmr_table_describe */
#define TMR_F_TABLE_DESCRIBE 83u
/** tmr_table_run */
#define TMR_F_TABLE_RUN 84u
/** tmr_table_to_target */
#define TMR_F_TABLE_TO_TARGET 85u
/** tmr_table_to_source */
#define TMR_F_TABLE_TO_SOURCE 86u
/** tmr_table_close */
#define TMR_F_TABLE_CLOSE 87u
/** tmr_table_entry */
#define TMR_F_TABLE_ENTRY 88u
/** tmr_changed_new */
#define TMR_F_CHANGED_NEW 90u
/** tmr_changed_set */
#define TMR_F_CHANGED_SET 91u
/** tmr_changed_clear */
#define TMR_F_CHANGED_CLEAR 92u
/** tmr_changed_count */
#define TMR_F_CHANGED_COUNT 93u
/** tmr_changed_next */
#define TMR_F_CHANGED_NEXT 94u
/** tmr_changed_take */
#define TMR_F_CHANGED_TAKE 95u
/** tmr_changed_close */
#define TMR_F_CHANGED_CLOSE 96u
/** tmr_copier_new */
#define TMR_F_COPIER_NEW 100u
/** tmr_copier_step */
#define TMR_F_COPIER_STEP 101u
/** tmr_copier_retake */
#define TMR_F_COPIER_RETAKE 102u
/** tmr_copier_leave_out */
#define TMR_F_COPIER_LEAVE_OUT 103u
/** tmr_copier_digest */
#define TMR_F_COPIER_DIGEST 104u
/** tmr_copier_close */
#define TMR_F_COPIER_CLOSE 105u
/** tmr_verify */
#define TMR_F_VERIFY 106u
/** tmr_verification_describe */
#define TMR_F_VERIFICATION_DESCRIBE 107u
/** tmr_verification_difference */
#define TMR_F_VERIFICATION_DIFFERENCE 108u
/** tmr_verification_digest */
#define TMR_F_VERIFICATION_DIGEST 109u
/** tmr_verification_close */
#define TMR_F_VERIFICATION_CLOSE 110u
/** tmr_migration_new */
#define TMR_F_MIGRATION_NEW 120u
/** tmr_migration_resume */
#define TMR_F_MIGRATION_RESUME 121u
/** tmr_migration_open */
#define TMR_F_MIGRATION_OPEN 122u
/** tmr_migration_take_up */
#define TMR_F_MIGRATION_TAKE_UP 123u
/** tmr_migration_reserve */
#define TMR_F_MIGRATION_RESERVE 124u
/** tmr_migration_step */
#define TMR_F_MIGRATION_STEP 125u
/** tmr_migration_verify */
#define TMR_F_MIGRATION_VERIFY 126u
/** tmr_migration_quiesce */
#define TMR_F_MIGRATION_QUIESCE 127u
/** tmr_migration_postpone */
#define TMR_F_MIGRATION_POSTPONE 128u
/** tmr_migration_accommodate */
#define TMR_F_MIGRATION_ACCOMMODATE 129u
/** tmr_migration_switch */
#define TMR_F_MIGRATION_SWITCH 130u
/** tmr_migration_back_out */
#define TMR_F_MIGRATION_BACK_OUT 131u
/** tmr_migration_complete */
#define TMR_F_MIGRATION_COMPLETE 132u
/** tmr_migration_terminate */
#define TMR_F_MIGRATION_TERMINATE 133u
/** tmr_migration_advance */
#define TMR_F_MIGRATION_ADVANCE 134u
/** tmr_migration_status */
#define TMR_F_MIGRATION_STATUS 135u
/** tmr_migration_estimate */
#define TMR_F_MIGRATION_ESTIMATE 136u
/** tmr_migration_tune */
#define TMR_F_MIGRATION_TUNE 137u
/** tmr_migration_opener */
#define TMR_F_MIGRATION_OPENER 138u
/** tmr_migration_add_image */
#define TMR_F_MIGRATION_ADD_IMAGE 139u
/** tmr_migration_retire_image */
#define TMR_F_MIGRATION_RETIRE_IMAGE 140u
/** tmr_migration_data_set */
#define TMR_F_MIGRATION_DATA_SET 141u
/** tmr_migration_close */
#define TMR_F_MIGRATION_CLOSE 145u
/** tmr_area_size */
#define TMR_F_AREA_SIZE 160u
/** tmr_area_open */
#define TMR_F_AREA_OPEN 161u
/** tmr_area_in_memory */
#define TMR_F_AREA_IN_MEMORY 162u
/** tmr_area_image */
#define TMR_F_AREA_IMAGE 163u
/** tmr_area_retire */
#define TMR_F_AREA_RETIRE 164u
/** tmr_area_close */
#define TMR_F_AREA_CLOSE 165u
/** tmr_image_register */
#define TMR_F_IMAGE_REGISTER 170u
/** tmr_image_begin */
#define TMR_F_IMAGE_BEGIN 171u
/** tmr_image_end */
#define TMR_F_IMAGE_END 172u
/** tmr_image_note */
#define TMR_F_IMAGE_NOTE 173u
/** tmr_image_sign_of_life */
#define TMR_F_IMAGE_SIGN_OF_LIFE 174u
/** tmr_image_close */
#define TMR_F_IMAGE_CLOSE 175u
/** tmr_subscription_open */
#define TMR_F_SUBSCRIPTION_OPEN 180u
/** tmr_subscription_fill */
#define TMR_F_SUBSCRIPTION_FILL 181u
/** tmr_subscription_left */
#define TMR_F_SUBSCRIPTION_LEFT 182u
/** tmr_subscription_look */
#define TMR_F_SUBSCRIPTION_LOOK 183u
/** tmr_subscription_seal */
#define TMR_F_SUBSCRIPTION_SEAL 184u
/** tmr_subscription_unseal */
#define TMR_F_SUBSCRIPTION_UNSEAL 185u
/** tmr_subscription_close */
#define TMR_F_SUBSCRIPTION_CLOSE 186u
/** tmr_subscription_leave */
#define TMR_F_SUBSCRIPTION_LEAVE 187u
/** tmr_reporter_open */
#define TMR_F_REPORTER_OPEN 200u
/** tmr_reporter_report */
#define TMR_F_REPORTER_REPORT 201u
/** tmr_reporter_acknowledge */
#define TMR_F_REPORTER_ACKNOWLEDGE 202u
/** tmr_reporter_answer */
#define TMR_F_REPORTER_ANSWER 203u
/** tmr_reporter_close */
#define TMR_F_REPORTER_CLOSE 204u
/** tmr_reporter_resend */
#define TMR_F_REPORTER_RESEND 205u
/** tmr_reporter_farewell */
#define TMR_F_REPORTER_FAREWELL 206u
/** tmr_reporter_end */
#define TMR_F_REPORTER_END 207u
/** tmr_receiver_open */
#define TMR_F_RECEIVER_OPEN 210u
/** tmr_receiver_absorb */
#define TMR_F_RECEIVER_ABSORB 211u
/** tmr_receiver_barrier */
#define TMR_F_RECEIVER_BARRIER 212u
/** tmr_receiver_look */
#define TMR_F_RECEIVER_LOOK 213u
/** tmr_receiver_retire */
#define TMR_F_RECEIVER_RETIRE 214u
/** tmr_receiver_close */
#define TMR_F_RECEIVER_CLOSE 215u
/** tmr_receiver_describe */
#define TMR_F_RECEIVER_DESCRIBE 216u
/** tmr_agent_new */
#define TMR_F_AGENT_NEW 220u
/** tmr_agent_add_volume */
#define TMR_F_AGENT_ADD_VOLUME 221u
/** tmr_agent_serve */
#define TMR_F_AGENT_SERVE 222u
/** tmr_agent_close */
#define TMR_F_AGENT_CLOSE 223u
/** tmr_agent_farewell */
#define TMR_F_AGENT_FAREWELL 224u

#ifdef __cplusplus
extern "C" {
#endif

/* Handles ------------------------------------------------------------------------------------------------------ */

/**
 * Serves the migrations that other machines own: reports what is written here, answers, closes data sets here. One call uses it at
 * a time.
 */
typedef struct tmr_agent tmr_agent;

/** A volume's monitor area, open. Several threads may use it at a time. */
typedef struct tmr_area tmr_area;

/** What data sets are and occupy. Several threads may use it at a time. */
typedef struct tmr_assessment tmr_assessment;

/** A set of tracks of one volume. Several threads may use it at a time. */
typedef struct tmr_changed tmr_changed;

/** What became of data sets. Several threads may use it at a time. */
typedef struct tmr_changes tmr_changes;

/** Copies the tracks of a table. One call uses it at a time. */
typedef struct tmr_copier tmr_copier;

/** What a migration works on: volumes, and whatever the program replaces of the other ports. One call uses it at a time. */
typedef struct tmr_host tmr_host;

/** A program that is registered as one that writes a volume. Several threads may use it at a time. */
typedef struct tmr_image tmr_image;

/** A migration. One call uses it at a time; tmr_migration_status and tmr_migration_estimate may be called beside it. */
typedef struct tmr_migration tmr_migration;

/** Which data sets go where. Several threads may use it at a time. */
typedef struct tmr_plan tmr_plan;

/** What one image on another machine writes to one volume, as its owner hears it. One call uses it at a time. */
typedef struct tmr_receiver tmr_receiver;

/** Reports what is written to a volume on this machine to the one that owns a migration. One call uses it at a time. */
typedef struct tmr_reporter tmr_reporter;

/** Where a function of the host puts what it found, one after the other, with tmr_sink_put. It is valid during that call only. */
typedef struct tmr_sink tmr_sink;

/** A migration's subscription to the changes of one volume. Several threads may use it at a time. */
typedef struct tmr_subscription tmr_subscription;

/** Where each track goes. It never changes, and several threads may use it at a time. */
typedef struct tmr_table tmr_table;

/** What a comparison of sources and targets found. Several threads may use it at a time. */
typedef struct tmr_verification tmr_verification;

/** A volume that is open. Several threads may use it at a time. */
typedef struct tmr_volume tmr_volume;

/* Structures, and the host's tables of functions --------------------------------------------------------------- */

/** What is called when the library needs a table no more. */
typedef void (*tmr_release)(void *user);

/**
 * What failed. It belongs to the caller, who sets `size` (TMR_CLEAR does); every function that gets it clears it first, and
 * fills it in if it gives back 8, 12 or 16.
 */
typedef struct tmr_error {
    /** sizeof (tmr_error). */
    uint32_t size;
    /** The return code. */
    int32_t code;
    /** Why: one of TMR_R_..., or 0. */
    uint32_t reason;
    /** The state of the migration that it is about: one of TMR_STATE_..., or 0. */
    uint32_t state;
    /** The absolute track number that it is about, or TMR_NO_TRACK. */
    uint32_t track;
    /** TMR_ERROR_CAN_PASS, or 0. */
    uint32_t flags;
    /** The serial of the volume that it is about, or empty. */
    char volser[16];
    /** The data set that it is about, or empty. */
    char data_set[96];
    /** What was seen and what to do, with the place in front and the reason behind; no newline. */
    char sentence[512];
} tmr_error;

/**
 * The functions of a host that carries messages to another machine and back. It may lose, delay, double and reorder them. Both
 * are called between the steps of a migration and in its window, by any thread: what takes long belongs into a thread of the
 * host's.
 */
typedef struct tmr_channel_functions {
    /** sizeof (tmr_channel_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to each function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /** Hands one message over. It does not wait for its arrival; if it fails, what matters is sent again. */
    int32_t (*send)(void *user,
                    const void *message,
                    uint64_t length,
                    struct tmr_error *error);
    /**
     * Puts each message that has come since the last call into the sink, as its bytes. It does not wait. If tmr_sink_put
     * gives back 8, enough was put for now: that message can be put again in the next call.
     */
    int32_t (*receive)(void *user,
                       struct tmr_sink *sink,
                       struct tmr_error *error);
} tmr_channel_functions;

/** Data sets, and the volumes that they lie on. */
typedef struct tmr_names {
    /** sizeof (tmr_names). */
    uint32_t size;
    /** How many data sets. */
    uint32_t data_set_count;
    /** How many volumes. */
    uint32_t volume_count;
    /** Zero. */
    uint32_t reserved;
    /** Their names. */
    const char (*data_sets)[96];
    /** Their serials. */
    const char (*volsers)[16];
} tmr_names;

/**
 * The functions of a host that knows who has data sets open, and can keep others from opening them. Each may be called again at
 * any time, does nothing that is done already, gives back a return code, and fills the error block in if that is 8 or 12. They
 * are called by any thread.
 */
typedef struct tmr_enqueue_functions {
    /** sizeof (tmr_enqueue_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to each function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /**
     * Asks application and operator to close and unallocate these data sets. It does not wait for them. The request stands until
     * `let_open`.
     */
    int32_t (*ask_to_close)(void *user,
                            const struct tmr_names *names,
                            struct tmr_error *error);
    /**
     * Puts a tmr_opener into the sink for each who still has one of these data sets open or allocated, on whatever image. 0 and no
     * opener: they are closed. 4: somebody has one open, also if nobody can be named. Who cannot be asked is an opener, never nobody.
     * NULL if the host cannot tell; then the registry of openers must be used as well.
     */
    int32_t (*is_closed)(void *user,
                         const struct tmr_names *names,
                         struct tmr_sink *sink,
                         struct tmr_error *error);
    /** Lets nobody open these data sets any more. Durable when it returns 0. */
    int32_t (*hold)(void *user,
                    const struct tmr_names *names,
                    struct tmr_error *error);
    /** Takes back requests and holds of these data sets. What is not held is passed over. */
    int32_t (*let_open)(void *user,
                        const struct tmr_names *names,
                        struct tmr_error *error);
} tmr_enqueue_functions;

/** What an assessment has. */
typedef struct tmr_assessment_info {
    /** sizeof (tmr_assessment_info). */
    uint32_t size;
    /** How many data sets it has. */
    uint32_t data_set_count;
    /** How many of them can be moved, as far as they alone are concerned. */
    uint32_t movable_count;
    /** On how many volumes they lie. */
    uint32_t volume_count;
    /** How many extents they have together. */
    uint64_t extent_count;
    /** How many tracks they have together. */
    uint64_t track_count;
} tmr_assessment_info;

/** What a data set is. Of one that was not found as a whole there are no more than the name and the refusals. */
typedef struct tmr_data_set {
    /** sizeof (tmr_data_set). */
    uint32_t size;
    /** TMR_DATA_SET_... */
    uint32_t flags;
    /** On how many volumes it lies. */
    uint32_t volume_count;
    /** How many extents it has. */
    uint32_t extent_count;
    /** How many tracks they have together. */
    uint32_t track_count;
    /** How many reasons there are not to move it. */
    uint32_t refusal_count;
    /** How many catalogs have an entry that leads to it. */
    uint32_t entry_count;
    /**
     * Its last used track, counted from its start, over all its volumes; TMR_NO_TRACK if the DSCBs do not
     * say.
     */
    uint32_t last_used;
    /** DS1DSORG, its organization. */
    uint32_t dsorg;
    /** DS1RECFM, its record format. */
    uint32_t recfm;
    /** DS1BLKL, its block size. */
    uint32_t blksize;
    /** DS1LRECL, its record length. */
    uint32_t lrecl;
    /** Its name. */
    char data_set[96];
} tmr_data_set;

/** A run of tracks of one volume. It stands in lists, and so has no size of its own. */
typedef struct tmr_extent {
    /** The serial of the volume. It may be empty where only one volume can be meant. */
    char volser[16];
    /** The absolute number of the first track. */
    uint32_t first;
    /** How many tracks. */
    uint32_t track_count;
    /** Zero. */
    uint32_t reserved[2];
} tmr_extent;

/** One volume of a catalog entry. */
typedef struct tmr_catalog_volume {
    /** The unit type. */
    uint8_t unit_type[4];
    /** The file sequence number, at most 65,535; 0 on DASD. */
    uint32_t file_sequence;
    /** The serial. */
    char volser[16];
} tmr_catalog_volume;

/** What a catalog says of a data set. */
typedef struct tmr_catalog_entry {
    /** sizeof (tmr_catalog_entry). */
    uint32_t size;
    /** How many volumes it names, 1 to 59. */
    uint32_t volume_count;
    /** TMR_ENTRY_HAS_DSCB with the track (16 bits) and the record (8 bits) of the format 1 DSCB on the first volume; or 0. */
    uint32_t dscb;
    /** Zero. */
    uint32_t reserved;
    /** The data set. */
    char name[96];
    /** Its volumes, in order. */
    struct tmr_catalog_volume volumes[59];
} tmr_catalog_entry;

/**
 * The functions of a host's own catalog. Each change is made whole or not at all, is durable when its function returns 0, and is
 * seen by `locate` from then on. A change whose function is NULL cannot be made. Each gives back a return code, and fills the
 * error block in if that is 8 or 12. They are called by any thread.
 */
typedef struct tmr_catalog_functions {
    /** sizeof (tmr_catalog_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to each function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /** TMR_CATALOG_... */
    uint32_t flags;
    /** Zero. */
    uint32_t reserved;
    /**
     * What it is called, in messages and in what a migration keeps: another one than any other catalog of the host has, and the same
     * in every run.
     */
    char name[64];
    /** The volume that it lies on; empty if it lies on none. */
    char volser[16];
    /** Says whether its entries can be changed as far as its own form is concerned. May be NULL. */
    int32_t (*check_sound)(void *user,
                           struct tmr_error *error);
    /**
     * Fills the entry of a data set in. 4: there is none. NULL, with `list`: the library reads the SYSCTLG on the volume `volser`,
     * which was added before, and the host's functions are for its changes alone.
     */
    int32_t (*locate)(void *user,
                      const char *name,
                      struct tmr_catalog_entry *entry,
                      struct tmr_error *error);
    /** Puts a tmr_catalog_entry for each data set that the mask selects, in any order. */
    int32_t (*list)(void *user,
                    const char *mask,
                    struct tmr_sink *sink,
                    struct tmr_error *error);
    /** Makes an entry. */
    int32_t (*add)(void *user,
                   const struct tmr_catalog_entry *entry,
                   struct tmr_error *error);
    /**
     * Makes an entry lead to other volumes. `from` is what it says now; NULL if the first of two steps is done already, and there is
     * no entry. It must not change an entry that says something else.
     */
    int32_t (*recatalog)(void *user,
                         const struct tmr_catalog_entry *from,
                         const struct tmr_catalog_entry *to,
                         struct tmr_error *error);
    /** Gives an entry another name. */
    int32_t (*rename)(void *user,
                      const char *from,
                      const char *to,
                      struct tmr_error *error);
    /** Removes an entry. (`delete` is a word of C++.) */
    int32_t (*remove)(void *user,
                      const char *name,
                      struct tmr_error *error);
} tmr_catalog_functions;

/** What became of data sets, in numbers. */
typedef struct tmr_changes_info {
    /** sizeof (tmr_changes_info). */
    uint32_t size;
    /** How many data sets there are: all that were there, and those that are new. */
    uint32_t data_set_count;
    /** Of how many of them something differs. */
    uint32_t differing_count;
    /** Zero. */
    uint32_t reserved;
} tmr_changes_info;

/** What became of one data set. */
typedef struct tmr_allocation_change {
    /** sizeof (tmr_allocation_change). */
    uint32_t size;
    /** What became of it as a whole: TMR_FATE_... */
    uint32_t fate;
    /** 1 if anything differs, else 0. */
    uint32_t differs;
    /** What differs in its DSCBs, if it is persistent or renamed: TMR_FIELD_... added up. */
    uint32_t fields;
    /** In how many catalogs its entry differs. */
    uint32_t entry_count;
    /** How many of those lead elsewhere: to other volumes, to another F1, or to or from nowhere. */
    uint32_t leading_elsewhere_count;
    /** How many runs of tracks came to it; they are the first ones of tmr_changes_run. */
    uint32_t gained_run_count;
    /** How many runs of tracks left it; they are the others of tmr_changes_run. */
    uint32_t lost_run_count;
    /** How many tracks came. */
    uint64_t gained_track_count;
    /** How many tracks left. */
    uint64_t lost_track_count;
    /** Its name as it was, or that of a new data set. */
    char data_set[96];
    /** Its name as it is; empty if it is gone. */
    char present_name[96];
    /** All of that in words; no newline. */
    char sentence[512];
} tmr_allocation_change;

/** A run of tracks that came to a data set or left it. */
typedef struct tmr_changed_run {
    /** sizeof (tmr_changed_run). */
    uint32_t size;
    /** How they came or left: TMR_GAIN_... or TMR_LOSS_... */
    uint32_t how;
    /**
     * The place of the first one, counted from the start of the data set as it is, or as it was if they
     * left.
     */
    uint32_t place;
    /** Zero. */
    uint32_t reserved;
    /** The tracks. */
    struct tmr_extent tracks;
} tmr_changed_run;

/**
 * The functions of a host's own clock. They are called by any thread, also by several at a time. While one fails, the library
 * goes on from its last answer with the machine's own clock.
 */
typedef struct tmr_clock_functions {
    /** sizeof (tmr_clock_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to each function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /** The time since 1970-01-01 00:00 UTC in microseconds: for events and dates. */
    int32_t (*now)(void *user,
                   uint64_t *time_us,
                   struct tmr_error *error);
    /**
     * Microseconds from any start on, of a clock that nobody sets and that does not stand still: for rates and limits. NULL if `now`
     * is such a clock.
     */
    int32_t (*monotonic)(void *user,
                         uint64_t *time_us,
                         struct tmr_error *error);
} tmr_clock_functions;

/** How a copier works. NULL stands for all zero. */
typedef struct tmr_copier_options {
    /** sizeof (tmr_copier_options). */
    uint32_t size;
    /** How many threads copy inside a step, the caller's included: at most 256; 0 is 1. */
    uint32_t threads;
    /** The most tracks of one read and one write, at most 1024; 0 leaves it to the library. */
    uint32_t batch_tracks;
    /** TMR_DIGESTS, or 0. */
    uint32_t options;
    /**
     * How many subscriptions there are: none if nobody writes to the sources, else one for each volume of
     * sources.
     */
    uint32_t subscription_count;
    /** Zero. */
    uint32_t reserved;
    /**
     * The subscriptions. They say which tracks are to be copied: those that were filled in, and those that
     * are changed while they are copied. They must stay open as long as the copier.
     */
    const struct tmr_subscription *const *subscriptions;
} tmr_copier_options;

/**
 * What a step did, what is left, and what was done since the copier was made. A track that was copied
 * twice counts twice.
 */
typedef struct tmr_progress {
    /** sizeof (tmr_progress). */
    uint32_t size;
    /** How many tracks the step copied and made durable. */
    uint32_t copied;
    /** How many tracks the step left because they were being written when they were read. */
    uint32_t torn;
    /** Zero. */
    uint32_t reserved;
    /** How many tracks are still to be copied. */
    uint64_t left;
    /** How often all tracks had their turn. */
    uint64_t pass_count;
    /** Tracks written by all steps. */
    uint64_t total_track_count;
    /** Bytes of their images. */
    uint64_t total_byte_count;
    /** Their records behind R0. */
    uint64_t total_record_count;
    /** Counts that carried another address than their track's, and were kept as they are. */
    uint64_t total_foreign_count;
} tmr_progress;

/** Something that happened. Numbers that a kind of event does not have are 0, and texts empty. */
typedef struct tmr_event {
    /** sizeof (tmr_event). */
    uint32_t size;
    /** What: one of TMR_EVENT_... */
    uint32_t kind;
    /** When: microseconds since 1970-01-01 00:00 UTC. */
    uint64_t time_us;
    /** The state that it was in before: one of TMR_STATE_... */
    uint32_t state_from;
    /** The state that it is in now. */
    uint32_t state_to;
    /** Why a data set is refused: one of TMR_R_... */
    uint32_t reason;
    /** Zero. */
    uint32_t reserved;
    /** Tracks that were copied, allocated, given back or compared. */
    uint64_t track_count;
    /** Tracks that the target does not hold yet in their present state. */
    uint64_t left;
    /** Tracks of the plan. */
    uint64_t total;
    /** How long the window was or would be, or closing took, in milliseconds. */
    uint64_t duration_ms;
    /** How many events before this one are lost because there was no room to keep them. The function of a host gets all. */
    uint64_t lost_count;
    /** The volume; the first of several. */
    char volser[16];
    /** The data set. */
    char data_set[96];
    /** What happened, as a sentence; no newline. */
    char sentence[512];
} tmr_event;

/** The function of a host that is told what happens. */
typedef struct tmr_event_functions {
    /** sizeof (tmr_event_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to the function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /**
     * Something happened. The event is valid until this returns. It is called in the thread that does the work, and must not take
     * long.
     */
    void (*event)(void *user,
                  const struct tmr_event *event);
} tmr_event_functions;

/** A write that has begun and not ended. Its content is the library's; all zero, it is none. */
typedef struct tmr_write {
    /** Which tracks. */
    uint64_t range;
    /** Where it is kept. */
    uint64_t place;
} tmr_write;

/** How a migration is done. */
typedef struct tmr_migration_options {
    /** sizeof (tmr_migration_options). */
    uint32_t size;
    /** TMR_USED_ONLY, TMR_ERASE, TMR_KEEP, TMR_DIGESTS, added. To resume, only TMR_DIGESTS has a meaning. */
    uint32_t options;
    /** How many threads copy inside a step, the caller's included: at most 256; 0 is 1. */
    uint32_t threads;
    /** The most tracks of one read and one write, at most 1024; 0 leaves it to the library. */
    uint32_t batch_tracks;
    /**
     * The folder of this migration's state, which is made; notes beside the volumes' images name it. NULL only together
     * with a checkpoint store of the host; then there are no such notes.
     */
    const char *state_folder;
} tmr_migration_options;

/**
 * The functions of a host that keeps a migration's state: two slots of bytes, numbered 0 and 1. What is written must outlive
 * process and machine. Each function gives back a return code, and fills the error block in if that is 8 or 12. One is called at
 * a time.
 */
typedef struct tmr_checkpoint_functions {
    /** sizeof (tmr_checkpoint_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to each function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /**
     * Puts the bytes of a slot into the sink, as one item or as several that follow each other; none if it was never written. Bytes
     * may follow that were written earlier.
     */
    int32_t (*read)(void *user,
                    uint32_t slot,
                    struct tmr_sink *sink,
                    struct tmr_error *error);
    /** Replaces a slot. It is durable when this returns 0. If it fails, the other slot is as it was. */
    int32_t (*write)(void *user,
                     uint32_t slot,
                     const void *data,
                     uint64_t length,
                     struct tmr_error *error);
    /**
     * Replaces the first bytes of a slot that was written, leaves those behind them as they are, and is else as `write`. NULL: the
     * library reads the slot and writes the whole.
     */
    int32_t (*write_head)(void *user,
                          uint32_t slot,
                          const void *data,
                          uint64_t length,
                          struct tmr_error *error);
    /** Where it is, for messages. May be empty. */
    char location[256];
} tmr_checkpoint_functions;

/** How far copying is. */
typedef struct tmr_migration_progress {
    /** sizeof (tmr_migration_progress). */
    uint32_t size;
    /** Zero. */
    uint32_t reserved;
    /** Tracks written and durable at the target, those copied again included. */
    uint64_t copied_tracks;
    /** Tracks that the target does not hold yet in their present state. */
    uint64_t left_tracks;
    /** Tracks of the data sets. */
    uint64_t total_tracks;
    /** Bytes of track images read. */
    uint64_t byte_count;
} tmr_migration_progress;

/** What a volume is. */
typedef struct tmr_volume_info {
    /** sizeof (tmr_volume_info). */
    uint32_t size;
    /** How many cylinders it has. */
    uint32_t cylinders;
    /** How many tracks each of them has. The device tells; a host leaves it 0. */
    uint32_t heads;
    /** How many tracks it has. The device and the cylinders tell; a host leaves it 0. */
    uint32_t track_count;
    /** How many bytes each track has in a buffer; 0 from a host: as many as the device's tracks need. */
    uint32_t slot_size;
    /** TMR_VOLUME_... */
    uint32_t flags;
    /** Its serial. */
    char volser[16];
    /** Its device: a model, such as 3390-3; or from a host only its type, 3390: then the cylinders tell the model. */
    char device[16];
    /** Where it lies, for messages: a file's name, or what the host calls it. See TMR_VOLUME_FILE. */
    char location[256];
} tmr_volume_info;

/** What is known of an image. */
typedef struct tmr_image_info {
    /** sizeof (tmr_image_info). */
    uint32_t size;
    /** TMR_IMAGE_BRACKETS, TMR_IMAGE_COMPLETIONS or TMR_IMAGE_REMOTE. */
    uint32_t kind;
    /** TMR_STANDING_... */
    uint32_t standing;
    /** TMR_IMAGE_PROCESS_KNOWN, or 0. */
    uint32_t flags;
    /** How many writes are in flight in slots. */
    uint32_t slots_in_use;
    /** The track whose write was refused last, or TMR_NO_TRACK. */
    uint32_t last_refused;
    /** The number of its registration. */
    uint64_t incarnation;
    /** Its process, for messages only. */
    uint64_t process;
    /** When it last said that it lives: milliseconds since 1970. */
    uint64_t sign_of_life_ms;
    /** How many writes are in flight that found no slot. */
    uint64_t writes_without_slot;
    /** How many writes have ended, were refused or were noted, in all. */
    uint64_t write_count;
    /** How many writes were refused because a track was sealed. */
    uint64_t refused_count;
    /** Its name. */
    char name[64];
} tmr_image_info;

/**
 * What is to be moved. The lists are words with blanks or commas between; they are needed until the call
 * returns.
 */
typedef struct tmr_selection {
    /** sizeof (tmr_selection). */
    uint32_t size;
    /** How the target's space is chosen: one of TMR_MODE_...; 0 is TMR_MODE_ONE_PRIMARY. */
    uint32_t mode;
    /** TMR_UNCATALOGED, or 0. */
    uint32_t options;
    /** How much more space a target gets than its source has, in percent: for sources that grow meanwhile. */
    uint32_t slack;
    /** Which data sets: names and masks, such as "TEST.** PROD.A". */
    const char *masks;
    /** The serials of the volumes that they are on. */
    const char *sources;
    /** The serials of the volumes that they may go to; those named first are preferred. */
    const char *targets;
} tmr_selection;

/** What a plan has. */
typedef struct tmr_plan_info {
    /** sizeof (tmr_plan_info). */
    uint32_t size;
    /** TMR_MODE_... */
    uint32_t mode;
    /** TMR_UNCATALOGED, or 0. */
    uint32_t options;
    /** How much more space a target gets, in percent. */
    uint32_t slack;
    /** How many data sets it moves. */
    uint32_t data_set_count;
    /** How many data sets were selected and cannot be moved. */
    uint32_t refused_count;
    /** How many volumes the data sets lie on. */
    uint32_t source_volume_count;
    /** How many volumes they go to. */
    uint32_t target_volume_count;
    /** How many tracks they have together. */
    uint64_t track_count;
} tmr_plan_info;

/** A data set of a plan. */
typedef struct tmr_planned_data_set {
    /** sizeof (tmr_planned_data_set). */
    uint32_t size;
    /** TMR_PLANNED_COMBINES, or 0. */
    uint32_t flags;
    /** How many volumes it lies on. */
    uint32_t source_volume_count;
    /** How many volumes it goes to. */
    uint32_t target_volume_count;
    /** How many extents it has. */
    uint32_t source_extent_count;
    /** How many extents it gets. */
    uint32_t target_extent_count;
    /** How many tracks it has. */
    uint32_t track_count;
    /** How many of them, from its start on, hold something; all of them where nobody knows. */
    uint32_t used_track_count;
    /** How many tracks it gets, slack included. */
    uint64_t target_track_count;
    /** Its name. */
    char data_set[96];
} tmr_planned_data_set;

/** Whose messages a receiver takes. */
typedef struct tmr_receiver_options {
    /** sizeof (tmr_receiver_options). */
    uint32_t size;
    /** Higher than that of every receiver that this migration had for this image and volume before. 1 for the first. */
    uint32_t life;
    /** What tmr_receiver_describe said last in `known`, if the area is still the same; else zero. */
    uint64_t known[2];
    /** The name that the image reports under. */
    char image[64];
} tmr_receiver_options;

/** A message. Whoever gives one sets `data` and `length`; whoever wants one sets `data` and `capacity`, and gets `length`. */
typedef struct tmr_buffer {
    /** sizeof (tmr_buffer). */
    uint32_t size;
    /** Zero. */
    uint32_t reserved;
    /** Its bytes. */
    void *data;
    /** How many bytes there is room for. */
    uint64_t capacity;
    /** How many bytes it has; if there is no room for them, how many it would need. */
    uint64_t length;
} tmr_buffer;

/** What a receiver knows. */
typedef struct tmr_receiver_info {
    /** sizeof (tmr_receiver_info). */
    uint32_t size;
    /** TMR_RECEIVER_... */
    uint32_t flags;
    /** The incarnation whose reports are applied, to be kept for the next receiver; zero if none is known. */
    uint64_t known[2];
    /** Every report up to this number was applied. */
    uint64_t applied;
} tmr_receiver_info;

/** A DSCB, and where it stands. */
typedef struct tmr_dscb {
    /** sizeof (tmr_dscb). */
    uint32_t size;
    /** The absolute number of its track. */
    uint32_t track;
    /** Its record number there, from 1 on. 0 for one that has no place yet. */
    uint32_t record;
    /** Zero. */
    uint32_t reserved;
    /** Its key and its data, as on the volume; all zero for one that is free. */
    uint8_t bytes[140];
} tmr_dscb;

/** What tells a data set from every other one that ever had its name. */
typedef struct tmr_identity {
    /** sizeof (tmr_identity). */
    uint32_t size;
    /** The absolute number of the track on which its format 1 DSCB stands. */
    uint32_t track;
    /** That DSCB's record number. */
    uint32_t record;
    /** Zero. */
    uint32_t reserved;
    /** DS1CREDT, and a zero. */
    uint8_t creation_date[4];
    /** Its name. */
    char name[96];
    /** The first track of its first extent, if it has one. */
    uint32_t first_track;
    /** How many tracks that extent has; 0 if it has none. */
    uint32_t first_track_count;
} tmr_identity;

/**
 * The functions of a host that manages the space of a volume. Each change is made whole or not at all, is durable when its function
 * returns 0, and is seen by `read` from then on. A function that is NULL is a change that cannot be made. Each gives back a
 * return code, and fills the error block in if that is 8 or 12. They are called by any thread.
 */
typedef struct tmr_space_functions {
    /** sizeof (tmr_space_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to each function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /** TMR_SPACE_DELEGATED, or 0. */
    uint32_t flags;
    /** Zero. */
    uint32_t reserved;
    /** Puts a tmr_dscb for each DSCB of each track of the VTOC, free ones included. NULL: the VTOC is read through the volume. */
    int32_t (*read)(void *user,
                    struct tmr_sink *sink,
                    struct tmr_error *error);
    /** Says whether data sets can be allocated and scratched. NULL: they can, as long as the VTOC can be read. */
    int32_t (*check_writable)(void *user,
                              struct tmr_error *error);
    /**
     * Allocates a data set with the attributes of this F1, at exactly these extents, of which each is free. In the F1 the
     * extents, their number and the pointer are the host's to set.
     */
    int32_t (*allocate)(void *user,
                        const struct tmr_dscb *format1,
                        const struct tmr_extent *extents,
                        uint32_t extent_count,
                        struct tmr_error *error);
    /** Appends exactly these extents to a data set; one that begins where the last one ends is merged into it. */
    int32_t (*extend)(void *user,
                      const struct tmr_identity *identity,
                      const struct tmr_extent *extents,
                      uint32_t extent_count,
                      struct tmr_error *error);
    /** Gives back the tracks behind the first `track_count` of a data set. */
    int32_t (*release_space)(void *user,
                             const struct tmr_identity *identity,
                             uint32_t track_count,
                             struct tmr_error *error);
    /**
     * Removes a data set and frees its space. `today` is (year - 1900) * 1000 + day of the year, and refuses a data set whose expiration
     * date has not passed; 0: the date does not matter.
     */
    int32_t (*scratch)(void *user,
                       const struct tmr_identity *identity,
                       uint32_t today,
                       struct tmr_error *error);
    /** Gives a data set another name, which no data set has. */
    int32_t (*rename)(void *user,
                      const struct tmr_identity *identity,
                      const char *name,
                      struct tmr_error *error);
    /** Gives a data set the attributes of this F1: bytes 45 to 58 and 60 to 104 of it. Its name, extents and pointer stay. */
    int32_t (*update)(void *user,
                      const struct tmr_identity *identity,
                      const struct tmr_dscb *format1,
                      struct tmr_error *error);
    /** Lets a data set have the space of another one, which disappears; its own old space becomes free, and its F1 stays where it is. */
    int32_t (*replace_space)(void *user,
                             const struct tmr_identity *identity,
                             const struct tmr_identity *placeholder,
                             struct tmr_error *error);
} tmr_space_functions;

/** How far a migration is, as of the end of the last call that changed it. */
typedef struct tmr_status {
    /** sizeof (tmr_status). */
    uint32_t size;
    /** TMR_STATE_... */
    uint32_t state;
    /** The verb that leads towards the end, TMR_VERB_..., or 0 at the end. */
    uint32_t next_verb;
    /** TMR_STATUS_..., added. */
    uint32_t flags;
    /** How many data sets are moved. */
    uint32_t data_set_count;
    /** How many openers tmr_migration_opener can tell of. */
    uint32_t opener_count;
    /** How long the caller may wait before the next verb, in microseconds, because of the pace, or because nothing is to do. */
    uint64_t pause_us;
    /** Tracks of the data sets. */
    uint64_t track_count;
    /** Tracks that the target does not hold yet in their present state; TMR_UNKNOWN before the first step of a process. */
    uint64_t left_tracks;
    /** Tracks copied in this process, those copied again included. */
    uint64_t copied_tracks;
    /** Tracks copied a second time or more. */
    uint64_t again_tracks;
    /** Tracks copied in the window. */
    uint64_t window_tracks;
    /** How often all work was gone through. */
    uint64_t pass_count;
    /** What the window was predicted to take when it began, in milliseconds, or TMR_UNKNOWN. */
    uint64_t predicted_ms;
    /** What it took, or TMR_UNKNOWN. */
    uint64_t window_ms;
    /** How long it took until everybody had closed, in milliseconds, or TMR_UNKNOWN. */
    uint64_t waited_ms;
} tmr_status;

/** How copying goes, and how long a window would be, as of the end of the last call that changed the migration. */
typedef struct tmr_estimate {
    /** sizeof (tmr_estimate). */
    uint32_t size;
    /** TMR_VERDICT_... */
    uint32_t verdict;
    /** 1 if the pace is what limits the copying, else 0. */
    uint32_t is_paced;
    /** Zero. */
    uint32_t reserved;
    /** Thousandths of a track that can be copied in a second, or TMR_UNKNOWN. */
    uint64_t copy_rate;
    /** Thousandths of a track that become work again in a second, or TMR_UNKNOWN. */
    uint64_t change_rate;
    /** Tracks left. */
    uint64_t left_tracks;
    /** Nine of ten windows would take longer, in microseconds, or TMR_UNKNOWN. */
    uint64_t window_low_us;
    /** As many would take longer as shorter, or TMR_UNKNOWN. */
    uint64_t window_likely_us;
    /** Nine of ten would be shorter, or TMR_UNKNOWN. */
    uint64_t window_high_us;
    /** How long it takes until closed is confirmed, in microseconds, or TMR_UNKNOWN. */
    uint64_t answer_us;
} tmr_estimate;

/** Somebody who has a data set open or allocated. */
typedef struct tmr_opener {
    /** sizeof (tmr_opener). */
    uint32_t size;
    /** The number of his process, for messages; or 0. */
    uint32_t process;
    /** The image that he runs on, or empty. */
    char image[64];
    /** His program or job, or empty. */
    char program[64];
    /** What he has open; empty if only he himself knows. */
    char data_set[96];
} tmr_opener;

/** What a migration moves. */
typedef struct tmr_migrated_data_set {
    /** sizeof (tmr_migrated_data_set). */
    uint32_t size;
    /** TMR_MIGRATED_DIGEST, or 0. */
    uint32_t flags;
    /** A digest of its tracks, addresses aside, if TMR_DIGESTS was asked for and all of them were copied in this process. */
    uint32_t digest;
    /** Zero. */
    uint32_t reserved;
    /** Its tracks. */
    uint64_t track_count;
    /** Its name. */
    char name[96];
    /** The name under which its source is kept; empty if it is scratched. */
    char kept_as[96];
} tmr_migrated_data_set;

/**
 * A run of tracks that goes to another one of the same length. It stands in lists, one behind the other,
 * and so has no size.
 */
typedef struct tmr_entry {
    /** The serial of the volume of the source. */
    char source_volser[16];
    /** The serial of the volume of the target. */
    char target_volser[16];
    /** The absolute number of the source's first track. */
    uint32_t source_first;
    /** The absolute number of the target's first track. */
    uint32_t target_first;
    /** How many tracks. */
    uint32_t track_count;
    /** Zero. */
    uint32_t reserved;
} tmr_entry;

/** What a table has. */
typedef struct tmr_table_info {
    /** sizeof (tmr_table_info). */
    uint32_t size;
    /** How many entries it has: source extents. They keep the order in which they were given. */
    uint32_t entry_count;
    /** How many runs it has: pieces of entries that are in one piece on source and target. */
    uint32_t run_count;
    /** Zero. */
    uint32_t reserved;
    /** On how many volumes its sources lie. */
    uint32_t source_volume_count;
    /** On how many volumes its targets lie. */
    uint32_t target_volume_count;
    /** How many tracks its sources have together. */
    uint64_t track_count;
} tmr_table_info;

/** The place of a track. */
typedef struct tmr_location {
    /** sizeof (tmr_location). */
    uint32_t size;
    /** The absolute number of the track. */
    uint32_t track;
    /** The number of the entry that has it, from 0 on. */
    uint32_t entry;
    /** Its place in that entry, from 0 on. */
    uint32_t place;
    /** The serial of the volume. */
    char volser[16];
} tmr_location;

/** What may be changed while a migration runs. */
typedef struct tmr_tuning {
    /** sizeof (tmr_tuning). */
    uint32_t size;
    /** Which of the following are set: TMR_TUNE_..., added. The others stay as they are. */
    uint32_t set;
    /** The target is called mirrored when at most so many tracks are left. As long as no goal is set, it is one of 1000 ms. */
    uint64_t goal_tracks;
    /** The target is called mirrored when a window would take at most so many milliseconds. */
    uint64_t goal_ms;
    /** How long everybody may take to close, in milliseconds, before the window is given up. As long as it is not set: ten minutes. */
    uint64_t wait_ms;
    /** How long the window may take up to the switch, in milliseconds, before it is given up. As long as it is not set: one minute. */
    uint64_t window_ms;
    /** How many tracks may be copied in a second; 0: no limit. */
    uint64_t pace_tracks;
    /** How many bytes of track images may be copied in a second; 0: no limit. */
    uint64_t pace_bytes;
    /**
     * How often a track that cannot be copied is tried before its data set is left where it is and the others go on; 0: a step
     * with such a track fails, and can be called again.
     */
    uint32_t attempts;
    /** Zero. */
    uint32_t reserved;
} tmr_tuning;

/** What a comparison found, in numbers. */
typedef struct tmr_verification_info {
    /** sizeof (tmr_verification_info). */
    uint32_t size;
    /** How many differences can be asked for: the first 1000 of them. */
    uint32_t listed_count;
    /** How many tracks were compared. */
    uint64_t track_count;
    /** How many of them differ. */
    uint64_t difference_count;
} tmr_verification_info;

/** A track that is not the same on source and target. */
typedef struct tmr_difference {
    /** sizeof (tmr_difference). */
    uint32_t size;
    /** The absolute number of the track of the source. */
    uint32_t source_track;
    /** The absolute number of the track where it should be. */
    uint32_t target_track;
    /** Zero. */
    uint32_t reserved;
    /** The serial of the volume of the source. */
    char source_volser[16];
    /** The serial of the volume of the target. */
    char target_volser[16];
    /** What differs; no newline. It says where records differ, never what is in them. */
    char sentence[512];
} tmr_difference;

/**
 * The functions of a host's own volume. Each gives back a return code, and fills the error block in if that is 8 or 12. They
 * are called by any thread, also by several at a time. A buffer has slots of the volume's slot size, one for each track, as they
 * stand in a CKD image: home address (a zero, CCHH), R0, records, end marker of eight bytes FF. A record is CCHH, its number,
 * its key length, its data length in two bytes (the higher one first), its key and its data; R0 is number 0, with eight bytes
 * of data.
 */
typedef struct tmr_volume_functions {
    /** sizeof (tmr_volume_functions). */
    uint32_t size;
    /** TMR_TABLE_VERSION. */
    uint32_t version;
    /** Handed to each function. */
    void *user;
    /** Called once with `user`, when the library needs the table no more. May be NULL. */
    tmr_release release;
    /** Reads a run of tracks into the buffer. */
    int32_t (*read)(void *user,
                    uint32_t first,
                    uint32_t track_count,
                    void *buffer,
                    uint64_t length,
                    struct tmr_error *error);
    /** Writes a run of tracks. They are durable after `flush`. NULL if the volume can only be read. */
    int32_t (*write)(void *user,
                     uint32_t first,
                     uint32_t track_count,
                     const void *buffer,
                     uint64_t length,
                     struct tmr_error *error);
    /** Makes everything that was written durable, also what other programs of this machine wrote. */
    int32_t (*flush)(void *user,
                     struct tmr_error *error);
    /** Waits for TMR_LOCK_VTOC or TMR_LOCK_CATALOG, and takes it. NULL, with `unlock`: locks of this process serve. */
    int32_t (*lock)(void *user,
                    uint32_t lock,
                    struct tmr_error *error);
    /** Lets go of it. */
    void (*unlock)(void *user,
                   uint32_t lock);
} tmr_volume_functions;

/* The library -------------------------------------------------------------------------------------------------- */

/**
 * Does: says which release of the library this is.
 * Gives back: 0; its version in `major`, `minor` and `patch`, each of which may be NULL.
 * Threads: any.
 * When: at any time.
 * Alias: TMRVERS, TMR_F_VERSION.
 */
int32_t tmr_version(uint32_t *major, uint32_t *minor, uint32_t *patch);

/**
 * Does: calls another function by its number (TMR_F_...), with the addresses of its parameters in a list, as assembler
 *   programs pass them. Each address leads to the parameter as the function takes it: a pointer, or an integer of 32 or 64 bits.
 * Gives back: what that function gives back; 8 if there is none of this number, or it is this one, or an address is NULL.
 * Threads: as that function.
 * When: as that function.
 * Alias: TMRCALL, TMR_F_CALL.
 */
int32_t tmr_call(uint32_t function, const void *const *addresses);

/**
 * Does: says in a few words what a reason code means.
 * Gives back: 0, the words in `text`, cut if they are longer than `length` bytes with the zero at their end; 8 if there is no
 *   such reason.
 * Threads: any.
 * When: at any time.
 * Alias: TMRRSNT, TMR_F_REASON_TEXT.
 */
int32_t tmr_reason_text(uint32_t reason, char *text, uint64_t length, struct tmr_error *error);

/**
 * Does: hands one item to the library, inside a function of a host's table that was given this sink. The item is what that
 *   function's description says: bytes, or a structure.
 * Gives back: 0, 8 if the item is not right; then the host's function should give that back.
 * Threads: the one in which the host's function was called.
 * When: until the host's function returns.
 * Alias: TMRSINK, TMR_F_SINK_PUT.
 */
int32_t tmr_sink_put(struct tmr_sink *sink, const void *item, uint64_t length, struct tmr_error *error);

/* Volumes ------------------------------------------------------------------------------------------------------ */

/**
 * Does: opens a volume image or device. `access` is TMR_READ, TMR_MONITORED_WRITE or TMR_EXCLUSIVE, with TMR_PAST_CACHES
 *   added if other machines write it.
 * Gives back: 0 and the volume, to be closed with tmr_volume_close; 8 if it is no image, or in use by somebody else.
 * Threads: any.
 * When: at any time.
 * Alias: TMRVOPN, TMR_F_VOLUME_OPEN.
 */
int32_t tmr_volume_open(const char *path, uint32_t access, struct tmr_volume **volume,
                        struct tmr_error *error);

/**
 * Does: makes a volume in memory, all of whose tracks are empty; it has neither label nor VTOC (tmr_volume_initialize).
 * Gives back: 0 and the volume, to be closed with tmr_volume_close; 8 if there is no such device.
 * Threads: any.
 * When: at any time.
 * Alias: TMRVMEM, TMR_F_VOLUME_IN_MEMORY.
 */
int32_t tmr_volume_in_memory(const struct tmr_volume_info *info, struct tmr_volume **volume,
                             struct tmr_error *error);

/**
 * Does: makes a volume of the host's own functions. In `info` volser, device and cylinders are needed; TMR_VOLUME_WRITABLE says
 *   that it may be written.
 * Gives back: 0 and the volume, to be closed with tmr_volume_close; the table was taken, and its `release` will be called.
 *   8: the table was not taken.
 * Threads: any. The functions are called by any thread, also by several at a time.
 * When: at any time.
 * Alias: TMRVHST, TMR_F_VOLUME_OF_HOST.
 */
int32_t tmr_volume_of_host(const struct tmr_volume_info *info, const struct tmr_volume_functions *functions,
                           struct tmr_volume **volume, struct tmr_error *error);

/**
 * Does: says what a volume is.
 * Gives back: 0.
 * Threads: several may at a time.
 * When: while the volume is open.
 * Alias: TMRVDSC, TMR_F_VOLUME_DESCRIBE.
 */
int32_t tmr_volume_describe(const struct tmr_volume *volume, struct tmr_volume_info *info,
                            struct tmr_error *error);

/**
 * Does: reads tracks, `track_count` from `first` on, into a buffer of exactly so many slots. The images are not checked.
 * Gives back: 0; 8 if a track is outside the volume, or the buffer has another length; 12 if they cannot be read.
 * Threads: several may at a time.
 * When: while the volume is open.
 * Alias: TMRVRED, TMR_F_VOLUME_READ.
 */
int32_t tmr_volume_read(const struct tmr_volume *volume, uint32_t first, uint32_t track_count, void *buffer,
                        uint64_t length, struct tmr_error *error);

/**
 * Does: writes tracks, as many as the buffer has slots. Each image is checked before the first one is written. They are durable
 *   after tmr_volume_flush.
 * Gives back: 0; 8 if a track is outside the volume, or the buffer has another length; 12 if one does not check, or they cannot
 *   be written.
 * Threads: several may at a time.
 * When: while the volume is open for writing. A volume that is open for TMR_MONITORED_WRITE must be written between
 *   tmr_image_begin and tmr_image_end.
 * Alias: TMRVWRT, TMR_F_VOLUME_WRITE.
 */
int32_t tmr_volume_write(const struct tmr_volume *volume, uint32_t first, uint32_t track_count,
                         const void *buffer, uint64_t length, struct tmr_error *error);

/**
 * Does: makes everything durable that was written.
 * Gives back: 0, or 12.
 * Threads: several may at a time.
 * When: while the volume is open.
 * Alias: TMRVFLS, TMR_F_VOLUME_FLUSH.
 */
int32_t tmr_volume_flush(const struct tmr_volume *volume, struct tmr_error *error);

/**
 * Does: writes a label and an empty VTOC. `owner` may be NULL.
 * Gives back: 0; 8 for a serial that no volume can have, or one that is not the one the volume was opened under; 8 if the volume
 *   has data sets (TMR_R_VOLUME_NOT_EMPTY), or an unfinished migration.
 * Threads: one.
 * When: while the volume is open for TMR_EXCLUSIVE, or is in memory, or the host's.
 * Alias: TMRVINI, TMR_F_VOLUME_INITIALIZE.
 */
int32_t tmr_volume_initialize(const struct tmr_volume *volume, const char *volser, const char *owner,
                              struct tmr_error *error);

/**
 * Does: ends the use of a volume, and clears the pointer. What was made with it (a host, a copier) keeps it open as long as it
 *   needs it.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no volume, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRVCLS, TMR_F_VOLUME_CLOSE.
 */
int32_t tmr_volume_close(struct tmr_volume **volume);

/* The host: volumes and the other ports, bundled --------------------------------------------------------------- */

/**
 * Does: makes a host without volumes.
 * Gives back: 0 and the host, to be closed with tmr_host_close.
 * Threads: any.
 * When: at any time.
 * Alias: TMRHNEW, TMR_F_HOST_NEW.
 */
int32_t tmr_host_new(struct tmr_host **host, struct tmr_error *error);

/**
 * Does: adds a volume: a source, a target, or one with a catalog. The library's own space manager serves it, and a CVOL on it is
 *   a catalog, unless others are given.
 * Gives back: 0; 8 if a volume of this serial was added before. The volume may be closed then.
 * Threads: one at a time.
 * When: before the host is used.
 * Alias: TMRHVOL, TMR_F_HOST_ADD_VOLUME.
 */
int32_t tmr_host_add_volume(struct tmr_host *host, const struct tmr_volume *volume, struct tmr_error *error);

/**
 * Does: gives the host a space manager of its own for a volume, in the place of the library's, or of one that was given before.
 * Gives back: 0; the table was taken, and its `release` will be called. 8: the volume was not added; the table was not taken.
 * Threads: one at a time.
 * When: after the volume was added, and before the host is used.
 * Alias: TMRHSPC, TMR_F_HOST_SET_SPACE_MANAGER.
 */
int32_t tmr_host_set_space_manager(struct tmr_host *host, const char *volser,
                                   const struct tmr_space_functions *functions, struct tmr_error *error);

/**
 * Does: adds a catalog of the host. Those that are added stand in the place of those that the library finds on volumes.
 * Gives back: 0; the table was taken, and its `release` will be called. 8: it was not taken; a catalog of this name may be there, or
 *   its volume was not added, or has no SYSCTLG.
 * Threads: one at a time.
 * When: before the host is used.
 * Alias: TMRHCAT, TMR_F_HOST_ADD_CATALOG.
 */
int32_t tmr_host_add_catalog(struct tmr_host *host, const struct tmr_catalog_functions *functions,
                             struct tmr_error *error);

/**
 * Does: adds the catalogs (SYSCTLG) that lie on the volumes that were added so far, beside those that were given. Without this call
 *   and without catalogs that were given, the library does so by itself.
 * Gives back: 0, also if there are none.
 * Threads: one at a time.
 * When: after the volumes were added, and before the host is used.
 * Alias: TMRHFCT, TMR_F_HOST_FIND_CATALOGS.
 */
int32_t tmr_host_find_catalogs(struct tmr_host *host, struct tmr_error *error);

/**
 * Does: gives the host a clock of its own, in the place of the machine's, or of one that was given before.
 * Gives back: 0; the table was taken, and its `release` will be called. 8: the table was not taken.
 * Threads: one at a time.
 * When: before the host is used.
 * Alias: TMRHCLK, TMR_F_HOST_SET_CLOCK.
 */
int32_t tmr_host_set_clock(struct tmr_host *host, const struct tmr_clock_functions *functions,
                           struct tmr_error *error);

/**
 * Does: gives the host a function that is told what happens, in the place of one that was given before.
 * Gives back: 0; the table was taken, and its `release` will be called. 8: the table was not taken.
 * Threads: one at a time.
 * When: before the host is used.
 * Alias: TMRHEVT, TMR_F_HOST_SET_EVENTS.
 */
int32_t tmr_host_set_events(struct tmr_host *host, const struct tmr_event_functions *functions,
                            struct tmr_error *error);

/**
 * Does: keeps what happens for tmr_host_next_event, the newest `count_max` events. 0 keeps none any more, and forgets those that are
 *   kept.
 * Gives back: 0; 8 if `count_max` is over 1,000,000.
 * Threads: any.
 * When: at any time; events from then on are kept.
 * Alias: TMRHKEV, TMR_F_HOST_KEEP_EVENTS.
 */
int32_t tmr_host_keep_events(const struct tmr_host *host, uint32_t count_max, struct tmr_error *error);

/**
 * Does: gives the oldest event that is kept, which is kept no more. It does not wait.
 * Gives back: 4 and the event; 0 if there is none now.
 * Threads: any, also while another call uses the host, or what was made with it, and inside the host's functions.
 * When: while the host is open.
 * Alias: TMRHNEV, TMR_F_HOST_NEXT_EVENT.
 */
int32_t tmr_host_next_event(const struct tmr_host *host, struct tmr_event *event, struct tmr_error *error);

/**
 * Does: adds somebody who knows who has data sets open. All who were added are asked, and all must agree that they are closed.
 * Gives back: 0; the table was taken, and its `release` will be called. 8: the table was not taken.
 * Threads: one at a time.
 * When: before the host is used. A migration with areas, images or machines needs one, or the registry of openers.
 * Alias: TMRHENQ, TMR_F_HOST_ADD_ENQUEUE.
 */
int32_t tmr_host_add_enqueue(struct tmr_host *host, const struct tmr_enqueue_functions *functions,
                             struct tmr_error *error);

/**
 * Does: adds the machine's registry of openers to those who know who has data sets open. It knows only the programs that use it:
 *   unless a table with is_closed is given too, a program that writes a volume under a monitor has all of it open as long
 *   as it lives. Holds are made in the name of `owner`,
 *   which must be the same in every run of a migration, and another one for every other migration.
 * Gives back: 0; 8 if `owner` is empty; 12 if the registry cannot be used.
 * Threads: one at a time.
 * When: before the host is used.
 * Alias: TMRHREG, TMR_F_HOST_USE_REGISTRY.
 */
int32_t tmr_host_use_registry(struct tmr_host *host, const char *owner, struct tmr_error *error);

/**
 * Does: adds the monitor area of a source volume that others write while it is copied. It may be closed then.
 * Gives back: 0; 8 if it is not known of which volume it is, or that volume has one already.
 * Threads: one at a time.
 * When: before the host is used.
 * Alias: TMRHARE, TMR_F_HOST_ADD_AREA.
 */
int32_t tmr_host_add_area(struct tmr_host *host, const struct tmr_area *area, struct tmr_error *error);

/**
 * Does: names an image on this machine that can write a volume. A migration starts copying only when it is attached to the volume's
 *   monitor area.
 * Gives back: 0; 8 if the volume was not added, or the image was named before.
 * Threads: one at a time.
 * When: after the volume was added, and before the host is used.
 * Alias: TMRHIMG, TMR_F_HOST_ADD_IMAGE.
 */
int32_t tmr_host_add_image(struct tmr_host *host, const char *volser, const char *image,
                           struct tmr_error *error);

/**
 * Does: adds an image on another machine, which can write every source volume. An answer is waited for as long as `patience_ms`
 *   (0: 5 seconds) before a window is given up; who was not heard for `silence_ms` (0: 10 seconds) is called silent.
 * Gives back: 0; the table was taken, and its `release` will be called. 8: it was not taken; the image may have been added before.
 * Threads: one at a time.
 * When: before the host is used.
 * Alias: TMRHMAC, TMR_F_HOST_ADD_MACHINE.
 */
int32_t tmr_host_add_machine(struct tmr_host *host, const char *image,
                             const struct tmr_channel_functions *functions, uint32_t patience_ms,
                             uint32_t silence_ms, struct tmr_error *error);

/**
 * Does: ends a host, and clears the pointer. What was made with it keeps what it needs.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no host, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRHCLS, TMR_F_HOST_CLOSE.
 */
int32_t tmr_host_close(struct tmr_host **host);

/* What a data set is, what forbids moving it, and where it would go -------------------------------------------- */

/**
 * Does: finds out what data sets are and occupy, and what forbids moving them. `masks` is a list of names
 *   and masks with blanks or commas between, such as "TEST.** PROD.A"; `volsers` a list of volumes of the
 *   host, or NULL for all. `options` is TMR_UNCATALOGED, or 0. Nothing is changed.
 * Gives back: 0 and the assessment, to be closed with tmr_assessment_close; 4 and the assessment if some
 *   data sets cannot be moved; 8 if a volume is not the host's, or a mask is none; 12 if a volume or a
 *   catalog cannot be read.
 * Threads: one at a time with this host.
 * When: at any time.
 * Alias: TMRASES, TMR_F_ASSESS.
 */
int32_t tmr_assess(const struct tmr_host *host, const char *masks, const char *volsers, uint32_t options,
                   struct tmr_assessment **assessment, struct tmr_error *error);

/**
 * Does: says what an assessment has.
 * Gives back: 0.
 * Threads: several may at a time.
 * When: while the assessment is open.
 * Alias: TMRADSC, TMR_F_ASSESSMENT_DESCRIBE.
 */
int32_t tmr_assessment_describe(const struct tmr_assessment *assessment, struct tmr_assessment_info *info,
                                struct tmr_error *error);

/**
 * Does: says what a data set of an assessment is. They are numbered from 0 on, in the order of their names.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the assessment is open.
 * Alias: TMRADST, TMR_F_ASSESSMENT_DATA_SET.
 */
int32_t tmr_assessment_data_set(const struct tmr_assessment *assessment, uint32_t index,
                                struct tmr_data_set *data_set, struct tmr_error *error);

/**
 * Does: says where a data set of an assessment lies: its extents, numbered from 0 on, in their order, over
 *   all its volumes.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the assessment is open.
 * Alias: TMRAEXT, TMR_F_ASSESSMENT_EXTENT.
 */
int32_t tmr_assessment_extent(const struct tmr_assessment *assessment, uint32_t index, uint32_t extent,
                              struct tmr_extent *tracks, struct tmr_error *error);

/**
 * Does: says why a data set of an assessment cannot be moved. Its reasons (`which`) are numbered from 0 on.
 * Gives back: 0, and the reason in `refusal`, with the data set; 8 with the reason TMR_R_NO_MORE if there
 *   is none of this number.
 * Threads: several may at a time.
 * When: while the assessment is open.
 * Alias: TMRAREF, TMR_F_ASSESSMENT_REFUSAL.
 */
int32_t tmr_assessment_refusal(const struct tmr_assessment *assessment, uint32_t index, uint32_t which,
                               struct tmr_error *refusal, struct tmr_error *error);

/**
 * Does: compares two assessments: what became of each data set of the first, and which data sets are new.
 *   New is what has a name that the masks of the first select. The second should have been made with the
 *   mask **, or data sets that were renamed are called deleted. `metadata` is one of TMR_METADATA_...
 * Gives back: 0 and the changes, to be closed with tmr_changes_close, if nothing differs; 4 and the
 *   changes if something does.
 * Threads: several may at a time.
 * When: while both assessments are open; they may be closed then.
 * Alias: TMRACMP, TMR_F_ASSESSMENT_COMPARE.
 */
int32_t tmr_assessment_compare(const struct tmr_assessment *stored, const struct tmr_assessment *present,
                               uint32_t metadata, struct tmr_changes **changes, struct tmr_error *error);

/**
 * Does: says what became of a data set. They are numbered from 0 on: those of the first assessment in
 *   their order, and behind them what is new.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the changes are open.
 * Alias: TMRCHGG, TMR_F_CHANGES_GET.
 */
int32_t tmr_changes_get(const struct tmr_changes *changes, uint32_t index,
                        struct tmr_allocation_change *change, struct tmr_error *error);

/**
 * Does: ends the use of changes, and clears the pointer.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is none, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRCHGC, TMR_F_CHANGES_CLOSE.
 */
int32_t tmr_changes_close(struct tmr_changes **changes);

/**
 * Does: ends an assessment, and clears the pointer. What was made of it keeps what it needs.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no assessment, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRACLS, TMR_F_ASSESSMENT_CLOSE.
 */
int32_t tmr_assessment_close(struct tmr_assessment **assessment);

/**
 * Does: says which tracks came to a data set, in the order in which it has them, and behind those which
 *   left it, in the order in which it had them. The runs are numbered from 0 on.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the changes are open.
 * Alias: TMRCHGR, TMR_F_CHANGES_RUN.
 */
int32_t tmr_changes_run(const struct tmr_changes *changes, uint32_t index, uint32_t run,
                        struct tmr_changed_run *tracks, struct tmr_error *error);

/**
 * Does: finds out which of the selected data sets can be moved, and where to. Nothing is changed.
 * Gives back: 0 and the plan, to be closed with tmr_plan_close; 4 and the plan if some data sets, or all,
 *   are refused (tmr_plan_refusal), or if a mask selects nothing: then the error block has the reason
 *   TMR_R_NOTHING_SELECTED, and names it; 8 if nothing is selected, or a volume is not the host's; 12 if one
 *   cannot be read.
 * Threads: one at a time with this host.
 * When: at any time.
 * Alias: TMRPPRO, TMR_F_PLAN_PROPOSE.
 */
int32_t tmr_plan_propose(const struct tmr_host *host, const struct tmr_selection *selection,
                         struct tmr_plan **plan, struct tmr_error *error);

/**
 * Does: says what a plan has.
 * Gives back: 0.
 * Threads: several may at a time.
 * When: while the plan is open.
 * Alias: TMRPDSC, TMR_F_PLAN_DESCRIBE.
 */
int32_t tmr_plan_describe(const struct tmr_plan *plan, struct tmr_plan_info *info, struct tmr_error *error);

/**
 * Does: says what a data set of a plan is. They are numbered from 0 on, in the order of their names.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the plan is open.
 * Alias: TMRPDST, TMR_F_PLAN_DATA_SET.
 */
int32_t tmr_plan_data_set(const struct tmr_plan *plan, uint32_t index, struct tmr_planned_data_set *data_set,
                          struct tmr_error *error);

/**
 * Does: says where a data set of a plan goes: its target extents, numbered from 0 on, in their order.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the plan is open.
 * Alias: TMRPEXT, TMR_F_PLAN_EXTENT.
 */
int32_t tmr_plan_extent(const struct tmr_plan *plan, uint32_t index, uint32_t extent,
                        struct tmr_extent *target, struct tmr_error *error);

/**
 * Does: says why a data set that was selected is not in the plan. The refused data sets are numbered from
 *   0 on, in the order of their names, and so are the reasons (`which`) of each; there is at least one.
 * Gives back: 0, and the reason in `refusal`, with the data set; 8 with the reason TMR_R_NO_MORE if there
 *   is none of this number.
 * Threads: several may at a time.
 * When: while the plan is open.
 * Alias: TMRPREF, TMR_F_PLAN_REFUSAL.
 */
int32_t tmr_plan_refusal(const struct tmr_plan *plan, uint32_t index, uint32_t which,
                         struct tmr_error *refusal, struct tmr_error *error);

/**
 * Does: ends a plan, and clears the pointer. What was made of it keeps what it needs.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no plan, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRPCLS, TMR_F_PLAN_CLOSE.
 */
int32_t tmr_plan_close(struct tmr_plan **plan);

/**
 * Does: says of how many data sets the changes tell.
 * Gives back: 0.
 * Threads: several may at a time.
 * When: while the changes are open.
 * Alias: TMRCHGD, TMR_F_CHANGES_DESCRIBE.
 */
int32_t tmr_changes_describe(const struct tmr_changes *changes, struct tmr_changes_info *info,
                             struct tmr_error *error);

/* Translate tables: where a track goes; and sets of tracks ----------------------------------------------------- */

/**
 * Does: makes a table of `count` entries, each of which says where a run of tracks goes. No track may be
 *   in two of them, nor be source and target.
 * Gives back: 0 and the table, to be closed with tmr_table_close; 8 if that cannot be.
 * Threads: any.
 * When: at any time.
 * Alias: TMRTNEW, TMR_F_TABLE_NEW.
 */
int32_t tmr_table_new(const struct tmr_entry *entries, uint32_t count, struct tmr_table **table,
                      struct tmr_error *error);

/**
 * Does: makes a table by laying two lists of extents beside each other: the tracks of the sources go, in
 *   order, to the tracks of the targets. Targets that are left over stay unused. Each source extent is one
 *   entry.
 * Gives back: 0 and the table, to be closed with tmr_table_close; 8 if the targets have fewer tracks than
 *   the sources, or a track is in two extents.
 * Threads: any.
 * When: at any time.
 * Alias: TMRTMAP, TMR_F_TABLE_MAP.
 */
int32_t tmr_table_map(const struct tmr_extent *sources, uint32_t source_count,
                      const struct tmr_extent *targets, uint32_t target_count, struct tmr_table **table,
                      struct tmr_error *error);

/**
 * Does: makes the table of a plan: one entry for each source extent of each data set, in their order.
 *   `options` is TMR_USED_ONLY to leave out what holds nothing, or 0.
 * Gives back: 0 and the table, to be closed with tmr_table_close.
 * Threads: several may at a time.
 * When: while the plan is open; it may be closed then.
 * Alias: TMRTPLN, TMR_F_TABLE_OF_PLAN.
 */
int32_t tmr_table_of_plan(const struct tmr_plan *plan, uint32_t options, struct tmr_table **table,
                          struct tmr_error *error);

/**
 * Does: says what a table has.
 * Gives back: 0.
 * Threads: several may at a time.
 * When: while the table is open.
 * Alias: TMRTDSC, TMR_F_TABLE_DESCRIBE.
 */
int32_t tmr_table_describe(const struct tmr_table *table, struct tmr_table_info *info,
                           struct tmr_error *error);

/**
 * Does: says where a run of tracks goes that is in one piece on source and target, and in one entry. The
 *   runs are numbered from 0 on, in ascending order of the source.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the table is open.
 * Alias: TMRTRUN, TMR_F_TABLE_RUN.
 */
int32_t tmr_table_run(const struct tmr_table *table, uint32_t index, struct tmr_entry *run,
                      struct tmr_error *error);

/**
 * Does: says where a source track goes.
 * Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if it is in no source.
 * Threads: several may at a time.
 * When: while the table is open.
 * Alias: TMRTTGT, TMR_F_TABLE_TO_TARGET.
 */
int32_t tmr_table_to_target(const struct tmr_table *table, const char *volser, uint32_t track,
                            struct tmr_location *target, struct tmr_error *error);

/**
 * Does: says where what belongs on a target track comes from.
 * Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if it is in no target.
 * Threads: several may at a time.
 * When: while the table is open.
 * Alias: TMRTSRC, TMR_F_TABLE_TO_SOURCE.
 */
int32_t tmr_table_to_source(const struct tmr_table *table, const char *volser, uint32_t track,
                            struct tmr_location *source, struct tmr_error *error);

/**
 * Does: ends a table, and clears the pointer. What was made with it keeps what it needs.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no table, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRTCLS, TMR_F_TABLE_CLOSE.
 */
int32_t tmr_table_close(struct tmr_table **table);

/**
 * Does: says which source extent an entry is. Entries are numbered from 0 on, in the order in which they
 *   were given.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the table is open.
 * Alias: TMRTENT, TMR_F_TABLE_ENTRY.
 */
int32_t tmr_table_entry(const struct tmr_table *table, uint32_t index, struct tmr_extent *source,
                        struct tmr_error *error);

/**
 * Does: makes an empty set, for a volume of so many tracks.
 * Gives back: 0 and the set, to be closed with tmr_changed_close; 8 if no volume has so many.
 * Threads: any.
 * When: at any time.
 * Alias: TMRGNEW, TMR_F_CHANGED_NEW.
 */
int32_t tmr_changed_new(uint32_t track_count, struct tmr_changed **changed, struct tmr_error *error);

/**
 * Does: adds a run of tracks. Whoever marks what was written does it behind the write.
 * Gives back: 0; 8 if a track is outside the volume, and then none is added.
 * Threads: several may at a time, on one set.
 * When: while the set is open.
 * Alias: TMRGSET, TMR_F_CHANGED_SET.
 */
int32_t tmr_changed_set(const struct tmr_changed *changed, uint32_t first, uint32_t track_count,
                        struct tmr_error *error);

/**
 * Does: takes a run of tracks away.
 * Gives back: 0; 8 if a track is outside the volume, and then none is taken away.
 * Threads: several may at a time, on one set.
 * When: while the set is open.
 * Alias: TMRGCLR, TMR_F_CHANGED_CLEAR.
 */
int32_t tmr_changed_clear(const struct tmr_changed *changed, uint32_t first, uint32_t track_count,
                          struct tmr_error *error);

/**
 * Does: counts the tracks of a run that are in the set.
 * Gives back: 0; 8 if a track is outside the volume.
 * Threads: several may at a time, on one set.
 * When: while the set is open.
 * Alias: TMRGCNT, TMR_F_CHANGED_COUNT.
 */
int32_t tmr_changed_count(const struct tmr_changed *changed, uint32_t first, uint32_t track_count,
                          uint32_t *count, struct tmr_error *error);

/**
 * Does: finds the first run of tracks in the set that begins at track `from` or behind it, or its first
 *   `track_count_max` tracks.
 * Gives back: 4 and the run; 0 if there is none; 8 if `from` lies behind the volume's end.
 * Threads: several may at a time, on one set.
 * When: while the set is open.
 * Alias: TMRGNXT, TMR_F_CHANGED_NEXT.
 */
int32_t tmr_changed_next(const struct tmr_changed *changed, uint32_t from, uint32_t track_count_max,
                         uint32_t *first, uint32_t *track_count, struct tmr_error *error);

/**
 * Does: moves what is in the set now into a set of its own. A track that is added meanwhile is in one of
 *   the two at least. Read the tracks behind this call, and add them again if that fails.
 * Gives back: 0 and the other set, to be closed with tmr_changed_close.
 * Threads: several may at a time, on one set.
 * When: while the set is open.
 * Alias: TMRGTAK, TMR_F_CHANGED_TAKE.
 */
int32_t tmr_changed_take(const struct tmr_changed *changed, struct tmr_changed **taken,
                         struct tmr_error *error);

/**
 * Does: ends a set, and clears the pointer.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no set, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRGCLS, TMR_F_CHANGED_CLOSE.
 */
int32_t tmr_changed_close(struct tmr_changed **changed);

/* Copying, and comparing --------------------------------------------------------------------------------------- */

/**
 * Does: makes a copier for a table, whose volumes are the host's. `options` may be NULL. Without
 *   subscriptions nobody may write to the sources while it copies, and all tracks are to be copied.
 *   Nothing is copied yet.
 * Gives back: 0 and the copier, to be closed with tmr_copier_close; 8 if a volume is not the host's, or
 *   too small, or of another device, or a target can only be read, or a volume has no subscription that
 *   was filled in.
 * Threads: one at a time with this host; several may at a time with this table.
 * When: at any time; host and table may be closed then.
 * Alias: TMRKNEW, TMR_F_COPIER_NEW.
 */
int32_t tmr_copier_new(const struct tmr_table *table, const struct tmr_host *host,
                       const struct tmr_copier_options *options, struct tmr_copier **copier,
                       struct tmr_error *error);

/**
 * Does: copies at most `track_count_max` tracks, and makes them durable. What failed is still to be
 *   copied, what did not is not, and the step may be called again.
 * Gives back: 0 if nothing is left; 4 if there is more to do; 8 or 12 if a track could not be copied.
 * Threads: one at a time.
 * When: while the copier is open.
 * Alias: TMRKSTP, TMR_F_COPIER_STEP.
 */
int32_t tmr_copier_step(struct tmr_copier *copier, uint32_t track_count_max, struct tmr_progress *progress,
                        struct tmr_error *error);

/**
 * Does: puts source tracks back to what is still to be copied.
 * Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if one of them is in no source of the table, and
 *   then none is put back.
 * Threads: one at a time.
 * When: while the copier is open.
 * Alias: TMRKRTK, TMR_F_COPIER_RETAKE.
 */
int32_t tmr_copier_retake(struct tmr_copier *copier, const char *volser, uint32_t first,
                          uint32_t track_count, struct tmr_error *error);

/**
 * Does: takes source tracks from what is still to be copied, without copying them: they were copied
 *   before, or hold nothing.
 * Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if one of them is in no source of the table, and
 *   then none is left out.
 * Threads: one at a time.
 * When: while the copier is open.
 * Alias: TMRKLVO, TMR_F_COPIER_LEAVE_OUT.
 */
int32_t tmr_copier_leave_out(struct tmr_copier *copier, const char *volser, uint32_t first,
                             uint32_t track_count, struct tmr_error *error);

/**
 * Does: says the digest of the tracks of an entry of the table, addresses aside.
 * Gives back: 0 and the digest; 4 and no digest if not all of its tracks were copied by this copier, or no
 *   digests are kept (TMR_DIGESTS); 8 with the reason TMR_R_NO_MORE if there is no entry of this
 *   number.
 * Threads: one at a time.
 * When: while the copier is open.
 * Alias: TMRKDIG, TMR_F_COPIER_DIGEST.
 */
int32_t tmr_copier_digest(struct tmr_copier *copier, uint32_t entry, uint32_t *digest,
                          struct tmr_error *error);

/**
 * Does: ends a copier, and clears the pointer. What it copied stays where it is.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no copier, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRKCLS, TMR_F_COPIER_CLOSE.
 */
int32_t tmr_copier_close(struct tmr_copier **copier);

/**
 * Does: compares the sources of a table with its targets, record by record, by so many threads (0 is 1).
 *   Nothing is written.
 * Gives back: 0 and what was found if they are equal, 4 and what was found if they are not; to be closed
 *   with tmr_verification_close. A track that cannot be read is a difference. 8 if a volume is not the
 *   host's, or does not fit the table.
 * Threads: one at a time with this host; several may at a time with this table.
 * When: at any time. Tracks that are written meanwhile may differ.
 * Alias: TMRVRFY, TMR_F_VERIFY.
 */
int32_t tmr_verify(const struct tmr_table *table, const struct tmr_host *host, uint32_t threads,
                   struct tmr_verification **verification, struct tmr_error *error);

/**
 * Does: says in numbers what a comparison found.
 * Gives back: 0.
 * Threads: several may at a time.
 * When: while the verification is open.
 * Alias: TMRVRDS, TMR_F_VERIFICATION_DESCRIBE.
 */
int32_t tmr_verification_describe(const struct tmr_verification *verification,
                                  struct tmr_verification_info *info, struct tmr_error *error);

/**
 * Does: says what differs. The differences are numbered from 0 on, in ascending order of the source.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if none of this number is listed.
 * Threads: several may at a time.
 * When: while the verification is open.
 * Alias: TMRVRDF, TMR_F_VERIFICATION_DIFFERENCE.
 */
int32_t tmr_verification_difference(const struct tmr_verification *verification, uint32_t index,
                                    struct tmr_difference *difference, struct tmr_error *error);

/**
 * Does: says the digest of the source tracks of an entry of the table, addresses aside: the same as
 *   tmr_copier_digest.
 * Gives back: 0 and the digest; 4 and no digest if one of its tracks cannot be read or does not check; 8
 *   with the reason TMR_R_NO_MORE if there is no entry of this number.
 * Threads: several may at a time.
 * When: while the verification is open.
 * Alias: TMRVRDG, TMR_F_VERIFICATION_DIGEST.
 */
int32_t tmr_verification_digest(const struct tmr_verification *verification, uint32_t entry,
                                uint32_t *digest, struct tmr_error *error);

/**
 * Does: ends the use of what a comparison found, and clears the pointer.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is none, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRVRCL, TMR_F_VERIFICATION_CLOSE.
 */
int32_t tmr_verification_close(struct tmr_verification **verification);

/* Migrations --------------------------------------------------------------------------------------------------- */

/**
 * Does: makes a migration of a plan. Its state is made durable: in the state folder, or by the host's checkpoint store, which
 *   may be NULL. Nothing is allocated yet.
 * Gives back: 0 and the migration, to be closed with tmr_migration_close; the table of the store was taken. 8 if the plan is
 *   empty, a volume can only be read or has another unfinished migration, or the state is one of another migration; 12. If it
 *   is not 0, the table was not taken.
 * Threads: one.
 * When: the plan was made with the same host. Host and plan may be closed then.
 * Alias: TMRMNEW, TMR_F_MIGRATION_NEW.
 */
int32_t tmr_migration_new(const struct tmr_host *host, const struct tmr_plan *plan,
                          const struct tmr_migration_options *options,
                          const struct tmr_checkpoint_functions *checkpoint,
                          struct tmr_migration **migration, struct tmr_error *error);

/**
 * Does: goes on with a migration that was interrupted, wherever that was: the change inside which it was interrupted is done,
 *   and it goes back to where it can go on from.
 * Gives back: 0 and the migration, to be closed with tmr_migration_close; 4, and the migration too, if it has ended: nothing is
 *   left to do, and another one needs another state; 8 if there is none (TMR_R_NO_CHECKPOINT), or its state is older than what was
 *   done since; 12 if it could not be taken up now. The table of the store is as of tmr_migration_new.
 * Threads: one.
 * When: the host has the same volumes as before; no other process owns the migration.
 * Alias: TMRMRSM, TMR_F_MIGRATION_RESUME.
 */
int32_t tmr_migration_resume(const struct tmr_host *host, const struct tmr_migration_options *options,
                             const struct tmr_checkpoint_functions *checkpoint,
                             struct tmr_migration **migration, struct tmr_error *error);

/**
 * Does: opens a migration that was interrupted without taking it up: only the change inside which it was interrupted is done. For
 *   those who want to look at it, or to terminate it.
 * Gives back: as tmr_migration_resume.
 * Threads: one.
 * When: as tmr_migration_resume. tmr_migration_take_up does the rest.
 * Alias: TMRMOPN, TMR_F_MIGRATION_OPEN.
 */
int32_t tmr_migration_open(const struct tmr_host *host, const struct tmr_migration_options *options,
                           const struct tmr_checkpoint_functions *checkpoint,
                           struct tmr_migration **migration, struct tmr_error *error);

/**
 * Does: takes up a migration that was opened by tmr_migration_open.
 * Gives back: 0; 8 if somebody else changed what it relies on; 12 if it could not be taken up now.
 * Threads: one at a time.
 * When: after tmr_migration_open. Doing it twice changes nothing.
 * Alias: TMRMTKU, TMR_F_MIGRATION_TAKE_UP.
 */
int32_t tmr_migration_take_up(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: allocates the targets, uncataloged, exactly as they are planned.
 * Gives back: 0; 8 if one is refused: then what was allocated is released again; 12.
 * Threads: one at a time.
 * When: TMR_STATE_PLANNED.
 * Alias: TMRMRSV, TMR_F_MIGRATION_RESERVE.
 */
int32_t tmr_migration_reserve(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: copies at most `track_count_max` tracks of what is left. `progress` may be NULL.
 * Gives back: 0 if nothing is left; 4 if something is: call again, after tmr_status.pause_us if you like; 12 if something failed,
 *   and it may be called again.
 * Threads: one at a time.
 * When: TMR_STATE_COPYING, _MIRRORED, _CLOSING, _QUIESCED.
 * Alias: TMRMSTP, TMR_F_MIGRATION_STEP.
 */
int32_t tmr_migration_step(struct tmr_migration *migration, uint32_t track_count_max,
                           struct tmr_migration_progress *progress, struct tmr_error *error);

/**
 * Does: compares source and target, track by track, addresses aside. `track_count` gets how many, and may be NULL.
 * Gives back: 0; 8 with the first track that differs (TMR_R_UNEQUAL): then terminate the migration.
 * Threads: one at a time.
 * When: TMR_STATE_MIRRORED of a migration to whose sources nobody else writes; TMR_STATE_QUIESCED.
 * Alias: TMRMVFY, TMR_F_MIGRATION_VERIFY.
 */
int32_t tmr_migration_verify(struct tmr_migration *migration, uint64_t *track_count, struct tmr_error *error);

/**
 * Does: asks everybody to close the data sets, keeps new openers out, and opens the window when nobody has them open.
 * Gives back: 0 when the window is open; 4 if somebody still has one open (tmr_migration_opener tells who): go on with steps, and
 *   call again; 12 if it took too long, and the window was given up.
 * Threads: one at a time.
 * When: TMR_STATE_MIRRORED, _CLOSING.
 * Alias: TMRMQSC, TMR_F_MIGRATION_QUIESCE.
 */
int32_t tmr_migration_quiesce(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: gives the window up: the data sets are given back where they are, and mirroring goes on.
 * Gives back: 0, or 12.
 * Threads: one at a time.
 * When: TMR_STATE_CLOSING, _QUIESCED.
 * Alias: TMRMPPN, TMR_F_MIGRATION_POSTPONE.
 */
int32_t tmr_migration_postpone(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: follows what became of the sources' allocation: extended, released, deleted, new, renamed. Steps and the switch do so by
 *   themselves when a monitor noted something; this is for hosts that know of a change otherwise.
 * Gives back: 0 if nothing differs now; 4 if something is still to be followed, which the next steps, or the window, try again;
 *   in the window 8 for what cannot be followed: then postpone.
 * Threads: one at a time.
 * When: TMR_STATE_COPYING, _MIRRORED, _CLOSING, _QUIESCED.
 * Alias: TMRMACC, TMR_F_MIGRATION_ACCOMMODATE.
 */
int32_t tmr_migration_accommodate(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: makes the catalog point to the targets, looks once more, and lets the users in.
 * Gives back: 0; 8 if something was found that forbids it: the catalog is as it was, and mirroring goes on; 12: call again.
 * Threads: one at a time.
 * When: TMR_STATE_QUIESCED, with everything copied; TMR_STATE_SWITCHING after 12.
 * Alias: TMRMSWT, TMR_F_MIGRATION_SWITCH.
 */
int32_t tmr_migration_switch(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: gives the window up, or undoes the switch as long as there is a way back.
 * Gives back: 0; 8 if there is no way back; 12: call again. After users were let in at the targets, the migration is to be closed
 *   and resumed before it goes on (TMR_STATUS_RESUME).
 * Threads: one at a time.
 * When: TMR_STATE_QUIESCED, _SWITCHING, _SWITCHED.
 * Alias: TMRMBKO, TMR_F_MIGRATION_BACK_OUT.
 */
int32_t tmr_migration_back_out(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: scratches the sources, erased if that was asked for, or keeps them under other names.
 * Gives back: 0; 8 if a source was changed since; 12: call again.
 * Threads: one at a time.
 * When: TMR_STATE_SWITCHED.
 * Alias: TMRMCPL, TMR_F_MIGRATION_COMPLETE.
 */
int32_t tmr_migration_complete(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: gives the migration up: the targets are scratched, the sources stay as they are.
 * Gives back: 0; 8 if somebody cataloged a target; 12: call again.
 * Threads: one at a time.
 * When: every state before TMR_STATE_SWITCHING.
 * Alias: TMRMTRM, TMR_F_MIGRATION_TERMINATE.
 */
int32_t tmr_migration_terminate(struct tmr_migration *migration, struct tmr_error *error);

/**
 * Does: the verb that leads towards the end, whichever that is now. A step copies at most `track_count_max` tracks. While
 *   somebody has a data set open still, it copies what changed, and asks again. It never compares (tmr_migration_verify), and it goes
 *   through the window by itself: who wants to choose its time calls the verbs.
 * Gives back: 0 at the end, and only there; 4 if there is more to do: call again, after tmr_status.pause_us if you like; else what
 *   the verb gives back.
 * Threads: one at a time.
 * When: in every state.
 * Alias: TMRMADV, TMR_F_MIGRATION_ADVANCE.
 */
int32_t tmr_migration_advance(struct tmr_migration *migration, uint32_t track_count_max,
                              struct tmr_error *error);

/**
 * Does: says how far the migration is.
 * Gives back: 0.
 * Threads: several may at a time, also beside a call that changes it, and inside the host's functions.
 * When: in every state.
 * Alias: TMRMSTA, TMR_F_MIGRATION_STATUS.
 */
int32_t tmr_migration_status(const struct tmr_migration *migration, struct tmr_status *status,
                             struct tmr_error *error);

/**
 * Does: says how copying goes, and how long a window would be.
 * Gives back: 0.
 * Threads: several may at a time, also beside a call that changes it, and inside the host's functions.
 * When: in every state.
 * Alias: TMRMEST, TMR_F_MIGRATION_ESTIMATE.
 */
int32_t tmr_migration_estimate(const struct tmr_migration *migration, struct tmr_estimate *estimate,
                               struct tmr_error *error);

/**
 * Does: changes goal, limits, pace, and what becomes of tracks that cannot be copied. They last as long as the handle.
 * Gives back: 0, or 8.
 * Threads: one at a time.
 * When: in every state.
 * Alias: TMRMTUN, TMR_F_MIGRATION_TUNE.
 */
int32_t tmr_migration_tune(struct tmr_migration *migration, const struct tmr_tuning *tuning,
                           struct tmr_error *error);

/**
 * Does: tells who had a data set open when tmr_migration_quiesce or tmr_migration_advance asked last.
 * Gives back: 0; 8 if there are not more than `index` (tmr_status.opener_count).
 * Threads: one at a time.
 * When: after they gave back 4.
 * Alias: TMRMOPR, TMR_F_MIGRATION_OPENER.
 */
int32_t tmr_migration_opener(const struct tmr_migration *migration, uint32_t index,
                             struct tmr_opener *opener, struct tmr_error *error);

/**
 * Does: tells of one more image of this machine that can write to a source volume; it must be covered from now on.
 * Gives back: 0; 8 if it is not registered in the volume's area, or the volume has none.
 * Threads: one at a time.
 * When: before TMR_STATE_SWITCHING.
 * Alias: TMRMADI, TMR_F_MIGRATION_ADD_IMAGE.
 */
int32_t tmr_migration_add_image(struct tmr_migration *migration, const char *volser, const char *image,
                                struct tmr_error *error);

/**
 * Does: retires an image, of this machine or another one: you confirm that it cannot write any more. What it may have written
 *   without telling is copied again.
 * Gives back: 0; 8 if there is no image of this name.
 * Threads: one at a time.
 * When: in every state.
 * Alias: TMRMRTI, TMR_F_MIGRATION_RETIRE_IMAGE.
 */
int32_t tmr_migration_retire_image(struct tmr_migration *migration, const char *image,
                                   struct tmr_error *error);

/**
 * Does: tells of one of the data sets that are moved, as the plan has it now: what was deleted meanwhile is gone, what is new is
 *   there.
 * Gives back: 0; 8 if there are not more than `index` (tmr_status.data_set_count).
 * Threads: one at a time.
 * When: in every state.
 * Alias: TMRMDST, TMR_F_MIGRATION_DATA_SET.
 */
int32_t tmr_migration_data_set(const struct tmr_migration *migration, uint32_t index,
                               struct tmr_migrated_data_set *data_set, struct tmr_error *error);

/**
 * Does: ends the use of a migration, and clears the pointer. Its state stays: it can be resumed, unless it has ended.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no migration, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRMCLS, TMR_F_MIGRATION_CLOSE.
 */
int32_t tmr_migration_close(struct tmr_migration **migration);

/* Monitors: which tracks a program writes, and who asks for it ------------------------------------------------- */

/**
 * Does: says how much memory the area of a volume with so many tracks needs (tmr_area_in_memory).
 * Gives back: 0 and the number of bytes; 8 if no volume has so many tracks.
 * Threads: any.
 * When: at any time.
 * Alias: TMRASIZ, TMR_F_AREA_SIZE.
 */
int32_t tmr_area_size(uint32_t track_count, uint64_t *length, struct tmr_error *error);

/**
 * Does: opens the monitor area of a volume that lies in a file or on a device, or makes it; all programs of this machine that
 *   name the same folder share it. `folder` is NULL for the one that the commands use.
 * Gives back: 0 and the area, to be closed with tmr_area_close; 8 if the volume is in memory or the host's (tmr_area_in_memory
 *   serves those), or the folder is not one that others cannot write.
 * Threads: any.
 * When: while the volume is open.
 * Alias: TMRAOPN, TMR_F_AREA_OPEN.
 */
int32_t tmr_area_open(const char *folder, const struct tmr_volume *volume, struct tmr_area **area,
                      struct tmr_error *error);

/**
 * Does: opens a monitor area in memory of the program's, or makes it there if the memory is all zero: for volumes that only this
 *   process writes. `memory` is aligned to 8 bytes, and has as many as tmr_area_size says; nobody else touches it, and it stays
 *   where it is until the area is closed and everything that was made with it. In `info` volser, device and cylinders are
 *   needed. Of an area in this memory that was closed, subscriptions can be taken up again.
 * Gives back: 0 and the area, to be closed with tmr_area_close; 8 if the memory has another length, or holds something else or
 *   an area of another volume; 12 if the area is open: it can be only once at a time (TMR_R_AREA_BUSY).
 * Threads: any.
 * When: at any time.
 * Alias: TMRAMEM, TMR_F_AREA_IN_MEMORY.
 */
int32_t tmr_area_in_memory(void *memory, uint64_t length, const struct tmr_volume_info *info,
                           struct tmr_area **area, struct tmr_error *error);

/**
 * Does: tells of an image, by its place in the list of all that have registered in the area, also those that have ended. The list
 *   begins with 0, and changes as they come and go.
 * Gives back: 0; 8 if there is none at this place (TMR_R_NO_MORE).
 * Threads: several may at a time.
 * When: while the area is open.
 * Alias: TMRAIMG, TMR_F_AREA_IMAGE.
 */
int32_t tmr_area_image(const struct tmr_area *area, uint32_t index, struct tmr_image_info *info,
                       struct tmr_error *error);

/**
 * Does: takes the operator's word that an image cannot write any more. What it had in flight counts as changed, and every write
 *   that it begins from now on is refused.
 * Gives back: 0; 4 if nobody knows what it wrote, so that every track counts as changed; 8 if no such image is registered.
 * Threads: several may at a time.
 * When: when an image fell silent and will not come back, or hangs with a write in flight, and somebody has seen to it that it
 *   cannot write.
 * Alias: TMRARET, TMR_F_AREA_RETIRE.
 */
int32_t tmr_area_retire(const struct tmr_area *area, const char *image, struct tmr_error *error);

/**
 * Does: ends the use of an area, and clears the pointer. What was made with it (images, subscriptions, a host) keeps it open as
 *   long as it needs it.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no area, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRARCL, TMR_F_AREA_CLOSE.
 */
int32_t tmr_area_close(struct tmr_area **area);

/**
 * Does: registers this program as one that writes a volume, under a name that no living one has in the area: 1 to 32
 *   printable characters, no blanks. A program that comes again under its name takes over what was left of it. `kind` is
 *   TMR_IMAGE_...
 * Gives back: 0 and the image, to be closed with tmr_image_close; 8 if the name is in use, or there are as many as can be.
 * Threads: any.
 * When: while the area is open, before the first write. After a fork the child registers under a name of its own.
 * Alias: TMRIREG, TMR_F_IMAGE_REGISTER.
 */
int32_t tmr_image_register(const struct tmr_area *area, const char *name, uint32_t kind,
                           struct tmr_image **image, struct tmr_error *error);

/**
 * Does: says that these tracks are about to be written. It never waits, and asks for no memory.
 * Gives back: 0 and the write, which must be ended with tmr_image_end, whatever becomes of it; 8 if it must not happen: a track
 *   is outside the volume, or there is none, or the image was retired; or one is sealed (TMR_R_VOLUME_SEALED), because its data
 *   set is just being moved. Such a write must not be tried again at this place, which may belong to nobody soon: the program closes
 *   the data set, and opens it again by its name, through the catalog.
 * Threads: any, several at a time; also in a signal handler, if the thread has called it before.
 * When: directly before each write.
 * Alias: TMRIBEG, TMR_F_IMAGE_BEGIN.
 */
int32_t tmr_image_begin(const struct tmr_image *image, uint32_t first, uint32_t track_count,
                        struct tmr_write *write, struct tmr_error *error);

/**
 * Does: says that a write has ended, whatever its result, and clears it. It never waits, and asks for no memory.
 * Gives back: 0; 8 if it is no write that this image has begun and not ended; then it is not cleared.
 * Threads: the one that began it; any, if the image was registered with TMR_IMAGE_ANY_THREAD. Several at a time, each its own.
 * When: directly after each write that was begun, and before anybody is told that it is done.
 * Alias: TMRIEND, TMR_F_IMAGE_END.
 */
int32_t tmr_image_end(const struct tmr_image *image, struct tmr_write *write, struct tmr_error *error);

/**
 * Does: says that these tracks were written, for an image of the kind TMR_IMAGE_COMPLETIONS or TMR_IMAGE_REMOTE. It never waits,
 *   and asks for no memory.
 * Gives back: 0; 8 if a track is outside the volume, or the image was registered as one that brackets its writes.
 * Threads: any, several at a time; also in a signal handler.
 * When: directly after each write, and before anybody is told that it is done.
 * Alias: TMRINOT, TMR_F_IMAGE_NOTE.
 */
int32_t tmr_image_note(const struct tmr_image *image, uint32_t first, uint32_t track_count,
                       struct tmr_error *error);

/**
 * Does: says that the image lives. It is shown with the image (tmr_area_image), and changes nothing else.
 * Gives back: 0.
 * Threads: any, several at a time; also in a signal handler.
 * When: now and then, if somebody is to see it.
 * Alias: TMRILIF, TMR_F_IMAGE_SIGN_OF_LIFE.
 */
int32_t tmr_image_sign_of_life(const struct tmr_image *image, struct tmr_error *error);

/**
 * Does: ends an image: this program writes the volume no more. Clears the pointer. Writes that were begun and not ended count as
 *   changed.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no image, or in use.
 * Threads: the last one that uses it.
 * When: once, after the last write.
 * Alias: TMRICLS, TMR_F_IMAGE_CLOSE.
 */
int32_t tmr_image_close(struct tmr_image **image);

/**
 * Does: subscribes a migration to the changes of a volume: every write that begins from now on is marked for it. Or takes up
 *   again what the same migration subscribed before, also in a process that has died since. `id` are two numbers that no
 *   other migration has; not both zero.
 * Gives back: 0 and the subscription, to be closed with tmr_subscription_close; 8 if another process owns it, or the volume has as
 *   many as it can.
 * Threads: any.
 * When: while the area is open.
 * Alias: TMRSOPN, TMR_F_SUBSCRIPTION_OPEN.
 */
int32_t tmr_subscription_open(const struct tmr_area *area, const uint64_t *id,
                              struct tmr_subscription **subscription, struct tmr_error *error);

/**
 * Does: makes all these tracks work, and everything that is written from now on. The volume in an extent may be empty.
 * Gives back: 0; 8 if a track is outside the volume, or as long as a write that began before the subscription has not ended
 *   (TMR_R_NOT_FILLED): then call it again after a while.
 * Threads: several may at a time.
 * When: before copying; later for tracks that are added.
 * Alias: TMRSFIL, TMR_F_SUBSCRIPTION_FILL.
 */
int32_t tmr_subscription_fill(const struct tmr_subscription *subscription, const struct tmr_extent *extents,
                              uint32_t extent_count, struct tmr_error *error);

/**
 * Does: counts the work that is left in these tracks: written, or not copied yet, or just being copied.
 * Gives back: 0 and the number of tracks; 8 if a track is outside the volume.
 * Threads: several may at a time.
 * When: while the subscription is open.
 * Alias: TMRSLFT, TMR_F_SUBSCRIPTION_LEFT.
 */
int32_t tmr_subscription_left(const struct tmr_subscription *subscription, const struct tmr_extent *extents,
                              uint32_t extent_count, uint64_t *left, struct tmr_error *error);

/**
 * Does: looks whether anything of these tracks is in flight, written and not copied, or not known to be durable at the target.
 *   Images that died are found out first.
 * Gives back: 0 if there is nothing: with the tracks sealed, and no copier at work, the target holds everything, and nothing more
 *   comes. 4 if there is something; the error block says what was found first, without a reason. 8 if a track is outside the
 *   volume.
 * Threads: several may at a time.
 * When: while the subscription is open and filled.
 * Alias: TMRSLOK, TMR_F_SUBSCRIPTION_LOOK.
 */
int32_t tmr_subscription_look(const struct tmr_subscription *subscription, const struct tmr_extent *extents,
                              uint32_t extent_count, struct tmr_error *error);

/**
 * Does: seals tracks: every write of them that begins from now on is refused, by whatever program. Those that have begun go on;
 *   tmr_subscription_look finds them.
 * Gives back: 0; 8 if a track is outside the volume, and then nothing is sealed.
 * Threads: several may at a time.
 * When: when little is left, before the last of it is copied.
 * Alias: TMRSSEA, TMR_F_SUBSCRIPTION_SEAL.
 */
int32_t tmr_subscription_seal(const struct tmr_subscription *subscription, const struct tmr_extent *extents,
                              uint32_t extent_count, struct tmr_error *error);

/**
 * Does: opens everything that this migration sealed.
 * Gives back: 0.
 * Threads: several may at a time.
 * When: when the tracks may be written again.
 * Alias: TMRSUNS, TMR_F_SUBSCRIPTION_UNSEAL.
 */
int32_t tmr_subscription_unseal(const struct tmr_subscription *subscription, struct tmr_error *error);

/**
 * Does: ends a subscription: what it sealed is opened, nothing is marked for it any more, and it cannot be taken up again.
 *   Clears the pointer.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no subscription, or a copier or a receiver still
 *   works with it.
 * Threads: the last one that uses it.
 * When: once, when the migration has ended.
 * Alias: TMRSCLS, TMR_F_SUBSCRIPTION_CLOSE.
 */
int32_t tmr_subscription_close(struct tmr_subscription **subscription);

/**
 * Does: lets go of a subscription without ending it: writes are marked on, what is sealed stays so, and the same migration may
 *   open it again. It is the same when the process dies. Clears the pointer.
 * Gives back: as tmr_subscription_close.
 * Threads: the last one that uses it.
 * When: once, in place of tmr_subscription_close.
 * Alias: TMRSLEV, TMR_F_SUBSCRIPTION_LEAVE.
 */
int32_t tmr_subscription_leave(struct tmr_subscription **subscription, struct tmr_error *error);

/* Between machines --------------------------------------------------------------------------------------------- */

/**
 * Does: begins to report to the owner of a migration what is written in this area, or goes on after a restart, with what is sealed
 *   still sealed. `id` is the migration's; `image` is the name that the owner knows this machine by.
 * Gives back: 0 and the reporter, to be closed with tmr_reporter_close; 8 if another process has it, or the name is none.
 * Threads: any.
 * When: while the area is open, which may be closed then.
 * Alias: TMRROPN, TMR_F_REPORTER_OPEN.
 */
int32_t tmr_reporter_open(const struct tmr_area *area, const uint64_t *id, const char *image,
                          struct tmr_reporter **reporter, struct tmr_error *error);

/**
 * Does: reports tracks that were written and not reported yet. `to_flush` is the volume whose cache on this machine is written out
 *   first, so that the owner reads what is reported; it may be NULL if there is none.
 * Gives back: 4 and the report, to be sent to the owner: there may be more; 0 if there is nothing, or nothing was asked yet. 8 if the
 *   buffer is too short (TMR_R_SHORT_BUFFER): `length` says what it needs, and the next call gives this report. 12 if the volume
 *   cannot be flushed; then nothing was reported.
 * Threads: one at a time.
 * When: again and again, while not too many reports are on their way.
 * Alias: TMRRREP, TMR_F_REPORTER_REPORT.
 */
int32_t tmr_reporter_report(struct tmr_reporter *reporter, const struct tmr_volume *to_flush,
                            struct tmr_buffer *report, struct tmr_error *error);

/**
 * Does: takes an acknowledgement of the owner: what it names needs not be reported again.
 * Gives back: 0; 4 if it is none for this reporter, or comes too late to mean anything; 8 if it is no message.
 * Threads: one at a time.
 * When: whenever one has come.
 * Alias: TMRRACK, TMR_F_REPORTER_ACKNOWLEDGE.
 */
int32_t tmr_reporter_acknowledge(struct tmr_reporter *reporter, const struct tmr_buffer *acknowledgement,
                                 struct tmr_error *error);

/**
 * Does: answers a question of the owner, and seals what it wants sealed. `to_flush` as in tmr_reporter_report. `uncovered` is NULL, or
 *   says why it is not certain that every write on this machine is told to the area; then nothing is reported until it is, and the
 *   owner copies everything once more.
 * Gives back: 0 and the answer, to be sent to the owner; 4 if the question is none for this reporter; 8 if it is no message, or the
 *   buffer is too short (TMR_R_SHORT_BUFFER): then the same question is to be answered once more, with as much room as `length` says.
 * Threads: one at a time.
 * When: whenever a question has come.
 * Alias: TMRRANS, TMR_F_REPORTER_ANSWER.
 */
int32_t tmr_reporter_answer(struct tmr_reporter *reporter, const struct tmr_buffer *question,
                            const struct tmr_volume *to_flush, const char *uncovered,
                            struct tmr_buffer *answer, struct tmr_error *error);

/**
 * Does: lets go of a reporter, and clears the pointer. What was written and not acknowledged is kept in the area, and what is
 *   sealed for the owner stays so: the next one to open it goes on.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no reporter, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRRCLS, TMR_F_REPORTER_CLOSE.
 */
int32_t tmr_reporter_close(struct tmr_reporter **reporter);

/**
 * Does: makes what was reported and is not acknowledged be reported once more, under new numbers.
 * Gives back: 0 if everything was acknowledged; 4 if something will be reported again.
 * Threads: one at a time.
 * When: when an acknowledgement is overdue: a message was lost, perhaps.
 * Alias: TMRRRSN, TMR_F_REPORTER_RESEND.
 */
int32_t tmr_reporter_resend(struct tmr_reporter *reporter, struct tmr_error *error);

/**
 * Does: takes leave of the migration: the program promises that nothing on this machine writes the volume until the migration has
 *   ended. Everything is sealed here, and the next answers say so.
 * Gives back: 0 when the owner has heard it; 4 as long as it has not: go on reporting and answering; 8 (TMR_R_NOT_COVERED) as long as
 *   an image lives in the area.
 * Threads: one at a time.
 * When: again and again until it gives back 0, if this machine is to be spared the rest.
 * Alias: TMRRFAR, TMR_F_REPORTER_FAREWELL.
 */
int32_t tmr_reporter_farewell(struct tmr_reporter *reporter, struct tmr_error *error);

/**
 * Does: ends a reporter for good: what it sealed is opened, and nothing is marked for the migration any more. Clears the pointer.
 * Gives back: as tmr_reporter_close.
 * Threads: the last one that uses it.
 * When: once, in place of tmr_reporter_close, when the owner has said that the migration has ended, and never before: what is
 *   sealed here may not be written.
 * Alias: TMRREND, TMR_F_REPORTER_END.
 */
int32_t tmr_reporter_end(struct tmr_reporter **reporter, struct tmr_error *error);

/**
 * Does: begins to hear what an image on another machine writes to the subscription's volume.
 * Gives back: 0 and the receiver, to be closed with tmr_receiver_close; 8 if the name is none.
 * Threads: any.
 * When: while the subscription is open, which cannot be closed before the receiver.
 * Alias: TMRQOPN, TMR_F_RECEIVER_OPEN.
 */
int32_t tmr_receiver_open(const struct tmr_subscription *subscription,
                          const struct tmr_receiver_options *options, struct tmr_receiver **receiver,
                          struct tmr_error *error);

/**
 * Does: takes a message of the other machine. `absorbed` says what became of it (TMR_ABSORBED_...).
 * Gives back: 0, and perhaps an acknowledgement, to be sent back; 4 if the message was passed over; the error block says why,
 *   without a reason. 8 if it is no message, or the buffer has room for less than TMR_ACKNOWLEDGEMENT_LENGTH bytes; nothing was
 *   changed then.
 * Threads: one at a time.
 * When: whenever one has come.
 * Alias: TMRQABS, TMR_F_RECEIVER_ABSORB.
 */
int32_t tmr_receiver_absorb(struct tmr_receiver *receiver, const struct tmr_buffer *message,
                            uint32_t *absorbed, struct tmr_buffer *acknowledgement, struct tmr_error *error);

/**
 * Does: makes a question: whether anything of these tracks is in flight or unreported there. With `seal` 1 they are to be sealed there,
 *   and no others; with 0 nothing is. Only the answer to the question asked last counts. Without extents it asks only whether
 *   the image is there; the first answer makes it known.
 * Gives back: 0 and the question, to be sent to the other machine, also more than once; 8 if a track is outside the volume, or the
 *   buffer has room for less than TMR_ACKNOWLEDGEMENT_LENGTH bytes and TMR_QUESTION_EXTENT_LENGTH for each extent.
 * Threads: one at a time.
 * When: first of all; now and then; in the window, until tmr_receiver_look gives back 0; and after it, to let them write again.
 * Alias: TMRQBAR, TMR_F_RECEIVER_BARRIER.
 */
int32_t tmr_receiver_barrier(struct tmr_receiver *receiver, const struct tmr_extent *extents,
                             uint32_t extent_count, uint32_t seal, struct tmr_buffer *question,
                             struct tmr_error *error);

/**
 * Does: looks what the answer to the question asked last leaves open.
 * Gives back: 0 if nothing of the tracks that were asked for was in flight or unreported when it was answered, or the image has
 *   left or was retired; then this machine's own area is to be looked at (tmr_subscription_look). 4 if not; the error block says why,
 *   without a reason.
 * Threads: one at a time.
 * When: in the window, after the question was asked that seals.
 * Alias: TMRQLOK, TMR_F_RECEIVER_LOOK.
 */
int32_t tmr_receiver_look(const struct tmr_receiver *receiver, struct tmr_error *error);

/**
 * Does: takes the operator's word that the image cannot write any more. What it did not report nobody knows: every track counts as
 *   changed. Whatever comes from it is passed over from then on.
 * Gives back: 0.
 * Threads: one at a time.
 * When: when it does not answer any more, and somebody has seen to it that it cannot write.
 * Alias: TMRQRET, TMR_F_RECEIVER_RETIRE.
 */
int32_t tmr_receiver_retire(struct tmr_receiver *receiver, struct tmr_error *error);

/**
 * Does: ends a receiver, and clears the pointer. The subscription stays open.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no receiver, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRQCLS, TMR_F_RECEIVER_CLOSE.
 */
int32_t tmr_receiver_close(struct tmr_receiver **receiver);

/**
 * Does: says what a receiver knows.
 * Gives back: 0.
 * Threads: one at a time.
 * When: while the receiver is open; after TMR_ABSORBED_NEW_INCARNATION, to keep what is known.
 * Alias: TMRQDSC, TMR_F_RECEIVER_DESCRIBE.
 */
int32_t tmr_receiver_describe(const struct tmr_receiver *receiver, struct tmr_receiver_info *info,
                              struct tmr_error *error);

/**
 * Does: makes an agent for this machine, under the name that the owners of migrations know it by; no two machines have the same.
 *   `channel` carries messages to them and back. `enqueue` knows who has data sets open here; NULL: the registry of openers.
 * Gives back: 0 and the agent, to be closed with tmr_agent_close; the tables were taken, and their `release` will be called. 8: no
 *   table was taken.
 * Threads: any.
 * When: at any time. What must not be lost lies in the areas: a new agent goes on where the last one ended, or died.
 * Alias: TMRNNEW, TMR_F_AGENT_NEW.
 */
int32_t tmr_agent_new(const char *image, const struct tmr_channel_functions *channel,
                      const struct tmr_enqueue_functions *enqueue, struct tmr_agent **agent,
                      struct tmr_error *error);

/**
 * Does: lets an agent serve a volume, too, by its monitor area on this machine. What programs here wrote to their cache is written
 *   out through `volume` before it is reported. `images` names those, with blanks between, that must be registered in the area, alive
 *   or ended since; it may be NULL.
 * Gives back: 0; volume and area may be closed then. 8 if the area is of another volume, or this serial was added before.
 * Threads: one at a time.
 * When: before the agent serves.
 * Alias: TMRNVOL, TMR_F_AGENT_ADD_VOLUME.
 */
int32_t tmr_agent_add_volume(struct tmr_agent *agent, const struct tmr_volume *volume,
                             const struct tmr_area *area, const char *images, struct tmr_error *error);

/**
 * Does: one round: takes what has come, answers, and reports what was written.
 * Gives back: 4 if anything came or went: call it again at once; 0 if not: wait a little before the next round. 8 or 12 if
 *   something could not be done; the next round goes on.
 * Threads: one at a time.
 * When: again and again.
 * Alias: TMRNSRV, TMR_F_AGENT_SERVE.
 */
int32_t tmr_agent_serve(struct tmr_agent *agent, struct tmr_error *error);

/**
 * Does: lets go of an agent, and clears the pointer. What is sealed or held for a migration stays so: another agent goes on.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no agent, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRNCLS, TMR_F_AGENT_CLOSE.
 */
int32_t tmr_agent_close(struct tmr_agent **agent);

/**
 * Does: takes leave of every migration: the program promises that nothing on this machine writes the volumes until those have ended.
 * Gives back: 0 when all owners have heard it; 4 as long as not: go on serving, and call it again; 8 (TMR_R_NOT_COVERED) as long as
 *   an image lives in an area.
 * Threads: one at a time.
 * When: before the machine goes down for good.
 * Alias: TMRNFAR, TMR_F_AGENT_FAREWELL.
 */
int32_t tmr_agent_farewell(struct tmr_agent *agent, struct tmr_error *error);

/* The aliases: each function has a second name that fits every binder ------------------------------------------ */

#ifdef __MVS__
#pragma map(tmr_version, "TMRVERS")
#pragma map(tmr_call, "TMRCALL")
#pragma map(tmr_reason_text, "TMRRSNT")
#pragma map(tmr_sink_put, "TMRSINK")
#pragma map(tmr_volume_open, "TMRVOPN")
#pragma map(tmr_volume_in_memory, "TMRVMEM")
#pragma map(tmr_volume_of_host, "TMRVHST")
#pragma map(tmr_volume_describe, "TMRVDSC")
#pragma map(tmr_volume_read, "TMRVRED")
#pragma map(tmr_volume_write, "TMRVWRT")
#pragma map(tmr_volume_flush, "TMRVFLS")
#pragma map(tmr_volume_initialize, "TMRVINI")
#pragma map(tmr_volume_close, "TMRVCLS")
#pragma map(tmr_host_new, "TMRHNEW")
#pragma map(tmr_host_add_volume, "TMRHVOL")
#pragma map(tmr_host_set_space_manager, "TMRHSPC")
#pragma map(tmr_host_add_catalog, "TMRHCAT")
#pragma map(tmr_host_find_catalogs, "TMRHFCT")
#pragma map(tmr_host_set_clock, "TMRHCLK")
#pragma map(tmr_host_set_events, "TMRHEVT")
#pragma map(tmr_host_keep_events, "TMRHKEV")
#pragma map(tmr_host_next_event, "TMRHNEV")
#pragma map(tmr_host_add_enqueue, "TMRHENQ")
#pragma map(tmr_host_use_registry, "TMRHREG")
#pragma map(tmr_host_add_area, "TMRHARE")
#pragma map(tmr_host_add_image, "TMRHIMG")
#pragma map(tmr_host_add_machine, "TMRHMAC")
#pragma map(tmr_host_close, "TMRHCLS")
#pragma map(tmr_assess, "TMRASES")
#pragma map(tmr_assessment_describe, "TMRADSC")
#pragma map(tmr_assessment_data_set, "TMRADST")
#pragma map(tmr_assessment_extent, "TMRAEXT")
#pragma map(tmr_assessment_refusal, "TMRAREF")
#pragma map(tmr_assessment_compare, "TMRACMP")
#pragma map(tmr_changes_get, "TMRCHGG")
#pragma map(tmr_changes_close, "TMRCHGC")
#pragma map(tmr_assessment_close, "TMRACLS")
#pragma map(tmr_changes_run, "TMRCHGR")
#pragma map(tmr_plan_propose, "TMRPPRO")
#pragma map(tmr_plan_describe, "TMRPDSC")
#pragma map(tmr_plan_data_set, "TMRPDST")
#pragma map(tmr_plan_extent, "TMRPEXT")
#pragma map(tmr_plan_refusal, "TMRPREF")
#pragma map(tmr_plan_close, "TMRPCLS")
#pragma map(tmr_changes_describe, "TMRCHGD")
#pragma map(tmr_table_new, "TMRTNEW")
#pragma map(tmr_table_map, "TMRTMAP")
#pragma map(tmr_table_of_plan, "TMRTPLN")
#pragma map(tmr_table_describe, "TMRTDSC")
#pragma map(tmr_table_run, "TMRTRUN")
#pragma map(tmr_table_to_target, "TMRTTGT")
#pragma map(tmr_table_to_source, "TMRTSRC")
#pragma map(tmr_table_close, "TMRTCLS")
#pragma map(tmr_table_entry, "TMRTENT")
#pragma map(tmr_changed_new, "TMRGNEW")
#pragma map(tmr_changed_set, "TMRGSET")
#pragma map(tmr_changed_clear, "TMRGCLR")
#pragma map(tmr_changed_count, "TMRGCNT")
#pragma map(tmr_changed_next, "TMRGNXT")
#pragma map(tmr_changed_take, "TMRGTAK")
#pragma map(tmr_changed_close, "TMRGCLS")
#pragma map(tmr_copier_new, "TMRKNEW")
#pragma map(tmr_copier_step, "TMRKSTP")
#pragma map(tmr_copier_retake, "TMRKRTK")
#pragma map(tmr_copier_leave_out, "TMRKLVO")
#pragma map(tmr_copier_digest, "TMRKDIG")
#pragma map(tmr_copier_close, "TMRKCLS")
#pragma map(tmr_verify, "TMRVRFY")
#pragma map(tmr_verification_describe, "TMRVRDS")
#pragma map(tmr_verification_difference, "TMRVRDF")
#pragma map(tmr_verification_digest, "TMRVRDG")
#pragma map(tmr_verification_close, "TMRVRCL")
#pragma map(tmr_migration_new, "TMRMNEW")
#pragma map(tmr_migration_resume, "TMRMRSM")
#pragma map(tmr_migration_open, "TMRMOPN")
#pragma map(tmr_migration_take_up, "TMRMTKU")
#pragma map(tmr_migration_reserve, "TMRMRSV")
#pragma map(tmr_migration_step, "TMRMSTP")
#pragma map(tmr_migration_verify, "TMRMVFY")
#pragma map(tmr_migration_quiesce, "TMRMQSC")
#pragma map(tmr_migration_postpone, "TMRMPPN")
#pragma map(tmr_migration_accommodate, "TMRMACC")
#pragma map(tmr_migration_switch, "TMRMSWT")
#pragma map(tmr_migration_back_out, "TMRMBKO")
#pragma map(tmr_migration_complete, "TMRMCPL")
#pragma map(tmr_migration_terminate, "TMRMTRM")
#pragma map(tmr_migration_advance, "TMRMADV")
#pragma map(tmr_migration_status, "TMRMSTA")
#pragma map(tmr_migration_estimate, "TMRMEST")
#pragma map(tmr_migration_tune, "TMRMTUN")
#pragma map(tmr_migration_opener, "TMRMOPR")
#pragma map(tmr_migration_add_image, "TMRMADI")
#pragma map(tmr_migration_retire_image, "TMRMRTI")
#pragma map(tmr_migration_data_set, "TMRMDST")
#pragma map(tmr_migration_close, "TMRMCLS")
#pragma map(tmr_area_size, "TMRASIZ")
#pragma map(tmr_area_open, "TMRAOPN")
#pragma map(tmr_area_in_memory, "TMRAMEM")
#pragma map(tmr_area_image, "TMRAIMG")
#pragma map(tmr_area_retire, "TMRARET")
#pragma map(tmr_area_close, "TMRARCL")
#pragma map(tmr_image_register, "TMRIREG")
#pragma map(tmr_image_begin, "TMRIBEG")
#pragma map(tmr_image_end, "TMRIEND")
#pragma map(tmr_image_note, "TMRINOT")
#pragma map(tmr_image_sign_of_life, "TMRILIF")
#pragma map(tmr_image_close, "TMRICLS")
#pragma map(tmr_subscription_open, "TMRSOPN")
#pragma map(tmr_subscription_fill, "TMRSFIL")
#pragma map(tmr_subscription_left, "TMRSLFT")
#pragma map(tmr_subscription_look, "TMRSLOK")
#pragma map(tmr_subscription_seal, "TMRSSEA")
#pragma map(tmr_subscription_unseal, "TMRSUNS")
#pragma map(tmr_subscription_close, "TMRSCLS")
#pragma map(tmr_subscription_leave, "TMRSLEV")
#pragma map(tmr_reporter_open, "TMRROPN")
#pragma map(tmr_reporter_report, "TMRRREP")
#pragma map(tmr_reporter_acknowledge, "TMRRACK")
#pragma map(tmr_reporter_answer, "TMRRANS")
#pragma map(tmr_reporter_close, "TMRRCLS")
#pragma map(tmr_reporter_resend, "TMRRRSN")
#pragma map(tmr_reporter_farewell, "TMRRFAR")
#pragma map(tmr_reporter_end, "TMRREND")
#pragma map(tmr_receiver_open, "TMRQOPN")
#pragma map(tmr_receiver_absorb, "TMRQABS")
#pragma map(tmr_receiver_barrier, "TMRQBAR")
#pragma map(tmr_receiver_look, "TMRQLOK")
#pragma map(tmr_receiver_retire, "TMRQRET")
#pragma map(tmr_receiver_close, "TMRQCLS")
#pragma map(tmr_receiver_describe, "TMRQDSC")
#pragma map(tmr_agent_new, "TMRNNEW")
#pragma map(tmr_agent_add_volume, "TMRNVOL")
#pragma map(tmr_agent_serve, "TMRNSRV")
#pragma map(tmr_agent_close, "TMRNCLS")
#pragma map(tmr_agent_farewell, "TMRNFAR")
#endif

#ifdef __cplusplus
}
#endif

#endif /* TRACKMIRROR_H */
