//! Which tables lie in SRAM, where flash is slow.
//!
//! Code that runs from flash through a cache waits for every word it has not: about 40 cycles on an RP2040, more than all arithmetic
//! with that word takes. A network's weights do not fit its cache, so each word waits once a run. Given bytes of SRAM, the tables and rows
//! of tables go there whose reading costs most for their size: constants that are read again and again, then the weights of the inputs that
//! are most often not zero. A layer whose rows lie in two tables is computed by two statements, whose sums are the same bits.

mod rows;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::program::{
    self, BufferId, Expr, Kernel, Micro, PairSums, Place, Program, Stmt, each_expr_of, parts,
};
use rows::Split;
use teff_graph::Value;

/// Something that can be put into SRAM.
struct Item {
    buffer: BufferId,
    /// The input whose weights these are, when it is not the whole table.
    row: Option<usize>,
    bytes: usize,
    /// Words that flash is waited for in one run.
    misses: f64,
}

/// Puts constants of `program` into SRAM, at most `bytes` of them, those first whose reading from flash costs most for their size.
///
/// `samples` are inputs of the network that show which inputs of dense layers are seldom zero; a few dozen are enough. Without them the
/// middle of a picture is taken to be. The results of the program stay the same bits.
///
/// # Errors
/// [`Error::Sample`] when a sample is not what the program takes.
pub fn place(program: &mut Program, bytes: usize, samples: &[Vec<Value>]) -> Result<(), Error> {
    if bytes == 0 {
        return Ok(());
    }
    let splits = rows::splits(program, samples)?;
    let mut items = items(program, &splits);
    items.retain(|item| item.misses > 0.0 && item.bytes > 0);
    // The most costly first; of equal ones the smaller, then the one that stands first.
    items.sort_by(|a, b| {
        let saved = |item: &Item| item.misses / item.bytes as f64;
        saved(b).total_cmp(&saved(a)).then(a.bytes.cmp(&b.bytes))
    });
    let mut chosen: Vec<Item> = Vec::new();
    let mut left = bytes;
    for item in items {
        if item.bytes <= left {
            left -= item.bytes;
            chosen.push(item);
        }
    }
    // The tables that say which rows lie where take room as well.
    while taken(program, &chosen, &splits) > bytes {
        let last = chosen.iter().rposition(|item| item.row.is_some());
        chosen.remove(last.expect("whole tables fit"));
    }
    for item in chosen.iter().filter(|item| item.row.is_none()) {
        program.buffers[item.buffer.index()].in_sram = true;
    }
    for split in &splits {
        rows::apply(program, split, &rows_of(&chosen, split));
    }
    debug_assert!(program.sram_bytes() <= bytes);
    program::validate(program).map_err(Error::Invalid)
}

/// Whole tables, and rows of those that can be split.
fn items(program: &Program, splits: &[Split]) -> Vec<Item> {
    let misses = misses(program);
    let mut items = Vec::new();
    for (i, b) in program.buffers.iter().enumerate() {
        let buffer = BufferId(i as u32);
        if !matches!(b.place, Place::Constant(_)) {
            continue;
        }
        match splits.iter().find(|s| s.weights == buffer) {
            Some(split) => items.extend(split.often.iter().enumerate().map(|(row, often)| Item {
                buffer,
                row: Some(row),
                bytes: split.row_bytes,
                misses: often * split.row_bytes as f64 / WORD,
            })),
            None => items.push(Item { buffer, row: None, bytes: b.ty.bytes(), misses: misses[i] }),
        }
    }
    items
}

/// The rows of a table that are chosen, in order.
fn rows_of(chosen: &[Item], split: &Split) -> Vec<usize> {
    let mut rows: Vec<usize> =
        chosen.iter().filter(|item| item.buffer == split.weights).filter_map(|item| item.row).collect();
    rows.sort_unstable();
    rows
}

/// Bytes of SRAM that the chosen take, with the tables that say which rows they are.
fn taken(program: &Program, chosen: &[Item], splits: &[Split]) -> usize {
    let whole =
        chosen.iter().filter(|item| item.row.is_none()).map(|item| program.buffer(item.buffer).ty.bytes());
    whole.sum::<usize>() + splits.iter().map(|s| rows::bytes(s, &rows_of(chosen, s))).sum::<usize>()
}

/// Runs `f` for every statement, with how often it runs; what stands under a condition as if that held.
fn each_run<'a>(body: &'a [Stmt], times: usize, f: &mut impl FnMut(&'a Stmt, usize)) {
    for stmt in body {
        f(stmt, times);
        let turns = if let Stmt::For { count, .. } = stmt { *count } else { 1 };
        parts(stmt).2.into_iter().for_each(|b| each_run(b, times.saturating_mul(turns), f));
    }
}

/// Bytes that come from flash at a time.
const WORD: f64 = 4.0;

/// Bytes of flash that a cache keeps: what the tables of a kernel may take and still be waited for only once (RP2040 datasheet 2.6.3). A
/// machine with another size has the same order of tables or nearly so.
const CACHE: usize = 16 << 10;

/// For each buffer of the program, the words of it that flash is waited for. What stands under a condition is counted as if it held.
fn misses(program: &Program) -> Vec<f64> {
    let mut all = vec![0.0; program.buffers.len()];
    for kernel in &program.kernels {
        let mut words = vec![0.0; program.buffers.len()];
        each_run(&kernel.body, 1, &mut |stmt, times| {
            each_expr_of(stmt, &mut |e| load(program, e, times as f64, &mut words));
            if let Stmt::Micro(m) = stmt {
                micro(m, times as f64, &mut words);
            }
        });
        let cached = table_bytes(program, kernel) <= CACHE;
        for (i, words) in words.into_iter().enumerate() {
            let once = program.buffers[i].ty.bytes() as f64 / WORD;
            all[i] += if cached { once.min(words) } else { words };
        }
    }
    all
}

/// Bytes of the constants that a kernel reads.
fn table_bytes(program: &Program, kernel: &Kernel) -> usize {
    let is_table = |id: &&BufferId| matches!(program.buffer(**id).place, Place::Constant(_));
    kernel.accesses().0.iter().filter(is_table).map(|id| program.buffer(*id).ty.bytes()).sum()
}

/// Neighbours are mostly read one after another, several from a word.
fn load(program: &Program, e: &Expr, times: f64, words: &mut [f64]) {
    if let Expr::Load(id, dtype, _) = e
        && matches!(program.buffer(*id).place, Place::Constant(_))
    {
        words[id.index()] += times * dtype.size() as f64 / WORD;
    }
}

fn micro(m: &Micro, times: f64, words: &mut [f64]) {
    let (weights, bytes) = match m {
        Micro::Pairs(p) => (p.weights, PairSums::weight_len(p.outputs, p.taps) * usize::from(p.bits) / 8),
        Micro::Window(w) => (w.weights, w.window[0] * w.window[1]),
        Micro::Rows(r) => (r.weights, r.rows * r.outputs * usize::from(r.bits) / 8),
    };
    words[weights.index()] += times * bytes as f64 / WORD;
}
