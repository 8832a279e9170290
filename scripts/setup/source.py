# QEMU's source: found, fetched, checked against qemu.lock, unpacked.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .apt import Apt, AptError, archives
from .common import (CACHE, Failure, LOG_DIR, PROJECT, run, say, sha256,
                     show_tail)

# Where Debian may carry the source, the likeliest first.
SOURCE_SUITES = ('sid', 'trixie-backports', 'forky')


def read_lock():
    lines = (PROJECT / 'qemu.lock').read_text(encoding='utf-8').splitlines()
    pairs = (l.split('=', 1) for l in lines if '=' in l and l[0] != '#')
    return {key.strip(): value.strip() for key, value in pairs}


def fetch_source(lock, where):
    """Fetch Debian's source of the locked version into a directory; None if
    no mirror gives it."""
    apt = Apt(where / 'apt', LOG_DIR / 'apt.log')
    for archive in archives():
        for suite in SOURCE_SUITES:
            say(f'looking for QEMU {lock["version"]} in Debian {suite}')
            try:
                apt.update(archive, [suite], kind='deb-src')
                for record in apt.run('apt-cache', 'showsrc',
                                      'qemu').split('\n\n'):
                    version = re.search(r'^Version: (\S+)', record, re.M)
                    if version and lock['sha256'] in record:
                        say(f'fetching {lock["source"]} (39 MB)')
                        apt.run('apt-get', '-q', 'source', '--only-source',
                                '--tar-only', '--download-only',
                                f'qemu={version.group(1)}', cwd=where)
                        return where / lock['source']
            except AptError as e:
                say(f'{suite}: {e}')
    return None


def checked_source(lock):
    """The tarball of qemu.lock, its hash checked, in the cache."""
    kept = CACHE / 'source' / lock['source']
    if kept.exists():
        if sha256(kept) == lock['sha256']:
            return kept
        say(f'{kept} has changed since it was fetched: fetching it again')
        kept.unlink()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as tmp:
        found = fetch_source(lock, Path(tmp))
        mirror = os.environ.get('QEMU_MIRROR_DIR')
        if not found and mirror:
            say(f'taking {lock["source"]} from QEMU_MIRROR_DIR')
            found = Path(mirror, lock['source'])
            if not found.is_file():
                raise Failure(f'{found} does not exist; QEMU_MIRROR_DIR must '
                              f'name a directory that holds {lock["source"]}')
        if not found:
            raise Failure(
                f'no Debian mirror gave QEMU {lock["version"]} (see '
                'build/log/apt.log); check the network, or give the source: '
                'QEMU_SRC=<directory or tarball of QEMU 10.2.x>')
        digest = sha256(found)
        if digest != lock['sha256']:
            raise Failure(f'{found} has SHA-256 {digest}, but qemu.lock says '
                          f'{lock["sha256"]}; get the right file, or name '
                          'another source with QEMU_SRC=')
        part = Path(tmp) / 'checked'
        shutil.copyfile(found, part)
        part.rename(kept)
    return kept


def user_source():
    """QEMU_SRC as a path, or None."""
    name = os.environ.get('QEMU_SRC')
    if not name:
        return None
    path = Path(name).expanduser().resolve()
    if not path.exists():
        raise Failure(f'QEMU_SRC={name} does not exist; name a directory or '
                      'a tarball of QEMU 10.2.x')
    return path


def identity(source):
    """A line that changes when another tree has to be made."""
    if source is None:
        return read_lock()['sha256']
    if source.is_file():
        return f'{source} {sha256(source)}'
    head = subprocess.run(['git', '-C', source, 'rev-parse', 'HEAD'],
                          capture_output=True, text=True, check=False)
    return f'{source} {head.stdout.strip()}'


def unpack(source, into):
    """Fill a new directory from a tarball, or from a directory less its git
    history and build directories."""
    into.mkdir()
    if source.is_file():
        ok = run(['tar', '-x', '--strip-components=1', '-f', source,
                  '-C', into], 'tree.log')
    else:
        ok = run(['bash', '-c', 'set -o pipefail; tar -C "$0" -c --exclude=./.git '
                  '--exclude="./build*" . | tar -C "$1" -x', source, into],
                 'tree.log')
    if not ok:
        show_tail('tree.log')
        raise Failure(f'cannot unpack {source}; is it whole, is there room '
                      f'in {CACHE}?')
    try:
        version = (into / 'VERSION').read_text(encoding='utf-8').strip()
    except OSError:
        raise Failure(f'{source} holds no QEMU source') from None
    if not re.fullmatch(r'10\.2\.[0-4]?[0-9]', version):
        raise Failure(f'{source} is QEMU {version}; this overlay needs '
                      '10.2.x')
    for name in ('keycodemapdb', 'berkeley-softfloat-3',
                 'berkeley-testfloat-3'):
        if not (into / 'subprojects' / name / 'meson.build').exists():
            raise Failure(f'{source} lacks subprojects/{name}; run "meson '
                          'subprojects download" there, or use a release '
                          'tarball')
