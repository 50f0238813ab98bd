//! The network of `docs/small.md`: how well the C does on all of MNIST, and what it takes on a Cortex-M0+.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use teff::Graph;
use teff::compile::{Budget, Options, Program, Target, c};
use teff::graph::DType;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The file that the page's commands give.
fn model() -> Graph {
    let bytes = std::fs::read(root().join("examples/small.onnx")).unwrap();
    teff::onnx::read(&bytes, &Default::default()).unwrap().graph
}

fn program(graph: &Graph) -> Program {
    let options = Options { target: Target::CORTEX_M0PLUS, ..Options::default() };
    teff::compile::compile(graph, &options).unwrap()
}

/// A folder with the generated C, gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, program: &Program) -> Folder {
        let path = std::env::temp_dir().join(format!("teff-small-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let files = c::print(program, &c::Options::default());
        std::fs::write(path.join("net.c"), files.source).unwrap();
        std::fs::write(path.join("net.h"), files.header).unwrap();
        std::fs::write(path.join("net_run.c"), c::runner(program, &c::Options::default())).unwrap();
        Folder(path)
    }

    /// Standard output of a tool run here, if the machine has it.
    fn run(&self, tool: &str, args: &[&str]) -> Option<String> {
        let out = Command::new(tool).args(args).current_dir(&self.0).output().ok()?;
        assert!(out.status.success(), "{tool}: {}", String::from_utf8_lossy(&out.stderr));
        Some(String::from_utf8(out.stdout).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_c_is_right_about_995_of_1000_digits() {
    let graph = model();
    let folder = Folder::new("digits", &program(&graph));
    let compiler = std::env::var("CC").unwrap_or("cc".into());
    if folder.run(&compiler, &["-std=c99", "-O2", "-o", "run", "net_run.c", "net.c", "-lm"]).is_none() {
        eprintln!("no C compiler: left out");
        return;
    }
    // A pixel of 0 to 255 is itself less 128: a step of 1 / 255, zero at -128.
    assert_eq!(graph[graph.inputs()[0]].ty.dtype, DType::I8);
    let data = teff::data::open(root().join("data/mnist")).unwrap().test;
    let mut pixels = vec![0.0; data.len() * data.sample_len()];
    data.gather(&(0..data.len()).collect::<Vec<_>>(), &mut pixels);
    let bytes: Vec<u8> = pixels.iter().map(|p| ((p * 255.0).round() as i32 - 128) as i8 as u8).collect();
    let mut run = Command::new(folder.0.join("run"))
        .arg(data.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = run.stdin.take().unwrap();
    let out = std::thread::scope(|scope| {
        scope.spawn(move || to.write_all(&bytes).unwrap());
        run.wait_with_output().unwrap()
    });
    let logits = &out.stdout[..10 * data.len()];
    let said = |l: &[u8]| (0..10).rev().max_by_key(|i| l[*i] as i8).unwrap() as u16;
    let right = logits.chunks(10).zip(data.labels()).filter(|(l, label)| said(l) == **label).count();
    // The same bits everywhere, so the same number everywhere.
    assert_eq!((right, data.len()), (RIGHT, 10_000));
    let predicted = teff::predict(&graph, &data, 1).unwrap().confusion(&data).correct();
    assert!(predicted.abs_diff(RIGHT) <= 2, "{predicted}");
}

/// What the page says.
const RIGHT: usize = 9958;

#[test]
fn it_takes_less_than_12_kilobytes_of_a_cortex_m0plus() {
    let graph = model();
    let program = program(&graph);
    let flash = Budget::new(&program, &Target::CORTEX_M0PLUS).flash_weights;
    assert!(flash <= 7_000, "{flash} bytes of weights, biases and multipliers");
    let folder = Folder::new("size", &program);
    let options = ["-mcpu=cortex-m0plus", "-mthumb", "-Os", "-std=c99", "-c", "net.c"];
    if folder.run("arm-none-eabi-gcc", &options).is_none() {
        eprintln!("no arm-none-eabi-gcc: the size of the code is left out");
        return;
    }
    let sizes = folder.run("arm-none-eabi-size", &["net.o"]).unwrap();
    let text: usize = sizes.lines().nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(text <= 12_000, "{text} bytes, {flash} of them constants");
    // Pure integer: nothing of the software floating point is linked.
    let undefined = folder.run("arm-none-eabi-nm", &["-u", "net.o"]).unwrap();
    assert!(!undefined.contains("__aeabi_f") && !undefined.contains("__aeabi_i2f"), "{undefined}");
}
