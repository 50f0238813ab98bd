//! Programs: steps over planned buffers.

#![allow(unsafe_code)]

use crate::memory::{Block, Buffer, BufferId, Place, address};
use crate::step::{Entry, Step};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// A graph made into steps. Its memory is a [`Frame`], so that a program can be run while it is borrowed.
pub(crate) struct Program {
    pub(crate) entries: Vec<Entry>,
    pub(crate) buffers: Vec<Buffer>,
    /// For each slot of memory from outside the buffers that lie there.
    pub(crate) externals: Vec<Vec<BufferId>>,
    pub(crate) arena_bytes: usize,
}

/// The memory a program runs in.
pub(crate) struct Frame {
    /// The address of each buffer.
    addresses: Vec<*mut u8>,
    _arena: Block,
    scratch: Block,
    /// For each step that has one the frame of its body.
    children: Vec<Option<Frame>>,
    /// The shortest time spent in each step, when asked for.
    pub(crate) times: Option<Vec<Duration>>,
}

// SAFETY: the addresses are those of memory the frame owns, of constants the program shares, and of memory that who runs the
// program sets and answers for.
unsafe impl Send for Frame {}
// SAFETY: as above; a shared frame gives nothing out.
unsafe impl Sync for Frame {}

impl Frame {
    pub(crate) fn new(program: &Program) -> Frame {
        let arena = Block::new(program.arena_bytes);
        let addresses = program.buffers.iter().map(|b| match &b.place {
            // SAFETY: the plan keeps every buffer inside the arena.
            Place::Arena(offset) => unsafe { arena.start().add(*offset) },
            Place::External(_) => std::ptr::null_mut(),
            Place::Constant(value) => address(value),
        });
        let scratch = |e: &Entry| match &e.step {
            Step::Pointwise(g) => g.scratch_bytes(),
            Step::Copy(_) | Step::MatMul(_) | Step::Conv(_) | Step::WeightGrad(_) | Step::Pool(_) => 0,
            Step::Reference(_) | Step::Scan(_) => 0,
        };
        let child = |e: &Entry| match &e.step {
            Step::Scan(s) => Some(Frame::new(&s.body)),
            Step::Pointwise(_) | Step::Copy(_) | Step::MatMul(_) | Step::Reference(_) => None,
            Step::Conv(_) | Step::WeightGrad(_) | Step::Pool(_) => None,
        };
        Frame {
            addresses: addresses.collect(),
            scratch: Block::new(program.entries.iter().map(scratch).max().unwrap_or(0)),
            children: program.entries.iter().map(child).collect(),
            _arena: arena,
            times: None,
        }
    }

    /// Says where slot `slot` of the memory from outside lies.
    pub(crate) fn set_external(&mut self, program: &Program, slot: usize, at: *mut u8) {
        for b in &program.externals[slot] {
            self.addresses[b.index()] = at;
        }
    }
}

impl Program {
    /// Runs every step.
    ///
    /// # Safety
    /// `frame` was made for this program and all its externals are set to memory of the right size that nobody else touches.
    pub(crate) unsafe fn run(&self, frame: &mut Frame) {
        for (i, entry) in self.entries.iter().enumerate() {
            let started = frame.times.is_some().then(Instant::now);
            // SAFETY: steps stay inside the buffers of the program, and the plan keeps apart what must be.
            unsafe { self.step(i, entry, frame) };
            if let (Some(times), Some(started)) = (&mut frame.times, started) {
                times[i] = times[i].min(started.elapsed());
            }
        }
    }

    unsafe fn step(&self, i: usize, entry: &Entry, frame: &mut Frame) {
        let addresses = &frame.addresses;
        // SAFETY: as for `run`.
        unsafe {
            match &entry.step {
                Step::Pointwise(g) => {
                    g.start(addresses);
                    g.run(addresses, frame.scratch.start(), 0, g.total);
                }
                Step::Copy(c) => c.run(addresses),
                Step::MatMul(m) => m.run(addresses),
                Step::Conv(c) => {
                    c.pack(addresses);
                    c.run(addresses, 0, c.rows());
                }
                Step::WeightGrad(g) => g.run(addresses, 0, g.tiles()),
                Step::Pool(p) => p.run(addresses, 0, p.planes()),
                Step::Reference(r) => r.run(addresses),
                Step::Scan(s) => {
                    let child = frame.children[i].as_mut().expect("made with the frame");
                    s.run(addresses, child);
                }
            }
        }
    }

    /// Every step with the buffers it reads and writes, and where these lie.
    pub(crate) fn describe(&self) -> String {
        let mut out = format!("arena of {} bytes\n", self.arena_bytes);
        for (i, e) in self.entries.iter().enumerate() {
            let list = |ids: &[BufferId]| ids.iter().map(|&b| self.place(b)).collect::<Vec<_>>().join(" ");
            let label = if e.label.is_empty() { String::new() } else { format!("  # {}", e.label) };
            let (to, from) = (list(&e.writes), list(&e.reads));
            let _ = writeln!(out, "{i}: {to} = {} {} of {from}{label}", e.step.kind(), e.step.detail());
        }
        out
    }

    fn place(&self, id: BufferId) -> String {
        let b = &self.buffers[id.index()];
        let at = match &b.place {
            Place::Arena(offset) => format!("@{offset}"),
            Place::External(slot) => format!("outside{slot}"),
            Place::Constant(_) => "constant".into(),
        };
        format!("{at}:{}x{}", b.dtype, b.len)
    }
}
