#!/usr/bin/env python3
"""The memory card of the lm3s, which plays NOR flash with two blocks for a page (board/mcu/mcu_pages.h), seen from the PC.

    card.py CARD JOURNAL    writes the journal on the card as one flat file, for kkt-board journal --flash JOURNAL --flash-size 15728640
"""
import os
import struct
import sys

BLOCK, PAGE = 512, 256
BLANK = (b"\xff" * (PAGE + 8), b"\0" * (PAGE + 8))
TABLE = []
for value in range(256):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def block(page, content, sequence=1):
    """One copy of a page, as the card has it."""
    copy = content.ljust(PAGE, b"\xff") + struct.pack("<I", sequence)
    return (copy + struct.pack("<I", crc32c(struct.pack("<I", page) + copy))).ljust(BLOCK, b"\xff")


def newest(page, copies):
    """Content of a page by its two blocks."""
    best, content = 0, b"\xff" * PAGE
    for copy in copies:
        copy = copy[:PAGE + 8]
        if copy in BLANK:
            continue
        sequence, check = struct.unpack_from("<II", copy, PAGE)
        if sequence > best and check == crc32c(struct.pack("<I", page) + copy[:PAGE + 4]):
            best, content = sequence, copy[:PAGE]
    return content


def prepared(journal_size, sector_size=4096):
    """(address, bytes) that a factory writes for the two logs of a new journal (firmware/JOURNAL.md): the mark that the region is the log's. Without
    it the first start would have to read every page of the card to see that it is blank."""
    settings = 4  # SETTINGS_SECTORS of firmware/limits.h
    places = []
    for first, count in ((0, settings), (settings, journal_size // sector_size - settings)):
        units = 1
        while units * 2 * sector_size <= 32768 and count // (units * 2) >= 16:
            units *= 2
        places.append((first + (count // units - 1) * units) * sector_size)
    return [(place, b"FRMT") for place in places]


def unpack(card, flat, at, size):
    """at: constants of board/lm3s/memory.h. Writes the first size bytes of the pages."""
    chunk = 4096  # pages
    with open(card, "rb") as source, open(flat + ".new", "wb") as target:
        for first in range(0, size // PAGE, chunk):
            count = min(chunk, size // PAGE - first)
            copies = []
            for apart in (0, at["CARD_APART"]):
                source.seek((at["CARD_FIRST"] + apart + first) * BLOCK)
                copies.append(source.read(count * BLOCK))
            if all(copy.count(copy[0]) == len(copy) for copy in copies):
                target.write(b"\xff" * (count * PAGE))
                continue
            for number in range(count):
                target.write(newest(first + number, [copy[number * BLOCK:(number + 1) * BLOCK] for copy in copies]))
    os.replace(flat + ".new", flat)


def pack(card, flat, at):
    """The other way round: the pages of a flat file, each into its first block."""
    with open(flat, "rb") as source, open(card, "r+b") as target:
        page = 0
        while content := source.read(PAGE):
            target.seek((at["CARD_FIRST"] + page) * BLOCK)
            target.write(block(page, content))
            target.seek((at["CARD_FIRST"] + at["CARD_APART"] + page) * BLOCK)
            target.write(b"\xff" * BLOCK)
            page += 1


def main():
    import boards
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lm3s = boards.BOARDS["lm3s"]
    unpack(sys.argv[1], sys.argv[2], lm3s.at, lm3s.flash_size)


if __name__ == "__main__":
    main()
