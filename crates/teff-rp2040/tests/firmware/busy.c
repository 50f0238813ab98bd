/* Work for one core or two: integer products from flash and SRAM, so that both cores use the cache and the banks. With
 * CAMERA defined, at 125 MHz, and with a camera that streams meanwhile if it is 1. */
#include "chip.h"
#ifdef CAMERA
#include "camera.h"
#endif

#define N 784
static const int8_t weights[4 * N] = {[0] = 1, [1] = -3, [100] = 7, [1000] = 5, [3000] = -2};
static int8_t input[2][N];
static uint32_t stack1[256];
static volatile int32_t result[2];

__attribute__((noinline)) static int32_t work(int core, int rounds)
{
    int32_t sum = 0;
    for (int r = 0; r < rounds; r++)
        for (int j = 0; j < 4; j++) {
            int32_t a = 0;
            const int8_t *w = weights + j * N;
            const int8_t *x = input[core];
            for (int i = 0; i < N; i++)
                a += w[i] * x[i];
            sum += a >> 3;
            input[core][r % N] += (int8_t)sum;
        }
    return sum;
}

static void core1(void)
{
    result[1] = work(1, ROUNDS);
    for (;;)
        __asm__ volatile("wfe");
}

int main(void)
{
#ifdef CAMERA
    stream();
#endif
    for (int i = 0; i < N; i++)
        input[0][i] = input[1][i] = (int8_t)(i * 37);
    if (CORES == 2)
        launch(core1, stack1 + 256);
    result[0] = work(0, ROUNDS);
    mark(3, (uint32_t)result[0]);
    return 0;
}
