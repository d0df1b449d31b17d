/* Made by `BLESS=1 cargo test --test header` from the library's source: edit that, not this. */
#ifndef TRACKMIRROR_H
#define TRACKMIRROR_H

/*
 * The C interface of trackmirror.
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
#define TMR_UNCATALOGED 1u
/** It can be moved, as far as it alone is concerned. */
#define TMR_DATA_SET_MOVABLE 1u
/** A catalog has an entry that leads to it. */
#define TMR_DATA_SET_CATALOGED 2u
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
/** Keep a digest of the tracks of each entry. */
#define TMR_COPY_DIGESTS 1u
/** No track: the error is not about one. */
#define TMR_NO_TRACK 0xFFFFFFFFu
/** One request of the total space on one volume: the fewest extents. */
#define TMR_MODE_ONE_PRIMARY 1u
/** Each part on a volume of its own, each extent as it was. */
#define TMR_MODE_EXTENT_FOR_EXTENT 2u
/** As few extents as possible, over as many volumes as are needed. */
#define TMR_MODE_BEST_FIT 3u
/** The extents are combined on the data set's own volume. */
#define TMR_PLANNED_COMBINES 1u
/** The version that every table of functions carries. */
#define TMR_TABLE_VERSION 1u
/** Only tracks that hold something, as far as that is known. */
#define TMR_USED_TRACKS 1u
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
/** Return code 12: a change that was handed to the operator's command is not seen. */
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

#ifdef __cplusplus
extern "C" {
#endif

/* Handles ------------------------------------------------------------------------------------------------------ */

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

/** Which data sets go where. Several threads may use it at a time. */
typedef struct tmr_plan tmr_plan;

/** Where a function of the host puts what it found, one after the other, with tmr_sink_put. It is valid during that call only. */
typedef struct tmr_sink tmr_sink;

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
    /**
     * sizeof (tmr_error).
     */
    uint32_t size;
    /**
     * The return code.
     */
    int32_t code;
    /**
     * Why: one of TMR_R_..., or 0.
     */
    uint32_t reason;
    /**
     * The state of the migration that it is about: one of TMR_STATE_..., or 0.
     */
    uint32_t state;
    /**
     * The absolute track number that it is about, or TMR_NO_TRACK.
     */
    uint32_t track;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * The serial of the volume that it is about, or empty.
     */
    char volser[16];
    /**
     * The data set that it is about, or empty.
     */
    char data_set[96];
    /**
     * What was seen and what to do, with the place in front and the reason behind; no newline.
     */
    char sentence[512];
} tmr_error;

/** What an assessment has. */
typedef struct tmr_assessment_info {
    /**
     * sizeof (tmr_assessment_info).
     */
    uint32_t size;
    /**
     * How many data sets it has.
     */
    uint32_t data_set_count;
    /**
     * How many of them can be moved, as far as they alone are concerned.
     */
    uint32_t movable_count;
    /**
     * On how many volumes they lie.
     */
    uint32_t volume_count;
    /**
     * How many extents they have together.
     */
    uint64_t extent_count;
    /**
     * How many tracks they have together.
     */
    uint64_t track_count;
} tmr_assessment_info;

/** What a data set is. Of one that was not found as a whole there are no more than the name and the refusals. */
typedef struct tmr_data_set {
    /**
     * sizeof (tmr_data_set).
     */
    uint32_t size;
    /**
     * TMR_DATA_SET_...
     */
    uint32_t flags;
    /**
     * On how many volumes it lies.
     */
    uint32_t volume_count;
    /**
     * How many extents it has.
     */
    uint32_t extent_count;
    /**
     * How many tracks they have together.
     */
    uint32_t track_count;
    /**
     * How many reasons there are not to move it.
     */
    uint32_t refusal_count;
    /**
     * How many catalogs have an entry that leads to it.
     */
    uint32_t entry_count;
    /**
     * Its last used track, counted from its start, over all its volumes; TMR_NO_TRACK if the DSCBs do not say.
     */
    uint32_t last_used;
    /**
     * DS1DSORG, its organization.
     */
    uint32_t dsorg;
    /**
     * DS1RECFM, its record format.
     */
    uint32_t recfm;
    /**
     * DS1BLKL, its block size.
     */
    uint32_t blksize;
    /**
     * DS1LRECL, its record length.
     */
    uint32_t lrecl;
    /**
     * Its name.
     */
    char data_set[96];
} tmr_data_set;

/** A run of tracks of one volume. It stands in lists, and so has no size of its own. */
typedef struct tmr_extent {
    /**
     * The serial of the volume. It may be empty where only one volume can be meant.
     */
    char volser[16];
    /**
     * The absolute number of the first track.
     */
    uint32_t first;
    /**
     * How many tracks.
     */
    uint32_t track_count;
    /**
     * Zero.
     */
    uint32_t reserved[2];
} tmr_extent;

/** What became of data sets, in numbers. */
typedef struct tmr_changes_info {
    /**
     * sizeof (tmr_changes_info).
     */
    uint32_t size;
    /**
     * How many data sets there are: all that were there, and those that are new.
     */
    uint32_t data_set_count;
    /**
     * Of how many of them something differs.
     */
    uint32_t differing_count;
    /**
     * Zero.
     */
    uint32_t reserved;
} tmr_changes_info;

/** What became of one data set. */
typedef struct tmr_allocation_change {
    /**
     * sizeof (tmr_allocation_change).
     */
    uint32_t size;
    /**
     * What became of it as a whole: TMR_FATE_...
     */
    uint32_t fate;
    /**
     * 1 if anything differs, else 0.
     */
    uint32_t differs;
    /**
     * What differs in its DSCBs, if it is persistent or renamed: TMR_FIELD_... added up.
     */
    uint32_t fields;
    /**
     * In how many catalogs its entry differs.
     */
    uint32_t entry_count;
    /**
     * How many of those lead elsewhere: to other volumes, to another F1, or to or from nowhere.
     */
    uint32_t leading_elsewhere_count;
    /**
     * How many runs of tracks came to it; they are the first ones of tmr_changes_run.
     */
    uint32_t gained_run_count;
    /**
     * How many runs of tracks left it; they are the others of tmr_changes_run.
     */
    uint32_t lost_run_count;
    /**
     * How many tracks came.
     */
    uint64_t gained_track_count;
    /**
     * How many tracks left.
     */
    uint64_t lost_track_count;
    /**
     * Its name as it was, or that of a new data set.
     */
    char data_set[96];
    /**
     * Its name as it is; empty if it is gone.
     */
    char present_name[96];
    /**
     * All of that in words; no newline.
     */
    char sentence[512];
} tmr_allocation_change;

/** A run of tracks that came to a data set or left it. */
typedef struct tmr_changed_run {
    /**
     * sizeof (tmr_changed_run).
     */
    uint32_t size;
    /**
     * How they came or left: TMR_GAIN_... or TMR_LOSS_...
     */
    uint32_t how;
    /**
     * The place of the first one, counted from the start of the data set as it is, or as it was if they left.
     */
    uint32_t place;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * The tracks.
     */
    struct tmr_extent tracks;
} tmr_changed_run;

/** How a copier works. NULL stands for all zero. */
typedef struct tmr_copier_options {
    /**
     * sizeof (tmr_copier_options).
     */
    uint32_t size;
    /**
     * How many threads copy inside a step, the caller's included: at most 256; 0 is 1.
     */
    uint32_t threads;
    /**
     * The most tracks of one read and one write, at most 1024; 0 leaves it to the library.
     */
    uint32_t batch_tracks;
    /**
     * TMR_COPY_DIGESTS, or 0.
     */
    uint32_t options;
    /**
     * Zero.
     */
    uint32_t reserved[2];
} tmr_copier_options;

/** What a step did, what is left, and what was done since the copier was made. A track that was copied twice counts twice. */
typedef struct tmr_progress {
    /**
     * sizeof (tmr_progress).
     */
    uint32_t size;
    /**
     * How many tracks the step copied and made durable.
     */
    uint32_t copied;
    /**
     * How many tracks the step left because they were being written when they were read.
     */
    uint32_t torn;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * How many tracks are still to be copied.
     */
    uint64_t left;
    /**
     * How often all tracks had their turn.
     */
    uint64_t pass_count;
    /**
     * Tracks written by all steps.
     */
    uint64_t total_track_count;
    /**
     * Bytes of their images.
     */
    uint64_t total_byte_count;
    /**
     * Their records behind R0.
     */
    uint64_t total_record_count;
    /**
     * Counts that carried another address than their track's, and were kept as they are.
     */
    uint64_t total_foreign_count;
} tmr_progress;

/** What is to be moved. The lists are words with blanks or commas between; they are needed until the call returns. */
typedef struct tmr_selection {
    /**
     * sizeof (tmr_selection).
     */
    uint32_t size;
    /**
     * How the target's space is chosen: one of TMR_MODE_...; 0 is TMR_MODE_ONE_PRIMARY.
     */
    uint32_t mode;
    /**
     * TMR_UNCATALOGED, or 0.
     */
    uint32_t options;
    /**
     * How much more space a target gets than its source has, in percent: for sources that grow meanwhile.
     */
    uint32_t slack;
    /**
     * Which data sets: names and masks, such as "TEST.** PROD.A".
     */
    const char *masks;
    /**
     * The serials of the volumes that they are on.
     */
    const char *sources;
    /**
     * The serials of the volumes that they may go to; those named first are preferred.
     */
    const char *targets;
} tmr_selection;

/** What a plan has. */
typedef struct tmr_plan_info {
    /**
     * sizeof (tmr_plan_info).
     */
    uint32_t size;
    /**
     * TMR_MODE_...
     */
    uint32_t mode;
    /**
     * TMR_UNCATALOGED, or 0.
     */
    uint32_t options;
    /**
     * How much more space a target gets, in percent.
     */
    uint32_t slack;
    /**
     * How many data sets it moves.
     */
    uint32_t data_set_count;
    /**
     * How many data sets were selected and cannot be moved.
     */
    uint32_t refused_count;
    /**
     * How many volumes the data sets lie on.
     */
    uint32_t source_volume_count;
    /**
     * How many volumes they go to.
     */
    uint32_t target_volume_count;
    /**
     * How many tracks they have together.
     */
    uint64_t track_count;
} tmr_plan_info;

/** A data set of a plan. */
typedef struct tmr_planned_data_set {
    /**
     * sizeof (tmr_planned_data_set).
     */
    uint32_t size;
    /**
     * TMR_PLANNED_COMBINES, or 0.
     */
    uint32_t flags;
    /**
     * How many volumes it lies on.
     */
    uint32_t source_volume_count;
    /**
     * How many volumes it goes to.
     */
    uint32_t target_volume_count;
    /**
     * How many extents it has.
     */
    uint32_t source_extent_count;
    /**
     * How many extents it gets.
     */
    uint32_t target_extent_count;
    /**
     * How many tracks it has.
     */
    uint32_t track_count;
    /**
     * How many of them, from its start on, hold something; all of them where nobody knows.
     */
    uint32_t used_track_count;
    /**
     * How many tracks it gets, slack included.
     */
    uint64_t target_track_count;
    /**
     * Its name.
     */
    char data_set[96];
} tmr_planned_data_set;

/** A run of tracks that goes to another one of the same length. It stands in lists, one behind the other, and so has no size. */
typedef struct tmr_entry {
    /**
     * The serial of the volume of the source.
     */
    char source_volser[16];
    /**
     * The serial of the volume of the target.
     */
    char target_volser[16];
    /**
     * The absolute number of the source's first track.
     */
    uint32_t source_first;
    /**
     * The absolute number of the target's first track.
     */
    uint32_t target_first;
    /**
     * How many tracks.
     */
    uint32_t track_count;
    /**
     * Zero.
     */
    uint32_t reserved;
} tmr_entry;

/** What a table has. */
typedef struct tmr_table_info {
    /**
     * sizeof (tmr_table_info).
     */
    uint32_t size;
    /**
     * How many entries it has: source extents. They keep the order in which they were given.
     */
    uint32_t entry_count;
    /**
     * How many runs it has: pieces of entries that are in one piece on source and target.
     */
    uint32_t run_count;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * On how many volumes its sources lie.
     */
    uint32_t source_volume_count;
    /**
     * On how many volumes its targets lie.
     */
    uint32_t target_volume_count;
    /**
     * How many tracks its sources have together.
     */
    uint64_t track_count;
} tmr_table_info;

/** The place of a track. */
typedef struct tmr_location {
    /**
     * sizeof (tmr_location).
     */
    uint32_t size;
    /**
     * The absolute number of the track.
     */
    uint32_t track;
    /**
     * The number of the entry that has it, from 0 on.
     */
    uint32_t entry;
    /**
     * Its place in that entry, from 0 on.
     */
    uint32_t place;
    /**
     * The serial of the volume.
     */
    char volser[16];
} tmr_location;

/** What a comparison found, in numbers. */
typedef struct tmr_verification_info {
    /**
     * sizeof (tmr_verification_info).
     */
    uint32_t size;
    /**
     * How many differences can be asked for: the first 1000 of them.
     */
    uint32_t listed_count;
    /**
     * How many tracks were compared.
     */
    uint64_t track_count;
    /**
     * How many of them differ.
     */
    uint64_t difference_count;
} tmr_verification_info;

/** A track that is not the same on source and target. */
typedef struct tmr_difference {
    /**
     * sizeof (tmr_difference).
     */
    uint32_t size;
    /**
     * The absolute number of the track of the source.
     */
    uint32_t source_track;
    /**
     * The absolute number of the track where it should be.
     */
    uint32_t target_track;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * The serial of the volume of the source.
     */
    char source_volser[16];
    /**
     * The serial of the volume of the target.
     */
    char target_volser[16];
    /**
     * What differs; no newline. It says where records differ, never what is in them.
     */
    char sentence[512];
} tmr_difference;

/** What a volume is. */
typedef struct tmr_volume_info {
    /**
     * sizeof (tmr_volume_info).
     */
    uint32_t size;
    /**
     * How many cylinders it has.
     */
    uint32_t cylinders;
    /**
     * How many tracks each of them has. The device tells; a host leaves it 0.
     */
    uint32_t heads;
    /**
     * How many tracks it has. The device and the cylinders tell; a host leaves it 0.
     */
    uint32_t track_count;
    /**
     * How many bytes each track has in a buffer; 0 from a host: as many as the device's tracks need.
     */
    uint32_t slot_size;
    /**
     * TMR_VOLUME_...
     */
    uint32_t flags;
    /**
     * Its serial.
     */
    char volser[16];
    /**
     * Its device: a model, such as 3390-3; or from a host only its type, 3390: then the cylinders tell the model.
     */
    char device[16];
    /**
     * Where it lies, for messages: a file's name, or what the host calls it. See TMR_VOLUME_FILE.
     */
    char location[256];
} tmr_volume_info;

/**
 * The functions of a host's own volume. Each gives back a return code, and fills the error block in if that is 8 or 12. They
 * are called by any thread, also by several at a time. A buffer has slots of the volume's slot size, one for each track: home
 * address, R0, records, end marker of eight bytes FF.
 */
typedef struct tmr_volume_functions {
    /**
     * sizeof (tmr_volume_functions).
     */
    uint32_t size;
    /**
     * TMR_TABLE_VERSION.
     */
    uint32_t version;
    /**
     * Handed to each function.
     */
    void *user;
    /**
     * Called once with `user`, when the library needs the table no more. May be NULL.
     */
    tmr_release release;
    /**
     * Reads a run of tracks into the buffer.
     */
    int32_t (*read)(void *user,
                    uint32_t first,
                    uint32_t track_count,
                    void *buffer,
                    uint64_t length,
                    struct tmr_error *error);
    /**
     * Writes a run of tracks. They are durable after `flush`. NULL if the volume can only be read.
     */
    int32_t (*write)(void *user,
                     uint32_t first,
                     uint32_t track_count,
                     const void *buffer,
                     uint64_t length,
                     struct tmr_error *error);
    /**
     * Makes everything that was written durable, also what other programs of this machine wrote.
     */
    int32_t (*flush)(void *user,
                     struct tmr_error *error);
    /**
     * Waits for TMR_LOCK_VTOC or TMR_LOCK_CATALOG, and takes it. NULL, with `unlock`: locks of this process serve.
     */
    int32_t (*lock)(void *user,
                    uint32_t lock,
                    struct tmr_error *error);
    /**
     * Lets go of it.
     */
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
 * Gives back: what that function gives back; 8 if there is none of this number, or an address is NULL.
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
 * Does: writes a label and an empty VTOC; what was on the volume is lost. `owner` may be NULL.
 * Gives back: 0; 8 for a serial that no volume can have, or one that is not the one the volume was opened under.
 * Threads: one.
 * When: while the volume is open for TMR_EXCLUSIVE, or is in memory, or the host's.
 * Alias: TMRVINI, TMR_F_VOLUME_INITIALIZE.
 */
int32_t tmr_volume_initialize(const struct tmr_volume *volume, const char *volser, const char *owner,
                              struct tmr_error *error);

/**
 * Does: ends the use of a volume, and clears the pointer. What was made with it (a host, a copier) keeps it open as long as it
 *   needs it.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no volume.
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
 * Does: ends a host, and clears the pointer. What was made with it keeps what it needs.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no host, or in use.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRHCLS, TMR_F_HOST_CLOSE.
 */
int32_t tmr_host_close(struct tmr_host **host);

/* What a data set is, what forbids moving it, and where it would go -------------------------------------------- */

/**
 * Does: finds out what data sets are and occupy, and what forbids moving them. `masks` is a list of names and masks with blanks or
 *   commas between, such as "TEST.** PROD.A"; `volsers` a list of volumes of the host, or NULL for all. `options` is
 *   TMR_UNCATALOGED, or 0. Nothing is changed.
 * Gives back: 0 and the assessment, to be closed with tmr_assessment_close; 4 and the assessment if some data sets cannot be
 *   moved; 8 if a volume is not the host's, or a mask is none; 12 if a volume or a catalog cannot be read.
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
 * Does: says where a data set of an assessment lies: its extents, numbered from 0 on, in their order, over all its volumes.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the assessment is open.
 * Alias: TMRAEXT, TMR_F_ASSESSMENT_EXTENT.
 */
int32_t tmr_assessment_extent(const struct tmr_assessment *assessment, uint32_t index, uint32_t extent,
                              struct tmr_extent *tracks, struct tmr_error *error);

/**
 * Does: says why a data set of an assessment cannot be moved. Its reasons (`which`) are numbered from 0 on.
 * Gives back: 0, and the reason in `refusal`, with the data set; 8 with the reason TMR_R_NO_MORE if there is none of this
 *   number.
 * Threads: several may at a time.
 * When: while the assessment is open.
 * Alias: TMRAREF, TMR_F_ASSESSMENT_REFUSAL.
 */
int32_t tmr_assessment_refusal(const struct tmr_assessment *assessment, uint32_t index, uint32_t which,
                               struct tmr_error *refusal, struct tmr_error *error);

/**
 * Does: compares two assessments: what became of each data set of the first, and which data sets are new. New is what has a name
 *   that the masks of the first select. The second should have been made with the mask **, or data sets that were renamed are
 *   called deleted. `metadata` is one of TMR_METADATA_...
 * Gives back: 0 and the changes, to be closed with tmr_changes_close, if nothing differs; 4 and the changes if something does.
 * Threads: several may at a time.
 * When: while both assessments are open; they may be closed then.
 * Alias: TMRACMP, TMR_F_ASSESSMENT_COMPARE.
 */
int32_t tmr_assessment_compare(const struct tmr_assessment *stored, const struct tmr_assessment *present,
                               uint32_t metadata, struct tmr_changes **changes, struct tmr_error *error);

/**
 * Does: says what became of a data set. They are numbered from 0 on: those of the first assessment in their order, and behind
 *   them what is new.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the changes are open.
 * Alias: TMRCHGG, TMR_F_CHANGES_GET.
 */
int32_t tmr_changes_get(const struct tmr_changes *changes, uint32_t index,
                        struct tmr_allocation_change *change, struct tmr_error *error);

/**
 * Does: ends the use of changes, and clears the pointer.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is none.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRCHGC, TMR_F_CHANGES_CLOSE.
 */
int32_t tmr_changes_close(struct tmr_changes **changes);

/**
 * Does: ends an assessment, and clears the pointer. What was made of it keeps what it needs.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no assessment.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRACLS, TMR_F_ASSESSMENT_CLOSE.
 */
int32_t tmr_assessment_close(struct tmr_assessment **assessment);

/**
 * Does: says which tracks came to a data set, in the order in which it has them, and behind those which left it, in the order in
 *   which it had them. The runs are numbered from 0 on.
 * Gives back: 0; 8 with the reason TMR_R_NO_MORE if there is none of this number.
 * Threads: several may at a time.
 * When: while the changes are open.
 * Alias: TMRCHGR, TMR_F_CHANGES_RUN.
 */
int32_t tmr_changes_run(const struct tmr_changes *changes, uint32_t index, uint32_t run,
                        struct tmr_changed_run *tracks, struct tmr_error *error);

/**
 * Does: finds out which of the selected data sets can be moved, and where to. Nothing is changed.
 * Gives back: 0 and the plan, to be closed with tmr_plan_close; 4 and the plan if some data sets, or all, are refused
 *   (tmr_plan_refusal); 8 if nothing is selected, or a volume is not the host's; 12 if one cannot be read.
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
 * Does: says why a data set that was selected is not in the plan. The refused data sets are numbered from 0 on, in the order
 *   of their names, and so are the reasons (`which`) of each; there is at least one.
 * Gives back: 0, and the reason in `refusal`, with the data set; 8 with the reason TMR_R_NO_MORE if there is none of this
 *   number.
 * Threads: several may at a time.
 * When: while the plan is open.
 * Alias: TMRPREF, TMR_F_PLAN_REFUSAL.
 */
int32_t tmr_plan_refusal(const struct tmr_plan *plan, uint32_t index, uint32_t which,
                         struct tmr_error *refusal, struct tmr_error *error);

/**
 * Does: ends a plan, and clears the pointer. What was made of it keeps what it needs.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no plan.
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
 * Does: makes a table of `count` entries, each of which says where a run of tracks goes. No track may be in two of them, nor be
 *   source and target.
 * Gives back: 0 and the table, to be closed with tmr_table_close; 8 if that cannot be.
 * Threads: any.
 * When: at any time.
 * Alias: TMRTNEW, TMR_F_TABLE_NEW.
 */
int32_t tmr_table_new(const struct tmr_entry *entries, uint32_t count, struct tmr_table **table,
                      struct tmr_error *error);

/**
 * Does: makes a table by laying two lists of extents beside each other: the tracks of the sources go, in order, to the tracks of
 *   the targets. Targets that are left over stay unused. Each source extent is one entry.
 * Gives back: 0 and the table, to be closed with tmr_table_close; 8 if the targets have fewer tracks than the sources, or a track
 *   is in two extents.
 * Threads: any.
 * When: at any time.
 * Alias: TMRTMAP, TMR_F_TABLE_MAP.
 */
int32_t tmr_table_map(const struct tmr_extent *sources, uint32_t source_count,
                      const struct tmr_extent *targets, uint32_t target_count, struct tmr_table **table,
                      struct tmr_error *error);

/**
 * Does: makes the table of a plan: one entry for each source extent of each data set, in their order. `options` is
 *   TMR_USED_TRACKS to leave out what holds nothing, or 0.
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
 * Does: says where a run of tracks goes that is in one piece on source and target, and in one entry. The runs are numbered from 0
 *   on, in ascending order of the source.
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
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no table.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRTCLS, TMR_F_TABLE_CLOSE.
 */
int32_t tmr_table_close(struct tmr_table **table);

/**
 * Does: says which source extent an entry is. Entries are numbered from 0 on, in the order in which they were given.
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
 * Does: finds the first run of tracks in the set that begins at track `from` or behind it, or its first `track_count_max` tracks.
 * Gives back: 4 and the run; 0 if there is none; 8 if `from` lies behind the volume's end.
 * Threads: several may at a time, on one set.
 * When: while the set is open.
 * Alias: TMRGNXT, TMR_F_CHANGED_NEXT.
 */
int32_t tmr_changed_next(const struct tmr_changed *changed, uint32_t from, uint32_t track_count_max,
                         uint32_t *first, uint32_t *track_count, struct tmr_error *error);

/**
 * Does: moves what is in the set now into a set of its own. A track that is added meanwhile is in one of the two at least. Read the
 *   tracks behind this call, and add them again if that fails.
 * Gives back: 0 and the other set, to be closed with tmr_changed_close.
 * Threads: several may at a time, on one set.
 * When: while the set is open.
 * Alias: TMRGTAK, TMR_F_CHANGED_TAKE.
 */
int32_t tmr_changed_take(const struct tmr_changed *changed, struct tmr_changed **taken,
                         struct tmr_error *error);

/**
 * Does: ends a set, and clears the pointer.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is no set.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRGCLS, TMR_F_CHANGED_CLOSE.
 */
int32_t tmr_changed_close(struct tmr_changed **changed);

/* Copying, and comparing --------------------------------------------------------------------------------------- */

/**
 * Does: makes a copier for a table, whose volumes are the host's. `options` may be NULL. Nobody may write to the sources while it
 *   copies. Nothing is copied yet.
 * Gives back: 0 and the copier, to be closed with tmr_copier_close; 8 if a volume is not the host's, or too small, or of another
 *   device, or a target can only be read.
 * Threads: one at a time with this host; several may at a time with this table.
 * When: at any time; host and table may be closed then.
 * Alias: TMRKNEW, TMR_F_COPIER_NEW.
 */
int32_t tmr_copier_new(const struct tmr_table *table, const struct tmr_host *host,
                       const struct tmr_copier_options *options, struct tmr_copier **copier,
                       struct tmr_error *error);

/**
 * Does: copies at most `track_count_max` tracks, and makes them durable. What failed is still to be copied, what did not is not, and
 *   the step may be called again.
 * Gives back: 0 if nothing is left; 4 if there is more to do; 8 or 12 if a track could not be copied.
 * Threads: one at a time.
 * When: while the copier is open.
 * Alias: TMRKSTP, TMR_F_COPIER_STEP.
 */
int32_t tmr_copier_step(struct tmr_copier *copier, uint32_t track_count_max, struct tmr_progress *progress,
                        struct tmr_error *error);

/**
 * Does: puts source tracks back to what is still to be copied.
 * Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if one of them is in no source of the table, and then none is put back.
 * Threads: one at a time.
 * When: while the copier is open.
 * Alias: TMRKRTK, TMR_F_COPIER_RETAKE.
 */
int32_t tmr_copier_retake(struct tmr_copier *copier, const char *volser, uint32_t first,
                          uint32_t track_count, struct tmr_error *error);

/**
 * Does: takes source tracks from what is still to be copied, without copying them: they were copied before, or hold nothing.
 * Gives back: 0; 8 with the reason TMR_R_NOT_IN_TABLE if one of them is in no source of the table, and then none is left out.
 * Threads: one at a time.
 * When: while the copier is open.
 * Alias: TMRKLVO, TMR_F_COPIER_LEAVE_OUT.
 */
int32_t tmr_copier_leave_out(struct tmr_copier *copier, const char *volser, uint32_t first,
                             uint32_t track_count, struct tmr_error *error);

/**
 * Does: says the digest of the tracks of an entry of the table, addresses aside.
 * Gives back: 0 and the digest; 4 and no digest if not all of its tracks were copied by this copier, or no digests are kept
 *   (TMR_COPY_DIGESTS); 8 with the reason TMR_R_NO_MORE if there is no entry of this number.
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
 * Does: compares the sources of a table with its targets, record by record, by so many threads (0 is 1). Nothing is written.
 * Gives back: 0 and what was found if they are equal, 4 and what was found if they are not; to be closed with
 *   tmr_verification_close. A track that cannot be read is a difference. 8 if a volume is not the host's, or does not fit the table.
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
 * Does: says the digest of the source tracks of an entry of the table, addresses aside: the same as tmr_copier_digest.
 * Gives back: 0 and the digest; 4 and no digest if one of its tracks cannot be read or does not check; 8 with the reason
 *   TMR_R_NO_MORE if there is no entry of this number.
 * Threads: several may at a time.
 * When: while the verification is open.
 * Alias: TMRVRDG, TMR_F_VERIFICATION_DIGEST.
 */
int32_t tmr_verification_digest(const struct tmr_verification *verification, uint32_t entry,
                                uint32_t *digest, struct tmr_error *error);

/**
 * Does: ends the use of what a comparison found, and clears the pointer.
 * Gives back: 0, also for NULL, and for a pointer to NULL; 8 if it is none.
 * Threads: the last one that uses it.
 * When: once.
 * Alias: TMRVRCL, TMR_F_VERIFICATION_CLOSE.
 */
int32_t tmr_verification_close(struct tmr_verification **verification);

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
#endif

#ifdef __cplusplus
}
#endif

#endif /* TRACKMIRROR_H */
