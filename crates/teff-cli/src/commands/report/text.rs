//! The report for terminals and for scripts.

use super::verdict::sentence;
use super::{Mean, Measured, Report};
use crate::generate::{products, short};
use crate::ui::{grouped, table};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// Cycles of a layer, and of all.
pub(super) fn cycles(report: &Report) -> (Vec<Mean>, f64) {
    match &report.measured {
        Ok(m) => (m.layers.iter().map(|l| l.mean).collect(), m.apart),
        Err(_) => {
            let estimated = report.budget.kernels.iter().map(|k| Mean { cycles: k.cost.cycles, waits: 0.0 });
            (estimated.collect(), report.budget.cycles)
        }
    }
}

/// What a layer is called: by its model where that says it.
pub(super) fn name(report: &Report, k: usize) -> &str {
    let kernel = &report.budget.kernels[k];
    kernel.label.as_deref().map_or(&kernel.name, short)
}

fn whole(x: f64) -> String {
    grouped(x.round() as usize)
}

pub(super) fn percent(part: f64, all: f64) -> String {
    if all > 0.0 { format!("{:.1} %", 100.0 * part / all) } else { "-".into() }
}

/// A line of the summary: what it is about, and what is to be said.
pub(super) fn summary(report: &Report) -> Vec<(&'static str, String)> {
    let b = &report.budget;
    let of = |bytes: usize, limit: Option<usize>| match limit {
        Some(limit) => format!(
            "{} of {} bytes ({})",
            grouped(bytes),
            grouped(limit),
            percent(bytes as f64, limit as f64)
        ),
        None => format!("{} bytes", grouped(bytes)),
    };
    let clock = report.board.map(|board| board.clock_hz);
    let time = |cycles: f64| match clock {
        Some(hz) => format!(", {:.2} ms at {} MHz", 1e3 * cycles / hz as f64, hz / 1_000_000),
        None => String::new(),
    };
    let mut lines = Vec::new();
    let (mut code, mut copied, mut stack) = (0, 0, 0);
    match &report.measured {
        Ok(m) => {
            (code, copied, stack) = (m.code.0 as usize, m.code.1 as usize, m.stack as usize);
            lines.push((
                "a run",
                format!(
                    "{} cycles{}; {} of them wait for flash ({}{})",
                    whole(m.mean.cycles),
                    time(m.mean.cycles),
                    whole(m.mean.waits),
                    m.samples,
                    if m.worst as f64 > m.mean.cycles {
                        format!("; at most {}", grouped(m.worst as usize))
                    } else {
                        String::new()
                    }
                ),
            ));
            lines.push(("outputs", beside_the_host(m)));
        }
        Err(why) => {
            lines.push(("a run", format!("about {} cycles{}; {why}", whole(b.cycles), time(b.cycles))))
        }
    }
    let flash = b.flash_weights + code;
    let with = match &report.measured {
        Ok(_) => format!("weights {}, code {}", grouped(b.flash_weights), grouped(code)),
        Err(_) => "weights; code is not counted".into(),
    };
    lines.push(("flash", format!("{}: {with}", of(flash, report.board.map(|b| b.flash)))));
    let ram = b.ram_arena + b.ram_tables + copied + stack;
    let copies = [("tables", b.ram_tables), ("code", copied)].into_iter().filter(|(_, bytes)| *bytes > 0);
    let copies: String = copies.map(|(what, bytes)| format!(", {what} {}", grouped(bytes))).collect();
    let stack = match &report.measured {
        Ok(_) => format!(", stack {}", grouped(stack)),
        Err(_) => "; the stack is not counted".into(),
    };
    let values = grouped(b.ram_arena);
    lines.push(("RAM", format!("{}: values {values}{copies}{stack}", of(ram, report.board.map(|b| b.ram)))));
    lines.extend(Some(sentence(report)).filter(|s| !s.is_empty()).map(|s| ("verdict", s)));
    lines.extend(report.advice.iter().map(|a| ("to do", format!("{}: {}", a.option, a.what))));
    lines
}

fn beside_the_host(m: &Measured) -> String {
    let d = &m.difference;
    match (d.integers, d.absolute == 0.0) {
        (0, true) => "the same bits as on the host".into(),
        (0, false) => format!("at most {:.1e} of their range from the host's", d.relative),
        (differ, _) => format!("{differ} of {} integers differ from the host's", d.all_integers),
    }
}

pub(super) fn text(report: &Report) -> String {
    let measured = report.measured.as_ref().ok();
    let rounds = report.rounding.iter().any(Option::is_some);
    let (means, all) = cycles(report);
    let counted = if measured.is_some() { "cycles" } else { "cycles, estimated" };
    let mut head = vec!["layer", "computes", "result", "weights", "MACs", counted, "share", "a MAC"];
    head.extend(if measured.is_some() { &["wait for flash", "code"][..] } else { &[] });
    head.extend(rounds.then_some("rounding, dB"));
    let mut rows = vec![head.into_iter().map(String::from).collect::<Vec<_>>()];
    for (k, (kernel, mean)) in report.budget.kernels.iter().zip(&means).enumerate() {
        let mut row = vec![
            name(report, k).to_string(),
            kernel.words.clone(),
            kernel.result.to_string(),
            grouped(kernel.weight_bytes),
            grouped(kernel.macs as usize),
            whole(mean.cycles),
            percent(mean.cycles, all),
            a_mac(mean, kernel.macs),
        ];
        if let Some(m) = measured {
            row.extend([whole(mean.waits), grouped(m.layers[k].code as usize)]);
        }
        row.extend(rounds.then(|| decibels(report.rounding[k])));
        rows.push(row);
    }
    let mut out = table(&rows);
    if let Some(m) = measured {
        let more = m.apart - m.mean.cycles;
        let than = if more < 0.0 { "fewer" } else { "more" };
        let _ = writeln!(
            out,
            "counted with every layer a function of its own, {} cycles {than} than built as a whole",
            whole(more.abs())
        );
    }
    let _ = writeln!(out, "a MAC: cycles for each multiply-accumulate, without those that wait for flash");
    if rounds {
        out += "rounding: how far the layer's integers are from floats, as signal to noise; 20 dB is a tenth, 40 dB a hundredth\n";
    }
    out.push('\n');
    report.notes.iter().for_each(|note| out += &format!("{note}\n"));
    for (what, said) in summary(report) {
        let _ = writeln!(out, "{what:<9}{said}");
    }
    out.trim_end().into()
}

/// Signal to noise.
pub(super) fn decibels(sqnr: Option<f64>) -> String {
    sqnr.map_or("-".into(), |x| format!("{x:.1}"))
}

/// Cycles for a multiply-accumulate, those that wait for flash left out.
pub(super) fn a_mac(mean: &Mean, macs: u64) -> String {
    if macs == 0 { "-".into() } else { format!("{:.2}", (mean.cycles - mean.waits) / macs as f64) }
}

pub(super) fn json(report: &Report) -> Json {
    let b = &report.budget;
    let measured = report.measured.as_ref().ok();
    let layers: Vec<Json> = b
        .kernels
        .iter()
        .enumerate()
        .map(|(k, kernel)| {
            let mut layer = json!({
                "name": name(report, k), "function": kernel.name, "computes": kernel.words, "ops": kernel.ops, "result": kernel.result.to_string(),
                "weight_bytes": kernel.weight_bytes, "arena_bytes": kernel.arena_bytes, "macs": kernel.macs,
                "products": products(&kernel.products), "cycles_estimated": kernel.cost.cycles.round(), "rounding_db": report.rounding[k],
            });
            if let Some(m) = measured {
                layer["cycles"] = json!(m.layers[k].mean.cycles);
                layer["flash_waits"] = json!(m.layers[k].mean.waits);
                layer["code"] = json!(m.layers[k].code);
            }
            layer
        })
        .collect();
    let run = measured.map(|m| {
        json!({
            "samples": m.samples, "cycles": m.mean.cycles, "flash_waits": m.mean.waits, "worst_cycles": m.worst,
            "layers_apart_cycles": m.apart, "code": m.code.0, "code_in_ram": m.code.1, "stack": m.stack,
            "integers_that_differ": m.difference.integers, "relative_difference": m.difference.relative,
            "milliseconds": report.board.map(|b| 1e3 * m.mean.cycles / b.clock_hz as f64),
        })
    });
    json!({
        "model": report.model, "target": report.target.name, "board": report.board.map(|b| b.name), "run": run,
        "not_run_because": report.measured.as_ref().err(), "cycles_estimated": b.cycles.round(),
        "flash_weights": b.flash_weights, "ram_arena": b.ram_arena, "ram_tables": b.ram_tables, "macs": b.macs, "layers": layers,
        "memory": report.memory.iter().map(|m| json!({
            "name": m.name, "offset": m.offset, "bytes": m.bytes, "first_layer": m.first, "last_layer": m.last,
        })).collect::<Vec<_>>(),
        "notes": report.notes, "verdict": sentence(report),
        "advice": report.advice.iter().map(|a| json!({"option": a.option, "what": a.what, "cycles": a.cycles})).collect::<Vec<_>>(),
    })
}
