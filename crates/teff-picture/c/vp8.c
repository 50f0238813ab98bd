/* VP8's key frames, complete (RFC 6386): the macroblocks, and the order of work. */

/* A macroblock. */
typedef struct {
    size_t segment;
    int skip;
    /* As in the trees. */
    size_t luma;
    size_t small[16];
    size_t chroma;
    /* 25 blocks of coefficients: luma, chroma, second order. */
    int16_t blocks[400];
    /* A bit per block that has coefficients. */
    uint32_t coded;
} picture_vp8_macroblock;

/* The modes of a macroblock (sections 10 and 11). `above` is where the context of the one above it is. */
static void picture_vp8_modes_of(picture_job *job, picture_vp8_frame *frame, picture_vp8_macroblock *block,
    size_t above)
{
    static const uint8_t same[4] = {0, 2, 3, 1};
    picture_vp8_reader *reader = &frame->modes;
    block->segment = 0;
    if (frame->segment_map) {
        block->segment =
            picture_vp8_leaf(reader, job, picture_vp8_segment_tree, frame->segment_probabilities);
    }
    block->skip = frame->skips && picture_vp8_bit(reader, job, frame->skip_probability) == 1;
    block->luma = picture_vp8_leaf(reader, job, picture_vp8_luma_tree, picture_vp8_luma);
    if (block->luma == 4) {
        for (size_t i = 0; i < 16; i++) {
            size_t at = (size_t)90 * job->bytes[above + i % 4] + (size_t)9 * frame->left[i / 4];
            size_t mode = picture_vp8_leaf(reader, job, picture_vp8_mode_tree, picture_vp8_modes + at);
            block->small[i] = mode;
            job->bytes[above + i % 4] = (uint8_t)mode;
            frame->left[i / 4] = (uint8_t)mode;
        }
    } else {
        /* The mode of 4x4 blocks that does the same. */
        uint8_t mode = same[block->luma];
        for (size_t i = 0; i < 4; i++) {
            job->bytes[above + i] = mode;
            frame->left[i] = mode;
        }
    }
    block->chroma = picture_vp8_leaf(reader, job, picture_vp8_chroma_tree, picture_vp8_chroma);
}

/* The contexts behind a macroblock without coefficients; what is said of the second order stays when it has
   none. */
static void picture_vp8_forget(picture_job *job, picture_vp8_frame *frame, int small, size_t above)
{
    for (size_t i = 4; i < (small ? 12 : 13); i++) {
        job->bytes[above + i] = 0;
        frame->left[i] = 0;
    }
}

/* The coefficients of a macroblock (section 13). */
static void picture_vp8_coefficients_of(picture_job *job, picture_vp8_frame *frame,
    picture_vp8_macroblock *block, size_t part, size_t above)
{
    memset(block->blocks, 0, sizeof block->blocks);
    int32_t (*factors)[2] = frame->factors[block->segment];
    picture_vp8_reader *reader = &frame->parts[part];
    size_t first = 0;
    size_t kind = 3;
    if (block->luma != 4) {
        const uint8_t *probabilities = frame->probabilities + PICTURE_VP8_OF_KIND;
        size_t context = (size_t)(job->bytes[above + 12] + frame->left[12]);
        int16_t *of_block = block->blocks + 384;
        size_t last = picture_vp8_block(reader, job, probabilities, 0, context, factors[1], of_block);
        job->bytes[above + 12] = last > 0;
        frame->left[12] = last > 0;
        picture_vp8_spread(block->blocks);
        first = 1;
        kind = 0;
    }
    for (size_t i = 0; i < 24; i++) {
        /* Luma is four blocks wide, each chroma two. */
        size_t across = 4 + i % 4, down = 4 + i / 4;
        if (i >= 16) {
            first = 0;
            kind = 2;
            across = 8 + (i - 16) / 4 * 2 + i % 2;
            down = 8 + (i - 16) / 4 * 2 + i / 2 % 2;
        }
        const uint8_t *probabilities = frame->probabilities + PICTURE_VP8_OF_KIND * kind;
        size_t context = (size_t)(job->bytes[above + across] + frame->left[down]);
        const int32_t *of_kind = factors[i < 16 ? 0 : 2];
        int16_t *of_block = block->blocks + 16 * i;
        size_t last = picture_vp8_block(reader, job, probabilities, first, context, of_kind, of_block);
        job->bytes[above + across] = last > first;
        frame->left[down] = last > first;
        if (last > 1 || of_block[0] != 0) {
            block->coded |= (uint32_t)1 << i;
        }
    }
}

/* The luma of a macroblock. */
static void picture_vp8_luma_of(picture_job *job, const picture_vp8_frame *frame,
    const picture_vp8_macroblock *block, size_t y, size_t x)
{
    size_t stride = frame->planes[0].stride;
    size_t at = frame->planes[0].at + 16 * (y * stride + x);
    uint8_t *bytes = job->bytes;
    if (block->luma != 4) {
        picture_vp8_predict(bytes, at, stride, 16, block->luma, y > 0, x > 0);
    }
    /* The pixels to the right of those above, also for the lower blocks. At the right edge the last one
       again. */
    uint8_t corner[4] = {127, 127, 127, 127};
    if (y > 0 && x + 1 < frame->columns) {
        memcpy(corner, bytes + at - stride + 16, 4);
    } else if (y > 0) {
        memset(corner, bytes[at - stride + 15], 4);
    }
    for (size_t i = 0; i < 16; i++) {
        size_t to = at + i / 4 * 4 * stride + i % 4 * 4;
        if (block->luma == 4) {
            const uint8_t *right = corner;
            if (i % 4 < 3) {
                right = bytes + to - stride + 4;
            }
            picture_vp8_predict_small(bytes, to, stride, block->small[i], right);
        }
        if ((block->coded >> i & 1) == 1) {
            picture_vp8_add(bytes, to, stride, block->blocks + 16 * i);
        }
    }
}

/* The chroma of a macroblock. */
static void picture_vp8_chroma_of(picture_job *job, const picture_vp8_frame *frame,
    const picture_vp8_macroblock *block, size_t y, size_t x)
{
    for (size_t p = 0; p < 2; p++) {
        size_t stride = frame->planes[1 + p].stride;
        size_t at = frame->planes[1 + p].at + 8 * (y * stride + x);
        picture_vp8_predict(job->bytes, at, stride, 8, block->chroma, y > 0, x > 0);
        for (size_t i = 0; i < 4; i++) {
            size_t n = 16 + 4 * p + i;
            if ((block->coded >> n & 1) == 1) {
                size_t to = at + i / 2 * 4 * stride + i % 2 * 4;
                picture_vp8_add(job->bytes, to, stride, block->blocks + 16 * n);
            }
        }
    }
}

/* A row of macroblocks, all but the filter. */
static int picture_vp8_row(picture_job *job, picture_vp8_frame *frame, picture_vp8_macroblock *block,
    size_t y)
{
    size_t part = y % frame->part_count;
    memset(frame->left, 0, sizeof frame->left);
    for (size_t x = 0; x < frame->columns; x++) {
        size_t above = frame->above + PICTURE_VP8_CONTEXT * x;
        picture_vp8_modes_of(job, frame, block, above);
        int small = block->luma == 4;
        block->coded = 0;
        if (block->skip) {
            picture_vp8_forget(job, frame, small, above);
        } else {
            picture_vp8_coefficients_of(job, frame, block, part, above);
        }
        if (frame->modes.over || frame->parts[part].over) {
            return 0;
        }
        picture_vp8_luma_of(job, frame, block, y, x);
        picture_vp8_chroma_of(job, frame, block, y, x);
        size_t kind = block->segment + (small ? 4 : 0) + (small || block->coded > 0 ? 8 : 0);
        job->bytes[frame->kinds + y * frame->columns + x] = (uint8_t)kind;
    }
    return 1;
}

/* The loop filter, macroblock by macroblock (sections 9.3, 9.6 and 15). */
static void picture_vp8_filter_all(picture_job *job, const picture_vp8_frame *frame)
{
    for (size_t y = 0; y < frame->rows; y++) {
        for (size_t x = 0; x < frame->columns; x++) {
            uint32_t kind = job->bytes[frame->kinds + y * frame->columns + x];
            int32_t level = frame->level;
            if (frame->segments) {
                level = frame->segment_levels[kind % 4] + (frame->segment_absolute ? 0 : level);
            }
            level += frame->level_intra + ((kind & 4) > 0 ? frame->level_small : 0);
            picture_vp8_strength strength =
                picture_vp8_strength_new(picture_vp8_clamp(level, 0, 63), frame->sharpness);
            picture_vp8_filter(job->bytes, frame->planes, y, x, strength, (kind & 8) > 0, frame->simple);
        }
    }
}

/* Decodes a frame in the file's bytes from `at` to `end`. */
static int picture_vp8(picture_job *job, size_t at, size_t end)
{
    /* A key frame, of a version that is defined, and to be shown (section 9.1). */
    uint32_t tag = picture_byte(job, at) | picture_little16(job, at + 1) << 8;
    size_t modes_end = at + 10 + (tag >> 5);
    if ((tag & 1) != 0 || (tag >> 1 & 7) > 3 || (tag >> 4 & 1) == 0
        || !picture_begins(job, at + 3, "\x9d\x01\x2a", 3)) {
        return 0;
    }
    uint32_t width = picture_little16(job, at + 6) & 0x3fff, height = picture_little16(job, at + 8) & 0x3fff;
    if (height != job->height || width != job->width || height == 0 || width == 0) {
        return 0;
    }
    if (modes_end > end) {
        return 0;
    }
    picture_vp8_frame frame;
    picture_vp8_new(job, picture_vp8_reader_new(at + 10, modes_end), &frame);
    if (!picture_vp8_header(job, &frame, modes_end, end)) {
        return 0;
    }
    picture_vp8_macroblock block;
    for (size_t y = 0; y < frame.rows; y++) {
        if (!picture_vp8_row(job, &frame, &block, y)) {
            return 0;
        }
    }
    if (frame.level > 0) {
        picture_vp8_filter_all(job, &frame);
    }
    picture_vp8_show(job, frame.planes);
    return 1;
}
