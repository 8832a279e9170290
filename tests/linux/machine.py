# One run of an emulator: its serial console is drained by a thread, from start
# to end, each line stamped with the host's time, and given to whoever asks,
# within time limits.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import queue
import re
import subprocess
import threading
import time

ESCAPES = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]|\x1bc|[\r\0]')


class Machine:
    """Leave it with close(), or as a context, and the emulator is gone."""

    def __init__(self, command, console_path, error_path):
        self.lines = queue.Queue()
        self.console = open(console_path, 'w', encoding='utf-8')
        self.errors = open(error_path, 'w', encoding='utf-8')
        self.started = time.time()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE,
                                        stderr=self.errors)
        self.reader = threading.Thread(target=self._drain, daemon=True)
        self.reader.start()

    def _drain(self):
        for raw in self.process.stdout:
            now = time.time()
            text = ESCAPES.sub('', raw.decode('utf-8', 'replace')).rstrip()
            self.console.write(f'{now - self.started:8.3f} {text}\n')
            self.lines.put((now, text))
        self.lines.put(None)

    def read(self, limit, quiet):
        """
        The lines of the console with their times, until the emulator ends.
        TimeoutError after `limit` seconds in all, or `quiet` without a line.
        """
        end = self.started + limit
        while True:
            left = min(end - time.time(), quiet)
            try:
                line = self.lines.get(timeout=max(left, 0.01))
            except queue.Empty:
                raise TimeoutError(
                    f'{limit} s have passed' if time.time() >= end
                    else f'nothing on the console for {quiet} s') from None
            if line is None:
                return
            yield line

    def close(self):
        """End the emulator if it still runs; its exit status."""
        try:
            status = self.process.wait(timeout=5 if not self.lines.qsize()
                                       else 0.1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join()
        self.console.close()
        self.errors.close()
        return status
