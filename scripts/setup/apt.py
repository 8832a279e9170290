# Debian's archive through an apt of our own: own source list, state and cache,
# no installed packages, no root.  The machine's configuration is only read: its
# entries for the Debian archive say which mirror to ask and which key to trust,
# and proxies are taken from it by apt itself.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import glob
import os
import re
import subprocess

DEBIAN_SUITE = re.compile(
    r'(stable|oldstable|oldoldstable|testing|unstable|sid|bullseye|bookworm'
    r'|trixie|forky)(-updates|-backports)?$')


class AptError(Exception):
    """What apt complained of, in one line."""


def codename():
    """The machine's own suite; 'sid' if it is not Debian or has no name."""
    try:
        with open('/etc/os-release', encoding='utf-8') as f:
            found = re.search(r'^VERSION_CODENAME=(\S+)', f.read(), re.M)
    except OSError:
        found = None
    return found.group(1) if found else 'sid'


def _deb822(text):
    for block in re.split(r'\n[ \t]*\n', text):
        lines = [l for l in block.splitlines() if not l.startswith('#')]
        block = re.sub(r'\n[ \t]+', '\n ', '\n'.join(lines))
        yield {name.lower(): value.strip() for name, value in re.findall(
            r'^([\w-]+):((?:.*)(?:\n .*)*)', block, re.M)}


def _one_line(text):
    for options, uri, suite, components in re.findall(
            r'^\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#\n]*)', text,
            re.M):
        fields = dict(o.split('=', 1) for o in options.split() if '=' in o)
        yield {'types': 'deb', 'uris': uri, 'suites': suite,
               'components': components, **fields}


def archives():
    """The machine's Debian mirrors, likely ones first: [(URI, its fields)]."""
    found = {}
    for path in ('/etc/apt/sources.list',
                 *sorted(glob.glob('/etc/apt/sources.list.d/*'))):
        try:
            with open(path, encoding='utf-8', errors='replace') as f:
                text = f.read()
        except OSError:
            continue
        parse = _deb822 if path.endswith('.sources') else _one_line
        for fields in parse(text):
            suites = fields.get('suites', '').split()
            if ('deb' in fields.get('types', '').split()
                    and 'main' in fields.get('components', '').split()
                    and fields.get('enabled', 'yes').lower() != 'no'
                    and any(map(DEBIAN_SUITE.match, suites))):
                for uri in fields.get('uris', '').split():
                    found.setdefault(uri.rstrip('/'), fields)
    return sorted(found.items(),
                  key=lambda entry: not entry[0].endswith('/debian'))


class Apt:
    """apt that knows the named suites of one mirror and nothing else."""

    def __init__(self, directory, log, arch=None):
        """
        Keep everything under directory; append what apt says to log.  With
        arch, look for packages of that architecture, not the machine's.
        """
        self.directory = os.path.abspath(directory)
        self.log = log
        for name in ('lists/partial', 'cache/archives/partial'):
            os.makedirs(os.path.join(self.directory, name), exist_ok=True)
        with open(os.path.join(self.directory, 'status'), 'w',
                  encoding='utf-8'):
            pass
        self.sources = os.path.join(self.directory, 'debian.sources')
        options = [f'Dir::Etc::sourcelist={self.sources}',
                   'Dir::Etc::sourceparts=/dev/null',
                   f'Dir::State::lists={self.directory}/lists',
                   f'Dir::State::status={self.directory}/status',
                   f'Dir::Cache={self.directory}/cache',
                   # The directory may lie where apt's own user cannot look.
                   'APT::Sandbox::User=root',
                   # An index of a date past, as a frozen mirror has, is as
                   # good: it is signed, and what we take has a known version.
                   'Acquire::Check-Valid-Until=false',
                   'Acquire::Languages=none', 'Acquire::Retries=2',
                   'Acquire::http::Timeout=30', 'Acquire::https::Timeout=30']
        if arch:
            options += [f'APT::Architecture={arch}',
                        f'APT::Architectures={arch}']
        self.options = [word for o in options for word in ('-o', o)]

    def run(self, tool, *args, cwd=None):
        """Run apt-get or apt-cache; its output, or AptError."""
        command = [tool, *self.options, *args]
        try:
            done = subprocess.run(command, cwd=cwd or self.directory,
                                  text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=False)
        except FileNotFoundError:
            raise AptError(f'{tool} is not installed') from None
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write(f'+ {tool} {" ".join(args)}\n{done.stderr}')
            if tool == 'apt-get':
                log.write(done.stdout)
        errors = [l for l in done.stderr.splitlines() if l.startswith('E:')]
        if done.returncode or errors:
            raise AptError((errors or [f'E: {tool} failed'])[0][3:])
        return done.stdout

    def update(self, archive, suites, kind='deb'):
        """Fetch the indexes of these suites, binary or source (deb-src)."""
        uri, fields = archive
        with open(self.sources, 'w', encoding='utf-8') as f:
            f.write(f'Types: {kind}\nURIs: {uri}\nSuites: {" ".join(suites)}\n'
                    'Components: main\n')
            for name in ('signed-by', 'trusted'):
                if name in fields:
                    f.write(f'{name}: {fields[name]}\n')
        self.run('apt-get', '-q', '-o', 'APT::Update::Error-Mode=any',
                 'update')

    def versions(self, package):
        """The versions of a binary package in the suites, newest first."""
        rows = self.run('apt-cache', 'madison', package).splitlines()
        return [row.split('|')[1].strip() for row in rows
                if row.endswith('Packages')]
