"""Keras as people use it: which backend, a model built, trained, saved, loaded, and the same predictions."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`level`: quick, default or full. `scratch`: a folder for saved models."""
    _versions(probe)
    with probe.step("import.alone", "keras") as facts:
        import keras

        facts["file"] = keras.__file__
        facts["version"] = keras.__version__
    if "keras" not in sys.modules:
        return
    _identity(probe)
    _devices(probe)
    data = _data()
    models = _build(probe, deep=arguments["level"] != "quick")
    if not models:
        return
    with probe.step("keras.summary") as facts:
        lines: list[str] = []
        models["sequential"].summary(print_fn=lambda line, **_: lines.append(line))
        facts["lines"] = sum(line.count("\n") + 1 for line in lines)
        facts["parameters"] = models["sequential"].count_params()
    for kind, model in models.items():
        _fit(probe, kind, model, data)
    for kind, suffix in _formats(arguments["level"]):
        if kind in models:
            _round_trip(probe, kind, models[kind], data, os.path.join(arguments["scratch"], f"{kind}{suffix}"))
    if arguments["level"] != "quick":
        _saved_model(probe, models["sequential"], data, os.path.join(arguments["scratch"], "exported"))
        _mixed_precision(probe, data)


def _formats(level: str) -> list[tuple[str, str]]:
    formats = [("sequential", ".keras")]
    if level != "quick":
        formats += [("functional", ".keras"), ("custom", ".keras"), ("sequential", ".h5")]
    return formats


def _identity(probe: Recorder) -> None:
    import keras

    with probe.step("keras.backend") as facts:
        facts["backend"] = keras.backend.backend()
        facts["floatx"] = keras.backend.floatx()
        facts["image_data_format"] = keras.backend.image_data_format()
        facts["device_of_result"] = _where_it_runs()
        if "tensorflow" in sys.modules:
            tensorflow = sys.modules["tensorflow"]
            facts["tf_keras"] = tensorflow.keras.__version__
            facts["tf_keras_is_keras"] = tensorflow.keras.Model is keras.Model


def _versions(probe: Recorder) -> None:
    """What the metadata says; known also where the import fails."""
    with probe.step("keras.versions") as facts:
        facts["keras"] = _version("keras")
        for name in ("tensorflow", "tensorflow-cpu", "tensorflow-macos"):
            if _version(name):
                facts["tensorflow"] = _version(name)
                facts["distribution"] = name
                facts["requires"] = [line for line in metadata.requires(name) or () if line.startswith("keras")]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _where_it_runs() -> str:
    """The type of what Keras computes with: `EagerTensor` on TensorFlow, `ArrayImpl` on JAX, `Tensor` on PyTorch."""
    from keras import ops

    result = ops.add(ops.ones((1,)), 1.0)
    return f"{type(result).__module__}.{type(result).__name__}"


def _devices(probe: Recorder) -> None:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return
    with probe.step("tensorflow.devices") as facts:
        facts["devices"] = [device.name for device in tensorflow.config.list_physical_devices()]
        facts["kinds"] = [device.device_type for device in tensorflow.config.list_physical_devices()]
        facts["build"] = {key: str(value) for key, value in tensorflow.sysconfig.get_build_info().items()}
        facts["compile_flags"] = tensorflow.sysconfig.get_compile_flags()


def _data() -> tuple[Any, Any]:
    """256 rows of 8 standard normal columns, and a noiseless linear function of them (float32)."""
    import numpy as np

    rows = np.random.default_rng(20).standard_normal((256, 8)).astype("float32")
    weights = np.linspace(-1, 1, 8, dtype="float32")[:, None]
    return rows, rows @ weights


def _build(probe: Recorder, *, deep: bool) -> dict[str, Any]:
    import keras

    keras.utils.set_random_seed(20)
    models: dict[str, Any] = {}
    with probe.step("keras.build", "sequential") as facts:
        models["sequential"] = keras.Sequential(
            [keras.layers.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)]
        )
        facts["parameters"] = models["sequential"].count_params()
    if not deep:
        return models
    with probe.step("keras.build", "functional") as facts:
        inputs = keras.layers.Input((8,))
        hidden = keras.layers.Dense(16)(inputs)
        hidden = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(hidden))
        joined = keras.layers.Concatenate()([hidden, inputs])
        models["functional"] = keras.Model(inputs, keras.layers.Dense(1)(joined))
        facts["parameters"] = models["functional"].count_params()
    with probe.step("keras.build", "custom") as facts:
        inputs = keras.layers.Input((8,))
        models["custom"] = keras.Model(inputs, _scaled_layer()(8)(keras.layers.Dense(8)(inputs)))
        facts["parameters"] = models["custom"].count_params()
    return models


def _scaled_layer() -> Any:
    """A custom layer with its own weight, registered so that it can be loaded again."""
    import keras

    register = getattr(keras, "saving", keras.utils).register_keras_serializable

    @register(package="envbuild", name="Scaled")
    class Scaled(keras.layers.Layer):  # type: ignore[misc]  # keras is untyped here
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(**options)
            self.units = units

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=(self.units, 1), initializer="glorot_uniform")
            super().build(input_shape)

        def call(self, inputs: Any) -> Any:
            import keras

            if hasattr(keras, "ops"):
                return keras.ops.matmul(inputs, self.scale)
            import tensorflow

            return tensorflow.matmul(inputs, self.scale)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    return Scaled


def _fit(probe: Recorder, kind: str, model: Any, data: tuple[Any, Any]) -> None:
    import keras
    import numpy as np

    with probe.step("keras.fit", kind) as facts:
        rows, answers = data
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
        before = float(model.evaluate(rows, answers, verbose=0))
        history = model.fit(rows, answers, epochs=6, batch_size=32, verbose=0)
        after = float(model.evaluate(rows, answers, verbose=0))
        predicted = model.predict(rows, verbose=0)
        facts["losses"] = [float(loss) for loss in history.history["loss"]]
        facts["before"], facts["after"] = before, after
        facts["by_hand"] = float(np.mean((predicted - answers) ** 2))


def _round_trip(probe: Recorder, kind: str, model: Any, data: tuple[Any, Any], path: str) -> None:
    import keras
    import numpy as np

    suffix = os.path.splitext(path)[1]
    with probe.step("keras.save", f"{kind}{suffix}") as facts:
        model.save(path)
        facts["bytes"] = os.path.getsize(path)
        # Losses by name cannot be found again in .h5 files of some Keras 3 versions; predictions need none.
        loaded = keras.models.load_model(path, compile=False)
        facts["difference"] = float(
            np.abs(model.predict(data[0], verbose=0) - loaded.predict(data[0], verbose=0)).max()
        )


def _saved_model(probe: Recorder, model: Any, data: tuple[Any, Any], path: str) -> None:
    import keras
    import numpy as np

    if keras.backend.backend() != "tensorflow" or not hasattr(model, "export"):
        return
    with probe.step("keras.save", "SavedModel") as facts:
        import tensorflow

        model.export(path, verbose=False) if keras.__version__ >= "3" else model.export(path)
        loaded = tensorflow.saved_model.load(path)  # its variables live only as long as this object
        served = loaded.serve(tensorflow.constant(data[0]))
        facts["difference"] = float(np.abs(np.asarray(served) - model.predict(data[0], verbose=0)).max())


def _mixed_precision(probe: Recorder, data: tuple[Any, Any]) -> None:
    import keras
    import numpy as np

    with probe.step("keras.mixed-precision") as facts:
        policy = "mixed_float16"
        previous = keras.mixed_precision.global_policy() if hasattr(keras.mixed_precision, "global_policy") else None
        keras.mixed_precision.set_global_policy(policy)
        try:
            model = keras.Sequential(
                [keras.layers.Input((8,)), keras.layers.Dense(16), keras.layers.Dense(1, dtype="float32")]
            )
            model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
            history = model.fit(data[0], data[1], epochs=4, batch_size=32, verbose=0)
            facts["losses"] = [float(loss) for loss in history.history["loss"]]
            facts["compute_dtype"] = str(model.layers[-2].compute_dtype)
            facts["finite"] = bool(np.isfinite(model.predict(data[0], verbose=0)).all())
        finally:
            keras.mixed_precision.set_global_policy(getattr(previous, "name", None) or previous or "float32")
