// SPDX-License-Identifier: MIT
/*
 * Makes those seeds that are the library's own files: models, and checkpoints where the library has them; whole and damaged. The
 * double-precision build made the committed ones:
 *
 *   make_corpus tests/fuzz/corpus
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/container.h"
#ifdef HAS_CHECKPOINTS
#include "fuzz_run.h"
#endif

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

static const char *corpus;

static void write_file(const char *target, const char *name, const void *bytes, size_t n)
{
    char path[4096];
    require(snprintf(path, sizeof path, "%s/%s/%s", corpus, target, name) < (int)sizeof path);
    FILE *file = fopen(path, "wb");
    require(file != NULL && fwrite(bytes, 1, n, file) == n && fclose(file) == 0);
}

/* The file itself; cut; with a byte too many; and with one byte in `places` of it changed, under a right checksum. */
static void write_variants(const char *target, const char *name, const bp_bytes *bytes, unsigned places)
{
    char variant[128];
    unsigned char *copy = malloc(bytes->size + 1);
    require(copy != NULL);
    memcpy(copy, bytes->data, bytes->size);
    copy[bytes->size] = 0;
    write_file(target, name, copy, bytes->size);
    (void)snprintf(variant, sizeof variant, "%s-cut", name);
    write_file(target, variant, copy, bytes->size * 2 / 3);
    (void)snprintf(variant, sizeof variant, "%s-longer", name);
    write_file(target, variant, copy, bytes->size + 1);
    for (unsigned i = 0; i < places; i++) {
        memcpy(copy, bytes->data, bytes->size);
        copy[bytes->size * (i + 1) / (places + 1)] ^= (unsigned char)(1U << i % 7);
        (void)test_mend_checksum(copy, bytes->size);
        (void)snprintf(variant, sizeof variant, "%s-damaged-%u", name, i);
        write_file(target, variant, copy, bytes->size);
    }
    free(copy);
}

/* ---- Models ---------------------------------------------------------------------------------------------------------- */

static void nothing_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    memmove(A, Z, rows * n * sizeof *A);
}

static void nothing_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                              const bp_real *dA, bp_real *dZ)
{
    (void)parameter, (void)user, (void)Z, (void)A;
    memmove(dZ, dA, rows * n * sizeof *dZ);
}

static const bp_activation_function custom = { .name = "custom", .apply = nothing_apply, .pull_back = nothing_pull_back };

static const bp_layer_config linear[] = { { .n_out = 1 } };
static const bp_layer_config deep[] = { { .n_out = 3, .activation = BP_LEAKY_RELU, .no_bias = true, .frozen = true },
                                        { .n_out = 2, .activation = BP_CUSTOM_ACTIVATION, .custom = &custom },
                                        { .n_out = 3, .activation = BP_SOFTMAX } };
static const bp_layer_config normalized[] = {
    { .n_out = 2, .activation = BP_RELU, .normalization = BP_BATCH_NORMALIZATION, .dropout = R(0.5) },
    { .n_out = 2, .activation = BP_ELU, .normalization = BP_LAYER_NORMALIZATION },
    { .n_out = 1, .activation = BP_SIGMOID }
};

static void make_model(const char *name, const bp_layer_config *layers, size_t n_layers, bool is_named)
{
    static const char *const inputs[] = { "width\n", "h\\\xC3\xA4" }, *const classes[] = { "no", "", "yes" };
    bp_network net;
    bp_bytes bytes;
    require(bp_network_init(&net, &(bp_network_config){ .n_in = 2, .n_layers = n_layers, .layers = layers, .seed = 3 }) ==
            BP_OK);
    if (is_named) {
        const bp_real center[] = { 0, R(0.5), 1 }, scale[] = { 1, 2, R(1e-3) };
        require(bp_network_set_scaling(&net, center, scale, NULL, NULL) == BP_OK);
        require(bp_network_set_input_names(&net, inputs) == BP_OK);
        require(bp_network_set_class_names(&net, classes) == BP_OK);
        require(bp_network_set_metadata(&net, "note", "\x01\"\xF0\x9F\x98\x80") == BP_OK);
    }
    require(bp_network_save_memory(&net, &bytes) == BP_OK);
    write_variants("fuzz_model", name, &bytes, 8);
    write_file("fuzz_weights", name, bytes.data, bytes.size);
    bp_bytes_free(&bytes);
    bp_network_free(&net);
}

/* ---- Plain safetensors ----------------------------------------------------------------------------------------------- */

#define TENSOR(name, shape, offsets) "\"" name "\":{\"dtype\":\"F16\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"
#define TENSORS(a, b, c)                                                                                                   \
    "{\"__metadata__\":{\"format\":\"pt\"}," TENSOR(a "weight", "3,2", "0,12") "," TENSOR(                                 \
        a "bias", "3",                                                                                                     \
        "12,18") "," TENSOR(b "weight", "3",                                                                               \
                            "18,24") "," TENSOR(b "bias", "3",                                                             \
                                                "24,30") "," TENSOR(b "running_mean", "3",                                 \
                                                                    "30,36") "," TENSOR(b "running_var", "3",              \
                                                                                        "36,42") ",\"" b                   \
                                                                                                 "num_batches_tracked\":{" \
                                                                                                 "\"dtype\":\"I64\","      \
                                                                                                 "\"shape\":[],\"data_"    \
                                                                                                 "offsets\":[42,50]}"      \
                                                                                                 "," TENSOR(c "weight",    \
                                                                                                            "1,3",         \
                                                                                                            "50,56") "}"

static void make_weights(void)
{
    static const struct {
        const char *name, *header;
    } files[] = { { "sequential", TENSORS("0.", "1.", "3.") },
                  { "named", TENSORS("fc1.", "bn1.", "fc2.") },
                  { "prefixed", TENSORS("encoder.0.", "encoder.1.", "encoder.3.") } };
    for (size_t i = 0; i < COUNT(files); i++) {
        unsigned char bytes[1024] = { 0 };
        const size_t n = strlen(files[i].header);
        require(8 + n + 56 <= sizeof bytes);
        test_put_length(bytes, n);
        memcpy(bytes + 8, files[i].header, n);
        for (size_t k = 0; k < 56; k++)
            bytes[8 + n + k] = (unsigned char)(k * 7 % 64);
        const bp_bytes file = { .data = bytes, .size = 8 + n + 56 };
        write_variants("fuzz_weights", files[i].name, &file, 4);
    }
}

/* ---- Checkpoints ----------------------------------------------------------------------------------------------------- */

#ifdef HAS_CHECKPOINTS
static void make_checkpoint(const char *name, size_t steps)
{
    struct fuzz_run run;
    bp_bytes bytes;
    fuzz_run_init(&run);
    if (steps > 0)
        require(bp_trainer_run(&run.trainer, &(bp_run_limit){ .steps = steps }) == BP_OK);
    require(bp_trainer_save_memory(&run.trainer, &bytes) == BP_OK);
    write_variants("fuzz_checkpoint", name, &bytes, 4);
    bp_bytes_free(&bytes);
    fuzz_run_free(&run);
}
#endif

int main(int n_arguments, char **arguments)
{
    require(n_arguments == 2);
    corpus = arguments[1];
    make_model("linear", linear, COUNT(linear), false);
    make_model("deep", deep, COUNT(deep), true);
    make_model("normalized", normalized, COUNT(normalized), false);
    make_weights();
#ifdef HAS_CHECKPOINTS
    make_checkpoint("beginning", 0);
    make_checkpoint("middle", 4);
    make_checkpoint("end", 100);
#endif
    return 0;
}
