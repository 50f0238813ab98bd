//! In how many bits weights are kept.

use crate::error::{Error, Result};
use crate::quantize::weight_range;

/// The integers that stand for weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// -127 to 127 in a byte.
    Int8,
    /// -8 to 7, two to a byte.
    Int4,
    /// -2 to 1, four to a byte.
    Int2,
    /// -1, 0 and 1, four to a byte.
    Ternary,
}

impl Bits {
    /// All of them, widest first.
    pub const ALL: [Bits; 4] = [Bits::Int8, Bits::Int4, Bits::Int2, Bits::Ternary];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Bits::Int8 => "int8",
            Bits::Int4 => "int4",
            Bits::Int2 => "int2",
            Bits::Ternary => "ternary",
        }
    }

    /// The inverse of [`Bits::name`]; `8`, `4` and `2` do as well.
    pub fn from_name(name: &str) -> Option<Bits> {
        Bits::ALL.into_iter().find(|b| b.name() == name || b.name().strip_prefix("int") == Some(name))
    }

    /// Smallest and largest integer.
    pub fn range(self) -> (i32, i32) {
        match self {
            Bits::Int8 | Bits::Int4 | Bits::Int2 => weight_range(self.width()),
            Bits::Ternary => (-1, 1),
        }
    }

    /// Bits a weight takes.
    pub fn width(self) -> u8 {
        match self {
            Bits::Int8 => 8,
            Bits::Int4 => 4,
            Bits::Int2 | Bits::Ternary => 2,
        }
    }
}

/// Which layer's weights are kept in how many bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Widths {
    /// Of all layers that are not named.
    pub default: Bits,
    /// Of single layers, by name; `first` and `last` are the first and the last layer. Later ones win.
    pub layers: Vec<(String, Bits)>,
}

impl Widths {
    /// The same for all layers.
    pub fn all(default: Bits) -> Widths {
        Widths { default, layers: Vec::new() }
    }

    /// For each of the layers called `names`, in order.
    ///
    /// # Errors
    /// A name that no layer has.
    pub fn resolve(&self, names: &[&str]) -> Result<Vec<Bits>> {
        let mut out = vec![self.default; names.len()];
        for (name, bits) in &self.layers {
            let at = match name.as_str() {
                "first" => Some(0),
                "last" => names.len().checked_sub(1),
                name => names.iter().position(|n| *n == name),
            };
            match at.and_then(|i| out.get_mut(i)) {
                Some(slot) => *slot = *bits,
                None => {
                    return Err(Error::Setting(format!(
                        "no layer is called {name:?}; the layers are {} (or first, last)",
                        names.join(", ")
                    )));
                }
            }
        }
        Ok(out)
    }
}
