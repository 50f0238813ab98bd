//! Cycles by function and by call path, stalls apart.
//!
//! Calls are followed by their instructions: BL and BLX open a frame, a branch to a frame's return address closes
//! it, a branch into another function replaces it (a tail call), and exceptions open one that their return closes.
//! A BL into the middle of its own function is a jump too far for a branch. What goes on in the middle of a caller has returned to it,
//! wherever it was to return to: functions that choose the case of a switch return behind its table.

mod flame;

use crate::bus::Bus;
use crate::cpu::op::{Op, Opcode};
use crate::cpu::{Core, Stalls};
use crate::load::Image;
use crate::probe::Probe;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What was spent somewhere.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cost {
    /// All cycles, stalls among them.
    pub cycles: u64,
    /// Cycles lost to stalls.
    pub stalls: Stalls,
    /// Instructions executed.
    pub instructions: u64,
}

impl Cost {
    fn add(&mut self, other: &Cost) {
        self.cycles += other.cycles;
        self.instructions += other.instructions;
        self.stalls.flash += other.stalls.flash;
        self.stalls.bank += other.stalls.bank;
        self.stalls.peripheral += other.stalls.peripheral;
    }
}

/// One function, called along one path.
#[derive(Clone, Debug, Default)]
struct Node {
    function: usize,
    parent: Option<usize>,
    cost: Cost,
    children: BTreeMap<usize, usize>,
}

/// A call that has not returned.
#[derive(Clone, Copy, Debug)]
struct CallFrame {
    node: usize,
    /// Where it returns to; `None` for an exception, which its return ends.
    returns: Option<u32>,
    /// IPSR of the code it runs in.
    ipsr: u32,
}

#[derive(Clone, Debug, Default)]
struct Track {
    frames: Vec<CallFrame>,
    /// Totals at the last instruction, to take differences.
    cycle: u64,
    stalls: Stalls,
    started: bool,
    /// Where the last instruction has led: what comes elsewhere is an exception.
    next: u32,
}

/// A profile of both cores.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Start, end and name of each function, by start.
    functions: Vec<(u32, u32, String)>,
    nodes: Vec<Node>,
    tracks: [Track; 2],
}

/// Deepest call path that is followed; recursion beyond it counts for its last frame.
const DEPTH: usize = 128;
/// Index of the function that stands for code without a symbol.
const UNKNOWN: usize = 0;

impl Profile {
    /// An empty profile; functions are named by the symbols of `image`.
    pub fn new(image: &Image) -> Profile {
        let mut functions = vec![(0, 0, "?".to_string()), (0, 0x4000, "boot ROM".to_string())];
        // Where several names share an address, the one with a size is taken.
        let mut by_start: BTreeMap<u32, (u32, &str)> = BTreeMap::new();
        for symbol in image.symbols.iter().filter(|s| s.function && s.addr >= 0x4000) {
            let slot = by_start.entry(symbol.addr).or_insert((symbol.size, &symbol.name));
            if slot.0 == 0 {
                *slot = (symbol.size, &symbol.name);
            }
        }
        let starts: Vec<u32> = by_start.keys().copied().collect();
        for (i, (&start, &(size, name))) in by_start.iter().enumerate() {
            let next = starts.get(i + 1).copied().unwrap_or(u32::MAX);
            let end = if size > 0 { start.saturating_add(size) } else { next };
            functions.push((start, end, name.to_string()));
        }
        Profile { functions, nodes: vec![Node::default(); 2], tracks: Default::default() }
    }

    fn function_of(&self, pc: u32) -> usize {
        let after = self.functions[1..].partition_point(|f| f.0 <= pc);
        if after > 0 && pc < self.functions[after].1 { after } else { UNKNOWN }
    }

    fn child(&mut self, parent: usize, function: usize) -> usize {
        if let Some(&node) = self.nodes[parent].children.get(&function) {
            return node;
        }
        let node = self.nodes.len();
        self.nodes.push(Node { function, parent: Some(parent), ..Node::default() });
        self.nodes[parent].children.insert(function, node);
        node
    }

    /// The node of `core`'s innermost frame; the root of the core while there is none.
    fn top(&self, core: usize) -> usize {
        self.tracks[core].frames.last().map_or(core, |f| f.node)
    }

    fn open(&mut self, core: usize, pc: u32, returns: Option<u32>, ipsr: u32) {
        if self.tracks[core].frames.len() >= DEPTH {
            return;
        }
        let function = self.function_of(pc);
        let node = self.child(self.top(core), function);
        self.tracks[core].frames.push(CallFrame { node, returns, ipsr });
    }

    /// Follows a BL, if it is a call.
    fn call(&mut self, core: &Core, returns: u32) {
        let innermost = self.nodes[self.top(core.id)].function;
        let (start, end, _) = self.functions[innermost];
        let jumps = innermost != UNKNOWN && (start + 1..end).contains(&core.pc);
        if !jumps {
            self.open(core.id, core.pc, Some(returns), core.ipsr);
        }
    }

    /// Follows where the instruction has led.
    fn follow(&mut self, core: &Core, op: Op, pc: u32) {
        let id = core.id;
        self.tracks[id].next = core.pc;
        if self.exceptions(core, core.pc) {
            return;
        }
        match op.code {
            Opcode::Bl => self.call(core, pc.wrapping_add(4)),
            Opcode::Blx => self.open(id, core.pc, Some(pc.wrapping_add(2)), core.ipsr),
            Opcode::Bx | Opcode::PopPc | Opcode::MovSpecial => {
                let frames = &mut self.tracks[id].frames;
                if let Some(i) = frames.iter().rposition(|f| f.returns == Some(core.pc)) {
                    frames.truncate(i);
                }
            }
            _ => {} // stays in its function, or is a tail call that the next instruction shows
        }
    }

    /// IPSR of the innermost frame of `core`.
    fn ipsr(&self, core: usize) -> u32 {
        self.tracks[core].frames.last().map_or(0, |f| f.ipsr)
    }

    /// Closes the frames of exceptions that have ended, and opens one at `pc` for one that has begun; tells whether there were any.
    fn exceptions(&mut self, core: &Core, pc: u32) -> bool {
        let id = core.id;
        let ended = |f: &CallFrame| f.ipsr != 0 && core.nvic.active >> f.ipsr & 1 == 0;
        let first = self.tracks[id].frames.iter().position(ended);
        if let Some(first) = first {
            self.tracks[id].frames.truncate(first);
        }
        let begins = self.ipsr(id) != core.ipsr;
        if begins {
            self.open(id, pc, None, core.ipsr);
        }
        begins || first.is_some()
    }

    /// Makes the innermost frame that of the function at `pc`.
    fn settle(&mut self, core: &Core, pc: u32) {
        let id = core.id;
        if self.tracks[id].next != pc && core.ipsr != 0 {
            self.exceptions(core, pc);
        }
        let function = self.nodes[self.top(id)].function;
        let (start, end, _) = self.functions[function];
        let inside = function != UNKNOWN && (start..end).contains(&pc);
        if inside && !self.tracks[id].frames.is_empty() {
            return;
        }
        let now = self.function_of(pc);
        if now == function && !self.tracks[id].frames.is_empty() {
            return;
        }
        let starts = self.functions[now].0 == pc;
        let of_now = |f: &CallFrame| self.nodes[f.node].function == now && f.ipsr == core.ipsr;
        if let Some(caller) =
            self.tracks[id].frames.iter().rposition(of_now).filter(|_| !starts && now != UNKNOWN)
        {
            self.tracks[id].frames.truncate(caller + 1);
            return;
        }
        let frame = self.tracks[id].frames.pop();
        let parent = self.top(id);
        let node = self.child(parent, now);
        let (returns, ipsr) = frame.map_or((None, core.ipsr), |f| (f.returns, f.ipsr));
        self.tracks[id].frames.push(CallFrame { node, returns, ipsr });
    }

    /// Books what passed since the last instruction on the innermost frame.
    fn book(&mut self, core: &Core, instructions: u64, begin: u64) {
        let track = &mut self.tracks[core.id];
        if !track.started || core.cycle < track.cycle {
            track.started = true;
            track.stalls = core.stalls;
            track.cycle = begin;
        }
        let (before, now) = (track.stalls, core.stalls);
        // Time asleep lies between the end of one instruction and the beginning of the next, and is not booked.
        let cost = Cost {
            cycles: core.cycle - begin.max(track.cycle),
            instructions,
            stalls: Stalls {
                flash: now.flash - before.flash,
                bank: now.bank - before.bank,
                peripheral: now.peripheral - before.peripheral,
            },
        };
        track.stalls = now;
        track.cycle = core.cycle;
        let node = self.top(core.id);
        self.nodes[node].cost.add(&cost);
    }

    /// What each function itself spent on `core`, dearest first.
    pub fn by_function(&self, core: usize) -> Vec<(String, Cost)> {
        let mut sums: BTreeMap<&str, Cost> = BTreeMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            if self.upwards(i).last() == Some(core) && node.cost.cycles > 0 {
                sums.entry(&self.functions[node.function].2).or_default().add(&node.cost);
            }
        }
        let mut rows: Vec<_> = sums.into_iter().map(|(name, cost)| (name.to_string(), cost)).collect();
        rows.sort_by(|a, b| b.1.cycles.cmp(&a.1.cycles).then(a.0.cmp(&b.0)));
        rows
    }

    /// A node and those above it; the last is the root of its core.
    fn upwards(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(node), |&at| self.nodes[at].parent)
    }

    /// The names along the path to `node`, the core first.
    fn path(&self, node: usize) -> Vec<String> {
        let name = |at: usize| match self.nodes[at].parent {
            Some(_) => self.functions[self.nodes[at].function].2.clone(),
            None => format!("core {at}"),
        };
        let mut names: Vec<String> = self.upwards(node).map(name).collect();
        names.reverse();
        names
    }

    /// Call paths with their cycles, one a line, as flame graph tools read them; stalls are frames of their own.
    pub fn folded(&self) -> String {
        let mut lines = BTreeMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let path = self.path(i).join(";");
            let s = node.cost.stalls;
            let stalled = s.flash + s.bank + s.peripheral;
            let parts = [
                ("", node.cost.cycles.saturating_sub(stalled)),
                (";[flash stall]", s.flash),
                (";[bus stall]", s.bank),
                (";[peripheral stall]", s.peripheral),
            ];
            for (suffix, cycles) in parts.into_iter().filter(|(_, cycles)| *cycles > 0) {
                *lines.entry(format!("{path}{suffix}")).or_insert(0) += cycles;
            }
        }
        lines.iter().fold(String::new(), |mut text, (path, cycles)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{path} {cycles}");
            text
        })
    }

    /// A table of both cores: cycles, share, and what of them was waiting.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for core in 0..2 {
            let rows = self.by_function(core);
            let total: u64 = rows.iter().map(|(_, c)| c.cycles).sum();
            if total == 0 {
                continue;
            }
            let _ = writeln!(text, "core {core}: {total} cycles");
            let _ = writeln!(
                text,
                "{:>12} {:>6} {:>12} {:>12} {:>12} {:>12}  function",
                "cycles", "share", "instructions", "flash stall", "bus stall", "peripheral"
            );
            for (name, c) in rows {
                let share = 100.0 * c.cycles as f64 / total as f64;
                let s = c.stalls;
                let _ = writeln!(
                    text,
                    "{:>12} {share:>5.1}% {:>12} {:>12} {:>12} {:>12}  {name}",
                    c.cycles, c.instructions, s.flash, s.bank, s.peripheral
                );
            }
        }
        text
    }
}

impl Probe for Profile {
    const ON: bool = true;

    fn retired(&mut self, core: &Core, _bus: &Bus, pc: u32, op: Op, begin: u64) {
        self.settle(core, pc);
        self.book(core, 1, begin);
        self.follow(core, op, pc);
    }

    fn stalled(&mut self, core: &Core, pc: u32, begin: u64) {
        self.settle(core, pc);
        self.tracks[core.id].next = pc;
        self.book(core, 0, begin);
    }
}
