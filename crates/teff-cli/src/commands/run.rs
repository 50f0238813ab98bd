//! `teff run`.

use crate::args::{
    given, input_shape, inputs as inputs_argument, model, path, path_of, switch, threads, threads_of, word,
};
use crate::failure::{Failure, Result};
use crate::files::make_folder;
use crate::generate::short;
use crate::model::{Aside, Reading, host_outputs, read_worded};
use crate::tensors::{inputs, write_npy};
use crate::ui::{Ui, duration, path_text, table};
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};
use teff::graph::{DType, Graph, Value, evaluate};
use teff::host::Plan;

/// Elements of an output that people are shown, and that scripts get.
const SHOWN: usize = 12;
const LISTED: usize = 100_000;

pub(crate) fn command() -> Command {
    Command::new("run")
        .about("Run a model once on given inputs and print its outputs")
        .after_help(
            "Examples:\n  teff run m.onnx --input x.npy\n  teff run m.onnx -i image=x.npy -i scale=s.npy -o results --json",
        )
        .arg(model())
        .arg(inputs_argument())
        .arg(path("out", "DIR", "Write each output as NAME.npy into this folder").short('o'))
        .arg(
            Arg::new("engine")
                .long("engine")
                .help("What computes: the fast host executor, or the plain reference evaluator")
                .value_parser(["host", "reference"])
                .default_value("host"),
        )
        .arg(switch("explain", "Say what each step of the host executor does and how long it takes, in the fastest of several runs"))
        .arg(input_shape())
        .arg(threads())
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let (graph, Aside { words, .. }) = read_worded(path_of(args, "model"), &Reading::of(args), ui)?;
    let files: Vec<OsString> = args.get_many::<OsString>("input").into_iter().flatten().cloned().collect();
    let values = inputs(&graph, &files, ui)?;
    let reference = word(args, "engine").is_some_and(|e| e == "reference");
    let outputs =
        if reference { evaluate(&graph, &values)? } else { host_outputs(&graph, &values, threads_of(args))? };
    if reference && args.get_flag("explain") {
        return Err(Failure::new(
            "--explain is of the host executor; the reference evaluator has no steps: leave out --engine",
        ));
    }
    let steps = args.get_flag("explain").then(|| explained(&graph, &values, threads_of(args))).transpose()?;
    let mut written = Vec::new();
    if let Some(folder) = given(args, "out") {
        make_folder(folder)?;
        let names = names(&graph);
        for ((name, file), value) in names.iter().zip(file_names(&names)).zip(&outputs) {
            let other_name = file != *name;
            let file = folder.join(format!("{file}.npy"));
            write_npy(&file, value)?;
            if other_name {
                ui.note(format!("output {name:?} is written to {}", file.display()));
            }
            written.push(file);
        }
    }
    let said = |name: &str, value: &Value| {
        let list = words.iter().find(|(n, _)| n == name).map(|(_, list)| list)?;
        let word = |at: i64| usize::try_from(at).ok().and_then(|at| list.get(at)).map_or("?", String::as_str);
        Some(value.to_i64().into_iter().take(LISTED).map(word).collect::<Vec<_>>())
    };
    let named: Vec<(String, &Value)> = names(&graph).into_iter().zip(&outputs).collect();
    let shown: Vec<String> = named.iter().map(|(n, v)| line(n, v, said(n, v).as_deref())).collect();
    let list: Vec<Json> = named.iter().map(|(n, v)| as_json(n, v, said(n, v).as_deref())).collect();
    let (table, steps) = steps.unwrap_or_default();
    ui.result(
        &format!("{table}{}", shown.join("\n")),
        &json!({"outputs": list, "files": written.iter().map(path_text).collect::<Vec<_>>(), "steps": steps}),
    );
    Ok(())
}

/// Runs that steps are timed in: so many, or as many as this time allows.
const RUNS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(2);

/// A table of the steps, with the time of each in the fastest of several runs, and the same for scripts.
fn explained(graph: &Graph, inputs: &[Value], threads: usize) -> Result<(String, Json)> {
    let mut plan = Plan::new(graph, &teff::host::Options { threads })?;
    for (i, value) in inputs.iter().enumerate() {
        plan.set_input(i, value)?;
    }
    plan.measure();
    let (started, mut shortest, mut runs) = (Instant::now(), Duration::MAX, 0);
    while runs < RUNS && (runs == 0 || started.elapsed() < PATIENCE) {
        let began = Instant::now();
        plan.run()?;
        shortest = shortest.min(began.elapsed());
        runs += 1;
    }
    let times = plan.times();
    let all = times.iter().map(|(.., time)| time.as_secs_f64()).sum::<f64>();
    let mut rows = vec![["layer", "step", "computes", "time", "share"].map(String::from).to_vec()];
    for (label, kind, what, time) in &times {
        let share = format!("{:.1} %", 100.0 * time.as_secs_f64() / all.max(1e-9));
        let label = if label.is_empty() { "-" } else { short(label) };
        rows.push(vec![label.into(), kind.to_string(), what.clone(), duration(*time), share]);
    }
    let steps = times.iter().map(|(label, kind, what, time)| {
        json!({"layer": label, "step": kind, "computes": what, "seconds": time.as_secs_f64()})
    });
    let text = format!("{}a run takes {}, the shortest of {runs}\n\n", table(&rows), duration(shortest));
    Ok((text, json!({"seconds": shortest.as_secs_f64(), "runs": runs, "list": steps.collect::<Vec<_>>()})))
}

/// The names of the outputs; their numbers where they have none.
fn names(graph: &Graph) -> Vec<String> {
    let name = |(i, o): (usize, &teff::graph::Output)| {
        if o.name.is_empty() { format!("output{i}") } else { o.name.to_string() }
    };
    graph.outputs().iter().enumerate().map(name).collect()
}

/// An element as its type prints it.
fn element(value: &Value, i: usize) -> String {
    match value.dtype() {
        DType::F32 => (value.get(i).as_f64() as f32).to_string(),
        d if d.is_float() => value.get(i).as_f64().to_string(),
        _ => value.get(i).as_int().to_string(),
    }
}

/// Bytes of a file's name, to which are added `.npy` and, while it is written, a number and `.part`: file systems take 255.
const LONGEST: usize = 200;

/// Names of files for outputs, each once, also where capitals count for nothing: with everything replaced that some file system does not
/// like, and shortened.
fn file_names(names: &[String]) -> Vec<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut taken = HashSet::new();
    let one = |name: &String| {
        let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(LONGEST).collect();
        let numbered = (2..).map(|i| format!("{plain}_{i}"));
        let mut all = std::iter::once(plain.clone()).chain(numbered);
        all.find(|name| taken.insert(name.to_lowercase())).expect("numbers do not end")
    };
    names.iter().map(one).collect()
}

/// The first elements and, of a row of several, which is the largest; of positions in a list of words, the words.
fn line(name: &str, value: &Value, words: Option<&[&str]>) -> String {
    let elements: Vec<String> = (0..value.len().min(SHOWN)).map(|i| element(value, i)).collect();
    let more = if value.len() > SHOWN { ", ..." } else { "" };
    if let Some(words) = words {
        let words = &words[..words.len().min(SHOWN)];
        return format!(
            "{name}: {} = [{}{more}], {}{more}",
            value.ty(),
            elements.join(", "),
            words.join(", ")
        );
    }
    let row = value.shape().last().is_some_and(|n| *n == value.len() && *n > 1);
    let largest = if row {
        let all = value.to_f64();
        let at = (0..all.len()).fold(0, |best, i| if all[i] > all[best] { i } else { best });
        format!(", largest at {at}")
    } else {
        String::new()
    };
    format!("{name}: {} = [{}{more}]{largest}", value.ty(), elements.join(", "))
}

fn as_json(name: &str, value: &Value, words: Option<&[&str]>) -> Json {
    // As short as the type allows. JSON has no infinities and no NaN: they become null.
    let number = |i: usize| serde_json::from_str(&element(value, i)).unwrap_or(Json::Null);
    let elements = (value.len() <= LISTED).then(|| (0..value.len()).map(number).collect::<Vec<_>>());
    let mut all =
        json!({"name": name, "type": value.ty().to_string(), "shape": value.shape(), "elements": elements});
    if let Some(words) = words {
        all["words"] = json!(words);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_have_files_of_their_own() {
        let names = |list: &[&str]| file_names(&list.iter().map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(
            names(&["a/b", "a b", "a_b", "A_b", "a_b_2"]),
            ["a_b", "a_b_2", "a_b_3", "A_b_4", "a_b_2_2"]
        );
        assert_eq!(names(&["plain-1.x"]), ["plain-1.x"]);
        let long = "\u{e9}/".repeat(300);
        let found = names(&[&long, &long]);
        assert_eq!((found[0].len(), &found[1][200..]), (200, "_2"));
    }
}
