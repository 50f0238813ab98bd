/* The header of VP8's key frames, and what is kept while one is decoded (RFC 6386, sections 9 and 19.2). */

/* What is kept of the macroblock above, and of that to the left: the modes of the four blocks next to this
   one, then whether their tokens had any coefficient: four of luma, two of each chroma, one of the second
   order. */
enum { PICTURE_VP8_CONTEXT = 13 };

/* What a frame's header says, and where the decoder is. */
typedef struct {
    /* The size in macroblocks. */
    size_t rows;
    size_t columns;
    picture_vp8_plane planes[3];
    /* Where the contexts of the row above begin in the scratch memory. */
    size_t above;
    /* Where a byte per macroblock begins: the segment, 4 for 4x4 blocks, 8 when the edges of its blocks are
       filtered. */
    size_t kinds;
    /* Per segment (section 9.3). */
    int segments;
    int segment_map;
    int segment_absolute;
    int32_t segment_quantisers[4];
    int32_t segment_levels[4];
    uint8_t segment_probabilities[3];
    /* The loop filter (section 9.6). */
    int simple;
    int32_t level;
    int32_t sharpness;
    /* What is added to its level in these frames, and for 4x4 blocks. */
    int32_t level_intra;
    int32_t level_small;
    /* Factors of coefficients per segment: luma, second order, chroma; the first and the others. */
    int32_t factors[4][3][2];
    uint8_t probabilities[4 * PICTURE_VP8_OF_KIND];
    /* Macroblocks may say that they have no coefficients, with this probability of none doing so. */
    int skips;
    uint8_t skip_probability;
    picture_vp8_reader modes;
    /* The parts with coefficients, taken in turn by the rows. */
    picture_vp8_reader parts[8];
    size_t part_count;
    uint8_t left[PICTURE_VP8_CONTEXT];
} picture_vp8_frame;

/* A frame before its header is read, with its memory laid out. */
static void picture_vp8_new(picture_job *job, picture_vp8_reader modes, picture_vp8_frame *frame)
{
    size_t rows = (job->height + 15) / 16, columns = (job->width + 15) / 16;
    size_t u = picture_vp8_plane_bytes(16 * rows, 16 * columns);
    size_t v = u + picture_vp8_plane_bytes(8 * rows, 8 * columns);
    size_t above = v + picture_vp8_plane_bytes(8 * rows, 8 * columns);
    memset(frame, 0, sizeof *frame);
    frame->planes[0] = picture_vp8_plane_new(job->bytes, 0, 16 * rows, 16 * columns);
    frame->planes[1] = picture_vp8_plane_new(job->bytes, u, 8 * rows, 8 * columns);
    frame->planes[2] = picture_vp8_plane_new(job->bytes, v, 8 * rows, 8 * columns);
    for (size_t i = 0; i < PICTURE_VP8_CONTEXT * columns; i++) {
        job->bytes[above + i] = 0;
    }
    frame->rows = rows;
    frame->columns = columns;
    frame->above = above;
    frame->kinds = above + PICTURE_VP8_CONTEXT * columns;
    frame->segment_absolute = 1;
    memset(frame->segment_probabilities, 255, 3);
    memcpy(frame->probabilities, picture_vp8_coefficients, sizeof frame->probabilities);
    frame->modes = modes;
    frame->part_count = 1;
}

/* Section 9.3. */
static void picture_vp8_segment_header(const picture_job *job, picture_vp8_frame *frame)
{
    frame->segments = picture_vp8_flag(&frame->modes, job);
    if (!frame->segments) {
        return;
    }
    frame->segment_map = picture_vp8_flag(&frame->modes, job);
    if (picture_vp8_flag(&frame->modes, job)) {
        frame->segment_absolute = picture_vp8_flag(&frame->modes, job);
        for (size_t i = 0; i < 4; i++) {
            frame->segment_quantisers[i] = picture_vp8_optional(&frame->modes, job, 7);
        }
        for (size_t i = 0; i < 4; i++) {
            frame->segment_levels[i] = picture_vp8_optional(&frame->modes, job, 6);
        }
    }
    if (frame->segment_map) {
        for (size_t i = 0; i < 3; i++) {
            if (picture_vp8_flag(&frame->modes, job)) {
                frame->segment_probabilities[i] = (uint8_t)picture_vp8_number(&frame->modes, job, 8);
            }
        }
    }
}

/* Section 9.6. */
static void picture_vp8_filter_header(const picture_job *job, picture_vp8_frame *frame)
{
    frame->simple = picture_vp8_flag(&frame->modes, job);
    frame->level = picture_vp8_number(&frame->modes, job, 6);
    frame->sharpness = picture_vp8_number(&frame->modes, job, 3);
    if (picture_vp8_flag(&frame->modes, job) && picture_vp8_flag(&frame->modes, job)) {
        /* By the frame that is referred to, of which a key frame has none but itself, then by the mode. */
        for (size_t i = 0; i < 8; i++) {
            int32_t change = picture_vp8_optional(&frame->modes, job, 6);
            if (i == 0) {
                frame->level_intra = change;
            } else if (i == 4) {
                frame->level_small = change;
            }
        }
    }
}

/* Where the parts with coefficients are: their sizes, but for the last, then they themselves (section 9.5).
   */
static int picture_vp8_parts(const picture_job *job, picture_vp8_frame *frame, size_t at, size_t end)
{
    size_t from = at + 3 * (frame->part_count - 1);
    for (size_t i = 0; i < frame->part_count; i++) {
        if (from > end) {
            return 0;
        }
        size_t size = end - from;
        if (i + 1 < frame->part_count) {
            size_t of = at + 3 * i;
            size_t said = picture_byte(job, of) | picture_little16(job, of + 1) << 8;
            size = said < size ? said : size;
        }
        frame->parts[i] = picture_vp8_reader_new(from, from + size);
        from += size;
    }
    return 1;
}

/* The place of a quantiser in a table. */
static size_t picture_vp8_quantiser(int32_t index, int32_t most)
{
    return (size_t)picture_vp8_clamp(index, 0, most);
}

/* Sections 9.6 and 14.1. */
static void picture_vp8_quantisers(const picture_job *job, picture_vp8_frame *frame)
{
    int32_t base = picture_vp8_number(&frame->modes, job, 7);
    int32_t changes[5];
    for (size_t i = 0; i < 5; i++) {
        changes[i] = picture_vp8_optional(&frame->modes, job, 4);
    }
    for (size_t i = 0; i < 4; i++) {
        int32_t index = base;
        if (frame->segments) {
            index = frame->segment_quantisers[i] + (frame->segment_absolute ? 0 : base);
        }
        int32_t second = picture_vp8_ac_factors[picture_vp8_quantiser(index + changes[2], 127)] * 155 / 100;
        int32_t (*factors)[2] = frame->factors[i];
        factors[0][0] = picture_vp8_dc_factors[picture_vp8_quantiser(index + changes[0], 127)];
        factors[0][1] = picture_vp8_ac_factors[picture_vp8_quantiser(index, 127)];
        factors[1][0] = picture_vp8_dc_factors[picture_vp8_quantiser(index + changes[1], 127)] * 2;
        factors[1][1] = second < 8 ? 8 : second;
        factors[2][0] = picture_vp8_dc_factors[picture_vp8_quantiser(index + changes[3], 117)];
        factors[2][1] = picture_vp8_ac_factors[picture_vp8_quantiser(index + changes[4], 127)];
    }
}

/* Section 9.2 and what follows it. The parts with coefficients are in the file from `at` to `end`. */
static int picture_vp8_header(const picture_job *job, picture_vp8_frame *frame, size_t at, size_t end)
{
    /* The colour space, and whether pixels may have to be clamped, which they always are. */
    picture_vp8_number(&frame->modes, job, 2);
    picture_vp8_segment_header(job, frame);
    picture_vp8_filter_header(job, frame);
    frame->part_count = (size_t)1 << picture_vp8_number(&frame->modes, job, 2);
    if (!picture_vp8_parts(job, frame, at, end)) {
        return 0;
    }
    picture_vp8_quantisers(job, frame);
    /* Whether the next frame takes over the probabilities. */
    picture_vp8_flag(&frame->modes, job);
    for (size_t i = 0; i < 4 * PICTURE_VP8_OF_KIND; i++) {
        if (picture_vp8_bit(&frame->modes, job, picture_vp8_updates[i]) == 1) {
            frame->probabilities[i] = (uint8_t)picture_vp8_number(&frame->modes, job, 8);
        }
    }
    frame->skips = picture_vp8_flag(&frame->modes, job);
    if (frame->skips) {
        frame->skip_probability = (uint8_t)picture_vp8_number(&frame->modes, job, 8);
    }
    if (frame->modes.over) {
        return 0;
    }
    return 1;
}
