//! What README and docs tell people to type works: the commands are taken from the text itself and run, page by page, in a folder that has
//! `examples` and, as `data/mnist`, few of MNIST's images.

mod common;

use common::{Folder, idx, teff};
use std::path::{Path, PathBuf};
use teff::data::{Dataset, Samples};

/// The pages whose commands run here, and the file that each is told from where it is not the first to say it.
const PAGES: [(&str, &[&str]); 6] = [
    ("docs/training.md", &[]),
    ("README.md", &[]),
    ("docs/generated-c.md", &["m.onnx", "m8.onnx"]),
    ("docs/generated-rust.md", &["m.onnx"]),
    ("docs/quantize.md", &["m.onnx"]),
    ("docs/small.md", &[]),
];

/// What is not run here, and why.
const ELSEWHERE: [(&str, &str); 5] = [
    ("demo", "scripts/test-command runs it"),
    ("test", "it runs this"),
    ("firmware", "tests/firmware.rs builds it"),
    ("sim", "tests/board.rs runs such firmware"),
    ("flash", "it needs a board"),
];

/// The least figure that a training ends with: R2, or the share of test samples that is right.
const LEAST: [(&str, f64); 3] =
    [("examples/data/grain.csv", 0.9), ("examples/data/motion.npz", 0.95), ("examples/data/tomatoes", 0.9)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The commands of a page: indented lines that begin with teff, those that end with a backslash with the next; without what stands behind `#`.
fn commands(page: &str) -> Vec<String> {
    let joined = page.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("    "));
    let typed = lines.filter_map(|line| {
        let line = line.split("  #").next().unwrap_or_default().trim_end();
        line.strip_prefix("./teff ").or_else(|| line.strip_prefix("teff "))
    });
    // What teff prints may begin with its name, and its version.
    typed.filter(|c| c.starts_with(|first: char| first.is_ascii_lowercase())).map(str::to_string).collect()
}

/// The first images of MNIST, laid out as it is.
fn few_digits(folder: &Folder) {
    let digits = teff::data::open(root().join("data/mnist")).unwrap();
    let at = folder.path("data/mnist");
    std::fs::create_dir_all(&at).unwrap();
    for (name, part, n) in [("train", &digits.train, 384), ("t10k", &digits.test, 100)] {
        let few: Dataset = part.subset(&(0..n).collect::<Vec<_>>());
        let Samples::U8(pixels) = few.samples() else { panic!("pixels") };
        let labels: Vec<u8> = few.labels().iter().map(|l| *l as u8).collect();
        std::fs::write(at.join(format!("{name}-images-idx3-ubyte")), idx(&[n, 28, 28], pixels)).unwrap();
        std::fs::write(at.join(format!("{name}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
}

/// Runs a command in the folder; gives what it printed.
fn run(folder: &Folder, page: &str, command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let out = teff(&words).current_dir(folder.path("")).output().unwrap();
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
    for (i, (page, given)) in PAGES.iter().enumerate() {
        let folder = Folder::new(&format!("docs-{i}"));
        few_digits(&folder);
        for name in ["examples", "crates"] {
            std::os::unix::fs::symlink(root().join(name), folder.path(name)).unwrap();
        }
        if given.contains(&"m.onnx") {
            run(&folder, page, "train data/mnist -o m.onnx --epochs 1");
        }
        if given.contains(&"m8.onnx") {
            run(&folder, page, "quantize m.onnx --data data/mnist --io int8 -o m8.onnx");
        }
        let commands = commands(&std::fs::read_to_string(root().join(page)).unwrap());
        assert!(!commands.is_empty(), "{page} has no commands");
        for command in &commands {
            let name = command.split(' ').next().unwrap_or_default();
            if let Some((_, why)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
                println!("{page}: not run here: teff {command}: {why}");
                continue;
            }
            let started = std::time::Instant::now();
            let printed = run(&folder, page, command);
            println!("{page}: teff {command}: {:.1} s", started.elapsed().as_secs_f64());
            if name == "train" {
                is_as_good_as_said(command, &printed);
            }
        }
    }
}
