/* Two cores: launch, FIFO both ways, a spinlock around a shared counter, and an interrupt on each core. */
#include "chip.h"

static uint32_t stack1[256];
static volatile uint32_t counter, on_core[2], seen[2];

/* SIO_IRQ_PROC0 and PROC1: a word has come from the other core. The interrupt may still be pending from the launch,
 * so there need not be one; reading an empty FIFO would raise the interrupt again. */
void irq15(void)
{
    if (FIFO_ST & 1)
        seen[0] = FIFO_RD;
    FIFO_ST = 12;
}
void irq16(void)
{
    if (FIFO_ST & 1)
        seen[1] = FIFO_RD;
    FIFO_ST = 12;
}

static void count(int core)
{
    for (int i = 0; i < 1000; i++) {
        while (!SPINLOCK(5))
            ;
        counter = counter + 1;
        on_core[core] = on_core[core] + 1;
        SPINLOCK(5) = 1;
    }
}

static void core1(void)
{
    uint32_t word = fifo_pop();
    fifo_push(word + REG(SIO));
    count(1);
    NVIC_ISER = 1u << 16;
    fifo_push(1000);
    while (!seen[1])
        __asm__ volatile("wfi");
    FIFO_WR = seen[1] * 3;
    for (;;)
        __asm__ volatile("wfe");
}

int main(void)
{
    launch(core1, stack1 + 256);
    fifo_push(41);
    mark(3, fifo_pop());
    count(0);
    mark(3, fifo_pop());
    mark(3, counter);
    mark(3, on_core[0] * 10000 + on_core[1]);
    NVIC_ISER = 1u << 15;
    FIFO_WR = 14;
    while (!seen[0])
        __asm__ volatile("wfi");
    mark(3, seen[0]);
    return 0;
}
