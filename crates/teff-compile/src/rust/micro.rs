//! The micro-kernels in Rust, as functions of `mod math`.

use super::expr::Printer;
use crate::printing::Array;
use crate::program::{Micro, PairSums, RowSums, WindowSums};
use teff_graph::DType;

/// The text of the micro-kernel called `name`, as plain Rust.
pub(super) fn portable(name: &str) -> Option<String> {
    let (kernel, bits) = kernel(name)?;
    let text = match (kernel, bits) {
        ("pair_sums", 8) => PAIR_SUMS,
        ("pair_sums", _) => PACKED_PAIR_SUMS,
        ("row_sums", _) => ROW_SUMS,
        ("row_sums_of_runs", _) => ROW_SUMS_OF_RUNS,
        _ => WINDOW_SUMS,
    };
    let (mut text, add) = (text.to_string(), if bits == 8 { ADD_ROW } else { ADD_PACKED_ROW });
    if let Some(at) = text.find("ADD_ROW") {
        let indent = " ".repeat(at - text[..at].rfind('\n').map_or(0, |line| line + 1));
        text = text.replace("ADD_ROW", &add.replace('\n', &format!("\n{indent}")));
    }
    if bits != 8 {
        // What it says is said once, of the plain form.
        let (_, function) = super::assembly::split_note(&text);
        text = format!("/// As `{kernel}`, for weights of BITS bits.\n{function}");
    }
    Some(for_bits(&text, bits))
}

/// The kernel and the width of its weights, of a name such as `row_sums_4`.
pub(super) fn kernel(name: &str) -> Option<(&str, u8)> {
    let (kernel, bits) = match name.strip_suffix("_4") {
        Some(kernel) => (kernel, 4),
        None => name.strip_suffix("_2").map_or((name, 8), |kernel| (kernel, 2)),
    };
    ["pair_sums", "row_sums", "row_sums_of_runs", "window_sums"].contains(&kernel).then_some((kernel, bits))
}

/// The text with what depends on the width of weights. Several of fewer than 8 bits come to a byte.
pub(super) fn for_bits(text: &str, bits: u8) -> String {
    let (suffix, kind, of_row) = match bits {
        8 => (String::new(), "i8", "pitch"),
        _ => (format!("_{bits}"), "u8", "pitch / EACH"),
    };
    let text = text.replace("_SUFFIX", &suffix).replace("KIND", kind).replace("ROW_BYTES", of_row);
    let text = text.replace("BITS", &bits.to_string()).replace("UNUSED", &(8 - bits).to_string());
    text.replace("EACH", &(8 / bits).to_string())
}

/// Adds the products of an input with its weights.
const ADD_ROW: &str = "for (sum, w) in sums.iter_mut().zip(row) {
    *sum = sum.wrapping_add(x * i32::from(*w));
}";
const ADD_PACKED_ROW: &str = "for (i, sum) in sums.iter_mut().enumerate() {
    let up = UNUSED - BITS * (i % EACH);
    let w = (row[i / EACH] << up) as i8 >> UNUSED;
    *sum = sum.wrapping_add(x * i32::from(w));
}";

/// [`crate::program::PairSums`] with several weights to a byte.
const PACKED_PAIR_SUMS: &str =
    "pub(super) fn pair_sums_SUFFIX(inputs: &[i32], weights: &[u8], sums: &mut [i32]) {
    let taps = inputs.len();
    for (o, sums) in sums.chunks_exact_mut(2).enumerate() {
        let row = o / 2 * 2 * taps + o % 2 * 2;
        let (mut both, mut high) = (0i32, 0i32);
        for (k, x) in inputs.iter().enumerate() {
            let i = row + k / 2 * 4 + k % 2;
            let up = UNUSED - BITS * (i % EACH);
            let w = (weights[i / EACH] << up) as i8 >> UNUSED;
            let product = i32::from(w).wrapping_mul(*x);
            both = both.wrapping_add(product);
            high = high.wrapping_add(product.wrapping_add(0x8000) >> 16);
        }
        sums[0] = both.wrapping_sub(high << 16);
        sums[1] = high;
    }
}
";

/// [`crate::program::PairSums`].
const PAIR_SUMS: &str = "/// Sums of products for two places at once: each input is `a + 65536 b` with a and b of 8 bits; rows of weights go two by two, four
/// weights to a word. Twice 8 bits times 8 bits stay in 16: the products of two inputs are added up before they are taken apart.
pub(super) fn pair_sums(inputs: &[i32], weights: &[i8], sums: &mut [i32]) {
    let (taps, outputs) = (inputs.len(), sums.len() / 2);
    for (o, sums) in sums.chunks_exact_mut(2).enumerate() {
        let alone = o + 1 == outputs && outputs % 2 == 1;
        let (first, step) = if alone { (o * taps, 2) } else { (o / 2 * 2 * taps + o % 2 * 2, 4) };
        let (mut both, mut high) = (0i32, 0i32);
        for (x, w) in inputs.chunks_exact(2).zip(weights[first..].chunks(step)) {
            let sum = i32::from(w[0]).wrapping_mul(x[0]).wrapping_add(i32::from(w[1]).wrapping_mul(x[1]));
            both = both.wrapping_add(sum);
            high = high.wrapping_add(sum.wrapping_add(0x8000) >> 16);
        }
        sums[0] = both.wrapping_sub(high << 16);
        sums[1] = high;
    }
}
";

/// [`crate::program::RowSums`].
const ROW_SUMS: &str = "/// Sums of products of a row of inputs; those that are 0 take none.
pub(super) fn row_sums_SUFFIX(inputs: impl Iterator<Item = i32>, weights: &[KIND], pitch: usize, sums: &mut [i32]) {
    sums.fill(0);
    for (x, row) in inputs.zip(weights.chunks(ROW_BYTES)) {
        if x != 0 {
            ADD_ROW
        }
    }
}
";

/// [`crate::program::RowSums`] with runs.
const ROW_SUMS_OF_RUNS: &str = "/// The same for some of the inputs: runs say how many are passed over, how many are meant, and so on. The first of several such calls
/// for the same sums does not add to what is there.
pub(super) fn row_sums_of_runs_SUFFIX<T: Copy>(
    inputs: &[T],
    value: impl Fn(T) -> i32,
    runs: &[u16],
    weights: &[KIND],
    pitch: usize,
    adds: bool,
    sums: &mut [i32],
) {
    if !adds {
        sums.fill(0);
    }
    let (mut rest, mut rows) = (inputs, weights.chunks(ROW_BYTES));
    for run in runs.chunks_exact(2) {
        let (over, meant) = (usize::from(run[0]), usize::from(run[1]));
        for x in rest.iter().skip(over).take(meant) {
            let (x, Some(row)) = (value(*x), rows.next()) else { return };
            if x != 0 {
                ADD_ROW
            }
        }
        rest = rest.get(over + meant..).unwrap_or_default();
    }
}
";

/// [`crate::program::WindowSums`].
const WINDOW_SUMS: &str = "/// Sums over a window for two places at once: each input is `a + 65536 b` with a and b of 8 bits. The steps lead from row to row of
/// the inputs, from row to row of the results in those, and from column to column.
pub(super) fn window_sums<'a>(
    words: &[i32],
    [pitch, row_step, column_step]: [usize; 3],
    weights: impl Iterator<Item = &'a [i8]> + Clone,
    [rows, columns]: [usize; 2],
    sums: &mut [i32],
) {
    for (row, sums) in sums.chunks_exact_mut(2 * columns).enumerate().take(rows) {
        for (column, sums) in sums.chunks_exact_mut(2).enumerate() {
            let first = row * row_step * pitch + column * column_step;
            let (mut both, mut high) = (0i32, 0i32);
            for (weights, words) in weights.clone().zip(words[first..].chunks(pitch)) {
                for (w, x) in weights.iter().zip(words) {
                    let product = i32::from(*w).wrapping_mul(*x);
                    both = both.wrapping_add(product);
                    high = high.wrapping_add(product.wrapping_add(0x8000) >> 16);
                }
            }
            sums[0] = both.wrapping_sub(high << 16);
            sums[1] = high;
        }
    }
}
";

impl Printer<'_> {
    /// The call of a micro-kernel of `mod math`.
    pub(super) fn micro_call(&mut self, micro: &Micro) -> String {
        match micro {
            Micro::Rows(r) => self.row_sums(r),
            Micro::Window(w) => self.window_sums(w),
            Micro::Pairs(s) => self.pair_sums(s),
        }
    }

    fn row_sums(&mut self, r: &RowSums) -> String {
        let seen = self.scope.buffer(r.inputs);
        let inputs = slice(&seen, r.first + seen.offset as usize, r.len);
        let more = if self.scope.program.buffer(r.inputs).ty.dtype == DType::I8 { " + 128" } else { "" };
        let weights = format!("{}[{}..]", self.scope.buffer(r.weights).name, self.position(&r.at).0);
        let sums = slice(&self.scope.local(r.sums), 0, r.outputs);
        match r.runs {
            None => {
                let function = self.needed("row_sums", r.bits);
                let inputs = format!("{inputs}.iter().map(|x| i32::from(*x){more})");
                format!("{function}({inputs}, &{weights}, {}, &mut {sums})", r.pitch)
            }
            Some(runs) => {
                let function = self.needed("row_sums_of_runs", r.bits);
                let runs = self.scope.buffer(runs).name;
                let inputs = format!("&{inputs}[..], |x| i32::from(x){more}, &{runs}[..]");
                format!("{function}({inputs}, &{weights}, {}, {}, &mut {sums})", r.pitch, r.adds)
            }
        }
    }

    /// The name of a micro-kernel of `mod math` for weights of `bits`.
    fn needed(&mut self, name: &str, bits: u8) -> String {
        let name = crate::armv6m::of_bits(name, bits);
        self.math.insert(name.clone());
        name
    }

    fn window_sums(&mut self, w: &WindowSums) -> String {
        self.math.insert("window_sums".into());
        let words = self.scope.local(w.words).name;
        let table = self.scope.buffer(w.weights).name;
        let [height, width] = w.window;
        let at = self.position(&w.at).0;
        let weights = format!("{table}[{at}..][..{}].chunks_exact({width})", height * width);
        let sums = slice(&self.scope.local(w.sums), 0, 2 * w.rows * w.columns);
        let steps = format!("[{}, {}, {}]", w.pitch, w.row_step, w.column_step);
        format!("window_sums(&{words}, {steps}, {weights}, [{}, {}], &mut {sums})", w.rows, w.columns)
    }

    fn pair_sums(&mut self, s: &PairSums) -> String {
        let function = self.needed("pair_sums", s.bits);
        let inputs = slice(&self.scope.local(s.inputs), 0, s.taps);
        let table = self.scope.buffer(s.weights);
        let len = PairSums::weight_len(s.outputs, s.taps) * usize::from(s.bits) / 8;
        let weights = match s.at.as_constant() {
            Some(0) if len == table.len => format!("&{}[..]", table.name),
            Some(first) => format!("&{}[{first}..{}]", table.name, first as usize + len),
            None => format!("&{}[{}..][..{len}]", table.name, self.position(&s.at).0),
        };
        let sums = slice(&self.scope.local(s.sums), s.to, 2 * s.outputs);
        format!("{function}(&{inputs}, {weights}, &mut {sums})")
    }
}

/// Elements `first ..` of an array, `len` of them.
fn slice(array: &Array, first: usize, len: usize) -> String {
    if first == 0 && len == array.len {
        return array.name.clone();
    }
    format!("{}[{first}..{}]", array.name, first + len)
}
