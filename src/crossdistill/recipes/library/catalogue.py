"""Every recipe that has a name, in the order in which they are listed, and what is known of it beside its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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

PREPARE: Mapping[str, str] = {
    "avletters": "avletters --source DIR",
    "avletters_speakers": "avletters --protocol speakers --source DIR",
    **dict.fromkeys(("utd_mhad", "utd_mhad_depth"), "utd_mhad --source DIR"),
    "mosi": "mosi --source DIR",
    **dict.fromkeys(("mfeat", "mfeat_zernike"), "mfeat --source DIR"),
    "leaves": "leaves --source DIR",
    **dict.fromkeys(("stamps", "stamps_words"), "stamps --source DIR"),
    "ucf51": "ucf51 --videos DIR --splits DIR",
    "activitynet": "activitynet --videos DIR --annotations JSON",
    **dict.fromkeys(("iemocap_a_v", "iemocap_l_v", "iemocap_al_v"), "iemocap --root DIR"),
}
"""Recipe -> what follows `crossdistill prepare` where its data are made of a release; bundled ones need none."""

TUNED: Mapping[str, tuple[str, ...]] = {
    "emoji": (
        *("baseline", "kd", "fitnets", "rkd", "cmc", "crd", "crcd", "ccl"),
        *("gmc", "c2kd", "mst", "amid_class_means"),
    ),
    "avletters": ("baseline", "amid_class_means"),
}
"""Recipe -> the methods whose settings there were chosen by trials on validation samples; all others take defaults,
their papers' settings, or those that tuning starts from."""
