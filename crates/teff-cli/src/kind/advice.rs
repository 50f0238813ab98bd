//! What to do with a file of one kind where a command takes another.

use super::{Family, Kind, Wanted};
use std::path::Path;

/// What to do with a file of this kind where `wanted` is; nothing if it may be right, or the command itself knows better.
pub(super) fn advice(kind: Kind, wanted: Wanted, command: &str, path: &Path) -> Option<String> {
    if kind.family() == Family::Broken {
        return Some(
            match kind {
                Kind::LfsPointer => "fetch the file itself by git lfs pull",
                Kind::WebPage => {
                    "it was saved in place of the file; download the file itself, by the page's link to the raw file"
                }
                _ => "copy, download or export it again",
            }
            .into(),
        );
    }
    match wanted {
        Wanted::Model => model(kind, command, path),
        Wanted::Data => data(kind, command, path),
        Wanted::Firmware => firmware(kind, command, path),
        Wanted::Tensor => tensor(kind, command, path),
        Wanted::Layers => matches!(kind.family(), Family::Model | Family::Foreign).then(|| {
            format!(
                "train --model takes mlp, cnn, lenet, small or a list of layers in TOML; to go on training an ONNX model, \
                 teff train DATASET --from {} -o OUT.onnx",
                path.display()
            )
        }),
    }
}

/// How a model of another framework becomes ONNX.
fn export(kind: Kind, path: &Path) -> String {
    let (file, onnx) = (path.display(), path.with_extension("onnx"));
    let onnx = onnx.display();
    match kind {
        Kind::Keras | Kind::Hdf5 => format!(
            "export it from Python, with Keras 3.8 or later and tf2onnx: import keras; \
             keras.models.load_model(\"{file}\", compile=False).export(\"{onnx}\", format=\"onnx\")"
        ),
        Kind::Torch => format!(
            "export it from the Python that made it: model.eval(); torch.onnx.export(model, (example_input,), \"{onnx}\"), where \
             the model is what was saved, or the network that load_state_dict(torch.load(\"{file}\")) filled"
        ),
        Kind::TensorFlowFolder => format!(
            "convert it: pip install tf2onnx; python -m tf2onnx.convert --saved-model {file} --output {onnx}"
        ),
        Kind::TensorFlowGraph => format!(
            "convert a frozen graph: python -m tf2onnx.convert --graphdef {file} --output {onnx} --inputs INPUT:0 --outputs OUTPUT:0; \
             of a SavedModel give its folder: --saved-model DIR"
        ),
        Kind::Pickle => format!(
            "export it from the Python that made it, with skl2onnx for scikit-learn: \
             open(\"{onnx}\", \"wb\").write(skl2onnx.to_onnx(model, x[:1].astype(\"float32\")).SerializeToString())"
        ),
        Kind::Safetensors => format!(
            "export the whole network from the Python that has it: torch.onnx.export(model, (example_input,), \"{onnx}\"); \
             a checkpoint of teff is for teff train DATASET -o {onnx} --resume {file}"
        ),
        Kind::Ort => "give the .onnx file that it was made from".into(),
        Kind::Gguf => "it is far too large for what teff is for; there is no way from it to ONNX".into(),
        // Core ML, OpenVINO and the rest.
        _ => "export the model as ONNX or TFLite from the framework that trained it".into(),
    }
}

fn model(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    let takes = format!("teff {command} takes an ONNX or TFLite file");
    Some(match (kind.family(), kind) {
        (Family::Model, _) | (_, Kind::Unknown) => return None,
        (Family::Foreign, _) => format!("teff reads ONNX and TFLite; {}", export(kind, path)),
        (_, Kind::Toml) => {
            format!("train a network of it: teff train DATASET --model {file} -o m.onnx; then teff {command} m.onnx")
        }
        (Family::Data, _) if kind != Kind::Table && ["run", "verify"].contains(&command) => {
            format!("the model comes first: teff {command} MODEL.onnx --input {file}")
        }
        (_, Kind::Npz | Kind::DataFolder) => format!(
            "the model comes first, the data set behind --data: teff {command} MODEL.onnx --data {file}; \
             teff train {file} -o m.onnx makes a model of it"
        ),
        (Family::Program, _) => format!("{takes}; teff sim {file} runs a program on the simulated chip"),
        (_, Kind::Source) => format!("{takes}, not what was made of one"),
        (_, Kind::Python) => "run it to export its model, by torch.onnx.export, keras or skl2onnx".into(),
        (Family::Packed, _) => "unpack it, and give the .onnx or .tflite file that is in it".into(),
        (_, Kind::Folder) => "name the .onnx or .tflite file in it".into(),
        (_, Kind::Json) => {
            "teff reads ONNX and TFLite; a model of TensorFlow.js or XGBoost is to be exported as ONNX by what trained it".into()
        }
        _ => format!("{takes}: teff {command} MODEL.onnx"),
    })
}

fn data(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    let train = "train takes a data set and writes a model: teff train DATASET -o m.onnx";
    let arrays = "numpy.savez(\"data.npz\", x=samples, y=labels)";
    Some(match (kind.family(), kind) {
        (_, Kind::Toml) if command == "train" => {
            format!("the data set comes first: teff train DATASET --model {file} -o m.onnx")
        }
        (_, Kind::Onnx) if command == "train" => format!(
            "{train}; to go on training this one, teff train DATASET --from {file} -o m.onnx; to see how right it is, \
             teff eval {file} --data DATASET"
        ),
        (Family::Model | Family::Foreign, _) if command == "train" => train.into(),
        (Family::Model | Family::Foreign, _) | (_, Kind::Toml) => {
            format!("--data takes a data set: teff {command} {file} --data DATASET")
        }
        (_, Kind::Table) if path.extension().is_none_or(|e| e != "csv" && e != "tsv") => {
            format!("save it as CSV, or samples and labels from Python as one file: {arrays}")
        }
        (_, Kind::Picture | Kind::Sound) => {
            "give the folder that has a folder of pictures for each class".into()
        }
        (Family::Packed, _) if path.extension().is_none_or(|e| e != "gz") => {
            "unpack it, and give the folder".into()
        }
        (Family::Program, _) | (_, Kind::Source | Kind::Python | Kind::Pdf | Kind::Json) => {
            "a data set is an NPZ or CSV file, a folder of IDX files or a folder of pictures for each class (docs/data.md)".into()
        }
        _ => return None,
    })
}

fn firmware(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    let (takes, then) = match command {
        "flash" => ("teff flash takes firmware, UF2 or ELF", "teff flash fw.uf2"),
        _ => ("teff sim runs a program, ELF, UF2, HEX or BIN", "teff sim fw.elf"),
    };
    let remedy = match (kind.family(), kind) {
        (Family::Program, _) | (_, Kind::Unknown) => return None,
        (Family::Model, _) => format!("make one of the model: teff firmware {file} -o fw.uf2; then {then}"),
        (Family::Foreign, _) => {
            format!("of a model teff firmware makes it, and reads ONNX: {}", export(kind, path))
        }
        (_, Kind::Picture) if command == "sim" => {
            format!("to show it to the camera: teff sim fw.elf --camera {file}")
        }
        (_, Kind::Sound) if command == "sim" => {
            format!("to let the microphone hear it: teff sim fw.elf --microphone {file}")
        }
        (_, Kind::Source | Kind::Python) => "compile it for the board first".into(),
        (Family::Packed, _) => "unpack it, and give the file in it".into(),
        _ => "teff firmware MODEL.onnx -o fw.uf2 makes both".into(),
    };
    Some(format!("{takes}; {remedy}"))
}

fn tensor(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    Some(match (kind.family(), kind) {
        (_, Kind::Npy | Kind::Npz | Kind::TensorFlowGraph | Kind::Picture | Kind::Unknown) => return None,
        (Family::Model, _) => {
            format!("--input takes values, the model comes first: teff {command} {file} --input x.npy")
        }
        (_, Kind::Torch) => {
            "save the tensor for NumPy: numpy.save(\"x.npy\", tensor.detach().cpu().numpy())".into()
        }
        (_, Kind::Table) => format!(
            "save it from Python: numpy.save(\"x.npy\", numpy.loadtxt(\"{file}\", delimiter=\",\").astype(\"float32\"))"
        ),
        (_, Kind::Json | Kind::Pickle | Kind::Hdf5 | Kind::Sound | Kind::Safetensors | Kind::Python) => {
            "save its values from Python: numpy.save(\"x.npy\", numpy.asarray(values, \"float32\"))".into()
        }
        (Family::Packed, _) => "unpack it, and give the .npy files in it".into(),
        (_, Kind::DataFolder | Kind::Folder) => {
            format!("--input takes one file; teff eval MODEL.onnx --data {file} runs a model over a data set")
        }
        _ => format!("--input takes values: teff {command} MODEL.onnx --input x.npy"),
    })
}
