// SPDX-License-Identifier: MIT
/*
 * Checkpoints: a training run in a file, to be gone on with later, in another process, to the same bits.
 *
 *   bp_trainer_init(&trainer, &net, &adam, &data, &config);      -- as for a new run, with the same settings
 *   bp_trainer_restore(&trainer, "run.safetensors");             -- and everything is where it was
 *   while (!trainer.is_done && bp_trainer_run(&trainer, &(bp_run_limit){ .milliseconds = 60000 }) == BP_OK)
 *       bp_trainer_save(&trainer, "run.safetensors");
 *
 * A checkpoint is a model file (backprop/model_file.h) with more in it: bp_network_load() makes a network out of either. It has
 * no wall times. Like a model file it is written beside its place and renamed when it is complete and on disk.
 *
 * The same build on the same kind of processor, with the same data and settings, goes on to the same bits. The number type is part
 * of that: single precision does not go on with a checkpoint of double precision.
 */
#ifndef BACKPROP_CHECKPOINT_H
#define BACKPROP_CHECKPOINT_H

#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/precision.h"
#include "backprop/status.h"
#include "backprop/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Writes a run: its network, the optimizer, the generator, the order of the rows, where the run stands in epoch, schedule,
 * patience and plateau, the numbers to return to after a divergence, the best so far, and the history. The same run at the same
 * step gives the same bytes.
 *
 * May be called whenever bp_trainer_run() is not running; and from on_step and on_epoch, in the thread that calls them. What is
 * saved there goes on behind the callback: on_step is not called again for that step, nor on_epoch for that epoch, and what the
 * callback returns is not saved. The trainer itself is not changed.
 *
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, or a name of a custom function that is not UTF-8; BP_ERR_STATE if not
 *         initialised, or if training has ended by an error, so that there is nothing to go on with; BP_ERR_NONFINITE if parameters
 *         or state are no longer finite in the middle of an epoch, which is about to diverge; BP_ERR_IO, also for a full disk;
 *         BP_ERR_TOO_LARGE as bp_network_save() has it, but a checkpoint has 80 entries more; BP_ERR_MEMORY. The old file is then as
 *         it was
 */
bp_status bp_trainer_save(const bp_trainer *trainer, const char *path);

/** The same into memory, which comes from the allocator of the run. `bytes` is zeroed when the call fails. */
bp_status bp_trainer_save_memory(const bp_trainer *trainer, bp_bytes *bytes);

/**
 * Puts a run where it was when it was saved: network (parameters, state, scaling, names, metadata), optimizer (its rate, too) and
 * trainer, with progress and report.
 *
 * The trainer is made as for the first part, and may have trained since. What the finished part was computed with must be the same,
 * and is checked: the layers, the optimizer's settings, loss, batch, accumulate, keep_order, seed, input_noise, the schedule,
 * the kind and number of the rows and of those for validation, and which of them were split off. The scaling need not be fitted
 * again in the same way, it comes from the file, but must be there where it was. Custom activations and losses are compared by name;
 * custom schedules and the data's numbers cannot be compared, and are yours to have the same.
 *
 * What may be other: epochs (at least those done), target_loss, patience, min_improvement, restore_best, callbacks and allocators. So
 * a run that has ended after its epochs, at its target or for want of patience goes on when the new settings let it: from the end of
 * its last epoch, whichever parameters it had returned to. N epochs, saved and restored with `epochs` 2 N, are 2 N epochs. One that
 * a callback has ended stays ended: bp_trainer_cancel() is the way to go on later. For another rate, set the optimizer's
 * learning_rate after this call.
 *
 * Takes the bytes of the file, a second network, and a byte for each row; reads and checks everything before it changes anything.
 * Names and metadata of the network that were there before are gone, pointers to them with them. Not from a callback.
 *
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, and for other data and settings; BP_ERR_SHAPE for other layers, both values
 *         in the sentence; BP_ERR_STATE if not initialised, or running; BP_ERR_IO if the file cannot be opened or read;
 *         BP_ERR_FORMAT for bytes that are no checkpoint, or damaged; BP_ERR_NONFINITE for a number that is not finite;
 *         BP_ERR_UNSUPPORTED for the other precision, a newer version, or a custom activation of another name;
 *         BP_ERR_TOO_LARGE; BP_ERR_MEMORY. Trainer, network and optimizer are then as they were
 */
bp_status bp_trainer_restore(bp_trainer *trainer, const char *path);

/** The same from memory; `bytes` may go afterwards. */
bp_status bp_trainer_restore_memory(bp_trainer *trainer, const void *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
