// SPDX-License-Identifier: MIT
/*
 * What the fuzz targets share.
 */
#include "fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/container.h"

#define BATCH ((size_t)2)
#define ROOM ((size_t)100000)      /* bytes of memory that any input may take */
#define MOST_ROW ((size_t)1 << 16) /* numbers; wider networks are loaded and saved, but not run */

void fuzz_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: %s does not hold (last sentence: %s)\n", file, line, condition, bp_error_message());
    abort();
}

/* ---- Model files ----------------------------------------------------------------------------------------------------- */

static void custom_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = parameter * Z[i];
}

static void custom_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                             const bp_real *dA, bp_real *dZ)
{
    (void)user, (void)Z, (void)A;
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = parameter * dA[i];
}

bp_status fuzz_load_model(bp_network *net, const void *bytes, size_t size, const bp_allocator *allocator)
{
    static const bp_activation_function custom = { .name = "custom", .apply = custom_apply, .pull_back = custom_pull_back };
    static const bp_activation_function *const customs[] = { &custom };
    const bp_load_config config = { .custom = customs, .n_custom = 1, .allocator = allocator };
    return bp_network_load_memory(net, bytes, size, &config);
}

uint8_t *fuzz_mended(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    const bool has_length = test_mend_length(copy, size), has_checksum = test_mend_checksum(copy, size);
    if (has_length || has_checksum)
        return copy;
    free(copy);
    return NULL;
}

/* ---- Networks -------------------------------------------------------------------------------------------------------- */

static void predict(const bp_network *net)
{
    bp_workspace ws;
    if (net->n_in > MOST_ROW || net->n_out > MOST_ROW)
        return;
    require(bp_workspace_init(&ws, net, BATCH, BP_INFERENCE) == BP_OK);
    bp_real *X = malloc(BATCH * net->n_in * sizeof *X), *Y = malloc(BATCH * net->n_out * sizeof *Y);
    require(X != NULL && Y != NULL);
    for (size_t i = 0; i < BATCH * net->n_in; i++)
        X[i] = (bp_real)((double)(i % 7) - 3);
    require(bp_predict(net, &ws, X, BATCH, Y) == BP_OK);
    free(X);
    free(Y);
    bp_workspace_free(&ws);
}

static void save_and_load(const bp_network *net)
{
    bp_network again;
    bp_bytes first, second;
    require(bp_network_save_memory(net, &first) == BP_OK);
    require(fuzz_load_model(&again, first.data, first.size, NULL) == BP_OK);
    require(bp_network_save_memory(&again, &second) == BP_OK);
    require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    bp_bytes_free(&first);
    bp_bytes_free(&second);
    bp_network_free(&again);
}

void fuzz_network(fuzz_load *load, const uint8_t *data, size_t size, size_t memory_per_byte)
{
    static const bp_network zeroed;
    struct test_heap heap;
    bp_network net;
    test_heap_init(&heap);
    const bp_status status = load(&net, data, size, &heap.allocator);
    require(heap.peak_bytes <= memory_per_byte * size + ROOM);
    if (status == BP_OK) {
        predict(&net);
        save_and_load(&net);
        bp_network_free(&net);
    } else {
        require(memcmp(&net, &zeroed, sizeof net) == 0);
    }
    require(test_heap_is_clean(&heap));
}
