/* Runs a network over inputs that stand in flash. BKPT 1 and 2 surround each call, BKPT 3 has the answer in R0, BKPT 4
 * ends. case.h gives IN_TYPE, OUT_TYPE, OUT_IS_FLOAT, IN_LEN, OUT_LEN, RUNS, the prototype of net and LEVELS: what each
 * byte of the inputs is to the network. Nothing here uses floating point, so that all of its library is the network's. */
#include <stdint.h>
#include "case.h"

extern uint32_t data_load, data_start, data_end, bss_start, bss_end;
extern const uint8_t inputs[RUNS][IN_LEN];
__asm__(".section .rodata\n.global inputs\ninputs: .incbin \"inputs.bin\"\n.balign 4\n.text\n");
static const IN_TYPE level[256] = {LEVELS};
static IN_TYPE input[IN_LEN];
static OUT_TYPE output[OUT_LEN];

void reset(void);
__attribute__((section(".vectors"), used)) void *const vectors[2] = {(void *)0x20042000, (void *)reset};

/* An integer that is ordered as the outputs are: floats by their bits. */
static int32_t rank(const OUT_TYPE *x)
{
#if OUT_IS_FLOAT
    union { OUT_TYPE f; int32_t i; } bits = {.f = *x};
    return bits.i ^ ((bits.i >> 31) & 0x7fffffff);
#else
    return *x;
#endif
}

void reset(void)
{
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;) { *to++ = *from++; }
    for (uint32_t *to = &bss_start; to < &bss_end;) { *to++ = 0; }
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < IN_LEN; i++) { input[i] = level[inputs[run][i]]; }
        __asm__ volatile("bkpt #1" ::: "memory");
        net((const void *)input, (void *)output);
        __asm__ volatile("bkpt #2" ::: "memory");
        int best = 0;
        for (int i = 1; i < OUT_LEN; i++) { if (rank(&output[i]) > rank(&output[best])) { best = i; } }
        register int answer __asm__("r0") = best;
        __asm__ volatile("bkpt #3" ::"r"(answer) : "memory");
    }
    __asm__ volatile("bkpt #4");
    for (;;) {}
}
