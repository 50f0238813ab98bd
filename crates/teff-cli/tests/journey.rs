//! The main road: train, look, evaluate, go on from checkpoints.

mod common;

use common::{Folder, SMALL, bars, exists, fail, message, succeed, teff, trained};
use std::time::{Duration, Instant};

#[test]
fn a_trained_network_is_written_read_and_evaluated() {
    let folder = Folder::new("journey");
    let model = trained(&folder);
    let data = folder.text("bars");

    let json = succeed(&["eval", &model, "--data", &data, "--json"]);
    assert!(json.contains("\"accuracy\":1.0") && json.contains("\"samples\":32"), "{json}");
    let text = succeed(&["eval", &model, "--data", &data]);
    assert!(
        text.starts_with("100.00 % right: 32 of 32") && text.contains("across       16  100.00 %"),
        "{text}"
    );

    let graph = succeed(&["inspect", &model]);
    assert!(
        graph.starts_with("graph \"small\"\n") && graph.contains("conv(") && graph.contains("= ..."),
        "{graph}"
    );
    let whole = succeed(&["inspect", &model, "--full"]);
    assert!(whole.len() > graph.len() && !whole.contains("= ..."));
}

#[test]
fn the_worst_mistakes_become_a_picture() {
    let folder = Folder::new("mistakes");
    let (data, toml, out) = (bars(&folder), folder.write("small.toml", SMALL), folder.text("m.onnx"));
    // Hardly trained, so that there are mistakes.
    succeed(&["train", &data, "-o", &out, "--model", &toml, "--epochs", "1", "--batch", "96", "-q"]);
    let picture = folder.text("wrong.png");
    succeed(&["eval", &out, "--data", &data, "--mistakes", &picture, "-q"]);
    assert_eq!(&std::fs::read(picture).unwrap()[..8], b"\x89PNG\r\n\x1a\n");
}

#[test]
fn training_is_repeatable() {
    let folder = Folder::new("repeat");
    let (data, toml) = (bars(&folder), folder.write("small.toml", SMALL));
    let train = |out: &str, seed: &str| {
        let out = folder.text(out);
        let args = [
            "train",
            &data,
            "-o",
            &out,
            "--model",
            &toml,
            "--epochs",
            "2",
            "--batch",
            "16",
            "--augment",
            "--seed",
            seed,
        ];
        succeed(&args);
        std::fs::read(out).unwrap()
    };
    assert_eq!(train("a.onnx", "1"), train("b.onnx", "1"));
    assert_ne!(train("c.onnx", "2"), train("a.onnx", "1"));
}

#[test]
fn ctrl_c_leaves_a_checkpoint_that_goes_on_and_no_model() {
    let folder = Folder::new("stop");
    let (data, toml, out) = (bars(&folder), folder.write("small.toml", SMALL), folder.text("m.onnx"));
    let args = [
        "train", &data, "-o", &out, "--model", &toml, "--epochs", "4000000", "--batch", "16", "--rate",
        "0.01",
    ];
    let child =
        teff(&args).stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let interrupted = Instant::now();
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let said = message(&child.wait_with_output().unwrap(), 130);
    assert!(interrupted.elapsed() < Duration::from_secs(20), "it went on for {:?}", interrupted.elapsed());
    let checkpoint = folder.text("m.checkpoint.safetensors");
    assert!(
        said.starts_with("stopped in epoch ") && said.contains(&format!("--resume {checkpoint}")),
        "{said}"
    );
    assert!(!exists(&out));
    assert_eq!(folder.files(), ["bars", "m.checkpoint.safetensors", "small.toml"]);

    // It belongs to this training: other settings are refused, the same go on.
    let wrong = fail(
        &[
            "train",
            &data,
            "-o",
            &out,
            "--model",
            &toml,
            "--batch",
            "16",
            "--rate",
            "0.5",
            "--resume",
            &checkpoint,
        ],
        1,
    );
    assert!(wrong.starts_with("checkpoint ") && wrong.contains("was made with settings"), "{wrong}");
}

#[test]
fn a_checkpoint_an_epoch_can_be_gone_on_from() {
    let folder = Folder::new("resume");
    let (data, toml) = (bars(&folder), folder.write("small.toml", SMALL));
    let (whole, half, c) =
        (folder.text("whole.onnx"), folder.text("half.onnx"), folder.text("c.safetensors"));
    let train = |out: &str, more: &[&str]| {
        let args = ["train", &data, "-o", out, "--model", &toml, "--batch", "16", "-q"];
        succeed(&[&args[..], more].concat());
        std::fs::read(out).unwrap()
    };
    let expected = train(&whole, &["--epochs", "4"]);
    train(&half, &["--epochs", "2", "--checkpoint", &c]);
    assert_eq!(train(&half, &["--epochs", "4", "--resume", &c]), expected);
}

#[test]
fn a_trained_network_becomes_c_that_passes_its_self_test() {
    let folder = Folder::new("compile");
    let model = trained(&folder);
    let (data, out) = (folder.text("bars"), folder.text("c"));
    for (arena, name) in [("static", "net"), ("caller", "bars_net")] {
        let args = ["compile", &model, "-o", &out, "--name", name, "--arena", arena, "--data", &data];
        let text = succeed(&args);
        // Convolution 8x1x3x3 and its bias, dense 2x72 and its bias.
        assert!(text.contains("flash for weights 904 bytes"), "{text}");
        let runs = |compiler: &str| {
            let (source, test) = (format!("{name}.c"), format!("{name}_selftest.c"));
            let flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-O2"];
            let built = std::process::Command::new(compiler)
                .current_dir(&out)
                .args(flags)
                .args([&source, &test, "-o", "selftest", "-lm"])
                .output()
                .unwrap();
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            let run = std::process::Command::new(folder.path("c").join("selftest")).output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        };
        runs("cc");
    }
    let read = || std::fs::read_to_string(folder.path("c").join("net.c")).unwrap();
    let before = read();
    succeed(&["compile", &model, "-o", &out, "-q"]);
    only_labels(&read(), &before);
}

/// The text of a network that data name the classes of is that of the network, and labels.
fn only_labels(without: &str, with: &str) {
    let mut lines = with.lines();
    for line in without.lines() {
        assert!(
            lines.any(|l| l == line),
            "the text depends on something but the model and its labels: {line}"
        );
    }
    let more = with.lines().count() - without.lines().count();
    assert!(with.to_lowercase().contains("labels") && more < 20, "{more} lines more");
}

#[test]
fn a_trained_network_becomes_rust_that_passes_its_self_test() {
    let folder = Folder::new("compile-rust");
    let model = trained(&folder);
    let (data, out) = (folder.text("bars"), folder.text("rust"));
    for (arena, name) in [("caller", "net"), ("stack", "bars_net")] {
        let args = ["compile", &model, "-o", &out, "--language", "rust", "--name", name, "--arena", arena];
        let text = succeed(&[&args[..], &["--data", &data]].concat());
        assert!(
            text.contains("flash for weights 904 bytes") && text.contains(&format!("{name}.rs")),
            "{text}"
        );
        let test = format!("{name}_selftest.rs");
        let flags = ["--edition", "2021", "-D", "warnings", "-O", &test, "-o", "selftest"];
        let built = std::process::Command::new("rustc").current_dir(&out).args(flags).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let run = std::process::Command::new(folder.path("rust").join("selftest")).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.ends_with(", 0 wrong\n"), "{said}");
    }
    let read = || std::fs::read_to_string(folder.path("rust").join("net.rs")).unwrap();
    let before = read();
    succeed(&["compile", &model, "-o", &out, "--language", "rust", "-q"]);
    only_labels(&read(), &before);
}
