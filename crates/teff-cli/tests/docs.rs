//! What README and docs tell people to type works: the commands are taken from the text itself and run, page by page, in a folder that has
//! `examples` and, as `data/mnist`, few of MNIST's images.

mod common;

use common::{Folder, chip, idx};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use teff::data::{Array, Dataset, Element, Samples};
use teff::onnx::{WriteOptions, write};
use teff::{DType, Graph, Tensor};

/// What is in the folder before a command runs, of pages and commands that begin so; the first that fits. Other commands take what those before
/// them made.
const GIVEN: [(&str, &str, Given); 14] = [
    ("docs/float.md", "compile m.onnx --target cortex-m0plus --data", Given::Motion),
    ("docs/float.md", "", Given::Digits),
    ("docs/generated-c.md", "", Given::Digits),
    ("docs/generated-rust.md", "", Given::Digits),
    ("docs/quantize.md", "", Given::Digits),
    ("docs/report.md", "", Given::Digits),
    ("docs/tflite.md", "", Given::TfLite),
    ("docs/own-models.md", "compile m.onnx -o out/net --input-shape", Given::OpenSizes),
    ("docs/own-models.md", "run m.onnx --input photo.jpg", Given::Tomatoes),
    ("docs/own-models.md", "run m.onnx --input x.npy", Given::Arrays(1)),
    ("docs/own-models.md", "run m.onnx -i", Given::Arrays(2)),
    ("docs/own-models.md", "", Given::Digits),
    ("docs/board.md", "firmware m8", Given::Digits),
    ("docs/simulator.md", "", Given::Firmware),
];

/// Models that readers have, as `m.onnx` or under the name that the page calls them by, and what goes into them.
#[derive(Clone, Copy, PartialEq)]
enum Given {
    /// Of digits, in floats and in 8 bits (`m8.onnx`), and keywords for TFLite.
    Digits,
    /// Of windows, with `samples.npz`.
    Motion,
    /// Of pictures, with `photo.jpg`.
    Tomatoes,
    TfLite,
    /// A program of a board that says it is ready.
    Firmware,
    /// Of an input `image` whose batch is open.
    OpenSizes,
    /// Of so many inputs, `image` and `scale`, with `x.npy` and `s.npy`.
    Arrays(usize),
}

impl Given {
    fn put(self, folder: &Folder, page: &str) {
        let copy = |from: &str, to: &str| std::fs::copy(root().join(from), folder.path(to)).unwrap();
        let models = "crates/teff-tflite/tests/data/models";
        match self {
            Given::Digits => {
                run(folder, page, "train data/mnist -o m.onnx --epochs 1");
                run(folder, page, "quantize m.onnx --data data/mnist --io int8 -o m8.onnx");
                copy(&format!("{models}/kws_dscnn_int8.tflite"), "kws.tflite");
            }
            Given::Motion => {
                run(
                    folder,
                    page,
                    "train examples/data/motion.npz -o m.onnx --model cnn1d --epochs 1 --batch 16",
                );
                copy("examples/data/motion.npz", "samples.npz");
            }
            Given::Tomatoes => {
                run(folder, page, "train examples/data/tomatoes -o m.onnx --model cnn --epochs 1 --batch 16");
                copy("examples/data/tomatoes/red/00.jpg", "photo.jpg");
            }
            Given::TfLite => {
                copy(&format!("{models}/person_detect_int8.tflite"), "person_detect_int8.tflite");
            }
            Given::Firmware => {
                copy("crates/teff-rp2040/tests/corpus/hello.elf", "firmware.elf");
                let image =
                    teff_rp2040::Image::parse(&std::fs::read(folder.path("firmware.elf")).unwrap()).unwrap();
                folder.write("firmware.uf2", teff_rp2040::uf2::write(&image.segments));
            }
            Given::OpenSizes => {
                let image = Tensor::input("image", DType::F32, &[1, 3, 96, 96]);
                let graph = Graph::from_tensors("open", std::slice::from_ref(&image), &[("y", image.relu())])
                    .unwrap();
                let open = WriteOptions { open_batch: true, ..WriteOptions::default() };
                folder.write("m.onnx", write(&graph, &open).unwrap());
            }
            Given::Arrays(inputs) => {
                let of = |name: &str| Tensor::input(name, DType::F32, &[2]);
                let (image, scale) = (of("image"), of("scale"));
                let y = if inputs == 1 { image.relu() } else { &image * &scale };
                let graph = Graph::from_tensors("arrays", &[image, scale][..inputs], &[("y", y)]).unwrap();
                folder.write("m.onnx", write(&graph, &WriteOptions::default()).unwrap());
                let bytes = [1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
                let array = Array { element: Element::F32, shape: vec![2], bytes }.to_npy();
                ["x.npy", "s.npy"].iter().for_each(|name| _ = folder.write(name, &array));
            }
        }
    }
}

/// What is not run here, and why.
const ELSEWHERE: [(&str, &str); 2] = [("demo", "scripts/test-command runs it"), ("test", "it runs this")];

/// What a command says, as it is run here: simulated for a moment, flashed to a folder that looks like a board's drive, waiting for a
/// debugger at a free port.
fn as_run(folder: &Folder, command: &str) -> String {
    let mut words: Vec<String> = command.split_whitespace().map(str::to_string).collect();
    let mut set = |option: &str, to: String| {
        if let Some(at) = words.iter().position(|w| w == option) {
            words[at + 1] = to;
        }
    };
    match command.split(' ').next() {
        Some("sim") => {
            set("--seconds", "0.3".into());
            set("--gdb", free_port().to_string());
        }
        Some("flash") => {
            std::fs::create_dir_all(folder.path("RPI-RP2")).unwrap();
            folder.write(
                "RPI-RP2/INFO_UF2.TXT",
                "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n",
            );
            words.extend(["--drive".into(), folder.text("RPI-RP2")]);
        }
        // All others run as they are written.
        _ => {}
    }
    words.join(" ")
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs `sim --gdb` until a debugger could connect.
fn waits_for_debugger(folder: &Folder, page: &str, command: &str) {
    let port = command.split_whitespace().skip_while(|w| *w != "--gdb").nth(1).unwrap();
    let mut sim = typed(folder, command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let connects = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    let waited = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        connects()
    });
    sim.kill().unwrap();
    sim.wait().unwrap();
    assert!(waited, "{page}: teff {command}: no debugger can connect");
}

/// The least figure that a training ends with: R2, or the share of test samples that is right.
const LEAST: [(&str, f64); 3] =
    [("examples/data/grain.csv", 0.9), ("examples/data/motion.npz", 0.95), ("examples/data/tomatoes", 0.9)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The commands of a page: lines that begin with teff, indented or fenced; those that end with a backslash with the next; without what stands
/// behind `#`.
fn commands(page: &str) -> Vec<String> {
    let joined = page.replace("\\\n", " ");
    let mut fenced = false;
    let typed = joined.lines().filter_map(|line| {
        fenced ^= line.starts_with("```");
        let line = if fenced { line } else { line.strip_prefix("    ")? };
        let line = line.split("  #").next().unwrap_or_default().trim_end();
        line.strip_prefix("./teff ").or_else(|| line.strip_prefix("teff "))
    });
    // What teff prints may begin with its name, and its version.
    typed.filter(|c| c.starts_with(|first: char| first.is_ascii_lowercase())).map(str::to_string).collect()
}

/// The front page and the book, with the commands of each.
fn pages() -> Vec<(String, Vec<String>)> {
    let book = std::fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<String> = book.map(|name| format!("docs/{}", name.to_string_lossy())).collect();
    names.retain(|name| name.ends_with(".md"));
    names.push("README.md".into());
    names.sort();
    let with = |name: String| {
        let commands = commands(&std::fs::read_to_string(root().join(&name)).unwrap());
        (name, commands)
    };
    names.into_iter().map(with).filter(|(_, commands)| !commands.is_empty()).collect()
}

/// The first images of MNIST, laid out as it is.
fn few_digits(folder: &Folder) {
    let digits = teff::data::open(root().join("data/mnist")).unwrap();
    let at = folder.path("mnist");
    std::fs::create_dir_all(&at).unwrap();
    for (name, part, n) in [("train", &digits.train, 256), ("t10k", &digits.test, 100)] {
        let few: Dataset = part.subset(&(0..n).collect::<Vec<_>>());
        let Samples::U8(pixels) = few.samples() else { panic!("pixels") };
        let labels: Vec<u8> = few.labels().iter().map(|l| *l as u8).collect();
        std::fs::write(at.join(format!("{name}-images-idx3-ubyte")), idx(&[n, 28, 28], pixels)).unwrap();
        std::fs::write(at.join(format!("{name}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
}

/// The command as a shell has it, in the folder.
fn typed(folder: &Folder, command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec {} {command}", env!("CARGO_BIN_EXE_teff"))])
        .current_dir(folder.path(""));
    shell
}

/// Runs a command in the folder; gives what it printed.
fn run(folder: &Folder, page: &str, command: &str) -> String {
    let out = typed(folder, command).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{page}: teff {command}: {said}");
    String::from_utf8(out.stdout).unwrap()
}

/// Checks the figure that a training on one of the examples ends with.
fn is_as_good_as_said(command: &str, printed: &str) {
    let Some((_, least)) = LEAST.iter().find(|(data, _)| command.split(' ').any(|word| word == *data)) else {
        return;
    };
    let last = printed.trim_end().lines().last().unwrap_or_default();
    let number = |text: &str| text.trim_end_matches(',').parse::<f64>().ok();
    let words: Vec<&str> = last.split(' ').collect();
    let figure = match words[..] {
        ["R2", r2, ..] => number(r2),
        [share, "%", ..] => number(share).map(|percent| percent / 100.0),
        _ => None,
    };
    assert!(figure.is_some_and(|f| f >= *least), "teff {command}: {last}");
}

#[cfg(unix)]
#[test]
fn commands_of_the_pages_run() {
    let pages = pages();
    for (page, begins, _) in GIVEN {
        let is_there = |(name, commands): &(String, Vec<String>)| {
            name == page && commands.iter().any(|c| c.starts_with(begins))
        };
        assert!(pages.iter().any(is_there), "{page} has no command teff {begins}...: take it out of GIVEN");
    }
    let compiler = chip::has_c_compiler();
    let data = Folder::new("docs-data");
    few_digits(&data);
    for (i, (page, commands)) in pages.iter().enumerate() {
        let folder = Folder::new(&format!("docs-{i}"));
        for (to, name) in [
            (root().join("examples"), "examples"),
            (root().join("crates"), "crates"),
            (data.path(""), "data"),
        ] {
            std::os::unix::fs::symlink(to, folder.path(name)).unwrap();
        }
        let mut last = None;
        for command in commands {
            let name = command.split(' ').next().unwrap_or_default();
            if let Some((_, why)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
                println!("{page}: not run here: teff {command}: {why}");
                continue;
            }
            let needs_chip =
                ["report", "firmware", "sim", "flash"].contains(&name) || command.contains("--size");
            if needs_chip && !(compiler && chip::has_rust_target()) {
                continue;
            }
            let given = GIVEN.iter().find(|(of, begins, _)| of == page && command.starts_with(begins));
            if let Some((_, _, given)) = given.filter(|(_, _, given)| last != Some(*given)) {
                given.put(&folder, page);
                last = Some(*given);
            }
            let started = std::time::Instant::now();
            let command = &as_run(&folder, command);
            if command.contains("--gdb") {
                waits_for_debugger(&folder, page, command);
                continue;
            }
            let printed = run(&folder, page, command);
            println!("{page}: teff {command}: {:.1} s", started.elapsed().as_secs_f64());
            if name == "train" {
                is_as_good_as_said(command, &printed);
            }
        }
    }
}
