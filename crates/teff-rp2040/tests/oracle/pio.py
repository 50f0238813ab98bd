"""Random PIO programs run by pioemu (rp2040-pio-emulator), for the simulator to agree with, clock by clock.

    pio.py COUNT SEED OUT

Each case: 16 half-words of program (its length first, in a word), then the words of CONFIG in order, 4 words
that the TX FIFO starts with and their number, then the number of clocks and the CRC-32 of the states. A state is
the eleven words that `state_words` gives. All little-endian after a word COUNT.

Inputs are pins 0 to 7, a function of the clock; outputs are pins 8 to 27. Left out because pioemu does otherwise
than the datasheet or not at all: EXEC, IRQ, PINDIRS, bit reversal, MOV PINS, PULL with autopull, an autopush into a full FIFO, and an
exhausted OSR that is refilled by another instruction than OUT. JMP !OSRE comes only with a threshold of 32.
"""

import random
import struct
import sys
import zlib
from collections import deque

from pioemu import State, emulate
from pioemu.shift_register import ShiftRegister

CLOCKS = 160
OUTPUTS = 0x0FFFFF00


def inputs(clock, slow):
    return ((clock >> slow) * 0x9E3779B1 & 0xFFFFFFFF) >> 24


def instruction(r, length, side_count, autopull):
    """One half-word."""
    delay_bits = 5 - side_count
    delay = r.choice([0, 0, 0, r.randrange(1 << delay_bits)])
    side = r.randrange(1 << side_count) << delay_bits
    high = (side | delay) << 8
    kind = r.choice("jjwiioommsspp")
    if kind == "j":
        return 0x0000 | high | r.randrange(8) << 5 | r.randrange(length)
    if kind == "w":
        return 0x2000 | high | r.randrange(2) << 7 | r.randrange(2) << 5 | r.randrange(8)
    if kind == "i":
        return 0x4000 | high | r.choice([0, 1, 2, 3, 6, 7]) << 5 | r.randrange(32)
    if kind == "o":
        return 0x6000 | high | r.choice([0, 1, 2, 3, 6]) << 5 | r.randrange(32)
    if kind == "m":
        return 0xA000 | high | r.choice([1, 2, 6, 7]) << 5 | r.randrange(2) << 3 | r.choice([0, 1, 2, 3, 6, 7])
    if kind == "s":
        return 0xE000 | high | r.choice([0, 1, 2]) << 5 | r.randrange(32)
    if autopull or r.random() < 0.5:
        return 0x8000 | high | r.randrange(2) << 5
    return 0x8080 | high | r.randrange(2) << 5


def state_words(s):
    isr, osr = s.input_shift_register, s.output_shift_register
    return [s.program_counter, s.x_register, s.y_register, isr.contents, isr.counter, osr.contents, osr.counter,
            s.pin_values & OUTPUTS, len(s.transmit_fifo), len(s.receive_fifo), sum(s.receive_fifo) & 0xFFFFFFFF]


def case(r):
    length = r.randrange(2, 17)
    side_count = r.choice([0, 0, 1, 2])
    autopull, autopush = r.randrange(2), r.randrange(2)
    pull_threshold = r.choice([8, 16, 32, r.randrange(1, 33)])
    program = [instruction(r, length, side_count, autopull) for _ in range(length)]
    if pull_threshold != 32:
        program = [op ^ 0x20 if op & 0xE0E0 == 0x00E0 else op for op in program]
    if autopull:
        program[0] = 0x6000 | r.choice([1, 2, 3]) << 5 | r.randrange(32)
    wrap_top = r.choice([0, r.randrange(1, length)]) or length - 1
    config = {
        "side_count": side_count, "side_base": r.randrange(8, 24), "autopull": autopull, "autopush": autopush,
        "pull_threshold": pull_threshold,
        "push_threshold": r.choice([8, 16, 32, r.randrange(1, 33)]),
        "isr_right": r.randrange(2), "osr_right": r.randrange(2),
        "out_base": r.randrange(8, 12), "out_count": r.randrange(0, 17),
        "set_base": r.randrange(8, 23), "set_count": r.randrange(0, 6), "jmp_pin": r.randrange(8),
        "wrap_bottom": r.randrange(0, wrap_top + 1), "wrap_top": wrap_top, "slow": r.randrange(5),
    }
    fifo = [r.getrandbits(32) for _ in range(r.randrange(5))]
    initial = State(transmit_fifo=deque(fifo), pin_directions=OUTPUTS,
                    output_shift_register=ShiftRegister(0, 32))
    slow = config["slow"]

    def source(clock: int) -> int:
        return inputs(clock, slow)

    states, current, clock = [], initial, 0
    for before, after in emulate(
        program + [0] * (32 - length), stop_when=lambda _, s: s.clock >= CLOCKS, initial_state=initial, input_source=source,
        auto_pull=bool(autopull), auto_push=bool(autopush), pull_threshold=config["pull_threshold"],
        push_threshold=config["push_threshold"], shift_isr_right=bool(config["isr_right"]),
        shift_osr_right=bool(config["osr_right"]), out_base=config["out_base"], out_count=config["out_count"],
        set_base=config["set_base"], set_count=config["set_count"], side_set_base=config["side_base"],
        side_set_count=side_count, jmp_pin=config["jmp_pin"], wrap_target=config["wrap_bottom"], wrap_top=wrap_top,
    ):
        while clock < before.clock:
            states.append(state_words(current))
            clock += 1
        current = after
        if autopush and len(after.receive_fifo) >= 4:
            break
    while clock < CLOCKS and not (autopush and len(current.receive_fifo) >= 4):
        states.append(state_words(current))
        clock += 1
    raw = b"".join(struct.pack("<11I", *s) for s in states)
    head = struct.pack("<I16H", length, *program, *[0] * (16 - length))
    head += struct.pack(f"<{len(config)}I", *config.values())
    head += struct.pack("<5I", *fifo, *[0] * (4 - len(fifo)), len(fifo))
    return head + struct.pack("<2I", len(states), zlib.crc32(raw)), raw


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    r = random.Random(seed)
    with open(sys.argv[3], "wb") as out:
        out.write(struct.pack("<I", count))
        for _ in range(count):
            out.write(case(r)[0])


if __name__ == "__main__":
    main()
