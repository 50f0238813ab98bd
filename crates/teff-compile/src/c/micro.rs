//! The micro-kernels in C: portable, and in assembly where a compiler does not see the way. Those for weights of 4 and 2 bits differ from
//! those for 8 in how a weight leaves its word; so there is a function for each width.

use super::expr::{Printer, c_type};
use super::helper::Helper;
use crate::armv6m::{self, Parameter, Routine, of_bits};
use crate::program::{Micro, RowSums};
use std::fmt::Write;
use teff_graph::DType;

/// What the functions in assembly need: words in flash begin at addresses of words, and a compiler takes the body as it is.
pub(super) const MACROS: &str = r#"#if defined(__GNUC__) && defined(__ARM_ARCH_6M__)
#define WORD_ALIGNED __attribute__((aligned(4)))
#if defined(__clang__)
#define NAKED static __attribute__((naked, noinline, unused))
#else
/* gcc must not conclude from an empty body which registers and memory stay as they are. */
#define NAKED static __attribute__((naked, noipa, unused))
#endif
#else
#define WORD_ALIGNED
#endif

"#;

/// A routine in assembly as a function whose body the compiler takes as it is.
pub(super) fn assembled(routine: &Routine) -> String {
    let parameter = |(name, kind): &(&str, Parameter)| match kind {
        Parameter::From(d) => format!("const {} *{name}", c_type(*d)),
        Parameter::To(d) => format!("{} *{name}", c_type(*d)),
        Parameter::Count => format!("int {name}"),
    };
    let parameters: Vec<String> = routine.parameters.iter().map(parameter).collect();
    let mut out = format!(
        "NAKED void {}({})\n{{\n    __asm__(\".syntax unified\\n\"\n",
        routine.name,
        parameters.join(", ")
    );
    for line in routine.text.lines() {
        let _ = writeln!(out, "            \"{}\\n\"", line.trim());
    }
    // The last line ends the statement.
    out.truncate(out.trim_end().len());
    out + ");\n}\n"
}

/// The functions of `routines`, where there is an assembler for them.
pub(super) fn assembly(routines: &[Routine]) -> String {
    let functions: Vec<String> = routines.iter().map(assembled).collect();
    format!("{OPEN}{}{CLOSE}", functions.join("\n"))
}

const OPEN: &str =
    "#ifdef NAKED\n#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored \"-Wunused-parameter\"\n\n";
const CLOSE: &str = "#pragma GCC diagnostic pop\n";

/// [`crate::program::PairSums`] with weights of 8 bits.
pub(super) fn byte_pair_sums() -> String {
    format!("{PAIR_NOTE}{}\n{PAIR_SUMS}", assembly(&armv6m::pair_sums(8)))
}

const PAIR_NOTE: &str = "\
/* Sums of products for two places at once: each input is a + 65536 b with a and b of 8 bits, rows of weights go two by two, four
   weights to a word. Twice 8 bits times 8 bits stay in 16: the products of two inputs are added up before they are taken apart. */
";

const PAIR_SUMS: &str =
    "static inline void pair_sums(const int32_t *x, int taps, const int8_t *w, int outputs, int32_t *sums)
{
    if (outputs > 1) {
        pair_sums_rows(x, w, sums, taps / 2, outputs / 2);
    }
    if (outputs % 2 == 1) {
        pair_sums_row(x, w + (outputs - 1) * taps, sums + 2 * (outputs - 1), taps / 2);
    }
}
#else
static void pair_sums(const int32_t *x, int taps, const int8_t *w, int outputs, int32_t *sums)
{
    WRITES_MEMORY;
    for (int o = 0; o < outputs; o++) {
        const int alone = o + 1 == outputs && outputs % 2 == 1;
        const int8_t *row = alone ? w + o * taps : w + o / 2 * 2 * taps + o % 2 * 2;
        const int step = alone ? 2 : 4;
        uint32_t both = 0u, high = 0u;
        for (int k = 0; k < taps; k += 2, row += step) {
            const uint32_t sum = (uint32_t)row[0] * (uint32_t)x[k] + (uint32_t)row[1] * (uint32_t)x[k + 1];
            both += sum;
            high += (uint32_t)((int32_t)(sum + 0x8000u) >> 16);
        }
        sums[2 * o] = (int32_t)(both - (high << 16));
        sums[2 * o + 1] = (int32_t)high;
    }
}
#endif

";

/// [`crate::program::WindowSums`]. The assembly is for windows of 3 by 3.
pub(super) fn window_sums() -> String {
    format!("{WINDOW_NOTE}{}{WINDOW_SUMS}", assembly(&[armv6m::window_sums()]))
}

const WINDOW_NOTE: &str =
    "/* Sums over a window for two places at once: each input is a + 65536 b with a and b of 8 bits. */\n";

const WINDOW_SUMS: &str = "#endif

static void window_sums(const int32_t *x, int pitch, const int8_t *w, int height, int width, int rows, int row_step, int columns,
                        int column_step, int32_t *sums)
{
    WRITES_MEMORY;
#ifdef NAKED
    if (height == 3 && width == 3) {
        int32_t frame[15];
        for (int k = 0; k < 9; k++) {
            frame[k] = w[k];
        }
        frame[9] = 4 * pitch;
        frame[10] = 4 * column_step - 12;
        frame[11] = columns;
        frame[12] = rows;
        frame[13] = 4 * row_step * pitch;
        frame[14] = 5 * 0x8000;
        window_sums_3x3(x, sums, frame);
        return;
    }
#endif
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
            const int32_t *from = x + r * row_step * pitch + c * column_step;
            uint32_t both = 0u, high = 0u;
            for (int ky = 0; ky < height; ky++) {
                for (int kx = 0; kx < width; kx++) {
                    const uint32_t product = (uint32_t)w[width * ky + kx] * (uint32_t)from[pitch * ky + kx];
                    both += product;
                    high += (uint32_t)((int32_t)(product + 0x8000u) >> 16);
                }
            }
            *sums++ = (int32_t)(both - (high << 16));
            *sums++ = (int32_t)high;
        }
    }
}

";

/// The call of a micro-kernel, without a semicolon.
pub(super) fn call(p: &mut Printer, micro: &Micro) -> String {
    let at = p.index(micro.at()).0;
    let local = |p: &Printer, id| p.scope.local(id).name;
    let buffer = |p: &Printer, id| p.scope.buffer(id).name;
    match micro {
        Micro::Rows(r) => row_sums_call(p, r, &at),
        Micro::Window(w) => {
            let name = p.helpers.need(Helper::WindowSums);
            let weights = after(&buffer(p, w.weights), &at);
            let [height, width] = w.window;
            let places = format!("{}, {}, {}, {}", w.rows, w.row_step, w.columns, w.column_step);
            let (words, sums) = (local(p, w.words), local(p, w.sums));
            format!("{name}({words}, {}, {weights}, {height}, {width}, {places}, {sums})", w.pitch)
        }
        Micro::Pairs(s) => {
            let name = p.helpers.need(Helper::PairSums(s.bits));
            let weights = after(&buffer(p, s.weights), &at);
            let sums = after(&local(p, s.sums), &s.to.to_string());
            format!("{name}({}, {}, {weights}, {}, {sums})", local(p, s.inputs), s.taps, s.outputs)
        }
    }
}

fn row_sums_call(p: &mut Printer, r: &RowSums, at: &str) -> String {
    let kernel = if r.runs.is_some() { Helper::RowSumsOfRuns } else { Helper::RowSums };
    let name = p.helpers.need(kernel(r.bits));
    let weights = after(&p.scope.buffer(r.weights).name, at);
    let inputs = after(&p.scope.buffer(r.inputs).name, &r.first.to_string());
    let (inputs, flip) = match p.scope.program.buffer(r.inputs).ty.dtype {
        // A cast stands before a sum in brackets.
        DType::I8 if r.first > 0 => (format!("(const uint8_t *)({inputs})"), "128u"),
        DType::I8 => (format!("(const uint8_t *){inputs}"), "128u"),
        _ => (inputs, "0u"),
    };
    let sums = p.scope.local(r.sums).name;
    let (which, adds) = match r.runs {
        None => (r.len.to_string(), String::new()),
        Some(runs) => {
            let runs = p.scope.buffer(runs);
            (format!("{}, {}", runs.name, runs.len), format!("{}, ", r.adds))
        }
    };
    format!("{name}({inputs}, {flip}, {which}, {weights}, {}, {}, {adds}{sums})", r.pitch, r.outputs)
}

/// The address of element `at` of an array.
fn after(name: &str, at: &str) -> String {
    if at == "0" { name.into() } else { format!("{name} + {at}") }
}

/// The function that takes a weight out of its byte, with the bits of its width.
fn weight(bits: u8) -> String {
    let (per, mask, sign) = (8 / bits, (1 << bits) - 1, 1 << (bits - 1));
    format!(
        "static inline int32_t weight_{bits}(const uint8_t *w, int i)\n{{\n    return (((w[i / {per}] >> {bits} * (i % {per})) & {mask}) ^ {sign}) - {sign};\n}}\n"
    )
}

/// [`crate::program::PairSums`] with weights of `bits`.
pub(super) fn pair_sums(bits: u8) -> String {
    let mut out = format!(
        "/* pair_sums for weights of {bits} bits, {} of them to a word. */\n{}",
        32 / bits,
        assembly(&armv6m::pair_sums(bits))
    );
    let _ = write!(
        out,
        "\nstatic inline void pair_sums_{bits}(const int32_t *x, int taps, const uint8_t *w, int outputs, int32_t *sums)\n{{\n    pair_sums_{bits}_rows(x, w, sums, taps, outputs / 2);\n}}\n#else\n"
    );
    out += &weight(bits);
    let _ = write!(
        out,
        "
static void pair_sums_{bits}(const int32_t *x, int taps, const uint8_t *w, int outputs, int32_t *sums)
{{
    WRITES_MEMORY;
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

/// Inputs listed at once by [`row_sums`], in words on the stack.
const LISTED: usize = 96;

/// What both forms of [`crate::program::RowSums`] do with the inputs they have listed, with weights of `bits`, or of 8.
pub(super) fn row_sums_of_list(bits: u8) -> String {
    let name = of_bits("row_sums", bits);
    let kind = if bits == 8 { "int8_t" } else { "uint8_t" };
    let mut out = format!(
        "/* Sums of products of a row of inputs, eight columns of weights of {bits} bits at a time. Inputs that are not 0 are listed first, each\n   with the place of its weights. */\n{}#endif\n\n",
        assembly(&[armv6m::row_sums(bits)])
    );
    let product = if bits == 8 {
        "(int32_t)(*e & 255u) * w[(int)(*e >> 8) + j]".into()
    } else {
        let _ = writeln!(out, "#ifndef NAKED\n{}#endif\n", weight(bits));
        format!("(int32_t)(*e & 255u) * weight_{bits}(w + (*e >> 8), j)")
    };
    let rest = format!(
        "    for (int j = done; j < outputs; j++) {{
        int32_t sum = 0;
        for (const uint32_t *e = list; *e != 0u; e++) {{
            sum += {product};
        }}
        sums[j] += sum;
    }}
"
    );
    let body = if bits == 8 {
        format!(
            "    int done = 0;\n#ifdef NAKED\n    if (outputs >= 8) {{\n        {name}_columns(list, w, sums, outputs / 8);\n        done = outputs / 8 * 8;\n    }}\n#endif\n{rest}"
        )
    } else {
        // Of fewer than 8 bits, columns come by eights.
        format!(
            "#ifdef NAKED\n    {name}_columns(list, w, sums, outputs / 8);\n#else\n{}#endif\n",
            rest.replace("= done", "= 0")
        )
    };
    let _ = write!(
        out,
        "static inline void {name}_of_list(const uint32_t *list, const {kind} *w, int outputs, int32_t *sums)\n{{\n    WRITES_MEMORY;\n{body}}}\n\n"
    );
    out
}

/// [`crate::program::RowSums`] of all inputs.
pub(super) fn row_sums(bits: u8) -> String {
    let name = of_bits("row_sums", bits);
    let kind = if bits == 8 { "int8_t" } else { "uint8_t" };
    format!(
        "static void {name}(const uint8_t *x, unsigned flip, int len, const {kind} *w, int pitch, int outputs, int32_t *sums)
{{
    WRITES_MEMORY;
    for (int j = 0; j < outputs; j++) {{
        sums[j] = 0;
    }}
    while (len > 0) {{
        uint32_t list[{LISTED} + 1];
        int listed = 0;
        uint32_t at = 0u;
        for (; len > 0 && listed < {LISTED}; len--, x++, at += (uint32_t)pitch << {}) {{
            const uint32_t value = *x ^ flip;
            if (value != 0u) {{
                list[listed++] = at | value;
            }}
        }}
        list[listed] = 0u;
        {name}_of_list(list, w, outputs, sums);
        w += at >> 8;
    }}
}}

",
        5 + bits.ilog2()
    )
}

/// [`crate::program::RowSums`] of some inputs, which runs say.
pub(super) fn row_sums_of_runs(bits: u8) -> String {
    let name = of_bits("row_sums", bits);
    let kind = if bits == 8 { "int8_t" } else { "uint8_t" };
    format!(
        "/* The same for some of the inputs: runs say how many are passed over, how many are meant, and so on. The first of several such\n   calls for the same sums does not add to what is there. */
static void {name}_of_runs(const uint8_t *x, unsigned flip, const uint16_t *runs, int count, const {kind} *w, int pitch, int outputs,
                           bool adds, int32_t *sums)
{{
    WRITES_MEMORY;
    uint32_t list[{LISTED} + 1];
    int listed = 0;
    uint32_t at = 0u;
    for (int j = 0; j < outputs && !adds; j++) {{
        sums[j] = 0;
    }}
    for (int i = 0; i < count; i += 2) {{
        x += runs[i];
        for (const uint8_t *const end = x + runs[i + 1]; x < end; x++, at += (uint32_t)pitch << {}) {{
            const uint32_t value = *x ^ flip;
            if (value != 0u) {{
                list[listed++] = at | value;
                if (listed == {LISTED}) {{
                    list[listed] = 0u;
                    {name}_of_list(list, w, outputs, sums);
                    listed = 0;
                }}
            }}
        }}
    }}
    list[listed] = 0u;
    {name}_of_list(list, w, outputs, sums);
}}

",
        5 + bits.ilog2()
    )
}
