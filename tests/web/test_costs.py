"""Tables of costs, results and levels."""

from pathlib import Path

from firebit.engine.cost import cost
from firebit.engine.network import Network
from firebit.web.costs import cost_sheet, levels_sheet, rows_sheet
from firebit.web.run import read_run


def test_costs_by_hand(network: Network) -> None:
    sheet = cost_sheet(cost(network.plan))
    assert sheet.headings[0] == "layer"
    # 6 × 64 weights of 16 bits, beside weights and biases of 32; 6 bits are kept in a byte.
    assert sheet.rows[0] == (
        *("fire", "linear, step", "6", "32 → 1"),
        *("1.5 KiB → 768 B", "30 B", "24 B → 1 B", "384 pixel × int"),
    )
    assert sheet.rows[-1][0] == "all layers"
    assert sheet.rows[-1][-1] == "384 pixel × int\n24 bit × int"


def test_rows_of_a_run(run_folder: Path) -> None:
    sheet = rows_sheet(read_run(run_folder))
    assert sheet.rows[0] == ("ReLU", "90.00", "100.00", "0.5000", "–", "32", "24 B", "2.0 KiB")
    assert sheet.rows[-1] == ("compiled, without torch", "76.25", "100.00", "0.5000", "100.0", "1", "1 B", "2.0 KiB")


def test_levels_of_a_run(run_folder: Path) -> None:
    census = read_run(run_folder).results.rows[2].census
    assert census is not None
    assert levels_sheet(census).rows == (("fire", "6", "90.0", "50.0", "25.0", "0.0", "37.5", "52.5", "1", "1"),)
