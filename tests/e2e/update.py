#!/usr/bin/env python3
"""The firmware of the microcontroller's image in QEMU is replaced: done, refused, rolled back, and killed on the way.

The images differ in what the maker's key signed (version, board, slot) and in that some do not work; the code is that of the build folder.
One line a case, then "N passed, N failed".

    update.py --build build [--jobs N] [--only WORD]
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from shop import Shop, Wrong, expect, wait_for  # noqa: E402

SLOTS = {"a": 0x21F80000, "b": 0x21FBA000}  # board/mps2/memory.h
HEADER = 256
LIMIT_S = 180


class Factory:
    """Makes firmware files out of the build folder's images."""

    def __init__(self, build, folder):
        self.build, self.folder, self.number = os.path.abspath(build), folder, 0
        self.key = os.path.join(self.build, "mcu", "development-key.pem")

    def tool(self, *arguments):
        done = subprocess.run([os.path.join(self.build, "kkt-image"), *arguments], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"kkt-image {arguments}: {done.stderr}")
        return done.stdout

    def raw(self, slot):
        with open(os.path.join(self.build, "mcu", "mps2", f"image-{slot}.raw"), "rb") as file:
            return bytearray(file.read())

    def image(self, slot, version, board="mps2", key=None, spoil=None):
        raw = self.raw(slot)
        if spoil is not None:
            spoil(raw, SLOTS[slot] + HEADER)
        self.number += 1
        name = os.path.join(self.folder, f"image-{self.number}")
        with open(name + ".raw", "wb") as file:
            file.write(raw)
        self.tool("make", "--board", board, "--address", hex(SLOTS[slot]), "--version", version, "--key", key or self.key, "-o", name, name + ".raw")
        with open(name, "rb") as file:
            return file.read()

    def file(self, version, cut=None, change=None, **options):
        """A .kktfw for both slots; cut: so many bytes off its end; change: of the bytes."""
        data = bytearray(self.image("a", version, **options) + self.image("b", version, **options))
        if cut:
            del data[-cut:]
        if change is not None:
            change(data)
        name = os.path.join(self.folder, f"{self.number}.kktfw")
        with open(name, "wb") as file:
            file.write(data)
        return name


def hang(raw, base):
    """The image's first instruction jumps to itself: nothing but the watchdog ends that."""
    at = (int.from_bytes(raw[4:8], "little") & ~1) - base
    raw[at:at + 2] = b"\xfe\xe7"


def firmware(shop):
    answer = shop.kkt("firmware")
    expect(answer.code == 0, f"firmware status: {answer}")
    return answer.data


def update(shop, file):
    return shop.run("kkt", "--json", "--device", f"tcp:127.0.0.1:{shop.port}", "firmware", "update", file, limit_s=LIMIT_S)


def runs(shop, version, state="confirmed"):
    told = firmware(shop)
    expect(told["version"] == version and told["state"] == state, f"{version}, {state} expected: {told}")
    identity = shop.status()["deviceInfo"]["firmwareVersion"]
    expect(identity == version, f"the identity says {identity} instead of {version}")


def ready(shop):
    shop.register()
    shop.open_shift()
    shop.good_receipt()
    shop.idle()
    shop.confirmed()


# ---- cases ----

def replaced(shop, factory):
    """Twice, so that both slots were written; receipts before and after are one series."""
    ready(shop)
    for version in ("0.2.0", "0.2.1"):
        answer = update(shop, factory.file(version))
        expect(answer.code == 0, f"update: {answer}")
        runs(shop, version)
        shop.good_receipt()
    shop.stop("board")
    shop.start_board()
    runs(shop, "0.2.1")
    shop.good_receipt()
    shop.confirmed()


def refused(shop, factory):
    """Each with its own code; what runs goes on, nothing of flash was changed."""
    ready(shop)
    stranger = os.path.join(factory.folder, "stranger.pem")
    factory.tool("keygen", stranger)
    middle = 300 + len(factory.raw("a")) // 2

    def flip(data):
        for at in (middle, HEADER + len(factory.raw("a")) + middle):
            data[at] ^= 1

    files = {"UPDATE_SIGNATURE": [factory.file("0.2.0", key=stranger)],
             "UPDATE_VERSION": [factory.file("0.0.9"), factory.file("0.1.0")],
             "UPDATE_BOARD": [factory.file("0.2.0", board="lm3s")],
             "UPDATE_IMAGE": [factory.file("0.2.0", cut=1), factory.file("0.2.0", cut=len(factory.raw("b")) + 100), factory.file("0.2.0", change=flip),
                              os.path.join(shop.build, "mcu", "mps2", "image-a.raw"), os.devnull]}
    before = shop.facts()
    for name, bad in files.items():
        for file in bad:
            answer = update(shop, file)
            expect(answer.code == 1 and answer.error.get("name") == name and answer.error.get("cure"), f"{name} expected: {answer}")
            runs(shop, "0.1.0", "quiet")
    after = shop.facts()
    expect(before == after, f"something was changed: {before} {after}")
    shop.good_receipt()


def rolled_back(shop, factory):
    ready(shop)
    answer = update(shop, factory.file("0.3.0", spoil=hang))
    expect(answer.code == 1 and answer.error.get("name") == "UPDATE_ROLLED_BACK", f"roll-back expected: {answer}")
    runs(shop, "0.1.0", "rolledBack")
    shop.good_receipt()
    answer = update(shop, factory.file("0.3.1"))
    expect(answer.code == 0, f"update: {answer}")
    runs(shop, "0.3.1")
    shop.good_receipt()


def killed_on_the_way(shop, factory):
    """SIGKILL of QEMU at several moments of one update each; the command itself brings it to its end."""
    ready(shop)
    for number, moment in enumerate(("sent 20", "sent 100", "restarts", "proves")):
        version = f"0.4.{number}"
        process = start(shop, "firmware", "update", factory.file(version))
        watchdog = threading.Timer(LIMIT_S, process.kill)
        watchdog.start()
        seen = []
        for line in process.stderr:
            seen.append(line)
            if moment in line:
                shop.till.kill(process)
                shop.ctl("power", "on")
                break
        seen += process.stderr.readlines()
        process.wait()
        watchdog.cancel()
        expect(any(moment in line for line in seen), f"\"{moment}\" never came: {seen}")
        expect(process.returncode == 0, f"killed at \"{moment}\": {process.returncode} {seen}")
        runs(shop, version)
        shop.good_receipt()


def start(shop, *arguments, text=None):
    """kkt in the background."""
    process = subprocess.Popen([os.path.join(shop.build, "kkt"), "--device", f"tcp:127.0.0.1:{shop.port}", "--queue", shop.queue, *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if text is not None:
        process.stdin.write(text)
    process.stdin.close()
    return process


def not_between_intent_and_done(shop, factory):
    """The fiscal module falls silent with a document half made: the board takes the new firmware, but does not restart before the outcome of
    that document is known."""
    ready(shop)
    task = shop.sell()
    before = shop.facts()
    shop.ctl("fn", "delay", "250")
    sale = start(shop, "--timeout", "3000", "task", "-", text=json.dumps(task))
    wait_for("the INTENT", lambda: shop.stats()[shop.till.flash_counter] > before["flash"])
    shop.ctl("fn", "off")
    shop.ctl("fn", "delay", "0")
    sale.wait(30)
    resets = shop.stats()["resets"]
    process = start(shop, "firmware", "update", factory.file("0.5.0"))
    watchdog = threading.Timer(LIMIT_S, process.kill)
    watchdog.start()
    try:
        for line in process.stderr:
            if "sent 100" in line:
                break
        time.sleep(3)
        told = firmware(shop)
        expect(told["state"] == "restarting" and shop.stats()["resets"] == resets, f"it does not wait: {told}")
        shop.ctl("fn", "on")
        rest = process.stderr.read()
        expect(process.wait() == 0, f"update: {rest}")
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
    shop.done(task)
    after = shop.facts()
    expect(after["documents"] == before["documents"] + 1, f"one document: {before} {after}")
    runs(shop, "0.5.0")


CASES = (killed_on_the_way, not_between_intent_and_done, rolled_back, replaced, refused)  # the longest first


def run(case, build):
    """The line that is said of it; good or not."""
    started = time.monotonic()
    try:
        with Shop(build) as shop:
            case(shop, Factory(build, shop.root))
        return True, f"ok {case.__name__} ({time.monotonic() - started:.1f} s)"
    except (Wrong, OSError, KeyError, ValueError) as wrong:
        return False, f"FAILED {case.__name__}: {type(wrong).__name__}: {wrong}"


def main():
    parser = argparse.ArgumentParser(description="The firmware of the image in QEMU is replaced.")
    parser.add_argument("--build", default="build")
    parser.add_argument("--jobs", type=int, default=2, help="boards side by side")
    parser.add_argument("--only", default="", help="cases with this word in their name")
    options = parser.parse_args()
    Shop.board = "mps2"
    cases = [case for case in CASES if options.only in case.__name__]
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, case, options.build) for case in cases]):
            good, line = done.result()
            passed += good
            print(line, flush=True)
    print(f"{passed} passed, {len(cases) - passed} failed")
    return 0 if passed == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
