// SPDX-License-Identifier: MIT
/*
 * Class numbers by sorting: known classes are sorted once and searched for each row; unknown ones are what is different
 * when the rows are sorted. A hash table would be faster, and could be made slow by whoever chooses the texts.
 */
#include "data/class_labels.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "store/number.h"

/* Of a row. */
struct bpi_class_label {
    size_t text;  /* where it begins in labels->texts; or, if the classes are known, the number of the class */
    double value; /* that the text has as a number; infinite if it has none */
};

/* ---- sorting ----------------------------------------------------------------------------------------------------- */

typedef int compare_function(const struct bpi_class_labels *labels, size_t a, size_t b);

static void swap(size_t *a, size_t *b)
{
    const size_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Makes a heap, largest first, of `heap[root]` and the two heaps below it. */
static void sift_down(const struct bpi_class_labels *labels, compare_function *compare, size_t *heap, size_t root, size_t n)
{
    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && compare(labels, heap[child], heap[child + 1]) < 0)
            child++;
        if (compare(labels, heap[root], heap[child]) >= 0)
            return;
        swap(&heap[root], &heap[child]);
        root = child;
    }
}

/*
 * labels->order: 0 .. n - 1, sorted. By heapsort, since qsort() hands no labels on, may take memory, and need not be fast
 * for all input.
 */
static bp_status sort(struct bpi_class_labels *labels, compare_function *compare, size_t n)
{
    size_t bytes;
    (void)bpi_multiply(n, sizeof labels->order[0], &bytes); /* 0 if it overflows, for which there is no memory */
    size_t *order = bpi_allocate(&labels->allocator, bytes);
    if (order == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for %zu bytes", labels->name, bytes);

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t root = n / 2; root > 0; root--)
        sift_down(labels, compare, order, root - 1, n);
    for (size_t end = n; end > 1; end--) {
        swap(&order[0], &order[end - 1]);
        sift_down(labels, compare, order, 0, end - 1);
    }
    labels->order = order;
    return BP_OK;
}

/* ---- classes known before ---------------------------------------------------------------------------------------- */

static int compare_known(const struct bpi_class_labels *labels, size_t a, size_t b)
{
    return strcmp(labels->known[a], labels->known[b]);
}

static bp_status refuse_duplicates(const struct bpi_class_labels *labels)
{
    for (size_t i = 0; i + 1 < labels->n_classes; i++) {
        const size_t a = labels->order[i], b = labels->order[i + 1];
        if (compare_known(labels, a, b) == 0)
            return bpi_fail(BP_ERR_ARGUMENT,
                            "class_names[%zu] and class_names[%zu]: expected different names, found the same",
                            a < b ? a : b, a < b ? b : a);
    }
    return BP_OK;
}

static bp_status init_known(struct bpi_class_labels *labels)
{
    for (size_t i = 0; i < labels->n_classes; i++)
        labels->n_characters += strlen(labels->known[i]) + 1;
    BPI_TRY(sort(labels, compare_known, labels->n_classes));
    return refuse_duplicates(labels);
}

/* The number of the class, or n_classes if there is none of that name. */
static size_t find_known(const struct bpi_class_labels *labels, const char *text)
{
    size_t from = 0, to = labels->n_classes;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const int order = strcmp(text, labels->known[labels->order[middle]]);
        if (order == 0)
            return labels->order[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return labels->n_classes;
}

bp_status bpi_class_labels_init(struct bpi_class_labels *labels, const bp_allocator *allocator, const char *name,
                                const char *const *known, size_t n_known)
{
    *labels = (struct bpi_class_labels){ .allocator = *allocator, .name = name, .known = known, .n_classes = n_known };
    const bp_status status = known == NULL ? BP_OK : init_known(labels);
    if (status != BP_OK)
        bpi_class_labels_release(labels);
    return status;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static bp_status append_row(struct bpi_class_labels *labels, size_t text, double value)
{
    const struct bpi_class_label label = { text, value };
    BPI_TRY(bpi_growing_reserve(&labels->rows, &labels->allocator, labels->name, sizeof label));
    ((struct bpi_class_label *)labels->rows.data)[labels->n_rows++] = label;
    labels->rows.n += sizeof label;
    return BP_OK;
}

static double value_of(const char *text, size_t n)
{
    double value;
    return bpi_number_read(text, n, BPI_BINARY64, &value) == BPI_NUMBER ? value : HUGE_VAL;
}

bp_status bpi_class_labels_add(struct bpi_class_labels *labels, const char *text, size_t n, bool *is_known)
{
    *is_known = true;
    if (labels->known != NULL) {
        const size_t class = find_known(labels, text);
        *is_known = class < labels->n_classes;
        return *is_known ? append_row(labels, class, 0) : BP_OK;
    }

    const size_t start = labels->texts.n;
    BPI_TRY(bpi_growing_reserve(&labels->texts, &labels->allocator, labels->name, n + 1));
    memcpy((char *)labels->texts.data + start, text, n + 1);
    labels->texts.n += n + 1;
    return append_row(labels, start, value_of(text, n));
}

/* ---- classes that follow from the rows --------------------------------------------------------------------------- */

static const struct bpi_class_label *row(const struct bpi_class_labels *labels, size_t i)
{
    return (const struct bpi_class_label *)labels->rows.data + i;
}

static const char *text_of(const struct bpi_class_labels *labels, size_t i)
{
    return (const char *)labels->texts.data + row(labels, i)->text;
}

static int compare_rows(const struct bpi_class_labels *labels, size_t a, size_t b)
{
    const double value_a = row(labels, a)->value, value_b = row(labels, b)->value;
    if (value_a < value_b)
        return -1;
    if (value_a > value_b)
        return 1;
    return strcmp(text_of(labels, a), text_of(labels, b));
}

/* Whether the i-th row in order is the first of its class. */
static bool begins_class(const struct bpi_class_labels *labels, size_t i)
{
    return i == 0 || strcmp(text_of(labels, labels->order[i - 1]), text_of(labels, labels->order[i])) != 0;
}

bp_status bpi_class_labels_number(struct bpi_class_labels *labels)
{
    if (labels->known != NULL)
        return BP_OK;
    BPI_TRY(sort(labels, compare_rows, labels->n_rows));
    for (size_t i = 0; i < labels->n_rows; i++) {
        if (!begins_class(labels, i))
            continue;
        labels->n_classes++;
        labels->n_characters += strlen(text_of(labels, labels->order[i])) + 1;
    }
    return BP_OK;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

/* Adds a name; returns where the next one goes. */
static char *place_name(const char *text, const char **name, char *characters)
{
    const size_t n = strlen(text) + 1;
    memcpy(characters, text, n);
    *name = characters;
    return characters + n;
}

static void place_known(const struct bpi_class_labels *labels, int32_t *numbers, const char **names, char *characters)
{
    for (size_t i = 0; i < labels->n_classes; i++)
        characters = place_name(labels->known[i], &names[i], characters);
    for (size_t i = 0; i < labels->n_rows; i++)
        numbers[i] = (int32_t)row(labels, i)->text;
}

static void place_found(const struct bpi_class_labels *labels, int32_t *numbers, const char **names, char *characters)
{
    int32_t class = -1;
    for (size_t i = 0; i < labels->n_rows; i++) {
        if (begins_class(labels, i)) {
            class ++;
            characters = place_name(text_of(labels, labels->order[i]), &names[class], characters);
        }
        numbers[labels->order[i]] = class;
    }
}

void bpi_class_labels_place(const struct bpi_class_labels *labels, int32_t *numbers, const char **names, char *characters)
{
    if (labels->known != NULL)
        place_known(labels, numbers, names, characters);
    else
        place_found(labels, numbers, names, characters);
}

void bpi_class_labels_release(struct bpi_class_labels *labels)
{
    bpi_release(&labels->allocator, labels->order);
    bpi_growing_release(&labels->rows, &labels->allocator);
    bpi_growing_release(&labels->texts, &labels->allocator);
    *labels = (struct bpi_class_labels){ 0 };
}
