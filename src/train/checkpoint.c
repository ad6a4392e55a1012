// SPDX-License-Identifier: MIT
/*
 * Checkpoints as the public sees them: paths and memory around what checkpoint_write.c and checkpoint_read.c do.
 */
#include "train/checkpoint.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "store/utf8.h"
#include "train/snapshot.h"

/* ---- Saving ---------------------------------------------------------------------------------------------------------- */

static bp_status check_trainer(const char *function, const bp_trainer *trainer)
{
    if (trainer == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: trainer is NULL", function);
    if (trainer->run == NULL)
        return bpi_fail(BP_ERR_STATE, "%s: the trainer is empty; bp_trainer_init() has not been called or has failed",
                        function);
    return BP_OK;
}

/* A run that has failed has nothing to go on with, nor has one that is about to: neither may replace a good checkpoint. */
static bp_status check_to_save(const char *function, const bp_trainer *trainer)
{
    BPI_TRY(check_trainer(function, trainer));
    const bp_stop_reason reason = trainer->report.reason;
    if (reason == BP_STOPPED_DIVERGED || reason == BP_STOPPED_ERROR)
        return bpi_fail(BP_ERR_STATE,
                        "%s: training has ended by an error at epoch %zu, step %zu; there is nothing to go on with",
                        function, trainer->report.epoch, trainer->report.step);
    const bp_loss_function *custom = trainer->run->config.loss.custom;
    if (custom != NULL && !bpi_utf8_is_valid(custom->name, strlen(custom->name)))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the name of the custom loss is not UTF-8", function);
    const char *what = bpi_run_not_finite(trainer->run);
    if (what != NULL)
        return bpi_fail(BP_ERR_NONFINITE, "%s: %s not finite at epoch %zu, step %zu", function, what,
                        trainer->progress.epoch, trainer->progress.step);
    return BP_OK;
}

bp_status bp_trainer_save(const bp_trainer *trainer, const char *path)
{
    BPI_TRY(check_to_save(__func__, trainer));
    BPI_NOT_NULL(path);
    struct bpi_writer writer;
    BPI_TRY(bpi_writer_open_path(&writer, path, &trainer->run->allocator));
    const bp_status status = bpi_checkpoint_write(trainer, &writer);
    if (status == BP_OK)
        return bpi_writer_finish(&writer);
    bpi_writer_abandon(&writer);
    return status;
}

bp_status bp_trainer_save_memory(const bp_trainer *trainer, bp_bytes *bytes)
{
    BPI_NOT_NULL(bytes);
    *bytes = (bp_bytes){ 0 };
    BPI_TRY(check_to_save(__func__, trainer));
    struct bpi_writer writer;
    bpi_writer_open_memory(&writer, &trainer->run->allocator);
    bp_status status = bpi_checkpoint_write(trainer, &writer);
    if (status == BP_OK)
        status = bpi_writer_finish(&writer);
    if (status == BP_OK)
        *bytes = (bp_bytes){ .data = writer.memory.data, .size = writer.memory.n, .allocator = trainer->run->allocator };
    else
        bpi_writer_abandon(&writer);
    return status;
}

/* ---- Restoring ------------------------------------------------------------------------------------------------------- */

static bp_status check_to_restore(const char *function, const bp_trainer *trainer)
{
    BPI_TRY(check_trainer(function, trainer));
    if (trainer->run->is_running)
        return bpi_fail(BP_ERR_STATE, "%s: the trainer is running; it cannot be restored from a callback", function);
    return BP_OK;
}

bp_status bp_trainer_restore(bp_trainer *trainer, const char *path)
{
    BPI_TRY(check_to_restore(__func__, trainer));
    BPI_NOT_NULL(path);
    struct bpi_safetensors st;
    BPI_TRY(bpi_safetensors_read_path(&st, path, &trainer->run->allocator));
    const bp_status status = bpi_checkpoint_read(trainer, &st);
    bpi_safetensors_free(&st);
    return status;
}

bp_status bp_trainer_restore_memory(bp_trainer *trainer, const void *bytes, size_t size)
{
    BPI_TRY(check_to_restore(__func__, trainer));
    BPI_NOT_NULL(bytes);
    struct bpi_safetensors st;
    BPI_TRY(bpi_safetensors_read_memory(&st, bytes, size, &trainer->run->allocator));
    const bp_status status = bpi_checkpoint_read(trainer, &st);
    bpi_safetensors_free(&st);
    return status;
}
