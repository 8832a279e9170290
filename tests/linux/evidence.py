# What is known of a run: what the guest program and the kernels said on the
# console, what the emulator saw, and what lu-monitor made of it.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import json
import re

import events

# Steps of the guest program that a person may want to follow.
STAGES = {
    'modules': 'loads VFIO',
    'start': 'starts the endless DMA',
    'load': 'loads the second kernel',
    'crash': 'panics',
    'kexec': 'kexecs',
    'registers': 'second kernel reads the engine',
    'finish': 'powers off',
}


class Console:
    """What the kernels and the guest program said."""

    FIELD = re.compile(r'(\w+)=(\S+)')
    DEATH = re.compile(r'Kernel panic|Oops:|BUG: |general protection|'
                       r'Unable to handle|No bootable device')
    # the one panic that is wanted, and only in the first kernel
    WANTED = 'sysrq triggered crash'

    def __init__(self, tell):
        self.tell = tell        # called with each new stage, in words
        self.kernels = []       # (host time, version) of each that booted
        self.facts = {}
        self.counters = {}      # moment: {register: number}
        self.marks = {}         # mark: virtual ns
        self.rings = []         # each check of the ring
        self.copied = False     # the tables, by the second kernel's word
        self.finished = False
        self.deaths = []        # of a kernel
        self.failures = []      # of the guest program
        self.last = []          # lines

    def line(self, when, text):
        """One line, with the host's time."""
        if self.last and self.last[-1] == text:
            return              # a kernel may flush a line twice
        self.last = self.last[-14:] + [text]
        kernel, mine, said = text.partition('lu-guest: ')
        if mine:
            self.said(said)
        elif 'Linux version ' in kernel:
            version = kernel.split('Linux version ')[1].split()[0]
            self.tell('second kernel boots' if self.kernels
                      else f'Linux {version} boots')
            self.kernels.append((when, version))
        elif 'Copied translation tables from previous' in kernel:
            self.tell('second kernel copies the translation tables')
            self.copied = True
        elif self.DEATH.search(kernel) and (len(self.kernels) > 1
                                            or self.WANTED not in kernel):
            self.deaths.append(kernel)

    def said(self, text):
        """One line of the guest program: a word, then fields or text."""
        word, _, rest = text.partition(' ')
        fields = {name: int(value, 0) if value.isdigit()
                  or value.startswith('0x') else value
                  for name, value in self.FIELD.findall(rest)}
        if word == 'step' and rest in STAGES:
            self.tell(STAGES[rest])
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


class Trace:
    """What the emulator saw, cut at the guest's marks, in virtual time."""

    def __init__(self, path, arch, console):
        self.console = console
        self.events = (list(events.read(path, arch, console.facts['engine']))
                       if 'engine' in console.facts else [])
        self.mark_at = {event.value: event.when for event in self.events
                        if event.kind == 'mark'}

    def virtual_ns(self, when):
        """A host time on the clock of the engine: both run at one speed."""
        since = when - self.mark_at[events.LEAVING]
        return (self.console.marks[events.LEAVING]
                + int(since.total_seconds() * 1e9))

    def while_running(self, kind):
        """Events of a kind, but not those of the final power-off."""
        return [event for event in self.events if event.kind == kind
                and event.when < self.mark_at[events.FINISHED]]

    def drops(self, kind):
        """Times at which a bit that had been set was cleared."""
        return [event.when for event in self.while_running(kind)
                if not event.value]

    def in_blackout(self, when):
        """After the first kernel's last word, before the second's /init."""
        return (self.mark_at[events.LEAVING] < when
                < self.mark_at[events.SECOND])

    def roots(self):
        """(address, scalable, whether translation was on) of each root table."""
        enabled, found = False, []
        for event in self.events:
            if event.kind == 'enable':
                enabled = event.value
            elif event.kind == 'root':
                found.append((*event.value, enabled))
        return found

    def phase(self, when):
        """Where in the handoff that time is, in words."""
        if when < self.mark_at[events.LEAVING]:
            return 'while the first kernel ran'
        if when.timestamp() < self.console.kernels[1][0]:
            return "in the first kernel's shutdown"
        if when < self.mark_at[events.SECOND]:
            return "in the second kernel's boot"
        return 'after the second kernel had booted'


class Run:
    """All that a run left behind."""

    def __init__(self, arch, console, directory, status):
        self.arch = arch
        self.console = console
        self.trace = Trace(directory + '/trace.log', arch, console)
        self.monitor = self._verdict(directory + '/report.jsonl')
        self.status = status    # the emulator's exit status

    @staticmethod
    def _verdict(path):
        """The last word of lu-monitor, or None."""
        try:
            with open(path, encoding='utf-8') as f:
                lines = [json.loads(line) for line in f]
        except (OSError, ValueError):
            return None
        return next((line for line in reversed(lines)
                     if line.get('type') == 'verdict'), None)

    def complete(self):
        """Whether both kernels played their parts to the end."""
        marks = {events.LEAVING, events.SECOND, events.FINISHED}
        return (self.console.finished and not self.console.deaths
                and len(self.console.kernels) == 2
                and {'before', 'second', 'end'} <= self.console.counters.keys()
                and marks <= self.console.marks.keys()
                and marks <= self.trace.mark_at.keys())
