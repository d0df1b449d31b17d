"""Second half: OS/VS1 is booted from the system volume whose catalog was changed, and judges what was moved.

It compares each moved data set with what was kept of it, with a copy from before, and, so that a comparison that cannot
fail would be noticed, with a damaged twin; it finds them through the catalogs, runs a program from a moved library on
moved data sets, allocates new ones beside them, and lists VTOCs, directories and catalogs.

usage: judge.py SCRATCH SHARED"""
import os
import re
import sys

import jobs
from guest import Guest, allocated
from image import Image
from move import copy
from scenario import DA, IMAGES, LOCATED, PO, Scratch, all_moved

MOUNTED_FIRST = ('CLNA01', 'TGTA01', 'TWIN01', 'ORIG01', 'CLNC01', 'TGTC01', 'SMP004', 'TGTB01')


class Judge:
    def __init__(self, folder, shared):
        self.scratch = Scratch(folder)
        self.kept = self.scratch.load('kept.json')
        self.verdicts = []
        self.make_twin()
        self.guest = Guest(shared, folder)
        for volser in MOUNTED_FIRST:
            self.mount(volser)

    def mount(self, volser):
        device, unit, image = IMAGES[volser]
        self.guest.mount(unit, device, image, volser)

    def make_twin(self):
        """A copy of the target on which one bit of each data set is wrong."""
        copy(self.scratch.image('TGTA01'), self.scratch.image('TWIN01'), 'TWIN01')
        with Image(self.scratch.image('TWIN01'), writable=True) as twin:
            for data_set in self.on_first_target():
                twin.damage(data_set.name, in_key=data_set.kind == DA)

    def on_first_target(self):
        return [data_set for data_set in all_moved() if data_set.target == 'TGTA01' and ',' not in data_set.source]

    def run(self, name, *steps, expected='0000'):
        """Runs a job, and judges that each step ended as expected; returns what was printed."""
        ended, printed = self.guest.submit(name, jobs.job(name, *steps))
        with open(self.scratch.path(f'{name.lower()}.txt'), 'w') as file:
            file.write(printed)
        asked = [re.match(r'//(\S+)', step)[1] for step in steps]
        for step in asked:
            self.judge(f'{name} {step}', ended.get(step, 'not run'), expected)
        self.judge(f'{name} steps', len(ended), len(asked))
        counts = [int(count) for count in re.findall(r'TOTAL NUMBER OF RECORDS COMPARED = (\d+)', printed)]
        if counts:
            self.judge(f'{name} comparisons of nothing', counts.count(0), 0)
        return printed

    def judge(self, what, seen, expected):
        self.verdicts.append((what, seen, expected))

    def place_now(self, data_set):
        """The old copy: what was kept, or the copy from before."""
        kept = self.kept[data_set.name]
        return (kept, data_set.source) if kept else (data_set.name, 'ORIG01')

    def compare_kept(self):
        """Old copies with new ones, each on the volume where it must be."""
        self.run('KEPT', *(
            jobs.compare(data_set, self.place_now(data_set), (data_set.name, data_set.target))
            for data_set in all_moved() if ',' not in data_set.source))

    def compare_cataloged(self):
        """What the catalogs lead to, with the copy from before; and that they lead to the target."""
        found = [data_set for data_set in all_moved() if data_set.cataloged and ',' not in data_set.source]
        before = {'CLNA01': 'ORIG01'}
        printed = self.run('CATALOG', *(
            jobs.compare(data_set, (data_set.name, before[data_set.source]), (data_set.name, None))
            if data_set.source in before
            else jobs.compare(data_set, self.place_now(data_set), (data_set.name, None))
            for data_set in found))
        self.judge_units(printed, 'CATALOG', found)
        generation = next(data_set for data_set in found if data_set.step == 'GDG')
        printed = self.run(
            'RELATIVE', jobs.compare(generation, self.place_now(generation), ('PRIV.GDG(0)', None)))
        self.judge_units(printed, 'RELATIVE', [generation])

    def judge_units(self, printed, job, data_sets):
        for data_set in data_sets:
            unit = allocated(printed, job, data_set.step).get('SYSUT2')
            self.judge(f'{job} {data_set.step} is found on unit', unit, IMAGES[data_set.target][1])

    def compare_twins(self):
        """The twin differs in one bit from each data set, and each comparison says so."""
        self.run('TWIN', *(
            jobs.compare(data_set, self.place_now(data_set), (data_set.name, 'TWIN01'))
            for data_set in self.on_first_target()), expected='0008')

    def list_volumes(self):
        """What the guest says of the data sets is the same on both sides, extents aside."""
        listed = ('CLNA01', 'ORIG01', 'TGTA01', 'CLNC01', 'TGTC01', 'SMP004', 'TGTB01')
        parts = self.run('VTOCS', *(jobs.list_vtoc(volser, volser) for volser in listed))
        parts = re.split(r'CONTENTS OF VTOC ON VOL (\w+)', parts)
        printed = dict(zip(parts[1::2], parts[2::2]))
        for data_set in all_moved():
            if ',' in data_set.source:
                continue
            old_name, old_volser = self.place_now(data_set)
            old = vtoc_entry(printed[old_volser], old_name)
            new = vtoc_entry(printed[data_set.target], data_set.name)
            self.judge(f'VTOC {data_set.step} attributes', new.attributes, old.attributes)
            self.judge(f'VTOC {data_set.step} extents', new.extents, data_set.extents or old.extents)
        for volser in ('CLNA01', 'TGTA01', 'CLNC01', 'TGTC01', 'SMP004', 'TGTB01'):
            with Image(self.scratch.image(volser)) as image:
                cylinders, tracks = image.free_space()
            said = re.search(r'THERE ARE\s+(\d+) EMPTY CYLINDERS PLUS\s+(\d+) EMPTY TRACKS ON', printed[volser])
            self.judge(f'VTOC {volser} free cylinders and tracks', (int(said[1]), int(said[2])), (cylinders, tracks))

    def list_directories(self):
        libraries = [data_set for data_set in all_moved() if data_set.kind == PO]
        old = self.run('OLDDIR', *(
            jobs.list_directory(data_set.step, *self.place_now(data_set)) for data_set in libraries))
        new = self.run('NEWDIR', *(
            jobs.list_directory(data_set.step, data_set.name, data_set.target) for data_set in libraries))
        members = directory_lines(old)
        self.judge('directories list members', len(members) > 7, True)
        self.judge('directories', directory_lines(new), members)

    def list_catalogs(self):
        listed = ('DLIBA1', 'CLNA01')
        parts = self.run('CATALOGS', *(jobs.list_catalog(volser, volser) for volser in listed))
        parts = re.split(r'INFORMATION FOR CATALOG ON VOL (\w+)', parts)
        for volser, printed in zip(parts[1::2], parts[2::2]):
            self.save_catalog(f'catalog-{volser}.txt', printed)

    def save_catalog(self, name, printed):
        """The entries that the guest listed: a line of name and volumes each, as name VOLSER:TYPE VOLSER:TYPE."""
        lines = []
        for found in re.finditer(r'^(\S+(?: \S+)*)? {2,}(\S{6})\s+(\d{6})\s+([0-9A-F]{8})\s', printed + '\n', re.M):
            data_set, volser, _, unit = found.groups()
            if data_set and 'PTR' in data_set:
                continue
            if data_set:
                lines.append(data_set)
            lines[-1] += f' {volser}:{unit}'
        with open(self.scratch.path(name), 'w') as file:
            file.write(''.join(line + '\n' for line in lines))

    def locate(self, job):
        """The guest searches the private catalog by the keys of its blocks."""
        printed = self.run(job, jobs.locate('LOOKUP', LOCATED))
        units = allocated(printed, job, 'LOOKUP')
        for number, (name, volser) in enumerate(LOCATED.items()):
            self.judge(f'{job} {name} on unit', units.get(f'FOUND{number}'), IMAGES[volser][1])

    def change_catalog(self):
        """The guest goes on where the product left the private catalog."""
        printed = self.run(
            'CHANGE',
            jobs.change_catalog('ADD', f'CATLG DSNAME=PRIV.GUEST.NEW,VOL={jobs.serial("TGTA01")},'
                                       f'CVOL={jobs.serial("CLNA01")}'),
            jobs.list_catalog('LIST', 'CLNA01'))
        self.save_catalog('catalog-CLNA01-after.txt', printed)

    def compare_multivolume(self):
        """The data set of two volumes that became one; its second volume takes the twin's unit."""
        self.guest.release(IMAGES['TWIN01'][1])
        self.mount('CLNA02')
        data_set = next(data_set for data_set in all_moved() if ',' in data_set.source)
        printed = self.run('MULTI', jobs.compare(data_set, self.place_now(data_set), (data_set.name, None)))
        self.judge_units(printed, 'MULTI', [data_set])
        self.judge('MULTI records of both volumes', re.findall(r'RECORDS COMPARED = (\d+)', printed), ['00008000'])

    def allocate(self):
        """New data sets in the space that the product says is free, on sources and targets."""
        self.run('SPACE', *(
            jobs.allocate(volser, volser, f'NEW.ON.{volser}')
            for volser in ('CLNA01', 'CLNA02', 'TGTA01', 'CLNC01', 'TGTC01', 'SMP004', 'TGTB01')))

    def run_programs(self):
        """Programs of a moved library update a moved sequential data set, and a moved BDAM data set by its keys; what
        was kept stays as it was."""
        self.run(
            'PROGRAM',
            jobs.run_program('UPDATE', 'UPDLOOP', '2', 'TEST.LOADLIB',
                             jobs.dd('FILE', 'TEST.SEQ.FB', disposition='OLD')),
            jobs.run_program('DIRECT', 'DAUPD', '1', 'TEST.LOADLIB',
                             jobs.dd('DA', 'TEST.BDAM', disposition='OLD')))
        # IEBCOMPR ends with 0008 after a few differences, and gives up with 0012 after ten in sequence.
        for job, name, code in (('ALLDIFF', 'TEST.SEQ.FB', '0012'), ('ONEDIFF', 'TEST.BDAM', '0008')):
            data_set = next(data_set for data_set in all_moved() if data_set.name == name)
            now = (data_set.name, data_set.target)
            self.run(job, jobs.compare(data_set, self.place_now(data_set), now), expected=code)

    def all(self):
        self.compare_kept()
        self.compare_cataloged()
        self.compare_twins()
        self.list_volumes()
        self.list_directories()
        self.list_catalogs()
        self.locate('LOCATE1')
        self.change_catalog()
        self.locate('LOCATE2')
        self.compare_multivolume()
        self.allocate()
        self.run_programs()
        self.guest.stop()

    def report(self):
        """Prints every verdict; true if all are as expected."""
        failed = 0
        for what, seen, expected in self.verdicts:
            right = seen == expected
            failed += not right
            print(f'{"  " if right else "! "}{what:<44} {seen}' + ('' if right else f'   expected {expected}'))
        print(f'{len(self.verdicts)} verdicts, {failed} of them not as expected')
        return not failed


class VtocEntry:
    """One data set as LISTVTOC FORMAT prints it."""

    def __init__(self, extents, attributes):
        self.extents = extents
        self.attributes = attributes


def vtoc_entry(printed, name):
    lines = printed.splitlines()
    at = next((i for i, line in enumerate(lines) if line.split(' ')[0] == name), None)
    if at is None:
        return VtocEntry(None, f'{name} is not listed')
    first, heading, second = lines[at:at + 3]
    # name, ID, SER NO, SEQ NO, CREDT, EXPDT, NO EXT, DSORG and what follows it
    fields = first.split()
    addresses = heading.index('FMT 2 OR 3')
    return VtocEntry(int(fields[6]), fields[4:6] + fields[7:] + second[:addresses].split())


def directory_lines(printed):
    """The lines of LISTPDS that tell members and blocks."""
    return [line.split('ARE(IS)')[0].rstrip() for line in printed.splitlines()
            if re.match(r'\s+\S+\s+[0-9A-F]{8}(\s|$)', line) or line.startswith('OF THE')]


def main(folder, shared):
    judge = Judge(folder, shared)
    try:
        judge.all()
    finally:
        right = judge.report()
    sys.exit(0 if right else 1)


if __name__ == '__main__':
    main(*sys.argv[1:3])
