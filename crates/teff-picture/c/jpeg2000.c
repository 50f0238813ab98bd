/* JPEG 2000 (ITU T.800): files with a JP2 header, and bare codestreams.

   Decoded: 8 bits without a sign; grey or three colours, with or without alpha, which is dropped; the
   reversible 5/3 wavelet, with or without the colour transform, whole or cut off (layers, rates); tiles and
   tile-parts, precincts, all progression orders, all styles of code-blocks, pictures that do not begin at 0.
   What is cut off is as OpenJPEG guesses it.

   Refused: the irreversible 9/7 wavelet, which is computed in floating point, so that no two decoders agree
   to the bit; other depths; subsampled components; palettes, colour spaces but sRGB and grey (a profile is
   not applied), channels in another order; POC, PPM, PPT, RGN and all of other parts of the standard
   (15444-2, HTJ2K); more than 1024 tiles, 16 levels of the wavelet, or 15 bit-planes; files of 16 MB or more.
   Memory bounds how much a tile may be divided: there are 2048 + pixels / 4 numbers, of which a code-block
   takes about 5, and 2 more for each further layer that it is in (for each further pass when every pass ends
   its codeword). */

/* True when a box does not change what the components are. */
static int picture_j2k_box_is_plain(const picture_job *job, size_t at, size_t content, size_t end)
{
    if (picture_begins(job, at + 4, "colr", 4) && picture_byte(job, content) == 1) {
        /* sRGB or grey. */
        return picture_big32(job, content + 3) == 16 || picture_big32(job, content + 3) == 17;
    }
    if (picture_begins(job, at + 4, "cdef", 4)) {
        for (size_t entry = content + 2; entry + 6 <= end; entry += 6) {
            /* A colour must be the channel's own. */
            uint32_t colour = picture_big16(job, entry) + 1;
            if (picture_big16(job, entry + 2) == 0 && picture_big16(job, entry + 4) != colour) {
                return 0;
            }
        }
    }
    return !picture_begins(job, at + 4, "pclr", 4) && !picture_begins(job, at + 4, "cmap", 4);
}

/* Where the codestream begins (annex I), or -1. */
static size_t picture_j2k_codestream(const picture_job *job)
{
    if (picture_begins(job, 0, "\xff\x4f", 2)) {
        return 0;
    }
    size_t at = 0;
    while (at + 8 <= job->size) {
        size_t length = picture_big32(job, at);
        size_t head = 8;
        if (length == 1 && picture_big32(job, at + 8) == 0) {
            length = picture_big32(job, at + 12);
            head = 16;
        }
        if (length == 0) {
            length = job->size - at;
        }
        if (length < head || length > job->size - at) {
            return (size_t)-1;
        }
        if (picture_begins(job, at + 4, "jp2c", 4)) {
            return at + head;
        }
        if (picture_begins(job, at + 4, "jp2h", 4)) {
            /* Its boxes are what follows. */
            at += head;
            continue;
        }
        if (!picture_j2k_box_is_plain(job, at, at + head, at + length)) {
            return (size_t)-1;
        }
        at += length;
    }
    return (size_t)-1;
}

static int picture_j2k_read_tile(picture_job *job, const picture_j2k_frame *f, size_t index, size_t
    column, size_t row)
{
    picture_j2k_area area = {
        picture_j2k_max(f->area.x0, f->tile_x + column * f->tile_width),
        picture_j2k_max(f->area.y0, f->tile_y + row * f->tile_height),
        picture_j2k_min(f->area.x1, f->tile_x + (column + 1) * f->tile_width),
        picture_j2k_min(f->area.y1, f->tile_y + (row + 1) * f->tile_height)};
    picture_j2k_tile t;
    memset(&t, 0, sizeof t);
    t.area = area;
    t.components = f->components;
    picture_j2k_data data = {index, 0, 0, 0, 0};
    data.next = picture_j2k_read_markers(job, &t, f->markers, 0);
    if (data.next == 0 || !picture_j2k_next_part(job, &t, &data, 2) || data.done) {
        return 0;
    }
    for (size_t c = 0; c < t.components; c++) {
        if (t.layers == 0 || t.coding[c].rank[0] == 0 || t.coding[c].rank[1] == 0) {
            return 0;
        }
    }
    if (!picture_j2k_lay_out(job, &t) || !picture_j2k_packets(job, &t, &data)) {
        return 0;
    }
    size_t colours = t.components > 2 ? 3 : 1;
    for (size_t i = 0; i < colours * (area.x1 - area.x0) * (area.y1 - area.y0); i++) {
        picture_j2k_set_half(job, i, 0);
    }
    for (size_t c = 0; c < colours; c++) {
        picture_j2k_blocks(job, &t, c);
        picture_j2k_synthesise(job, &t, c);
    }
    picture_j2k_show(job, &t, f->area.x0, f->area.y0);
    return 1;
}

static int picture_jpeg2000(picture_job *job)
{
    picture_j2k_frame f;
    size_t at = picture_j2k_codestream(job);
    if (at == (size_t)-1 || !picture_j2k_read_frame(job, &f, at)) {
        return 0;
    }
    size_t across = (f.area.x1 - f.tile_x + f.tile_width - 1) / f.tile_width;
    size_t down = (f.area.y1 - f.tile_y + f.tile_height - 1) / f.tile_height;
    if (across > 1024 || down > 1024 || across * down > 1024) {
        return 0;
    }
    for (size_t index = 0; index < across * down; index++) {
        if (!picture_j2k_read_tile(job, &f, index, index % across, index / across)) {
            return 0;
        }
    }
    return 1;
}
