"""The pictures of ONNX's tests of ImageDecoder, one of each format, with what they expect: suite.py ARCHIVE DIRECTORY, the archive being
crates/teff-onnx/tests/data/onnx-backend-tests.tar.gz."""
import sys, tarfile
from onnx import TensorProto, numpy_helper

ENDINGS = {"bmp": "bmp", "jpeg": "jpg", "jpeg2k": "jp2", "png": "png", "pnm": "pnm", "tiff": "tiff", "webp": "webp"}
archive, out = tarfile.open(sys.argv[1]), sys.argv[2]
members = {name.removeprefix("./"): name for name in archive.getnames()}


def tensor(test, name):
    t = TensorProto()
    t.ParseFromString(archive.extractfile(members[f"node/test_image_decoder_decode_{test}_rgb/test_data_set_0/{name}.pb"]).read())
    return numpy_helper.to_array(t)


for test, ending in ENDINGS.items():
    pixels = tensor(test, "output_0")
    with open(f"{out}/onnx.{ending}", "wb") as f:
        f.write(tensor(test, "input_0").tobytes())
    with open(f"{out}/onnx.{ending}.ppm", "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes())
