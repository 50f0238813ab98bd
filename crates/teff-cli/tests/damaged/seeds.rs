//! Small files of every kind, in order.

use flate2::read::GzDecoder;
use std::io::Read;
use std::path::{Path, PathBuf};

#[path = "../../../teff-data/tests/common/mod.rs"]
mod files;

/// What a file is, and how it is damaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Onnx,
    /// The same, damaged in its structure.
    OnnxStructure,
    Tflite,
    TfliteStructure,
    Npy,
    Npz,
    Idx,
    Picture,
    Toml,
    Checkpoint,
    Program,
    Board,
    Recording,
}

impl Kind {
    /// Networks come more often: there is most behind them.
    pub(crate) const ALL: [Kind; 20] = [
        Kind::OnnxStructure,
        Kind::TfliteStructure,
        Kind::OnnxStructure,
        Kind::Onnx,
        Kind::OnnxStructure,
        Kind::TfliteStructure,
        Kind::OnnxStructure,
        Kind::Tflite,
        Kind::OnnxStructure,
        Kind::TfliteStructure,
        Kind::Npy,
        Kind::Npz,
        Kind::Idx,
        Kind::Picture,
        Kind::Toml,
        Kind::Toml,
        Kind::Checkpoint,
        Kind::Program,
        Kind::Board,
        Kind::Recording,
    ];

    /// Whether a seed of kind `self` serves for `other`.
    pub(crate) fn is(self, other: Kind) -> bool {
        let plain = |kind| match kind {
            Kind::OnnxStructure => Kind::Onnx,
            Kind::TfliteStructure => Kind::Tflite,
            kind => kind,
        };
        plain(self) == plain(other)
    }
}

pub(crate) struct Seed {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Files of more bytes would take long, and damage would mostly hit weights.
const LARGEST: usize = 60_000;

pub(crate) fn all() -> Vec<Seed> {
    let mut all = Vec::new();
    let mut put = |kind: Kind, name: &str, bytes: Vec<u8>| {
        if bytes.len() <= LARGEST {
            all.push(Seed { kind, name: name.into(), bytes });
        }
    };
    let onnx = sibling("teff-onnx/tests/data");
    for archive in ["onnx-backend-tests.tar.gz", "scikit-learn.tar.gz"] {
        archived(&onnx.join(archive))
            .into_iter()
            .filter(|(n, _)| n.ends_with(".onnx"))
            .for_each(|(n, b)| put(Kind::Onnx, &n, b));
    }
    let tflite = sibling("teff-tflite/tests/data");
    let operators = archived(&tflite.join("operators.tar.gz"));
    operators.into_iter().filter(|(n, _)| n.ends_with(".tflite")).for_each(|(n, b)| put(Kind::Tflite, &n, b));
    for (folder, kind, ending) in [
        (onnx.join("models"), Kind::Onnx, "onnx"),
        (onnx.join("exports"), Kind::Onnx, "onnx"),
        (tflite.join("models"), Kind::Tflite, "tflite"),
        (sibling("teff-rp2040/tests/corpus"), Kind::Program, "elf"),
        (sibling("teff/src/model/presets"), Kind::Toml, "toml"),
        (sibling("teff-data/tests/data"), Kind::Picture, "jpg"),
    ] {
        for path in within(&folder) {
            if path.extension().is_some_and(|e| e == ending) {
                put(kind, &path.file_name().unwrap().to_string_lossy(), std::fs::read(&path).unwrap());
            }
        }
    }
    small(&mut put);
    all
}

fn small(put: &mut impl FnMut(Kind, &str, Vec<u8>)) {
    let floats = |n: usize| files::le(&(0..n).map(|i| i as f32 / 7.0).collect::<Vec<_>>(), f32::to_le_bytes);
    let x = files::npy("<f4", "(6, 1, 4, 4)", &floats(96));
    let y = files::npy("<i8", "(6,)", &files::le(&[0i64, 1, 0, 1, 1, 0], i64::to_le_bytes));
    put(Kind::Npy, "1.npy", files::npy_with(1, "<f4", "False", "(3, 4)", &floats(12)));
    put(Kind::Npy, "2.npy", files::npy_with(2, ">i2", "False", "(7,)", &files::pixels(14)));
    put(Kind::Npy, "3.npy", files::npy_with(3, "|b1", "False", "()", &[1]));
    for deflated in [false, true] {
        put(Kind::Npz, "xy.npz", files::zip(&[("x.npy", x.clone()), ("y.npy", y.clone())], deflated));
    }
    let images = files::idx(8, &[6, 3, 5], &files::pixels(90));
    put(Kind::Idx, "images.gz", files::gz(&images));
    put(Kind::Idx, "images", images);
    put(Kind::Picture, "grey.png", files::png(5, 4, 1, &files::pixels(20)));
    put(Kind::Picture, "colour.png", files::png(5, 4, 3, &files::pixels(60)));
    put(Kind::Picture, "p5.pgm", [b"P5 5 4 255\n".to_vec(), files::pixels(20)].concat());
    put(Kind::Picture, "p3.ppm", b"P3\n# text\n2 2\n15\n0 1 2 3 4 5 6 7 8 9 10 11\n".to_vec());
    put(Kind::Picture, "film.gif", gif());
    put(Kind::Toml, "all.toml", ALL_LAYERS.into());
    put(Kind::Toml, "sequence.toml", SEQUENCE.into());
    put(Kind::Checkpoint, "weights.safetensors", checkpoint());
    put(Kind::Program, "blocks.uf2", uf2());
    put(Kind::Program, "hex", b":020000041000EA\n:0400000001020304F2\n:00000001FF\n".to_vec());
    put(Kind::Program, "raw", files::pixels(600));
    put(Kind::Board, "all.board", BOARD.into());
    put(Kind::Recording, "motion.csv", b"0,0,0,1,0,0,0,20,0,40\n0.5,1,-0.5,0,10,20,30,20,0,40\n".to_vec());
    put(Kind::Recording, "sound.wav", wav());
}

fn sibling(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// All files of a folder and of those in it.
fn within(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
        if path.is_dir() { all.extend(within(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// The files of a compressed archive.
fn archived(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).trim_end_matches('\0').to_string();
    let (mut all, mut at) = (Vec::new(), 0);
    while bytes.get(at).is_some_and(|&b| b != 0) {
        let header = &bytes[at..at + 512];
        let size = usize::from_str_radix(text(&header[124..136]).trim(), 8).unwrap();
        let name = format!("{}/{}", text(&header[345..500]), text(&header[..100]));
        // What is a link there is in the archive once more.
        if header[156] != b'1' && size > 0 {
            all.push((name, bytes[at + 512..at + 512 + size].to_vec()));
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    all
}

fn gif() -> Vec<u8> {
    let head = b"GIF89a\x02\0\x04\0\x81\0\0\0\0\0\xff\xff\xff\x80\x80\x80\x40\x40\x40".to_vec();
    let rest = b"\x21\xf9\x04\x05\x05\0\x01\0\x2c\0\0\0\0\x02\0\x04\0\x40\x02\x05\x04\x12\x85\x8b\x05\0\x3b";
    [head, rest.to_vec()].concat()
}

fn wav() -> Vec<u8> {
    let head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\0\0\0\x02\0\x10\0data\x08\0\0\0";
    [head.to_vec(), vec![1, 2, 3, 4, 5, 6, 7, 8]].concat()
}

fn uf2() -> Vec<u8> {
    let mut all = Vec::new();
    for block in 0..2 {
        let mut bytes = Vec::new();
        for word in [0x0a32_4655, 0x9e5d_5157, 0x2000, 0x1000_0000 + 256 * block, 256, block, 2, 0xe48b_ff56]
        {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.resize(508, 0x20);
        bytes.extend(0x0ab1_6f30u32.to_le_bytes());
        all.extend(bytes);
    }
    all
}

fn checkpoint() -> Vec<u8> {
    let mut c = teff::checkpoint::Checkpoint::default();
    c.tensors.insert("w".into(), teff::Value::new([2, 2], vec![1.0f32, -2.0, 3.5, 0.0]));
    c.tensors.insert("steps".into(), teff::Value::scalar(7i64));
    c.metadata.insert("epoch".into(), "3".into());
    c.to_bytes()
}

const ALL_LAYERS: &str = "name = \"all\"
[[layer]]
kind = \"conv\"
out = 4
kernel = 3
stride = 1
padding = 1
dilation = 1
groups = 1
[[layer]]
kind = \"batch_norm\"
[[layer]]
kind = \"depthwise\"
kernel = 3
padding = 2
[[layer]]
kind = \"relu\"
[[layer]]
kind = \"conv_transpose\"
out = 2
kernel = 2
stride = 2
padding = 0
output_padding = 1
[[layer]]
kind = \"group_norm\"
groups = 2
[[layer]]
kind = \"max_pool\"
size = 2
stride = 2
[[layer]]
kind = \"avg_pool\"
size = 3
[[layer]]
kind = \"layer_norm\"
[[layer]]
kind = \"dropout\"
rate = 0.5
[[layer]]
kind = \"flatten\"
[[layer]]
kind = \"linear\"
out = \"classes\"
";

const SEQUENCE: &str = "[[layer]]
kind = \"reshape\"
shape = [8, 8]
[[layer]]
kind = \"lstm\"
hidden = 5
[[layer]]
kind = \"gru\"
hidden = 3
[[layer]]
kind = \"last_step\"
[[layer]]
kind = \"linear\"
out = \"classes\"
bias = false
";

const BOARD: &str = "name = all
flash = 2097152
crystal = 12000000
led = 25
camera.i2c = 0
camera.scl = 5
camera.sda = 4
camera.reset = 24
camera.xclk = 3
camera.data = 6
camera.pclk = 14
camera.href = 15
camera.vsync = 16
lcd.spi = 1
lcd.dc = 9
lcd.cs = 13
lcd.reset = 7
lcd.width = 80
lcd.height = 160
lcd.column = 26
lcd.row = 1
";
