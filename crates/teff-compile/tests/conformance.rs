//! The ONNX backend test suite through C: every test's model is read, evaluated by the plain evaluator, compiled to C, the C built
//! without a warning, by gcc under the address and undefined-behaviour sanitizers and by clang, run between guard bytes, and compared
//! with what the suite expects: floats within 1e-3 of the number plus 1e-5, integers and bools equal.
//!
//! `docs/conformance.md` is the result; the test fails when it is not right, `TEFF_BLESS=1` rewrites it. `TEFF_ONLY=part` runs the
//! tests whose names contain `part` and prints what keeps them from passing. `TEFF_OPTIMISED=1` has gcc optimise instead of sanitize.

mod common;
#[path = "reference/known.rs"]
mod known;
#[path = "../../teff-onnx/tests/suite/mod.rs"]
mod suite;

use common::batch::{Compiler, Net, outputs};
use common::c::has;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use suite::{Archive, DataSet, compare, is_drawn, load};
use teff_compile::{Floats, Options, Target, c, compile};

/// Tests in one C program.
const BATCH: usize = 40;

/// Not optimised, for time: with sanitizers that takes gcc three times as long.
const SANITIZED: Compiler = Compiler {
    name: "gcc",
    flags: &["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    arena: c::ArenaOwner::Caller,
};
const OPTIMISED: Compiler = Compiler { name: "gcc", flags: &["-O2"], arena: c::ArenaOwner::Caller };
const CLANG: Compiler = Compiler { name: "clang", flags: &["-O1"], arena: c::ArenaOwner::Static };

/// Which of a test's inputs decide shapes and are constants of the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fixed {
    None,
    Some,
    All,
}

/// How a test went.
struct Outcome {
    test: String,
    operators: Vec<String>,
    /// Whether ONNX leaves open which numbers it gives.
    drawn: bool,
    /// What had to be fixed, or why the plain evaluator does not pass.
    evaluated: Result<Fixed, String>,
    /// Why the C does not pass.
    c: Result<(), String>,
}

/// The tests numbered from `first` on, as many as a batch has.
fn batch(archive: &Archive, tests: &[String], first: usize) -> Vec<Outcome> {
    let tests = &tests[first..tests.len().min(first + BATCH)];
    let mut outcomes = Vec::new();
    // Of each network: which test it belongs to, and what it must give.
    let (mut nets, mut wanted) = (Vec::new(), Vec::new());
    for (k, test) in tests.iter().enumerate() {
        let model = archive.get(&format!("{test}/model.onnx")).expect("tests have models");
        let operators = teff_onnx::operators(model).unwrap_or_default();
        let sets = load(archive, test);
        let fixed = |s: &DataSet| match (s.fixed.is_empty(), s.inputs.is_empty()) {
            (true, _) => Fixed::None,
            (false, false) => Fixed::Some,
            (false, true) => Fixed::All,
        };
        let evaluated = match &sets {
            Ok(sets) => Ok(sets.iter().map(fixed).max().expect("tests have data")),
            Err(reason) => Err(reason.clone()),
        };
        let c = sets.and_then(|sets| {
            for (n, DataSet { graph, inputs, expected, .. }) in sets.into_iter().enumerate() {
                let number = first + k;
                let target = if number.is_multiple_of(3) { Target::CORTEX_M0PLUS } else { Target::GENERIC };
                let name = format!("net{number}_{n}");
                // The suite allows each number an error of its own, however large its neighbours are.
                let options = Options { name, target, floats: Floats::Exact, ..Options::default() };
                let program = compile(&graph, &options).map_err(|e| e.to_string())?;
                nets.push(Net { program, inputs });
                wanted.push((k, expected));
            }
            Ok(())
        });
        outcomes.push(Outcome { test: test.clone(), operators, drawn: is_drawn(model), evaluated, c });
    }
    let gcc = if std::env::var_os("TEFF_OPTIMISED").is_some() { OPTIMISED } else { SANITIZED };
    for compiler in [gcc, CLANG] {
        for (result, (k, expected)) in outputs(&nets, compiler).into_iter().zip(&wanted) {
            let outcome = &mut outcomes[*k];
            if outcome.c.is_ok() {
                outcome.c = result.and_then(|got| compare(&got, expected));
            }
        }
    }
    outcomes
}

fn all_outcomes(archive: &Archive, tests: &[String]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= tests.len() {
                return done;
            }
            done.extend(batch(archive, tests, first));
        }
    };
    let mut outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..std::thread::available_parallelism().map_or(1, usize::from))
            .map(|_| scope.spawn(work))
            .collect();
        workers.into_iter().flat_map(|w| w.join().expect("no test panics")).collect()
    });
    outcomes.sort_by(|a, b| a.test.cmp(&b.test));
    outcomes
}

/// The book's page.
fn page(outcomes: &[Outcome]) -> String {
    let count = |f: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|o| f(o)).count();
    let fixed = |f: Fixed| count(&|o| o.evaluated.as_ref().is_ok_and(|fixed| *fixed == f));
    let (some, all) = (fixed(Fixed::Some), fixed(Fixed::All));
    let mut page = format!(
        "# Conformance\n\n\
         The {} tests of the ONNX backend suite (onnx/onnx at 2bb5046, 1.22 series: `node`, `pytorch-converted`, `pytorch-operator`,\n\
         `simple`), each read, evaluated by the plain evaluator, and compiled to C99, which is built without a warning (`-std=c99 -Wall\n\
         -Wextra -Wpedantic -Wconversion -Wshadow -Werror`) by gcc under the address and undefined-behaviour sanitizers, the arena given\n\
         by the caller, and by clang with a static arena; run with guard bytes around every buffer; and compared with what the suite\n\
         expects: floats within 1e-3 of the number plus 1e-5, integers and bools equal.\n\
         Made by `TEFF_BLESS=1 cargo test -p teff-compile --test conformance`.\n\n\
         | | tests |\n|---|---:|\n| all | {} |\n| passed by the plain evaluator | {} |\n| passed through C | {} |\n\n\
         Shapes are static. In {} of the tests an input decides a shape (a list of axes, of sizes, a trip count); there that input, and\n\
         no other, is a constant of the compiled network. In {all} of these no other input is left, and the C holds the result. Graphs\n\
         hold floats of 8 and 16 bits as `float32` and integers of 2 and 4 bits as `int8` or `uint8`, at the interface too.\n",
        outcomes.len(),
        outcomes.len(),
        count(&|o| o.evaluated.is_ok()),
        count(&|o| o.c.is_ok()),
        some + all,
    );
    page += "\n## Passed by what ONNX says, not by the numbers\n\n\
             ONNX leaves the numbers of `Bernoulli` open, with a seed too, and the suite expects one draw of many. These pass when the type\n\
             is right, each element is 0 or 1 as its probability allows, and the C gives the draw of the plain evaluator:\n\n";
    for o in outcomes.iter().filter(|o| o.drawn && o.c.is_ok()) {
        page += &format!("- `{}`\n", o.test);
    }
    page += "\n## Not passed\n\n\
             Strings: a network compiled to C takes none.\n";
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for o in outcomes {
        if let Err(reason) = &o.c {
            reasons.entry(in_general(reason)).or_default().push(&o.test);
        }
    }
    for (reason, tests) in reasons {
        let _ = write!(page, "\n{reason} ({}):\n\n", tests.len());
        tests.iter().for_each(|t| page += &format!("- `{t}`\n"));
    }
    page += &format!("\n{}", known::section());
    page += "\n## By operator\n\nA test counts for every operator its model uses, those inside functions too.\n\n\
             | operator | tests | plain evaluator | through C |\n|---|---:|---:|---:|\n";
    let mut operators: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for o in outcomes {
        for operator in &o.operators {
            let counts = operators.entry(operator).or_default();
            counts[0] += 1;
            counts[1] += usize::from(o.evaluated.is_ok());
            counts[2] += usize::from(o.c.is_ok());
        }
    }
    for (operator, [all, evaluated, c]) in operators {
        let _ = writeln!(page, "| {operator} | {all} | {evaluated} | {c} |");
    }
    page
}

/// A reason without the names that only one model has.
fn in_general(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    let operator = |rest: &str| {
        let (_, rest) = rest.split_once(" (")?;
        let (operator, rest) = rest.split_once(", opset ")?;
        let (_, what) = rest.split_once("): ")?;
        Some(format!("{operator}: {what}"))
    };
    let interface =
        |rest: &str| rest.split_once("\": ").map(|(_, what)| format!("An input or output {what}"));
    let general = match line.strip_prefix("node ") {
        Some(rest) => operator(rest),
        None => line.strip_prefix("model input or output ").and_then(interface),
    };
    general.unwrap_or_else(|| line.into())
}

#[test]
fn the_backend_suite_passes_through_c_but_for_the_listed_tests() {
    if !has("gcc") || !has("clang") {
        return;
    }
    let archive = Archive::suite();
    let only = std::env::var("TEFF_ONLY").unwrap_or_default();
    let tests: Vec<String> = archive.tests().into_iter().filter(|t| t.contains(&only)).collect();
    let outcomes = all_outcomes(&archive, &tests);
    let failures: Vec<String> =
        outcomes.iter().filter_map(|o| Some(format!("{}: {}\n", o.test, o.c.as_ref().err()?))).collect();
    if !only.is_empty() {
        return println!(
            "{}{} of {} pass",
            failures.concat(),
            outcomes.len() - failures.len(),
            outcomes.len()
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let page = page(&outcomes);
    if std::env::var_os("TEFF_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == kept,
        "docs/conformance.md is not what the tests give; the tests that fail:\n{}",
        failures.concat()
    );
}
