// SPDX-License-Identifier: MIT
/*
 * A user's program, outside the project: makes a network, trains it a little on XOR, predicts. Exit status 0 if the loss fell
 * and the outputs are finite.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <backprop.h>

static const bp_real X[4][2] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } };
static const bp_real T[4][1] = { { 0 }, { 1 }, { 1 }, { 0 } };

static bp_status train(bp_network *net, int *loss_fell)
{
    const bp_dataset data = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = X }, .T = { .data = T } };
    const bp_optimizer_config rule = { .kind = BP_ADAM };
    const bp_train_config config = { .epochs = 200 };
    bp_optimizer adam;
    bp_train_report report = { 0 };
    bp_status status = bp_optimizer_init(&adam, &rule, &net->parameters);
    if (status == BP_OK)
        status = bp_train(net, &adam, &data, &config, &report);
    *loss_fell = status == BP_OK && report.losses[report.n_epochs - 1] < report.losses[0];
    bp_train_report_free(&report);
    bp_optimizer_free(&adam);
    return status;
}

static bp_status predict(const bp_network *net, int *are_finite)
{
    bp_workspace ws;
    bp_real Y[4] = { 0 };
    bp_status status = bp_workspace_init(&ws, net, 4, BP_INFERENCE);
    if (status == BP_OK)
        status = bp_predict(net, &ws, &X[0][0], 4, Y);
    bp_workspace_free(&ws);

    *are_finite = status == BP_OK;
    for (int i = 0; i < 4; i++) {
        printf("%.0f xor %.0f = %.3f\n", (double)X[i][0], (double)X[i][1], (double)Y[i]);
        *are_finite = *are_finite && isfinite(Y[i]);
    }
    return status;
}

int main(void)
{
    const bp_layer_config layers[] = { { .n_out = 4, .activation = BP_TANH }, { .n_out = 1, .activation = BP_SIGMOID } };
    const bp_network_config config = { .n_in = 2, .n_layers = 2, .layers = layers };
    bp_network net;
    int loss_fell = 0, are_finite = 0;
    bp_status status = bp_network_init(&net, &config);
    if (status == BP_OK)
        status = train(&net, &loss_fell);
    if (status == BP_OK)
        status = predict(&net, &are_finite);
    bp_network_free(&net);

    if (status != BP_OK)
        (void)fprintf(stderr, "error: %s\n", bp_error_message());
    printf("libbackprop %s, bp_real has %zu bytes\n", bp_version(), sizeof(bp_real));
    return loss_fell && are_finite ? EXIT_SUCCESS : EXIT_FAILURE;
}
