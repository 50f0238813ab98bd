//! One Cortex-M0+ core: its state, and the parts that execute, access memory and take exceptions.
//!
//! Sources: Arm DDI 0419 (ARMv6-M Architecture), Arm DDI 0484C (Cortex-M0+ TRM r0p1).

pub(crate) mod access;
pub(crate) mod alu;
pub(crate) mod exception;
pub(crate) mod execute;
pub(crate) mod op;
pub(crate) mod ppb;

use crate::bus::code::Window;
use crate::error::Fault;
use ppb::{Nvic, SysTick};

/// What a core is doing between two instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CoreState {
    /// Executing.
    #[default]
    Running,
    /// Asleep in WFE until an event or an exception.
    WaitEvent,
    /// Asleep in WFI until an interrupt.
    WaitInterrupt,
    /// At a BKPT with this immediate; the run loop decides whether the host handles it or the core faults.
    AtBkpt(u8),
    /// At a breakpoint that was set from outside.
    AtStop,
    /// A fault at a priority that cannot take it (DDI 0419 B1.5.6): the core is dead until reset.
    Lockup,
    /// Held in reset by the power-on state machine (datasheet 2.13).
    Held,
}

impl std::fmt::Display for CoreState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CoreState::Running => "running",
            CoreState::WaitEvent => "asleep in WFE",
            CoreState::WaitInterrupt => "asleep in WFI",
            CoreState::AtBkpt(_) | CoreState::AtStop => "stopped",
            CoreState::Lockup => "locked up",
            CoreState::Held => "held in reset",
        })
    }
}

/// Which memory the fetch window covers; each stalls in its own way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum FetchFrom {
    Rom,
    Flash,
    Sram,
    #[default]
    Nothing,
}

/// Cycles a core lost, by cause. They are part of its cycle count.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Stalls {
    /// Waiting for flash: misses of the XIP cache, and its port while the other core's miss fills.
    pub flash: u64,
    /// Waiting for an SRAM bank, the ROM or the XIP port that another master used in the same cycle.
    pub bank: u64,
    /// Wait states of the APB bridge (datasheet 2.1.3).
    pub peripheral: u64,
}

/// The last fault a core took, for reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultRecord {
    /// What went wrong.
    pub fault: Fault,
    /// Address of the instruction that faulted.
    pub pc: u32,
    /// Cycle of clk_sys at which it did.
    pub cycle: u64,
}

/// The state of one core.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Core {
    pub(crate) id: usize,
    /// When the next instruction begins, in cycles of clk_sys.
    pub(crate) cycle: u64,
    /// R0 to R14; R13 is the stack pointer in use; index 15 is scratch.
    pub(crate) regs: [u32; 16],
    /// Address of the next instruction.
    pub(crate) pc: u32,
    /// N is the sign of `n`, Z holds when `z` is zero; one ALU result usually sets both.
    pub(crate) n: u32,
    pub(crate) z: u32,
    /// Carry, 0 or 1.
    pub(crate) c: u32,
    /// Overflow, 0 or 1.
    pub(crate) v: u32,
    /// Address of the word in the fetch buffer; odd when there is none.
    pub(crate) fetched: u32,
    /// The memory that `pc` runs in.
    pub(crate) window: Window,
    pub(crate) primask: bool,
    /// CONTROL.SPSEL and CONTROL.nPRIV.
    pub(crate) spsel: bool,
    pub(crate) npriv: bool,
    /// The stack pointer that is not in R13.
    pub(crate) other_sp: u32,
    /// Where the main stack begins, and how far down it has been.
    pub(crate) stack: Stack,
    /// Exception number being handled, 0 in thread mode.
    pub(crate) ipsr: u32,
    pub(crate) state: CoreState,
    pub(crate) nvic: Nvic,
    pub(crate) systick: SysTick,
    pub(crate) stalls: Stalls,
    pub(crate) instructions: u64,
    /// The latest hard faults, oldest first, at most [`FAULTS_KEPT`].
    pub(crate) faults: Vec<FaultRecord>,
}

/// A main stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stack {
    /// The stack pointer it was given: from the vector table, at core 1's launch, or by MSR.
    pub top: u32,
    /// The lowest that the stack pointer has been since.
    pub low: u32,
}

impl Stack {
    /// The most bytes that were in use.
    pub fn bytes(self) -> u32 {
        self.top.wrapping_sub(self.low)
    }
}

/// How many faults a core remembers.
const FAULTS_KEPT: usize = 8;

/// No word is in the fetch buffer.
pub(crate) const NOT_FETCHED: u32 = 1;

impl Core {
    pub(crate) fn new(id: usize) -> Core {
        Core { id, z: 1, fetched: NOT_FETCHED, ..Core::default() }
    }

    /// Puts the core where reset leaves it, at cycle `now`, to run from `pc` with stack pointer `sp`.
    pub(crate) fn reset(&mut self, now: u64, pc: u32, sp: u32) {
        let (stalls, instructions) = (self.stalls, self.instructions);
        let faults = std::mem::take(&mut self.faults);
        *self = Core { cycle: now, stalls, instructions, faults, ..Core::new(self.id) };
        self.pc = pc & !1;
        self.begin_stack(sp);
        self.regs[14] = 0xffff_ffff;
    }

    /// Whether no interrupt is enabled.
    pub(crate) fn deaf(&self) -> bool {
        self.nvic.enabled == 0 && !self.systick.interrupts()
    }

    /// Gives the core a stack.
    pub(crate) fn begin_stack(&mut self, sp: u32) {
        let top = sp & !3;
        self.regs[13] = top;
        self.stack = Stack { top, low: top };
    }

    /// Moves the stack pointer, as instructions do.
    #[inline(always)]
    pub(crate) fn move_sp(&mut self, sp: u32) {
        self.regs[13] = sp;
        if sp < self.stack.low && !self.on_process_stack() {
            self.stack.low = sp;
        }
    }

    /// Remembers a fault of the instruction at `pc`.
    pub(crate) fn note_fault(&mut self, fault: Fault, pc: u32) {
        if self.faults.len() == FAULTS_KEPT {
            self.faults.remove(0);
        }
        self.faults.push(FaultRecord { fault, pc, cycle: self.cycle });
    }

    /// Continues at `target`, with nothing left in the fetch buffer.
    #[inline(always)]
    pub(crate) fn jump(&mut self, target: u32) {
        self.pc = target;
        self.fetched = NOT_FETCHED;
    }

    /// The application program status register's flags, in their architectural bits 31 to 28.
    pub(crate) fn flags(&self) -> u32 {
        self.n & 0x8000_0000 | u32::from(self.z == 0) << 30 | self.c << 29 | self.v << 28
    }

    pub(crate) fn set_flags(&mut self, apsr: u32) {
        self.n = apsr & 0x8000_0000;
        self.z = u32::from(apsr & 0x4000_0000 == 0);
        self.c = apsr >> 29 & 1;
        self.v = apsr >> 28 & 1;
    }

    /// xPSR as stacked and as debuggers read it; the Thumb bit is always set.
    pub(crate) fn xpsr(&self) -> u32 {
        self.flags() | 1 << 24 | self.ipsr
    }

    /// True while R13 is the process stack pointer.
    pub(crate) fn on_process_stack(&self) -> bool {
        self.spsel && self.ipsr == 0
    }

    pub(crate) fn msp(&self) -> u32 {
        if self.on_process_stack() { self.other_sp } else { self.regs[13] }
    }

    pub(crate) fn psp(&self) -> u32 {
        if self.on_process_stack() { self.regs[13] } else { self.other_sp }
    }

    /// Switches SPSEL in thread mode, exchanging the stack pointers when it changes which one is used.
    pub(crate) fn select_stack(&mut self, process: bool) {
        if self.spsel != process {
            if self.ipsr == 0 {
                std::mem::swap(&mut self.regs[13], &mut self.other_sp);
            }
            self.spsel = process;
        }
    }
}
