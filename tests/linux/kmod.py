# Kernel modules as files: find them in a directory of any layout, decompress
# them, and put them in an order in which they can be loaded.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import os
import subprocess

UNPACK = {'.ko': None, '.ko.xz': 'xz', '.ko.zst': 'zstd', '.ko.gz': 'gzip'}


class ModuleError(Exception):
    """A module that cannot be used."""


def key(name):
    """Modules are named with underscores, files often with hyphens."""
    return name.replace('-', '_')


def index(directory):
    """Every module file below the directory, by module name."""
    found = {}
    for where, _, names in os.walk(directory):
        for name in names:
            stem, dot, rest = name.partition('.')
            if dot + rest in UNPACK:
                found[key(stem)] = os.path.join(where, name)
    return found


def contents(path):
    """The module itself, decompressed."""
    name = os.path.basename(path)
    tool = UNPACK[name[name.index('.'):]]
    if tool is None:
        with open(path, 'rb') as f:
            return f.read()
    try:
        return subprocess.run([tool, '-dc', path], check=True,
                              stdout=subprocess.PIPE).stdout
    except FileNotFoundError:
        raise ModuleError(f'{path}: needs the program {tool}; '
                          'install it') from None
    except subprocess.CalledProcessError:
        raise ModuleError(f'{path}: {tool} cannot decompress it') from None


def depends(data):
    """The modules it needs, from the strings of its .modinfo section."""
    for string in data.split(b'\0'):
        if string.startswith(b'depends='):
            names = string[len(b'depends='):].decode('ascii', 'replace')
            return [name for name in names.split(',') if name]
    return []


def resolve(directory, wanted):
    """
    The wanted modules and all they need, as (file name, contents), each after
    what it needs.  One that has no file is left out: it may be built in.
    """
    have = index(directory)
    done = {}

    def visit(name):
        name = key(name)
        if name in done or name not in have:
            return
        data = contents(have[name])
        done[name] = None
        for other in depends(data):
            visit(other)
        # last, so that a dict's order is the order of loading
        del done[name]
        done[name] = data

    for name in wanted:
        visit(name)
    return [(name + '.ko', data) for name, data in done.items()]
