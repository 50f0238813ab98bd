#!/usr/bin/env python3
"""Models as TensorFlow's converter writes them, with what small models of one operator do not have: loops and branches, in Keras'
recurrent layers and outside of layers, and a spectrogram.

    converted.py crates/teff-tflite/tests/data/models [NAME ...]

Needs tensorflow-cpu 2.21.0 and nothing else, in an environment of its own; weights are random from one seed.
"""

import os
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import keras
import tensorflow as tf
from keras import layers


def sequence(shape, *stack):
    # With the batch left open the converter makes tensors of unknown size of what the layers keep, and gives up.
    return keras.Sequential([keras.Input(batch_shape=(1, *shape)), *stack])


LAYERS = {
    "keras_lstm": lambda: sequence((10, 6), layers.LSTM(8, return_sequences=True), layers.LSTM(6), layers.Dense(3)),
    "keras_gru": lambda: sequence((10, 6), layers.GRU(8, return_sequences=True, go_backwards=True), layers.Dense(3)),
    "keras_rnn_masked": lambda: sequence((10, 6), layers.Masking(0.5), layers.SimpleRNN(8), layers.Dense(3)),
    "keras_convlstm": lambda: sequence((4, 6, 6, 2), layers.ConvLSTM2D(3, 3, padding="same"), layers.Flatten(), layers.Dense(3)),
}


def written_out(x):
    """The size of what a trip takes depends on the trip."""
    return tf.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, y + tf.reduce_sum(y[:, : i + 1])), (tf.constant(0), x))[1]


def nested(x):
    """Two counters, the inner one beginning at a place that the outer one says, by steps of 3 downwards."""

    def outer(i, y):
        inner = tf.while_loop(lambda j, z: j > 0, lambda j, z: (j - 3, z * 0.5 + tf.cast(j, tf.float32)), (i * 5, y))
        return i + 1, inner[1]

    return tf.while_loop(lambda i, y: i < 3, outer, (tf.constant(0), x))[1]


def endless(x):
    """How often it runs depends on the input."""
    return tf.while_loop(lambda y: tf.reduce_sum(y) < 10.0, lambda y: (y * 2.0 + 1.0,), (x,))[0]


def branches(x):
    """Which is taken depends on the input."""
    return tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.nn.softmax(x * 2.0), lambda: x - 1.0)


def spectrogram(x):
    """As models of sounds begin: frames, windows, magnitudes of their spectra, bands, logarithms."""
    size = tf.abs(tf.signal.stft(x, frame_length=64, frame_step=32))
    bands = tf.signal.linear_to_mel_weight_matrix(10, 33, 8000, 100.0, 3800.0)
    return tf.math.log(tf.matmul(size, bands) + 1e-3)


FUNCTIONS = {
    "loop_written_out": written_out, "loops_nested": nested, "../loop_data_dependent": endless, "branches": branches,
    "spectrogram": spectrogram,
}


def main():
    folder, wanted = sys.argv[1], sys.argv[2:] or [*LAYERS, *FUNCTIONS]
    for name, make in ((n, make) for n, make in LAYERS.items() if n in wanted):
        keras.utils.set_random_seed(1)
        save(folder, name, tf.lite.TFLiteConverter.from_keras_model(make()))
    for name, f in ((n, f) for n, f in FUNCTIONS.items() if n in wanted):
        shape = (1, 256) if f is spectrogram else (1, 6)
        concrete = tf.function(f, input_signature=[tf.TensorSpec(shape, tf.float32)]).get_concrete_function()
        save(folder, name, tf.lite.TFLiteConverter.from_concrete_functions([concrete]))


def save(folder, name, converter):
    with open(os.path.join(folder, f"{name}.tflite"), "wb") as f:
        f.write(converter.convert())


main()
