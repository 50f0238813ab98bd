//! The inner loops of a Cortex-M0+ in assembly for ARMv6-M (Arm DDI 0419), as text that both printers put into functions.
//!
//! Sums live in r8 to r11, where `add` reaches them. Each routine follows the procedure call standard (AAPCS32): arguments in r0 to r3
//! and on the stack, r4 to r11 saved. Instructions are separated by semicolons and line ends; gcc's assembler and LLVM's take them
//! alike, in unified syntax. What a routine computes is said by the micro-kernel that it is part of.

#[cfg(doc)]
use crate::program::Micro;
use std::fmt::Write;
use teff_graph::DType;

/// A function in assembly.
pub(crate) struct Routine {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(&'static str, Parameter)>,
    /// Instructions, several to a line.
    pub(crate) text: String,
}

/// What a routine takes.
#[derive(Clone, Copy)]
pub(crate) enum Parameter {
    /// The address of elements that are read.
    From(DType),
    /// The address of elements that are written.
    To(DType),
    /// A number of 32 bits.
    Count,
}

const SAVE: &str = "    push {r4-r7, lr}; mov r4, r8; mov r5, r9; mov r6, r10; mov r7, r11; push {r4-r7}\n";
const RESTORE: &str = "    pop {r4-r7}; mov r8, r4; mov r9, r5; mov r10, r6; mov r11, r7; pop {r4-r7, pc}\n";

/// The name of a kernel or routine for weights of `bits`; those of 8 have the plain name.
pub(crate) fn of_bits(name: &str, bits: u8) -> String {
    if bits == 8 { name.into() } else { format!("{name}_{bits}") }
}

/// Of [`Micro::Pairs`] with weights of 8 bits: 26.5 cycles make eight products without wait states.
const TWO_ROWS: &str = "ldmia r0!, {r4, r5}; ldmia r1!, {r6}; sxtb r7, r6; muls r7, r4; lsls r2, r6, #16; asrs r2, r2, #24; muls r2, r5
    add r7, r12; adds r7, r7, r2; add r8, r7; asrs r7, r7, #16; add r9, r7; lsls r7, r6, #8; asrs r7, r7, #24
    muls r7, r4; asrs r6, r6, #24; muls r6, r5; add r7, r12; adds r7, r7, r6; add r10, r7; asrs r7, r7, #16
    add r11, r7
";
const ROWS_START: &str = "\
    lsls r4, r3, #3; adds r4, r4, r0; lsls r5, r3, #15; rsbs r5, r5, #0; push {r0, r3, r4, r5}; movs r5, #128
    lsls r5, r5, #8; mov r12, r5; mov lr, r2; mov r3, r4
    1: ldr r4, [sp, #12]; mov r8, r4; mov r10, r4; movs r4, #0; mov r9, r4; mov r11, r4; ldr r0, [sp]
    ldr r4, [sp, #4]; lsrs r4, r4, #1; bcs 3f
";
const ROWS_END: &str = "\
    cmp r0, r3; bne 2b; mov r7, r9; lsls r6, r7, #16; mov r5, r8; subs r6, r5, r6; mov r2, lr; stmia r2!, {r6, r7}
    mov r7, r11; lsls r6, r7, #16; mov r5, r10; subs r6, r5, r6; stmia r2!, {r6, r7}; mov lr, r2; ldr r4, [sp, #52]
    subs r4, r4, #1; str r4, [sp, #52]; bne 1b; add sp, #16
";
const ONE_ROW: &str = "\
    push {r4-r7, lr}; mov r4, r8; mov r5, r9; push {r4, r5}; lsls r4, r3, #15; rsbs r4, r4, #0; mov r8, r4
    movs r4, #0; mov r9, r4; lsls r3, r3, #3; adds r3, r3, r0; movs r5, #128; lsls r5, r5, #8; mov r12, r5
    mov lr, r2
    1: ldmia r0!, {r4, r5}; ldmia r1!, {r6}; sxtb r7, r6; muls r7, r4; lsls r2, r6, #16; asrs r2, r2, #24
    muls r2, r5; add r7, r12; adds r7, r7, r2; add r8, r7; asrs r7, r7, #16; add r9, r7; cmp r0, r3; beq 2f
    ldmia r0!, {r4, r5}; lsls r7, r6, #8; asrs r7, r7, #24; muls r7, r4; asrs r6, r6, #24; muls r6, r5; add r7, r12
    adds r7, r7, r6; add r8, r7; asrs r7, r7, #16; add r9, r7; cmp r0, r3; bne 1b
    2: mov r7, r9; lsls r6, r7, #16; mov r5, r8; subs r6, r5, r6; mov r2, lr; stmia r2!, {r6, r7}; pop {r4, r5}
    mov r8, r4; mov r9, r5; pop {r4-r7, pc}
";

/// Of [`Micro::Window`], for windows of 3 by 3, whose weights it keeps on the stack: 85 cycles make eighteen products.
///
/// The frame: nine weights, bytes from row to row of the inputs, bytes to the next column from behind a row of the window, columns, rows,
/// bytes to the next row of results, and what five roundings have added.
const WINDOW: &str = "\
    sub sp, #60; mov r3, sp; ldmia r2!, {r4-r7}; stmia r3!, {r4-r7}; ldmia r2!, {r4-r7}; stmia r3!, {r4-r7}
    ldmia r2!, {r4-r7}; stmia r3!, {r4-r7}; ldmia r2!, {r4-r6}; stmia r3!, {r4-r6}; movs r4, #128; lsls r4, r4, #8
    mov r12, r4; mov r10, r1; mov lr, r0
    1: mov r0, lr; ldr r4, [sp, #36]; adds r1, r0, r4; adds r2, r1, r4; ldr r4, [sp, #44]; mov r11, r4
    2: ldmia r0!, {r4-r6}; ldr r7, [sp]; muls r4, r7; ldr r7, [sp, #4]; muls r5, r7; adds r4, r4, r5; add r4, r12
    mov r8, r4; asrs r4, r4, #16; mov r9, r4; ldr r3, [sp, #8]; muls r3, r6; ldmia r1!, {r4-r6}; ldr r7, [sp, #12]
    muls r4, r7; ldr r7, [sp, #16]; muls r5, r7; adds r4, r4, r5; add r4, r12; add r8, r4; asrs r4, r4, #16
    add r9, r4; ldr r7, [sp, #20]; muls r6, r7; adds r3, r3, r6; add r3, r12; add r8, r3; asrs r3, r3, #16
    add r9, r3; ldmia r2!, {r4-r6}; ldr r7, [sp, #24]; muls r4, r7; ldr r7, [sp, #28]; muls r5, r7; adds r4, r4, r5
    add r4, r12; add r8, r4; asrs r4, r4, #16; add r9, r4; ldr r7, [sp, #32]; muls r6, r7; add r6, r12; add r8, r6
    asrs r6, r6, #16; add r9, r6; ldr r7, [sp, #40]; adds r0, r0, r7; adds r1, r1, r7; adds r2, r2, r7; mov r5, r9
    lsls r4, r5, #16; mov r6, r8; subs r4, r6, r4; ldr r7, [sp, #56]; subs r4, r4, r7; mov r6, r10
    stmia r6!, {r4, r5}; mov r10, r6; mov r4, r11; subs r4, r4, #1; mov r11, r4; bne 2b; ldr r4, [sp, #52]
    add lr, r4; ldr r4, [sp, #48]; subs r4, r4, #1; str r4, [sp, #48]; bne 1b; add sp, #60
";

/// Those of [`Micro::Pairs`]: for rows two by two, and of 8 bits for the last of an odd number.
pub(crate) fn pair_sums(bits: u8) -> Vec<Routine> {
    let first = [
        ("x", Parameter::From(DType::I32)),
        ("w", Parameter::From(weights(bits))),
        ("sums", Parameter::To(DType::I32)),
    ];
    let with = |more: &[&'static str]| {
        first.into_iter().chain(more.iter().map(|n| (*n, Parameter::Count))).collect()
    };
    if bits != 8 {
        let name = format!("pair_sums_{bits}_rows");
        return vec![Routine { name, parameters: with(&["taps", "pairs"]), text: packed_rows(bits) }];
    }
    let rows = [SAVE, ROWS_START, "2: ", TWO_ROWS, "3: ", TWO_ROWS, ROWS_END, RESTORE].concat();
    vec![
        Routine { name: "pair_sums_rows".into(), parameters: with(&["runs", "pairs"]), text: rows },
        Routine { name: "pair_sums_row".into(), parameters: with(&["runs"]), text: ONE_ROW.into() },
    ]
}

/// That of [`Micro::Window`].
pub(crate) fn window_sums() -> Routine {
    let word = DType::I32;
    let parameters =
        vec![("x", Parameter::From(word)), ("sums", Parameter::To(word)), ("frame", Parameter::From(word))];
    Routine { name: "window_sums_3x3".into(), parameters, text: [SAVE, WINDOW, RESTORE].concat() }
}

/// That of [`Micro::Rows`]: the products of the inputs in a list with eight columns of weights at a time. An entry of the list is 256 times
/// the place of its weights, in bytes from the first of all, and the input, which is not 0; 0 ends it.
pub(crate) fn row_sums(bits: u8) -> Routine {
    let parameters = vec![
        ("list", Parameter::From(DType::U32)),
        ("w", Parameter::From(weights(bits))),
        ("sums", Parameter::To(DType::I32)),
        ("tiles", Parameter::Count),
    ];
    Routine { name: of_bits("row_sums", bits) + "_columns", parameters, text: columns(bits) }
}

/// The type that weights of `bits` have in memory.
fn weights(bits: u8) -> DType {
    if bits == 8 { DType::I8 } else { DType::U8 }
}

/// Brings weight `i` of the word in r6 to `to`, its sign extended.
fn take(out: &mut String, bits: u8, i: usize, to: &str) {
    let (left, right) = (32 - usize::from(bits) * (i + 1), 32 - bits);
    let _ = match left {
        0 => write!(out, "asrs {to}, r6, #{right}; "),
        _ => write!(out, "lsls {to}, r6, #{left}; asrs {to}, {to}, #{right}; "),
    };
}

/// Rows of fewer than 8 bits, two by two. The products of four inputs are added up before they are taken apart.
fn packed_rows(bits: u8) -> String {
    let taps = 16 / usize::from(bits);
    let mut word = String::from("    2: ldmia r1!, {r6}\n");
    for group in 0..taps / 4 {
        word += "    mov r0, lr; ldmia r0!, {r2-r5}; mov lr, r0\n";
        for (row, (total, high)) in [("r8", "r9"), ("r10", "r11")].into_iter().enumerate() {
            for k in 0..4 {
                let (x, to) = (format!("r{}", 2 + k), if k == 0 { "r7" } else { "r0" });
                let tap = 4 * group + k;
                word += "    ";
                take(&mut word, bits, tap / 2 * 4 + row * 2 + tap % 2, to);
                let _ = writeln!(word, "muls {to}, {x}{}", if k > 0 { "; adds r7, r7, r0" } else { "" });
            }
            let _ = writeln!(word, "    add r7, r12; add {total}, r7; asrs r7, r7, #16; add {high}, r7");
        }
    }
    let mut result = String::from("    ldr r2, [sp, #12]\n");
    for (total, high) in [("r8", "r9"), ("r10", "r11")] {
        let _ = writeln!(
            result,
            "    mov r7, {high}; lsls r6, r7, #16; mov r5, {total}; subs r6, r5, r6; stmia r2!, {{r6, r7}}"
        );
    }
    [
        SAVE,
        // On the stack: the first input, the end of the inputs, what the roundings will have added, the sums.
        "    push {r2}; lsls r4, r3, #13; rsbs r4, r4, #0; push {r4}
    lsls r3, r3, #2; adds r3, r3, r0; push {r0, r3}; movs r5, #128; lsls r5, r5, #8; mov r12, r5
    1: ldr r4, [sp, #8]; mov r8, r4; mov r10, r4; movs r4, #0; mov r9, r4; mov r11, r4; ldr r0, [sp]; mov lr, r0\n",
        &word,
        "    ldr r0, [sp, #4]; cmp lr, r0; bne 2b\n",
        &result,
        "    str r2, [sp, #12]; ldr r4, [sp, #52]; subs r4, r4, #1; str r4, [sp, #52]; bne 1b; add sp, #16\n",
        RESTORE,
    ]
    .concat()
}

/// Eight columns at a time, each with its sum in a register.
fn columns(bits: u8) -> String {
    let sums = ["r8", "r9", "r10", "r11", "r12", "lr", "r2", "r3"];
    let mut input =
        String::from("    2: ldmia r0!, {r4}; lsls r5, r4, #24; beq 3f; lsrs r5, r5, #24; lsrs r4, r4, #8\n");
    for (j, sum) in sums.iter().enumerate() {
        input += "    ";
        input += match (bits, j) {
            (2, 0) => "ldrh r6, [r1, r4]; ",
            (_, 0) => "ldr r6, [r1, r4]; ",
            (8, 4) => "adds r4, r4, #4; ldr r6, [r1, r4]; ",
            _ => "",
        };
        if (bits, j % 4) == (8, 0) {
            input += "sxtb r7, r6; ";
        } else {
            take(&mut input, bits, if bits == 8 { j % 4 } else { j }, "r7");
        }
        let _ = writeln!(input, "muls r7, r5; add {sum}, r7");
    }
    [
        SAVE,
        "    push {r0, r2, r3}
    1: ldr r0, [sp]; movs r2, #0; movs r3, #0; mov r8, r2; mov r9, r2; mov r10, r2; mov r11, r2; mov r12, r2; mov lr, r2\n",
        &input,
        "    b 2b
    3: ldr r0, [sp, #4]; ldmia r0!, {r4-r7}; subs r0, r0, #16; add r4, r8; add r5, r9; add r6, r10; add r7, r11
    stmia r0!, {r4-r7}; ldmia r0!, {r4-r7}; subs r0, r0, #16; add r4, r12; add r5, lr; adds r6, r6, r2; adds r7, r7, r3
    stmia r0!, {r4-r7}; str r0, [sp, #4]\n",
        &format!("    adds r1, r1, #{bits}; ldr r4, [sp, #8]; subs r4, r4, #1; str r4, [sp, #8]; bne 1b; add sp, #12\n"),
        RESTORE,
    ]
    .concat()
}
