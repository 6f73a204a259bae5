"""The example scripts' promises: rows of Table 4 differ in one term."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from crossdistill.recipes.bundled import RECIPES

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_rows_of_table_4_differ_in_one_term() -> None:
    rows = load("table4_avletters").configurations(RECIPES["avletters"]())
    full, without_adversary = rows["L_MIs + L_MIa + L_adv (AMID)"], rows["L_MIs + L_MIa"]
    assert without_adversary.options["amid"] == {**full.options["amid"], "alpha_3": 0.0}
    assert full.options["amid"]["alpha_3"] > 0
    mi = rows["L_MIs"].options["mi"]
    assert mi.items() <= full.options["amid"].items()
    for name, row in rows.items():
        own_settings = name == "student alone, its own best settings"
        assert (row.model == full.model) == (name != "AMID, fixed teacher" and not own_settings), name
        assert (row.optimization == full.optimization) == (not own_settings), name
        assert (row.batch_size, row.data) == (full.batch_size, full.data)
        assert row.epochs == (full.auxiliary_epochs if name == "auxiliary alone" else full.epochs)
