// SPDX-License-Identifier: MIT
// Runs ONNX files in ONNX Runtime and compares with the library's outputs: compare.js RUNTIME LIST FOLDER, RUNTIME being the
// folder of the package onnxruntime-node, LIST what export_all wrote on its standard output.
'use strict';
const fs = require('fs');
const path = require('path');

const [runtime, list, folder] = process.argv.slice(2);
const ort = require(path.resolve(runtime));

function readNumbers(file) {
    const bytes = fs.readFileSync(file);
    const numbers = new Float64Array(bytes.length / 8);
    for (let i = 0; i < numbers.length; i++) numbers[i] = bytes.readDoubleLE(8 * i);
    return numbers;
}

// The greatest difference in a row as a part of its largest number, or of `floor` where that is more; infinite where something
// is not a number.
function worstDifference(actual, expected, rows, columns, floor) {
    let worst = 0;
    for (let i = 0; i < rows; i++) {
        let difference = 0, largest = floor;
        for (let j = i * columns; j < (i + 1) * columns; j++) {
            const d = Math.abs(actual[j] - expected[j]);
            difference = d <= difference ? difference : d; // a NaN stays
            largest = Math.max(largest, Math.abs(expected[j]));
        }
        if (difference !== 0) worst = Math.max(worst, difference / largest);
        if (Number.isNaN(worst)) return Infinity;
    }
    return worst;
}

async function run(network) {
    const X = readNumbers(path.join(folder, network.name + '.in'));
    const expected = readNumbers(path.join(folder, network.name + '.out'));
    const isDouble = network.element === 'f64';
    const session = await ort.InferenceSession.create(path.join(folder, network.name + '.onnx'), { logSeverityLevel: 3 });
    const tensor = new ort.Tensor(isDouble ? 'float64' : 'float32', isDouble ? X : Float32Array.from(X),
        [network.rows, network.inputs]);
    const { Y } = await session.run({ X: tensor });
    if (Y.type !== tensor.type || Y.dims.join() !== [network.rows, network.outputs].join())
        throw new Error(`${network.name}: Y is ${Y.type} ${Y.dims}`);
    return worstDifference(Y.data, expected, network.rows, network.outputs, network.floor);
}

async function main() {
    const lines = fs.readFileSync(list, 'utf8').trim().split('\n');
    const worst = new Map();
    let failures = 0;
    for (const line of lines) {
        const [name, activation, element, rows, inputs, outputs, bound, floor] = line.split(' ');
        const network = { name, element, rows: Number(rows), inputs: Number(inputs), outputs: Number(outputs),
            floor: Number(floor) };
        let difference = Infinity;
        try {
            difference = await run(network);
        } catch (error) {
            console.error(String(error).trim());
        }
        if (!(difference <= Number(bound))) {
            failures++;
            console.error(`compare.js: ${name}: differs by ${difference.toExponential(2)}, bound ${bound}`);
        }
        const key = `${activation} ${element} ${bound}`;
        const seen = worst.get(key) || { n: 0, difference: 0 };
        worst.set(key, { n: seen.n + 1, difference: Math.max(seen.difference, difference) });
    }
    console.log('activation     element  networks  worst      bound');
    for (const [key, { n, difference }] of [...worst].sort()) {
        const [activation, element, bound] = key.split(' ');
        console.log(`${activation.padEnd(14)} ${element.padEnd(8)} ${String(n).padEnd(9)} ` +
            `${difference.toExponential(2).padEnd(10)} ${bound}`);
    }
    console.log(`ONNX Runtime ${ort.env.versions ? ort.env.versions.node : ''}: ${lines.length} networks, ${failures} beyond ` +
        'their bound; differences are parts of the largest output of a row');
    if (lines.length === 0 || failures > 0) process.exitCode = 1;
}

main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
