"""Test pictures of JPEG with the pixels that Pillow sees: jpeg.py DIRECTORY"""
import io
import pathlib
import sys

from PIL import Image

# A small JPEG encoder with any sampling and any scans, for what Pillow does not write.
import numpy as np
ZZ = sorted(range(64), key=lambda i: (i//8 + i%8, (i//8 if (i//8 + i%8) % 2 else i%8)))
T = np.array([[np.sqrt((1 if u == 0 else 2)/8)*np.cos((2*x+1)*u*np.pi/16) for x in range(8)] for u in range(8)])
class Bits:
    def __init__(self): self.s = []; 
    def put(self, v, n):
        if n: self.s.append(format(v & ((1 << n)-1), f"0{n}b"))
    def bytes(self):
        s = "".join(self.s); s += "1"*(-len(s) % 8)
        return b"".join(bytes([int(s[i:i+8], 2)]) + (b"\0" if s[i:i+8] == "1"*8 else b"") for i in range(0, len(s), 8))
def seg(m, b): return bytes([255, m]) + (len(b)+2).to_bytes(2, "big") + b
def size(v): return int(abs(int(v))).bit_length()
def low(v): return int(v) if v >= 0 else int(v) - 1
def encode(planes, shape, factors, quants, scans=None, progressive=False, restart=0, ids=(1, 2, 3), app=b"", wide=False, sof=None):
    """planes: arrays of full size [h, w] per component. scans: lists of (components, ss, se, ah, al)."""
    h, w = shape; n = len(planes); H = max(f[0] for f in factors); V = max(f[1] for f in factors)
    mx, my = -(-w//(8*H)), -(-h//(8*V))
    coefs, dims = [], []
    for p, (ch, cv), q in zip(planes, factors, quants):
        ax, ay = H//ch, V//cv
        p = np.pad(p.astype(float), ((0, my*8*V-h), (0, mx*8*H-w)), mode="edge")
        p = p.reshape(my*8*cv, ay, mx*8*ch, ax).mean((1, 3)) - 128
        b = p.reshape(my*cv, 8, mx*ch, 8).transpose(0, 2, 1, 3)
        c = np.round((T @ b @ T.T)/np.array(q).reshape(8, 8)).astype(int).reshape(my*cv, mx*ch, 64)[..., ZZ]
        coefs.append(np.clip(c, -1023, 1023))
        dims.append((-(-(-(-h*cv//V))//8), -(-(-(-w*ch//H))//8)))
    out = b"\xff\xd8" + app
    for i, q in enumerate(quants):
        z = [int(q[k]) for k in ZZ]
        out += seg(0xdb, bytes([i | 16*wide]) + (b"".join(v.to_bytes(2, "big") for v in z) if wide else bytes(z)))
    out += seg(sof or (0xc2 if progressive else 0xc1), bytes([8]) + h.to_bytes(2, "big") + w.to_bytes(2, "big") + bytes([n]) +
        b"".join(bytes([ids[i], factors[i][0]*16+factors[i][1], i]) for i in range(n)))
    out += seg(0xc4, bytes([0]) + bytes([0]*3+[12]+[0]*12) + bytes(range(12)))
    out += seg(0xc4, bytes([16]) + bytes([0]*8+[256 - 1]+[1]+[0]*6) + bytes(range(256)))
    if restart: out += seg(0xdd, restart.to_bytes(2, "big"))
    def ac(b, c, ss, se, ah, al):
        def put(sym): b.put(sym, 9) if sym < 255 else b.put(255*2, 10)
        v = [int(np.sign(x))*(abs(int(x)) >> al) for x in c]
        if ah == 0:
            nz = [k for k in range(ss, se+1) if v[k]]
            k = ss
            for j in nz:
                while j - k > 15: put(0xf0); k += 16
                s = size(v[j]); put((j-k)*16+s); b.put(low(v[j]), s); k = j+1
            if k <= se: put(0)
            return
        new = [k for k in range(ss, se+1) if abs(v[k]) == 1]
        k = ss
        for j in new:
            corr = []; zeros = 0
            for k in range(k, j):
                if abs(v[k]) > 1: corr.append(abs(v[k]) & 1)
                else:
                    if zeros == 15:
                        put(0xf0); [b.put(x, 1) for x in corr]; corr = []; zeros = 0
                    else: zeros += 1
            put(zeros*16+1); b.put(v[j] > 0, 1); [b.put(x, 1) for x in corr]; k = j+1
        if k <= se:
            put(0); [b.put(abs(v[x]) & 1, 1) for x in range(k, se+1) if abs(v[x]) > 1]
    for comps, ss, se, ah, al in scans or [(list(range(n)), 0, 63, 0, 0)]:
        out += seg(0xda, bytes([len(comps)]) + b"".join(bytes([ids[c], 0]) for c in comps) + bytes([ss, se, ah*16+al]))
        if len(comps) == 1:
            c = comps[0]; units = [[(c, y, x)] for y in range(dims[c][0]) for x in range(dims[c][1])]
        else:
            units = [[(c, y*factors[c][1]+v, x*factors[c][0]+u) for c in comps for v in range(factors[c][1]) for u in range(factors[c][0])]
                     for y in range(my) for x in range(mx)]
        b = Bits(); pred = {}
        for i, unit in enumerate(units):
            if restart and i and i % restart == 0:
                out += b.bytes() + bytes([255, 0xd0 + (i//restart-1) % 8]); b = Bits(); pred = {}
            for c, y, x in unit:
                z = coefs[c][y, x]
                if ss == 0:
                    if ah: b.put(int(z[0]) >> al & 1, 1)
                    else:
                        d = (int(z[0]) >> al) - pred.get(c, 0); pred[c] = int(z[0]) >> al
                        b.put(size(d), 4); b.put(low(d), size(d))
                if se > 0: ac(b, z, max(ss, 1), se, ah, al)
        out += b.bytes()
    return out + b"\xff\xd9"
JFIF = seg(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform):
    return seg(0xee, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def picture(seed, height, width, noise=6):
    """Smooth colours, a rectangle, noise. [height, width, 3]"""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    channels = []
    for _ in range(3):
        f = rng.uniform(0.05, 0.4, 3)
        c = 128 + 90 * np.sin(f[0] * x + f[1] * y + rng.uniform(0, 6)) + 25 * np.sin(3 * f[2] * (x - y))
        y0, x0 = rng.integers(0, height), rng.integers(0, width)
        c[y0:y0 + height // 3, x0:x0 + width // 3] = rng.choice([0, 255, 40])
        channels.append(c + rng.normal(0, noise, c.shape))
    return np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8)


def put(folder, name, data):
    pixels = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    height, width, _ = pixels.shape
    (folder / name).write_bytes(data)
    (folder / (name + ".ppm")).write_bytes(b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes())


def pillow(folder, name, seed, height, width, noise=6, grey=False, **options):
    image = Image.fromarray(picture(seed, height, width, noise))
    out = io.BytesIO()
    (image.convert("L") if grey else image).save(out, "JPEG", **options)
    put(folder, name, out.getvalue())


def own(folder, name, seed, height, width, factors, quant=16, **options):
    pixels = picture(seed, height, width)
    quants = [np.full(64, quant) + np.arange(64) // 4 for _ in factors]
    planes = [pixels[..., i] for i in range(len(factors))]
    put(folder, name, encode(planes, (height, width), factors, quants, **options))


def main(folder):
    folder = pathlib.Path(folder)
    pillow(folder, "jpeg_1x1.jpg", 1, 1, 1)
    pillow(folder, "jpeg_narrow.jpg", 2, 9, 3, quality=90, subsampling=2)
    pillow(folder, "jpeg_narrow_422.jpg", 3, 3, 4, quality=90, subsampling=1)
    pillow(folder, "jpeg_444.jpg", 4, 17, 33, quality=85, subsampling=0)
    pillow(folder, "jpeg_422_restarts.jpg", 5, 19, 35, quality=80, subsampling=1, restart_marker_blocks=2)
    pillow(folder, "jpeg_420.jpg", 6, 24, 40, quality=75, subsampling=2, optimize=True)
    pillow(folder, "jpeg_420_odd.jpg", 7, 35, 19, quality=92, subsampling=2)
    pillow(folder, "jpeg_best.jpg", 8, 7, 11, noise=60, quality=100, subsampling=0)
    pillow(folder, "jpeg_worst.jpg", 9, 18, 18, noise=90, quality=2, subsampling=2)
    pillow(folder, "jpeg_grey.jpg", 10, 13, 21, grey=True, quality=85)
    pillow(folder, "jpeg_grey_progressive.jpg", 11, 13, 21, grey=True, quality=85, progressive=True)
    pillow(folder, "jpeg_rgb.jpg", 12, 10, 12, quality=85, keep_rgb=True)
    pillow(folder, "jpeg_progressive.jpg", 13, 35, 21, noise=20, quality=85, subsampling=2, progressive=True)
    pillow(folder, "jpeg_progressive_restarts.jpg", 14, 17, 25, noise=20, quality=85, subsampling=1, progressive=True,
           restart_marker_blocks=3)
    own(folder, "jpeg_440.jpg", 20, 19, 13, [(1, 2), (1, 1), (1, 1)], app=JFIF)
    own(folder, "jpeg_411.jpg", 21, 11, 35, [(4, 1), (1, 1), (1, 1)], app=JFIF)
    own(folder, "jpeg_luma_is_less.jpg", 22, 19, 18, [(1, 1), (2, 2), (1, 2)])
    own(folder, "jpeg_444_tall_units.jpg", 23, 18, 9, [(1, 2)] * 3)
    own(folder, "jpeg_422_square_units.jpg", 24, 18, 18, [(2, 2), (1, 2), (1, 2)], app=adobe(1))
    own(folder, "jpeg_scans.jpg", 25, 18, 18, [(2, 2), (1, 1), (1, 1)], app=JFIF, restart=2,
        scans=[([c], 0, 63, 0, 0) for c in (2, 0, 1)])
    own(folder, "jpeg_two_scans.jpg", 26, 10, 18, [(2, 1), (1, 1), (1, 1)], ids=(0, 1, 2),
        scans=[([0], 0, 63, 0, 0), ([1, 2], 0, 63, 0, 0)])
    own(folder, "jpeg_named_rgb.jpg", 27, 10, 9, [(1, 1)] * 3, ids=(82, 71, 66))
    own(folder, "jpeg_jfif_is_not_rgb.jpg", 28, 5, 9, [(1, 1)] * 3, ids=(82, 71, 66), app=JFIF + adobe(0))
    own(folder, "jpeg_wide_steps.jpg", 29, 10, 9, [(1, 1)] * 3, wide=True, quant=250)
    own(folder, "jpeg_progressive_scans.jpg", 30, 18, 11, [(1, 2), (1, 1), (1, 1)], progressive=True, quant=2, scans=[
        ([0, 1, 2], 0, 0, 0, 1), ([0], 1, 9, 0, 2), ([0], 10, 63, 0, 0), ([1], 1, 63, 0, 1), ([2], 1, 63, 0, 0),
        ([0, 1, 2], 0, 0, 1, 0), ([0], 1, 9, 2, 1), ([1], 1, 63, 1, 0), ([0], 1, 9, 1, 0)])


main(*sys.argv[1:])
