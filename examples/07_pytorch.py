# SPDX-License-Identifier: MIT
"""The Python half of 07_pytorch.c (needs the packages torch and safetensors).

    python3 07_pytorch.py load model.safetensors     a network that 07_pytorch.c exported
    python3 07_pytorch.py save weights.safetensors   a module of this side, for 07_pytorch.c to import
"""
import sys

import torch
from safetensors.torch import load_file, save_file


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(4, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.fc2 = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.fc2(torch.relu(self.norm(self.fc1(x))))


def print_outputs(net):
    net.eval()
    with torch.no_grad():
        print("outputs for 1, 2, 3, 4:", *(f"{y:.6f}" for y in net(torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.float64))[0]))


command, path = sys.argv[1:]
if command == "load":
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
    net.load_state_dict(load_file(path))
else:
    net = Classifier().double()
    save_file(net.state_dict(), path)
print_outputs(net)
