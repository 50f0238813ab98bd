/* PNM, which is PBM, PGM and PPM (as Netpbm's manual has them).

   Decoded: P1 to P6, which are bits, grey and RGB, as text and as bytes; any largest value up to 255, scaled
   to 255 and rounded to the nearest, ties to even; comments. Refused: larger values, and other kinds (PAM,
   PFM). What follows the first picture is ignored. */

typedef struct {
    uint32_t kind;
    /* The largest value. */
    uint32_t most;
    /* The next byte, and how many bits of it are read. */
    size_t at;
    uint32_t bit;
} picture_pnm_state;

/* `255 value / most`, rounded, at most 255. */
static uint32_t picture_pnm_scaled(uint32_t value, uint32_t most)
{
    if (most == 255) {
        return value;
    }
    uint32_t twice = 510 * value + most;
    uint32_t rounded = twice / (2 * most);
    uint32_t rest = twice % (2 * most);
    uint32_t even = rest == 0 ? rounded & ~(uint32_t)1 : rounded;
    return even < 255 ? even : 255;
}

/* Blank, tabulators, line feed, form feed, carriage return. */
static int picture_pnm_is_space(uint32_t byte)
{
    return byte == 32 || (byte >= 9 && byte <= 13);
}

/* Goes over space and over comments, which are from `#` to the end of the line. */
static void picture_pnm_skip(const picture_job *job, size_t *at)
{
    int comment = 0;
    while (*at < job->size) {
        uint32_t byte = picture_byte(job, *at);
        if (comment) {
            comment = byte != 10 && byte != 13;
        } else if (byte == '#') {
            comment = 1;
        } else if (!picture_pnm_is_space(byte)) {
            return;
        }
        *at += 1;
    }
}

/* The next number, and what ends it: a byte of space, or a comment. -1 when there is none. */
static int32_t picture_pnm_number(const picture_job *job, size_t *at)
{
    picture_pnm_skip(job, at);
    uint32_t value = 0;
    int digits = 0;
    for (;;) {
        uint32_t digit = picture_byte(job, *at) - '0';
        if (digit > 9) {
            break;
        }
        if (digits == 9) {
            return -1;
        }
        value = value * 10 + digit;
        digits++;
        *at += 1;
    }
    if (digits == 0) {
        return -1;
    }
    if (picture_byte(job, *at) == '#') {
        while (*at < job->size && picture_byte(job, *at) != 10 && picture_byte(job, *at) != 13) {
            *at += 1;
        }
    } else if (*at < job->size && !picture_pnm_is_space(picture_byte(job, *at))) {
        return -1;
    }
    *at += 1;
    return (int32_t)value;
}

/* -1 when there is none. */
static int32_t picture_pnm_sample(picture_pnm_state *pnm, const picture_job *job)
{
    uint32_t value = 0;
    if (pnm->kind == 1) {
        /* Digits need no space between them. */
        picture_pnm_skip(job, &pnm->at);
        uint32_t digit = picture_byte(job, pnm->at) - '0';
        pnm->at += 1;
        if (digit > 1) {
            return -1;
        }
        value = 1 - digit;
    } else if (pnm->kind == 2 || pnm->kind == 3) {
        int32_t number = picture_pnm_number(job, &pnm->at);
        if (number < 0 || (uint32_t)number > pnm->most) {
            return -1;
        }
        value = (uint32_t)number;
    } else if (pnm->kind == 4) {
        size_t at = pnm->at - (pnm->bit > 0);
        if (at >= job->size) {
            return -1;
        }
        value = 1 - (picture_byte(job, at) >> (7 - pnm->bit) & 1);
        pnm->at += pnm->bit == 0;
        pnm->bit = (pnm->bit + 1) % 8;
    } else {
        if (pnm->at >= job->size) {
            return -1;
        }
        value = picture_byte(job, pnm->at);
        pnm->at += 1;
    }
    return (int32_t)picture_pnm_scaled(value, pnm->most);
}

static int picture_pnm(picture_job *job)
{
    uint32_t kind = picture_byte(job, 1) - '0';
    if (kind < 1 || kind > 6 || !picture_pnm_is_space(picture_byte(job, 2))) {
        return 0;
    }
    size_t at = 3;
    int32_t width = picture_pnm_number(job, &at);
    if (width < 0 || (size_t)width != job->width) {
        return 0;
    }
    int32_t height = picture_pnm_number(job, &at);
    if (height < 0 || (size_t)height != job->height) {
        return 0;
    }
    int bits = kind == 1 || kind == 4;
    int32_t most = bits ? 1 : picture_pnm_number(job, &at);
    if (most < 1 || most > 255) {
        return 0;
    }
    picture_pnm_state pnm = {kind, (uint32_t)most, at, 0};
    for (size_t y = 0; y < job->height; y++) {
        pnm.bit = 0;
        for (size_t x = 0; x < job->width; x++) {
            int32_t red = picture_pnm_sample(&pnm, job);
            int32_t green = red;
            int32_t blue = red;
            if (kind == 3 || kind == 6) {
                green = picture_pnm_sample(&pnm, job);
                blue = picture_pnm_sample(&pnm, job);
            }
            if (red < 0 || green < 0 || blue < 0) {
                return 0;
            }
            picture_set(job, y, x, (uint32_t)red, (uint32_t)green, (uint32_t)blue);
        }
    }
    return 1;
}
