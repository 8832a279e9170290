# An archive that Linux takes for its initial file system.
#
# SPDX-License-Identifier: GPL-2.0-or-later


def cpio(files):
    """An initial file system: {path: (mode, content)}, parents first."""
    archive = bytearray()
    everything = {'dev': (0o40755, b''), 'proc': (0o40755, b''),
                  'sys': (0o40755, b''), 'tmp': (0o40755, b''),
                  'dev/console': (0o20600, b''), **files,
                  'TRAILER!!!': (0, b'')}
    for number, (path, (mode, content)) in enumerate(everything.items()):
        device = (5, 1) if path == 'dev/console' else (0, 0)
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device,
                  len(path) + 1, 0)
        archive += b'070701' + b''.join(b'%08x' % n for n in fields)
        for piece in (path.encode() + b'\0', content):
            archive += piece + bytes(-(len(archive) + len(piece)) % 4)
    return bytes(archive)
