"""OS/VS1 rewrites a data set, and changes what is allocated, while the command moves everything to a volume that the
guest does not have.

The emulator runs under the monitor. One job after another updates every block of TEST.SEQ.FB in place, pass by pass;
meanwhile the command mirrors it and its neighbours, and says that it does not converge. In a second partition other jobs
allocate, fill, rename, scratch, extend and release data sets of the selection, which the command follows. When the last
job has ended the data sets are closed: the window. The guest itself recatalogs and renames, by its IEHPROGM. Then it
gets the target, and its own utilities judge.

With EXAMPLE, the program of examples/migrate.c, that one moves the data sets, in the place of the command.

usage: mirror.py BIN SCRATCH SHARED PASSES [EXAMPLE]"""
import json
import os
import re
import signal
import subprocess
import sys
import time

import changes
import jobs
from guest import Guest, allocated
from image import Image
from move import copy
from scenario import IMAGES, Scratch

HERE = os.path.dirname(os.path.abspath(__file__))


class Operator:
    """Has the guest's console: keeps the updating job going, answers what the command asks of the guest, and runs other
    jobs meanwhile. Everything that is waited for is waited for here, with a limit."""

    def __init__(self, guest, spool, passes):
        self.guest, self.spool, self.passes = guest, spool, passes
        self.asked = []
        self.update_count = 0
        self.updating = None
        self.goes_on = True
        self.has_ended = False
        self.migration = None

    def turn(self):
        if self.updating and self.guest.has_ended(*self.updating):
            self.updating = None
        if self.goes_on and not self.updating:
            self.update_count += 1
            name = f'UPDFB{self.update_count}'
            self.updating = name, self.guest.begin(name, changes.update(name, self.passes), 0)
        self.answer_all()

    def until(self, what, condition, seconds):
        """Goes on until a condition holds; the migration must not end before."""
        deadline = time.time() + seconds
        while not condition():
            assert time.time() < deadline, f'after {seconds} s still not: {what}'
            assert self.migration is None or self.migration.poll() is None, \
                f'the migration ended with {self.migration.returncode} before: {what}'
            self.turn()
            time.sleep(0.02)

    def pause(self):
        """No further updating job, and the end of the present one."""
        self.goes_on = False
        self.until('the updating job has ended', lambda: not self.updating, 60)

    def next_update(self):
        """Waits until an updating job has just begun, and gives it back."""
        count = self.update_count
        self.until('the next updating job has begun', lambda: self.update_count > count, 60)
        return self.updating

    def run(self, name, text, seconds=60):
        """Runs a job beside the updating one; every step must end with 0000."""
        before, begun = len(self.guest.printed()), time.time()
        since = self.guest.begin(name, text, 0)
        self.until(f'{name} has ended', lambda: self.guest.has_ended(name, since), seconds)
        taken = time.time() - begun
        ended, printed = self.guest.outcome(name, before)
        print(f'{name} ended after {taken:.1f} s: {ended}')
        assert ended and set(ended.values()) == {'0000'}, printed

    def answer_all(self):
        for name in sorted(os.listdir(self.spool)):
            if not name.endswith('.request'):
                continue
            path = os.path.join(self.spool, name)
            with open(path) as file:
                request = json.load(file)
            os.remove(path)
            code, text = self.answer(request)
            answer = path.removesuffix('.request') + '.answer'
            with open(answer + '.new', 'w') as file:
                json.dump({'code': code, 'text': text}, file)
            os.rename(answer + '.new', answer)

    def answer(self, request):
        verb = request['verb']
        self.asked.append(verb)
        if verb == 'is-closed':
            return (0, '') if self.has_ended else (4, f'VS1 UPDFB {changes.UPDATED}')
        if verb in ('ask-to-close', 'hold', 'release'):
            # Only this program starts jobs.
            return 0, ''
        assert self.has_ended, f'{verb} while the job runs'
        name = f'OPER{len(self.asked)}'
        # A statement goes on in column 16 where the one before ends with a mark in column 72.
        cards = '//SYSIN   DD *\n' + ''.join(f'{card}\n' for card in request['statements']) + '/*\n'
        step = jobs.utility('CHANGE', 'IEHPROGM', jobs.volume_dds('DLIBA1', 'CLNA01'), cards)
        ended, printed = self.guest.submit(name, jobs.job(name, step))
        done = ended.get('CHANGE') == '0000'
        return (0, f'{verb}: 0000') if done else (8, f'{verb} ended with {ended}: {printed[-500:]}')


class Migration:
    """The migration by the command, and what it tells."""

    def __init__(self, binary, scratch, spool):
        self.binary, self.scratch, self.state = binary, scratch, scratch.path('state')
        command = f"python3 '{HERE}/hand_over.py' '{spool}'"
        arguments = [
            binary, 'migrate', changes.SELECTION, '--volume', scratch.image('CLNA01'),
            '--target', scratch.image('CLNA02'), '--catalog', scratch.image('DLIBA1'), '--image', 'VS1',
            '--guest', f'CLNA01={command}', '--guest', f'DLIBA1={command}',
            '--goal-tracks', '5', '--pace', '50', '--wait-limit', '120', '--window-limit', '120',
            '--keep', '--state', self.state, '--yes', '--json']
        self.process = subprocess.Popen(
            arguments, stdout=open(scratch.path('receipt.json'), 'w'), stderr=open(scratch.path('told'), 'w'), text=True)

    def events(self):
        try:
            with open(os.path.join(self.state, 'events.jsonl')) as file:
                lines = file.read().split('\n')
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines[:-1]]

    def is_mirrored(self):
        """Everything was copied once, and it is near its goal, or says that it comes no nearer."""
        return any(event['event'] in ('not-converging', 'resynchronized') for event in self.events())

    def has_followed(self, told):
        """Whether it told of these changes: a name with a word, or with one of some."""
        return is_told(told, [event['text'] for event in self.events() if event['event'] == 'accommodated'])

    def close_now(self):
        ordered = subprocess.run(
            [self.binary, 'close-now', '--state', self.state], capture_output=True, text=True, timeout=60)
        assert ordered.returncode == 0, f'close-now: {ordered.returncode} {ordered.stdout}{ordered.stderr}'

    def kept(self):
        """What it says that it moved: each name, and the name under which the source is kept."""
        with open(self.scratch.path('receipt.json')) as file:
            result = json.load(file)['result']
        return dict(zip((data_set['name'] for data_set in result['data_sets']), result['kept_as']))


class Example:
    """The same by the example in C, which asks the guest's operator by a program, and tells on its output."""

    def __init__(self, program, scratch, spool):
        self.scratch, self.told = scratch, scratch.path('told')
        self.environment = {**os.environ, 'LIVE_SPOOL': spool}
        self.arguments = [
            program, changes.SELECTION, scratch.image('CLNA01'), scratch.image('CLNA02'), scratch.image('DLIBA1'),
            scratch.path('state'), '--image', 'VS1', '--operator', os.path.join(HERE, 'ask_operator.py'),
            '--goal', '5', '--pace', '50', '--limit', '120', '--wait', '--keep']
        self.process = self.start()
        # What the command leaves.
        open(scratch.path('receipt.json'), 'w').close()

    def start(self):
        return subprocess.Popen(
            self.arguments, stdout=open(self.told, 'a'), stderr=subprocess.STDOUT, env=self.environment)

    def kill_and_start_again(self):
        self.process.kill()
        self.process.wait()
        self.process = self.start()

    def has_gone_on(self):
        return any(line.startswith('going on with the migration') for line in self.lines())

    def lines(self):
        with open(self.told) as file:
            return file.read().splitlines()

    def is_mirrored(self):
        return any('converge' in line or 'the target is resynchronized' in line for line in self.lines())

    def has_followed(self, told):
        begin = 'the target follows its source: '
        return is_told(told, [line.removeprefix(begin) for line in self.lines() if line.startswith(begin)])

    def close_now(self):
        self.process.send_signal(signal.SIGUSR1)

    def kept(self):
        found = (re.fullmatch(r'(\S+) on CLNA01 is kept as (\S+)', line) for line in self.lines())
        return {one[1]: one[2] for one in found if one}


def is_told(told, what):
    """Whether these texts tell of each of these: a name with a word, or with one of some."""

    def has(name, words):
        words = (words,) if isinstance(words, str) else words
        return any(name in text and any(word in text for word in words) for text in what)

    return all(has(name, words) for name, words in told)


def records(path, name):
    """The records of 100 bytes of a data set, read without the product."""
    found = []
    with Image(path) as image:
        _, extents, (last_track, last_record) = image.data_sets()[name]
        tracks = [track for first, last in extents for track in range(first, last + 1)]
        for relative, track in enumerate(tracks[:last_track + 1]):
            for _, number, _, block in image.records(track):
                if relative < last_track or number <= last_record:
                    found.extend(block[at:at + 100] for at in range(0, len(block), 100))
    return found


def counters(found):
    """Columns 9 to 16 of records, zoned decimal, from the first to the last: how often each comes in sequence."""
    runs = []
    for record in found:
        counter = int(record[8:16].decode('cp037'))
        if runs and runs[-1][0] == counter:
            runs[-1][1] += 1
        else:
            runs.append([counter, 1])
    return runs


def main(binary, folder, shared, passes, example=None):
    scratch = Scratch(folder)
    spool = scratch.path('spool')
    os.makedirs(spool, exist_ok=True)
    copy(scratch.image('CLNA01'), scratch.image('ORIG01'), 'ORIG01')
    with Image(scratch.image('CLNA02')) as image:
        free_before = free_tracks(image)
    started = time.time()

    def say(what):
        print(f'{time.time() - started:6.1f} s  {what}', flush=True)

    guest = Guest(shared, folder, wrap=[binary, 'monitored', '--image', 'VS1', '--'])
    guest.mount('151', '3330', IMAGES['CLNA01'][2], 'CLNA01')
    guest.define_partition()
    say('OS/VS1 is up, with two partitions')
    operator = Operator(guest, spool, passes)
    operator.turn()
    time.sleep(1)
    migration = Example(example, scratch, spool) if example else Migration(binary, scratch, spool)
    operator.migration = migration.process
    try:
        operator.until('it is mirrored as far as it can be', migration.is_mirrored, 60)
        say('mirrored')
        updating = operator.next_update()
        operator.run('FIRST', changes.first('FIRST'))
        assert operator.updating == updating, 'the second job ran while the first one updated'
        operator.until('the first changes are followed', lambda: migration.has_followed(changes.TOLD_FIRST), 60)
        say('the first changes are followed')
        # Nobody extends what another job has for itself: it comes between two updates.
        operator.pause()
        operator.run('THEN', changes.then('THEN'))
        operator.goes_on = True
        operator.until('the other changes are followed', lambda: migration.has_followed(changes.TOLD_THEN), 60)
        say('the other changes are followed')
        if example:
            migration.kill_and_start_again()
            operator.migration = migration.process
            operator.until('it goes on where it was killed', migration.has_gone_on, 60)
            say('it was killed, and goes on')
        migration.close_now()
        operator.until('it asks to close', lambda: 'ask-to-close' in operator.asked, 60)
        operator.run('LATE', changes.at_the_close('LATE'))
        operator.pause()
        operator.has_ended = True
        say('the last job has ended')
        deadline = time.time() + 180
        while migration.process.poll() is None:
            assert time.time() < deadline, 'the migration does not end'
            operator.turn()
            time.sleep(0.02)
        say(f'the migration ended with {migration.process.returncode}')
    finally:
        if migration.process.poll() is None:
            migration.process.kill()
        for name in ('told', 'receipt.json'):
            with open(scratch.path(name)) as file:
                print(file.read())
    assert migration.process.returncode == 0, migration.process.returncode
    assert migration.has_followed(changes.TOLD_AT_THE_CLOSE), 'what came at the close is followed'
    kept = migration.kept()
    assert sorted(kept) == sorted(changes.MOVED), kept

    judge(guest, scratch, kept)
    say('the guest is content')
    with Image(scratch.image('CLNA02')) as image:
        # The last one is the guest's own, of the verdict.
        moved = [extents for name, (_, extents, _) in image.data_sets().items()
                 if name in changes.MOVED or name == 'NEW.ON.CLNA02']
        taken = sum(last - first + 1 for extents in moved for first, last in extents)
        assert free_before - free_tracks(image) == taken, 'space is conserved to the track'
        assert len(moved) == len(changes.MOVED) + 1
    guest.stop()
    content(scratch, operator, passes)
    say('every record is there')


def free_tracks(image):
    cylinders, tracks = image.free_space()
    return cylinders * image.heads + tracks


def content(scratch, operator, passes):
    """Each data set has the records that it had, or got; read without the product."""
    target, before = scratch.image('CLNA02'), scratch.image('ORIG01')
    for name, from_name in changes.MOVED.items():
        if from_name:
            assert records(target, name) == records(before, from_name), name
    updated = counters(records(target, changes.UPDATED))
    print(f'counters {updated} after {operator.update_count} jobs of {passes} passes')
    (all_passes, own), (later_passes, appended) = updated
    assert (own, appended) == (8000, 8000), updated
    assert all_passes == operator.update_count * passes and later_passes % passes == 0, updated
    assert 0 < later_passes < all_passes, updated


def judge(guest, scratch, kept):
    guest.mount('153', '3330', IMAGES['CLNA02'][2], 'CLNA02')
    ended, printed = guest.submit('VERIFY', changes.verdict('VERIFY', kept))
    print(printed)
    print(f'verdict {ended}')
    assert ended and set(ended.values()) == {'0000'}, ended
    for number, name in enumerate(changes.MOVED):
        units = allocated(printed, 'VERIFY', f'CMP{number}')
        assert units['SYSUT2'] == IMAGES['CLNA02'][1], f'{name} is found on {units}'
    assert '= 00000000' not in ''.join(re.findall(r'RECORDS COMPARED = \d+', printed)), 'something was compared'
    for name in changes.GONE:
        assert not re.search(rf'^{re.escape(name)}\s', printed, re.M), f'{name} is listed'
        ended, said = guest.submit('LOOKUP', changes.lookup('LOOKUP', name))
        assert ended.get('LOOKUP') != '0000' and 'IEF212I' in said, f'{name} is found: {said}'
        print(f'{name} is not found')


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
