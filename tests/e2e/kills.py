#!/usr/bin/env python3
"""kkt-board, the driver's worker and the operator as separate processes over TCP, ended with SIGKILL a thousand times; then five places are compared.

The backend's part is played here: it sends orders with `kkt task`, and after every kill it sends the same orders with the same keys again until each is
known to be done. A process is killed at a chosen system call (kill_at.c, preloaded, says how and what that cannot catch) or at a random moment.

First, systematically: one sale of five items, the board killed at every counted call from the connection to the confirmed paper, the worker at every
counted call of its life, and the board at three places of a sale and again at every counted call of the start that follows; before the call, after it, and in the middle
of what it writes. Then at random, in sessions of 60 kills with orders of all kinds, the registration included. At the end of a session the driver's queue, the board's journal, the FN's archive, the paper
and the operator's store are compared order by order (places.py, as in demo.py), and the cash with them. The first session then
proves that the comparison can fail: an order is sent once more under another key, and a document is taken from the operator's store.

The same seed makes the same orders and the same plan of kills. What happens still differs from run to run: the machine's timing decides
how far each process has come at that moment, and in which order the threads and sockets of the board get their turn.

    kills.py --build build [--kills 1000] [--seed 1] [--state DIR]

Exit status 0 only when all five agree everywhere and as many kills as asked for ended a live process. A state folder that does not agree is kept.
"""
import argparse
import concurrent.futures
import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import kills_shop
import shop

SESSION_KILLS = 60
SYSTEMATIC_MIN = 500  # with fewer kills than this only a sample of the calls gets its turn
FRACTION_SAMPLED = 5  # then so large a part (1/5) of the kills goes to the calls of each systematic session


class Report:
    """What all sessions have done together; prints a line now and then."""

    def __init__(self, wanted):
        self.lock = threading.Lock()
        self.wanted, self.started = wanted, time.monotonic()
        self.kills, self.systematic, self.compared = [], 0, 0
        self.passed, self.failed = 0, 0
        self.punched = self.printed = self.confirmed = self.lost = self.doubled = self.electronic = 0

    def killed(self, kill):
        with self.lock:
            self.kills.append(kill)
            if len(self.kills) % max(50, self.wanted // 20) == 0:
                self.say(f"{len(self.kills)} of {self.wanted} kills, {self.compared} sessions compared")

    def say(self, text):
        print(f"[{time.monotonic() - self.started:5.1f} s] {text}", flush=True)

    def check(self, good, text):
        with self.lock:
            self.passed, self.failed = self.passed + good, self.failed + (not good)
            if not good:
                self.say(f"FAILED: {text}")
        return good

    def add(self, verdict):
        with self.lock:
            self.compared += 1
            self.punched, self.printed = self.punched + verdict.punched, self.printed + verdict.printed
            self.confirmed, self.electronic = self.confirmed + verdict.confirmed, self.electronic + verdict.electronic
            self.lost, self.doubled = self.lost + verdict.lost, self.doubled + verdict.doubled

    def count(self, **wanted):
        return sum(all(getattr(kill, name) == value for name, value in wanted.items()) for kill in self.kills)

    def places(self, victim):
        """Where it was killed, the most frequent first."""
        where = {}
        for kill in self.kills:
            if kill.victim == victim and kill.where:
                where[kill.where] = where.get(kill.where, 0) + 1
        return ", ".join(f"{name} {count}" for name, count in sorted(where.items(), key=lambda entry: (-entry[1], entry[0])))

    def close(self):
        for victim in ("board", "driver", "operator"):
            if self.places(victim):
                print(f"{victim} killed at: {self.places(victim)}")
        print(f"{self.electronic} receipts went out by e-mail: no paper of them is right, any would be wrong")
        print(f"kills: board {self.count(victim='board')}, driver {self.count(victim='driver')}, operator {self.count(victim='operator')}, "
              f"at system calls {self.count(how='call')}, at random {self.count(how='time')}")
        print(f"kills: {self.punched} punched, {self.printed} printed, {self.confirmed} confirmed, {self.lost} lost, {self.doubled} doubled")
        print(f"{self.passed} passed, {self.failed} failed")


# ---- Plans ----

# Classes of calls, and about how many of them a batch makes; a kill that is not reached in one batch waits for the next.
CALLS = {"board": (("any", 90), ("storage", 70), ("write", 50), ("pwrite", 12), ("sync", 6), ("socket", 14), ("rename", 4), ("open,link", 5)),
         "driver": (("any", 60), ("storage", 45), ("pwrite", 30), ("sync", 8), ("socket", 12), ("open,unlink", 4)),
         "operator": (("any", 30), ("pwrite", 20), ("sync", 4), ("socket", 6))}


def random_kill(rng, victim, count_max=None):
    kill = kills_shop.Kill(victim, "call" if rng.random() < 0.6 else "time")
    if kill.how == "call":
        kill.calls, most = rng.choice(CALLS[victim])
        kill.count = rng.randint(1, count_max or most)
        kill.when = rng.choice(("before", "after", "inside"))
    else:
        kill.delay_s = round(rng.uniform(0, 0.012 if victim == "driver" or count_max else 0.04), 5)
    kill.look_first = rng.random() < 0.3
    kill.repeat_old = rng.random() < 0.2
    kill.together = victim == "board" and rng.random() < 0.15
    return kill


def random_plan(seed, number, size):
    """Kills of one session. One in five board kills is followed by another while the board starts again, sometimes by more."""
    rng = random.Random(f"plan {seed} {number}")
    plan = []
    while len(plan) < size:
        victim = rng.choices(("board", "driver", "operator"), (55, 33, 12))[0]
        plan.append(random_kill(rng, victim))
        while victim == "board" and rng.random() < 0.2:
            again = random_kill(rng, victim, 25)
            again.at_start = True
            plan.append(again)
    return plan[:size]


# ---- Sessions ----

def finish(bench, report, title, prove=False):
    """Lets everything come to rest and compares; True when all five agree."""
    if prove:
        bench.double_an_order()
    bench.settle()
    verdict = bench.verdict()
    report.add(verdict)
    good = report.check(verdict.good, f"{title}: the five places do not agree")
    for line in verdict.lines:
        report.say(f"  {title}: {line}")
    return good


def prove_it_can_fail(bench, report):
    """Behind the back of a session that agreed."""
    bench.start_operator()
    bench.start_board()
    order = bench.double_an_order()
    bench.settle()
    verdict = bench.verdict()
    report.check(verdict.doubled == 1 and verdict.lost == 0 and any(order.name in line for line in verdict.lines),
                 f"a doubled order is not reported: {verdict.lines}")
    with sqlite3.connect(bench.path("operator.db")) as store:
        gone = store.execute("DELETE FROM documents WHERE fd=(SELECT MAX(fd) FROM documents WHERE form=3 AND total<>?)", (order.total_kop,)).rowcount
    store.close()
    verdict = bench.verdict()
    report.check(gone == 1 and verdict.doubled == 1 and verdict.lost == 1, f"a document lost by the operator is not reported: {verdict.lines}")


def random_session(bench, report, plan, first, prove):
    bench.settings()
    bench.plan = list(plan)
    bench.work([bench.orders.registration(bench)])
    bench.work(bench.orders.first())
    while bench.plan or bench.kill is not None:
        bench.work(bench.orders.batch())
    bench.work(bench.orders.last())
    good = finish(bench, report, bench.title, prove and first)
    if good and first:
        prove_it_can_fail(bench, report)
    return good


def systematic_session(bench, report, part, budget):
    """One sale of five items for each call; budget None: every call, until a sale passes without coming to it any more."""
    bench.settings()
    bench.work([bench.orders.registration(bench)])
    bench.work(bench.orders.first())
    if part == "start":
        calls, kill, kills_each = bench.calls_of_start(), bench.kill_in_start, 12
    else:
        calls, kill, kills_each = bench.calls_of_sale(part), lambda number, when: bench.kill_in_sale(part, number, when), 2
    sample = max((budget or 0) // kills_each, 1)
    numbers = range(1, 10 * calls) if budget is None else [1 + index * calls // sample for index in range(sample)]
    if budget is None and part == "start":
        numbers = range(1, calls + 1)  # what follows is a sale like any other
    reached = 0
    for number in numbers:
        before, after = kill(number, "before"), kill(number, "after")
        if after is not None and after.where.split()[0] in ("write", "pwrite", "send") and budget is None:
            kill(number, "inside")
        reached += before is not None and after is not None
        if budget is None and before is None and after is None:
            break
    enough = calls * 4 // 5 if budget is None else len(numbers) * 7 // 10
    report.check(reached >= enough, f"{bench.title}: {reached} calls were reached, {enough} expected at least")
    extent = "every one" if budget is None else "a sample"
    report.say(f"{bench.title}: {extent} of about {calls} system calls: {reached} calls, before and after each"
               f"{', and inside what it writes' if budget is None else ''}")
    bench.work(bench.orders.last())
    return finish(bench, report, bench.title)


def run_session(arguments, report, title, serve):
    """Whatever goes wrong is one failure, with its folder kept."""
    folder = os.path.join(arguments.state, title.replace(" ", "-"))
    good = False
    os.makedirs(folder)
    try:
        with kills_shop.Bench(arguments.build, arguments.library, folder, title, arguments.seed, report.killed) as bench:
            good = serve(bench)
    except (shop.Wrong, subprocess.TimeoutExpired, OSError, KeyError, ValueError) as wrong:
        report.check(False, f"{title}: {type(wrong).__name__}: {wrong}")
        if not isinstance(wrong, shop.Wrong):
            traceback.print_exc()
    if good:
        shutil.rmtree(folder)
    else:
        report.say(f"  {title}: all of it is kept in {folder}; kills.log there tells what was done")


def run_all(arguments, report):
    budget = None if arguments.kills >= SYSTEMATIC_MIN else arguments.kills // FRACTION_SAMPLED
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        def start(title, serve):
            return pool.submit(run_session, arguments, report, title, serve)
        for done in [start(f"systematic {part}", lambda bench, part=part: systematic_session(bench, report, part, budget))
                     for part in ("board", "driver", "start")]:
            done.result()
        digest = hashlib.sha256(repr([random_plan(arguments.seed, number, SESSION_KILLS) for number in range(1, 21)]).encode())
        sessions = []
        left, number = max(arguments.kills - len(report.kills), arguments.kills // 2), 0
        while left > 0:
            number += 1
            plan = random_plan(arguments.seed, number, min(left, SESSION_KILLS))
            left -= len(plan)
            sessions.append(start(f"session {number}", lambda bench, plan=plan, first=number == 1:
                                  random_session(bench, report, plan, first, arguments.prove)))
        report.say(f"{len(report.kills)} systematic kills; the rest in {number} sessions, plan {digest.hexdigest()[:12]} of seed {arguments.seed}")
        for done in sessions:
            done.result()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="sessions at a time (2)")
    parser.add_argument("--state", help="folder for the sessions (a temporary one)")
    parser.add_argument("--prove", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.build = os.path.abspath(arguments.build)
    arguments.library = os.path.join(arguments.build, "tests", "e2e", "kill_at.so")
    temporary = None if arguments.state else tempfile.mkdtemp(prefix="kkt-kills-")
    arguments.state = os.path.abspath(arguments.state or temporary)
    report = Report(arguments.kills)
    run_all(arguments, report)
    report.check(len(report.kills) >= arguments.kills, f"only {len(report.kills)} of {arguments.kills} kills ended a live process")
    report.close()
    if temporary and not os.listdir(temporary):
        os.rmdir(temporary)
    return 0 if report.failed == 0 and report.lost == 0 and report.doubled == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
