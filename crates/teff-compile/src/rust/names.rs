//! Names as Rust writes them: functions and variables in lower case, statics in upper.

use crate::printing::free;
use crate::program::{Place, Program};
use std::collections::HashSet;

/// Words that Rust keeps for itself (reference, "Keywords"), those of future editions too.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if \
    impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe \
    unsized use virtual where while yield";

/// True for names that Rust cannot give to a function.
pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.split_whitespace().any(|k| k == name)
}

/// What is called what in the generated file.
pub(super) struct Names {
    /// Of each buffer: of constants in upper case.
    pub(super) buffers: Vec<String>,
    /// Of each kernel's function.
    pub(super) kernels: Vec<String>,
}

impl Names {
    pub(super) fn new(program: &Program) -> Names {
        let mut statics = HashSet::new();
        // What the network's function calls its own variables.
        let mut variables = HashSet::from(["arena".to_string(), "rest".to_string()]);
        let mut functions = HashSet::new();
        // Inputs and outputs come first: they keep their names.
        let mut buffers = vec![String::new(); program.buffers.len()];
        for (kind, i, p) in program.ports() {
            let alone = if kind == "input" { &program.inputs } else { &program.outputs }.len() == 1;
            let number = if alone { String::new() } else { i.to_string() };
            buffers[p.buffer.index()] = unique(&format!("{kind}{number}"), &mut variables);
        }
        for (name, b) in buffers.iter_mut().zip(&program.buffers) {
            match b.place {
                Place::Constant(_) => *name = unique(&b.name.to_ascii_uppercase(), &mut statics),
                Place::Arena(_) => *name = unique(&b.name.to_ascii_lowercase(), &mut variables),
                Place::Input(_) | Place::Output(_) => {}
            }
        }
        let kernels = program.kernels.iter().map(|k| k.name.to_ascii_lowercase());
        Names { buffers, kernels: kernels.map(|k| unique(&k, &mut functions)).collect() }
    }
}

/// `wish`, or with a number behind it when that is taken or a word of Rust.
fn unique(wish: &str, taken: &mut HashSet<String>) -> String {
    let name = free(wish, "_", |n| !taken.contains(n) && !is_keyword(n));
    taken.insert(name.clone());
    name
}
