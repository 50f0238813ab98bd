//! Sizes are checked before memory is asked for, numbers before they are used: what is too large is an error that says so, at once. And
//! what is written stays small.

#![cfg(unix)]

mod common;

use common::{Folder, SMALL, bars, fail, message, succeed};
use std::path::Path;
use std::process::{Command, Output};
use teff::{DType, Graph, Tensor, Value};

/// Runs the command with so many kilobytes of memory.
fn with_memory(kilobytes: u32, args: &[&str]) -> Output {
    let line = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
    Command::new("sh").args(["-c", &line, env!("CARGO_BIN_EXE_teff")]).args(args).output().unwrap()
}

/// The message of a command that must fail before it asks for much.
fn refused(args: &[&str]) -> String {
    let said = message(&with_memory(1_000_000, args), 1);
    assert!(!said.contains("there is not enough memory"), "{args:?}: asked for first, then refused: {said}");
    said
}

/// A convolution of `size` x `size` pixels into `channels`, with what a test of numbers needs.
fn conv(folder: &Folder, size: usize, channels: usize) -> String {
    let x = Tensor::input("x", DType::F32, &[1, 3, size, size]);
    let weight = |i: usize| ((i * 37) % 19) as f32 / 19.0 - 0.5;
    let w = Value::new([channels, 3, 1, 1], (0..3 * channels).map(weight).collect());
    let y = x.conv_general(&Tensor::constant(w), teff::graph::ConvGeometry::new(2)).relu();
    let graph = Graph::from_tensors("conv", &[x], &[("y", y)]).unwrap();
    folder.write("conv.onnx", teff::onnx::write(&graph, &Default::default()).unwrap())
}

#[test]
fn descriptions_of_networks() {
    let folder = Folder::new("sizes-toml");
    let (data, out) = (bars(&folder), folder.text("m.onnx"));
    let last = "[[layer]]\nkind = \"flatten\"\n[[layer]]\nkind = \"linear\"\nout = \"classes\"\n";
    for (layer, wanted) in [
        ("kind = \"conv\"\nout = 2\nkernel = 3\npadding = 1000000", "numbers for a sample"),
        ("kind = \"depthwise\"\nkernel = 3\npadding = 100000", "numbers for a sample"),
        ("kind = \"conv_transpose\"\nout = 2\nkernel = 3\nstride = 1000000", "numbers for a sample"),
        ("kind = \"conv\"\nout = 1000000000\nkernel = 3", "numbers"),
        ("kind = \"conv\"\nout = 2\nkernel = 1000000", "numbers"),
        ("kind = \"conv\"\nout = 2\nkernel = 3\nstride = -1", "stride"),
        ("kind = \"conv\"\nout = 2\nkernel = 3\nstride = 0", "stride"),
        ("kind = \"conv\"\nout = 2\nkernel = 3\ndilation = 9223372036854775807", "dilation"),
        ("kind = \"reshape\"\nshape = [1000000, 1000000, 1000000, 1000000]", "layer 1 (reshape)"),
    ] {
        let toml = folder.write("m.toml", format!("[[layer]]\n{layer}\n{last}"));
        let said = refused(&["train", &data, "-o", &out, "--model", &toml]);
        assert!(said.contains("layer 1") && said.contains(wanted), "{layer}: {said}");
    }
    let toml = folder.write("m.toml", SMALL);
    let said = refused(&["train", &data, "-o", &out, "--model", &toml, "--batch", "1000000"]);
    assert!(said.contains("do not fill a batch of 1000000"), "{said}");
}

#[test]
fn inputs_and_samples() {
    let folder = Folder::new("sizes-inputs");
    let model = conv(&folder, 16, 4);
    for command in ["verify", "report"] {
        let said = refused(&[command, &model, "--samples", "4294967296"]);
        assert!(said.contains("--samples 4294967296") && said.contains("give at most"), "{said}");
    }
    // Its batch, heights and widths are left open: a size becomes an empty name (fields 1 and 2 of a dimension).
    let mut bytes = std::fs::read(&model).unwrap();
    for (size, next) in [(16, &[][..]), (1, &[0x0a, 2, 8, 3])] {
        let fixed = [&[0x0a, 2, 8, size][..], next].concat();
        while let Some(at) = bytes.windows(fixed.len()).position(|w| w == fixed) {
            bytes[at + 2..at + 4].copy_from_slice(&[0x12, 0]);
        }
    }
    std::fs::write(&model, bytes).unwrap();
    let out = folder.text("c");
    for sizes in ["1x3x60000x60000", "1000000x3x16x16", "18446744073709551615x3x16x16"] {
        let shape = format!("x:{sizes}");
        for command in [&["compile", &model, "-o", &out][..], &["verify", &model], &["report", &model]] {
            let said = refused(&[command, &["--input-shape", &shape]].concat());
            assert!(said.contains("conv.onnx"), "{command:?} {sizes}: {said}");
        }
    }
    assert!(!Path::new(&out).exists());
}

#[test]
fn numbers_that_are_none() {
    let folder = Folder::new("sizes-numbers");
    let (data, model) = (bars(&folder), conv(&folder, 4, 2));
    let m = folder.text("m.onnx");
    for bad in ["nan", "inf", "-inf", "1e999", "", "x"] {
        for option in ["--rate", "--momentum", "--weight-decay", "--label-smoothing", "--clip"] {
            fail(&["train", &data, "-o", &m, option, bad], 2);
        }
        fail(&["verify", &model, "--tolerance", bad], 2);
        fail(&["compile", &model, "-o", &m, "--float", bad], 2);
        fail(&["sim", "x.elf", "--seconds", bad], 2);
        let shift = format!("--augment=shift={bad}");
        fail(&["train", &data, "-o", &m, "--epochs", "1", "--batch", "16", &shift], 1);
    }
    for (option, bad) in [
        ("--batch", "0"),
        ("--batch", "-1"),
        ("--batch", "99999999999999999999"),
        ("--epochs", "4294967297"),
        ("--threads", "0"),
        ("--threads", "1000000"),
        ("--seed", "-1"),
    ] {
        fail(&["train", &data, "-o", &m, option, bad], 2);
    }
    for option in ["--flash", "--ram", "--sram-tables"] {
        for bad in ["0", "-1", "99999999999999999999", "18446744073709551615K", "1G", ""] {
            fail(&["compile", &model, "-o", &m, option, bad], 2);
        }
    }
    fail(&["verify", &model, "--tolerance", "-1"], 2);
    assert!(!Path::new(&m).exists());
}

/// A PNG of few bytes that says it has many pixels.
fn large_png(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        png.extend((data.len() as u32).to_be_bytes());
        [kind, data, &crc.sum().to_be_bytes()].iter().for_each(|part| png.extend(*part));
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    let mut zeros = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 20_000_000), &mut zeros).unwrap();
    chunk(b"IDAT", &zeros.finish().unwrap());
    chunk(b"IEND", &[]);
    png
}

#[test]
fn pictures_and_data_sets() {
    let folder = Folder::new("sizes-pictures");
    let out = folder.text("m.onnx");
    let png = large_png(60_000, 60_000);
    for class in ["a", "b"] {
        std::fs::create_dir_all(folder.path("set").join(class)).unwrap();
        std::fs::write(folder.path("set").join(class).join("1.png"), &png).unwrap();
    }
    let said = refused(&["train", &folder.text("set"), "-o", &out]);
    assert!(said.contains("1.png") && said.contains("60000x60000"), "{said}");
    let elf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-rp2040/tests/corpus/hello.elf");
    let camera = folder.write("camera.png", &png);
    let said = refused(&["sim", &elf.display().to_string(), "--camera", &camera, "--seconds", "0.1"]);
    assert!(said.contains("camera.png") && said.contains("60000x60000"), "{said}");
    // Headers that promise more than the file holds.
    let data = bars(&folder);
    let images = folder.path("bars").join("train-images-idx3-ubyte");
    std::fs::write(&images, [&[0, 0, 8, 3][..], &[0xff; 12], &[0; 100]].concat()).unwrap();
    assert!(refused(&["train", &data, "-o", &out]).contains("train-images-idx3-ubyte"));
    let model = conv(&folder, 4, 2);
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 4000000000, 4000000000), }";
    let npy = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    let npy = folder.write("x.npy", npy);
    assert!(refused(&["run", &model, "-i", &npy]).contains("x.npy"));
}

/// The self-test of a network with large ends is small, says what it leaves out, and still finds what is wrong.
#[test]
fn self_tests_of_large_networks_are_small() {
    let folder = Folder::new("sizes-selftest");
    let model = conv(&folder, 96, 32);
    let out = folder.text("c");
    let (c, rust) = (folder.path("c").join("net_selftest.c"), folder.path("c").join("net_selftest.rs"));
    succeed(&["compile", &model, "-o", &out]);
    succeed(&["compile", &model, "-o", &out, "--language", "rust"]);
    for file in [&c, &rust] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.len() < 256 << 10 && text.len() > 100 << 10, "{} bytes", text.len());
        let first = text.lines().next().unwrap();
        assert!(
            first.contains("1 samples") && first.contains("repeat") && first.contains("compared"),
            "{first}"
        );
    }
    let run = |program: &str, args: &[&str]| {
        let built = Command::new(program).args(args).current_dir(&out).output();
        let Ok(built) = built else {
            println!("skipped: {program} is not installed");
            return None;
        };
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Some(Command::new(folder.path("c").join("test")).output().unwrap().status.code())
    };
    let gcc = [
        "-std=c99",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wconversion",
        "-Werror",
        "net.c",
        "net_selftest.c",
        "-lm",
        "-o",
        "test",
    ];
    let rustc = ["--edition", "2021", "-O", "-D", "warnings", "net_selftest.rs", "-o", "test"];
    for (program, args, source) in [("gcc", &gcc[..], "net.c"), ("rustc", &rustc[..], "net.rs")] {
        let right = run(program, args);
        assert!(right.is_none_or(|status| status == Some(0)), "{program}: {right:?}");
        // Another weight of the last channel: outputs far behind.
        let path = folder.path("c").join(source);
        let text = std::fs::read_to_string(&path).unwrap();
        let weight = format!("{:?}", ((95 * 37) % 19) as f32 / 19.0 - 0.5);
        let at = text.rfind(&weight).unwrap();
        let wrong = format!("{}9.5{}", &text[..at], &text[at + weight.len()..]);
        std::fs::write(&path, wrong).unwrap();
        assert!(run(program, args).is_none_or(|status| status == Some(1)), "{program} finds nothing");
    }
}
