//! `teff demo`: the main job from end to end, on real data.

use super::compile::{Request, generate};
use super::train::{Loop, Save, nothing, write_onnx};
use super::{path, threads};
use crate::failure::{Failure, Result};
use crate::files::{make_folder, write};
use crate::native::{Native, Toolchain};
use crate::stop::Stop;
use crate::ui::{Ui, duration, grouped, table};
use clap::ArgMatches;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use teff::data::{Dataset, Mark, Tile, contact_sheet};
use teff::metrics::{Confusion, argmax};
use teff::model::ModelSpec;
use teff::train::{Settings, Trainer};
use teff::{Schedule, predict};

/// What each step took.
#[derive(Default)]
struct Times(Vec<(&'static str, Duration)>);

impl Times {
    fn of<T>(&mut self, step: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = work();
        self.0.push((step, started.elapsed()));
        result
    }
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let out = path(args, "out");
    make_folder(out)?;
    let compiler = Toolchain::C.compiler()?;
    let mut times = Times::default();

    let data = times.of("read the data", || Ok(teff::data::open(path(args, "data"))?))?;
    let settings = Settings {
        epochs: *args.get_one::<u64>("epochs").expect("has a default") as usize,
        rate: 4e-3,
        schedule: Schedule::OneCycle { warmup: 0.3 },
        threads: threads(args),
        ..Settings::default()
    };
    let classes = data.train.classes().len();
    let model = ModelSpec::preset("mlp").expect("comes with teff").build(
        data.train.shape(),
        classes,
        settings.seed,
    )?;
    ui.note(format!(
        "training a {} ({} parameters) on {} images, batch {}, {} threads",
        model.name,
        grouped(model.size()),
        grouped(data.train.len()),
        settings.batch,
        settings.threads
    ));
    let mut trainer = Trainer::new(&model, &data.train, settings.clone())?;
    let checkpoint = out.join("model.checkpoint.safetensors");
    let save = Save { path: &checkpoint, every_epoch: false };
    let (epochs, stop) = (settings.epochs, Stop::watch());
    let shown = Loop {
        label: "epoch",
        epochs,
        save: &save,
        beside: Default::default(),
        stop: &stop,
        ui,
        after: &nothing,
    };
    times.of("train", || shown.run(&mut trainer))?;
    let graph = model.graph(100)?;
    let host =
        times.of("run the test images on the host", || Ok(predict(&graph, &data.test, settings.threads)?))?;

    let onnx = out.join("model.onnx");
    times.of("write ONNX", || write_onnx(&model.graph(1)?, false, &onnx))?;
    let request = Request { name: "net".into(), samples: Some(&data.test), ..Request::default() };
    let generated = times.of("ONNX to C", || generate(&onnx, &request, out, ui))?;
    let native =
        times.of("C to machine code", || Native::build(&generated.program, Toolchain::C, &compiler, out))?;
    let (logits, inference) = times.of("run the test images through the C", || run_c(&native, &data.test))?;

    let said: Vec<u16> = logits.chunks_exact(classes).map(|l| argmax(l) as u16).collect();
    let c = Confusion::count(data.test.labels(), &said, classes);
    let h = host.confusion(&data.test);
    let different = said.iter().zip(&host.classes).filter(|(a, b)| a != b).count();
    let largest = logits.iter().zip(&host.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let picture = out.join("digits.png");
    write(&picture, &digits(&data.test, &logits, &said, &c)?)?;

    let code = code_size(&compiler, out);
    let rows = [
        ("accuracy of the host executor", percent(h.accuracy())),
        ("accuracy of the compiled C", percent(c.accuracy())),
        ("test images they class differently", format!("{different} of {}", grouped(data.test.len()))),
        ("largest difference of an output", format!("{largest:.1e}")),
        ("flash for weights", format!("{} bytes", grouped(generated.budget.flash_weights))),
        ("code on this machine", code.map_or("unknown".into(), |n| format!("{} bytes", grouped(n)))),
        ("RAM", format!("{} bytes", grouped(generated.budget.ram_arena))),
        ("multiply-accumulates", grouped(generated.budget.macs as usize)),
        ("one inference of the C on this machine", duration(inference)),
    ];
    let mut text: Vec<Vec<String>> =
        rows.iter().map(|(what, value)| vec![what.to_string(), value.clone()]).collect();
    text.push(vec![String::new()]);
    text.extend(times.0.iter().map(|(step, time)| vec![step.to_string(), duration(*time)]));
    let text = format!("\n{}\nThe 25 digits in {} show what the C said.", table(&text), picture.display());
    ui.result(
        &text,
        &json!({
            "host_accuracy": h.accuracy(), "c_accuracy": c.accuracy(), "different": different, "largest_difference": largest,
            "flash_weights": generated.budget.flash_weights, "code": code, "ram": generated.budget.ram_arena, "macs": generated.budget.macs,
            "inference_seconds": inference.as_secs_f64(), "picture": picture,
            "seconds": times.0.iter().map(|(s, t)| (s.to_string(), json!(t.as_secs_f64()))).collect::<serde_json::Map<_, _>>(),
        }),
    );
    if different > 0 || largest > 1e-4 {
        return Err(Failure::new(format!(
            "the compiled C and the host executor disagree: {different} images classed differently, outputs up to {largest:.1e} apart; \
             this is a defect of teff"
        )));
    }
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// The outputs of the compiled C on every sample, and the mean time of one.
fn run_c(native: &Native, data: &Dataset) -> Result<(Vec<f32>, Duration)> {
    let mut image = vec![0.0f32; data.sample_len()];
    let (bytes, time) = native.run(data.len(), move |i| {
        data.gather(&[i], &mut image);
        image.iter().flat_map(|x| x.to_ne_bytes()).collect()
    })?;
    let float = |b: &[u8]| f32::from_ne_bytes(b.try_into().expect("4 bytes"));
    Ok((bytes.chunks_exact(4).map(float).collect(), time))
}

/// Bytes of machine code that `net.c` compiles to here, if `size` is there to tell.
fn code_size(compiler: &str, folder: &Path) -> Option<usize> {
    let object = ["-std=c99", "-O2", "-c", "-o", "net.o", "net.c"];
    let built = Command::new(compiler).current_dir(folder).args(object).status().ok()?;
    let size = Command::new("size").current_dir(folder).args(["-A", "net.o"]).output().ok()?;
    let _ = std::fs::remove_file(folder.join("net.o"));
    if !built.success() {
        return None;
    }
    let text = String::from_utf8(size.stdout).ok()?;
    let sections = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let code = sections
        .filter(|s| s.len() >= 2 && s[0].starts_with(".text"))
        .filter_map(|s| s[1].parse::<usize>().ok());
    Some(code.sum())
}

/// The first 25 test images and what the C said of them.
fn digits(data: &Dataset, logits: &[f32], said: &[u16], c: &Confusion) -> Result<Vec<u8>> {
    let classes = data.classes();
    let tiles: Vec<Tile> = (0..25.min(data.len()))
        .map(|i| {
            let all = &logits[i * classes.len()..(i + 1) * classes.len()];
            let top = all[usize::from(said[i])];
            let sure = 1.0 / all.iter().map(|&x| f64::from(x - top).exp()).sum::<f64>();
            let right = said[i] == data.labels()[i];
            Tile {
                sample: data.sample(i),
                caption: format!("{} {:.0} %", classes[usize::from(said[i])], sure * 100.0),
                mark: if right { Mark::Right } else { Mark::Wrong },
            }
        })
        .collect();
    let title = format!("what the compiled C says: {} right", percent(c.accuracy()));
    Ok(contact_sheet(&title, &tiles, data.shape(), 5)?)
}
