// SPDX-License-Identifier: MIT
/*
 * Settings and data that make no training run, each with its sentence.
 */
#include "train/check.h"

#include "base/memory.h"
#include "base/status.h"
#include "math/loss.h"
#include "net/network.h"
#include "optim/optimizer.h"

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

static bp_status check_at_least_0(const char *name, bp_real x)
{
    if (!(x >= (bp_real)0) || !isfinite(x))
        return bpi_fail(BP_ERR_ARGUMENT, "training: %s is %g, expected a finite number >= 0", name, (double)x);
    return BP_OK;
}

bp_status bpi_check_scaling_kind(const char *function, const char *name, bp_scaling_kind kind)
{
    if ((size_t)kind >= BP_N_SCALING_KINDS)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: %s: %d is no scaling", function, name, (int)kind);
    return BP_OK;
}

static bp_status check_numbers(const bp_train_config *config)
{
    const bp_real fraction = config->validation_fraction;
    BPI_TRY(check_at_least_0("target_loss", config->target_loss));
    BPI_TRY(check_at_least_0("input_noise", config->input_noise));
    BPI_TRY(check_at_least_0("min_improvement", config->min_improvement));
    if (!(fraction >= (bp_real)0 && fraction < (bp_real)1))
        return bpi_fail(BP_ERR_ARGUMENT, "training: validation_fraction is %g, expected 0 <= validation_fraction < 1",
                        (double)fraction);
    BPI_TRY(bpi_check_scaling_kind("training", "scale_inputs", config->scale_inputs));
    BPI_TRY(bpi_check_scaling_kind("training", "scale_targets", config->scale_targets));
    return bp_schedule_check(&config->schedule);
}

/* Settings that only mean something together with others. */
static bp_status check_validation(const bp_train_config *config)
{
    const bool splits = config->validation_fraction > (bp_real)0, validates = splits || config->validation != NULL;
    const struct {
        const char *name;
        bool is_set, has_what_it_needs;
        const char *needs;
    } settings[] = {
        { "patience", config->patience != 0, validates, "validation or validation_fraction" },
        { "restore_best", config->restore_best, validates, "validation or validation_fraction" },
        { "min_improvement", config->min_improvement > (bp_real)0, config->patience != 0, "patience" },
        { "stratified", config->stratified, splits, "validation_fraction" },
    };
    if (splits && config->validation != NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "training: both validation and validation_fraction are given");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (settings[i].is_set && !settings[i].has_what_it_needs)
            return bpi_fail(BP_ERR_ARGUMENT, "training: %s needs %s", settings[i].name, settings[i].needs);
    return BP_OK;
}

bp_status bpi_check_rows(const char *function, const bp_dataset *data, const size_t *rows, size_t n_rows)
{
    if (rows != NULL && n_rows == 0)
        return bpi_fail(BP_ERR_SHAPE, "%s: n_rows is 0", function);
    for (size_t i = 0; rows != NULL && i < n_rows; i++)
        if (rows[i] >= data->rows)
            return bpi_fail(BP_ERR_SHAPE, "%s: rows[%zu] is %zu, the data have %zu rows", function, i, rows[i], data->rows);
    return BP_OK;
}

/* ---- Network and data ------------------------------------------------------------------------------------------------ */

static bp_activation output_of(const bp_network *net)
{
    return net->layers[net->n_layers - 1].activation;
}

static bp_status check_params(const bp_parameters *parameters)
{
    for (size_t i = 0; i < parameters->n_params; i++)
        if (!isfinite(parameters->params[i]))
            return bpi_fail(BP_ERR_NONFINITE, "training: parameter %zu is %g before training", i,
                            (double)parameters->params[i]);
    return BP_OK;
}

bp_status bpi_check_data(const char *function, const bp_network *net, const bp_dataset *data, const bp_loss *loss)
{
    if (data->n_in != net->n_in || data->n_out != net->n_out)
        return bpi_fail(BP_ERR_SHAPE, "%s: the data have %zu inputs and %zu outputs, the network %zu and %zu", function,
                        data->n_in, data->n_out, net->n_in, net->n_out);
    return bp_dataset_check(data, loss);
}

bp_status bpi_check_scaled_targets(const char *function, const bp_network *net, const bp_dataset *data, const bp_loss *loss)
{
    if (output_of(net) == BP_SIGMOID || output_of(net) == BP_SOFTMAX)
        return bpi_fail(BP_ERR_UNSUPPORTED, "%s: the targets of a %s output are probabilities, which are not scaled",
                        function, bp_activation_name(output_of(net)));
    if (loss != NULL && bpi_loss(loss->kind)->range != BPI_ANY_TARGET)
        return bpi_fail(BP_ERR_UNSUPPORTED, "%s: scaled targets may be below 0, which %s does not take", function,
                        bp_loss_name(loss->kind));
    if (data->labels.data != NULL)
        return bpi_fail(BP_ERR_UNSUPPORTED, "%s: labels are classes, which are not scaled, but the network's outputs are",
                        function);
    return BP_OK;
}

static bp_status check_target_scaling(const bp_network *net, const bp_dataset *data, const bp_train_config *config)
{
    if (config->scale_targets == BP_SCALE_NONE && !net->scales_outputs)
        return BP_OK;
    BPI_TRY(bpi_check_scaled_targets("training", net, data, &config->loss));
    return config->validation != NULL ? bpi_check_scaled_targets("training", net, config->validation, &config->loss)
                                      : BP_OK;
}

bp_status bpi_train_check(const bp_network *net, const bp_optimizer *opt, const bp_dataset *data,
                          const bp_train_config *config)
{
    BPI_TRY(bpi_network_check("training", "net", net));
    BPI_TRY(bpi_optimizer_check("training", opt, &net->parameters));
    if (data == NULL || config == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "training: %s is NULL", data == NULL ? "data" : "config");
    BPI_TRY(bpi_check_allocator("training", config->allocator));
    BPI_TRY(check_numbers(config));
    BPI_TRY(check_validation(config));
    BPI_TRY(bpi_loss_check(&config->loss, output_of(net), net->n_out));
    BPI_TRY(check_target_scaling(net, data, config));
    BPI_TRY(bpi_check_data("training", net, data, &config->loss));
    if (config->validation != NULL)
        BPI_TRY(bpi_check_data("training: validation", net, config->validation, &config->loss));
    return check_params(&net->parameters);
}
