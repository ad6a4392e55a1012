// SPDX-License-Identifier: MIT
/*
 * Backpropagation against differences of the loss, component by component.
 *
 * With D(h) = (L(p + h) - L(p - h)) / 2h = L' + c h^2 + O(h^4), the combination (4 D(h/2) - D(h)) / 3 loses the term
 * in h^2 (Richardson). Where a unit changes its piece of a relu, or an output its piece of the loss, between p - h and
 * p + h, L is not smooth there and h is made smaller. Both workspaces keep seed and pass 0, so both drop out the same.
 */
#include "base/real.h"

#include "backprop/gradient_check.h"

#include <string.h>

#include "backprop/propagation.h"
#include "base/memory.h"
#include "base/status.h"
#include "math/activation.h"
#include "math/loss.h"

enum { HALVINGS = 6 }; /* of h, before a component counts as lying at a kink */

/* A copy of the network with two workspaces: one holds the point itself, the other its surroundings. */
struct check {
    bp_network net;
    bp_workspace at_point, beside;
    const bp_loss *loss;
    const bp_targets *T;
    size_t batch;
    bp_allocator allocator;
    void *block;
    bp_real *X, *grad, *dX;
};

/* ---- Setting up ------------------------------------------------------------------------------------------------------ */

static bp_status reserve_arrays(struct check *check, const bp_real *X)
{
    struct bpi_plan plan = { 0 };
    const size_t n_params = check->net.parameters.n_params, n_in = check->net.n_in;
    const size_t x = bpi_plan_matrix(&plan, check->batch, n_in, sizeof(bp_real));
    const size_t dx = bpi_plan_matrix(&plan, check->batch, n_in, sizeof(bp_real));
    const size_t grad = bpi_plan_array(&plan, n_params, sizeof(bp_real));
    BPI_TRY(bpi_plan_allocate(&plan, "bp_gradient_check", &check->allocator, &check->block));

    check->X = bpi_place(check->block, x);
    check->dX = bpi_place(check->block, dx);
    check->grad = bpi_place(check->block, grad);
    memcpy(check->X, X, check->batch * n_in * sizeof(bp_real));
    return BP_OK;
}

static bp_status set_up(struct check *check, const bp_network *net, const bp_real *X)
{
    BPI_TRY(bp_network_clone(&check->net, net, NULL));
    check->allocator = check->net.allocator;
    BPI_TRY(bp_workspace_init(&check->at_point, &check->net, check->batch, BP_TRAINING));
    BPI_TRY(bp_workspace_init(&check->beside, &check->net, check->batch, BP_TRAINING));
    return reserve_arrays(check, X);
}

static void tear_down(struct check *check)
{
    bpi_release(&check->allocator, check->block);
    bp_workspace_free(&check->beside);
    bp_workspace_free(&check->at_point);
    bp_network_free(&check->net);
}

static bp_status analytic_gradient(struct check *check)
{
    BPI_TRY(bp_network_forward(&check->net, &check->at_point, check->X, check->batch));
    BPI_TRY(bp_network_loss(&check->net, &check->at_point, check->loss, check->T, NULL));
    return bp_network_backward(&check->net, &check->at_point, NULL, check->grad, check->dX, BP_OVERWRITE);
}

/* ---- Differences ----------------------------------------------------------------------------------------------------- */

/* Whether every unit of both workspaces is on the same piece of its activation. */
static bool same_pieces(const struct check *check)
{
    for (size_t l = 0; l < check->net.n_layers; l++) {
        const bpi_piece piece = bpi_activation(check->net.layers[l].activation)->piece;
        const size_t n = check->batch * check->net.layers[l].n_out;
        const bp_real *Z = check->at_point.Z[l], *F = check->at_point.F[l];
        const bp_real *Z_beside = check->beside.Z[l], *F_beside = check->beside.F[l];
        for (size_t i = 0; piece != NULL && i < n; i++)
            if (piece(Z[i], F[i]) != piece(Z_beside[i], F_beside[i]))
                return false;
    }
    return true;
}

/* The target of output j of row i. Losses made of pieces do not smooth labels. */
static bp_real target(const struct check *check, size_t i, size_t j)
{
    const size_t n = check->net.n_out;
    const bp_targets *T = check->T;
    if (T->values != NULL)
        return T->values[i * n + j];
    return (bp_real)(n == 1 ? T->labels[i] : T->labels[i] == (int32_t)j);
}

/* Whether every output of both workspaces is on the same piece of the loss. */
static bool same_pieces_of_loss(const struct check *check)
{
    const bpi_loss_piece piece = bpi_loss(check->loss->kind)->piece;
    const bp_real parameter = bpi_loss_parameter(check->loss);
    const size_t n = check->net.n_out;
    for (size_t i = 0; piece != NULL && i < check->batch; i++)
        for (size_t j = 0; j < n; j++) {
            const bp_real t = target(check, i, j);
            if (piece(check->at_point.Y[i * n + j], t, parameter) != piece(check->beside.Y[i * n + j], t, parameter))
                return false;
        }
    return true;
}

/* L where *p has another value; *smooth becomes false if a kink lies between. */
static bp_status loss_beside(struct check *check, bp_real *p, bp_real value, double *L, bool *smooth)
{
    const bp_real kept = *p;
    bp_real loss;
    *p = value;
    bp_status status = bp_network_forward(&check->net, &check->beside, check->X, check->batch);
    if (status == BP_OK)
        status = bp_network_loss(&check->net, &check->beside, check->loss, check->T, &loss);
    *p = kept;
    BPI_TRY(status);
    *L = (double)loss;
    *smooth = *smooth && same_pieces(check) && same_pieces_of_loss(check);
    return BP_OK;
}

/* D(h). The step is what the number format makes of it: p + h and p - h as they are, not h. */
static bp_status central_difference(struct check *check, bp_real *p, double h, double *D, bool *smooth)
{
    const bp_real above = (bp_real)((double)*p + h), below = (bp_real)((double)*p - h);
    double L_above, L_below;
    BPI_TRY(loss_beside(check, p, above, &L_above, smooth));
    BPI_TRY(loss_beside(check, p, below, &L_below, smooth));
    *D = (L_above - L_below) / ((double)above - (double)below);
    return BP_OK;
}

static bp_status numeric_component(struct check *check, bp_real *p, double *numeric, bool *smooth)
{
    double h = 2 * pow((double)BP_REAL_EPSILON, 0.2) * fmax(1, fabs((double)*p));
    *numeric = 0;
    *smooth = false;
    for (int i = 0; i <= HALVINGS && !*smooth; i++) {
        double coarse, fine;
        h /= 2;
        *smooth = true;
        BPI_TRY(central_difference(check, p, h, &coarse, smooth));
        BPI_TRY(central_difference(check, p, h / 2, &fine, smooth));
        *numeric = (4 * fine - coarse) / 3;
    }
    return BP_OK;
}

/* ---- Comparing ------------------------------------------------------------------------------------------------------- */

static double largest_magnitude(const bp_real *x, size_t n, double so_far)
{
    for (size_t i = 0; i < n; i++)
        so_far = fmax(so_far, fabs((double)x[i]));
    return so_far;
}

static double relative_error(double analytic, double numeric, double largest)
{
    const double scale = fmax(fmax(fabs(analytic), fabs(numeric)), 1e-8 * largest);
    if (!isfinite(analytic) || !isfinite(numeric))
        return (double)BP_REAL_MAX; /* worse than anything else, and still a number to compare with */
    return scale > 0 ? fabs(analytic - numeric) / scale : 0;
}

/* Compares n components, p[i] with gradient a[i], and keeps the worst. */
static bp_status compare(struct check *check, bp_real *p, const bp_real *a, size_t n, double largest, bool in_input,
                         bp_gradient_check_report *worst)
{
    for (size_t i = 0; i < n; i++) {
        double numeric;
        bool smooth;
        BPI_TRY(numeric_component(check, &p[i], &numeric, &smooth));
        if (!smooth) {
            worst->n_at_kink++;
            continue;
        }
        worst->n_checked++;
        const double error = relative_error((double)a[i], numeric, largest);
        if (error > (double)worst->max_relative_error) {
            worst->max_relative_error = (bp_real)error;
            worst->analytic = a[i];
            worst->numeric = (bp_real)numeric;
            worst->in_input = in_input;
            worst->index = i;
        }
    }
    return BP_OK;
}

/* Fills in where the worst component is, from its index. */
static void locate(const bp_network *net, bp_gradient_check_report *worst)
{
    if (worst->in_input) {
        worst->row = worst->index / net->n_in;
        worst->column = worst->index % net->n_in;
        return;
    }
    const bp_segment *segment = bp_parameters_segment(&net->parameters, worst->index);
    const size_t columns = segment->n / segment->rows, within = worst->index - segment->offset;
    worst->layer = segment->layer;
    worst->kind = segment->kind;
    worst->row = within / columns;
    worst->column = within % columns;
}

static bp_status compare_all(struct check *check, bp_gradient_check_report *worst)
{
    const size_t n_params = check->net.parameters.n_params, n_X = check->batch * check->net.n_in;
    BPI_TRY(analytic_gradient(check));
    const double largest = largest_magnitude(check->dX, n_X, largest_magnitude(check->grad, n_params, 0));
    BPI_TRY(compare(check, check->net.parameters.params, check->grad, n_params, largest, false, worst));
    BPI_TRY(compare(check, check->X, check->dX, n_X, largest, true, worst));
    locate(&check->net, worst);
    return BP_OK;
}

bp_status bp_gradient_check(const bp_network *net, const bp_loss *loss, const bp_real *X, const bp_targets *T, size_t batch,
                            bp_gradient_check_report *report)
{
    BPI_NOT_NULL(report);
    *report = (bp_gradient_check_report){ 0 };
    BPI_NOT_NULL(loss);
    BPI_NOT_NULL(X);
    BPI_NOT_NULL(T);

    struct check check = { .loss = loss, .T = T, .batch = batch };
    bp_gradient_check_report worst = { 0 };
    bp_status status = set_up(&check, net, X);
    if (status == BP_OK)
        status = compare_all(&check, &worst);
    tear_down(&check);
    if (status == BP_OK)
        *report = worst;
    return status;
}
