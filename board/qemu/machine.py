"""A cash register board in QEMU, with everything that hangs on its wires, in one state directory.

    Machine.open()      kkt-fn and kkt-printer start, the flash file is made by the factory, QEMU is switched on
    Machine.serve()     one turn of the loop: the cable to the shop's computer, the drawer; call it again and again
    Machine.verb()      what people do (the verbs of `kkt-board ctl`, and a few of its own)

Always true: one Machine works in a directory (its lock; QEMU has none); the fiscal module and the print head listen before QEMU is switched
on, and outlive it, as their power does not come from the board's processor; what lies in the directory is enough to go on after a SIGKILL of
all of it. Only standard Python.
"""
import ctypes
import datetime
import fcntl
import json
import os
import select
import signal
import subprocess
import time

import boards
from wires import Cable, Debugger, Monitor, WireError, ask_panel

START_S = 20
DRAWER_LOOK_S = 0.01
LOOP = b"\xfe\xe7"  # Thumb: b .

USAGE = """ctl verbs:
  paper out|in|near-end       paper out-after LINES
  cover open|close            printer off|on|fault|fix
  drawer stuck|free|close|status
  net down|up                 no link: the board's network chip is told
  net lost                    the link is there and all packets are lost; `net up` ends it
  link drop|down|up           close the host's connection; cable out; cable in
  fn off|on|delay MS|...      as kkt-fn ctl
  power cut|on|off            SIGKILL of QEMU; switch on again; switch off in an orderly way
  reset                       as the reset button
  hang                        the processor runs in a circle until the watchdog bites
  clock advance|back SECONDS  QEMU is started again with its clock chip ahead or behind
  status [--json]             stats [--json]
"""


class Trouble(Exception):
    """Something does not start or is not possible; the text is for people."""


def die_with_parent():
    """Of a child: a runner that is killed takes its programs along."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def is_dying(number):
    """Of a child with threads: killed from outside, its first thread is gone, and the last one goes in a moment."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


class Machine:
    def __init__(self, options):
        """options: of options.parse()."""
        self.options = options
        self.state = os.path.abspath(options.state)
        self.board = boards.BOARDS[options.board]
        self.processes = {}
        self.monitor = self.cable = None
        self.skew_s = 0
        self.started = time.monotonic()
        self.link_down = self.net_lost = self.net_down = False
        self.bites = self.resets = self.flash_changes = 0
        self.flash_seen = None
        self.drawer = Drawer(self, options.drawer_close)

    def path(self, name):
        return os.path.join(self.state, name)

    # ---- start and end ----

    def open(self):
        os.makedirs(self.state, exist_ok=True)
        self.dir_fd = os.open(self.state, os.O_RDONLY | os.O_DIRECTORY)
        self.lock = os.open(self.path("machine.lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(f"another machine runs in {self.state}") from None
        self.load_facts()
        self.board.factory(self)
        self.flash_seen = self.flash_state()
        host, _, port = self.options.listen.rpartition(":")
        self.cable = Cable(self.dir_fd, "pc.sock", host, int(port))
        self.cable.set_down(self.link_down)
        if self.options.fn is None:
            self.start("fn", [self.program("kkt-fn"), "--store", "fn.store", "--listen", "unix:fn.sock", "--ctl", "unix:fn-ctl.sock",
                              *(["--serial", self.options.fn_serial] if self.options.fn_serial else [])], "fn-ctl.sock")
        if self.options.printer is None:
            self.start("printer", [self.program("kkt-printer"), "--state", ".", "--listen", "unix:printer.sock", "--ctl", "unix:printer-ctl.sock",
                                   "--columns", str(self.options.columns), "--pace", str(self.options.pace),
                                   *(["--no-png"] if self.options.no_png else []), "--quiet"], "printer-ctl.sock")
        self.power_on()

    def announce(self):
        """Who reads the port file finds everything there, the panel too: call it last."""
        if self.options.port_file:
            with open(self.options.port_file + ".new", "w", encoding="ascii") as file:
                file.write(f"{self.cable.port}\n")
            os.replace(self.options.port_file + ".new", self.options.port_file)

    def close(self):
        self.power_off()
        for name in ("fn", "printer"):
            self.stop(name)
        if self.cable is not None:
            self.cable.close()

    def program(self, name):
        return os.path.join(os.path.abspath(self.options.build), name)

    def start(self, name, command, panel=None):
        with open(self.path(name + ".log"), "ab") as log:
            self.processes[name] = subprocess.Popen(command, cwd=self.state, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_S
        while panel is not None:
            try:
                ask_panel(self.dir_fd, panel, "stats")
                return
            except (OSError, WireError):
                self.alive(name)
                if time.monotonic() > deadline:
                    raise Trouble(f"{name} does not start, see {self.path(name + '.log')}") from None
                time.sleep(0.01)

    def alive(self, name):
        code = self.processes[name].poll()
        if code is not None:
            with open(self.path(name + ".log"), encoding="utf-8", errors="replace") as file:
                raise Trouble(f"{name} ended with {code}: {file.read()[-500:].strip()}")

    def stop(self, name, number=signal.SIGTERM):
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # ---- what outlives a start: facts about the world around the board ----

    def load_facts(self):
        try:
            with open(self.path("machine.json"), encoding="utf-8") as file:
                facts = json.load(file)
        except FileNotFoundError:
            return
        self.skew_s, self.drawer.stuck = facts["clock_skew_s"], facts["drawer_stuck"]
        self.net_down, self.net_lost, self.link_down = facts["net_down"], facts["net_lost"], facts["link_down"]

    def save_facts(self):
        facts = {"clock_skew_s": self.skew_s, "drawer_stuck": self.drawer.stuck,
                 "net_down": self.net_down, "net_lost": self.net_lost, "link_down": self.link_down}
        with open(self.path("machine.json.new"), "w", encoding="utf-8") as file:
            json.dump(facts, file)
        os.replace(self.path("machine.json.new"), self.path("machine.json"))

    # ---- the board's power ----

    @property
    def is_on(self):
        process = self.processes.get("qemu")
        if process is not None and is_dying(process.pid):
            process.wait()
        return process is not None and process.poll() is None

    def command(self):
        """QEMU's command line; sockets and files are in its working directory."""
        now = datetime.datetime.now() + datetime.timedelta(seconds=self.skew_s)
        rtc = f"base={now.strftime('%Y-%m-%dT%H:%M:%S')}" + (",clock=vm" if self.options.icount is not None else "")
        fn = self.options.fn or "unix:fn.sock"
        printer = self.options.printer or "unix:printer.sock"
        command = ["qemu-system-arm", "-nodefaults", "-display", "none", "-monitor", "none",
                   # With a hub between them the chip does not learn that the network behind it is off: that is `net lost`.
                   "-netdev", "user,id=net", "-netdev", "hubport,id=port,hubid=0,netdev=net", "-netdev", "hubport,id=wire,hubid=0",
                   "-net", "nic,netdev=wire",
                   "-chardev", "socket,id=pc,path=pc.sock",
                   "-chardev", f"socket,id=fn,{socket_options(fn)},reconnect=1",
                   "-chardev", f"socket,id=printer,{socket_options(printer)},reconnect=1",
                   "-qmp", "unix:qmp.sock,server=on,wait=off", "-gdb", "unix:gdb.sock,server=on,wait=off", "-rtc", rtc,
                   *self.board.arguments(self)]
        if self.options.icount is not None:
            command += ["-icount", self.options.icount]
        for plugin in self.options.plugin + self.options.plugin_once:
            command += ["-plugin", plugin, "-d", "plugin"]
        return command + self.options.qemu

    def power_on(self):
        if self.is_on:
            return
        self.processes.pop("qemu", None)
        if self.monitor is not None:  # of the one that was killed from outside, and not noticed yet
            self.monitor.close()
            self.monitor = None
        for name in ("qmp.sock", "gdb.sock"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        self.start("qemu", self.command())
        self.options.plugin_once = []
        with open(self.path("qemu.pid"), "w", encoding="ascii") as file:
            file.write(f"{self.processes['qemu'].pid}\n")
        deadline = time.monotonic() + START_S
        while self.monitor is None:
            try:
                self.monitor = Monitor(self.dir_fd, "qmp.sock")
            except OSError:
                self.alive("qemu")
                if time.monotonic() > deadline:
                    raise Trouble(f"QEMU does not start, see {self.path('qemu.log')}") from None
                time.sleep(0.005)
        self.apply_net()
        self.drawer.powered()

    def power_off(self, number=signal.SIGTERM):
        if self.monitor is not None:
            self.monitor.close()
            self.monitor = None
        self.stop("qemu", number)

    def flash_state(self):
        return self.board.flash_state(self.path(self.board.flash_file))

    def look_at_flash(self):
        now = self.flash_state()
        if now != self.flash_seen:
            self.flash_seen = now
            self.flash_changes += 1
        return self.flash_changes

    # ---- one turn ----

    def serve(self, timeout_s, extra=()):
        """Waits at most so long for a byte. Returns those of the extra sockets that have something to say."""
        read, write = self.cable.wanted()
        readable, writable, _ = select.select([*read, *extra], write, [], min(timeout_s, DRAWER_LOOK_S))
        self.cable.serve(readable, writable)
        self.look()
        return [peer for peer in extra if peer in readable]

    def look(self):
        if self.monitor is None:
            return
        try:
            self.drawer.look(time.monotonic())
        except (WireError, OSError):
            self.monitor.close()
            self.monitor = None  # killed from outside
            return
        for event in self.monitor.events:
            self.bites += event["event"] == "WATCHDOG"
            self.resets += event["event"] == "RESET"
        self.monitor.events.clear()

    # ---- what people do ----

    def verb(self, line):
        """(status, text), as board/panel/panel.h has them."""
        words = line.split()
        try:
            return self.execute(words, line)
        except (Trouble, WireError, OSError) as trouble:
            return 1, f"{trouble}\n"

    def execute(self, words, line):
        first = words[0] if words else ""
        if first == "fn" and len(words) > 1:
            return ask_panel(self.dir_fd, "fn-ctl.sock", " ".join(words[1:]))
        if first in ("paper", "cover", "printer"):
            return ask_panel(self.dir_fd, "printer-ctl.sock", line)
        if words[:1] == ["stats"] and words[1:] in ([], ["--json"]):
            return 0, self.text(self.stats(), words[1:])
        if words[:1] == ["status"] and words[1:] in ([], ["--json"]):
            return 0, self.text(self.status(), words[1:])
        if first == "clock" and len(words) == 3 and words[1] in ("advance", "back") and words[2].isdigit():
            self.move_clock(int(words[2]) * (1 if words[1] == "advance" else -1))
            return 0, ""
        action = {"net down": self.set_net, "net up": self.set_net, "net lost": self.set_net, "link down": self.set_link, "link up": self.set_link,
                  "link drop": self.drop_link, "power cut": self.cut, "power on": self.power_on, "power off": self.power_off, "reset": self.reset,
                  "hang": self.hang, "drawer stuck": self.drawer.hand, "drawer free": self.drawer.hand, "drawer close": self.drawer.hand,
                  "drawer status": self.drawer.told}.get(" ".join(words))
        if action is None:
            return 2, f"not understood: {line}\n{USAGE}"
        takes_line = action in (self.set_net, self.set_link, self.drawer.hand)
        return 0, (action(" ".join(words)) if takes_line else action()) or ""

    @staticmethod
    def text(values, words):
        return json.dumps(values) + "\n" if words else "".join(f"{name:24} {value}\n" for name, value in values.items())

    def need_power(self):
        if not self.is_on or self.monitor is None:
            raise Trouble("the board is switched off: power on")

    def set_net(self, line):
        self.net_down, self.net_lost = line == "net down", line == "net lost"
        self.save_facts()
        if self.monitor is not None:
            self.apply_net()

    def apply_net(self):
        self.monitor.ask("set_link", name=self.board.network_chip, up=not self.net_down)
        self.monitor.ask("set_link", name="net", up=not self.net_lost)

    def set_link(self, line):
        self.link_down = line == "link down"
        self.save_facts()
        self.cable.set_down(self.link_down)

    def drop_link(self):
        if not self.cable.drop():
            raise Trouble("no host is connected")

    def cut(self):
        self.power_off(signal.SIGKILL)

    def reset(self):
        self.need_power()
        self.monitor.ask("system_reset")

    def move_clock(self, seconds):
        """While the board is off for a moment. The fiscal module's own timer goes on by what has passed for everybody."""
        was_on = self.is_on
        self.power_off(signal.SIGKILL)
        self.skew_s += seconds
        self.save_facts()
        if seconds > 0 and self.options.fn is None:
            ask_panel(self.dir_fd, "fn-ctl.sock", f"advance {seconds}")
        if was_on:
            self.power_on()

    def hang(self):
        """The processor goes to an instruction of the running image that jumps to itself. Nothing is written: memory that executes belongs to
        the image and must stay as it is. Interrupts go on, as in most real hangs."""
        self.need_power()
        with Debugger(self.dir_fd, "gdb.sock") as debugger:
            for base, size in self.board.code_regions(debugger.register(Debugger.PC)):
                code = debugger.memory(base, size)
                at = next((offset for offset in range(0, len(code) - 1, 2) if code[offset:offset + 2] == LOOP), None)
                if at is not None:
                    debugger.set_register(Debugger.PC, base + at)
                    return f"runs in a circle at {base + at:#x}\n"
        raise Trouble("the image has no instruction that jumps to itself")

    # ---- what can be seen from outside ----

    def stats(self):
        values = {"uptime_ms": int((time.monotonic() - self.started) * 1000), "flash_changes": self.look_at_flash(), "watchdog_bites": self.bites,
                  "resets": self.resets, "hosts": self.cable.hosts, "host_bytes_in": self.cable.bytes_in, "host_bytes_out": self.cable.bytes_out,
                  "drawer_pulses": self.drawer.pulses, "drawer_openings": self.drawer.openings, "drawer_openings_ever": self.drawer.logged}
        for name, panel in (("fn", "fn-ctl.sock"), ("printer", "printer-ctl.sock")):
            if name in self.processes:
                told = json.loads(ask_panel(self.dir_fd, panel, "stats --json")[1])
                told.pop("uptime_ms")
                values.update(told)
        return values

    def status(self):
        return {"board": self.options.board, "power": "on" if self.is_on else "off", "port": self.cable.port,
                "host": "cable out" if self.link_down else "connected" if self.cable.peer else "none",
                "net": "down" if self.net_down else "lost" if self.net_lost else "up", "clock_skew_s": self.skew_s,
                "drawer": ("open" if self.drawer.open else "shut") + (", stuck" if self.drawer.stuck else "")}


def socket_options(address):
    """Of a chardev, for unix:PATH or HOST:PORT."""
    if address.startswith("unix:"):
        return f"path={address[5:]}"
    host, _, port = address.rpartition(":")
    return f"host={host},port={port},nodelay=on"


class Drawer:
    """The solenoid and the switch at the board's port expander. A pulse opens a drawer that is shut and not stuck; a person shuts it."""

    def __init__(self, machine, close_ms):
        self.machine, self.close_s = machine, close_ms / 1000
        self.open = self.stuck = self.solenoid = False
        self.shuts_at = 0.0
        self.pulses = self.openings = 0
        self.looked_at = 0.0
        self.logged = 0
        self.counted = False

    def log(self):
        return self.machine.path("drawer.log")

    def powered(self):
        """A new start of QEMU: its expander has forgotten where the switch is."""
        if not self.counted and os.path.exists(self.log()):
            with open(self.log(), "rb") as file:
                self.logged = file.read().count(b"\n")
        self.counted = True
        self.solenoid = False
        if self.open:
            self.set_switch()

    def set_switch(self):
        self.machine.board.set_drawer_switch(self.machine.monitor, self.open)

    def look(self, now):
        if now - self.looked_at < DRAWER_LOOK_S:
            return
        self.looked_at = now
        solenoid = self.machine.board.drawer_solenoid(self.machine.monitor)
        if solenoid and not self.solenoid:
            self.pulse(now)
        self.solenoid = solenoid
        if self.open and not self.stuck and now >= self.shuts_at:
            self.shut()
        elif self.machine.board.drawer_switch(self.machine.monitor) != self.open:
            self.set_switch()  # a reset made the expander forget it

    def pulse(self, now):
        self.pulses += 1
        if self.stuck or self.open:
            return
        self.open, self.shuts_at = True, now + self.close_s
        self.openings += 1
        self.logged += 1
        stamp = datetime.datetime.now().isoformat(timespec="milliseconds")
        with open(self.log(), "ab") as file:
            file.write(f"{stamp} opening {self.logged}\n".encode())
        self.set_switch()

    def shut(self):
        if self.stuck:
            raise Trouble("it is stuck open")
        self.open = False
        if self.machine.monitor is not None:
            self.set_switch()

    def hand(self, line):
        if line == "drawer close":
            if self.open:
                self.shut()
            return
        self.stuck = line == "drawer stuck"
        self.machine.save_facts()

    def told(self):
        return f"{'open' if self.open else 'shut'}{', stuck' if self.stuck else ''}, {self.logged} openings in all\n"
