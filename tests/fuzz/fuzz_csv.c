// SPDX-License-Identifier: MIT
/*
 * CSV: the first byte says how the others are read.
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>

/* What is given is there, and in its range. */
static void check(const bp_csv *csv, const bp_csv_config *config)
{
    require(csv->rows > 0 && csv->n_in > 0);
    for (size_t i = 0; i < csv->rows * csv->n_in; i++)
        require(isfinite(csv->X[i]));
    for (size_t i = 0; csv->T != NULL && i < csv->rows * csv->n_targets; i++)
        require(isfinite(csv->T[i]));
    for (size_t i = 0; csv->labels != NULL && i < csv->rows; i++)
        require(csv->labels[i] >= 0 && (size_t)csv->labels[i] < csv->n_classes);
    for (size_t i = 0; csv->input_names != NULL && i < csv->n_in; i++)
        require(strlen(csv->input_names[i]) < (size_t)1 << 30);
    for (size_t i = 0; i < csv->n_classes; i++)
        require(strlen(csv->class_names[i]) < (size_t)1 << 30);
    require(config->classes ? csv->labels != NULL || config->no_targets : csv->labels == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = { 0, ';', '\t', ' ' };
    static const bp_csv_missing missing[] = { BP_CSV_REFUSE, BP_CSV_MEAN, BP_CSV_CONSTANT, BP_CSV_REFUSE };
    struct test_heap heap;
    bp_csv csv;
    if (size == 0)
        return 0;
    test_heap_init(&heap);
    const bp_csv_config config = { .separator = separators[data[0] & 3],
                                   .missing = missing[data[0] >> 2 & 3],
                                   .no_header = (data[0] & 16) != 0,
                                   .no_targets = (data[0] & 32) != 0,
                                   .classes = (data[0] & 64) != 0,
                                   .allocator = &heap.allocator };
    if (bp_csv_read_memory(&csv, data + 1, size - 1, &config) == BP_OK) {
        check(&csv, &config);
        bp_csv_free(&csv);
    }
    require(test_heap_is_clean(&heap));
    return 0;
}
