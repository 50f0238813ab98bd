//! Dense layers that skip inputs that are zero: which rows of weights are needed most often, and computing them from two tables.

use super::{WORD, each_run};
use crate::error::Error;
use crate::printing::free;
use crate::program::{
    Buffer, BufferId, Expr, Micro, Place, Program, RowSums, Stmt, each_expr_in, each_stmt, replace_stmts,
    rows_used,
};
use std::sync::Arc;
use teff_graph::{Data, Element, Type, Value, with_data};

/// A table of weights whose rows can lie apart.
pub(super) struct Split {
    pub(super) weights: BufferId,
    pub(super) row_bytes: usize,
    /// For each input, in which part of the runs it is not zero.
    pub(super) often: Vec<f64>,
}

/// What another statement takes, in words of flash that are waited for meanwhile, beside those of a row: calling it, walking the runs.
const STATEMENT: f64 = 16.0;

/// The tables that can be split.
pub(super) fn splits(program: &Program, samples: &[Vec<Value>]) -> Result<Vec<Split>, Error> {
    let mut counts = Vec::new();
    for inputs in samples {
        counts.push(rows_used(program, inputs).map_err(Error::Sample)?);
    }
    let mut splits = Vec::new();
    for (r, blocks) in statements(program) {
        let often = if samples.is_empty() {
            expected(program, r)
        } else {
            let visits = (blocks * samples.len()) as f64;
            let used = |k: usize| counts.iter().filter_map(|c| c.get(&r.weights)).map(|c| c[k]).sum::<u64>();
            (0..r.len).map(|k| used(k) as f64 / visits).collect()
        };
        splits.push(Split { weights: r.weights, row_bytes: r.row_bytes(), often });
    }
    Ok(splits)
}

/// The statements whose weights nothing else reads and which are whole rows, and how often each runs.
fn statements(program: &Program) -> Vec<(&RowSums, usize)> {
    let mut found = Vec::new();
    for kernel in &program.kernels {
        each_run(&kernel.body, 1, &mut |stmt, times| {
            if let Stmt::Micro(Micro::Rows(r)) = stmt {
                found.push((r, times));
            }
        });
    }
    found.retain(|(r, _)| {
        let mut readers = 0;
        for kernel in &program.kernels {
            let reads = |s: &Stmt| matches!(s, Stmt::Micro(m) if m.reads().contains(&r.weights));
            let loads = |e: &Expr| matches!(e, Expr::Load(id, ..) if *id == r.weights);
            each_stmt(&kernel.body, &mut |s| readers += reads(s) as usize);
            each_expr_in(&kernel.body, &mut |e| readers += loads(e) as usize);
        }
        let whole = program.buffer(r.weights).ty.bytes() == r.len * r.row_bytes();
        readers == 1 && whole && r.runs.is_none() && u16::try_from(r.len).is_ok()
    });
    found
}

/// What is taken for granted of inputs that nobody has shown: half of them are zero, as behind a rectifier; those of a square picture the
/// more often the farther from its middle.
fn expected(program: &Program, r: &RowSums) -> Vec<f64> {
    let side = r.len.isqrt();
    let is_picture = side >= 8 && side * side == r.len && program.inputs.iter().any(|p| p.ty.len() == r.len);
    if !is_picture {
        return vec![0.5; r.len];
    }
    let from_middle = |i: usize| ((2 * i + 1) as f64 / side as f64 - 1.0).powi(2);
    let near = |k: usize| 1.0 - ((from_middle(k / side) + from_middle(k % side)) / 2.0).sqrt();
    (0..r.len).map(near).collect()
}

/// Lengths of the runs of those rows, passed over and meant by turns.
fn runs(rows: &[usize]) -> Vec<u16> {
    let mut runs: Vec<u16> = Vec::new();
    let mut next = 0;
    for &row in rows {
        if row > next || runs.is_empty() {
            runs.extend([(row - next) as u16, 0]);
        }
        *runs.last_mut().expect("a run has begun") += 1;
        next = row + 1;
    }
    runs
}

/// The rows that stay in flash.
fn others(split: &Split, rows: &[usize]) -> Vec<usize> {
    (0..split.often.len()).filter(|row| rows.binary_search(row).is_err()).collect()
}

/// Whether these rows, in SRAM, save more than computing the layer by two statements takes.
fn is_worth(split: &Split, rows: &[usize]) -> bool {
    let row = split.row_bytes as f64 / WORD;
    rows.iter().map(|row| split.often[*row]).sum::<f64>() * row > STATEMENT + row
}

/// Bytes of SRAM that the table takes when these rows lie there.
pub(super) fn bytes(split: &Split, rows: &[usize]) -> usize {
    let weights = rows.len() * split.row_bytes;
    if rows.len() == split.often.len() {
        return weights;
    }
    if !is_worth(split, rows) {
        return 0;
    }
    weights + 2 * (runs(rows).len() + runs(&others(split, rows)).len())
}

/// Puts these rows into SRAM: the table, when these are all of it; otherwise a table of their own, with a statement of its own behind it
/// for the others.
pub(super) fn apply(program: &mut Program, split: &Split, rows: &[usize]) {
    if rows.len() == split.often.len() {
        program.buffers[split.weights.index()].in_sram = true;
        return;
    }
    if !is_worth(split, rows) {
        return;
    }
    let others = others(split, rows);
    let table = program.buffer(split.weights).clone();
    let rest = taken(&table, split, &others);
    let rest = add(program, &format!("{}_rest", table.name), rest, table.align, false);
    let mut runs_of = |name: &str, rows: &[usize]| {
        let runs = runs(rows);
        add(program, &format!("{}{name}", table.name), Value::new([runs.len()], runs), 2, true)
    };
    let (near, far) = (runs_of("_runs", rows), runs_of("_rest_runs", &others));
    let value = taken(&table, split, rows);
    let own = &mut program.buffers[split.weights.index()];
    (own.ty, own.place, own.in_sram) = (value.ty(), Place::Constant(Arc::new(value)), true);
    for kernel in &mut program.kernels {
        replace_stmts(&mut kernel.body, &mut |stmt| match stmt {
            Stmt::Micro(Micro::Rows(r)) if r.weights == split.weights && r.runs.is_none() => {
                let first = RowSums { runs: Some(near), rows: rows.len(), ..r.clone() };
                let second = RowSums { weights: rest, runs: Some(far), rows: others.len(), adds: true, ..r };
                [first, second].map(|r| Stmt::Micro(Micro::Rows(r))).into()
            }
            stmt => vec![stmt],
        });
    }
}

/// The elements of these rows, one row after another.
fn taken(table: &Buffer, split: &Split, rows: &[usize]) -> Value {
    let Place::Constant(value) = &table.place else { unreachable!("weights are constants") };
    let width = split.row_bytes / table.ty.dtype.size();
    let data = with_data!(value.data(), v => of_rows(v, width, rows));
    Value::from_data(Type::new(table.ty.dtype, [rows.len() * width]).shape, data)
}

fn of_rows<T: Element>(v: &[T], width: usize, rows: &[usize]) -> Data {
    T::wrap(rows.iter().flat_map(|row| v[row * width..][..width].iter().copied()).collect())
}

/// A new constant, with a number behind its name when that is taken.
fn add(program: &mut Program, name: &str, value: Value, align: usize, in_sram: bool) -> BufferId {
    let is_free = |name: &str| {
        program.buffers.iter().all(|b| b.name != name) && program.kernels.iter().all(|k| k.name != name)
    };
    let name = free(name, "_", is_free);
    let id = BufferId(program.buffers.len() as u32);
    let (ty, place) = (value.ty(), Place::Constant(Arc::new(value)));
    program.buffers.push(Buffer { name, ty, align, place, in_sram });
    id
}
