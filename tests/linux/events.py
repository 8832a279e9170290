# What the emulator saw, by its own trace events: the outside evidence for what
# the guest cannot testify to.  Every event is in one file, in order, with the
# host's time.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import datetime
import re

LINE = re.compile(r'(\d{4}-\d\d-\d\dT[\d:]+\.\d{6})Z (\w+) (.*)')
NUMBER = re.compile(r'0x[0-9a-f]+|\d+')
CONFIG = re.compile(r'\S+ ([0-9a-f]+):([0-9a-f]+)\.([0-9a-f]) '
                    r'@(0x[0-9a-f]+) <- (0x[0-9a-f]+)')

PCI_COMMAND = 0x04
PCI_COMMAND_MASTER = 1 << 2
PCI_INTERRUPT_LINE = 0x3c

# As in guest.h
LEAVING, SECOND, FINISHED = 0xe1, 0xe2, 0xe3


# VT-d: GCMD.  SMMUv3: offsets and bits of its registers.
GCMD_TE = 1 << 31
SMMU_CR0, SMMU_GBPA, SMMU_STRTAB_BASE = 0x20, 0x44, 0x80
CR0_SMMUEN = 1 << 0
GBPA_ABORT = 1 << 20


def vtd_command(numbers, _):
    """A write of the global command register."""
    return 'enable', bool(numbers[1] & GCMD_TE)


def vtd_root(numbers, _):
    """A root table taken into use: address, whether scalable."""
    return 'root', (numbers[0], bool(numbers[1]))


def smmu_register(numbers, _):
    """A write of any register of the SMMU."""
    offset, value = numbers[:2]
    if offset == SMMU_CR0:
        return 'enable', bool(value & CR0_SMMUEN)
    if offset == SMMU_GBPA:
        return 'abort', bool(value & GBPA_ABORT)
    if offset == SMMU_STRTAB_BASE:
        return 'root', (value, False)
    return None


def fault(_, rest):
    """A record that the IOMMU made."""
    return 'fault', rest


# What the events of each architecture's IOMMU say.  Registers are judged by
# what reaches QEMU's own model of them, or is stored there by ours; a fault is
# recorded by the stock IOMMU or by ours.
IOMMU = {
    'x86_64': {
        'vtd_reg_write_gcmd': vtd_command,
        'vtd_reg_dmar_root': vtd_root,
        'vtd_dmar_fault': fault,
        'lu_vtd_record': fault,
    },
    'aarch64': {
        'smmuv3_write_mmio': smmu_register,
        'lu_smmuv3_store': smmu_register,
        'smmuv3_record_event': fault,
        'lu_smmuv3_event': fault,
    },
}
PCI = 'pci_cfg_write'

# Kinds of which only a change is an event
BITS = ('enable', 'bme', 'abort')


def wanted(arch):
    """The events that a run needs."""
    return [PCI, *IOMMU[arch]]


class Event:
    """Something that matters, in the words of this demonstration."""

    def __init__(self, when, kind, value):
        self.when = when        # host time
        self.kind = kind        # enable, bme, abort, mark, root, fault
        self.value = value

    def __repr__(self):
        return f'{self.when} {self.kind} {self.value}'


def pci_write(text, where):
    """A write to the configuration space of the function at `where`."""
    config = CONFIG.match(text)
    if not config or tuple(int(n, 16) for n in config.groups()[:3]) != where:
        return None
    offset, value = (int(n, 16) for n in config.groups()[3:])
    if offset == PCI_COMMAND:
        return 'bme', bool(value & PCI_COMMAND_MASTER)
    if offset == PCI_INTERRUPT_LINE and value in (LEAVING, SECOND, FINISHED):
        return 'mark', value
    return None


def read(path, arch, bdf):
    """
    The changes of the IOMMU's enable bit, of the engine's Bus Master Enable and
    of GBPA.ABORT (values True and False), the engine's marks, root or stream
    tables (address, whether scalable) and translation faults.
    """
    bus, rest = bdf.split(':')[-2:]
    slot, function = rest.split('.')
    where = (int(bus, 16), int(slot, 16), int(function, 16))
    last = dict.fromkeys(BITS, False)

    with open(path, encoding='utf-8', errors='replace') as f:
        for text in f:
            found = LINE.match(text)
            if not found:
                continue
            stamp, name, rest = found.groups()
            decode = IOMMU[arch].get(name)
            if decode:
                said = decode([int(n, 0) for n in NUMBER.findall(rest)], rest)
            else:
                said = pci_write(rest, where) if name == PCI else None
            if not said or last.get(said[0]) == said[1]:
                continue
            if said[0] in last:
                last[said[0]] = said[1]
            yield Event(datetime.datetime.fromisoformat(stamp + '+00:00'),
                        *said)
