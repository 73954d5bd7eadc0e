"""The attention operator as torch loads it: LETHE_OPS names liblethe_ops.so."""

import os
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
if "LETHE_OPS" not in os.environ:
    pytest.skip("LETHE_OPS does not name liblethe_ops.so", allow_module_level=True)
torch.ops.load_library(os.environ["LETHE_OPS"])
fused, dense = torch.ops.lethe.expire_attention, torch.ops.lethe.expire_attention_dense

HEADS, SIZE, RAMP = 2, 3, 4.0
FLOATS = ("q", "k", "v", "bank_k", "bank_v", "position_keys")
SPANS = ("span", "bank_span")
NAMES = ("q", "k", "v", "span", "episode_begin", "bank_k", "bank_v", "bank_span", "bank_age", "bank_begin",
         "bank_count", "position_keys")


def make_case(dtype=torch.float64, steps=5, queries=4):
    """Ragged rows, one of them empty, with an episode that starts inside the block."""
    torch.manual_seed(0)
    counts = torch.tensor([6, 0, 3])
    stored, width = int(counts.sum()), HEADS * SIZE
    begin = torch.full((3, steps), -1, dtype=torch.int32)
    begin[2, 2:] = 2
    case = {
        "q": torch.randn(3, queries, width), "k": torch.randn(3, steps, width), "v": torch.randn(3, steps, width),
        "span": 9 * torch.rand(3, steps), "episode_begin": begin,
        "bank_k": torch.randn(stored, width), "bank_v": torch.randn(stored, width),
        "bank_span": 9 * torch.rand(stored), "bank_age": torch.cat([torch.arange(int(n), 0, -1) for n in counts]),
        "bank_begin": counts.cumsum(0) - counts, "bank_count": counts, "position_keys": torch.randn(SIZE, 4),
    }
    for name in FLOATS:
        case[name] = case[name].to(dtype).requires_grad_()
    for name in SPANS:
        case[name] = case[name].to(torch.float64).requires_grad_()
    return case


def call(operator, case, **options):
    return operator(*(case[name] for name in NAMES), **{"heads": HEADS, "ramp": RAMP, **options})


def results(operator, case, **options):
    out, ramp_sum, living, _ = call(operator, case, **options)
    leaves = [case[name] for name in FLOATS + SPANS]
    weight = torch.linspace(-1, 1, out.numel()).view(out.shape).to(out.dtype)
    gradients = torch.autograd.grad((out * weight).sum().double() + ramp_sum.sum(), leaves)
    return out.detach(), ramp_sum.detach(), living, gradients


OPTIONS = [{}, {"shorten": 5.0, "epsilon": 0.02}, {"window": 4.0}]


@pytest.mark.parametrize("options", OPTIONS)
def test_gradcheck(options):
    case = make_case()
    leaves = FLOATS + SPANS

    def differentiable(*values):
        return call(fused, {**case, **dict(zip(leaves, values))}, **options)[:2]

    assert torch.autograd.gradcheck(differentiable, [case[name] for name in leaves], eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("options", OPTIONS)
def test_equals_the_dense_form(dtype, tolerance, options):
    got = results(fused, make_case(dtype), **options)
    case = make_case(dtype)
    if dtype == torch.bfloat16:  # the same rounded numbers, computed in float64
        for name in FLOATS:
            case[name] = case[name].detach().double().requires_grad_()
    want = results(dense, case, **options)
    assert torch.equal(got[2], want[2])
    assert (got[1] - want[1]).abs().max() < 1e-9
    for a, b in zip((got[0], *got[3]), (want[0], *want[3])):
        assert (a.double() - b.double()).abs().max() <= tolerance * (1 + b.abs().max())


def test_weights_sum_to_one_where_something_lives():
    out, _, living, weights = call(fused, make_case(), want_weights=True)
    sums = weights.sum(3)
    assert torch.allclose(sums, (living > 0).double().unsqueeze(1).expand_as(sums))
    assert out[living == 0].abs().sum() == 0


def test_dropout_depends_on_its_seed_alone():
    case = make_case()
    first, again, other, none = (call(fused, case, dropout=0.5, dropout_seed=s)[0] for s in (1, 1, 2, 0))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(none, call(fused, case)[0])


def spoil(name, change):
    case = make_case()
    with torch.no_grad():
        case[name] = change(case[name])
    return case


def set_nan(x):
    x = x.detach().clone()
    x.view(-1)[0] = float("nan")
    return x


@pytest.mark.parametrize("name, change, message", [
    ("q", lambda x: x[0], "q must be [B, Tq, K]"),
    ("q", lambda x: x.int(), "q must be [B, Tq, K] of float32, float64 or bfloat16"),
    ("k", lambda x: x.float(), "k must be [B, Tk >= Tq, K] like q"),
    ("span", lambda x: x.float(), "span must be [B, Tk] of float64"),
    ("bank_age", lambda x: x.int(), "bank.age must be [N] of int64"),
    ("bank_count", lambda x: x + 100, "of the bank must lie within its 9 memories"),
    ("bank_begin", lambda x: x * 0, "rows of the bank must not share memories"),
    ("span", set_nan, "span must be numbers, not NaN"),
    ("bank_span", set_nan, "must be numbers, got NaN"),
    ("q", set_nan, "must be finite"),
])
def test_bad_arguments_are_named(name, change, message):
    with pytest.raises((ValueError, RuntimeError), match=re.escape(message)):
        call(fused, spoil(name, change))


@pytest.mark.parametrize("ramp", [0.0, -1.0, float("nan")])
def test_the_ramp_must_be_positive(ramp):
    with pytest.raises((ValueError, RuntimeError), match="ramp must be > 0"):
        call(fused, make_case(), ramp=ramp)


def test_signature():
    schema = str(fused.default._schema)
    assert schema.startswith("lethe::expire_attention(Tensor q, Tensor k, Tensor v, Tensor span, ")
    assert schema.endswith("-> (Tensor out, Tensor ramp_sum, Tensor living, Tensor weights)")


def test_the_documented_snippet_runs(capsys):
    page = (Path(__file__).parents[2] / "docs/operator.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.S)[1]
    exec(code.replace("lib/liblethe_ops.so", os.environ["LETHE_OPS"]), {})
    assert capsys.readouterr().out.strip() == re.search(r"# (\[[^\]]*\])", code)[1]
