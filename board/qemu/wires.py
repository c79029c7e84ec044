"""Wires of the runner: the panel protocol of kkt-fn and kkt-printer, QEMU's monitor (QMP), its gdb stub, and the cable to the shop's computer.

Unix sockets are named relative to a directory descriptor, so that a long state directory does not meet the limit of a socket's path.
"""
import json
import os
import socket


class WireError(Exception):
    """The other side does not answer as it should."""


def at(dir_fd, name):
    return f"/proc/self/fd/{dir_fd}/{name}"


def connect(dir_fd, name, timeout_s=10.0):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(timeout_s)
    peer.connect(at(dir_fd, name))
    return peer


def listen(dir_fd, name):
    try:
        os.unlink(name, dir_fd=dir_fd)  # of a killed predecessor; the directory's lock says that it is gone
    except FileNotFoundError:
        pass
    server = socket.socket(socket.AF_UNIX)
    server.bind(at(dir_fd, name))
    server.listen(8)
    return server


def ask_panel(dir_fd, name, line):
    """One line to a control panel (board/panel/panel_socket.h): (status, text)."""
    with connect(dir_fd, name, 30.0) as peer:
        peer.sendall(line.encode() + b"\n")
        answer = b""
        while more := peer.recv(65536):
            answer += more
    status, _, text = answer.decode(errors="replace").partition("\n")
    if status not in ("0", "1", "2"):
        raise WireError(f"{name} does not answer to \"{line}\"")
    return int(status), text


class Monitor:
    """QEMU's QMP. Events are gathered in `events`."""

    def __init__(self, dir_fd, name):
        self.peer = connect(dir_fd, name)
        self.pending = b""
        self.events = []
        self.message()  # the greeting
        self.ask("qmp_capabilities")

    def message(self):
        while b"\n" not in self.pending:
            more = self.peer.recv(65536)
            if not more:
                raise WireError("QEMU has gone")
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def ask(self, command, **arguments):
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self.peer.sendall(json.dumps(request).encode())
        while True:
            message = self.message()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise WireError(f"{command}: {message['error']['desc']}")
            elif "return" in message:
                return message["return"]
            # A greeting meant for one who hung up before it came.

    def close(self):
        self.peer.close()


class Debugger:
    """QEMU's gdb stub. The processor stands still from the beginning to the end of the `with`."""

    PC = 15

    def __init__(self, dir_fd, name):
        self.peer = connect(dir_fd, name)
        self.pending = b""

    def __enter__(self):
        self.ask("?")
        self.ask("qXfer:features:read:target.xml:0,ffb")  # single registers are only for those who have read this
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.ask("D")  # goes on
        finally:
            self.peer.close()

    def byte(self):
        if not self.pending:
            self.pending = self.peer.recv(65536)
            if not self.pending:
                raise WireError("the gdb stub has gone")
        first, self.pending = self.pending[:1], self.pending[1:]
        return first

    def ask(self, text):
        self.peer.sendall(b"$" + text.encode() + b"#%02x" % (sum(text.encode()) & 255))
        answer = self.packet()
        while text != "?" and answer.startswith("T"):  # that it stands still, which it says without being asked too
            answer = self.packet()
        return answer

    def packet(self):
        while self.byte() != b"$":
            pass
        answer = b""
        while (byte := self.byte()) != b"#":
            answer += byte
        self.byte(), self.byte()
        self.peer.sendall(b"+")
        return answer.decode(errors="replace")

    def register(self, number):
        answer = self.ask(f"p{number:x}")
        if len(answer) != 8:
            raise WireError(f"the gdb stub does not tell register {number}: {answer}")
        return int.from_bytes(bytes.fromhex(answer), "little")

    def set_register(self, number, value):
        if self.ask(f"P{number:x}={value.to_bytes(4, 'little').hex()}") != "OK":
            raise WireError(f"the gdb stub does not set register {number}")

    def memory(self, address, size):
        out = b""
        while len(out) < size:
            answer = self.ask(f"m{address + len(out):x},{min(size - len(out), 1024):x}")
            if answer.startswith("E") or not answer:
                raise WireError(f"the gdb stub does not read {address + len(out):#x}: {answer}")
            out += bytes.fromhex(answer)
        return out


class Cable:
    """Between the shop's computer (TCP, any number of times) and the UART behind it (QEMU, once per power-on).

    It can be pulled out. As with kkt-board a newer host takes the place of the one before. The UART cannot know of any of this: what it sends
    to nobody is lost. Nothing waits here; bytes that one side does not take are not read from the other, up to a small store."""

    STORE = 4096

    def __init__(self, dir_fd, name, host, port):
        self.host, self.port = host, port
        self.uart_server = listen(dir_fd, name)
        self.uart_server.setblocking(False)
        self.server = self.uart = self.peer = None
        self.to_uart = self.to_peer = b""
        self.peer_ended = self.down = False
        self.hosts = self.bytes_in = self.bytes_out = 0
        self.set_down(False)

    def set_down(self, down):
        self.down = down
        if down:
            self.drop()
            if self.server is not None:
                self.server.close()
                self.server = None
        elif self.server is None:
            self.server = socket.create_server((self.host, self.port), backlog=8)
            self.server.setblocking(False)
            self.port = self.server.getsockname()[1]

    def drop(self):
        """False: nobody was there."""
        if self.peer is None:
            return False
        self.peer.close()
        self.peer, self.to_uart, self.to_peer, self.peer_ended = None, b"", b"", False
        return True

    def unplug_uart(self):
        if self.uart is not None:
            self.uart.close()
        self.uart, self.to_uart = None, b""

    def close(self):
        self.set_down(True)
        self.unplug_uart()
        self.uart_server.close()

    def wanted(self):
        """(sockets to read, sockets to write) for select."""
        read = [self.uart_server] + [server for server in (self.server,) if server is not None]
        write = []
        if self.peer is not None and not self.peer_ended and len(self.to_uart) < self.STORE:
            read.append(self.peer)
        if self.uart is not None and len(self.to_peer) < self.STORE:
            read.append(self.uart)
        if self.uart is not None and self.to_uart:
            write.append(self.uart)
        if self.peer is not None and self.to_peer:
            write.append(self.peer)
        return read, write

    def serve(self, readable, writable):
        if self.uart_server in readable:
            self.unplug_uart()
            self.uart, _ = self.uart_server.accept()
            self.uart.setblocking(False)
            # What lies in the kernel is on the wire already and comes before all that a later host says: let it be little.
            self.uart.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        if self.peer in readable:
            self.receive_from_peer()
        if self.server in readable:
            self.accept()
        if self.uart in readable:
            self.receive_from_uart()
        if self.uart is not None and self.to_uart:
            self.to_uart = self.send(self.uart, self.to_uart, self.unplug_uart)
        if self.uart is None:
            self.to_uart = b""  # nobody has power there
        if self.peer is not None and self.to_peer:
            self.to_peer = self.send(self.peer, self.to_peer, self.drop)
        if self.peer_ended and not self.to_uart:
            self.drop()
        return writable

    def accept(self):
        try:
            peer, _ = self.server.accept()
        except OSError:
            return
        self.drop()
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = peer
        self.hosts += 1

    def receive_from_peer(self):
        try:
            data = self.peer.recv(self.STORE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.to_uart += data
            self.bytes_in += len(data)
        else:
            self.peer_ended = True  # its last bytes still go to the UART

    def receive_from_uart(self):
        try:
            data = self.uart.recv(self.STORE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.unplug_uart()
        elif self.peer is not None:
            self.to_peer += data
            self.bytes_out += len(data)

    @staticmethod
    def send(peer, data, gone):
        try:
            return data[peer.send(data):]
        except BlockingIOError:
            return data
        except OSError:
            gone()
            return b""
