"""The command line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.cli import main

NET = """\
import numpy as np
import chainrule as cr

model = cr.Sequential([cr.Input((3,)), cr.Dense(4, activation="tanh"), cr.Dense(2)])
model.compile(loss="mse", optimizer=cr.SGD(0.1), target="numpy")
"""
DATA = """\
x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
y = x[:, :2] ** 2
"""
FUNCTION = """\
import chainrule as cr

x = cr.tensor("x", (None, 3))
function = cr.function([x], [cr.mean(cr.exp(x))], target="numpy")
"""
Write = Callable[[str], Path]


@pytest.fixture
def net(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "net.py"
        path.write_text(text)
        return path

    return write


def test_train(net: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = net(NET + DATA + "x_test, y_test = x[:5], y[:5]\n")
    assert main(["train", str(path), "--epochs", "3", "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert "epoch 3/3" in out
    assert out.splitlines()[-1].startswith("loss: 0.")
    assert "test_loss: " in out.splitlines()[-1]


def test_the_same_seed_gives_the_same_numbers(
    net: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = net(NET + DATA)
    lines = []
    for seed in ("1", "1", "2"):
        assert main(["train", str(path), "--epochs", "2", "--quiet", "--seed", seed]) == 0
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1] != lines[2]
    assert lines[0].count("\n") == 1


def test_train_on_what_data_returns_and_save(
    net: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import chainrule as cr

    body = "".join(f"    {line}\n" for line in DATA.splitlines())
    path = net(f"{NET}\ndef data():\n{body}    return x, y\n")
    saved = tmp_path / "model.safetensors"
    words = ["--epochs", "1", "--validation-split", "0.25", "--save", str(saved)]
    assert main(["train", str(path), *words]) == 0
    assert "val_loss: " in capsys.readouterr().out
    assert cr.load_model(saved).count_params() == 26


def test_train_on_another_target(net: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = net(NET.replace('"numpy"', '"cpu"') + DATA)
    words = ["--epochs", "1", "--quiet", "--target", "numpy"]
    assert main(["train", str(path), *words]) == 0
    assert capsys.readouterr().out.startswith("loss: ")


def test_what_stands_below_main_is_left_out(net: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = net(NET + 'if __name__ == "__main__":\n    raise SystemExit("no")\n')
    assert main(["show", str(path)]) == 0
    assert "no" not in capsys.readouterr().out.split()


def test_modules_beside_the_program_are_found(
    net: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "beside_the_net.py").write_text("rate = 0.5\n")
    path = net("import beside_the_net\n" + NET.replace("0.1", "beside_the_net.rate"))
    before = list(sys.path)
    assert main(["show", str(path)]) == 0
    assert sys.path == before
    assert "dL/dW1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "dL/dW1 = xᵀ dL/dz1"),
        (["--latex"], r"\begin{aligned}"),
        (["--what", "graph"], "%h1 = tanh(%z1) : f32[batch, 4]"),
        (["--what", "source"], "def gradient(x, t, W1, b1, W2, b2):"),
        (["--what", "source", "--target", "cpu"], "def step("),
        (["--what", "explain", "--name", "dL_db1"], "How dL/db1 came about"),
        (["--what", "explain"], "How dL/dW2 came about"),
    ],
)
def test_show(words: list[str], line: str, net: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(net(NET)), *words]) == 0
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("what", ["formulas", "graph", "source"])
def test_show_a_function(what: str, net: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(net(FUNCTION)), "--what", what]) == 0
    assert "mean(" in capsys.readouterr().out


def emitted(path: Path, tmp_path: Path) -> dict[str, Any]:
    out = tmp_path / "out.py"
    assert main(["emit", str(path), "-o", str(out)]) == 0
    module: dict[str, Any] = {}
    exec(compile(out.read_text(), str(out), "exec"), module)
    return module


def test_emit_trains_and_predicts_as_the_model_does(net: Write, tmp_path: Path) -> None:
    from chainrule.cli import load

    path = net(NET + DATA)
    module = emitted(path, tmp_path)
    found = load(path)
    model, x, y = (found[name] for name in ("model", "x", "y"))
    model.fit(x, y, epochs=1, batch_size=20, shuffle=False, verbose=0, seed=0)
    before = model.get_weights()
    model.fit(x, y, epochs=1, batch_size=20, shuffle=False, verbose=0)
    loss, *gradients = module["gradient"](x, y, *before)
    after = module["update"](*before, *gradients, 0.1)
    for ours, its in zip(after, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, its)
    np.testing.assert_array_equal(module["predict"](x, *after), model.predict(x))
    assert loss == pytest.approx(model.history.history["loss"][0])


def test_the_emitted_module_needs_no_chainrule(net: Write, tmp_path: Path) -> None:
    emitted(net(NET), tmp_path)
    code = "import sys, out; print('chainrule' in sys.modules, callable(out.update))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False True\n"


@pytest.mark.parametrize(
    "text", [NET.replace("model", "net"), FUNCTION.replace("function =", "f =")]
)
def test_the_only_thing_of_its_kind_may_have_another_name(
    text: str, net: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(net(text)), "--what", "source"]) == 0
    source = capsys.readouterr().out
    assert "import numpy as np" in source
    assert not source.endswith("\n\n")


def test_emit_a_function_and_print_it(net: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", str(net(FUNCTION)), "-o", "-"]) == 0
    out = capsys.readouterr().out
    assert "import numpy as np" in out
    assert "np.mean(np.exp(x))" in out


@pytest.mark.parametrize(
    ("text", "words", "first", "hint"),
    [
        ("x = 1\n", [], "net.py:1: net.py defines neither a model nor a f", "chainrule --help"),
        ("model = 3\n", [], "net.py:1: net.py defines neither", "`function`; it is a int"),
        (NET.replace("model", "a") + NET.replace("model", "b"), [], "net.py:1: ", "are a, b\n"),
        ("\n\nfoo\n", [], "net.py:3: NameError: name 'foo' is not defined", "net.py shows the"),
        ("x = (\n", [], "net.py:1: SyntaxError: '(' was never closed", ""),
        (NET.replace('"mse"', '"mso"'), [], "net.py:5: ", "did you mean 'mse'?"),
        (NET, ["--what", "explain", "--name", "dL_dW9"], "", "did you mean 'dL_dW"),
        (NET, ["--what", "source", "--target", "nunpy"], "", "did you mean 'numpy'?"),
        (NET.partition("model.compile")[0], [], "", "model.compile("),
    ],
)
def test_errors_of_show(
    text: str, words: list[str], first: str, hint: str, net: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(["show", str(net(text)), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(first)
    assert hint in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["train", "NET"], "net.py:1: net.py defines no data"),
        (["train", "missing.py"], "missing.py:1: no program missing.py"),
        (["emit", "NET", "-o", "/nowhere/out.py"], "out.py:1: /nowhere/out.py cannot be written"),
    ],
)
def test_errors_of_other_commands(
    words: list[str], first: str, net: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(net(NET))
    assert main([path if word == "NET" else word for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(first)
    assert len(error.splitlines()) == 3


def test_data_that_is_no_pair(net: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(net(NET + "def data():\n    return 1\n"))]) == 2
    assert "data() does not return samples and targets" in capsys.readouterr().err


def test_a_process_names_the_program_and_not_itself(net: Write, tmp_path: Path) -> None:
    path = net(NET + DATA.replace("** 2", "* np.nan"))
    command = [sys.executable, "-c", "import sys, chainrule.cli as c; sys.exit(c.main())"]
    done = subprocess.run(
        [*command, "train", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "NaN" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_words_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["trian", "net.py"])
    assert caught.value.code == 2
    assert "invalid choice: 'trian'" in capsys.readouterr().err


def test_help_says_what_a_program_defines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "--help"])
    assert caught.value.code == 0
    assert "x_test, y_test" in capsys.readouterr().out


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["numpy"] == np.__version__
    assert lines["targets"] == "cpu, numpy"
    assert "programs" in lines["cache"]
    assert set(lines) >= {"python", "chainrule", "sympy", "llvmlite", "threads", "gpu"}
