/* Which format it is, by its first bytes. */
static int picture_format(picture_job *job)
{
    if (picture_begins(job, 0, "\x89PNG\r\n\x1a\n", 8)) {
        return picture_png(job);
    }
    if (picture_begins(job, 0, "\xff\xd8\xff", 3)) {
        return picture_jpeg(job);
    }
    if (picture_begins(job, 0, "BM", 2)) {
        return picture_bmp(job);
    }
    if (picture_begins(job, 0, "II*\0", 4) || picture_begins(job, 0, "MM\0*", 4)) {
        return picture_tiff(job);
    }
    if (picture_begins(job, 0, "RIFF", 4) && picture_begins(job, 8, "WEBP", 4)) {
        return picture_webp(job);
    }
    if (picture_begins(job, 0, "\0\0\0\x0cjP  \r\n\x87\n", 12) || picture_begins(job, 0, "\xff\x4f\xff\x51", 4)) {
        return picture_jpeg2000(job);
    }
    return picture_begins(job, 0, "P", 1) && picture_pnm(job);
}

/* Decodes the picture in `file` into `pixels`. 0 when it is damaged, of another size, or of a kind that is not decoded; the pixels
   are then 0. */
static int picture_decode(const uint8_t *file, size_t size, size_t height, size_t width, int colours, uint8_t *pixels,
    int32_t *words, uint8_t *bytes)
{
    picture_job job = {file, size, height, width, colours, pixels, words, bytes};
    if (picture_format(&job)) {
        return 1;
    }
    memset(pixels, 0, height * width * (colours == PICTURE_GREY ? 1 : 3));
    return 0;
}
