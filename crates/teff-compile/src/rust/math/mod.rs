//! Functions of floats that `core` does not have.
//!
//! The files beside this one are both source and text: the tests compile them, and what a network needs of them is printed into its
//! file, each function with those it calls. A function has a line of documentation, no empty line, and an empty line behind it.
//! Functions of 32-bit floats that activations are made of compute in 32 bits; the others are those of 64 bits, rounded.

#[cfg(test)]
mod basic {
    pub(super) use super::narrow::{
        abs_Float as abs_f32, ceil_Float as ceil_f32, copysign_Float as copysign_f32,
        expm1_Float as expm1_f32, floor_Float as floor_f32, max_Float as max_f32, min_Float as min_f32,
        round_Float as round_f32, sigmoid_Float as sigmoid_f32, sign_Float as sign_f32,
        sqrt_Float as sqrt_f32,
    };
    pub(super) use super::wide::{
        abs_Float as abs_f64, ceil_Float as ceil_f64, copysign_Float as copysign_f64,
        expm1_Float as expm1_f64, floor_Float as floor_f64, max_Float as max_f64, min_Float as min_f64,
        round_Float as round_f64, sigmoid_Float as sigmoid_f64, sign_Float as sign_f64,
        sqrt_Float as sqrt_f64, times_power_Float as times_power_f64,
    };
}
#[cfg(test)]
mod exponential;
#[cfg(test)]
mod power;
#[cfg(test)]
mod quantize;
#[cfg(test)]
#[path = "../../../tests/common/quantize_linear.rs"]
mod quantize_linear;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trigonometric;
#[cfg(test)]
#[allow(non_snake_case)]
mod narrow {
    use super::exponential::{
        exp_f32 as exp_Float, less_log2s_f32 as less_log2s_Float, small_expm1_f32 as small_expm1_Float,
    };
    type Float = f32;
    type Word = u32;
    type Whole = i32;
    include!("basic.rs");
}
#[cfg(test)]
#[allow(non_snake_case)]
mod wide {
    use super::exponential::{
        exp_f64 as exp_Float, less_log2s_f64 as less_log2s_Float, small_expm1_f64 as small_expm1_Float,
    };
    type Float = f64;
    type Word = u64;
    type Whole = i64;
    include!("basic.rs");
}

use std::collections::BTreeSet;

/// Functions of either float.
const OF_BOTH: &str = include_str!("basic.rs");
const OF_ONE: [&str; 4] = [
    include_str!("exponential.rs"),
    include_str!("trigonometric.rs"),
    include_str!("power.rs"),
    include_str!("quantize.rs"),
];

/// A function and its text.
#[derive(Clone)]
struct Function {
    name: String,
    text: String,
}

impl Function {
    fn new(text: String) -> Function {
        let name = text.split_once(" fn ").and_then(|(_, rest)| rest.split_once('('));
        Function { name: name.expect("what is documented is a function").0.into(), text }
    }

    /// Of 32-bit floats, by this function of 64 bits.
    fn rounded(&self) -> Function {
        let (head, _) = self.text.split_once('{').expect("a function has a body");
        let operands = if head.contains("y: f64") { "x as f64, y as f64" } else { "x as f64" };
        let head = head.replace("f64", "f32");
        Function::new(format!("{head}{{\n    {}({operands}) as f32\n}}\n", self.name))
    }

    /// Whether this one has a call of `other`, and not of a function whose name ends so.
    fn calls(&self, other: &str) -> bool {
        self.text.match_indices(other).any(|(at, _)| {
            let before = self.text[..at].chars().next_back();
            self.text[at + other.len()..].starts_with('(')
                && before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_')
        })
    }
}

/// All functions that have a text, in the order of the files.
fn functions() -> Vec<Function> {
    let texts = |file: &'static str| file.split("\n\n").filter(|text| text.starts_with("/// "));
    let of = |text: &str, [float, word, whole]: [&str; 3]| {
        text.replace("Float", float).replace("Word", word).replace("Whole", whole)
    };
    let both = texts(OF_BOTH)
        .flat_map(|text| [["f32", "u32", "i32"], ["f64", "u64", "i64"]].map(|types| of(text, types)));
    let one = OF_ONE.into_iter().flat_map(texts).map(String::from);
    both.chain(one).map(|text| Function::new(text.trim_end().to_string() + "\n")).collect()
}

/// The text of the functions called `needed` and of all that they call.
pub(super) fn definitions(needed: &BTreeSet<String>) -> Vec<String> {
    let mut all = functions();
    for name in needed.iter().filter(|name| name.ends_with("_f32")) {
        if all.iter().all(|f| f.name != *name)
            && let Some(wide) = all.iter().find(|f| f.name == name.replace("_f32", "_f64"))
        {
            all.push(wide.rounded());
        }
    }
    let mut wanted: Vec<bool> = all.iter().map(|f| needed.contains(&f.name)).collect();
    while let Some(next) = (0..all.len())
        .find(|&i| !wanted[i] && (0..all.len()).any(|j| wanted[j] && all[j].calls(&all[i].name)))
    {
        wanted[next] = true;
    }
    all.into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(f, _)| f.text).collect()
}
