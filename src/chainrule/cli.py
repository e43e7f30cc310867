"""The command line: `chainrule train`, `show`, `emit` and `doctor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chainrule.compiler.errors import ChainruleError, FileError, UsageError
from chainrule.compiler.types import Where

if TYPE_CHECKING:
    from chainrule.compiler.ir import Graph

    from ._function import Function
    from .model import Model

T = TypeVar("T")

PROTOCOL = """\
FILE is your own Python program. It is run as a module, so that what stands below
`if __name__ == "__main__":` is left out, and the commands use what it defines:

  model           a compiled model: cr.Sequential or cr.Model after model.compile(...)
  function        for show and emit, in place of a model: what cr.function returns;
                  another name will do for the only model, or for the only function
  x, y            for train: samples and targets; or
  data()          for train: a function that returns (x, y)
  x_test, y_test  for train, if there are any: what to evaluate on afterwards
"""
STATUS = 2  # of a program that stops because of an error of the user's


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after `chainrule`; those of the process by default.

    Returns:
        The exit status: 0, 2 after an error, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ChainruleError as error:
        print(_told(error, options.file), file=sys.stderr)
        return STATUS
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough: `chainrule show net.py | head`
    return 0


def _told(error: ChainruleError, file: Path | None) -> str:
    """The message; where no line of the user's was at work, it names his program alone."""
    script = Path(sys.argv[0]).name
    if error.where is None or file is None or error.where.file != script:
        return str(error)
    return str(error).replace(f"{error.where}: ", f"{file.name}: ", 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chainrule",
        description="Train models, read their gradients, take them elsewhere.",
        epilog=PROTOCOL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], None], does: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=None if name == "doctor" else PROTOCOL,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=run)
        if name != "doctor":
            added.add_argument("file", metavar="FILE", type=Path, help="your program, see below")
        return added

    train = command("train", _train, "train the model of a program on its data")
    train.add_argument("--epochs", type=int, default=10, help="passes over the data (10)")
    train.add_argument("--batch-size", type=int, help="samples a step (32, or all if fewer)")
    train.add_argument("--target", help="numpy or cpu; by default the model's own")
    train.add_argument("--seed", type=int, help="of weights, order and dropout")
    train.add_argument("--validation-split", type=float, default=0.0, help="share to validate on")
    train.add_argument("--save", metavar="OUT", type=Path, help="write the trained model to a file")
    train.add_argument("--quiet", action="store_true", help="print the final numbers alone")

    show = command("show", _show, "print formulas, graph, code or explanations")
    show.add_argument(
        "--what", choices=sorted(VIEWS), default="formulas", help="what to print (formulas)"
    )
    show.add_argument("--target", help="numpy or cpu; by default the program's own")
    show.add_argument("--name", help="for explain: one gradient, such as dL_dW1; all by default")
    show.add_argument("--latex", action="store_true", help="print formulas as LaTeX")

    emit = command("emit", _emit, "write a NumPy module that needs no chainrule")
    emit.add_argument(
        "-o", "--output", metavar="OUT", type=Path, required=True, help="the file; - to print it"
    )

    doctor = command("doctor", _doctor, "say what is installed and what works here")
    doctor.set_defaults(file=None)
    return parser


# -- the user's program ---------------------------------------------------------------------------


def load(path: Path) -> Mapping[str, Any]:
    """Run the user's own program, as he asked, and return what it defines.

    Raises:
        FileError: there is no such program.
        UsageError: it stopped with an error; the message has its line.
    """
    import runpy

    if not path.is_file():
        raise FileError(
            f"no program {path}",
            "expected a Python file that defines a model",
            "chainrule --help says what it has to define",
            Where(path.name, 1),
        )
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # as `python FILE` does, for modules beside it
    try:
        return runpy.run_path(str(path), run_name="__chainrule__")
    except ChainruleError:
        raise
    except SyntaxError as error:
        place = Where(Path(error.filename or path).name, error.lineno or 1)
        raise UsageError(
            f"SyntaxError: {error.msg}",
            (error.text or "").strip() or "Python cannot read it",
            f"python {path} shows it in its place",
            place,
        ) from None
    except Exception as error:
        raise UsageError(
            f"{type(error).__name__}: {error}",
            f"{path.name} stopped there",
            f"python {path} shows the whole traceback",
            _where(error, path),
        ) from None
    finally:
        sys.path.remove(folder)


def _where(error: BaseException, path: Path) -> Where:
    """The line of the user's file that an error came through last."""
    line, traceback = 1, error.__traceback__
    while traceback is not None:
        if Path(traceback.tb_frame.f_code.co_filename).name == path.name:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return Where(path.name, line)


def _model(path: Path, found: Mapping[str, Any]) -> Model:
    from .model import Model

    model = _called(found, "model", Model)
    if model is not None:
        return model
    raise UsageError(
        f"{path.name} defines no model",
        f"expected `model`, a cr.Sequential or cr.Model; {_came(found, 'model', Model)}",
        "chainrule --help says what a program has to define",
        Where(path.name, 1),
    )


def _model_or_function(path: Path) -> Model | Function:
    from ._function import Function
    from .model import Model

    found = load(path)
    if isinstance(found.get("function"), Function):
        return cast("Function", found["function"])
    thing = _called(found, "model", Model) or _called(found, "function", Function)
    if thing is not None:
        return thing
    both = (Model, Function)
    raise UsageError(
        f"{path.name} defines neither a model nor a function",
        f"expected `model` or `function`; {_came(found, 'model', both)}",
        "chainrule --help says what a program has to define",
        Where(path.name, 1),
    )


def _called(found: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """What a program calls so, or else the only thing of its kind."""
    named = found.get(name)
    if isinstance(named, kind):
        return named
    alike = {id(x): x for x in found.values() if isinstance(x, kind)}
    return next(iter(alike.values())) if len(alike) == 1 else None


def _came(found: Mapping[str, Any], name: str, kinds: Any) -> str:
    """What there is in place of a model or a function."""
    several = [key for key, x in found.items() if isinstance(x, kinds)]
    if several:
        return f"there are {', '.join(several)}"
    return f"it is a {type(found[name]).__name__}" if name in found else "there is no such name"


# -- commands -------------------------------------------------------------------------------------


def _train(options: Any) -> None:
    path: Path = options.file
    found = load(path)
    model = _model(path, found)
    if options.target is not None:
        from ._build import check_target

        compiled = model._needed()
        model._install(replace(compiled, target=check_target(options.target)))
    x, y = _data(path, found)
    model.fit(
        x,
        y,
        batch_size=options.batch_size,
        epochs=options.epochs,
        validation_split=options.validation_split,
        seed=options.seed,
        verbose=0 if options.quiet else "auto",
    )
    assert model.history is not None
    numbers = {name: values[-1] for name, values in model.history.history.items() if values}
    if "x_test" in found and "y_test" in found:
        scores = model.evaluate(found["x_test"], found["y_test"], verbose=0)
        numbers |= {f"test_{name}": value for name, value in scores.items()}
    print("  ".join(f"{name}: {value:.4g}" for name, value in numbers.items()))
    if options.save is not None:
        _writing(options.save, lambda: model.save(options.save))


def _data(path: Path, found: Mapping[str, Any]) -> tuple[Any, Any]:
    if "x" in found and "y" in found:
        return found["x"], found["y"]
    if callable(found.get("data")):
        pair = found["data"]()
        if isinstance(pair, tuple) and len(pair) == 2:
            return pair
        raise UsageError(
            "data() does not return samples and targets",
            f"expected (x, y); it is a {type(pair).__name__}",
            "chainrule --help says what a program has to define",
            Where(path.name, 1),
        )
    raise UsageError(
        f"{path.name} defines no data",
        "expected arrays x and y, or a function data() that returns both",
        "chainrule --help says what a program has to define",
        Where(path.name, 1),
    )


def _formulas(thing: Model | Function, options: Any) -> str:
    from .model import Model

    formulas = thing.gradients() if isinstance(thing, Model) else thing.formula()
    return formulas.latex() if options.latex else str(formulas)


def _graph(thing: Model | Function, options: Any) -> str:
    from chainrule.compiler.text import show

    return show(thing.graph()).rstrip("\n")


def _source(thing: Model | Function, options: Any) -> str:
    from ._build import check_target

    target = None if options.target is None else check_target(options.target)
    return thing.source(target).rstrip("\n")


def _explain(thing: Model | Function, options: Any) -> str:
    from .model import Model

    if not isinstance(thing, Model):
        raise UsageError(
            "only the gradients of models are explained",
            "the program defines a function",
            "chainrule show FILE --what formulas",
            Where(options.file.name, 1),
        )
    names = [options.name] if options.name else list(thing.gradients())
    return "\n\n\n".join(str(thing.explain(name)) for name in names)


VIEWS: dict[str, Callable[[Model | Function, Any], str]] = {
    "formulas": _formulas,
    "graph": _graph,
    "source": _source,
    "explain": _explain,
}


def _show(options: Any) -> None:
    print(VIEWS[options.what](_model_or_function(options.file), options))


def _emit(options: Any) -> None:
    from .model import Model

    thing = _model_or_function(options.file)
    text = module(thing) if isinstance(thing, Model) else thing.source("numpy")
    if str(options.output) == "-":
        print(text, end="")
        return
    from chainrule.runtime.files import replace_file

    _writing(options.output, lambda: replace_file(options.output, text.encode(), 0o666))


def module(model: Model) -> str:
    """A model as a NumPy module that needs no chainrule: `predict`, and the parts of a step."""
    from chainrule.compiler.pipeline import derive, lower
    from chainrule.compiler.targets.numpy.module import standalone

    def lowered(what: str) -> Graph:
        return lower(derive(model._request(what)), "numpy")

    return standalone(lowered("train"), lowered("predict"))


def _writing(path: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise FileError(
            f"{path} cannot be written",
            error.strerror or str(error),
            "choose a file in a folder that is there and may be written to",
            Where(path.name, 1),
        ) from None


def _doctor(options: Any) -> None:
    from .doctor import report

    for name, finding in report().items():
        print(f"{name:<12} {finding}")
