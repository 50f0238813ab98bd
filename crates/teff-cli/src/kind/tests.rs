use super::*;

/// A folder that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("teff-kind-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A ZIP archive of one empty file, stored.
fn zip(name: &str) -> Vec<u8> {
    let short = |n: usize| (n as u16).to_le_bytes();
    let local = [
        &b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..],
        &short(name.len()),
        &[0, 0],
        name.as_bytes(),
    ]
    .concat();
    let central = [
        &b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..],
        &short(name.len()),
        &[0; 16],
        name.as_bytes(),
    ]
    .concat();
    let end = [
        &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..],
        &(central.len() as u32).to_le_bytes(),
        &(local.len() as u32).to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    [local, central, end].concat()
}

fn onnx() -> Vec<u8> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../teff-onnx/tests/data/exports/lenet-dynamo/model.onnx");
    std::fs::read(path).unwrap()
}

/// Contents count, whatever the name.
#[test]
fn files_are_known_by_their_contents() {
    let folder = Folder::new("contents");
    let pickle = |word: &str| [b"\x80\x04\x95\0\0\0\0\0\0\0\0", word.as_bytes(), b"."].concat();
    let safetensors = [&16u64.to_le_bytes()[..], b"{\"a\":{}}        "].concat();
    let tar = [&[0; 257][..], b"ustar\x0000", &[0; 248]].concat();
    let cases: Vec<(Vec<u8>, Kind)> = vec![
        (onnx(), Kind::Onnx),
        (b"\x1c\0\0\0TFL3\0\0\0\0".to_vec(), Kind::Tflite),
        (b"\x1c\0\0\0ORTM\0\0\0\0".to_vec(), Kind::Ort),
        (zip("model.weights.h5"), Kind::Keras),
        (zip("archive/data.pkl"), Kind::Torch),
        (zip("m/archive_format"), Kind::Torch),
        (zip("x_train.npy"), Kind::Npz),
        (zip("model.onnx"), Kind::Zip),
        (b"\x89HDF\r\n\x1a\n\0\0".to_vec(), Kind::Hdf5),
        (pickle("ctorch._utils"), Kind::Torch),
        (pickle("sklearn.svm"), Kind::Pickle),
        (safetensors, Kind::Safetensors),
        (b"GGUF\x03\0\0\0".to_vec(), Kind::Gguf),
        (b"\x93NUMPY\x01\0".to_vec(), Kind::Npy),
        (b"\0\0\x08\x03\0\0\0\x01".to_vec(), Kind::Idx),
        (b"\x7fELF\x01\x01".to_vec(), Kind::Elf),
        (b"UF2\nWQ]\x9e".to_vec(), Kind::Uf2),
        (b":020000041000EA\n".to_vec(), Kind::IntelHex),
        (b"\n<!DOCTYPE html><html>".to_vec(), Kind::WebPage),
        (b"<?xml version=\"1.0\"?>\n<net name=\"m\">".to_vec(), Kind::OpenVino),
        (b"{\"modelTopology\": {}}".to_vec(), Kind::Json),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), Kind::LfsPointer),
        (b"\x89PNG\r\n\x1a\n".to_vec(), Kind::Picture),
        (b"RIFF\0\0\0\0WAVE".to_vec(), Kind::Sound),
        (b"\x1f\x8b\x08\0".to_vec(), Kind::Archive),
        (tar, Kind::Archive),
        (b"%PDF-1.7".to_vec(), Kind::Pdf),
        (vec![], Kind::Empty),
    ];
    for (i, (bytes, kind)) in cases.iter().enumerate() {
        for name in [format!("{i}"), format!("{i}.onnx"), format!("{i}.npz"), format!("{i}.bin")] {
            assert_eq!(Kind::of(&folder.file(&name, bytes)), *kind, "{name}");
        }
    }
}

#[test]
fn what_contents_do_not_say_the_name_says() {
    let folder = Folder::new("names");
    for (name, kind) in [
        ("a.onnx", Kind::Onnx),
        ("a.TFLITE", Kind::Tflite),
        ("a.pb", Kind::TensorFlowGraph),
        ("a.mlmodel", Kind::CoreMl),
        ("a.pdmodel", Kind::OtherFramework),
        ("a.toml", Kind::Toml),
        ("a.csv", Kind::Table),
        ("a.c", Kind::Source),
        ("a", Kind::Unknown),
        ("a.bin", Kind::Unknown),
    ] {
        assert_eq!(Kind::of(&folder.file(name, b"\x08\x01something")), kind, "{name}");
    }
    assert_eq!(Kind::of(&folder.0.join("nothing.onnx")), Kind::Unknown);
    assert_eq!(Kind::of(Path::new("/dev/null")), Kind::Unknown);
    folder.file("tf/saved_model.pb", b"\x08\x01");
    folder.file("digits/train-images-idx3-ubyte", b"");
    folder.file("pets/cat/1.png", b"");
    folder.file("m.mlpackage/Manifest.json", b"{}");
    folder.file("net/net.c", b"");
    for (name, kind) in [
        ("tf", Kind::TensorFlowFolder),
        ("digits", Kind::DataFolder),
        ("pets", Kind::DataFolder),
        ("m.mlpackage", Kind::CoreMl),
        ("net", Kind::Folder),
    ] {
        assert_eq!(Kind::of(&folder.0.join(name)), kind, "{name}");
    }
}

/// Every model of these tests is taken for one, so that no command refuses what it can read.
#[test]
fn no_model_is_taken_for_something_else() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/data/models");
    let folder = Folder::new("models");
    for file in std::fs::read_dir(data).unwrap().map(|f| f.unwrap().path()) {
        if file.extension().is_some_and(|e| e == "onnx") {
            assert_eq!(Kind::of(&file), Kind::Onnx, "{}", file.display());
            let other = folder.file("model.pt", std::fs::read(&file).unwrap());
            assert_eq!(Kind::of(&other), Kind::Onnx, "{}", file.display());
        }
    }
}
