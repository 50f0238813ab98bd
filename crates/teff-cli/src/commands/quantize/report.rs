//! What `teff quantize` says when it is done.

use crate::ui::{grouped, path_text, percent, table};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::path::Path;
use teff::metrics::{Fit, Quality};
use teff::quantize::{Correction, Interface, OutputReport, Quantised, Settings};
use teff::{DType, Judgement};

/// Layers that are listed at most; the JSON has all.
const LISTED: usize = 60;

/// What was measured on the test samples, and what was written.
pub(super) struct Measured<'a> {
    pub(super) before: Judgement,
    pub(super) after: Judgement,
    pub(super) outputs: Vec<OutputReport>,
    /// How many samples there were.
    pub(super) samples: usize,
    pub(super) file: &'a Path,
    pub(super) file_bytes: usize,
}

pub(super) fn text(done: &Quantised, measured: &Measured, settings: &Settings) -> String {
    let r = &done.report;
    let mut rows = judged(measured);
    rows.extend([
        vec!["weights and biases".into(), format!("{} bytes", grouped(r.float_bytes))],
        vec!["  quantised, with multipliers".into(), format!("{} bytes", grouped(r.bytes))],
    ]);
    for s in &r.standardised {
        let what = format!("{:.1} to {:.1} dB: its channels are of different units", s.before, s.after);
        rows.push(vec![format!("input {} is standardised, in floats", s.input), what]);
    }
    let tried: Vec<String> =
        r.tried.iter().map(|(how, sqnr)| format!("{} {sqnr:.1} dB", how.name())).collect();
    rows.push(vec![format!("ranges by {}", r.calibration.name()), tried.join(", ")]);
    let used = |applied| if applied { "used" } else { "no better: left out" };
    for w in &r.widened {
        let what = format!("{:.1} to {:.1} dB", w.before, w.after);
        rows.push(vec![format!("16 bits for {}", w.tensors.join(", ")), what]);
    }
    for (what, change) in [("learned rounding", &r.learned), ("bias correction", &r.correction)] {
        let said = |c: &Correction| format!("{:.1} to {:.1} dB, {}", c.before, c.after, used(c.applied));
        rows.extend(change.iter().map(|c| vec![what.into(), said(c)]));
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
                "  {} {}: then it alone leaves {:.1} dB{}",
                remedy.option,
                remedy.what,
                remedy.sqnr,
                remedy.accuracy.map_or(String::new(), |share| format!(", {}", percent(share)))
            );
        }
    }
    let ends = match settings.interface {
        Interface::Float => "floats in and out",
        Interface::Int8 if settings.tensors == DType::I16 => "16-bit integers in and out",
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

/// How good the network is before and after, as far as the data say what is right, and how far its outputs are from the float network's.
fn judged(measured: &Measured) -> Vec<Vec<String>> {
    let of = format!("on {} test samples", grouped(measured.samples));
    let mut rows = Vec::new();
    match (&measured.before, &measured.after) {
        (Judgement::Classes(before), Judgement::Classes(after)) => {
            let points = (after.accuracy() - before.accuracy()) * 100.0;
            rows.push(vec![format!("accuracy {of}"), percent(before.accuracy())]);
            rows.push(vec![
                "  quantised".into(),
                format!("{} ({points:+.2} points)", percent(after.accuracy())),
            ]);
        }
        (Judgement::Numbers(before), Judgement::Numbers(after)) => {
            for ((name, before), (_, after)) in before.iter().zip(after) {
                rows.push(vec![format!("{name} {of}"), Quality::Fit(*before).to_string()]);
                rows.push(vec!["  quantised".into(), Quality::Fit(*after).to_string()]);
            }
        }
        _ => {
            rows.push(vec!["what is right is not known".into(), format!("judged {of} by the float network")])
        }
    }
    for output in &measured.outputs {
        let what =
            if measured.outputs.len() == 1 { "the output".into() } else { format!("output {}", output.name) };
        let said = format!("{:.1} dB signal to noise, at most {:.3e} off", output.sqnr, output.largest);
        rows.push(vec![format!("{what} beside the float network's"), said]);
    }
    rows
}

/// The share that is right, where classes are known.
fn accuracy(of: &Judgement) -> Option<f64> {
    if let Judgement::Classes(confusion) = of { Some(confusion.accuracy()) } else { None }
}

/// How near the numbers are that the data have.
fn numbers(of: &Judgement) -> Json {
    let Judgement::Numbers(all) = of else { return Json::Null };
    let fit = |(name, Fit { mse, mae, r2 }): &(String, Fit)| json!({"name": name, "mse": mse, "mae": mae, "r2": r2});
    all.iter().map(fit).collect()
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
            l.loss.map_or("-".into(), |loss| format!("{:+.2}", loss * 100.0)),
            l.rank.to_string(),
        ]);
    }
    let mut out = format!("\n{}", table(&rows));
    if done.report.layers.len() > LISTED {
        let _ = writeln!(out, "and {} more; --json lists all", done.report.layers.len() - LISTED);
    }
    let _ = writeln!(
        out,
        "calibrated on {} training samples, {} of which judge what helps; rank 1 hurts most when it alone is quantised",
        done.report.samples, done.report.judged
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
    let change = |c: &Correction| json!({"before_db": c.before, "after_db": c.after, "applied": c.applied});
    json!({
        "test_samples": measured.samples, "accuracy_float": accuracy(&measured.before), "accuracy": accuracy(&measured.after),
        "numbers_float": numbers(&measured.before), "numbers": numbers(&measured.after),
        "outputs": measured.outputs.iter().map(|o| json!({"name": o.name, "sqnr_db": o.sqnr, "largest_error": o.largest})).collect::<Vec<_>>(),
        "samples": r.samples, "judged": r.judged, "sample_accuracy_float": r.float_accuracy, "sample_accuracy": r.accuracy, "sqnr_db": r.sqnr,
        "standardised": r.standardised.iter().map(|s| json!({"input": s.input, "before_db": s.before, "after_db": s.after})).collect::<Vec<_>>(),
        "calibration": r.calibration.name(),
        "tried": r.tried.iter().map(|(how, sqnr)| json!({"method": how.name(), "sqnr_db": sqnr})).collect::<Vec<_>>(),
        "equalised": equalised,
        "widened": r.widened.iter().map(|w| json!({"tensors": w.tensors, "before_db": w.before, "after_db": w.after})).collect::<Vec<_>>(),
        "learned_rounding": r.learned.as_ref().map(change), "bias_correction": r.correction.as_ref().map(change),
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
