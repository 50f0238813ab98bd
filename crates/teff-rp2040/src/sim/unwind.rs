//! Who has called the function that a core is in, told from the code of the functions on the way: compilers for ARMv6-M save LR in
//! a prologue (`push {.., lr}`, `sub sp`), leave SP where that put it, and return by `pop {.., pc}` or `bx lr`.

use super::Simulator;
use crate::load::Image;

/// Most callers that are told.
const DEPTH: usize = 32;
/// Most instructions between a place and the end of its function that are followed without a branch.
const STRAIGHT: usize = 24;

/// Bytes from the beginning of a function in which it saves LR, if it does.
const FARTHEST: u32 = 4096;

/// One instruction, as far as it moves SP.
enum Step {
    /// `push`: words, and whether LR is the last of them.
    Push(u32, bool),
    /// SP grows by so many bytes, or shrinks.
    Move(i32),
    /// `add sp, Rm`.
    AddRegister(usize),
    /// `ldr Rd, [pc, #..]`: the number of the register, and what it gets.
    Literal(usize, u32),
    /// `pop {.., pc}`, of so many words.
    PopPc(u32),
    /// `bx lr`.
    BxLr,
    Branch,
    Other,
}

/// Where a frame is: the program counter, the stack pointer, and LR where that still holds what the caller put there.
#[derive(Clone, Copy)]
struct Frame {
    pc: u32,
    sp: u32,
    lr: Option<u32>,
}

impl Simulator {
    /// Where `core` stands, then the place behind each call that has not returned, innermost first; through exceptions to what they
    /// interrupted. Functions and their beginnings are those of `image`; without its symbols (UF2, raw images) only the first caller is
    /// told. Ends where a function is met that keeps its return address in no way that compilers have.
    pub fn backtrace(&self, core: usize, image: &Image) -> Vec<u32> {
        let registers = [15, 13, 14].map(|i| self.register(core, i));
        let mut at = Frame { pc: registers[0], sp: registers[1], lr: Some(registers[2]) };
        let mut trace = vec![at.pc];
        while trace.len() <= DEPTH {
            let Some((to, sp)) = self.caller(at, image) else { break };
            at = match to {
                // EXC_RETURN (DDI 0419, B1.5.8); with bit 2 the frame is on the process stack.
                0xffff_fff1 | 0xffff_fff9 | 0xffff_fffd => {
                    let sp = if to & 4 != 0 { self.cores[core].psp() } else { sp };
                    let word = |i: u32| self.bus.peek_word(sp.wrapping_add(4 * i));
                    let (Some(lr), Some(pc), Some(xpsr)) = (word(5), word(6), word(7)) else { break };
                    Frame { pc, sp: sp.wrapping_add(32 + (xpsr >> 9 & 1) * 4), lr: Some(lr) }
                }
                _ if self.follows_call(to) => Frame { pc: to & !1, sp, lr: None },
                _ => break,
            };
            trace.push(at.pc);
        }
        trace
    }

    /// The address that the function at `frame` returns to, and SP then.
    fn caller(&self, frame: Frame, image: &Image) -> Option<(u32, u32)> {
        if let Some(found) = self.straight_to_return(frame) {
            return Some(found);
        }
        // A call may be the last instruction of its function.
        let inside = if frame.lr.is_none() { frame.pc.wrapping_sub(1) } else { frame.pc };
        let Some((function, _)) = image.function_at(inside) else {
            return Some((frame.lr?, frame.sp));
        };
        // Bytes that the prologue takes from SP, and how far below SP at entry LR lies.
        let (mut bytes, mut saved) = (0u32, None);
        let mut literals = [0; 8];
        let mut pc = function.addr;
        while pc < frame.pc.min(function.addr.saturating_add(FARTHEST)) {
            let (step, length) = self.step(pc)?;
            match step {
                Step::Push(words, lr) => {
                    // LR has the highest number, so it lies at the highest address.
                    saved = saved.or(lr.then_some(bytes + 4));
                    bytes += 4 * words;
                }
                Step::Move(by) if by < 0 => bytes += by.unsigned_abs(),
                Step::AddRegister(r) if r < 8 => bytes = bytes.wrapping_sub(literals[r]),
                Step::Literal(r, value) => literals[r] = value,
                // Before it saves LR a function may return early; behind that its stack stays as it is.
                Step::Branch if saved.is_some() => break,
                Step::Move(_) | Step::AddRegister(_) | Step::PopPc(_) => {}
                Step::Branch | Step::BxLr | Step::Other => {}
            }
            pc += length;
        }
        let entry = frame.sp.wrapping_add(bytes);
        let returns = match saved {
            Some(below) => self.bus.peek_word(entry.wrapping_sub(below)),
            None => frame.lr,
        };
        Some((returns?, entry))
    }

    /// The same, where no branch lies between the place and the return.
    fn straight_to_return(&self, frame: Frame) -> Option<(u32, u32)> {
        let Frame { mut pc, mut sp, lr } = frame;
        let mut literals = [0; 8];
        for _ in 0..STRAIGHT {
            let (step, length) = self.step(pc)?;
            match step {
                Step::Push(words, _) => sp = sp.wrapping_sub(4 * words),
                Step::Move(by) => sp = sp.wrapping_add_signed(by),
                Step::AddRegister(r) => sp = sp.wrapping_add(*literals.get(r)?),
                Step::Literal(r, value) => literals[r] = value,
                Step::PopPc(words) => {
                    let end = sp.wrapping_add(4 * words);
                    return Some((self.bus.peek_word(end.wrapping_sub(4))?, end));
                }
                Step::BxLr => return Some((lr?, sp)),
                Step::Branch => return None,
                Step::Other => {}
            }
            pc = pc.wrapping_add(length);
        }
        None
    }

    /// What the instruction at `pc` does to SP, and its length in bytes (DDI 0419, A6.7).
    fn step(&self, pc: u32) -> Option<(Step, u32)> {
        let half = |at: u32| self.bus.peek_word(at & !3).map(|word| word >> (8 * (at & 2)) & 0xffff);
        let h = half(pc)?;
        let (list, low) = ((h & 0xff).count_ones(), (h >> 3 & 15) as usize);
        let step = match h {
            0xb400..=0xb5ff => Step::Push(list + (h >> 8 & 1), h >> 8 & 1 == 1),
            0xbc00..=0xbcff => Step::Move(4 * list as i32),
            0xbd00..=0xbdff => Step::PopPc(list + 1),
            0xb000..=0xb07f => Step::Move(4 * (h & 0x7f) as i32),
            0xb080..=0xb0ff => Step::Move(-4 * (h & 0x7f) as i32),
            0x4770 => Step::BxLr,
            _ if h & 0xff87 == 0x4485 => Step::AddRegister(low),
            0x4800..=0x4fff => {
                let at = (pc.wrapping_add(4) & !3).wrapping_add(4 * (h & 0xff));
                Step::Literal((h >> 8 & 7) as usize, self.bus.peek_word(at)?)
            }
            // BX, BLX, `mov pc`, `mov sp`; conditional and plain branches, but SVC.
            0x4700..=0x47ff | 0xd000..=0xdeff | 0xe000..=0xe7ff => Step::Branch,
            _ if matches!(h & 0xff87, 0x4685 | 0x4687 | 0x4487) => Step::Branch,
            // BL is the only branch among those of 32 bits.
            0xf000..=0xffff => {
                let is_call = half(pc.wrapping_add(2))? >> 14 == 3;
                return Some((if is_call { Step::Branch } else { Step::Other }, 4));
            }
            _ => Step::Other,
        };
        Some((step, 2))
    }

    /// True for a Thumb address right behind BL or BLX.
    fn follows_call(&self, word: u32) -> bool {
        let half = |at: u32| self.bus.peek_word(at & !3).map_or(0, |word| word >> (8 * (at & 2)) & 0xffff);
        let at = word & !1;
        let bl = || half(at.wrapping_sub(4)) >> 11 == 0b11110 && half(at.wrapping_sub(2)) >> 14 == 3;
        word & 1 == 1 && (bl() || half(at.wrapping_sub(2)) & 0xff87 == 0x4780)
    }
}
