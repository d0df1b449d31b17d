"""What is moved, and where it is found: one table for both halves of the judge."""
import collections
import json
import os

# The image of each volume in the scratch folder; the suffix is the unit that the guest gets it on.
IMAGES = {
    'DLIBA1': ('3330', '150', 'dliba1.150'),
    'CLNA01': ('3330', '151', 'clna01.151'),
    'TGTA01': ('3330', '152', 'tgta01.152'),
    'TWIN01': ('3330', '153', 'twin01.153'),
    'ORIG01': ('3330', '154', 'orig01.154'),
    'CLNA02': ('3330', '153', 'clna02.153'),   # after TWIN01 was taken away
    'CLNC01': ('2314', '130', 'clnc01.130'),
    'TGTC01': ('2314', '131', 'tgtc01.131'),
    'SMP004': ('3350', '148', 'smp004.148'),
    'TGTB01': ('3350', '149', 'tgtb01.149'),
}

# How the guest's IEBCOMPR reads a data set.
PS, PO, DA = 'PS', 'PO', 'DA'

Moved = collections.namedtuple('Moved', 'step name kind source target kept cataloged extents')
Move = collections.namedtuple('Move', 'sources target catalog options moved')


def moved(step, name, kind, source, target, kept=True, cataloged=True, extents=None):
    return Moved(step, name, kind, source, target, kept, cataloged, extents)


MOVES = [
    Move(['CLNA01'], 'TGTA01', 'DLIBA1', ['--mode', 'one-primary', '--verify', '--keep'], [
        moved('SEQFB', 'TEST.SEQ.FB', PS, 'CLNA01', 'TGTA01', extents=1),
        moved('SEQVB', 'TEST.SEQ.VB', PS, 'CLNA01', 'TGTA01', extents=1),
        moved('EXT14', 'TEST.SEQ.EXT14', PS, 'CLNA01', 'TGTA01', extents=1),
        moved('PDSSRC', 'TEST.PDS.SRC', PO, 'CLNA01', 'TGTA01', extents=1),
        moved('LOADLIB', 'TEST.LOADLIB', PO, 'CLNA01', 'TGTA01', extents=1),
        moved('BDAM', 'TEST.BDAM', DA, 'CLNA01', 'TGTA01', extents=1),
    ]),
    # A second migration to the same target; the sources are scratched.
    Move(['CLNA01'], 'TGTA01', 'DLIBA1', ['--mode', 'extent-for-extent', '--erase'], [
        moved('FBS', 'TEST.SEQ.FBS', PS, 'CLNA01', 'TGTA01', kept=False),
        moved('VBS', 'TEST.SEQ.VBS', PS, 'CLNA01', 'TGTA01', kept=False),
    ]),
    # Two volumes become one.
    Move(['CLNA01', 'CLNA02'], 'TGTA01', 'DLIBA1', ['--mode', 'one-primary', '--keep'], [
        moved('MULTIVOL', 'TEST.MULTIVOL', PS, 'CLNA01,CLNA02', 'TGTA01', extents=1),
    ]),
    # A generation, by the private catalog.
    Move(['CLNA01'], 'TGTA01', 'CLNA01', ['--keep'], [
        moved('GDG', 'PRIV.GDG.G0002V00', PS, 'CLNA01', 'TGTA01'),
    ]),
    Move(['CLNC01'], 'TGTC01', 'DLIBA1', ['--mode', 'extent-for-extent', '--keep'], [
        moved('K2314', 'TEST.K2314.FB', PS, 'CLNC01', 'TGTC01', extents=5),
    ]),
    Move(['SMP004'], 'TGTB01', None, ['--uncataloged', '--keep'], [
        moved('SMPMTS', 'SYS1.SMPMTS', PO, 'SMP004', 'TGTB01', cataloged=False),
    ]),
]


# Names that the test puts into the private catalog (see tests/live.rs), from the first to the last of the many blocks
# of their index, and lower indexes. There are no data sets behind them; the guest looks them up.
LOCATED = {
    'PRIV.MANY002': 'TGTA01',
    'PRIV.MANY009': 'TGTA01',
    'PRIV.MANY015': 'TGTA01',
    'PRIV.MANY024': 'TGTA01',
    'PRIV.MANY030': 'TGTA01',
    'PRIV.MANY039': 'TGTA01',
    'PRIV.NEW.INDEX.LEVELS': 'CLNA01',
    'PRIV.A.B.OTHER': 'CLNA01',
}


def all_moved():
    return [data_set for move in MOVES for data_set in move.moved]


class Scratch:
    """The folder that both halves work in, with what the first left for the second."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def image(self, volser):
        return self.path(IMAGES[volser][2])

    def save(self, name, value):
        with open(self.path(name), 'w') as file:
            json.dump(value, file, indent=1)

    def load(self, name):
        with open(self.path(name)) as file:
            return json.load(file)
