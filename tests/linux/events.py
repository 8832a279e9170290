# What the emulator saw, by its own trace events: the outside evidence for what
# the guest cannot testify to.  Every event is in one file, in order, with the
# host's time.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import datetime
import re

# The events that a run needs.  Registers are judged by what reaches QEMU's own
# model of them; a fault is recorded by the stock IOMMU or by ours.
EVENTS = ('vtd_reg_write_gcmd', 'vtd_reg_dmar_root', 'vtd_dmar_fault',
          'lu_vtd_record', 'pci_cfg_write')

LINE = re.compile(r'(\d{4}-\d\d-\d\dT[\d:]+\.\d{6})Z (\w+) (.*)')
NUMBER = re.compile(r'0x[0-9a-f]+|\d+')
CONFIG = re.compile(r'\S+ ([0-9a-f]+):([0-9a-f]+)\.([0-9a-f]) '
                    r'@(0x[0-9a-f]+) <- (0x[0-9a-f]+)')

GCMD_TE = 1 << 31
PCI_COMMAND = 0x04
PCI_COMMAND_MASTER = 1 << 2
PCI_INTERRUPT_LINE = 0x3c

# As in guest.h
LEAVING, SECOND, FINISHED = 0xe1, 0xe2, 0xe3


class Event:
    """Something that matters, in the words of this demonstration."""

    def __init__(self, when, kind, value):
        self.when = when        # host time
        self.kind = kind        # te, bme, mark, root, fault
        self.value = value

    def __repr__(self):
        return f'{self.when} {self.kind} {self.value}'


def read(path, bdf):
    """
    The changes of Translation Enable and of the engine's Bus Master Enable
    (values True and False), its marks, root tables (address, whether scalable)
    and translation faults.
    """
    bus, rest = bdf.split(':')[-2:]
    slot, function = rest.split('.')
    where = (int(bus, 16), int(slot, 16), int(function, 16))
    last = {'te': False, 'bme': False}

    def change(when, kind, value):
        if last[kind] != value:
            last[kind] = value
            yield Event(when, kind, value)

    with open(path, encoding='utf-8', errors='replace') as f:
        for text in f:
            found = LINE.match(text)
            if not found:
                continue
            stamp, name, rest = found.groups()
            when = datetime.datetime.fromisoformat(stamp + '+00:00')
            numbers = [int(n, 0) for n in NUMBER.findall(rest)]
            if name == 'vtd_reg_write_gcmd':
                yield from change(when, 'te', bool(numbers[1] & GCMD_TE))
            elif name == 'vtd_reg_dmar_root':
                yield Event(when, 'root', (numbers[0], bool(numbers[1])))
            elif name in ('vtd_dmar_fault', 'lu_vtd_record'):
                yield Event(when, 'fault', rest)
            elif name == 'pci_cfg_write':
                config = CONFIG.match(rest)
                if (not config or
                        tuple(int(n, 16) for n in config.groups()[:3])
                        != where):
                    continue
                offset, value = (int(n, 16) for n in config.groups()[3:])
                if offset == PCI_COMMAND:
                    yield from change(when, 'bme',
                                      bool(value & PCI_COMMAND_MASTER))
                elif offset == PCI_INTERRUPT_LINE and value in (
                        LEAVING, SECOND, FINISHED):
                    yield Event(when, 'mark', value)
