"""The five places that know of a document: the driver's queue, the board's journal, the archive of the fiscal module, the paper, the operator's store.

demo.py and kills.py compare them one by one. Each place becomes a Counter of (document number, fiscal sign); a document is right when every
place has it once. read() asks the programs, which look at the files by themselves, so the board may be off.
"""
import collections
import json
import os

NAMES = ("driver's queue", "board's journal", "FN archive", "paper", "operator's store")
JOB_COPY = 42       # number of a "copy of a document" job on the host link: it names a document and makes none
FLAG_RECOVERED = 8  # of a DONE record: the document was found in the FN after a start


class Unfinished(Exception):
    """The driver's queue holds a job that is not done."""


class Places:
    """queue, journal, archive, paper, operator: Counters. jobs, done, documents: what the first three said in full. other_slips: the lines of each whole
    slip that is of no document."""

    def __init__(self):
        self.queue, self.journal, self.archive, self.paper, self.operator = (collections.Counter() for _ in range(5))
        self.jobs, self.done, self.documents, self.other_slips = [], [], [], []
        self.slips = self.torn = self.recovered = 0

    @property
    def named(self):
        return tuple(zip(NAMES, (self.queue, self.journal, self.archive, self.paper, self.operator)))

    @property
    def union(self):
        return sorted(set().union(*(place for _, place in self.named)))


def read(run, jobs, board_state, operator_store, journal=None, unfinished_too=False):
    """run(PROGRAM, ARGUMENTS...) gives what the program printed; jobs is the list of `kkt --json queue list --all`; journal: where the board's
    journal lies, for `kkt-board journal`, when not in board_state. unfinished_too: a job that is not done is in no queue, instead of an error."""
    def lines(*arguments):
        return [json.loads(line) for line in run(*arguments).splitlines() if line.strip()]

    places = Places()
    places.jobs = jobs
    for job in jobs:
        if job["state"] not in ("done", "confirmed"):
            if unfinished_too:
                continue
            raise Unfinished(f"unfinished or refused in the driver's queue: {job}")
        if job.get("fiscalDocumentNumber") and job["job"] != "copy":
            places.queue[(job["fiscalDocumentNumber"], int(job["fiscalDocumentSign"]))] += 1
    for record in lines("kkt-board", "journal", *(journal or ("--state", board_state)), "--json"):
        if record["type"] != "done":
            continue
        places.done.append(record)
        if record["document"] != 0 and record["job"] != JOB_COPY:
            places.journal[(record["document"], record["sign"])] += 1
            places.recovered += (record["flags"] & FLAG_RECOVERED) != 0
    places.documents = lines("kkt-board", "fn", "--state", board_state, "--json")
    for document in places.documents:
        places.archive[(document["document"], document["sign"])] += 1
    for message in json.loads(run("kkt-ofd", "list", "--store", operator_store, "--json")):
        places.operator[(message["document"], message["sign"])] += 1 + message["conflicts"]
    read_paper(places, lines("kkt-board", "paper", "--state", board_state, "--json"), os.path.join(board_state, "paper"))
    return places


def is_repeated(text):
    return any("ПЕЧАТЬ ПОВТОРЕНА" in line for line in text)


def read_paper(places, slips, folder):
    """Whole slips. A slip that says it replaces an interrupted one voids that one, so only it counts.

    A head that lives on when its board dies sees one slip from cut to cut where the new board cut the torn piece off: it lacks its last lines."""
    for slip in slips:
        with open(os.path.join(folder, slip["text"]), encoding="utf-8") as file:
            text = file.read().split("\n")
        places.slips += 1
        if not slip["complete"]:
            places.torn += 1
            continue
        field = {line.split()[0]: line.split()[-1] for line in text if line.split()[:1] in (["ФД"], ["ФП"])}
        if any(line.strip() == "КОПИЯ" for line in text):
            continue
        if "ФД" in field and "ФП" not in field:
            places.torn += 1
            continue
        if "ФД" not in field:
            places.other_slips.append(text)
            continue
        name = (int(field["ФД"]), int(field["ФП"]))
        if is_repeated(text):
            places.paper[name] = 0
        places.paper[name] += 1


def differences(places, without_paper=()):
    """(lost, doubled, lines that say which document and where). without_paper: names that went to the customer by e-mail only."""
    lost = doubled = 0
    lines = []
    for name in places.union:
        for title, place in places.named:
            wanted = 0 if title == "paper" and name in without_paper else 1
            lost += max(wanted - place[name], 0)
            doubled += max(place[name] - wanted, 0)
            if place[name] != wanted:
                lines.append(f"document {name[0]} sign {name[1]}: {place[name]} times in {title}")
    return lost, doubled, lines


def has_gap(places):
    return [name[0] for name in places.union] != list(range(1, len(places.union) + 1))
