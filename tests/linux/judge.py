# Judges a run: makes the rows of its table, and notes what was not as expected.
# Every expectation names what was seen instead.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import trace

# What lu-monitor says of a run in which no stream was claimed, and the exit
# status that it gives to the emulator for each verdict.
UNCLAIMED = 'no live update claimed'
EXIT = {'pass': 0, 'fail': 10, 'inconclusive': 12}

def ms(ns):
    """A time for people."""
    return f'{ns / 1e6:.1f} ms'


class Judge:
    """The rows of the table, and what was not as expected."""

    def __init__(self):
        self.rows = []
        self.wrong = []

    def row(self, name, value):
        """One line of the table."""
        self.rows.append((name, str(value)))

    def expect(self, true, wrong):
        """`wrong` says what was seen instead."""
        if not true:
            self.wrong.append(wrong)

    def no_errors(self, end):
        """No transfer failed; `end` is the last set of counters."""
        self.expect(end['errors'] == 0,
                    f'{end["errors"]} transfers failed, the last at IOVA '
                    f'0x{end["err_iova"]:x}')


BITS = {'te': 'Translation Enable', 'bme': 'Bus Master Enable'}


def judge_bit(judge, evidence, kind):
    """A row that says where a bit dropped, or that it did not."""
    drops, name = evidence.drops(kind), BITS[kind]
    if drops:
        judge.row(name, '; '.join(
            f'dropped at {ms(evidence.virtual_ns(when))}, '
            f'{evidence.phase(when)}' for when in drops))
    elif evidence.while_running(kind):
        judge.row(name, 'never dropped')
    else:
        judge.row(name, 'was never set')
    return drops


def judge_transfers(judge, guest):
    """The rows that every case has; the three sets of counters."""
    before, second, end = (guest.counters[at]
                           for at in ('before', 'second', 'end'))
    judge.row('transfers before', before['done'])
    judge.row('  in the blackout', "%d (%s, to the second kernel's /init)" % (
        second['done'] - before['done'],
        ms(second['time_ns'] - before['time_ns'])))
    judge.row('  after', '%d (%s)' % (end['done'] - second['done'],
                                      ms(end['time_ns'] - second['time_ns'])))
    judge.row('errors', end['errors'])
    return before, second, end


def judge_ring(judge, guest, before):
    """The row about sequence numbers; how many are missing."""
    through = [ring for ring in guest.rings
               if ring['through'] == '/proc/vmcore']
    missing = max((ring['missing'] for ring in guest.rings), default=0)
    judge.expect(len(through) == 2, 'the ring was not read to the end')
    if through:
        first, last = through[0]['from'], through[-1]['to']
        judge.row('sequence numbers', f'{first} to {last}: '
                  f'{missing or "none"} missing, read through /proc/vmcore')
        judge.expect(first <= before['seq'],
                     'the ring is too short for this blackout: numbers '
                     f'{before["seq"]} to {first - 1} were overwritten')
    return missing


def judge_crash(judge, guest, evidence):
    """DMA must have gone on, untouched, through the panic and the boot."""
    before, second, end = judge_transfers(judge, guest)
    judge.row('longest gap', f'{ms(end["gap_ns"])}, at '
              f'{ms(end["gap_start_ns"])}')
    judge.expect(second['done'] > before['done'],
                 'no transfer landed in the blackout')
    judge.expect(end['done'] > second['done'],
                 'no transfer landed after the blackout')
    judge.no_errors(end)
    judge.row('held back (BME clear)', end['blocked'])
    judge.expect(end['blocked'] == 0,
                 f'{end["blocked"]} transfers were held back')
    missing = judge_ring(judge, guest, before)
    judge.expect(not missing, f'{missing} sequence numbers are missing')
    judge.expect(end['seq'] == end['done'],
                 f'{end["done"]} transfers landed of {end["seq"]}')

    for kind, name in BITS.items():
        drops = judge_bit(judge, evidence, kind)
        judge.expect(not drops and evidence.while_running(kind),
                     f'{name} did not stay set')
    faults = evidence.while_running('fault')
    judge.row('translation faults', len(faults))
    judge.expect(not faults, f'{len(faults)} translation faults')
    roots = evidence.roots()
    judge.row('root table', ' -> '.join(
        f'0x{root:x}{" (scalable)" if scalable else ""}'
        f'{" with TE set" if te else ""}' for root, scalable, te in roots))
    judge.expect(len(roots) > 1 and roots[-1][2],
                 'no root table was replaced with translation on')
    judge.expect(guest.copied,
                 'the second kernel did not copy the translation tables')
    return roots


def judge_crash_legacy(judge, guest, evidence):
    """As every crash, with legacy-mode tables."""
    judge.expect(not any(scalable for _, scalable, _
                         in judge_crash(judge, guest, evidence)),
                 'the tables are in scalable mode')


def judge_crash_scalable(judge, guest, evidence):
    """As every crash, with scalable-mode tables."""
    judge.expect(all(scalable for _, scalable, _
                     in judge_crash(judge, guest, evidence)),
                 'the tables are in legacy mode')


def judge_crash_off(judge, guest, evidence):
    """The contrary: every witness of judge_crash must speak up."""
    before, second, end = judge_transfers(judge, guest)
    judge.expect(end['done'] == second['done'],
                 'transfers land although translation is off')
    judge.expect(end['errors'] > 0, 'the engine saw no error')
    judge.expect(judge_ring(judge, guest, before) > 0,
                 'no sequence number is missing although transfers failed')
    drops = judge_bit(judge, evidence, 'te')
    judge.expect(drops, 'Translation Enable did not drop')
    judge.expect(all(evidence.mark_at[trace.LEAVING] < when
                     < evidence.mark_at[trace.SECOND] for when in drops),
                 'Translation Enable dropped outside of the crash')
    judge.expect(not judge_bit(judge, evidence, 'bme'),
                 'Bus Master Enable dropped')


def judge_monitor(judge, monitor, code):
    """No handoff was announced, so the monitor must not have judged one."""
    if not monitor:
        judge.expect(False, 'lu-monitor wrote no verdict')
        return
    judge.row('lu-monitor', ', '.join(
        [monitor['verdict'], *monitor['reasons'],
         f'{len(monitor["findings"])} findings']))
    judge.expect(UNCLAIMED in monitor['reasons'],
                 'lu-monitor speaks of a live update')
    judge.expect(not monitor['findings'], 'lu-monitor has findings: ' + ', '
                 .join(finding['rule'] for finding in monitor['findings']))
    judge.expect(code == EXIT[monitor['verdict']],
                 f'the emulator ended with status {code}')


def judge_kexec(judge, guest, evidence):
    """The first kernel must have stopped the DMA, and then the IOMMU."""
    _, second, end = judge_transfers(judge, guest)
    judge.no_errors(end)
    judge.row('held back (BME clear)', end['blocked'])
    judge.expect(end['blocked'] > 0, 'the engine was never held back')
    judge.expect(end['done'] == second['done'],
                 'DMA goes on in the second kernel')
    drops = {}
    for kind in ('bme', 'te'):
        drops[kind] = judge_bit(judge, evidence, kind)
        judge.expect(drops[kind], f'{BITS[kind]} did not drop')
        judge.expect(all(evidence.mark_at[trace.LEAVING] < when
                         < evidence.mark_at[trace.SECOND]
                         for when in drops[kind]),
                     f'{BITS[kind]} dropped outside of the kexec')
    if drops['te'] and drops['bme']:
        judge.expect(drops['bme'][0] < drops['te'][0],
                     'translation ended before the device was stopped')
    judge.row('engine stopped', f'at {ms(end["blocked_ns"])} by its own word; '
              f'last transfer at {ms(end["last_ns"])}')
