//! Schedules: steps over planned buffers.

#![allow(unsafe_code)]

use crate::copy::Copy;
use crate::matmul;
use crate::matmul::MatMul;
use crate::memory::{Block, BufferId, BufferPlace, PlacedBuffer, address};
use crate::pointwise::Group;
use crate::reference::Reference;
use crate::threads::Team;
use crate::view::View;
use crate::windows::{Conv, FewConv, FewPool, Pool, WeightGrad};
use std::fmt;
use std::fmt::Write;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A graph made into steps. Its memory is a [`Frame`], so that a schedule can be run while it is borrowed.
pub(crate) struct Schedule {
    pub(crate) entries: Vec<Entry>,
    pub(crate) buffers: Vec<PlacedBuffer>,
    /// For each slot of memory from outside the buffers that lie there.
    pub(crate) externals: Vec<Vec<BufferId>>,
    pub(crate) arena_bytes: usize,
}

/// The memory a schedule runs in.
pub(crate) struct Frame {
    /// The address of each buffer.
    addresses: Vec<*mut u8>,
    _arena: Block,
    /// For each thread.
    scratch: Vec<Block>,
    /// For each step that has one the frame of its body.
    children: Vec<Option<Frame>>,
    /// The shortest time spent in each step, when asked for.
    pub(crate) times: Option<Vec<Duration>>,
}

// SAFETY: the addresses are those of memory the frame owns, of constants the schedule shares, and of memory that who runs the
// schedule sets and answers for.
unsafe impl Send for Frame {}
// SAFETY: as above; a shared frame gives nothing out.
unsafe impl Sync for Frame {}

impl Frame {
    pub(crate) fn new(schedule: &Schedule, threads: usize) -> Frame {
        let arena = Block::new(schedule.arena_bytes);
        let addresses = schedule.buffers.iter().map(|b| match &b.place {
            // SAFETY: the plan keeps every buffer inside the arena.
            BufferPlace::Arena(offset) => unsafe { arena.start().add(*offset) },
            BufferPlace::External(_) => std::ptr::null_mut(),
            BufferPlace::Constant(value) => address(value),
        });
        let scratch = |e: &Entry| match &e.step {
            Task::Pointwise(g) => g.scratch_bytes(),
            Task::MatMul(_) => matmul::SCRATCH,
            Task::FewConv(c) => c.scratch_bytes(),
            Task::Copy(_) | Task::Conv(_) | Task::WeightGrad(_) | Task::Pool(_) | Task::FewPool(_) => 0,
            Task::Reference(_) | Task::Scan(_) => 0,
        };
        let child =
            |e: &Entry| if let Task::Scan(s) = &e.step { Some(Frame::new(&s.body, threads)) } else { None };
        let scratch_bytes = schedule.entries.iter().map(scratch).max().unwrap_or(0);
        Frame {
            addresses: addresses.collect(),
            scratch: (0..threads).map(|_| Block::new(scratch_bytes)).collect(),
            children: schedule.entries.iter().map(child).collect(),
            _arena: arena,
            times: None,
        }
    }

    /// Says where slot `slot` of the memory from outside lies.
    pub(crate) fn set_external(&mut self, schedule: &Schedule, slot: usize, at: *mut u8) {
        for b in &schedule.externals[slot] {
            self.addresses[b.index()] = at;
        }
    }
}

/// Steps with fewer multiplications are done sooner than a second thread is told of them.
const WORTH_SPLITTING: usize = 1 << 18;

/// What threads share of a frame while a step runs.
struct SharedFrame<'a> {
    addresses: &'a [*mut u8],
    scratch: &'a [Block],
}

// SAFETY: the addresses are only read; who writes to what they point to, and to the scratch memory, is said with each step.
unsafe impl Sync for SharedFrame<'_> {}

impl SharedFrame<'_> {
    fn addresses(&self) -> &[*mut u8] {
        self.addresses
    }

    fn scratch(&self, thread: usize) -> *mut u8 {
        self.scratch[thread].start()
    }
}

impl Schedule {
    /// Runs every step.
    ///
    /// # Safety
    /// `frame` was made for this schedule and all its externals are set to memory of the right size that nobody else touches.
    pub(crate) unsafe fn run(&self, frame: &mut Frame, team: &Team) {
        for (i, entry) in self.entries.iter().enumerate() {
            let started = frame.times.is_some().then(Instant::now);
            // SAFETY: steps stay inside the buffers of the schedule, and the plan keeps apart what must be.
            unsafe { self.step(i, entry, frame, team) };
            if let (Some(times), Some(started)) = (&mut frame.times, started) {
                times[i] = times[i].min(started.elapsed());
            }
        }
    }

    unsafe fn step(&self, i: usize, entry: &Entry, frame: &mut Frame, team: &Team) {
        let child = frame.children[i].as_mut();
        let shared = SharedFrame { addresses: &frame.addresses, scratch: &frame.scratch };
        // The whole of a step, or its parts on several threads when that is worth waking them.
        let split = |work: usize, n: usize, grain: usize, f: &(dyn Fn(usize, Range<usize>) + Sync)| match work
        {
            0..WORTH_SPLITTING => f(0, 0..n),
            _ => team.split(n, grain, f),
        };
        // SAFETY: as for `run`; threads work on different parts.
        unsafe {
            match &entry.step {
                Task::Pointwise(g) => {
                    g.start(shared.addresses());
                    split(g.work(), g.total, g.grain(), &|thread, r| {
                        g.run(shared.addresses(), shared.scratch(thread), r.start, r.end);
                    });
                }
                Task::Copy(c) => c.run(shared.addresses()),
                Task::MatMul(m) => split(m.work(), m.parts(), m.grain(), &|thread, r| {
                    m.run(shared.addresses(), shared.scratch(thread), r.start, r.end);
                }),
                Task::Conv(c) => {
                    c.pack(shared.addresses());
                    split(c.work(), c.rows(), 1, &|_, r| c.run(shared.addresses(), r.start, r.end));
                }
                Task::WeightGrad(g) => {
                    split(g.work(), g.tiles(), 1, &|_, r| g.run(shared.addresses(), r.start, r.end));
                }
                Task::Pool(p) => {
                    split(p.work(), p.planes(), 1, &|_, r| p.run(shared.addresses(), r.start, r.end))
                }
                Task::FewConv(c) => split(c.work(), c.parts(), 1, &|thread, r| {
                    c.run(shared.addresses(), shared.scratch(thread), r.start, r.end);
                }),
                Task::FewPool(p) => {
                    split(p.work(), p.planes(), 1, &|_, r| p.run(shared.addresses(), r.start, r.end))
                }
                Task::Reference(r) => r.run(shared.addresses()),
                Task::Scan(s) => s.run(shared.addresses(), child.expect("made with the frame"), team),
            }
        }
    }

    /// Every step with the buffers it reads and writes, and where these lie.
    pub(crate) fn describe(&self) -> String {
        let mut out = format!("arena of {} bytes\n", self.arena_bytes);
        for (i, e) in self.entries.iter().enumerate() {
            let list = |ids: &[BufferId]| ids.iter().map(|&b| self.place(b)).collect::<Vec<_>>().join(" ");
            let label = if e.label.is_empty() { String::new() } else { format!("  # {}", e.label) };
            let ((kind, detail), to, from) = (e.step.describe(), list(&e.writes), list(&e.reads));
            let _ = writeln!(out, "{i}: {to} = {kind} {detail} of {from}{label}");
        }
        out
    }

    fn place(&self, id: BufferId) -> String {
        let b = &self.buffers[id.index()];
        let at = match &b.place {
            BufferPlace::Arena(offset) => format!("@{offset}"),
            BufferPlace::External(slot) => format!("outside{slot}"),
            BufferPlace::Constant(_) => "constant".into(),
        };
        format!("{at}:{}x{}", b.dtype, b.len)
    }
}

/// One step. What each computes is said where it is defined.
pub(crate) enum Task {
    Pointwise(Box<Group>),
    Copy(Copy),
    MatMul(MatMul),
    Conv(Box<Conv>),
    WeightGrad(Box<WeightGrad>),
    Pool(Box<Pool>),
    FewConv(Box<FewConv>),
    FewPool(Box<FewPool>),
    Reference(Box<Reference>),
    Scan(Box<ScanLoop>),
}

/// A step and what the memory plan must know of it.
pub(crate) struct Entry {
    pub(crate) step: Task,
    pub(crate) reads: Vec<BufferId>,
    /// Results, and memory the step needs for itself.
    pub(crate) writes: Vec<BufferId>,
    /// Pairs of a result and a buffer it may overwrite, if nobody needs that any more.
    pub(crate) overwrites: Vec<(BufferId, BufferId)>,
    /// The layer this comes from.
    pub(crate) label: String,
}

impl Task {
    /// What kind of work it is, and what it does, without the buffers; for listings and timings.
    pub(crate) fn describe(&self) -> (&'static str, String) {
        match self {
            Task::Pointwise(g) => ("pointwise", format!("{:?} {}", g.shape, g.text)),
            Task::Copy(c) => ("copy", c.to_string()),
            Task::MatMul(m) => ("matmul", m.to_string()),
            Task::Conv(c) => ("conv", c.to_string()),
            Task::WeightGrad(g) => ("weight_grad", g.to_string()),
            Task::Pool(p) => ("pool", p.to_string()),
            Task::FewConv(c) => ("conv", c.to_string()),
            Task::FewPool(p) => ("pool", p.to_string()),
            Task::Reference(r) => ("reference", r.to_string()),
            Task::Scan(s) => ("scan", s.to_string()),
        }
    }
}

/// Runs a schedule once for each element of the leading axis of some operands.
pub(crate) struct ScanLoop {
    pub(crate) body: Schedule,
    pub(crate) states: usize,
    pub(crate) scanned: usize,
    pub(crate) length: usize,
    pub(crate) reverse: bool,
    /// Row-major, as are the results.
    pub(crate) operands: Vec<View>,
    pub(crate) results: Vec<View>,
    /// Two buffers for each state, written in turn.
    pub(crate) carried: Vec<[BufferId; 2]>,
}

impl ScanLoop {
    /// # Safety
    /// `buffers` holds the address of every buffer of the outer schedule; `frame` was made for the body.
    pub(crate) unsafe fn run(&self, buffers: &[*mut u8], frame: &mut Frame, team: &Team) {
        // SAFETY: views were checked against their buffers when the schedule was made.
        let start = |v: &View| unsafe { buffers[v.buffer.index()].add(v.offset * v.dtype.size()) };
        // SAFETY: each element of a leading axis is a whole row-major value.
        let element = |v: &View, t: usize| unsafe {
            start(v).add(t * v.shape[1..].iter().product::<usize>() * v.dtype.size())
        };
        if self.length == 0 {
            for (from, to) in self.operands.iter().zip(&self.results).take(self.states) {
                // SAFETY: a state and its result have one type and lie apart.
                unsafe {
                    std::ptr::copy_nonoverlapping(start(from), start(to), from.len() * from.dtype.size())
                };
            }
        }
        let inputs = self.operands.len();
        for step in 0..self.length {
            let t = if self.reverse { self.length - 1 - step } else { step };
            for (i, operand) in self.operands.iter().enumerate() {
                let at = match i {
                    i if i < self.states && step > 0 => buffers[self.carried[i][(step - 1) % 2].index()],
                    i if (self.states..self.states + self.scanned).contains(&i) => element(operand, t),
                    _ => start(operand),
                };
                frame.set_external(&self.body, i, at);
            }
            for (i, result) in self.results.iter().enumerate() {
                let at = match i {
                    i if i >= self.states => element(result, t),
                    i if step + 1 < self.length => buffers[self.carried[i][step % 2].index()],
                    _ => start(result),
                };
                frame.set_external(&self.body, inputs + i, at);
            }
            // SAFETY: all externals of the body are set.
            unsafe { self.body.run(frame, team) };
        }
    }
}

impl fmt::Display for ScanLoop {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let direction = if self.reverse { " backwards" } else { "" };
        write!(f, "{} steps{direction}, each:", self.length)?;
        for line in self.body.describe().lines() {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
