//! The micro-kernels for weights of 4 and 2 bits in C. They differ from those for 8 bits in how a weight leaves its word; the assembly is
//! written here for each width.

use std::fmt::Write;

/// The function that takes a weight out of its byte, with the bits of its width.
fn weight(bits: u8) -> String {
    let (per, mask, sign) = (8 / bits, (1 << bits) - 1, 1 << (bits - 1));
    format!(
        "static inline int32_t weight_{bits}(const uint8_t *w, int i)\n{{\n    return (((w[i / {per}] >> {bits} * (i % {per})) & {mask}) ^ {sign}) - {sign};\n}}\n"
    )
}

/// Instructions that bring weight `i` of the word in r6 to `to`, its sign extended.
fn take(out: &mut String, bits: u8, i: usize, to: &str) {
    let (left, right) = (32 - usize::from(bits) * (i + 1), 32 - bits);
    let _ = match left {
        0 => write!(out, "asrs {to}, r6, #{right}\\n "),
        _ => write!(out, "lsls {to}, r6, #{left}\\n asrs {to}, {to}, #{right}\\n "),
    };
}

const OPEN: &str =
    "#ifdef NAKED\n#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored \"-Wunused-parameter\"\n\n";
const SAVE: &str =
    "push {r4-r7, lr}\\n mov r4, r8\\n mov r5, r9\\n mov r6, r10\\n mov r7, r11\\n push {r4-r7}\\n ";
const RESTORE: &str =
    "pop {r4-r7}\\n mov r8, r4\\n mov r9, r5\\n mov r10, r6\\n mov r11, r7\\n pop {r4-r7, pc}\\n";

/// [`crate::program::PairSums`] with weights of `bits`. The products of four inputs are added up before they are taken apart.
pub(super) fn pair_sums(bits: u8) -> String {
    let taps = 16 / usize::from(bits);
    let mut word = String::from("ldmia r1!, {r6}\\n ");
    for group in 0..taps / 4 {
        word += "mov r0, lr\\n ldmia r0!, {r2-r5}\\n mov lr, r0\\n ";
        for (row, (total, high)) in [("r8", "r9"), ("r10", "r11")].into_iter().enumerate() {
            for k in 0..4 {
                let (x, to) = (format!("r{}", 2 + k), if k == 0 { "r7" } else { "r0" });
                let tap = 4 * group + k;
                take(&mut word, bits, tap / 2 * 4 + row * 2 + tap % 2, to);
                let _ = write!(word, "muls {to}, {x}\\n ");
                if k > 0 {
                    word += "adds r7, r7, r0\\n ";
                }
            }
            let _ = write!(word, "add r7, r12\\n add {total}, r7\\n asrs r7, r7, #16\\n add {high}, r7\\n ");
        }
    }
    let mut result = String::from("ldr r2, [sp, #12]\\n ");
    for (total, high) in [("r8", "r9"), ("r10", "r11")] {
        let _ = write!(
            result,
            "mov r7, {high}\\n lsls r6, r7, #16\\n mov r5, {total}\\n subs r6, r5, r6\\n stmia r2!, {{r6, r7}}\\n "
        );
    }
    let assembly = [
        ".syntax unified\\n ",
        SAVE,
        // The first input, the end of the inputs, what the roundings will have added, the sums.
        "push {r2}\\n lsls r4, r3, #13\\n rsbs r4, r4, #0\\n push {r4}\\n lsls r3, r3, #2\\n adds r3, r3, r0\\n push {r0, r3}\\n ",
        "movs r5, #128\\n lsls r5, r5, #8\\n mov r12, r5\\n ",
        "1:\\n ldr r4, [sp, #8]\\n mov r8, r4\\n mov r10, r4\\n movs r4, #0\\n mov r9, r4\\n mov r11, r4\\n ldr r0, [sp]\\n mov lr, r0\\n ",
        "2:\\n ",
        &word,
        "ldr r0, [sp, #4]\\n cmp lr, r0\\n bne 2b\\n ",
        &result,
        "str r2, [sp, #12]\\n ldr r4, [sp, #52]\\n subs r4, r4, #1\\n str r4, [sp, #52]\\n bne 1b\\n add sp, #16\\n ",
        RESTORE,
    ]
    .concat();
    let mut out = format!(
        "/* pair_sums for weights of {bits} bits, {} of them to a word. */\n{OPEN}NAKED void pair_sums_{bits}_rows(const int32_t *x, const uint8_t *w, int32_t *sums, int taps, int pairs)\n{{\n    __asm__(\n",
        2 * taps
    );
    lines(&mut out, &assembly);
    let _ = write!(
        out,
        "    );\n}}\n#pragma GCC diagnostic pop\n\nstatic inline void pair_sums_{bits}(const int32_t *x, int taps, const uint8_t *w, int outputs, int32_t *sums)\n{{\n    pair_sums_{bits}_rows(x, w, sums, taps, outputs / 2);\n}}\n#else\n"
    );
    out += &weight(bits);
    let _ = write!(
        out,
        "
static void pair_sums_{bits}(const int32_t *x, int taps, const uint8_t *w, int outputs, int32_t *sums)
{{
    for (int o = 0; o < outputs; o++) {{
        const int row = o / 2 * 2 * taps + o % 2 * 2;
        uint32_t both = 0u, high = 0u;
        for (int k = 0; k < taps; k++) {{
            const uint32_t product = (uint32_t)weight_{bits}(w, row + k / 2 * 4 + k % 2) * (uint32_t)x[k];
            both += product;
            high += (uint32_t)((int32_t)(product + 0x8000u) >> 16);
        }}
        sums[2 * o] = (int32_t)(both - (high << 16));
        sums[2 * o + 1] = (int32_t)high;
    }}
}}
#endif

"
    );
    out
}

/// [`crate::program::RowSums`] with weights of `bits`, or of 8.
pub(super) fn row_sums(bits: u8, listed: usize) -> String {
    let name = if bits == 8 { "row_sums".into() } else { format!("row_sums_{bits}") };
    let kind = if bits == 8 { "int8_t" } else { "uint8_t" };
    let sums = ["r8", "r9", "r10", "r11", "r12", "lr", "r2", "r3"];
    let mut input = String::from(
        "ldmia r0!, {r4}\\n lsls r5, r4, #24\\n beq 3f\\n lsrs r5, r5, #24\\n lsrs r4, r4, #8\\n ",
    );
    for (j, sum) in sums.iter().enumerate() {
        match (bits, j) {
            (2, 0) => input += "ldrh r6, [r1, r4]\\n ",
            (_, 0) => input += "ldr r6, [r1, r4]\\n ",
            (8, 4) => input += "adds r4, r4, #4\\n ldr r6, [r1, r4]\\n ",
            _ => {}
        }
        if (bits, j % 4) == (8, 0) {
            input += "sxtb r7, r6\\n ";
        } else {
            take(&mut input, bits, if bits == 8 { j % 4 } else { j }, "r7");
        }
        let _ = write!(input, "muls r7, r5\\n add {sum}, r7\\n ");
    }
    let assembly = [
        ".syntax unified\\n ",
        SAVE,
        "push {r0, r2, r3}\\n ",
        "1:\\n ldr r0, [sp]\\n movs r2, #0\\n movs r3, #0\\n mov r8, r2\\n mov r9, r2\\n mov r10, r2\\n mov r11, r2\\n mov r12, r2\\n mov lr, r2\\n ",
        "2:\\n ",
        &input,
        "b 2b\\n ",
        "3:\\n ldr r0, [sp, #4]\\n ldmia r0!, {r4-r7}\\n subs r0, r0, #16\\n add r4, r8\\n add r5, r9\\n add r6, r10\\n add r7, r11\\n stmia r0!, {r4-r7}\\n ",
        "ldmia r0!, {r4-r7}\\n subs r0, r0, #16\\n add r4, r12\\n add r5, lr\\n adds r6, r6, r2\\n adds r7, r7, r3\\n stmia r0!, {r4-r7}\\n ",
        &format!("str r0, [sp, #4]\\n adds r1, r1, #{bits}\\n ldr r4, [sp, #8]\\n subs r4, r4, #1\\n str r4, [sp, #8]\\n bne 1b\\n add sp, #12\\n "),
        RESTORE,
    ]
    .concat();
    let mut out = format!(
        "/* Sums of products of a row of inputs, eight columns of weights of {bits} bits at a time. Inputs that are not 0 are listed first, each\n   with the place of its weights. */\n{OPEN}NAKED void {name}_columns(const uint32_t *list, const {kind} *w, int32_t *sums, int tiles)\n{{\n    __asm__(\n"
    );
    lines(&mut out, &assembly);
    out += "    );\n}\n#pragma GCC diagnostic pop\n#endif\n\n";
    let product = if bits == 8 {
        "(int32_t)(*e & 255u) * w[(int)(*e >> 8) + j]".into()
    } else {
        let _ = writeln!(out, "#ifndef NAKED\n{}#endif\n", weight(bits));
        format!("(int32_t)(*e & 255u) * weight_{bits}(w + (*e >> 8), j)")
    };
    // Of fewer than 8 bits, columns come by eights.
    let rest = if bits == 8 { "outputs / 8 * 8" } else { "outputs" };
    let loop_of_rest = format!(
        "        for (int j = done; j < outputs; j++) {{
            int32_t sum = 0;
            for (const uint32_t *e = list; *e != 0u; e++) {{
                sum += {product};
            }}
            sums[j] += sum;
        }}
"
    );
    let portable = if bits == 8 {
        format!(
            "        int done = 0;\n#ifdef NAKED\n        if (outputs >= 8) {{\n            {name}_columns(list, w, sums, outputs / 8);\n            done = {rest};\n        }}\n#endif\n{loop_of_rest}"
        )
    } else {
        format!(
            "#ifdef NAKED\n        {name}_columns(list, w, sums, outputs / 8);\n#else\n{}#endif\n",
            loop_of_rest.replace("= done", "= 0")
        )
    };
    let _ = write!(
        out,
        "static void {name}(const uint8_t *x, unsigned flip, int len, const {kind} *w, int pitch, int outputs, int32_t *sums)
{{
    for (int j = 0; j < outputs; j++) {{
        sums[j] = 0;
    }}
    while (len > 0) {{
        uint32_t list[{listed} + 1];
        int listed = 0;
        uint32_t at = 0u;
        for (; len > 0 && listed < {listed}; len--, x++, at += (uint32_t)pitch << {}) {{
            const uint32_t value = *x ^ flip;
            if (value != 0u) {{
                list[listed++] = at | value;
            }}
        }}
        list[listed] = 0u;
{portable}        w += at >> 8;
    }}
}}

",
        5 + bits.ilog2()
    );
    out
}

/// A string of instructions as string literals, some to a line.
fn lines(out: &mut String, assembly: &str) {
    let mut line = String::new();
    for instruction in assembly.split_inclusive("\\n ") {
        if line.len() + instruction.len() > 110 {
            let _ = writeln!(out, "        \"{}\"", line.trim_end());
            line.clear();
        }
        line += instruction;
    }
    let _ = writeln!(out, "        \"{}\"", line.trim_end());
}
