// SPDX-License-Identifier: MIT
/*
 * Splits: the rows in the order asked for, then of each class a stretch that is held out. A split that is not stratified
 * has one class. Besides, the weighted choice of rows.
 */
#include "data/split.h"

#include "backprop/rng.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/dataset.h"
#include "math/loss.h"

#define DEFAULT_FRACTION 0.25
enum { DEFAULT_FOLDS = 5 };

/* The rows of one class, counted in the order of the split: `count` of them from `first` on are held out. */
struct group {
    size_t size, first, count;
    size_t seen; /* so far, while the rows are handed out */
};

/* A split: n rows in order, and the groups they belong to. */
struct split {
    bp_dataset targets; /* the dataset without inputs and weights, so that only targets are gathered */
    bool stratified;
    size_t n, n_groups;
    size_t *order;    /* n */
    size_t *group_of; /* n: the group of the row in that place of the order; NULL if not stratified */
    struct group *groups;
    bp_real *x, *t; /* n_in where the user reads rows, and n_out: for one row */
    bp_allocator allocator;
    void *block;
};

/* ---- Checking -------------------------------------------------------------------------------------------------------- */

static bp_status check_stratified(const char *function, const bp_dataset *data, size_t n)
{
    if (n > UINT32_MAX) /* products of two numbers of rows must fit 64 bits */
        return bpi_fail(BP_ERR_TOO_LARGE, "%s: a stratified split of %zu rows, expected at most %lu", function, n,
                        (unsigned long)UINT32_MAX);
    return bpi_dataset_check_targets(data);
}

static size_t rows_to_split(const bp_dataset *data, const bp_split_config *config)
{
    return config->rows != NULL ? config->n_rows : data->rows;
}

static bp_status check_rows(const char *function, const bp_dataset *data, const bp_split_config *config, size_t least)
{
    const size_t n = rows_to_split(data, config);
    if (n < least)
        return bpi_fail(BP_ERR_SHAPE, "%s: there are %zu rows, expected at least %zu", function, n, least);
    for (size_t i = 0; config->rows != NULL && i < n; i++)
        if (config->rows[i] >= data->rows)
            return bpi_fail(BP_ERR_SHAPE, "%s: rows[%zu] is %zu, the dataset has %zu rows", function, i, config->rows[i],
                            data->rows);
    BPI_TRY(bpi_check_allocator(function, config->allocator));
    return config->stratified ? check_stratified(function, data, n) : BP_OK;
}

/* ---- Rows and classes ------------------------------------------------------------------------------------------------ */

static size_t first_largest(const bp_real *t, size_t n)
{
    size_t at = 0;
    for (size_t j = 1; j < n; j++)
        at = t[j] > t[at] ? j : at;
    return at;
}

/* The class of a row, found out once: a user's array may change, and counts must not. */
static bp_status find_class(const struct split *split, size_t row, size_t *class)
{
    int32_t label;
    bp_targets T;
    const bp_real *X;
    const struct bpi_batch_buffers buffers = { .X = split->x, .T = split->t, .labels = &label };
    BPI_TRY(bpi_dataset_gather(&split->targets, NULL, row, 1, &buffers, &X, &T));
    if (T.labels != NULL) {
        label = T.labels[0];
        BPI_TRY(bpi_loss_check_label(row, split->n_groups, label));
        *class = (size_t)label;
    } else if (split->targets.n_out == 1) {
        *class = T.values[0] > (bp_real)0.5;
    } else {
        *class = first_largest(T.values, split->targets.n_out);
    }
    return BP_OK;
}

static size_t number_of_groups(const bp_dataset *data, const bp_split_config *config)
{
    return config->stratified ? bpi_loss_n_classes(NULL, data->n_out) : 1;
}

static bp_status reserve(struct split *split, const char *function, const bp_dataset *data, const bp_split_config *config)
{
    *split = (struct split){ .targets = *data,
                             .stratified = config->stratified,
                             .n = rows_to_split(data, config),
                             .n_groups = number_of_groups(data, config),
                             .allocator = bpi_allocator_or_default(config->allocator) };
    split->targets.X.data = split->targets.weights.data = NULL;

    struct bpi_plan plan = { 0 };
    const bool reads = split->stratified && data->read_row != NULL;
    const size_t order = bpi_plan_array(&plan, split->n, sizeof(size_t));
    const size_t group_of = bpi_plan_array(&plan, split->stratified ? split->n : 0, sizeof(size_t));
    const size_t groups = bpi_plan_array(&plan, split->n_groups, sizeof(struct group));
    const size_t x = bpi_plan_array(&plan, reads ? data->n_in : 0, sizeof(bp_real));
    const size_t t = bpi_plan_array(&plan, split->stratified ? data->n_out : 0, sizeof(bp_real));
    BPI_TRY(bpi_plan_allocate(&plan, function, &split->allocator, &split->block));

    split->order = bpi_place(split->block, order);
    split->group_of = split->stratified ? bpi_place(split->block, group_of) : NULL;
    split->groups = bpi_place(split->block, groups);
    split->x = bpi_place(split->block, x);
    split->t = bpi_place(split->block, t);
    return BP_OK;
}

static struct group *group_at(const struct split *split, size_t i)
{
    return &split->groups[split->stratified ? split->group_of[i] : 0];
}

static bp_status count_groups(struct split *split)
{
    for (size_t i = 0; i < split->n; i++) {
        if (split->stratified)
            BPI_TRY(find_class(split, split->order[i], &split->group_of[i]));
        group_at(split, i)->size++;
    }
    return BP_OK;
}

/* The rows in order and in groups. Holds memory only if it succeeds. */
static bp_status begin(struct split *split, const char *function, const bp_dataset *data, const bp_split_config *config)
{
    BPI_TRY(reserve(split, function, data, config));
    for (size_t i = 0; i < split->n; i++)
        split->order[i] = config->rows != NULL ? config->rows[i] : i;
    if (!config->keep_order) {
        bp_rng rng;
        bp_rng_init(&rng, config->seed);
        bp_rng_shuffle(&rng, split->order, split->n);
    }
    const bp_status status = count_groups(split);
    if (status != BP_OK)
        bpi_release(&split->allocator, split->block);
    return status;
}

/* Whether the next row of a group is held out. */
static bool is_held_out(struct group *group)
{
    const size_t rank = group->seen++;
    return rank >= group->first && rank - group->first < group->count;
}

/* Writes the two parts, each in the order of the rows, and gives the memory back. */
static void end(struct split *split, size_t *rows, size_t *n_train)
{
    size_t n_held_out = 0;
    for (size_t g = 0; g < split->n_groups; g++)
        n_held_out += split->groups[g].count;
    *n_train = split->n - n_held_out;

    size_t *train = rows, *held_out = rows + *n_train;
    for (size_t i = 0; i < split->n; i++)
        *(is_held_out(group_at(split, i)) ? held_out++ : train++) = split->order[i];
    bpi_release(&split->allocator, split->block);
}

/* ---- In two ---------------------------------------------------------------------------------------------------------- */

size_t bpi_split_held_out(double fraction, size_t n)
{
    const size_t nearest = (size_t)floor(fraction * (double)n + 0.5);
    return nearest < 1 ? 1 : nearest > n - 1 ? n - 1 : nearest;
}

/* a b / n, to the nearest. At most 32 bits each, unless b is n. */
static size_t proportion(size_t a, size_t b, size_t n)
{
    return b == n ? a : (size_t)(((uint64_t)a * b + n / 2) / n);
}

/* The last rows of each group. What is to be held out of the groups so far is rounded, so that errors do not add up. */
static void hold_out_last(struct split *split, size_t n_test)
{
    size_t rows = 0;
    for (size_t g = 0; g < split->n_groups; g++) {
        struct group *group = &split->groups[g];
        const size_t before = proportion(n_test, rows, split->n);
        rows += group->size;
        group->count = proportion(n_test, rows, split->n) - before;
        group->first = group->size - group->count;
    }
}

bp_status bp_split(const bp_dataset *data, const bp_split_config *config, size_t *rows, size_t *n_train)
{
    BPI_NOT_NULL(data);
    BPI_NOT_NULL(config);
    BPI_NOT_NULL(rows);
    BPI_NOT_NULL(n_train);
    const double fraction = config->fraction != 0 ? config->fraction : DEFAULT_FRACTION;
    if (!(fraction > 0 && fraction < 1))
        return bpi_fail(BP_ERR_ARGUMENT, "bp_split: fraction is %g, expected 0 < fraction < 1", fraction);
    BPI_TRY(check_rows(__func__, data, config, 2));

    struct split split;
    BPI_TRY(begin(&split, __func__, data, config));
    hold_out_last(&split, bpi_split_held_out(fraction, split.n));
    end(&split, rows, n_train);
    return BP_OK;
}

/* ---- In k folds ------------------------------------------------------------------------------------------------------ */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Each fold gets size / k rows of a group, and the folds s, s + 1, ..., s + e - 1 (mod k) one more: e = size mod k, and s
 * is where the groups before have stopped dealing. Folds have their rows in a group one after the other; those of `fold`
 * begin after what the folds below it have.
 */
static void hold_out_fold(struct split *split, size_t k, size_t fold)
{
    size_t s = 0;
    for (size_t g = 0; g < split->n_groups; g++) {
        struct group *group = &split->groups[g];
        const size_t each = group->size / k, e = group->size % k;
        const size_t wrapped = s + e > k ? s + e - k : 0; /* those that came round to fold 0 */
        const bool one_more = (fold >= s && fold - s < e) || fold < wrapped;
        const size_t more_below = (fold > s ? least(fold - s, e) : 0) + least(fold, wrapped);

        group->count = each + one_more;
        group->first = fold * each + more_below;
        s = (s + e) % k;
    }
}

bp_status bp_split_k_fold(const bp_dataset *data, const bp_split_config *config, size_t fold, size_t *rows, size_t *n_train)
{
    BPI_NOT_NULL(data);
    BPI_NOT_NULL(config);
    BPI_NOT_NULL(rows);
    BPI_NOT_NULL(n_train);
    const size_t k = config->folds != 0 ? config->folds : DEFAULT_FOLDS;
    if (k < 2)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_split_k_fold: folds is %zu, expected at least 2", k);
    if (fold >= k)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_split_k_fold: fold is %zu, there are %zu", fold, k);
    BPI_TRY(check_rows(__func__, data, config, k));

    struct split split;
    BPI_TRY(begin(&split, __func__, data, config));
    hold_out_fold(&split, k, fold);
    end(&split, rows, n_train);
    return BP_OK;
}

/* ---- Weighted -------------------------------------------------------------------------------------------------------- */

/*
 * A binary tree of sums: node i has the children 2 i and 2 i + 1 and is their sum, the leaves are the
 * weights, from n_leaves on. A sum is always added up afresh, never subtracted from, so a weight that is
 * taken out leaves no rounding behind.
 */
struct tree {
    size_t n_leaves; /* a power of 2 */
    double *sums;    /* 2 n_leaves; the first is unused */
};

static void add_up(struct tree *tree, size_t node)
{
    tree->sums[node] = tree->sums[2 * node] + tree->sums[2 * node + 1];
}

static void plant(struct tree *tree, size_t n, const bp_real *weights)
{
    for (size_t i = 0; i < n; i++)
        tree->sums[tree->n_leaves + i] = weights != NULL ? (double)weights[i] : 1;
    for (size_t node = tree->n_leaves; node-- > 1;)
        add_up(tree, node);
}

/* The leaf in whose stretch of 0 .. sum the number lies. Rounding may lead past the end, but never to a weight of 0. */
static size_t leaf_at(const struct tree *tree, double x)
{
    size_t node = 1;
    while (node < tree->n_leaves) {
        const double left = tree->sums[2 * node], right = tree->sums[2 * node + 1];
        const bool goes_left = right == 0 || x < left;
        x -= goes_left ? 0 : left;
        node = 2 * node + !goes_left;
    }
    return node - tree->n_leaves;
}

static void take_out(struct tree *tree, size_t leaf)
{
    size_t node = tree->n_leaves + leaf;
    tree->sums[node] = 0;
    while (node > 1) {
        node /= 2;
        add_up(tree, node);
    }
}

static bp_status check_weights(size_t n_rows, const bp_choice_config *config, size_t n)
{
    size_t n_possible = config->weights == NULL ? n_rows : 0;
    double sum = 0;
    for (size_t i = 0; config->weights != NULL && i < n_rows; i++) {
        BPI_TRY(bpi_loss_check_weight(i, (double)config->weights[i]));
        n_possible += config->weights[i] > (bp_real)0;
        sum += (double)config->weights[i];
    }
    if (n_possible == 0)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_split_weighted: all %zu weights are 0", n_rows);
    if (!isfinite(sum))
        return bpi_fail(BP_ERR_NONFINITE, "bp_split_weighted: the weights sum to %g", sum);
    if (config->distinct && n > n_possible)
        return bpi_fail(BP_ERR_SHAPE, "bp_split_weighted: %zu distinct rows, there are %zu with a weight above 0", n,
                        n_possible);
    return BP_OK;
}

static bp_status check_choice(size_t n_rows, const bp_choice_config *config, size_t n)
{
    BPI_TRY(bpi_check_allocator("bp_split_weighted", config->allocator));
    if (n_rows == 0 || n == 0)
        return bpi_fail(BP_ERR_SHAPE, "bp_split_weighted: %s is 0", n_rows == 0 ? "n_rows" : "n");
    if (n_rows > SIZE_MAX / (4 * sizeof(double)))
        return bpi_fail(BP_ERR_TOO_LARGE, "bp_split_weighted: %zu rows are more than memory can address", n_rows);
    return check_weights(n_rows, config, n);
}

bp_status bp_split_weighted(size_t n_rows, const bp_choice_config *config, size_t *rows, size_t n)
{
    BPI_NOT_NULL(config);
    BPI_NOT_NULL(rows);
    BPI_TRY(check_choice(n_rows, config, n));

    struct tree tree = { .n_leaves = 1 };
    while (tree.n_leaves < n_rows)
        tree.n_leaves *= 2;
    void *block;
    struct bpi_plan plan = { 0 };
    const size_t sums = bpi_plan_matrix(&plan, 2, tree.n_leaves, sizeof(double));
    const bp_allocator allocator = bpi_allocator_or_default(config->allocator);
    BPI_TRY(bpi_plan_allocate(&plan, __func__, &allocator, &block));
    tree.sums = bpi_place(block, sums);
    plant(&tree, n_rows, config->weights);

    bp_rng rng;
    bp_rng_init(&rng, config->seed);
    for (size_t i = 0; i < n; i++) {
        rows[i] = leaf_at(&tree, bp_rng_uniform(&rng) * tree.sums[1]);
        if (config->distinct)
            take_out(&tree, rows[i]);
    }
    bpi_release(&allocator, block);
    return BP_OK;
}
