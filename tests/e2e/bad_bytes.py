"""Garbage, floods, half messages and silence on every wire: host link, operator, fiscal module.

The programs stay alive and answer within STATED_S; no document appears, is lost or doubled; what waited is done when a good other
side is back. Random bytes come from the seed that bad_input.py prints.
"""
import os
import random
import select
import socket
import struct
import threading
import time

from shop import Shop, expect, wait_for

STATED_S = 5.0  # a status, asked while garbage comes or right after; a loaded machine and the sanitizers included
FLOOD = 1 << 20


# ---- frames of the host link (proto/LINK.md), written a second time so that both must agree ----

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(data):
    out = bytearray()
    for part in (data + b"\0").split(b"\0")[:-1]:
        while len(part) >= 254:
            out += b"\xff" + part[:254]
            part = part[254:]
        out += bytes([len(part) + 1]) + part
    return bytes(out)


def frame(code, payload=b"", kind=1, exchange=1, total=None, offset=0, version=1):
    head = struct.pack("<BBHHH", version << 4 | kind, code, exchange, len(payload) if total is None else total, offset)
    body = head + payload
    return b"\0" + cobs(body + struct.pack("<I", crc32c(body))) + b"\0"


def unframe(wire):
    """(kind, code, exchange, payload) of each whole frame in it."""
    for part in wire.split(b"\0")[:-1]:
        plain, at = bytearray(), 0
        while at < len(part):
            plain += part[at + 1:at + part[at]]
            if part[at] < 255 and at + part[at] < len(part):
                plain += b"\0"
            at += part[at]
        if len(plain) >= 12:
            expect(crc32c(plain[:-4]) == struct.unpack("<I", plain[-4:])[0], f"the board sent a frame with a wrong check: {part.hex()}")
            yield plain[0] & 15, plain[1], struct.unpack("<H", plain[2:4])[0], bytes(plain[8:-4])


# ---- sending ----

def connect(address):
    if isinstance(address, str):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(STATED_S)
        peer.connect(address)
        return peer
    return socket.create_connection(("127.0.0.1", address), STATED_S)


def throw(address, data, read=True, linger_s=0.0, rude=False, until=None):
    """Sends data on a new connection while reading what comes, and goes away: rude at once, else after the other side took it all.
    The other side may hang up at any time. until: waits, linger_s at most, until this holds for what came. Returns what came."""
    got = bytearray()
    try:
        with connect(address) as peer:
            peer.settimeout(0.02)
            sent, deadline = 0, time.monotonic() + 10
            while sent < len(data) and time.monotonic() < deadline:
                try:
                    sent += peer.send(data[sent:sent + 65536])
                except TimeoutError:
                    pass
                if read:
                    peer.setblocking(False)
                    try:
                        got += peer.recv(65536)
                    except BlockingIOError:
                        pass
                    peer.settimeout(0.02)
            deadline = time.monotonic() + linger_s
            peer.settimeout(0.02)
            shut = False
            while not rude and (time.monotonic() < deadline or not shut):
                if not shut and (time.monotonic() >= deadline or until is not None and until(got)):
                    peer.shutdown(socket.SHUT_WR)
                    shut, deadline = True, time.monotonic() + 1
                try:
                    more = peer.recv(65536)
                    got += more
                    if not more:
                        break
                except TimeoutError:
                    pass
    except OSError:
        pass
    return bytes(got)


def in_time(shop, what):
    """Board and operator live, and the status comes in the stated time."""
    for name in shop.processes:
        shop.alive(name)
    started = time.monotonic()
    shop.status()
    seconds = time.monotonic() - started
    expect(seconds < STATED_S, f"{what}: the status took {seconds:.1f} s")


def undisturbed(shop, before, what):
    in_time(shop, what)
    after = shop.facts()
    expect(before == after, f"{what} changed something: {before} became {after}")


# ---- host link ----

def host_link_random_bytes(shop, seed):
    source, before = random.Random(seed), shop.facts()
    for size in (1, 2, 3, 17, 254, 255, 256, 1040, 1041, 4096, 70000):
        throw(shop.port, source.randbytes(size))
        throw(shop.port, b"\0" + bytes(byte or 1 for byte in source.randbytes(size)) + b"\0")
    in_time(shop, "random bytes")
    for number in range(60):
        throw(shop.port, source.randbytes(source.randrange(1, 400)), rude=number % 3 == 0)
    undisturbed(shop, before, "random bytes")
    shop.good_receipt()


def host_link_bad_frames(shop, seed):
    """Frames whose check is right and whose content is not: lengths that lie, unknown codes and versions, fragments without an end, jobs of noise."""
    source, before = random.Random(seed), shop.facts()
    frames = [frame(2, version=7), frame(2, kind=0), frame(2, kind=2), frame(2, kind=3), frame(0), frame(255), frame(31), frame(63),
              frame(32, b"x" * 19), frame(32, b"x" * 1024), frame(32, b"x" * 1024, total=32768), frame(32, b"x" * 1024, total=65535),
              frame(32, b"x" * 10, total=20, offset=10), frame(32, b"x" * 10, total=5), frame(32, b"x" * 1024, total=1024, offset=65535),
              frame(32, b"", total=100), frame(5, b"short"), frame(6, b"\xff" * 300), frame(2, b"\x00" * 1025)]
    for bad in frames:
        throw(shop.port, bad)
        throw(shop.port, bad[:len(bad) // 2])
    for _ in range(150):
        throw(shop.port, frame(source.choice((1, 2, 3, 4, 5, 6, 7, *range(30, 48))), source.randbytes(source.randrange(0, 200)), exchange=source.randrange(65536)))
    undisturbed(shop, before, "bad frames")
    # On the very connection that brought the garbage a good frame is answered: what was lost ends with the next delimiter.
    wire = b"".join(frames) + source.randbytes(3000) + frame(1, exchange=777)

    def answers_in(got):
        return [payload for kind, code, exchange, payload in unframe(got) if (kind, code, exchange) == (2, 1, 777)]
    answers = answers_in(throw(shop.port, wire, linger_s=20, until=answers_in))
    expect(len(answers) == 1 and shop.serial.encode() in answers[0], f"the identity behind garbage: {answers}")
    undisturbed(shop, before, "garbage before a good frame")
    shop.good_receipt()


def host_link_noise_in_jobs(shop, seed):
    """Jobs for this very board whose TLV is noise: each is refused with a code and its key, none is done."""
    source, before = random.Random(seed), shop.facts()
    tag = struct.pack("<I", crc32c(shop.serial.encode()))
    refusals = {}
    for number in range(120):
        code = source.choice((32, 33, 34, 35, 36, 38, 39, 42, 43, 44))
        key = source.randbytes(16)
        tlv = b"".join(struct.pack("<HH", source.choice((1054, 1059, 1055, 1020, 1031, 1021, 62090, 62001, source.randrange(65536))), size := source.randrange(0, 40))
                       + source.randbytes(size) for _ in range(source.randrange(1, 6)))
        if code == 42:
            tlv += b"\x01"  # a copy takes any whole TLV list, as queries do
        got = throw(shop.port, frame(code, key + tag + tlv, exchange=number), linger_s=0.06)
        for kind, told, exchange, payload in unframe(got):
            if (kind, told, exchange) == (2, code, number):
                error = struct.unpack("<H", payload[:2])[0]
                expect(error != 0, f"job {code} made of noise was done: {tlv.hex()}")
                refusals[error] = refusals.get(error, 0) + 1
    expect(sum(refusals.values()) >= 60, f"too few answers: {refusals}")
    undisturbed(shop, before, "jobs of noise")
    shop.good_receipt()


def host_link_floods(shop, seed):
    source, before = random.Random(seed), shop.facts()
    for data in (source.randbytes(FLOOD), b"\0" * FLOOD, b"\xff" * FLOOD, frame(2) * (FLOOD // len(frame(2)))):
        throw(shop.port, data)
        in_time(shop, "a flood")
    throw(shop.port, frame(1) * 20000, read=False, rude=True)  # asks all the time and never reads an answer
    undisturbed(shop, before, "floods")
    shop.good_receipt()


def host_link_cut_in_a_job(shop, seed):
    """A whole job's frames, cut after every so many bytes: it is done once or not at all, never in part, and its key tells which."""
    source, before = random.Random(seed), shop.facts()
    key, tag = source.randbytes(16), struct.pack("<I", crc32c(shop.serial.encode()))
    wire = frame(38, key + tag + struct.pack("<HH", 62011, 2) + b"\x10\x27")
    for end in range(1, len(wire) - 1, 3):
        throw(shop.port, wire[:end], rude=end % 2 == 0)
    undisturbed(shop, before, "a cut job")
    shop.good_receipt()


# ---- operator ----

def operator_garbage(shop, seed):
    """kkt-ofd, plain and TLS: noise, half headers, lengths that lie, TLS records that are none."""
    source, before = random.Random(seed), shop.facts()
    header = bytes.fromhex("2a08419a810701 20".replace(" ", "")) + b"9999078900005488"
    pieces = [b"", b"\0", header, header + b"\xff\xff\x14\x00\x00\x00", header + struct.pack("<HHH", 40, 0x14, 0) + source.randbytes(39),
              header + struct.pack("<HHH", 40, 0x14, 0) + source.randbytes(40), header + struct.pack("<HHH", 0, 0x14, 0) * 50,
              b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x16\x03\x03\x40\x00" + source.randbytes(16384), b"GET / HTTP/1.0\r\n\r\n",
              source.randbytes(FLOOD), b"\x2a\x08\x41\x0a" * (FLOOD // 4)]
    pieces += [source.randbytes(source.randrange(1, 300)) for _ in range(60)]
    for port in (shop.operator_port, shop.operator_tls_port):
        for piece in pieces:
            throw(port, piece)
        shop.alive("operator")
    held = [connect(port) for port in (shop.operator_port, shop.operator_tls_port) for _ in range(20)]  # say nothing, and stay
    undisturbed(shop, before, "garbage at the operator")
    shop.good_receipt()
    shop.confirmed()
    for peer in held:
        peer.close()


SHOP_CASES = (host_link_random_bytes, host_link_bad_frames, host_link_noise_in_jobs, host_link_floods, host_link_cut_in_a_job, operator_garbage)


class Impostor:
    """A TCP server in the place of an operator or of a fiscal module; answer(bytes, number) gives what it says to what it gets, None to hang up."""

    def __init__(self, address, answer):
        self.answer, self.connections, self.open, self.asked = answer, 0, True, 0
        if isinstance(address, str):
            self.server = socket.socket(socket.AF_UNIX)
            if os.path.exists(address):
                os.remove(address)
            self.server.bind(address)
            self.server.listen(16)
        else:
            self.server = wait_for("the port is free", lambda: self.listen(address))
        self.server.settimeout(0.05)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    @staticmethod
    def listen(port):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:  # a process being forked by another thread holds the last listener for a moment
            return None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.open = False
        self.thread.join()
        self.server.close()

    def serve(self):
        peers = []
        while self.open:
            try:
                peer, _ = self.server.accept()
                peer.settimeout(0.01)
                peers.append(peer)
                self.connections += 1
            except TimeoutError:
                pass
            for peer in list(peers):
                try:
                    data = peer.recv(65536)
                    self.asked += len(data)
                    reply = self.answer(data, self.connections) if data else None
                    if reply is None:
                        raise ConnectionError
                    peer.sendall(reply)
                except TimeoutError:
                    pass
                except OSError:
                    peers.remove(peer)
                    peer.close()
        for peer in peers:
            peer.close()


def impostors_at_the_operators_port(build, seed):
    """The board's operator answers noise, half a header, a good header with a wrong body, nothing, or hangs up; then the good one is back."""
    source = random.Random(seed)
    header = bytes.fromhex("2a08419a81070120") + b"9999078900005488"

    def lying(size):
        return header + struct.pack("<HHH", size, 0x14, 0) + source.randbytes(min(size, 3000))
    answers = (("noise", lambda data, number: source.randbytes(200)), ("half a header", lambda data, number: header[:11] if number % 2 else None),
               ("wrong body", lambda data, number: lying(80)), ("too large", lambda data, number: lying(65535)),
               ("empty body", lambda data, number: lying(0)), ("its own words", lambda data, number: data),
               ("flood", lambda data, number: source.randbytes(200000)), ("hangs up", lambda data, number: None), ("silence", lambda data, number: b""))
    with Shop(build, operator=False) as shop:
        shop.register()
        shop.open_shift()
        for name, answer in answers:
            with Impostor(shop.operator_port, answer) as impostor:
                waiting = shop.status()["ofdExchange"]["status"]["notSentCount"]
                shop.good_receipt()
                wait_for(f"the board tries the operator of {name}", lambda: impostor.asked > 0, 10)
                in_time(shop, name)
                # The board's count is as of its last question to the FN.
                wait_for(f"the receipt waits as the ones before it, {name} confirmed nothing",
                         lambda: shop.status()["ofdExchange"]["status"]["notSentCount"] == waiting + 1, 5)
                expect(not any(document["acknowledged"] for document in shop.archive()), f"{name}: a document counts as confirmed")
        shop.start_operator()
        shop.confirmed()
        shop.good_receipt()
        shop.confirmed()
        listed = [line for line in shop.run("kkt-ofd", "list", "--store", shop.path("operator.db")).text.splitlines() if "9999078900005488" in line]
        expect(len(listed) == len(shop.archive()), f"the operator has each document once: {listed}")


def impostors_at_the_tls_port(build, seed):
    source = random.Random(seed)
    answers = (("noise", lambda data, number: source.randbytes(300)), ("an alert", lambda data, number: b"\x15\x03\x03\x00\x02\x02\x28"),
               ("half a record", lambda data, number: b"\x16\x03\x03\x10\x00" + source.randbytes(100)), ("silence", lambda data, number: b""))
    with Shop(build, tls=True) as shop:
        shop.register()
        shop.confirmed()
        shop.stop("operator")
        shop.open_shift()
        for name, answer in answers:
            with Impostor(shop.operator_tls_port, answer) as impostor:
                shop.good_receipt()
                wait_for(f"the board tries the operator of {name}", lambda: impostor.asked > 0, 10)
                in_time(shop, name)
        shop.start_operator()
        shop.confirmed()


# ---- fiscal module ----

def start_fn(shop, *options):
    path = shop.path("fn.sock")
    shop.start("fn", "kkt-fn", "--store", shop.path("fn.store"), "--listen", "unix:" + path, *options)
    wait_for("the fiscal module starts", lambda: shop.alive("fn") and "listens" in shop.log("fn"))
    return path


def fn_garbage(build, seed):
    """kkt-fn: noise, frames cut and too long, floods; then a board works with it."""
    source = random.Random(seed)
    with Shop.bare(build) as shop:
        path = start_fn(shop)
        pieces = [b"", b"\x05", b"\x05" * 3000, b"\x04", b"\x04\x01", b"\x04\xff\xff", b"\x04\x00\x00\x30", b"\x04\x01\x00\x30\xff\xff", b"\x04\xff\x7f" + source.randbytes(40000),
                  source.randbytes(FLOOD), b"\x04" * FLOOD]
        pieces += [source.randbytes(source.randrange(1, 300)) for _ in range(80)]
        pieces += [b"\x04" + struct.pack("<H", size) + source.randbytes(size + 2) for size in (source.randrange(1, 600) for _ in range(60))]
        for piece in pieces:
            throw(path, piece)
            shop.alive("fn")
        shop.start_board(None, None, "--fn", "unix:" + path)
        shop.register()
        shop.open_shift()
        expect(shop.status()["lastFiscalDocumentNumber"] == 2, "noise made a document")
        shop.done(shop.sell())
        in_time(shop, "after noise on the FN link")


def impostors_at_the_fn_link(build, seed):
    """What answers in the FN's place is noise or silence: the board says so and sells nothing; with the real module it sells at once."""
    source = random.Random(seed)
    answers = (("noise", lambda data, number: source.randbytes(60)), ("frames of noise", lambda data, number: b"\x04\x20\x00" + source.randbytes(34)),
               ("its own words", lambda data, number: data), ("flood", lambda data, number: source.randbytes(100000)), ("silence", lambda data, number: b""))
    with Shop.bare(build) as shop:
        path = start_fn(shop)
        shop.start_board(None, None, "--fn", "unix:" + path)
        shop.register()
        shop.open_shift()
        shop.done(shop.sell())
        shop.stop("fn")
        for name, answer in answers:
            with Impostor(path, answer) as impostor:
                if shop.till.sees_plugs:
                    wait_for(f"the board asks the FN of {name}", lambda: impostor.asked > 0, 10)
                in_time(shop, name)
                refusal = shop.task(shop.sell())
                # Without being told of a plug the board asks again in its own time.
                wait_for(f"the board asks the FN of {name}", lambda: impostor.asked > 0, 30)
                expect(refusal.code == 1 and refusal.error["name"] in ("FN_SILENT", "FN_FAULT") and refusal.seconds < 25,
                       f"{name}: {refusal.seconds:.1f} s, {refusal}")
        start_fn(shop)
        wait_for("the FN is back", lambda: "blockReason" not in shop.status()["deviceStatus"], 20)
        expect(shop.status()["lastFiscalDocumentNumber"] == 3, "noise made a document")
        shop.done(shop.sell())


# ---- every UART at full speed ----

class Flood:
    """In the place of a fiscal module or of a print head: sends random bytes to whoever connects, as fast as they are taken. What comes is thrown
    away: a wire does not fill up, and QEMU's PL011 waits with all the machine for a socket that does."""

    def __init__(self, address, seed):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(address)
        self.server.listen(1)
        self.server.settimeout(0.05)
        self.address, self.source, self.sent, self.open = address, random.Random(seed), 0, True
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.open = False
        self.thread.join()
        self.server.close()
        os.remove(self.address)

    def serve(self):
        peer = None
        while self.open:
            try:
                if peer is None:
                    peer, _ = self.server.accept()
                    peer.settimeout(0.05)
                if select.select([peer], [], [], 0)[0] and peer.recv(65536) == b"":
                    raise ConnectionResetError
                self.sent += peer.send(self.source.randbytes(4096))
            except TimeoutError:
                pass
            except OSError:
                peer = None
        if peer is not None:
            peer.close()


def flood(port, seed, seconds):
    """Garbage on the host link for so long; how many bytes were taken."""
    source, sent, deadline = random.Random(seed), 0, time.monotonic() + seconds
    with connect(port) as peer:
        peer.settimeout(0.05)
        while time.monotonic() < deadline:
            try:
                sent += peer.send(source.randbytes(4096))
            except TimeoutError:
                pass
    return sent


FLOOD_S = 10


def uarts_flooded(build, seed):
    """Ten seconds of garbage at full speed on the host's line, on the fiscal module's, and on both and the print head's at once: frames are lost,
    never the device. Afterwards a receipt goes through and comes out of the printer."""
    with Shop.bare(build) as shop:
        path = start_fn(shop)
        lines = [path]
        more = ["--fn", "unix:" + path]
        if shop.till.printer_is_apart:
            lines.append(start_printer(shop))
            more += ["--printer", "unix:" + lines[-1]]
        shop.start_board(None, None, *more)
        shop.register()
        shop.open_shift()
        shop.done(shop.sell())
        before = shop.status()["lastFiscalDocumentNumber"]
        expect(flood(shop.port, seed, FLOOD_S) > 20000, "the flood on the host link was taken")
        in_time(shop, "a flood on the host link")
        shop.done(shop.sell())
        for name in ("fn", "printer")[:len(lines)]:
            shop.stop(name)
        floods = [Flood(line, seed + number) for number, line in enumerate(lines)]
        try:
            for one in floods:
                one.__enter__()
            wait_for("the floods run", lambda: all(one.sent > 0 for one in floods), 10)
            taken = flood(shop.port, seed + 9, FLOOD_S)
            expect(taken > 20000 and all(one.sent > 20000 for one in floods), f"the floods were taken: {taken} {[one.sent for one in floods]}")
            in_time(shop, "floods on all lines")
        finally:
            for one in floods:
                one.__exit__(None, None, None)
        start_fn(shop)
        if shop.till.printer_is_apart:
            start_printer(shop)
        wait_for("nothing is in the way of a sale", lambda: "blockReason" not in shop.status()["deviceStatus"], 30)
        expect(shop.status()["lastFiscalDocumentNumber"] == before + 1, "noise made a document")
        shop.done(shop.sell())
        wait_for("all slips come out", lambda: shop.status()["deviceStatus"]["slipsOwed"] == 0, 20)


def start_printer(shop):
    path = shop.path("printer.sock")
    shop.start("printer", "kkt-printer", "--state", shop.path("printer"), "--listen", "unix:" + path, "--pace", "0", "--no-png")
    wait_for("the print head starts", lambda: shop.alive("printer") and os.path.exists(path))
    return path


# impostors_at_the_fn_link is started by itself, first: it takes longest.
OWN_CASES = (impostors_at_the_operators_port, impostors_at_the_tls_port, fn_garbage, uarts_flooded)
