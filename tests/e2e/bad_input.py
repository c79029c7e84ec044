#!/usr/bin/env python3
"""Each bad input gets its own code, the field or tag at fault, and a cure; nothing is changed, nothing is lost.

Cases from the shop's side (tasks), from the till's side (paper, drawer, shift, fiscal module) and from the wires (bad_bytes.py), against a real
kkt-board or the microcontroller's image in QEMU, kkt-ofd, kkt-fn and kkt. One line a case, then "N passed, N failed".

    bad_input.py --build build [--board posix|mps2|lm3s] [--seed N] [--only WORD]
"""
import argparse
import concurrent.futures
import json
import os
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
import bad_bytes  # noqa: E402
import tills  # noqa: E402
from shop import Shop, Wrong, expect, item, wait_for  # noqa: E402

DAY_S = 86400
DONE, REFUSED, USAGE, UNKNOWN = 0, 1, 2, 3


def json_bytes(task):
    return json.dumps(task).encode()


# ---- what a refusal must look like ----

def check_refusal(answer, name, text=None, status=REFUSED, **at):
    """at: code, field, tag, item, expected of the error."""
    error = answer.error
    expect(answer.code == status, f"exit status {status} expected: {answer}")
    expect(error.get("name") == name, f"{name} expected: {answer}")
    expect(error.get("description") and error.get("cure"), f"what happened and what to do: {answer}")
    for key, value in at.items():
        expect(error.get(key) == value, f"{key} {value} expected: {answer}")
    expect(text is None or text in error["description"], f"\"{text}\" expected in the description: {answer}")


def refused(shop, task, name, by_fn=False, **at):
    """The task is refused so, and board, fiscal module, paper, drawer and queue are as before. by_fn: only the fiscal module could know,
    so the board's journal holds the attempt."""
    before = shop.facts()
    check_refusal(shop.task(task), name, **at)
    after = shop.facts()
    unlike = {key: (before[key], after[key]) for key in before if before[key] != after[key] and not (by_fn and key == "flash")}
    expect(not unlike, f"{name} changed something: {unlike}")


def refused_then_good(shop, task, name, **at):
    """Refused by the driver: its key is still free, so the mended receipt takes it."""
    refused(shop, task, name, **at)
    shop.good_receipt(key=task["key"])


# ---- tasks that the driver refuses; one shop serves them all ----

def malformed_json(shop):
    texts = (b"", b"{", b'{"type": "sell",}', b'{"type": "sell"} tail', b"[" * 100000, b'{"type": "\xff\xfe"}', b'{"a": 1e}', b"\x00", b"NaN", b"{'type': 1}")
    for text in texts:
        check_refusal(shop.task(text), "JSON_MALFORMED", code=501, text="line 1, column")
    check_refusal(shop.task(b'{"type": "reportX",\n "type": "reportX"}'), "FIELD_REPEATED", code=501, text="line 2, column")
    refused(shop, b'{"type": "sell", "items": [', "JSON_MALFORMED", code=501)
    shop.good_receipt()


def unknown_field(shop):
    refused(shop, shop.sell(colour="red"), "FIELD_UNKNOWN", code=501, field="colour")
    refused_then_good(shop, shop.sell(items=[item(), item(colour="red")]), "FIELD_UNKNOWN", code=501, field="items[1].colour")


def missing_field(shop):
    refused(shop, shop.sell(payments=None), "FIELD_MISSING", code=501, field="payments")
    refused_then_good(shop, shop.sell(items=[item(name=None)]), "FIELD_MISSING", code=501, field="items[0].name", item=1)


def unknown_task_type(shop):
    refused(shop, {"type": "sellEverything"}, "TASK_UNSUPPORTED", code=11, field="type", text="sellEverything")
    refused_then_good(shop, shop.sell(type="sellCorrection"), "TASK_UNSUPPORTED", code=11, field="type", text="sellCorrection")


def wrong_kind(shop):
    refused(shop, shop.sell(items={}), "FIELD_TYPE", code=501, field="items")
    refused(shop, shop.sell(electronically="yes"), "FIELD_TYPE", code=501, field="electronically")
    refused_then_good(shop, shop.sell(items=[item(price="100.00", amount=200)]), "FIELD_TYPE", code=501, field="items[0].price", tag=1079, item=1)


def three_decimals(shop):
    refused(shop, shop.sell(items=[item(price=100.005, amount=200.01)]), "AMOUNT_PRECISION", code=501, field="items[0].price", tag=1079, text="100.005")
    refused_then_good(shop, shop.sell(payments=[{"type": "cash", "sum": 300.001}]), "AMOUNT_PRECISION", code=501, field="payments[0].sum", text="300.001")


def item_sum(shop):
    refused_then_good(shop, shop.sell(items=[item(), item(amount=199.98)]), "ITEM_SUM", code=5, field="items[1].amount", tag=1043, item=2, expected=20000)


def total_sum(shop):
    refused_then_good(shop, shop.sell(total=301), "TOTAL_SUM", code=5, field="total", tag=1020, expected=30000)


def payment_short(shop):
    refused_then_good(shop, shop.sell(payments=[{"type": "cash", "sum": 299.99}]), "PAYMENT_SHORT", code=66, field="payments", expected=1)


def change_from_noncash(shop):
    over = [{"type": "electronically", "sum": 300.01}]
    refused(shop, shop.sell(payments=over), "PAYMENT_EXCESS", code=5, field="payments", expected=1)
    refused_then_good(shop, shop.sell(payments=[*over, {"type": "cash", "sum": 10}]), "PAYMENT_EXCESS", code=5, field="payments")


def name_too_long(shop):
    refused_then_good(shop, shop.sell(items=[item(name="Ж" * 129)]), "FIELD_LENGTH", code=501, field="items[0].name", tag=1030, item=1, expected=128)
    shop.good_receipt(items=[item(name="Ж" * 128), item(name="Пакет")])


def inn_check_digit(shop):
    refused(shop, shop.sell(operator={"name": "Кассир", "vatin": "771234567850"}), "INN", code=5, field="operator.vatin", tag=1203)
    refused_then_good(shop, shop.sell(clientInfo={"name": "ООО", "vatin": "7704358519"}), "INN", code=5, field="clientInfo.vatin", tag=1228)


def unknown_vat(shop):
    refused_then_good(shop, shop.sell(items=[item(tax={"type": "vat18"})]), "VAT_RATE", code=13, field="items[0].tax.type", tag=1199, item=1, text="vat18")


def unknown_tax_system(shop):
    refused_then_good(shop, shop.sell(taxationType="flat"), "TAX_SYSTEM", code=13, field="taxationType", tag=1055, text="flat")


def tax_system_not_registered(shop):
    refused_then_good(shop, shop.sell(taxationType="patent"), "TAX_SYSTEM", code=13, field="taxationType", tag=1055)


def electronic_receipt(shop):
    """No paper is wanted: the document is punched, nothing is printed, and an empty printer does not matter."""
    refused(shop, shop.sell(electronically=True), "CONTACT", code=5, field="clientInfo.emailOrPhone", tag=1008)
    before = shop.facts()
    shop.ctl("paper", "out")
    blocked(shop, "PAPER_OUT")
    answer = shop.done(shop.sell(electronically=True, clientInfo={"emailOrPhone": "ivanov@example.ru"}, payments=[{"type": "electronically", "sum": 300}]))
    expect("warnings" not in answer.data["result"], f"nothing to warn of: {answer}")
    shop.ctl("paper", "in")
    not_blocked(shop)  # a slip that is owed would come now
    after = shop.facts()
    expect(after["documents"] == before["documents"] + 1 and after["slips"] == before["slips"], f"one document, no slip: {before} {after}")
    expect(after["cash"] == before["cash"], f"no cash: {before} {after}")
    shop.confirmed()
    shop.good_receipt()


def one_bad_of_several(shop):
    """An array with a bad task is refused whole, and each task says its part."""
    before = shop.facts()
    answer = shop.task([shop.sell(), shop.sell(total=1), shop.sell()])
    names = [part["error"].get("name") for part in answer.data]
    expect(answer.code == REFUSED and names == ["INTERRUPTED", "TOTAL_SUM", "INTERRUPTED"], f"the second of three: {answer}")
    expect(shop.facts() == before, "a bad list changed something")
    shop.good_receipt()


def key_conflict(shop):
    task = shop.sell()
    shop.done(task)
    other = {**task, "items": [item(name="Кофе"), item(name="Пакет", price=100)]}
    refused(shop, other, "KEY_CONFLICT", code=5, field="key")
    before = shop.facts()
    shop.done(task)
    expect(shop.facts() == before, "the same task with the same key did something again")
    # The board says so too, when the driver's queue was lost.
    answer = shop.kkt("task", "-", text=json_bytes(other), queue=shop.path("new-queue.db"))
    check_refusal(answer, "KEY_CONFLICT", code=5)
    expect(shop.facts() == before, "the same key with other content did something")
    shop.good_receipt()


SHOP_CASES = (malformed_json, unknown_field, missing_field, unknown_task_type, wrong_kind, three_decimals, item_sum, total_sum, payment_short,
              change_from_noncash, name_too_long, inn_check_digit, unknown_vat, unknown_tax_system, tax_system_not_registered, electronic_receipt,
              one_bad_of_several, key_conflict)


# ---- what the till can do about it; the same shop ----

def shift_closed(shop):
    shop.close_shift()
    task = shop.sell()
    refused(shop, task, "SHIFT_CLOSED", code=73, tag=1038)
    refused(shop, {"type": "cashIn", "cashSum": 5}, "SHIFT_CLOSED", code=73, tag=1038)
    refused(shop, {"type": "closeShift"}, "SHIFT_CLOSED", code=73, tag=1038)
    shop.open_shift()
    refused(shop, {"type": "openShift", "operator": {"name": "Кассир"}}, "SHIFT_OPEN", code=83, tag=1038)
    shop.good_receipt(key=task["key"])


def cash_short(shop):
    refused(shop, {"type": "cashOut", "cashSum": 10000000}, "CASH_SHORT", code=80, field="cashSum")
    shop.good_receipt()


def drawer_stuck(shop):
    # A drawer that the sale before has just opened, and that the board has not looked at since, would be stuck open.
    time.sleep(0.5)
    shop.idle()
    shop.ctl("drawer", "stuck")
    before = shop.facts()
    check_refusal(shop.task({"type": "openCashDrawer"}), "DRAWER_STUCK", code=47)
    after = shop.facts()
    expect({**before, "flash": 0} == {**after, "flash": 0}, f"a stuck drawer changed something: {before} {after}")
    shop.done(shop.sell())  # the document does not wait for the lock
    wait_for("the drawer is told stuck", lambda: shop.status()["cashDrawer"]["stuck"])
    shop.ctl("drawer", "free")
    shop.done({"type": "openCashDrawer"})
    shop.idle()
    expect(not shop.status()["cashDrawer"]["stuck"], "the drawer is free again")
    shop.good_receipt()


def blocked(shop, name):
    """The status says why a sale would be refused; the board asks the print head twice a second."""
    def reason():
        return shop.status()["deviceStatus"].get("blockReason", {})
    wait_for(f"status says {name}", lambda: reason().get("name") == name and reason().get("cure"), 5)


def not_blocked(shop, limit_s=10):
    wait_for("nothing is in the way of a sale", lambda: "blockReason" not in shop.status()["deviceStatus"], limit_s)


def paper_out_before(shop):
    shop.idle()
    shop.ctl("paper", "out")
    blocked(shop, "PAPER_OUT")
    task = shop.sell()
    refused(shop, task, "PAPER_OUT", code=44)
    shop.ctl("paper", "in")
    not_blocked(shop)
    shop.good_receipt(key=task["key"])


def cover_open_before(shop):
    shop.idle()
    shop.ctl("cover", "open")
    blocked(shop, "COVER_OPEN")
    task = shop.sell()
    refused(shop, task, "COVER_OPEN", code=45)
    shop.ctl("cover", "close")
    not_blocked(shop)
    shop.good_receipt(key=task["key"])


def paper_out_during(shop):
    """The receipt is punched and answered; its slip is owed, comes whole with the next roll, and says what it replaces."""
    before = shop.facts()
    shop.ctl("paper", "out-after", "8")
    answer = shop.done(shop.sell())
    document = answer.data["result"]["fiscalParams"]["fiscalDocumentNumber"]
    wait_for("the slip is owed", lambda: shop.status()["deviceStatus"]["slipsOwed"] == 1)
    expect(len(shop.archive()) == before["documents"] + 1 and shop.unfinished() == [], "punched all the same")
    blocked(shop, "PAPER_OUT")
    check_refusal(shop.task(shop.sell()), "PAPER_OUT", code=44)
    shop.ctl("paper", "in")
    after = shop.facts()
    expect(after["documents"] == before["documents"] + 1 and after["cash"] == before["cash"] + 300, f"nothing twice: {before} {after}")
    whole = [text for slip, text in slips(shop) if slip["complete"] and ["ФД", str(document)] in [line.split() for line in text.splitlines()]]
    expect(len(whole) == 1 and "ПЕЧАТЬ ПОВТОРЕНА" in whole[0], f"one whole slip, which says what it replaces: {whole}")
    not_blocked(shop)
    shop.good_receipt()


def slips(shop):
    for line in shop.run("kkt-board", "paper", "--state", shop.state, "--json").text.splitlines():
        slip = json.loads(line)
        with open(os.path.join(shop.state, "paper", slip["text"]), encoding="utf-8") as file:
            yield slip, file.read()


def paper_out_after(shop):
    """The roll ends behind a whole slip: that one is not printed again, the next receipt is refused."""
    shop.good_receipt()
    before = shop.facts()
    shop.ctl("paper", "out")
    blocked(shop, "PAPER_OUT")
    refused(shop, shop.sell(), "PAPER_OUT", code=44)
    shop.ctl("paper", "in")
    not_blocked(shop)
    expect(shop.facts()["slips"] == before["slips"], "a whole slip came a second time")
    shop.good_receipt()


def shift_over_24_hours(shop):
    shop.idle()
    shop.confirmed()
    shop.ctl("clock", "advance", str(DAY_S + 60))
    task = shop.sell()
    refused(shop, task, "SHIFT_EXPIRED", code=68, tag=1038)
    blocked(shop, "SHIFT_EXPIRED")
    shop.close_shift()
    shop.open_shift()
    shop.good_receipt(key=task["key"])


TILL_CASES = (shift_closed, cash_short, drawer_stuck, paper_out_before, cover_open_before, paper_out_during, paper_out_after, shift_over_24_hours)


# ---- cases with a board of their own ----

def fn_off(build):
    """A silent fiscal module is told within 3 s and three enquiries of 3 s; nothing is lost, and the same key works when it is back."""
    with Shop(build, operator=False) as shop:
        shop.register()
        shop.open_shift()
        shop.good_receipt()
        shop.idle()
        shop.ctl("fn", "off")
        task = shop.sell()
        before = shop.facts()
        first = shop.task(task)
        check_refusal(first, "FN_SILENT", code=115)
        expect(first.seconds < 20, f"the answer took {first.seconds:.1f} s")
        for _ in range(3):  # while the board asks, and between
            check_refusal(shop.task(task), "FN_SILENT", code=115)
            time.sleep(0.6)
        after = shop.facts()
        expect(before == after, f"FN off changed something: {before} became {after}")
        expect(shop.status()["deviceStatus"]["fnPresent"] is False, "status says that the FN does not answer")
        shop.ctl("fn", "on")
        not_blocked(shop, 20)
        shop.good_receipt(key=task["key"])


def not_registered_and_30_days_offline(build):
    with Shop(build, operator=False) as shop:
        refused(shop, {"type": "openShift", "operator": {"name": "Кассир"}}, "NOT_REGISTERED", code=117)
        refused(shop, shop.sell(), "NOT_REGISTERED", code=117)
        blocked(shop, "NOT_REGISTERED")
        shop.register()
        refused(shop, shop.registration(), "ALREADY_REGISTERED", code=117)
        shop.open_shift()
        shop.good_receipt()
        shop.close_shift()
        shop.ctl("net", "down")
        shop.ctl("clock", "advance", str(30 * DAY_S + 3600))
        if shop.till.board_keeps_running:
            refused(shop, {"type": "openShift", "operator": {"name": "Кассир"}}, "OFD_OVERDUE", by_fn=True, code=139)
            shop.stop("board")
            shop.start_board()
        # Just switched on the FN has no idea of the time and gives no warning, and refuses all the same.
        refused(shop, {"type": "openShift", "operator": {"name": "Кассир"}}, "OFD_OVERDUE", by_fn=True, code=139)
        blocked(shop, "OFD_OVERDUE")
        expect(shop.status()["ofdExchange"]["status"]["daysLeft"] == 0, "no days left")
        shop.start_operator()
        shop.ctl("net", "up")
        shop.confirmed()
        shop.open_shift()
        shop.good_receipt()
        shop.confirmed()


def fn_expired(build):
    with Shop(build) as shop:
        shop.register()
        shop.open_shift()
        shop.good_receipt()
        shop.close_shift()
        shop.confirmed()
        shop.idle()
        shop.ctl("clock", "advance", str(420 * DAY_S))
        refused(shop, {"type": "openShift", "operator": {"name": "Кассир"}}, "FN_EXPIRED", by_fn=True, code=120)
        expect(all(document["acknowledged"] for document in shop.archive()), "the archive is whole")


def other_board_behind_the_address(build):
    """A job that was sent to one board is never done by another; the first one finishes it when it is back."""
    with Shop(build, operator=False) as shop:
        shop.register()
        shop.open_shift()
        shop.good_receipt()
        shop.idle()
        task = shop.sell()
        shop.ctl("fn", "lose-answers", "100")  # the job is on the board, and its outcome is not known
        answer = shop.task(task, "--timeout", "1500")
        expect(answer.code == UNKNOWN and answer.data["status"] == "blocked", f"the outcome must be unknown: {answer}")
        expect(len(shop.unfinished()) == 1, "the job waits in the queue")
        shop.processes["board"].kill()
        shop.processes.pop("board").wait()
        first = len(shop.archive())
        other_state = shop.path("other")
        shop.start_board(other_state, "00000000000000000077")
        registered = shop.kkt("task", "-", text=json_bytes(shop.registration()), queue=shop.path("other-queue.db"))
        expect(registered.code == DONE, f"the other board is registered: {registered}")
        answer = shop.kkt("--timeout", "3000", "queue", "run")
        check_refusal(answer, "OTHER_DEVICE", code=2, text=shop.serial)
        expect(len(shop.unfinished()) == 1, "the job still waits for its board")
        check_refusal(shop.task(task, "--timeout", "3000"), "OTHER_DEVICE", code=2)
        shop.stop("board")
        documents = shop.run("kkt-board", "fn", "--state", other_state, "--json").text.splitlines()
        expect(len(documents) == 1, f"the other board did something: {documents}")
        shop.start_board()
        done = shop.done(task)
        expect(shop.unfinished() == [], "the queue is empty again")
        number = done.data["result"]["fiscalParams"]["fiscalDocumentNumber"]
        expect(len(shop.archive()) in (first, first + 1) and number == len(shop.archive()), f"punched once: {first} {done}")
        shop.good_receipt()


def exit_codes(build):
    with Shop(build, operator=False) as shop, socket.create_server(("127.0.0.1", 0)) as silent:
        shop.register()
        shop.open_shift()
        expect(shop.kkt("status").code == DONE, "0: done")
        expect(shop.task(shop.sell(total=1)).code == REFUSED, "1: refused")
        expect(shop.kkt("doc", "999").code == REFUSED, "1: no such document")
        usage = (["--no-such-option", "status"], ["no-such-verb"], ["task"], ["task", shop.path("absent.json")], ["--timeout", "soon", "status"],
                 ["doc", "many"], ["--device", "carrier-pigeon:7", "status"], ["--device", "tcp:nowhere", "status"], [])
        for words in usage:
            answer = shop.run("kkt", "--device", f"tcp:127.0.0.1:{shop.port}", "--queue", shop.queue, *words)
            expect(answer.code == USAGE and answer.errors, f"2: {words}: {answer}")
        answer = shop.run("kkt", "--device", f"tcp:127.0.0.1:{silent.getsockname()[1]}", "--queue", shop.queue, "--json", "--timeout", "1000", "task", "-",
                          text=json_bytes(shop.sell()))
        expect(answer.code == UNKNOWN and answer.seconds < 60 and " ms" in answer.error["description"], f"3: a device that says nothing, {answer.seconds:.1f} s: {answer}")
        shop.ctl("link", "down")
        check_refusal(shop.kkt("status"), "LINK_LOST", status=UNKNOWN, code=2)
        task = shop.sell()
        answer = shop.task(task, "--timeout", "500")
        expect(answer.code == UNKNOWN and answer.data["status"] == "wait" and answer.error["cure"], f"3: unreachable: {answer}")
        before = shop.unfinished()
        expect(len(before) >= 1, "what could not be sent waits in the queue")
        shop.ctl("link", "up")
        expect(shop.kkt("queue", "run").code == DONE and shop.unfinished() == [], "the queue empties itself")
        shop.done(task)
        shop.good_receipt()


OWN_CASES = (not_registered_and_30_days_offline, fn_expired, other_board_behind_the_address, exit_codes)


# ---- the run ----

class Run:
    """Counts cases. Those with a shop of their own mostly wait, so several run side by side."""

    def __init__(self, only):
        self.only, self.passed, self.failed = only, 0, 0
        self.lock = threading.Lock()

    def count(self, name, good, text):
        with self.lock:
            self.passed += good
            self.failed += not good
            print(f"{'ok' if good else 'FAILED'} {name}{text}", flush=True)

    def case(self, function, *arguments):
        name = function.__name__
        if self.only not in name:
            return
        started = time.monotonic()
        try:
            function(*arguments)
        except (Wrong, OSError, KeyError, TypeError, ValueError) as trouble:
            self.count(name, False, f": {type(trouble).__name__}: {trouble}")
            if isinstance(arguments[0], Shop):
                self.mend(arguments[0])
        else:
            self.count(name, True, f" ({time.monotonic() - started:.1f} s)")

    @staticmethod
    def mend(shop):
        """So that one failure does not make the cases after it fail too."""
        for words in (("paper", "in"), ("cover", "close"), ("drawer", "free"), ("fn", "on"), ("net", "up"), ("link", "up")):
            shop.run("kkt-board", "ctl", "--state", shop.state, *words)

    def in_one_shop(self, name, build, cases, seed=None):
        """Cases that share a shop; the shop's own end is a case too: the programs must end cleanly."""
        cases = [case for case in cases if self.only in case.__name__]
        if not cases:
            return
        try:
            with Shop(build, tls=seed is not None) as shop:
                shop.register()
                shop.open_shift()
                for case in cases:
                    self.case(case, shop, *([] if seed is None else [seed]))
        except (Wrong, OSError, KeyError, TypeError, ValueError) as trouble:
            self.count(name, False, f": {type(trouble).__name__}: {trouble}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--board", choices=tills.BOARDS, default="posix", help="kkt-board, or a microcontroller in QEMU")
    parser.add_argument("--jobs", type=int, default=4, help="shops side by side")
    parser.add_argument("--seed", type=int, default=20260520, help="of the random bytes")
    parser.add_argument("--only", default="", help="cases with this word in their name")
    arguments = parser.parse_args()
    started = time.monotonic()
    run = Run(arguments.only)
    Shop.board = arguments.board
    print(f"seed {arguments.seed}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        # The longest first: they wait for a fiscal module that does not answer.
        waiting = [pool.submit(run.case, bad_bytes.impostors_at_the_fn_link, arguments.build, arguments.seed), pool.submit(run.case, fn_off, arguments.build),
                   pool.submit(run.in_one_shop, "shop_cases", arguments.build, SHOP_CASES + TILL_CASES),
                   pool.submit(run.in_one_shop, "wire_cases", arguments.build, bad_bytes.SHOP_CASES, arguments.seed)]
        waiting += [pool.submit(run.case, case, arguments.build, arguments.seed) for case in bad_bytes.OWN_CASES]
        waiting += [pool.submit(run.case, case, arguments.build) for case in OWN_CASES]
        for future in waiting:
            future.result()
    print(f"{time.monotonic() - started:.0f} s")
    print(f"{run.passed} passed, {run.failed} failed")
    return 0 if run.failed == 0 and run.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
