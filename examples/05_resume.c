// SPDX-License-Identifier: MIT
/*
 * Training that goes on another day: stopped by Ctrl-C or after some steps, saved, and gone on with when the program is called
 * again. However often it is interrupted, it comes to the very same numbers.
 *
 *   05_resume [PATH]            does up to 200 steps more; three calls are the whole run
 *   05_resume --at-once         does all of it, without a file: the last line is the same
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backprop.h>

enum { ROWS = 256 };

static bp_trainer trainer; /* where the signal finds it */

static void interrupt(int signal)
{
    (void)signal;
    // NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c): it sets an atomic flag, and is documented for signal handlers
    bp_trainer_cancel(&trainer); /* the step that is under way is done, then bp_trainer_run() returns */
}

static bool exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    return file != NULL && fclose(file) == 0;
}

/* y = x1 x2 + noise. The same numbers in each call, as rows of a file would be. */
static void make_data(bp_real X[ROWS * 2], bp_real T[ROWS])
{
    bp_rng rng;
    bp_rng_init(&rng, 7);
    for (size_t i = 0; i < ROWS; i++) {
        X[2 * i] = (bp_real)bp_rng_normal(&rng);
        X[2 * i + 1] = (bp_real)bp_rng_normal(&rng);
        T[i] = X[2 * i] * X[2 * i + 1] + (bp_real)(0.1 * bp_rng_normal(&rng));
    }
}

/* Goes on where the file says, if there is one, and leaves a new one. */
static bp_status train_on(const char *path, uint64_t steps)
{
    bp_status status = BP_OK;
    if (path != NULL && exists(path))
        status = bp_trainer_restore(&trainer, path);
    if (status == BP_OK && trainer.report.n_steps > 0)
        printf("going on at epoch %zu, step %zu\n", trainer.report.epoch, trainer.report.step);
    if (status == BP_OK)
        status = bp_trainer_run(&trainer, &(bp_run_limit){ .steps = steps });
    if (status == BP_OK && path != NULL)
        status = bp_trainer_save(&trainer, path); /* complete and on disk, or the old one is still there */
    return status;
}

static void tell(void)
{
    const bp_train_report *report = &trainer.report;
    if (!trainer.is_done)
        printf("stopped at epoch %zu, step %zu: call again to go on\n", report->epoch, report->step);
    else
        printf("done: best epoch %zu of %zu, validation loss %.17g\n", report->best_epoch, report->n_epochs,
               (double)report->validation_losses[report->best_epoch - 1]);
}

int main(int argc, char **argv)
{
    static bp_real X[ROWS * 2], T[ROWS];
    const bool at_once = argc > 1 && strcmp(argv[1], "--at-once") == 0;
    const char *path = at_once ? NULL : argc > 1 ? argv[1] : "resume.safetensors";
    const bp_layer_config layers[] = {
        { .n_out = 16, .activation = BP_TANH, .dropout = (bp_real)0.1 },
        { .n_out = 1 },
    };
    const bp_network_config network = { .n_in = 2, .n_layers = 2, .layers = layers, .seed = 1 };
    const bp_dataset data = { .rows = ROWS, .n_in = 2, .n_out = 1, .X = { .data = X }, .T = { .data = T } };
    const bp_train_config config = { .epochs = 40, /* of 13 steps each */
                                     .batch = 16,
                                     .seed = 2,
                                     .validation_fraction = (bp_real)0.2,
                                     .restore_best = true,
                                     .schedule = { .kind = BP_SCHEDULE_COSINE, .period = 520 } };
    bp_network net;
    bp_optimizer adam = { 0 };

    /* Everything is made as for a new run; what is in the file is put into it. */
    make_data(X, T);
    bp_status status = bp_network_init(&net, &network);
    if (status == BP_OK)
        status = bp_optimizer_init(&adam, &(bp_optimizer_config){ .kind = BP_ADAM, .learning_rate = (bp_real)0.01 },
                                   &net.parameters);
    if (status == BP_OK)
        status = bp_trainer_init(&trainer, &net, &adam, &data, &config);
    if (status == BP_OK && signal(SIGINT, interrupt) != SIG_ERR)
        status = train_on(path, at_once ? 0 : 200);
    (void)signal(SIGINT, SIG_DFL); /* before the trainer goes */
    if (status == BP_OK)
        tell();
    else
        (void)fprintf(stderr, "error: %s\n", bp_error_message());

    bp_trainer_free(&trainer);
    bp_optimizer_free(&adam);
    bp_network_free(&net);
    return status == BP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
