//! Descriptions of networks: the presets, every kind of layer, and what is said of faulty ones.

use expect_test::expect;
use teff::model::ModelSpec;

#[test]
fn presets_have_the_sizes_they_are_known_by() {
    let size = |name: &str| ModelSpec::preset(name).unwrap().build(&[1, 28, 28], 10, 1).unwrap().size();
    assert_eq!(size("mlp"), 784 * 400 + 400 + 400 * 10 + 10);
    assert_eq!(size("cnn"), 8 * 9 + 8 + 16 * 8 * 9 + 16 + 400 * 10 + 10);
    assert_eq!(size("lenet"), 61_706);
    let of_windows = |name: &str| ModelSpec::preset(name).unwrap().build(&[48, 3], 3, 1).unwrap().size();
    assert_eq!(of_windows("cnn1d"), (16 * 3 * 5 + 16) + (32 * 16 * 5 + 32) + (32 * 3 + 3));
    assert_eq!(of_windows("tcn"), 16 * 3 * 3 + 4 * 16 * 16 * 3 + 5 * 4 * 16 + (16 * 3 + 3));
    assert_eq!(of_windows("gru"), 3 * 32 * (3 + 32 + 2) + (32 * 3 + 3));
    assert!(ModelSpec::preset("resnet").is_none());
}

#[test]
fn every_kind_of_layer_builds() {
    let text = include_str!("every_kind.toml");
    let model = ModelSpec::parse("all.toml", text).unwrap().build(&[1, 8, 8], 4, 1).unwrap();
    assert_eq!((model.output.as_slice(), model.name.as_str()), (&[4][..], "all.toml"));
    model.graph(3).unwrap().verify().unwrap();
}

fn fault(text: &str) -> String {
    match ModelSpec::parse("m.toml", text).and_then(|s| s.build(&[1, 28, 28], 10, 1)) {
        Err(e) => e.to_string(),
        Ok(_) => panic!("was accepted"),
    }
}

#[test]
fn faults_name_the_layer_and_the_remedy() {
    let layer = |text: &str| fault(&format!("[[layer]]\n{text}"));
    expect!["model m.toml, layer 1 (lineer): unknown kind; known are linear, conv, depthwise, conv_transpose, max_pool, avg_pool, global_avg_pool, batch_norm, layer_norm, group_norm, dropout, flatten, reshape, channels_first, steps_first, lstm, gru, last_step, relu, relu6, leaky_relu, elu, selu, gelu, silu, mish, softplus, sigmoid, hard_sigmoid, hard_swish, tanh, softmax, log_softmax"]
        .assert_eq(&layer("kind = \"lineer\"\nout = 3"));
    expect![[r#"model m.toml, layer 1 (linear): needs out = a whole number from 1, or "classes""#]]
        .assert_eq(&layer("kind = \"linear\""));
    expect![[r#"model m.toml, layer 1 (linear): out is -3, and must be a whole number from 1 or "classes""#]]
        .assert_eq(&layer("kind = \"linear\"\nout = -3"));
    expect![[r#"model m.toml, layer 1 (relu): unknown setting "slope""#]]
        .assert_eq(&layer("kind = \"relu\"\nslope = 1"));
    expect!["model m.toml, layer 1 (linear): takes a list of features (put a flatten layer before it), but what reaches it has shape [1, 28, 28] for each sample"]
        .assert_eq(&layer("kind = \"linear\"\nout = 10"));
    expect!["model m.toml, layer 1 (conv): does not fit its input of shape [1, 1, 28, 28]: a window of 31 (dilation 1) does not fit into 28 elements padded by 0 and 0 on spatial axis 0"]
        .assert_eq(&layer("kind = \"conv\"\nout = 4\nkernel = 31"));
    expect!["model m.toml, layer 1 (lstm): takes sequences [steps, features], but what reaches it has shape [1, 28, 28] for each sample"]
        .assert_eq(&layer("kind = \"lstm\"\nhidden = 4"));
    expect!["model m.toml, layer 1 (reshape): does not fit its input of shape [1, 1, 28, 28]: 784 elements do not fill the shape [1, 5]"]
        .assert_eq(&layer("kind = \"reshape\"\nshape = [5]"));
    expect![[r#"model m.toml: has no [[layer]] tables; a layer is [[layer]] followed by kind = "linear" and its settings"#]]
        .assert_eq(&fault("name = \"x\""));
    expect![[r#"model m.toml: unknown setting "layers"; known are name and [[layer]]"#]]
        .assert_eq(&fault("layers = 3\n[[layer]]\nkind = \"relu\""));
    let e = fault("[[layer]\nkind = 3");
    assert!(e.starts_with("model m.toml: not TOML: ") && !e.contains('\n'), "{e}");
    let e = layer("kind = \"flatten\"\n[[layer]]\nkind = \"linear\"\nout = 16000000");
    assert!(e.contains("at most 268435456 are allowed"), "{e}");
}
