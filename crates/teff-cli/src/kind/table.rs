//! All kinds of files, a row each.

/// What files are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// What teff reads as a network.
    Model,
    /// A model that other programs run or train.
    Foreign,
    Data,
    Program,
    Packed,
    /// No file of its kind at all.
    Broken,
    Other,
}

/// What there is to know of a kind.
pub(super) struct Row {
    pub(super) kind: Kind,
    family: Family,
    /// What it is called, with its article.
    what: &'static str,
    /// Endings of its files' names, between blanks.
    pub(super) endings: &'static str,
    /// Bytes that its files have at a place, one of these.
    pub(super) signatures: &'static [(usize, &'static [u8])],
}

macro_rules! kinds {
    ($($kind:ident: $family:ident, $what:literal, $endings:literal, [$($signature:expr),*];)*) => {
        /// What a file or folder is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind),* }

        /// In the order of the kinds.
        pub(super) const ROWS: &[Row] = &[$(Row {
            kind: Kind::$kind,
            family: Family::$family,
            what: $what,
            endings: $endings,
            signatures: &[$($signature),*],
        }),*];
    };
}

kinds! {
    Onnx: Model, "an ONNX model", "onnx", [];
    Tflite: Model, "a TFLite model", "tflite lite", [(4, b"TFL3")];
    Ort: Foreign, "a model in onnxruntime's own format", "ort", [(4, b"ORTM")];
    Keras: Foreign, "a Keras model", "keras", [];
    Hdf5: Foreign, "an HDF5 file, as Keras writes models", "h5 hdf5", [(0, b"\x89HDF\r\n\x1a\n")];
    Torch: Foreign, "a PyTorch file", "pt pth pt2 ptl ckpt", [];
    TensorFlowFolder: Foreign, "a SavedModel of TensorFlow", "", [];
    TensorFlowGraph: Foreign, "a graph of TensorFlow", "pb pbtxt meta", [];
    CoreMl: Foreign, "a Core ML model", "mlmodel", [];
    OpenVino: Foreign, "XML, as OpenVINO describes models", "", [];
    OtherFramework: Foreign, "a file of another framework, by its name",
        "pdmodel pdiparams caffemodel prototxt cfg weights param engine plan trt rknn hef nb mnn mar params t7 model", [];
    Pickle: Foreign, "a pickle of Python objects, as scikit-learn and joblib save models", "pkl pickle joblib sav", [];
    Safetensors: Foreign, "a safetensors file: weights without a network", "safetensors", [];
    Gguf: Foreign, "a GGUF file, a language model for llama.cpp", "gguf ggml", [(0, b"GGUF")];
    Python: Other, "Python source", "py ipynb", [];
    Toml: Other, "a list of layers in TOML", "toml", [];
    Npy: Data, "an array of NumPy", "npy", [(0, b"\x93NUMPY")];
    Npz: Data, "arrays of NumPy (NPZ)", "npz", [];
    Idx: Data, "one IDX file of a data set", "", [(0, &[0, 0, 8, 1, 0]), (0, &[0, 0, 8, 3, 0])];
    DataFolder: Data, "the folder of a data set", "", [];
    Picture: Other, "a picture", "", [(0, b"\x89PNG\r\n"), (0, b"\xff\xd8\xff"), (0, b"GIF8"), (8, b"WEBP")];
    Sound: Other, "a sound", "wav mp3", [(8, b"WAVE"), (0, b"OggS"), (0, b"fLaC")];
    Table: Data, "a table of data", "csv tsv parquet xlsx arff mat feather tfrecord", [];
    Elf: Program, "a program (ELF)", "elf axf", [(0, b"\x7fELF")];
    Uf2: Program, "a program for a board (UF2)", "uf2", [(0, b"UF2\n")];
    IntelHex: Program, "a program (Intel HEX)", "hex", [];
    Source: Other, "source code", "c h rs cpp cc ino", [];
    Zip: Packed, "a ZIP archive", "", [];
    Archive: Packed, "a compressed archive", "", [
        (0, b"\x1f\x8b"), (0, b"BZh"), (0, b"\xfd7zXZ"), (0, b"7z\xbc\xaf"), (0, b"Rar!"), (0, b"\x28\xb5\x2f\xfd"),
        (257, b"ustar")
    ];
    Pdf: Other, "a PDF document", "", [(0, b"%PDF")];
    WebPage: Broken, "a web page (HTML)", "", [];
    LfsPointer: Broken, "a Git LFS pointer, a few lines in place of the file", "", [(0, b"version https://git-lfs")];
    Empty: Broken, "an empty file", "", [];
    Folder: Other, "a folder", "", [];
    Json: Other, "JSON", "", [];
    Unknown: Other, "a file", "", [];
}

impl Kind {
    /// What it is for.
    pub(super) fn family(self) -> Family {
        ROWS[self as usize].family
    }

    /// What it is called, with its article.
    pub(super) fn what(self) -> &'static str {
        ROWS[self as usize].what
    }
}
