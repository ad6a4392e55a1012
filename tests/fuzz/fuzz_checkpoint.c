// SPDX-License-Identifier: MIT
/*
 * Checkpoints, as they come and with length and checksum mended: the run goes on from there, or stays where it was.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz_run.h"

static void restore(const uint8_t *data, size_t size)
{
    struct fuzz_run run;
    bp_bytes before, after, again;
    fuzz_run_init(&run);
    require(bp_trainer_save_memory(&run.trainer, &before) == BP_OK);
    if (bp_trainer_restore_memory(&run.trainer, data, size) != BP_OK) {
        require(bp_trainer_save_memory(&run.trainer, &after) == BP_OK);
        require(before.size == after.size && memcmp(before.data, after.data, before.size) == 0);
    } else {
        require(bp_trainer_save_memory(&run.trainer, &after) == BP_OK);
        require(bp_trainer_restore_memory(&run.trainer, after.data, after.size) == BP_OK);
        require(bp_trainer_save_memory(&run.trainer, &again) == BP_OK);
        require(after.size == again.size && memcmp(after.data, again.data, after.size) == 0);
        (void)bp_trainer_run(&run.trainer, &(bp_run_limit){ .steps = 3 }); /* it may diverge */
        bp_bytes_free(&again);
    }
    bp_bytes_free(&before);
    bp_bytes_free(&after);
    fuzz_run_free(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *mended = fuzz_mended(data, size);
    restore(data, size);
    if (mended != NULL)
        restore(mended, size);
    free(mended);
    return 0;
}
