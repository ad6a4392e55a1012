// SPDX-License-Identifier: MIT
/*
 * Internal names of the single-precision build.
 * Written by tools/single_names.sh; do not edit.
 */
#ifndef BPI_BASE_SINGLE_NAMES_H
#define BPI_BASE_SINGLE_NAMES_H

#define bpi_activation bpfi_activation
#define bpi_activation_row bpfi_activation_row
#define bpi_add bpfi_add
#define bpi_allocate bpfi_allocate
#define bpi_allocator_or_default bpfi_allocator_or_default
#define bpi_apply bpfi_apply
#define bpi_batch_buffers bpfi_batch_buffers
#define bpi_check_allocator bpfi_check_allocator
#define bpi_dataset_gather bpfi_dataset_gather
#define bpi_fail bpfi_fail
#define bpi_gemm_nn bpfi_gemm_nn
#define bpi_gemm_nt bpfi_gemm_nt
#define bpi_gemm_tn bpfi_gemm_tn
#define bpi_gemm_warm_up bpfi_gemm_warm_up
#define bpi_init_check bpfi_init_check
#define bpi_init_fill bpfi_init_fill
#define bpi_init_for_weights bpfi_init_for_weights
#define bpi_labels_are_direct bpfi_labels_are_direct
#define bpi_layer_forward bpfi_layer_forward
#define bpi_layer_input_gradient bpfi_layer_input_gradient
#define bpi_layer_parameter_gradient bpfi_layer_parameter_gradient
#define bpi_layer_pull_back bpfi_layer_pull_back
#define bpi_loss bpfi_loss
#define bpi_loss_batch bpfi_loss_batch
#define bpi_loss_check bpfi_loss_check
#define bpi_loss_check_label bpfi_loss_check_label
#define bpi_loss_check_sum bpfi_loss_check_sum
#define bpi_loss_check_values bpfi_loss_check_values
#define bpi_loss_check_weight bpfi_loss_check_weight
#define bpi_loss_of_batch bpfi_loss_of_batch
#define bpi_loss_of_row bpfi_loss_of_row
#define bpi_loss_row bpfi_loss_row
#define bpi_loss_weight_of_batch bpfi_loss_weight_of_batch
#define bpi_multiply bpfi_multiply
#define bpi_network_backward bpfi_network_backward
#define bpi_network_check bpfi_network_check
#define bpi_optimizer_begin_step bpfi_optimizer_begin_step
#define bpi_optimizer_check bpfi_optimizer_check
#define bpi_optimizer_flush bpfi_optimizer_flush
#define bpi_optimizer_is_plain bpfi_optimizer_is_plain
#define bpi_optimizer_step_range bpfi_optimizer_step_range
#define bpi_piece bpfi_piece
#define bpi_place bpfi_place
#define bpi_plan bpfi_plan
#define bpi_plan_allocate bpfi_plan_allocate
#define bpi_plan_array bpfi_plan_array
#define bpi_plan_matrix bpfi_plan_matrix
#define bpi_pull_back bpfi_pull_back
#define bpi_release bpfi_release
#define bpi_sink bpfi_sink
#define bpi_source bpfi_source
#define bpi_source_at_end bpfi_source_at_end
#define bpi_source_close bpfi_source_close
#define bpi_source_decode bpfi_source_decode
#define bpi_source_open_memory bpfi_source_open_memory
#define bpi_source_open_path bpfi_source_open_path
#define bpi_source_read bpfi_source_read
#define bpi_source_read_exactly bpfi_source_read_exactly
#define bpi_source_read_growing bpfi_source_read_growing
#define bpi_status_ bpfi_status_
#define bpi_view_is_direct bpfi_view_is_direct
#define bpi_workspace_init bpfi_workspace_init

#endif
