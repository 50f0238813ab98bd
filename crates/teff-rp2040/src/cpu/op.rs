//! Pre-decoded instructions.
//!
//! Every half-word of executable memory has one [`Op`] beside it, decoded the first time it runs and forgotten
//! when the half-word is written. All ARMv6-M encodings (Arm DDI 0419, chapters A5 and A6) map to one of these
//! kinds; whatever the manual calls UNDEFINED maps to [`Kind::Undefined`]. Offsets stay relative to the
//! instruction, because the same flash word is visible at four addresses.

/// What an instruction does, one kind for each form that executes or costs differently.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Not decoded yet, or overwritten since.
    Unknown = 0,
    MovsReg,
    LslImm,
    LsrImm,
    AsrImm,
    AddReg3,
    SubReg3,
    AddImm,
    SubImm,
    MovImm,
    CmpImm,
    And,
    Eor,
    LslReg,
    LsrReg,
    AsrReg,
    Adc,
    Sbc,
    RorReg,
    Tst,
    Rsb,
    CmpReg,
    Cmn,
    Orr,
    Mul,
    Bic,
    Mvn,
    /// `ADD Rd, Rm` and `MOV Rd, Rm` that touch neither PC nor SP as destination.
    AddHigh,
    MovHigh,
    /// The same with PC as a source or destination, or SP as a destination (whose low bits read as zero).
    AddSpecial,
    MovSpecial,
    CmpHigh,
    Bx,
    Blx,
    LdrLiteral,
    StrReg,
    StrhReg,
    StrbReg,
    LdrsbReg,
    LdrReg,
    LdrhReg,
    LdrbReg,
    LdrshReg,
    StrImm,
    LdrImm,
    StrbImm,
    LdrbImm,
    StrhImm,
    LdrhImm,
    Adr,
    AddSpImm,
    AdjustSp,
    Sxth,
    Sxtb,
    Uxth,
    Uxtb,
    Push,
    Pop,
    PopPc,
    Rev,
    Rev16,
    Revsh,
    Cps,
    Bkpt,
    Nop,
    Wfe,
    Wfi,
    Sev,
    Stm,
    Ldm,
    Beq,
    Bne,
    Bcs,
    Bcc,
    Bmi,
    Bpl,
    Bvs,
    Bvc,
    Bhi,
    Bls,
    Bge,
    Blt,
    Bgt,
    Ble,
    B,
    Bl,
    Svc,
    Msr,
    Mrs,
    Barrier,
    Undefined,
    /// A function of the simulated boot ROM that runs on the host; `imm` is its number.
    Native,
    /// A breakpoint of the simulator, planted over the real instruction.
    Stop,
}

/// One decoded instruction, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    pub(crate) rd: u8,
    pub(crate) rn: u8,
    pub(crate) rm: u8,
    /// Immediate, byte offset from the instruction's PC (its address + 4), register list or system register.
    pub(crate) imm: i32,
}

impl Op {
    pub(crate) const UNKNOWN: Op = Op::new(Kind::Unknown, 0, 0, 0, 0);

    pub(crate) const fn new(kind: Kind, rd: u16, rn: u16, rm: u16, imm: i32) -> Op {
        Op { kind, rd: rd as u8, rn: rn as u8, rm: rm as u8, imm }
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
        0b00000 if imm5 == 0 => Op::new(Kind::MovsReg, low0, 0, low3, 0),
        0b00000 => Op::new(Kind::LslImm, low0, 0, low3, imm5),
        0b00001 => Op::new(Kind::LsrImm, low0, 0, low3, if imm5 == 0 { 32 } else { imm5 }),
        0b00010 => Op::new(Kind::AsrImm, low0, 0, low3, if imm5 == 0 { 32 } else { imm5 }),
        0b00011 => match i >> 9 & 3 {
            0 => Op::new(Kind::AddReg3, low0, low3, low6, 0),
            1 => Op::new(Kind::SubReg3, low0, low3, low6, 0),
            2 => Op::new(Kind::AddImm, low0, low3, 0, i32::from(low6)),
            _ => Op::new(Kind::SubImm, low0, low3, 0, i32::from(low6)),
        },
        0b00100 => Op::new(Kind::MovImm, reg8, 0, 0, imm8),
        0b00101 => Op::new(Kind::CmpImm, 0, reg8, 0, imm8),
        0b00110 => Op::new(Kind::AddImm, reg8, reg8, 0, imm8),
        0b00111 => Op::new(Kind::SubImm, reg8, reg8, 0, imm8),
        0b01000 if i & 0x400 == 0 => decode_data_processing(i),
        0b01000 => decode_high_registers(i),
        0b01001 => Op::new(Kind::LdrLiteral, reg8, 0, 0, imm8 * 4),
        0b01010 | 0b01011 => {
            let kind = [
                Kind::StrReg,
                Kind::StrhReg,
                Kind::StrbReg,
                Kind::LdrsbReg,
                Kind::LdrReg,
                Kind::LdrhReg,
                Kind::LdrbReg,
                Kind::LdrshReg,
            ][usize::from(i >> 9 & 7)];
            Op::new(kind, low0, low3, low6, 0)
        }
        0b01100 => Op::new(Kind::StrImm, low0, low3, 0, imm5 * 4),
        0b01101 => Op::new(Kind::LdrImm, low0, low3, 0, imm5 * 4),
        0b01110 => Op::new(Kind::StrbImm, low0, low3, 0, imm5),
        0b01111 => Op::new(Kind::LdrbImm, low0, low3, 0, imm5),
        0b10000 => Op::new(Kind::StrhImm, low0, low3, 0, imm5 * 2),
        0b10001 => Op::new(Kind::LdrhImm, low0, low3, 0, imm5 * 2),
        0b10010 => Op::new(Kind::StrImm, reg8, 13, 0, imm8 * 4),
        0b10011 => Op::new(Kind::LdrImm, reg8, 13, 0, imm8 * 4),
        0b10100 => Op::new(Kind::Adr, reg8, 0, 0, imm8 * 4),
        0b10101 => Op::new(Kind::AddSpImm, reg8, 13, 0, imm8 * 4),
        0b10110 | 0b10111 => decode_miscellaneous(i),
        0b11000 => Op::new(Kind::Stm, 0, reg8, 0, imm8),
        0b11001 => Op::new(Kind::Ldm, 0, reg8, 0, imm8),
        0b11010 | 0b11011 => decode_conditional(i),
        0b11100 => Op::new(Kind::B, 0, 0, 0, i32::from((i << 5) as i16) >> 4),
        0b11110 => decode_wide(first, second),
        _ => Op::new(Kind::Undefined, 0, 0, 0, 0),
    }
}

/// Two-register operations (DDI 0419 A5.2.2).
fn decode_data_processing(i: u16) -> Op {
    let kind = [
        Kind::And,
        Kind::Eor,
        Kind::LslReg,
        Kind::LsrReg,
        Kind::AsrReg,
        Kind::Adc,
        Kind::Sbc,
        Kind::RorReg,
        Kind::Tst,
        Kind::Rsb,
        Kind::CmpReg,
        Kind::Cmn,
        Kind::Orr,
        Kind::Mul,
        Kind::Bic,
        Kind::Mvn,
    ][usize::from(i >> 6 & 15)];
    Op::new(kind, i & 7, i & 7, i >> 3 & 7, 0)
}

/// Operations on all sixteen registers, and branches to a register (DDI 0419 A5.2.3).
fn decode_high_registers(i: u16) -> Op {
    let rm = i >> 3 & 15;
    let rd = i & 7 | i >> 4 & 8;
    let special = rm == 15 || rd == 15 || rd == 13;
    match i >> 8 & 3 {
        0 if special => Op::new(Kind::AddSpecial, rd, rd, rm, 0),
        0 => Op::new(Kind::AddHigh, rd, rd, rm, 0),
        1 => Op::new(Kind::CmpHigh, 0, rd, rm, 0),
        2 if special => Op::new(Kind::MovSpecial, rd, 0, rm, 0),
        2 => Op::new(Kind::MovHigh, rd, 0, rm, 0),
        _ if i & 0x80 == 0 => Op::new(Kind::Bx, 0, 0, rm, 0),
        _ => Op::new(Kind::Blx, 0, 0, rm, 0),
    }
}

/// Miscellaneous 16-bit instructions (DDI 0419 A5.2.5).
fn decode_miscellaneous(i: u16) -> Op {
    let (rd, rm, list) = (i & 7, i >> 3 & 7, i32::from(i & 0xff));
    match i >> 8 & 15 {
        0b0000 => {
            let bytes = i32::from(i & 0x7f) * 4;
            Op::new(Kind::AdjustSp, 0, 0, 0, if i & 0x80 == 0 { bytes } else { -bytes })
        }
        0b0010 => {
            let kind = [Kind::Sxth, Kind::Sxtb, Kind::Uxth, Kind::Uxtb][usize::from(i >> 6 & 3)];
            Op::new(kind, rd, 0, rm, 0)
        }
        0b0100 => Op::new(Kind::Push, 0, 0, 0, list),
        0b0101 => Op::new(Kind::Push, 0, 0, 0, list | 0x4000),
        0b0110 if i & 0xef == 0x62 => Op::new(Kind::Cps, 0, 0, 0, i32::from(i >> 4 & 1)),
        0b1010 => match i >> 6 & 3 {
            0 => Op::new(Kind::Rev, rd, 0, rm, 0),
            1 => Op::new(Kind::Rev16, rd, 0, rm, 0),
            3 => Op::new(Kind::Revsh, rd, 0, rm, 0),
            _ => Op::new(Kind::Undefined, 0, 0, 0, 0),
        },
        0b1100 => Op::new(Kind::Pop, 0, 0, 0, list),
        0b1101 => Op::new(Kind::PopPc, 0, 0, 0, list),
        0b1110 => Op::new(Kind::Bkpt, 0, 0, 0, list),
        0b1111 if i & 15 == 0 => match i >> 4 & 15 {
            2 => Op::new(Kind::Wfe, 0, 0, 0, 0),
            3 => Op::new(Kind::Wfi, 0, 0, 0, 0),
            4 => Op::new(Kind::Sev, 0, 0, 0, 0),
            _ => Op::new(Kind::Nop, 0, 0, 0, 0),
        },
        _ => Op::new(Kind::Undefined, 0, 0, 0, 0),
    }
}

/// Conditional branches, and the two encodings that take the place of conditions 14 and 15.
fn decode_conditional(i: u16) -> Op {
    let offset = i32::from(i as u8 as i8) * 2;
    let kind = match i >> 8 & 15 {
        0 => Kind::Beq,
        1 => Kind::Bne,
        2 => Kind::Bcs,
        3 => Kind::Bcc,
        4 => Kind::Bmi,
        5 => Kind::Bpl,
        6 => Kind::Bvs,
        7 => Kind::Bvc,
        8 => Kind::Bhi,
        9 => Kind::Bls,
        10 => Kind::Bge,
        11 => Kind::Blt,
        12 => Kind::Bgt,
        13 => Kind::Ble,
        14 => return Op::new(Kind::Undefined, 0, 0, 0, i32::from(i & 0xff)),
        _ => return Op::new(Kind::Svc, 0, 0, 0, i32::from(i & 0xff)),
    };
    Op::new(kind, 0, 0, 0, offset)
}

/// The six 32-bit instructions of ARMv6-M (DDI 0419 A5.3).
fn decode_wide(first: u16, second: u16) -> Op {
    let undefined = Op::new(Kind::Undefined, 0, 0, 0, 0);
    if second & 0xd000 == 0xd000 {
        let sign = i32::from(first >> 10 & 1);
        let j1 = i32::from(second >> 13 & 1);
        let j2 = i32::from(second >> 11 & 1);
        let i1 = 1 ^ (j1 ^ sign);
        let i2 = 1 ^ (j2 ^ sign);
        let high = i32::from(first & 0x3ff);
        let low = i32::from(second & 0x7ff);
        let offset = -sign << 24 | i1 << 23 | i2 << 22 | high << 12 | low << 1;
        return Op::new(Kind::Bl, 0, 0, 0, offset);
    }
    match (first & 0xfff0, second & 0xff00) {
        (0xf380, 0x8800) => Op::new(Kind::Msr, 0, first & 15, 0, i32::from(second & 0xff)),
        (0xf3b0, 0x8f00) if first & 15 == 15 && matches!(second >> 4 & 15, 4..=6) => {
            Op::new(Kind::Barrier, 0, 0, 0, i32::from(second >> 4 & 15))
        }
        (0xf3e0, _) if first & 15 == 15 && second & 0xf000 == 0x8000 => {
            Op::new(Kind::Mrs, second >> 8 & 15, 0, 0, i32::from(second & 0xff))
        }
        _ => undefined,
    }
}
