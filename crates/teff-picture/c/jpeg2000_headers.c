/* The headers of a JPEG 2000 codestream (ITU T.800, annex A). */

/* Coordinates are below this, which keeps all sums small. */
enum { PICTURE_J2K_LIMIT = 1 << 24 };

/* What SIZ says. */
typedef struct {
    picture_j2k_area area;
    size_t tile_width;
    size_t tile_height;
    /* Where the first tile begins. */
    size_t tile_x;
    size_t tile_y;
    size_t components;
    /* Where the markers behind SIZ begin. */
    size_t markers;
} picture_j2k_frame;

static int picture_j2k_read_frame(const picture_job *job, picture_j2k_frame *f, size_t at)
{
    size_t n[8];
    for (size_t i = 0; i < 8; i++) {
        n[i] = picture_j2k_min(picture_big32(job, at + 8 + 4 * i), PICTURE_J2K_LIMIT);
    }
    picture_j2k_area area = {n[2], n[3], n[0], n[1]};
    f->area = area;
    f->tile_width = n[4];
    f->tile_height = n[5];
    f->tile_x = n[6];
    f->tile_y = n[7];
    f->components = picture_big16(job, at + 40);

           if (area.x1 <= area.x0 || area.x1 == PICTURE_J2K_LIMIT || area.x1 - area.x0 != job->width) {
        return 0;
    }
    if (area.y1 <= area.y0 || area.y1 == PICTURE_J2K_LIMIT || area.y1 - area.y0 != job->height) {
        return 0;
    }
    if (!picture_begins(job, at, "\xff\x4f\xff\x51", 4) || f->components < 1 || f->components > 4) {
        return 0;
    }
    if (f->tile_x > area.x0 || f->tile_x + f->tile_width <= area.x0) {
        return 0;
    }
    if (f->tile_y > area.y0 || f->tile_y + f->tile_height <= area.y0) {
        return 0;
    }
    for (size_t c = 0; c < f->components; c++) {
        /* 8 bits without a sign, not subsampled. */
        if (!picture_begins(job, at + 42 + 3 * c, "\x07\x01\x01", 3)) {
            return 0;
        }
    }
    f->markers = at + 4 + picture_big16(job, at + 4);
    return 1;
}

/* What COD and COC both say. */
static int picture_j2k_read_coding(const picture_job *job, picture_j2k_coding *coding, size_t at, uint32_t
    marks, uint32_t rank)
{
    if (rank < coding->rank[0]) {
        return 1;
    }
    coding->rank[0] = rank;
    coding->levels = picture_byte(job, at);
    coding->block_x = picture_byte(job, at + 1) + 2;
    coding->block_y = picture_byte(job, at + 2) + 2;
    coding->style = picture_byte(job, at + 3);
    if (coding->levels > PICTURE_J2K_LEVELS || coding->block_x > 10 || coding->block_y > 10) {
        return 0;
    }
    /* The wavelet must be the reversible one. */
    if (coding->block_x + coding->block_y > 12 || coding->style > 63 || picture_byte(job, at + 4) != 1) {
        return 0;
    }
    for (size_t r = 0; r <= coding->levels; r++) {
        uint32_t size = (marks & 1) != 0 ? picture_byte(job, at + 5 + r) : 0xff;
        if (r > 0 && ((size & 15) == 0 || size >> 4 == 0)) {
            return 0;
        }
        coding->precincts[r] = (uint8_t)size;
    }
    return 1;
}

/* COD. */
static int picture_j2k_read_style(const picture_job *job, picture_j2k_tile *t, size_t at, uint32_t rank)
{
    t->marks = picture_byte(job, at + 4);
    t->order = picture_byte(job, at + 5);
    t->layers = picture_big16(job, at + 6);
    t->colour_transform = picture_byte(job, at + 8) == 1;
    if (t->order > 4 || t->layers == 0 || t->layers > 32767) {
        return 0;
    }
    for (size_t c = 0; c < t->components; c++) {
        if (!picture_j2k_read_coding(job, &t->coding[c], at + 9, t->marks, rank)) {
            return 0;
        }
    }
    return 1;
}

/* What QCD and QCC both say: exponents, as nothing is quantised (equation E-2). */
static int picture_j2k_read_planes(const picture_job *job, picture_j2k_coding *coding, size_t at, size_t
    end, uint32_t rank)
{
    if (rank < coding->rank[1]) {
        return 1;
    }
    coding->rank[1] = rank;
    if ((picture_byte(job, at) & 31) != 0) {
        return 0;
    }
    uint32_t guard = picture_byte(job, at) >> 5;
    for (size_t i = 0; i < sizeof coding->planes; i++) {
        uint32_t exponent = at + 1 + i < end ? picture_byte(job, at + 1 + i) >> 3 : 0;
        coding->planes[i] = (uint8_t)(guard + exponent > 0 ? guard + exponent - 1 : 0);
    }
    return 1;
}

/* A marker of `length` bytes. */
static int picture_j2k_read_marker(const picture_job *job, picture_j2k_tile *t, size_t at, size_t length,
    uint32_t rank)
{
    size_t c = picture_byte(job, at + 4);
    uint32_t marker = picture_big16(job, at);
    /* COD, COC, QCD and QCC are only in the first header of a tile. */
    if (rank == 4 && (marker == 0xff52 || marker == 0xff53 || marker == 0xff5c || marker == 0xff5d)) {
        return 0;
    }
    if (marker == 0xff52) {
        return picture_j2k_read_style(job, t, at, rank + 1);
    }
    if (marker == 0xff53 && c < t->components) {
        return picture_j2k_read_coding(job, &t->coding[c], at + 6, picture_byte(job, at + 5), rank + 2);
    }
    if (marker == 0xff5c) {
        for (c = 0; c < t->components; c++) {
            if (!picture_j2k_read_planes(job, &t->coding[c], at + 4, at + 2 + length, rank + 1)) {
                return 0;
            }
        }
        return 1;
    }
    if (marker == 0xff5d && c < t->components) {
        return picture_j2k_read_planes(job, &t->coding[c], at + 5, at + 2 + length, rank + 2);
    }
    /* TLM, PLM, PLT, CRG, COM */
    return marker == 0xff55 || marker == 0xff57 || marker == 0xff58 || marker == 0xff63 || marker == 0xff64;
}

/* Takes the markers of a header, up to SOT or SOD, whose place it gives, or 0. `rank` is 0 in the main
   header, 2 in a tile's first one, 4 in a tile's others. */
static size_t picture_j2k_read_markers(const picture_job *job, picture_j2k_tile *t, size_t at, uint32_t rank)
{
    while (picture_big16(job, at) != 0xff90 && picture_big16(job, at) != 0xff93) {
        size_t length = picture_big16(job, at + 2);
        if (length < 2 || at + 2 + length > job->size) {
            return 0;
        }
        if (!picture_j2k_read_marker(job, t, at, length, rank)) {
            return 0;
        }
        at += 2 + length;
    }
    return at;
}

/* Where a tile's packets are. */
typedef struct {
    size_t tile;
    /* The rest of a tile-part. */
    size_t at;
    size_t end;
    /* Where the next tile-part of any tile begins. */
    size_t next;
    /* True when there is no tile-part any more. */
    int done;
} picture_j2k_data;

/* Goes to the next part of the tile (A.4.2). */
static int picture_j2k_next_part(const picture_job *job, picture_j2k_tile *t, picture_j2k_data *data,
    uint32_t rank)
{
    while (picture_big16(job, data->next) == 0xff90) {
        size_t at = data->next;
        size_t length = picture_big32(job, at + 6);
        if (length == 0) {
            length = job->size - at;
        }
        if (length < 14 || length > job->size - at) {
            return 0;
        }
        data->next = at + length;
        if (picture_big16(job, at + 4) == data->tile) {
            size_t start = picture_j2k_read_markers(job, t, at + 12, rank);
            data->at = start + 2;
            data->end = data->next;
            return start != 0 && picture_big16(job, start) == 0xff93 && data->at <= data->end;
        }
    }
    data->done = 1;
    return 1;
}
