//! JPEG 2000 (ITU T.800): files with a JP2 header, and bare codestreams.
//!
//! Decoded: 8 bits without a sign; grey or three colours, with or without alpha, which is dropped; the
//! reversible 5/3 wavelet, with or without the colour transform, whole or cut off (layers, rates); tiles and
//! tile-parts, precincts, all progression orders, all styles of code-blocks, pictures that do not begin at 0.
//! What is cut off is as OpenJPEG guesses it.
//!
//! Refused: the irreversible 9/7 wavelet, which is computed in floating point, so that no two decoders agree
//! to the bit; other depths; subsampled components; palettes, colour spaces but sRGB and grey (a profile is
//! not applied), channels in another order; POC, PPM, PPT, RGN and all of other parts of the standard
//! (15444-2, HTJ2K); more than 1024 tiles, 16 levels of the wavelet, or 15 bit-planes; files of 16 MB or
//! more. Memory bounds how much a tile may be divided: there are 2048 + pixels / 4 numbers, of which a
//! code-block takes about 5, and 2 more for each further layer that it is in (for each further pass when
//! every pass ends its codeword).

use super::job::Job;
use super::jpeg2000_blocks::blocks;
use super::jpeg2000_headers::{Data, Frame, frame, markers, next_part};
use super::jpeg2000_packets::packets;
use super::jpeg2000_tile::{Area, LEVELS, NO_CODING, Tile, lay_out, set_half};
use super::jpeg2000_wavelet::{show, synthesise};

/// True when a box does not change what the components are.
fn box_is_plain(job: &Job, at: usize, content: usize, end: usize) -> bool {
    if job.begins(at + 4, b"colr") && job.byte(content) == 1 {
        // sRGB or grey.
        return job.big32(content + 3) == 16 || job.big32(content + 3) == 17;
    }
    if job.begins(at + 4, b"cdef") {
        for entry in (content + 2..end).step_by(6) {
            // A colour must be the channel's own.
            let colour = job.big16(entry) + 1;
            if entry + 6 <= end && job.big16(entry + 2) == 0 && job.big16(entry + 4) != colour {
                return false;
            }
        }
    }
    !job.begins(at + 4, b"pclr") && !job.begins(at + 4, b"cmap")
}

/// Where the codestream begins (annex I).
fn codestream(job: &Job) -> Option<usize> {
    if job.begins(0, b"\xff\x4f") {
        return Some(0);
    }
    let mut at = 0;
    while at + 8 <= job.file.len() {
        let mut length = job.big32(at) as usize;
        let mut head = 8;
        if length == 1 && job.big32(at + 8) == 0 {
            length = job.big32(at + 12) as usize;
            head = 16;
        }
        if length == 0 {
            length = job.file.len() - at;
        }
        if length < head || length > job.file.len() - at {
            return None;
        }
        if job.begins(at + 4, b"jp2c") {
            return Some(at + head);
        }
        if job.begins(at + 4, b"jp2h") {
            // Its boxes are what follows.
            at += head;
            continue;
        }
        if !box_is_plain(job, at, at + head, at + length) {
            return None;
        }
        at += length;
    }
    None
}

fn tile(job: &mut Job, f: &Frame, index: usize, column: usize, row: usize) -> Option<()> {
    let area = Area {
        x0: f.area.x0.max(f.tile_x + column * f.tile_width),
        y0: f.area.y0.max(f.tile_y + row * f.tile_height),
        x1: f.area.x1.min(f.tile_x + (column + 1) * f.tile_width),
        y1: f.area.y1.min(f.tile_y + (row + 1) * f.tile_height),
    };
    let mut t = Tile {
        area,
        components: f.components,
        marks: 0,
        order: 0,
        layers: 0,
        colour_transform: false,
        coding: [NO_CODING; 4],
        places: [[0; LEVELS + 1]; 4],
        pieces: 0,
        free: 0,
    };
    let mut data = Data { tile: index, at: 0, end: 0, next: 0, done: false };
    data.next = markers(job, &mut t, f.markers, 0)?;
    next_part(job, &mut t, &mut data, 2)?;
    if data.done {
        return None;
    }
    for c in 0..t.components {
        if t.layers == 0 || t.coding[c].rank[0] == 0 || t.coding[c].rank[1] == 0 {
            return None;
        }
    }
    lay_out(job, &mut t)?;
    packets(job, &mut t, &mut data)?;
    let colours = if t.components > 2 { 3 } else { 1 };
    for i in 0..colours * (area.x1 - area.x0) * (area.y1 - area.y0) {
        set_half(job, i, 0);
    }
    for c in 0..colours {
        blocks(job, &t, c);
        synthesise(job, &t, c);
    }
    show(job, &t, f.area.x0, f.area.y0);
    Some(())
}

pub(super) fn decode(job: &mut Job) -> Option<()> {
    let f = frame(job, codestream(job)?)?;
    let across = (f.area.x1 - f.tile_x).div_ceil(f.tile_width);
    let down = (f.area.y1 - f.tile_y).div_ceil(f.tile_height);
    if across > 1024 || down > 1024 || across * down > 1024 {
        return None;
    }
    for index in 0..across * down {
        tile(job, &f, index, index % across, index / across)?;
    }
    Some(())
}
