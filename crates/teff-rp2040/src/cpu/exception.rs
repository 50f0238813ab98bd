//! Exceptions: priorities, entry, return, faults and lock-up (DDI 0419 chapter B1.5).

use super::access::{load, store};
use super::ppb::NUM_PRIORITIES;
use super::{Core, CoreState, NOT_FETCHED};
use crate::bus::Bus;
use crate::error::Fault;

pub(crate) const NMI: u32 = 2;
pub(crate) const HARD_FAULT: u32 = 3;
pub(crate) const SV_CALL: u32 = 11;
pub(crate) const PEND_SV: u32 = 14;
pub(crate) const SYS_TICK: u32 = 15;
pub(crate) const FIRST_IRQ: u32 = 16;

/// Cycles from the decision to take an exception to the first instruction of its handler, with no wait states
/// (Arm's published Cortex-M0+ interrupt latency; TI SWCU193). Eight of them are the stacking.
const ENTRY: u64 = 15;
/// Cycles of a return beyond the branch or POP itself. Not documented: eight loads and the refill of the
/// pipeline are assumed.
const RETURN: u64 = 10;
/// Cycles to go from one handler straight into another. Not documented: entry without its eight stores.
const TAIL_CHAIN: u64 = 7;

/// The exceptions whose bits are set, lowest number first.
fn numbers(mut set: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let number = set.trailing_zeros();
        set &= set.checked_sub(1)?;
        Some(number)
    })
}

impl Core {
    /// Priority of exception `number`: negative is fixed, 0 is highest of the configurable, lower is more urgent.
    fn priority(&self, number: u32) -> i32 {
        match number {
            NMI => -2,
            HARD_FAULT => -1,
            _ => self.nvic.priority(number),
        }
    }

    /// The priority the core runs at: that of its most urgent active exception, raised to 0 by PRIMASK.
    fn running_priority(&self) -> i32 {
        numbers(self.nvic.active).map(|number| self.priority(number)).min().unwrap_or(NUM_PRIORITIES)
    }

    fn execution_priority(&self) -> i32 {
        self.running_priority().min(if self.primask { 0 } else { NUM_PRIORITIES })
    }

    /// The most urgent pending and enabled exception, with its priority.
    pub(crate) fn most_urgent(&self) -> Option<(u32, i32)> {
        // Of equal ones the lowest number comes first.
        numbers(self.nvic.ready()).map(|number| (number, self.priority(number))).min_by_key(|&(_, p)| p)
    }

    /// Takes in the interrupt lines, wakes the core when one calls for it, and enters the most urgent exception
    /// if it may run now. Called by the run loop whenever lines, masks or pending bits may have changed.
    pub(crate) fn check_exceptions(&mut self, bus: &mut Bus, now: u64) {
        let newly = self.nvic.sample(bus.wires.irq_lines(self.id));
        if matches!(
            self.state,
            CoreState::Lockup | CoreState::Held | CoreState::AtBkpt(_) | CoreState::AtStop
        ) {
            return;
        }
        if newly && self.nvic.sev_on_pend {
            bus.event[self.id] = true;
        }
        let urgent = self.most_urgent();
        // WFI and WFE wake for an exception that would preempt if PRIMASK were clear (DDI 0419 B1.5.19).
        let wakes = urgent.is_some_and(|(_, p)| p < self.running_priority());
        match self.state {
            CoreState::WaitInterrupt if wakes => self.wake(now),
            CoreState::WaitEvent if wakes || bus.take_event(self.id) => self.wake(now),
            CoreState::WaitInterrupt | CoreState::WaitEvent => return,
            _ => {}
        }
        if let Some((number, priority)) = urgent
            && priority < self.execution_priority()
        {
            let return_to = self.pc;
            self.enter(bus, number, return_to);
        }
    }

    /// Ends a sleep at `now`; the core goes on with the instruction after WFE or WFI.
    fn wake(&mut self, now: u64) {
        self.state = CoreState::Running;
        self.cycle = self.cycle.max(now);
    }

    /// Stacks the frame and starts the handler of `number`. A second fault on the way locks the core up.
    fn enter(&mut self, bus: &mut Bus, number: u32, return_to: u32) {
        if let Err(fault) = self.try_enter(bus, number, return_to) {
            self.note_fault(fault, return_to);
            self.lock_up(bus, return_to);
        }
    }

    fn try_enter(&mut self, bus: &mut Bus, number: u32, return_to: u32) -> Result<(), Fault> {
        let start = self.cycle;
        let sp = self.regs[13];
        let aligned = sp.wrapping_sub(32) & !7;
        let padding = u32::from(sp & 4 != 0) << 9;
        let [r0, r1, r2, r3, .., r12, _, lr, _] = self.regs;
        let frame = [r0, r1, r2, r3, r12, lr, return_to, self.xpsr() | padding];
        let mut at = start;
        for (i, word) in frame.into_iter().enumerate() {
            at += 1;
            store::<4>(self, bus, aligned.wrapping_add(4 * i as u32), word, &mut at)?;
        }
        self.move_sp(aligned);
        self.regs[14] = match (self.ipsr != 0, self.spsel) {
            (true, _) => 0xffff_fff1,
            (false, false) => 0xffff_fff9,
            (false, true) => 0xffff_fffd,
        };
        if self.on_process_stack() {
            std::mem::swap(&mut self.regs[13], &mut self.other_sp);
            self.spsel = false;
        }
        self.start_handler(bus, number, &mut at)?;
        let stalls = at - start - 9;
        self.cycle = start + ENTRY + stalls;
        Ok(())
    }

    /// Fetches the vector and goes there.
    fn start_handler(&mut self, bus: &mut Bus, number: u32, at: &mut u64) -> Result<(), Fault> {
        self.ipsr = number;
        self.nvic.activate(number);
        bus.event[self.id] = true; // exception entry sets the event register (DDI 0419 B1.5.18)
        *at += 1;
        let vector = load::<4>(self, bus, self.nvic.vtor.wrapping_add(4 * number), at)?;
        if vector & 1 == 0 {
            return Err(Fault::NotThumb(vector));
        }
        self.jump(vector & !1);
        Ok(())
    }

    /// Leaves a handler through `code`, the EXC_RETURN value that was branched to (DDI 0419 B1.5.8).
    pub(crate) fn exception_return(&mut self, bus: &mut Bus, code: u32) -> Result<(), Fault> {
        let finished = self.ipsr;
        let (to_handler, to_process) = match code {
            0xffff_fff1 => (true, false),
            0xffff_fff9 => (false, false),
            0xffff_fffd => (false, true),
            _ => return Err(Fault::BadReturn(code)),
        };
        self.nvic.deactivate(finished);
        if to_handler == (self.nvic.active == 0) {
            return Err(Fault::BadReturn(code));
        }
        bus.event[self.id] = true;
        self.nvic.sample(bus.wires.irq_lines(self.id));
        if let Some((number, priority)) = self.most_urgent()
            && priority < self.execution_priority()
        {
            return self.tail_chain(bus, number, code);
        }
        let mut at = self.cycle;
        let start = at;
        let frame_at = if to_process { self.psp() } else { self.regs[13] };
        let mut frame = [0; 8];
        for (i, word) in frame.iter_mut().enumerate() {
            at += 1;
            *word = load::<4>(self, bus, frame_at.wrapping_add(4 * i as u32), &mut at)?;
        }
        let sp = frame_at.wrapping_add(32) | (frame[7] >> 9 & 1) << 2;
        self.ipsr = frame[7] & 0x3f;
        if to_process {
            self.other_sp = self.regs[13];
            self.spsel = true;
        }
        self.regs[13] = sp;
        self.regs[..4].copy_from_slice(&frame[..4]);
        self.regs[12] = frame[4];
        self.regs[14] = frame[5];
        self.set_flags(frame[7]);
        self.jump(frame[6] & !1);
        self.cycle = start + RETURN + (at - start - 8);
        bus.wires.sched.interrupt_run();
        if self.ipsr != 0 && !to_handler || frame[7] & 1 << 24 == 0 {
            return Err(Fault::BadReturn(code));
        }
        Ok(())
    }

    /// Goes from a finished handler into the next without unstacking.
    fn tail_chain(&mut self, bus: &mut Bus, number: u32, code: u32) -> Result<(), Fault> {
        let start = self.cycle;
        let mut at = start;
        self.regs[14] = code;
        self.start_handler(bus, number, &mut at)?;
        self.cycle = start + TAIL_CHAIN + (at - start - 1);
        bus.wires.sched.interrupt_run();
        Ok(())
    }

    /// Branches to `target`, whose bit 0 must say Thumb.
    #[inline(always)]
    pub(crate) fn branch_interworking(&mut self, target: u32) -> Result<(), Fault> {
        self.jump(target & !1);
        if target & 1 == 0 {
            return Err(Fault::NotThumb(target));
        }
        Ok(())
    }

    /// SVC: taken at once, or a hard fault when its priority does not allow it.
    pub(crate) fn supervisor_call(&mut self, bus: &mut Bus) -> Result<(), Fault> {
        if self.priority(SV_CALL) >= self.execution_priority() {
            self.pc = self.pc.wrapping_sub(2);
            return Err(Fault::SupervisorCall);
        }
        let return_to = self.pc;
        self.enter(bus, SV_CALL, return_to);
        bus.wires.sched.interrupt_run();
        Ok(())
    }

    /// Records `fault` of the instruction at `pc` and enters HardFault, or locks up when it cannot.
    #[inline(never)]
    pub(crate) fn take_fault(&mut self, bus: &mut Bus, fault: Fault, pc: u32) {
        self.note_fault(fault, pc);
        bus.faults += 1;
        if self.running_priority() < 0 {
            self.lock_up(bus, pc);
            return;
        }
        // The frame holds the faulting instruction; after a bad branch, its target (DDI 0419 B1.5.6).
        let return_to = match fault {
            Fault::NotThumb(target) => target & !1,
            _ => pc,
        };
        self.enter(bus, HARD_FAULT, return_to);
        bus.wires.sched.interrupt_run();
    }

    fn lock_up(&mut self, bus: &mut Bus, pc: u32) {
        self.pc = pc;
        self.fetched = NOT_FETCHED;
        self.state = CoreState::Lockup;
        bus.wires.sched.interrupt_run();
    }

    /// Reads special register `sysm` (DDI 0419 B4.1.1). The execution state's bits read as zero.
    pub(crate) fn read_special(&self, sysm: u32) -> u32 {
        match sysm {
            0 | 2 => self.flags(),
            1 | 3 => self.flags() | self.ipsr,
            5 | 7 => self.ipsr,
            8 => self.msp(),
            9 => self.psp(),
            16 => u32::from(self.primask),
            20 => u32::from(self.spsel) << 1 | u32::from(self.npriv),
            _ => 0,
        }
    }

    /// Writes special register `sysm`; read-only ones ignore it.
    pub(crate) fn write_special(&mut self, sysm: u32, value: u32) {
        let process = self.on_process_stack();
        match sysm {
            0..=3 => self.set_flags(value),
            8 if process => self.other_sp = value & !3,
            9 if !process => self.other_sp = value & !3,
            8 => self.begin_stack(value),
            9 => self.regs[13] = value & !3,
            16 => self.primask = value & 1 != 0,
            20 if self.ipsr == 0 => {
                self.npriv = value & 1 != 0;
                self.select_stack(value & 2 != 0);
            }
            _ => {} // IPSR, EPSR and unallocated numbers: writes are ignored
        }
    }
}
