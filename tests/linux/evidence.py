# What is known of a run: what the guest program and the kernels said on the
# console, and what the emulator saw, on one time line.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import re

import trace

STAGES = {
    'modules': 'loads VFIO', 'start': 'starts the endless DMA',
    'load': 'loads the second kernel', 'crash': 'panics', 'kexec': 'kexecs',
    'registers': 'second kernel reads the engine',
    'finish': 'powers off',
}


class Guest:
    """What the guest program said, line by line, and what the console showed."""

    FIELD = re.compile(r'(\w+)=(\S+)')
    BAD = re.compile(r'Kernel panic|Oops:|BUG: |general protection|'
                     r'Unable to handle')

    def __init__(self, status):
        self.status = status
        self.counters = {}      # name of the moment: {register: number}
        self.marks = {}         # mark: virtual ns
        self.rings = []
        self.facts = {}
        self.failures = []
        self.kernels = []       # (host time, version)
        self.finished = False
        self.copied = 0
        self.last = []

    def line(self, when, text):
        """One line of the console."""
        if self.last and self.last[-1] == text:
            return
        self.last = (self.last + [text])[-15:]
        head, mark, said = text.partition('lu-guest: ')
        if mark:
            self.said(said)
        elif 'Linux version ' in head:
            self.kernels.append((when, head.split('Linux version ')[1]
                                 .split()[0]))
            self.status.say('second kernel boots' if len(self.kernels) > 1
                            else f'kernel {self.kernels[0][1]} boots')
        elif 'Copied translation tables from previous' in head:
            self.copied += 1
            self.status.say('second kernel copies the translation tables')
        elif self.BAD.search(head):
            # the one panic that is wanted is the first kernel's, by sysrq
            if len(self.kernels) > 1 or 'sysrq triggered crash' not in head:
                self.failures.append(head.partition('] ')[2] or head)

    def said(self, text):
        """One line of the guest program."""
        word, _, rest = text.partition(' ')
        fields = {k: int(v, 0) if v[:1].isdigit() and k != 'engine' else v
                  for k, v in self.FIELD.findall(rest)}
        if word == 'step' and rest in STAGES:
            self.status.say(STAGES[rest])
        elif word == 'counters':
            self.counters[fields.pop('at')] = fields
        elif word == 'mark':
            self.marks[fields['value']] = fields['time_ns']
        elif word == 'ring':
            self.rings.append(fields)
        elif word == 'fact':
            self.facts.update(fields)
        elif word == 'finished':
            self.finished = True
        elif word == 'failed':
            self.failures.append('guest: ' + rest)


class Evidence:
    """The trace of a run, cut at the guest's marks and put in virtual time."""

    def __init__(self, path, guest):
        self.guest = guest
        self.events = list(trace.events(path, guest.facts.get('engine',
                                                              '0:0.0')))
        self.mark_at = {e.value: e.when for e in self.events
                        if e.kind == 'mark'}

    def virtual_ns(self, when):
        """When, on the clock of the engine."""
        zero = self.mark_at[trace.LEAVING]
        return (self.guest.marks[trace.LEAVING]
                + int((when - zero).total_seconds() * 1e9))

    def while_running(self, kind):
        """Events of a kind from the start to where the guest was finished."""
        end = self.mark_at.get(trace.FINISHED)
        return [e for e in self.events
                if e.kind == kind and (end is None or e.when < end)]

    def drops(self, kind):
        """Times at which a bit that had been set was cleared."""
        return [e.when for e in self.while_running(kind) if not e.value]

    def roots(self):
        """(address, scalable, whether TE was set) of each root table."""
        te, found = False, []
        for event in self.events:
            if event.kind == 'te':
                te = event.value
            elif event.kind == 'root':
                found.append((*event.value, te))
        return found

    def phase(self, when):
        """In words, where in the handoff that time is."""
        if when < self.mark_at[trace.LEAVING]:
            return 'while the first kernel ran'
        if (len(self.guest.kernels) < 2
                or when.timestamp() < self.guest.kernels[1][0]):
            return "in the first kernel's shutdown"
        if (trace.SECOND not in self.mark_at
                or when < self.mark_at[trace.SECOND]):
            return "in the second kernel's boot"
        return 'after the second kernel had booted'
