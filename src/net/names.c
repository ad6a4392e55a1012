// SPDX-License-Identifier: MIT
/*
 * Names of inputs and classes, and metadata. Each list is one block, pointers first and text behind them, made anew when it
 * changes: so a failure leaves the old one.
 */
#include "net/names.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "net/network.h"
#include "store/utf8.h"

/* Copies text to *end, moves that behind it, and returns the copy. */
static char *append_text(char **end, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = memcpy(*end, text, size);
    *end += size;
    return copy;
}

static bp_status check_text(const char *function, const char *what, size_t i, const char *text)
{
    if (text == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: %s %zu is NULL", function, what, i);
    if (!bpi_utf8_is_valid(text, strlen(text)))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: %s %zu is not UTF-8", function, what, i);
    return BP_OK;
}

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

static bp_status copy_names(const char *function, const char *what, const bp_allocator *allocator, const char *const *names,
                            size_t n, char ***copy)
{
    struct bpi_plan plan = { 0 };
    (void)bpi_plan_array(&plan, n, sizeof *names);
    for (size_t i = 0; i < n; i++)
        BPI_TRY(check_text(function, what, i, names[i]));
    size_t n_text = 0;
    for (size_t i = 0; i < n; i++)
        plan.too_large = plan.too_large || !bpi_add(n_text, strlen(names[i]) + 1, &n_text);
    const size_t text = bpi_plan_array(&plan, n_text, 1);
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, function, allocator, &block));

    *copy = block;
    char *end = bpi_place(block, text);
    for (size_t i = 0; i < n; i++)
        (*copy)[i] = append_text(&end, names[i]);
    return BP_OK;
}

static bp_status set_names(const char *function, const char *what, bp_network *net, const char *const *names, size_t n,
                           char ***list)
{
    char **copy = NULL;
    if (names != NULL)
        BPI_TRY(copy_names(function, what, &net->allocator, names, n, &copy));
    bpi_release(&net->allocator, *list);
    *list = copy;
    return BP_OK;
}

bp_status bp_network_set_input_names(bp_network *net, const char *const *names)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    return set_names(__func__, "name", net, names, net->n_in, &net->input_names);
}

bp_status bp_network_set_class_names(bp_network *net, const char *const *names)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    return set_names(__func__, "name", net, names, net->n_class_names, &net->class_names);
}

/* ---- Metadata -------------------------------------------------------------------------------------------------------- */

static size_t find_entry(const bp_network *net, const char *key)
{
    size_t i = 0;
    while (i < net->n_metadata && strcmp(net->metadata[i].key, key) != 0)
        i++;
    return i;
}

bp_status bpi_names_set_metadata(bp_network *net, const bp_metadata *entries, size_t n)
{
    struct bpi_plan plan = { 0 };
    (void)bpi_plan_array(&plan, n, sizeof *entries);
    size_t n_text = 0;
    for (size_t i = 0; i < n; i++) /* all of it is in memory, and so fits a size */
        n_text += strlen(entries[i].key) + 1 + strlen(entries[i].value) + 1;
    const size_t text = bpi_plan_array(&plan, n_text, 1);
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, "metadata", &net->allocator, &block));

    bp_metadata *copies = block;
    char *end = n > 0 ? bpi_place(block, text) : NULL;
    for (size_t i = 0; i < n; i++) {
        copies[i].key = append_text(&end, entries[i].key);
        copies[i].value = append_text(&end, entries[i].value);
    }
    bpi_release(&net->allocator, net->metadata);
    net->metadata = copies;
    net->n_metadata = n;
    return BP_OK;
}

/* The list with entry `i` set to (key, value), or left out where value is NULL. */
static bp_status change_metadata(bp_network *net, size_t i, const char *key, const char *value)
{
    struct bpi_plan plan = { 0 };
    (void)bpi_plan_array(&plan, net->n_metadata + 1, sizeof(bp_metadata));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, "metadata", &net->allocator, &block));
    bp_metadata *changed = bpi_place(block, 0);
    size_t n = 0;
    for (size_t k = 0; k < net->n_metadata; k++)
        if (k != i)
            changed[n++] = net->metadata[k];
        else if (value != NULL)
            changed[n++] = (bp_metadata){ net->metadata[k].key, value };
    if (i == net->n_metadata)
        changed[n++] = (bp_metadata){ key, value };
    const bp_status status = bpi_names_set_metadata(net, changed, n);
    bpi_release(&net->allocator, block);
    return status;
}

bp_status bp_network_set_metadata(bp_network *net, const char *key, const char *value)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_NOT_NULL(key);
    if (key[0] == '\0' || !bpi_utf8_is_valid(key, strlen(key)))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the key is %s", __func__, key[0] == '\0' ? "empty" : "not UTF-8");
    if (strncmp(key, "bp.", 3) == 0)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the key begins with \"bp.\", which is the library's", __func__);
    if (value != NULL && !bpi_utf8_is_valid(value, strlen(value)))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the value is not UTF-8", __func__);
    const size_t i = find_entry(net, key);
    if (value == NULL && i == net->n_metadata)
        return BP_OK;
    return change_metadata(net, i, key, value);
}

const char *bp_network_get_metadata(const bp_network *net, const char *key)
{
    if (net == NULL || key == NULL)
        return NULL;
    const size_t i = find_entry(net, key);
    return i < net->n_metadata ? net->metadata[i].value : NULL;
}

/* ---- All of it ------------------------------------------------------------------------------------------------------- */

bp_status bpi_names_copy(bp_network *to, const bp_network *from)
{
    BPI_TRY(bp_network_set_input_names(to, (const char *const *)from->input_names));
    BPI_TRY(bp_network_set_class_names(to, (const char *const *)from->class_names));
    return bpi_names_set_metadata(to, from->metadata, from->n_metadata);
}

void bpi_names_free(bp_network *net)
{
    bpi_release(&net->allocator, net->input_names);
    bpi_release(&net->allocator, net->class_names);
    bpi_release(&net->allocator, net->metadata);
}
