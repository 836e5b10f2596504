"""The functional suite for one pair of TensorFlow and Keras; run by that environment's own Python.

It imports nothing of envbuild and prints one JSON object per line: first the versions, then one line per
step *before* the step runs (`{"start": name}`) and one after (`{"step": name, "error": null | text}`), so
that a step that kills the process is known by name.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# The measured numbers must not depend on the machine's number of cores.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def describe(error: Exception) -> str:
    """The error on one line, without this machine's paths."""
    text = f"{type(error).__name__}: {error}".replace(sys.prefix, "<environment>")
    line = " ".join(text.split())
    # What Keras says "in user code" begins with the traceback and ends with the cause.
    return line if len(line) <= 600 else f"{line[:200]} … {line[-400:]}"


class Suite:
    """Each `step_*` method raises when what it names does not hold. Steps share one small trained model."""

    def __init__(self, workdir: Path) -> None:
        import numpy as np
        import tensorflow as tf

        self.np: Any = np
        self.tf: Any = tf
        self.keras: Any = tf.keras
        self.workdir = workdir
        generator = np.random.default_rng(7)
        self.x = generator.normal(size=(256, 8)).astype("float32")
        self.y = (self.x @ generator.normal(size=(8, 1))).astype("float32")

    def model(self, loss: Any = "mse") -> Any:
        self.keras.utils.set_random_seed(7)
        layers = self.keras.layers
        model = self.keras.Sequential(
            [self.keras.Input(shape=(8,)), layers.Dense(16, activation="relu"), layers.Dense(1)]
        )
        model.compile(optimizer=self.keras.optimizers.Adam(0.01), loss=loss)
        return model

    def losses(self, model: Any, *data: Any, epochs: int = 4) -> list[float]:
        history = model.fit(*data, epochs=epochs, verbose=0)
        return [float(value) for value in history.history["loss"]]

    def require_falling(self, losses: list[float]) -> None:
        if not all(self.np.isfinite(losses)) or losses[-1] >= losses[0]:
            raise AssertionError(f"the loss does not fall: {losses}")

    def require_equal(self, left: Any, right: Any, what: str, tolerance: float = 1e-5) -> None:
        difference = float(self.np.max(self.np.abs(self.np.asarray(left) - self.np.asarray(right))))
        if not difference <= tolerance:
            raise AssertionError(f"{what} differ by {difference}")

    def step_keras_is_one(self) -> None:
        """`import keras` and `tf.keras` must be the same Keras (with TF_USE_LEGACY_KERAS=1: tf_keras and tf.keras)."""
        import importlib

        keras = importlib.import_module("tf_keras" if os.environ.get("TF_USE_LEGACY_KERAS") == "1" else "keras")

        if keras.layers.Dense is not self.keras.layers.Dense:
            raise AssertionError(
                f"layers.Dense of {keras.__name__} {keras.__version__} is another class than tf.keras has"
            )

    def step_build(self) -> None:
        model = self.model()
        lines: list[str] = []
        model.summary(print_fn=lambda line, **_: lines.append(str(line)))
        if model.count_params() != 8 * 16 + 16 + 16 + 1:
            raise AssertionError(f"{model.count_params()} parameters")

    def step_fit(self) -> None:
        self.require_falling(self.losses(self.model(), self.x, self.y))

    def _roundtrip(self, suffix: str, loss: Any) -> Any:
        model = self.model(loss)
        self.losses(model, self.x, self.y, epochs=1)
        file = str(self.workdir / f"model{suffix}")
        model.save(file)
        loaded = self.keras.models.load_model(file)
        self.require_equal(model.predict(self.x, verbose=0), loaded.predict(self.x, verbose=0), "predictions")
        return loaded

    def step_save_keras(self) -> None:
        self.losses(self._roundtrip(".keras", "mse"), self.x, self.y, epochs=1)

    def step_save_h5(self) -> None:
        self._roundtrip(".h5", self.keras.losses.MeanSquaredError())

    def step_save_h5_named_loss(self) -> None:
        """As most scripts write it: a loss given by its short name must survive `.h5` too."""
        self._roundtrip(".h5", "mse")

    def step_resume_from_h5(self) -> None:
        self.losses(self._roundtrip(".h5", self.keras.losses.MeanSquaredError()), self.x, self.y, epochs=1)

    def step_save_weights(self) -> None:
        model, other = self.model(), self.model()
        self.losses(model, self.x, self.y, epochs=1)
        file = str(self.workdir / "model.weights.h5")
        model.save_weights(file)
        other.load_weights(file)
        self.require_equal(model.predict(self.x, verbose=0), other.predict(self.x, verbose=0), "predictions")

    def step_tf_data(self) -> None:
        dataset = self.tf.data.Dataset.from_tensor_slices((self.x, self.y)).shuffle(64, seed=1).batch(32).prefetch(1)
        self.require_falling(self.losses(self.model(), dataset))

    def step_mixed_precision(self) -> None:
        mixed = self.keras.mixed_precision
        mixed.set_global_policy("mixed_float16")
        try:
            model = self.model()
            losses = self.losses(model, self.x, self.y)
            if model.layers[0].compute_dtype != "float16" or model.layers[0].variable_dtype != "float32":
                raise AssertionError(f"{model.layers[0].compute_dtype}, {model.layers[0].variable_dtype}")
        finally:
            mixed.set_global_policy("float32")
        self.require_falling(losses)

    def step_custom_layer(self) -> None:
        keras, tf = self.keras, self.tf

        @keras.utils.register_keras_serializable(package="envbuild")
        class Scale(keras.layers.Layer):  # type: ignore[misc,name-defined]
            def build(self, _shape: Any) -> None:
                self.factor = self.add_weight(shape=(1,), initializer="ones", trainable=True, name="factor")

            def call(self, inputs: Any) -> Any:
                return tf.nn.softplus(inputs) * self.factor

        keras.utils.set_random_seed(7)
        model = keras.Sequential([keras.Input(shape=(8,)), keras.layers.Dense(4), Scale(), keras.layers.Dense(1)])
        model.compile(optimizer="adam", loss="mse")
        self.require_falling(self.losses(model, self.x, self.y))
        file = str(self.workdir / "custom.keras")
        model.save(file)
        loaded = keras.models.load_model(file)
        self.require_equal(model.predict(self.x, verbose=0), loaded.predict(self.x, verbose=0), "predictions")

    def step_tf_function(self) -> None:
        model = self.model()
        graph = self.tf.function(lambda batch: model(batch, training=False))
        self.require_equal(graph(self.x), model(self.x, training=False), "graph and eager results", 1e-4)
        with self.tf.GradientTape() as tape:
            loss = self.tf.reduce_mean(self.tf.square(model(self.x, training=True) - self.y))
        if any(gradient is None for gradient in tape.gradient(loss, model.trainable_variables)):
            raise AssertionError("a variable has no gradient")

    def step_subclass(self) -> None:
        keras = self.keras

        class Net(keras.Model):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.hidden = keras.layers.Dense(16, activation="relu")
                self.out = keras.layers.Dense(1)

            def call(self, inputs: Any) -> Any:
                return self.out(self.hidden(inputs))

        model = Net()
        model.compile(optimizer="sgd", loss="mse")
        self.require_falling(self.losses(model, self.x, self.y))

    def step_convolution(self) -> None:
        layers = self.keras.layers
        images = self.np.random.default_rng(3).normal(size=(64, 12, 12, 1)).astype("float32")
        labels = (images.mean(axis=(1, 2, 3)) > 0).astype("int32")
        self.keras.utils.set_random_seed(7)
        model = self.keras.Sequential(
            [
                self.keras.Input(shape=(12, 12, 1)),
                layers.Conv2D(4, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.1),
                layers.Dense(2, activation="softmax"),
            ]
        )
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        self.require_falling(self.losses(model, images, labels, epochs=6))

    def step_recurrent(self) -> None:
        layers = self.keras.layers
        tokens = self.np.random.default_rng(5).integers(0, 20, size=(64, 10))
        self.keras.utils.set_random_seed(7)
        model = self.keras.Sequential(
            [self.keras.Input(shape=(10,)), layers.Embedding(20, 8), layers.LSTM(8), layers.Dense(1)]
        )
        model.compile(optimizer="rmsprop", loss="mse")
        self.require_falling(self.losses(model, tokens, tokens[:, :1].astype("float32") / 20, epochs=5))


#: Defects of Keras 3 itself, the same beside every TensorFlow: recorded, but no verdict about a pair rests on them.
NOTED = ("save_h5_named_loss", "resume_from_h5")
STEPS = tuple(name.removeprefix("step_") for name in vars(Suite) if name.startswith("step_"))


def main() -> int:
    say(start="import")
    try:
        import keras
        import tensorflow as tf

        suite_class = Suite
        with tempfile.TemporaryDirectory() as workdir:
            suite = suite_class(Path(workdir))
            say(step="import", error=None, tensorflow=tf.__version__, keras=keras.__version__)
            for name in sys.argv[1:] or STEPS:
                say(start=name)
                try:
                    getattr(suite, f"step_{name}")()
                except Exception as error:  # noqa: BLE001 - any failure of the pair is the result
                    say(step=name, error=describe(error))
                else:
                    say(step=name, error=None)
    except Exception as error:  # noqa: BLE001
        say(step="import", error=describe(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
