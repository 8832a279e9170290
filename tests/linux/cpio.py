# The archive that Linux unpacks as its first root file system ("newc" cpio),
# written without cpio and without root.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import stat

DIR = stat.S_IFDIR | 0o755
FILE = stat.S_IFREG | 0o644
PROGRAM = stat.S_IFREG | 0o755
CHAR = stat.S_IFCHR | 0o600


class Archive:
    """Entries are added in order; a directory comes before what is in it."""

    def __init__(self):
        self.parts = []
        self.count = 0

    def add(self, name, mode=FILE, data=b'', device=(0, 0)):
        """One entry; the parts of it are padded to four bytes."""
        self.count += 1
        path = name.encode() + b'\0'
        fields = (self.count, mode, 0, 0, 1, 0, len(data), 0, 0, *device,
                  len(path), 0)
        for part in (b'070701' + b''.join(b'%08x' % f for f in fields) + path,
                     data):
            self.parts += [part, bytes(-len(part) % 4)]

    def contents(self):
        """The whole archive."""
        self.add('TRAILER!!!', mode=0)
        return b''.join(self.parts)


def initrd(init, files):
    """An archive with this /init, a console, and these files by path."""
    archive = Archive()
    archive.add('dev', DIR)
    archive.add('dev/console', CHAR, device=(5, 1))
    archive.add('init', PROGRAM, init)
    for directory in dict.fromkeys(name.rpartition('/')[0] for name in files):
        archive.add(directory, DIR)
    for name, data in files.items():
        archive.add(name, FILE, data)
    return archive.contents()
