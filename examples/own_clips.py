"""Clips and a manifest of one's own: made here, trained on, predicted from by path. Needs the extra `media`.

python examples/own_clips.py [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

import crossdistill
from crossdistill import DataSettings, EncoderSettings, ModelSettings, Optimization, Recipe
from crossdistill.data.readers import ReaderSettings

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own_clips")
RATE, SIZE = 32_000, 32  # Cnn14 hears at 32 kHz
random = np.random.default_rng(0)


def write_clip(path: Path, rises: bool) -> None:
    """Half a second of a bright bar that moves up or down, with a high or a low tone."""
    with av.open(str(path), "w") as file:
        video, audio = file.add_stream("mpeg4", rate=16), file.add_stream("aac", rate=RATE, layout="mono")
        video.width = video.height = SIZE
        for row in range(8):
            picture = random.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
            picture[(28 - 4 * row if rises else 4 * row) :][:4] += 190
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        tone = np.sin(2 * np.pi * (800 if rises else 200) * np.arange(RATE // 2) / RATE)
        sound = av.AudioFrame.from_ndarray(np.float32(tone)[None], format="fltp", layout="mono")
        sound.sample_rate = RATE
        file.mux([*video.encode(), *audio.encode(sound), *audio.encode()])


clips = FOLDER / "clips"
clips.mkdir(parents=True, exist_ok=True)
lines = ["id,split,label,view,tone:audio"]  # tone is the sound of the same file
for number in range(24):
    name = f"{number}.mp4"
    if not (clips / name).exists():
        write_clip(clips / name, rises=number % 2 == 0)
    lines.append(f"{number},{'test' if number >= 16 else 'train'},{('up', 'down')[number % 2]},{name},{name}")
(clips / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

view, tone = ReaderSettings(frames=8, size=SIZE, resize=SIZE, least_area=1.0), ReaderSettings(seconds=0.5)
data = DataSettings(str(clips), ("view",), ("tone",), readers={"view": view, "tone": tone})
narrow = {"blocks": [1, 1, 1, 1], "channels": 4}  # the defaults, R(2+1)D-18 and Cnn14, are for a GPU
encoders = {"view": EncoderSettings("r2plus1d", narrow), "tone": EncoderSettings("cnn14", {"width": 32, "channels": 4})}
model = ModelSettings(width=32, encoders=encoders, auxiliary_encoders="trained")
recipe = Recipe(method="kd", epochs=20, batch_size=8, optimization=Optimization(learning_rate=3e-3))
results = crossdistill.run(replace(recipe, data=data, model=model), FOLDER / "run", resume=True)
print(f"student {results['student']['top1']:.1%}, teacher {results['teacher']['top1']:.1%}")

student = crossdistill.load(FOLDER / "run")
for path in sorted(clips.glob("2?.mp4")):
    print(path.name, *student.predict(path), f"{student.predict_proba(path).max():.2f}")
