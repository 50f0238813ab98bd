//! What the command says when something is wrong: one paragraph that names the thing and the remedy, an exit status that is not 0,
//! and nothing half-written.

mod common;

use common::{Folder, SMALL, bars, exists, fail, idx, teff, trained};

/// Trains on `data` with `model` into a file that must not appear, and gives the message.
fn train_fails(folder: &Folder, data: &str, model: &str) -> String {
    let out = folder.text("out.onnx");
    let message = fail(&["train", data, "-o", &out, "--model", model], 1);
    assert!(!exists(&out), "a model was written");
    assert!(!message.contains('\n'), "more than a paragraph: {message}");
    message
}

#[test]
fn missing_and_truncated_data() {
    let folder = Folder::new("data");
    let message = train_fails(&folder, &folder.text("nowhere"), "mlp");
    assert!(message.contains("nowhere"), "{message}");

    let data = bars(&folder);
    let images = folder.path("bars").join("train-images-idx3-ubyte");
    let whole = std::fs::read(&images).unwrap();
    std::fs::write(&images, &whole[..whole.len() / 2]).unwrap();
    let message = train_fails(&folder, &data, "mlp");
    assert!(message.contains("train-images-idx3-ubyte") && message.contains("cut short"), "{message}");

    std::fs::write(&images, idx(&[95, 8, 8], &[0; 95 * 64])).unwrap();
    let message = train_fails(&folder, &data, "mlp");
    assert!(message.contains("95") && message.contains("96"), "{message}");

    std::fs::remove_file(&images).unwrap();
    let message = train_fails(&folder, &data, "mlp");
    assert!(message.contains("train-images-idx3-ubyte"), "{message}");
}

#[test]
fn models_that_are_unknown_or_do_not_fit() {
    let folder = Folder::new("models");
    let data = bars(&folder);
    let message = train_fails(&folder, &data, "resnet");
    assert!(message.contains("known are mlp, cnn, lenet, small"), "{message}");
    let toml = |name: &str, text: &str| folder.write(name, text);

    let message = train_fails(&folder, &data, &toml("a.toml", "[[layer]]\nkind = \"lineer\"\nout = 2\n"));
    assert!(message.contains("layer 1 (lineer): unknown kind; known are linear, conv"), "{message}");
    let message =
        train_fails(&folder, &data, &toml("b.toml", "[[layer]]\nkind = \"conv\"\nout = 2\nkernel = 9\n"));
    assert!(message.contains("layer 1 (conv)") && message.contains("a window of 9"), "{message}");
    let message = train_fails(&folder, &data, &toml("c.toml", "[[layer]\nkind"));
    assert!(message.contains("c.toml: not TOML"), "{message}");
    let message = train_fails(&folder, &data, &toml("d.toml", "[[layer]]\nkind = \"flatten\"\n"));
    assert!(message.contains("the data has 2 classes; end the model with a linear layer"), "{message}");
    let message = train_fails(&folder, &data, &folder.text("none.toml"));
    assert!(message.starts_with("cannot read ") && message.contains("none.toml"), "{message}");
    folder.write("binary.toml", [0xff, 0xfe, 0x00]);
    let message = train_fails(&folder, &data, &folder.text("binary.toml"));
    assert!(message.contains("is no text"), "{message}");
}

#[test]
fn files_that_are_no_models() {
    let folder = Folder::new("onnx");
    let model = trained(&folder);
    let data = folder.text("bars");
    for (name, bytes) in [
        ("text.onnx", b"this is a shopping list: milk, bread".to_vec()),
        ("empty.onnx", Vec::new()),
        ("half.onnx", std::fs::read(&model).unwrap()[..400].to_vec()),
    ] {
        let path = folder.write(name, bytes);
        for command in [&["inspect", &path][..], &["eval", &path, "--data", &data]] {
            let message = fail(command, 1);
            assert!(message.contains(name), "{message}");
        }
    }
    let message = fail(&["inspect", &folder.text("none.onnx")], 1);
    assert!(message.starts_with("cannot read "), "{message}");
    let message = fail(&["eval", &model, "--data", "/dev/null"], 1);
    assert!(message.contains("/dev/null"), "{message}");
}

#[test]
fn places_that_cannot_be_written_are_refused_before_the_work() {
    let folder = Folder::new("places");
    let data = bars(&folder);
    let toml = folder.write("small.toml", SMALL);
    // A million epochs would not end if the place were not checked first.
    let train = |out: &str| fail(&["train", &data, "-o", out, "--model", &toml, "--epochs", "1000000"], 1);
    let message = train(&folder.text("no/such/folder/m.onnx"));
    assert!(message.contains("does not exist; make it first"), "{message}");
    let message = train(&data);
    assert!(message.contains("it is a folder; name a file in it"), "{message}");
    let message = train(&format!("{toml}/m.onnx"));
    assert!(message.starts_with("cannot write "), "{message}");
}

#[test]
fn models_that_cannot_become_c() {
    let folder = Folder::new("no-c");
    let model = trained(&folder);
    let compile = |more: &[&str], status| fail(&[&["compile", &model][..], more].concat(), status);
    let out = folder.text("c");
    let message = compile(&["-o", &out, "--name", "3net"], 1);
    assert!(message.contains("\"3net\" cannot name the function"), "{message}");
    assert!(compile(&["-o", &out, "--arena", "heap"], 2).contains("--arena"));
    assert!(compile(&["-o", &out, "--name", "yield"], 1).contains("it is a word of C or Rust"));
    assert!(compile(&["-o", &out, "--language", "ada"], 2).contains("--language"));
    let message = compile(&["-o", &out, "--language", "rust", "--arena", "static"], 1);
    assert!(message.contains("--arena static is for C"), "{message}");
    assert!(compile(&["-o", &out, "--arena", "stack"], 1).contains("--arena stack is for Rust"));
    assert!(!exists(&out), "a folder was made");
    let file = folder.write("file", "");
    let message = compile(&["-o", &file], 1);
    assert!(
        message.starts_with("cannot make the folder ") && message.contains("choose a place"),
        "{message}"
    );
    let junk = folder.write("junk.onnx", "junk");
    let message = fail(&["compile", &junk, "-o", &out], 1);
    assert!(message.contains("junk.onnx"), "{message}");
    assert!(!exists(&out), "a folder was made");
    let message = compile(&["-o", &out, "--data", "data"], 1);
    assert!(message.contains("data"), "{message}");
}

#[test]
fn settings_out_of_range() {
    let folder = Folder::new("settings");
    let (data, out) = (bars(&folder), folder.text("m.onnx"));
    let train =
        |more: &[&str], status: i32| fail(&[&["train", &data, "-o", &out][..], more].concat(), status);
    assert!(train(&["--batch", "1000"], 1).contains("96 samples do not fill a batch of 1000"));
    assert!(train(&["--rate", "-1"], 1).contains("the learning rate is -1"));
    assert!(train(&["--augment=blur"], 1).contains("nothing is called \"blur\"; known are shift"));
    assert!(train(&["--augment=shift=far"], 1).contains("write shift=NUMBER"));
    assert!(train(&["--epochs", "0"], 2).contains("epochs"));
    let message = train(&["--batch", "16", "--resume", &folder.text("none.safetensors")], 1);
    assert!(message.starts_with("cannot read ") && message.contains("none.safetensors"), "{message}");
    let junk = folder.write("junk.safetensors", "junk");
    assert!(train(&["--batch", "16", "--resume", &junk], 1).contains("is it a safetensors file"));
    assert!(!exists(&out));
}

#[test]
fn wrong_usage_exits_with_2_and_failures_are_json_when_asked() {
    assert_eq!(teff(&["trian"]).output().unwrap().status.code(), Some(2));
    assert_eq!(teff(&[]).output().unwrap().status.code(), Some(2));
    let out = teff(&["inspect", "/none.onnx", "--json"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8(out.stdout).unwrap().starts_with("{\"error\":\"cannot read /none.onnx"));
}
