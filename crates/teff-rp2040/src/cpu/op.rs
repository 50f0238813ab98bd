//! Pre-decoded instructions.
//!
//! Every half-word of executable memory has one [`Op`] beside it, decoded the first time it runs and forgotten
//! when the half-word is written. All ARMv6-M encodings (Arm DDI 0419, chapters A5 and A6) map to one of these
//! opcodes; whatever the manual calls UNDEFINED maps to [`Opcode::Undefined`]. Offsets stay relative to the
//! instruction, because the same flash word is visible at four addresses.

/// Declares the opcodes, many to a line.
macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What an instruction does: an opcode for each form that executes or costs differently.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Opcode { $($(#[$doc])* $name),* }
    };
}

opcodes![
    /// Not decoded yet, or overwritten since.
    Unknown,
    MovsReg, LslImm, LsrImm, AsrImm, AddReg3, SubReg3, AddImm, SubImm, MovImm, CmpImm,
    And, Eor, LslReg, LsrReg, AsrReg, Adc, Sbc, RorReg, Tst, Rsb, CmpReg, Cmn, Orr, Mul, Bic, Mvn,
    /// `ADD Rd, Rm` and `MOV Rd, Rm` that touch neither PC nor SP as destination.
    AddHigh, MovHigh,
    /// The same with PC as a source or destination, or SP as a destination (whose low bits read as zero).
    AddSpecial, MovSpecial,
    CmpHigh, Bx, Blx, LdrLiteral,
    StrReg, StrhReg, StrbReg, LdrsbReg, LdrReg, LdrhReg, LdrbReg, LdrshReg,
    StrImm, LdrImm, StrbImm, LdrbImm, StrhImm, LdrhImm,
    Adr, AddSpImm, AdjustSp, Sxth, Sxtb, Uxth, Uxtb, Push, Pop, PopPc, Rev, Rev16, Revsh,
    Cps, Bkpt, Nop, Wfe, Wfi, Sev, Stm, Ldm,
    Beq, Bne, Bcs, Bcc, Bmi, Bpl, Bvs, Bvc, Bhi, Bls, Bge, Blt, Bgt, Ble, B, Bl,
    Svc, Msr, Mrs, Barrier, Undefined,
    /// A function of the simulated boot ROM that runs on the host; `imm` is its number.
    Native,
    /// A breakpoint of the simulator, planted over the real instruction.
    Stop,
];

/// One decoded instruction, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Op {
    pub(crate) code: Opcode,
    pub(crate) rd: u8,
    pub(crate) rn: u8,
    pub(crate) rm: u8,
    /// Immediate, byte offset from the instruction's PC (its address + 4), register list or system register.
    pub(crate) imm: i32,
}

impl Op {
    pub(crate) const UNKNOWN: Op = Op::new(Opcode::Unknown, 0, 0, 0, 0);

    pub(crate) const fn new(code: Opcode, rd: u16, rn: u16, rm: u16, imm: i32) -> Op {
        Op { code, rd: rd as u8, rn: rn as u8, rm: rm as u8, imm }
    }
}

/// True when `first` opens a 32-bit encoding (DDI 0419 A5.1).
pub(crate) const fn is_wide(first: u16) -> bool {
    first >= 0xe800
}

/// Decodes the instruction `first`, with `second` the half-word after it (read only by 32-bit encodings).
pub(crate) fn decode(first: u16, second: u16) -> Op {
    let i = first;
    let (low0, low3, low6) = (i & 7, i >> 3 & 7, i >> 6 & 7);
    let imm8 = i32::from(i & 0xff);
    let imm5 = i32::from(i >> 6 & 31);
    let reg8 = i >> 8 & 7;
    match i >> 11 {
        0b00000 if imm5 == 0 => Op::new(Opcode::MovsReg, low0, 0, low3, 0),
        0b00000 => Op::new(Opcode::LslImm, low0, 0, low3, imm5),
        0b00001 => Op::new(Opcode::LsrImm, low0, 0, low3, if imm5 == 0 { 32 } else { imm5 }),
        0b00010 => Op::new(Opcode::AsrImm, low0, 0, low3, if imm5 == 0 { 32 } else { imm5 }),
        0b00011 => match i >> 9 & 3 {
            0 => Op::new(Opcode::AddReg3, low0, low3, low6, 0),
            1 => Op::new(Opcode::SubReg3, low0, low3, low6, 0),
            2 => Op::new(Opcode::AddImm, low0, low3, 0, i32::from(low6)),
            _ => Op::new(Opcode::SubImm, low0, low3, 0, i32::from(low6)),
        },
        0b00100 => Op::new(Opcode::MovImm, reg8, 0, 0, imm8),
        0b00101 => Op::new(Opcode::CmpImm, 0, reg8, 0, imm8),
        0b00110 => Op::new(Opcode::AddImm, reg8, reg8, 0, imm8),
        0b00111 => Op::new(Opcode::SubImm, reg8, reg8, 0, imm8),
        0b01000 if i & 0x400 == 0 => decode_data_processing(i),
        0b01000 => decode_high_registers(i),
        0b01001 => Op::new(Opcode::LdrLiteral, reg8, 0, 0, imm8 * 4),
        0b01010 | 0b01011 => Op::new(LOADS_AND_STORES[usize::from(i >> 9 & 7)], low0, low3, low6, 0),
        0b01100 => Op::new(Opcode::StrImm, low0, low3, 0, imm5 * 4),
        0b01101 => Op::new(Opcode::LdrImm, low0, low3, 0, imm5 * 4),
        0b01110 => Op::new(Opcode::StrbImm, low0, low3, 0, imm5),
        0b01111 => Op::new(Opcode::LdrbImm, low0, low3, 0, imm5),
        0b10000 => Op::new(Opcode::StrhImm, low0, low3, 0, imm5 * 2),
        0b10001 => Op::new(Opcode::LdrhImm, low0, low3, 0, imm5 * 2),
        0b10010 => Op::new(Opcode::StrImm, reg8, 13, 0, imm8 * 4),
        0b10011 => Op::new(Opcode::LdrImm, reg8, 13, 0, imm8 * 4),
        0b10100 => Op::new(Opcode::Adr, reg8, 0, 0, imm8 * 4),
        0b10101 => Op::new(Opcode::AddSpImm, reg8, 13, 0, imm8 * 4),
        0b10110 | 0b10111 => decode_miscellaneous(i),
        0b11000 => Op::new(Opcode::Stm, 0, reg8, 0, imm8),
        0b11001 => Op::new(Opcode::Ldm, 0, reg8, 0, imm8),
        0b11010 | 0b11011 => decode_conditional(i),
        0b11100 => Op::new(Opcode::B, 0, 0, 0, i32::from((i << 5) as i16) >> 4),
        0b11110 => decode_wide(first, second),
        _ => Op::new(Opcode::Undefined, 0, 0, 0, 0),
    }
}

/// Opcodes in the order of their encodings.
const LOADS_AND_STORES: [Opcode; 8] = {
    use Opcode::*;
    [StrReg, StrhReg, StrbReg, LdrsbReg, LdrReg, LdrhReg, LdrbReg, LdrshReg]
};
const DATA_PROCESSING: [Opcode; 16] = {
    use Opcode::*;
    [And, Eor, LslReg, LsrReg, AsrReg, Adc, Sbc, RorReg, Tst, Rsb, CmpReg, Cmn, Orr, Mul, Bic, Mvn]
};
/// Of conditional branches; what stands in the place of the last two is no branch.
const CONDITIONAL: [Opcode; 16] = {
    use Opcode::*;
    [Beq, Bne, Bcs, Bcc, Bmi, Bpl, Bvs, Bvc, Bhi, Bls, Bge, Blt, Bgt, Ble, Undefined, Svc]
};

/// Two-register operations (DDI 0419 A5.2.2).
fn decode_data_processing(i: u16) -> Op {
    Op::new(DATA_PROCESSING[usize::from(i >> 6 & 15)], i & 7, i & 7, i >> 3 & 7, 0)
}

/// Operations on all sixteen registers, and branches to a register (DDI 0419 A5.2.3).
fn decode_high_registers(i: u16) -> Op {
    let rm = i >> 3 & 15;
    let rd = i & 7 | i >> 4 & 8;
    let special = rm == 15 || rd == 15 || rd == 13;
    match i >> 8 & 3 {
        0 if special => Op::new(Opcode::AddSpecial, rd, rd, rm, 0),
        0 => Op::new(Opcode::AddHigh, rd, rd, rm, 0),
        1 => Op::new(Opcode::CmpHigh, 0, rd, rm, 0),
        2 if special => Op::new(Opcode::MovSpecial, rd, 0, rm, 0),
        2 => Op::new(Opcode::MovHigh, rd, 0, rm, 0),
        _ if i & 0x80 == 0 => Op::new(Opcode::Bx, 0, 0, rm, 0),
        _ => Op::new(Opcode::Blx, 0, 0, rm, 0),
    }
}

/// Miscellaneous 16-bit instructions (DDI 0419 A5.2.5).
fn decode_miscellaneous(i: u16) -> Op {
    let (rd, rm, list) = (i & 7, i >> 3 & 7, i32::from(i & 0xff));
    match i >> 8 & 15 {
        0b0000 => {
            let bytes = i32::from(i & 0x7f) * 4;
            Op::new(Opcode::AdjustSp, 0, 0, 0, if i & 0x80 == 0 { bytes } else { -bytes })
        }
        0b0010 => {
            let code = [Opcode::Sxth, Opcode::Sxtb, Opcode::Uxth, Opcode::Uxtb][usize::from(i >> 6 & 3)];
            Op::new(code, rd, 0, rm, 0)
        }
        0b0100 => Op::new(Opcode::Push, 0, 0, 0, list),
        0b0101 => Op::new(Opcode::Push, 0, 0, 0, list | 0x4000),
        0b0110 if i & 0xef == 0x62 => Op::new(Opcode::Cps, 0, 0, 0, i32::from(i >> 4 & 1)),
        0b1010 => match i >> 6 & 3 {
            0 => Op::new(Opcode::Rev, rd, 0, rm, 0),
            1 => Op::new(Opcode::Rev16, rd, 0, rm, 0),
            3 => Op::new(Opcode::Revsh, rd, 0, rm, 0),
            _ => Op::new(Opcode::Undefined, 0, 0, 0, 0),
        },
        0b1100 => Op::new(Opcode::Pop, 0, 0, 0, list),
        0b1101 => Op::new(Opcode::PopPc, 0, 0, 0, list),
        0b1110 => Op::new(Opcode::Bkpt, 0, 0, 0, list),
        0b1111 if i & 15 == 0 => match i >> 4 & 15 {
            2 => Op::new(Opcode::Wfe, 0, 0, 0, 0),
            3 => Op::new(Opcode::Wfi, 0, 0, 0, 0),
            4 => Op::new(Opcode::Sev, 0, 0, 0, 0),
            _ => Op::new(Opcode::Nop, 0, 0, 0, 0),
        },
        _ => Op::new(Opcode::Undefined, 0, 0, 0, 0),
    }
}

/// Conditional branches, and the two encodings that take the place of conditions 14 and 15.
fn decode_conditional(i: u16) -> Op {
    let code = CONDITIONAL[usize::from(i >> 8 & 15)];
    let branches = !matches!(code, Opcode::Undefined | Opcode::Svc);
    let imm = if branches { i32::from(i as u8 as i8) * 2 } else { i32::from(i & 0xff) };
    Op::new(code, 0, 0, 0, imm)
}

/// The six 32-bit instructions of ARMv6-M (DDI 0419 A5.3).
fn decode_wide(first: u16, second: u16) -> Op {
    if second & 0xd000 == 0xd000 {
        let sign = i32::from(first >> 10 & 1);
        // I1 and I2: J1 and J2 exclusive-or the sign, inverted.
        let [i1, i2] = [13, 11].map(|bit| 1 ^ i32::from(second >> bit & 1) ^ sign);
        let (high, low) = (i32::from(first & 0x3ff), i32::from(second & 0x7ff));
        let offset = -sign << 24 | i1 << 23 | i2 << 22 | high << 12 | low << 1;
        return Op::new(Opcode::Bl, 0, 0, 0, offset);
    }
    match (first & 0xfff0, second & 0xff00) {
        (0xf380, 0x8800) => Op::new(Opcode::Msr, 0, first & 15, 0, i32::from(second & 0xff)),
        (0xf3b0, 0x8f00) if first & 15 == 15 && matches!(second >> 4 & 15, 4..=6) => {
            Op::new(Opcode::Barrier, 0, 0, 0, i32::from(second >> 4 & 15))
        }
        (0xf3e0, _) if first & 15 == 15 && second & 0xf000 == 0x8000 => {
            Op::new(Opcode::Mrs, second >> 8 & 15, 0, 0, i32::from(second & 0xff))
        }
        _ => Op::new(Opcode::Undefined, 0, 0, 0, 0),
    }
}
