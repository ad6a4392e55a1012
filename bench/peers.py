#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Peers of the benchmark: the same cases by NumPy and by PyTorch.

    peers.py LIBRARY PRECISION THREADS      LIBRARY numpy or torch, PRECISION f64 or f32

Reads a case a line (bench/peers.c writes them), answers with nanoseconds a sample, or "-" for a case that it cannot do:

    WAY WIDTHS HIDDEN OUTPUT LOSS RULE RATE BATCH
    trains 784-512-256-10 relu softmax cross_entropy sgd 0.01 128

The first line that it writes is the library's version. Batches are slices of one array: nothing is shuffled or gathered.
"""
import sys
import time

ROWS = 1024
CHUNKS, CHUNK = 5, 0.01


class Case:
    def __init__(self, line):
        self.way, widths, self.hidden, self.output, self.loss, self.rule, rate, batch = line.split()
        self.widths = [int(w) for w in widths.split("-")]
        self.rate, self.batch = float(rate), int(batch)
        self.rows = 4 if self.widths[0] == 2 else max(ROWS, self.batch)


def measure(round_, batch):
    """Nanoseconds a sample: the least of some chunks, after rounds that warm up."""
    def seconds(rounds):
        started = time.perf_counter()
        for _ in range(rounds):
            round_()
        return time.perf_counter() - started

    seconds(1)
    rounds = max(1, int(CHUNK / max(seconds(1), 1e-7)))
    chunks = CHUNKS if rounds > 1 else 3
    return 1e9 * min(seconds(rounds) for _ in range(chunks)) / rounds / batch


class Slices:
    """The next batch of rows, round and round."""
    def __init__(self, case, *arrays):
        self.arrays, self.batch, self.rows, self.at = arrays, case.batch, case.rows, 0

    def next(self):
        first = self.at
        self.at = (first + self.batch) % (self.rows - self.batch + 1) if self.rows > self.batch else 0
        return [a[first:first + self.batch] for a in self.arrays]


# ---- NumPy ----------------------------------------------------------------------------------------------------------------

class NumpyNetwork:
    """As one writes it by hand when it should be fast: arrays made before, results written in place."""
    def __init__(self, np, case, real):
        self.np, self.case = np, case
        rng = np.random.default_rng(1)
        pairs = list(zip(case.widths[:-1], case.widths[1:]))
        self.W = [(rng.standard_normal((o, i)) * (2 / i) ** 0.5).astype(real) for i, o in pairs]
        self.b = [np.zeros(o, real) for _, o in pairs]
        self.A = [np.zeros((case.batch, o), real) for _, o in pairs]
        self.dZ = [np.zeros((case.batch, o), real) for _, o in pairs]
        self.dW = [np.zeros_like(W) for W in self.W]
        self.db = [np.zeros_like(b) for b in self.b]
        self.v = [np.zeros_like(p) for p in self.W + self.b]
        self.m = [np.zeros_like(p) for p in self.W + self.b]
        self.t = 0
        self.scratch = [np.zeros_like(p) for p in self.W + self.b]
        self.scratch2 = [np.zeros_like(p) for p in self.W + self.b]

    def apply(self, name, Z):
        np = self.np
        if name == "relu":
            np.maximum(Z, 0, out=Z)
        elif name == "tanh":
            np.tanh(Z, out=Z)
        elif name == "sigmoid":
            np.negative(Z, out=Z)
            np.exp(Z, out=Z)
            Z += 1
            np.reciprocal(Z, out=Z)
        else:
            Z -= Z.max(axis=1, keepdims=True)
            np.exp(Z, out=Z)
            Z /= Z.sum(axis=1, keepdims=True)

    def pull_back(self, name, A, dZ):
        if name == "relu":
            dZ *= A > 0
        elif name == "tanh":
            dZ *= 1 - A * A
        elif name == "sigmoid":
            dZ *= A * (1 - A)

    def forward(self, X):
        np, case = self.np, self.case
        for l, (W, b, A) in enumerate(zip(self.W, self.b, self.A)):
            np.dot(X, W.T, out=A)
            A += b
            self.apply(case.output if l + 1 == len(self.W) else case.hidden, A)
            X = A
        return X

    def step(self, X, T):
        np, case = self.np, self.case
        Y = self.forward(X)
        np.subtract(Y, T, out=self.dZ[-1])
        self.dZ[-1] /= len(X)
        if case.loss == "squared_error":
            self.pull_back(case.output, Y, self.dZ[-1])
        for l in reversed(range(len(self.W))):
            below = self.A[l - 1] if l > 0 else X
            np.dot(self.dZ[l].T, below, out=self.dW[l])
            self.dZ[l].sum(axis=0, out=self.db[l])
            if l > 0:
                np.dot(self.dZ[l], self.W[l], out=self.dZ[l - 1])
                self.pull_back(case.hidden, below, self.dZ[l - 1])
        self.t += 1
        for p, g, m, v, s, s2 in zip(self.W + self.b, self.dW + self.db, self.m, self.v, self.scratch, self.scratch2):
            self.descend(p, g, m, v, s, s2)

    def descend(self, p, g, m, v, s, s2):
        np, case = self.np, self.case
        if case.rule == "sgd":
            g *= case.rate
            p -= g
        elif case.rule == "momentum":
            v *= 0.9
            v += g
            np.multiply(v, case.rate, out=s)
            p -= s
        else:
            m *= 0.9
            np.multiply(g, 0.1, out=s)
            m += s
            v *= 0.999
            np.multiply(g, g, out=s)
            s *= 0.001
            v += s
            np.multiply(v, 1 / (1 - 0.999 ** self.t), out=s)
            np.sqrt(s, out=s)
            s += 1e-8
            np.divide(m, s, out=s2)
            s2 *= case.rate / (1 - 0.9 ** self.t)
            p -= s2


def numpy_peer(precision, _threads):
    import numpy as np
    real = np.float64 if precision == "f64" else np.float32

    def run(case):
        rng = np.random.default_rng(2)
        X = rng.standard_normal((case.rows, case.widths[0])).astype(real)
        T = rng.random((case.rows, case.widths[-1])).astype(real)
        if case.loss == "cross_entropy":
            T = np.eye(case.widths[-1], dtype=real)[rng.integers(0, case.widths[-1], case.rows)]
        net = NumpyNetwork(np, case, real)
        rows = Slices(case, X, T)
        if case.way == "predicts":
            return measure(lambda: net.forward(X[:case.batch]), case.batch)
        return measure(lambda: net.step(*rows.next()), case.batch)

    return np.__version__, run


# ---- PyTorch --------------------------------------------------------------------------------------------------------------

def torch_peer(precision, threads):
    import torch
    from torch import nn
    torch.set_num_threads(threads)
    real = torch.float64 if precision == "f64" else torch.float32
    torch.set_default_dtype(real)
    units = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=1)}

    def network(case):
        layers = []
        for l, (i, o) in enumerate(zip(case.widths[:-1], case.widths[1:])):
            last = l + 2 == len(case.widths)
            layers.append(nn.Linear(i, o))
            if not (last and case.loss == "cross_entropy" and case.way == "trains"):  # its loss takes logits
                layers.append(units[case.output if last else case.hidden]())
        return nn.Sequential(*layers)

    def run(case):
        torch.manual_seed(1)
        X, net = torch.randn(case.rows, case.widths[0]), network(case)
        if case.way == "predicts":
            def predict():
                with torch.inference_mode():
                    net(X[:case.batch])
            return measure(predict, case.batch)
        classes = case.loss == "cross_entropy"
        T = torch.randint(case.widths[-1], (case.rows,)) if classes else torch.rand(case.rows, case.widths[-1])
        rows = Slices(case, X, T)
        rules = {"sgd": lambda p: torch.optim.SGD(p, case.rate),
                 "momentum": lambda p: torch.optim.SGD(p, case.rate, momentum=0.9),
                 "adam": lambda p: torch.optim.Adam(p, case.rate)}
        optimizer = rules[case.rule](net.parameters())

        def step():
            x, t = rows.next()
            optimizer.zero_grad(set_to_none=True)
            y = net(x)
            loss = nn.functional.cross_entropy(y, t) if classes else 0.5 * ((y - t) ** 2).sum(1).mean()
            loss.backward()
            optimizer.step()
        return measure(step, case.batch)

    return torch.__version__, run


def main():
    library, precision, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    try:
        version, run = {"numpy": numpy_peer, "torch": torch_peer}[library](precision, threads)
    except ImportError:
        return
    print(version, flush=True)
    for line in sys.stdin:
        print("%.1f" % run(Case(line)), flush=True)


if __name__ == "__main__":
    main()
