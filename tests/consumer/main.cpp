// SPDX-License-Identifier: MIT
/*
 * The same as main.c from C++17: the headers declare C functions, and the structs are aggregates with zero as the default.
 */
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <vector>

#include <backprop.h>

namespace
{

const std::vector<bp_real> X = { 0, 0, 0, 1, 1, 0, 1, 1 };
const std::vector<bp_real> T = { 0, 1, 1, 0 };

/* A C object that is freed with its scope. The library lets it be moved, but never copied. */
template <typename Object, void (*release)(Object *)> struct Owned : Object {
    Owned() : Object{}
    {
    }
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    ~Owned()
    {
        release(this);
    }
};

using Network = Owned<bp_network, bp_network_free>;
using Optimizer = Owned<bp_optimizer, bp_optimizer_free>;
using Workspace = Owned<bp_workspace, bp_workspace_free>;

bp_status make(bp_network &net)
{
    std::vector<bp_layer_config> layers(2);
    layers[0].n_out = 4;
    layers[0].activation = BP_TANH;
    layers[1].n_out = 1;
    layers[1].activation = BP_SIGMOID;
    bp_network_config config{};
    config.n_in = 2;
    config.n_layers = layers.size();
    config.layers = layers.data();
    return bp_network_init(&net, &config);
}

/* A callback without captures is a pointer to a function; what it keeps comes through `user`. */
bp_status train(bp_network &net, std::vector<bp_real> &losses)
{
    bp_dataset data{};
    data.rows = 4;
    data.n_in = 2;
    data.n_out = 1;
    data.X.data = X.data();
    data.T.data = T.data();

    Optimizer adam;
    bp_optimizer_config rule{};
    rule.kind = BP_ADAM;
    const bp_status status = bp_optimizer_init(&adam, &rule, &net.parameters);
    if (status != BP_OK)
        return status;

    bp_train_config config{};
    config.epochs = 200;
    config.user = &losses;
    config.on_epoch = [](const bp_progress *progress, void *user) {
        static_cast<std::vector<bp_real> *>(user)->push_back(progress->epoch_loss);
        return BP_CONTINUE;
    };
    return bp_train(&net, &adam, &data, &config, nullptr);
}

bp_status predict(const bp_network &net, std::vector<bp_real> &Y)
{
    Workspace ws;
    const bp_status status = bp_workspace_init(&ws, &net, Y.size(), BP_INFERENCE);
    return status != BP_OK ? status : bp_predict(&net, &ws, X.data(), Y.size(), Y.data());
}

} // namespace

int main()
{
    Network net;
    std::vector<bp_real> losses, Y(4);
    if (make(net) != BP_OK || train(net, losses) != BP_OK || predict(net, Y) != BP_OK) {
        std::cerr << "error: " << bp_error_message() << '\n';
        return EXIT_FAILURE;
    }
    bool are_finite = true;
    for (const bp_real y : Y)
        are_finite = are_finite && std::isfinite(y);
    std::cout << "libbackprop " << bp_version() << ", bp_real has " << sizeof(bp_real) << " bytes: loss " << losses.front()
              << " to " << losses.back() << '\n';
    return are_finite && losses.back() < losses.front() ? EXIT_SUCCESS : EXIT_FAILURE;
}
