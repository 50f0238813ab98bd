//! The interpreter: one instruction at a time, with its cycles.
//!
//! Cycle counts are those of Arm DDI 0484C table 3-1 for the single-cycle multiplier; what that table leaves out
//! is marked below. An instruction that starts at cycle `t` fetches at `t` (once for each word of two
//! half-words), and its n-th data access happens at `t + n`; stalls push the rest back. A load or store
//! therefore ends one cycle after its access, which gives the documented 2 cycles, and 1 + N for lists.

use super::access::{load, store};
use super::op::{Op, Opcode};
use super::{Core, CoreState, NOT_FETCHED};
use crate::bus::Bus;
use crate::error::Fault;
use crate::probe::Probe;

/// Runs `core` until the run loop is needed: for interrupts and sleep, or because the run is over.
pub(crate) fn run<P: Probe>(core: &mut Core, bus: &mut Bus, probe: &mut P) {
    loop {
        if core.cycle >= bus.wires.sched.horizon {
            if !bus.catch_up(core.cycle) {
                return;
            }
            bus.contended = bus.dma.active;
        }
        step(core, bus, probe, u64::MAX);
    }
}

/// Runs both cores, always the one that is behind, until the run loop is needed.
pub(crate) fn run_both<P: Probe>(cores: &mut [Core; 2], bus: &mut Bus, probe: &mut P) {
    let [first, second] = cores;
    loop {
        while first.cycle <= second.cycle {
            if first.cycle >= bus.wires.sched.horizon && !bus.catch_up(first.cycle) {
                return;
            }
            step(first, bus, probe, second.cycle);
        }
        while second.cycle < first.cycle {
            if second.cycle >= bus.wires.sched.horizon && !bus.catch_up(second.cycle) {
                return;
            }
            step(second, bus, probe, first.cycle - 1);
        }
    }
}

/// Executes the instruction at the core's PC, or charges the stall of its fetch when an event falls into it. The core is the
/// next to go on up to cycle `ahead`.
#[inline(always)]
pub(crate) fn step<P: Probe>(core: &mut Core, bus: &mut Bus, probe: &mut P, ahead: u64) {
    let pc = core.pc;
    let begin = core.cycle;
    if pc.wrapping_sub(core.window.base) >= core.window.len {
        core.window = bus.fetch_window(pc);
    }
    let word = pc & !3;
    if word != core.fetched {
        if !core.fetch(word, bus) {
            return;
        }
        // An event that no core sees matters only if the other core goes on first then, or to who watches.
        let watched = P::ON || core.cycle > ahead;
        if core.cycle != begin
            && if watched { bus.event_in(begin, core.cycle) } else { core.cycle >= bus.wires.sched.horizon }
        {
            if P::ON {
                probe.stalled(core, pc, begin);
            }
            return;
        }
    }
    let index = core.window.index + (pc.wrapping_sub(core.window.base) >> 1) as usize;
    let mut op = bus.code.ops[index];
    if op.code == Opcode::Unknown {
        op = bus.decode_at(index, pc);
    }
    core.instructions += 1;
    execute(core, bus, op, pc);
    if P::ON {
        probe.retired(core, bus, pc, op, begin);
    }
}

/// Executes `op`, which stands at `pc`. Used directly to step over a planted breakpoint.
#[inline(always)]
pub(crate) fn execute(core: &mut Core, bus: &mut Bus, op: Op, pc: u32) {
    core.pc = pc.wrapping_add(2);
    if let Err(fault) = perform(core, bus, op, pc) {
        core.cycle += 1;
        core.take_fault(bus, fault, pc);
    }
}

macro_rules! branch_if {
    ($core:ident, $pc:ident, $op:ident, $cond:expr) => {
        if $cond {
            $core.jump($pc.wrapping_add(4).wrapping_add($op.imm as u32));
            $core.cycle += 2;
        } else {
            $core.cycle += 1;
        }
    };
}

/// `load!(core, bus, size, address) => register value transform`: one load with its two cycles.
macro_rules! load_to {
    ($core:ident, $bus:ident, $size:literal, $addr:expr, $rd:expr, $as:ty) => {{
        let mut at = $core.cycle + 1;
        let value = load::<$size>($core, $bus, $addr, &mut at)?;
        $core.regs[usize::from($rd & 15)] = value as $as as i32 as u32;
        $core.cycle = at + 1;
    }};
}

macro_rules! store_from {
    ($core:ident, $bus:ident, $size:literal, $addr:expr, $rd:expr) => {{
        let mut at = $core.cycle + 1;
        let value = $core.regs[usize::from($rd & 15)];
        store::<$size>($core, $bus, $addr, value, &mut at)?;
        $core.cycle = at + 1;
    }};
}

/// The instruction itself. On a fault nothing but loaded registers of a list has changed.
#[inline(always)]
fn perform(core: &mut Core, bus: &mut Bus, op: Op, pc: u32) -> Result<(), Fault> {
    macro_rules! r {
        ($i:ident) => {
            core.regs[usize::from(op.$i & 15)]
        };
    }
    // One-cycle results; the cycle is added where the arm ends.
    macro_rules! alu {
        ($value:expr) => {{
            let value = $value;
            r!(rd) = value;
            core.cycle += 1;
        }};
    }
    macro_rules! logic {
        ($value:expr) => {{
            let value = $value;
            core.set_nz(value);
            r!(rd) = value;
            core.cycle += 1;
        }};
    }
    // What sets flags or another state, and no register.
    macro_rules! only {
        ($set:expr) => {{
            $set;
            core.cycle += 1;
        }};
    }
    let imm = op.imm as u32;
    match op.code {
        Opcode::MovsReg => logic!(r!(rm)),
        Opcode::LslImm => alu!(core.lsl_flags(r!(rm), imm)),
        Opcode::LsrImm => alu!(core.lsr_flags(r!(rm), imm)),
        Opcode::AsrImm => alu!(core.asr_flags(r!(rm), imm)),
        Opcode::AddReg3 => alu!(core.add_flags(r!(rn), r!(rm))),
        Opcode::SubReg3 => alu!(core.sub_flags(r!(rn), r!(rm))),
        Opcode::AddImm => alu!(core.add_flags(r!(rn), imm)),
        Opcode::SubImm => alu!(core.sub_flags(r!(rn), imm)),
        Opcode::MovImm => logic!(imm),
        Opcode::CmpImm => only!(core.sub_flags(r!(rn), imm)),
        Opcode::And => logic!(r!(rn) & r!(rm)),
        Opcode::Eor => logic!(r!(rn) ^ r!(rm)),
        Opcode::LslReg => alu!(core.lsl_flags(r!(rn), r!(rm))),
        Opcode::LsrReg => alu!(core.lsr_flags(r!(rn), r!(rm))),
        Opcode::AsrReg => alu!(core.asr_flags(r!(rn), r!(rm))),
        Opcode::Adc => alu!(core.adc_flags(r!(rn), r!(rm))),
        Opcode::Sbc => alu!(core.adc_flags(r!(rn), !r!(rm))),
        Opcode::RorReg => alu!(core.ror_flags(r!(rn), r!(rm))),
        Opcode::Tst => only!(core.set_nz(r!(rn) & r!(rm))),
        Opcode::Rsb => alu!(core.sub_flags(0, r!(rm))),
        Opcode::CmpReg => only!(core.sub_flags(r!(rn), r!(rm))),
        Opcode::Cmn => only!(core.add_flags(r!(rn), r!(rm))),
        Opcode::Orr => logic!(r!(rn) | r!(rm)),
        Opcode::Mul => logic!(r!(rn).wrapping_mul(r!(rm))),
        Opcode::Bic => logic!(r!(rn) & !r!(rm)),
        Opcode::Mvn => logic!(!r!(rm)),
        Opcode::AddHigh => alu!(r!(rd).wrapping_add(r!(rm))),
        Opcode::MovHigh => alu!(r!(rm)),
        Opcode::AddSpecial | Opcode::MovSpecial | Opcode::CmpHigh => special(core, op, pc),
        Opcode::Bx | Opcode::Blx => return branch_exchange(core, bus, op, pc),
        Opcode::LdrLiteral => {
            load_to!(core, bus, 4, (pc.wrapping_add(4) & !3).wrapping_add(imm), op.rd, u32)
        }
        Opcode::StrReg => store_from!(core, bus, 4, r!(rn).wrapping_add(r!(rm)), op.rd),
        Opcode::StrhReg => store_from!(core, bus, 2, r!(rn).wrapping_add(r!(rm)), op.rd),
        Opcode::StrbReg => store_from!(core, bus, 1, r!(rn).wrapping_add(r!(rm)), op.rd),
        Opcode::LdrsbReg => load_to!(core, bus, 1, r!(rn).wrapping_add(r!(rm)), op.rd, i8),
        Opcode::LdrReg => load_to!(core, bus, 4, r!(rn).wrapping_add(r!(rm)), op.rd, u32),
        Opcode::LdrhReg => load_to!(core, bus, 2, r!(rn).wrapping_add(r!(rm)), op.rd, u16),
        Opcode::LdrbReg => load_to!(core, bus, 1, r!(rn).wrapping_add(r!(rm)), op.rd, u8),
        Opcode::LdrshReg => load_to!(core, bus, 2, r!(rn).wrapping_add(r!(rm)), op.rd, i16),
        Opcode::StrImm => store_from!(core, bus, 4, r!(rn).wrapping_add(imm), op.rd),
        Opcode::LdrImm => load_to!(core, bus, 4, r!(rn).wrapping_add(imm), op.rd, u32),
        Opcode::StrbImm => store_from!(core, bus, 1, r!(rn).wrapping_add(imm), op.rd),
        Opcode::LdrbImm => load_to!(core, bus, 1, r!(rn).wrapping_add(imm), op.rd, u8),
        Opcode::StrhImm => store_from!(core, bus, 2, r!(rn).wrapping_add(imm), op.rd),
        Opcode::LdrhImm => load_to!(core, bus, 2, r!(rn).wrapping_add(imm), op.rd, u16),
        Opcode::Adr => alu!((pc.wrapping_add(4) & !3).wrapping_add(imm)),
        Opcode::AddSpImm => alu!(core.regs[13].wrapping_add(imm)),
        Opcode::AdjustSp => only!(core.move_sp(core.regs[13].wrapping_add(imm))),
        Opcode::Sxth => alu!(r!(rm) as i16 as u32),
        Opcode::Sxtb => alu!(r!(rm) as i8 as u32),
        Opcode::Uxth => alu!(r!(rm) & 0xffff),
        Opcode::Uxtb => alu!(r!(rm) & 0xff),
        Opcode::Push => return push(core, bus, imm),
        Opcode::Pop => return pop(core, bus, imm),
        Opcode::PopPc => return pop_pc(core, bus, imm),
        Opcode::Rev => alu!(r!(rm).swap_bytes()),
        Opcode::Rev16 => alu!(r!(rm).swap_bytes().rotate_left(16)),
        Opcode::Revsh => alu!((r!(rm) as u16).swap_bytes() as i16 as u32),
        Opcode::Stm => return store_multiple(core, bus, op),
        Opcode::Ldm => return load_multiple(core, bus, op),
        Opcode::Beq => branch_if!(core, pc, op, core.z == 0),
        Opcode::Bne => branch_if!(core, pc, op, core.z != 0),
        Opcode::Bcs => branch_if!(core, pc, op, core.c != 0),
        Opcode::Bcc => branch_if!(core, pc, op, core.c == 0),
        Opcode::Bmi => branch_if!(core, pc, op, core.n >> 31 != 0),
        Opcode::Bpl => branch_if!(core, pc, op, core.n >> 31 == 0),
        Opcode::Bvs => branch_if!(core, pc, op, core.v != 0),
        Opcode::Bvc => branch_if!(core, pc, op, core.v == 0),
        Opcode::Bhi => branch_if!(core, pc, op, core.c != 0 && core.z != 0),
        Opcode::Bls => branch_if!(core, pc, op, core.c == 0 || core.z == 0),
        Opcode::Bge => branch_if!(core, pc, op, core.n >> 31 == core.v),
        Opcode::Blt => branch_if!(core, pc, op, core.n >> 31 != core.v),
        Opcode::Bgt => branch_if!(core, pc, op, core.z != 0 && core.n >> 31 == core.v),
        Opcode::Ble => branch_if!(core, pc, op, core.z == 0 || core.n >> 31 != core.v),
        Opcode::B => branch_if!(core, pc, op, true),
        Opcode::Bl => {
            // The second half-word needs a fetch of its own when it lies in the next word.
            if pc & 2 != 0 && !core.fetch((pc & !3).wrapping_add(4), bus) {
                return Ok(());
            }
            core.regs[14] = pc.wrapping_add(4) | 1;
            core.jump(pc.wrapping_add(4).wrapping_add(imm));
            core.cycle += 3;
        }
        Opcode::Nop => core.cycle += 1,
        Opcode::Sev => only!(bus.send_event()),
        Opcode::Wfe | Opcode::Wfi | Opcode::Cps | Opcode::Msr | Opcode::Mrs | Opcode::Barrier => {
            system(core, bus, op, pc)
        }
        Opcode::Svc => {
            core.cycle += 1;
            return core.supervisor_call(bus);
        }
        Opcode::Bkpt => {
            core.pc = pc;
            core.state = CoreState::AtBkpt(imm as u8);
            bus.wires.sched.interrupt_run();
        }
        Opcode::Stop => {
            core.pc = pc;
            core.state = CoreState::AtStop;
            core.instructions -= 1;
            bus.wires.sched.interrupt_run();
        }
        Opcode::Native => {
            bus.heed(core.cycle);
            return crate::rom::call(core, bus, imm);
        }
        Opcode::Undefined | Opcode::Unknown => return Err(Fault::Undefined),
    }
    Ok(())
}

/// ADD, MOV and CMP with PC among their registers or SP as destination.
#[inline(never)]
fn special(core: &mut Core, op: Op, pc: u32) {
    let read = |i: u8| if i == 15 { pc.wrapping_add(4) } else { core.regs[usize::from(i & 15)] };
    let (a, b) = (read(op.rn), read(op.rm));
    if op.code == Opcode::CmpHigh {
        core.sub_flags(a, b);
        core.cycle += 1;
        return;
    }
    let value = if op.code == Opcode::AddSpecial { a.wrapping_add(b) } else { b };
    core.cycle += 1;
    match op.rd {
        15 => {
            core.jump(value & !1);
            core.cycle += 1;
        }
        13 => core.move_sp(value & !3),
        rd => core.regs[usize::from(rd & 15)] = value,
    }
}

#[inline(always)]
fn branch_exchange(core: &mut Core, bus: &mut Bus, op: Op, pc: u32) -> Result<(), Fault> {
    let target = if op.rm == 15 { pc.wrapping_add(4) } else { core.regs[usize::from(op.rm & 15)] };
    if op.code == Opcode::Blx {
        core.regs[14] = pc.wrapping_add(2) | 1;
    } else if core.ipsr != 0 && target >> 28 == 0xf {
        core.cycle += 2;
        return core.exception_return(bus, target);
    }
    core.cycle += 2;
    core.branch_interworking(target)
}

/// Stores the registers of `list` from `addr` on; returns the address after the last and its access cycle.
#[inline(always)]
fn store_list(core: &mut Core, bus: &mut Bus, list: u32, mut addr: u32) -> Result<(u32, u64), Fault> {
    let (mut at, mut left) = (core.cycle, list);
    while left != 0 {
        let i = left.trailing_zeros() as usize;
        at += 1;
        let value = core.regs[i & 15];
        store::<4>(core, bus, addr, value, &mut at)?;
        addr = addr.wrapping_add(4);
        left &= left - 1;
    }
    Ok((addr, at))
}

#[inline(always)]
fn push(core: &mut Core, bus: &mut Bus, list: u32) -> Result<(), Fault> {
    let base = core.regs[13].wrapping_sub(4 * list.count_ones());
    let (_, at) = store_list(core, bus, list, base)?;
    core.move_sp(base);
    core.cycle = at + 1;
    Ok(())
}

/// Loads the registers of `list` from `addr` on; returns the address after the last and its access cycle.
#[inline(always)]
fn load_list(core: &mut Core, bus: &mut Bus, list: u32, mut addr: u32) -> Result<(u32, u64), Fault> {
    let (mut at, mut left) = (core.cycle, list);
    while left != 0 {
        let i = left.trailing_zeros() as usize;
        at += 1;
        core.regs[i & 15] = load::<4>(core, bus, addr, &mut at)?;
        addr = addr.wrapping_add(4);
        left &= left - 1;
    }
    Ok((addr, at))
}

#[inline(always)]
fn pop(core: &mut Core, bus: &mut Bus, list: u32) -> Result<(), Fault> {
    let (sp, at) = load_list(core, bus, list, core.regs[13])?;
    core.regs[13] = sp;
    core.cycle = at + 1;
    Ok(())
}

#[inline(always)]
fn pop_pc(core: &mut Core, bus: &mut Bus, list: u32) -> Result<(), Fault> {
    let (sp, mut at) = load_list(core, bus, list, core.regs[13])?;
    at += 1;
    let target = load::<4>(core, bus, sp, &mut at)?;
    core.regs[13] = sp.wrapping_add(4);
    core.cycle = at + 3;
    if core.ipsr != 0 && target >> 28 == 0xf {
        return core.exception_return(bus, target);
    }
    core.branch_interworking(target)
}

#[inline(always)]
fn store_multiple(core: &mut Core, bus: &mut Bus, op: Op) -> Result<(), Fault> {
    let base = usize::from(op.rn & 15);
    let (end, at) = store_list(core, bus, op.imm as u32, core.regs[base])?;
    core.regs[base] = end;
    core.cycle = at + 1;
    Ok(())
}

#[inline(always)]
fn load_multiple(core: &mut Core, bus: &mut Bus, op: Op) -> Result<(), Fault> {
    let list = op.imm as u32;
    let base = usize::from(op.rn & 15);
    let (end, at) = load_list(core, bus, list, core.regs[base])?;
    // The base is written back unless it was among the registers loaded (DDI 0419 A6.7.25).
    if list >> base & 1 == 0 {
        core.regs[base] = end;
    }
    core.cycle = at + 1;
    Ok(())
}

/// Sleep, masks and special registers. MRS, MSR and the barriers take 3 cycles; the TRM's table gives CPS 1 and
/// WFE and WFI 2 (the sleep itself apart).
#[inline(never)]
fn system(core: &mut Core, bus: &mut Bus, op: Op, pc: u32) {
    match op.code {
        Opcode::Wfe => {
            core.cycle += 2;
            if !bus.take_event(core.id) {
                core.state = CoreState::WaitEvent;
                bus.wires.sched.interrupt_run();
            }
        }
        Opcode::Wfi => {
            core.cycle += 2;
            core.state = CoreState::WaitInterrupt;
            bus.wires.sched.interrupt_run();
        }
        Opcode::Cps => {
            core.primask = op.imm != 0;
            core.cycle += 1;
            bus.wires.sched.interrupt_run();
        }
        Opcode::Msr => {
            let value = core.regs[usize::from(op.rn & 15)];
            core.write_special(op.imm as u32, value);
            core.pc = pc.wrapping_add(4);
            core.cycle += 3;
            bus.wires.sched.interrupt_run();
        }
        Opcode::Mrs => {
            core.regs[usize::from(op.rd & 15)] = core.read_special(op.imm as u32);
            core.pc = pc.wrapping_add(4);
            core.cycle += 3;
        }
        _ => {
            // A barrier drops what was fetched ahead.
            core.pc = pc.wrapping_add(4);
            core.fetched = NOT_FETCHED;
            core.cycle += 3;
        }
    }
}
