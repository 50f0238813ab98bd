"""Test pictures of JPEG 2000 with the pixels that Pillow sees: jpeg2000.py DIRECTORY. Pillow has no option for styles of code-blocks, SOP and EPH, or tile-parts: a small shim, loaded before, sets
them in the encoder's parameters (built from SHIM below)."""
import io, os, subprocess, sys
SHIM = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
typedef struct { int32_t n[37]; } poc;
typedef struct {
    int32_t tile_size_on, tx0, ty0, tdx, tdy, disto, fixed, quality;
    int *matrice; char *comment;
    int32_t csty, order; poc pocs[32]; uint32_t numpocs; int32_t layers;
    float rates[100], ratios[100];
    int32_t resolutions, w, h, mode, irreversible, roi_comp, roi_shift, res_spec, pw[33], ph[33];
    char infile[4096], outfile[4096]; int32_t index_on; char index[4096];
    int32_t ox, oy, sx, sy, decod, cod;
    int32_t epc, hprot, a[16], b[16], c[16], d[16], e[16], sens, addr, range, mh, f[16], g[16];
    int32_t cinema, max_comp, cp_rsiz; char tp_on, tp_flag, mct;
} parameters;
int opj_setup_encoder(void *codec, parameters *p, void *image)
{
    int (*real)(void *, parameters *, void *) = (int (*)(void *, parameters *, void *))dlsym(RTLD_NEXT, "opj_setup_encoder");
    if (!real) { real = (int (*)(void *, parameters *, void *))dlsym(dlopen(getenv("J2K_LIB"), RTLD_NOW), "opj_setup_encoder"); }
    const char *v = getenv("J2K_MODE");
    if (v) p->mode = atoi(v);
    if ((v = getenv("J2K_CSTY"))) p->csty |= atoi(v);
    if ((v = getenv("J2K_PARTS"))) { p->tp_on = 1; p->tp_flag = *v; }
    return real(codec, p, image);
}
'''
if 'J2K_LIB' not in os.environ:
    import glob, tempfile, PIL
    shim = os.path.join(tempfile.mkdtemp(), 'shim.so')
    subprocess.run(['gcc', '-shared', '-fPIC', '-x', 'c', '-', '-o', shim, '-ldl'], input=SHIM.encode(), check=True)
    lib = glob.glob(os.path.join(os.path.dirname(PIL.__file__), '..', 'pillow.libs', 'libopenjp2*'))[0]
    os.execve(sys.executable, [sys.executable] + sys.argv, dict(os.environ, J2K_LIB=lib, LD_PRELOAD=shim))
import numpy as np
from PIL import Image
OUT = sys.argv[1]
def picture(h, w, n, seed, noise=6):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w]
    planes = []
    for c in range(n):
        a = 128 + 90 * np.sin(x / (6 + 9 * rng.random()) + c) * np.cos(y / (6 + 9 * rng.random()))
        r = max(h, w) / 3
        a = np.where((x - w * rng.random()) ** 2 + (y - h * rng.random()) ** 2 < r * r, 255 * rng.random(), a)
        planes.append(a + rng.normal(0, noise, (h, w)))
    a = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return Image.fromarray(a[..., 0] if n == 1 else a, {1: 'L', 2: 'LA', 3: 'RGB', 4: 'RGBA'}[n])
def put(name, f, rgb=None):
    if rgb is None:
        rgb = np.array(Image.open(io.BytesIO(f)).convert('RGB'))
    open(f'{OUT}/{name}', 'wb').write(f)
    open(f'{OUT}/{name}.ppm', 'wb').write(b'P6\n%d %d\n255\n' % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes())
def coded(im, mode=0, marks=0, parts='', **o):
    os.environ['J2K_MODE'], os.environ['J2K_CSTY'] = str(mode), str(marks)
    os.environ.pop('J2K_PARTS', None)
    if parts:
        os.environ['J2K_PARTS'] = parts
    b = io.BytesIO()
    im.save(b, 'JPEG2000', irreversible=False, **o)
    return b.getvalue()
def make(name, im, **o):
    put(f'jpeg2000_{name}', coded(im, **o))
big = lambda n, k: n.to_bytes(k, 'big')

make('1x1.jp2', picture(1, 1, 3, 1))
make('1x9.j2k', picture(9, 1, 3, 2), no_jp2=True)
make('grey.jp2', picture(17, 33, 1, 3))
make('grey_alpha.jp2', picture(9, 13, 2, 4))
make('alpha.jp2', picture(13, 22, 4, 5), mct=1)
make('plain.j2k', picture(14, 29, 3, 6), no_jp2=True, mct=0, num_resolutions=1)
for i, order in enumerate(['LRCP', 'RLCP', 'RPCL', 'PCRL', 'CPRL']):
    make(f'{order.lower()}.j2k', picture(19, 27 + i, 3, 10 + i, 3), no_jp2=True, progression=order, num_resolutions=3, mct=1,
         precinct_size=(16, 8 << i % 2), quality_mode='rates', quality_layers=[20, 9, 4] if i else [20, 9, 5], marks=[0, 2, 4, 6, 6][i])
make('lossy.jp2', picture(37, 45, 1, 20, 12), quality_mode='dB', quality_layers=[24, 31], num_resolutions=5)
make('tiles.j2k', picture(23, 29, 3, 21), no_jp2=True, tile_size=(13, 12), offset=(7, 5), tile_offset=(3, 2), progression='PCRL')
make('parts.jp2', picture(24, 24, 3, 22, 2), parts='R', progression='RPCL', marks=6, quality_layers=[12, 3], quality_mode='rates', plt=True)
make('blocks.j2k', picture(21, 21, 1, 23), no_jp2=True, codeblock_size=(8, 4), quality_mode='rates', quality_layers=[9, 5, 3])
noisy = picture(17, 17, 1, 30, 40)
for name, mode in (('bypass', 1), ('reset', 2), ('terminated', 4), ('causal', 8), ('predictable', 16), ('segments', 32), ('all', 63)):
    make(f'{name}.j2k', noisy, mode=mode, no_jp2=True, quality_mode='rates', quality_layers=[4, 0])
make('bypass_terminated.j2k', noisy, mode=5, no_jp2=True, quality_mode='rates', quality_layers=[4, 2.5, 1.6])

# What this encoder does not write: components' own markers, a tile's own markers, other lengths.
im = picture(16, 20, 3, 40, 2)
f = coded(im, no_jp2=True, num_resolutions=3, codeblock_size=(8, 16), mct=1)
cod, qcd, sot = f.index(b'\xff\x52'), f.index(b'\xff\x5c'), f.index(b'\xff\x90')
cods, qcds = f[cod:qcd], f[qcd:qcd + 2 + int.from_bytes(f[qcd + 2:qcd + 4], 'big')]
wrong_cod = cods[:9] + b'\x01\x04\x04\x3f\x01'
wrong_qcd = qcds[:4] + bytes([0x20]) + bytes(len(qcds) - 5)
coc = [b'\xff\x53' + big(9, 2) + bytes([c]) + b'\0' + cods[9:] for c in range(3)]
qcc = [b'\xff\x5d' + big(len(qcds) - 1, 2) + bytes([c]) + qcds[4:] for c in range(3)]
own = cods[:9] + b'\x01\x03\x04\x00\x01' + coc[2] + coc[0] + coc[1] + qcds
length = int.from_bytes(f[sot + 6:sot + 10], 'big')
rest = f[qcd + len(qcds):]
# Pillow needs COC behind COD; the standard does not.
plain = f[:cod] + wrong_cod + coc[0] + coc[1] + coc[2] + wrong_qcd + qcc[0] + qcc[1] + qcc[2] + rest
assert (np.array(Image.open(io.BytesIO(plain))) == np.array(im)).all()
put('jpeg2000_components.j2k', f[:cod] + coc[1] + wrong_cod + qcc[0] + wrong_qcd + qcc[1] + qcc[2] + coc[0] + coc[2] + rest, np.array(im))
bad = f[:cod] + wrong_cod + wrong_qcd + rest[:sot - qcd - len(qcds)]
put('jpeg2000_tile_markers.j2k', bad + f[sot:sot + 6] + big(length + len(own), 4) + f[sot + 10:sot + 12] + own + f[sot + 12:], np.array(im))
if 1: assert (np.array(Image.open(f'{OUT}/jpeg2000_tile_markers.j2k')) == np.array(im)).all()
f = coded(picture(8, 11, 3, 41), num_resolutions=2)
box = f.index(b'jp2c') - 4
sot = f.index(b'\xff\x90\0\x0a')
f = f[:sot + 6] + bytes(4) + f[sot + 10:]
put('jpeg2000_long_box.jp2', f[:box] + big(1, 4) + b'jp2c' + big(len(f) - box + 8, 8) + f[box + 8:])
put('jpeg2000_last_box.jp2', f[:box] + bytes(4) + f[box + 4:])
