#!/usr/bin/env python3
"""kkt-printer and kkt-fn alone: paper and its facts outlive the program and the cable, a full head holds its client back, the panel's words work.

    devices.py --build build
"""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from shop import Wrong, expect, wait_for  # noqa: E402

STATUS_PAPER, PAPER_OUT_BITS = b"\x10\x04\x04", 0x60
CUT = b"\n\x1d\x56\x00"


class Device:
    """A program behind two unix sockets in one folder."""

    def __init__(self, build, folder, program, *options):
        self.build, self.folder, self.program, self.options = build, folder, program, options
        self.uart, self.panel = (os.path.join(folder, f"{program}.{name}") for name in ("sock", "ctl"))
        self.process = None

    def __enter__(self):
        command = [os.path.join(self.build, self.program), "--listen", "unix:" + self.uart, "--ctl", "unix:" + self.panel, *self.options]
        with open(os.path.join(self.folder, self.program + ".log"), "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(f"{self.program} starts", lambda: self.ask("stats")[0] == 0)
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(15)
        expect(kind is not None or code in (0, -signal.SIGKILL), f"{self.program} ended with {code}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, *words):
        done = subprocess.run([os.path.join(self.build, self.program), "ctl", "--ctl", "unix:" + self.panel, *words], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr

    def told(self, *words):
        code, text = self.ask(*words)
        expect(code == 0, f"{self.program} ctl {' '.join(words)}: {code} {text}")
        return text

    def stats(self):
        return json.loads(self.told("stats", "--json"))

    def plug(self):
        cable = socket.socket(socket.AF_UNIX)
        cable.settimeout(5)
        cable.connect(self.uart)
        return cable


def paper_is_out(cable):
    cable.sendall(STATUS_PAPER)
    return cable.recv(1)[0] & PAPER_OUT_BITS == PAPER_OUT_BITS


def slips(folder):
    with open(os.path.join(folder, "paper", "index.jsonl"), encoding="utf-8") as file:
        for line in file:
            slip = json.loads(line)
            with open(os.path.join(folder, "paper", slip["text"]), encoding="utf-8") as text:
                yield slip["complete"], text.read()


def printer(build, folder):
    def head():
        return Device(build, folder, "kkt-printer", "--state", folder, "--pace", "0", "--no-png", "--quiet")

    with head() as one:
        with one.plug() as cable:
            expect(not paper_is_out(cable), "a new head has paper")
            cable.sendall(b"first line\n")
            wait_for("the line is on the paper", lambda: one.stats()["paper_lines"] == 1)
        with one.plug() as cable:  # only the cable was out
            cable.sendall(b"second line\n" + CUT)
            wait_for("the slip comes out", lambda: one.stats()["slips"] == 1)
            one.told("paper", "out")
            expect(paper_is_out(cable), "the head says that paper is out")
            second = [os.path.join(build, "kkt-printer"), "--state", folder, "--listen", "unix:" + one.uart + "2"]
            done = subprocess.run(second, capture_output=True, timeout=15)
            expect(done.returncode == 1 and b"another print head" in done.stderr, f"a second head on the same paper: {done}")
        one.kill()
    with head() as one:
        with one.plug() as cable:
            expect(paper_is_out(cable), "paper is still out after a SIGKILL")
            # What the head cannot take stays with the client: nothing is lost, however long it lasts.
            lines, sent = b"".join(b"line %05d\n" % number for number in range(20000)), 0
            cable.setblocking(False)
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                try:
                    sent += cable.send(lines[sent:sent + 1000])
                except BlockingIOError:
                    time.sleep(0.01)
            expect(0 < sent < len(lines), f"a head without paper took {sent} bytes")
            one.told("paper", "in")
            cable.settimeout(20)
            cable.sendall(lines[sent:] + CUT)
            wait_for("the long slip comes out", lambda: one.stats()["slips"] == 1)
        wait_for("both slips are written", lambda: len(list(slips(folder))) == 2)
        (complete, text), (_, long) = slips(folder)
        expect(complete and text.split() == ["first", "line", "second", "line"], f"the first slip: {text}")
        expect(long.count("line ") == 20000 and "line 19999" in long, "every line of the long slip is there once")
        expect(one.ask("paper", "dance")[0] == 2 and one.ask()[0] == 2, "a wrong word is not understood")


def fiscal_module(build, folder):
    request = b"\x04\x01\x00\x30" + crc(b"\x01\x00\x30")
    with Device(build, folder, "kkt-fn", "--store", os.path.join(folder, "fn.store")) as module:
        with module.plug() as wire:
            def answers(limit_s):
                wire.settimeout(limit_s)
                wire.sendall(request)
                try:
                    return wire.recv(100)[:1] == b"\x04"
                except TimeoutError:
                    return False
            expect(answers(5), "the module answers")
            for words in (("drop-answers", "1"), ("off",)):
                module.told(*words)
                expect(not answers(0.3), f"{words}: silence")
            module.told("on")
            expect(answers(5), "plugged in again")
            module.told("delay", "400")
            started = time.monotonic()
            expect(answers(5) and time.monotonic() - started >= 0.4, "a slow answer")
            module.told("delay", "0")
            module.told("advance", "86400")
            expect(answers(5) and module.stats()["fn_by_code"] == {"30": 5}, f"commands are counted, but not while it is off: {module.stats()}")
        expect(module.ask("advance", "soon")[0] == 2 and module.ask("paper", "out")[0] == 2, "a wrong word is not understood")


def crc(data):
    """CRC-16/CCITT, little-endian, as in proto/fn_frame."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
    return value.to_bytes(2, "little")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    build = os.path.abspath(parser.parse_args().build)
    failed = 0
    for case in (printer, fiscal_module):
        with tempfile.TemporaryDirectory(prefix="kkt-devices-") as folder:
            try:
                case(build, folder)
                print(f"ok {case.__name__}")
            except (Wrong, OSError, ValueError, subprocess.TimeoutExpired) as trouble:
                failed += 1
                print(f"FAILED {case.__name__}: {type(trouble).__name__}: {trouble}")
    print(f"{2 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
