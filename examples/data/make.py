#!/usr/bin/env python3
"""Makes the small data sets of docs/training.md, the same bytes each time: grain.csv, motion.npz, tomatoes/."""

import math
import os
import random
import struct
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))


def grain(rng):
    """Moisture of grain, in percent, from what a probe measures, in SI units: a known formula and some noise."""
    rows = ["temperature,pressure,capacitance,fill,moisture"]
    for _ in range(300):
        t, p = rng.uniform(5, 40), rng.uniform(97000, 104000)
        c, fill = rng.uniform(2e-11, 9e-11), rng.uniform(0.3, 1)
        moisture = 6 + 1.6e11 * c / (0.5 + fill) * (1 - 0.006 * (t - 20)) + 3 * fill**2 - 3e-4 * (p - 101325)
        rows.append(f"{t:.1f},{p:.0f},{c:.3e},{fill:.3f},{moisture + rng.gauss(0, 0.15):.2f}")
    with open(os.path.join(HERE, "grain.csv"), "w") as f:
        f.write("\n".join(rows) + "\n")


def motion(rng):
    """48 steps of an accelerometer of three axes, in m/s^2: at rest (0), shaken (1), turned in circles (2)."""
    windows, labels = [], []
    for i in range(120):
        label, tilt, phase = i % 3, rng.uniform(-0.5, 0.5), rng.uniform(0, 2 * math.pi)
        rate, reach = rng.uniform(0.6, 0.9) if label == 1 else rng.uniform(0.2, 0.35), rng.uniform(2, 5)
        for step in range(48):
            x, y, z = 9.81 * math.sin(tilt), 0.0, 9.81 * math.cos(tilt)
            turn = rate * step + phase
            if label == 1:
                x += reach * math.sin(turn)
            if label == 2:
                x, y = x + reach * math.cos(turn), y + reach * math.sin(turn)
            windows += [v + rng.gauss(0, 0.4) for v in (x, y, z)]
        labels.append(label)
    with zipfile.ZipFile(os.path.join(HERE, "motion.npz"), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind, shape, values in [("x", "<f2", (120, 48, 3), windows), ("y", "|u1", (120,), labels)]:
            head = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
            head += b" " * (-(len(head) + 11) % 64) + b"\n"
            data = struct.pack(f"<{len(values)}{'e' if kind == '<f2' else 'B'}", *values)
            entry = zipfile.ZipInfo(name + ".npy", (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)


def tomatoes(rng):
    """Pictures of 32x32: a tomato somewhere on a cloth, green, red or with a brown spot."""
    for name in ("green", "red", "spotted"):
        os.makedirs(os.path.join(HERE, "tomatoes", name), exist_ok=True)
        for i in range(20):
            cx, cy, r = rng.uniform(11, 21), rng.uniform(11, 21), rng.uniform(7, 10)
            angle, light, cloth = rng.uniform(0, 2 * math.pi), rng.uniform(0.8, 1), rng.uniform(90, 200)
            sx, sy = cx + r * 0.4 * math.cos(angle), cy + r * 0.4 * math.sin(angle)
            ripe = (90, 170, 60) if name == "green" else (210, 50, 40)

            def pixel(x, y):
                if math.hypot(x - cx, y - cy) > r:
                    colour = (cloth, cloth, cloth * 0.9)
                elif name == "spotted" and math.hypot(x - sx, y - sy) < r * 0.55:
                    colour = (70, 45, 20)
                else:
                    colour = ripe
                return [min(255, max(0, c * light + rng.gauss(0, 6))) for c in colour]

            with open(os.path.join(HERE, "tomatoes", name, f"{i:02}.jpg"), "wb") as f:
                f.write(jpeg([[pixel(x, y) for x in range(32)] for y in range(32)]))


ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
STEPS = [8 + 5 * (i // 8 + i % 8) for i in range(64)]
COSINE = [[math.cos((2 * x + 1) * u * math.pi / 16) * (0.5 if u else 0.5**0.5 / 2) for x in range(8)] for u in range(8)]


def jpeg(rows):
    """A baseline JPEG (ITU-T T.81), colours not subsampled, with Huffman codes that all have one length: 4 bits of DC, 8 of AC."""
    symbols = [run << 4 | size for run in range(16) for size in range(1, 11)] + [0x00, 0xF0]
    code = {symbol: i for i, symbol in enumerate(symbols)}
    bits = []

    def put(value, length):
        bits.extend(value >> i & 1 for i in reversed(range(length)))

    def magnitude(value):
        size = abs(value).bit_length()
        return size, value if value >= 0 else value + (1 << size) - 1

    def planes(pixel):
        r, g, b = pixel
        return (0.299 * r + 0.587 * g + 0.114 * b - 128, -0.1687 * r - 0.3313 * g + 0.5 * b, 0.5 * r - 0.4187 * g - 0.0813 * b)

    image, before = [[planes(p) for p in row] for row in rows], [0, 0, 0]
    for top in range(0, len(rows), 8):
        for left in range(0, len(rows[0]), 8):
            for plane in range(3):
                block = [[image[top + y][left + x][plane] for x in range(8)] for y in range(8)]
                half = [[sum(block[y][x] * COSINE[u][x] for x in range(8)) for u in range(8)] for y in range(8)]
                full = [sum(half[y][i % 8] * COSINE[i // 8][y] for y in range(8)) for i in range(64)]
                scaled = [round(full[i] / STEPS[i]) for i in ZIGZAG]
                size, value = magnitude(scaled[0] - before[plane])
                before[plane] = scaled[0]
                put(size, 4), put(value, size)
                run, last = 0, max((i for i in range(64) if scaled[i]), default=0)
                for x in scaled[1 : last + 1]:
                    if x == 0:
                        run += 1
                        continue
                    while run > 15:
                        put(code[0xF0], 8)
                        run -= 16
                    size, value = magnitude(x)
                    put(code[run << 4 | size], 8), put(value, size)
                    run = 0
                if last < 63:
                    put(code[0x00], 8)
    bits += [1] * (-len(bits) % 8)
    scan = bytes(int("".join(map(str, bits[i : i + 8])), 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\x00")

    def segment(marker, data):
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    frame = struct.pack(">BHHB", 8, len(rows), len(rows[0]), 3) + bytes(sum(([c, 0x11, 0] for c in (1, 2, 3)), []))
    dc = bytes([0x00] + [0] * 3 + [12] + [0] * 12 + list(range(12)))
    ac = bytes([0x10] + [0] * 7 + [len(symbols)] + [0] * 8 + symbols)
    start = bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])
    tables = segment(0xDB, bytes([0] + [STEPS[i] for i in ZIGZAG])) + segment(0xC0, frame) + segment(0xC4, dc) + segment(0xC4, ac)
    return b"\xff\xd8" + tables + segment(0xDA, start) + scan + b"\xff\xd9"


for make in (grain, motion, tomatoes):
    make(random.Random(make.__name__))
