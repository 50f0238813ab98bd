//! 1 500 random operations, fed infinities, what is not a number, and the largest and smallest floats: the evaluator gives what
//! onnx.reference gives, in floats or in doubles; the C what the evaluator gives. Where oracles differ is listed in
//! `reference/known.rs`, and in the book. `TEFF_OPERATIONS=1500..9000` draws others, and leaves out the C.

mod common;
#[path = "../../teff-onnx/tests/common/mod.rs"]
mod oracle;
mod reference;

use common::batch::{Compiler, Net, outputs};
use common::c::has;
use reference::known::{Known, ONNXRUNTIME, REFERENCE, section};
use reference::{Drawn, drawn, far};
use std::path::Path;
use teff_compile::{Floats, Options, Target, c, compile};

const NUMBERS: std::ops::Range<usize> = 0..1500;
/// Of these every one is compiled to C.
const EVERY: usize = 3;

/// What is wrong with the evaluator's results, by the tables.
fn faults(d: &Drawn) -> Vec<String> {
    let entry = |list: &'static [Known]| list.iter().find(|k| k.operator == d.operator());
    let own = [REFERENCE, ONNXRUNTIME].into_iter().filter_map(entry).any(|k| k.own);
    let got = match &d.evaluated {
        Ok((_, got)) => got,
        Err(_) if own => return vec![],
        Err(e) => return vec![e.clone()],
    };
    let mut faults = Vec::new();
    let reference: Vec<_> = d.reference.iter().chain(&d.wide).collect();
    let onnxruntime: Vec<_> = d.onnxruntime.iter().collect();
    let all = [&reference[..], &onnxruntime].concat();
    for (name, wants, list) in
        [("onnx.reference", &reference, REFERENCE), ("onnxruntime", &onnxruntime, ONNXRUNTIME)]
    {
        // Where processors have no AVX-512, onnxruntime's exp gives 0 instead of what is below the normal floats.
        let least = if name == "onnxruntime" { f64::from(f32::MIN_POSITIVE) } else { 0.0 };
        let Some(difference) = far(got, wants, d.atol().max(least)) else { continue };
        if entry(list).is_none() {
            faults.push(format!("{name}: {difference}"));
        } else if !own && let Some(difference) = far(got, &all, d.atol()) {
            faults.push(format!("every oracle: {difference}"));
        }
    }
    faults
}

/// What is wrong with the C of some operations, compared with what the evaluator gives or else the oracles.
fn faults_of_c(all: &[&Drawn], compiler: Compiler) -> Vec<String> {
    let mut nets = Vec::new();
    for (k, d) in all.iter().enumerate() {
        let Ok((graph, _)) = &d.evaluated else { continue };
        let target = if k % 2 == 0 { Target::CORTEX_M0PLUS } else { Target::GENERIC };
        let options =
            Options { name: format!("net{k}"), target, floats: Floats::Exact, ..Options::default() };
        nets.push((d, Net { program: compile(graph, &options).unwrap(), inputs: d.inputs.clone() }));
    }
    let (drawn, nets): (Vec<_>, Vec<_>) = nets.into_iter().unzip();
    let results = outputs(&nets, compiler);
    let fault = |(d, result): (&&&Drawn, Result<Vec<_>, String>)| {
        let (_, expected) = d.evaluated.as_ref().ok()?;
        let wants: Vec<_> = std::iter::once(expected).chain(&d.reference).chain(&d.onnxruntime).collect();
        let what = result.map_or_else(Some, |got| far(&got, &wants, d.atol_of_c()))?;
        Some(format!("{}: C: {what}", d.about))
    };
    drawn.iter().zip(results).filter_map(fault).collect()
}

#[test]
fn operations_agree_with_the_reference_at_the_edges() {
    let other = std::env::var("TEFF_OPERATIONS").ok();
    let numbers = other.as_ref().and_then(|s| s.split_once("..")).map_or(NUMBERS, |(first, end)| {
        first.parse().expect("the first number")..end.parse().expect("the number after the last")
    });
    let Some(all) = drawn(numbers) else { return };
    let mut wrong: Vec<String> =
        all.iter().flat_map(|d| faults(d).into_iter().map(|f| format!("{}: {f}", d.about))).collect();
    if other.is_none() && has("clang") {
        let compiled: Vec<&Drawn> = all.iter().step_by(EVERY).collect();
        let clang = Compiler { name: "clang", flags: &["-O1"], arena: c::ArenaOwner::Static };
        compiled.chunks(100).for_each(|part| wrong.extend(faults_of_c(part, clang)));
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_book_lists_where_oracles_differ() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let book = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = book.split_once("## At the edges of floats\n").expect("the book has the section");
    let (_, after) = rest.split_once("\n## ").expect("another follows");
    let page = format!("{before}{}\n## {after}", section());
    if std::env::var_os("TEFF_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == page, "run with TEFF_BLESS=1");
}
