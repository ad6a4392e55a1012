// SPDX-License-Identifier: MIT
/*
 * A peer of the benchmark: the same cases by FANN. Built once with its double and once with its float library, whose
 * symbols clash; so it is a program of its own, asked line by line like peers.py.
 *
 * FANN has neither relu nor softmax nor a rule like Adam: relu becomes its bounded line, softmax its sigmoid, and what has
 * no likeness is answered by "-". Without a batch it trains row by row (fann_train), with one by its batch training.
 */
#define _POSIX_C_SOURCE 200809L

#ifdef FANN_SINGLE
#include <floatfann.h>
#else
#include <doublefann.h>
#endif

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { MOST_LAYERS = 8, CHUNKS = 3, MOST_ROWS_TO_PREDICT = 64, MOST_PARAMS_TO_TRAIN = 2000000 };

struct task {
    char way[32], widths[128], hidden[32], output[32], loss[32], rule[32];
    float rate;
    unsigned batch;
    struct fann *ann;
    struct fann_train_data *rows; /* `batch` of them */
};

static enum fann_activationfunc_enum activation(const char *name)
{
    if (strcmp(name, "tanh") == 0)
        return FANN_SIGMOID_SYMMETRIC;
    return strcmp(name, "relu") == 0 ? FANN_LINEAR_PIECE : FANN_SIGMOID;
}

static unsigned split_widths(const char *text, unsigned widths[MOST_LAYERS])
{
    unsigned n = 0;
    char *end = NULL;
    for (; n < MOST_LAYERS && *text != '\0'; text = *end == '-' ? end + 1 : end)
        widths[n++] = (unsigned)strtoul(text, &end, 10);
    return n;
}

static bool make(struct task *task)
{
    unsigned widths[MOST_LAYERS];
    const unsigned n = split_widths(task->widths, widths);
    task->ann = fann_create_standard_array(n, widths);
    task->rows = fann_create_train(task->batch, widths[0], widths[n - 1]);
    if (task->ann == NULL || task->rows == NULL)
        return false;
    for (unsigned i = 0; i < task->batch; i++) {
        for (unsigned j = 0; j < widths[0]; j++)
            task->rows->input[i][j] = (fann_type)((i * 31 + j * 7919) % 1009) / 1009;
        for (unsigned j = 0; j < widths[n - 1]; j++)
            task->rows->output[i][j] = (fann_type)((i + j) % 2);
    }
    fann_set_activation_function_hidden(task->ann, activation(task->hidden));
    fann_set_activation_function_output(task->ann, activation(task->output));
    fann_set_learning_rate(task->ann, task->rate);
    fann_set_training_algorithm(task->ann, task->batch == 1 ? FANN_TRAIN_INCREMENTAL : FANN_TRAIN_BATCH);
    return true;
}

static void predict(void *state, size_t rounds)
{
    const struct task *task = state;
    for (size_t round = 0; round < rounds; round++)
        for (unsigned i = 0; i < task->batch; i++)
            (void)fann_run(task->ann, task->rows->input[i]);
}

static void train(void *state, size_t rounds)
{
    const struct task *task = state;
    for (size_t round = 0; round < rounds; round++)
        if (task->batch == 1)
            fann_train(task->ann, task->rows->input[0], task->rows->output[0]);
        else
            (void)fann_train_epoch(task->ann, task->rows);
}

/* FANN predicts row by row: of many rows some tell as much. */
static void limit_rows(struct task *task)
{
    if (strcmp(task->way, "predicts") == 0 && task->batch > MOST_ROWS_TO_PREDICT)
        task->batch = MOST_ROWS_TO_PREDICT;
}

/* FANN's time grows with the parameters alone, so what would take minutes is not asked of it. */
static bool can_do(const struct task *task)
{
    return strcmp(task->rule, "sgd") == 0 && fann_get_total_connections(task->ann) <= MOST_PARAMS_TO_TRAIN;
}

static void answer(struct task *task)
{
    limit_rows(task);
    if (!make(task) || !can_do(task)) {
        printf("-\n");
        return;
    }
    const struct subject subject = { .run = strcmp(task->way, "predicts") == 0 ? predict : train, .state = task };
    printf("%.1f\n", 1e9 * measure_alone(&subject, CHUNKS) / task->batch);
}

int main(void)
{
    char line[1024];
    printf("2.2\n"); /* FANN does not tell its version */
    (void)fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct task task = { 0 };
        if (sscanf(line, "%31s %127s %31s %31s %31s %31s %f %u", task.way, task.widths, task.hidden, task.output, task.loss,
                   task.rule, &task.rate, &task.batch) == 8 &&
            task.batch > 0)
            answer(&task);
        else
            printf("-\n");
        (void)fflush(stdout);
        if (task.ann != NULL)
            fann_destroy(task.ann);
        if (task.rows != NULL)
            fann_destroy_train(task.rows);
    }
    return EXIT_SUCCESS;
}
