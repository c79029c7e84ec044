"""The register behind a story: kkt-board, or the microcontroller board in QEMU (board/qemu/run). Both take the same options and the same words over
their control socket; here is what differs."""
import os
import signal
import sys
import time

QEMU = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "board", "qemu")
sys.path.append(QEMU)
import boards  # noqa: E402


def alive(number):
    """Of a process that is somebody else's child: not gone, and no zombie."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class PosixTill:
    """kkt-board: one process is board, fiscal module and print head, so a kill ends all three."""

    name = "kkt-board"
    operator_host = "127.0.0.1"
    flash_counter = "flash_programs"  # of `ctl stats`: grows with everything that is written to flash
    flash_rest_s = 0.2  # unchanged for so long: nothing is written by itself any more
    has_watchdog = False
    printer_is_apart = False  # takes --printer ADDRESS
    starts_ready = True  # who can connect finds a board that has written what it writes at a start
    board_keeps_running = True  # while its clock is moved
    sees_plugs = True  # is told when another fiscal module is at the end of the wire

    def __init__(self, build, state):
        self.build, self.state = build, state

    def command(self, *options):
        return [os.path.join(self.build, "kkt-board"), "run", "--state", self.state, *options]

    @staticmethod
    def kill(process):
        """SIGKILL in the middle of whatever it does. True: the process is gone and has to be started again."""
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True

    @staticmethod
    def clock_back_words(seconds):
        """Of ctl: somebody sets the clock chip back."""
        return "clock", "set", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - seconds))

    def journal_arguments(self):
        """Of `kkt-board journal`."""
        return "--state", self.state


class QemuTill(PosixTill):
    """The image in QEMU. A kill hits QEMU; fiscal module and print head have power of their own and live on."""

    operator_host = "10.0.2.2"
    flash_counter = "flash_changes"
    has_watchdog = True
    printer_is_apart = True
    starts_ready = False
    board_keeps_running = False
    sees_plugs = False
    flash_rest_s = 0.3

    def __init__(self, build, state, board):
        super().__init__(build, state)
        self.board = board
        self.name = f"{board} in QEMU"
        if board == "lm3s":
            self.flash_rest_s = 0.7  # a card takes its time between one erase and the next

    def command(self, *options):
        return [sys.executable, os.path.join(QEMU, "run"), "--board", self.board, "--build", self.build, "--state", self.state, *options]

    def kill(self, process):
        with open(os.path.join(self.state, "qemu.pid"), encoding="ascii") as file:
            number = int(file.read())
        os.kill(number, signal.SIGKILL)
        while alive(number):
            time.sleep(0.002)
        return False

    @staticmethod
    def clock_back_words(seconds):
        return "clock", "back", str(seconds)

    def journal_arguments(self):
        hardware = boards.BOARDS[self.board]
        return "--flash", hardware.journal(self.state), "--flash-size", str(hardware.flash_size)


def make(board, build, state):
    """board: "posix" or a board of board/qemu."""
    return PosixTill(build, state) if board == "posix" else QemuTill(build, state, board)


BOARDS = ("posix", *boards.BOARDS)
