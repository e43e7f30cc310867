"""A history holds what was reported, and prints as a table."""

import pytest

from chainrule.runtime.history import History, PartialEpoch, number


def filled(epochs: int) -> History:
    history = History()
    for epoch in range(epochs):
        history.append(epoch, {"loss": 1 / (1 + epoch), "val_loss": 2.0})
    return history


def test_one_value_an_epoch() -> None:
    history = filled(2)
    assert history.history == {"loss": [1.0, 0.5], "val_loss": [2.0, 2.0]}
    assert history.epoch == [0, 1]


def test_table() -> None:
    assert str(filled(2)).splitlines() == [
        "epoch  loss  val_loss",
        "    1     1         2",
        "    2   0.5         2",
    ]


def test_an_unfinished_epoch_is_the_last_line() -> None:
    history = filled(1)
    history.partial = PartialEpoch(1, 3, 10, {"loss": 0.25})
    assert str(history).splitlines() == [
        "   epoch  loss  val_loss",
        "       1     1         2",
        "2 (3/10)  0.25          ",
    ]
    assert history.history["loss"] == [1.0]


def test_only_an_unfinished_epoch() -> None:
    history = History(partial=PartialEpoch(0, 3, 10, {"loss": 0.25}))
    assert str(history).splitlines() == ["   epoch  loss", "1 (3/10)  0.25"]


def test_a_quantity_that_came_later_has_empty_cells_first() -> None:
    history = filled(1)
    history.append(1, {"loss": 0.5, "val_loss": 2.0, "rate": 0.1})
    assert [line[21:].strip() for line in str(history).splitlines()] == ["rate", "", "0.1"]


@pytest.mark.parametrize(("epochs", "lines"), [(0, 1), (41, 42), (42, 42), (1000, 42)])
def test_a_long_table_leaves_out_its_middle(epochs: int, lines: int) -> None:
    table = str(filled(epochs)).splitlines()
    assert len(table) == lines
    assert ("..." in str(table)) == (epochs > 41)
    if epochs:
        assert table[-1].split()[0] == str(epochs)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (1e-9, "1e-09"),
        (12345.6, "1.235e+04"),
        (1.0, "1"),
        (float("nan"), "nan"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text
