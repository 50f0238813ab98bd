/* JPEG's way from coefficients to pixels: the inverse transform, components of fewer samples made larger,
   colours.

   The standard leaves the arithmetic open. This is libjpeg's, as a function of integers: its 'slow'
   transform, its 'fancy' upsampling and its fixed-point colours. */

/* Where the coefficients, in their order in the file, are in the block (figure A.6). */
static const uint8_t PICTURE_JPEG_ZIGZAG[64] = {
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* What the coefficients 1, 3, 5, 7 add to the samples 0 to 3: 2^13 sqrt(2) cos((2 x + 1) u pi / 16). Each is
   the sum of the rounded constants that a fast form of the transform multiplies with; those sums are what is
   off by one here and there. */
static const int32_t PICTURE_JPEG_ODD[4][4] = {
    {11363, 9633, 6437, 2260},
    {9633, -2259, -11362, -6436},
    {6437, -11362, 2261, 9633},
    {2260, -6436, 9633, -11363},
};

/* The inverse cosine transform of 8 numbers of 16 bits, times 2^13 sqrt(8). No sum is above 61214 * 2^15,
   which fits. */
static void picture_jpeg_inverse(const int32_t *x, int32_t *out)
{
    int32_t a = 8192 * (x[0] + x[4]);
    int32_t b = 8192 * (x[0] - x[4]);
    int32_t c = 10703 * x[2] + 4433 * x[6];
    int32_t d = 4433 * x[2] - 10704 * x[6];
    int32_t even[4] = {a + c, b + d, b - d, a - c};
    for (size_t i = 0; i < 4; i++) {
        const int32_t *by = PICTURE_JPEG_ODD[i];
        int32_t odd = by[0] * x[1] + by[1] * x[3] + by[2] * x[5] + by[3] * x[7];
        out[i] = even[i] + odd;
        out[7 - i] = even[i] - odd;
    }
}

static int32_t picture_jpeg_clamp(int32_t value, int32_t least, int32_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* The block's coefficients become its samples (A.3.3, A.3.4). */
static void picture_jpeg_transform(picture_job *job, const picture_jpeg_component *c, size_t block)
{
    int32_t square[64];
    int32_t line[8];
    int32_t out[8];
    for (size_t k = 0; k < 64; k++) {
        uint32_t step = c->wide ? picture_big16(job, c->quant + 2 * k) : picture_byte(job, c->quant + k);
        int32_t value = picture_jpeg_coefficient(job, block, k) * (int32_t)step;
        square[PICTURE_JPEG_ZIGZAG[k]] = picture_jpeg_clamp(value, -0x8000, 0x7fff);
    }
    for (size_t x = 0; x < 8; x++) {
        for (size_t y = 0; y < 8; y++) {
            line[y] = square[8 * y + x];
        }
        picture_jpeg_inverse(line, out);
        for (size_t y = 0; y < 8; y++) {
            square[8 * y + x] = picture_jpeg_clamp((out[y] + (1 << 10)) >> 11, -0x8000, 0x7fff);
        }
    }
    for (size_t y = 0; y < 8; y++) {
        for (size_t x = 0; x < 8; x++) {
            line[x] = square[8 * y + x];
        }
        picture_jpeg_inverse(line, out);
        for (size_t x = 0; x < 8; x++) {
            int32_t value = ((out[x] + ((int32_t)1 << 17)) >> 18) + 128;
            job->bytes[block + 8 * y + x] = (uint8_t)picture_jpeg_clamp(value, 0, 255);
        }
    }
}

/* The coefficients of the row number `row` of units become samples. */
static void picture_jpeg_transform_row(picture_job *job, const picture_jpeg_frame *frame, size_t row)
{
    for (size_t i = 0; i < frame->count; i++) {
        const picture_jpeg_component *c = &frame->components[i];
        for (size_t v = 0; v < picture_jpeg_rows(c, row); v++) {
            for (size_t h = 0; h < c->blocks_across; h++) {
                picture_jpeg_transform(job, c, c->at + PICTURE_JPEG_BLOCK * (v * c->slots + h));
            }
        }
    }
}

/* A sample, in the row number `row` of units or just above it. */
static uint32_t picture_jpeg_sample(const picture_job *job, const picture_jpeg_component *c, size_t row,
    size_t y, size_t x)
{
    size_t top = 8 * c->v * row;
    if (y < top) {
        return job->bytes[c->above + x];
    }
    size_t block = c->at + PICTURE_JPEG_BLOCK * ((y - top) / 8 * c->slots + x / 8);
    return job->bytes[block + y % 8 * 8 + x % 8];
}

/* The sample behind `at` or the one before it, but at an edge itself. */
static size_t picture_jpeg_neighbour(size_t at, int behind, size_t size)
{
    if (behind) {
        return at + 1 < size ? at + 1 : at;
    }
    return at > 0 ? at - 1 : 0;
}

/* The component's value of a pixel. Of two pixels that a sample stands for each has 3/4 of it and 1/4 of the
   sample on its side, in either direction, rounded up and down in turns. Not so in very narrow components,
   nor where a sample stands for more pixels. */
static uint32_t picture_jpeg_value(const picture_job *job, const picture_jpeg_component *c, size_t row,
    size_t y, size_t x)
{
    size_t v = y / c->down;
    size_t h = x / c->across;
    uint32_t own = picture_jpeg_sample(job, c, row, v, h);
    int plain = c->across > 2 || c->down > 2 || (c->across == 2 && c->width <= 2);
    if (plain || (c->across == 1 && c->down == 1)) {
        return own;
    }
    uint32_t odd_y = y % 2;
    uint32_t odd_x = x % 2;
    size_t next_v = picture_jpeg_neighbour(v, odd_y == 1, c->height);
    size_t next_h = picture_jpeg_neighbour(h, odd_x == 1, c->width);
    if (c->down == 1) {
        return (3 * own + picture_jpeg_sample(job, c, row, v, next_h) + 1 + odd_x) >> 2;
    }
    uint32_t here = 3 * own + picture_jpeg_sample(job, c, row, next_v, h);
    if (c->across == 1) {
        return (here + 1 + odd_y) >> 2;
    }
    uint32_t beside = picture_jpeg_sample(job, c, row, v, next_h);
    beside = 3 * beside + picture_jpeg_sample(job, c, row, next_v, next_h);
    return (3 * here + beside + 8 - odd_x) >> 4;
}

/* Sets a pixel by the values of its components; the factors are those of JFIF, times 2^16. */
static void picture_jpeg_set_pixel(picture_job *job, const picture_jpeg_frame *frame, size_t y, size_t x,
    const uint32_t *of)
{
    if (frame->count == 1) {
        picture_set(job, y, x, of[0], of[0], of[0]);
        return;
    }
    if (frame->rgb) {
        picture_set(job, y, x, of[0], of[1], of[2]);
        return;
    }
    int32_t luma = (int32_t)of[0];
    int32_t cb = (int32_t)of[1] - 128;
    int32_t cr = (int32_t)of[2] - 128;
    int32_t red = picture_jpeg_clamp(luma + ((91881 * cr + 32768) >> 16), 0, 255);
    int32_t green = picture_jpeg_clamp(luma + ((-22554 * cb - 46802 * cr + 32768) >> 16), 0, 255);
    int32_t blue = picture_jpeg_clamp(luma + ((116130 * cb + 32768) >> 16), 0, 255);
    picture_set(job, y, x, (uint32_t)red, (uint32_t)green, (uint32_t)blue);
}

/* Sets the pixels that can be when the row number `row` of units is there: its last row of pixels may need
   the next row of units, so it is set with that one. Then keeps the last row of samples. */
static void picture_jpeg_set_row(picture_job *job, const picture_jpeg_frame *frame, size_t row)
{
    size_t from = row > 0 ? row * frame->rows - 1 : 0;
    size_t to = row + 1 == frame->units_down ? job->height : (row + 1) * frame->rows - 1;
    uint32_t of[3];
    for (size_t y = from; y < to; y++) {
        for (size_t x = 0; x < job->width; x++) {
            for (size_t i = 0; i < frame->count; i++) {
                of[i] = picture_jpeg_value(job, &frame->components[i], row, y, x);
            }
            picture_jpeg_set_pixel(job, frame, y, x, of);
        }
    }
    if (row + 1 == frame->units_down) {
        return;
    }
    for (size_t i = 0; i < frame->count; i++) {
        const picture_jpeg_component *c = &frame->components[i];
        for (size_t x = 0; x < c->width; x++) {
            job->bytes[c->above + x] = (uint8_t)picture_jpeg_sample(job, c, row, 8 * c->v * (row + 1) - 1, x);
        }
    }
}
