"""OS/VS1 rewrites a data set while the command moves it to a volume that the guest does not have.

The emulator runs under the monitor. A job updates every block of TEST.SEQ.FB in place, pass by pass; meanwhile the
command mirrors it, and says that it does not converge. When the job has ended the data set is closed: the window. The
guest itself recatalogs and renames, by its IEHPROGM. Then it gets the target, and its own utilities judge.

usage: mirror.py BIN SCRATCH SHARED PASSES"""
import json
import os
import subprocess
import sys
import threading
import time

import jobs
from guest import Guest
from image import Image
from scenario import IMAGES, Scratch

NAME = 'TEST.SEQ.FB'
HERE = os.path.dirname(os.path.abspath(__file__))


def update(passes):
    return ('//\n//UPDFB   JOB 1,RUN,CLASS=A,MSGCLASS=A,MSGLEVEL=(1,1)\n'
            f"//GO      EXEC PGM=UPDLOOP,PARM='{passes}'\n"
            '//STEPLIB DD  DSN=TEST.LOADLIB,DISP=SHR\n'
            f'//FILE    DD  DSN={NAME},DISP=OLD\n//\n')


class Operator:
    """Answers what the command asks of the guest: about the job that has the data set, and jobs with statements."""

    def __init__(self, guest, spool):
        self.guest, self.spool = guest, spool
        self.job_ended = False
        self.asked = []

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
            return (0, '') if self.job_ended else (4, f'VS1 UPDFB {NAME}')
        if verb in ('ask-to-close', 'hold', 'release'):
            # Only this program starts jobs.
            return 0, ''
        assert self.job_ended, f'{verb} while the job runs'
        name = f'OPER{len(self.asked)}'
        # A statement goes on in column 16 where the one before ends with a mark in column 72.
        cards = '//SYSIN   DD *\n' + ''.join(f'{card}\n' for card in request['statements']) + '/*\n'
        step = jobs.utility('CHANGE', 'IEHPROGM', jobs.volume_dds('DLIBA1', 'CLNA01'), cards)
        ended, printed = self.guest.submit(name, jobs.job(name, step))
        done = ended.get('CHANGE') == '0000'
        return (0, f'{verb}: 0000') if done else (8, f'{verb} ended with {ended}: {printed[-500:]}')


def counters(path):
    """Columns 9 to 16 of each record of the data set, read without the product."""
    found, count = set(), 0
    with Image(path) as image:
        _, extents, _ = image.data_sets()[NAME]
        for track in (track for first, last in extents for track in range(first, last + 1)):
            for _, _, _, block in image.records(track):
                found.update(block[at + 8:at + 16].decode('cp037') for at in range(0, len(block), 100))
                count += 1 if block else 0
    assert count == 800, f'{count} blocks'
    return found


def main(binary, folder, shared, passes):
    scratch = Scratch(folder)
    spool = scratch.path('spool')
    os.makedirs(spool, exist_ok=True)
    guest = Guest(shared, folder, wrap=[binary, 'monitored', '--image', 'VS1', '--'])
    guest.mount('151', '3330', IMAGES['CLNA01'][2], 'CLNA01')
    operator = Operator(guest, spool)
    started = time.time()
    guest.begin('UPDFB', update(passes), 0)
    time.sleep(3)

    command = f"python3 '{HERE}/hand_over.py' '{spool}'"
    arguments = [
        binary, 'migrate', NAME, '--volume', scratch.image('CLNA01'), '--target', scratch.image('CLNA02'),
        '--catalog', scratch.image('DLIBA1'), '--image', 'VS1',
        '--guest', f'CLNA01={command}', '--guest', f'DLIBA1={command}',
        '--close-when-mirrored', '--goal-tracks', '5', '--pace', '100', '--wait-limit', '120', '--window-limit', '120',
        '--keep', '--state', scratch.path('state'), '--yes', '--json']
    migration = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=open(scratch.path('told'), 'w'), text=True)

    def wait_for_the_job():
        guest.system.wait(r'UPDFB\s+ENDED', 300, frm=0)
        operator.job_ended = True
        print(f'the job ended after {time.time() - started:.1f} s')

    waiting = threading.Thread(target=wait_for_the_job)
    waiting.start()
    while migration.poll() is None:
        operator.answer_all()
        time.sleep(0.02)
    waiting.join()
    printed = migration.stdout.read()
    with open(scratch.path('told')) as file:
        told = file.read()
    print(told, printed)
    assert migration.returncode == 0, migration.returncode
    assert operator.job_ended
    scratch.save('asked.json', operator.asked)
    with open(scratch.path('receipt.json'), 'w') as file:
        file.write(printed)

    kept = json.loads(printed)['result']['kept_as'][0]
    verdict = judge(guest, kept)
    values = counters(scratch.image('CLNA02'))
    guest.stop()
    print(f'verdict {verdict}; counters {values}')
    assert len(values) == 1, 'all counters are equal'
    assert verdict == {'CMP': '0000', 'LST': '0000', 'PRT': '0000'}, verdict


def judge(guest, kept):
    """The guest compares what it wrote with what was moved, lists the volume, and reads through its catalog."""
    guest.mount('153', '3330', IMAGES['CLNA02'][2], 'CLNA02')
    compare = jobs.utility('CMP', 'IEBCOMPR', jobs.dd('SYSUT1', kept, 'CLNA01'), jobs.dd('SYSUT2', NAME, 'CLNA02'),
                           '//SYSIN   DD DUMMY\n')
    listing = jobs.list_vtoc('LST', 'CLNA02')
    punch = jobs.utility('PRT', 'IEBPTPCH', jobs.dd('SYSUT1', NAME), '//SYSUT2  DD SYSOUT=A\n',
                         jobs.control('PRINT MAXFLDS=1,STOPAFT=3', 'RECORD FIELD=(60)'))
    ended, printed = guest.submit('VERIFY', jobs.job('VERIFY', compare, listing, punch))
    print(printed)
    return ended


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
