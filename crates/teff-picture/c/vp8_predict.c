/* VP8's pixels: prediction from those above and to the left, and the transforms of coefficients (RFC 6386,
   sections 12 and 14). */

/* A plane of pixels in memory: where its first pixel is, and from row to row. Before each row is a pixel of
   129, above the first row are some of 127: what prediction takes outside the picture (section 12.2). */
typedef struct {
    size_t at;
    size_t stride;
} picture_vp8_plane;

/* The bytes of a plane of `height` rows. */
static size_t picture_vp8_plane_bytes(size_t height, size_t width)
{
    return (height + 1) * (width + 1);
}

/* A plane at `at`, with its borders set. */
static picture_vp8_plane picture_vp8_plane_new(uint8_t *bytes, size_t at, size_t height, size_t width)
{
    size_t stride = width + 1;
    for (size_t x = 0; x < stride; x++) {
        bytes[at + x] = 127;
    }
    for (size_t y = 0; y < height; y++) {
        bytes[at + (y + 1) * stride] = 129;
    }
    picture_vp8_plane plane = {at + stride + 1, stride};
    return plane;
}

static uint8_t picture_vp8_pixel(int32_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* The modes of 4x4 blocks from "vertical" on, pixel by pixel (section 12.3). A number n below 16 is the
   weighted mean of three neighbours, n - 1 to n + 1; 16 + n is the mean of the neighbours n and n + 1. */
static const uint8_t picture_vp8_directions[8][16] = {
    {6, 7, 8, 9, 6, 7, 8, 9, 6, 7, 8, 9, 6, 7, 8, 9},
    {4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1},
    {7, 8, 9, 10, 8, 9, 10, 11, 9, 10, 11, 12, 10, 11, 12, 13},
    {5, 6, 7, 8, 4, 5, 6, 7, 3, 4, 5, 6, 2, 3, 4, 5},
    {21, 22, 23, 24, 5, 6, 7, 8, 4, 21, 22, 23, 3, 5, 6, 7},
    {22, 23, 24, 25, 7, 8, 9, 10, 23, 24, 25, 11, 8, 9, 10, 12},
    {20, 5, 6, 7, 19, 4, 20, 5, 18, 3, 19, 4, 17, 2, 18, 3},
    {19, 3, 18, 2, 18, 2, 17, 1, 17, 1, 16, 16, 16, 16, 16, 16}
};

static void picture_vp8_fill(uint8_t *bytes, size_t at, size_t stride, size_t size, uint8_t value)
{
    for (size_t y = 0; y < size; y++) {
        for (size_t x = 0; x < size; x++) {
            bytes[at + y * stride + x] = value;
        }
    }
}

/* What is to the left, and the change from the corner to what is above. */
static void picture_vp8_true_motion(uint8_t *bytes, size_t at, size_t stride, size_t size)
{
    int32_t corner = bytes[at - stride - 1];
    for (size_t y = 0; y < size; y++) {
        int32_t left = bytes[at + y * stride - 1];
        for (size_t x = 0; x < size; x++) {
            int32_t value = left + bytes[at - stride + x] - corner;
            bytes[at + y * stride + x] = picture_vp8_pixel(value);
        }
    }
}

/* Predicts a 4x4 block. `right` are the four pixels that follow the four above it. */
static void picture_vp8_predict_small(uint8_t *bytes, size_t at, size_t stride, size_t mode,
    const uint8_t *right)
{
    /* From the left ones, the lowest first and twice, over the corner, number 5, to those above, the last
       twice. */
    uint32_t beside[15];
    for (size_t i = 0; i < 4; i++) {
        beside[4 - i] = bytes[at + i * stride - 1];
        beside[6 + i] = bytes[at - stride + i];
        beside[10 + i] = right[i];
    }
    beside[0] = beside[1];
    beside[5] = bytes[at - stride - 1];
    beside[14] = beside[13];
    if (mode == 0) {
        uint32_t sum = 4;
        for (size_t i = 0; i < 4; i++) {
            sum += beside[1 + i] + beside[6 + i];
        }
        picture_vp8_fill(bytes, at, stride, 4, (uint8_t)(sum / 8));
    } else if (mode == 1) {
        picture_vp8_true_motion(bytes, at, stride, 4);
    } else {
        for (size_t i = 0; i < 16; i++) {
            size_t n = picture_vp8_directions[mode - 2][i];
            bytes[at + i / 4 * stride + i % 4] = n < 16
                ? (uint8_t)((beside[n - 1] + 2 * beside[n] + beside[n + 1] + 2) / 4)
                : (uint8_t)((beside[n - 16] + beside[n - 15] + 1) >> 1);
        }
    }
}

/* Predicts a block of `size` in a mode of a whole macroblock (section 12.2). `above` and `left` say whether
   there are pixels in the picture. */
static void picture_vp8_predict(uint8_t *bytes, size_t at, size_t stride, size_t size, size_t mode, int above,
    int left)
{
    if (mode == 0) {
        size_t sum = 0;
        for (size_t i = 0; i < size; i++) {
            if (above) {
                sum += bytes[at - stride + i];
            }
            if (left) {
                sum += bytes[at + i * stride - 1];
            }
        }
        size_t count = above && left ? 2 * size : size;
        size_t mean = above || left ? (sum + count / 2) / count : 128;
        picture_vp8_fill(bytes, at, stride, size, (uint8_t)mean);
    } else if (mode == 3) {
        picture_vp8_true_motion(bytes, at, stride, size);
    } else {
        for (size_t y = 0; y < size; y++) {
            for (size_t x = 0; x < size; x++) {
                size_t from = mode == 1 ? at - stride + x : at + y * stride - 1;
                bytes[at + y * stride + x] = bytes[from];
            }
        }
    }
}

/* `value` times `factor / 65536`, for the factors of section 14.3. */
static int32_t picture_vp8_scale(int32_t value, uint32_t factor)
{
    return (int32_t)((uint32_t)value * factor) >> 16;
}

/* The sum and difference parts of four numbers, by the square root of 2 times the cosine and the sine of pi/8
   (section 14.3). */
static void picture_vp8_rotate(int32_t a, int32_t b, int32_t c, int32_t d, int32_t *out)
{
    int32_t even = a + c;
    int32_t odd = a - c;
    int32_t low = picture_vp8_scale(b, 35468) - (d + picture_vp8_scale(d, 20091));
    int32_t high = b + picture_vp8_scale(b, 20091) + picture_vp8_scale(d, 35468);
    out[0] = even + high;
    out[1] = odd + low;
    out[2] = odd - low;
    out[3] = even - high;
}

/* Adds the transform of a block of coefficients to the pixels. */
static void picture_vp8_add(uint8_t *bytes, size_t at, size_t stride, const int16_t *block)
{
    int32_t columns[4][4];
    for (size_t x = 0; x < 4; x++) {
        picture_vp8_rotate(block[x], block[4 + x], block[8 + x], block[12 + x], columns[x]);
    }
    for (size_t y = 0; y < 4; y++) {
        int32_t row[4];
        picture_vp8_rotate(columns[0][y] + 4, columns[1][y], columns[2][y], columns[3][y], row);
        for (size_t x = 0; x < 4; x++) {
            size_t to = at + y * stride + x;
            bytes[to] = picture_vp8_pixel(bytes[to] + (row[x] >> 3));
        }
    }
}

/* The sums of the Walsh-Hadamard transform (section 14.3). */
static void picture_vp8_sums(int32_t a, int32_t b, int32_t c, int32_t d, int32_t *out)
{
    out[0] = a + d + b + c;
    out[1] = a - d + b - c;
    out[2] = a + d - b - c;
    out[3] = a - d - b + c;
}

/* Transforms the last of 25 blocks into the first coefficients of the first 16. */
static void picture_vp8_spread(int16_t *blocks)
{
    int32_t columns[4][4];
    for (size_t x = 0; x < 4; x++) {
        picture_vp8_sums(blocks[384 + x], blocks[388 + x], blocks[392 + x], blocks[396 + x], columns[x]);
    }
    for (size_t y = 0; y < 4; y++) {
        int32_t row[4];
        picture_vp8_sums(columns[0][y] + 3, columns[1][y], columns[2][y], columns[3][y], row);
        for (size_t x = 0; x < 4; x++) {
            blocks[64 * y + 16 * x] = (int16_t)(row[x] >> 3);
        }
    }
}
