// SPDX-License-Identifier: MIT
/*
 * 6. A network as C source, for places that this library does not reach: a microcontroller, a plug-in, a build without BLAS.
 *
 *   06_export_c [DIRECTORY]      learns the dew point of air and writes dewpoint.h and dewpoint.c (default: here)
 *   cc -std=c99 -DDEWPOINT_SELF_TEST_MAIN dewpoint.c -o test && ./test && echo right
 *
 * What is written needs nothing, not even libm, takes degrees and percent, as scaling is in the weights, and is used so:
 *
 *   #include "dewpoint.h"
 *   float air[DEWPOINT_N_IN] = { 21.5F, 40 }, dew[DEWPOINT_N_OUT];
 *   dewpoint_predict(air, dew);
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <backprop.h>

enum { TEMPERATURES = 31, HUMIDITIES = 18, ROWS = TEMPERATURES * HUMIDITIES };

static bp_real X[ROWS][2]; /* temperature in degrees Celsius, relative humidity in percent */
static bp_real T[ROWS][1]; /* dew point in degrees Celsius */

/* The Magnus formula: humidity is the ratio of two vapour pressures, 6.112 e^(17.62 t / (243.12 + t)) hPa at t degrees. */
static double dew_point(double temperature, double humidity)
{
    const double g = log(humidity / 100) + 17.62 * temperature / (243.12 + temperature);
    return 243.12 * g / (17.62 - g);
}

static void fill_table(void)
{
    for (int row = 0; row < ROWS; row++) {
        const int degrees = row / HUMIDITIES, percent = 15 + 5 * (row % HUMIDITIES);
        const double temperature = degrees, humidity = percent;
        X[row][0] = (bp_real)temperature;
        X[row][1] = (bp_real)humidity;
        T[row][0] = (bp_real)dew_point(temperature, humidity);
    }
}

static bp_status learn(bp_network *net)
{
    const bp_layer_config layers[] = { { .n_out = 12, .activation = BP_TANH },
                                       { .n_out = 12, .activation = BP_TANH },
                                       { .n_out = 1 } };
    const bp_dataset data = { .rows = ROWS, .n_in = 2, .n_out = 1, .X = { .data = X }, .T = { .data = T } };
    const bp_train_config config = {
        .epochs = 500, .batch = 18, .scale_inputs = BP_STANDARDISE, .scale_targets = BP_STANDARDISE
    };

    bp_optimizer adam = { 0 };
    bp_status status = bp_network_init(net, &(bp_network_config){ .n_in = 2, .n_layers = 3, .layers = layers });
    if (status == BP_OK)
        status = bp_optimizer_init(&adam, &(bp_optimizer_config){ .kind = BP_ADAM, .learning_rate = (bp_real)0.003 },
                                   &net->parameters);
    if (status == BP_OK)
        status = bp_train(net, &adam, &data, &config, NULL);
    bp_optimizer_free(&adam);
    return status;
}

/* The largest error over the table. */
static bp_status measure(const bp_network *net, bp_real *largest)
{
    static bp_real Y[ROWS];
    bp_workspace ws = { 0 };
    bp_status status = bp_workspace_init(&ws, net, ROWS, BP_INFERENCE);
    if (status == BP_OK)
        status = bp_predict(net, &ws, &X[0][0], ROWS, Y);
    *largest = 0;
    for (int row = 0; row < ROWS && status == BP_OK; row++)
        *largest = (bp_real)fmax((double)*largest, fabs((double)(Y[row] - T[row][0])));
    bp_workspace_free(&ws);
    return status;
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : ".";
    const char *const names[] = { "temperature in degrees Celsius", "relative humidity in percent" };
    const bp_export_c_config config = { .prefix = "dewpoint", .element = BP_F32 };

    bp_network net = { 0 };
    bp_real largest = 0;
    fill_table();
    bp_status status = learn(&net);
    if (status == BP_OK)
        status = measure(&net, &largest);
    if (status == BP_OK)
        status = bp_network_set_input_names(&net, names);
    if (status == BP_OK)
        status = bp_network_export_c(&net, directory, &config);
    bp_network_free(&net);

    if (status != BP_OK) {
        (void)fprintf(stderr, "error: %s\n", bp_error_message());
        return EXIT_FAILURE;
    }
    printf("%s/dewpoint.h and dewpoint.c are written; dew points are right to %.2f degrees\n", directory, (double)largest);
    return largest < (bp_real)0.5 ? EXIT_SUCCESS : EXIT_FAILURE;
}
