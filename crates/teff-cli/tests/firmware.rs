//! `teff firmware` up to the compiler: what the firmware is told of a network, and what is refused. A stand-in for cargo takes the place
//! of the build: it keeps the network folder and gives an ELF file of the simulator's tests.

#![cfg(unix)] // Stand-ins are shell scripts.

mod common;

use common::{Folder, exists, message};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use teff_rp2040::Image;

/// A model that comes with the readers' tests.
fn model(name: &str) -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let reader = if name.ends_with(".tflite") { "teff-tflite" } else { "teff-onnx" };
    crates.join(reader).join("tests/data/models").join(name).display().to_string()
}

/// An ELF file of the simulator's tests.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-rp2040/tests/corpus").join(name)
}

/// Programs that stand before the real ones, and an empty firmware source.
fn stand_in(folder: &Folder, cargo: &str) {
    for dir in ["bin", "source", "core"] {
        std::fs::create_dir_all(folder.path(dir)).unwrap();
    }
    folder.write("source/Cargo.toml", "");
    folder.write("core/libcore-0.rlib", "");
    let script = |name: &str, text: &str| {
        let file = folder.write(&format!("bin/{name}"), format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("cargo", cargo);
    script("rustc", &format!("echo {}", folder.text("core")));
}

/// The message by which cargo says where a program is.
fn built(elf: &Path) -> String {
    format!(
        r#"echo '{{"reason":"compiler-artifact","target":{{"name":"pico4ml"}},"executable":"{}"}}'"#,
        elf.display()
    )
}

/// `teff firmware` with the stand-ins, in Rust unless `args` say otherwise.
fn command(folder: &Folder, args: &[&str]) -> Command {
    let path = format!("{}:{}", folder.text("bin"), std::env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_teff"));
    command.args(["firmware", "-o", &folder.text("fw.uf2"), "--firmware", &folder.text("source")]).args(args);
    if !args.contains(&"--language") {
        command.args(["--language", "rust"]);
    }
    command.env("PATH", path).env_remove("RUSTC");
    command
}

fn firmware(folder: &Folder, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

/// The `network.rs` that a model and options give.
fn network(name: &str, args: &[&str]) -> String {
    let folder = Folder::new(&format!("firmware-{name}-{}", args.len()));
    let kept = folder.text("kept");
    stand_in(&folder, &format!("cp -r \"$TEFF_NETWORK\" {kept}\n{}", built(&program("hello.elf"))));
    let out = firmware(&folder, &[&[&*model(name)], args].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(exists(format!("{kept}/net.rs")) && !exists(format!("{kept}/net_selftest.rs")));
    std::fs::read_to_string(format!("{kept}/network.rs")).unwrap()
}

fn holds(text: &str, lines: &[&str]) {
    lines.iter().for_each(|line| assert!(text.contains(line), "{line:?} is not in\n{text}"));
}

/// The numbers of PIXELS.
fn pixels(text: &str) -> Vec<f64> {
    let list = text.split("PIXELS: [Input; 256] = [").nth(1).unwrap().split(']').next().unwrap();
    list.split(',').filter_map(|x| x.trim().parse().ok()).collect()
}

#[test]
fn a_network_of_floats_takes_digits_from_0_to_1() {
    let text = network("cnn.onnx", &[]);
    holds(
        &text,
        &[
            "NAME: &str = \"cnn\"",
            "WIDTH: usize = 28",
            "INPUTS: usize = 784",
            "CHANNELS: usize = 1",
            "Preparation::Digit",
            "type Input = f32",
            "type Output = f32",
            "OUTPUT_SCALE: f32 = 1.0",
            "OUTPUT_ZERO: i32 = 0",
            "PROBABILITIES: bool = false",
            "\"0\", \"1\", \"2\"",
        ],
    );
    let values = pixels(&text);
    assert_eq!((values.len(), values[0], values[255]), (256, 0.0, 1.0));
    assert!((values[51] - 0.2).abs() < 1e-7);
    let text = network("cnn.onnx", &["--pixels", "-1:3", "--prepare", "image"]);
    assert_eq!((pixels(&text)[0], pixels(&text)[255]), (-1.0, 3.0));
    holds(&text, &["Preparation::Image"]);
}

#[test]
fn person_detection_needs_no_option_but_its_labels() {
    let text = network("person_detect_int8.tflite", &["--labels", "no person, person"]);
    holds(
        &text,
        &[
            "NAME: &str = \"person_detect_int8\"",
            "WIDTH: usize = 96",
            "HEIGHT: usize = 96",
            "CHANNELS_LAST: bool = true",
            "Preparation::Image",
            "type Input = i8",
            "type Output = i8",
            "OUTPUT_SCALE: f32 = 0.00390625",
            "OUTPUT_ZERO: i32 = -128",
            "PROBABILITIES: bool = true",
            "    \"no person\", \"person\",\n",
        ],
    );
    // As TFLM's example feeds it: the grey value less 128.
    let whole: Vec<f64> = (-128..128).map(f64::from).collect();
    assert_eq!(pixels(&text), whole);
}

#[test]
fn the_image_is_what_the_elf_file_loads_and_the_report_adds_up() {
    let folder = Folder::new("firmware-image");
    stand_in(&folder, &built(&program("hello.elf")));
    let out = firmware(&folder, &[&model("cnn.onnx"), "--json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let (elf, uf2) =
        (std::fs::read(folder.path("fw.elf")).unwrap(), std::fs::read(folder.path("fw.uf2")).unwrap());
    assert_eq!(elf, std::fs::read(program("hello.elf")).unwrap());
    let image = Image::parse(&uf2).unwrap();
    for (start, bytes) in Image::parse(&elf).unwrap().segments {
        let inside = image.segments.iter().any(|(from, all)| {
            start >= *from && all.get((start - from) as usize..).is_some_and(|rest| rest.starts_with(&bytes))
        });
        assert!(inside, "{} bytes at {start:#x}", bytes.len());
    }
    let json = String::from_utf8(out.stdout).unwrap();
    let number = |key: &str| -> usize {
        let rest = json.split(&format!("\"{key}\":")).nth(1).unwrap_or_else(|| panic!("no {key} in {json}"));
        rest.split([',', '}']).next().unwrap().parse().unwrap()
    };
    assert_eq!(number("flash"), number("application") + number("network_code") + number("weights"));
    assert_eq!(number("ram") + number("ram_left"), 264 << 10);
    let Ok(said) = Command::new("arm-none-eabi-size").arg(folder.path("fw.elf")).output() else {
        println!("not compared with the linker's own: no arm-none-eabi-size");
        return;
    };
    let said = String::from_utf8(said.stdout).unwrap();
    let sizes: Vec<usize> =
        said.lines().nth(1).unwrap().split_whitespace().take(3).map(|n| n.parse().unwrap()).collect();
    assert_eq!(number("flash"), sizes[0] + sizes[1], "{said}");
}

/// What is refused before anything is built, with the message; nothing is left.
fn refused(name: &str, args: &[&str], wanted: &[&str]) {
    let folder = Folder::new(&format!("firmware-no-{name}-{}", args.concat().replace('/', "")));
    stand_in(&folder, "echo cargo was called >&2; exit 1");
    let path = if name.contains('/') { name.to_string() } else { model(name) };
    let said = message(&firmware(&folder, &[&[&*path], args].concat()), 1);
    holds(&said, wanted);
    assert!(!said.contains("cargo was called"), "{said}");
    assert!(!exists(folder.path("fw.uf2")) && !exists(folder.path("fw.elf")));
    let networks = folder.path("source/target/networks");
    assert!(!networks.exists() || networks.read_dir().unwrap().next().is_none(), "no draft is left");
}

#[test]
fn models_that_are_not_of_pictures_are_refused() {
    refused("hello_world_int8.tflite", &[], &["hello_world_int8.tflite: no firmware", "1x1 pixels"]);
    refused("cnn.onnx", &["--labels", "a,b"], &["2 labels (a, b) for 10 classes"]);
    refused("cnn.onnx", &["--labels", "nowhere.txt"], &["there is no such file"]);
    refused("cnn.onnx", &["--labels", "a,,b"], &["the name of class 1 is empty"]);
    refused("person_detect_int8.tflite", &["--prepare", "digit"], &["takes 96x96"]);
    refused("person_detect_int8.tflite", &["--pixels", "7:9"], &["both become 127"]);
}

#[test]
fn what_is_missing_is_named() {
    let folder = Folder::new("firmware-missing");
    stand_in(&folder, "exit 1");
    std::fs::remove_file(folder.path("source/Cargo.toml")).unwrap();
    let said = message(&firmware(&folder, &[&model("cnn.onnx")]), 1);
    holds(&said, &["the firmware's source is not in", "--firmware DIR", "TEFF_FIRMWARE"]);
    folder.write("source/Cargo.toml", "");
    // A compiler that knows no core library, and one for C that knows no newlib.
    folder.write("bin/rustc", "#!/bin/sh\necho nowhere\n");
    folder.write("bin/arm-none-eabi-gcc", "#!/bin/sh\necho libc.a\n");
    let gcc = folder.path("bin/arm-none-eabi-gcc");
    std::fs::set_permissions(gcc, std::fs::Permissions::from_mode(0o755)).unwrap();
    if !exists("/usr/lib/rustlib/src/rust/library/core") {
        let said = message(&firmware(&folder, &[&model("cnn.onnx")]), 1);
        holds(&said, &["no core library", "thumbv6m-none-eabi", "scripts/setup-embedded"]);
    }
    stand_in(&folder, "exit 1");
    let said = message(&firmware(&folder, &[&model("cnn.onnx"), "--language", "c"]), 1);
    holds(&said, &["arm-none-eabi-gcc with newlib", "scripts/setup-embedded", "--language rust"]);
}

#[test]
fn a_build_that_fails_says_why_and_leaves_nothing() {
    let folder = Folder::new("firmware-fails");
    let run = |cargo: &str| {
        stand_in(&folder, cargo);
        let said = message(&firmware(&folder, &[&model("cnn.onnx")]), 1);
        assert!(!exists(folder.path("fw.uf2")) && !exists(folder.path("fw.elf")));
        said
    };
    let said = run("echo '   Compiling x v1' >&2; echo 'oh no: E0001' >&2; exit 101");
    holds(&said, &["was not built", "oh no: E0001"]);
    assert!(!said.contains("Compiling"), "{said}");
    let overflow = "rust-lld: error: section '.bss' will not fit in region 'RAM': overflowed by 99 bytes";
    let said = run(&format!("echo \"{overflow}\" >&2; exit 101"));
    holds(&said, &["does not fit the board", "overflowed by 99 bytes", "teff quantize"]);
    holds(&run("exit 0"), &["cargo built no program pico4ml"]);
    // Linked for a RAM that the board does not have.
    let mut elf = std::fs::read(program("hello.elf")).unwrap();
    let sections = u32::from_le_bytes(elf[32..36].try_into().unwrap()) as usize;
    let count = u16::from_le_bytes(elf[48..50].try_into().unwrap()) as usize;
    let bss =
        (0..count).map(|i| sections + 40 * i).find(|at| elf[at + 4] == 8).expect("it has zeroed memory");
    elf[bss + 20..bss + 24].copy_from_slice(&(300u32 << 10).to_le_bytes());
    let large = folder.write("large.elf", &elf);
    let said = run(&built(Path::new(&large)));
    holds(&said, &["the firmware does not fit: it takes", "of RAM, pico4ml has 270 336"]);
}

#[test]
fn ctrl_c_stops_the_build_and_leaves_nothing() {
    let folder = Folder::new("firmware-stopped");
    let ready = folder.text("ready");
    stand_in(&folder, &format!("touch {ready}; exec sleep 60"));
    let running = command(&folder, &[&model("cnn.onnx")]).stderr(Stdio::piped()).spawn().unwrap();
    while !exists(&ready) {
        std::thread::sleep(Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    let started = Instant::now();
    let said = message(&running.wait_with_output().unwrap(), 130);
    assert!(said.contains("no firmware was written"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(!exists(folder.path("fw.uf2")) && !exists(folder.path("fw.elf")));
}

#[test]
fn wrong_options_are_wrong_usage() {
    let folder = Folder::new("firmware-usage");
    stand_in(&folder, "exit 1");
    for args in [["--pixels", "1"], ["--pixels", "1:1"], ["--board", "uno"], ["--prepare", "mirror"]] {
        message(&firmware(&folder, &[&[&*model("cnn.onnx")], &args[..]].concat()), 2);
    }
}
