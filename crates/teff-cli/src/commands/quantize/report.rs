//! What `teff quantize` says when it is done.

use crate::ui::{grouped, path_text, percent, table};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::path::Path;
use teff::metrics::Confusion;
use teff::quantize::{Interface, Quantised, Settings};

/// Layers that are listed at most; the JSON has all.
const LISTED: usize = 60;

/// What was measured on the test samples, and what was written.
pub(super) struct Measured<'a> {
    pub(super) before: Confusion,
    pub(super) after: Confusion,
    pub(super) file: &'a Path,
    pub(super) file_bytes: usize,
}

pub(super) fn text(done: &Quantised, measured: &Measured, settings: &Settings) -> String {
    let r = &done.report;
    let points = (measured.after.accuracy() - measured.before.accuracy()) * 100.0;
    let mut rows = vec![
        vec![
            format!("accuracy on {} test samples", grouped(measured.before.total())),
            percent(measured.before.accuracy()),
        ],
        vec!["  quantised".into(), format!("{} ({points:+.2} points)", percent(measured.after.accuracy()))],
        vec!["signal to noise of the outputs".into(), format!("{:.1} dB", r.sqnr)],
        vec!["weights and biases".into(), format!("{} bytes", grouped(r.float_bytes))],
        vec!["  quantised, with multipliers".into(), format!("{} bytes", grouped(r.bytes))],
    ];
    let tried: Vec<String> =
        r.tried.iter().map(|(how, sqnr)| format!("{} {sqnr:.1} dB", how.name())).collect();
    rows.push(vec![format!("ranges by {}", r.calibration.name()), tried.join(", ")]);
    let used = |applied| if applied { "used" } else { "no better: left out" };
    if let Some(c) = &r.correction {
        rows.push(vec![
            "bias correction".into(),
            format!("{:.1} to {:.1} dB, {}", c.before, c.after, used(c.applied)),
        ]);
    }
    for e in r.equalised.iter().filter(|e| e.applied) {
        let what = format!("{:.1} to {:.1} dB", e.before, e.after);
        rows.push(vec![format!("equalised {} and {}", e.first, e.second), what]);
    }
    let others = r.equalised.iter().filter(|e| !e.applied).count();
    if others > 0 {
        rows.push(vec!["equalising pairs of layers".into(), format!("no better for {others}: left out")]);
    }
    let mut out = table(&rows);
    out += &layers(done);
    for (name, why) in &r.floats {
        let _ = writeln!(out, "{name} stays float: {why}");
    }
    for f in &r.findings {
        let _ = writeln!(out, "\n{} loses too much: {}", f.layer, f.cause);
        for remedy in &f.remedies {
            let _ = writeln!(
                out,
                "  {} {}: then it alone leaves {:.1} dB, {}",
                remedy.option,
                remedy.what,
                remedy.sqnr,
                percent(remedy.accuracy)
            );
        }
    }
    let ends = match settings.interface {
        Interface::Float => "floats in and out",
        Interface::Int8 => "8-bit integers in and out",
    };
    if settings.interface == Interface::Int8 {
        for (name, grid) in done.ends() {
            let _ = writeln!(out, "{name}: x = (q - {}) * {}", grid.zero, grid.scale);
        }
    }
    let _ =
        write!(out, "\nwrote {}: {} bytes, {ends}", measured.file.display(), grouped(measured.file_bytes));
    out
}

fn layers(done: &Quantised) -> String {
    let heads = [
        "layer",
        "bits",
        "bytes",
        "range of its output",
        "cut",
        "noise there",
        "alone",
        "points lost alone",
        "rank",
    ];
    let mut rows = vec![heads.map(String::from).to_vec()];
    for l in done.report.layers.iter().take(LISTED) {
        rows.push(vec![
            l.name.clone(),
            if l.bits == 32 { "float".into() } else { l.bits.to_string() },
            grouped(l.bytes),
            l.range.map_or("float".into(), |(low, high)| format!("{low:.3} to {high:.3}")),
            percent(l.cut),
            format!("{:.1} dB", l.sqnr),
            format!("{:.1} dB", l.alone),
            format!("{:+.2}", l.loss * 100.0),
            l.rank.to_string(),
        ]);
    }
    let mut out = format!("\n{}", table(&rows));
    if done.report.layers.len() > LISTED {
        let _ = writeln!(out, "and {} more; --json lists all", done.report.layers.len() - LISTED);
    }
    let _ = writeln!(
        out,
        "measured on {} training samples; rank 1 hurts most when it alone is quantised",
        done.report.samples
    );
    out
}

pub(super) fn json(done: &Quantised, measured: &Measured, settings: &Settings) -> Json {
    let r = &done.report;
    let layers: Vec<Json> = r
        .layers
        .iter()
        .map(|l| {
            json!({
                "name": l.name, "bits": l.bits, "bytes": l.bytes, "range": l.range.map(|r| [r.0, r.1]), "cut": l.cut,
                "sqnr_db": l.sqnr, "alone_db": l.alone, "loss": l.loss, "rank": l.rank,
            })
        })
        .collect();
    let findings: Vec<Json> = r
        .findings
        .iter()
        .map(|f| {
            let remedies: Vec<Json> = f
                .remedies
                .iter()
                .map(|m| json!({"option": m.option, "what": m.what, "sqnr_db": m.sqnr, "accuracy": m.accuracy}))
                .collect();
            json!({"layer": f.layer, "cause": f.cause, "remedies": remedies})
        })
        .collect();
    let equalised: Vec<Json> = r
        .equalised
        .iter()
        .map(|e| {
            json!({
                "first": e.first, "second": e.second, "spread": e.spread, "before_db": e.before, "after_db": e.after, "applied": e.applied,
            })
        })
        .collect();
    json!({
        "test_samples": measured.before.total(), "accuracy_float": measured.before.accuracy(), "accuracy": measured.after.accuracy(),
        "samples": r.samples, "sample_accuracy_float": r.float_accuracy, "sample_accuracy": r.accuracy, "sqnr_db": r.sqnr,
        "calibration": r.calibration.name(),
        "tried": r.tried.iter().map(|(how, sqnr)| json!({"method": how.name(), "sqnr_db": sqnr})).collect::<Vec<_>>(),
        "equalised": equalised,
        "bias_correction": r.correction.map(|c| json!({"before_db": c.before, "after_db": c.after, "applied": c.applied})),
        "bytes": r.bytes, "float_bytes": r.float_bytes, "layers": layers,
        "floats": r.floats.iter().map(|(name, why)| json!({"name": name, "reason": why})).collect::<Vec<_>>(),
        "findings": findings, "interface": match settings.interface { Interface::Float => "float", Interface::Int8 => "int8" },
        "ends": done
            .ends()
            .iter()
            .map(|(name, g)| json!({"name": name, "dtype": g.dtype.name(), "scale": g.scale, "zero_point": g.zero}))
            .collect::<Vec<_>>(),
        "out": path_text(measured.file), "file_bytes": measured.file_bytes,
    })
}
