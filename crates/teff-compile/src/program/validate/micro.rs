//! What micro-kernels ask for.

use super::super::bounds::Facts;
use super::super::{Buffer, Index, PairSums, Place, RowSums, WindowSums};
use super::{Check, Checker};
use teff_graph::DType;

impl Checker<'_> {
    /// What [`PairSums`] asks for, but for what its inputs hold.
    pub(super) fn pair_sums(&self, p: &PairSums, facts: &Facts) -> Check {
        let last = |n: usize| Index::from(n as i64 - 1);
        let whole = p.bits == 8 || p.outputs.is_multiple_of(2);
        if p.taps == 0 || !p.taps.is_multiple_of(PairSums::tap_step(p.bits)) || p.outputs == 0 || !whole {
            return Err(format!("sums of {} products for {} outputs", p.taps, p.outputs));
        }
        self.local(p.inputs.0, DType::I32, &last(p.taps), facts)?;
        self.local(p.sums.0, DType::I32, &last(p.to + 2 * p.outputs), facts)?;
        let b = self.buffer(p.weights, Self::holds(p.bits)?)?;
        self.words(b, &p.at)?;
        self.symmetric(b, &p.at, PairSums::weight_len(p.outputs, p.taps) * usize::from(p.bits) / 8, facts)
    }

    /// What [`WindowSums`] asks for, but for what its words hold.
    pub(super) fn window_sums(&self, w: &WindowSums, facts: &Facts) -> Check {
        let last = |n: usize| Index::from(n as i64 - 1);
        let [height, width] = w.window;
        if w.rows * w.columns * height * width == 0 {
            return Err("a window without elements or places".into());
        }
        self.local(w.words.0, DType::I32, &last(w.words_len()), facts)?;
        self.local(w.sums.0, DType::I32, &last(2 * w.rows * w.columns), facts)?;
        self.symmetric(self.buffer(w.weights, DType::I8)?, &w.at, height * width, facts)
    }

    /// What [`RowSums`] asks for.
    pub(super) fn row_sums(&self, r: &RowSums, facts: &Facts) -> Check {
        let last = |n: usize| Index::from(n as i64 - 1);
        let inputs =
            self.program.buffers.get(r.inputs.index()).ok_or("a buffer that the program does not have")?;
        let narrow = matches!(inputs.ty.dtype, DType::I8 | DType::U8);
        if r.len == 0
            || r.outputs == 0
            || !r.outputs.is_multiple_of(4)
            || !r.pitch.is_multiple_of(4)
            || !narrow
        {
            return Err(format!("{} columns of {} products with {}", r.outputs, r.len, inputs.ty.dtype));
        }
        self.inside(&last(r.first + r.len), inputs.len(), &inputs.name, facts)?;
        self.local(r.sums.0, DType::I32, &last(r.outputs), facts)?;
        let b = self.buffer(r.weights, Self::holds(r.bits)?)?;
        if r.bits != 2 {
            self.words(b, &r.at)?;
        }
        if !matches!(b.place, Place::Constant(_)) || (r.len * r.pitch) >> 24 != 0 {
            return Err(format!("{} is no constant of less than 2^24 elements", b.name));
        }
        self.rows(r)?;
        self.inside(&r.at, b.len(), &b.name, facts)?;
        let weights = (r.rows - 1) * r.pitch + r.outputs;
        let end = r.at.offset((weights * usize::from(r.bits) / 8) as i64 - 1);
        self.inside(&end, b.len(), &b.name, facts)
    }

    /// That runs say which inputs are meant, and how many.
    fn rows(&self, r: &RowSums) -> Check {
        let Some(runs) = r.runs else {
            let all = r.rows == r.len && !r.adds;
            return if all {
                Ok(())
            } else {
                Err("all inputs are meant, and their sums are not added".into())
            };
        };
        let b = self.buffer(runs, DType::U16)?;
        let Place::Constant(lengths) = &b.place else { return Err(format!("{} is no constant", b.name)) };
        let lengths: Vec<usize> = (0..b.len()).map(|i| lengths.get(i).as_int() as usize).collect();
        let inside = b.len().is_multiple_of(2) && lengths.iter().sum::<usize>() <= r.len;
        if r.rows > 0 && inside && RowSums::positions(lengths).len() == r.rows {
            return Ok(());
        }
        Err(format!("{} does not mean {} of {} inputs", b.name, r.rows, r.len))
    }

    /// The element type of a buffer of weights of `bits`.
    fn holds(bits: u8) -> Check<DType> {
        match bits {
            8 => Ok(DType::I8),
            4 | 2 => Ok(DType::U8),
            _ => Err(format!("weights of {bits} bits")),
        }
    }

    /// That what is read from `at` on can be read by words.
    fn words(&self, b: &Buffer, at: &Index) -> Check {
        let words = at.terms().iter().all(|(_, c)| c % 4 == 0) && at.constant() % 4 == 0;
        if words && b.align.is_multiple_of(4) {
            return Ok(());
        }
        Err(format!("{} is read by words that lie across words", b.name))
    }

    /// That `len` elements from `at` on are constants between -127 and 127.
    fn symmetric(&self, b: &Buffer, at: &Index, len: usize, facts: &Facts) -> Check {
        let Place::Constant(weights) = &b.place else { return Err(format!("{} is no constant", b.name)) };
        if (0..b.len()).any(|i| weights.get(i).as_int() < -127) {
            return Err(format!("a weight of {} is -128: two products do not fit beside each other", b.name));
        }
        self.inside(at, b.len(), &b.name, facts)?;
        self.inside(&at.offset(len as i64 - 1), b.len(), &b.name, facts)
    }
}
