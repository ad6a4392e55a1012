# SPDX-License-Identifier: MIT
"""The Python half of the exchange with PyTorch; networks.c is the other one.

    networks.py FOLDER   computes what our files say with torch.nn, compares, and writes networks of its own

The reader is strict and knows nothing but docs/format.md: it is what somebody else would write.
"""
import json
import math
import pathlib
import struct
import sys
import zlib

import torch

torch.set_default_dtype(torch.float64)

ELEMENTS = {"F64": (torch.float64, 8), "F32": (torch.float32, 4), "F16": (torch.float16, 2), "BF16": (torch.bfloat16, 2)}


# ---- Reading -----------------------------------------------------------------------------------------------------------


def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), "a key is there twice"
    return dict(pairs)


def check_crc(raw, digits):
    assert len(digits) == 8
    at = raw.index(b'"bp.crc32":"') + len(b'"bp.crc32":"')
    assert raw[at : at + 8].decode() == digits
    assert zlib.crc32(raw[:at] + b"00000000" + raw[at + 8 :]) == int(digits, 16), "the checksum is wrong"


def read(path):
    """Metadata and tensors of a file."""
    raw = pathlib.Path(path).read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + n].decode("utf-8"), object_pairs_hook=unique)
    data = raw[8 + n :]
    metadata = header.pop("__metadata__", {})
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        assert set(entry) == {"dtype", "shape", "data_offsets"}
        dtype, size = ELEMENTS[entry["dtype"]]
        first, last = entry["data_offsets"]
        assert first == end and last - first == size * math.prod(entry["shape"]), "a gap, an overlap, or a wrong size"
        end = last
        tensors[name] = torch.frombuffer(bytearray(data[first:last]), dtype=dtype).reshape(entry["shape"])
    assert end == len(data), "bytes that belong to no tensor"
    check_crc(raw, metadata["bp.crc32"])
    return metadata, tensors


# ---- What a file says, as modules --------------------------------------------------------------------------------------


class Function(torch.nn.Module):
    def __init__(self, f):
        super().__init__()
        self.forward = f


ACTIVATIONS = {
    "sigmoid": lambda p: torch.nn.Sigmoid(),
    "tanh": lambda p: torch.nn.Tanh(),
    "relu": lambda p: torch.nn.ReLU(),
    "leaky_relu": lambda p: torch.nn.LeakyReLU(p),
    "softmax": lambda p: torch.nn.Softmax(dim=1),
    "elu": lambda p: torch.nn.ELU(p),
    "selu": lambda p: torch.nn.SELU(),
    "gelu": lambda p: torch.nn.GELU(),
    "gelu_tanh": lambda p: torch.nn.GELU(approximate="tanh"),
    "silu": lambda p: torch.nn.SiLU(),
    "mish": lambda p: Function(lambda z: z * torch.tanh(torch.logaddexp(z, torch.zeros_like(z)))),
    "softplus": lambda p: Function(lambda z: torch.logaddexp(z, torch.zeros_like(z))),  # torch's own is linear above 20
    "softsign": lambda p: torch.nn.Softsign(),
    "hard_sigmoid": lambda p: torch.nn.Hardsigmoid(),
    "hard_tanh": lambda p: torch.nn.Hardtanh(),
    "gaussian": lambda p: Function(lambda z: torch.exp(-z * z)),
    "sine": lambda p: Function(torch.sin),
}


def modules_of_layer(n_in, fields):
    n_out = int(fields["n_out"])
    yield torch.nn.Linear(n_in, n_out, bias=fields["bias"] == "1")
    if fields["normalization"] == "batch":
        yield torch.nn.BatchNorm1d(n_out, eps=float(fields["epsilon"]), momentum=float(fields["running_rate"]))
    if fields["normalization"] == "layer":
        yield torch.nn.LayerNorm(n_out, eps=float(fields["epsilon"]))
    if fields["activation"] != "identity":
        yield ACTIVATIONS[fields["activation"]](float(fields["parameter"]))
    if float(fields["dropout"]) > 0:
        yield torch.nn.Dropout(float(fields["dropout"]))


def network_of(metadata):
    n_in, modules = int(metadata["bp.n_in"]), []
    for l in range(int(metadata["bp.n_layers"])):
        fields = dict(field.split("=") for field in metadata[f"bp.layer.{l}"].split(" "))
        modules.extend(modules_of_layer(n_in, fields))
        n_in = int(fields["n_out"])
    return torch.nn.Sequential(*modules)


def numbers(text):
    return torch.tensor([float(word) for word in text.split(" ")])


def predict(path, X):
    metadata, tensors = read(path)
    net = network_of(metadata)
    net.load_state_dict({name: tensor.to(torch.float64) for name, tensor in tensors.items()}, strict=True)
    net.eval()
    with torch.no_grad():
        if "bp.in_center" in metadata:
            X = (X - numbers(metadata["bp.in_center"])) / numbers(metadata["bp.in_scale"])
        Y = net(X)
        if "bp.out_center" in metadata:
            Y = Y * numbers(metadata["bp.out_scale"]) + numbers(metadata["bp.out_center"])
    return Y


def difference(ours, theirs):
    return ((ours - theirs).abs().amax(1) / theirs.abs().amax(1)).max().item()


def reals(path, columns):
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.float64).reshape(-1, columns)


def compare_ours(folder):
    worst, n = 0.0, 0
    for path in sorted(folder.glob("*.safetensors")):
        X, Y = reals(path.with_suffix(".X"), 5), reals(path.with_suffix(".Y"), 3)
        worst, n = max(worst, difference(predict(path, X), Y)), n + 1
    print(f"files of libbackprop in PyTorch {torch.__version__}: {n} networks, worst difference of an output {worst:.1e} of the row's largest")
    assert n > 40 and worst <= 1e-12


# ---- Writing -----------------------------------------------------------------------------------------------------------


def write(path, tensors):
    """As safetensors.torch.save_file() does."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    names = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
    for name, tensor in tensors.items():
        raw = bytes(tensor.contiguous().flatten().view(torch.uint8).tolist()) if tensor.dim() > 0 else struct.pack("<q", tensor.item())
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Body(torch.nn.Module):
    def __init__(self, f, normalization):
        super().__init__()
        self.fc1 = torch.nn.Linear(5, 7)
        if normalization != "none":
            self.norm = torch.nn.BatchNorm1d(7) if normalization == "batch" else torch.nn.LayerNorm(7)
        self.fc2 = torch.nn.Linear(7, 7, bias=False)
        self.f = f

    def forward(self, x):
        z = self.fc1(x)
        return self.f(self.fc2(self.f(self.norm(z) if hasattr(self, "norm") else z)))


class Net(torch.nn.Module):
    def __init__(self, f, normalization):
        super().__init__()
        self.body, self.fc3, self.softmax = Body(f, normalization), torch.nn.Linear(7, 3), normalization != "none"

    def forward(self, x):
        y = self.fc3(self.body(x))
        return torch.softmax(y, 1) if self.softmax else y


class Model(torch.nn.Module):
    """The network is one part of a larger whole."""

    def __init__(self, f, normalization):
        super().__init__()
        self.net, self.elsewhere = Net(f, normalization), torch.nn.Linear(2, 2)


def write_theirs(folder):
    for name in ["identity", *ACTIVATIONS]:
        if name == "softmax":
            continue
        for normalization in ["none", "batch", "layer"]:
            for dtype, (element, _) in ELEMENTS.items():
                f = ACTIVATIONS[name]({"leaky_relu": 0.01, "elu": 1.0}.get(name)) if name != "identity" else torch.nn.Identity()
                model = Model(f, normalization)
                if normalization == "batch":
                    model.train()
                    model.net(torch.randn(64, 5))  # running statistics that are not 0 and 1
                state = {k: t.to(element) if t.is_floating_point() else t for k, t in model.state_dict().items()}
                model.load_state_dict({k: t.to(torch.float64) if t.is_floating_point() else t for k, t in state.items()})
                model.eval()
                X = torch.randn(16, 5)
                path = folder / f"torch-{name}-{normalization}-{dtype}"
                write(path.with_suffix(".safetensors"), state)
                with torch.no_grad():
                    path.with_suffix(".X").write_bytes(bytes(X.flatten().view(torch.uint8).tolist()))
                    path.with_suffix(".Y").write_bytes(bytes(model.net(X).flatten().view(torch.uint8).tolist()))


torch.manual_seed(1)
folder = pathlib.Path(sys.argv[1])
compare_ours(folder)
write_theirs(folder)
