"""TensorFlow's operations against known answers, on every device, and the devices against each other.

Expected values are computed with NumPy loops and closed forms in float64, never with TensorFlow. Several cases
are published wrong-result bugs of tensorflow-metal; each names its report.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`level` as everywhere; the full level adds what is slow or large."""
    with probe.step("import.alone", "tensorflow") as facts:
        import tensorflow as tf

        facts["file"], facts["version"] = tf.__file__, tf.__version__
    if "file" not in facts:
        return
    devices = ["CPU:0", *(["GPU:0"] if tf.config.list_physical_devices("GPU") else [])]
    cases = _CASES | (_SLOW_CASES if arguments["level"] == "full" else {})
    for name, case in cases.items():
        results = {device: _on(probe, name, case, device) for device in devices}
        if len(devices) > 1 and None not in results.values():
            with probe.step("numerics.device", name) as facts:
                facts["error"] = _relative(results[devices[1]], results[devices[0]])
                facts["dtype"] = "float32"
    _random(probe, devices)
    _training(probe, devices)


def _on(probe: Recorder, name: str, case: Callable[[], tuple[Any, Any]], device: str) -> Any:
    """Run one case on one device; what it computed, or None when it raised."""
    import numpy as np
    import tensorflow as tf

    computed = None
    with probe.step("numerics.tensorflow", f"{name} on {device[:3]}") as facts:
        with tf.device(f"/{device}"):
            got, want = case()
        computed = np.asarray(got)
        facts["error"], facts["dtype"] = _relative(computed, want), str(computed.dtype)
        if facts["dtype"] not in ("float16", "float32", "float64"):
            facts["dtype"] = "float32"
    return computed


def _relative(got: Any, want: Any) -> float:
    """Largest difference, relative to the largest value wanted; NaN counts as infinitely wrong."""
    import numpy as np

    got, want = np.asarray(got, dtype="float64"), np.asarray(want, dtype="float64")
    if got.shape != want.shape:
        return 1e300
    difference = float(np.max(np.abs(got - want)) / max(float(np.max(np.abs(want))), 1e-300))
    return difference if math.isfinite(difference) else 1e300


def _sample(*shape: int, seed: int = 3) -> Any:
    import numpy as np

    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def _wide(array: Any) -> Any:
    return array.astype("float64")


def _matmul() -> tuple[Any, Any]:
    import numpy as np
    import tensorflow as tf

    left, right = _sample(65, 130), _sample(130, 33, seed=4)
    return tf.matmul(left, right), np.einsum("ij,jk->ik", _wide(left), _wide(right), optimize=False)


def _fused_dense() -> tuple[Any, Any]:
    """relu(bias_add(matmul)) in a graph: wrong by tens of units on Metal with its fused kernels (tensorflow#92686)."""
    import numpy as np
    import tensorflow as tf

    rows, weights, bias = _sample(64, 48), _sample(48, 40, seed=4), _sample(40, seed=5)

    @tf.function  # type: ignore[untyped-decorator]
    def layer(inputs: Any) -> Any:
        return tf.nn.relu(tf.nn.bias_add(tf.matmul(inputs, weights), bias))

    want = np.einsum("ij,jk->ik", _wide(rows), _wide(weights), optimize=False) + _wide(bias)
    return layer(tf.constant(rows)), np.maximum(want, 0)


def _dense_predict() -> tuple[Any, Any]:
    """The same through Keras: Dense(relu).predict, which uses the fused kernel since Keras 3.7."""
    import keras
    import numpy as np

    rows = _sample(64, 48)
    layer = keras.layers.Dense(40, activation="relu", bias_initializer="ones")
    model = keras.Sequential([keras.layers.Input((48,)), layer])
    weights, bias = (np.asarray(weight, dtype="float64") for weight in layer.get_weights())
    want = np.maximum(np.einsum("ij,jk->ik", _wide(rows), weights, optimize=False) + bias, 0)
    return model.predict(rows, verbose=0), want


def _conv_reference(images: Any, kernel: Any) -> Any:
    """Valid correlation of NHWC images with an HWIO kernel, as a plain sum over the kernel's places."""
    import numpy as np

    height, width = images.shape[1] - kernel.shape[0] + 1, images.shape[2] - kernel.shape[1] + 1
    total = np.zeros((images.shape[0], height, width, kernel.shape[3]))
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            patch = images[:, row : row + height, column : column + width, :]
            total += np.einsum("nhwi,io->nhwo", patch, kernel[row, column], optimize=False)
    return total


def _conv2d() -> tuple[Any, Any]:
    import tensorflow as tf

    images, kernel = _sample(2, 12, 11, 3), _sample(3, 3, 3, 5, seed=4)
    return tf.nn.conv2d(images, kernel, strides=1, padding="VALID"), _conv_reference(_wide(images), _wide(kernel))


def _fused_conv() -> tuple[Any, Any]:
    import numpy as np
    import tensorflow as tf

    images, kernel, bias = _sample(2, 12, 11, 3), _sample(3, 3, 3, 5, seed=4), _sample(5, seed=5)

    @tf.function  # type: ignore[untyped-decorator]
    def layer(inputs: Any) -> Any:
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, strides=1, padding="VALID"), bias))

    return layer(tf.constant(images)), np.maximum(_conv_reference(_wide(images), _wide(kernel)) + _wide(bias), 0)


def _conv_gradient() -> tuple[Any, Any]:
    """The kernel's gradient, by the sum over images; shuffled for several channels once (tensorflow_macos#230)."""
    import numpy as np
    import tensorflow as tf

    images, kernel = _sample(2, 8, 8, 3), tf.Variable(_sample(3, 3, 3, 4, seed=4))
    weight = _sample(2, 6, 6, 4, seed=5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.conv2d(images, kernel, strides=1, padding="VALID") * weight)
    want = np.zeros((3, 3, 3, 4))
    for row in range(3):
        for column in range(3):
            patch = _wide(images)[:, row : row + 6, column : column + 6, :]
            want[row, column] = np.einsum("nhwi,nhwo->io", patch, _wide(weight), optimize=False)
    return tape.gradient(loss, kernel), want


def _batch_norm() -> tuple[Any, Any]:
    import keras

    rows = _sample(200, 7) * 3 + 5
    layer = keras.layers.BatchNormalization(epsilon=1e-3)
    wide = _wide(rows)
    return layer(rows, training=True), (wide - wide.mean(axis=0)) / (wide.var(axis=0) + 1e-3) ** 0.5


def _embedding_gradient() -> tuple[Any, Any]:
    """Repeated indices must add up."""
    import numpy as np
    import tensorflow as tf

    table, indices = tf.Variable(_sample(10, 4)), [1, 3, 1, 1, 7, 3]
    weight = _sample(6, 4, seed=5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.embedding_lookup(table, indices) * weight)
    want = np.zeros((10, 4))
    for index, row in zip(indices, _wide(weight)):
        want[index] += row
    return tf.convert_to_tensor(tape.gradient(loss, table)), want


def _adam_step() -> tuple[Any, Any]:
    """Three steps on given gradients, against the published recurrence (Kingma and Ba 2014, algorithm 1)."""
    import keras
    import numpy as np
    import tensorflow as tf

    start, gradients = _sample(6), [_sample(6, seed=seed) for seed in (11, 12, 13)]
    variable = keras.Variable(start) if hasattr(keras, "Variable") else tf.Variable(start)
    optimizer = keras.optimizers.Adam(learning_rate=0.1, epsilon=1e-7)
    wide, first, second = _wide(start), np.zeros(6), np.zeros(6)
    for number, gradient in enumerate(gradients, start=1):
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
        first = 0.9 * first + 0.1 * _wide(gradient)
        second = 0.999 * second + 0.001 * _wide(gradient) ** 2
        wide = wide - 0.1 * (first / (1 - 0.9**number)) / ((second / (1 - 0.999**number)) ** 0.5 + 1e-7)
    return variable.numpy(), wide


def _reductions() -> tuple[Any, Any]:
    import numpy as np
    import tensorflow as tf

    values = _sample(50, 41)
    wide = _wide(values)
    got = [
        tf.reduce_sum(values, axis=0),
        tf.reduce_mean(values, axis=0),
        tf.reduce_max(values, axis=0),
        tf.math.reduce_logsumexp(values, axis=0),
        tf.cast(tf.argmax(values, axis=0), "float32"),
        tf.cumsum(values, axis=0)[-1],
    ]
    sums = wide.sum(axis=0)
    logs = np.log(np.exp(wide).sum(axis=0))
    return tf.stack(got), np.stack([sums, wide.mean(axis=0), wide.max(axis=0), logs, wide.argmax(axis=0), sums])


def _sort() -> tuple[Any, Any]:
    """Only the first 16 of 20 were sorted, the rest was -0 (tensorflow#51499)."""
    import numpy as np
    import tensorflow as tf

    values = _sample(20)
    return tf.sort(values), np.sort(_wide(values))


def _top_k() -> tuple[Any, Any]:
    """Zeros for k above 15 (tensorflow#57204)."""
    import numpy as np
    import tensorflow as tf

    values = _sample(64)
    return tf.math.top_k(values, k=20).values, np.sort(_wide(values))[::-1][:20]


def _softmax_gradient() -> tuple[Any, Any]:
    """The gradient of softmax cross-entropy is softmax minus one-hot."""
    import numpy as np
    import tensorflow as tf

    logits, labels = tf.Variable(_sample(9, 5)), [0, 1, 2, 3, 4, 0, 1, 2, 3]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    powers = np.exp(_wide(logits.numpy()))
    return tape.gradient(loss, logits), powers / powers.sum(axis=1, keepdims=True) - np.eye(5)[labels]


def _lstm() -> tuple[Any, Any]:
    """An LSTM forward pass against its equations (gates i, f, c, o, as Keras orders them)."""
    import keras
    import numpy as np

    sequence = _sample(4, 9, 3)
    layer = keras.layers.LSTM(6)
    got = layer(sequence)
    kernel, recurrent, bias = (_wide(np.asarray(weight)) for weight in layer.get_weights())
    hidden, cell = np.zeros((4, 6)), np.zeros((4, 6))
    for moment in range(9):
        gates = _wide(sequence)[:, moment] @ kernel + hidden @ recurrent + bias
        i, f, c, o = np.split(gates, 4, axis=1)
        cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(c)
        hidden = _sigmoid(o) * np.tanh(cell)
    return got, hidden


def _sigmoid(values: Any) -> Any:
    import numpy as np

    return 1 / (1 + np.exp(-values))


def _linalg() -> tuple[Any, Any]:
    """eigh, svd and lstsq by what must hold of them."""
    import numpy as np
    import tensorflow as tf

    square = 2 * np.eye(12) - np.eye(12, k=1) - np.eye(12, k=-1)
    eigenvalues = [2 - 2 * math.cos(k * math.pi / 13) for k in range(1, 13)]
    tall, answer = _sample(30, 5), np.linspace(-1, 1, 5, dtype="float32")[:, None]
    right = np.einsum("ij,jk->ik", tall, answer, optimize=False)
    got = tf.concat(
        [
            tf.linalg.eigvalsh(square.astype("float32")),
            tf.linalg.svd(square.astype("float32"), compute_uv=False),
            tf.linalg.lstsq(tall, right, fast=False)[:, 0],
        ],
        axis=0,
    )
    return got, np.concatenate([eigenvalues, eigenvalues[::-1], _wide(answer)[:, 0]])


def _many_filters() -> tuple[Any, Any]:
    """Conv1D with more than 65,536 filters was wrong (tensorflow#71577)."""
    import numpy as np
    import tensorflow as tf

    signal, kernel = _sample(1, 4, 2), _sample(1, 2, 65_537, seed=4)
    want = np.einsum("nti,io->nto", _wide(signal), _wide(kernel)[0], optimize=False)
    return tf.nn.conv1d(signal, kernel, stride=1, padding="VALID"), want


_CASES = {
    "matmul": _matmul,
    "relu(bias_add(matmul)) in a graph": _fused_dense,
    "Dense(relu).predict": _dense_predict,
    "conv2d": _conv2d,
    "relu(bias_add(conv2d)) in a graph": _fused_conv,
    "conv2d kernel gradient": _conv_gradient,
    "batch normalisation": _batch_norm,
    "embedding gradient": _embedding_gradient,
    "Adam steps": _adam_step,
    "reductions": _reductions,
    "sort": _sort,
    "top_k": _top_k,
    "cross-entropy gradient": _softmax_gradient,
    "LSTM": _lstm,
    "eigh, svd, lstsq": _linalg,
}
_SLOW_CASES = {"conv1d with 65,537 filters": _many_filters}


def _random(probe: Recorder, devices: list[str]) -> None:
    """Random numbers that are the same at every call (tensorflow#53505, #56122), dropout that always drops the same."""
    import keras
    import numpy as np
    import tensorflow as tf

    for device in devices:
        with probe.step("numerics.random", device[:3]) as facts, tf.device(f"/{device}"):
            first, second = (tf.random.uniform((1000,)).numpy() for _ in range(2))
            facts["draws_differ"] = bool(np.any(first != second))
            facts["mean"] = float(first.mean())
            drop = keras.layers.Dropout(0.5)
            ones = tf.ones((1000,))
            masks = [np.asarray(drop(ones, training=True)) for _ in range(2)]
            facts["dropouts_differ"] = bool(np.any(masks[0] != masks[1]))
            facts["kept"] = float((masks[0] != 0).mean())
            facts["scaled"] = bool(np.allclose(masks[0][masks[0] != 0], 2.0))
            same = [tf.random.stateless_uniform((8,), seed=(1, 2)).numpy() for _ in range(2)]
            facts["seeds_repeat"] = bool(np.all(same[0] == same[1]))


def _training(probe: Recorder, devices: list[str]) -> None:
    """A small convolutional network from the same start on each device: the losses must stay together."""
    import tensorflow as tf

    images = _sample(64, 8, 8, 2)
    labels = (images.mean(axis=(1, 2, 3)) > 0).astype("int32")
    start = [_sample(3, 3, 2, 4, seed=6) * 0.2, _sample(144, 2, seed=7) * 0.1, _sample(2, seed=8) * 0]
    with probe.step("numerics.training") as facts:
        for device in devices:
            with tf.device(f"/{device}"):
                facts[device[:3]] = _losses(images, labels, [tf.Variable(value) for value in start])


def _losses(images: Any, labels: Any, variables: list[Any]) -> list[float]:
    import tensorflow as tf

    kernel, weights, bias = variables
    losses = []
    for _ in range(20):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(tf.nn.conv2d(images, kernel, strides=1, padding="VALID"))
            logits = tf.matmul(tf.reshape(hidden, (64, 144)), weights) + bias
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):
            variable.assign_sub(0.1 * gradient)
        losses.append(float(loss))
    return losses
