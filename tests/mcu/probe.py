"""The probe (tests/mcu/plugins/probe.c) around an image: addresses by name, and what it wrote as turns of the main loop."""
import collections
import os
import re
import subprocess

CROSS = os.environ.get("CROSS", "arm-none-eabi-")

Line = collections.namedtuple("Line", "mark total ranges")


class Image:
    """Symbols of an ELF file and where the libraries' code lies."""

    def __init__(self, elf):
        self.elf = elf
        text = subprocess.run([CROSS + "nm", elf], capture_output=True, text=True, check=True).stdout
        self.symbols = collections.defaultdict(list)
        for line in text.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in "tTwW":
                self.symbols[words[2]].append(int(words[0], 16))

    def address(self, name):
        """Of a function; one that was cloned by the compiler keeps its name before the dot."""
        found = self.symbols.get(name) or [a for other, places in self.symbols.items() if other.split(".")[0] == name for a in places]
        if len(found) != 1:
            raise KeyError(f"{name}: {len(found)} functions of that name in {self.elf}")
        return found[0] & ~1

    def libraries(self):
        """(start, end) of what is not ours: runs of sections from archives, from the linker's map."""
        with open(os.path.splitext(self.elf)[0] + ".map", encoding="utf-8") as file:
            text = file.read()
        text = text[text.index("Linker script and memory map"):]
        pieces = sorted((int(start, 16), int(size, 16), ".a" in source) for start, size, source in
                        re.findall(r"^ \.text[\w.]*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S+)$", text, re.M) if int(size, 16) > 0)
        runs = []
        for start, size, library in pieces:
            if library and runs and runs[-1][2]:
                runs[-1][1] = start + size
            elif library or (runs and runs[-1][2]):
                runs.append([start, start + size, library])
        return [(start, end) for start, end, library in runs if library]


class Probe:
    """Options for QEMU and, afterwards, the lines."""

    def __init__(self, library, out, image, marks, ranges=()):
        self.out, self.marks = out, list(marks)
        words = [library, f"out={out}", *(f"mark={image.address(name):x}" for name in self.marks), *(f"range={start:x}-{end:x}" for start, end in ranges)]
        self.option = ",".join(words)

    def lines(self):
        out = []
        with open(self.out, encoding="ascii") as file:
            for text in file.read().splitlines():
                words = text.split()
                if words and words[0] != "end":
                    out.append(Line(self.marks[int(words[0])], int(words[1]), [int(word) for word in words[2:]]))
        return out

    def ours(self, line):
        return line.total - sum(line.ranges)


def turns(probe, lines, loop="firmware_step"):
    """[(instructions of ours, marks within)] of each turn of the main loop."""
    starts = [index for index, line in enumerate(lines) if line.mark == loop]
    return [(probe.ours(lines[after]) - probe.ours(lines[before]), [line.mark for line in lines[before + 1:after]], before)
            for before, after in zip(starts, starts[1:])]
