//! Functions of floats that `core` does not have.
//!
//! The files beside this one are both source and text: the tests compile them, and what a network needs of them is printed into its
//! file, each function with those it calls. Functions of 32-bit floats that activations are made of compute in 32 bits; the others
//! are those of 64 bits, rounded.

#[cfg(test)]
mod basic;
#[cfg(test)]
mod exponential;
#[cfg(test)]
mod power;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trigonometric;

use std::collections::BTreeSet;

const FILES: [&str; 4] = [
    include_str!("basic.rs"),
    include_str!("exponential.rs"),
    include_str!("trigonometric.rs"),
    include_str!("power.rs"),
];

/// A function and its text.
struct Function {
    name: &'static str,
    text: &'static str,
}

/// All functions of the files, in their order.
fn functions() -> Vec<Function> {
    let mut all = Vec::new();
    for file in FILES {
        let mut rest = file;
        while let Some(start) = rest.find("\n/// ") {
            let end = rest[start..].find("\n}\n").expect("a function ends") + start + 3;
            let text = &rest[start + 1..end];
            let (_, named) = text.split_once("pub(super) fn ").expect("what is documented is a function");
            let (name, _) = named.split_once('(').expect("a function has parameters");
            all.push(Function { name, text });
            rest = &rest[end - 1..];
        }
    }
    all
}

/// The text of the functions called `needed` and of all that they call.
pub(super) fn definitions(needed: &BTreeSet<String>) -> Vec<&'static str> {
    let all = functions();
    let mut wanted: Vec<bool> = all.iter().map(|f| needed.contains(f.name)).collect();
    while let Some(next) = all.iter().enumerate().position(|(i, f)| {
        !wanted[i] && all.iter().enumerate().any(|(j, g)| wanted[j] && i != j && calls(g.text, f.name))
    }) {
        wanted[next] = true;
    }
    all.iter().zip(wanted).filter(|(_, w)| *w).map(|(f, _)| f.text).collect()
}

/// True when `text` has a call of `name`, and not of a function whose name ends so.
fn calls(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        text[at + name.len()..].starts_with('(')
            && before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_')
    })
}
