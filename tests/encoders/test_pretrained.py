"""Encoders of transformers, tiny and random, from a folder: pooling, padding, what is refused. No network."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossdistill.data.inputs import InputSpec
from crossdistill.encoders import EncoderSettings
from crossdistill.encoders.make import make_encoder, resolved
from crossdistill.encoders.pretrained import Pretrained
from crossdistill.models import CrossModalModel
from crossdistill.models.spec import ModelSpec, loadable
from crossdistill.types import InputError, Padded
from tests.encoders.tiny_models import PICTURE, WAVES

transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")

SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
FIRST_FRAME = 20  # samples: 10 + (3 - 1) * 5


def models() -> dict[str, Callable[[], Any]]:
    t = transformers
    stable = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
    return {
        "bert": lambda: t.BertModel(t.BertConfig(vocab_size=40, max_position_embeddings=32, **SIZE)),
        "roberta": lambda: t.RobertaModel(t.RobertaConfig(vocab_size=40, max_position_embeddings=40, **SIZE)),
        "wav2vec2 base": lambda: t.Wav2Vec2Model(t.Wav2Vec2Config(**SIZE, **WAVES)),
        "wav2vec2 large": lambda: t.Wav2Vec2Model(t.Wav2Vec2Config(**SIZE, **WAVES, **stable)),
        "hubert": lambda: t.HubertModel(t.HubertConfig(**SIZE, **WAVES, **stable)),
        "wavlm": lambda: t.WavLMModel(t.WavLMConfig(**SIZE, **WAVES, **stable)),
        "data2vec": lambda: t.Data2VecAudioModel(
            t.Data2VecAudioConfig(**SIZE, **{**WAVES, "num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 3})
        ),
        "vit": lambda: t.ViTModel(t.ViTConfig(**SIZE, **PICTURE)),
        "resnet": lambda: t.ResNetModel(t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])),
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**SIZE, **PICTURE)),
        "convnext": lambda: t.ConvNextModel(t.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)),
        "swin": lambda: t.SwinModel(
            t.SwinConfig(image_size=16, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4)
        ),
        "clip's pictures": lambda: t.CLIPVisionModel(t.CLIPVisionConfig(**SIZE, **PICTURE)),
        "videomae": lambda: t.VideoMAEModel(t.VideoMAEConfig(**SIZE, **PICTURE, num_frames=4)),
    }


WORDS = ("bert", "roberta")
PICTURES = ("vit", "resnet", "dinov2", "convnext", "swin", "clip's pictures")
SPEECH = ("wav2vec2 base", "wav2vec2 large", "hubert", "wavlm", "data2vec")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One of each model, saved as published ones are."""
    parent, made = tmp_path_factory.mktemp("models"), {}
    for name, make in models().items():
        torch.manual_seed(0)
        model = make()
        with torch.no_grad():
            for parameter in model.parameters():  # published models are not near 0, where attention sees nothing
                parameter.add_(0.2 * torch.randn_like(parameter))
        made[name] = str(parent / name.replace(" ", "_"))
        model.save_pretrained(made[name])
    return made


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def inputs(name: str) -> Tensor:
    torch.manual_seed(1)
    if name in WORDS:
        return torch.randint(3, 40, (3, 9))
    if name in SPEECH:
        return torch.randn(3, 200)
    return torch.randn(3, 3, 16, 16) if name in PICTURES else torch.randn(3, 3, 4, 16, 16)


def own_output(name: str, folder: str, x: Tensor) -> Any:
    """What transformers itself makes of a batch without padding."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if name in WORDS:
        return model(input_ids=x)
    if name in SPEECH:
        normalised = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-7).sqrt()
        return model(input_values=normalised)
    return model(pixel_values=x if name in PICTURES else x.transpose(1, 2))


@pytest.mark.parametrize("name", models())
def test_the_mean_is_over_the_model_s_own_last_states(name: str, folders: dict[str, str]) -> None:
    encoder, x = Pretrained(folders[name]).eval(), inputs(name)
    with torch.no_grad():
        states = own_output(name, folders[name], x).last_hidden_state
        out = encoder(x)
    expected = states.mean(dim=(2, 3)) if states.ndim == 4 else states.mean(dim=1)
    assert out.shape == (3, 16) == (3, encoder.width)
    assert expected.std(dim=0).max() > 1e-3
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("bert", "cls"),
        ("bert", "pooler"),
        ("vit", "cls"),
        ("resnet", "pooler"),
        ("dinov2", "pooler"),
        ("convnext", "pooler"),
    ],
)
def test_other_poolings_are_the_model_s_own(name: str, pooling: Any, folders: dict[str, str]) -> None:
    encoder, x = Pretrained(folders[name], pooling).eval(), inputs(name)
    with torch.no_grad():
        output = own_output(name, folders[name], x)
        expected = output.last_hidden_state[:, 0] if pooling == "cls" else output.pooler_output.flatten(1)
        torch.testing.assert_close(encoder(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("wav2vec2 base", "cls"),
        ("wav2vec2 base", "pooler"),
        ("resnet", "cls"),
        ("videomae", "cls"),
        ("hubert", "pooler"),
    ],
)
def test_poolings_that_a_model_does_not_have_are_refused(name: str, pooling: Any, folders: dict[str, str]) -> None:
    with pytest.raises(InputError, match=rf"pooling {pooling}: \w+Model has none; take mean"):
        Pretrained(folders[name], pooling)


def padded(alone: list[Tensor], more: int, garbage: float) -> Padded:
    values = torch.full((len(alone), max(map(len, alone)) + more, 1), garbage, dtype=alone[0].dtype)
    for row, sample in enumerate(alone):
        values[row, : len(sample), 0] = sample
    return Padded(values, torch.tensor([len(sample) for sample in alone]))


LENGTHS = given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 9))
OFTEN = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@pytest.mark.parametrize("name", ["bert", "roberta"])
@LENGTHS
@OFTEN
def test_words_are_encoded_as_if_they_were_alone(
    name: str, pooling: Any, folders: dict[str, str], lengths: list[int], more: int
) -> None:
    encoder = Pretrained(folders[name], pooling).eval()
    alone = [torch.randint(3, 40, (length,)) for length in lengths]
    with torch.no_grad():
        together = encoder(padded(alone, more, garbage=7))
        for row, words in enumerate(alone):
            torch.testing.assert_close(together[row], encoder(words[None])[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SPEECH)
@LENGTHS
@OFTEN
def test_speech_is_encoded_as_if_it_were_alone(
    name: str, folders: dict[str, str], lengths: list[int], more: int
) -> None:
    encoder = Pretrained(folders[name]).eval()
    alone = [torch.randn(17 * length) for length in lengths]
    with torch.no_grad():
        values, frames = encoder.sequence(padded(alone, 10 * more, garbage=float("nan")))
        together = encoder(padded(alone, 10 * more, garbage=float("nan")))
        for row, speech in enumerate(alone):
            single = encoder.sequence(speech[None])
            count = (max(len(speech), FIRST_FRAME) - 10) // 5 + 1
            assert single.values.shape[1] == frames[row] == (count - 3) // 2 + 1
            torch.testing.assert_close(values[row, : frames[row]], single.values[0], rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(together[row], encoder(speech[None])[0], rtol=1e-3, atol=1e-4)


def test_the_mask_of_the_large_model_is_what_makes_the_difference(folders: dict[str, str]) -> None:
    """The test above can fail: transformers' own output for padded waveforms without a mask is another one."""
    encoder, x = Pretrained(folders["wav2vec2 large"]).eval(), torch.randn(1, 200)
    with torch.no_grad():
        plain = encoder.model(torch.nn.functional.pad(x, (0, 100))).last_hidden_state[:, : encoder.sequence(x)[1][0]]
        assert (plain.mean(1) - encoder(x)).abs().max() > 1e-3


def test_a_waveform_s_loudness_and_offset_do_not_matter_unless_the_model_says_so(
    folders: dict[str, str], tmp_path: Path
) -> None:
    x, encoder = torch.randn(2, 300), Pretrained(folders["wav2vec2 large"]).eval()
    with torch.no_grad():
        torch.testing.assert_close(encoder(30 * x + 4), encoder(x), rtol=1e-3, atol=1e-3)
    raw = transformers.AutoModel.from_pretrained(folders["wav2vec2 large"])
    raw.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False, "sampling_rate": 8000}))
    encoder = Pretrained(str(tmp_path)).eval()
    assert encoder.sample_rate == 8000
    with torch.no_grad():
        torch.testing.assert_close(encoder(x), raw.eval()(x).last_hidden_state.mean(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float16, 0.05)])
@pytest.mark.parametrize("name", SPEECH)
def test_speech_is_encoded_in_the_precision_that_the_model_was_brought_to(
    name: str, dtype: torch.dtype, tolerance: float, folders: dict[str, str]
) -> None:
    """As a student's copy in float64 is, by which estimators predict, or one of half precision on a GPU."""
    encoder = Pretrained(folders[name]).eval()
    sounds = padded([300 * sound for sound in inputs(name)], 30, garbage=7.0)  # a half holds no squares of these
    with torch.no_grad():
        expected = encoder(sounds)
        found = encoder.to(dtype)(Padded(sounds.values.to(dtype), sounds.lengths))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", PICTURES)
def test_a_model_of_pictures_encodes_each_frame_of_a_video(name: str, folders: dict[str, str]) -> None:
    encoder, video = Pretrained(folders[name]).eval(), torch.randn(2, 3, 4, 16, 16)
    with torch.no_grad():
        frames, lengths = encoder.sequence(video)
        assert frames.shape == (2, 4, 16)
        assert lengths.tolist() == [4, 4]
        torch.testing.assert_close(frames[1, 2], encoder(video[1:, :, 2])[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(encoder(video), frames.mean(1))


def test_a_model_of_pictures_whose_configuration_has_no_word_for_its_width(tmp_path: Path) -> None:
    model = transformers.MobileNetV2Model(transformers.MobileNetV2Config(image_size=32, depth_multiplier=0.25))
    model.save_pretrained(tmp_path)
    x = torch.randn(2, 3, 32, 32)
    for encoder in (Pretrained(str(tmp_path)), Pretrained("", read_weights=False, config=Pretrained(tmp_path).config)):
        assert encoder.width == encoder.eval()(x).shape[1] == 1280


def test_models_that_encode_no_picture_as_it_is_say_what_to_do(tmp_path: Path, folders: dict[str, str]) -> None:
    t, vision = transformers, {**SIZE, **PICTURE}
    models = {
        "clip": (t.CLIPModel(t.CLIPConfig(text_config=SIZE, vision_config=vision)), "save one of them alone"),
        "mae": (t.ViTMAEModel(t.ViTMAEConfig(**vision)), "hides patches by chance"),
    }
    for name, (model, message) in models.items():
        model.save_pretrained(tmp_path / name)
        with pytest.raises(InputError, match=message):
            Pretrained(str(tmp_path / name))
    spec, chosen = InputSpec("picture", (3, 20, 20)), EncoderSettings("pretrained", weights=folders["vit"])
    with pytest.raises(InputError, match=r"cannot encode pictures \(3, 20, 20\), it was made for 16x16; see size"):
        make_encoder("photo", spec, resolved("photo", spec, chosen))


def test_token_ids_may_come_as_whole_floats(folders: dict[str, str]) -> None:
    encoder, x = Pretrained(folders["bert"]).eval(), inputs("bert")
    assert torch.equal(encoder(x), encoder(x.float()[:, :, None]))


@pytest.mark.parametrize("name", models())
def test_gradients_reach_the_model_in_training_mode(name: str, folders: dict[str, str]) -> None:
    encoder = Pretrained(folders[name]).train()
    encoder(inputs(name)).square().sum().backward()
    missing = {key for key, p in encoder.named_parameters() if p.grad is None}
    for_other_outputs = ("pooler", "masked_spec_embed", "mask_token", "model.layernorm", "post_layernorm")
    assert all(any(part in key for part in for_other_outputs) for key in missing)
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", SPEECH)
def test_training_draws_from_torch_s_seed_alone_and_uses_every_layer(name: str, folders: dict[str, str]) -> None:
    """Masking draws from NumPy, and a layer that one rank leaves out gives its gradients no sum across ranks."""
    encoder, x = Pretrained(folders[name]).train(), inputs(name).repeat(1, 5)
    outputs = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002  # what transformers draws from
        torch.manual_seed(0)
        outputs.append(encoder(x))
    assert torch.equal(*outputs)
    assert encoder.model.config.layerdrop == 0


def test_a_model_with_a_head_is_loaded_without_it_but_not_with_a_random_pooler(tmp_path: Path) -> None:
    t = transformers
    t.BertForMaskedLM(t.BertConfig(vocab_size=40, **SIZE)).save_pretrained(tmp_path)
    assert Pretrained(str(tmp_path)).width == 16
    with pytest.raises(InputError, match=r"expected weights for pooler\.dense\.bias \(2 missing\), found none"):
        Pretrained(str(tmp_path), "pooler")


def test_weights_that_lack_a_layer_are_refused(folders: dict[str, str], tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folders["bert"])
    state = {key: value for key, value in model.state_dict().items() if "layer.1.output" not in key}
    model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(
        InputError, match=r"expected weights for encoder\.layer\.1\.output\.LayerNorm\.bias \(4 missing"
    ):
        Pretrained(str(tmp_path))


def test_half_precision_weights_become_float32(folders: dict[str, str], tmp_path: Path) -> None:
    transformers.AutoModel.from_pretrained(folders["bert"]).half().save_pretrained(tmp_path)
    for read_weights in (True, False):
        encoder = Pretrained(str(tmp_path), read_weights=read_weights)
        assert {p.dtype for p in encoder.parameters()} == {torch.float32}


@pytest.mark.parametrize("source", ["nowhere/model", "/nowhere/at/all", "not a name", "nowhere"])
def test_a_model_that_is_nowhere_is_one_line(source: str) -> None:
    with pytest.raises(InputError, match=f"^{source}: neither a folder with a transformers model nor one of") as caught:
        Pretrained(source)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("how", ["missing", "empty", "noise"])
def test_a_damaged_folder_is_one_line(broken: str, how: str, folders: dict[str, str], tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((Path(folders["bert"]) / name).read_bytes())
    if how == "missing":
        (tmp_path / broken).unlink()
    else:
        (tmp_path / broken).write_bytes(b"" if how == "empty" else bytes(range(256)) * 8)
    with pytest.raises(InputError) as caught:
        Pretrained(str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, folders: dict[str, str]) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"needs transformers: pip install 'crossdistill\[pretrained\]'"):
        Pretrained(folders["bert"])


@pytest.mark.parametrize("kind", ["T5", "ASTModel", "Whisper", "CLIP"])
def test_models_of_another_kind_are_refused(kind: str, tmp_path: Path) -> None:
    t = transformers
    whisper = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    made = {
        "T5": lambda: t.T5Model(t.T5Config(d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2, vocab_size=20)),
        "ASTModel": lambda: t.ASTModel(t.ASTConfig(**SIZE, max_length=32, num_mel_bins=16)),
        "Whisper": lambda: t.WhisperModel(t.WhisperConfig(d_model=8, encoder_ffn_dim=8, decoder_ffn_dim=8, **whisper)),
        "CLIP": lambda: t.CLIPModel(
            t.CLIPConfig(text_config={**SIZE, "vocab_size": 20}, vision_config={**SIZE, **PICTURE})
        ),
    }[kind]()
    made.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=f"{kind}"):
        Pretrained(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("vit", (2, 16, 16, 3)), ("videomae", (2, 3, 16, 16)), ("bert", (2, 3, 4)), ("wav2vec2 base", (2, 30, 2))],
)
def test_other_layouts_are_refused(name: str, shape: tuple[int, ...], folders: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"expected (pictures|videos|waveforms|token ids)"):
        Pretrained(folders[name])(torch.zeros(shape))


@pytest.mark.parametrize(("name", "most"), [("bert", 32), ("roberta", 38)])
def test_more_tokens_than_the_model_knows_places_for_are_refused(name: str, most: int, folders: dict[str, str]) -> None:
    encoder = Pretrained(folders[name]).eval()
    assert torch.isfinite(encoder(torch.full((1, most), 5))).all()
    with pytest.raises(ValueError, match=f"expected at most {most} tokens, which is what the model was made for, got"):
        encoder(torch.full((1, most + 1), 5))


def test_weights_may_be_left_for_later(folders: dict[str, str]) -> None:
    ready, empty = Pretrained(folders["bert"]), Pretrained(folders["bert"], read_weights=False)
    assert not torch.equal(ready.model.embeddings.word_embeddings.weight, empty.model.embeddings.word_embeddings.weight)
    empty.load_state_dict(ready.state_dict())
    assert torch.equal(ready.eval()(inputs("bert")), empty.eval()(inputs("bert")))


def test_one_of_ones_own_that_holds_a_model_is_built_again_by_its_own_settings(folders: dict[str, str]) -> None:
    """What it holds is its affair: its constructor takes no `config`."""

    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = Pretrained(folders["bert"])
            self.width = self.encoder.width

    settings = {"x": EncoderSettings("somewhere:Own")}
    spec = ModelSpec(("x",), (), ("a", "b"), {"x": InputSpec("text", (8,), dtype="int64")}, settings, width=4)
    assert loadable(spec, CrossModalModel({"x": Own()}, ("x",), (), 4, 2)).encoders == settings
