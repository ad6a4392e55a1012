// SPDX-License-Identifier: MIT
/*
 * What the files of the benchmark share; nothing here depends on the number type.
 *
 * A case is a network with a batch and a rule. Its contest has two subjects that do the same amount of work: ours, by the
 * public functions of the library, and the bound, the least that the machine can do it in. cases.c and bounds.c are
 * compiled twice, for double and for single precision; bench.c runs them all.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>

/** Double, single. */
enum bench_precision { BENCH_F64, BENCH_F32, BENCH_PRECISIONS };

/** Something that can be timed: run() does `rounds` rounds, all of the same work. */
struct subject {
    void (*run)(void *state, size_t rounds);
    void *state;
    void (*prepare)(void *state); /**< called before each chunk, untimed; NULL: nothing to prepare */
    int blas_threads;             /**< which BLAS gets while it runs; 0: as they are */
    bool settles; /**< it waits, before a chunk, until threads of the other side have gone to sleep, and warms up again */
};

/** Two subjects that do the same work. */
struct contest {
    size_t samples; /**< of a round */
    struct subject bound, ours;
    bool is_comparable; /**< the bound computes the same numbers, so that ... */
    double distance;    /**< ... this is how far they were apart after the same work: the largest difference, as a share of
                             the largest number. Else 0 */
    void *memory;       /**< for free_contest */
};

enum { MOST_WIDTHS = 6 };

/** How a case uses the library. */
enum way {
    TRAINS,          /**< bp_trainer_run() over rows in memory, in a new order each epoch: what users call */
    TRAINS_IN_ORDER, /**< the same with keep_order: rows are used where they are */
    OWN_LOOP,        /**< forward, loss, backward, step */
    PREDICTS,        /**< bp_predict() */
    EXPORTED         /**< the function of an exported C source, for one row */
};

/** What a case is measured against. */
enum bound_kind {
    STRICT_C, /**< loops of plain C11 with libm, written for just this network */
    FAST_C,   /**< the same, free to reorder sums and with vector functions of libmvec */
    GEMMS,    /**< the matrix products of the step or the prediction, and nothing else */
    GEMVS,    /**< gemv, transposed gemv and ger over every W */
    READING   /**< reading every W once */
};

/** A case, and the ratios to its bound that are asked for: [precision][threads - 1], 0 where there is none. */
struct bench_case {
    const char *name;
    enum way way;
    enum bound_kind bound;
    size_t widths[MOST_WIDTHS];  /**< from the inputs to the outputs, then 0 */
    const char *hidden, *output; /**< activations, as bp_activation_name() has them */
    const char *loss;            /**< as bp_loss_name() has it */
    const char *rule;            /**< "sgd", "momentum" (0.9) or "adam" */
    double rate;                 /**< learning rate */
    size_t batch, rows;          /**< of a step or call; of the data */
    double figure[BENCH_PRECISIONS][2];
    bool has_two_threads; /**< measured with two threads as well; and what a pool of 1 costs */
    bool is_long;         /**< seconds for some steps: not for a quick look at what a pool of 1 costs */
};

extern const struct bench_case bench_cases[];
extern const size_t bench_n_cases;

/** Whether it predicts, in whatever way. */
bool bench_predicts(const struct bench_case *what);

/** Layers of the case's network. */
size_t bench_n_layers(const struct bench_case *what);

/** Parameters of its network. */
size_t bench_n_params(const struct bench_case *what);

/* ---- Compiled twice: one row a number type --------------------------------------------------------------------------- */

/** A point of the scaling table. */
struct scaling_point {
    size_t width, depth, batch; /**< `depth` hidden layers of `width` units, and as many inputs; 10 outputs */
    size_t n_params;
    double ns;                                     /**< a step of the trainer */
    size_t network, workspace, optimizer, trainer; /**< bytes asked for, counted by the allocator */
};

/** How training on dead units ages: steps by an optimizer that each chunk finds as fresh as ever, and by one 10000 steps old. */
struct aging {
    struct subject fresh, aged;
    double share_of_zeros; /**< of the aged optimizer's state: moments that have died */
    void *memory;
};

/** Time to result of one run. */
struct result_run {
    double seconds, accuracy;
    size_t epochs;
    bool reached;
};

struct result_data; /**< Fashion-MNIST, standardised, in the number type */

struct bench_precision_row {
    const char *name; /**< "f64", "f32" */
    double tolerance; /**< of contest.distance */

    bool has_export; /**< there are contests for exported C */

    /** Makes a contest. This and what follows end the program, with a sentence on stderr, where the library fails. */
    void (*make_contest)(const struct bench_case *what, int threads, struct contest *contest);
    void (*free_contest)(struct contest *contest);

    /** A contest of the library with itself: a pool of 1 as `ours`, no pool as the bound. For free_contest, too. */
    void (*make_pool_contest)(const struct bench_case *what, struct contest *contest);

    /** Steps of a new trainer at the given point, timed, and what it takes of memory. */
    void (*measure_scaling)(struct scaling_point *point);

    void (*make_aging)(struct aging *aging);
    void (*free_aging)(struct aging *aging);

    struct result_data *(*load_result_data)(const char *directory);
    void (*free_result_data)(struct result_data *data);

    /** One run, with a pool of so many threads; 1: without a pool. */
    void (*run_result)(const struct result_data *data, int threads, unsigned seed, double wanted, struct result_run *run);
};

extern const struct bench_precision_row bench_row_f64, bench_row_f32;

#endif
