"""The options of board/qemu/run; a test that wants the machine in its own process calls parse() with a list of them."""
import argparse

import boards


def parse(arguments=None, description=None):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--board", choices=sorted(boards.BOARDS), default="mps2")
    parser.add_argument("--state", required=True, help="everything that must not be lost lies here; made when absent")
    parser.add_argument("--build", default="build", help="folder of the programs and of mcu/BOARD/")
    parser.add_argument("--image", help="firmware of a new board, as the first slot holds it (or an ELF file); default: of the build folder")
    parser.add_argument("--kernel", help="ELF file of the first stage; default: of the build folder")
    parser.add_argument("--listen", default="127.0.0.1:7700", help="HOST:PORT of the host link; port 0: any, see --port-file")
    parser.add_argument("--port-file", help="the real port number is written there")
    parser.add_argument("--serial", default="", help="factory number of a new board")
    parser.add_argument("--fn", help="HOST:PORT or unix:PATH of another fiscal module; default: kkt-fn is started")
    parser.add_argument("--fn-serial", help="16 digits, of a new fiscal module")
    parser.add_argument("--printer", help="HOST:PORT or unix:PATH of another print head; default: kkt-printer is started")
    parser.add_argument("--columns", type=int, choices=(32, 42, 48), default=48, help="paper width")
    parser.add_argument("--pace", type=int, default=30, help="printed lines per second; 0: as fast as bytes come")
    parser.add_argument("--no-png", action="store_true", help="slips as text only")
    parser.add_argument("--drawer-close", type=int, default=2000, help="ms until the person shuts the drawer")
    parser.add_argument("--icount", help="QEMU's -icount, as shift=6: guest time by instructions")
    parser.add_argument("--plugin", action="append", default=[], help="QEMU's -plugin")
    parser.add_argument("--plugin-once", action="append", default=[], help="the same, for the first start of QEMU only")
    parser.add_argument("qemu", nargs="*", help="more arguments for QEMU, behind --")
    return parser.parse_args(arguments)
