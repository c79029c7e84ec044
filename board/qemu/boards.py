"""The two boards that QEMU can be: command line, flash file, where the drawer hangs, where code lies. Addresses of mps2: board/mps2/memory.h."""
import mmap
import os
import re
import struct

import card

HERE = os.path.dirname(os.path.abspath(__file__))


def constants(header):
    """Numbers of a header's #define lines."""
    found = {}
    with open(header, encoding="utf-8") as file:
        for name, value in re.findall(r"^#define (\w+)\s+(0x[0-9A-Fa-f]+|\d+)\b", file.read(), re.M):
            found[name] = int(value, 0)
    return found


def seeded_store():
    """First sector of a new board's store (board/mcu/mcu_store.h) with a random seed, which only the factory can give: without it no TLS."""
    kind, seed = 2, os.urandom(48)
    header = struct.pack("<II", 0x53544B4B, 0)
    record = bytes([kind, len(seed), kind ^ 0xFF, len(seed) ^ 0xFF]) + seed
    store = header + struct.pack("<I", card.crc32c(header))
    return store.ljust(16, b"\xff") + record + struct.pack("<I", card.crc32c(record))


def elf_pieces(path, base):
    """(offset from base, bytes) of what a 32-bit ELF file loads there."""
    with open(path, "rb") as file:
        image = file.read()
    start, size, count = struct.unpack_from("<I", image, 28)[0], *struct.unpack_from("<HH", image, 42)
    pieces = []
    for number in range(count):
        kind, offset, _, address, stored = struct.unpack_from("<IIIII", image, start + number * size)
        if kind == 1 and stored > 0:
            pieces.append((address - base, image[offset:offset + stored]))
    return pieces


def folder(machine, name):
    return os.path.join(os.path.abspath(machine.options.build), "mcu", name)


class Expander:
    """Clock chip and port expander, on the I2C bus of either board: LED 0 is the drawer's solenoid, LED 8 its switch."""

    devices = ["-device", "ds1338,address=0x68", "-device", "pca9552,address=0x60,id=expander"]

    @staticmethod
    def drawer_solenoid(monitor):
        return monitor.ask("qom-get", path="expander", property="led0") == "on"

    @staticmethod
    def drawer_switch(monitor):
        return monitor.ask("qom-get", path="expander", property="led8") == "on"

    @staticmethod
    def set_drawer_switch(monitor, is_open):
        monitor.ask("qom-set", path="expander", property="led8", value="on" if is_open else "off")


class Mps2(Expander):
    """mps2-an385: one 16 MiB file stands for the journal's NOR chip and for the part's own flash."""

    name = "mps2"
    network_chip = "lan9118.0"
    flash_file = "nv.bin"
    core_hz = 25000000
    image_name = "image-a.elf"
    file_size = 16 << 20

    def __init__(self):
        self.at = constants(os.path.join(HERE, "..", "mps2", "memory.h"))
        self.flash_size = self.at["JOURNAL_SIZE"]

    def flash_state(self, path):
        """Something that is another when the journal has changed."""
        with open(path, "rb") as file, mmap.mmap(file.fileno(), self.flash_size, access=mmap.ACCESS_READ) as memory:
            return memory[:]

    def journal(self, folder_of_till):
        """A file that begins with the journal."""
        return os.path.join(folder_of_till, self.flash_file)

    def put_journal(self, folder_of_till, flat):
        with open(os.path.join(folder_of_till, self.flash_file), "r+b") as flash, open(flat, "rb") as source:
            flash.write(source.read())

    def factory(self, machine):
        """A new board: erased flash, the image in the first slot, a seed, the serial number. Made under another name: half a factory is none."""
        path = machine.path(self.flash_file)
        if os.path.exists(path):
            return
        image = machine.options.image or os.path.join(folder(machine, self.name), "image-a.bin")
        pieces = elf_pieces(image, self.at["PSRAM_BASE"]) if image.endswith(".elf") else []
        if not pieces:
            with open(image, "rb") as file:
                pieces = [(self.at["SLOT_A_BASE"] - self.at["PSRAM_BASE"], file.read())]
        first, last = (self.at[name] - self.at["PSRAM_BASE"] for name in ("SLOT_A_BASE", "SLOT_B_BASE"))
        for offset, data in pieces:
            if offset < first or offset + len(data) > last:
                raise ValueError(f"{image} does not fit the first slot")
        pieces.append((self.at["STORE_BASE"] - self.at["PSRAM_BASE"], seeded_store()))
        if machine.options.serial:
            pieces.append((self.at["FACTORY_BASE"] - self.at["PSRAM_BASE"], machine.options.serial.encode("ascii") + b"\0"))
        with open(path + ".new", "wb") as file:
            file.write(b"\xff" * self.file_size)
            for offset, data in pieces:
                file.seek(offset)
                file.write(data)
        os.replace(path + ".new", path)

    def arguments(self, machine):
        kernel = machine.options.kernel or os.path.join(folder(machine, self.name), "boot.elf")
        return ["-object", f"memory-backend-file,id=psram,size=16M,mem-path={self.flash_file},share=on", "-M", "mps2-an385,memory-backend=psram",
                "-serial", "chardev:pc", "-serial", "chardev:fn", "-serial", "chardev:printer", "-serial", "null",
                "-chardev", "file,id=trace,path=trace.log,append=on", "-serial", "chardev:trace",
                *self.devices, "-kernel", os.path.abspath(kernel)]

    def code_regions(self, counter):
        """(address, size) of what may hold the code that runs at this program counter, the likeliest first."""
        slots = [(self.at[name], self.at["SLOT_SIZE"]) for name in ("SLOT_A_BASE", "SLOT_B_BASE")]
        slots.sort(key=lambda slot: not slot[0] <= counter < slot[0] + slot[1])
        return slots


class Lm3s(Expander):
    """lm3s6965evb: an SD card holds the journal; the part's own flash holds the one image."""

    name = "lm3s"
    network_chip = "stellaris_enet.0"
    flash_file = "sd.img"
    core_hz = 50000000
    image_name = "image.elf"
    file_size = 64 << 20  # an SD card's size is a power of two
    debug_page = 0x1000  # the vectors are closed by the MPU, which the gdb stub minds, a page at a time

    def __init__(self):
        self.at = constants(os.path.join(HERE, "..", "lm3s", "memory.h"))
        self.flash_size = self.at["JOURNAL_SIZE"]

    def flash_state(self, path):
        return os.stat(path).st_mtime_ns

    def journal(self, folder_of_till):
        flat = os.path.join(folder_of_till, "journal.bin")
        card.unpack(os.path.join(folder_of_till, self.flash_file), flat, self.at, self.flash_size)
        return flat

    def put_journal(self, folder_of_till, flat):
        card.pack(os.path.join(folder_of_till, self.flash_file), flat, self.at)

    def factory(self, machine):
        """A new board: an erased card with a seed, the serial number and an empty journal."""
        path = machine.path(self.flash_file)
        if os.path.exists(path):
            return
        pieces = [(self.at["STORE_BASE"], seeded_store()), (self.at["FACTORY_BASE"], machine.options.serial.encode("ascii") + b"\0"),
                  *card.prepared(self.flash_size)]
        with open(path + ".new", "wb") as file:
            file.truncate(self.file_size)  # zeros: some cards erase to them
            for offset, data in pieces:
                page = offset // card.PAGE
                file.seek((self.at["CARD_FIRST"] + page) * card.BLOCK)
                file.write(card.block(page, data))
        os.replace(path + ".new", path)

    def arguments(self, machine):
        kernel = machine.options.kernel or machine.options.image or os.path.join(folder(machine, self.name), "image.elf")
        return ["-M", "lm3s6965evb", "-serial", "chardev:pc", "-serial", "chardev:fn", "-serial", "chardev:printer",
                "-drive", f"if=sd,format=raw,file={self.flash_file}", *self.devices, "-kernel", os.path.abspath(kernel)]

    def code_regions(self, counter):
        return [(self.debug_page, self.at["IMAGE_SIZE"] - self.debug_page)]


BOARDS = {"mps2": Mps2(), "lm3s": Lm3s()}
