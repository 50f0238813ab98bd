//! The micro-kernels in Rust around assembly for ARMv6-M, with plain Rust beside it for other processors.
//!
//! Each is a safe function of `mod math` with the parameters of the plain one. What makes it safe is what the validator has checked of
//! every statement that calls it: lengths, alignment, and how large numbers are.

use super::Options;
use super::expr::Printer;
use super::micro::{for_bits, kernel, portable};
use crate::armv6m::{self, Parameter, Routine};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What is true of ARMv6-M alone among bare machines: it has Thumb, and no atomic exchange.
const ARMV6M: &str = "all(target_arch = \"arm\", target_os = \"none\", not(target_has_atomic = \"32\"))";

/// The text of the micro-kernel called `name`, in both forms.
pub(super) fn with_portable(name: &str) -> Option<String> {
    let (kernel, bits) = kernel(name)?;
    let around = match (kernel, bits) {
        ("pair_sums", 8) => PAIR_SUMS,
        ("pair_sums", _) => PACKED_PAIR_SUMS,
        ("row_sums", _) => ROW_SUMS,
        ("row_sums_of_runs", _) => ROW_SUMS_OF_RUNS,
        _ => return Some(window_sums()),
    };
    let (note, other) = split_note(&portable(name)?);
    Some(format!("{note}#[cfg({ARMV6M})]\n{}\n{note}#[cfg(not({ARMV6M}))]\n{other}", of(around, bits)))
}

/// Windows of other sizes than the assembly's go the plain way on every machine.
fn window_sums() -> String {
    let plain =
        portable("window_sums").expect("a micro-kernel").replace("fn window_sums<", "fn any_window_sums<");
    let (note, other) = split_note(&plain);
    format!("{note}#[inline]\n{}\n{note}{other}", WINDOW_SUMS.replace("ARMV6M", ARMV6M))
}

/// The lines of documentation that a function begins with, and the rest.
pub(super) fn split_note(function: &str) -> (String, String) {
    let end = function.find("pub(super)").expect("a function");
    (function[..end].into(), function[end..].into())
}

fn of(text: &str, bits: u8) -> String {
    // What eight weights of 2 bits take; columns of fewer than 8 bits come by eights.
    let (align, rest) = (if bits == 2 { "2" } else { "4" }, if bits == 8 { REST } else { "" });
    let of_row = if bits == 8 { "pitch" } else { "(pitch / EACH)" };
    for_bits(&text.replace("REST", rest).replace("ALIGN", align).replace("ROW_BYTES", of_row), bits)
}

/// The columns behind the last eight.
const REST: &str = "    for (j, sum) in sums.iter_mut().enumerate().skip(8 * tiles) {
        for entry in list.iter().take_while(|entry| **entry != 0) {
            let Some(weight) = weights.get((entry >> 8) as usize + j) else { break };
            *sum = sum.wrapping_add((entry & 255) as i32 * i32::from(*weight));
        }
    }
";

/// `mod armv6m`, with the routines that the kernels call; `None` when there are none.
pub(super) fn module(printer: &Printer, options: &Options) -> Option<String> {
    if options.portable {
        return None;
    }
    let mut routines = Vec::new();
    let mut lists = BTreeSet::new();
    for (kernel, bits) in printer.math.iter().filter_map(|name| kernel(name)) {
        match kernel {
            "pair_sums" => routines.extend(armv6m::pair_sums(bits)),
            "row_sums" | "row_sums_of_runs" => {
                routines.push(armv6m::row_sums(bits));
                lists.insert(of(LIST_SUMS, bits).replace("ARMV6M", ARMV6M) + "\n");
            }
            _ => routines.push(armv6m::window_sums()),
        }
    }
    if routines.is_empty() {
        return None;
    }
    // Two kernels may share one.
    routines.sort_by(|a, b| a.name.cmp(&b.name));
    routines.dedup_by(|a, b| a.name == b.name);
    let functions: Vec<String> = routines.iter().map(function).collect();
    let lists: String = lists.into_iter().collect();
    Some(format!(
        "{lists}/// Inner loops in assembly. Each reads and writes what its caller says and nothing else, and keeps the registers that the procedure
/// call standard asks for.
#[cfg({ARMV6M})]
mod armv6m {{
    use core::arch::naked_asm;

{}}}
",
        functions.join("\n")
    ))
}

fn function(routine: &Routine) -> String {
    let parameter = |(name, kind): &(&str, Parameter)| match kind {
        Parameter::From(d) => format!("{name}: *const {d}"),
        Parameter::To(d) => format!("{name}: *mut {d}"),
        Parameter::Count => format!("{name}: usize"),
    };
    let parameters: Vec<String> = routine.parameters.iter().map(parameter).collect();
    let mut out = format!(
        "    #[unsafe(naked)]\n    pub(super) unsafe extern \"C\" fn {}({}) {{\n        naked_asm!(\n",
        routine.name,
        parameters.join(", ")
    );
    for line in routine.text.lines() {
        let _ = writeln!(out, "            \"{}\",", line.trim());
    }
    out + "            options(raw)\n        )\n    }\n"
}

/// [`crate::program::PairSums`].
const PAIR_SUMS: &str = "pub(super) fn pair_sums(inputs: &[i32], weights: &[i8], sums: &mut [i32]) {
    let (taps, outputs) = (inputs.len(), sums.len() / 2);
    debug_assert!(taps % 2 == 0 && weights.len() >= outputs * taps && weights.as_ptr() as usize % 4 == 0);
    // SAFETY: there are taps inputs, two sums for each row, and taps weights for each in whole words, which are aligned.
    unsafe {
        if outputs > 1 {
            let (from, to) = (weights.as_ptr(), sums.as_mut_ptr());
            armv6m::pair_sums_rows(inputs.as_ptr(), from, to, taps / 2, outputs / 2);
        }
        if outputs % 2 == 1 {
            let (from, to) = (weights.as_ptr().add((outputs - 1) * taps), sums.as_mut_ptr().add(2 * (outputs - 1)));
            armv6m::pair_sums_row(inputs.as_ptr(), from, to, taps / 2);
        }
    }
}
";

/// [`crate::program::PairSums`] with several weights to a byte.
const PACKED_PAIR_SUMS: &str = "pub(super) fn pair_sums_SUFFIX(inputs: &[i32], weights: &[u8], sums: &mut [i32]) {
    let (taps, outputs) = (inputs.len(), sums.len() / 2);
    debug_assert!(outputs % 2 == 0 && weights.len() >= outputs * taps / EACH && weights.as_ptr() as usize % 4 == 0);
    // SAFETY: there are taps inputs, two sums for each row, and rows two by two of taps weights each in whole words, which are aligned.
    unsafe { armv6m::pair_sums_SUFFIX_rows(inputs.as_ptr(), weights.as_ptr(), sums.as_mut_ptr(), taps, outputs / 2) }
}
";

/// [`crate::program::RowSums`]. What is listed at once takes 388 bytes of stack.
const ROW_SUMS: &str = "pub(super) fn row_sums_SUFFIX(
    mut inputs: impl Iterator<Item = i32>,
    weights: &[KIND],
    pitch: usize,
    sums: &mut [i32],
) {
    const LISTED: usize = 96;
    sums.fill(0);
    // Inputs that are not 0, and 256 times the place of their weights.
    let mut list = [0u32; LISTED + 1];
    let mut at = 0;
    let mut more = true;
    while more {
        let mut listed = 0;
        while listed < LISTED {
            let Some(x) = inputs.next() else {
                more = false;
                break;
            };
            if x != 0 {
                list[listed] = at | x as u32;
                listed += 1;
            }
            at += (ROW_BYTES as u32) << 8;
        }
        list[listed] = 0;
        list_sums_SUFFIX(&list, weights, sums);
    }
}
";

/// What both forms do with the inputs they have listed.
const LIST_SUMS: &str = "/// Adds the products of the inputs in a list, each behind 256 times the place of its weights, to the sums; 0 ends the list.
#[cfg(ARMV6M)]
fn list_sums_SUFFIX(list: &[u32], weights: &[KIND], sums: &mut [i32]) {
    let tiles = sums.len() / 8;
    debug_assert!(list.contains(&0) && weights.as_ptr() as usize % ALIGN == 0);
    if tiles > 0 {
        // SAFETY: 0 ends the list; for each input in it there are as many weights as sums, which begin where words do.
        unsafe { armv6m::row_sums_SUFFIX_columns(list.as_ptr(), weights.as_ptr(), sums.as_mut_ptr(), tiles) }
    }
REST}
";

/// [`crate::program::RowSums`] with runs.
const ROW_SUMS_OF_RUNS: &str = "pub(super) fn row_sums_of_runs_SUFFIX<T: Copy>(
    inputs: &[T],
    value: impl Fn(T) -> i32,
    runs: &[u16],
    weights: &[KIND],
    pitch: usize,
    adds: bool,
    sums: &mut [i32],
) {
    const LISTED: usize = 96;
    if !adds {
        sums.fill(0);
    }
    let mut list = [0u32; LISTED + 1];
    let (mut rest, mut listed, mut at) = (inputs, 0, 0);
    for run in runs.chunks_exact(2) {
        let (over, meant) = (usize::from(run[0]), usize::from(run[1]));
        for x in rest.iter().skip(over).take(meant) {
            let x = value(*x);
            if x != 0 {
                if listed == LISTED {
                    list_sums_SUFFIX(&list, weights, sums);
                    listed = 0;
                }
                if let Some([entry, end]) = list.get_mut(listed..listed + 2) {
                    (*entry, *end) = (at | x as u32, 0);
                }
                listed += 1;
            }
            at += (ROW_BYTES as u32) << 8;
        }
        rest = rest.get(over + meant..).unwrap_or_default();
    }
    list_sums_SUFFIX(&list, weights, sums);
}
";

/// [`crate::program::WindowSums`]. The assembly is for windows of 3 by 3; its frame is that of the routine.
const WINDOW_SUMS: &str = "pub(super) fn window_sums<'a>(
    words: &[i32],
    steps: [usize; 3],
    weights: impl Iterator<Item = &'a [i8]> + Clone,
    [rows, columns]: [usize; 2],
    sums: &mut [i32],
) {
    #[cfg(ARMV6M)]
    if weights.clone().count() == 3 && weights.clone().all(|row| row.len() == 3) {
        let [pitch, row_step, column_step] = steps.map(|n| n as i32);
        let mut frame = [0; 15];
        for (to, weight) in frame.iter_mut().zip(weights.flatten()) {
            *to = i32::from(*weight);
        }
        let rest = [4 * pitch, 4 * column_step - 12, columns as i32, rows as i32, 4 * row_step * pitch, 5 * 0x8000];
        frame[9..].copy_from_slice(&rest);
        debug_assert!(sums.len() >= 2 * rows * columns);
        // SAFETY: the words are those of all windows, and there are two sums for each.
        return unsafe { armv6m::window_sums_3x3(words.as_ptr(), sums.as_mut_ptr(), frame.as_ptr()) };
    }
    any_window_sums(words, steps, weights, [rows, columns], sums)
}
";
