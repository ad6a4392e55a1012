#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Time to result on Fashion-MNIST by others; the settings are those of result.c.

    result.py LIBRARY PRECISION THREADS DIRECTORY ACCURACY      LIBRARY sklearn or torch, PRECISION f64 or f32

Reads a seed a line; answers with the seconds, epochs and held-out accuracy at the end of the first epoch that reaches
ACCURACY. The first line that it writes is the library's version.
"""
import gzip
import sys
import time

HIDDEN, CLASSES, BATCH, RATE, MOST_EPOCHS = 100, 10, 128, 0.001, 30


def read(np, directory, real):
    with gzip.open(directory + "/train-images-idx3-ubyte.gz") as file:
        X = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(real)
    with gzip.open(directory + "/train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    deviation = X.std(axis=0, dtype=np.float64)
    X = ((X - X.mean(axis=0, dtype=np.float64)) / np.where(deviation > 0, deviation, 1)).astype(real)
    n = len(X) - len(X) // 10
    return X[:n], labels[:n], X[n:], labels[n:]


def run_epochs(one_epoch, accuracy_now, wanted):
    started = time.perf_counter()
    for epoch in range(1, MOST_EPOCHS + 1):
        one_epoch()
        accuracy = accuracy_now()
        if accuracy >= wanted:
            break
    return time.perf_counter() - started, epoch, accuracy


def with_sklearn(np, real, _threads):
    import sklearn
    from sklearn.neural_network import MLPClassifier

    def run(data, seed, wanted):
        X, labels, X_out, labels_out = data
        # Its initial values are Glorot uniform, those of biases too; alpha 0: no penalty, as everywhere here.
        net = MLPClassifier((HIDDEN,), solver="adam", alpha=0, batch_size=BATCH, learning_rate_init=RATE, random_state=seed)
        return run_epochs(lambda: net.partial_fit(X, labels, classes=np.arange(CLASSES)),
                          lambda: net.score(X_out, labels_out), wanted)

    return sklearn.__version__, run


def with_torch(np, real, threads):
    import torch
    from torch import nn
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float64 if real == np.float64 else torch.float32)

    def network():
        net = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
        for layer in (net[0], net[2]):
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -bound, bound)
        return net

    def run(data, seed, wanted):
        X, labels, X_out, labels_out = (torch.from_numpy(a) for a in data)
        torch.manual_seed(seed)
        net = network()
        optimizer = torch.optim.Adam(net.parameters(), RATE)

        def one_epoch():
            order = torch.randperm(len(X))
            for first in range(0, len(X), BATCH):
                rows = order[first:first + BATCH]
                optimizer.zero_grad(set_to_none=True)
                nn.functional.cross_entropy(net(X[rows]), labels[rows]).backward()
                optimizer.step()

        def accuracy_now():
            with torch.inference_mode():
                return (net(X_out).argmax(1) == labels_out).double().mean().item()

        return run_epochs(one_epoch, accuracy_now, wanted)

    return torch.__version__, run


def main():
    library, precision, threads, directory, wanted = sys.argv[1:6]
    try:
        import numpy as np
        real = np.float64 if precision == "f64" else np.float32
        version, run = {"sklearn": with_sklearn, "torch": with_torch}[library](np, real, int(threads))
    except ImportError:
        return
    data = read(np, directory, real)
    print(version, flush=True)
    for line in sys.stdin:
        print("%.3f %d %.4f" % run(data, int(line), float(wanted)), flush=True)


if __name__ == "__main__":
    main()
