"""Networks in the format ONNX: by a session that stands in for one of onnxruntime, and by it where it is installed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters import onnx, with_index


class Session:
    """As an InferenceSession of onnxruntime: x / (1 + t) · scale in single precision."""

    def __init__(self, kind="tensor(float)", shape=("batch",)):
        self.kind, self.shape, self.seen = kind, list(shape), []

    def get_inputs(self):
        given = [("sample", "tensor(float)", ["batch", 2]), ("timestep", self.kind, self.shape)]
        return [SimpleNamespace(name=n, type=t, shape=s) for n, t, s in [*given, ("scale", "tensor(float)", [])]]

    def get_outputs(self):
        return [SimpleNamespace(name="out_sample")]

    def run(self, names, feed):
        assert names == ["out_sample"]
        assert set(feed) == {"sample", "timestep", "scale"}
        self.seen.append(feed["timestep"])
        t = feed["timestep"] if feed["timestep"].ndim == 0 else feed["timestep"][:, None]
        return [(feed["sample"] / (1 + t) * feed["scale"]).astype(np.float32)]


@pytest.mark.parametrize("as_array", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("shape", [(), ("batch",)])
def test_a_session_is_told_what_its_inputs_want_and_answers_like_the_state(as_array, shape):
    session, x = Session(shape=shape), as_array(np.ones((3, 2)))
    net = diffusion.Denoiser(onnx.network(session), "data", diffusion.EDM(), {"scale": 2.0})
    found = net(x, 3.0)
    assert type(found) is type(x)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, np.full((3, 2), 0.5))
    assert session.seen[-1].dtype == np.float32
    assert session.seen[-1].shape == (3,)[: len(shape)]


def test_whole_times_are_told_as_such_and_others_refused():
    session = Session(kind="tensor(int64)")
    schedule = diffusion.VP.from_betas(np.linspace(1e-4, 0.02, 1000))
    network = with_index(onnx.network(session), rounded=True)
    net = diffusion.Denoiser(network, "noise", schedule, {"scale": 0.1})
    diffusion.sample(net, np.ones((3, 2)), sampler="ddim", grid=[1.0, 0.5, 0.001])
    assert [int(told[0]) for told in session.seen] == [999, 499]
    bare = diffusion.Denoiser(onnx.network(session), "noise", schedule, {"scale": 0.1})
    with pytest.raises(ValueError, match=r"expected whole times.*with_index"):
        bare(np.ones((3, 2)), 0.5)


@pytest.mark.parametrize(
    ("options", "says"), [({"state": "x"}, "received 'x'"), ({"time": "t"}, "received 't'"), ({"output": "y"}, "'y'")]
)
def test_names_that_the_model_has_not_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        onnx.network(Session(), **options)
    with pytest.raises(ValueError, match="condition of the names"):
        onnx.network(Session())(np.ones((3, 2)), np.ones(3), label=np.ones(3))


def test_without_onnxruntime_a_file_is_refused_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "onnxruntime>=1\.17,<2"'):
        onnx.network("unet.onnx")


def test_a_file_is_run_by_onnxruntime_where_it_is_installed(tmp_path):
    pytest.importorskip("onnxruntime")
    made = pytest.importorskip("onnx")
    helper, kind = made.helper, made.TensorProto.FLOAT
    nodes = [
        helper.make_node("Unsqueeze", ["timestep", "one"], ["column"]),
        helper.make_node("Mul", ["sample", "column"], ["out_sample"]),
    ]
    graph = helper.make_graph(
        nodes,
        "times the time",
        [
            helper.make_tensor_value_info("sample", kind, ["b", 2]),
            helper.make_tensor_value_info("timestep", kind, ["b"]),
        ],
        [helper.make_tensor_value_info("out_sample", kind, ["b", 2])],
        [helper.make_tensor("one", made.TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made.save(model, str(tmp_path / "net.onnx"))
    network = onnx.network(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    net = diffusion.Denoiser(network, "data", diffusion.EDM())
    np.testing.assert_allclose(net(np.ones((3, 2)), 3.0), 3.0)
