# Judges a run: makes the rows of its table, and notes what was not as expected.
# Every expectation names what was seen instead.
#
# SPDX-License-Identifier: GPL-2.0-or-later

BITS = {
    'x86_64': {'enable': 'Translation Enable', 'bme': 'Bus Master Enable'},
    'aarch64': {'enable': 'SMMUEN', 'bme': 'Bus Master Enable'},
}

# What lu-monitor says of a run in which no stream was claimed, and the exit
# status that it gives to the emulator for each verdict.
UNCLAIMED = 'no live update claimed'
EXIT = {'pass': 0, 'fail': 10, 'inconclusive': 12}


def ms(ns):
    """A time for people."""
    return f'{ns / 1e6:.1f} ms'


class Judge:
    """One run's rows and complaints."""

    def __init__(self, run):
        self.rows = []
        self.wrong = []
        self.run = run
        self.bits = BITS[run.arch]
        self.console = run.console
        self.trace = run.trace

    def row(self, name, value):
        """One line of the table."""
        self.rows.append((name, str(value)))

    def expect(self, true, wrong):
        """`wrong` says what was seen instead."""
        if not true:
            self.wrong.append(wrong)

    # Parts that several cases have

    def transfers(self):
        """Rows of the counters; (before, at the second /init, at the end)."""
        before, second, end = (self.console.counters[at]
                               for at in ('before', 'second', 'end'))
        self.row('transfers before', before['done'])
        self.row('  in the blackout', '%d (%s)' % (
            second['done'] - before['done'],
            ms(second['time_ns'] - before['time_ns'])))
        self.row('  after', '%d (%s)' % (
            end['done'] - second['done'],
            ms(end['time_ns'] - second['time_ns'])))
        self.row('longest gap', '%s, from %s' % (
            ms(end['gap_ns']), ms(end['gap_start_ns']))
            if end['done'] > second['done'] else
            f'did not end; last transfer at {ms(end["last_ns"])}')
        self.row('errors', end['errors'])
        self.row('held back (BME clear)', end['blocked'])
        return before, second, end

    def no_errors(self, end):
        """No transfer failed."""
        self.expect(end['errors'] == 0,
                    f'{end["errors"]} transfers failed, the last at IOVA '
                    f'0x{end["err_iova"]:x}')

    def ring(self, before, wanted):
        """The row about sequence numbers, of which `wanted` are missing."""
        through = [ring for ring in self.console.rings
                   if ring['through'] == '/proc/vmcore']
        self.expect(len(through) == 2, 'the ring was not read to the end')
        for ring in through[-1:]:
            self.row('sequence numbers', f'{ring["from"]} to {ring["to"]}: '
                     f'{ring["missing"] or "none"} missing, by /proc/vmcore')
        for ring in through:
            self.expect(ring['from'] <= before['seq'],
                        'the blackout is too long for the ring: numbers '
                        f'{before["seq"]} to {ring["from"]} are overwritten')
            self.expect(ring['missing'] == wanted,
                        f'{ring["missing"]} sequence numbers are missing')

    def bit(self, kind):
        """The row that says where a bit dropped; the times."""
        drops = self.trace.drops(kind)
        self.row(self.bits[kind], '; '.join(
            f'dropped at {ms(self.trace.virtual_ns(when))}, '
            f'{self.trace.phase(when)}' for when in drops)
            or ('never dropped' if self.trace.while_running(kind)
                else 'was never set'))
        return drops

    def bit_held(self, kind):
        """The bit was set, and stayed."""
        self.expect(not self.bit(kind) and self.trace.while_running(kind),
                    f'{self.bits[kind]} did not stay set')

    def bit_dropped(self, kind):
        """The bit dropped in the blackout, and only there; the times."""
        drops = self.bit(kind)
        self.expect(drops, f'{self.bits[kind]} did not drop')
        self.expect(all(self.trace.in_blackout(when) for when in drops),
                    f'{self.bits[kind]} dropped outside of the blackout')
        return drops

    def spoken(self):
        """What lu-monitor said, which is also how the emulator ended."""
        monitor = self.run.monitor
        if not monitor:
            self.expect(False, 'lu-monitor wrote no verdict')
            return None
        rules = sorted({f['rule'] for f in monitor['findings']})
        self.row('lu-monitor', '; '.join([monitor['verdict'], *rules,
                                          *monitor['reasons']]))
        self.expect(self.run.status == EXIT[monitor['verdict']],
                    f'the emulator ended with status {self.run.status}')
        return monitor, rules

    def unclaimed(self):
        """No handoff was announced, so lu-monitor must not judge one."""
        said = self.spoken()
        if said:
            monitor, rules = said
            self.expect(UNCLAIMED in monitor['reasons'],
                        'lu-monitor speaks of a live update')
            self.expect(not rules, f'findings of lu-monitor: {rules}')

    def claimed(self, verdict):
        """The stream was claimed: a pass, or exactly the rule named."""
        said = self.spoken()
        if said:
            monitor, rules = said
            wanted = [] if verdict == 'pass' else [verdict]
            self.expect(monitor['verdict'] == ('fail' if wanted else 'pass'),
                        f'the verdict is {monitor["verdict"]}')
            self.expect(rules == wanted, f'findings of lu-monitor: {rules}')
            for claim in monitor['claims']:
                self.row('claim', f'{claim["state"]}; {claim["table-pages"]} '
                         f'table pages; {claim["before"]} accesses before, '
                         f'{claim["blackout"]} in the blackout, '
                         f'{claim["after"]} after, {claim["faults"]} refused')


# The cases

def crash(judge, scalable):
    """DMA went on, untouched, through the panic and the boot."""
    before, second, end = judge.transfers()
    judge.expect(second['done'] > before['done'],
                 'no transfer landed in the blackout')
    judge.expect(end['done'] > second['done'],
                 'no transfer landed after the blackout')
    judge.no_errors(end)
    judge.expect(end['blocked'] == 0,
                 f'{end["blocked"]} transfers were held back')
    judge.ring(before, 0)
    judge.expect(end['seq'] == end['done'],
                 f'{end["done"]} transfers landed of {end["seq"]}')
    judge.bit_held('enable')
    judge.bit_held('bme')
    faults = judge.trace.while_running('fault')
    judge.row('translation faults', len(faults))
    judge.expect(not faults, f'{len(faults)} translation faults')
    roots = judge.trace.roots()
    judge.row('root table', ' -> '.join(
        f'0x{root:x}{" with TE set" if enabled else ""}'
        for root, _, enabled in roots))
    judge.expect(len(roots) > 1 and roots[-1][2],
                 'no root table was replaced with translation on')
    judge.expect(all(mode == scalable for _, mode, _ in roots),
                 'the tables are not in the mode that was asked for')
    judge.expect(judge.console.copied,
                 'the second kernel did not copy the translation tables')


def crash_legacy(judge):
    """A crash in legacy mode."""
    crash(judge, False)


def crash_scalable(judge):
    """A crash in scalable mode."""
    crash(judge, True)


def crash_reset(judge):
    """DMA went on until the second kernel reset the IOMMU, and stopped."""
    before, second, end = judge.transfers()
    judge.expect(second['done'] > before['done'],
                 'no transfer landed in the blackout')
    judge.expect(end['done'] == second['done'],
                 'transfers land although the IOMMU was reset')
    judge.expect(end['errors'] > 0, 'the engine saw no error')
    judge.ring(before, 0)
    judge.expect(end['seq'] == end['done'],
                 f'{end["done"]} transfers landed of {end["seq"]}')
    reset = judge.bit_dropped('enable')
    judge.bit_held('bme')
    aborts = [event.when for event in judge.trace.while_running('abort')
              if event.value]
    judge.row('GBPA.ABORT', '; '.join(
        f'set at {ms(judge.trace.virtual_ns(when))}, '
        f'{judge.trace.phase(when)}' for when in aborts) or 'never set')
    judge.expect(reset and aborts and aborts[0] <= reset[0],
                 'accesses were not made to abort before SMMUEN dropped')


def crash_off(judge):
    """The contrary: every witness of a good crash speaks up."""
    before, second, end = judge.transfers()
    judge.expect(end['done'] == second['done'],
                 'transfers land although translation is off')
    judge.expect(end['errors'] > 0, 'the engine saw no error')
    # the one that the guest spoiled; the engine itself stands still
    judge.ring(before, 1)
    judge.bit_dropped('enable')
    judge.bit_held('bme')


def kexec(judge):
    """The first kernel stopped the device, then the IOMMU."""
    _, second, end = judge.transfers()
    judge.expect(end['done'] == second['done'],
                 'DMA goes on in the second kernel')
    judge.no_errors(end)
    judge.expect(end['blocked'] > 0, 'the engine was never held back')
    bme = judge.bit_dropped('bme')
    enable = judge.bit_dropped('enable')
    judge.expect(not enable or not bme or bme[0] < enable[0],
                 'translation ended before the device was stopped')
