"""A small reader of plain CKD images, written apart from the library that is tested: what it says of a volume does not
depend on the code under test. It reads label, VTOC and records, and can relabel and damage a copy."""
import struct

VOL1 = 'VOL1'.encode('cp037')


class Image:
    """One plain CKD image, opened for reading, or for writing if told so."""

    def __init__(self, path, writable=False):
        self.file = open(path, 'r+b' if writable else 'rb')
        header = self.file.read(512)
        assert header[:8] == b'CKD_P370', f'{path} is no plain CKD image'
        self.heads, self.slot_size = struct.unpack('<II', header[8:16])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def records(self, track):
        """The records behind R0 of a track: offset in the file of the key, number, key, data."""
        start = 512 + track * self.slot_size
        self.file.seek(start)
        slot = self.file.read(self.slot_size)
        offset = 5 + 16
        while slot[offset:offset + 8] != b'\xff' * 8:
            number, key_length, data_length = struct.unpack('>BBH', slot[offset + 4:offset + 8])
            key = offset + 8
            data = key + key_length
            yield start + key, number, slot[key:data], slot[data:data + data_length]
            offset = data + data_length

    def track(self, cchh):
        cylinder, head = struct.unpack('>HH', cchh)
        return cylinder * self.heads + head

    def label(self):
        """Offset of the VOL1 label's data in the file, and the label."""
        for offset, _, key, data in self.records(0):
            if key == VOL1:
                return offset + len(key), data
        raise AssertionError('no VOL1 label')

    def relabel(self, volser):
        offset, _ = self.label()
        self.write(offset + 4, volser.ljust(6).encode('cp037'))

    def write(self, offset, data):
        self.file.seek(offset)
        self.file.write(data)

    def dscbs(self):
        """Every DSCB: its address (track, record), and its 140 bytes."""
        _, label = self.label()
        at = label[11:16]
        first = self.track(at[:4])
        format4 = next(key + data for _, number, key, data in self.records(first) if number == at[4])
        last = self.track(format4[111:115])
        for track in range(first, last + 1):
            for _, number, key, data in self.records(track):
                yield (track, number), key + data

    def data_sets(self):
        """Name -> (address of the F1, its extents as pairs of tracks, its last used track and record)."""
        dscbs = dict(self.dscbs())
        found = {}
        for address, dscb in dscbs.items():
            if dscb[44] != 0xF1:
                continue
            extents = [dscb[105 + 10 * i:115 + 10 * i] for i in range(3)]
            link = dscb[135:140]
            while any(link):
                format3 = dscbs[(self.track(link[:4]), link[4])]
                extents += [format3[4 + 10 * i:14 + 10 * i] for i in range(4)]
                extents += [format3[45 + 10 * i:55 + 10 * i] for i in range(9)]
                link = format3[135:140]
            tracks = [(self.track(e[2:6]), self.track(e[6:10])) for e in extents if e[0]]
            last = (dscb[98] << 8 | dscb[99], dscb[100])
            found[dscb[:44].decode('cp037').rstrip()] = (address, tracks, last)
        return found

    def free_space(self):
        """Empty cylinders and the empty tracks besides, as the volume's F5s count them."""
        dscbs = dict(self.dscbs())
        free = [dscb for dscb in dscbs.values() if dscb[44] == 0xF5]
        entries = [dscb[at:at + 5] for dscb in free for at in (*range(4, 44, 5), *range(45, 135, 5))]
        return sum(entry[2] << 8 | entry[3] for entry in entries), sum(entry[4] for entry in entries)

    def damage(self, name, in_key=False):
        """Changes one bit in the middle of the last record (not an end of file) of a data set."""
        _, extents, (last_track, last_record) = self.data_sets()[name]
        tracks = [track for first, last in extents for track in range(first, last + 1)]
        if last_record:
            tracks = tracks[:last_track + 1]
        for relative, track in reversed(list(enumerate(tracks))):
            for offset, number, key, data in reversed(list(self.records(track))):
                beyond = last_record and relative == last_track and number > last_record
                if not data or beyond or (in_key and not key):
                    continue
                at = len(key) // 2 if in_key else len(key) + len(data) // 2
                self.write(offset + at, bytes([(key + data)[at] ^ 1]))
                return
        raise AssertionError(f'{name} holds no record')
