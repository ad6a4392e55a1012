// SPDX-License-Identifier: MIT
/*
 * Has FANN write the networks of this folder, and what they compute. See README.md.
 */
#include <doublefann.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 8 };

static unsigned seed = 1;

/* Uniform in [-span, span], in steps that a float holds. */
static double draw(double span)
{
    seed = seed * 1664525U + 1013904223U;
    return ((double)(seed >> 9) / (1 << 22) - 1) * span;
}

static void draw_weights(struct fann *ann, double span)
{
    for (unsigned i = 0; i < fann_get_total_connections(ann); i++)
        ann->weights[i] = draw(span);
}

/* Reads the file again, so that the outputs are those of what stands in it, and not of what stood in memory. */
static void save(struct fann *ann, const char *name, int is_scaled)
{
    char path[256];
    snprintf(path, sizeof path, "%s.net", name);
    fann_save(ann, path);
    fann_destroy(ann);
    ann = fann_create_from_file(path);
    const unsigned n_in = fann_get_num_input(ann), n_out = fann_get_num_output(ann);
    snprintf(path, sizeof path, "%s.data", name);
    FILE *file = fopen(path, "w");
    fprintf(file, "%d %u %u\n", ROWS, n_in, n_out);
    for (int row = 0; row < ROWS; row++) {
        double x[16], y[16];
        for (unsigned i = 0; i < n_in; i++)
            fprintf(file, "%.17g%c", x[i] = draw(2), i + 1 < n_in ? ' ' : '\n');
        if (is_scaled)
            fann_scale_input(ann, x);
        memcpy(y, fann_run(ann, x), n_out * sizeof *y);
        if (is_scaled)
            fann_descale_output(ann, y);
        for (unsigned i = 0; i < n_out; i++)
            fprintf(file, "%.17g%c", y[i], i + 1 < n_out ? ' ' : '\n');
    }
    fclose(file);
    fann_destroy(ann);
}

static void set_scaling(struct fann *ann, float low, float high)
{
    const unsigned n_in = fann_get_num_input(ann), n_out = fann_get_num_output(ann);
    struct fann_train_data *data = fann_create_train(5, n_in, n_out);
    for (int row = 0; row < 5; row++) {
        for (unsigned i = 0; i < n_in; i++)
            data->input[row][i] = 3.0 * i + draw(1.5);
        for (unsigned i = 0; i < n_out; i++)
            data->output[row][i] = 100.0 * i - 7 + draw(20);
    }
    fann_set_scaling_params(ann, data, -1, 1, low, high);
    fann_destroy_train(data);
}

/* One function in all layers. */
static void save_function(enum fann_activationfunc_enum function, const char *name, double steepness)
{
    struct fann *ann = fann_create_standard(3, 2, 3, 2);
    draw_weights(ann, 1.5);
    fann_set_activation_function_hidden(ann, function);
    fann_set_activation_function_output(ann, function);
    fann_set_activation_steepness_hidden(ann, steepness);
    fann_set_activation_steepness_output(ann, steepness);
    save(ann, name, 0);
}

static void save_deep(void)
{
    static const enum fann_activationfunc_enum functions[] = { FANN_ELLIOT, FANN_GAUSSIAN_SYMMETRIC,
                                                               FANN_SIN,    FANN_LINEAR_PIECE,
                                                               FANN_COS,    FANN_SIGMOID };
    struct fann *ann = fann_create_standard(7, 3, 5, 4, 4, 2, 6, 3);
    draw_weights(ann, 1);
    for (int l = 0; l < 6; l++) {
        fann_set_activation_function_layer(ann, functions[l], l + 1);
        fann_set_activation_steepness_layer(ann, 0.3 + 0.1 * l, l + 1);
    }
    save(ann, "deep", 0);
}

static void save_steepnesses(void)
{
    struct fann *ann = fann_create_standard(3, 2, 4, 2);
    draw_weights(ann, 1);
    fann_set_activation_function_hidden(ann, FANN_ELLIOT);
    fann_set_activation_function_output(ann, FANN_SIGMOID_SYMMETRIC);
    for (int i = 0; i < 4; i++)
        fann_set_activation_steepness(ann, 0.25 + 0.3 * i, 1, i);
    for (int i = 0; i < 2; i++)
        fann_set_activation_steepness(ann, 1.7 - i, 2, i);
    save(ann, "steepnesses", 0);
}

static void save_scaled(enum fann_activationfunc_enum output, const char *name)
{
    struct fann *ann = fann_create_standard(3, 3, 4, 2);
    draw_weights(ann, 1);
    fann_set_activation_function_hidden(ann, FANN_SIGMOID_SYMMETRIC);
    fann_set_activation_function_output(ann, output);
    set_scaling(ann, output == FANN_SIGMOID ? 0 : -1, 1);
    save(ann, name, 1);
}

static void save_trained_xor(void)
{
    struct fann *ann = fann_create_standard(3, 2, 3, 1);
    struct fann_train_data *data = fann_create_train(4, 2, 1);
    for (int row = 0; row < 4; row++) {
        data->input[row][0] = row / 2 * 2 - 1;
        data->input[row][1] = row % 2 * 2 - 1;
        data->output[row][0] = row == 1 || row == 2 ? 1 : -1;
    }
    draw_weights(ann, 1);
    fann_set_activation_function_hidden(ann, FANN_SIGMOID_SYMMETRIC);
    fann_set_activation_function_output(ann, FANN_SIGMOID_SYMMETRIC);
    fann_train_on_data(ann, data, 1000, 0, 0.0001F);
    fann_destroy_train(data);
    save(ann, "xor", 0);
}

int main(void)
{
    save_function(FANN_LINEAR, "linear", 0.5);
    save_function(FANN_SIGMOID, "sigmoid", 0.5);
    save_function(FANN_SIGMOID_SYMMETRIC, "sigmoid_symmetric", 1);
    save_function(FANN_GAUSSIAN, "gaussian", 0.7);
    save_function(FANN_GAUSSIAN_SYMMETRIC, "gaussian_symmetric", 0.25);
    save_function(FANN_ELLIOT, "elliot", 0.5);
    save_function(FANN_ELLIOT_SYMMETRIC, "elliot_symmetric", 2);
    save_function(FANN_LINEAR_PIECE, "linear_piece", 0.5);
    save_function(FANN_LINEAR_PIECE_SYMMETRIC, "linear_piece_symmetric", 0.5);
    save_function(FANN_SIN_SYMMETRIC, "sin_symmetric", 0.9);
    save_function(FANN_COS_SYMMETRIC, "cos_symmetric", 1);
    save_function(FANN_SIN, "sin", 0.5);
    save_function(FANN_COS, "cos", 1.1);
    save_deep();
    save_steepnesses();
    save_scaled(FANN_LINEAR, "scaled_linear");
    save_scaled(FANN_SIGMOID, "scaled_sigmoid");
    save_scaled(FANN_ELLIOT, "scaled_elliot");
    save_trained_xor();
    return EXIT_SUCCESS;
}
