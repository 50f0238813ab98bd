//! What a Program takes of its target: exact bytes, counted operations, estimated cycles.

use crate::program::{BufferId, Cost, Kernel, Place, Products, Program, kernel_cost};
use crate::target::Target;
use std::collections::{BTreeMap, HashSet};
use teff_graph::Type;

/// What a Program takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Bytes of all constants, as the linker counts them, with what those in SRAM are copied from.
    pub flash_weights: usize,
    /// Bytes of the constants that are copied to SRAM, as the linker counts them: they take both.
    pub ram_tables: usize,
    /// Bytes of the arena, as the linker counts them.
    pub ram_arena: usize,
    /// Bytes that any memory plan needs at least.
    pub ram_lower_bound: usize,
    /// Multiply-accumulates of matrix products and convolutions.
    pub macs: u64,
    /// Estimated cycles of one run.
    pub cycles: f64,
    /// How far products by integers took outputs off on the inputs tried: see [`Program::off`].
    pub off: Option<f64>,
    /// The kernels, in order.
    pub kernels: Vec<KernelBudget>,
}

/// What one kernel takes.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelBudget {
    /// Name of its function.
    pub name: String,
    /// The layer it came from.
    pub label: Option<String>,
    /// What it computes in the field's words: `conv 3x3, 8 -> 16, relu, max pool 2`.
    pub words: String,
    /// Its operations, from first to last.
    pub ops: Vec<&'static str>,
    /// Type of its result.
    pub result: Type,
    /// Bytes of the constants it is the first to read.
    pub weight_bytes: usize,
    /// Bytes of its results in the arena.
    pub arena_bytes: usize,
    /// Multiply-accumulates.
    pub macs: u64,
    /// How they are computed.
    pub products: Products,
    /// Loads, stores, operations, estimated cycles.
    pub cost: Cost,
}

impl Budget {
    /// The budget of `program` on `target`.
    pub fn new(program: &Program, target: &Target) -> Budget {
        let mut counted: HashSet<BufferId> = HashSet::new();
        let mut kernels = Vec::new();
        for k in &program.kernels {
            let (reads, writes) = k.accesses();
            let mut bytes = |ids: &[BufferId], wanted: fn(&Place) -> bool| -> usize {
                let new = ids.iter().filter(|id| wanted(&program.buffer(**id).place) && counted.insert(**id));
                new.map(|id| program.buffer(*id).ty.bytes()).sum()
            };
            kernels.push(KernelBudget {
                name: k.name.clone(),
                label: k.label.as_deref().map(String::from),
                words: words(k),
                ops: k.ops.clone(),
                result: k.result.clone(),
                weight_bytes: bytes(&reads, |p| matches!(p, Place::Constant(_))),
                arena_bytes: bytes(&writes, |p| matches!(p, Place::Arena(_))),
                macs: k.macs,
                products: k.products,
                cost: kernel_cost(k, target),
            });
        }
        Budget {
            flash_weights: program.constant_bytes(),
            ram_tables: program.sram_bytes(),
            ram_arena: program.arena.bytes,
            ram_lower_bound: program.arena.lower_bound,
            macs: kernels.iter().map(|k| k.macs).sum(),
            cycles: kernels.iter().map(|k| k.cost.cycles).sum(),
            off: program.off,
            kernels,
        }
    }

    /// What is to be said of floats on a machine without a float unit, a line each: how far the layers computed by integers may be
    /// off all together, and which layers are computed by software floats and why. Nothing for other machines.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let (mut layers, mut total) = (BTreeMap::new(), 0.0);
        for k in &self.kernels {
            let Products::Mantissas { weight_bits, error, .. } = k.products else { continue };
            *layers.entry(weight_bits).or_insert(0) += 1;
            total += error;
        }
        if !layers.is_empty() {
            let of = |(bits, n): (&u32, &usize)| format!("{n} with {bits}-bit weights");
            let list: Vec<String> = layers.iter().map(of).collect();
            notes.push(format!(
                "layers computed by integers: {}; their bounds, shares of what each can reach, sum up to {total:.1e}",
                list.join(", "),
            ));
            notes.push(match self.off {
                Some(off) => format!("on the inputs tried, outputs are off by {off:.1e} of their range"),
                None => "how far outputs are off is not known: the network is too large to be tried, or gave the same for all inputs".into(),
            });
        }
        for k in &self.kernels {
            if let Products::Software { reason } = k.products {
                let name = k.label.as_deref().unwrap_or(&k.name);
                notes.push(format!("{name} is computed by software floats, because {reason}"));
            }
        }
        notes
    }
}

fn words(k: &Kernel) -> String {
    match &k.words[..] {
        [] if k.ops.is_empty() => "copy".into(),
        [] if k.ops.contains(&"mul_high") => "requantise".into(),
        [] => "convert".into(),
        said => said.join(", "),
    }
}
