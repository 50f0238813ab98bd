//! Complex numbers, as spectra have them: a tensor of real parts, where others are, and one of imaginary parts beside it.
//!
//! Operators take them only that say so here, and those that move elements, which are lowered once for either part.

use super::held::Held;
use super::operators::{Lower, Table};
use super::reader::{Reader, layer_name, operator_at};
use crate::Result;
use crate::schema::tensor_type;
use teff_graph::Tensor;
use teff_reader::{Fault, Lowered, ensure, invalid, label, sizes};

pub(super) const TABLE: Table = &[
    ("COMPLEX_ABS", Lower::Walk(|reader, i| of_complex(reader, i, magnitude))),
    ("IMAG", Lower::Walk(|reader, i| of_complex(reader, i, |_, imaginary| imaginary.clone()))),
    ("REAL", Lower::Walk(|reader, i| of_complex(reader, i, |real, _| real.clone()))),
    ("RFFT2D", Lower::Walk(rfft_2d)),
];

/// Operators that move the elements of their first input, whatever they are.
const MOVES: [&str; 6] = ["EXPAND_DIMS", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"];

/// No axis is transformed that is longer than this.
const LONGEST: i64 = 1 << 13;

impl Reader<'_, '_> {
    /// Lowers operator `i` if it moves complex numbers; else does nothing.
    pub(super) fn moved_complex(&mut self, i: usize) -> Result<bool> {
        let info = &self.file.operators[i];
        let moves = info.name.is_some_and(|name| MOVES.contains(&name));
        let (from, to) = (self.file.position(info.inputs.get(0)), self.file.position(info.outputs.get(0)));
        let (Some(from), Some(to)) = (from, to) else { return Ok(false) };
        let Some(imaginary) = self.imaginary.get(&from).cloned().filter(|_| moves) else { return Ok(false) };
        if self.file.tensors[to].number != tensor_type::COMPLEX64 {
            let reason = "it moves complex numbers to what is none".into();
            return Err(Fault::Invalid(reason).at(&operator_at(self.file, i)));
        }
        let real = self.real_part(from);
        self.imaginary.remove(&from);
        self.moving_complex = true;
        let part = |reader: &mut Self, of: &Tensor| {
            reader.set(from, Held::plain(of.clone()));
            reader.real_operator(i).map(|()| reader.real_part(to))
        };
        let parts = part(self, &real).and_then(|re| part(self, &imaginary).map(|im| (re, im)));
        self.moving_complex = false;
        self.set_complex(from, real, imaginary);
        let (real, imaginary) = parts?;
        self.set_complex(to, real, imaginary);
        Ok(true)
    }

    fn set_complex(&mut self, index: usize, real: Tensor, imaginary: Tensor) {
        self.set(index, Held::plain(real));
        self.imaginary.insert(index, imaginary);
    }
}

/// A function of both parts, whose result is real.
fn of_complex(reader: &mut Reader, i: usize, f: fn(&Tensor, &Tensor) -> Tensor) -> Lowered<()> {
    let first_new = Tensor::scalar(false).id();
    let info = reader.file.operators[i];
    let (from, to) =
        (reader.file.entry(info.inputs, 0, "input")?, reader.file.entry(info.outputs, 0, "output")?);
    let Some(imaginary) = reader.imaginary.get(&from).cloned() else {
        return invalid!("its input is not complex");
    };
    let y = f(&reader.real_part(from), &imaginary).ok()?;
    ensure!(
        reader.file.tensors[to].dtype() == Some(y.dtype()),
        "it gives {}, but its output is {}",
        y.dtype(),
        reader.file.tensors[to].element_name()
    );
    label(&y, first_new, &layer_name(&operator_at(reader.file, i)));
    reader.set(to, Held::plain(y));
    Ok(())
}

fn magnitude(real: &Tensor, imaginary: &Tensor) -> Tensor {
    (real.square() + imaginary.square()).sqrt()
}

/// The last two axes cut or filled with zeros to the lengths that are asked for, the last transformed as real numbers, then the other.
fn rfft_2d(reader: &mut Reader, i: usize) -> Lowered<()> {
    let first_new = Tensor::scalar(false).id();
    let (x, lengths) = (reader.given_input(i, 0)?, reader.given_input(i, 1)?);
    let to = reader.file.entry(reader.file.operators[i].outputs, 0, "output")?;
    let Some(lengths) = reader.reading.value(&lengths).map(|v| v.to_i64()) else {
        return invalid!("the lengths of its transform are not constant");
    };
    ensure!(
        lengths.len() == 2 && lengths.iter().all(|n| (1..=LONGEST).contains(n)) && x.rank() >= 2,
        "transforms of {lengths:?} along the last axes of {x}"
    );
    ensure!(
        x.dtype().is_float() && reader.file.tensors[to].number == tensor_type::COMPLEX64,
        "its input is {}, its output {}",
        x.dtype(),
        reader.file.tensors[to].element_name()
    );
    let lengths = sizes(&lengths, "length")?;
    // A matrix of each length is the most that is made.
    reader.reading.spend(lengths.iter().map(|n| n * n).sum())?;
    let x = x.fitted(x.rank() - 1, lengths[1]).fitted(x.rank() - 2, lengths[0]);
    let (mut real, mut imaginary) = x.real_dft();
    if lengths[0] > 1 {
        let turned = imaginary.swap_axes(-1, -2);
        (real, imaginary) = real.swap_axes(-1, -2).dft(Some(&turned), false);
        (real, imaginary) = (real.swap_axes(-1, -2), imaginary.swap_axes(-1, -2));
    }
    let name = layer_name(&operator_at(reader.file, i));
    for part in [&real, &imaginary] {
        part.check()?;
        label(part, first_new, &name);
    }
    reader.set_complex(to, real, imaginary);
    Ok(())
}
