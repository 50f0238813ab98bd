"""Test pictures of PNG, PNM, BMP and TIFF with the pixels that Pillow sees: plain.py DIRECTORY"""
import io, os, struct, sys, zlib
import numpy as np
from PIL import Image

OUT = sys.argv[1]
os.makedirs(OUT, exist_ok=True)


def ppm(rgb):
    return b"P6\n%d %d\n255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()


def save(name, data, expected=None):
    seen = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    if expected is not None:
        assert np.array_equal(seen, expected), name
    open(f"{OUT}/{name}", "wb").write(data)
    open(f"{OUT}/{name}.ppm", "wb").write(ppm(seen))


def picture(w, h, channels, seed, most=255):
    """Smooth, with edges and noise in a part of it."""
    r = np.random.RandomState(seed)
    y, x = np.mgrid[0:h, 0:w]
    out = np.zeros((h, w, channels))
    for c in range(channels):
        out[..., c] = 0.5 + 0.4 * np.sin(x * (0.2 + 0.1 * c) + 0.3 * c) * np.cos(y * (0.3 - 0.05 * c))
    out[(x - w / 2) ** 2 + (y - h / 2) ** 2 < h * h / 9] = r.rand(channels)
    out[:, w // 2 :] += 0.3 * (r.rand(h, w - w // 2, channels) - 0.5)
    return np.clip(np.round(out * most), 0, most).astype(np.int64)


# PNG

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def row_bytes(row, bits):
    flat = row.reshape(-1)
    if bits == 16:
        return flat.astype(">u2").tobytes()
    if bits == 8:
        return flat.astype(np.uint8).tobytes()
    all_bits = ((flat[:, None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(-1).astype(np.uint8)
    return np.packbits(all_bits).tobytes()


def filtered(rows, step, first):
    out, above = b"", bytes(len(rows[0]) if rows else 0)
    for n, row in enumerate(rows):
        kind = (n + first) % 5
        line = bytearray([kind])
        for i, b in enumerate(row):
            left = row[i - step] if i >= step else 0
            up = above[i]
            corner = above[i - step] if i >= step else 0
            p = left + up - corner
            near = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
            line.append((b - [0, left, up, (left + up) // 2, near][kind]) & 255)
        out += line
        above = row
    return out


def png(samples, bits, colour, palette=None, interlaced=False, level=9, strategy=0, wbits=15, parts=1, extra=b""):
    h, w, channels = samples.shape
    step = max(1, channels * bits // 8)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for n, (x, y, dx, dy) in enumerate(passes if interlaced else [(0, 0, 1, 1)]):
        part = samples[y::dy, x::dx]
        if part.size:
            raw += filtered([row_bytes(r, bits) for r in part], step, n + 1)
    z = zlib.compressobj(level, zlib.DEFLATED, wbits, 9, strategy)
    data = z.compress(raw) + z.flush()
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, int(interlaced)))
    out += extra
    if palette is not None:
        out += chunk(b"PLTE", palette)
    cuts = [0] + [len(data) * n // parts for n in range(1, parts)] + [len(data)]
    for n in range(parts):
        out += chunk(b"IDAT", data[cuts[n] : cuts[n + 1]])
        if n == 0 and parts > 1:
            out += chunk(b"IDAT", b"")
    return out + chunk(b"IEND", b"")


def colours(count, seed):
    return np.random.RandomState(seed).randint(0, 256, 3 * count).astype(np.uint8).tobytes()


text = chunk(b"tEXt", b"Comment\0IDAT is not here") + chunk(b"gAMA", struct.pack(">I", 45455))
rgb = picture(29, 14, 3, 1)
save("png_rgb8.png", png(rgb, 8, 2, parts=7, extra=text), rgb)
save("png_rgb8_interlaced.png", png(picture(17, 13, 3, 2), 8, 2, interlaced=True), picture(17, 13, 3, 2))
save("png_rgb8_stored.png", png(picture(7, 5, 3, 3), 8, 2, level=0), picture(7, 5, 3, 3))
save("png_rgb8_fixed.png", png(picture(9, 7, 3, 4), 8, 2, strategy=zlib.Z_FIXED))
save("png_rgb8_runs.png", png(picture(9, 7, 3, 4) // 64 * 64, 8, 2, strategy=zlib.Z_RLE))
save("png_rgba8.png", png(picture(17, 9, 4, 5), 8, 6, parts=3), picture(17, 9, 4, 5)[..., :3])
save("png_rgba8_interlaced.png", png(picture(9, 10, 4, 6), 8, 6, interlaced=True))
save("png_rgb16.png", png(picture(15, 9, 3, 7, 65535), 16, 2, wbits=9), picture(15, 9, 3, 7, 65535) >> 8)
save("png_rgba16_interlaced.png", png(picture(17, 9, 4, 8, 65535), 16, 6, interlaced=True, wbits=9))
save("png_grey_alpha8.png", png(picture(9, 7, 2, 9), 8, 4))
save("png_grey_alpha16.png", png(picture(9, 7, 2, 10, 65535), 16, 4))
save("png_1x1.png", png(picture(1, 1, 1, 11), 8, 0))
save("png_1x1_interlaced.png", png(picture(1, 1, 3, 12), 8, 2, interlaced=True))
for bits in (1, 2, 4, 8):
    samples = picture(9, 7, 1, 20 + bits, (1 << bits) - 1)
    save(f"png_grey{bits}.png", png(samples, bits, 0))
    save(f"png_grey{bits}_interlaced.png", png(samples, bits, 0, interlaced=True))
    save(f"png_palette{bits}.png", png(samples, bits, 3, colours(1 << bits, bits), interlaced=bits == 2))
save("png_palette_short.png", png(picture(7, 5, 1, 30, 15), 8, 3, colours(9, 30)))
b = io.BytesIO()
Image.fromarray(picture(20, 15, 3, 31).astype(np.uint8)).quantize(16).save(b, "PNG", optimize=True)
save("png_pillow_palette.png", b.getvalue())

# PNM

def plain(samples, per_line=11):
    flat = [str(v) for v in samples.reshape(-1)]
    return "\n".join(" ".join(flat[i : i + per_line]) for i in range(0, len(flat), per_line)).encode() + b"\n"


bit = picture(9, 7, 1, 40, 1)
save("pnm_p1.pbm", b"P1\n# bits\n9 7 # width and height\n" + plain(bit), (255 * (1 - bit)).repeat(3, 2))
save("pnm_p1_close.pbm", b"P1 9 7\n" + plain(bit, 9).replace(b" ", b"")[:40] + b"#x1\n" + plain(bit, 9).replace(b" ", b"")[40:])
save("pnm_p2.pgm", b"P2\n7\t5\n# most\n9\n" + plain(picture(7, 5, 1, 41, 9)).replace(b"\n", b"\r\n# 1 2\r\n", 1))
save("pnm_p3.ppm", b"P3\r\n7 5\r\n255\r\n" + plain(picture(7, 5, 3, 42)))
save("pnm_p4.pbm", b"P4\n#a\n#b\n9 7\n" + b"".join(row_bytes(r, 1) for r in bit), (255 * (1 - bit)).repeat(3, 2))
save("pnm_p5.pgm", b"P5 9 7 255\n" + picture(9, 7, 1, 43).astype(np.uint8).tobytes())
save("pnm_p5_6.pgm", b"P5 7 5 6\n" + picture(7, 5, 1, 44, 6).astype(np.uint8).tobytes())
save("pnm_p6_100.ppm", b"P6\n9 7\n100\n" + picture(9, 7, 3, 45, 104).astype(np.uint8).tobytes())

# BMP

def bmp(samples, bits, palette=b"", kind=0, header=40, masks=b"", down=False, count=0):
    h, w = samples.shape[:2]
    rows = []
    for row in samples:
        if bits == 24:
            line = row[:, ::-1].astype(np.uint8).tobytes()
        elif bits > 8:
            line = row.reshape(-1).astype(f"<u{bits // 8}").tobytes()
        else:
            line = row_bytes(row, bits)
        rows.append(line + bytes(-len(line) % 4))
    data = b"".join(rows if down else rows[::-1])
    if header == 12:
        head = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, w, -h if down else h, 1, bits, kind, len(data), 2835, 2835, count, 0)
        head += masks
        head += bytes(max(0, header - len(head)))
    at = 14 + len(head) + len(palette) + 2
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + head + palette + b"\0\0" + data


def packed(samples, shifts, most, alpha=0):
    out = np.full(samples.shape[:2], alpha, np.int64)
    for c in range(3):
        out |= (samples[..., c] * most[c] // 255) << shifts[c]
    return out


def four(palette):
    return b"".join(palette[i : i + 3] + b"\0" for i in range(0, len(palette), 3))


for bits in (1, 4, 8):
    samples = picture(9, 7, 1, 50 + bits, (1 << bits) - 1)
    few = bits == 8
    samples = samples % 40 if few else samples
    save(f"bmp_{bits}.bmp", bmp(samples, bits, four(colours(40 if few else 1 << bits, 50 + bits)), count=40 if few else 0, down=bits == 4))
save("bmp_4_old.bmp", bmp(picture(7, 5, 1, 55, 15), 4, colours(16, 55), header=12))
save("bmp_24_old.bmp", bmp(picture(7, 5, 3, 56), 24, header=12))
save("bmp_short_palette.bmp", bmp(picture(7, 5, 1, 57, 15), 8, four(colours(5, 57)), count=5))
rgb = picture(9, 7, 3, 58)
save("bmp_24.bmp", bmp(rgb, 24), rgb)
save("bmp_24_down.bmp", bmp(rgb[:4, :5], 24, down=True), rgb[:4, :5])
save("bmp_16.bmp", bmp(packed(rgb, (10, 5, 0), (31, 31, 31)), 16))
m = lambda *v: struct.pack("<%dI" % len(v), *v)
save("bmp_16_masks.bmp", bmp(packed(rgb, (11, 5, 0), (31, 63, 31)), 16, kind=3, masks=m(0xF800, 0x7E0, 0x1F)))
save("bmp_32.bmp", bmp(packed(rgb, (16, 8, 0), (255,) * 3, 0x55 << 24), 32), rgb)
save("bmp_32_masks.bmp", bmp(packed(rgb, (24, 16, 8), (255,) * 3), 32, kind=3, masks=m(0xFF000000, 0xFF0000, 0xFF00)), rgb)
save("bmp_32_masks_v5.bmp", bmp(packed(rgb[:4, :5], (0, 8, 16), (255,) * 3, 0x80 << 24), 32, kind=3, header=124,
     masks=m(0xFF, 0xFF00, 0xFF0000, 0xFF000000), down=True))
save("bmp_32_no_masks.bmp", bmp(packed(rgb[:4, :5], (16, 8, 0), (255,) * 3), 32, kind=3, header=56, masks=bytes(16)))
b = io.BytesIO()
Image.fromarray(picture(15, 8, 4, 59).astype(np.uint8), "RGBA").save(b, "BMP")
save("bmp_pillow_rgba.bmp", b.getvalue())

# TIFF

def packbits(rows):
    """Runs and bytes as they are, now and then the byte that does nothing."""
    out = b""
    for n, row in enumerate(rows):
        i = 0
        if n % 3 == 1:
            out += b"\x80"
        while i < len(row):
            run = 1
            while run < 128 and i + run < len(row) and row[i + run] == row[i]:
                run += 1
            if run > 2:
                out += bytes([257 - run, row[i]])
                i += run
                continue
            j = i
            while j < len(row) and j - i < 128 and row[j : j + 3] != row[j : j + 1] * 3:
                j += 1
            out += bytes([j - i - 1]) + row[i:j]
            i = j
    return out


def tiff(samples, bits, kind, order="<", compression=1, rows_per_strip=None, extra=None, palette=None, drop=(), wide=False, fields={}):
    h, w, channels = samples.shape
    rows = []
    for row in samples:
        rows.append(row.reshape(-1).astype(order + "u2").tobytes() if bits == 16 else row_bytes(row, bits))
    step = rows_per_strip or h
    strips = [rows[i : i + step] for i in range(0, h, step)]
    strips = [packbits(s) if compression == 32773 else b"".join(s) for s in strips]
    out = b"II*\0" if order == "<" else b"MM\0*"
    body, offsets = b"", []
    for s in strips:
        offsets.append(8 + len(body))
        body += s + bytes(len(s) % 2)
    long = "I" if wide else "H"
    entries = {256: ("H", [w]), 257: ("I", [h]), 258: ("H", [bits] * channels), 259: ("H", [compression]), 262: ("H", [kind]),
        273: (long, offsets), 277: ("H", [channels]), 278: (long, [step]), 279: (long, [len(s) for s in strips]), 284: ("H", [1])}
    if extra is not None:
        entries[338] = ("H", extra)
    if palette is not None:
        entries[320] = ("H", palette)
    entries.update(fields)
    for tag in drop:
        del entries[tag]
    at = 8 + len(body)
    directory, behind = struct.pack(order + "H", len(entries)), b""
    start = at + 2 + 12 * len(entries) + 4
    for tag in sorted(entries):
        form, values = entries[tag]
        data = struct.pack(order + form * len(values), *values)
        directory += struct.pack(order + "HHI", tag, {"B": 1, "H": 3, "I": 4}[form], len(values))
        if len(data) <= 4:
            directory += data.ljust(4, b"\0")
        else:
            directory += struct.pack(order + "I", start + len(behind))
            behind += data + bytes(len(data) % 2)
    return out + struct.pack(order + "I", at) + body + directory + bytes(4) + behind


def map16(bits, seed):
    return [int(v) for v in np.random.RandomState(seed).randint(0, 65536, 3 << bits)]


PACKED = 32773
rgb = picture(21, 13, 3, 60)
rgb[4:9, 3:16] = rgb[4, 3]
save("tiff_rgb_packed.tiff", tiff(rgb, 8, 2, compression=PACKED, rows_per_strip=5), rgb)
rgb = rgb[2:9, :11]
save("tiff_rgb_big.tiff", tiff(rgb, 8, 2, order=">", rows_per_strip=4, wide=True), rgb)
save("tiff_rgb_packed_big.tiff", tiff(rgb, 8, 2, order=">", compression=PACKED, rows_per_strip=2), rgb)
save("tiff_rgb_one_strip.tiff", tiff(rgb[:4, :5], 8, 2, drop=(278, 284)), rgb[:4, :5])
save("tiff_rgbx.tiff", tiff(picture(7, 5, 4, 61), 8, 2, extra=[0]))
save("tiff_rgba.tiff", tiff(picture(7, 5, 4, 62), 8, 2, order=">", extra=[2]))
save("tiff_rgbaxx.tiff", tiff(picture(7, 5, 6, 63), 8, 2, extra=[2, 0, 0]))
save("tiff_rgb16.tiff", tiff(picture(7, 5, 3, 64, 65535), 16, 2))
save("tiff_rgb16_big.tiff", tiff(picture(7, 5, 3, 65, 65535), 16, 2, order=">"))
save("tiff_rgba16_packed.tiff", tiff(picture(7, 5, 4, 66, 65535), 16, 2, compression=PACKED, extra=[2]))
save("tiff_grey_alpha.tiff", tiff(picture(7, 5, 2, 67), 8, 1, extra=[2]))
save("tiff_1x1.tiff", tiff(picture(1, 1, 3, 68), 8, 2))
for bits in (1, 2, 4, 8):
    samples = picture(9, 7, 1, 70 + bits, (1 << bits) - 1)
    save(f"tiff_grey{bits}.tiff", tiff(samples, bits, 1, rows_per_strip=4, compression=PACKED if bits == 1 else 1))
    save(f"tiff_grey{bits}_white.tiff", tiff(samples[:5, :7], bits, 0, order=">", compression=PACKED if bits == 4 else 1))
    if bits < 8:
        save(f"tiff_palette{bits}.tiff", tiff(samples[:5, :7], bits, 3, order="<>"[bits % 4 > 0], palette=map16(bits, bits)))
save("tiff_palette_packed.tiff", tiff(samples % 30, 8, 3, palette=map16(8, 9), compression=PACKED))

# Larger than 4 bytes a pixel, and too small for the largest window.
depth = np.random.default_rng(5).integers(0, 65536, (9, 11, 3)).astype(">u2")
depth[3:] = depth[2]
rows = b"".join(b"\0" + row.tobytes() for row in depth)
head = struct.pack(">IIBBBBB", 11, 9, 16, 2, 0, 0, 0)
small = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
save("png_rgb16_small.png", b"\x89PNG\r\n\x1a\n" + small, (depth >> 8).astype(np.uint8))
