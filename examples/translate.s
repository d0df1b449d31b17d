# translate: the library called from assembler, with a list of addresses in register 1. For Linux on s390x (64 bits):
#
#     s390x-linux-gnu-gcc -o translate translate.s -ltrackmirror && ./translate
#
# A data set of two extents was moved into one: which track of the target holds what was on track 505 of the source?
#
# Who writes HLASM on z/OS finds here what he is used to, in GNU's spelling:
#
#     here                            HLASM
#     .long 2, .quad A                DC F'2', DC AD(A)
#     .ascii "VOL001"                 DC C'VOL001', in ASCII: texts of the library are ASCII on every machine
#     larl %r1, LIST                  LARL R1,LIST
#     brasl %r14, TMRLINK             the CALL macro, which ends with BASR R14,R15
#     TMR 81, LIST                    CALL TMRTMAP,(...),MF=(E,LIST)
#     stmg, lmg, %r15 as a stack      SAVE and RETURN, register 13 and its save areas
#
# Structures and numbers are those of include/trackmirror.h; the macros in include/trackmirror.mac map them for HLASM.

# The numbers of functions.
        .equ    TMR_F_TABLE_MAP, 81
        .equ    TMR_F_TABLE_TO_TARGET, 85
        .equ    TMR_F_TABLE_CLOSE, 87

# Calls a function by its number: register 1 gets the list, register 0 the number; the return code comes back in register 2.
# A list has the address of each parameter, and each leads to the parameter itself: to a fullword if it is a
# number of 32 bits, to a doubleword with an address if it is a pointer. (The last one is not marked by its high bit: the
# library knows how many there are.)
        .macro  TMR function, list
        lhi     %r0, \function
        larl    %r1, \list
        brasl   %r14, TMRLINK
        .endm

        .text
        .balign 8

# From registers 0 and 1 to C's: the number in register 2, the list in register 3. It needs no save area of its own, because
# it goes on to the library instead of calling it: that returns to the caller by register 14.
        .type   TMRLINK, @function
TMRLINK:
        llgfr   %r2, %r0
        lgr     %r3, %r1
        jg      TMRCALL@PLT

        .globl  main
        .type   main, @function
main:
        stmg    %r6, %r15, 48(%r15)     # the caller's registers, in the save area that he gave
        lgr     %r1, %r15
        aghi    %r15, -160              # a save area for those whom we call
        stg     %r1, 0(%r15)            # the back chain

        TMR     TMR_F_TABLE_MAP, MAPLIST
        chi     %r2, 4                  # 8 and more: nothing was done, and the error block says why
        jh      failed

        TMR     TMR_F_TABLE_TO_TARGET, TOLIST
        chi     %r2, 4
        jh      failed

        larl    %r2, ANSWER             # printf (ANSWER, track, its track there, serial there)
        larl    %r3, TRACK
        llgf    %r3, 0(%r3)
        larl    %r5, LOCATION + 16
        larl    %r4, LOCATION
        llgf    %r4, 4(%r4)
        brasl   %r14, printf@PLT

        TMR     TMR_F_TABLE_CLOSE, CLOSELST
        lhi     %r2, 0
        j       return

failed:
        lgr     %r6, %r2                # the return code is this program's, too
        larl    %r2, REFUSAL            # printf (REFUSAL, sentence)
        larl    %r3, ERROR + 136
        brasl   %r14, printf@PLT
        TMR     TMR_F_TABLE_CLOSE, CLOSELST     # a table that was not made is NULL, and nothing to close
        lgr     %r2, %r6

return:
        lgfr    %r2, %r2
        aghi    %r15, 160
        lmg     %r6, %r15, 48(%r15)
        br      %r14

        .section .rodata
ANSWER: .asciz  "track %u of the source is track %u of %s\n"
REFUSAL: .asciz "translate: %s\n"
VOLSER: .asciz  "VOL001"

        .data
        .balign 8

# An extent (tmr_extent): serial, first track, how many tracks, two words of zeros.
        .macro  EXTENT volser, first, tracks
        .ascii  "\volser"
        .zero   10
        .long   \first, \tracks, 0, 0
        .endm

SOURCES:
        EXTENT  VOL001, 100, 30
        EXTENT  VOL001, 500, 20
TARGETS:
        EXTENT  VOL002, 15, 50

# The error block (tmr_error), and where a track is (tmr_location). Each begins with its size.
ERROR:  .long   648
        .zero   644
LOCATION:
        .long   32
        .zero   28

# The parameters ...
TABLE:  .quad   0                       # the handle, which the library gives
SOURCESP: .quad SOURCES
SOURCESN: .long 2
TARGETSN: .long 1
TARGETSP: .quad TARGETS
TABLEP: .quad   TABLE
VOLSERP: .quad  VOLSER
LOCATNP: .quad  LOCATION
ERRORP: .quad   ERROR
TRACK:  .long   505
        .balign 8

# ... and the lists of their addresses:
#   tmr_table_map (sources, source_count, targets, target_count, &table, &error)
MAPLIST: .quad  SOURCESP, SOURCESN, TARGETSP, TARGETSN, TABLEP, ERRORP
#   tmr_table_to_target (table, volser, track, &location, &error)
TOLIST: .quad   TABLE, VOLSERP, TRACK, LOCATNP, ERRORP
#   tmr_table_close (&table)
CLOSELST: .quad TABLEP

        .section .note.GNU-stack, "", @progbits
