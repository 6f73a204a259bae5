"""Make tests/encoders/data/speech.npz: a second of speech, and librosa's mel filters and log-mel spectrogram of it.

Needs what the library does not: librosa, and the program espeak-ng, which speaks the sentence.

    pip install librosa
    python scripts/build_log_mel_fixture.py
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import librosa
import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

RATE, SECONDS = 32_000, 1.0
TARGET = Path(__file__).parents[1] / "tests/encoders/data/speech.npz"


def speech() -> np.ndarray:
    """(32000,) int16 at 32 kHz."""
    command = ["espeak-ng", "--stdout", "-s", "200", "six swans chase a dog"]
    rate, samples = wavfile.read(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout))
    resampled = resample_poly(samples.astype(np.float64), RATE, rate)
    return np.clip(np.round(resampled[: int(RATE * SECONDS)]), -32768, 32767).astype(np.int16)


def main() -> None:
    samples = speech()
    waveform = samples.astype(np.float32) / 32768
    settings = {"n_fft": 1024, "hop_length": 320, "win_length": 1024, "window": "hann", "pad_mode": "reflect"}
    spectrum = librosa.stft(y=waveform, center=True, **settings)
    mel = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, fmin=50, fmax=14_000)
    power = np.abs(spectrum) ** 2
    log_mel = librosa.power_to_db(mel @ power, ref=1.0, amin=1e-10, top_db=None).T
    np.savez_compressed(
        TARGET, samples=samples, mel=mel.T, log_mel=log_mel.astype(np.float32), made_by=f"librosa {librosa.__version__}"
    )
    print(
        f"{TARGET.name}: {TARGET.stat().st_size} bytes, {log_mel.shape}, {log_mel.min():.1f} to {log_mel.max():.1f} dB"
    )


if __name__ == "__main__":
    main()
