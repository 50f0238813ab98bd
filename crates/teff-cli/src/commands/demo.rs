//! `teff demo`: the main job from end to end, on real data: train, compile, run the C on this machine, quantise, build the firmware of
//! the board, and run that in the simulator.

mod host;

use super::firmware::{Built, Request as Firmware, Tools, build};
use super::quantize::with_progress;
use super::train::{Loop, Save, nothing, write_onnx};
use crate::args::{count, number, path, path_of, switch, threads, threads_of};
use crate::failure::{Failure, Result};
use crate::files::{make_folder, read, write};
use crate::generate::{Language, Request, generate, size};
use crate::native::{Native, compiler};
use crate::stop::Stop;
use crate::ui::{Ui, duration, grouped, path_text, percent, table};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use digits_board::Shown;
use digits_scenes::with_seen;
use host::{digits, run_c};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use teff::data::{Dataset, Split};
use teff::metrics::{Confusion, argmax};
use teff::model::{Model, ModelSpec};
use teff::quantize::{Interface, rewrite};
use teff::train::{Settings, Trainer};
use teff::{Graph, Schedule, predict};

/// Digits that are put before a camera for training, besides those as they are, and digits that the board is shown.
const SEEN: usize = 10_000;
const SHOWN: usize = 10;
/// The same of a quick demo, and its epochs.
const QUICK_SEEN: usize = 2_000;
const QUICK_SHOWN: usize = 3;
const QUICK_EPOCHS: usize = 2;
/// The board's clock.
const BOARD_MHZ: f64 = 125.0;

/// Names of the pictures of the board's display: all beside each other, and one after the other.
const STRIP: &str = "board.png";
const FILM: &str = "board.gif";

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

/// A line of the table, and the same for scripts.
struct Row {
    what: &'static str,
    value: String,
    key: &'static str,
    json: Json,
}

fn row(what: &'static str, value: impl Into<String>, key: &'static str, json: impl Into<Json>) -> Row {
    Row { what, value: value.into(), key, json: json.into() }
}

fn bytes(what: &'static str, count: usize, key: &'static str) -> Row {
    row(what, format!("{} bytes", grouped(count)), key, count)
}

fn accuracy(what: &'static str, share: f64, key: &'static str) -> Row {
    row(what, percent(share), key, share)
}

/// What all steps need.
struct Demo<'a> {
    out: &'a Path,
    data: Split,
    threads: usize,
    /// Whether it is to end soon.
    quick: bool,
    stop: Stop,
    ui: &'a Ui,
    times: Times,
    rows: Vec<Row>,
}

pub(crate) fn command() -> Command {
    Command::new("demo")
        .about("Train on MNIST, compile to C, quantise, build firmware, run it on the simulated board; ends with a table and pictures")
        .arg(path("out", "DIR", "Where the results go").short('o').default_value("out/demo"))
        .arg(path("data", "DATASET", "The data set").default_value("data/mnist"))
        .arg(number("epochs", "5", "How often every sample is seen"))
        .arg(switch("quick", "Train for two epochs and show the board three digits: half a minute"))
        .arg(threads())
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let out = path_of(args, "out");
    make_folder(out)?;
    // What is missing is said at once, before the work begins.
    let tools = Tools::find(None, None);
    if let Err(missing) = &tools {
        ui.note(format!("the part on the board is left out: {}", missing.message));
    }
    let mut times = Times::default();
    let data = times.of("read the data", || Ok(teff::data::open(path_of(args, "data"))?))?;
    let (threads, stop) = (threads_of(args), Stop::watch());
    let quick = args.get_flag("quick");
    let asked = args.value_source("epochs") == Some(ValueSource::CommandLine);
    let epochs = if quick && !asked { QUICK_EPOCHS } else { count(args, "epochs") };
    let mut demo = Demo { out, data, threads, quick, stop, ui, times, rows: Vec::new() };
    let model = demo.train(epochs)?;
    demo.compile(&model)?;
    let quantised = demo.quantise(&model.graph(1)?)?;
    let shown = match tools {
        Ok(_) => Some(demo.board(&quantised)?),
        Err(_) => None,
    };
    demo.finish(shown.as_ref())
}

impl Demo<'_> {
    /// Trains on the digits as they are and as the camera's preparation makes them.
    fn train(&mut self, epochs: usize) -> Result<Model> {
        let settings = Settings {
            epochs,
            rate: 4e-3,
            schedule: Schedule::OneCycle { warmup: 0.3 },
            threads: self.threads,
            ..Settings::default()
        };
        let classes = self.data.train.classes().len();
        let model = ModelSpec::preset("mlp").expect("comes with teff").build(
            self.data.train.shape(),
            classes,
            settings.seed,
        )?;
        let (data, threads) = (&self.data.train, self.threads);
        let seen = if self.quick { QUICK_SEEN } else { SEEN };
        let train = self
            .times
            .of("put digits before a camera", || Ok(with_seen(data, seen, settings.seed, threads)?))?;
        self.ui.note(format!(
            "training a {} ({} parameters) on {} images, {} of them seen by a camera; batch {}, {} threads",
            model.name,
            grouped(model.size()),
            grouped(train.len()),
            grouped(train.len() - data.len()),
            settings.batch,
            settings.threads
        ));
        let mut trainer = Trainer::new(&model, &train, settings)?;
        let checkpoint = self.out.join("model.checkpoint.safetensors");
        let save = Save { path: &checkpoint, every_epoch: false };
        let (stop, ui) = (&self.stop, self.ui);
        let shown = Loop {
            label: "epoch",
            epochs,
            save: &save,
            beside: Default::default(),
            stop,
            ui,
            after: &nothing,
        };
        self.times.of("train", || shown.run(&mut trainer))?;
        Ok(model)
    }

    /// The network in floats: ONNX, C, and all test images through both executors.
    fn compile(&mut self, model: &Model) -> Result<()> {
        let Demo { out, data, threads, ui, times, rows, .. } = self;
        let compiler = compiler(Language::C)?;
        let graph = model.graph(100)?;
        let host =
            times.of("run the test images on the host", || Ok(predict(&graph, &data.test, *threads)?))?;
        let onnx = out.join("model.onnx");
        times.of("write ONNX", || write_onnx(&model.graph(1)?, false, &onnx))?;
        let request = Request { name: "net".into(), samples: Some(&data.test), ..Request::default() };
        let generated = times.of("ONNX to C", || generate(&onnx, &request, out, ui))?;
        let native = times
            .of("C to machine code", || Native::build(&generated.program, Language::C, &compiler, out))?;
        let (logits, inference) =
            times.of("run the test images through the C", || run_c(&native, &data.test))?;

        let classes = data.test.classes().len();
        let said: Vec<u16> = logits.chunks_exact(classes).map(|l| argmax(l) as u16).collect();
        let c = Confusion::count(data.test.labels(), &said, classes);
        let different = said.iter().zip(&host.classes).filter(|(a, b)| a != b).count();
        let largest = logits.iter().zip(&host.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        write(&out.join("digits.png"), &digits(&data.test, &logits, &said, &c)?)?;
        // Where there is no `size` to tell, it stays unknown.
        let code = size::count(&compiler, "size", &[], "net.c", out).ok().map(|size| size.code);
        let budget = &generated.budget;
        rows.extend([
            accuracy("accuracy of the host executor", host.confusion(&data.test).accuracy(), "host_accuracy"),
            accuracy("accuracy of the compiled C", c.accuracy(), "c_accuracy"),
            row(
                "test images they class differently",
                format!("{different} of {}", grouped(data.test.len())),
                "different",
                different,
            ),
            row("largest difference of an output", format!("{largest:.1e}"), "largest_difference", largest),
            bytes("flash for weights", budget.flash_weights, "flash_weights"),
            match code {
                Some(code) => bytes("code on this machine", code, "code"),
                None => row("code on this machine", "unknown", "code", Json::Null),
            },
            bytes("RAM", budget.ram_arena, "ram"),
            row("multiply-accumulates", grouped(budget.macs as usize), "macs", budget.macs),
            row(
                "one inference of the C on this machine",
                duration(inference),
                "inference_seconds",
                inference.as_secs_f64(),
            ),
        ]);
        if different > 0 || largest > 1e-4 {
            return Err(Failure::new(format!(
                "the compiled C and the host executor disagree: {different} images classed differently, outputs up to {largest:.1e} \
                 apart; this is a defect of teff"
            )));
        }
        Ok(())
    }

    /// The network in integers, as ONNX with 8-bit ends.
    fn quantise(&mut self, graph: &Graph) -> Result<PathBuf> {
        let Demo { out, data, threads, stop, ui, times, rows, .. } = self;
        let settings = teff::quantize::Settings {
            interface: Interface::Int8,
            threads: *threads,
            ..teff::quantize::Settings::default()
        };
        let done = times.of("quantise", || with_progress(graph, data, &settings, stop, ui))?;
        let float_ends = rewrite(&done.network, &done.scheme, Interface::Float)?;
        let after = predict(&float_ends, &data.test, *threads)?.confusion(&data.test);
        let file = out.join("model8.onnx");
        write_onnx(&done.graph, false, &file)?;
        rows.push(accuracy("accuracy in 8-bit integers", after.accuracy(), "int8_accuracy"));
        Ok(file)
    }

    /// The board: its firmware, and digits before its camera.
    fn board(&mut self, model: &Path) -> Result<(Built, Shown)> {
        let Demo { out, data, quick, stop, ui, times, rows, .. } = self;
        let count = if *quick { QUICK_SHOWN } else { SHOWN };
        let uf2 = out.join("firmware.uf2");
        let labels = Some(data.train.classes().to_vec());
        let request = Firmware { labels, samples: Some(&data.train), ..Firmware::new(model, &uf2) };
        let built = times.of("build the firmware", || build(&request, stop, ui))?;
        let shown =
            times.of("run it on the simulated board", || show(&built, &data.test, count, stop, ui))?;
        write(&out.join(STRIP), &shown.strip()?)?;
        write(&out.join(FILM), &shown.film())?;
        let (usage, count) = (&built.usage, shown.digits.len());
        let language = built.language.title();
        let ms = |us: f64| format!("{:.1} ms", us / 1e3);
        let cycles = |us: f64| (us * BOARD_MHZ) as u64;
        let (prepare, infer) = (shown.mean(|d| d.prepare_us), shown.mean(|d| d.infer_us));
        let timed = |us: f64| format!("{} ({} cycles)", ms(us), grouped(cycles(us) as usize));
        rows.extend([
            bytes("flash of the firmware", usage.flash, "board_flash"),
            bytes("RAM of the firmware", usage.ram, "board_ram"),
            row(
                "digits that the board reads right",
                format!("{} of {count}, network in {language}", shown.right()),
                "board_right",
                shown.right(),
            ),
            row("frames a second on its display", format!("{:.1}", shown.feed), "board_feed", shown.feed),
            row(
                "receiving a frame, beside the DMA",
                format!("{} cycles", grouped(shown.capture_cycles as usize)),
                "capture_cycles",
                shown.capture_cycles,
            ),
            row("finding the digit, 125 MHz", timed(prepare), "prepare_cycles", cycles(prepare)),
            row("network", timed(infer), "infer_cycles", cycles(infer)),
        ]);
        Ok((built, shown))
    }

    /// The table and the pictures.
    fn finish(self, shown: Option<&(Built, Shown)>) -> Result<()> {
        let Demo { out, ui, times, rows, .. } = self;
        let picture = out.join("digits.png");
        let mut text: Vec<Vec<String>> = rows.iter().map(|r| vec![r.what.into(), r.value.clone()]).collect();
        text.push(vec![String::new()]);
        text.extend(times.0.iter().map(|(step, time)| vec![step.to_string(), duration(*time)]));
        let mut text =
            format!("\n{}\nThe 25 digits in {} show what the C said.", table(&text), picture.display());
        let mut result: serde_json::Map<String, Json> =
            rows.into_iter().map(|r| (r.key.to_string(), r.json)).collect();
        result.insert("picture".into(), path_text(&picture));
        let (strip, film) = (out.join(STRIP), out.join(FILM));
        if let Some((built, shown)) = shown {
            text += &format!(
                "\nThe board's display with each digit is in {}, as a film in {}. Its firmware is {}: teff flash puts it onto a board.",
                strip.display(),
                film.display(),
                built.uf2.display()
            );
            result
                .insert("board_digits".into(), shown.digits.iter().map(|d| json!([d.is, d.said])).collect());
            result.insert("board_picture".into(), path_text(&strip));
            result.insert("board_film".into(), path_text(&film));
            result.insert("firmware".into(), path_text(&built.uf2));
        }
        let seconds = times.0.iter().map(|(s, t)| (s.to_string(), json!(t.as_secs_f64())));
        result.insert("seconds".into(), Json::Object(seconds.collect()));
        ui.result(&text, &Json::Object(result));
        match shown {
            Some((_, shown)) if shown.right() * 10 < shown.digits.len() * 9 => Err(Failure::new(format!(
                "the board read {} of {} digits right, and nine of ten are expected; see {}",
                shown.right(),
                shown.digits.len(),
                strip.display()
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

/// Puts digits of the data set before the simulated board's camera.
fn show(built: &Built, data: &Dataset, count: usize, stop: &Stop, ui: &Ui) -> Result<Shown> {
    let mut bar = ui.bar("digits before the simulated camera", count as u64);
    let shown = digits_board::run(&read(&built.elf)?, data, count, &mut |done| {
        bar.at(done as u64, String::new);
        !stop.is_asked()
    });
    match shown {
        Err(digits_board::Error::Stopped) => Err(Failure::stopped("stopped")),
        shown => {
            bar.finish();
            Ok(shown?)
        }
    }
}
