//! The edges of the machine: a full disk, little memory, signals, odd paths. Whatever happens there is a message and an exit status,
//! and nothing half-written is left.

#![cfg(unix)]

mod common;

use common::{Folder, SMALL, bars, fail, message, succeed, teff};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const TEFF: &str = env!("CARGO_BIN_EXE_teff");

/// A model of the crate that reads them.
fn model(name: &str) -> String {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/models");
    models.join(name).display().to_string()
}

/// Runs a line of the shell, in which $T is the command.
fn shell(line: &str) -> Output {
    Command::new("sh").args(["-c", line]).env("T", TEFF).output().unwrap()
}

/// The commands that only print, each with all it needs.
fn printing() -> Vec<String> {
    let (cnn, odd) = (model("cnn.onnx"), model("hello_world_int8.onnx"));
    let elf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-rp2040/tests/corpus/hello.elf");
    vec![
        "--help".into(),
        "train --help".into(),
        "--version".into(),
        format!("inspect {cnn}"),
        format!("inspect {cnn} --json"),
        format!("compile {odd} --list-unsupported"),
        format!("verify {odd} --samples 1"),
        format!("sim {} --seconds 0.1 --board pico", elf.display()),
    ]
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    for args in printing() {
        let out = shell(&format!("\"$T\" {args} > /dev/full"));
        let said = message(&out, 1);
        assert!(said.contains("cannot write standard output"), "{args}: {said}");
    }
    // A message that nobody can read leaves the status.
    for (args, status) in [("inspect /none", 1), ("bogus", 2)] {
        let out = shell(&format!("\"$T\" {args} > /dev/full 2> /dev/full"));
        assert_eq!(out.status.code(), Some(status), "{args}");
    }
}

#[test]
fn who_has_read_enough_is_no_failure() {
    for args in printing() {
        let out =
            shell(&format!("{{ \"$T\" {args}; echo $? >&3; }} 3>&2 2>/dev/null | head -c 1 > /dev/null"));
        let said = String::from_utf8_lossy(&out.stderr).to_string();
        assert!(["0", "130"].contains(&said.trim()), "{args}: {said}");
    }
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = Folder::new("full");
    let (data, toml, cnn) = (bars(&folder), folder.write("small.toml", SMALL), model("cnn.onnx"));
    let train = |more: &[&str], status| {
        fail(
            &[&["train", &data, "--model", &toml, "--epochs", "1", "--batch", "16"][..], more].concat(),
            status,
        )
    };
    let m = folder.text("m.onnx");
    succeed(&["train", &data, "--model", &toml, "--epochs", "1", "--batch", "16", "-o", &m]);
    let full = "cannot write /dev/full: ";
    assert!(train(&["-o", "/dev/full"], 1).starts_with(full));
    assert!(train(&["-o", &m, "--checkpoint", "/dev/full"], 1).starts_with(full));
    assert!(fail(&["quantize", &m, "--data", &data, "-o", "/dev/full"], 1).starts_with(full));
    assert!(
        fail(&["eval", &m, "--data", &data, "--mistakes", "/dev/full"], 1).starts_with(full) || {
            // No mistakes, no picture.
            succeed(&["eval", &m, "--data", &data]).contains("100.00 % right")
        }
    );
    assert!(Path::new("/dev/full").metadata().is_ok_and(|m| !m.is_file()), "it was replaced by a file");
    // A limit of the shell stops a write in the middle.
    let (c, before) = (folder.text("c"), folder.files());
    let out = shell(&format!("ulimit -f 4; \"$T\" compile {cnn} -o {c}"));
    assert!(message(&out, 1).starts_with(&format!("cannot write {c}/net.")));
    assert_eq!(std::fs::read_dir(&c).unwrap().count(), 0);
    std::fs::remove_dir(&c).unwrap();
    assert_eq!(folder.files(), before);
    // What is no file is written to as it is.
    let out = teff(&["quantize", &m, "--data", &data, "-o", "/dev/stdout", "-q"]).output().unwrap();
    assert!(out.status.success() && out.stdout.len() > 1000);
}

#[test]
fn the_files_of_a_compilation_change_together() {
    let folder = Folder::new("together");
    let (one, other) = (model("hello_world_float.onnx"), model("cnn.onnx"));
    let out = folder.text("c");
    succeed(&["compile", &one, "-o", &out]);
    let all = || {
        let read = |f: std::fs::DirEntry| (f.file_name(), std::fs::read(f.path()).unwrap_or_default());
        let mut all: Vec<_> = std::fs::read_dir(&out).unwrap().map(|f| read(f.unwrap())).collect();
        all.sort();
        all
    };
    // One of the new files cannot be written, whichever: the old ones stay as they are.
    for limit in [1, 4, 32] {
        let before = all();
        message(&shell(&format!("ulimit -f {limit}; \"$T\" compile {other} -o {out}")), 1);
        assert_eq!(all(), before, "limit {limit}");
    }
    let selftest = folder.path("c").join("net_selftest.c");
    std::fs::remove_file(&selftest).unwrap();
    std::fs::create_dir(&selftest).unwrap();
    let before = all();
    let said = fail(&["compile", &other, "-o", &out], 1);
    assert!(said.contains("net_selftest.c"), "{said}");
    assert_eq!(all(), before);
}

#[test]
fn inputs_without_end_or_beginning() {
    let folder = Folder::new("special");
    let cnn = model("cnn.onnx");
    for path in ["/dev/zero", "/dev/null", "/dev/full"] {
        assert!(fail(&["inspect", path], 1).contains("it is a device"), "{path}");
        assert!(fail(&["run", &cnn, "-i", path], 1).contains(path), "{path}");
        assert!(fail(&["sim", path], 1).contains("it is a device"), "{path}");
    }
    assert!(fail(&["inspect", &folder.text(".")], 1).contains("is a folder"));
    assert!(fail(&["inspect", "/dev/stdout"], 1).contains("it is where output goes"));
    let pipe = folder.text("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(fail(&["run", &cnn, "-i", &pipe], 1).contains("it is no file"));
    // A pipe that somebody writes to is read.
    let out = shell(&format!("cat {cnn} | \"$T\" inspect /dev/stdin"));
    assert!(String::from_utf8_lossy(&out.stdout).starts_with("graph "));
}

#[test]
fn paths_that_are_no_text() {
    let folder = Folder::new("bytes");
    let odd = |name: &[u8]| folder.path("").join(OsStr::from_bytes(name));
    let (model_file, x) = (odd(b"m\xff.onnx"), odd(b"x\xfe.npy"));
    std::fs::copy(model("cnn.onnx"), &model_file).unwrap();
    let mut npy =
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 784), }".to_vec();
    npy.resize(127, b' ');
    npy.push(b'\n');
    npy.resize(128 + 4 * 784, 0);
    std::fs::write(&x, npy).unwrap();
    let run = |args: &[&OsStr]| {
        let out = Command::new(TEFF).args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    let word = OsStr::new;
    let (file, npy) = (model_file.as_os_str(), x.as_os_str());
    let named = OsStr::from_bytes(&[b"input=", npy.as_bytes()].concat()).to_os_string();
    for given in [npy, &named] {
        let results = odd(b"r\xff");
        run(&[word("run"), file, word("-i"), given, word("-o"), results.as_os_str(), word("--json")]);
        assert!(results.join("output.npy").is_file());
    }
    let c = odd(b"c\xff");
    run(&[word("compile"), file, word("-o"), c.as_os_str(), word("--json")]);
    assert!(c.join("net.c").is_file());
    let data = bars(&folder);
    let trained = odd(b"t\xff.onnx");
    let toml = odd(b"\xff.toml");
    std::fs::write(&toml, SMALL).unwrap();
    let more = ["--epochs", "1", "--batch", "16", "--json", "--model"].map(word);
    run(&[&[word("train"), word(&data), word("-o"), trained.as_os_str()][..], &more, &[toml.as_os_str()]]
        .concat());
    let small = odd(b"8\xff.onnx");
    run(&[
        word("quantize"),
        trained.as_os_str(),
        word("--data"),
        word(&data),
        word("-o"),
        small.as_os_str(),
        word("--json"),
    ]);
}

/// Memory that a shell allows, in kilobytes: with less, `teff` does not start.
const LITTLE: [u32; 4] = [30_000, 60_000, 120_000, 400_000];

#[test]
fn too_little_memory_is_an_error() {
    let folder = Folder::new("memory");
    let large = model("vww_mbv1_025_int8.onnx");
    let mut failed = 0;
    for kilobytes in LITTLE {
        for args in [
            format!("compile {large} -o {}", folder.text("c")),
            format!("inspect {large} --full"),
            format!("run {} --input-shape input:2x784", model("cnn.onnx")),
            format!("compile {} --input-shape input:1000000x784 -o {}", model("cnn.onnx"), folder.text("d")),
        ] {
            let out = shell(&format!("ulimit -v {kilobytes}; \"$T\" {args}"));
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(matches!(out.status.code(), Some(0 | 1)), "{kilobytes}, {args}: {:?} {said}", out.status);
            failed += usize::from(out.status.code() == Some(1));
        }
    }
    assert!(failed > LITTLE.len(), "nothing failed: the limits are no test");
}

/// A process that is asked to end once `begun`, and what is left.
fn end_by(signal: &str, folder: &Folder, command: &mut Command, begun: impl Fn() -> bool) -> (i32, String) {
    let scratch = folder.path("scratch");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir(&scratch).unwrap();
    let child =
        command.env("TMPDIR", &scratch).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waiting = Instant::now();
    while !begun() {
        assert!(waiting.elapsed() < Duration::from_secs(60), "it does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    let asked = Instant::now();
    let out = child.wait_with_output().unwrap();
    let took = asked.elapsed();
    // A second on a machine that does nothing else.
    assert!(took < Duration::from_secs(5), "{signal}: it takes {took:?}");
    let left: Vec<PathBuf> = std::fs::read_dir(&scratch).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(left.is_empty(), "{signal}: left behind: {left:?}");
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).to_string())
}

const SIGNALS: [(&str, i32); 3] = [("INT", 130), ("TERM", 143), ("HUP", 129)];

/// A folder of scripts in the place of compilers: each answers when it is asked for its version, and otherwise says in a file that it is
/// there, and takes its time with a child of its own.
fn slow_tools(folder: &Folder, names: &[&str]) -> String {
    let script = format!(
        "#!/bin/sh\ncase $1 in --version) exit 0;; esac\ntouch \"${{TMPDIR:-.}}/of_compiler\"\necho $$ > {0}.new\nmv {0}.new {0}\nsleep 300\n",
        folder.text("compiles")
    );
    std::fs::create_dir_all(folder.path("tools")).unwrap();
    for name in names {
        let path = folder.write(&format!("tools/{name}"), &script);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder.text("tools")
}

/// Ends `command` by every signal while a slow tool works for it.
fn end_with_tools(folder: &Folder, tools: &[&str], args: &[&str]) {
    let tools = slow_tools(folder, tools);
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    for (signal, status) in SIGNALS {
        let begun = folder.path("compiles");
        let _ = std::fs::remove_file(&begun);
        let mut command = teff(args);
        command.env("CC", format!("{tools}/slow-cc")).env("PATH", &path);
        let (got, said) = end_by(signal, folder, &mut command, || begun.exists());
        assert_eq!(got, status, "{args:?} {signal}: {said}");
        // Its process is gone, or will be as soon as the system has cleared it away.
        let process = format!("/proc/{}", std::fs::read_to_string(&begun).unwrap().trim());
        let runs =
            || std::fs::read_to_string(format!("{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        let waiting = Instant::now();
        while runs() {
            assert!(waiting.elapsed() < Duration::from_secs(5), "{args:?} {signal}: the compiler goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn signals_end_compilers_too() {
    let folder = Folder::new("signals");
    let float = model("hello_world_float.onnx");
    end_with_tools(&folder, &["slow-cc"], &["verify", &float]);
    end_with_tools(&folder, &["gcc"], &["compile", &float, "-o", &folder.text("c"), "--size"]);
    assert!(!folder.path("c").exists());
    end_with_tools(&folder, &["arm-none-eabi-gcc"], &["report", &float, "--html", &folder.text("r.html")]);
    assert!(!folder.path("r.html").exists());
}

#[test]
fn signals_end_what_builds_firmware() {
    let folder = Folder::new("signals-firmware");
    let (data, toml, m) = (bars(&folder), folder.write("small.toml", SMALL), folder.text("m.onnx"));
    succeed(&["train", &data, "--model", &toml, "--epochs", "1", "--batch", "16", "-o", &m]);
    let (uf2, target) = (folder.text("fw.uf2"), folder.text("target"));
    let args = ["firmware", &m, "-o", &uf2, "--language", "rust", "--target-dir", &target];
    let has_core =
        Command::new("rustc").args(["--print", "target-libdir", "--target", "thumbv6m-none-eabi"]).output();
    let folder_of_core =
        has_core.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_string()).unwrap_or_default();
    if !Path::new(&folder_of_core).is_dir() {
        println!("skipped: no core library for the board");
        return;
    }
    end_with_tools(&folder, &["cargo"], &args);
    assert!(!Path::new(&uf2).exists());
    let networks = std::fs::read_dir(folder.path("target/networks")).unwrap();
    let drafts = networks.filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().starts_with("draft"));
    assert_eq!(drafts.count(), 0, "a draft is left");
}

#[test]
fn signals_end_a_simulation_with_its_files() {
    let folder = Folder::new("signals-sim");
    let elf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-rp2040/tests/corpus/busy2.elf");
    for (signal, status) in SIGNALS {
        let trace = folder.text("trace.txt");
        let _ = std::fs::remove_file(&trace);
        let mut sim = teff(&[
            "sim",
            &elf.display().to_string(),
            "--seconds",
            "100000",
            "--trace",
            &trace,
            "--trace-lines",
            "100000000",
        ]);
        let begun = || folder.files().iter().any(|name| name.starts_with(".teff"));
        let (got, said) = end_by(signal, &folder, &mut sim, begun);
        assert_eq!(got, status, "{said}");
        assert!(Path::new(&trace).exists(), "the trace is not written: {said}");
        assert!(!begun(), "{:?}", folder.files());
    }
}

/// Nothing looks for signals while a model is read.
#[test]
fn signals_end_what_waits() {
    let folder = Folder::new("signals-wait");
    let pipe = folder.text("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (signal, status) in SIGNALS {
        let begun = Instant::now();
        let mut compile = teff(&["compile", &pipe, "-o", &folder.text("c")]);
        let (got, said) =
            end_by(signal, &folder, &mut compile, || begun.elapsed() > Duration::from_millis(300));
        assert_eq!((got, said.as_str()), (status, ""));
    }
}

#[test]
fn signals_end_training_with_a_checkpoint() {
    let folder = Folder::new("signals-train");
    let (data, toml) = (bars(&folder), folder.write("small.toml", SMALL));
    for (signal, status) in SIGNALS {
        let (out, checkpoint) = (folder.text("m.onnx"), folder.text("m.safetensors"));
        let mut train = teff(&[
            "train",
            &data,
            "--model",
            &toml,
            "--batch",
            "16",
            "--epochs",
            "1000000",
            "-q",
            "-o",
            &out,
            "--checkpoint",
            &checkpoint,
        ]);
        let begun = || Path::new(&checkpoint).exists();
        let (got, said) = end_by(signal, &folder, &mut train, begun);
        assert_eq!(got, status, "{said}");
        assert!(said.contains("--resume"), "{said}");
        assert!(!Path::new(&out).exists());
        let names = folder.files();
        assert_eq!(names.iter().filter(|n| n.starts_with(".teff")).count(), 0, "{names:?}");
        std::fs::remove_file(&checkpoint).unwrap();
    }
}

/// What runs under nohup is not ended when its terminal goes.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let folder = Folder::new("nohup");
    let pipe = folder.text("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // It waits for the pipe; the signal comes meanwhile.
    let line = format!(
        "trap '' HUP; \"$T\" inspect {pipe} > {0} & id=$!; sleep 0.5; kill -s HUP $id; sleep 0.2; cat {1} > {pipe}; wait $id",
        folder.text("out"),
        model("cnn.onnx")
    );
    let out = shell(&line);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn bash_completes_commands_and_options() {
    let completed = |words: &str| {
        let line = format!(
            "eval \"$($T completions bash)\"; COMP_WORDS=(teff {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _teff teff \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo ${{COMPREPLY[@]}}"
        );
        let out = Command::new("bash").args(["-c", &line]).env("T", TEFF).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(completed("quant").trim(), "quantize");
    assert_eq!(completed("compile --arena sta").trim(), "static stack");
    assert!(completed("report --html").contains("--html"));
}
