//! What the printers do alike: names, tables, what a function takes; `body` and `language` are the frame of both.

mod body;
mod ends;
mod language;

pub(crate) use body::{Array, Scope, statements};
pub(crate) use ends::{End, classes, ends};
pub(crate) use language::{Binds, Language, Text, compared, ordered, product, range_test, sign, sum};

use crate::program::{BufferId, Kernel, Place, Program};
use std::collections::HashSet;
use std::fmt::Write;
use teff_graph::{DType, Element, Num, Value, with_data};

/// Columns of a table's lines.
const WIDTH: usize = 118;

/// The shortest digits that read back as `x`, finite, in the layout of `{:?}`, which takes twice as long: tables of weights are most
/// of what is printed. Where two are as near, the even one.
pub(crate) fn push_f32(out: &mut String, x: f32) {
    // Where both write digits around a point; elsewhere their layouts differ.
    if (1e-4..1e7).contains(&x.abs()) {
        out.push_str(zmij::Buffer::new().format_finite(x));
    } else {
        let _ = write!(out, "{x:?}");
    }
}

/// All elements, as `push` writes them, separated by commas, in lines of at most [`WIDTH`] columns.
pub(crate) fn elements(
    out: &mut String,
    value: &Value,
    indent: &str,
    push: impl Fn(&mut String, DType, Num),
) {
    let dtype = value.dtype();
    let mut line = out.len();
    let mut literal = String::new();
    with_data!(value.data(), v => for (i, x) in v.iter().enumerate() {
        literal.clear();
        push(&mut literal, dtype, x.to_num());
        if i == 0 {
            out.push_str(indent);
        } else if out.len() - line + literal.len() + 2 > WIDTH {
            out.push_str(",\n");
            line = out.len();
            out.push_str(indent);
        } else {
            out.push_str(", ");
        }
        out.push_str(&literal);
    });
    out.push('\n');
}

/// A buffer that a kernel's function takes as a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument {
    pub(crate) buffer: BufferId,
    pub(crate) written: bool,
}

/// What a kernel's function takes: what it reads, then what it writes, constants left out.
pub(crate) fn arguments(program: &Program, kernel: &Kernel) -> Vec<Argument> {
    let (reads, writes) = kernel.accesses();
    let is_given = |id: &&BufferId| !matches!(program.buffer(**id).place, Place::Constant(_));
    let only_read = reads.iter().filter(is_given).filter(|r| !writes.contains(r));
    let read = only_read.map(|&buffer| Argument { buffer, written: false });
    read.chain(writes.iter().map(|&buffer| Argument { buffer, written: true })).collect()
}

/// The bytes of the arena that a buffer takes; `None` when it lies elsewhere or is empty.
pub(crate) fn arena_range(program: &Program, id: BufferId) -> Option<std::ops::Range<usize>> {
    match program.buffer(id).place {
        Place::Arena(offset) => {
            Some(offset..offset + program.buffer(id).ty.bytes()).filter(|r| !r.is_empty())
        }
        Place::Input(_) | Place::Output(_) | Place::Constant(_) => None,
    }
}

/// `wish`, or with a number behind it where that is not free.
pub(crate) fn free(wish: &str, between: &str, is_free: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|i| format!("{wish}{between}{i}"));
    let mut names = std::iter::once(wish.to_string()).chain(numbered);
    names.find(|n| is_free(n)).expect("numbers do not end")
}

/// `hint`, or with a number behind it when a name around it is the same.
pub(crate) fn fresh(hint: &str, taken: &mut HashSet<String>) -> String {
    let name = free(hint, "", |n| !taken.contains(n));
    taken.insert(name.clone());
    name
}

/// The section of functions, or of tables, that lie in RAM. They have sections of their own: compilers do not mix them in one.
pub(crate) fn section(program: &Program, kind: &str) -> String {
    format!(".data.{}_{}", program.name, if kind == "CODE" { "code" } else { "tables" })
}

/// The text with a mark before each line that begins so, which is told what the line is indented by.
pub(crate) fn marked(text: &str, begins: &[&str], mark: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        if begins.iter().any(|begin| rest.starts_with(begin)) {
            out += &mark(indent);
        }
        out += line;
    }
    out
}

pub(crate) fn indent(out: &mut String, depth: usize) {
    (0..depth).for_each(|_| out.push_str("    "));
}

/// Text and how tightly its outermost operator binds, in parentheses when that is less than `least`.
pub(crate) fn at_least((text, binds): Text, least: Binds) -> String {
    if binds < least { format!("({text})") } else { text }
}

/// `conv1: conv, add, max, gives f32[1,8,13,13]`: what a kernel computes, for comments, on one line.
pub(crate) fn about(kernel: &Kernel) -> String {
    let ops = if kernel.ops.is_empty() { "copy".into() } else { kernel.ops.join(", ") };
    let label = kernel.label.as_deref().map(|l| format!("{}: ", one_line(l)));
    let macs =
        if kernel.macs > 0 { format!(", {} multiply-accumulates", kernel.macs) } else { String::new() };
    format!("{}{ops}, gives {}{macs}", label.unwrap_or_default(), kernel.result)
}

/// A name of the model as it can stand in a comment of one line.
pub(crate) fn one_line(name: &str) -> String {
    name.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::push_f32;

    /// Every 997th float of both signs, powers of ten and their neighbours, whole numbers.
    #[test]
    fn floats_are_written_in_no_more_digits_than_it_takes() {
        let tens = (-45..39).map(|e| 10f64.powi(e) as f32).flat_map(|x| [x.next_down(), x, x.next_up()]);
        let whole = (0..4096).map(|i| i as f32);
        let all = (0..=u32::MAX).step_by(997).map(f32::from_bits);
        for x in tens.chain(whole).chain(all).filter(|x| x.is_finite()) {
            let mut got = String::new();
            push_f32(&mut got, x);
            assert_eq!(got.parse::<f32>().unwrap().to_bits(), x.to_bits(), "{got}");
            let debug = format!("{x:?}");
            assert_eq!(
                (got.len(), got.find(['.', 'e'])),
                (debug.len(), debug.find(['.', 'e'])),
                "{got}, {debug}"
            );
        }
    }
}
