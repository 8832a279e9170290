# What the set-up scripts share: where things are, how failure is told, how
# commands are run and logged.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache',
             'qemu-lu')
LOG_DIR = Path(os.environ.get('LU_LOG_DIR') or PROJECT / 'build' / 'log')


class Failure(Exception):
    """What went wrong and what to do, in one line."""


def say(text):
    """Tell the person who waits; standard output is for answers."""
    print(f'qemu-tree: {text}', file=sys.stderr, flush=True)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        for block in iter(lambda: f.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def run(command, log, **kwargs):
    """Run a command with its output in build/log/<log>; False if it fails."""
    with open(LOG_DIR / log, 'a', encoding='utf-8') as out:
        out.write('+ ' + ' '.join(map(str, command)) + '\n')
        out.flush()
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out, check=False,
                                  **kwargs).returncode == 0
        except FileNotFoundError:
            raise Failure(f'{command[0]} is not installed; run scripts/deps') \
                from None


def show_tail(log, lines=30):
    text = (LOG_DIR / log).read_text(encoding='utf-8', errors='replace')
    sys.stderr.write('\n'.join(text.splitlines()[-lines:]) + '\n')
