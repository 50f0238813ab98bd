/* Lossless WebP (WebP Lossless Bitstream Specification): all transforms, the cache of colours, and groups of
   codes, as long as their tables fit into the scratch bytes. Alpha is dropped. */

/* A transform of the pixels (section 4). */
typedef struct {
    /* 0 prediction, 1 of red and blue by other channels, 2 of them by the addition of green, 3 a palette. */
    size_t kind;
    /* Squares of `1 << bits` pixels have a parameter each; of a palette `1 << bits` pixels are one. */
    uint32_t bits;
    /* Where the parameters are. */
    size_t at;
    /* Pixels of a row, when it is done. */
    size_t width;
} picture_webp_transform;

/* How many squares of `1 << bits` pixels a side of `size` takes. */
static size_t picture_webp_squares(size_t size, uint32_t bits)
{
    return (size + ((size_t)1 << bits) - 1) >> bits;
}

/* A picture of parameters, with codes of its own. */
static int picture_webp_picture(picture_job *job, picture_webp_bits *bits, const picture_webp_codes *codes,
    size_t to, size_t height, size_t width)
{
    picture_webp_codes own = *codes;
    own.group_columns = 0;
    return picture_webp_read_cache(job, bits, &own) && picture_webp_read_codes(job, bits, &own, 1)
        && picture_webp_pixels(job, bits, &own, to, height, width);
}

/* The sums of two colours' channels. */
static uint32_t picture_webp_sum(uint32_t a, uint32_t b)
{
    uint32_t odd = ((a & 0xff00ff00) + (b & 0xff00ff00)) & 0xff00ff00;
    uint32_t even = ((a & 0x00ff00ff) + (b & 0x00ff00ff)) & 0x00ff00ff;
    return odd | even;
}

/* A transform of rows of `width` pixels, its parameters to be at `at`. */
static int picture_webp_read_transform(picture_job *job, picture_webp_bits *bits,
    const picture_webp_codes *codes, size_t kind, size_t at, size_t width, picture_webp_transform *transform)
{
    transform->kind = kind;
    transform->bits = 0;
    transform->at = at;
    transform->width = width;
    if (kind < 2) {
        transform->bits = 2 + (uint32_t)picture_webp_number(job, bits, 3);
        size_t rows = picture_webp_squares(job->height, transform->bits);
        return picture_webp_picture(job, bits, codes, at, rows, picture_webp_squares(width, transform->bits));
    }
    if (kind == 3) {
        size_t colours = picture_webp_number(job, bits, 8) + 1;
        transform->bits = colours <= 2 ? 3 : colours <= 4 ? 2 : colours <= 16 ? 1 : 0;
        memset(job->words + at, 0, 256 * sizeof(int32_t));
        if (!picture_webp_picture(job, bits, codes, at, 1, colours)) {
            return 0;
        }
        /* Each is the difference from the one before. */
        int32_t *words = job->words + at;
        for (size_t i = 1; i < colours; i++) {
            words[i] = (int32_t)picture_webp_sum((uint32_t)words[i], (uint32_t)words[i - 1]);
        }
    }
    return 1;
}

/* Which group of codes each square has (section 6.2.2). Gives how many there are, 0 when it is damaged. */
static size_t picture_webp_read_groups(picture_job *job, picture_webp_bits *bits, picture_webp_codes *codes,
    size_t width)
{
    codes->group_bits = 2 + (uint32_t)picture_webp_number(job, bits, 3);
    size_t rows = picture_webp_squares(job->height, codes->group_bits);
    size_t columns = picture_webp_squares(width, codes->group_bits);
    if (!picture_webp_picture(job, bits, codes, codes->groups, rows, columns)) {
        return 0;
    }
    codes->group_columns = columns;
    size_t most = 0;
    for (size_t i = 0; i < rows * columns; i++) {
        size_t group = (uint32_t)job->words[codes->groups + i] >> 8 & 0xffff;
        if (group > most) {
            most = group;
        }
    }
    return most + 1;
}

/* The means of two colours' channels. */
static uint32_t picture_webp_mean(uint32_t a, uint32_t b)
{
    return (a & b) + (((a ^ b) & 0xfefefefe) >> 1);
}

static int32_t picture_webp_channel(uint32_t colour, uint32_t shift)
{
    return (int32_t)(colour >> shift & 0xff);
}

/* The one of `left` and `above` that is nearer to their sum without `corner`. */
static uint32_t picture_webp_select(uint32_t left, uint32_t above, uint32_t corner)
{
    int32_t nearer = 0;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        int32_t of_above = picture_webp_channel(above, shift) - picture_webp_channel(corner, shift);
        int32_t of_left = picture_webp_channel(left, shift) - picture_webp_channel(corner, shift);
        nearer += (of_above < 0 ? -of_above : of_above) - (of_left < 0 ? -of_left : of_left);
    }
    return nearer < 0 ? left : above;
}

/* The sum of two colours without a third, in their range; or their mean and half its difference from the
   third. */
static uint32_t picture_webp_clamped(uint32_t of_a, uint32_t of_b, uint32_t of_c, int half)
{
    uint32_t out = 0;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        int32_t a = picture_webp_channel(of_a, shift);
        int32_t b = picture_webp_channel(of_b, shift);
        int32_t c = picture_webp_channel(of_c, shift);
        int32_t value = half ? (a + b) / 2 + ((a + b) / 2 - c) / 2 : a + b - c;
        out |= (uint32_t)(value < 0 ? 0 : value > 255 ? 255 : value) << shift;
    }
    return out;
}

/* What is predicted for the pixel at `at`, neither in the first row nor in the first column (section 4.1). */
static uint32_t picture_webp_predicted(const int32_t *words, size_t at, size_t width, uint32_t mode)
{
    uint32_t left = (uint32_t)words[at - 1];
    uint32_t corner = (uint32_t)words[at - width - 1];
    uint32_t above = (uint32_t)words[at - width];
    uint32_t right = (uint32_t)words[at - width + 1];
    switch (mode) {
    case 1: return left;
    case 2: return above;
    case 3: return right;
    case 4: return corner;
    case 5: return picture_webp_mean(picture_webp_mean(left, right), above);
    case 6: return picture_webp_mean(left, corner);
    case 7: return picture_webp_mean(left, above);
    case 8: return picture_webp_mean(corner, above);
    case 9: return picture_webp_mean(above, right);
    case 10: return picture_webp_mean(picture_webp_mean(left, corner), picture_webp_mean(above, right));
    case 11: return picture_webp_select(left, above, corner);
    case 12: return picture_webp_clamped(left, above, corner, 0);
    case 13: return picture_webp_clamped(left, above, corner, 1);
    default: return 0xff000000;
    }
}

/* A factor of 8 bits and a channel, both with a sign (section 4.2). */
static int32_t picture_webp_product(int32_t factor, int32_t channel)
{
    return ((int8_t)factor * (int8_t)channel) >> 5;
}

/* Red and blue by the factors of a square. */
static uint32_t picture_webp_recoloured(uint32_t colour, uint32_t factors)
{
    int32_t green = picture_webp_channel(colour, 8);
    int32_t by_green = picture_webp_product(picture_webp_channel(factors, 0), green);
    int32_t red = (picture_webp_channel(colour, 16) + by_green) & 0xff;
    int32_t blue = picture_webp_channel(colour, 0)
        + picture_webp_product(picture_webp_channel(factors, 8), green)
        + picture_webp_product(picture_webp_channel(factors, 16), red);
    return (colour & 0xff00ff00) | (uint32_t)red << 16 | (uint32_t)(blue & 0xff);
}

/* Pixels of a palette, of which several may be in one, from the last on (section 4.4). */
static void picture_webp_unpack(picture_job *job, const picture_webp_transform *transform)
{
    size_t columns = picture_webp_squares(transform->width, transform->bits);
    uint32_t depth = 8u >> transform->bits;
    for (size_t y = job->height; y-- > 0;) {
        for (size_t x = transform->width; x-- > 0;) {
            uint32_t packed = (uint32_t)job->words[y * columns + (x >> transform->bits)] >> 8 & 0xff;
            uint32_t shift = (uint32_t)(x & (((size_t)1 << transform->bits) - 1)) * depth;
            uint32_t index = packed >> shift & ((1u << depth) - 1);
            job->words[y * transform->width + x] = job->words[transform->at + index];
        }
    }
}

/* Undoes a transform. */
static void picture_webp_undo(picture_job *job, const picture_webp_transform *transform)
{
    size_t width = transform->width;
    int32_t *words = job->words;
    if (transform->kind == 3) {
        picture_webp_unpack(job, transform);
        return;
    }
    size_t squares = picture_webp_squares(width, transform->bits);
    for (size_t y = 0; y < job->height; y++) {
        for (size_t x = 0; x < width; x++) {
            size_t at = y * width + x;
            uint32_t colour = (uint32_t)words[at];
            if (transform->kind == 2) {
                uint32_t green = colour >> 8 & 0xff;
                words[at] = (int32_t)picture_webp_sum(colour, green << 16 | green);
                continue;
            }
            size_t square = transform->at + (y >> transform->bits) * squares + (x >> transform->bits);
            uint32_t parameter = (uint32_t)words[square];
            if (transform->kind == 1) {
                words[at] = (int32_t)picture_webp_recoloured(colour, parameter);
                continue;
            }
            uint32_t before;
            if (x == 0 && y == 0) {
                before = 0xff000000;
            } else if (y == 0) {
                before = (uint32_t)words[at - 1];
            } else if (x == 0) {
                before = (uint32_t)words[at - width];
            } else {
                before = picture_webp_predicted(words, at, width, parameter >> 8 & 15);
            }
            words[at] = (int32_t)picture_webp_sum(colour, before);
        }
    }
}

static void picture_webp_show(picture_job *job)
{
    for (size_t y = 0; y < job->height; y++) {
        for (size_t x = 0; x < job->width; x++) {
            uint32_t colour = (uint32_t)job->words[y * job->width + x];
            picture_set(job, y, x, colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff);
        }
    }
}

/* Decodes what is in the file from `at` to `end`. The scratch words are the pixels, parameters of two
   transforms, the groups, the starts of five codes per group, a palette, and a cache. */
static int picture_webp_lossless(picture_job *job, size_t at, size_t end)
{
    picture_webp_bits bits = picture_webp_bits_new(at, end);
    size_t signature = picture_webp_number(job, &bits, 8);
    size_t width = picture_webp_number(job, &bits, 14) + 1;
    size_t height = picture_webp_number(job, &bits, 14) + 1;
    if (signature != 0x2f || height != job->height || width != job->width) {
        return 0;
    }
    /* Whether alpha is used, and the version. */
    picture_webp_bit(job, &bits);
    if (picture_webp_number(job, &bits, 3) != 0) {
        return 0;
    }
    /* Of no smaller squares than 4 pixels wide are there parameters. */
    size_t squares = picture_webp_squares(height, 2) * picture_webp_squares(width, 2);
    size_t parameters = height * width;
    const size_t places[4] = {parameters, parameters + squares, parameters, parameters + 8 * squares};
    picture_webp_codes codes = {0};
    codes.cache = parameters + 8 * squares + 256;
    codes.starts = parameters + 3 * squares;
    codes.most = squares;
    codes.groups = parameters + 2 * squares;
    codes.entries = picture_webp_entries(height, width);
    picture_webp_transform transforms[4];
    size_t count = 0;
    uint32_t seen = 0;
    size_t columns = width;
    while (picture_webp_bit(job, &bits) == 1) {
        size_t kind = picture_webp_number(job, &bits, 2);
        if ((seen >> kind & 1) == 1) {
            return 0;
        }
        seen |= (uint32_t)1 << kind;
        picture_webp_transform *next = &transforms[count];
        if (!picture_webp_read_transform(job, &bits, &codes, kind, places[kind], columns, next)) {
            return 0;
        }
        if (kind == 3) {
            columns = picture_webp_squares(columns, next->bits);
        }
        count += 1;
    }
    if (!picture_webp_read_cache(job, &bits, &codes)) {
        return 0;
    }
    size_t groups = 1;
    if (picture_webp_bit(job, &bits) == 1) {
        groups = picture_webp_read_groups(job, &bits, &codes, columns);
    }
    if (groups == 0 || !picture_webp_read_codes(job, &bits, &codes, groups)) {
        return 0;
    }
    if (!picture_webp_pixels(job, &bits, &codes, 0, height, columns)) {
        return 0;
    }
    while (count > 0) {
        count -= 1;
        picture_webp_undo(job, &transforms[count]);
    }
    picture_webp_show(job);
    return 1;
}
