//! The micro-kernels in C: portable, and in assembly where a compiler does not see the way.

/// Inputs listed at once by `row_sums`, in words on the stack.
pub(super) const LISTED: usize = 96;

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

/// [`crate::program::PairSums`]. The assembly follows the Thumb instruction set of ARMv6-M (Arm DDI 0419): the sums of two rows live in
/// r8 to r11, where `add` reaches them; 26.5 cycles make eight products on a Cortex-M0+ without wait states.
pub(super) const PAIR_SUMS: &str = r#"/* Sums of products for two places at once: each input is a + 65536 b with a and b of 8 bits, rows of weights go two by two, four
   weights to a word. Twice 8 bits times 8 bits stay in 16: the products of two inputs are added up before they are taken apart. */
#ifdef NAKED
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

NAKED void pair_sums_rows(const int32_t *x, const int8_t *w, int32_t *sums, int runs, int pairs)
{
#define TWO_ROWS \
    "ldmia r0!, {r4, r5}\n ldmia r1!, {r6}\n" \
    "sxtb r7, r6\n muls r7, r4\n lsls r2, r6, #16\n asrs r2, r2, #24\n muls r2, r5\n" \
    "add r7, r12\n adds r7, r7, r2\n add r8, r7\n asrs r7, r7, #16\n add r9, r7\n" \
    "lsls r7, r6, #8\n asrs r7, r7, #24\n muls r7, r4\n asrs r6, r6, #24\n muls r6, r5\n" \
    "add r7, r12\n adds r7, r7, r6\n add r10, r7\n asrs r7, r7, #16\n add r11, r7\n"
    __asm__(".syntax unified\n"
            "push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
            "lsls r4, r3, #3\n adds r4, r4, r0\n lsls r5, r3, #15\n rsbs r5, r5, #0\n push {r0, r3, r4, r5}\n"
            "movs r5, #128\n lsls r5, r5, #8\n mov r12, r5\n mov lr, r2\n mov r3, r4\n"
            "1:\n ldr r4, [sp, #12]\n mov r8, r4\n mov r10, r4\n movs r4, #0\n mov r9, r4\n mov r11, r4\n"
            "ldr r0, [sp]\n ldr r4, [sp, #4]\n lsrs r4, r4, #1\n bcs 3f\n"
            "2:\n" TWO_ROWS "3:\n" TWO_ROWS "cmp r0, r3\n bne 2b\n"
            "mov r7, r9\n lsls r6, r7, #16\n mov r5, r8\n subs r6, r5, r6\n mov r2, lr\n stmia r2!, {r6, r7}\n"
            "mov r7, r11\n lsls r6, r7, #16\n mov r5, r10\n subs r6, r5, r6\n stmia r2!, {r6, r7}\n mov lr, r2\n"
            "ldr r4, [sp, #52]\n subs r4, r4, #1\n str r4, [sp, #52]\n bne 1b\n"
            "add sp, #16\n pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n");
#undef TWO_ROWS
}

NAKED void pair_sums_row(const int32_t *x, const int8_t *w, int32_t *sums, int runs)
{
    __asm__(".syntax unified\n"
            "push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n push {r4, r5}\n"
            "lsls r4, r3, #15\n rsbs r4, r4, #0\n mov r8, r4\n movs r4, #0\n mov r9, r4\n"
            "lsls r3, r3, #3\n adds r3, r3, r0\n movs r5, #128\n lsls r5, r5, #8\n mov r12, r5\n mov lr, r2\n"
            "1:\n ldmia r0!, {r4, r5}\n ldmia r1!, {r6}\n"
            "sxtb r7, r6\n muls r7, r4\n lsls r2, r6, #16\n asrs r2, r2, #24\n muls r2, r5\n"
            "add r7, r12\n adds r7, r7, r2\n add r8, r7\n asrs r7, r7, #16\n add r9, r7\n"
            "cmp r0, r3\n beq 2f\n ldmia r0!, {r4, r5}\n"
            "lsls r7, r6, #8\n asrs r7, r7, #24\n muls r7, r4\n asrs r6, r6, #24\n muls r6, r5\n"
            "add r7, r12\n adds r7, r7, r6\n add r8, r7\n asrs r7, r7, #16\n add r9, r7\n"
            "cmp r0, r3\n bne 1b\n"
            "2:\n mov r7, r9\n lsls r6, r7, #16\n mov r5, r8\n subs r6, r5, r6\n mov r2, lr\n stmia r2!, {r6, r7}\n"
            "pop {r4, r5}\n mov r8, r4\n mov r9, r5\n pop {r4-r7, pc}\n");
}
#pragma GCC diagnostic pop

static inline void pair_sums(const int32_t *x, int taps, const int8_t *w, int outputs, int32_t *sums)
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

"#;

/// [`crate::program::WindowSums`]. The assembly is for windows of 3 by 3, whose weights it keeps on the stack; 85 cycles make eighteen
/// products.
pub(super) const WINDOW_SUMS: &str = r#"/* Sums over a window for two places at once: each input is a + 65536 b with a and b of 8 bits. */
#ifdef NAKED
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* The frame: nine weights, bytes from row to row of the inputs, bytes to the next column from behind a row of the window, columns,
   rows, bytes to the next row of results, and what five roundings have added. */
NAKED void window_sums_3x3(const int32_t *x, int32_t *sums, const int32_t *frame)
{
    __asm__(".syntax unified\n"
            "push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
            "sub sp, #60\n mov r3, sp\n ldmia r2!, {r4-r7}\n stmia r3!, {r4-r7}\n ldmia r2!, {r4-r7}\n stmia r3!, {r4-r7}\n"
            "ldmia r2!, {r4-r7}\n stmia r3!, {r4-r7}\n ldmia r2!, {r4-r6}\n stmia r3!, {r4-r6}\n"
            "movs r4, #128\n lsls r4, r4, #8\n mov r12, r4\n mov r10, r1\n mov lr, r0\n"
            "1:\n mov r0, lr\n ldr r4, [sp, #36]\n adds r1, r0, r4\n adds r2, r1, r4\n ldr r4, [sp, #44]\n mov r11, r4\n"
            "2:\n ldmia r0!, {r4-r6}\n ldr r7, [sp]\n muls r4, r7\n ldr r7, [sp, #4]\n muls r5, r7\n adds r4, r4, r5\n"
            "add r4, r12\n mov r8, r4\n asrs r4, r4, #16\n mov r9, r4\n ldr r3, [sp, #8]\n muls r3, r6\n"
            "ldmia r1!, {r4-r6}\n ldr r7, [sp, #12]\n muls r4, r7\n ldr r7, [sp, #16]\n muls r5, r7\n adds r4, r4, r5\n"
            "add r4, r12\n add r8, r4\n asrs r4, r4, #16\n add r9, r4\n ldr r7, [sp, #20]\n muls r6, r7\n"
            "adds r3, r3, r6\n add r3, r12\n add r8, r3\n asrs r3, r3, #16\n add r9, r3\n"
            "ldmia r2!, {r4-r6}\n ldr r7, [sp, #24]\n muls r4, r7\n ldr r7, [sp, #28]\n muls r5, r7\n adds r4, r4, r5\n"
            "add r4, r12\n add r8, r4\n asrs r4, r4, #16\n add r9, r4\n ldr r7, [sp, #32]\n muls r6, r7\n"
            "add r6, r12\n add r8, r6\n asrs r6, r6, #16\n add r9, r6\n"
            "ldr r7, [sp, #40]\n adds r0, r0, r7\n adds r1, r1, r7\n adds r2, r2, r7\n"
            "mov r5, r9\n lsls r4, r5, #16\n mov r6, r8\n subs r4, r6, r4\n ldr r7, [sp, #56]\n subs r4, r4, r7\n"
            "mov r6, r10\n stmia r6!, {r4, r5}\n mov r10, r6\n"
            "mov r4, r11\n subs r4, r4, #1\n mov r11, r4\n bne 2b\n"
            "ldr r4, [sp, #52]\n add lr, r4\n ldr r4, [sp, #48]\n subs r4, r4, #1\n str r4, [sp, #48]\n bne 1b\n"
            "add sp, #60\n pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n");
}
#pragma GCC diagnostic pop
#endif

static void window_sums(const int32_t *x, int pitch, const int8_t *w, int height, int width, int rows, int row_step, int columns,
                        int column_step, int32_t *sums)
{
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

"#;

/// [`crate::program::Expr::MulHigh`]. Where there is only a 32-bit multiplier, four products of halves are a third of the work of a
/// 64-bit one.
pub(super) const MUL_HIGH: &str = r#"/* The upper half of a product; b is not negative. */
static inline int32_t mul_high(int32_t a, int32_t b)
{
#if defined(__ARM_ARCH_6M__)
    const uint32_t a0 = (uint16_t)a, b0 = (uint16_t)b, b1 = (uint32_t)b >> 16;
    const int32_t a1 = a >> 16;
    const int32_t middle = a1 * (int32_t)b0 + (int32_t)(a0 * b0 >> 16);
    const uint32_t carry = ((uint16_t)middle + a0 * b1) >> 16;
    return a1 * (int32_t)b1 + (middle >> 16) + (int32_t)carry;
#else
    return (int32_t)((int64_t)a * b >> 32);
#endif
}

"#;
