//! `teff report`: what each layer takes on the chip.

mod args;
mod chip;
mod memory;
mod page;
mod text;
mod verdict;

use super::verify::compare::Difference;
use crate::args::{count, given, machine, one, path_of};
use crate::failure::{Failure, Result};
use crate::files::{check_writable, write};
use crate::generate::{calibration, fed, left_in_floats, real};
use crate::model::{host_outputs, read_model};
use crate::stop::Stop;
use crate::tensors::{given_samples, invented_samples};
use crate::ui::Ui;
use chip::{Chip, Run};
use clap::ArgMatches;
use memory::Block;
use teff::compile::{Board, Budget, Options, Program, Target, c};
use teff::graph::{Graph, Value};
use verdict::Advice;

pub(crate) use args::command;

/// All that is known of a network on its target.
struct Report {
    model: String,
    board: Option<Board>,
    target: Target,
    budget: Budget,
    /// Signal to noise of each layer's result in dB, where it is rounded to integers.
    rounding: Vec<Option<f64>>,
    measured: std::result::Result<Measured, String>,
    notes: Vec<String>,
    /// What lies where in the working memory, and when.
    memory: Vec<Block>,
    /// What the chip lacks for it.
    unfit: Option<String>,
    /// What would help.
    advice: Vec<Advice>,
}

/// What runs on the simulated chip took.
struct Measured {
    /// What was run.
    samples: String,
    /// Cycles of a run, the mean, and those of them that wait for flash.
    mean: Mean,
    /// Cycles of the longest run.
    worst: u64,
    layers: Vec<Layer>,
    /// Layers that were not reached: the compiler left no function of them, or nobody calls it.
    unreached: Vec<usize>,
    /// Cycles of a run in which every layer is a function of its own.
    apart: f64,
    /// Bytes of all functions, and of those in RAM.
    code: (u32, u32),
    stack: u32,
    /// From what the host computes.
    difference: Difference,
}

/// Means of cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    cycles: f64,
    waits: f64,
}

/// What a layer took.
struct Layer {
    mean: Mean,
    /// Bytes of its function.
    code: u32,
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let page = given(args, "html");
    page.map(check_writable).transpose()?;
    let model = path_of(args, "model");
    let graph = read_model(model, args, ui)?;
    let (board, target) = machine(args);
    let floats = one(args, "float");
    let options = Options { name: "net".into(), target, floats, ..Options::default() };
    let mut program = teff::compile::compile(&graph, &options)?;
    let Inputs { samples, called, shown } = Inputs::of(&graph, args, ui)?;
    let tables = args.get_one("sram-tables").copied().unwrap_or(0);
    teff::compile::place(&mut program, tables, &shown)?;
    let budget = Budget::new(&program, &target);
    let is_simulated = target == Target::CORTEX_M0PLUS;
    let unfit = chip::room(&program, &budget).err().filter(|_| is_simulated);
    let measured = match (is_simulated, &chip::compiler(), &unfit) {
        (false, ..) => Err(format!("{} is not simulated, so cycles are estimated", target.name)),
        (true, Err(why), None) | (true, _, Some(why)) => Err(format!("cycles are estimated, because {why}")),
        (true, Ok(()), None) => Ok(measure(&graph, &program, &samples, called, args, ui)?),
    };
    let unreached = measured.as_ref().map_or(&[][..], |m: &Measured| &m.unreached);
    let mut notes: Vec<String> = unreached
        .iter()
        .map(|k| {
            format!(
                "{} was not reached: its work, if any, counts for the layer before",
                budget.kernels[*k].name
            )
        })
        .collect();
    notes.extend(left_in_floats(&graph)?);
    notes.extend(budget.notes());
    let in_ram = match &measured {
        Ok(m) => verdict::with_tables_in_ram(&program, &budget, m, &samples, &shown, args)?,
        Err(_) => None,
    };
    let mut report = Report {
        model: model.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        board,
        target,
        rounding: rounding(&graph, &budget, &samples)?,
        budget,
        measured,
        notes,
        memory: memory::plan(&program),
        unfit,
        advice: Vec::new(),
    };
    report.advice = verdict::advice(&report, in_ram, verdict::quantised(&graph));
    if let Some(file) = page {
        write(file, page::page(&report).as_bytes())?;
        ui.note(format!("wrote {}", file.display()));
    }
    ui.result(&text::text(&report), &text::json(&report));
    Ok(())
}

/// What is run.
struct Inputs {
    samples: Vec<Vec<Value>>,
    called: String,
    /// Other inputs, which show what tables are needed most; none when there are no others.
    shown: Vec<Vec<Value>>,
}

impl Inputs {
    fn of(graph: &Graph, args: &ArgMatches, ui: &Ui) -> Result<Inputs> {
        if let Some(samples) = given_samples(graph, args, ui)? {
            return Ok(Inputs { samples, called: "the given input".into(), shown: Vec::new() });
        }
        let count = count(args, "samples");
        let several = |count: usize, what: &str| match count {
            1 => format!("one {what}"),
            _ => format!("the mean of {count} {what}s"),
        };
        if let Some(folder) = given(args, "data") {
            let data = teff::data::open(folder)?;
            let count = count.min(data.test.len());
            let feed = fed(graph, &data.test)?;
            let samples = (0..count).map(|n| real(&feed, &data.test, n)).collect();
            let called = format!("{} of {}", several(count, "test sample"), folder.display());
            return Ok(Inputs { samples, called, shown: calibration(graph, &data.train)? });
        }
        let samples = invented_samples(graph, args)?;
        Ok(Inputs { samples, called: several(count, "invented input"), shown: Vec::new() })
    }
}

/// What rounding does to the result of each layer.
fn rounding(graph: &Graph, budget: &Budget, samples: &[Vec<Value>]) -> Result<Vec<Option<f64>>> {
    let known = teff::quantize::rounding(graph, samples)?;
    let of = |label: &str| known.iter().rev().find(|r| r.layers.iter().any(|l| **l == *label));
    Ok(budget.kernels.iter().map(|k| k.label.as_deref().and_then(of).map(|r| r.sqnr)).collect())
}

/// Runs all samples on the chip, in the program as it is and with its layers apart.
fn measure(
    graph: &Graph,
    program: &Program,
    samples: &[Vec<Value>],
    called: String,
    args: &ArgMatches,
    ui: &Ui,
) -> Result<Measured> {
    let miss = one::<u64>(args, "flash-miss");
    let options = c::Options { sram_code: args.get_flag("sram-code"), ..Default::default() };
    ui.note("compiling for the chip");
    let mut whole = Chip::new(program, options, miss)?;
    let mut apart = Chip::new(program, c::Options { layers_apart: true, ..options }, miss)?;
    let integer = teff::compile::integer(graph)?;
    let (mut runs, mut by_layer, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let stop = Stop::watch();
    let mut bar = ui.bar("running on the simulated chip", 2 * samples.len() as u64);
    for (i, sample) in samples.iter().enumerate() {
        runs.push(whole.run(sample, &stop)?);
        bar.at(2 * i as u64 + 1, String::new);
        by_layer.push(apart.run(sample, &stop)?);
        bar.at(2 * i as u64 + 2, String::new);
        expected.push(host_outputs(&integer, sample, 1)?);
    }
    bar.finish();
    for (one, other) in runs.iter().zip(&by_layer) {
        // Not by equality, which NaN lacks.
        let apart = Difference::of(std::slice::from_ref(&one.outputs), std::slice::from_ref(&other.outputs));
        if apart.absolute != 0.0 || apart.integers != 0 {
            return Err(Failure::new(
                "two builds of the network give different outputs; this is a defect of teff, please report it",
            ));
        }
    }
    let found: Vec<Vec<Value>> = runs.iter().map(|r| r.outputs.clone()).collect();
    let of_layer = |k: usize| mean(by_layer.iter().map(|run: &Run| run.layers[k].unwrap_or_default()));
    let reached = |k: usize| by_layer.iter().any(|run| run.layers[k].is_some());
    let code = apart.layer_code();
    Ok(Measured {
        samples: called,
        mean: mean(runs.iter().map(|r| r.whole)),
        worst: runs.iter().map(|r| r.whole.cycles).max().unwrap_or(0),
        layers: code.iter().enumerate().map(|(k, code)| Layer { mean: of_layer(k), code: *code }).collect(),
        unreached: (0..code.len()).filter(|k| !reached(*k)).collect(),
        apart: mean(by_layer.iter().map(|r| r.whole)).cycles,
        code: whole.code(),
        stack: runs.iter().map(|r| r.stack).max().unwrap_or(0),
        difference: Difference::of(&found, &expected),
    })
}

fn mean(all: impl ExactSizeIterator<Item = chip::Took>) -> Mean {
    let count = all.len().max(1) as f64;
    let sum = all.fold(Mean::default(), |sum, t| Mean {
        cycles: sum.cycles + t.cycles as f64,
        waits: sum.waits + t.waits as f64,
    });
    Mean { cycles: sum.cycles / count, waits: sum.waits / count }
}
