/* VP8's arithmetic decoder and the tokens of coefficients (RFC 6386, sections 7, 8 and 13). */

/* The probabilities of one kind of block. */
enum { PICTURE_VP8_OF_KIND = 8 * 33 };

/* Where the 11 probabilities of a position begin; the last is behind the block (section 13.3). */
static const uint8_t picture_vp8_bands[17] = {
    0, 33, 66, 99, 198, 132, 165, 198, 198, 198, 198, 198, 198, 198, 198, 231, 0
};

/* Where a coefficient is in its block (section 13). */
static const uint8_t picture_vp8_zigzag[16] = {0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15};

/* The probabilities of the bits that follow the tokens of large values, each list up to a 0 (section 13.2).
   */
static const uint8_t picture_vp8_extra[4][12] = {
    {173, 148, 140, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    {176, 155, 140, 135, 0, 0, 0, 0, 0, 0, 0, 0},
    {180, 157, 141, 134, 130, 0, 0, 0, 0, 0, 0, 0},
    {254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129, 0}
};

/* The arithmetic decoder (section 7): a part of the file, as bits with probabilities. */
typedef struct {
    size_t at;
    size_t end;
    uint32_t value;
    uint32_t range;
    /* Bits of `value` that `range` has not reached yet; one more byte is taken when it is negative. */
    int spare;
    /* It has read behind the end. */
    int over;
} picture_vp8_reader;

static picture_vp8_reader picture_vp8_reader_new(size_t at, size_t end)
{
    picture_vp8_reader reader = {at, end, 0, 255, -8, 0};
    return reader;
}

/* A bit that is 0 with a probability of 1/256ths. */
static uint32_t picture_vp8_bit(picture_vp8_reader *reader, const picture_job *job, uint32_t probability)
{
    if (reader->spare < 0) {
        reader->value <<= 8;
        if (reader->at < reader->end) {
            reader->value |= picture_byte(job, reader->at);
            reader->at += 1;
        } else {
            reader->over = 1;
        }
        reader->spare += 8;
    }
    uint32_t split = 1 + (((reader->range - 1) * probability) >> 8);
    uint32_t bit = 0;
    if (reader->value >= split << reader->spare) {
        reader->value -= split << reader->spare;
        reader->range -= split;
        bit = 1;
    } else {
        reader->range = split;
    }
    while (reader->range < 128) {
        reader->range *= 2;
        reader->spare -= 1;
    }
    return bit;
}

/* A bit that is 0 as often as not. */
static int picture_vp8_flag(picture_vp8_reader *reader, const picture_job *job)
{
    return picture_vp8_bit(reader, job, 128) == 1;
}

/* A number of so many bits, the highest first. */
static int32_t picture_vp8_number(picture_vp8_reader *reader, const picture_job *job, uint32_t bits)
{
    int32_t value = 0;
    for (uint32_t i = 0; i < bits; i++) {
        value = 2 * value + (int32_t)picture_vp8_bit(reader, job, 128);
    }
    return value;
}

/* A number and its sign. */
static int32_t picture_vp8_signed(picture_vp8_reader *reader, const picture_job *job, uint32_t bits)
{
    int32_t value = picture_vp8_number(reader, job, bits);
    if (picture_vp8_flag(reader, job)) {
        return -value;
    }
    return value;
}

/* A number with a sign when a flag says so, otherwise 0. */
static int32_t picture_vp8_optional(picture_vp8_reader *reader, const picture_job *job, uint32_t bits)
{
    if (picture_vp8_flag(reader, job)) {
        return picture_vp8_signed(reader, job, bits);
    }
    return 0;
}

/* A leaf of a tree (section 8.1). */
static size_t picture_vp8_leaf(picture_vp8_reader *reader, const picture_job *job, const int8_t *tree,
    const uint8_t *probabilities)
{
    size_t node = 0;
    for (;;) {
        int next = tree[node + picture_vp8_bit(reader, job, probabilities[node / 2])];
        if (next <= 0) {
            return (size_t)-next;
        }
        node = (size_t)next;
    }
}

/* A value above 1, by the rest of its token's probabilities (section 13.2). */
static int32_t picture_vp8_large(picture_vp8_reader *reader, const picture_job *job,
    const uint8_t *probabilities)
{
    if (picture_vp8_bit(reader, job, probabilities[0]) == 0) {
        if (picture_vp8_bit(reader, job, probabilities[1]) == 0) {
            return 2;
        }
        return 3 + (int32_t)picture_vp8_bit(reader, job, probabilities[2]);
    }
    if (picture_vp8_bit(reader, job, probabilities[3]) == 0) {
        if (picture_vp8_bit(reader, job, probabilities[4]) == 0) {
            return 5 + (int32_t)picture_vp8_bit(reader, job, 159);
        }
        int32_t high = (int32_t)picture_vp8_bit(reader, job, 165);
        return 7 + 2 * high + (int32_t)picture_vp8_bit(reader, job, 145);
    }
    size_t high = picture_vp8_bit(reader, job, probabilities[5]);
    size_t kind = 2 * high + picture_vp8_bit(reader, job, probabilities[6 + high]);
    int32_t extra = 0;
    size_t i = 0;
    while (picture_vp8_extra[kind][i] > 0) {
        extra = 2 * extra + (int32_t)picture_vp8_bit(reader, job, picture_vp8_extra[kind][i]);
        i += 1;
    }
    return 3 + (8 << kind) + extra;
}

/* The coefficients of a block from `first` on, times their `factors`, which are that of the first and that of
   the others; the block is 0 before. Gives the position behind the last token. */
static size_t picture_vp8_block(picture_vp8_reader *reader, const picture_job *job,
    const uint8_t *probabilities, size_t first, size_t context, const int32_t *factors, int16_t *block)
{
    size_t n = first;
    size_t at = picture_vp8_bands[n] + 11 * context;
    while (n < 16) {
        if (picture_vp8_bit(reader, job, probabilities[at]) == 0) {
            return n;
        }
        while (picture_vp8_bit(reader, job, probabilities[at + 1]) == 0) {
            n += 1;
            if (n == 16) {
                return 16;
            }
            at = picture_vp8_bands[n];
        }
        int32_t value = 1;
        if (picture_vp8_bit(reader, job, probabilities[at + 2]) == 1) {
            value = picture_vp8_large(reader, job, probabilities + at + 3);
        }
        /* The context is 1 after a 1, and 2 after all that is larger. */
        at = picture_vp8_bands[n + 1] + (value == 1 ? 11u : 22u);
        if (picture_vp8_flag(reader, job)) {
            value = -value;
        }
        block[picture_vp8_zigzag[n]] = (int16_t)(value * factors[n == 0 ? 0 : 1]);
        n += 1;
    }
    return 16;
}
