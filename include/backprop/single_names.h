// SPDX-License-Identifier: MIT
/*
 * Public names of the single-precision build.
 * Written by tools/single_names.sh; do not edit.
 */
#ifndef BACKPROP_SINGLE_NAMES_H
#define BACKPROP_SINGLE_NAMES_H

#define bp_activation bpf_activation
#define bp_activation_name bpf_activation_name
#define bp_allocator bpf_allocator
#define bp_dataset bpf_dataset
#define bp_dataset_check bpf_dataset_check
#define bp_dataset_inputs bpf_dataset_inputs
#define bp_element bpf_element
#define bp_error_message bpf_error_message
#define bp_gradient_check bpf_gradient_check
#define bp_gradient_check_report bpf_gradient_check_report
#define bp_idx bpf_idx
#define bp_idx_free bpf_idx_free
#define bp_idx_read bpf_idx_read
#define bp_idx_read_memory bpf_idx_read_memory
#define bp_init bpf_init
#define bp_init_kind bpf_init_kind
#define bp_layer bpf_layer
#define bp_layer_config bpf_layer_config
#define bp_loss bpf_loss
#define bp_loss_kind bpf_loss_kind
#define bp_loss_name bpf_loss_name
#define bp_mode bpf_mode
#define bp_network bpf_network
#define bp_network_backward bpf_network_backward
#define bp_network_clone bpf_network_clone
#define bp_network_config bpf_network_config
#define bp_network_copy_params bpf_network_copy_params
#define bp_network_forward bpf_network_forward
#define bp_network_free bpf_network_free
#define bp_network_init bpf_network_init
#define bp_network_loss bpf_network_loss
#define bp_network_summary bpf_network_summary
#define bp_optimizer bpf_optimizer
#define bp_optimizer_config bpf_optimizer_config
#define bp_optimizer_free bpf_optimizer_free
#define bp_optimizer_init bpf_optimizer_init
#define bp_optimizer_kind bpf_optimizer_kind
#define bp_optimizer_name bpf_optimizer_name
#define bp_optimizer_step bpf_optimizer_step
#define bp_parameters bpf_parameters
#define bp_parameters_segment bpf_parameters_segment
#define bp_predict bpf_predict
#define bp_progress bpf_progress
#define bp_real bpf_real
#define bp_reduction bpf_reduction
#define bp_rng bpf_rng
#define bp_rng_below bpf_rng_below
#define bp_rng_init bpf_rng_init
#define bp_rng_next bpf_rng_next
#define bp_rng_normal bpf_rng_normal
#define bp_rng_shuffle bpf_rng_shuffle
#define bp_rng_uniform bpf_rng_uniform
#define bp_segment bpf_segment
#define bp_segment_kind bpf_segment_kind
#define bp_segment_name bpf_segment_name
#define bp_signal bpf_signal
#define bp_status bpf_status
#define bp_status_string bpf_status_string
#define bp_stop_reason bpf_stop_reason
#define bp_targets bpf_targets
#define bp_train bpf_train
#define bp_train_callback bpf_train_callback
#define bp_train_config bpf_train_config
#define bp_train_report bpf_train_report
#define bp_train_report_free bpf_train_report_free
#define bp_version bpf_version
#define bp_view bpf_view
#define bp_workspace bpf_workspace
#define bp_workspace_free bpf_workspace_free
#define bp_workspace_init bpf_workspace_init
#define bp_write bpf_write

#endif
