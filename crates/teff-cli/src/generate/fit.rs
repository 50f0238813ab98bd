//! Whether a network fits a board, and what would when it does not.

use super::short;
use crate::failure::{Failure, Result};
use crate::ui::{grouped, table};
use std::cmp::Reverse;
use teff::DType;
use teff::compile::program::{Place, Program};
use teff::compile::{Board, Budget};

/// What there is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) board: Option<Board>,
    pub(crate) flash: Option<usize>,
    pub(crate) ram: Option<usize>,
}

/// Layers that are named at most.
const NAMED: usize = 5;

impl Limits {
    /// An error that says what takes the space and what would fit, when the network does not. `code` is counted when it is known,
    /// as RAM too where it is copied there.
    pub(crate) fn check(&self, program: &Program, budget: &Budget, code: usize, copied: bool) -> Result<()> {
        let board = |of: fn(Board) -> usize| self.board.map(of);
        let flash = self.flash.or(board(|b| b.flash));
        let ram = self.ram.or(board(|b| b.ram));
        let has = |own: Option<usize>| match self.board.filter(|_| own.is_none()) {
            Some(b) => format!("{} has", b.name),
            None => "the limit is".into(),
        };
        let mut said = Vec::new();
        if let Some(limit) = flash.filter(|limit| budget.flash_weights + code > *limit) {
            let with = if code > 0 { " and code" } else { "" };
            said.push(format!(
                "weights{with} take {} bytes of flash, {} {}\n{}\n{}",
                grouped(budget.flash_weights + code),
                has(self.flash),
                grouped(limit),
                weights(budget),
                smaller_weights(program, limit)
            ));
        }
        let code_in_ram = if copied { code } else { 0 };
        let of_ram = budget.ram_arena + budget.ram_tables + code_in_ram;
        if let Some(limit) = ram.filter(|limit| of_ram > *limit) {
            let more = [("tables", budget.ram_tables), ("code", code_in_ram)];
            let more: String = more
                .iter()
                .filter(|(_, bytes)| *bytes > 0)
                .map(|(what, bytes)| format!(", {what} copied there {}", grouped(*bytes)))
                .collect();
            said.push(format!(
                "intermediate values take {} bytes of RAM{more}, {} {}\n{}\n{}",
                grouped(budget.ram_arena),
                has(self.ram),
                grouped(limit),
                memory(program),
                if budget.ram_arena > limit {
                    smaller_memory(program, budget, limit)
                } else {
                    "give fewer bytes with --sram-tables, or leave the code in flash".into()
                }
            ));
        }
        if said.is_empty() {
            Ok(())
        } else {
            Err(Failure::new(format!("the network does not fit: {}", said.join("\n"))))
        }
    }
}

/// The layers with the most weights.
fn weights(budget: &Budget) -> String {
    let mut layers: Vec<_> = budget.kernels.iter().filter(|k| k.weight_bytes > 0).collect();
    layers.sort_by_key(|k| Reverse(k.weight_bytes));
    let row = |name: &str, bytes: usize| vec![name.to_string(), grouped(bytes)];
    let mut rows = vec![vec!["layer".to_string(), "weights".to_string()]];
    rows.extend(
        layers.iter().take(NAMED).map(|k| row(short(k.label.as_deref().unwrap_or(&k.name)), k.weight_bytes)),
    );
    table(&rows)
}

/// Bytes of constants whose elements are of some type, by a test on it.
fn constants(program: &Program, of: impl Fn(DType) -> bool) -> usize {
    let constant = program.buffers.iter().filter(|b| matches!(b.place, Place::Constant(_)));
    constant.filter(|b| of(b.ty.dtype)).map(|b| b.ty.bytes()).sum()
}

fn smaller_weights(program: &Program, limit: usize) -> String {
    let all = program.constant_bytes();
    // Floats, or integers of 16 bits that stand for floats.
    let floats =
        constants(program, |d| matches!(d, DType::F32)) / 4 + constants(program, |d| d == DType::I16) / 2;
    let others = constants(program, |d| !matches!(d, DType::F32 | DType::I16));
    let bytes = constants(program, |d| d == DType::I8);
    if floats > 0 {
        let eight = floats + others;
        return format!(
            "weights of 8 bits would take about {} bytes, of 4 bits {}: teff quantize MODEL --data DATASET --flash {limit} -o SMALLER",
            grouped(eight),
            grouped(eight - floats / 2),
        );
    }
    format!(
        "weights of 4 bits would take about {} bytes: teff quantize the float model with --flash {limit}; or train a smaller network (teff train --prune 0.5)",
        grouped(all - bytes / 2)
    )
}

/// Bytes of the arena that each kernel has before it: what it reads and what it writes.
fn memory(program: &Program) -> String {
    let bytes = |id: &teff::compile::program::BufferId| {
        let b = program.buffer(*id);
        if matches!(b.place, Place::Arena(_)) { b.ty.bytes() } else { 0 }
    };
    let mut layers: Vec<(usize, &str)> = program
        .kernels
        .iter()
        .map(|k| {
            let (reads, writes) = k.accesses();
            let more = writes.iter().filter(|id| !reads.contains(id));
            (reads.iter().chain(more).map(bytes).sum(), k.label.as_deref().unwrap_or(&k.name))
        })
        .collect();
    layers.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let mut rows = vec![vec!["layer".to_string(), "reads and writes".to_string()]];
    rows.extend(
        layers.iter().take(NAMED).map(|(bytes, name)| vec![short(name).to_string(), grouped(*bytes)]),
    );
    table(&rows)
}

fn smaller_memory(program: &Program, budget: &Budget, limit: usize) -> String {
    let arena = program.buffers.iter().filter(|b| matches!(b.place, Place::Arena(_)));
    if arena.clone().any(|b| b.ty.dtype == DType::F32) {
        return format!(
            "values of 8 bits would take about {}: teff quantize MODEL --data DATASET -o SMALLER",
            grouped(budget.ram_arena / 4)
        );
    }
    format!(
        "a network whose largest layer is {:.1} times smaller would fit: fewer channels (teff train --prune), or a smaller input",
        budget.ram_arena as f64 / limit as f64
    )
}
