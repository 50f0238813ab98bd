/* The code-blocks of JPEG 2000 (ITU T.800, annex D): passes over bit-planes, which give the coefficients.

   Where passes are missing, half of the last bit-plane is added to what is not 0 (E.1.1.2, r = 1/2). */

/* Flags of a coefficient. Visited: the significance pass has had it. */
enum { PICTURE_J2K_SIGNIFICANT = 1, PICTURE_J2K_NEGATIVE = 2, PICTURE_J2K_REFINED = 4,
    PICTURE_J2K_VISITED = 8 };

/* A code-block that is being decoded. */
typedef struct {
    picture_j2k_mq mq;
    size_t width;
    size_t height;
    /* Where its first coefficient lies, and how far from it are those to the right and below. */
    size_t at;
    size_t right;
    size_t down;
    size_t band;
    uint32_t style;
    int raw;
    size_t plane;
} picture_j2k_coder;

static size_t picture_j2k_flag(const picture_j2k_coder *z, size_t x, size_t y)
{
    return (y + 1) * (z->width + 2) + x + 1;
}

/* True when the row below counts as 0: vertically causal context, last row of a stripe (D.7). */
static int picture_j2k_hidden(const picture_j2k_coder *z, size_t y)
{
    return (z->style & 8) != 0 && y % 4 == 3;
}

static uint32_t picture_j2k_coder_bit(const picture_job *job, picture_j2k_coder *z, size_t context)
{
    return z->raw ? picture_j2k_mq_raw(job, &z->mq) : picture_j2k_mq_decode(job, &z->mq, context);
}

static size_t picture_j2k_is(const picture_job *job, size_t at)
{
    return job->bytes[at] & PICTURE_J2K_SIGNIFICANT;
}

/* The context of a coefficient's significance (table D.1); 0 when no neighbour is significant. */
static size_t picture_j2k_context(const picture_job *job, const picture_j2k_coder *z, size_t x, size_t y)
{
    size_t row = z->width + 2;
    size_t at = picture_j2k_flag(z, x, y);
    size_t h = picture_j2k_is(job, at - 1) + picture_j2k_is(job, at + 1);
    size_t v = picture_j2k_is(job, at - row);
    size_t d = picture_j2k_is(job, at - row - 1) + picture_j2k_is(job, at - row + 1);
    if (!picture_j2k_hidden(z, y)) {
        v += picture_j2k_is(job, at + row);
        d += picture_j2k_is(job, at + row - 1) + picture_j2k_is(job, at + row + 1);
    }
    if (z->band == 3) {
        switch (d) {
        case 0:
            return picture_j2k_min(h + v, 2);
        case 1:
            return 3 + picture_j2k_min(h + v, 2);
        case 2:
            return 6 + picture_j2k_min(h + v, 1);
        default:
            return 8;
        }
    }
    if (z->band == 1) {
        size_t swapped = h;
        h = v;
        v = swapped;
    }
    if (h == 0) {
        return v > 0 ? 2 + v : picture_j2k_min(d, 2);
    }
    if (h == 1) {
        return v > 0 ? 7 : 5 + picture_j2k_min(d, 1);
    }
    return 8;
}

/* 1 for a neighbour that is positive, -1 for a negative one, 0 for one that is not significant. */
static int32_t picture_j2k_sign(const picture_job *job, size_t at)
{
    switch (job->bytes[at] & (PICTURE_J2K_SIGNIFICANT | PICTURE_J2K_NEGATIVE)) {
    case PICTURE_J2K_SIGNIFICANT:
        return 1;
    case 0:
        return 0;
    default:
        return -1;
    }
}

static int32_t picture_j2k_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The sign of a coefficient that has become significant (tables D.2 and D.3), and its value so far. */
static void picture_j2k_significant(picture_job *job, picture_j2k_coder *z, size_t x, size_t y)
{
    size_t row = z->width + 2;
    size_t at = picture_j2k_flag(z, x, y);
    int32_t h = picture_j2k_clamp(picture_j2k_sign(job, at - 1) + picture_j2k_sign(job, at + 1), -1, 1);
    int32_t below = picture_j2k_hidden(z, y) ? 0 : picture_j2k_sign(job, at + row);
    int32_t v = picture_j2k_clamp(picture_j2k_sign(job, at - row) + below, -1, 1);
    uint32_t inverted = h < 0 || (h == 0 && v < 0);
    if (inverted) {
        h = -h;
        v = -v;
    }
    uint32_t negative = picture_j2k_coder_bit(job, z, (size_t)(9 + 3 * h + v));
    if (!z->raw) {
        negative ^= inverted;
    }
    int32_t value = (1 << z->plane) | (1 << z->plane) >> 1;
    job->bytes[at] |= negative ? PICTURE_J2K_SIGNIFICANT | PICTURE_J2K_NEGATIVE : PICTURE_J2K_SIGNIFICANT;
    picture_j2k_set_half(job, z->at + y * z->down + x * z->right, negative ? -value : value);
}

/* D.3.1. */
static void picture_j2k_significance(picture_job *job, picture_j2k_coder *z, size_t x, size_t y)
{
    size_t at = picture_j2k_flag(z, x, y);
    if ((job->bytes[at] & PICTURE_J2K_SIGNIFICANT) != 0) {
        return;
    }
    size_t context = picture_j2k_context(job, z, x, y);
    if (context != 0) {
        job->bytes[at] |= PICTURE_J2K_VISITED;
        if (picture_j2k_coder_bit(job, z, context) == 1) {
            picture_j2k_significant(job, z, x, y);
        }
    }
}

/* D.3.3. */
static void picture_j2k_refinement(picture_job *job, picture_j2k_coder *z, size_t x, size_t y)
{
    size_t at = picture_j2k_flag(z, x, y);
    if ((job->bytes[at] & (PICTURE_J2K_SIGNIFICANT | PICTURE_J2K_VISITED)) != PICTURE_J2K_SIGNIFICANT) {
        return;
    }
    size_t which = 16;
    if ((job->bytes[at] & PICTURE_J2K_REFINED) == 0) {
        which = picture_j2k_context(job, z, x, y) > 0 ? 15 : 14;
    }
    job->bytes[at] |= PICTURE_J2K_REFINED;
    size_t coefficient = z->at + y * z->down + x * z->right;
    int32_t value = picture_j2k_half(job, coefficient);
    int32_t size = value < 0 ? -value : value;
    if (picture_j2k_coder_bit(job, z, which) == 0) {
        size -= 1 << z->plane;
    }
    size |= (1 << z->plane) >> 1;
    picture_j2k_set_half(job, coefficient, value < 0 ? -size : size);
}

/* In the clean-up pass (D.3.4) four coefficients with nothing around them: how many are 0 is coded. Gives the
   row to go on with. */
static size_t picture_j2k_run(picture_job *job, picture_j2k_coder *z, size_t x, size_t top, size_t bottom)
{
    if (bottom - top < 4) {
        return top;
    }
    for (size_t y = top; y < bottom; y++) {
        int known = job->bytes[picture_j2k_flag(z, x, y)] & (PICTURE_J2K_SIGNIFICANT | PICTURE_J2K_VISITED);
        if (known != 0 || picture_j2k_context(job, z, x, y) != 0) {
            return top;
        }
    }
    if (picture_j2k_mq_decode(job, &z->mq, 17) == 0) {
        return bottom;
    }
    size_t y = top + 2 * picture_j2k_mq_decode(job, &z->mq, 18);
    y += picture_j2k_mq_decode(job, &z->mq, 18);
    picture_j2k_significant(job, z, x, y);
    return y + 1;
}

static void picture_j2k_clean_up(picture_job *job, picture_j2k_coder *z, size_t x, size_t y)
{
    size_t at = picture_j2k_flag(z, x, y);
    if ((job->bytes[at] & (PICTURE_J2K_SIGNIFICANT | PICTURE_J2K_VISITED)) == 0) {
        size_t context = picture_j2k_context(job, z, x, y);
        if (picture_j2k_coder_bit(job, z, context) == 1) {
            picture_j2k_significant(job, z, x, y);
        }
    }
    job->bytes[at] &= (uint8_t)~PICTURE_J2K_VISITED;
}

/* A pass, in stripes of four rows, column by column (figure D.1). */
static void picture_j2k_scan(picture_job *job, picture_j2k_coder *z, size_t kind)
{
    for (size_t top = 0; top < z->height; top += 4) {
        size_t bottom = picture_j2k_min(top + 4, z->height);
        for (size_t x = 0; x < z->width; x++) {
            size_t first = kind == 2 ? picture_j2k_run(job, z, x, top, bottom) : top;
            for (size_t y = first; y < bottom; y++) {
                if (kind == 0) {
                    picture_j2k_significance(job, z, x, y);
                } else if (kind == 1) {
                    picture_j2k_refinement(job, z, x, y);
                } else {
                    picture_j2k_clean_up(job, z, x, y);
                }
            }
        }
    }
}

static void picture_j2k_passes(picture_job *job, picture_j2k_coder *z, const picture_j2k_block *b)
{
    memset(job->bytes, 0, (z->width + 2) * (z->height + 2));
    /* OpenJPEG may write more passes than there are bit-planes; they are ignored. */
    size_t most = b->planes > 0 ? 3 * b->planes - 2 : 0;
    size_t end = 0;
    for (size_t pass = 0; pass < picture_j2k_min(b->passes, most); pass++) {
        /* 0 is the significance pass, 1 the refinement pass, 2 the clean-up pass, which is the first one's
           kind. */
        size_t kind = (pass + 2) % 3;
        if (pass == end) {
            size_t count = picture_j2k_min(picture_j2k_passes_to_end(z->style, pass), b->passes - pass);
            end = pass + count;
            z->raw = (z->style & 1) != 0 && pass >= 10 && kind < 2;
            picture_j2k_mq_start(job, &z->mq, count, z->raw);
        }
        z->plane = b->planes - 1 - (pass + 2) / 3;
        picture_j2k_scan(job, z, kind);
        if (kind == 2 && (z->style & 32) != 0) {
            /* Segmentation symbol. */
            for (size_t i = 0; i < 4; i++) {
                picture_j2k_mq_decode(job, &z->mq, 18);
            }
        }
        if ((z->style & 2) != 0) {
            picture_j2k_mq_reset(&z->mq);
        }
    }
}

/* Code-block `k` of a part. */
static picture_j2k_coder picture_j2k_coder_of(const picture_j2k_tile *t, size_t c, size_t r, const
    picture_j2k_resolution *res, const picture_j2k_part *p, size_t band, size_t k, size_t last)
{
    picture_j2k_coder z;
    size_t column = (p->area.x0 >> p->block_x) + k % p->wide;
    size_t row = (p->area.y0 >> p->block_y) + k / p->wide;
    size_t x0 = picture_j2k_max(p->area.x0, column << p->block_x);
    size_t y0 = picture_j2k_max(p->area.y0, row << p->block_y);
    size_t x1 = picture_j2k_min(p->area.x1, (column + 1) << p->block_x);
    size_t y1 = picture_j2k_min(p->area.y1, (row + 1) << p->block_y);
    size_t tile_width = t->area.x1 - t->area.x0;
    size_t n = t->coding[c].levels - r;
    size_t step = n + res->first;
    size_t x = (x0 << step) + ((band & 1) << n) - t->area.x0;
    size_t y = (y0 << step) + ((band >> 1) << n) - t->area.y0;
    z.mq = picture_j2k_mq_new(t->pieces, last);
    z.width = x1 - x0;
    z.height = y1 - y0;
    z.at = (c * (t->area.y1 - t->area.y0) + y) * tile_width + x;
    z.right = (size_t)1 << step;
    z.down = tile_width << step;
    z.band = band;
    z.style = t->coding[c].style;
    z.raw = 0;
    z.plane = 0;
    return z;
}

/* Decodes all code-blocks of a component. */
static void picture_j2k_blocks(picture_job *job, const picture_j2k_tile *t, size_t c)
{
    for (size_t r = 0; r <= t->coding[c].levels; r++) {
        picture_j2k_resolution res = picture_j2k_resolve(t, c, r);
        for (size_t i = 0; i < res.wide * res.high; i++) {
            for (size_t band = res.first; band <= res.last; band++) {
                picture_j2k_part p = picture_j2k_part_of(t, c, &res, i, band);
                size_t at = picture_j2k_place(job, t, c, r, i, band);
                for (size_t k = 0; k < p.wide * p.high; k++) {
                    picture_j2k_block b = picture_j2k_get_block(job, at + k);
                    if (b.last > 0) {
                        picture_j2k_coder z = picture_j2k_coder_of(t, c, r, &res, &p, band, k, b.last);
                        picture_j2k_passes(job, &z, &b);
                    }
                }
            }
        }
    }
}
