/* Registers and start-up of the test programs, against bare addresses (RP2040 datasheet 2.2). */
#include <stdint.h>
#define REG(a) (*(volatile uint32_t *)(a))
#define SIO 0xd0000000u
#define FIFO_ST REG(SIO + 0x50)
#define FIFO_WR REG(SIO + 0x54)
#define FIFO_RD REG(SIO + 0x58)
#define SPINLOCK(n) REG(SIO + 0x100 + 4 * (n))
#define NVIC_ISER REG(0xe000e100)

/* BKPT #7 is the host's: 1 starts a measurement, 2 ends it, 3 reports a number, 9 ends the program. */
static inline void mark(uint32_t op, uint32_t arg)
{
    register uint32_t r0 __asm__("r0") = op;
    register uint32_t r1 __asm__("r1") = arg;
    __asm__ volatile("bkpt #7" ::"r"(r0), "r"(r1) : "memory");
}

/* Ends the program with an exit status (Arm semihosting, SYS_EXIT_EXTENDED). */
static inline void exit_with(uint32_t status)
{
    const uint32_t block[2] = {0x20026, status};
    register uint32_t r0 __asm__("r0") = 0x20;
    register const uint32_t *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt #0xab" ::"r"(r0), "r"(r1), "m"(block) : "memory");
}

extern uint32_t data_load, data_start, data_end, bss_start, bss_end, stack_top;
int main(void);
void irq15(void) __attribute__((weak));
void irq16(void) __attribute__((weak));
void systick(void) __attribute__((weak));
void svcall(void) __attribute__((weak));

void reset(void)
{
    uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
    mark(9, (uint32_t)main());
    for (;;)
        ;
}

__attribute__((section(".vectors"), used)) static const void *const vectors[48] = {
    [0] = &stack_top, [1] = reset, [11] = svcall, [15] = systick, [16 + 15] = irq15, [16 + 16] = irq16,
};

static inline void fifo_push(uint32_t word)
{
    while (!(FIFO_ST & 2))
        ;
    FIFO_WR = word;
    __asm__ volatile("sev");
}

static inline uint32_t fifo_pop(void)
{
    while (!(FIFO_ST & 1))
        __asm__ volatile("wfe");
    return FIFO_RD;
}

/* Starts core 1 by the ROM's handshake (datasheet 2.8.2). */
static inline void launch(void (*entry)(void), uint32_t *stack_end)
{
    const uint32_t words[6] = {0, 0, 1, (uint32_t)vectors, (uint32_t)stack_end, (uint32_t)entry};
    for (int i = 0; i < 6;) {
        if (words[i] == 0) {
            while (FIFO_ST & 1)
                (void)FIFO_RD;
            __asm__ volatile("sev");
        }
        fifo_push(words[i]);
        i = fifo_pop() == words[i] ? i + 1 : 0;
    }
}
