//! What a report comes to: whether the network fits, what takes the time, and what would help. What can be tried here was tried.

use super::chip::{self, Chip};
use super::text::{cycles, name, percent};
use super::{Mean, Measured, Report, mean};
use crate::args::one;
use crate::failure::Result;
use crate::stop::Stop;
use crate::ui::grouped;
use clap::ArgMatches;
use teff::compile::{Budget, Program, Target, c};
use teff::graph::{Graph, Op, Value};

/// A share of the cycles that is worth a word.
const MUCH: f64 = 0.1;
/// A share of the cycles that waits for flash from which tables in RAM are tried, and what that must save.
const WAITS: f64 = 0.2;
const WORTHWHILE: f64 = 0.05;
/// Bytes of RAM that are left for what else runs.
const LEFT: usize = 32 << 10;

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Advice {
    /// The command or option.
    pub(super) option: String,
    /// What it brings.
    pub(super) what: String,
    /// Cycles of a run with it, where that is known.
    pub(super) cycles: Option<f64>,
}

/// Runs the network with tables and code in the RAM that it leaves, if it waits much for flash.
pub(super) fn with_tables_in_ram(
    program: &Program,
    budget: &Budget,
    measured: &Measured,
    samples: &[Vec<Value>],
    shown: &[Vec<Value>],
    args: &ArgMatches,
) -> Result<Option<(usize, Mean)>> {
    let untouched = args.get_one::<usize>("sram-tables").is_none() && !args.get_flag("sram-code");
    let ports: usize = program.inputs.iter().chain(&program.outputs).map(|p| p.ty.bytes()).sum();
    let taken = budget.ram_arena + ports + measured.stack as usize + measured.code.0 as usize + LEFT;
    let room = chip::RAM.saturating_sub(taken) >> 10 << 10;
    if !untouched || room == 0 || measured.mean.waits < WAITS * measured.mean.cycles {
        return Ok(None);
    }
    let mut placed = program.clone();
    teff::compile::place(&mut placed, room, shown)?;
    let tables = Budget::new(&placed, &Target::CORTEX_M0PLUS).ram_tables.div_ceil(1 << 10);
    let options = c::Options { sram_code: true, ..c::Options::default() };
    let mut chip = Chip::new(&placed, options, one::<u64>(args, "flash-miss"))?;
    let runs = samples.iter().map(|sample| chip.run(sample, &Stop::never())).collect::<Result<Vec<_>>>()?;
    let took = mean(runs.iter().map(|run| run.whole));
    Ok((took.cycles < (1.0 - WORTHWHILE) * measured.mean.cycles).then_some((tables, took)))
}

/// The weights of a network that computes in floats alone.
pub(super) fn floats(graph: &Graph) -> Option<usize> {
    let quantised = |op: &Op| matches!(op, Op::Quantize { .. } | Op::Dequantize);
    let elements = |id| match &graph[id].op {
        Op::Constant(value) => value.len(),
        // Computed, or given.
        _ => 0,
    };
    (!graph.nodes().iter().any(|n| quantised(&n.op))).then(|| graph.ids().map(elements).sum())
}

/// What is to be done, what brings most first.
pub(super) fn advice(report: &Report, in_ram: Option<(usize, Mean)>, floats: Option<usize>) -> Vec<Advice> {
    let mut all = Vec::new();
    let b = &report.budget;
    let weights = |option: String, bytes: usize| Advice {
        option,
        what: format!("weights take about {} bytes instead of {}", grouped(bytes), grouped(b.flash_weights)),
        cycles: None,
    };
    if let Some(weights_in_bytes) = floats {
        all.push(weights(format!("teff quantize {} --data DATA", report.model), weights_in_bytes));
    } else if report.unfit.is_some() {
        all.push(weights("teff quantize --weights 4, of the float model".into(), b.flash_weights / 2));
    }
    if let (Ok(m), Some((kilobytes, took))) = (&report.measured, in_ram) {
        let tables = if kilobytes > 0 { format!("--sram-tables {kilobytes}K ") } else { String::new() };
        all.push(Advice {
            option: format!("{tables}--sram-code"),
            what: format!(
                "{} instead of {}, measured",
                time(report, took.cycles),
                time(report, m.mean.cycles)
            ),
            cycles: Some(took.cycles),
        });
    }
    let (means, sum) = cycles(report);
    // Before the first products and behind the last is where the network's own floats are.
    let works = |k: &teff::compile::KernelBudget| k.macs > 0;
    let (first, last) = (b.kernels.iter().position(works), b.kernels.iter().rposition(works));
    let at_an_end = |i: usize| first.is_some_and(|f| i < f) || last.is_some_and(|l| i > l);
    let converts =
        |ops: &[&str]| ops.iter().any(|op| matches!(*op, "quantize" | "dequantize")) && floats.is_none();
    let each = b.kernels.iter().zip(&means).enumerate();
    let ends = each.filter(|(i, (k, _))| at_an_end(*i) && converts(&k.ops)).map(|(_, (_, mean))| mean);
    let converted: f64 = ends.map(|mean| mean.cycles).sum();
    if converted > MUCH * sum {
        all.push(Advice {
            option: "teff quantize --io int8".into(),
            what: format!(
                "{} converts floats: without that a run takes {} less",
                percent(converted, sum),
                time(report, converted)
            ),
            cycles: None,
        });
    }
    all
}

/// The verdict in a sentence or two.
pub(super) fn sentence(report: &Report) -> String {
    let (means, sum) = cycles(report);
    let fits = match (&report.unfit, report.board) {
        (Some(why), _) => format!("does not fit: {why}"),
        (None, Some(board)) => format!("fits {}", board.name),
        (None, None) => String::new(),
    };
    let most = means.iter().enumerate().max_by(|a, b| a.1.cycles.total_cmp(&b.1.cycles));
    let slow = most.filter(|_| sum > 0.0 && means.len() > 1).map(|(k, mean)| {
        let (of, macs) = (&report.budget.kernels[k], report.budget.macs as f64);
        let waits = match mean.waits > WAITS * mean.cycles {
            true => format!(", {} of that waiting for flash", percent(mean.waits, mean.cycles)),
            false => String::new(),
        };
        format!(
            "{} takes {} of the time for {} of the products{waits}",
            name(report, k),
            percent(mean.cycles, sum),
            percent(of.macs as f64, macs)
        )
    });
    [Some(fits).filter(|s| !s.is_empty()), slow].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn time(report: &Report, cycles: f64) -> String {
    match report.board {
        Some(board) => format!("{:.2} ms", 1e3 * cycles / board.clock_hz as f64),
        None => format!("{} cycles", grouped(cycles.round() as usize)),
    }
}
