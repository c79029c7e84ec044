"""What kills.py works with: a shop whose processes can be killed, the orders of its backend, and the judgement over what came of them.

A Bench is a Shop with kill_at.so preloaded into every process. At most one kill is planned at a time; work() sends a batch of orders, looks after the
processes while that lasts, starts again what was killed, and sends the same batch again until the driver says that all of it is done.
"""
import collections
import ctypes
import dataclasses
import json
import mmap
import os
import random
import re
import signal
import struct
import subprocess
import time

import places
import shop

TURN_S = 0.0005
PATIENCE_BATCHES = 20
WORK_LIMIT_S = 60  # for one batch, whatever is killed meanwhile
QUIET_S = 0.03     # without a counted call: the board has come to rest
CASHIER = {"name": "Кассир Смирнова А. П."}
WHEN = {"before": 1, "after": 2, "inside": 3}


@dataclasses.dataclass
class Kill:
    victim: str               # board, driver, operator
    how: str                  # call, time
    calls: str = "any"        # names or groups of kill_at.c
    count: int = 0
    when: str = "before"      # before, after, inside
    delay_s: float = 0.0      # from the start of a batch, or of the process when at_start
    at_start: bool = False    # planned for the board's next start
    look_first: bool = False  # after it, the worker first runs `kkt queue run` once
    repeat_old: bool = False  # after it, an older batch is sent once more
    together: bool = False    # with the board, the worker is killed at once: the whole shop loses power
    where: str = ""           # the call that it came to


class KillPage:
    """struct kill_page of kill_at.c, shared with the process that has it."""

    def __init__(self, path, library):
        with open(path, "wb") as file:
            file.write(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.path, self.library = path, library

    def arm(self, kill):
        calls = self.library.kill_at_calls(kill.calls.encode())
        shop.expect(calls != 0, f"kill_at.c does not know the calls {kill.calls}")
        struct.pack_into("<I", self.map, 24, WHEN[kill.when])
        struct.pack_into("<q", self.map, 8, kill.count)
        struct.pack_into("<Q", self.map, 0, calls)

    def disarm(self):
        struct.pack_into("<Q", self.map, 0, 0)

    @property
    def counted(self):
        return struct.unpack_from("<Q", self.map, 16)[0]

    @property
    def dead_pid(self):
        return struct.unpack_from("<I", self.map, 28)[0]

    @property
    def dead_where(self):
        """The call and the file, numbers taken out."""
        call, where = struct.unpack_from("<I212s", self.map, 32)
        name = os.path.basename(where.split(b"\0")[0].decode(errors="replace").replace(" (deleted)", ""))
        name = "socket" if name.startswith("socket:") else re.sub(r"\d+", "N", name.lstrip("#"))
        return f"{self.library.kill_at_name(call).decode()} {name}"


# ---- Orders ----

@dataclasses.dataclass
class Order:
    """One job of the backend."""
    task: dict
    name: str
    document: bool = False     # makes a fiscal document
    receipt: bool = False
    electronic: bool = False
    total_kop: int = 0         # of a receipt: no other of the session has it
    cash_kop: int = 0          # what it adds to the drawer
    result: object = None      # (document number, sign) as the driver told it; () for a job without a document

    @property
    def key(self):
        return self.task["key"]


def rubles(kopecks):
    return float(f"{kopecks // 100}.{kopecks % 100:02}")  # printed again with the same two digits


class Orders:
    """What the backend wants, in order. Every receipt has a total of its own, so that it can be recognised in the FN and at the operator."""

    def __init__(self, seed):
        self.rng = random.Random(f"orders {seed}")
        self.all, self.number = [], 0

    def add(self, kind, name, **fields):
        facts = {name: fields.pop(name) for name in ("document", "receipt", "electronic", "total_kop", "cash_kop") if name in fields}
        task = {"type": kind, "key": self.rng.getrandbits(128).to_bytes(16, "big").hex(), **fields}
        order = Order(task, name, **facts)
        self.all.append(order)
        return order

    def registration(self, bench):
        fields = {name: value for name, value in bench.registration().items() if name not in ("type", "key")}
        return self.add("registration", "registration", document=True, **fields)

    def shift(self, kind):
        return self.add(kind, f"{kind} {len(self.all)}", document=True, operator=CASHIER)

    def cash(self, kind, kopecks):
        self.number += 1
        sum_kop = kopecks + self.number
        return self.add(kind, f"{kind} {self.number}", cash_kop=sum_kop if kind == "cashIn" else -sum_kop, cashSum=rubles(sum_kop), operator=CASHIER)

    def first(self):
        return [self.shift("openShift"), self.cash("cashIn", 100_000_00)]

    def last(self):
        return [self.shift("closeShift"), self.shift("openShift")]

    def sale(self, count=5, kind="sell", electronic=False, cash_only=True):
        rng = self.rng
        self.number += 1
        name, total = f"order {self.number}", 100_00 + self.number
        items = [shop.item(name=f"Заказ № {self.number}, чай «Эрл Грей»", price=rubles(total), quantity=1, amount=rubles(total))]
        for index in range(count - 1):
            price, quantity = rng.randint(1, 9) * 100, rng.randint(1, 3)
            items.append(shop.item(name=f"Товар {index + 2} к заказу с названием", price=price, quantity=quantity,
                                   tax={"type": rng.choice(("vat22", "vat10", "none"))}))
            total += price * quantity * 100
        by_card = 0 if cash_only or rng.random() < 0.5 else rng.choice((total, total // 2))
        cash = total - by_card
        change = rng.choice((0, 0, 50_00)) if cash > 0 and kind == "sell" else 0
        payments = [{"type": "cash", "sum": rubles(cash + change)}] if cash > 0 else []
        payments += [{"type": "electronically", "sum": rubles(by_card)}] if by_card > 0 else []
        fields = {"electronically": True, "clientInfo": {"emailOrPhone": "customer@example.com"}} if electronic else {}
        return self.add(kind, name, document=True, receipt=True, electronic=electronic, total_kop=total, cash_kop=cash if kind == "sell" else -cash,
                        taxationType="osn", operator=CASHIER, items=items, payments=payments, **fields)

    def one(self):
        rng, kind = self.rng, self.rng.choices(("sale", "big", "email", "return", "shift", "in", "out", "x"), (52, 6, 10, 8, 6, 6, 6, 6))[0]
        if kind == "shift":
            return [self.shift("closeShift"), self.shift("openShift")]
        if kind in ("in", "out"):
            return [self.cash("cashIn" if kind == "in" else "cashOut", rng.randint(10, 500) * 100)]
        if kind == "x":
            return [self.add("reportX", f"reportX {len(self.all)}", operator=CASHIER)]
        return [self.sale(rng.randint(20, 30) if kind == "big" else rng.randint(1, 6), "sellReturn" if kind == "return" else "sell",
                          kind == "email", False)]

    def batch(self):
        return [order for _ in range(self.rng.randint(1, 4)) for order in self.one()]


# ---- The shop ----

class Bench(shop.Shop):
    def __init__(self, build, library, folder, title, seed, report):
        super().__init__(build, folder=folder)
        self.title, self.report = title, report
        self.preload = library
        library = ctypes.CDLL(library)
        library.kill_at_calls.restype = ctypes.c_uint64
        library.kill_at_name.restype = ctypes.c_char_p
        self.pages = {name: KillPage(self.path(name + ".page"), library) for name in ("board", "driver", "operator")}
        # How the work goes depends on timing, so it has a generator of its own: the orders shall not.
        self.orders, self.old, self.rng = Orders(f"{seed} {title}"), [], random.Random(f"work {seed} {title}")
        self.plan, self.kill, self.due, self.shot = [], None, None, None
        self.waiting, self.waited, self.again = None, 0, False
        self.log_file = open(self.path("kills.log"), "w", encoding="utf-8")

    def __exit__(self, kind, value, trace):
        for page in self.pages.values():
            page.disarm()
        self.log_file.close()
        super().__exit__(kind, value, trace)

    def environment(self, name):
        return {**os.environ, "LD_PRELOAD": self.preload, "KILL_AT_PAGE": self.pages[name].path}

    def note(self, text):
        print(text, file=self.log_file, flush=True)

    def settings(self):
        answer = self.kkt("settings", "set", "ofd.retry=1")
        shop.expect(answer.code == 0, f"settings: {answer}")

    # ---- kills ----

    def next_kill(self):
        """Takes the next of the plan when none is under way. What belongs to a start waits for one, see died()."""
        if self.kill is None and self.plan:
            self.set_kill(self.plan.pop(0))

    def set_kill(self, kill):
        self.kill, self.due = kill, None
        if kill.how == "call":
            self.pages[kill.victim].arm(kill)

    def ease(self):
        """A kill that many batches did not reach gets an easier place; without this a run might not end."""
        self.waited = self.waited + 1 if self.kill is not None and self.kill is self.waiting else 0
        self.waiting = self.kill
        shop.expect(self.waited < 10 * PATIENCE_BATCHES, f"this kill finds nobody: {self.kill}")
        if self.waited == PATIENCE_BATCHES and self.kill.how == "call":
            self.kill.calls, self.kill.count = "any", 1
            self.note(f"easier: {self.kill}")
            self.pages[self.kill.victim].arm(self.kill)

    def await_kill(self):
        """Until it has happened or the board has come to rest without it."""
        while self.kill is not None and not self.rest():
            self.look_after()

    def drop_kill(self):
        if self.kill is not None:
            name = self.kill.victim
            self.pages[name].disarm()
            time.sleep(TURN_S)
            if name in self.processes and self.processes[name].pid == self.pages[name].dead_pid:
                self.processes[name].wait()  # it has just happened after all
                self.look_after()
        self.kill = self.due = None

    def died(self, name, process):
        """Counts the kill. Anything but the kill that was planned is a fault of the product."""
        kill, page = self.kill, self.pages[name]
        called, shot = page.dead_pid == process.pid, self.shot == process.pid
        shop.expect(process.returncode == -signal.SIGKILL and kill is not None and kill.victim == name and (called or shot),
                    f"{name} ended by itself with {process.returncode}")
        kill.where = page.dead_where if called else ""
        self.note(f"killed {name} {process.pid}: {kill}")
        self.report(kill)
        self.again = self.again or kill.repeat_old
        self.kill = self.due = self.shot = None
        return kill

    def shoot(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            self.shot = process.pid

    def look_after(self, worker=None):
        """One turn: starts again what was killed, and kills what is due."""
        for name, launch in (("board", self.launch_board), ("operator", self.launch_operator)):
            if self.processes[name].poll() is not None:
                kill = self.died(name, self.processes.pop(name))
                if kill.together and worker is not None and worker.poll() is None:
                    self.set_kill(Kill("driver", "time", look_first=kill.look_first))
                    self.shoot(worker)
                elif self.plan and self.plan[0].at_start and name == "board":
                    self.next_kill()
                    self.due = time.monotonic() + self.kill.delay_s if self.kill.how == "time" else None
                launch()
        if self.due is not None and time.monotonic() >= self.due:
            victim = worker if self.kill.victim == "driver" else self.processes[self.kill.victim]
            if victim is not None:
                self.due = None
                self.shoot(victim)

    # ---- work ----

    def run_worker(self, *arguments):
        """kkt as a process that may be killed: (exit status, what it printed)."""
        command = [os.path.join(self.build, "kkt"), "--json", "--timeout", "20000", "--device", f"tcp:127.0.0.1:{self.port}", "--queue", self.queue,
                   *arguments]
        out = self.path("worker.out")
        with open(out, "wb") as file, open(self.path("worker.log"), "ab") as errors:
            worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=errors, env=self.environment("driver"))
        if self.kill is not None and self.kill.how == "time" and self.due is None and self.shot is None:
            self.due = time.monotonic() + self.kill.delay_s
        while worker.poll() is None:
            self.look_after(worker)
            time.sleep(TURN_S)
        if worker.returncode == -signal.SIGKILL:
            return self.died("driver", worker), ""
        if self.kill is not None and self.kill.victim == "driver" and self.kill.how == "time":
            self.due = self.shot = None  # it came too late, perhaps while the worker was ending
            self.kill.delay_s /= 2
        with open(out, encoding="utf-8") as file:
            return worker.returncode, file.read()

    def work(self, batch):
        """Sends the batch again and again, with the same keys, until all of it is done; and lets a kill that is due find its process."""
        path, deadline = self.path("batch.json"), time.monotonic() + WORK_LIMIT_S
        with open(path, "w", encoding="utf-8") as file:
            json.dump([order.task for order in batch], file, ensure_ascii=False)
        self.note(f"batch: {', '.join(order.name for order in batch)}")
        mode = self.rng.choice(("stop", "continue"))
        last = None
        self.ease()
        while True:
            self.next_kill()
            if isinstance(last, Kill) and last.look_first:
                last, _ = self.run_worker("queue", "run")
                continue
            last, text = self.run_worker("task", "--on-error", mode, path)
            if last == 0:
                break
            shop.expect(isinstance(last, Kill) or last == 3, f"orders are not taken, exit {last}: {text}")
            shop.expect(time.monotonic() < deadline, f"a batch is not done within {WORK_LIMIT_S} s: {text}")
        self.take_answers(batch, text)
        while self.due is not None and self.kill.victim != "driver":
            self.look_after()
            time.sleep(TURN_S)
        self.look_after()
        self.old.append(batch)
        if self.again:
            self.again = False
            self.repeat(self.rng.choice(self.old))

    def repeat(self, batch):
        """An older batch once more, as a backend does that lost its memory: nothing may be punched, every answer is the same."""
        path = self.path("again.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump([order.task for order in batch], file, ensure_ascii=False)
        last, text = self.run_worker("task", path)
        if last == 0:
            self.take_answers(batch, text)

    def take_answers(self, batch, text):
        for order, answer in zip(batch, json.loads(text), strict=True):
            shop.expect(answer["status"] == "ready", f"{order.name}: {answer}")
            parameters = answer["result"].get("fiscalParams")
            result = (parameters["fiscalDocumentNumber"], int(parameters["fiscalDocumentSign"])) if parameters else ()
            shop.expect(order.result in (None, result), f"{order.name} was {order.result} and is told to be {result} now")
            order.result = result

    def double_an_order(self):
        """Behind the back: the order that came first, under another key. The judgement does not know of it."""
        order = next(order for order in self.orders.all if order.receipt and not order.electronic and order.task["type"] == "sell")
        self.done({**order.task, "key": "proof: the same again"})
        return order

    # ---- every call of a sale ----

    def rest(self):
        """No call was counted for a while, or the board is dead. True: it lives."""
        def counted():
            return sum(page.counted for page in self.pages.values())
        seen, since = counted(), time.monotonic()
        while time.monotonic() < since + QUIET_S:
            if self.processes["board"].poll() is not None:
                return False
            if counted() != seen:
                seen, since = counted(), time.monotonic()
            time.sleep(TURN_S)
        return True

    def calls_of_sale(self, victim):
        self.rest()
        before = self.pages[victim].counted
        self.work([self.orders.sale()])
        self.rest()
        return self.pages[victim].counted - before

    def kill_in_sale(self, victim, number, when):
        """The kill, or None when the sale was over before that call."""
        self.rest()
        kill = Kill(victim, "call", "any", number, when, look_first=number % 2 == 0)
        self.set_kill(kill)
        self.work([self.orders.sale()])
        if victim == "board":
            self.await_kill()
        self.drop_kill()
        return kill if kill.where else None

    # ---- every call of the start after a kill ----

    FIRST = (("pwrite", 1, "after"),   # INTENT is on flash, the FN knows nothing
             ("sync", 2, "after"),     # the FN has the document, the journal has not
             ("write", 20, "before"))  # in the middle of the paper

    def kill_in_start(self, number, when):
        """At this call of the start that follows each of the first kills. The last of the second kills, or None when one was not reached."""
        kills = [self.kill_twice(first, number, when) for first in self.FIRST]
        return kills[-1] if None not in kills else None

    def kill_twice(self, first, number, when):
        self.rest()
        calls, count, moment = first
        again = Kill("board", "call", "any", number, when, at_start=True)
        self.plan = [again]
        self.set_kill(Kill("board", "call", calls, count, moment))
        self.work([self.orders.sale()])
        self.await_kill()
        self.plan = []
        self.drop_kill()
        return again if again.where else None

    def calls_of_start(self):
        """Counted calls from the start after a kill to the open host link."""
        self.rest()
        self.set_kill(Kill("board", "call", "sync", 2, "after"))
        page, process = self.pages["board"], self.processes["board"]
        order = self.orders.sale()
        self.work([order])
        shop.expect(self.processes["board"] is not process, "the board was not killed by the second sync of a sale")
        self.rest()
        self.stop("board")
        before = page.counted
        self.start_board()
        return page.counted - before

    # ---- the end ----

    def settle(self):
        """Paper and operator have everything."""
        self.drop_kill()

        def over():
            status = self.status()
            return status["ofdExchange"]["status"]["notSentCount"] == 0 and status["deviceStatus"]["slipsOwed"] == 0
        shop.wait_for("paper and operator come to an end", over, 60)
        shop.expect(self.kkt("queue", "run").code == 0, "the queue is not worked off in the end")
        self.cash_kop = round(self.status()["cashDrawer"]["sum"] * 100)
        self.jobs = self.kkt("queue", "list", "--all").data
        self.stop("board")
        self.stop("operator")

    def verdict(self):
        def run(*command):
            answer = self.run(*command)
            shop.expect(answer.code == 0, f"{' '.join(command)}: {answer}")
            return answer.text
        return Verdict(self.orders.all, places.read(run, self.jobs, self.state, self.path("operator.db")), self.cash_kop)


# ---- The judgement ----

class Verdict:
    """Order by order: each has one document in each of the five places, and no document is without an order."""

    def __init__(self, orders, found, cash_kop):
        self.found, self.lines = found, []
        self.punched, self.printed, self.confirmed = (sum(place.values()) for place in (found.archive, found.paper, found.operator))
        self.electronic = sum(order.electronic for order in orders)
        self.lost_orders, self.doubled_orders = set(), set()
        owned = collections.defaultdict(set)  # the documents of an order: what the driver told, and all of its kind and total
        for document in found.documents:
            if document["form"] == 3:
                owned[(document["kind"], document["total_kop"])].add((document["document"], document["sign"]))
        known = set()
        for order in orders:
            if order.document:
                kind = 2 if order.task["type"] == "sellReturn" else 1
                names = {order.result} | (owned[(kind, order.total_kop)] if order.receipt else set())
                known |= names
                self.judge_document(order, names)
        for name in found.union:
            if name not in known:
                self.wrong(self.doubled_orders, f"document {name[0]} sign {name[1]}", 1, 0, "any order's list")
        self.judge_keys(orders)
        self.judge_cash_slips(orders)
        self.judge_whole(orders, cash_kop)
        self.lost, self.doubled = len(self.lost_orders), len(self.doubled_orders)

    @property
    def good(self):
        return not self.lines

    def wrong(self, group, name, count, wanted, place):
        group.add(name)
        self.lines.append(f"{name}: {count} times in {place}, {wanted} expected")

    def judge_document(self, order, names):
        numbers = "/".join(str(name[0]) for name in sorted(names))
        for title, place in self.found.named:
            count, wanted = sum(place[name] for name in names), 0 if title == "paper" and order.electronic else 1
            if count < wanted:
                self.wrong(self.lost_orders, order.name, count, wanted, f"{title} (document {numbers})")
            elif count > wanted:
                self.wrong(self.doubled_orders, order.name, count, wanted, f"{title} (documents {numbers})")

    def judge_keys(self, orders):
        """The jobs without a document as well: each key is done once in the queue and in the journal."""
        queue = collections.Counter(job["key"].replace("-", "") for job in self.found.jobs)
        journal = collections.Counter(record["key"] for record in self.found.done)
        for order in orders:
            for title, place in (("driver's queue by key", queue), ("board's journal by key", journal)):
                if place[order.key] < 1:
                    self.wrong(self.lost_orders, order.name, place[order.key], 1, title)
                elif place[order.key] > 1:
                    self.wrong(self.doubled_orders, order.name, place[order.key], 1, title)

    def judge_cash_slips(self, orders):
        """Money put in or taken out makes no document, but paper; each sum of a session is another one."""
        slips, repeated = collections.Counter(), set()
        for text in self.found.other_slips:
            for line in text:
                if line.split()[:1] == ["СУММА"]:
                    slips[line.split("=")[-1]] += 1
                    if places.is_repeated(text):
                        repeated.add(line.split("=")[-1])
        for order in orders:
            if order.task["type"] in ("cashIn", "cashOut"):
                kopecks = abs(order.cash_kop)
                name = f"{kopecks // 100}.{kopecks % 100:02}"
                count = min(slips[name], 1) if name in repeated else slips[name]
                if count != 1:
                    self.wrong(self.lost_orders if count < 1 else self.doubled_orders, order.name, count, 1, "paper")

    def judge_whole(self, orders, cash_kop):
        expected = sum(order.cash_kop for order in orders)
        if cash_kop != expected and not self.doubled_orders:
            self.lines.append(f"cash in the drawer: {cash_kop} kopecks counted, {expected} expected")
        if places.has_gap(self.found):
            self.lines.append("document numbers have a gap")
        if not all(document["acknowledged"] for document in self.found.documents):
            self.lines.append("a document without the operator's confirmation in the FN")
        if not all(job["confirmed"] for job in self.found.jobs if job.get("fiscalDocumentNumber")):
            self.lines.append("a document without the mark of its confirmation in the driver's queue")
