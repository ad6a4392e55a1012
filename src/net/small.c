// SPDX-License-Identifier: MIT
/*
 * Which networks are small, and which walk through them the processor can run.
 */
#include "net/small.h"

#include "math/kernels.h"
#include "math/products.h"
#include "net/small_levels.h"

#ifdef BACKPROP_X86_KERNELS
#define LEVEL(walks) (&(walks))
#else
#define LEVEL(walks) NULL
#endif

static bp_status look_and_predict(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y);

/* A prediction that finds no level looked up does that on its way: it is short enough for the question to count. */
static const struct bpi_small_walks not_looked_up = { .predict = look_and_predict };

static const struct bpi_small_walks *const levels[BPI_N_KERNEL_LEVELS + 1] = {
    [BPI_KERNELS_PLAIN] = &bpi_small_walks_plain,
    [BPI_KERNELS_AVX2] = LEVEL(bpi_small_walks_avx2),
    [BPI_KERNELS_AVX512] = LEVEL(bpi_small_walks_avx512),
    [BPI_N_KERNEL_LEVELS] = &not_looked_up,
};

static const struct bpi_small_walks *walks(void)
{
    return levels[bpi_kernels_level()];
}

static bp_status look_and_predict(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y)
{
    return walks()->predict(net, batch, X, Y);
}

static bool is_plain(const bp_layer *layer)
{
    return layer->custom == NULL && layer->normalization == BP_NO_NORMALIZATION && layer->dropout == (bp_real)0 &&
           bpi_kernels()->apply[layer->activation] != NULL;
}

bool bpi_network_is_small(const bp_network *net)
{
    if (net->n_layers > BPI_SMALL_LAYERS || net->n_in > BPI_SMALL_UNITS || net->parameters.n_params > BPI_SMALL_PARAMS)
        return false;
    size_t units = net->n_in;
    for (size_t l = 0; l < net->n_layers; l++) {
        units += net->layers[l].n_out;
        if (units > BPI_SMALL_UNITS || !is_plain(&net->layers[l]))
            return false;
    }
    return bpi_product_is_own(1);
}

bp_status bpi_small_predict(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y)
{
    return levels[atomic_load_explicit(&bpi_kernels_in_use, memory_order_relaxed)]->predict(net, batch, X, Y);
}

void bpi_small_forward(const bp_network *net, const bp_workspace *ws)
{
    walks()->forward(net, ws);
}

void bpi_small_backward(const bp_network *net, const struct bpi_small_errors *errors, const struct bpi_sink *sink)
{
    walks()->backward(net, errors, sink);
}

bool bpi_small_is_normal(const bp_network *net)
{
    return walks()->is_normal(net);
}

size_t bpi_small_steps(const bp_network *net, const struct bpi_small_batches *batches, const struct bpi_sink *sink,
                       double *L)
{
    return walks()->steps(net, batches, sink, L);
}

size_t bpi_small_epochs(const bp_network *net, const struct bpi_small_batches *batches, size_t n,
                        const struct bpi_sink *sink, double *L)
{
    return walks()->epochs(net, batches, n, sink, L);
}
