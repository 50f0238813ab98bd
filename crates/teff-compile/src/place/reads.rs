//! How many words of each table flash is waited for in one run.

use super::each_run;
use crate::program::{BufferId, Expr, Kernel, Micro, PairSums, Place, Program, Stmt, each_expr_of};

/// Bytes that come from flash at a time.
pub(super) const WORD: f64 = 4.0;

/// Bytes of flash that a cache keeps: what the tables of a kernel may take and still be waited for only once (RP2040 datasheet 2.6.3). A
/// machine with another size has the same order of tables or nearly so.
const CACHE: usize = 16 << 10;

/// For each buffer of the program, the words of it that flash is waited for. What stands under a condition is counted as if it held.
pub(super) fn misses(program: &Program) -> Vec<f64> {
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
