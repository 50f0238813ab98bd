//! `teff verify`: every way of computing a model, beside the reference evaluator.

pub(crate) mod compare;
mod onnxruntime;
mod rounding;

use crate::args::{
    input_shape, inputs, model, not_negative, number, one, path_of, real, seed, threads, threads_of,
};
use crate::failure::{Failure, Result};
use crate::files::{Scratch, read};
use crate::generate::Language;
use crate::model::{Aside, Reading, host_outputs, is_tflite, read_worded};
use crate::native::{Native, compiler};
use crate::tensors::{given_samples, invented_samples};
use crate::ui::{Ui, table};
use clap::{ArgMatches, Command};
use compare::Difference;
use rounding::{Rounded, rounded};
use serde_json::json;
use teff::compile::{Options, Program};
use teff::graph::{Graph, Op, Type, Value, evaluate};

/// Where integers differ by more than a step from another implementation's: the mean difference that is still a stray rounding, as a share
/// of what they can hold. What is wrong is wrong everywhere.
const STRAY: f64 = 0.01;

/// What floats of 16 bits may be off that round after each operation, by 2^-11 of each result: some twenty times that.
const HALF: f64 = 0.01;

/// What one way of computing gave for all samples, or why it could not be tried.
enum Outcome {
    Compared(Difference),
    Skipped(String),
}

/// Which differences are a failure.
#[derive(Clone, Copy)]
enum Demand {
    /// Integers equal, floats within this share of the output's range.
    Ours(f64),
    /// So many integers of layers that roundings do not explain, which is to be none; what the layers behind make of them may be anything.
    Rounded(usize),
    /// Floats within this share, integers one step apart at most, or [`STRAY`] in the mean: another implementation may round a tensor inside
    /// elsewhere, and the layers behind it make more of that.
    Theirs(f64),
}

pub(crate) fn command() -> Command {
    Command::new("verify")
        .about("Run a model in every way there is and compare: host executor, generated C and Rust, onnxruntime")
        .long_about(
            "Run a model in every way there is and compare with the plain reference evaluator: host executor, generated C and Rust as \
             this machine's compilers build them, and onnxruntime where a Python has it. What is missing is said and left out. A quantised \
             model is computed in integers too: C and Rust are to have those to the bit, and each integer inside is to be that of its \
             layer in floats, or the next where the float is halfway. Exit status 1 when something differs: integers at all, floats \
             by more than the tolerance.",
        )
        .after_help("Examples:\n  teff verify m.onnx\n  teff verify m.onnx --input x.npy --tolerance 1e-6")
        .arg(model())
        .arg(inputs())
        .arg(number("samples", "3", "How many invented samples, when no input is given"))
        .arg(seed())
        .arg(real("tolerance", "1e-4", "Largest difference of floats, as a share of the output's range").value_parser(not_negative))
        .arg(input_shape())
        .arg(threads())
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let model = path_of(args, "model");
    let (graph, Aside { words, is_half }) = read_worded(model, &Reading::of(args), ui)?;
    let tolerance = one::<f64>(args, "tolerance");
    let samples = given_samples(&graph, args, ui)?.map_or_else(|| invented_samples(&graph, args), Ok)?;
    let mut expected = Vec::new();
    let mut bar = ui.bar("reference", samples.len() as u64);
    for (i, sample) in samples.iter().enumerate() {
        expected.push(evaluate(&graph, sample)?);
        bar.at(i as u64 + 1, String::new);
    }
    bar.finish();

    let quantised = graph.nodes().iter().any(|n| matches!(n.op, Op::Quantize { .. }));
    let on_host = |graph: &Graph| -> Result<Vec<Vec<Value>>> {
        samples.iter().map(|s| host_outputs(graph, s, threads_of(args))).collect()
    };
    // Where a float is rounded to a step of an integer, a last bit can make a whole step.
    let theirs = Demand::Theirs(if quantised { tolerance.max(0.05) } else { tolerance });
    let ours = Demand::Ours(tolerance);
    let mut rows: Vec<(&str, Demand, Outcome)> = Vec::new();
    let host = Outcome::Compared(Difference::of(&on_host(&graph)?, &expected));
    rows.push(("host executor", if quantised { theirs } else { ours }, host));
    let mut inside = None;
    let (generated, demand) = if quantised {
        let (outputs, within) = rounded(&graph, &samples)?;
        rows.push((
            "integers",
            Demand::Rounded(within.wrong),
            Outcome::Compared(Difference::of(&outputs, &expected)),
        ));
        inside = Some(within);
        let integer = teff::compile::integer(&graph)?;
        let demand = if teff::compile::quantizes_floats(&integer) { theirs } else { ours };
        rows.push((
            "integers on the host",
            demand,
            Outcome::Compared(Difference::of(&on_host(&integer)?, &outputs)),
        ));
        (outputs, demand)
    } else {
        (expected.clone(), ours)
    };
    let program = teff::compile::compile(&graph, &Options::default())?;
    let scratch = Scratch::new("verify")?;
    for language in [Language::C, Language::Rust] {
        let name = language.title();
        ui.note(format!("building and running {name}"));
        let outcome = match compiler(language) {
            Err(missing) => Outcome::Skipped(missing.message),
            Ok(compiler) => {
                let native = Native::build(&program, language, &compiler, scratch.path())?;
                let given = |i: usize| samples[i].iter().flat_map(Value::to_le_bytes).collect();
                let (bytes, _) = native.run(samples.len(), given)?;
                Outcome::Compared(Difference::of(&outputs(&program, &bytes), &generated))
            }
        };
        rows.push((name, demand, outcome));
    }
    let outcome = if is_tflite(model, &read(model)?) {
        Outcome::Skipped("it runs ONNX models only".into())
    } else {
        let types: Vec<Type> = graph.outputs().iter().map(|o| graph[o.node].ty.clone()).collect();
        match onnxruntime::outputs(model, &words, &samples, &types, scratch.path())? {
            Ok(found) => Outcome::Compared(Difference::of(&found, &expected)),
            Err(why) => Outcome::Skipped(why),
        }
    };
    let halves = Demand::Theirs(tolerance.max(if quantised { 0.05 } else { HALF }));
    rows.push(("onnxruntime", if is_half { halves } else { theirs }, outcome));
    report(&rows, inside.as_ref(), samples.len(), ui)
}

/// What a reader is to know of the integers inside.
fn said(rounded: &Rounded) -> String {
    let Rounded { all, apart, wrong, first } = rounded;
    let mut text = format!(
        "{apart} of {all} integers inside are a step from what their own layer is in floats, which is as good as halfway there"
    );
    if let Some(first) = first {
        text += &format!("\n{wrong} are apart without that: {first}");
    }
    text + "\nwhat computes integers is compared with the integers, the others with the floats"
}

/// The outputs of all runs, from their bytes.
fn outputs(program: &Program, mut bytes: &[u8]) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    let run: usize = program.outputs.iter().map(|p| p.ty.bytes()).sum();
    while bytes.len() >= run.max(1) {
        let mut values = Vec::new();
        for port in &program.outputs {
            let (own, rest) = bytes.split_at(port.ty.bytes());
            values.push(Value::from_le_bytes(&port.ty, own).expect("as many bytes as elements take"));
            bytes = rest;
        }
        all.push(values);
    }
    all
}

fn report(rows: &[(&str, Demand, Outcome)], inside: Option<&Rounded>, samples: usize, ui: &Ui) -> Result<()> {
    let head = ["", "absolute", "of the range", "ULP", "integers that differ", ""];
    let mut lines = vec![head.map(String::from).to_vec()];
    let mut list = Vec::new();
    let mut wrong = Vec::new();
    for (name, demand, outcome) in rows {
        match outcome {
            Outcome::Skipped(why) => {
                ui.note(format!("{name}: not compared: {why}"));
                list.push(json!({"engine": name, "skipped": why}));
            }
            Outcome::Compared(d) => {
                let fits = match *demand {
                    Demand::Ours(tolerance) => d.relative <= tolerance && d.integers == 0,
                    Demand::Rounded(wrong) => wrong == 0,
                    Demand::Theirs(tolerance) => {
                        d.relative <= tolerance && (d.steps <= 1.0 || d.mean_share() <= STRAY)
                    }
                };
                if !fits {
                    wrong.push(*name);
                }
                lines.push(vec![
                    name.to_string(),
                    format!("{:.2e}", d.absolute),
                    format!("{:.2e}", d.relative),
                    d.ulp.to_string(),
                    format!("{} of {}", d.integers, d.all_integers),
                    if fits { "ok".into() } else { "WRONG".into() },
                ]);
                list.push(json!({
                    "engine": name, "absolute": d.absolute, "relative": d.relative, "ulp": d.ulp,
                    "integers_that_differ": d.integers, "integers": d.all_integers, "largest_step": d.steps, "ok": fits,
                }));
            }
        }
    }
    let said = inside.map_or(String::new(), |inside| format!("\n{}", said(inside)));
    let inside =
        inside.map(|r| json!({"all": r.all, "a_step_apart": r.apart, "wrong": r.wrong, "first": r.first}));
    let text = format!(
        "largest differences from the reference evaluator over {samples} sample{}\n{}{said}",
        if samples == 1 { "" } else { "s" },
        table(&lines).trim_end()
    );
    ui.result(
        &text,
        &json!({"samples": samples, "engines": list, "integers_inside": inside, "ok": wrong.is_empty()}),
    );
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} and the reference evaluator disagree; if you did not ask for a narrow --tolerance, this is a defect of teff, please report it",
        wrong.join(" and ")
    )))
}
