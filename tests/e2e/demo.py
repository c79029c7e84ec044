#!/usr/bin/env python3
"""A working day of an online shop, with everything that goes wrong, and the count at the end.

Starts an operator (kkt-ofd, TLS), a board (kkt-board, or the microcontroller's image in QEMU) and works the shop's orders through the driver (kkt).
The internet is cut, the board is killed in the middle of receipts, the cable is pulled, the clock is set back; then five places are compared
document by document: the driver's queue, the board's journal, the archive of the fiscal module, the paper, and the operator's store. Exit
status 0 only when all five agree.

    demo.py --build build [--board posix|mps2|lm3s] [--state DIR] [--quick]
"""
import argparse
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid

import places
import tills

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data", "shop-day")
FN_RECEIPTS = "receipts in the FN"  # unlike fn_store_writes it does not grow with the operator's confirmations
FORMS = {1: "registration", 2: "shift open", 3: "receipt", 5: "shift close", 21: "state report"}


class Trouble(Exception):
    """Something that must not happen happened."""


class Day:
    def __init__(self, build, state, quick, board="posix"):
        self.build, self.state, self.quick = build, state, quick
        self.started = time.monotonic()
        self.queue = os.path.join(state, "queue.db")
        self.board_dir = os.path.join(state, "board")
        self.till = tills.make(board, build, self.board_dir)
        self.store = os.path.join(state, "operator.db")
        self.port_file = os.path.join(state, "port")
        self.processes = {}
        self.port = 0
        self.samples = []
        self.items_max = 0

    # ---- what the reader sees ----

    def say(self, text):
        print(f"[{time.monotonic() - self.started:5.1f} s] {text}", flush=True)

    def sample(self, label):
        """Length of the operator's queue, for the table."""
        status = self.kkt_json("status")
        count = status["ofdExchange"]["status"]["notSentCount"]
        self.samples.append((time.monotonic() - self.started, label, count))
        return count

    # ---- processes ----

    def program(self, name):
        return os.path.join(self.build, name)

    def start(self, name, command, ready=None):
        log = open(os.path.join(self.state, name + ".log"), "ab")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.processes[name] = process
        deadline = time.monotonic() + 20
        while ready is not None and not ready():
            if process.poll() is not None:
                raise Trouble(f"{name} ended at once, see {log.name}")
            if time.monotonic() > deadline:
                raise Trouble(f"{name} does not start, see {log.name}")
            time.sleep(0.01)

    def start_operator(self):
        log = os.path.join(self.state, "operator.log")

        def ready():
            with open(log, encoding="utf-8") as file:
                for line in file:
                    if line.startswith("listening tls "):
                        self.operator_port = int(line.rsplit(":", 1)[1].split()[0])
                        return True
            return False

        self.start("operator", [self.program("kkt-ofd"), "serve", "--store", self.store, "--tls", "127.0.0.1:0",
                                "--tls-dir", os.path.join(self.state, "tls"), "--inn", "7704358518"], ready)

    def start_board(self):
        if os.path.exists(self.port_file):
            os.remove(self.port_file)
        pace = "0" if self.quick else "400"
        listen = f"127.0.0.1:{self.port}"  # 0 the first time, the same port after a restart
        self.start("board", self.till.command("--listen", listen, "--pace", pace, "--port-file", self.port_file, "--drawer-close", "300",
                                              *(["--no-png"] if self.quick else [])),
                   lambda: os.path.exists(self.port_file) and open(self.port_file).read().strip())
        self.port = int(open(self.port_file).read())

    def kill_board(self):
        if self.till.kill(self.processes["board"]):
            self.processes.pop("board")

    def revive_board(self):
        if "board" in self.processes:
            self.ctl("power", "on")
        else:
            self.start_board()

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self.processes.clear()

    def run(self, program, *arguments, stdin=None, check=True):
        command = [self.program(program), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise Trouble(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def kkt(self, *arguments, stdin=None, check=True):
        return self.run("kkt", "--device", f"tcp:127.0.0.1:{self.port}", "--queue", self.queue, *arguments, stdin=stdin, check=check)

    def kkt_json(self, *arguments):
        return json.loads(self.kkt("--json", *arguments).stdout, parse_float=Exact)

    def ctl(self, *arguments):
        self.run("kkt-board", "ctl", "--state", self.board_dir, *arguments)

    def tasks(self, tasks, check=True):
        """Runs tasks through `kkt task`; the exit status says whether all is known to be done."""
        return self.kkt("task", "-", stdin=json.dumps(self.fit(tasks), ensure_ascii=False), check=check)

    def fit(self, tasks):
        """A receipt that is too long for this board becomes several, each with a key of its own that is always the same."""
        out = []
        for task in tasks if isinstance(tasks, list) else [tasks]:
            goods = [item for item in task.get("items", []) if item.get("type", "position") == "position"]
            if len(goods) <= self.items_max:
                out.append(task)
                continue
            (payment,) = task["payments"]
            for first in range(0, len(goods), self.items_max):
                part = goods[first:first + self.items_max]
                paid = sum(kopecks(item["amount"]) for item in part)
                if first + self.items_max >= len(goods):
                    part += [item for item in task["items"] if item not in goods]
                key = str(uuid.uuid5(uuid.UUID(task["key"]), f"from item {first}"))
                out.append({**task, "key": key, "items": part, "payments": [{**payment, "sum": Exact(f"{paid // 100}.{paid % 100:02}")}]})
        return out

    def ask_limits(self):
        """What a board takes it says itself; a position needs about 200 bytes."""
        (told,) = json.loads(self.kkt("--json", "task", "-", stdin=json.dumps([{"type": "getDeviceInfo"}])).stdout)
        self.items_max = told["result"]["deviceInfo"]["requestBytesMax"] // 200

    def expect_finished(self, orders):
        jobs = {job["key"]: job["state"] for job in json.loads(self.kkt("--json", "queue", "list", "--all").stdout)}
        wrong = {task["key"]: jobs.get(task["key"]) for task in self.fit(orders) if jobs.get(task["key"]) not in ("done", "confirmed")}
        if wrong:
            raise Trouble(f"not finished: {wrong}")

    def drain(self):
        """Works the queue off, as a worker service would: again and again until nothing is unfinished."""
        for _ in range(40):
            if self.kkt("queue", "run", check=False).returncode == 0:
                return
            time.sleep(0.25)
        raise Trouble("the queue does not empty")

    # ---- the story ----

    def read(self, name):
        # Receipts that go out by e-mail only get paper as well here, so that all five places can be compared one by one.
        with open(os.path.join(DATA, name), encoding="utf-8") as file:
            tasks = json.load(file, parse_float=Exact)
        tasks = tasks if isinstance(tasks, list) else [tasks]
        for task in tasks:
            task.pop("electronically", None)
        return tasks

    def register(self):
        task = self.read("registration-12.json")[0]
        task["ofd"].update(host=self.till.operator_host, port=self.operator_port, tls=True, caFile=os.path.join(self.state, "tls", "ca.pem"))
        self.tasks(task)

    def punch(self, orders, label):
        self.tasks(orders)
        self.say(f"{label}: {len(orders)} orders punched, operator's queue {self.sample(label)}")

    def documents_in_fn(self):
        return len(self.run("kkt-board", "fn", "--state", self.board_dir, "--json").stdout.splitlines())

    def stats(self):
        return json.loads(self.run("kkt-board", "ctl", "--state", self.board_dir, "stats", "--json").stdout)

    def shop_in_the_background(self, orders, timeout_ms):
        command = [self.program("kkt"), "--device", f"tcp:127.0.0.1:{self.port}", "--queue", self.queue, "--timeout", str(timeout_ms),
                   "task", "--on-error", "continue", "-"]
        shop = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        shop.stdin.write(json.dumps(self.fit(orders), ensure_ascii=False))
        shop.stdin.close()
        return shop

    def counter(self, name):
        """Of the statistics; FN_RECEIPTS: receipts that the FN was told to close, which are signed before the answer leaves."""
        stats = self.stats()
        return stats["fn_by_code"].get("16", 0) if name == FN_RECEIPTS else stats[name]

    def punch_until(self, orders, counter, step):
        """Starts these orders; returns when a counter has grown by so much. The FN is made slow to answer and the board is watched: the flash's
        counter grows with the INTENT, fn_store_writes when the FN has the document, which is before its answer leaves."""
        self.ctl("fn", "delay", "250")
        limit = self.counter(counter) + step
        shop = self.shop_in_the_background(orders, 4000)
        deadline = time.monotonic() + 10
        while self.counter(counter) < limit:
            if time.monotonic() > deadline:
                raise Trouble(f"{counter} does not grow by {step}: {self.stats()}")
            time.sleep(0.01)
        return shop

    def punch_while_dying(self, orders, counter, step, where):
        """Kills the board at a known place of these orders, starts it again, and lets the queue finish."""
        shop = self.punch_until(orders, counter, step)
        self.kill_board()
        self.say(f"board killed (SIGKILL) in the middle of a receipt, {where}")
        time.sleep(0.2)
        self.revive_board()
        self.ctl("fn", "delay", "0")
        shop.wait(60)
        self.drain()
        self.expect_finished(orders)
        self.say(f"board started again, {len(orders)} orders finished, operator's queue {self.sample('after the kill')}")

    def punch_while_hanging(self, orders):
        """The processor runs in a circle in the middle of a receipt; nobody helps but the watchdog."""
        bites = self.stats()["watchdog_bites"]
        shop = self.punch_until(orders, FN_RECEIPTS, 1)
        self.ctl("hang")
        hung = time.monotonic()
        self.ctl("fn", "delay", "0")
        while self.stats()["watchdog_bites"] == bites:
            if time.monotonic() > hung + 30:
                raise Trouble("the watchdog does not bite")
            time.sleep(0.02)
        self.say(f"the processor hung in the middle of a receipt: the watchdog bit after {time.monotonic() - hung:.1f} s")
        shop.wait(60)
        self.drain()
        self.expect_finished(orders)
        self.say(f"the board started by itself, {len(orders)} orders finished, operator's queue {self.sample('after the watchdog')}")

    def punch_in_the_past(self, orders):
        """The clock is set back behind the last document: no sale until it is right again, and then the very same order."""
        before = self.documents_in_fn()
        self.ctl(*self.till.clock_back_words(7200))
        refused = self.wait_for_refusal(orders[:1])
        if refused["error"]["name"] != "CLOCK" or self.documents_in_fn() != before:
            raise Trouble(f"with the clock behind the last document the answer must be CLOCK, and nothing punched: {refused}")
        self.say(f"clock set back by two hours: refused, {refused['error']['description']}")
        self.kkt("time", "sync")
        self.tasks(orders)
        self.say(f"clock set from the shop's computer: {len(orders)} orders punched")

    def wait_for_refusal(self, orders):
        """Of the only order. The board may be starting just now, so the outcome may be unknown for a while."""
        for _ in range(40):
            done = self.kkt("--json", "task", "-", stdin=json.dumps(orders[0], ensure_ascii=False), check=False)
            if done.returncode != 3:
                return json.loads(done.stdout)
            time.sleep(0.25)
        raise Trouble(f"no answer: {done.stdout}{done.stderr}")

    def punch_unplugged(self, orders):
        self.ctl("link", "down")
        done = self.kkt("--timeout", "1500", "task", "--on-error", "continue", "-", stdin=json.dumps(self.fit(orders), ensure_ascii=False), check=False)
        if done.returncode != 3:
            raise Trouble(f"with the cable out kkt must end with 3 (unknown), not {done.returncode}:\n{done.stdout}{done.stderr}")
        self.say(f"cable pulled out: {len(orders)} orders wait in the driver's queue")
        self.ctl("link", "up")
        self.drain()
        self.expect_finished(orders)
        self.say("cable back: the queue has emptied itself")

    def story(self):
        self.say(f"operator (kkt-ofd), board ({self.till.name}) and driver (kkt) start")
        self.start_operator()
        self.start_board()
        self.ask_limits()
        self.register()
        self.say("registered with the tax office's data, FFD 1.2, operator over TLS")
        self.tasks(self.read("01-open.json"))
        self.say("shift open, change money in the drawer")
        morning, afternoon = self.read("02-morning.json"), self.read("03-afternoon.json")
        self.punch(morning[:10], "morning")
        self.ctl("net", "down")
        self.say("the internet is gone")
        self.punch(morning[10:], "without internet")
        self.punch_while_dying(afternoon[0:3], self.till.flash_counter, 1, "before the document is signed")
        self.punch_while_dying(afternoon[3:6], "fn_store_writes", 1, "signed, but not answered")
        self.punch_while_dying(afternoon[6:9], "fn_store_writes", 2, "the second of three signed")
        self.punch_unplugged(afternoon[9:14])
        self.sample("still offline")
        self.ctl("paper", "out-after", "15")
        self.tasks(afternoon[14:15])
        self.say("the paper ran out in the middle of a slip")
        time.sleep(0.3)
        self.ctl("paper", "in")
        time.sleep(1.0)
        self.ctl("net", "up")
        self.say("new roll; the internet is back")
        if self.till.has_watchdog:
            self.punch_while_hanging(afternoon[15:17])
        self.punch_in_the_past(afternoon[17:19])
        self.punch((afternoon[15:17] if not self.till.has_watchdog else []) + afternoon[19:], "evening")
        self.tasks(self.read("04-close.json"))
        self.say("counted, collected, shift closed")
        # The same day once more, as a backend does that lost its memory: the keys are known, nothing may happen.
        self.tasks(morning[:5] + afternoon[:5])
        self.say("ten orders sent a second time with their keys: nothing may be punched")
        self.settle()

    def settle(self):
        deadline = time.monotonic() + 30
        while True:
            status = self.kkt_json("status")
            if status["ofdExchange"]["status"]["notSentCount"] == 0 and status["deviceStatus"]["slipsOwed"] == 0:
                break
            if time.monotonic() > deadline:
                raise Trouble(f"paper or operator do not come to an end: {status}")
            time.sleep(0.2)
        self.sample("end of day")
        self.kkt("ofd")  # marks confirmations in the queue
        self.status = status

    # ---- the five places ----

    def places(self):
        jobs = json.loads(self.kkt("--json", "queue", "list", "--all").stdout)
        return places.read(lambda *command: self.run(*command).stdout, jobs, self.board_dir, self.store, self.till.journal_arguments())

    def money(self):
        """Cash that should be in the drawer by the orders, and what the board counted."""
        expected = 0
        for name in ("01-open.json", "02-morning.json", "03-afternoon.json", "04-close.json"):
            for task in self.read(name):
                items = sum(kopecks(item["amount"]) for item in task.get("items", []) if item.get("type", "position") == "position" and "amount" in item)
                other = sum(kopecks(pay["sum"]) for pay in task.get("payments", []) if pay["type"] != "cash")
                total = kopecks(task["total"]) if "total" in task else items
                sign = {"sell": 1, "sellReturn": -1}.get(task["type"], 0)
                expected += sign * (total - other)
                expected += {"cashIn": 1, "cashOut": -1}.get(task["type"], 0) * kopecks(task.get("cashSum", 0))
        return expected, kopecks(self.status["cashDrawer"]["sum"])

    def compare(self):
        found = self.places()
        lost, doubled, differences = places.differences(found)
        documents = found.documents
        print()
        print(f"  {'':18}" + "".join(f"{title:>14}" for title in FORMS.values()) + f"{'together':>11}")
        form = {(d["document"], d["sign"]): d["form"] for d in documents}
        for title, place in found.named:
            counts = collections.Counter(form.get(name, 0) for name in place.elements())
            print(f"  {title:18}" + "".join(f"{counts[code]:>14}" for code in FORMS) + f"{sum(place.values()):>11}")
        expected, counted = self.money()
        openings = self.status["cashDrawer"]["openings"]
        print()
        print(f"  slips on paper     {found.slips} ({found.torn} torn pieces)")
        print(f"  drawer             opened {openings} times")
        print(f"  cash               expected {expected / 100:.2f}, counted {counted / 100:.2f}")
        print(f"  found in the FN after a kill: {found.recovered}")
        print("  operator's queue over time: " + ", ".join(f"{int(when)} s {count}" for when, _, count in self.samples))
        print(f"  paper: {os.path.relpath(os.path.join(self.board_dir, 'paper'))}")
        print()
        for line in differences:
            print(f"  {line}")
        wrong = []
        if expected != counted:
            wrong.append("cash does not agree")
        if places.has_gap(found):
            wrong.append("document numbers have a gap")
        for text in wrong:
            print(f"  {text}")
        print(f"demo: {sum(found.archive.values())} punched, {sum(found.paper.values())} printed, "
              f"{sum(found.operator.values())} confirmed, {lost} lost, {doubled} doubled")
        confirmed = all(document["acknowledged"] for document in documents)
        if not confirmed:
            print("  a document without the operator's confirmation in the FN")
        return lost == 0 and doubled == 0 and not wrong and confirmed and len(found.union) > 0


class Exact(float):
    """A number that is written again just as it was read."""

    def __new__(cls, text):
        self = super().__new__(cls, text)
        self.text = text
        return self

    def __repr__(self):
        return self.text


def kopecks(number):
    text = number.text if isinstance(number, Exact) else str(number)
    whole, _, part = text.partition(".")
    return int(whole) * 100 + int((part + "00")[:2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--board", choices=tills.BOARDS, default="posix", help="kkt-board, or a microcontroller in QEMU")
    parser.add_argument("--state", help="folder of the run (state/demo)")
    parser.add_argument("--quick", action="store_true", help="no pictures, no printing speed")
    arguments = parser.parse_args()
    folder = "demo" if arguments.board == "posix" else f"demo-{arguments.board}"
    quick = f"quick-{arguments.board}-" + arguments.build.replace("/", "-")
    state = os.path.abspath(arguments.state or os.path.join("state", quick if arguments.quick else folder))
    shutil.rmtree(state, ignore_errors=True)
    os.makedirs(state)
    day = Day(os.path.abspath(arguments.build), state, arguments.quick, arguments.board)
    good = False
    try:
        day.story()
        good = day.compare()
    except (Trouble, places.Unfinished, subprocess.TimeoutExpired, OSError, KeyError) as trouble:
        print(f"demo failed: {type(trouble).__name__}: {trouble}\nlogs are in {state}", file=sys.stderr)
    finally:
        day.stop()
    if arguments.quick:
        print("1 passed, 0 failed" if good else "0 passed, 1 failed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
