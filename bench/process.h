// SPDX-License-Identifier: MIT
/*
 * Processes that are asked line by line: each writes one line when it is ready, then one for each that it reads.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/** Zeroed: none. */
struct process {
    int to, from; /**< pipes */
    long id;
};

/**
 * Starts a program, its BLAS with so many threads.
 *
 * @param arguments   the program, searched in the path, what it is told, NULL
 * @param first_line  receives what it writes when it is ready
 * @return false if it is not there or ends without that
 */
bool start_process(struct process *process, const char *const *arguments, int threads, char first_line[64]);

/** The same for a script, by the Python of the path or, if that lacks what the script imports, by the system's. At most 8 arguments. */
bool start_python(struct process *process, const char *const *arguments, int threads, char first_line[64]);

/** Sends a line (with its end), waits for the answer. False if there is no process, or no longer. */
bool ask_process(struct process *process, const char *question, size_t size, char *answer);

/** Ends its input and waits for its end. A zeroed process is fine. */
void stop_process(struct process *process);

#endif
