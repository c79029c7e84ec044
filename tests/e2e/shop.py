"""A shop for tests: one board, one operator, one queue, in a temporary folder; and what all of them say about each other.

Used by bad_input.py, bad_bytes.py and kills.py. A Shop starts a board (kkt-board, or one in QEMU: tills.py) and kkt-ofd as a user would, works through `kkt`, and can tell
with facts() everything a refused task must leave alone.
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import uuid

import tills

START_S = 20
SETTLE_S = 20


class Wrong(Exception):
    """A program did not do what it should."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def wait_for(what, condition, limit_s=SETTLE_S):
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < deadline, f"{what}: not within {limit_s} s")
        time.sleep(0.02)


def reserve_port():
    """A port for a server that is told its number: bound and never listened to, so that nobody gets it by chance."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    return probe


class Answer:
    """What a run of kkt ended with; data is its JSON, or None."""

    def __init__(self, done, seconds):
        self.code, self.text, self.errors, self.seconds = done.returncode, done.stdout, done.stderr, seconds
        try:
            self.data = json.loads(done.stdout)
        except ValueError:
            self.data = None

    @property
    def error(self):
        return (self.data or {}).get("error", {}) if isinstance(self.data, dict) else {}

    def __str__(self):
        return f"exit {self.code}, {self.text.strip()} {self.errors.strip()}"


class Shop:
    """Context manager: leaves neither processes nor files (files only in a folder that it was given)."""

    board = "posix"  # which one every shop has, of tills.BOARDS

    def __init__(self, build, serial="00000000000000000042", operator=True, tls=False, options=(), folder=None):
        self.root = folder
        self.build, self.serial, self.with_operator, self.tls = os.path.abspath(build), serial, operator, tls
        # A board in QEMU is looked at from outside now and then, so its drawer stays open for longer.
        self.options = ["--drawer-close", "30" if self.board == "posix" else "200", *options]
        self.start_nothing = False
        self.processes = {}
        self.reserved = [reserve_port(), reserve_port()]
        self.port, (self.operator_port, self.operator_tls_port) = 0, (probe.getsockname()[1] for probe in self.reserved)

    @classmethod
    def bare(cls, build):
        """Nothing is started yet."""
        shop = cls(build, operator=False)
        shop.start_nothing = True
        return shop

    def __enter__(self):
        self.folder = None
        if self.root is None:
            self.folder = tempfile.TemporaryDirectory(prefix="kkt-bad-")
            self.root = self.folder.name
        self.state = self.path("board")
        self.till = tills.make(self.board, self.build, self.state)
        self.queue = self.path("queue.db")
        try:
            if self.with_operator:
                self.start_operator()
            if not self.start_nothing:
                self.start_board()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            for name in list(self.processes):
                self.stop(name, check=kind is None)
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
            for probe in self.reserved:
                probe.close()
            if self.folder is not None:
                self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.root, name)

    # ---- programs ----

    def environment(self, name):
        """Of the program that is started under this name; None: ours."""

    def start(self, name, program, *arguments):
        with open(self.path(name + ".log"), "ab") as log:
            self.processes[name] = subprocess.Popen([os.path.join(self.build, program), *arguments], stdout=log, stderr=subprocess.STDOUT,
                                                    stdin=subprocess.DEVNULL, env=self.environment(name))

    def log(self, name):
        with open(self.path(name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def alive(self, name):
        code = self.processes[name].poll()
        expect(code is None, f"{name} ended with {code}: {self.log(name)[-2000:]}")
        return True

    def stop(self, name, check=True):
        """Ends a program as the system would; a sanitizer's complaint at the end counts."""
        process = self.processes.pop(name)
        before = process.poll()
        process.terminate()
        try:
            code = process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Wrong(f"{name} does not end when told to")
        if check:
            expect(before is None and code == 0, f"{name} ended with {code}: {self.log(name)[-2000:]}")

    def launch_board(self, state=None, serial=None, *more):
        """Does not wait until it is ready."""
        port_file = self.path("port")
        with contextlib.suppress(FileNotFoundError):
            os.remove(port_file)
        till = tills.make(self.board, self.build, state or self.state)
        self.start("board", *till.command("--serial", serial or self.serial, "--listen", f"127.0.0.1:{self.port}", "--port-file", port_file,
                                          "--pace", "0", "--no-png", *self.options, *more))

    def start_board(self, state=None, serial=None, *more):
        self.launch_board(state, serial, *more)

        def ready():
            self.alive("board")
            return os.path.exists(self.path("port")) and open(self.path("port"), encoding="ascii").read().strip()
        self.port = int(wait_for("board starts", ready, START_S))
        if not self.till.starts_ready:
            self.kkt("--timeout", "20000", "status")  # whatever it says: it is up
            wait_for("the board's flash comes to rest", lambda: self.flash_rests(state or self.state))

    def flash_rests(self, state):
        before = self.stats(state)[self.till.flash_counter]
        time.sleep(self.till.flash_rest_s)
        return self.stats(state)[self.till.flash_counter] == before

    def start_operator(self):
        # A process that another thread forks holds our closed sockets until its exec, so a port may be taken for a moment yet.
        wait_for("the operator gets its ports", self.try_operator, START_S)

    def launch_operator(self):
        """Does not wait until it is ready."""
        self.start("operator", "kkt-ofd", "serve", "--store", self.path("operator.db"), "--inn", "7704358518", "--listen",
                   f"127.0.0.1:{self.operator_port}", "--tls", f"127.0.0.1:{self.operator_tls_port}", "--tls-dir", self.path("tls"))

    def try_operator(self):
        open(self.path("operator.log"), "wb").close()
        self.launch_operator()
        ports = [self.operator_port, self.operator_tls_port]
        wait_for("operator starts", lambda: self.processes["operator"].poll() is not None or
                 all(f":{port}\n" in self.log("operator") for port in ports), START_S)
        if self.processes["operator"].poll() is None:
            return True
        expect("Address already in use" in self.log("operator"), f"the operator does not start: {self.log('operator')}")
        self.processes.pop("operator")
        return False

    def run(self, program, *arguments, text=None, limit_s=60):
        started = time.monotonic()
        try:
            done = subprocess.run([os.path.join(self.build, program), *arguments], input=text, capture_output=True, timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{program} {' '.join(arguments)} does not end within {limit_s} s") from None
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        expect("Sanitizer" not in done.stderr and "runtime error" not in done.stderr, f"{program}: {done.stderr}")
        return Answer(done, time.monotonic() - started)

    def kkt(self, *arguments, text=None, queue=None):
        return self.run("kkt", "--json", "--device", f"tcp:127.0.0.1:{self.port}", "--queue", queue or self.queue, *arguments, text=text)

    def ctl(self, *words, state=None):
        done = self.run("kkt-board", "ctl", "--state", state or self.state, *words)
        expect(done.code == 0, f"ctl {' '.join(words)}: {done}")
        return done

    # ---- work ----

    def task(self, task, *options):
        text = task if isinstance(task, bytes) else json.dumps(task, ensure_ascii=False).encode()
        return self.kkt(*options, "task", "-", text=text)

    def done(self, task, *options):
        answer = self.task(task, *options)
        expect(answer.code == 0, f"{task.get('type') if isinstance(task, dict) else 'task'} should be done: {answer}")
        return answer

    def registration(self, **ofd):
        tls = {"tls": True, "caFile": self.path("tls/ca.pem")} if self.tls else {}
        port = self.operator_tls_port if self.tls else self.operator_port
        flags = ("offlineMode", "autoMode", "encryption", "internet", "service", "bso", "excise", "machineInstallation", "gambling", "lottery")
        device = {"paymentsAddress": "Пункт выдачи", "fnsUrl": "www.nalog.gov.ru", "registrationNumber": "auto", "ffdVersion": "1.2"}
        return {"type": "registration", "key": str(uuid.uuid4()), "operator": {"name": "Кассир Смирнова А. П."},
                "organization": {"name": "ООО \"Ромашка\"", "vatin": "7701234560", "address": "г. Москва, ул. Садовая, д. 4",
                                 "email": "chek@romashka.example", "taxationTypes": ["osn", "usnIncome"]},
                "device": {**device, **{flag: False for flag in flags}},
                "ofd": {"name": "АО \"Тестовый ОФД\"", "vatin": "7704358518", "host": self.till.operator_host, "port": port, **tls, **ofd}}

    def register(self, **ofd):
        self.done(self.registration(**ofd))
        answer = self.kkt("settings", "set", "ofd.retry=1")  # tests cannot wait a minute for the next attempt
        expect(answer.code == 0, f"settings: {answer}")

    def open_shift(self):
        self.done({"type": "openShift", "operator": {"name": "Кассир Смирнова А. П."}})

    def close_shift(self):
        self.done({"type": "closeShift", "operator": {"name": "Кассир Смирнова А. П."}})

    def sell(self, **changes):
        """A good receipt of 300.00, cash 500.00, unless changed; None takes a field away."""
        task = {"type": "sell", "key": str(uuid.uuid4()), "taxationType": "osn", "items": [item(), item(name="Пакет", price=100)],
                "payments": [{"type": "cash", "sum": 500}], **changes}
        return {name: value for name, value in task.items() if value is not None}

    def good_receipt(self, **changes):
        """A receipt that must be punched, with everything that follows from it."""
        before = self.facts()
        answer = self.done(self.sell(**changes))
        after = self.facts()
        sign = answer.data["result"]["fiscalParams"]["fiscalDocumentSign"]
        expect(re.fullmatch(r"\d{10}", sign) and int(sign) > 0, f"no fiscal sign: {answer}")
        expect(after["documents"] == before["documents"] + 1, f"a good receipt makes one document: {before} {after}")
        expect(after["cash"] == before["cash"] + 300, f"cash after a good receipt: {before} {after}")
        expect(after["unfinished"] == [], f"unfinished after a good receipt: {after}")
        return answer

    # ---- facts ----

    def status(self):
        answer = self.kkt("status")
        expect(answer.code == 0, f"status: {answer}")
        return answer.data

    def stats(self, state=None):
        return json.loads(self.ctl("stats", "--json", state=state).text)

    def archive(self):
        return [json.loads(line) for line in self.run("kkt-board", "fn", "--state", self.state, "--json").text.splitlines()]

    def unfinished(self):
        return self.kkt("queue", "list", "--unfinished").data

    def idle(self):
        """Paper and drawer have come to rest."""
        def resting():
            status = self.status()
            return status if status["deviceStatus"]["slipsOwed"] == 0 and not status["cashDrawer"]["opened"] else None
        try:
            return wait_for("the board comes to rest", resting)
        except Wrong as wrong:
            raise Wrong(f"{wrong}: {self.status()} {self.ctl('drawer', 'status').text}") from wrong

    def facts(self, resting=True):
        """Everything that a refused task must leave as it was."""
        status = self.idle() if resting else self.status()
        if resting and not self.till.starts_ready:
            wait_for("the board's flash comes to rest", lambda: self.flash_rests(self.state))
        stats = self.stats()
        return {"documents": len(self.archive()), "cash": status["cashDrawer"]["sum"], "shift": status["shiftStatus"],
                "openings": stats["drawer_openings_ever"], "slips": stats["slips_ever"], "flash": stats[self.till.flash_counter],
                "unfinished": self.unfinished()}

    def confirmed(self, limit_s=SETTLE_S):
        """Every document has the operator's confirmation."""
        # The board's count is as of its last question to the FN, so the archive has the last word.
        wait_for("confirmations", lambda: self.status()["ofdExchange"]["status"]["notSentCount"] == 0 and
                 all(document["acknowledged"] for document in self.archive()), limit_s)


def item(**changes):
    """A position of 2 x 100.00."""
    position = {"type": "position", "name": "Чай чёрный «Липтон» № 5", "price": 100, "quantity": 2, "measurementUnit": "piece",
                "paymentMethod": "fullPayment", "paymentObject": "commodity", "tax": {"type": "vat22"}, **changes}
    if position["name"] == "Пакет" and "quantity" not in changes:
        position["quantity"] = 1
    if "amount" not in changes and isinstance(position["price"], int):
        position["amount"] = position["price"] * position["quantity"]
    return {name: value for name, value in position.items() if value is not None}
