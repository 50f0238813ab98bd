/* Each core holds a spinlock and waits in a loop for the other's: neither sleeps, and neither goes on. */
#include "chip.h"

static uint32_t stack1[64];

static void take(int lock)
{
    while (!SPINLOCK(lock))
        ;
}

static void core1(void)
{
    take(1);
    fifo_push(1);
    take(0);
    for (;;)
        __asm__ volatile("wfe");
}

int main(void)
{
    take(0);
    launch(core1, stack1 + 64);
    (void)fifo_pop();
    take(1);
    return 0;
}
