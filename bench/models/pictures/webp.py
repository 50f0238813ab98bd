"""Test pictures of WebP with the pixels that Pillow sees: webp.py DIRECTORY"""
import base64, glob, io, os, random, sys
import numpy as np
from PIL import Image

HERE = sys.argv[1]
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../crates/teff-picture")
os.makedirs(HERE, exist_ok=True)


def ppm(name, pixels):
    h, w, _ = pixels.shape
    with open(os.path.join(HERE, name + ".ppm"), "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (w, h) + pixels.tobytes())


def put(name, data):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)
    ppm(name, np.array(Image.open(io.BytesIO(data)).convert("RGB")))


def scene(h, w, seed, noise=12, channels=3):
    """Waves, a few boxes, noise."""
    g = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w]
    a = np.zeros((h, w, channels))
    for c in range(channels):
        p = g.uniform(3, 20, 4)
        a[..., c] = 128 + 90 * np.sin(x / p[0] + p[1]) * np.cos(y / p[2] + p[3])
    for _ in range(3):
        y0, x0 = g.integers(0, h), g.integers(0, w)
        a[y0:y0 + g.integers(1, h + 1), x0:x0 + g.integers(1, w + 1)] = g.integers(0, 256, channels)
    a += g.normal(0, noise, a.shape)
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))


def save(name, image, **options):
    b = io.BytesIO()
    image.save(b, "WEBP", **options)
    put(name, b.getvalue())


TOKENS = 160


class Coder:
    """VP8's arithmetic coder (RFC 6386, section 7.3)."""

    def __init__(self):
        self.out, self.low, self.range, self.bits = bytearray(), 0, 255, 24

    def bit(self, b, p=128):
        split = 1 + (((self.range - 1) * p) >> 8)
        if b:
            self.low, self.range = self.low + split, self.range - split
        else:
            self.range = split
        while self.range < 128:
            self.range *= 2
            if self.low & 1 << 31:
                i = len(self.out) - 1
                while self.out[i] == 255:
                    self.out[i] = 0
                    i -= 1
                self.out[i] += 1
            self.low = self.low << 1 & 0xffffffff
            self.bits -= 1
            if self.bits == 0:
                self.out.append(self.low >> 24)
                self.low, self.bits = self.low & 0xffffff, 8

    def number(self, v, bits):
        for i in reversed(range(bits)):
            self.bit(v >> i & 1)

    def optional(self, v, bits):
        self.bit(v is not None)
        if v is not None:
            self.number(abs(v), bits)
            self.bit(v < 0)

    def end(self):
        self.number(0, 32)
        return bytes(self.out)


def riff(kind, data):
    b = b"WEBP" + kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) & 1)
    return b"RIFF" + len(b).to_bytes(4, "little") + b


def frame(seed, h, w, level, simple, sharpness, parts, quantiser, segments, absolute, deltas, skips, end=40, few=100):
    """A frame whose header uses what Pillow does not offer; its modes and tokens are random bits."""
    import re
    text = open(os.path.join(ROOT, "c/vp8_tables.c")).read()
    updates = [int(n) for n in re.search(r"updates\[1056\] = \{(.*?)\}", text, re.S).group(1).split(",")]
    r, c = random.Random(seed), Coder()
    c.number(0, 2)
    c.bit(segments is not None)
    if segments is not None:
        c.number(3, 2)
        c.bit(absolute)
        for q, _ in segments:
            c.optional(q, 7)
        for _, l in segments:
            c.optional(l, 6)
        for p in (120, None, 90):
            c.bit(p is not None)
            if p is not None:
                c.number(p, 8)
    c.bit(simple)
    c.number(level, 6)
    c.number(sharpness, 3)
    c.bit(deltas is not None)
    if deltas is not None:
        c.bit(1)
        for v in deltas:
            c.optional(v, 6)
    c.number(parts, 2)
    c.number(quantiser, 7)
    for v in (-3, 5, None, 2, -7):
        c.optional(v, 4)
    c.bit(1)
    for i in range(1056):
        n = i % 11
        v = {0: end, 1: few, 2: 235, 3: 255, 6: 255}.get(n)
        c.bit(v is not None, updates[i])
        if v is not None:
            c.number(v, 8)
    c.bit(skips is not None)
    if skips is not None:
        c.number(skips, 8)
    rows, columns = (h + 15) // 16, (w + 15) // 16
    for _ in range(rows * columns * 60):
        c.bit(r.randrange(2))
    first, count = c.end(), 1 << parts
    of_parts = [bytes(r.randrange(255) for _ in range(((rows + count - 1) // count) * columns * TOKENS + 16))
                for _ in range(count)]
    rest = b"".join(len(p).to_bytes(3, "little") for p in of_parts[:-1]) + b"".join(of_parts)
    tag = (1 << 4 | len(first) << 5).to_bytes(3, "little")
    return riff(b"VP8 ", tag + b"\x9d\x01\x2a" + w.to_bytes(2, "little") + h.to_bytes(2, "little") + first + rest)


save("webp-1x1.webp", scene(1, 1, 1), quality=70)
save("webp-7x5.webp", scene(5, 7, 2), quality=90)
save("webp-rough.webp", scene(24, 40, 3), quality=5, method=4)
save("webp-33x17.webp", scene(17, 33, 4), quality=80, method=6)
save("webp-fine.webp", scene(20, 18, 5, noise=30), quality=100, method=2)
save("webp-flat.webp", scene(34, 19, 6, noise=0), quality=40, method=0)
save("webp-alpha.webp", scene(23, 29, 7, channels=4), quality=75, exact=True)
segments = [(10, 5), (-6, -20), (None, 30), (25, None)]
put("webp-simple.webp", frame(4, 30, 41, 30, 1, 0, 0, 20, None, 0, None, 120))
put("webp-sharp.webp", frame(122, 31, 37, 33, 0, 3, 1, 12, None, 0, (2, 9, 9, 9, -5, 9, 9, 9), None))
put("webp-segments.webp", frame(26, 49, 18, 22, 0, 6, 3, 9, segments, 0, (-3, 0, 0, 0, 20, 0, 0, 0), 200))
put("webp-absolute.webp", frame(109, 33, 34, 50, 0, 0, 2, 9, [(3, 45), (40, 12), (None, 3), (18, None)], 1, None, 90))


def levels(h, w, seed, count):
    """A picture of few colours."""
    g = np.random.default_rng(seed)
    colours = g.integers(0, 256, (count, 3)).astype(np.uint8)
    y, x = np.mgrid[0:h, 0:w]
    index = (x // 5 + y // 3 * 7 + (g.random((h, w)) < 0.2) * g.integers(0, count, (h, w))) % count
    return Image.fromarray(colours[index])


save("webp-lossless-1x1.webp", scene(1, 1, 21), lossless=True)
save("webp-lossless-smooth.webp", scene(21, 27, 22, noise=0), lossless=True, quality=100, method=6)
save("webp-lossless-noise.webp", scene(17, 33, 23, noise=4), lossless=True, quality=90)
save("webp-lossless-alpha.webp", scene(14, 19, 24, noise=2, channels=4), lossless=True, exact=True)
for count in (2, 4, 13, 60):
    save("webp-lossless-%d.webp" % count, levels(13, 29, 30 + count, count), lossless=True, quality=80)
two = np.concatenate([np.array(scene(18, 40, 25, noise=0)), np.array(levels(18, 40, 26, 200))], axis=1)
save("webp-lossless-groups.webp", Image.fromarray(two), lossless=True, quality=100, method=6)
grey = np.array(scene(12, 17, 27, noise=9, channels=3))[..., :1].astype(int) + np.array([0, 3, -5])
save("webp-lossless-green.webp", Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)), lossless=True, quality=20)
