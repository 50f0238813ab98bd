/* VP8's loop filters, which smooth the edges of blocks (RFC 6386, section 15). */

/* What is filtered, and how much, in a macroblock. */
typedef struct {
    /* The level of the edges; 0 when none is filtered. */
    int32_t level;
    /* The steps between neighbours that are allowed at most. */
    int32_t interior;
} picture_vp8_strength;

/* How much is filtered at some edges. */
typedef struct {
    int32_t edge;
    int32_t interior;
    /* Steps next to the edge beyond which only the pixels at it change. */
    int32_t variance;
    /* It is the edge of a macroblock. */
    int outer;
    /* The simple filter. */
    int simple;
} picture_vp8_limits;

static int32_t picture_vp8_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Sections 9.6 and 15.2. */
static picture_vp8_strength picture_vp8_strength_new(int32_t level, int32_t sharpness)
{
    int32_t interior = level;
    if (sharpness > 0) {
        interior >>= sharpness > 4 ? 2 : 1;
        if (interior > 9 - sharpness) {
            interior = 9 - sharpness;
        }
    }
    if (interior < 1) {
        interior = 1;
    }
    picture_vp8_strength strength = {level, interior};
    return strength;
}

/* The step between the pixels at two places. */
static int32_t picture_vp8_step(const uint8_t *bytes, size_t a, size_t b)
{
    return bytes[a] > bytes[b] ? bytes[a] - bytes[b] : bytes[b] - bytes[a];
}

/* Moves a pixel. */
static void picture_vp8_shift(uint8_t *bytes, size_t at, int32_t by)
{
    bytes[at] = picture_vp8_pixel(bytes[at] + by);
}

/* Moves the two pixels at the edge, by the difference over it and `outer`, that of their neighbours (section
   15.2). Gives how much the second was moved. */
static int32_t picture_vp8_narrow(uint8_t *bytes, size_t at, size_t across, int32_t outer)
{
    int32_t difference = 3 * (bytes[at] - bytes[at - across]) + outer;
    int32_t by = picture_vp8_clamp((difference + 4) >> 3, -16, 15);
    picture_vp8_shift(bytes, at - across, picture_vp8_clamp((difference + 3) >> 3, -16, 15));
    picture_vp8_shift(bytes, at, -by);
    return by;
}

/* Moves three pixels on each side (section 15.3). */
static void picture_vp8_wide(uint8_t *bytes, size_t at, size_t across, int32_t outer)
{
    int32_t difference = picture_vp8_clamp(3 * (bytes[at] - bytes[at - across]) + outer, -128, 127);
    for (size_t i = 0; i < 3; i++) {
        int32_t by = ((27 - 9 * (int32_t)i) * difference + 63) >> 7;
        picture_vp8_shift(bytes, at - (i + 1) * across, by);
        picture_vp8_shift(bytes, at + i * across, -by);
    }
}

/* The simple filter where `at` is the first pixel behind an edge (section 15.2). */
static void picture_vp8_simple(uint8_t *bytes, size_t at, size_t across, const picture_vp8_limits *limits)
{
    size_t p = at - across, q = at;
    int32_t over = 4 * picture_vp8_step(bytes, p, q) + picture_vp8_step(bytes, p - across, q + across);
    if (over <= 2 * limits->edge + 1) {
        int32_t outer = bytes[p - across] - bytes[q + across];
        picture_vp8_narrow(bytes, at, across, picture_vp8_clamp(outer, -128, 127));
    }
}

/* The normal filter (section 15.3). */
static void picture_vp8_normal(uint8_t *bytes, size_t at, size_t across, const picture_vp8_limits *limits)
{
    size_t p = at - across, q = at;
    int32_t over = 4 * picture_vp8_step(bytes, p, q) + picture_vp8_step(bytes, p - across, q + across);
    if (over > 2 * limits->edge + 1) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        size_t pi = p - i * across, qi = q + i * across;
        if (picture_vp8_step(bytes, pi, pi - across) > limits->interior
            || picture_vp8_step(bytes, qi, qi + across) > limits->interior) {
            return;
        }
    }
    int32_t outer = picture_vp8_clamp(bytes[p - across] - bytes[q + across], -128, 127);
    if (picture_vp8_step(bytes, p, p - across) > limits->variance
        || picture_vp8_step(bytes, q, q + across) > limits->variance) {
        picture_vp8_narrow(bytes, at, across, outer);
    } else if (limits->outer) {
        picture_vp8_wide(bytes, at, across, outer);
    } else {
        int32_t by = (picture_vp8_narrow(bytes, at, across, 0) + 1) >> 1;
        picture_vp8_shift(bytes, p - across, by);
        picture_vp8_shift(bytes, q + across, -by);
    }
}

/* An edge of `size` pixels from `at` on. */
static void picture_vp8_edge(uint8_t *bytes, size_t at, size_t along, size_t across, size_t size,
    const picture_vp8_limits *limits)
{
    for (size_t i = 0; i < size; i++) {
        if (limits->simple) {
            picture_vp8_simple(bytes, at + i * along, across, limits);
        } else {
            picture_vp8_normal(bytes, at + i * along, across, limits);
        }
    }
}

/* Filters the macroblock in column `x` of row `y`; the blocks in it when `inner`. The simple filter is that
   of luma only. */
static void picture_vp8_filter(uint8_t *bytes, const picture_vp8_plane *planes, size_t y, size_t x,
    picture_vp8_strength strength, int inner, int is_simple)
{
    if (strength.level == 0) {
        return;
    }
    int32_t within = 2 * strength.level + strength.interior;
    int32_t variance = (strength.level >= 15) + (strength.level >= 40);
    int32_t interior = strength.interior;
    const picture_vp8_limits outside = {within + 4, interior, variance, 1, is_simple};
    const picture_vp8_limits inside = {within, interior, variance, 0, is_simple};
    for (size_t i = 0; i < 3; i++) {
        if (i > 0 && is_simple) {
            return;
        }
        size_t size = i == 0 ? 16 : 8;
        size_t stride = planes[i].stride;
        size_t at = planes[i].at + size * (y * stride + x);
        if (x > 0) {
            picture_vp8_edge(bytes, at, stride, 1, size, &outside);
        }
        if (inner) {
            for (size_t k = 1; k < size / 4; k++) {
                picture_vp8_edge(bytes, at + 4 * k, stride, 1, size, &inside);
            }
        }
        if (y > 0) {
            picture_vp8_edge(bytes, at, 1, stride, size, &outside);
        }
        if (inner) {
            for (size_t k = 1; k < size / 4; k++) {
                picture_vp8_edge(bytes, at + 4 * k * stride, 1, stride, size, &inside);
            }
        }
    }
}
