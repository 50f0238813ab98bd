//! The micro-kernels for weights of 4 and 2 bits in C. They differ from those for 8 bits in how a weight leaves its word; so there is a function
//! for each width.

use super::micro::assembly;
use crate::armv6m::{self, of_bits};
use std::fmt::Write;

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
