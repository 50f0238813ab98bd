//! Pictures for the camera, and of the display.

use crate::failure::{During, Failure, Result};
use crate::files::{read, write};
use std::path::{Path, PathBuf};
use teff::data;
use teff_rp2040::board::{GifWriter, GreyImage, RgbImage, Timed, read_gif};

/// Nanoseconds between two looks at the display for a film of it.
const FILM_STEP: u64 = 50_000_000;
/// The longest that a frame of a GIF can be shown, in hundredths of a second.
const LONGEST: u64 = 65_535;

/// What is put before the camera: a picture, a folder of pictures of `each` nanoseconds, or a GIF.
pub(crate) fn film(path: &Path, each: u64) -> Result<Vec<Timed>> {
    if !path.is_dir() {
        return picture(path);
    }
    let listed =
        std::fs::read_dir(path).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    let mut files: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| data::Picture::is_named(file));
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!("{}: no picture in this folder", path.display())));
    }
    let mut film = Vec::new();
    for file in files {
        film.extend(picture(&file)?.into_iter().map(|(image, _)| (image, each)));
    }
    Ok(film)
}

/// One file, told apart by its first bytes.
fn picture(path: &Path) -> Result<Vec<Timed>> {
    let bytes = read(path)?;
    if bytes.starts_with(b"GIF") {
        return read_gif(&bytes).during(path.display());
    }
    let picture = data::Picture::decode(&path.display().to_string(), &bytes)?;
    let (width, height, pixels) = (picture.width, picture.height, picture.pixels);
    let grey = match picture.channels {
        1 => GreyImage { width, height, pixels },
        _ => RgbImage { width, height, pixels }.to_grey(),
    };
    Ok(vec![(grey, 1)])
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// What becomes of the display.
pub(crate) struct Screen {
    path: PathBuf,
    film: Option<Film>,
}

/// A film so far, and its last picture with the time from which it was seen.
struct Film {
    writer: GifWriter,
    last: RgbImage,
    since: u64,
    next: u64,
}

impl Film {
    fn new(image: RgbImage, now: u64) -> Film {
        let writer = GifWriter::new(image.width as u16, image.height as u16);
        Film { writer, last: image, since: now, next: now + FILM_STEP }
    }

    /// Writes the last picture, shown until `now`.
    fn close(&mut self, now: u64) {
        let shown = (now / 10_000_000).saturating_sub(self.since / 10_000_000);
        self.writer.frame(&self.last, shown.clamp(2, LONGEST) as u16);
    }
}

impl Screen {
    /// Fails if `path` ends neither in .png nor in .gif.
    pub(crate) fn new(path: &Path, now: &RgbImage) -> Result<Screen> {
        let film = match ending(path).as_str() {
            "png" => None,
            "gif" => Some(Film::new(now.clone(), 0)),
            _ => {
                let name = path.display();
                return Err(Failure::new(format!(
                    "--lcd {name}: end the name in .png (a picture) or .gif (a film)"
                )));
            }
        };
        Ok(Screen { path: path.into(), film })
    }

    /// Whether the film takes a picture at `now` (nanoseconds).
    pub(crate) fn wants(&self, now: u64) -> bool {
        self.film.as_ref().is_some_and(|film| now >= film.next)
    }

    /// Takes a picture into the film. One of another size, after the display was turned round, begins it anew.
    pub(crate) fn take(&mut self, image: RgbImage, now: u64) {
        let Some(film) = &mut self.film else { return };
        film.next = now + FILM_STEP;
        if (image.width, image.height) != (film.last.width, film.last.height) {
            *film = Film::new(image, now);
        } else if image != film.last {
            film.close(now);
            (film.last, film.since) = (image, now);
        }
    }

    /// Writes the file, with `image` as the last picture; returns its path.
    pub(crate) fn write(mut self, image: RgbImage, now: u64) -> Result<PathBuf> {
        self.take(image.clone(), now);
        let bytes = match self.film {
            Some(mut film) => {
                film.close(now);
                film.writer.finish()
            }
            None => {
                let mut bytes = Vec::new();
                image.write_png(&mut bytes)?;
                bytes
            }
        };
        write(&self.path, &bytes)?;
        Ok(self.path)
    }
}
