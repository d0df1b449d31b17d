"""What jobs of the guest do to the data sets of the selection while they are moved."""
import jobs
from scenario import IMAGES

SELECTION = 'TEST.SEQ.**'
UPDATED = 'TEST.SEQ.FB'
ON = 'CLNA01'
FB = 'RECFM=FB,LRECL=100,BLKSIZE=2000'

# The names in the end, and which of those from before each has its records from.
MOVED = {
    'TEST.SEQ.FB': None,                  # two parts: its own, and what was appended
    'TEST.SEQ.EXT14': 'TEST.SEQ.EXT14',
    'TEST.SEQ.VB': 'TEST.SEQ.EXT14',      # made anew
    'TEST.SEQ.RENAMED': 'TEST.SEQ.FBS',
    'TEST.SEQ.NEW': 'TEST.SEQ.FBS',
    'TEST.SEQ.LATE': 'TEST.SEQ.EXT14',
}
GONE = ('TEST.SEQ.VBS', 'TEST.SEQ.FBS')

# What the migration tells of them: the data set, and words about it.
TOLD_FIRST = (
    ('TEST.SEQ.NEW', 'new'),
    ('TEST.SEQ.RENAMED', 'renamed'),
    ('TEST.SEQ.VBS', 'deleted'),
    # In one step, or in two if it was looked at in between.
    ('TEST.SEQ.VB', ('made anew', 'new;')),
)
TOLD_THEN = (
    ('TEST.SEQ.FB', 'tracks more'),
    ('TEST.SEQ.NEW', 'fewer'),
)
TOLD_AT_THE_CLOSE = (('TEST.SEQ.LATE', 'new'),)


def serial(volser=ON):
    return f'{IMAGES[volser][0]}={volser}'


def change(step, *statements):
    """Statements about the volume and the catalog."""
    return jobs.change_catalog(step, *statements, volsers=('DLIBA1', ON))


def update(name, passes):
    return (f'//\n//{name:<8} JOB 1,RUN,CLASS=B,MSGCLASS=A,MSGLEVEL=(1,1)\n'
            f"//GO      EXEC PGM=UPDLOOP,PARM='{passes}'\n"
            '//STEPLIB DD  DSN=TEST.LOADLIB,DISP=SHR\n'
            f'//FILE    DD  DSN={UPDATED},DISP=OLD\n//\n')


def first(name):
    """Allocates and fills a new one, with more space than it needs; renames one; scratches one; scratches one and makes
    another of its name."""
    return jobs.job(
        name,
        jobs.fill('NEW', 'TEST.SEQ.FBS', 'TEST.SEQ.NEW', ON, 'TRK,(100,20)', FB),
        change('RENAME',
               f'RENAME DSNAME=TEST.SEQ.FBS,VOL={serial()},NEWNAME=TEST.SEQ.RENAMED',
               'UNCATLG DSNAME=TEST.SEQ.FBS',
               f'CATLG DSNAME=TEST.SEQ.RENAMED,VOL={serial()}'),
        change('SCRATCH',
               f'SCRATCH DSNAME=TEST.SEQ.VBS,VOL={serial()}', 'UNCATLG DSNAME=TEST.SEQ.VBS',
               f'SCRATCH DSNAME=TEST.SEQ.VB,VOL={serial()}', 'UNCATLG DSNAME=TEST.SEQ.VB'),
        jobs.fill('ANEW', 'TEST.SEQ.EXT14', 'TEST.SEQ.VB', ON, 'TRK,(50,20)', FB))


def then(name):
    """Extends the one that is updated, beyond its space; gives back what the new one does not need."""
    return jobs.job(
        name,
        jobs.append('EXTEND', 'TEST.SEQ.NEW', UPDATED),
        jobs.release('RELEASE', 'TEST.SEQ.NEW', FB))


def at_the_close(name):
    """One more, when everybody was asked to close."""
    return jobs.job(name, jobs.fill('LATE', 'TEST.SEQ.EXT14', 'TEST.SEQ.LATE', ON, 'TRK,(20,10)', FB))


def verdict(name, kept):
    """The guest compares what is under each old name, or the name that it was kept under, with what its catalog leads
    to; lists volume and catalog; reads through the catalog; allocates on the target."""
    compare = [
        jobs.utility(f'CMP{number}', 'IEBCOMPR', jobs.dd('SYSUT1', kept[moved], ON), jobs.dd('SYSUT2', moved),
                     '//SYSIN   DD DUMMY\n')
        for number, moved in enumerate(MOVED)]
    punch = jobs.utility('PRT', 'IEBPTPCH', jobs.dd('SYSUT1', UPDATED), '//SYSUT2  DD SYSOUT=A\n',
                         jobs.control('PRINT MAXFLDS=1,STOPAFT=3', 'RECORD FIELD=(60)'))
    return jobs.job(name, *compare, jobs.list_vtoc('LST', 'CLNA02'), jobs.list_catalog('CAT', 'DLIBA1'), punch,
                    jobs.allocate('SPACE', 'CLNA02', 'NEW.ON.CLNA02'))


def lookup(name, data_set):
    """A job that needs a data set."""
    return jobs.job(name, jobs.locate('LOOKUP', [data_set]))
