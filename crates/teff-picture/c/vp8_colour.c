/* Pixels of VP8's planes: chroma of twice the size, and colours, rounded as libwebp does. */

/* Chroma at a pixel, of the nearest sample (9 parts), that beside it and that above or below it (3 parts
   each), and the one diagonal to it (1 part). `near` and `far` are rows, `x` and `beside` columns. */
static int32_t picture_vp8_smooth(const uint8_t *bytes, size_t near, size_t far, size_t x, size_t beside)
{
    int32_t nearest = bytes[near + x];
    int32_t sides = bytes[near + beside] + bytes[far + x];
    return ((nearest + 3 * sides + bytes[far + beside] + 8) / 8 + nearest) / 2;
}

/* A channel of 14 bits and its fraction, as 8 bits. */
static uint32_t picture_vp8_channel(int32_t value)
{
    return picture_vp8_pixel(value >> 6);
}

/* The sample next to `at / 2` on the side where `at` is; there are `count`. */
static size_t picture_vp8_neighbour(size_t at, size_t count)
{
    size_t half = at / 2;
    if ((at & 1) == 0) {
        return half > 0 ? half - 1 : 0;
    } else if (half + 1 < count) {
        return half + 1;
    } else {
        return half;
    }
}

/* Sets every pixel: ITU-R BT.601 with luma from 16 to 235. */
static void picture_vp8_show(picture_job *job, const picture_vp8_plane *planes)
{
    size_t rows = (job->height + 1) / 2, columns = (job->width + 1) / 2;
    for (size_t y = 0; y < job->height; y++) {
        size_t near = y / 2 * planes[1].stride;
        size_t far = picture_vp8_neighbour(y, rows) * planes[1].stride;
        for (size_t x = 0; x < job->width; x++) {
            size_t beside = picture_vp8_neighbour(x, columns);
            size_t of_u = planes[1].at, of_v = planes[2].at;
            int32_t u = picture_vp8_smooth(job->bytes, of_u + near, of_u + far, x / 2, beside);
            int32_t v = picture_vp8_smooth(job->bytes, of_v + near, of_v + far, x / 2, beside);
            int32_t luma = (job->bytes[planes[0].at + y * planes[0].stride + x] * 19077) >> 8;
            int32_t red = luma + ((v * 26149) >> 8) - 14234;
            int32_t green = luma - ((u * 6419) >> 8) - ((v * 13320) >> 8) + 8708;
            int32_t blue = luma + ((u * 33050) >> 8) - 17685;
            picture_set(job, y, x, picture_vp8_channel(red), picture_vp8_channel(green),
                picture_vp8_channel(blue));
        }
    }
}
