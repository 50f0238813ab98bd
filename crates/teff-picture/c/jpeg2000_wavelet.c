/* From the coefficients of a JPEG 2000 tile to pixels: the reversible wavelet (ITU T.800, annex F) and colour
   transform (annex G). */

/* A line of samples from coordinate `from` to before `to` (F.3.6): the even ones are low, the odd ones
   high. */
static void picture_j2k_line(picture_job *job, size_t at, size_t step, size_t from, size_t to)
{
    size_t count = to - from;
    size_t odd = from & 1;
    if (count == 1 && odd == 1) {
        picture_j2k_set_half(job, at, picture_j2k_half(job, at) / 2);
    }
    if (count < 2) {
        return;
    }
    /* Behind its ends the line is mirrored. */
    for (size_t i = odd; i < count; i += 2) {
        int32_t before = picture_j2k_half(job, at + step * (i > 0 ? i - 1 : 1));
        int32_t after = picture_j2k_half(job, at + step * (i + 1 < count ? i + 1 : i - 1));
        int32_t value = picture_j2k_half(job, at + step * i) - ((before + after + 2) >> 2);
        picture_j2k_set_half(job, at + step * i, value);
    }
    for (size_t i = 1 - odd; i < count; i += 2) {
        int32_t before = picture_j2k_half(job, at + step * (i > 0 ? i - 1 : 1));
        int32_t after = picture_j2k_half(job, at + step * (i + 1 < count ? i + 1 : i - 1));
        int32_t value = picture_j2k_half(job, at + step * i) + ((before + after) >> 1);
        picture_j2k_set_half(job, at + step * i, value);
    }
}

/* The inverse wavelet of a component, in place: each level has twice the samples of the one before (F.3). */
static void picture_j2k_synthesise(picture_job *job, const picture_j2k_tile *t, size_t c)
{
    size_t width = t->area.x1 - t->area.x0, height = t->area.y1 - t->area.y0;
    for (size_t r = 1; r <= t->coding[c].levels; r++) {
        picture_j2k_area area = picture_j2k_resolve(t, c, r).area;
        size_t n = t->coding[c].levels - r;
        size_t left = (area.x0 << n) - t->area.x0, top = (area.y0 << n) - t->area.y0;
        size_t first = (c * height + top) * width + left;
        for (size_t y = 0; y < area.y1 - area.y0; y++) {
            picture_j2k_line(job, first + y * (width << n), (size_t)1 << n, area.x0, area.x1);
        }
        for (size_t x = 0; x < area.x1 - area.x0; x++) {
            picture_j2k_line(job, first + (x << n), width << n, area.y0, area.y1);
        }
    }
}

/* Sets the tile's pixels; the picture begins at `(left, top)`. */
static void picture_j2k_show(picture_job *job, const picture_j2k_tile *t, size_t left, size_t top)
{
    size_t width = t->area.x1 - t->area.x0, height = t->area.y1 - t->area.y0;
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            size_t at = y * width + x;
            int32_t red = picture_j2k_half(job, at);
            int32_t green = red, blue = red;
            if (t->components > 2) {
                green = picture_j2k_half(job, at + width * height);
                blue = picture_j2k_half(job, at + 2 * width * height);
                if (t->colour_transform) {
                    /* Equations G-6 to G-8. */
                    int32_t luma = red, cb = green, cr = blue;
                    green = luma - ((cb + cr) >> 2);
                    red = cr + green;
                    blue = cb + green;
                }
            }
            red = picture_j2k_clamp(red + 128, 0, 255);
            green = picture_j2k_clamp(green + 128, 0, 255);
            blue = picture_j2k_clamp(blue + 128, 0, 255);
            picture_set(job, t->area.y0 + y - top, t->area.x0 + x - left, (uint32_t)red, (uint32_t)green,
                (uint32_t)blue);
        }
    }
}
