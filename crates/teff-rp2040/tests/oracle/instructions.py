"""Random ARMv6-M programs run by unicorn (QEMU's Cortex-M0), for the simulator to agree with.

    instructions.py COUNT LENGTH SEED OUT

Writes COUNT cases to OUT. Each is: 17 words before (R0-R12, SP, LR, APSR, seed of the data), LENGTH half-words
of code, 16 words after (R0-R12, SP, LR, APSR), CRC-32 of the data after. All little-endian, after a header of
two words COUNT and LENGTH. Code stands at CODE, followed by BKPT; data fills DATA.
"""

import random
import struct
import sys
import zlib

from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn import arm_const as arm

CODE, DATA, DATA_LEN = 0x20000000, 0x20010000, 0x1000
REGS = [arm.UC_ARM_REG_R0 + i for i in range(13)] + [arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR]
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF]
SHIFTS = [0, 1, 2, 15, 30, 31, 32, 33, 63, 64, 127, 128, 255, 256, 257, 0x80000000]
# R4 is a small word offset, R5 and R6 point into the data; nothing else writes them.
FREE = [0, 1, 2, 3, 7]


def data(seed):
    """The same bytes as the Rust side: xorshift32."""
    out = bytearray()
    for _ in range(DATA_LEN // 4):
        seed ^= seed << 13 & 0xFFFFFFFF
        seed ^= seed >> 17
        seed ^= seed << 5 & 0xFFFFFFFF
        out += struct.pack("<I", seed)
    return bytes(out)


def instruction(r, left):
    """One instruction (a list of half-words) with at most `left` half-words after it."""
    d, m, n = r.choice(FREE), r.randrange(8), r.randrange(8)
    kind = r.randrange(20)
    if kind < 3:
        op = r.randrange(3) << 11
        return [op | r.choice([0, 1, 31, r.randrange(32)]) << 6 | m << 3 | d]
    if kind == 3:
        return [0x1800 | r.randrange(4) << 9 | n << 6 | m << 3 | d]
    if kind == 4:
        return [0x2000 | r.randrange(4) << 11 | d << 8 | r.randrange(256)]
    if kind < 9:
        op = r.randrange(16)
        return [0x4000 | op << 6 | m << 3 | d]
    if kind == 9:
        hd, hm = r.choice(FREE + [8, 9, 10, 11, 12]), r.randrange(15)
        op = r.choice([0, 1, 2])
        return [0x4400 | op << 8 | (hd & 8) << 4 | hm << 3 | hd & 7]
    if kind == 10:
        hd = r.choice(FREE + [8, 9, 12])
        return [r.choice([0x4400, 0x4600]) | (hd & 8) << 4 | 15 << 3 | hd & 7]
    if kind == 11:
        return [0x4800 | d << 8 | r.randrange(8)] if r.random() < 0.5 else [0xA000 | d << 8 | r.randrange(256)]
    if kind == 12:
        return [0x5000 | r.randrange(8) << 9 | 4 << 6 | r.choice([5, 6]) << 3 | d]
    if kind == 13:
        return [r.choice([0x6000, 0x6800, 0x7000, 0x7800, 0x8000, 0x8800]) | r.randrange(32) << 6
                | r.choice([5, 6]) << 3 | d]
    if kind == 14:
        return [r.choice([0x9000, 0x9800, 0xA800]) | d << 8 | r.randrange(16)]
    if kind == 15:
        return [r.choice([0xB200, 0xB240, 0xB280, 0xB2C0, 0xBA00, 0xBA40, 0xBAC0]) | m << 3 | d]
    if kind == 16:
        low = sum(1 << i for i in FREE if r.random() < 0.4) or 1
        every = low | r.choice([0, 0x70])
        return [r.choice([0xB400 | every, 0xB500 | every, 0xBC00 | low, 0xB000 | r.randrange(8),
                          0xB080 | r.randrange(8), 0xC000 | r.choice([5, 6]) << 8 | every & 0x8F,
                          0xC800 | r.choice([5, 6]) << 8 | low])]
    if kind == 17 and left >= 4:
        return [0xD000 | r.randrange(14) << 8 | r.randrange(3)]
    if kind == 18 and left >= 4:
        return [0xE000 | r.randrange(3)] if r.random() < 0.5 else [0xF000, 0xF800 | r.randrange(2)]
    if kind == 19:
        return r.choice([[0xBF00], [0xF3EF, 0x8000 | d << 8], [0xF380 | m, 0x8800], [0xF3BF, 0x8F5F],
                         [0xB662], [0xF3EF, 0x8008 | d << 8]])
    return [0xBF00]


def program(r, length):
    code = []
    narrow_until = 0  # branches land on the half-words after them, which must not split an instruction
    while len(code) < length:
        step = instruction(r, length - len(code))
        if len(code) + len(step) > length or len(step) > 1 and len(code) < narrow_until:
            continue
        code += step
        if step[0] >> 12 in (0xD, 0xE, 0xF):
            narrow_until = len(code) + 4
    # QEMU keeps the Q flag that ARMv6-M does not have: no APSR is read after one was written.
    written = False
    for i, half in enumerate(code):
        written |= half & 0xFFF0 == 0xF380
        if written and half == 0xF3EF and code[i + 1] & 0xFF == 0:
            code[i : i + 2] = [0xBF00, 0xBF00]
    return code


def value(r):
    return r.choice([r.choice(EDGES), r.choice(SHIFTS), r.getrandbits(32), r.getrandbits(8)])


def main():
    count, length, seed = (int(a) for a in sys.argv[1:4])
    r = random.Random(seed)
    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0)
    uc.mem_map(0x20000000, 0x20000)
    uc.mem_map(0, 0x1000)
    end = CODE + 2 * length
    with open(sys.argv[4], "wb") as out:
        out.write(struct.pack("<II", count, length))
        for _ in range(count):
            code = program(r, length)
            before = [value(r) for _ in range(13)]
            before[4] = r.randrange(16) * 4
            before[5] = DATA + 0x400 + r.randrange(64) * 4
            before[6] = DATA + 0xA00 + r.randrange(64) * 4
            before += [DATA + 0x700 + r.randrange(16) * 4, value(r), r.randrange(16) << 28, r.getrandbits(31) | 1]
            raw = struct.pack(f"<{length}H", *code)
            # Branches may leave the program by two half-words; what follows is the same on both sides.
            uc.mem_write(CODE, raw + b"\x00\xbe" + b"\x00\xbf" * 600)
            uc.mem_write(DATA, data(before[16]))
            for reg, v in zip(REGS, before):
                uc.reg_write(reg, v)
            uc.reg_write(arm.UC_ARM_REG_APSR, before[15])
            uc.ctl_remove_cache(CODE, end + 64)
            uc.emu_start(CODE | 1, end)
            after = [uc.reg_read(reg) for reg in REGS] + [uc.reg_read(arm.UC_ARM_REG_APSR) & 0xF0000000]
            crc = zlib.crc32(bytes(uc.mem_read(DATA, DATA_LEN)))
            out.write(struct.pack("<17I", *before) + raw + struct.pack("<17I", *after, crc))


if __name__ == "__main__":
    main()
