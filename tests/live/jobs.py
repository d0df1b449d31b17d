"""The jobs of the guest, as text."""
from scenario import DA, IMAGES, PO

# A BDAM data set read as a sequential one with keys; without LRECL IEBCOMPR refuses it (IEB212I).
KEYED_DCB = ',\n//             DCB=(DSORG=PS,RECFM=F,LRECL=200,BLKSIZE=200,KEYLEN=8)'


def job(name, *job_steps):
    """A job; the empty cards around it end what the reader may hold of an earlier one."""
    return f'//\n//{name:<8} JOB 1,JUDGE,CLASS=A,MSGCLASS=A,MSGLEVEL=(1,1)\n{"".join(job_steps)}//\n'


def dd(ddname, name, volsers=None, kind=None, disposition='SHR'):
    """A data set on these volumes, or found through the catalog."""
    place = ''
    if volsers:
        unit = IMAGES[volsers.split(',')[0]][0]
        parts = volsers.count(',') + 1
        unit = f'({unit},{parts})' if parts > 1 else unit
        serials = f'({volsers})' if parts > 1 else volsers
        place = f',UNIT={unit},VOL=SER={serials}'
    return f'//{ddname:<8} DD DISP={disposition}{place}{KEYED_DCB if kind == DA else ""},\n//             DSN={name}\n'


def control(*statements):
    return '//SYSIN   DD *\n' + ''.join(f' {statement}\n' for statement in statements) + '/*\n'


def volume_dds(*volsers):
    """What the system utilities need to be allowed to mount."""
    return ''.join(
        f'//DD{number}     DD DISP=OLD,UNIT={IMAGES[volser][0]},VOL=SER={volser}\n'
        for number, volser in enumerate(volsers))


def utility(step, program, *cards):
    return f'//{step:<8} EXEC PGM={program}\n//SYSPRINT DD SYSOUT=A\n' + ''.join(cards)


def compare(data_set, one, other):
    """IEBCOMPR: each of the two is (name, volumes or None)."""
    kind = data_set.kind
    return utility(
        data_set.step, 'IEBCOMPR',
        dd('SYSUT1', *one, kind=kind), dd('SYSUT2', *other, kind=kind),
        control(f'COMPARE TYPORG={"PO" if kind == PO else "PS"}'))


def list_vtoc(step, volser):
    return utility(step, 'IEHLIST', volume_dds(volser), control(f'LISTVTOC FORMAT,VOL={serial(volser)}'))


def list_directory(step, name, volser):
    return utility(step, 'IEHLIST', volume_dds(volser), control(f'LISTPDS DSNAME={name},VOL={serial(volser)}'))


def list_catalog(step, volser):
    return utility(step, 'IEHLIST', volume_dds(volser), control(f'LISTCTLG VOL={serial(volser)}'))


def serial(volser):
    return f'{IMAGES[volser][0]}={volser}'


def allocate(step, volser, name):
    """A new data set with one record, two cylinders in one extent."""
    return utility(
        step, 'IEBGENER', '//SYSIN   DD DUMMY\n//SYSUT1  DD *\nWRITTEN BY THE GUEST\n/*\n',
        f'//SYSUT2  DD DISP=(,KEEP),UNIT={IMAGES[volser][0]},VOL=SER={volser},\n'
        f'//             DSN={name},SPACE=(CYL,2,,CONTIG),\n'
        '//             DCB=(RECFM=FB,LRECL=80,BLKSIZE=800)\n')


def run_program(step, program, parameter, library, *cards):
    """A program from a library that is found through the catalog."""
    return f"//{step:<8} EXEC PGM={program},PARM='{parameter}'\n//STEPLIB DD DISP=SHR,DSN={library}\n" + ''.join(cards)


def fill(step, source, name, volser, space, dcb):
    """A new data set, cataloged, with the records of another one."""
    return utility(
        step, 'IEBGENER', '//SYSIN   DD DUMMY\n', dd('SYSUT1', source),
        f'//SYSUT2  DD DISP=(,CATLG),UNIT={IMAGES[volser][0]},VOL=SER={volser},\n'
        f'//             DSN={name},SPACE=({space}),\n'
        f'//             DCB=({dcb})\n')


def append(step, source, name):
    """The records of a data set behind those of another one, which is extended if its space does not suffice."""
    return utility(
        step, 'IEBGENER', '//SYSIN   DD DUMMY\n', dd('SYSUT1', source), dd('SYSUT2', name, disposition='MOD'))


def release(step, name, dcb):
    """Appends nothing, and gives back the space behind the last record."""
    return utility(
        step, 'IEBGENER', '//SYSIN   DD DUMMY\n', f'//SYSUT1  DD DUMMY,DCB=({dcb})\n',
        f'//SYSUT2  DD DISP=MOD,DSN={name},SPACE=(TRK,(1,1),RLSE)\n')


def change_catalog(step, *statements, volsers=('DLIBA1', 'CLNA01')):
    return utility(step, 'IEHPROGM', volume_dds(*volsers), control(*statements))


def locate(step, names):
    """A step that needs these data sets and does nothing with them: each must be found through the catalog."""
    return f'//{step:<8} EXEC PGM=IEFBR14\n' + ''.join(
        dd(f'FOUND{number}', name) for number, name in enumerate(names))
