// SPDX-License-Identifier: MIT
/*
 * Processes, pipes and lines.
 */
#define _POSIX_C_SOURCE 200809L

#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- Lines ----------------------------------------------------------------------------------------------------------- */

/* Reads up to the end of the line; false at the end of the file. */
static bool read_line(int from, size_t size, char *line)
{
    size_t n = 0;
    char c = 0;
    while (read(from, &c, 1) == 1 && c != '\n')
        if (n + 1 < size)
            line[n++] = c;
    line[n] = '\0';
    return c == '\n';
}

static bool write_all(int to, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        const ssize_t n = write(to, text, left);
        if (n <= 0)
            return false;
        text += n;
        left -= (size_t)n;
    }
    return true;
}

/* ---- Processes ------------------------------------------------------------------------------------------------------- */

/* In the child. Its BLAS has the threads of the column; what it complains about is of no use here. */
static void become(const char *const *arguments, int threads, const int in[2], const int out[2])
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", threads);
    if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0 && freopen("/dev/null", "w", stderr) != NULL &&
        setenv("OPENBLAS_NUM_THREADS", number, 1) == 0 && setenv("OMP_NUM_THREADS", number, 1) == 0) {
        (void)execvp(arguments[0], (char *const *)arguments);
    }
    _exit(127);
}

/* A pipe whose ends no other child inherits: it would keep them open. */
static bool pipe_for_us(int ends[2])
{
    return pipe(ends) == 0 && fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0;
}

bool start_process(struct process *process, const char *const *arguments, int threads, char first_line[64])
{
    int in[2], out[2];
    *process = (struct process){ 0 };
    (void)signal(SIGPIPE, SIG_IGN); /* one that has died is one that is not there */
    if (!pipe_for_us(in) || !pipe_for_us(out))
        return false;
    (void)fflush(stdout);
    const pid_t id = fork();
    if (id == 0)
        become(arguments, threads, in, out);
    (void)close(in[0]);
    (void)close(out[1]);
    *process = (struct process){ .to = in[1], .from = out[0], .id = (long)id };
    if (id > 0 && read_line(process->from, 64, first_line))
        return true;
    stop_process(process);
    return false;
}

void stop_process(struct process *process)
{
    if (process->id == 0)
        return;
    (void)close(process->to); /* the end of its input, and so of itself */
    (void)close(process->from);
    if (process->id > 0)
        (void)waitpid((pid_t)process->id, NULL, 0);
    *process = (struct process){ 0 };
}

/* Threads of its BLAS turn idly for a while before they sleep. */
static void let_it_calm_down(void)
{
    const struct timespec while_it_spins = { .tv_nsec = 30000000 };
    (void)nanosleep(&while_it_spins, NULL);
}

bool ask_process(struct process *process, const char *question, size_t size, char *answer)
{
    if (process->id <= 0 || !write_all(process->to, question) || !read_line(process->from, size, answer))
        return false;
    let_it_calm_down();
    return true;
}

bool start_python(struct process *process, const char *const *arguments, int threads, char first_line[64])
{
    static const char *const pythons[] = { "python3", "/usr/bin/python3" };
    enum { MOST_ARGUMENTS = 8 };
    for (size_t i = 0; i < sizeof pythons / sizeof pythons[0]; i++) {
        const char *all[MOST_ARGUMENTS + 2] = { pythons[i] };
        for (size_t k = 0; k < MOST_ARGUMENTS && arguments[k] != NULL; k++)
            all[k + 1] = arguments[k];
        if (start_process(process, all, threads, first_line))
            return true;
    }
    return false;
}
