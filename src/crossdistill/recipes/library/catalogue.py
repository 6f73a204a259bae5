"""Every recipe that has a name, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Callable

from crossdistill.recipes.library import bundled, paper_sets, released
from crossdistill.recipes.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "emoji": bundled.emoji,
    "watch": bundled.watch,
    "avletters": bundled.avletters,
    "avletters_speakers": released.avletters_speakers,
    "utd_mhad": bundled.utd_mhad,
    "utd_mhad_depth": released.utd_mhad_depth,
    "mosi": bundled.mosi,
    "mfeat": released.mfeat,
    "mfeat_zernike": released.mfeat_zernike,
    "leaves": released.leaves,
    "stamps": released.stamps,
    "stamps_words": released.stamps_words,
    "ucf51": paper_sets.ucf51,
    "activitynet": paper_sets.activitynet,
    "iemocap_a_v": paper_sets.iemocap_a_v,
    "iemocap_l_v": paper_sets.iemocap_l_v,
    "iemocap_al_v": paper_sets.iemocap_al_v,
    "own": bundled.own,
}
