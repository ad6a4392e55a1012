// SPDX-License-Identifier: MIT
/*
 * Training in one call: a trainer run to its end.
 */
#include "base/real.h"

#include "backprop/train.h"

#include "base/status.h"

bp_status bp_train(bp_network *net, bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config,
                   bp_train_report *report)
{
    if (report != NULL)
        *report = (bp_train_report){ 0 };
    bp_trainer trainer;
    BPI_TRY(bp_trainer_init(&trainer, net, opt, data, config));
    const bp_status status = bp_trainer_run(&trainer, NULL);
    if (report != NULL) {
        *report = trainer.report;
        trainer.report = (bp_train_report){ 0 };
    }
    bp_trainer_free(&trainer);
    return status;
}
