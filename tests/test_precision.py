import pytest
import tensorflow as tf

from colorize.runtimes import precision, processor


@pytest.mark.parametrize(
    ("instructions", "environment", "policy"),
    [
        ({"avx2", "avx512_bf16"}, {}, "mixed_bfloat16"),
        ({"avx2", "amx_bf16"}, {"ONEDNN_MAX_CPU_ISA": "ALL"}, "mixed_bfloat16"),
        ({"avx2"}, {}, "float32"),
        ({"avx2", "avx512_bf16"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "float32"),
        ({"avx2", "avx512_bf16"}, {"TF_ENABLE_ONEDNN_OPTS": "0"}, "float32"),
    ],
)
def test_bfloat16_is_chosen_where_it_is_multiplied(
    instructions, environment, policy, monkeypatch
):
    if tf.config.get_visible_devices("GPU"):
        pytest.skip("a GPU decides here")
    for name in ("ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processor, "_cpu_flags", lambda: instructions)
    assert precision.choose()[0] == policy
    assert precision.choose("mixed_float16") == ("mixed_float16", "as asked")
