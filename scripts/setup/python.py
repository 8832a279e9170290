# A Python with the meson that QEMU's configure needs.  Debian 12 has too old a
# one, and Debian's QEMU source does not bring its own.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .apt import Apt, AptError, archives, codename
from .common import CACHE, Failure, LOG_DIR, run, say

# What QEMU's configure wants of Python, as Debian packages, all of them plain
# Python; where they may be, after the suite of the machine itself.
PYTHON_PACKAGES = {'meson': '1.5.0', 'python3-pycotap': '1.1.0',
                   'python3-distlib': '0.3.0'}
PYTHON_SUITES = ('{codename}', '{codename}-backports', 'trixie')


def runs(python, imports):
    return subprocess.run([python, '-c', imports], capture_output=True,
                          check=False).returncode == 0


def newer(version, least):
    return subprocess.run(['dpkg', '--compare-versions', version, 'ge', least],
                          check=False).returncode == 0


def find_python():
    """A Python that has the meson QEMU needs: the machine's, or one in the
    cache, made of Debian packages that are unpacked, not installed."""
    system = '/usr/bin/python3' if os.access('/usr/bin/python3', os.X_OK) \
        else sys.executable
    test = ('import mesonbuild.coredata as c, pycotap, distlib.scripts; '
            'assert tuple(map(int, c.version.split(".")[:2])) >= (1, 5)')
    ours = CACHE / 'python'
    for python in (system, ours / 'bin/python3'):
        if Path(python).exists() and runs(python, test):
            return python

    missing = dict(PYTHON_PACKAGES)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix='new-') as tmp:
        apt = Apt(Path(tmp) / 'apt', LOG_DIR / 'apt.log')
        suites = [suite.format(codename=codename()) for suite in PYTHON_SUITES]
        for archive in archives():
            for suite in dict.fromkeys(suites):
                if missing:
                    say(f'looking in Debian {suite} for {", ".join(missing)}')
                    fetch_packages(apt, archive, suite, missing, tmp)
        if not missing:
            install_python(system, Path(tmp), ours)
            if runs(ours / 'bin/python3', test):
                return ours / 'bin/python3'
    raise Failure('no Debian mirror gave meson 1.5 or later (see '
                  'build/log/apt.log); check the network, or install meson, '
                  'pycotap and distlib for /usr/bin/python3')


def fetch_packages(apt, archive, suite, missing, where):
    """Fetch what the suite has new enough of the missing packages."""
    try:
        apt.update(archive, [suite])
        for name, least in list(missing.items()):
            versions = apt.versions(name)
            if versions and newer(versions[0], least):
                apt.run('apt-get', '-q', 'download',
                        f'{name}={versions[0]}', cwd=where)
                del missing[name]
    except AptError as e:
        say(f'{suite}: {e}')


def install_python(system, debs, ours):
    """A Python environment over the system's, with the packages in it."""
    say('unpacking ' + ', '.join(sorted(p.name for p in debs.glob('*.deb'))))
    for deb in debs.glob('*.deb'):
        run(['dpkg-deb', '-x', deb, debs / 'root'], 'tree.log')
    shutil.rmtree(ours, ignore_errors=True)
    run([system, '-m', 'venv', '--without-pip', '--system-site-packages',
         ours], 'tree.log')
    site = next(ours.glob('lib/python3*/site-packages'))
    shutil.copytree(debs / 'root/usr/lib/python3/dist-packages', site,
                    dirs_exist_ok=True)
