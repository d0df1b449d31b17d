"""OS/VS1 under Hercules as the judge: booted once from a system volume that the product has changed, jobs one by one,
and what became of each of their steps."""
import fcntl
import os
import re
import shutil
import sys
import tempfile
import time


def kit(shared):
    """The modules that drive the console, from the folder of the kit."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(shared, 'live'))
    import run
    import vs1
    return run, vs1


class Guest:
    """A booted system whose system volume is `scratch`/dliba1.150, as it lies there. The emulator runs under the command
    `wrap`, if there is one."""

    def __init__(self, shared, scratch, wrap=()):
        self.run, vs1 = kit(shared)
        self.scratch = scratch
        self.count = 0
        # One console port, one system at a time: the turn of everybody who uses the kit on this machine.
        self.turn = open(os.path.join(tempfile.gettempdir(), 'vs1-live.lock'), 'w')
        fcntl.flock(self.turn, fcntl.LOCK_EX)
        for folder in ('prt', 'pun', 'jcl'):
            os.makedirs(os.path.join(scratch, folder), exist_ok=True)
        shutil.copyfile(os.path.join(shared, 'live', 'vs1.cnf'), os.path.join(scratch, 'vs1.cnf'))
        shutil.copyfile(os.path.join(shared, 'live', 'jcl', 'null.jcl'), os.path.join(scratch, 'jcl', 'null.jcl'))
        self.system = vs1.VS1(scratch, wrap=wrap)
        self.system.start()
        self.system.ipl()

    def define_partition(self):
        """A second partition, for jobs of class B, so that two jobs run at a time: one of class A goes before one of
        class B."""
        time.sleep(1.5)
        before = len(self.system.buf)
        self.system.cmd('/define')
        asked = self.system.wait(r'\*\d\d IEE802A', 30, frm=before)
        time.sleep(1.5)
        self.system.cmd("/r %s,'P0=(C=A),P1=(C=B,512K),END'" % re.search(r'\*(\d\d) IEE802A', asked)[1])
        self.system.wait(r'PARTITION WAITING FOR WORK\s+P01', 30, frm=before)
        time.sleep(1.5)
        # Without initiators they never get a job.
        for partition in ('P0', 'P1'):
            self.system.cmd(f'/s init.{partition}')
            self.system.wait(rf'INIT\s+STARTED .*{partition[0]}0{partition[1]}', 30, frm=before)
            time.sleep(1)

    def mount(self, unit, device, image, volser):
        self.run.mount(self.system, unit, device, os.path.basename(image), volser)

    def release(self, unit):
        self.run.release(self.system, unit)

    def submit(self, name, text, seconds=180):
        """Runs one job and returns what its steps ended with (see `steps`) and what was printed since it was read."""
        before = len(self.printed())
        self.begin(name, text, seconds)
        return self.outcome(name, before)

    def outcome(self, name, before):
        """What became of a job that has ended, and what was printed since then."""
        text = re.sub(r'\s*[\r\n\f]+', '\n', self.settled(before, name))
        return steps(text, name), text

    def begin(self, name, text, seconds):
        """Hands a job over and waits until it has ended; not at all if no time is given. Gives back from where on the
        console tells of it."""
        long = [line for line in text.splitlines() if len(line) > 80 or '@' in line]
        assert not long, f'{name}: {long}'
        since = len(self.system.buf)
        self.count += 1
        path = f'jcl/{self.count:02}-{name.lower()}.jcl'
        with open(os.path.join(self.scratch, path), 'w') as file:
            file.write(text)
        self.system.submit(path, name, 0)
        # The next one is read only when the reader has this one.
        self.system.wait('00C RDR WAITING FOR WORK', 30, frm=since)
        if seconds:
            self.system.wait(self.end_of(name), seconds, frm=since)
        return since

    def has_ended(self, name, since):
        """Whether the console has told of the end of a job."""
        return any(re.search(self.end_of(name), line) for line in self.system.buf[since:])

    @staticmethod
    def end_of(name):
        """What the console says when a job has ended, or cannot be run."""
        return rf'{name}\s+(ENDED|JOB FAILED)'

    def settled(self, before, name):
        """The output of a job; the writer prints it after the job has ended."""
        deadline = time.time() + 60
        last = ''
        while time.time() < deadline:
            time.sleep(0.7)
            text = self.printed()[before:]
            if text and text == last and name in text:
                return text
            last = text
        return last

    def printed(self):
        try:
            with open(os.path.join(self.scratch, 'prt', 'prt00e.txt'), encoding='latin1', newline='') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def stop(self):
        time.sleep(2)
        self.system.stop()
        self.turn.close()


def steps(printed, job):
    """What the steps of a job ended with, in order: a condition code, or how else it ended. Of other jobs that were
    printed too nothing is said."""
    ended = {}
    of, step = job, 'job'
    for found in re.finditer(
        r'IEF236I ALLOC\. FOR (\S+)\s+(\S+)|COND CODE (\d{4})|COMPLETION CODE - (?:SYSTEM=|USER=)?(\w+)'
        r'|(JOB NOT RUN|JCL ERROR|STEP WAS NOT EXECUTED)',
        printed,
    ):
        begun_of, begun, code, abend, other = found.groups()
        if begun:
            of, step = begun_of, begun
        if of == job:
            ended[step] = 'no end' if begun else code or abend or other
    return ended


def allocated(printed, job, step):
    """The units that a step got, by DD name; of several the first."""
    part = re.search(r'IEF236I ALLOC\. FOR %s\s+%s\s(.*?)(IEF142I|IEF236I|\Z)' % (job, step), printed, re.S)
    units = re.findall(r'IEF237I (\w+)\s+ALLOCATED TO (\S+)', part[1]) if part else []
    first = {}
    for unit, name in units:
        first.setdefault(name, unit)
    return first
