//! Pictures in files.

use super::{Lower::One, Table};
use crate::read::node::{Lowered, Node, Operands, invalid, unsupported};
use teff_graph::{Colours, Picture};

pub(super) const TABLE: Table = &[("ImageDecoder", One(image_decoder))];

/// The size of a picture is in its file; here it is the one that the model gives the output.
fn image_decoder(n: &mut Node) -> Lowered {
    let file = n.x(0)?;
    let colours = match n.text("pixel_format", "RGB")? {
        "RGB" => Colours::Rgb,
        "BGR" => Colours::Bgr,
        "Grayscale" => Colours::Grey,
        other => return invalid!("pixel_format={other:?} is none of RGB, BGR and Grayscale"),
    };
    let Some(shape) = n.declared_shape(0) else {
        return unsupported(
            "the size of the picture is not known before the network runs",
            "give the output its shape [height, width, channels] in the model, as an output or in `value_info`",
        );
    };
    let (height, width) = match *shape {
        [height, width, channels] if channels == colours.channels() => (height, width),
        _ => {
            let channels = colours.channels();
            return invalid!("the shape of its output is {shape:?}, not [height, width, {channels}]");
        }
    };
    let formats = n.reader.pictures;
    let picture = file.decode_picture(Picture { height, width, colours, formats });
    n.reading().note(format!("pictures are {height} x {width}; one of another size, damaged, or of a kind that is not decoded, gives zeros (docs/own-models.md)"));
    Ok(picture)
}
