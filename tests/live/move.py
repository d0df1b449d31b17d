"""First half: unpack the real volumes, initialise the targets, move the data sets; all by the command itself.

usage: move.py BIN SCRATCH SHARED"""
import os
import shutil
import subprocess
import sys

from guest import kit
from image import Image
from scenario import IMAGES, MOVES, Scratch

TARGETS = ('TGTA01', 'TGTB01', 'TGTC01')


def unpack(scratch, shared):
    """Every source volume, and a pristine copy of CLNA01 under another serial."""
    run, _ = kit(shared)
    volumes = os.path.join(shared, 'volumes')
    for volser, name in (
        ('DLIBA1', 'vs1-dliba1-ready.3330'),
        ('CLNA01', 'vs1-clna01.3330'),
        ('CLNA02', 'vs1-clna02.3330'),
        ('CLNC01', 'vs1-clnc01.2314'),
    ):
        run.unpack(os.path.join(volumes, f'{name}.ckd.xz'), scratch.image(volser))
    subprocess.run(
        ['dasdcopy', '-q', '-o', 'CKD', os.path.join(volumes, 'mvs38-smp004.3350.cckd'), scratch.image('SMP004')],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    copy(scratch.image('CLNA01'), scratch.image('ORIG01'), 'ORIG01')


def copy(image, to, volser):
    """A copy with holes where the image has them, under another serial."""
    subprocess.run(['cp', '--sparse=always', image, to], check=True)
    os.chmod(to, 0o600)
    with Image(to, writable=True) as relabelled:
        relabelled.relabel(volser)


def command(binary, scratch, *arguments):
    """Runs the command and returns what it printed; it must be done, or done with remarks."""
    ended = subprocess.run([binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with open(scratch.path('command.log'), 'a') as log:
        log.write(f'$ trackmirror {" ".join(arguments)}\n{ended.stdout}{ended.stderr}[{ended.returncode}]\n')
    assert ended.returncode in (0, 4), \
        f'trackmirror {" ".join(arguments)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}'
    return ended.stdout


def kept_name(image, before, name):
    """The name that the old extents of a data set have now, read from the VTOC without the product."""
    _, extents, _ = before[name]
    after = image.data_sets()
    names = [other for other, (_, tracks, _) in after.items() if tracks == extents]
    assert len(names) == 1, f'{name}: its old extents belong to {names}'
    assert names[0] != name and len(names[0]) <= 44, f'{name} is kept as {names[0]}'
    return names[0]


def migrate(binary, scratch, move, number):
    """One migration; returns what each moved data set is called on its source now, or None if it is gone."""
    before = {}
    for volser in move.sources:
        with Image(scratch.image(volser)) as image:
            before[volser] = image.data_sets()
    arguments = ['migrate', *(data_set.name for data_set in move.moved)]
    for volser in move.sources:
        arguments += ['--volume', scratch.image(volser)]
    arguments += ['--target', scratch.image(move.target)]
    if move.catalog:
        arguments += ['--catalog', scratch.image(move.catalog)]
    arguments += [*move.options, '--state', scratch.path(f'state-{number}'), '--yes']
    told = command(binary, scratch, *arguments)
    kept = {}
    for data_set in move.moved:
        with Image(scratch.image(move.target)) as image:
            assert data_set.name in image.data_sets(), f'{data_set.name} is not on {move.target}'
        names = set()
        for volser in data_set.source.split(','):
            with Image(scratch.image(volser)) as image:
                assert data_set.name not in image.data_sets(), f'{data_set.name} is on {volser} still'
                if data_set.kept:
                    names.add(kept_name(image, before[volser], data_set.name))
        assert len(names) <= 1, f'{data_set.name} is kept under several names: {names}'
        kept[data_set.name] = names.pop() if names else None
        assert not kept[data_set.name] or kept[data_set.name] in told, \
            f'{data_set.name} is kept as {kept[data_set.name]}, of which the command does not tell:\n{told}'
    return kept


def main(binary, folder, shared):
    scratch = Scratch(folder)
    os.makedirs(folder, exist_ok=True)
    unpack(scratch, shared)
    for volser in TARGETS:
        command(binary, scratch, 'init', scratch.image(volser), '--device', IMAGES[volser][0], '--volser', volser)
    kept = {}
    for number, move in enumerate(MOVES):
        kept |= migrate(binary, scratch, move, number)
    for volser in IMAGES:
        if volser != 'TWIN01':
            found = command(binary, scratch, 'check', scratch.image(volser))
            assert ': nothing found' in found or ': 0 errors,' in found, found
    scratch.save('kept.json', kept)
    for name, now in kept.items():
        print(f'moved {name:<20} {"kept as " + now if now else "scratched"}')


if __name__ == '__main__':
    main(*sys.argv[1:4])
