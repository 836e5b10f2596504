"""What is chosen: the newest proven combination on all platforms, for every provider and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.compat.load import load_facts
from builder.errors import RecipeError, UnsatisfiableError, UsageError
from builder.plan.make import candidates, make_plans, parity_names
from builder.plan.terms import Source
from builder.platforms import Subdir
from tests.unit.plan.support import METAL, built, channel_with, framework, recipe

if TYPE_CHECKING:
    from builder.compat.facts import Facts
    from builder.plan.model import Plan

MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


def lines(plan: Plan, manager: str) -> dict[str, str]:
    return {spec.name: spec.spec for spec in plan.specs if spec.manager == manager}


def test_conda_forge_takes_the_newest_tensorflow_that_exists_on_both_platforms(facts: Facts) -> None:
    plans = make_plans(recipe(framework=framework()), facts=facts)
    for plan in plans.values():
        conda = lines(plan, "conda")
        assert conda["python"] == "3.12.*"
        assert conda["tensorflow"] == "2.19.* cpu_py312*"
        assert conda["keras"] == ">=3.5,<3.16"
        assert not lines(plan, "pip")
        assert plan.provider == "conda-forge"
    assert lines(plans[MAC], "conda")["libblas"] == "* *_newaccelerate"
    assert "libblas" not in lines(plans[LINUX], "conda")


def test_every_chosen_spec_has_a_reason_and_facts_and_asked_ones_say_who_asked(facts: Facts) -> None:
    for plan in make_plans(recipe(framework=METAL), facts=facts).values():
        for spec in plan.specs:
            assert len(spec.reason) > 15, spec
            if "asked for by the recipe" not in spec.reason:
                assert spec.facts, spec
            for fact in spec.facts:
                assert fact.source
                assert fact.statement


def test_metal_takes_everything_that_links_numpy_from_pypi(facts: Facts) -> None:
    """conda's pandas or scikit-learn would bring conda's NumPy, a second BLAS and llvm-openmp into the process."""
    plans = make_plans(recipe(framework=METAL), facts=facts)
    mac, linux = plans[MAC], plans[LINUX]
    assert set(lines(mac, "conda")) == {"python", "ipykernel"}
    assert lines(mac, "pip").keys() == {
        "tensorflow", "keras", "numpy", "tensorflow-metal", "pandas", "scikit-learn", "matplotlib",
    }  # fmt: skip
    assert lines(mac, "pip")["tensorflow-metal"] == "==1.2.0"
    assert lines(mac, "pip")["tensorflow"] == lines(linux, "pip")["tensorflow-cpu"] == "==2.19.*"
    assert "tensorflow-metal" not in lines(linux, "pip")
    assert not mac.warnings


def test_metal_avoids_the_keras_that_computes_wrongly(facts: Facts) -> None:
    plan = make_plans(recipe(framework=METAL), facts=facts)[MAC]
    keras = plan.spec("pip", "keras")
    assert keras is not None
    assert keras.spec == ">=3.5,<3.7"
    assert "metal-fused-bias-keras-3.7" in {fact.id for fact in keras.facts}
    assert plan.mandatory_checks == ()


@pytest.mark.parametrize(
    ("changes", "check"), [({"keras": "3.8"}, "numerics.device"), ({"version": "2.15"}, "numerics.device")]
)
def test_a_pinned_unsafe_pair_is_allowed_loudly_with_a_mandatory_check(
    facts: Facts, changes: dict[str, str], check: str
) -> None:
    plans = make_plans(recipe(framework=METAL | changes, python="3.11"), facts=facts)
    assert plans[MAC].mandatory_checks == (check,)
    assert any(warning.startswith("UNSAFE") for warning in plans[MAC].warnings)
    assert not any(warning.startswith("UNSAFE") for warning in plans[LINUX].warnings)


def test_pinned_old_tensorflow_takes_the_plug_in_that_is_known_for_it(facts: Facts) -> None:
    plan = make_plans(recipe(framework=METAL | {"version": "2.15"}, python="3.11"), facts=facts)[MAC]
    assert lines(plan, "pip")["tensorflow-metal"] == "==1.1.0"
    assert not any(warning.startswith("unproven") for warning in plan.warnings)


def test_auto_is_metal_where_a_gpu_is_asked_for_and_conda_forge_otherwise(facts: Facts) -> None:
    with_gpu = make_plans(recipe(framework=framework("auto", gpu=True)), facts=facts)[MAC]
    without = make_plans(recipe(framework=framework("auto")), facts=facts)[MAC]
    assert (with_gpu.provider, without.provider) == ("metal", "conda-forge")


def test_auto_falls_back_and_says_which_fact_keeps_the_plug_in_out(facts: Facts) -> None:
    plans = make_plans(
        recipe(framework=framework("auto", gpu=True), python="3.13"), source=Source.PYPI, facts=facts, python="3.13"
    )
    assert "tensorflow-metal" not in lines(plans[MAC], "pip")
    assert any("not for 3.13" in warning for warning in plans[MAC].warnings)


def test_what_the_solver_refused_is_not_said_to_be_missing(facts: Facts) -> None:
    """conda-forge has TensorFlow; it comes from PyPI because all of its builds were tried in vain."""
    tried = candidates(recipe(framework=framework(provider="auto")), facts=facts)
    (plan, *_) = next(plans for plans in tried if all(plan.provider == "pypi" for plan in plans.values())).values()
    (note,) = [text for text in plan.warnings if "is taken from PyPI" in text]
    assert "because that of conda-forge cannot be solved together with" in note


def test_parity_picks_what_exists_on_every_platform(facts: Facts) -> None:
    """Left alone, each platform takes the newest TensorFlow that its own builds for the Python allow."""
    there = channel_with(
        {
            "tensorflow/osx-arm64": built("2.15.0", "3.11", build="cpu_py{py}h0_0"),
            "tensorflow/linux-64": [
                *built("2.15.0", "3.11", build="cpu_py{py}h0_0"),
                *built("2.19.1", "3.11", build="cpu_py{py}h0_0"),
            ],
        }
    )
    both = make_plans(recipe(framework=framework(), python="3.11"), facts=facts, catalogue=there)
    assert {lines(plan, "conda")["tensorflow"] for plan in both.values()} == {"2.15.* cpu_py311*"}
    alone = make_plans(recipe(framework=framework(), python="3.11", parity="none"), facts=facts, catalogue=there)
    assert lines(alone[MAC], "conda")["tensorflow"] == "2.15.* cpu_py311*"
    assert lines(alone[LINUX], "conda")["tensorflow"] == "2.19.* cpu_py311*"
    assert parity_names(both[MAC])
    assert parity_names(alone[MAC]) == ()


def test_parity_holds_the_frameworks_keras_and_numpy_under_all_their_names(facts: Facts) -> None:
    """Keras dropped from it, a Mac with Keras 3.6 and a server with 3.12 would pass unnoticed."""
    names = parity_names(make_plans(recipe(framework=framework()), facts=facts)[MAC])
    assert {
        "python", "numpy", "keras", "tensorflow", "tensorflow-cpu", "pytorch", "torch", "jax", "jaxlib", "mlx",
    } == set(names)  # fmt: skip


def test_a_plan_does_not_depend_on_which_platforms_are_asked_for(facts: Facts) -> None:
    everything = make_plans(recipe(framework=framework(), python="3.11"), facts=facts)
    only = make_plans(recipe(framework=framework(), python="3.11"), facts=facts, subdirs=[LINUX])
    assert only == {LINUX: everything[LINUX]}
    with pytest.raises(UsageError, match="not for linux-aarch64"):
        make_plans(recipe(framework=framework()), facts=facts, subdirs=[Subdir.LINUX_AARCH64])


@pytest.mark.parametrize(("minor", "tensorflow"), [("3.11", "==2.21.*"), ("3.12", "==2.21.*")])
def test_pypi_uses_the_machines_python_and_the_names_of_each_platform(
    facts: Facts, minor: str, tensorflow: str
) -> None:
    plans = make_plans(recipe(framework=framework()), source=Source.PYPI, facts=facts, python=minor)
    for plan, name in ((plans[MAC], "tensorflow"), (plans[LINUX], "tensorflow-cpu")):
        assert lines(plan, "conda") == {"python": f"{minor}.*", "pip": ""}
        pip = lines(plan, "pip")
        assert pip[name] == tensorflow
        assert {"keras", "numpy", "pandas", "scikit-learn", "matplotlib", "ipykernel"} <= pip.keys()


def test_linux_aarch64_has_no_tensorflow_cpu_and_takes_tensorflow(facts: Facts) -> None:
    plan = make_plans(
        recipe(framework=framework(), platforms=["linux-aarch64"]), source=Source.PYPI, facts=facts, python="3.11"
    )[Subdir.LINUX_AARCH64]
    assert "tensorflow" in lines(plan, "pip")


def test_the_stub_wheels_of_tensorflow_are_avoided(facts: Facts) -> None:
    """`tensorflow` 2.14 on a Mac is a stub; `tensorflow-macos` 2.15.1 is empty and requires itself."""
    old = make_plans(recipe(framework=framework(version="2.14"), python="3.11"), source=Source.PYPI, facts=facts)
    assert "tensorflow-macos" in lines(old[MAC], "pip")
    new = make_plans(recipe(framework=framework(version="2.15"), python="3.11"), source=Source.PYPI, facts=facts)
    assert "tensorflow" in lines(new[MAC], "pip")


def test_old_releases_get_the_bounds_their_metadata_lacks(facts: Facts) -> None:
    """A fresh install of TensorFlow 2.9.0 today takes protobuf 4 and NumPy 2, and cannot be imported."""
    plans = make_plans(
        recipe(framework=framework(version="==2.9.0"), python="3.9", dependencies=["numpy"]),
        source=Source.PYPI,
        facts=facts,
    )
    for plan in plans.values():
        assert lines(plan, "pip")["protobuf"] == ">=3.19,<3.21"
        assert lines(plan, "pip")["numpy"].endswith("<1.27")


def test_what_the_user_pins_is_kept_beside_what_is_chosen(facts: Facts) -> None:
    asked = recipe(framework=framework(), dependencies=["numpy <2", "keras 3.6.*", "pandas >=2.2"])
    conda = lines(make_plans(asked, facts=facts)[MAC], "conda")
    assert conda["numpy"] == ">=1.26,<1.27,<2"
    assert conda["keras"] == ">=3.6,<3.7,3.6.*"
    assert conda["pandas"] == ">=2.2"


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"version": "==2.18.0"}, "tensorflow-cpu", "==2.18.*,==2.18.0"),
        ({"version": "2.18"}, "tensorflow-cpu", "==2.18.*"),
        ({"version": ">=2.18,<2.20"}, "tensorflow-cpu", "==2.19.*"),
        ({"version": "!=2.19.1,<2.20"}, "tensorflow-cpu", "==2.19.*,!=2.19.1,<2.20"),
        ({"keras": "==3.6.0"}, "keras", ">=3.6,<3.7,==3.6.0"),
        ({"keras": "3.6"}, "keras", ">=3.6,<3.7"),
        # Between the releases that fit, and so inside the range that stands for them.
        ({"version": "2.19", "keras": ">=3.5,!=3.6.0"}, "keras", ">=3.5,<3.16,!=3.6.0"),
        ({"version": "2.19", "keras": ">=3.5,!=2.15.0"}, "keras", ">=3.5,<3.16"),
    ],
)
def test_a_pin_narrower_than_the_chosen_series_is_kept(
    facts: Facts, fields: dict[str, str], name: str, expected: str
) -> None:
    plan = make_plans(recipe(framework=framework(**fields)), source=Source.PYPI, facts=facts)[LINUX]
    assert lines(plan, "pip")[name] == expected


def test_a_pin_on_a_patch_that_facts_do_not_list_is_kept_and_not_refused(facts: Facts) -> None:
    """Of NumPy facts know the newest patch of each minor; 1.26.3 is none of them."""
    asked = recipe(framework=framework(), dependencies=["numpy ==1.26.3", "protobuf ==5.29.1"])
    conda = lines(make_plans(asked, facts=facts)[MAC], "conda")
    assert conda["numpy"] == ">=1.26,<1.27,==1.26.3"
    assert conda["protobuf"] == "==5.29.1"


def test_a_python_among_the_dependencies_decides_the_python(facts: Facts) -> None:
    asked = recipe(framework=framework(), dependencies=["python 3.11.*"])
    conda = lines(make_plans(asked, facts=facts)[MAC], "conda")
    assert conda["python"] == "3.11.*"
    assert conda["tensorflow"] == "2.19.* cpu_py311*"


def test_alternatives_of_a_pin_are_each_joined_with_what_is_chosen(facts: Facts) -> None:
    """In a conda spec `,` binds tighter than `|`."""
    asked = recipe(framework=framework(), dependencies=["numpy 1.26.*|2.0.*"])
    assert lines(make_plans(asked, facts=facts)[MAC], "conda")["numpy"] == ">=1.26,<2.1,1.26.*|>=1.26,<2.1,2.0.*"


def test_a_restriction_that_cannot_be_said_for_pypi_is_refused_and_not_dropped(facts: Facts) -> None:
    asked = recipe(framework=framework(), dependencies=["pandas 2.1.*|2.3.*"])
    with pytest.raises(RecipeError, match="cannot be expressed as a PyPI requirement") as caught:
        make_plans(asked, source=Source.PYPI, facts=facts)
    assert "pypi:" in (caught.value.hint or "")


def test_tf_keras_gets_tensorflows_own_minor(facts: Facts) -> None:
    plans = make_plans(recipe(framework=framework(), dependencies=["tf-keras"]), source=Source.PYPI, facts=facts)
    pip = lines(plans[LINUX], "pip")
    assert pip["tf-keras"] == pip["tensorflow"]


@pytest.mark.parametrize("asked", ["tf-keras", "tensorflow-hub"])
def test_what_requires_the_project_tensorflow_gets_no_tensorflow_cpu_beside_it(facts: Facts, asked: str) -> None:
    """tensorflow and tensorflow-cpu are the same files: installed both, they overwrite each other."""
    plans = make_plans(recipe(framework=framework("metal", gpu=True), pypi=[asked]), facts=facts)
    assert "tensorflow-cpu" not in lines(plans[LINUX], "pip")
    assert lines(plans[LINUX], "pip")["tensorflow"] == lines(plans[MAC], "pip")["tensorflow"]


def test_tf_keras_beside_the_plugin_is_loudly_unsafe_with_a_mandatory_check(facts: Facts) -> None:
    """tf-keras is Keras 2, whose Dense layers the plug-in computes wrongly."""
    plans = make_plans(recipe(framework=METAL, pypi=["tf-keras"]), facts=facts)
    assert plans[MAC].mandatory_checks == ("numerics.device",)
    assert any(warning.startswith("UNSAFE") and "tf-keras" in warning for warning in plans[MAC].warnings)
    assert not plans[LINUX].warnings
    assert not plans[LINUX].mandatory_checks


def test_numpy_also_fits_what_the_frameworks_partners_declare(facts: Facts) -> None:
    """conda-forge's jaxlib takes NumPy 1, the jax of its version does not: chosen together they cannot be solved."""
    plans = make_plans(
        recipe(framework={"name": "jax", "provider": "conda-forge"}, dependencies=["numpy <2"]), facts=facts
    )
    jax = lines(plans[MAC], "conda")["jax"]
    release = next(r for r in facts.releases_of("jax", "pypi") if r.version == jax.split(",")[0].removeprefix(">="))
    assert not any(text.startswith("numpy>=2.0") and ";" not in text for text in release.builds["any"].requires)


@pytest.mark.parametrize(
    ("macos", "blas", "expected"),
    [
        ("14.0", "auto", "* *_newaccelerate"),
        ("13.3", "auto", "* *_newaccelerate"),
        ("13.2", "auto", "* *_accelerate"),
        ("12.0", "auto", "* *_accelerate"),
        ("14.0", "accelerate", "* *_accelerate"),
        ("14.0", "openblas", "* *_openblas"),
    ],
)
def test_blas_follows_the_macos_floor(facts: Facts, macos: str, blas: str, expected: str) -> None:
    """The glob `*accelerate` would match newaccelerate too, hence the underscore."""
    plan = make_plans(recipe(framework=framework(), macos=macos, blas=blas), facts=facts)[MAC]
    assert lines(plan, "conda")["libblas"] == expected


@pytest.mark.parametrize(
    ("changes", "fact", "hint"),
    [
        ({"macos": "13.0", "blas": "newaccelerate"}, "macOS 13.3", '"13.3"'),
        ({"macos": "13.0", "blas": "accelerate", "framework": METAL}, "macosx_14_0", '"14.0"'),
    ],
)
def test_a_blas_the_floor_cannot_have_is_refused_with_the_fact(
    facts: Facts, changes: dict[str, object], fact: str, hint: str
) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(**({"framework": framework()} | changes)), facts=facts)
    assert fact in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_blas_that_only_older_combinations_have_leads_to_them_and_says_so(facts: Facts) -> None:
    """NumPy 2's wheels for macOS 14 use Accelerate; NumPy 1's bring OpenBLAS."""
    plan = make_plans(recipe(framework=METAL, blas="openblas"), facts=facts)[MAC]
    assert lines(plan, "pip")["numpy"].endswith("<1.27")
    assert any("blas: openblas is not possible with NumPy from PyPI" in warning for warning in plan.warnings)


def test_virtual_packages_are_the_targets_and_name_no_cuda(facts: Facts) -> None:
    plans = make_plans(recipe(framework=framework()), facts=facts)
    assert plans[MAC].virtual_packages == {"__unix": "0", "__osx": "14.0", "__archspec": "1 arm64"}
    assert plans[LINUX].virtual_packages == {
        "__unix": "0", "__linux": "5.10", "__glibc": "2.28", "__archspec": "1 x86_64",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("pytorch", Source.CONDA_FORGE, "pytorch"),
        ("pytorch", Source.PYPI, "torch"),
        ("jax", Source.CONDA_FORGE, "jaxlib"),
        ("jax", Source.PYPI, "jax"),
    ],
)
def test_other_frameworks_have_the_same_release_everywhere(
    facts: Facts, name: str, source: Source, expected: str
) -> None:
    plans = make_plans(recipe(framework={"name": name}), source=source, facts=facts)
    found = {spec.spec for plan in plans.values() for spec in plan.specs if spec.name == expected}
    assert len(found) == 1


def test_jax_metal_takes_the_jaxlib_it_was_made_for(facts: Facts) -> None:
    plan = make_plans(recipe(framework={"name": "jax", "provider": "metal"}), facts=facts)[MAC]
    assert lines(plan, "pip")["jaxlib"] == "==0.4.34"
    assert lines(plan, "pip")["jax-metal"] == "==0.1.1"


def test_keras_is_planned_beside_pytorch_when_the_recipe_asks_for_it(facts: Facts) -> None:
    plan = make_plans(recipe(framework={"name": "pytorch", "keras": ">=3.10"}), facts=facts)[MAC]
    assert lines(plan, "conda")["keras"].startswith(">=3.10,<3.")
    assert any("KERAS_BACKEND=torch" in warning for warning in plan.warnings)


def test_mlx_is_planned_for_the_mac_alone(facts: Facts) -> None:
    plan = make_plans(recipe(framework={"name": "mlx"}, platforms=["osx-arm64"]), facts=facts)[MAC]
    assert "mlx" in lines(plan, "conda")


def test_a_recipe_without_a_framework_gets_python_and_blas(facts: Facts) -> None:
    plans = make_plans(recipe(), facts=facts)
    assert lines(plans[MAC], "conda")["python"] == "3.12.*"
    assert lines(plans[MAC], "conda")["libblas"] == "* *_newaccelerate"
    assert lines(plans[MAC], "conda")["numpy"] == ""


def test_unknown_packages_are_passed_on_untouched(facts: Facts) -> None:
    plan = make_plans(recipe(framework=framework(), dependencies=["my-own-thing >=1.2,!=1.3 *_7"]), facts=facts)[MAC]
    assert lines(plan, "conda")["my-own-thing"] == ">=1.2,!=1.3 *_7"


def test_an_unknown_conda_package_beside_metal_is_warned_about(facts: Facts) -> None:
    plan = make_plans(recipe(framework=METAL, dependencies=["my-own-thing"]), facts=facts)[MAC]
    assert any("my-own-thing" in warning for warning in plan.warnings)


def test_groups_keep_their_dependencies(facts: Facts) -> None:
    plan = make_plans(
        recipe(framework=framework(), groups={"dev": {"dependencies": ["pytest"], "pypi": ["nbmake[x]>=1.5"]}}),
        facts=facts,
    )[LINUX]
    assert {(s.name, s.manager, s.group, s.spec, s.extras) for s in plan.specs if s.group == "dev"} == {
        ("pytest", "conda", "dev", "", ()),
        ("nbmake", "pip", "dev", ">=1.5", ("x",)),
    }


def test_allowing_what_is_unproven_does_not_widen_what_is_proven(facts: Facts) -> None:
    """The release is one that facts are about, and so is NumPy: `unproven: allow` has nothing to add."""
    avoiding, allowing = (
        make_plans(recipe(python="3.12", framework=framework(version="2.19", unproven=word)), facts=facts)
        for word in ("avoid", "allow")
    )
    for subdir, plan in allowing.items():
        assert plan.spec("conda", "numpy") == avoiding[subdir].spec("conda", "numpy")
        assert not [text for text in plan.warnings if text.startswith("unproven")]
