#!/usr/bin/env python3
"""The emulated board's USB socket, from outside: a peer that speaks USB/IP as Linux does, in Python and independent of the C code.

    usbip.py --build build

The device is listed and taken, its descriptors read, the host link spoken over the vendor interface and over CDC-ACM, the cable pulled and put
back, a newer peer let in, garbage thrown at the port; then a receipt goes over USB, the cable is pulled out at each of its transfers in turn, and
each time exactly one document comes of it. A transfer is one packet there, so that is every packet of a sale.
"""
import argparse
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from bad_bytes import frame, unframe  # noqa: E402
from shop import Shop, Wrong, expect, item, wait_for  # noqa: E402

VERSION = 0x0111
IDENTITY = 1
LINK, SERIAL = 1, 3  # endpoint numbers
ENDS_EMPTY = 0x40
PACKET = 64


class Gone(Exception):
    """The other side hung up."""


class UsbHost:
    """One USB/IP connection with the device taken and configured."""

    def __init__(self, port):
        self.peer = socket.create_connection(("127.0.0.1", port), 5)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sequence, self.waiting, self.lock = 0, {}, threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.peer.close()

    def receive(self, size):
        out = b""
        while len(out) < size:
            more = self.peer.recv(size - len(out))
            if not more:
                raise Gone
            out += more
        return out

    def take(self, bus_id=b"1-1"):
        self.peer.sendall(struct.pack(">HHI32s", VERSION, 0x8003, 0, bus_id))
        status = struct.unpack(">HHI", self.receive(8))[2]
        if status == 0:
            self.receive(312)
        return status

    def send(self, endpoint, is_in, data=b"", length=0, setup=b"", ends_empty=True):
        with self.lock:
            self.sequence += 1
            self.waiting[self.sequence] = (endpoint, is_in)  # before it is sent: another thread reads the answers
            size = length if is_in else len(data)
            self.peer.sendall(struct.pack(">IIIIIIIIII8s", 1, self.sequence, 0x10001, is_in, endpoint, 0 if is_in or not ends_empty else ENDS_EMPTY, size, 0, 0xFFFFFFFF,
                                          0, setup) + (b"" if is_in else data))
            return self.sequence

    def answer(self):
        """(sequence, endpoint, is_in, status, data or length) of the next transfer that ends."""
        head = struct.unpack(">IIIIIiIIII8s", self.receive(48))
        expect(head[0] == 3 and head[1] in self.waiting, f"an answer to nothing: {head}")
        endpoint, is_in = self.waiting.pop(head[1])
        return head[1], endpoint, is_in, head[5], self.receive(head[6]) if is_in else head[6]

    def transfer(self, *arguments, **more):
        number = self.send(*arguments, **more)
        sequence, _, _, status, data = self.answer()
        expect(sequence == number, "transfers end in their order")
        return status, data

    def control(self, kind, request, value=0, index=0, length=0):
        is_in = kind & 0x80 != 0 and length > 0
        return self.transfer(0, is_in, length=length, setup=struct.pack("<BBHHH", kind, request, value, index, length))

    def configure(self):
        expect(self.take() == 0, "the device can be taken")
        expect(self.control(0x00, 9, 1) == (0, 0), "SET_CONFIGURATION")
        return self

    def ask_identity(self, endpoint):
        expect(self.transfer(endpoint, False, data=frame(IDENTITY, exchange=7)) == (0, len(frame(IDENTITY, exchange=7))), "the request is taken")
        status, data = self.transfer(endpoint, True, length=4096)
        expect(status == 0, f"the answer's transfer: {status}")
        return next(payload for kind, code, _, payload in unframe(data) if (kind, code) == (2, IDENTITY))


class Cable:
    """Between `kkt`, which knows TCP here, and the board's USB: bytes one way become bulk transfers of one packet, the other way likewise. Pulled
    out when so many of them have ended."""

    def __init__(self, usb_port, pull_after=None):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.usb_port, self.pull_after, self.transfers, self.open = usb_port, pull_after, 0, True
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.open = False
        self.server.close()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self.thread.join()

    def serve(self):
        self.server.settimeout(0.2)
        while self.open:
            try:
                peer, _ = self.server.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with peer, contextlib.suppress(OSError, Gone, Wrong), UsbHost(self.usb_port) as host:
                self.carry(peer, host.configure())

    def carry(self, peer, host):
        host.send(LINK, True, length=PACKET)

        def up():
            with contextlib.suppress(OSError):
                while data := peer.recv(4096):
                    for first in range(0, len(data), PACKET):
                        host.send(LINK, False, data=data[first:first + PACKET], ends_empty=first + PACKET >= len(data))
            with contextlib.suppress(OSError):
                host.peer.shutdown(socket.SHUT_RDWR)
        sender = threading.Thread(target=up)
        sender.start()
        try:
            while True:
                _, _, is_in, status, data = host.answer()
                self.transfers += 1
                if self.pull_after is not None and self.transfers == self.pull_after:
                    return  # before what came is handed on
                expect(status == 0, f"a transfer failed: {status}")
                if is_in:
                    peer.sendall(data)
                    host.send(LINK, True, length=PACKET)
        finally:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                host.peer.shutdown(socket.SHUT_RDWR)
            sender.join()


# ---- cases ----

def usb_port(shop):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shop.options = ["--usbip", f"127.0.0.1:{port}"]
    return port


def listed_and_taken(build):
    shop = Shop.bare(build)
    port = usb_port(shop)
    with shop:
        shop.start_board()
        with UsbHost(port) as host:
            host.peer.sendall(struct.pack(">HHI", VERSION, 0x8005, 0))
            head = struct.unpack(">HHII", host.receive(12))
            expect(head == (VERSION, 5, 0, 1), f"the list's head: {head}")
            device = host.receive(312)
            expect(device[256:260] == b"1-1\0" and device[311] == 3, "the device in the list")
            host.receive(12)
        with UsbHost(port) as host:
            expect(host.take(b"1-7") != 0, "no other device is there")
        with UsbHost(port) as host:
            host.configure()
            status, text = host.control(0x80, 6, 0x303, 0x409, 255)
            expect(status == 0 and text[2:].decode("utf-16-le") == shop.serial, f"the serial number: {text}")
            for endpoint in (LINK, SERIAL, LINK):
                expect(shop.serial.encode() in host.ask_identity(endpoint), f"the board answers at endpoint {endpoint}")
            with UsbHost(port) as newer:
                newer.configure()
                expect(shop.serial.encode() in newer.ask_identity(LINK), "the newer peer is answered")
                try:
                    host.control(0x80, 8, length=1)
                    raise Wrong("the older peer is still there")
                except (Gone, OSError):
                    pass
        expect(shop.status()["deviceInfo"]["serial"] == shop.serial, "TCP is answered beside it")


def pulled_and_put_back(build):
    shop = Shop.bare(build)
    port = usb_port(shop)
    with shop:
        shop.start_board()
        for _ in range(3):
            with UsbHost(port) as host:
                host.configure()
                host.ask_identity(LINK)
                shop.ctl("link", "down")
                try:
                    while True:
                        host.control(0x80, 8, length=1)
                except (Gone, OSError):
                    pass
            with UsbHost(port) as host:
                try:
                    host.take()
                    raise Wrong("a board whose cable is out was taken")
                except (Gone, OSError):
                    pass
            shop.ctl("link", "up")
        with UsbHost(port) as host:
            host.configure().ask_identity(SERIAL)


def garbage(build):
    shop = Shop.bare(build)
    port = usb_port(shop)
    with shop:
        shop.start_board()
        for number in range(200):
            with UsbHost(port) as host:
                if number % 2:
                    host.take()
                with contextlib.suppress(OSError):
                    host.peer.sendall(os.urandom(1 + number * 13))
        with UsbHost(port) as host:
            host.configure().ask_identity(LINK)
        expect(shop.status()["deviceInfo"]["serial"] == shop.serial, "the board lives")


def five_items(shop):
    return shop.sell(items=[item(name=f"Товар номер {n}") for n in range(5)], payments=[{"type": "cash", "sum": 1000}])


def sell(shop, port, number):
    task = five_items(shop)
    command = [os.path.join(shop.build, "kkt"), "--json", "--device", f"tcp:127.0.0.1:{port}", "--queue", shop.queue, "--timeout", "30000", "task", "-"]
    done = subprocess.run(command, input=json.dumps(task).encode(), capture_output=True, check=False, timeout=60)
    expect(done.returncode == 0, f"sale {number}: {done.stdout.decode()} {done.stderr.decode()}")


def pulled_at_every_transfer(build):
    """Until a sale has fewer transfers than that."""
    shop = Shop.bare(build)
    port = usb_port(shop)
    with shop:
        shop.start_board()
        shop.register()
        shop.open_shift()
        before, pulled = len(shop.archive()), 0
        while True:
            with Cable(port, pulled + 1) as cable:
                sell(shop, cable.port, pulled)
                over = cable.transfers < pulled + 1
            expect(len(shop.archive()) == before + 1, f"pulled at transfer {pulled + 1}: {len(shop.archive()) - before} documents")
            before += 1
            if over:
                break
            pulled += 1
        expect(pulled > 5, f"a sale has more transfers than {pulled}")
        shop.idle()
        jobs = shop.kkt("queue", "list", "--all").data
        expect(len([job for job in jobs if job["job"] == "receipt"]) == pulled + 1, "one job a sale")
        print(f"cable pulled at each of {pulled} packets of a sale: 0 lost, 0 doubled")


# ---- through libusb, below umockdev ----

def kkt_on_usb(shop, port, options, words, text=None):
    command = ["umockdev-wrapper", os.path.join(shop.build, "tests", "usb", "usb-sim"), "--away", str(port), *options, "--",
               os.path.join(shop.build, "kkt"), "--json", "--device", f"usb:{shop.serial}", "--queue", shop.queue, *words]
    done = subprocess.run(command, input=text, capture_output=True, check=False, timeout=90)
    told = [line for line in done.stdout.decode().splitlines() if line.startswith("usb-sim: ")]
    return done, told


def pulled_at_every_transfer_of_libusb(build):
    """kkt with its libusb, the simulator's cable, a whole board: until a sale has fewer transfers than that."""
    shop = Shop.bare(build)
    port = usb_port(shop)
    with shop:
        shop.start_board()
        shop.register()
        shop.open_shift()
        before, pulled, told = len(shop.archive()), 0, []
        while True:
            task = json.dumps(five_items(shop)).encode()
            options = ("--pull-after", str(pulled + 1), "--back-ms", "30")
            done, told = kkt_on_usb(shop, port, options, ("--timeout", "30000", "task", "-"), task)
            expect(done.returncode == 0, f"sale {pulled}: {done.stdout.decode()} {done.stderr.decode()}")
            expect(len(shop.archive()) == before + 1, f"pulled at transfer {pulled + 1}: {len(shop.archive()) - before} documents")
            before += 1
            if not any("pulled" in line for line in told):
                break
            pulled += 1
        expect(pulled > 5, f"a sale has more transfers than {pulled}")
        jobs = shop.kkt("queue", "list", "--all").data
        expect(len([job for job in jobs if job["job"] == "receipt"]) == pulled + 1, "one job a sale")
        print(f"by libusb: cable pulled at each of {pulled} transfers of a sale: 0 lost, 0 doubled")
        # What a sale costs beyond connecting: two sales in one connection against one.
        counts = []
        for sales in (1, 2):
            tasks = json.dumps([five_items(shop) for _ in range(sales)]).encode()
            done, told = kkt_on_usb(shop, port, (), ("task", "-"), tasks)
            expect(done.returncode == 0, f"{sales} sales: {done.stdout.decode()} {done.stderr.decode()}")
            counts.append([int(word) for word in told[-1].replace(",", " ").split() if word.isdigit()])
        transfers, packets, turns = (two - one for one, two in zip(*counts))
        print(f"bench: usb_sale_packets {packets} packets limit <=12")
        print(f"bench: usb_sale_transfers {transfers} transfers limit <=4")
        print(f"bench: usb_sale_turnarounds {turns} turns limit <=2")
        expect(packets <= 12 and transfers <= 4 and turns <= 2, f"a sale costs {transfers} transfers, {packets} packets, {turns} turns of direction")


def main():
    parser = argparse.ArgumentParser(description="USB/IP from outside.")
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    failed = 0
    cases = (listed_and_taken, pulled_and_put_back, garbage, pulled_at_every_transfer, pulled_at_every_transfer_of_libusb)
    for case in cases:
        started = time.monotonic()
        try:
            case(os.path.abspath(options.build))
            print(f"ok {case.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except (Wrong, Gone, OSError, subprocess.SubprocessError) as wrong:
            failed += 1
            print(f"FAILED {case.__name__}: {type(wrong).__name__} {wrong}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
