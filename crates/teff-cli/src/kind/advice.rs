//! What each kind of file is called, and how to come from one to what a command takes.

use super::{Kind, Wanted};
use std::path::Path;

impl Kind {
    /// What it is called, with its article.
    pub(super) fn what(self) -> &'static str {
        match self {
            Kind::Onnx => "an ONNX model",
            Kind::Tflite => "a TFLite model",
            Kind::Ort => "a model in onnxruntime's own format",
            Kind::Keras => "a Keras model",
            Kind::Hdf5 => "an HDF5 file, as Keras writes models",
            Kind::Torch => "a PyTorch file",
            Kind::TensorFlowFolder => "a SavedModel of TensorFlow",
            Kind::TensorFlowGraph => "a graph of TensorFlow",
            Kind::CoreMl => "a Core ML model",
            Kind::OpenVino => "XML, as OpenVINO describes models",
            Kind::OtherFramework => "a file of another framework, by its name",
            Kind::Pickle => "a pickle of Python objects, as scikit-learn and joblib save models",
            Kind::Safetensors => "a safetensors file: weights without a network",
            Kind::Gguf => "a GGUF file, a language model for llama.cpp",
            Kind::Python => "Python source",
            Kind::Toml => "a list of layers in TOML",
            Kind::Npy => "an array of NumPy",
            Kind::Npz => "arrays of NumPy (NPZ)",
            Kind::Idx => "one IDX file of a data set",
            Kind::DataFolder => "the folder of a data set",
            Kind::Picture => "a picture",
            Kind::Sound => "a sound",
            Kind::Table => "a table of data",
            Kind::Elf => "a program (ELF)",
            Kind::Uf2 => "a program for a board (UF2)",
            Kind::IntelHex => "a program (Intel HEX)",
            Kind::Source => "source code",
            Kind::Zip => "a ZIP archive",
            Kind::Archive => "a compressed archive",
            Kind::Pdf => "a PDF document",
            Kind::WebPage => "a web page (HTML)",
            Kind::LfsPointer => "a Git LFS pointer, a few lines in place of the file",
            Kind::Empty => "an empty file",
            Kind::Folder => "a folder",
            Kind::Json => "JSON",
            Kind::Unknown => "a file",
        }
    }
}

/// What to do with a file of this kind where `wanted` is; nothing if it may be right, or the command itself knows better.
pub(super) fn advice(kind: Kind, wanted: Wanted, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    // What is no file of its kind at all.
    let broken = match kind {
        Kind::Empty => Some("copy, download or export it again"),
        Kind::LfsPointer => Some("fetch the file itself by git lfs pull"),
        Kind::WebPage => Some(
            "it was saved in place of the file; download the file itself, by the page's link to the raw file",
        ),
        _ => None,
    };
    if let Some(remedy) = broken {
        return Some(remedy.into());
    }
    match wanted {
        Wanted::Model => model(kind, command, path),
        Wanted::Data => data(kind, command, path),
        Wanted::Firmware => firmware(kind, command, path),
        Wanted::Tensor => tensor(kind, command, path),
        Wanted::Layers => (kind.is_model() || is_foreign(kind)).then(|| {
            format!(
                "train --model takes mlp, cnn, lenet, small or a list of layers in TOML; to go on training an ONNX model, \
                 teff train DATASET --from {file} -o OUT.onnx"
            )
        }),
    }
}

/// Whether it is a model that other programs run or train.
fn is_foreign(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Ort
            | Kind::Keras
            | Kind::Hdf5
            | Kind::Torch
            | Kind::TensorFlowFolder
            | Kind::TensorFlowGraph
            | Kind::CoreMl
            | Kind::OpenVino
            | Kind::OtherFramework
            | Kind::Pickle
            | Kind::Safetensors
            | Kind::Gguf
    )
}

/// How a model of another framework becomes ONNX.
fn export(kind: Kind, path: &Path) -> Option<String> {
    let file = path.display();
    let onnx = path.with_extension("onnx");
    let onnx = onnx.display();
    Some(match kind {
        Kind::Keras | Kind::Hdf5 => format!(
            "export it from Python, with Keras 3.8 or later and tf2onnx: import keras; \
             keras.models.load_model(\"{file}\", compile=False).export(\"{onnx}\", format=\"onnx\")"
        ),
        Kind::Torch => format!(
            "export it from the Python that made it: model.eval(); torch.onnx.export(model, (example_input,), \"{onnx}\"), where \
             the model is what was saved, or the network that load_state_dict(torch.load(\"{file}\")) filled"
        ),
        Kind::TensorFlowFolder => {
            format!(
                "convert it: pip install tf2onnx; python -m tf2onnx.convert --saved-model {file} --output {onnx}"
            )
        }
        Kind::TensorFlowGraph => format!(
            "convert a frozen graph: python -m tf2onnx.convert --graphdef {file} --output {onnx} --inputs INPUT:0 --outputs OUTPUT:0; \
             of a SavedModel give its folder: --saved-model DIR"
        ),
        Kind::Pickle => format!(
            "export it from the Python that made it, with skl2onnx for scikit-learn: \
             open(\"{onnx}\", \"wb\").write(skl2onnx.to_onnx(model, x[:1].astype(\"float32\")).SerializeToString())"
        ),
        Kind::Ort => "give the .onnx file that it was made from".into(),
        Kind::CoreMl | Kind::OpenVino | Kind::OtherFramework => {
            "export the model as ONNX or TFLite from the framework that trained it".into()
        }
        Kind::Safetensors => format!(
            "export the whole network from the Python that has it: torch.onnx.export(model, (example_input,), \"{onnx}\"); \
             a checkpoint of teff is for teff train DATASET -o {onnx} --resume {file}"
        ),
        Kind::Gguf => "it is far too large for what teff is for; there is no way from it to ONNX".into(),
        _ => return None,
    })
}

fn model(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    if is_foreign(kind) {
        return export(kind, path).map(|how| format!("teff reads ONNX and TFLite; {how}"));
    }
    let remedy = match kind {
        Kind::Onnx | Kind::Tflite | Kind::Unknown => return None,
        Kind::Toml => format!("train a network of it: teff train DATASET --model {file} -o m.onnx; then teff {command} m.onnx"),
        Kind::Npz | Kind::DataFolder | Kind::Idx | Kind::Npy if command == "run" || command == "verify" => {
            format!("the model comes first: teff {command} MODEL.onnx --input {file}")
        }
        Kind::Npz | Kind::DataFolder => {
            format!("the model comes first, the data set behind --data: teff {command} MODEL.onnx --data {file}; \
                     teff train {file} -o m.onnx makes a model of it")
        }
        Kind::Elf | Kind::Uf2 | Kind::IntelHex => {
            format!("teff {command} takes an ONNX or TFLite file; teff sim {file} runs a program on the simulated chip")
        }
        Kind::Source => format!("teff {command} takes an ONNX or TFLite file, not what was made of one"),
        Kind::Python => "run it to export its model, by torch.onnx.export, keras or skl2onnx".into(),
        Kind::Zip | Kind::Archive => "unpack it, and give the .onnx or .tflite file that is in it".into(),
        Kind::Folder => "name the .onnx or .tflite file in it".into(),
        Kind::Json => "teff reads ONNX and TFLite; a model of TensorFlow.js or XGBoost is to be exported as ONNX by what trained it".into(),
        Kind::Npy | Kind::Idx | Kind::Picture | Kind::Sound | Kind::Table | Kind::Pdf => {
            format!("teff {command} takes an ONNX or TFLite file: teff {command} MODEL.onnx")
        }
        _ => return None,
    };
    Some(remedy)
}

fn data(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    if kind.is_model() || is_foreign(kind) || kind == Kind::Toml {
        return Some(match command {
            "train" if kind == Kind::Toml => {
                format!("the data set comes first: teff train DATASET --model {file} -o m.onnx")
            }
            "train" if kind == Kind::Onnx => format!(
                "train takes a data set and writes a model: teff train DATASET -o m.onnx; to go on training this one, \
                 teff train DATASET --from {file} -o m.onnx; to see how right it is, teff eval {file} --data DATASET"
            ),
            "train" => "train takes a data set and writes a model: teff train DATASET -o m.onnx".into(),
            _ => format!("--data takes a data set: teff {command} {file} --data DATASET"),
        });
    }
    let arrays = "numpy.savez(\"data.npz\", x=samples, y=labels)";
    match kind {
        Kind::Npy => Some(format!("a data set has samples and labels; save both from Python: {arrays}")),
        Kind::Table => Some(format!("save samples and labels from Python as one file: {arrays}")),
        Kind::Elf | Kind::Uf2 | Kind::IntelHex | Kind::Source | Kind::Python | Kind::Pdf | Kind::Json => {
            Some("a data set is an NPZ file, a folder of IDX files or a folder of pictures for each class (docs/data.md)".into())
        }
        Kind::Picture | Kind::Sound => Some("give the folder that has a folder of pictures for each class".into()),
        Kind::Zip | Kind::Archive if path.extension().is_none_or(|e| e != "gz") => {
            Some("unpack it, and give the folder".into())
        }
        _ => None,
    }
}

fn firmware(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    let takes = match command {
        "flash" => "teff flash takes firmware, UF2 or ELF",
        _ => "teff sim runs a program, ELF, UF2, HEX or BIN",
    };
    if kind.is_model() {
        let then = if command == "flash" { "teff flash fw.uf2" } else { "teff sim fw.elf" };
        return Some(format!("{takes}; make one of the model: teff firmware {file} -o fw.uf2; then {then}"));
    }
    if is_foreign(kind) {
        return export(kind, path)
            .map(|how| format!("{takes}; of a model teff firmware makes it, and reads ONNX: {how}"));
    }
    match kind {
        Kind::Npy
        | Kind::Npz
        | Kind::Idx
        | Kind::DataFolder
        | Kind::Table
        | Kind::Pdf
        | Kind::Json
        | Kind::Toml
        | Kind::Folder => Some(format!("{takes}; teff firmware MODEL.onnx -o fw.uf2 makes both")),
        Kind::Picture if command == "sim" => {
            Some(format!("{takes}; to show it to the camera: teff sim fw.elf --camera {file}"))
        }
        Kind::Sound if command == "sim" => {
            Some(format!("{takes}; to let the microphone hear it: teff sim fw.elf --microphone {file}"))
        }
        Kind::Picture | Kind::Sound => {
            Some(format!("{takes}; teff firmware MODEL.onnx -o fw.uf2 makes both"))
        }
        Kind::Source | Kind::Python => Some(format!("{takes}; compile it for the board first")),
        Kind::Zip | Kind::Archive => Some(format!("{takes}; unpack it, and give the file in it")),
        _ => None,
    }
}

fn tensor(kind: Kind, command: &str, path: &Path) -> Option<String> {
    let file = path.display();
    Some(match kind {
        Kind::Onnx | Kind::Tflite => {
            format!("--input takes values, the model comes first: teff {command} {file} --input x.npy")
        }
        Kind::Torch => {
            "save the tensor for NumPy: numpy.save(\"x.npy\", tensor.detach().cpu().numpy())".into()
        }
        Kind::Table => format!(
            "save it from Python: numpy.save(\"x.npy\", numpy.loadtxt(\"{file}\", delimiter=\",\").astype(\"float32\"))"
        ),
        Kind::Json | Kind::Pickle | Kind::Hdf5 | Kind::Sound | Kind::Safetensors | Kind::Python => {
            "save its values from Python: numpy.save(\"x.npy\", numpy.asarray(values, \"float32\"))".into()
        }
        Kind::Zip | Kind::Archive => "unpack it, and give the .npy files in it".into(),
        Kind::DataFolder | Kind::Folder => {
            format!("--input takes one file; teff eval MODEL.onnx --data {file} runs a model over a data set")
        }
        Kind::Elf | Kind::Uf2 | Kind::IntelHex | Kind::Source | Kind::Toml | Kind::Pdf | Kind::Keras => {
            format!("--input takes values: teff {command} MODEL.onnx --input x.npy")
        }
        _ => return None,
    })
}
