//! What a report comes to: whether the network fits, what takes the time, and what would help. What can be tried here was tried.

use super::chip::{self, Chip};
use super::text::{cycles, name, percent};
use super::{Mean, Measured, Report, mean};
use crate::args::one;
use crate::failure::Result;
use crate::stop::Stop;
use crate::ui::grouped;
use clap::ArgMatches;
use std::collections::BTreeSet;
use teff::compile::{Budget, KernelBudget, Program, Target, c};
use teff::graph::{Graph, Op, Value};
use teff::quantize::Network;

/// A share of the cycles that is worth a word.
const MUCH: f64 = 0.1;
/// A share of the cycles that waits for flash from which tables in RAM are tried, and what that must save.
const WAITS: f64 = 0.2;
const WORTHWHILE: f64 = 0.05;
/// Bytes of flash that are worth a word.
const SAVED: usize = 4 << 10;
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

/// The bytes of the constants of a network that computes in floats alone, once `teff quantize` has made integers of its weights; nothing where
/// it would not.
pub(super) fn quantised(graph: &Graph) -> Option<usize> {
    let is_integer = |op: &Op| matches!(op, Op::Quantize { .. } | Op::Dequantize);
    if graph.nodes().iter().any(|n| is_integer(&n.op)) {
        return None;
    }
    let network = Network::new(graph).ok()?;
    let constants = network.graph.ids().map(|id| match &network.graph[id].op {
        Op::Constant(value) => value.ty().bytes(),
        // Computed, or given.
        _ => 0,
    });
    let weights = network.layers.iter().map(|l| l.weight).collect::<BTreeSet<_>>();
    let saved = weights.into_iter().map(|w| network.graph[w].ty.len() * 3);
    Some(constants.sum::<usize>() - saved.sum::<usize>())
}

/// What is to be done, what brings most first. `integers` is what the constants of a float network take once they are integers.
pub(super) fn advice(report: &Report, in_ram: Option<(usize, Mean)>, integers: Option<usize>) -> Vec<Advice> {
    let mut all = Vec::new();
    let b = &report.budget;
    let tables = b.flash_weights > chip::FLASH - chip::LEFT;
    let says = |option: String, what: String| Advice { option, what, cycles: None };
    let worthwhile = |bytes: &usize| report.unfit.is_some() || bytes + SAVED < b.flash_weights;
    if let Some(bytes) = integers.filter(worthwhile) {
        let values = if report.unfit.is_some() && !tables { "values a quarter, and " } else { "" };
        all.push(says(
            format!("teff quantize {} --data DATA", report.model),
            format!(
                "{values}weights take about {} bytes instead of {}",
                grouped(bytes),
                grouped(b.flash_weights)
            ),
        ));
    } else if report.unfit.is_some() && tables {
        all.push(says(
            "teff quantize --weights 4, of the float model".into(),
            format!(
                "weights take about {} bytes instead of {}",
                grouped(b.flash_weights / 2),
                grouped(b.flash_weights)
            ),
        ));
    } else if let (Some(_), Some(most)) = (&report.unfit, report.memory.iter().max_by_key(|m| m.bytes)) {
        all.push(says(
            "fewer channels, larger strides or a smaller input".into(),
            format!("the largest value, {}, takes {} bytes", most.name, grouped(most.bytes)),
        ));
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
    let works = |k: &KernelBudget| k.macs > 0;
    let (first, last) = (b.kernels.iter().position(works), b.kernels.iter().rposition(works));
    let at_an_end = |i: usize| first.is_some_and(|f| i < f) || last.is_some_and(|l| i > l);
    // What is computed of floats before takes no integers.
    let converts = |ops: &[&str]| {
        let moved = |op: &&str| matches!(*op, "quantize" | "dequantize" | "reshape" | "permute");
        ops.iter().all(moved) && ops.iter().any(|op| op.ends_with("quantize"))
    };
    let each = b.kernels.iter().zip(&means).enumerate();
    let ends = each.filter(|(i, (k, _))| at_an_end(*i) && converts(&k.ops)).map(|(_, (_, mean))| mean);
    let converted: f64 = ends.map(|mean| mean.cycles).sum();
    if converted > MUCH * sum {
        let (share, saved) = (percent(converted, sum), time(report, converted));
        all.push(says(
            "teff quantize --io int8, of the float model".into(),
            format!("{share} converts floats: without that a run takes {saved} less"),
        ));
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
        let of = &report.budget.kernels[k];
        let waits = match mean.waits > WAITS * mean.cycles {
            true => format!(", {} of that waiting for flash", percent(mean.waits, mean.cycles)),
            false => String::new(),
        };
        let products = match report.budget.macs {
            0 => String::new(),
            all => format!(" for {} of the products", percent(of.macs as f64, all as f64)),
        };
        format!("{} takes {} of the time{products}{waits}", name(report, k), percent(mean.cycles, sum))
    });
    [Some(fits).filter(|s| !s.is_empty()), slow].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn time(report: &Report, cycles: f64) -> String {
    match report.board {
        Some(board) => format!("{:.2} ms", 1e3 * cycles / board.clock_hz as f64),
        None => format!("{} cycles", grouped(cycles.round() as usize)),
    }
}
