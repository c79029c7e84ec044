#!/usr/bin/env python3
"""Reads a flash image with a journal on it and says what it holds. Written from firmware/JOURNAL.md alone, to disagree with the C code
where one of the two is wrong; it shares nothing with it and writes nothing.

    journal_reader.py IMAGE [--region settings|jobs|both] [--first UNIT --units N] [--unit BYTES] [--erased FF|00] [--facts]

One JSON line a record, oldest first, then one line {"facts": ...}. A region that holds no log ends with {"facts": {"error": CODE}}, exit status 1:
"blank" (a new log would be made here), "formatting" (one is being made), "fault" (not ours to touch, or nothing can be read), "newer" (format version).
"""
import argparse
import json
import struct
import sys

FORMAT_VERSION = 1
HEADER, RECORD, TAIL = 28, 12, 8
PAYLOAD_MAX, KEYS_MAX, ZONE = 3840, 512, 32
SETTINGS_UNITS = 4
CHECKPOINT = 1
KEYED = range(2, 6)
NAMES = {1: "checkpoint", 2: "intent", 3: "done", 4: "aborted", 5: "slip", 6: "printing", 7: "printed", 8: "settings"}
ROTTEN_BITS_MAX = 8


def _table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()


def crc32c(data, crc=0):
    """Castagnoli, reflected, initial value and final xor FFFFFFFF; crc is the result so far."""
    crc ^= 0xFFFFFFFF
    table = TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def seed_of(generation, offset):
    return crc32c(struct.pack("<II", generation & 0xFFFFFFFF, offset))


def fingerprint(key):
    crc = crc32c(key)
    return (crc ^ crc >> 16) & 0xFFFF


def aligned(value):
    return (value + 3) & ~3


def footer_size(keys):
    return 2 * keys + 2 * ((keys + ZONE - 1) // ZONE) + TAIL


class NoLog(Exception):
    """The region holds no log that can be read; the argument says why."""


class Record:
    def __init__(self, sector, generation, offset, kind, sequence, payload):
        self.sector, self.generation, self.offset = sector, generation, offset
        self.kind, self.sequence, self.payload = kind, sequence, payload

    @property
    def key(self):
        return self.payload[:16] if self.kind in KEYED and len(self.payload) >= 16 else None

    @property
    def end(self):
        return aligned(self.offset + RECORD + len(self.payload))

    def as_json(self):
        line = {"sequence": self.sequence, "type": NAMES.get(self.kind, "?"), "code": self.kind, "size": len(self.payload), "generation": self.generation,
                "sector": self.sector, "offset": self.offset}
        if self.key is not None:
            line["key"] = self.key.hex()
        line.update(job_fields(self.kind, self.payload))
        line["payload"] = self.payload.hex()
        return line


# ---- Payloads of the job journal ----


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, size):
        piece = self.bytes(size)
        return int.from_bytes(piece, "little")

    def bytes(self, size):
        if self.at + size > len(self.data):
            raise ValueError("payload too short")
        self.at += size
        return self.data[self.at - size:self.at]


def take_effect(reader):
    effect = {"kind": reader.number(1), "effect_kop": reader.number(5)}
    present = reader.number(1)
    for i in range(5):
        effect[f"paid{i}_kop"] = reader.number(5) if present >> i & 1 else 0
    effect["drawer"] = present >> 7
    reader.bytes(3)  # slip form and marks
    return effect


def job_fields(kind, payload):
    """What INTENT, DONE, PRINTING and PRINTED of the cash register say; {} for anything else, and for a log that holds other payloads."""
    reader = Reader(payload)
    try:
        if kind == 2:
            reader.bytes(32)
            fields = {"job": reader.number(1), "last_document": reader.number(4)}
            effect = take_effect(reader)
            return {**fields, "kind": effect["kind"], "effect_kop": effect["effect_kop"]}
        if kind == 3:
            reader.bytes(16)
            sizes = (("job", 1), ("flags", 1), ("document", 4), ("sign", 4), ("unix_time", 4), ("shift", 2), ("receipt", 2), ("total_kop", 5))
            fields = {name: reader.number(size) for name, size in sizes}
            reader.bytes(16)
            slip = reader.number(4)
            return {**fields, **take_effect(reader), "slip": slip}
        if kind in (6, 7):
            return {"slip": reader.number(4)}
    except ValueError:
        pass
    return {}


# ---- The region ----


class Region:
    """One log. `data` are the bytes of its erase units as if erased were FF."""

    def __init__(self, data, unit):
        units = len(data) // unit
        if units < 3:
            raise NoLog("fault")
        each = 1
        while each * 2 * unit <= 32768 and units // (each * 2) >= 16:
            each *= 2
        self.data, self.units_per_sector, self.size, self.sectors = data, each, each * unit, units // each
        self.damage = []  # (sector, offset), one for each stretch
        self.used = 0
        self.head = self.head_generation = self.head_sequence = 0

    def bytes(self, sector, offset, size):
        start = sector * self.size + offset
        return self.data[start:start + size]

    def classify(self, sector):
        """(class, generation, sequence of the checkpoint) of a sector's header."""
        header = self.bytes(sector, 0, HEADER)
        mark, body = header[:4], header[4:]
        if body == b"\xFF" * len(body):
            return {b"\xFF" * 4: "blank", b"ERSD": "erased", b"FRMT": "formatting"}.get(mark, "junk"), 0, 0
        if body[:4] != b"KKTJ" or crc32c(header[4:24]) != struct.unpack_from("<I", header, 24)[0]:
            return "junk", 0, 0
        version, each, sectors, size, generation, sequence = struct.unpack_from("<BBHIII", header, 8)
        if version > FORMAT_VERSION:
            return "newer", 0, 0
        if (version, each, sectors, size) != (FORMAT_VERSION, self.units_per_sector & 0xFF, self.sectors, self.size):
            return "foreign", 0, 0
        return ("valid" if generation % self.sectors == sector else "junk"), generation, sequence

    def wanted_header(self, generation, sequence):
        body = b"KKTJ" + struct.pack("<BBHIII", FORMAT_VERSION, self.units_per_sector, self.sectors, self.size, generation, sequence)
        return body + struct.pack("<I", crc32c(body))

    # ---- records ----

    def record_at(self, sector, generation, offset):
        """A whole record that stands there, or None."""
        header = self.bytes(sector, offset, RECORD)
        kind, check, size, sequence, crc = struct.unpack("<BBHII", header)
        if not 1 <= kind <= 14 or size > PAYLOAD_MAX or aligned(offset + RECORD + size) > self.size:
            return None
        running = crc32c(header[:1] + b"\x00" + header[2:8], seed_of(generation, offset))
        if running & 0xFF != check:
            return None
        payload = self.bytes(sector, offset + RECORD, size)
        return Record(sector, generation, offset, kind, sequence, payload) if crc32c(payload, running) == crc else None

    def checkpoint_of(self, sector, generation):
        record = self.record_at(sector, generation, HEADER)
        return record if record is not None and record.kind == CHECKPOINT else None

    def scan(self, sector, generation):
        """The records of a sector, in order; (records, places of damage, end of the last whole record or of the zero words after it)."""
        records, damage = [], []
        offset = clean_end = HEADER
        expected, lost = None, False
        while offset + RECORD <= self.size:
            head = self.bytes(sector, offset, RECORD)
            if head[:4] == b"\x00" * 4:
                offset += 4
                if not lost:
                    clean_end = offset
                continue
            if head == b"\xFF" * RECORD:
                if not lost:
                    break
                offset = self.skip_blank(sector, offset)
                continue
            record = self.record_at(sector, generation, offset)
            if record is not None and expected is not None and not 0 <= record.sequence - expected <= self.size // RECORD:
                record = None
            if record is None:
                if not lost:
                    damage.append(offset)
                lost = True
                offset += 4
                continue
            records.append(record)
            lost, expected = False, record.sequence + 1
            offset = clean_end = record.end
        return records, damage, clean_end

    def skip_blank(self, sector, offset):
        rest = self.bytes(sector, offset, self.size - offset)
        return offset + (len(rest) - len(rest.lstrip(b"\xFF"))) // 4 * 4

    # ---- mounting ----

    def place(self, back):
        return (self.head - back) % self.sectors, self.head_generation - back

    def find_log(self):
        classes = [self.classify(sector) for sector in range(self.sectors)]
        kinds = [kind for kind, _, _ in classes]
        if "newer" in kinds:
            raise NoLog("newer")
        if "foreign" in kinds:
            raise NoLog("fault")
        valid = [(generation, sector) for sector, (kind, generation, _) in enumerate(classes) if kind == "valid"]
        if not valid:
            if "formatting" in kinds:
                raise NoLog("formatting")
            if self.checkpoint_of(0, self.sectors) is not None:
                valid = [(self.sectors, 0)]
            else:
                raise NoLog("blank" if self.is_blank() else "fault")
        self.head_generation, self.head = max(valid)
        self.head_sequence = classes[self.head][2] if kinds[self.head] == "valid" else 0
        self.used = min(self.head_generation - min(valid)[0] + 1, self.sectors)
        following = (self.head + 1) % self.sectors
        if kinds[following] == "junk" and self.checkpoint_of(following, self.head_generation + 1) is not None:
            self.head, self.head_generation = following, self.head_generation + 1
            self.used = min(self.used + 1, self.sectors)
        if self.state_back() is None:
            raise NoLog("fault")
        self.erased_ahead = 0
        while self.erased_ahead + 1 < self.sectors and kinds[(self.head + self.erased_ahead + 1) % self.sectors] == "erased":
            self.erased_ahead += 1
        self.used = min(self.used, self.sectors - self.erased_ahead)
        self.adopt_oldest(kinds)

    def state_back(self):
        """How many sectors before the head the state begins; None: nowhere."""
        for back in range(self.used):
            sector, generation = self.place(back)
            if self.checkpoint_of(sector, generation) is not None or generation == self.sectors:
                return back
        return None

    def is_blank(self):
        last = (self.sectors - 1) * self.size
        mark = self.data[last:last + 4]
        used = self.data[:self.sectors * self.size]
        rest = used[:last] + used[last + 4:]
        # A mark that was cut short is still blank: nothing in it is programmed that FRMT does not programme.
        return rest.count(0xFF) == len(rest) and all(byte & wanted == wanted for byte, wanted in zip(mark, b"FRMT"))

    def adopt_oldest(self, kinds):
        if self.used + self.erased_ahead >= self.sectors:
            return
        sector, generation = self.place(self.used)
        checkpoint = self.checkpoint_of(sector, generation) if kinds[sector] == "junk" else None
        if checkpoint is None:
            return
        wanted = self.wanted_header(generation, checkpoint.sequence)
        differing = sum(bin(a ^ b).count("1") for a, b in zip(wanted, self.bytes(sector, 4, HEADER - 4)))
        if differing <= ROTTEN_BITS_MAX:
            self.used += 1

    # ---- footers ----

    def footer(self, sector, generation):
        """(fingerprints, where each zone begins), or None when there is no whole footer."""
        tail = self.bytes(sector, self.size - TAIL, TAIL)
        keys, inverted, crc = struct.unpack("<HHI", tail)
        if keys > KEYS_MAX or keys ^ inverted != 0xFFFF:
            return None
        start = self.size - footer_size(keys)
        body = self.bytes(sector, start, footer_size(keys) - 4)
        if crc32c(body, seed_of(generation, start)) != crc:
            return None
        words = struct.unpack(f"<{len(body) // 2}H", body)
        return words[:keys], [4 * word for word in words[keys:-2]]

    @staticmethod
    def index(records):
        """The fingerprints and zones that records make."""
        prints, zones = [], []
        for record in records:
            if record.key is None:
                continue
            word = fingerprint(record.key)
            if word in prints[len(prints) // ZONE * ZONE:] or len(prints) >= KEYS_MAX:
                continue
            if len(prints) % ZONE == 0:
                zones.append(record.offset)
            prints.append(word)
        return prints, zones

    @staticmethod
    def footer_misses(footer, records):
        """Keyed records that a lookup by this footer would not meet."""
        prints, zones = footer
        missed = 0
        for record in records:
            if record.key is None:
                continue
            zone = sum(1 for start in zones if start <= record.offset) - 1
            missed += zone < 0 or fingerprint(record.key) not in prints[zone * ZONE:(zone + 1) * ZONE]
        return missed

    # ---- all of it ----

    def next_offset(self, records, clean_end):
        """Where the next record goes in the head, or None when the head takes no more."""
        sector, generation = self.place(0)
        if self.footer(sector, generation) is not None:
            return None
        footer = self.size - footer_size(len(self.index(records)[0]))
        if clean_end > footer or self.bytes(sector, footer, self.size - footer).strip(b"\xFF"):
            return None
        tail = self.bytes(sector, clean_end, footer - clean_end).rstrip(b"\xFF")
        if len(tail) > RECORD + PAYLOAD_MAX:
            return None
        return min(aligned(clean_end + len(tail)), footer)

    def read(self):
        """All records, oldest first, and the facts."""
        self.find_log()
        everything, whole_footers, misses = [], 0, 0
        state_from, state_back = None, self.state_back()
        clean_end, last = HEADER, []
        for back in range(self.used - 1, -1, -1):
            sector, generation = self.place(back)
            last, damage, clean_end = self.scan(sector, generation)
            self.damage += [(sector, offset) for offset in damage]
            footer = self.footer(sector, generation)
            if footer is not None:
                whole_footers += 1
                misses += self.footer_misses(footer, last)
            if back == state_back:
                state_from = len(everything)
            everything += last
        facts = {
            "version": FORMAT_VERSION, "sectors": self.sectors, "sector_size": self.size,
            "head_sector": self.head, "generation": self.head_generation, "oldest_generation": self.head_generation - self.used + 1,
            "last_sequence": max([self.head_sequence] + [record.sequence for record in everything[state_from:]]),
            "next_offset": self.next_offset(last, clean_end), "erased_ahead": self.erased_ahead,
            "records": len(everything), "replayed": len(everything) - state_from,
            "keys": len({record.key for record in everything if record.key is not None}),
            "footers": whole_footers, "footer_misses": misses,
            "damage": len(self.damage), "damaged_at": self.damage,
        }
        return everything, facts


def read_region(image, unit, first, units, erased):
    """(records, facts) of a region of a whole flash image; facts has "error" when there is no log."""
    data = image[first * unit:(first + units) * unit]
    if len(data) != units * unit:
        return [], {"error": "fault"}
    if erased == 0x00:
        data = data.translate(bytes(byte ^ 0xFF for byte in range(256)))
    try:
        return Region(data, unit).read()
    except NoLog as why:
        return [], {"error": why.args[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("--region", choices=("settings", "jobs", "both"), default="both", help="of a board: units 0-3, or the rest")
    parser.add_argument("--first", type=int, help="first erase unit of any other region")
    parser.add_argument("--units", type=int, help="how many")
    parser.add_argument("--unit", type=int, default=4096, help="bytes of an erase unit")
    parser.add_argument("--erased", type=lambda text: int(text, 16), choices=(0xFF, 0x00), default=0xFF)
    parser.add_argument("--facts", action="store_true", help="the facts alone")
    options = parser.parse_args()
    with open(options.image, "rb") as file:
        image = file.read()
    units = len(image) // options.unit
    regions = {"settings": (0, SETTINGS_UNITS), "jobs": (SETTINGS_UNITS, units - SETTINGS_UNITS)}
    if options.region != "both":
        regions = {options.region: regions[options.region]}
    if options.first is not None:
        regions = {"log": (options.first, options.units if options.units is not None else units - options.first)}
    status = 0
    for name, (first, count) in regions.items():
        records, facts = read_region(image, options.unit, first, count, options.erased)
        for record in records if not options.facts else []:
            print(json.dumps({"region": name, **record.as_json()}))
        print(json.dumps({"region": name, "facts": facts}))
        status |= "error" in facts
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(1)
