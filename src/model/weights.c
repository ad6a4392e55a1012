// SPDX-License-Identifier: MIT
/*
 * Weights by their names. One walk over layers and slots looks at every tensor; a second one, which cannot fail, copies.
 */
#include "backprop/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/tensors.h"
#include "net/network.h"
#include "store/contents.h"

enum { NAME_SIZE = 512 };

struct walk {
    const bp_network *net;
    const struct bpi_safetensors *st;
    const bp_weights_config *config;
};

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

/* What the names of a module's tensors begin with: prefix, name and a point, which goes with the name. `module` counts Sequential's. */
static bp_status begin_name(const struct walk *walk, size_t l, size_t module, bool of_normalization, char name[NAME_SIZE])
{
    const char *prefix = walk->config->prefix != NULL ? walk->config->prefix : "";
    int length;
    if (walk->config->modules == NULL) {
        length = snprintf(name, NAME_SIZE, "%s%zu.", prefix, module + (of_normalization ? 1 : 0));
    } else {
        const bp_module_names *given = &walk->config->modules[l];
        const char *own = of_normalization ? given->normalization : given->linear;
        length = snprintf(name, NAME_SIZE, "%s%s%s", prefix, own, own[0] == '\0' ? "" : ".");
    }
    if ((unsigned)length >= NAME_SIZE - 32U) /* room for the field; or so long that snprintf() fails */
        return bpi_fail(BP_ERR_ARGUMENT,
                        "bp_network_load_weights: layer %zu: the name of its module is longer than %d bytes", l,
                        NAME_SIZE - 33);
    return BP_OK;
}

/* Puts the field behind the point: there is room for it. */
static void complete_name(char name[NAME_SIZE], const char *field)
{
    memcpy(name + strlen(name), field, strlen(field) + 1);
}

static bp_status check_names(const struct walk *walk)
{
    for (size_t l = 0; walk->config->modules != NULL && l < walk->net->n_layers; l++) {
        const bp_module_names *names = &walk->config->modules[l];
        const bool is_normalized = walk->net->layers[l].normalization != BP_NO_NORMALIZATION;
        if (names->linear == NULL || (names->normalization == NULL) == is_normalized)
            return bpi_fail(BP_ERR_ARGUMENT, "bp_network_load_weights: layer %zu: expected a name for W and b%s", l,
                            is_normalized ? ", and one for the normalization" : " alone, there is no normalization");
    }
    return BP_OK;
}

/* ---- Looking --------------------------------------------------------------------------------------------------------- */

/* The numbers from `first` on, as many as fit. */
static struct bpi_tensor piece_of(const struct bpi_tensor *tensor, size_t first, size_t most)
{
    static const size_t sizes[] = { [BPI_F64] = 8, [BPI_F32] = 4, [BPI_F16] = 2, [BPI_BF16] = 2 };
    struct bpi_tensor piece = *tensor;
    piece.n = tensor->n - first < most ? tensor->n - first : most;
    piece.bytes += first * sizes[tensor->dtype];
    return piece;
}

/* All numbers are finite, and variances not negative. */
static bp_status check_numbers(const struct walk *walk, const char *name, const struct bpi_tensor *tensor, bool is_variance)
{
    enum { PIECE = 256 };
    bp_real values[PIECE];
    for (size_t first = 0; first < tensor->n; first += PIECE) {
        const struct bpi_tensor piece = piece_of(tensor, first, PIECE);
        bpi_tensor_to_reals(&piece, values);
        for (size_t i = 0; i < piece.n; i++) {
            if (!isfinite(values[i]))
                return bpi_fail(BP_ERR_NONFINITE, "%s: tensor '%s': number %zu is not finite", walk->st->name, name,
                                first + i);
            if (is_variance && values[i] < (bp_real)0)
                return bpi_fail(BP_ERR_FORMAT, "%s: tensor '%s': number %zu is below 0, and no variance", walk->st->name,
                                name, first + i);
        }
    }
    return BP_OK;
}

/* Visits the tensor of a slot: `name` is what it begins with, and is completed. */
typedef bp_status visitor(const struct walk *walk, const bp_layer *layer, size_t slot, const char *name);

static bp_status look(const struct walk *walk, const bp_layer *layer, size_t slot, const char *name)
{
    const struct bpi_layer_form form = bpi_form_of_layer(layer);
    uint64_t dims[2];
    struct bpi_tensor tensor;
    const size_t n_dims = bpi_slot_dims(&form, slot, dims);
    BPI_TRY(bpi_expect_reals(walk->st, name, n_dims, dims, &tensor));
    return check_numbers(walk, name, &tensor, bpi_slots[slot].is_variance);
}

static bp_status take(const struct walk *walk, const bp_layer *layer, size_t slot, const char *name)
{
    struct bpi_tensor tensor;
    (void)bpi_safetensors_find(walk->st, name, &tensor); /* was looked at before */
    bpi_tensor_to_reals(&tensor, bpi_slot_array(layer, slot));
    return BP_OK;
}

static bp_status visit_layer(const struct walk *walk, size_t l, size_t module, visitor *visit)
{
    const bp_layer *layer = &walk->net->layers[l];
    const struct bpi_layer_form form = bpi_form_of_layer(layer);
    for (size_t slot = 0; slot < BPI_N_SLOTS; slot++) {
        char name[NAME_SIZE];
        if (!bpi_slot_exists(&form, slot))
            continue;
        BPI_TRY(begin_name(walk, l, module, bpi_slots[slot].is_normalization, name));
        complete_name(name, bpi_slots[slot].field);
        BPI_TRY(visit(walk, layer, slot, name));
    }
    return BP_OK;
}

static bp_status visit_all(const struct walk *walk, visitor *visit)
{
    size_t module = 0;
    for (size_t l = 0; l < walk->net->n_layers; l++) {
        const struct bpi_layer_form form = bpi_form_of_layer(&walk->net->layers[l]);
        BPI_TRY(visit_layer(walk, l, module, visit));
        module += bpi_form_modules(&form);
    }
    return BP_OK;
}

/* Visits a module: `name` is what the names of its tensors begin with, and may be completed. */
typedef bp_status module_visitor(const struct walk *walk, bool is_normalization, char name[NAME_SIZE]);

static bp_status visit_modules(const struct walk *walk, module_visitor *visit)
{
    size_t module = 0;
    for (size_t l = 0; l < walk->net->n_layers; l++) {
        const struct bpi_layer_form form = bpi_form_of_layer(&walk->net->layers[l]);
        for (int n = 0; n < (form.normalization != BP_NO_NORMALIZATION ? 2 : 1); n++) {
            char name[NAME_SIZE];
            (void)begin_name(walk, l, module, n == 1, name); /* fits, as it did before */
            BPI_TRY(visit(walk, n == 1, name));
        }
        module += bpi_form_modules(&form);
    }
    return BP_OK;
}

/* PyTorch counts the batches that running statistics have seen: not needed, and so used. */
static bp_status use_count(const struct walk *walk, bool is_normalization, char name[NAME_SIZE])
{
    struct bpi_tensor tensor;
    complete_name(name, "num_batches_tracked");
    if (is_normalization)
        (void)bpi_safetensors_find(walk->st, name, &tensor);
    return BP_OK;
}

static bp_status check_module(const struct walk *walk, bool is_normalization, char name[NAME_SIZE])
{
    (void)is_normalization;
    return bpi_safetensors_check_used(walk->st, name, NULL, NULL, NULL);
}

/*
 * No module has more than what was looked at. With names given, these are all modules there are; else everything behind the
 * prefix. All counts are used first: modules may stand one in another, "fc1" and "fc1.norm".
 */
static bp_status check_extra(const struct walk *walk)
{
    (void)visit_modules(walk, use_count); /* has nothing to fail */
    if (walk->config->modules != NULL)
        return visit_modules(walk, check_module);
    return bpi_safetensors_check_used(walk->st, walk->config->prefix != NULL ? walk->config->prefix : "", NULL, NULL, NULL);
}

/* ---- All of it ------------------------------------------------------------------------------------------------------- */

static bp_status take_over(bp_network *net, struct bpi_safetensors *st, const bp_weights_config *config)
{
    const struct walk walk = { .net = net, .st = st, .config = config };
    bp_status status = visit_all(&walk, look);
    if (status == BP_OK)
        status = check_extra(&walk);
    if (status == BP_OK)
        status = visit_all(&walk, take);
    bpi_safetensors_free(st);
    return status;
}

static bp_status begin(const char *function, const bp_network *net, const bp_weights_config **config,
                       bp_allocator *allocator)
{
    static const bp_weights_config defaults = { 0 };
    if (*config == NULL)
        *config = &defaults;
    BPI_TRY(bpi_network_check(function, "net", net));
    BPI_TRY(bpi_check_allocator(function, (*config)->allocator));
    *allocator = bpi_allocator_or_default((*config)->allocator);
    const struct walk walk = { .net = net, .config = *config };
    return check_names(&walk);
}

bp_status bp_network_load_weights(bp_network *net, const char *path, const bp_weights_config *config)
{
    struct bpi_safetensors st;
    bp_allocator allocator;
    BPI_TRY(begin(__func__, net, &config, &allocator));
    BPI_NOT_NULL(path);
    BPI_TRY(bpi_safetensors_read_path(&st, path, &allocator));
    return take_over(net, &st, config);
}

bp_status bp_network_load_weights_memory(bp_network *net, const void *bytes, size_t size, const bp_weights_config *config)
{
    struct bpi_safetensors st;
    bp_allocator allocator;
    BPI_TRY(begin(__func__, net, &config, &allocator));
    BPI_NOT_NULL(bytes);
    BPI_TRY(bpi_safetensors_read_memory(&st, bytes, size, &allocator));
    return take_over(net, &st, config);
}
