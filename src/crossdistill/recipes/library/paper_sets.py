"""The paper's own experiments: UCF51, ActivityNet and IEMOCAP, with the settings of its Section 4.2.

Chen, Xing, Wang, Zhang: Enhanced Multimodal Representation Learning with Cross-modal KD, CVPR 2023. Published figures
are in %. Where the paper is silent, the code of its two references is followed, [9] (CCL) for video and [50] (MMIN) for
emotions; docs/readings.md lists each such choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdistill.data.readers import ReaderSettings
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.library.bundled import stage_epochs
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.training import Machine, Optimization

_CNN14_WEIGHTS = "data/weights/Cnn14_emb512_mAP=0.420.pth"


def ucf51() -> Recipe:
    """Recognise an action from its video alone, trained with its sound (51 classes, 6,845 videos, split 1).

    Published top-1, R@1 and R@5: baseline 66.7, 64.0, 71.9; AMID 73.8, 73.6, 77.1 (Tables 1 and 2).

    `crossdistill prepare ucf51 --videos DIR --splits DIR`, then `crossdistill train ucf51 --method amid` or
    `crossdistill compare ucf51 --methods all --seeds 5`. Cnn14's weights, from https://zenodo.org/records/3987831, are
    expected in data/weights; `--model.encoders.audio.weights FILE` takes them from elsewhere.

    The network that CCL's code trains in the place of R(2+1)D-18 is
    `--model.encoders.video.settings '{blocks: [1, 1, 1, 1], midplanes: formula}'`. Eq. 12's d is each batch's own
    count; `--amid.expected_partners 4.17` is
    the number that 16 samples of this training split have on average. Where the column `audio` holds vectors of 512
    numbers, such as CCL published, they are taken as Cnn14's output.
    """
    return video("ucf51", "data/ucf51")


def activitynet() -> Recipe:
    """Recognise an activity from its video alone, trained with its sound (200 classes, 10,024 training videos and 4,926
    of the validation set, which are tested).

    Published top-1, R@1 and R@5: baseline 48.8, 41.5, 63.9; AMID 53.6, 46.4, 67.2 (Tables 1 and 2).

    `crossdistill prepare activitynet --videos DIR --annotations JSON`, then `crossdistill train activitynet --method
    amid` or `crossdistill compare activitynet --methods all --seeds 5`. The settings are those of `ucf51`, as in the
    paper, but that a video of two minutes has some two hundred windows: ten of them are measured.
    """
    return video("activitynet", "data/activitynet", windows=10)


def iemocap_a_v() -> Recipe:
    """Recognise an emotion from the face alone, trained with the voice (4 classes, 5,531 utterances, 5 folds).

    Published WA and UA: baseline ?, 50.8; AMID 52.5, 51.7 (Table 3; the baseline's WA is not legible).

    `crossdistill prepare iemocap --root DIR`, then the three `crossdistill extract` that it prints, which write
    features of DenseNet-121, wav2vec 2.0 and BERT into data/iemocap/features.csv (docs/datasets.md); then
    `crossdistill compare iemocap_a_v --methods all --folds all --seeds 5`.
    """
    return emotion("iemocap_a_v", ("audio",))


def iemocap_l_v() -> Recipe:
    """Recognise an emotion from the face alone, trained with the words (4 classes, 5,531 utterances, 5 folds).

    Published WA and UA: baseline ?, 50.8; AMID 53.0, 52.4 (Table 3; the baseline's WA is not legible).

    Data as for `iemocap_a_v`; `crossdistill compare iemocap_l_v --methods all --folds all --seeds 5`.
    """
    return emotion("iemocap_l_v", ("text",))


def iemocap_al_v() -> Recipe:
    """Recognise an emotion from the face alone, trained with voice and words (4 classes, 5,531 utterances, 5 folds).

    Published WA and UA: baseline ?, 50.8; AMID 53.8, 52.7 (Table 3; the baseline's WA is not legible).

    Data as for `iemocap_a_v`; `crossdistill compare iemocap_al_v --methods all --folds all --seeds 5`.
    """
    return emotion("iemocap_al_v", ("audio", "text"))


def video(name: str, source: str, windows: int = 0) -> Recipe:
    """R(2+1)D-18 from scratch and a frozen Cnn14; B = 16, D = 512, τ = 0.5, α = 4, 1.6, 1, T_start = 20 (Section 4.2).

    Optimiser, schedule, epochs and clips, of which the paper says nothing, are those of CCL's code. Sounds are ten
    seconds long, as were those that Cnn14 was trained on; so all batches cost the same, too.
    """
    return Recipe(
        name=name,
        epochs=300,
        batch_size=16,
        evaluate_every=5,
        data=DataSettings(
            source,
            ("video",),
            ("audio",),
            windows=windows,
            readers={"video": ReaderSettings(frames=16, size=112), "audio": ReaderSettings(rate=32000, seconds=10.0)},
            allow_outside=True,
        ),
        model=ModelSettings(
            width=512,
            encoders={
                "video": EncoderSettings("r2plus1d", {"blocks": [2, 2, 2, 2]}),
                "audio": EncoderSettings("cnn14", {"width": 512}, weights=_CNN14_WEIGHTS, frozen=True),
            },
        ),
        optimization=Optimization("sgd", learning_rate=1e-3, weight_decay=5e-4, momentum=0.9, schedule="steps"),
        machine=Machine(workers=4),
        options=distillation(epochs=300, temperature=0.5, warmup_epochs=20),
    )


def emotion(name: str, auxiliary: tuple[str, ...]) -> Recipe:
    """An RNN over DenseNet-121's features of each frame, and ready-made features of wav2vec 2.0 and BERT; B = 128,
    D = 768, τ = 0.6, T_start = 5 (Section 4.2).

    The paper gives no α for emotions but α3 = 1 "for all other experiments": they are the video's. With four classes a
    batch holds 32 samples of each, so Eq. 8's sums are some sixteen times as large as in UCF51; `amid_class_means`
    keeps what α1 and α2 mean there. Optimiser and dropout, of which the paper says nothing, are those of MMIN's code.
    """
    return Recipe(
        name=name,
        epochs=40,
        batch_size=128,
        data=DataSettings("data/iemocap/features.csv", ("video",), auxiliary, in_memory=False, allow_outside=True),
        model=ModelSettings(
            width=768,
            dropout=0.3,
            encoders={
                "video": EncoderSettings("rnn", {"width": 768, "layers": 1, "hidden": 384, "dropout": 0.3}),
                **{modality: EncoderSettings("features") for modality in auxiliary},
            },
        ),
        optimization=Optimization("adam", learning_rate=2e-4, weight_decay=0.0),
        options=distillation(epochs=40, temperature=0.6, warmup_epochs=5),
    )


def distillation(epochs: int, temperature: float, warmup_epochs: int) -> dict[str, Mapping[str, Any]]:
    """α = 4, 1.6, 1 with a task's τ and T_start; all other methods keep their own papers' settings."""
    shared = {"temperature": temperature, "warmup_epochs": warmup_epochs, "alpha_1": 4.0}
    amid = {**shared, "alpha_2": 1.6, "alpha_3": 1.0}
    return {**stage_epochs(epochs), "mi": shared, "amid": amid, "amid_class_means": amid}
