"""Every recipe that has a name, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Callable

from crossdistill.recipes.library import bundled, paper_sets
from crossdistill.recipes.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "emoji": bundled.emoji,
    "watch": bundled.watch,
    "avletters": bundled.avletters,
    "utd_mhad": bundled.utd_mhad,
    "mosi": bundled.mosi,
    "ucf51": paper_sets.ucf51,
    "activitynet": paper_sets.activitynet,
    "iemocap_a_v": paper_sets.iemocap_a_v,
    "iemocap_l_v": paper_sets.iemocap_l_v,
    "iemocap_al_v": paper_sets.iemocap_al_v,
    "own": bundled.own,
}
